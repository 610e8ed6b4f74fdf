#include "unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "control/server.h"
#include "data/pool.h"
#include "fake/raw_server.h"
#include "loop/loop.h"
#include "unit/agent/agent_run.h"

/*
 * A real agent, and 200 fake supervisors in one more process: those whose number ends in 0 never
 * answer.  A quiesce is done after 300 ms, with a file to show for it.
 */
#define SLOTS   200
#define HUNG(n) ((n) % 10 == 0)

/* What the agent may grow by; a sanitizer keeps what was freed. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GROWTH_KB (512 * 1024)
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define GROWTH_KB (512 * 1024)
#endif
#ifndef GROWTH_KB
#define GROWTH_KB 2048
#endif

static char dir[] = "/tmp/test_agent.XXXXXX";
static pid_t agent, supervisors;

/* --- the fake supervisors ----------------------------------------------------------------- */

static struct loop loop;
static struct fake {
	unsigned n;
	int dirfd;
	struct control_server *server;
	struct control_call *waiting;
	struct loop_timer timer;
} fakes[SLOTS + 1];

static void on_quiesced(struct loop_timer *t, void *arg)
{
	struct fake *f = arg;

	(void)t;
	(void)close(openat(f->dirfd, "quiesced", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	control_call_reply(f->waiting, strdup("{\"format\":1,\"state\":\"quiesced\"}"));
}

static void handle(
        void *arg, const char *name, const json_t *request UNUSED, struct control_call *call)
{
	struct fake *f = arg;
	struct err e = ERR_INIT;

	if (HUNG(f->n))
		return;
	if (strcmp(name, "quiesce") == 0) {
		f->waiting = call;
		loop_timer_set(&loop, &f->timer, clock_mono_ns() + 300 * NS_PER_MS, on_quiesced, f);
	} else if (strcmp(name, "status") == 0) {
		control_call_reply(call,
		        str_fmt("{\"format\":1,\"task\":\"task%u\",\"state\":\"running\"}", f->n));
	} else {
		err_set(&e, ERR_CONFLICT, "nothing to resume");
		control_call_error(call, &e);
	}
}

static int slot_dir(unsigned n)
{
	struct err e = ERR_INIT;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/services/s_readers/%u", pool_path, n);
	return fs_open_dir_at(AT_FDCWD, path, true, 0755, &e);
}

static void be_supervisors(int ready)
{
	struct err e = ERR_INIT;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (loop_init(&loop, &e) < 0)
		_exit(1);
	for (unsigned n = 1; n <= SLOTS; n++) {
		struct fake *f = &fakes[n];

		f->n = n;
		f->dirfd = slot_dir(n);
		f->server = control_server_new(&loop, f->dirfd, handle, f, &e);
		if (!f->server)
			_exit(1);
	}
	(void)!write(ready, "x", 1);
	(void)!loop_run(&loop, &e);
	_exit(0);
}

/* --- set up ------------------------------------------------------------------------------- */

static int start(void **state)
{
	struct pool p = POOL_INIT;
	struct err e = ERR_INIT;
	int ready[2];
	char byte;

	(void)state;
	reply = malloc(REPLY + 1);
	if (!reply || !mkdtemp(dir) || pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	(void)snprintf(pool_path, sizeof(pool_path), "%s/pool", dir);
	(void)snprintf(token_path, sizeof(token_path), "%s/token", dir);
	if (pool_create(&p, pool_path, &e) < 0 ||
	        fs_write_at(AT_FDCWD, token_path, TOKEN "\n", strlen(TOKEN) + 1, 0400, &e) < 0)
		return -1;
	pool_release(&p);
	port = raw_free_port();
	supervisors = fork();
	if (supervisors == 0)
		be_supervisors(ready[1]);
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return -1;
	(void)close(ready[0]);
	agent = spawn_agent("127.0.0.1");
	for (int i = 0; i < 500 && !is_up(); i++)
		(void)usleep(10000);
	return is_up() ? 0 : -1;
}

static int stop(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	if (agent > 0)
		(void)kill(agent, SIGKILL);
	(void)kill(supervisors, SIGKILL);
	while (wait(NULL) > 0)
		;
	free(reply);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

/* --- status ------------------------------------------------------------------------------- */

static void expect_status(void)
{
	json_t *j = body();
	const json_t *list = json_at(j, "slots");

	assert_int_equal(json_array_size(list), SLOTS);
	assert_string_equal(json_str(j, "node.id", ""), "node1");
	assert_string_equal(json_str(j, "node.address", ""), "127.0.0.1");
	for (size_t i = 0; i < SLOTS; i++) {
		const json_t *s = json_array_get(list, i);
		char task[16];

		assert_int_equal(json_int(s, "slot", 0), i + 1);
		assert_int_equal(json_bool(s, "is_alive", false), !HUNG(i + 1));
		assert_string_equal(
		        json_str(s, "error.kind", "none"), HUNG(i + 1) ? "timeout" : "none");
		(void)snprintf(task, sizeof(task), "task%zu", i + 1);
		if (!HUNG(i + 1))
			assert_string_equal(json_str(s, "status.task", ""), task);
	}
	json_decref(j);
}

static void status_of_many_of_whom_some_hang(void **state)
{
	int64_t begin = clock_mono_ns();
	int fds[20];
	json_t *j;

	(void)state;
	assert_int_equal(ask(0, "GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n"), 200);
	assert_in_range(ms_since(begin), 900, 3000);
	expect_status();
	/* Twenty at once cost no more, and hold up nobody else. */
	begin = clock_mono_ns();
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial(0);
		say(fds[i], "GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n");
	}
	assert_int_equal(ask(0, "GET /livez HTTP/1.1\r\n" CLOSE "\r\n"), 200);
	assert_int_equal(ask(0, "GET /v1/slots HTTP/1.1\r\n" CLOSE "\r\n"), 200);
	j = body();
	assert_string_equal(json_str(j, "node.id", ""), "node1");
	json_decref(j);
	assert_in_range(ms_since(begin), 0, 700);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		assert_int_equal(hear(fds[i]), 200);
		expect_status();
	}
	assert_in_range(ms_since(begin), 900, 4000);
}

/* --- who may ------------------------------------------------------------------------------ */

static void tokens_are_needed(void **state)
{
	static const struct {
		const char *name, *request;
		int status;
	} rows[] = {
		{ "livez", "GET /livez HTTP/1.1\r\n" CLOSE "\r\n", 200 },
		{ "none", "GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n", 401 },
		{ "none, no such path", "GET /nope HTTP/1.1\r\n" CLOSE "\r\n", 401 },
		{ "wrong",
		        "GET /v1/slots HTTP/1.1\r\n" CLOSE
		        "Authorization: Bearer 0123456789abcdef0123456789abcdeF\r\n\r\n",
		        401 },
		{ "a prefix",
		        "GET /v1/slots HTTP/1.1\r\n" CLOSE
		        "Authorization: Bearer 0123456789abcdef\r\n\r\n",
		        401 },
		{ "empty", "GET /v1/slots HTTP/1.1\r\n" CLOSE "Authorization: Bearer \r\n\r\n",
		        401 },
		{ "in the query", "GET /v1/slots?token=" TOKEN " HTTP/1.1\r\n" CLOSE "\r\n", 401 },
		{ "quiesce",
		        "POST /v1/slots/s_readers/1/quiesce HTTP/1.1\r\n" CLOSE
		        "Content-Length: 0\r\n\r\n",
		        401 },
		{ "livez by another path", "GET /livez/../v1/slots HTTP/1.1\r\n" CLOSE "\r\n",
		        401 },
		{ "right", "GET /v1/slots HTTP/1.1\r\n" CLOSE AUTH "\r\n", 200 },
		{ "right, no such path", "GET /nope HTTP/1.1\r\n" CLOSE AUTH "\r\n", 404 },
		{ "right, wrong method", "PUT /v1/slots HTTP/1.1\r\n" CLOSE AUTH "\r\n", 405 },
		{ "not over TCP",
		        "POST /v1/gather HTTP/1.1\r\n" CLOSE AUTH "Content-Length: 0\r\n\r\n",
		        403 },
		{ "tricks", "GET /v1/slots/..%2f..%2f..%2fetc/1/log HTTP/1.1\r\n" CLOSE AUTH "\r\n",
		        404 },
		{ "tricks, dots", "GET /v1/slots/../../log HTTP/1.1\r\n" CLOSE AUTH "\r\n", 404 },
		{ "not there", "GET /v1/slots/s_readers/9999/log HTTP/1.1\r\n" CLOSE AUTH "\r\n",
		        404 },
		{ "no service",
		        "POST /v1/slots/other/1/resume HTTP/1.1\r\n" CLOSE AUTH
		        "Content-Length: 0\r\n\r\n",
		        404 },
		{ "a log", "GET /v1/slots/s_readers/1/log?tail=3 HTTP/1.1\r\n" CLOSE AUTH "\r\n",
		        200 },
		{ "the supervisor's word",
		        "POST /v1/slots/s_readers/1/resume HTTP/1.1\r\n" CLOSE AUTH
		        "Content-Length: 0\r\n\r\n",
		        409 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int status = ask(1, rows[i].request);

		if (status != rows[i].status)
			fail_msg("%s: %d '%.300s'", rows[i].name, status, reply);
		if (status >= 400)
			json_decref(body());
		assert_null(strstr(reply, TOKEN));
	}
}

/*
 * Only requests that are refused: a model that is taken would be this machine's firewall, and a
 * removal would take that of it.
 */
static void firewalls_are_refused(void **state)
{
	static const char no_nodes[] = "{\"format\":1,\"model\":{\"format\":1,\"rules\":[],"
	                               "\"nodes\":[],\"added_nodes\":[]}}";
	static const struct {
		const char *path, *auth, *body;
		int status;
	} rows[] = {
		{ "/v1/firewall/apply", "", no_nodes, 401 },
		{ "/v1/firewall/remove", "", "", 401 },
		{ "/v1/firewall/probe", "", "{}", 401 },
		{ "/v1/firewall/apply", AUTH, "", 400 },
		{ "/v1/firewall/apply", AUTH, "{\"format\":1}", 400 },
		{ "/v1/firewall/apply", AUTH, no_nodes, 409 },
		/* Nothing was applied here, so over TCP nothing may be probed. */
		{ "/v1/firewall/probe", AUTH,
		        "{\"addresses\":[\"127.0.0.1\"],\"ports\":[1],\"timeout_ms\":1}", 404 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free)
		char *text = str_fmt("POST %s HTTP/1.1\r\n" CLOSE "%sContent-Length: %zu\r\n\r\n%s",
		        rows[i].path, rows[i].auth, strlen(rows[i].body), rows[i].body);
		int status = ask(1, text);

		if (status != rows[i].status)
			fail_msg("row %zu: %d '%.300s'", i, status, reply);
		json_decref(body());
	}
}

/* --- what is too much --------------------------------------------------------------------- */

static size_t descriptors(void)
{
	char path[32];
	size_t n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", agent);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n;
}

static long rss_kb(void)
{
	char path[32], line[256];
	long kb = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", agent);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (f)
		(void)fclose(f);
	return kb;
}

/* A request with a header or body of n bytes. */
static int ask_large(unsigned host, const char *before, size_t n, const char *after)
{
	char *text = malloc(n + 1);
	int fd = dial(host);

	if (fd < 0) {
		free(text);
		return 0;
	}
	assert_non_null(text);
	memset(text, 'x', n);
	text[n] = '\0';
	say(fd, before);
	say(fd, text);
	say(fd, after);
	free(text);
	return hear(fd);
}

static void large_requests_are_refused(void **state)
{
	int status;

	(void)state;
	status = ask_large(1, "GET /v1/slots HTTP/1.1\r\n" CLOSE AUTH "X: ", 100000, "\r\n\r\n");
	assert_true(status == 0 || status == 431 || status == 413);
	status = ask_large(1, "GET /", 100000, " HTTP/1.1\r\n" CLOSE AUTH "\r\n");
	assert_true(status == 0 || status == 414 || status == 431);
	assert_int_equal(ask_large(1,
	                         "POST /v1/slots/s_readers/1/resume HTTP/1.1\r\n" CLOSE AUTH
	                         "Content-Length: 4097\r\n\r\n",
	                         0, ""),
	        413);
	/* Lists of slots, and only with the token. */
	assert_int_equal(
	        ask_large(1,
	                "POST /v1/data/gc HTTP/1.1\r\n" CLOSE AUTH "Content-Length: 49152\r\n\r\n",
	                49152, ""),
	        400);
	assert_int_equal(
	        ask_large(1,
	                "POST /v1/data/gc HTTP/1.1\r\n" CLOSE AUTH "Content-Length: 49153\r\n\r\n",
	                0, ""),
	        413);
	assert_int_equal(
	        ask_large(1, "POST /v1/data/gc HTTP/1.1\r\n" CLOSE "Content-Length: 4097\r\n\r\n",
	                0, ""),
	        413);
	assert_int_equal(
	        ask_large(0, "POST /v1/gather HTTP/1.1\r\n" CLOSE "Content-Length: 114689\r\n\r\n",
	                0, ""),
	        413);
	/* Lists of slots, and only with the token. */
	assert_int_equal(
	        ask_large(1,
	                "POST /v1/data/gc HTTP/1.1\r\n" CLOSE AUTH "Content-Length: 49152\r\n\r\n",
	                49152, ""),
	        400);
	assert_int_equal(
	        ask_large(1,
	                "POST /v1/data/gc HTTP/1.1\r\n" CLOSE AUTH "Content-Length: 49153\r\n\r\n",
	                0, ""),
	        413);
	assert_int_equal(
	        ask_large(1, "POST /v1/data/gc HTTP/1.1\r\n" CLOSE "Content-Length: 4097\r\n\r\n",
	                0, ""),
	        413);
	assert_int_equal(
	        ask_large(0, "POST /v1/gather HTTP/1.1\r\n" CLOSE "Content-Length: 114688\r\n\r\n",
	                114688, ""),
	        400);
}

static void crowds_and_slow_ones_hold_up_nobody(void **state)
{
	int fds[80];
	unsigned open = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial(1);
		if (fds[i] >= 0)
			say(fds[i], "GET /v1/slots HTTP/1.1\r\nX: ");
	}
	(void)usleep(200000);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		char byte;

		open += fds[i] >= 0 && recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
	}
	assert_int_equal(open, 12);
	/* Others come in. */
	assert_int_equal(ask(2, "GET /v1/slots HTTP/1.1\r\n" CLOSE AUTH "\r\n"), 200);
	assert_int_equal(ask(0, "GET /livez HTTP/1.1\r\n" CLOSE "\r\n"), 200);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	/* And when all places are taken, those on this host. */
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial(10 + (unsigned)i / 12);
	(void)usleep(100000);
	assert_int_equal(ask(0, "GET /v1/slots HTTP/1.1\r\n" CLOSE "\r\n"), 200);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	(void)usleep(100000);
	assert_int_equal(ask(1, "GET /livez HTTP/1.1\r\n" CLOSE "\r\n"), 200);
}

static void nothing_grows(void **state)
{
	size_t fds = descriptors();
	long before;

	(void)state;
	for (int round = 0; round < 2; round++) {
		before = rss_kb();
		for (int i = 0; i < 60; i++) {
			int fd;

			(void)ask(1, "GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n");
			(void)ask_large(1, "GET / HTTP/1.1\r\nX: ", 20000, "\r\n\r\n");
			(void)post("/v1/gather",
			        "{\"path\":\"/livez\",\"timeout_ms\":1,\"targets\":[{}]}");
			assert_int_equal(
			        post("/v1/gather",
			                "{\"path\":\"/v1/slots\",\"timeout_ms\":900,\"targets\":"
			                "[{\"id\":\"node1\"},{\"id\":\"n2\",\"address\":\"127.0.0."
			                "1\"}]}"),
			        200);
			/* Gone before the answer. */
			fd = dial(0);
			say(fd, "GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n");
			(void)close(fd);
		}
	}
	(void)usleep(1200000);
	/* The first round has filled what is kept. */
	assert_in_range(rss_kb(), 0, before + GROWTH_KB);
	/* Connections that curl keeps to itself. */
	assert_in_range(descriptors(), 0, fds + 8);
}

/* --- quiesce ------------------------------------------------------------------------------ */

static bool is_quiesced(unsigned n)
{
	int fd = slot_dir(n);
	bool is = faccessat(fd, "quiesced", F_OK, 0) == 0;

	(void)close(fd);
	return is;
}

static void quiesce_is_answered_when_it_is_done(void **state)
{
	json_t *j;

	(void)state;
	assert_int_equal(post("/v1/slots/s_readers/1/quiesce", ""), 200);
	assert_true(is_quiesced(1));
	j = body();
	assert_string_equal(json_str(j, "state", ""), "quiesced");
	json_decref(j);
	assert_int_equal(post("/v1/slots/s_readers/777/quiesce", ""), 404);
}

static void quiesce_goes_on_without_who_asked(void **state)
{
	size_t fds = descriptors();
	int fd = dial(0);

	(void)state;
	say(fd,
	        "POST /v1/slots/s_readers/2/quiesce HTTP/1.1\r\n" CLOSE
	        "Content-Length: 0\r\n\r\n");
	(void)usleep(100000);
	(void)close(fd);
	/* One that hangs: nothing waits for it once we are gone. */
	fd = dial(0);
	say(fd,
	        "POST /v1/slots/s_readers/10/quiesce HTTP/1.1\r\n" CLOSE
	        "Content-Length: 0\r\n\r\n");
	(void)usleep(50000);
	(void)close(fd);
	(void)usleep(500000);
	assert_true(is_quiesced(2));
	assert_in_range(descriptors(), 0, fds);
	assert_int_equal(ask(0, "GET /livez HTTP/1.1\r\n" CLOSE "\r\n"), 200);
}

/* --- gather ------------------------------------------------------------------------------- */

static void gathers_in_order(void **state)
{
	json_t *j;
	const json_t *list;
	int64_t begin = clock_mono_ns();

	(void)state;
	assert_int_equal(post("/v1/gather",
	                         "{\"method\":\"GET\",\"path\":\"/v1/status\",\"timeout_ms\":1500,"
	                         "\"targets\":["
	                         "{\"id\":\"n3\",\"address\":\"127.0.0.9\"},"
	                         "{\"id\":\"node1\",\"address\":\"10.0.0.1\"},"
	                         "{\"id\":\"n2\",\"address\":\"127.0.0.1\"},"
	                         "{\"id\":\"n4\",\"address\":\"\"}]}"),
	        200);
	assert_in_range(ms_since(begin), 900, 3000);
	j = body();
	list = json_at(j, "replies");
	assert_int_equal(json_array_size(list), 4);
	assert_string_equal(json_str(json_array_get(list, 0), "id", ""), "n3");
	assert_string_equal(json_str(json_array_get(list, 0), "error.kind", ""), "unavailable");
	for (size_t i = 1; i <= 2; i++) {
		assert_int_equal(json_int(json_array_get(list, i), "status", 0), 200);
		assert_int_equal(
		        json_array_size(json_at(json_array_get(list, i), "body.slots")), SLOTS);
	}
	assert_string_equal(json_str(json_array_get(list, 2), "address", ""), "127.0.0.1");
	assert_string_equal(json_str(json_array_get(list, 3), "error.kind", ""), "unavailable");
	json_decref(j);
}

static void gathers_within_their_limit(void **state)
{
	json_t *j;
	int64_t begin = clock_mono_ns();

	(void)state;
	assert_int_equal(post("/v1/gather",
	                         "{\"path\":\"/v1/status\",\"timeout_ms\":200,\"targets\":["
	                         "{\"id\":\"node1\"},{\"id\":\"n2\",\"address\":\"127.0.0.1\"},"
	                         "{\"id\":\"n5\",\"address\":\"192.0.2.1\"}]}"),
	        200);
	assert_in_range(ms_since(begin), 0, 900);
	j = body();
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(
		        json_str(json_array_get(json_at(j, "replies"), i), "error.kind", ""),
		        "timeout");
	assert_non_null(json_at(json_array_get(json_at(j, "replies"), 2), "error"));
	json_decref(j);
	/* An error of an agent is its reply; so is a text. */
	assert_int_equal(post("/v1/gather",
	                         "{\"method\":\"POST\",\"path\":\"/v1/slots/s_readers/3/resume\","
	                         "\"timeout_ms\":0,\"targets\":[{\"id\":\"node1\"},"
	                         "{\"id\":\"n2\",\"address\":\"127.0.0.1\"}]}"),
	        200);
	j = body();
	for (size_t i = 0; i < 2; i++) {
		const json_t *r = json_array_get(json_at(j, "replies"), i);

		assert_int_equal(json_int(r, "status", 0), 409);
		assert_string_equal(json_str(r, "body.error.message", ""), "nothing to resume");
	}
	json_decref(j);
	assert_int_equal(post("/v1/gather",
	                         "{\"path\":\"/livez\",\"timeout_ms\":500,\"targets\":["
	                         "{\"id\":\"n2\",\"address\":\"127.0.0.1\"}]}"),
	        200);
	assert_non_null(strstr(reply, "\"status\":200,\"text\":\"ok\\n\""));
}

/* --- the end ------------------------------------------------------------------------------ */

static void a_second_agent_takes_nothing(void **state)
{
	pid_t second = spawn_agent("127.0.0.1");
	int status;

	(void)state;
	(void)usleep(300000);
	assert_int_equal(ask(0, "GET /v1/slots HTTP/1.1\r\n" CLOSE "\r\n"), 200);
	assert_int_equal(kill(second, SIGTERM), 0);
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(ask(0, "GET /v1/slots HTTP/1.1\r\n" CLOSE "\r\n"), 200);
	/* It follows a token that changes. */
	assert_int_equal(chmod(token_path, 0600), 0);
	assert_int_equal(truncate(token_path, 10), 0);
	assert_int_equal(ask(1, "GET /v1/slots HTTP/1.1\r\n" CLOSE AUTH "\r\n"), 503);
}

static void ends_when_asked(void **state)
{
	int64_t begin = clock_mono_ns();
	char path[128];
	int status, fd = dial(0), gather = dial(0);

	(void)state;
	say(fd, "GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n");
	say(gather,
	        "POST /v1/gather HTTP/1.1\r\n" CLOSE "Content-Length: 74\r\n\r\n"
	        "{\"path\":\"/v1/status\",\"timeout_ms\":1500,\"targets\":"
	        "[{\"id\":\"node1\"}]}       ");
	(void)usleep(100000);
	assert_int_equal(kill(agent, SIGTERM), 0);
	assert_int_equal(waitpid(agent, &status, 0), agent);
	agent = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_in_range(ms_since(begin), 0, 1500);
	assert_int_equal(hear(fd), 0);
	assert_int_equal(hear(gather), 0);
	(void)snprintf(path, sizeof(path), "%s/" AGENT_SOCKET, pool_path);
	assert_int_equal(access(path, F_OK), -1);
	/* Killed, it leaves a socket, which the next one replaces. */
	agent = spawn_agent("127.0.0.1");
	for (int i = 0; i < 300 && !is_up(); i++)
		(void)usleep(10000);
	(void)kill(agent, SIGKILL);
	(void)waitpid(agent, &status, 0);
	assert_int_equal(access(path, F_OK), 0);
	agent = spawn_agent("127.0.0.1");
	for (int i = 0; i < 300 && !is_up(); i++)
		(void)usleep(10000);
	assert_int_equal(ask(0, "GET /livez HTTP/1.1\r\n" CLOSE "\r\n"), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_of_many_of_whom_some_hang),
		cmocka_unit_test(tokens_are_needed),
		cmocka_unit_test(firewalls_are_refused),
		cmocka_unit_test(large_requests_are_refused),
		cmocka_unit_test(crowds_and_slow_ones_hold_up_nobody),
		cmocka_unit_test(quiesce_is_answered_when_it_is_done),
		cmocka_unit_test(quiesce_goes_on_without_who_asked),
		cmocka_unit_test(gathers_in_order),
		cmocka_unit_test(gathers_within_their_limit),
		cmocka_unit_test(nothing_grows),
		cmocka_unit_test(a_second_agent_takes_nothing),
		cmocka_unit_test(ends_when_asked),
	};

	return cmocka_run_group_tests_name("agent/agent", tests, start, stop);
}
