/* Workers that are stopped or killed, and orchestrators that are away. */
#include "unit/replay/worker_scene.h"

static void gives_back_when_asked_to_stop(void **state)
{
	pid_t pid = start("hang", NULL), nodeos;

	(void)state;
	WAIT_FOR(pid, (nodeos = nodeos_pid()) != 0);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_end(pid, 0);
	assert_int_equal(orch.calls[FAKE_RELEASE], 1);
	assert_body(FAKE_RELEASE, "lease", "0123456789abcdef0123456789abcdef");
	assert_int_equal(orch.calls[FAKE_FAIL] + orch.calls[FAKE_COMPLETE], 0);
	assert_true(is_gone(nodeos));
	assert_clean();
}

static void stops_without_an_orchestrator(void **state)
{
	pid_t pid;

	(void)state;
	orch.answer[FAKE_CLAIM] = 503;
	pid = start("good", NULL);
	WAIT_FOR(pid, orch.calls[FAKE_CLAIM] >= 2);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_end(pid, 0);
}

static void lets_go_what_is_anothers(void **state)
{
	static const int how[] = { 409, 404, 200 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		pid_t pid, nodeos = 0;

		orch.jobs = 1;
		orch.answer[FAKE_PROGRESS] = 0;
		orch.let_go = false;
		(void)unlinkat(top_fd, "pid", 0);
		pid = start("hang", NULL);
		WAIT_FOR(pid, (nodeos = nodeos_pid()) != 0);
		if (how[i] == 200)
			orch.let_go = true;
		else
			orch.answer[FAKE_PROGRESS] = how[i];
		assert_end(pid, 0);
		assert_true(is_gone(nodeos));
		assert_clean();
	}
	assert_int_equal(orch.calls[FAKE_RELEASE] + orch.calls[FAKE_FAIL], 0);
}

static void an_orchestrator_that_is_away_is_waited_for(void **state)
{
	pid_t pid;

	(void)state;
	orch.answer[FAKE_PROGRESS] = 503;
	orch.answer[FAKE_COMPLETE] = 503;
	pid = start("good", NULL);
	WAIT_FOR(pid, orch.calls[FAKE_COMPLETE] >= 2);
	assert_true(is_there("worker/result.json"));
	orch.calls[FAKE_COMPLETE] = 0;
	orch.answer[FAKE_COMPLETE] = 0;
	assert_end(pid, 0);
	assert_complete();
}

static void a_result_that_nobody_wants(void **state)
{
	(void)state;
	orch.answer[FAKE_COMPLETE] = 409;
	assert_end(start("good", NULL), 0);
	assert_int_equal(orch.calls[FAKE_COMPLETE], 1);
	assert_clean();
}

/* By a proxy, or because of a fault: it may be taken later. */
static void a_result_that_is_refused(void **state)
{
	static const int how[] = { 400, 413, 415 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		orch.jobs = 1;
		orch.calls[FAKE_COMPLETE] = 0;
		orch.answer[FAKE_COMPLETE] = how[i];
		assert_end(start("good", NULL), 1);
		assert_int_equal(orch.calls[FAKE_FAIL], 0);
		assert_true(is_there("worker/refused.json"));
		assert_clean();
	}
	orch.calls[FAKE_COMPLETE] = 0;
	orch.answer[FAKE_COMPLETE] = 0;
	orch.is_done = true;
	assert_end(start("good", "until_done="), 0);
	assert_complete();
	assert_false(is_there("worker/refused.json"));
}

static void a_result_that_is_refused_for_a_while(void **state)
{
	static const int how[] = { 401, 403 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		pid_t pid;

		orch.jobs = 1;
		orch.calls[FAKE_COMPLETE] = 0;
		orch.answer[FAKE_COMPLETE] = how[i];
		pid = start("good", NULL);
		WAIT_FOR(pid, orch.calls[FAKE_COMPLETE] >= 1);
		assert_true(is_there("worker/result.json"));
		orch.calls[FAKE_COMPLETE] = 0;
		orch.answer[FAKE_COMPLETE] = 0;
		assert_end(pid, 0);
		assert_complete();
	}
}

static void a_result_that_cannot_be_kept(void **state)
{
	(void)state;
	/* Its nodeos makes a directory of that name. */
	assert_end(start("blocked", NULL), 0);
	assert_int_equal(orch.calls[FAKE_COMPLETE], 1);
	assert_body(FAKE_COMPLETE, "end_hash", B);
	assert_false(is_there("worker/work"));
}

/* --- kill -9 --- */

static void killed_while_nodeos_works(void **state)
{
	pid_t pid = start("hang", NULL), nodeos;

	(void)state;
	WAIT_FOR(pid, (nodeos = nodeos_pid()) != 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_end(pid, 128 + SIGKILL);
	/* The next one waits for the lock, which the dying nodeos has, and is then alone. */
	orch.jobs = 1;
	pid = start("good", NULL);
	assert_end(pid, 0);
	assert_true(is_gone(nodeos));
	assert_complete();
}

static void killed_with_a_result(void **state)
{
	pid_t pid;

	(void)state;
	orch.answer[FAKE_COMPLETE] = 503;
	pid = start("good", NULL);
	WAIT_FOR(pid, orch.calls[FAKE_COMPLETE] >= 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_end(pid, 128 + SIGKILL);
	assert_true(is_there("worker/result.json"));
	for (int i = 0; i < FAKE_VERBS; i++)
		orch.calls[i] = 0;
	orch.answer[FAKE_COMPLETE] = 0;
	orch.is_done = true;
	assert_end(start("good", "until_done="), 0);
	assert_int_equal(orch.completes_before_claim, 1);
	assert_complete();
}

/* A server that gives a part of the snapshot and then says nothing more, until it is asked for the
 * rest. */
static struct buf served;
static atomic_int given, ranges;

static void serve_half(struct raw_server *s, int fd, int count)
{
	char head[128], c;
	const char *range;
	size_t from;

	(void)count;
	if (raw_read(s, fd) < 0)
		return;
	range = strcasestr(s->request, "\r\nrange: bytes=");
	from = range ? strtoul(range + 15, NULL, 10) : 0;
	if (strstr(s->request, ".sha256 ")) {
		raw_say(fd, "HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
		return;
	}
	snprintf(head, sizeof(head),
	        "HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %zu\r\n"
	        "Content-Range: bytes %zu-%zu/%zu\r\n\r\n",
	        from ? 206 : 200, served.len - from, from, served.len - 1, served.len);
	raw_say(fd, head);
	ranges += from > 0;
	(void)send(fd, served.data + from, from ? served.len - from : served.len / 2, MSG_NOSIGNAL);
	given++;
	if (!from)
		(void)!read(fd, &c, 1); /* until the peer has gone */
}

static void killed_while_the_snapshot_comes(void **state)
{
	struct raw_server server;
	pid_t pid;

	(void)state;
	buf_init(&served, 1 << 20);
	data_load(&served, "snapshot-v6.bin");
	given = ranges = 0;
	assert_int_equal(raw_server_start(&server, NULL, serve_half), 0);
	fake_orchestrator_job(&orch,
	        "{\"job_id\":140000000000001,\"replay_slice_id\":3,\"snapshot_path\":\"%s/s.bin\","
	        "\"storage_type\":\"http\",\"leap_version\":\"4.0.6\",\"start_block_num\":13,"
	        "\"end_block_num\":200}",
	        server.url);
	pid = start("good", NULL);
	/* Heartbeats while it comes. */
	WAIT_FOR(pid, given > 0);
	orch.calls[FAKE_PROGRESS] = 0;
	WAIT_FOR(pid, orch.calls[FAKE_PROGRESS] >= 2);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_end(pid, 128 + SIGKILL);
	orch.jobs = 1;
	assert_end(start("good", NULL), 0);
	assert_complete();
	assert_int_equal(ranges, 1);
	raw_server_stop(&server);
	buf_release(&served);
}

static void stopped_while_the_snapshot_comes(void **state)
{
	struct raw_server server;
	pid_t pid;

	(void)state;
	buf_init(&served, 1 << 20);
	data_load(&served, "snapshot-v6.bin");
	given = 0;
	assert_int_equal(raw_server_start(&server, NULL, serve_half), 0);
	fake_orchestrator_job(&orch,
	        "{\"job_id\":140000000000001,\"snapshot_path\":\"%s/"
	        "s.bin\",\"storage_type\":\"http\","
	        "\"start_block_num\":13,\"end_block_num\":200}",
	        server.url);
	pid = start("good", NULL);
	WAIT_FOR(pid, given > 0);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_end(pid, 0);
	assert_int_equal(orch.calls[FAKE_RELEASE], 1);
	raw_server_stop(&server);
	buf_release(&served);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(gives_back_when_asked_to_stop),
		TEST(stops_without_an_orchestrator),
		TEST(lets_go_what_is_anothers),
		TEST(an_orchestrator_that_is_away_is_waited_for),
		TEST(a_result_that_nobody_wants),
		TEST(a_result_that_is_refused),
		TEST(a_result_that_is_refused_for_a_while),
		TEST(a_result_that_cannot_be_kept),
		TEST(killed_while_nodeos_works),
		TEST(killed_with_a_result),
		TEST(killed_while_the_snapshot_comes),
		TEST(stopped_while_the_snapshot_comes),
	};

	return scene_main(argc, argv, tests, ARRAY_LEN(tests));
}
