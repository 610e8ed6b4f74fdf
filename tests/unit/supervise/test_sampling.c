#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "control/async.h"
#include "control/server.h"
#include "data/slot.h"
#include "sample/ask.h"
#include "supervise/supervise_priv.h"

#define ID "0000000fe8be0404ae10d1bb2c9e3a74edb7f1ebf7ad7ac8fdf1a4cb4a3e1b1a"

/* --- a nodeos that answers when the test says so ---------------------------------------------- */

struct sample_asker {
	bool is_running, only_chain;
	char url[64];
	struct sample_request q;
	int64_t limit_ns;
	sample_fn *fn;
	void *arg;
};

static struct sample_asker *asker; /* the one there is, or NULL */
static unsigned questions;

struct sample_asker *sample_asker_new(struct http_prober *p UNUSED, const char *url, struct err *e)
{
	asker = calloc(1, sizeof(*asker));
	if (!asker)
		err_nomem(e);
	else
		snprintf(asker->url, sizeof(asker->url), "%s", url);
	return asker;
}

void sample_asker_free(struct sample_asker *a)
{
	if (a)
		asker = NULL;
	free(a);
}

void sample_asker_only_chain(struct sample_asker *a)
{
	a->only_chain = true;
}

bool sample_asker_is_running(const struct sample_asker *a)
{
	return a->is_running;
}

int sample_asker_start(struct sample_asker *a, const struct sample_request *q, int64_t limit_ns,
        sample_fn *fn, void *arg, struct err *e)
{
	if (a->is_running)
		return err_set(e, ERR_CONFLICT, "it is running");
	a->is_running = true;
	a->q = *q;
	a->limit_ns = limit_ns;
	a->fn = fn;
	a->arg = arg;
	questions++;
	return 0;
}

/* --- a supervisor, and its callers ------------------------------------------------------------ */

static char dir[] = "/tmp/test_sampling.XXXXXX";
static struct supervise_config cfg;
static struct supervisor s;

static struct caller {
	struct control_async *async;
	json_t *reply;
	struct err err;
	bool is_over;
} callers[SAMPLING_CALLS_MAX + 2];

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	cfg = (struct supervise_config){ .task = "task1", .service = "t_s", .node = "here" };
	memset(&s, 0, sizeof(s));
	memset(callers, 0, sizeof(callers));
	questions = 0;
	s.cfg = &cfg;
	s.lock_fd = -1;
	s.slot.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s.record.state = SLOT_RUNNING;
	s.child.io.added = true; /* nodeos runs, as far as anybody asks */
	s.health.ready.ready = true;
	snprintf(s.render.http_host, sizeof(s.render.http_host), "127.0.0.1");
	s.render.http_port = 8888;
	if (s.slot.fd < 0 || loop_init(&s.loop, &e) < 0)
		return -1;
	s.control = control_server_new(&s.loop, s.slot.fd, answer_control, &s, &e);
	return s.control ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(callers); i++) {
		control_async_free(callers[i].async);
		json_decref(callers[i].reply);
	}
	sampling_release(&s);
	control_server_free(s.control);
	loop_release(&s.loop);
	(void)close(s.slot.fd);
	return asker ? -1 : fs_remove_tree_at(AT_FDCWD, dir, &e);
}

/* Let the loop turn for so long. */
static void turn(int64_t ms)
{
	int64_t until = clock_mono_ns() + ms * NS_PER_MS;
	struct err e = ERR_INIT;

	do
		assert_int_equal(loop_once(&s.loop, 5, &e), 0);
	while (clock_mono_ns() < until);
}

/* Until nothing more happens by itself, however slow the machine is. */
static void settle(void)
{
	struct err e = ERR_INIT;

	for (int quiet = 0; quiet < 3;) {
		int64_t begin = clock_mono_ns();

		assert_int_equal(loop_once(&s.loop, 10, &e), 0);
		quiet = clock_mono_ns() - begin >= 9 * NS_PER_MS ? quiet + 1 : 0;
	}
}

static void on_answer(void *arg, json_t *reply, const struct err *why)
{
	struct caller *c = arg;

	c->async = NULL;
	c->is_over = true;
	c->reply = json_incref(reply);
	if (why)
		c->err = *why;
}

static struct caller *call(size_t i, const char *args)
{
	struct err e = ERR_INIT;
	AUTO(json) json_t *j = json_parse_object(args, strlen(args), "args", &e);
	struct caller *c = &callers[i];

	json_decref(c->reply);
	*c = (struct caller){ .is_over = false };
	c->async = control_async_new(&s.loop, s.slot.fd, "sample", j, -1, on_answer, c, &e);
	if (!j || !c->async)
		fail_msg("'%s': %s", args, e.msg);
	settle();
	return c;
}

/* nodeos answers, or with a why it does not. */
static void answer(const char *why, uint32_t head)
{
	struct sample out = SAMPLE_INIT;

	assert_true(asker && asker->is_running);
	out.real_ns = clock_real_ns();
	out.state = why ? SAMPLE_SILENT : SAMPLE_ANSWERS;
	if (why)
		snprintf(out.why, sizeof(out.why), "%s", why);
	out.info.head_block_num = head;
	memcpy(out.info.chain_id, ID, sizeof(ID));
	memcpy(out.info.head_block_id, ID, sizeof(ID));
	memcpy(out.info.last_irreversible_block_id, ID, sizeof(ID));
	asker->is_running = false;
	asker->fn(asker->arg, &out);
	sample_release(&out);
	settle();
}

static void expect_head(const struct caller *c, uint32_t head)
{
	if (!c->reply)
		fail_msg("no answer: '%s'", c->err.msg);
	assert_string_equal(json_str(c->reply, "task", ""), "task1");
	assert_string_equal(json_str(c->reply, "sample.state", ""), "answers");
	assert_int_equal(json_int(c->reply, "sample.info.head_block_num", 0), head);
}

/* --- what is told ----------------------------------------------------------------------------- */

static void what_nodeos_and_the_supervisor_know(void **state)
{
	struct caller *c;

	(void)state;
	s.record.starts = 7;
	s.health.started_ns = clock_mono_ns() - 20 * NS_PER_SEC;
	s.record.restarts = 2;
	s.health.has_peers = s.health.has_db = true;
	s.health.peers.handshaken = 3;
	s.health.peers.configured = 5;
	s.health.db.size_bytes = 1000;
	s.health.db.free_bytes = 750;
	c = call(0,
	        "{\"limit_ms\":700,\"heights\":[9,12],\"first\":3,\"last\":4,\"schedule\":true}");
	assert_true(asker && asker->is_running && asker->only_chain);
	assert_string_equal(asker->url, "http://127.0.0.1:8888");
	assert_true(asker->q.n_heights == 2 && asker->q.heights[1] == 12 && asker->q.first == 3 &&
	        asker->q.last == 4 && asker->q.wants_schedule);
	assert_in_range(asker->limit_ns, 600 * NS_PER_MS, 700 * NS_PER_MS);
	assert_false(c->is_over);
	answer(NULL, 15);
	expect_head(c, 15);
	assert_string_equal(json_str(c->reply, "sample.slot_state", ""), "running");
	assert_int_equal(json_int(c->reply, "sample.starts", 0), 7);
	assert_in_range(json_int(c->reply, "sample.run_ns", 0), 20 * NS_PER_SEC, 50 * NS_PER_SEC);
	assert_int_equal(json_int(c->reply, "sample.restarts", 0), 2);
	assert_int_equal(json_int(c->reply, "sample.peers.connected", 0), 3);
	assert_int_equal(json_int(c->reply, "sample.peers.configured", 0), 5);
	assert_true(json_number_value(json_at(c->reply, "sample.db_used_percent")) == 25.0);
	assert_int_equal(json_int(c->reply, "sample.crashes", 0), 0);
	/* Without a limit it is the usual one. */
	(void)call(1, "{}");
	assert_in_range(asker->limit_ns, 700 * NS_PER_MS, 800 * NS_PER_MS);
}

static void one_that_does_not_run(void **state)
{
	static const struct {
		enum slot_state state;
		bool is_alive;
		const char *reason, *slot_state, *why;
	} rows[] = {
		{ SLOT_HELD, false, "no genesis", "held", "no genesis" },
		{ SLOT_QUIESCED, false, "", "quiesced", "quiesced" },
		{ SLOT_BACKOFF, false, "killed by SIGSEGV; starting it again in 1s", "backoff",
		        "killed by SIGSEGV; starting it again in 1s" },
		/* It is still there, and listens no more. */
		{ SLOT_STOPPING, true, "nodeos was asked to stop", "stopping",
		        "nodeos was asked to stop" },
	};

	(void)state;
	s.health.has_peers = s.health.has_db = true; /* of the run before */
	s.health.db.size_bytes = 1000;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct caller *c;

		s.record.state = rows[i].state;
		s.child.io.added = rows[i].is_alive;
		snprintf(s.record.reason, sizeof(s.record.reason), "%s", rows[i].reason);
		c = call(0, "{\"limit_ms\":5000,\"heights\":[1]}");
		if (!c->reply || strcmp(json_str(c->reply, "sample.state", ""), "down") != 0 ||
		        strcmp(json_str(c->reply, "sample.slot_state", ""), rows[i].slot_state) !=
		                0 ||
		        strcmp(json_str(c->reply, "sample.why", ""), rows[i].why) != 0)
			fail_msg("%s: %s", rows[i].slot_state,
			        c->reply ? json_text(c->reply, false) : c->err.msg);
		assert_true(json_int(c->reply, "sample.peers.connected", -1) == -1);
		assert_false(json_number_value(json_at(c->reply, "sample.db_used_percent")) > 0);
	}
	assert_int_equal(questions, 0);
}

static void one_that_is_silent(void **state)
{
	static const struct {
		bool is_ready;
		const char *reason, *how, *why;
	} rows[] = {
		{ true, "no peer answers", "no answer within 800 ms", "no answer within 800 ms" },
		{ false, "", "connection refused", "connection refused" },
		{ false, "nodeos does not answer yet", "connection refused",
		        "nodeos does not answer yet (connection refused)" },
		{ false, "nodeos does not answer yet", "", "nodeos does not answer yet" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct caller *c = call(0, "{}");

		s.health.ready.ready = rows[i].is_ready;
		snprintf(s.health.ready.why, sizeof(s.health.ready.why), "%s", rows[i].reason);
		answer(rows[i].how, 0);
		if (!c->reply || strcmp(json_str(c->reply, "sample.state", ""), "silent") != 0 ||
		        strcmp(json_str(c->reply, "sample.why", ""), rows[i].why) != 0)
			fail_msg("row %zu: %s", i,
			        c->reply ? json_text(c->reply, false) : c->err.msg);
	}
}

static void what_cannot_be_asked(void **state)
{
	static const char *const rows[] = {
		"{\"limit_ms\":0}",
		"{\"limit_ms\":5001}",
		"{\"limit_ms\":\"800\"}",
		"{\"heights\":[0]}",
		"{\"heights\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}",
		"{\"first\":1,\"last\":65}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct caller *c = call(0, rows[i]);

		/* An agent takes ERR_USAGE for a supervisor that does not know the request. */
		if (!c->is_over || c->reply || c->err.kind != ERR_PROTOCOL)
			fail_msg("%s: taken, or '%s'", rows[i], c->err.msg);
	}
	assert_int_equal(questions, 0);
}

/* --- many callers ----------------------------------------------------------------------------- */

static void the_same_question_is_asked_once(void **state)
{
	struct caller *a = call(0, "{\"heights\":[5,7]}"), *b = call(1, "{\"heights\":[5,7]}"),
	              *other = call(2, "{\"heights\":[5,8]}"),
	              *others = call(3, "{\"heights\":[5,8]}"),
	              *plain = call(4, "{\"heights\":[5,8],\"schedule\":true}");

	(void)state;
	assert_int_equal(questions, 1);
	answer(NULL, 15);
	expect_head(a, 15);
	expect_head(b, 15);
	assert_false(other->is_over || others->is_over || plain->is_over);
	assert_int_equal(questions, 2);
	assert_int_equal(asker->q.heights[1], 8);
	answer(NULL, 16);
	expect_head(other, 16);
	expect_head(others, 16);
	assert_false(plain->is_over);
	answer(NULL, 17);
	expect_head(plain, 17);
	assert_int_equal(questions, 3);
	settle();
	assert_false(asker->is_running);
}

static void who_has_waited_long_takes_what_there_is(void **state)
{
	struct caller *first = call(0, "{\"limit_ms\":5000,\"heights\":[5]}"),
	              *late = call(1, "{\"limit_ms\":2000,\"heights\":[6]}"), *fresh;

	(void)state;
	turn(1100);
	fresh = call(2, "{\"limit_ms\":2000,\"heights\":[7]}");
	assert_false(late->is_over);
	/* What is left of it would not do for a nodeos that needs as long. */
	answer(NULL, 15);
	expect_head(first, 15);
	expect_head(late, 15);
	assert_false(fresh->is_over);
	assert_int_equal(asker->q.heights[0], 7);
	answer(NULL, 16);
	expect_head(fresh, 16);
	assert_int_equal(questions, 2);
}

static void nobody_waits_beyond_his_limit(void **state)
{
	struct caller *first = call(0, "{\"limit_ms\":5000}"),
	              *short_one = call(1, "{\"limit_ms\":500}");

	(void)state;
	turn(200);
	assert_false(short_one->is_over);
	turn(500);
	assert_true(short_one->is_over && !short_one->reply);
	assert_int_equal(short_one->err.kind, ERR_TIMEOUT);
	assert_false(first->is_over);
	answer(NULL, 15);
	expect_head(first, 15);
	assert_int_equal(questions, 1);
}

static void who_shares_keeps_his_limit(void **state)
{
	struct caller *first = call(0, "{\"limit_ms\":5000,\"heights\":[5]}"),
	              *patient = call(1, "{\"limit_ms\":5000}"),
	              *short_one = call(2, "{\"limit_ms\":600}");

	(void)state;
	answer(NULL, 15);
	expect_head(first, 15);
	turn(700);
	assert_int_equal(short_one->err.kind, ERR_TIMEOUT);
	assert_false(patient->is_over);
	answer(NULL, 16);
	expect_head(patient, 16);
	assert_int_equal(questions, 2);
}

static void so_many_and_no_more(void **state)
{
	char args[64];

	(void)state;
	for (size_t i = 0; i < SAMPLING_CALLS_MAX; i++) {
		snprintf(args, sizeof(args), "{\"limit_ms\":5000,\"heights\":[%zu]}", i + 1);
		(void)call(i, args);
	}
	(void)call(SAMPLING_CALLS_MAX, "{}");
	assert_int_equal(callers[SAMPLING_CALLS_MAX].err.kind, ERR_CONFLICT);
	/* One that has gone does not count, nor is nodeos asked for it. */
	control_async_free(TAKE(callers[1].async));
	settle();
	(void)call(SAMPLING_CALLS_MAX, "{\"limit_ms\":5000}");
	assert_false(callers[SAMPLING_CALLS_MAX].is_over);
	/* The first of them, too: what it asked goes on, for nobody. */
	control_async_free(TAKE(callers[0].async));
	settle();
	(void)call(SAMPLING_CALLS_MAX + 1, "{\"limit_ms\":5000,\"heights\":[1]}");
	assert_false(callers[SAMPLING_CALLS_MAX + 1].is_over);
	for (unsigned i = 0; i < SAMPLING_CALLS_MAX + 1; i++)
		answer(NULL, i + 1);
	for (size_t i = 2; i < ARRAY_LEN(callers); i++)
		assert_non_null(callers[i].reply);
	expect_head(&callers[2], 2);
	expect_head(&callers[SAMPLING_CALLS_MAX + 1], SAMPLING_CALLS_MAX + 1);
	assert_int_equal(questions, SAMPLING_CALLS_MAX + 1);
}

static void nodeos_is_not_asked_for_the_gone(void **state)
{
	struct caller *first = call(0, "{\"heights\":[5]}");

	(void)state;
	(void)call(1, "{\"heights\":[6]}");
	control_async_free(TAKE(callers[1].async));
	settle();
	answer(NULL, 15);
	expect_head(first, 15);
	assert_int_equal(questions, 1);
}

static void nodeos_ends_meanwhile(void **state)
{
	struct caller *a = call(0, "{}"), *b = call(1, "{\"heights\":[3]}");

	(void)state;
	s.child.io.added = false;
	s.record.state = SLOT_BACKOFF;
	snprintf(s.record.reason, sizeof(s.record.reason), "killed by SIGSEGV");
	sampling_nodeos_ended(&s);
	settle();
	assert_null(asker);
	assert_string_equal(json_str(a->reply, "sample.state", ""), "down");
	assert_string_equal(json_str(b->reply, "sample.why", ""), "killed by SIGSEGV");
	/* The next one may listen elsewhere. */
	s.child.io.added = true;
	s.record.state = SLOT_RUNNING;
	s.render.http_port = 8889;
	(void)call(0, "{}");
	assert_string_equal(asker->url, "http://127.0.0.1:8889");
	assert_int_equal(questions, 2);
}

/* --- crashes ---------------------------------------------------------------------------------- */

static void add_end(int64_t age_seconds, bool asked, const char *why)
{
	struct record_end end = { .at_ns = clock_real_ns() - age_seconds * NS_PER_SEC,
		.asked = asked };

	snprintf(end.why, sizeof(end.why), "%s", why);
	record_add_end(&s.record, &end);
}

static void crashes_are_counted(void **state)
{
	char last[SAMPLING_CRASH_SIZE];
	int64_t now = clock_real_ns();

	(void)state;
	assert_int_equal(sampling_crashes(&s.record, now, last), 0);
	assert_string_equal(last, "");
	add_end(601, false, "long ago");
	add_end(60, true, "stopped as asked");
	assert_int_equal(sampling_crashes(&s.record, now, last), 0);
	add_end(599, false, "just within");
	assert_int_equal(sampling_crashes(&s.record, now, last), 1);
	assert_string_equal(last, "just within");
	/* Of any task of the slot. */
	snprintf(s.record.ends[0].task, sizeof(s.record.ends[0].task), "former");
	add_end(-30, false, "before the clock was set back");
	add_end(5, true, "stopped as asked");
	assert_int_equal(sampling_crashes(&s.record, now, last), 2);
	assert_string_equal(last, "before the clock was set back");
	/* A character that does not fit is not cut in two. */
	memset(s.record.ends[1].why, 'x', 238);
	memcpy(s.record.ends[1].why + 238, "\xc3\xa4", 3);
	(void)sampling_crashes(&s.record, now, last);
	assert_string_equal(last + 236, "xx?");
}

static void expect_tail(const json_t *reply, const char *want)
{
	const json_t *tail = json_at(reply, "sample.tail");
	char text[4096] = "";
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(tail); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s|",
		        json_string_value(json_array_get(tail, i)));
	assert_string_equal(text, want);
}

static void last_words(void **state)
{
	static const char key[] = "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3";
	AUTO(free)
	char *lines = str_fmt(
	        "1\n2\n\n3\x1b\n%0*d %s\nkey %s\n\n5\n6", SAMPLE_TAIL_LENGTH - 30, 0, key, key);
	struct caller *c;

	(void)state;
	add_end(1, false, "killed by SIGSEGV");
	sampling_note_crash(&s, lines);
	c = call(0, "{}");
	answer(NULL, 15);
	assert_int_equal(json_int(c->reply, "sample.crashes", 0), 1);
	assert_string_equal(json_str(c->reply, "sample.last_crash", ""), "killed by SIGSEGV");
	assert_int_equal(json_array_size(json_at(c->reply, "sample.tail")), SAMPLE_TAIL_MAX);
	assert_string_equal(
	        json_string_value(json_array_get(json_at(c->reply, "sample.tail"), 0)), "3?");
	assert_int_equal(json_string_length(json_array_get(json_at(c->reply, "sample.tail"), 1)),
	        SAMPLE_TAIL_LENGTH - 1);
	assert_null(strstr(
	        json_string_value(json_array_get(json_at(c->reply, "sample.tail"), 1)), "5KQ"));
	assert_string_equal(json_string_value(json_array_get(json_at(c->reply, "sample.tail"), 2)),
	        "key ***************************************************");
	assert_string_equal(
	        json_string_value(json_array_get(json_at(c->reply, "sample.tail"), 4)), "6");
	/* The newest crash has said nothing: no other's words. */
	sampling_note_crash(&s, NULL);
	c = call(0, "{}");
	answer(NULL, 15);
	expect_tail(c->reply, "");
	sampling_note_crash(&s, "\n\na\n");
	c = call(0, "{}");
	answer(NULL, 15);
	expect_tail(c->reply, "a|");
	/* Nothing has crashed lately: it is of no interest any more. */
	s.record.ends[0].at_ns -= 700 * NS_PER_SEC;
	c = call(0, "{}");
	answer(NULL, 15);
	expect_tail(c->reply, "");
}

static void last_words_of_a_former_task(void **state)
{
	static const char log[] = "one\ntwo\nthree\n";
	struct err e = ERR_INIT;
	struct caller *c;

	(void)state;
	assert_int_equal(fs_write_at(s.slot.fd, SLOT_LOG, log, strlen(log), 0600, &e), 0);
	sampling_adopt(&s);
	assert_int_equal(s.sampling.last_words.n, 0);
	add_end(9, false, "killed by SIGSEGV");
	add_end(5, true, "stopped as asked");
	/* These are the words of the run that was stopped. */
	sampling_adopt(&s);
	assert_int_equal(s.sampling.last_words.n, 0);
	add_end(1, false, "its supervisor was killed");
	sampling_adopt(&s);
	c = call(0, "{}");
	answer(NULL, 15);
	assert_int_equal(json_int(c->reply, "sample.crashes", 0), 2);
	expect_tail(c->reply, "one|two|three|");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_nodeos_and_the_supervisor_know),
		CASE(one_that_does_not_run),
		CASE(one_that_is_silent),
		CASE(what_cannot_be_asked),
		CASE(the_same_question_is_asked_once),
		CASE(who_has_waited_long_takes_what_there_is),
		CASE(nobody_waits_beyond_his_limit),
		CASE(who_shares_keeps_his_limit),
		CASE(so_many_and_no_more),
		CASE(nodeos_is_not_asked_for_the_gone),
		CASE(nodeos_ends_meanwhile),
		CASE(crashes_are_counted),
		CASE(last_words),
		CASE(last_words_of_a_former_task),
	};

	return cmocka_run_group_tests_name("supervise/sampling", tests, NULL, NULL);
}
