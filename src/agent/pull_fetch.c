/*
 * The bytes of a pull
 *
 * PULL_THREADS threads take pieces in the order of the files.  The one that takes the first of a
 * file opens it and asks where its data lies; the one that brings the last checks it, while the
 * others go on with the next file.  A request that fails is made again, for half as much: the other
 * side ends a reply that takes long, and a slow line must still get somewhere.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/pull_priv.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "data/pool.h"

#define PIECE_NS   (30 * NS_PER_SEC)
#define LENGTH_MIN (64U * 1024)
#define FAILURES   8 /* in a row, of one thread */
#define PAUSE_MS   100
#define PAUSE_MAX  2000
#define TICK_MS    100
#define RANGES_MAX 1000000 /* of one file; what is beyond is taken for data */
#define ROOM_BYTES (UINT64_C(64) << 20)

enum state {
	FILE_NEW,
	FILE_OPENING,
	FILE_OPEN,
	FILE_CHECKING,
	FILE_WHOLE,
};

struct pulled {
	enum state state;
	int fd;
	size_t next; /* piece to look at */
	size_t left; /* pieces that are not there yet */
	bool is_resumed;
	struct pull_range *ranges;
	size_t n;
};

struct crew {
	struct pull *p;
	pthread_mutex_t lock; /* of what follows; not of a file in work, which is one thread's */
	pthread_cond_t changed;
	struct pulled *files;
	size_t nfiles;
	size_t first; /* before it every piece is taken */
	unsigned working;
	struct err err;
	uint64_t room_at; /* fetched bytes at which space is looked at again */
};

struct worker {
	struct crew *crew;
	pthread_t thread;
	struct http_client *client;
	struct http_reply reply;
	size_t length; /* of the next request */
	unsigned failures;
};

/* --- requests ------------------------------------------------------------------------------- */

static int pause_ms(const struct pull *p, int ms, struct err *e)
{
	const struct timespec tick = { .tv_nsec = 20 * NS_PER_MS };

	for (int t = 0; t < ms && !cancel_is_set(&p->stop); t += 20)
		(void)nanosleep(&tick, NULL);
	return cancel_is_set(&p->stop) ? err_set(e, ERR_INTERRUPTED, "the pull was cancelled") : 0;
}

/* Whether to try once more after *e, which is cleared then. */
static bool try_again(struct worker *w, struct err *e)
{
	int ms = PAUSE_MS << (w->failures < 8 ? w->failures : 8);

	if ((e->kind != ERR_UNAVAILABLE && e->kind != ERR_TIMEOUT) || ++w->failures > FAILURES)
		return false;
	w->length = w->length / 2 > LENGTH_MIN ? w->length / 2 : LENGTH_MIN;
	err_clear(e);
	return pause_ms(w->crew->p, ms < PAUSE_MAX ? ms : PAUSE_MAX, e) == 0;
}

static int get(struct worker *w, const char *path, size_t max, struct err *e)
{
	while (pull_get(w->crew->p, w->client, path, max, PIECE_NS, &w->reply, e) < 0)
		if (!try_again(w, e))
			return -1;
	w->failures = 0;
	return 0;
}

/* One request: *ret bytes came, at most n. */
static int get_bytes(
        struct worker *w, size_t file, uint64_t offset, size_t n, size_t *ret, struct err *e)
{
	struct pull *p = w->crew->p;
	char path[160];

	for (;;) {
		size_t want = n < w->length ? n : w->length;

		(void)snprintf(path, sizeof(path),
		        "/v1/generations/%s/files/%zu?offset=%llu&length=%zu", p->m.name, file,
		        (unsigned long long)offset, want);
		if (pull_get(p, w->client, path, want, PIECE_NS, &w->reply, e) == 0) {
			if (w->reply.body.len != want)
				return err_set(e, ERR_PROTOCOL, "%s sent %zu of %zu bytes of '%s'",
				        p->address, w->reply.body.len, want,
				        p->m.files.v[file].path);
			*ret = want;
			w->failures = 0;
			w->length = w->length * 2 < INCOMING_PIECE ? w->length * 2 : INCOMING_PIECE;
			return 0;
		}
		if (!try_again(w, e))
			return -1;
	}
}

/* The disk fills up from elsewhere too, and the other side may have told too little. */
static int check_room(struct crew *c, struct err *e)
{
	uint64_t room;

	if (c->p->fetched < c->room_at)
		return 0;
	c->room_at = c->p->fetched + ROOM_BYTES;
	if (pull_room(&room, c->p, e) < 0)
		return -1;
	if (room)
		return 0;
	err_set(e, ERR_CONFLICT, "the disk is %d %% full", (int)POOL_STOP_PERCENT);
	return err_hint(e, "make room: nodeswarm data prune, nodeswarm data gc --remove");
}

static void count(struct pull *p, size_t n)
{
	p->fetched += n;
	if (p->c->progress)
		p->c->progress->bytes_done += n;
}

static int fetch_range(struct worker *w, size_t file, uint64_t begin, uint64_t end, struct err *e)
{
	struct crew *c = w->crew;
	int rc;

	while (begin < end) {
		size_t got = 0;

		if (cancel_is_set(&c->p->stop))
			return err_set(e, ERR_INTERRUPTED, "the pull was cancelled");
		pthread_mutex_lock(&c->lock);
		rc = check_room(c, e);
		pthread_mutex_unlock(&c->lock);
		if (rc < 0 || get_bytes(w, file, begin, (size_t)(end - begin), &got, e) < 0 ||
		        incoming_put(&c->p->in, file, c->files[file].fd, begin, w->reply.body.data,
		                got, e) < 0)
			return -1;
		count(c->p, got);
		begin += got;
	}
	return 0;
}

/* The first range that ends behind at. */
static size_t find_range(const struct pulled *f, uint64_t at)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->ranges[mid].end <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int fetch_piece(struct worker *w, size_t file, size_t piece, struct err *e)
{
	struct pull *p = w->crew->p;
	const struct pulled *f = &w->crew->files[file];
	uint64_t begin = (uint64_t)piece * INCOMING_PIECE, end = begin + INCOMING_PIECE;

	if (end > p->m.files.v[file].size)
		end = p->m.files.v[file].size;
	for (size_t i = find_range(f, begin); i < f->n && f->ranges[i].begin < end; i++) {
		uint64_t from = f->ranges[i].begin > begin ? f->ranges[i].begin : begin;
		uint64_t to = f->ranges[i].end < end ? f->ranges[i].end : end;

		if (fetch_range(w, file, from, to, e) < 0)
			return -1;
	}
	return incoming_mark(&p->in, file, piece, e);
}

/* --- where the data lies -------------------------------------------------------------------- */

static int add_range(struct pulled *f, size_t *cap, struct pull_range r, struct err *e)
{
	if (f->n == *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		struct pull_range *v = reallocarray(f->ranges, more, sizeof(*v));

		if (!v)
			return err_nomem(e);
		f->ranges = v;
		*cap = more;
	}
	f->ranges[f->n++] = r;
	return 0;
}

static int ask_map(struct worker *w, size_t file, struct pulled *f, size_t *cap, struct err *e)
{
	const struct pull *p = w->crew->p;
	const struct tree_file *t = &p->m.files.v[file];
	AUTO(free) struct pull_map *map = malloc(sizeof(*map));
	uint64_t at = 0;
	char path[128];

	if (!map)
		return err_nomem(e);
	do {
		(void)snprintf(path, sizeof(path), "/v1/generations/%s/files/%zu/map?offset=%llu",
		        p->m.name, file, (unsigned long long)at);
		if (get(w, path, PULL_MAP_TEXT_MAX, e) < 0 ||
		        pull_map_parse(map, w->reply.body.data, w->reply.body.len, at, t->size, e) <
		                0)
			return err_wrap(e, "'%s'", t->path);
		for (size_t i = 0; i < map->n; i++)
			if (add_range(f, cap, map->v[i], e) < 0)
				return -1;
		at = map->next;
		if (!map->is_last && f->n >= RANGES_MAX)
			return add_range(f, cap, (struct pull_range){ at, t->size }, e);
	} while (!map->is_last);
	return 0;
}

/* A small file, or one without holes, is fetched as it is. */
static int find_data(struct worker *w, size_t file, struct err *e)
{
	const struct tree_file *t = &w->crew->p->m.files.v[file];
	struct pulled *f = &w->crew->files[file];
	size_t cap = 0;

	if (t->size > INCOMING_PIECE && t->data_bytes < t->size)
		return ask_map(w, file, f, &cap, e);
	return t->size ? add_range(f, &cap, (struct pull_range){ 0, t->size }, e) : 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static int open_file(struct worker *w, size_t file, struct err *e)
{
	struct incoming *in = &w->crew->p->in;
	struct pulled *f = &w->crew->files[file];

	f->fd = incoming_open(in, file, e);
	if (f->fd < 0 || find_data(w, file, e) < 0)
		return -1;
	for (size_t k = 0; k < incoming_pieces(in, file); k++)
		f->left += !incoming_has(in, file, k);
	f->is_resumed = f->left < incoming_pieces(in, file);
	return 0;
}

static int differs(const struct pull *p, size_t file, struct err *e)
{
	err_set(e, ERR_UNHEALTHY, "'%s' of generation '%s' at %s is not what its manifest says",
	        p->m.files.v[file].path, p->m.name, p->address);
	return err_hint(e, "look at it there: nodeswarm data verify %s", p->m.name);
}

/* All pieces are there.  What an earlier try has left may be wrong, and is fetched once more. */
static int check_file(struct worker *w, size_t file, struct err *e)
{
	struct pull *p = w->crew->p;
	struct pulled *f = &w->crew->files[file];
	int rc = incoming_check(&p->in, file, f->fd, &p->stop, e);

	if (rc > 0 && f->is_resumed) {
		log_warn("what an earlier pull has left is wrong and is fetched again",
		        "file=\"%s\"", p->m.files.v[file].path);
		for (size_t k = 0; k < incoming_pieces(&p->in, file); k++)
			if (fetch_piece(w, file, k, e) < 0)
				return -1;
		rc = incoming_check(&p->in, file, f->fd, &p->stop, e);
	}
	return rc > 0 ? differs(p, file, e) : rc;
}

static void close_file(struct pulled *f)
{
	auto_close_fd(&f->fd);
	f->fd = -1;
	free(TAKE(f->ranges));
	f->n = 0;
}

/* --- the crew ------------------------------------------------------------------------------- */

/* With the lock held. */
static void fail(struct crew *c, const struct err *e)
{
	if (c->err.kind == ERR_NONE)
		c->err = *e;
	cancel_set(&c->p->stop);
	pthread_cond_broadcast(&c->changed);
}

/* With the lock held, which is let go meanwhile. */
static int finish_file(struct worker *w, size_t file, struct err *e)
{
	struct crew *c = w->crew;
	struct pulled *f = &c->files[file];
	int rc;

	f->state = FILE_CHECKING;
	pthread_mutex_unlock(&c->lock);
	rc = check_file(w, file, e);
	close_file(f);
	pthread_mutex_lock(&c->lock);
	f->state = FILE_WHOLE;
	if (rc == 0 && c->p->c->progress)
		c->p->c->progress->files_done++;
	return rc;
}

/* With the lock held, which is let go meanwhile. */
static int begin_file(struct worker *w, size_t file, struct err *e)
{
	struct crew *c = w->crew;
	struct pulled *f = &c->files[file];
	int rc;

	f->state = FILE_OPENING;
	pthread_mutex_unlock(&c->lock);
	rc = open_file(w, file, e);
	pthread_mutex_lock(&c->lock);
	f->state = FILE_OPEN;
	pthread_cond_broadcast(&c->changed);
	if (rc < 0)
		return -1;
	return f->left == 0 ? finish_file(w, file, e) : 0;
}

/* A piece of an open file that nobody has: 0; 1 when there is none. */
static int take_of(struct crew *c, size_t file, size_t *ret_piece)
{
	struct pulled *f = &c->files[file];
	size_t n = incoming_pieces(&c->p->in, file);

	while (f->next < n && incoming_has(&c->p->in, file, f->next))
		f->next++;
	if (f->next >= n)
		return 1;
	*ret_piece = f->next++;
	return 0;
}

/* With the lock held.  Returns 1 when there is nothing left to take. */
static int take(struct worker *w, size_t *ret_file, size_t *ret_piece, struct err *e)
{
	struct crew *c = w->crew;

	while (!cancel_is_set(&c->p->stop)) {
		bool is_pending = false;
		size_t i = c->first;

		for (; i < c->nfiles; i++) {
			struct pulled *f = &c->files[i];

			if (f->state == FILE_OPEN && take_of(c, i, ret_piece) == 0) {
				*ret_file = i;
				return 0;
			}
			if (f->state == FILE_NEW)
				break;
			is_pending |= f->state == FILE_OPENING;
			if (i == c->first && f->state != FILE_OPENING)
				c->first++;
		}
		if (i < c->nfiles) {
			if (begin_file(w, i, e) < 0)
				return -1;
		} else if (is_pending) {
			pthread_cond_wait(&c->changed, &c->lock);
		} else {
			return 1;
		}
	}
	return err_set(e, ERR_INTERRUPTED, "the pull was cancelled");
}

/* With the lock held, which is let go meanwhile. */
static int work(struct worker *w, struct err *e)
{
	struct crew *c = w->crew;
	size_t file = 0, piece = 0;
	int rc;

	while ((rc = take(w, &file, &piece, e)) == 0) {
		pthread_mutex_unlock(&c->lock);
		rc = fetch_piece(w, file, piece, e);
		pthread_mutex_lock(&c->lock);
		if (rc < 0 || (--c->files[file].left == 0 && finish_file(w, file, e) < 0))
			return -1;
	}
	return rc < 0 ? -1 : 0;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct err e = ERR_INIT;

	pthread_mutex_lock(&w->crew->lock);
	if (work(w, &e) < 0)
		fail(w->crew, &e);
	w->crew->working--;
	pthread_cond_broadcast(&w->crew->changed);
	pthread_mutex_unlock(&w->crew->lock);
	return NULL;
}

/* With the lock held: until all have ended, looking for a cancel meanwhile. */
static void watch(struct crew *c)
{
	while (c->working) {
		struct timespec until;
		int64_t at = clock_real_ns() + TICK_MS * NS_PER_MS;

		until.tv_sec = at / NS_PER_SEC;
		until.tv_nsec = at % NS_PER_SEC;
		(void)pthread_cond_timedwait(&c->changed, &c->lock, &until);
		if (cancel_is_set(c->p->c->cancel))
			cancel_set(&c->p->stop);
	}
}

static int start(struct worker *w, struct crew *c, struct err *e)
{
	int rc;

	w->crew = c;
	w->length = INCOMING_PIECE;
	w->reply = HTTP_REPLY_INIT;
	w->client = pull_client(c->p, &c->p->stop, e);
	if (!w->client)
		return -1;
	rc = pthread_create(&w->thread, NULL, run, w);
	if (rc)
		return err_sys(e, rc, "start a thread");
	return 0;
}

static void run_crew(struct crew *c)
{
	struct worker workers[PULL_THREADS] = { 0 };
	struct err e = ERR_INIT;
	unsigned n = 0;

	pthread_mutex_lock(&c->lock);
	while (n < PULL_THREADS && start(&workers[n], c, &e) == 0) {
		c->working++;
		n++;
	}
	if (n < PULL_THREADS)
		fail(c, &e);
	watch(c);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < PULL_THREADS; i++) {
		if (i < n)
			(void)pthread_join(workers[i].thread, NULL);
		http_client_free(workers[i].client);
		http_reply_release(&workers[i].reply);
	}
}

static void prepare(struct crew *c)
{
	struct pull *p = c->p;

	for (size_t i = 0; i < c->nfiles; i++) {
		c->files[i].fd = -1;
		if (!incoming_is_whole(&p->in, i))
			continue;
		c->files[i].state = FILE_WHOLE;
		if (p->c->progress) {
			p->c->progress->files_done++;
			p->c->progress->bytes_done += p->m.files.v[i].data_bytes;
		}
	}
}

int pull_files(struct pull *p, struct err *e)
{
	struct crew c = {
		.p = p,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.nfiles = p->m.files.n,
	};

	c.files = calloc(c.nfiles ? c.nfiles : 1, sizeof(*c.files));
	if (!c.files)
		return err_nomem(e);
	prepare(&c);
	run_crew(&c);
	for (size_t i = 0; i < c.nfiles; i++)
		close_file(&c.files[i]);
	free(c.files);
	if (c.err.kind == ERR_NONE)
		return 0;
	*e = c.err;
	return -1;
}
