#include "unit/test.h"

#include "unit/data/trip.h"

#include "unit/data/fixture.h"

#include <errno.h>
#include <inttypes.h>

#include "base/json.h"
#include "base/str.h"
#include "data/aside.h"
#include "data/quarantine.h"
#include "data/restore.h"
#include "data/second_copy.h"
#include "data/slot.h"
#include "nodeos/repair.h"

#define S "services/s_readers/3"
#define Q "quarantine/s_readers.3-*"

#define COPY "blocks-2026-11-20T10:22:41.668"

static struct err e;
static struct slot slot = { .fd = -1 };
static const struct aside_note note = {
	.why = "it was dirty", .verdict = "dirty", .repair = "replay"
};
static const char *const replay[] = { "state", "blocks/reversible", NULL };
static const char *const odd_order[] = { "blocks/blocks.log", "blocks/blocks.index", "state",
	"blocks/reversible", "not/there", NULL };

static int setup(void **state)
{
	trip_set(0, 0);
	e = ERR_INIT;
	return fixture_setup(state) < 0 || slot_open(&slot, &pool, "s_readers", 3, true, &e) < 0
	        ? -1
	        : 0;
}

static int teardown(void **state)
{
	slot_release(&slot);
	return fixture_teardown(state);
}

static void put_slot(void)
{
	put(slot.fd, "data/state/shared_memory.bin", "state");
	put(slot.fd, "data/blocks/reversible/fork_db.dat", "fork");
	put(slot.fd, "data/blocks/blocks.log", "log");
	put(slot.fd, "data/blocks/blocks.index", "index");
	put(slot.fd, "data/finalizers/safety.dat", "mine");
	put(slot.fd, "data/snapshots/s.bin", "snapshot");
	put(slot.fd, "data/snapshots/other.bin", "older");
}

/* The text of a file of the one entry; "(none)". */
static const char *aside_text(const char *path)
{
	AUTO(quarantine) struct quarantine q = { 0 };
	char whole[768];

	ok(quarantine_list(&q, &pool, &e));
	for (size_t i = 0; i < q.n; i++) {
		snprintf(whole, sizeof(whole), "quarantine/%s/%s", q.v[i].name, path);
		if (is_path(pool.fd, whole))
			return text_of(pool.fd, whole);
	}
	return "(none)";
}

/* --- parts --- */

static void parts_are_moved(void **state)
{
	AUTO(quarantine) struct quarantine q = { 0 };
	AUTO(json) json_t *why = NULL;
	char name[256];
	const char *text;

	(void)state;
	put_slot();
	assert_int_equal(slot_set_aside(&pool, &slot, replay, &note, name, &e), 0);
	assert_true(str_starts(name, "s_readers.3-2", NULL));
	assert_string_equal(names_in(slot.fd, "data"), "blocks finalizers snapshots ");
	assert_string_equal(names_in(slot.fd, "data/blocks"), "blocks.index blocks.log ");
	assert_string_equal(aside_text("data/state/shared_memory.bin"), "state");
	assert_string_equal(aside_text("data/blocks/reversible/fork_db.dat"), "fork");
	text = aside_text("why.json");
	why = json_parse_object(text, strlen(text), "why.json", &e);
	assert_non_null(why);
	assert_int_equal(json_int(why, "format", 0), 1);
	assert_string_equal(json_str(why, "slot", ""), "s_readers.3");
	assert_string_equal(json_str(why, "why", ""), "it was dirty");
	assert_string_equal(json_str(why, "verdict", ""), "dirty");
	assert_string_equal(json_str(why, "repair", ""), "replay");
	assert_string_equal(json_str(why, "generation", "?"), "");
	ok(quarantine_list(&q, &pool, &e));
	assert_int_equal(q.n, 1);
	assert_string_equal(q.v[0].name, name);
	assert_string_equal(q.v[0].slot, "s_readers.3");
	/* And again: there is nothing. */
	assert_int_equal(slot_set_aside(&pool, &slot, replay, &note, name, &e), 1);
	assert_string_equal(name, "");
}

static void what_there_may_be(void **state)
{
	static const struct {
		const char *name;
		const char *files[3];
		const char *dir; /* made, without a file */
		const char *paths[3];
		int rc;           /* or -kind */
		const char *left; /* in data/ */
	} t[] = {
		{ "no data-dir", { NULL }, NULL, { "state" }, 1, "(none)" },
		{ "nothing there", { "data/x" }, NULL, { "state" }, 1, "x " },
		{ "no directory on the way", { "data/x" }, NULL, { "blocks/reversible" }, 1, "x " },
		{ "a file on the way", { "data/blocks" }, NULL, { "blocks/reversible" },
		        -ERR_SYSTEM, "blocks " },
		{ "no file in it", { NULL }, "data/state/deep/er", { "state" }, 1, "state " },
		{ "one of two", { "data/state/x" }, NULL, { "state", "blocks/reversible" }, 0, "" },
		{ "a file", { "data/blocks/blocks.index" }, NULL, { "blocks/blocks.index" }, 0,
		        "blocks " },
		{ "a directory in place of a file", { "data/blocks/blocks.index/x" }, NULL,
		        { "blocks/blocks.index" }, 0, "blocks " },
		{ "not a path below", { "data/x", "y" }, NULL, { "../y" }, -ERR_USAGE, "x " },
		{ "no name", { "data/x" }, NULL, { "blocks/" }, -ERR_USAGE, "x " },
		{ "all", { "data/x/y", "data/z" }, NULL, { "x", "z" }, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char name[256];
		int rc, fd;

		for (size_t k = 0; k < 3 && t[i].files[k]; k++)
			put(slot.fd, t[i].files[k], "x");
		if (t[i].dir) {
			ok(fd = fs_open_dir_at(slot.fd, t[i].dir, true, 0755, &e));
			close(fd);
		}
		e = ERR_INIT;
		rc = slot_set_aside(&pool, &slot, t[i].paths, &note, name, &e);
		if (rc < 0 && t[i].rc < 0 && e.kind != ERR_USAGE)
			rc = -ERR_SYSTEM;
		else if (rc < 0)
			rc = -(int)e.kind;
		if (rc != t[i].rc || strcmp(names_in(slot.fd, "data"), t[i].left) != 0)
			fail_msg("%s: %d, left %s: %s", t[i].name, rc, names_in(slot.fd, "data"),
			        e.msg);
		if ((rc == 0) == !*name)
			fail_msg("%s: name '%s'", t[i].name, name);
		ok(fs_remove_tree_at(slot.fd, "data", &e));
		(void)unlinkat(slot.fd, "y", 0);
	}
}

static void traps(void **state)
{
	char name[256];
	struct stat st;

	(void)state;
	put(pool.fd, "elsewhere/reversible/fork_db.dat", "of somebody");
	put(slot.fd, "data/x", "x");
	/* On the way. */
	assert_int_equal(symlinkat("../../../../elsewhere", slot.fd, "data/blocks"), 0);
	e = ERR_INIT;
	assert_int_equal(slot_set_aside(&pool, &slot, replay, &note, name, &e), -1);
	assert_string_equal(text_of(pool.fd, "elsewhere/reversible/fork_db.dat"), "of somebody");
	assert_int_equal(unlinkat(slot.fd, "data/blocks", 0), 0);
	/* As the part itself: the link is moved, and what it leads to is not. */
	assert_int_equal(symlinkat("../../../../elsewhere", slot.fd, "data/state"), 0);
	ok(slot_set_aside(&pool, &slot, replay, &note, name, &e));
	assert_string_equal(names_in(slot.fd, "data"), "x ");
	assert_string_equal(text_of(pool.fd, "elsewhere/reversible/fork_db.dat"), "of somebody");
	/* A fifo does not stop us. */
	assert_int_equal(mkfifoat(slot.fd, "data/state", 0644), 0);
	ok(slot_set_aside(&pool, &slot, replay, &note, name, &e));
	assert_string_equal(names_in(slot.fd, "data"), "x ");
	/* The data-dir. */
	assert_int_equal(unlinkat(slot.fd, "data/x", 0), 0);
	assert_int_equal(unlinkat(slot.fd, "data", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("../../../elsewhere", slot.fd, "data"), 0);
	fails(slot_set_aside(&pool, &slot, replay, &note, name, &e), ERR_CONFLICT);
	fails(slot_restart_from_snapshot(
	              &pool, &slot, "s.bin", geteuid(), getegid(), &note, name, &e),
	        ERR_CONFLICT);
	assert_int_equal(fstatat(pool.fd, "elsewhere/reversible/fork_db.dat", &st, 0), 0);
	assert_int_equal(unlinkat(slot.fd, "data", 0), 0);
}

/* Parts of the same second do not share an entry, and are bounded. */
static void it_is_bounded(void **state)
{
	struct quarantine_limit l = { .per_slot = QUARANTINE_PER_SLOT };
	AUTO(quarantine) struct quarantine q = { 0 };
	char name[256];

	(void)state;
	for (int i = 0; i < 4; i++) {
		put_slot();
		ok(slot_set_aside(&pool, &slot, replay, &note, name, &e));
	}
	/* Somebody was killed before he had moved anything. */
	put(pool.fd, "quarantine/s_readers.3-20991121T081500Z/why.json", "{}");
	{
		int fd = fs_open_dir_at(pool.fd,
		        "quarantine/s_readers.3-20991121T081500Z/data/blocks", true, 0755, &e);

		close(fd);
	}
	ok(quarantine_bound(&pool, &l, NULL, NULL, &e));
	ok(quarantine_list(&q, &pool, &e));
	assert_int_equal(q.n, 2);
	assert_string_equal(q.v[1].name, name);
}

static void the_order_is_ours(void **state)
{
	char name[256];

	(void)state;
	put_slot();
	log_calls();
	ok(slot_set_aside(&pool, &slot, odd_order, &note, name, &e));
	expect_calls("sync \n"
	             "sync " Q "/.why.json.tmp-*\n"
	             "name " Q "/why.json\n"
	             "sync " Q "\n"
	             "sync quarantine\n"
	             "sync " Q "\n"
	             "sync " Q "/data\n" /* made for each that lies in blocks/ */
	             "sync " Q "/data\n"
	             "sync " Q "/data\n"
	             "name " Q "/data/blocks/reversible\n"
	             "sync " Q "/data/blocks\n"
	             "sync " S "/data/blocks\n"
	             "name " Q "/data/state\n"
	             "sync " Q "/data\n"
	             "sync " S "/data\n"
	             "name " Q "/data/blocks/blocks.index\n"
	             "sync " Q "/data/blocks\n"
	             "sync " S "/data/blocks\n"
	             "name " Q "/data/blocks/blocks.log\n"
	             "sync " Q "/data/blocks\n"
	             "sync " S "/data/blocks\n");
}

/* --- from a snapshot --- */

static int restart(const char *file)
{
	char name[256];

	e = ERR_INIT;
	return slot_restart_from_snapshot(
	        &pool, &slot, file, geteuid(), getegid(), &note, name, &e);
}

static void a_snapshot_is_all_there_is(void **state)
{
	struct stat st, old;
	char name[256], path[512];

	(void)state;
	put_slot();
	put(slot.fd, SLOT_GENERATION, "{\"generation\":\"g000009-0000000009\"}");
	ok(slot_restart_from_snapshot(
	        &pool, &slot, "s.bin", geteuid(), getegid(), &note, name, &e));
	assert_string_equal(names_in(slot.fd, "."), "data from-snapshot.json ");
	assert_string_equal(names_in(slot.fd, "data"), "finalizers snapshots ");
	assert_string_equal(names_in(slot.fd, "data/snapshots"), "s.bin ");
	assert_string_equal(text_of(slot.fd, "data/snapshots/s.bin"), "snapshot");
	assert_string_equal(text_of(slot.fd, "data/finalizers/safety.dat"), "mine");
	assert_string_equal(text_of(slot.fd, SLOT_FROM_SNAPSHOT),
	        "{\"format\":1,\"generation\":\"\",\"file\":\"s.bin\"}");
	assert_string_equal(aside_text("data/blocks/blocks.log"), "log");
	assert_string_equal(aside_text("data/snapshots/other.bin"), "older");
	assert_non_null(strstr(aside_text("why.json"), "\"repair\": \"replay\""));
	snprintf(path, sizeof(path), "quarantine/%s/data/snapshots/s.bin", name);
	assert_int_equal(fstatat(pool.fd, path, &old, 0), 0);
	assert_int_equal(fstatat(slot.fd, "data/snapshots/s.bin", &st, 0), 0);
	assert_int_equal(st.st_ino, old.st_ino);
	assert_int_equal(slot_settle(&slot, &e), 0);
}

static void snapshots_that_are_none(void **state)
{
	static const struct {
		const char *file;
		enum err_kind kind;
	} t[] = { { "../s.bin", ERR_USAGE }, { "s.txt", ERR_USAGE }, { ".s.bin", ERR_USAGE },
		{ "", ERR_USAGE }, { "none.bin", ERR_NOT_FOUND }, { "dir.bin", ERR_CONFLICT },
		{ "fifo.bin", ERR_CONFLICT }, { "link.bin", ERR_SYSTEM },
		{ "hard.bin", ERR_CONFLICT } };

	(void)state;
	assert_int_equal(restart("s.bin"), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	put_slot();
	put(slot.fd, "data/snapshots/dir.bin/x", "x");
	put(pool.fd, "secret", "of root");
	assert_int_equal(mkfifoat(slot.fd, "data/snapshots/fifo.bin", 0644), 0);
	assert_int_equal(symlinkat("../../../../../secret", slot.fd, "data/snapshots/link.bin"), 0);
	assert_int_equal(linkat(pool.fd, "secret", slot.fd, "data/snapshots/hard.bin", 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char name[256];

		/* Not by us: only root can play this. */
		if (strcmp(t[i].file, "hard.bin") == 0 && geteuid() != 0)
			continue;
		fails(slot_restart_from_snapshot(
		              &pool, &slot, t[i].file, SLOT_UID, SLOT_UID, &note, name, &e),
		        t[i].kind);
		assert_string_equal(names_in(slot.fd, "."), "data ");
		assert_string_equal(text_of(slot.fd, "data/blocks/blocks.log"), "log");
		assert_false(is_path(pool.fd, "quarantine"));
	}
}

static void it_belongs_to_nodeos(void **state)
{
	static const char *const paths[] = { "data", "data/snapshots", "data/snapshots/s.bin",
		"data/finalizers/safety.dat" };
	struct stat st;
	char name[256];

	(void)state;
	if (geteuid() != 0) {
		print_message("not root, skipped\n");
		return;
	}
	/* Of root it is copied, since the one in quarantine is to stay as it was. */
	put_slot();
	for (int again = 0; again < 2; again++) {
		ok(slot_restart_from_snapshot(
		        &pool, &slot, "s.bin", SLOT_UID, SLOT_UID, &note, name, &e));
		for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
			assert_int_equal(fstatat(slot.fd, paths[i], &st, AT_SYMLINK_NOFOLLOW), 0);
			assert_int_equal(st.st_uid, SLOT_UID);
			assert_int_equal(st.st_gid, SLOT_UID);
		}
		assert_int_equal(fstatat(slot.fd, "data/snapshots/s.bin", &st, 0), 0);
		assert_int_equal(st.st_nlink, again ? 2 : 1);
		assert_string_equal(text_of(slot.fd, "data/snapshots/s.bin"), "snapshot");
	}
}

/* --- second copies --- */

static void names_of_second_copies(void **state)
{
	static const struct {
		const char *name;
		bool is;
	} t[] = {
		{ COPY, true },
		{ "blocks-2026-11-20T10:22:41", true },
		{ "blocks", false },
		{ "blocks-", false },
		{ "blocks-2026-11-20T10:22:41.", false },
		{ "blocks-2026-11-20T10:22:41.6x", false },
		{ "blocks-2026-11-20T10:22:41x", false },
		{ "blocks-2026-11-20T10:22:4", false },
		{ "blocks-1-100.log", false },
		{ "blocks-old", false },
		{ "block-2026-11-20T10:22:41.668", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (data_is_second_copy(t[i].name) != t[i].is)
			fail_msg("'%s'", t[i].name);
}

static void put_copies(void)
{
	char big[8192];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	put_slot();
	put(slot.fd, "data/" COPY "/blocks.log", big);
	put(slot.fd, "data/blocks-2026-11-21T00:00:00.000/blocks.log", "second");
	put(slot.fd, "data/blocks-old/blocks.log", "by hand");
	put(slot.fd, "data/blocks-2026-11-22T00:00:00.000", "a file");
}

#define LEFT "blocks blocks-2026-11-22T00:00:00.000 blocks-old finalizers snapshots state "

static void second_copies(void **state)
{
	const volatile int stop = 1;
	char name[256];

	(void)state;
	assert_int_equal(slot_put_second_copies_aside(&pool, &slot, &note, name, &e), 1);
	ok(slot_remove_second_copies(&slot, NULL, &e));
	put_copies();
	assert_int_equal(symlinkat("blocks", slot.fd, "data/blocks-2026-11-23T00:00:00.000"), 0);
	fails(slot_remove_second_copies(&slot, &stop, &e), ERR_INTERRUPTED);
	assert_true(is_path(slot.fd, "data/" COPY "/blocks.log"));
	assert_true(is_path(slot.fd, "data/blocks-2026-11-21T00:00:00.000/blocks.log"));
	ok(slot_remove_second_copies(&slot, NULL, &e));
	assert_int_equal(unlinkat(slot.fd, "data/blocks-2026-11-23T00:00:00.000", 0), 0);
	assert_string_equal(names_in(slot.fd, "data"), LEFT);
	assert_string_equal(text_of(slot.fd, "data/blocks/blocks.log"), "log");
	put_copies();
	ok(slot_put_second_copies_aside(&pool, &slot, &note, name, &e));
	assert_string_equal(names_in(slot.fd, "data"), LEFT);
	assert_string_equal(aside_text("data/blocks-2026-11-21T00:00:00.000/blocks.log"), "second");
}

/* --- a hard replay that was killed --- */

static void put_killed(void)
{
	put(slot.fd, "data/state/other", "");
	put(slot.fd, "data/blocks/blocks.log", "the");
	put(slot.fd, "data/blocks/blocks.index", "n");
	put(slot.fd, "data/blocks/retained/blocks-1-2.log", "kept");
	put(slot.fd, "data/" COPY "/blocks.log", "the whole log");
	put(slot.fd, "data/" COPY "/blocks.index", "its index");
	put(slot.fd, "data/" COPY "/reversible/fork_db.dat", "fork");
	put(slot.fd, "data/blocks-2026-11-21T00:00:00.000/blocks.log", "shorter");
	assert_int_equal(mkdirat(slot.fd, "data/blocks/reversible", 0755), 0);
}

static bool is_back(void)
{
	return strcmp(text_of(slot.fd, "data/blocks/blocks.log"), "the whole log") == 0 &&
	        strcmp(text_of(slot.fd, "data/blocks/blocks.index"), "its index") == 0 &&
	        strcmp(text_of(slot.fd, "data/blocks/reversible/fork_db.dat"), "fork") == 0 &&
	        !is_path(slot.fd, "data/" COPY "/blocks.log");
}

static void a_killed_hard_replay(void **state)
{
	char name[256];

	(void)state;
	assert_int_equal(slot_undo_hard_replay(&pool, &slot, &note, name, &e), 1);
	put_killed();
	ok(slot_undo_hard_replay(&pool, &slot, &note, name, &e));
	assert_true(is_back());
	assert_true(str_starts(name, "s_readers.3-2", NULL));
	assert_string_equal(aside_text("data/blocks/blocks.log"), "the");
	assert_string_equal(aside_text("data/blocks/blocks.index"), "n");
	assert_string_equal(text_of(slot.fd, "data/blocks/retained/blocks-1-2.log"), "kept");
	assert_int_equal(slot_undo_hard_replay(&pool, &slot, &note, name, &e), 1);
}

/* After its first rename: what it has not moved yet is what it was. */
static void killed_after_a_rename(void **state)
{
	char name[256];

	(void)state;
	put(slot.fd, "data/blocks/blocks.index", "its index");
	put(slot.fd, "data/blocks/reversible/fork_db.dat", "fork");
	put(slot.fd, "data/" COPY "/blocks.log", "the whole log");
	ok(slot_undo_hard_replay(&pool, &slot, &note, name, &e));
	assert_string_equal(name, "");
	assert_true(is_back());
}

static void no_killed_hard_replay(void **state)
{
	static const struct {
		const char *path, *text; /* besides a copy with "the log" */
	} t[] = {
		{ "data/state/shared_memory.bin", "state" }, /* it has come to its replay */
		{ "data/blocks/blocks.log", "the log" },
		{ "data/blocks/blocks.log", "a longer log" },
		{ "data/blocks/blocks.log", "a log" }, /* of something else */
	};
	char name[256];

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		teardown(state);
		assert_int_equal(setup(state), 0);
		put(slot.fd, "data/" COPY "/blocks.log", "the log");
		put(slot.fd, t[i].path, t[i].text);
		assert_int_equal(slot_undo_hard_replay(&pool, &slot, &note, name, &e), 1);
		assert_string_equal(text_of(slot.fd, "data/" COPY "/blocks.log"), "the log");
	}
	/* Before its first rename, and links. */
	teardown(state);
	assert_int_equal(setup(state), 0);
	put(slot.fd, "data/" COPY "/other", "");
	put(slot.fd, "elsewhere/blocks.log", "not ours");
	assert_int_equal(
	        symlinkat("../elsewhere", slot.fd, "data/blocks-2026-11-23T00:00:00.000"), 0);
	assert_int_equal(
	        symlinkat("../../elsewhere/blocks.log", slot.fd, "data/" COPY "/blocks.log"), 0);
	assert_int_equal(slot_undo_hard_replay(&pool, &slot, &note, name, &e), 1);
	assert_string_equal(text_of(slot.fd, "elsewhere/blocks.log"), "not ours");
	assert_int_equal(unlinkat(slot.fd, "data/" COPY "/blocks.log", 0), 0);
	put(slot.fd, "data/" COPY "/blocks.log", "the log");
	assert_int_equal(symlinkat("../elsewhere", slot.fd, "data/blocks"), 0);
	assert_int_equal(slot_undo_hard_replay(&pool, &slot, &note, name, &e), -1);
	assert_string_equal(text_of(slot.fd, "elsewhere/blocks.log"), "not ours");
}

/* What is not the begin of the copy's log is not what a hard replay has copied from it. */
static void a_copy_of_another_log(void **state)
{
	static const struct {
		size_t size, differs_at; /* of the log in blocks/; the copy has 300,000 bytes */
		bool goes_back;
	} t[] = {
		{ 200000, 200000, true },
		{ 200000, 0, false },
		{ 200000, 65535, false },
		{ 200000, 199999, false },
		{ 200000, 200000 - 65536, false },
		{ 1, 0, false },
		{ 1, 1, true },
		{ 0, 0, true },
	};
	static char log[300001];
	struct stat st;
	char name[256];

	memset(log, 'b', sizeof(log) - 1);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int rc;

		teardown(state);
		assert_int_equal(setup(state), 0);
		put(slot.fd, "data/" COPY "/blocks.log", log);
		log[t[i].size] = '\0';
		log[t[i].differs_at] = t[i].differs_at < t[i].size ? 'x' : '\0';
		put(slot.fd, "data/blocks/blocks.log", log);
		log[t[i].size] = log[t[i].differs_at] = 'b';
		rc = slot_undo_hard_replay(&pool, &slot, &note, name, &e);
		if (rc != !t[i].goes_back)
			fail_msg("%zu, differs at %zu: %d %s", t[i].size, t[i].differs_at, rc,
			        e.msg);
		assert_int_equal(fstatat(slot.fd, "data/blocks/blocks.log", &st, 0), 0);
		assert_int_equal(st.st_size, t[i].goes_back ? 300000 : t[i].size);
	}
}

/* --- killed, and failing, at each call --- */

enum what {
	WHAT_PARTS,
	WHAT_SNAPSHOT,
	WHAT_COPIES,
	WHAT_REMOVE,
	WHAT_UNDO,
	WHAT_COUNT,
};

static const char *const what_names[] = { "parts", "snapshot", "second copies", "removal", "undo" };

static void prepare(enum what what)
{
	trip_set(0, 0);
	teardown(NULL);
	assert_int_equal(setup(NULL), 0);
	if (what == WHAT_UNDO)
		put_killed();
	else
		put_copies();
}

static int run(enum what what)
{
	char name[256];

	e = ERR_INIT;
	switch (what) {
	case WHAT_PARTS:
		return slot_set_aside(&pool, &slot, odd_order, &note, name, &e);
	case WHAT_SNAPSHOT:
		return slot_restart_from_snapshot(
		        &pool, &slot, "s.bin", geteuid(), getegid(), &note, name, &e);
	case WHAT_COPIES:
		return slot_put_second_copies_aside(&pool, &slot, &note, name, &e);
	case WHAT_REMOVE:
		return slot_remove_second_copies(&slot, NULL, &e);
	case WHAT_UNDO:
		return slot_undo_hard_replay(&pool, &slot, &note, name, &e);
	case WHAT_COUNT:
		break;
	}
	return -1;
}

static const struct {
	const char *path, *text;
} parts[] = {
	{ "data/blocks/reversible/fork_db.dat", "fork" },
	{ "data/state/shared_memory.bin", "state" },
	{ "data/blocks/blocks.index", "index" },
	{ "data/blocks/blocks.log", "log" },
};

/* All there is has one place, and the first parts went first. */
static void expect_parts(enum what what, int at, bool is_whole)
{
	bool was_there = false;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		bool is_here = is_path(slot.fd, parts[i].path);
		const char *text =
		        is_here ? text_of(slot.fd, parts[i].path) : aside_text(parts[i].path);

		if (strcmp(text, parts[i].text) != 0)
			fail_msg("%s, call %d: %s is '%s'", what_names[what], at, parts[i].path,
			        text);
		if ((was_there && !is_here) || (is_whole && !is_here))
			fail_msg("%s, call %d: %s went", what_names[what], at, parts[i].path);
		was_there = is_here;
	}
}

static void expect_state(enum what what, int at, bool is_done, bool was_killed)
{
	bool is_from = is_path(slot.fd, SLOT_FROM_SNAPSHOT);
	bool has_new = !is_path(slot.fd, "data/blocks");

	switch (what) {
	case WHAT_PARTS:
		expect_parts(what, at, !is_done && !was_killed);
		if (is_done && is_path(slot.fd, "data/blocks/blocks.log"))
			fail_msg("not moved");
		break;
	case WHAT_SNAPSHOT:
		if (is_from != has_new || (is_done && !is_from))
			fail_msg("snapshot, call %d: %d %d", at, is_from, has_new);
		if (strcmp(text_of(slot.fd, "data/snapshots/s.bin"), "snapshot") != 0 ||
		        strcmp(text_of(slot.fd, "data/finalizers/safety.dat"), "mine") != 0)
			fail_msg("snapshot, call %d: it is not whole", at);
		if (has_new && strcmp(aside_text("data/blocks/blocks.log"), "log") != 0)
			fail_msg("snapshot, call %d: the old one is lost", at);
		break;
	case WHAT_COPIES:
		expect_parts(what, at, true);
		if (!is_path(slot.fd, "data/blocks-2026-11-21T00:00:00.000/blocks.log") &&
		        strcmp(aside_text("data/blocks-2026-11-21T00:00:00.000/blocks.log"),
		                "second") != 0)
			fail_msg("second copies, call %d: lost", at);
		break;
	case WHAT_REMOVE:
		expect_parts(what, at, true);
		break;
	case WHAT_UNDO:
		if (is_done ? !is_back()
		            : strcmp(text_of(slot.fd,
		                             is_path(slot.fd, "data/" COPY "/blocks.log")
		                                     ? "data/" COPY "/blocks.log"
		                                     : "data/blocks/blocks.log"),
		                      "the whole log") != 0)
			fail_msg("undo, call %d", at);
		break;
	case WHAT_COUNT:
		break;
	}
}

/* Another try works, and leaves nothing odd. */
static void expect_next(enum what what, int at)
{
	struct quarantine_limit l = { .per_slot = 1000 };

	if ((!is_path(slot.fd, SLOT_FROM_SNAPSHOT) && run(what) < 0) ||
	        quarantine_bound(&pool, &l, NULL, NULL, &e) < 0)
		fail_msg("%s, call %d: the next: %s", what_names[what], at, e.msg);
	expect_state(what, at, true, true);
	if (strcmp(names_in(slot.fd, "."),
	            what == WHAT_SNAPSHOT ? "data from-snapshot.json " : "data ") != 0)
		fail_msg("%s, call %d: left: %s", what_names[what], at, names_in(slot.fd, "."));
	if (strstr(names_in(pool.fd, "quarantine"), "tmp"))
		fail_msg("%s, call %d: left: %s", what_names[what], at,
		        names_in(pool.fd, "quarantine"));
	if ((what == WHAT_COPIES || what == WHAT_REMOVE) &&
	        strcmp(names_in(slot.fd, "data"), LEFT) != 0)
		fail_msg("%s, call %d: %s", what_names[what], at, names_in(slot.fd, "data"));
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
			ok(slot_settle(&slot, &e));
			expect_state(what, at, WEXITSTATUS(status) == 0, true);
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
				if (rc < 0 && what == WHAT_PARTS &&
				        strstr(names_in(pool.fd, "quarantine"), "s_readers"))
					fail_msg("call %d: %s: left %s", at, why.msg,
					        names_in(pool.fd, "quarantine"));
				ok(slot_settle(&slot, &e));
				expect_state(what, at, rc >= 0, false);
				expect_next(what, at);
			}
		}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(parts_are_moved),
		TEST(what_there_may_be),
		TEST(traps),
		TEST(it_is_bounded),
		TEST(the_order_is_ours),
		TEST(a_snapshot_is_all_there_is),
		TEST(snapshots_that_are_none),
		TEST(it_belongs_to_nodeos),
		TEST(names_of_second_copies),
		TEST(second_copies),
		TEST(a_killed_hard_replay),
		TEST(killed_after_a_rename),
		TEST(no_killed_hard_replay),
		TEST(a_copy_of_another_log),
		TEST(killed_at_each_call),
		TEST(failing_at_each_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
