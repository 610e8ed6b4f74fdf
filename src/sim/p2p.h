#pragma once

/*
 * net_plugin: connections to other nodesims
 *
 * Follows what the recorded nodeos does where it can be seen from outside: who is refused and
 * how silently, when a lost peer is tried again, what is in net/connections, the log lines.
 * What goes over the wire is our own (wire.h) and nodeos does not speak it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "sim/block.h"
#include "sim/fail.h"
#include "sim/trx.h"

struct node;
struct p2p;

int p2p_initialize(struct node *n, struct fail *f) NODISCARD;
int p2p_start(struct node *n, struct fail *f) NODISCARD;

/* Bind and connect to the configured peers.  A port in use ends the node with status 0. */
void p2p_listen(struct node *n);
void p2p_shutdown(struct node *n);
void p2p_free(struct p2p *p);

struct conn;

/* A new head; from (or NULL) has it already. */
void p2p_broadcast(struct p2p *p, const struct block *b, const struct conn *from);

/* A new transaction; from (or NULL) has it already. */
void p2p_broadcast_trx(struct p2p *p, const struct trx *t, const struct conn *from);

/* /v1/net/...: the texts that nodeos answers with. */
const char *p2p_api_connect(struct p2p *p, const char *peer);
const char *p2p_api_disconnect(struct p2p *p, const char *peer);

/* Append the JSON of one connection (returns 1 when there is none) or of all. */
int p2p_api_status(struct p2p *p, const char *peer, struct buf *out) NODISCARD;
int p2p_api_connections(struct p2p *p, struct buf *out) NODISCARD;
