/*
 * A signing gate as a program, for the tests and benchmarks with a nodeos
 *
 * usage: gate_tool KEYFILE DIRECTORY PORT
 *
 * Prints "PORT KEY" and obeys lines of its input:
 *
 *   right EPOCH MS     the right of that epoch ends in so many milliseconds; any slot
 *   drop               there is none any more
 *   open EPOCH, close
 *   heights, head N
 *   counts             one line of JSON
 *   counts EVERY_MS    the same until the next line comes
 *
 * Each is answered with a line, "ok" if there is nothing to tell.  The input's end is its end.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/num.h"
#include "gate/gate.h"
#include "lease/right.h"

static NORETURN void die(const char *why)
{
	fprintf(stderr, "gate_tool: %s\n", why);
	exit(2);
}

static uint64_t number(const char *s, uint64_t max)
{
	struct err e = ERR_INIT;
	uint64_t v;

	if (!s || num_uint(&v, s, 0, max, &e) < 0)
		die(s ? e.msg : "a number is missing");
	return v;
}

static void print_counts(struct gate *g)
{
	struct gate_counts n;

	gate_get_counts(g, &n);
	printf("{\"open\":%s,\"last_slot\":%" PRIu32 ",\"last_height\":%" PRIu32
	       ",\"worst_us\":%" PRId64 ",\"mean_us\":%.1f",
	        n.is_open ? "true" : "false", n.last_slot, n.last_height, n.worst_ns / 1000,
	        n.by[GATE_SIGNED] ? (double)n.total_ns / 1e3 / (double)n.by[GATE_SIGNED] : 0.0);
	for (enum gate_refusal r = 0; r < GATE_REFUSALS; r++)
		printf(",\"%s\":%" PRIu64, gate_refusal_name(r), n.by[r]);
	puts("}");
}

static void counts(struct gate *g, int every_ms)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	do
		print_counts(g);
	while (every_ms && fflush(stdout) == 0 && poll(&p, 1, every_ms) == 0);
}

static void obey(struct gate *g, struct lease_right *right, char *line)
{
	char *rest = line;
	const char *word = strsep(&rest, " "), *first = strsep(&rest, " ");

	if (strcmp(word, "right") == 0) {
		uint64_t epoch = number(first, UINT64_MAX), ms = number(rest, 1000000000);

		lease_right_set(
		        right, epoch, clock_boot_ns() + (int64_t)ms * NS_PER_MS, 0, UINT32_MAX);
	} else if (strcmp(word, "drop") == 0) {
		lease_right_drop(right);
	} else if (strcmp(word, "open") == 0) {
		gate_open(g, number(first, UINT64_MAX));
	} else if (strcmp(word, "close") == 0) {
		gate_close(g);
	} else if (strcmp(word, "heights") == 0) {
		gate_set_heights(g);
	} else if (strcmp(word, "head") == 0) {
		gate_set_head(g, (uint32_t)number(first, UINT32_MAX));
	} else if (strcmp(word, "counts") == 0) {
		counts(g, first ? (int)number(first, 1000000) : 0);
		return;
	} else {
		die("right EPOCH MS, drop, open EPOCH, close, heights, head N, counts [MS]");
	}
	puts("ok");
}

int main(int argc, char **argv)
{
	struct lease_right right;
	struct gate_config cfg = { .right = &right };
	struct err e = ERR_INIT;
	struct gate *g;
	AUTO(close_fd) int dirfd = -1;
	AUTO(free) char *line = NULL;
	size_t size = 0;

	if (argc != 4)
		die("KEYFILE DIRECTORY PORT");
	dirfd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		die(strerror(errno));
	cfg.key_path = argv[1];
	cfg.dirfd = dirfd;
	cfg.port = (uint16_t)number(argv[3], UINT16_MAX);
	lease_right_init(&right);
	g = gate_start(&cfg, &e);
	if (!g)
		die(e.msg);
	printf("%u %s\n", gate_port(g), gate_public_key(g));
	while (fflush(stdout) == 0 && getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		obey(g, &right, line);
	}
	gate_stop(g);
	lease_right_release(&right);
	return 0;
}
