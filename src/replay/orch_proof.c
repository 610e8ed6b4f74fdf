/*
 * The certificate, made in a thread
 *
 * Of ten thousand slices it takes a tenth of a second, most of it for the text and its digest,
 * during which a thousand workers would wait.  So the loop copies what it needs of the book, which
 * is a few milliseconds, and a thread does the rest, one at a time.  Who asks meanwhile gets the
 * next one: the one that is being made may lack what he has just seen done.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "replay/certificate.h"
#include "replay/orch_priv.h"

#define WAITING_MAX 8 /* each gets some megabytes */

struct waiting {
	struct http_server_call *call; /* NULL: nobody, or the client has gone */
	bool is_next;                  /* came while one was made */
};

struct orch_proof {
	struct orchestrator *o;
	struct waiting v[WAITING_MAX];
	struct work *work; /* NULL: nobody waits */
	struct certificate_draft *draft;
	char *text;
};

void orch_proof_free(struct orch_proof *p)
{
	if (!p)
		return;
	work_free(p->work);
	certificate_draft_free(p->draft);
	free(p->text);
	free(p);
}

static int make(void *arg, const volatile int *cancel UNUSED, struct err *e)
{
	struct orch_proof *p = arg;
	AUTO(json) json_t *c = certificate_end(p->draft, e);

	if (!c)
		return -1;
	p->text = json_text(c, false);
	return p->text ? 0 : err_nomem(e);
}

/* With NULL memory was short, which may pass. */
static void answer(struct http_server_call *call, const char *text)
{
	struct http_server_reply r = { 0 };

	http_server_json(&r, 200, text ? strdup(text) : NULL);
	if (!r.body)
		r.status = 503;
	http_server_answer(call, &r);
}

/* Takes the calls that waited for this one; those that wait for the next one stay. */
static size_t take_calls(struct orch_proof *p, struct http_server_call *ret[WAITING_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiting *w = &p->v[i];

		if (w->call && !w->is_next)
			ret[n++] = TAKE(w->call);
		w->is_next = false;
	}
	return n;
}

static bool has_waiting(const struct orch_proof *p)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (p->v[i].call)
			return true;
	return false;
}

static void on_made(void *arg, int rc, const struct err *why);

static int start(struct orch_proof *p, int64_t real_ns, struct err *e)
{
	p->draft = certificate_begin(p->o->book, real_ns, e);
	if (!p->draft)
		return -1;
	p->work = work_start(p->o->loop, make, on_made, p, e);
	if (p->work)
		return 0;
	certificate_draft_free(TAKE(p->draft));
	return -1;
}

/* Whoever is answered may ask again at once, so all is in order before. */
static void on_made(void *arg, int rc UNUSED, const struct err *why UNUSED)
{
	struct orch_proof *p = arg;
	AUTO(free) char *text = TAKE(p->text);
	struct http_server_call *calls[2 * WAITING_MAX];
	struct err e = ERR_INIT;
	size_t n = take_calls(p, calls), made = n;

	p->work = NULL; /* it is gone */
	certificate_draft_free(TAKE(p->draft));
	if (has_waiting(p) && start(p, clock_real_ns(), &e) < 0)
		n += take_calls(p, calls + n);
	for (size_t i = 0; i < n; i++)
		answer(calls[i], i < made ? text : NULL);
}

static void on_gone(void *arg)
{
	((struct waiting *)arg)->call = NULL;
}

static struct waiting *free_place(struct orch_proof *p)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (!p->v[i].call)
			return &p->v[i];
	return NULL;
}

void orch_certificate(struct orch_call *c)
{
	struct orchestrator *o = c->o;
	struct err e = ERR_INIT;
	struct waiting *w;

	if (!o->proof) {
		o->proof = calloc(1, sizeof(*o->proof));
		if (!o->proof) {
			c->r->status = 503;
			return;
		}
		o->proof->o = o;
	}
	w = free_place(o->proof);
	if (!w) {
		orch_refuse(c, 429, ERR_UNAVAILABLE,
		        "too many ask for the certificate at the same time",
		        "ask again in a second");
		return;
	}
	w->is_next = o->proof->work != NULL;
	if (!o->proof->work && start(o->proof, c->now.real_ns, &e) < 0) {
		orch_error(c, &e);
		return;
	}
	w->call = http_server_later(c->q, on_gone, w);
}
