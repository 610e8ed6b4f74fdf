/*
 * One page of secret memory holds all that is private of a key: while it is read its text and the
 * bytes of that, then the 32 bytes of the scalar.  What libsecp256k1 makes of it on its stack it
 * wipes itself.
 *
 * The context is the key's own, blinded with random bytes, so that the time and the power that
 * signing takes tell nothing of the scalar.
 */
#include "nodeos/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <secp256k1_recovery.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/secret.h"
#include "base/str.h"
#include "nodeos/base58_priv.h"
#include "nodeos/logline.h"
#include "nodeos/pubkey_priv.h"

#define SCALAR_LEN   32
#define WIF_VERSION  0x80
#define WIF_CHECK    4
#define TEXT_MAX     255 /* bytes of a file; a key has less than 60 */
#define KEY_LIKE_MIN 40  /* letters; no file has such a name */
#define RECID_OFFSET 31  /* 27, and 4 because the public key is a compressed one */
#define TRIES_MAX    256 /* each is canonical with a chance of about one in four */

#define LETTERS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

struct secrets {
	unsigned char scalar[SCALAR_LEN];
	unsigned char wif[1 + SCALAR_LEN + WIF_CHECK];
	char text[TEXT_MAX + 1];
};

struct sign_key {
	struct secrets *secrets;
	secp256k1_context *ctx;
	bool is_locked;
	unsigned char point[PUBKEY_POINT_LEN];
	char public[SIGN_KEY_SIZE], public_k1[SIGN_KEY_SIZE];
};

void sign_key_free(struct sign_key *k)
{
	if (!k)
		return;
	secret_free(k->secrets, sizeof(*k->secrets));
	if (k->ctx)
		secp256k1_context_destroy(k->ctx);
	free(k);
}

/* --- from text -------------------------------------------------------------------------------- */

/* The checksum is of SHA-256 twice; nodeos takes one of SHA-256 once, too. */
static bool has_wif_checksum(const unsigned char wif[1 + SCALAR_LEN + WIF_CHECK])
{
	unsigned char once[SHA256_LEN], twice[SHA256_LEN];
	bool is_right;

	sha256(once, wif, 1 + SCALAR_LEN);
	sha256(twice, once, sizeof(once));
	is_right = memcmp(twice, wif + 1 + SCALAR_LEN, WIF_CHECK) == 0 ||
	        memcmp(once, wif + 1 + SCALAR_LEN, WIF_CHECK) == 0;
	explicit_bzero(once, sizeof(once));
	return is_right;
}

/* Into k->secrets->scalar.  No message may hold a part of the text. */
static int read_scalar(struct sign_key *k, const char *text, struct err *e)
{
	struct secrets *s = k->secrets;
	const char *data;
	int rc;

	if (str_starts(text, "PUB_", NULL) || str_starts(text, "EOS", NULL))
		return err_set(e, ERR_USAGE, "this is a public key, a private one is wanted");
	if (str_starts(text, "PVT_K1_", &data)) {
		rc = base58_check_decode(s->scalar, sizeof(s->scalar), data, "K1");
	} else if (str_starts(text, "PVT_", NULL)) {
		return err_set(e, ERR_USAGE, "this private key is not of the type K1");
	} else if (*text != '5') { /* which follows from WIF_VERSION and the length */
		rc = -1;
	} else {
		rc = base58_decode(s->wif, sizeof(s->wif), text);
		if (rc == 0 && !has_wif_checksum(s->wif))
			rc = 1;
		else if (rc == 0 && s->wif[0] != WIF_VERSION)
			rc = -1;
		memcpy(s->scalar, s->wif + 1, sizeof(s->scalar));
		explicit_bzero(s->wif, sizeof(s->wif));
	}
	if (rc > 0)
		return err_set(e, ERR_USAGE,
		        "this private key has a wrong checksum, so a letter is wrong or missing");
	return rc < 0
	        ? err_set(e, ERR_USAGE, "this is no private key: neither '5...' nor 'PVT_K1_...'")
	        : 0;
}

static void blind(secp256k1_context *ctx)
{
	unsigned char seed[32];

	/* Without random bytes, which a running Linux always has, signatures are right all the
	 * same. */
	if (getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
		(void)!secp256k1_context_randomize(ctx, seed);
	explicit_bzero(seed, sizeof(seed));
}

static int derive_public(struct sign_key *k, struct err *e)
{
	size_t n = sizeof(k->point);
	secp256k1_pubkey point;

	if (!secp256k1_ec_pubkey_create(k->ctx, &point, k->secrets->scalar))
		return err_set(e, ERR_USAGE, "this private key is not in the range of the curve");
	secp256k1_ec_pubkey_serialize(k->ctx, k->point, &n, &point, SECP256K1_EC_COMPRESSED);
	pubkey_text(k->public, k->point, true);
	pubkey_text(k->public_k1, k->point, false);
	return 0;
}

static struct sign_key *key_new(struct err *e)
{
	AUTO(sign_key_free) struct sign_key *k = calloc(1, sizeof(*k));

	if (!k || !(k->secrets = secret_alloc(sizeof(*k->secrets), &k->is_locked))) {
		err_nomem(e);
		return NULL;
	}
	/* Newer versions need no flags; that of Ubuntu 22.04 does. */
	k->ctx = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
	if (!k->ctx) {
		err_nomem(e);
		return NULL;
	}
	blind(k->ctx);
	return TAKE(k);
}

struct sign_key *sign_key_parse(const char *text, struct err *e)
{
	AUTO(sign_key_free) struct sign_key *k = key_new(e);

	if (!k || read_scalar(k, text, e) < 0 || derive_public(k, e) < 0)
		return NULL;
	return TAKE(k);
}

/* --- from a file ------------------------------------------------------------------------------ */

static int judge_file(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "'%s' is not a file", path);
	/* Whoever owns it can read it, and give others leave to. */
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		err_set(e, ERR_DENIED, "'%s' belongs to another user (uid %u)", path,
		        (unsigned)st.st_uid);
		return err_hint(e,
		        "'chown %u %s'; if that user could read it, its key is no secret any more",
		        (unsigned)geteuid(), path);
	}
	if (st.st_mode & (S_IRWXG | S_IRWXO)) {
		err_set(e, ERR_DENIED, "others than its owner may use '%s' (mode %03o)", path,
		        (unsigned)st.st_mode & 0777);
		return err_hint(e,
		        "'chmod 600 %s'; if others could read it, its key is no longer a secret",
		        path);
	}
	return 0;
}

/* The file's bytes go nowhere but into secret memory. */
static int read_text(int fd, char text[TEXT_MAX + 1], const char *path, struct err *e)
{
	size_t n = 0;

	while (n <= TEXT_MAX) {
		ssize_t got = read(fd, text + n, TEXT_MAX + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, errno, "read '%s'", path);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n > TEXT_MAX)
		return err_set(e, ERR_USAGE, "'%s' holds more than one key", path);
	text[n] = '\0';
	if (strlen(text) != n)
		return err_set(e, ERR_USAGE, "'%s' has a NUL byte", path);
	return n ? 0 : err_set(e, ERR_USAGE, "'%s' is empty", path);
}

/* A key in the place of its file, also one that was mistyped or cut: what is quoted of it stands in
 * logs for ever. */
static bool is_key_like(const char *path)
{
	AUTO(free) char *copy = strdup(path);
	size_t n = strlen(path);

	return !copy || nodeos_redact(copy) > 0 ||
	        (n >= KEY_LIKE_MIN && strspn(path, LETTERS) == n);
}

struct sign_key *sign_key_read_at(int dirfd, const char *path, struct err *e)
{
	AUTO(sign_key_free) struct sign_key *k = NULL;
	/* O_NONBLOCK: a pipe without a writer must not keep us. */
	AUTO(close_fd) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 && is_key_like(path)) {
		err_set(e, ERR_USAGE,
		        "this looks like a private key: the file that it is in is wanted");
		return NULL;
	}
	if (fd < 0 && errno == ENOENT) {
		err_set(e, ERR_NOT_FOUND, "there is no file '%s'", path);
		return NULL;
	}
	if (fd < 0) {
		err_sys(e, errno, "open '%s'", path);
		return NULL;
	}
	if (judge_file(fd, path, e) < 0)
		return NULL;
	k = key_new(e);
	if (!k || read_text(fd, k->secrets->text, path, e) < 0)
		return NULL;
	if (read_scalar(k, str_trim(k->secrets->text), e) < 0 || derive_public(k, e) < 0) {
		err_wrap(e, "'%s'", path);
		return NULL;
	}
	explicit_bzero(k->secrets->text, sizeof(k->secrets->text));
	return TAKE(k);
}

bool sign_key_is_locked(const struct sign_key *k)
{
	return k->is_locked;
}

const char *sign_key_public(const struct sign_key *k)
{
	return k->public;
}

const char *sign_key_public_k1(const struct sign_key *k)
{
	return k->public_k1;
}

/* --- signatures ------------------------------------------------------------------------------- */

/* r and s as signed big-endian numbers of 32 bytes, positive and without a zero byte too many. */
bool sign_is_canonical(const unsigned char sig[SIGN_LEN])
{
	const unsigned char *r = sig + 1, *s = r + 32;

	return r[0] < 0x80 && (r[0] || r[1] >= 0x80) && s[0] < 0x80 && (s[0] || s[1] >= 0x80);
}

/* The nonces of RFC 6979 in their order.  nodeos begins with the second: its attempts count from
 * one. */
static int nonce_at(unsigned char *nonce, const unsigned char *msg, const unsigned char *key,
        const unsigned char *algo, void *data, unsigned attempt)
{
	const unsigned *from = data;

	return secp256k1_nonce_function_rfc6979(nonce, msg, key, algo, NULL, *from + attempt);
}

/* Whoever takes a wrong signature from a faulty machine can compute the key from it. */
static bool is_ours(const struct sign_key *k, const secp256k1_ecdsa_recoverable_signature *sig,
        const unsigned char digest[SIGN_DIGEST_LEN])
{
	unsigned char point[PUBKEY_POINT_LEN];
	size_t n = sizeof(point);
	secp256k1_pubkey key;

	if (!secp256k1_ecdsa_recover(k->ctx, &key, sig, digest))
		return false;
	secp256k1_ec_pubkey_serialize(k->ctx, point, &n, &key, SECP256K1_EC_COMPRESSED);
	return memcmp(point, k->point, sizeof(point)) == 0;
}

int sign_digest(const struct sign_key *k, unsigned char ret[SIGN_LEN],
        const unsigned char digest[SIGN_DIGEST_LEN], struct err *e)
{
	secp256k1_ecdsa_recoverable_signature sig;
	unsigned char out[SIGN_LEN];
	int recid;

	for (unsigned from = 1; from <= TRIES_MAX; from++) {
		if (!secp256k1_ecdsa_sign_recoverable(
		            k->ctx, &sig, digest, k->secrets->scalar, nonce_at, &from))
			break;
		secp256k1_ecdsa_recoverable_signature_serialize_compact(
		        k->ctx, out + 1, &recid, &sig);
		out[0] = (unsigned char)(RECID_OFFSET + recid);
		if (!sign_is_canonical(out))
			continue;
		if (!is_ours(k, &sig, digest))
			break;
		memcpy(ret, out, sizeof(out));
		return 0;
	}
	return err_sys(e, EIO, "sign with %s: the signature does not verify", k->public);
}

const char *sign_text(char out[SIGN_TEXT_SIZE], const unsigned char sig[SIGN_LEN])
{
	static const char prefix[] = "SIG_K1_";

	_Static_assert(sizeof(prefix) + BASE58_CHECK_SIZE(SIGN_LEN) <= SIGN_TEXT_SIZE, "too small");
	memcpy(out, prefix, sizeof(prefix));
	base58_check_encode(out + strlen(prefix), sig, SIGN_LEN, "K1");
	return out;
}

int sign_public_text(char ret[SIGN_KEY_SIZE], const char *text)
{
	unsigned char packed[PUBKEY_PACKED_LEN];
	struct err e = ERR_INIT;

	/* The first byte is the type: K1 is 0. */
	if (pubkey_pack(packed, text, &e) < 0 || packed[0])
		return -1;
	pubkey_text(ret, packed + 1, true);
	return 0;
}

int sign_recover(char ret[SIGN_KEY_SIZE], const unsigned char sig[SIGN_LEN],
        const unsigned char digest[SIGN_DIGEST_LEN])
{
	secp256k1_context *ctx;
	secp256k1_ecdsa_recoverable_signature parsed;
	unsigned char point[PUBKEY_POINT_LEN];
	size_t n = sizeof(point);
	secp256k1_pubkey key;
	int ok;

	if (sig[0] < RECID_OFFSET || sig[0] > RECID_OFFSET + 3)
		return -1;
	ctx = secp256k1_context_create(SECP256K1_CONTEXT_VERIFY);
	ok = ctx &&
	        secp256k1_ecdsa_recoverable_signature_parse_compact(
	                ctx, &parsed, sig + 1, sig[0] - RECID_OFFSET) &&
	        secp256k1_ecdsa_recover(ctx, &key, &parsed, digest);
	if (ok) {
		secp256k1_ec_pubkey_serialize(ctx, point, &n, &key, SECP256K1_EC_COMPRESSED);
		pubkey_text(ret, point, true);
	}
	if (ctx)
		secp256k1_context_destroy(ctx);
	return ok ? 0 : -1;
}
