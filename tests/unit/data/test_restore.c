#include "unit/test.h"

#include "unit/data/trip.h"

#include "unit/data/fixture.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "data/quarantine.h"
#include "data/restore.h"
#include "data/restore_priv.h"
#include "data/slot.h"

/* As they are noted by trip.h. */
#define OLD "g000009-0000000009" /* what the old data-dir was made from */
#define S   "services/s_readers/3"
#define Q   "quarantine/s_readers.3-*"

static struct err e;
static struct slot slot = { .fd = -1 };
static const struct clone_options options = { .threads = 1 };

static int setup(void **state)
{
	trip_set(0, 0);
	e = ERR_INIT;
	if (fixture_setup(state) < 0 || slot_open(&slot, &pool, "s_readers", 3, true, &e) < 0)
		return -1;
	put_data(pool.fd, "src", 1);
	return archive(NULL, "src", 1, true, &e);
}

static int teardown(void **state)
{
	slot_release(&slot);
	return fixture_teardown(state);
}

/* A generation that is one snapshot. */
static void make_snapshot(const char *file)
{
	AUTO(generation_work) struct generation_work w = GENERATION_WORK_INIT;
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	AUTO(close_fd) int data = -1;
	char path[256];

	snprintf(path, sizeof(path), "data/snapshots/%s", file);
	ok(generation_begin(&w, &pool, NULL, &e));
	put(w.fd, path, "snapshot");
	data = openat(w.fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fill_manifest(&m, 2);
	m.kind = GENERATION_SNAPSHOT;
	ok(tree_read(&m.files, data, &e));
	ok(tree_digest(&m.files, data, 1, NULL, NULL, &e));
	ok(generation_commit(&w, &pool, &m, false, false, &e));
}

static int restore(const char *name, struct restore_report *r)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	struct restore_report ignored;

	e = ERR_INIT;
	return generation_hold(&h, &pool, name, NULL, &e) < 0
	        ? -1
	        : slot_restore(&pool, &slot, &h, geteuid(), getegid(), "it was dirty", &options,
	                  r ? r : &ignored, &e);
}

/* The slot's data-dir: "old", "new", "snapshot", "none", or "broken". */
static const char *which_data(void)
{
	char blocks[4096];

	if (!is_path(slot.fd, "data"))
		return "none";
	if (strcmp(text_of(slot.fd, "data/snapshots/s.bin"), "snapshot") == 0)
		return strcmp(text_of(slot.fd, "data/finalizers/safety.dat"), "mine") == 0
		        ? "snapshot"
		        : "broken";
	snprintf(blocks, sizeof(blocks), "%s", text_of(slot.fd, "data/blocks/blocks.log"));
	if (strcmp(text_of(slot.fd, "data/finalizers/safety.dat"), "mine") != 0)
		return "broken";
	if (strcmp(blocks, "blocks/blocks.log at 0") == 0)
		return "old";
	if (strcmp(blocks, "blocks/blocks.log at 1") == 0 &&
	        strcmp(text_of(slot.fd, "data/state/shared_memory.bin"),
	                "state/shared_memory.bin at 1") == 0)
		return "new";
	return "broken";
}

/* Of which generation the slot says that it is; "none", or "?". */
static const char *generation_of(void)
{
	static char name[GENERATION_NAME_SIZE];
	struct err ignored = ERR_INIT;
	int rc = slot_generation(&slot, name, &ignored);

	return rc > 0 ? "none" : rc == 0 ? name : "?";
}

static void put_old(void)
{
	put_data(slot.fd, "data", 0);
	put(slot.fd, "data/finalizers/safety.dat", "mine");
}

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

/* --- quarantine -------------------------------------------------------------------- */

/* The data-dir goes there, and nothing takes its place. */
static void put_away(const char *why, char name[QUARANTINE_NAME_SIZE])
{
	struct quarantine_note note = { .why = why };

	restore_fill_note(&note, &slot);
	ok(quarantine_put(name, &pool, slot.fd, DATA_DIR, &note, &e));
}

static void the_same_second_has_other_names(void **state)
{
	AUTO(quarantine) struct quarantine q = { 0 };
	char name[256];
	int same = 0;

	(void)state;
	for (int i = 0; i < 12; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		put(slot.fd, "data/x", text);
		put_away("by hand", name);
		assert_string_equal(names_in(slot.fd, "."), "");
		same += strstr(name, "Z-") != NULL;
	}
	assert_true(same >= 8);
	ok(quarantine_list(&q, &pool, &e));
	assert_int_equal(q.n, 12);
	for (int i = 0; i < 12; i++) {
		char path[512], text[16];

		snprintf(path, sizeof(path), "quarantine/%s/data/x", q.v[i].name);
		snprintf(text, sizeof(text), "%d", i);
		assert_string_equal(text_of(pool.fd, path), text);
		assert_string_equal(q.v[i].slot, "s_readers.3");
		assert_string_equal(q.v[i].why, "by hand");
	}
	assert_string_equal(q.v[11].name, name);
}

static void odd_entries_are_listed(void **state)
{
	AUTO(quarantine) struct quarantine q = { 0 };
	char big[4096];

	(void)state;
	ok(quarantine_list(&q, &pool, &e));
	assert_int_equal(q.n, 0);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	put(pool.fd, "quarantine/s_a.1-20261121T081500Z/data/x", big);
	put(pool.fd, "quarantine/s_a.1-20261121T081500Z/why.json", "{");
	put(pool.fd, "quarantine/s-b.2-20261121T081500Z-2/data/x", big);
	put(pool.fd, "quarantine/byhand/data/x", big);
	put(pool.fd, "quarantine/file", "no entry");
	put(pool.fd, "quarantine/unfilled/why.json", "{}");
	put(pool.fd, "quarantine/.tmp-00/data/x", "");
	ok(quarantine_list(&q, &pool, &e));
	assert_int_equal(q.n, 3);
	for (size_t i = 0; i < q.n; i++) {
		if (str_starts(q.v[i].name, "s_a", NULL))
			assert_string_equal(q.v[i].slot, "s_a.1");
		else if (str_starts(q.v[i].name, "s-b", NULL))
			assert_string_equal(q.v[i].slot, "s-b.2");
		assert_true(q.v[i].data_bytes >= 4096);
		assert_true(q.v[i].at_ns > 0);
		assert_true(q.v[i].why[0]);
	}
	fails(quarantine_remove(&pool, "../generations", NULL, &e), ERR_USAGE);
	fails(quarantine_remove(&pool, ".tmp-00", NULL, &e), ERR_USAGE);
	fails(quarantine_remove(&pool, "s_a.9-20261121T081500Z", NULL, &e), ERR_NOT_FOUND);
	ok(quarantine_remove(&pool, "s_a.1-20261121T081500Z", NULL, &e));
	ok(quarantine_remove(&pool, "byhand", NULL, &e));
	assert_string_equal(
	        names_in(pool.fd, "quarantine"), ".lock file s-b.2-20261121T081500Z-2 unfilled ");
}

static void bounds_keep_the_newest(void **state)
{
	static const struct {
		const char *name;
		/* One letter an entry, oldest first, at 1, 2, ...; 10 bytes each; a capital has
		 * blocks. */
		const char *slots;
		struct quarantine_limit l;
		const char *removed; /* '-' stays */
	} cases[] = {
		{ "nothing", "", { 1, 1, NULL, 0 }, "" },
		{ "no limit", "aaabbb", { 0, 0, NULL, 0 }, "------" },
		{ "count", "aaabbab", { 2, 0, NULL, 0 }, "xx-x---" },
		{ "one of each", "aaabbb", { 1, 0, NULL, 0 }, "xx-xx-" },
		{ "bytes", "aaabbb", { 0, 35, NULL, 0 }, "xx-x--" },
		{ "bytes do not reach the newest", "aab", { 0, 1, NULL, 0 }, "x--" },
		{ "bytes are enough", "aaa", { 0, 30, NULL, 0 }, "---" },
		{ "oldest of all first", "baab", { 0, 30, NULL, 0 }, "x---" },
		{ "both", "aaaab", { 3, 30, NULL, 0 }, "xx---" },
		{ "one alone", "a", { 1, 1, NULL, 0 }, "-" },
		{ "no blocks do not count against blocks", "Aaa", { 2, 0, NULL, 0 }, "---" },
		{ "of each kind", "AAAaaa", { 2, 0, NULL, 0 }, "x--x--" },
		{ "blocks count against all", "aaAA", { 2, 0, NULL, 0 }, "xx--" },
		{ "of one slot", "AAAbbb", { 1, 0, "b", 0 }, "---xx-" },
		{ "of an incident", "aaaaa", { 2, 0, NULL, 3 }, "xx---" },
		{ "nothing that is kept", "aaaa", { 1, 0, NULL, 1 }, "----" },
		{ "bytes spare blocks", "aAab", { 0, 30, NULL, 0 }, "x---" },
		{ "if they can", "Aab", { 0, 20, NULL, 0 }, "x--" },
		{ "first for others with blocks", "AaAa", { 0, 25, NULL, 0 }, "xx--" },
		{ "bytes do not reach an incident", "aaaa", { 0, 1, NULL, 3 }, "xx--" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct quarantine_entry v[16] = { 0 };
		struct quarantine q = { .v = v, .n = strlen(cases[i].slots) };
		bool remove[16];
		char got[17] = "";

		for (size_t k = 0; k < q.n; k++) {
			v[k].slot[0] = cases[i].slots[k] | 0x20;
			v[k].has_blocks = cases[i].slots[k] < 'a';
			v[k].at_ns = (int64_t)k + 1;
			v[k].data_bytes = 10;
		}
		quarantine_plan(remove, &q, &cases[i].l);
		for (size_t k = 0; k < q.n; k++)
			got[k] = remove[k] ? 'x' : '-';
		if (strcmp(got, cases[i].removed) != 0)
			fail_msg("%s: %s, not %s", cases[i].name, got, cases[i].removed);
	}
}

static void which_have_blocks(void **state)
{
	static const struct {
		const char *path, *text;
		bool has;
	} t[] = {
		{ "blocks/blocks.log", "log", true },
		{ "blocks/blocks.log", "", false },
		{ "blocks/blocks.index", "index", false },
		{ "blocks/retained/blocks-1-20.log", "log", true },
		{ "blocks-2026-11-20T10:22:41.668/blocks.log", "log", true },
		{ "state/shared_memory.bin", "state", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(quarantine) struct quarantine q = { 0 };
		char path[256];

		snprintf(
		        path, sizeof(path), "quarantine/s_a.1-20261121T081500Z/data/%s", t[i].path);
		put(pool.fd, path, t[i].text);
		ok(quarantine_list(&q, &pool, &e));
		assert_int_equal(q.n, 1);
		if (q.v[0].has_blocks != t[i].has)
			fail_msg("%s: %d", t[i].path, q.v[0].has_blocks);
		ok(quarantine_remove(&pool, q.v[0].name, NULL, &e));
	}
}

static void on_gone(void *arg, const struct quarantine_entry *q)
{
	size_t *n = arg;

	assert_string_equal(q->slot, "s_readers.3");
	++*n;
}

static void bounds_are_enforced(void **state)
{
	struct quarantine_limit l = { .per_slot = QUARANTINE_PER_SLOT };
	AUTO(quarantine) struct quarantine q = { 0 };
	char name[256];
	size_t gone = 0;

	(void)state;
	ok(quarantine_bound(&pool, &l, on_gone, &gone, &e));
	for (int i = 0; i < 5; i++) {
		put(slot.fd, "data/x", "x");
		put_away("why", name);
	}
	put(pool.fd, "quarantine/unfilled/why.json", "{}");
	put(pool.fd, "quarantine/unfilled2/.why.json.tmp-1", "{");
	put(pool.fd, "quarantine/byhand/notes", "{}");
	put(pool.fd, "quarantine/.tmp-00/data/x", "");
	l.cancel = &(const volatile int){ 1 };
	fails(quarantine_bound(&pool, &l, on_gone, &gone, &e), ERR_INTERRUPTED);
	assert_int_equal(gone, 0);
	l.cancel = NULL;
	ok(quarantine_bound(&pool, &l, on_gone, &gone, &e));
	assert_int_equal(gone, 3);
	ok(quarantine_list(&q, &pool, &e));
	assert_int_equal(q.n, 2);
	assert_string_equal(q.v[1].name, name);
	assert_true(is_path(pool.fd, "quarantine/byhand/notes"));
	assert_false(is_path(pool.fd, "quarantine/unfilled"));
	assert_false(is_path(pool.fd, "quarantine/unfilled2"));
	assert_false(is_path(pool.fd, "quarantine/.tmp-00"));
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

/* --- killed, and failing, at each call --------------------------------------------- */

enum what {
	WHAT_RESTORE,
	WHAT_FRESH, /* into a slot without data-dir */
	WHAT_SNAPSHOT,
	WHAT_FROM_SNAPSHOT, /* of a generation, where a snapshot had been */
	WHAT_BOUND,
	WHAT_COUNT,
};

static const char *const what_names[] = { "restore", "fresh restore", "restore of a snapshot",
	"restore after a snapshot", "bound" };

static void prepare(enum what what)
{
	char name[256];

	trip_set(0, 0);
	teardown(NULL);
	assert_int_equal(setup(NULL), 0);
	make_snapshot("s.bin");
	if (what == WHAT_BOUND)
		for (int i = 0; i < 3; i++) {
			put(slot.fd, "data/x", "x");
			put_away("why", name);
		}
	if (what != WHAT_FRESH) {
		put_old();
		put(slot.fd, SLOT_GENERATION, "{\"generation\":\"" OLD "\"}");
	}
	if (what == WHAT_FROM_SNAPSHOT)
		ok(restore("g000002-0000000002", NULL));
}

static int run(enum what what)
{
	struct quarantine_limit l = { .per_slot = 1 };

	e = ERR_INIT;
	switch (what) {
	case WHAT_RESTORE:
	case WHAT_FRESH:
	case WHAT_FROM_SNAPSHOT:
		return restore("current", NULL);
	case WHAT_SNAPSHOT:
		return restore("g000002-0000000002", NULL);
	case WHAT_BOUND:
		return quarantine_bound(&pool, &l, NULL, NULL, &e);
	case WHAT_COUNT:
		break;
	}
	return -1;
}

/* The one entry with the old data-dir is there, whole, or nothing is. */
static bool is_kept(const char *file, const char *text)
{
	AUTO(quarantine) struct quarantine q = { 0 };
	char path[512];

	ok(quarantine_list(&q, &pool, &e));
	for (size_t i = 0; i < q.n; i++) {
		snprintf(path, sizeof(path), "quarantine/%s/data/%s", q.v[i].name, file);
		if (strcmp(text_of(pool.fd, path), text) == 0)
			return true;
	}
	return false;
}

static const char *expected_generation(enum what what, const char *got)
{
	if (strcmp(got, "old") == 0)
		return OLD;
	if (strcmp(got, "snapshot") == 0)
		return "g000002-0000000002";
	/* The fresh one has nothing of its own node's, and is "broken" for that. */
	if (strcmp(got, "new") == 0 || (what == WHAT_FRESH && strcmp(got, "none") != 0))
		return "g000001-0000000001";
	return "none";
}

/* As whoever takes the lock next finds it. */
static void expect_settled(enum what what, int at, bool is_done)
{
	const char *got;
	bool has_marker;

	e = ERR_INIT;
	if (slot_settle(&slot, &e) < 0)
		fail_msg("%s, call %d: %s", what_names[what], at, e.msg);
	got = which_data();
	has_marker = is_path(slot.fd, SLOT_FROM_SNAPSHOT);
	if (has_marker != (strcmp(got, "snapshot") == 0))
		fail_msg("%s, call %d: '%s', with %s", what_names[what], at, got,
		        text_of(slot.fd, SLOT_FROM_SNAPSHOT));
	if (strcmp(generation_of(), expected_generation(what, got)) != 0)
		fail_msg("%s, call %d: '%s', said to be of '%s'", what_names[what], at, got,
		        generation_of());
	switch (what) {
	case WHAT_RESTORE:
	case WHAT_SNAPSHOT:
		if (strcmp(got, "old") == 0
		                ? is_done
		                : strcmp(got, what == WHAT_RESTORE ? "new" : "snapshot") != 0 ||
		                        !is_kept("blocks/blocks.log", "blocks/blocks.log at 0"))
			fail_msg("%s, call %d: '%s'", what_names[what], at, got);
		break;
	case WHAT_FRESH: {
		const char *log = text_of(slot.fd, "data/blocks/blocks.log");

		if (strcmp(got, "none") == 0 ? is_done
		                             : strcmp(log, "blocks/blocks.log at 1") != 0 ||
		                        !is_path(slot.fd, "data/state/shared_memory.bin"))
			fail_msg("%s, call %d: '%s'", what_names[what], at, got);
		break;
	}
	case WHAT_FROM_SNAPSHOT:
		if (strcmp(got, "snapshot") == 0 ? is_done : strcmp(got, "new") != 0)
			fail_msg("%s, call %d: '%s'", what_names[what], at, got);
		break;
	case WHAT_BOUND:
		if (strcmp(got, "old") != 0 || !is_kept("x", "x"))
			fail_msg("%s, call %d: '%s'", what_names[what], at, got);
		break;
	case WHAT_COUNT:
		break;
	}
}

/* The next one works, and then there is nothing that should not be. */
static void expect_next(enum what what, int at)
{
	struct quarantine_limit l = { .per_slot = 1000 };

	if (restore("current", NULL) < 0 || quarantine_bound(&pool, &l, NULL, NULL, &e) < 0)
		fail_msg("%s, call %d: the next: %s", what_names[what], at, e.msg);
	if (strcmp(names_in(slot.fd, "."), "data generation.json ") != 0)
		fail_msg("%s, call %d: left: %s", what_names[what], at, names_in(slot.fd, "."));
	if (strstr(names_in(pool.fd, "quarantine"), "tmp"))
		fail_msg("%s, call %d: left: %s", what_names[what], at,
		        names_in(pool.fd, "quarantine"));
	ok(generation_verify(&pool, "current", NULL, NULL, NULL, NULL, &e));
}

static void killed_at_each_call(void **state)
{
	(void)state;
	for (enum what what = 0; what < WHAT_COUNT; what++) {
		int status = TRIP_KILLED << 8;

		for (int at = 1; WEXITSTATUS(status) == TRIP_KILLED; at++) {
			pid_t pid;

			prepare(what);
			pid = fork();
			if (pid == 0) {
				trip_set(at, 0);
				_exit(run(what) < 0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFEXITED(status));
			expect_settled(what, at, WEXITSTATUS(status) == 0);
			expect_next(what, at);
			if (WEXITSTATUS(status) == 0)
				print_message("%s: %d calls\n", what_names[what], at - 1);
		}
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

static void failing_at_each_call(void **state)
{
	static const int errnos[] = { EIO, ENOSPC };

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(errnos); n++)
		for (enum what what = 0; what < WHAT_COUNT; what++) {
			bool was_reached = true;

			for (int at = 1; was_reached; at++) {
				struct err why;
				int rc;

				prepare(what);
				trip_set(at, errnos[n]);
				rc = run(what);
				why = e;
				e = ERR_INIT;
				was_reached = trip_was_reached();
				trip_set(0, 0);
				if (rc < 0 && !strstr(why.msg, strerror(errnos[n])))
					fail_msg("%s, call %d: '%s' does not say why",
					        what_names[what], at, why.msg);
				if (rc < 0 && strcmp(which_data(), "old") == 0 &&
				        strcmp(names_in(slot.fd, "."), "data generation.json ") !=
				                0)
					fail_msg("%s, call %d: %s: left %s", what_names[what], at,
					        why.msg, names_in(slot.fd, "."));
				if (rc < 0 && what != WHAT_BOUND &&
				        strcmp(which_data(), "old") == 0 &&
				        strstr(names_in(pool.fd, "quarantine"), "s_readers"))
					fail_msg("%s, call %d: %s: left %s", what_names[what], at,
					        why.msg, names_in(pool.fd, "quarantine"));
				expect_settled(what, at, rc >= 0);
				expect_next(what, at);
			}
		}
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
		TEST(the_same_second_has_other_names),
		TEST(odd_entries_are_listed),
		TEST(bounds_keep_the_newest),
		TEST(which_have_blocks),
		TEST(bounds_are_enforced),
		TEST(synced_before_the_swap),
		TEST(killed_at_each_call),
		TEST(failing_at_each_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
