/*
 * What became of a canary: as JSON, and as one line
 *
 * The line says where it is, or what kept it: who has refused it, which nodes do not have it and
 * why, how many blocks were made without it, and which of them nobody could read.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/str.h"
#include "nodeos/sign.h"
#include "watch/canary_priv.h"

#define NAMED_MAX 3 /* nodes that the line names */

void canary_report_release(struct canary_report *r)
{
	free(r->nodes);
	*r = CANARY_REPORT_INIT;
}

static json_t *seconds(int64_t ns)
{
	return ns < 0 ? json_null() : json_real((double)(ns / 1000) / 1e6);
}

static json_t *node_json(const struct canary_node *n)
{
	return json_pack("{s:s, s:o, s:b, s:b, s:o, s:b, s:o, s:o}", "node", n->name, "host",
	        json_or_null(n->host), "reference", n->kind == WATCH_REFERENCE, "seen", n->is_seen,
	        "seen_seconds", seconds(n->seen_ns), "irreversible", n->is_irreversible,
	        "irreversible_seconds", seconds(n->irreversible_ns), "why", json_or_null(n->why));
}

json_t *canary_json(const struct canary_report *r)
{
	AUTO(json) json_t *nodes = json_array();

	for (size_t i = 0; i < r->n; i++)
		if (json_array_append_new(nodes, node_json(&r->nodes[i])) < 0)
			return NULL;
	return json_pack("{s:b, s:s, s:s, s:o, s:o, s:o, s:i, s:I, s:o, s:o, s:O}", "good",
	        r->is_good, "text", r->text, "via", r->via, "transaction",
	        json_or_null(r->transaction_id), "block",
	        r->block_num ? json_integer(r->block_num) : json_null(), "block_id",
	        json_or_null(r->block_id), "moves", (int)r->moves, "blocks_unread",
	        (json_int_t)r->blocks_unread, "accepted_seconds", seconds(r->accepted_ns),
	        "block_seconds", seconds(r->block_ns), "nodes", nodes);
}

/* --- the line --------------------------------------------------------------------------------- */

struct canary_counts canary_count(const struct canary *c)
{
	const struct canary_report *r = c->report;
	struct canary_counts n = { 0 };

	for (size_t i = 0; i < r->n; i++) {
		const struct canary_node *v = &r->nodes[i];

		if (v->kind != WATCH_OWN)
			continue;
		n.own++;
		n.seen += v->is_seen;
		n.done += c->config->wants_irreversible ? v->is_irreversible : v->is_seen;
	}
	return n;
}

PRINTF(2, 3)
static void say(struct canary_report *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	str_printable(r->text);
}

void canary_say_error(const struct canary *c, const struct err *why)
{
	struct canary_report *r = c->report;

	if (why->kind == ERR_DENIED)
		say(r, "the canary was not taken: %.230s; it is signed with %s", why->msg,
		        sign_key_public(c->config->key));
	else if (*why->hint)
		say(r, "the canary was not taken: %.230s; %.140s", why->msg, why->hint);
	else
		say(r, "the canary was not taken: %.360s", why->msg);
}

static int64_t longest(const struct canary_report *r, bool is_irreversible)
{
	int64_t ns = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct canary_node *n = &r->nodes[i];
		int64_t its = is_irreversible ? n->irreversible_ns : n->seen_ns;

		if (n->kind == WATCH_OWN && its > ns)
			ns = its;
	}
	return ns;
}

static void say_good(const struct canary *c)
{
	struct canary_report *r = c->report;
	char seen[NUM_TEXT_MAX], last[NUM_TEXT_MAX];
	size_t own = canary_count(c).own;

	num_duration_text(seen, longest(r, false));
	if (c->config->wants_irreversible)
		say(r, "the canary is in block %" PRIu32 " on %s after %s, irreversible after %s",
		        r->block_num, own == 1 ? "the one node" : "all nodes", seen,
		        num_duration_text(last, longest(r, true)));
	else
		say(r, "the canary is in block %" PRIu32 " on %s after %s", r->block_num,
		        own == 1 ? "the one node" : "all nodes", seen);
}

/* The first few nodes that do not have it, and why. */
static void say_missing(const struct canary *c)
{
	struct canary_report *r = c->report;
	struct canary_counts n = canary_count(c);
	char text[sizeof(r->text)], after[NUM_TEXT_MAX];
	size_t len, named = 0;

	len = (size_t)snprintf(text, sizeof(text),
	        "the canary is in block %" PRIu32 ", but %s %zu of %zu nodes after %s",
	        r->block_num, n.seen < n.own ? "not on" : "not irreversible on",
	        n.own - (n.seen < n.own ? n.seen : n.done), n.own,
	        num_duration_text(after, c->config->timeout_ns));
	for (size_t i = 0; i < r->n && named < NAMED_MAX && len < sizeof(text); i++) {
		const struct canary_node *v = &r->nodes[i];

		if (v->kind != WATCH_OWN || !*v->why)
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.60s: %.60s",
		        named ? "; " : ": ", v->name, v->why);
		named++;
	}
	say(r, "%s", text);
}

/* "2 blocks could not be read (the last is 11: get_block: status 500)" */
static const char *unread_text(const struct canary *c, char *out, size_t size)
{
	uint32_t n = c->report->blocks_unread;

	snprintf(out, size,
	        "%" PRIu32 " block%s could not be read (the last is %" PRIu32 ": %.200s)", n,
	        n == 1 ? "" : "s", c->unread, c->unread_why.msg);
	return out;
}

/* It may be in one of those. */
static void say_unread(const struct canary *c)
{
	uint32_t n = c->next - c->first - c->report->blocks_unread;
	char text[300], after[NUM_TEXT_MAX];

	say(c->report,
	        "the canary is in no block that could be read after %s: %" PRIu32
	        " block%s made without it, %s",
	        num_duration_text(after, c->config->timeout_ns), n, n == 1 ? " was" : "s were",
	        unread_text(c, text, sizeof(text)));
}

void canary_say_end(const struct canary *c)
{
	struct canary_report *r = c->report;
	char after[NUM_TEXT_MAX];

	num_duration_text(after, c->config->timeout_ns);
	if (r->is_good)
		say_good(c);
	else if (r->block_num && r->n)
		say_missing(c);
	else if (r->block_num && c->trouble.kind)
		say(r,
		        "the canary is in block %" PRIu32
		        ", but the nodes could not be asked: %.300s",
		        r->block_num, c->trouble.msg);
	else if (r->block_num)
		say(r, "the canary is in block %" PRIu32 ", but there is no node to ask",
		        r->block_num);
	else if (r->blocks_unread)
		say_unread(c);
	else if (c->trouble.kind)
		say(r, "the canary is in no block after %s: %.300s", after, c->trouble.msg);
	else if (c->next == c->first)
		say(r,
		        "the canary is in no block after %s: there was none, '%s' stands at block "
		        "%" PRIu32,
		        after, r->via, c->first - 1);
	else
		say(r,
		        "the canary is in no block after %s: %" PRIu32 " blocks were made without "
		        "it",
		        after, c->next - c->first);
}

void canary_say_expired(const struct canary *c)
{
	bool has_unread = c->report->blocks_unread > 0;
	char text[300] = "";

	if (has_unread)
		(void)unread_text(c, text, sizeof(text));
	say(c->report,
	        "the canary is in no block%s: it was accepted, and the chain went on without it "
	        "for "
	        "%d s, until it expired%s%s",
	        has_unread ? " that could be read" : "", CANARY_EXPIRES_SECONDS,
	        has_unread ? "; " : "", text);
}
