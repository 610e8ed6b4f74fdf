#include "unit/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"
#include "engine/service.h"
#include "engine/swarm.h"
#include "engine/system.h"
#include "engine/task.h"
#include "fake/engine.h"

static struct err e;
static struct fake_engine *fake;
static struct engine *eng;

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	fake = fake_engine_start();
	eng = engine_new(fake_engine_host(fake), &e);
	return eng ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	engine_free(eng);
	fake_engine_stop(fake);
	err_clear(&e);
	return 0;
}

static void versions(void **state)
{
	static const struct {
		const char *min, *max;
		int wants; /* < 0: refused */
		const char *message;
	} rows[] = {
		{ "1.12", "1.41", 41, NULL },
		{ "1.12", "1.42", 42, NULL },
		{ "1.24", "1.43", 43, NULL },
		{ "1.44", "1.52", 44, NULL },
		{ "1.24", "1.99", 44, NULL },
		{ "1.43", "1.51", 44, NULL },
		{ "", "1.41", 41, NULL },
		{ "1.12", "1.40", -1,
		        "the engine speaks Engine API 1.40 at most, at least 1.41 is needed" },
		{ "1.45", "1.52", -1,
		        "the engine speaks Engine API 1.45 at least, this program 1.44 at most" },
		{ "1.12", "2.0", -1, "API versions '1.12' to '2.0' make no sense" },
		{ "1.12", "1.", -1, "API versions '1.12' to '1.' make no sense" },
		{ "1.12", "1.41x", -1, "API versions '1.12' to '1.41x' make no sense" },
		{ "1.12", "1.-1", -1, "API versions '1.12' to '1.-1' make no sense" },
		{ "one", "1.41", -1, "API versions 'one' to '1.41' make no sense" },
		{ "1.12", "1.99999999999999999999", -1,
		        "API versions '1.12' to '1.99999999999999999999' make no sense" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int minor = -1;
		int rc = engine_negotiate(&minor, rows[i].min, rows[i].max, &e);

		if (minor != rows[i].wants || (rc < 0) != (rows[i].wants < 0) ||
		        (rc < 0 && (e.kind != ERR_PROTOCOL || strcmp(e.msg, rows[i].message) != 0)))
			fail_msg("%s to %s: %d '%s'", rows[i].min, rows[i].max, minor, e.msg);
		err_clear(&e);
	}
}

static void negotiates_once_and_lazily(void **state)
{
	(void)state;
	fake_engine_reply(fake, "GET", "/version", 200,
	        "{\"ApiVersion\":\"1.42\",\"MinAPIVersion\":\"1.12\"}");
	fake_engine_reply(fake, "GET", "/version", 200, "{\"ApiVersion\":\"1.43\"}");
	fake_engine_reply(fake, "GET", "/_ping", 200, "OK");
	assert_int_equal(engine_ping(eng, &e), 0);
	assert_int_equal(engine_ping(eng, &e), 0);
	assert_string_equal(fake_engine_last(fake)->version, "1.42");
	assert_int_equal(fake_engine_count(fake), 2);
	assert_string_equal(engine_api_version(eng, &e), "1.42");
}

static void refuses_what_it_cannot_speak(void **state)
{
	char wants[600];

	(void)state;
	fake_engine_reply(fake, "GET", "/version", 200,
	        "{\"ApiVersion\":\"1.40\",\"MinAPIVersion\":\"1.12\"}");
	assert_int_equal(engine_ping(eng, &e), -1);
	snprintf(wants, sizeof(wants),
	        "ping engine '%s': negotiate with engine '%s': the engine speaks Engine API 1.40 "
	        "at most, at least 1.41 is needed",
	        fake_engine_host(fake), fake_engine_host(fake));
	assert_string_equal(e.msg, wants);
	assert_string_equal(e.hint, "install Docker Engine 20.10 or newer");
	assert_int_equal(fake_engine_count(fake), 0);
}

static void version_from_something_else(void **state)
{
	static const struct {
		const char *name, *reply;
		int status;
		enum err_kind kind;
	} rows[] = {
		{ "a web page", "<html>", 200, ERR_PROTOCOL },
		{ "an array", "[]", 200, ERR_PROTOCOL },
		{ "other JSON", "{\"version\":\"1\"}", 200, ERR_PROTOCOL },
		{ "a version that is no text", "{\"ApiVersion\":1.41}", 200, ERR_PROTOCOL },
		{ "nothing", "", 200, ERR_PROTOCOL },
		{ "not found", "nope", 404, ERR_NOT_FOUND },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake_engine_clear(fake);
		fake_engine_reply(fake, "GET", "/version", rows[i].status, rows[i].reply);
		if (engine_api_version(eng, &e) || e.kind != rows[i].kind)
			fail_msg("%s: %s '%s'", rows[i].name, err_kind_name(e.kind), e.msg);
		err_clear(&e);
	}
	fake_engine_clear(fake);
	assert_string_equal(engine_api_version(eng, &e), "1.41");
}

#define GRPC(code, text) "{\"message\":\"rpc error: code = " code " desc = " text "\"}"

static void statuses(void **state)
{
	static const struct {
		long status;
		const char *body, *message, *hint; /* hint: its start; NULL: none */
		enum err_kind kind;
	} rows[] = {
		{ 400, "{\"message\":\"bad name\"}", "bad name", NULL, ERR_USAGE },
		{ 400, GRPC("InvalidArgument", "name must be valid as a DNS name component"),
		        "name must be valid as a DNS name component", NULL, ERR_USAGE },
		{ 400,
		        GRPC("InvalidArgument",
		                "port '80' is already in use by service 'x' (y) as an ingress "
		                "port"),
		        "port '80' is already in use by service 'x' (y) as an ingress port", NULL,
		        ERR_USAGE },
		{ 400, GRPC("InvalidArgument", "secret 'k' is in use by the following service: s7"),
		        "secret 'k' is in use by the following service: s7", NULL, ERR_CONFLICT },
		{ 400, GRPC("FailedPrecondition", "network x is in use by service y"),
		        "network x is in use by service y", NULL, ERR_CONFLICT },
		{ 400,
		        "{\"message\":\"client version 1.99 is too new. Maximum supported API "
		        "version is 1.41\"}",
		        "client version 1.99 is too new. Maximum supported API version is 1.41",
		        NULL, ERR_PROTOCOL },
		{ 401, "{\"message\":\"no\"}", "no", NULL, ERR_DENIED },
		{ 403, "{\"message\":\"no\"}", "no", NULL, ERR_DENIED },
		{ 403,
		        "{\"message\":\"error while removing network: network n has active "
		        "endpoints\"}",
		        "error while removing network: network n has active endpoints", NULL,
		        ERR_CONFLICT },
		{ 404, "{\"message\":\"service nope not found\"}", "service nope not found", NULL,
		        ERR_NOT_FOUND },
		{ 409,
		        GRPC("AlreadyExists",
		                "name conflicts with an existing object: service x already exists"),
		        "name conflicts with an existing object: service x already exists", NULL,
		        ERR_CONFLICT },
		{ 408, "", "HTTP status 408", NULL, ERR_TIMEOUT },
		{ 500, GRPC("Unknown", "update out of sequence"), "update out of sequence", NULL,
		        ERR_CONFLICT },
		{ 500, GRPC("Unknown", "name conflicts with an existing object"),
		        "name conflicts with an existing object", NULL, ERR_CONFLICT },
		{ 500, "{\"message\":\"network nosuch not found\"}", "network nosuch not found",
		        NULL, ERR_NOT_FOUND },
		{ 500,
		        GRPC("Unknown",
		                "The swarm does not have a leader. It's possible that too few "
		                "managers are online."),
		        "The swarm does not have a leader. It's possible that too few managers are "
		        "online.",
		        "more than half of the managers", ERR_UNAVAILABLE },
		{ 500, GRPC("DeadlineExceeded", "context deadline exceeded"),
		        "context deadline exceeded", "more than half of the managers",
		        ERR_UNAVAILABLE },
		{ 504, GRPC("DeadlineExceeded", "context deadline exceeded"),
		        "context deadline exceeded", "more than half of the managers",
		        ERR_UNAVAILABLE },
		{ 500,
		        GRPC("Unknown",
		                "raft: failed to process the request: node lost leader status"),
		        "raft: failed to process the request: node lost leader status",
		        "more than half of the managers", ERR_UNAVAILABLE },
		{ 500, GRPC("Unknown", "raft: no elected cluster leader"),
		        "raft: no elected cluster leader", "more than half of the managers",
		        ERR_UNAVAILABLE },
		{ 503, GRPC("Unavailable", "connection error"), "connection error",
		        "more than half of the managers", ERR_UNAVAILABLE },
		{ 500, GRPC("Unavailable", "all SubConns are in TransientFailure"),
		        "all SubConns are in TransientFailure", "more than half of the managers",
		        ERR_UNAVAILABLE },
		{ 500, GRPC("Canceled", "context canceled"), "context canceled",
		        "more than half of the managers", ERR_UNAVAILABLE },
		{ 500, "{\"message\":\"disk full\"}", "disk full", NULL, ERR_SYSTEM },
		{ 501, GRPC("Unimplemented", "service mode change is not allowed"),
		        "service mode change is not allowed", NULL, ERR_USAGE },
		{ 503,
		        "{\"message\":\"This node is not a swarm manager. Worker nodes can't be "
		        "used to view or modify cluster state.\"}",
		        "This node is not a swarm manager. Worker nodes can't be used to view or "
		        "modify cluster state.",
		        NULL, ERR_DENIED },
		{ 503,
		        "{\"message\":\"This node is not a swarm manager. Manager is being "
		        "prepared or has trouble connecting to the cluster.\"}",
		        "This node is not a swarm manager. Manager is being prepared or has "
		        "trouble connecting to the cluster.",
		        "more than half of the managers", ERR_UNAVAILABLE },
		{ 503,
		        "{\"message\":\"Swarm is encrypted and needs to be unlocked before it can "
		        "be used.\"}",
		        "Swarm is encrypted and needs to be unlocked before it can be used.",
		        "docker swarm unlock", ERR_DENIED },
		{ 503, "{\"message\":\"This node is already part of a swarm.\"}",
		        "This node is already part of a swarm.", NULL, ERR_CONFLICT },
		{ 502, "<html>\nbad gateway", "HTTP status 502: <html>", NULL, ERR_UNAVAILABLE },
		{ 500, "", "HTTP status 500", NULL, ERR_SYSTEM },
		{ 500, "{\"message\":5}", "HTTP status 500: {\"message\":5}", NULL, ERR_SYSTEM },
		{ 302, "", "HTTP status 302", NULL, ERR_PROTOCOL },
		{ 404, "{\"message\":\"a\\u001b[31mb\\nc\"}", "a?[31mb?c", NULL, ERR_NOT_FOUND },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc =
		        engine_status_error(rows[i].status, rows[i].body, strlen(rows[i].body), &e);

		if (rc != -1 || e.kind != rows[i].kind || strcmp(e.msg, rows[i].message) != 0 ||
		        (rows[i].hint ? !str_starts(e.hint, rows[i].hint, NULL) : *e.hint != 0))
			fail_msg("%ld %s: %s '%s' (%s)", rows[i].status, rows[i].body,
			        err_kind_name(e.kind), e.msg, e.hint);
		err_clear(&e);
	}
}

static void long_bodies_are_cut(void **state)
{
	char body[5000];

	(void)state;
	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	engine_status_error(500, body, sizeof(body) - 1, &e);
	assert_true(strlen(e.msg) < 250);
}

/* What a 503 means, and what to do, depends on what this node is: /info says so. */
static void hints_about_the_swarm(void **state)
{
	static const struct {
		const char *name, *info, *hint;
	} rows[] = {
		{ "no swarm",
		        "{\"Swarm\":{\"LocalNodeState\":\"inactive\",\"RemoteManagers\":null}}",
		        "make this engine a swarm of one: docker swarm init" },
		{ "a worker",
		        "{\"Swarm\":{\"LocalNodeState\":\"active\",\"RemoteManagers\":[{\"NodeID\":"
		        "\"a\",\"Addr\":\"10.0.0.1:2377\"},{\"Addr\":\"[fd00::2]:2377\"},{},"
		        "{\"Addr\":7}]}}",
		        "run this on a manager of the swarm: 10.0.0.1, [fd00::2]" },
		{ "no info", NULL, "run this on a manager of the swarm" },
		{ "hostile info", "[", "run this on a manager of the swarm" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct engine_tasks tasks = ENGINE_TASKS_INIT;

		fake_engine_clear(fake);
		fake_engine_reply(fake, "GET", "/tasks", 503,
		        "{\"message\":\"This node is not a swarm manager. X\"}");
		if (rows[i].info)
			fake_engine_reply(fake, "GET", "/info", 200, rows[i].info);
		assert_int_equal(engine_task_list(eng, NULL, &tasks, &e), -1);
		if (e.kind != ERR_DENIED || strcmp(e.hint, rows[i].hint) != 0 ||
		        strcmp(e.msg, "list tasks: This node is not a swarm manager. X") != 0)
			fail_msg("%s: %s '%s' (%s)", rows[i].name, err_kind_name(e.kind), e.msg,
			        e.hint);
		err_clear(&e);
	}
}

/* --- the socket ----------------------------------------------------------------------------- */

static int listen_on(const char *path, bool listening)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || (listening && listen(fd, 1) < 0))
		return -1;
	return fd;
}

static enum err_kind try_socket(const char *path)
{
	AUTO(free) char *host = str_fmt("unix://%s", path);
	struct engine *x = engine_new(host, &e);
	enum err_kind kind;

	assert_non_null(x);
	assert_int_equal(engine_ping(x, &e), -1);
	kind = e.kind;
	engine_free(x);
	return kind;
}

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	err_clear(&e);
	snprintf(dir, sizeof(dir), "/tmp/test-engine-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	AUTO(free) char *path = str_fmt("%s/s", dir);

	(void)state;
	err_clear(&e);
	unlink(path);
	return rmdir(dir);
}

static void tells_sockets_apart(void **state)
{
	AUTO(free) char *path = str_fmt("%s/s", dir);
	int fd;

	(void)state;
	assert_int_equal(try_socket(path), ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "no Docker Engine: there is no socket '"));
	assert_non_null(strstr(e.hint, "is docker installed and running"));
	err_clear(&e);

	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(try_socket(path), ERR_USAGE);
	assert_non_null(strstr(e.msg, "is not a socket"));
	err_clear(&e);
	close(fd);
	unlink(path);

	fd = listen_on(path, false);
	assert_int_equal(try_socket(path), ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "nobody listens on the socket '"));
	err_clear(&e);
	close(fd);
}

/* Root may connect to everything, so this goes on as somebody else for a while. */
static void tells_a_lack_of_permission(void **state)
{
	AUTO(free) char *path = str_fmt("%s/s", dir);
	bool is_root = geteuid() == 0;
	enum err_kind kind;
	int fd = listen_on(path, true);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(chmod(dir, 0711), 0);
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	kind = try_socket(path);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	close(fd);
	assert_int_equal(kind, ERR_DENIED);
	assert_non_null(strstr(e.msg, "no permission for the Docker Engine's socket '"));
	assert_non_null(strstr(e.hint, "group docker"));
}

/* --- replies that hurt ------------------------------------------------------------------------ */

#define HEAD     "HTTP/1.1 200 OK\r\n"
#define CHUNKED  HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define LENGTH10 HEAD "Content-Length: 10\r\n\r\n"

static void hostile_replies(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t piece;
		enum fake_end end;
		enum err_kind kind;
	} rows[] = {
		{ "no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", 0, FAKE_CLOSE, ERR_PROTOCOL },
		{ "nothing", "", 0, FAKE_CLOSE, ERR_UNAVAILABLE },
		{ "half a header", "HTTP/1.1 200 OK\r\nConte", 0, FAKE_CLOSE, ERR_UNAVAILABLE },
		{ "too short", LENGTH10 "[]", 0, FAKE_CLOSE, ERR_UNAVAILABLE },
		{ "a chunk too short", CHUNKED "5\r\n[]", 0, FAKE_CLOSE, ERR_UNAVAILABLE },
		{ "a chunk's size of nonsense", CHUNKED "zz\r\n[]", 0, FAKE_CLOSE,
		        ERR_UNAVAILABLE },
		{ "reset", NULL, 0, FAKE_RESET, ERR_UNAVAILABLE },
		{ "not JSON", HEAD "Content-Length: 3\r\n\r\n[1,", 0, FAKE_KEEP, ERR_PROTOCOL },
		{ "an empty body", HEAD "Content-Length: 0\r\n\r\n", 0, FAKE_KEEP, ERR_PROTOCOL },
		{ "a string", HEAD "Content-Length: 3\r\n\r\n\"a\"", 0, FAKE_KEEP, ERR_PROTOCOL },
		{ "an object", HEAD "Content-Length: 2\r\n\r\n{}", 0, FAKE_KEEP, ERR_PROTOCOL },
		{ "slow chunks", CHUNKED "1\r\n[\r\n4\r\n    \r\n1\r\n]\r\n0\r\n\r\n", 1, FAKE_KEEP,
		        ERR_NONE },
		{ "null for none", HEAD "Content-Length: 4\r\n\r\nnull", 0, FAKE_KEEP, ERR_NONE },
		{ "until the end", HEAD "\r\n[]", 0, FAKE_CLOSE, ERR_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j;

		fake_engine_clear(fake);
		fake_engine_raw(fake, "GET", "/services", rows[i].bytes,
		        rows[i].bytes ? strlen(rows[i].bytes) : 0, rows[i].piece, rows[i].end);
		j = engine_service_list(eng, NULL, &e);
		if (!j != (rows[i].kind != ERR_NONE) || e.kind != rows[i].kind)
			fail_msg("%s: %s '%s'", rows[i].name, err_kind_name(e.kind), e.msg);
		if (j)
			assert_true(json_is_array(j));
		json_decref(j);
		err_clear(&e);
	}
}

static void deep_and_huge_replies(void **state)
{
	size_t n = 17U * 1024 * 1024;
	char *big = malloc(n);

	(void)state;
	assert_non_null(big);
	memset(big, '[', 1000);
	fake_engine_reply_bytes(fake, "GET", "/services", 200, big, 1000);
	assert_null(engine_service_list(eng, NULL, &e));
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_non_null(strstr(e.msg, "nested more than 64 deep"));
	err_clear(&e);

	memset(big, ' ', n);
	fake_engine_clear(fake);
	fake_engine_reply_bytes(fake, "GET", "/services", 200, big, n);
	assert_null(engine_service_list(eng, NULL, &e));
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_non_null(strstr(e.msg, "reply of more than 16777216 bytes"));
	free(big);
}

static void goes_on_after_a_broken_reply(void **state)
{
	(void)state;
	fake_engine_raw(fake, "GET", "/services", LENGTH10, strlen(LENGTH10), 0, FAKE_CLOSE);
	fake_engine_reply(fake, "GET", "/services", 200, "[{}]");
	assert_null(engine_service_list(eng, NULL, &e));
	err_clear(&e);
	{
		json_t *j = engine_service_list(eng, NULL, &e);

		assert_int_equal(json_array_size(j), 1);
		json_decref(j);
	}
}

static volatile sig_atomic_t interrupted;

static void *interrupt_soon(void *arg)
{
	nanosleep(&(struct timespec){ .tv_nsec = 100 * NS_PER_MS }, NULL);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void on_signal(int signo)
{
	interrupted = signo;
}

static void a_signal_ends_the_wait(void **state)
{
	struct sigaction sa = { .sa_handler = on_signal }, old;
	pthread_t self = pthread_self(), other;
	int64_t start = clock_mono_ns();

	(void)state;
	sigaction(SIGUSR1, &sa, &old);
	fake_engine_raw(fake, "GET", "/_ping", "HTTP", 4, 0, FAKE_HANG);
	interrupted = 0;
	engine_interrupt_on(eng, &interrupted);
	assert_int_equal(pthread_create(&other, NULL, interrupt_soon, &self), 0);
	assert_int_equal(engine_ping(eng, &e), -1);
	pthread_join(other, NULL);
	sigaction(SIGUSR1, &old, NULL);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_true(clock_mono_ns() - start < 2 * NS_PER_SEC);
}

/* The socket is there and so is its server: the engine's own trouble is not explained away. */
static void a_broken_connection_is_no_missing_engine(void **state)
{
	(void)state;
	fake_engine_raw(fake, "GET", "/_ping", NULL, 0, 0, FAKE_RESET);
	assert_int_equal(engine_ping(eng, &e), -1);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
	assert_null(strstr(e.msg, "no Docker Engine"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions),
		cmocka_unit_test(statuses),
		cmocka_unit_test(long_bodies_are_cut),
		cmocka_unit_test_setup_teardown(negotiates_once_and_lazily, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_what_it_cannot_speak, set_up, tear_down),
		cmocka_unit_test_setup_teardown(version_from_something_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hints_about_the_swarm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tells_sockets_apart, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(tells_a_lack_of_permission, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(hostile_replies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deep_and_huge_replies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(goes_on_after_a_broken_reply, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_signal_ends_the_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_broken_connection_is_no_missing_engine, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("engine/engine", tests, NULL, NULL);
}
