#include "load/report.h"

#include <string.h>

#include "load/report_priv.h"

/* Every field is a number or one of our own words: none of them needs quotes. */
#define EOL "\r\n"

static void put_us(FILE *out, bool is_known, int64_t ns)
{
	fputc(',', out);
	if (is_known)
		fprintf(out, "%.3f", (double)ns / 1e3);
}

static int32_t worst_lag(const struct load_point *p)
{
	int32_t lag = -1;

	for (unsigned i = 0; i < p->n_slots; i++)
		if (p->slots[i].lag > lag)
			lag = p->slots[i].lag;
	return lag;
}

static void put_point(const struct load_report *r, const struct load_point *p, FILE *out)
{
	const int64_t times[] = { p->p50_ns, p->p90_ns, p->p99_ns, p->p999_ns, p->max_ns };
	double s = (double)(p->end_ns - p->begin_ns) / 1e9;
	int32_t lag = worst_lag(p);

	fprintf(out, "%.3f,%.3f,%d,%llu,%llu,", (double)p->begin_ns / 1e9, (double)p->end_ns / 1e9,
	        p->begin_ns < 0, (unsigned long long)p->ok, (unsigned long long)p->failed);
	if (s > 0)
		fprintf(out, "%.3f", (double)p->ok / s);
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		put_us(out, p->max_ns > 0, times[i]);
	fputc(',', out);
	if (r->config->scheduled)
		fprintf(out, "%llu", (unsigned long long)p->backlog);
	fprintf(out, ",%u,", p->open);
	if (p->head)
		fprintf(out, "%u", p->head);
	put_us(out, p->age_ns != INT64_MIN, p->age_ns);
	fputc(',', out);
	if (lag >= 0)
		fprintf(out, "%d", lag);
	for (int c = LOAD_OK + 1; c < LOAD_CLASSES; c++)
		fprintf(out, ",%llu", (unsigned long long)p->classes[c]);
	fputs(EOL, out);
}

int load_report_csv(const struct load_report *r, FILE *out, struct err *e)
{
	fputs("begin_s,end_s,is_warmup,ok,failed,ok_per_second,p50_us,p90_us,p99_us,p99_9_us,"
	      "max_us,backlog,open,head,head_age_us,max_lag_blocks",
	        out);
	for (int c = LOAD_OK + 1; c < LOAD_CLASSES; c++)
		fprintf(out, ",%s", load_class_name((enum load_class)c));
	fputs(EOL, out);
	for (size_t i = 0; i < r->n_points; i++)
		put_point(r, &r->points[i], out);
	return report_written(out, "the CSV file", e);
}
