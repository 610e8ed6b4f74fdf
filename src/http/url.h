#pragma once

/*
 * The parts of an http:// URL, as libcurl reads it (RFC 3986 with what browsers forgive)
 *
 * For whoever builds requests himself; http/client.h takes URLs whole.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

#define HTTP_URL_MAX 8192 /* bytes of the text */

struct http_url {
	char *scheme;  /* lower case */
	char *host;    /* a name in lower case, or an address without brackets and zone */
	char *zone;    /* of a link-local IPv6 address ("eth0"), or NULL */
	char *path;    /* begins with '/'; with the query, escaped; without the fragment */
	uint16_t port; /* the scheme's where none was given */
	bool is_ipv6;  /* the host is an IPv6 address: it stands in brackets where a port follows */
	bool has_path; /* a path was written, be it "/" */
	bool has_user; /* user info was written; it is nowhere here */
};

/* Any scheme that libcurl knows a port of; it must be there.  ERR_USAGE otherwise.  *u is released
 * by the caller, also after a failure. */
int http_url_parse(struct http_url *u, const char *text, struct err *e) NODISCARD;
void http_url_release(struct http_url *u);

/*
 * Where a reference ("x", "../x", "/x", "//host/x", a whole URL) on the page of that URL leads, as
 * text that the caller frees.  ERR_USAGE for what is no reference, or leads to what libcurl does
 * not know ("mailto:").
 */
char *http_url_resolve(const char *page, const char *reference, struct err *e) NODISCARD;

static inline void auto_http_url(struct http_url *u)
{
	http_url_release(u);
}
