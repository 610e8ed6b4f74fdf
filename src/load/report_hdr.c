#include "load/report.h"

#include "base/clock.h"

/*
 * The log of HdrHistogram 2.1 (HistogramLogWriter and HistogramLogReader): times of lines are
 * relative to StartTime; a line's histogram says by itself that its values are nanoseconds.
 */
int load_report_hdr(const struct load_report *r, FILE *out, struct err *e)
{
	char started[CLOCK_TEXT_MAX];

	fprintf(out,
	        "#[nodeswarm load: latency from %s, in nanoseconds, warm-up left out]\n"
	        "#[Histogram log format version 1.3]\n"
	        "#[StartTime: %.3f (seconds since epoch), %s]\n"
	        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
	        "\"Interval_Compressed_Histogram\"\n",
	        r->config->scheduled ? "the planned start" : "sending",
	        (double)r->result->started_real_ns / 1e9,
	        clock_text(started, r->result->started_real_ns));
	if (r->hdr_lines.len)
		fwrite(r->hdr_lines.data, 1, r->hdr_lines.len, out);
	return ferror(out) ? err_set(e, ERR_SYSTEM, "write the HdrHistogram log") : 0;
}
