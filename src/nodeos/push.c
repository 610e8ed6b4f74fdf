#include "nodeos/push.h"

#include <string.h>

#include "base/str.h"
#include "nodeos/reply_priv.h"

static const char what[] = "send_transaction";

/* --- refusals --------------------------------------------------------------------------------- */

/* leap v4.0.6, libraries/chain/include/eosio/chain/exceptions.hpp */
static const struct refusal {
	int64_t code;
	enum err_kind kind;
	const char *text, *hint; /* hint: or NULL */
} refusals[] = {
	{ 3010010, ERR_UNHEALTHY, "nodeos cannot read it", NULL },
	{ 3040000, ERR_UNHEALTHY, "an account or a permission in it is not there",
	        "names are those of this chain? 'cleos get account NAME' shows an account's "
	        "permissions" },
	{ 3040005, ERR_UNHEALTHY, "it has expired before it came into a block",
	        "the chain stands still, or this node's clock is wrong" },
	{ 3040006, ERR_UNHEALTHY, "it would be valid for too long",
	        "this node's head is far behind what it takes for now" },
	{ 3040007, ERR_UNHEALTHY, "its reference block is not of this node's chain",
	        "the node it was sent to is on another fork than the one that was asked for the "
	        "block; behind a front they are not the same" },
	{ 3040008, ERR_CONFLICT, "the chain has it already", NULL },
	{ 3040018, ERR_UNAVAILABLE, "the node has no room for it now", NULL },
	{ 3050000, ERR_UNHEALTHY, "the contract's account is not there", NULL },
	{ 3050003, ERR_UNHEALTHY, "the contract refuses it",
	        "is there enough of the token, with these decimals, and does the other account "
	        "exist?" },
	{ 3050004, ERR_UNHEALTHY, "the contract refuses it", NULL },
	{ 3060101, ERR_UNAVAILABLE, "the node's state database is nearly full", NULL },
	{ 3080001, ERR_UNHEALTHY, "the account has not enough RAM", NULL },
	{ 3080002, ERR_UNHEALTHY, "the account has not enough NET",
	        "stake or rent some for the canary's account" },
	{ 3080003, ERR_UNAVAILABLE, "the block has no room for it", NULL },
	{ 3080004, ERR_UNHEALTHY, "the account has not enough CPU",
	        "stake or rent some for the canary's account" },
	{ 3080005, ERR_UNAVAILABLE, "the block has no time for it", NULL },
	{ 3080006, ERR_UNAVAILABLE, "it took the node too long", NULL },
	{ 3080007, ERR_UNHEALTHY, "the node has the account on its greylist (NET)", NULL },
	{ 3080008, ERR_UNHEALTHY, "the node has the account on its greylist (CPU)", NULL },
	{ 3081001, ERR_UNAVAILABLE, "it took the node too long", NULL },
	{ 3110001, ERR_UNHEALTHY, "this node takes none over HTTP",
	        "send it through a node that does" },
	{ 3090003, ERR_DENIED, "the key is not that of the account's permission",
	        "'cleos get account NAME' shows its public keys" },
	{ 3090004, ERR_DENIED, "an authority that it needs is missing", NULL },
	{ 3090005, ERR_DENIED, "the permission may not be used for this", NULL },
};

static const struct refusal *find_refusal(int64_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (refusals[i].code == code)
			return &refusals[i];
	return NULL;
}

static int refuse(const json_t *j, struct err *e)
{
	/* "... does not have signatures for it under a provided delay of 0 ms, provided ..." */
	static const char rest[] = " under a provided delay";
	int64_t code = json_int(j, "error.code", 0);
	const struct refusal *r = find_refusal(code);
	const json_t *details = json_array_get(json_at(j, "error.details"), 0);
	const char *said = json_str(details, "message", json_str(j, "error.what", "no reason"));
	const char *end = strstr(said, rest);
	int n = end ? (int)(end - said) : (int)strlen(said);

	if (!r)
		return err_set(e, ERR_UNHEALTHY, "nodeos refused the transaction: %.*s (%lld %s)",
		        n, said, (long long)code, json_str(j, "error.name", ""));
	err_set(e, r->kind, "nodeos refused the transaction: %s (%.*s)", r->text, n, said);
	return r->hint ? err_hint(e, "%s", r->hint) : -1;
}

int nodeos_push_parse(
        char ret_id[NODEOS_ID_HEX_SIZE], long status, const char *text, size_t n, struct err *e)
{
	struct err unused = ERR_INIT;
	AUTO(json) json_t *j = NULL;

	/* Whoever stands before nodeos answers in its own way, and for the calls that it does not
	 * let through as if they were not there. */
	if (status == 404 || status == 405)
		return 1;
	if (reply_check_size(n, what, e) < 0)
		return -1;
	j = json_parse_object(text, n, what, &unused);
	if (j && json_at(j, "error.code"))
		return refuse(j, e);
	if (status == 403)
		return err_set(
		        e, ERR_DENIED, "%s: the server does not allow it (status 403)", what);
	if (status == 429 || status >= 500)
		return err_set(
		        e, ERR_UNAVAILABLE, "%s: the server answers with status %ld", what, status);
	if (!j)
		return err_set(e, ERR_PROTOCOL, "%s", unused.msg);
	if (status != 202 && status != 200)
		return err_set(e, ERR_PROTOCOL, "%s: status %ld", what, status);
	return reply_id(ret_id, j, what, "transaction_id", e);
}
