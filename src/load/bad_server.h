#pragma once

/*
 * A small HTTP server that fails on request
 *
 * For the self-test and for tests: answers like nodeos's get_info, and every nth request in a way
 * that was asked for.  It runs in one thread of its own on its own epoll, and counts exactly what
 * it did.  The body is that of nodeos v4.0.6, always of the same size, with a head that rises every
 * 500 ms.  Any method and path; requests of HTTP/1.0 are answered and the connection closed.
 * Not a product server: loopback and unix only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "load/hist.h"

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
	BAD_SERVER_EXTRA,     /* bytes behind the reply */
	BAD_SERVER_TOO_LARGE, /* a head of 20 KiB; a body announced with 5 MiB; in turn */
	BAD_SERVER_NOT_JSON,
	BAD_SERVER_NOT_INFO,
	BAD_SERVER_WRONG_CHAIN,
	BAD_SERVER_HEAD_BACK, /* 1000 blocks back, and further each time; never as the first reply
	                         of a connection, the next one then */
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
	uint64_t seed;      /* of uniform delays; the same one gives the same delays */
};

struct bad_server;

/* The chain that it serves. */
extern const char bad_server_chain_id[];

/* Starts it.  Returns NULL with *e. */
struct bad_server *bad_server_start(const struct bad_server_config *c, struct err *e) NODISCARD;
/* What to connect to: "http://127.0.0.1:41234/v1/chain/get_info"; for a unix socket
 * "http://localhost/v1/chain/get_info". */
const char *bad_server_url(const struct bad_server *s);
/*
 * Requests dealt with, and those of them treated badly.  Exact once the clients are done.  What a
 * client sent behind a request after which its connection is of no use any more (all modes but
 * STATUS, NOT_JSON, NOT_INFO, WRONG_CHAIN and HEAD_BACK) is not read and not in them.
 */
void bad_server_counts(struct bad_server *s, uint64_t *ret_requests, uint64_t *ret_bad);
/* Ends the serving.  How long good replies were really made to wait, in ns: a timer that is late is
 * the server's, and part of the latency that its clients see.  Valid until bad_server_stop(). */
const struct load_hist *bad_server_delays(struct bad_server *s);
/* Stops the thread and closes everything. */
void bad_server_stop(struct bad_server *s);
DEFINE_AUTO(struct bad_server, bad_server_stop)
