#include "unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"

/* FIPS 180-2, appendix B. */
static void sha256_vectors(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char out[SHA256_HEX_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(
		        sha256_hex(out, rows[i].text, strlen(rows[i].text)), rows[i].want);
}

static void hex_is_of_a_length_and_lower_case(void **state)
{
	static const struct {
		const char *text;
		size_t digits;
		bool want;
	} rows[] = { { "09af", 4, true }, { "09af", 3, false }, { "09af", 5, false },
		{ "09aF", 4, false }, { "09ag", 4, false }, { "09a ", 4, false }, { "", 0, true },
		{ "", 1, false }, { "0", 0, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (hex_is(rows[i].text, rows[i].digits) != rows[i].want)
			fail_msg("hex_is(\"%s\", %zu) is not %d", rows[i].text, rows[i].digits,
			        rows[i].want);
}

static void hex_both_ways(void **state)
{
	static const char *const refused[] = { "", "00", "0001ff", "0001ff8", "0001ff800",
		"0001ff8g", "0001fF 0", "0x01ff80", "-001ff80" };
	static const unsigned char raw[] = { 0x00, 0x01, 0xff, 0x80 };
	unsigned char back[4] = { 9, 9, 9, 9 };
	char out[9];

	(void)state;
	hex_encode(out, raw, sizeof(raw));
	assert_string_equal(out, "0001ff80");
	assert_int_equal(hex_decode(back, sizeof(back), "0001Ff80"), 0);
	assert_memory_equal(back, raw, sizeof(raw));
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (hex_decode(back, sizeof(back), refused[i]) == 0)
			fail_msg("'%s' was taken", refused[i]);
	assert_int_equal(hex_decode(back, 0, ""), 0);
}

static void base64_both_ways(void **state)
{
	/* RFC 4648, section 10, and all that six bits can be. */
	static const struct {
		const char *bytes, *text;
	} rows[] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xff\xef\xbe\xfb", "/++++w==" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf b = BUF_INIT(64);
		AUTO(free) char *text = base64_encode(rows[i].bytes, strlen(rows[i].bytes));

		assert_string_equal(text, rows[i].text);
		if (buf_add(&b, "", 0) < 0 || base64_decode(&b, text) < 0 ||
		        strcmp(b.data, rows[i].bytes) != 0)
			fail_msg("'%s' is not '%s'", b.data, rows[i].bytes);
	}
}

static void base64_refused(void **state)
{
	static const char *const refused[] = { "Z", "Zg",
		"Zg=", "Zg===", "Zg==Zg==", "Zm9v=", "Zm9vYg= =", "Zm9\n", "Zm9v ",
		"====", "Z===", "Zm-v", "Zm8=\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		AUTO(buf) struct buf b = BUF_INIT(64);

		errno = 0;
		if (base64_decode(&b, refused[i]) == 0 || errno != EINVAL)
			fail_msg("'%s': errno %d", refused[i], errno);
	}
	{
		AUTO(buf) struct buf b = BUF_INIT(5);

		assert_int_equal(base64_decode(&b, "Zm9vYmFy"), -1);
		assert_int_equal(errno, E2BIG);
	}
}

static void in_pieces(void **state)
{
	char whole[SHA256_HEX_SIZE], pieces[SHA256_HEX_SIZE], data[1000];
	struct sha256 *s = sha256_new();

	(void)state;
	memset(data, 'n', sizeof(data));
	assert_non_null(s);
	sha256_add(s, data, 1);
	sha256_add(s, data + 1, 0);
	sha256_add(s, data + 1, 700);
	sha256_add(s, data + 701, 299);
	assert_string_equal(sha256_end(s, pieces), sha256_hex(whole, data, sizeof(data)));
	sha256_free(s);
	sha256_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_vectors),
		cmocka_unit_test(hex_is_of_a_length_and_lower_case),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(base64_both_ways),
		cmocka_unit_test(base64_refused),
		cmocka_unit_test(in_pieces),
	};

	return cmocka_run_group_tests_name("base/digest", tests, NULL, NULL);
}
