/* replay manifest generate, replay manifest validate: the list of a replay's slices. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/num.h"
#include "base/table.h"
#include "cli/command.h"
#include "cli/output.h"
#include "replay/generate.h"
#include "replay/slices.h"
#include "replay/upload.h"

/* --- generate --------------------------------------------------------------------------------- */

static struct generate how;
static struct upload up;
static const char *leap_version, *spring_version, *output, *bucket;
static int64_t spacing, min_height, max_height;
static bool eosnation, upload, debug, without_genesis;

static const struct opt generate_opts[] = {
	{ "source-net", 0, "NET",
	        "only snapshots with that word in their path or the heading above them; mainnet "
	        "with --source-eosnation, else all unless said",
	        .string = &how.net },
	{ "snapshot-version", 0, "WORD",
	        "only snapshots with that word; v6 with --source-eosnation, else all unless said",
	        .string = &how.snapshot_version },
	{ "leap-version", 0, "VERSION", "nodeos that is to replay, as leap_version",
	        .value = "5.0.0", .exclusive = 'v', .string = &leap_version },
	{ "spring-version", 0, "VERSION", "nodeos that is to replay, as spring_version",
	        .exclusive = 'v', .string = &spring_version },
	{ "source-eosnation", 0, NULL, "the list of EOS Nation, " GENERATE_EOSNATION,
	        .flag = &eosnation },
	{ "block-space-between-slices", 0, "N", "least blocks of a slice", .value = "5000",
	        .max = UINT32_MAX, .number = &spacing },
	{ "min-block-height", 0, "N", "leave out snapshots up to that height", .value = "0",
	        .max = UINT32_MAX, .number = &min_height },
	{ "max-block-height", 0, "N", "leave out snapshots from that height on; 0 is no limit",
	        .value = "0", .max = UINT32_MAX, .number = &max_height },
	{ "without-genesis", 0, NULL,
	        "begin with the first snapshot, not at block 0; so it is with --min-block-height",
	        .flag = &without_genesis },
	{ "upload-snapshots", 0, NULL,
	        "copy the slices' snapshots into --bucket, and name them there", .flag = &upload },
	{ "bucket", 0, "URL", "where --upload-snapshots copies to, s3://BUCKET/PREFIX",
	        .needs = "upload-snapshots", .string = &bucket },
	{ "s3-endpoint", 0, "URL", "the S3 server; Amazon's unless said", .env = "AWS_ENDPOINT_URL",
	        .string = &how.endpoint },
	{ "s3-region", 0, "REGION", "its region; us-east-1 unless said", .env = "AWS_REGION",
	        .string = &how.region },
	{ "output", 'o', "FILE", "write the manifest to FILE, as a whole", .string = &output },
	{ "debug", 0, NULL, "tell which files were left out, and why", .flag = &debug },
	{ NULL },
};

static void on_upload(void *arg, const char *url, uint64_t size, bool was_there)
{
	char text[NUM_TEXT_MAX];

	output_note(arg, "%s '%s', %s", was_there ? "already there:" : "copied:", url,
	        num_size_text(text, size));
}

static int take_options(struct context *ctx, int argc, char **argv, struct err *e)
{
	if (eosnation ? argc > 0 : argc == 0)
		return command_usage(ctx, e, "%s",
		        eosnation ? "--source-eosnation is the source, there is no other"
		                  : "the source is missing: a directory, an http:// or s3:// URL");
	how.source = eosnation ? GENERATE_EOSNATION : argv[0];
	if (eosnation && !how.net)
		how.net = "mainnet";
	if (eosnation && !how.snapshot_version)
		how.snapshot_version = "v6";
	if (upload && strcmp(generate_storage(how.source), "s3") == 0)
		return command_usage(
		        ctx, e, "--upload-snapshots is for snapshots that are not in a bucket yet");
	if (upload && !bucket)
		return command_usage(ctx, e,
		        "--upload-snapshots needs to know where: --bucket s3://BUCKET/PREFIX");
	if (max_height && max_height <= min_height)
		return command_usage(ctx, e, "nothing is above block %lld and below %lld",
		        (long long)min_height, (long long)max_height);
	how.is_spring = spring_version != NULL;
	how.version = spring_version ? spring_version : leap_version;
	how.spacing = (uint32_t)spacing;
	how.min = (uint32_t)min_height;
	how.max = (uint32_t)max_height;
	how.from_genesis = !without_genesis && !min_height;
	how.interrupt = &ctx->interrupted;
	return 0;
}

static int print_manifest(struct context *ctx, const struct slices *s, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(SLICES_TEXT_MAX);

	if (output) {
		if (slices_write(s, output, e) < 0)
			return -1;
		output_note(ctx, "%zu slice%s, blocks %u to %u, in '%s'", s->n,
		        s->n == 1 ? "" : "s", s->v[0].start, s->v[s->n - 1].end, output);
		return 0;
	}
	if (slices_text(s, &text, e) < 0)
		return -1;
	output_line(ctx, "%s", text.data);
	return 0;
}

static inline void auto_snapshot_refs(struct snapshot_refs *s)
{
	snapshot_refs_release(s);
}

static int run_generate(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(snapshot_refs) struct snapshot_refs refs = { .v = NULL };
	AUTO(strvec) struct strvec left_out = STRVEC_INIT;
	AUTO(slices) struct slices s = SLICES_INIT;

	if (take_options(ctx, argc, argv, e) < 0 ||
	        snapshot_refs_list(&refs, &how, debug ? &left_out : NULL, e) < 0)
		return -1;
	for (size_t i = 0; i < left_out.n; i++)
		output_note(ctx, "left out %s", left_out.v[i]);
	if (debug)
		output_note(ctx, "%zu snapshots in '%s'", refs.n, how.source);
	if (generate_slices(&s, &refs, &how, e) < 0)
		return -1;
	up = (struct upload){
		.bucket = bucket,
		.endpoint = how.endpoint,
		.region = how.region,
		.interrupt = &ctx->interrupted,
		.fn = on_upload,
		.arg = ctx,
	};
	if (upload && upload_snapshots(&s, &up, e) < 0)
		return -1;
	return print_manifest(ctx, &s, e);
}

const struct command cmd_replay_manifest_generate = {
	.name = "replay manifest generate",
	.group = "Replay",
	.args = "[SOURCE]",
	.summary = "make a manifest from the snapshots that there are",
	.description =
	        "SOURCE is a directory, the page of a web server that links to snapshots, or a "
	        "bucket (s3://BUCKET/PREFIX). The height is taken from a snapshot's name: "
	        "'snapshot-2018-08-01-16-eos-v6-0008918217.bin.zst', or nodeos's own "
	        "'snapshot-<block id>.bin'. Slices follow on each other without a gap, from "
	        "block 0 to the last snapshot, each at least --block-space-between-slices long; "
	        "expected hashes are not known yet."
	        "\n\n"
	        "The keys of a bucket come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; "
	        "without them requests are not signed.",
	.examples =
	        (const char *const[]){
	                "nodeswarm replay manifest generate /srv/snapshots -o manifest.json",
	                "nodeswarm replay manifest generate --spring-version 1.0.3 "
	                "s3://bucket/mainnet/",
	                "nodeswarm replay manifest generate --source-eosnation --debug", NULL },
	.max_args = 1,
	.opts = generate_opts,
	.run = run_generate,
};

/* --- validate --------------------------------------------------------------------------------- */

static const char *config;

static const struct opt validate_opts[] = {
	{ "config", 'c', "FILE", "the manifest, as the public tool has it", .string = &config },
	{ NULL },
};

static const struct table_column cols[] = {
	{ "RECORD", "record", TABLE_NUMBER },
	{ "FAULT", "fault", TABLE_TEXT },
	{ "OTHER", "other_record", TABLE_NUMBER },
	{ "WHAT", "text", TABLE_WIDE },
};

static void on_fault(void *arg, enum slice_fault f, size_t record, size_t other, const char *text)
{
	struct table *t = arg;

	table_row(t);
	table_set(t, 0, json_integer((json_int_t)record));
	table_set(t, 1, json_string(slice_fault_name(f)));
	if (other)
		table_set(t, 2, json_integer((json_int_t)other));
	table_set(t, 3, json_string(text));
}

/* What a manifest covers; its order does not matter. */
static int tell_range(struct context *ctx, const struct slices *s, bool is_sound, struct err *e)
{
	uint32_t first = UINT32_MAX, last = 0;
	size_t known = 0;

	for (size_t i = 0; i < s->n; i++) {
		first = s->v[i].start < first ? s->v[i].start : first;
		last = s->v[i].end > last ? s->v[i].end : last;
		known += s->v[i].expected_hash[0] != '\0';
	}
	if (is_sound)
		output_line(ctx,
		        "good: %zu slice%s, blocks %u to %u without a gap; expected hashes known: "
		        "%zu",
		        s->n, s->n == 1 ? "" : "s", first, last, known);
	if (output_value(ctx, "valid", json_boolean(is_sound), e) < 0 ||
	        output_value(ctx, "slices", json_integer((json_int_t)s->n), e) < 0 ||
	        output_value(ctx, "expected_hashes", json_integer((json_int_t)known), e) < 0)
		return -1;
	if (!s->n)
		return 0;
	return output_value(ctx, "first_block", json_integer(first), e) < 0
	        ? -1
	        : output_value(ctx, "last_block", json_integer(last), e);
}

static int run_validate(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	AUTO(buf) struct buf text = BUF_INIT(SLICES_TEXT_MAX);
	AUTO(slices) struct slices s = SLICES_INIT;
	const char *path = config ? config : argv[0];
	int rc, faults;

	if (!config == !argc)
		return command_usage(ctx, e, "the manifest is to be named, and once");
	if (!t)
		return err_nomem(e);
	rc = fs_read_at(AT_FDCWD, path, &text, e);
	if (rc > 0)
		return err_set(e, ERR_NOT_FOUND, "there is no manifest '%s'", path);
	faults = rc < 0 ? -1 : slices_examine(&s, text.data, text.len, path, on_fault, t, e);
	if (faults < 0)
		return -1;
	if ((faults || ctx->json) && output_table(ctx, "faults", t, e) < 0)
		return -1;
	if (tell_range(ctx, &s, !faults && s.n, e) < 0)
		return -1;
	if (faults)
		return err_set(e, ERR_UNHEALTHY, "'%s' has %d fault%s", path, faults,
		        faults == 1 ? "" : "s");
	return s.n ? 0 : err_set(e, ERR_UNHEALTHY, "'%s' has no slice", path);
}

const struct command cmd_replay_manifest_validate = {
	.name = "replay manifest validate",
	.group = "Replay",
	.args = "[MANIFEST]",
	.summary = "check that a manifest's slices make one history",
	.description =
	        "Sound is a manifest whose slices, by height, follow on each other: no gap, no "
	        "overlap, no range twice, no end before its start; with a snapshot wherever a "
	        "slice does not start at 0, storage that is known, one nodeos version, and "
	        "expected hashes that can be some. Each fault is told with its record's number, "
	        "from 1, which is the slice's id. Exit status 1 if there is any.",
	.examples = (const char *const[]){ "nodeswarm replay manifest validate manifest.json",
	        "nodeswarm replay manifest validate --json --config manifest.json", NULL },
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = validate_opts,
	.run = run_validate,
};
