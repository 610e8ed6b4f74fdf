#include "engine/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/engine_priv.h"
#include "engine/lines.h"

#define LOAD_TIMEOUT_NS (3600 * NS_PER_SEC)
#define LOAD_LINE_MAX   (64U * 1024)

json_t *engine_image_inspect(struct engine *eng, const char *name, struct err *e)
{
	return engine_inspect(eng, "image", engine_path("/images", name, "/json", NULL, NULL), name,
	        NULL, NULL, e);
}

json_t *engine_image_list(struct engine *eng, const struct engine_filter *filters, struct err *e)
{
	return engine_list(eng, "images", "/images/json", NULL, filters, e);
}

int engine_image_remove(struct engine *eng, const char *name, struct err *e)
{
	return engine_remove(eng, "image", "/images", name, e);
}

struct load {
	int fd, read_errno;
	struct strvec *loaded; /* may be NULL */
	struct json_lines lines;
	struct err *e; /* set when rc is below 0 */
	int rc;
};

static ssize_t read_archive(void *arg, void *data, size_t n)
{
	struct load *l = arg;
	ssize_t got;

	do
		got = read(l->fd, data, n);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		l->read_errno = errno;
	return got;
}

/* {"stream":"Loaded image: NAME\n"}, {"error":...}, or progress that nobody asked for. */
static int on_load_line(void *arg, const json_t *value)
{
	struct load *l = arg;
	const char *text = json_str(value, "stream", ""), *error = json_str(value, "error", NULL);

	if (error) {
		l->rc = err_set(l->e, ERR_USAGE, "%s", error);
		return 1;
	}
	if (!str_starts(text, "Loaded image ID: ", &text) &&
	        !str_starts(text, "Loaded image: ", &text))
		return 0;
	if (l->loaded && strvec_add_fmt(l->loaded, "%.*s", (int)strcspn(text, " \r\n"), text) < 0) {
		l->rc = err_nomem(l->e);
		return 1;
	}
	return 0;
}

static int on_load_reply(void *arg, const void *data, size_t n)
{
	struct load *l = arg;
	int rc = json_lines_feed(&l->lines, data, n, l->e);

	if (rc < 0)
		l->rc = rc;
	return rc != 0;
}

int engine_image_load(struct engine *eng, int fd, struct strvec *ret_loaded, struct err *e)
{
	struct err failure = ERR_INIT;
	struct load l = { .fd = fd, .loaded = ret_loaded, .e = &failure };
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	int rc;

	l.lines = JSON_LINES_INIT(LOAD_LINE_MAX, on_load_line, &l);
	rc = engine_call(eng,
	        &(struct engine_call){ .verb = "load",
	                .kind = "image",
	                .path_take = engine_path("/images/load", NULL, NULL, "quiet=1", NULL),
	                .content_type = "application/x-tar",
	                .source = read_archive,
	                .source_arg = &l,
	                .sink = on_load_reply,
	                .sink_arg = &l,
	                .timeout_ns = LOAD_TIMEOUT_NS },
	        &r, e);
	json_lines_release(&l.lines);
	if (l.read_errno) {
		err_clear(e);
		return err_sys(e, l.read_errno, "load image: read the archive");
	}
	if (rc < 0)
		return -1;
	if (l.rc < 0) {
		*e = failure;
		return err_wrap(e, "load image");
	}
	return 0;
}
