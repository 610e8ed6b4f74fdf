/*
 * All jobs in one reply, made in pieces
 *
 * Ten thousand jobs are megabytes of JSON and a tenth of a second, during which a thousand workers
 * would wait.  So a long list is answered later: a piece in each round of the loop, requests
 * between them.  A job that changes meanwhile is in the list as it was or as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "replay/orch_priv.h"

#define PIECE     64 /* jobs; below a millisecond */
#define LISTS_MAX 4  /* at a time; each is some megabytes */
#define LIST_MAX  (256U * 1024 * 1024)

enum form { FORM_V1, FORM_JSON, FORM_HTML, FORM_TEXT };

static const struct {
	const char *type, *head, *between, *foot;
} forms[] = {
	[FORM_V1] = { "application/json", "{\"format\":1,\"jobs\":[", ",", "]}" },
	[FORM_JSON] = { "application/json", "[", ", ", "]" },
	[FORM_HTML] = { "text/html", orch_status_html_head, "", orch_html_foot },
	[FORM_TEXT] = { "text/plain; charset=uft-8", orch_status_text_head, "",
	        orch_status_text_foot },
};

struct orch_list {
	struct orchestrator *o;
	struct orch_list *prev, *next;
	struct http_server_call *call; /* NULL: not answered later */
	struct loop_timer timer;
	struct book_now now;
	enum form form;
	int status;     /* only these; -1: all */
	size_t at, end; /* indexes of the book */
	bool has_any;
	struct buf out;
};

static int add_json(struct orch_list *l, const struct job *j)
{
	bool is_v1 = l->form == FORM_V1;
	AUTO(json) json_t *o = is_v1 ? orch_job_json(l->o, j, l->now) : job_json(j);
	AUTO(free)
	char *text = !o ? NULL
	        : is_v1 ? json_text(o, false)
	                : json_dumps(o, JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER);

	return text ? buf_add_str(&l->out, text) : -1;
}

static int add(struct orch_list *l, const struct job *j)
{
	if (l->status >= 0 && (int)j->status != l->status)
		return 0;
	if (l->has_any && buf_add_str(&l->out, forms[l->form].between) < 0)
		return -1;
	l->has_any = true;
	if (l->form == FORM_HTML)
		return orch_status_html(&l->out, j);
	return l->form == FORM_TEXT ? orch_status_text(&l->out, j) : add_json(l, j);
}

/* Returns 1 when all of it is there, 0, -1 without memory. */
static int add_piece(struct orch_list *l)
{
	for (size_t i = 0; i < PIECE && l->at < l->end; i++)
		if (add(l, book_at(l->o->book, l->at++)) < 0)
			return -1;
	if (l->at < l->end)
		return 0;
	return buf_add_str(&l->out, forms[l->form].foot) < 0 ? -1 : 1;
}

static void list_free(struct orch_list *l)
{
	if (!l)
		return;
	loop_timer_remove(l->o->loop, &l->timer);
	if (l->call) {
		*(l->prev ? &l->prev->next : &l->o->lists) = l->next;
		if (l->next)
			l->next->prev = l->prev;
		l->o->n_lists--;
	}
	buf_release(&l->out);
	free(l);
}

static void fill(struct orch_list *l, int rc, struct http_server_reply *r)
{
	http_server_json(r, 200, rc > 0 ? buf_take(&l->out) : NULL);
	r->content_type = forms[l->form].type;
	if (!r->body)
		r->status = 503;
}

static void on_timer(struct loop_timer *t, void *arg)
{
	struct orch_list *l = arg;
	struct http_server_reply r = { 0 };
	struct http_server_call *call = l->call;
	int rc = add_piece(l);

	if (rc == 0) {
		loop_timer_set(l->o->loop, t, clock_mono_ns(), on_timer, l);
		return;
	}
	fill(l, rc, &r);
	list_free(l);
	http_server_answer(call, &r);
}

static void on_gone(void *arg)
{
	list_free(arg);
}

static void answer_later(struct orch_call *c, struct orch_list *l)
{
	struct orchestrator *o = c->o;

	l->call = http_server_later(c->q, on_gone, l);
	l->next = o->lists;
	if (l->next)
		l->next->prev = l;
	o->lists = l;
	o->n_lists++;
	loop_timer_set(o->loop, &l->timer, clock_mono_ns(), on_timer, l);
}

/* The list is taken over. */
static void start(struct orch_call *c, struct orch_list *l)
{
	int rc = buf_add_str(&l->out, forms[l->form].head) < 0 ? -1 : add_piece(l);

	if (rc == 0 && c->o->n_lists < LISTS_MAX) {
		answer_later(c, l);
		return;
	}
	if (rc == 0)
		orch_refuse(c, 429, ERR_UNAVAILABLE, "too many ask for all jobs at the same time",
		        "ask again in a second");
	else
		fill(l, rc, c->r);
	list_free(l);
}

static struct orch_list *list_new(struct orch_call *c, enum form form)
{
	struct orch_list *l = calloc(1, sizeof(*l));

	if (!l) {
		c->r->status = 503;
		return NULL;
	}
	l->o = c->o;
	l->form = form;
	l->now = c->now;
	l->status = -1;
	l->end = book_count(c->o->book);
	l->out = BUF_INIT(LIST_MAX);
	return l;
}

static void start_v1(struct orch_call *c)
{
	const char *word = http_server_query(c->q, "status");
	enum job_status status = JOB_WAITING;
	struct orch_list *l;

	if (word && job_status_parse(word, &status) != 0) {
		orch_refuse(c, 400, ERR_USAGE, "there is no such status",
		        "WAITING_4_WORKER, STARTED, LOADING_SNAPSHOT, WORKING, COMPLETE, ERROR, "
		        "TIMEOUT or HASH_MISMATCH");
		return;
	}
	l = list_new(c, FORM_V1);
	if (!l)
		return;
	if (word)
		l->status = (int)status;
	start(c, l);
}

/* 0, or 1 when there is no job at the position that is asked for. */
static int take_position(struct orch_list *l, const struct orch_call *c)
{
	const char *text = http_server_query(c->q, "sliceid");
	int64_t position;

	if (!text || !*text)
		return 0;
	if (orch_job_id(&position, text) != 0 || (uint64_t)position > l->end)
		return 1;
	l->at = (size_t)position - 1;
	l->end = (size_t)position;
	return 0;
}

void orch_list_start(struct orch_call *c)
{
	enum form form = FORM_TEXT;
	struct orch_list *l;

	if (c->route.kind == ORCH_JOBS) {
		start_v1(c);
		return;
	}
	if (orch_accepts(c, "text/html"))
		form = FORM_HTML;
	else if (orch_accepts(c, "application/json"))
		form = FORM_JSON;
	l = list_new(c, form);
	if (!l)
		return;
	if (take_position(l, c) != 0 ||
	        (form == FORM_TEXT && !orch_accepts(c, "text/plain") && !orch_accepts_any(c))) {
		orch_text(c, 404, "text/plain; charset=utf-8", "Not found");
		list_free(l);
		return;
	}
	start(c, l);
}
