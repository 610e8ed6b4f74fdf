#include "unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "control/address_priv.h"
#include "control/async.h"
#include "control/control.h"
#include "control/server.h"
#include "loop/loop.h"

/* Server and clients on one loop: nothing here may block. */
static char dir[] = "/tmp/test_async.XXXXXX";
static int dirfd_, listener = -1, accepted = -1;
static struct loop loop;
static struct control_server *server;
static struct control_call *kept;

#define ASKS 200

static struct answer {
	unsigned n;
	bool ok;
	struct err why;
	int64_t at_ns;
} answers[ASKS];

static void on_answer(void *arg, json_t *reply, const struct err *why)
{
	struct answer *a = arg;

	a->n++;
	a->ok = json_bool(reply, "ok", false);
	a->at_ns = clock_mono_ns();
	assert_true((reply != NULL) != (why != NULL));
	if (why)
		a->why = *why;
}

static void handle(
        void *arg, const char *name, const json_t *request UNUSED, struct control_call *call)
{
	struct err e = ERR_INIT;

	(void)arg;
	if (strcmp(name, "later") == 0) {
		kept = call;
	} else if (strcmp(name, "fail") == 0) {
		err_set(&e, ERR_CONFLICT, "no");
		control_call_error(call, &e);
	} else {
		control_call_reply(call, strdup("{\"format\":1,\"ok\":true}"));
	}
}

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memset(answers, 0, sizeof(answers));
	kept = NULL;
	return loop_init(&loop, &e);
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	control_server_free(server);
	server = NULL;
	if (kept)
		control_call_reply(kept, NULL);
	if (listener >= 0)
		(void)close(listener);
	if (accepted >= 0)
		(void)close(accepted);
	listener = accepted = -1;
	assert_null(loop.timers);
	loop_release(&loop);
	(void)close(dirfd_);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void serve(void)
{
	struct err e = ERR_INIT;

	server = control_server_new(&loop, dirfd_, handle, NULL, &e);
	assert_non_null(server);
}

/* A listener that the test itself works, or leaves alone. */
static void serve_by_hand(int backlog)
{
	struct sockaddr_un sa;

	control_address(&sa, dirfd_);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, backlog), 0);
}

static struct control_async *ask(size_t i, const char *request, int64_t timeout_ns)
{
	struct err e = ERR_INIT;
	struct control_async *a = control_async_new(
	        &loop, dirfd_, request, NULL, timeout_ns, on_answer, &answers[i], &e);

	assert_non_null(a);
	assert_int_equal(answers[i].n, 0);
	return a;
}

static void spend_ms(int ms)
{
	int64_t end = clock_mono_ns() + ms * NS_PER_MS, left;
	struct err e = ERR_INIT;

	while ((left = end - clock_mono_ns()) > 0)
		assert_int_equal(loop_once(&loop, (int)(left / NS_PER_MS) + 1, &e), 0);
}

static void asks_and_is_answered(void **state)
{
	(void)state;
	serve();
	for (size_t i = 0; i < 20; i++)
		(void)ask(i, "status", NS_PER_SEC);
	spend_ms(100);
	for (size_t i = 0; i < 20; i++)
		assert_true(answers[i].n == 1 && answers[i].ok);
	(void)ask(20, "fail", NS_PER_SEC);
	(void)ask(21, "later", -1);
	spend_ms(100);
	assert_int_equal(answers[20].why.kind, ERR_CONFLICT);
	assert_int_equal(answers[21].n, 0);
	control_call_reply(kept, strdup("{\"format\":1,\"ok\":true}"));
	kept = NULL;
	spend_ms(50);
	assert_true(answers[21].n == 1 && answers[21].ok);
}

static void a_hung_supervisor_costs_the_limit(void **state)
{
	int64_t start = clock_mono_ns();

	(void)state;
	serve_by_hand(64);
	for (size_t i = 0; i < ASKS; i++)
		(void)ask(i, "status", 200 * NS_PER_MS);
	spend_ms(400);
	for (size_t i = 0; i < ASKS; i++) {
		/* Beyond its queue it is known at once. */
		assert_int_equal(answers[i].n, 1);
		assert_int_equal(answers[i].why.kind, ERR_TIMEOUT);
		if (i < 64)
			assert_true(answers[i].at_ns - start >= 200 * NS_PER_MS);
	}
}

static void nobody_there(void **state)
{
	(void)state;
	(void)ask(0, "status", NS_PER_SEC);
	/* With a socket that a dead process left, too. */
	serve_by_hand(1);
	(void)close(listener);
	listener = -1;
	(void)ask(1, "status", -1);
	spend_ms(50);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(answers[i].n, 1);
		assert_int_equal(answers[i].why.kind, ERR_UNAVAILABLE);
	}
}

static void odd_replies(void **state)
{
	static char endless[8192];
	static const struct {
		const char *name, *reply;
		enum err_kind kind;
	} rows[] = {
		{ "no JSON", "hello\n", ERR_PROTOCOL },
		{ "other format", "{\"format\":9}\n", ERR_PROTOCOL },
		{ "cut", "{\"format\":1", ERR_UNAVAILABLE },
		{ "nothing", "", ERR_UNAVAILABLE },
		{ "error of no kind", "{\"format\":1,\"error\":{}}\n", ERR_PROTOCOL },
		{ "endless", endless, ERR_PROTOCOL },
	};

	(void)state;
	memset(endless, 'x', sizeof(endless) - 1);
	serve_by_hand(4);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)ask(i, "status", NS_PER_SEC);
		accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		for (int k = 0; k < (rows[i].reply == endless ? 12 : 1); k++) {
			(void)!send(accepted, rows[i].reply, strlen(rows[i].reply), MSG_NOSIGNAL);
			spend_ms(5);
		}
		(void)close(accepted);
		accepted = -1;
		spend_ms(20);
		if (answers[i].n != 1 || answers[i].why.kind != rows[i].kind)
			fail_msg("%s: %u answers, %s", rows[i].name, answers[i].n,
			        answers[i].why.msg);
	}
}

static void freed_before_the_answer(void **state)
{
	(void)state;
	serve();
	control_async_free(ask(0, "status", NS_PER_SEC));
	control_async_free(ask(1, "later", -1));
	spend_ms(50);
	control_async_free(ask(2, "status", 0));
	control_async_free(NULL);
	spend_ms(50);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(answers[i].n, 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(asks_and_is_answered),
		T(a_hung_supervisor_costs_the_limit),
		T(nobody_there),
		T(odd_replies),
		T(freed_before_the_answer),
	};

	return cmocka_run_group_tests_name("control/async", tests, NULL, NULL);
}
