#include <stdlib.h>

#include "base/str.h"
#include "cli/command.h"
#include "replay/orchestrator.h"
#include "replay/packed.h"

static const char *manifest, *from, *address, *log_file, *state, *tokens;
static int64_t port, term_ns, silence_ns, retry_ns, tries, losses, connections;
static bool disable_auth;

static const struct opt opts[] = {
	{ "config", 'c', "FILE", "the manifest", .env = "NODESWARM_REPLAY_MANIFEST",
	        .string = &manifest },
	{ "from", 0, "FILE",
	        "where the manifest is copied from if it is not there; zstd is unpacked",
	        .string = &from },
	{ "host", 0, "ADDRESS", "where workers and people reach it", .value = "127.0.0.1",
	        .env = "NODESWARM_REPLAY_LISTEN", .shadows = true, .string = &address },
	{ "port", 0, "PORT", "its port", .value = "4000", .env = "NODESWARM_REPLAY_PORT", .min = 1,
	        .max = 65535, .number = &port },
	{ "log", 0, "FILE",
	        "a line for each job that is complete, as the public tool's "
	        "statistics read them",
	        .string = &log_file },
	{ "state", 0, "DIR", "what must not be lost; without it the manifest's name with .state",
	        .env = "NODESWARM_REPLAY_STATE", .string = &state },
	{ "tokens", 0, "FILE", "lines of a role (read, work, control) and a bearer token",
	        .env = "NODESWARM_REPLAY_TOKENS", .string = &tokens },
	{ "disable-auth", 0, NULL, "everybody may do everything; on loopback only",
	        .flag = &disable_auth },
	{ "term", 0, "TIME", "a worker that is silent for so long has lost its job", .value = "30s",
	        .min = 1000000000, .duration = &term_ns },
	{ "silence", 0, "TIME", "the same of a client of the public tool, which has no heartbeat",
	        .value = "1h", .min = 1000000000, .duration = &silence_ns },
	{ "tries", 0, "N", "a job that failed so often is given up", .value = "5", .min = 1,
	        .max = 1000, .number = &tries },
	{ "losses", 0, "N", "and one that lost so many workers", .value = "20", .min = 1,
	        .max = 1000, .number = &losses },
	{ "retry", 0, "TIME", "a job that failed waits so long, and each time twice as long",
	        .value = "10s", .min = 1000000, .duration = &retry_ns },
	{ "connections", 0, "N", "at most so many at a time", .value = "2048", .min = 4,
	        .max = 100000, .number = &connections },
	{ NULL },
};

static int run(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	AUTO(free) char *beside = NULL;
	struct orchestrator_config cfg = {
		.manifest = manifest,
		.address = address,
		.port = (uint16_t)port,
		.log_path = log_file,
		.roles_path = disable_auth ? NULL : tokens,
		.no_auth = disable_auth,
		.book = { .term_ns = term_ns,
		        .silence_ns = silence_ns,
		        .tries_max = (unsigned)tries,
		        .losses_max = (unsigned)losses,
		        .retry_ns = retry_ns },
		.max_connections = (unsigned)connections,
	};

	if (!manifest)
		return command_usage(ctx, e, "there is no manifest; give one with --config");
	if (from && packed_seed(manifest, from, e) < 0)
		return -1;
	beside = str_fmt("%s.state", manifest);
	if (!beside)
		return err_nomem(e);
	cfg.book.dir = state ? state : beside;
	return orchestrator_run(&cfg, e);
}

const struct command cmd_replay_serve = {
	.name = "replay serve",
	.group = "Replay",
	.args = "",
	.summary = "hand out the slices of a manifest",
	.description =
	        "The orchestrator of a distributed replay. Workers claim a slice each, keep it by "
	        "a heartbeat, and hand in the state's hashes at its start and at its end; a slice "
	        "whose worker is lost is handed out again. What was said is in the state's "
	        "directory before it is said, so it may be killed at any time and started "
	        "again.\n\n"
	        "It speaks the protocol of the public replay-test orchestrator, whose clients work "
	        "unchanged, and one of its own (/v1). People find /progress, /grid, /control and "
	        "/detail, programs /v1/run, /v1/certificate and /metrics.",
	.examples = (const char *const[]){ "nodeswarm replay serve -c jobs.json --disable-auth",
	        "nodeswarm replay serve -c jobs.json --host 10.0.0.5 --tokens ./tokens", NULL },
	.opts = opts,
	.run = run,
};
