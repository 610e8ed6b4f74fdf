#pragma once

/*
 * Proof by traffic: real connections, many at once
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "firewall/model.h"

enum firewall_reach {
	FIREWALL_REACHED,  /* a connection, or a refusal: packets come through */
	FIREWALL_SILENT,   /* nothing came back in time: dropped */
	FIREWALL_NO_ROUTE, /* our side or the network in between cannot say */
};

struct firewall_probe {
	const char *address; /* IPv4 or IPv6 */
	uint16_t port;
	bool is_udp;
	enum firewall_reach reach; /* result */
};

/* Datagrams that are sent to an UDP port, each of one byte. */
#define FIREWALL_PROBE_DATAGRAMS 3

/* TCP; of UDP nothing comes back, SILENT then says that all datagrams were sent, and the counters
 * of the rules say the rest.  All at once (at most 512 under way), each with the time limit; SYNs
 * are repeated by the kernel. */
int firewall_probe_all(
        struct firewall_probe *p, size_t n, int64_t timeout_ns, struct err *e) NODISCARD;

/*
 * From outside: a network namespace of our own with a veth pair to this one and an address that no
 * node has (of 100.64.0.0/10, where no route here leads, and of fd00::/8), so that packets come in
 * as from a stranger.  Needs root with CAP_SYS_ADMIN and `ip`.  Everything is removed afterwards,
 * also after an error; when the process is killed the kernel removes it.  ret_from: the stranger's
 * addresses, IPv4 and IPv6.
 */
int firewall_probe_outside(struct firewall_probe *p, size_t n, int64_t timeout_ns,
        struct firewall_net ret_from[2], struct err *e) NODISCARD;
