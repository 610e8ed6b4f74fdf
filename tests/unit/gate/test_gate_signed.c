#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "gate/signed.h"

static char dir[] = "/tmp/test_gate_signed.XXXXXX";
static int dirfd_ = -1;

/* What pwrite() does: so many bytes at most (-1: all), or this errno. */
static ssize_t write_most = -1;
static int write_errno;

ssize_t __real_pwrite64(int fd, const void *data, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t n, off_t at);

ssize_t __wrap_pwrite64(int fd, const void *data, size_t n, off_t at)
{
	if (write_errno) {
		errno = write_errno;
		return -1;
	}
	return __real_pwrite64(fd, data, write_most >= 0 ? (size_t)write_most : n, at);
}

static int set_up(void **state UNUSED)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_most = -1;
	write_errno = 0;
	return dirfd_ < 0 ? -1 : 0;
}

static int tear_down(void **state UNUSED)
{
	struct err e = ERR_INIT;

	(void)close(dirfd_);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static struct signed_log *open_log(void)
{
	struct err e = ERR_INIT;
	struct signed_log *s = signed_open(dirfd_, &e);

	if (!s)
		fail_msg("%s", e.msg);
	return s;
}

static struct signed_entry entry(uint32_t slot, uint32_t height)
{
	struct signed_entry en = { .slot = slot,
		.height = height,
		.epoch = 7,
		.real_ns = 1800000000123456789,
		.boot_ns = 1000000000,
		.until_ns = 4750000000 };

	memset(en.digest, (int)(slot & 0xff), sizeof(en.digest));
	return en;
}

static void add(struct signed_log *s, uint32_t slot, uint32_t height)
{
	struct signed_entry en = entry(slot, height);
	struct err e = ERR_INIT;

	if (signed_add(s, &en, &e) < 0)
		fail_msg("%s", e.msg);
}

static void assert_last(uint32_t slot, uint32_t height, uint32_t highest)
{
	struct signed_log *s = open_log();
	const struct signed_entry *last = signed_last(s);
	struct signed_entry want = entry(slot, height);

	assert_non_null(last);
	assert_int_equal(last->slot, slot);
	assert_int_equal(last->height, height);
	assert_memory_equal(last->digest, want.digest, sizeof(want.digest));
	assert_int_equal(last->epoch, want.epoch);
	assert_int_equal(last->real_ns, want.real_ns);
	assert_int_equal(last->boot_ns, want.boot_ns);
	assert_int_equal(last->until_ns, want.until_ns);
	assert_int_equal(signed_highest(s), highest);
	signed_close(s);
}

static off_t file_size(void)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd_, GATE_SIGNED_FILE, &st, 0), 0);
	return st.st_size;
}

/* Bytes over the file. */
static void scribble(off_t at, const void *data, size_t n)
{
	int fd = openat(dirfd_, GATE_SIGNED_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(__real_pwrite64(fd, data, n, at), n);
	(void)close(fd);
}

static void what_was_added_is_found(void **state UNUSED)
{
	struct signed_log *s = open_log();

	assert_null(signed_last(s));
	assert_int_equal(signed_highest(s), 0);
	add(s, 100, 0);
	add(s, 101, 5000);
	add(s, 103, 4000);
	assert_int_equal(signed_last(s)->slot, 103);
	signed_close(s);
	assert_last(103, 4000, 5000);
	assert_int_equal(file_size(), 3 * SIGNED_LINE);
}

/* The tests' oracle and people read it. */
static void lines_of_json(void **state UNUSED)
{
	AUTO(buf) struct buf b = BUF_INIT(1 << 20);
	struct signed_log *s = open_log();
	struct err e = ERR_INIT;
	AUTO(json) json_t *o = NULL;

	add(s, 0xffffffff, 0xfffffffe);
	add(s, 1, 2);
	signed_close(s);
	assert_int_equal(fs_read_at(dirfd_, GATE_SIGNED_FILE, &b, &e), 0);
	assert_int_equal(b.len, 2 * SIGNED_LINE);
	assert_int_equal(b.data[SIGNED_LINE - 1], '\n');
	o = json_parse_object(b.data, SIGNED_LINE, "it", &e);
	assert_non_null(o);
	assert_int_equal(json_int(o, "slot", 0), 0xffffffff);
	assert_int_equal(json_int(o, "height", 0), 0xfffffffe);
	assert_int_equal(json_int(o, "epoch", 0), 7);
	assert_int_equal(json_int(o, "until_ns", 0), 4750000000);
	assert_int_equal(strlen(json_str(o, "boot_id", "")), 36);
	assert_int_equal(strlen(json_str(o, "digest", "")), 64);
}

static void the_ring_begins_anew(void **state UNUSED)
{
	struct signed_log *s = open_log();

	for (uint32_t i = 0; i < SIGNED_MAX; i++)
		add(s, 1000 + i, i);
	signed_close(s);
	s = open_log();
	for (uint32_t i = SIGNED_MAX; i < SIGNED_MAX + 10; i++)
		add(s, 1000 + i, i);
	signed_close(s);
	assert_int_equal(file_size(), (off_t)SIGNED_MAX * SIGNED_LINE);
	assert_last(1000 + SIGNED_MAX + 9, SIGNED_MAX + 9, SIGNED_MAX + 9);
	/* Behind the newest it goes on, not at the end. */
	s = open_log();
	add(s, 9000, 9000);
	signed_close(s);
	assert_last(9000, 9000, 9000);
	assert_int_equal(file_size(), (off_t)SIGNED_MAX * SIGNED_LINE);
}

static void torn_lines(void **state UNUSED)
{
	static const char zeros[SIGNED_LINE];
	struct signed_log *s = open_log();

	for (uint32_t i = 0; i < 6; i++)
		add(s, 100 + i, 0);
	signed_close(s);
	/* The newest without its end, the one before with zeros from the middle on, one empty. */
	scribble(4 * SIGNED_LINE + 100, zeros, SIGNED_LINE - 100);
	scribble(3 * SIGNED_LINE, zeros, SIGNED_LINE);
	{
		int fd = openat(dirfd_, GATE_SIGNED_FILE, O_WRONLY | O_CLOEXEC);

		assert_int_equal(ftruncate(fd, 5 * SIGNED_LINE + 50), 0);
		(void)close(fd);
	}
	assert_last(102, 0, 0);
	s = open_log();
	add(s, 200, 0);
	signed_close(s);
	assert_last(200, 0, 0);
}

static void values_out_of_range(void **state UNUSED)
{
	static const char *const t[] = {
		"{\"slot\":-1,\"height\":0,",
		"{\"slot\":4294967296,\"height\":0,",
		"{\"slot\":1,\"height\":4294967296,",
		"{\"slot\":1.5,\"height\":0,",
		"{\"slot\":\"1\",\"height\":0,",
		"{\"slot\":1,",
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct signed_log *s = open_log();
		char line[SIGNED_LINE + 1];

		add(s, 50, 0);
		signed_close(s);
		memset(line, ' ', sizeof(line));
		(void)snprintf(line, sizeof(line),
		        "%s\"epoch\":1,\"real_ns\":1,\"boot_ns\":1,\"until_ns\":1,\"digest\":"
		        "\"%064d\"}",
		        t[i], 0);
		line[strlen(line)] = ' ';
		line[SIGNED_LINE - 1] = '\n';
		scribble(SIGNED_LINE, line, SIGNED_LINE);
		assert_last(50, 0, 0);
		tear_down(NULL);
		set_up(NULL);
	}
}

static void assert_refused(enum err_kind kind)
{
	struct err e = ERR_INIT;

	assert_null(signed_open(dirfd_, &e));
	assert_int_equal(e.kind, kind);
}

static void what_is_no_ring(void **state UNUSED)
{
	int fd;

	scribble(0, "hello, world\n", 13);
	assert_refused(ERR_PROTOCOL);
	assert_int_equal(file_size(), 13);
	assert_int_equal(unlinkat(dirfd_, GATE_SIGNED_FILE, 0), 0);

	scribble((off_t)SIGNED_MAX * SIGNED_LINE, "x", 1);
	assert_refused(ERR_PROTOCOL);
	assert_int_equal(unlinkat(dirfd_, GATE_SIGNED_FILE, 0), 0);

	assert_int_equal(mkdirat(dirfd_, GATE_SIGNED_FILE, 0755), 0);
	assert_refused(ERR_SYSTEM);
	assert_int_equal(unlinkat(dirfd_, GATE_SIGNED_FILE, AT_REMOVEDIR), 0);

	assert_int_equal(symlinkat("/etc/passwd", dirfd_, GATE_SIGNED_FILE), 0);
	assert_refused(ERR_SYSTEM);
	assert_int_equal(unlinkat(dirfd_, GATE_SIGNED_FILE, 0), 0);

	assert_int_equal(mkfifoat(dirfd_, GATE_SIGNED_FILE, 0644), 0);
	assert_refused(ERR_PROTOCOL);
	assert_int_equal(unlinkat(dirfd_, GATE_SIGNED_FILE, 0), 0);

	/* Zeros, as a file may be after a loss of power, and a first record that is torn. */
	fd = openat(dirfd_, GATE_SIGNED_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(ftruncate(fd, 1000), 0);
	(void)close(fd);
	signed_close(open_log());
	scribble(0, "{\"slot\":17", 10);
	signed_close(open_log());
}

static void writes_that_fail(void **state UNUSED)
{
	static const struct {
		ssize_t most;
		int errnum, says;
	} t[] = { { -1, ENOSPC, ENOSPC }, { -1, EROFS, EROFS }, { -1, EIO, EIO }, { 0, 0, ENOSPC },
		{ 100, 0, ENOSPC }, { SIGNED_LINE - 1, 0, ENOSPC } };

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct signed_log *s = open_log();
		struct signed_entry en = entry(61, 9);
		struct err e = ERR_INIT;

		add(s, 60, 8);
		write_most = t[i].most;
		write_errno = t[i].errnum;
		assert_int_equal(signed_add(s, &en, &e), -1);
		assert_int_equal(e.sys_errno, t[i].says);
		assert_int_equal(signed_last(s)->slot, 60);
		write_most = -1;
		write_errno = 0;
		assert_last(60, 8, 8);
		/* And when it works again. */
		add(s, 62, 10);
		signed_close(s);
		assert_last(62, 10, 10);
		assert_int_equal(file_size(), 2 * SIGNED_LINE);
		tear_down(NULL);
		set_up(NULL);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_was_added_is_found),
		TEST(lines_of_json),
		TEST(the_ring_begins_anew),
		TEST(torn_lines),
		TEST(values_out_of_range),
		TEST(what_is_no_ring),
		TEST(writes_that_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
