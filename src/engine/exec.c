#include "engine/exec.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"
#include "engine/frame.h"

/* The stream ends a moment before the engine knows the exit status. */
#define EXIT_TRIES 100
#define EXIT_MS    20

struct output {
	struct engine_exec_result *to;
	struct frame_decoder frames;
	struct err *e; /* set when rc is below 0 */
	int rc;
};

void engine_exec_result_release(struct engine_exec_result *r)
{
	buf_release(&r->out);
	buf_release(&r->err);
}

static char *create_body(const char *const *argv)
{
	AUTO(json) json_t *cmd = json_array();
	AUTO(json) json_t *j = NULL;

	for (; *argv; argv++)
		if (json_array_append_new(cmd, json_string(*argv)) < 0)
			return NULL;
	j = json_pack("{s:b, s:b, s:O}", "AttachStdout", 1, "AttachStderr", 1, "Cmd", cmd);
	return j ? json_text(j, false) : NULL;
}

static int create(struct engine *eng, const char *container, const char *const *argv,
        char ret_id[ENGINE_ID_SIZE], struct err *e)
{
	AUTO(free) char *body = create_body(argv);
	AUTO(free) char *path = engine_path("/containers", container, "/exec", NULL, NULL);

	if (!path)
		return err_nomem(e);
	return engine_create(eng, "exec in container", path, container, body, "Id", ret_id, e);
}

static int on_frame(void *arg, int stream, char *payload, size_t n)
{
	struct output *o = arg;
	struct buf *b = stream == FRAME_STDERR ? &o->to->err : &o->to->out;

	if (buf_add(b, payload, n) == 0)
		return 0;
	o->rc = errno == E2BIG
	        ? err_set(o->e, ERR_PROTOCOL, "it prints more than %zu bytes", b->max)
	        : err_nomem(o->e);
	return 1;
}

static int on_data(void *arg, const void *data, size_t n)
{
	struct output *o = arg;
	int rc = frame_feed(&o->frames, data, n, o->e);

	if (o->rc == 0)
		o->rc = rc;
	return o->rc != 0;
}

/* The engine takes the connection over and closes it when the program has ended. */
static int start(struct engine *eng, const char *container, const char *id, int64_t timeout_ns,
        struct engine_exec_result *ret, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	struct err failure = ERR_INIT;
	struct output o = { .to = ret, .e = &failure };
	int rc;

	o.frames = FRAME_DECODER_INIT(on_frame, &o);
	rc = engine_call(eng,
	        &(struct engine_call){ .verb = "start",
	                .kind = "exec in container",
	                .name = container,
	                .path_take = engine_path("/exec", id, "/start", NULL, NULL),
	                .body = "{\"Detach\":false,\"Tty\":false}",
	                .sink = on_data,
	                .sink_arg = &o,
	                .timeout_ns = timeout_ns },
	        &r, e);
	if (rc == 0 && o.rc == 0)
		o.rc = frame_end(&o.frames, &failure);
	frame_decoder_release(&o.frames);
	if (rc == 0 && o.rc < 0) {
		*e = failure;
		return err_wrap(e, "exec in container '%s'", container);
	}
	return rc;
}

static int exit_code(struct engine *eng, const char *id, int *ret, struct err *e)
{
	for (unsigned i = 0; i < EXIT_TRIES; i++) {
		AUTO(json)
		json_t *j = engine_inspect(eng, "exec",
		        engine_path("/exec", id, "/json", NULL, NULL), id, "ID", NULL, e);

		if (!j)
			return -1;
		if (!json_bool(j, "Running", false) && json_is_integer(json_at(j, "ExitCode"))) {
			*ret = (int)json_int(j, "ExitCode", -1);
			return 0;
		}
		(void)poll(NULL, 0, EXIT_MS);
	}
	return err_set(e, ERR_TIMEOUT, "exec '%.12s': its output has ended, but it has not", id);
}

int engine_exec_run(struct engine *eng, const char *container, const struct engine_exec *x,
        struct engine_exec_result *ret, struct err *e)
{
	size_t max = x->max_output ? x->max_output : ENGINE_EXEC_OUTPUT_MAX;
	char id[ENGINE_ID_SIZE];

	engine_exec_result_release(ret);
	buf_init(&ret->out, max);
	buf_init(&ret->err, max);
	ret->exit_code = -1;
	if (buf_add(&ret->out, "", 0) < 0 || buf_add(&ret->err, "", 0) < 0)
		return err_nomem(e);
	if (!str_is_name(container, ENGINE_NAME_SIZE - 1))
		return err_set(e, ERR_USAGE, "'%s' is not a container's name", container);
	if (create(eng, container, x->argv, id, e) < 0 ||
	        start(eng, container, id, x->timeout_ns, ret, e) < 0)
		return -1;
	return exit_code(eng, id, &ret->exit_code, e);
}
