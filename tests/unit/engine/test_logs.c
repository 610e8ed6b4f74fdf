#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "engine/frame.h"
#include "engine/log_lines.h"
#include "engine/logs.h"
#include "fake/engine.h"

static struct err e;
static struct fake_engine *fake;
static struct engine *eng;
static struct buf seen = { .max = 1U << 20 };

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	buf_clear(&seen);
	fake = fake_engine_start();
	eng = engine_new(fake_engine_host(fake), &e);
	return eng ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	engine_free(eng);
	fake_engine_stop(fake);
	buf_release(&seen);
	return 0;
}

/* --- frames ----------------------------------------------------------------------------------- */

static void add_frame(struct buf *b, int stream, const char *text)
{
	size_t n = strlen(text);
	const unsigned char header[8] = { (unsigned char)stream, 0, 0, 0, (unsigned char)(n >> 24),
		(unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n };

	assert_int_equal(buf_add(b, header, sizeof(header)), 0);
	assert_int_equal(buf_add(b, text, n), 0);
}

static int note_frame(void *arg, int stream, char *payload, size_t n)
{
	const char *stop_at = arg;

	assert_int_equal(payload[n], '\0');
	assert_int_equal(buf_add_fmt(&seen, "%d:%s|", stream, payload), 0);
	return stop_at && strcmp(payload, stop_at) == 0;
}

static void frames_come_in_any_pieces(void **state)
{
	struct buf b = BUF_INIT(1000);

	(void)state;
	add_frame(&b, 1, "one\n");
	add_frame(&b, 2, "");
	add_frame(&b, 0, "in");
	add_frame(&b, 3, "system");
	add_frame(&b, 2, "");
	for (size_t piece = 1; piece <= b.len; piece++) {
		struct frame_decoder d = FRAME_DECODER_INIT(note_frame, NULL);

		buf_clear(&seen);
		for (size_t i = 0; i < b.len; i += piece)
			assert_int_equal(frame_feed(&d, b.data + i,
			                         b.len - i < piece ? b.len - i : piece, &e),
			        0);
		if (strcmp(seen.data, "1:one\n|2:|0:in|3:system|2:|") != 0)
			fail_msg("pieces of %zu: %s", piece, seen.data);
		assert_int_equal(frame_end(&d, &e), 0);
		frame_decoder_release(&d);
	}
	buf_release(&b);
	buf_release(&seen);
}

static void frames_that_are_none(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t n;
		int rc, end;
		const char *wants;
	} rows[] = {
		{ "text", "hello world", 11, -1, 0, "stream: not a frame (68 65 6c 6c)" },
		{ "stream 4", "\4\0\0\0\0\0\0\1x", 9, -1, 0, "stream: not a frame (04 00 00 00)" },
		{ "no zeros", "\1\0\1\0\0\0\0\1x", 9, -1, 0, "stream: not a frame (01 00 01 00)" },
		{ "more than 1 MiB", "\1\0\0\0\0\x10\0\1", 8, -1, 0,
		        "stream: a frame of 1048577 bytes, more than 1048576" },
		{ "4 GiB", "\1\0\0\0\xff\xff\xff\xff", 8, -1, 0,
		        "stream: a frame of 4294967295 bytes" },
		{ "exactly 1 MiB begun", "\1\0\0\0\0\x10\0\0", 8, 0, -1,
		        "stream: it ended in the middle of a frame" },
		{ "half a header", "\1\0\0", 3, 0, -1, "stream: it ended in the middle" },
		{ "half a payload", "\1\0\0\0\0\0\0\2x", 9, 0, -1, "stream: it ended in" },
		{ "nothing", "", 0, 0, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct frame_decoder d = FRAME_DECODER_INIT(note_frame, NULL);
		int rc = frame_feed(&d, rows[i].bytes, rows[i].n, &e);
		int end = rc == 0 ? frame_end(&d, &e) : 0;

		if (rc != rows[i].rc || end != rows[i].end ||
		        !str_starts(e.msg, rows[i].wants, NULL))
			fail_msg("%s: %d %d '%s'", rows[i].name, rc, end, e.msg);
		err_clear(&e);
		frame_decoder_release(&d);
	}
	buf_release(&seen);
}

static void frames_stop_when_told(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct frame_decoder d = FRAME_DECODER_INIT(note_frame, (char[]){ "b" });

	(void)state;
	add_frame(&b, 1, "a");
	add_frame(&b, 1, "b");
	add_frame(&b, 1, "c");
	assert_int_equal(frame_feed(&d, b.data, b.len, &e), 1);
	assert_string_equal(seen.data, "1:a|1:b|");
	frame_decoder_release(&d);
	buf_release(&b);
	buf_release(&seen);
}

/* --- lines ------------------------------------------------------------------------------------ */

static int note_line(void *arg, const struct engine_log_line *l)
{
	int *stop_after = arg;

	assert_int_equal(l->text[l->len], '\0');
	if (l->len > 100)
		assert_int_equal(
		        buf_add_fmt(&seen, "%d %s %c*%zu", l->stream, l->task_id, *l->text, l->len),
		        0);
	else
		assert_int_equal(buf_add_fmt(&seen, "%d %s %s", l->stream, l->task_id, l->text), 0);
	if (l->time_ns)
		assert_int_equal(buf_add_fmt(&seen, " @%lld", (long long)l->time_ns), 0);
	if (*l->node_id)
		assert_int_equal(buf_add_fmt(&seen, " on %s", l->node_id), 0);
	if (*l->service_id)
		assert_int_equal(buf_add_fmt(&seen, " of %s", l->service_id), 0);
	if (*l->details)
		assert_int_equal(buf_add_fmt(&seen, " (%s)", l->details), 0);
	assert_int_equal(buf_add_str(&seen, l->is_cut ? "...|" : "|"), 0);
	return stop_after && --*stop_after == 0;
}

static int feed(struct log_lines *l, int stream, const char *text)
{
	char *copy = strdup(text);
	int rc = log_lines_message(l, (enum engine_log_stream)stream, copy, strlen(copy), &e);

	free(copy);
	return rc;
}

#define D(task) "com.docker.swarm.node.id=n1,com.docker.swarm.task.id=" task " "

static void messages_become_lines(void **state)
{
	static const struct {
		const char *name;
		bool timestamps, details;
		struct {
			int stream;
			const char *text;
		} in[6];
		const char *wants;
	} rows[] = {
		{ "one line", false, false, { { 1, D("a") "hello\n" } }, "1 a hello on n1|" },
		{ "an empty line", false, false, { { 1, D("a") "\n" } }, "1 a  on n1|" },
		{ "blanks stay", false, false, { { 1, D("a") "  x \t\n" } }, "1 a   x \t on n1|" },
		{ "several in one", false, false, { { 2, D("a") "x\ny\n" } },
		        "2 a x on n1|2 a y on n1|" },
		{ "one in several", false, false,
		        { { 1, D("a") "x" }, { 1, D("a") "y" }, { 1, D("a") "z\n" } },
		        "1 a xyz on n1|" },
		{ "pieces of two tasks and streams", false, false,
		        { { 1, D("a") "x" }, { 1, D("b") "1" }, { 2, D("a") "e\n" },
		                { 1, D("a") "y\n" }, { 1, D("b") "2\n" } },
		        "2 a e on n1|1 a xy on n1|1 b 12 on n1|" },
		{ "no end", false, false, { { 1, D("a") "x" } }, "1 a x on n1|" },
		{ "a service", false, false,
		        { { 1,
		                "a=b,com.docker.swarm.service.id=s,com.docker.swarm.task.id=t,z=1 "
		                "x\n" } },
		        "1 t x of s|" },
		{ "details", false, true, { { 1, "a=b%20c,com.docker.swarm.task.id=t x\n" } },
		        "1 t x (a=b%20c,com.docker.swarm.task.id=t)|" },
		{ "timestamps", true, false,
		        { { 1, "2026-11-21T02:38:32.879978612Z " D("a") "x y\n" } },
		        "1 a x y @1795228712879978612 on n1|" },
		{ "the first piece's time", true, false,
		        { { 1, "2026-11-21T02:38:32.879978612Z " D("a") "x" },
		                { 1, "2026-11-21T02:38:33.000000000Z " D("a") "y\n" } },
		        "1 a xy @1795228712879978612 on n1|" },
		{ "a time that is none", true, false, { { 1, "soon " D("a") "x\n" } },
		        "1 a x on n1|" },
		{ "no details", false, false, { { 1, " x y\n" } }, "1  x y|" },
		{ "no blank", false, false, { { 1, "x\n" } }, "1  x|" },
		{ "an id that is none", false, false,
		        { { 1, "com.docker.swarm.task.id=../a x\n" } }, "1  x|" },
		{ "a long id", false, false,
		        { { 1,
		                "com.docker.swarm.task.id="
		                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		                "aaaa"
		                "aaaaaaaaaaaaaaaaaaaaaaaaaaaa x\n" } },
		        "1  x|" },
		{ "a key that only begins so", false, false,
		        { { 1,
		                "com.docker.swarm.task.identity=a,com.docker.swarm.task.id=b "
		                "x\n" } },
		        "1 b x|" },
		{ "the engine's own", true, true, { { 3, "Error grabbing logs: a b\n" } },
		        "3  Error grabbing logs: a b|" },
		{ "empty", false, false, { { 1, "" } }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct log_lines *l = calloc(1, sizeof(*l));

		assert_non_null(l);
		buf_release(&seen);
		l->fn = note_line;
		l->timestamps = rows[i].timestamps;
		l->details = rows[i].details;
		for (size_t k = 0; k < ARRAY_LEN(rows[i].in) && rows[i].in[k].text; k++)
			assert_int_equal(feed(l, rows[i].in[k].stream, rows[i].in[k].text), 0);
		log_lines_end(l);
		if (!str_eq(seen.data, rows[i].wants))
			fail_msg("%s: %s", rows[i].name, seen.data);
		log_lines_release(l);
		free(l);
	}
	buf_release(&seen);
}

static void long_lines_come_in_pieces(void **state)
{
	struct log_lines *l = calloc(1, sizeof(*l));
	size_t head = strlen(D("a"));
	char *text = malloc(head + 150000 + 2);

	(void)state;
	assert_non_null(l);
	assert_non_null(text);
	l->fn = note_line;
	memcpy(text, D("a"), head);
	memset(text + head, 'x', 150000);
	memcpy(text + head + 150000, "\n", 2);
	assert_int_equal(feed(l, 1, text), 0);
	assert_string_equal(
	        seen.data, "1 a x*65536 on n1...|1 a x*65536 on n1...|1 a x*18928 on n1|");
	/* One that just fits is whole. */
	buf_clear(&seen);
	memcpy(text + head + 65536, "\n", 2);
	assert_int_equal(feed(l, 1, text), 0);
	assert_string_equal(seen.data, "1 a x*65536 on n1|");
	log_lines_release(l);
	free(l);
	free(text);
	buf_release(&seen);
}

static void the_oldest_makes_room(void **state)
{
	struct log_lines *l = calloc(1, sizeof(*l));
	char text[128];

	(void)state;
	assert_non_null(l);
	l->fn = note_line;
	for (int i = 0; i < LOG_WAITING_MAX + 1; i++) {
		snprintf(text, sizeof(text), "com.docker.swarm.task.id=t%d x", i);
		assert_int_equal(feed(l, 1, text), 0);
	}
	assert_string_equal(seen.data, "1 t0 x...|");
	assert_int_equal(feed(l, 1, "com.docker.swarm.task.id=t1 y\n"), 0);
	assert_string_equal(seen.data, "1 t0 x...|1 t1 xy|");
	log_lines_release(l);
	free(l);
	buf_release(&seen);
}

/* --- the calls -------------------------------------------------------------------------------- */

#define SERVICE(tty)                                                                        \
	"{\"ID\":\"s1\",\"Spec\":{\"Name\":\"s_web\",\"TaskTemplate\":{\"ContainerSpec\":{" \
	"\"TTY\":" #tty "}}}}"

static void reply_frames(const char *path, const struct buf *b, enum fake_end end)
{
	struct buf whole = BUF_INIT(100000);

	assert_int_equal(buf_add_str(&whole, "HTTP/1.1 200 OK\r\n\r\n"), 0);
	assert_int_equal(buf_add(&whole, b->data, b->len), 0);
	fake_engine_raw(fake, "GET", path, whole.data, whole.len, 5, end);
	buf_release(&whole);
}

static void logs_of_a_service(void **state)
{
	struct buf b = BUF_INIT(10000);
	int stop_after = 3;

	(void)state;
	add_frame(&b, 1, D("a") "one\n");
	add_frame(&b, 2, D("a") "two\n");
	add_frame(&b, 3, "node away\n");
	fake_engine_reply(fake, "GET", "/services/s_web", 200, SERVICE(false));
	reply_frames("/services/s1/logs", &b, FAKE_CLOSE);
	assert_int_equal(
	        engine_service_logs(eng, "s_web", &(struct engine_logs){ .fn = note_line }, &e), 0);
	assert_string_equal(seen.data, "1 a one on n1|2 a two on n1|3  node away|");
	assert_string_equal(
	        fake_engine_last(fake)->query, "details=1&stdout=1&stderr=1&follow=0&timestamps=0");

	/* Followed: the stream stays open, and ends when the caller has enough. */
	buf_clear(&seen);
	fake_engine_clear(fake);
	fake_engine_reply(fake, "GET", "/services/s_web", 200, SERVICE(false));
	reply_frames("/services/s1/logs", &b, FAKE_HANG);
	assert_int_equal(engine_service_logs(eng, "s_web",
	                         &(struct engine_logs){ .fn = note_line,
	                                 .arg = &stop_after,
	                                 .follow = true,
	                                 .no_stderr = true,
	                                 .tail = 7,
	                                 .since_ns = 1795228712000000005LL },
	                         &e),
	        0);
	assert_string_equal(fake_engine_last(fake)->query,
	        "details=1&stdout=1&stderr=0&follow=1&timestamps=0&tail=7&since=1795228712."
	        "000000005");
	assert_string_equal(seen.data, "1 a one on n1|2 a two on n1|3  node away|");
	buf_release(&b);
}

static void logs_of_a_terminal(void **state)
{
	struct buf b = BUF_INIT(1000);

	(void)state;
	assert_int_equal(
	        buf_add_str(&b, D("a") "one\r\n" D("a") "two\r\n" D("a") "\r\n" D("a") "end"), 0);
	fake_engine_reply(fake, "GET", "/services/s_web", 200, SERVICE(true));
	reply_frames("/services/s1/logs", &b, FAKE_CLOSE);
	assert_int_equal(
	        engine_service_logs(eng, "s_web", &(struct engine_logs){ .fn = note_line }, &e), 0);
	assert_string_equal(seen.data, "1 a one on n1|1 a two on n1|1 a  on n1|1 a end on n1|");
	buf_release(&b);
}

/* What came before the trouble is given out first. */
static void logs_that_break(void **state)
{
	static const char no_frame[] = "hello world", half[] = "\1\0\0\0\0\0\0\5x";
	struct buf b = BUF_INIT(1000);

	(void)state;
	add_frame(&b, 1, D("a") "begun");
	assert_int_equal(buf_add(&b, no_frame, sizeof(no_frame) - 1), 0);
	fake_engine_reply(fake, "GET", "/services/s_web", 200, SERVICE(false));
	reply_frames("/services/s1/logs", &b, FAKE_CLOSE);
	assert_int_equal(
	        engine_service_logs(eng, "s_web", &(struct engine_logs){ .fn = note_line }, &e),
	        -1);
	assert_string_equal(
	        e.msg, "read logs of service 's_web': stream: not a frame (68 65 6c 6c)");
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_string_equal(seen.data, "1 a begun on n1|");
	err_clear(&e);

	fake_engine_clear(fake);
	buf_clear(&seen);
	buf_clear(&b);
	add_frame(&b, 1, D("a") "begun");
	assert_int_equal(buf_add(&b, half, sizeof(half) - 1), 0);
	fake_engine_reply(fake, "GET", "/services/s_web", 200, SERVICE(false));
	reply_frames("/services/s1/logs", &b, FAKE_CLOSE);
	assert_int_equal(
	        engine_service_logs(eng, "s_web", &(struct engine_logs){ .fn = note_line }, &e),
	        -1);
	assert_string_equal(seen.data, "1 a begun on n1|");
	assert_non_null(strstr(e.msg, "it ended in the middle of a frame"));
	buf_release(&b);
}

/* What a real engine (20.10.24) sent, with timestamps. */
static void recorded_logs(void **state)
{
	static char bytes[4096];
	FILE *f = fopen("tests/data/engine/logs.bin", "rbe");
	struct buf b = BUF_INIT(sizeof(bytes));

	(void)state;
	assert_non_null(f);
	assert_int_equal(buf_add(&b, bytes, fread(bytes, 1, sizeof(bytes), f)), 0);
	fclose(f);
	fake_engine_reply(fake, "GET", "/services/s_web", 200, SERVICE(false));
	reply_frames("/services/s1/logs", &b, FAKE_CLOSE);
	assert_int_equal(engine_service_logs(eng, "s_web",
	                         &(struct engine_logs){ .fn = note_line, .timestamps = true }, &e),
	        0);
	assert_true(str_starts(seen.data,
	        "2 ltuea6sett2ll7okqj9r2kq4m warn @1795228716412451634 on "
	        "xoe4fij3v05lwpqb1k2oftimx of y03x6l67ob6mw0quic4rgngup|"
	        "1 ltuea6sett2ll7okqj9r2kq4m hello @1795228716412482892 on ",
	        NULL));
	buf_release(&b);
}

/* Seen of a real one: it takes the question and is silent for ever. */
static void logs_that_do_not_come(void **state)
{
	static const char begun[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

	(void)state;
	fake_engine_reply(fake, "GET", "/services/s_web", 200, SERVICE(false));
	fake_engine_raw(fake, "GET", "/services/s1/logs", begun, sizeof(begun) - 1, 0, FAKE_HANG);
	assert_int_equal(
	        engine_service_logs(eng, "s_web",
	                &(struct engine_logs){ .fn = note_line, .idle_ns = NS_PER_SEC }, &e),
	        -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
}

int main(void)
{
#define WITH_FAKE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_in_any_pieces),
		cmocka_unit_test(frames_that_are_none),
		cmocka_unit_test(frames_stop_when_told),
		cmocka_unit_test(messages_become_lines),
		cmocka_unit_test(long_lines_come_in_pieces),
		cmocka_unit_test(the_oldest_makes_room),
		WITH_FAKE(logs_of_a_service),
		WITH_FAKE(logs_of_a_terminal),
		WITH_FAKE(logs_that_break),
		WITH_FAKE(recorded_logs),
		WITH_FAKE(logs_that_do_not_come),
	};

	return cmocka_run_group_tests_name("engine/logs", tests, NULL, NULL);
}
