#pragma once

/*
 * A model as rules of iptables, and what a host has of them
 *
 * Pure: text of iptables-save in, text for iptables-restore --noflush out, one family at a time.
 *
 * Chains (filter table), all ours; nobody else's rules are touched but two jumps:
 *
 *	INPUT       -> NODESWARM-INPUT    first.  Ports of this host: host network, docker-proxy,
 *	                                  dockerd itself.
 *	DOCKER-USER -> NODESWARM-FORWARD  first.  Ports that docker publishes.  After DNAT
 *	                                  --dport is the container's port, so the published one
 *	                                  is matched: conntrack --ctorigdstport, --ctdir ORIGINAL.
 *	NODESWARM-NODES                   the addresses of the nodes: RETURN; all others: DROP.
 *
 * NODESWARM-FORWARD looks only at what was redirected (--ctstate DNAT): connections of containers
 * to other machines, and of other machines through this host, have ports of the same numbers and
 * are not ours to drop.
 *
 * Rules are rendered in iptables-save's own spelling, so that what is read back can be compared as
 * text; nft and legacy print the same for all that is used here (tests hold both against each
 * other).  DOCKER-USER is made if it is not there yet: docker keeps it, and so ports are closed at
 * boot before docker starts.  Sources: moby v20.10 libnetwork/firewall_linux.go, and what its
 * chains did to connections here; linux xt_conntrack.c (XT_CONNTRACK_STATE_DNAT).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"
#include "firewall/model.h"

/* A rule of somebody else's chain that leads to a chain of ours. */
struct firewall_jump {
	char *line;     /* "-A INPUT -j NODESWARM-INPUT" */
	unsigned place; /* in its chain, from 1 */
};

/* What iptables-save says of one family's filter table, our part of it. */
struct firewall_present {
	bool has_docker; /* docker's own chain DOCKER */
	bool has_docker_user;
	bool forward_jumps;         /* FORWARD leads to DOCKER-USER */
	unsigned docker_user_rules; /* in DOCKER-USER, with ours */
	unsigned docker_user_refs;  /* rules that lead to DOCKER-USER */
	struct firewall_jump *jumps;
	size_t n_jumps;
	struct strvec chains; /* of ours that are there */
	struct strvec rules;  /* "-A NODESWARM-INPUT ..."; by chain (by name), each in its order */
	struct strvec
	        counts; /* "packets:bytes" beside rules, "" when the text has none (without -c) */
};

/* text is limited to 16 MiB by its reader; a line that is no line of iptables-save is ERR_PROTOCOL,
 * a table that only nft can read ERR_CONFLICT. */
int firewall_present_parse(
        struct firewall_present *p, const char *text, size_t n, struct err *e) NODISCARD;
void firewall_present_release(struct firewall_present *p);

static inline void auto_firewall_present(struct firewall_present *p)
{
	firewall_present_release(p);
}

/* Whether there is anything of ours. */
bool firewall_present_any(const struct firewall_present *p);

/* Whether it is the same of ours, at the same places; counters do not matter. */
bool firewall_present_same(const struct firewall_present *a, const struct firewall_present *b);

/* The rules that the model asks for, in the same form as present->rules. */
int firewall_wanted(
        struct strvec *ret, const struct firewall_model *m, int family, struct err *e) NODISCARD;

/* How many rules of a family a rule of the model has, without those of NODESWARM-NODES. */
unsigned firewall_rule_count(const struct firewall_model *m, unsigned i, int family);

/* What the counters of a port's rules say, in both chains; without counters all is 0. */
struct firewall_tally {
	uint64_t admitted, dropped; /* packets of new connections */
};

void firewall_tally(struct firewall_tally *ret, const struct firewall_present *p,
        const struct firewall_rule *r);

/*
 * One line of people's words a difference ("missing: ...", "extra: ...", "order: ...", "no jump
 * from INPUT"); 0 when there is none, 1 when there are.  One line may be about what is docker's:
 * FORWARD does not lead to DOCKER-USER.
 */
int firewall_diff(struct strvec *ret_lines, const struct firewall_present *p,
        const struct firewall_model *m, int family, struct err *e) NODISCARD;

/* The text for iptables-restore --noflush that makes the host have exactly the model, nothing when
 * it has.  One COMMIT: all or nothing. */
int firewall_render(struct buf *out, const struct firewall_present *p,
        const struct firewall_model *m, int family, struct err *e) NODISCARD;

/* The text that brings back what was there before, of ours and at its places; nothing when it is
 * as before. */
int firewall_render_back(struct buf *out, const struct firewall_present *now,
        const struct firewall_present *before, struct err *e) NODISCARD;

/* The text that removes all that is ours, nothing when nothing is there.  DOCKER-USER stays unless
 * it is empty then and nobody leads to it: docker does not leave it so. */
int firewall_render_remove(
        struct buf *out, const struct firewall_present *p, struct err *e) NODISCARD;
