/* What is not cloned, and what is left then: nothing. */

#include "unit/test.h"

#include "unit/data/clone_scene.h"

static void targets_and_sources_are_checked(void **state)
{
	struct clone_report r;
	struct err e = ERR_INIT;

	(void)state;
	make_source();
	in_dir("mkdir dst && echo mine >dst/file");
	assert_int_equal(clone_tree(dfd, "src", dfd, "dst", NULL, &r, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_string_equal(e.msg, "'dst' exists already");
	assert_true(exists("dst/file"));
	in_dir("rm -r dst; ln -s src other");
	err_clear(&e);
	assert_int_equal(clone_tree(dfd, "other", dfd, "dst", NULL, &r, &e), -1);
	err_clear(&e);
	assert_int_equal(clone_tree(dfd, "nothing", dfd, "dst", NULL, &r, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	err_clear(&e);
	assert_int_equal(clone_tree(dfd, "src", dfd, "nothing/dst", NULL, &r, &e), -1);
	assert_false(exists("dst"));
	in_dir("ln -s /tmp dst");
	err_clear(&e);
	assert_int_equal(clone_tree(dfd, "src", dfd, "dst", NULL, &r, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	in_dir("rm dst; echo >$(printf 'src/\\377')");
	expect_no_clone(NULL, ERR_USAGE, "not UTF-8");
}

static void links_of_a_data_dir(void **state)
{
	static const struct {
		const char *text, *path;
		bool is_plain; /* a tree without state/ and blocks/ */
		const char *why;
	} rows[] = {
		{ "blocks.log", "src/blocks/other", false, "'blocks/other' is a symbolic link" },
		{ "10", "src/blocks/retained/x", false, "'blocks/retained/x' is a symbolic link" },
		{ "x", "src/state/x", false, "'state/x' is a symbolic link to 'x'" },
		{ "/srv", "src/snapshots/x", false, "link to '/srv'" },
		{ "../x", "src/y", false, "link to '../x'" },
		{ "a/../x", "src/y", false, "link to 'a/../x'" },
		{ "a/..", "src/y", false, "link to 'a/..'" },
		{ "..", "src/y", false, "link to '..'" },
		{ "..a/x..", "src/y", false, NULL },
		{ "a//b/...", "src/y", false, NULL },
		{ "/srv", "src/y", true, NULL },
		{ "../../x", "src/y", true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *cmd = str_fmt("ln -s %s %s", rows[i].text, rows[i].path);
		struct clone_report r;

		if (rows[i].is_plain)
			in_dir("mkdir src");
		else
			make_source();
		in_dir(cmd);
		if (rows[i].why)
			expect_no_clone(NULL, ERR_CONFLICT, rows[i].why);
		else
			expect_clone(&r, NULL);
		in_dir("rm -rf src dst");
	}
	/* The directories themselves. */
	in_dir("mkdir src; ln -s elsewhere src/blocks");
	expect_no_clone(NULL, ERR_CONFLICT, "'blocks' is a symbolic link");
}

/* A generation without its state would be taken for a whole one. */
static void a_mount_below_is_refused(void **state)
{
	static const char *const names[] = { "state", "blocks.log", "empty" };
	struct clone_report r;

	(void)state;
	make_source();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		mounted = names[i];
		expect_no_clone(NULL, ERR_CONFLICT, "is another file system");
	}
	mounted = "finalizers";
	expect_clone(&r, NULL);
}

static void vanish(void);

static void vanish_dir(void)
{
	in_dir("rmdir src/empty");
}

/* What a nodeos need not be stopped for; it goes on writing. */
static void a_source_in_use_is_checked(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	make_source();
	assert_int_equal(clone_check(dfd, "src", &e), 0);
	meanwhile = vanish;
	meanwhile_at = "retained";
	assert_int_equal(clone_check(dfd, "src", &e), 0);
	assert_false(exists("src/blocks/blocks.log"));
	meanwhile = vanish_dir;
	meanwhile_at = "empty";
	assert_int_equal(clone_check(dfd, "src", &e), 0);
	assert_false(exists("src/empty"));
	mounted = "state";
	assert_int_equal(clone_check(dfd, "src", &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	mounted = NULL;
	err_clear(&e);
	in_dir("ln -s /srv src/snapshots/x");
	assert_int_equal(clone_check(dfd, "src", &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	err_clear(&e);
	in_dir("rm src/snapshots/x; mkdir -p src/$(seq -s/ 1 25)");
	assert_int_equal(clone_check(dfd, "src", &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_null(meanwhile);
}

static void grow(void)
{
	in_dir("echo more >>src/blocks/blocks.log");
}
static void touch(void)
{
	in_dir("touch src/blocks/blocks.log");
}
static void replace_by_fifo(void)
{
	in_dir("rm src/blocks/blocks.log; mkfifo src/blocks/blocks.log");
}
static void replace_by_link(void)
{
	in_dir("rm src/blocks/blocks.log; ln -s /etc/passwd src/blocks/blocks.log");
}
static void replace_by_same(void)
{
	in_dir("cp -p src/blocks/blocks.log x; mv x src/blocks/blocks.log");
}
static void vanish(void)
{
	in_dir("rm src/blocks/blocks.log");
}
static void swap_dir(void)
{
	in_dir("mv src/blocks old; ln -s /etc src/blocks");
}
static void swap_dir_by_dir(void)
{
	in_dir("mv src/blocks old; cp -a old src/blocks");
}
static void add_name(void)
{
	in_dir("echo >src/blocks/new");
}

static void source_that_changes_is_a_conflict(void **state)
{
	static const struct {
		const char *name, *at;
		void (*fn)(void);
	} rows[] = {
		{ "grows", "blocks.log", grow },
		{ "is touched", "blocks.log", touch },
		{ "becomes a pipe", "blocks.log", replace_by_fifo },
		{ "becomes a link", "blocks.log", replace_by_link },
		{ "is replaced", "blocks.log", replace_by_same },
		{ "vanishes", "blocks.log", vanish },
		{ "is touched while others are copied", "fork_db.dat", touch },
		{ "directory becomes a link", "dst", swap_dir },
		{ "directory is replaced", "dst", swap_dir_by_dir },
		{ "a name is added", "fork_db.dat", add_name },
	};

	(void)state;
	leave();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct clone_options o = { .threads = 1 };
		struct clone_report r;
		struct err e = ERR_INIT;

		enter(BASES[0]);
		make_source();
		meanwhile = rows[i].fn;
		meanwhile_at = rows[i].at;
		if (clone_tree(dfd, "src", dfd, "dst", &o, &r, &e) != -1)
			fail_msg("%s: was cloned", rows[i].name);
		if (rows[i].fn != swap_dir && e.kind != ERR_CONFLICT)
			fail_msg("%s: %s", rows[i].name, e.msg);
		assert_null(meanwhile);
		assert_false(exists("dst"));
		leave();
	}
	enter(BASES[0]);
}

static void verification(void **state)
{
	struct clone_progress p = { 0 };
	struct clone_options o = { .verify = true, .progress = &p };
	struct clone_report r;

	(void)state;
	make_source();
	fake_reflink = true;
	expect_clone(&r, &o);
	assert_true(r.is_verified);
	assert_int_equal(p.bytes_done, p.bytes_total);
	assert_int_equal(p.files_done, 21);
	in_dir("rm -r dst");
	spoil = true;
	expect_no_clone(&o, ERR_UNHEALTHY, "files differ, the first: 'blocks/blocks.log' (digest)");
}

static void no_room(void **state)
{
	(void)state;
	make_source();
	ficlone_errno = EOPNOTSUPP;
	room = 65536;
	expect_no_clone(NULL, ERR_SYSTEM, "needs 3");
	expect_no_clone(NULL, ERR_SYSTEM, "64.0 KiB are free");
	ficlone_errno = 0;
	fake_reflink = true;
	struct clone_report r;
	expect_clone(&r, NULL);
}

/* Split logs may be most of a data-dir, and take room where they cannot be linked. */
static void no_room_for_what_cannot_be_linked(void **state)
{
	static const int errnums[] = { EXDEV, EPERM };
	const struct clone_options one = { .threads = 1 };
	struct clone_report r;

	(void)state;
	make_source();
	put("src/blocks/retained/blocks-11-20.log", 30000000, 0, 30000000);
	ficlone_errno = EOPNOTSUPP;
	room = 10000000;
	expect_clone(&r, NULL);
	in_dir("rm -r dst");
	for (size_t i = 0; i < ARRAY_LEN(errnums); i++) {
		link_errno = errnums[i];
		expect_no_clone(NULL, ERR_SYSTEM, "a copy needs 2");
	}
	/* What is copied already is not needed once more. */
	put("src/snapshots/large", 40000000, 0, 40000000);
	room = 45000000;
	expect_clone(&r, &one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(targets_and_sources_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(links_of_a_data_dir, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mount_below_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_source_in_use_is_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(source_that_changes_is_a_conflict, setup, teardown),
		cmocka_unit_test_setup_teardown(verification, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_for_what_cannot_be_linked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
