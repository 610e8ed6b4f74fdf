#pragma once

/*
 * Where requests go: a URL, resolved once, and whether we may load it
 *
 * http://HOST[:PORT][/PATH], HOST a name, an IPv4 address or [IPv6]; or a unix socket beside the
 * URL. The path defaults to /v1/chain/get_info.  Only addresses that are loopback, private (RFC
 * 1918, RFC 4193, link-local, 100.64/10) or unix sockets are taken unless the caller says that he
 * owns them: a load test of somebody else's API is an attack.
 */

#include <stdbool.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"

#define LOAD_INFO_PATH "/v1/chain/get_info"
#define LOAD_ADDRS_MAX 16

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

/* Parse and resolve.  unix_socket: a path, or NULL.  owns_it: any address is fine.  Errors:
 * ERR_USAGE (not such a URL), ERR_NOT_FOUND (name), ERR_DENIED (an address that is public, with the
 * hint to say --i-own-this).  *t is released by the caller. */
int load_target_init(struct load_target *t, const char *url, const char *unix_socket, bool owns_it,
        struct err *e) NODISCARD;
void load_target_release(struct load_target *t);

/*
 * The request as bytes, appended to out.  method: "GET", "POST", ...; body: NULL or text; headers:
 * "Name: value" lines that replace ours of the same name.  ERR_USAGE for control characters and for
 * headers that we set ourselves (Content-Length, Transfer-Encoding, Connection).
 */
int load_request_build(struct buf *out, const struct load_target *t, const char *method,
        const char *body, const struct strvec *headers, bool keep_alive, struct err *e) NODISCARD;
