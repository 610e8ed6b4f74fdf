#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "deploy/agents.h"
#include "deploy/firewall.h"
#include "engine/engine.h"
#include "engine/events.h"

/*
 * It keeps nothing: what was meant is in the hosts' pools, and who is a node the engine knows.  So
 * one on every manager does no harm, and one that was killed goes on where it was.
 */

/* After a change of the nodes: a host that joins gets its address, and then its agent. */
#define SETTLE_NS (1 * NS_PER_SEC)
/* While a host that ought to answer does not. */
#define RETRY_NS (5 * NS_PER_SEC)

static int64_t every_ns;
static bool once;

static const struct opt opts[] = {
	{ "every", 0, "TIME", "look at all hosts that often, besides when the nodes change",
	        .value = "1m", .min = NS_PER_SEC, .duration = &every_ns },
	{ "once", 0, NULL, "look once, and end", .flag = &once },
	{ NULL },
};

/* Said when it changes, not in every round.  why: of a failure, or NULL. */
static void say(const char *what, const struct err *why)
{
	static char said[ERR_MSG_MAX];
	const char *text = why ? why->msg : what;

	if (strcmp(said, text) != 0) {
		if (why)
			log_warn(what, "why=\"%s\"", text);
		else
			log_info(what, "%s", "");
	}
	(void)snprintf(said, sizeof(said), "%s", text);
}

static void log_applied(const struct firewall_swarm *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct firewall_site *at = &s->v[i];

		if (at->is_left_out || at->is_down)
			continue;
		if (at->body)
			log_info("firewall applied", "host=%s", at->node->hostname);
		else
			log_warn("firewall not applied", "host=%s why=\"%s\"", at->node->hostname,
			        at->err.msg);
	}
}

/* *ret_all: every host that is not down answered, and has it. */
static int round_of(struct engine *eng, struct agents *agents, bool *ret_all, struct err *e)
{
	AUTO(firewall_swarm) struct firewall_swarm s = FIREWALL_SWARM_INIT;
	AUTO(free) struct firewall_model *m = calloc(1, sizeof(*m));
	enum firewall_follow what;

	if (!m)
		return err_nomem(e);
	if (firewall_swarm_open(&s, eng, agents, e) < 0)
		return -1;
	firewall_swarm_look(&s);
	*ret_all = true;
	for (size_t i = 0; i < s.n; i++)
		*ret_all &= s.v[i].is_down || s.v[i].body;
	if (firewall_follow_decide(&what, &s, m, e) < 0)
		return -1;
	switch (what) {
	case FIREWALL_FOLLOW_NOTHING:
		say("no firewall is applied, and none is spread", NULL);
		/* Nobody is waited for. */
		*ret_all = true;
		return 0;
	case FIREWALL_FOLLOW_SAME:
		say("all hosts that answer have the firewall", NULL);
		return 0;
	case FIREWALL_FOLLOW_APPLY:
		break;
	}
	say("some hosts have another firewall", NULL);
	if (firewall_swarm_bring(&s, m, e) < 0)
		return -1;
	log_applied(&s);
	for (size_t i = 0; i < s.n; i++)
		*ret_all &= s.v[i].is_down || s.v[i].is_left_out || s.v[i].body;
	return 0;
}

static int on_event(void *arg UNUSED, const json_t *event UNUSED)
{
	return 1;
}

/* Until the nodes have changed since then, or for that long. */
static void wait_for_change(struct context *ctx, struct engine *eng, int64_t since_ns, int64_t ns)
{
	struct err e = ERR_INIT;
	int rc;

	rc = engine_events(eng,
	        &(struct engine_events){ .filters = ENGINE_FILTERS({ "type", "node" }),
	                .since_ns = since_ns,
	                .deadline_ns = clock_mono_ns() + ns,
	                .fn = on_event },
	        &e);
	/* An engine that is gone ends the stream at once. */
	if (rc <= 0 && !ctx->interrupted)
		(void)poll(NULL, 0, (int)((rc == 0 ? SETTLE_NS : RETRY_NS) / NS_PER_MS));
}

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(engine_free) struct engine *eng = command_engine(ctx, e);
	AUTO(agents_free) struct agents *agents = NULL;

	if (!eng)
		return -1;
	agents = agents_new(eng, ctx->stack, ctx->pool, &ctx->interrupted, e);
	if (!agents)
		return -1;
	while (!ctx->interrupted) {
		int64_t since_ns = clock_real_ns();
		bool has_all = false;
		struct err why = ERR_INIT;

		if (round_of(eng, agents, &has_all, &why) < 0) {
			if (once) {
				*e = why;
				return -1;
			}
			if (!ctx->interrupted)
				say("cannot follow", &why);
		}
		if (once)
			return 0;
		wait_for_change(
		        ctx, eng, since_ns, has_all || every_ns < RETRY_NS ? every_ns : RETRY_NS);
	}
	return 0;
}

const struct command cmd_firewall_follow = {
	.name = "firewall follow",
	.group = "Host",
	.args = "",
	.summary = "keep the firewall of all hosts as it was applied, while nodes come and go",
	.description =
	        "A service for managers. When nodes join or leave, and every minute, it compares "
	        "the "
	        "firewall of all hosts with the one that was applied last and the nodes that there "
	        "are now, and applies it where it differs, through the agents. A node that is only "
	        "down stays a node; one that was removed ('docker node rm') is one no longer. "
	        "Where "
	        "no firewall was applied it does nothing.\n\n"
	        "It keeps nothing between its rounds; several managers may run it.",
	.examples = (const char *const[]){ "nodeswarm firewall follow",
	        "nodeswarm firewall follow --once", NULL },
	.opts = opts,
	.run = run,
};
