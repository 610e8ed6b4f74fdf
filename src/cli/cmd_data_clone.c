#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/num.h"
#include "cli/data_print.h"
#include "cli/output.h"
#include "data/copy.h"

#define TURN_MS 20

static bool verify, no_reflink, no_link, any;
static int64_t threads;

static const struct opt opts[] = {
	{ "verify", 0, NULL, "compare digests of both afterwards", .flag = &verify },
	{ "threads", 0, "N", "files at a time (default: as many as help)", .min = 1, .max = 64,
	        .number = &threads },
	{ "no-reflink", 0, NULL, "copy, also where blocks can be shared", .flag = &no_reflink },
	{ "no-link", 0, NULL, "make no hard links of split block logs", .flag = &no_link },
	{ "any", 0, NULL, "also a directory that is no data-dir", .flag = &any },
	{ NULL },
};

struct job {
	const char *from, *to;
	struct copy_options options;
	struct clone_progress progress;
	struct clone_report report;
	struct err err;
	int rc;
	atomic_bool is_done;
};

static void *work(void *arg)
{
	struct job *j = arg;

	j->rc = data_copy(j->from, j->to, &j->options, &j->report, &j->err);
	j->is_done = true;
	return NULL;
}

static void show(struct context *ctx, const struct job *j, int64_t since_ns)
{
	uint64_t done = j->progress.bytes_done, total = j->progress.bytes_total;
	char a[NUM_TEXT_MAX], b[NUM_TEXT_MAX], speed[48] = "";
	int64_t ns = clock_mono_ns() - since_ns;

	if (ns < NS_PER_SEC || !total)
		return;
	if (done)
		snprintf(speed, sizeof(speed), ", %.0f MB/s",
		        (double)done / 1e6 / ((double)ns / 1e9));
	progress_set(ctx, "%s: %s of %s, %llu of %llu files%s", j->to, num_size_text(a, done),
	        num_size_text(b, total), (unsigned long long)j->progress.files_done,
	        (unsigned long long)j->progress.files_total, speed);
}

/* A thread, so that the one that hears Ctrl-C and draws is not the one that copies. */
static int copy(struct context *ctx, struct job *j, struct err *e)
{
	int64_t since = clock_mono_ns();
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, work, j);

	if (rc != 0)
		return err_sys(e, rc, "start a thread");
	while (!j->is_done) {
		(void)poll(NULL, 0, clock_mono_ns() - since < NS_PER_SEC ? 1 : TURN_MS);
		if (!j->is_done)
			show(ctx, j, since);
	}
	(void)pthread_join(thread, NULL);
	progress_end(ctx);
	if (j->rc < 0)
		*e = j->err;
	return j->rc;
}

static int print_report(struct context *ctx, const struct job *j, struct err *e)
{
	const struct clone_report *r = &j->report;
	AUTO(json) json_t *clone = clone_report_json(r);
	char how[DATA_TEXT_MAX], took[NUM_TEXT_MAX], synced[NUM_TEXT_MAX], size[NUM_TEXT_MAX];

	if (!clone)
		return err_nomem(e);
	output_line(ctx, "%s: %llu files, %s, in %s (%s of it for the disk)%s", j->to,
	        (unsigned long long)r->files, num_size_text(size, r->apparent_bytes),
	        num_duration_text(took, r->took_ns), num_duration_text(synced, r->synced_ns),
	        r->is_verified ? ", verified" : "");
	output_line(ctx, "  %s", data_clone_text(how, clone));
	if (*r->why)
		output_line(ctx, "  not all was reflinked: %s", r->why);
	if (r->left_private)
		output_line(ctx, "  left out: %llu files that belong to one node alone",
		        (unsigned long long)r->left_private);
	if (r->left_odd)
		output_line(ctx, "  left out: %llu devices, sockets and pipes",
		        (unsigned long long)r->left_odd);
	if (output_value(ctx, "path", json_string(j->to), e) < 0 ||
	        output_value(ctx, "took_seconds", json_real((double)r->took_ns / 1e9), e) < 0 ||
	        output_value(ctx, "synced_seconds", json_real((double)r->synced_ns / 1e9), e) < 0)
		return -1;
	return output_value(ctx, "clone", json_incref(clone), e);
}

static int run(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	struct job j = {
		.from = argv[0],
		.to = argv[1],
		.options = { .any = any,
		        .clone = { .no_reflink = no_reflink,
		                .no_link = no_link,
		                .threads = (unsigned)threads,
		                .verify = verify,
		                .cancel = &ctx->interrupted } },
		.err = ERR_INIT,
	};

	j.options.clone.progress = &j.progress;
	if (copy(ctx, &j, e) < 0)
		return -1;
	return print_report(ctx, &j, e);
}

const struct command cmd_data_clone = {
	.name = "data clone",
	.group = "Data",
	.args = "FROM TO",
	.summary = "clone a data-dir to a new directory",
	.description =
	        "Two directories of this host; no pool is needed. Blocks are shared where the file "
	        "system can (XFS, Btrfs), block logs that never change are linked where it cannot, "
	        "and the rest is copied with its holes. FROM must be closed and clean. TO gets its "
	        "name when all of it is on disk. What belongs to one node alone (finalizers/, node "
	        "keys, unfinished snapshots) is left out.",
	.examples =
	        (const char *const[]){ "nodeswarm data clone /srv/nodeos/data /srv/nodeos2/data",
	                "nodeswarm data clone old new --verify --no-reflink", NULL },
	.min_args = 2,
	.max_args = 2,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
