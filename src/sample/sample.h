#pragma once

/*
 * What one nodeos says of itself and its chain at one moment
 *
 * A sample is asked for by a request: besides get_info, always asked, which block ids at which
 * heights, which whole blocks, and whether the schedule of producers.  Supervisors answer it for
 * their slot (control request "sample"), agents pass it on for a whole host (POST /v1/sample), and
 * nodeos that are no slot of ours are asked directly (sample/ask.h).  Both travel as JSON:
 *
 *	request  {"heights":[N...], "first":N, "last":N, "schedule":true}, all of them optional
 *	sample   {"state":"answers"|"silent"|"down", "why", "slot_state", "real_ns", "answer_ns",
 *	         "info":{"chain_id","head_block_num","head_block_id","head_time_ns",
 *	         "head_block_producer","last_irreversible_block_num","last_irreversible_block_id",
 *	         "earliest_available_block_num","fork_db_head_block_num",
 *	         "server_version_string"},
 *	         "peers":{"connected","configured"}, "db_used_percent", "starts", "restarts",
 *	         "run_ns", "crashes", "last_crash", "tail":[LINE...], "ids":[[NUM,"ID"|null]...],
 *	         "blocks":[{"num","id","previous","producer","time_ns","transactions",
 *	         "schedule_version"}...], "schedule":{"version","producers":[NAME...]}}
 *
 * Who parses believes nothing: texts are cut and made printable, ids are 64 hex digits, numbers are
 * in their ranges, lists are bounded and rising.  What is missing or of another type is unknown;
 * only a state, and with "answers" the whole of info but its texts, the earliest block and the
 * fork database's head, must be there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strvec.h"
#include "nodeos/reply.h"

#define SAMPLE_HEIGHTS_MAX 16 /* block ids in one request */
#define SAMPLE_BLOCKS_MAX  64 /* whole blocks in one request */
#define SAMPLE_TAIL_MAX    5  /* lines */
#define SAMPLE_TAIL_LENGTH 240

struct sample_request {
	uint32_t heights[SAMPLE_HEIGHTS_MAX]; /* rising, each once, none 0 */
	size_t n_heights;
	uint32_t first, last; /* blocks, both included; first 0: none */
	bool wants_schedule;
};

enum sample_state {
	SAMPLE_ANSWERS, /* get_info was answered: info and answer_ns are valid */
	SAMPLE_SILENT,  /* nodeos runs, or is said to, and did not answer; why */
	SAMPLE_DOWN,    /* it is known not to run; why: held, restoring, stopped ... */
};

const char *sample_state_name(enum sample_state s);

struct sample_id {
	uint32_t num;
	char id[NODEOS_ID_HEX_SIZE]; /* "": nodeos does not have that block */
};

struct sample {
	enum sample_state state;
	char why[240];
	/* The supervisor's word on what it does: "running" "held" "repairing" ...; "" of a nodeos
	 * that is no slot. */
	char slot_state[24];
	int64_t real_ns;   /* the asking host's wall clock when get_info was answered */
	int64_t answer_ns; /* how long get_info took, which nodeos's main thread answers */
	struct nodeos_info info;
	int peers_connected, peers_configured; /* -1: not known */
	double db_used_percent;                /* of the state database; -1: not known */
	uint64_t starts, restarts;             /* of nodeos in that slot, ever; 0 of no slot */
	int64_t run_ns;                        /* since nodeos was started last; 0: not known */
	unsigned crashes;      /* ends that nobody asked for, in the last 10 minutes */
	char last_crash[240];  /* how the newest of them was; "" */
	struct strvec tail;    /* what nodeos printed last; only with crashes */
	struct sample_id *ids; /* what was asked for and is known, rising */
	size_t n_ids;
	struct nodeos_block *blocks; /* rising, without gaps at the begin; may end early */
	size_t n_blocks;
	bool has_schedule;
	struct nodeos_schedule schedule;
};

#define SAMPLE_INIT \
	((struct sample){ .peers_connected = -1, .peers_configured = -1, .db_used_percent = -1 })

void sample_release(struct sample *s);

static inline void auto_sample(struct sample *s)
{
	sample_release(s);
}

/* A new reference; NULL without memory. */
json_t *sample_request_json(const struct sample_request *q) NODISCARD;

/* ERR_PROTOCOL for one that asks for more than the limits, or for nothing that can be. */
int sample_request_parse(struct sample_request *q, const json_t *j, struct err *e) NODISCARD;

json_t *sample_json(const struct sample *s) NODISCARD;

/* s is initialised or released before.  -1, with s as SAMPLE_INIT, for what is no sample at all. */
int sample_parse(struct sample *s, const json_t *j, struct err *e) NODISCARD;
