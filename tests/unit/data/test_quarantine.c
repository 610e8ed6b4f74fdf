#include "unit/test.h"

#include "unit/data/restore_scene.h"

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

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_same_second_has_other_names),
		TEST(odd_entries_are_listed),
		TEST(bounds_keep_the_newest),
		TEST(which_have_blocks),
		TEST(bounds_are_enforced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
