/*
 * One look at the fresh chain node of this container, on standard output as a sample
 * (sample/sample.h)
 *
 * nodeos is asked for a few things one after the other, and listens to nobody but this container's
 * own loopback.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/fresh.h"
#include "deploy/external.h"
#include "http/client.h"
#include "nodeos/reply.h"
#include "sample/sample.h"

#define REQUEST_MAX 4096
#define ANSWER_NS   (3 * NS_PER_SEC) /* of get_info, which waits while blocks are applied */
#define DETAIL_NS   (1 * NS_PER_SEC)

static const char *dir, *url;

static const struct opt opts[] = {
	{ "dir", 0, "DIR", "the directory of 'nodeswarm fresh run'", .value = EXTERNAL_DIR,
	        .string = &dir },
	{ "url", 0, "URL", "where its nodeos listens", .value = "http://127.0.0.1:8888",
	        .string = &url },
	{ NULL },
};

/* nodeos's wait status into *ret; 1: it has not ended, or not begun. */
static int read_end(int fd, int64_t *ret, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(64);
	int rc = fs_read_at(fd, FRESH_ENDED, &text, e);

	if (rc != 0)
		return rc;
	if (num_int(ret, text.data ? str_trim(text.data) : "", 0, INT32_MAX, e) == 0)
		return 0;
	/* It is `fresh run`'s, not the operator's. */
	e->kind = ERR_PROTOCOL;
	return -1;
}

static int ask(struct http_client *c, const char *path, const char *body, int64_t limit_ns,
        struct http_reply *r, struct err *e)
{
	return http_call(c,
	        &(struct http_request){ .path = path,
	                .method = body ? "POST" : "GET",
	                .body = body,
	                .timeout_ns = limit_ns,
	                .max_reply = NODEOS_REPLY_MAX },
	        r, e);
}

static int ask_id(struct http_client *c, struct sample *s, uint32_t num)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	struct sample_id *id = &s->ids[s->n_ids];
	struct nodeos_block_info b;
	struct err ignored = ERR_INIT;
	char body[64];
	int rc;

	snprintf(body, sizeof(body), "{\"block_num\":%u}", num);
	rc = ask(c, "/v1/chain/get_block_info", body, DETAIL_NS, &r, &ignored);
	if (rc == 0)
		rc = nodeos_block_info_parse(&b, r.body.data, r.body.len, &ignored);
	if (rc < 0)
		return -1;
	*id = (struct sample_id){ .num = num };
	if (rc == 0)
		memcpy(id->id, b.id, sizeof(id->id));
	s->n_ids++;
	return 0;
}

/* What of it cannot be had is unknown: the head alone decides. */
static void ask_details(struct http_client *c, const struct sample_request *q, struct sample *s)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	struct nodeos_peers_info p;
	struct err ignored = ERR_INIT;

	if (ask(c, "/v1/net/connections", "", DETAIL_NS, &r, &ignored) == 0 &&
	        nodeos_peers_info_parse(
	                &p, r.body.data, r.body.len, s->info.chain_id, NULL, NULL, &ignored) == 0) {
		s->peers_connected = (int)p.handshaken;
		s->peers_configured = (int)p.configured;
	}
	for (size_t i = 0; i < q->n_heights; i++)
		if (ask_id(c, s, q->heights[i]) < 0)
			break;
}

static int look(
        struct context *ctx, const struct sample_request *q, struct sample *s, struct err *e)
{
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(http_client_free) struct http_client *c = http_client_new(url, NULL, e);
	int64_t begin = clock_mono_ns();
	struct err why = ERR_INIT;

	s->ids = calloc(SAMPLE_HEIGHTS_MAX, sizeof(*s->ids));
	if (!c || !s->ids)
		return c ? err_nomem(e) : -1;
	http_client_interrupt_on(c, &ctx->interrupted);
	if (ask(c, "/v1/chain/get_info", NULL, ANSWER_NS, &r, &why) < 0 ||
	        nodeos_info_parse(&s->info, r.body.data, r.body.len, &why) < 0) {
		s->state = SAMPLE_SILENT;
		snprintf(s->why, sizeof(s->why), "%.239s", why.msg);
		return 0;
	}
	s->state = SAMPLE_ANSWERS;
	s->answer_ns = clock_mono_ns() - begin;
	s->real_ns = clock_real_ns();
	ask_details(c, q, s);
	return 0;
}

static int print(struct context *ctx, const struct sample *s, int64_t end, struct err *e)
{
	AUTO(json) json_t *j = sample_json(s);
	AUTO(free) char *text = NULL;

	if (j && end >= 0 && json_object_set_new(j, "wait_status", json_integer(end)) < 0)
		return err_nomem(e);
	text = j ? json_text(j, false) : NULL;
	if (!text)
		return err_nomem(e);
	(void)fprintf(ctx->out, "%s\n", text);
	return 0;
}

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(close_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(sample) struct sample s = SAMPLE_INIT;
	AUTO(json) json_t *j = NULL;
	struct sample_request q = { .n_heights = 0 };
	int64_t end = -1;
	int rc;

	if (argc > 0) {
		if (strlen(argv[0]) > REQUEST_MAX)
			return command_usage(
			        ctx, e, "a request of more than %d bytes", REQUEST_MAX);
		j = json_parse_object(argv[0], strlen(argv[0]), "the request", e);
		if (!j || sample_request_parse(&q, j, e) < 0)
			return -1;
	}
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", dir);
	if (utimensat(fd, FRESH_ASKED, NULL, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		return err_sys(e, errno, "touch '%s/" FRESH_ASKED "'", dir);
	rc = read_end(fd, &end, e);
	if (rc < 0)
		return err_wrap(e, "'%s/" FRESH_ENDED "'", dir);
	if (rc == 0) {
		s.state = SAMPLE_DOWN;
		snprintf(s.why, sizeof(s.why), "its nodeos has ended");
	} else if (look(ctx, &q, &s, e) < 0) {
		return -1;
	}
	return print(ctx, &s, end, e);
}

const struct command cmd_fresh_ask = {
	.name = "fresh ask",
	.group = "Inside a container",
	.args = "[REQUEST]",
	.summary = "look at the chain node of 'nodeswarm fresh run'",
	.description =
	        "Prints one JSON object: whether its nodeos answers, its head, how many peers it "
	        "has, and its block ids at the heights of REQUEST. Who asks keeps it running.",
	.examples = (const char *const[]){ "nodeswarm fresh ask",
	        "nodeswarm fresh ask '{\"heights\":[100]}'", NULL },
	.max_args = 1,
	.opts = opts,
	.run = run,
};
