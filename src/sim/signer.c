#include "sim/signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/str.h"
#include "nodeos/sign.h"
#include "sim/base58.h"
#include "sim/genesis.h"
#include "sim/keosd.h"
#include "sim/nlog.h"
#include "sim/options.h"

#define SIGNATURE_PREFIX "SIG_K1_"

struct signer {
	char key[KEY_TEXT_SIZE]; /* as it was given */
	struct keosd *keosd;     /* NULL: the node has the key */
};

struct signers {
	size_t n;
	struct signer list[];
};

/* --- what is configured: only the shape of keys ----------------------------------------------- */

static bool is_base58(const char *s, size_t min, size_t max)
{
	size_t n = strspn(s, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz");

	return s[n] == '\0' && n >= min && n <= max;
}

static bool is_public_key(const char *s)
{
	const char *rest;

	return (str_starts(s, "EOS", &rest) || str_starts(s, "PUB_K1_", &rest) ||
	               str_starts(s, "PUB_R1_", &rest)) &&
	        is_base58(rest, 48, 52);
}

static bool is_private_key(const char *s)
{
	const char *rest;

	if (str_starts(s, "PVT_K1_", &rest) || str_starts(s, "PVT_R1_", &rest))
		return is_base58(rest, 48, 52);
	return s[0] == '5' && is_base58(s, 50, 52);
}

/* What may be shown of it: nodeos prints all of it, we never a private key. */
static void say_malformed(const char *s)
{
	char shown[128];
	const char *eq = strchr(s, '=');
	int n = eq && eq - s < 80 ? (int)(eq - s) : 0;

	snprintf(shown, sizeof(shown), "%.*s=...", n, s);
	str_printable(shown);
	nlog(NLOG_ERROR, "producer_plugin.cpp:1102", "plugin_initialize",
	        "Malformed signature provider: \"%s\": {\"code\":10,\"name\":\"assert_exception\","
	        "\"message\":\"Assert Exception\",\"stack\":[]}, ignoring!",
	        shown);
}

/* "EOS...=KEY:5..." or "EOS...=KEOSD:http...".  1: malformed; -1: no memory. */
static int parse(struct signer *ret, const char *s, int64_t timeout_ms)
{
	const char *eq = strchr(s, '='), *rest;
	char asked[SIGN_KEY_SIZE];

	memset(ret, 0, sizeof(*ret));
	if (!eq || (size_t)(eq - s) >= sizeof(ret->key))
		return 1;
	memcpy(ret->key, s, (size_t)(eq - s));
	if (!is_public_key(ret->key))
		return 1;
	if (str_starts(eq + 1, "KEY:", &rest))
		return is_private_key(rest) ? 0 : 1;
	if (!str_starts(eq + 1, "KEOSD:", &rest) || !*rest)
		return 1;
	/* nodeos asks with the older form of a key. */
	if (sign_public_text(asked, ret->key) < 0)
		snprintf(asked, sizeof(asked), "%s", ret->key);
	ret->keosd = keosd_new(rest, asked, timeout_ms);
	return ret->keosd ? 0 : -1;
}

struct signers *signers_new(const struct options *opt)
{
	static const char name[] = "signature-provider";
	const struct strvec *given = option_list(opt, name);
	int64_t timeout_ms = option_int(opt, "keosd-provider-timeout");
	size_t n = given->n ? given->n : 1;
	AUTO(signers_free) struct signers *s = calloc(1, sizeof(*s) + n * sizeof(s->list[0]));

	for (size_t i = 0; s && i < n; i++) {
		const char *text = given->n ? given->v[i] : option_text(opt, name);
		int rc = parse(&s->list[s->n], text, timeout_ms);

		if (rc < 0)
			return NULL;
		if (rc > 0)
			say_malformed(text);
		else
			s->n++;
	}
	return TAKE(s);
}

void signers_free(struct signers *s)
{
	for (size_t i = 0; s && i < s->n; i++)
		keosd_free(s->list[i].keosd);
	free(s);
}

/* --- keys ------------------------------------------------------------------------------------- */

/* A key may be written in two ways. */
static bool is_same_key(const char *a, const char *b)
{
	unsigned char pa[KEY_POINT], pb[KEY_POINT];

	if (strcmp(a, b) == 0)
		return true;
	return sim_key_point(pa, a) == 0 && sim_key_point(pb, b) == 0 &&
	        memcmp(pa, pb, KEY_POINT) == 0;
}

static const struct signer *find(const struct signers *s, const char *public_key)
{
	/* NULL: there is no producer_plugin. */
	for (size_t i = 0; s && i < s->n; i++)
		if (is_same_key(s->list[i].key, public_key))
			return &s->list[i];
	return NULL;
}

bool signers_have(const struct signers *s, const char *public_key)
{
	return find(s, public_key) != NULL;
}

bool signers_ask(const struct signers *s, const char *public_key)
{
	const struct signer *g = find(s, public_key);

	return g && g->keosd;
}

/* --- signing ---------------------------------------------------------------------------------- */

/* What is signed of a block: follows from its header, and says nothing of it. */
static void digest_of(unsigned char ret[BLOCK_ID], const struct block *b)
{
	static const char salt[] = "nodesim block digest";
	unsigned char seed[sizeof(salt) + BLOCK_HEADER];

	memcpy(seed, salt, sizeof(salt));
	memcpy(seed + sizeof(salt), b->packed, BLOCK_HEADER);
	sha256(ret, seed, sizeof(seed));
}

/* what: the check and what it says, up to the text itself. */
static int fail_text(
        struct fail *f, const char *text, bool quotes, const char *what, const char *place)
{
	char data[2 * KEOSD_TEXT];

	/* The text has no control characters, but it may have quotes. */
	snprintf(data, sizeof(data), "{\"str\":\"%.*s\"}", (int)strcspn(text, "\"\\"), text);
	fail_fc(f, 10, "assert_exception", "Assert Exception", place, quotes ? data : "{}", "%s%s",
	        what, quotes ? text : "");
	fail_frame(f, "error parsing signature", data, "signature.cpp:32 sig_parse_base58");
	return -1;
}

/* SIG_K1_ with its checksum: what it says, said again, is the same text. */
static int parse_signature(unsigned char ret[SIGN_LEN], const char *text, struct fail *f)
{
	unsigned char raw[SIGN_LEN + 4];
	char again[SIGN_TEXT_SIZE];
	const char *data = NULL;

	if (!strchr(text, '_'))
		return fail_text(f, text, true,
		        "pivot != std::string::npos: No delimiter in string, cannot determine "
		        "type: ",
		        "signature.cpp:24 sig_parse_base58");
	if (!str_starts(text, "SIG_", NULL))
		return fail_text(f, text, true,
		        "prefix == prefix_str: Signature Key has invalid prefix: ",
		        "signature.cpp:27 sig_parse_base58");
	if (!str_starts(text, SIGNATURE_PREFIX, &data) ||
	        sim_base58_decode(raw, sizeof(raw), data) < 0)
		return fail_text(f, text, false, "false: No matching suite type for ",
		        "common.hpp:62 apply");
	memcpy(ret, raw, SIGN_LEN);
	if (strcmp(sign_text(again, ret), text) != 0)
		return fail_text(
		        f, text, false, "checksum == wrapped.check: ", "common.hpp:50 apply");
	return 0;
}

static int verify(
        const char *key, const unsigned char digest[BLOCK_ID], const char *text, struct fail *f)
{
	unsigned char sig[SIGN_LEN];
	char by[SIGN_KEY_SIZE], data[512];

	if (parse_signature(sig, text, f) < 0)
		return -1;
	if (!sign_is_canonical(sig))
		return fail_fc(f, 10, "assert_exception", "Assert Exception",
		        "elliptic_secp256k1.cpp:149 public_key", "{}",
		        "is_canonical( c ): signature is not canonical");
	if (sign_recover(by, sig, digest) < 0)
		return fail_fc(f, 0, "exception", "unspecified",
		        "elliptic_secp256k1.cpp:145 public_key", "{}",
		        "unable to reconstruct public key from signature");
	if (is_same_key(by, key))
		return 0;
	snprintf(data, sizeof(data),
	        "{\"signing_keys\":[\"%s\"],\"authority\":[0,{\"threshold\":1,\"keys\":[{\"key\":"
	        "\"%s\",\"weight\":1}]}]}",
	        by, key);
	return fail_fc(f, 3030008, "wrong_signing_key", "Block is not signed with expected key",
	        "block_header_state.cpp:435 verify_signee", data, "block signed by unexpected key");
}

int signers_sign(struct signers *s, const char *public_key, const struct block *b, struct fail *f)
{
	const struct signer *g = find(s, public_key);
	unsigned char digest[BLOCK_ID];
	char text[KEOSD_TEXT];

	if (!g || !g->keosd)
		return 0;
	digest_of(digest, b);
	return keosd_ask(g->keosd, text, digest, f) < 0 ? -1 : verify(g->key, digest, text, f);
}
