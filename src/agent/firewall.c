/*
 * The firewall of this host, in threads
 *
 * iptables' programs take some tens of milliseconds, a probe of silent ports seconds: neither is
 * for the loop.  What changes the tables or reads them holds one lock, so that a model, what is
 * kept of it, and what is said of both belong together.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_priv.h"
#include "agent/firewall_request.h"
#include "agent/firewall_state.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "firewall/host.h"
#include "firewall/net.h"
#include "firewall/probe.h"
#include "firewall/source.h"
#include "loop/work.h"

#define JOBS_MAX 8

static pthread_mutex_t tables = PTHREAD_MUTEX_INITIALIZER;

enum job_kind { JOB_BOOT, JOB_LOOK, JOB_APPLY, JOB_REMOVE, JOB_PROBE };

struct firewall_job {
	struct agent *agent; /* the loop's, but for what never changes (cfg) */
	struct firewall_job *next;
	int pool_fd; /* -1: there was none yet */
	struct work *work;
	struct call *call; /* NULL: nobody waits any more */
	struct firewall_seer *seers;
	enum job_kind kind;
	bool is_stale; /* of a look: the tables were changed since it began */
	bool is_local;
	char peer[HTTP_SERVER_ADDRESS_MAX];
	char *body;
	size_t n;
	json_t *result;
	bool is_changed;
};

static const char *const job_names[] = {
	[JOB_BOOT] = "boot",
	[JOB_LOOK] = "look",
	[JOB_APPLY] = "apply",
	[JOB_REMOVE] = "remove",
	[JOB_PROBE] = "probe",
};

static void job_free(struct firewall_job *j)
{
	struct firewall_job **at = &j->agent->firewall_jobs;

	while (*at && *at != j)
		at = &(*at)->next;
	if (*at)
		*at = j->next;
	json_decref(j->result);
	free(j->body);
	free(j);
}

/* --- in the thread: apply, remove ----------------------------------------------------------- */

/* Those that this host speaks to the model's nodes from.  To be freed. */
static struct firewall_net *sources_of(const struct firewall_model *m, size_t *ret_n)
{
	struct firewall_net *v = calloc(m->n_nodes ? m->n_nodes : 1, sizeof(*v));

	*ret_n = 0;
	/* One that no route leads to is not spoken to. */
	for (unsigned i = 0; v && i < m->n_nodes; i++)
		if (firewall_source(&v[*ret_n], &m->nodes[i]) == 0)
			++*ret_n;
	return v;
}

static int check(const struct firewall_job *j, const struct firewall_model *m, struct err *e)
{
	struct firewall_stand s = { .port = j->agent->cfg->port, .peer = j->peer };
	AUTO(free) struct firewall_net *sources = sources_of(m, &s.n_sources);

	if (!sources)
		return err_nomem(e);
	s.sources = sources;
	return firewall_stand_check(m, &s, e);
}

/* Whether the tables can be read at all: programs, privileges. */
static int check_host(char backend[8], struct err *e)
{
	AUTO(firewall_host) struct firewall_host h = { 0 };

	if (firewall_host_read(&h, e) < 0)
		return -1;
	(void)snprintf(backend, 8, "%s", h.backend);
	return 0;
}

static int check_saved(const struct firewall_job *j, const struct firewall_order *o, struct err *e)
{
	AUTO(free) struct firewall_model *m = calloc(1, sizeof(*m));
	char digest[FIREWALL_DIGEST_SIZE] = "";
	struct err why = ERR_INIT;

	if (!m)
		return err_nomem(e);
	if (firewall_saved_read(j->pool_fd, m, &why) == 0)
		firewall_model_digest(m, digest);
	/* One that cannot be read is nobody's, and is replaced. */
	return firewall_order_check_saved(o, digest, e);
}

static int apply_order(struct firewall_job *j, const struct firewall_order *o, struct err *e)
{
	char digest[FIREWALL_DIGEST_SIZE], backend[8];
	int fd = j->pool_fd;

	if (check(j, &o->model, e) < 0 || check_saved(j, o, e) < 0 || check_host(backend, e) < 0)
		return -1;
	if (o->is_check) {
		if (firewall_spare_ssh(&o->model, e) < 0)
			return -1;
	} else {
		if (firewall_host_apply(&o->model, &j->is_changed, e) < 0)
			return -1;
		if (firewall_saved_write(fd, &o->model, e) < 0)
			return err_wrap(e, "applied, but not kept for the next boot");
	}
	firewall_model_digest(&o->model, digest);
	j->result = json_pack("{s:i, s:b, s:s, s:s}", "format", AGENT_FORMAT, "changed",
	        j->is_changed, "digest", digest, "backend", backend);
	return j->result ? 0 : err_nomem(e);
}

static int apply(struct firewall_job *j, struct err *e)
{
	AUTO(free) struct firewall_order *o = calloc(1, sizeof(*o));
	int rc;

	if (!o)
		return err_nomem(e);
	rc = firewall_order_parse(o, j->body, j->n, e) < 0 ? -1 : apply_order(j, o, e);
	firewall_order_release(o);
	return rc;
}

static int remove_all(struct firewall_job *j, struct err *e)
{
	int fd = j->pool_fd;
	bool was_saved = firewall_state_is_saved(fd);

	if (firewall_host_remove(&j->is_changed, e) < 0 ||
	        (was_saved && firewall_saved_remove(fd, e) < 0))
		return -1;
	j->is_changed |= was_saved;
	j->result = json_pack("{s:i, s:b}", "format", AGENT_FORMAT, "changed", (int)j->is_changed);
	return j->result ? 0 : err_nomem(e);
}

/* --- in the thread: boot -------------------------------------------------------------------- */

static bool is_there(const struct firewall_host *h)
{
	return h->present[0].chains.n && (!h->has_v6 || h->present[1].chains.n);
}

/* The tables are empty after a reboot; a restart of the agent alone finds them as they were. */
static int boot(struct firewall_job *j, struct err *e)
{
	AUTO(free) struct firewall_model *m = calloc(1, sizeof(*m));
	AUTO(firewall_host) struct firewall_host h = { 0 };

	if (!m)
		return err_nomem(e);
	if (firewall_saved_read(j->pool_fd, m, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		return 0;
	}
	if (firewall_host_read(&h, e) < 0)
		return -1;
	return is_there(&h) ? 0 : firewall_host_apply(m, &j->is_changed, e);
}

/* --- in the thread: probe ------------------------------------------------------------------- */

static const char *reach_name(enum firewall_reach r)
{
	switch (r) {
	case FIREWALL_REACHED:
		return "reached";
	case FIREWALL_SILENT:
		return "silent";
	case FIREWALL_NO_ROUTE:
		break;
	}
	return "no-route";
}

static json_t *answer_of(
        const struct firewall_question *q, size_t i, const struct firewall_probe *p)
{
	json_t *list = json_array();
	struct firewall_net to, from;
	char source[FIREWALL_NET_SIZE] = "";

	if (firewall_address_parse(&to, q->addresses[i]) == 0 && firewall_source(&from, &to) == 0)
		(void)firewall_net_text(source, &from);
	for (size_t k = 0; list && k < q->n_ports; k++)
		if (json_array_append_new(list, json_string(reach_name(p[k].reach))) < 0)
			break;
	return json_pack(
	        "{s:s, s:s, s:o}", "address", q->addresses[i], "source", source, "reach", list);
}

static int ask_all(struct firewall_job *j, const struct firewall_question *q, struct err *e)
{
	size_t n = q->n_addresses * q->n_ports;
	AUTO(free) struct firewall_probe *p = calloc(n, sizeof(*p));
	AUTO(json) json_t *list = json_array();

	if (!p)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		p[i] = (struct firewall_probe){ .address = q->addresses[i / q->n_ports],
			.port = q->ports[i % q->n_ports] };
	if (firewall_probe_all(p, n, q->timeout_ns, e) < 0)
		return -1;
	for (size_t i = 0; i < q->n_addresses; i++)
		if (json_array_append_new(list, answer_of(q, i, p + i * q->n_ports)) < 0)
			return err_nomem(e);
	j->result = json_pack("{s:i, s:O}", "format", AGENT_FORMAT, "results", list);
	return j->result ? 0 : err_nomem(e);
}

/* Who has no more than the token may ask for nodes only: this is no scanner of networks. */
static int probe(struct firewall_job *j, struct err *e)
{
	AUTO(free) struct firewall_model *m = calloc(1, sizeof(*m));
	struct firewall_question *q;
	int rc;

	if (!m)
		return err_nomem(e);
	if (!j->is_local && firewall_saved_read(j->pool_fd, m, e) < 0)
		return err_wrap(e, "no firewall is applied here, so nothing is proved from here");
	q = firewall_question_parse(j->body, j->n, j->is_local ? NULL : m, e);
	rc = q ? ask_all(j, q, e) : -1;
	firewall_question_free(q);
	return rc;
}

static int run_locked(struct firewall_job *j, struct err *e)
{
	switch (j->kind) {
	case JOB_BOOT:
		return boot(j, e);
	case JOB_LOOK:
		j->result = firewall_state(j->pool_fd);
		return j->result ? 0 : err_nomem(e);
	case JOB_APPLY:
		return apply(j, e);
	case JOB_REMOVE:
		return remove_all(j, e);
	case JOB_PROBE:
		break;
	}
	return probe(j, e);
}

static int run(void *arg, const volatile int *cancel UNUSED, struct err *e)
{
	struct firewall_job *j = arg;
	int rc;

	if (j->kind == JOB_PROBE)
		return run_locked(j, e);
	(void)pthread_mutex_lock(&tables);
	rc = run_locked(j, e);
	(void)pthread_mutex_unlock(&tables);
	return rc;
}

/* --- on the loop ---------------------------------------------------------------------------- */

static void say_end(const struct firewall_job *j, int rc, const struct err *why)
{
	if (rc < 0 && j->kind != JOB_PROBE)
		log_warn("firewall: failed", "what=%s from=\"%s\" why=\"%s\"", job_names[j->kind],
		        j->peer, why->msg);
	else if (j->is_changed)
		log_info("firewall: changed", "what=%s from=\"%s\"", job_names[j->kind], j->peer);
}

static void tell_seers(struct firewall_job *j)
{
	while (j->seers) {
		struct firewall_seer *s = j->seers;

		j->seers = s->next;
		s->job = NULL;
		s->fn(s->arg, j->result);
	}
}

/* What was seen before is no longer so, and what is being looked at may be either. */
static void forget(struct agent *a)
{
	json_decref(a->firewall_seen);
	a->firewall_seen = NULL;
	for (struct firewall_job *j = a->firewall_jobs; j; j = j->next)
		j->is_stale = true;
}

static void on_done(void *arg, int rc, const struct err *why)
{
	struct firewall_job *j = arg;
	struct agent *a = j->agent;
	struct call *c = j->call;

	j->work = NULL;
	say_end(j, rc, why);
	if (j->kind == JOB_APPLY || j->kind == JOB_REMOVE || j->kind == JOB_BOOT)
		forget(a);
	if (j->kind == JOB_LOOK && rc == 0 && !j->is_stale) {
		json_decref(a->firewall_seen);
		a->firewall_seen = json_incref(j->result);
		a->firewall_seen_ns = clock_mono_ns();
	}
	tell_seers(j);
	if (c) {
		c->cancel = NULL;
		if (rc < 0)
			call_error(c, why);
		else
			call_json(c, 200, TAKE(j->result));
	}
	job_free(j);
}

/* The work goes on: what is half done helps nobody, and it is short. */
static void on_gone(struct call *c)
{
	struct firewall_job *j = c->work;

	j->call = NULL;
}

static struct firewall_job *start(struct agent *a, enum job_kind kind, struct call *c,
        const char *body, size_t n, struct err *e)
{
	struct firewall_job *j;
	unsigned jobs = 0;

	for (j = a->firewall_jobs; j; j = j->next)
		jobs++;
	if (jobs >= JOBS_MAX) {
		err_set(e, ERR_CONFLICT, "%d requests about the firewall go on already", JOBS_MAX);
		err_hint(e, "try again when one of them has ended");
		return NULL;
	}
	j = calloc(1, sizeof(*j));
	if (!j || !(j->body = calloc(1, n + 1))) {
		free(j);
		err_nomem(e);
		return NULL;
	}
	memcpy(j->body, body, n);
	j->agent = a;
	j->pool_fd = a->pool.fd;
	j->kind = kind;
	j->n = n;
	j->is_local = !c || c->is_local;
	(void)snprintf(j->peer, sizeof(j->peer), "%s", c ? c->peer : "");
	j->work = work_start(&a->loop, run, on_done, j, e);
	if (!j->work) {
		job_free(j);
		return NULL;
	}
	j->next = a->firewall_jobs;
	a->firewall_jobs = j;
	j->call = c;
	if (c) {
		c->work = j;
		c->cancel = on_gone;
	}
	return j;
}

void firewall_start(struct call *c, const struct route *r, const char *body, size_t n)
{
	struct err e = ERR_INIT;
	enum job_kind kind = r->kind == ROUTE_FIREWALL_APPLY ? JOB_APPLY
	        : r->kind == ROUTE_FIREWALL_REMOVE           ? JOB_REMOVE
	                                                     : JOB_PROBE;

	if (!start(c->agent, kind, c, body, n, &e))
		call_error(c, &e);
}

void firewall_boot(struct agent *a)
{
	struct err e = ERR_INIT;

	if (a->is_firewall_booted || a->pool.fd < 0)
		return;
	a->is_firewall_booted = true;
	if (firewall_state_is_saved(a->pool.fd) && !start(a, JOB_BOOT, NULL, "", 0, &e))
		log_error("firewall: failed", "what=boot why=\"%s\"", e.msg);
}

/* --- what is there -------------------------------------------------------------------------- */

json_t *firewall_see(struct agent *a, struct firewall_seer *s, int64_t max_age_ns)
{
	struct firewall_job *j = a->firewall_jobs;
	struct err e = ERR_INIT;

	s->job = NULL;
	if (max_age_ns > 0 && (a->pool.fd < 0 || !firewall_state_is_saved(a->pool.fd)))
		return json_pack("{s:b}", "is_saved", false);
	if (a->firewall_seen && clock_mono_ns() - a->firewall_seen_ns < max_age_ns)
		return json_incref(a->firewall_seen);
	while (j && (max_age_ns <= 0 || j->kind != JOB_LOOK || j->is_stale))
		j = j->next;
	if (!j)
		j = start(a, JOB_LOOK, NULL, "", 0, &e);
	if (!j)
		return json_pack("{s:b, s:o}", "is_saved", true, "error", json_of_err(&e));
	s->job = j;
	s->next = j->seers;
	j->seers = s;
	return NULL;
}

void firewall_unsee(struct firewall_seer *s)
{
	struct firewall_seer **at = s->job ? &s->job->seers : NULL;

	while (at && *at != s)
		at = &(*at)->next;
	if (at)
		*at = s->next;
	s->job = NULL;
}

struct seen_call {
	struct firewall_seer seer;
	struct call *call;
	firewall_answer_fn *answer;
};

static void on_seen(void *arg, const json_t *firewall)
{
	struct seen_call *s = arg;
	struct call *c = s->call;
	firewall_answer_fn *answer = s->answer;

	free(s);
	c->cancel = NULL;
	answer(c, firewall);
}

static void on_seen_gone(struct call *c)
{
	struct seen_call *s = c->work;

	firewall_unsee(&s->seer);
	free(s);
}

void firewall_then(struct call *c, int64_t max_age_ns, firewall_answer_fn *answer)
{
	struct seen_call *s = calloc(1, sizeof(*s));
	AUTO(json) json_t *now = NULL;

	if (!s) {
		call_json(c, 200, NULL);
		return;
	}
	*s = (struct seen_call){ .seer = { .fn = on_seen, .arg = s }, .call = c, .answer = answer };
	now = firewall_see(c->agent, &s->seer, max_age_ns);
	if (!s->seer.job) {
		free(s);
		answer(c, now);
		return;
	}
	c->work = s;
	c->cancel = on_seen_gone;
}

void firewall_end(struct agent *a)
{
	while (a->firewall_jobs) {
		struct firewall_job *j = a->firewall_jobs;

		work_free(j->work);
		tell_seers(j);
		job_free(j);
	}
	json_decref(a->firewall_seen);
	a->firewall_seen = NULL;
}
