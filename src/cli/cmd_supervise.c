#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/command.h"
#include "data/generation.h"
#include "data/pool.h"
#include "data/slot.h"
#include "data/unshare.h"
#include "lease/record.h"
#include "supervise/probation.h"
#include "supervise/supervise.h"

static const char *service, *task, *node, *template, *genesis, *peers, *address;
static const char *extra_peers = "", *follow = "", *advertise = "", *check_interval;
static const char *restore, *heal, *references = "", *keep = "";
static int64_t slot, replicas, port, lame_duck = -1, max_lag, peer_wait, far_behind;
static int64_t archive_every = -1, integrity_hash, unshare_extents = UNSHARE_EXTENTS;
static const char *sign_key = "", *brokers = "", *broker_token, *lease, *compare = "";
static int64_t lease_term, bootstrap;

static const struct opt opts[] = {
	{ "service", 0, "NAME", "the service's full name", .env = "NODESWARM_SERVICE",
	        .string = &service },
	{ "slot", 0, "N", "the task's slot", .env = "NODESWARM_SLOT", .min = 1,
	        .max = SLOT_NUMBER_MAX, .number = &slot },
	{ "task", 0, "ID", "the task's id", .value = "none", .env = "NODESWARM_TASK",
	        .string = &task },
	{ "node", 0, "NAME", "the host's name", .value = "unknown", .env = "NODESWARM_NODE",
	        .string = &node },
	{ "replicas", 0, "N", "how many slots share the peers", .value = "1",
	        .env = "NODESWARM_REPLICAS", .min = 1, .max = SLOT_NUMBER_MAX,
	        .number = &replicas },
	{ "config", 0, "FILE", "template of config.ini", .value = "/etc/nodeswarm/config.ini",
	        .string = &template },
	{ "genesis", 0, "FILE", "genesis of the chain", .value = "/etc/nodeswarm/genesis.json",
	        .string = &genesis },
	{ "peers", 0, "FILE", "list of peers", .value = "/etc/nodeswarm/peerlist.ini",
	        .string = &peers },
	{ "extra-peers", 0, "LIST", "more peers, separated by blanks", .env = "NODESWARM_PEERS",
	        .string = &extra_peers },
	{ "follow", 0, "LIST", "names of tasks to connect to as they come and go, HOST:PORT",
	        .env = "NODESWARM_FOLLOW", .string = &follow },
	{ "advertise", 0, "ADDRESS", "what peers are told to be our address; or host, or auto",
	        .env = "NODESWARM_ADVERTISE", .string = &advertise },
	{ "address", 0, "IP", "where health and metrics are served", .value = "0.0.0.0",
	        .string = &address },
	{ "port", 0, "PORT", "their port", .value = "8880", .min = 1, .max = 65535,
	        .number = &port },
	{ "check-interval", 0, "TIME", "how often fronts ask whether it is ready", .value = "1s",
	        .env = "NODESWARM_CHECK_INTERVAL", .string = &check_interval },
	{ "lame-duck", 0, "TIME",
	        "how long to be not ready before nodeos is stopped; default: 3 check intervals",
	        .env = "NODESWARM_LAME_DUCK", .duration = &lame_duck },
	{ "max-lag", 0, "BLOCKS", "how far behind the best known head is still ready",
	        .value = "30", .env = "NODESWARM_MAX_LAG", .min = 1, .max = 1000000,
	        .number = &max_lag },
	{ "peer-wait", 0, "TIME", "how long to wait for a first peer before being ready without",
	        .value = "60s", .env = "NODESWARM_PEER_WAIT", .duration = &peer_wait },
	{ "restore", 0, "auto|never",
	        "auto: a slot that is empty or far behind starts from the pool's current "
	        "generation; or never",
	        .value = "auto", .env = "NODESWARM_RESTORE", .string = &restore },
	{ "far-behind", 0, "BLOCKS", "how far behind that generation is too far", .value = "100000",
	        .env = "NODESWARM_FAR_BEHIND", .min = 1, .max = UINT32_MAX, .number = &far_behind },
	{ "heal", 0, "auto|never",
	        "auto: a data-dir that nodeos does not start from is repaired; or never",
	        .value = "auto", .env = "NODESWARM_HEAL", .string = &heal },
	{ "references", 0, "URLS", "nodes whose chain a repaired slot must agree with",
	        .env = "NODESWARM_REFERENCES", .string = &references },
	{ "archive-every", 0, "TIME", "archive the slot by itself so often; default: never",
	        .env = "NODESWARM_ARCHIVE_EVERY", .min = NS_PER_SEC, .duration = &archive_every },
	{ "keep", 0, "WHAT", "generations to keep after that, like count=3,age=7d,bytes=500G",
	        .env = "NODESWARM_KEEP", .string = &keep },
	{ "integrity-hash", 0, "0|1", "1: a stop tells the hash of the state, for archives",
	        .value = "0", .env = "NODESWARM_INTEGRITY_HASH", .min = 0, .max = 1,
	        .number = &integrity_hash },
	{ "sign-key", 0, "FILE",
	        "a producer's key: blocks are signed by a gate that has it, with the lease",
	        .env = "NODESWARM_SIGN_KEY", .string = &sign_key },
	{ "broker", 0, "LIST", "brokers of the lease, HOST:PORT", .env = "NODESWARM_BROKER",
	        .string = &brokers },
	{ "broker-token", 0, "FILE", "the token that they want",
	        .value = "/run/secrets/nodeswarm-broker-token", .env = "NODESWARM_BROKER_TOKEN",
	        .string = &broker_token },
	{ "lease", 0, "NAME", "the lease's name", .value = "producer", .env = "NODESWARM_LEASE",
	        .string = &lease },
	{ "lease-term", 0, "TIME",
	        "how long a lease lasts, 3s to 300s: with 4s a standby signs within about 6 s of "
	        "a death, but an election of managers (10 to 20 s) stops signing; 30s outlasts "
	        "it, and a death costs about 32 s",
	        .value = "4s", .env = "NODESWARM_LEASE_TERM", .min = LEASE_TERM_MIN_NS,
	        .duration = &lease_term },
	{ "bootstrap", 0, "0|1",
	        "1: the first producer of a chain, which begins without peers to compare with",
	        .value = "0", .env = "NODESWARM_BOOTSTRAP", .min = 0, .max = 1,
	        .number = &bootstrap },
	{ "compare", 0, "LIST",
	        "names of tasks whose heads a producer compares its own with, HOST:PORT of "
	        "supervisors",
	        .env = "NODESWARM_COMPARE", .string = &compare },
	{ "unshare-extents", 0, "N", "after an archive, mend files in more pieces than this",
	        .env = "NODESWARM_UNSHARE_EXTENTS", .is_hidden = true, .min = 1, .max = UINT32_MAX,
	        .number = &unshare_extents },
	{ NULL },
};

static int check_lease(struct context *ctx, struct err *e)
{
	if (!*sign_key)
		return 0;
	if (!*brokers)
		return command_usage(ctx, e,
		        "--sign-key is for a producer with a lease, which needs --broker "
		        "(NODESWARM_BROKER)");
	if (lease_term > LEASE_TERM_MAX_NS)
		return command_usage(ctx, e, "--lease-term is more than 300s");
	return lease_name_check(lease, e) < 0 ? err_wrap(e, "--lease") : 0;
}

static int run(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	struct supervise_config cfg = {
		.pool = ctx->pool,
		.service = service,
		.task = task,
		.node = node,
		.slot = (uint64_t)slot,
		.replicas = (unsigned)replicas,
		.template_path = template,
		.genesis_path = genesis,
		.peers_path = peers,
		.extra_peers = extra_peers,
		.follow = follow,
		.advertise = advertise,
		.address = address,
		.port = (uint16_t)port,
		.lame_duck_ns = lame_duck,
		.max_lag_blocks = (uint32_t)max_lag,
		.peer_wait_ns = peer_wait,
		.may_restore = str_eq(restore, "auto"),
		.far_behind = (uint32_t)far_behind,
		.may_heal = str_eq(heal, "auto"),
		.references = references,
		.archive_every_ns = archive_every,
		.keep = keep,
		.integrity_hash = integrity_hash != 0,
		.unshare_extents = (uint64_t)unshare_extents,
		.sign_key = sign_key,
		.brokers = brokers,
		.broker_token = broker_token,
		.lease = lease,
		.lease_term_ns = lease_term,
		.bootstrap = bootstrap != 0,
		.compare = compare,
		.uid = SLOT_UID,
		.gid = SLOT_UID,
		.argv = argv,
	};
	struct reference given[REFERENCES_MAX];
	struct retention kept;
	size_t ngiven;
	int rc;

	if (!service || !slot)
		return command_usage(ctx, e,
		        "a service and a slot are needed (NODESWARM_SERVICE, NODESWARM_SLOT)");
	if (lame_duck < 0 && supervise_lame_duck(&cfg.lame_duck_ns, check_interval, e) < 0)
		return -1;
	if (!str_eq(restore, "auto") && !str_eq(restore, "never"))
		return command_usage(ctx, e, "--restore '%.40s' is not auto or never", restore);
	if (!str_eq(heal, "auto") && !str_eq(heal, "never"))
		return command_usage(ctx, e, "--heal '%.40s' is not auto or never", heal);
	if (retention_parse(&kept, keep, e) < 0)
		return err_wrap(e, "--keep");
	if (references_parse(given, &ngiven, references, e) < 0)
		return err_wrap(e, "--references");
	if (check_lease(ctx, e) < 0)
		return -1;
	rc = supervise_run(&cfg, e);
	if (rc > 0)
		return err_set(e, ERR_UNHEALTHY, "the slot was not left clean");
	return rc;
}

const struct command cmd_supervise = {
	.name = "supervise",
	.group = "Inside a container",
	.args = "-- NODEOS [ARG...]",
	.summary = "run one chain node safely, as PID 1 of its container",
	.description =
	        "Takes the slot's lock and waits while an earlier container still holds it, looks "
	        "at "
	        "the data-dir, writes the slot's config.ini, runs NODEOS as an unprivileged user, "
	        "serves /livez, /readyz, /state and /metrics, stops NODEOS without a time limit, "
	        "and "
	        "records how it ended in run.json.\n\n"
	        "It ends only when it is asked to; a slot that cannot start stays, not ready, and "
	        "says why.",
	.examples = (const char *const[]){ "nodeswarm supervise -- nodeos", NULL },
	.min_args = 1,
	.max_args = -1,
	.flags = COMMAND_OPTIONS_FIRST,
	.opts = opts,
	.run = run,
};
