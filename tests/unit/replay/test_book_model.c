/*
 * Many random runs: workers that claim, work, fail, vanish and come back, old clients, people,
 * time, restarts.  What must hold is checked behind each step: who may do what, by a model that
 * knows only the leases; that nothing is lost by a restart; that each completion counts once.
 */
#include "unit/test.h"

#include "unit/replay/book_dump.h"
#include "unit/replay/book_fixture.h"

enum {
	SEEDS = 60,
	STEPS = 250,
	HELD = 12,
};

/* A lease that somebody was given, and still may try to use. */
static struct held {
	struct job job;
	bool is_over; /* has been answered that it ended, or must be */
} held[HELD];

static uint32_t state_of_random;

static uint32_t pick(uint32_t n)
{
	state_of_random = state_of_random * 1664525 + 1013904223;
	return (state_of_random >> 8) % n;
}

/* The one and only lease that counts for its job. */
static bool is_current(const struct held *h)
{
	const struct job *j = slice(h->job.slice_id);

	return job_is_claimed(j) && strcmp(j->lease, h->job.lease) == 0;
}

static void check_outcome(const struct held *h, bool was_current, int rc, const char *what)
{
	if (rc < 0 && e.kind != ERR_CONFLICT)
		fail_msg("%s: %s", what, e.msg);
	if (rc < 0 && was_current)
		fail_msg("%s by who has it: %s", what, e.msg);
	if (rc == 0 && h->is_over)
		fail_msg("%s of slice %u by a lease that is over", what, h->job.slice_id);
	err_clear(&e);
}

/* Others can have no use of this job's leases any more. */
static void end_others(uint32_t slice_id, const struct held *but)
{
	for (int i = 0; i < HELD; i++)
		if (&held[i] != but && held[i].job.slice_id == slice_id)
			held[i].is_over = true;
}

static void do_claim(struct held *h)
{
	const struct job *j;
	const char *why;
	int rc = book_claim(book, "w", now, &j, &why, &e);

	assert_true(rc >= 0);
	if (rc == 0)
		return;
	assert_int_equal(book_mode(book), BOOK_RUNNING);
	*h = (struct held){ .job = *j };
	end_others(j->slice_id, h);
}

static void do_progress(struct held *h)
{
	bool was_current = is_current(h);
	enum job_status s = slice(h->job.slice_id)->status;
	int rc;

	rc = book_progress(book, h->job.id, h->job.lease,
	        s < JOB_LOADING ? JOB_LOADING : JOB_WORKING, h->job.start + pick(50),
	        pick(3) ? "" : HASH('a'), now, &e);
	check_outcome(h, was_current, rc, "progress");
	if (rc == 0)
		assert_true(is_current(h));
}

static void do_complete(struct held *h)
{
	struct job before = *slice(h->job.slice_id);
	bool was_current = is_current(h);
	int rc = complete(&h->job, pick(2) ? 'a' : 0, 'b');

	if (rc == 0 && !job_is_ended(&before)) {
		check_outcome(h, was_current, rc, "complete");
		end_others(h->job.slice_id, h);
	} else {
		/* The same once more. */
		check_outcome(&(struct held){ .job = h->job }, was_current, rc, "complete again");
	}
	if (rc == 0)
		assert_true(slice(h->job.slice_id)->status == JOB_COMPLETE ||
		        slice(h->job.slice_id)->status == JOB_HASH_MISMATCH);
}

static void do_fail(struct held *h)
{
	bool was_current = is_current(h);
	int rc = book_fail(book, h->job.id, h->job.lease, "x", "y", pick(8) > 0, now, &e);

	check_outcome(&(struct held){ .job = h->job }, was_current, rc, "fail");
	assert_false(is_current(h));
}

static void do_release(struct held *h)
{
	bool was_current = is_current(h);
	int rc = book_release(book, h->job.id, h->job.lease, now, &e);

	check_outcome(&(struct held){ .job = h->job }, was_current, rc, "release");
	assert_false(is_current(h));
}

static void do_post(void)
{
	uint32_t n = 1 + pick(5);
	enum job_status was = slice(n)->status, to = (enum job_status)pick(JOB_STATUS_COUNT);
	bool has_lease = slice(n)->lease[0];
	struct book_post p = {
		.has_status = true,
		.status = to,
		.has_hash = to == JOB_COMPLETE,
		.hash = HASH('b'),
		.has_block = pick(2),
		.block = slice(n)->start + pick(60),
	};
	char etag[JOB_ETAG_SIZE];
	int rc;

	job_etag(slice(n), etag);
	rc = book_post(book, slice(n)->id, etag, &p, now, &e);
	if (rc < 0 && e.kind != ERR_CONFLICT)
		fail_msg("post: %s", e.msg);
	err_clear(&e);
	if (rc == 0 && (has_lease || !job_may_become(was, to)))
		fail_msg("%s was posted on %s", job_status_name(to), job_status_name(was));
	if (rc == 0 && was != to)
		end_others(n, NULL);
}

static void do_order(void)
{
	uint32_t n = 1 + pick(5);
	int64_t id = slice(n)->id;

	switch (pick(5)) {
	case 0:
		assert_int_equal(book_requeue(book, id, now, &e), 0);
		assert_int_equal(slice(n)->status, JOB_WAITING);
		end_others(n, NULL);
		break;
	case 1:
		if (book_cancel(book, id, now, &e) == 0)
			end_others(n, NULL);
		err_clear(&e);
		break;
	case 2:
		assert_true(book_expect(book, slice(n)->end, HASH(pick(2) ? 'b' : 'c'), &e) > 0);
		break;
	default:
		assert_int_equal(book_set_mode(book, pick(4) ? BOOK_RUNNING : BOOK_PAUSED, &e), 0);
	}
}

/* What is written says all. */
static void restart(void)
{
	static char before[DUMP_MAX], after[DUMP_MAX];
	const struct job *first = book_peek(book, now.real_ns);
	uint32_t next = first ? first->slice_id : 0;

	dump_book(book, before);
	reopen();
	dump_book(book, after);
	dump_same(after, before, "opened again");
	/* The order may be worked out anew, but there is one job or none as before. */
	first = book_peek(book, now.real_ns);
	assert_int_equal(first != NULL, next != 0);
}

static void step(void)
{
	struct held *h = &held[pick(HELD)];
	uint32_t what = pick(100);
	int64_t next;

	if (what < 35 && !h->job.id)
		do_claim(h);
	else if (what < 50)
		pass((int64_t)pick(20) * S);
	else if (what < 60)
		assert_true(book_expire(book, now, &next, &e) >= 0 && next >= now.mono_ns);
	else if (what < 64)
		do_post();
	else if (what < 68)
		do_order();
	else if (what < 71)
		restart();
	else if (what < 74)
		h->job.id = 0; /* gone */
	else if (!h->job.id)
		return;
	else if (what < 88)
		do_progress(h);
	else if (what < 93)
		do_complete(h);
	else if (what < 97)
		do_fail(h);
	else
		do_release(h);
}

static void one_seed(uint32_t seed)
{
	static char said[DUMP_MAX];
	char path[96];

	state_of_random = seed;
	memset(held, 0, sizeof(held));
	(void)snprintf(path, sizeof(path), "%s/%u", dir, seed);
	cfg.dir = path;
	cfg.tries_max = 3;
	cfg.losses_max = 4;
	open_book();
	for (int i = 0; i < STEPS; i++) {
		step();
		if (i % 16 == 0)
			dump_book(book, said);
	}
	restart();
	book_close(book);
	book = NULL;
}

static void test_runs(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		print_message("seed %u\n", seed);
		one_seed(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_runs, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
