/* What the user can do about an engine that cannot be spoken to, by where and how it was tried. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/endpoint_priv.h"
#include "engine/engine_priv.h"

/* Where the engine's certificate files come from. */
static int hint_files(const struct engine_endpoint *at, struct err *e, const char *what)
{
	if (at->context)
		return err_hint(e,
		        "%s; a context gets its files with: docker context update %.60s --docker "
		        "host=%.80s,ca=FILE,cert=FILE,key=FILE",
		        what, at->context, at->host);
	return err_hint(
	        e, "%s; the files are looked for in %.160s (DOCKER_CERT_PATH)", what, at->cert_dir);
}

int engine_hint_tls(const struct engine_endpoint *at, struct err *e)
{
	if (at->context)
		return hint_files(at, e, "the context has no TLS files");
	return err_hint(e,
	        "set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the directory with ca.pem, "
	        "cert.pem and key.pem");
}

static int explain_tls(
        const struct engine_endpoint *at, enum http_tls_trouble trouble, struct err *e)
{
	switch (trouble) {
	case HTTP_TLS_NO_TLS:
		return err_hint(e,
		        at->context
		                ? "is it the right port (2376 as a rule)? The context asks for TLS"
		                : "is it the right port (2376 as a rule)? Without TLS: unset "
		                  "DOCKER_TLS_VERIFY and DOCKER_TLS, and say tcp://");
	case HTTP_TLS_EXPIRED:
		return err_hint(e,
		        "renew the certificate of the engine (dockerd --tlscert), or set the clock "
		        "if it is wrong here");
	case HTTP_TLS_NOT_YET_VALID:
		return err_hint(e, "compare the clocks of this machine and of the engine's");
	case HTTP_TLS_UNKNOWN_CA:
	case HTTP_TLS_BAD_CERT:
		return hint_files(
		        at, e, "ca.pem must be the CA that issued the engine's certificate");
	case HTTP_TLS_WRONG_NAME:
		return err_hint(e,
		        "use a name or address that stands in the certificate, or issue one with "
		        "subjectAltName for '%.100s'",
		        at->name);
	case HTTP_TLS_WANTS_CERT:
		return hint_files(at, e, "cert.pem and key.pem must be there");
	case HTTP_TLS_REFUSES_CERT:
		return hint_files(at, e,
		        "cert.pem must be issued by the engine's CA (dockerd --tlscacert), for "
		        "clients, and not have expired");
	case HTTP_TLS_BAD_OWN_CERT:
		return hint_files(at, e,
		        "cert.pem and key.pem must be PEM files that belong together, the key "
		        "without a passphrase");
	case HTTP_TLS_BAD_CA_FILE:
		return hint_files(at, e, "ca.pem must be a certificate in PEM");
	case HTTP_TLS_FINE:
		break;
	}
	return -1;
}

/* A server that gets no certificate may close the connection before its alert was read. */
static int explain_tcp(const struct engine_endpoint *at, struct err *e)
{
	struct err was = *e;

	if (e->kind == ERR_UNAVAILABLE && was.sys_errno == ECONNREFUSED) {
		err_clear(e);
		err_set(e, ERR_UNAVAILABLE, "no Docker Engine: nobody listens at '%s'", at->host);
		e->sys_errno = was.sys_errno;
		return err_hint(e,
		        "does dockerd listen there (dockerd --host)? The ports are 2375 without "
		        "TLS and 2376 with it; another engine: --host, --context or DOCKER_HOST");
	}
	if (e->kind == ERR_UNAVAILABLE && at->is_tls && (!at->cert || !at->key))
		return hint_files(at, e, "it may want a client certificate, and there is none");
	if (e->kind == ERR_UNAVAILABLE || e->kind == ERR_TIMEOUT)
		return err_hint(e,
		        "can '%.100s' be reached from here? Another engine: --host, "
		        "--context or DOCKER_HOST",
		        at->name);
	if (e->kind == ERR_PROTOCOL && !at->is_tls)
		return engine_hint_tls(at, e);
	return -1;
}

int engine_explain(const struct engine_endpoint *at, enum http_tls_trouble trouble, struct err *e)
{
	struct err why = ERR_INIT;

	if (trouble != HTTP_TLS_FINE)
		return explain_tls(at, trouble, e);
	if (!at->socket_path)
		return explain_tcp(at, e);
	if (e->kind == ERR_UNAVAILABLE && engine_socket_check(at->socket_path, &why) < 0)
		*e = why;
	return -1;
}
