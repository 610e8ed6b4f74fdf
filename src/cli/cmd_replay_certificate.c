/* Certificates: does one hold, and where do two differ. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/output.h"
#include "replay/certificate.h"
#include "replay/client.h"

#define LINES_MAX 50 /* faults that are printed; with --json all are */

static const char *token_path;

static const struct opt opts[] = {
	{ "token", 0, "FILE", "a file with the orchestrator's token, for a URL",
	        .env = "NODESWARM_REPLAY_TOKEN_FILE", .string = &token_path },
	{ NULL },
};

/* --- where it is ------------------------------------------------------------------------------ */

static json_t *fetch(struct context *ctx, const char *url, struct err *e)
{
	const char *host = strstr(url, "://") + 3, *slash = strchr(host, '/');
	AUTO(free)
	char *base = strndup(url, slash ? (size_t)(slash - url) : strlen(url));
	AUTO(replay_client_free) struct replay_client *c = NULL;
	json_t *j;

	if (!base) {
		err_nomem(e);
		return NULL;
	}
	c = replay_client_new(base, token_path, e);
	if (!c)
		return NULL;
	replay_client_interrupt_on(c, &ctx->interrupted);
	j = replay_call(c, "GET", slash && slash[1] ? slash : "/v1/certificate", NULL, e);
	if (!j)
		err_wrap(e, "'%s'", url);
	return j;
}

static json_t *read_file(const char *path, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);
	int rc = fs_read_at(AT_FDCWD, path, &text, e);

	if (rc > 0)
		err_set(e, ERR_NOT_FOUND, "there is no file '%s'", path);
	if (rc != 0)
		return NULL;
	return json_parse_object(text.data ? text.data : "", text.len, path, e);
}

static json_t *get(struct context *ctx, const char *where, struct err *e)
{
	if (str_starts(where, "http://", NULL) || str_starts(where, "https://", NULL))
		return fetch(ctx, where, e);
	return read_file(where, e);
}

/* --- what is told ----------------------------------------------------------------------------- */

struct list {
	struct context *ctx;
	json_t *faults;
	size_t n;
	int64_t first; /* slice of the first fault that has one; 0: none */
	bool is_short; /* no memory */
};

static void hear(void *arg, int64_t slice, const char *text)
{
	struct list *l = arg;

	if (slice && !l->first)
		l->first = slice;
	if (json_array_append_new(l->faults,
	            json_pack("{s:o, s:s}", "slice_id", slice ? json_integer(slice) : json_null(),
	                    "text", text)) < 0)
		l->is_short = true;
	if (++l->n > LINES_MAX)
		return;
	if (slice)
		output_line(l->ctx, "slice %lld: %s", (long long)slice, text);
	else
		output_line(l->ctx, "%s", text);
}

static int finish(struct list *l, const char *key, struct err *e)
{
	if (l->is_short)
		return err_nomem(e);
	if (l->n > LINES_MAX)
		output_line(l->ctx, "and %zu more", l->n - LINES_MAX);
	return output_value(l->ctx, key, TAKE(l->faults), e);
}

static void auto_list(struct list *l)
{
	json_decref(l->faults);
}

/* --- verify ----------------------------------------------------------------------------------- */

/* "v4.0.6, v5.0.2"; NULL without memory. */
static char *versions_text(const json_t *c)
{
	const json_t *list = json_object_get(c, "nodeos_versions");
	AUTO(buf) struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);

	for (size_t i = 0; i < json_array_size(list); i++)
		if (buf_add_fmt(&text, "%s%s", i ? ", " : "",
		            json_string_value(json_array_get(list, i))) < 0)
			return NULL;
	if (!text.len && buf_add_str(&text, "not told") < 0)
		return NULL;
	str_printable(text.data);
	return buf_take(&text);
}

/* What it is about.  It was verified, so it has slices, and its values are what they should be. */
static int tell_what(struct context *ctx, const json_t *c, struct err *e)
{
	json_t *slices = json_object_get(c, "slices");
	size_t n = json_array_size(slices);
	json_t *first = json_array_get(slices, 0), *last = json_array_get(slices, n - 1);
	bool is_open = json_str(last, "expected_hash", NULL) == NULL;
	AUTO(free) char *versions = versions_text(c);

	if (!versions)
		return err_nomem(e);
	output_line(ctx, "blocks      %lld to %lld, %zu slice%s",
	        (long long)json_int(first, "start_block", 0),
	        (long long)json_int(last, "end_block", 0), n, n == 1 ? "" : "s");
	output_line(ctx, "versions    %s", versions);
	output_line(ctx, "start hash  %s", json_str(first, "start_hash", "none"));
	output_line(ctx, "end hash    %s%s", json_str(last, "end_hash", "none"),
	        is_open ? ", compared with nothing" : "");
	if (output_value(ctx, "slices_total", json_integer((json_int_t)n), e) < 0 ||
	        output_value(ctx, "verified", json_boolean(json_bool(c, "verified", false)), e) < 0)
		return -1;
	return output_value(ctx, "end_is_compared", json_boolean(!is_open), e);
}

static int run_verify(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	AUTO(list) struct list l = { .ctx = ctx, .faults = json_array() };
	AUTO(json) json_t *c = get(ctx, argv[0], e);
	int faults;

	if (!c || !l.faults)
		return c ? err_nomem(e) : -1;
	faults = certificate_verify(c, hear, &l, e);
	if (faults < 0)
		return err_wrap(e, "'%s'", argv[0]);
	if ((faults == 0 && tell_what(ctx, c, e) < 0) || finish(&l, "faults", e) < 0 ||
	        output_value(ctx, "holds", json_boolean(faults == 0), e) < 0)
		return -1;
	if (faults)
		return err_set(e, ERR_UNHEALTHY, "'%s' does not hold: %d fault%s", argv[0], faults,
		        faults == 1 ? "" : "s");
	output_line(ctx,
	        "it holds: each slice starts with the state that the one before ended "
	        "with");
	return 0;
}

const struct command cmd_replay_certificate_verify = {
	.name = "replay certificate verify",
	.group = "Replay",
	.args = "FILE|URL",
	.summary = "check that a certificate proves what it says",
	.description =
	        "A certificate holds when each slice has a result, ends with the hash that was "
	        "expected, and starts where and with the hash that the one before ended with; and "
	        "when its digest is that of its content. The end of the last slice may be compared "
	        "with nothing, which is told. Exit status 1 if it does not hold, also while the "
	        "run "
	        "goes on."
	        "\n\n"
	        "URL is that of an orchestrator, or of the certificate itself.",
	.examples = (const char *const[]){ "nodeswarm replay certificate verify certificate.json",
	        "nodeswarm replay certificate verify http://127.0.0.1:4000 --token ./token", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run_verify,
};

/* --- diff ------------------------------------------------------------------------------------- */

static int run_diff(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	AUTO(list) struct list l = { .ctx = ctx, .faults = json_array() };
	AUTO(json) json_t *a = get(ctx, argv[0], e), *b = a ? get(ctx, argv[1], e) : NULL;
	json_t *first;
	int n;

	if (!a || !b || !l.faults)
		return a && b ? err_nomem(e) : -1;
	n = certificate_diff(a, b, hear, &l, e);
	if (n < 0)
		return err_wrap(e, "A is '%s', B is '%s'", argv[0], argv[1]);
	first = l.first ? json_integer(l.first) : json_null();
	if (finish(&l, "differences", e) < 0) {
		json_decref(first);
		return -1;
	}
	if (output_value(ctx, "first_slice", first, e) < 0 ||
	        output_value(ctx, "equal", json_boolean(n == 0), e) < 0)
		return -1;
	if (n)
		return err_set(e, ERR_UNHEALTHY, "%d difference%s, the first in slice %lld", n,
		        n == 1 ? "" : "s", (long long)l.first);
	output_line(ctx, "the states are the same in all slices");
	return 0;
}

const struct command cmd_replay_certificate_diff = {
	.name = "replay certificate diff",
	.group = "Replay",
	.args = "A B",
	.summary = "tell in which slices two certificates differ",
	.description =
	        "A and B are files or URLs, as for 'nodeswarm replay certificate verify'. Their "
	        "slices are compared by range: hashes at start and end. Two runs of one manifest "
	        "start each slice from the same snapshot, so the first slice that starts alike and "
	        "ends differently is where one of the two versions of nodeos goes another way. "
	        "Exit "
	        "status 1 if anything differs.",
	.examples = (const char *const[]){ "nodeswarm replay certificate diff v4.json v5.json",
	        "nodeswarm replay certificate diff v4.json http://127.0.0.1:4000", NULL },
	.min_args = 2,
	.max_args = 2,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run_diff,
};
