#include "load/self_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "load/bad_server.h"
#include "load/load.h"

/*
 * A case is one server, one run and one comparison.  What has to hold:
 *
 *   ok                  == requests that the server read - those it treated badly
 *   the expected class  == those it treated badly, at least one
 *   lost (pipelined), unsent (schedule): what the server did not read of the run's requests
 *   all other classes   == 0, and all together == the run's requests
 */

#define NO_HURRY_NS     (5 * NS_PER_SEC) /* where nothing is to time out */
#define RUN_MAX_NS      (20 * NS_PER_SEC)
#define TIMEOUT_NS      (10 * NS_PER_MS) /* where something is */
#define FULL_TIMEOUT_NS (40 * NS_PER_MS)
#define TIMEOUT_GROWS   5
#define TIMEOUT_TRIES   4
#define TIMEOUT_CONNS   40 /* each failure keeps one for that long */
#define FORK_DEPTH      330
#define SCHEDULE_RATE   5000
#define UNSENT_RUN_NS   (50 * NS_PER_MS)
#define UNSENT_WAIT_NS  (20 * NS_PER_MS)

struct mode {
	enum bad_server_mode mode;
	enum load_class class;
	const char *what;
};

static const struct mode modes[] = {
	{ BAD_SERVER_GOOD, LOAD_OK, "nothing fails" },
	{ BAD_SERVER_RESET, LOAD_RESET, "the connection is reset before the reply" },
	{ BAD_SERVER_CLOSE, LOAD_RESET, "the connection ends before the reply" },
	{ BAD_SERVER_SILENT, LOAD_TIMEOUT, "no reply" },
	{ BAD_SERVER_SLOW_BODY, LOAD_TIMEOUT, "half a body, and no more" },
	{ BAD_SERVER_SHORT, LOAD_SHORT, "the connection ends within the body" },
	{ BAD_SERVER_SHORT_CHUNK, LOAD_SHORT, "the connection ends within a chunk" },
	{ BAD_SERVER_STATUS, LOAD_STATUS, "status 503" },
	{ BAD_SERVER_NOT_HTTP, LOAD_NOT_HTTP, "something else than HTTP" },
	{ BAD_SERVER_EXTRA, LOAD_NOT_HTTP, "more than was asked for" },
	{ BAD_SERVER_TOO_LARGE, LOAD_TOO_LARGE, "a head or a body that is too large" },
	{ BAD_SERVER_NOT_JSON, LOAD_NOT_JSON, "a body that is not JSON" },
	{ BAD_SERVER_NOT_INFO, LOAD_NOT_INFO, "JSON without a chain_id" },
	{ BAD_SERVER_WRONG_CHAIN, LOAD_WRONG_CHAIN, "another chain" },
	{ BAD_SERVER_HEAD_BACK, LOAD_HEAD_BACK, "a head that goes back" },
};

enum place { PLACE_V4, PLACE_V6, PLACE_UNIX, PLACES };

struct variant {
	const char *what;
	enum place place;
	unsigned requests, every, connections, threads, pipeline;
	bool close, server_closes, chunked, dribble, scheduled, learns;
};

static const struct variant variants[] = {
	{ "kept connections", .requests = 200, .every = 10 },
	{ "one thread, one connection", .requests = 200, .every = 10, .connections = 1,
	        .threads = 1 },
	{ "a connection a request", .requests = 200, .every = 10, .close = true },
	{ "the server closes", .requests = 200, .every = 10, .server_closes = true },
	{ "pipelined", .requests = 400, .every = 20, .pipeline = 8 },
	{ "chunked", .requests = 200, .every = 10, .chunked = true },
	{ "in pieces", .requests = 40, .every = 5, .dribble = true },
	{ "chunked, in pieces", .requests = 40, .every = 5, .chunked = true, .dribble = true },
	{ "on a schedule", .requests = 200, .every = 10, .scheduled = true },
	{ "chain not given", .requests = 200, .every = 10, .learns = true },
	{ "IPv6", .place = PLACE_V6, .requests = 200, .every = 10 },
	{ "unix socket", .place = PLACE_UNIX, .requests = 200, .every = 10 },
	{ "unix socket, a connection a request", .place = PLACE_UNIX, .requests = 200, .every = 10,
	        .close = true },
};

/* Every second request: the first one is good. */
static const struct variant brief = { .requests = 2, .every = 2, .connections = 1, .threads = 1 };

struct self_test {
	void (*row)(void *arg, const struct load_self_test_row *);
	void *arg;
	const volatile int *interrupted; /* or NULL */
	bool full, has[PLACES];
	char dir[64];
	char socket[96];
	struct err *e;
	bool has_failed; /* *e says what failed first */
};

/* What a run came to. */
struct outcome {
	uint64_t classes[LOAD_CLASSES], total, status_503;
};

static unsigned or_else(unsigned v, unsigned otherwise)
{
	return v ? v : otherwise;
}

static const char *listen_at(const struct self_test *t, enum place p)
{
	return p == PLACE_V4 ? "127.0.0.1" : p == PLACE_V6 ? "::1" : t->socket;
}

/* --- one run --------------------------------------------------------------- */

static int run(struct outcome *o, const struct self_test *t, const struct variant *v,
        const char *url, int64_t timeout_ns, int64_t duration_ns, struct err *e)
{
	AUTO(load_target) struct load_target target = { .url = NULL };
	AUTO(buf) struct buf request = BUF_INIT(LOAD_REQUEST_MAX);
	AUTO(load_result_free) struct load_result *r = NULL;
	struct load_config c = {
		.target = &target,
		.keep_alive = !v->close,
		.threads = or_else(v->threads, 2),
		.connections = or_else(v->connections, 8),
		.pipeline = or_else(v->pipeline, 1),
		.duration_ns = duration_ns,
		.requests = v->requests,
		.scheduled = v->scheduled,
		.schedule = { SCHEDULE_RATE, SCHEDULE_RATE, duration_ns },
		.timeout_ns = timeout_ns,
		.check = LOAD_CHECK_INFO,
		.fork_depth = FORK_DEPTH,
		.interrupted = t->interrupted,
	};

	if (!v->learns)
		memcpy(c.chain_id, bad_server_chain_id, sizeof(c.chain_id));
	if (load_target_init(&target, url, v->place == PLACE_UNIX ? t->socket : NULL, false, e) <
	                0 ||
	        load_request_build(&request, &target, "GET", NULL, NULL, c.keep_alive, e) < 0)
		return -1;
	c.request = request.data;
	c.request_n = request.len;
	if (load_run(&c, &r, e) < 0)
		return -1;
	if (r->was_interrupted)
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	memcpy(o->classes, r->total->classes, sizeof(o->classes));
	o->total = load_tally_total(r->total);
	o->status_503 = r->total->statuses[503];
	return 0;
}

/* --- what it has to come to ------------------------------------------------ */

static void note(char *said, size_t size, enum load_class class, uint64_t counted, uint64_t made)
{
	size_t n = strlen(said);

	(void)snprintf(said + n, size - n, "%s%llu %s instead of %llu", *said ? ", " : "",
	        (unsigned long long)counted, load_class_name(class), (unsigned long long)made);
}

/* Compare; said: what is wrong, "" nothing.  read, bad: by the server. */
static void judge(char *said, size_t size, const struct outcome *o, const struct mode *m,
        const struct variant *v, uint64_t read, uint64_t bad)
{
	uint64_t want[LOAD_CLASSES] = { 0 };

	*said = '\0';
	want[LOAD_OK] = read - bad;
	if (m->class != LOAD_OK)
		want[m->class] = bad;
	if (v->pipeline)
		want[LOAD_LOST] = v->requests - read;
	/* Behind the one that timed out, those that are overdue themselves are timeouts as well. */
	if (v->pipeline && m->class == LOAD_TIMEOUT && o->classes[LOAD_TIMEOUT] >= bad &&
	        o->classes[LOAD_TIMEOUT] + o->classes[LOAD_LOST] == bad + want[LOAD_LOST]) {
		want[LOAD_TIMEOUT] = o->classes[LOAD_TIMEOUT];
		want[LOAD_LOST] = o->classes[LOAD_LOST];
	}
	for (enum load_class c = 0; c < LOAD_CLASSES; c++)
		if (o->classes[c] != want[c])
			note(said, size, c, o->classes[c], want[c]);
	if (*said)
		return;
	if (o->total != v->requests || (!v->pipeline && read != v->requests))
		snprintf(said, size, "%llu of %u requests, %llu of which the server read",
		        (unsigned long long)o->total, v->requests, (unsigned long long)read);
	else if (m->class != LOAD_OK && !bad)
		snprintf(said, size, "the server made none");
	else if (m->class == LOAD_STATUS && o->status_503 != bad)
		snprintf(said, size, "%llu of them as status 503",
		        (unsigned long long)o->status_503);
}

static void tell(struct self_test *t, const struct load_self_test_row *r, const char *said)
{
	if (t->row)
		t->row(t->arg, r);
	if (r->ok || t->has_failed)
		return;
	t->has_failed = true;
	err_set(t->e, ERR_UNHEALTHY, "'%s' was counted wrongly: %s", r->what, said);
}

/* --- cases ----------------------------------------------------------------- */

/* Does this mode say what it says with that variant? */
static bool fits(const struct mode *m, const struct variant *v)
{
	if (m->mode == BAD_SERVER_HEAD_BACK) /* needs two replies on a connection */
		return !v->close && !v->server_closes;
	if (m->mode == BAD_SERVER_EXTRA) /* what follows is to come with the reply, and last */
		return !v->pipeline && !v->dribble;
	return true;
}

static int try_mode(struct self_test *t, const struct mode *m, const struct variant *v,
        int64_t timeout_ns, struct load_self_test_row *row, char *said, size_t size, struct err *e)
{
	struct bad_server_config c = {
		.mode = m->mode,
		.every = v->every,
		.chunked = v->chunked,
		.dribble = v->dribble,
		.no_keep_alive = v->server_closes,
		.listen = listen_at(t, v->place),
	};
	AUTO(bad_server_stop) struct bad_server *s = bad_server_start(&c, e);
	uint64_t read, bad;
	struct outcome o;

	if (!s || run(&o, t, v, bad_server_url(s), timeout_ns, RUN_MAX_NS, e) < 0)
		return -1;
	bad_server_counts(s, &read, &bad);
	judge(said, size, &o, m, v, read, bad);
	row->requests = o.total;
	row->made = m->class == LOAD_OK ? read : bad;
	row->counted = o.classes[m->class];
	row->ok = !*said;
	return 0;
}

static int test_mode(
        struct self_test *t, const struct mode *m, const struct variant *v, struct err *e)
{
	struct load_self_test_row row = { .expected = m->class };
	bool times_out = m->class == LOAD_TIMEOUT;
	int64_t timeout_ns = !times_out ? NO_HURRY_NS : t->full ? FULL_TIMEOUT_NS : TIMEOUT_NS;
	struct variant used = *v;
	char what[128], said[256];

	if (times_out && !v->connections)
		used.connections = TIMEOUT_CONNS;
	snprintf(
	        what, sizeof(what), "%s%s%s", m->what, v->what ? "; " : "", v->what ? v->what : "");
	row.what = what;
	for (int i = 0; i < TIMEOUT_TRIES; i++, timeout_ns *= TIMEOUT_GROWS) {
		if (try_mode(t, m, &used, timeout_ns, &row, said, sizeof(said), e) < 0)
			return err_wrap(e, "%s", what);
		if (row.ok || !times_out || row.counted <= row.made)
			break;
	}
	tell(t, &row, said);
	return 0;
}

/* A socket that is bound, so that nobody else listens there, and does not listen. */
static int open_closed(int *ret_fd, char *url, size_t size, const struct self_test *t,
        enum place place, struct err *e)
{
	AUTO(close_fd) int fd = -1;
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr *sa = place == PLACE_V4 ? (struct sockaddr *)&in
	        : place == PLACE_V6             ? (struct sockaddr *)&in6
	                                        : (struct sockaddr *)&un;
	socklen_t n = place == PLACE_V4 ? sizeof(in) : place == PLACE_V6 ? sizeof(in6) : sizeof(un);

	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", t->socket);
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, sa, n) < 0 || getsockname(fd, sa, &n) < 0)
		return err_sys(e, errno, "bind to '%s'", listen_at(t, place));
	if (place == PLACE_UNIX)
		(void)snprintf(url, size, "http://localhost/");
	else if (place == PLACE_V6)
		(void)snprintf(url, size, "http://[::1]:%u/", ntohs(in6.sin6_port));
	else
		(void)snprintf(url, size, "http://127.0.0.1:%u/", ntohs(in.sin_port));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int test_closed(struct self_test *t, const struct variant *v, struct err *e)
{
	static const char *const whats[PLACES] = {
		[PLACE_V4] = "nothing listens",
		[PLACE_V6] = "nothing listens; IPv6",
		[PLACE_UNIX] = "nothing listens; unix socket",
	};
	struct load_self_test_row row = { whats[v->place], .expected = LOAD_CONNECT };
	static const struct mode mode = { .class = LOAD_CONNECT };
	AUTO(close_fd) int fd = -1;
	char url[64], said[256];
	struct outcome o;
	int rc;

	if (open_closed(&fd, url, sizeof(url), t, v->place, e) < 0)
		return err_wrap(e, "%s", row.what);
	rc = run(&o, t, v, url, NO_HURRY_NS, RUN_MAX_NS, e);
	if (v->place == PLACE_UNIX)
		(void)unlink(t->socket);
	if (rc < 0)
		return err_wrap(e, "%s", row.what);
	judge(said, sizeof(said), &o, &mode, v, v->requests, v->requests);
	row.requests = o.total;
	row.made = v->requests;
	row.counted = o.classes[LOAD_CONNECT];
	row.ok = !*said;
	tell(t, &row, said);
	return 0;
}

/* A plan for one connection to a server that never answers: few leave, the others cannot. */
static int test_unsent(struct self_test *t, struct err *e)
{
	struct load_self_test_row row = { "a plan beyond its connections",
		.expected = LOAD_UNSENT };
	struct variant v = { .connections = 1, .threads = 1, .scheduled = true };
	struct bad_server_config c = { .mode = BAD_SERVER_SILENT, .every = 1 };
	AUTO(bad_server_stop) struct bad_server *s = NULL;
	uint64_t read, bad, planned;
	char said[256] = "";
	struct outcome o;

	v.place = t->has[PLACE_V4] ? PLACE_V4 : t->has[PLACE_V6] ? PLACE_V6 : PLACE_UNIX;
	c.listen = listen_at(t, v.place);
	s = bad_server_start(&c, e);
	if (!s || run(&o, t, &v, bad_server_url(s), UNSENT_WAIT_NS, UNSENT_RUN_NS, e) < 0)
		return err_wrap(e, "%s", row.what);
	bad_server_counts(s, &read, &bad);
	planned = load_schedule_count(
	        &(struct load_schedule){ SCHEDULE_RATE, SCHEDULE_RATE, UNSENT_RUN_NS },
	        UNSENT_RUN_NS);
	row.requests = o.total;
	row.made = planned - read;
	row.counted = o.classes[LOAD_UNSENT];
	if (row.counted != row.made)
		note(said, sizeof(said), LOAD_UNSENT, row.counted, row.made);
	if (o.classes[LOAD_TIMEOUT] != read)
		note(said, sizeof(said), LOAD_TIMEOUT, o.classes[LOAD_TIMEOUT], read);
	if (!*said && o.total != planned)
		snprintf(said, sizeof(said), "%llu of %llu requests", (unsigned long long)o.total,
		        (unsigned long long)planned);
	row.ok = !*said;
	tell(t, &row, said);
	return 0;
}

/* --- where it can be run --------------------------------------------------- */

static bool has_address(const char *address)
{
	struct bad_server_config c = { .listen = address };
	struct err unused = ERR_INIT;
	AUTO(bad_server_stop) struct bad_server *s = bad_server_start(&c, &unused);

	return s;
}

static int make_dir(struct self_test *t, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	static const char name[] = "nodeswarm-load.XXXXXX";

	if (!tmp || *tmp != '/' || strlen(tmp) + sizeof(name) > sizeof(t->dir) - 1)
		tmp = "/tmp";
	(void)snprintf(t->dir, sizeof(t->dir), "%s/%s", tmp, name);
	if (!mkdtemp(t->dir)) {
		err_sys(e, errno, "make a directory like '%s' for a socket", t->dir);
		*t->dir = '\0';
		return -1;
	}
	(void)snprintf(t->socket, sizeof(t->socket), "%s/socket", t->dir);
	return 0;
}

static void remove_dir(struct self_test *t)
{
	if (!*t->dir)
		return;
	(void)unlink(t->socket);
	(void)rmdir(t->dir);
}

static int test_all(struct self_test *t, struct err *e)
{
	struct variant few = { .requests = 40 };

	for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
		if (!t->has[variants[i].place])
			continue;
		for (size_t k = 0; k < ARRAY_LEN(modes); k++)
			if (fits(&modes[k], &variants[i]) &&
			        test_mode(t, &modes[k], &variants[i], e) < 0)
				return -1;
	}
	for (few.place = 0; few.place < PLACES; few.place++)
		if (t->has[few.place] && test_closed(t, &few, e) < 0)
			return -1;
	return test_unsent(t, e);
}

static int test_briefly(struct self_test *t, struct err *e)
{
	struct variant v = brief;

	v.place = t->has[PLACE_V4] ? PLACE_V4 : t->has[PLACE_V6] ? PLACE_V6 : PLACE_UNIX;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (test_mode(t, &modes[i], &v, e) < 0)
			return -1;
	return test_closed(t, &v, e);
}

int load_self_test(bool full, void (*row)(void *arg, const struct load_self_test_row *), void *arg,
        const volatile int *interrupted, struct err *e)
{
	struct self_test t = { .row = row, .arg = arg, .interrupted = interrupted, .full = full };
	struct err wrong = ERR_INIT;
	int rc = 0;

	t.e = &wrong;
	t.has[PLACE_V4] = has_address("127.0.0.1");
	if (full || !t.has[PLACE_V4])
		t.has[PLACE_V6] = has_address("::1");
	if (full || (!t.has[PLACE_V4] && !t.has[PLACE_V6])) {
		rc = make_dir(&t, e);
		t.has[PLACE_UNIX] = rc == 0;
	}
	if (rc == 0)
		rc = full ? test_all(&t, e) : test_briefly(&t, e);
	remove_dir(&t);
	if (rc < 0 || !t.has_failed)
		return rc;
	*e = wrong;
	return 1;
}
