#pragma once

/*
 * Made-up runs of a load test, as reports
 *
 * The same figures on every machine (no floating point but products and quotients), fed through
 * load_report_interval() as a run would.
 */

#include "load/report.h"

enum sample_kind {
	SAMPLE_HEALTHY, /* closed loop, a minute, one node */
	SAMPLE_STALL,   /* open loop, 30 s, the server stands still for 3 s */
	SAMPLE_FAILED,  /* a closed port */
	SAMPLE_ONE,     /* ten requests, one interval, no warm-up */
	SAMPLE_SLOTS,   /* four slots, one of which falls behind, and some errors of many classes */
	SAMPLE_DAY,     /* 86,400 intervals and warm-up */
	SAMPLES
};

struct sample {
	struct load_target target;
	struct load_config config;
	struct load_result result;
	struct load_report report;
	uint64_t random;
};

const char *sample_name(enum sample_kind kind);

/* Built and finished; asserts.  wants_hdr as of load_report_init(). */
struct sample *sample_new(enum sample_kind kind, bool wants_hdr);
void sample_free(struct sample *s);
