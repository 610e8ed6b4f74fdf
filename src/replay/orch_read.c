/* /v1 for readers: the run, one job with its tries. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "replay/orch_priv.h"
#include "replay/stats.h"

/* /v1/run is asked by every open page and by `replay status`; it looks at all jobs. */
#define RUN_AGE_NS NS_PER_SEC

/* Milliseconds are enough, and 0.30000000000000004 looks bad. */
static json_t *seconds_or_null(double s)
{
	return s > 0 ? json_real(rint(s * 1000) / 1000) : json_null();
}

/* What the manifest says of the snapshot beyond its public keys, for the worker. */
static int add_digest(json_t *job, const struct orchestrator *o, const struct job *j)
{
	const char *digest =
	        json_string_value(json_object_get(book_more(o->book, j), "snapshot_sha256"));

	return digest ? json_object_set_new(job, "snapshot_sha256", json_string(digest)) : 0;
}

json_t *orch_job_json(struct orchestrator *o, const struct job *j, struct book_now now)
{
	int64_t retry_at = j->retry_at_ns > now.real_ns ? j->retry_at_ns : 0;
	json_t *job = job_json(j);
	json_t *ours = json_pack("{s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "verdict",
	        job_verdict_name(job_verdict(j)), "tries", (int)j->tries, "losses", (int)j->losses,
	        "worker", json_or_null(j->worker), "error", json_or_null(j->error), "start_hash",
	        json_or_null(j->start_hash), "nodeos_version", json_or_null(j->nodeos_version),
	        "expected_seconds", seconds_or_null(book_expected_seconds(o->book, j)), "retry_at",
	        json_time_or_null(retry_at));

	if (json_object_update_new(job, ours) < 0 || add_digest(job, o, j) < 0) {
		json_decref(job);
		return NULL;
	}
	return job;
}

/* --- the run --------------------------------------------------------------------------------- */

static json_t *totals_json(const struct book_totals *t)
{
	json_t *by = json_object();

	for (int i = 0; by && i < JOB_STATUS_COUNT; i++)
		if (json_object_set_new(by, job_status_name((enum job_status)i),
		            json_integer((json_int_t)t->by_status[i])) < 0)
			json_decref(TAKE(by));
	return by
	        ? json_pack("{s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "jobs",
	                  (json_int_t)t->jobs, "by_status", by, "verified", (json_int_t)t->verified,
	                  "unverified", (json_int_t)t->unverified, "mismatched",
	                  (json_int_t)t->mismatched, "failed", (json_int_t)t->failed, "claimed",
	                  (json_int_t)t->claimed, "blocks", (json_int_t)t->blocks, "blocks_done",
	                  (json_int_t)t->blocks_done, "tries", (json_int_t)t->tries, "losses",
	                  (json_int_t)t->losses, "busy_seconds", t->busy_seconds)
	        : NULL;
}

static json_t *worker_json(const struct job *j, struct book_now now)
{
	double since = (double)(now.real_ns - j->start_ns) / NS_PER_SEC;
	double heard = (double)(now.mono_ns - j->heard_mono_ns) / NS_PER_SEC;

	return json_pack("{s:o, s:I, s:i, s:s, s:I, s:I, s:I, s:f, s:f}", "worker",
	        json_or_null(j->worker), "job_id", (json_int_t)j->id, "slice_id", (int)j->slice_id,
	        "status", job_status_name(j->status), "start_block", (json_int_t)j->start,
	        "end_block", (json_int_t)j->end, "block", (json_int_t)j->last_block,
	        "since_seconds", since > 0 ? rint(since * 10) / 10 : 0, "heard_seconds",
	        heard > 0 ? rint(heard * 10) / 10 : 0);
}

static json_t *workers_json(const struct book *b, struct book_now now)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < book_count(b); i++)
		if (job_is_claimed(book_at(b, i)) &&
		        json_array_append_new(list, worker_json(book_at(b, i), now)) < 0)
			json_decref(TAKE(list));
	return list;
}

/* Of the tries that counted. */
static json_t *stats_json(const struct book *b)
{
	AUTO(free) double *v = calloc(book_count(b) + 1, sizeof(*v));
	struct replay_stats stats;
	size_t n = 0;

	if (!v)
		return NULL;
	for (size_t i = 0; i < book_count(b); i++) {
		const struct job *j = book_at(b, i);
		bool has_ended = j->status == JOB_COMPLETE || j->status == JOB_HASH_MISMATCH;

		if (has_ended && j->start_ns > 0 && j->end_ns > j->start_ns)
			v[n++] = (double)(j->end_ns - j->start_ns) / NS_PER_SEC;
	}
	replay_stats(&stats, v, n);
	return replay_stats_json(&stats);
}

/*
 * What is left, shared by those who work now; at least what the longest in hand has left.  Returns
 * below 0 while nobody works, or nothing is known.
 */
static double eta_seconds(const struct orchestrator *o, struct book_now now)
{
	double left = 0, longest = 0;
	size_t workers = 0;

	for (size_t i = 0; i < book_count(o->book); i++) {
		const struct job *j = book_at(o->book, i);
		double s = book_expected_seconds(o->book, j);

		if (j->status != JOB_WAITING && !job_is_claimed(j))
			continue;
		if (s <= 0)
			return -1;
		if (job_is_claimed(j)) {
			double past = (double)(now.real_ns - j->start_ns) / NS_PER_SEC;

			workers++;
			s = fmax(s - fmax(past, 0), 0);
			longest = fmax(longest, s);
		}
		left += s;
	}
	if (left <= 0)
		return workers ? -1 : 0;
	if (!workers)
		return -1;
	return fmax(left / (double)workers, longest);
}

static char *make_run(struct orchestrator *o, struct book_now now)
{
	double eta = eta_seconds(o, now);
	struct book_totals t;
	AUTO(json) json_t *run = NULL;

	book_totals(o->book, &t);
	run = json_pack("{s:i, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "format", ORCH_FORMAT,
	        "mode", book_mode_name(book_mode(o->book)), "done", book_is_done(o->book), "totals",
	        totals_json(&t), "stats", stats_json(o->book), "workers",
	        workers_json(o->book, now), "eta_seconds",
	        eta < 0 ? json_null() : json_real(rint(eta)), "started_at",
	        json_time_or_null(o->started_real_ns), "now", json_time_or_null(now.real_ns));

	return run ? json_text(run, false) : NULL;
}

void orch_run_changed(struct orchestrator *o)
{
	free(TAKE(o->run_text));
}

void orch_run(struct orch_call *c)
{
	struct orchestrator *o = c->o;

	if (!o->run_text || c->now.mono_ns - o->run_at_ns >= RUN_AGE_NS ||
	        c->now.mono_ns < o->run_at_ns) {
		free(o->run_text);
		o->run_text = make_run(o, c->now);
		o->run_at_ns = c->now.mono_ns;
	}
	orch_take(c, 200, "application/json", o->run_text ? strdup(o->run_text) : NULL);
}

/* --- one job --------------------------------------------------------------------------------- */

static void add_try(void *arg, const struct book_try *t)
{
	json_t **list = arg;

	if (*list &&
	        json_array_append_new(*list,
	                json_pack("{s:i, s:s, s:s, s:o, s:o, s:I, s:o, s:o}", "number",
	                        (int)t->number, "worker", t->worker, "end", t->end, "started_at",
	                        json_time_or_null(t->start_ns), "ended_at",
	                        json_time_or_null(t->end_ns), "last_block",
	                        (json_int_t)t->last_block, "error", json_or_null(t->error), "log",
	                        json_or_null(t->log))) < 0) {
		json_decref(*list);
		*list = NULL;
	}
}

void orch_one_job(struct orch_call *c)
{
	const struct job *j = orch_job(c);
	json_t *tries = NULL;
	struct err e = ERR_INIT;

	if (!j)
		return;
	tries = json_array();
	if (book_tries(c->o->book, j->id, add_try, &tries, &e) < 0) {
		json_decref(tries);
		orch_error(c, &e);
		return;
	}
	orch_json(c, 200,
	        json_pack("{s:i, s:o, s:o}", "format", ORCH_FORMAT, "job",
	                orch_job_json(c->o, j, c->now), "tries", tries));
}
