#include "replay/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/token.h"
#include "http/client.h"

#define REPLY_MAX (64U * 1024 * 1024) /* a certificate of many slices */

struct replay_client {
	struct http_client *http;
	struct token token;
	char *token_path;
};

struct replay_client *replay_client_new(const char *url, const char *token_path, struct err *e)
{
	AUTO(replay_client_free) struct replay_client *c = calloc(1, sizeof(*c));
	AUTO(free) char *base = strdup(url);
	size_t n = base ? strlen(base) : 0;

	if (!c || !base || (token_path && !(c->token_path = strdup(token_path)))) {
		err_nomem(e);
		return NULL;
	}
	/* What people copy from a browser ends with one. */
	while (n && base[n - 1] == '/')
		base[--n] = '\0';
	if (c->token_path)
		token_init(&c->token, c->token_path);
	c->http = http_client_new(base, NULL, e);
	return c->http ? TAKE(c) : NULL;
}

void replay_client_free(struct replay_client *c)
{
	if (!c)
		return;
	token_release(&c->token);
	http_client_free(c->http);
	free(c->token_path);
	free(c);
}

void replay_client_interrupt_on(struct replay_client *c, const volatile int *flag)
{
	(void)http_client_interrupt_on(c->http, flag);
}

/* A token file that is being replaced is read again at the next call. */
static int refresh_token(struct replay_client *c, struct err *e)
{
	if (!c->token_path)
		return 0;
	if (token_refresh(&c->token, e) < 0)
		return -1;
	if (*c->token.text)
		return 0;
	return err_set(e, ERR_DENIED, "there is no token in '%s'", c->token_path);
}

static enum err_kind kind_of(long status)
{
	switch (status) {
	case 401:
	case 403:
		return ERR_DENIED;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 408:
	case 429:
		return ERR_UNAVAILABLE;
	default:
		break;
	}
	/* 502 to 504 are also what a proxy says while the orchestrator starts again. */
	if (status >= 500)
		return ERR_UNAVAILABLE;
	return status >= 400 ? ERR_USAGE : ERR_PROTOCOL;
}

/* In the orchestrator's own words; a proxy's are no JSON. */
static void set_refused(const struct http_reply *r, const char *path, struct err *e)
{
	struct err ignored = ERR_INIT;
	AUTO(json)
	json_t *j = json_parse_object(
	        r->body.data ? r->body.data : "", r->body.len, "the reply", &ignored);
	const char *text = j ? json_str(j, "error.message", NULL) : NULL;

	if (text)
		err_set(e, kind_of(r->status), "%s", text);
	else
		err_set(e, kind_of(r->status), "'%s': the orchestrator answers with status %ld",
		        path, r->status);
	/* The server speaks of headers. */
	if (r->status == 401)
		err_hint(e, "give a file with its token: --token FILE");
	else if (text && *json_str(j, "error.hint", ""))
		err_hint(e, "%s", json_str(j, "error.hint", ""));
}

json_t *replay_call(struct replay_client *c, const char *method, const char *path,
        const json_t *body, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(free) char *text = NULL;
	struct http_request q = { .method = method, .path = path, .max_reply = REPLY_MAX };
	json_t *j;

	if (refresh_token(c, e) < 0)
		return NULL;
	if (body && !(text = json_text(body, false))) {
		err_nomem(e);
		return NULL;
	}
	/* The orchestrator takes a POST of JSON only, also one that says nothing. */
	q.body = text || strcmp(method, "POST") != 0 ? text : "{}";
	q.bearer = *c->token.text ? c->token.text : NULL;
	if (http_call(c->http, &q, &r, e) < 0)
		return NULL;
	if (r.status < 200 || r.status > 299) {
		set_refused(&r, path, e);
		return NULL;
	}
	j = json_parse_object(r.body.data, r.body.len, "the orchestrator's reply", e);
	return j;
}
