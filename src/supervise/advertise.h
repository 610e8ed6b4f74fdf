#pragma once

/*
 * What our nodeos tells its peers about its own address (p2p-server-address)
 *
 * A label only: it shows up in the peers' lists of connections, and nobody is known to dial it.
 * In a container nodeos would say the container's name, which is of no use outside.
 *
 *	""               nothing is said for nodeos
 *	HOST[:PORT]      that; port 9876 if there is none
 *	host             this host's address: host.json of the pool, else its name in the swarm
 *	auto             a public IPv4 address of an interface that we see, else the one that
 *	                 the cloud's metadata service knows, else nothing
 *
 * The metadata service is at 169.254.169.254, an address that never leaves the host's link; no
 * third party is asked.  A template's own p2p-server-address wins (nodeos/render.h).
 *
 *	advertise_new(...)          begins to search, if it is `auto`
 *	advertise_is_searching(a)   for two seconds at most
 *	advertise_get(a, ...)       "" or "HOST:PORT"
 */

#include <netinet/in.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "nodeos/peers.h"

#define ADVERTISE_PORT     "9876"
#define ADVERTISE_METADATA "http://169.254.169.254"

struct advertise;
struct http_prober;
struct loop;

/* setting and metadata (ADVERTISE_METADATA, but for tests) are the caller's and stay.  Loop and
 * prober must outlive it.  A setting that is wrong is told by advertise_get(). */
struct advertise *advertise_new(struct loop *l, struct http_prober *p, const char *setting,
        const char *metadata, struct err *e) NODISCARD;
void advertise_free(struct advertise *a);

bool advertise_is_searching(const struct advertise *a);

/*
 * What to say now; pool_fd and node (the host's name in the swarm) are for `host`.  0, or -1 for a
 * setting that is no address (ERR_USAGE), or a host of which nothing is known.
 */
int advertise_get(const struct advertise *a, char out[NODEOS_PEER_SIZE], int pool_fd,
        const char *node, struct err *e) NODISCARD;

/* "HOST" or "HOST:PORT" in its canonical form with a port; ERR_USAGE. */
int advertise_address(char out[NODEOS_PEER_SIZE], const char *text, struct err *e) NODISCARD;

/* Whether an address can be reached over the internet (IANA's special-purpose registry). */
bool advertise_is_public(struct in_addr a);

/* The public IPv4 address that is all of a text but white space; 1 if it is something else. */
int advertise_parse(struct in_addr *ret, const char *text, size_t n) NODISCARD;
