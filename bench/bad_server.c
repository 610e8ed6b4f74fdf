/*
 * load/bad_server.h as a program, for the tests and benchmarks of load tests
 *
 * usage: bad_server [OPTION...]
 *
 *   --mode NAME        what is wrong (good); --every N: with every Nth request (1)
 *   --delay KIND:...   good replies wait: fixed:1ms, uniform:1ms:9ms, bimodal:1ms:50ms:100 (the
 *                      long one once in 100), stall:3s:1s (who comes from 3 s after the first
 *                      request on waits until that second is over)
 *   --listen ADDRESS   127.0.0.1, ::1 or the path of a unix socket
 *   --chunked --dribble --no-keep-alive --served-by
 *
 * Prints its URL, serves until SIGTERM or SIGINT, and prints what it did: "REQUESTS BAD", and of
 * how long it really let good replies wait a line for each percentile: "p99_9 MICROSECONDS".
 */

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/num.h"
#include "load/bad_server.h"

static const char *const modes[BAD_SERVER_MODES] = {
	[BAD_SERVER_GOOD] = "good",
	[BAD_SERVER_RESET] = "reset",
	[BAD_SERVER_CLOSE] = "close",
	[BAD_SERVER_SILENT] = "silent",
	[BAD_SERVER_SLOW_BODY] = "slow-body",
	[BAD_SERVER_SHORT] = "short",
	[BAD_SERVER_SHORT_CHUNK] = "short-chunk",
	[BAD_SERVER_STATUS] = "status",
	[BAD_SERVER_NOT_HTTP] = "not-http",
	[BAD_SERVER_EXTRA] = "extra",
	[BAD_SERVER_TOO_LARGE] = "too-large",
	[BAD_SERVER_NOT_JSON] = "not-json",
	[BAD_SERVER_NOT_INFO] = "not-info",
	[BAD_SERVER_WRONG_CHAIN] = "wrong-chain",
	[BAD_SERVER_HEAD_BACK] = "head-back",
};

static NORETURN void die(const char *why)
{
	fprintf(stderr, "bad_server: %s\n", why);
	exit(2);
}

static int64_t time_arg(char **rest)
{
	struct err e = ERR_INIT;
	const char *word = strsep(rest, ":");
	int64_t ns;

	if (!word)
		die("a time is missing");
	if (num_duration(&ns, word, &e) < 0)
		die(e.msg);
	return ns;
}

static unsigned count_arg(const char *text)
{
	struct err e = ERR_INIT;
	uint64_t n;

	if (!text)
		die("a number is missing");
	if (num_uint(&n, text, 1, 1000000000, &e) < 0)
		die(e.msg);
	return (unsigned)n;
}

static struct bad_server_delay delay_arg(char *text)
{
	struct bad_server_delay d = { 0 };
	char *rest = text;
	const char *kind = strsep(&rest, ":");

	d.a_ns = time_arg(&rest);
	if (strcmp(kind, "fixed") == 0) {
		d.kind = BAD_SERVER_FIXED;
		return d;
	}
	d.b_ns = time_arg(&rest);
	if (strcmp(kind, "uniform") == 0) {
		d.kind = BAD_SERVER_UNIFORM;
	} else if (strcmp(kind, "bimodal") == 0) {
		d.kind = BAD_SERVER_BIMODAL;
		d.every = count_arg(rest);
	} else if (strcmp(kind, "stall") == 0) {
		d.kind = BAD_SERVER_STALL;
	} else {
		die("no such delay");
	}
	return d;
}

static enum bad_server_mode mode_arg(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (strcmp(name, modes[i]) == 0)
			return (enum bad_server_mode)i;
	die("no such mode");
}

static void read_options(struct bad_server_config *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "every", required_argument, NULL, 'e' },
		{ "delay", required_argument, NULL, 'd' },
		{ "listen", required_argument, NULL, 'l' },
		{ "chunked", no_argument, NULL, 'c' },
		{ "dribble", no_argument, NULL, 'b' },
		{ "no-keep-alive", no_argument, NULL, 'k' },
		{ "served-by", no_argument, NULL, 's' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'm':
			c->mode = mode_arg(optarg);
			break;
		case 'e':
			c->every = count_arg(optarg);
			break;
		case 'd':
			c->delay = delay_arg(optarg);
			break;
		case 'l':
			c->listen = optarg;
			break;
		case 'c':
			c->chunked = true;
			break;
		case 'b':
			c->dribble = true;
			break;
		case 'k':
			c->no_keep_alive = true;
			break;
		case 's':
			c->served_by = true;
			break;
		default:
			exit(2);
		}
	}
	if (optind != argc)
		die("it takes no arguments");
}

static void print_delays(const struct load_hist *h)
{
	static const struct {
		const char *name;
		double percent;
	} rows[] = {
		{ "p50", 50 },
		{ "p75", 75 },
		{ "p90", 90 },
		{ "p95", 95 },
		{ "p99", 99 },
		{ "p99_9", 99.9 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		printf("%s %.0f\n", rows[i].name,
		        (double)load_hist_percentile(h, rows[i].percent) / 1e3);
}

int main(int argc, char **argv)
{
	struct bad_server_config c = { .every = 1, .listen = "127.0.0.1" };
	AUTO(bad_server_stop) struct bad_server *s = NULL;
	struct err e = ERR_INIT;
	uint64_t requests, bad;
	sigset_t signals;
	int signal;

	read_options(&c, argc, argv);
	/* Before its thread begins, which then has them blocked as well. */
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	s = bad_server_start(&c, &e);
	if (!s)
		die(e.msg);
	printf("%s\n", bad_server_url(s));
	(void)fflush(stdout);
	(void)sigwait(&signals, &signal);
	bad_server_counts(s, &requests, &bad);
	printf("%" PRIu64 " %" PRIu64 "\n", requests, bad);
	print_delays(bad_server_delays(s));
	return 0;
}
