#pragma once

/* All that a book says, as text; leases, which differ each time, only as being there. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/book.h"

#define DUMP_MAX 65536

static char *dump_out;
static unsigned dump_running; /* tries that have not ended */

static inline PRINTF(1, 2) void dump_put(const char *fmt, ...)
{
	size_t n = strlen(dump_out);
	va_list ap;

	va_start(ap, fmt);
	assert_true(vsnprintf(dump_out + n, DUMP_MAX - n, fmt, ap) < (int)(DUMP_MAX - n));
	va_end(ap);
}

static inline void dump_try(void *arg, const struct book_try *t)
{
	(void)arg;
	dump_put("   %u %s %s %lld %lld %u %s %s\n", t->number, t->worker, t->end,
	        (long long)t->start_ns, (long long)t->end_ns, t->last_block, t->error, t->log);
	dump_running += strcmp(t->end, "running") == 0;
}

static inline void dump_job(struct book *b, const struct job *j)
{
	char *line = job_line(j);
	struct err ignored = ERR_INIT;

	dump_put("%s start %lld end %lld hash %s learned %d %s tries %u losses %u retry %lld "
	         "worker %s lease %d cancelled %d error %s\n",
	        line, (long long)j->start_ns, (long long)j->end_ns, j->start_hash,
	        j->is_expected_learned, j->nodeos_version, j->tries, j->losses,
	        (long long)j->retry_at_ns, j->worker, j->lease[0] != '\0', j->is_cancelled,
	        j->error);
	free(line);
	dump_running = 0;
	assert_int_equal(book_tries(b, j->id, dump_try, NULL, &ignored), 0);
	/* One that goes on for each job that somebody has, and no other. */
	assert_int_equal(dump_running, job_is_claimed(j));
}

static inline void dump_book(struct book *b, char to[DUMP_MAX])
{
	struct book_totals t;

	dump_out = to;
	*dump_out = '\0';
	book_totals(b, &t);
	dump_put("%s done %d busy %.3f\n", book_mode_name(book_mode(b)), book_is_done(b),
	        t.busy_seconds);
	for (size_t i = 0; i < book_count(b); i++)
		dump_job(b, book_at(b, i));
}

/* Fails with the first line that differs; cmocka cuts long texts. */
static inline void dump_same(const char *found, const char *wanted, const char *when)
{
	size_t at = 0;

	while (found[at] && found[at] == wanted[at])
		at++;
	if (found[at] == wanted[at])
		return;
	while (at > 0 && found[at - 1] != '\n')
		at--;
	fail_msg("%s:\n%.*s\nand not\n%.*s", when, (int)strcspn(found + at, "\n"), found + at,
	        (int)strcspn(wanted + at, "\n"), wanted + at);
}
