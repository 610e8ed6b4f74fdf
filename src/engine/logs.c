#include "engine/logs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"
#include "engine/frame.h"
#include "engine/log_lines.h"
#include "engine/service.h"
#include "engine/task.h"

struct stream {
	bool tty; /* then it is no frames but the bare text */
	struct frame_decoder frames;
	struct buf raw; /* of a TTY: the line that is not complete */
	struct log_lines *lines;
	struct err *e; /* set when rc is below 0 */
	int rc;        /* 1: the caller's function ended it */
};

static int on_frame(void *arg, int stream, char *payload, size_t n)
{
	struct stream *s = arg;

	if (stream == FRAME_STDIN)
		stream = FRAME_STDOUT;
	s->rc = log_lines_message(s->lines, (enum engine_log_stream)stream, payload, n, s->e);
	return s->rc;
}

/* Through a TTY nothing tells where a message begins but that it begins a line. */
static int on_raw(struct stream *s, const char *data, size_t n)
{
	while (n && s->rc == 0) {
		const char *nl = memchr(data, '\n', n);
		size_t len = nl ? (size_t)(nl + 1 - data) : n;

		if (buf_add(&s->raw, data, len) < 0)
			return err_set(s->e, ERR_PROTOCOL,
			        "stream: a terminal's line of more than %u bytes",
			        FRAME_PAYLOAD_MAX);
		data += len;
		n -= len;
		if (!nl)
			break;
		if (s->raw.len > 1 && s->raw.data[s->raw.len - 2] == '\r') {
			s->raw.data[s->raw.len - 2] = '\n';
			s->raw.data[--s->raw.len] = '\0';
		}
		s->rc = log_lines_message(
		        s->lines, ENGINE_LOG_STDOUT, s->raw.data, s->raw.len, s->e);
		buf_clear(&s->raw);
	}
	return s->rc;
}

static int on_data(void *arg, const void *data, size_t n)
{
	struct stream *s = arg;
	int rc = s->tty ? on_raw(s, data, n) : frame_feed(&s->frames, data, n, s->e);

	if (s->rc == 0)
		s->rc = rc;
	return s->rc != 0;
}

/* Whatever came before the end is given out, also when the end is an error. */
static int finish(struct stream *s)
{
	if (s->rc > 0)
		return s->rc;
	if (s->rc == 0 && s->tty && s->raw.len)
		s->rc = log_lines_message(
		        s->lines, ENGINE_LOG_STDOUT, s->raw.data, s->raw.len, s->e);
	log_lines_end(s->lines);
	if (s->rc == 0 && !s->tty)
		s->rc = frame_end(&s->frames, s->e);
	return s->rc;
}

static char *query_text(const struct engine_logs *q)
{
	AUTO(buf) struct buf b = BUF_INIT(256);
	int rc = buf_add_fmt(&b, "details=1&stdout=%d&stderr=%d&follow=%d&timestamps=%d",
	        !q->no_stdout, !q->no_stderr, q->follow, q->timestamps);

	if (rc == 0 && q->tail)
		rc = buf_add_fmt(&b, "&tail=%" PRId64, q->tail < 0 ? 0 : q->tail);
	if (rc == 0 && q->since_ns)
		rc = buf_add_fmt(&b, "&since=%lld.%09lld", q->since_ns / NS_PER_SEC,
		        q->since_ns % NS_PER_SEC);
	return rc == 0 ? buf_take(&b) : NULL;
}

static int run(struct engine *eng, struct stream *s, const char *kind, const char *name,
        char *path_take, int64_t idle_ns, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	int rc = engine_call(eng,
	        &(struct engine_call){ .verb = "read logs of",
	                .kind = kind,
	                .name = name,
	                .path_take = path_take,
	                .sink = on_data,
	                .sink_arg = s,
	                .timeout_ns = -1,
	                .idle_ns = idle_ns },
	        &r, e);

	if (finish(s) < 0 && rc == 0) {
		*e = *s->e;
		return err_wrap(e, "read logs of %s '%s'", kind, name);
	}
	return rc;
}

static int read_logs(struct engine *eng, const char *kind, const char *base, const char *name,
        const char *id, bool tty, const struct engine_logs *q, struct err *e)
{
	struct err failure = ERR_INIT;
	struct stream s = { .tty = tty, .raw = BUF_INIT(FRAME_PAYLOAD_MAX), .e = &failure };
	AUTO(free) struct log_lines *lines = calloc(1, sizeof(*lines));
	AUTO(free) char *query = query_text(q);
	int rc;

	if (!lines || !query)
		return err_nomem(e);
	lines->timestamps = q->timestamps;
	lines->details = q->details;
	lines->fn = q->fn;
	lines->arg = q->arg;
	s.lines = lines;
	s.frames = FRAME_DECODER_INIT(on_frame, &s);
	rc = run(eng, &s, kind, name, engine_path(base, id, "/logs", query, NULL), q->idle_ns, e);
	frame_decoder_release(&s.frames);
	buf_release(&s.raw);
	log_lines_release(lines);
	return rc;
}

/* The media type of the reply tells frames from a terminal only since 1.42, so ask the spec. */
int engine_service_logs(
        struct engine *eng, const char *id, const struct engine_logs *q, struct err *e)
{
	AUTO(json) json_t *svc = engine_service_inspect(eng, id, e);
	bool tty = json_bool(svc, "Spec.TaskTemplate.ContainerSpec.TTY", false);

	if (!svc)
		return -1;
	return read_logs(eng, "service", "/services", id, json_str(svc, "ID", id), tty, q, e);
}
