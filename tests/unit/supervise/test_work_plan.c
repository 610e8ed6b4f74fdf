#include "unit/test.h"

#include "base/clock.h"
#include "supervise/work_plan.h"

#define CHAIN "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define OTHER "aca376f206b8fc25a6ed44dbdc66547c36c6c33e3a119ffbeaef943642f0e906"

/* --- restore ------------------------------------------------------------------------------- */

/* An empty slot of our chain, and a current generation of it at block 500000. */
static struct restore_facts new_slot(void)
{
	return (struct restore_facts){
		.may_restore = true,
		.verdict = DATA_EMPTY,
		.our_chain_id = CHAIN,
		.far_behind = 100000,
		.has_current = true,
		.chain_id = CHAIN,
		.lib = 500000,
	};
}

static void as_it_is(struct restore_facts *f)
{
	(void)f;
}
static void not_allowed(struct restore_facts *f)
{
	f->may_restore = false;
}
static void no_current(struct restore_facts *f)
{
	f->has_current = false;
	f->chain_id = "";
	f->lib = 0;
}
static void a_snapshot(struct restore_facts *f)
{
	f->is_snapshot = true;
}
static void other_chain(struct restore_facts *f)
{
	f->chain_id = OTHER;
}
static void says_no_chain(struct restore_facts *f)
{
	f->chain_id = "";
}
static void no_genesis(struct restore_facts *f)
{
	f->our_chain_id = "";
}
static void dirty(struct restore_facts *f)
{
	f->verdict = DATA_DIRTY;
}
static void damaged(struct restore_facts *f)
{
	f->verdict = DATA_DAMAGED;
}
static void behind(struct restore_facts *f)
{
	f->verdict = DATA_CLEAN;
	f->our_lib = 399999;
}
static void at_the_limit(struct restore_facts *f)
{
	f->verdict = DATA_CLEAN;
	f->our_lib = 400000;
}
static void ahead(struct restore_facts *f)
{
	f->verdict = DATA_CLEAN;
	f->our_lib = 500001;
}
/* block-log-retain-blocks = 0, or a data-dir of a snapshot with no block yet */
static void no_log(struct restore_facts *f)
{
	f->verdict = DATA_CLEAN;
	f->our_lib = 0;
}
static void behind_a_snapshot(struct restore_facts *f)
{
	behind(f);
	f->is_snapshot = true;
}
static void behind_another_chain(struct restore_facts *f)
{
	behind(f);
	f->chain_id = OTHER;
}
static void current_another_chain(struct restore_facts *f)
{
	at_the_limit(f);
	f->chain_id = OTHER;
}
static void behind_without_chain(struct restore_facts *f)
{
	behind(f);
	f->our_chain_id = "";
}
static void behind_not_allowed(struct restore_facts *f)
{
	behind(f);
	f->may_restore = false;
}

static void restores(void **state)
{
	static const struct {
		const char *name;
		void (*change)(struct restore_facts *f);
		enum restore_plan wanted;
	} t[] = {
		{ "an empty slot", as_it_is, RESTORE_EMPTY },
		{ "never", not_allowed, RESTORE_NOT },
		{ "nothing to restore from", no_current, RESTORE_NOT },
		{ "from a snapshot", a_snapshot, RESTORE_EMPTY },
		{ "another chain", other_chain, RESTORE_OTHER_CHAIN },
		{ "a chain that nobody knows", says_no_chain, RESTORE_OTHER_CHAIN },
		{ "no genesis: any chain", no_genesis, RESTORE_EMPTY },
		{ "dirty: held", dirty, RESTORE_NOT },
		{ "damaged: held", damaged, RESTORE_NOT },
		{ "far behind", behind, RESTORE_BEHIND },
		{ "just not far behind", at_the_limit, RESTORE_NOT },
		{ "ahead", ahead, RESTORE_NOT },
		{ "how far is not known", no_log, RESTORE_NOT },
		{ "a snapshot replaces no blocks", behind_a_snapshot, RESTORE_NOT },
		{ "behind, but of another chain", behind_another_chain, RESTORE_OTHER_CHAIN },
		{ "another chain does not matter then", current_another_chain, RESTORE_NOT },
		{ "blocks of an unknown chain stay", behind_without_chain, RESTORE_NOT },
		{ "behind, never", behind_not_allowed, RESTORE_NOT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct restore_facts f = new_slot();
		enum restore_plan plan;

		t[i].change(&f);
		plan = restore_plan(&f);
		if (plan != t[i].wanted)
			fail_msg("%s: %d, not %d", t[i].name, (int)plan, (int)t[i].wanted);
	}
}

/* --- archive ------------------------------------------------------------------------------- */

#define NOW    (1700000000 * NS_PER_SEC)
#define MINUTE (60 * NS_PER_SEC)
#define HOUR   (60 * MINUTE)

/* Archived an hour ago, hourly, and all is well. */
static struct archive_facts due(void)
{
	return (struct archive_facts){
		.now_ns = NOW,
		.every_ns = HOUR,
		.last_ns = NOW - HOUR,
		.is_ready = true,
		.head = 1000,
		.last_head = 900,
	};
}

static void due_now(struct archive_facts *f)
{
	(void)f;
}
static void off(struct archive_facts *f)
{
	f->every_ns = -1;
}
static void early(struct archive_facts *f)
{
	f->last_ns += NS_PER_SEC;
}
static void first(struct archive_facts *f)
{
	f->last_ns = 0;
	f->last_head = 0;
}
static void after_a_week(struct archive_facts *f)
{
	f->last_ns -= 7 * 24 * HOUR;
}
static void syncs(struct archive_facts *f)
{
	f->is_ready = false;
}
static void busy(struct archive_facts *f)
{
	f->is_busy = true;
}
static void no_blocks(struct archive_facts *f)
{
	f->head = f->last_head;
}
static void no_head(struct archive_facts *f)
{
	f->head = f->last_head = 0;
}
static void no_blocks_and_early(struct archive_facts *f)
{
	early(f);
	no_blocks(f);
}
static void clock_was_ahead(struct archive_facts *f)
{
	f->last_ns = NOW + 365 * 24 * HOUR;
}
static void failed(struct archive_facts *f)
{
	f->failures = 1;
	f->failed_ns = NOW - 59 * NS_PER_SEC;
}
static void failed_a_minute_ago(struct archive_facts *f)
{
	f->failures = 1;
	f->failed_ns = NOW - MINUTE;
}
static void failed_thrice(struct archive_facts *f)
{
	f->failures = 3;
	f->failed_ns = NOW - MINUTE;
}
static void failed_for_ever(struct archive_facts *f)
{
	f->failures = 4000000000U;
	f->failed_ns = NOW - MINUTE;
}
static void failed_often_every_ten_seconds(struct archive_facts *f)
{
	f->every_ns = 10 * NS_PER_SEC;
	f->failures = 1;
	f->failed_ns = NOW - NS_PER_SEC;
}
static void failed_in_the_future(struct archive_facts *f)
{
	f->failures = 1;
	f->failed_ns = NOW + HOUR;
}

static void archives(void **state)
{
	static const struct {
		const char *name;
		void (*change)(struct archive_facts *f);
		enum archive_plan wanted;
		int64_t due_in_ns; /* from NOW */
	} t[] = {
		{ "due", due_now, ARCHIVE_NOW, 0 },
		{ "not by itself", off, ARCHIVE_OFF, -NOW },
		{ "a second early", early, ARCHIVE_LATER, NS_PER_SEC },
		{ "never yet", first, ARCHIVE_NOW, HOUR - NOW },
		{ "after a long down time", after_a_week, ARCHIVE_NOW, -7 * 24 * HOUR },
		{ "it has to catch up first", syncs, ARCHIVE_WAITS, 0 },
		{ "somebody else is at it", busy, ARCHIVE_WAITS, 0 },
		{ "the chain pauses", no_blocks, ARCHIVE_NO_BLOCKS, 0 },
		{ "heads are not known", no_head, ARCHIVE_NOW, 0 },
		{ "the chain pauses, not due", no_blocks_and_early, ARCHIVE_LATER, NS_PER_SEC },
		{ "the last one is of the future", clock_was_ahead, ARCHIVE_NOW, 0 },
		{ "after a failure", failed, ARCHIVE_LATER, NS_PER_SEC },
		{ "a minute after it", failed_a_minute_ago, ARCHIVE_NOW, 0 },
		{ "doubled each time", failed_thrice, ARCHIVE_LATER, 3 * MINUTE },
		{ "up to an hour", failed_for_ever, ARCHIVE_LATER, 59 * MINUTE },
		{ "not longer than the period at first", failed_often_every_ten_seconds,
		        ARCHIVE_LATER, 9 * NS_PER_SEC },
		{ "a failure of the future", failed_in_the_future, ARCHIVE_NOW, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct archive_facts f = due();
		enum archive_plan plan;
		int64_t at;

		t[i].change(&f);
		plan = archive_plan(&at, &f);
		if (plan != t[i].wanted || at - NOW != t[i].due_in_ns)
			fail_msg("%s: %d at %lld, not %d at %lld", t[i].name, (int)plan,
			        (long long)(at - NOW), (int)t[i].wanted, (long long)t[i].due_in_ns);
	}
}

static void lasts(void **state)
{
	static const struct {
		const char *what;
		const char *source, *origin;
		int64_t created_s;
		bool counts;
	} rows[] = {
		{ "ours", "t_s.1", "archive", 1000, true },
		{ "made just now", "t_s.1", "archive", 2000, true },
		{ "of another slot", "t_s.2", "archive", 1000, false },
		{ "imported", "t_s.1", "import", 1000, false },
		{ "of the future", "t_s.1", "archive", 2001, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct generation v[2] = { 0 };
		const struct generations g = { .v = v, .n = 2 };
		int64_t at;
		uint32_t head;

		snprintf(v[0].m.source, sizeof(v[0].m.source), "t_s.1");
		snprintf(v[0].m.origin, sizeof(v[0].m.origin), "archive");
		v[0].m.created_ns = 500 * NS_PER_SEC;
		v[0].m.head_block_num = 5;
		snprintf(v[1].m.source, sizeof(v[1].m.source), "%s", rows[i].source);
		snprintf(v[1].m.origin, sizeof(v[1].m.origin), "%s", rows[i].origin);
		v[1].m.created_ns = rows[i].created_s * NS_PER_SEC;
		v[1].m.head_block_num = 7;
		archive_last(&at, &head, &g, "t_s.1", 2000 * NS_PER_SEC);
		if (head != (rows[i].counts ? 7 : 5) || at != v[rows[i].counts].m.created_ns)
			fail_msg("%s: %u", rows[i].what, head);
	}
}

static void snapshots(void **state)
{
	static const struct {
		const char *what;
		struct snapshot_start_facts facts;
		enum snapshot_plan plan;
	} rows[] = {
		{ "first", { DATA_EMPTY, 0, true }, SNAPSHOT_START },
		{ "again", { DATA_EMPTY, 3, true }, SNAPSHOT_START },
		{ "no file", { DATA_EMPTY, 0, false }, SNAPSHOT_MISSING },
		{ "loaded", { DATA_CLEAN, 1, true }, SNAPSHOT_LOADED },
		{ "another clean one was put there", { DATA_CLEAN, 0, false }, SNAPSHOT_LOADED },
		{ "cut off", { DATA_DIRTY, 1, true }, SNAPSHOT_AGAIN },
		{ "cut off, damaged", { DATA_DAMAGED, 2, true }, SNAPSHOT_AGAIN },
		{ "never started from it", { DATA_DIRTY, 0, true }, SNAPSHOT_NOT_OURS },
		{ "never, damaged", { DATA_DAMAGED, 0, true }, SNAPSHOT_NOT_OURS },
		{ "another one was put there", { DATA_DIRTY, 1, false }, SNAPSHOT_NOT_OURS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (snapshot_plan(&rows[i].facts) != rows[i].plan)
			fail_msg("%s: %d", rows[i].what, snapshot_plan(&rows[i].facts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restores),
		cmocka_unit_test(archives),
		cmocka_unit_test(lasts),
		cmocka_unit_test(snapshots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
