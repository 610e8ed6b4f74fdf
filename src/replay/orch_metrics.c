/* GET /metrics: Prometheus's text format 0.0.4.  No label has a value from outside. */

#include "base/buf.h"
#include "replay/orch_priv.h"

#define METRICS_MAX (64U * 1024)

static int head(struct buf *b, const char *name, const char *type, const char *help)
{
	return buf_add_fmt(b, "# HELP nodeswarm_replay_%s %s\n# TYPE nodeswarm_replay_%s %s\n",
	        name, help, name, type);
}

static int one(struct buf *b, const char *name, const char *type, const char *help, double value)
{
	if (head(b, name, type, help) < 0)
		return -1;
	return buf_add_fmt(b, "nodeswarm_replay_%s %.15g\n", name, value);
}

static int gauge(struct buf *b, const char *name, const char *help, double value)
{
	return one(b, name, "gauge", help, value);
}

static int counter(struct buf *b, const char *name, const char *help, uint64_t value)
{
	return one(b, name, "counter", help, (double)value);
}

static int add_jobs(struct buf *b, const struct book_totals *t)
{
	static const char *const verdicts[] = { "verified", "unverified", "mismatched", "failed" };
	const size_t counts[] = { t->verified, t->unverified, t->mismatched, t->failed };

	if (head(b, "jobs", "gauge", "Jobs by status.") < 0)
		return -1;
	for (int i = 0; i < JOB_STATUS_COUNT; i++)
		if (buf_add_fmt(b, "nodeswarm_replay_jobs{status=\"%s\"} %zu\n",
		            job_status_name((enum job_status)i), t->by_status[i]) < 0)
			return -1;
	if (head(b, "ended_jobs", "gauge", "Jobs that have ended, by verdict.") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		if (buf_add_fmt(b, "nodeswarm_replay_ended_jobs{verdict=\"%s\"} %zu\n", verdicts[i],
		            counts[i]) < 0)
			return -1;
	return 0;
}

static int add_mode(struct buf *b, enum book_mode mode)
{
	static const enum book_mode modes[] = { BOOK_RUNNING, BOOK_PAUSED, BOOK_DRAINING };

	if (head(b, "mode", "gauge", "1 for the mode that the run is in.") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (buf_add_fmt(b, "nodeswarm_replay_mode{mode=\"%s\"} %d\n",
		            book_mode_name(modes[i]), modes[i] == mode) < 0)
			return -1;
	return 0;
}

static int add_requests(struct buf *b, const struct orchestrator *o)
{
	if (head(b, "http_requests_total", "counter", "Answered, by class of status.") < 0)
		return -1;
	for (size_t i = 2; i < ARRAY_LEN(o->requests); i++)
		if (buf_add_fmt(b, "nodeswarm_replay_http_requests_total{code=\"%zuxx\"} %llu\n", i,
		            (unsigned long long)o->requests[i]) < 0)
			return -1;
	return 0;
}

static int add_all(struct buf *b, const struct orchestrator *o)
{
	struct book_totals t;

	book_totals(o->book, &t);
	return add_jobs(b, &t) < 0 || add_mode(b, book_mode(o->book)) < 0 ||
	                gauge(b, "claimed_jobs", "Jobs that a worker has now.", (double)t.claimed) <
	                        0 ||
	                gauge(b, "blocks", "Blocks of all slices that do not start at 0.",
	                        (double)t.blocks) < 0 ||
	                gauge(b, "blocks_done", "Blocks that were replayed.",
	                        (double)t.blocks_done) < 0 ||
	                gauge(b, "done", "1 when every job has ended.", book_is_done(o->book)) <
	                        0 ||
	                counter(b, "tries_total", "Tries that were begun, in all of the run.",
	                        t.tries) < 0 ||
	                counter(b, "losses_total", "Tries whose worker was lost.", t.losses) < 0 ||
	                one(b, "busy_seconds_total", "counter",
	                        "Time that finished tries took, of all workers.",
	                        t.busy_seconds) < 0 ||
	                counter(b, "claims_total", "Jobs handed out since this start.", o->claims) <
	                        0 ||
	                counter(b, "completions_total", "Results taken since this start.",
	                        o->completions) < 0 ||
	                counter(b, "failures_total", "Failed tries since this start.",
	                        o->failures) < 0 ||
	                counter(b, "store_errors_total",
	                        "Changes that could not be written down since this start.",
	                        o->unstored.count) < 0 ||
	                counter(b, "refused_total", "Requests without the role that they need.",
	                        o->refused.count) < 0 ||
	                add_requests(b, o) < 0
	        ? -1
	        : 0;
}

void orch_metrics(struct orch_call *c)
{
	AUTO(buf) struct buf b = BUF_INIT(METRICS_MAX);

	orch_take(c, 200, "text/plain; version=0.0.4; charset=utf-8",
	        add_all(&b, c->o) < 0 ? NULL : buf_take(&b));
}
