#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/wait.h"
#include "http/client.h"

/*
 * The way into a host that only its engine leads to: `docker exec` of this in the agent's
 * container.  Whoever reads our standard output gets JSON in any case.
 */

/* What a gather of many hosts may bring. */
#define REPLY_MAX (96U * 1024 * 1024)

static int64_t wait_ns = WAIT_FOREVER;

static const struct opt opts[] = {
	{ "wait", 0, "TIME", "wait at most TIME for the reply", .duration = &wait_ns },
	{ NULL },
};

static int no_agent(const struct context *ctx, struct err *e)
{
	int why = e->sys_errno;

	if (e->kind != ERR_UNAVAILABLE || !why)
		return err_wrap(e, "ask the agent of this host");
	err_clear(e);
	err_set(e, why == EACCES || why == EPERM ? ERR_DENIED : ERR_UNAVAILABLE,
	        "no agent answers on '%s/%s': %s", ctx->pool, AGENT_SOCKET, strerror(why));
	if (e->kind == ERR_DENIED)
		return err_hint(e, "the socket is root's: run this as root");
	return err_hint(e, "run one on this host: see stacks/agent.yml");
}

static int ask(struct context *ctx, int argc, char **argv, struct http_reply *reply, struct err *e)
{
	AUTO(close_fd) int dir = open(ctx->pool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A path in sun_path has at most 107 bytes; the pool may lie deeper. */
	AUTO(free) char *path = str_fmt("/proc/self/fd/%d/" AGENT_SOCKET, dir);
	AUTO(http_client_free) struct http_client *c = NULL;
	const struct http_request q = {
		.method = argv[0],
		.path = argv[1],
		.body = argc > 2 ? argv[2] : NULL,
		.timeout_ns = wait_ns == WAIT_FOREVER ? -1 : wait_ns,
		.max_reply = REPLY_MAX,
	};

	if (dir < 0) {
		bool absent = errno == ENOENT;

		err_sys(e, errno, "open pool '%s'", ctx->pool);
		if (absent)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	if (!path)
		return err_nomem(e);
	c = http_client_new("http://agent", path, e);
	if (!c)
		return -1;
	http_client_interrupt_on(c, &ctx->interrupted);
	return http_call(c, &q, reply, e) == 0 ? 0 : no_agent(ctx, e);
}

/* The agent's own error stays as it is; anything else that is no success becomes one. */
static int print(struct context *ctx, const struct http_reply *reply, struct err *e)
{
	bool is_done = reply->status >= 200 && reply->status < 300;
	AUTO(json) json_t *j = NULL;

	if (!is_done) {
		j = json_parse_object(reply->body.data, reply->body.len, "the agent's reply", e);
		err_clear(e);
		err_set(e, json_at(j, "error") ? ERR_UNHEALTHY : ERR_PROTOCOL,
		        "the agent of this host refused with HTTP status %ld: %s", reply->status,
		        json_str(j, "error.message", reply->body.data));
		if (!json_at(j, "error"))
			return -1;
	}
	(void)fwrite(reply->body.data, 1, reply->body.len, ctx->out);
	if (ctx->out_tty && !str_ends(reply->body.data, "\n"))
		(void)fputc('\n', ctx->out);
	ctx->json = false;
	return is_done ? 0 : -1;
}

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(http_reply) struct http_reply reply = HTTP_REPLY_INIT;

	if (strcmp(argv[0], "GET") != 0 && strcmp(argv[0], "POST") != 0)
		return command_usage(ctx, e, "'%s' is neither GET nor POST", argv[0]);
	if (argv[1][0] != '/' || strpbrk(argv[1], " \t\r\n"))
		return command_usage(ctx, e, "'%s' is not a path", argv[1]);
	if (argc > 2 && strcmp(argv[0], "POST") != 0)
		return command_usage(ctx, e, "only a POST has a body");
	/* An error is printed as JSON, too. */
	ctx->json = true;
	if (ask(ctx, argc, argv, &reply, e) < 0)
		return -1;
	return print(ctx, &reply, e);
}

const struct command cmd_relay = {
	.name = "relay",
	.group = "Inside a container",
	.args = "METHOD PATH [BODY]",
	.summary = "ask this host's agent and print its reply",
	.description =
	        "Sends one request over POOL/agent.sock and prints the reply's body. Exits with 0 "
	        "if the "
	        "agent did it, and with 1 if not; what is printed then is the error as JSON. The "
	        "command line reaches agents through this where it has only an engine.",
	.examples = (const char *const[]){ "nodeswarm relay GET /v1/status",
	        "nodeswarm relay POST /v1/slots/nodeswarm_readers/3/quiesce",
	        "docker exec CONTAINER nodeswarm relay GET /v1/slots", NULL },
	.min_args = 2,
	.max_args = 3,
	.opts = opts,
	.run = run,
};
