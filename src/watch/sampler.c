#include "watch/sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "deploy/view_sample.h"
#include "http/probe.h"
#include "http/url.h"
#include "loop/loop.h"
#include "loop/work.h"
#include "sample/ask.h"
#include "watch/from_view.h"

/*
 * One round on the loop: each URL's asker is started, and beside it a job in a thread, which loads
 * the view of the stack if that is due, and then another that asks the agents.  A job that has not
 * ended when the round does runs on, and no other is started until it has; what it brings is then
 * too old to be told.
 */

#define VIEW_NS        (2 * NS_PER_SEC) /* how old the list of tasks may be */
#define SLACK_NS       (250 * NS_PER_MS) /* what a round may take beyond the time that each node has */
#define LOOK_MS        100               /* for Ctrl-C */
#define NAME_MAX_BYTES 160

struct url {
	struct sampler *s;
	struct sample_asker *asker;
	enum watch_kind kind;
	char name[NAME_MAX_BYTES];
	int node;     /* of the model */
	bool is_open; /* it was asked in this round, and nothing has been told of it yet */
};

struct slot {
	const struct view_task *task; /* of the view */
	int node;
	bool is_told; /* in this round */
};

struct sampler {
	struct watch *w;
	struct sampler_config c;
	struct loop loop;
	struct http_prober *prober;
	struct url *urls;
	size_t n_urls, urls_open;

	struct view *view; /* NULL: never loaded */
	struct slot *slots;
	size_t n_slots;
	int64_t view_due_ns;
	struct err view_err; /* why it could not be loaded, the last time */

	struct work *work; /* a job; while it runs the view and what follows are the thread's */
	uint64_t work_round;
	int64_t work_since_ns;
	bool is_load;
	struct view *loaded;
	struct view_sample *samples;
	size_t n_samples;

	/* The round under way. */
	uint64_t round;
	bool is_slots_done;
	struct err err;
	uint32_t height; /* 0: the model's */
	canary_tell_fn *tell;
	void *to;
};

/* --- URLs ------------------------------------------------------------------------------------ */

/* "http://[::1]:8888": without user, path and query. */
static void url_name(char *out, size_t size, const struct http_url *u)
{
	bool is_default = u->port == (strcmp(u->scheme, "https") == 0 ? 443 : 80);
	char port[8] = "";

	if (!is_default)
		snprintf(port, sizeof(port), ":%u", u->port);
	snprintf(out, size, u->is_ipv6 ? "%s://[%s]%s" : "%s://%s%s", u->scheme, u->host, port);
	str_printable(out);
}

/* What an asker takes: with the user, without what begins at the path. */
static char *url_base(const char *text)
{
	const char *host = strstr(text, "://") + 3;

	return strndup(text, (size_t)(host - text) + strcspn(host, "/?#"));
}

/* Not quoted as it was given: a password may stand there. */
static int check_url(const struct http_url *u, struct err *e)
{
	char name[NAME_MAX_BYTES];

	url_name(name, sizeof(name), u);
	if (strcmp(u->scheme, "http") != 0 && strcmp(u->scheme, "https") != 0)
		return err_set(e, ERR_USAGE, "'%.20s://' is not http:// or https://", u->scheme);
	if (strcmp(u->path, "/") != 0)
		return err_set(e, ERR_USAGE, "the URL has a path: '%.100s' is enough", name);
	return 0;
}

static int add_url(struct sampler *s, enum watch_kind kind, const char *text, struct err *e)
{
	struct url *u = &s->urls[s->n_urls];
	AUTO(http_url) struct http_url url = { .port = 0 };
	AUTO(free) char *base = NULL;

	if (http_url_parse(&url, text, e) < 0 || check_url(&url, e) < 0)
		return err_hint(e, "a node is http://HOST[:PORT], or https://");
	*u = (struct url){ .s = s, .kind = kind };
	url_name(u->name, sizeof(u->name), &url);
	for (size_t i = 0; i < s->n_urls; i++)
		if (s->urls[i].kind == kind && strcmp(s->urls[i].name, u->name) == 0)
			return 0;
	base = url_base(text);
	if (!base)
		return err_nomem(e);
	u->asker = sample_asker_new(s->prober, base, e);
	if (!u->asker)
		return -1;
	s->n_urls++;
	u->node = watch_add(s->w, &(struct watch_who){ kind, u->name, "" }, e);
	return u->node < 0 ? -1 : 0;
}

static int add_urls(struct sampler *s, struct err *e)
{
	const struct strvec *own = s->c.nodes, *references = s->c.references;
	size_t n_own = own ? own->n : 0, n_references = references ? references->n : 0;

	s->urls = calloc(n_own + n_references + 1, sizeof(*s->urls));
	if (!s->urls)
		return err_nomem(e);
	for (size_t i = 0; i < n_own; i++)
		if (add_url(s, WATCH_OWN, own->v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < n_references; i++)
		if (add_url(s, WATCH_REFERENCE, references->v[i], e) < 0)
			return -1;
	return 0;
}

struct sampler *sampler_new(struct watch *w, const struct sampler_config *c, struct err *e)
{
	AUTO(sampler_free) struct sampler *s = calloc(1, sizeof(*s));

	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->w = w;
	s->c = *c;
	s->loop.epfd = -1;
	if (loop_init(&s->loop, e) < 0)
		return NULL;
	s->prober = http_prober_new(&s->loop, e);
	if (!s->prober || add_urls(s, e) < 0)
		return NULL;
	return TAKE(s);
}

static void release_job(struct sampler *s)
{
	if (s->samples)
		view_samples_release(s->samples, s->n_samples);
	for (size_t i = 0; i < s->n_samples; i++)
		json_decref((json_t *)(uintptr_t)s->samples[i].request);
	free(s->samples);
	view_free(s->loaded);
	s->samples = NULL;
	s->n_samples = 0;
	s->loaded = NULL;
}

void sampler_free(struct sampler *s)
{
	if (!s)
		return;
	work_free(s->work);
	release_job(s);
	for (size_t i = 0; i < s->n_urls; i++)
		sample_asker_free(s->urls[i].asker);
	free(s->urls);
	free(s->slots);
	view_free(s->view);
	http_prober_free(s->prober);
	if (s->loop.epfd >= 0)
		loop_release(&s->loop);
	free(s);
}

/* --- what a node has told --------------------------------------------------------------------- */

static const char *id_at(const struct sample *sample, uint32_t height)
{
	if (height == sample->info.head_block_num)
		return sample->info.head_block_id;
	for (size_t i = 0; i < sample->n_ids; i++)
		if (sample->ids[i].num == height)
			return sample->ids[i].id;
	return "";
}

static void tell_word(struct sampler *s, struct canary_word *w, const struct sample *sample)
{
	if (sample->state == SAMPLE_ANSWERS) {
		w->head = sample->info.head_block_num;
		w->lib = sample->info.last_irreversible_block_num;
		w->id = id_at(sample, s->height);
	} else {
		w->why = sample->why;
	}
	s->tell(s->to, w);
}

static void on_url(void *arg, struct sample *sample)
{
	struct url *u = arg;
	struct sampler *s = u->s;

	if (!u->is_open)
		return;
	u->is_open = false;
	s->urls_open--;
	if (s->height)
		tell_word(s, &(struct canary_word){ u->kind, u->name, "", .id = "" }, sample);
	else
		watch_see(s->w, u->node, sample, clock_mono_ns());
}

static void see_slot(struct sampler *s, struct slot *slot, struct sample *sample)
{
	const struct view_task *t = slot->task;

	slot->is_told = true;
	if (s->height)
		tell_word(
		        s, &(struct canary_word){ WATCH_OWN, t->name, t->host, .id = "" }, sample);
	else
		watch_see(s->w, slot->node, sample, clock_mono_ns());
}

static void lose_slot(struct sampler *s, struct slot *slot, const char *why)
{
	const struct view_task *t = slot->task;

	slot->is_told = true;
	if (s->height)
		s->tell(s->to, &(struct canary_word){ WATCH_OWN, t->name, t->host, why, .id = "" });
	else
		watch_lose(s->w, slot->node, why, clock_mono_ns());
}

/* --- the stack's tasks ------------------------------------------------------------------------ */

static bool has_node(const struct slot *slots, size_t n, int node)
{
	for (size_t i = 0; i < n; i++)
		if (slots[i].node == node)
			return true;
	return false;
}

/* The slots of the view that was loaded become the model's nodes; those that are gone are not
 * missed. */
static int take_view(struct sampler *s, struct err *e)
{
	AUTO(free) struct slot *slots = calloc(s->loaded->n_tasks + 1, sizeof(*slots));
	size_t n = 0;

	if (!slots)
		return err_nomem(e);
	for (size_t i = 0; i < s->loaded->n_tasks; i++) {
		const struct view_task *t = &s->loaded->tasks[i];

		if (!watch_is_wanted(t))
			continue;
		slots[n].task = t;
		slots[n].node =
		        watch_add(s->w, &(struct watch_who){ WATCH_OWN, t->name, t->host }, e);
		if (slots[n].node < 0)
			return -1;
		n++;
	}
	for (size_t i = 0; i < s->n_slots; i++)
		if (!has_node(slots, n, s->slots[i].node))
			watch_remove(s->w, s->slots[i].node);
	free(s->slots);
	s->slots = TAKE(slots);
	s->n_slots = n;
	view_free(s->view);
	s->view = TAKE(s->loaded);
	return 0;
}

/* --- jobs ------------------------------------------------------------------------------------- */

/* In the thread. */
static int do_job(void *arg, const volatile int *cancel UNUSED, struct err *e)
{
	struct sampler *s = arg;
	const struct view_query q = { .stack = s->c.stack,
		.pool = s->c.pool,
		.agents = s->c.agents,
		.no_status = true,
		.interrupted = s->c.interrupted };

	if (s->is_load)
		return view_load(&s->loaded, s->c.engine, &q, e);
	return view_ask_samples(
	        s->view, s->c.engine, &q, s->samples, s->n_samples, s->c.limit_ns, e);
}

static int ask_slots(struct sampler *s, struct err *e);
static void on_job(void *arg, int rc, const struct err *why);

static int start_job(struct sampler *s, bool is_load, struct err *e)
{
	s->is_load = is_load;
	s->work_round = s->round;
	s->work_since_ns = clock_mono_ns();
	s->work = work_start(&s->loop, do_job, on_job, s, e);
	return s->work ? 0 : -1;
}

/* The request of each slot.  The job takes them over. */
static int make_requests(struct sampler *s, struct err *e)
{
	s->samples = calloc(s->n_slots ? s->n_slots : 1, sizeof(*s->samples));
	if (!s->samples)
		return err_nomem(e);
	for (size_t i = 0; i < s->n_slots; i++) {
		struct sample_request q = { .n_heights = 0 };

		if (s->height)
			q.heights[q.n_heights++] = s->height;
		else
			watch_ask(s->w, s->slots[i].node, &q);
		s->samples[i].task = s->slots[i].task;
		s->samples[i].request = sample_request_json(&q);
		s->n_samples++;
		if (!s->samples[i].request)
			return err_nomem(e);
	}
	return 0;
}

static int ask_slots(struct sampler *s, struct err *e)
{
	if (make_requests(s, e) == 0 && start_job(s, false, e) == 0)
		return 0;
	release_job(s);
	return -1;
}

static void take_samples(struct sampler *s)
{
	for (size_t i = 0; i < s->n_samples; i++) {
		AUTO(sample) struct sample sample = SAMPLE_INIT;
		struct err why = ERR_INIT;

		if (!s->samples[i].sample)
			lose_slot(s, &s->slots[i], s->samples[i].why);
		else if (sample_parse(&sample, s->samples[i].sample, &why) < 0)
			lose_slot(s, &s->slots[i], why.msg);
		else
			see_slot(s, &s->slots[i], &sample);
	}
}

/* The end of the slots' part of this round; the first error counts. */
static void end_slots(struct sampler *s, const struct err *why)
{
	s->is_slots_done = true;
	if (why && s->err.kind == ERR_NONE)
		s->err = *why;
}

/* What was loaded is used whenever it comes; whether it could be is the round's result. */
static void on_loaded(struct sampler *s, int rc, const struct err *why)
{
	bool is_ours = s->work_round == s->round;
	struct err e = ERR_INIT;

	s->view_due_ns = clock_mono_ns() + VIEW_NS;
	s->view_err = ERR_INIT;
	if (rc < 0)
		s->view_err = *why;
	else if (take_view(s, &s->view_err) < 0)
		s->view_due_ns = 0;
	view_free(TAKE(s->loaded));
	if (!is_ours)
		return;
	if (s->view_err.kind != ERR_NONE && s->err.kind == ERR_NONE)
		s->err = s->view_err;
	if (!s->view || s->err.kind == ERR_INTERRUPTED)
		end_slots(s, NULL);
	else if (ask_slots(s, &e) < 0)
		end_slots(s, &e);
}

static void on_job(void *arg, int rc, const struct err *why)
{
	struct sampler *s = arg;

	s->work = NULL;
	if (s->is_load) {
		on_loaded(s, rc, why);
		return;
	}
	if (s->work_round == s->round) {
		if (rc == 0)
			take_samples(s);
		end_slots(s, rc < 0 ? why : NULL);
	}
	release_job(s);
}

/* --- rounds ----------------------------------------------------------------------------------- */

static void lose_url(struct url *u, const char *why)
{
	struct sampler *s = u->s;

	if (s->height)
		s->tell(s->to, &(struct canary_word){ u->kind, u->name, "", .why = why, .id = "" });
	else
		watch_lose(s->w, u->node, why, clock_mono_ns());
}

static void start_urls(struct sampler *s)
{
	s->urls_open = 0;
	for (size_t i = 0; i < s->n_urls; i++) {
		struct sample_request q = { .n_heights = 0 };
		struct url *u = &s->urls[i];
		struct err why = ERR_INIT;

		if (s->height)
			q.heights[q.n_heights++] = s->height;
		else
			watch_ask(s->w, u->node, &q);
		u->is_open = sample_asker_start(u->asker, &q, s->c.limit_ns, on_url, u, &why) == 0;
		if (u->is_open)
			s->urls_open++;
		else
			lose_url(u, why.msg);
	}
}

static void start_slots(struct sampler *s)
{
	struct err e = ERR_INIT;
	int rc;

	s->is_slots_done = !s->c.engine || s->work;
	if (s->is_slots_done)
		return;
	if (!s->view || clock_mono_ns() >= s->view_due_ns)
		rc = start_job(s, true, &e);
	else
		rc = ask_slots(s, &e);
	if (rc < 0)
		end_slots(s, &e);
}

static void lose_open_urls(struct sampler *s)
{
	for (size_t i = 0; i < s->n_urls; i++) {
		if (s->urls[i].is_open)
			lose_url(&s->urls[i], "it has not answered in time");
		s->urls[i].is_open = false;
	}
}

/* Those whom nobody has spoken of. */
static void lose_open_slots(struct sampler *s)
{
	double seconds = (double)(clock_mono_ns() - s->work_since_ns) / NS_PER_SEC;
	char why[ERR_MSG_MAX];

	if (s->err.kind != ERR_NONE)
		snprintf(why, sizeof(why), "%s", s->err.msg);
	else
		snprintf(why, sizeof(why), "the %s not answered for %.1f s",
		        s->is_load ? "engine has" : "hosts' agents have", seconds);
	for (size_t i = 0; i < s->n_slots; i++)
		if (!s->slots[i].is_told)
			lose_slot(s, &s->slots[i], why);
}

static int wait_for_all(struct sampler *s, struct err *e)
{
	int64_t deadline = clock_mono_ns() + s->c.limit_ns + SLACK_NS, left;

	while (s->urls_open || !s->is_slots_done) {
		if (s->c.interrupted && *s->c.interrupted)
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		/* Without any list of tasks there is no round; the engine's own limit holds. */
		left = deadline - clock_mono_ns();
		if (left <= 0 && (s->view || !s->c.engine || s->is_slots_done))
			break;
		if (left <= 0 || left > LOOK_MS * NS_PER_MS)
			left = LOOK_MS * NS_PER_MS;
		if (loop_once(&s->loop, (int)((left + NS_PER_MS - 1) / NS_PER_MS), e) < 0)
			return -1;
	}
	return 0;
}

static int run_round(struct sampler *s, struct err *e)
{
	/* A job of a former round may have ended meanwhile. */
	if (s->work && loop_once(&s->loop, 0, e) < 0)
		return -1;
	s->round++;
	s->err = ERR_INIT;
	for (size_t i = 0; i < s->n_slots; i++)
		s->slots[i].is_told = false;
	start_urls(s);
	start_slots(s);
	if (wait_for_all(s, e) < 0)
		return -1;
	if (s->err.kind != ERR_INTERRUPTED) {
		lose_open_urls(s);
		lose_open_slots(s);
	}
	if (s->err.kind == ERR_NONE)
		return 0;
	*e = s->err;
	return -1;
}

int sampler_round(struct sampler *s, struct err *e)
{
	int rc;

	s->height = 0;
	rc = run_round(s, e);
	if (rc == 0 || e->kind != ERR_INTERRUPTED)
		watch_judge(s->w, clock_mono_ns());
	return rc;
}

int sampler_ask_height(
        void *sampler, uint32_t height, canary_tell_fn *tell, void *to, struct err *e)
{
	struct sampler *s = sampler;
	int rc;

	s->height = height ? height : 1;
	s->tell = tell;
	s->to = to;
	rc = run_round(s, e);
	s->tell = NULL;
	/* That the list of tasks could not be loaded anew is no reason to stop following. */
	if (rc < 0 && e->kind != ERR_INTERRUPTED && s->view) {
		err_clear(e);
		rc = 0;
	}
	return rc;
}
