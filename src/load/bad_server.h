#pragma once

/*
 * A small HTTP server that fails on request
 *
 * For the self-test and for tests: answers like nodeos's get_info, and every nth request in a way
 * that was asked for.  It runs in one thread of its own on its own epoll, and counts exactly what
 * it did.  Not a product server: loopback and unix only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

enum bad_server_mode {
	BAD_SERVER_GOOD,
	BAD_SERVER_RESET,       /* RST instead of a reply */
	BAD_SERVER_CLOSE,       /* FIN instead of a reply */
	BAD_SERVER_SILENT,      /* never answers */
	BAD_SERVER_SLOW_BODY,   /* half the body, then nothing */
	BAD_SERVER_SHORT,       /* closes within the body */
	BAD_SERVER_SHORT_CHUNK, /* closes within a chunk */
	BAD_SERVER_STATUS,      /* 503 with a JSON body */
	BAD_SERVER_NOT_HTTP,
	BAD_SERVER_EXTRA, /* bytes behind the reply */
	BAD_SERVER_TOO_LARGE,
	BAD_SERVER_NOT_JSON,
	BAD_SERVER_NOT_INFO,
	BAD_SERVER_WRONG_CHAIN,
	BAD_SERVER_HEAD_BACK,
	BAD_SERVER_MODES
};

/* How long it lets a good reply wait. */
struct bad_server_delay {
	enum {
		BAD_SERVER_NO_DELAY,
		BAD_SERVER_FIXED,
		BAD_SERVER_UNIFORM,
		BAD_SERVER_BIMODAL,
		BAD_SERVER_STALL
	} kind;
	int64_t a_ns, b_ns; /* fixed: a; uniform: a..b; bimodal: a, or b once in every `every`; */
	unsigned every; /* stall: all requests that come within [a, a + b) after the first one wait
	                   until its end */
};

struct bad_server_config {
	enum bad_server_mode mode;
	unsigned every; /* the mode is for every nth request (of all connections); 1: each */
	bool chunked;   /* good replies are sent in chunks */
	bool dribble;   /* replies are written a few bytes at a time */
	bool no_keep_alive;
	struct bad_server_delay delay;
	const char *listen; /* "127.0.0.1" "::1" or the path of a unix socket */
	bool served_by;     /* X-Served-By: one of four addresses, in turn */
};

struct bad_server;

/* The chain that it serves. */
extern const char bad_server_chain_id[];

/* Starts it.  Returns NULL with *e. */
struct bad_server *bad_server_start(const struct bad_server_config *c, struct err *e) NODISCARD;
/* What to connect to: "http://127.0.0.1:41234/v1/chain/get_info"; for a unix socket
 * "http://localhost/v1/chain/get_info". */
const char *bad_server_url(const struct bad_server *s);
/* Requests read, and those of them treated badly.  Exact once the clients are done. */
void bad_server_counts(struct bad_server *s, uint64_t *ret_requests, uint64_t *ret_bad);
/* Stops the thread and closes everything. */
void bad_server_stop(struct bad_server *s);
DEFINE_AUTO(struct bad_server, bad_server_stop)
