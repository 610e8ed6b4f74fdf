#include <stdlib.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "cli/command.h"

static const char *node_id = "", *node = "", *address = "", *token_file;
static int64_t port;

static const struct opt opts[] = {
	{ "node-id", 0, "ID", "the id of this node in the swarm", .env = "NODESWARM_NODE_ID",
	        .string = &node_id },
	{ "node", 0, "NAME", "the host's name", .env = "NODESWARM_NODE", .string = &node },
	{ "address", 0, "IP",
	        "where other hosts reach this agent; without it the node's swarm address is found "
	        "out",
	        .env = "NODESWARM_AGENT_ADDRESS", .string = &address },
	{ "port", 0, "PORT", "its port, the same on all hosts", .value = "8870",
	        .env = "NODESWARM_AGENT_PORT", .min = 1, .max = 65535, .number = &port },
	{ "token-file", 0, "FILE", "the bearer token of all agents",
	        .value = "/run/secrets/agent-token", .env = "NODESWARM_TOKEN_FILE",
	        .string = &token_file },
	{ NULL },
};

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct agent_config cfg = {
		.pool = ctx->pool,
		.node_id = node_id,
		.node = node,
		.address = address,
		.port = (uint16_t)port,
		.token_path = token_file,
	};

	return agent_run(&cfg, e);
}

const struct command cmd_agent = {
	.name = "agent",
	.group = "Inside a container",
	.args = "",
	.summary = "answer for all chain nodes of a host",
	.description =
	        "Speaks to the supervisors of this host through their sockets in the pool and "
	        "answers "
	        "over HTTP: status of every slot in one reply, quiesce, resume, log, facts for "
	        "doctor. On POOL/agent.sock root asks without a token, and may ask the agents of "
	        "other hosts "
	        "through this one; on the node's swarm address everything but /livez needs the "
	        "bearer token.\n\n"
	        "It runs as a global service, see stacks/agent.yml.",
	.examples = (const char *const[]){ "nodeswarm agent",
	        "nodeswarm agent --address 10.0.0.2 --token-file ./token", NULL },
	.opts = opts,
	.run = run,
};
