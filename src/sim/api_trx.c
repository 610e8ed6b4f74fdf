/*
 * send_transaction2, send_transaction, push_transaction
 *
 * The chain is as a new one of nodeos: the accounts eosio, eosio.null and eosio.prods, each with
 * the permissions owner and active, and no contract anywhere, so that any action of an account that
 * is there succeeds and does nothing.  Of a transaction is checked what needs no execution: its
 * form, its time, its reference block, whether it is there already, and its first action's names.
 * Whoever signs is believed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "sim/api_priv.h"
#include "sim/p2p.h"

#define HEX_MAX (2 * TRX_MAX)

/* --- what comes ------------------------------------------------------------------------------- */

/* Also what nodeos could read and we do not simulate: a transaction that is not packed, compressed
 * ones, context-free data. */
static int invalid(struct api_call *c)
{
	static const char text[] = "Invalid packed transaction";

	return api_error(c, 500, "Internal Service Error", 3010010,
	        "packed_transaction_type_exception", text,
	        "chain_plugin.cpp:2243 send_transaction2", "%s", text);
}

static int read_packed(struct api_call *c, const json_t *j, struct trx *t)
{
	const json_t *signatures = json_object_get(j, "signatures");
	const json_t *compression = json_object_get(j, "compression");
	const char *hex = json_str(j, "packed_trx", NULL);
	unsigned char sigs[TRX_SIGS * SIG_LEN], packed[TRX_MAX];
	size_t n = json_array_size(signatures), len = hex ? strlen(hex) : 0;

	if (!hex || !json_is_array(signatures))
		return invalid(c);
	if (compression && json_integer_value(compression) != 0)
		return invalid(c);
	if (json_is_string(compression) && !str_eq(json_string_value(compression), "none"))
		return invalid(c);
	if (*json_str(j, "packed_context_free_data", ""))
		return invalid(c);
	if (n > TRX_SIGS || len > HEX_MAX || len % 2 || hex_decode(packed, len / 2, hex) < 0)
		return invalid(c);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(signatures, i));

		if (!text || trx_signature_parse(sigs + i * SIG_LEN, text) < 0)
			return invalid(c);
	}
	if (trx_make(t, sigs, (unsigned)n, packed, len / 2) < 0)
		return invalid(c);
	return 0;
}

/* --- what is wrong with it -------------------------------------------------------------------- */

static bool is_account(uint64_t name)
{
	static const char *const names[] = { "eosio", "eosio.null", "eosio.prods" };
	uint64_t v;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (name_pack(&v, names[i]) == 0 && v == name)
			return true;
	return false;
}

static bool is_permission(uint64_t name)
{
	uint64_t owner, active;

	return name_pack(&owner, "owner") == 0 && name_pack(&active, "active") == 0 &&
	        (name == owner || name == active);
}

static int failed(struct api_call *c, unsigned code, const char *name, const char *what,
        const char *place, const char *text)
{
	return api_error(
	        c, 500, "Internal Service Error", (int)code, name, what, place, "%s", text);
}

static int no_such_name(struct api_call *c, const char *place, const char *text)
{
	return failed(c, 3040000, "transaction_exception", "Transaction exception", place, text);
}

static int check_names(struct api_call *c, const struct trx *t)
{
	char account[NAME_SIZE], actor[NAME_SIZE], permission[NAME_SIZE], text[160];

	name_text(account, t->account);
	name_text(actor, t->actor);
	name_text(permission, t->permission);
	if (!is_account(t->account)) {
		snprintf(text, sizeof(text), "action's code account '%s' does not exist", account);
		return no_such_name(
		        c, "transaction_context.cpp:813 validate_referenced_accounts", text);
	}
	if (!is_account(t->actor)) {
		snprintf(text, sizeof(text), "action's authorizing actor '%s' does not exist",
		        actor);
		return no_such_name(
		        c, "transaction_context.cpp:822 validate_referenced_accounts", text);
	}
	if (!is_permission(t->permission)) {
		snprintf(text, sizeof(text),
		        "action's authorizations include a non-existent permission: "
		        "{'actor':'%s','permission':'%s'}",
		        actor, permission);
		return no_such_name(
		        c, "transaction_context.cpp:824 validate_referenced_accounts", text);
	}
	return 0;
}

static int unauthorized(struct api_call *c, const struct trx *t)
{
	char actor[NAME_SIZE], permission[NAME_SIZE], text[320];

	snprintf(text, sizeof(text),
	        "transaction declares authority '{'actor':'%s','permission':'%s'}', but does not "
	        "have signatures for it under a provided delay of 0 ms, provided permissions [], "
	        "provided keys [], and a delay max limit of 3888000000 ms",
	        name_text(actor, t->actor), name_text(permission, t->permission));
	return failed(c, 3090003, "unsatisfied_authorization",
	        "Provided keys, permissions, and delays do not satisfy declared authorizations",
	        "authorization_manager.cpp:548 check_authorization", text);
}

static int expired(struct api_call *c, const struct trx *t)
{
	char id[BLOCK_ID_HEX], expires[CLOCK_TEXT_MAX], now[SLOT_TEXT_SIZE], text[256];

	hex_encode(id, t->id, TRX_ID);
	snprintf(text, sizeof(text), "expired transaction %s, expiration %.23s, block time %s", id,
	        clock_text(expires, t->expires_s * NS_PER_SEC),
	        slot_text(now, node_pending_slot(c->n)));
	return failed(c, 3040005, "expired_tx_exception", "Expired Transaction",
	        "producer_plugin.cpp:853 process_incoming_transaction_async", text);
}

static int too_far(struct api_call *c, const struct trx *t)
{
	char expires[CLOCK_TEXT_MAX], now[SLOT_TEXT_SIZE], text[256];

	snprintf(text, sizeof(text),
	        "Transaction expiration is too far in the future relative to the reference time of "
	        "%s, expiration is %.19s and the maximum transaction lifetime is 3600 seconds",
	        slot_text(now, node_pending_slot(c->n)),
	        clock_text(expires, t->expires_s * NS_PER_SEC));
	return failed(c, 3040006, "tx_exp_too_far_exception", "Transaction Expiration Too Far",
	        "controller.cpp:3475 validate_expiration", text);
}

static int duplicate(struct api_call *c, const struct trx *t)
{
	char id[BLOCK_ID_HEX];

	hex_encode(id, t->id, TRX_ID);
	return api_error(c, 409, "Conflict", 3040008, "tx_duplicate", "Duplicate transaction",
	        "producer_plugin.cpp:862 process_incoming_transaction_async",
	        "duplicate transaction %s", id);
}

static int check(struct api_call *c, const struct trx *t)
{
	if (!t->actions)
		return failed(c, 3040002, "tx_no_action",
		        "Transaction should have at least one normal action",
		        "transaction_context.cpp:797 validate_referenced_accounts",
		        "transaction must have at least one action");
	switch (node_judge_trx(c->n, t)) {
	case NODE_TRX_EXPIRED:
		return expired(c, t);
	case NODE_TRX_TOO_FAR:
		return too_far(c, t);
	case NODE_TRX_KNOWN:
		return duplicate(c, t);
	case NODE_TRX_NO_BLOCK:
		return failed(c, 3040007, "invalid_ref_block_exception", "Invalid Reference Block",
		        "controller.cpp:3487 validate_tapos",
		        "Transaction's reference block did not match. Is this transaction from a "
		        "different fork?");
	case NODE_TRX_OK:
		break;
	}
	if (check_names(c, t) < 0)
		return -1;
	return t->signatures ? 0 : unauthorized(c, t);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* The first action.  Without an ABI data is as it was packed. */
static int add_action(struct api_call *c, const struct trx *t)
{
	char account[NAME_SIZE], name[NAME_SIZE], actor[NAME_SIZE], permission[NAME_SIZE],
	        data[HEX_MAX + 1];

	hex_encode(data, t->packed + t->data_at, t->data_n);
	return buf_add_fmt(&c->out,
	        "{\"account\":\"%s\",\"name\":\"%s\",\"authorization\":[{\"actor\":\"%s\","
	        "\"permission\":\"%s\"}],\"data\":\"%s\",\"hex_data\":\"%s\"}",
	        name_text(account, t->account), name_text(name, t->name),
	        name_text(actor, t->actor), name_text(permission, t->permission), data, data);
}

/* What nodeos tells of an action that does nothing. */
static int add_trace(struct api_call *c, const struct trx *t, const char *id, uint32_t num,
        const char *when, bool has_inline)
{
	char account[NAME_SIZE], actor[NAME_SIZE], digest[BLOCK_ID_HEX];

	sha256_hex(digest, t->packed + t->data_at, t->data_n);
	name_text(account, t->account);
	name_text(actor, t->actor);
	if (buf_add_fmt(&c->out,
	            "{\"action_ordinal\":1,\"creator_action_ordinal\":0,"
	            "\"closest_unnotified_ancestor_action_ordinal\":0,\"receipt\":{\"receiver\":"
	            "\"%s\",\"act_digest\":\"%s\",\"global_sequence\":%" PRIu32
	            ",\"recv_sequence\":%" PRIu32 ",\"auth_sequence\":[[\"%s\",%" PRIu32
	            "]],\"code_sequence\":0,\"abi_sequence\":0},\"receiver\":\"%s\",\"act\":",
	            account, digest, num, num, actor, num, account) < 0 ||
	        add_action(c, t) < 0)
		return -1;
	return buf_add_fmt(&c->out,
	        ",\"context_free\":false,\"elapsed\":5,\"console\":\"\",\"trx_id\":\"%s\","
	        "\"block_num\":%" PRIu32
	        ",\"block_time\":\"%s\",\"producer_block_id\":null,\"account_ram_deltas\":[],"
	        "\"except\":null,\"error_code\":null,\"return_value_hex_data\":\"\"%s}",
	        id, num, when, has_inline ? ",\"inline_traces\":[]" : "");
}

static int add_answer(struct api_call *c, const struct trx *t, bool has_inline)
{
	const struct block *head = chain_head(&c->n->chain);
	char id[BLOCK_ID_HEX], when[SLOT_TEXT_SIZE];
	uint32_t num = head->num + 1, words = trx_net_words(t);

	hex_encode(id, t->id, TRX_ID);
	slot_text(when, head->slot + 1);
	if (buf_add_fmt(&c->out,
	            "{\"transaction_id\":\"%s\",\"processed\":{\"id\":\"%s\",\"block_num\":%" PRIu32
	            ",\"block_time\":\"%s\",\"producer_block_id\":null,\"receipt\":{\"status\":"
	            "\"executed\",\"cpu_usage_us\":100,\"net_usage_words\":%" PRIu32
	            "},\"elapsed\":50,\"net_usage\":%" PRIu32
	            ",\"scheduled\":false,\"action_traces\":[",
	            id, id, num, when, words, 8 * words) < 0 ||
	        add_trace(c, t, id, num, when, has_inline) < 0)
		return -1;
	return buf_add_str(
	        &c->out, "],\"account_ram_delta\":null,\"except\":null,\"error_code\":null}}");
}

static int take(struct api_call *c, const json_t *packed, bool has_inline)
{
	struct trx t;

	if (c->n->irreversible || !option_bool(c->n->opt, "api-accept-transactions"))
		return failed(c, 3110001, "missing_chain_api_plugin_exception",
		        "Missing Chain API Plugin", "chain_plugin.cpp:1164 validate",
		        "Not allowed, node has api-accept-transactions = false");
	if (read_packed(c, packed, &t) < 0 || check(c, &t) < 0)
		return -1;
	if (trxpool_add(&c->n->transactions, &t) < 0)
		return failed(c, 3040018, "tx_resource_exhaustion",
		        "Transaction exceeded transient resource limit",
		        "producer_plugin.cpp:900 process_incoming_transaction_async",
		        "nodesim has no room for more transactions");
	p2p_broadcast_trx(c->n->p2p, &t, NULL);
	return add_answer(c, &t, has_inline);
}

int api_send_transaction2(struct api_call *c)
{
	return take(c, json_object_get(c->params, "transaction"), false);
}

int api_send_transaction(struct api_call *c)
{
	return take(c, c->params, false);
}

int api_push_transaction(struct api_call *c)
{
	return take(c, c->params, true);
}

/* --- get_block -------------------------------------------------------------------------------- */

static int add_transaction(struct api_call *c, const struct trx *t)
{
	char id[BLOCK_ID_HEX], packed[HEX_MAX + 1], signature[SIGNATURE_SIZE];
	char expires[CLOCK_TEXT_MAX];

	hex_encode(id, t->id, TRX_ID);
	if (buf_add_fmt(&c->out,
	            "{\"status\":\"executed\",\"cpu_usage_us\":100,\"net_usage_words\":%" PRIu32
	            ",\"trx\":{\"id\":\"%s\",\"signatures\":[",
	            trx_net_words(t), id) < 0)
		return -1;
	for (unsigned i = 0; i < t->signatures; i++)
		if (buf_add_fmt(&c->out, "%s\"%s\"", i ? "," : "",
		            signature_text(signature, t->packed + 1 + i * SIG_LEN)) < 0)
			return -1;
	hex_encode(packed, t->packed + t->trx_at, t->trx_n);
	if (buf_add_fmt(&c->out,
	            "],\"compression\":\"none\",\"packed_context_free_data\":\"\","
	            "\"context_free_data\":[],\"packed_trx\":\"%s\",\"transaction\":{"
	            "\"expiration\":\"%.19s\",\"ref_block_num\":%u,\"ref_block_prefix\":%" PRIu32
	            ",\"max_net_usage_words\":0,\"max_cpu_usage_ms\":0,\"delay_sec\":0,"
	            "\"context_free_actions\":[],\"actions\":[",
	            packed, clock_text(expires, t->expires_s * NS_PER_SEC), t->ref_num,
	            t->ref_prefix) < 0 ||
	        add_action(c, t) < 0)
		return -1;
	return buf_add_str(&c->out, "]}}}");
}

int api_add_transactions(struct api_call *c, const struct block *b)
{
	struct trx t;

	for (unsigned i = 0; block_trx(b, i, &t); i++)
		if ((i && buf_add_str(&c->out, ",") < 0) || add_transaction(c, &t) < 0)
			return -1;
	return 0;
}
