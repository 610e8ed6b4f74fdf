#include "sim/genesis.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/str.h"
#include "sim/base58.h"

#define GENESIS_TEXT_MAX 65536
#define KEY_BYTES        37 /* 33, and a checksum of 4 */

enum { AT_TIME = 0, AT_KEY = 8, AT_CONFIGURATION = 42, AT_NOTE = BLOCK_HEADER + 1 };

static const char default_key[] = "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV";
#define DEFAULT_TIME "2018-06-01T12:00:00.000"

static const struct field {
	const char *name;
	unsigned size; /* bytes */
	uint64_t initial;
} fields[] = {
	{ "max_block_net_usage", 8, 1048576 },
	{ "target_block_net_usage_pct", 4, 1000 },
	{ "max_transaction_net_usage", 4, 524288 },
	{ "base_per_transaction_net_usage", 4, 12 },
	{ "net_usage_leeway", 4, 500 },
	{ "context_free_discount_net_usage_num", 4, 20 },
	{ "context_free_discount_net_usage_den", 4, 100 },
	{ "max_block_cpu_usage", 4, 200000 },
	{ "target_block_cpu_usage_pct", 4, 1000 },
	{ "max_transaction_cpu_usage", 4, 150000 },
	{ "min_transaction_cpu_usage", 4, 100 },
	{ "max_transaction_lifetime", 4, 3600 },
	{ "deferred_trx_expiration_window", 4, 600 },
	{ "max_transaction_delay", 4, 3888000 },
	{ "max_inline_action_size", 4, 524288 },
	{ "max_inline_action_depth", 2, 4 },
	{ "max_authority_depth", 2, 6 },
};

/* --- the key ---------------------------------------------------------------------------------- */

static const char base58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
static const char *const forms[] = { "EOS", "PUB_K1_", "PUB_R1_" };

static int set_key(struct sim_genesis *g, const char *text)
{
	unsigned char raw[KEY_BYTES];
	const char *rest = NULL;
	unsigned form = 0;

	while (form < ARRAY_LEN(forms) && !str_starts(text, forms[form], &rest))
		form++;
	if (form == ARRAY_LEN(forms) || strlen(text) >= KEY_TEXT_SIZE ||
	        sim_base58_decode(raw, sizeof(raw), rest) < 0 || (raw[0] != 2 && raw[0] != 3))
		return -1;
	g->packed[AT_KEY] = form == 2;
	memcpy(g->packed + AT_KEY + 1, raw, 33);
	memcpy(g->key_note, raw + 33, 4);
	g->key_note[4] = (unsigned char)form;
	return 0;
}

const char *sim_genesis_key(char out[KEY_TEXT_SIZE], const struct sim_genesis *g)
{
	unsigned char raw[KEY_BYTES];
	const char *prefix = forms[g->key_note[4] < ARRAY_LEN(forms) ? g->key_note[4] : 0];
	char digits[KEY_TEXT_SIZE];
	size_t n = 0, at = strlen(prefix);
	bool more = true;

	memcpy(raw, g->packed + AT_KEY + 1, 33);
	memcpy(raw + 33, g->key_note, 4);
	while (more && n < sizeof(digits)) {
		unsigned rest = 0;

		more = false;
		for (size_t i = 0; i < KEY_BYTES; i++) {
			rest = rest << 8 | raw[i];
			raw[i] = (unsigned char)(rest / 58);
			rest %= 58;
			more |= raw[i] != 0;
		}
		digits[n++] = base58[rest];
	}
	memcpy(out, prefix, at);
	while (n && at + 1 < KEY_TEXT_SIZE)
		out[at++] = digits[--n];
	out[at] = '\0';
	return out;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void set_number(unsigned char *p, unsigned size, uint64_t v)
{
	if (size == 8)
		put_u64(p, v);
	else if (size == 4)
		put_u32(p, (uint32_t)v);
	else
		put_u16(p, (uint16_t)v);
}

static int set_time(struct sim_genesis *g, const char *text)
{
	int64_t ns;

	if (clock_parse(&ns, text) < 0)
		return -1;
	put_u64(g->packed + AT_TIME, (uint64_t)(ns / NS_PER_MS * 1000));
	return 0;
}

static void set_chain_id(struct sim_genesis *g)
{
	sha256(g->chain_id, g->packed, GENESIS_PACKED);
}

void sim_genesis_default(struct sim_genesis *g)
{
	unsigned char *p = g->packed + AT_CONFIGURATION;

	memset(g, 0, sizeof(*g));
	(void)set_key(g, default_key);
	(void)set_time(g, DEFAULT_TIME);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		set_number(p, fields[i].size, fields[i].initial);
		p += fields[i].size;
	}
	set_chain_id(g);
}

static int bad_cast(struct fail *f, const char *key)
{
	return fail_fc(f, 7, "bad_cast_exception", "Bad Cast", "variant.cpp:0 as_value", "{}",
	        "Invalid value for '%s' in the genesis state", key);
}

/* A number, or one in quotes.  fc takes both, and cuts what is too large. */
static int number_of(uint64_t *ret, const json_t *j)
{
	char *end;

	if (json_is_integer(j)) {
		*ret = (uint64_t)json_integer_value(j);
		return 0;
	}
	if (!json_is_string(j) || !*json_string_value(j))
		return -1;
	*ret = strtoull(json_string_value(j), &end, 10);
	return *end ? -1 : 0;
}

static int take_configuration(struct sim_genesis *g, const json_t *j, struct fail *f)
{
	unsigned char *p = g->packed + AT_CONFIGURATION;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const json_t *v = json_object_get(j, fields[i].name);
		uint64_t number;

		if (v && number_of(&number, v) < 0)
			return bad_cast(f, fields[i].name);
		if (v)
			set_number(p, fields[i].size, number);
		p += fields[i].size;
	}
	return 0;
}

static int fail_parse(struct fail *f, const struct err *e)
{
	static const char eof[] =
	        "11 eof_exception: End Of File\\nunexpected end of file\\n    {}\\n"
	        "    nodeos  json.cpp:436 variant_from_stream\\n";
	char data[512];

	if (!strstr(e->msg, "end of file"))
		return fail_fc(f, 4, "parse_error_exception", "Parse Error",
		        "json.cpp:458 variant_from_stream", "{}", "%s", e->msg);
	snprintf(data, sizeof(data), "{\"e\":\"%s\"}", eof);
	return fail_fc(f, 4, "parse_error_exception", "Parse Error",
	        "json.cpp:214 objectFromStream", data,
	        "Unexpected EOF: 11 eof_exception: End Of File\nunexpected end of file\n    {}\n"
	        "    nodeos  json.cpp:436 variant_from_stream\n");
}

int sim_genesis_parse(struct sim_genesis *g, const char *text, size_t n, struct fail *f)
{
	struct err e = ERR_INIT;
	AUTO(json) json_t *j = NULL;
	const char *s;

	sim_genesis_default(g);
	if (n > GENESIS_TEXT_MAX)
		return bad_cast(f, "(text)");
	j = json_parse_object(text, n, "genesis", &e);
	if (!j)
		return fail_parse(f, &e);
	s = json_str(j, "initial_timestamp", NULL);
	if (json_object_get(j, "initial_timestamp") && (!s || set_time(g, s) < 0))
		return bad_cast(f, "initial_timestamp");
	s = json_str(j, "initial_key", NULL);
	if (json_object_get(j, "initial_key") && (!s || set_key(g, s) < 0))
		return bad_cast(f, "initial_key");
	if (take_configuration(g, json_object_get(j, "initial_configuration"), f) < 0)
		return -1;
	set_chain_id(g);
	return 0;
}

void sim_genesis_unpack(struct sim_genesis *g, const unsigned char packed[GENESIS_PACKED],
        const unsigned char note[GENESIS_KEY_NOTE])
{
	memcpy(g->packed, packed, GENESIS_PACKED);
	memcpy(g->key_note, note, GENESIS_KEY_NOTE);
	set_chain_id(g);
}

uint32_t sim_genesis_slot(const struct sim_genesis *g)
{
	return slot_at((int64_t)get_u64(g->packed + AT_TIME) * 1000);
}

void sim_genesis_block(struct block *b, const struct sim_genesis *g)
{
	block_genesis(b, sim_genesis_slot(g), g->chain_id);
	memcpy(b->packed + AT_NOTE, g->key_note, GENESIS_KEY_NOTE);
}

void sim_genesis_note(unsigned char note[GENESIS_KEY_NOTE], const struct block *b)
{
	memcpy(note, b->packed + AT_NOTE, GENESIS_KEY_NOTE);
}
