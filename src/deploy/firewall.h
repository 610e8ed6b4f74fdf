#pragma once

/*
 * The firewall of all hosts, through their agents
 *
 * One model for the whole swarm: the rules and additions that somebody has given, and the addresses
 * of the nodes as the engine knows them.  All hosts are asked first whether they would take it, and
 * those that would are given it.
 *
 *	AUTO(firewall_swarm) struct firewall_swarm s = FIREWALL_SWARM_INIT;
 *
 *	firewall_swarm_open(&s, eng, agents, e)
 *	firewall_swarm_nodes(model, &s.nodes, &unknown, e)
 *	firewall_swarm_check_engine(&s, model, e)
 *	firewall_swarm_apply(&s, model, true, e)     check; each site has a body or an err
 *	firewall_swarm_apply(&s, model, false, e)    sites with an err are left out
 *
 * What agents say is other hosts' word, and checked here.  Blocks; belongs to its engine's thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strvec.h"
#include "engine/node.h"
#include "firewall/model.h"

struct agents;
struct engine;

/* What a host has, by GET /v1/firewall. */
struct firewall_view {
	bool is_known;
	bool is_saved, is_present;
	char digest[FIREWALL_DIGEST_SIZE];
	char backend[8];
	int64_t saved_ns;             /* by that host's clock */
	struct firewall_model *model; /* owned; NULL without one, or when it cannot be read */
	struct strvec differs;        /* printable lines; at most 100 of n_differs */
	size_t n_differs;
};

struct firewall_site {
	const struct engine_node *node;
	bool is_down;     /* by the swarm's word: not asked, err is set */
	bool is_left_out; /* not to be asked; the caller's */
	json_t *body;     /* the last reply, or NULL and err */
	struct err err;
	struct firewall_view view; /* of firewall_swarm_look() */
};

struct firewall_swarm {
	struct engine *engine;
	struct agents *agents;
	struct engine_nodes nodes;
	struct firewall_site *v; /* by name, numbers in it by value */
	size_t n;
};

#define FIREWALL_SWARM_INIT ((struct firewall_swarm){ .v = NULL })

int firewall_swarm_open(struct firewall_swarm *s, struct engine *engine, struct agents *agents,
        struct err *e) NODISCARD;
void firewall_swarm_release(struct firewall_swarm *s);

static inline void auto_firewall_swarm(struct firewall_swarm *s)
{
	firewall_swarm_release(s);
}

/*
 * Put the addresses of the swarm's nodes into the model, instead of those it had; additions stay.
 * *ret_unknown: nodes whose address the engine does not know, a reference into nodes of one of
 * them, or NULL; then those it had stay, too, because one of them may be it.  Pure.
 */
int firewall_swarm_nodes(struct firewall_model *m, const struct engine_nodes *nodes,
        const struct engine_node **ret_unknown, struct err *e) NODISCARD;

/*
 * Whether we reach the engine, if over TCP, also after the model is applied.  ERR_CONFLICT with the
 * line that lets us in.
 */
int firewall_swarm_check_engine(
        const struct firewall_swarm *s, const struct firewall_model *m, struct err *e) NODISCARD;

/* The pure half.  host: of the engine, "tcp://10.0.0.1:2376"; from: our address as it sees it. */
int firewall_engine_admits(const struct firewall_model *m, uint16_t port,
        const struct firewall_net *from, struct err *e) NODISCARD;

/* Ask every site that is not down or left out: fills body or err. */
int firewall_swarm_apply(struct firewall_swarm *s, const struct firewall_model *m, bool is_check,
        struct err *e) NODISCARD;
void firewall_swarm_remove(struct firewall_swarm *s);

/* The same for who follows: a host where somebody has applied another one since it was looked at
 * refuses, with ERR_CONFLICT. */
int firewall_swarm_bring(
        struct firewall_swarm *s, const struct firewall_model *m, struct err *e) NODISCARD;

/* Look at all of them: fills view, or err. */
void firewall_swarm_look(struct firewall_swarm *s);

/* The body of GET /v1/firewall.  ERR_PROTOCOL.  Pure. */
int firewall_view_parse(struct firewall_view *ret, const json_t *body, struct err *e) NODISCARD;
void firewall_view_release(struct firewall_view *v);

/* Whether an error says that the host was not reached, rather than that it refused. */
bool firewall_is_mute(const struct err *e);

/* --- what is wrong ------------------------------------------------------------------------ */

/*
 * The site with the model that was meant last: the newest of those that have one; NULL when none
 * has.  Pure.
 */
const struct firewall_site *firewall_newest(const struct firewall_swarm *s);

/*
 * One line a difference between what the site has and the model that it ought to have: "missing:
 * ...", "node3 (10.0.0.3) is not let in".  Nothing for a site that was not looked at.  Pure.
 */
int firewall_site_differs(struct strvec *ret, const struct firewall_site *at,
        const struct firewall_swarm *s, const struct firewall_model *m, struct err *e) NODISCARD;

/* --- proof by traffic --------------------------------------------------------------------- */

struct firewall_proof {
	size_t as_wanted, wrong, unproved;
	struct strvec lines; /* of those that are wrong, and why some could not be proved */
};

void firewall_proof_release(struct firewall_proof *p);

/* The tcp ports that are tried: both ends of each rule, at most max.  Returns how many.  Pure. */
size_t firewall_proof_ports(const struct firewall_model *m, uint16_t *ret, size_t max);

/* Every host tries the ports of every other. */
int firewall_swarm_prove(struct firewall_swarm *s, const struct firewall_model *m,
        struct firewall_proof *ret, struct err *e) NODISCARD;

/* The pure half: what one host has found out (the body of POST /v1/firewall/probe). */
int firewall_proof_take(struct firewall_proof *p, const struct firewall_swarm *s,
        const struct firewall_site *from, const struct firewall_model *m, const uint16_t *ports,
        size_t n_ports, struct err *e) NODISCARD;

/* --- following ---------------------------------------------------------------------------- */

enum firewall_follow {
	FIREWALL_FOLLOW_NOTHING, /* no firewall was ever applied, or it was removed */
	FIREWALL_FOLLOW_SAME,    /* all hosts that answer have it */
	FIREWALL_FOLLOW_APPLY,   /* the sites that are not left out need it */
};

/*
 * What a follower has to do, from what the sites have: the model that was meant last with the nodes
 * that there are now.  It is spread only while at least half of the hosts that answer have one, or
 * a host that was away while it was removed would bring it back.  Pure.
 */
int firewall_follow_decide(enum firewall_follow *ret, struct firewall_swarm *s,
        struct firewall_model *ret_model, struct err *e) NODISCARD;
