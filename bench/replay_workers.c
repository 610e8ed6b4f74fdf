/*
 * Many simulated workers against one orchestrator, and how long it lets them wait
 *
 * usage: replay_workers [-w WORKERS] [-b US] [-p SECONDS] [-r SECONDS] [-q SECONDS] [-Q] [-t FILE]
 *PORT
 *
 *	-w  workers, each with a connection of its own that it keeps (1000)
 *	-b  microseconds that a block takes, in the mean (240)
 *	-p  seconds between two words of progress (3)
 *	-r  seconds over which the workers come (10)
 *	-q  seconds between two questions of a person's page, each time the next one of a list; 0:
 *nobody looks (0.25) -Q  the questions of which the answer holds every job as well -t  a file with
 *the token that all of them use
 *
 * It speaks HTTP/1.1 to 127.0.0.1:PORT by itself, because 1,000 handles of libcurl would cost more
 * than the server does.  A worker claims, says that it loads and then that it works, tells its
 * progress, and completes with the height and the hashes that follow from it: what is true of one
 * chain, so that every job is verified in the end.  What a block takes depends on its height, which
 * the orchestrator does not know.
 *
 * Latency is from the time that a request was due (a worker that waits for an answer has none) to
 * the last byte of its answer, so what this program is late counts too; "late" is that part alone.
 * The last lines are the time from the first claim to the last completion, and what it is times the
 * workers to the sum of all jobs' times.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/num.h"
#include "load/hist.h"
#include "loop/loop.h"

#define REPLY_MAX (128U * 1024 * 1024)
#define LEASE_MAX 64
#define TOKEN_MAX 256
#define LOAD_NS   (20 * NS_PER_MS) /* from the claim to "loading" */

static NORETURN void die(const char *what, const char *why)
{
	fprintf(stderr, "replay_workers: %s: %s\n", what, why);
	exit(2);
}

/* --- what is asked, and how long it took ------------------------------------------------------ */

enum call { CLAIM, PROGRESS, COMPLETE, WORKER_CALLS };

static const char *const worker_calls[] = { "POST /v1/claim", "POST /v1/jobs/N/progress",
	"POST /v1/jobs/N/complete" };

/* What pages and old clients ask.  N is a job's id. */
static const struct question {
	const char *path;
	bool is_job, is_large;
} questions[] = {
	{ "/v1/run" },
	{ "/v1/jobs/N", true },
	{ "/job?nextjob" },
	{ "/job?jobid=N", true },
	{ "/summary" },
	{ "/config?sliceid=7" },
	{ "/metrics" },
	{ "/v1/jobs?status=LOADING_SNAPSHOT" },
	{ "/v1/jobs", false, true },
	{ "/status", false, true },
	{ "/v1/certificate", false, true },
};

struct row {
	struct load_hist *hist;
	uint64_t errors;
};
static struct row rows[WORKER_CALLS + ARRAY_LEN(questions)];
static struct load_hist *late;

static struct {
	uint64_t workers, us_block, port;
	int64_t progress_ns, ramp_ns, question_ns;
	bool large;
	char token[TOKEN_MAX];
} opt = { .workers = 1000,
	.us_block = 240,
	.progress_ns = 3 * NS_PER_SEC,
	.ramp_ns = 10 * NS_PER_SEC,
	.question_ns = NS_PER_SEC / 4 };

static struct loop loop;
static uint64_t working; /* workers that are not done */
static uint64_t completed;
static int64_t first_ns, last_ns, some_job;
static double sum_seconds;

/* --- one connection --------------------------------------------------------------------------- */

/* A worker; or, with number < 0, the page. */
struct worker {
	struct loop_io io;
	struct loop_timer timer;
	int fd, number;
	struct buf in;
	struct row *row; /* of the request under way; NULL: none */
	int64_t due_ns;
	unsigned step;
	/* The job in hand. */
	int64_t id, begin_ns, end_ns;
	uint32_t start, end;
	char lease[LEASE_MAX];
};

static void on_due(struct loop_timer *t, void *arg);
static void on_io(struct loop_io *io, unsigned events, void *arg);

static void at(struct worker *w, int64_t ns)
{
	w->due_ns = ns;
	loop_timer_set(&loop, &w->timer, ns, on_due, w);
}

static void failed(struct worker *w, const char *why)
{
	if (w->row && w->row->errors++ == 0)
		fprintf(stderr, "replay_workers: %s: %s\n",
		        w->row - rows < WORKER_CALLS ? worker_calls[w->row - rows]
		                                     : questions[w->row - rows - WORKER_CALLS].path,
		        why);
}

static void connect_to(struct worker *w)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)opt.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct err e = ERR_INIT;
	int one = 1;

	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0 || connect(w->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect", strerror(errno));
	(void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	buf_init(&w->in, REPLY_MAX);
	if (loop_io_add(&loop, &w->io, w->fd, LOOP_READ, on_io, w, &e) < 0)
		die("loop", e.msg);
}

/* Closed by the server, or not understood: what it waited for is an error. */
static void reconnect(struct worker *w, const char *why)
{
	failed(w, why);
	loop_io_remove(&loop, &w->io);
	(void)close(w->fd);
	buf_release(&w->in);
	connect_to(w);
	if (w->row) {
		w->row = NULL;
		at(w, clock_mono_ns() + NS_PER_SEC);
	}
}

static void ask(
        struct worker *w, struct row *row, const char *method, const char *path, const char *body)
{
	char text[2048];
	int n = snprintf(text, sizeof(text),
	        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%" PRIu64
	        "\r\nAccept: application/json\r\n%s%s%s"
	        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	        method, path, opt.port, opt.token[0] ? "Authorization: Bearer " : "", opt.token,
	        opt.token[0] ? "\r\n" : "", strlen(body), body);

	w->row = row;
	load_hist_record(late, clock_mono_ns() - w->due_ns);
	/* Of one request on a connection without any there is always room for this little. */
	if (send(w->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		reconnect(w, "it cannot be sent");
}

/* --- what a worker does ----------------------------------------------------------------------- */

/* The hash of the state at a height. */
static const char *hash_at(char out[SHA256_HEX_SIZE], uint32_t height)
{
	return sha256_hex(out, &height, sizeof(height));
}

/* Heavier and lighter times of a chain, and what no one knows. */
static double seconds_of(uint32_t start, uint32_t end)
{
	unsigned char d[SHA256_LEN];

	sha256(d, &start, sizeof(start));
	return (end - start) * (double)opt.us_block / 1e6 * (1 + 0.6 * sin(start / 8e6)) *
	        (0.8 + 0.4 * d[0] / 255);
}

static void claim(struct worker *w)
{
	char body[64];

	w->step = 0;
	snprintf(body, sizeof(body), "{\"worker\":\"bench.%d\"}", w->number);
	ask(w, &rows[CLAIM], "POST", "/v1/claim", body);
}

static void progress(struct worker *w)
{
	double part = (double)(w->due_ns - w->begin_ns) / (double)(w->end_ns - w->begin_ns + 1);
	uint32_t block = w->start + (uint32_t)(part * (w->end - w->start));
	char path[64], body[256], hash[SHA256_HEX_SIZE];

	snprintf(path, sizeof(path), "/v1/jobs/%" PRId64 "/progress", w->id);
	snprintf(body, sizeof(body),
	        "{\"lease\":\"%s\",\"status\":\"%s\",\"block\":%" PRIu32 ",\"start_hash\":\"%s\"}",
	        w->lease, w->step ? "WORKING" : "LOADING_SNAPSHOT", w->step ? block : w->start,
	        w->step ? hash_at(hash, w->start) : "");
	w->step++;
	ask(w, &rows[PROGRESS], "POST", path, body);
}

static void complete(struct worker *w)
{
	char path[64], body[512], one[SHA256_HEX_SIZE], two[SHA256_HEX_SIZE];

	snprintf(path, sizeof(path), "/v1/jobs/%" PRId64 "/complete", w->id);
	snprintf(body, sizeof(body),
	        "{\"lease\":\"%s\",\"block\":%" PRIu32 ",\"start_hash\":\"%s\",\"end_hash\":\"%s\","
	        "\"nodeos_version\":\"v5.0.0\"}",
	        w->lease, w->end, hash_at(one, w->start), hash_at(two, w->end));
	ask(w, &rows[COMPLETE], "POST", path, body);
}

static void ask_next_question(struct worker *w)
{
	char path[96];
	const struct question *q;

	do
		q = &questions[w->step++ % ARRAY_LEN(questions)];
	while ((q->is_large && !opt.large) || (q->is_job && !some_job));
	if (q->is_job)
		snprintf(path, sizeof(path), "%.*s%" PRId64, (int)strlen(q->path) - 1, q->path,
		        some_job);
	else
		snprintf(path, sizeof(path), "%s", q->path);
	ask(w, &rows[WORKER_CALLS + (size_t)(q - questions)], "GET", path, "");
}

static void on_due(struct loop_timer *t UNUSED, void *arg)
{
	struct worker *w = arg;

	if (w->number < 0)
		ask_next_question(w);
	else if (!w->id)
		claim(w);
	else if (w->due_ns >= w->end_ns)
		complete(w);
	else
		progress(w);
}

/* --- the answers ------------------------------------------------------------------------------ */

static void claimed(struct worker *w, const json_t *j)
{
	const json_t *job = json_object_get(j, "job");
	int64_t now = clock_mono_ns();

	if (!json_is_object(job)) {
		if (strcmp(json_str(j, "why", ""), "all done") == 0) {
			if (--working == 0)
				loop_stop(&loop);
			return;
		}
		at(w,
		        now +
		                (int64_t)(NS_PER_SEC *
		                        fmax(0.5,
		                                json_number_value(
		                                        json_object_get(j, "retry_seconds")))));
		return;
	}
	w->id = some_job = json_int(job, "job_id", 0);
	w->start = (uint32_t)json_int(job, "start_block_num", 0);
	w->end = (uint32_t)json_int(job, "end_block_num", 0);
	snprintf(w->lease, sizeof(w->lease), "%s", json_str(j, "lease", ""));
	w->begin_ns = now;
	w->end_ns = now + (int64_t)(seconds_of(w->start, w->end) * 1e9);
	if (!first_ns)
		first_ns = now;
	at(w, now + LOAD_NS < w->end_ns ? now + LOAD_NS : w->end_ns);
}

static void progressed(struct worker *w, const json_t *j)
{
	int64_t now = clock_mono_ns(), next = now + (w->step == 1 ? LOAD_NS : opt.progress_ns);

	if (json_bool(j, "let_go", false))
		failed(w, "it is to let go");
	at(w, next < w->end_ns ? next : w->end_ns > now ? w->end_ns : now);
}

static void finished(struct worker *w)
{
	last_ns = clock_mono_ns();
	sum_seconds += (double)(w->end_ns - w->begin_ns) / 1e9;
	completed++;
	w->id = 0;
	at(w, last_ns);
}

static void answered(struct worker *w, unsigned status, const char *body, size_t n)
{
	struct row *row = w->row;
	struct err e = ERR_INIT;
	AUTO(json) json_t *j = NULL;
	char why[160];

	load_hist_record(row->hist, clock_mono_ns() - w->due_ns);
	/* No job waits: what "nextjob" says then. */
	if (status != 200 && !(status == 404 && w->number < 0)) {
		snprintf(why, sizeof(why), "%u %.120s", status, body);
		failed(w, why);
	}
	w->row = NULL;
	if (w->number < 0) {
		at(w, clock_mono_ns() + opt.question_ns);
		return;
	}
	j = json_parse_object(body, n, "answer", &e);
	if (status != 200 || !j) {
		/* Somebody else's now, or nonsense: go on with another. */
		w->id = 0;
		at(w, clock_mono_ns() + NS_PER_SEC);
	} else if (row == &rows[CLAIM]) {
		claimed(w, j);
	} else if (row == &rows[PROGRESS]) {
		progressed(w, j);
	} else {
		finished(w);
	}
}

/* Is there a whole answer?  Then it is taken.  Returns 0, 1 when more has to come, -1. */
static int take_answer(struct worker *w)
{
	char *head_end = w->in.data ? strstr(w->in.data, "\r\n\r\n") : NULL;
	const char *length;
	unsigned long status, n;
	size_t head;

	if (!head_end)
		return 1;
	length = strcasestr(w->in.data, "\r\nContent-Length:");
	head = (size_t)(head_end - w->in.data) + 4;
	if (!length || length > head_end || strncmp(w->in.data, "HTTP/1.1 ", 9) != 0)
		return -1;
	status = strtoul(w->in.data + 9, NULL, 10);
	n = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
	if (w->in.len < head + n)
		return 1;
	if (!w->row || w->in.len > head + n)
		return -1;
	answered(w, (unsigned)status, w->in.data + head, n);
	buf_clear(&w->in);
	return 0;
}

static void on_io(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	static char p[262144];
	struct worker *w = arg;
	ssize_t n = recv(w->fd, p, sizeof(p), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || buf_add(&w->in, p, (size_t)n) < 0 || take_answer(w) < 0)
		reconnect(w, n <= 0 ? "the connection was closed" : "the answer is not understood");
}

/* --- the whole -------------------------------------------------------------------------------- */

static void print_row(const char *name, const struct row *r)
{
	if (r->hist->total)
		printf("%-34s %8" PRIu64 " %9.2f %9.2f %9.2f %7" PRIu64 "\n", name, r->hist->total,
		        (double)load_hist_percentile(r->hist, 50) / 1e6,
		        (double)load_hist_percentile(r->hist, 99) / 1e6, (double)r->hist->max / 1e6,
		        r->errors);
}

static void report(void)
{
	const struct row own = { .hist = late };
	double makespan = (double)(last_ns - first_ns) / 1e9;

	printf("%-34s %8s %9s %9s %9s %7s\n", "call", "n", "p50 ms", "p99 ms", "max ms", "errors");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		print_row(i < WORKER_CALLS ? worker_calls[i] : questions[i - WORKER_CALLS].path,
		        &rows[i]);
	print_row("late", &own);
	printf("jobs %" PRIu64 ", makespan %.1f s, sum / workers %.1f s, ratio %.3f\n", completed,
	        makespan, sum_seconds / (double)opt.workers,
	        sum_seconds > 0 ? makespan * (double)opt.workers / sum_seconds : 0);
}

static void read_token(const char *path)
{
	AUTO(buf) struct buf b = BUF_INIT(TOKEN_MAX - 1);
	struct err e = ERR_INIT;

	if (fs_read_at(AT_FDCWD, path, &b, &e) != 0 || !b.data)
		die(path, e.msg);
	snprintf(opt.token, sizeof(opt.token), "%.*s", (int)strcspn(b.data, "\r\n"), b.data);
}

static void read_options(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int c, rc = 0;

	while (rc == 0 && (c = getopt(argc, argv, "w:b:p:r:q:Qt:")) >= 0) {
		switch (c) {
		case 'w':
			rc = num_uint(&opt.workers, optarg, 1, 20000, &e);
			break;
		case 'b':
			rc = num_uint(&opt.us_block, optarg, 1, 1000000000, &e);
			break;
		case 'p':
			rc = num_duration(&opt.progress_ns, optarg, &e);
			break;
		case 'r':
			rc = num_duration(&opt.ramp_ns, optarg, &e);
			break;
		case 'q':
			rc = num_duration(&opt.question_ns, optarg, &e);
			break;
		case 'Q':
			opt.large = true;
			break;
		case 't':
			read_token(optarg);
			break;
		default:
			die("usage", "see the top of bench/replay_workers.c");
		}
	}
	if (rc < 0 || optind + 1 != argc || num_uint(&opt.port, argv[optind], 1, 65535, &e) < 0)
		die("usage", rc < 0 || optind + 1 == argc ? e.msg : "a port is wanted");
}

static void more_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < opt.workers + 64) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void start(struct worker *w, int number, int64_t ns)
{
	w->number = number;
	connect_to(w);
	at(w, ns);
}

int main(int argc, char **argv)
{
	struct worker *all, page = { .fd = -1 };
	struct err e = ERR_INIT;
	int64_t now;

	read_options(argc, argv);
	more_files();
	all = calloc(opt.workers, sizeof(*all));
	late = load_hist_new(3);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!(rows[i].hist = load_hist_new(3)))
			die("start", "not enough memory");
	if (!all || !late || loop_init(&loop, &e) < 0)
		die("start", "not enough memory");
	now = clock_mono_ns();
	working = opt.workers;
	for (uint64_t i = 0; i < opt.workers; i++)
		start(&all[i], (int)i,
		        now + NS_PER_SEC +
		                (int64_t)((double)opt.ramp_ns * (double)i / (double)opt.workers));
	if (opt.question_ns)
		start(&page, -1, now + 2 * NS_PER_SEC);
	if (loop_run(&loop, &e) < 0)
		die("loop", e.msg);
	report();
	return 0;
}
