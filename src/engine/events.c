#include "engine/events.h"

#include "base/clock.h"
#include "base/str.h"
#include "engine/engine_priv.h"
#include "engine/lines.h"

struct stream {
	struct json_lines lines;
	struct err *e; /* set when rc is below 0 */
	int rc;        /* 1: fn ended it */
};

static int on_data(void *arg, const void *data, size_t n)
{
	struct stream *s = arg;

	s->rc = json_lines_feed(&s->lines, data, n, s->e);
	return s->rc != 0;
}

/* The whole life of the stream, never 0 (which would be the default limit). */
static int64_t time_left(int64_t deadline_ns)
{
	int64_t left = deadline_ns - clock_mono_ns();

	if (!deadline_ns)
		return -1;
	return left > NS_PER_MS ? left : NS_PER_MS;
}

int engine_events(struct engine *eng, const struct engine_events *q, struct err *e)
{
	struct err failure = ERR_INIT;
	struct stream s = { .lines = JSON_LINES_INIT(ENGINE_EVENT_MAX, q->fn, q->arg),
		.e = &failure };
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(free) char *since = NULL;
	int rc;

	if (q->since_ns &&
	        !(since = str_fmt(
	                  "since=%lld.%09lld", q->since_ns / NS_PER_SEC, q->since_ns % NS_PER_SEC)))
		return err_nomem(e);
	if (q->deadline_ns && clock_mono_ns() >= q->deadline_ns)
		return 1;
	rc = engine_call(eng,
	        &(struct engine_call){ .verb = "watch",
	                .kind = "events",
	                .path_take = engine_path("/events", NULL, NULL, since, q->filters),
	                .sink = on_data,
	                .sink_arg = &s,
	                .timeout_ns = time_left(q->deadline_ns) },
	        &r, e);
	json_lines_release(&s.lines);
	if (rc < 0 && e->kind == ERR_TIMEOUT && q->deadline_ns &&
	        clock_mono_ns() >= q->deadline_ns - NS_PER_MS) {
		err_clear(e);
		return 1;
	}
	if (rc < 0)
		return -1;
	if (s.rc < 0) {
		*e = failure;
		return err_wrap(e, "watch events");
	}
	if (s.rc == 0)
		return err_set(e, ERR_UNAVAILABLE, "watch events: the engine ended the stream");
	return 0;
}
