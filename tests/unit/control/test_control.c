#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "control/address_priv.h"
#include "control/client.h"
#include "control/control.h"
#include "control/server.h"
#include "loop/loop.h"

/* A server in a thread of its own; the client calls block. */
static char dir[] = "/tmp/test_control.XXXXXX";
static int dirfd_;
static struct loop loop;
static struct control_server *server;
static struct loop_timer later, ender;
static struct control_call *kept, *forgotten;
static int ending;
static pthread_t thread;

static void on_later(struct loop_timer *t, void *arg)
{
	(void)t;
	(void)arg;
	control_call_reply(kept, strdup("{\"format\":1,\"late\":true}"));
	kept = NULL;
}

static void handle(void *arg, const char *name, const json_t *request, struct control_call *call)
{
	struct err e = ERR_INIT;

	(void)arg;
	if (strcmp(name, "late") == 0) {
		kept = call;
		loop_timer_set(&loop, &later, clock_mono_ns() + 300 * NS_PER_MS, on_later, NULL);
	} else if (strcmp(name, "fail") == 0) {
		err_set(&e, ERR_CONFLICT, "no");
		err_hint(&e, "do");
		control_call_error(call, &e);
	} else if (strcmp(name, "void") == 0) {
		control_call_reply(call,
		        strdup(!control_call_is_void(call) && control_call_is_void(forgotten)
		                        ? "{\"format\":1,\"void\":true}"
		                        : "{\"format\":1}"));
	} else if (strcmp(name, "never") == 0) {
		forgotten = call;
	} else if (strcmp(name, "echo") == 0) {
		control_call_reply(call, json_text(request, false));
	} else {
		control_call_reply(call, strdup("{\"format\":1,\"ok\":true}"));
	}
}

static void on_end(struct loop_timer *t, void *arg)
{
	(void)arg;
	loop_timer_set(&loop, t, clock_mono_ns() + 10 * NS_PER_MS, on_end, NULL);
	if (__atomic_load_n(&ending, __ATOMIC_ACQUIRE))
		loop_stop(&loop);
}

static void *serve(void *arg)
{
	struct err e = ERR_INIT;

	return loop_run(&loop, &e) == 0 ? NULL : arg;
}

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memset(&later, 0, sizeof(later));
	memset(&ender, 0, sizeof(ender));
	ending = 0;
	kept = NULL;
	if (loop_init(&loop, &e) < 0)
		return -1;
	server = control_server_new(&loop, dirfd_, handle, NULL, &e);
	loop_timer_set(&loop, &ender, clock_mono_ns(), on_end, NULL);
	return server && pthread_create(&thread, NULL, serve, &loop) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	__atomic_store_n(&ending, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	/* Into the void: its client has gone. */
	if (forgotten)
		control_call_reply(forgotten, NULL);
	forgotten = NULL;
	control_server_free(server);
	/* Every call is to be answered, also one whose client has gone. */
	if (kept)
		control_call_reply(kept, strdup("{}"));
	/* Removing its socket is the server's job. */
	if (faccessat(dirfd_, CONTROL_SOCKET, F_OK, 0) == 0)
		return -1;
	loop_release(&loop);
	close(dirfd_);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void asks_many_at_once(void **state)
{
	struct control_ask asks[20] = { { .dirfd = -1 } };
	int64_t start = clock_mono_ns();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(asks); i++)
		asks[i].dirfd = dirfd_;
	control_ask_all(asks, ARRAY_LEN(asks), "status", NS_PER_SEC, NULL);
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		if (!asks[i].reply)
			fail_msg("%zu: %s", i, asks[i].err.msg);
		assert_true(json_bool(asks[i].reply, "ok", false));
		json_decref(asks[i].reply);
	}
	assert_true(clock_mono_ns() - start < NS_PER_SEC);
}

static void each_may_have_its_own_request(void **state)
{
	struct control_ask asks[] = { { .args = json_pack("{s:i}", "number", 7) }, { .args = NULL },
		{ .args = json_pack("{s:i}", "number", 9) } };
	static const int64_t wanted[] = { 7, -1, 9 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(asks); i++)
		asks[i].dirfd = dirfd_;
	control_ask_all(asks, ARRAY_LEN(asks), "echo", NS_PER_SEC, NULL);
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		if (!asks[i].reply)
			fail_msg("%zu: %s", i, asks[i].err.msg);
		assert_int_equal(json_int(asks[i].reply, "number", -1), wanted[i]);
		json_decref(asks[i].reply);
	}
	json_decref((json_t *)(uintptr_t)asks[0].args);
	json_decref((json_t *)(uintptr_t)asks[2].args);
}

static void error_comes_back_as_an_error(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_null(control_ask_one(dirfd_, "fail", NULL, NS_PER_SEC, NULL, &e));
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_string_equal(e.msg, "no");
	assert_string_equal(e.hint, "do");
}

static void answer_may_come_late_or_never(void **state)
{
	struct err e = ERR_INIT;
	json_t *j = control_ask_one(dirfd_, "late", NULL, 5 * NS_PER_SEC, NULL, &e);

	(void)state;
	assert_non_null(j);
	json_decref(j);
	assert_null(control_ask_one(dirfd_, "never", NULL, 100 * NS_PER_MS, NULL, &e));
	assert_int_equal(e.kind, ERR_TIMEOUT);
	/* The server is not confused by the client that went away, and knows that it has. */
	err_clear(&e);
	j = control_ask_one(dirfd_, "void", NULL, NS_PER_SEC, NULL, &e);
	assert_non_null(j);
	assert_true(json_bool(j, "void", false));
	json_decref(j);
	j = control_ask_one(dirfd_, "status", NULL, NS_PER_SEC, NULL, &e);
	assert_non_null(j);
	json_decref(j);
}

static int connect_raw(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;

	control_address(&sa, dirfd_);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void hostile_lines(void **state)
{
	static const struct {
		const char *name, *line, *want;
	} rows[] = {
		{ "not JSON", "hello\n", "\"kind\":\"protocol\"" },
		{ "no request", "{\"format\":1}\n", "without 'request'" },
		{ "other format", "{\"format\":7,\"request\":\"status\"}\n", "format 7" },
		{ "request is a list", "{\"format\":1,\"request\":[]}\n", "without 'request'" },
		{ "two at once",
		        "{\"format\":1,\"request\":\"a\"}\n{\"format\":1,\"request\":\"b\"}\n",
		        "\"ok\":true" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char reply[4096] = "";
		int fd = connect_raw();
		ssize_t n;

		assert_int_equal(
		        send(fd, rows[i].line, strlen(rows[i].line), 0), strlen(rows[i].line));
		n = recv(fd, reply, sizeof(reply) - 1, 0);
		close(fd);
		if (n <= 0 || !strstr(reply, rows[i].want))
			fail_msg("%s: '%s'", rows[i].name, reply);
	}
}

static void endless_line_is_cut_off(void **state)
{
	static char junk[8192];
	int fd = connect_raw();
	size_t sent = 0;
	ssize_t n = 0;

	(void)state;
	memset(junk, 'x', sizeof(junk));
	while (sent < 16 * CONTROL_LINE_MAX && (n = send(fd, junk, sizeof(junk), MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
	close(fd);
	assert_true(n < 0 && (errno == EPIPE || errno == ECONNRESET));
}

static void socket_is_root_only(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(fstatat(dirfd_, CONTROL_SOCKET, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void nobody_listens(void **state)
{
	struct err e = ERR_INIT;
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_null(control_ask_one(fd, "status", NULL, NS_PER_SEC, NULL, &e));
	close(fd);
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asks_many_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(each_may_have_its_own_request, setup, teardown),
		cmocka_unit_test_setup_teardown(error_comes_back_as_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(answer_may_come_late_or_never, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(endless_line_is_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(socket_is_root_only, setup, teardown),
		cmocka_unit_test(nobody_listens),
	};

	return cmocka_run_group_tests_name("control/control", tests, NULL, NULL);
}
