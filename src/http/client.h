#pragma once

/*
 * HTTP client, blocking (libcurl)
 *
 * For commands that talk to the Docker Engine and have nothing else to do meanwhile.  One
 * client keeps one connection.  Every request has a timeout and a cap on the reply; there are
 * no redirects, no proxies, no cookies, no .netrc.
 *
 *	AUTO(http_client_free) struct http_client *c =
 *		http_client_new("http://docker", "/var/run/docker.sock", &e);
 *	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
 *
 *	if (http_call(c, &(struct http_request){ .path = "/_ping" }, &r, &e) < 0)
 *		return -1;
 *	if (r.status != 200)
 *		...
 *
 * Errors of http_call(): ERR_UNAVAILABLE (no connection, or it broke; sys_errno says why the
 * kernel refused one), ERR_TIMEOUT, ERR_PROTOCOL (no HTTP, no TLS, or more than max_reply),
 * ERR_DENIED (the two sides' certificates do not satisfy each other), ERR_INTERRUPTED.  A status
 * of 4xx or 5xx is a reply, not an error; what it means is the caller's business.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

struct http_client;

/* Gets pieces of a streamed body as they come; a value other than 0 ends the request. */
typedef int http_sink_fn(void *arg, const void *data, size_t n);

/* Gives the next piece of a request body, at most n bytes; 0 at its end, -1 to abort. */
typedef ssize_t http_source_fn(void *arg, void *data, size_t n);

#define HTTP_TIMEOUT_NS (30 * INT64_C(1000000000))

struct http_request {
	const char *method;       /* NULL: GET */
	const char *path;         /* with the query, already escaped */
	const char *body;         /* NULL: none */
	const char *content_type; /* NULL with a body: application/json */
	const char *bearer;       /* token, or NULL */
	http_source_fn *source;   /* instead of body */
	void *source_arg;
	uint64_t source_size; /* how much the source gives, > 0; said as Content-Length */
	/* The body goes here (only of a 2xx reply) instead of into the reply, whose status and
	 * lengths are set already. */
	http_sink_fn *sink;
	void *sink_arg;
	int64_t timeout_ns; /* of the whole exchange; 0: HTTP_TIMEOUT_NS, < 0: none (a stream) */
	int64_t idle_ns;    /* ERR_TIMEOUT without a byte for so long, in seconds; 0: no limit */
	size_t max_reply;   /* bytes; 0: 16 MiB */
	uint64_t from;      /* > 0: "Range: bytes=FROM-"; a server may answer 206, 200 or 416 */
};

struct http_reply {
	long status;
	struct buf body; /* always NUL-terminated after a success */
	int64_t length;  /* Content-Length, of a HEAD too; -1: the server does not say */
	/* Content-Range: the first byte's place (of 206), and how many there are; -1: not said. */
	int64_t range_from, range_total;
};

#define HTTP_REPLY_INIT ((struct http_reply){ .body = { .max = 0 } })

void http_reply_release(struct http_reply *r);

static inline void auto_http_reply(struct http_reply *r)
{
	http_reply_release(r);
}

/* socket_path: a unix socket that everything goes through, or NULL.  Both are copied. */
struct http_client *http_client_new(
        const char *base_url, const char *socket_path, struct err *e) NODISCARD;
void http_client_free(struct http_client *c);
DEFINE_AUTO(struct http_client, http_client_free)

/*
 * How an https:// URL is spoken to; the strings are paths of PEM files.  Without it: the system's
 * CAs, no certificate of ours.  TLS 1.2 at least in any case.
 */
struct http_tls {
	const char *ca;         /* trust these only; NULL: the system's */
	const char *cert, *key; /* ours; both or none */
	bool no_verify;         /* whoever answers is believed */
};

/* Copies *tls; to be called before the first request. */
int http_client_set_tls(struct http_client *c, const struct http_tls *tls, struct err *e) NODISCARD;

/*
 * Sign each request with AWS Signature Version 4 for the service "s3" (CURLOPT_AWS_SIGV4).  Copies;
 * to be called before the first request.  A query's arguments have to be escaped and sorted by name
 * already: not every libcurl does that, and the signature would be another than the server's.
 */
int http_client_sign_s3(struct http_client *c, const char *region, const char *key_id,
        const char *secret, struct err *e) NODISCARD;

/* What was wrong between the two sides, for callers that know what their user can do about it. */
enum http_tls_trouble {
	HTTP_TLS_FINE,
	HTTP_TLS_NO_TLS,        /* the other side does not speak TLS */
	HTTP_TLS_EXPIRED,       /* its certificate */
	HTTP_TLS_NOT_YET_VALID, /* its certificate */
	HTTP_TLS_UNKNOWN_CA,    /* of its certificate */
	HTTP_TLS_WRONG_NAME,    /* in its certificate */
	HTTP_TLS_BAD_CERT,      /* its certificate, for another reason */
	HTTP_TLS_WANTS_CERT,    /* it wants one of us, and we have none */
	HTTP_TLS_REFUSES_CERT,  /* ours */
	HTTP_TLS_BAD_OWN_CERT,  /* our certificate or key cannot be used */
	HTTP_TLS_BAD_CA_FILE,   /* http_tls.ca cannot be used */
};

/* Of the last http_call(); HTTP_TLS_FINE also when it failed for another reason. */
enum http_tls_trouble http_client_tls_trouble(const struct http_client *c);

/*
 * While a request runs, *flag is looked at after every signal and at least once a second; once
 * it is not 0 the request ends with ERR_INTERRUPTED.  For Ctrl-C.  NULL: no more.  Returns the flag
 * that it was before.
 */
const volatile int *http_client_interrupt_on(struct http_client *c, const volatile int *flag);

/* Do one exchange.  reply is cleared first.  0 for any complete HTTP reply, -1. */
int http_call(struct http_client *c, const struct http_request *q, struct http_reply *reply,
        struct err *e) NODISCARD;

/* s escaped for a path component or a query value; the caller frees it.  NULL without memory. */
char *http_escape(const char *s) NODISCARD;
