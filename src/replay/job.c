/*
 * What old clients read is that of job_status.py to the letter: last_block_processed is 0 before
 * the first block, start_time is the time when the orchestrator was begun before the job is, and
 * the ETag covers what they see and nothing else.
 */
#include "replay/job.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"

static const char *const status_names[JOB_STATUS_COUNT] = {
	[JOB_WAITING] = "WAITING_4_WORKER",
	[JOB_STARTED] = "STARTED",
	[JOB_LOADING] = "LOADING_SNAPSHOT",
	[JOB_WORKING] = "WORKING",
	[JOB_COMPLETE] = "COMPLETE",
	[JOB_ERROR] = "ERROR",
	[JOB_TIMEOUT] = "TIMEOUT",
	[JOB_HASH_MISMATCH] = "HASH_MISMATCH",
};

const char *job_status_name(enum job_status s)
{
	return status_names[s];
}

int job_status_parse(const char *word, enum job_status *ret)
{
	for (int i = 0; i < JOB_STATUS_COUNT; i++) {
		if (strcmp(word, status_names[i]) == 0) {
			*ret = (enum job_status)i;
			return 0;
		}
	}
	return 1;
}

#define TO(s) (1U << (s))

bool job_may_become(enum job_status from, enum job_status to)
{
	/* How each try can end, from any of its steps. */
	static const unsigned ends = TO(JOB_WAITING) | TO(JOB_COMPLETE) | TO(JOB_ERROR) |
	        TO(JOB_TIMEOUT) | TO(JOB_HASH_MISMATCH);
	static const unsigned next[JOB_STATUS_COUNT] = {
		[JOB_WAITING] = TO(JOB_STARTED) | TO(JOB_ERROR), /* cancelled */
		[JOB_STARTED] = ends | TO(JOB_LOADING) | TO(JOB_WORKING),
		[JOB_LOADING] = ends | TO(JOB_WORKING),
		[JOB_WORKING] = ends,
		/* What the hash should be may become known, or another, at any time. */
		[JOB_COMPLETE] = TO(JOB_WAITING) | TO(JOB_HASH_MISMATCH),
		[JOB_HASH_MISMATCH] = TO(JOB_WAITING) | TO(JOB_COMPLETE),
		[JOB_ERROR] = TO(JOB_WAITING),
		[JOB_TIMEOUT] = TO(JOB_WAITING),
	};

	return from == to || (next[from] & TO(to));
}

bool job_is_claimed(const struct job *j)
{
	return j->status == JOB_STARTED || j->status == JOB_LOADING || j->status == JOB_WORKING;
}

bool job_is_ended(const struct job *j)
{
	return j->status != JOB_WAITING && !job_is_claimed(j);
}

enum job_verdict job_verdict(const struct job *j)
{
	if (!job_is_ended(j))
		return JOB_OPEN;
	if (j->status == JOB_ERROR || j->status == JOB_TIMEOUT)
		return JOB_FAILED;
	if (j->status == JOB_HASH_MISMATCH)
		return JOB_MISMATCH;
	if (!j->expected_hash[0] || !j->actual_hash[0])
		return JOB_UNVERIFIED;
	/* Digits of either case: old clients post what they like. */
	return strcasecmp(j->expected_hash, j->actual_hash) == 0 ? JOB_VERIFIED : JOB_MISMATCH;
}

const char *job_verdict_name(enum job_verdict v)
{
	static const char *const names[] = {
		[JOB_OPEN] = "open",
		[JOB_UNVERIFIED] = "unverified",
		[JOB_VERIFIED] = "verified",
		[JOB_MISMATCH] = "mismatch",
		[JOB_FAILED] = "failed",
	};

	return names[v];
}

/* NULL: not set. */
static const char *time_text(char out[JOB_TIME_MAX], int64_t real_ns)
{
	time_t t = (time_t)(real_ns / NS_PER_SEC);
	struct tm tm;

	if (real_ns <= 0 || !localtime_r(&t, &tm))
		return NULL;
	return strftime(out, JOB_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm) ? out : NULL;
}

/* The values that need a decision, for both forms. */
struct shown {
	const char *start, *end, *hash; /* NULL: null */
	uint32_t last_block;
	char start_text[JOB_TIME_MAX], end_text[JOB_TIME_MAX];
};

static void show(struct shown *ret, const struct job *j)
{
	ret->start = time_text(ret->start_text, j->start_ns ? j->start_ns : j->since_ns);
	ret->end = j->end_text[0] ? j->end_text : time_text(ret->end_text, j->end_ns);
	ret->hash = j->actual_hash[0] ? j->actual_hash : NULL;
	ret->last_block = j->last_block == j->start ? 0 : j->last_block;
}

static int put(json_t *o, const char *key, const char *text)
{
	return json_object_set_new(o, key, text ? json_string(text) : json_null());
}

static int put_int(json_t *o, const char *key, int64_t n)
{
	return json_object_set_new(o, key, json_integer(n));
}

static const char *version_key(const struct job *j)
{
	return j->is_spring ? "spring_version" : "leap_version";
}

json_t *job_json(const struct job *j)
{
	json_t *o = json_object();
	struct shown s;

	show(&s, j);
	if (!o || put_int(o, "job_id", j->id) < 0 ||
	        put_int(o, "replay_slice_id", j->slice_id) < 0 ||
	        put(o, "snapshot_path", j->snapshot_path) < 0 ||
	        put(o, "storage_type", j->storage_type) < 0 ||
	        put(o, version_key(j), j->version) < 0 ||
	        put_int(o, "start_block_num", j->start) < 0 ||
	        put_int(o, "end_block_num", j->end) < 0 ||
	        put(o, "status", job_status_name(j->status)) < 0 ||
	        put_int(o, "last_block_processed", s.last_block) < 0 ||
	        put(o, "start_time", s.start) < 0 || put(o, "end_time", s.end) < 0 ||
	        put(o, "expected_integrity_hash", j->expected_hash) < 0 ||
	        put(o, "actual_integrity_hash", s.hash) < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static const char *or_none(const char *text)
{
	return text ? text : "None";
}

char *job_line(const struct job *j)
{
	AUTO(buf) struct buf b = BUF_INIT(SLICES_TEXT_MAX);
	struct shown s;

	show(&s, j);
	if (buf_add_fmt(&b,
	            "job_id=%lld, replay_slice_id=%u, snapshot_path=%s, storage_type=%s, %s=%s, "
	            "start_block_num=%u, end_block_num=%u, status=%s, last_block_processed=%u, "
	            "start_time=%s, end_time=%s, expected_integrity_hash=%s, "
	            "actual_integrity_hash=%s",
	            (long long)j->id, j->slice_id, or_none(j->snapshot_path),
	            or_none(j->storage_type), version_key(j), or_none(j->version), j->start, j->end,
	            job_status_name(j->status), s.last_block, or_none(s.start), or_none(s.end),
	            j->expected_hash, or_none(s.hash)) < 0)
		return NULL;
	return buf_take(&b);
}

void job_etag(const struct job *j, char out[JOB_ETAG_SIZE])
{
	char hex[SHA256_HEX_SIZE];
	AUTO(free) char *line = job_line(j);

	/* Without memory: one that nobody can have, so that a change is refused. */
	(void)sha256_hex(hex, line ? line : "", line ? strlen(line) : 0);
	(void)snprintf(out, JOB_ETAG_SIZE, "%.*s", JOB_ETAG_SIZE - 1, hex);
}
