#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/output.h"
#include "cli/wait.h"
#include "deploy/agents.h"
#include "deploy/slot_log.h"
#include "deploy/view.h"
#include "engine/logs.h"

#define FILE_TAIL_DEFAULT 100

static bool follow, timestamps, from_file;
static int64_t tail, since_ns;

static const struct opt opts[] = {
	{ "follow", 'f', NULL, "go on with new lines until interrupted", .flag = &follow },
	{ "tail", 'n', "LINES", "only the last LINES of each slot; 0 is all", .value = "0",
	        .number = &tail },
	{ "since", 0, "TIME", "only lines of the last TIME", .duration = &since_ns },
	{ "timestamps", 't', NULL, "print the time at which the engine got the line",
	        .flag = &timestamps },
	{ "file", 0, NULL,
	        "the chain node's own lines from nodeos.log of the slot, as the host kept them",
	        .flag = &from_file },
	{ NULL },
};

/* An engine that was asked while tasks of the service were being made may never end its log (seen
 * with 20.10.24). */
#define LOG_IDLE_NS (20 * NS_PER_SEC)

struct printer {
	struct context *ctx;
	struct engine_tasks tasks;
	const struct view_service *service;
	int64_t slot; /* 0: all */
	struct err err;
};

static int64_t slot_of(const struct printer *p, const char *task)
{
	for (size_t i = 0; i < p->tasks.n; i++)
		if (strcmp(p->tasks.v[i].id, task) == 0)
			return p->tasks.v[i].slot;
	return 0;
}

static int on_line(void *arg, const struct engine_log_line *line)
{
	struct printer *p = arg;
	int64_t slot = slot_of(p, line->task_id);
	char when[CLOCK_TEXT_MAX], name[320];
	AUTO(free) char *text = strdup(line->text);

	if (p->ctx->interrupted)
		return 1;
	if (line->stream == ENGINE_LOG_SYSTEM) {
		output_warn(p->ctx, "%s", line->text);
		return 0;
	}
	/* A task that began after we looked has no slot here yet: better shown than lost. */
	if (p->slot && slot && slot != p->slot)
		return 0;
	if (slot)
		snprintf(name, sizeof(name), "%s.%lld", p->service->name, (long long)slot);
	else
		snprintf(name, sizeof(name), "%s.?", p->service->name);
	if (!text)
		return 1;
	str_printable(text);
	clock_text(when, line->time_ns);
	if (p->ctx->json) {
		(void)!output_value(p->ctx, "name", json_string(name), &p->err);
		(void)!output_value(p->ctx, "text", json_string(text), &p->err);
		(void)!output_value(
		        p->ctx, "time", line->time_ns ? json_string(when) : json_null(), &p->err);
		(void)!output_value(p->ctx, "stream",
		        json_string(line->stream == ENGINE_LOG_STDERR ? "stderr" : "stdout"),
		        &p->err);
	} else {
		output_line(p->ctx, "%s%s%s | %s", timestamps ? when : "", timestamps ? " " : "",
		        name, text);
	}
	return (follow || p->ctx->json) && output_flush(p->ctx, &p->err) < 0;
}

/* --- nodeos.log --------------------------------------------------------------------------- */

struct file_printer {
	struct context *ctx;
	const char *service; /* as it was asked for */
	struct err err;
};

static void print_file_line(
        struct file_printer *p, uint64_t slot, const char *host, const char *text)
{
	char name[400];

	snprintf(name, sizeof(name), "%.300s.%llu", p->service, (unsigned long long)slot);
	if (!p->ctx->json) {
		output_line(p->ctx, "%s@%s | %s", name, host, text);
		return;
	}
	(void)!output_value(p->ctx, "name", json_string(name), &p->err);
	(void)!output_value(p->ctx, "host", json_string(host), &p->err);
	(void)!output_value(p->ctx, "text", json_string(text), &p->err);
	(void)!output_flush(p->ctx, &p->err);
}

static void on_file(void *arg, uint64_t slot, const char *host, char *text)
{
	struct file_printer *p = arg;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line && p->err.kind == ERR_NONE;
	        line = strtok_r(NULL, "\n", &save)) {
		str_printable(line);
		print_file_line(p, slot, host, line);
	}
}

static void on_file_warning(void *arg, const char *text)
{
	const struct file_printer *p = arg;

	output_warn(p->ctx, "%s", text);
}

/* "readers.3" -> the service's full name and the slot. */
static int print_files(struct context *ctx, struct engine *eng, const char *name, struct err *e)
{
	AUTO(agents_free) struct agents *agents = NULL;
	AUTO(free) char *service = strdup(name);
	AUTO(free) char *prefix = str_fmt("%s_", ctx->stack);
	AUTO(free) char *full = NULL;
	struct file_printer p = { .ctx = ctx };
	struct slot_log_query q = { .tail = tail ? tail : FILE_TAIL_DEFAULT,
		.fn = on_file,
		.warn = on_file_warning,
		.arg = &p };
	char *dot;

	if (!service || !prefix)
		return err_nomem(e);
	dot = strrchr(service, '.');
	if (dot) {
		*dot = '\0';
		if (num_uint(&q.slot, dot + 1, 1, INT32_MAX, e) < 0)
			return err_wrap(e, "'%s' is not SERVICE or SERVICE.SLOT", name);
	}
	full = str_fmt("%s%s", str_starts(service, prefix, NULL) ? "" : prefix, service);
	agents = agents_new(eng, ctx->stack, ctx->pool, &ctx->interrupted, e);
	if (!agents)
		return -1;
	if (!full)
		return err_nomem(e);
	p.service = service;
	q.service = full;
	if (slot_logs(eng, agents, &q, e) < 0)
		return err_wrap(e, "%s", name);
	if (p.err.kind == ERR_NONE)
		return 0;
	*e = p.err;
	return -1;
}

/* --- docker's log -------------------------------------------------------------------------- */

static int print_logs(struct context *ctx, struct engine *eng, const char *name, struct err *e)
{
	const struct view_query q = { .stack = ctx->stack, .pool = ctx->pool, .no_status = true };
	struct printer p = { .ctx = ctx };
	struct engine_logs logs = {
		.follow = follow,
		.timestamps = true,
		.tail = tail,
		.since_ns = since_ns ? clock_real_ns() - since_ns : 0,
		.idle_ns = follow ? 0 : LOG_IDLE_NS,
		.fn = on_line,
		.arg = &p,
	};
	AUTO(free) char *service = strdup(name);
	AUTO(view_free) struct view *v = NULL;
	char *dot;
	int rc;

	if (!service)
		return err_nomem(e);
	dot = strrchr(service, '.');
	if (dot) {
		*dot = '\0';
		if (num_int(&p.slot, dot + 1, 1, INT32_MAX, e) < 0)
			return err_wrap(e, "'%s' is not SERVICE or SERVICE.SLOT", name);
	}
	if (view_load(&v, eng, &q, e) < 0)
		return -1;
	p.service = view_find(v, service);
	if (!p.service) {
		err_set(e, ERR_NOT_FOUND, "the stack '%s' has no service '%s'", ctx->stack,
		        service);
		return err_hint(e, "'nodeswarm status' shows what there is");
	}
	if (engine_task_list(eng, ENGINE_FILTERS({ "service", p.service->e.id }), &p.tasks, e) < 0)
		return -1;
	rc = engine_service_logs(eng, p.service->e.id, &logs, e);
	engine_tasks_release(&p.tasks);
	if (rc < 0 && e->kind == ERR_INTERRUPTED) {
		err_clear(e);
		return 0;
	}
	if (rc < 0 && e->kind == ERR_TIMEOUT)
		return err_hint(e,
		        "the engine has not ended the log, which can be when tasks have just been "
		        "made: run it again, or --file, which does not ask it");
	if (rc == 0 && p.err.kind != ERR_NONE) {
		*e = p.err;
		return -1;
	}
	return rc;
}

static int run(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	AUTO(engine_free) struct engine *eng = command_engine(ctx, e);

	if (!eng)
		return -1;
	if (!from_file)
		return print_logs(ctx, eng, argv[0], e);
	if (follow || timestamps || since_ns)
		return command_usage(ctx, e, "'--file' goes with '--tail' only");
	if (tail > SLOT_LOG_TAIL_MAX)
		return command_usage(
		        ctx, e, "'--file' shows %d lines of a slot at most", SLOT_LOG_TAIL_MAX);
	return print_files(ctx, eng, argv[0], e);
}

const struct command cmd_logs = {
	.name = "logs",
	.group = "Cluster",
	.args = "SERVICE[.SLOT]",
	.summary = "show what a service's slots print",
	.description = "From docker's own log of each container: the supervisor's events and the "
	               "chain node's lines. With --json one object a line.\n\n"
	               "Docker's log goes with the container. With --file the chain node's lines "
	               "come from nodeos.log in the slot's directory, through the agents: of every "
	               "host that has the slot, also after it has stopped; the last 100 unless "
	               "--tail says otherwise.",
	.examples = (const char *const[]){ "nodeswarm logs readers.3 --tail 50 -f",
	        "nodeswarm logs readers.3 --file --tail 1000", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
