#include "cli/local.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lockfile.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/output.h"
#include "control/client.h"
#include "data/pool.h"
#include "data/record.h"
#include "data/slot.h"
#include "data/slots.h"

#define STATUS_NS (2 * NS_PER_SEC)
#define POLL_MS   250

/* Slots come while we look: a container that has just begun.  Each look asks only new ones. */
#define LOOKS_MAX 5

struct local {
	struct context *ctx;
	char *const *wanted; /* NULL-terminated; empty: all */
	struct pool pool;
	struct slots names;
	struct slot *slots;
	struct control_ask *asks;
	bool *is_done; /* nothing more to do for this slot */
	int64_t deadline_ns;
	json_t *list;
	char bad[300]; /* names of those that are not as they should be */
};

static void forget_slots(struct local *l)
{
	for (size_t i = 0; l->slots && i < l->names.n; i++)
		slot_release(&l->slots[i]);
	for (size_t i = 0; l->asks && i < l->names.n; i++)
		json_decref(l->asks[i].reply);
	free(l->slots);
	free(l->asks);
	free(l->is_done);
	slots_release(&l->names);
	l->slots = NULL;
	l->asks = NULL;
	l->is_done = NULL;
}

static void local_release(struct local *l)
{
	forget_slots(l);
	pool_release(&l->pool);
	json_decref(l->list);
}

/* 0, 1 when there is no pool. */
static int local_init(
        struct local *l, struct context *ctx, char *const *wanted, int64_t wait_ns, struct err *e)
{
	*l = (struct local){
		.ctx = ctx,
		.wanted = wanted,
		.pool = POOL_INIT,
		.list = json_array(),
		.deadline_ns = wait_ns < 0 ? -1 : clock_mono_ns() + wait_ns,
	};
	if (!l->list)
		return err_nomem(e);
	if (pool_open(&l->pool, ctx->pool, e) == 0)
		return 0;
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	output_note(ctx, "nothing to do: %s", e->msg);
	err_clear(e);
	return 1;
}

static int64_t time_left(const struct local *l)
{
	int64_t left = l->deadline_ns - clock_mono_ns();

	return l->deadline_ns < 0 ? -1 : left > 0 ? left : 0;
}

static void remember_bad(struct local *l, const char *name)
{
	size_t n = strlen(l->bad);

	if (n + strlen(name) + 8 < sizeof(l->bad))
		snprintf(l->bad + n, sizeof(l->bad) - n, "%s%s", n ? ", " : "", name);
}

static int report(struct local *l, size_t i, const char *state, const char *verdict,
        const char *why, bool is_bad, struct err *e)
{
	const struct slots_entry *s = &l->names.v[i];
	AUTO(free)
	char *name = str_fmt("%s.%llu", s->service, (unsigned long long)s->number);

	if (!name)
		return err_nomem(e);
	output_line(l->ctx, "%s is %s%s%s%s%s", name, state, *verdict ? ", " : "", verdict,
	        *why ? ": " : "", why);
	if (is_bad)
		remember_bad(l, name);
	l->is_done[i] = true;
	return json_array_append_new(l->list,
	               json_pack("{s:s, s:I, s:s, s:s?, s:s?}", "service", s->service, "slot",
	                       (json_int_t)s->number, "state", state, "verdict",
	                       *verdict ? verdict : NULL, "reason", *why ? why : NULL)) < 0
	        ? err_nomem(e)
	        : 0;
}

/* Whether a slot goes by that name: "readers.3" of our stack, or with the stack's name in front. */
static bool is_name_of(const struct local *l, const char *name, const struct slots_entry *s)
{
	AUTO(free) char *full = str_fmt("%s.%llu", s->service, (unsigned long long)s->number);
	const char *rest = NULL;

	return str_eq(full, name) ||
	        (full && str_starts(full, l->ctx->stack, &rest) && *rest == '_' &&
	                strcmp(rest + 1, name) == 0);
}

static bool is_wanted(const struct local *l, size_t i)
{
	if (!*l->wanted)
		return true;
	for (char *const *w = l->wanted; *w; w++)
		if (is_name_of(l, *w, &l->names.v[i]))
			return true;
	return false;
}

/* Every name must be some slot's. */
static int check_wanted(const struct local *l, struct err *e)
{
	for (char *const *w = l->wanted; *w; w++) {
		bool is_found = false;

		for (size_t i = 0; !is_found && i < l->names.n; i++)
			is_found = is_name_of(l, *w, &l->names.v[i]);
		if (!is_found)
			return err_set(e, ERR_NOT_FOUND, "no slot '%s' in the pool '%s'", *w,
			        l->pool.path);
	}
	return 0;
}

/* Open all slots of the pool and ask each of them the same. */
static int look(struct local *l, struct err *e)
{
	size_t n;

	forget_slots(l);
	if (slots_list(&l->names, &l->pool, e) < 0 || check_wanted(l, e) < 0)
		return -1;
	if (l->names.left_out)
		output_warn(l->ctx, "%zu slots beyond the first %zu of the pool are left out",
		        l->names.left_out, l->names.n);
	n = l->names.n ? l->names.n : 1;
	l->slots = calloc(n, sizeof(*l->slots));
	l->asks = calloc(n, sizeof(*l->asks));
	l->is_done = calloc(n, sizeof(*l->is_done));
	if (!l->slots || !l->asks || !l->is_done)
		return err_nomem(e);
	for (size_t i = 0; i < l->names.n; i++) {
		const struct slots_entry *s = &l->names.v[i];
		struct err ignored = ERR_INIT;

		/* Its directory was removed meanwhile. */
		l->is_done[i] = !is_wanted(l, i) ||
		        slot_open(&l->slots[i], &l->pool, s->service, s->number, false, &ignored) <
		                0;
		l->asks[i].dirfd = l->slots[i].fd;
	}
	return 0;
}

/* Ask those slots that are not done; the answers are in l->asks. */
static int ask(struct local *l, const char *request, int64_t timeout_ns, struct err *e)
{
	AUTO(free) struct control_ask *asks = calloc(l->names.n + 1, sizeof(*asks));
	size_t n = 0;

	if (!asks)
		return err_nomem(e);
	for (size_t i = 0; i < l->names.n; i++)
		if (!l->is_done[i])
			asks[n++].dirfd = l->slots[i].fd;
	control_ask_all(asks, n, request, timeout_ns, &l->ctx->interrupted);
	n = 0;
	for (size_t i = 0; i < l->names.n; i++)
		if (!l->is_done[i]) {
			json_decref(l->asks[i].reply);
			l->asks[i] = asks[n++];
		}
	if (l->ctx->interrupted)
		return err_set(e, ERR_INTERRUPTED, "interrupted; what was asked to stop, stops");
	return 0;
}

static bool is_state(const json_t *reply, const char *state)
{
	return str_eq(json_str(reply, "state", NULL), state);
}

/* --- quiesce -------------------------------------------------------------------------- */

static bool is_gone(const struct control_ask *a)
{
	return !a->reply && a->err.kind == ERR_UNAVAILABLE;
}

static int report_verdict(struct local *l, size_t i, const char *state, const char *verdict,
        const char *why, struct err *e)
{
	bool clean = record_verdict_is_clean(verdict);

	return report(l, i, state, verdict, clean ? "" : why, !clean, e);
}

/* No supervisor answers: once no process holds the lock, the last record tells the end.  Returns 1
 * while one does. */
static int report_gone(struct local *l, size_t i, struct err *e)
{
	struct record r = { 0 };
	struct err why = ERR_INIT;
	char text[80];
	int rc = lockfile_is_held_at(l->slots[i].fd, SLOT_LOCK, &why);

	if (rc > 0)
		return 1;
	if (rc == 0)
		rc = record_read_at(&r, l->slots[i].fd, &why);
	if (rc != 0)
		return report(
		        l, i, "gone", "", rc < 0 ? why.msg : "it has left no record", true, e);
	if (r.state == SLOT_STOPPED || r.state == SLOT_QUIESCED)
		return report_verdict(l, i, slot_state_name(r.state), r.verdict, r.verdict_why, e);
	snprintf(text, sizeof(text), "killed in state %s, it could not record its end",
	        slot_state_name(r.state));
	return report(l, i, "gone", "", text, true, e);
}

/* What is to be stopped: all that have a supervisor and have not stopped already, and what was
 * named, of which something must be said in any case.  Returns how many are left to ask. */
static size_t choose(struct local *l)
{
	size_t left = 0;

	for (size_t i = 0; i < l->names.n; i++) {
		const struct control_ask *a = &l->asks[i];

		if (l->is_done[i])
			continue;
		l->is_done[i] = !*l->wanted && (is_gone(a) || is_state(a->reply, "quiesced"));
		left += !l->is_done[i];
	}
	return left;
}

static int take_quiesced(struct local *l, size_t i, struct err *e)
{
	const struct control_ask *a = &l->asks[i];

	if (a->reply)
		return report_verdict(l, i, json_str(a->reply, "state", "?"),
		        json_str(a->reply, "verdict", ""), json_str(a->reply, "verdict_why", ""),
		        e);
	/* It ended while it was asked, or is being stopped for good: its end is waited for. */
	if (is_gone(a) || a->err.kind == ERR_CONFLICT)
		return 0;
	return report(l, i, "not answering", "", a->err.msg, true, e);
}

/* Takes what has ended by somebody else's hand.  Returns how many have not, or -1. */
static int take_ended(struct local *l, struct err *e)
{
	int left = 0;

	for (size_t i = 0; i < l->names.n; i++) {
		int rc = 1;

		if (l->is_done[i])
			continue;
		if (is_gone(&l->asks[i]))
			rc = report_gone(l, i, e);
		else if (is_state(l->asks[i].reply, "quiesced"))
			rc = take_quiesced(l, i, e);
		if (rc < 0)
			return -1;
		left += rc > 0;
	}
	return left;
}

/* Wait for those that somebody else is stopping, and tell how they ended. */
static int await_others(struct local *l, struct err *e)
{
	for (;;) {
		int left = take_ended(l, e);

		if (left <= 0)
			return left;
		if (time_left(l) == 0)
			return 0;
		(void)poll(NULL, 0, POLL_MS);
		if (ask(l, "status", STATUS_NS, e) < 0)
			return -1;
	}
}

/* Time is over for those that are left. */
static int report_late(struct local *l, struct err *e)
{
	for (size_t i = 0; i < l->names.n; i++) {
		const struct control_ask *a = &l->asks[i];

		if (!l->is_done[i] &&
		        report(l, i, json_str(a->reply, "state", "not answering"), "",
		                is_gone(a) ? "a process still has its data-dir open"
		                           : "still stopping",
		                true, e) < 0)
			return -1;
	}
	return 0;
}

static int quiesce_once(struct local *l, size_t *ret_asked, struct err *e)
{
	if (look(l, e) < 0 || ask(l, "status", STATUS_NS, e) < 0)
		return -1;
	*ret_asked = choose(l);
	if (!*ret_asked)
		return 0;
	progress_set(l->ctx, "%zu slots stop", *ret_asked);
	if (ask(l, "quiesce", time_left(l), e) < 0)
		return -1;
	for (size_t i = 0; i < l->names.n; i++)
		if (!l->is_done[i] && take_quiesced(l, i, e) < 0)
			return -1;
	return await_others(l, e) < 0 ? -1 : report_late(l, e);
}

static int finish(struct local *l, const char *what, struct err *e)
{
	if (output_value(l->ctx, "slots", TAKE(l->list), e) < 0)
		return -1;
	if (*l->bad)
		return err_set(e, ERR_UNHEALTHY, "%s: %s", what, l->bad);
	return 0;
}

int local_quiesce(struct context *ctx, char *const *names, int64_t wait_ns, struct err *e)
{
	struct local l;
	size_t asked = 1;
	int rc = local_init(&l, ctx, names, wait_ns, e);

	for (int i = 0; rc == 0 && asked && !*l.bad && i < (*names ? 1 : LOOKS_MAX); i++)
		rc = quiesce_once(&l, &asked, e);
	if (rc >= 0)
		rc = finish(&l, "not left clean, or not stopped", e);
	local_release(&l);
	return rc;
}

/* --- resume --------------------------------------------------------------------------- */

static int resume_quiesced(struct local *l, struct err *e)
{
	if (look(l, e) < 0 || ask(l, "status", STATUS_NS, e) < 0)
		return -1;
	for (size_t i = 0; i < l->names.n; i++)
		l->is_done[i] =
		        l->is_done[i] || (!*l->wanted && !is_state(l->asks[i].reply, "quiesced"));
	if (ask(l, "resume", time_left(l), e) < 0)
		return -1;
	for (size_t i = 0; i < l->names.n; i++) {
		const struct control_ask *a = &l->asks[i];

		if (l->is_done[i] || (!*l->wanted && is_gone(a)))
			continue;
		if (report(l, i, a->reply ? json_str(a->reply, "state", "?") : "not answering", "",
		            a->reply ? json_str(a->reply, "reason", "") : a->err.msg, !a->reply,
		            e) < 0)
			return -1;
	}
	return 0;
}

int local_resume(struct context *ctx, char *const *names, int64_t wait_ns, struct err *e)
{
	struct local l;
	int rc = local_init(&l, ctx, names, wait_ns, e);

	if (rc == 0)
		rc = resume_quiesced(&l, e);
	if (rc >= 0)
		rc = finish(&l, "not resumed", e);
	local_release(&l);
	return rc;
}
