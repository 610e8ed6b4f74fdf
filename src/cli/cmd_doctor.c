#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/firewall_state.h"
#include "agent/host.h"
#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/output.h"
#include "deploy/agents.h"
#include "deploy/doctor.h"
#include "engine/engine.h"

static bool only_bad;

static const struct opt opts[] = {
	{ "problems", 'p', NULL, "show warnings and problems only", .flag = &only_bad },
	{ NULL },
};

static void print_line(struct context *ctx, const struct doctor_line *l)
{
	output_line(ctx, "%-8s %s%s%s%s: %s", doctor_level_name(l->level), l->check,
	        *l->host ? " (" : "", l->host, *l->host ? ")" : "", l->found);
	if (*l->advice)
		output_line(ctx, "         -> %s", l->advice);
}

static int print_report(struct context *ctx, const struct doctor_report *r, struct err *e)
{
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++) {
		const struct doctor_line *l = &r->v[i];

		if (only_bad && l->level < DOCTOR_WARNING)
			continue;
		print_line(ctx, l);
		if (json_array_append_new(list,
		            json_pack("{s:s, s:s, s:o, s:s, s:o}", "level",
		                    doctor_level_name(l->level), "check", l->check, "host",
		                    *l->host ? json_string(l->host) : json_null(), "found",
		                    l->found, "advice",
		                    *l->advice ? json_string(l->advice) : json_null())) < 0)
			return err_nomem(e);
	}
	output_line(ctx, "%zu ok, %zu notes, %zu warnings, %zu problems", r->count[DOCTOR_OK],
	        r->count[DOCTOR_NOTE], r->count[DOCTOR_WARNING], r->count[DOCTOR_PROBLEM]);
	if (output_value(ctx, "checks", TAKE(list), e) < 0 ||
	        output_value(ctx, "warnings", json_integer((json_int_t)r->count[DOCTOR_WARNING]),
	                e) < 0 ||
	        output_value(
	                ctx, "problems", json_integer((json_int_t)r->count[DOCTOR_PROBLEM]), e) < 0)
		return -1;
	if (r->count[DOCTOR_PROBLEM] == 0)
		return 0;
	return err_set(e, ERR_UNHEALTHY, "%zu problem%s", r->count[DOCTOR_PROBLEM],
	        r->count[DOCTOR_PROBLEM] == 1 ? "" : "s");
}

/* As an agent gives them. */
static json_t *local_facts(const char *path)
{
	AUTO(json) json_t *facts = host_facts(path);
	AUTO(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (facts && fd >= 0 && firewall_state_is_saved(fd) &&
	        json_object_set_new(facts, "firewall", firewall_state(fd)) < 0)
		return NULL;
	return TAKE(facts);
}

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(engine_free) struct engine *eng = command_engine(ctx, e);
	AUTO(agents_free) struct agents *agents = NULL;
	AUTO(doctor_report) struct doctor_report r = DOCTOR_REPORT_INIT;
	AUTO(json) json_t *facts = NULL;

	(void)argc;
	(void)argv;
	if (!eng)
		return -1;
	agents = agents_new(eng, ctx->stack, ctx->pool, &ctx->interrupted, e);
	if (!agents)
		return -1;
	progress_set(ctx, "looking at the engine and its hosts");
	facts = doctor_collect(
	        &(struct doctor_query){
	                .engine = eng,
	                .agents = agents,
	                .stack = ctx->stack,
	                .pool = ctx->pool,
	                .local_facts = local_facts,
	        },
	        e);
	if (!facts)
		return -1;
	if (ctx->interrupted)
		return err_set(e, ERR_INTERRUPTED, "interrupted; nothing was changed");
	return doctor_judge(&r, facts, e) < 0 ? -1 : print_report(ctx, &r, e);
}

const struct command cmd_doctor = {
	.name = "doctor",
	.group = "Host",
	.args = "",
	.summary = "look for what is wrong with engine, swarm and hosts",
	.description = "Looks at the engine, the swarm, and, through the agents, at every host: "
	               "pool, clock, "
	               "ports, kernel, limits, images. Each line is ok, a note, a warning or a "
	               "problem, with "
	               "what to do about it. It changes nothing, and works without agents, without "
	               "a swarm "
	               "and without an engine as far as it can."
	               "\n\n"
	               "Exits with 1 when there is a problem.",
	.examples =
	        (const char *const[]){ "nodeswarm doctor", "nodeswarm doctor --problems", NULL },
	.max_args = 0,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
