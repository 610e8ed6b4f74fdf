#include "data/generation.h"

/*
 * Locks, all of them flock(), in the order in which they are taken; nobody takes one to the left
 * of one that he holds:
 *
 *	the slot's lock  >  a generation's directory, LOCK_SH  >  generations/lock  >  .tmp- and
 *	.pull- directories
 *
 * generations/lock, LOCK_EX    whoever makes a name appear or disappear in generations/, or asks
 *                              who is in use.  Held for a few system calls and syncs, never while
 *                              a tree is copied or deleted.
 * a generation, LOCK_SH        it is in use.  Taken without generations/lock, so whoever has it
 *                              looks whether the directory still has its name, and else begins
 *                              again.
 * a generation, LOCK_EX|NB     it is being removed: under generations/lock, where it gets a .tmp-
 *                              name.  Or its maker still has it, until all of its making is done
 *                              or taken back.  generations_list() takes it for an instant, also
 *                              under the lock, to see who is in use.  A holder who meets it tries
 *                              again.
 * .tmp-<random>, LOCK_EX|NB    in work, or being deleted.  Made, given a name and collected when
 *                              its maker is dead under generations/lock.
 *
 * A generation has its name for as long as it is listed: between commit's rename and removal's
 * rename nothing below it is written.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "data/generation_priv.h"
#include "data/pool.h"
#include "data/tmpdir.h"

/* How long to try for a directory that others flock for a few syncs. */
#define HOLD_TRY_NS   (10 * NS_PER_SEC)
#define HOLD_PAUSE_NS (2 * NS_PER_MS)

int generation_open_list(const struct pool *p, bool make, struct err *e)
{
	AUTO(close_fd) int fd = fs_open_dir_at(p->fd, GENERATION_DIR, false, 0, e);

	if (fd >= 0 || e->kind != ERR_NOT_FOUND || !make)
		return TAKE_FD(fd);
	err_clear(e);
	fd = fs_open_dir_at(p->fd, GENERATION_DIR, true, 0755, e);
	if (fd < 0)
		return -1;
	/* Whatever the umask.  The names are for everybody, what is below them is not. */
	if (fchmod(fd, 0755) < 0 || fsync(p->fd) < 0)
		return err_sys(e, errno, "make '%s'", GENERATION_DIR);
	return TAKE_FD(fd);
}

int generation_open_dir(int list_fd, const char *name, struct err *e)
{
	int fd = openat(list_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "no generation '%s'", name);
	return fd >= 0 ? fd : err_sys(e, errno, "open generation '%s'", name);
}

int generation_read_current(int list_fd, char ret[GENERATION_NAME_SIZE], struct err *e)
{
	char to[GENERATION_NAME_SIZE + 1];
	ssize_t n = readlinkat(list_fd, GENERATION_CURRENT, to, sizeof(to));

	if (n < 0 && errno == ENOENT)
		return 1;
	if (n < 0 && errno != EINVAL)
		return err_sys(e, errno, "read link '%s'", GENERATION_CURRENT);
	if (n >= 0 && n < GENERATION_NAME_SIZE) {
		to[n] = '\0';
		if (generation_name_is(to, NULL)) {
			memcpy(ret, to, (size_t)n + 1);
			return 0;
		}
	}
	err_set(e, ERR_PROTOCOL, "'%s' is not a link to a generation beside it",
	        GENERATION_CURRENT);
	return err_hint(e, "say what it should be with 'nodeswarm data promote NAME'");
}

int generation_read_manifest(struct manifest *ret, int dirfd, const char *name, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(GENERATION_TEXT_MAX);
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	AUTO(json) json_t *j = NULL;
	struct stat st;

	if (fstatat(dirfd, MANIFEST_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? err_set(e, ERR_PROTOCOL, "it has no manifest")
		                       : err_sys(e, errno, "stat '%s'", MANIFEST_FILE);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > GENERATION_TEXT_MAX)
		return err_set(e, ERR_PROTOCOL, "its manifest is not a file of at most %u MiB",
		        GENERATION_TEXT_MAX >> 20);
	if (fs_read_at(dirfd, MANIFEST_FILE, &b, e) != 0)
		return e->kind ? -1 : err_set(e, ERR_PROTOCOL, "its manifest went away");
	j = json_parse_object(b.data, b.len, MANIFEST_FILE, e);
	if (!j || manifest_from_json(&m, j, e) < 0)
		return -1;
	if (strcmp(m.name, name) != 0)
		return err_set(e, ERR_PROTOCOL, "its manifest is of '%s'", m.name);
	*ret = m;
	m = MANIFEST_INIT;
	return 0;
}

int generation_each_name(int list_fd, generation_name_fn *fn, void *arg, struct err *e)
{
	int copy = openat(list_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *ent;
	int rc = 0;

	if (!dir) {
		err_sys(e, errno, "open '%s'", GENERATION_DIR);
		auto_close_fd(&copy);
		return -1;
	}
	while (rc == 0 && (errno = 0, ent = readdir(dir))) {
		uint64_t number = 0;

		if (generation_name_is(ent->d_name, &number))
			rc = fn(arg, ent->d_name, number, e);
	}
	if (rc == 0 && errno)
		rc = err_sys(e, errno, "read '%s'", GENERATION_DIR);
	(void)closedir(dir);
	return rc;
}

/* --- the list --- */

struct names {
	struct generation *v;
	size_t n, cap;
};

static int add_name(void *arg, const char *name, uint64_t number, struct err *e)
{
	struct names *l = arg;

	if (l->n == GENERATIONS_MAX) {
		err_set(e, ERR_CONFLICT, "more than %d generations", GENERATIONS_MAX);
		return err_hint(e, "remove some with 'nodeswarm data rm NAME'");
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct generation *v = realloc(l->v, cap * sizeof(*v));

		if (!v)
			return err_nomem(e);
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n] = (struct generation){ .m = { .number = number } };
	memcpy(l->v[l->n].m.name, name, strlen(name) + 1);
	l->n++;
	return 0;
}

static bool is_in_use(int list_fd, const char *name)
{
	AUTO(close_fd)
	int fd = openat(list_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* Names, and what is true of them at one moment. */
static int read_names(struct names *l, int list_fd, struct err *e)
{
	AUTO(close_fd)
	int lock = openat(list_fd, LIST_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char current[GENERATION_NAME_SIZE] = "";
	struct err ignored = ERR_INIT;

	if (lock >= 0 && tmpdir_wait(lock, GENERATION_DIR "/" LIST_LOCK, NULL, e) < 0)
		return -1;
	/* What `current` should not be is for those to say who need it. */
	if (generation_read_current(list_fd, current, &ignored) != 0)
		current[0] = '\0';
	if (generation_each_name(list_fd, add_name, l, e) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++) {
		l->v[i].is_current = strcmp(l->v[i].m.name, current) == 0;
		l->v[i].is_in_use = is_in_use(list_fd, l->v[i].m.name);
	}
	return 0;
}

/* Returns 1 when it went away meanwhile. */
static int read_generation(struct generation *g, int list_fd)
{
	AUTO(close_fd) int fd = generation_open_dir(list_fd, g->m.name, &g->err);
	struct manifest m;

	if (fd < 0)
		return g->err.kind == ERR_NOT_FOUND;
	if (generation_read_manifest(&m, fd, g->m.name, &g->err) < 0) {
		/* Removed since it was opened. */
		if (faccessat(list_fd, g->m.name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			return 1;
		return 0;
	}
	g->files = m.files.n;
	g->size_bytes = m.files.size_bytes;
	g->data_bytes = m.files.data_bytes;
	tree_release(&m.files);
	m.files.size_bytes = g->size_bytes;
	m.files.data_bytes = g->data_bytes;
	g->m = m;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct generation *x = a, *y = b;

	if (x->m.number != y->m.number)
		return x->m.number < y->m.number ? -1 : 1;
	return strcmp(x->m.name, y->m.name);
}

int generations_list(struct generations *ret, const struct pool *p, struct err *e)
{
	AUTO(close_fd) int list_fd = generation_open_list(p, false, e);
	AUTO(generations) struct generations g = { 0 };
	struct names l = { 0 };
	int rc;

	*ret = g;
	if (list_fd < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		return 0;
	}
	rc = read_names(&l, list_fd, e);
	g.v = l.v;
	if (rc < 0)
		return err_wrap(e, "generations of '%s'", p->path);
	for (size_t i = 0; i < l.n; i++) {
		struct generation x = l.v[i];

		if (read_generation(&x, list_fd) == 0)
			g.v[g.n++] = x;
	}
	if (g.n > 1)
		qsort(g.v, g.n, sizeof(*g.v), by_number);
	*ret = g;
	g = (struct generations){ 0 };
	return 0;
}

void generations_release(struct generations *g)
{
	for (size_t i = 0; i < g->n; i++)
		manifest_release(&g->v[i].m);
	free(g->v);
	*g = (struct generations){ 0 };
}

json_t *generation_json(const struct generation *g)
{
	AUTO(json) json_t *j = manifest_json(&g->m, false);

	if (!j || json_object_set_new(j, "file_count", json_integer((json_int_t)g->files)) < 0 ||
	        json_object_set_new(j, "current", json_boolean(g->is_current)) < 0 ||
	        json_object_set_new(j, "in_use", json_boolean(g->is_in_use)) < 0)
		return NULL;
	if (g->err.kind != ERR_NONE &&
	        json_object_set_new(j, "error",
	                json_pack("{s:s, s:s}", "kind", err_kind_name(g->err.kind), "message",
	                        g->err.msg)) < 0)
		return NULL;
	return TAKE(j);
}

/* --- one that is read --- */

/* Returns 1 when it should be tried again: somebody has it for an instant, or is removing it. */
static int try_hold(int *ret_fd, int list_fd, const char *name, struct err *e)
{
	AUTO(close_fd) int fd = generation_open_dir(list_fd, name, e);
	struct stat mine, there;

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK || errno == EINTR
		        ? 1
		        : err_sys(e, errno, "lock generation '%s'", name);
	if (fstat(fd, &mine) < 0)
		return err_sys(e, errno, "stat generation '%s'", name);
	if (fstatat(list_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	        mine.st_ino != there.st_ino || mine.st_dev != there.st_dev)
		return 1;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Which one is meant.  ERR_NOT_FOUND. */
static int resolve(char ret[GENERATION_NAME_SIZE], int list_fd, const char *name, struct err *e)
{
	int rc;

	if (generation_name_is(name, NULL)) {
		memcpy(ret, name, strlen(name) + 1);
		return 0;
	}
	if (strcmp(name, GENERATION_CURRENT) != 0)
		return err_set(e, ERR_USAGE, "'%s' is not the name of a generation", name);
	rc = generation_read_current(list_fd, ret, e);
	return rc <= 0 ? rc : err_set(e, ERR_NOT_FOUND, "no generation is current");
}

/* Finds it and holds it; ret_name gets which it was. */
static int hold_dir(int *ret_fd, char ret_name[GENERATION_NAME_SIZE], int list_fd, const char *name,
        const volatile int *cancel, struct err *e)
{
	const struct timespec pause = { .tv_nsec = HOLD_PAUSE_NS };
	int64_t until = clock_mono_ns() + HOLD_TRY_NS;

	for (;;) {
		char again[GENERATION_NAME_SIZE];
		struct err other = ERR_INIT;
		int rc;

		if (resolve(ret_name, list_fd, name, e) < 0)
			return -1;
		rc = try_hold(ret_fd, list_fd, ret_name, e);
		if (rc == 0)
			return 0;
		/* `current` went on to another, and the one that it was is gone. */
		if (rc < 0 &&
		        (e->kind != ERR_NOT_FOUND || resolve(again, list_fd, name, &other) < 0 ||
		                strcmp(again, ret_name) == 0))
			return -1;
		err_clear(e);
		if (cancel_is_set(cancel))
			return err_set(e, ERR_INTERRUPTED,
			        "interrupted while generation '%s' was locked", ret_name);
		if (clock_mono_ns() > until) {
			err_set(e, ERR_CONFLICT, "generation '%s' is locked", ret_name);
			return err_hint(e,
			        "who makes or removes it needs a moment for that; if it stays so, "
			        "see who has its directory open: lslocks");
		}
		(void)nanosleep(&pause, NULL);
	}
}

int generation_hold(struct generation_hold *ret, const struct pool *p, const char *name,
        const volatile int *cancel, struct err *e)
{
	AUTO(close_fd) int list_fd = generation_open_list(p, false, e);
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	char which[GENERATION_NAME_SIZE];

	*ret = GENERATION_HOLD_INIT;
	if (list_fd < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		err_set(e, ERR_NOT_FOUND, "'%s' has no generations", p->path);
		return err_hint(e,
		        "'nodeswarm data pull current --from HOST' fetches one of another "
		        "host, 'nodeswarm data archive' makes one");
	}
	if (hold_dir(&h.fd, which, list_fd, name, cancel, e) < 0)
		return -1;
	if (generation_read_manifest(&h.m, h.fd, which, e) < 0)
		return err_wrap(e, "generation '%s'", which);
	h.data_fd = openat(h.fd, DATA_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (h.data_fd < 0 && errno == ENOENT)
		return err_set(e, ERR_PROTOCOL, "generation '%s' has no data", which);
	if (h.data_fd < 0)
		return err_sys(e, errno, "open the data of generation '%s'", which);
	*ret = h;
	h = GENERATION_HOLD_INIT;
	return 0;
}

void generation_hold_release(struct generation_hold *h)
{
	auto_close_fd(&h->data_fd);
	auto_close_fd(&h->fd);
	manifest_release(&h->m);
	*h = GENERATION_HOLD_INIT;
}

struct first_difference {
	tree_differs_fn *fn;
	void *arg;
	char what[16];
	char path[200];
};

static void on_difference(void *arg, const char *path, const char *what)
{
	struct first_difference *d = arg;

	if (!d->what[0]) {
		(void)snprintf(d->what, sizeof(d->what), "%s", what);
		(void)snprintf(d->path, sizeof(d->path), "%s", path);
	}
	if (d->fn)
		d->fn(d->arg, path, what);
}

int generation_verify(const struct pool *p, const char *name, struct clone_progress *progress,
        const volatile int *cancel, tree_differs_fn *fn, void *arg, struct err *e)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	struct first_difference d = { .fn = fn, .arg = arg };
	AUTO(tree) struct tree there = TREE_INIT;
	size_t n;

	if (generation_hold(&h, p, name, cancel, e) < 0)
		return -1;
	if (tree_read(&there, h.data_fd, e) < 0 ||
	        tree_digest(&there, h.data_fd, 0, progress, cancel, e) < 0)
		return err_wrap(e, "verify generation '%s'", h.m.name);
	n = tree_compare(&h.m.files, &there, on_difference, &d);
	if (n == 0)
		return 0;
	err_set(e, ERR_UNHEALTHY, "generation '%s': %zu of %zu files differ, the first is '%s': %s",
	        h.m.name, n, h.m.files.n, d.path, d.what);
	return err_hint(e,
	        "do not start from it: promote another one, then remove it with "
	        "'nodeswarm data rm %s'",
	        h.m.name);
}
