#include "unit/test.h"

#include "replay/intake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/fs.h"

#define PLAIN_LEN 300000

static char dir_path[] = "/tmp/test_intake.XXXXXX";
static int dir;
static unsigned char plain[PLAIN_LEN], packed[2 * PLAIN_LEN];
static size_t packed_n;

static int setup_group(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (unsigned char)(i % 251 ^ i / 1000);
	packed_n = ZSTD_compress(packed, sizeof(packed), plain, sizeof(plain), 1);
	return ZSTD_isError(packed_n);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir_path, "/tmp/test_intake.XXXXXX");
	if (!mkdtemp(dir_path))
		return -1;
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	(void)close(dir);
	return fs_remove_tree_at(AT_FDCWD, dir_path, &e);
}

static bool is_there(const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

static void assert_result(const void *want, size_t n)
{
	AUTO(buf) struct buf got = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	assert_int_equal(fs_read_at(dir, "x.bin", &got, &e), 0);
	assert_int_equal(got.len, n);
	assert_memory_equal(got.data, want, n);
	assert_false(is_there("x.bin.part"));
	assert_false(is_there("x.bin.tmp"));
}

static struct intake *open_it(void)
{
	struct err e = ERR_INIT;
	struct intake *i = intake_open(dir, "x.bin", NULL, &e);

	if (!i)
		fail_msg("%s", e.msg);
	return i;
}

static void add(struct intake *i, const void *data, size_t n)
{
	struct err e = ERR_INIT;

	if (intake_add(i, data, n, &e) < 0)
		fail_msg("%s", e.msg);
}

/* In pieces of any size, whole and with a break (which a kill is, too) after each few of them. */
static void arrives(const unsigned char *data, size_t n, size_t piece, size_t pieces_a_run)
{
	struct err e = ERR_INIT;
	struct intake *i = open_it();
	size_t done = 0, count = 0;

	assert_int_equal(intake_have(i), 0);
	while (done < n) {
		size_t now = n - done < piece ? n - done : piece;

		add(i, data + done, now);
		done += now;
		if (++count % pieces_a_run == 0) {
			intake_free(i);
			assert_false(is_there("x.bin.tmp"));
			i = open_it();
			assert_int_equal(intake_have(i), done);
		}
	}
	if (intake_finish(i, "", &e) < 0)
		fail_msg("piece %zu: %s", piece, e.msg);
	intake_free(i);
	assert_result(plain, sizeof(plain));
	(void)unlinkat(dir, "x.bin", 0);
}

static void comes_packed(void **state)
{
	(void)state;
	arrives(packed, packed_n, packed_n, 2);
	arrives(packed, packed_n, 3, SIZE_MAX);
	arrives(packed, packed_n, 1000, 3);
}

static void comes_as_it_is(void **state)
{
	(void)state;
	arrives(plain, sizeof(plain), sizeof(plain), 2);
	arrives(plain, sizeof(plain), 50001, 2);
}

static void several_frames(void **state)
{
	struct err e = ERR_INIT;
	struct intake *i = open_it();
	unsigned char two[2 * sizeof(plain)];

	(void)state;
	add(i, packed, packed_n);
	add(i, packed, packed_n);
	assert_int_equal(intake_finish(i, "", &e), 0);
	intake_free(i);
	memcpy(two, plain, sizeof(plain));
	memcpy(two + sizeof(plain), plain, sizeof(plain));
	assert_result(two, sizeof(two));
}

static void digest_of_what_came(void **state)
{
	struct err e = ERR_INIT;
	struct intake *i = open_it();
	char hex[SHA256_HEX_SIZE], other[SHA256_HEX_SIZE];

	(void)state;
	sha256_hex(hex, packed, packed_n);
	sha256_hex(other, plain, sizeof(plain));
	add(i, packed, packed_n);
	assert_int_equal(intake_finish(i, other, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_non_null(strstr(e.msg, hex));
	intake_free(i);
	assert_false(is_there("x.bin.part"));
	assert_false(is_there("x.bin"));
	i = open_it();
	add(i, packed, packed_n);
	err_clear(&e);
	assert_int_equal(intake_finish(i, hex, &e), 0);
	intake_free(i);
	assert_result(plain, sizeof(plain));
}

static void cut_off_stays_for_later(void **state)
{
	struct err e = ERR_INIT;
	struct intake *i = open_it();

	(void)state;
	add(i, packed, packed_n / 2);
	assert_int_equal(intake_finish(i, "", &e), -1);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
	add(i, packed + packed_n / 2, packed_n - packed_n / 2);
	err_clear(&e);
	assert_int_equal(intake_finish(i, "", &e), 0);
	intake_free(i);
	assert_result(plain, sizeof(plain));
}

static void nothing_is_no_snapshot(void **state)
{
	struct err e = ERR_INIT;
	struct intake *i = open_it();

	(void)state;
	assert_int_equal(intake_finish(i, "", &e), -1);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
	intake_free(i);
	assert_false(is_there("x.bin"));
}

static void damage_is_seen(void **state)
{
	struct err e = ERR_INIT;
	struct intake *i = open_it();
	int rc;

	(void)state;
	add(i, packed, 1000);
	rc = intake_add(i, plain, sizeof(plain), &e);
	assert_int_equal(rc, -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	intake_free(i);
	/* The part has the damage; the next process begins anew instead of failing for ever. */
	i = open_it();
	assert_int_equal(intake_have(i), 0);
	add(i, packed, packed_n);
	err_clear(&e);
	assert_int_equal(intake_finish(i, "", &e), 0);
	intake_free(i);
	assert_result(plain, sizeof(plain));
}

static void begins_anew(void **state)
{
	struct err e = ERR_INIT;
	struct intake *i = open_it();

	(void)state;
	add(i, plain, 70000);
	assert_int_equal(intake_restart(i, &e), 0);
	assert_int_equal(intake_have(i), 0);
	add(i, packed, packed_n);
	assert_int_equal(intake_restart(i, &e), 0);
	add(i, packed, packed_n);
	assert_int_equal(intake_finish(i, "", &e), 0);
	intake_free(i);
	assert_result(plain, sizeof(plain));
}

static void reading_again_can_be_cancelled(void **state)
{
	struct err e = ERR_INIT;
	struct intake *i = open_it();
	volatile int cancel = 1;

	(void)state;
	add(i, plain, 1000);
	intake_free(i);
	assert_null(intake_open(dir, "x.bin", &cancel, &e));
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_true(is_there("x.bin.part"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_packed, setup, teardown),
		cmocka_unit_test_setup_teardown(comes_as_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(several_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(digest_of_what_came, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_off_stays_for_later, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_no_snapshot, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(begins_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(reading_again_can_be_cancelled, setup, teardown),
	};

	return cmocka_run_group_tests(tests, setup_group, NULL);
}
