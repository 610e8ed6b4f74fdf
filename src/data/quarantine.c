/*
 * quarantine/.lock is held, LOCK_EX, while an entry is made (some system calls) or takes its name
 * off; an entry without a file in data/ that is seen under it is of somebody who was killed.  Taken
 * after the slot's lock, never together with generations/lock.
 *
 * What the dead have left is deleted by whoever removes or bounds, and not by who puts something
 * there: a chain node waits for that.
 */

#include "data/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "data/pool.h"
#include "data/quarantine_priv.h"
#include "data/tmpdir.h"

#define QUARANTINE_FORMAT   1
#define WHY_FILE            "why.json"
#define WHY_MAX             65536
#define QUARANTINE_MAX      10000
#define QUARANTINE_SAME_MAX 1000
#define NAME_MAX_BYTES      255

struct shelf {
	int fd, lock;
	struct tmpdir_dead dead;
};

#define SHELF_INIT ((struct shelf){ .fd = -1, .lock = -1, .dead = TMPDIR_DEAD_INIT })

static void auto_shelf(struct shelf *s)
{
	auto_close_fd(&s->lock);
	tmpdir_dead_release(&s->dead);
	auto_close_fd(&s->fd);
}

static int shelf_open(struct shelf *s, const struct pool *p, bool make, struct err *e)
{
	s->fd = fs_open_dir_at(p->fd, QUARANTINE_DIR, false, 0, e);
	if (s->fd >= 0 || e->kind != ERR_NOT_FOUND || !make)
		return s->fd < 0 ? -1 : 0;
	err_clear(e);
	s->fd = fs_open_dir_at(p->fd, QUARANTINE_DIR, true, 0755, e);
	if (s->fd < 0)
		return -1;
	if (fchmod(s->fd, 0755) < 0 || fsync(p->fd) < 0)
		return err_sys(e, errno, "make '%s'", QUARANTINE_DIR);
	return 0;
}

static int shelf_lock(
        struct shelf *s, const struct pool *p, bool make, const volatile int *cancel, struct err *e)
{
	s->dead.cancel = cancel;
	if (shelf_open(s, p, make, e) < 0)
		return -1;
	return tmpdir_lock(&s->lock, s->fd, QUARANTINE_LOCK, cancel, e);
}

/* --- putting something there --- */

/* 2026-11-21T08:15:00.123Z as 20261121T081500Z. */
static void short_time(char out[17], int64_t at_ns)
{
	char text[CLOCK_TEXT_MAX];
	size_t n = 0;

	(void)clock_text(text, at_ns);
	for (const char *c = text; *c && *c != '.' && n < 15; c++)
		if (*c != '-' && *c != ':')
			out[n++] = *c;
	out[n++] = 'Z';
	out[n] = '\0';
}

/* Make the entry's directory, under a name that nobody has had. */
static int make_entry(char ret_name[QUARANTINE_NAME_SIZE], int shelf_fd,
        const struct quarantine_note *note, struct err *e)
{
	char at[17];

	short_time(at, note->at_ns);
	for (unsigned i = 1; i < QUARANTINE_SAME_MAX; i++) {
		char again[8] = "";

		if (i > 1)
			(void)snprintf(again, sizeof(again), "-%u", i);
		(void)snprintf(ret_name, QUARANTINE_NAME_SIZE, "%s-%s%s", note->slot, at, again);
		if (mkdirat(shelf_fd, ret_name, 0755) == 0)
			return 0;
		if (errno != EEXIST)
			return err_sys(e, errno, "make '%s/%s'", QUARANTINE_DIR, ret_name);
	}
	return err_set(e, ERR_CONFLICT, "'%s' is full of entries of this second", QUARANTINE_DIR);
}

static int fill_entry(int fd, const struct quarantine_note *note, struct err *e)
{
	char at[CLOCK_TEXT_MAX];
	AUTO(json)
	json_t *j = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "format", QUARANTINE_FORMAT,
	        "slot", note->slot, "why", note->why, "at", clock_text(at, note->at_ns),
	        "generation", note->generation, "verdict", note->verdict, "repair", note->repair);
	AUTO(free) char *text = j ? json_text(j, true) : NULL;

	if (!text)
		return err_nomem(e);
	if (fchmod(fd, 0755) < 0)
		return err_sys(e, errno, "chmod the entry of '%s'", QUARANTINE_DIR);
	return fs_write_at(fd, WHY_FILE, text, strlen(text), 0644, e);
}

int quarantine_begin(struct quarantine_work *w, const struct pool *p,
        const struct quarantine_note *note, struct err *e)
{
	AUTO(shelf) struct shelf s = SHELF_INIT;
	char name[QUARANTINE_NAME_SIZE] = "";

	if (shelf_lock(&s, p, true, NULL, e) < 0 || make_entry(name, s.fd, note, e) < 0)
		return -1;
	memcpy(w->name, name, sizeof(w->name));
	w->shelf = TAKE_FD(s.fd);
	w->lock = TAKE_FD(s.lock);
	w->fd = openat(w->shelf, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (w->fd < 0)
		return err_sys(e, errno, "open '%s/%s'", QUARANTINE_DIR, name);
	/* The entry must have its name for good before the only copy of the data goes into it. */
	if (fill_entry(w->fd, note, e) < 0)
		return -1;
	return fsync(w->shelf) < 0 ? err_sys(e, errno, "sync '%s'", QUARANTINE_DIR) : 0;
}

static int count_file(int dirfd UNUSED, const char *name UNUSED, const struct stat *st, void *arg,
        struct err *e UNUSED)
{
	uint64_t *files = arg;

	*files += !S_ISDIR(st->st_mode);
	return 0;
}

int quarantine_count_files(int dirfd, const char *name, uint64_t *ret, struct err *e)
{
	return fs_walk_at(dirfd, name, count_file, NULL, ret, e);
}

/* Whether there is a data/ with anything in it but directories. */
static bool has_something(int entry_fd)
{
	struct err odd = ERR_INIT;
	uint64_t files = 0;

	return quarantine_count_files(entry_fd, QUARANTINE_DATA, &files, &odd) < 0 || files;
}

void quarantine_work_release(struct quarantine_work *w)
{
	struct err ignored = ERR_INIT;

	if (w->shelf >= 0 && w->name[0] && !w->is_kept && (w->fd < 0 || !has_something(w->fd)) &&
	        fs_remove_tree_at(w->shelf, w->name, &ignored) < 0)
		err_clear(&ignored);
	auto_close_fd(&w->fd);
	auto_close_fd(&w->lock);
	auto_close_fd(&w->shelf);
	*w = QUARANTINE_WORK_INIT;
}

int quarantine_put(char ret_name[QUARANTINE_NAME_SIZE], const struct pool *p, int from_dirfd,
        const char *from, const struct quarantine_note *note, struct err *e)
{
	AUTO(quarantine_work) struct quarantine_work w = QUARANTINE_WORK_INIT;

	if (quarantine_begin(&w, p, note, e) < 0)
		return -1;
	if (renameat(from_dirfd, from, w.fd, QUARANTINE_DATA) < 0)
		return err_sys(e, errno, "move '%s' to '%s/%s'", from, QUARANTINE_DIR, w.name);
	w.is_kept = true;
	memcpy(ret_name, w.name, sizeof(w.name));
	if (fsync(w.fd) < 0 || fsync(from_dirfd) < 0)
		return err_sys(e, errno, "sync '%s/%s'", QUARANTINE_DIR, w.name);
	return 0;
}

/* --- what there is --- */

/* The number behind the time, when the same second came twice. */
static unsigned long same_second(const char *name)
{
	const char *z = strrchr(name, 'Z');

	return z && z[1] == '-' ? strtoul(z + 2, NULL, 10) : 1;
}

static int older_first(const void *a, const void *b)
{
	const struct quarantine_entry *x = a, *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	if (same_second(x->name) != same_second(y->name))
		return same_second(x->name) < same_second(y->name) ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* blocks.log, or blocks-<first>-<last>.log: wherever it is, as that depends on nodeos's options. */
static bool is_log(const char *name)
{
	return strcmp(name, "blocks.log") == 0 ||
	        (str_starts(name, "blocks-", NULL) && str_ends(name, ".log"));
}

static int add_file(
        int dirfd UNUSED, const char *name, const struct stat *st, void *arg, struct err *e UNUSED)
{
	struct quarantine_entry *q = arg;

	q->data_bytes += (uint64_t)st->st_blocks * 512;
	if (S_ISREG(st->st_mode) && st->st_size > 0 && is_log(name))
		q->has_blocks = true;
	return 0;
}

/* What the name tells, for an entry whose why.json does not. */
static void from_name(struct quarantine_entry *q, int fd)
{
	const char *dash = strrchr(q->name, '-');
	struct stat st;

	/* "...-20261121T081500Z-2" */
	while (dash && dash > q->name && !strchr(dash, 'T'))
		dash = memrchr(q->name, '-', (size_t)(dash - q->name));
	(void)snprintf(q->slot, sizeof(q->slot), "%.*s",
	        dash ? (int)(dash - q->name) : (int)sizeof(q->slot) - 1, q->name);
	if (fstat(fd, &st) == 0)
		q->at_ns = st.st_mtim.tv_sec * NS_PER_SEC;
}

static int read_why(struct quarantine_entry *q, int fd, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(WHY_MAX);
	AUTO(json) json_t *j = NULL;
	int rc = fs_read_at(fd, WHY_FILE, &b, e);

	if (rc != 0)
		return rc < 0 ? -1 : err_set(e, ERR_PROTOCOL, "it has no " WHY_FILE);
	j = json_parse_object(b.data, b.len, WHY_FILE, e);
	if (!j)
		return -1;
	if (json_int(j, "format", 0) != QUARANTINE_FORMAT)
		return err_set(e, ERR_PROTOCOL, WHY_FILE " has format %lld, this program reads %d",
		        (long long)json_int(j, "format", 0), QUARANTINE_FORMAT);
	if (clock_parse(&q->at_ns, json_str(j, "at", "")) < 0)
		return err_set(e, ERR_PROTOCOL, WHY_FILE " does not say when");
	(void)snprintf(q->slot, sizeof(q->slot), "%s", json_str(j, "slot", ""));
	(void)snprintf(q->why, sizeof(q->why), "%s", json_str(j, "why", ""));
	str_printable(q->slot);
	str_printable(q->why);
	return 0;
}

/* Returns 1 when it is no entry, or went away. */
static int read_entry(struct quarantine_entry *q, int shelf_fd, const char *name)
{
	AUTO(close_fd)
	int fd = openat(shelf_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct err why = ERR_INIT;
	struct stat st;

	*q = (struct quarantine_entry){ 0 };
	if (fd < 0 || fstatat(fd, QUARANTINE_DATA, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 1;
	(void)snprintf(q->name, sizeof(q->name), "%s", name);
	if (read_why(q, fd, &why) < 0) {
		from_name(q, fd);
		(void)snprintf(q->why, sizeof(q->why), "%.*s", (int)sizeof(q->why) - 1, why.msg);
	}
	if (fs_walk_at(fd, QUARANTINE_DATA, add_file, NULL, q, &q->err) < 0)
		err_wrap(&q->err, "'%s'", name);
	return 0;
}

static int add_entry(
        struct quarantine *q, size_t *cap, int shelf_fd, const char *name, struct err *e)
{
	if (q->n == QUARANTINE_MAX)
		return err_set(e, ERR_CONFLICT, "more than %d entries", QUARANTINE_MAX);
	if (q->n == *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		struct quarantine_entry *v = realloc(q->v, more * sizeof(*v));

		if (!v)
			return err_nomem(e);
		q->v = v;
		*cap = more;
	}
	if (read_entry(&q->v[q->n], shelf_fd, name) == 0)
		q->n++;
	return 0;
}

static int list_entries(struct quarantine *q, int shelf_fd, struct err *e)
{
	int copy = openat(shelf_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *ent;
	size_t cap = 0;
	int rc = 0;

	if (!dir) {
		err_sys(e, errno, "open '%s'", QUARANTINE_DIR);
		auto_close_fd(&copy);
		return -1;
	}
	while (rc == 0 && (errno = 0, ent = readdir(dir)))
		if (str_is_name(ent->d_name, NAME_MAX_BYTES))
			rc = add_entry(q, &cap, shelf_fd, ent->d_name, e);
	if (rc == 0 && errno)
		rc = err_sys(e, errno, "read '%s'", QUARANTINE_DIR);
	(void)closedir(dir);
	return rc;
}

int quarantine_list(struct quarantine *ret, const struct pool *p, struct err *e)
{
	AUTO(shelf) struct shelf s = SHELF_INIT;
	AUTO(quarantine) struct quarantine q = { 0 };

	*ret = q;
	if (shelf_open(&s, p, false, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		return 0;
	}
	if (list_entries(&q, s.fd, e) < 0)
		return err_wrap(e, "quarantine of '%s'", p->path);
	if (q.n > 1)
		qsort(q.v, q.n, sizeof(*q.v), older_first);
	*ret = q;
	q = (struct quarantine){ 0 };
	return 0;
}

void quarantine_release(struct quarantine *q)
{
	free(q->v);
	*q = (struct quarantine){ 0 };
}

/* --- removing --- */

/* Under the lock: have the entry for oneself. */
static int take_entry(int *ret_fd, int shelf_fd, const char *name, struct err *e)
{
	AUTO(close_fd)
	int fd = openat(shelf_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "no '%s' in quarantine", name);
	if (fd < 0)
		return err_sys(e, errno, "open '%s/%s'", QUARANTINE_DIR, name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_sys(e, errno, "lock '%s/%s'", QUARANTINE_DIR, name);
		err_set(e, ERR_CONFLICT, "somebody has '%s/%s' locked", QUARANTINE_DIR, name);
		return err_hint(e, "see who it is with lslocks, and try again");
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int quarantine_remove(
        const struct pool *p, const char *name, const volatile int *cancel, struct err *e)
{
	AUTO(shelf) struct shelf s = SHELF_INIT;
	char tmp[TMPDIR_NAME_SIZE];
	AUTO(close_fd) int fd = -1;

	if (!str_is_name(name, NAME_MAX_BYTES))
		return err_set(e, ERR_USAGE, "'%s' is not the name of a quarantine entry", name);
	if (shelf_lock(&s, p, false, cancel, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return err_wrap(e, "remove '%s' from quarantine", name);
		err_clear(e);
		return err_set(e, ERR_NOT_FOUND, "no '%s' in quarantine: nothing is", name);
	}
	tmpdir_collect(&s.dead, s.fd);
	if (take_entry(&fd, s.fd, name, e) < 0 || tmpdir_bury(s.fd, name, tmp, e) < 0)
		return -1;
	auto_close_fd(&s.lock);
	s.lock = -1;
	if (tmpdir_remove_tree(s.fd, tmp, cancel, e) < 0)
		return err_wrap(e, "'%s' is out of quarantine, but not all of it is deleted", name);
	return 0;
}

/* Entries that somebody who was killed has made and not filled. */
static int remove_unfilled(int shelf_fd, struct err *e)
{
	int copy = openat(shelf_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *ent;

	if (!dir) {
		err_sys(e, errno, "open '%s'", QUARANTINE_DIR);
		auto_close_fd(&copy);
		return -1;
	}
	while ((ent = readdir(dir))) {
		AUTO(close_fd) int fd = -1;
		struct err ignored = ERR_INIT;

		if (!str_is_name(ent->d_name, NAME_MAX_BYTES))
			continue;
		fd = openat(shelf_fd, ent->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 || has_something(fd) ||
		        fs_remove_tree_at(fd, QUARANTINE_DATA, &ignored) < 0)
			continue;
		/* What somebody has put there by hand stays. */
		if (tmpdir_sweep_files(fd, "." WHY_FILE ".tmp-") > 1)
			continue;
		(void)unlinkat(fd, WHY_FILE, 0);
		(void)unlinkat(shelf_fd, ent->d_name, AT_REMOVEDIR);
	}
	(void)closedir(dir);
	return 0;
}

/* Entries that stay and came after it; of at least its weight, or any. */
static uint64_t newer_than(const bool *remove, const struct quarantine *q, size_t i, bool any)
{
	uint64_t n = 0;

	for (size_t k = i + 1; k < q->n; k++)
		n += !remove[k] && strcmp(q->v[k].slot, q->v[i].slot) == 0 &&
		        (any || q->v[k].has_blocks || !q->v[i].has_blocks);
	return n;
}

static void plan_round(bool *remove, uint64_t *bytes, const struct quarantine *q,
        const struct quarantine_limit *l, bool any)
{
	for (size_t i = 0; i < q->n; i++) {
		bool is_counted =
		        l->per_slot && !any && (!l->slot || strcmp(l->slot, q->v[i].slot) == 0);
		uint64_t newer = newer_than(remove, q, i, any);

		if (remove[i] || !newer || (l->keep_since_ns && q->v[i].at_ns >= l->keep_since_ns))
			continue;
		remove[i] = (is_counted && newer >= l->per_slot) || (l->bytes && *bytes > l->bytes);
		if (remove[i])
			*bytes -= q->v[i].data_bytes;
	}
}

void quarantine_plan(bool *remove, const struct quarantine *q, const struct quarantine_limit *l)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < q->n; i++) {
		remove[i] = false;
		bytes += q->v[i].data_bytes;
	}
	plan_round(remove, &bytes, q, l, false);
	if (l->bytes && bytes > l->bytes)
		plan_round(remove, &bytes, q, l, true);
}

int quarantine_bound(const struct pool *p, const struct quarantine_limit *l, quarantine_gone_fn *fn,
        void *arg, struct err *e)
{
	AUTO(quarantine) struct quarantine q = { 0 };
	AUTO(free) bool *remove = NULL;

	{
		AUTO(shelf) struct shelf s = SHELF_INIT;

		if (shelf_lock(&s, p, true, l->cancel, e) < 0 || remove_unfilled(s.fd, e) < 0)
			return -1;
		tmpdir_collect(&s.dead, s.fd);
	}
	if (quarantine_list(&q, p, e) < 0)
		return -1;
	remove = calloc(q.n ? q.n : 1, sizeof(*remove));
	if (!remove)
		return err_nomem(e);
	quarantine_plan(remove, &q, l);
	for (size_t i = 0; i < q.n; i++) {
		struct err why = ERR_INIT;

		if (!remove[i])
			continue;
		if (cancel_is_set(l->cancel))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (quarantine_remove(p, q.v[i].name, l->cancel, &why) < 0 &&
		        why.kind != ERR_NOT_FOUND) {
			*e = why;
			return -1;
		}
		if (why.kind == ERR_NONE && fn)
			fn(arg, &q.v[i]);
	}
	return 0;
}
