#pragma once

/* Inside the HTTP APIs: api.c dispatches, api_chain.c and api_other.c answer. */

#include "base/buf.h"
#include "base/json.h"
#include "http/server.h"
#include "sim/node.h"

#define API_REPLY_MAX 4194304

/* One request and the reply in the making. */
struct api_call {
	struct node *n;
	const json_t *params; /* what the body says, or NULL */
	struct buf out;
	unsigned status; /* set by api_error(); else that of the route */
	const struct http_server_request *request;
	bool is_later; /* it will be answered by api_answer() */
};

/*
 * The error body of nodeos: code and message of the status, then the exception.  place is
 * "file:line method".  Always returns -1.
 */
int api_error(struct api_call *c, unsigned status, const char *message, int code, const char *name,
        const char *what, const char *place, const char *fmt, ...) PRINTF(8, 9);

/* 400 3200006 invalid_http_request. */
int api_bad_request(struct api_call *c, const char *place, const char *message);

/* Handlers append to c->out.  0, or -1 after api_error() or when c->out is full. */
typedef int api_fn(struct api_call *c);

api_fn api_get_info, api_get_block, api_get_block_info, api_get_producers,
        api_get_producer_schedule, api_get_activated_protocol_features;
api_fn api_push_transaction, api_send_transaction, api_send_transaction2; /* api_trx.c */
api_fn api_paused, api_pause, api_resume, api_get_runtime_options, api_get_integrity_hash;
api_fn api_connect, api_disconnect, api_status, api_connections;
api_fn api_db_size;
api_fn api_create_snapshot; /* snapshots.c */

/* The elements of get_block's list. */
int api_add_transactions(struct api_call *c, const struct block *b) NODISCARD;

/* The reply to a request that had to wait. */
void api_answer(struct http_server_call *call, struct api_call *c);
