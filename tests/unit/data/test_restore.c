#include "unit/test.h"

#include "unit/data/restore_scene.h"

/* As they are noted by trip.h. */
#define S "services/s_readers/3"
#define Q "quarantine/s_readers.3-*"

/* --- restore --------------------------------------------------------------------- */

static void an_empty_slot_is_filled(void **state)
{
	struct restore_report r;

	(void)state;
	ok(restore("current", &r));
	assert_string_equal(r.generation, "g000001-0000000001");
	assert_string_equal(r.quarantined, "");
	assert_int_equal(r.clone.files, 3);
	assert_string_equal(names_in(slot.fd, "."), "data generation.json ");
	assert_string_equal(generation_of(), r.generation);
	assert_string_equal(text_of(slot.fd, "data/blocks/blocks.log"), "blocks/blocks.log at 1");
	assert_string_equal(names_in(slot.fd, "data"), "blocks state ");
	assert_false(is_path(pool.fd, "quarantine"));
}

static void the_old_one_goes_to_quarantine(void **state)
{
	struct restore_report r;
	char path[512];
	AUTO(json) json_t *why = NULL;
	const char *text;
	int64_t at;

	(void)state;
	put_old();
	put(slot.fd, "run.json", "stays");
	ok(restore("current", &r));
	assert_string_equal(which_data(), "new");
	assert_string_equal(names_in(slot.fd, "."), "data generation.json run.json ");
	assert_true(str_starts(r.quarantined, "s_readers.3-2", NULL));
	snprintf(path, sizeof(path), "quarantine/%s/data/blocks/blocks.log", r.quarantined);
	assert_string_equal(text_of(pool.fd, path), "blocks/blocks.log at 0");
	snprintf(path, sizeof(path), "quarantine/%s/data/finalizers/safety.dat", r.quarantined);
	assert_string_equal(text_of(pool.fd, path), "mine");
	snprintf(path, sizeof(path), "quarantine/%s/why.json", r.quarantined);
	text = text_of(pool.fd, path);
	why = json_parse_object(text, strlen(text), "why.json", &e);
	assert_non_null(why);
	assert_int_equal(json_int(why, "format", 0), 1);
	assert_string_equal(json_str(why, "slot", ""), "s_readers.3");
	assert_string_equal(json_str(why, "why", ""), "it was dirty");
	assert_string_equal(json_str(why, "generation", ""), "g000001-0000000001");
	assert_true(*json_str(why, "verdict", ""));
	assert_int_equal(clock_parse(&at, json_str(why, "at", "")), 0);
}

/* Directories alone are nothing to keep. */
static void without_a_file_it_is_not_kept(void **state)
{
	struct restore_report r;

	(void)state;
	ok(fs_open_dir_at(slot.fd, "data/blocks/reversible", true, 0755, &e));
	ok(restore("current", &r));
	assert_string_equal(r.quarantined, "");
	assert_string_equal(names_in(slot.fd, "."), "data generation.json ");
	assert_false(is_path(pool.fd, "quarantine"));
}

static void only_its_own_is_taken_over(void **state)
{
	(void)state;
	put_old();
	put(slot.fd, "data/finalizers/deep/er/x.dat", "deep");
	put(slot.fd, "data/snapshots/.pending-snapshot-abc.bin", "unfinished");
	put(slot.fd, "data/snapshots/.incomplete-snapshot-abc.bin", "unfinished");
	put(slot.fd, "data/other", "not ours");
	put(pool.fd, "secret", "of root");
	assert_int_equal(symlinkat("../../../../../secret", slot.fd, "data/finalizers/link"), 0);
	assert_int_equal(mkfifoat(slot.fd, "data/finalizers/fifo", 0644), 0);
	ok(restore("current", NULL));
	assert_string_equal(which_data(), "new");
	assert_string_equal(text_of(slot.fd, "data/finalizers/deep/er/x.dat"), "deep");
	assert_string_equal(names_in(slot.fd, "data"), "blocks finalizers state ");
	assert_string_equal(names_in(slot.fd, "data/finalizers"), "deep safety.dat ");
}

static void a_link_leads_nowhere(void **state)
{
	(void)state;
	put(pool.fd, "elsewhere/blocks/blocks.log", "of somebody");
	assert_int_equal(symlinkat("../../../elsewhere", slot.fd, "data"), 0);
	assert_int_equal(restore("current", NULL), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_string_equal(names_in(slot.fd, "."), "data ");
	assert_int_equal(unlinkat(slot.fd, "data", 0), 0);
	/* As if data/finalizers led to other things of the host. */
	put_old();
	ok(fs_remove_tree_at(slot.fd, "data/finalizers", &e));
	assert_int_equal(symlinkat("../../../../elsewhere", slot.fd, "data/finalizers"), 0);
	ok(restore("current", NULL));
	assert_string_equal(names_in(slot.fd, "data"), "blocks state ");
	assert_string_equal(text_of(pool.fd, "elsewhere/blocks/blocks.log"), "of somebody");
}

static void too_much_of_its_own_is_refused(void **state)
{
	(void)state;
	put_old();
	put(slot.fd, "data/finalizers/huge", "");
	{
		int fd = openat(slot.fd, "data/finalizers/huge", O_WRONLY | O_CLOEXEC);

		assert_int_equal(ftruncate(fd, (64 << 20) + 1), 0);
		close(fd);
	}
	assert_int_equal(restore("current", NULL), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_string_equal(which_data(), "old");
	assert_string_equal(names_in(slot.fd, "."), "data ");
}

static void it_belongs_to_nodeos(void **state)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	static const char *const paths[] = { "data", "data/blocks", "data/blocks/blocks.log",
		"data/finalizers", "data/finalizers/safety.dat" };
	struct restore_report r;
	struct stat st;

	(void)state;
	if (geteuid() != 0) {
		print_message("not root, skipped\n");
		return;
	}
	put_old();
	ok(generation_hold(&h, &pool, "current", NULL, &e));
	ok(slot_restore(&pool, &slot, &h, SLOT_UID, SLOT_UID, "why", &options, &r, &e));
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_int_equal(fstatat(slot.fd, paths[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_uid, SLOT_UID);
		assert_int_equal(st.st_gid, SLOT_UID);
	}
	assert_int_equal(fstatat(h.fd, "data", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
}

/* One file of the generation and of each slot: no slot's nodeos may write to it. */
static void shared_files_stay_roots(void **state)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	static const char *const path = "data/blocks/blocks-1-2.log";
	struct restore_report r;
	struct stat st, there;

	(void)state;
	if (geteuid() != 0) {
		print_message("not root, skipped\n");
		return;
	}
	ok(generation_hold(&h, &pool, "current", NULL, &e));
	put(h.fd, path, "constant");
	ok(slot_restore(&pool, &slot, &h, SLOT_UID, SLOT_UID, "why", &options, &r, &e));
	assert_int_equal(fstatat(slot.fd, path, &st, 0), 0);
	if (r.clone.by[CLONE_LINK].files) {
		assert_int_equal(fstatat(h.fd, path, &there, 0), 0);
		assert_int_equal(there.st_ino, st.st_ino);
		assert_int_equal(st.st_uid, 0);
		assert_int_equal(st.st_gid, SLOT_UID);
		assert_int_equal(st.st_mode & 07777, 0440);
		/* Also when the supervisor prepares the slot. */
		ok(fs_chown_tree_at(slot.fd, "data", SLOT_UID, SLOT_UID, &e));
		assert_int_equal(fstatat(h.fd, path, &there, 0), 0);
		assert_int_equal(there.st_uid, 0);
	}
	/* Another user could not read it. */
	ok(slot_restore(&pool, &slot, &h, 1000, 1000, "why", &options, &r, &e));
	assert_int_equal(r.clone.by[CLONE_LINK].files, 0);
	assert_int_equal(fstatat(slot.fd, path, &st, 0), 0);
	assert_int_equal(st.st_uid, 1000);
}

static void a_snapshot_is_noted(void **state)
{
	(void)state;
	make_snapshot("s.bin");
	put_old();
	ok(restore("g000002-0000000002", NULL));
	assert_string_equal(which_data(), "snapshot");
	assert_string_equal(names_in(slot.fd, "."), "data from-snapshot.json generation.json ");
	assert_string_equal(names_in(slot.fd, "data"), "finalizers snapshots ");
	assert_string_equal(text_of(slot.fd, SLOT_FROM_SNAPSHOT),
	        "{\"format\":1,\"generation\":\"g000002-0000000002\",\"file\":\"s.bin\"}");
	assert_int_equal(slot_settle(&slot, &e), 0);
	assert_true(is_path(slot.fd, SLOT_FROM_SNAPSHOT));
	/* What comes after it is not of a snapshot. */
	ok(restore("current", NULL));
	assert_string_equal(names_in(slot.fd, "."), "data generation.json ");
	assert_string_equal(which_data(), "new");
}

static void a_snapshot_is_one_file(void **state)
{
	(void)state;
	make_snapshot("sub/s.bin");
	make_snapshot("s.txt");
	assert_int_equal(restore("g000002-0000000002", NULL), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_int_equal(restore("g000003-0000000002", NULL), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_string_equal(names_in(slot.fd, "."), "");
}

static void cancelled_leaves_nothing(void **state)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	const volatile int stop = 1;
	struct clone_options o = { .threads = 1, .cancel = &stop };
	struct restore_report r;

	(void)state;
	put_old();
	ok(generation_hold(&h, &pool, "current", NULL, &e));
	fails(slot_restore(&pool, &slot, &h, geteuid(), getegid(), "why", &o, &r, &e),
	        ERR_INTERRUPTED);
	assert_string_equal(names_in(slot.fd, "."), "data ");
	assert_string_equal(which_data(), "old");
}

/* --- settle ---------------------------------------------------------------------- */

static void settle_ends_what_was_begun(void **state)
{
	static const struct {
		const char *name;
		const char *before[4];
		const char *data; /* what data/x says then */
		const char *after, *marker;
		int rc;
	} cases[] = {
		{ "nothing", { NULL }, "(none)", "", "(none)", 0 },
		{ "half made", { ".data-new/x", "data/x" }, "data/x", "data ", "(none)", 1 },
		{ "not swapped", { ".data-ready/x", "data/x", ".from-snapshot-ready" }, "data/x",
		        "data ", "(none)", 1 },
		{ "half way", { ".data-ready/x", "from-snapshot.json" }, ".data-ready/x", "data ",
		        "(none)", 1 },
		{ "half way, snapshot", { ".data-ready/x", ".from-snapshot-ready" },
		        ".data-ready/x", "data from-snapshot.json ", ".from-snapshot-ready", 1 },
		{ "swapped, snapshot", { "data/x", "from-snapshot.json", ".from-snapshot-ready" },
		        "data/x", "data from-snapshot.json ", "from-snapshot.json", 1 },
		{ "not swapped, old from snapshot",
		        { ".data-ready/x", "data/x", "from-snapshot.json" }, "data/x",
		        "data from-snapshot.json ", "from-snapshot.json", 1 },
		{ "both", { ".data-ready/x", ".data-new/x" }, ".data-ready/x", "data ", "(none)",
		        1 },
		{ "emptied", { "from-snapshot.json" }, "(none)", "", "(none)", 0 },
		{ "removed one", { ".data-gone/x", "data/x" }, "data/x", "data ", "(none)", 1 },
		{ "half way, of a generation", { ".data-ready/x", ".generation-ready" },
		        ".data-ready/x", "data generation.json ", "(none)", 1 },
		{ "not swapped, old of a generation",
		        { ".data-ready/x", "data/x", ".generation-ready", "generation.json" },
		        "data/x", "data generation.json ", "(none)", 1 },
		{ "half way, of one before there were notes",
		        { ".data-ready/x", "generation.json" }, ".data-ready/x", "data ", "(none)",
		        1 },
		{ "emptied, of a generation", { "generation.json" }, "(none)", "", "(none)", 0 },
		{ "torn note", { ".from-snapshot.json.tmp-7", "data/x" }, "data/x", "data ",
		        "(none)", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int rc;

		for (size_t k = 0; k < 4 && cases[i].before[k]; k++)
			put(slot.fd, cases[i].before[k], cases[i].before[k]);
		e = ERR_INIT;
		rc = slot_settle(&slot, &e);
		if (rc != cases[i].rc || strcmp(text_of(slot.fd, "data/x"), cases[i].data) != 0)
			fail_msg("%s: %d, '%s' %s", cases[i].name, rc, text_of(slot.fd, "data/x"),
			        e.msg);
		if (strcmp(names_in(slot.fd, "."), cases[i].after) != 0)
			fail_msg("%s: %s", cases[i].name, names_in(slot.fd, "."));
		if (strcmp(text_of(slot.fd, SLOT_FROM_SNAPSHOT), cases[i].marker) != 0)
			fail_msg("%s: '%s'", cases[i].name, text_of(slot.fd, SLOT_FROM_SNAPSHOT));
		ok(fs_remove_tree_at(slot.fd, "data", &e));
		(void)unlinkat(slot.fd, SLOT_FROM_SNAPSHOT, 0);
	}
}

/* A .data-ready that is not needed is not taken for a whole one when half of it is deleted, even if
 * data/ goes then. */
static void half_of_it_is_never_used(void **state)
{
	int status = TRIP_KILLED << 8;

	(void)state;
	for (int at = 1; WEXITSTATUS(status) == TRIP_KILLED; at++) {
		pid_t pid;

		put_data(slot.fd, ".data-ready", 1);
		put(slot.fd, ".data-ready/finalizers/safety.dat", "mine");
		put_old();
		pid = fork();
		if (pid == 0) {
			trip_set(at, 0);
			_exit(slot_settle(&slot, &e) < 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		ok(fs_remove_tree_at(slot.fd, "data", &e));
		ok(slot_settle(&slot, &e));
		if (strcmp(which_data(), "none") != 0 && strcmp(which_data(), "new") != 0)
			fail_msg("call %d: %s", at, which_data());
		ok(fs_remove_tree_at(slot.fd, "data", &e));
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- what a power loss leaves ------------------------------------------------------- */

static void synced_before_the_swap(void **state)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	struct restore_report r;
	const char *own;

	(void)state;
	make_snapshot("s.bin");
	put_old();
	ok(generation_hold(&h, &pool, "g000002-0000000002", NULL, &e));
	log_calls();
	ok(slot_restore(&pool, &slot, &h, geteuid(), getegid(), "why", &options, &r, &e));
	/* Behind what clone_tree() does. */
	own = strstr(trip_log, "sync " S "/.data-new/finalizers/safety.dat");
	assert_non_null(own);
	memmove(trip_log, own, strlen(own) + 1);
	expect_calls("sync " S "/.data-new/finalizers/safety.dat\n"
	             "sync " S "/.data-new/finalizers\n"
	             "sync " S "/.data-new\n"
	             "sync " S "/..from-snapshot-ready.tmp-*\n"
	             "name " S "/.from-snapshot-ready\n"
	             "sync " S "\n"
	             "sync " S "/..generation-ready.tmp-*\n"
	             "name " S "/.generation-ready\n"
	             "sync " S "\n"
	             "name " S "/.data-ready\n"
	             "sync " S "\n"
	             "sync \n" /* the pool: quarantine/ is new */
	             "sync " Q "/.why.json.tmp-*\n"
	             "name " Q "/why.json\n"
	             "sync " Q "\n"
	             "sync quarantine\n"
	             "name " Q "/data\n"
	             "sync " Q "\n"
	             "sync " S "\n"
	             "sync " S "/.from-snapshot.json.tmp-*\n"
	             "name " S "/from-snapshot.json\n"
	             "sync " S "\n"
	             "sync " S "/.generation.json.tmp-*\n"
	             "name " S "/generation.json\n"
	             "sync " S "\n"
	             "sync " S "\n"
	             "name " S "/data\n"
	             "sync " S "\n"
	             "drop " S "/.from-snapshot-ready\n"
	             "drop " S "/.generation-ready\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_slot_is_filled),
		TEST(the_old_one_goes_to_quarantine),
		TEST(without_a_file_it_is_not_kept),
		TEST(only_its_own_is_taken_over),
		TEST(a_link_leads_nowhere),
		TEST(too_much_of_its_own_is_refused),
		TEST(it_belongs_to_nodeos),
		TEST(shared_files_stay_roots),
		TEST(a_snapshot_is_noted),
		TEST(a_snapshot_is_one_file),
		TEST(cancelled_leaves_nothing),
		TEST(settle_ends_what_was_begun),
		TEST(half_of_it_is_never_used),
		TEST(synced_before_the_swap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
