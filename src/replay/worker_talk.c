#include "replay/worker_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define PULSE_NS (3 * NS_PER_SEC)

bool worker_must_go(const struct worker *w)
{
	return w->stopping || w->let_go;
}

bool worker_may_retry(const struct err *e)
{
	switch (e->kind) {
	case ERR_UNAVAILABLE:
	case ERR_TIMEOUT:
	case ERR_PROTOCOL:
	case ERR_DENIED: /* the token is read anew each time */
	case ERR_SYSTEM:
		return true;
	case ERR_NONE:
	case ERR_USAGE:
	case ERR_NOT_FOUND:
	case ERR_CONFLICT:
	case ERR_INTERRUPTED:
	case ERR_UNHEALTHY:
		break;
	}
	return false;
}

/* --- beside the loop --- */

/* What a thread does, and how it ended. */
struct errand {
	work_fn *fn;
	void *arg;
	bool is_done;
	int rc;
	struct err why;
};

static int run_errand(void *arg, const volatile int *cancel, struct err *e)
{
	struct errand *x = arg;

	return x->fn(x->arg, cancel, e);
}

static void errand_done(void *arg, int rc, const struct err *why)
{
	struct errand *x = arg;

	x->is_done = true;
	x->rc = rc;
	x->why = *why;
}

static void on_alarm(struct loop_timer *t UNUSED, void *arg UNUSED)
{
	/* It has woken the loop, which is all. */
}

static bool must_end(const struct worker *w, bool urgent)
{
	if (!urgent)
		return worker_must_go(w);
	return w->stopping && clock_mono_ns() - w->stop_ns >= WORKER_PATIENCE_NS;
}

int worker_beside(struct worker *w, work_fn *fn, void *arg, bool urgent, struct err *e)
{
	struct errand x = { .fn = fn, .arg = arg };
	struct work *work;
	bool cancelled = false;

	if (must_end(w, urgent))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	work = work_start(&w->loop, run_errand, errand_done, &x, e);
	if (!work)
		return -1;
	while (!x.is_done) {
		if (!cancelled && must_end(w, urgent)) {
			work_cancel(work);
			cancelled = true;
		}
		if (urgent && w->stopping && !cancelled)
			loop_timer_set(
			        &w->loop, &w->alarm, w->stop_ns + WORKER_PATIENCE_NS, on_alarm, w);
		if (loop_once(&w->loop, -1, e) < 0) {
			work_free(work);
			return -1;
		}
	}
	loop_timer_remove(&w->loop, &w->alarm);
	if (x.rc < 0)
		*e = x.why;
	return x.rc;
}

int worker_sleep(struct worker *w, int64_t ns, struct err *e)
{
	int64_t end = clock_mono_ns() + ns;
	int rc = 0;

	loop_timer_set(&w->loop, &w->alarm, end, on_alarm, w);
	while (rc == 0 && !w->stopping && clock_mono_ns() < end)
		rc = loop_once(&w->loop, -1, e);
	loop_timer_remove(&w->loop, &w->alarm);
	return rc;
}

/* --- calls --- */

struct call {
	struct replay_client *client;
	const char *method, *path;
	json_t *body, *reply;
};

static int do_call(void *arg, const volatile int *cancel, struct err *e)
{
	struct call *c = arg;

	replay_client_interrupt_on(c->client, cancel);
	c->reply = replay_call(c->client, c->method, c->path, c->body, e);
	replay_client_interrupt_on(c->client, NULL);
	return c->reply ? 0 : -1;
}

json_t *worker_call(struct worker *w, const char *method, const char *path, json_t *body,
        bool urgent, struct err *e)
{
	struct call c = { .client = w->client, .method = method, .path = path, .body = body };
	int rc = worker_beside(w, do_call, &c, urgent, e);

	json_decref(body);
	if (rc < 0)
		err_wrap(e, "ask the orchestrator '%s'", w->cfg->url);
	return c.reply;
}

void worker_path(char out[64], int64_t id, const char *verb)
{
	snprintf(out, 64, "/v1/jobs/%" PRId64 "/%s", id, verb);
}

/* --- the heartbeat --- */

static void on_pulse_timer(struct loop_timer *t, void *arg);

static void set_pulse(struct worker *w)
{
	int64_t every = w->cfg->progress_ns ? w->cfg->progress_ns : PULSE_NS;

	/* Two may be lost before the lease is. */
	if (w->job.term_ns && every > w->job.term_ns / 3)
		every = w->job.term_ns / 3;
	loop_timer_set(&w->loop, &w->pulse.timer, clock_mono_ns() + every, on_pulse_timer, w);
}

static int send_pulse(void *arg, const volatile int *cancel, struct err *e)
{
	struct worker_pulse *p = &((struct worker *)arg)->pulse;

	replay_client_interrupt_on(p->client, cancel);
	p->reply = replay_call(p->client, "POST", p->path, p->body, e);
	replay_client_interrupt_on(p->client, NULL);
	return p->reply ? 0 : -1;
}

static void read_pulse(struct worker *w, int rc, const struct err *why)
{
	if (rc == 0 && !json_bool(w->pulse.reply, "let_go", false))
		return;
	/* An orchestrator that is not there may be there again before the lease is over. */
	if (rc < 0 && why->kind != ERR_CONFLICT && why->kind != ERR_NOT_FOUND) {
		log_warn("heartbeat failed", "job=%" PRId64 " why=\"%s\"", w->job.id, why->msg);
		return;
	}
	w->let_go = true;
	log_warn("the job is no longer ours", "job=%" PRId64 " why=\"%s\"", w->job.id,
	        rc < 0 ? why->msg : "the orchestrator says so");
}

static void pulse_done(void *arg, int rc, const struct err *why)
{
	struct worker *w = arg;
	struct worker_pulse *p = &w->pulse;

	p->work = NULL;
	read_pulse(w, rc, why);
	json_decref(TAKE(p->reply));
	json_decref(TAKE(p->body));
	if (p->is_on)
		set_pulse(w);
}

static json_t *pulse_body(const struct worker_job *j)
{
	json_t *o = json_pack("{s:s, s:s, s:I}", "lease", j->lease, "status",
	        job_status_name(j->status), "block", (json_int_t)j->block);

	if (o && *j->start_hash &&
	        json_object_set_new(o, "start_hash", json_string(j->start_hash)) < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static void on_pulse_timer(struct loop_timer *t UNUSED, void *arg)
{
	struct worker *w = arg;
	struct worker_pulse *p = &w->pulse;
	struct err e = ERR_INIT;

	p->body = pulse_body(&w->job);
	if (p->body)
		p->work = work_start(&w->loop, send_pulse, pulse_done, w, &e);
	if (p->work)
		return;
	/* Short of memory or threads now; the next one may be sent. */
	json_decref(TAKE(p->body));
	set_pulse(w);
}

void worker_pulse_start(struct worker *w)
{
	worker_path(w->pulse.path, w->job.id, "progress");
	w->pulse.is_on = true;
	set_pulse(w);
}

void worker_pulse_stop(struct worker *w)
{
	struct worker_pulse *p = &w->pulse;

	p->is_on = false;
	loop_timer_remove(&w->loop, &p->timer);
	work_free(TAKE(p->work));
	json_decref(TAKE(p->reply));
	json_decref(TAKE(p->body));
}
