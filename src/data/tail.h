#pragma once

/* The end of a slot's log. */

#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"

#define TAIL_BYTES_MAX (1024U * 1024)

/*
 * The last lines of SLOT_LOG in dirfd, and where it is short those of the file before it: whole
 * lines, at most TAIL_BYTES_MAX bytes, UTF-8 without control characters but newline and tab.  An
 * allocated string, "" without a log; NULL and *e.
 */
char *tail_read(int dirfd, unsigned lines, struct err *e) NODISCARD;
