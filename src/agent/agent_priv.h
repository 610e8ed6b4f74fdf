#pragma once

/* The agent's state, and the calls that it answers; shared by the files of this module. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/address.h"
#include "agent/agent.h"
#include "agent/route.h"
#include "base/json.h"
#include "base/log.h"
#include "base/token.h"
#include "data/pool.h"
#include "http/probe.h"
#include "http/server.h"
#include "loop/loop.h"

struct agent;
struct firewall_job;
struct operation;
struct send;
struct sent;
struct slots_entry;
struct survey;

/*
 * One request that is being answered: it came over HTTP, or from our own gather, which asks this
 * host too.  Ends with call_reply() or a sister of it; or with call_drop() when nobody waits for
 * it any more, which then calls cancel.
 */
struct call {
	struct agent *agent;
	bool is_local;                      /* from this host's root, who needs no token */
	char peer[HTTP_SERVER_ADDRESS_MAX]; /* who asks, over TCP; else "" */
	/* Takes the reply's body over. */
	void (*done)(void *arg, struct http_server_reply *r);
	void *arg;
	/* What goes on for it: set while it is not answered yet. */
	void (*cancel)(struct call *c);
	void *work;
	struct call *next; /* in a survey */
};

struct agent {
	const struct agent_config *cfg;
	struct loop loop;
	struct loop_signal signals;
	struct loop_timer timer; /* for what is not there yet, and to look after the rest */
	struct http_prober *prober;
	struct http_server *local, *tcp;
	struct pool pool;
	struct token token;
	char address[ADDRESS_MAX]; /* where tcp listens; "" */
	enum address_source source;
	struct err pool_err, local_err, tcp_err; /* said last, so that it is said once */
	struct survey *surveys;
	struct operation *operations;
	uint64_t operation_id; /* of the last one */
	struct sent *sent;     /* generations that are being sent ... */
	struct send *sends;    /* ... and the requests for them */
	struct firewall_job *firewall_jobs;
	json_t *firewall_seen; /* what the last look has shown, and when; or NULL */
	int64_t firewall_seen_ns;
	bool is_firewall_booted;
	size_t gather_bytes; /* of replies that gathers hold */
	unsigned gathers, samplings;
	struct log_seldom refused; /* requests with a wrong token or none */
};

/* --- agent.c --- */

/* Read the token again if its file has changed. */
void agent_refresh_token(struct agent *a);

/* --- answer.c --- */

/* Answer or begin to; c is from call_new(), with is_local set as it is. */
void answer_route(struct call *c, const struct route *r, const char *body, size_t n);

struct call *call_new(
        struct agent *a, void (*done)(void *arg, struct http_server_reply *r), void *arg) NODISCARD;

/* All of these free c.  json NULL: no memory. */
void call_reply(struct call *c, struct http_server_reply *r);
void call_json(struct call *c, unsigned status, json_t *take);
void call_error(struct call *c, const struct err *why); /* with the status that fits its kind */
void call_drop(struct call *c);

/* Fill a reply with an error object. */
void reply_error(struct http_server_reply *r, unsigned status, const struct err *why);

/* --- operation.c --- */

/* Do something to the pool, and answer when it is done.  body: its arguments, "" for none. */
void operation_start(struct call *c, const char *verb, const char *body, size_t n);

/* Answer with what goes on. */
void operations_list(struct call *c);

/* Ask all that goes on to end, and do not wait for it. */
void operations_cancel(struct agent *a);

/* The same, and wait for it; nobody waits for an answer any more. */
void operations_end(struct agent *a);

/* --- send.c --- */

/* Answer with bytes of a file of a generation, or with where its data lies. */
void send_start(struct call *c, const struct route *r);
void sends_cancel(struct agent *a);
void sends_end(struct agent *a);

/* --- survey.c --- */

/* Answer with the status of every slot. */
void survey_join(struct call *c);

/* What a slot's record says, with at most so many ends: a new reference, null without a record;
 * NULL and *e.  task: of the record, or "". */
json_t *slot_record_json(const struct agent *a, const struct slots_entry *slot, size_t ends,
        char task[64], struct err *e);

/* --- samples.c --- */

/* Answer with a sample of every slot. */
void samples_start(struct call *c, const char *body, size_t n);

/* --- gather.c --- */

/* Answer with what the targets say. */
void gather_start(struct call *c, const char *body, size_t n);

/* --- firewall.c --- */

/* Apply, remove or probe, and answer when it is done. */
void firewall_start(struct call *c, const struct route *r, const char *body, size_t n);

/* After a reboot the tables are empty: apply what was applied, once the pool is there. */
void firewall_boot(struct agent *a);

/* Told once what firewall_state() says, which is NULL without memory; borrowed. */
typedef void firewall_seen_fn(void *arg, const json_t *firewall);
struct firewall_seer {
	firewall_seen_fn *fn;
	void *arg;
	struct firewall_job *job; /* NULL: not waiting */
	struct firewall_seer *next;
};

/*
 * What the firewall is like, no older than max_age_ns.  A new reference when it is known at once,
 * as it is where nothing was ever applied; else NULL, and s is told from the loop.  max_age_ns 0:
 * look now, also where nothing was applied.
 */
json_t *firewall_see(struct agent *a, struct firewall_seer *s, int64_t max_age_ns);
void firewall_unsee(struct firewall_seer *s);

/* The same, to answer a call with it. */
typedef void firewall_answer_fn(struct call *c, const json_t *firewall);
void firewall_then(struct call *c, int64_t max_age_ns, firewall_answer_fn *answer);

/* Wait for the end of all that goes on. */
void firewall_end(struct agent *a);
