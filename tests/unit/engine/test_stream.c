#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/events.h"
#include "engine/image.h"
#include "engine/lines.h"
#include "fake/engine.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"

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
	return 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

struct seen {
	char text[256];
	size_t n, stop_after;
};

static int note(void *arg, const json_t *value)
{
	struct seen *s = arg;
	char *text = json_text(value, false);

	snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s|", text);
	free(text);
	return ++s->n == s->stop_after;
}

static void lines_come_in_any_pieces(void **state)
{
	static const char text[] = "{\"a\":1}\r\n\n  \n\r\n[2]\n3\n\"unfinished";

	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		struct seen s = { .n = 0 };
		struct json_lines l = JSON_LINES_INIT(64, note, &s);

		for (size_t i = 0; i < sizeof(text) - 1; i += piece) {
			size_t n = sizeof(text) - 1 - i;

			assert_int_equal(
			        json_lines_feed(&l, text + i, n < piece ? n : piece, &e), 0);
		}
		assert_string_equal(s.text, "{\"a\":1}|[2]|3|");
		json_lines_release(&l);
	}
}

static void lines_have_limits(void **state)
{
	static const struct {
		const char *name, *text, *wants;
		int rc;
	} rows[] = {
		{ "just fits", "\"23456789012345\"\n1\n", "", 0 },
		{ "too long", "\"234567890123456\"\n", "stream: a line of more than 16 bytes", -1 },
		{ "too long without an end", "                    ",
		        "stream: a line of more than 16 bytes", -1 },
		{ "no JSON", "1\nhello\n", "stream: line 1, column 5", -1 },
		{ "two values", "1 2\n", "stream: line 1, column 3", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen s = { .n = 0 };
		struct json_lines l = JSON_LINES_INIT(16, note, &s);
		int rc = json_lines_feed(&l, rows[i].text, strlen(rows[i].text), &e);

		if (rc != rows[i].rc ||
		        (rc < 0 &&
		                (e.kind != ERR_PROTOCOL ||
		                        !str_starts(e.msg, rows[i].wants, NULL))))
			fail_msg("%s: rc %d '%s'", rows[i].name, rc, e.msg);
		err_clear(&e);
		json_lines_release(&l);
	}
}

/* --- events ----------------------------------------------------------------------------------- */

static void events_until_enough(void **state)
{
	static const char text[] =
	        OK_HEAD "{\"Type\":\"service\"}\n{\"Type\":\"node\"}\n{\"Type\":\"late\"}\n";
	struct seen s = { .stop_after = 2 };

	(void)state;
	fake_engine_raw(fake, "GET", "/events", text, strlen(text), 7, FAKE_HANG);
	assert_int_equal(
	        engine_events(eng,
	                &(struct engine_events){ .filters = ENGINE_FILTERS({ "type", "service" }),
	                        .since_ns = 1795228712879978612LL,
	                        .fn = note,
	                        .arg = &s },
	                &e),
	        0);
	assert_string_equal(s.text, "{\"Type\":\"service\"}|{\"Type\":\"node\"}|");
	assert_string_equal(fake_engine_last(fake)->query,
	        "since=1795228712.879978612&filters={\"type\":[\"service\"]}");
}

static int events_for(int64_t ns, struct seen *s)
{
	return engine_events(eng,
	        &(struct engine_events){
	                .deadline_ns = ns ? clock_mono_ns() + ns : 0, .fn = note, .arg = s },
	        &e);
}

static void events_until_the_deadline(void **state)
{
	static const char text[] = OK_HEAD "{\"a\":1}\n";
	struct seen s = { .n = 0 };
	int64_t start = clock_mono_ns();

	(void)state;
	fake_engine_raw(fake, "GET", "/events", text, strlen(text), 0, FAKE_HANG);
	assert_int_equal(events_for(200 * NS_PER_MS, &s), 1);
	assert_string_equal(s.text, "{\"a\":1}|");
	assert_int_equal(e.kind, ERR_NONE);
	assert_true(clock_mono_ns() - start >= 190 * NS_PER_MS);
	assert_true(clock_mono_ns() - start < 5 * NS_PER_SEC);
	/* One that has passed already asks nothing. */
	assert_int_equal(events_for(-1, &s), 1);
	assert_int_equal(fake_engine_count(fake), 1);
}

static void events_that_break(void **state)
{
	static const struct {
		const char *name, *text;
		enum err_kind kind;
		const char *message;
	} rows[] = {
		{ "ended", OK_HEAD "{\"a\":1}\n", ERR_UNAVAILABLE,
		        "watch events: the engine ended the stream" },
		{ "not JSON", OK_HEAD "{\"a\":1}\nxyz\n", ERR_PROTOCOL,
		        "watch events: stream: line 1, column 3: invalid token near 'xyz'" },
		{ "refused", "HTTP/1.1 400 X\r\nContent-Length: 17\r\n\r\n{\"message\":\"bad\"}",
		        ERR_USAGE, "watch events: bad" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen s = { .n = 0 };

		fake_engine_clear(fake);
		fake_engine_raw(
		        fake, "GET", "/events", rows[i].text, strlen(rows[i].text), 0, FAKE_CLOSE);
		if (events_for(0, &s) != -1 || e.kind != rows[i].kind ||
		        strcmp(e.msg, rows[i].message) != 0)
			fail_msg("%s: %s '%s'", rows[i].name, err_kind_name(e.kind), e.msg);
		err_clear(&e);
	}
}

static void an_event_has_a_limit(void **state)
{
	size_t head = strlen(OK_HEAD), n = head + ENGINE_EVENT_MAX + 2;
	struct seen s = { .n = 0 };
	char *text = malloc(n);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', n);
	memcpy(text, OK_HEAD, head);
	fake_engine_raw(fake, "GET", "/events", text, n, 0, FAKE_HANG);
	free(text);
	assert_int_equal(events_for(0, &s), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
}

int main(void)
{
#define WITH_FAKE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_in_any_pieces),
		cmocka_unit_test(lines_have_limits),
		WITH_FAKE(events_until_enough),
		WITH_FAKE(events_until_the_deadline),
		WITH_FAKE(events_that_break),
		WITH_FAKE(an_event_has_a_limit),
	};

	return cmocka_run_group_tests_name("engine/stream", tests, NULL, NULL);
}
