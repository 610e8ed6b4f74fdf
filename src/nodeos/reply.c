#include "nodeos/reply.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "nodeos/reply_priv.h"

/* leap v4.0.6, libraries/chain/include/eosio/chain/exceptions.hpp: unknown_block_exception */
#define UNKNOWN_BLOCK 3100002

int reply_check_size(size_t n, const char *what, struct err *e)
{
	return n > NODEOS_REPLY_MAX ? err_set(e, ERR_PROTOCOL, "%s: reply of more than %d bytes",
	                                      what, NODEOS_REPLY_MAX)
	                            : 0;
}

/* nodeos's way of saying no:
 * {"code":400,"message":"...","error":{...,"details":[{"message":"..."}]}} */
static int check_answer(const json_t *j, const char *what, struct err *e)
{
	const json_t *details = json_at(j, "error.details");

	if (!details)
		return 0;
	details = json_array_get(details, 0);
	return err_set(e, ERR_PROTOCOL, "%s: nodeos says %lld %s: %s", what,
	        (long long)json_int(j, "code", 0), json_str(j, "message", ""),
	        json_str(details, "message", "no details"));
}

json_t *reply_parse(const char *text, size_t n, const char *what, struct err *e)
{
	AUTO(json) json_t *j = NULL;

	if (reply_check_size(n, what, e) < 0)
		return NULL;
	j = json_parse_object(text, n, what, e);
	if (!j || check_answer(j, what, e) < 0)
		return NULL;
	return TAKE(j);
}

int reply_parse_block(json_t **ret, const char *text, size_t n, const char *what, struct err *e)
{
	AUTO(json) json_t *j = NULL;

	if (reply_check_size(n, what, e) < 0)
		return -1;
	j = json_parse_object(text, n, what, e);
	if (!j)
		return -1;
	if (json_int(j, "error.code", 0) == UNKNOWN_BLOCK)
		return 1;
	if (check_answer(j, what, e) < 0)
		return -1;
	*ret = TAKE(j);
	return 0;
}

/* A number up to max at key; a number in text counts too. */
static int get_uint(uint64_t *ret, const json_t *in, const char *what, const char *key,
        uint64_t max, struct err *e)
{
	const json_t *j = json_object_get(in, key);
	struct err unused = ERR_INIT;

	if (json_is_integer(j) && json_integer_value(j) >= 0 &&
	        (uint64_t)json_integer_value(j) <= max) {
		*ret = (uint64_t)json_integer_value(j);
		return 0;
	}
	if (json_is_string(j) && num_uint(ret, json_string_value(j), 0, max, &unused) == 0)
		return 0;
	return err_set(e, ERR_PROTOCOL, "%s: '%s' is %s", what, key,
	        j ? "not a number in its range" : "missing");
}

int reply_uint32(uint32_t *ret, const json_t *in, const char *what, const char *key, struct err *e)
{
	uint64_t v;

	if (get_uint(&v, in, what, key, UINT32_MAX, e) < 0)
		return -1;
	*ret = (uint32_t)v;
	return 0;
}

int nodeos_id_copy(char out[NODEOS_ID_HEX_SIZE], const char *s)
{
	size_t n = s ? strspn(s, "0123456789abcdefABCDEF") : 0;

	if (n != NODEOS_ID_HEX_SIZE - 1 || s[n])
		return -1;
	for (size_t i = 0; i <= n; i++)
		out[i] = (char)tolower((unsigned char)s[i]);
	return 0;
}

int nodeos_name_copy(char out[NODEOS_NAME_SIZE], const char *s)
{
	size_t n = s ? strspn(s, ".12345abcdefghijklmnopqrstuvwxyz") : NODEOS_NAME_SIZE;

	if (n >= NODEOS_NAME_SIZE || s[n])
		return -1;
	memcpy(out, s, n + 1);
	return 0;
}

int reply_id(char out[NODEOS_ID_HEX_SIZE], const json_t *in, const char *what, const char *key,
        struct err *e)
{
	const json_t *j = json_object_get(in, key);

	if (nodeos_id_copy(out, json_string_value(j)) == 0)
		return 0;
	return err_set(
	        e, ERR_PROTOCOL, "%s: '%s' is %s", what, key, j ? "not 64 hex digits" : "missing");
}

int nodeos_info_parse(struct nodeos_info *i, const char *text, size_t n, struct err *e)
{
	static const char what[] = "get_info";
	AUTO(json) json_t *j = NULL;
	struct nodeos_info got = { .head_block_num = 0 };

	j = reply_parse(text, n, what, e);
	if (!j)
		return -1;
	if (reply_id(got.chain_id, j, what, "chain_id", e) < 0 ||
	        reply_uint32(&got.head_block_num, j, what, "head_block_num", e) < 0 ||
	        reply_id(got.head_block_id, j, what, "head_block_id", e) < 0 ||
	        reply_uint32(&got.last_irreversible_block_num, j, what,
	                "last_irreversible_block_num", e) < 0 ||
	        reply_id(got.last_irreversible_block_id, j, what, "last_irreversible_block_id", e) <
	                0)
		return -1;
	if (clock_parse(&got.head_time_ns, json_str(j, "head_block_time", "")) < 0)
		return err_set(e, ERR_PROTOCOL, "%s: 'head_block_time' is not a time", what);
	/* Optional in nodeos, and not there in the first versions of Leap. */
	if (json_object_get(j, "earliest_available_block_num") &&
	        reply_uint32(&got.earliest_available_block_num, j, what,
	                "earliest_available_block_num", e) < 0)
		return -1;
	if (json_object_get(j, "fork_db_head_block_num") &&
	        reply_uint32(&got.fork_db_head_block_num, j, what, "fork_db_head_block_num", e) < 0)
		return -1;
	snprintf(got.server_version_string, sizeof(got.server_version_string), "%s",
	        json_str(j, "server_version_string", ""));
	str_printable(got.server_version_string);
	/* The cut may have gone through a character, and this goes into JSON again. */
	for (char *c = got.server_version_string; *c; c++)
		if (*c & '\x80')
			*c = '?';
	/* Nobody's, as that of block 1 is, when it says no name. */
	if (nodeos_name_copy(got.head_block_producer, json_str(j, "head_block_producer", "")) < 0)
		*got.head_block_producer = '\0';
	*i = got;
	return 0;
}

int nodeos_block_info_parse(struct nodeos_block_info *b, const char *text, size_t n, struct err *e)
{
	static const char what[] = "get_block_info";
	AUTO(json) json_t *j = NULL;
	struct nodeos_block_info got;
	int rc = reply_parse_block(&j, text, n, what, e);

	if (rc != 0)
		return rc;
	if (reply_uint32(&got.block_num, j, what, "block_num", e) < 0 ||
	        reply_id(got.id, j, what, "id", e) < 0)
		return -1;
	*b = got;
	return 0;
}

/*
 * The labels in the list of connections come from anybody who connects, and nodeos passes on
 * what JSON parsers trip over: zero bytes, and UTF-8 that is none.  One peer must not blind us,
 * so zeros are allowed and all but ASCII is made so.
 */
static json_t *parse_connections(const char *text, size_t n, const char *what, struct err *e)
{
	char *ascii = malloc(n + 1);
	json_error_t je;
	json_t *j;

	if (!ascii) {
		err_nomem(e);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		ascii[i] = text[i] & '\x80' ? '?' : text[i];
	j = json_loadb(ascii, n, JSON_ALLOW_NUL, &je);
	free(ascii);
	if (!j)
		err_set(e, ERR_PROTOCOL, "%s: line %d, column %d: %s", what, je.line, je.column,
		        je.text);
	return j;
}

/* How a handshake calls its heads: Leap, and Spring to 1.0; Spring from 1.1 on, whose blocks that
 * can still be undone begin behind the root. */
static const struct hello_names {
	const char *head, *irreversible, *irreversible_id;
} leap_hello = { "head_num", "last_irreversible_block_num", "last_irreversible_block_id" },
  spring_hello = { "fork_db_head_num", "fork_db_root_num", "fork_db_root_id" };

static int read_irreversible(struct nodeos_peer *p, const json_t *hello,
        const struct hello_names *names, const char *what, struct err *e)
{
	uint32_t num;

	if (!json_object_get(hello, names->irreversible))
		return 0;
	if (reply_uint32(&num, hello, what, names->irreversible, e) < 0 ||
	        reply_id(p->last_irreversible_block_id, hello, what, names->irreversible_id, e) < 0)
		return -1;
	p->last_irreversible_block_num = num;
	if (!num)
		*p->last_irreversible_block_id = '\0';
	return 0;
}

static int read_connection(struct nodeos_peer *p, const json_t *c, const char *what,
        const char *chain_id, struct err *e)
{
	const json_t *hello = json_object_get(c, "last_handshake");
	const json_t *peer = json_object_get(c, "peer");
	const struct hello_names *names =
	        json_object_get(hello, spring_hello.head) ? &spring_hello : &leap_hello;
	char id[NODEOS_ID_HEX_SIZE];
	uint64_t version;

	if (!json_is_object(c) || !json_is_string(peer) || !json_is_object(hello))
		return err_set(e, ERR_PROTOCOL, "%s: not a list of connections", what);
	if (get_uint(&version, hello, what, "network_version", UINT16_MAX, e) < 0 ||
	        reply_id(id, hello, what, "chain_id", e) < 0 ||
	        reply_uint32(&p->head_num, hello, what, names->head, e) < 0)
		return -1;
	p->text = json_string_value(peer);
	p->is_handshaken = version != 0;
	p->last_irreversible_block_num = 0;
	*p->last_irreversible_block_id = '\0';
	if (!version || (chain_id && strcmp(chain_id, id) != 0)) {
		p->head_num = 0;
		return 0;
	}
	return read_irreversible(p, hello, names, what, e);
}

static void add_connection(
        struct nodeos_peers_info *info, const struct nodeos_peer *p, nodeos_peer_fn *fn, void *arg)
{
	bool chosen = *p->text && (!fn || fn(arg, p));

	info->connections++;
	info->configured += *p->text != '\0';
	info->handshaken += p->is_handshaken;
	if (p->head_num > info->best_head_num)
		info->best_head_num = p->head_num;
	if (chosen && p->head_num > info->best_chosen_head_num)
		info->best_chosen_head_num = p->head_num;
}

int nodeos_peers_info_parse(struct nodeos_peers_info *p, const char *text, size_t n,
        const char *chain_id, nodeos_peer_fn *fn, void *arg, struct err *e)
{
	static const char what[] = "connections";
	AUTO(json) json_t *j = NULL;
	struct nodeos_peers_info got = { 0 };
	struct nodeos_peer peer;

	if (reply_check_size(n, what, e) < 0)
		return -1;
	j = parse_connections(text, n, what, e);
	if (!j)
		return -1;
	if (!json_is_array(j))
		return err_set(e, ERR_PROTOCOL, "%s: not a list of connections", what);
	for (size_t i = 0; i < json_array_size(j); i++)
		if (read_connection(&peer, json_array_get(j, i), what, chain_id, e) < 0)
			return -1;
	for (size_t i = 0; i < json_array_size(j); i++)
		if (read_connection(&peer, json_array_get(j, i), what, chain_id, e) == 0)
			add_connection(&got, &peer, fn, arg);
	*p = got;
	return 0;
}

enum nodeos_net_reply nodeos_net_reply_parse(const char *text, size_t n)
{
	static const struct {
		const char *text;
		enum nodeos_net_reply reply;
	} known[] = {
		{ "\"added connection\"", NODEOS_NET_ADDED },
		{ "\"already connected\"", NODEOS_NET_ALREADY },
		{ "\"connection removed\"", NODEOS_NET_REMOVED },
		{ "\"no known connection for host\"", NODEOS_NET_UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (n == strlen(known[i].text) && memcmp(text, known[i].text, n) == 0)
			return known[i].reply;
	return NODEOS_NET_OTHER;
}

int nodeos_db_size_parse(struct nodeos_db_size *d, const char *text, size_t n, struct err *e)
{
	static const char what[] = "db_size";
	AUTO(json) json_t *j = NULL;
	struct nodeos_db_size got = { 0 };

	j = reply_parse(text, n, what, e);
	if (!j)
		return -1;
	if (get_uint(&got.free_bytes, j, what, "free_bytes", INT64_MAX, e) < 0 ||
	        get_uint(&got.used_bytes, j, what, "used_bytes", INT64_MAX, e) < 0 ||
	        get_uint(&got.size_bytes, j, what, "size", INT64_MAX, e) < 0)
		return -1;
	if (got.free_bytes > got.size_bytes || got.used_bytes > got.size_bytes)
		return err_set(
		        e, ERR_PROTOCOL, "%s: more bytes in use or free than there are", what);
	*d = got;
	return 0;
}
