#include "cli/command.h"
#include "lease/broker.h"

static const char *address, *token_file;
static int64_t port;

static const struct opt opts[] = {
	{ "listen", 0, "ADDRESS", "where producers reach it", .value = "127.0.0.1",
	        .env = "NODESWARM_BROKER_LISTEN", .string = &address },
	{ "port", 0, "PORT", "its port", .value = "8871", .env = "NODESWARM_BROKER_PORT", .min = 1,
	        .max = 65535, .number = &port },
	{ "token", 0, "FILE", "the bearer token of the producers",
	        .value = "/run/secrets/nodeswarm-broker-token", .env = "NODESWARM_BROKER_TOKEN",
	        .string = &token_file },
	{ NULL },
};

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct lease_broker_config cfg = {
		.address = address,
		.port = (uint16_t)port,
		.token_path = token_file,
		.docker_host = ctx->host,
	};

	return lease_broker_run(&cfg, e);
}

const struct command cmd_broker = {
	.name = "broker",
	.group = "Inside a container",
	.args = "",
	.summary = "let producers ask the swarm who may sign",
	.description =
	        "A producer's container has no docker socket. The broker runs on a manager, has "
	        "one, and does one thing for who has its token: it reads the lease, and puts "
	        "another record in its place if nobody else did so meanwhile and if that may "
	        "follow. It holds no signing key and keeps no state; any number of them may run, "
	        "and one that is lost costs nothing while another answers.\n\n"
	        "GET /livez is answered without a token, also while the engine hangs. The service "
	        "is in stacks/broker.yml.",
	.examples = (const char *const[]){ "nodeswarm broker",
	        "nodeswarm broker --listen 0.0.0.0 --token ./token", NULL },
	.opts = opts,
	.run = run,
};
