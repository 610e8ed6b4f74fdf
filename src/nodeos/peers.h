#pragma once

/*
 * peerlist.ini: the p2p peers that are shared out over the slots
 *
 * One peer a line, `p2p-peer-address = host:port[:trx|blk]` as in config.ini, or bare
 * `host:port[:trx|blk]`; an IPv6 address stands in brackets.  `#` starts a comment.  Doubles
 * (the same host in any case, port and kind) are dropped.
 *
 * nodeos only logs a peer it cannot parse and runs on without it, so errors are found here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"

#define NODEOS_PEERS_TEXT_MAX  (1024 * 1024)
#define NODEOS_PEERS_LINES_MAX 10000
#define NODEOS_PEERS_MAX       1000

/* A peer in its canonical text: host in lower case, port without leading zeros. */
struct nodeos_peers {
	struct strvec text;
};

#define NODEOS_PEERS_INIT ((struct nodeos_peers){ 0 })

void nodeos_peers_release(struct nodeos_peers *p);

static inline void auto_nodeos_peers(struct nodeos_peers *p)
{
	nodeos_peers_release(p);
}

/* Add the peers of a peerlist.ini; name is the file's name in messages ("NAME:LINE: ...").
 * Returns 0, or -1 with ERR_USAGE. */
int nodeos_peers_parse(struct nodeos_peers *p, const char *name, const char *text, size_t n,
        struct err *e) NODISCARD;

/* Add the peers of a blank-separated list (the variable NODESWARM_PEERS); name is what the
 * list is called in messages. */
int nodeos_peers_add_words(
        struct nodeos_peers *p, const char *name, const char *words, struct err *e) NODISCARD;

/*
 * Check one peer's text and write its canonical form.  Returns 0, or -1 with ERR_USAGE.
 */
#define NODEOS_PEER_SIZE 288
int nodeos_peer_check(char out[NODEOS_PEER_SIZE], const char *peer, struct err *e) NODISCARD;

/* Whether the host of a canonical peer is a name of the container network: one without a dot, or
 * "tasks.NAME"; "localhost" is none. */
bool nodeos_peer_is_service(const char *peer);

/* n peers from the one with index first on, wrapping round at the end of the list. */
struct nodeos_peers_share {
	size_t first, n;
};

/*
 * Which of `peers` peers a slot gets when `slots` replicas are deployed: ceil(peers / slots)
 * of them, at least four where there are so many, rotated by slot.  Slots 1..slots together
 * use every peer.  Any slot number gets its share, for Swarm does not keep slots 1..N (slot 9
 * of 4 exists); slots 0 counts as 1.
 */
struct nodeos_peers_share nodeos_peers_share(size_t peers, unsigned slots, unsigned slot);

/* Append the slot's share of p to out. */
int nodeos_peers_for_slot(struct strvec *out, const struct nodeos_peers *p, unsigned slots,
        unsigned slot, struct err *e) NODISCARD;
