#pragma once

/*
 * The supervisor: PID 1 of a chain node's container
 *
 *	pool -> lock -> verdict -> restore or repair -> configure -> spawn -> watch health
 *	     -> probation, after a repair -> stop -> record
 *
 * What it promises:
 *
 *   - A data-dir is never opened twice: the slot's lock is taken first and handed down to
 *     nodeos, so it is free only when both are dead.  A supervisor that finds it taken waits,
 *     and while it waits it obeys SIGTERM at once.
 *   - nodeos is asked to stop by SIGTERM and given all the time it needs; nothing here sends
 *     SIGKILL, but to a producer whose right to sign ends and that is not known to be paused
 *     (tenure_plan.h).
 *   - How each run ended is in run.json before this process ends.
 *   - A data-dir that is dirty or damaged is repaired (heal.h), each way once, with back-off and a
 *     limit; what is in the way goes to quarantine.  It is not ready before it has the blocks
 *     that others have.  For what is not damage the data are never touched.
 *   - What cannot be started, nor repaired, is not tried in a loop: the supervisor stays, not
 *     ready, and says why (log, /state, run.json) until the cause is gone or it is stopped.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/err.h"

#define SUPERVISE_PORT 8880
/* Checks in a row that a front must see fail before it takes a reader out:
 * `fall` in haproxy.cfg. */
#define SUPERVISE_CHECK_FALL 2

struct supervise_config {
	const char *pool, *service, *task, *node;
	uint64_t slot;
	unsigned replicas;         /* as deployed; for sharing out the peers */
	const char *template_path; /* of config.ini */
	const char *genesis_path;  /* may not exist */
	const char *peers_path;    /* may not exist */
	const char *extra_peers;   /* blank separated, "" for none */
	const char *follow;        /* names of tasks to follow, blank separated (follow_plan.h) */
	const char *advertise;     /* our address for peers (advertise.h) */
	const char *address;       /* where /readyz and so on listen */
	uint16_t port;
	int64_t lame_duck_ns;
	uint32_t max_lag_blocks;
	int64_t peer_wait_ns;
	bool may_restore;    /* an empty or far-behind slot starts from `current` */
	uint32_t far_behind; /* blocks behind `current` that are worth a restore */
	bool may_heal;       /* a dirty or damaged data-dir is repaired (heal_plan.h) */
	/* URLs whose chain a healed slot must agree with, blank separated. */
	const char *references;
	int64_t archive_every_ns; /* below 0: not by itself */
	const char *keep;         /* retention after an archive by itself (data/generation.h) */
	bool integrity_hash;      /* nodeos prints the hash of its state when it stops */
	uint64_t unshare_extents; /* of a file that is mended after an archive (data/unshare.h) */
	/* A producer's gate and lease (tenure.h); sign_key NULL or "": there is none. */
	const char *sign_key, *brokers, *broker_token, *lease;
	int64_t lease_term_ns;
	bool bootstrap;
	const char *compare;
	uid_t uid;
	gid_t gid;
	char *const *argv; /* nodeos and its arguments, NULL-terminated */
};

/*
 * The lame duck that a front with this check interval needs, (fall + 1) times that.  The interval
 * is written as HAProxy reads it too: a whole number of ms or s, 250 ms to 60 s.  ERR_USAGE.
 */
int supervise_lame_duck(int64_t *ret_ns, const char *check_interval, struct err *e) NODISCARD;

/*
 * Run until asked to stop.  Returns 0 when the slot was left clean (or was never ours), 1 when
 * it was not, -1 when the supervisor itself could not work; no nodeos of ours is alive then.
 */
int supervise_run(const struct supervise_config *cfg, struct err *e) NODISCARD;
