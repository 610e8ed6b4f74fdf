#include "load/report.h"

#include <errno.h>

#include "base/clock.h"
#include "load/report_priv.h"

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
	/* Most of it goes around the buffer, so that a later flush would not say why it failed. */
	if (r->hdr_lines.len &&
	        fwrite(r->hdr_lines.data, 1, r->hdr_lines.len, out) < r->hdr_lines.len)
		return err_sys(e, errno, "write the HdrHistogram log");
	return report_written(out, "the HdrHistogram log", e);
}
