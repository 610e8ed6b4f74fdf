#include "nodeos/transaction.h"

#include <string.h>

#include "base/str.h"
#include "nodeos/name.h"

struct packer {
	unsigned char *p;
	size_t n;
};

static void put(struct packer *out, const void *data, size_t n)
{
	memcpy(out->p + out->n, data, n);
	out->n += n;
}

static void put_number(struct packer *out, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out->p[out->n++] = (unsigned char)(v >> 8 * i);
}

/* varuint32: seven bits a byte, the lowest first. */
static void put_count(struct packer *out, size_t v)
{
	for (; v >= 0x80; v >>= 7)
		out->p[out->n++] = (unsigned char)(v | 0x80);
	out->p[out->n++] = (unsigned char)v;
}

static uint64_t name_of(const char *text)
{
	struct err unused = ERR_INIT;
	uint64_t v = 0;

	(void)!nodeos_name_parse(&v, text, &unused);
	return v;
}

int transfer_check(const struct transfer *t, struct err *e)
{
	char text[NODEOS_ASSET_SIZE], name[NODEOS_NAME_SIZE];

	if (t->from == t->to)
		return err_set(
		        e, ERR_USAGE, "'%s' cannot pay itself", nodeos_name_text(name, t->from));
	if (t->quantity.amount <= 0)
		return err_set(e, ERR_USAGE, "'%s' is not more than nothing",
		        nodeos_asset_text(text, &t->quantity));
	return 0;
}

int transaction_make(struct transaction *t, const struct transfer *what, const char *reference_id,
        uint32_t expires_s, struct err *e)
{
	unsigned char ref[SHA256_LEN], data[TRANSACTION_PACKED_MAX] = { 0 };
	struct packer d = { .p = data }, out = { .p = t->packed };
	size_t nmemo = strlen(what->memo);

	if (hex_decode(ref, sizeof(ref), reference_id) < 0)
		return err_set(e, ERR_PROTOCOL, "'%.64s' is not a block's id", reference_id);
	put_number(&d, what->from, 8);
	put_number(&d, what->to, 8);
	put_number(&d, (uint64_t)what->quantity.amount, 8);
	put_number(&d, what->quantity.symbol, 8);
	put_count(&d, nmemo);
	put(&d, what->memo, nmemo);

	put_number(&out, expires_s, 4);
	/* The low half of the block's number, which is big-endian in its id; and four bytes more of
	 * the id as they are. */
	put_number(&out, (uint64_t)ref[2] << 8 | ref[3], 2);
	put(&out, ref + 8, 4);
	put_count(&out, 0);     /* max_net_usage_words: no limit */
	put_number(&out, 0, 1); /* max_cpu_usage_ms: no limit */
	put_count(&out, 0);     /* delay_sec */
	put_count(&out, 0);     /* context_free_actions */
	put_count(&out, 1);     /* actions */
	put_number(&out, what->contract, 8);
	put_number(&out, name_of("transfer"), 8);
	put_count(&out, 1); /* authorization */
	put_number(&out, what->from, 8);
	put_number(&out, what->permission, 8);
	put_count(&out, d.n);
	put(&out, data, d.n);
	put_count(&out, 0); /* transaction_extensions */
	t->n = out.n;
	t->signature[0] = '\0';
	sha256_hex(t->id, t->packed, t->n);
	return 0;
}

int transaction_digest(const struct transaction *t, const char *chain_id,
        unsigned char ret[SIGN_DIGEST_LEN], struct err *e)
{
	/* The chain, the transaction, and the digest of context-free data: of none it is zero. */
	unsigned char all[SHA256_LEN + TRANSACTION_PACKED_MAX + SHA256_LEN] = { 0 };

	if (hex_decode(all, SHA256_LEN, chain_id) < 0)
		return err_set(e, ERR_PROTOCOL, "'%.64s' is not a chain's id", chain_id);
	memcpy(all + SHA256_LEN, t->packed, t->n);
	sha256(ret, all, SHA256_LEN + t->n + SHA256_LEN);
	return 0;
}

int transaction_sign(
        struct transaction *t, const char *chain_id, const struct sign_key *k, struct err *e)
{
	unsigned char digest[SIGN_DIGEST_LEN], sig[SIGN_LEN];

	if (transaction_digest(t, chain_id, digest, e) < 0 || sign_digest(k, sig, digest, e) < 0)
		return -1;
	sign_text(t->signature, sig);
	return 0;
}

char *transaction_body(const struct transaction *t, bool is_2)
{
	char hex[2 * TRANSACTION_PACKED_MAX + 1];

	hex_encode(hex, t->packed, t->n);
	/* With return_failure_trace a transaction that fails would be answered with 202. */
	return str_fmt("%s{\"signatures\":[\"%s\"],\"compression\":\"none\","
	               "\"packed_context_free_data\":\"\",\"packed_trx\":\"%s\"}%s",
	        is_2 ? "{\"return_failure_trace\":false,\"retry_trx\":false,\"transaction\":" : "",
	        t->signature, hex, is_2 ? "}" : "");
}
