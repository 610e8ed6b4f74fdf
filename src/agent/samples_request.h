#pragma once

/*
 * The body of POST /v1/sample, checked.  Pure.
 *
 *	{"format":1,"limit_ms":N,"all":REQUEST,
 *	 "slots":[{"service":"S","slot":N, REQUEST's keys}...]}
 *
 * REQUEST is that of sample/sample.h; without "all" the slots that are not named are asked for
 * nothing but their head.  A slot that this host does not have is no fault: its task may just have
 * gone elsewhere.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "sample/sample.h"

#define SAMPLES_LIMIT_MS     800 /* without "limit_ms" */
#define SAMPLES_LIMIT_MS_MAX 5000

struct samples_own {
	const char *service;
	uint64_t slot;
	struct sample_request q;
};

struct samples_request {
	json_t *json; /* owns the texts */
	int64_t limit_ns;
	struct sample_request all;
	struct samples_own *own; /* by service and slot, each once */
	size_t n;
};

/* ERR_USAGE; nothing is to be released then. */
int samples_request_parse(
        struct samples_request *ret, const char *text, size_t n, struct err *e) NODISCARD;
void samples_request_release(struct samples_request *r);

/* What that slot is to be asked. */
const struct sample_request *samples_request_of(
        const struct samples_request *r, const char *service, uint64_t slot);
