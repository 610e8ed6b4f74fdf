#include "unit/test.h"

#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/load_live.h"

static const struct load_config closed = {
	.warmup_ns = NS_PER_SEC, .duration_ns = 10 * NS_PER_SEC, .connections = 64
};
static const struct load_config open_loop = { .warmup_ns = NS_PER_SEC,
	.duration_ns = 10 * NS_PER_SEC,
	.connections = 64,
	.scheduled = true };
static const struct load_config counted = { .duration_ns = 60 * NS_PER_SEC, .requests = 1000 };

static bool name_slot(void *arg, const char *address, char *out, size_t size)
{
	(void)arg;
	if (strcmp(address, "10.0.0.7:8888") == 0)
		return snprintf(out, size, "readers.10@node2") > 0;
	if (strcmp(address, "10.0.0.8:8888") == 0)
		return snprintf(out, size, "readers.9@node1") > 0;
	return false;
}

/* What a second with that many good answers of 1 ms, and some failures, has counted. */
static struct load_tally *tally(
        const struct load_config *c, unsigned ok, unsigned timeouts, unsigned n_backends)
{
	struct load_tally *t = load_tally_new(c->scheduled);

	assert_non_null(t);
	t->classes[LOAD_OK] = ok;
	t->classes[LOAD_TIMEOUT] = timeouts;
	load_hist_record_n(t->sent, NS_PER_MS, ok);
	if (t->planned)
		load_hist_record_n(t->planned, 2 * NS_PER_MS, ok);
	for (unsigned i = 0; i < n_backends; i++) {
		char name[32];
		int k;

		snprintf(name, sizeof(name), "10.0.0.%u:8888", 7 + i);
		k = load_tally_backend(t, name, strlen(name));
		assert_true(k >= 0);
		t->backends[k].ok = ok / n_backends;
		t->backends[k].failed = i == 2;
		t->backends[k].head = 1000 - i;
		t->backends[k].head_age_ns = 300 * NS_PER_MS + i;
		load_hist_record_n(t->backends[k].latency, NS_PER_MS, t->backends[k].ok);
	}
	if (n_backends)
		t->head = 1000;
	return t;
}

struct row {
	const char *name;
	const struct load_config *c;
	int64_t begin_ns, end_ns;
	unsigned ok, timeouts, n_backends;
	size_t cols, rows;
	const char *text;
};

static const struct row rows[] = {
	{ "80 columns", &closed, 2 * NS_PER_SEC, 3 * NS_PER_SEC, 1000, 0, 0, 79, 23,
	        "http://h/x\n"
	        "[############............................] 3.0 s of 10.0 s\n"
	        "1k/s   p50 1.00 ms   p99 1.00 ms   p99.9 1.00 ms\n"
	        "open 64   failed 0\n" },
	{ "warm-up", &closed, -NS_PER_SEC, -NS_PER_SEC / 4, 750, 3, 0, 79, 23,
	        "http://h/x\n"
	        "[##############################..........] warm-up, 250 ms left\n"
	        "1k/s   p50 1.00 ms   p99 1.00 ms   p99.9 1.00 ms\n"
	        "open 64   failed 0\n" },
	{ "open loop", &open_loop, 9 * NS_PER_SEC, 10 * NS_PER_SEC, 500, 12, 0, 79, 23,
	        "http://h/x\n"
	        "[########################################] waiting for the last answers\n"
	        "500/s   p50 2.00 ms   p99 2.00 ms   p99.9 2.00 ms\n"
	        "open 64   backlog 17   failed 12   timeout 12\n" },
	{ "a count", &counted, 0, NS_PER_SEC, 500, 0, 0, 79, 23,
	        "http://h/x\n"
	        "[####################....................] 500 of 1000 requests\n"
	        "500/s   p50 1.00 ms   p99 1.00 ms   p99.9 1.00 ms\n"
	        "open 64   failed 0\n" },
	{ "nothing yet", &closed, 0, NS_PER_SEC, 0, 2, 0, 79, 23,
	        "http://h/x\n"
	        "[####....................................] 1.0 s of 10.0 s\n"
	        "0/s   p50 -   p99 -   p99.9 -\n"
	        "open 64   failed 2   timeout 2\n" },
	{ "slots", &closed, 0, NS_PER_SEC, 900, 0, 3, 79, 23,
	        "http://h/x\n"
	        "[####....................................] 1.0 s of 10.0 s\n"
	        "900/s   p50 1.00 ms   p99 1.00 ms   p99.9 1.00 ms\n"
	        "open 64   head 1000   head age 300 ms   failed 0\n"
	        "10.0.0.9:8888        301/s  p99 1.00 ms  lag 2  FAILS\n"
	        "readers.9@node1      300/s  p99 1.00 ms  lag 1\n"
	        "readers.10@node2     300/s  p99 1.00 ms  lag 0\n" },
	{ "40 columns", &closed, 0, NS_PER_SEC, 900, 0, 2, 39, 23,
	        "http://h/x\n"
	        "[##...................] 1.0 s of 10.0 s\n"
	        "900/s   p50 1.00 ms   p99 1.00 ms\n"
	        "p99.9 1.00 ms\n"
	        "open 64   head 1000   head age 300 ms\n"
	        "failed 0\n"
	        "readers.9@node1    450/s 1.00 ms lag 1\n"
	        "readers.10@node2   450/s 1.00 ms lag 0\n" },
	{ "few lines", &closed, 0, NS_PER_SEC, 900, 0, 3, 79, 6,
	        "http://h/x\n"
	        "[####....................................] 1.0 s of 10.0 s\n"
	        "900/s   p50 1.00 ms   p99 1.00 ms   p99.9 1.00 ms\n"
	        "open 64   head 1000   head age 300 ms   failed 0\n"
	        "10.0.0.9:8888        301/s  p99 1.00 ms  lag 2  FAILS\n"
	        "and 2 more\n" },
	{ "one line", &closed, 0, NS_PER_SEC, 900, 0, 3, 79, 1, "http://h/x\n" },
	{ "no room", &closed, 0, NS_PER_SEC, 900, 0, 0, 5, 23,
	        "http:\n"
	        "1.0 s\n"
	        "900/s\n"
	        "p50 1\n"
	        "p99 1\n"
	        "p99.9\n"
	        "open \n"
	        "faile\n" },
};

static void draw(const struct row *r, struct load_live *l, struct buf *out)
{
	AUTO(load_tally_free) struct load_tally *t = tally(r->c, r->ok, r->timeouts, r->n_backends);
	struct load_interval i = { .begin_ns = r->begin_ns,
		.end_ns = r->end_ns,
		.is_warmup = r->begin_ns < 0,
		.tally = t,
		.backlog = 17,
		.open = 64 };

	load_live_text(l, &i, r->cols, r->rows, out);
}

static void texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf out = BUF_INIT(10000);
		struct load_live l;

		load_live_init(&l, NULL, rows[i].c, "http://h/x", name_slot, NULL);
		draw(&rows[i], &l, &out);
		if (strcmp(out.data, rows[i].text) != 0)
			fail_msg("%s:\n%s", rows[i].name, out.data);
	}
}

/* Whatever the size, no line is wider and there are no more. */
static void sizes(void **state)
{
	(void)state;
	for (size_t cols = 1; cols < 200; cols += 7)
		for (size_t n = 1; n < 12; n++) {
			struct row r = rows[5];
			AUTO(buf) struct buf out = BUF_INIT(10000);
			struct load_live l;
			size_t lines = 0;

			r.cols = cols;
			r.rows = n;
			r.timeouts = 7;
			load_live_init(
			        &l, NULL, r.c, "http://a.rather.long.name/x", name_slot, NULL);
			draw(&r, &l, &out);
			for (char *s = out.data, *end; (end = strchr(s, '\n')); s = end + 1) {
				if ((size_t)(end - s) > cols)
					fail_msg("%zu columns: %.*s", cols, (int)(end - s), s);
				lines++;
			}
			if (lines > n)
				fail_msg("%zu lines, not %zu:\n%s", lines, n, out.data);
		}
}

static void sums(void **state)
{
	AUTO(buf) struct buf out = BUF_INIT(10000);
	struct load_live l;

	(void)state;
	load_live_init(&l, NULL, &open_loop, "t", NULL, NULL);
	for (int i = 0; i < 3; i++)
		draw(&rows[2], &l, &out);
	draw(&rows[1], &l, &out);
	assert_int_equal(l.total, 3 * 512);
	assert_int_equal(l.classes[LOAD_TIMEOUT], 36);
}

/* What was written so far: the kernel hands it over a little later. */
static void read_all(int fd, char *out, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t used = 0;
	ssize_t n;

	while (used + 1 < size && poll(&p, 1, 200) > 0 &&
	        (n = read(fd, out + used, size - used - 1)) > 0)
		used += (size_t)n;
	out[used] = '\0';
}

/* What is drawn on a terminal goes up as many lines as stand there, and leaves nothing. */
static void on_a_terminal(void **state)
{
	struct winsize ws = { .ws_row = 24, .ws_col = 80 };
	AUTO(load_tally_free) struct load_tally *t = tally(&closed, 900, 0, 0);
	struct load_interval i = { .end_ns = NS_PER_SEC, .tally = t, .open = 64 };
	struct load_live l;
	char seen[4096];
	int master, slave;
	size_t n;
	FILE *f;

	(void)state;
	if (openpty(&master, &slave, NULL, NULL, &ws) < 0)
		skip();
	f = fdopen(slave, "w");
	assert_non_null(f);
	load_live_init(&l, f, &closed, "http://h/x", NULL, NULL);
	load_live_interval(&l, &i);
	assert_int_equal(l.n_lines, 4);
	load_live_interval(&l, &i);
	load_live_erase(&l);
	load_live_erase(&l);
	read_all(master, seen, sizeof(seen));
	n = strlen(seen);
	assert_non_null(strstr(seen, "failed 0\r\n\r\033[4A\033[Jhttp://h/x\r\n"));
	assert_string_equal(seen + n - strlen("\r\n\r\033[4A\033[J"), "\r\n\r\033[4A\033[J");
	/* It was made half as wide meanwhile: the widest lines are broken in two. */
	load_live_interval(&l, &i);
	ws.ws_col = 40;
	assert_int_equal(ioctl(slave, TIOCSWINSZ, &ws), 0);
	load_live_erase(&l);
	read_all(master, seen, sizeof(seen));
	assert_non_null(strstr(seen, "\r\033[6A\033[J"));
	assert_int_equal(fclose(f), 0);
	(void)close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(sizes),
		cmocka_unit_test(sums),
		cmocka_unit_test(on_a_terminal),
	};

	return cmocka_run_group_tests_name("cli/load_live", tests, NULL, NULL);
}
