/*
 * check: options -> nodes to ask -> rounds -> verdict
 *
 * A round (watch/sampler.h) asks all nodes at once and feeds the model (watch/watch.h), which
 * judges; here is how many rounds there are, what follows them (check_canary.h, check_external.h),
 * and how it is shown (check_print.h, check_live.h, check_junit.h).
 */

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "cli/check_canary.h"
#include "cli/check_external.h"
#include "cli/check_junit.h"
#include "cli/check_live.h"
#include "cli/check_pace.h"
#include "cli/check_print.h"
#include "cli/command.h"
#include "cli/load_files.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "deploy/agents.h"
#include "engine/engine.h"
#include "watch/sampler.h"

/* From round to round while more would tell more, but not for ever: two hundred nodes that are
 * asked so often cost half a core. */
#define HURRY_NS     (50 * NS_PER_MS)
#define HURRY_ROUNDS 20
#define LOOK_MS      200 /* for Ctrl-C */
#define JUNIT_MAX    ((size_t)16 << 20)
#define VERDICT_MAX  512

static struct {
	struct strvec references, set;
	const char *chain_id, *fail_on, *junit;
	int64_t for_ns, every_ns, timeout_ns;
	bool with_stack, watch, rules;
	struct check_canary_options canary;
	struct check_external_options external;
} o;

/* --- options ---------------------------------------------------------------------------------- */

static int check_set(const char *value, struct err *e)
{
	struct watch_settings unused;

	watch_settings_init(&unused);
	return watch_settings_set(&unused, value, e);
}

static int check_fail_on(const char *value, struct err *e)
{
	enum watch_criticality unused;

	return watch_criticality_parse(&unused, value, e);
}

static int check_chain_id(const char *value, struct err *e)
{
	if (hex_is(value, 64))
		return 0;
	return err_set(e, ERR_USAGE, "'%.80s' is not a chain id: 64 digits of 0-9 and a-f", value);
}

static const struct opt opts[] = {
	{ "reference", 'r', "URL",
	        "a node of somebody else on the same chain, to compare ours with",
	        .strings = &o.references },
	{ "with-stack", 0, NULL, "with URLs: check the stack's slots, too", .flag = &o.with_stack },
	{ "chain-id", 0, "ID", "expect that chain, not the one that most nodes are of",
	        .check = check_chain_id, .string = &o.chain_id },
	{ "set", 's', "NAME=VALUE", "another threshold; --rules shows them", .check = check_set,
	        .strings = &o.set },
	{ "fail-on", 0, "minor|major|critical|blocker",
	        "what makes it unhealthy: 'minor', 'major', 'critical' or 'blocker', and worse",
	        .value = "major", .check = check_fail_on, .string = &o.fail_on },
	{ "for", 0, "TIME", "watch at least so long, and report what came and went, too",
	        .duration = &o.for_ns },
	{ "watch", 'w', NULL,
	        "go on until interrupted: a page on a terminal, else a line for each change",
	        .flag = &o.watch },
	{ "every", 0, "TIME", "from round to round with --watch and --for", .value = "500ms",
	        .min = 50 * NS_PER_MS, .duration = &o.every_ns },
	{ "timeout", 0, "TIME", "how long a node may take to answer", .value = "1s",
	        .min = 50 * NS_PER_MS, .duration = &o.timeout_ns },
	{ "junit", 0, "FILE", "write the result as JUnit XML there; '-' is standard output",
	        .string = &o.junit },
	{ "rules", 0, NULL, "show what is looked for, and the thresholds", .flag = &o.rules },
	CHECK_CANARY_OPTS(o.canary),
	CHECK_EXTERNAL_OPTS(o.external),
	{ NULL },
};

/* All that one run has. */
struct check {
	struct context *ctx;
	struct watch_settings settings;
	enum watch_criticality fail_on;
	struct strvec nodes;
	bool has_stack;
	struct watch *w;
	struct engine *engine;
	struct agents *agents;
	struct sampler *sampler;
	struct check_canary *canary;     /* NULL: not wanted */
	struct check_external *external; /* NULL: not wanted */
	struct load_file junit;
	struct check_over over;
	struct check_pace pace;
	unsigned hurried;  /* rounds in a row */
	struct err failed; /* of the canary or the fresh node */
};

static void check_release(struct check *c)
{
	sampler_free(c->sampler);
	check_canary_free(c->canary);
	check_external_free(c->external);
	agents_free(c->agents);
	engine_free(c->engine);
	watch_free(c->w);
	load_file_release(&c->junit);
	check_over_release(&c->over);
	strvec_release(&c->nodes);
}

static bool is_stdout(const char *file)
{
	return file && strcmp(file, "-") == 0;
}

static int check_ways(const struct context *ctx, const struct check *c, struct err *e)
{
	if (o.watch && (o.junit || o.canary.key_file || o.external.is_wanted))
		return command_usage(ctx, e,
		        "--junit, --canary and --connect-external are of one check, not of "
		        "--watch");
	if (o.watch && o.for_ns)
		return command_usage(ctx, e, "--watch has no end: leave --for out");
	if (is_stdout(o.junit) && ctx->json)
		return command_usage(ctx, e, "--json and --junit - both want standard output");
	if (o.with_stack && c->nodes.n == 0)
		return command_usage(
		        ctx, e, "--with-stack is for URLs; without any the stack is checked");
	if (o.external.is_wanted && !c->has_stack)
		return command_usage(
		        ctx, e, "--connect-external is about a stack: say --with-stack");
	return 0;
}

static int read_options(struct check *c, int argc, char **argv, struct err *e)
{
	watch_settings_init(&c->settings);
	for (size_t i = 0; i < o.set.n; i++)
		if (watch_settings_set(&c->settings, o.set.v[i], e) < 0)
			return -1;
	if (o.chain_id)
		memcpy(c->settings.chain_id, o.chain_id, sizeof(c->settings.chain_id));
	for (int i = 0; i < argc; i++)
		if (strvec_add(&c->nodes, argv[i]) < 0)
			return err_nomem(e);
	c->has_stack = argc == 0 || o.with_stack;
	return watch_criticality_parse(&c->fail_on, o.fail_on, e);
}

/* What can be wrong with options is found before anybody is asked. */
static int open_all(struct check *c, struct err *e)
{
	struct context *ctx = c->ctx;
	struct sampler_config config = { .stack = ctx->stack,
		.pool = ctx->pool,
		.nodes = &c->nodes,
		.references = &o.references,
		.limit_ns = o.timeout_ns,
		.interrupted = &ctx->interrupted };

	if (o.junit && !is_stdout(o.junit) && load_file_open(&c->junit, "--junit", o.junit, e) < 0)
		return -1;
	if (o.canary.key_file) {
		c->canary = check_canary_new(ctx, &o.canary, &c->nodes, &o.references, e);
		if (!c->canary)
			return -1;
	}
	if (o.external.is_wanted) {
		c->external = check_external_new(ctx, &o.external, e);
		if (!c->external)
			return -1;
	}
	if (c->has_stack) {
		c->engine = command_engine(ctx, e);
		if (!c->engine)
			return -1;
		c->agents = agents_new(c->engine, ctx->stack, ctx->pool, &ctx->interrupted, e);
		if (!c->agents)
			return -1;
		config.engine = c->engine;
		config.agents = c->agents;
	}
	/* Before the sampler's thread may be at the engine. */
	if (c->external && check_external_plan(c->external, c->engine, &c->settings, e) < 0)
		return -1;
	c->w = watch_new(&c->settings, e);
	c->sampler = c->w ? sampler_new(c->w, &config, e) : NULL;
	return c->sampler ? 0 : -1;
}

/* --- rounds ----------------------------------------------------------------------------------- */

static void end_round(struct check *c)
{
	struct watch_summary s;

	watch_summary(c->w, &s);
	check_pace_round(&c->pace,
	        &(struct check_pace_facts){ .is_settled = watch_is_settled(c->w),
	                .waits_only_for_production = watch_waits_only_for_production(c->w),
	                .seen_seconds = s.production_seconds });
}

/* Until the next round is due, or Ctrl-C. */
static void wait_until(const struct check *c, int64_t at_ns)
{
	int64_t left;

	while ((left = at_ns - clock_mono_ns()) > 0 && !c->ctx->interrupted)
		(void)poll(NULL, 0,
		        left < LOOK_MS * NS_PER_MS ? (int)((left + NS_PER_MS - 1) / NS_PER_MS)
		                                   : LOOK_MS);
}

/* A node that is suspected of something is asked again soon. */
static int64_t next_round(struct check *c, int64_t began_ns)
{
	c->hurried = watch_is_settled(c->w) ? 0 : c->hurried + 1;
	if (!c->hurried || c->hurried > HURRY_ROUNDS || o.every_ns < HURRY_NS)
		return began_ns + o.every_ns;
	return began_ns + HURRY_NS;
}

static bool has_nodes(const struct check *c)
{
	struct watch_row unused;

	return watch_row(c->w, 0, &unused);
}

static int no_nodes(const struct check *c, struct err *e)
{
	err_set(e, ERR_NOT_FOUND, "the stack '%s' has no chain node that is to run", c->ctx->stack);
	return err_hint(e, "'nodeswarm up' starts them; other nodes are named by their URLs");
}

/* One round.  0, 1 when Ctrl-C has ended a check that knows what to say, -1. */
static int run_round(struct check *c, unsigned rounds, struct err *e)
{
	bool is_known = check_pace_is_judged(&c->pace, clock_mono_ns());

	if (sampler_round(c->sampler, e) < 0) {
		if (e->kind == ERR_INTERRUPTED && !is_known)
			return err_wrap(e, "there is no verdict yet");
		if (e->kind == ERR_INTERRUPTED) {
			err_clear(e);
			return 1;
		}
		/* Later the list of tasks is known, if not the newest. */
		if (rounds == 1)
			return -1;
		output_detail(c->ctx, "%s", e->msg);
		err_clear(e);
	}
	end_round(c);
	return has_nodes(c) ? 0 : no_nodes(c, e);
}

static void show_round(const struct check *c)
{
	int64_t now_ns = clock_mono_ns();
	char window[CHECK_WINDOW_MAX];
	struct watch_summary s;

	if (!c->ctx->err_tty)
		return;
	watch_summary(c->w, &s);
	if (check_pace_is_judged(&c->pace, now_ns) && check_pace_is_growing(&c->pace, now_ns))
		progress_set(
		        c->ctx, "asking for more blocks: %s seen", check_window_text(window, &s));
	else
		progress_set(c->ctx, "asking all nodes");
}

/* The rounds of one check. */
static int run_rounds(struct check *c, struct err *e)
{
	for (unsigned rounds = 1;; rounds++) {
		int64_t began = clock_mono_ns();
		int rc;

		show_round(c);
		rc = run_round(c, rounds, e);
		if (rc < 0)
			return -1;
		if (rc > 0)
			break;
		if (rounds > 1)
			check_over_add(&c->over, watch_findings(c->w), clock_mono_ns());
		if (clock_mono_ns() - c->pace.began_ns >= o.for_ns &&
		        check_pace_is_done(&c->pace, clock_mono_ns()))
			break;
		wait_until(c, next_round(c, began));
	}
	progress_end(c->ctx);
	return 0;
}

/* --- the report ------------------------------------------------------------------------------- */

static bool is_healthy(const struct check *c)
{
	return watch_is_healthy(c->w, c->fail_on) &&
	        (!c->canary || check_canary_report(c->canary)->is_good) &&
	        (!c->external || check_external_report(c->external)->is_good);
}

/* Who has seen little of production cannot say much about it. */
static const char *well_text(const struct check *c, char out[VERDICT_MAX])
{
	char window[CHECK_WINDOW_MAX];
	struct watch_summary s;
	size_t n;

	(void)watch_verdict_text(c->w, c->fail_on, out, VERDICT_MAX);
	watch_summary(c->w, &s);
	n = strlen(out);
	if (watch_is_healthy(c->w, c->fail_on) && *check_window_text(window, &s))
		snprintf(out + n, VERDICT_MAX - n, " (production seen for %s)", window);
	return out;
}

static const char *verdict_text(const struct check *c, char out[VERDICT_MAX])
{
	if (!watch_is_healthy(c->w, c->fail_on) || is_healthy(c))
		return well_text(c, out);
	if (c->canary && !check_canary_report(c->canary)->is_good)
		snprintf(out, VERDICT_MAX, "unhealthy: %s", check_canary_report(c->canary)->text);
	else
		snprintf(out, VERDICT_MAX, "unhealthy: %s",
		        check_external_report(c->external)->text);
	return out;
}

static int unhealthy(const struct check *c, struct err *e)
{
	const struct findings *f = watch_findings(c->w);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += watch_rules[f->v[i].rule].criticality >= c->fail_on;
	if (n)
		return err_set(e, ERR_UNHEALTHY, "%zu finding%s of criticality '%s'%s", n,
		        n == 1 ? "" : "s", watch_criticality_name(c->fail_on),
		        c->fail_on == WATCH_BLOCKER ? "" : " or worse");
	if (!watch_is_healthy(c->w, c->fail_on))
		return err_set(e, ERR_UNHEALTHY, "no node of ours answers");
	return err_set(e, ERR_UNHEALTHY, "the chain is well, but not all that was tried on it");
}

static int write_junit(struct check *c, struct err *e)
{
	AUTO(buf) struct buf xml = BUF_INIT(JUNIT_MAX);
	char verdict[VERDICT_MAX];
	struct check_junit how = { .fail_on = c->fail_on,
		.is_healthy = is_healthy(c),
		.verdict = verdict_text(c, verdict),
		.real_ns = clock_real_ns(),
		.took_ns = clock_mono_ns() - c->pace.began_ns };

	if (!o.junit)
		return 0;
	if (check_junit(&xml, c->w, &how, e) < 0)
		return -1;
	if (!is_stdout(o.junit))
		return load_file_commit(&c->junit, xml.data, xml.len, e);
	(void)fwrite(xml.data, 1, xml.len, c->ctx->out);
	return 0;
}

static int print_report(struct check *c, struct err *e)
{
	struct context *ctx = c->ctx;
	char verdict[VERDICT_MAX];

	if (output_value(ctx, "healthy", json_boolean(is_healthy(c)), e) < 0 ||
	        output_value(ctx, "verdict", json_string(verdict_text(c, verdict)), e) < 0 ||
	        check_print_nodes(ctx, c->w, false, SIZE_MAX, e) < 0 ||
	        check_print_findings(ctx, c->w, clock_mono_ns(), e) < 0 ||
	        check_print_over(ctx, &c->over, e) < 0 ||
	        check_print_production(ctx, c->w, e) < 0 ||
	        (c->canary && check_canary_print(c->canary, e) < 0) ||
	        (c->external && check_external_print(c->external, e) < 0))
		return -1;
	output_line(ctx, "\n%s", verdict);
	return 0;
}

/* With an engine of its own: the sampler's thread may be at the other. */
static int run_external(struct check *c, struct err *e)
{
	AUTO(engine_free) struct engine *engine = command_engine(c->ctx, e);

	return engine ? check_external_run(c->external, engine, &c->settings, sampler_ask_height,
	                        c->sampler, e)
	              : -1;
}

/* The canary, then the fresh node.  What fails of it is no reason to keep the rest to ourselves. */
static void run_trials(struct check *c)
{
	struct watch_summary s;

	watch_summary(c->w, &s);
	if (c->canary)
		(void)!check_canary_run(
		        c->canary, s.chain_id, sampler_ask_height, c->sampler, &c->failed);
	if (c->external && !c->failed.kind)
		(void)!run_external(c, &c->failed);
	progress_end(c->ctx);
}

static int check_once(struct check *c, struct err *e)
{
	if (run_rounds(c, e) < 0)
		return -1;
	run_trials(c);
	if (write_junit(c, e) < 0 || (!is_stdout(o.junit) && print_report(c, e) < 0))
		return -1;
	if (c->failed.kind) {
		*e = c->failed;
		return -1;
	}
	return is_healthy(c) ? 0 : unhealthy(c, e);
}

/* --- watching --------------------------------------------------------------------------------- */

/* Whether a round that failed is worth another. */
static bool may_pass(const struct check *c, const struct err *why)
{
	return why->kind == ERR_UNAVAILABLE || why->kind == ERR_TIMEOUT || has_nodes(c);
}

static int watch_rounds(struct check *c, struct check_live *live, struct err *e)
{
	bool is_begun = false;

	while (!c->ctx->interrupted) {
		int64_t began = clock_mono_ns();
		struct err trouble = ERR_INIT;

		if (sampler_round(c->sampler, &trouble) < 0 && trouble.kind == ERR_INTERRUPTED)
			break;
		if (trouble.kind != ERR_NONE && !may_pass(c, &trouble)) {
			*e = trouble;
			return -1;
		}
		end_round(c);
		/* What is not looked into yet is no verdict. */
		is_begun = is_begun || check_pace_is_judged(&c->pace, clock_mono_ns());
		if (is_begun &&
		        check_live_round(live, trouble.kind == ERR_NONE ? NULL : trouble.msg,
		                clock_mono_ns(), e) < 0)
			return -1;
		wait_until(c, next_round(c, began));
	}
	return 0;
}

static int check_on(struct check *c, struct err *e)
{
	struct check_live live;
	char title[200];

	snprintf(title, sizeof(title), "nodeswarm check%s%s", c->has_stack ? "  " : "",
	        c->has_stack ? c->ctx->stack : "");
	check_live_init(&live, c->ctx, c->w, c->fail_on, title);
	if (watch_rounds(c, &live, e) < 0)
		return -1;
	return watch_is_healthy(c->w, c->fail_on) ? 0 : unhealthy(c, e);
}

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	struct check c = { .ctx = ctx, .junit = LOAD_FILE_INIT, .pace.began_ns = clock_mono_ns() };
	int rc;

	if (read_options(&c, argc, argv, e) < 0 || check_ways(ctx, &c, e) < 0)
		rc = -1;
	else if (o.rules)
		rc = check_print_rules(ctx, &c.settings, e);
	else if (open_all(&c, e) < 0)
		rc = -1;
	else
		rc = o.watch ? check_on(&c, e) : check_once(&c, e);
	check_release(&c);
	return rc;
}

const struct command cmd_check = {
	.name = "check",
	.group = "Cluster",
	.args = "[URL...]",
	.summary = "judge whether the chain is well: sync, forks, production",
	.description =
	        "Asks all chain nodes at once, several times until it is sure, and gives one "
	        "verdict: the slots of the stack, through the agents of their hosts, or the nodes "
	        "at the URLs (http://HOST[:PORT]). Exits with 0 if it is healthy, with 1 if "
	        "anything of the criticality --fail-on, or worse, is found."
	        "\n\n"
	        "Heads are compared with those that most of ours have reached; with --reference "
	        "also with the rest of the world, so that 'we lag' and 'the reference lags' are "
	        "told apart. Block ids are compared at a height that all have; where they differ "
	        "the fork is followed down to the block where it begins. Who missed slots and "
	        "rounds, and transactions per second, is counted in the blocks themselves."
	        "\n\n"
	        "LAG is in blocks, AGE is that of the head block by the asking host's clock. "
	        "Findings stand below the table, the worst first, with what they are based on; "
	        "--rules lists all that is looked for, --set moves a threshold."
	        "\n\n"
	        "--canary sends a signed transfer and waits for it on every node; "
	        "--connect-external starts a fresh node and sees that it gets the chain. Both are "
	        "part of the verdict.",
	.examples = (const char *const[]){ "nodeswarm check",
	        "nodeswarm check --reference https://eos.example.com --for 30s",
	        "nodeswarm check http://10.0.0.5:8888 http://10.0.0.6:8888",
	        "nodeswarm check --watch --set lag-blocks=10",
	        "nodeswarm check --junit check.xml --fail-on minor",
	        "nodeswarm check --json | jq -r '.findings[] | .rule + \" \" + .subject'", NULL },
	.max_args = -1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
