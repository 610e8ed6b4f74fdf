#pragma once

/*
 * Which address the agent listens on
 *
 * That on which the other nodes of the swarm know this one.  The agent has no docker socket to
 * ask, so it looks, in this order, at what the host's preparation has written down, at where the
 * swarm's own port listens or is connected, and at the interface of the default route; loopback
 * is the last resort.
 *
 * address_choose() is pure, over texts; address_look() reads them of this host.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"

#define ADDRESS_MAX        46 /* an IPv6 address and its end */
#define ADDRESS_SWARM_PORT 2377

struct address_facts {
	const char *host_json;  /* pool/host.json: {"format":1,"address":"10.0.0.2"} */
	const char *tcp, *tcp6; /* /proc/net/tcp and tcp6 */
	const char *route;      /* /proc/net/route */
	const char *interfaces; /* "eth0 10.0.0.2\n" for each address of an interface that is up */
};

enum address_source {
	ADDRESS_NONE,
	ADDRESS_HOST_JSON,
	ADDRESS_SWARM, /* where the swarm's port listens or is connected */
	ADDRESS_ROUTE,
	ADDRESS_LOOPBACK, /* nothing else; worth another look later */
};

/* Any text may be NULL.  out is "" with ADDRESS_NONE. */
enum address_source address_choose(char out[ADDRESS_MAX], const struct address_facts *f);

/* "host.json", "swarm" ... for the log. */
const char *address_source_name(enum address_source s);

/* address_choose() over what this host's files say now; pool_fd < 0: without host.json. */
enum address_source address_look(char out[ADDRESS_MAX], int pool_fd);

/* Whether s is an IPv4 or IPv6 address, and if so whether of IPv6. */
bool address_is_ip(const char *s, bool *is_v6);

/*
 * Whether address, which is one, can be another node of our swarm as far as can be told without
 * knowing them: it is a private one (RFC 1918, RFC 6598, RFC 4193), or in the same /24 or /64 as
 * our own.  Pure.
 */
bool address_is_near(const char *address, const char *own);
