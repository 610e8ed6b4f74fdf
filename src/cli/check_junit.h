#pragma once

/*
 * A check as JUnit XML, for what CI systems show
 *
 * One test case for each rule and each it is about: a node, a reference, a producer, or all of us.
 * Their names are the same in every run, so that a history can be made of them.  A case fails
 * when its finding has the asked criticality; one below that passes, and says so in its output. The
 * first case is the verdict, on which more may depend.
 * Source of the format: https://github.com/testmoapp/junitxml (there is no standard).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "watch/watch.h"

/* How the check was. */
struct check_junit {
	enum watch_criticality fail_on;
	bool is_healthy;
	const char *verdict;
	int64_t real_ns; /* when it was done */
	int64_t took_ns;
};

int check_junit(struct buf *out, const struct watch *w, const struct check_junit *how,
        struct err *e) NODISCARD;
