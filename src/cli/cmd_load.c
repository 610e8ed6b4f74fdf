/*
 * load: the options of all its ways, checked together; each way is a file of its own (load_test.h)
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/num.h"
#include "cli/command.h"
#include "cli/load_test.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "load/compare.h"
#include "load/schedule.h"
#include "load/self_test.h"

#define MIN_DURATION_NS  (100 * NS_PER_MS)
#define DEFAULT_NS       (10 * NS_PER_SEC)
#define WARMUP_NS        NS_PER_SEC
#define HEADERS_FILE_MAX ((size_t)1 << 20)

static struct {
	int64_t threads, connections, requests, pipeline, fork_depth, rounds;
	int64_t duration, timeout, warmup;
	const char *rate, *method, *body, *unix_socket, *chain_id, *knee_from, *knee_to;
	const char *csv, *hdr, *html;
	struct strvec headers, fail_if;
	bool no_keep_alive, any, owns_it, self_test, ab, find_knee, no_live;
} o = { .duration = -1, .warmup = -1 };

/* --- options --------------------------------------------------------------------------- */

static int check_schedule(const char *value, struct err *e)
{
	struct load_schedule unused;

	return load_schedule_parse(&unused, value, e);
}

static int check_rate(const char *value, struct err *e)
{
	double unused;

	return load_rate_parse(&unused, value, e);
}

static int check_limit(const char *value, struct err *e)
{
	struct load_limit unused;

	return load_limit_parse(&unused, value, e);
}

static const struct opt opts[] = {
	{ "threads", 't', "N",
	        "threads that send, each with its share of the connections; without it one for "
	        "each processor",
	        .min = 1, .max = LOAD_THREADS_MAX, .number = &o.threads },
	{ "connections", 'c', "N", "connections, kept open", .value = "64", .min = 1,
	        .max = LOAD_CONNECTIONS_MAX, .number = &o.connections },
	{ "duration", 'd', "TIME",
	        "how long to measure, 10s unless said; with -n the longest it may take",
	        .min = MIN_DURATION_NS, .duration = &o.duration },
	{ "requests", 'n', "N", "end after that many requests", .min = 1,
	        .max = (int64_t)LOAD_REQUESTS_MAX, .number = &o.requests },
	{ "rate", 'r', "RATE",
	        "send on a plan, so many requests a second ('2000', '1.5k') or from one rate to "
	        "another ('100..2k'), whatever the answers do; latency is from the planned start",
	        .check = check_schedule, .string = &o.rate },
	{ "pipeline", 0, "N", "requests under way on a connection", .value = "1", .min = 1,
	        .max = LOAD_PIPELINE_MAX, .number = &o.pipeline },
	{ "no-keep-alive", 0, NULL, "open a connection for each request",
	        .flag = &o.no_keep_alive },
	{ "timeout", 0, "TIME", "a request without its whole answer after that long has failed",
	        .value = "5s", .min = NS_PER_MS, .duration = &o.timeout },
	{ "warmup", 0, "TIME", "load that long before measuring; 1s unless said, none with -n",
	        .duration = &o.warmup },
	{ "any", 0, NULL,
	        "for other calls and servers: any complete answer with a status of 200 to 299 is "
	        "good",
	        .flag = &o.any },
	{ "method", 0, "METHOD", "HTTP method; GET unless said, POST with --body",
	        .string = &o.method },
	{ "body", 0, "TEXT", "send TEXT, or with @FILE what is in FILE", .string = &o.body },
	{ "header", 0, "LINE",
	        "send the header 'Name: value', instead of ours of that name; with @FILE each "
	        "line of FILE is one",
	        .strings = &o.headers },
	{ "unix-socket", 0, "PATH", "connect to that socket; the URL gives Host and path",
	        .string = &o.unix_socket },
	{ "chain-id", 0, "ID", "expect that chain, not the one of the first answer",
	        .string = &o.chain_id },
	{ "fork-depth", 0, "BLOCKS", "how far head_block_num may go back on a connection",
	        .value = "330", .max = UINT32_MAX, .number = &o.fork_depth },
	{ "i-own-this", 0, NULL, "load a public address", .flag = &o.owns_it },
	{ "fail-if", 0, "LIMIT",
	        "exit with 1 if so: 'p99>20ms', 'errors>10', 'error-rate>0.1%', 'rate<40k', "
	        "'lag>2', 'age>3s'; without one on errors also 'errors>0'",
	        .check = check_limit, .strings = &o.fail_if },
	{ "csv", 0, "FILE", "write the time series there", .string = &o.csv },
	{ "hdr", 0, "FILE", "write a log for HdrHistogram's tools there", .string = &o.hdr },
	{ "html", 0, "FILE", "write a page with charts there", .string = &o.html },
	{ "ab", 0, NULL, "compare two URLs, loaded in turn", .exclusive = 'm', .flag = &o.ab },
	{ "rounds", 0, "N", "with --ab: runs of each", .value = "6", .min = 1,
	        .max = LOAD_PAIRS_MAX, .needs = "ab", .number = &o.rounds },
	{ "find-knee", 0, NULL,
	        "find the highest rate that holds the limits; without one on errors or latency "
	        "'errors>0' and 'p99>50ms'",
	        .exclusive = 'm', .flag = &o.find_knee },
	{ "knee-from", 0, "RATE", "with --find-knee: the rate to begin with", .value = "100",
	        .needs = "find-knee", .check = check_rate, .string = &o.knee_from },
	{ "knee-to", 0, "RATE", "with --find-knee: look no further", .value = "1000k",
	        .needs = "find-knee", .check = check_rate, .string = &o.knee_to },
	{ "self-test", 0, NULL,
	        "run every kind of failure against a server of ours and show what was counted",
	        .exclusive = 'm', .flag = &o.self_test },
	{ "no-live", 0, NULL, "draw nothing while it runs", .flag = &o.no_live },
	{ NULL },
};

static int check_ways(const struct context *ctx, int argc, struct err *e)
{
	if (o.self_test && argc)
		return command_usage(ctx, e, "--self-test takes no URL");
	if (o.self_test)
		return 0;
	if (o.ab && argc != 2)
		return command_usage(ctx, e, "--ab compares two URLs, not %d", argc);
	if (!o.ab && argc > 1)
		return command_usage(ctx, e, "two URLs are for --ab");
	if (!argc && !o.unix_socket)
		return command_usage(ctx, e, "a URL is missing: http://HOST[:PORT][/PATH]");
	if (o.ab && o.unix_socket)
		return command_usage(ctx, e, "--ab and --unix-socket cannot be given together");
	if ((o.ab || o.find_knee) && (o.csv || o.hdr || o.html))
		return command_usage(ctx, e, "--csv, --hdr and --html are of one run");
	if (o.find_knee && (o.rate || o.requests))
		return command_usage(
		        ctx, e, "--find-knee chooses rates itself: leave -r and -n out");
	return 0;
}

static int check_load(const struct context *ctx, struct err *e)
{
	if (o.threads > o.connections)
		return command_usage(ctx, e, "%lld threads need as many connections, not %lld",
		        (long long)o.threads, (long long)o.connections);
	if (o.duration > LOAD_DURATION_MAX_NS || o.warmup > LOAD_DURATION_MAX_NS)
		return command_usage(ctx, e, "a load test lasts a day at most");
	if (o.timeout > LOAD_HIST_MAX_NS)
		return command_usage(ctx, e, "a timeout is an hour at most");
	if (o.any && o.chain_id)
		return command_usage(ctx, e, "--any looks at no chain: leave --chain-id out");
	if (!o.any && o.method && strcmp(o.method, "HEAD") == 0)
		return command_usage(ctx, e, "HEAD has no body to check: say --any");
	return 0;
}

static int set_rate(const struct context *ctx, struct load_config *c, struct err *e)
{
	if (!o.rate)
		return 0;
	c->scheduled = true;
	if (load_schedule_parse(&c->schedule, o.rate, e) < 0)
		return -1;
	c->schedule.duration_ns = c->duration_ns;
	if (load_schedule_is_ramp(&c->schedule) && o.duration < 0 && o.requests)
		return command_usage(ctx, e, "a ramp with -n needs -d, the time from end to end");
	return 0;
}

static int set_chain(const struct context *ctx, struct load_config *c, struct err *e)
{
	size_t n = sizeof(c->chain_id) - 1;

	if (!o.chain_id)
		return 0;
	if (!hex_is(o.chain_id, n))
		return command_usage(ctx, e, "'%.80s' is not a chain id: %zu digits of 0-9 and a-f",
		        o.chain_id, n);
	memcpy(c->chain_id, o.chain_id, n + 1);
	return 0;
}

static int set_config(const struct context *ctx, struct load_config *c, struct err *e)
{
	if (check_load(ctx, e) < 0)
		return -1;
	*c = (struct load_config){
		.is_head = o.method && strcmp(o.method, "HEAD") == 0,
		.keep_alive = !o.no_keep_alive,
		.connections = (unsigned)o.connections,
		.pipeline = (unsigned)o.pipeline,
		.warmup_ns = o.warmup >= 0 ? o.warmup
		        : o.requests       ? 0
		                           : WARMUP_NS,
		.duration_ns = o.duration >= 0 ? o.duration
		        : o.requests           ? LOAD_DURATION_MAX_NS
		                               : DEFAULT_NS,
		.requests = (uint64_t)o.requests,
		.timeout_ns = o.timeout,
		.check = o.any ? LOAD_CHECK_ANY : LOAD_CHECK_INFO,
		.fork_depth = (uint32_t)o.fork_depth,
		.interrupted = &ctx->interrupted,
	};
	if (o.no_keep_alive && o.pipeline > 1)
		return command_usage(ctx, e, "--pipeline needs connections that are kept open");
	return set_rate(ctx, c, e) < 0 || set_chain(ctx, c, e) < 0 ? -1 : 0;
}

/* TEXT or @FILE; into the buffer where it is a file. */
static int read_body(struct buf *file, const char **ret, struct err *e)
{
	*ret = o.body;
	if (!o.body || *o.body != '@')
		return 0;
	if (fs_read_at(AT_FDCWD, o.body + 1, file, e) != 0)
		return e->kind ? err_wrap(e, "option '--body'")
		               : err_set(e, ERR_NOT_FOUND, "option '--body': there is no file '%s'",
		                         o.body + 1);
	*ret = file->data ? file->data : "";
	if (file->len && strlen(file->data) != file->len)
		return err_set(e, ERR_USAGE, "option '--body': '%s' has a NUL byte", o.body + 1);
	return 0;
}

/* Each line of a file; what they hold is told nobody. */
static int add_headers(struct strvec *headers, const char *path, struct err *e)
{
	AUTO(buf) struct buf file = BUF_INIT(HEADERS_FILE_MAX);
	char *rest, *line;

	if (fs_read_at(AT_FDCWD, path, &file, e) != 0)
		return e->kind ? err_wrap(e, "option '--header'")
		               : err_set(e, ERR_NOT_FOUND,
		                         "option '--header': there is no file '%s'", path);
	if (file.len && strlen(file.data) != file.len)
		return err_set(e, ERR_USAGE, "option '--header': '%s' has a NUL byte", path);
	for (rest = file.data; rest && (line = strsep(&rest, "\n"));) {
		size_t n = strlen(line);

		if (n && line[n - 1] == '\r')
			line[n - 1] = '\0';
		if (*line && strvec_add(headers, line) < 0)
			return err_nomem(e);
	}
	return 0;
}

/* LINE or @FILE. */
static int read_headers(struct strvec *headers, struct err *e)
{
	for (size_t i = 0; i < o.headers.n; i++) {
		const char *h = o.headers.v[i];

		if (*h == '@' ? add_headers(headers, h + 1, e) < 0 : strvec_add(headers, h) < 0)
			return e->kind ? -1 : err_nomem(e);
	}
	return 0;
}

static bool has_limit(const struct load_limits *ls, bool of_errors)
{
	for (size_t i = 0; i < ls->n; i++) {
		enum load_metric m = ls->limits[i].metric;
		bool is_errors = m == LOAD_M_ERRORS || m == LOAD_M_ERROR_RATE;
		bool is_latency = m == LOAD_M_PERCENTILE || m == LOAD_M_MEAN || m == LOAD_M_MAX;

		if (of_errors ? is_errors : is_latency)
			return true;
	}
	return false;
}

static int set_limits(struct load_limits *ls, struct err *e)
{
	if (load_limits_parse(ls, &o.fail_if, e) < 0)
		return err_wrap(e, "option '--fail-if'");
	if (!o.find_knee || has_limit(ls, false) || ls->n == LOAD_LIMITS_MAX)
		return 0;
	return load_limit_parse(&ls->limits[ls->n++], "p99>50ms", e);
}

static int set_knee(double *from, double *to, struct err *e)
{
	if (load_rate_parse(from, o.knee_from, e) < 0 || load_rate_parse(to, o.knee_to, e) < 0)
		return -1;
	if (*from > *to)
		return err_set(e, ERR_USAGE, "--knee-from %s is above --knee-to %s", o.knee_from,
		        o.knee_to);
	return 0;
}

/* A generator that does not see failures must not print figures. */
static int test_self(struct context *ctx, struct err *e)
{
	struct err why = ERR_INIT;
	int rc;

	if (ctx->err_tty)
		progress_set(ctx, "self-test");
	rc = load_self_test(false, NULL, NULL, &ctx->interrupted, &why);
	progress_end(ctx);
	if (rc == 0)
		return 0;
	err_set(e, rc > 0 ? ERR_UNHEALTHY : why.kind, "self-test: %s", why.msg);
	if (why.kind == ERR_INTERRUPTED)
		return -1;
	return err_hint(e,
	        "'nodeswarm load --self-test' shows all cases; no figure of this machine "
	        "is to be trusted until they are right");
}

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	AUTO(buf) struct buf file = BUF_INIT(LOAD_REQUEST_BODY_MAX);
	AUTO(strvec) struct strvec headers = STRVEC_INIT;
	struct load_run_files files = { o.csv, o.hdr, o.html };
	struct load_test t = {
		.ctx = ctx,
		.threads = (unsigned)o.threads,
		.method = o.method ? o.method
		        : o.body   ? "POST"
		                   : "GET",
		.headers = &headers,
		.unix_socket = o.unix_socket,
		.owns_it = o.owns_it,
		.has_live = ctx->err_tty && ctx->level >= 0 && !o.no_live && terminal_can_draw(),
	};
	double from = 0, to = 0;
	int rc;

	if (check_ways(ctx, argc, e) < 0)
		return -1;
	if (o.self_test)
		return load_cmd_self_test(ctx, e);
	if (set_config(ctx, &t.config, e) < 0 || set_limits(&t.limits, e) < 0 ||
	        set_knee(&from, &to, e) < 0 || read_body(&file, &t.body, e) < 0 ||
	        read_headers(&headers, e) < 0 || test_self(ctx, e) < 0)
		return -1;
	if (o.ab)
		rc = load_cmd_compare(&t, argv[0], argv[1], (unsigned)o.rounds, e);
	else if (o.find_knee)
		rc = load_cmd_knee(&t, argc ? argv[0] : "http://localhost", from, to, e);
	else
		rc = load_cmd_run(&t, argc ? argv[0] : "http://localhost", &files, e);
	load_test_release(&t);
	return rc;
}

const struct command cmd_load = {
	.name = "load",
	.group = "Load",
	.args = "[URL [URL2]]",
	.summary = "load an API and tell what became of each request",
	.description =
	        "Sends get_info to a node, or to the front of many, as fast as it answers or at a "
	        "fixed rate, and counts every request in one class. It is good only if its answer "
	        "is complete, 200, JSON, of the expected chain, and the head block has not gone "
	        "back further than a fork can on its connection. The path is /v1/chain/get_info "
	        "unless "
	        "the URL has one."
	        "\n\n"
	        "Without -r each connection sends when its answer is there (closed loop): a server "
	        "that stalls is asked less, and looks better than its users find it. With -r "
	        "requests have a plan, and latency counts from the planned start. If this machine "
	        "could not keep the plan the result says so."
	        "\n\n"
	        "The result ends in the five lines of the public test script (Workers, Failed "
	        "Requests, OK Requests, Total Requests, Finished. Time). Where answers say in "
	        "X-Served-By who gave them there is a table of them; slots of the stack have their "
	        "names if an engine can be asked. Ctrl-C ends in a report of what was done."
	        "\n\n"
	        "Only loopback and private addresses are loaded: a load test of somebody else's "
	        "server is an attack. --i-own-this is for a public address of your own."
	        "\n\n"
	        "Exits with 1 when a limit is broken (by default: any request failed), when the "
	        "generator was late, when it was interrupted, when the self-test before each run "
	        "fails, and when --ab or --find-knee have no answer.",
	.examples = (const char *const[]){ "nodeswarm load http://127.0.0.1:8888",
	        "nodeswarm load http://10.0.0.5 -c 200 -d 30s --fail-if 'p99>20ms'",
	        "nodeswarm load http://10.0.0.5 -r 2k -d 1m --html report.html",
	        "nodeswarm load http://10.0.0.5 -r 100..5k -d 2m --csv ramp.csv",
	        "nodeswarm load --ab http://10.0.0.5:8888 http://10.0.0.5 -d 5s",
	        "nodeswarm load --find-knee http://10.0.0.5 -d 5s --fail-if 'p99>20ms'",
	        "nodeswarm load --any --body @b.json http://10.0.0.5/v1/chain/get_block",
	        "nodeswarm load --self-test", NULL },
	.max_args = 2,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
