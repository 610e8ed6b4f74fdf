#pragma once

/* The supervisor's state, shared by the files of this module. */

#include <stdbool.h>
#include <stdint.h>

#include "control/server.h"
#include "data/pool.h"
#include "data/record.h"
#include "data/slot.h"
#include "http/probe.h"
#include "http/server.h"
#include "loop/loop.h"
#include "nodeos/render.h"
#include "nodeos/reply.h"
#include "supervise/advertise.h"
#include "supervise/follow.h"
#include "supervise/output.h"
#include "supervise/producing.h"
#include "supervise/ready.h"
#include "supervise/sampling.h"
#include "supervise/slot_work.h"
#include "supervise/supervise.h"

struct data_verdict;

#define QUIESCE_CALLS_MAX 8

/* In percent: we stop nodeos cleanly this much before its own emergency stop, and start it
 * again only when there is that much more room. */
#define DISK_MARGIN     2.0
#define DISK_HYSTERESIS 3.0

/* What has been heard from the running nodeos; cleared at each start. */
struct health {
	struct loop_timer timer;
	struct http_probe *info_probe, *peers_probe, *db_probe;
	struct nodeos_info info;
	struct nodeos_peers_info peers;
	struct nodeos_db_size db;
	bool has_info, has_peers, has_db, db_warned;
	int64_t answered_ns, peers_asked_ns, db_asked_ns, started_ns; /* CLOCK_MONOTONIC */
	struct ready_pace pace;
	bool has_caught_up;        /* was ready in this run, probation apart */
	bool has_failed_probation; /* of this run */
	uint32_t start_lib;        /* of the data-dir before the start; 0: not known */
	char probation_why[200];   /* what is waited for, or what it has failed of */
	bool was_ready, started_empty;
	struct ready_result ready;
};

/* Why nothing runs, which decides what is tried next. */
enum hold {
	HOLD_NONE,
	HOLD_RETRY, /* outside causes: tried again every few seconds */
	HOLD_DISK,  /* until there is room again */
	HOLD_FINAL, /* until somebody acts: `nodeswarm resume`, or a new task */
};

/* What a slot that starts finds in its pool. */
enum current_kind {
	CURRENT_NOT_ASKED,
	CURRENT_NONE,
	CURRENT_UNUSABLE,
	CURRENT_OTHER_CHAIN,
	CURRENT_OURS,
};

/* Of a data-dir that was healed by a generation: is its state the one that the manifest names? */
enum hash_proof {
	HASH_NOT_ASKED,
	HASH_AWAITED,
	HASH_EQUAL,
	HASH_DIFFERS,
	HASH_UNTOLD,
};

/* Somebody who waits for a block of our nodeos (answer_block.c). */
struct block_ask {
	struct http_server_call *call; /* NULL: nobody */
	struct http_probe *probe;
	uint32_t num;
};

struct supervisor {
	const struct supervise_config *cfg;
	struct loop loop;
	struct loop_signal signals;
	struct loop_timer timer;      /* of the state: lock, retry, backoff, lame duck */
	struct loop_timer disk_timer; /* while nodeos runs */
	struct loop_child child;
	struct http_server *http;
	struct block_ask block_asks[8];
	struct http_prober *prober;
	struct control_server *control;
	struct follow *follow;
	struct advertise *advertise;
	struct pool pool;
	struct slot slot;
	int lock_fd;
	struct output output;
	struct record record;
	struct render_info render;
	struct health health;
	char chain_id[65]; /* from the genesis file; "" if there is none */
	enum hold hold;
	bool owns;         /* the lock, and with it run.json */
	bool is_unwritten; /* run.json says less than s->record */
	bool once_ready;   /* since this supervisor started: the latch of HEALTHCHECK */
	bool stop_asked, quiesce_asked, disk_asked;
	int64_t state_since_ns;            /* CLOCK_MONOTONIC */
	struct strvec peers;               /* of the config.ini that nodeos was given */
	char advertised[NODEOS_PEER_SIZE]; /* p2p-server-address of ours; "" for none */
	unsigned failures;                 /* exits in a row that nobody asked for */
	double disk_used_percent;
	struct control_call *quiesce_calls[QUIESCE_CALLS_MAX];
	struct sampling sampling;
	int exit_status;
	struct slot_work work;
	json_t *last_work;            /* the status's "work" of the one before, or NULL */
	slot_work_done_fn *step_done; /* of work.thread */
	struct work *look;            /* slot_look()'s thread, and what it finds */
	struct slot_look *look_at;
	bool look_again;           /* `resume` came meanwhile: what it finds is no more asked for */
	bool is_looked;            /* the data-dir is the one to start with */
	bool skip_behind;          /* a restore of a far-behind slot failed: not again by itself */
	enum current_kind current; /* as the last look has found it */
	char current_why[200];     /* CURRENT_UNUSABLE: why */
	bool is_untried; /* the data-dir is a generation's, and nodeos has not answered on it yet */
	char made_by[64];             /* that generation's nodeos; "": not known */
	struct work *unshare;         /* slot_unshare_begin()'s thread; NULL when it has ended */
	_Atomic bool is_unsharing;    /* as the thread itself says */
	bool cannot_unshare;          /* the file system has said so */
	uint64_t unshare_extents;     /* more than cfg's when that many would not go away */
	double unshare_limit_percent; /* supervisor_disk_limit() when it was started */
	int64_t restore_retry_ns;     /* between two tries; 0: the last one did not fail */
	struct archivist *archivist;
	struct {
		int64_t ok_ns, down_ns; /* of the last one: wall clock; duration */
		uint64_t number, failures;
	} archived;                  /* since this supervisor started */
	char integrity_hash[65];     /* that nodeos has told at its last stop; "" */
	double disk_limit_percent;   /* supervisor_disk_limit() when a thread was started */
	char snapshot[256];          /* that nodeos is started with; "" */
	bool is_from_snapshot;       /* nodeos has not answered yet since it was */
	struct probation *probation; /* NULL: not on probation */
	enum hash_proof hash_proof;
	char expected_hash[65], started_hash[65];
	char genesis_chain_id[65]; /* as the last look has found it; "" */
	bool is_version_asked;
	char said_verdict[RECORD_TEXT_MAX]; /* of a look, in the log */
	char nodeos_version[64];            /* that --version told; "" */
	/* Healing (heal.c); what outlives us is in record.heal. */
	struct loop_timer heal_timer; /* while an incident is healed and not over */
	int64_t calm_since_ns;        /* CLOCK_MONOTONIC; 0: not ready */
	bool hard_replay;             /* the next start of nodeos is told to */
	bool heal_stop_asked;         /* nodeos is being stopped because probation has failed, or
	                               * is_forked */
	bool has_exit;                /* its last end, or probation, says that the data are bad */
	unsigned exit_repairs;        /* what would help then, REPAIR_BIT()s */
	char exit_why[240];
	bool is_forked; /* its irreversible blocks are not the others' (heal_forked()) */
	int64_t quarantine_since_ns; /* heal_open_since() when a thread was started */
	bool lacks_room;             /* for the generation that it would be repaired by */
	struct work *heal_clean;     /* heal_clean_begin()'s thread */
	bool cannot_clean;           /* it has failed */
	struct work *bounding;       /* restore_bound_at_start()'s thread */
	bool was_bounded;            /* it was begun */
	struct producing producing;
};

/* supervise.c */
void supervisor_set_state(struct supervisor *s, enum slot_state state, const char *why, ...)
        PRINTF(3, 4);

/* Write run.json again because something in s->record has changed. */
void supervisor_note(struct supervisor *s);

/* Whether the front may send requests here now. */
bool supervisor_is_ready(const struct supervisor *s);
void supervisor_resume(struct supervisor *s);
void supervisor_quiesce(struct supervisor *s);
void supervisor_stop_nodeos(struct supervisor *s);
/* Stop it at once, and start it again when it has ended (producing_starts_again()). */
void supervisor_restart_nodeos(struct supervisor *s, const char *why);
bool supervisor_nodeos_alive(const struct supervisor *s);
void supervisor_take_verdict(struct supervisor *s);
/* Try to get nodeos running, from wherever we are. */
void supervisor_attempt(struct supervisor *s);
void supervisor_attempt_in(struct supervisor *s, int64_t after_ns);
void supervisor_hold_for(struct supervisor *s, enum hold hold, const struct err *why);
/* A thread of ours has told its end: what waited for that goes on. */
void supervisor_thread_ended(struct supervisor *s);

/* own.c: to become the supervisor of this slot */

#define SUPERVISOR_POLL_NS (100 * 1000000LL) /* for what keeps us from starting */

/* Returns 0 with the lock, 1 when it is not to be had now (a timer is set), -1. */
int supervisor_take_slot(struct supervisor *s, struct err *e) NODISCARD;
/* With the lock: from now on run.json and what else there is are ours. */
int supervisor_own_slot(struct supervisor *s, struct err *e) NODISCARD;

/* prepare.c: everything between "the lock is ours" and "nodeos runs" */

/* Returns 0, 1 when it cannot be started now (s->hold and *why say how it goes on), -1. */
int supervisor_prepare(struct supervisor *s, struct err *why) NODISCARD;

/* Template and command line alone: sets s->render.  0; -1: supervisor_prepare() will say so. */
int supervisor_read_config(struct supervisor *s, struct err *e) NODISCARD;
/* A digest of all that is given to nodeos and does not change by itself: template, genesis, command
 * line, program.  "" when that cannot be read. */
void supervisor_settings(const struct supervisor *s, char out[65]);

/* config.ini or command line name a producer. */
bool supervisor_produces(const struct supervisor *s);

/* 0; 1 when the disk is too full to do anything (s->hold, *e); -1. */
int supervisor_check_disk(struct supervisor *s, struct err *e) NODISCARD;

/* In percent of the pool's file system: above it nodeos is stopped, before it stops itself. */
double supervisor_disk_limit(const struct supervisor *s);

int supervisor_spawn(struct supervisor *s, pid_t *ret_pid, struct err *e) NODISCARD;

/* health.c */
int health_start(struct supervisor *s, struct err *e) NODISCARD;
void health_stop(struct supervisor *s);

/* It has answered, not long ago, and is on this slot's chain. */
bool health_answers(const struct supervisor *s);

/* Of the state database; -1 while it is not known. */
double health_db_used_percent(const struct supervisor *s);

/* answer.c */

/* The status object of control socket and /state; new reference, NULL without memory. */
json_t *answer_status(const struct supervisor *s);

/* Why the slot is in its state, or not ready; "" when there is nothing to say.  Valid until the
 * next call. */
const char *answer_reason(const struct supervisor *s);
void answer_http(void *arg, const struct http_server_request *q, struct http_server_reply *r);
void answer_control(void *arg, const char *name, const json_t *request, struct control_call *call);
