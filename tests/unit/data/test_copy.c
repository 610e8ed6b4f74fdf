#include "unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/copy.h"
#include "unit/data/trip.h"

TRIP(int, renameat2, (int a, const char *f, int b, const char *t, unsigned flags),
        (a, f, b, t, flags))

static struct err e;
static char base[64], from[96], to[96];
static int base_fd = -1;

static void put(const char *path, const void *data, size_t n)
{
	AUTO(close_fd) int fd = openat(base_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), (ssize_t)n);
}

static void put_recorded(const char *path, const char *name)
{
	AUTO(buf) struct buf b = BUF_INIT(1 << 20);
	char from_path[64];

	snprintf(from_path, sizeof(from_path), "tests/data/nodeos/%s", name);
	assert_int_equal(fs_read_at(AT_FDCWD, from_path, &b, &e), 0);
	put(path, b.data, b.len);
}

/* As nodeos leaves one: nine bytes tell its format and whether it was closed. */
static void make_source(char is_dirty)
{
	char head[4096] = "EOSIODB2";

	head[8] = is_dirty;
	assert_int_equal(mkdirat(base_fd, "from", 0750), 0);
	assert_int_equal(mkdirat(base_fd, "from/state", 0750), 0);
	assert_int_equal(mkdirat(base_fd, "from/blocks", 0750), 0);
	assert_int_equal(mkdirat(base_fd, "from/blocks/reversible", 0750), 0);
	put("from/state/shared_memory.bin", head, sizeof(head));
	put_recorded("from/blocks/blocks.log", "blocks.log");
	put_recorded("from/blocks/blocks.index", "blocks.index");
	put_recorded("from/blocks/reversible/fork_db.dat", "fork_db.dat");
}

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	trip_set(0, 0);
	snprintf(base, sizeof(base), "%s/copy-XXXXXX",
	        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(base))
		return -1;
	base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(from, sizeof(from), "%s/from", base);
	snprintf(to, sizeof(to), "%s/to", base);
	return base_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct err ignored = ERR_INIT;

	(void)state;
	trip_set(0, 0);
	close(base_fd);
	return fs_remove_tree_at(AT_FDCWD, base, &ignored);
}

static int copy(bool any)
{
	struct copy_options o = { .any = any, .clone = { .threads = 1 } };
	struct clone_report r;

	err_clear(&e);
	return data_copy(from, to, &o, &r, &e);
}

static bool is_there(const char *path)
{
	struct stat st;

	return fstatat(base_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Names in the base directory. */
static unsigned entries(void)
{
	DIR *d = opendir(base);
	const struct dirent *ent;
	unsigned n = 0;

	assert_non_null(d);
	while ((ent = readdir(d)))
		n += strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0;
	closedir(d);
	return n;
}

static bool is_whole(void)
{
	return is_there("to/state/shared_memory.bin") && is_there("to/blocks/blocks.log") &&
	        is_there("to/blocks/blocks.index") && is_there("to/blocks/reversible/fork_db.dat");
}

/* ------------------------------------------------------------------------------------------ */

static void a_clean_one_is_copied(void **state)
{
	struct stat st;

	(void)state;
	make_source(0);
	if (copy(false) < 0)
		fail_msg("%s", e.msg);
	assert_true(is_whole());
	assert_int_equal(stat(to, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(entries(), 2);
}

static void what_nodeos_would_not_take_is_refused(void **state)
{
	(void)state;
	make_source(1);
	assert_int_equal(copy(true), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "was not left clean: dirty"));
	assert_int_equal(entries(), 1);
}

static void a_log_that_is_cut_is_refused(void **state)
{
	AUTO(close_fd) int fd = -1;

	(void)state;
	make_source(0);
	fd = openat(base_fd, "from/blocks/blocks.log", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 2600), 0);
	assert_int_equal(copy(false), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "was not left clean: damaged"));
	assert_int_equal(entries(), 1);
}

/* The log of another, which two nodeos would write to. */
static void a_log_that_is_a_link_is_refused(void **state)
{
	(void)state;
	make_source(0);
	assert_int_equal(renameat(base_fd, "from/blocks/blocks.log", base_fd, "elsewhere"), 0);
	assert_int_equal(symlinkat("../../elsewhere", base_fd, "from/blocks/blocks.log"), 0);
	assert_int_equal(copy(false), -1);
	assert_true(!is_there("to") && entries() == 2);
}

static void a_directory_that_is_no_data_dir(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(base_fd, "from", 0755), 0);
	put("from/file", "x", 1);
	assert_int_equal(copy(false), -1);
	assert_non_null(strstr(e.msg, "is no data-dir"));
	assert_int_equal(copy(true), 0);
	assert_true(is_there("to/file"));
}

/* Another process that has the state open, as nodeos has it, until *ret_end is closed. */
static pid_t open_it(int *ret_end)
{
	int up[2], end[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(end[1]);
		if (openat(base_fd, "from/state/shared_memory.bin", O_RDWR | O_CLOEXEC) < 0 ||
		        write(up[1], "", 1) != 1)
			_exit(1);
		_exit(read(end[0], &c, 1) != 0);
	}
	assert_true(pid > 0);
	close(up[1]);
	close(end[0]);
	assert_int_equal(read(up[0], &c, 1), 1);
	close(up[0]);
	*ret_end = end[1];
	return pid;
}

static void a_locked_one_is_refused(void **state)
{
	int fd, end, status;
	pid_t pid;

	(void)state;
	make_source(0);
	pid = open_it(&end);
	assert_int_equal(copy(false), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "is in use"));
	close(end);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* The lock of the slot that it is of. */
	put("lock", "", 0);
	put("run.json", "{}", 2);
	fd = openat(base_fd, "lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(copy(false), -1);
	assert_non_null(strstr(e.msg, "its slot is locked"));
	close(fd);
	assert_int_equal(copy(false), 0);
}

/* What lies beside a data-dir that is no slot's is none of our business. */
static void somebodys_lock_is_left_alone(void **state)
{
	static const char *const kinds[] = { "file", "directory", "link", "fifo" };
	int fd;

	(void)state;
	make_source(0);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		fd = i == 0 ? openat(base_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644) : -1;
		if (i == 0)
			assert_int_equal(flock(fd, LOCK_EX), 0);
		if (i == 1)
			assert_int_equal(mkdirat(base_fd, "lock", 0755), 0);
		if (i == 2)
			assert_int_equal(symlinkat("nowhere", base_fd, "lock"), 0);
		if (i == 3)
			assert_int_equal(mkfifoat(base_fd, "lock", 0644), 0);
		if (copy(false) < 0)
			fail_msg("%s: %s", kinds[i], e.msg);
		err_clear(&e);
		assert_int_equal(fs_remove_tree_at(base_fd, "to", &e), 0);
		assert_int_equal(fs_remove_tree_at(base_fd, "lock", &e), 0);
		if (i == 0)
			close(fd);
	}
	put("run.json", "{}", 2);
	assert_int_equal(mkdirat(base_fd, "lock", 0755), 0);
	assert_int_equal(copy(false), 0);
}

/* Links would give the copy's owner a hand in what slots share. */
static void what_lies_in_a_pool(void **state)
{
	struct copy_options o = { .clone = { .threads = 1 } };
	struct clone_report r;
	struct stat st;
	int fd;

	(void)state;
	make_source(0);
	put("from/blocks/blocks-1-2.index", "constant", 8);
	put("pool.json", "{}", 2);
	assert_int_equal(mkdirat(base_fd, "generations", 0755), 0);
	assert_int_equal(mkdirat(base_fd, "generations/g1", 0755), 0);
	assert_int_equal(renameat(base_fd, "from", base_fd, "generations/g1/data"), 0);
	snprintf(from, sizeof(from), "%s/generations/g1/data", base);
	err_clear(&e);
	if (data_copy(from, to, &o, &r, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(r.by[CLONE_LINK].files, 0);
	assert_int_equal(fstatat(base_fd, "to/blocks/blocks-1-2.index", &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);
	/* As whoever removes it does. */
	assert_int_equal(fs_remove_tree_at(base_fd, "to", &e), 0);
	fd = openat(base_fd, "generations/g1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(copy(false), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "being made or removed"));
	/* And readers do not mind each other. */
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_int_equal(copy(false), 0);
	close(fd);
}

static void errors_name_the_users_paths(void **state)
{
	AUTO(free) char *want = str_fmt("clone '%s' to '%s'", from, to);

	(void)state;
	make_source(0);
	assert_int_equal(symlinkat("/etc", base_fd, "from/etc"), 0);
	assert_int_equal(copy(false), -1);
	assert_non_null(strstr(e.msg, from));
	assert_int_equal(unlinkat(base_fd, "from/etc", 0), 0);
	/* The first directory is the one beside the copy, the second the copy itself. */
	for (int at = 1; !strstr(e.msg, want) && at < 60; at++) {
		trip_set(at, EIO);
		(void)copy(false);
		trip_set(0, 0);
		(void)!fs_remove_tree_at(base_fd, "to", &(struct err){ 0 });
	}
	assert_non_null(strstr(e.msg, want));
}

static void targets_that_cannot_be(void **state)
{
	static const struct {
		const char *to;
		enum err_kind kind;
		const char *msg;
	} rows[] = {
		{ "from", ERR_CONFLICT, "exists" },
		{ "from/inside", ERR_CONFLICT, "would lie in" },
		{ "none/to", ERR_NOT_FOUND, "is not there" },
		{ "there", ERR_CONFLICT, "exists" },
		{ "link", ERR_CONFLICT, "exists" },
		{ "..", ERR_USAGE, "is no name" },
		{ "x/.", ERR_USAGE, "is no name" },
	};

	(void)state;
	assert_int_equal(copy(false), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	make_source(0);
	assert_int_equal(mkdirat(base_fd, "there", 0755), 0);
	assert_int_equal(symlinkat("nowhere", base_fd, "link"), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(to, sizeof(to), "%s/%s", base, rows[i].to);
		assert_int_equal(copy(false), -1);
		if (e.kind != rows[i].kind || !strstr(e.msg, rows[i].msg))
			fail_msg("%s: %d %s", rows[i].to, (int)e.kind, e.msg);
	}
	assert_int_equal(entries(), 3);
	/* A name that only begins like the source's. */
	snprintf(to, sizeof(to), "%s/from2///", base);
	assert_int_equal(copy(false), 0);
	assert_true(is_there("from2/blocks/blocks.log"));
	snprintf(to, sizeof(to), "%s/from2/inside", base);
	assert_int_equal(copy(false), 0);
}

static void two_at_once_are_one(void **state)
{
	int fd;

	(void)state;
	make_source(0);
	assert_int_equal(mkdirat(base_fd, ".to.nodeswarm-clone", 0700), 0);
	assert_int_equal(mkdirat(base_fd, ".to.nodeswarm-clone/data", 0700), 0);
	put(".to.nodeswarm-clone/data/half", "x", 1);
	fd = openat(base_fd, ".to.nodeswarm-clone", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(copy(false), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "being made by another"));
	assert_true(is_there(".to.nodeswarm-clone/data/half"));
	/* Its maker has died. */
	close(fd);
	assert_int_equal(copy(false), 0);
	assert_true(is_whole() && !is_there("to/half"));
	assert_int_equal(entries(), 2);
}

static void a_link_in_its_place_is_not_followed(void **state)
{
	(void)state;
	make_source(0);
	assert_int_equal(mkdirat(base_fd, "else", 0755), 0);
	assert_int_equal(mkdirat(base_fd, "else/data", 0755), 0);
	assert_int_equal(symlinkat("else", base_fd, ".to.nodeswarm-clone"), 0);
	assert_int_equal(copy(false), -1);
	assert_true(is_there("else/data") && !is_there("to"));
}

/* --- killed, and failing, at each call ---------------------------------------------------- */

static void killed_at_each_call(void **state)
{
	int status = TRIP_KILLED << 8;

	for (int at = 1; WEXITSTATUS(status) == TRIP_KILLED; at++) {
		pid_t pid;

		teardown(state);
		assert_int_equal(setup(state), 0);
		make_source(0);
		pid = fork();
		if (pid == 0) {
			trip_set(at, 0);
			_exit(copy(false) < 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (is_there("to") && !is_whole())
			fail_msg("call %d: half of it has its name", at);
		if (!is_there("to") && copy(false) < 0)
			fail_msg("call %d: not again: %s", at, e.msg);
		assert_true(is_whole());
		if (WEXITSTATUS(status) == 0)
			print_message("%d calls\n", at - 1);
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void failing_at_each_call(void **state)
{
	bool was_reached = true;
	int failures = 0;

	for (int at = 1; was_reached; at++) {
		int rc;

		teardown(state);
		assert_int_equal(setup(state), 0);
		make_source(0);
		trip_set(at, EIO);
		rc = copy(false);
		was_reached = trip_was_reached();
		trip_set(0, 0);
		failures += rc < 0;
		if (is_there("to") && !is_whole())
			fail_msg("call %d: half of it has its name", at);
		if (rc == 0 && !is_there("to"))
			fail_msg("call %d: nothing is there", at);
		if (rc < 0 && !is_there("to") && copy(false) < 0)
			fail_msg("call %d: not again: %s", at, e.msg);
	}
	assert_true(failures > 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_clean_one_is_copied),
		TEST(what_nodeos_would_not_take_is_refused),
		TEST(a_log_that_is_cut_is_refused),
		TEST(a_log_that_is_a_link_is_refused),
		TEST(a_directory_that_is_no_data_dir),
		TEST(a_locked_one_is_refused),
		TEST(somebodys_lock_is_left_alone),
		TEST(what_lies_in_a_pool),
		TEST(errors_name_the_users_paths),
		TEST(targets_that_cannot_be),
		TEST(two_at_once_are_one),
		TEST(a_link_in_its_place_is_not_followed),
		TEST(killed_at_each_call),
		TEST(failing_at_each_call),
	};

	return cmocka_run_group_tests_name("data/copy", tests, NULL, NULL);
}
