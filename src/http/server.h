#pragma once

/*
 * A small HTTP server on our loop (libmicrohttpd, external epoll, no threads)
 *
 * The handler gets a complete request and fills the reply at once, or says that it will answer
 * later (http_server_later); it must not block.
 * Limits, all from creation: connections in all and from one address, the idle time of a
 * connection, the size of headers and of a body.  Binds what it is told and nothing else: a TCP
 * port, or a unix socket that only its owner may use.
 *
 *	static void answer(void *arg, const struct http_server_request *q,
 *	        struct http_server_reply *r)
 *	{
 *		if (strcmp(q->path, "/livez") != 0)
 *			return http_server_text(r, 404, "not found\n");
 *		http_server_text(r, 200, "ok\n");
 *	}
 *	struct http_server *s = http_server_new(&loop,
 *	        &(struct http_server_config){ .address = "0.0.0.0", .port = 8880,
 *	                .handler = answer }, &e);
 *
 * A request that does not parse, is too large or too slow is answered or dropped by the
 * library and never reaches the handler.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

struct loop;
struct http_server;
struct http_server_call;
struct MHD_Connection;

struct http_server_request {
	const char *method, *path; /* the path without query, unescaped unless raw_paths */
	bool has_query;            /* the target has a part after '?' that is not empty */
	const char *body;          /* NUL-terminated, "" without one */
	size_t body_len;
	struct MHD_Connection *connection; /* for http_server_header() and the like */
	struct http_server_call *call;     /* for http_server_later() */
};

struct http_server_reply {
	unsigned status;
	const char *content_type; /* a literal */
	char *body;               /* allocated; freed by the server */
	size_t len;
	/*
	 * Instead of a body: len bytes of a regular file from offset on, which need no memory.  The
	 * descriptor is taken over.  A file that has become shorter ends the connection.
	 */
	bool is_file;
	int fd;
	uint64_t offset;
	const char *extra_name, *extra_value; /* one more header, both literals, or NULL */
};

/* The largest body, in bytes, that this request may have; only its head is there. */
typedef size_t http_server_limit_fn(void *arg, const struct http_server_request *q);

typedef void http_server_fn(
        void *arg, const struct http_server_request *q, struct http_server_reply *r);

struct http_server_config {
	const char *address; /* IPv4 or IPv6 */
	uint16_t port;       /* 0: any; see http_server_port() */
	/*
	 * Instead of an address: a socket of this name in the directory unix_dirfd, which stays the
	 * caller's and open.  Mode 0600.  What a dead process left there is replaced; with a live
	 * listener http_server_new() fails with ERR_CONFLICT.  Removed by http_server_free().
	 */
	const char *unix_name;
	int unix_dirfd;
	http_server_fn *handler;
	void *arg;
	unsigned max_connections; /* 0: 64 */
	unsigned max_per_address; /* 0: no limit of its own */
	/* Without a byte for so long a connection is closed; 0: 10.  A request gets twice that to
	 * come as a whole, since the reply before it, and a reply to be taken. */
	unsigned idle_seconds;
	/* Bytes; 0: none.  More is refused with 413, or ends the connection if it is in chunks. */
	size_t max_body;
	http_server_limit_fn *limit; /* says it for each request; NULL: max_body */
	bool drop_too_large;         /* end the connection instead of the 413 */
	bool answers_later;          /* http_server_later() will be used */
	bool raw_paths;              /* path and query as they came, '%' and all */
	/* Files go out by sendfile(), which has no MSG_NOSIGNAL: the process ignores SIGPIPE. */
	bool sends_files;
	/*
	 * A literal, the value of a Server header.  With it a reply carries only that, its
	 * Content-Type, Content-Length and Connection: no Date, no Cache-Control.
	 */
	const char *server_header;
};

struct http_server *http_server_new(
        struct loop *l, const struct http_server_config *cfg, struct err *e) NODISCARD;
void http_server_free(struct http_server *s);
DEFINE_AUTO(struct http_server, http_server_free)

/* The port that is really bound. */
uint16_t http_server_port(const struct http_server *s);

/* The value of a request header, or NULL. */
const char *http_server_header(const struct http_server_request *q, const char *name);

/* The value of a query argument ("" for one without), or NULL. */
const char *http_server_query(const struct http_server_request *q, const char *name);

/*
 * Whether the request has "Authorization: Bearer TOKEN" (RFC 6750) with this token.  The time that
 * takes does not depend on where the two differ.
 */
bool http_server_has_bearer(const struct http_server_request *q, const char *token);

/*
 * Answer later: called by the handler, whose reply is then not looked at.  Afterwards exactly one
 * of two things happens: the owner calls http_server_answer(), once, from the loop (or still from
 * the handler); or gone(arg) is called, because the client has closed its side or the server is
 * freed, and the call is dead.  No time limit counts in between.
 */
typedef void http_server_gone_fn(void *arg);
struct http_server_call *http_server_later(
        const struct http_server_request *q, http_server_gone_fn *gone, void *arg);

/* The reply's body is taken over. */
void http_server_answer(struct http_server_call *call, const struct http_server_reply *r);

#define HTTP_SERVER_ADDRESS_MAX 64

/*
 * The address that the client connected to, "127.0.0.1:8888" or "[::1]:8888".  Returns 0, or
 * -1 when the socket does not say (out is "" then).
 */
int http_server_local(
        const struct http_server_request *q, char out[HTTP_SERVER_ADDRESS_MAX]) NODISCARD;

/* The address that the client has, without its port: "10.0.0.1", "fd00::1".  -1 when the socket
 * does not say, as a unix socket does not. */
int http_server_peer(
        const struct http_server_request *q, char out[HTTP_SERVER_ADDRESS_MAX]) NODISCARD;

/* Fill the reply with a copy of text; without memory it becomes an empty 500. */
void http_server_text(struct http_server_reply *r, unsigned status, const char *text);

/* Fill the reply with JSON text, which is taken over (NULL makes an empty 500). */
void http_server_json(struct http_server_reply *r, unsigned status, char *text_take);
