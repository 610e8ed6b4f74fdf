/*
 * /status and /summary of the public API, as HTML, JSON and text.
 *
 * The public server changed jobs while it counted them, and counted a job whose hash nobody knows
 * yet as failed.  Ours only reads: such a job has a line of its own, which is there when there is
 * one, and otherwise the texts are the public ones.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "replay/orch_priv.h"

#define TEXT_TYPE "text/plain; charset=uft-8" /* so misspelt where its clients see it */

const char orch_html_foot[] = "</body></html>";

const char orch_status_html_head[] =
        "<!DOCTYPE html>\n<html>\n<head>\n<title>Chicken Dance Status Report</title>\n<style>\n"
        "ul {\n    background: #e1e1e1;\n    border: 1px solid;\n    border-top: .5rem solid;\n"
        "    border-top-left-radius: 5px;\n    border-bottom-left-radius: 5px;\n"
        "    border-top-right-radius: 5px;\n    border-bottom-right-radius: 5px;\n"
        "    width: 32em;\n   }\nli { padding: .5em }\n</style>\n</head>\n\n<body>\n"
        "<h2><a href='/'>Home</a></h2>\n<h2>Chicken Dance Status Report</h2>\n";

const char orch_status_text_head[] =
        "      JOB REPORT              \n-------------------------------------\n";
const char orch_status_text_foot[] = "--------------- END ------------------\n";

/* Times and null values as job_json() has them: it decides what is shown. */
static const char *shown(const json_t *job, const char *key)
{
	const char *text = json_string_value(json_object_get(job, key));

	return text ? text : "None";
}

static long long number(const json_t *job, const char *key)
{
	return json_integer_value(json_object_get(job, key));
}

int orch_status_html(struct buf *out, const struct job *j)
{
	AUTO(json) json_t *o = job_json(j);
	long long id = o ? number(o, "replay_slice_id") : 0;

	if (!o ||
	        buf_add_fmt(out,
	                "        <ul>\n        <li> <a href=\"/config?sliceid=%lld\">"
	                "Replay Slice Id: %lld</a></li>\n",
	                id, id) < 0 ||
	        orch_row(out, "Job Status", shown(o, "status")) < 0 ||
	        buf_add_fmt(out, "        <li> Last Block Processed: %lld</li>\n",
	                number(o, "last_block_processed")) < 0 ||
	        orch_row(out, "Start Time", shown(o, "start_time")) < 0 ||
	        orch_row(out, "End Time", shown(o, "end_time")) < 0 ||
	        buf_add_fmt(out,
	                "        <li> Start Block: %lld</li>\n        <li> End Block: %lld</li>\n",
	                number(o, "start_block_num"), number(o, "end_block_num")) < 0 ||
	        orch_row(out, "Actual End Block Integrity Hash",
	                shown(o, "actual_integrity_hash")) < 0 ||
	        orch_row(out, "Expected End Block Integ Hash",
	                shown(o, "expected_integrity_hash")) < 0)
		return -1;
	return buf_add_str(out, "    </ul>\n");
}

int orch_status_text(struct buf *out, const struct job *j)
{
	AUTO(json) json_t *o = job_json(j);

	if (!o)
		return -1;
	return buf_add_fmt(out,
	        " Replay Slice Id: %lld\n    Job Status: %s\n    Last Block Processed: %lld\n"
	        "    Start Time: %s\n    End Time: %s\n    Start Block: %lld\n    End Block: %lld\n"
	        "    Actual End Block Integrity Hash: %s\n    Expected End Block Integ Hash: %s\n",
	        number(o, "replay_slice_id"), shown(o, "status"), number(o, "last_block_processed"),
	        shown(o, "start_time"), shown(o, "end_time"), number(o, "start_block_num"),
	        number(o, "end_block_num"), shown(o, "actual_integrity_hash"),
	        shown(o, "expected_integrity_hash"));
}

/* --- /summary -------------------------------------------------------------------------------- */

struct summary {
	struct book_totals t;
	const struct book *book;
	size_t failed, remaining;
};

static bool has_failed(const struct job *j)
{
	enum job_verdict v = job_verdict(j);

	return v == JOB_FAILED || v == JOB_MISMATCH;
}

/* A job whose hash turned out to be another after it was complete is one, whatever its status. */
static const char *failed_status(const struct job *j)
{
	return job_verdict(j) == JOB_MISMATCH ? job_status_name(JOB_HASH_MISMATCH)
	                                      : job_status_name(j->status);
}

static void count(struct summary *s, const struct book *b)
{
	book_totals(b, &s->t);
	s->book = b;
	s->failed = 0;
	for (size_t i = 0; i < book_count(b); i++)
		s->failed += has_failed(book_at(b, i));
	s->remaining = s->t.jobs - s->t.verified - s->t.unverified - s->failed;
}

static json_t *failed_json(const struct summary *s)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < book_count(s->book); i++) {
		const struct job *j = book_at(s->book, i);

		if (!has_failed(j))
			continue;
		if (json_array_append_new(list,
		            json_pack("{s:s, s:I, s:i}", "status", failed_status(j), "jobid",
		                    (json_int_t)j->id, "configid", (int)j->slice_id)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *summary_json(const struct summary *s)
{
	json_t *o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "total_blocks",
	        (json_int_t)s->t.blocks, "blocks_processed", (json_int_t)s->t.blocks_done,
	        "total_jobs", (json_int_t)s->t.jobs, "jobs_succeeded", (json_int_t)s->t.verified,
	        "jobs_failed", (json_int_t)s->failed, "failed_jobs", failed_json(s));

	if (o && s->t.unverified &&
	        json_object_set_new(
	                o, "jobs_unverified", json_integer((json_int_t)s->t.unverified)) < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

/* round(x, 0) as Python prints it: "33.0". */
static double percent(const struct summary *s)
{
	return s->t.blocks ? rint((double)s->t.blocks_done * 100 / (double)s->t.blocks) : 0;
}

static int text_failed(struct buf *b, const struct summary *s)
{
	if (!s->failed)
		return 0;
	if (buf_add_str(b, "-------------FAILED JOBS-------------\n") < 0)
		return -1;
	for (size_t i = 0; i < book_count(s->book); i++) {
		const struct job *j = book_at(s->book, i);

		if (has_failed(j) &&
		        buf_add_fmt(b, "Job Id %lld\tConfig Id %u\tCurrent Status %s\n",
		                (long long)j->id, j->slice_id, failed_status(j)) < 0)
			return -1;
	}
	return 0;
}

static char *summary_text(const struct summary *s)
{
	AUTO(buf) struct buf b = BUF_INIT(SLICES_TEXT_MAX);

	if (buf_add_fmt(&b,
	            "      SUMMARY REPORT              \n-------------------------------------\n"
	            "%llu blocks processed out of %llu  %.1f%% block processed\n"
	            "Completed Jobs Succeeded %zu Completed Jobs Failed %zu\nJobs Remaining %zu\n",
	            (unsigned long long)s->t.blocks_done, (unsigned long long)s->t.blocks,
	            percent(s), s->t.verified, s->failed, s->remaining) < 0 ||
	        (s->t.unverified &&
	                buf_add_fmt(&b, "Jobs Unverified %zu\n", s->t.unverified) < 0) ||
	        text_failed(&b, s) < 0 || buf_add_str(&b, orch_status_text_foot) < 0)
		return NULL;
	return buf_take(&b);
}

static int html_failed(struct buf *b, const struct summary *s)
{
	if (!s->failed)
		return 0;
	if (buf_add_str(b, "<h3>Failed Jobs</h3>\n<ul class='joblist'>\n") < 0)
		return -1;
	for (size_t i = 0; i < book_count(s->book); i++) {
		const struct job *j = book_at(s->book, i);

		if (has_failed(j) &&
		        buf_add_fmt(b,
		                "         <li>\n            <ul class='details'>\n"
		                "            <li><a href=\"/status?sliceid=%u\">Job %lld</a></li>\n"
		                "            <li><a href=\"/config?sliceid=%u\">Config "
		                "%u</a></li>\n"
		                "            <li>Current Status %s</li>\n            </ul>\n"
		                "        </li>\n",
		                j->slice_id, (long long)j->id, j->slice_id, j->slice_id,
		                failed_status(j)) < 0)
			return -1;
	}
	return buf_add_str(b, "</ul>\n");
}

static char *summary_html(const struct summary *s)
{
	static const char head[] =
	        "<!DOCTYPE html>\n<html>\n<head>\n<title>Summary Report</title>\n<style>\nul {\n"
	        "background: #d7e5fe;\nborder: 1px solid;\nborder-color: #f61e09;\n"
	        "border-top: .5rem solid #f61e09;\nborder-top-left-radius: 5px;\n"
	        "border-bottom-left-radius: 5px;\nborder-top-right-radius: 5px;\n"
	        "border-bottom-right-radius: 5px;\nwidth: 32em;\n}\nli { padding: .5em }\n"
	        "ul.joblist {\nlist-style-type: none;\npadding-inline-start: 0;\nwidth: "
	        "34.5em;\n}\n"
	        "ul.details {\nborder: 0px solid;\nlist-style-type: none;\nmargin-left: 1em;\n"
	        "padding: 0;\n}\nul.details li {\ndisplay: inline-block;\nmargin-left: 0em;\n"
	        "margin-right: 2em;\npadding: 0;\n}\n</style>\n</head>\n\n<body>\n"
	        "<h2><a href='/'>Home</a></h2>\n<h2>Summary Report</h2>\n";
	AUTO(buf) struct buf b = BUF_INIT(SLICES_TEXT_MAX);

	if (buf_add_str(&b, head) < 0 ||
	        buf_add_fmt(&b,
	                "<ul>\n<li>%llu blocks processed out of %llu</li>\n"
	                "<li>%.1f%% block processed</li>\n<li>Completed Jobs Succeeded %zu</li>\n"
	                "<li>Completed Jobs Failed %zu</li>\n<li>Jobs Remaining %zu</li>\n",
	                (unsigned long long)s->t.blocks_done, (unsigned long long)s->t.blocks,
	                percent(s), s->t.verified, s->failed, s->remaining) < 0 ||
	        (s->t.unverified &&
	                buf_add_fmt(&b, "<li>Jobs Unverified %zu</li>\n", s->t.unverified) < 0) ||
	        buf_add_str(&b, "</ul>\n") < 0 || html_failed(&b, s) < 0 ||
	        buf_add_str(&b, orch_html_foot) < 0)
		return NULL;
	return buf_take(&b);
}

void orch_old_summary(struct orch_call *c)
{
	struct summary s;

	count(&s, c->o->book);
	if (orch_accepts(c, "text/html"))
		orch_take(c, 200, "text/html", summary_html(&s));
	else if (orch_accepts(c, "application/json"))
		orch_json(c, 200, summary_json(&s));
	else if (orch_accepts(c, "text/plain") || orch_accepts_any(c))
		orch_take(c, 200, TEXT_TYPE, summary_text(&s));
	else
		orch_text(c, 404, "text/plain; charset=utf-8", "Not found");
}
