/* Changing the list of generations.  The order of locks is in generation.c. */

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
#include "base/num.h"
#include "base/str.h"
#include "data/generation.h"
#include "data/generation_priv.h"
#include "data/pool.h"
#include "data/tmpdir.h"

#define NUMBER_FILE     "number"
#define NUMBER_MAX      999999999999ULL
#define NUMBER_TEXT_MAX 32
#define CURRENT_TMP     ".current.tmp"

/* generations/, locked, with what the dead have left in hand. */
struct list {
	int fd, lock;
	struct tmpdir_dead dead;
};

#define LIST_INIT ((struct list){ .fd = -1, .lock = -1, .dead = TMPDIR_DEAD_INIT })

/* Also lets go of the lock before what takes long. */
static void auto_list(struct list *l)
{
	auto_close_fd(&l->lock);
	tmpdir_dead_release(&l->dead);
	auto_close_fd(&l->fd);
}

static int list_lock(
        struct list *l, const struct pool *p, bool make, const volatile int *cancel, struct err *e)
{
	l->dead.cancel = cancel;
	l->fd = generation_open_list(p, make, e);
	if (l->fd < 0 || tmpdir_lock(&l->lock, l->fd, LIST_LOCK, cancel, e) < 0)
		return -1;
	tmpdir_collect(&l->dead, l->fd);
	(void)tmpdir_sweep_files(l->fd, "." NUMBER_FILE ".tmp-");
	return 0;
}

/* The list that has the generation `name`. */
static int list_lock_of(struct list *l, const struct pool *p, const char *name,
        const volatile int *cancel, struct err *e)
{
	if (list_lock(l, p, false, cancel, e) == 0)
		return 0;
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	err_set(e, ERR_NOT_FOUND, "no generation '%s': '%s' has none", name, p->path);
	return err_hint(e, "make one with 'nodeswarm data archive SERVICE.SLOT'");
}

/* --- numbers --- */

struct highest {
	uint64_t number;
	size_t n;
};

static int note_number(void *arg, const char *name UNUSED, uint64_t number, struct err *e UNUSED)
{
	struct highest *h = arg;

	if (number > h->number)
		h->number = number;
	h->n++;
	return 0;
}

/* The highest number there ever was, and how many there are now. */
static int read_highest(struct highest *h, int list_fd, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(NUMBER_TEXT_MAX);
	uint64_t said = 0;
	int rc = fs_read_at(list_fd, NUMBER_FILE, &b, e);

	*h = (struct highest){ 0 };
	if (rc < 0)
		return -1;
	if (rc == 0 && num_uint(&said, str_trim(b.data), 0, NUMBER_MAX, e) < 0) {
		e->kind = ERR_PROTOCOL;
		err_wrap(e, "'%s/%s'", GENERATION_DIR, NUMBER_FILE);
		return err_hint(e,
		        "it should have the highest number of a generation there ever "
		        "was; write that into it");
	}
	h->number = said;
	return generation_each_name(list_fd, note_number, h, e);
}

/* Before a generation of that number gets its name, and before the last of that number goes. */
static int write_highest(int list_fd, uint64_t number, struct err *e)
{
	char text[NUMBER_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "%" PRIu64 "\n", number);
	return fs_write_at(list_fd, NUMBER_FILE, text, strlen(text), 0644, e);
}

/* --- current --- */

static int prepare_current(int list_fd, const char *name, struct err *e)
{
	if (unlinkat(list_fd, CURRENT_TMP, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s'", CURRENT_TMP);
	if (symlinkat(name, list_fd, CURRENT_TMP) < 0)
		return err_sys(e, errno, "make link '%s'", CURRENT_TMP);
	return 0;
}

static int switch_current(int list_fd, struct err *e)
{
	if (renameat(list_fd, CURRENT_TMP, list_fd, GENERATION_CURRENT) == 0)
		return 0;
	err_sys(e, errno, "rename '%s' to '%s'", CURRENT_TMP, GENERATION_CURRENT);
	(void)unlinkat(list_fd, CURRENT_TMP, 0);
	return -1;
}

/* One pool's `current` stays on one chain, unless that is meant.  Returns 0; 1 when what is current
 * is of the same chain and a later block. */
static int compare_current(int list_fd, const struct manifest *m, bool force_chain, struct err *e)
{
	AUTO(manifest) struct manifest was = MANIFEST_INIT;
	char name[GENERATION_NAME_SIZE];
	struct err ignored = ERR_INIT;
	AUTO(close_fd) int dir = -1;

	/* One that cannot be read, or of which the chain is not known, is good to be replaced. */
	if (generation_read_current(list_fd, name, &ignored) != 0)
		return 0;
	dir = generation_open_dir(list_fd, name, &ignored);
	if (dir < 0 || generation_read_manifest(&was, dir, name, &ignored) < 0)
		return 0;
	if (!was.chain_id[0] || !m->chain_id[0])
		return 0;
	if (strcmp(was.chain_id, m->chain_id) == 0)
		return was.lib_block_num > m->lib_block_num;
	if (force_chain)
		return 0;
	err_set(e, ERR_CONFLICT, "it is of chain %.16s..., and '%s', which is current, of %.16s...",
	        m->chain_id, name, was.chain_id);
	return err_hint(
	        e, "one pool serves one chain: use another pool, or say that this is meant");
}

int generation_promote(const struct pool *p, const char *name, bool force_chain, struct err *e)
{
	AUTO(list) struct list l = LIST_INIT;
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	AUTO(close_fd) int dir = -1;
	char was[GENERATION_NAME_SIZE] = "";
	struct err ignored = ERR_INIT;
	struct stat st;

	if (!generation_name_is(name, NULL))
		return err_set(e, ERR_USAGE, "'%s' is not the name of a generation", name);
	if (list_lock_of(&l, p, name, NULL, e) < 0)
		return -1;
	dir = generation_open_dir(l.fd, name, e);
	if (dir < 0)
		return -1;
	if (generation_read_manifest(&m, dir, name, e) < 0)
		return err_wrap(e, "generation '%s'", name);
	if (fstatat(dir, DATA_DIR, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_PROTOCOL, "generation '%s' has no data", name);
	if (generation_read_current(l.fd, was, &ignored) == 0 && strcmp(was, name) == 0)
		return 0;
	if (compare_current(l.fd, &m, force_chain, e) < 0)
		return err_wrap(e, "promote generation '%s'", name);
	if (prepare_current(l.fd, name, e) < 0 || switch_current(l.fd, e) < 0)
		return err_wrap(e, "promote generation '%s'", name);
	if (fsync(l.fd) < 0)
		return err_sys(e, errno, "generation '%s' is current, but sync '%s'", name,
		        GENERATION_DIR);
	return 0;
}

/* --- making one --- */

int generation_begin(
        struct generation_work *w, const struct pool *p, const volatile int *cancel, struct err *e)
{
	AUTO(list) struct list l = LIST_INIT;

	*w = GENERATION_WORK_INIT;
	if (list_lock(&l, p, true, cancel, e) < 0)
		return err_wrap(e, "begin a generation in '%s'", p->path);
	w->list_fd = openat(l.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->list_fd < 0) {
		err_sys(e, errno, "open '%s'", GENERATION_DIR);
	} else if (tmpdir_make(l.fd, w->tmp, &w->fd, e) == 0) {
		return 0;
	}
	w->tmp[0] = '\0';
	generation_work_release(w);
	return err_wrap(e, "begin a generation in '%s'", p->path);
}

void generation_work_release(struct generation_work *w)
{
	struct err e = ERR_INIT;

	/* What cannot be removed now is there for the next change of the list. */
	if (w->tmp[0] && fs_remove_tree_at(w->list_fd, w->tmp, &e) < 0)
		err_clear(&e);
	auto_close_fd(&w->fd);
	auto_close_fd(&w->list_fd);
	*w = GENERATION_WORK_INIT;
}

/* Below data/, without following a link on the way. */
static int stat_file(int data_fd, const char *path, struct stat *ret)
{
	AUTO(free) char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	AUTO(close_fd) int at = -1;
	struct err e = ERR_INIT;

	if (!dir)
		return -1;
	if (!slash)
		return fstatat(data_fd, path, ret, AT_SYMLINK_NOFOLLOW);
	*slash = '\0';
	at = fs_open_dir_at(data_fd, dir, false, 0, &e);
	return at < 0 ? -1 : fstatat(at, slash + 1, ret, AT_SYMLINK_NOFOLLOW);
}

/* The manifest is of what lies there. */
static int check_files(int dirfd, const struct tree *t, struct err *e)
{
	AUTO(close_fd)
	int data = openat(dirfd, DATA_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (data < 0)
		return err_sys(e, errno, "open '%s' of the new generation", DATA_DIR);
	for (size_t i = 0; i < t->n; i++) {
		const struct tree_file *f = &t->v[i];
		struct stat st;

		if (!f->digest[0])
			return err_set(e, ERR_USAGE, "'%s' has no digest", f->path);
		if (stat_file(data, f->path, &st) < 0 || !S_ISREG(st.st_mode) ||
		        (uint64_t)st.st_size != f->size)
			return err_set(e, ERR_CONFLICT,
			        "'%s' of the new generation is not the file of %" PRIu64
			        " bytes that its manifest says",
			        f->path, f->size);
	}
	return 0;
}

/* What is written must be what can be read: there is no second try. */
static char *manifest_text(const struct manifest *m, struct err *e)
{
	AUTO(json) json_t *j = manifest_json(m, true);
	struct manifest back = MANIFEST_INIT;
	char *text;

	if (!j) {
		err_set(e, ERR_USAGE, "the manifest has a text that is not UTF-8");
		return NULL;
	}
	if (manifest_from_json(&back, j, e) < 0)
		return NULL;
	manifest_release(&back);
	text = json_text(j, m->files.n <= 1000);
	if (!text)
		err_nomem(e);
	else if (strlen(text) > GENERATION_TEXT_MAX) {
		free(text);
		text = NULL;
		err_set(e, ERR_USAGE, "the manifest is larger than %u MiB",
		        GENERATION_TEXT_MAX >> 20);
	}
	return text;
}

static int name_it(struct manifest *m, int list_fd, struct err *e)
{
	struct highest h;

	if (read_highest(&h, list_fd, e) < 0)
		return -1;
	if (h.n >= GENERATIONS_MAX) {
		err_set(e, ERR_CONFLICT, "there are %zu generations, which is the limit", h.n);
		return err_hint(e, "remove some with 'nodeswarm data prune'");
	}
	if (h.number >= NUMBER_MAX)
		return err_set(e, ERR_CONFLICT, "the numbers of generations are used up");
	m->number = h.number + 1;
	(void)snprintf(m->name, sizeof(m->name), "g%06" PRIu64 "-%010" PRIu32, m->number,
	        m->lib_block_num);
	return write_highest(list_fd, m->number, e);
}

/* Everything that can run out of space comes before the first rename. */
static int fill(struct generation_work *w, struct manifest *m, bool promote, struct err *e)
{
	AUTO(free) char *text = NULL;

	if (name_it(m, w->list_fd, e) < 0)
		return -1;
	text = manifest_text(m, e);
	if (!text || fs_write_at(w->fd, MANIFEST_FILE, text, strlen(text), 0644, e) < 0)
		return -1;
	/* root's alone: nodeos of all slots have one uid, and the files are that uid's. */
	if (fchmod(w->fd, 0700) < 0 || fsync(w->fd) < 0)
		return err_sys(e, errno, "sync the new generation");
	return promote ? prepare_current(w->list_fd, m->name, e) : 0;
}

/*
 * Take back the rename.  Nobody can hold it yet, because LOCK_EX is still ours.  If this cannot be
 * synced, deleting it is left to who collects it.
 */
static void unname(struct generation_work *w, const char *name)
{
	if (renameat(w->list_fd, name, w->list_fd, w->tmp) < 0 || fsync(w->list_fd) < 0)
		w->tmp[0] = '\0';
}

static int publish(struct generation_work *w, const struct manifest *m, bool promote, struct err *e)
{
	if (renameat(w->list_fd, w->tmp, w->list_fd, m->name) < 0)
		return err_sys(e, errno, "rename '%s' to '%s'", w->tmp, m->name);
	/* `current` must never lead to a name that a power loss takes away. */
	if (fsync(w->list_fd) < 0) {
		err_sys(e, errno, "sync '%s'", GENERATION_DIR);
		unname(w, m->name);
		return -1;
	}
	if (promote && switch_current(w->list_fd, e) < 0) {
		unname(w, m->name);
		return -1;
	}
	w->tmp[0] = '\0';
	if (promote && fsync(w->list_fd) < 0)
		return err_sys(e, errno, "generation '%s' is there and current, but sync '%s'",
		        m->name, GENERATION_DIR);
	return 0;
}

int generation_commit(struct generation_work *w, const struct pool *p, struct manifest *m,
        bool promote, bool force_chain, struct err *e)
{
	AUTO(list) struct list l = LIST_INIT;
	int later = 0;

	m->is_behind = false;
	if (check_files(w->fd, &m->files, e) < 0 || list_lock(&l, p, true, NULL, e) < 0)
		goto fail;
	if (promote)
		later = compare_current(l.fd, m, force_chain, e);
	if (later < 0)
		goto fail;
	promote = promote && later == 0;
	if (fill(w, m, promote, e) < 0 || publish(w, m, promote, e) < 0) {
		(void)unlinkat(w->list_fd, CURRENT_TMP, 0);
		goto fail;
	}
	m->is_behind = later > 0;
	generation_work_release(w);
	return 0;
fail:
	return err_wrap(e, "make a generation in '%s'", p->path);
}

/* --- removing --- */

/* Under the lock: take it off the list.  *ret_fd keeps it ours while it is deleted. */
static int take_off(int *ret_fd, char ret_tmp[TMPDIR_NAME_SIZE], int list_fd, const char *name,
        uint64_t number, struct err *e)
{
	AUTO(close_fd) int dir = -1;
	char current[GENERATION_NAME_SIZE];
	struct highest h;
	int rc = generation_read_current(list_fd, current, e);

	if (rc < 0)
		return -1;
	if (rc == 0 && strcmp(current, name) == 0) {
		err_set(e, ERR_CONFLICT, "generation '%s' is current", name);
		return err_hint(e, "make another one current first: nodeswarm data promote NAME");
	}
	dir = generation_open_dir(list_fd, name, e);
	if (dir < 0)
		return -1;
	if (flock(dir, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_sys(e, errno, "lock generation '%s'", name);
		err_set(e, ERR_CONFLICT, "generation '%s' is in use", name);
		return err_hint(e, "wait until who clones, verifies or sends it is done");
	}
	if (read_highest(&h, list_fd, e) < 0 ||
	        (h.number == number && write_highest(list_fd, number, e) < 0) ||
	        tmpdir_bury(list_fd, name, ret_tmp, e) < 0)
		return -1;
	*ret_fd = TAKE_FD(dir);
	return 0;
}

int generation_remove(
        const struct pool *p, const char *name, const volatile int *cancel, struct err *e)
{
	AUTO(list) struct list l = LIST_INIT;
	char tmp[TMPDIR_NAME_SIZE];
	AUTO(close_fd) int dir = -1;
	uint64_t number = 0;

	if (strcmp(name, GENERATION_CURRENT) == 0)
		return err_set(e, ERR_CONFLICT, "the current generation is never removed");
	if (!generation_name_is(name, &number))
		return err_set(e, ERR_USAGE, "'%s' is not the name of a generation", name);
	if (list_lock_of(&l, p, name, cancel, e) < 0)
		return err_wrap(e, "remove generation '%s'", name);
	if (take_off(&dir, tmp, l.fd, name, number, e) < 0)
		return err_wrap(e, "remove generation '%s'", name);
	auto_close_fd(&l.lock);
	l.lock = -1;
	if (tmpdir_remove_tree(l.fd, tmp, cancel, e) < 0)
		return err_wrap(
		        e, "generation '%s' is off the list, but not all of it is deleted", name);
	return 0;
}

int generations_prune(const struct pool *p, const struct retention *r, bool dry_run,
        const volatile int *cancel, generation_gone_fn *fn, void *arg, struct err *e)
{
	AUTO(generations) struct generations g = { 0 };
	AUTO(free) bool *remove = NULL;

	if (!dry_run) {
		AUTO(list) struct list l = LIST_INIT;

		/* Also when there is nothing else to remove: what the dead have left. */
		if (list_lock(&l, p, true, cancel, e) < 0)
			return -1;
	}
	if (generations_list(&g, p, e) < 0)
		return -1;
	remove = calloc(g.n ? g.n : 1, sizeof(*remove));
	if (!remove)
		return err_nomem(e);
	retention_plan(remove, &g, r, clock_real_ns());
	for (size_t i = 0; i < g.n; i++) {
		struct err why = g.v[i].err;

		if (why.kind != ERR_NONE && fn)
			fn(arg, &g.v[i], &why);
		if (!remove[i])
			continue;
		if (cancel_is_set(cancel))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (!dry_run && generation_remove(p, g.v[i].m.name, cancel, &why) < 0 &&
		        why.kind == ERR_NOT_FOUND)
			continue; /* somebody else was quicker */
		if (fn)
			fn(arg, &g.v[i], why.kind != ERR_NONE ? &why : NULL);
	}
	return 0;
}
