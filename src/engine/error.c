/*
 * What went wrong, in terms of what the caller can do about it
 *
 * The engine's statuses are those of its errdefs package or, where swarmkit speaks, of the gRPC
 * code; several that matter to us share 400, 500 and 503 and differ in their text only, and those
 * are told apart here and nowhere else.  Texts seen from 20.10.24, the same in the sources up to
 * 24.0.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"

#define QUORUM_HINT                                                           \
	"more than half of the managers must be up and reach each other; an " \
	"election takes up to 20 s: try again, see 'docker node ls'"

struct rule {
	long status; /* 0: any */
	const char *text;
	enum err_kind kind;
	const char *hint;
};

/* The first that fits. */
static const struct rule rules[] = {
	{ 0, "update out of sequence", ERR_CONFLICT, NULL },
	/* 409 for services and configs, 500 for networks. */
	{ 0, "name conflicts with an existing object", ERR_CONFLICT, NULL },
	{ 0, "already exists", ERR_CONFLICT, NULL },
	{ 0, "does not have a leader", ERR_UNAVAILABLE, QUORUM_HINT },
	{ 0, "code = DeadlineExceeded", ERR_UNAVAILABLE, QUORUM_HINT },
	{ 0, "context deadline exceeded", ERR_UNAVAILABLE, QUORUM_HINT },
	/* What swarmkit's raft says of calls that an election has caught (its manager/state/raft),
	 * and gRPC of a connection to a leader that is gone. */
	{ 0, "raft: failed to process the request", ERR_UNAVAILABLE, QUORUM_HINT },
	{ 0, "raft: no elected cluster leader", ERR_UNAVAILABLE, QUORUM_HINT },
	{ 0, "raft: node is not yet part of a raft cluster", ERR_UNAVAILABLE, QUORUM_HINT },
	{ 0, "code = Unavailable", ERR_UNAVAILABLE, QUORUM_HINT },
	{ 500, "code = Canceled", ERR_UNAVAILABLE, QUORUM_HINT },
	{ 500, "code = Aborted", ERR_UNAVAILABLE, QUORUM_HINT },
	{ 500, "transport is closing", ERR_UNAVAILABLE, QUORUM_HINT },
	{ 503, "already part of a swarm", ERR_CONFLICT, NULL },
	{ 503, "Manager is being prepared", ERR_UNAVAILABLE, QUORUM_HINT },
	{ 503, "needs to be unlocked", ERR_DENIED, "docker swarm unlock" },
	{ 503, "certificates have expired", ERR_DENIED, "leave the swarm and join it again" },
	{ 503, "not a swarm manager", ERR_DENIED, NULL },
	{ 503, "not part of a swarm", ERR_DENIED, NULL },
	/* Secrets and configs that a service names; networks that a task or service uses. */
	{ 400, "is in use by the following service", ERR_CONFLICT, NULL },
	{ 400, "code = FailedPrecondition", ERR_CONFLICT, NULL },
	{ 403, "has active endpoints", ERR_CONFLICT, NULL },
	/* A service that names a network which is not there. */
	{ 500, " not found", ERR_NOT_FOUND, NULL },
	{ 400, "client version", ERR_PROTOCOL, NULL },
};

static enum err_kind kind_of(long status)
{
	switch (status) {
	case 400:
	case 501: /* renaming a service, changing its mode */
		return ERR_USAGE;
	case 401:
	case 403:
		return ERR_DENIED;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_CONFLICT;
	case 408:
	case 504:
		return ERR_TIMEOUT;
	case 502:
	case 503:
		return ERR_UNAVAILABLE;
	default:
		return status >= 500 ? ERR_SYSTEM : ERR_PROTOCOL;
	}
}

/* What the swarm part prefixes to its texts says nothing to people. */
static const char *without_grpc(const char *text)
{
	const char *desc;

	if (!str_starts(text, "rpc error: code = ", NULL) || !(desc = strstr(text, " desc = ")))
		return text;
	return desc + strlen(" desc = ");
}

int engine_status_error(long status, const char *body, size_t n, struct err *e)
{
	AUTO(json) json_t *j = NULL;
	struct err no_json = ERR_INIT;
	enum err_kind kind = kind_of(status);
	const char *text, *hint = NULL;
	char first_line[200];

	j = json_parse_object(body, n, "reply", &no_json);
	text = json_str(j, "message", "");
	for (size_t i = 0; *text && i < ARRAY_LEN(rules); i++) {
		if ((rules[i].status && rules[i].status != status) || !strstr(text, rules[i].text))
			continue;
		kind = rules[i].kind;
		hint = rules[i].hint;
		break;
	}
	if (*text) {
		err_set(e, kind, "%s", without_grpc(text));
	} else {
		size_t len = strcspn(body, "\r\n");

		(void)snprintf(first_line, sizeof(first_line), "%.*s",
		        (int)(len < sizeof(first_line) ? len : sizeof(first_line)), body);
		err_set(e, kind, "HTTP status %ld%s%s", status, *first_line ? ": " : "",
		        first_line);
	}
	return hint ? err_hint(e, "%s", hint) : -1;
}

static int connect_to(const char *path)
{
	AUTO(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (fd < 0)
		return -errno;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
}

int engine_socket_check(const char *path, struct err *e)
{
	int rc = connect_to(path);
	struct stat st;

	switch (-rc) {
	case 0:
		return 0;
	case ENOENT:
	case ENOTDIR:
		err_set(e, ERR_UNAVAILABLE, "no Docker Engine: there is no socket '%s'", path);
		return err_hint(e,
		        "is docker installed and running (systemctl start docker)? "
		        "Another engine: --host or DOCKER_HOST");
	case EACCES:
	case EPERM:
		err_set(e, ERR_DENIED, "no permission for the Docker Engine's socket '%s'", path);
		return err_hint(e,
		        "use sudo, or join the group docker: sudo usermod -aG docker "
		        "$USER, and log in again");
	case ECONNREFUSED:
		if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
			return err_set(e, ERR_USAGE, "engine host '%s' is not a socket", path);
		err_set(e, ERR_UNAVAILABLE, "no Docker Engine: nobody listens on the socket '%s'",
		        path);
		return err_hint(e, "start it (systemctl start docker), see journalctl -u docker");
	case EAGAIN:
		err_set(e, ERR_UNAVAILABLE, "the Docker Engine accepts no connection on '%s'",
		        path);
		return err_hint(e, "it hangs or is overloaded, see journalctl -u docker");
	default:
		return err_sys(e, -rc, "connect to the Docker Engine at '%s'", path);
	}
}
