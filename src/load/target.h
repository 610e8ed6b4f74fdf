#pragma once

/*
 * Where requests go: a URL, resolved once, and whether we may load it
 *
 * http://HOST[:PORT][/PATH], HOST a name, an IPv4 address or [IPv6]; or a unix socket beside the
 * URL, which then gives Host and path.  A path that is not written is /v1/chain/get_info; "/" is
 * "/".  Only addresses that are loopback, private (RFC 1918, RFC 4193, link-local, 100.64/10) or
 * unix sockets are taken unless the caller says that he owns them: a load test of somebody else's
 * API is an attack.  What was judged is what is connected to: the name is not resolved again.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"

#define LOAD_INFO_PATH        "/v1/chain/get_info"
#define LOAD_ADDRS_MAX        16
#define LOAD_REQUEST_BODY_MAX ((size_t)1 << 20)
#define LOAD_REQUEST_MAX      (LOAD_REQUEST_BODY_MAX + ((size_t)600 << 10)) /* for out->max */

struct load_target {
	char *url;  /* as it is shown: scheme, host, port, path; no user info */
	char *host; /* value of the Host header */
	char *path; /* with the query */
	struct load_addr {
		struct sockaddr_storage sa;
		socklen_t n;
	} addrs[LOAD_ADDRS_MAX]; /* connections go to them in turn */
	unsigned n_addrs;
};

/*
 * Parse and resolve.  unix_socket: a path, or NULL.  owns_it: any address is fine.  Errors:
 * ERR_USAGE (not such a URL, https, user info), ERR_NOT_FOUND and ERR_UNAVAILABLE (name, socket),
 * ERR_DENIED (one of the addresses is public, with the hint to say --i-own-this).  *t is released
 * by the caller, also after a failure.
 */
int load_target_init(struct load_target *t, const char *url, const char *unix_socket, bool owns_it,
        struct err *e) NODISCARD;
void load_target_release(struct load_target *t);

static inline void auto_load_target(struct load_target *t)
{
	load_target_release(t);
}

/* Whether it is loopback, private or a unix socket; not where clouds have their metadata. */
bool load_addr_is_near(const struct load_addr *a);

/*
 * "localhost" is ::1 and 127.0.0.1, and most servers listen on one of them: as every client does
 * (RFC 8305), leave a family out if all its addresses refuse a connection while the other takes
 * one.  A single address that is dead stays and counts.  true with a line for people in said.
 */
bool load_target_drop_family(struct load_target *t, int64_t timeout_ns, char *said, size_t size);

/*
 * The request as bytes, appended to out.  method: "GET", "POST", ...; body: NULL or text; headers:
 * "Name: value" lines that replace ours of the same name.  ERR_USAGE for control characters and for
 * headers that we set ourselves (Content-Length, Transfer-Encoding, Connection and others that
 * decide where a message ends); no error holds a value.  out->max: LOAD_REQUEST_MAX.
 */
int load_request_build(struct buf *out, const struct load_target *t, const char *method,
        const char *body, const struct strvec *headers, bool keep_alive, struct err *e) NODISCARD;
