#pragma once

/* What the two libcurl clients of this module share. */

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "http/client.h"

/* Initialise libcurl once per process. */
int http_curl_global(struct err *e) NODISCARD;

/* The options that every request of ours has: no signals, no proxy, no redirects, HTTP/1.1. */
void http_curl_defaults(CURL *h);

/* 0, or ERR_USAGE for what is no http:// or https:// URL. */
int http_check_url(const char *url, struct err *e) NODISCARD;

/*
 * Follow the header lines: done becomes true with the empty line that ends the head, and false
 * with a further status line (after "100 Continue").  curl takes a connection that is closed in
 * the middle of the head for a complete reply without a body, so both clients look.
 */
void http_curl_head_line(bool *done, const char *line, size_t n);

/* A time limit for CURLOPT_TIMEOUT_MS, rounded up. */
long http_curl_ms(int64_t ns);

/*
 * The one place that maps a curl code to an error; the format says what was tried.  sys_errno is
 * set for a connection that the kernel refused.  Always returns -1.
 */
int http_curl_error(CURL *h, CURLcode rc, struct err *e, const char *fmt, ...) PRINTF(4, 5);

/* --- tls.c --- */

void http_tls_options(CURL *h, const struct http_tls *tls);

/*
 * The pure half: what a failed exchange says.  verify: CURLINFO_SSL_VERIFYRESULT; text: what
 * CURLOPT_ERRORBUFFER got.
 */
enum http_tls_trouble http_tls_trouble_of(
        CURLcode rc, long verify, const char *text, const struct http_tls *tls);

/*
 * With TLS 1.3 a server that does not like our certificate closes a connection that seemed to
 * stand, and our request may be lost to that before its alert was read.  With TLS 1.2 it says so
 * within the handshake: connect once more, send no request, and hear why.
 */
enum http_tls_trouble http_tls_ask_again(
        CURL *h, const char *url, const struct http_tls *tls, char text[CURL_ERROR_SIZE]);

/* Set *e for a trouble; text as above.  Always returns -1. */
int http_tls_error(
        enum http_tls_trouble trouble, const char *text, const struct http_tls *tls, struct err *e);
