#pragma once

/*
 * Reports as files under tests/data/load, NAME.EXT for each sample
 *
 * UPDATE=1 rewrites them.
 */

#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake/load_sample.h"

typedef int report_writer_fn(const struct load_report *r, FILE *out, struct err *e);

/* What a writer makes of a report; the caller frees it. */
static inline char *written(const struct load_report *r, report_writer_fn *write, size_t *ret_n)
{
	struct err e = ERR_INIT;
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_n);

	assert_non_null(f);
	assert_int_equal(write(r, f, &e), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static inline void compare_file(const char *path, const char *text, size_t n)
{
	char *kept = calloc(1, n + 2);
	FILE *f;

	assert_non_null(kept);
	if (getenv("UPDATE")) {
		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(text, 1, n, f), n);
		assert_int_equal(fclose(f), 0);
	}
	f = fopen(path, "r");
	if (!f)
		fail_msg("no %s: UPDATE=1 makes it", path);
	kept[fread(kept, 1, n + 1, f)] = '\0';
	fclose(f);
	if (strcmp(kept, text) != 0)
		fail_msg("%s differs (UPDATE=1 rewrites it), now:\n%s", path, text);
	free(kept);
}

static inline void golden(enum sample_kind kind, const char *ext, report_writer_fn *write)
{
	struct sample *s = sample_new(kind, false);
	char path[128];
	size_t n;
	char *text = written(&s->report, write, &n);

	snprintf(path, sizeof(path), "tests/data/load/%s.%s", sample_name(kind), ext);
	compare_file(path, text, n);
	free(text);
	sample_free(s);
}
