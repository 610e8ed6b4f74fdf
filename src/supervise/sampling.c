#include "supervise/sampling.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "control/control.h"
#include "control/server.h"
#include "data/record.h"
#include "data/tail.h"
#include "nodeos/logline.h"
#include "sample/ask.h"
#include "supervise/supervise_priv.h"

/* What counts as lately (sample.crashes). */
#define CRASHES_NS (600 * NS_PER_SEC)

/* --- what the supervisor knows --------------------------------------------------------------- */

unsigned sampling_crashes(
        const struct record *r, int64_t real_ns, char ret_last[SAMPLING_CRASH_SIZE])
{
	const struct record_end *newest = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < r->nends; i++) {
		const struct record_end *end = &r->ends[i];

		/* The wall clock may have been set back since. */
		if (end->asked || llabs(real_ns - end->at_ns) > CRASHES_NS)
			continue;
		newest = newest ? newest : end;
		n++;
	}
	(void)snprintf(ret_last, SAMPLING_CRASH_SIZE, "%.*s", SAMPLING_CRASH_SIZE - 1,
	        newest ? newest->why : "");
	/* What was cut in two would be no JSON. */
	str_printable(ret_last);
	return n;
}

void sampling_note_crash(struct supervisor *s, const char *lines)
{
	struct strvec *words = &s->sampling.last_words;
	AUTO(free) char *copy = lines ? strdup(lines) : NULL;
	char *end = copy ? copy + strlen(copy) : NULL, *last[SAMPLE_TAIL_MAX];
	size_t n = 0;

	strvec_release(words);
	/* From behind, because only the last ones are wanted. */
	while (end && end > copy && n < SAMPLE_TAIL_MAX) {
		char *newline;

		*end = '\0';
		newline = strrchr(copy, '\n');
		last[n] = newline ? newline + 1 : copy;
		n += *last[n] != '\0';
		end = newline ? newline : copy;
	}
	while (n--) {
		char text[SAMPLE_TAIL_LENGTH];

		/* Before it is cut, so that no half of a key is left. */
		(void)nodeos_redact(last[n]);
		(void)snprintf(text, sizeof(text), "%s", last[n]);
		if (strvec_add(words, text) < 0)
			return;
	}
}

void sampling_adopt(struct supervisor *s)
{
	AUTO(free) char *lines = NULL;
	struct err e = ERR_INIT;

	if (!s->record.nends || s->record.ends[0].asked)
		return;
	lines = tail_read(s->slot.fd, SAMPLE_TAIL_MAX, &e);
	if (!lines)
		log_warn("the end of the last run's log is not known", "why=\"%s\"", e.msg);
	sampling_note_crash(s, lines);
}

static void add_crashes(struct sample *out, const struct supervisor *s)
{
	const struct strvec *words = &s->sampling.last_words;

	static_assert(sizeof(out->last_crash) == SAMPLING_CRASH_SIZE, "it is filled in place");
	out->crashes = sampling_crashes(&s->record, clock_real_ns(), out->last_crash);
	for (size_t i = 0; out->crashes && i < words->n; i++)
		if (strvec_add(&out->tail, words->v[i]) < 0)
			return;
}

static void add_known(struct sample *out, const struct supervisor *s)
{
	const struct health *h = &s->health;

	(void)snprintf(
	        out->slot_state, sizeof(out->slot_state), "%s", slot_state_name(s->record.state));
	out->starts = s->record.starts;
	out->restarts = s->record.restarts;
	if (out->state != SAMPLE_DOWN)
		out->run_ns = clock_mono_ns() - h->started_ns;
	if (out->state != SAMPLE_DOWN && h->has_peers) {
		out->peers_connected = (int)h->peers.handshaken;
		out->peers_configured = (int)h->peers.configured;
	}
	if (out->state != SAMPLE_DOWN)
		out->db_used_percent = health_db_used_percent(s);
	add_crashes(out, s);
}

/* It runs, and is not on its way down either: then nothing listens any more. */
static bool is_serving(const struct supervisor *s)
{
	return supervisor_nodeos_alive(s) && s->record.state != SLOT_STOPPING;
}

static void be_down(struct sample *out, const struct supervisor *s)
{
	const char *why = answer_reason(s);

	out->state = SAMPLE_DOWN;
	(void)snprintf(
	        out->why, sizeof(out->why), "%s", *why ? why : slot_state_name(s->record.state));
}

/* What a nodeos that does not answer is busy with, where that is known, before how it failed. */
static void explain_silence(struct sample *out, const struct supervisor *s)
{
	const char *reason = answer_reason(s);
	char why[sizeof(out->why)];

	if (!*reason || supervisor_is_ready(s))
		return;
	(void)snprintf(why, sizeof(why), "%.140s%s%.90s%s", reason, *out->why ? " (" : "", out->why,
	        *out->why ? ")" : "");
	memcpy(out->why, why, sizeof(why));
}

/* --- answers --------------------------------------------------------------------------------- */

/* With what the supervisor knows; NULL without memory.  That texts are whole and printable
 * sample_json() sees to. */
static char *text_of(const struct supervisor *s, struct sample *out)
{
	AUTO(json) json_t *j = NULL;
	json_t *sample;

	add_known(out, s);
	sample = sample_json(out);
	j = sample ? json_pack("{s:i, s:s, s:o}", "format", CONTROL_FORMAT, "task", s->cfg->task,
	                     "sample", sample)
	           : NULL;
	return j ? json_text(j, false) : NULL;
}

/* The place is free again. */
static struct control_call *take_call(struct sampling_call *c)
{
	loop_timer_remove(&c->supervisor->loop, &c->timer);
	c->is_asked = false;
	return TAKE(c->call);
}

static void reply(struct sampling_call *c, const char *text)
{
	control_call_reply(take_call(c), text ? strdup(text) : NULL);
}

static void fail(struct sampling_call *c, const struct err *why)
{
	control_call_error(take_call(c), why);
}

static void ask_next(struct supervisor *s);

static void on_sample(void *arg, struct sample *out)
{
	struct supervisor *s = arg;
	struct sampling *g = &s->sampling;
	int64_t now = clock_mono_ns();
	AUTO(free) char *text = NULL;

	if (out->state != SAMPLE_ANSWERS && !is_serving(s))
		be_down(out, s);
	else if (out->state != SAMPLE_ANSWERS)
		explain_silence(out, s);
	text = text_of(s, out);
	for (size_t i = 0; i < SAMPLING_CALLS_MAX; i++) {
		struct sampling_call *c = &g->calls[i];

		if (c->call && (c->is_asked || now - c->since_ns > (c->until_ns - c->since_ns) / 2))
			reply(c, text);
	}
	ask_next(s);
}

/* --- questions ------------------------------------------------------------------------------- */

static bool is_same(const struct sample_request *a, const struct sample_request *b)
{
	return a->n_heights == b->n_heights &&
	        memcmp(a->heights, b->heights, a->n_heights * sizeof(*a->heights)) == 0 &&
	        a->first == b->first && a->last == b->last &&
	        a->wants_schedule == b->wants_schedule;
}

static void set_asked(struct sampling_call *c)
{
	/* The asker keeps to the limit. */
	loop_timer_remove(&c->supervisor->loop, &c->timer);
	c->is_asked = true;
}

static int make_asker(struct supervisor *s, struct err *e)
{
	struct sampling *g = &s->sampling;
	AUTO(free) char *url = NULL;

	if (g->asker)
		return 0;
	url = str_fmt("http://%s:%u", s->render.http_host, (unsigned)s->render.http_port);
	if (!url)
		return err_nomem(e);
	g->asker = sample_asker_new(s->prober, url, e);
	if (!g->asker)
		return -1;
	sample_asker_only_chain(g->asker);
	return 0;
}

static int ask(struct supervisor *s, struct sampling_call *first, struct err *e)
{
	struct sampling *g = &s->sampling;
	/* In whole ms, as it was asked for: it is told when nodeos is silent. */
	int64_t left_ms = (first->until_ns - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;

	if (make_asker(s, e) < 0 ||
	        sample_asker_start(g->asker, &first->q, (left_ms > 0 ? left_ms : 1) * NS_PER_MS,
	                on_sample, s, e) < 0)
		return -1;
	for (size_t i = 0; i < SAMPLING_CALLS_MAX; i++) {
		struct sampling_call *c = &g->calls[i];

		if (c->call && c->until_ns >= first->until_ns && is_same(&c->q, &first->q))
			set_asked(c);
	}
	return 0;
}

/* Who has hung up keeps no place, and nodeos is not asked for him. */
static void drop_void(struct sampling *g)
{
	for (size_t i = 0; i < SAMPLING_CALLS_MAX; i++)
		if (g->calls[i].call && control_call_is_void(g->calls[i].call))
			reply(&g->calls[i], NULL);
}

/* Of those who wait, who has waited longest; NULL. */
static struct sampling_call *oldest(struct sampling *g)
{
	struct sampling_call *first = NULL;

	for (size_t i = 0; i < SAMPLING_CALLS_MAX; i++) {
		struct sampling_call *c = &g->calls[i];

		if (c->call && (!first || c->since_ns < first->since_ns))
			first = c;
	}
	return first;
}

/* Unless a question is under way. */
static void ask_next(struct supervisor *s)
{
	struct sampling *g = &s->sampling;
	struct sampling_call *c;
	struct err e = ERR_INIT;

	if (g->asker && sample_asker_is_running(g->asker))
		return;
	drop_void(g);
	while ((c = oldest(g)) && ask(s, c, &e) < 0) {
		fail(c, &e);
		err_clear(&e);
	}
}

static void on_late(struct loop_timer *t UNUSED, void *arg)
{
	struct sampling_call *c = arg;
	struct err e = ERR_INIT;

	err_set(&e, ERR_TIMEOUT, "nodeos was being asked for another caller all the time");
	fail(c, &e);
}

/* A question under way that is good for it as well. */
static bool is_shared(const struct supervisor *s, const struct sampling_call *c)
{
	for (size_t i = 0; i < SAMPLING_CALLS_MAX; i++) {
		const struct sampling_call *other = &s->sampling.calls[i];

		if (other->call && other->is_asked && other->until_ns <= c->until_ns &&
		        is_same(&other->q, &c->q))
			return true;
	}
	return false;
}

static void wait_for_turn(struct supervisor *s, struct sampling_call *c)
{
	if (is_shared(s, c)) {
		set_asked(c);
		return;
	}
	loop_timer_set(&s->loop, &c->timer, c->until_ns, on_late, c);
	ask_next(s);
}

/* NULL: there is none. */
static struct sampling_call *free_place(struct sampling *g)
{
	drop_void(g);
	for (size_t i = 0; i < SAMPLING_CALLS_MAX; i++)
		if (!g->calls[i].call)
			return &g->calls[i];
	return NULL;
}

static int parse(
        struct sample_request *q, int64_t *ret_limit_ns, const json_t *request, struct err *e)
{
	const json_t *limit = json_object_get(request, "limit_ms");
	json_int_t ms = limit ? json_integer_value(limit) : SAMPLING_LIMIT_MS;

	/* Not ERR_USAGE: that is how a supervisor says that it knows no such request. */
	if (ms < 1 || ms > SAMPLING_LIMIT_MS_MAX)
		return err_set(e, ERR_PROTOCOL, "'limit_ms' is not a number from 1 to %d",
		        SAMPLING_LIMIT_MS_MAX);
	*ret_limit_ns = ms * NS_PER_MS;
	return sample_request_parse(q, request, e);
}

static void reply_down(struct supervisor *s, struct control_call *call)
{
	struct sample out = SAMPLE_INIT;

	be_down(&out, s);
	control_call_reply(call, text_of(s, &out));
	sample_release(&out);
}

void sampling_request(struct supervisor *s, const json_t *request, struct control_call *call)
{
	struct sampling_call *c;
	struct sample_request q;
	struct err e = ERR_INIT;
	int64_t limit_ns = 0;

	if (parse(&q, &limit_ns, request, &e) < 0) {
		control_call_error(call, &e);
		return;
	}
	if (!is_serving(s)) {
		reply_down(s, call);
		return;
	}
	c = free_place(&s->sampling);
	if (!c) {
		err_set(&e, ERR_CONFLICT, "%d callers already wait for a sample of this slot",
		        SAMPLING_CALLS_MAX);
		control_call_error(call, &e);
		return;
	}
	c->supervisor = s;
	c->call = call;
	c->q = q;
	c->since_ns = clock_mono_ns();
	c->until_ns = c->since_ns + limit_ns;
	wait_for_turn(s, c);
}

void sampling_nodeos_ended(struct supervisor *s)
{
	struct sampling *g = &s->sampling;

	/* The next nodeos may listen elsewhere. */
	sample_asker_free(TAKE(g->asker));
	for (size_t i = 0; i < SAMPLING_CALLS_MAX; i++)
		if (g->calls[i].call)
			reply_down(s, take_call(&g->calls[i]));
}

void sampling_release(struct supervisor *s)
{
	sampling_nodeos_ended(s);
	strvec_release(&s->sampling.last_words);
}
