#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "sim/api_priv.h"
#include "sim/p2p.h"

#define PEER_MAX 256

/* --- producer_api_plugin ---------------------------------------------------------------------- */

int api_paused(struct api_call *c)
{
	return buf_add_str(&c->out, c->n->production.paused ? "true" : "false");
}

int api_pause(struct api_call *c)
{
	producer_pause(c->n);
	return buf_add_str(&c->out, "{\"result\":\"ok\"}");
}

/* As recorded: it is obeyed, and yet answered with an error when that took too long. */
int api_resume(struct api_call *c)
{
	int64_t max_ns = option_int(c->n->opt, "http-max-response-time-ms") * NS_PER_MS;
	int64_t began_ns = clock_mono_ns(), late_ns;
	char when[CLOCK_TEXT_MAX], text[96];

	producer_resume(c->n);
	late_ns = clock_mono_ns() - began_ns - max_ns;
	if (max_ns >= 0 && late_ns > 0) {
		clock_text(when, clock_real_ns() - late_ns);
		snprintf(text, sizeof(text), "deadline %.23s exceeded by %" PRId64 "us ", when,
		        late_ns / 1000);
		return api_error(c, 500, "Internal Service Error", 2, "timeout_exception", text,
		        "json.hpp:62 operator()", "%s", text);
	}
	return buf_add_str(&c->out, "{\"result\":\"ok\"}");
}

int api_get_runtime_options(struct api_call *c)
{
	const struct options *o = c->n->opt;

	return buf_add_fmt(&c->out,
	        "{\"max_transaction_time\":%" PRId64 ",\"max_irreversible_block_age\":%" PRId64
	        ",\"produce_time_offset_us\":-100000,\"last_block_time_offset_us\":%" PRId64
	        ",\"max_scheduled_transaction_time_per_block_ms\":%" PRId64
	        ",\"incoming_defer_ratio\":\"1.00000000000000000\",\"greylist_limit\":%" PRId64 "}",
	        option_int(o, "max-transaction-time"), option_int(o, "max-irreversible-block-age"),
	        option_int(o, "last-block-time-offset-us"),
	        option_int(o, "max-scheduled-transaction-time-per-block-ms"),
	        option_int(o, "greylist-limit"));
}

int api_get_integrity_hash(struct api_call *c)
{
	char id[BLOCK_ID_HEX], hex[BLOCK_ID_HEX];
	unsigned char hash[BLOCK_ID];

	chain_integrity_hash(&c->n->chain, hash);
	hex_encode(hex, hash, sizeof(hash));
	hex_encode(id, chain_head(&c->n->chain)->id, BLOCK_ID);
	return buf_add_fmt(
	        &c->out, "{\"head_block_id\":\"%s\",\"integrity_hash\":\"%s\"}", id, hex);
}

/* --- net_api_plugin --------------------------------------------------------------------------- */

/* The body is one JSON text. */
static void peer_name(const struct api_call *c, char out[PEER_MAX])
{
	const char *text = json_string_value(c->params);
	AUTO(free) char *other = text ? NULL : json_dumps(c->params, JSON_ENCODE_ANY);

	snprintf(out, PEER_MAX, "%s", text ? text : other ? other : "");
	str_printable(out);
}

int api_connect(struct api_call *c)
{
	char peer[PEER_MAX];

	peer_name(c, peer);
	return buf_add_fmt(&c->out, "\"%s\"", p2p_api_connect(c->n->p2p, peer));
}

int api_disconnect(struct api_call *c)
{
	char peer[PEER_MAX];

	peer_name(c, peer);
	return buf_add_fmt(&c->out, "\"%s\"", p2p_api_disconnect(c->n->p2p, peer));
}

int api_status(struct api_call *c)
{
	char peer[PEER_MAX];
	int rc;

	peer_name(c, peer);
	rc = p2p_api_status(c->n->p2p, peer, &c->out);
	return rc > 0 ? buf_add_str(&c->out, "null") : rc;
}

int api_connections(struct api_call *c)
{
	return p2p_api_connections(c->n->p2p, &c->out);
}

/* --- db_size_api_plugin ----------------------------------------------------------------------- */

/* The indices and row counts of a chain without contracts, as recorded. */
static const struct {
	const char *name;
	unsigned rows;
} indices[] = {
	{ "account_ram_correction_object", 0 },
	{ "code_object", 0 },
	{ "generated_transaction_object", 0 },
	{ "key_value_object", 0 },
	{ "permission_link_object", 0 },
	{ "secondary_index<float128_t, 12ul, eosio::chain::soft_long_double_less>::index_object",
	        0 },
	{ "secondary_index<float64_t, 11ul, eosio::chain::soft_double_less>::index_object", 0 },
	{ "secondary_index<std::array<unsigned __int128, 2ul>, 10ul, std::less<std::array<unsigned "
	  "__int128, 2ul> > >::index_object",
	        0 },
	{ "secondary_index<unsigned __int128, 9ul, std::less<unsigned __int128> >::index_object",
	        0 },
	{ "secondary_index<unsigned long, 8ul, std::less<unsigned long> >::index_object", 0 },
	{ "table_id_object", 0 },
	{ "transaction_object", 0 },
	{ "database_header_object", 1 },
	{ "dynamic_global_property_object", 1 },
	{ "global_property_object", 1 },
	{ "protocol_state_object", 1 },
	{ "resource_limits::resource_limits_config_object", 1 },
	{ "resource_limits::resource_limits_state_object", 1 },
	{ "account_metadata_object", 3 },
	{ "account_object", 3 },
	{ "resource_limits::resource_limits_object", 3 },
	{ "resource_limits::resource_usage_object", 3 },
	{ "permission_usage_object", 8 },
	{ "permission_object", 9 },
	{ "block_summary_object", 65536 },
};

/* The part of the file that is not the database. */
#define DB_HEADER 1024

int api_db_size(struct api_call *c)
{
	uint64_t size = c->n->chain.state.size - DB_HEADER, used = c->n->knobs.db_used;

	if (used > size)
		used = size;
	if (buf_add_fmt(&c->out,
	            "{\"free_bytes\":%" PRIu64 ",\"used_bytes\":%" PRIu64 ",\"size\":%" PRIu64
	            ",\"indices\":[",
	            size - used, used, size) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(indices); i++)
		if (buf_add_fmt(&c->out, "%s{\"index\":\"eosio::chain::%s\",\"row_count\":%u}",
		            i ? "," : "", indices[i].name, indices[i].rows) < 0)
			return -1;
	return buf_add_str(&c->out, "]}");
}
