#pragma once

/*
 * Which engine is meant, and how it is spoken to
 *
 * The docker CLI's rules (docker/cli: cli/command/cli.go resolveContextName(),
 * cli/flags/options.go, opts/hosts.go, cli/context; the same from 20.10 to 28):
 *
 *   1. a context that is asked for, else a host that is asked for;
 *   2. DOCKER_HOST, 3. DOCKER_CONTEXT, 4. currentContext of config.json, unless empty;
 *   5. the local socket, or tcp://localhost:2376 when DOCKER_TLS or DOCKER_TLS_VERIFY is set.
 *
 * A context brings its own TLS files, and the variables are not looked at.  A host, from wherever,
 * is spoken to with TLS when DOCKER_TLS_VERIFY (and its certificate is checked) or DOCKER_TLS is
 * set to anything but nothing; ca.pem, cert.pem and key.pem are in DOCKER_CERT_PATH, or else where
 * config.json is: DOCKER_CONFIG, or else ~/.docker.
 *
 * Different here: https:// and http:// are hosts too and say themselves whether TLS is spoken; a
 * host without a port gets 2376 with TLS (the CLI takes 2375 in any case); a config.json that
 * cannot be understood is an error, because the context in it may be another cluster.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"

struct engine_endpoint {
	char *host;            /* "unix:///x.sock", "tcp://10.0.0.1:2376" */
	char *socket_path;     /* NULL unless unix:// */
	char *url;             /* for http_client_new() */
	char *name;            /* of the host alone, without brackets; NULL for unix:// */
	char *context;         /* NULL: none */
	char *cert_dir;        /* where the TLS files are looked for */
	char *ca, *cert, *key; /* files that are there, or NULL */
	const char *from;      /* who named it: "DOCKER_HOST", ...; "" for the default */
	bool is_tls, is_verified;
};

#define ENGINE_ENDPOINT_INIT ((struct engine_endpoint){ .from = "" })

void engine_endpoint_release(struct engine_endpoint *ep);

static inline void auto_engine_endpoint(struct engine_endpoint *ep)
{
	engine_endpoint_release(ep);
}

/*
 * host as for engine_new().  ERR_USAGE for what is no host, ERR_NOT_FOUND for a context that is
 * not there, ERR_DENIED for a file that we may not read, ERR_PROTOCOL for one that makes no sense.
 */
int engine_endpoint_find(struct engine_endpoint *ret, const char *host, struct err *e) NODISCARD;

/* --- the pure halves --- */

/*
 * Fill host, socket_path, url, name and, for http:// and https://, is_tls of *ep from a text like
 * "tcp://[::1]:2375".  ep->is_tls chooses the port and the scheme of tcp://.
 */
int engine_host_parse(struct engine_endpoint *ep, const char *text, struct err *e) NODISCARD;

/*
 * The text of contexts/meta/.../meta.json: the host goes to *ret_host, "" for none, which the
 * caller frees.
 */
int engine_context_parse(char **ret_host, bool *ret_no_verify, const char *name, const char *text,
        size_t n, struct err *e) NODISCARD;

/* Whether what is sent there stays on this machine; names other than "localhost" may not. */
bool engine_endpoint_is_local(const struct engine_endpoint *ep);
