#pragma once

/* What the two libcurl clients of this module share. */

#include <curl/curl.h>

#include "base/compiler.h"
#include "base/err.h"

/* Initialise libcurl once per process. */
int http_curl_global(struct err *e) NODISCARD;
void http_curl_global_once(void);
extern CURLcode http_curl_global_rc;

/* The options that every request of ours has: no signals, no proxy, no redirects, HTTP/1.1. */
void http_curl_defaults(CURL *h);

/* The one place that maps a curl code to an error.  Always returns -1. */
int http_curl_error(
        CURLcode rc, struct err *e, const char *method, const char *where, const char *path);
