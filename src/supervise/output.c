#include "supervise/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "nodeos/logline.h"

#define REPORT_NS (5 * NS_PER_SEC)

void output_unblock_stdio(void)
{
	static const char *const path[] = { "/proc/self/fd/1", "/proc/self/fd/2" };

	for (int i = 0; i < 2; i++) {
		struct stat st;
		int fd;

		/*
		 * Opened anew, because the flag belongs to the open file and others may share it.
		 * A socket cannot be opened, and a file never blocks.
		 */
		if (fstat(i + 1, &st) < 0 || !S_ISFIFO(st.st_mode))
			continue;
		fd = open(path[i], O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		(void)dup2(fd, i + 1);
		(void)close(fd);
	}
}

static void open_file(struct output *o, int flags)
{
	struct stat st;

	o->file = openat(o->dirfd, OUTPUT_FILE,
	        O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
	o->file_size = o->file >= 0 && fstat(o->file, &st) == 0 ? st.st_size : 0;
}

void output_init(struct output *o, struct loop *l, int dirfd)
{
	memset(o, 0, sizeof(*o));
	o->loop = l;
	o->dirfd = dirfd;
	o->tokens = OUTPUT_BURST;
	o->filled_ns = clock_mono_ns();
	buf_init(&o->line, OUTPUT_LINE_MAX);
	open_file(o, 0);
}

void output_release(struct output *o)
{
	if (!o->loop)
		return;
	output_drain(o);
	loop_timer_remove(o->loop, &o->report);
	auto_close_fd(&o->file);
	o->file = -1;
	buf_release(&o->line);
	for (size_t i = 0; i < OUTPUT_TAIL_LINES; i++)
		free(o->tail[i]);
	o->loop = NULL;
}

static void rotate(struct output *o)
{
	char from[32], to[32];

	auto_close_fd(&o->file);
	for (int i = OUTPUT_FILES - 1; i >= 1; i--) {
		snprintf(to, sizeof(to), OUTPUT_FILE ".%d", i);
		if (i > 1)
			snprintf(from, sizeof(from), OUTPUT_FILE ".%d", i - 1);
		else
			snprintf(from, sizeof(from), OUTPUT_FILE);
		(void)renameat(o->dirfd, from, o->dirfd, to);
	}
	/* O_TRUNC for the case that the rename failed: the size is bounded above all. */
	open_file(o, O_TRUNC);
}

static void on_report(struct loop_timer *t UNUSED, void *arg)
{
	struct output *o = arg;

	log_warn("nodeos output suppressed", "lines=%llu limit_per_second=%d",
	        (unsigned long long)(o->suppressed - o->reported), OUTPUT_RATE);
	o->reported = o->suppressed;
}

static void suppress(struct output *o)
{
	o->suppressed++;
	if (!o->report.set)
		loop_timer_set(o->loop, &o->report, clock_mono_ns() + REPORT_NS, on_report, o);
}

static bool may_pass(struct output *o)
{
	int64_t now = clock_mono_ns();

	o->tokens += (double)(now - o->filled_ns) / 1e9 * OUTPUT_RATE;
	if (o->tokens > OUTPUT_BURST)
		o->tokens = OUTPUT_BURST;
	o->filled_ns = now;
	if (o->tokens < 1) {
		suppress(o);
		return false;
	}
	o->tokens -= 1;
	return true;
}

static void remember(struct output *o, const char *line)
{
	char *copy = strdup(line);

	if (!copy)
		return;
	free(o->tail[o->next_tail]);
	o->tail[o->next_tail] = copy;
	o->next_tail = (o->next_tail + 1) % OUTPUT_TAIL_LINES;
}

/* The line in o->line, without its newline, is complete. */
static void take_line(struct output *o)
{
	size_t n;

	if (!o->line.len)
		return;
	o->lines++;
	(void)nodeos_redact(o->line.data);
	str_printable(o->line.data);
	/* The memory is not limited: it must hold the last words, also after a flood. */
	remember(o, o->line.data);
	if (o->watch)
		o->watch(o->watch_arg, o->line.data);
	if (!may_pass(o)) {
		buf_clear(&o->line);
		return;
	}
	/* The NUL is the newline's place: the buffer's maximum leaves room for it. */
	n = strlen(o->line.data);
	o->line.data[n] = '\n';
	if (write(STDERR_FILENO, o->line.data, n + 1) < 0)
		suppress(o);
	if (o->file >= 0) {
		if (o->file_size + (off_t)n >= OUTPUT_FILE_MAX)
			rotate(o);
		if (o->file >= 0 && write(o->file, o->line.data, n + 1) > 0)
			o->file_size += (off_t)n + 1;
	}
	buf_clear(&o->line);
}

static void take(struct output *o, const char *p, size_t n)
{
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n;
		size_t room = o->line.max - o->line.len;
		size_t part = len < room ? len : room;

		/* What is beyond the limit of one line starts another. */
		if (buf_add(&o->line, p, part) < 0)
			buf_clear(&o->line);
		p += part;
		n -= part;
		if (part == len && nl) {
			p++;
			n--;
		}
		if ((part == len && nl) || o->line.len == o->line.max)
			take_line(o);
	}
}

/* 1 after some bytes, 0 when there are none now, -1 at the end of the pipe. */
static int receive(struct output *o)
{
	char chunk[16384];
	ssize_t n = read(o->io.fd, chunk, sizeof(chunk));

	if (n > 0) {
		take(o, chunk, (size_t)n);
		return 1;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void close_pipe(struct output *o)
{
	if (!o->io.added)
		return;
	loop_io_remove(o->loop, &o->io);
	(void)close(o->io.fd);
}

static void on_output(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	struct output *o = arg;

	if (receive(o) < 0)
		close_pipe(o);
}

int output_open(struct output *o, int *ret_fd, struct err *e)
{
	int p[2];

	/* The last words of an earlier run explain nothing of this one. */
	for (size_t i = 0; i < OUTPUT_TAIL_LINES; i++) {
		free(o->tail[i]);
		o->tail[i] = NULL;
	}
	buf_clear(&o->line);
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	/* Only our end: nodeos expects a stderr that blocks. */
	if (fcntl(p[0], F_SETFL, O_NONBLOCK) < 0) {
		err_sys(e, errno, "fcntl");
		goto fail;
	}
	if (loop_io_add(o->loop, &o->io, p[0], LOOP_READ, on_output, o, e) < 0)
		goto fail;
	*ret_fd = p[1];
	return 0;
fail:
	(void)close(p[0]);
	(void)close(p[1]);
	return -1;
}

void output_watch(struct output *o, void (*fn)(void *arg, const char *line), void *arg)
{
	o->watch = fn;
	o->watch_arg = arg;
}

void output_pump(struct output *o)
{
	/* Bounded: a grandchild may hold the write end and print for ever. */
	for (int i = 0; o->io.added && i < 1024 && receive(o) > 0; i++)
		;
}

void output_drain(struct output *o)
{
	output_pump(o);
	close_pipe(o);
	take_line(o);
}

char *output_tail(const struct output *o)
{
	AUTO(buf) struct buf b = BUF_INIT((OUTPUT_LINE_MAX + 1) * OUTPUT_TAIL_LINES);

	for (size_t i = 0; i < OUTPUT_TAIL_LINES; i++) {
		const char *line = o->tail[(o->next_tail + i) % OUTPUT_TAIL_LINES];

		if (line && (buf_add_str(&b, line) < 0 || buf_add_str(&b, "\n") < 0))
			return NULL;
	}
	return buf_take(&b);
}
