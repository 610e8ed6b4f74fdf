#pragma once

/*
 * What an operator has to know of the producers: pure sentences over a producer_view
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "producer/candidate.h"

#define PRODUCER_TEXT_SIZE 512

/* Who has it, since which epoch, and the order that stands.  Returns out. */
const char *producer_lease_text(const struct producer_view *p, char *out, size_t size);

/* What is wrong, or is going to be when something happens.  rule: "no-standby" ..., a literal. */
typedef void producer_warn_fn(void *arg, const char *rule, const char *text);
void producer_warnings(const struct producer_view *p, producer_warn_fn *fn, void *arg);
