#include "unit/test.h"

#include "unit/data/trip.h"

#include "unit/data/room.h"
#include "unit/data/fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/json.h"
#include "data/examine.h"
#include "data/opener.h"
#include "data/record.h"
#include "data/slot.h"

/* A data-dir in a slot of the pool, and who has it. */

#define SLOT_DIR "services/s_readers/3"
#define STATE    SLOT_DIR "/data/state/shared_memory.bin"

static struct err e;
static json_t *j;

static int setup(void **state)
{
	e = ERR_INIT;
	if (fixture_setup(state) < 0)
		return -1;
	put(pool.fd, STATE, "not a state");
	put(pool.fd, SLOT_DIR "/data/blocks/blocks.log", "not a log");
	put(pool.fd, SLOT_DIR "/lock", "{\"task\":\"t1\",\"container\":\"c1\"}");
	return 0;
}

static int teardown(void **state)
{
	json_decref(j);
	j = NULL;
	return fixture_teardown(state);
}

/* --- who has it --- */

enum use {
	NOBODY,
	READS,
	OPEN,
	FCNTL,
	LOCKED, /* flock() */
	LISTENS,
	LISTENED, /* its socket is left */
};

static void listen_in(const char *dir)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int at = openat(pool.fd, dir, O_RDONLY | O_DIRECTORY);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/control.sock", at);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 4) < 0)
		_exit(3);
}

/* A child that does so until the other end of the pipe is closed. */
static pid_t use(const char *path, enum use how, int *ret_fd)
{
	int go[2], ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		int fd = how == NOBODY || how >= LISTENS
		        ? -1
		        : openat(pool.fd, path, how == READS ? O_RDONLY : O_RDWR);

		close(go[1]);
		if (how == LOCKED)
			(void)flock(fd, LOCK_EX);
		if (how == FCNTL)
			(void)fcntl(fd, F_SETLK, &l);
		if (how >= LISTENS)
			listen_in(path);
		if (how == LISTENED)
			for (int i = 3; i < 20; i++)
				if (i != go[0] && i != ready[1])
					close(i);
		(void)!write(ready[1], "x", 1);
		(void)!read(go[0], &c, 1);
		_exit(0);
	}
	close(go[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*ret_fd = go[1];
	return pid;
}

static int open_data(void)
{
	int fd = openat(pool.fd, SLOT_DIR "/data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void who_has_it(void **state)
{
	static const struct {
		const char *name, *path;
		enum use how;
		bool found, has_data, has_slot, has_pid;
		const char *says;
	} rows[] = {
		{ "nobody", STATE, NOBODY, false, false, false, false, "" },
		{ "somebody reads it", STATE, READS, false, false, false, false, "" },
		{ "the state is open", STATE, OPEN, true, true, false, true, "(process" },
		{ "the log is open", SLOT_DIR "/data/blocks/blocks.log", OPEN, true, true, false,
		        true, "(process" },
		{ "fcntl", STATE, FCNTL, true, true, false, true, "(process" },
		{ "the slot is locked", SLOT_DIR "/lock", LOCKED, true, false, true, true,
		        "task t1 in container c1)" },
		{ "its lock is open, and not locked", SLOT_DIR "/lock", OPEN, false, false, false,
		        false, "" },
		{ "a supervisor of another container", SLOT_DIR, LISTENS, true, false, true, false,
		        "task t1 in container c1" },
		{ "one that was killed", SLOT_DIR, LISTENED, false, false, false, false, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(close_fd) int data = open_data();
		struct data_opener o = { .pid = 0 };
		char text[OPENER_TEXT_MAX] = "";
		bool found;
		int fd;
		pid_t pid = use(rows[i].path, rows[i].how, &fd);

		found = data_opener_find(&o, data, 0);
		close(fd);
		(void)waitpid(pid, NULL, 0);
		(void)unlinkat(pool.fd, SLOT_DIR "/control.sock", 0);
		if (found)
			data_opener_text(text, &o);
		if (found != rows[i].found || o.has_data != rows[i].has_data ||
		        o.has_slot != rows[i].has_slot || (rows[i].has_pid && o.pid != pid) ||
		        !strstr(text, rows[i].says))
			fail_msg("row '%s': found %d data %d slot %d pid %d of %d: %s",
			        rows[i].name, found, o.has_data, o.has_slot, (int)o.pid, (int)pid,
			        text);
		if (!rows[i].has_slot && *o.label)
			fail_msg("row '%s': label of who has let go: %s", rows[i].name, o.label);
	}
}

/* A data-dir of somebody else, beside a file that he has named so. */
static void a_lock_beside_it_is_nobodys(void **state)
{
	AUTO(close_fd) int data = -1;
	struct data_opener o;
	int fd;
	pid_t pid;

	(void)state;
	put(pool.fd, "x/data/state/shared_memory.bin", "s");
	put(pool.fd, "x/lock", "l");
	pid = use("x/lock", LOCKED, &fd);
	data = openat(pool.fd, "x/data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_false(data_opener_find(&o, data, 0));
	close(fd);
	(void)waitpid(pid, NULL, 0);
}

/* --- the verdict --- */

static int examine(const char *chain_id, const char *nodeos)
{
	const struct examine_options o = { .chain_id = chain_id, .nodeos = nodeos };
	AUTO(close_fd) int data = open_data();

	err_clear(&e);
	json_decref(j);
	j = data_examine(data, &pool, &o, &e);
	return j ? 0 : -1;
}

static void record(enum slot_state s, int64_t pid)
{
	struct record *r = calloc(1, sizeof(*r));
	int dir = openat(pool.fd, SLOT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	r->state = s;
	r->nodeos_pid = pid;
	assert_int_equal(record_write_at(r, dir, &e), 0);
	close(dir);
	free(r);
}

/* A supervisor keeps its slot while nothing runs: then the bytes are what is asked for. */
static void a_held_slot_is_judged_by_its_bytes(void **state)
{
	static const struct {
		const char *name;
		enum slot_state state;
		int64_t pid;
		bool is_in_use;
	} rows[] = {
		{ "held", SLOT_HELD, 0, false },
		{ "quiesced", SLOT_QUIESCED, 0, false },
		{ "running", SLOT_RUNNING, 7, true },
		{ "stopping", SLOT_STOPPING, 7, true },
		{ "restoring", SLOT_RESTORING, 0, true },
		{ "repairing", SLOT_REPAIRING, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd;
		pid_t pid = use(SLOT_DIR, LISTENS, &fd);

		record(rows[i].state, rows[i].pid);
		ok(examine(NULL, NULL));
		close(fd);
		(void)waitpid(pid, NULL, 0);
		(void)unlinkat(pool.fd, SLOT_DIR "/control.sock", 0);
		if ((strcmp(json_str(j, "verdict", ""), "in-use") == 0) != rows[i].is_in_use ||
		        strcmp(json_str(j, "evidence.slot_state", ""), rows[i].name) != 0)
			fail_msg("row '%s': %s, %s", rows[i].name, json_str(j, "verdict", ""),
			        json_str(j, "why", ""));
	}
}

/* No generation, no restore-generation; and what cannot be known is null. */
static void what_is_told(void **state)
{
	(void)state;
	ok(examine(NULL, NULL));
	assert_string_equal(json_str(j, "verdict", ""), "damaged");
	assert_true(json_number_value(json_at(j, "took_seconds")) >= 0);
	assert_true(json_is_null(json_at(j, "evidence.opener")));
	assert_true(json_is_null(json_at(j, "evidence.generation")));
	for (size_t i = 0; i < json_array_size(json_at(j, "repairs")); i++)
		assert_string_not_equal(json_string_value(json_array_get(json_at(j, "repairs"), i)),
		        "restore-generation");
	put_data(pool.fd, "src", 1);
	ok(archive(NULL, "src", 7, true, &e));
	ok(examine(NULL, NULL));
	assert_string_equal(json_str(j, "evidence.generation", ""), "g000001-0000000007");
	assert_int_equal(json_int(j, "evidence.generation_lib_block_num", 0), 7);
	assert_string_equal(json_str(j, "repair", ""), "restore-generation");
	/* It is of another chain than the one that is wanted. */
	ok(examine(CHAIN_B, NULL));
	assert_true(json_is_null(json_at(j, "evidence.generation")));
}

static void options_are_checked(void **state)
{
	(void)state;
	fails(examine("12", NULL), ERR_USAGE);
	fails(examine(NULL, "yesterday"), ERR_USAGE);
	ok(examine(CHAIN_A, "v4.0.6"));
}

/* Whoever wants the slot's lock or a generation meanwhile gets it, at each moment. */
static void nobody_has_to_wait(void **state)
{
	static const char *const locks[] = { SLOT_DIR "/lock", STATE,
		"generations/g000001-0000000007" };
	int failed = 0;
	pid_t pid;

	(void)state;
	put_data(pool.fd, "src", 1);
	ok(archive(NULL, "src", 7, true, &e));
	/* flock() counts as a change. */
	trip_set(1, EIO);
	ok(examine(NULL, NULL));
	assert_false(trip_was_reached());
	trip_set(0, 0);
	pid = fork();
	if (pid == 0)
		for (;;)
			(void)!examine(NULL, NULL);
	for (int i = 0; i < 20000; i++) {
		int fd = openat(pool.fd, locks[i % 3], O_RDONLY | O_CLOEXEC);

		failed += flock(fd, LOCK_EX | LOCK_NB) < 0;
		close(fd);
	}
	kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(failed, 0);
}

static void a_directory_by_name(void **state)
{
	const struct examine_options o = { .chain_id = NULL };
	char path[200];

	(void)state;
	snprintf(path, sizeof(path), "%s/" SLOT_DIR, pool.path);
	assert_null(data_examine_path(path, &o, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.hint, SLOT_DIR "/data"));
	snprintf(path, sizeof(path), "%s/" SLOT_DIR "/data", pool.path);
	put_data(pool.fd, "src", 1);
	ok(archive(NULL, "src", 7, true, &e));
	e = ERR_INIT;
	j = data_examine_path(path, &o, &e);
	assert_non_null(j);
	/* It lies in a pool, which is found. */
	assert_string_equal(json_str(j, "evidence.generation", ""), "g000001-0000000007");
	assert_null(data_examine_path("/no/such", &o, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	e = ERR_INIT;
	snprintf(path, sizeof(path), "%s/" STATE, pool.path);
	assert_null(data_examine_path(path, &o, &e));
	assert_int_equal(e.kind, ERR_USAGE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_has_it),
		TEST(a_lock_beside_it_is_nobodys),
		TEST(a_held_slot_is_judged_by_its_bytes),
		TEST(what_is_told),
		TEST(options_are_checked),
		TEST(nobody_has_to_wait),
		TEST(a_directory_by_name),
	};

	return cmocka_run_group_tests_name("data/examine", tests, NULL, NULL);
}
