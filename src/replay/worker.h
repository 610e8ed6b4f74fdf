#pragma once

/*
 * The worker: claims a job, runs nodeos over its slice, tells the hashes
 *
 *	claim -> fetch the snapshot -> nodeos --snapshot F --terminate-at-block END
 *	--integrity-hash-on-start --integrity-hash-on-stop -> its exit, head and hashes -> complete
 *
 * The directory (`dir`), which may be lost at any time:
 *
 *	snapshots/<sha256>.bin   fetched and unpacked; .part while it comes (resumed); fetch.h
 *	work/                    the data-dir of the job in hand; gone afterwards
 *	result.json              the result until the orchestrator has it
 *	refused.json             the last one that it refused, tried again later
 *	nodeos.log               what nodeos said in the last job
 *	lock                     one worker a directory
 *
 * Leap got both options with v3.2.0.  What is older is asked for its hashes, as the public tool
 * does, by /v1/producer/get_integrity_hash, on a unix socket in work/: it runs on the snapshot
 * without peers, is stopped, runs to the end, and once more without peers.
 *
 * SIGTERM: nodeos is killed, the job given back at once.  An orchestrator that is gone is waited
 * for while nodeos works on; the result waits in result.json, also for the next process, which
 * hands it in first.  A job that the orchestrator has given to somebody else (409) is let go.
 * nodeos dies with the worker, however that ends.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"

struct worker_config {
	const char *url, *token_path; /* of the orchestrator */
	const char *name;             /* NULL: the host's, and $NODESWARM_SLOT */
	const char *dir;              /* made if it is not there */
	/* Program, searched in PATH.  With "{version}" in it, which is replaced by the job's, it is
	 * looked for with each job, and a job whose version is not there fails for good; else the
	 * job's version is not looked at, and what runs is told. */
	const char *nodeos;
	const char *genesis;       /* for slices that start at 0; NULL: none, such a try fails */
	const char *config_ini;    /* lines for nodeos's config.ini, or NULL */
	const char *snapshot_base; /* a directory or a URL, or NULL (snapshot_source.h) */
	const char *endpoint, *region; /* of S3; NULL: the environment's (s3.h) */
	const char *blocks;  /* a directory with block logs blocks-<first>-<last>.log, or NULL */
	struct strvec peers; /* --peer HOST:PORT: where blocks come from */
	uint64_t disk_min;   /* bytes free before a claim; 0: 40 GiB */
	uint64_t memory_min; /* bytes available before a claim; 0: no check */
	uint64_t cache_max;  /* bytes of snapshots that are kept; 0: 20 GiB */
	int64_t progress_ns; /* 0: 3 s */
	/* Without a new block for so long nodeos is killed, and the try has failed; 0: 30 min. */
	int64_t stall_ns;
	bool once;       /* one job, then exit */
	bool until_done; /* exit when the run is over or draining */
};

/* Run until SIGTERM or SIGINT (0), or what once and until_done say; ERR_UNHEALTHY: once, and the
 * job failed, or its end hash is another than expected. */
int worker_run(const struct worker_config *cfg, struct err *e) NODISCARD;
