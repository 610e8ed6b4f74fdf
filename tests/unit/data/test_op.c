#include "unit/test.h"

#include "unit/data/trip.h"

#include "unit/data/room.h"
#include "unit/data/fixture.h"

#include <sys/file.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/lockfile.h"
#include "data/op.h"
#include "data/record.h"
#include "data/slot.h"
#include "nodeos/verdict.h"

#define G1 "g000001-0000000001"
#define G2 "g000002-0000000002"
#define G3 "g000003-0000000003"

static struct err e;
static json_t *reply;

static int setup(void **state)
{
	e = ERR_INIT;
	room = 0;
	if (fixture_setup(state) < 0)
		return -1;
	put_data(pool.fd, "src", 1);
	return archive(NULL, "src", 1, true, &e) < 0 || archive(NULL, "src", 2, true, &e) < 0
	        ? -1
	        : archive(NULL, "src", 3, false, &e);
}

static int teardown(void **state)
{
	json_decref(reply);
	reply = NULL;
	return fixture_teardown(state);
}

static int op(const char *verb, const char *args)
{
	static struct clone_progress progress;
	const struct op_context c = { .pool = &pool, .host = "host1", .progress = &progress };
	AUTO(json) json_t *j = args ? json_loads(args, 0, NULL) : NULL;

	json_decref(reply);
	reply = data_op(&c, verb, j, &e);
	if (reply)
		assert_int_equal(json_int(reply, "format", 0), 1);
	return reply ? 0 : -1;
}

static json_t *nth(const char *list, size_t i)
{
	return json_array_get(json_at(reply, list), i);
}

static size_t count(const char *list)
{
	return json_array_size(json_at(reply, list));
}

/* --- arguments ------------------------------------------------------------------ */

static void what_is_refused(void **state)
{
	static const struct {
		const char *verb, *args;
	} rows[] = {
		{ "", "{}" },
		{ "explode", "{}" },
		{ "ls", "[]" },
		{ "ls", "{\"x\":1}" },
		{ "ls", "{\"format\":2}" },
		{ "show", "{}" },
		{ "show", "{\"name\":\"\"}" },
		{ "show", "{\"name\":7}" },
		{ "show", "{\"name\":\"../x\"}" },
		{ "show", "{\"name\":\".tmp-1\"}" },
		{ "show", "{\"name\":\"a/b\"}" },
		{ "show", "{\"name\":\"current\",\"files\":true}" },
		{ "verify", "{\"name\":\"other\"}" },
		{ "promote", "{\"name\":null}" },
		{ "rm", "{}" },
		{ "rm", "{\"name\":\"..\"}" },
		{ "prune", "{}" },
		{ "prune", "{\"keep\":\"\"}" },
		{ "prune", "{\"keep\":\"count=x\"}" },
		{ "prune", "{\"keep\":\"count=1\",\"dry_run\":1}" },
		{ "import", "{\"path\":\"relative\"}" },
		{ "import", "{\"promote\":true}" },
		{ "gc", "{\"age_seconds\":-1}" },
		{ "gc", "{\"age_seconds\":\"1\"}" },
		{ "gc", "{\"age_seconds\":1.5}" },
		{ "gc", "{\"age_seconds\":9223372036854775807}" },
		{ "gc", "{\"remove\":{}}" },
		{ "gc", "{\"slots\":{}}" },
		{ "gc", "{\"slots\":[1]}" },
		{ "gc", "{\"slots\":[\"../x\"]}" },
		{ "gc", "{\"quarantine\":[\".lock\"]}" },
		{ "gc", "{\"quarantine\":\"x\"}" },
		{ "gc", "{\"leftovers\":1}" },
		{ "gc", "{\"in_use\":{}}" },
		{ "gc", "{\"in_use\":[1]}" },
		{ "gc", "{\"in_use\":[\"../x\"]}" },
		{ "prepare", "{\"service\":\"s\"}" },
		{ "prepare", "{\"slots\":[1]}" },
		{ "prepare", "{\"service\":\"s\",\"slots\":[0]}" },
		{ "prepare", "{\"service\":\"s\",\"slots\":[1000001]}" },
		{ "prepare", "{\"service\":\"s/t\",\"slots\":[1]}" },
		{ "prepare", "{\"service\":\"s\",\"slots\":[\"1\"]}" },
		{ "usage", "{\"x\":1}" },
		{ "verdict", "{\"service\":\"s\"}" },
		{ "verdict", "{\"slot\":1}" },
		{ "verdict", "{\"service\":\"s\",\"slot\":0}" },
		{ "verdict", "{\"service\":\"s\",\"slot\":\"1\"}" },
		{ "verdict", "{\"service\":\"../s\",\"slot\":1}" },
		{ "verdict", "{\"service\":\"s\",\"slot\":1,\"path\":\"/\"}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		e = ERR_INIT;
		if (op(rows[i].verb, rows[i].args) == 0 || e.kind != ERR_USAGE)
			fail_msg("%s %s: %s '%s'", rows[i].verb, rows[i].args,
			        err_kind_name(e.kind), e.msg);
	}
	assert_string_equal(
	        names_in(pool.fd, "generations"), "current " G1 " " G2 " " G3 " lock number ");
}

static void what_they_are(void **state)
{
	(void)state;
	assert_true(data_op_is("ls") && !data_op_is("pull"));
	assert_true(!data_op_changes("ls") && !data_op_changes("verify") && data_op_changes("rm") &&
	        !data_op_changes("explode"));
	assert_true(data_op_is_long("verify") && !data_op_is_long("show"));
	ok(data_op_check("ls", NULL, &e));
}

static void from_afar_not_all_is_allowed(void **state)
{
	static const struct {
		const char *verb, *args;
		enum err_kind want;
	} rows[] = {
		{ "ls", "{}", ERR_NONE },
		{ "gc", "{}", ERR_NONE },
		{ "gc", "{\"remove\":true}", ERR_NONE },
		{ "gc", "{\"age_seconds\":0}", ERR_NONE },
		{ "gc", "{\"remove\":true,\"age_seconds\":3600}", ERR_NONE },
		{ "gc", "{\"remove\":true,\"age_seconds\":3599}", ERR_DENIED },
		{ "gc", "{\"remove\":true,\"age_seconds\":0}", ERR_DENIED },
		{ "gc", "{\"remove\":1,\"age_seconds\":0}", ERR_USAGE },
		{ "explode", "{}", ERR_USAGE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json) json_t *args = json_loads(rows[i].args, 0, NULL);
		int rc;

		e = ERR_INIT;
		rc = data_op_check_remote(rows[i].verb, args, &e);
		if (e.kind != rows[i].want || (rc < 0) != (e.kind != ERR_NONE))
			fail_msg("%s %s: '%s'", rows[i].verb, rows[i].args, e.msg);
	}
}

/* --- generations ----------------------------------------------------------------- */

static void generations_are_told(void **state)
{
	(void)state;
	ok(op("ls", NULL));
	assert_int_equal(count("generations"), 3);
	assert_string_equal(json_str(nth("generations", 1), "name", ""), G2);
	assert_true(json_bool(nth("generations", 1), "current", false));
	assert_null(json_at(nth("generations", 1), "files"));
	ok(op("show", "{\"name\":\"current\",\"format\":1}"));
	assert_string_equal(json_str(reply, "generation.name", ""), G2);
	assert_int_equal(json_array_size(json_at(reply, "generation.files")), 3);
	fails(op("show", "{\"name\":\"g000009-0000000001\"}"), ERR_NOT_FOUND);
	put(pool.fd, "generations/" G1 "/manifest.json", "what?");
	ok(op("ls", "{}"));
	assert_string_equal(json_str(nth("generations", 0), "error.kind", ""), "protocol");
}

static void verify_names_what_differs(void **state)
{
	(void)state;
	ok(op("verify", "{\"name\":\"current\"}"));
	assert_string_equal(json_str(reply, "name", ""), G2);
	assert_int_equal(json_int(reply, "files", 0), 3);
	assert_int_equal(json_int(reply, "different", -1), 0);
	put(pool.fd, "generations/" G2 "/data/blocks/blocks.log", "blocks/blocks.log at 2");
	put(pool.fd, "generations/" G2 "/data/more", "");
	ok(op("verify", "{\"name\":\"" G2 "\"}"));
	assert_int_equal(json_int(reply, "different", -1), 2);
	assert_int_equal(count("differences"), 2);
	assert_string_equal(json_str(nth("differences", 0), "path", ""), "blocks/blocks.log");
	assert_string_equal(json_str(nth("differences", 0), "what", ""), "digest");
	fails(op("verify", "{\"name\":\"g000009-0000000001\"}"), ERR_NOT_FOUND);
}

static void the_list_changes(void **state)
{
	(void)state;
	ok(op("promote", "{\"name\":\"" G1 "\"}"));
	fails(op("rm", "{\"name\":\"" G1 "\"}"), ERR_CONFLICT);
	ok(op("rm", "{\"name\":\"" G3 "\"}"));
	assert_string_equal(json_str(reply, "kind", ""), "generation");
	fails(op("rm", "{\"name\":\"" G3 "\"}"), ERR_NOT_FOUND);
	fails(op("rm", "{\"name\":\"s.1-20260101T000000Z\"}"), ERR_NOT_FOUND);
	ok(op("prune", "{\"keep\":\"count=1\",\"dry_run\":true}"));
	assert_true(json_bool(reply, "dry_run", false));
	assert_int_equal(count("removed"), 0); /* one is current, the other the newest */
	ok(op("promote", "{\"name\":\"" G2 "\"}"));
	ok(op("prune", "{\"keep\":\"count=1\",\"dry_run\":true}"));
	assert_int_equal(count("removed"), 1);
	assert_true(is_path(pool.fd, "generations/" G1));
	ok(op("prune", "{\"keep\":\"count=1\"}"));
	assert_string_equal(json_str(nth("removed", 0), "name", ""), G1);
	assert_int_equal(count("kept"), 0);
	assert_false(is_path(pool.fd, "generations/" G1));
}

/* --- slots ------------------------------------------------------------------------ */

static void make_old(const char *path)
{
	const struct timespec old[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };

	assert_int_equal(utimensat(pool.fd, path, old, AT_SYMLINK_NOFOLLOW), 0);
}

/* A slot whose supervisor said something last so long ago; its directory is old. */
static void make_slot(const char *service, unsigned n, int64_t age_s)
{
	AUTO(slot) struct slot s = SLOT_INIT;
	struct record r = { .updated_ns = clock_real_ns() - age_s * NS_PER_SEC };
	char path[128];

	ok(slot_open(&s, &pool, service, n, true, &e));
	put(s.fd, "data/blocks/blocks.log", "0123456789");
	ok(record_write_at(&r, s.fd, &e));
	(void)snprintf(path, sizeof(path), "services/%s/%u", service, n);
	make_old(path);
}

static bool is_slot(const char *service, unsigned n)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "services/%s/%u", service, n);
	return is_path(pool.fd, path);
}

#define DAY 86400

#define ALL_SLOTS "[\"s_r.1\",\"s_r.2\",\"s_r.3\",\"s_r.4\",\"s_r.5\"]"

static void gc_leaves_what_is_needed(void **state)
{
	AUTO(close_fd) int lock = -1;
	AUTO(slot) struct slot s = SLOT_INIT;

	(void)state;
	make_slot("s_r", 1, 30 * DAY);
	make_slot("s_r", 2, 1 * DAY);
	make_slot("s_r", 3, 30 * DAY); /* held */
	make_slot("s_r", 4, 30 * DAY); /* has a task */
	make_slot("s_r", 5, -DAY);     /* of a clock that went wrong */
	ok(slot_open(&s, &pool, "s_r", 3, false, &e));
	ok(lockfile_try_at(&lock, s.fd, SLOT_LOCK, NULL, &e));
	make_old("services/s_r/3");
	ok(op("gc", "{\"in_use\":[\"s_r.4\",\"s_r.9\"]}"));
	assert_int_equal(count("slots"), 1);
	assert_int_equal(json_int(nth("slots", 0), "slot", 0), 1);
	assert_in_range(json_int(nth("slots", 0), "bytes", 0), 1, 100000);
	assert_in_range(json_int(nth("slots", 0), "idle_seconds", 0), 29 * DAY, 31 * DAY);
	assert_false(json_bool(nth("slots", 0), "removed", true));
	assert_true(json_int(reply, "free_bytes", 0) > 0);
	assert_true(is_slot("s_r", 1));

	/* Nothing but what is named; and of that only what is as unused as it was. */
	ok(op("gc", "{\"in_use\":[\"s_r.4\"],\"remove\":true}"));
	assert_int_equal(count("slots"), 0);
	ok(op("gc", "{\"slots\":[\"s_r.2\",\"s_r.11\"],\"remove\":true}"));
	assert_int_equal(count("slots"), 0);
	assert_true(is_slot("s_r", 1));
	ok(op("gc", "{\"in_use\":[\"s_r.4\"],\"slots\":" ALL_SLOTS ",\"remove\":true}"));
	assert_int_equal(count("slots"), 1);
	assert_true(json_bool(nth("slots", 0), "removed", false));
	assert_false(is_slot("s_r", 1));
	for (unsigned n = 2; n <= 5; n++)
		assert_true(is_slot("s_r", n));
	assert_string_equal(names_in(pool.fd, "services/s_r"), ".lock 2 3 4 5 ");
	ok(op("gc",
	        "{\"in_use\":[\"s_r.4\"],\"slots\":" ALL_SLOTS
	        ",\"remove\":true,\"age_seconds\":3600}"));
	assert_false(is_slot("s_r", 2));
	assert_true(is_slot("s_r", 3) && is_slot("s_r", 4) && is_slot("s_r", 5));
}

static void gc_finds_leftovers(void **state)
{
	AUTO(close_fd) int held = -1;

	(void)state;
	make_slot("s_r", 1, 0);
	put(pool.fd, "services/s_r/1/.data-new/x", "half");
	put(pool.fd, "generations/.tmp-0000000000000001/data/x", "half");
	put(pool.fd, "generations/.tmp-0000000000000002/data/x", "at work");
	put(pool.fd, "generations/.pull-g000001-0000000001/marks", "new");
	put(pool.fd, "generations/.pull-g000002-0000000001/marks", "old");
	make_old("generations/.pull-g000002-0000000001");
	put(pool.fd, "services/s_r/.tmp-0000000000000003/x", "half");
	put(pool.fd, "quarantine/s_r.7-20200101T000000Z/data/x", "old");
	put(pool.fd, "quarantine/s_r.7-20200101T000000Z/why.json",
	        "{\"format\":1,\"slot\":\"s_r.7\",\"why\":\"dirty\",\"at\":"
	        "\"2020-01-01T00:00:00.000Z\"}");
	held = openat(pool.fd, "generations/.tmp-0000000000000002", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX), 0);
	ok(op("gc", "{\"remove\":true,\"quarantine\":[\"s_r.7-20200101T000001Z\"]}"));
	assert_int_equal(count("leftovers") + count("quarantine"), 0);
	for (int remove = 0; remove <= 1; remove++) {
		ok(op("gc",
		        remove ? "{\"remove\":true,\"leftovers\":true,"
		                 "\"quarantine\":[\"s_r.7-20200101T000000Z\"]}"
		               : "{}"));
		assert_int_equal(count("leftovers"), 4);
		assert_int_equal(count("quarantine"), 1);
		assert_int_equal(count("slots"), 0);
		assert_string_equal(json_str(nth("quarantine", 0), "slot", ""), "s_r.7");
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(
			        json_bool(nth("leftovers", i), "removed", !remove), remove);
	}
	assert_false(is_path(pool.fd, "services/s_r/1/.data-new"));
	assert_true(is_path(pool.fd, "services/s_r/1/data/blocks/blocks.log"));
	assert_string_equal(names_in(pool.fd, "services/s_r"), ".lock 1 ");
	assert_string_equal(names_in(pool.fd, "generations"),
	        ".pull-g000001-0000000001 .tmp-0000000000000002 current " G1 " " G2 " " G3
	        " lock number ");
	assert_null(strstr(names_in(pool.fd, "quarantine"), "s_r"));
	ok(op("gc", "{}"));
	assert_int_equal(count("leftovers"), 0);
}

/* What its owner makes of a data-dir must not lead root elsewhere. */
static void gc_follows_no_link(void **state)
{
	(void)state;
	put(pool.fd, "victim/file", "as it was");
	make_slot("s_r", 1, 30 * DAY);
	assert_int_equal(symlinkat("../../../../victim", pool.fd, "services/s_r/1/data/link"), 0);
	assert_int_equal(symlinkat("../../../victim", pool.fd, "services/s_r/1/.data-new"), 0);
	assert_int_equal(symlinkat("../victim", pool.fd, "services/victim"), 0);
	assert_int_equal(symlinkat("../victim", pool.fd, "generations/.tmp-0000000000000001"), 0);
	make_old("services/s_r/1");
	ok(op("gc", "{\"slots\":[\"s_r.1\"],\"leftovers\":true,\"remove\":true}"));
	assert_false(is_slot("s_r", 1));
	assert_string_equal(text_of(pool.fd, "victim/file"), "as it was");
}

/* What there is no second copy of. */
static void gc_keeps_what_is_the_nodes_own(void **state)
{
	char path[512];
	const char *name;

	(void)state;
	make_slot("s_r", 1, 30 * DAY);
	put(pool.fd, "services/s_r/1/data/finalizers/safety.dat", "my votes");
	put(pool.fd, "services/s_r/1/data/state/deep/a.key", "my key");
	put(pool.fd, "services/s_r/1/data/snapshots/.incomplete-x.key", "junk");
	make_old("services/s_r/1");
	ok(op("gc", "{}"));
	assert_int_equal(json_int(nth("slots", 0), "own_files", 0), 2);
	ok(op("gc", "{\"slots\":[\"s_r.1\"],\"remove\":true}"));
	assert_true(json_bool(nth("slots", 0), "removed", false));
	assert_false(is_slot("s_r", 1));
	name = json_str(nth("slots", 0), "quarantined", "");
	assert_non_null(strstr(name, "s_r.1-"));
	(void)snprintf(path, sizeof(path), "quarantine/%s/data", name);
	assert_string_equal(names_in(pool.fd, path), "finalizers state ");
	(void)snprintf(path, sizeof(path), "quarantine/%s/data/finalizers/safety.dat", name);
	assert_string_equal(text_of(pool.fd, path), "my votes");
	(void)snprintf(path, sizeof(path), "quarantine/%s/data/state/deep/a.key", name);
	assert_string_equal(text_of(pool.fd, path), "my key");
	/* Told so when that is listed in its turn. */
	ok(op("gc", "{\"age_seconds\":0}"));
	assert_int_equal(json_int(nth("quarantine", 0), "own_files", 0), 2);
}

/* A removal that fails leaves the slot as it was, and as old. */
static void gc_that_fails_changes_nothing(void **state)
{
	AUTO(close_fd) int held = -1;

	(void)state;
	make_slot("s_r", 1, 30 * DAY);
	put(pool.fd, "services/s_r/1/data/finalizers/safety.dat", "my votes");
	make_old("services/s_r/1");
	held = openat(pool.fd, "services/s_r/1", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX), 0);
	for (int i = 0; i < 2; i++) {
		ok(op("gc", "{\"slots\":[\"s_r.1\"],\"remove\":true}"));
		assert_int_equal(count("slots"), 1);
		assert_false(json_bool(nth("slots", 0), "removed", true));
		assert_string_equal(json_str(nth("slots", 0), "error.kind", ""), "conflict");
		assert_true(*json_str(nth("slots", 0), "error.hint", ""));
	}
	assert_string_equal(names_in(pool.fd, "services/s_r/1"), "data run.json ");
	assert_string_equal(
	        text_of(pool.fd, "services/s_r/1/data/finalizers/safety.dat"), "my votes");
	assert_string_equal(names_in(pool.fd, "quarantine"), ".lock ");
}

static void gc_says_what_it_cannot_judge(void **state)
{
	char deep[512] = "quarantine/s_r.7-20200101T000000Z/data";

	(void)state;
	for (int i = 0; i < 66; i++)
		(void)strcat(deep, "/d");
	put(pool.fd, strcat(deep, "/x"), "");
	make_old("quarantine/s_r.7-20200101T000000Z");
	put(pool.fd, "quarantine/s_r.8-20200101T000000Z/data/x", "");
	make_old("quarantine/s_r.8-20200101T000000Z");
	ok(op("gc", "{}"));
	assert_int_equal(count("quarantine"), 1);
	assert_int_equal(count("skipped"), 1);
	assert_string_equal(json_str(nth("skipped", 0), "name", ""), "s_r.7-20200101T000000Z");
	assert_true(*json_str(nth("skipped", 0), "error.message", ""));
}

/* Who works in the list is not disturbed by who only looks. */
static void gc_looks_under_the_lock(void **state)
{
	static const volatile int cancel = 1;
	AUTO(json) json_t *args = json_object();
	AUTO(close_fd) int lock = openat(pool.fd, "generations/lock", O_RDONLY | O_CLOEXEC);
	const struct op_context c = { .pool = &pool, .host = "host1", .cancel = &cancel };

	(void)state;
	assert_int_equal(flock(lock, LOCK_EX), 0);
	e = ERR_INIT;
	assert_null(data_op(&c, "gc", args, &e));
	assert_int_equal(e.kind, ERR_INTERRUPTED);
}

static void prune_tells_of_what_it_cannot_read(void **state)
{
	(void)state;
	put(pool.fd, "generations/" G1 "/manifest.json", "what?");
	ok(op("prune", "{\"keep\":\"count=1\"}"));
	assert_int_equal(count("removed"), 0);
	assert_int_equal(count("kept"), 1);
	assert_string_equal(json_str(nth("kept", 0), "name", ""), G1);
	assert_string_equal(json_str(nth("kept", 0), "error.kind", ""), "protocol");
}

static void nothing_there_is_not_found(void **state)
{
	static const char *const names[] = { G1, "s.1-20260101T000000Z" };

	(void)state;
	assert_int_equal(renameat(pool.fd, "generations", pool.fd, "away"), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(free) char *args = NULL;

		assert_true(asprintf(&args, "{\"name\":\"%s\"}", names[i]) > 0);
		fails(op("rm", args), ERR_NOT_FOUND);
		if (!strstr(e.msg, names[i]))
			fail_msg("%s", e.msg);
	}
	fails(op("promote", "{\"name\":\"" G1 "\"}"), ERR_NOT_FOUND);
	assert_non_null(strstr(e.msg, G1));
	assert_false(is_path(pool.fd, "generations"));
}

static void verdict_of_a_slot(void **state)
{
	(void)state;
	fails(op("verdict", "{\"service\":\"s_r\",\"slot\":1}"), ERR_NOT_FOUND);
	/* It was never started. */
	put(pool.fd, "services/s_r/1/lock", "");
	ok(op("verdict", "{\"service\":\"s_r\",\"slot\":1}"));
	assert_string_equal(json_str(reply, "verdict", ""), "empty");
	assert_string_equal(json_str(reply, "service", ""), "s_r");
	assert_int_equal(json_int(reply, "slot", 0), 1);
	assert_string_equal(json_str(reply, "evidence.generation", ""), G2);
	put(pool.fd, "services/s_r/1/data/state/shared_memory.bin", "short");
	ok(op("verdict", "{\"service\":\"s_r\",\"slot\":1}"));
	assert_string_equal(json_str(reply, "verdict", ""), "damaged");
	fails(op("verdict", "{\"service\":\"s_r\",\"slot\":1,\"chain_id\":\"x\"}"), ERR_USAGE);
}

static void prepare_fills_empty_slots(void **state)
{
	AUTO(close_fd) int lock = -1;
	AUTO(slot) struct slot s = SLOT_INIT;

	(void)state;
	if (geteuid() != 0) {
		print_message("prepare gives data-dirs to another user, which needs root\n");
		skip();
	}
	/* Blocks, so there is something to lose. */
	put(pool.fd, "services/s_r/2/data/blocks/blocks.log", "0123456789");
	ok(slot_open(&s, &pool, "s_r", 3, true, &e));
	ok(lockfile_try_at(&lock, s.fd, SLOT_LOCK, NULL, &e));
	put(pool.fd, "services/s_r/5", "no directory");
	/* A disk that is filled here would stop the nodes of all slots. */
	room = 119999;
	ok(op("prepare", "{\"service\":\"s_r\",\"slots\":[1]}"));
	assert_string_equal(json_str(nth("slots", 0), "state", ""), "failed");
	assert_non_null(
	        strstr(json_str(json_at(nth("slots", 0), "error"), "message", ""), "must be left"));
	room = 0;
	ok(op("prepare", "{\"service\":\"s_r\",\"slots\":[1,2,3,5]}"));
	assert_string_equal(json_str(reply, "generation", ""), G2);
	assert_int_equal(count("slots"), 4);
	assert_string_equal(json_str(nth("slots", 0), "state", ""), "restored");
	assert_string_equal(json_str(nth("slots", 1), "state", ""), "has data");
	assert_string_equal(json_str(nth("slots", 2), "state", ""), "in use");
	assert_string_equal(json_str(nth("slots", 3), "state", ""), "failed");
	assert_non_null(json_at(nth("slots", 3), "error.message"));
	assert_string_equal(text_of(pool.fd, "services/s_r/1/data/blocks/blocks.log"),
	        "blocks/blocks.log at 1");
	assert_string_equal(
	        text_of(pool.fd, "services/s_r/2/data/blocks/blocks.log"), "0123456789");
	ok(op("prepare", "{\"service\":\"s_r\",\"slots\":[1],\"generation\":\"" G1 "\"}"));
	assert_string_equal(json_str(nth("slots", 0), "state", ""), "has data");
	fails(op("prepare",
	              "{\"service\":\"s_r\",\"slots\":[7],\"generation\":\"g000009-0000000001\"}"),
	        ERR_NOT_FOUND);
	assert_false(is_slot("s_r", 7));
}

static void split_logs_take_no_room(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return;
	{
		AUTO(close_fd) int fd = -1;

		put(pool.fd, "src/blocks/blocks-1-2.log", "");
		fd = openat(pool.fd, "src/blocks/blocks-1-2.log", O_WRONLY);
		for (int i = 0; i < 100; i++)
			assert_int_equal(fs_write_all(fd, (char[4096]){ 1 }, 4096), 0);
	}
	ok(archive(NULL, "src", 4, true, &e));
	room = 220000;
	ok(op("prepare", "{\"service\":\"s_r\",\"slots\":[7]}"));
	assert_string_equal(json_str(nth("slots", 0), "state", ""), "restored");
}

static void usage_is_told(void **state)
{
	(void)state;
	ok(op("usage", NULL));
	assert_int_equal(count("generations"), 3);
}

static void a_cancel_ends_it(void **state)
{
	static const volatile int cancel = 1;
	static const char *const rows[][2] = {
		{ "verify", "{\"name\":\"current\"}" },
		{ "gc", "{\"slots\":[\"s_r.1\"],\"remove\":true}" },
		{ "rm", "{\"name\":\"" G3 "\"}" },
		{ "prepare", "{\"service\":\"s_r\",\"slots\":[8]}" },
	};
	const struct op_context c = { .pool = &pool, .host = "host1", .cancel = &cancel };

	(void)state;
	make_slot("s_r", 1, 30 * DAY);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json) json_t *args = json_loads(rows[i][1], 0, NULL);

		e = ERR_INIT;
		if (data_op(&c, rows[i][0], args, &e) || e.kind != ERR_INTERRUPTED)
			fail_msg("%s: %s '%s'", rows[i][0], err_kind_name(e.kind), e.msg);
	}
	assert_true(is_slot("s_r", 1));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_refused),
		TEST(what_they_are),
		TEST(from_afar_not_all_is_allowed),
		TEST(generations_are_told),
		TEST(verify_names_what_differs),
		TEST(the_list_changes),
		TEST(gc_leaves_what_is_needed),
		TEST(gc_finds_leftovers),
		TEST(gc_follows_no_link),
		TEST(gc_keeps_what_is_the_nodes_own),
		TEST(gc_that_fails_changes_nothing),
		TEST(gc_says_what_it_cannot_judge),
		TEST(gc_looks_under_the_lock),
		TEST(prune_tells_of_what_it_cannot_read),
		TEST(nothing_there_is_not_found),
		TEST(verdict_of_a_slot),
		TEST(prepare_fills_empty_slots),
		TEST(split_logs_take_no_room),
		TEST(usage_is_told),
		TEST(a_cancel_ends_it),
	};

	return cmocka_run_group_tests_name("data/op", tests, NULL, NULL);
}
