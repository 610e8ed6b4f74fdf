/*
 * Who may, which answer, and what is due
 *
 * A request that needs a role names it by a token; without one the old paths say what the public
 * server said (403 "Not Authorized") and ours 401.  Bodies are bounded before they are read, for
 * strangers more tightly.
 *
 * Each second: leases that are over, and the tokens' file; every few, what the book keeps in memory
 * only.  None of that is needed for a kill at any instant to be harmless.
 */
#include "replay/orchestrator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "replay/orch_priv.h"
#include "replay/page.h"
#include "replay/slices.h"

#define CONNECTIONS_MAX 2048
#define IDLE_SECONDS    60 /* a worker speaks every few seconds, a person's page too */
#define TERM_NS         (30 * NS_PER_SEC)
#define TICK_NS         NS_PER_SEC
#define TICK_MIN_NS     (50 * NS_PER_MS)
#define FLUSH_NS        (5 * NS_PER_SEC)

/* --- who may --------------------------------------------------------------------------------- */

/* The roles that a request shows a token for.  A token without "Bearer" is how the public server
 * took it. */
static unsigned roles_shown(const struct orchestrator *o, const struct http_server_request *q)
{
	const char *token = http_server_header(q, "Authorization");

	if (!o->roles)
		return ROLE_READ | ROLE_WORK | ROLE_CONTROL;
	if (!token)
		return ROLE_NONE;
	if (strncasecmp(token, "Bearer ", 7) == 0)
		token += 7;
	return roles_of(o->roles, token);
}

static void refresh_roles(struct orchestrator *o)
{
	struct err e = ERR_INIT;
	int rc = o->roles ? roles_refresh(o->roles, &e) : 1;

	if (rc == 0)
		log_info("tokens read", "path=\"%s\"", o->cfg->roles_path);
	else if (rc < 0)
		log_error("no tokens, so nobody is answered", "why=\"%s\"", e.msg);
}

static void refuse_role(struct orch_call *c)
{
	log_seldom(&c->o->refused, LOG_WARN, "request refused: no token, or one without the role",
	        "%s", "");
	if (c->route.is_old) {
		orch_text(c, 403, "text/plain; charset=utf-8", "Not Authorized");
	} else if (c->roles) {
		orch_refuse(c, 403, ERR_DENIED, "this token has not the role that it takes",
		        c->route.need == ROLE_CONTROL ? "it takes a token with the role 'control'"
		                                      : "it takes a token with the role 'work'");
	} else {
		orch_refuse(c, 401, ERR_DENIED, "a valid bearer token is needed",
		        "send the header Authorization: Bearer TOKEN");
		c->r->extra_name = "WWW-Authenticate";
		c->r->extra_value = "Bearer";
	}
}

static size_t body_limit(void *arg, const struct http_server_request *q)
{
	return roles_shown(arg, q) ? ORCH_BODY_MAX : ORCH_BODY_STRANGER_MAX;
}

/* --- which answer ---------------------------------------------------------------------------- */

static void answer_page(struct orch_call *c)
{
	struct err e = ERR_INIT;
	const char *page;
	size_t n;

	if (!orch_accepts(c, "text/html") && !orch_accepts_any(c)) {
		orch_refuse(c, 406, ERR_USAGE, "this page is HTML",
		        "GET /v1/run and /v1/jobs have its figures as JSON");
		return;
	}
	page = page_html(c->q->path, &n, &e);
	if (!page) {
		orch_error(c, &e);
		return;
	}
	orch_text(c, 200, PAGE_TYPE, page);
	c->r->extra_name = "Content-Security-Policy";
	c->r->extra_value = PAGE_POLICY;
}

static void answer_home(struct orch_call *c)
{
	orch_text(c, 302, "text/plain; charset=utf-8", "see /progress\n");
	c->r->extra_name = "Location";
	c->r->extra_value = "/progress";
}

static void answer_nothing(struct orch_call *c)
{
	if (c->route.is_old) {
		orch_text(c, 404, "text/plain; charset=utf-8", "Not found");
	} else if (c->route.status == 405) {
		orch_refuse(c, 405, ERR_USAGE, "this path has not that method", c->route.allow);
		c->r->extra_name = "Allow";
		c->r->extra_value = c->route.allow;
	} else {
		orch_refuse(c, 404, ERR_NOT_FOUND, "there is no such path", NULL);
	}
}

static void answer_old(struct orch_call *c)
{
	if (c->route.kind == ORCH_HEALTHCHECK)
		orch_text(c, 200, "text/plain; charset=uft-8", "OK");
	else if (c->route.kind == ORCH_JOB_GET)
		orch_old_job_get(c);
	else if (c->route.kind == ORCH_JOB_POST)
		orch_old_job_post(c);
	else if (c->route.kind == ORCH_CONFIG_GET)
		orch_old_config_get(c);
	else if (c->route.kind == ORCH_CONFIG_POST)
		orch_old_config_post(c);
	else
		orch_old_summary(c);
}

static void answer_route(struct orch_call *c)
{
	switch (c->route.kind) {
	case ORCH_NOTHING:
		answer_nothing(c);
		break;
	case ORCH_LIVEZ:
		http_server_text(c->r, 200, "ok\n");
		break;
	case ORCH_HOME:
		answer_home(c);
		break;
	case ORCH_PAGE:
		answer_page(c);
		break;
	case ORCH_METRICS:
		orch_metrics(c);
		break;
	case ORCH_HEALTHCHECK:
	case ORCH_JOB_GET:
	case ORCH_JOB_POST:
	case ORCH_CONFIG_GET:
	case ORCH_CONFIG_POST:
	case ORCH_SUMMARY:
		answer_old(c);
		break;
	case ORCH_STATUS:
	case ORCH_JOBS:
		orch_list_start(c);
		break;
	case ORCH_CLAIM:
	case ORCH_PROGRESS:
	case ORCH_COMPLETE:
	case ORCH_FAIL:
	case ORCH_RELEASE:
		orch_work(c);
		break;
	case ORCH_RUN:
		orch_run(c);
		break;
	case ORCH_JOB:
		orch_one_job(c);
		break;
	case ORCH_CERTIFICATE:
		orch_certificate(c);
		break;
	case ORCH_REQUEUE:
	case ORCH_CANCEL:
	case ORCH_MODE:
		orch_control(c);
		break;
	}
}

static void answer(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct orchestrator *o = arg;
	struct orch_call c = { .o = o,
		.q = q,
		.r = r,
		.now = { .mono_ns = clock_boot_ns(), .real_ns = clock_real_ns() } };

	r->status = 200;
	orch_route(&c.route, q->method, q->path);
	refresh_roles(o);
	c.roles = roles_shown(o, q);
	if (c.route.need & ~c.roles)
		refuse_role(&c);
	else
		answer_route(&c);
	/* A list that comes later is a 200 too. */
	if (r->status / 100 < ARRAY_LEN(o->requests))
		o->requests[r->status / 100]++;
}

/* --- what is due ----------------------------------------------------------------------------- */

static void say_done(struct orchestrator *o)
{
	bool is_done = book_is_done(o->book);
	struct book_totals t;

	if (is_done && !o->was_done) {
		book_totals(o->book, &t);
		log_info("the run is done", "verified=%zu unverified=%zu mismatched=%zu failed=%zu",
		        t.verified, t.unverified, t.mismatched, t.failed);
	}
	o->was_done = is_done;
}

static void expire(struct orchestrator *o, int64_t *next_mono_ns)
{
	const struct book_now now = { .mono_ns = clock_boot_ns(), .real_ns = clock_real_ns() };
	struct err e = ERR_INIT;
	int n = book_expire(o->book, now, next_mono_ns, &e);

	if (n > 0)
		log_warn("workers were lost", "jobs=%d", n);
	if (n < 0)
		log_error("leases could not be ended", "why=\"%s\"", e.msg);
	err_clear(&e);
	if (now.mono_ns < o->flush_mono_ns)
		return;
	n = book_flush(o->book, &e);
	if (n < 0)
		log_error("progress could not be written down", "why=\"%s\"", e.msg);
	/* More than what one call writes: with the next round. */
	o->flush_mono_ns = now.mono_ns + (n > 0 ? 0 : FLUSH_NS);
	if (n > 0)
		*next_mono_ns = now.mono_ns;
}

static void on_tick(struct loop_timer *t, void *arg)
{
	struct orchestrator *o = arg;
	int64_t next = INT64_MAX, wait = TICK_NS;

	expire(o, &next);
	refresh_roles(o);
	say_done(o);
	if (next - clock_boot_ns() < wait)
		wait = next - clock_boot_ns();
	loop_timer_set(o->loop, t, clock_mono_ns() + (wait > TICK_MIN_NS ? wait : TICK_MIN_NS),
	        on_tick, o);
}

/* --- life ------------------------------------------------------------------------------------ */

/* 1: it is; 0; -1: it is no address. */
static int is_loopback(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, address, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &v6) == 1 ? IN6_IS_ADDR_LOOPBACK(&v6) : -1;
}

static int open_roles(struct orchestrator *o, struct err *e)
{
	const struct orchestrator_config *cfg = o->cfg;
	int loopback = is_loopback(cfg->address);

	if (loopback < 0)
		return err_set(e, ERR_USAGE, "'%s' is no IP address to listen on", cfg->address);
	if (cfg->no_auth && !loopback) {
		err_set(e, ERR_USAGE,
		        "without tokens '%s' would let everybody there change the run",
		        cfg->address);
		return err_hint(e, "listen on 127.0.0.1, or give a file of tokens");
	}
	if (cfg->no_auth)
		return 0;
	if (!cfg->roles_path) {
		err_set(e, ERR_USAGE, "there is no file of tokens");
		return err_hint(e, "give one with --tokens, or --disable-auth on loopback");
	}
	o->roles = roles_open(cfg->roles_path, e);
	return o->roles ? 0 : -1;
}

static void ignore_fault(void *arg UNUSED, enum slice_fault f UNUSED, size_t record UNUSED,
        size_t other UNUSED, const char *text UNUSED)
{
}

/* Not refused: a run that was begun with them goes on. */
static int warn_of_faults(const struct slices *s, const char *path, struct err *e)
{
	int n = slices_validate(s, ignore_fault, NULL, e);

	if (n > 0)
		log_warn("the manifest has faults",
		        "path=\"%s\" faults=%d hint=\"'nodeswarm replay manifest validate %s' "
		        "shows them\"",
		        path, n, path);
	return n < 0 ? -1 : 0;
}

static int open_book(struct orchestrator *o, struct err *e)
{
	AUTO(slices) struct slices s = SLICES_INIT;
	struct book_config book = o->cfg->book;

	if (slices_read(&s, o->cfg->manifest, e) < 0)
		return -1;
	if (!s.n)
		return err_set(e, ERR_USAGE, "the manifest '%s' has no slices", o->cfg->manifest);
	if (warn_of_faults(&s, o->cfg->manifest, e) < 0)
		return -1;
	if (!book.term_ns)
		book.term_ns = TERM_NS;
	o->term_ns = book.term_ns;
	o->book = book_open(&book, &s, clock_boot_ns(), e);
	return o->book ? 0 : -1;
}

static int open_server(struct orchestrator *o, struct err *e)
{
	const struct http_server_config cfg = {
		.address = o->cfg->address,
		.port = o->cfg->port,
		.handler = answer,
		.arg = o,
		.max_connections =
		        o->cfg->max_connections ? o->cfg->max_connections : CONNECTIONS_MAX,
		.idle_seconds = IDLE_SECONDS,
		.limit = body_limit,
		.answers_later = true,
		.raw_paths = true,
	};

	o->server = http_server_new(o->loop, &cfg, e);
	return o->server ? 0 : -1;
}

struct orchestrator *orchestrator_new(
        struct loop *l, const struct orchestrator_config *cfg, struct err *e)
{
	AUTO(orchestrator_free) struct orchestrator *o = calloc(1, sizeof(*o));

	if (!o) {
		err_nomem(e);
		return NULL;
	}
	o->cfg = cfg;
	o->loop = l;
	o->files.log_fd = -1;
	o->started_real_ns = clock_real_ns();
	if (open_roles(o, e) < 0 || open_book(o, e) < 0 || orch_files_open(o, e) < 0 ||
	        open_server(o, e) < 0)
		return NULL;
	on_tick(&o->tick, o);
	return TAKE(o);
}

void orchestrator_free(struct orchestrator *o)
{
	struct err e = ERR_INIT;
	int rc = 1;

	if (!o)
		return;
	/* First: lists that are being made look at the book. */
	http_server_free(o->server);
	orch_proof_free(o->proof);
	loop_timer_remove(o->loop, &o->tick);
	orch_files_close(o);
	while (o->book && rc > 0)
		rc = book_flush(o->book, &e);
	if (rc < 0)
		log_error("progress could not be written down", "why=\"%s\"", e.msg);
	book_close(o->book);
	roles_free(o->roles);
	free(o->run_text);
	free(o);
}

uint16_t orchestrator_port(const struct orchestrator *o)
{
	return http_server_port(o->server);
}

static void on_signal(struct loop_signal *s, int signo, void *arg UNUSED)
{
	log_info("asked to stop", "signal=%d", signo);
	loop_stop(s->loop);
}

static int run(struct loop *l, const struct orchestrator_config *cfg, struct err *e)
{
	AUTO(orchestrator_free) struct orchestrator *o = orchestrator_new(l, cfg, e);
	char event[96];

	if (!o)
		return -1;
	(void)snprintf(
	        event, sizeof(event), "listening on %s:%u", cfg->address, orchestrator_port(o));
	log_info(event, "slices=%zu auth=%s", book_count(o->book), o->roles ? "tokens" : "none");
	return loop_run(l, e);
}

int orchestrator_run(const struct orchestrator_config *cfg, struct err *e)
{
	struct loop_signal signals = { 0 };
	struct loop loop = { .epfd = -1 };
	sigset_t set;
	int rc;

	/* Tokens are in here: no core dumps. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "prctl(PR_SET_DUMPABLE)");
	fs_want_descriptors((cfg->max_connections ? cfg->max_connections : CONNECTIONS_MAX) + 64);
	if (loop_init(&loop, e) < 0)
		return -1;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	rc = loop_signal_add(&loop, &signals, &set, on_signal, NULL, e);
	if (rc == 0)
		rc = run(&loop, cfg, e);
	loop_signal_remove(&loop, &signals);
	loop_release(&loop);
	return rc;
}
