/*
 * GET /v1/generations/NAME/files/N: bytes of a generation's files for other hosts
 *
 * A thread opens the file and reads what is asked for once, so that it is in the page cache when
 * the server sends it from the descriptor: the loop waits for no disk, and no memory is needed.
 * Who asks for one piece asks for thousands, so a generation stays held (and its manifest parsed)
 * for a while after the last one.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_priv.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "data/generation.h"
#include "loop/work.h"

/* Threads; further requests are told to come again. */
#define SENDS_MAX 16
/* Held beyond a request, and for how long after the last one: longer than a reply takes. */
#define SENT_MAX     4
#define SENT_IDLE_NS (15 * NS_PER_SEC)

#define READ_SIZE  (256U * 1024)
#define RANGES_MAX 1000
/* "[18446744073709551615,18446744073709551615]," */
#define RANGE_TEXT 48

struct sent {
	struct agent *agent;
	struct sent *next;
	struct generation_hold hold;
	unsigned refs;
	struct loop_timer timer; /* while nobody refers to it */
};

struct send {
	struct agent *agent;
	struct send *next;
	struct call *call; /* NULL: nobody waits any more */
	struct work *work;
	struct sent *sent; /* or NULL: then the thread fills hold */
	/* The thread's, until it has ended. */
	struct generation_hold hold;
	struct route route;
	int fd;
	size_t len;
	char *text; /* of a map */
};

/* --- in the thread -------------------------------------------------------------------------- */

static int open_file(int data_fd, const struct tree_file *f, struct err *e)
{
	const char *slash = strrchr(f->path, '/');
	AUTO(free) char *dir = slash ? strndup(f->path, (size_t)(slash - f->path)) : strdup(".");
	AUTO(close_fd) int parent = -1, fd = -1;
	struct stat st;

	if (!dir)
		return err_nomem(e);
	parent = fs_open_dir_at(data_fd, dir, false, 0, e);
	if (parent < 0)
		return -1;
	fd = openat(parent, slash ? slash + 1 : f->path,
	        O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open '%s'", f->path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->size)
		return err_set(e, ERR_UNHEALTHY, "'%s' is not what the manifest says", f->path);
	return TAKE_FD(fd);
}

/* Bring it into the page cache. */
static int read_ahead(int fd, uint64_t offset, size_t n, const volatile int *cancel, struct err *e)
{
	AUTO(free) char *scratch = malloc(READ_SIZE);

	if (!scratch)
		return err_nomem(e);
	while (n && !cancel_is_set(cancel)) {
		size_t some = n < READ_SIZE ? n : READ_SIZE;
		ssize_t got = pread(fd, scratch, some, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_sys(e, got < 0 ? errno : EIO, "read the file");
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return cancel_is_set(cancel) ? err_set(e, ERR_INTERRUPTED, "cancelled") : 0;
}

/* The next data from at on; false: only a hole is left. */
static bool next_data(int fd, uint64_t size, uint64_t at, uint64_t *ret_begin, uint64_t *ret_end)
{
	off_t begin = at < size ? lseek(fd, (off_t)at, SEEK_DATA) : -1, end;

	if (at >= size || (begin < 0 && errno == ENXIO))
		return false;
	/* A file system that knows no holes. */
	end = begin < 0 ? -1 : lseek(fd, begin, SEEK_HOLE);
	*ret_begin = begin < 0 ? at : (uint64_t)begin;
	*ret_end = end < 0 || (uint64_t)end > size ? size : (uint64_t)end;
	return *ret_begin < *ret_end;
}

/* Holes of less than a piece of the digest are not worth a request. */
static int map_file(char **ret, int fd, uint64_t size, uint64_t at, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(RANGES_MAX * RANGE_TEXT + 256);
	uint64_t begin, end, more, more_end = 0;
	unsigned n = 0;
	bool is_more;
	int rc = buf_add_fmt(&b, "{\"format\":%d,\"size\":%llu,\"ranges\":[", AGENT_FORMAT,
	        (unsigned long long)size);

	is_more = next_data(fd, size, at, &more, &more_end);
	while (rc == 0 && is_more && n < RANGES_MAX) {
		begin = more;
		do {
			end = more_end;
			is_more = next_data(fd, size, end, &more, &more_end);
		} while (is_more && more - end < TREE_PIECE);
		rc = buf_add_fmt(&b, "%s[%llu,%llu]", n++ ? "," : "", (unsigned long long)begin,
		        (unsigned long long)(end - begin));
	}
	if (rc == 0)
		rc = is_more ? buf_add_fmt(&b, "],\"next\":%llu}", (unsigned long long)more)
		             : buf_add_str(&b, "],\"next\":null}");
	*ret = rc == 0 ? buf_take(&b) : NULL;
	return *ret ? 0 : err_nomem(e);
}

static int run(void *arg, const volatile int *cancel, struct err *e)
{
	struct send *s = arg;
	struct generation_hold *h = s->sent ? &s->sent->hold : &s->hold;
	const struct tree_file *f;

	if (!s->sent && generation_hold(h, &s->agent->pool, s->route.name, NULL, e) < 0)
		return -1;
	if (s->route.file >= h->m.files.n)
		return err_set(
		        e, ERR_NOT_FOUND, "generation '%s' has %zu files", h->m.name, h->m.files.n);
	f = &h->m.files.v[s->route.file];
	s->fd = open_file(h->data_fd, f, e);
	if (s->fd < 0)
		return -1;
	if (s->route.kind == ROUTE_MAP)
		return map_file(&s->text, s->fd, f->size, s->route.offset, e);
	if (s->route.offset > f->size)
		return err_set(
		        e, ERR_USAGE, "the file has %llu bytes", (unsigned long long)f->size);
	s->len = f->size - s->route.offset < s->route.length ? (size_t)(f->size - s->route.offset)
	                                                     : s->route.length;
	return read_ahead(s->fd, s->route.offset, s->len, cancel, e);
}

/* --- what is held --------------------------------------------------------------------------- */

static void sent_free(struct sent *t)
{
	struct sent **at = &t->agent->sent;

	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
	loop_timer_remove(&t->agent->loop, &t->timer);
	generation_hold_release(&t->hold);
	free(t);
}

static void on_idle(struct loop_timer *timer UNUSED, void *arg)
{
	sent_free(arg);
}

static void sent_unref(struct sent *t)
{
	if (--t->refs == 0)
		loop_timer_set(
		        &t->agent->loop, &t->timer, clock_mono_ns() + SENT_IDLE_NS, on_idle, t);
}

static struct sent *sent_find(struct agent *a, const char *name, unsigned *count)
{
	struct sent *found = NULL;

	*count = 0;
	for (struct sent *t = a->sent; t; t = t->next) {
		++*count;
		if (strcmp(t->hold.m.name, name) == 0)
			found = t;
	}
	return found;
}

static struct sent *sent_ref(struct agent *a, const char *name)
{
	unsigned ignored;
	struct sent *t = sent_find(a, name, &ignored);

	if (t) {
		t->refs++;
		loop_timer_remove(&a->loop, &t->timer);
	}
	return t;
}

/* Keep for others what a thread has opened. */
static void adopt(struct agent *a, struct generation_hold *h)
{
	struct sent *t;
	unsigned n;

	if (h->fd < 0 || sent_find(a, h->m.name, &n) || n >= SENT_MAX)
		return;
	t = calloc(1, sizeof(*t));
	if (!t)
		return;
	t->agent = a;
	t->hold = *h;
	*h = GENERATION_HOLD_INIT;
	t->refs = 1;
	t->next = a->sent;
	a->sent = t;
	sent_unref(t);
}

/* --- on the loop ---------------------------------------------------------------------------- */

static void send_free(struct send *s)
{
	struct send **at = &s->agent->sends;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	if (s->sent)
		sent_unref(s->sent);
	generation_hold_release(&s->hold);
	auto_close_fd(&s->fd);
	free(s->text);
	free(s);
}

static void on_done(void *arg, int rc, const struct err *why)
{
	struct send *s = arg;
	struct call *c = s->call;
	struct http_server_reply r = { .status = 200, .content_type = "application/octet-stream" };

	s->work = NULL;
	adopt(s->agent, &s->hold);
	if (!c) {
		send_free(s);
		return;
	}
	c->cancel = NULL;
	if (rc < 0) {
		call_error(c, why);
	} else {
		if (s->text) {
			http_server_json(&r, 200, TAKE(s->text));
		} else {
			r.is_file = true;
			r.fd = TAKE_FD(s->fd);
			r.offset = s->route.offset;
			r.len = s->len;
		}
		call_reply(c, &r);
	}
	send_free(s);
}

static void on_gone(struct call *c)
{
	struct send *s = c->work;

	s->call = NULL;
	work_cancel(s->work);
}

static int check_crowd(const struct agent *a, struct err *e)
{
	unsigned n = 0;

	for (const struct send *s = a->sends; s; s = s->next)
		n++;
	return n < SENDS_MAX ? 0
	                     : err_set(e, ERR_UNAVAILABLE, "%u pieces are being read already", n);
}

void send_start(struct call *c, const struct route *r)
{
	struct agent *a = c->agent;
	struct send *s = calloc(1, sizeof(*s));
	struct err e = ERR_INIT;

	if (!s) {
		call_json(c, 200, NULL);
		return;
	}
	s->agent = a;
	s->fd = -1;
	s->hold = GENERATION_HOLD_INIT;
	s->route = *r;
	if (check_crowd(a, &e) == 0) {
		s->sent = sent_ref(a, r->name);
		s->work = work_start(&a->loop, run, on_done, s, &e);
	}
	if (!s->work) {
		send_free(s);
		call_error(c, &e);
		return;
	}
	s->next = a->sends;
	a->sends = s;
	s->call = c;
	c->work = s;
	c->cancel = on_gone;
}

void sends_cancel(struct agent *a)
{
	for (struct send *s = a->sends; s; s = s->next)
		work_cancel(s->work);
}

void sends_end(struct agent *a)
{
	sends_cancel(a);
	while (a->sends) {
		struct send *s = a->sends;

		work_free(s->work);
		send_free(s);
	}
	while (a->sent)
		sent_free(a->sent);
}
