/* What a clone is, whichever way it is made. */

#include "unit/test.h"

#include "unit/data/clone_scene.h"

/* --- names ------------------------------------------------------------------------ */

static void private_names(void **state)
{
	static const struct {
		const char *path;
		bool is_private;
	} rows[] = {
		{ "finalizers", true },
		{ "finalizers/safety.dat", true },
		{ "data/finalizers/x", true },
		{ "data/finalizers", true },
		{ "safety.dat", true },
		{ "snapshots/.pending-snapshot-00ab.bin", true },
		{ "snapshots/.incomplete-snapshot-00ab.bin", true },
		{ "node.key", true },
		{ "x/tls.pem", true },
		{ "default.wallet", true },
		{ "finalizers2", false },
		{ "my-finalizers/x", false },
		{ "snapshots/snapshot-00ab.bin", false },
		{ "state/shared_memory.bin", false },
		{ "blocks/reversible/fork_db.dat", false },
		{ "keys", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (clone_is_private(rows[i].path) != rows[i].is_private)
			fail_msg("'%s'", rows[i].path);
}

/* Else a generation would hand it on to every slot. */
static void second_copy_is_left(void **state)
{
	const struct clone_options o = { .threads = 1 };
	struct clone_report r;

	(void)state;
	make_source();
	in_dir("mkdir src/blocks-2026-11-20T10:22:41.668 src/blocks-of-mine");
	put("src/blocks-2026-11-20T10:22:41.668/blocks.log", 10, 0, 10);
	expect_clone(&r, &o);
	assert_false(exists("dst/blocks-2026-11-20T10:22:41.668"));
	assert_true(exists("dst/blocks-of-mine"));
}

static void constant_names(void **state)
{
	static const struct {
		const char *name;
		bool is_constant;
	} rows[] = {
		{ "blocks-1-10.log", true },
		{ "blocks-1-10.index", true },
		{ "blocks-4000000001-4000001000.log", true },
		{ "blocks.log", false },
		{ "blocks.index", false },
		{ "blocks-1-10.log.tmp", false },
		{ "blocks-1-10", false },
		{ "blocks-1.log", false },
		{ "blocks--10.log", false },
		{ "blocks-1-.log", false },
		{ "blocks-a-10.log", false },
		{ "blocks-1-10-20.log", false },
		{ "xblocks-1-10.log", false },
		{ "blocks-12345678901-2.log", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (clone_is_constant(rows[i].name) != rows[i].is_constant)
			fail_msg("'%s'", rows[i].name);
}

/* --- whole trees, each way ------------------------------------------------------------ */

static const struct way {
	const char *name;
	bool reflink;
	int ficlone, range, link; /* errors */
	bool no_reflink, no_link;
	const char *why;
	unsigned files[CLONE_HOW_COUNT];
} WAYS[] = {
	{ "reflink", .reflink = true, .files = { 7, 0, 0, 0 } },
	{ "link and range", .ficlone = EOPNOTSUPP, .files = { 0, 2, 5, 0 }, .why = "cannot share" },
	{ "other mount", .ficlone = EXDEV, .link = EXDEV, .range = EXDEV, .files = { 0, 0, 0, 7 },
	        .why = "different mounts" },
	{ "old", .ficlone = ENOTTY, .range = ENOSYS, .files = { 0, 2, 0, 5 },
	        .why = "cannot share" },
	{ "each", .ficlone = EINVAL, .range = EINVAL, .files = { 0, 2, 0, 5 }, .why = "Invalid" },
	{ "protected", .ficlone = EOPNOTSUPP, .link = EPERM, .files = { 0, 0, 7, 0 },
	        .why = "cannot share" },
	{ "many links", .ficlone = EOPNOTSUPP, .link = EMLINK, .files = { 0, 0, 7, 0 },
	        .why = "cannot share" },
	{ "no links wanted", .ficlone = EOPNOTSUPP, .no_link = true, .files = { 0, 0, 7, 0 },
	        .why = "cannot share" },
	{ "independent", .reflink = true, .no_reflink = true, .no_link = true,
	        .files = { 0, 0, 0, 7 }, .why = "was asked for" },
};

static void set_way(const struct way *w, struct clone_options *o)
{
	fake_reflink = w->reflink;
	ficlone_errno = w->ficlone;
	range_errno = w->range;
	link_errno = w->link;
	o->no_reflink = w->no_reflink;
	o->no_link = w->no_link;
}

static void expect_report(
        const struct way *w, const struct clone_report *r, const struct clone_progress *p)
{
	uint64_t bytes = 0;

	for (int how = 0; how < CLONE_HOW_COUNT; how++) {
		if (r->by[how].files != w->files[how])
			fail_msg("%s: %d files by way %d", w->name, (int)r->by[how].files, how);
		bytes += r->by[how].bytes;
	}
	if (w->why ? !strstr(r->why, w->why) : r->why[0] != '\0')
		fail_msg("%s: why '%s'", w->name, r->why);
	assert_int_equal(r->files, 7);
	assert_int_equal(r->dirs, 7);
	assert_int_equal(r->links, 2);
	assert_int_equal(r->left_private, 2);
	assert_int_equal(r->left_odd, 1);
	assert_int_equal(r->apparent_bytes, 40406465);
	assert_true(bytes >= 476466 && bytes < 700000);
	assert_int_equal(p->files_done, 7);
	assert_int_equal(p->files_total, 7);
	assert_int_equal(p->bytes_done, p->bytes_total);
	assert_true(p->bytes_total >= 400000 && p->bytes_total < 700000);
}

static void expect_sparse(const char *name)
{
	struct stat a, b;

	assert_int_equal(fstatat(dfd, "src/state/shared_memory.bin", &a, 0), 0);
	assert_int_equal(fstatat(dfd, "dst/state/shared_memory.bin", &b, 0), 0);
	if (b.st_blocks > a.st_blocks)
		fail_msg("%s: %ld blocks became %ld", name, (long)a.st_blocks, (long)b.st_blocks);
}

static void each_way_makes_the_same_tree(void **state)
{
	(void)state;
	leave();
	for (size_t i = 0; i < ARRAY_LEN(WAYS) * ARRAY_LEN(BASES); i++) {
		const struct way *w = &WAYS[i / 2];
		struct clone_progress p = { 0 };
		struct clone_options o = { .threads = i % 3 ? 4 : 1, .progress = &p };
		struct clone_report r;

		enter(BASES[i & 1]);
		make_source();
		set_way(w, &o);
		expect_clone(&r, &o);
		expect_report(w, &r, &p);
		expect_same("src", "dst");
		expect_sparse(w->name);
		leave();
	}
	enter(BASES[0]);
}

/* A link is the source's file: nothing is set on it. */
static void linked_files_are_left_alone(void **state)
{
	struct clone_report r;
	struct stat a, b;

	(void)state;
	ficlone_errno = EOPNOTSUPP;
	make_source();
	in_dir("chmod 600 src/blocks/retained/*; touch -d '2001-02-03' src/blocks/retained/*");
	assert_int_equal(fstatat(dfd, "src/blocks/retained/blocks-1-10.log", &a, 0), 0);
	expect_clone(&r, NULL);
	assert_int_equal(fstatat(dfd, "dst/blocks/retained/blocks-1-10.log", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_mode, b.st_mode);
	assert_int_equal(a.st_mtime, b.st_mtime);
	assert_int_equal(b.st_nlink, 2);
}

static void expect_owner(const char *path, uid_t uid, gid_t gid, mode_t mode, nlink_t links)
{
	struct stat st;

	assert_int_equal(fstatat(dfd, path, &st, 0), 0);
	if (st.st_uid != uid || st.st_gid != gid || (st.st_mode & 07777) != mode ||
	        st.st_nlink != links)
		fail_msg("'%s': %u:%u %o, %u names", path, st.st_uid, st.st_gid, st.st_mode & 07777,
		        (unsigned)st.st_nlink);
}

/* Of a slot: what a generation shares with it nobody but root can write to. */
static void linked_files_are_protected(void **state)
{
	const struct clone_options o = { .protect_links = true };
	struct clone_report r;

	(void)state;
	if (geteuid() != 0) {
		print_message("not root, skipped\n");
		return;
	}
	ficlone_errno = EOPNOTSUPP;
	make_source();
	in_dir("chown -R 7077:7077 src; cd src/blocks/retained; for i in 2 3 4; do "
	       "cp -p blocks-1-10.log blocks-$i-$i.log; done; chown 1000 blocks-2-2.log; "
	       "ln blocks-3-3.log ../../other; chown 0:0 blocks-4-4.log");
	expect_clone(&r, &o);
	assert_int_equal(r.by[CLONE_LINK].files, 3);
	expect_owner("src/blocks/retained/blocks-1-10.log", 0, 7077, 0440, 2);
	expect_owner("src/blocks/retained/blocks-1-10.index", 0, 7077, 0440, 2);
	expect_owner("dst/blocks/retained/blocks-4-4.log", 0, 7077, 0440, 2);
	/* Another's, and one with another name that nobody knows, are copied and left alone. */
	expect_owner("src/blocks/retained/blocks-2-2.log", 1000, 7077, 0644, 1);
	expect_owner("dst/blocks/retained/blocks-2-2.log", 1000, 7077, 0644, 1);
	expect_owner("src/blocks/retained/blocks-3-3.log", 7077, 7077, 0644, 2);
	expect_owner("dst/blocks/retained/blocks-3-3.log", 7077, 7077, 0644, 1);
	expect_owner("src/blocks/blocks.log", 7077, 7077, 0644, 1);
	/* The next clone links what is protected already. */
	in_dir("mv src old; mv dst src");
	expect_clone(&r, &o);
	expect_owner("dst/blocks/retained/blocks-1-10.log", 0, 7077, 0440, 3);
}

static void shapes_of_files(void **state)
{
	static const struct {
		off_t size, at;
		size_t n;
	} rows[] = {
		{ 0, 0, 0 },
		{ 1, 0, 1 },
		{ 4097, 0, 0 },
		{ 1000000, 0, 1000 },
		{ 1000000, 999999, 1 },
		{ 1000000, 500001, 7 },
		{ 65536, 65535, 1 },
		{ 65537, 65536, 1 },
		{ 3000000, 0, 3000000 },
		{ 1LL << 40, 1LL << 39, 5000 },
		{ 1LL << 40, 0, 0 },
	};

	(void)state;
	leave();
	for (size_t w = 0; w < ARRAY_LEN(WAYS); w++) {
		struct clone_options o = { .verify = true };
		struct clone_report r;

		enter(BASES[w & 1]);
		in_dir("mkdir src");
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			char name[32];

			(void)snprintf(name, sizeof(name), "src/f%zu", i);
			put(name, rows[i].size, rows[i].at, rows[i].n);
		}
		set_way(&WAYS[w], &o);
		expect_clone(&r, &o);
		assert_true(r.is_verified);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			char a[32], b[32];
			AUTO(close_fd) int fd = -1;
			struct stat sa, sb;
			char byte = 0;

			(void)snprintf(a, sizeof(a), "src/f%zu", i);
			(void)snprintf(b, sizeof(b), "dst/f%zu", i);
			assert_int_equal(fstatat(dfd, a, &sa, 0), 0);
			assert_int_equal(fstatat(dfd, b, &sb, 0), 0);
			assert_int_equal(sa.st_size, sb.st_size);
			if (sb.st_blocks > sa.st_blocks)
				fail_msg("%s, %s: more space", WAYS[w].name, a);
			fd = openat(dfd, b, O_RDONLY | O_CLOEXEC);
			if (rows[i].n) {
				assert_int_equal(pread(fd, &byte, 1, rows[i].at), 1);
				assert_int_equal((unsigned char)byte, 1 + rows[i].at % 251);
			}
		}
		leave();
	}
	enter(BASES[0]);
}

static void modes_and_attributes(void **state)
{
	struct clone_report r;
	char value[16];
	struct stat st;
	bool has_xattr;

	(void)state;
	in_dir("mkdir src src/d && echo a >src/a && echo b >src/b && chmod 4755 src/a && "
	       "chmod 0400 src/b && chmod 3770 src/d && touch -d '1999-01-01' src/d");
	has_xattr = mark("src/a");
	if (geteuid() == 0)
		in_dir("chown 7077:7077 src/b src/d src");
	(void)umask(077);
	expect_clone(&r, NULL);
	(void)umask(022);
	assert_int_equal(fstatat(dfd, "dst/a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(fstatat(dfd, "dst/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 7077);
	assert_int_equal(fstatat(dfd, "dst/d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0770);
	assert_int_equal(st.st_mtime, 915148800);
	if (has_xattr) {
		AUTO(free) char *a = str_fmt("%s/dst/a", dir);

		assert_int_equal(getxattr(a, "user.note", value, sizeof(value)), 4);
		assert_memory_equal(value, "text", 4);
	}
}

static void attributes_that_cannot_be_set(void **state)
{
	struct clone_report r;

	(void)state;
	in_dir("mkdir src && echo a >src/a");
	if (!mark("src/a"))
		skip();
	for (int i = 0; i < 2; i++) {
		xattr_errno = i ? EPERM : EOPNOTSUPP;
		expect_clone(&r, NULL);
		in_dir("rm -r dst");
	}
	xattr_errno = ENOSPC;
	expect_no_clone(NULL, ERR_SYSTEM, "set attribute 'user.note' of 'a'");
}

static void many_files_and_deep_directories(void **state)
{
	struct clone_options o = { .threads = 8 };
	struct clone_report r;

	(void)state;
	in_dir("mkdir -p src/$(seq -s/ 1 24) && for i in $(seq 1 700); do echo $i "
	       ">src/blocks-$i-$i.log; "
	       "done; echo deep >src/$(seq -s/ 1 24)/file");
	thread_errno = EAGAIN;
	expect_clone(&r, &o);
	assert_int_equal(r.files, 701);
	assert_int_equal(r.dirs, 25);
	expect_same("src", "dst");
	in_dir("rm -r dst; mkdir -p src/$(seq -s/ 1 25)");
	expect_no_clone(&o, ERR_USAGE, "more than 24 directories deep");
	/* No more than a manifest can tell. */
	in_dir("rm -r src; d=$(printf '%0255d/' 1 2 3 4); mkdir -p src/$d; echo >src/${d}x");
	expect_no_clone(&o, ERR_USAGE, "more than 1024 bytes");
}

static void report_as_json(void **state)
{
	struct clone_report r = {
		.files = 3,
		.dirs = 2,
		.links = 1,
		.left_private = 4,
		.left_odd = 5,
		.apparent_bytes = 1000,
		.why = "because",
		.took_ns = 1500000000,
		.synced_ns = 500000000,
		.is_verified = true,
	};
	AUTO(json) json_t *j = NULL;
	AUTO(free) char *text = NULL;

	(void)state;
	r.by[CLONE_REFLINK].files = 1;
	r.by[CLONE_REFLINK].bytes = 100;
	r.by[CLONE_RANGE].files = 2;
	r.by[CLONE_RANGE].bytes = 200;
	j = clone_report_json(&r);
	text = json_text(j, false);
	assert_string_equal(text,
	        "{\"files\":3,\"bytes\":300,\"apparent_bytes\":1000,\"dirs\":2,\"links\":1,"
	        "\"left_private\":4,\"left_odd\":5,\"why\":\"because\",\"took_seconds\":1.5,"
	        "\"synced_seconds\":0.5,\"is_verified\":true,"
	        "\"reflink\":{\"files\":1,\"bytes\":100},\"link\":{\"files\":0,\"bytes\":0},"
	        "\"range\":{\"files\":2,\"bytes\":200},\"write\":{\"files\":0,\"bytes\":0}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_names),
		cmocka_unit_test(constant_names),
		cmocka_unit_test_setup_teardown(each_way_makes_the_same_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(second_copy_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(linked_files_are_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(linked_files_are_protected, setup, teardown),
		cmocka_unit_test_setup_teardown(shapes_of_files, setup, teardown),
		cmocka_unit_test_setup_teardown(modes_and_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes_that_cannot_be_set, setup, teardown),
		cmocka_unit_test_setup_teardown(many_files_and_deep_directories, setup, teardown),
		cmocka_unit_test(report_as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
