/*
 * The book is killed at each statement and at each write, and each write fails once.
 *
 * A play of calls is run in a child, which notes each answer in memory that it shares with us.
 * What the book has to say after each call is known from a run without a kill.  After a kill behind
 * k answers it must say what it said after k calls or after k + 1; then the call that was not
 * answered is made once more, as its worker would, and the run is played to its end, where each
 * slice has been completed exactly as often as it was asked for.
 */
#include "unit/test.h"

#include "unit/replay/book_dump.h"
#include "unit/replay/book_fixture.h"
#include "unit/store/sqlite_calls.h"

#include <sys/mman.h>
#include <sys/wait.h>

static struct shared {
	int answers;
	char lease[6][JOB_LEASE_SIZE];
} * shared;

static int steps_made, steps_at;

int __real_sqlite3_step(sqlite3_stmt *s);
int __wrap_sqlite3_step(sqlite3_stmt *s);

int __wrap_sqlite3_step(sqlite3_stmt *s)
{
	if (++steps_made == steps_at)
		_exit(CALLS_KILLED);
	return __real_sqlite3_step(s);
}

/* --- the play -------------------------------------------------------------------- */

static int claim_one(void)
{
	const struct job *j;
	const char *why;
	int rc = book_claim(book, "w", now, &j, &why, &e);

	if (rc == 1)
		memcpy(shared->lease[j->slice_id], j->lease, JOB_LEASE_SIZE);
	return rc == 1 ? 0 : -1;
}

static struct job his(uint32_t n)
{
	struct job j = *slice(n);

	memcpy(j.lease, shared->lease[n], sizeof(j.lease));
	return j;
}

static int load_3(void)
{
	struct job j = his(3);

	if (book_progress(book, j.id, j.lease, JOB_WORKING, 300, HASH('2'), now, &e) < 0)
		return -1;
	return book_flush(book, &e);
}

static int complete_3(void)
{
	struct job j = his(3);

	return complete(&j, '2', '4');
}

static int fail_1(void)
{
	struct job j = his(1);

	return book_fail(book, j.id, j.lease, "it broke", "log", true, now, &e);
}

static int release_2(void)
{
	struct job j = his(2);

	return book_release(book, j.id, j.lease, now, &e);
}

static int late;

static int expire(void)
{
	struct book_now then = { now.mono_ns + 60 * S, now.real_ns + 60 * S };
	int64_t next;

	late = book_expire(book, then, &next, &e);
	return late < 0 ? -1 : 0;
}

static int back_4(void)
{
	struct job j = his(4);

	return complete(&j, '4', '5');
}

static int requeue_3(void)
{
	return book_requeue(book, slice(3)->id, now, &e);
}

static int cancel_5(void)
{
	return book_cancel(book, slice(5)->id, now, &e);
}

static int pause_it(void)
{
	return book_set_mode(book, BOOK_PAUSED, &e);
}

static int resume_it(void)
{
	return book_set_mode(book, BOOK_RUNNING, &e);
}

static int expect_2(void)
{
	return book_expect(book, 200, HASH('9'), &e) < 0 ? -1 : 0;
}

static int post_2(enum job_status status, uint32_t block, const char *hash)
{
	struct book_post p = {
		.has_status = true,
		.status = status,
		.has_block = block > 0,
		.block = block,
		.has_hash = hash,
		.hash = hash,
	};
	char etag[JOB_ETAG_SIZE];

	job_etag(slice(2), etag);
	return book_post(book, slice(2)->id, etag, &p, now, &e);
}

static int post_start_2(void)
{
	return post_2(JOB_STARTED, 0, NULL);
}

static int post_end_2(void)
{
	return post_2(JOB_COMPLETE, 200, HASH('9'));
}

static const struct {
	const char *name;
	int (*call)(void);
	bool is_repeatable; /* the same call again changes nothing */
	bool is_in_memory;  /* a failure to write it leaves it there */
} play[] = {
	{ "claim 3", claim_one, false },
	{ "claim 1", claim_one, false },
	{ "claim 5", claim_one, false },
	{ "claim 2", claim_one, false },
	{ "claim 4", claim_one, false },
	{ "load 3", load_3, true, true },
	{ "complete 3", complete_3, true },
	{ "fail 1", fail_1, true },
	{ "release 2", release_2, true },
	{ "expire 4, 5", expire, true },
	{ "complete 4", back_4, true },
	{ "requeue 3", requeue_3, true },
	{ "cancel 5", cancel_5, true },
	{ "pause", pause_it, true },
	{ "resume", resume_it, true },
	{ "expect 2", expect_2, true },
	{ "start 2", post_start_2, true },
	{ "end 2", post_end_2, true },
};

#define N ((int)ARRAY_LEN(play))

/* --- what the book says ---------------------------------------------------------- */

static char said[N + 1][DUMP_MAX];

static int begin_anew(void)
{
	char path[96];

	memset(shared, 0, sizeof(*shared));
	for (int i = 0; i < 3; i++) {
		static const char *const ends[] = { "", "-wal", "-journal" };

		(void)snprintf(path, sizeof(path), "%s/replay.db%s", dir, ends[i]);
		(void)unlink(path);
	}
	return 0;
}

/* Once without a kill. */
static void learn_play(void)
{
	begin_anew();
	open_book();
	dump_book(book, said[0]);
	for (int i = 0; i < N; i++) {
		if (play[i].call() != 0)
			fail_msg("%s: %s", play[i].name, e.msg);
		reopen();
		dump_book(book, said[i + 1]);
		assert_string_not_equal(said[i], said[i + 1]);
	}
	book_close(book);
	book = NULL;
}

static int play_setup(void **state)
{
	shared = mmap(
	        NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || fixture_setup(state) < 0)
		return -1;
	return 0;
}

static int play_teardown(void **state)
{
	calls_unset();
	steps_at = 0;
	(void)munmap(shared, sizeof(*shared));
	return fixture_teardown(state);
}

/* --- killed ---------------------------------------------------------------------- */

static NORETURN void child(void)
{
	book = book_open(&cfg, &manifest, now.mono_ns, &e);
	if (!book)
		_exit(1);
	for (int i = 0; i < N; i++) {
		if (play[i].call() != 0)
			_exit(2);
		shared->answers++;
	}
	_exit(0);
}

static void count_complete(void *arg, const struct book_try *t)
{
	int *n = arg;

	*n += strcmp(t->end, "complete") == 0;
}

static char ends_of(uint32_t n)
{
	return "?19456"[n];
}

/* Whatever is open is claimed and completed. */
static void play_out(void)
{
	struct book_now then = now;
	const char *why = "";
	const struct job *j;
	int64_t next;
	int rc;

	if (book_mode(book) != BOOK_RUNNING)
		assert_int_equal(book_set_mode(book, BOOK_RUNNING, &e), 0);
	for (int guard = 0; !book_is_done(book); guard++) {
		assert_true(guard < 50);
		now.mono_ns += 7200 * S;
		now.real_ns += 7200 * S;
		assert_true(book_expire(book, now, &next, &e) >= 0);
		while ((rc = book_claim(book, "end", now, &j, &why, &e)) == 1) {
			struct job mine = *j;

			assert_int_equal(complete(&mine, 0, ends_of(mine.slice_id)), 0);
		}
		assert_int_equal(rc, 0);
	}
	now = then;
}

static void check_end(int at)
{
	for (uint32_t n = 1; n <= 5; n++) {
		int times = 0, wanted = 1;

		assert_int_equal(book_tries(book, slice(n)->id, count_complete, &times, &e), 0);
		/* It was requeued, by the call that came behind eleven answers. */
		if (n == 3 && shared->answers >= 11)
			wanted = 2;
		if (slice(n)->is_cancelled)
			wanted = 0;
		else if (slice(n)->status != JOB_COMPLETE && slice(n)->status != JOB_HASH_MISMATCH)
			fail_msg("killed at %d: slice %u is %s", at, n,
			        job_status_name(slice(n)->status));
		if (times != wanted)
			fail_msg("killed at %d behind %d answers: slice %u completed %d times", at,
			        shared->answers, n, times);
	}
}

/* 0: it was killed at this one. */
static int one_kill(int at)
{
	static char found[DUMP_MAX];
	int status, k;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		child();
	steps_at = 0;
	calls_unset();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != CALLS_KILLED)
		assert_int_equal(WEXITSTATUS(status), 0);
	k = shared->answers;
	open_book();
	dump_book(book, found);
	if (strcmp(found, said[k]) != 0 && (k == N || strcmp(found, said[k + 1]) != 0))
		fail_msg("killed at %d in %s:\n%sfound, wanted\n%sor\n%s", at,
		        k < N ? play[k].name : "none", found, said[k], k < N ? said[k + 1] : "");
	/* Not answered, so it is asked again. */
	if (k < N && (play[k].is_repeatable || strcmp(found, said[k]) == 0)) {
		if (play[k].call() != 0)
			fail_msg("killed at %d: %s again: %s", at, play[k].name, e.msg);
		reopen();
		dump_book(book, found);
		dump_same(found, said[k + 1], play[k].name);
	}
	play_out();
	check_end(at);
	book_close(book);
	book = NULL;
	return WEXITSTATUS(status) == CALLS_KILLED ? 0 : 1;
}

static void test_kill_at_each_statement(void **state)
{
	int at = 0;

	(void)state;
	learn_play();
	do {
		begin_anew();
		steps_made = 0;
		steps_at = ++at;
	} while (one_kill(at) == 0);
	print_message("killed at %d statements\n", at - 1);
	assert_true(at > 5 * N);
}

static void test_kill_at_each_write(void **state)
{
	int at = 0;

	(void)state;
	learn_play();
	do {
		begin_anew();
		calls_set(++at, 0);
	} while (one_kill(at) == 0);
	print_message("killed at %d writes\n", at - 1);
	assert_true(at > 2 * N);
}

/* --- failed ---------------------------------------------------------------------- */

/* A call that cannot be written changes nothing, and goes through the next time. */
static int one_failure(int at, int errnum)
{
	static char found[DUMP_MAX];
	int made;

	begin_anew();
	open_book();
	calls_set(at, errnum);
	for (int i = 0; i < N; i++) {
		if (play[i].call() == 0)
			continue;
		if (e.kind != ERR_SYSTEM)
			fail_msg("write %d fails: %s: %s", at, play[i].name, e.msg);
		err_clear(&e);
		dump_book(book, found);
		if (!play[i].is_in_memory)
			dump_same(found, said[i], play[i].name);
		if (play[i].call() != 0)
			fail_msg("write %d failed: %s again: %s", at, play[i].name, e.msg);
	}
	made = calls_made;
	calls_unset();
	dump_book(book, found);
	dump_same(found, said[N], "the end");
	reopen();
	dump_book(book, found);
	dump_same(found, said[N], "the end");
	book_close(book);
	book = NULL;
	return made >= at;
}

static void test_each_write_fails(void **state)
{
	(void)state;
	learn_play();
	for (int at = 1; one_failure(at, ENOSPC); at++)
		;
	for (int at = 1; one_failure(at, EIO); at++)
		;
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, play_setup, play_teardown)
	const struct CMUnitTest tests[] = {
		T(test_kill_at_each_statement),
		T(test_kill_at_each_write),
		T(test_each_write_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
