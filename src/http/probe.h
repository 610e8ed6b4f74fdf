#pragma once

/*
 * HTTP requests that do not block (libcurl's multi interface on our loop)
 *
 * For services: each struct http_probe is one request that can be started again and again;
 * its connection is kept.  The callback runs once for each start, from the loop, unless the
 * probe is cancelled.
 *
 *	struct http_prober *p = http_prober_new(&loop, &e);
 *	struct http_probe *q = http_probe_new(p, "http://127.0.0.1:8888/v1/chain/get_info",
 *	                                      64 * 1024, &e);
 *	http_probe_start(q, NULL, NS_PER_SEC, on_reply, arg, &e);
 *	...
 *	http_probe_free(q);
 *	http_prober_free(p);
 *
 * The prober must outlive its probes, the loop must outlive the prober.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

struct loop;
struct http_prober;
struct http_probe;

/*
 * status: HTTP status, 0 when there was no complete reply and failure says why.
 * body, content_type ("" without one): valid during the call; body ends with a NUL.  elapsed_ns:
 * from the start to the last byte.
 */
struct http_probe_result {
	long status;
	const char *body;
	size_t len;
	const char *content_type;
	int64_t elapsed_ns;
	const struct err *failure; /* NULL with a status */
};

typedef void http_probe_fn(struct http_probe *q, const struct http_probe_result *r, void *arg);

struct http_prober *http_prober_new(struct loop *l, struct err *e) NODISCARD;
void http_prober_free(struct http_prober *p);
DEFINE_AUTO(struct http_prober, http_prober_free)

/*
 * Before the first start: at most this many connections to one host and port.  Further requests
 * wait for their turn, and their time limit counts from their start all the same.
 */
void http_prober_limit(struct http_prober *p, long per_host);

/*
 * So many more connections (n < 0: fewer) are kept open while nobody uses them.  For whoever asks
 * many hosts again and again: by itself curl keeps four times as many as there are requests under
 * way, and of two hundred hosts that are asked at the same time the last answers would find most
 * connections of the others too many.
 */
void http_prober_keep(struct http_prober *p, long n);

struct http_probe *http_probe_new(
        struct http_prober *p, const char *url, size_t max_reply, struct err *e) NODISCARD;
void http_probe_free(struct http_probe *q); /* cancels */
DEFINE_AUTO(struct http_probe, http_probe_free)

/* Before a start: connect to these addresses for host and port, whatever its name means to the
 * system's resolver, which could block the loop.  n > 0. */
int http_probe_set_addresses(struct http_probe *q, const char *host, uint16_t port,
        const struct in_addr *addresses, size_t n, struct err *e) NODISCARD;

/* Before the first start: send "Authorization: Bearer TOKEN".  The token is in no message. */
int http_probe_set_bearer(struct http_probe *q, const char *token, struct err *e) NODISCARD;

/*
 * Start it; body NULL is a GET, else a POST of JSON ("": of nothing), copied.  timeout_ns <= 0: no
 * limit, but a connection has to come about within a few seconds, and a peer that is no longer
 * there is found out by TCP's keepalive.  Starting a running probe is refused with ERR_CONFLICT.
 */
int http_probe_start(struct http_probe *q, const char *body, int64_t timeout_ns, http_probe_fn *fn,
        void *arg, struct err *e) NODISCARD;
bool http_probe_is_running(const struct http_probe *q);
void http_probe_cancel(struct http_probe *q);

/* Before a start: another method than GET or POST ("PUT"), with a body or without; and one more
 * line of the head ("Name: value", without a line break), which is sent with every request from
 * then on. */
int http_probe_set_method(struct http_probe *q, const char *method, struct err *e) NODISCARD;
int http_probe_set_header(struct http_probe *q, const char *line, struct err *e) NODISCARD;
