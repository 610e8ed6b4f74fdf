#include "replay/orch_priv.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"

/*
 * The old API looks for types in the Accept header as a substring, each path in its own order, and
 * so do we: its clients count on which one wins.
 */

bool orch_accepts(const struct orch_call *c, const char *type)
{
	const char *accept = http_server_header(c->q, "Accept");

	return accept && strcasestr(accept, type);
}

bool orch_accepts_any(const struct orch_call *c)
{
	const char *accept = http_server_header(c->q, "Accept");

	return !accept || !*accept || strstr(accept, "*/*");
}

void orch_take(struct orch_call *c, unsigned status, const char *type, char *text_take)
{
	http_server_json(c->r, status, text_take);
	c->r->content_type = type;
	/* The server's 500 for a reply that was not made: memory is short, which may pass. */
	if (!text_take)
		c->r->status = 503;
}

void orch_text(struct orch_call *c, unsigned status, const char *type, const char *text)
{
	orch_take(c, status, type, strdup(text));
}

void orch_json(struct orch_call *c, unsigned status, json_t *take)
{
	AUTO(json) json_t *j = take;
	const size_t python = JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER;

	orch_take(c, status, "application/json",
	        !j                        ? NULL
	                : c->route.is_old ? json_dumps(j, python)
	                                  : json_text(j, false));
}

void orch_etag(struct orch_call *c, const struct job *j)
{
	job_etag(j, c->o->etag);
	c->r->extra_name = "ETag";
	c->r->extra_value = c->o->etag;
}

/* --- refusals -------------------------------------------------------------------------------- */

static unsigned status_of(enum err_kind kind)
{
	switch (kind) {
	case ERR_USAGE:
	case ERR_PROTOCOL:
		return 400;
	case ERR_DENIED:
		return 403;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_CONFLICT:
		return 409;
	case ERR_NONE:
	case ERR_TIMEOUT:
	case ERR_UNAVAILABLE:
	case ERR_SYSTEM:
	case ERR_INTERRUPTED:
	case ERR_UNHEALTHY:
		break;
	}
	return 503;
}

void orch_error_status(struct orch_call *c, unsigned status, const struct err *why)
{
	/* A full disk fails every change. */
	if (status == 503)
		log_seldom(&c->o->unstored, LOG_ERROR,
		        "a change could not be written down, and was not made",
		        "why=\"%s\" hint=\"%s\"", why->msg, why->hint);
	if (c->route.is_old) {
		orch_text(c, status, "text/plain; charset=utf-8", why->msg);
		return;
	}
	orch_json(c, status,
	        json_pack("{s:i, s:o}", "format", ORCH_FORMAT, "error", json_of_err(why)));
}

void orch_error(struct orch_call *c, const struct err *why)
{
	orch_error_status(c, status_of(why->kind), why);
}

void orch_refuse(struct orch_call *c, unsigned status, enum err_kind kind, const char *what,
        const char *hint)
{
	struct err e = ERR_INIT;

	err_set(&e, kind, "%s", what);
	if (hint)
		err_hint(&e, "%s", hint);
	orch_error_status(c, status, &e);
}

/* --- what a request brings ------------------------------------------------------------------- */

/*
 * A browser sends a form or a text to any address without asking it first (CORS), JSON it does not:
 * so no page from elsewhere can make a person's browser change a run on loopback.
 */
static bool is_json(const struct orch_call *c)
{
	const char *type = http_server_header(c->q, "Content-Type");

	return type && strncasecmp(type, "application/json", 16) == 0 && strchr("; \t", type[16]);
}

/* An address, or localhost: "127.0.0.1:4000", "[::1]:4000". */
static bool is_host_of_nobody(const char *host)
{
	char text[64];
	size_t n = *host == '[' ? strcspn(host, "]") : strcspn(host, ":");
	struct in6_addr ignored;

	if (n >= sizeof(text))
		return false;
	memcpy(text, host, n);
	text[n] = '\0';
	if (*text == '[')
		return inet_pton(AF_INET6, text + 1, &ignored) == 1;
	return strcasecmp(text, "localhost") == 0 || inet_pton(AF_INET, text, &ignored) == 1;
}

/*
 * A page of another site may have its own name lead to 127.0.0.1 ("DNS rebinding"), and is then of
 * the same origin as we are.  Where there are no tokens, a browser, which says the origin of what
 * it posts, has to reach us by an address.
 */
static bool is_rebound(const struct orch_call *c)
{
	const char *host = http_server_header(c->q, "Host");

	return !c->o->roles && http_server_header(c->q, "Origin") &&
	        (!host || !is_host_of_nobody(host));
}

json_t *orch_body(struct orch_call *c)
{
	struct err e = ERR_INIT;
	json_t *o;

	if (is_rebound(c)) {
		orch_refuse(c, 403, ERR_DENIED,
		        "a browser may change a run without tokens by its address only",
		        "open it as http://127.0.0.1:PORT, or give it a file of tokens");
		return NULL;
	}
	if (!is_json(c)) {
		orch_refuse(c, 415, ERR_USAGE, "the body has to be JSON",
		        "send the header Content-Type: application/json");
		return NULL;
	}
	o = orch_body_parse(c->q->body, c->q->body_len, &e);
	if (!o)
		orch_error_status(c, 400, &e);
	return o;
}

const struct job *orch_job(struct orch_call *c)
{
	const struct job *j = book_find(c->o->book, c->route.id);

	if (!j)
		orch_refuse(c, 404, ERR_NOT_FOUND, "there is no such job",
		        "the number is a job_id of GET /v1/jobs");
	return j;
}

int orch_row(struct buf *out, const char *what, const char *value)
{
	if (buf_add_fmt(out, "        <li> %s: ", what) < 0 || escape_text(out, value) < 0)
		return -1;
	return buf_add_str(out, "</li>\n");
}
