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

/* Whether the address is one of the model's nodes. */
bool firewall_has_node(const struct firewall_model *m, const struct firewall_net *address);

/* Whether a new connection from that address to that port of a host comes through.  Loopback always
 * does, and so does what no rule names. */
bool firewall_admits(const struct firewall_model *m, bool is_udp, uint16_t port,
        const struct firewall_net *from);
