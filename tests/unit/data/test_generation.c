#include "unit/test.h"

#include "unit/data/trip.h"

#include "unit/data/fixture.h"

#include <pthread.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/str.h"

#define LIST "generations"

static struct err e;

static int setup(void **state)
{
	trip_set(0, 0);
	e = ERR_INIT;
	if (fixture_setup(state) < 0)
		return -1;
	put_data(pool.fd, "src", 1);
	return 0;
}

static void put_at(const char *path, const char *text)
{
	put(pool.fd, path, text);
}

static const char *current(void)
{
	static char to[64];
	ssize_t n = readlinkat(pool.fd, LIST "/current", to, sizeof(to) - 1);

	to[n < 0 ? 0 : n] = '\0';
	return to;
}

/* --- one after the other ------------------------------------------------------- */

static void nothing_there_is_no_error(void **state)
{
	struct generations g;
	struct generation_hold h;

	(void)state;
	ok(generations_list(&g, &pool, &e));
	assert_int_equal(g.n, 0);
	fails(generation_hold(&h, &pool, "current", NULL, &e), ERR_NOT_FOUND);
	fails(generation_hold(&h, &pool, "g000001-0000000001", NULL, &e), ERR_NOT_FOUND);
	fails(generation_promote(&pool, "g000001-0000000001", false, &e), ERR_NOT_FOUND);
	fails(generation_remove(&pool, "g000001-0000000001", NULL, &e), ERR_NOT_FOUND);
	assert_false(is_path(pool.fd, LIST));
}

static void one_is_made_and_read(void **state)
{
	AUTO(generations) struct generations g = { 0 };
	struct generation_hold h;
	char name[GENERATION_NAME_SIZE];
	struct stat st;

	(void)state;
	(void)umask(077);
	ok(archive(name, "src", 349798134, true, &e));
	(void)umask(022);
	assert_string_equal(name, "g000001-0349798134");
	assert_string_equal(current(), name);
	assert_string_equal(names_in(pool.fd, LIST), "current g000001-0349798134 lock number ");
	assert_int_equal(fstatat(pool.fd, LIST "/g000001-0349798134", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(pool.fd, LIST "/g000001-0349798134/manifest.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(fstatat(pool.fd, LIST, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);

	/* As they were made once. */
	assert_int_equal(fchmodat(pool.fd, LIST "/g000001-0349798134", 0755, 0), 0);
	ok(generations_list(&g, &pool, &e));
	assert_int_equal(g.n, 1);
	assert_int_equal(g.v[0].err.kind, ERR_NONE);
	assert_int_equal(g.v[0].m.number, 1);
	assert_true(g.v[0].is_current);
	assert_false(g.v[0].is_in_use);
	assert_int_equal(g.v[0].files, 3); /* without the finalizer's memory */
	assert_int_equal(g.v[0].m.files.n, 0);

	ok(generation_hold(&h, &pool, "current", NULL, &e));
	assert_string_equal(h.m.name, name);
	assert_int_equal(h.m.files.n, 3);
	assert_string_equal(text_of(h.data_fd, "blocks/blocks.log"), "blocks/blocks.log at 1");
	generations_release(&g);
	ok(generations_list(&g, &pool, &e));
	assert_true(g.v[0].is_in_use);
	generation_hold_release(&h);
	ok(generation_verify(&pool, name, NULL, NULL, NULL, NULL, &e));
}

static void without_promote_current_stays(void **state)
{
	(void)state;
	ok(archive(NULL, "src", 1, true, &e));
	ok(archive(NULL, "src", 2, false, &e));
	assert_string_equal(current(), "g000001-0000000001");
	ok(generation_promote(&pool, "g000002-0000000002", false, &e));
	ok(generation_promote(&pool, "g000002-0000000002", false, &e));
	assert_string_equal(current(), "g000002-0000000002");
	fails(generation_promote(&pool, "g000003-0000000002", false, &e), ERR_NOT_FOUND);
	fails(generation_promote(&pool, "../src", false, &e), ERR_USAGE);
	assert_string_equal(current(), "g000002-0000000002");
}

static void numbers_never_repeat(void **state)
{
	char name[GENERATION_NAME_SIZE];

	(void)state;
	ok(archive(NULL, "src", 7, true, &e));
	ok(archive(NULL, "src", 8, false, &e));
	ok(generation_remove(&pool, "g000002-0000000008", NULL, &e));
	ok(archive(name, "src", 9, false, &e));
	assert_string_equal(name, "g000003-0000000009");
	/* A pool that was put together by hand has no file of the highest number. */
	assert_int_equal(unlinkat(pool.fd, LIST "/number", 0), 0);
	ok(generation_remove(&pool, name, NULL, &e));
	ok(archive(name, "src", 9, false, &e));
	assert_string_equal(name, "g000004-0000000009");
	/* Nobody guesses it. */
	put_at(LIST "/number", "what?\n");
	fails(archive(name, "src", 9, false, &e), ERR_PROTOCOL);
	assert_non_null(strstr(e.hint, "highest number"));
	assert_string_equal(names_in(pool.fd, LIST),
	        "current g000001-0000000007 g000004-0000000009 lock number ");
	put_at(LIST "/number", "1234567\n");
	ok(archive(name, "src", 9, false, &e));
	assert_string_equal(name, "g1234568-0000000009");
}

static void current_and_in_use_are_not_removed(void **state)
{
	struct generation_hold h;

	(void)state;
	ok(archive(NULL, "src", 1, true, &e));
	ok(archive(NULL, "src", 2, false, &e));
	fails(generation_remove(&pool, "g000001-0000000001", NULL, &e), ERR_CONFLICT);
	fails(generation_remove(&pool, "current", NULL, &e), ERR_CONFLICT);
	fails(generation_remove(&pool, "..", NULL, &e), ERR_USAGE);
	ok(generation_hold(&h, &pool, "g000002-0000000002", NULL, &e));
	fails(generation_remove(&pool, "g000002-0000000002", NULL, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "in use"));
	generation_hold_release(&h);
	ok(generation_remove(&pool, "g000002-0000000002", NULL, &e));
	fails(generation_remove(&pool, "g000002-0000000002", NULL, &e), ERR_NOT_FOUND);
	assert_string_equal(names_in(pool.fd, LIST), "current g000001-0000000001 lock number ");
}

static void one_chain_is_current(void **state)
{
	for (int force = 0; force < 2; force++) {
		AUTO(generation_work) struct generation_work w = GENERATION_WORK_INIT;
		AUTO(manifest) struct manifest m = MANIFEST_INIT;
		int rc;

		(void)state;
		if (!force)
			ok(archive(NULL, "src", 1, true, &e));
		ok(generation_begin(&w, &pool, NULL, &e));
		assert_int_equal(mkdirat(w.fd, "data", 0755), 0);
		fill_manifest(&m, 2);
		memcpy(m.chain_id, CHAIN_B, 65);
		e = ERR_INIT;
		rc = generation_commit(&w, &pool, &m, true, force, &e);
		assert_int_equal(rc, force ? 0 : -1);
		assert_int_equal(e.kind, force ? ERR_NONE : ERR_CONFLICT);
		assert_string_equal(current(), force ? "g000002-0000000002" : "g000001-0000000001");
	}
}

/* A generation of that block and chain, asked to become current; whether it is behind. */
static bool commit_one(unsigned lib, const char *chain)
{
	AUTO(generation_work) struct generation_work w = GENERATION_WORK_INIT;
	AUTO(manifest) struct manifest m = MANIFEST_INIT;

	ok(generation_begin(&w, &pool, NULL, &e));
	assert_int_equal(mkdirat(w.fd, "data", 0755), 0);
	fill_manifest(&m, lib);
	snprintf(m.chain_id, sizeof(m.chain_id), "%s", chain);
	m.is_behind = true;
	ok(generation_commit(&w, &pool, &m, true, false, &e));
	return m.is_behind;
}

static void current_goes_back_only_by_hand(void **state)
{
	static const struct {
		unsigned lib;
		const char *chain;
		bool is_behind;
		const char *current;
	} rows[] = {
		{ 7, CHAIN_A, false, "g000001-0000000007" },
		{ 6, CHAIN_A, true, "g000001-0000000007" },
		{ 7, CHAIN_A, false, "g000003-0000000007" },
		{ 9, CHAIN_A, false, "g000004-0000000009" },
		{ 8, CHAIN_A, true, "g000004-0000000009" },
		{ 2, "", false, "g000006-0000000002" },
		{ 1, CHAIN_B, false, "g000007-0000000001" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (commit_one(rows[i].lib, rows[i].chain) != rows[i].is_behind ||
		        strcmp(current(), rows[i].current) != 0)
			fail_msg("%zu: current is %s", i, current());
	}
	ok(generation_promote(&pool, "g000006-0000000002", false, &e));
	ok(generation_promote(&pool, "g000004-0000000009", false, &e));
	ok(generation_promote(&pool, "g000002-0000000006", false, &e));
	assert_string_equal(current(), "g000002-0000000006");
	fails(generation_promote(&pool, "g000007-0000000001", false, &e), ERR_CONFLICT);
	assert_string_equal(current(), "g000002-0000000006");
	ok(generation_promote(&pool, "g000007-0000000001", true, &e));
	assert_string_equal(current(), "g000007-0000000001");
	/* What cannot be read is good to be replaced. */
	put_at(LIST "/g000007-0000000001/manifest.json", "what?");
	assert_false(commit_one(1, CHAIN_A));
}

/* The manifest is of what is there. */
static void what_is_committed_is_looked_at(void **state)
{
	static const struct {
		const char *what, *path;
		uint64_t size;
		const char *digest;
		enum err_kind kind;
	} cases[] = {
		{ "no digest", "a", 1, "", ERR_USAGE },
		{ "absent", "b", 1, "00112233445566778899aabbccddeeff", ERR_CONFLICT },
		{ "size", "a", 2, "00112233445566778899aabbccddeeff", ERR_CONFLICT },
		{ "link", "l", 1, "00112233445566778899aabbccddeeff", ERR_CONFLICT },
		{ "linked directory", "d/a", 1, "00112233445566778899aabbccddeeff", ERR_CONFLICT },
		{ "up", "../x", 1, "00112233445566778899aabbccddeeff", ERR_CONFLICT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(generation_work) struct generation_work w = GENERATION_WORK_INIT;
		struct tree_file f = { .path = (char *)(uintptr_t)cases[i].path,
			.size = cases[i].size };
		struct manifest m = MANIFEST_INIT;

		snprintf(f.digest, sizeof(f.digest), "%s", cases[i].digest);
		m.files = (struct tree){ .v = &f, .n = 1, .size_bytes = f.size };
		ok(generation_begin(&w, &pool, NULL, &e));
		put(w.fd, "data/a", "a");
		put(w.fd, "x", "a");
		assert_int_equal(symlinkat("a", w.fd, "data/l"), 0);
		assert_int_equal(symlinkat(".", w.fd, "data/d"), 0);
		e = ERR_INIT;
		if (generation_commit(&w, &pool, &m, false, false, &e) == 0 ||
		        e.kind != cases[i].kind)
			fail_msg("%s: %s", cases[i].what, e.msg);
	}
	assert_string_equal(names_in(pool.fd, LIST), "lock ");
}

static void a_bad_current_is_not_followed(void **state)
{
	static const char *const bad[] = { "../src", "/etc", "g1-2", "g000001-0000000001/data",
		"g000001-0000000001/", "g00000000000000000000000000000001-0000000001", ".", "" };
	AUTO(generations) struct generations g = { 0 };
	struct generation_hold h;

	(void)state;
	ok(archive(NULL, "src", 1, true, &e));
	ok(archive(NULL, "src", 2, false, &e));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(unlinkat(pool.fd, LIST "/current", 0), 0);
		if (*bad[i])
			assert_int_equal(symlinkat(bad[i], pool.fd, LIST "/current"), 0);
		else
			put_at(LIST "/current", "g000001-0000000001");
		fails(generation_hold(&h, &pool, "current", NULL, &e), ERR_PROTOCOL);
		/* Which one is in use cannot be told. */
		fails(generation_remove(&pool, "g000001-0000000001", NULL, &e), ERR_PROTOCOL);
		ok(generations_list(&g, &pool, &e));
		assert_int_equal(g.n, 2);
		assert_false(g.v[0].is_current || g.v[1].is_current);
		generations_release(&g);
	}
	ok(generation_promote(&pool, "g000002-0000000002", false, &e));
	assert_string_equal(current(), "g000002-0000000002");
	ok(generation_remove(&pool, "g000001-0000000001", NULL, &e));
	/* One that leads nowhere. */
	assert_int_equal(unlinkat(pool.fd, LIST "/current", 0), 0);
	assert_int_equal(symlinkat("g000001-0000000001", pool.fd, LIST "/current"), 0);
	fails(generation_hold(&h, &pool, "current", NULL, &e), ERR_NOT_FOUND);
	ok(archive(NULL, "src", 3, true, &e));
	assert_string_equal(current(), "g000003-0000000003");
}

static void damaged_ones_are_listed(void **state)
{
	static const char *const names[] = { "g000002-0000000002", "g000003-0000000003",
		"g000004-0000000004", "g000005-0000000005", "g000006-0000000006" };
	AUTO(generations) struct generations g = { 0 };
	struct retention r = { .count = 1 };
	struct generation_hold h;
	int fd;

	(void)state;
	ok(archive(NULL, "src", 1, true, &e));
	put_at(LIST "/g000002-0000000002/manifest.json", "{\"format\":1,");
	put_at(LIST "/g000003-0000000003/manifest.json", "{\"format\":2}");
	put_at(LIST "/g000004-0000000004/data/a", "no manifest");
	put_at(LIST "/g000005-0000000005/manifest.json", "");
	fd = openat(pool.fd, LIST "/g000005-0000000005/manifest.json", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)GENERATION_TEXT_MAX + 1), 0);
	close(fd);
	put_at(LIST "/g000006-0000000006/manifest.json",
	        text_of(pool.fd, LIST "/g000001-0000000001/manifest.json"));
	ok(generations_list(&g, &pool, &e));
	assert_int_equal(g.n, 6);
	assert_int_equal(g.v[0].err.kind, ERR_NONE);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_string_equal(g.v[i + 1].m.name, names[i]);
		assert_int_equal(g.v[i + 1].m.number, i + 2);
		assert_int_equal(g.v[i + 1].err.kind, ERR_PROTOCOL);
		fails(generation_hold(&h, &pool, names[i], NULL, &e), ERR_PROTOCOL);
		fails(generation_promote(&pool, names[i], false, &e), ERR_PROTOCOL);
	}
	ok(generations_prune(&pool, &r, false, NULL, NULL, NULL, &e));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		ok(generation_remove(&pool, names[i], NULL, &e));
	assert_string_equal(names_in(pool.fd, LIST), "current g000001-0000000001 lock number ");
}

struct differences {
	char text[256];
};

static void note(void *arg, const char *path, const char *what)
{
	struct differences *d = arg;
	size_t n = strlen(d->text);

	snprintf(d->text + n, sizeof(d->text) - n, "%s %s;", path, what);
}

static void verify_finds_what_changed(void **state)
{
	const volatile int stop = 1;
	struct differences d = { "" };
	char name[GENERATION_NAME_SIZE], path[128];

	(void)state;
	ok(archive(name, "src", 1, true, &e));
	fails(generation_verify(&pool, "current", NULL, &stop, NULL, NULL, &e), ERR_INTERRUPTED);
	snprintf(path, sizeof(path), LIST "/%s/data/state/shared_memory.bin", name);
	put_at(path, "state/shared_memory.bin at 2");
	snprintf(path, sizeof(path), LIST "/%s/data/blocks/more", name);
	put_at(path, "");
	fails(generation_verify(&pool, "current", NULL, NULL, note, &d, &e), ERR_UNHEALTHY);
	assert_string_equal(d.text, "blocks/more unexpected;state/shared_memory.bin digest;");
	assert_non_null(strstr(e.msg, "2 of 3 files differ"));
	assert_non_null(strstr(e.msg, "'blocks/more'"));
}

/* --- the dead and the living ------------------------------------------------------- */

static void leftovers_of_the_dead_go(void **state)
{
	AUTO(generation_work) struct generation_work w = GENERATION_WORK_INIT;

	(void)state;
	ok(generation_begin(&w, &pool, NULL, &e));
	put(w.fd, "data/a", "mine");
	put_at(LIST "/.tmp-0123456789abcdef/data/blocks/blocks.log", "dead");
	put_at(LIST "/.number.tmp-4242", "17");
	put_at(LIST "/.current.tmp", "");
	ok(archive(NULL, "src", 1, true, &e));
	assert_true(is_path(w.fd, "data/a"));
	assert_true(is_path(w.list_fd, w.tmp));
	assert_false(is_path(pool.fd, LIST "/.tmp-0123456789abcdef"));
	assert_false(is_path(pool.fd, LIST "/.number.tmp-4242"));
	generation_work_release(&w);
	assert_string_equal(names_in(pool.fd, LIST), "current g000001-0000000001 lock number ");
	generation_work_release(&w);
}

/* Also one that is deeper than any walk goes. */
static void what_is_left_goes_next(void **state)
{
	static const volatile int cancel = 1;
	char deep[512] = LIST "/g000002-0000000002/data";

	(void)state;
	ok(archive(NULL, "src", 1, true, &e));
	ok(archive(NULL, "src", 2, false, &e));
	ok(archive(NULL, "src", 3, false, &e));
	for (int i = 0; i < 80; i++)
		strcat(deep, "/d");
	put_at(strcat(deep, "/x"), "");
	fails(generation_remove(&pool, "g000003-0000000003", &cancel, &e), ERR_INTERRUPTED);
	assert_false(is_path(pool.fd, LIST "/g000003-0000000003"));
	assert_non_null(strstr(names_in(pool.fd, LIST), ".tmp-"));
	ok(generation_remove(&pool, "g000002-0000000002", NULL, &e));
	assert_string_equal(names_in(pool.fd, LIST), "current g000001-0000000001 lock number ");
}

static void waits_end_when_told_to(void **state)
{
	static const volatile int cancel = 1;
	struct generation_work w;
	struct generation_hold h;
	int lock, dir;

	(void)state;
	ok(archive(NULL, "src", 1, true, &e));
	dir = openat(pool.fd, LIST "/g000001-0000000001", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(dir, LOCK_EX), 0);
	fails(generation_hold(&h, &pool, "current", &cancel, &e), ERR_INTERRUPTED);
	close(dir);
	ok(generation_hold(&h, &pool, "current", &cancel, &e));
	generation_hold_release(&h);
	lock = openat(pool.fd, LIST "/lock", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	fails(generation_begin(&w, &pool, &cancel, &e), ERR_INTERRUPTED);
	fails(generation_remove(&pool, "g000001-0000000001", &cancel, &e), ERR_INTERRUPTED);
	close(lock);
	ok(generation_begin(&w, &pool, &cancel, &e));
	generation_work_release(&w);
}

/* Somebody looks at the new directory for an instant, without the lock. */
static void who_only_looks_is_waited_for(void **state)
{
	struct generation_work w;
	int last = 0;

	(void)state;
	do {
		e = ERR_INIT;
		trip_set(++last, ENOSPC);
		if (generation_begin(&w, &pool, NULL, &e) == 0)
			generation_work_release(&w);
	} while (trip_was_reached() && e.kind != ERR_NONE && !strstr(e.msg, "lock directory"));
	assert_non_null(strstr(e.msg, "lock directory"));
	trip_set(last, EWOULDBLOCK);
	ok(generation_begin(&w, &pool, NULL, &e));
	assert_true(trip_was_reached());
	trip_set(0, 0);
	generation_work_release(&w);
}

struct gone {
	char text[512];
};

static void on_gone(void *arg, const struct generation *g, const struct err *why)
{
	struct gone *t = arg;
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%llu%s ", (unsigned long long)g->m.number,
	        why ? "!" : "");
}

static void prune_removes_what_the_plan_says(void **state)
{
	struct retention r = { .count = 2 };
	struct gone t = { "" };
	struct generation_hold h;

	(void)state;
	for (unsigned i = 1; i <= 6; i++)
		ok(archive(NULL, "src", i, i == 2, &e));
	ok(generation_hold(&h, &pool, "g000003-0000000003", NULL, &e));
	ok(generations_prune(&pool, &r, true, NULL, on_gone, &t, &e));
	assert_string_equal(t.text, "1 4 ");
	t.text[0] = '\0';
	ok(generations_prune(&pool, &r, false, NULL, on_gone, &t, &e));
	assert_string_equal(t.text, "1 4 ");
	assert_string_equal(names_in(pool.fd, LIST),
	        "current g000002-0000000002 g000003-0000000003 g000005-0000000005 "
	        "g000006-0000000006 lock number ");
	generation_hold_release(&h);
}

static void remove_first(void)
{
	struct err why = ERR_INIT;

	assert_int_equal(generation_remove(&pool, "g000001-0000000001", NULL, &why), 0);
}

static void promote_second(void)
{
	struct err why = ERR_INIT;

	assert_int_equal(generation_promote(&pool, "g000002-0000000002", false, &why), 0);
	remove_first();
}

/* It was opened, and is gone before it is locked. */
static void what_is_gone_is_not_held(void **state)
{
	struct generation_hold h;

	(void)state;
	ok(archive(NULL, "src", 1, false, &e));
	trip_in_gap = remove_first;
	fails(generation_hold(&h, &pool, "g000001-0000000001", NULL, &e), ERR_NOT_FOUND);
}

static void current_is_followed_to_the_next(void **state)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;

	(void)state;
	ok(archive(NULL, "src", 1, true, &e));
	ok(archive(NULL, "src", 2, false, &e));
	trip_in_gap = promote_second;
	ok(generation_hold(&h, &pool, "current", NULL, &e));
	assert_string_equal(h.m.name, "g000002-0000000002");
}

/* --- at once --------------------------------------------------------------------- */

#define ROUNDS 12

struct racer {
	pthread_t thread;
	int (*fn)(struct err *);
	unsigned done;
	struct err e;
};

static int race_archive(struct err *why)
{
	return archive(NULL, "src", 5, true, why);
}

/* Whoever reads finds `current` whole, whatever the others do. */
static int race_verify(struct err *why)
{
	return generation_verify(&pool, "current", NULL, NULL, NULL, NULL, why);
}

static int race_prune(struct err *why)
{
	struct retention r = { .count = 1 };

	return generations_prune(&pool, &r, false, NULL, NULL, NULL, why);
}

static int race_promote(struct err *why)
{
	AUTO(generations) struct generations g = { 0 };

	if (generations_list(&g, &pool, why) < 0)
		return -1;
	for (size_t i = 0; i < g.n; i++)
		if (g.v[i].err.kind != ERR_NONE) {
			*why = g.v[i].err;
			return -1;
		}
	if (g.n && generation_promote(&pool, g.v[0].m.name, false, why) < 0) {
		if (why->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(why);
	}
	return 0;
}

static void *race(void *arg)
{
	struct racer *r = arg;

	r->e = ERR_INIT;
	while (r->done < ROUNDS && r->fn(&r->e) == 0)
		r->done++;
	return NULL;
}

static void everything_at_once(void **state)
{
	struct racer r[] = { { .fn = race_archive }, { .fn = race_archive }, { .fn = race_verify },
		{ .fn = race_verify }, { .fn = race_prune }, { .fn = race_prune },
		{ .fn = race_promote } };
	AUTO(generations) struct generations g = { 0 };

	(void)state;
	ok(archive(NULL, "src", 5, true, &e));
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		assert_int_equal(pthread_create(&r[i].thread, NULL, race, &r[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		assert_int_equal(pthread_join(r[i].thread, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		if (r[i].done != ROUNDS)
			fail_msg("racer %zu: %s", i, r[i].e.msg);
	ok(archive(NULL, "src", 5, true, &e));
	ok(generations_list(&g, &pool, &e));
	assert_int_equal(g.v[g.n - 1].m.number, 2 * ROUNDS + 2);
	assert_null(strstr(names_in(pool.fd, LIST), "tmp"));
}

/* --- what a power loss leaves ------------------------------------------------------- */

static void synced_before_it_has_its_name(void **state)
{
	AUTO(generation_work) struct generation_work w = GENERATION_WORK_INIT;
	AUTO(manifest) struct manifest m = MANIFEST_INIT;

	(void)state;
	ok(generation_begin(&w, &pool, NULL, &e));
	put(w.fd, "data/.keep", "");
	fill_manifest(&m, 7);
	log_calls();
	ok(generation_commit(&w, &pool, &m, true, false, &e));
	expect_calls("sync generations/.number.tmp-*\n"
	             "name generations/number\n"
	             "sync generations\n"
	             "sync generations/.tmp-*/.manifest.json.tmp-*\n"
	             "name generations/.tmp-*/manifest.json\n"
	             "sync generations/.tmp-*\n"
	             "sync generations/.tmp-*\n"
	             "name generations/g000001-0000000007\n"
	             "sync generations\n"
	             "name generations/current\n"
	             "sync generations\n");
}

static void off_the_list_before_it_is_deleted(void **state)
{
	(void)state;
	ok(archive(NULL, "src", 1, true, &e));
	ok(archive(NULL, "src", 2, true, &e));
	put_at(LIST "/.tmp-00/dead", "");
	log_calls();
	ok(generation_promote(&pool, "g000001-0000000001", false, &e));
	/* The dead are deleted behind it, and only after their names are synced. */
	expect_calls("sync generations\n"
	             "name generations/current\n"
	             "sync generations\n"
	             "drop generations/.tmp-*/dead\n"
	             "drop generations/.tmp-*\n");
	log_calls();
	ok(generation_remove(&pool, "g000002-0000000002", NULL, &e));
	trip_log[strlen("sync generations/.number.tmp-*\nname generations/number\n"
	                "sync generations\nname generations/.tmp-*\nsync generations\ndrop ")] =
	        '\0';
	expect_calls("sync generations/.number.tmp-*\n"
	             "name generations/number\n"
	             "sync generations\n"
	             "name generations/.tmp-*\n"
	             "sync generations\n"
	             "drop ");
}

/* --- killed, and failing, at each call ------------------------------------------------ */

enum what {
	WHAT_ARCHIVE,
	WHAT_ARCHIVE_ONLY,
	WHAT_PROMOTE,
	WHAT_REMOVE,
	WHAT_PRUNE,
	WHAT_COUNT,
};

static const char *const what_names[] = { "archive", "archive without promote", "promote", "remove",
	"prune" };

static int run(enum what what)
{
	struct retention r = { .count = 1 };
	struct err why = ERR_INIT;
	int rc = -1;

	switch (what) {
	case WHAT_ARCHIVE:
	case WHAT_ARCHIVE_ONLY:
		rc = archive(NULL, "src", 4, what == WHAT_ARCHIVE, &why);
		break;
	case WHAT_PROMOTE:
		rc = generation_promote(&pool, "g000003-0000000003", false, &why);
		break;
	case WHAT_REMOVE:
		rc = generation_remove(&pool, "g000001-0000000001", NULL, &why);
		break;
	case WHAT_PRUNE:
		rc = generations_prune(&pool, &r, false, NULL, NULL, NULL, &why);
		break;
	case WHAT_COUNT:
		break;
	}
	e = why;
	return rc;
}

/* Three of them, the second is current. */
static void make_three(void)
{
	for (unsigned i = 1; i <= 3; i++)
		ok(archive(NULL, "src", i, i == 2, &e));
}

/* Whatever is listed is whole, and there is what `current` says. */
static void expect_whole(enum what what, int at)
{
	AUTO(generations) struct generations g = { 0 };
	bool has_current = false;

	ok(generations_list(&g, &pool, &e));
	for (size_t i = 0; i < g.n; i++) {
		struct err why = g.v[i].err;

		if (why.kind != ERR_NONE ||
		        generation_verify(&pool, g.v[i].m.name, NULL, NULL, NULL, NULL, &why) < 0)
			fail_msg("%s, call %d: '%s': %s", what_names[what], at, g.v[i].m.name,
			        why.msg);
		has_current |= g.v[i].is_current;
	}
	if (!has_current)
		fail_msg("%s, call %d: current is '%s'", what_names[what], at, current());
	if (strcmp(current(), "g000002-0000000002") != 0 &&
	        !(what == WHAT_PROMOTE && strcmp(current(), "g000003-0000000003") == 0) &&
	        !(what == WHAT_ARCHIVE && strcmp(current(), "g000004-0000000004") == 0))
		fail_msg("%s, call %d: current is '%s'", what_names[what], at, current());
}

/* The next one works, has a new number, and nothing else is left. */
static void expect_next(enum what what, int at)
{
	char name[GENERATION_NAME_SIZE], before[8192];
	uint64_t number = 0;

	snprintf(before, sizeof(before), "%s", names_in(pool.fd, LIST));
	ok(archive(name, "src", 9, true, &e));
	assert_true(generation_name_is(name, &number));
	if (number < 4 || (strstr(before, "g000004") && number < 5))
		fail_msg("%s, call %d: '%s' after %s", what_names[what], at, name, before);
	if (strstr(names_in(pool.fd, LIST), "tmp"))
		fail_msg("%s, call %d: left: %s", what_names[what], at, names_in(pool.fd, LIST));
}

static void anew(void)
{
	trip_set(0, 0);
	fixture_teardown(NULL);
	assert_int_equal(setup(NULL), 0);
	make_three();
}

static void killed_at_each_call(void **state)
{
	(void)state;
	for (enum what what = 0; what < WHAT_COUNT; what++) {
		int status = TRIP_KILLED << 8;

		for (int at = 1; WEXITSTATUS(status) == TRIP_KILLED; at++) {
			pid_t pid;

			anew();
			pid = fork();
			if (pid == 0) {
				trip_set(at, 0);
				_exit(run(what) < 0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFEXITED(status));
			expect_whole(what, at);
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
				char before[8192], after[8192];
				int rc;

				anew();
				snprintf(before, sizeof(before), "%s", names_in(pool.fd, LIST));
				trip_set(at, errnos[n]);
				rc = run(what);
				was_reached = trip_was_reached();
				trip_set(0, 0);
				if (rc < 0 && !strstr(e.msg, strerror(errnos[n])))
					fail_msg("%s, call %d: '%s' does not say why",
					        what_names[what], at, e.msg);
				snprintf(after, sizeof(after), "%s", names_in(pool.fd, LIST));
				/* What is said not to have happened has left nothing. */
				if (rc < 0 && what <= WHAT_PROMOTE && !strstr(e.msg, "is there") &&
				        strcmp(before, after) != 0)
					fail_msg("%s, call %d: %s: left %s", what_names[what], at,
					        e.msg, after);
				expect_whole(what, at);
				expect_next(what, at);
			}
		}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_there_is_no_error),
		TEST(one_is_made_and_read),
		TEST(without_promote_current_stays),
		TEST(numbers_never_repeat),
		TEST(current_and_in_use_are_not_removed),
		TEST(one_chain_is_current),
		TEST(current_goes_back_only_by_hand),
		TEST(what_is_committed_is_looked_at),
		TEST(a_bad_current_is_not_followed),
		TEST(damaged_ones_are_listed),
		TEST(verify_finds_what_changed),
		TEST(leftovers_of_the_dead_go),
		TEST(what_is_left_goes_next),
		TEST(waits_end_when_told_to),
		TEST(who_only_looks_is_waited_for),
		TEST(prune_removes_what_the_plan_says),
		TEST(what_is_gone_is_not_held),
		TEST(current_is_followed_to_the_next),
		TEST(everything_at_once),
		TEST(synced_before_it_has_its_name),
		TEST(off_the_list_before_it_is_deleted),
		TEST(killed_at_each_call),
		TEST(failing_at_each_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
