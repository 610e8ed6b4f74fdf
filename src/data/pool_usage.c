/* The whole pool: a row for each slot, generation and quarantine entry, and what still fits. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/str.h"
#include "base/strvec.h"
#include "data/clone.h"
#include "data/generation.h"
#include "data/pool.h"
#include "data/quarantine.h"
#include "data/slots.h"
#include "data/usage.h"
#include "data/usage_priv.h"

#define LIST_MAX 10000
/* An inode with its directory entry, and an extent in the trees that count references: more than
 * XFS and Btrfs take (512 and 160 bytes; 16 + 12 and 53 + 29). */
#define INODE_BYTES  4096
#define EXTENT_BYTES 128

struct survey {
	const struct pool *p;
	struct clone_progress *progress;
	const volatile int *cancel;
	struct usage totals;
	uint64_t own[SLOTS_MAX]; /* of slots that share something */
	size_t n_own;
	struct clone_cost cost;
	bool is_current; /* a row is walked that slots are cloned from */
};

static int by_bytes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* What a clone takes of a pool that can share blocks. */
static uint64_t shared_cost(
        struct clones_fit *f, const struct clone_cost *c, uint64_t *own, size_t n)
{
	char text[NUM_TEXT_MAX];

	if (n) {
		qsort(own, n, sizeof(*own), by_bytes);
		(void)snprintf(f->assumes, sizeof(f->assumes),
		        "each will have %s for itself, as the median of the %zu slots here that "
		        "share blocks has now",
		        num_size_text(text, own[n / 2]), n);
		return own[n / 2];
	}
	(void)snprintf(f->assumes, sizeof(f->assumes),
	        "no slot here is a clone yet; counted is only what a clone takes before anything "
	        "is written to it: %d bytes for each of %llu files, %d for each of %llu extents",
	        INODE_BYTES, (unsigned long long)c->files, EXTENT_BYTES,
	        (unsigned long long)c->extents);
	return c->files * INODE_BYTES + c->extents * EXTENT_BYTES;
}

static uint64_t copy_cost(struct clones_fit *f, const struct clone_cost *c)
{
	char copy[NUM_TEXT_MAX], link[NUM_TEXT_MAX];

	(void)snprintf(f->assumes, sizeof(f->assumes),
	        "each is a copy of 'current', which takes %s at first; %s of block logs that never "
	        "change are linked and take nothing",
	        num_size_text(copy, c->copy_bytes), num_size_text(link, c->link_bytes));
	return c->copy_bytes + c->files * INODE_BYTES;
}

void usage_clones_fit(struct clones_fit *ret, enum pool_method method,
        const struct pool_space *space, uint64_t free_inodes, const struct clone_cost *current,
        uint64_t *own, size_t n_own)
{
	uint64_t limit = (uint64_t)((double)space->total_bytes * POOL_STOP_PERCENT / 100);
	uint64_t used = space->total_bytes - space->free_bytes;

	*ret = (struct clones_fit){ .room_bytes = limit > used ? limit - used : 0 };
	if (!current || !current->has_state) {
		(void)snprintf(ret->assumes, sizeof(ret->assumes), "%s",
		        current ? "'current' has no state database: what a chain node makes of it "
		                  "is not known"
		                : "there is no 'current' generation to clone");
		return;
	}
	ret->is_known = true;
	ret->each_bytes = method == POOL_REFLINK ? shared_cost(ret, current, own, n_own)
	                                         : copy_cost(ret, current);
	if (!ret->each_bytes)
		ret->each_bytes = INODE_BYTES;
	ret->more = ret->room_bytes / ret->each_bytes;
	if (free_inodes && ret->more > free_inodes / (current->files + 1))
		ret->more = free_inodes / (current->files + 1);
}

/* --- rows ------------------------------------------------------------------------------- */

static void on_file(void *arg, const char *path, const struct usage *file)
{
	struct clone_cost *c = arg;
	const char *name = strrchr(path, '/');

	if (clone_is_private(path))
		return;
	if (str_starts(path, "state/", NULL))
		c->has_state = true;
	c->files++;
	c->extents += file->extents;
	if (clone_is_constant(name ? name + 1 : path))
		c->link_bytes += file->allocated_bytes;
	else
		c->copy_bytes += file->allocated_bytes;
}

static json_t *row_json(const char *name, const char *kind, const struct usage *u)
{
	double gib = (double)u->apparent_bytes / (1 << 30);
	json_t *j = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I}", "files",
	        (json_int_t)u->files, "apparent_bytes", (json_int_t)u->apparent_bytes,
	        "allocated_bytes", (json_int_t)u->allocated_bytes, "shared_bytes",
	        (json_int_t)u->shared_bytes, "exclusive_bytes", (json_int_t)u->exclusive_bytes,
	        "extents", (json_int_t)u->extents, "extents_per_gib",
	        gib > 0 ? (double)u->extents / gib : 0.0, "files_without_extents",
	        (json_int_t)u->without_extents);

	if (j && name &&
	        json_object_update_new(j, json_pack("{s:s, s:s}", "name", name, "kind", kind)) <
	                0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

/* Measure the directory path of the pool and append its row to list. */
static int add_row(struct survey *s, json_t *list, const char *name, const char *kind,
        const char *path, struct usage *ret, struct err *e)
{
	struct usage_watch w = { .progress = s->progress, .cancel = s->cancel, .arg = &s->cost };
	AUTO(free) char *shown = strdup(name);
	struct err why = ERR_INIT;
	json_t *row;

	if (!shown)
		return err_nomem(e);
	str_printable(shown);
	w.fn = s->is_current ? on_file : NULL;
	if (usage_watch_tree(ret, s->p->fd, path, &w, &why) < 0 && why.kind == ERR_INTERRUPTED) {
		*e = why;
		return err_wrap(e, "measure '%s'", name);
	}
	usage_sum(&s->totals, ret);
	row = row_json(shown, kind, ret);
	if (!row ||
	        json_object_set_new(row, "error",
	                why.kind == ERR_NONE ? json_null() : json_string(why.msg)) < 0 ||
	        json_array_append_new(list, row) < 0)
		return err_nomem(e);
	return 0;
}

static int add_slots(struct survey *s, json_t *list, struct err *e)
{
	AUTO(slots) struct slots v = { 0 };

	if (slots_list(&v, s->p, e) < 0)
		return -1;
	for (size_t i = 0; i < v.n; i++) {
		AUTO(free)
		char *path = str_fmt(
		        "services/%s/%llu", v.v[i].service, (unsigned long long)v.v[i].number);
		AUTO(free)
		char *name = str_fmt("%s.%llu", v.v[i].service, (unsigned long long)v.v[i].number);
		struct usage u = { 0 };

		if (!path || !name)
			return err_nomem(e);
		if (add_row(s, list, name, "slot", path, &u, e) < 0)
			return -1;
		if (u.shared_bytes && s->n_own < SLOTS_MAX)
			s->own[s->n_own++] = u.exclusive_bytes;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the directories in a directory of the pool, sorted. */
static int list_dirs(struct strvec *ret, const struct pool *p, const char *path, struct err *e)
{
	int fd = fs_open_dir_at(p->fd, path, false, 0, e), rc = 0;
	struct dirent *ent;
	DIR *d;

	if (fd < 0 && e->kind == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	if (fd < 0)
		return -1;
	d = fdopendir(fd);
	if (!d) {
		err_sys(e, errno, "list '%s'", path);
		auto_close_fd(&fd);
		return -1;
	}
	while (rc == 0 && ret->n < LIST_MAX && (ent = readdir(d))) {
		struct stat st;

		if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0 ||
		        fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		        !S_ISDIR(st.st_mode))
			continue;
		if (strvec_add(ret, ent->d_name) < 0)
			rc = err_nomem(e);
	}
	(void)closedir(d);
	if (rc == 0 && ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return rc;
}

/* *ret_found: `current` names one of them. */
static int add_generations(
        struct survey *s, json_t *list, json_t *leftovers, bool *ret_found, struct err *e)
{
	AUTO(strvec) struct strvec names = STRVEC_INIT;
	char current[GENERATION_NAME_SIZE];
	ssize_t n = readlinkat(
	        s->p->fd, GENERATION_DIR "/" GENERATION_CURRENT, current, sizeof(current) - 1);

	current[n < 0 ? 0 : n] = '\0';
	if (list_dirs(&names, s->p, GENERATION_DIR, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i];
		AUTO(free) char *path = str_fmt(GENERATION_DIR "/%s", name);
		AUTO(free) char *data = str_fmt(GENERATION_DIR "/%s/data", name);
		bool is_left = str_starts(name, ".tmp-", NULL);
		struct usage u = { 0 };
		json_t *row;

		if (!path || !data)
			return err_nomem(e);
		s->is_current = !is_left && strcmp(name, current) == 0;
		*ret_found = *ret_found || s->is_current;
		if (add_row(s, is_left ? leftovers : list, name,
		            is_left ? "leftover" : "generation", is_left ? path : data, &u, e) < 0)
			return -1;
		if (!is_left) {
			row = json_array_get(list, json_array_size(list) - 1);
			if (json_object_set_new(row, "current", json_boolean(s->is_current)) < 0)
				return err_nomem(e);
		}
		s->is_current = false;
	}
	return 0;
}

static int add_quarantine(struct survey *s, json_t *list, struct err *e)
{
	AUTO(strvec) struct strvec names = STRVEC_INIT;

	if (list_dirs(&names, s->p, QUARANTINE_DIR, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		AUTO(free) char *path = str_fmt(QUARANTINE_DIR "/%s", names.v[i]);
		struct usage u = { 0 };

		if (!path)
			return err_nomem(e);
		if (add_row(s, list, names.v[i], "quarantine", path, &u, e) < 0)
			return -1;
	}
	return 0;
}

/* --- the whole -------------------------------------------------------------------------- */

static json_t *pool_json(
        const struct pool *p, enum pool_method method, const char *why, const struct pool_space *sp)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:f}", "path", p->path, "id",
	        p->id, "method", pool_method_name(method), "method_recorded",
	        pool_method_name(p->method), "why", why, "size_bytes", (json_int_t)sp->total_bytes,
	        "used_bytes", (json_int_t)(sp->total_bytes - sp->free_bytes), "free_bytes",
	        (json_int_t)sp->free_bytes, "used_percent", sp->used_percent);
}

static json_t *clones_json(
        struct survey *s, bool has_current, enum pool_method method, const struct pool_space *space)
{
	struct clones_fit f;
	struct statvfs v;
	uint64_t inodes = fstatvfs(s->p->fd, &v) == 0 && v.f_files ? v.f_favail : 0;

	usage_clones_fit(
	        &f, method, space, inodes, has_current ? &s->cost : NULL, s->own, s->n_own);
	return json_pack("{s:o, s:I, s:o, s:o, s:s}", "more",
	        f.is_known ? json_integer((json_int_t)f.more) : json_null(), "room_bytes",
	        (json_int_t)f.room_bytes, "each_bytes",
	        f.is_known ? json_integer((json_int_t)f.each_bytes) : json_null(), "of",
	        has_current ? json_string(GENERATION_CURRENT) : json_null(), "assumes", f.assumes);
}

json_t *pool_usage_json(const struct pool *p, struct clone_progress *progress,
        const volatile int *cancel, struct err *e)
{
	AUTO(free) struct survey *s = calloc(1, sizeof(*s));
	AUTO(json) json_t *all = json_object();
	json_t *slots = json_array(), *generations = json_array();
	json_t *quarantine = json_array(), *leftovers = json_array();
	enum pool_method method;
	struct pool_space space;
	bool has_current = false;
	char why[160];

	if (json_object_set_new(all, "format", json_integer(1)) < 0 ||
	        json_object_set_new(all, "pool", json_object()) < 0 ||
	        json_object_set_new(all, "slots", slots) < 0 ||
	        json_object_set_new(all, "generations", generations) < 0 ||
	        json_object_set_new(all, "quarantine", quarantine) < 0 ||
	        json_object_set_new(all, "leftovers", leftovers) < 0 || !s) {
		err_nomem(e);
		return NULL;
	}
	*s = (struct survey){ .p = p, .progress = progress, .cancel = cancel };
	method = pool_probe_method(p->fd, why, sizeof(why));
	if (add_slots(s, slots, e) < 0 ||
	        add_generations(s, generations, leftovers, &has_current, e) < 0 ||
	        add_quarantine(s, quarantine, e) < 0 || pool_space_at(&space, p->fd, e) < 0)
		return NULL;
	if (json_object_set_new(all, "pool", pool_json(p, method, why, &space)) < 0 ||
	        json_object_set_new(all, "totals", row_json(NULL, NULL, &s->totals)) < 0 ||
	        json_object_set_new(all, "clones", clones_json(s, has_current, method, &space)) <
	                0) {
		err_nomem(e);
		return NULL;
	}
	return TAKE(all);
}
