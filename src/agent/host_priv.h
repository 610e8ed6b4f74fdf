#pragma once

/* What the files of host_facts() share. */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/json.h"

/*
 * Read at most size - 1 bytes of a file of /proc or /sys, which may be longer; a NUL follows.
 * Returns the number of bytes, -1 with errno.
 */
ssize_t host_read(char *out, size_t size, const char *path);

/* host_ports.c: the list "ports", a new reference; NULL without memory. */
json_t *host_ports(void) NODISCARD;

struct pool;

/* host_slots.c: "healing" and "quarantine", new references; NULL without memory. */
json_t *host_healing(const struct pool *p) NODISCARD;
json_t *host_quarantine(const struct pool *p, int64_t deadline_ns) NODISCARD;

/* host_programs.c: the list "programs" as far as it is ready by deadline_ns (CLOCK_MONOTONIC), a
 * new reference; NULL without memory. */
json_t *host_programs(int64_t deadline_ns, bool *ret_is_complete) NODISCARD;
