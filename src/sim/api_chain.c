#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/num.h"
#include "sim/api_priv.h"

#define CPU_LIMIT   200000
#define NET_LIMIT   1048576
#define ID_TEXT_MAX 64

int api_get_info(struct api_call *c)
{
	struct node *n = c->n;
	const struct block *head = node_head(n), *fork = chain_head(&n->chain);
	const struct block *lib = &n->chain.root;
	char chain_id[BLOCK_ID_HEX], lib_id[BLOCK_ID_HEX], head_id[BLOCK_ID_HEX],
	        fork_id[BLOCK_ID_HEX], head_time[SLOT_TEXT_SIZE], lib_time[SLOT_TEXT_SIZE],
	        producer[NAME_SIZE];
	uint64_t cpu, net;

	hex_encode(chain_id, n->chain.id, BLOCK_ID);
	hex_encode(lib_id, lib->id, BLOCK_ID);
	hex_encode(head_id, head->id, BLOCK_ID);
	hex_encode(fork_id, fork->id, BLOCK_ID);
	chain_limits(&n->chain, &cpu, &net);
	return buf_add_fmt(&c->out,
	        "{\"server_version\":\"" SIM_SHORT_HASH "\",\"chain_id\":\"%s\",\"head_block_num\":"
	        "%" PRIu32 ",\"last_irreversible_block_num\":%" PRIu32
	        ",\"last_irreversible_block_id\":\"%s\",\"head_block_id\":\"%s\","
	        "\"head_block_time\":\"%s\",\"head_block_producer\":\"%s\","
	        "\"virtual_block_cpu_limit\":%" PRIu64 ",\"virtual_block_net_limit\":%" PRIu64
	        ",\"block_cpu_limit\":%d,\"block_net_limit\":%d,\"server_version_string\":"
	        "\"" SIM_VERSION "\",\"fork_db_head_block_num\":%" PRIu32
	        ",\"fork_db_head_block_id\":\"%s\",\"server_full_version_string\":\"%s\","
	        "\"total_cpu_weight\":0,\"total_net_weight\":0,\"earliest_available_block_num\":"
	        "%" PRIu32 ",\"last_irreversible_block_time\":\"%s\"}",
	        chain_id, head->num, lib->num, lib_id, head_id, slot_text(head_time, head->slot),
	        name_text(producer, head->producer), cpu, net, CPU_LIMIT, NET_LIMIT, fork->num,
	        fork_id, sim_full_version(), chain_earliest(&n->chain),
	        slot_text(lib_time, lib->slot));
}

/* --- blocks ----------------------------------------------------------------------------------- */

static int unknown_block(struct api_call *c, const char *place, const char *what)
{
	return api_error(c, 400, "Unknown Block", 3100002, "unknown_block_exception",
	        "Unknown block", place, "Could not find block: %s", what);
}

static int invalid_id(struct api_call *c, int line, const char *what)
{
	char place[64];

	snprintf(place, sizeof(place), "chain_plugin.cpp:%d get_raw_block", line);
	return api_error(c, 500, "Internal Service Error", 3010008, "block_id_type_exception",
	        "Invalid block ID", place, "%s", what);
}

/* A parameter that may be a number or a text. */
static void param_text(const json_t *params, const char *name, char *out, size_t size)
{
	const json_t *j = json_object_get(params, name);

	out[0] = '\0';
	if (json_is_integer(j))
		snprintf(out, size, "%" PRId64, (int64_t)json_integer_value(j));
	else if (json_is_string(j))
		snprintf(out, size, "%s", json_string_value(j));
}

static int find_block(struct api_call *c, const char *what, struct block *ret)
{
	static const char place[] = "chain_plugin.cpp:1921 get_raw_block";
	struct err e = ERR_INIT;
	unsigned char id[BLOCK_ID];
	char text[192];
	uint64_t num;

	if (!*what || strlen(what) > ID_TEXT_MAX)
		return invalid_id(c, 1906,
		        "Invalid Block number or ID, must be greater than 0 and less than 64 "
		        "characters");
	if (num_uint(&num, what, 0, UINT64_MAX, &e) == 0) {
		if (num > UINT32_MAX || chain_fetch(&c->n->chain, (uint32_t)num, ret, &e) != 0)
			return unknown_block(c, place, what);
		return 0;
	}
	err_clear(&e);
	if (hex_decode(id, sizeof(id), what) < 0) {
		snprintf(text, sizeof(text), "Invalid block ID: %s", what);
		return invalid_id(c, 1918, text);
	}
	if (chain_fetch(&c->n->chain, block_num_of(id), ret, &e) != 0 ||
	        !block_same_id(ret->id, id))
		return unknown_block(c, place, what);
	return 0;
}

struct block_text {
	char id[BLOCK_ID_HEX], previous[BLOCK_ID_HEX], transactions[BLOCK_ID_HEX],
	        actions[BLOCK_ID_HEX];
	char when[SLOT_TEXT_SIZE], producer[NAME_SIZE], signature[SIGNATURE_SIZE];
	uint32_t prefix;
	unsigned confirmed;
};

static void describe(struct block_text *t, const struct block *b)
{
	hex_encode(t->id, b->id, BLOCK_ID);
	hex_encode(t->previous, b->previous, BLOCK_ID);
	hex_encode(t->transactions, b->packed + 46, BLOCK_ID);
	hex_encode(t->actions, b->packed + 78, BLOCK_ID);
	slot_text(t->when, b->slot);
	name_text(t->producer, b->producer);
	block_signature(t->signature, b);
	t->prefix = get_u32(b->id + 8);
	t->confirmed = block_confirmed(b);
}

int api_get_block(struct api_call *c)
{
	char what[128];
	struct block_text t;
	struct block b;

	param_text(c->params, "block_num_or_id", what, sizeof(what));
	if (find_block(c, what, &b) < 0)
		return -1;
	describe(&t, &b);
	if (buf_add_fmt(&c->out,
	            "{\"timestamp\":\"%s\",\"producer\":\"%s\",\"confirmed\":%u,\"previous\":"
	            "\"%s\",\"transaction_mroot\":\"%s\",\"action_mroot\":\"%s\","
	            "\"schedule_version\":0,\"new_producers\":null,\"producer_signature\":\"%s\","
	            "\"transactions\":[",
	            t.when, t.producer, t.confirmed, t.previous, t.transactions, t.actions,
	            t.signature) < 0 ||
	        api_add_transactions(c, &b) < 0)
		return -1;
	return buf_add_fmt(&c->out,
	        "],\"id\":\"%s\",\"block_num\":%" PRIu32 ",\"ref_block_prefix\":%" PRIu32 "}", t.id,
	        b.num, t.prefix);
}

int api_get_block_info(struct api_call *c)
{
	struct err e = ERR_INIT;
	struct block_text t;
	struct block b;
	char what[32];
	uint64_t num;

	param_text(c->params, "block_num", what, sizeof(what));
	if (num_uint(&num, what, 0, UINT32_MAX, &e) < 0)
		return api_bad_request(c, "http_plugin.hpp:262 parse_params",
		        "Unable to parse valid input from POST body");
	if (chain_fetch(&c->n->chain, (uint32_t)num, &b, &e) != 0)
		return unknown_block(c, "chain_plugin.cpp:2029 get_block_info", what);
	describe(&t, &b);
	return buf_add_fmt(&c->out,
	        "{\"block_num\":%" PRIu32 ",\"ref_block_num\":%" PRIu32
	        ",\"id\":\"%s\",\"timestamp\":\"%s\",\"producer\":\"%s\",\"confirmed\":%u,"
	        "\"previous\":\"%s\",\"transaction_mroot\":\"%s\",\"action_mroot\":"
	        "\"%s\",\"schedule_version\":0,\"producer_signature\":\"%s\","
	        "\"ref_block_prefix\":%" PRIu32 "}",
	        b.num, b.num & 0xffff, t.id, t.when, t.producer, t.confirmed, t.previous,
	        t.transactions, t.actions, t.signature, t.prefix);
}

/* --- the rest --------------------------------------------------------------------------------- */

static const char *key_of(const struct api_call *c, unsigned i, char out[KEY_TEXT_SIZE])
{
	return chain_key(&c->n->chain, i, out);
}

int api_get_producer_schedule(struct api_call *c)
{
	const struct schedule *s = &c->n->chain.schedule;
	char key[KEY_TEXT_SIZE], name[NAME_SIZE];

	if (buf_add_str(&c->out, "{\"active\":{\"version\":0,\"producers\":[") < 0)
		return -1;
	for (unsigned i = 0; i < s->n; i++)
		if (buf_add_fmt(&c->out,
		            "%s{\"producer_name\":\"%s\",\"authority\":[0,{\"threshold\":1,"
		            "\"keys\":[{\"key\":\"%s\",\"weight\":1}]}]}",
		            i ? "," : "", name_text(name, s->v[i].name), key_of(c, i, key)) < 0)
			return -1;
	return buf_add_str(&c->out, "]},\"pending\":null,\"proposed\":null}");
}

/* Without a system contract nodeos makes the rows from the active schedule. */
int api_get_producers(struct api_call *c)
{
	const struct schedule *s = &c->n->chain.schedule;
	char key[KEY_TEXT_SIZE], name[NAME_SIZE];

	if (buf_add_str(&c->out, "{\"rows\":[") < 0)
		return -1;
	for (unsigned i = 0; i < s->n; i++)
		if (buf_add_fmt(&c->out,
		            "%s{\"owner\":\"%s\",\"producer_authority\":[0,{\"threshold\":1,"
		            "\"keys\":[{\"key\":\"%s\",\"weight\":1}]}],\"url\":\"\","
		            "\"total_votes\":\"0.00000000000000000\",\"producer_key\":\"%s\"}",
		            i ? "," : "", name_text(name, s->v[i].name), key_of(c, i, key),
		            key) < 0)
			return -1;
	return buf_add_str(
	        &c->out, "],\"total_producer_vote_weight\":\"0.00000000000000000\",\"more\":\"\"}");
}

int api_get_activated_protocol_features(struct api_call *c)
{
	return buf_add_str(&c->out, "{\"activated_protocol_features\":[]}");
}
