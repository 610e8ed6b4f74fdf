#include "unit/test.h"

#include "unit/store/sqlite_calls.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "store/store.h"

static const char *const steps[] = {
	"CREATE TABLE t(id INTEGER PRIMARY KEY, word TEXT UNIQUE, n INTEGER, x REAL)",
	"ALTER TABLE t ADD COLUMN more TEXT",
	"THIS IS NO SQL",
};

#define PUT "INSERT INTO t(id, word, n, x) VALUES(?1, ?2, ?3, ?4)"

static char dir[64], path[96];
static struct err e;
static struct store *s;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/test_store.XXXXXX",
	        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	e = ERR_INIT;
	s = NULL;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/x.db", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	calls_unset();
	store_close(s);
	s = NULL;
	err_clear(&e);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void open_it(void)
{
	s = store_open(path, steps, 1, &e);
	assert_string_equal(e.msg, "");
	assert_non_null(s);
}

static void again(void)
{
	store_close(s);
	open_it();
}

static int put(int64_t id, const char *word, int64_t n, double x)
{
	if (store_begin(s, &e) < 0 || store_exec(s, &e, PUT, "itid", id, word, n, x) < 0 ||
	        store_commit(s, &e) < 0) {
		store_rollback(s);
		return -1;
	}
	return 0;
}

static int64_t count(void)
{
	struct store_rows q;
	int64_t n;

	assert_int_equal(store_ask(s, &q, &e, "SELECT count(*) FROM t", ""), 1);
	n = store_int(&q, 0);
	store_end(&q);
	store_end(&q);
	return n;
}

static void refused(enum err_kind kind, const char *word)
{
	assert_int_equal(e.kind, kind);
	assert_non_null(strstr(e.msg, word));
	err_clear(&e);
}

/* --- tests ----------------------------------------------------------------------- */

static void test_values(void **state)
{
	struct store_rows q;
	struct stat st;

	(void)state;
	open_it();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(put(1, "one", INT64_MIN, 0.5), 0);
	assert_int_equal(store_changes(s), 1);
	assert_int_equal(put(2, NULL, INT64_MAX, -1e300), 0);
	again();
	assert_int_equal(store_ask(s, &q, &e, "SELECT word, n, x FROM t WHERE id<?1 ORDER BY id",
	                         "i", (int64_t)3),
	        1);
	assert_string_equal(store_text(&q, 0), "one");
	assert_true(store_int(&q, 1) == INT64_MIN);
	assert_int_equal(store_next(&q, &e), 1);
	assert_null(store_text(&q, 0));
	assert_true(store_int(&q, 1) == INT64_MAX);
	assert_int_equal(store_next(&q, &e), 0);
	store_end(&q);
	assert_int_equal(store_ask(s, &q, &e, "SELECT count(*) FROM t WHERE x=?1 OR x=?2", "dd",
	                         0.5, -1e300),
	        1);
	assert_int_equal(store_int(&q, 0), 2);
	store_end(&q);
	assert_int_equal(store_ask(s, &q, &e, "SELECT 1 FROM t WHERE word=?1", "t", "two"), 0);
	store_end(&q);
}

static void test_rollback(void **state)
{
	(void)state;
	open_it();
	store_rollback(s);
	assert_int_equal(put(1, "one", 1, 1), 0);
	assert_int_equal(put(2, "one", 2, 2), -1);
	refused(ERR_CONFLICT, "UNIQUE");
	assert_int_equal(count(), 1);
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(store_exec(s, &e, PUT, "itid", (int64_t)3, "three", (int64_t)0, 0.0), 0);
	assert_int_equal(count(), 2);
	again();
	assert_int_equal(count(), 1);
}

static void test_bad_sql(void **state)
{
	(void)state;
	open_it();
	assert_int_equal(store_exec(s, &e, "DELETE FROM nowhere", ""), -1);
	assert_non_null(strstr(e.msg, "nowhere"));
}

static void test_steps(void **state)
{
	(void)state;
	open_it();
	assert_int_equal(put(1, "one", 1, 1), 0);
	store_close(s);
	s = store_open(path, steps, 3, &e);
	assert_null(s);
	assert_non_null(strstr(e.msg, path));
	err_clear(&e);
	/* The second was done, the third not at all. */
	s = store_open(path, steps, 2, &e);
	assert_non_null(s);
	assert_int_equal(store_exec(s, &e, "UPDATE t SET more=?1", "t", "x"), 0);
	assert_int_equal(store_changes(s), 1);
	store_close(s);
	s = store_open(path, steps, 1, &e);
	assert_null(s);
	assert_non_null(strstr(e.hint, "version"));
	refused(ERR_CONFLICT, "newer");
}

/* Writes over a part of the file. */
static void spoil(off_t at, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char junk[8192];

	memset(junk, 'x', sizeof(junk));
	assert_int_equal(pwrite(fd, junk, n, at), (ssize_t)n);
	(void)close(fd);
}

static void test_damage(void **state)
{
	(void)state;
	spoil(0, 8192);
	s = store_open(path, steps, 1, &e);
	assert_null(s);
	refused(ERR_PROTOCOL, "not a database");

	assert_int_equal(unlink(path), 0);
	open_it();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(
		        store_exec(s, &e, PUT, "itid", (int64_t)i, NULL, (int64_t)i, 0.0), 0);
	store_close(s);
	spoil(8192, 4096);
	s = store_open(path, steps, 1, &e);
	assert_null(s);
	refused(ERR_PROTOCOL, path);
}

static void test_no_place(void **state)
{
	char missing[128];

	(void)state;
	(void)snprintf(missing, sizeof(missing), "%s/none/x.db", dir);
	assert_null(store_open(missing, steps, 1, &e));
	assert_int_equal(e.sys_errno, ENOENT);
	refused(ERR_SYSTEM, missing);
	assert_null(store_open(dir, steps, 1, &e));
	refused(ERR_PROTOCOL, dir);
	(void)snprintf(missing, sizeof(missing), "%s/link", dir);
	assert_int_equal(symlink(path, missing), 0);
	assert_null(store_open(missing, steps, 1, &e));
	refused(ERR_PROTOCOL, missing);
}

/* A process of its own that holds the store, with one row committed and one not. */
static pid_t hold(void)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		s = store_open(path, steps, 1, &e);
		if (!s || put(1, "one", 1, 1) < 0 || store_begin(s, &e) < 0 ||
		        store_exec(s, &e, PUT, "itid", (int64_t)2, "two", (int64_t)2, 2.0) < 0 ||
		        write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
	return pid;
}

static void test_one_process(void **state)
{
	pid_t pid = hold();
	int status;

	(void)state;
	s = store_open(path, steps, 1, &e);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_null(s);
	assert_non_null(strstr(e.hint, "Stop"));
	refused(ERR_CONFLICT, "another process");
	open_it();
	assert_int_equal(count(), 1);
}

/* Some rows, of which each is kept if and only if put() said so. */
static int fill(void)
{
	int kept = 0;

	for (int i = 0; i < 4; i++) {
		if (put(i, NULL, i, i) == 0) {
			kept++;
		} else {
			assert_int_equal(e.kind, ERR_SYSTEM);
			err_clear(&e);
		}
		assert_int_equal(count(), kept);
	}
	return kept;
}

static void fail_each(int errnum)
{
	for (int at = 1;; at++) {
		int kept, made;

		(void)unlink(path);
		open_it();
		calls_set(at, errnum);
		kept = fill();
		made = calls_made;
		calls_unset();
		assert_true(kept >= 3);
		again();
		assert_int_equal(count(), kept);
		store_close(s);
		s = NULL;
		if (made < at)
			break;
		assert_true(at < 1000);
	}
}

static void test_disk_full(void **state)
{
	(void)state;
	open_it();
	calls_set(1, ENOSPC);
	assert_int_equal(put(1, "one", 1, 1), -1);
	assert_int_equal(e.sys_errno, ENOSPC);
	refused(ERR_SYSTEM, "store");
	calls_unset();
	assert_int_equal(put(1, "one", 1, 1), 0);
	store_close(s);
	fail_each(ENOSPC);
	fail_each(EIO);
}

/* Opening fails, and the next time does not. */
static void test_open_fails(void **state)
{
	(void)state;
	for (int at = 1;; at++) {
		(void)unlink(path);
		calls_set(at, EIO);
		s = store_open(path, steps, 1, &e);
		if (calls_made < at)
			break;
		calls_unset();
		store_close(s);
		err_clear(&e);
		open_it();
		assert_int_equal(count(), 0);
		store_close(s);
		s = NULL;
		assert_true(at < 1000);
	}
	assert_non_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rollback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_sql, setup, teardown),
		cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open_fails, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
