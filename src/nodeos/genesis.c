#include "nodeos/genesis.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "nodeos/pubkey_priv.h"

#define WHAT "genesis"

/* In packed order. */
static const struct field {
	const char *name;
	size_t offset, size;
} fields[] = {
#define FIELD(f)                                                          \
	{                                                                 \
#f, offsetof(struct genesis_configuration, f),            \
		        sizeof(((struct genesis_configuration *)NULL)->f) \
	}
	FIELD(max_block_net_usage),
	FIELD(target_block_net_usage_pct),
	FIELD(max_transaction_net_usage),
	FIELD(base_per_transaction_net_usage),
	FIELD(net_usage_leeway),
	FIELD(context_free_discount_net_usage_num),
	FIELD(context_free_discount_net_usage_den),
	FIELD(max_block_cpu_usage),
	FIELD(target_block_cpu_usage_pct),
	FIELD(max_transaction_cpu_usage),
	FIELD(min_transaction_cpu_usage),
	FIELD(max_transaction_lifetime),
	FIELD(deferred_trx_expiration_window),
	FIELD(max_transaction_delay),
	FIELD(max_inline_action_size),
	FIELD(max_inline_action_depth),
	FIELD(max_authority_depth),
#undef FIELD
};

#define PACKED_MAX (sizeof(int64_t) + PUBKEY_PACKED_LEN + ARRAY_LEN(fields) * sizeof(uint64_t))

static uint64_t field_value(const struct genesis_configuration *c, const struct field *f)
{
	const char *p = (const char *)c + f->offset;
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (f->size) {
	case sizeof(u16):
		memcpy(&u16, p, sizeof(u16));
		return u16;
	case sizeof(u32):
		memcpy(&u32, p, sizeof(u32));
		return u32;
	default:
		memcpy(&u64, p, sizeof(u64));
		return u64;
	}
}

static void field_set(struct genesis_configuration *c, const struct field *f, uint64_t v)
{
	char *p = (char *)c + f->offset;
	uint32_t u32 = (uint32_t)v;
	uint16_t u16 = (uint16_t)v;

	switch (f->size) {
	case sizeof(u16):
		memcpy(p, &u16, sizeof(u16));
		break;
	case sizeof(u32):
		memcpy(p, &u32, sizeof(u32));
		break;
	default:
		memcpy(p, &v, sizeof(v));
		break;
	}
}

static bool is_known(const char *key)
{
	static const char *const top[] = { "initial_timestamp", "initial_key",
		"initial_configuration" };

	for (size_t i = 0; i < ARRAY_LEN(top); i++)
		if (strcmp(key, top[i]) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (strcmp(key, fields[i].name) == 0)
			return true;
	return false;
}

/* The key's value, which must be there.  path is what the message calls it. */
static json_t *required(const json_t *in, const char *path, struct err *e)
{
	const char *dot = strrchr(path, '.'), *key = dot ? dot + 1 : path, *other, *meant = NULL;
	json_t *v = json_object_get(in, key), *unused;

	if (v)
		return v;
	json_object_foreach((json_t *)(uintptr_t)in, other, unused)
	{
		if (!is_known(other) && str_distance(other, key) <= 3)
			meant = other;
	}
	err_set(e, ERR_USAGE, WHAT ": '%s' is missing", path);
	if (meant)
		err_hint(e, "the file has '%s'; did you mean '%s'?", meant, key);
	else
		err_hint(e,
		        "nodeos would take its built-in value and start another chain than you "
		        "mean; take the chain's complete genesis.json");
	return NULL;
}

/* A number, also as a text of digits: nodeos writes those from 2^32 on so, and reads both. */
static int read_number(
        struct genesis_configuration *c, const struct field *f, const json_t *in, struct err *e)
{
	uint64_t max = f->size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * f->size)) - 1, v;
	char path[96];
	json_t *j;

	snprintf(path, sizeof(path), "initial_configuration.%s", f->name);
	j = required(in, path, e);
	if (!j)
		return -1;
	if (json_is_string(j)) {
		if (num_uint(&v, json_string_value(j), 0, max, e) < 0)
			return err_wrap(e, WHAT ": %s", path);
	} else if (!json_is_integer(j) || json_integer_value(j) < 0) {
		return err_set(e, ERR_USAGE, WHAT ": '%s' is not a whole number from 0 to %llu",
		        path, (unsigned long long)max);
	} else {
		v = (uint64_t)json_integer_value(j);
	}
	if (v > max)
		return err_set(e, ERR_USAGE, WHAT ": '%s' is %llu, but at most %llu fits", path,
		        (unsigned long long)v, (unsigned long long)max);
	field_set(c, f, v);
	return 0;
}

/*
 * "2026-11-20T00:00:00" with at most three digits of a second's fraction.  nodeos reads more
 * digits as a number of milliseconds (".500000" as 500 seconds) and fails on a final Z, so
 * these are refused; a day that does not exist too, which timegm() would move on.
 */
static int read_time(int64_t *ret_ns, const char *s, struct err *e)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";
	char again[CLOCK_TEXT_MAX];
	size_t n = strlen(s), i = 0;

	for (; i < n && shape[i]; i++)
		if (shape[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i])
			goto bad;
	if (shape[i])
		goto bad;
	if (i < n && (s[i] != '.' || n - i - 1 > 3 || strspn(s + i + 1, "0123456789") != n - i - 1))
		goto bad;
	if (clock_parse(ret_ns, s) < 0)
		goto bad;
	if (strncmp(clock_text(again, *ret_ns), s, strlen(shape)) != 0)
		goto bad;
	return 0;
bad:
	return err_set(e, ERR_USAGE,
	        WHAT ": 'initial_timestamp' is '%.64s', not a time like 2026-11-20T00:00:00.000",
	        s);
}

/* What chain_config::validate() of nodeos asserts when it starts the chain. */
static int check_configuration(const struct genesis_configuration *c, struct err *e)
{
	enum { PERCENT_MIN = 10, PERCENT_MAX = 10000, NET_DELTA_MIN = 10 * 1024 };
	const struct {
		bool ok;
		const char *what;
	} rules[] = {
		{ c->target_block_net_usage_pct >= PERCENT_MIN &&
		                c->target_block_net_usage_pct <= PERCENT_MAX,
		        "target_block_net_usage_pct must be from 10 to 10000" },
		{ c->target_block_cpu_usage_pct >= PERCENT_MIN &&
		                c->target_block_cpu_usage_pct <= PERCENT_MAX,
		        "target_block_cpu_usage_pct must be from 10 to 10000" },
		{ c->max_transaction_net_usage < c->max_block_net_usage,
		        "max_transaction_net_usage must be less than max_block_net_usage" },
		{ c->max_transaction_cpu_usage < c->max_block_cpu_usage,
		        "max_transaction_cpu_usage must be less than max_block_cpu_usage" },
		{ (uint64_t)c->base_per_transaction_net_usage + NET_DELTA_MIN <=
		                c->max_transaction_net_usage,
		        "max_transaction_net_usage must be at least 10240 more than "
		        "base_per_transaction_net_usage" },
		{ c->context_free_discount_net_usage_den > 0,
		        "context_free_discount_net_usage_den must not be 0" },
		{ c->context_free_discount_net_usage_num <= c->context_free_discount_net_usage_den,
		        "context_free_discount_net_usage_num must not exceed "
		        "context_free_discount_net_usage_den" },
		{ c->min_transaction_cpu_usage <= c->max_transaction_cpu_usage,
		        "min_transaction_cpu_usage must not exceed max_transaction_cpu_usage" },
		{ (uint64_t)c->max_transaction_cpu_usage + c->min_transaction_cpu_usage <
		                c->max_block_cpu_usage,
		        "max_transaction_cpu_usage and min_transaction_cpu_usage together must be "
		        "less than max_block_cpu_usage" },
		{ c->max_authority_depth >= 1, "max_authority_depth must be at least 1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (!rules[i].ok)
			return err_set(
			        e, ERR_USAGE, WHAT ": initial_configuration: %s", rules[i].what);
	return 0;
}

static void compute_chain_id(struct genesis *g, const unsigned char key[PUBKEY_PACKED_LEN])
{
	unsigned char packed[PACKED_MAX], *p = packed;
	uint64_t le = htole64((uint64_t)(g->initial_ns / 1000));

	p = (unsigned char *)mempcpy(p, &le, sizeof(le));
	p = (unsigned char *)mempcpy(p, key, PUBKEY_PACKED_LEN);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		le = htole64(field_value(&g->initial_configuration, &fields[i]));
		p = (unsigned char *)mempcpy(p, &le, fields[i].size);
	}
	sha256_hex(g->chain_id, packed, (size_t)(p - packed));
}

static int read_key(
        struct genesis *g, unsigned char packed[PUBKEY_PACKED_LEN], const json_t *j, struct err *e)
{
	const char *s = json_string_value(j);

	if (!s)
		return err_set(e, ERR_USAGE, WHAT ": 'initial_key' is not a text");
	if (pubkey_pack(packed, s, e) < 0)
		return err_wrap(e, WHAT ": 'initial_key'");
	/* pubkey_pack() takes nothing longer than this field. */
	snprintf(g->initial_key, sizeof(g->initial_key), "%s", s);
	return 0;
}

int genesis_parse(struct genesis *g, const char *text, size_t n, struct err *e)
{
	AUTO(json) json_t *j = NULL;
	unsigned char key[PUBKEY_PACKED_LEN];
	struct genesis got = { .initial_ns = 0 };
	json_t *v;

	if (n > GENESIS_TEXT_MAX)
		return err_set(e, ERR_USAGE, WHAT ": more than %d bytes", GENESIS_TEXT_MAX);
	j = json_parse_object(text, n, WHAT, e);
	if (!j) {
		e->kind = ERR_USAGE;
		return -1;
	}
	v = required(j, "initial_timestamp", e);
	if (!v)
		return -1;
	if (!json_is_string(v))
		return err_set(e, ERR_USAGE, WHAT ": 'initial_timestamp' is not a text");
	if (read_time(&got.initial_ns, json_string_value(v), e) < 0)
		return -1;
	v = required(j, "initial_key", e);
	if (!v || read_key(&got, key, v, e) < 0)
		return -1;
	v = required(j, "initial_configuration", e);
	if (!v)
		return -1;
	if (!json_is_object(v))
		return err_set(e, ERR_USAGE, WHAT ": 'initial_configuration' is not an object");
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (read_number(&got.initial_configuration, &fields[i], v, e) < 0)
			return -1;
	if (check_configuration(&got.initial_configuration, e) < 0)
		return -1;
	compute_chain_id(&got, key);
	*g = got;
	return 0;
}
