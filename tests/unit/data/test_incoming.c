#include "unit/test.h"

#include "unit/data/trip.h"

#include "unit/data/fixture.h"

#include <sys/file.h>

#include "base/str.h"
#include "data/incoming.h"

/* The other host's generation lies in the directory `src` of the pool. */

#define LIST "generations"
#define NAME "g000042-0000000007"
#define WORK LIST "/" INCOMING_PREFIX NAME
#define BIG  (2ULL * INCOMING_PIECE + 100000)

static struct err e;
static struct manifest theirs;
static int src = -1;

static void put_big(void)
{
	int fd = openat(pool.fd, "src/state/big", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);

	assert_int_equal(ftruncate(fd, (off_t)BIG), 0);
	assert_int_equal(pwrite(fd, "one", 3, 70000), 3);
	assert_int_equal(pwrite(fd, "two", 3, 2 * INCOMING_PIECE + 5), 3);
	(void)close(fd);
}

static int setup(void **state)
{
	trip_set(0, 0);
	e = ERR_INIT;
	if (fixture_setup(state) < 0)
		return -1;
	put_data(pool.fd, "src", 7);
	(void)unlinkat(pool.fd, "src/finalizers/safety.dat", 0);
	put(pool.fd, "src/empty", "");
	put_big();
	src = openat(pool.fd, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	theirs = MANIFEST_INIT;
	fill_manifest(&theirs, 7);
	theirs.number = 42;
	(void)snprintf(theirs.name, sizeof(theirs.name), "%s", NAME);
	return tree_read(&theirs.files, src, &e) < 0
	        ? -1
	        : tree_digest(&theirs.files, src, 1, NULL, NULL, &e);
}

static int teardown(void **state)
{
	manifest_release(&theirs);
	(void)close(src);
	return fixture_teardown(state);
}

/* --- a transfer ---------------------------------------------------------------- */

static size_t sent; /* pieces */

static int copy_piece(struct incoming *in, size_t file, int fd, size_t piece)
{
	static char buffer[INCOMING_PIECE];
	int from = openat(src, theirs.files.v[file].path, O_RDONLY | O_CLOEXEC);
	uint64_t at = (uint64_t)piece * INCOMING_PIECE;
	ssize_t n = pread(from, buffer, sizeof(buffer), (off_t)at);

	(void)close(from);
	assert_true(n > 0);
	sent++;
	if (incoming_put(in, file, fd, at, buffer, (size_t)n, &e) < 0)
		return -1;
	return incoming_mark(in, file, piece, &e);
}

/* Returns 1 when it is not what the manifest says. */
static int copy_file(struct incoming *in, size_t file)
{
	AUTO(close_fd) int fd = incoming_open(in, file, &e);

	if (fd < 0)
		return -1;
	for (size_t k = 0; k < incoming_pieces(in, file); k++)
		if (!incoming_has(in, file, k) && copy_piece(in, file, fd, k) < 0)
			return -1;
	return incoming_check(in, file, fd, NULL, &e);
}

static int transfer(struct manifest *ours)
{
	AUTO(incoming) struct incoming in = INCOMING_INIT;
	int rc = incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e);

	sent = 0;
	for (size_t i = 0; rc == 0 && i < theirs.files.n; i++) {
		if (incoming_is_whole(&in, i))
			continue;
		rc = copy_file(&in, i);
		/* What was left over was wrong. */
		if (rc > 0)
			rc = copy_file(&in, i);
	}
	return rc < 0 ? -1 : incoming_commit(&in, &pool, ours, true, &e);
}

static size_t index_of(const char *path)
{
	for (size_t i = 0; i < theirs.files.n; i++)
		if (strcmp(theirs.files.v[i].path, path) == 0)
			return i;
	fail_msg("no %s", path);
	return 0;
}

/* `current` is what was sent, and nothing else is left. */
static void expect_whole(void)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	char a[TREE_DIGEST_SIZE], b[TREE_DIGEST_SIZE];

	ok(generation_hold(&h, &pool, "current", NULL, &e));
	assert_string_equal(tree_sum(a, &h.m.files), tree_sum(b, &theirs.files));
	ok(generation_verify(&pool, h.m.name, NULL, NULL, NULL, NULL, &e));
	assert_null(strstr(names_in(pool.fd, LIST), INCOMING_PREFIX));
	assert_null(strstr(names_in(pool.fd, LIST), "tmp"));
}

/* --- as it should be ----------------------------------------------------------- */

static void a_generation_comes(void **state)
{
	AUTO(manifest) struct manifest ours = MANIFEST_INIT;
	struct stat st;

	(void)state;
	ok(transfer(&ours));
	assert_string_equal(ours.name, "g000001-0000000007");
	assert_string_equal(ours.origin, "pull");
	assert_string_equal(ours.source, theirs.source);
	assert_int_equal(ours.created_ns, theirs.created_ns);
	expect_whole();
	assert_int_equal(fstatat(pool.fd, LIST "/g000001-0000000007/data/state/big", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, BIG);
	/* Zeroes were not written. */
	assert_in_range(st.st_blocks * 512, 1, 1000000);
}

static void what_is_there_counts(void **state)
{
	AUTO(manifest) struct manifest ours = MANIFEST_INIT;
	struct incoming in, other;
	size_t big = index_of("state/big"), log = index_of("blocks/blocks.log");
	int fd;

	(void)state;
	ok(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e));
	assert_int_equal(in.resumed_bytes, 0);
	assert_int_equal(incoming_pieces(&in, big), 3);
	assert_int_equal(incoming_pieces(&in, index_of("empty")), 0);
	fd = incoming_open(&in, big, &e);
	ok(copy_piece(&in, big, fd, 1));
	(void)close(fd);
	ok(copy_file(&in, log));
	fails(incoming_begin(&other, &pool, &theirs, "10.0.0.3", NULL, &e), ERR_CONFLICT);
	incoming_release(&in);

	ok(incoming_begin(&in, &pool, &theirs, "10.0.0.3", NULL, &e));
	assert_int_equal(in.resumed_bytes, INCOMING_PIECE + theirs.files.v[log].size);
	assert_true(incoming_has(&in, big, 1) && !incoming_has(&in, big, 0));
	assert_true(incoming_is_whole(&in, log) && !incoming_is_whole(&in, big));
	incoming_release(&in);

	ok(transfer(&ours));
	assert_int_equal(sent, 2 + 2); /* two of big, and two small files */
	expect_whole();
}

static void marks_are_only_hints(void **state)
{
	AUTO(manifest) struct manifest ours = MANIFEST_INIT;
	struct incoming in;
	size_t big = index_of("state/big"), log = index_of("blocks/blocks.log");

	(void)state;
	ok(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e));
	for (size_t k = 0; k < 3; k++)
		ok(incoming_mark(&in, big, k, &e));
	ok(copy_file(&in, log));
	incoming_release(&in);
	/* As after a power loss. */
	assert_int_equal(unlinkat(pool.fd, WORK "/data/blocks/blocks.log", 0), 0);
	ok(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e));
	assert_false(incoming_is_whole(&in, log));
	assert_true(incoming_has(&in, big, 2));
	assert_int_equal(copy_file(&in, big), 1);
	assert_false(incoming_has(&in, big, 2));
	incoming_release(&in);
	ok(transfer(&ours));
	expect_whole();
}

/* --- what does not count -------------------------------------------------------- */

static void another_manifest_begins_anew(void **state)
{
	struct incoming in;
	size_t log = index_of("blocks/blocks.log");

	(void)state;
	ok(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e));
	ok(copy_file(&in, log));
	incoming_release(&in);
	theirs.files.v[log].digest[0] = theirs.files.v[log].digest[0] == '0' ? '1' : '0';
	ok(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e));
	assert_int_equal(in.resumed_bytes, 0);
	assert_false(incoming_is_whole(&in, log));
	assert_int_equal(copy_file(&in, log), 1);
	incoming_release(&in);
	incoming_discard(&pool, NAME);
	assert_false(is_path(pool.fd, WORK));
}

static void what_no_generation_may_have(void **state)
{
	struct incoming in;
	char *path = theirs.files.v[0].path;

	(void)state;
	theirs.files.v[0].path = strdup("finalizers/safety.dat");
	fails(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e), ERR_PROTOCOL);
	free(theirs.files.v[0].path);
	theirs.files.v[0].path = path;
	theirs.files.v[0].digest[0] = '\0';
	fails(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e), ERR_PROTOCOL);
	theirs.files.v[0].digest[0] = '0';
	theirs.files.size_bytes = INCOMING_BYTES_MAX + 1;
	fails(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e), ERR_PROTOCOL);
	assert_false(is_path(pool.fd, WORK));
}

static void nothing_leads_elsewhere(void **state)
{
	struct incoming in;
	size_t big = index_of("state/big");
	int fd;

	(void)state;
	put(pool.fd, "victim/big", "as it was");
	ok(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e));
	assert_int_equal(symlinkat("../../../victim", in.data_fd, "state"), 0);
	assert_int_equal(incoming_open(&in, big, &e), -1);
	assert_int_equal(unlinkat(in.data_fd, "state", 0), 0);
	assert_int_equal(mkdirat(in.data_fd, "state", 0755), 0);
	assert_int_equal(symlinkat("../../../../victim/big", in.data_fd, "state/big"), 0);
	e = ERR_INIT;
	assert_int_equal(incoming_open(&in, big, &e), -1);
	assert_int_equal(unlinkat(in.data_fd, "state/big", 0), 0);
	fd = incoming_open(&in, big, &(struct err){ 0 });
	assert_true(fd >= 0);
	fails(incoming_put(&in, big, fd, BIG - 1, "xy", 2, &e), ERR_PROTOCOL);
	fails(incoming_put(&in, big, fd, UINT64_MAX, "xy", 2, &e), ERR_PROTOCOL);
	(void)close(fd);
	incoming_release(&in);
	assert_string_equal(text_of(pool.fd, "victim/big"), "as it was");
}

static void old_ones_are_removed(void **state)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct incoming in;

	(void)state;
	put(pool.fd, LIST "/" INCOMING_PREFIX "g000001-0000000001/marks", "x");
	put(pool.fd, LIST "/" INCOMING_PREFIX "g000002-0000000001/marks", "x");
	assert_int_equal(
	        utimensat(pool.fd, LIST "/" INCOMING_PREFIX "g000001-0000000001", old, 0), 0);
	/* Changes of the list of generations leave them alone. */
	ok(archive(NULL, "src", 1, true, &e));
	assert_true(is_path(pool.fd, LIST "/" INCOMING_PREFIX "g000001-0000000001/marks"));
	ok(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e));
	assert_false(is_path(pool.fd, LIST "/" INCOMING_PREFIX "g000001-0000000001"));
	assert_true(is_path(pool.fd, LIST "/" INCOMING_PREFIX "g000002-0000000001"));
	incoming_release(&in);
}

static void another_chain_is_kept_out(void **state)
{
	AUTO(manifest) struct manifest ours = MANIFEST_INIT;

	(void)state;
	ok(archive(NULL, "src", 1, true, &e));
	(void)snprintf(theirs.chain_id, sizeof(theirs.chain_id), "%s", CHAIN_B);
	fails(transfer(&ours), ERR_CONFLICT);
	/* All of it is still there for another try. */
	assert_true(is_path(pool.fd, WORK "/data/state/big"));
	(void)snprintf(theirs.chain_id, sizeof(theirs.chain_id), "%s", CHAIN_A);
	ok(transfer(&ours));
	assert_int_equal(sent, 0);
	expect_whole();
}

/* --- failing, and killed, at each call ------------------------------------------- */

/* `current` is the one from before, or the new one, whole. */
static void expect_sound(int at)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;

	e = ERR_INIT;
	if (generation_hold(&h, &pool, "current", NULL, &e) < 0 ||
	        generation_verify(&pool, h.m.name, NULL, NULL, NULL, NULL, &e) < 0)
		fail_msg("call %d: %s", at, e.msg);
}

static void try_until_it_is_through(int errnum)
{
	ok(archive(NULL, "src", 1, true, &e));
	for (int at = 1;; at++) {
		AUTO(manifest) struct manifest ours = MANIFEST_INIT;
		bool was_reached;
		int rc, status;

		e = ERR_INIT;
		if (errnum) {
			trip_set(at, errnum);
			rc = transfer(&ours);
			was_reached = trip_was_reached();
			trip_set(0, 0);
		} else {
			pid_t pid = fork();

			if (pid == 0) {
				trip_set(at, 0);
				rc = transfer(&ours);
				_exit(rc == 0 ? 0 : 1);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			was_reached = WEXITSTATUS(status) == TRIP_KILLED;
			rc = WEXITSTATUS(status) == 0 ? 0 : -1;
		}
		expect_sound(at);
		if (!was_reached) {
			assert_int_equal(rc, 0);
			assert_in_range(at, 30, 400);
			break;
		}
		/* The next one ends it. */
		manifest_release(&ours);
		e = ERR_INIT;
		if (transfer(&ours) < 0)
			fail_msg("after call %d: %s", at, e.msg);
		expect_whole();
		assert_int_equal(fixture_rm(fixture_dir), 0);
		(void)teardown(NULL);
		(void)snprintf(fixture_dir, sizeof(fixture_dir), "?");
		assert_int_equal(setup(NULL), 0);
		ok(archive(NULL, "src", 1, true, &e));
	}
	e = ERR_INIT;
	expect_whole();
}

/* All has come: a kill while it gets its name costs none of it. */
static void killed_in_commit(void **state)
{
	bool was_reached = true;

	(void)state;
	for (int at = 1; was_reached; at++) {
		AUTO(manifest) struct manifest ours = MANIFEST_INIT;
		AUTO(generations) struct generations g = { 0 };
		struct incoming in;
		int status;
		pid_t pid;

		ok(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e));
		for (size_t i = 0; i < theirs.files.n; i++)
			if (!incoming_is_whole(&in, i))
				ok(copy_file(&in, i));
		pid = fork();
		if (pid == 0) {
			trip_set(at, 0);
			_exit(incoming_commit(&in, &pool, &ours, true, &e) < 0);
		}
		incoming_release(&in);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		was_reached = WEXITSTATUS(status) == TRIP_KILLED;
		ok(generations_list(&g, &pool, &e));
		if (g.n == 0 && transfer(&ours) < 0)
			fail_msg("after call %d: %s", at, e.msg);
		if (g.n == 0 && sent != 0)
			fail_msg("after call %d: %zu pieces were sent again", at, sent);
		ok(generation_promote(&pool, g.n ? g.v[0].m.name : ours.name, false, &e));
		expect_whole();
		assert_int_equal(fixture_rm(fixture_dir), 0);
		(void)teardown(NULL);
		(void)snprintf(fixture_dir, sizeof(fixture_dir), "?");
		assert_int_equal(setup(NULL), 0);
	}
}

static void the_list_is_for_everybody(void **state)
{
	mode_t was = umask(077);
	struct incoming in;
	struct stat st;

	(void)state;
	ok(incoming_begin(&in, &pool, &theirs, "10.0.0.2", NULL, &e));
	(void)umask(was);
	assert_int_equal(fstat(in.list_fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	incoming_release(&in);
}

static void a_cancel_ends_the_wait(void **state)
{
	static const volatile int cancel = 1;
	AUTO(close_fd) int lock = -1;
	struct incoming in;

	(void)state;
	ok(archive(NULL, "src", 1, true, &e));
	lock = openat(pool.fd, LIST "/lock", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	fails(incoming_begin(&in, &pool, &theirs, "10.0.0.2", &cancel, &e), ERR_INTERRUPTED);
	assert_false(is_path(pool.fd, WORK));
}

static void each_call_fails(void **state)
{
	(void)state;
	try_until_it_is_through(ENOSPC);
}

static void killed_at_each_call(void **state)
{
	(void)state;
	try_until_it_is_through(0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_generation_comes),
		TEST(what_is_there_counts),
		TEST(marks_are_only_hints),
		TEST(another_manifest_begins_anew),
		TEST(what_no_generation_may_have),
		TEST(nothing_leads_elsewhere),
		TEST(old_ones_are_removed),
		TEST(another_chain_is_kept_out),
		TEST(killed_in_commit),
		TEST(the_list_is_for_everybody),
		TEST(a_cancel_ends_the_wait),
		TEST(each_call_fails),
		TEST(killed_at_each_call),
	};

	return cmocka_run_group_tests_name("data/incoming", tests, NULL, NULL);
}
