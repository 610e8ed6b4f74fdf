#pragma once

/*
 * An address or a network of IPv4 or IPv6
 *
 * Pure.  An IPv4 address that is written as IPv6 (::ffff:10.0.0.1) is that IPv4 address; a zone
 * ("%eth0") is refused.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct firewall_net {
	int family; /* AF_INET, AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
	unsigned prefix; /* bits; host bits are zero */
	bool is_own;     /* of a node: by a line of the additions, no node of the swarm yet */
};

#define FIREWALL_NET_SIZE 52

/* "10.20.0.0/16", "fd00::9"; a whole address without its prefix.  Returns out. */
const char *firewall_net_text(char out[FIREWALL_NET_SIZE], const struct firewall_net *net);

/* As strcmp: IPv4 first, then by address, then by prefix. */
int firewall_net_order(const struct firewall_net *a, const struct firewall_net *b);

/* Whether the address lies in the network. */
bool firewall_net_covers(const struct firewall_net *net, const struct firewall_net *address);

bool firewall_is_loopback(const struct firewall_net *address);

/* An address without prefix.  0, or -1 for anything else. */
int firewall_address_parse(struct firewall_net *ret, const char *text) NODISCARD;

/* An address that a node can have.  ERR_USAGE: loopback, unspecified, multicast, reserved, or not
 * an address. */
int firewall_node_parse(struct firewall_net *ret, const char *text, struct err *e) NODISCARD;

/* "10.20.0.0/16", or an address.  ERR_USAGE: bits behind the prefix, everybody (/0), or not one. */
int firewall_net_parse(struct firewall_net *ret, const char *text, struct err *e) NODISCARD;
