#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/command.h"
#include "replay/worker.h"

static struct worker_config cfg;
static struct strvec peers;
static const char *url;

static const struct opt opts[] = {
	{ "orchestrator", 0, "URL", "where the jobs are; or as the argument",
	        .env = "NODESWARM_REPLAY_URL", .string = &url },
	{ "token", 0, "FILE", "a bearer token with the role work",
	        .env = "NODESWARM_REPLAY_TOKEN_FILE", .string = &cfg.token_path },
	{ "name", 0, "NAME", "this worker's name in lists; the host's unless said",
	        .env = "NODESWARM_REPLAY_WORKER", .string = &cfg.name },
	{ "dir", 0, "DIR",
	        "for data-dirs and snapshots, of this worker alone; POOL/replay-work unless said",
	        .env = "NODESWARM_REPLAY_DIR", .string = &cfg.dir },
	{ "nodeos", 0, "PROGRAM",
	        "the program to run; {version} in it is replaced by that of the slice",
	        .value = "nodeos", .env = "NODESWARM_NODEOS", .string = &cfg.nodeos },
	{ "genesis", 0, "FILE", "for the slice that begins with the chain",
	        .env = "NODESWARM_REPLAY_GENESIS", .string = &cfg.genesis },
	{ "config", 'c', "FILE", "lines for nodeos's config.ini", .env = "NODESWARM_REPLAY_INI",
	        .string = &cfg.config_ini },
	{ "snapshots", 0, "PLACE", "a directory or a URL, below which paths of files are",
	        .env = "NODESWARM_REPLAY_BASE", .string = &cfg.snapshot_base },
	{ "s3-endpoint", 0, "URL", "the S3 server; Amazon's unless said", .env = "AWS_ENDPOINT_URL",
	        .string = &cfg.endpoint },
	{ "s3-region", 0, "REGION", "its region; us-east-1 unless said", .env = "AWS_REGION",
	        .string = &cfg.region },
	{ "blocks", 0, "DIR", "block logs, blocks-FIRST-LAST.log, to replay from",
	        .env = "NODESWARM_REPLAY_BLOCKS", .string = &cfg.blocks },
	{ "peer", 0, "HOST:PORT",
	        "a p2p peer that has the blocks; without any, those that "
	        "$NODESWARM_REPLAY_PEERS lists",
	        .strings = &peers },
	{ "disk", 0, "SIZE", "free on the disk before a slice is claimed", .value = "40G",
	        .env = "NODESWARM_REPLAY_DISK", .min = 1, .size = &cfg.disk_min },
	{ "memory", 0, "SIZE", "available memory before a slice is claimed; 0 is not looked at",
	        .value = "0", .env = "NODESWARM_REPLAY_MEMORY", .size = &cfg.memory_min },
	{ "cache", 0, "SIZE", "fetched snapshots that are kept", .value = "20G",
	        .env = "NODESWARM_REPLAY_CACHE", .min = 1, .size = &cfg.cache_max },
	{ "progress", 0, "TIME", "how often the orchestrator is told", .value = "3s",
	        .min = 10 * NS_PER_MS, .duration = &cfg.progress_ns },
	{ "stall", 0, "TIME", "without a new block for so long the try has failed", .value = "30m",
	        .env = "NODESWARM_REPLAY_STALL", .min = 10 * NS_PER_MS, .duration = &cfg.stall_ns },
	{ "once", 0, NULL,
	        "one slice; exit status 1 if it failed or its end hash is another than expected",
	        .flag = &cfg.once },
	{ "until-done", 0, NULL, "end with the run", .flag = &cfg.until_done },
	{ NULL },
};

static int add_peers(const char *list, struct err *e)
{
	AUTO(free) char *copy = strdup(list);
	char *save = NULL;

	if (!copy)
		return err_nomem(e);
	for (char *p = strtok_r(copy, " \t\n,", &save); p; p = strtok_r(NULL, " \t\n,", &save)) {
		if (!strchr(p, ':'))
			return err_set(e, ERR_USAGE, "the peer '%s' is not HOST:PORT", p);
		if (strvec_add(&cfg.peers, p) < 0)
			return err_nomem(e);
	}
	return 0;
}

static int take_peers(struct err *e)
{
	const char *list = getenv("NODESWARM_REPLAY_PEERS");

	for (size_t i = 0; i < peers.n; i++)
		if (add_peers(peers.v[i], e) < 0)
			return -1;
	return peers.n || !list ? 0 : add_peers(list, e);
}

/* Not POOL/replay: the tokens of `replay run` are there. */
static char *default_dir(const char *pool, struct err *e)
{
	char *dir = str_fmt("%s/replay-work", pool);

	if (!dir) {
		err_nomem(e);
	} else if (access(pool, F_OK) < 0 && errno == ENOENT) {
		err_set(e, ERR_NOT_FOUND, "there is no pool '%s'", pool);
		err_hint(e, "give a directory with --dir; or 'nodeswarm pool init' makes a pool");
		free(TAKE(dir));
	}
	return dir;
}

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(free) char *dir = NULL;

	if (argc > 0 && url && strcmp(argv[0], url) != 0)
		return command_usage(ctx, e, "two orchestrators, '%s' and '%s'", argv[0], url);
	cfg.url = argc > 0 ? argv[0] : url;
	if (!cfg.url)
		return command_usage(ctx, e, "there is no orchestrator; give its URL");
	if (take_peers(e) < 0)
		return -1;
	if (!cfg.dir) {
		dir = default_dir(ctx->pool, e);
		if (!dir)
			return -1;
		cfg.dir = dir;
	}
	return worker_run(&cfg, e);
}

const struct command cmd_replay_work = {
	.name = "replay work",
	.group = "Replay",
	.args = "[URL]",
	.summary = "replay slices for an orchestrator",
	.description =
	        "Claims a slice, fetches its snapshot, runs nodeos from there to the slice's end "
	        "and "
	        "hands in the state's hashes at both; then the next one. While it works the "
	        "orchestrator hears of it; one that is gone meanwhile is waited for, and a result "
	        "that could not be handed in is kept, also for the next start.\n\n"
	        "SIGTERM gives the slice back at once. A process that is killed loses its slice to "
	        "another when its lease is over, and nothing else: the directory is used again, a "
	        "broken transfer of a snapshot goes on where it was.\n\n"
	        "Snapshots are files, of servers (http, https) or of buckets (s3, keys from "
	        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), as they are or packed by zstd; "
	        "beside "
	        "one that is called X, X.sha256 is its digest. Blocks come from --peer and "
	        "--blocks.",
	.examples = (const char *const[]){ "nodeswarm replay work http://10.0.0.2:4000 --peer "
	                                   "10.0.0.3:9876",
	        "nodeswarm replay work http://127.0.0.1:4000 --snapshots /srv/snapshots --once",
	        NULL },
	.max_args = 1,
	.opts = opts,
	.run = run,
};
