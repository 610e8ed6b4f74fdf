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

/* --- image load ------------------------------------------------------------------------------- */

static int archive(size_t n)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	for (size_t i = 0; i < n; i++) {
		char c = (char)(i * 7);

		if (write(fd, &c, 1) != 1)
			return -1;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void an_image_is_loaded(void **state)
{
	AUTO(close_fd) int fd = archive(100000);
	struct strvec loaded = STRVEC_INIT;
	const struct fake_request *q;

	(void)state;
	fake_engine_reply(fake, "POST", "/images/load", 200,
	        "{\"status\":\"Loading\"}\r\n{\"stream\":\"Loaded image: bb:1\\n\"}\r\n"
	        "{\"stream\":\"Loaded image ID: sha256:00ff\\n\"}\r\n");
	assert_int_equal(engine_image_load(eng, fd, &loaded, &e), 0);
	assert_int_equal(loaded.n, 2);
	assert_string_equal(loaded.v[0], "bb:1");
	assert_string_equal(loaded.v[1], "sha256:00ff");
	strvec_release(&loaded);
	q = fake_engine_last(fake);
	assert_string_equal(q->query, "quiet=1");
	assert_string_equal(q->content_type, "application/x-tar");
	assert_int_equal(q->len, 100000);
	for (size_t i = 0; i < q->len; i++)
		assert_int_equal(q->body[i], (char)(i * 7));
}

static void an_image_is_refused(void **state)
{
	static const struct {
		const char *name;
		int status;
		const char *reply;
		enum err_kind kind;
		const char *message;
	} rows[] = {
		{ "within the stream", 200,
		        "{\"errorDetail\":{\"message\":\"bad tar\"},\"error\":\"bad tar\"}\n",
		        ERR_USAGE, "load image: bad tar" },
		{ "by status", 500, "{\"message\":\"no space left on device\"}", ERR_SYSTEM,
		        "load image: no space left on device" },
		{ "with nonsense", 200, "}\n", ERR_PROTOCOL, "load image: stream: line 1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(close_fd) int fd = archive(10);

		fake_engine_clear(fake);
		fake_engine_reply(fake, "POST", "/images/load", rows[i].status, rows[i].reply);
		if (engine_image_load(eng, fd, NULL, &e) != -1 || e.kind != rows[i].kind ||
		        !str_starts(e.msg, rows[i].message, NULL))
			fail_msg("%s: %s '%s'", rows[i].name, err_kind_name(e.kind), e.msg);
		err_clear(&e);
	}
}

static void an_archive_that_cannot_be_read(void **state)
{
	AUTO(close_fd) int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	fake_engine_reply(fake, "POST", "/images/load", 200, "");
	assert_int_equal(engine_image_load(eng, fd, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_SYSTEM);
	assert_string_equal(e.msg, "load image: read the archive: Is a directory");
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
		WITH_FAKE(an_image_is_loaded),
		WITH_FAKE(an_image_is_refused),
		WITH_FAKE(an_archive_that_cannot_be_read),
	};

	return cmocka_run_group_tests_name("engine/stream", tests, NULL, NULL);
}
