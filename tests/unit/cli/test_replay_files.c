/* The operator's side of a replay: tokens that are made once, and a manifest that fits. */

#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/replay_files.h"
#include "data/pool.h"
#include "replay/packed.h"

static char dir[] = "/tmp/test_replay_files.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return chdir("/") == 0 && fs_remove_tree_at(AT_FDCWD, dir, &e) == 0 ? 0 : -1;
}

static void read_into(struct buf *b, const char *path)
{
	struct err e = ERR_INIT;

	if (fs_read_at(AT_FDCWD, path, b, &e) != 0)
		fail_msg("read %s: %s", path, e.msg);
}

static void assert_private(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, S_ISDIR(st.st_mode) ? 0700 : 0600);
}

static void make(struct replay_files *f, const char *at)
{
	struct err e = ERR_INIT;

	if (replay_files_at(f, at, "/nowhere", "s", &e) < 0 || replay_files_make(f, &e) < 0)
		fail_msg("%s", e.msg);
}

/* "work TOKEN" is a line of tokens, and the worker's file is that token. */
static void assert_agree(const struct replay_files *f)
{
	AUTO(buf) struct buf all = BUF_INIT(4096), work = BUF_INIT(4096), control = BUF_INIT(4096);
	AUTO(free) char *w = NULL, *c = NULL;

	read_into(&all, f->tokens);
	read_into(&work, f->worker_token);
	read_into(&control, f->control_token);
	w = str_fmt("\nwork %s\n", work.data);
	c = str_fmt("\ncontrol %s\n", control.data);
	assert_non_null(strstr(all.data, w));
	assert_non_null(strstr(all.data, c));
	assert_true(strcmp(work.data, control.data) != 0);
	assert_int_equal(work.len, 64);
}

static void made_once(void **state)
{
	AUTO(replay_files) struct replay_files f = REPLAY_FILES_INIT;
	AUTO(buf) struct buf one = BUF_INIT(4096), two = BUF_INIT(4096);

	(void)state;
	make(&f, "keep");
	assert_agree(&f);
	assert_true(*f.tokens == '/');
	assert_private("keep");
	assert_private("keep/tokens");
	assert_private("keep/worker-token");
	assert_private("keep/control-token");
	read_into(&one, f.tokens);
	make(&f, "keep");
	read_into(&two, f.tokens);
	assert_string_equal(one.data, two.data);
}

/* tokens is the one that counts, whoever wrote it. */
static void edited(void **state)
{
	static const char text[] = "# mine\n\nread  r0123456789012345678901234567890123456789\n"
	                           "  control\tc0123456789012345678901234567890123456789\n"
	                           "work w0123456789012345678901234567890123456789\n"
	                           "work later\n";
	AUTO(replay_files) struct replay_files f = REPLAY_FILES_INIT;
	AUTO(buf) struct buf b = BUF_INIT(4096);
	struct err e = ERR_INIT;

	(void)state;
	make(&f, "keep");
	assert_int_equal(fs_write_at(AT_FDCWD, f.tokens, text, strlen(text), 0600, &e), 0);
	make(&f, "keep");
	read_into(&b, f.worker_token);
	assert_string_equal(b.data, "w0123456789012345678901234567890123456789");
	read_into(&b, f.control_token);
	assert_string_equal(b.data, "c0123456789012345678901234567890123456789");

	assert_int_equal(fs_write_at(AT_FDCWD, f.tokens, "read x\n", 7, 0600, &e), 0);
	assert_int_equal(replay_files_make(&f, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.msg, "no token for 'work'"));
}

static void in_the_pool(void **state)
{
	AUTO(replay_files) struct replay_files f = REPLAY_FILES_INIT;
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(free) char *at = str_fmt("%s/pool", dir);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(replay_files_at(&f, NULL, at, "s", &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.hint, "--keep"));
	err_clear(&e);
	assert_int_equal(pool_create(&p, at, &e), 0);
	assert_int_equal(replay_files_at(&f, NULL, at, "s", &e), 0);
	assert_int_equal(access("pool/replay", F_OK), -1);
	assert_int_equal(replay_files_make(&f, &e), 0);
	assert_private("pool/replay");
	assert_private("pool/replay/s/tokens");
	assert_agree(&f);
}

/* For a plan: nothing stays, and where there are tokens it is those, so that the plan is right. */
static void scratch(void **state)
{
	AUTO(replay_files) struct replay_files f = REPLAY_FILES_INIT;
	AUTO(buf) struct buf one = BUF_INIT(4096), two = BUF_INIT(4096);
	AUTO(free) char *was = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(setenv("TMPDIR", dir, 1), 0);
	assert_int_equal(replay_files_at(&f, "none", "/nowhere", "s", &e), 0);
	assert_int_equal(replay_files_scratch(&f, &e), 0);
	assert_agree(&f);
	assert_int_equal(access("none", F_OK), -1);
	was = strdup(f.dir);
	replay_files_release(&f);
	assert_int_equal(access(was, F_OK), -1);

	make(&f, "keep");
	read_into(&one, f.tokens);
	assert_int_equal(replay_files_scratch(&f, &e), 0);
	assert_null(strstr(f.tokens, "keep"));
	read_into(&two, f.tokens);
	assert_string_equal(one.data, two.data);
	assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void pack(void **state)
{
	AUTO(replay_files) struct replay_files f = REPLAY_FILES_INIT;
	AUTO(buf) struct buf b = BUF_INIT(4096);
	AUTO(free) char *noise = malloc(2000000);
	struct err e = ERR_INIT;
	unsigned x = 1;

	(void)state;
	make(&f, "keep");
	assert_int_equal(replay_files_pack(&f, "[{}]", 4, &e), 0);
	assert_int_equal(packed_read(&b, f.manifest, &e), 0);
	assert_string_equal(b.data, "[{}]");

	for (size_t i = 0; i < 2000000; i++)
		noise[i] = (char)((x = x * 1103515245 + 12345) >> 24);
	assert_int_equal(replay_files_pack(&f, noise, 2000000, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	buf_clear(&b);
	err_clear(&e);
	assert_int_equal(packed_read(&b, f.manifest, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(edited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(in_the_pool, set_up, tear_down),
		cmocka_unit_test_setup_teardown(scratch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pack, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
