#include "http/probe.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "http/curl_priv.h"
#include "loop/loop.h"

/*
 * curl tells us which sockets to watch (on_socket) and when to call it again (on_timer); we
 * tell curl what happened (curl_multi_socket_action).  A watched socket is a struct watch that
 * curl keeps for us with curl_multi_assign().  See curl's docs/examples/ephiperfifo.c.
 */

/* In ms: for a connection to come about, where the request as a whole has no limit. */
#define CONNECT_MS 5000L

/* Connections of whoever has not said that he needs them kept, once somebody else has. */
#define KEEP_BESIDES 16L

#define ADDRESSES_MAX      16 /* of one name */
#define ADDRESSES_TEXT_MAX 1024

struct http_prober {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;
	struct watch *watches;
	long keep; /* http_prober_keep() */
};

struct watch {
	struct loop_io io;
	struct http_prober *p;
	struct watch *next;
};

struct http_probe {
	struct http_prober *p;
	CURL *curl;
	char *url;
	struct curl_slist *headers;     /* of a request with a body */
	struct curl_slist *own_headers; /* of every request */
	struct curl_slist *resolved;
	struct buf body;
	bool running, posts, head_done, too_long;
	int64_t started_ns;
	http_probe_fn *fn;
	void *arg;
};

static void finish(struct http_probe *q, CURLcode rc)
{
	struct http_probe_result r = { .elapsed_ns = clock_mono_ns() - q->started_ns };
	struct err why = ERR_INIT;

	(void)curl_multi_remove_handle(q->p->multi, q->curl);
	q->running = false;
	if (rc == CURLE_OK && !q->head_done)
		rc = CURLE_PARTIAL_FILE;
	if (q->too_long) {
		err_set(&why, ERR_PROTOCOL, "%s '%s': reply of more than %zu bytes",
		        q->posts ? "POST" : "GET", q->url, q->body.max);
	} else if (rc != CURLE_OK) {
		http_curl_error(q->curl, rc, &why, "%s '%s'", q->posts ? "POST" : "GET", q->url);
	} else {
		char *type = NULL;

		curl_easy_getinfo(q->curl, CURLINFO_RESPONSE_CODE, &r.status);
		curl_easy_getinfo(q->curl, CURLINFO_CONTENT_TYPE, &type);
		r.content_type = type ? type : "";
		r.body = q->body.data;
		r.len = q->body.len;
	}
	if (why.kind != ERR_NONE)
		r.failure = &why;
	/* Last: the callback may start or free the probe. */
	q->fn(q, &r, q->arg);
}

static void act(struct http_prober *p, curl_socket_t fd, int ev)
{
	int running, left;
	CURLMsg *m;

	(void)curl_multi_socket_action(p->multi, fd, ev, &running);
	while ((m = curl_multi_info_read(p->multi, &left))) {
		struct http_probe *q = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &q);
		finish(q, m->data.result);
	}
}

static void on_io(struct loop_io *io, unsigned events, void *arg)
{
	struct watch *w = arg;
	int ev = (events & LOOP_READ ? CURL_CSELECT_IN : 0) |
	        (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0) |
	        (events & LOOP_HANGUP ? CURL_CSELECT_ERR : 0);

	act(w->p, io->fd, ev);
}

static void on_timeout(struct loop_timer *t UNUSED, void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *m UNUSED, long ms, void *arg)
{
	struct http_prober *p = arg;

	if (ms < 0) {
		loop_timer_remove(p->loop, &p->timer);
		return 0;
	}
	loop_timer_set(p->loop, &p->timer, clock_mono_ns() + ms * NS_PER_MS, on_timeout, p);
	return 0;
}

static void watch_free(struct watch *w)
{
	struct watch **at = &w->p->watches;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	loop_io_remove(w->p->loop, &w->io);
	free(w);
}

static int on_socket(CURL *h UNUSED, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct http_prober *p = arg;
	struct watch *w = assigned;
	unsigned events =
	        (what & CURL_POLL_IN ? LOOP_READ : 0U) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0U);
	struct err e = ERR_INIT;

	if (what == CURL_POLL_REMOVE) {
		if (w)
			watch_free(w);
		return 0;
	}
	if (w)
		return loop_io_change(p->loop, &w->io, events, &e);
	w = calloc(1, sizeof(*w));
	if (!w)
		return -1;
	w->p = p;
	if (loop_io_add(p->loop, &w->io, fd, events, on_io, w, &e) < 0) {
		free(w);
		return -1;
	}
	w->next = p->watches;
	p->watches = w;
	(void)curl_multi_assign(p->multi, fd, w);
	return 0;
}

struct http_prober *http_prober_new(struct loop *l, struct err *e)
{
	AUTO(http_prober_free) struct http_prober *p = calloc(1, sizeof(*p));

	if (http_curl_global(e) < 0)
		return NULL;
	if (!p || !(p->multi = curl_multi_init())) {
		err_nomem(e);
		return NULL;
	}
	p->loop = l;
	curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
	curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
	return TAKE(p);
}

void http_prober_free(struct http_prober *p)
{
	if (!p)
		return;
	if (p->multi) {
		(void)curl_multi_cleanup(p->multi);
		while (p->watches)
			watch_free(p->watches);
		loop_timer_remove(p->loop, &p->timer);
	}
	free(p);
}

void http_prober_limit(struct http_prober *p, long per_host)
{
	curl_multi_setopt(p->multi, CURLMOPT_MAX_HOST_CONNECTIONS, per_host);
}

void http_prober_keep(struct http_prober *p, long n)
{
	p->keep += n;
	/* There is no value for curl's own rule that means the same in each of its versions. */
	curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, p->keep + KEEP_BESIDES);
}

static size_t on_head(char *data, size_t size, size_t n, void *arg)
{
	struct http_probe *q = arg;

	http_curl_head_line(&q->head_done, data, size * n);
	return size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct http_probe *q = arg;

	if (buf_add(&q->body, data, size * n) < 0) {
		q->too_long = true;
		return 0;
	}
	return size * n;
}

struct http_probe *http_probe_new(
        struct http_prober *p, const char *url, size_t max_reply, struct err *e)
{
	AUTO(http_probe_free) struct http_probe *q = NULL;

	if (http_check_url(url, e) < 0)
		return NULL;
	q = calloc(1, sizeof(*q));
	if (q) {
		q->p = p;
		buf_init(&q->body, max_reply);
	}
	if (!q || !(q->url = strdup(url)) || !(q->curl = curl_easy_init()) ||
	        !(q->headers = curl_slist_append(NULL, "Content-Type: application/json"))) {
		err_nomem(e);
		return NULL;
	}
	http_curl_defaults(q->curl);
	curl_easy_setopt(q->curl, CURLOPT_URL, q->url);
	curl_easy_setopt(q->curl, CURLOPT_PRIVATE, q);
	curl_easy_setopt(q->curl, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(q->curl, CURLOPT_HEADERDATA, q);
	curl_easy_setopt(q->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(q->curl, CURLOPT_WRITEDATA, q);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A name is resolved in a thread, and without this a request that ends before its name is
	 * known waits for that thread: for many seconds when no name server answers, and all
	 * others that the loop serves with it. */
	curl_easy_setopt(q->curl, CURLOPT_QUICK_EXIT, 1L);
#endif
	/* A small receive buffer: a supervisor holds these for its whole life. */
	curl_easy_setopt(q->curl, CURLOPT_BUFFERSIZE, 4096L);
	return TAKE(q);
}

void http_probe_free(struct http_probe *q)
{
	if (!q)
		return;
	http_probe_cancel(q);
	if (q->curl)
		curl_easy_cleanup(q->curl);
	curl_slist_free_all(q->headers);
	curl_slist_free_all(q->own_headers);
	curl_slist_free_all(q->resolved);
	buf_release(&q->body);
	free(q->url);
	free(q);
}

int http_probe_set_addresses(struct http_probe *q, const char *host, uint16_t port,
        const struct in_addr *addresses, size_t n, struct err *e)
{
	AUTO(buf) struct buf line = BUF_INIT(ADDRESSES_TEXT_MAX);
	struct curl_slist *list;
	char text[INET_ADDRSTRLEN];

	if (buf_add_fmt(&line, "%s:%u:", host, (unsigned)port) < 0)
		return err_nomem(e);
	for (size_t i = 0; i < n && i < ADDRESSES_MAX; i++)
		if (!inet_ntop(AF_INET, &addresses[i], text, sizeof(text)) ||
		        buf_add_fmt(&line, "%s%s", i ? "," : "", text) < 0)
			return err_nomem(e);
	list = curl_slist_append(NULL, line.data);
	if (!list)
		return err_nomem(e);
	curl_slist_free_all(q->resolved);
	q->resolved = list;
	return curl_easy_setopt(q->curl, CURLOPT_RESOLVE, list) == CURLE_OK ? 0 : err_nomem(e);
}

int http_probe_set_bearer(struct http_probe *q, const char *token, struct err *e)
{
	if (curl_easy_setopt(q->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) != CURLE_OK)
		return err_set(e, ERR_SYSTEM, "this libcurl knows no bearer tokens");
	if (curl_easy_setopt(q->curl, CURLOPT_XOAUTH2_BEARER, token) != CURLE_OK)
		return err_nomem(e);
	return 0;
}

int http_probe_start(struct http_probe *q, const char *body, int64_t timeout_ns, http_probe_fn *fn,
        void *arg, struct err *e)
{
	CURLMcode rc;

	if (q->running)
		return err_set(e, ERR_CONFLICT, "'%s' is already being asked", q->url);
	buf_clear(&q->body);
	if (buf_add(&q->body, "", 0) < 0)
		return err_nomem(e);
	q->head_done = q->too_long = false;
	q->fn = fn;
	q->arg = arg;
	q->started_ns = clock_mono_ns();
	q->posts = body != NULL;
	curl_easy_setopt(q->curl, CURLOPT_HTTPHEADER, body ? q->headers : q->own_headers);
	if (body)
		curl_easy_setopt(q->curl, CURLOPT_COPYPOSTFIELDS, body);
	else
		curl_easy_setopt(q->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(
	        q->curl, CURLOPT_TIMEOUT_MS, timeout_ns > 0 ? http_curl_ms(timeout_ns) : 0L);
	curl_easy_setopt(q->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(q->curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(q->curl, CURLOPT_TCP_KEEPIDLE, 20L);
	curl_easy_setopt(q->curl, CURLOPT_TCP_KEEPINTVL, 10L);
	rc = curl_multi_add_handle(q->p->multi, q->curl);
	if (rc != CURLM_OK)
		return err_set(e, ERR_SYSTEM, "start a request to '%s': %s", q->url,
		        curl_multi_strerror(rc));
	q->running = true;
	return 0;
}

bool http_probe_is_running(const struct http_probe *q)
{
	return q->running;
}

void http_probe_cancel(struct http_probe *q)
{
	if (!q->running)
		return;
	(void)curl_multi_remove_handle(q->p->multi, q->curl);
	q->running = false;
}

int http_probe_set_method(struct http_probe *q, const char *method, struct err *e)
{
	return curl_easy_setopt(q->curl, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK ? 0
	                                                                            : err_nomem(e);
}

static int add_line(struct curl_slist **list, const char *line, struct err *e)
{
	struct curl_slist *more = curl_slist_append(*list, line);

	if (!more)
		return err_nomem(e);
	*list = more;
	return 0;
}

int http_probe_set_header(struct http_probe *q, const char *line, struct err *e)
{
	return add_line(&q->headers, line, e) < 0 ? -1 : add_line(&q->own_headers, line, e);
}
