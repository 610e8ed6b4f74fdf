#pragma once

/*
 * Connections of the bad server
 *
 * A connection reads requests, decides what becomes of each, and answers them in order, each when
 * it is due.  After a request that ends its use it is deaf: it reads on, to see the other side
 * close, and drops what it reads.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "load/bad_reply_priv.h"
#include "load/bad_server.h"
#include "load/hist.h"

struct bad_conn;

/* What the connections of one server have in common. */
struct bad_shared {
	struct bad_server_config config;
	atomic_uint_fast64_t requests, bad;
	struct bad_reply reply;
	struct load_hist *delays; /* of good replies, from reading the request to answering */
	int epoll_fd;
	int64_t now_ns;         /* CLOCK_MONOTONIC of this batch of events */
	int64_t first_ns;       /* of the first request, for a stall */
	uint64_t count, random; /* of requests */
	bool owes;              /* a bad one that this connection could not take */
	int64_t armed_ns;       /* what the timer is set to, 0: not set */
	struct bad_conn *conns, *dead;
	struct bad_conn **heap; /* those that wait for a time, by it */
	size_t heap_n, heap_cap;
	struct buf tx;             /* what the connection at hand has to say */
	char rx[(size_t)64 << 10]; /* and what it said */
};

void bad_shared_init(struct bad_shared *s, const struct bad_server_config *c);
void bad_shared_release(struct bad_shared *s);

/* Takes the descriptor over, also when it fails. */
void bad_conn_new(struct bad_shared *s, int fd);
void bad_conn_event(struct bad_conn *c, uint32_t events);

/* Those whose time has come by now_ns. */
void bad_conn_run_due(struct bad_shared *s);
/* CLOCK_MONOTONIC, 0: none waits. */
int64_t bad_conn_next_due(const struct bad_shared *s);
/* Free those that were closed.  Was there one? */
bool bad_conn_bury(struct bad_shared *s);
