#include "unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "control/server.h"
#include "data/pool.h"
#include "data/record.h"
#include "fake/raw_server.h"
#include "loop/loop.h"
#include "unit/agent/agent_run.h"

/* POST /v1/sample of a real agent to fake supervisors, each of which answers in its own way. */
enum {
	KNOWS = 1, /* with what it was asked */
	KNOWS_TOO,
	OLD,         /* it has only a status */
	HANGS,       /* whatever it is asked */
	NOBODY,      /* a record, and no supervisor */
	BUSY,        /* an error, and a record */
	NO_SAMPLE,   /* a reply that is not one */
	OLD_HANGS,   /* it hangs when it is asked for its status */
	OLD_STRANGE, /* its status is none */
	LAST = OLD_STRANGE,
};

#define ID "0000000fe8be0404ae10d1bb2c9e3a74edb7f1ebf7ad7ac8fdf1a4cb4a3e1b1a"

static char dir[] = "/tmp/test_samples.XXXXXX";
static pid_t agent, supervisors;

/* --- the fake supervisors ----------------------------------------------------------------- */

static struct loop loop;
static struct fake {
	int n, dirfd;
	struct control_server *server;
} fakes[LAST + 1];

static void refuse(struct control_call *call, enum err_kind kind, const char *what)
{
	struct err e = ERR_INIT;

	err_set(&e, kind, "%s", what);
	control_call_error(call, &e);
}

static void tell_sample(const struct fake *f, const json_t *request, struct control_call *call)
{
	AUTO(json)
	json_t *j = json_pack("{s:i, s:o, s:{s:s, s:O}}", "format", 1, "task",
	        json_sprintf("task%d", f->n), "sample", "state", "answers", "asked",
	        (json_t *)(uintptr_t)request);

	control_call_reply(call, json_text(j, false));
}

static void tell_status(struct control_call *call)
{
	control_call_reply(call,
	        strdup("{\"format\":1,\"task\":\"old\",\"state\":\"running\",\"nodeos_pid\":30,"
	               "\"chain_id\":\"" ID "\",\"head_block_num\":15,\"head_block_id\":\"" ID
	               "\",\"head_age_seconds\":0.5,\"last_irreversible_block_num\":14,"
	               "\"last_irreversible_block_id\":\"" ID "\",\"starts\":3}"));
}

static void handle(void *arg, const char *name, const json_t *request, struct control_call *call)
{
	const struct fake *f = arg;
	bool is_status = strcmp(name, "status") == 0;

	if (f->n == HANGS || (f->n == OLD_HANGS && is_status))
		return;
	if ((f->n == KNOWS || f->n == KNOWS_TOO) && !is_status)
		tell_sample(f, request, call);
	else if ((f->n == OLD || f->n == BUSY) && is_status)
		tell_status(call);
	else if (f->n == BUSY)
		refuse(call, ERR_CONFLICT, "8 callers already wait");
	else if (f->n == NO_SAMPLE || is_status)
		control_call_reply(call, strdup("{\"format\":1,\"task\":\"strange\"}"));
	else
		refuse(call, ERR_USAGE, "unknown request 'sample'");
}

static int slot_dir(int n)
{
	struct err e = ERR_INIT;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/services/s_readers/%d", pool_path, n);
	return fs_open_dir_at(AT_FDCWD, path, true, 0755, &e);
}

static int put_record(int n)
{
	struct record r = { .state = SLOT_HELD, .slot = (uint64_t)n };
	const struct record_end end = { .at_ns = clock_real_ns(), .why = "killed by SIGSEGV" };
	struct err e = ERR_INIT;
	int fd = slot_dir(n), rc;

	(void)snprintf(r.task, sizeof(r.task), "former%d", n);
	(void)snprintf(r.reason, sizeof(r.reason), "by hand");
	for (int i = 0; i < 5; i++)
		record_add_end(&r, &end);
	rc = fd < 0 ? -1 : record_write_at(&r, fd, &e);
	(void)close(fd);
	return rc;
}

static void be_supervisors(int ready)
{
	struct err e = ERR_INIT;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (loop_init(&loop, &e) < 0 || put_record(NOBODY) < 0 || put_record(BUSY) < 0)
		_exit(1);
	for (int n = 1; n <= LAST; n++) {
		struct fake *f = &fakes[n];

		f->n = n;
		f->dirfd = slot_dir(n);
		if (n == NOBODY)
			continue;
		f->server = control_server_new(&loop, f->dirfd, handle, f, &e);
		if (!f->server)
			_exit(1);
	}
	(void)!write(ready, "x", 1);
	(void)!loop_run(&loop, &e);
	_exit(0);
}

static int start(void **state)
{
	struct pool p = POOL_INIT;
	struct err e = ERR_INIT;

	(void)state;
	reply = malloc(REPLY + 1);
	if (!reply || !mkdtemp(dir))
		return -1;
	(void)snprintf(pool_path, sizeof(pool_path), "%s/pool", dir);
	(void)snprintf(token_path, sizeof(token_path), "%s/token", dir);
	if (pool_create(&p, pool_path, &e) < 0 ||
	        fs_write_at(AT_FDCWD, token_path, TOKEN "\n", strlen(TOKEN) + 1, 0400, &e) < 0)
		return -1;
	pool_release(&p);
	port = raw_free_port();
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
	if (supervisors > 0)
		(void)kill(supervisors, SIGKILL);
	while (wait(NULL) > 0)
		;
	free(reply);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

/* --- what is told ------------------------------------------------------------------------- */

static void of_a_host_without_slots(void **state)
{
	json_t *j;
	int ready[2];
	char byte;

	(void)state;
	assert_int_equal(post("/v1/sample", "{\"limit_ms\":5000}"), 200);
	j = body();
	assert_int_equal(json_array_size(json_at(j, "slots")), 0);
	assert_string_equal(json_str(j, "node.id", ""), "node1");
	assert_string_equal(json_str(j, "node.hostname", ""), "host1");
	assert_true(*json_str(j, "node.version", ""));
	assert_int_equal(json_int(j, "left_out", -1), 0);
	json_decref(j);
	/* From here on there are some. */
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	supervisors = fork();
	if (supervisors == 0)
		be_supervisors(ready[1]);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
}

static void expect_one(const json_t *s)
{
	static const struct {
		const char *task;
		bool is_alive, has_sample, has_record;
		const char *error;
	} rows[] = {
		[KNOWS] = { "task1", true, true, false, "none" },
		[KNOWS_TOO] = { "task2", true, true, false, "none" },
		[OLD] = { "old", true, true, false, "none" },
		[HANGS] = { "", false, false, false, "timeout" },
		[NOBODY] = { "former5", false, false, true, "none" },
		[BUSY] = { "old", true, true, false, "none" },
		[NO_SAMPLE] = { "strange", true, false, false, "protocol" },
		[OLD_HANGS] = { "", false, false, false, "timeout" },
		[OLD_STRANGE] = { "strange", true, false, false, "protocol" },
	};
	int64_t n = json_int(s, "slot", 0);
	const json_t *sample = json_object_get(s, "sample"), *record = json_at(s, "record");

	assert_in_range(n, 1, LAST);
	assert_string_equal(json_str(s, "service", ""), "s_readers");
	if (strcmp(json_str(s, "task", "?"), rows[n].task) != 0 ||
	        json_bool(s, "is_alive", !rows[n].is_alive) != rows[n].is_alive ||
	        json_is_object(sample) != rows[n].has_sample || !sample ||
	        json_is_object(record) != rows[n].has_record ||
	        strcmp(json_str(s, "error.kind", "none"), rows[n].error) != 0)
		fail_msg("%s", json_text(s, false));
	if (!rows[n].has_record)
		return;
	assert_string_equal(json_str(record, "state", ""), "held");
	assert_string_equal(json_str(record, "reason", ""), "by hand");
	assert_int_equal(json_array_size(json_at(record, "ends")), 3);
}

static void expect_all(const json_t *j)
{
	const json_t *list = json_at(j, "slots"), *sample;

	assert_int_equal(json_array_size(list), LAST);
	for (size_t i = 0; i < LAST; i++) {
		assert_int_equal(json_int(json_array_get(list, i), "slot", 0), i + 1);
		expect_one(json_array_get(list, i));
	}
	sample = json_at(json_array_get(list, OLD - 1), "sample");
	assert_string_equal(json_str(sample, "state", ""), "answers");
	assert_int_equal(json_int(sample, "info.head_block_num", 0), 15);
	assert_int_equal(json_int(sample, "starts", 0), 3);
}

static void what_each_tells(void **state)
{
	int64_t begin = clock_mono_ns();
	json_t *j;

	(void)state;
	assert_int_equal(post("/v1/sample", "{\"format\":1,\"limit_ms\":500}"), 200);
	assert_in_range(ms_since(begin), 690, 2000);
	j = body();
	expect_all(j);
	json_decref(j);
}

/* Whether what this slot was asked covers that. */
static void expect_asked(const json_t *j, int n, const char *want)
{
	const json_t *asked =
	        json_at(json_array_get(json_at(j, "slots"), (size_t)n - 1), "sample.asked");
	struct err e = ERR_INIT;
	AUTO(json) json_t *w = json_parse_object(want, strlen(want), "wanted", &e);
	char where[64] = "";

	assert_non_null(w);
	if (!json_covers(asked, w, where, sizeof(where)))
		fail_msg("slot %d: %s: %s", n, where, json_text(asked, false));
}

static void each_is_asked_as_the_request_says(void **state)
{
	json_t *j;

	(void)state;
	assert_int_equal(post("/v1/sample",
	                         "{\"limit_ms\":100,\"all\":{\"heights\":[7,9]},\"slots\":["
	                         "{\"service\":\"s_readers\",\"slot\":2,\"first\":5,\"last\":8},"
	                         "{\"service\":\"s_readers\",\"slot\":77,\"heights\":[1]},"
	                         "{\"service\":\"other\",\"slot\":1,\"heights\":[2]}]}"),
	        200);
	j = body();
	expect_asked(j, KNOWS,
	        "{\"request\":\"sample\",\"limit_ms\":100,\"heights\":[7,9],\"format\":1}");
	expect_asked(j, KNOWS_TOO, "{\"limit_ms\":100,\"first\":5,\"last\":8}");
	assert_null(json_at(json_array_get(json_at(j, "slots"), 1), "sample.asked.heights"));
	assert_int_equal(json_array_size(json_at(j, "slots")), LAST);
	json_decref(j);
}

/* --- who may, and what is too much -------------------------------------------------------- */

static void what_is_refused(void **state)
{
	static const struct {
		const char *name, *request;
		int status;
	} rows[] = {
		{ "no token", "POST /v1/sample HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\n{}",
		        401 },
		{ "the token",
		        "POST /v1/sample HTTP/1.1\r\n" CLOSE AUTH
		        "Content-Length: 15\r\n\r\n{\"limit_ms\":10}",
		        200 },
		{ "no body", "POST /v1/sample HTTP/1.1\r\n" CLOSE AUTH "Content-Length: 0\r\n\r\n",
		        400 },
		{ "another method", "GET /v1/sample HTTP/1.1\r\n" CLOSE AUTH "\r\n", 405 },
		{ "too much to ask",
		        "POST /v1/sample HTTP/1.1\r\n" CLOSE AUTH
		        "Content-Length: 29\r\n\r\n{\"all\":{\"first\":1,\"last\":65}}",
		        400 },
		{ "too long",
		        "POST /v1/sample HTTP/1.1\r\n" CLOSE AUTH "Content-Length: 49153\r\n\r\n",
		        413 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int status = ask(1, rows[i].request);

		if (status != rows[i].status)
			fail_msg("%s: %d '%.300s'", rows[i].name, status, reply);
	}
}

static void a_long_list_comes_over_tcp(void **state)
{
	AUTO(free) char *text = malloc(AGENT_BODY_DATA_MAX + 1), *request = NULL;
	static const char begin[] = "{\"limit_ms\":10,\"slots\":[";
	size_t n = strlen(begin);

	(void)state;
	memset(text, ' ', AGENT_BODY_DATA_MAX);
	memcpy(text, begin, n);
	for (int i = 1; i <= 1000; i++)
		n += (size_t)snprintf(text + n, AGENT_BODY_DATA_MAX - n,
		        "%s{\"service\":\"s_readers\",\"slot\":%d}", i > 1 ? "," : "", i);
	text[n] = ' ';
	memcpy(text + AGENT_BODY_DATA_MAX - 2, "]}", 3);
	request = str_fmt("POST /v1/sample HTTP/1.1\r\n" CLOSE AUTH "Content-Length: %u\r\n\r\n%s",
	        AGENT_BODY_DATA_MAX, text);
	assert_int_equal(ask(1, request), 200);
}

static void a_few_at_a_time(void **state)
{
	static const char request[] = "POST /v1/sample HTTP/1.1\r\n" CLOSE
	                              "Content-Length: 17\r\n\r\n{\"limit_ms\":1000}";
	int fds[16];
	json_t *j;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial(0);
		say(fds[i], request);
	}
	(void)usleep(200000);
	assert_int_equal(post("/v1/sample", "{}"), 409);
	j = body();
	assert_string_equal(json_str(j, "error.kind", ""), "conflict");
	json_decref(j);
	/* Who goes away leaves his place to others. */
	(void)close(fds[0]);
	(void)usleep(100000);
	assert_int_equal(post("/v1/sample", "{\"limit_ms\":10}"), 200);
	for (size_t i = 1; i < ARRAY_LEN(fds); i++) {
		assert_int_equal(hear(fds[i]), 200);
		j = body();
		expect_all(j);
		json_decref(j);
	}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(post("/v1/sample", "{\"limit_ms\":1}"), 200);
}

static void gathered(void **state)
{
	const json_t *list;
	json_t *j;

	(void)state;
	assert_int_equal(post("/v1/gather",
	                         "{\"method\":\"POST\",\"path\":\"/v1/sample\",\"timeout_ms\":4000,"
	                         "\"body\":\"{\\\"limit_ms\\\":800}\",\"targets\":["
	                         "{\"id\":\"node1\"},{\"id\":\"n2\",\"address\":\"127.0.0.1\"}]}"),
	        200);
	j = body();
	list = json_at(j, "replies");
	assert_int_equal(json_array_size(list), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(json_int(json_array_get(list, i), "status", 0), 200);
		expect_all(json_at(json_array_get(list, i), "body"));
	}
	json_decref(j);
	/* A gather's limit ends the sampling of this host, too. */
	for (int i = 0; i < 10; i++)
		assert_int_equal(post("/v1/gather",
		                         "{\"method\":\"POST\",\"path\":\"/v1/sample\","
		                         "\"timeout_ms\":20,\"body\":\"{\\\"limit_ms\\\":5000}\","
		                         "\"targets\":[{\"id\":\"node1\"}]}"),
		        200);
	assert_int_equal(post("/v1/sample", "{\"limit_ms\":10}"), 200);
}

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

static void nothing_is_left(void **state)
{
	size_t fds = descriptors();
	int status, fd;

	(void)state;
	for (int i = 0; i < 50; i++) {
		fd = dial(0);
		say(fd, "POST /v1/sample HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\n{}");
		(void)usleep(5000);
		(void)close(fd);
	}
	(void)usleep(100000);
	assert_in_range(descriptors(), 0, fds);
	/* It ends while it samples. */
	fd = dial(0);
	say(fd, "POST /v1/sample HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\n{}");
	(void)usleep(50000);
	assert_int_equal(kill(agent, SIGTERM), 0);
	assert_int_equal(waitpid(agent, &status, 0), agent);
	agent = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(hear(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_host_without_slots),
		cmocka_unit_test(what_each_tells),
		cmocka_unit_test(each_is_asked_as_the_request_says),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(a_long_list_comes_over_tcp),
		cmocka_unit_test(a_few_at_a_time),
		cmocka_unit_test(gathered),
		cmocka_unit_test(nothing_is_left),
	};

	return cmocka_run_group_tests_name("agent/samples", tests, start, stop);
}
