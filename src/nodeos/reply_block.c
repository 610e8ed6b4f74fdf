/*
 * Blocks and the schedule of producers
 *
 * A block's reply may have megabytes of transactions, and of these only their number is wanted.
 * Their contents are what anybody has sent to the chain, decoded by ABIs that anybody has set:
 * keys that stand twice, zero bytes, nesting.  A JSON parser may refuse all of these, and then one
 * transaction would hide a block from us.  So the array of transactions is counted by a scanner
 * that knows strings and brackets, and is not there when the rest is parsed.
 *
 * Sources: recordings of nodeos v4.0.6; AntelopeIO/leap and AntelopeIO/spring,
 * plugins/chain_plugin/chain_plugin.cpp convert_block(), get_block_info(),
 * get_producer_schedule(), which differ in keys that are not read here.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "nodeos/reply_priv.h"

#define TRANSACTIONS "\"transactions\""

/* The end of the string that begins at text[i], behind its closing quote; n without one. */
static size_t skip_string(const char *text, size_t n, size_t i)
{
	for (i++; i < n && text[i] != '"'; i++)
		if (text[i] == '\\')
			i++;
	return i < n ? i + 1 : n;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_blanks(const char *text, size_t n, size_t i)
{
	while (i < n && is_blank(text[i]))
		i++;
	return i;
}

/* The end of the array that begins at text[i], behind its bracket; n without one.  *count gets the
 * number of its elements. */
static size_t skip_array(const char *text, size_t n, size_t i, size_t *count)
{
	size_t depth = 1;
	bool is_empty = true;

	*count = 0;
	for (i++; i < n; i++) {
		char c = text[i];

		if ((c == ']' || c == '}') && --depth == 0) {
			*count += !is_empty;
			return i + 1;
		}
		is_empty = is_empty && is_blank(c);
		if (c == '"')
			i = skip_string(text, n, i) - 1;
		else if (c == '[' || c == '{')
			depth++;
		else if (c == ',' && depth == 1)
			++*count;
	}
	return n;
}

/* The array of transactions: from its bracket to behind the other one.  false: there is none. */
static bool find_transactions(const char *text, size_t n, size_t *begin, size_t *end, size_t *count)
{
	size_t depth = 0, i = 0;

	while (i < n) {
		size_t key = i;

		if (text[i] != '"') {
			if (text[i] == '{' || text[i] == '[')
				depth++;
			else if ((text[i] == '}' || text[i] == ']') && depth)
				depth--;
			i++;
			continue;
		}
		i = skip_string(text, n, i);
		if (depth != 1 || i - key != strlen(TRANSACTIONS) ||
		        memcmp(text + key, TRANSACTIONS, i - key) != 0)
			continue;
		i = skip_blanks(text, n, i);
		if (i == n || text[i] != ':')
			continue;
		*begin = skip_blanks(text, n, i + 1);
		if (*begin == n || text[*begin] != '[')
			return false;
		*end = skip_array(text, n, *begin, count);
		return *end < n;
	}
	return false;
}

static uint32_t id_num(const char *id)
{
	char hex[9] = "";

	memcpy(hex, id, sizeof(hex) - 1);
	return (uint32_t)strtoul(hex, NULL, 16);
}

static int read_time(int64_t *ret_ns, const json_t *j, const char *what, struct err *e)
{
	int64_t ns;

	if (clock_parse(&ns, json_str(j, "timestamp", "")) < 0)
		return err_set(e, ERR_PROTOCOL, "%s: 'timestamp' is not a time", what);
	if (NODEOS_SLOT_EPOCH_NS + nodeos_slot(ns) * NODEOS_SLOT_NS != ns)
		return err_set(e, ERR_PROTOCOL, "%s: 'timestamp' is not the begin of a slot", what);
	*ret_ns = ns;
	return 0;
}

static int read_block(struct nodeos_block *b, const json_t *j, const char *what, struct err *e)
{
	if (reply_uint32(&b->num, j, what, "block_num", e) < 0 ||
	        reply_id(b->id, j, what, "id", e) < 0 ||
	        reply_id(b->previous, j, what, "previous", e) < 0 ||
	        reply_uint32(&b->schedule_version, j, what, "schedule_version", e) < 0 ||
	        read_time(&b->time_ns, j, what, e) < 0)
		return -1;
	/* An id begins with its block's number: leap, block_header::calculate_id(). */
	if (b->num == 0 || id_num(b->id) != b->num || id_num(b->previous) != b->num - 1)
		return err_set(e, ERR_PROTOCOL, "%s: the ids are not those of block %u", what,
		        (unsigned)b->num);
	if (nodeos_name_copy(b->producer, json_str(j, "producer", NULL)) < 0)
		return err_set(e, ERR_PROTOCOL, "%s: 'producer' is not a name", what);
	return 0;
}

int nodeos_block_parse(struct nodeos_block *b, const char *text, size_t n, struct err *e)
{
	static const char what[] = "get_block";
	AUTO(buf) struct buf rest = BUF_INIT(NODEOS_REPLY_MAX);
	AUTO(json) json_t *j = NULL;
	struct nodeos_block got = { .transactions = -1 };
	size_t begin, end, count;
	int rc;

	if (reply_check_size(n, what, e) < 0)
		return -1;
	if (find_transactions(text, n, &begin, &end, &count)) {
		if (buf_add(&rest, text, begin) < 0 || buf_add_str(&rest, "[]") < 0 ||
		        buf_add(&rest, text + end, n - end) < 0)
			return err_nomem(e);
		text = rest.data;
		n = rest.len;
		got.transactions = (int32_t)count;
	}
	rc = reply_parse_block(&j, text, n, what, e);
	if (rc != 0)
		return rc;
	if (got.transactions < 0 && json_object_get(j, "transactions"))
		return err_set(e, ERR_PROTOCOL, "%s: 'transactions' is not a list", what);
	if (read_block(&got, j, what, e) < 0)
		return -1;
	*b = got;
	return 0;
}

/* Whether the string that begins at text[i] and ends before `end` is that one. */
static bool is_string(const char *text, size_t i, size_t end, const char *s)
{
	return end - i == strlen(s) + 2 && memcmp(text + i + 1, s, strlen(s)) == 0;
}

/*
 * In the array: {"status":..., "trx":{"id":"ID","signatures":[...], ..., "transaction":{...}}}, or
 * of one that was deferred {..., "trx":"ID"}.  What anybody has put into a transaction lies deeper
 * than its own "id", and in strings, whose quotes are escaped.
 */
bool nodeos_block_has(const char *text, size_t n, const char *transaction_id)
{
	size_t begin, end, count, depth = 0;

	if (!find_transactions(text, n, &begin, &end, &count))
		return false;
	for (size_t i = begin; i < end;) {
		size_t key = i, value;

		if (text[i] != '"') {
			if (text[i] == '{' || text[i] == '[')
				depth++;
			else if ((text[i] == '}' || text[i] == ']') && depth)
				depth--;
			i++;
			continue;
		}
		i = skip_string(text, end, i);
		if (!(depth == 3 && is_string(text, key, i, "id")) &&
		        !(depth == 2 && is_string(text, key, i, "trx")))
			continue;
		value = skip_blanks(text, end, i);
		if (value == end || text[value] != ':')
			continue;
		value = skip_blanks(text, end, value + 1);
		if (value == end || text[value] != '"')
			continue;
		i = skip_string(text, end, value);
		if (is_string(text, value, i, transaction_id))
			return true;
	}
	return false;
}

int nodeos_schedule_parse(struct nodeos_schedule *s, const char *text, size_t n, struct err *e)
{
	static const char what[] = "get_producer_schedule";
	AUTO(json) json_t *j = reply_parse(text, n, what, e);
	const json_t *active, *list;
	struct nodeos_schedule got = { .n = 0 };

	if (!j)
		return -1;
	active = json_object_get(j, "active");
	list = json_object_get(active, "producers");
	if (!json_is_array(list))
		return err_set(e, ERR_PROTOCOL, "%s: no 'active' schedule", what);
	if (json_array_size(list) > NODEOS_PRODUCERS_MAX)
		return err_set(
		        e, ERR_PROTOCOL, "%s: more than %d producers", what, NODEOS_PRODUCERS_MAX);
	if (reply_uint32(&got.version, active, what, "version", e) < 0)
		return -1;
	for (; got.n < json_array_size(list); got.n++) {
		char *name = got.producers[got.n];

		if (nodeos_name_copy(name,
		            json_str(json_array_get(list, got.n), "producer_name", NULL)) < 0 ||
		        !*name)
			return err_set(e, ERR_PROTOCOL,
			        "%s: 'producer_name' of number %zu is not "
			        "a name",
			        what, got.n + 1);
	}
	*s = got;
	return 0;
}

const char *nodeos_schedule_at(const struct nodeos_schedule *s, uint32_t slot)
{
	return s->n ? s->producers[slot % (s->n * NODEOS_TURN) / NODEOS_TURN] : NULL;
}

uint32_t nodeos_slot(int64_t time_ns)
{
	int64_t slot;

	if (time_ns < NODEOS_SLOT_EPOCH_NS)
		return 0;
	slot = (time_ns - NODEOS_SLOT_EPOCH_NS) / NODEOS_SLOT_NS;
	return slot > UINT32_MAX ? UINT32_MAX : (uint32_t)slot;
}
