#include "http/client.h"

#include <curl/curl.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "http/curl_priv.h"

#define MAX_REPLY_DEFAULT (16U * 1024 * 1024)

struct http_client {
	CURL *curl;
	char *base, *socket_path;
	struct http_tls tls; /* strings owned */
	char *sigv4, *keys;  /* sign_s3: libcurl's texts, or NULL */
	enum http_tls_trouble trouble;
	const volatile int *interrupt;
};

/* What the callbacks of one exchange need. */
struct exchange {
	struct http_client *c;
	const struct http_request *q;
	struct http_reply *reply;
	uint64_t given; /* by the source */
	bool head_done, too_long, no_memory, sink_ended, source_failed, interrupted;
};

static CURLcode global_rc;

static void global_init(void)
{
	global_rc = curl_global_init(CURL_GLOBAL_ALL);
}

int http_curl_global(struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	/* Never undone: the process ends sooner than curl could be unloaded. */
	pthread_once(&once, global_init);
	return global_rc == CURLE_OK
	        ? 0
	        : err_set(e, ERR_SYSTEM, "initialise libcurl: %s", curl_easy_strerror(global_rc));
}

void http_reply_release(struct http_reply *r)
{
	buf_release(&r->body);
}

struct http_client *http_client_new(const char *base_url, const char *socket_path, struct err *e)
{
	AUTO(http_client_free) struct http_client *c = NULL;

	if (http_check_url(base_url, e) < 0 || http_curl_global(e) < 0)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c || !(c->curl = curl_easy_init()) || !(c->base = strdup(base_url)) ||
	        (socket_path && !(c->socket_path = strdup(socket_path)))) {
		err_nomem(e);
		return NULL;
	}
	return TAKE(c);
}

static void free_tls(struct http_tls *tls)
{
	free((char *)(uintptr_t)tls->ca);
	free((char *)(uintptr_t)tls->cert);
	free((char *)(uintptr_t)tls->key);
	*tls = (struct http_tls){ 0 };
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	if (c->curl)
		curl_easy_cleanup(c->curl);
	free(c->base);
	free(c->socket_path);
	free_tls(&c->tls);
	free(c->sigv4);
	free(c->keys);
	free(c);
}

int http_client_set_tls(struct http_client *c, const struct http_tls *tls, struct err *e)
{
	struct http_tls copy = {
		.ca = tls->ca ? strdup(tls->ca) : NULL,
		.cert = tls->cert ? strdup(tls->cert) : NULL,
		.key = tls->key ? strdup(tls->key) : NULL,
		.no_verify = tls->no_verify,
	};

	if (!copy.ca != !tls->ca || !copy.cert != !tls->cert || !copy.key != !tls->key) {
		free_tls(&copy);
		return err_nomem(e);
	}
	free_tls(&c->tls);
	c->tls = copy;
	return 0;
}

int http_client_sign_s3(struct http_client *c, const char *region, const char *key_id,
        const char *secret, struct err *e)
{
	/* The parts of what libcurl wants are divided by colons; only the secret comes last. */
	if (!*region || strchr(region, ':'))
		return err_set(e, ERR_USAGE, "'%s' is not the name of an S3 region", region);
	if (!*key_id || strchr(key_id, ':') || !*secret)
		return err_set(e, ERR_USAGE,
		        "the S3 key id is empty or has a colon, or its secret is empty");
	free(c->sigv4);
	free(c->keys);
	c->sigv4 = str_fmt("aws:amz:%s:s3", region);
	c->keys = str_fmt("%s:%s", key_id, secret);
	return c->sigv4 && c->keys ? 0 : err_nomem(e);
}

enum http_tls_trouble http_client_tls_trouble(const struct http_client *c)
{
	return c->trouble;
}

const volatile int *http_client_interrupt_on(struct http_client *c, const volatile int *flag)
{
	const volatile int *was = c->interrupt;

	c->interrupt = flag;
	return was;
}

/* "Content-Range: bytes 5-9/10", or "bytes " and "*" for a part that is not known. */
static void take_range(struct http_reply *r, const char *line, size_t n)
{
	static const char name[] = "content-range:";
	char text[128];
	const char *s, *slash;

	if (n < sizeof(name) || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)(n - sizeof(name) + 1), line + sizeof(name) - 1);
	s = text + strspn(text, " 	");
	if (!str_starts(s, "bytes ", &s))
		return;
	slash = strchr(s, '/');
	if (isdigit((unsigned char)*s))
		r->range_from = strtoll(s, NULL, 10);
	if (slash && isdigit((unsigned char)slash[1]))
		r->range_total = strtoll(slash + 1, NULL, 10);
}

static size_t on_head(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;

	http_curl_head_line(&x->head_done, data, size * n);
	take_range(x->reply, data, size * n);
	return size * n;
}

static void take_head(struct exchange *x)
{
	curl_off_t length = -1;

	curl_easy_getinfo(x->c->curl, CURLINFO_RESPONSE_CODE, &x->reply->status);
	curl_easy_getinfo(x->c->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	x->reply->length = length;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;

	n *= size;
	take_head(x);
	if (x->q->sink && x->reply->status >= 200 && x->reply->status < 300) {
		x->sink_ended = x->q->sink(x->q->sink_arg, data, n) != 0;
		return x->sink_ended ? 0 : n;
	}
	if (buf_add(&x->reply->body, data, n) < 0) {
		x->too_long = errno == E2BIG;
		x->no_memory = errno != E2BIG;
		return 0;
	}
	return n;
}

static size_t on_source(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	uint64_t left = x->q->source_size - x->given;
	ssize_t got;

	n *= size;
	n = n < left ? n : (size_t)left;
	got = n ? x->q->source(x->q->source_arg, data, n) : 0;
	/* Less than was said: the server would wait for the rest. */
	x->source_failed = got < 0 || (got == 0 && left);
	if (x->source_failed)
		return CURL_READFUNC_ABORT;
	x->given += (uint64_t)got;
	return (size_t)got;
}

static int on_progress(void *arg, curl_off_t a UNUSED, curl_off_t b UNUSED, curl_off_t c UNUSED,
        curl_off_t d UNUSED)
{
	struct exchange *x = arg;

	x->interrupted = cancel_is_set(x->c->interrupt);
	return x->interrupted;
}

static int add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *more = curl_slist_append(*list, line);

	if (!more)
		return -1;
	*list = more;
	return 0;
}

/*
 * S3 wants to be told what the signature says of the body.  Not every libcurl does that, and each
 * takes it from here.  A source is not read twice to be digested; TLS has to protect it.
 */
static int add_digest(struct curl_slist **list, const struct http_request *q)
{
	const char *body = q->body ? q->body : "";
	char hash[SHA256_HEX_SIZE], line[128];

	(void)snprintf(line, sizeof(line), "x-amz-content-sha256: %s",
	        q->source ? "UNSIGNED-PAYLOAD" : sha256_hex(hash, body, strlen(body)));
	return add_header(list, line);
}

static int add_headers(
        struct curl_slist **list, const struct http_client *c, const struct http_request *q)
{
	AUTO(free) char *auth = NULL;
	AUTO(free) char *type = NULL;

	/* No "Expect: 100-continue": the engine answers late, and each call would wait for it.  S3
	 * answers at once, and a header that is not sent may become part of the signature. */
	if (!c->sigv4 && add_header(list, "Expect:") < 0)
		return -1;
	if (q->bearer &&
	        (!(auth = str_fmt("Authorization: Bearer %s", q->bearer)) ||
	                add_header(list, auth) < 0))
		return -1;
	if (c->sigv4 && add_digest(list, q) < 0)
		return -1;
	if (!q->body && !q->source)
		return 0;
	type = str_fmt("Content-Type: %s", q->content_type ? q->content_type : "application/json");
	return !type || add_header(list, type) < 0 ? -1 : 0;
}

/* A host that lost its power says nothing: a stream of events would wait for it for ever. */
static void set_tcp(CURL *h, const struct http_tls *tls)
{
	curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPIDLE, 15L);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPINTVL, 5L);
	http_tls_options(h, tls);
}

static void set_body(CURL *h, struct exchange *x)
{
	const struct http_request *q = x->q;

	if (q->body) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, q->body);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(q->body));
	} else if (q->source) {
		curl_easy_setopt(h, CURLOPT_POST, 1L);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->source_size);
		curl_easy_setopt(h, CURLOPT_READFUNCTION, on_source);
		curl_easy_setopt(h, CURLOPT_READDATA, x);
		/* A kept connection may turn out to be dead, and the source gives only once. */
		curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
	} else if (q->method && strcmp(q->method, "POST") == 0) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, 0L);
	}
}

static void set_options(CURL *h, struct exchange *x, const char *url, struct curl_slist *headers)
{
	const struct http_request *q = x->q;
	int64_t timeout = q->timeout_ns ? q->timeout_ns : HTTP_TIMEOUT_NS;
	char range[32];

	/* Keeps the connection, forgets the options. */
	curl_easy_reset(h);
	http_curl_defaults(h);
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	if (x->c->socket_path)
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, x->c->socket_path);
	else
		set_tcp(h, &x->c->tls);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
	if (timeout > 0)
		curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, http_curl_ms(timeout));
	if (q->idle_ns) {
		curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME,
		        (long)((q->idle_ns + NS_PER_SEC - 1) / NS_PER_SEC));
	}
	if (x->c->sigv4) {
		curl_easy_setopt(h, CURLOPT_AWS_SIGV4, x->c->sigv4);
		curl_easy_setopt(h, CURLOPT_USERPWD, x->c->keys);
	}
	if (q->from) {
		(void)snprintf(range, sizeof(range), "%" PRIu64 "-", q->from);
		curl_easy_setopt(h, CURLOPT_RANGE, range);
	}
	set_body(h, x);
	if (q->method && strcmp(q->method, "HEAD") == 0)
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L); /* or it would wait for a body */
	else if (q->method)
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h, CURLOPT_XFERINFODATA, x);
}

static int explain(struct exchange *x, CURLcode rc, char text[CURL_ERROR_SIZE], const char *method,
        struct err *e)
{
	struct http_client *c = x->c;
	long verify = 0;

	if (str_starts(c->base, "https://", NULL)) {
		curl_easy_getinfo(c->curl, CURLINFO_SSL_VERIFYRESULT, &verify);
		c->trouble = http_tls_trouble_of(rc, verify, text, &c->tls);
	}
	if (c->trouble == HTTP_TLS_FINE && !x->head_done && str_starts(c->base, "https://", NULL) &&
	        (rc == CURLE_SEND_ERROR || rc == CURLE_RECV_ERROR || rc == CURLE_GOT_NOTHING))
		c->trouble = http_tls_ask_again(c->curl, c->base, &c->tls, text);
	if (c->trouble == HTTP_TLS_FINE)
		return http_curl_error(c->curl, rc, e, "%s %s at '%s'", method, x->q->path,
		        c->socket_path ? c->socket_path : c->base);
	http_tls_error(c->trouble, text, &c->tls, e);
	return err_wrap(e, "%s %s at '%s'", method, x->q->path, c->base);
}

int http_call(struct http_client *c, const struct http_request *q, struct http_reply *reply,
        struct err *e)
{
	struct exchange x = { .c = c, .q = q, .reply = reply };
	const char *method = q->method ? q->method : q->body || q->source ? "POST" : "GET";
	struct curl_slist *headers = NULL;
	AUTO(free) char *url = str_fmt("%s%s", c->base, q->path);
	char text[CURL_ERROR_SIZE] = "";
	CURLcode rc;

	c->trouble = HTTP_TLS_FINE;
	reply->status = 0;
	reply->length = reply->range_from = reply->range_total = -1;
	buf_clear(&reply->body);
	reply->body.max = q->max_reply ? q->max_reply : MAX_REPLY_DEFAULT;
	if (!url || add_headers(&headers, c, q) < 0 || buf_add(&reply->body, "", 0) < 0) {
		curl_slist_free_all(headers);
		return err_nomem(e);
	}
	set_options(c->curl, &x, url, headers);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, text);
	rc = curl_easy_perform(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(headers);
	take_head(&x);

	if (x.interrupted)
		return err_set(e, ERR_INTERRUPTED, "%s %s: interrupted", method, q->path);
	if (x.too_long)
		return err_set(e, ERR_PROTOCOL, "%s %s: reply of more than %zu bytes", method,
		        q->path, reply->body.max);
	if (x.no_memory)
		return err_nomem(e);
	if (x.source_failed)
		return err_set(
		        e, ERR_SYSTEM, "%s %s: the request's body ended early", method, q->path);
	if (rc == CURLE_OK && !x.head_done)
		rc = CURLE_PARTIAL_FILE;
	if (rc == CURLE_OK || x.sink_ended)
		return 0;
	return explain(&x, rc, text, method, e);
}

int http_check_url(const char *url, struct err *e)
{
	if (str_starts(url, "http://", NULL) || str_starts(url, "https://", NULL))
		return 0;
	return err_set(e, ERR_USAGE, "'%s' is not an http:// or https:// URL", url);
}

void http_curl_head_line(bool *done, const char *line, size_t n)
{
	if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
		*done = false;
	else if (n == 1 || (n == 2 && line[0] == '\r'))
		*done = true;
}

long http_curl_ms(int64_t ns)
{
	/* 0 would mean "no limit". */
	int64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;

	return ms < 1 ? 1 : ms > INT_MAX ? INT_MAX : (long)ms;
}

int http_curl_error(CURL *h, CURLcode rc, struct err *e, const char *fmt, ...)
{
	enum err_kind kind = ERR_UNAVAILABLE;
	char what[ERR_MSG_MAX / 2];
	long why = 0;
	va_list ap;

	if (rc == CURLE_OPERATION_TIMEDOUT)
		kind = ERR_TIMEOUT;
	else if (rc == CURLE_URL_MALFORMAT)
		kind = ERR_USAGE;
	else if (rc == CURLE_WEIRD_SERVER_REPLY || rc == CURLE_HTTP2 ||
	        rc == CURLE_BAD_CONTENT_ENCODING || rc == CURLE_UNSUPPORTED_PROTOCOL)
		kind = ERR_PROTOCOL; /* the last one: no status line, which it takes for HTTP/0.9 */
	else if (rc == CURLE_OUT_OF_MEMORY)
		kind = ERR_SYSTEM;
	va_start(ap, fmt);
	if (vsnprintf(what, sizeof(what), fmt, ap) < 0)
		what[0] = '\0';
	va_end(ap);
	/* "Could not connect" leaves open whether nobody is there or we may not. */
	if (rc == CURLE_COULDNT_CONNECT)
		(void)curl_easy_getinfo(h, CURLINFO_OS_ERRNO, &why);
	err_set(e, kind, "%s: %s%s%s", what,
	        rc == CURLE_UNSUPPORTED_PROTOCOL ? "the reply is not HTTP" : curl_easy_strerror(rc),
	        why ? ": " : "", why ? strerror((int)why) : "");
	e->sys_errno = (int)why;
	return -1;
}

void http_curl_defaults(CURL *h)
{
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	/* A name is looked up for each connection: a task that was replaced has another address,
	 * and nobody answers, or refuses, at the old one. */
	curl_easy_setopt(h, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(h, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

char *http_escape(const char *s)
{
	char *escaped = curl_easy_escape(NULL, s, 0), *copy;

	if (!escaped)
		return NULL;
	copy = strdup(escaped);
	curl_free(escaped);
	return copy;
}
