#include "nodeos/asset.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LONGEST 7

static int malformed(const char *text, struct err *e)
{
	return err_set(e, ERR_USAGE,
	        "'%.60s' is no amount: a number, a space and a symbol, as '0.0001 EOS'", text);
}

/* The digits of "-12.345" as one number; the decimals are counted.  Where it ends, or NULL. */
static const char *read_number(int64_t *ret, unsigned *ret_decimals, const char *s)
{
	bool is_negative = *s == '-', has_point = false, has_digit = false;
	int64_t v = 0;

	*ret_decimals = 0;
	for (s += is_negative; (*s >= '0' && *s <= '9') || *s == '.'; s++) {
		if (*s == '.') {
			if (has_point || !has_digit)
				return NULL;
			has_point = true;
			has_digit = false;
			continue;
		}
		has_digit = true;
		*ret_decimals += has_point;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s - '0', &v))
			return NULL;
	}
	*ret = is_negative ? -v : v;
	return has_digit ? s : NULL;
}

int nodeos_asset_parse(struct nodeos_asset *a, const char *text, struct err *e)
{
	struct nodeos_asset got;
	unsigned decimals;
	const char *s = read_number(&got.amount, &decimals, text);
	size_t n;

	if (!s || *s != ' ')
		return malformed(text, e);
	n = strspn(++s, LETTERS);
	if (n == 0 || s[n])
		return malformed(text, e);
	if (n > LONGEST)
		return err_set(
		        e, ERR_USAGE, "'%.60s': a symbol has at most %d letters", text, LONGEST);
	if (decimals > NODEOS_ASSET_DECIMALS)
		return err_set(e, ERR_USAGE, "'%.60s': a token has at most %d decimals", text,
		        NODEOS_ASSET_DECIMALS);
	if (got.amount > NODEOS_ASSET_MAX || got.amount < -NODEOS_ASSET_MAX)
		return err_set(e, ERR_USAGE, "'%.60s' is more than there can be", text);
	got.symbol = decimals;
	for (size_t i = 0; i < n; i++)
		got.symbol |= (uint64_t)(unsigned char)s[i] << 8 * (i + 1);
	*a = got;
	return 0;
}

const char *nodeos_asset_text(char out[NODEOS_ASSET_SIZE], const struct nodeos_asset *a)
{
	unsigned decimals = (unsigned)(a->symbol & 0xff) % (NODEOS_ASSET_DECIMALS + 1);
	uint64_t v = a->amount < 0 ? -(uint64_t)a->amount : (uint64_t)a->amount, unit = 1;
	char symbol[LONGEST + 1] = "";

	for (size_t i = 0; i < LONGEST; i++)
		symbol[i] = (char)(a->symbol >> 8 * (i + 1) & 0xff);
	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	if (decimals)
		snprintf(out, NODEOS_ASSET_SIZE, "%s%" PRIu64 ".%0*" PRIu64 " %s",
		        a->amount < 0 ? "-" : "", v / unit, (int)decimals, v % unit, symbol);
	else
		snprintf(out, NODEOS_ASSET_SIZE, "%s%" PRIu64 " %s", a->amount < 0 ? "-" : "", v,
		        symbol);
	return out;
}
