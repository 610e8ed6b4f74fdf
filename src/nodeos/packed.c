#include "nodeos/packed_priv.h"

#include <endian.h>
#include <string.h>

enum key_type {
	KEY_K1,
	KEY_R1,
	KEY_WEBAUTHN,
};

#define KEY_LEN     33
#define CONFIG_LEN  (8 + 14 * 4 + 2 * 2)
#define PREVIOUS_AT 14 /* in a header */

void packed_fail(struct packed *in, const char *fault)
{
	if (!in->fault)
		in->fault = fault;
}

const unsigned char *packed_bytes(struct packed *in, uint64_t n)
{
	const unsigned char *p = in->p + in->at;

	if (!in->fault && n > in->n - in->at)
		packed_fail(in, "ends too early");
	if (in->fault)
		return NULL;
	in->at += (size_t)n;
	return p;
}

static uint64_t little(struct packed *in, size_t n)
{
	const unsigned char *p = packed_bytes(in, n);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, n);
	return le64toh(v);
}

uint8_t packed_u8(struct packed *in)
{
	return (uint8_t)little(in, 1);
}

uint32_t packed_u32(struct packed *in)
{
	return (uint32_t)little(in, 4);
}

uint64_t packed_u64(struct packed *in)
{
	return little(in, 8);
}

uint32_t packed_count(struct packed *in, size_t each)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = packed_u8(in);
		v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80 && shift < 35);
	if (b & 0x80 || v > UINT32_MAX)
		packed_fail(in, "a count of more than 32 bits");
	else if (v > (in->n - in->at) / (each ? each : 1))
		packed_fail(in, "ends too early");
	return in->fault ? 0 : (uint32_t)v;
}

bool packed_has(struct packed *in)
{
	uint8_t b = packed_u8(in);

	if (b > 1)
		packed_fail(in, "an optional with neither 0 nor 1");
	return b == 1;
}

void packed_key(struct packed *in)
{
	switch (packed_u8(in)) {
	case KEY_K1:
	case KEY_R1:
		(void)packed_bytes(in, KEY_LEN);
		break;
	case KEY_WEBAUTHN: /* and the kind of user's presence, and the site's name */
		(void)packed_bytes(in, KEY_LEN + 1);
		(void)packed_bytes(in, packed_count(in, 1));
		break;
	default:
		packed_fail(in, "a key of an unknown type");
		break;
	}
}

void packed_authority(struct packed *in)
{
	uint32_t n;

	if (packed_u8(in) != 0)
		packed_fail(in, "an authority of an unknown type");
	(void)packed_u32(in); /* threshold */
	n = packed_count(in, 1 + KEY_LEN + 2);
	for (uint32_t i = 0; i < n && !in->fault; i++) {
		packed_key(in);
		(void)packed_bytes(in, 2); /* weight */
	}
}

static void schedule(struct packed *in, size_t each, void (*one)(struct packed *))
{
	uint32_t n;

	(void)packed_u32(in); /* version */
	n = packed_count(in, 8 + each);
	for (uint32_t i = 0; i < n && !in->fault; i++) {
		(void)packed_u64(in); /* the producer's name */
		one(in);
	}
}

void packed_schedule(struct packed *in)
{
	schedule(in, 1 + KEY_LEN, packed_key);
}

void packed_authority_schedule(struct packed *in)
{
	schedule(in, 1 + 4 + 1, packed_authority);
}

void packed_chain_config(struct packed *in)
{
	(void)packed_bytes(in, CONFIG_LEN);
}

void packed_genesis(struct packed *in, char ret_chain_id[NODEOS_ID_HEX_SIZE])
{
	size_t from = in->at;

	(void)packed_u64(in); /* initial_timestamp */
	packed_key(in);
	packed_chain_config(in);
	if (!in->fault)
		(void)sha256_hex(ret_chain_id, in->p + from, in->at - from);
}

uint32_t packed_id_num(const unsigned char id[SHA256_LEN])
{
	uint32_t num;

	memcpy(&num, id, sizeof(num));
	return be32toh(num);
}

uint32_t packed_block_header(struct packed *in, unsigned char ret_id[SHA256_LEN])
{
	size_t from = in->at;
	uint32_t n, num, be;

	/* timestamp, producer, confirmed; previous, transaction_mroot, action_mroot;
	 * schedule_version; new_producers; header_extensions */
	(void)packed_bytes(in, PREVIOUS_AT);
	(void)packed_bytes(in, 3 * SHA256_LEN);
	(void)packed_u32(in);
	if (packed_has(in))
		packed_schedule(in);
	n = packed_count(in, 2 + 1);
	for (uint32_t i = 0; i < n && !in->fault; i++) {
		(void)packed_bytes(in, 2);
		(void)packed_bytes(in, packed_count(in, 1));
	}
	if (in->fault)
		return 0;
	num = packed_id_num(in->p + from + PREVIOUS_AT) + 1;
	sha256(ret_id, in->p + from, in->at - from);
	be = htobe32(num);
	memcpy(ret_id, &be, sizeof(be));
	return num;
}

uint32_t packed_header_state(struct packed *in, bool is_plain)
{
	uint32_t num = packed_u32(in);

	(void)packed_bytes(in, 2 * sizeof(uint32_t)); /* dpos_* */
	if (is_plain)
		packed_schedule(in);
	else
		packed_authority_schedule(in);
	/* blockroot_merkle; producer_to_last_produced and _implied_irb */
	(void)packed_bytes(in, (uint64_t)packed_count(in, SHA256_LEN) * SHA256_LEN);
	(void)packed_u64(in);
	for (int i = 0; i < 2; i++)
		(void)packed_bytes(in, (uint64_t)packed_count(in, 12) * 12);
	if (is_plain)
		packed_key(in);
	else
		packed_authority(in);
	(void)packed_bytes(in, packed_count(in, 1)); /* confirm_count */
	return num;
}
