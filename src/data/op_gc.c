/*
 * What nobody needs any more: directories of slots without a task, the quarantine, leftovers
 *
 * Everything is looked at first and listed; with "remove" each thing is removed as it is listed.
 * A slot's directory is renamed first, with its lock held, so that whoever comes meanwhile finds
 * either all of it or nothing.  The locks are the slot's, then services/<service>/.lock.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/cancel.h"
#include "base/fs.h"
#include "base/lockfile.h"
#include "base/str.h"
#include "data/generation.h"
#include "data/incoming.h"
#include "data/op_priv.h"
#include "data/pool.h"
#include "data/record.h"
#include "data/restore.h"
#include "data/slots.h"
#include "data/tmpdir.h"
#include "data/usage.h"

#define AGE_DEFAULT_S (7 * 24 * 3600)
#define SERVICE_LOCK  ".lock"
/* The two of data/restore.h. */
#define DATA_NEW   ".data-new"
#define DATA_READY ".data-ready"

struct gc {
	const struct op_context *c;
	int64_t now_ns, age_ns;
	bool remove;
	const json_t *in_use;
	json_t *slots, *quarantine, *leftovers;
};

static inline void auto_closedir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static int check_cancel(const struct gc *g, struct err *e)
{
	return cancel_is_set(g->c->cancel) ? err_set(e, ERR_INTERRUPTED, "gc: interrupted") : 0;
}

/* What was found, and what became of it. */
static int add(json_t *list, json_t *row, const struct gc *g, const struct err *why, struct err *e)
{
	bool removed = g->remove && why->kind == ERR_NONE;

	if (!row || json_object_set_new(row, "removed", json_boolean(removed)) < 0 ||
	        (why->kind != ERR_NONE &&
	                json_object_set_new(row, "error", op_error_json(why)) < 0)) {
		json_decref(row);
		return err_nomem(e);
	}
	return json_array_append_new(list, row) < 0 ? err_nomem(e) : 0;
}

/* Bytes on disk, or 0 if they cannot be counted. */
static json_int_t bytes_of(int dirfd, const char *path)
{
	struct err ignored = ERR_INIT;
	struct usage u = { 0 };

	if (usage_add_tree(&u, dirfd, path, &ignored) < 0)
		return 0;
	return (json_int_t)u.allocated_bytes;
}

static int64_t ns_of(const struct timespec *t)
{
	return t->tv_sec * NS_PER_SEC + t->tv_nsec;
}

/* --- slots ---------------------------------------------------------------------------------- */

static bool is_in_use(const struct gc *g, const char *name)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)g->in_use, i,
	        v) if (strcmp(json_string_value(v), name) == 0) return true;
	return false;
}

/* When its supervisor said something last; 0 when it never did. */
static int updated_ns(int64_t *ret, int slot_fd, struct err *e)
{
	AUTO(free) struct record *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_nomem(e);
	rc = record_read_at(r, slot_fd, e);
	*ret = rc == 0 ? r->updated_ns : 0;
	return rc < 0 ? -1 : 0;
}

/* An unreadable record counts as none: the directory's own time is left. */
static int64_t changed_ns(int slot_fd)
{
	struct err ignored = ERR_INIT;
	struct stat st = { 0 };
	int64_t at, own;

	if (updated_ns(&at, slot_fd, &ignored) < 0)
		at = 0;
	if (fstat(slot_fd, &st) < 0)
		return INT64_MAX;
	own = ns_of(&st.st_mtim);
	return own > at ? own : at;
}

/* Under the slot's lock: off the list, and then deleted. */
static int bury_slot(const struct gc *g, const struct slot *s, struct err *e)
{
	AUTO(tmpdir_dead) struct tmpdir_dead dead = TMPDIR_DEAD_INIT;
	AUTO(free) char *dir = str_fmt("services/%s", s->service);
	AUTO(close_fd) int from = -1, lock = -1;
	char number[24], tmp[TMPDIR_NAME_SIZE];

	if (!dir)
		return err_nomem(e);
	from = fs_open_dir_at(g->c->pool->fd, dir, false, 0, e);
	if (from < 0 || tmpdir_lock(&lock, from, SERVICE_LOCK, g->c->cancel, e) < 0)
		return -1;
	tmpdir_collect(&dead, from);
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)s->number);
	/* Its directory is ours until it is deleted. */
	if (flock(s->fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, errno, "lock '%s'", s->path);
	if (tmpdir_bury(from, number, tmp, e) < 0)
		return -1;
	auto_close_fd(&lock);
	lock = -1;
	return fs_remove_tree_at(from, tmp, e);
}

static int remove_slot(const struct gc *g, const struct slot *s, struct err *e)
{
	AUTO(close_fd) int lock = -1;
	int64_t at = 0;
	int rc = lockfile_try_at(&lock, s->fd, SLOT_LOCK, NULL, e);

	if (rc < 0)
		return -1;
	if (rc > 0)
		return err_set(e, ERR_CONFLICT, "'%s' is in use now", s->path);
	/* Somebody may have come and gone while we looked. */
	if (updated_ns(&at, s->fd, e) < 0)
		err_clear(e);
	if (g->now_ns - at < g->age_ns)
		return err_set(e, ERR_CONFLICT, "'%s' was used just now", s->path);
	return bury_slot(g, s, e);
}

static int gc_slot(const struct gc *g, const struct slots_entry *entry, struct err *e)
{
	AUTO(slot) struct slot s = SLOT_INIT;
	struct err why = ERR_INIT;
	char name[SLOT_SERVICE_MAX + 32];
	int64_t at;
	json_t *row;

	(void)snprintf(
	        name, sizeof(name), "%s.%llu", entry->service, (unsigned long long)entry->number);
	if (is_in_use(g, name) ||
	        slot_open(&s, g->c->pool, entry->service, entry->number, false, &why) < 0)
		return 0;
	if (lockfile_is_held_at(s.fd, SLOT_LOCK, &why) != 0)
		return 0;
	at = changed_ns(s.fd);
	if (at > g->now_ns || g->now_ns - at < g->age_ns)
		return 0;
	row = json_pack("{s:s, s:I, s:I, s:I}", "service", entry->service, "slot",
	        (json_int_t)entry->number, "bytes", bytes_of(s.fd, "."), "idle_seconds",
	        (json_int_t)((g->now_ns - at) / NS_PER_SEC));
	if (g->remove)
		(void)!remove_slot(g, &s, &why);
	return add(g->slots, row, g, &why, e);
}

/* What a restore that was killed has left in a slot that nobody holds. */
static int gc_restore(const struct gc *g, const struct slots_entry *entry, struct err *e)
{
	static const char *const names[] = { DATA_NEW, DATA_READY };
	AUTO(slot) struct slot s = SLOT_INIT;
	AUTO(close_fd) int lock = -1;
	struct err why = ERR_INIT;
	json_int_t bytes = 0;
	bool found = false;
	struct stat st;
	json_t *row;

	if (slot_open(&s, g->c->pool, entry->service, entry->number, false, &why) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (fstatat(s.fd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0) {
			found = true;
			bytes += bytes_of(s.fd, names[i]);
		}
	if (!found || lockfile_try_at(&lock, s.fd, SLOT_LOCK, NULL, &why) != 0)
		return 0;
	row = json_pack("{s:o, s:I}", "path",
	        json_sprintf("services/%s/%llu/" DATA_NEW, entry->service,
	                (unsigned long long)entry->number),
	        "bytes", bytes);
	if (g->remove)
		(void)!slot_settle(&s, &why);
	return add(g->leftovers, row, g, &why, e);
}

static int gc_slots(const struct gc *g, struct err *e)
{
	AUTO(slots) struct slots s = { 0 };

	if (slots_list(&s, g->c->pool, e) < 0)
		return -1;
	for (size_t i = 0; i < s.n; i++)
		if (check_cancel(g, e) < 0 || gc_slot(g, &s.v[i], e) < 0 ||
		        gc_restore(g, &s.v[i], e) < 0)
			return -1;
	return 0;
}

/* --- quarantine ----------------------------------------------------------------------------- */

static int gc_quarantine(const struct gc *g, struct err *e)
{
	AUTO(quarantine) struct quarantine q = { 0 };

	if (quarantine_list(&q, g->c->pool, e) < 0)
		return -1;
	for (size_t i = 0; i < q.n; i++) {
		const struct quarantine_entry *v = &q.v[i];
		char at[CLOCK_TEXT_MAX];
		struct err why = ERR_INIT;
		json_t *row;

		if (check_cancel(g, e) < 0)
			return -1;
		if (g->now_ns - v->at_ns < g->age_ns)
			continue;
		row = json_pack("{s:s, s:s, s:s, s:s, s:I}", "name", v->name, "slot", v->slot,
		        "why", v->why, "at", clock_text(at, v->at_ns), "bytes",
		        (json_int_t)v->data_bytes);
		if (g->remove)
			(void)!quarantine_remove(g->c->pool, v->name, &why);
		if (add(g->quarantine, row, g, &why, e) < 0)
			return -1;
	}
	return 0;
}

/* --- leftovers ------------------------------------------------------------------------------ */

static int leftover(const struct gc *g, int dirfd, const char *dir, const char *name, struct err *e)
{
	struct err why = ERR_INIT;
	json_t *row = json_pack("{s:o, s:I}", "path", json_sprintf("%s/%s", dir, name), "bytes",
	        bytes_of(dirfd, name));

	if (g->remove)
		(void)!fs_remove_tree_at(dirfd, name, &why);
	return add(g->leftovers, row, g, &why, e);
}

/* Whether the directory is work of a dead process; *ret_fd holds its lock meanwhile. */
static bool is_abandoned(const struct gc *g, int dirfd, const char *name, int *ret_fd)
{
	bool is_pull = str_starts(name, INCOMING_PREFIX, NULL);

	if (!is_pull && !str_starts(name, TMPDIR_PREFIX, NULL))
		return false;
	*ret_fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*ret_fd < 0 || flock(*ret_fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	return !is_pull || incoming_is_stale(*ret_fd, g->now_ns);
}

static int gc_work(const struct gc *g, const char *dir, int dirfd, const char *name, struct err *e)
{
	AUTO(close_fd) int fd = -1;

	return is_abandoned(g, dirfd, name, &fd) ? leftover(g, dirfd, dir, name, e) : 0;
}

typedef int entry_fn(
        const struct gc *g, const char *dir, int dirfd, const char *name, struct err *e);

static int each_entry(const struct gc *g, const char *dir, entry_fn *fn, struct err *e)
{
	AUTO(close_fd) int fd = fs_open_dir_at(g->c->pool->fd, dir, false, 0, e);
	AUTO(closedir) DIR *d = NULL;
	struct dirent *ent;

	if (fd < 0 && (e->kind == ERR_NOT_FOUND || e->sys_errno == ENOTDIR)) {
		err_clear(e);
		return 0;
	}
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return fd < 0 ? -1 : err_sys(e, errno, "list '%s'", dir);
	fd = -1;
	while ((ent = readdir(d)))
		if (check_cancel(g, e) < 0 || fn(g, dir, dirfd(d), ent->d_name, e) < 0)
			return -1;
	return 0;
}

static int gc_service(
        const struct gc *g, const char *dir, int dirfd UNUSED, const char *name, struct err *e)
{
	AUTO(free) char *path = NULL;

	if (!str_is_name(name, SLOT_SERVICE_MAX))
		return 0;
	path = str_fmt("%s/%s", dir, name);
	return path ? each_entry(g, path, gc_work, e) : err_nomem(e);
}

json_t *op_gc(const struct op_context *c, const json_t *args, struct err *e)
{
	AUTO(json) json_t *slots = json_array(), *quarantine = json_array();
	AUTO(json) json_t *leftovers = json_array();
	const struct gc g = {
		.c = c,
		.now_ns = clock_real_ns(),
		.age_ns = json_int(args, "age_seconds", AGE_DEFAULT_S) * NS_PER_SEC,
		.remove = json_bool(args, "remove", false),
		.in_use = json_at(args, "in_use"),
		.slots = slots,
		.quarantine = quarantine,
		.leftovers = leftovers,
	};
	struct pool_space space = { 0 };

	if (g.remove && !g.in_use) {
		err_set(e, ERR_USAGE,
		        "nothing is removed without 'in_use': which slots have a "
		        "task now");
		return NULL;
	}
	if (!slots || !quarantine || !leftovers)
		return op_result(NULL, e);
	if (gc_slots(&g, e) < 0 || gc_quarantine(&g, e) < 0 ||
	        each_entry(&g, GENERATION_DIR, gc_work, e) < 0 ||
	        each_entry(&g, QUARANTINE_DIR, gc_work, e) < 0 ||
	        each_entry(&g, "services", gc_service, e) < 0 ||
	        pool_space_at(&space, c->pool->fd, e) < 0)
		return NULL;
	return op_result(
	        json_pack("{s:O, s:O, s:O, s:I}", "slots", slots, "quarantine", quarantine,
	                "leftovers", leftovers, "free_bytes", (json_int_t)space.free_bytes),
	        e);
}
