/*
 * The engine, or the swarm behind it, is away
 *
 * When the leader of the managers is lost the others elect a new one, which takes 10 to 20 s.
 * Calls wait that long inside the engine, and may end without it: with a deadline exceeded, with
 * "does not have a leader", or with our own time limit.  All that passes by itself as long as more
 * than half of the managers are there.  So does a restart of the engine that we talk to.
 *
 * What does not pass by itself is told with what is still known: who the managers were at the last
 * look, and which of them cannot be reached now.  Nobody in a swarm without a leader can tell.
 */

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "deploy/deploy_priv.h"
#include "engine/system.h"

#define AWAY_MS 500
/* With no limit of the user's.  An engine that restarts with many containers takes
 * half a minute. */
#define LEADERLESS_MAX_NS (90 * NS_PER_SEC)
#define GONE_MAX_NS       (60 * NS_PER_SEC)

#define FINISH "the same command finishes what was begun when it is run again"

/* --- managers ------------------------------------------------------------------------ */

void away_note_managers(struct deadline *dl, const struct engine_nodes *nodes)
{
	dl->n_managers = 0;
	for (size_t i = 0; i < nodes->n && dl->n_managers < MANAGERS_MAX; i++) {
		const struct engine_node *n = &nodes->v[i];
		struct manager *m = &dl->managers[dl->n_managers];

		if (!n->is_manager)
			continue;
		snprintf(m->name, sizeof(m->name), "%.63s", *n->hostname ? n->hostname : n->id);
		snprintf(m->addr, sizeof(m->addr), "%s", n->manager_addr);
		dl->n_managers++;
	}
}

/* The engine's own memory of them, which it has without a leader too; it knows no names. */
static void ask_managers(struct deploy *d, struct deadline *dl)
{
	struct err ignored = ERR_INIT;
	AUTO(json) json_t *info = engine_info(d->engine, &ignored);
	const json_t *list = json_at(info, "Swarm.RemoteManagers");

	for (size_t i = 0; i < json_array_size(list) && dl->n_managers < MANAGERS_MAX; i++) {
		struct manager *m = &dl->managers[dl->n_managers++];

		*m->name = '\0';
		snprintf(m->addr, sizeof(m->addr), "%.79s",
		        json_str(json_array_get(list, i), "Addr", ""));
	}
}

/* Begin to connect to "10.0.0.1:2377" or "[fd00::1]:2377"; -1 when that fails at once. */
static int begin_connect(const char *addr)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	const char *port = strrchr(addr, ':');
	bool is_v6 = *addr == '[';
	AUTO(close_fd) int fd = -1;
	struct addrinfo *ai;
	char host[80];
	int rc;

	if (!port || port - addr < 1 + 2 * is_v6)
		return -1;
	snprintf(host, sizeof(host), "%.*s", (int)(port - addr) - 2 * is_v6, addr + is_v6);
	if (getaddrinfo(host, port + 1, &hints, &ai) != 0)
		return -1;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = fd < 0 ? -1 : connect(fd, ai->ai_addr, ai->ai_addrlen);
	freeaddrinfo(ai);
	return rc < 0 && (fd < 0 || errno != EINPROGRESS) ? -1 : TAKE_FD(fd);
}

/* Which of them accept connections from here.  Returns how many do. */
static size_t find_reachable(const struct deadline *dl, bool is_up[MANAGERS_MAX])
{
	struct pollfd p[MANAGERS_MAX];
	int64_t until = clock_mono_ns() + 1500 * NS_PER_MS;
	size_t up = 0, open = 0;

	for (size_t i = 0; i < dl->n_managers; i++) {
		p[i] = (struct pollfd){ .fd = begin_connect(dl->managers[i].addr),
			.events = POLLOUT };
		is_up[i] = false;
		open += p[i].fd >= 0;
	}
	while (open) {
		int64_t left = (until - clock_mono_ns()) / NS_PER_MS;

		if (left <= 0 || poll(p, dl->n_managers, (int)left) <= 0)
			break;
		for (size_t i = 0; i < dl->n_managers; i++) {
			int why = 0;
			socklen_t n = sizeof(why);

			if (p[i].fd < 0 || !p[i].revents)
				continue;
			is_up[i] = getsockopt(p[i].fd, SOL_SOCKET, SO_ERROR, &why, &n) == 0 && !why;
			up += is_up[i];
			close(p[i].fd);
			p[i].fd = -1;
			open--;
		}
	}
	for (size_t i = 0; i < dl->n_managers; i++)
		if (p[i].fd >= 0)
			close(p[i].fd);
	return up;
}

/* "n1 (10.0.0.1), n2 (10.0.0.2)" of those that are, or are not, up. */
static void list_managers(const struct deadline *dl, const bool is_up[MANAGERS_MAX], bool wanted,
        char *out, size_t size)
{
	*out = '\0';
	for (size_t i = 0; i < dl->n_managers; i++) {
		const struct manager *m = &dl->managers[i];
		const char *port = strrchr(m->addr, ':');
		int n = port ? (int)(port - m->addr) : (int)strlen(m->addr);
		size_t len = strlen(out);

		if (is_up[i] != wanted || len + 2 >= size)
			continue;
		snprintf(out + len, size - len, *m->name ? "%s%s (%.*s)" : "%s%s%.*s",
		        len ? ", " : "", m->name, n, m->addr);
	}
}

/* --- waiting ------------------------------------------------------------------------- */

static int no_leader(struct deploy *d, struct deadline *dl, const char *since, struct err *e)
{
	const struct err was = *e;
	bool is_up[MANAGERS_MAX] = { 0 }, is_silent = e->kind == ERR_TIMEOUT;
	char down[200];
	size_t up;

	if (!dl->n_managers)
		ask_managers(d, dl);
	up = find_reachable(dl, is_up);
	list_managers(dl, is_up, false, down, sizeof(down));
	err_clear(e);
	err_set(e, ERR_UNAVAILABLE, "%s %s%s%s%s%.200s",
	        is_silent ? "the swarm has not answered, as without a leader, for"
	                  : "the swarm has had no leader for",
	        since,
	        up && *down            ? "; these managers do not answer: "
	                : *down && !up ? "; none of the managers can be reached from here: "
	                               : "",
	        down, is_silent ? "" : ": ", is_silent ? "" : was.msg);
	return err_hint(e,
	        "bring managers back until more than half of them are up (%zu of %zu), or mend the "
	        "network between them; " FINISH,
	        dl->n_managers / 2 + 1, dl->n_managers);
}

static int gone(struct deploy *d, struct deadline *dl, const char *since, struct err *e)
{
	const struct err was = *e;
	bool is_up[MANAGERS_MAX] = { 0 };
	char others[160];

	find_reachable(dl, is_up);
	list_managers(dl, is_up, true, others, sizeof(others));
	err_clear(e);
	err_set(e, was.kind, "the engine '%s' has not answered for %s: %.250s",
	        engine_host(d->engine), since, was.msg);
	if (!*others)
		return err_hint(e,
		        "start it, or run the same command on another manager (there, "
		        "or with --host); " FINISH);
	return err_hint(e,
	        "run the same command on another manager, there or with --host: %s; " FINISH,
	        others);
}

/* Without a leader the engine answers late, if at all, whatever is the swarm's; the
 * rest at once. */
static bool is_there(struct deploy *d, const struct err *e)
{
	struct err ignored = ERR_INIT;

	if (e->kind != ERR_TIMEOUT)
		return engine_is_there(d->engine);
	engine_limit_to(d->engine, clock_mono_ns());
	return engine_ping(d->engine, &ignored) == 0;
}

static int give_up(struct deploy *d, struct deadline *dl, int64_t away_ns, struct err *e)
{
	char since[NUM_TEXT_MAX];

	num_duration_text(since, away_ns);
	return is_there(d, e) ? no_leader(d, dl, since, e) : gone(d, dl, since, e);
}

static void say_what_for(struct deploy *d, const struct err *e)
{
	if (engine_is_there(d->engine))
		deploy_progress(d, "the swarm has no leader; waiting: %s", e->msg);
	else if (e->kind == ERR_TIMEOUT)
		deploy_progress(d,
		        "the engine does not answer, perhaps the managers elect a "
		        "leader; waiting");
	else
		deploy_progress(d, "the engine is gone; waiting for it to come back: %s", e->msg);
}

int away_wait(struct deploy *d, struct deadline *dl, struct err *e)
{
	int64_t now = clock_mono_ns(), since = engine_answered_ns(d->engine), away = now - since;
	bool is_gone = e->kind == ERR_UNAVAILABLE && !engine_is_there(d->engine);

	if (e->kind == ERR_INTERRUPTED)
		return err_hint(e, FINISH);
	if ((e->kind != ERR_UNAVAILABLE && e->kind != ERR_TIMEOUT) || !since)
		return -1;
	if (!d->wait_ns)
		return err_hint(e, FINISH);
	if ((dl->at_ns >= 0 && now >= dl->at_ns) ||
	        (is_gone ? away > GONE_MAX_NS : dl->at_ns < 0 && away > LEADERLESS_MAX_NS))
		return give_up(d, dl, away, e);
	say_what_for(d, e);
	err_clear(e);
	(void)poll(NULL, 0, AWAY_MS);
	if (!d->interrupted || !*d->interrupted)
		return 0;
	err_set(e, ERR_INTERRUPTED, "no longer waiting for the %s",
	        is_gone ? "engine" : "swarm's leader");
	return err_hint(e, FINISH);
}
