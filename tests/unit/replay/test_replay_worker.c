/* What a worker does with a job, and before it has one. */
#include "unit/replay/worker_scene.h"

#include "replay/worker_priv.h"

static void a_slice(void **state)
{
	AUTO(free) char *starts = NULL;

	(void)state;
	assert_end(start("good", NULL), 0);
	assert_body(FAKE_CLAIM, "worker", "tester");
	assert_complete();
	starts = file_text("starts");
	assert_non_null(strstr(starts,
	        "--terminate-at-block 200 --integrity-hash-on-start "
	        "--snapshot /"));
	assert_non_null(strstr(starts, "/s.bin --integrity-hash-on-stop\n"));
	assert_int_equal(orch.calls[FAKE_FAIL] + orch.calls[FAKE_RELEASE], 0);
}

static void nodeos_that_has_to_be_asked(void **state)
{
	AUTO(free) char *starts = NULL;
	char *second, *third;

	(void)state;
	assert_end(start("old", NULL), 0);
	assert_complete();
	starts = file_text("starts");
	assert_null(strstr(starts, "integrity-hash"));
	second = strchr(starts, '\n') + 1;
	third = strchr(second, '\n') + 1;
	second[-1] = third[-1] = '\0';
	assert_non_null(strstr(starts, "--snapshot"));
	assert_null(strstr(starts, "--terminate-at-block"));
	assert_null(strstr(second, "--snapshot"));
	assert_non_null(strstr(second, "--terminate-at-block 200"));
	assert_null(strstr(third, "--snapshot"));
	assert_null(strstr(third, "--terminate-at-block"));
	assert_clean();
}

static void nodeos_that_does_not_answer(void **state)
{
	(void)state;
	assert_end(start("old-ends", NULL), 1);
	assert_body(FAKE_FAIL, "error", "nodeos ended before it told the hash");
	orch.jobs = 1;
	assert_end(start("old-else", NULL), 1);
	assert_body(FAKE_FAIL, "error", "is at block 14 and should have begun at 13");
	assert_int_equal(orch.calls[FAKE_COMPLETE], 0);
	assert_clean();
}

static void from_the_genesis(void **state)
{
	AUTO(free) char *arg = str_fmt("genesis=%s/g.json", top);
	AUTO(free) char *starts = NULL;

	(void)state;
	fake_orchestrator_job(&orch,
	        "{\"job_id\":140000000000001,\"replay_slice_id\":1,\"snapshot_path\":\"\","
	        "\"storage_type\":\"s3\",\"leap_version\":\"4.0.6\",\"start_block_num\":0,"
	        "\"end_block_num\":200}");
	orch.jobs = 2;
	assert_end(start("good", arg), 0);
	assert_complete();
	starts = file_text("starts");
	assert_non_null(strstr(starts, "--genesis-json"));
	assert_null(strstr(starts, "--snapshot"));
	/* Another worker has none, and leaves it to those who have. */
	assert_end(start("good", NULL), 1);
	assert_int_equal(orch.calls[FAKE_FAIL], 1);
	assert_body(FAKE_FAIL, "error", "was given none; give the worker --genesis FILE");
	{
		AUTO(json) json_t *j = fake_orchestrator_body(&orch, FAKE_FAIL);

		assert_true(json_bool(j, "may_retry", false));
	}
}

static void failures(void **state)
{
	static const struct {
		const char *fake, *arg, *error, *log;
	} t[] = {
		{ "dirty", NULL, "ended before block 200 (dirty)", "database dirty flag set" },
		/* Perhaps it is this host's config.ini alone. */
		{ "config", NULL, "ended before block 200 (config)", "Unknown option" },
		{ "beyond", NULL, "is at block 210 and should have ended at 200", "Block 210" },
		/* The p2p port in use, or a disk that is full, for example. */
		{ "early", NULL, "ended before block 200 (unasked)", "successfully exiting" },
		{ "hang", "stall=100ms", "no new block for 100ms, at block 150", "#150" },
		{ "hang", "stall=100ms", "must have the blocks from 14 on", "#150" },
		{ "silent", "stall=100ms", "no new block for 100ms, at block 13", "v4.0.6" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(json) json_t *j = NULL;

		orch.jobs = 1;
		assert_end(start(t[i].fake, t[i].arg), 1);
		assert_int_equal(orch.calls[FAKE_FAIL], (int)i + 1);
		assert_body(FAKE_FAIL, "error", t[i].error);
		assert_body(FAKE_FAIL, "log", t[i].log);
		j = fake_orchestrator_body(&orch, FAKE_FAIL);
		if (!json_bool(j, "may_retry", false))
			fail_msg("%s: may_retry", t[i].fake);
		assert_clean();
	}
	assert_int_equal(orch.calls[FAKE_COMPLETE], 0);
}

static void a_snapshot_that_is_not_there(void **state)
{
	(void)state;
	assert_int_equal(unlinkat(top_fd, "s.bin", 0), 0);
	assert_end(start("good", NULL), 1);
	assert_body(FAKE_FAIL, "error", "No such file");
	assert_false(is_there("starts"));
}

/* What a worker was not told others may have been; what the manifest says is the same for all. */
static void snapshots_that_it_cannot_look_for(void **state)
{
	static const struct {
		const char *storage, *path, *error;
		bool may_retry;
	} t[] = {
		{ "filesystem", "s.bin", "its path is relative, and this worker has no --snapshots",
		        true },
		{ "filesystem", "/no/such/s.bin", "No such file", true },
		{ "filesystem", "../s.bin", "--snapshots", false },
		{ "tape", "s.bin", "the storage type 'tape'", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(json) json_t *j = NULL;

		fake_orchestrator_job(&orch,
		        "{\"job_id\":140000000000001,\"replay_slice_id\":3,\"snapshot_path\":"
		        "\"%s\",\"storage_type\":\"%s\",\"leap_version\":\"4.0.6\","
		        "\"start_block_num\":13,\"end_block_num\":200}",
		        t[i].path, t[i].storage);
		orch.jobs = 1;
		assert_end(start("good", NULL), 1);
		assert_body(FAKE_FAIL, "error", t[i].error);
		j = fake_orchestrator_body(&orch, FAKE_FAIL);
		if (json_bool(j, "may_retry", !t[i].may_retry) != t[i].may_retry)
			fail_msg("'%s': may_retry", t[i].path);
	}
	assert_false(is_there("starts"));
}

/* Another worker may have both keys. */
static void half_of_the_keys_of_a_bucket(void **state)
{
	AUTO(json) json_t *j = NULL;

	(void)state;
	fake_orchestrator_job(&orch,
	        "{\"job_id\":140000000000001,\"replay_slice_id\":3,\"snapshot_path\":"
	        "\"s3://bucket/s.bin\",\"storage_type\":\"s3\",\"leap_version\":\"4.0.6\","
	        "\"start_block_num\":13,\"end_block_num\":200}");
	setenv("AWS_ACCESS_KEY_ID", "x", 1);
	assert_end(start("good", NULL), 1);
	unsetenv("AWS_ACCESS_KEY_ID");
	assert_body(FAKE_FAIL, "error", "AWS_ACCESS_KEY_ID is set, and");
	j = fake_orchestrator_body(&orch, FAKE_FAIL);
	assert_true(json_bool(j, "may_retry", false));
}

static void nodeos_gets_no_secrets(void **state)
{
	AUTO(free) char *env = NULL;

	(void)state;
	setenv("AWS_SECRET_ACCESS_KEY", "secret1", 1);
	setenv("AWS_ACCESS_KEY_ID", "secret2", 1);
	setenv("NODESWARM_TOKEN", "secret3", 1);
	assert_end(start("good", NULL), 0);
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("NODESWARM_TOKEN");
	env = file_text("env");
	assert_non_null(strstr(env, "FAKE_DIR="));
	assert_null(strstr(env, "secret"));
}

static void times_that_make_no_sense(void **state)
{
	static const int64_t t[] = { INT64_MAX, INT64_MIN, -1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		pid_t pid;

		orch.seconds = t[i];
		orch.jobs = 1;
		orch.calls[FAKE_CLAIM] = orch.calls[FAKE_COMPLETE] = 0;
		pid = start("good", "until_done=");
		WAIT_FOR(pid, orch.calls[FAKE_CLAIM] >= 2);
		assert_int_equal(kill(pid, SIGTERM), 0);
		assert_end(pid, 0);
		assert_complete();
	}
}

static void tells_of_its_work(void **state)
{
	pid_t pid = start("hang", NULL);
	bool seen = false;

	(void)state;
	while (!seen) {
		AUTO(json) json_t *j = NULL;

		WAIT_FOR(pid, orch.calls[FAKE_PROGRESS] > 0);
		j = fake_orchestrator_body(&orch, FAKE_PROGRESS);
		orch.calls[FAKE_PROGRESS] = 0;
		seen = str_eq(json_str(j, "status", ""), "WORKING") &&
		        json_int(j, "block", 0) == 150 && str_eq(json_str(j, "start_hash", ""), A);
	}
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_end(pid, 0);
}

/* A real nodeos tells of every thousandth block only, where blocks are old. */
static void tells_of_blocks_that_nodeos_does_not(void **state)
{
	pid_t pid = start("grow", NULL);
	int64_t block = 0;

	(void)state;
	while (block != 13 + 1368 / 8) {
		AUTO(json) json_t *j = NULL;

		WAIT_FOR(pid, orch.calls[FAKE_PROGRESS] > 0);
		j = fake_orchestrator_body(&orch, FAKE_PROGRESS);
		orch.calls[FAKE_PROGRESS] = 0;
		block = json_int(j, "block", 0);
	}
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_end(pid, 0);
}

static void another_hash_than_expected(void **state)
{
	AUTO(free) char *log = NULL;

	(void)state;
	orch.is_mismatch = true;
	assert_end(start("good", NULL), 1);
	assert_complete();
	assert_int_equal(orch.calls[FAKE_FAIL], 0);
	log = file_text("log");
	assert_non_null(strstr(log, "worker: slice 3 ends with another hash than expected\n"));
}

/* --- before a claim --- */

static void no_claim_without_room(void **state)
{
	static const struct {
		const char *arg, *says;
	} t[] = {
		{ "disk=1000000g", "are free on the disk, and a job needs" },
		{ "memory=1000000g", "of memory are available, and a job needs" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		pid_t pid = start("good", t[i].arg);
		bool said = false;

		while (!said) {
			AUTO(free) char *log = file_text("log");

			said = strstr(log, t[i].says);
			wait_a_moment();
		}
		assert_int_equal(kill(pid, SIGTERM), 0);
		assert_end(pid, 0);
		assert_int_equal(orch.calls[FAKE_CLAIM], 0);
	}
}

static void the_cache_is_bounded(void **state)
{
	static const char *const name[] = { "old.bin", "older.bin.part", "new.bin", "x.bin.tmp" };
	static const int age_s[] = { 1000, 2000, 10, 0 };
	static char text[100000];
	AUTO(close_fd) int dir = -1;
	struct err e = ERR_INIT;

	(void)state;
	dir = fs_open_dir_at(top_fd, "worker/snapshots", true, 0700, &e);
	assert_true(dir >= 0);
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		time_t at = time(NULL) - age_s[i];

		assert_int_equal(fs_write_at(dir, name[i], text, sizeof(text), 0600, &e), 0);
		assert_int_equal(utimensat(dir, name[i],
		                         (struct timespec[]){ { .tv_sec = at }, { .tv_sec = at } },
		                         AT_SYMLINK_NOFOLLOW),
		        0);
	}
	assert_end(start("good", "cache=150k"), 0);
	assert_false(is_there("worker/snapshots/older.bin.part"));
	assert_false(is_there("worker/snapshots/old.bin"));
	assert_false(is_there("worker/snapshots/x.bin.tmp"));
	assert_true(is_there("worker/snapshots/new.bin"));
}

static void no_nodeos_no_claim(void **state)
{
	(void)state;
	assert_end(start("good", "nodeos=/no/such/nodeos"), 1);
	assert_int_equal(orch.calls[FAKE_CLAIM], 0);
}

static void no_blocks_no_claim(void **state)
{
	static const char line[] = "p2p-peer-address = other:1\n";
	AUTO(free) char *blocks = str_fmt("alone:blocks=%s/blocks", top);
	AUTO(free) char *config = str_fmt("alone:config=%s/lines.ini", top);
	AUTO(free) char *log = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_end(start("good", "alone:disk=1"), 1);
	/* As on the swarm, where a volume is empty if nobody names a directory. */
	assert_int_equal(mkdirat(top_fd, "blocks", 0700), 0);
	assert_end(start("good", blocks), 1);
	assert_int_equal(orch.calls[FAKE_CLAIM], 0);
	log = file_text("log");
	assert_non_null(strstr(log, "worker: no peer and no block logs"));

	assert_int_equal(fs_write_at(top_fd, "blocks/blocks-1-300.log", "x", 1, 0600, &e), 0);
	assert_end(start("good", blocks), 0);
	assert_complete();
	assert_int_equal(fs_write_at(top_fd, "lines.ini", line, strlen(line), 0600, &e), 0);
	orch.jobs = 1;
	assert_end(start("good", config), 0);
	assert_int_equal(orch.calls[FAKE_COMPLETE], 2);
}

static void a_version_that_is_not_there(void **state)
{
	AUTO(free) char *arg = str_fmt("nodeos=%s/nodeos-{version}", top);
	AUTO(json) json_t *j = NULL;

	(void)state;
	assert_end(start("good", arg), 1);
	j = fake_orchestrator_body(&orch, FAKE_FAIL);
	assert_false(json_bool(j, "may_retry", true));
	assert_body(FAKE_FAIL, "error", "nodeos-4.0.6");
	assert_int_equal(renameat(top_fd, "nodeos", top_fd, "nodeos-4.0.6"), 0);
	orch.jobs = 1;
	assert_end(start("good", arg), 0);
	assert_complete();
}

static void versions_that_are_no_part_of_a_path(void **state)
{
	static const char *const t[] = { "", ".", "..", ".x", "a/b", "a b", "%s", "4.0.6~" };
	AUTO(free) char *arg = str_fmt("nodeos=%s/nodeos{version}", top);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		fake_orchestrator_job(&orch,
		        "{\"job_id\":140000000000001,\"replay_slice_id\":3,\"snapshot_path\":"
		        "\"/s.bin\",\"storage_type\":\"fs\",\"leap_version\":\"%s\","
		        "\"start_block_num\":13,\"end_block_num\":200}",
		        t[i]);
		orch.jobs = 1;
		assert_end(start("good", arg), 1);
		assert_body(FAKE_FAIL, "error", "is no version of nodeos");
	}
	assert_false(is_there("starts"));
}

/* A program that says nothing, whatever it is asked. */
static void stopped_while_it_asks_for_the_version(void **state)
{
	static const char mute[] = "#!/bin/sh\necho $$ >$FAKE_DIR/pid\nexec sleep 1000\n";
	AUTO(free) char *arg = str_fmt("nodeos=%s/mute-{version}", top);
	struct err e = ERR_INIT;
	int64_t begin;
	pid_t pid;

	(void)state;
	assert_int_equal(fs_write_at(top_fd, "mute-4.0.6", mute, strlen(mute), 0755, &e), 0);
	pid = start("good", arg);
	WAIT_FOR(pid, nodeos_pid() != 0);
	begin = clock_mono_ns();
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_end(pid, 0);
	/* And not after three minutes. */
	assert_true(clock_mono_ns() - begin < 50 * NS_PER_SEC);
	assert_int_equal(orch.calls[FAKE_RELEASE], 1);
	assert_true(is_gone(nodeos_pid()));
}

static void ends_with_the_run(void **state)
{
	(void)state;
	orch.is_done = true;
	assert_end(start("good", "until_done="), 0);
	assert_complete();
	assert_int_equal(orch.calls[FAKE_CLAIM], 2);
}

static void config_lines(void **state)
{
	AUTO(free) char *arg = str_fmt("config=%s/lines.ini", top);
	AUTO(free) char *got = NULL;
	static const char bad[] = "snapshot = /x\n", good[] = "chain-state-db-size-mb = 300\n";
	struct err e = ERR_INIT;
	pid_t pid;

	(void)state;
	assert_int_equal(fs_write_at(top_fd, "lines.ini", bad, strlen(bad), 0600, &e), 0);
	assert_end(start("good", arg), 1);
	assert_int_equal(orch.calls[FAKE_CLAIM], 0);
	assert_int_equal(fs_write_at(top_fd, "lines.ini", good, strlen(good), 0600, &e), 0);
	pid = start("hang", arg);
	WAIT_FOR(pid, nodeos_pid() != 0);
	got = file_text("worker/work/config/config.ini");
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_end(pid, 0);
	assert_non_null(strstr(got, "chain-state-db-size-mb = 300\n"));
	assert_non_null(strstr(got, "p2p-listen-endpoint ="));
	assert_non_null(strstr(got, "p2p-peer-address = peer:9876\n"));
	assert_null(strstr(got, "65536"));
}

static void block_logs(void **state)
{
	static const char *const name[] = { "blocks-1-10.log", "blocks-11-100.log",
		"blocks-11-100.index", "blocks-101-150.log", "blocks-170-300.log", "other" };
	static const struct {
		const char *name;
		bool is_linked;
	} want[] = {
		{ "blocks-1-10.log", false },
		{ "blocks-11-100.log", true },
		{ "blocks-11-100.index", true },
		{ "blocks-101-150.log", true },
		{ "blocks-101-150.index", false },
		{ "blocks-170-300.log", false },
	};
	AUTO(free) char *arg = str_fmt("blocks=%s/blocks", top);
	AUTO(free) char *config = NULL;
	struct err e = ERR_INIT;
	bool got[ARRAY_LEN(want)];
	pid_t pid;

	(void)state;
	assert_int_equal(mkdirat(top_fd, "blocks", 0700), 0);
	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		AUTO(free) char *path = str_fmt("blocks/%s", name[i]);

		assert_int_equal(fs_write_at(top_fd, path, "x", 1, 0600, &e), 0);
	}
	pid = start("hang", arg);
	WAIT_FOR(pid, nodeos_pid() != 0);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		AUTO(free)
		char *path = str_fmt("worker/work/data/blocks/retained/%s", want[i].name);

		got[i] = is_there(path);
	}
	config = file_text("worker/work/config/config.ini");
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_end(pid, 0);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		if (got[i] != want[i].is_linked)
			fail_msg("%s", want[i].name);
	assert_non_null(strstr(config, "blocks-retained-dir = retained\n"));
	/* Clearing the data-dir has followed no link. */
	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		AUTO(free) char *path = str_fmt("blocks/%s", name[i]);

		assert_true(is_there(path));
	}
}

/* A host where everything fails leaves the tries of the jobs to others. */
static void pauses(void **state)
{
	static const struct {
		unsigned failures;
		int64_t seconds;
	} t[] = { { 0, 0 }, { 1, 0 }, { 2, 0 }, { 3, 30 }, { 4, 60 }, { 7, 480 }, { 8, 600 },
		{ 9, 600 }, { 1000000, 600 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (worker_pause_ns(t[i].failures) != t[i].seconds * NS_PER_SEC)
			fail_msg("%u failures", t[i].failures);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_slice),
		TEST(nodeos_that_has_to_be_asked),
		TEST(nodeos_that_does_not_answer),
		TEST(from_the_genesis),
		TEST(failures),
		TEST(a_snapshot_that_is_not_there),
		TEST(snapshots_that_it_cannot_look_for),
		TEST(half_of_the_keys_of_a_bucket),
		TEST(nodeos_gets_no_secrets),
		TEST(times_that_make_no_sense),
		TEST(tells_of_its_work),
		TEST(tells_of_blocks_that_nodeos_does_not),
		TEST(another_hash_than_expected),
		TEST(no_claim_without_room),
		TEST(the_cache_is_bounded),
		TEST(no_nodeos_no_claim),
		TEST(no_blocks_no_claim),
		TEST(a_version_that_is_not_there),
		TEST(versions_that_are_no_part_of_a_path),
		TEST(stopped_while_it_asks_for_the_version),
		TEST(ends_with_the_run),
		TEST(config_lines),
		TEST(block_logs),
		cmocka_unit_test(pauses),
	};

	return scene_main(argc, argv, tests, ARRAY_LEN(tests));
}
