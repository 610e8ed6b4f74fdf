#include "cli/replay_print.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/table.h"
#include "cli/output.h"
#include "cli/replay_swarm.h"
#include "cli/replay_text.h"

static const struct table_column cols[] = {
	{ "SLICE", "slice_id", TABLE_NUMBER },
	{ "START", "start_block", TABLE_NUMBER },
	{ "END", "end_block", TABLE_NUMBER },
	{ "STATUS", "status", TABLE_TEXT },
	{ "TRIES", "tries", TABLE_NUMBER },
	{ "WORKER", "worker", TABLE_TEXT },
	{ "ERROR", "error", TABLE_WIDE },
};

/* The keys of those columns in a job of the API. */
static const char *const keys[] = { "replay_slice_id", "start_block_num", "end_block_num", "status",
	"tries", "worker", "error" };

static int add_bad(struct table *t, struct replay_swarm *s, const char *status, struct err *e)
{
	char path[64];
	AUTO(json) json_t *reply = NULL;
	const json_t *jobs;

	snprintf(path, sizeof(path), "/v1/jobs?status=%s", status);
	reply = replay_swarm_ask(s, "GET", path, NULL, e);
	if (!reply)
		return -1;
	jobs = json_object_get(reply, "jobs");
	for (size_t i = 0; i < json_array_size(jobs); i++) {
		const json_t *j = json_array_get(jobs, i);

		table_row(t);
		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			json_t *v = json_object_get(j, keys[k]);

			table_set(t, k,
			        json_is_string(v) && !*json_string_value(v) ? NULL
			                                                    : json_incref(v));
		}
	}
	return 0;
}

static int print_bad(struct replay_swarm *s, const json_t *run, struct err *e)
{
	static const char *const bad[] = { "ERROR", "TIMEOUT", "HASH_MISMATCH" };
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));

	if (!t)
		return err_nomem(e);
	for (size_t i = 0; replay_bad(run) && i < ARRAY_LEN(bad); i++)
		if (add_bad(t, s, bad[i], e) < 0)
			return -1;
	table_sort(t, 0);
	return replay_bad(run) || s->ctx->json ? output_table(s->ctx, "failed_slices", t, e) : 0;
}

int replay_print(struct replay_swarm *s, const json_t *run, struct err *e)
{
	char text[REPLAY_TEXT_MAX];

	if (output_value(s->ctx, "run", json_incref((json_t *)(uintptr_t)run), e) < 0 ||
	        print_bad(s, run, e) < 0)
		return -1;
	output_line(s->ctx, "%s", replay_text_summary(text, run));
	if (!replay_bad(run))
		return 0;
	err_set(e, ERR_UNHEALTHY, "%" PRId64 " slices failed", replay_bad(run));
	return err_hint(
	        e, "the page of a slice at %s/detail shows its tries and their logs", s->url);
}
