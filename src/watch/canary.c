/*
 * The canary's way: asked for (get_info), made, sent, found in a block, seen on all nodes.
 *
 * Each pass of follow() does what is next: look for the transaction in the blocks of via, or, when
 * it was found, see that via still has that block and ask all nodes for theirs.  Whatever does not
 * answer is asked again in the next pass; only the time that is over, or the chain's own clock
 * beyond the transaction's, ends it.
 */

#include "watch/canary.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/str.h"
#include "http/client.h"
#include "nodeos/push.h"
#include "nodeos/reply.h"
#include "watch/canary_priv.h"

#define REPLY_NS     (5 * NS_PER_SEC) /* of one question to via */
#define PASS_NS      (100 * NS_PER_MS)
#define SLOW_PASS_NS NS_PER_SEC /* while only irreversibility is waited for */
#define AGAIN_MAX    3          /* how often a block that cannot be read is tried again */

PRINTF(2, 3)
static void show_progress(const struct canary *c, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (!c->config->progress)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->config->progress(c->config->progress_arg, text);
}

/* --- questions to via ------------------------------------------------------------------------- */

static bool is_interrupted(const struct canary *c)
{
	return cancel_is_set(c->config->interrupted);
}

static int interrupted(struct err *e)
{
	return err_set(e, ERR_INTERRUPTED, "interrupted before the canary was seen everywhere");
}

static int call_via(const struct canary *c, const char *path, const char *body, int64_t limit_ns,
        struct http_reply *reply, struct err *e)
{
	struct http_request q = {
		.method = body ? "POST" : "GET",
		.path = path,
		.body = body,
		.timeout_ns = limit_ns < REPLY_NS ? limit_ns : REPLY_NS,
	};

	return http_call(c->client, &q, reply, e);
}

/* The last question gets a second, so that its answer is a fact and not a matter of luck. */
static int ask_via(const struct canary *c, const char *path, const char *body,
        struct http_reply *reply, struct err *e)
{
	int64_t left = c->deadline_ns - clock_mono_ns();

	return call_via(c, path, body, left < NS_PER_SEC ? NS_PER_SEC : left, reply, e);
}

/* 1: via does not have that block. */
static int ask_block(const struct canary *c, uint32_t num, struct nodeos_block *ret, struct err *e)
{
	AUTO(http_reply) struct http_reply reply = HTTP_REPLY_INIT;
	char body[64];
	int rc;

	snprintf(body, sizeof(body), "{\"block_num\":%" PRIu32 "}", num);
	if (ask_via(c, "/v1/chain/get_block_info", body, &reply, e) < 0)
		return -1;
	rc = nodeos_block_parse(ret, reply.body.data, reply.body.len, e);
	if (rc == 0 && ret->num != num)
		return err_set(e, ERR_PROTOCOL, "get_block_info: block %" PRIu32 " for %" PRIu32,
		        ret->num, num);
	return rc;
}

/* 1: via does not have that block, any more.  nodeos gives up on some blocks that it has, and who
 * stands before it on all of them: that is no such word. */
static int judge_no(const struct http_reply *reply, struct err *e)
{
	struct err said = ERR_INIT;
	struct nodeos_block unused;

	switch (nodeos_block_parse(&unused, reply->body.data, reply->body.len, &said)) {
	case 1:
		return 1;
	case 0:
		return err_set(e, ERR_UNAVAILABLE, "get_block: status %ld", reply->status);
	default:
		return err_set(e, ERR_UNAVAILABLE, "status %ld: %s", reply->status, said.msg);
	}
}

/* 1: via does not have that block, any more. */
static int ask_has(const struct canary *c, const char *block_id, bool *ret, struct err *e)
{
	AUTO(http_reply) struct http_reply reply = HTTP_REPLY_INIT;
	char body[128];

	snprintf(body, sizeof(body), "{\"block_num_or_id\":\"%s\"}", block_id);
	if (ask_via(c, "/v1/chain/get_block", body, &reply, e) < 0)
		return -1;
	if (reply.status != 200)
		return judge_no(&reply, e);
	*ret = nodeos_block_has(reply.body.data, reply.body.len, c->transaction.id);
	return 0;
}

/* What went wrong in a pass, and may be right in the next; -1 only for an interrupt. */
static int note_trouble(struct canary *c, struct err *why, struct err *e)
{
	if (is_interrupted(c))
		return interrupted(e);
	c->trouble = *why;
	return 0;
}

/* --- make and send ---------------------------------------------------------------------------- */

static int ask_info(const struct canary *c, struct nodeos_info *i, struct err *e)
{
	AUTO(http_reply) struct http_reply reply = HTTP_REPLY_INIT;

	if (ask_via(c, "/v1/chain/get_info", NULL, &reply, e) < 0)
		return -1;
	if (reply.status != 200)
		return err_set(e, ERR_UNAVAILABLE, "get_info: status %ld", reply.status);
	return nodeos_info_parse(i, reply.body.data, reply.body.len, e);
}

static int make(struct canary *c, struct err *e)
{
	const struct canary_config *config = c->config;
	struct nodeos_info i;
	uint32_t expires_s;
	bool has_lib;

	/* What via says it is of may be a chain on which the same key has money. */
	if (!*config->chain_id) {
		err_set(e, ERR_UNHEALTHY, "nothing was sent: no node says of which chain we are");
		return err_hint(e, "--chain-id says it");
	}
	if (ask_info(c, &i, e) < 0)
		return -1;
	memcpy(c->report->chain_id, i.chain_id, sizeof(i.chain_id));
	if (strcmp(config->chain_id, i.chain_id) != 0)
		return err_set(e, ERR_UNHEALTHY,
		        "nothing was sent: '%s' is of the chain %.16s..., the nodes are of "
		        "%.16s...",
		        c->report->via, i.chain_id, config->chain_id);
	has_lib = i.last_irreversible_block_num > 0;
	expires_s = (uint32_t)(i.head_time_ns / NS_PER_SEC) + CANARY_EXPIRES_SECONDS;
	c->expires_ns = expires_s * NS_PER_SEC;
	c->first = c->next = i.head_block_num + 1;
	if (transaction_make(&c->transaction, config->transfer,
	            has_lib ? i.last_irreversible_block_id : i.head_block_id, expires_s, e) < 0 ||
	        transaction_sign(&c->transaction, i.chain_id, config->key, e) < 0)
		return -1;
	memcpy(c->report->transaction_id, c->transaction.id, sizeof(c->transaction.id));
	return 0;
}

/* 1: via does not know this call. */
static int send_by(struct canary *c, bool is_2, struct err *e)
{
	AUTO(http_reply) struct http_reply reply = HTTP_REPLY_INIT;
	AUTO(free) char *body = transaction_body(&c->transaction, is_2);
	/* Time must be left to look for it even when this is not answered. */
	int64_t limit_ns = (c->deadline_ns - clock_mono_ns()) / 2 + NS_PER_MS;
	char id[NODEOS_ID_HEX_SIZE];
	int rc;

	if (!body)
		return err_nomem(e);
	if (call_via(c, is_2 ? "/v1/chain/send_transaction2" : "/v1/chain/send_transaction", body,
	            limit_ns, &reply, e) < 0) {
		/* It may have been taken all the same: whoever looks for it will know. */
		if (e->kind != ERR_TIMEOUT || is_interrupted(c))
			return -1;
		c->trouble = *e;
		err_clear(e);
		return 0;
	}
	rc = nodeos_push_parse(id, reply.status, reply.body.data, reply.body.len, e);
	if (rc == 0 && strcmp(id, c->transaction.id) != 0)
		return err_set(e, ERR_PROTOCOL, "send_transaction: the id %s for %s", id,
		        c->transaction.id);
	return rc;
}

static int send_it(struct canary *c, struct err *e)
{
	int64_t begin = clock_mono_ns();
	int rc = send_by(c, true, e);

	if (rc > 0)
		rc = send_by(c, false, e);
	if (rc > 0)
		return err_set(e, ERR_UNAVAILABLE,
		        "'%s' takes no transactions: its nodeos has no chain_api_plugin, or who "
		        "stands before it does not pass them",
		        c->report->via);
	if (rc < 0)
		return -1;
	c->accepted_at_ns = clock_mono_ns();
	c->report->is_sent = true;
	if (!c->trouble.kind)
		c->report->accepted_ns = c->accepted_at_ns - begin;
	return 0;
}

/* --- in a block ------------------------------------------------------------------------------- */

/* Not where it was thought to be: look again from the begin. */
static void forget_block(struct canary *c)
{
	struct canary_report *r = c->report;

	if (r->block_num)
		r->moves++;
	r->block_num = 0;
	r->block_id[0] = '\0';
	r->block_ns = -1;
	r->blocks_unread = 0;
	c->next = c->first;
	c->before[0] = '\0';
	c->failures = 0;
	for (size_t i = 0; i < r->n; i++) {
		r->nodes[i].is_seen = r->nodes[i].is_irreversible = false;
		r->nodes[i].seen_ns = r->nodes[i].irreversible_ns = -1;
	}
}

static void found(struct canary *c, const struct nodeos_block *b)
{
	struct canary_report *r = c->report;

	r->block_num = b->num;
	memcpy(r->block_id, b->id, sizeof(b->id));

	r->block_ns = clock_mono_ns() - c->accepted_at_ns;
	err_clear(&c->trouble);
	show_progress(c, "canary: in block %" PRIu32, b->num);
}

static void go_on(struct canary *c, const struct nodeos_block *b)
{
	c->next = b->num + 1;
	memcpy(c->before, b->id, sizeof(b->id));
	c->failures = 0;
	/* What was in the way is over, but for the answer to sending. */
	if (c->report->accepted_ns >= 0)
		err_clear(&c->trouble);
}

/* That block is there, and cannot be read.  -1: it is to be tried again. */
static int leave_unread(struct canary *c, const struct nodeos_block *b, struct err *why)
{
	if (is_interrupted(c) || c->failures++ < AGAIN_MAX)
		return -1;
	c->report->blocks_unread++;
	c->unread = b->num;
	c->unread_why = *why;
	err_clear(why);
	go_on(c, b);
	return 0;
}

/* One block more.  0: there may be further ones; 1: that is all for now, or it was found; 2: the
 * chain is beyond the transaction's time; -1 with *why. */
static int look_at_next(struct canary *c, struct err *why)
{
	struct nodeos_block b;
	bool has = false;
	int rc = ask_block(c, c->next, &b, why);

	if (rc != 0)
		return rc;
	if (*c->before && strcmp(b.previous, c->before) != 0) {
		/* Another branch, or behind a front another node: in the next pass, or two nodes
		 * that disagree would keep us busy. */
		forget_block(c);
		return 1;
	}
	rc = ask_has(c, b.id, &has, why);
	if (rc < 0)
		rc = leave_unread(c, &b, why);
	if (rc != 0)
		return rc;
	if (has) {
		found(c, &b);
		return 1;
	}
	if (b.time_ns > c->expires_ns)
		return 2;
	if (c->next == b.num)
		go_on(c, &b);
	return 0;
}

/* 1: it has expired. */
static int look_for_it(struct canary *c, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = 0;

	while (rc == 0 && clock_mono_ns() < c->deadline_ns && !is_interrupted(c))
		rc = look_at_next(c, &why);
	if (rc < 0)
		return note_trouble(c, &why, e);
	return rc == 2;
}

static int see_it_still(struct canary *c, struct err *e)
{
	struct err why = ERR_INIT;
	struct nodeos_block b;
	int rc = ask_block(c, c->report->block_num, &b, &why);

	if (rc < 0)
		return note_trouble(c, &why, e);
	if (rc > 0 || strcmp(b.id, c->report->block_id) != 0)
		forget_block(c);
	return 0;
}

/* --- on all nodes ----------------------------------------------------------------------------- */

static struct canary_node *node_of(struct canary *c, const struct canary_word *w)
{
	struct canary_report *r = c->report;
	struct canary_node *n, *more;

	for (size_t i = 0; i < r->n; i++)
		if (r->nodes[i].kind == w->kind && strcmp(r->nodes[i].name, w->name) == 0)
			return &r->nodes[i];
	more = reallocarray(r->nodes, r->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	r->nodes = more;
	n = &more[r->n++];
	*n = (struct canary_node){ .kind = w->kind, .seen_ns = -1, .irreversible_ns = -1 };
	snprintf(n->name, sizeof(n->name), "%s", w->name);
	str_printable(n->name);
	return n;
}

/* What keeps the node from having it; "" when nothing does. */
static void explain(const struct canary *c, struct canary_node *n, const struct canary_word *w)
{
	uint32_t num = c->report->block_num;

	n->why[0] = '\0';
	if (w->why)
		snprintf(n->why, sizeof(n->why), "%s", w->why);
	else if (!n->is_seen && *w->id)
		snprintf(n->why, sizeof(n->why), "it has another block %" PRIu32 ", %.16s...", num,
		        w->id);
	else if (!n->is_seen && w->head < num)
		snprintf(n->why, sizeof(n->why), "its head is %" PRIu32 ", before block %" PRIu32,
		        w->head, num);
	else if (!n->is_seen)
		snprintf(n->why, sizeof(n->why), "it does not have block %" PRIu32, num);
	else if (c->config->wants_irreversible && !n->is_irreversible)
		snprintf(n->why, sizeof(n->why),
		        "block %" PRIu32 " is not irreversible there, %" PRIu32 " is", num, w->lib);
	str_printable(n->why);
}

static void hear(void *to, const struct canary_word *w)
{
	struct canary *c = to;
	struct canary_node *n = node_of(c, w);
	int64_t since = clock_mono_ns() - c->accepted_at_ns;

	if (!n) {
		c->is_out_of_memory = true;
		return;
	}
	snprintf(n->host, sizeof(n->host), "%s", w->host);
	str_printable(n->host);
	n->is_told = true;
	n->is_seen = !w->why && strcmp(w->id, c->report->block_id) == 0;
	n->is_irreversible = n->is_seen && w->lib >= c->report->block_num;
	if (!n->is_seen)
		n->seen_ns = -1;
	else if (n->seen_ns < 0)
		n->seen_ns = since;
	if (!n->is_irreversible)
		n->irreversible_ns = -1;
	else if (n->irreversible_ns < 0)
		n->irreversible_ns = since;
	explain(c, n, w);
}

/* Those that are no longer there are not missed. */
static void drop_untold(struct canary_report *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->nodes[i].is_told)
			r->nodes[kept++] = r->nodes[i];
	r->n = kept;
}

static int ask_all(struct canary *c, struct err *e)
{
	struct canary_report *r = c->report;
	struct err why = ERR_INIT;
	struct canary_counts n;

	for (size_t i = 0; i < r->n; i++)
		r->nodes[i].is_told = false;
	if (c->config->ask(c->config->ask_arg, r->block_num, hear, c, &why) < 0)
		return note_trouble(c, &why, e);
	if (c->is_out_of_memory)
		return err_nomem(e);
	drop_untold(r);
	n = canary_count(c);
	r->is_good = n.own > 0 && n.done == n.own;
	show_progress(c, "canary: in block %" PRIu32 ", on %zu of %zu nodes%s", r->block_num,
	        n.seen, n.own, n.seen == n.own && !r->is_good ? ", not irreversible yet" : "");
	return 0;
}

/* --- to the end ------------------------------------------------------------------------------- */

static void wait_for_pass(const struct canary *c)
{
	struct canary_counts n = canary_count(c);
	int64_t left = c->deadline_ns - clock_mono_ns();
	int64_t ns = n.own && n.seen == n.own ? SLOW_PASS_NS : PASS_NS;
	struct timespec t = { 0 };

	if (ns > left)
		ns = left;
	if (ns <= 0)
		return;
	t.tv_sec = (time_t)(ns / NS_PER_SEC);
	t.tv_nsec = (long)(ns % NS_PER_SEC);
	/* A signal ends it early, which is what it is for. */
	(void)nanosleep(&t, NULL);
}

static int follow(struct canary *c, struct err *e)
{
	struct canary_report *r = c->report;

	show_progress(c, "canary: sent, waiting for a block");
	for (;;) {
		int rc = r->block_num ? see_it_still(c, e) : look_for_it(c, e);

		if (rc < 0 || (r->block_num && ask_all(c, e) < 0))
			return -1;
		if (rc > 0) {
			canary_say_expired(c);
			return 0;
		}
		if (r->is_good || clock_mono_ns() >= c->deadline_ns)
			break;
		wait_for_pass(c);
		if (is_interrupted(c))
			return interrupted(e);
	}
	canary_say_end(c);
	return 0;
}

int canary_run(const struct canary_config *config, struct canary_report *r, struct err *e)
{
	struct canary c = {
		.config = config, .report = r, .deadline_ns = clock_mono_ns() + config->timeout_ns
	};
	AUTO(http_client_free) struct http_client *client = NULL;
	struct err why = ERR_INIT;

	snprintf(r->via, sizeof(r->via), "%s", config->via);
	str_printable(r->via);
	client = http_client_new(config->via, NULL, e);
	if (!client)
		return -1;
	c.client = client;
	http_client_interrupt_on(client, config->interrupted);
	show_progress(&c, "canary: sending a transfer through %s", r->via);
	if (make(&c, &why) < 0 || send_it(&c, &why) < 0) {
		if (is_interrupted(&c))
			return interrupted(e);
		canary_say_error(&c, &why);
		return 0;
	}
	return follow(&c, e);
}
