#include "data/clone_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/tree.h"

static const char *const HOW_NAMES[] = {
	[CLONE_REFLINK] = "reflink",
	[CLONE_LINK] = "link",
	[CLONE_RANGE] = "range",
	[CLONE_WRITE] = "write",
};

const char *clone_how_name(enum clone_how how)
{
	return HOW_NAMES[how];
}

bool clone_is_private(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (strcmp(path, "finalizers") == 0 || str_starts(path, "finalizers/", NULL) ||
	        strstr(path, "/finalizers/") || str_ends(path, "/finalizers"))
		return true;
	return str_starts(name, ".pending-snapshot-", NULL) ||
	        str_starts(name, ".incomplete-", NULL) || strcmp(name, "safety.dat") == 0 ||
	        str_ends(name, ".key") || str_ends(name, ".pem") || str_ends(name, ".wallet");
}

static const char *digits(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n && n <= 10 ? s + n : NULL;
}

bool clone_is_constant(const char *name)
{
	const char *s;

	return str_starts(name, "blocks-", &s) && (s = digits(s)) && *s == '-' &&
	        (s = digits(s + 1)) && (strcmp(s, ".log") == 0 || strcmp(s, ".index") == 0);
}

int clone_cancelled(const struct clone_run *run, struct err *e)
{
	if (run->o->cancel && __atomic_load_n(run->o->cancel, __ATOMIC_RELAXED))
		return err_set(e, ERR_INTERRUPTED, "the clone was cancelled");
	return 0;
}

/* --- directories and links -------------------------------------------------------------- */

static int make_dir(struct clone_hand *h, size_t i, struct err *e)
{
	const struct scan_list *dirs = &h->run->scan.dirs;
	const struct scan_entry *d = &dirs->v[i];
	int above = scan_dir(&h->to, &h->run->scan, d->dir, false, e);

	if (above < 0)
		return -1;
	/* Nobody but us gets in before all of it is there. */
	if (mkdirat(above, d->name, 0700) < 0)
		return err_sys(e, errno, "make directory '%s'", d->path);
	return 0;
}

static int make_link(struct clone_hand *h, size_t i, struct err *e)
{
	const struct scan_entry *l = &h->run->scan.links.v[i];
	int from = scan_dir(&h->from, &h->run->scan, l->dir, true, e);
	int to = from < 0 ? -1 : scan_dir(&h->to, &h->run->scan, l->dir, false, e);
	char text[PATH_MAX];
	ssize_t n;

	if (to < 0)
		return -1;
	n = readlinkat(from, l->name, text, sizeof(text));
	if (n < 0 && (errno == EINVAL || errno == ENOENT))
		return scan_changed(l->path, e);
	if (n < 0)
		return err_sys(e, errno, "read link '%s'", l->path);
	if ((size_t)n == sizeof(text))
		return err_set(e, ERR_USAGE, "link '%s' is too long", l->path);
	text[n] = '\0';
	if (symlinkat(text, to, l->name) < 0)
		return err_sys(e, errno, "make link '%s'", l->path);
	return clone_link_attributes(to, l->name, &l->st, l->path, e);
}

static int sync_file(struct clone_hand *h, size_t i, struct err *e)
{
	const struct scan_entry *f = &h->run->scan.files.v[i];
	int dir = scan_dir(&h->to, &h->run->scan, f->dir, false, e);
	AUTO(close_fd)
	int fd =
	        dir < 0 ? -1 : openat(dir, f->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (dir < 0)
		return -1;
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "fsync '%s'", f->path);
	return 0;
}

/* Now that nothing is made in it any more: its times stay. */
static int finish_dir(struct clone_hand *h, size_t i, struct err *e)
{
	const struct scan_entry *d = &h->run->scan.dirs.v[i];
	int from = scan_dir(&h->from, &h->run->scan, i, true, e);
	int to = from < 0 ? -1 : scan_dir(&h->to, &h->run->scan, i, false, e);

	if (to < 0 || clone_attributes(from, to, &d->st, d->path, e) < 0)
		return -1;
	if (fsync(to) < 0)
		return err_sys(e, errno, "fsync directory '%s'", d->path);
	return 0;
}

/* --- the whole ---------------------------------------------------------------------------- */

static void plan(struct clone_run *run)
{
	struct clone_progress *p = run->o->progress;

	for (size_t i = 0; i < run->scan.files.n; i++) {
		const struct scan_entry *f = &run->scan.files.v[i];
		uint64_t bytes = scan_data_bytes(&f->st);

		run->data_bytes += bytes;
		if (run->o->no_link || !clone_is_constant(f->name))
			run->must_copy += bytes;
	}
	if (run->o->no_reflink) {
		/* copy_file_range() would share the blocks where the file system can. */
		run->is_off[CLONE_REFLINK] = run->is_off[CLONE_RANGE] = true;
		(void)snprintf(run->why, sizeof(run->why), "an independent copy was asked for");
	}
	run->is_off[CLONE_LINK] = run->o->no_link;
	if (p) {
		atomic_fetch_add(&p->files_total, run->scan.files.n);
		atomic_fetch_add(&p->bytes_total, run->data_bytes);
	}
}

static int fill(struct clone_run *run, struct err *e)
{
	struct clone_hand h = { .run = run, .from = SCAN_AT(run->from), .to = SCAN_AT(run->to) };
	int64_t start;
	int rc = 0;

	for (size_t i = 1; rc == 0 && i < run->scan.dirs.n; i++)
		rc = make_dir(&h, i, e);
	for (size_t i = 0; rc == 0 && i < run->scan.files.n; i++) {
		rc = clone_cancelled(run, e);
		if (rc == 0)
			rc = clone_file(&h, i, e);
		if (rc == 0 && run->o->progress)
			atomic_fetch_add(&run->o->progress->files_done, 1);
	}
	for (size_t i = 0; rc == 0 && i < run->scan.links.n; i++)
		rc = make_link(&h, i, e);
	start = clock_mono_ns();
	for (size_t i = 0; rc == 0 && i < run->scan.files.n; i++) {
		rc = clone_cancelled(run, e);
		if (rc == 0)
			rc = sync_file(&h, i, e);
	}
	for (size_t i = run->scan.dirs.n; rc == 0 && i-- > 0;)
		rc = finish_dir(&h, i, e);
	run->synced_ns = clock_mono_ns() - start;
	scan_at_release(&h.from);
	scan_at_release(&h.to);
	free(h.buffer);
	return rc;
}

/* The directory that holds the target's name. */
static int sync_parent(int dirfd, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	AUTO(free) char *above = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	AUTO(close_fd) int fd = -1;

	if (!above)
		return err_nomem(e);
	fd = openat(dirfd, above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "fsync the directory of '%s'", path);
	return 0;
}

static int make_target(struct clone_run *run, int to_dirfd, const char *to, struct err *e)
{
	run->to = openat(to_dirfd, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (run->to < 0)
		return err_sys(e, errno, "open directory '%s'", to);
	run->items = calloc(run->scan.files.n + 1, sizeof(run->items[0]));
	if (!run->items)
		return err_nomem(e);
	plan(run);
	if (fill(run, e) < 0)
		return -1;
	return sync_parent(to_dirfd, to, e);
}

static void report(const struct clone_run *run, struct clone_report *r)
{
	const struct scan *s = &run->scan;

	r->files = s->files.n;
	r->dirs = s->dirs.n;
	r->links = s->links.n;
	r->left_private = s->left_private;
	r->left_odd = s->left_odd;
	for (size_t i = 0; i < s->files.n; i++) {
		r->apparent_bytes += (uint64_t)s->files.v[i].st.st_size;
		r->by[run->items[i].how].files++;
		r->by[run->items[i].how].bytes += run->items[i].bytes;
	}
	r->synced_ns = run->synced_ns;
	memcpy(r->why, run->why, sizeof(r->why));
}

static void release(struct clone_run *run)
{
	if (run->from >= 0)
		(void)close(run->from);
	if (run->to >= 0)
		(void)close(run->to);
	scan_release(&run->scan);
	free(run->items);
	(void)pthread_mutex_destroy(&run->lock);
}

static void undo(int to_dirfd, const char *to, struct err *e)
{
	struct err why = ERR_INIT;

	if (fs_remove_tree_at(to_dirfd, to, &why) < 0)
		err_hint(e, "what was made of '%s' could not be removed: %.200s", to, why.msg);
}

static int clone_into(struct clone_run *run, int from_dirfd, const char *from, int to_dirfd,
        const char *to, struct err *e)
{
	run->from = openat(from_dirfd, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (run->from < 0) {
		int why = errno;

		err_sys(e, why, "open directory '%s'", from);
		if (why == ENOENT)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	if (scan_read(&run->scan, run->from, true, e) < 0 || clone_cancelled(run, e) < 0)
		return err_wrap(e, "read '%s'", from);
	if (mkdirat(to_dirfd, to, 0700) < 0) {
		if (errno == EEXIST)
			return err_set(e, ERR_CONFLICT, "'%s' exists already", to);
		return err_sys(e, errno, "make directory '%s'", to);
	}
	if (make_target(run, to_dirfd, to, e) == 0)
		return 0;
	undo(to_dirfd, to, e);
	return err_wrap(e, "clone '%s' to '%s'", from, to);
}

int clone_tree(int from_dirfd, const char *from, int to_dirfd, const char *to,
        const struct clone_options *o, struct clone_report *ret, struct err *e)
{
	static const struct clone_options plain;
	struct clone_run run = { .o = o ? o : &plain, .from = -1, .to = -1 };
	struct clone_report made = { 0 };
	int64_t start = clock_mono_ns();
	int rc;

	(void)pthread_mutex_init(&run.lock, NULL);
	rc = clone_into(&run, from_dirfd, from, to_dirfd, to, e);
	if (rc == 0) {
		report(&run, &made);
		made.took_ns = clock_mono_ns() - start;
		*ret = made;
	}
	release(&run);
	return rc;
}

json_t *clone_report_json(const struct clone_report *r)
{
	uint64_t bytes = 0;
	json_t *j;

	for (int how = 0; how < CLONE_HOW_COUNT; how++)
		bytes += r->by[how].bytes;
	j = json_pack("{sI sI sI sI sI sI sI ss sf sf sb}", "files", (json_int_t)r->files, "bytes",
	        (json_int_t)bytes, "apparent_bytes", (json_int_t)r->apparent_bytes, "dirs",
	        (json_int_t)r->dirs, "links", (json_int_t)r->links, "left_private",
	        (json_int_t)r->left_private, "left_odd", (json_int_t)r->left_odd, "why", r->why,
	        "took_seconds", (double)r->took_ns / (double)NS_PER_SEC, "synced_seconds",
	        (double)r->synced_ns / (double)NS_PER_SEC, "is_verified", r->is_verified);
	for (int how = 0; j && how < CLONE_HOW_COUNT; how++)
		if (json_object_set_new(j, HOW_NAMES[how],
		            json_pack("{sI sI}", "files", (json_int_t)r->by[how].files, "bytes",
		                    (json_int_t)r->by[how].bytes)) < 0)
			json_decref(TAKE(j));
	return j;
}
