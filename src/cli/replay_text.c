#include "cli/replay_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"

#define BAR 20

static int64_t total(const json_t *run, const char *key)
{
	int64_t n = json_int(json_object_get(run, "totals"), key, 0);

	return n < 0 ? 0 : n;
}

static int64_t ended(const json_t *run)
{
	return total(run, "verified") + total(run, "unverified") + replay_bad(run);
}

int64_t replay_bad(const json_t *run)
{
	return total(run, "mismatched") + total(run, "failed");
}

bool replay_is_done(const json_t *run)
{
	return json_bool(run, "done", false);
}

PRINTF(2, 3)
static void add(char out[REPLAY_TEXT_MAX], const char *fmt, ...)
{
	size_t n = strlen(out);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(out + n, REPLAY_TEXT_MAX - n, fmt, ap);
	va_end(ap);
}

const char *replay_text_progress(char out[REPLAY_TEXT_MAX], const json_t *run)
{
	int64_t jobs = total(run, "jobs"), done = ended(run), bad = replay_bad(run);
	int64_t blocks = total(run, "blocks"), reached = total(run, "blocks_done");
	double eta = json_number_value(json_object_get(run, "eta_seconds"));
	const char *mode = json_str(run, "mode", "running");
	double part = blocks > 0 ? (double)reached / (double)blocks
	        : jobs > 0       ? (double)done / (double)jobs
	                         : 0;
	char text[NUM_TEXT_MAX], bar[BAR + 1];

	part = part > 1 ? 1 : part;
	for (int i = 0; i < BAR; i++)
		bar[i] = i < (int)(part * BAR) ? '#' : '-';
	bar[BAR] = '\0';
	*out = '\0';
	add(out, "[%s] %" PRId64 " of %" PRId64 " slices, %" PRId64 " at work", bar, done, jobs,
	        total(run, "claimed"));
	if (bad)
		add(out, ", %" PRId64 " failed", bad);
	if (strcmp(mode, "running") != 0)
		add(out, ", %.20s", mode);
	else if (eta > 0 && eta < 1e9 && !replay_is_done(run))
		add(out, ", about %s left", num_duration_text(text, (int64_t)eta * NS_PER_SEC));
	return out;
}

const char *replay_text_summary(char out[REPLAY_TEXT_MAX], const json_t *run)
{
	int64_t open = total(run, "jobs") - ended(run);

	*out = '\0';
	add(out,
	        "%" PRId64 " slices: %" PRId64 " verified, %" PRId64 " unverified, %" PRId64
	        " mismatched, %" PRId64 " failed",
	        total(run, "jobs"), total(run, "verified"), total(run, "unverified"),
	        total(run, "mismatched"), total(run, "failed"));
	if (open > 0)
		add(out, ", %" PRId64 " open", open);
	add(out, "; %" PRId64 " tries, %" PRId64 " of them lost", total(run, "tries"),
	        total(run, "losses"));
	return out;
}
