#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine/exec.h"
#include "fake/engine.h"

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"

static const char *const argv_relay[] = { "nodeswarm", "relay", "GET", "/v1/status", NULL };

static struct err e;
static struct fake_engine *fake;
static struct engine *eng;
static struct engine_exec_result result;
static volatile int flag;

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	flag = 0;
	fake = fake_engine_start();
	eng = engine_new(fake_engine_host(fake), &e);
	result = ENGINE_EXEC_RESULT_INIT;
	return eng ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	engine_exec_result_release(&result);
	engine_free(eng);
	fake_engine_stop(fake);
	return 0;
}

static void add(struct buf *b, const void *p, size_t n)
{
	assert_int_equal(buf_add(b, p, n), 0);
}

static void add_frame(struct buf *b, int stream, const char *text)
{
	size_t n = strlen(text);
	const unsigned char header[8] = { (unsigned char)stream, 0, 0, 0, (unsigned char)(n >> 24),
		(unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n };

	add(b, header, sizeof(header));
	add(b, text, n);
}

/* A container "c1" in which an exec prints these bytes. */
static void script(const void *bytes, size_t n, size_t piece, enum fake_end end)
{
	struct buf b = BUF_INIT(1U << 20);

	add(&b, HEAD, strlen(HEAD));
	add(&b, bytes, n);
	fake_engine_reply(fake, "POST", "/containers/c1/exec", 201, "{\"Id\":\"e1\"}");
	fake_engine_raw(fake, "POST", "/exec/e1/start", b.data, b.len, piece, end);
	buf_release(&b);
}

static int run(const struct engine_exec *x)
{
	return engine_exec_run(eng, "c1", x, &result, &e);
}

static void output_and_exit_status_come_back(void **state)
{
	struct buf b = BUF_INIT(1000);

	(void)state;
	add_frame(&b, 1, "{\"a\"");
	add_frame(&b, 2, "a warning\n");
	add_frame(&b, 1, ":1}\n");
	script(b.data, b.len, 3, FAKE_CLOSE);
	buf_release(&b);
	fake_engine_reply(fake, "GET", "/exec/e1/json", 200,
	        "{\"ID\":\"e1\",\"Running\":true,\"ExitCode\":null}");
	fake_engine_reply(fake, "GET", "/exec/e1/json", 200,
	        "{\"ID\":\"e1\",\"Running\":false,\"ExitCode\":7}");
	if (run(&(struct engine_exec){ .argv = argv_relay }) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(result.out.data, "{\"a\":1}\n");
	assert_string_equal(result.err.data, "a warning\n");
	assert_int_equal(result.exit_code, 7);
	assert_string_equal(fake_engine_request(fake, 0)->body,
	        "{\"AttachStdout\":true,\"AttachStderr\":true,"
	        "\"Cmd\":[\"nodeswarm\",\"relay\",\"GET\",\"/v1/status\"]}");
	assert_string_equal(fake_engine_request(fake, 1)->body, "{\"Detach\":false,\"Tty\":false}");
}

static void no_output_is_an_empty_text(void **state)
{
	(void)state;
	script("", 0, 0, FAKE_CLOSE);
	fake_engine_reply(fake, "GET", "/exec/e1/json", 200,
	        "{\"ID\":\"e1\",\"Running\":false,\"ExitCode\":0}");
	assert_int_equal(run(&(struct engine_exec){ .argv = argv_relay }), 0);
	assert_string_equal(result.out.data, "");
	assert_string_equal(result.err.data, "");
}

static void streams_that_are_refused(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t n, max;
		const char *wants;
	} rows[] = {
		{ "no frames", "hello", 5, 0, "in the middle of a frame" },
		{ "a text", "hello world", 11, 0, "not a frame" },
		{ "cut in a header", "\1\0\0\0", 4, 0, "in the middle of a frame" },
		{ "cut in a payload", "\1\0\0\0\0\0\0\5ab", 10, 0, "in the middle of a frame" },
		{ "more than was allowed", "\1\0\0\0\0\0\0\5abcde", 13, 4, "more than 4 bytes" },
		{ "the same of stderr", "\2\0\0\0\0\0\0\5abcde", 13, 4, "more than 4 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		err_clear(&e);
		fake_engine_clear(fake);
		script(rows[i].bytes, rows[i].n, 0, FAKE_CLOSE);
		fake_engine_reply(fake, "GET", "/exec/e1/json", 200,
		        "{\"ID\":\"e1\",\"Running\":false,\"ExitCode\":0}");
		if (run(&(struct engine_exec){ .argv = argv_relay, .max_output = rows[i].max }) ==
		        0)
			fail_msg("%s: accepted", rows[i].name);
		if (e.kind != ERR_PROTOCOL || !strstr(e.msg, rows[i].wants) ||
		        !strstr(e.msg, "'c1'"))
			fail_msg("%s: %s", rows[i].name, e.msg);
	}
}

static void the_engines_refusals_have_a_kind(void **state)
{
	static const struct {
		const char *path;
		int status;
		const char *reply;
		enum err_kind kind;
	} rows[] = {
		{ "/containers/c1/exec", 404, "{\"message\":\"No such container: c1\"}",
		        ERR_NOT_FOUND },
		{ "/containers/c1/exec", 409, "{\"message\":\"Container c1 is not running\"}",
		        ERR_CONFLICT },
		{ "/containers/c1/exec", 201, "{\"Id\":\"\"}", ERR_PROTOCOL },
		{ "/containers/c1/exec", 201, "{\"Id\":\"a/b\"}", ERR_PROTOCOL },
		{ "/containers/c1/exec", 201, "[]", ERR_PROTOCOL },
		{ "/exec/e1/start", 409, "{\"message\":\"Container c1 is paused\"}", ERR_CONFLICT },
		{ "/exec/e1/json", 200, "[]", ERR_PROTOCOL },
		{ "/exec/e1/json", 500, "{\"message\":\"oh\"}", ERR_SYSTEM },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		err_clear(&e);
		fake_engine_clear(fake);
		fake_engine_reply(fake, "POST", rows[i].path, rows[i].status, rows[i].reply);
		fake_engine_reply(fake, "GET", rows[i].path, rows[i].status, rows[i].reply);
		script("", 0, 0, FAKE_CLOSE);
		if (run(&(struct engine_exec){ .argv = argv_relay }) == 0)
			fail_msg("%s %d: accepted", rows[i].path, rows[i].status);
		if (e.kind != rows[i].kind)
			fail_msg("%s %d: kind %s: %s", rows[i].path, rows[i].status,
			        err_kind_name(e.kind), e.msg);
	}
}

static void a_name_that_is_a_path_never_leaves(void **state)
{
	(void)state;
	assert_int_equal(engine_exec_run(eng, "../x", &(struct engine_exec){ .argv = argv_relay },
	                         &result, &e),
	        -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_int_equal(fake_engine_count(fake), 0);
}

static void a_program_that_hangs_is_left_alone(void **state)
{
	int64_t began = clock_mono_ns();

	(void)state;
	script("\1\0\0\0\0\0\0\1a", 9, 0, FAKE_HANG);
	assert_int_equal(
	        run(&(struct engine_exec){ .argv = argv_relay, .timeout_ns = 200 * NS_PER_MS }),
	        -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_true(clock_mono_ns() - began < 5 * NS_PER_SEC);

	err_clear(&e);
	engine_interrupt_on(eng, &flag);
	flag = 1;
	assert_int_equal(run(&(struct engine_exec){ .argv = argv_relay, .timeout_ns = -1 }), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		        output_and_exit_status_come_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_output_is_an_empty_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(streams_that_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        the_engines_refusals_have_a_kind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_name_that_is_a_path_never_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_program_that_hangs_is_left_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
