#include "http/url.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"

#define HOST_MAX 255

DEFINE_AUTO(CURLU, curl_url_cleanup)

static inline void auto_curl_free(char **s)
{
	curl_free(*s);
}

void http_url_release(struct http_url *u)
{
	free(u->scheme);
	free(u->host);
	free(u->zone);
	free(u->path);
	*u = (struct http_url){ .port = 0 };
}

/* A part as a string of ours; NULL when there is none.  0, or a code. */
static CURLUcode part(char **ret, CURLU *h, CURLUPart what, unsigned flags)
{
	AUTO(curl_free) char *s = NULL;
	CURLUcode rc = curl_url_get(h, what, &s, flags);

	*ret = NULL;
	if (rc)
		return rc;
	*ret = strdup(s);
	return *ret ? CURLUE_OK : CURLUE_OUT_OF_MEMORY;
}

static bool has_part(CURLU *h, CURLUPart what)
{
	AUTO(curl_free) char *s = NULL;

	return curl_url_get(h, what, &s, 0) == CURLUE_OK;
}

/* libcurl gives "/" for "http://host", "http://host?q" and "http://host/" alike. */
static bool text_has_path(const char *text)
{
	const char *s = strstr(text, "://");

	return s && s[3 + strcspn(s + 3, "/?#")] == '/';
}

static CURLUcode take_path(struct http_url *u, CURLU *h)
{
	AUTO(free) char *path = NULL;
	AUTO(free) char *query = NULL;
	CURLUcode rc = part(&path, h, CURLUPART_PATH, 0);

	if (rc)
		return rc;
	rc = part(&query, h, CURLUPART_QUERY, 0);
	if (rc && rc != CURLUE_NO_QUERY)
		return rc;
	u->path = str_fmt("%s%s%s", path, query ? "?" : "", query ? query : "");
	return u->path ? CURLUE_OK : CURLUE_OUT_OF_MEMORY;
}

static CURLUcode take_host(struct http_url *u, CURLU *h)
{
	CURLUcode rc = part(&u->host, h, CURLUPART_HOST, 0);
	size_t n;

	if (rc)
		return rc;
	n = strlen(u->host);
	if (n >= 2 && u->host[0] == '[' && u->host[n - 1] == ']') {
		u->is_ipv6 = true;
		u->host[n - 1] = '\0';
		memmove(u->host, u->host + 1, n - 1);
		rc = part(&u->zone, h, CURLUPART_ZONEID, 0);
		return rc == CURLUE_NO_ZONEID ? CURLUE_OK : rc;
	}
	for (char *s = u->host; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	return CURLUE_OK;
}

static CURLUcode take_parts(struct http_url *u, CURLU *h, const char *text)
{
	AUTO(free) char *port = NULL;
	struct err ignored = ERR_INIT;
	int64_t number;
	/* Escaped where a browser would escape: blanks and what is not ASCII. */
	CURLUcode rc = curl_url_set(h, CURLUPART_URL, text, CURLU_URLENCODE);

	if (rc || (rc = part(&u->scheme, h, CURLUPART_SCHEME, 0)) != 0 ||
	        (rc = take_host(u, h)) != 0 || (rc = take_path(u, h)) != 0 ||
	        (rc = part(&port, h, CURLUPART_PORT, CURLU_DEFAULT_PORT)) != 0)
		return rc;
	if (num_int(&number, port, 1, UINT16_MAX, &ignored) < 0)
		return CURLUE_BAD_PORT_NUMBER;
	u->port = (uint16_t)number;
	u->has_path = text_has_path(text);
	u->has_user = has_part(h, CURLUPART_USER) || has_part(h, CURLUPART_PASSWORD);
	return CURLUE_OK;
}

static bool host_is_plain(const char *host)
{
	for (; *host; host++)
		if (*host <= ' ' || *host >= 0x7f)
			return false;
	return true;
}

/* Only names that could be one: what is wrong would otherwise be the resolver's to say. */
static int check_host(const struct http_url *u, struct err *e)
{
	if (strlen(u->host) > HOST_MAX)
		return err_set(e, ERR_USAGE, "a host name of more than %d bytes", HOST_MAX);
	if (host_is_plain(u->host))
		return 0;
	err_set(e, ERR_USAGE, "the host name '%s' is not plain ASCII", u->host);
	return err_hint(e, "write it as DNS has it, with labels like xn--bcher-kva");
}

/* Where the host begins in a text that may be no URL at all: after the last '@' before the path. */
static const char *after_user(const char *text)
{
	const char *s = strstr(text, "://");
	const char *from = s ? s + 3 : text, *end = from + strcspn(from, "/?#");

	for (const char *at = end; at > from; at--)
		if (at[-1] == '@')
			return at;
	return from;
}

/* A password is not quoted. */
static int no_url(const char *text, CURLUcode rc, struct err *e)
{
	const char *s = strstr(text, "://"), *host = after_user(text);
	const char *from = s ? s + 3 : text;

	return err_set(e, ERR_USAGE, "'%.*s%s%.200s' is not a URL: %s",
	        from - text > 20 ? 20 : (int)(from - text), text, host > from ? "***@" : "", host,
	        curl_url_strerror(rc));
}

int http_url_parse(struct http_url *u, const char *text, struct err *e)
{
	AUTO(curl_url_cleanup) CURLU *h = curl_url();
	CURLUcode rc;

	*u = (struct http_url){ .port = 0 };
	if (!h)
		return err_nomem(e);
	if (strlen(text) > HTTP_URL_MAX)
		return err_set(e, ERR_USAGE, "a URL of more than %d bytes", HTTP_URL_MAX);
	rc = take_parts(u, h, text);
	if (rc == CURLUE_OUT_OF_MEMORY)
		return err_nomem(e);
	if (rc)
		return no_url(text, rc, e);
	return check_host(u, e);
}

char *http_url_resolve(const char *page, const char *reference, struct err *e)
{
	AUTO(curl_url_cleanup) CURLU *h = curl_url();
	AUTO(curl_free) char *text = NULL;
	CURLUcode rc = CURLUE_OUT_OF_MEMORY;
	char *copy = NULL;

	if (h && strlen(page) <= HTTP_URL_MAX && strlen(reference) <= HTTP_URL_MAX)
		rc = curl_url_set(h, CURLUPART_URL, page, CURLU_URLENCODE);
	else if (h)
		rc = CURLUE_MALFORMED_INPUT;
	if (!rc)
		rc = curl_url_set(h, CURLUPART_URL, reference, CURLU_URLENCODE);
	if (!rc)
		rc = curl_url_set(h, CURLUPART_FRAGMENT, NULL, 0);
	if (!rc)
		rc = curl_url_get(h, CURLUPART_URL, &text, 0);
	if (!rc && !(copy = strdup(text)))
		rc = CURLUE_OUT_OF_MEMORY;
	if (rc == CURLUE_OUT_OF_MEMORY)
		err_nomem(e);
	else if (rc)
		err_set(e, ERR_USAGE, "'%.200s' leads nowhere: %s", reference,
		        curl_url_strerror(rc));
	return copy;
}
