#include "unit/test.h"

#include "nodeos/base58_priv.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/str.h"
#include "nodeos/pubkey_priv.h"

static void known(void **state)
{
	/* The first rows are those of the Bitcoin project's base58_encode_decode.json. */
	static const struct {
		const char *hex, *text;
	} t[] = {
		{ "61", "2g" },
		{ "626262", "a3gV" },
		{ "73696d706c792061206c6f6e6720737472696e67", "2cFupjhnEsSn59qHXstmK2ffpLv2" },
		{ "00eb15231dfceb60925886b67d065299925915aeb172c06647",
		        "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L" },
		{ "516b6fcd0f", "ABnLTmg" },
		{ "00000000000000000000", "1111111111" },
		{ "00", "1" },
		{ "ff", "5Q" },
		{ "ffffff", "2UzHL" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		size_t n = strlen(t[i].hex) / 2;
		unsigned char data[64], back[64];
		char text[BASE58_SIZE(64)];

		for (size_t k = 0; k < n; k++) {
			char digits[3] = { t[i].hex[2 * k], t[i].hex[2 * k + 1], '\0' };

			data[k] = (unsigned char)strtoul(digits, NULL, 16);
		}
		assert_string_equal(base58_encode(text, data, n), t[i].text);
		assert_true(strlen(text) < BASE58_SIZE(n));
		assert_int_equal(base58_decode(back, n, t[i].text), 0);
		assert_memory_equal(back, data, n);
		/* Neither into less nor into more. */
		if (n > 1)
			assert_int_not_equal(base58_decode(back, n - 1, t[i].text), 0);
		assert_int_equal(base58_decode(back, n + 1, t[i].text), 1);
	}
}

static void the_largest_fit(void **state)
{
	unsigned char data[100];
	char text[BASE58_SIZE(100)];

	(void)state;
	memset(data, 0xff, sizeof(data));
	for (size_t n = 0; n <= sizeof(data); n++) {
		base58_encode(text, data, n);
		assert_true(strlen(text) < BASE58_SIZE(n));
	}
}

static void not_base58(void **state)
{
	static const char *const t[] = { "0", "O", "I", "l", " 2g", "2g ", "2+" };
	unsigned char out[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(base58_decode(out, 1, t[i]), -1);
}

static void public_keys(void **state)
{
	static const char legacy[] = "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV";
	static const char newer[] = "PUB_K1_6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5BoDq63";
	unsigned char packed[PUBKEY_PACKED_LEN];
	char text[PUBKEY_TEXT_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(pubkey_pack(packed, legacy, &e), 0);
	assert_string_equal(pubkey_text(text, packed + 1, true), legacy);
	assert_string_equal(pubkey_text(text, packed + 1, false), newer);
	assert_int_equal(pubkey_pack(packed, newer, &e), 0);
	assert_string_equal(pubkey_text(text, packed + 1, true), legacy);
}

/* --- what is left behind ---------------------------------------------------------------------- */

#define STACK ((size_t)256 * 1024)

/* The development key's scalar, each byte with MASK, so that it stands nowhere by itself. */
#define MASK 0x55

static const unsigned char masked[32] = { 0x87, 0x30, 0x6a, 0xa2, 0x9e, 0xe7, 0x8d, 0xaa, 0x47,
	0xcf, 0x97, 0x2b, 0xa0, 0x2d, 0x49, 0xb3, 0xde, 0x70, 0x0d, 0x91, 0x4f, 0x21, 0xfa, 0x4a,
	0x78, 0x89, 0xf3, 0x60, 0x9e, 0xbb, 0xa5, 0x28 };

static void *decode(void *out)
{
	return base58_check_decode(
	               out, 32, "2bfGi9rYsXQSXXTvJbDAPhHLQUojjaNLomdm3cEJ1XTzMqUt3V", "K1") == 0
	        ? out
	        : NULL;
}

static void *encode(void *data)
{
	char text[BASE58_CHECK_SIZE(32)];

	base58_check_encode(text, data, 32, "K1");
	return data;
}

static size_t count_in(const unsigned char *p, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i + sizeof(masked) <= n; i++) {
		size_t k = 0;

		while (k < sizeof(masked) && p[i + k] == (masked[k] ^ MASK))
			k++;
		found += k == sizeof(masked);
	}
	return found;
}

/* Run on a stack of its own, which nobody writes to afterwards. */
static void leaves_nothing(void *(*fn)(void *), unsigned char secret[32])
{
	unsigned char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;
	void *result;

	assert_ptr_not_equal(stack, MAP_FAILED);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, stack, STACK), 0);
	assert_int_equal(pthread_create(&thread, &attr, fn, secret), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, secret);
	assert_int_equal(count_in(secret, 32), 1);
	assert_int_equal(count_in(stack, STACK), 0);
	pthread_attr_destroy(&attr);
	munmap(stack, STACK);
}

static void no_copy_of_a_key_is_left(void **state)
{
	unsigned char *secret = malloc(32);

	(void)state;
	assert_non_null(secret);
	leaves_nothing(decode, secret);
	leaves_nothing(encode, secret);
	explicit_bzero(secret, 32);
	free(secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known),
		cmocka_unit_test(the_largest_fit),
		cmocka_unit_test(not_base58),
		cmocka_unit_test(public_keys),
		cmocka_unit_test(no_copy_of_a_key_is_left),
	};

	return cmocka_run_group_tests_name("nodeos/base58", tests, NULL, NULL);
}
