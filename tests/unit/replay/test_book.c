#include "unit/test.h"

#include "unit/replay/book_fixture.h"

#include <sys/stat.h>

static void refused(int rc, enum err_kind kind, const char *word)
{
	assert_int_equal(rc, -1);
	if (e.kind != kind || !strstr(e.msg, word))
		fail_msg("%d %s, wanted %d %s", (int)e.kind, e.msg, (int)kind, word);
	err_clear(&e);
}

static int progress(const struct job *j, enum job_status status, uint32_t block, const char *hash)
{
	return book_progress(book, j->id, j->lease, status, block, hash, now, &e);
}

static int lost(void)
{
	int64_t next;

	return book_expire(book, now, &next, &e);
}

/* --- opening --------------------------------------------------------------------- */

static void test_open(void **state)
{
	char deep[80];
	int64_t ids[5];
	struct stat st;

	(void)state;
	(void)snprintf(deep, sizeof(deep), "%s/a/b", dir);
	cfg.dir = deep;
	open_book();
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(book_count(book), 5);
	for (size_t i = 0; i < 5; i++) {
		const struct job *j = book_at(book, i);

		ids[i] = j->id;
		assert_true(j->id > UINT32_MAX && j->id < 1LL << 53);
		assert_int_equal(j->slice_id, i + 1);
		assert_int_equal(j->status, JOB_WAITING);
		assert_int_equal(j->last_block, j->start);
		assert_true(j->since_ns == now.real_ns);
		assert_ptr_equal(book_find(book, j->id), j);
		assert_ptr_equal(slice((uint32_t)i + 1), j);
	}
	assert_null(book_find(book, 0));
	assert_null(book_find(book, -1));
	assert_null(book_find(book, 3));
	assert_null(book_find(book, ids[4] + 1));
	assert_null(book_find(book, INT64_MAX));
	assert_null(slice(0));
	assert_null(slice(6));
	cfg.real_ns += S;
	reopen();
	for (size_t i = 0; i < 5; i++)
		assert_true(book_at(book, i)->id == ids[i]);
	assert_true(slice(1)->since_ns == now.real_ns);
}

static void test_other_manifest(void **state)
{
	static char other[] = "other";
	struct book *b;

	(void)state;
	open_book();
	book_close(book);
	book = NULL;
	for (int i = 0; i < 5; i++) {
		fill_manifest();
		if (i == 0)
			slice_v[4].end = 601;
		else if (i == 1)
			slice_v[0].snapshot_path = other;
		else if (i == 2)
			slice_v[0].version = other;
		else if (i == 3)
			slice_v[0].is_spring = true;
		else
			manifest.n = 4;
		b = book_open(&cfg, &manifest, now.mono_ns, &e);
		assert_null(b);
		assert_non_null(strstr(e.hint, "--state"));
		refused(-1, ERR_CONFLICT, "another manifest");
	}
	manifest.n = 0;
	assert_null(book_open(&cfg, &manifest, now.mono_ns, &e));
	refused(-1, ERR_USAGE, "no slices");
}

/* Hashes of the manifest may change between two starts, and what the book knows stays. */
static void test_manifest_hashes(void **state)
{
	struct slices known;
	struct job j;

	(void)state;
	memcpy(slice_v[0].expected_hash, HASH('1'), SLICE_HASH_SIZE);
	open_book();
	assert_int_equal(book_expect(book, 200, HASH('2'), &e), 2);
	assert_int_equal(book_expect(book, 100, HASH('9'), &e), 1);
	reopen();
	/* The manifest was not rewritten before the kill. */
	assert_string_equal(slice(1)->expected_hash, HASH('9'));
	assert_string_equal(slice(2)->expected_hash, HASH('2'));
	assert_int_equal(book_slices(book, &known, &e), 0);
	assert_int_equal(known.n, 5);
	assert_string_equal(known.v[1].expected_hash, HASH('2'));
	assert_int_equal(known.v[4].end, 600);
	/* Now it is, and somebody has edited it as well. */
	memcpy(slice_v[0].expected_hash, known.v[0].expected_hash, SLICE_HASH_SIZE);
	memcpy(slice_v[1].expected_hash, HASH('7'), SLICE_HASH_SIZE);
	slices_release(&known);
	reopen();
	assert_string_equal(slice(1)->expected_hash, HASH('9'));
	assert_string_equal(slice(2)->expected_hash, HASH('7'));
	/* A verdict follows. */
	do
		j = claim("w");
	while (j.slice_id != 2);
	assert_int_equal(complete(&j, 0, '2'), 0);
	assert_int_equal(slice(2)->status, JOB_HASH_MISMATCH);
	memcpy(slice_v[1].expected_hash, HASH('2'), SLICE_HASH_SIZE);
	reopen();
	assert_int_equal(slice(2)->status, JOB_COMPLETE);
	assert_int_equal(job_verdict(slice(2)), JOB_VERIFIED);
}

/* Posted, and written into the manifest or not when it is killed: what was answered last counts. */
static void test_manifest_written(void **state)
{
	struct slices known;

	(void)state;
	open_book();
	assert_int_equal(book_expect(book, 200, HASH('a'), &e), 2);
	assert_int_equal(book_writing(book, &e), 0);
	assert_int_equal(book_expect(book, 200, HASH('b'), &e), 2);
	/* Killed in the middle of it: before the manifest has it, and after. */
	reopen();
	assert_string_equal(slice(2)->expected_hash, HASH('b'));
	assert_int_equal(book_expect(book, 200, HASH('a'), &e), 2);
	assert_int_equal(book_writing(book, &e), 0);
	assert_int_equal(book_expect(book, 200, HASH('b'), &e), 2);
	memcpy(slice_v[1].expected_hash, HASH('a'), SLICE_HASH_SIZE);
	reopen();
	assert_string_equal(slice(2)->expected_hash, HASH('b'));
	/* The next one is begun, and the manifest has the one before still. */
	assert_int_equal(book_writing(book, &e), 0);
	assert_int_equal(book_expect(book, 200, HASH('c'), &e), 2);
	assert_int_equal(book_writing(book, &e), 0);
	memcpy(slice_v[1].expected_hash, HASH('b'), SLICE_HASH_SIZE);
	reopen();
	assert_string_equal(slice(2)->expected_hash, HASH('c'));
	/* Written and noted, so that an older one in the manifest is an edit. */
	assert_int_equal(book_slices(book, &known, &e), 0);
	assert_int_equal(book_writing(book, &e), 0);
	assert_int_equal(book_written(book, &known, &e), 0);
	assert_int_equal(book_expect(book, 200, HASH('d'), &e), 2);
	slices_release(&known);
	memcpy(slice_v[1].expected_hash, HASH('c'), SLICE_HASH_SIZE);
	reopen();
	assert_string_equal(slice(2)->expected_hash, HASH('d'));
	memcpy(slice_v[1].expected_hash, HASH('b'), SLICE_HASH_SIZE);
	reopen();
	assert_string_equal(slice(2)->expected_hash, HASH('b'));
}

static void test_second_process(void **state)
{
	(void)state;
	open_book();
	assert_null(book_open(&cfg, &manifest, now.mono_ns, &e));
	refused(-1, ERR_CONFLICT, "another process");
}

/* --- a worker's way -------------------------------------------------------------- */

static void test_claims(void **state)
{
	struct job j[5];

	(void)state;
	open_book();
	assert_int_equal(book_peek(book, now.real_ns)->slice_id, 3);
	assert_int_equal(book_peek_first(book, now.real_ns)->slice_id, 1);
	for (int i = 0; i < 5; i++) {
		j[i] = claim(i % 2 ? "odd" : "even");
		for (int k = 0; k < i; k++) {
			assert_true(j[i].id != j[k].id);
			assert_string_not_equal(j[i].lease, j[k].lease);
		}
	}
	/* Longest first, and then spread over the chain. */
	assert_int_equal(j[0].slice_id, 3);
	assert_int_equal(j[1].slice_id, 1);
	assert_int_equal(j[2].slice_id, 5);
	assert_int_equal(j[4].slice_id, 4);
	assert_int_equal(strlen(j[0].lease), 32);
	assert_int_equal(j[0].status, JOB_STARTED);
	assert_int_equal(j[0].tries, 1);
	assert_string_equal(j[1].worker, "odd");
	assert_true(j[0].start_ns == now.real_ns);
	assert_string_equal(none(), "all claimed");
	assert_null(book_peek(book, now.real_ns));
	assert_null(book_peek_first(book, now.real_ns));
}

static void test_names(void **state)
{
	char name[200];
	const struct job *j;
	const char *why;

	(void)state;
	open_book();
	refused(book_claim(book, "", now, &j, &why, &e), ERR_USAGE, "name");
	refused(book_claim(book, "a\nb", now, &j, &why, &e), ERR_USAGE, "printed");
	refused(book_claim(book, "a\xff", now, &j, &why, &e), ERR_USAGE, "printed");
	memset(name, 'n', sizeof(name));
	name[JOB_WORKER_MAX] = '\0';
	refused(book_claim(book, name, now, &j, &why, &e), ERR_USAGE, "name");
	name[JOB_WORKER_MAX - 1] = '\0';
	assert_int_equal(book_claim(book, name, now, &j, &why, &e), 1);
	reopen();
	assert_string_equal(slice(3)->worker, name);
}

static void test_progress(void **state)
{
	struct job j;

	(void)state;
	open_book();
	j = claim("w");
	assert_int_equal(progress(&j, JOB_STARTED, 0, ""), 0);
	assert_int_equal(progress(&j, JOB_LOADING, 0, NULL), 0);
	assert_int_equal(slice(3)->last_block, 200);
	assert_int_equal(progress(&j, JOB_WORKING, 250, HASH('5')), 0);
	assert_int_equal(progress(&j, JOB_WORKING, 240, ""), 0);
	assert_int_equal(slice(3)->last_block, 250);
	assert_string_equal(slice(3)->start_hash, HASH('5'));
	refused(progress(&j, JOB_LOADING, 260, ""), ERR_CONFLICT, "cannot become");
	refused(progress(&j, JOB_COMPLETE, 260, ""), ERR_USAGE, "no step");
	refused(progress(&j, JOB_WORKING, 260, "abc"), ERR_USAGE, "64 hex");
	assert_int_equal(progress(&j, JOB_WORKING, 260, ""), 0);
	reopen(); /* closing writes it */
	assert_int_equal(slice(3)->status, JOB_WORKING);
	assert_int_equal(slice(3)->last_block, 260);
	refused(book_progress(book, 12, j.lease, JOB_WORKING, 1, "", now, &e), ERR_NOT_FOUND, "12");
	j.lease[0] ^= 1;
	refused(progress(&j, JOB_WORKING, 270, ""), ERR_CONFLICT, "another lease");
	j.lease[0] = '\0';
	refused(progress(&j, JOB_WORKING, 270, ""), ERR_CONFLICT, "another lease");
	j = *slice(1);
	refused(progress(&j, JOB_WORKING, 1, ""), ERR_CONFLICT, "WAITING_4_WORKER");
}

static void test_complete(void **state)
{
	struct book_result r;
	struct job j;

	(void)state;
	open_book();
	j = claim("w");
	r = result(&j, '2', '4');
	r.block = 399;
	refused(book_complete(book, j.id, j.lease, &r, now, &e), ERR_USAGE, "399");
	r = result(&j, '2', '4');
	r.end_hash = "";
	refused(book_complete(book, j.id, j.lease, &r, now, &e), ERR_USAGE, "end hash");
	r = result(&j, '2', '4');
	r.start_hash = "0x";
	refused(book_complete(book, j.id, j.lease, &r, now, &e), ERR_USAGE, "start hash");
	r = result(&j, '2', '4');
	r.started_ns = now.real_ns + 5 * S;
	r.ended_ns = now.real_ns + 95 * S;
	pass(100 * S);
	assert_int_equal(book_complete(book, j.id, j.lease, &r, now, &e), 0);
	assert_int_equal(slice(3)->status, JOB_COMPLETE);
	assert_int_equal(job_verdict(slice(3)), JOB_UNVERIFIED);
	assert_int_equal(slice(3)->last_block, 400);
	assert_string_equal(slice(3)->nodeos_version, "v5.0.3");
	assert_string_equal(slice(3)->lease, "");
	assert_string_equal(slice(3)->worker, "w");
	/* The slice that ends here knows what to end with. */
	assert_string_equal(slice(2)->expected_hash, HASH('2'));
	assert_true(slice(2)->is_expected_learned);
	assert_true(book_expected_seconds(book, slice(3)) == 90);
	/* The next are expected by what it took: 200 blocks 90 s. */
	assert_true(book_expected_seconds(book, slice(1)) == 45);

	/* Again, because the answer was lost; and with something else. */
	assert_int_equal(complete(&j, '2', '4'), 0);
	reopen();
	assert_int_equal(complete(&j, '2', '4'), 0);
	refused(complete(&j, '2', '5'), ERR_CONFLICT, "another result");
	refused(progress(&j, JOB_WORKING, 300, ""), ERR_CONFLICT, "has ended: complete");
	assert_int_equal(slice(3)->tries, 1);
}

/* A worker's clock may be any; what it says of times refuses nothing, and lies in our time. */
static void test_times(void **state)
{
	static const struct {
		int64_t started, ended; /* from the claim, which is 100 s before the end */
		int64_t start, end;     /* that it comes to */
	} rows[] = {
		{ 5, 95, 5, 95 },
		{ 0, 100, 0, 100 },
		/* Another clock, and a duration that may be. */
		{ 3605, 3695, 10, 100 },
		{ -3595, -3505, 10, 100 },
		{ 10, 101, 9, 100 },
		/* One that was set meanwhile. */
		{ 5, -3505, 0, 100 },
		{ -3595, 95, 0, 100 },
		{ 5, 3605, 0, 100 },
	};
	struct book_result r;
	struct job j;

	(void)state;
	manifest.n = 1;
	open_book();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t then = now.real_ns;

		j = claim("w");
		pass(100 * S);
		r = result(&j, 0, '1');
		r.started_ns = then + rows[i].started * S;
		r.ended_ns = then + rows[i].ended * S;
		assert_int_equal(book_complete(book, j.id, j.lease, &r, now, &e), 0);
		if (slice(1)->start_ns != then + rows[i].start * S ||
		        slice(1)->end_ns != then + rows[i].end * S)
			fail_msg("row %zu: %lld to %lld", i,
			        (long long)((slice(1)->start_ns - then) / S),
			        (long long)((slice(1)->end_ns - then) / S));
		assert_int_equal(book_requeue(book, j.id, now, &e), 0);
	}
	/* Ours was set back since the claim, and the worker's never was right. */
	j = claim("w");
	now.real_ns -= 3600 * S;
	r = result(&j, 0, '1');
	r.started_ns = -1;
	r.ended_ns = 1;
	assert_int_equal(book_complete(book, j.id, j.lease, &r, now, &e), 0);
	assert_true(slice(1)->start_ns == j.start_ns && slice(1)->end_ns == j.start_ns);
}

/* A clock that was years ahead when the wait began, and then was set right. */
static void test_clock_set_back(void **state)
{
	struct job j;

	(void)state;
	manifest.n = 1;
	open_book();
	now.real_ns += 100000000 * S;
	j = claim("w");
	assert_int_equal(book_fail(book, j.id, j.lease, "x", "", true, now, &e), 0);
	assert_string_equal(none(), "waiting for a retry");
	now.real_ns -= 600 * S - 10 * S;
	assert_string_equal(none(), "waiting for a retry");
	assert_null(book_peek_first(book, now.real_ns));
	now.real_ns -= 1;
	assert_int_equal(book_peek_first(book, now.real_ns)->slice_id, 1);
	now.real_ns -= 100000000 * S;
	j = claim("w");
	assert_int_equal(j.slice_id, 1);
}

static void test_verdicts(void **state)
{
	struct book_totals t;
	struct job j[5];

	(void)state;
	memcpy(slice_v[3].expected_hash, HASH('f'), SLICE_HASH_SIZE);
	open_book();
	for (int i = 0; i < 5; i++) {
		struct job one = claim("w");

		j[one.slice_id - 1] = one;
	}
	pass(10 * S);
	/* 1 is verified by 2's start, 2 refuted by 3's; 4 by the manifest, whatever 5 says. */
	assert_int_equal(complete(&j[0], 0, '1'), 0);
	assert_int_equal(complete(&j[1], '1', '2'), 0);
	assert_int_equal(complete(&j[2], '3', '4'), 0);
	assert_int_equal(complete(&j[3], '4', '5'), 0);
	assert_false(book_is_done(book));
	assert_int_equal(complete(&j[4], '5', '6'), 0);
	assert_int_equal(job_verdict(slice(1)), JOB_VERIFIED);
	assert_int_equal(slice(2)->status, JOB_HASH_MISMATCH);
	assert_int_equal(job_verdict(slice(3)), JOB_VERIFIED);
	assert_int_equal(slice(4)->status, JOB_HASH_MISMATCH);
	assert_string_equal(slice(4)->expected_hash, HASH('f'));
	assert_int_equal(job_verdict(slice(5)), JOB_UNVERIFIED);
	assert_string_equal(none(), "all done");
	assert_true(book_is_done(book));
	reopen();
	book_totals(book, &t);
	assert_int_equal(t.jobs, 5);
	assert_int_equal(t.verified, 2);
	assert_int_equal(t.mismatched, 2);
	assert_int_equal(t.unverified, 1);
	assert_int_equal(t.failed, 0);
	assert_int_equal(t.by_status[JOB_HASH_MISMATCH], 2);
	assert_int_equal(t.blocks, 500);
	assert_int_equal(t.blocks_done, 600);
	assert_int_equal(t.tries, 5);
	assert_true(t.busy_seconds == 50);
	/* What it should be turns out to be another. */
	assert_int_equal(book_expect(book, 500, HASH('5'), &e), 4);
	assert_int_equal(job_verdict(slice(4)), JOB_VERIFIED);
	assert_int_equal(book_expect(book, 500, HASH('4'), &e), 4);
	assert_int_equal(slice(4)->status, JOB_HASH_MISMATCH);
	refused((int)book_expect(book, 501, HASH('4'), &e), ERR_NOT_FOUND, "501");
}

static void test_fail(void **state)
{
	static const int waits[] = { 10, 20, 40, 80 };
	struct job j;

	(void)state;
	manifest.n = 1;
	open_book();
	for (int i = 0; i < 4; i++) {
		j = claim("w");
		assert_int_equal(
		        book_fail(book, j.id, j.lease, "no\tspace\n", "log", true, now, &e), 0);
		assert_int_equal(slice(1)->status, JOB_WAITING);
		assert_string_equal(slice(1)->error, "no?space?");
		assert_true(slice(1)->retry_at_ns == now.real_ns + waits[i] * S);
		/* The answer was lost. */
		assert_int_equal(book_fail(book, j.id, j.lease, "x", "", true, now, &e), 0);
		assert_string_equal(none(), "waiting for a retry");
		pass(waits[i] * S - 1);
		assert_string_equal(none(), "waiting for a retry");
		pass(1);
		reopen();
	}
	j = claim("w");
	assert_int_equal(j.tries, 5);
	assert_int_equal(book_fail(book, j.id, j.lease, "", NULL, true, now, &e), 0);
	assert_int_equal(slice(1)->status, JOB_ERROR);
	assert_int_equal(job_verdict(slice(1)), JOB_FAILED);
	assert_string_equal(slice(1)->error, "no reason given");
	assert_true(book_is_done(book));
	/* By hand it begins again, with all its tries. */
	assert_int_equal(book_requeue(book, j.id, now, &e), 0);
	j = claim("w");
	assert_int_equal(j.tries, 6);
	assert_int_equal(book_fail(book, j.id, j.lease, "a", "", true, now, &e), 0);
	assert_int_equal(slice(1)->status, JOB_WAITING);
	pass(600 * S);
	j = claim("w");
	assert_int_equal(book_fail(book, j.id, j.lease, "no such version", "", false, now, &e), 0);
	assert_int_equal(slice(1)->status, JOB_ERROR);
}

static void test_release(void **state)
{
	struct job j, second;

	(void)state;
	manifest.n = 1;
	open_book();
	j = claim("w");
	assert_int_equal(progress(&j, JOB_WORKING, 50, HASH('1')), 0);
	assert_int_equal(book_release(book, j.id, j.lease, now, &e), 0);
	assert_int_equal(slice(1)->status, JOB_WAITING);
	assert_int_equal(slice(1)->tries, 0);
	assert_int_equal(slice(1)->last_block, 0);
	assert_string_equal(slice(1)->start_hash, "");
	assert_int_equal(book_release(book, j.id, j.lease, now, &e), 0);
	second = claim("v");
	assert_int_equal(second.tries, 1);
	/* An old repeat does not take it from the second. */
	refused(book_release(book, j.id, j.lease, now, &e), ERR_CONFLICT, "'v'");
	assert_int_equal(slice(1)->status, JOB_STARTED);
	refused(complete(&j, 0, '1'), ERR_CONFLICT, "'v'");
	refused(book_fail(book, j.id, j.lease, "", "", true, now, &e), ERR_CONFLICT, "'v'");
	assert_int_equal(complete(&second, 0, '1'), 0);
}

/* --- time ------------------------------------------------------------------------ */

static void test_expire(void **state)
{
	struct job j, k;
	int64_t next;

	(void)state;
	open_book();
	j = claim("gone");
	k = claim("here");
	pass(20 * S);
	assert_int_equal(book_expire(book, now, &next, &e), 0);
	assert_true(next == now.mono_ns + 10 * S);
	assert_int_equal(progress(&k, JOB_LOADING, 0, ""), 0);
	pass(10 * S);
	assert_int_equal(book_expire(book, now, &next, &e), 1);
	assert_true(next == now.mono_ns + 20 * S);
	assert_int_equal(slice(3)->status, JOB_WAITING);
	assert_int_equal(slice(3)->losses, 1);
	assert_string_equal(slice(3)->error, "no word from 'gone' for 30.0s");
	assert_int_equal(slice(1)->status, JOB_LOADING);
	/* Somebody else has it, so it is too late for the first one. */
	assert_int_equal(claim("new").slice_id, 3);
	refused(progress(&j, JOB_WORKING, 300, ""), ERR_CONFLICT, "'new'");
	/* A restart gives each half a term, also the one after it. */
	pass(29 * S);
	reopen();
	pass(14 * S);
	assert_int_equal(lost(), 0);
	reopen();
	pass(14 * S);
	assert_int_equal(lost(), 0);
	pass(S);
	assert_int_equal(lost(), 2);
}

static void test_comes_back(void **state)
{
	struct book_totals t;
	struct job j;

	(void)state;
	open_book();
	j = claim("slow");
	assert_int_equal(progress(&j, JOB_WORKING, 300, ""), 0);
	pass(100 * S);
	assert_int_equal(lost(), 1);
	reopen();
	book_totals(book, &t);
	assert_true(t.busy_seconds == 100);
	assert_int_equal(progress(&j, JOB_WORKING, 310, ""), 0);
	assert_int_equal(slice(3)->status, JOB_WORKING);
	assert_int_equal(slice(3)->last_block, 310);
	assert_int_equal(slice(3)->losses, 0);
	assert_int_equal(slice(3)->tries, 1);
	assert_string_equal(slice(3)->worker, "slow");
	assert_true(slice(3)->start_ns == j.start_ns);
	pass(100 * S);
	assert_int_equal(lost(), 1);
	pass(10 * S);
	assert_int_equal(complete(&j, '2', '4'), 0);
	assert_int_equal(slice(3)->status, JOB_COMPLETE);
	assert_int_equal(slice(3)->tries, 1);
	reopen();
	book_totals(book, &t);
	assert_true(t.busy_seconds == 210);
	/* Not after somebody has queued it by hand. */
	j = claim("slow");
	pass(100 * S);
	assert_int_equal(lost(), 1);
	assert_int_equal(book_requeue(book, j.id, now, &e), 0);
	refused(complete(&j, 0, '1'), ERR_CONFLICT, "not its");
}

static void test_timeout(void **state)
{
	int i;

	(void)state;
	manifest.n = 1;
	cfg.losses_max = 5;
	open_book();
	for (i = 1;; i++) {
		(void)claim("w");
		pass(30 * S);
		assert_int_equal(lost(), 1);
		if (slice(1)->status == JOB_TIMEOUT)
			break;
		assert_int_equal(slice(1)->status, JOB_WAITING);
		/* The first two are nobody's fault. */
		if (i >= 3)
			assert_true(slice(1)->retry_at_ns == now.real_ns + (10 * S << (i - 3)));
		else
			assert_true(slice(1)->retry_at_ns == 0);
		pass(600 * S);
	}
	assert_int_equal(i, 5);
	assert_int_equal(slice(1)->losses, 5);
	assert_int_equal(job_verdict(slice(1)), JOB_FAILED);
	assert_true(book_is_done(book));
}

static void test_flush(void **state)
{
	struct job j;

	(void)state;
	open_book();
	assert_int_equal(book_flush(book, &e), 0);
	j = claim("w");
	assert_int_equal(progress(&j, JOB_WORKING, 300, ""), 0);
	assert_int_equal(book_flush(book, &e), 0);
	assert_int_equal(book_flush(book, &e), 0);
}

/* --- people ---------------------------------------------------------------------- */

static void test_cancel(void **state)
{
	struct job j;

	(void)state;
	open_book();
	j = claim("w");
	assert_int_equal(book_cancel(book, j.id, now, &e), 0);
	assert_int_equal(book_cancel(book, j.id, now, &e), 0);
	assert_int_equal(slice(3)->status, JOB_ERROR);
	assert_string_equal(slice(3)->error, "cancelled by hand");
	/* Its worker is told, and may give it back or not. */
	assert_int_equal(progress(&j, JOB_WORKING, 300, ""), 1);
	assert_int_equal(book_release(book, j.id, j.lease, now, &e), 0);
	refused(complete(&j, '2', '4'), ERR_CONFLICT, "cancelled");
	assert_int_equal(book_cancel(book, slice(1)->id, now, &e), 0);
	assert_int_equal(slice(1)->status, JOB_ERROR);
	reopen();
	assert_true(slice(3)->is_cancelled);
	assert_int_equal(progress(&j, JOB_WORKING, 300, ""), 1);
	assert_int_equal(book_requeue(book, j.id, now, &e), 0);
	assert_int_equal(progress(&j, JOB_WORKING, 300, ""), 1);
	j = claim("v");
	assert_int_equal(j.slice_id, 3);
	assert_int_equal(complete(&j, '2', '4'), 0);
	refused(book_cancel(book, j.id, now, &e), ERR_CONFLICT, "ended already");
	assert_int_equal(book_requeue(book, j.id, now, &e), 0);
	assert_int_equal(slice(3)->status, JOB_WAITING);
	assert_string_equal(slice(3)->actual_hash, "");
	refused(book_cancel(book, 5, now, &e), ERR_NOT_FOUND, "5");
	refused(book_requeue(book, 5, now, &e), ERR_NOT_FOUND, "5");
}

static void test_modes(void **state)
{
	struct job j;

	(void)state;
	open_book();
	j = claim("w");
	assert_int_equal(book_set_mode(book, BOOK_PAUSED, &e), 0);
	assert_string_equal(none(), "paused");
	assert_null(book_peek_first(book, now.real_ns));
	reopen();
	assert_int_equal(book_mode(book), BOOK_PAUSED);
	assert_int_equal(complete(&j, '2', '4'), 0);
	assert_int_equal(book_set_mode(book, BOOK_DRAINING, &e), 0);
	assert_string_equal(none(), "draining");
	assert_int_equal(book_set_mode(book, BOOK_RUNNING, &e), 0);
	(void)claim("w");
	refused(book_set_mode(book, (enum book_mode)7, &e), ERR_USAGE, "mode");
}

static char said[2048];

static void say(void *arg, const struct book_try *t)
{
	size_t n = strlen(said);

	(void)arg;
	(void)snprintf(said + n, sizeof(said) - n, "%u %s %s %u %d [%.99s] [%.99s]\n", t->number,
	        t->worker, t->end, t->last_block, t->end_ns > 0, t->error, t->log);
}

static void test_tries(void **state)
{
	char log[JOB_LOG_MAX + 100];
	struct job j;

	(void)state;
	manifest.n = 1;
	open_book();
	j = claim("a");
	assert_int_equal(book_release(book, j.id, j.lease, now, &e), 0);
	j = claim("b");
	assert_int_equal(progress(&j, JOB_WORKING, 50, ""), 0);
	assert_int_equal(
	        book_fail(book, j.id, j.lease, "why", "one\ttwo\n\x01three\n", true, now, &e), 0);
	pass(10 * S);
	j = claim("c");
	pass(30 * S);
	assert_int_equal(lost(), 1);
	j = claim("d");
	assert_int_equal(book_requeue(book, j.id, now, &e), 0);
	j = claim("e");
	assert_int_equal(progress(&j, JOB_WORKING, 60, ""), 0);
	reopen();
	said[0] = '\0';
	assert_int_equal(book_tries(book, j.id, say, NULL, &e), 0);
	assert_string_equal(said,
	        "1 a released 0 1 [] []\n"
	        "2 b failed 50 1 [why] [one two\n?three\n]\n"
	        "3 c lost 0 1 [no word from 'c' for 30.0s] []\n"
	        "4 d cancelled 0 1 [cancelled by hand] []\n"
	        "5 e running 60 0 [] []\n");
	/* Of a long log the end is kept. */
	memset(log, 'x', sizeof(log) - 1);
	log[sizeof(log) - 2] = 'z';
	log[sizeof(log) - 1] = '\0';
	assert_int_equal(book_fail(book, j.id, j.lease, "", log, true, now, &e), 0);
	refused(book_tries(book, 99, say, NULL, &e), ERR_NOT_FOUND, "99");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_open),
		T(test_other_manifest),
		T(test_manifest_hashes),
		T(test_manifest_written),
		T(test_second_process),
		T(test_claims),
		T(test_names),
		T(test_progress),
		T(test_complete),
		T(test_times),
		T(test_clock_set_back),
		T(test_verdicts),
		T(test_fail),
		T(test_release),
		T(test_expire),
		T(test_comes_back),
		T(test_timeout),
		T(test_flush),
		T(test_cancel),
		T(test_modes),
		T(test_tries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
