#include "sample/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "http/probe.h"
#include "http/url.h"

/*
 * One question at a time: on_X() takes the reply to one and go_on() asks the next, until nothing is
 * left to ask, the time is over or the connection fails.  Each question is a probe of its own,
 * freed with its reply, so that a reply of megabytes leaves no memory behind; the connection is the
 * prober's and stays.
 */

#define URL_MAX   200 /* of the base: with a path it fits whole into any message of the probe */
#define PATH_SIZE 40

#define RARELY_NS (10 * NS_PER_SEC) /* between questions for peers, and for the database */
#define SELDOM_NS (60 * NS_PER_SEC) /* where that plugin is not reached */

#define INFO_MAX     (64U * 1024)
#define SCHEDULE_MAX (256U * 1024)
#define DB_MAX       (256U * 1024)

enum step { STEP_IDS, STEP_BLOCKS, STEP_SCHEDULE, STEP_PEERS, STEP_DB, STEP_END };

struct sample_asker {
	struct http_prober *prober;
	char base[URL_MAX + 1];
	bool only_chain;
	bool is_running;
	struct http_probe *probe;      /* of the question under way */
	char url[URL_MAX + PATH_SIZE]; /* its */
	struct sample_request request; /* and so on: of this run */
	int64_t limit_ns, until_ns;
	enum step step;
	size_t height;     /* the next of the request's */
	uint32_t num;      /* the next block */
	bool is_uncounted; /* that one: get_block has failed */
	struct sample s;
	sample_fn *fn;
	void *arg;
	/* From one run to the next. */
	int64_t peers_asked_ns, db_asked_ns; /* 0: never */
	int peers_connected, peers_configured;
	double db_used_percent;
};

static void go_on(struct sample_asker *a);

/* Last in whatever calls it: the owner's function may free a, or start it again. */
static void finish(struct sample_asker *a)
{
	struct sample s = a->s;

	a->s = SAMPLE_INIT;
	a->is_running = false;
	http_probe_free(TAKE(a->probe));
	s.peers_connected = a->peers_connected;
	s.peers_configured = a->peers_configured;
	s.db_used_percent = a->db_used_percent;
	a->fn(a->arg, &s);
	sample_release(&s);
}

static int ask(struct sample_asker *a, const char *path, const char *body, size_t max_reply,
        http_probe_fn *fn, struct err *e)
{
	int64_t left = a->until_ns - clock_mono_ns();

	http_probe_free(TAKE(a->probe));
	if (left <= 0)
		return err_set(e, ERR_TIMEOUT, "no time is left to ask");
	snprintf(a->url, sizeof(a->url), "%s%s", a->base, path);
	a->probe = http_probe_new(a->prober, a->url, max_reply, e);
	return a->probe ? http_probe_start(a->probe, body, left, fn, a, e) : -1;
}

/* A question whose answer is not had in any way that the owner could do something about. */
static void ask_next(struct sample_asker *a, const char *path, const char *body, size_t max_reply,
        http_probe_fn *fn)
{
	struct err e = ERR_INIT;

	if (ask(a, path, body, max_reply, fn, &e) < 0)
		finish(a);
}

/* --- get_info ------------------------------------------------------------------------------ */

/* Why there is no reply, without the URL: it may have a password, and whoever reads this knows
 * which node it is. */
static void say_failure(struct sample_asker *a, const struct err *why)
{
	char prefix[sizeof(a->url) + 16], limit[NUM_TEXT_MAX];
	const char *reason;

	snprintf(prefix, sizeof(prefix), "GET '%s': ", a->url);
	if (why->kind == ERR_TIMEOUT)
		snprintf(a->s.why, sizeof(a->s.why), "no answer within %s",
		        num_duration_text(limit, a->limit_ns));
	else
		snprintf(a->s.why, sizeof(a->s.why), "%s",
		        str_starts(why->msg, prefix, &reason) ? reason : "it cannot be asked");
}

static void on_info(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct sample_asker *a = arg;
	struct err e = ERR_INIT;

	if (r->failure) {
		say_failure(a, r->failure);
	} else if (nodeos_info_parse(&a->s.info, r->body, r->len, &e) < 0) {
		snprintf(a->s.why, sizeof(a->s.why), "HTTP status %ld, %.*s", r->status,
		        (int)sizeof(a->s.why) - 40, e.msg);
	} else {
		a->s.state = SAMPLE_ANSWERS;
		a->s.real_ns = clock_real_ns();
		a->s.answer_ns = r->elapsed_ns;
	}
	str_printable(a->s.why);
	if (a->s.state == SAMPLE_ANSWERS)
		go_on(a);
	else
		finish(a);
}

/* --- ids ----------------------------------------------------------------------------------- */

static void add_id(struct sample_asker *a, uint32_t num, const char *id)
{
	struct sample_id *at = &a->s.ids[a->s.n_ids++];

	at->num = num;
	snprintf(at->id, sizeof(at->id), "%s", id);
}

static void on_id(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct sample_asker *a = arg;
	uint32_t num = a->request.heights[a->height++];
	struct nodeos_block_info got;
	struct err e = ERR_INIT;
	int rc;

	if (r->failure) {
		finish(a);
		return;
	}
	rc = nodeos_block_info_parse(&got, r->body, r->len, &e);
	if (rc == 1)
		add_id(a, num, "");
	else if (rc == 0 && got.block_num == num)
		add_id(a, num, got.id);
	go_on(a);
}

/* Whether a height is left to be asked for.  What get_info has said already is taken from there. */
static bool wants_id(struct sample_asker *a)
{
	const struct nodeos_info *i = &a->s.info;

	for (; a->height < a->request.n_heights; a->height++) {
		uint32_t num = a->request.heights[a->height];

		if (num > i->head_block_num)
			add_id(a, num, "");
		else if (num == i->head_block_num)
			add_id(a, num, i->head_block_id);
		else if (num == i->last_irreversible_block_num)
			add_id(a, num, i->last_irreversible_block_id);
		else
			return true;
	}
	return false;
}

static void ask_id(struct sample_asker *a)
{
	char body[48];

	snprintf(body, sizeof(body), "{\"block_num\":%u}", (unsigned)a->request.heights[a->height]);
	ask_next(a, "/v1/chain/get_block_info", body, INFO_MAX, on_id);
}

/* --- blocks -------------------------------------------------------------------------------- */

static void on_block(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct sample_asker *a = arg;
	struct nodeos_block got;
	struct err e = ERR_INIT;
	int rc = -1;

	if (!r->failure) {
		rc = nodeos_block_parse(&got, r->body, r->len, &e);
	} else if (r->failure->kind != ERR_PROTOCOL || a->is_uncounted) {
		finish(a);
		return;
	}
	if (rc == 0 && got.num == a->num) {
		a->s.blocks[a->s.n_blocks++] = got;
		a->num++;
		a->is_uncounted = false;
	} else if (rc < 0 && !a->is_uncounted) {
		/* Too large, or too much work for nodeos within its own limit: ask for less. */
		a->is_uncounted = true;
	} else {
		a->step++;
	}
	go_on(a);
}

static bool wants_block(struct sample_asker *a)
{
	return a->request.first && a->num <= a->request.last &&
	        a->num <= a->s.info.head_block_num && a->s.n_blocks < SAMPLE_BLOCKS_MAX;
}

static void ask_block(struct sample_asker *a)
{
	char body[48];

	snprintf(body, sizeof(body), "{\"%s\":%u}",
	        a->is_uncounted ? "block_num" : "block_num_or_id", (unsigned)a->num);
	ask_next(a, a->is_uncounted ? "/v1/chain/get_block_info" : "/v1/chain/get_block", body,
	        NODEOS_REPLY_MAX, on_block);
}

/* --- the schedule, peers, the database ----------------------------------------------------- */

static bool is_good(const struct http_probe_result *r)
{
	return r->status >= 200 && r->status <= 299;
}

/* Whether it is time for what is asked for rarely; it counts as asked then. */
static bool is_due(const struct sample_asker *a, int64_t *asked_ns)
{
	int64_t now = clock_mono_ns();

	if (a->only_chain || (*asked_ns && now - *asked_ns < RARELY_NS))
		return false;
	*asked_ns = now;
	return true;
}

/* Two hundred public nodes that are asked in vain are a tenth of all requests. */
static void note_missing(const struct http_probe_result *r, int64_t *asked_ns)
{
	if (r->status == 404)
		*asked_ns += SELDOM_NS - RARELY_NS;
}

/* What was not answered is unknown, and the next one is asked, unless the time or the connection is
 * gone. */
static void next_step(struct sample_asker *a, const struct http_probe_result *r)
{
	a->step++;
	if (r->failure)
		finish(a);
	else
		go_on(a);
}

static void on_schedule(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct sample_asker *a = arg;
	struct err e = ERR_INIT;

	a->s.has_schedule =
	        is_good(r) && nodeos_schedule_parse(&a->s.schedule, r->body, r->len, &e) == 0;
	next_step(a, r);
}

static bool wants_schedule(struct sample_asker *a)
{
	return a->request.wants_schedule;
}

static void ask_schedule(struct sample_asker *a)
{
	ask_next(a, "/v1/chain/get_producer_schedule", "{}", SCHEDULE_MAX, on_schedule);
}

static void on_peers(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct sample_asker *a = arg;
	struct nodeos_peers_info p;
	struct err e = ERR_INIT;

	if (is_good(r) && nodeos_peers_info_parse(&p, r->body, r->len, NULL, NULL, NULL, &e) == 0) {
		a->peers_connected = (int)p.handshaken;
		a->peers_configured = (int)p.configured;
	}
	note_missing(r, &a->peers_asked_ns);
	next_step(a, r);
}

static bool wants_peers(struct sample_asker *a)
{
	return is_due(a, &a->peers_asked_ns);
}

static void ask_peers(struct sample_asker *a)
{
	a->peers_connected = a->peers_configured = -1;
	ask_next(a, "/v1/net/connections", "", NODEOS_REPLY_MAX, on_peers);
}

static void on_db(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct sample_asker *a = arg;
	struct nodeos_db_size d;
	struct err e = ERR_INIT;

	if (is_good(r) && nodeos_db_size_parse(&d, r->body, r->len, &e) == 0 && d.size_bytes)
		a->db_used_percent = 100.0 - 100.0 * (double)d.free_bytes / (double)d.size_bytes;
	note_missing(r, &a->db_asked_ns);
	next_step(a, r);
}

static bool wants_db(struct sample_asker *a)
{
	return is_due(a, &a->db_asked_ns);
}

static void ask_db(struct sample_asker *a)
{
	a->db_used_percent = -1;
	ask_next(a, "/v1/db_size/get", "", DB_MAX, on_db);
}

/* --- a run ----------------------------------------------------------------------------------- */

static const struct {
	/* Whether something is left to ask in that step. */
	bool (*wants)(struct sample_asker *a);
	void (*ask)(struct sample_asker *a);
} steps[] = {
	[STEP_IDS] = { wants_id, ask_id },
	[STEP_BLOCKS] = { wants_block, ask_block },
	[STEP_SCHEDULE] = { wants_schedule, ask_schedule },
	[STEP_PEERS] = { wants_peers, ask_peers },
	[STEP_DB] = { wants_db, ask_db },
};

static void go_on(struct sample_asker *a)
{
	for (; a->step < STEP_END; a->step++)
		if (steps[a->step].wants(a)) {
			steps[a->step].ask(a);
			return;
		}
	finish(a);
}

static int check_base(struct sample_asker *a, const char *url, struct err *e)
{
	AUTO(http_url) struct http_url u = { .port = 0 };
	const char *host;
	size_t n;

	if (!str_starts(url, "http://", &host) && !str_starts(url, "https://", &host))
		return err_set(e, ERR_USAGE, "'%s' is not an http:// or https:// URL", url);
	if (http_url_parse(&u, url, e) < 0)
		return -1;
	if (strcmp(u.path, "/") != 0) {
		err_set(e, ERR_USAGE, "the URL of a nodeos has a path, '%s'", u.path);
		return err_hint(e, "give only scheme, host and port");
	}
	n = (size_t)(host - url) + strcspn(host, "/?#");
	if (n > URL_MAX)
		return err_set(e, ERR_USAGE, "the URL of a nodeos has more than %d bytes", URL_MAX);
	memcpy(a->base, url, n);
	return 0;
}

struct sample_asker *sample_asker_new(struct http_prober *p, const char *base_url, struct err *e)
{
	AUTO(free) struct sample_asker *a = calloc(1, sizeof(*a));

	if (!a) {
		err_nomem(e);
		return NULL;
	}
	if (check_base(a, base_url, e) < 0)
		return NULL;
	a->prober = p;
	a->s = SAMPLE_INIT;
	a->peers_connected = a->peers_configured = -1;
	a->db_used_percent = -1;
	http_prober_keep(p, 1);
	return TAKE(a);
}

void sample_asker_free(struct sample_asker *a)
{
	if (!a)
		return;
	http_probe_free(a->probe);
	http_prober_keep(a->prober, -1);
	sample_release(&a->s);
	free(a);
}

void sample_asker_only_chain(struct sample_asker *a)
{
	a->only_chain = true;
}

bool sample_asker_is_running(const struct sample_asker *a)
{
	return a->is_running;
}

static int allocate(struct sample *s, const struct sample_request *q, struct err *e)
{
	s->state = SAMPLE_SILENT;
	s->ids = calloc(SAMPLE_HEIGHTS_MAX, sizeof(*s->ids));
	s->blocks = q->first ? calloc(SAMPLE_BLOCKS_MAX, sizeof(*s->blocks)) : NULL;
	return s->ids && (s->blocks || !q->first) ? 0 : err_nomem(e);
}

int sample_asker_start(struct sample_asker *a, const struct sample_request *q, int64_t limit_ns,
        sample_fn *fn, void *arg, struct err *e)
{
	if (a->is_running)
		return err_set(e, ERR_CONFLICT, "it is already being asked");
	a->request = *q;
	a->limit_ns = limit_ns;
	a->until_ns = clock_mono_ns() + limit_ns;
	a->step = STEP_IDS;
	a->height = 0;
	a->num = q->first;
	a->is_uncounted = false;
	a->fn = fn;
	a->arg = arg;
	if (allocate(&a->s, q, e) < 0 ||
	        ask(a, "/v1/chain/get_info", NULL, INFO_MAX, on_info, e) < 0) {
		http_probe_free(TAKE(a->probe));
		sample_release(&a->s);
		return -1;
	}
	a->is_running = true;
	return 0;
}
