#include "fake/load_sample.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S  INT64_C(1000000000)
#define US INT64_C(1000)

static const char chain[] = "cf057bbfb72640471fd910bcb67639c22df9f92470936cddc1ade0e2f2e7dc4f";

static const struct {
	const char *name;
	int seconds, warmup;
	bool scheduled;
	double rate;
	unsigned connections;
} kinds[SAMPLES] = {
	[SAMPLE_HEALTHY] = { "healthy", 60, 1, false, 45000, 64 },
	[SAMPLE_STALL] = { "stall", 30, 1, true, 5000, 64 },
	[SAMPLE_FAILED] = { "failed", 3, 1, false, 0, 64 },
	[SAMPLE_ONE] = { "one", 1, 0, false, 10, 1 },
	[SAMPLE_SLOTS] = { "slots", 30, 1, true, 8000, 256 },
	[SAMPLE_DAY] = { "day", 86400, 2, false, 20000, 16 },
};

const char *sample_name(enum sample_kind kind)
{
	return kinds[kind].name;
}

/* 0 to below 1 */
static double next(struct sample *s)
{
	s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(s->random >> 11) / 9007199254740992.0;
}

/* Most a little below base, one of a hundred 4 times, the slowest up to 12 times as long. */
static int64_t latency(struct sample *s, int64_t base)
{
	double u = next(s);
	double v = 0.6 + 0.4 * u / (1.1 - u);

	if (next(s) > 0.998)
		v *= 1 + 2 * next(s);
	return (int64_t)((double)base * v);
}

static void record(struct sample *s, struct load_tally *t, struct load_backend *b, uint64_t n,
        int64_t base, int64_t waited)
{
	uint64_t step = n > 400 ? n / 400 : 1;

	for (uint64_t left = n; left;) {
		uint64_t take = left < step ? left : step;
		int64_t ns = latency(s, base);

		load_hist_record_n(t->sent, ns, take);
		if (t->planned)
			load_hist_record_n(
			        t->planned, ns + (int64_t)((double)waited * next(s)), take);
		if (t->late)
			load_hist_record_n(t->late, (int64_t)(next(s) * 40000), take);
		if (b)
			load_hist_record_n(b->latency, ns, take);
		left -= take;
	}
	t->classes[LOAD_OK] += n;
	t->bytes_in += n * 990;
	t->bytes_out += n * 96;
	if (b)
		b->ok += n;
}

static struct load_backend *backend(struct load_tally *t, const char *name)
{
	int at = load_tally_backend(t, name, strlen(name));

	assert(at >= 0);
	return &t->backends[at];
}

static void see_head(struct load_tally *t, struct load_backend *b, uint32_t head, int64_t age)
{
	b->head = head;
	b->head_age_ns = age;
	if (head > t->head)
		t->head = head;
}

static uint64_t about(struct sample *s, double n)
{
	return (uint64_t)(n * (0.97 + 0.06 * next(s)));
}

static void healthy(struct sample *s, struct load_tally *t, int second)
{
	struct load_backend *b = backend(t, "");

	record(s, t, b, about(s, kinds[SAMPLE_HEALTHY].rate), 1300 * US, 0);
	see_head(t, b, (uint32_t)(1000 + 2 * second), 200000000 + (int64_t)(next(s) * 3e8));
}

/* Seconds 12 to 14 answer nothing; what waited then is answered in the 15th. */
static void stall(struct sample *s, struct load_tally *t, int second, struct load_interval *i)
{
	struct load_backend *b = backend(t, "10.0.1.7:8888");
	uint64_t rate = (uint64_t)kinds[SAMPLE_STALL].rate;

	if (second >= 12 && second < 15) {
		i->backlog = (uint64_t)(second - 11) * rate - 64;
		return;
	}
	record(s, t, b, rate, 900 * US, 0);
	if (second == 15)
		record(s, t, b, 3 * rate, 950 * US, 3 * S);
	see_head(t, b, (uint32_t)(500000 + 2 * second), 300000000 + (int64_t)(next(s) * 2e8));
}

static void failed(struct sample *s, struct load_tally *t)
{
	(void)s;
	t->classes[LOAD_CONNECT] = 640;
}

static void slots(struct sample *s, struct load_tally *t, int second, struct load_interval *i)
{
	static const char *const names[] = { "10.0.1.4:8888", "10.0.1.5:8888", "10.0.1.6:8888",
		"10.0.1.7:8888" };
	double rate = kinds[SAMPLE_SLOTS].rate;

	for (int k = 0; k < 4; k++) {
		struct load_backend *b = backend(t, names[k]);
		bool lags = k == 2 && second >= 8 && second < 24;
		uint32_t head = (uint32_t)(250000000 + 2 * second);
		int64_t age = 250000000 + (int64_t)(next(s) * 2e8);

		record(s, t, b, about(s, rate / 4), lags ? 9000 * US : (700 + 40 * k) * US,
		        lags ? 2000 * US : 0);
		if (lags) {
			head -= (uint32_t)(second < 18 ? 3 * (second - 7) : 5 * (24 - second));
			age += (second - 7) * S / 2;
		}
		see_head(t, b, head, age);
		if (lags && second % 3 == 0) {
			b->failed += 12;
			t->classes[LOAD_STATUS] += 12;
			t->statuses[503] += 11;
			t->statuses[429] += 1;
		}
	}
	if (second == 12) {
		t->classes[LOAD_TIMEOUT] += 7;
		load_hist_record_n(t->sent, 5 * S, 7);
		load_hist_record_n(t->planned, 5 * S, 7);
		t->classes[LOAD_SHORT] += 2;
		t->classes[LOAD_RESET] += 3;
	}
	i->backlog = second >= 8 && second < 24 ? about(s, 80) : 0;
}

/* A slow hour, a short outage at noon. */
static void day(struct sample *s, struct load_tally *t, int second)
{
	struct load_backend *b = backend(t, "");
	int64_t base = second >= 30000 && second < 33600 ? 2500 * US : 700 * US;

	if (second >= 43211 && second < 43214) {
		t->classes[LOAD_TIMEOUT] += 16;
		load_hist_record_n(t->sent, 5 * S, 16);
		return;
	}
	for (int k = 0; k < 8; k++) {
		int64_t ns = latency(s, base);

		load_hist_record_n(t->sent, ns, 2500);
		load_hist_record_n(b->latency, ns, 2500);
	}
	t->classes[LOAD_OK] += (uint64_t)(20000 - second % 97 * 10);
	b->ok += (uint64_t)(20000 - second % 97 * 10);
	see_head(t, b, (uint32_t)(1000 + 2 * second), 300000000);
}

static void fill(struct sample *s, enum sample_kind kind, struct load_tally *t, int second,
        struct load_interval *i)
{
	switch (kind) {
	case SAMPLE_HEALTHY:
		healthy(s, t, second);
		break;
	case SAMPLE_STALL:
		stall(s, t, second, i);
		break;
	case SAMPLE_FAILED:
		failed(s, t);
		break;
	case SAMPLE_ONE:
		record(s, t, NULL, 10, 800 * US, 0);
		break;
	case SAMPLE_SLOTS:
		slots(s, t, second, i);
		break;
	case SAMPLE_DAY:
		day(s, t, second);
		break;
	case SAMPLES:
		break;
	}
}

static bool namer(void *arg, const char *address, char *out, size_t size)
{
	(void)arg;
	if (strncmp(address, "10.0.1.", 7) != 0 || strcmp(address, "10.0.1.7:8888") == 0)
		return false;
	snprintf(out, size, "readers.%d@node%d", address[7] - '3', 1 + address[7] % 2);
	return true;
}

static void configure(struct sample *s, enum sample_kind kind)
{
	static char url[] = "http://127.0.0.1:8888/v1/chain/get_info";
	static const char request[] = "GET /v1/chain/get_info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
	double rate = kinds[kind].rate;

	s->target = (struct load_target){ .url = url };
	s->config = (struct load_config){
		.target = &s->target,
		.request = request,
		.request_n = sizeof(request) - 1,
		.keep_alive = true,
		.threads = kinds[kind].connections > 1 ? 2 : 1,
		.connections = kinds[kind].connections,
		.pipeline = 1,
		.warmup_ns = kinds[kind].warmup * S,
		.duration_ns = kinds[kind].seconds * S,
		.requests = kind == SAMPLE_ONE ? 10 : 0,
		.scheduled = kinds[kind].scheduled,
		.timeout_ns = 5 * S,
		.check = kind == SAMPLE_ONE ? LOAD_CHECK_ANY : LOAD_CHECK_INFO,
		.fork_depth = 330,
	};
	if (s->config.scheduled)
		s->config.schedule = (struct load_schedule){ rate, rate, s->config.duration_ns };
}

static void settle(struct sample *s, enum sample_kind kind)
{
	struct load_result *r = &s->result;

	r->sending_ns = kinds[kind].seconds * S;
	r->elapsed_ns = r->sending_ns + 2000 * US;
	if (kind == SAMPLE_ONE)
		r->sending_ns = r->elapsed_ns = 10500 * US;
	r->last_ok_ns = kind == SAMPLE_FAILED ? 0 : r->elapsed_ns;
	r->started_real_ns = INT64_C(1795256343500000000);
	r->cpu_user_s = 0.25 * kinds[kind].seconds;
	r->cpu_system_s = 0.5 * kinds[kind].seconds;
	r->busiest = 0.41;
	r->starved = kind == SAMPLE_FAILED ? (double)NAN : 0.004;
	r->longest_gap_ns = s->config.scheduled ? 0 : 1200 * US;
	r->scheduling = s->config.scheduled ? LOAD_REAL_TIME : LOAD_ORDINARY;
	if (kind != SAMPLE_ONE && kind != SAMPLE_FAILED)
		memcpy(r->chain_id, chain, sizeof(chain));
	if (s->config.scheduled)
		r->planned = (uint64_t)(kinds[kind].rate * kinds[kind].seconds);
	r->total->connects = kind == SAMPLE_FAILED ? 0 : kinds[kind].connections;
}

struct sample *sample_new(enum sample_kind kind, bool wants_hdr)
{
	struct sample *s = calloc(1, sizeof(*s));
	struct load_tally *t = load_tally_new(kinds[kind].scheduled);
	struct err e = ERR_INIT;

	assert(s && t);
	s->random = kind + 1;
	configure(s, kind);
	s->result.total = load_tally_new(kinds[kind].scheduled);
	assert(s->result.total);
	if (load_report_init(&s->report, &s->config, wants_hdr, &e) < 0)
		abort();
	s->report.namer = namer;
	for (int second = -kinds[kind].warmup; second < kinds[kind].seconds; second++) {
		struct load_interval i = {
			.begin_ns = second * S,
			.end_ns = kind == SAMPLE_ONE ? 10500 * US : (second + 1) * S,
			.is_warmup = second < 0,
			.tally = t,
			.open = kind == SAMPLE_FAILED ? 0 : kinds[kind].connections,
		};

		load_tally_clear(t);
		fill(s, kind, t, second, &i);
		load_report_interval(&s->report, &i);
		if (second >= 0 && load_tally_add(s->result.total, t) < 0)
			abort();
	}
	load_tally_free(t);
	settle(s, kind);
	if (load_report_finish(&s->report, &s->result, &e) < 0)
		abort();
	return s;
}

void sample_free(struct sample *s)
{
	if (!s)
		return;
	load_report_release(&s->report);
	load_tally_free(s->result.total);
	free(s);
}
