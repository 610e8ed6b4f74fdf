#include "engine/endpoint_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/engine.h"

#define CONFIG_MAX  (1024U * 1024)
#define CONTEXT_MAX 256
#define HOST_MAX    1024

#define LOCAL_TLS "tcp://localhost:2376"

void engine_endpoint_release(struct engine_endpoint *ep)
{
	free(ep->host);
	free(ep->socket_path);
	free(ep->url);
	free(ep->name);
	free(ep->context);
	free(ep->cert_dir);
	free(ep->ca);
	free(ep->cert);
	free(ep->key);
	*ep = ENGINE_ENDPOINT_INIT;
}

/* --- hosts ---------------------------------------------------------------------------------- */

static int parse_unix(struct engine_endpoint *ep, const char *text, const char *path, struct err *e)
{
	if (!*path)
		text = ENGINE_DEFAULT_HOST, path = strchr(text, '/') + 2;
	if (*path != '/') {
		err_set(e, ERR_USAGE, "engine host '%s': not of the form unix:///PATH", text);
		return err_hint(e, "for example %s", ENGINE_DEFAULT_HOST);
	}
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(e, ERR_USAGE,
		        "engine host '%s': a socket's path has at most %zu bytes", text,
		        sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	ep->is_tls = false;
	ep->host = strdup(text);
	ep->socket_path = strdup(path);
	ep->url = strdup("http://docker");
	return ep->host && ep->socket_path && ep->url ? 0 : err_nomem(e);
}

static int not_a_host(const char *text, struct err *e)
{
	err_set(e, ERR_USAGE, "engine host '%s': not of the form tcp://HOST[:PORT]", text);
	if (*text == '/')
		return err_hint(e, "a socket is unix://%s", text);
	return err_hint(e, "for example tcp://10.0.0.1:2376, tcp://[fd00::1]:2376, %s",
	        ENGINE_DEFAULT_HOST);
}

/* The characters of s that are in set, counted from its start, must be all up to `end`. */
static bool consists_of(const char *s, size_t n, const char *set)
{
	return n > 0 && strspn(s, set) >= n;
}

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT", each with a path after it or none. */
static int parse_tcp(struct engine_endpoint *ep, const char *text, const char *rest, struct err *e)
{
	bool is_v6 = *rest == '[';
	const char *name = rest + is_v6, *end, *port, *path;
	size_t n, port_len;
	char number[8];
	uint64_t value = ep->is_tls ? 2376 : 2375;
	struct err ignored = ERR_INIT;

	end = is_v6 ? strchr(rest, ']') : rest + strcspn(rest, ":/");
	if (!end)
		return not_a_host(text, e);
	n = (size_t)(end - name);
	end += is_v6;
	port = *end == ':' ? end + 1 : end;
	port_len = strcspn(port, "/");
	path = port + port_len;
	/* tcp://:2376 is the docker CLI's word for the host itself. */
	if (!n && !is_v6 && *end == ':')
		name = "localhost", n = strlen(name);
	if (!consists_of(name, n, is_v6 ? DIGITS LETTERS ":.%_-" : DIGITS LETTERS ".-_") ||
	        n > 255 || (end == port && port_len) ||
	        (*path && !consists_of(path, strlen(path), DIGITS LETTERS "/.-_~%")))
		return not_a_host(text, e);
	if (port_len) {
		(void)snprintf(number, sizeof(number), "%.*s", (int)port_len, port);
		if (port_len > 5 || num_uint(&value, number, 1, 65535, &ignored) < 0)
			return not_a_host(text, e);
	}
	while (*path == '/' && !path[1])
		path++;
	ep->name = strndup(name, n);
	ep->host = str_fmt("tcp://%s%.*s%s:%u%s", is_v6 ? "[" : "", (int)n, name, is_v6 ? "]" : "",
	        (unsigned)value, path);
	if (ep->host)
		ep->url = str_fmt("%s%s", ep->is_tls ? "https" : "http", ep->host + strlen("tcp"));
	return ep->name && ep->url ? 0 : err_nomem(e);
}

static int refuse(const char *text, struct err *e)
{
	const char *rest;

	if (str_starts(text, "ssh://", &rest)) {
		err_set(e, ERR_USAGE, "engine host '%s': nodeswarm does not start ssh itself",
		        text);
		return err_hint(e,
		        "forward the socket: ssh -NL /tmp/docker.sock:/var/run/docker.sock %.100s "
		        "and use --host unix:///tmp/docker.sock",
		        rest);
	}
	err_set(e, ERR_USAGE, "engine host '%s': this kind of host is not supported", text);
	return err_hint(e, "unix:///PATH, tcp://HOST:PORT and https://HOST:PORT are");
}

int engine_host_parse(struct engine_endpoint *ep, const char *text, struct err *e)
{
	const char *rest;

	if (strlen(text) > HOST_MAX)
		return err_set(e, ERR_USAGE, "engine host '%.60s...' is too long", text);
	if (str_starts(text, "unix://", &rest))
		return parse_unix(ep, text, rest, e);
	if (str_starts(text, "tcp://", &rest)) {
		/* The docker CLI's word for localhost, too. */
		return parse_tcp(ep, text, *rest ? rest : "localhost", e);
	}
	if (str_starts(text, "https://", &rest)) {
		ep->is_tls = true;
		return parse_tcp(ep, text, rest, e);
	}
	if (str_starts(text, "http://", &rest)) {
		if (ep->is_tls) {
			err_set(e, ERR_USAGE,
			        "engine host '%s' is one without TLS, but TLS is asked for", text);
			return err_hint(e,
			        "say https:// or tcp://, or unset DOCKER_TLS_VERIFY and "
			        "DOCKER_TLS");
		}
		ep->is_tls = false;
		return parse_tcp(ep, text, rest, e);
	}
	if (strstr(text, "://"))
		return refuse(text, e);
	return parse_tcp(ep, text, text, e);
}

bool engine_endpoint_is_local(const struct engine_endpoint *ep)
{
	return !ep->name || strcmp(ep->name, "localhost") == 0 || strcmp(ep->name, "::1") == 0 ||
	        (str_starts(ep->name, "127.", NULL) &&
	                strspn(ep->name, DIGITS ".") == strlen(ep->name));
}

/* --- files ---------------------------------------------------------------------------------- */

/* Where config.json is; allocated. */
static char *config_dir(void)
{
	const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	struct passwd entry, *pw = NULL;
	char text[4096];

	if (dir && *dir)
		return strdup(dir);
	if (!home || !*home)
		home = getpwuid_r(getuid(), &entry, text, sizeof(text), &pw) == 0 && pw ? pw->pw_dir
		                                                                        : "/";
	return str_fmt("%s/.docker", home);
}

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/*
 * Put dir/name into *ret if it is there, and make sure that it can be read: libcurl's word for a
 * key that cannot is "could not load".  Returns 0, 1 when it is not there, -1.
 */
static int find_file(char **ret, const char *dir, const char *name, struct err *e)
{
	AUTO(free) char *path = str_fmt("%s/%s", dir, name);
	AUTO(close_fd) int fd = -1;

	if (!path)
		return err_nomem(e);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0) {
		*ret = TAKE(path);
		return 0;
	}
	if (errno == ENOENT || errno == ENOTDIR)
		return 1;
	err_set(e, ERR_DENIED, "the TLS file '%s' cannot be read: %s", path, strerror(errno));
	return err_hint(e, "it must be readable for the user that runs nodeswarm: ls -l %s", dir);
}

static int find_tls_files(struct engine_endpoint *ep, struct err *e)
{
	if (find_file(&ep->ca, ep->cert_dir, "ca.pem", e) < 0 ||
	        find_file(&ep->cert, ep->cert_dir, "cert.pem", e) < 0 ||
	        find_file(&ep->key, ep->cert_dir, "key.pem", e) < 0)
		return -1;
	return 0;
}

/* --- contexts ------------------------------------------------------------------------------- */

int engine_context_parse(char **ret_host, bool *ret_no_verify, const char *name, const char *text,
        size_t n, struct err *e)
{
	AUTO(json) json_t *j = json_parse_object(text, n, "meta.json", e);
	const json_t *endpoint = json_at(j, "Endpoints.docker");

	if (!j)
		return -1;
	if (!str_eq(json_str(j, "Name", NULL), name))
		return err_set(e, ERR_PROTOCOL, "it describes another context, '%.100s'",
		        json_str(j, "Name", ""));
	if (!json_is_object(endpoint))
		return err_set(e, ERR_PROTOCOL, "it has no Docker endpoint");
	*ret_host = strdup(json_str(endpoint, "Host", ""));
	*ret_no_verify = json_bool(endpoint, "SkipTLSVerify", false);
	return *ret_host ? 0 : err_nomem(e);
}

static int no_context(const char *name, const char *from, const char *dir, struct err *e)
{
	err_set(e, ERR_NOT_FOUND, "the docker context '%.100s'%s%s does not exist in '%s/contexts'",
	        name, *from ? " of " : "", from, dir);
	return err_hint(e,
	        "see 'docker context ls'; with sudo: whose ~/.docker is it? DOCKER_CONFIG "
	        "names another");
}

static int open_context(
        struct engine_endpoint *ep, const char *name, const char *dir, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(CONFIG_MAX);
	AUTO(free) char *host = NULL;
	AUTO(free) char *path = NULL;
	char id[SHA256_HEX_SIZE];
	bool no_verify;
	int rc;

	if (strlen(name) > CONTEXT_MAX)
		return err_set(e, ERR_USAGE, "the name of a docker context is too long");
	sha256_hex(id, name, strlen(name));
	ep->context = strdup(name);
	ep->cert_dir = str_fmt("%s/contexts/tls/%s/docker", dir, id);
	path = str_fmt("%s/contexts/meta/%s/meta.json", dir, id);
	if (!path || !ep->context || !ep->cert_dir)
		return err_nomem(e);
	rc = fs_read_at(AT_FDCWD, path, &text, e);
	if (rc > 0)
		return no_context(name, ep->from, dir, e);
	if (rc < 0 || engine_context_parse(&host, &no_verify, name, text.data, text.len, e) < 0)
		return err_wrap(e, "docker context '%s' in '%s'", name, path);
	if (find_tls_files(ep, e) < 0)
		return err_wrap(e, "docker context '%s'", name);
	/* Without any of these files the CLI speaks plain HTTP to it. */
	ep->is_tls = ep->ca || ep->cert || ep->key || no_verify;
	ep->is_verified = !no_verify;
	if (engine_host_parse(ep, *host ? host : ENGINE_DEFAULT_HOST, e) < 0)
		return err_wrap(e, "docker context '%s'", name);
	return 0;
}

/* --- the choice ------------------------------------------------------------------------------ */

static int no_ca(const struct engine_endpoint *ep, struct err *e)
{
	err_set(e, ERR_USAGE,
	        "DOCKER_TLS_VERIFY asks for the engine's certificate to be checked, but there is "
	        "no "
	        "'%s/ca.pem'",
	        ep->cert_dir);
	return err_hint(
	        e, "DOCKER_CERT_PATH names the directory with ca.pem, cert.pem and key.pem");
}

static int open_host(struct engine_endpoint *ep, const char *host, const char *dir, struct err *e)
{
	const char *cert_path = env("DOCKER_CERT_PATH");

	ep->is_verified = env("DOCKER_TLS_VERIFY") != NULL;
	ep->is_tls = ep->is_verified || env("DOCKER_TLS");
	if (!host) {
		host = ep->is_tls ? LOCAL_TLS : ENGINE_DEFAULT_HOST;
		ep->from = "";
	}
	ep->cert_dir = strdup(cert_path ? cert_path : dir);
	if (!ep->cert_dir)
		return err_nomem(e);
	if (engine_host_parse(ep, host, e) < 0)
		return *ep->from ? err_wrap(e, "%s", ep->from) : -1;
	if (!ep->is_tls)
		return 0;
	if (find_tls_files(ep, e) < 0)
		return -1;
	if (!ep->is_verified && !env("DOCKER_TLS"))
		ep->is_verified = true; /* https:// and no word more: with the system's CAs */
	else if (ep->is_verified && !ep->ca)
		return no_ca(ep, e);
	return 0;
}

/* currentContext of config.json; "" for none.  The caller frees it. */
static int current_context(char **ret, const char *dir, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(CONFIG_MAX);
	AUTO(free) char *path = str_fmt("%s/config.json", dir);
	AUTO(json) json_t *j = NULL;
	int rc;

	if (!path)
		return err_nomem(e);
	rc = fs_read_at(AT_FDCWD, path, &text, e);
	/* Another user's, as after sudo -u: the CLI goes on without it. */
	if (rc < 0 && (e->sys_errno == EACCES || e->sys_errno == EPERM)) {
		err_clear(e);
		rc = 1;
	}
	if (rc == 0 && !(j = json_parse_object(text.data, text.len, "it", e)))
		rc = -1;
	if (rc < 0) {
		err_wrap(e, "read '%s'", path);
		return err_hint(
		        e, "it may name the engine to use; mend it, or say --host or --context");
	}
	*ret = strdup(json_str(j, "currentContext", ""));
	return *ret ? 0 : err_nomem(e);
}

static int find(struct engine_endpoint *ep, const char *host, struct err *e)
{
	AUTO(free) char *dir = config_dir();
	AUTO(free) char *current = NULL;
	const char *context = NULL;

	if (!dir)
		return err_nomem(e);
	if (host && !str_starts(host, ENGINE_CONTEXT_PREFIX, &context))
		return open_host(ep, host, dir, e);
	host = NULL;
	if (!context && env("DOCKER_HOST")) {
		context = "default";
	} else if (!context && (context = env("DOCKER_CONTEXT"))) {
		ep->from = "DOCKER_CONTEXT";
	} else if (!context) {
		if (current_context(&current, dir, e) < 0)
			return -1;
		ep->from = "config.json";
		context = *current ? current : "default";
	}
	if (strcmp(context, "default") != 0)
		return open_context(ep, context, dir, e);
	host = env("DOCKER_HOST");
	ep->from = host ? "DOCKER_HOST" : "";
	return open_host(ep, host, dir, e);
}

int engine_endpoint_find(struct engine_endpoint *ret, const char *host, struct err *e)
{
	AUTO(engine_endpoint) struct engine_endpoint ep = ENGINE_ENDPOINT_INIT;

	if (find(&ep, host && *host ? host : NULL, e) < 0)
		return -1;
	engine_endpoint_release(ret);
	*ret = ep;
	ep = ENGINE_ENDPOINT_INIT;
	return 0;
}
