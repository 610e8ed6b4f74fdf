#pragma once

/*
 * A model as rules of iptables, and what a host has of them
 *
 * Pure: text of iptables-save in, text for iptables-restore --noflush out, one family at a time.
 *
 * Chains (filter table), all ours, nobody else's rules are touched but two jumps:
 *
 *	INPUT        -> NODESWARM-INPUT     first; ports of this host: host network, docker-proxy,
 *dockerd itself DOCKER-USER  -> NODESWARM-FORWARD   first; ports that docker publishes.  After DNAT
 *--dport is the container's port, so the published one is matched: conntrack --ctorigdstport,
 *--ctdir ORIGINAL NODESWARM-NODES                     the addresses of the nodes: ACCEPT or RETURN,
 *then DROP
 *
 * Rules are rendered in iptables-save's own spelling, so that what is read back can be compared as
 *text; nft and legacy print the same for all that is used here (tests hold both against each
 *other).  DOCKER-USER is made if it is not there yet: docker keeps it, and so ports are closed at
 *boot before docker starts. Sources: moby v20.10 libnetwork/firewall_linux.go; facts/swarm.md
 *section 8 (measured).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"
#include "firewall/model.h"

/* What iptables-save says of one family's filter table, our part of it. */
struct firewall_present {
	bool has_docker_user;
	unsigned input_jumps, docker_jumps; /* jumps to our chains */
	bool input_jump_is_first, docker_jump_is_first;
	struct strvec chains; /* of ours that are there */
	struct strvec rules;  /* "-A NODESWARM-INPUT ...", in order */
	struct strvec counts; /* "packets:bytes" beside rules, when the text has them (-c) */
};

/* text is limited to 16 MiB by its reader; a line that is no line of iptables-save is ERR_PROTOCOL.
 */
int firewall_present_parse(
        struct firewall_present *p, const char *text, size_t n, struct err *e) NODISCARD;
void firewall_present_release(struct firewall_present *p);

/* The rules that the model asks for, in the same form as present->rules. */
int firewall_wanted(
        struct strvec *ret, const struct firewall_model *m, int family, struct err *e) NODISCARD;

/* One line of people's words a difference ("missing: ...", "extra: ...", "order: ...", "no jump
 * from INPUT"); 0 when there is none, 1 when there are. */
int firewall_diff(struct strvec *ret_lines, const struct firewall_present *p,
        const struct firewall_model *m, int family, struct err *e) NODISCARD;

/* The text for iptables-restore --noflush that makes the host have exactly the model.  One COMMIT:
 * all or nothing. */
int firewall_render(struct buf *out, const struct firewall_present *p,
        const struct firewall_model *m, int family, struct err *e) NODISCARD;

/* The text that removes all that is ours (DOCKER-USER itself stays). Nothing when nothing is there.
 */
int firewall_render_remove(
        struct buf *out, const struct firewall_present *p, struct err *e) NODISCARD;
