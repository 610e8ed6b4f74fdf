#include "cli/check_external.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/output.h"
#include "deploy/external.h"
#include "engine/container.h"
#include "nodeos/exit.h"
#include "nodeos/logline.h"
#include "nodeos/peers.h"
#include "watch/join.h"

#define ROUND_NS (1 * NS_PER_SEC)
#define STEP_MS  50 /* how soon Ctrl-C is seen between rounds */
/* How often in a row it may not be asked, for whatever reason, before we give up. */
#define FAILURES_MAX 5

/* A peer that does not answer is tried again every few seconds by nodeos, so a minute is many. */
#define NO_PEER_NS (60 * NS_PER_SEC)
/* A peer that is of another chain says so within a moment; others may be slower. */
#define WRONG_CHAIN_NS (10 * NS_PER_SEC)
/* PID 1 of the container ends by itself so long after we should have. */
#define LIMIT_EXTRA_NS (60 * NS_PER_SEC)

#define TAIL_LINES 200 /* nodeos prints some 120 before it connects to a peer */
#define LOG_LINES  5   /* that are shown */

struct check_external {
	struct context *ctx;
	const struct check_external_options *o;
	struct strvec peers; /* canonical */
	int64_t timeout_ns;
	struct external_plan plan;
	struct external *node;
	struct join join;
	int64_t wait_status; /* of its nodeos; < 0: it has not ended */
	unsigned failures;
	char other_chain[SAMPLE_TAIL_LENGTH]; /* the line that says so; "" */
	struct strvec log;                    /* its last lines, when it is bad */
	struct check_external_report report;
};

/* --- before ----------------------------------------------------------------------------------- */

int check_external_peer(const char *value, struct err *e)
{
	char peer[NODEOS_PEER_SIZE];

	return nodeos_peer_check(peer, value, e);
}

static int check(struct check_external *x, struct err *e)
{
	const char *network = x->o->network;

	for (size_t i = 0; i < x->o->peers.n; i++) {
		char peer[NODEOS_PEER_SIZE];

		if (nodeos_peer_check(peer, x->o->peers.v[i], e) < 0)
			return err_wrap(e, "option '--external-peer'");
		if (strvec_add(&x->peers, peer) < 0)
			return err_nomem(e);
	}
	/* On the host's own network it would take the ports of others, on none it gets nothing. */
	if (network &&
	        (!str_is_name(network, ENGINE_NAME_SIZE - 1) || str_eq(network, "host") ||
	                str_eq(network, "none")))
		return command_usage(x->ctx, e,
		        "--external-network '%.80s' is not one of the engine's networks that a "
		        "container can be alone in",
		        network);
	if (x->o->image && strlen(x->o->image) >= ENGINE_NAME_SIZE)
		return command_usage(x->ctx, e, "--external-image is too long");
	x->timeout_ns = x->o->timeout_ns;
	return x->timeout_ns ? 0 : num_duration(&x->timeout_ns, CHECK_EXTERNAL_TIMEOUT, e);
}

struct check_external *check_external_new(
        struct context *ctx, const struct check_external_options *o, struct err *e)
{
	struct check_external *x = calloc(1, sizeof(*x));

	if (!x) {
		err_nomem(e);
		return NULL;
	}
	*x = (struct check_external){
		.ctx = ctx,
		.o = o,
		.plan = EXTERNAL_PLAN_INIT,
		.wait_status = -1,
		.report.text = "a fresh node was not tried",
	};
	join_init(&x->join, &(struct join_settings){ .timeout_ns = 0 }, clock_mono_ns());
	if (check(x, e) == 0)
		return x;
	check_external_free(x);
	return NULL;
}

void check_external_free(struct check_external *x)
{
	if (!x)
		return;
	external_free(x->node);
	external_plan_release(&x->plan);
	strvec_release(&x->peers);
	strvec_release(&x->log);
	free(x);
}

/* --- one round -------------------------------------------------------------------------------- */

/* Why nobody lets it in stands in its log, and nowhere else. */
static void read_log(struct check_external *x)
{
	AUTO(buf) struct buf text = BUF_INIT(ENGINE_TAIL_BYTES);
	struct err ignored = ERR_INIT;
	const char *at;
	char line[1024];

	if (external_tail(x->node, TAIL_LINES, &text, &ignored) < 0 || !text.data)
		return;
	at = text.data;
	while (str_next_line(line, sizeof(line), &at) == 0)
		if (join_log(&x->join, line, clock_mono_ns()))
			snprintf(x->other_chain, sizeof(x->other_chain), "%.*s",
			        SAMPLE_TAIL_LENGTH - 1, line);
}

/* 0, also when it could not be asked this time; -1 for good. */
static int ask_fresh(struct check_external *x, struct err *e)
{
	AUTO(sample) struct sample s = SAMPLE_INIT;
	AUTO(json) json_t *request = NULL;
	AUTO(json) json_t *j = NULL;
	struct sample_request q;

	join_ask(&x->join, &q);
	request = sample_request_json(&q);
	if (!request)
		return err_nomem(e);
	j = external_ask(x->node, request, e);
	if (j && sample_parse(&s, j, e) == 0) {
		x->failures = 0;
		x->wait_status = json_int(j, "wait_status", -1);
		join_see(&x->join, &s, clock_mono_ns());
		if (x->join.head <= 1)
			read_log(x);
		return 0;
	}
	if (e->kind == ERR_NOT_FOUND || e->kind == ERR_CONFLICT) {
		err_wrap(e, "the fresh node's container has ended");
		return err_hint(
		        e, "does the image '%s' have a nodeswarm of this version?", x->plan.image);
	}
	if (e->kind == ERR_INTERRUPTED || ++x->failures == FAILURES_MAX)
		return err_wrap(e, "ask the fresh node");
	err_clear(e);
	return 0;
}

static void on_word(void *to, const struct canary_word *w)
{
	join_hear(to, w);
}

static int ask_others(struct check_external *x, canary_ask_fn *ask, void *arg, struct err *e)
{
	join_begin(&x->join);
	if (ask(arg, join_height(&x->join), on_word, &x->join, e) == 0)
		return 0;
	/* That none of them can be asked now is what the model gets to see. */
	if (e->kind == ERR_INTERRUPTED)
		return -1;
	join_begin(&x->join);
	err_clear(e);
	return 0;
}

static int wait_until(const struct check_external *x, int64_t at_ns, struct err *e)
{
	while (clock_mono_ns() < at_ns && !cancel_is_set(&x->ctx->interrupted))
		(void)poll(NULL, 0, STEP_MS);
	return cancel_is_set(&x->ctx->interrupted) ? err_set(e, ERR_INTERRUPTED, "interrupted") : 0;
}

static int follow(struct check_external *x, canary_ask_fn *ask, void *arg, struct err *e)
{
	for (;;) {
		int64_t begin = clock_mono_ns();
		char text[200];

		if (ask_fresh(x, e) < 0 || ask_others(x, ask, arg, e) < 0)
			return -1;
		join_judge(&x->join, clock_mono_ns());
		if (join_is_over(&x->join))
			return 0;
		progress_set(
		        x->ctx, "fresh node: %s", join_progress_text(&x->join, text, sizeof(text)));
		if (wait_until(x, begin + ROUND_NS, e) < 0)
			return -1;
	}
}

/* --- the whole -------------------------------------------------------------------------------- */

/* What its nodeos has said last, for who has to find out why; keys never. */
static void keep_log(struct check_external *x, char *text)
{
	const char *at = text;
	char line[SAMPLE_TAIL_LENGTH];
	size_t n = 0;

	if (x->join.state == JOIN_WRONG_CHAIN) {
		str_printable(x->other_chain);
		if (strvec_add(&x->log, x->other_chain) < 0)
			return;
	}
	(void)nodeos_redact(text);
	while (str_next_line(line, sizeof(line), &at) == 0)
		n++;
	at = text;
	for (size_t i = 0; str_next_line(line, sizeof(line), &at) == 0; i++) {
		if (i + LOG_LINES < n)
			continue;
		str_printable(line);
		if (strvec_add(&x->log, line) < 0)
			return;
	}
}

static void explain(struct check_external *x)
{
	AUTO(buf) struct buf text = BUF_INIT(ENGINE_TAIL_BYTES);
	struct err ignored = ERR_INIT;
	size_t n = strlen(x->report.text);
	struct nodeos_exit end;

	if (external_tail(x->node, TAIL_LINES, &text, &ignored) < 0)
		err_clear(&ignored);
	if (x->wait_status >= 0) {
		nodeos_exit_classify(&end, (int)x->wait_status, false, text.data ? text.data : "");
		snprintf(x->report.text + n, sizeof(x->report.text) - n, ": %s", end.why);
	}
	if (text.data)
		keep_log(x, text.data);
}

static int plan(struct check_external *x, struct engine *eng, const struct watch_settings *settings,
        struct err *e)
{
	const struct external_wish w = {
		.stack = x->ctx->stack,
		.pool = x->ctx->pool,
		.peers = &x->peers,
		.image = x->o->image,
		.network = x->o->network,
		.limit_ns = x->timeout_ns + LIMIT_EXTRA_NS,
	};

	if (external_plan(&x->plan, eng, &w, e) < 0)
		return -1;
	if (*settings->chain_id && strcmp(settings->chain_id, x->plan.chain_id) != 0)
		return err_set(e, ERR_USAGE,
		        "the genesis of '%s' is of chain %.16s..., not of %.16s...",
		        x->plan.service, x->plan.chain_id, settings->chain_id);
	return 0;
}

int check_external_plan(struct check_external *x, struct engine *eng,
        const struct watch_settings *settings, struct err *e)
{
	return plan(x, eng, settings, e) < 0 ? err_wrap(e, "start a fresh chain node") : 0;
}

static int begin(struct check_external *x, struct engine *eng,
        const struct watch_settings *settings, struct err *e)
{
	const struct join_settings s = {
		.timeout_ns = x->timeout_ns,
		.no_peer_ns = NO_PEER_NS,
		.wrong_chain_ns = WRONG_CHAIN_NS,
		.fork_ns = (int64_t)(settings->v[WATCH_T_FORK_SECONDS] * (double)NS_PER_SEC),
		.lag_blocks = (uint32_t)settings->v[WATCH_T_LAG_BLOCKS],
	};

	output_detail(x->ctx, "a fresh node from '%s' in network '%s', peers %s%s", x->plan.image,
	        x->plan.network, x->plan.peers.v[0], x->plan.peers.n > 1 ? ", ..." : "");
	progress_set(x->ctx, "fresh node: its container starts");
	x->node = external_start(eng, &x->plan, e);
	if (!x->node)
		return err_wrap(e, "start a fresh chain node");
	join_init(&x->join, &s, clock_mono_ns());
	return 0;
}

static void judge(struct check_external *x)
{
	x->report.is_good = x->join.state == JOIN_JOINED;
	x->report.seconds = (double)(x->join.now_ns - x->join.begin_ns) / 1e9;
	(void)join_verdict(&x->join, x->report.text, sizeof(x->report.text));
	if (!x->report.is_good)
		explain(x);
}

static int run(struct check_external *x, struct engine *eng, const struct watch_settings *settings,
        canary_ask_fn *ask, void *arg, struct err *e)
{
	struct err left = ERR_INIT;
	int rc;

	if (begin(x, eng, settings, e) < 0)
		return -1;
	rc = follow(x, ask, arg, e);
	progress_end(x->ctx);
	if (rc == 0)
		judge(x);
	if (external_stop(TAKE(x->node), &left) < 0)
		output_warn(x->ctx, "%s (%s)", left.msg, left.hint);
	return rc;
}

int check_external_run(struct check_external *x, struct engine *eng,
        const struct watch_settings *settings, canary_ask_fn *ask, void *arg, struct err *e)
{
	if (run(x, eng, settings, ask, arg, e) == 0)
		return 0;
	snprintf(x->report.text, sizeof(x->report.text), "a fresh node could not be tried: %.300s",
	        e->msg);
	str_printable(x->report.text);
	return -1;
}

const struct check_external_report *check_external_report(const struct check_external *x)
{
	return &x->report;
}

static json_t *strings(const struct strvec *v)
{
	AUTO(json) json_t *j = json_array();

	for (size_t i = 0; i < v->n; i++)
		if (json_array_append_new(j, json_string(v->v[i])) < 0)
			return NULL;
	return TAKE(j);
}

int check_external_print(struct check_external *x, struct err *e)
{
	json_t *j = join_json(&x->join);

	if (!j || json_object_set_new(j, "text", json_string(x->report.text)) < 0 ||
	        json_object_set_new(j, "image", json_string(x->plan.image)) < 0 ||
	        json_object_set_new(j, "network", json_string(x->plan.network)) < 0 ||
	        json_object_set_new(j, "peers", strings(&x->plan.peers)) < 0 ||
	        json_object_set_new(j, "log", strings(&x->log)) < 0) {
		json_decref(j);
		return err_nomem(e);
	}
	output_line(x->ctx, "%s", x->report.text);
	for (size_t i = 0; i < x->log.n; i++)
		output_line(x->ctx, "  | %s", x->log.v[i]);
	return output_value(x->ctx, "external", j, e);
}
