/*
 * What nobody needs any more: directories of slots without a task, the quarantine, leftovers
 *
 * Asked without "remove", everything is looked at and listed.  With it, what was listed and judged
 * is said, and nothing else is touched: a slot that was not on the list may have got a task since.
 * What is said is looked at again all the same, with its lock held.
 *
 * A slot's directory is renamed before it is deleted, so that whoever comes meanwhile finds either
 * all of it or nothing.  What belongs to its node alone goes to quarantine before that.  The locks
 * are the slot's, then quarantine/.lock or services/<service>/.lock.
 */

#include <errno.h>
#include <fcntl.h>
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
#include "base/lockfile.h"
#include "base/str.h"
#include "data/op_gc_priv.h"
#include "data/op_priv.h"
#include "data/pool.h"
#include "data/quarantine_priv.h"
#include "data/record.h"
#include "data/restore.h"
#include "data/restore_priv.h"
#include "data/slots.h"
#include "data/tmpdir.h"
#include "data/usage.h"

#define AGE_DEFAULT_S (7 * 24 * 3600)

int gc_check_cancel(const struct gc *g, struct err *e)
{
	return cancel_is_set(g->c->cancel) ? err_set(e, ERR_INTERRUPTED, "gc: interrupted") : 0;
}

int gc_add(json_t *list, json_t *row_take, const struct gc *g, const struct err *why, struct err *e)
{
	bool removed = g->remove && why->kind == ERR_NONE;

	if (!row_take || json_object_set_new(row_take, "removed", json_boolean(removed)) < 0 ||
	        (why->kind != ERR_NONE &&
	                json_object_set_new(row_take, "error", json_of_err(why)) < 0)) {
		json_decref(row_take);
		return err_nomem(e);
	}
	return json_array_append_new(list, row_take) < 0 ? err_nomem(e) : 0;
}

/* What cannot be judged. */
static int skip(const struct gc *g, const char *name, const struct err *why, struct err *e)
{
	json_t *row = json_pack("{s:s, s:o}", "name", name, "error", json_of_err(why));

	return json_array_append_new(g->skipped, row) < 0 ? err_nomem(e) : 0;
}

json_int_t gc_bytes(int dirfd, const char *path)
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

static bool has(const json_t *names, const char *name)
{
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)names, i,
	        v) if (strcmp(json_string_value(v), name) == 0) return true;
	return false;
}

/* --- slots ---------------------------------------------------------------------------------- */

/* When its supervisor said something last; 0 when it never did, or cannot be read. */
static int64_t updated_ns(int slot_fd)
{
	AUTO(free) struct record *r = calloc(1, sizeof(*r));
	struct err ignored = ERR_INIT;

	return r && record_read_at(r, slot_fd, &ignored) == 0 ? r->updated_ns : 0;
}

/* st is of its directory. */
static int64_t changed_ns(int slot_fd, const struct stat *st)
{
	int64_t at = updated_ns(slot_fd), own = ns_of(&st->st_mtim);

	return own > at ? own : at;
}

static bool is_young(const struct gc *g, int64_t at_ns)
{
	return at_ns > g->now_ns || g->now_ns - at_ns < g->age_ns;
}

/* Its lock, and what looking at it must not change: taking the lock of a slot that has none makes
 * the file, and with that the directory is as if somebody had used it. */
struct taken {
	const struct slot *s;
	int lock;
	struct stat was;
	bool had_file;
	bool is_gone; /* the slot: there is nothing to be put back */
};

#define TAKEN_INIT ((struct taken){ .lock = -1 })

static void auto_taken(struct taken *t)
{
	if (t->lock >= 0 && !t->is_gone) {
		const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, t->was.st_mtim };

		if (!t->had_file)
			(void)unlinkat(t->s->fd, SLOT_LOCK, 0);
		(void)futimens(t->s->fd, times);
	}
	auto_close_fd(&t->lock);
}

/* Returns 1 when somebody has it. */
static int take(struct taken *t, const struct slot *s, struct err *e)
{
	struct stat st;
	int rc;

	t->s = s;
	t->had_file = fstatat(s->fd, SLOT_LOCK, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (fstat(s->fd, &t->was) < 0)
		return err_sys(e, errno, "stat '%s'", s->path);
	rc = lockfile_try_at(&t->lock, s->fd, SLOT_LOCK, NULL, e);
	if (rc == 0 && t->had_file && fstat(s->fd, &t->was) < 0)
		return err_sys(e, errno, "stat '%s'", s->path);
	return rc;
}

/* Put the data-dir back that is in quarantine under that name. */
static void put_back(const struct gc *g, const struct slot *s, const char *name)
{
	AUTO(free) char *dir = str_fmt(QUARANTINE_DIR "/%s", name);
	struct err ignored = ERR_INIT;
	AUTO(close_fd) int fd = -1;

	fd = dir ? fs_open_dir_at(g->c->pool->fd, dir, false, 0, &ignored) : -1;
	if (fd >= 0 && renameat(fd, QUARANTINE_DATA, s->fd, DATA_DIR) == 0) {
		(void)fsync(s->fd);
		(void)!quarantine_remove(g->c->pool, name, NULL, &ignored);
	}
}

/* Take the slot off the list; *ret_fd is of services/<service>. */
static int bury(int *ret_fd, char ret_tmp[TMPDIR_NAME_SIZE], const struct gc *g,
        const struct slot *s, struct err *e)
{
	AUTO(free) char *dir = str_fmt("services/%s", s->service);
	AUTO(close_fd) int from = -1, lock = -1;
	struct stat mine, there;
	char number[24];

	if (!dir)
		return err_nomem(e);
	from = fs_open_dir_at(g->c->pool->fd, dir, false, 0, e);
	if (from < 0 || tmpdir_lock(&lock, from, GC_SERVICE_LOCK, g->c->cancel, e) < 0)
		return -1;
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)s->number);
	/* Its directory is ours until it is deleted. */
	if (flock(s->fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_sys(e, errno, "lock '%s'", s->path);
		err_set(e, ERR_CONFLICT, "somebody else has the directory '%s' locked", s->path);
		return err_hint(e, "see who it is with lslocks, and try again");
	}
	if (fstat(s->fd, &mine) < 0 || fstatat(from, number, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	        mine.st_ino != there.st_ino || mine.st_dev != there.st_dev)
		return err_set(e, ERR_CONFLICT, "'%s' is another directory now", s->path);
	if (tmpdir_bury(from, number, ret_tmp, e) < 0)
		return -1;
	*ret_fd = TAKE_FD(from);
	return 0;
}

/* Delete what is not the node's own of an entry that was made here. */
static int strip(const struct gc *g, const char *name, struct err *e)
{
	AUTO(free) char *dir = str_fmt(QUARANTINE_DIR "/%s", name);
	AUTO(close_fd) int fd = -1;

	if (!dir)
		return err_nomem(e);
	fd = fs_open_dir_at(g->c->pool->fd, dir, false, 0, e);
	return fd < 0 ? -1 : gc_own_strip(fd, QUARANTINE_DATA, g->c->cancel, e);
}

static int keep_own(char ret_name[QUARANTINE_NAME_SIZE], const struct gc *g, const struct slot *s,
        struct err *e)
{
	struct quarantine_note note = {
		.why = "the files that belong to this node alone; the rest was removed by gc",
		.generation = "",
		.verdict = "",
		.repair = "",
		.at_ns = g->now_ns,
	};

	(void)snprintf(
	        note.slot, sizeof(note.slot), "%s.%llu", s->service, (unsigned long long)s->number);
	return quarantine_put(ret_name, g->c->pool, s->fd, DATA_DIR, &note, e);
}

/* ret_own: where its node's own files are now; "" if it had none. */
static int remove_slot(
        char ret_own[QUARANTINE_NAME_SIZE], const struct gc *g, const struct slot *s, struct err *e)
{
	AUTO(taken) struct taken t = TAKEN_INIT;
	AUTO(close_fd) int list = -1;
	char tmp[TMPDIR_NAME_SIZE];
	uint64_t own = 0;
	int rc = take(&t, s, e);

	if (rc < 0)
		return -1;
	if (rc > 0)
		return err_set(e, ERR_CONFLICT, "'%s' is in use now", s->path);
	/* Somebody may have come and gone while we looked. */
	if (is_young(g, changed_ns(s->fd, &t.was)))
		return err_set(e, ERR_CONFLICT, "'%s' was used just now", s->path);
	/* A restore that was killed may have the node's own files in two places. */
	if (slot_settle(s, e) < 0 || gc_own_count(&own, s->fd, DATA_DIR, g->c->cancel, e) < 0 ||
	        (own && keep_own(ret_own, g, s, e) < 0))
		return -1;
	if (bury(&list, tmp, g, s, e) < 0) {
		if (*ret_own)
			put_back(g, s, ret_own);
		*ret_own = '\0';
		return -1;
	}
	t.is_gone = true;
	if (tmpdir_remove_tree(list, tmp, g->c->cancel, e) < 0)
		return err_wrap(e, "'%s' is off the list, but not all of it is deleted", s->path);
	return *ret_own ? strip(g, ret_own, e) : 0;
}

/* Whether it may be looked at, by its name. */
static bool is_meant(const struct gc *g, const char *name)
{
	return !has(g->in_use, name) && (!g->remove || has(g->may_slots, name));
}

static int gc_slot(const struct gc *g, const struct slot *s, const char *name, struct err *ret_why,
        struct err *e)
{
	char own_name[QUARANTINE_NAME_SIZE] = "";
	struct stat st;
	uint64_t own = 0;
	int64_t at;
	json_t *row;
	int rc = lockfile_is_held_at(s->fd, SLOT_LOCK, ret_why);

	if (rc > 0)
		return 0;
	if (rc < 0 || fstat(s->fd, &st) < 0)
		return rc < 0 ? 1 : (err_sys(ret_why, errno, "stat '%s'", name), 1);
	at = changed_ns(s->fd, &st);
	if (is_young(g, at))
		return 0;
	if (gc_own_count(&own, s->fd, DATA_DIR, g->c->cancel, ret_why) < 0)
		return 1;
	row = json_pack("{s:s, s:I, s:I, s:I, s:I}", "service", s->service, "slot",
	        (json_int_t)s->number, "bytes", gc_bytes(s->fd, "."), "idle_seconds",
	        (json_int_t)((g->now_ns - at) / NS_PER_SEC), "own_files", (json_int_t)own);
	if (g->remove)
		(void)!remove_slot(own_name, g, s, ret_why);
	if (row && *own_name &&
	        json_object_set_new(row, "quarantined", json_string(own_name)) < 0) {
		json_decref(row);
		return err_nomem(e);
	}
	return gc_add(g->slots, row, g, ret_why, e);
}

/* What a restore that was killed has left in a slot that nobody holds. */
static int gc_restore(const struct gc *g, const struct slot *s, struct err *e)
{
	static const char *const names[] = { DATA_NEW, DATA_READY };
	AUTO(taken) struct taken t = TAKEN_INIT;
	struct err why = ERR_INIT;
	json_int_t bytes = 0;
	bool found = false;
	struct stat st;
	json_t *row;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (fstatat(s->fd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0) {
			found = true;
			bytes += gc_bytes(s->fd, names[i]);
		}
	if (!found || lockfile_is_held_at(s->fd, SLOT_LOCK, &why) != 0 ||
	        (g->remove && take(&t, s, &why) != 0))
		return 0;
	row = json_pack("{s:o, s:I}", "path",
	        json_sprintf(
	                "services/%s/%llu/" DATA_NEW, s->service, (unsigned long long)s->number),
	        "bytes", bytes);
	if (g->remove)
		(void)!slot_settle(s, &why);
	return gc_add(g->leftovers, row, g, &why, e);
}

static int gc_entry(const struct gc *g, const struct slots_entry *entry, struct err *e)
{
	AUTO(slot) struct slot s = SLOT_INIT;
	char name[SLOT_SERVICE_MAX + 32];
	struct err why = ERR_INIT;
	int rc = 0;

	(void)snprintf(
	        name, sizeof(name), "%s.%llu", entry->service, (unsigned long long)entry->number);
	if (slot_open(&s, g->c->pool, entry->service, entry->number, false, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND || !is_meant(g, name))
			return 0;
		return skip(g, name, &why, e);
	}
	if (is_meant(g, name))
		rc = gc_slot(g, &s, name, &why, e);
	if (why.kind == ERR_INTERRUPTED) {
		*e = why;
		return -1;
	}
	if (rc > 0 && skip(g, name, &why, e) < 0)
		return -1;
	if (rc < 0 || (g->remove && !g->may_leftovers))
		return rc < 0 ? -1 : 0;
	return gc_restore(g, &s, e);
}

static int gc_slots(const struct gc *g, struct err *e)
{
	AUTO(slots) struct slots s = { 0 };

	if (slots_list(&s, g->c->pool, e) < 0)
		return -1;
	for (size_t i = 0; i < s.n; i++)
		if (gc_check_cancel(g, e) < 0 || gc_entry(g, &s.v[i], e) < 0)
			return -1;
	return 0;
}

/* --- quarantine ----------------------------------------------------------------------------- */

static uint64_t own_of(const struct gc *g, const char *name)
{
	AUTO(free) char *dir = str_fmt(QUARANTINE_DIR "/%s", name);
	struct err ignored = ERR_INIT;
	AUTO(close_fd) int fd = -1;
	uint64_t n = 0;

	fd = dir ? fs_open_dir_at(g->c->pool->fd, dir, false, 0, &ignored) : -1;
	return fd >= 0 && gc_own_count(&n, fd, QUARANTINE_DATA, g->c->cancel, &ignored) == 0 ? n
	                                                                                     : 0;
}

static int gc_quarantined(const struct gc *g, const struct quarantine_entry *v, struct err *e)
{
	char at[CLOCK_TEXT_MAX];
	struct err why = ERR_INIT;
	json_t *row;

	if (is_young(g, v->at_ns) || (g->remove && !has(g->may_quarantine, v->name)))
		return 0;
	if (v->err.kind != ERR_NONE && !g->remove)
		return skip(g, v->name, &v->err, e);
	row = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "name", v->name, "slot", v->slot, "why",
	        v->why, "at", clock_text(at, v->at_ns), "bytes", (json_int_t)v->data_bytes,
	        "own_files", (json_int_t)own_of(g, v->name));
	if (g->remove)
		(void)!quarantine_remove(g->c->pool, v->name, g->c->cancel, &why);
	return gc_add(g->quarantine, row, g, &why, e);
}

static int gc_quarantine(const struct gc *g, struct err *e)
{
	AUTO(quarantine) struct quarantine q = { 0 };

	if (quarantine_list(&q, g->c->pool, e) < 0)
		return -1;
	for (size_t i = 0; i < q.n; i++)
		if (gc_check_cancel(g, e) < 0 || gc_quarantined(g, &q.v[i], e) < 0)
			return -1;
	return 0;
}

/* --- all of it ------------------------------------------------------------------------------ */

json_t *op_gc(const struct op_context *c, const json_t *args, struct err *e)
{
	AUTO(json) json_t *slots = json_array(), *quarantine = json_array();
	AUTO(json) json_t *leftovers = json_array(), *skipped = json_array();
	const struct gc g = {
		.c = c,
		.now_ns = clock_real_ns(),
		.age_ns = json_int(args, "age_seconds", AGE_DEFAULT_S) * NS_PER_SEC,
		.remove = json_bool(args, "remove", false),
		.in_use = json_at(args, "in_use"),
		.may_slots = json_at(args, "slots"),
		.may_quarantine = json_at(args, "quarantine"),
		.may_leftovers = json_bool(args, "leftovers", false),
		.slots = slots,
		.quarantine = quarantine,
		.leftovers = leftovers,
		.skipped = skipped,
	};
	struct pool_space space = { 0 };

	if (!slots || !quarantine || !leftovers || !skipped)
		return op_result(NULL, e);
	if (gc_slots(&g, e) < 0 || gc_quarantine(&g, e) < 0 ||
	        ((!g.remove || g.may_leftovers) && gc_work(&g, e) < 0) ||
	        pool_space_at(&space, c->pool->fd, e) < 0)
		return NULL;
	return op_result(json_pack("{s:O, s:O, s:O, s:O, s:I}", "slots", slots, "quarantine",
	                         quarantine, "leftovers", leftovers, "skipped", skipped,
	                         "free_bytes", (json_int_t)space.free_bytes),
	        e);
}
