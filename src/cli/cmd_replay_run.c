/*
 * `replay run`: a manifest in, a certificate out
 *
 * Each manifest text is a run of its own: its name is the first digits of the text's SHA-256, and
 * the orchestrator has a directory of that name in its volume.  So the same command again finds the
 * run where it was, and another manifest starts another, which is refused while the first one is
 * not done.  What the swarm needs to know goes through stacks/replay.yml and module deploy, as with
 * `up`; the waiting is ours, and may be left and taken up again.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/num.h"
#include "cli/output.h"
#include "cli/plan_print.h"
#include "cli/replay_print.h"
#include "cli/replay_swarm.h"
#include "cli/replay_text.h"
#include "cli/wait.h"
#include "deploy/plan.h"
#include "replay/packed.h"
#include "replay/slices.h"
#include "stack/stack.h"

#define RUN_DIGITS 12
#define POLL_MS    1000
#define FAULTS_MAX 5 /* that are named */

#define FAILURES_MAX 4
#define SILENCE_NS   (20 * NS_PER_SEC)

static const char *file, *keep, *url, *certificate;
static int64_t workers, wait_ns = WAIT_FOREVER;
static bool dry_run;

static const struct opt opts[] = {
	{ "workers", 'n', "N", "how many workers", .value = "4", .min = 1, .max = 10000,
	        .number = &workers },
	{ "dry-run", 0, NULL, "show what would be done, and do nothing", .flag = &dry_run },
	{ "certificate", 0, "FILE", "write the certificate there when the run is over",
	        .string = &certificate },
	{ "file", 'f', "FILE", "the stack file", .value = "stacks/replay.yml", .string = &file },
	OPT_WAIT(wait_ns),
	OPT_REPLAY_KEEP(keep),
	OPT_REPLAY_URL(url),
	{ NULL },
};

/* --- the manifest ---------------------------------------------------------------------------- */

struct manifest {
	struct buf text;
	char run[RUN_DIGITS + 1];
	size_t slices;
};

struct faults {
	struct context *ctx;
	const char *path;
	unsigned n, grave;
};

static void on_fault(
        void *arg, enum slice_fault fault, size_t record, size_t other UNUSED, const char *text)
{
	struct faults *f = arg;

	/* Versions are the workers' business; with any other fault the run would prove nothing. */
	f->grave += fault != SLICE_VERSION;
	if (f->n++ < FAULTS_MAX)
		output_warn(f->ctx, "'%s' record %zu: %s", f->path, record, text);
}

static int read_manifest(struct context *ctx, struct manifest *m, const char *path, struct err *e)
{
	AUTO(slices) struct slices s = SLICES_INIT;
	struct faults f = { .ctx = ctx, .path = path };
	char hex[SHA256_HEX_SIZE];

	if (packed_read(&m->text, path, e) < 0 ||
	        slices_parse(&s, m->text.data ? m->text.data : "", m->text.len, path, e) < 0)
		return -1;
	if (!s.n)
		return err_set(e, ERR_USAGE, "'%s' has no slices", path);
	if (slices_validate(&s, on_fault, &f, e) < 0)
		return -1;
	if (f.grave) {
		err_set(e, ERR_UNHEALTHY, "'%s' has %u fault%s", path, f.n, f.n == 1 ? "" : "s");
		return err_hint(e, "'nodeswarm replay manifest validate %s' shows them", path);
	}
	if (f.n > FAULTS_MAX)
		output_warn(ctx, "and %u more; 'nodeswarm replay manifest validate %s' shows all",
		        f.n - FAULTS_MAX, path);
	m->slices = s.n;
	snprintf(m->run, sizeof(m->run), "%s", sha256_hex(hex, m->text.data, m->text.len));
	return 0;
}

/* --- the stack ------------------------------------------------------------------------------- */

/* What the stack file asks for, before the environment. */
struct vars {
	const char *name[8], *value[8];
	size_t n;
};

static void set_var(struct vars *v, const char *name, const char *value)
{
	v->name[v->n] = name;
	v->value[v->n++] = value;
}

static const char *get_var(void *arg, const char *name)
{
	const struct vars *v = arg;

	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->name[i], name) == 0)
			return v->value[i];
	return getenv(name);
}

static int load_stack(
        struct stack **ret, struct replay_swarm *s, const struct manifest *m, struct err *e)
{
	struct vars v = { .n = 0 };
	const struct stack_vars vars = { .get = get_var, .arg = &v };
	const char *host = getenv("NODESWARM_REPLAY_STATE_HOST");
	char constraint[320], number[24];

	if (!host || !*host) {
		if (replay_swarm_state_host(s, constraint, sizeof(constraint), e) < 0)
			return -1;
		host = constraint;
	}
	snprintf(number, sizeof(number), "%" PRId64, workers);
	set_var(&v, "NODESWARM_REPLAY_STATE_HOST", host);
	set_var(&v, "NODESWARM_REPLAY_RUN", m->run);
	set_var(&v, "NODESWARM_REPLAY_MANIFEST", s->files.manifest);
	set_var(&v, "NODESWARM_REPLAY_TOKENS", s->files.tokens);
	set_var(&v, "NODESWARM_REPLAY_WORKER_TOKEN", s->files.worker_token);
	set_var(&v, "REPLAY_WORKERS", number);
	return stack_load(ret, &file, 1, &vars, e) < 0 ? -1
	                                               : stack_set_name(*ret, s->ctx->stack, e);
}

/* Another manifest's run is not taken away from its workers by mistake. */
static int check_other_run(struct replay_swarm *s, const struct manifest *m, struct err *e)
{
	AUTO(json) json_t *run = NULL;
	char text[REPLAY_TEXT_MAX];

	if (!s->is_there || !s->orchestrators || strcmp(s->run, m->run) == 0)
		return 0;
	run = replay_swarm_ask(s, "GET", "/v1/run", NULL, e);
	if (run && replay_is_done(run))
		return 0;
	if (run)
		err_set(e, ERR_CONFLICT, "another manifest's run is not done: %s",
		        replay_text_summary(text, run));
	else
		err_wrap(e, "another manifest's run is there, and whether it is done is not known");
	return err_hint(e, "'nodeswarm replay stop' ends it; its own 'replay run' goes on with it");
}

static int check_other(struct replay_swarm *s, const struct manifest *m, struct err *e)
{
	if (check_other_run(s, m, e) == 0)
		return 0;
	if (!dry_run || e->kind == ERR_INTERRUPTED)
		return -1;
	output_warn(s->ctx, "%s; without --dry-run this is refused", e->msg);
	err_clear(e);
	return 0;
}

/* `up` leaves a service the size that it has while the file's number is the same; here it is the
 * operator who has just said the number. */
static int set_size(struct replay_swarm *s, struct err *e)
{
	AUTO(slot_ends) struct slot_ends ends = { 0 };
	const struct scale scale = { .service = REPLAY_WORKER, .replicas = workers };

	if (replay_swarm_look(s, e) < 0)
		return -1;
	return s->workers == workers ? 0 : deploy_scale(&s->d, &scale, 1, &ends, e);
}

/* --- waiting --------------------------------------------------------------------------------- */

static int no_longer(struct replay_swarm *s, const char *text, struct err *e)
{
	char time[NUM_TEXT_MAX];

	if (s->ctx->interrupted)
		err_set(e, ERR_INTERRUPTED, "no longer waiting: %s", text);
	else
		err_set(e, ERR_TIMEOUT, "after %s: %s", num_duration_text(time, wait_ns), text);
	return err_hint(e,
	        "the run goes on by itself: look with 'nodeswarm replay status', or wait again "
	        "with the same command");
}

/* Killed now and then it comes back; one that has answered nothing for so long and so many starts
 * does not. */
static int check_crash_loop(const struct replay_swarm *s, struct err *e)
{
	if (s->failures < FAILURES_MAX || clock_real_ns() - s->since_ns < SILENCE_NS)
		return 0;
	err_set(e, ERR_UNAVAILABLE, "the orchestrator does not start: %s", s->failure);
	return err_hint(
	        e, "'docker service logs %s_" REPLAY_ORCHESTRATOR "' says more", s->d.stack);
}

/* Until all slices have ended.  *ret: what the orchestrator says then. */
static int wait_run(struct replay_swarm *s, int64_t until_ns, json_t **ret, struct err *e)
{
	char text[REPLAY_TEXT_MAX] = "the orchestrator has not answered yet";

	for (;;) {
		AUTO(json) json_t *run = replay_swarm_ask(s, "GET", "/v1/run", NULL, e);

		if (run && replay_is_done(run)) {
			*ret = TAKE(run);
			return 0;
		}
		if (run) {
			s->since_ns = clock_real_ns();
			replay_text_progress(text, run);
		} else if (s->ctx->interrupted || e->kind == ERR_INTERRUPTED) {
			/* Said below. */
		} else if (!replay_swarm_may_come(e)) {
			return -1;
		} else {
			output_detail(s->ctx, "%s", e->msg);
		}
		progress_set(s->ctx, "%s%s", text, run ? "" : " (waiting for the orchestrator)");
		err_clear(e);
		if (!s->ctx->interrupted)
			(void)poll(NULL, 0, POLL_MS);
		if (s->ctx->interrupted || (until_ns >= 0 && clock_mono_ns() >= until_ns))
			return no_longer(s, text, e);
		/* It may be on another port or host by now; an engine that is away comes back. */
		if (!run && replay_swarm_look(s, e) < 0)
			err_clear(e);
		if (!run && check_crash_loop(s, e) < 0)
			return -1;
	}
}

static int write_certificate(struct replay_swarm *s, struct err *e)
{
	AUTO(json) json_t *c = NULL;
	AUTO(free) char *text = NULL;

	if (!certificate)
		return 0;
	c = replay_swarm_ask(s, "GET", "/v1/certificate", NULL, e);
	if (!c)
		return -1;
	text = json_text(c, true);
	if (!text)
		return err_nomem(e);
	if (fs_write_at(AT_FDCWD, certificate, text, strlen(text), 0644, e) < 0)
		return err_wrap(e, "write the certificate");
	output_note(s->ctx, "the certificate is in '%s'", certificate);
	return 0;
}

/* --- the command ----------------------------------------------------------------------------- */

static int start(struct replay_swarm *s, const struct manifest *m, struct plan **p, struct err *e)
{
	AUTO(stack_free) struct stack *st = NULL;

	if (replay_swarm_files(s, e) < 0 || replay_swarm_look(s, e) < 0 ||
	        check_other(s, m, e) < 0 ||
	        (dry_run ? replay_files_scratch(&s->files, e) : replay_files_make(&s->files, e)) <
	                0 ||
	        replay_files_pack(&s->files, m->text.data, m->text.len, e) < 0 ||
	        load_stack(&st, s, m, e) < 0 || deploy_up(&s->d, st, dry_run, p, e) < 0)
		return -1;
	if (dry_run)
		return plan_print(s->ctx, *p, e);
	if (set_size(s, e) < 0)
		return -1;
	output_note(s->ctx, "run %s: %zu slices, %" PRId64 " workers, %s%s", m->run, m->slices,
	        workers, *s->url ? "pages at " : "", s->url);
	return 0;
}

static int run_open(struct replay_swarm *s, const struct manifest *m, struct err *e)
{
	int64_t until_ns = wait_ns < 0 ? -1 : clock_mono_ns() + wait_ns;
	AUTO(plan_free) struct plan *p = NULL;
	AUTO(json) json_t *run = NULL;

	if (start(s, m, &p, e) < 0)
		return -1;
	if (dry_run)
		return 0;
	if (output_value(s->ctx, "run_id", json_string(m->run), e) < 0)
		return -1;
	if (wait_ns == 0)
		return 0;
	if (wait_run(s, until_ns, &run, e) < 0 || write_certificate(s, e) < 0)
		return -1;
	return replay_print(s, run, e);
}

static int run(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	struct manifest m = { .text = BUF_INIT(SLICES_TEXT_MAX) };
	struct replay_swarm s;
	int rc;

	if (certificate && wait_ns == 0)
		return command_usage(ctx, e,
		        "--certificate is written when the run is over, and --wait 0 does not "
		        "wait for it");
	rc = read_manifest(ctx, &m, argv[0], e);
	if (rc == 0)
		rc = replay_swarm_open(&s, ctx, keep, url, wait_ns, e);
	if (rc == 0) {
		rc = run_open(&s, &m, e);
		replay_swarm_close(&s);
	}
	buf_release(&m.text);
	return rc;
}

const struct command cmd_replay_run = {
	.name = "replay run",
	.group = "Replay",
	.args = "MANIFEST",
	.summary = "replay a manifest's slices on the swarm and wait for the verdict",
	.description =
	        "Starts an orchestrator on its state host and N workers (stacks/replay.yml), shows "
	        "how far they are, and ends with a summary: exit status 0 only if no slice failed "
	        "and none has another hash than expected.\n\n"
	        "Ctrl-C leaves the run as it is; the same command with the same manifest waits for "
	        "it again. Workers that are done idle until 'nodeswarm replay stop'.\n\n"
	        "The state host is that of the first run, or the one with the label "
	        "nodeswarm.replay=state, or the host of the engine. Its volume has all that is "
	        "known of every run.\n\n"
	        "Workers get blocks from $NODESWARM_REPLAY_PEERS (HOST:PORT, blank separated) and "
	        "snapshots that are files from $NODESWARM_REPLAY_SNAPSHOTS, a "
	        "directory of every worker host; the stack file has the other variables.",
	.examples = (const char *const[]){ "NODESWARM_REPLAY_PEERS=10.0.0.3:9876 "
	                                   "nodeswarm replay run manifest.json -n 10",
	        "nodeswarm replay run manifest.json -n 20 --certificate c.json", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
