#include "supervise/tenure_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/probe.h"
#include "loop/loop.h"

/*
 * A request that was given up may still be read by nodeos, from a connection that we have closed:
 * a resume that comes so late undoes the pause after it.  The gate is closed then, so nothing is
 * signed, and the next `paused` shows it.
 */

#define POLL_NS  (500 * NS_PER_MS)
#define LIMIT_NS (2 * NS_PER_SEC)
/* A frozen nodeos is asked again so often; each leaves a connection in its backlog. */
#define ORDER_LIMIT_NS (500 * NS_PER_MS)
#define ORDER_AGAIN_NS (100 * NS_PER_MS)
#define INFO_MAX       (64U * 1024)
#define SHORT_MAX      4096U

struct tenure_ask {
	struct loop *loop;
	struct http_prober *prober;
	tenure_ask_fn *fn;
	void *arg;
	struct http_probe *info, *paused, *pause, *resume;
	struct loop_timer poll_timer, order_timer;
	enum tenure_pause wanted;    /* UNKNOWN: no order is under way */
	int64_t order_ns, paused_ns; /* when it was asked last */
	bool has_complained;
	struct tenure_answers answers;
};

static void order(struct tenure_ask *a);

static bool is_good(const struct http_probe_result *r)
{
	return r->status >= 200 && r->status <= 299;
}

/* --- pause and resume ------------------------------------------------------------------------- */

static void on_order_timer(struct loop_timer *t UNUSED, void *arg)
{
	order(arg);
}

static void order_again(struct tenure_ask *a, const char *why)
{
	if (!a->has_complained)
		log_warn(a->wanted == TENURE_PAUSED ? "nodeos not paused" : "nodeos not resumed",
		        "why=\"%s\" hint=\"it is asked again\"", why);
	a->has_complained = true;
	loop_timer_set(
	        a->loop, &a->order_timer, clock_mono_ns() + ORDER_AGAIN_NS, on_order_timer, a);
}

static void on_order(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct tenure_ask *a = arg;
	char why[40];

	if (is_good(r)) {
		a->answers.pause = a->wanted;
		a->answers.pause_ns = a->order_ns;
		a->wanted = TENURE_PAUSE_UNKNOWN;
		a->has_complained = false;
	} else {
		snprintf(why, sizeof(why), "HTTP status %ld", r->status);
		order_again(a, r->failure ? r->failure->msg : why);
	}
	a->fn(a->arg);
}

static void order(struct tenure_ask *a)
{
	struct http_probe *q = a->wanted == TENURE_PAUSED ? a->pause : a->resume;
	struct err e = ERR_INIT;

	a->order_ns = clock_boot_ns();
	if (http_probe_start(q, "", ORDER_LIMIT_NS, on_order, a, &e) < 0)
		order_again(a, e.msg);
}

/* A question that was asked before is asked anew. */
static void want(struct tenure_ask *a, enum tenure_pause wanted, int64_t since)
{
	if (!a->pause || (a->wanted == wanted && a->order_ns >= since))
		return;
	http_probe_cancel(a->pause);
	http_probe_cancel(a->resume);
	loop_timer_remove(a->loop, &a->order_timer);
	a->wanted = wanted;
	a->has_complained = false;
	order(a);
}

void tenure_ask_pause(struct tenure_ask *a, int64_t since)
{
	want(a, TENURE_PAUSED, since);
}

void tenure_ask_resume(struct tenure_ask *a, int64_t since)
{
	want(a, TENURE_RESUMED, since);
}

/* --- what is asked all the time --------------------------------------------------------------- */

static void on_paused(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct tenure_ask *a = arg;

	/* An order that was asked since may have been heard before this question or after it. */
	if (!is_good(r) || a->wanted != TENURE_PAUSE_UNKNOWN || a->paused_ns < a->order_ns)
		return;
	if (r->len >= 4 && strncmp(r->body, "true", 4) == 0)
		a->answers.pause = TENURE_PAUSED;
	else if (r->len >= 5 && strncmp(r->body, "false", 5) == 0)
		a->answers.pause = TENURE_RESUMED;
	else
		return;
	a->answers.pause_ns = a->paused_ns;
	a->fn(a->arg);
}

static void on_info(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct tenure_ask *a = arg;
	struct nodeos_info info;
	struct err ignored = ERR_INIT;

	if (is_good(r) && nodeos_info_parse(&info, r->body, r->len, &ignored) == 0) {
		a->answers.info = info;
		a->answers.answered_ns = clock_boot_ns();
	}
	a->fn(a->arg);
}

static void on_poll(struct loop_timer *t, void *arg)
{
	struct tenure_ask *a = arg;
	struct err ignored = ERR_INIT;

	loop_timer_set(a->loop, t, clock_mono_ns() + POLL_NS, on_poll, a);
	if (!http_probe_is_running(a->info))
		(void)!http_probe_start(a->info, NULL, LIMIT_NS, on_info, a, &ignored);
	if (a->wanted == TENURE_PAUSE_UNKNOWN && !http_probe_is_running(a->paused)) {
		err_clear(&ignored);
		a->paused_ns = clock_boot_ns();
		(void)!http_probe_start(a->paused, "", LIMIT_NS, on_paused, a, &ignored);
	}
}

const struct tenure_answers *tenure_ask_answers(const struct tenure_ask *a)
{
	return &a->answers;
}

/* --- life ------------------------------------------------------------------------------------- */

static void forget(struct tenure_ask *a)
{
	loop_timer_remove(a->loop, &a->poll_timer);
	loop_timer_remove(a->loop, &a->order_timer);
	http_probe_free(TAKE(a->info));
	http_probe_free(TAKE(a->paused));
	http_probe_free(TAKE(a->pause));
	http_probe_free(TAKE(a->resume));
	a->wanted = TENURE_PAUSE_UNKNOWN;
	a->order_ns = a->paused_ns = 0;
	a->answers = (struct tenure_answers){ .answered_ns = 0 };
}

static struct http_probe *probe(struct tenure_ask *a, const char *host, uint16_t port,
        const char *path, size_t max, struct err *e)
{
	char url[200];

	snprintf(url, sizeof(url), "http://%.100s:%u%s", host, (unsigned)port, path);
	return http_probe_new(a->prober, url, max, e);
}

int tenure_ask_nodeos(struct tenure_ask *a, const char *host, uint16_t port, struct err *e)
{
	forget(a);
	if (!host)
		return 0;
	if (!(a->info = probe(a, host, port, "/v1/chain/get_info", INFO_MAX, e)) ||
	        !(a->paused = probe(a, host, port, "/v1/producer/paused", SHORT_MAX, e)) ||
	        !(a->pause = probe(a, host, port, "/v1/producer/pause", SHORT_MAX, e)) ||
	        !(a->resume = probe(a, host, port, "/v1/producer/resume", SHORT_MAX, e))) {
		forget(a);
		return -1;
	}
	loop_timer_set(a->loop, &a->poll_timer, clock_mono_ns(), on_poll, a);
	return 0;
}

struct tenure_ask *tenure_ask_new(
        struct loop *l, struct http_prober *p, tenure_ask_fn *fn, void *arg, struct err *e)
{
	struct tenure_ask *a = calloc(1, sizeof(*a));

	if (!a) {
		err_nomem(e);
		return NULL;
	}
	a->loop = l;
	a->prober = p;
	a->fn = fn;
	a->arg = arg;
	http_prober_keep(p, 4);
	return a;
}

void tenure_ask_free(struct tenure_ask *a)
{
	if (!a)
		return;
	forget(a);
	http_prober_keep(a->prober, -4);
	free(a);
}
