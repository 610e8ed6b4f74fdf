/*
 * /job and /config of the public API: replay-test, byte by byte where its clients are
 * served, and 4xx where it answered 500.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "replay/orch_priv.h"

#define PLAIN "text/plain; charset=utf-8"

static void not_found(struct orch_call *c)
{
	orch_text(c, 404, PLAIN, "Not found");
}

/* --- /job ------------------------------------------------------------------------------------ */

/* Of the query, NULL without or for what is none. */
static const struct job *asked_job(const struct orch_call *c, const char *text)
{
	int64_t id;

	return orch_job_id(&id, text) == 0 ? book_find(c->o->book, id) : NULL;
}

void orch_old_job_get(struct orch_call *c)
{
	const char *id = http_server_query(c->q, "jobid");
	const struct job *j;

	if (!id && !http_server_query(c->q, "nextjob")) {
		orch_text(c, 301, PLAIN, "");
		c->r->extra_name = "Location";
		c->r->extra_value = "/job?nextjob";
		return;
	}
	j = id ? asked_job(c, id) : book_peek_first(c->o->book, c->now.real_ns);
	if (!j)
		orch_text(c, 404, PLAIN, "Could not find job");
	else if (orch_accepts(c, "text/plain") || orch_accepts_any(c))
		orch_take(c, 200, PLAIN, job_line(j));
	else if (orch_accepts(c, "application/json"))
		orch_json(c, 200, job_json(j));
	else
		not_found(c);
	if (c->r->status == 200)
		orch_etag(c, j);
}

/*
 * The token of an old client is in ETag, as it came.  If-Match is the header that HTTP has for it,
 * with its quotes (RFC 9110, 13.1.1); ours is always a strong one.
 */
static bool has_etag(const struct orch_call *c, const char *etag)
{
	const char *given = http_server_header(c->q, "ETag");
	size_t n = strlen(etag);

	if (given && *given)
		return strcmp(given, etag) == 0;
	given = http_server_header(c->q, "If-Match");
	if (!given)
		return false;
	if (*given != '"')
		return strcmp(given, etag) == 0;
	return strncmp(given + 1, etag, n) == 0 && strcmp(given + 1 + n, "\"") == 0;
}

/*
 * What takes the role "control" in /v1, requeue and cancel, takes it here too.  A client takes a
 * job that waits, and what it has it may end as it likes.
 */
static bool needs_control(const struct job *j, const struct book_post *p)
{
	if (p->status == JOB_WAITING)
		return job_is_ended(j);
	return p->status == JOB_ERROR && j->status == JOB_WAITING;
}

static void do_post(struct orch_call *c, const json_t *body, int64_t id, const char *etag)
{
	struct book_post post;
	struct err e = ERR_INIT;
	const struct job *j = book_find(c->o->book, id);
	bool was_complete = j->status == JOB_COMPLETE;

	if (orch_body_post(&post, body, id, &e) < 0) {
		orch_error_status(c, 400, &e);
		return;
	}
	if (needs_control(j, &post) && !(c->roles & ROLE_CONTROL)) {
		orch_text(c, 403, PLAIN,
		        "Not Authorized: nobody has this job; to requeue or cancel it takes a "
		        "token with the role 'control'");
		return;
	}
	if (book_post(c->o->book, id, etag, &post, c->now, &e) < 0) {
		orch_error(c, &e);
		return;
	}
	j = book_find(c->o->book, id);
	if (!was_complete && post.status == JOB_COMPLETE) {
		c->o->completions++;
		orch_files_completed(c->o, j);
	}
	orch_json(c, 200, json_pack("{s:s}", "status", "updated"));
	orch_etag(c, j);
}

void orch_old_job_post(struct orch_call *c)
{
	const char *text = http_server_query(c->q, "jobid");
	char etag[JOB_ETAG_SIZE];
	AUTO(json) json_t *body = NULL;
	const struct job *j;

	if (!text || !*text) {
		orch_text(c, 404, PLAIN, "jobid parameter is missing");
		return;
	}
	j = asked_job(c, text);
	if (!j) {
		orch_text(c, 404, PLAIN, "Could not find job");
		return;
	}
	job_etag(j, etag);
	if (!has_etag(c, etag)) {
		orch_text(c, 400, PLAIN, "Invalid ETag");
		return;
	}
	body = orch_body(c);
	if (body)
		do_post(c, body, j->id, etag);
}

/* --- /config --------------------------------------------------------------------------------- */

static json_t *config_json(const struct job *j)
{
	return json_pack("{s:i, s:I, s:I, s:s, s:s, s:s, s:s}", "replay_slice_id", (int)j->slice_id,
	        "start_block_id", (json_int_t)j->start, "end_block_id", (json_int_t)j->end,
	        "snapshot_path", j->snapshot_path, "storage_type", j->storage_type,
	        "expected_integrity_hash", j->expected_hash,
	        j->is_spring ? "spring_version" : "leap_version", j->version);
}

static int row_number(struct buf *out, const char *what, uint32_t value)
{
	return buf_add_fmt(out, "        <li> %s: %u</li>\n", what, value);
}

static char *config_html(const struct job *j)
{
	static const char head[] =
	        "<!DOCTYPE html>\n<html>\n<head>\n<title>Replay Config</title>\n<style>\nul {\n"
	        "    background: #ADD8E6;\n    border: 1px solid;\n    border-color: #996666;\n"
	        "    border-top: .5rem solid #996666;\n    border-top-left-radius: 5px;\n"
	        "    border-bottom-left-radius: 5px;\n    border-top-right-radius: 5px;\n"
	        "    border-bottom-right-radius: 5px;\n    width: 32em;\n   }\n"
	        "li { padding: .5em }\n</style>\n</head>\n\n<body>\n"
	        "<h2><a href='/'>Home</a></h2>\n<h2>Replay Config</h2>\n";
	AUTO(buf) struct buf b = BUF_INIT(SLICES_TEXT_MAX);

	if (buf_add_str(&b, head) < 0 || buf_add_str(&b, "        <ul>\n") < 0 ||
	        row_number(&b, "Replay Slice Id", j->slice_id) < 0 ||
	        row_number(&b, "Start Block Id", j->start) < 0 ||
	        row_number(&b, "End Block Id", j->end) < 0 ||
	        orch_row(&b, "Snapshot Path", j->snapshot_path) < 0 ||
	        orch_row(&b, "Storage Type", j->storage_type) < 0 ||
	        orch_row(&b, "End Block Expected Integrity Hash", j->expected_hash) < 0 ||
	        orch_row(&b, j->is_spring ? "Spring Version" : "Leap Version", j->version) < 0 ||
	        buf_add_str(&b, "    </ul>\n") < 0 || buf_add_str(&b, orch_html_foot) < 0)
		return NULL;
	return buf_take(&b);
}

void orch_old_config_get(struct orch_call *c)
{
	const char *text = http_server_query(c->q, "sliceid");
	struct err ignored = ERR_INIT;
	const struct job *j = NULL;
	uint64_t slice;

	if (text && num_uint(&slice, text, 1, UINT32_MAX, &ignored) == 0)
		j = book_slice(c->o->book, (uint32_t)slice);
	if (!j)
		not_found(c);
	else if (orch_accepts(c, "text/html"))
		orch_take(c, 200, "text/html", config_html(j));
	else if (orch_accepts(c, "application/json") || orch_accepts_any(c))
		orch_json(c, 200, config_json(j));
	else
		not_found(c);
}

void orch_old_config_post(struct orch_call *c)
{
	AUTO(json) json_t *body = orch_body(c);
	struct orch_config config;
	struct err e = ERR_INIT;
	int64_t slice;
	char text[64];

	if (!body)
		return;
	if (orch_body_config(&config, body, &e) < 0) {
		orch_error_status(c, 400, &e);
		return;
	}
	slice = book_expect(c->o->book, config.end, config.hash, &e);
	if (slice < 0 && e.kind == ERR_NOT_FOUND) {
		(void)snprintf(text, sizeof(text), "Config Record with %u Not found", config.end);
		orch_text(c, 404, PLAIN, text);
		return;
	}
	if (slice < 0) {
		orch_error(c, &e);
		return;
	}
	orch_files_changed(c->o);
	log_info("a hash was posted", "slice=%lld end_block=%u", (long long)slice, config.end);
	orch_json(c, 200,
	        json_pack("{s:I, s:s}", "sliceid", (json_int_t)slice, "message",
	                "updated integrity hash"));
}
