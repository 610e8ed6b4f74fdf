#pragma once

/*
 * Whom a model lets in: the rules asked about one sender and one port
 *
 * Pure.  For those who have to know before they apply (nobody may lock himself out) and for those
 * who compare what traffic has shown with what it ought to show.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "firewall/model.h"

/* An address without prefix.  An IPv4 address that is written as IPv6 (::ffff:10.0.0.1) is that
 * IPv4 address; a zone ("%eth0") is refused.  0, or -1 for anything else. */
int firewall_address_parse(struct firewall_net *ret, const char *text) NODISCARD;

bool firewall_is_loopback(const struct firewall_net *address);

/* Whether the address is one of the model's nodes. */
bool firewall_has_node(const struct firewall_model *m, const struct firewall_net *address);

/* Whether the first rule for that port is there, and what it is. */
const struct firewall_rule *firewall_rule_of(
        const struct firewall_model *m, bool is_udp, uint16_t port);

/* Whether a new connection from that address to that port of a host comes through.  Loopback always
 * does, and so does what no rule names. */
bool firewall_admits(const struct firewall_model *m, bool is_udp, uint16_t port,
        const struct firewall_net *from);

/*
 * The agents' port is not 8870 here: put the rule where it is.  Before additions are read.
 * ERR_USAGE if another rule has that port.
 */
int firewall_set_agent_port(struct firewall_model *m, uint16_t port, struct err *e) NODISCARD;

#define FIREWALL_AGENT_PORT 8870
