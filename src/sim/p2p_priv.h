#pragma once

/*
 * Inside net_plugin: p2p.c (life of the plugin, connecting, timers), conn.c (one connection's
 * bytes), sync.c (messages and what follows from them), p2p_api.c (net_api_plugin).
 *
 * A connection stays in the list when it is closed: a configured peer to be tried again, one
 * that came in until the next look at the list.  So no callback ever frees the object that it
 * works on.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "loop/loop.h"
#include "loop/resolve.h"
#include "sim/nlog.h"
#include "sim/node.h"
#include "sim/p2p.h"
#include "sim/wire.h"

#define CONN_IN_MAX     65536
#define CONN_OUT_MAX    1048576 /* a peer that reads slower than this is let go */
#define CONN_SERVE_FILL 65536   /* how much of a requested range is queued at once */
#define CONNS_MAX       1024    /* configured and added by net/connect */

enum conn_state { CONN_CLOSED, CONN_RESOLVING, CONN_CONNECTING, CONN_OPEN };

struct conn {
	struct p2p *p;
	struct conn *next;
	unsigned id;
	enum conn_state state;
	char *peer; /* as configured, or "" for one that came in */
	bool incoming;
	int fd;
	struct loop_io io;
	struct resolve *resolve;
	struct buf in, out;
	bool paused;  /* not reading: the sync rate is used up */
	bool leaving; /* close when out is written */
	char ip[16], port[8];
	char name[WIRE_ADDRESS]; /* in log lines */

	bool connecting; /* until a handshake came; shown by net/connections */
	bool has_handshake;
	struct wire_handshake received;
	uint16_t sent_handshakes;
	enum wire_reason no_retry;
	unsigned immediate_closes;
	int64_t closed_ns, message_ns;
	int64_t block_ns; /* when the last block came or went */
	int64_t gap_ns;   /* when one came last after a long time without */

	uint32_t peer_head; /* the highest block that the peer is known to have */
	unsigned char last_id[BLOCK_ID];
	uint32_t serve_next, serve_last; /* what it asked for; none: next > last */
};

struct p2p {
	struct node *n;
	unsigned char node_id[BLOCK_ID];
	char node_id_hex[BLOCK_ID_HEX];
	char address[WIRE_ADDRESS]; /* in our handshake */
	char agent[WIRE_AGENT];
	struct sockaddr_in listen_address;
	bool listens, no_transactions;
	int listen_fd;
	struct loop_io listen_io;
	struct loop_timer tick, monitor, resume;
	int64_t keepalive_ns, period_ns;
	int64_t max_clients, max_per_host;
	uint32_t span;
	unsigned ids, configured;
	struct conn *conns;

	struct conn *source; /* whom we sync from, or NULL */
	uint32_t sync_first, sync_next, sync_last, sync_target;
	uint32_t sync_seen; /* at the last tick, to notice a source that says nothing */
	int64_t next_block_ns;
	/*
	 * The last block of a range that was asked for in producing mode, and so was thrown away,
	 * and whom it was asked of.  net_plugin goes on to wait for it: until that connection is
	 * closed it asks for nothing else.  0: none.
	 */
	uint32_t missed;
	const struct conn *missed_from;
	bool shutting_down;
};

/* --- p2p.c --- */
struct conn *p2p_add(struct p2p *p, const char *peer);
struct conn *p2p_find(struct p2p *p, const char *peer);

/* Look at all connections after ns; what is closed is tried again or forgotten. */
void p2p_monitor_in(struct p2p *p, int64_t ns);

/* Start a connection.  False: never try again. */
bool p2p_connect(struct conn *c);

/* --- conn.c --- */
void conn_log(enum nlog_level level, const struct conn *c, const char *place, const char *method,
        const char *fmt, ...) PRINTF(5, 6);
int conn_open(struct conn *c, int fd, bool connected, struct err *e) NODISCARD;

/* Write what is queued; fill up from the range that the peer asked for. */
void conn_flush(struct conn *c);

/* reconnect: try again in 100 ms instead of at the next look. */
void conn_close(struct conn *c, bool reconnect);
void conn_free(struct conn *c);

/* A block came or went. */
void conn_saw_block(struct conn *c);

/* Go on with the bytes that are there, after a pause. */
void conn_resume(struct conn *c);

/* --- sync.c --- */
void sync_message(struct conn *c, const struct wire_message *m);
void sync_send_handshake(struct conn *c);

/* The source was lost: take another one that has more than we have. */
void sync_lost(struct p2p *p, const struct conn *c);
