/* Old clients: no lease, an ETag, and words instead of calls. */
#include "unit/test.h"

#include "unit/replay/book_fixture.h"

static void refused(int rc, enum err_kind kind, const char *word)
{
	assert_int_equal(rc, -1);
	if (e.kind != kind || !strstr(e.msg, word))
		fail_msg("%d %s, wanted %d %s", (int)e.kind, e.msg, (int)kind, word);
	err_clear(&e);
}

/* Of the job as it stands. */
static int post(uint32_t n, struct book_post p)
{
	char etag[JOB_ETAG_SIZE];

	job_etag(slice(n), etag);
	return book_post(book, slice(n)->id, etag, &p, now, &e);
}

static int say(uint32_t n, enum job_status status)
{
	return post(n, (struct book_post){ .has_status = true, .status = status });
}

static void test_way(void **state)
{
	(void)state;
	open_book();
	assert_int_equal(say(1, JOB_STARTED), 0);
	assert_int_equal(slice(1)->tries, 1);
	assert_true(slice(1)->start_ns == now.real_ns);
	assert_int_equal(book_peek_first(book, now.real_ns)->slice_id, 2);
	assert_int_equal(say(1, JOB_LOADING), 0);
	assert_int_equal(say(1, JOB_WORKING), 0);
	assert_int_equal(post(1, (struct book_post){ .has_block = true, .block = 70 }), 0);
	reopen();
	assert_int_equal(slice(1)->status, JOB_WORKING);
	assert_int_equal(slice(1)->last_block, 70);
	pass(60 * S);
	assert_int_equal(post(1,
	                         (struct book_post){
	                                 .has_status = true,
	                                 .status = JOB_COMPLETE,
	                                 .has_block = true,
	                                 .block = 100,
	                                 .has_end = true,
	                                 .end_text = "2024-01-01T00:00:00",
	                                 .has_hash = true,
	                                 .hash = HASH('1'),
	                         }),
	        0);
	reopen();
	assert_int_equal(slice(1)->status, JOB_COMPLETE);
	assert_int_equal(slice(1)->last_block, 100);
	assert_string_equal(slice(1)->end_text, "2024-01-01T00:00:00");
	assert_string_equal(slice(1)->actual_hash, HASH('1'));
	assert_int_equal(job_verdict(slice(1)), JOB_UNVERIFIED);
	assert_true(book_expected_seconds(book, slice(1)) == 60);
	/* The next one's start says what it should have been. */
	assert_int_equal(book_expect(book, 100, HASH('2'), &e), 1);
	assert_int_equal(slice(1)->status, JOB_HASH_MISMATCH);
	assert_int_equal(book_expect(book, 100, HASH('1'), &e), 1);
	assert_int_equal(slice(1)->status, JOB_COMPLETE);
}

static void test_etag(void **state)
{
	struct book_post p = { .has_status = true, .status = JOB_STARTED };
	char etag[JOB_ETAG_SIZE];

	(void)state;
	open_book();
	job_etag(slice(1), etag);
	refused(book_post(book, slice(1)->id, NULL, &p, now, &e), ERR_CONFLICT, "etag");
	refused(book_post(book, slice(1)->id, "", &p, now, &e), ERR_CONFLICT, "etag");
	refused(book_post(book, 77, etag, &p, now, &e), ERR_NOT_FOUND, "77");
	/* Of two that saw the same, one gets it. */
	assert_int_equal(book_post(book, slice(1)->id, etag, &p, now, &e), 0);
	refused(book_post(book, slice(1)->id, etag, &p, now, &e), ERR_CONFLICT, "etag");
	assert_int_equal(slice(1)->tries, 1);
}

/* The public test: taken, given back. */
static void test_back(void **state)
{
	(void)state;
	open_book();
	assert_int_equal(say(1, JOB_STARTED), 0);
	assert_int_equal(say(1, JOB_WAITING), 0);
	assert_int_equal(slice(1)->tries, 0);
	assert_int_equal(say(1, JOB_WAITING), 0);
	assert_int_equal(book_peek_first(book, now.real_ns)->slice_id, 1);
}

static void test_refused(void **state)
{
	struct job j;

	(void)state;
	open_book();
	refused(say(1, JOB_COMPLETE), ERR_CONFLICT, "cannot become");
	refused(say(1, JOB_WORKING), ERR_CONFLICT, "cannot become");
	assert_int_equal(say(1, JOB_STARTED), 0);
	refused(say(1, JOB_HASH_MISMATCH), ERR_CONFLICT, "decided");
	refused(post(1, (struct book_post){ .has_hash = true, .hash = "a b" }), ERR_USAGE, "word");
	refused(post(1,
	                (struct book_post){ .has_hash = true,
	                        .hash = "123456789012345678901234567890123456789012345678901234567"
	                                "8901234567" }),
	        ERR_USAGE, "longer");
	refused(post(1, (struct book_post){ .has_end = true, .end_text = "\n" }), ERR_USAGE,
	        "word");
	assert_int_equal(say(1, JOB_COMPLETE), 0);
	refused(say(1, JOB_WORKING), ERR_CONFLICT, "cannot become");
	/* A hash may come later, and then it stands. */
	assert_int_equal(post(1, (struct book_post){ .has_hash = true, .hash = "abc" }), 0);
	assert_int_equal(post(1, (struct book_post){ .has_hash = true, .hash = "ABC" }), 0);
	refused(post(1, (struct book_post){ .has_hash = true, .hash = "abd" }), ERR_CONFLICT,
	        "another hash");
	refused(post(1, (struct book_post){ .has_hash = true }), ERR_CONFLICT, "another hash");
	assert_int_equal(say(1, JOB_WAITING), 0);
	assert_string_equal(slice(1)->actual_hash, "");
	/* What one of ours has is his. */
	j = claim("w");
	refused(say(j.slice_id, JOB_WORKING), ERR_CONFLICT, "lease");
	assert_int_equal(book_set_mode(book, BOOK_PAUSED, &e), 0);
	refused(say(1, JOB_STARTED), ERR_CONFLICT, "paused");
}

/* What one of ours has ended: an old client may have it run again, and nothing else. */
static void test_leased(void **state)
{
	struct book_post same = { .has_status = true, .has_block = true, .has_hash = true };
	struct job j;

	(void)state;
	open_book();
	j = claim("w");
	pass(S);
	assert_int_equal(complete(&j, 0, 'a'), 0);
	refused(post(j.slice_id, (struct book_post){ .has_block = true, .block = 1 }), ERR_CONFLICT,
	        "under a lease");
	refused(post(j.slice_id, (struct book_post){ .has_end = true, .end_text = "2024" }),
	        ERR_CONFLICT, "under a lease");
	refused(post(j.slice_id, (struct book_post){ .has_end = true }), ERR_CONFLICT,
	        "under a lease");
	refused(post(j.slice_id, (struct book_post){ .has_hash = true, .hash = HASH('b') }),
	        ERR_CONFLICT, "another hash");
	same.status = JOB_COMPLETE;
	same.block = j.end;
	same.hash = HASH('A');
	assert_int_equal(post(j.slice_id, same), 0);
	assert_string_equal(slice(j.slice_id)->actual_hash, HASH('a'));
	assert_string_equal(slice(j.slice_id)->end_text, "");
	assert_int_equal(say(j.slice_id, JOB_WAITING), 0);
}

static void test_blocks(void **state)
{
	(void)state;
	open_book();
	assert_int_equal(say(2, JOB_STARTED), 0);
	assert_int_equal(post(2, (struct book_post){ .has_block = true, .block = 5 }), 0);
	assert_int_equal(slice(2)->last_block, 100);
	assert_int_equal(post(2, (struct book_post){ .has_block = true, .block = 150 }), 0);
	assert_int_equal(post(2, (struct book_post){ .has_block = true, .block = 140 }), 0);
	assert_int_equal(slice(2)->last_block, 140);
	/* Words on the way stay as well. */
	assert_int_equal(post(2,
	                         (struct book_post){ .has_hash = true,
	                                 .hash = "abc",
	                                 .has_end = true,
	                                 .end_text = "soon" }),
	        0);
	reopen();
	assert_int_equal(slice(2)->last_block, 140);
	assert_string_equal(slice(2)->actual_hash, "abc");
	assert_string_equal(slice(2)->end_text, "soon");
	/* How far a try was says nothing of the next one. */
	assert_int_equal(post(2, (struct book_post){ .has_block = true, .block = 190 }), 0);
	assert_int_equal(book_flush(book, &e), 0);
	assert_int_equal(say(2, JOB_WAITING), 0);
	assert_int_equal(say(2, JOB_STARTED), 0);
	reopen();
	assert_int_equal(slice(2)->status, JOB_STARTED);
	assert_int_equal(slice(2)->last_block, 100);
}

/* Seen as ERROR, and tried again later. */
static void test_error(void **state)
{
	int64_t next;

	(void)state;
	manifest.n = 1;
	cfg.tries_max = 2;
	open_book();
	assert_int_equal(say(1, JOB_STARTED), 0);
	assert_int_equal(say(1, JOB_ERROR), 0);
	assert_int_equal(slice(1)->status, JOB_ERROR);
	assert_false(book_is_done(book));
	assert_string_equal(none(), "waiting for a retry");
	assert_int_equal(book_expire(book, now, &next, &e), 0);
	assert_true(next == now.mono_ns + 10 * S);
	refused(say(1, JOB_WORKING), ERR_CONFLICT, "cannot become");
	reopen();
	pass(10 * S);
	assert_int_equal(book_expire(book, now, &next, &e), 1);
	assert_int_equal(slice(1)->status, JOB_WAITING);
	assert_int_equal(say(1, JOB_STARTED), 0);
	assert_int_equal(say(1, JOB_ERROR), 0);
	assert_true(book_is_done(book));
	pass(1000 * S);
	assert_int_equal(book_expire(book, now, &next, &e), 0);
	/* By hand. */
	assert_int_equal(say(1, JOB_WAITING), 0);
	assert_int_equal(say(1, JOB_STARTED), 0);
	assert_int_equal(say(1, JOB_TIMEOUT), 0);
	assert_int_equal(slice(1)->status, JOB_TIMEOUT);
	assert_false(book_is_done(book));
	assert_int_equal(book_cancel(book, slice(1)->id, now, &e), 0);
	assert_true(book_is_done(book));
	assert_int_equal(book_requeue(book, slice(1)->id, now, &e), 0);
	assert_int_equal(say(1, JOB_ERROR), 0);
	assert_true(book_is_done(book));
}

/* A clock that was years ahead when the client said ERROR, and then was set right. */
static void test_error_ahead(void **state)
{
	int64_t next;

	(void)state;
	manifest.n = 1;
	open_book();
	now.real_ns += 100000000 * S;
	assert_int_equal(say(1, JOB_STARTED), 0);
	assert_int_equal(say(1, JOB_ERROR), 0);
	assert_int_equal(book_expire(book, now, &next, &e), 0);
	now.real_ns -= 100000000 * S;
	assert_int_equal(book_expire(book, now, &next, &e), 1);
	assert_int_equal(slice(1)->status, JOB_WAITING);
}

static void test_silence(void **state)
{
	int64_t next;

	(void)state;
	manifest.n = 1;
	open_book();
	assert_int_equal(say(1, JOB_STARTED), 0);
	pass(3599 * S);
	assert_int_equal(book_expire(book, now, &next, &e), 0);
	assert_true(next == now.mono_ns + S);
	assert_int_equal(post(1, (struct book_post){ .has_block = true, .block = 10 }), 0);
	pass(3599 * S);
	assert_int_equal(book_expire(book, now, &next, &e), 0);
	pass(S);
	assert_int_equal(book_expire(book, now, &next, &e), 1);
	assert_int_equal(slice(1)->status, JOB_WAITING);
	assert_string_equal(slice(1)->error, "no word from its client for 1h00m");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_way),
		T(test_etag),
		T(test_back),
		T(test_refused),
		T(test_leased),
		T(test_blocks),
		T(test_error),
		T(test_error_ahead),
		T(test_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
