/*
 * How long a replay would take, and what its order is worth
 *
 * The same slices with the same times are played in three orders: as the file has them, ours
 * (longest expected first, where what is expected is learned on the way), and that of somebody who
 * knows each time beforehand.  Made-up times are drawn several times; the middle of the results is
 * shown, and the worst.
 */

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/table.h"
#include "cli/command.h"
#include "cli/output.h"
#include "replay/order.h"
#include "replay/simulate.h"
#include "replay/slices.h"
#include "replay/stats.h"

static int64_t workers, trials, seed, start_ns;
static const char *spread, *pace, *times;

static int check_spread(const char *value, struct err *e)
{
	double v;

	if (num_decimal(&v, value, e) < 0)
		return -1;
	if (v < 1 || v > 10000)
		return err_set(e, ERR_USAGE, "'%s' is not between 1 and 10000", value);
	return 0;
}

static int check_pace(const char *value, struct err *e)
{
	double v;

	if (num_decimal(&v, value, e) < 0)
		return -1;
	if (v < 1e-3 || v > 1e9)
		return err_set(e, ERR_USAGE, "'%s' is not between 0.001 and 1000000000", value);
	return 0;
}

static const struct opt opts[] = {
	{ "workers", 'n', "N", "how many workers", .value = "10", .min = 1, .max = 100000,
	        .number = &workers },
	{ "times", 0, "FILE", "a certificate or an orchestrator's log: what slices took",
	        .string = &times },
	{ "spread", 0, "FACTOR",
	        "without --times: the heaviest blocks take FACTOR times the lightest", .value = "4",
	        .check = check_spread, .string = &spread },
	{ "block-rate", 0, "N",
	        "without --times: a worker replays N of the lightest blocks a second",
	        .value = "1000", .check = check_pace, .string = &pace },
	{ "trials", 0, "N", "without --times: draw the times N times", .value = "5", .min = 1,
	        .max = 1000, .number = &trials },
	{ "seed", 0, "N", "without --times: what they are drawn from", .value = "1",
	        .number = &seed },
	{ "start", 0, "TIME", "what a slice costs besides: fetching and loading its snapshot",
	        .value = "1m", .duration = &start_ns },
	{ NULL },
};

enum { FIRST, LONGEST, ORACLE, BOUND, ORDERS };

static const char *const order_names[ORDERS] = { "first come", "longest first", "oracle",
	"lower bound" };

struct simulation {
	struct slices s;
	struct order_slice *ranges;
	double *seconds;
	size_t n_trials;
	double *took[ORDERS], *ratio[ORDERS]; /* of each trial; ratio: to the even share */
	double even;                          /* of all trials, the mean */
	int64_t known;                        /* slices whose time was measured; 0: made up */
};

static void auto_simulation(struct simulation *m)
{
	for (int i = 0; i < ORDERS; i++) {
		free(m->took[i]);
		free(m->ratio[i]);
	}
	free(m->ranges);
	free(m->seconds);
	slices_release(&m->s);
}

static int set_up(struct simulation *m, const char *path, struct err *e)
{
	if (slices_read(&m->s, path, e) < 0)
		return -1;
	if (m->s.n == 0)
		return err_set(e, ERR_USAGE, "'%s' has no slice", path);
	m->n_trials = times ? 1 : (size_t)trials;
	m->ranges = calloc(m->s.n, sizeof(*m->ranges));
	m->seconds = calloc(m->s.n, sizeof(*m->seconds));
	for (int i = 0; i < ORDERS; i++) {
		m->took[i] = calloc(m->n_trials, sizeof(double));
		m->ratio[i] = calloc(m->n_trials, sizeof(double));
		if (!m->took[i] || !m->ratio[i])
			return err_nomem(e);
	}
	if (!m->ranges || !m->seconds)
		return err_nomem(e);
	for (size_t i = 0; i < m->s.n; i++)
		m->ranges[i] = (struct order_slice){ m->s.v[i].start, m->s.v[i].end, 0 };
	return 0;
}

static int read_times(struct simulation *m, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(SIMULATE_TEXT_MAX);
	int rc = fs_read_at(AT_FDCWD, times, &text, e);

	if (rc > 0)
		return err_set(e, ERR_NOT_FOUND, "there is no file '%s'", times);
	if (rc < 0)
		return -1;
	m->known =
	        simulate_times(m->seconds, &m->s, text.data ? text.data : "", text.len, times, e);
	return m->known < 0 ? -1 : simulate_fill(m->seconds, &m->s, e);
}

static int play(struct simulation *m, size_t trial, struct err *e)
{
	static const enum order_rule rules[] = {
		[FIRST] = ORDER_FIRST, [LONGEST] = ORDER_LONGEST, [ORACLE] = ORDER_ORACLE
	};
	double start = (double)start_ns / NS_PER_SEC;
	double even = simulate_even(m->seconds, m->s.n, (unsigned)workers, start);

	for (int i = 0; i < ORDERS; i++) {
		double took = i == BOUND
		        ? simulate_bound(m->seconds, m->s.n, (unsigned)workers, start)
		        : order_simulate(rules[i], m->ranges, m->seconds, m->s.n, (unsigned)workers,
		                  start);

		if (took < 0)
			return err_nomem(e);
		m->took[i][trial] = took;
		m->ratio[i][trial] = even > 0 ? took / even : 1;
	}
	m->even += even / (double)m->n_trials;
	return 0;
}

static int play_all(struct context *ctx, struct simulation *m, struct err *e)
{
	double factor = 1, rate = 1;

	if (times)
		return read_times(m, e) < 0 ? -1 : play(m, 0, e);
	if (num_decimal(&factor, spread, e) < 0 || num_decimal(&rate, pace, e) < 0)
		return -1;
	for (size_t i = 0; i < m->n_trials; i++) {
		if (ctx->interrupted)
			return err_set(e, ERR_INTERRUPTED, "interrupted after %zu trials", i);
		simulate_spread(m->seconds, &m->s, 1 / rate, factor, (uint64_t)seed + i);
		if (play(m, i, e) < 0)
			return -1;
	}
	return 0;
}

static json_t *rounded(double v, double unit)
{
	return json_real(round(v * unit) / unit);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void tell_what(struct context *ctx, const struct simulation *m)
{
	char even[NUM_TEXT_MAX], start[NUM_TEXT_MAX];

	output_line(ctx, "%zu slices, %lld workers, %s for the start of each; shared evenly: %s",
	        m->s.n, (long long)workers, num_duration_text(start, start_ns),
	        num_duration_text(even, (int64_t)(m->even * NS_PER_SEC)));
	if (!times && m->n_trials == 1)
		output_line(ctx, "times are made up, spread %s\n", spread);
	else if (!times)
		output_line(ctx,
		        "times are made up, spread %s: the median of %zu trials and the "
		        "worst\n",
		        spread, m->n_trials);
	else if ((size_t)m->known == m->s.n)
		output_line(ctx, "times are those of '%s'\n", times);
	else
		output_line(ctx,
		        "times of %lld slices are those of '%s', others as their "
		        "neighbours'\n",
		        (long long)m->known, times);
}

static void add_row(struct table *t, const struct context *ctx, struct simulation *m, int i)
{
	struct replay_stats took, ratio;
	char text[NUM_TEXT_MAX];

	replay_stats(&took, m->took[i], m->n_trials);
	replay_stats(&ratio, m->ratio[i], m->n_trials);
	table_row(t);
	table_set(t, 0, json_string(order_names[i]));
	if (ctx->json)
		table_set(t, 1, rounded(took.median, 1000));
	else
		table_set(t, 1,
		        json_string(num_duration_text(text, (int64_t)(took.median * NS_PER_SEC))));
	if (ctx->json) {
		table_set(t, 2, rounded(ratio.median, 1e4));
		table_set(t, 3, rounded(ratio.longest, 1e4));
		return;
	}
	snprintf(text, sizeof(text), "%.3f", ratio.median);
	table_set(t, 2, json_string(text));
	snprintf(text, sizeof(text), "%.3f", ratio.longest);
	table_set(t, 3, json_string(text));
}

static int print(struct context *ctx, struct simulation *m, struct err *e)
{
	static const struct table_column cols[] = {
		{ "ORDER", "order", TABLE_TEXT },
		{ "TIME", "seconds", TABLE_NUMBER },
		{ "OF EVEN", "ratio", TABLE_NUMBER },
		{ "WORST", "worst_ratio", TABLE_NUMBER },
	};
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));

	if (!t)
		return err_nomem(e);
	tell_what(ctx, m);
	for (int i = 0; i < ORDERS; i++)
		add_row(t, ctx, m, i);
	if (output_table(ctx, "orders", t, e) < 0 ||
	        output_value(ctx, "workers", json_integer(workers), e) < 0 ||
	        output_value(ctx, "slices", json_integer((json_int_t)m->s.n), e) < 0 ||
	        output_value(ctx, "measured", json_integer(m->known), e) < 0 ||
	        output_value(ctx, "trials", json_integer((json_int_t)m->n_trials), e) < 0)
		return -1;
	return output_value(ctx, "even_seconds", rounded(m->even, 1000), e);
}

static int run(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	AUTO(simulation) struct simulation m = { .n_trials = 0 };

	if (set_up(&m, argv[0], e) < 0 || play_all(ctx, &m, e) < 0)
		return -1;
	return print(ctx, &m, e);
}

const struct command cmd_replay_simulate = {
	.name = "replay simulate",
	.group = "Replay",
	.args = "MANIFEST",
	.summary = "tell how long a replay would take",
	.description =
	        "Plays the run of a manifest: slices in the file's order ('first come'), in that "
	        "of "
	        "'nodeswarm replay serve' ('longest first': what is expected is learned on the "
	        "way) "
	        "and in that of one who knows all times ('oracle'), beside what no order can be "
	        "faster than. OF EVEN compares with all work shared evenly."
	        "\n\n"
	        "With --times the slices take what they took; those that are not in the file, what "
	        "their neighbours by height took a block. Without it times are made up: gently "
	        "rising and falling over the chain's history.",
	.examples = (const char *const[]){ "nodeswarm replay simulate manifest.json -n 10",
	        "nodeswarm replay simulate manifest.json -n 50 --times certificate.json",
	        "nodeswarm replay simulate manifest.json --spread 20 --start 5m --json", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
