#include "unit/test.h"

#include "nodeos/sign.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/secret.h"

/* The key that nodeos itself has as its default, which is nobody's secret: EOSIO's documentation,
 * Leap's libraries/libfc/test/crypto/test_cypher_suites.cpp, abieos's tests. */
#define DEV_WIF    "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3"
#define DEV_PVT    "PVT_K1_2bfGi9rYsXQSXXTvJbDAPhHLQUojjaNLomdm3cEJ1XTzMqUt3V"
#define DEV_PUBLIC "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"
#define DEV_PUB    "PUB_K1_6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5BoDq63"

static struct sign_key *parse(const char *text)
{
	struct err e = ERR_INIT;
	struct sign_key *k = sign_key_parse(text, &e);

	if (!k)
		fail_msg("%s", e.msg);
	return k;
}

static void texts_of_keys(void **state)
{
	static const struct {
		const char *text, *public, *k1;
	} t[] = {
		{ DEV_WIF, DEV_PUBLIC, DEV_PUB },
		{ DEV_PVT, DEV_PUBLIC, DEV_PUB },
		/* One SHA-256 instead of two: nodeos takes it. */
		{ "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79xoCjBn", DEV_PUBLIC, DEV_PUB },
		/* The number one, whose text begins with many zeros; its point is the curve's
		 * generator. */
		{ "5HpHagT65TZzG1PH3CSu63k8DbpvD8s5ip4nEB3kEsreAnchuDf",
		        "EOS5p78kHbL33Rn3JWkTWRE2B9uz6gy4r1KbfAKLNQGE3ovMBS5bu",
		        "PUB_K1_5p78kHbL33Rn3JWkTWRE2B9uz6gy4r1KbfAKLNQGE3ovLY8E9M" },
		{ "PVT_K1_1111111111111111111111111111111D8bqLH",
		        "EOS5p78kHbL33Rn3JWkTWRE2B9uz6gy4r1KbfAKLNQGE3ovMBS5bu",
		        "PUB_K1_5p78kHbL33Rn3JWkTWRE2B9uz6gy4r1KbfAKLNQGE3ovLY8E9M" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct sign_key *k = parse(t[i].text);

		assert_string_equal(sign_key_public(k), t[i].public);
		assert_string_equal(sign_key_public_k1(k), t[i].k1);
		sign_key_free(k);
	}
}

/* The whole text, or any eight letters of it, in a message. */
static void assert_nothing_told(const struct err *e, const char *text)
{
	for (size_t i = 0; i + 8 <= strlen(text); i++) {
		char part[9] = "";

		memcpy(part, text + i, 8);
		if (strstr(e->msg, part) || strstr(e->hint, part))
			fail_msg("'%s' tells of the key", e->msg);
	}
}

static void texts_that_are_none(void **state)
{
	static const struct {
		const char *text, *says;
	} t[] = {
		{ "", "neither '5...' nor 'PVT_K1_...'" },
		{ "hello, world", "neither '5...' nor 'PVT_K1_...'" },
		{ DEV_PUBLIC, "this is a public key" },
		{ DEV_PUB, "this is a public key" },
		{ "PVT_R1_iyQmnyPEGvFd8uffnk152WC2WryBjgTrg22fXQryuGL9mU6qW",
		        "not of the type K1" },
		{ "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD4", "wrong checksum" },
		{ "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD", "wrong checksum" },
		{ "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD33", "neither" },
		{ "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvF03", "neither" },
		{ "15KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3", "neither" },
		{ DEV_WIF " ", "neither" },
		/* Bitcoin's compressed form and its test net. */
		{ "L5EZftvrYaSudiozVRzTqLcHLNDoVn7H5HSfM9BAN6tMJX8oTWz6", "neither" },
		{ "5MMh2d3yUkmcqMVSs5f7Cm3BU7vSbaHKrFuXENLsXYPVebj6umC", "neither" },
		{ "PVT_K1_2bfGi9rYsXQSXXTvJbDAPhHLQUojjaNLomdm3cEJ1XTzMqUt3W", "wrong checksum" },
		{ "PVT_K1_", "wrong checksum" },
		{ "PVT_K1_12bfGi9rYsXQSXXTvJbDAPhHLQUojjaNLomdm3cEJ1XTzMqUt3V", "wrong checksum" },
		/* One zero too few, one too many. */
		{ "PVT_K1_111111111111111111111111111111D8bqLH", "wrong checksum" },
		{ "PVT_K1_11111111111111111111111111111111D8bqLH", "wrong checksum" },
		/* Zero and the order of the curve are no keys. */
		{ "PVT_K1_111111111111111111111111111111112omJse", "not in the range" },
		{ "5Km2kuu7vtFDPpxywn4u3NLpbr5jKpTB3jsuDU2KYEqetwr388P", "not in the range" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct err e = ERR_INIT;

		if (sign_key_parse(t[i].text, &e))
			fail_msg("'%s' was taken", t[i].text);
		if (e.kind != ERR_USAGE || !strstr(e.msg, t[i].says))
			fail_msg("'%s': %s", t[i].text, e.msg);
		assert_nothing_told(&e, t[i].text);
	}
}

/* --- signatures ------------------------------------------------------------------------------- */

/* Signed by `cleos sign` of Leap v4.0.6: the transaction of test_transaction.c, whose digest this
 * is, with the SHA-256 of "A", "AA" ... as keys.  The first, second, third and fifth stand in
 * trustwallet/wallet-core tests/chains/EOS/TransactionTests.cpp, too, whose code is another one; in
 * the fourth and sixth more than one nonce was needed. */
static const char digest_hex[] = "14fc3299ee3e1113096bf1869dfa14c04a7ffdedd8ebdabf530683e4cfcd726c";

static const struct {
	const char *wif, *pvt, *signature;
} signatures[] = {
	{ "5JTzFTSfF27cqHqy1HcqxWGhdso9JCykPEbTiwfraNN74v1yxvk",
	        "PVT_K1_ehfmzaAZYdaHTgy6AwsTXaRGyE657ffRXgVmd7LVWTuG4jW2b",
	        "SIG_K1_K9RdLC7DEDWjTfR64GU8BtDHcAjzR1ntcT651JMcfHNTpdsvDrUwfyzF1FkvL9fxEi2UCtGJZ9z"
	        "YoNbJoMF1fbU64cRiJ7" },
	{ "5JVN681n76zRgLFhncL7woFc4FzruhsBm4d32zqztJsmwRXrd9r",
	        "PVT_K1_g5WSZh2eRSRKsRkQtDrkWUqfAwha173FZFopoFeS28mssjyqh",
	        "SIG_K1_K4oXhfa8xJnAB26EeTz8FLfZtY4kw4kjqUqQLz5snryP7USRJ7yGyuBBfYzTBtZ8djBo87pAW53"
	        "xHsUxjvQvaKHGQRhKd5" },
	{ "5KMjcve1jthKecciEeAi1H9NmC4bamv3qmQnVBgH7DhGHe7x9Nh",
	        "PVT_K1_2YT3FBvfS8LPcESCSiovEQFYbEgNe3y7xM1G1dXsLqd86AR8ds",
	        "SIG_K1_K2BumXj5Qtk2CtaYe6EvMSZ2JXLCFeNsTQirx4cnZFURBFpkchuS4sNFxGLH5Qrdv4R7cN4rax6"
	        "ZF9HBMz4f4d6GFoTNN2" },
	{ "5JaDkJvtKkPNG5VVbDpAvU6mQbjq8mWjbv7cKYfafiznjQjtb3N",
	        "PVT_K1_kwAdUoFHpP157DZ2NGqRMeBzuuvdeet73q6NcqRr99Zt8VyAZ",
	        "SIG_K1_KXLVdXMu8VAP6Y5rogVCPScsjpts72cDvXq6dG3QnyQqXMTH9RudVfUEyQyEyC5zTQDNqdLChe3"
	        "jq8XMPdZcJsNeFNsz8z" },
	{ "5HwyhfPui7LqDkvNW4nhnmsPzrAK6qNYYZkNftUuX3CU1WTUW6u",
	        "PVT_K1_8h7ywpdemqxkY6TsLohj8GnFLPthWTpkgbSiSAHALpqvqbfdP",
	        "SIG_K1_Jx2JFftzdx28PZXkmoeWk2afm3KHYsn5knYxynA3GrGevMEJVd1GhcuS5h3f2wdUS2ZUojqycyy"
	        "VizyJFVSajeR2LZGnJr" },
	{ "5JcufCG4PA3RmBxqe9fFNNz5dYddnobbVUw2KNV5QjEstiVHFxN",
	        "PVT_K1_od5WoyJhUSWBaZbxDMHLExQwoiafjWmfsF6CSLArPEj9Apw2r",
	        "SIG_K1_KkrWZvYZ9qtQ9iFJrNDq1m964hVfF2J3KaZGwSUouojFu36viwgciWcGJWTXuLohxo5uMtBi3xt"
	        "upjpp6rgBfDj3DrPF9C" },
	{ "5Hvv2k2hq5Yn8tgf77Edh3ypPf47LgESyuMt7CVTQYAxnNu9E6g",
	        "PVT_K1_7dT4ackcynstJP4unjc1EhB4EC8YNNG6J6t2SiAfKKcme64py",
	        "SIG_K1_KdGQGiUEX8Nt1qTWHucPnEbMbuswy6XPxu5kAzWdTByV6QFoSLkAYJ5P1JuN82oi7fhVaz3UG1v"
	        "t4g6xLFCrLSfjfyj2G9" },
	{ "5KJJ3qTUuUMgvMnBfGZ1YYoZapieYMrNHibSzAWSzpCA8Ee8bDF",
	        "PVT_K1_2V1UA1Pq1nhfMPud577TW4SNDtjLDzHZuXfkzThkwLWxcSeyED",
	        "SIG_K1_KWpbrDkNg3ZpupuMo6u4wEYuMmRbmhqKM48fuHmgD45WFyT1ibw4dLgTxcV8uV7cYAnoxWq7SjV"
	        "G4XrSuSnQbEf7Jw3FiP" },
};

static void signatures_of_leap(void **state)
{
	unsigned char digest[SIGN_DIGEST_LEN], sig[SIGN_LEN];
	char text[SIGN_TEXT_SIZE], who[SIGN_KEY_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(hex_decode(digest, sizeof(digest), digest_hex), 0);
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
		struct sign_key *wif = parse(signatures[i].wif), *pvt = parse(signatures[i].pvt);

		assert_int_equal(sign_digest(wif, sig, digest, &e), 0);
		assert_string_equal(sign_text(text, sig), signatures[i].signature);
		assert_int_equal(sign_digest(pvt, sig, digest, &e), 0);
		assert_string_equal(sign_text(text, sig), signatures[i].signature);
		assert_int_equal(sign_recover(who, sig, digest), 0);
		assert_string_equal(who, sign_key_public(wif));
		sign_key_free(wif);
		sign_key_free(pvt);
	}
}

static void many_digests(void **state)
{
	struct sign_key *k = parse(DEV_WIF);
	unsigned char digest[SIGN_DIGEST_LEN] = { 0 }, sig[SIGN_LEN];
	char who[SIGN_KEY_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		sha256(digest, &i, sizeof(i));
		assert_int_equal(sign_digest(k, sig, digest, &e), 0);
		assert_true(sign_is_canonical(sig));
		assert_in_range(sig[0], 31, 34);
		assert_int_equal(sign_recover(who, sig, digest), 0);
		assert_string_equal(who, DEV_PUBLIC);
	}
	sign_key_free(k);
}

static void canonical(void **state)
{
	static const struct {
		unsigned char r0, r1, s0, s1;
		bool is;
	} t[] = {
		{ 0x7f, 0x00, 0x7f, 0x00, true },
		{ 0x80, 0x00, 0x7f, 0x00, false },
		{ 0x7f, 0x00, 0x80, 0x00, false },
		{ 0x00, 0x80, 0x01, 0x00, true },
		{ 0x00, 0x7f, 0x01, 0x00, false },
		{ 0x01, 0x00, 0x00, 0x80, true },
		{ 0x01, 0x00, 0x00, 0x7f, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		unsigned char sig[SIGN_LEN] = { 31 };

		sig[1] = t[i].r0;
		sig[2] = t[i].r1;
		sig[33] = t[i].s0;
		sig[34] = t[i].s1;
		if (sign_is_canonical(sig) != t[i].is)
			fail_msg("row %zu", i);
	}
}

static void not_everything_is_a_signature(void **state)
{
	unsigned char digest[SIGN_DIGEST_LEN], sig[SIGN_LEN], bad[SIGN_LEN];
	char who[SIGN_KEY_SIZE];
	struct sign_key *k = parse(DEV_WIF);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(hex_decode(digest, sizeof(digest), digest_hex), 0);
	assert_int_equal(sign_digest(k, sig, digest, &e), 0);
	sign_key_free(k);
	for (unsigned first = 0; first < 256; first++) {
		memcpy(bad, sig, sizeof(bad));
		bad[0] = (unsigned char)first;
		if (first < 31 || first > 34)
			assert_int_equal(sign_recover(who, bad, digest), -1);
	}
	memset(bad + 1, 0xff, 64);
	bad[0] = sig[0];
	assert_int_equal(sign_recover(who, bad, digest), -1);
	memset(bad + 1, 0, 64);
	assert_int_equal(sign_recover(who, bad, digest), -1);
	digest[0] ^= 1;
	assert_int_equal(sign_recover(who, sig, digest), 0);
	assert_string_not_equal(who, DEV_PUBLIC);
}

/* --- files ------------------------------------------------------------------------------------ */

struct place {
	char dir[32];
	int fd;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	strcpy(p->dir, "/tmp/test_sign.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return p->fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	(void)unlinkat(p->fd, "key", 0);
	(void)unlinkat(p->fd, "link", 0);
	close(p->fd);
	(void)rmdir(p->dir);
	free(p);
	return 0;
}

/* Written without stdio, whose buffer would keep it. */
static void write_key(const struct place *p, const void *data, size_t n, mode_t mode)
{
	int fd;

	(void)unlinkat(p->fd, "key", 0);
	fd = openat(p->fd, "key", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void a_file_with_a_key(void **state)
{
	static const char *const texts[] = { DEV_WIF, DEV_WIF "\n", "\n " DEV_PVT "\r\n\n" };
	const struct place *p = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err e = ERR_INIT;
		struct sign_key *k;

		write_key(p, texts[i], strlen(texts[i]), i ? 0600 : 0400);
		k = sign_key_read_at(p->fd, "key", &e);
		if (!k)
			fail_msg("%s", e.msg);
		assert_string_equal(sign_key_public(k), DEV_PUBLIC);
		sign_key_free(k);
	}
	assert_int_equal(symlinkat("key", p->fd, "link"), 0);
	{
		struct err e = ERR_INIT;
		struct sign_key *k = sign_key_read_at(p->fd, "link", &e);

		assert_non_null(k);
		sign_key_free(k);
		assert_int_equal(fchmodat(p->fd, "key", 0640, 0), 0);
		assert_null(sign_key_read_at(p->fd, "link", &e));
		assert_int_equal(e.kind, ERR_DENIED);
	}
}

static void files_that_hold_none(void **state)
{
	static char many[300];
	static const struct {
		const char *text;
		size_t n;
		const char *says;
	} t[] = {
		{ "", 0, "'key' is empty" },
		{ "\n", 1, "'key': this is no private key" },
		{ DEV_WIF "\n" DEV_WIF "\n", 104, "'key': this is no private key" },
		{ DEV_WIF "\0", 52, "'key' has a NUL byte" },
		{ many, 256, "'key' holds more than one key" },
		{ many, 255, "'key': this is no private key" },
	};
	const struct place *p = *state;

	memset(many, '5', sizeof(many));
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct err e = ERR_INIT;

		write_key(p, t[i].text, t[i].n, 0600);
		assert_null(sign_key_read_at(p->fd, "key", &e));
		if (e.kind != ERR_USAGE || !strstr(e.msg, t[i].says))
			fail_msg("row %zu: %s", i, e.msg);
		assert_nothing_told(&e, DEV_WIF);
	}
}

static void files_that_others_may_use(void **state)
{
	static const mode_t modes[] = { 0604, 0602, 0601, 0640, 0620, 0610, 0666, 0444 };
	const struct place *p = *state;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct err e = ERR_INIT;

		write_key(p, DEV_WIF, strlen(DEV_WIF), modes[i]);
		if (sign_key_read_at(p->fd, "key", &e) || e.kind != ERR_DENIED)
			fail_msg("mode %03o", (unsigned)modes[i]);
		assert_non_null(strstr(e.hint, "chmod 600"));
	}
}

/* Root itself may open it; another's cannot be opened by anybody else. */
static void a_file_of_another_user(void **state)
{
	const struct place *p = *state;
	struct err e = ERR_INIT;
	struct sign_key *k;

	if (geteuid() != 0)
		skip();
	write_key(p, DEV_WIF, strlen(DEV_WIF), 0400);
	assert_int_equal(fchownat(p->fd, "key", 65534, 0, 0), 0);
	assert_null(sign_key_read_at(p->fd, "key", &e));
	assert_int_equal(e.kind, ERR_DENIED);
	assert_non_null(strstr(e.msg, "65534"));
	assert_non_null(strstr(e.hint, "chown 0"));
	assert_int_equal(fchownat(p->fd, "key", 0, 65534, 0), 0);
	k = sign_key_read_at(p->fd, "key", &e);
	assert_non_null(k);
	sign_key_free(k);
}

static void what_is_no_file(void **state)
{
	const struct place *p = *state;
	struct err e = ERR_INIT;

	assert_null(sign_key_read_at(p->fd, "key", &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	err_clear(&e);
	assert_null(sign_key_read_at(AT_FDCWD, p->dir, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	err_clear(&e);
	/* Nobody writes to it, and we do not wait for that. */
	assert_int_equal(mkfifoat(p->fd, "key", 0600), 0);
	assert_null(sign_key_read_at(p->fd, "key", &e));
	assert_int_equal(e.kind, ERR_USAGE);
}

/* --- memory ----------------------------------------------------------------------------------- */

/* The scalar of DEV_WIF, and DEV_WIF itself, so that this test's own memory has neither. */
#define MASK 0x55

static const unsigned char scalar[32] = { 0x87, 0x30, 0x6a, 0xa2, 0x9e, 0xe7, 0x8d, 0xaa, 0x47,
	0xcf, 0x97, 0x2b, 0xa0, 0x2d, 0x49, 0xb3, 0xde, 0x70, 0x0d, 0x91, 0x4f, 0x21, 0xfa, 0x4a,
	0x78, 0x89, 0xf3, 0x60, 0x9e, 0xbb, 0xa5, 0x28 };

static size_t count_in(const unsigned char *p, size_t n, const unsigned char *masked, size_t len)
{
	size_t found = 0;

	for (size_t i = 0; i + len <= n; i++) {
		size_t k = 0;

		while (k < len && p[i + k] == (masked[k] ^ MASK))
			k++;
		found += k == len;
	}
	return found;
}

/* In all memory that this process may write: heap, stacks, data. */
static size_t count_in_memory(const unsigned char *masked, size_t len)
{
	static unsigned char copy[1 << 20];
	FILE *maps = fopen("/proc/self/maps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	size_t found = 0;
	char line[512];

	assert_non_null(maps);
	assert_true(mem >= 0);
	while (fgets(line, sizeof(line), maps)) {
		uintptr_t from, to;

		/* The shadow of a sanitizer is nothing of ours, and has no end. */
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " rw", &from, &to) != 2 ||
		        !strstr(line, " rw") || to - from > (256u << 20))
			continue;
		/* Windows that overlap by more than what is looked for. */
		for (uintptr_t at = from; at < to; at += sizeof(copy) - 256) {
			size_t want = to - at < sizeof(copy) ? to - at : sizeof(copy);
			ssize_t n;

			if (at <= (uintptr_t)copy && (uintptr_t)copy < at + want)
				want = (uintptr_t)copy - at;
			n = pread(mem, copy, want, (off_t)at);
			if (n > 0)
				found += count_in(copy, (size_t)n, masked, len);
			if (want < sizeof(copy))
				break;
		}
	}
	explicit_bzero(copy, sizeof(copy));
	close(mem);
	fclose(maps);
	return found;
}

static void no_copy_is_left(void **state)
{
	static const char *const texts[] = { DEV_WIF "\n", DEV_PVT "\n" };
	const struct place *p = *state;
	unsigned char digest[SIGN_DIGEST_LEN] = { 1 }, sig[SIGN_LEN];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t len = strlen(texts[i]) - 1;
		unsigned char masked[64];
		struct err e = ERR_INIT;
		struct sign_key *k;

		for (size_t b = 0; b < len; b++)
			masked[b] = (unsigned char)texts[i][b] ^ MASK;
		write_key(p, texts[i], len + 1, 0600);
		k = sign_key_read_at(p->fd, "key", &e);
		assert_non_null(k);
		assert_int_equal(sign_digest(k, sig, digest, &e), 0);
		/* Not none: this is how we know that the search finds what there is. */
		assert_int_equal(count_in_memory(scalar, sizeof(scalar)), 1);
		assert_int_equal(count_in_memory(masked, len), 0);
		sign_key_free(k);
		assert_int_equal(count_in_memory(scalar, sizeof(scalar)), 0);
	}
}

static void not_in_a_core_nor_in_a_child(void **state)
{
	unsigned char *p = secret_alloc(100, NULL);
	char line[512];
	bool is_found = false, is_right = false;
	int status;
	FILE *f;
	pid_t pid;

	(void)state;
	assert_non_null(p);
	assert_int_equal(p[0], 0);
	p[0] = 7;
	f = fopen("/proc/self/smaps", "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		uintptr_t from, to;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " rw", &from, &to) == 2)
			is_found = from == (uintptr_t)p;
		else if (is_found && strncmp(line, "VmFlags:", 8) == 0)
			is_right = strstr(line, " dd") && strstr(line, " wf");
	}
	fclose(f);
	assert_true(is_right);
	pid = fork();
	if (pid == 0)
		_exit(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(p[0], 7);
	secret_free(p, 100);
	secret_free(NULL, 100);
}

/* Sanitizers make mlock() do nothing, and say that it did. */
static void where_nothing_may_be_locked(void **state)
{
	const struct rlimit none = { 0, 0 };
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		bool is_locked = false;
		void *p;

		if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || (geteuid() == 0 && setuid(65534) < 0))
			_exit(2);
		p = secret_alloc(100, &is_locked);
		_exit(!p || is_locked != (mlock(p, 100) == 0));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The easiest mistake to make: the key itself where its file is wanted. */
static void a_key_for_a_file(void **state)
{
	static const char *const t[] = {
		DEV_WIF,
		DEV_PVT,
		(DEV_PUBLIC "=KEY:" DEV_WIF),
		"5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79",       /* cut */
		"5KQwrPbwdL6PhXujxW37F0SQZ1JiwsST4cqQzDeyXtP79zkvFD3", /* no base58 */
		("./" DEV_WIF),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct err e = ERR_INIT;

		assert_null(sign_key_read_at(AT_FDCWD, t[i], &e));
		assert_int_equal(e.kind, ERR_USAGE);
		assert_non_null(strstr(e.msg, "the file that it is in is wanted"));
		assert_nothing_told(&e, strstr(t[i], "5K") ? strstr(t[i], "5K") : t[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_keys),
		cmocka_unit_test(texts_that_are_none),
		cmocka_unit_test(a_key_for_a_file),
		cmocka_unit_test(signatures_of_leap),
		cmocka_unit_test(many_digests),
		cmocka_unit_test(canonical),
		cmocka_unit_test(not_everything_is_a_signature),
		cmocka_unit_test_setup_teardown(a_file_with_a_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_that_hold_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_that_others_may_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_of_another_user, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_copy_is_left, set_up, tear_down),
		cmocka_unit_test(not_in_a_core_nor_in_a_child),
		cmocka_unit_test(where_nothing_may_be_locked),
	};

	return cmocka_run_group_tests_name("nodeos/sign", tests, NULL, NULL);
}
