/*
 * POST /v1/data/VERB: what can be done to the pool, each in a thread
 *
 * Who asked waits for the end.  When he goes away, what changes something goes on, and what only
 * reads is cancelled.  Few at a time: each of the long ones can keep a disk busy alone.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_priv.h"
#include "agent/pull.h"
#include "agent/remote.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "data/op.h"
#include "loop/work.h"

#define LONG_OPERATIONS  2
#define SHORT_OPERATIONS 8

struct operation {
	struct agent *agent;
	struct operation *next;
	struct work *work;
	struct call *call; /* NULL: nobody waits any more */
	char verb[ROUTE_VERB_MAX + 1];
	uint64_t id; /* while this agent runs */
	bool is_local, is_pull, is_long, changes;
	int64_t started_ns, since_ns; /* wall clock, monotonic */
	/* The thread's, until it has ended. */
	json_t *args;
	struct clone_progress progress;
	struct pull_config pull;
	char token[TOKEN_MAX + 1];
	char *text; /* the result */
};

static void operation_free(struct operation *o)
{
	struct operation **at = &o->agent->operations;

	while (*at && *at != o)
		at = &(*at)->next;
	if (*at)
		*at = o->next;
	explicit_bzero(o->token, sizeof(o->token));
	json_decref(o->args);
	free(o->text);
	free(o);
}

/* --- in the thread -------------------------------------------------------------------------- */

static int run(void *arg, const volatile int *cancel, struct err *e)
{
	struct operation *o = arg;
	const struct op_context c = {
		.pool = &o->agent->pool,
		.host = o->agent->cfg->node,
		.progress = &o->progress,
		.cancel = cancel,
	};
	AUTO(json) json_t *j = NULL;

	if (o->is_pull)
		j = pull_run(&c, &o->pull, o->args, e);
	else
		j = data_op(&c, o->verb, o->args, e);
	if (!j)
		return -1;
	o->text = json_text(j, false);
	return o->text ? 0 : err_nomem(e);
}

/* --- on the loop ---------------------------------------------------------------------------- */

static void say_end(const struct operation *o, int rc, const struct err *why)
{
	char took[NUM_TEXT_MAX];

	(void)num_duration_text(took, clock_mono_ns() - o->since_ns);
	if (rc < 0)
		log_warn("operation failed", "verb=%s took=%s why=\"%s\"", o->verb, took, why->msg);
	else if (o->changes)
		log_info("operation done", "verb=%s took=%s", o->verb, took);
}

static void on_done(void *arg, int rc, const struct err *why)
{
	struct operation *o = arg;
	struct http_server_reply r = { 0 };
	struct call *c = o->call;

	o->work = NULL;
	if (o->changes || o->is_long)
		say_end(o, rc, why);
	if (c)
		c->cancel = NULL;
	if (c && rc < 0) {
		call_error(c, why);
	} else if (c) {
		http_server_json(&r, 200, TAKE(o->text));
		call_reply(c, &r);
	}
	operation_free(o);
}

static void on_gone(struct call *c)
{
	struct operation *o = c->work;

	o->call = NULL;
	if (!o->changes)
		work_cancel(o->work);
}

static int check_crowd(const struct agent *a, bool is_long, struct err *e)
{
	unsigned n = 0, max = is_long ? LONG_OPERATIONS : SHORT_OPERATIONS;

	for (const struct operation *o = a->operations; o; o = o->next)
		n += o->is_long == is_long;
	if (n < max)
		return 0;
	err_set(e, ERR_CONFLICT, "%u operations on this pool go on already", n);
	return err_hint(e, "try again when one of them has ended");
}

static int parse_args(struct operation *o, const char *body, size_t n, struct err *e)
{
	o->args = n ? json_parse_object(body, n, "the request's body", e) : json_object();
	if (!o->args && e->kind == ERR_NONE)
		return err_nomem(e);
	if (!o->args) {
		e->kind = ERR_USAGE;
		return -1;
	}
	return o->is_pull ? pull_check(o->args, e) : data_op_check(o->verb, o->args, e);
}

static int prepare_pull(struct operation *o, struct err *e)
{
	struct agent *a = o->agent;

	agent_refresh_token(a);
	if (!*a->token.text) {
		err_set(e, ERR_DENIED, "this agent has no token to ask others with");
		return err_hint(e, "see the agent's log");
	}
	memcpy(o->token, a->token.text, sizeof(o->token));
	o->pull = (struct pull_config){
		.token = o->token, .port = a->cfg->port, .is_chain_needed = !o->is_local
	};
	return 0;
}

static int start(struct operation *o, const char *body, size_t n, struct err *e)
{
	const struct agent *a = o->agent;

	if (parse_args(o, body, n, e) < 0 ||
	        (!o->is_local && remote_check(o->verb, o->args, a->address, a->pool.path, e) < 0))
		return -1;
	if (check_crowd(o->agent, o->is_long, e) < 0 || (o->is_pull && prepare_pull(o, e) < 0))
		return -1;
	o->work = work_start(&o->agent->loop, run, on_done, o, e);
	return o->work ? 0 : -1;
}

void operation_start(struct call *c, const char *verb, const char *body, size_t n)
{
	struct operation *o = calloc(1, sizeof(*o));
	struct err e = ERR_INIT;

	if (!o) {
		call_json(c, 200, NULL);
		return;
	}
	o->agent = c->agent;
	o->is_local = c->is_local;
	o->is_pull = strcmp(verb, PULL_VERB) == 0;
	o->is_long = o->is_pull || data_op_is_long(verb);
	o->changes = o->is_pull || data_op_changes(verb);
	o->started_ns = clock_real_ns();
	o->since_ns = clock_mono_ns();
	(void)snprintf(o->verb, sizeof(o->verb), "%s", verb);
	if (!o->is_pull && !data_op_is(verb))
		err_set(&e, ERR_NOT_FOUND, "there is no operation '%s' on a pool", verb);
	if (e.kind != ERR_NONE || start(o, body, n, &e) < 0) {
		operation_free(o);
		call_error(c, &e);
		return;
	}
	o->id = ++c->agent->operation_id;
	o->next = c->agent->operations;
	c->agent->operations = o;
	o->call = c;
	c->work = o;
	c->cancel = on_gone;
	if (o->changes || o->is_long)
		log_info("operation started", "verb=%s", verb);
}

/* What tells two of a verb from each other: what each is about. */
static const char *name_of(const struct operation *o)
{
	static const char *const keys[] = { "name", "path", "service" };
	const char *name = "";

	for (size_t i = 0; i < ARRAY_LEN(keys) && !*name; i++)
		name = json_str(o->args, keys[i], "");
	return name;
}

static json_t *operation_json(const struct operation *o)
{
	const struct clone_progress *p = &o->progress;
	char started[CLOCK_TEXT_MAX];

	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "id", (json_int_t)o->id,
	        "verb", o->verb, "name", name_of(o), "started", clock_text(started, o->started_ns),
	        "files_done", (json_int_t)p->files_done, "files_total", (json_int_t)p->files_total,
	        "bytes_done", (json_int_t)p->bytes_done, "bytes_total", (json_int_t)p->bytes_total);
}

void operations_list(struct call *c)
{
	AUTO(json) json_t *list = json_array();

	for (const struct operation *o = c->agent->operations; o; o = o->next)
		if (json_array_append_new(list, operation_json(o)) < 0) {
			call_json(c, 200, NULL);
			return;
		}
	call_json(c, 200, json_pack("{s:i, s:O}", "format", AGENT_FORMAT, "operations", list));
}

void operations_cancel(struct agent *a)
{
	for (struct operation *o = a->operations; o; o = o->next)
		work_cancel(o->work);
}

void operations_end(struct agent *a)
{
	operations_cancel(a);
	while (a->operations) {
		struct operation *o = a->operations;

		work_free(o->work);
		operation_free(o);
	}
}
