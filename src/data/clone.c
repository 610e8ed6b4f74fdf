#include "data/clone_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/parallel_priv.h"
#include "data/tree_priv.h"

static const char *const HOW_NAMES[] = {
	[CLONE_REFLINK] = "reflink",
	[CLONE_LINK] = "link",
	[CLONE_RANGE] = "range",
	[CLONE_WRITE] = "write",
};

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
	if (cancel_is_set(run->o->cancel))
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

static int read_link(char text[PATH_MAX], int dirfd, const struct scan_entry *l, struct err *e)
{
	ssize_t n = readlinkat(dirfd, l->name, text, PATH_MAX);

	if (n < 0 && (errno == EINVAL || errno == ENOENT))
		return scan_changed(l->path, e);
	if (n < 0)
		return err_sys(e, errno, "read link '%s'", l->path);
	if (n == PATH_MAX)
		return err_set(e, ERR_USAGE, "link '%s' is too long", l->path);
	text[n] = '\0';
	return 0;
}

static int make_link(struct clone_hand *h, size_t i, struct err *e)
{
	const struct scan_entry *l = &h->run->scan.links.v[i];
	int from = scan_dir(&h->from, &h->run->scan, l->dir, true, e);
	int to = from < 0 ? -1 : scan_dir(&h->to, &h->run->scan, l->dir, false, e);
	char text[PATH_MAX];

	if (to < 0 || read_link(text, from, l, e) < 0)
		return -1;
	if (symlinkat(text, to, l->name) < 0)
		return err_sys(e, errno, "make link '%s'", l->path);
	return clone_link_attributes(to, l->name, &l->st, l->path, e);
}

static bool is_in(const char *path, const char *dir)
{
	const char *rest;

	return str_starts(path, dir, &rest) && (*rest == '\0' || *rest == '/');
}

static bool is_data_dir(const struct scan *s)
{
	const struct scan_list *lists[] = { &s->dirs, &s->links };

	for (size_t k = 0; k < ARRAY_LEN(lists); k++)
		for (size_t i = 0; i < lists[k]->n; i++)
			if (strcmp(lists[k]->v[i].path, "state") == 0 ||
			        strcmp(lists[k]->v[i].path, "blocks") == 0)
				return true;
	return false;
}

static bool leads_out(const char *text)
{
	if (*text == '/')
		return true;
	for (const char *c = text; *c; c += strspn(c, "/")) {
		size_t n = strcspn(c, "/");

		if (n == 2 && strncmp(c, "..", 2) == 0)
			return true;
		c += n;
	}
	return false;
}

/* Two nodeos that are led to one file by their data-dirs both write to it. */
static int check_links(const struct clone_run *run, struct err *e)
{
	AUTO(scan_at) struct scan_at at = SCAN_AT(run->from);
	bool is_data = run->scan.links.n && is_data_dir(&run->scan);

	for (size_t i = 0; is_data && i < run->scan.links.n; i++) {
		const struct scan_entry *l = &run->scan.links.v[i];
		int dir = scan_dir(&at, &run->scan, l->dir, true, e);
		char text[PATH_MAX];

		if (dir < 0 || read_link(text, dir, l, e) < 0) {
			if (!run->is_live || (e->kind != ERR_NOT_FOUND && e->kind != ERR_CONFLICT))
				return -1;
			err_clear(e);
			continue;
		}
		if (!leads_out(text) && !is_in(l->path, "state") && !is_in(l->path, "blocks"))
			continue;
		err_set(e, ERR_CONFLICT,
		        "'%s' is a symbolic link to '%.200s': the copy would share what "
		        "is there",
		        l->path, text);
		return err_hint(
		        e, "put what it leads to in its place: a data-dir is one directory");
	}
	return 0;
}

/* --- the whole ---------------------------------------------------------------------------- */

/* A large file that is begun last keeps one thread busy while the others have nothing to do. */
#define LARGE ((uint64_t)16 << 20)

static int by_size(const void *a, const void *b, void *arg)
{
	const struct clone_item *items = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	uint64_t sx = items[x].size < LARGE ? 0 : items[x].size;
	uint64_t sy = items[y].size < LARGE ? 0 : items[y].size;

	return sx != sy ? (sx < sy) - (sx > sy) : (x > y) - (x < y);
}

/* Blocks may be shared between two devices (subvolumes), names never. */
static int is_one_fs(const struct clone_run *run, bool *ret, struct err *e)
{
	struct stat to;

	if (fstat(run->to, &to) < 0)
		return err_sys(e, errno, "stat the target");
	*ret = to.st_dev == run->scan.dirs.v[0].st.st_dev;
	return 0;
}

static int plan(struct clone_run *run, struct err *e)
{
	bool has_links = false;
	const struct scan_list *files = &run->scan.files;
	struct clone_progress *p = run->o->progress;

	run->items = calloc(files->n + 1, sizeof(run->items[0]));
	run->order = calloc(files->n + 1, sizeof(run->order[0]));
	if (!run->items || !run->order)
		return err_nomem(e);
	if (!run->o->no_link && is_one_fs(run, &has_links, e) < 0)
		return -1;
	for (size_t i = 0; i < files->n; i++) {
		uint64_t bytes = scan_data_bytes(&files->v[i].st);

		run->order[i] = i;
		run->items[i].size = bytes;
		run->data_bytes += bytes;
		if (!has_links || !clone_may_link(run, &files->v[i]))
			run->must_copy += bytes;
	}
	qsort_r(run->order, files->n, sizeof(run->order[0]), by_size, run->items);
	if (run->o->no_reflink) {
		/* copy_file_range() would share the blocks where the file system can. */
		run->is_off[CLONE_REFLINK] = run->is_off[CLONE_RANGE] = true;
		(void)snprintf(run->why, sizeof(run->why), "an independent copy was asked for");
	}
	run->is_off[CLONE_LINK] = !has_links;
	if (p) {
		atomic_fetch_add(&p->files_total, files->n);
		atomic_fetch_add(&p->bytes_total, run->data_bytes);
	}
	return 0;
}

static int do_file(void *arg, unsigned hand, size_t i, struct err *e)
{
	struct clone_hand *h = (struct clone_hand *)arg + hand;
	const struct clone_run *run = h->run;
	const struct clone_item *item = &run->items[run->order[i]];
	struct clone_progress *p = run->o->progress;

	if (clone_cancelled(run, e) < 0 || clone_file(h, run->order[i], e) < 0)
		return -1;
	if (p) {
		/* What was expected and what was found may differ by a block or two. */
		atomic_fetch_add(&p->bytes_done, item->size - item->bytes);
		atomic_fetch_add(&p->files_done, 1);
	}
	return 0;
}

static int fill_by(struct clone_hand *hands, unsigned n, struct err *e)
{
	struct clone_run *run = hands->run;

	for (size_t i = 1; i < run->scan.dirs.n; i++)
		if (make_dir(&hands[0], i, e) < 0)
			return -1;
	if (parallel_run(run->scan.files.n, n, do_file, hands, e) < 0)
		return -1;
	/* All of them once all are there: the files of a data-dir go together. */
	for (size_t i = 0; i < run->scan.files.n; i++)
		if (clone_check_source(&hands[0], i, e) < 0)
			return -1;
	for (size_t i = 0; i < run->scan.links.n; i++)
		if (make_link(&hands[0], i, e) < 0)
			return -1;
	return clone_sync(hands, n, &run->synced_ns, e);
}

static int fill(struct clone_run *run, struct err *e)
{
	struct clone_hand hands[PARALLEL_MAX];
	int rc;

	for (unsigned i = 0; i < PARALLEL_MAX; i++)
		hands[i] = (struct clone_hand){
			.run = run,
			.from = SCAN_AT(run->from),
			.to = SCAN_AT(run->to),
		};
	rc = fill_by(hands, parallel_threads(run->o->threads), e);
	for (unsigned i = 0; i < PARALLEL_MAX; i++) {
		scan_at_release(&hands[i].from);
		scan_at_release(&hands[i].to);
		free(hands[i].buffer);
	}
	return rc;
}

/* --- verification ------------------------------------------------------------------------- */

struct difference {
	char path[160];
	const char *what;
};

static void note(void *arg, const char *path, const char *what)
{
	struct difference *d = arg;

	if (d->what)
		return;
	d->what = what;
	(void)snprintf(d->path, sizeof(d->path), "%s", path);
}

static int verify(const struct clone_run *run, struct err *e)
{
	AUTO(tree) struct tree from = TREE_INIT, to = TREE_INIT;
	const struct clone_options *o = run->o;
	struct difference first = { .what = NULL };
	size_t n;

	if (tree_of_scan(&from, &run->scan, e) < 0 || tree_read(&to, run->to, e) < 0 ||
	        tree_digest(&from, run->from, o->threads, o->progress, o->cancel, e) < 0 ||
	        tree_digest(&to, run->to, o->threads, o->progress, o->cancel, e) < 0)
		return err_wrap(e, "verify");
	n = tree_compare(&from, &to, note, &first);
	if (!n)
		return 0;
	err_set(e, ERR_UNHEALTHY,
	        "the copy is not like the source: %zu files differ, the first: '%s' (%s)", n,
	        first.path, first.what);
	return err_hint(e, "look for errors of the disk or of memory in the kernel's log");
}

/* --- the call ----------------------------------------------------------------------------- */

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
	if (plan(run, e) < 0 || fill(run, e) < 0 || sync_parent(to_dirfd, to, e) < 0)
		return -1;
	return run->o->verify ? verify(run, e) : 0;
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
		enum clone_how how = run->items[i].how;

		/* A file without data was made before others found that there are no ranges. */
		if (how == CLONE_RANGE && !run->items[i].bytes && run->is_off[CLONE_RANGE])
			how = CLONE_WRITE;
		r->apparent_bytes += (uint64_t)s->files.v[i].st.st_size;
		r->by[how].files++;
		r->by[how].bytes += run->items[i].bytes;
	}
	r->synced_ns = run->synced_ns;
	r->is_verified = run->o->verify;
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
	free(run->order);
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
	const char *from_name = run->o->from_name ? run->o->from_name : from;
	const char *to_name = run->o->to_name ? run->o->to_name : to;

	run->from = openat(from_dirfd, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (run->from < 0) {
		int why = errno;

		err_sys(e, why, "open directory '%s'", from_name);
		if (why == ENOENT)
			e->kind = ERR_NOT_FOUND;
		return -1;
	}
	if (scan_read(&run->scan, run->from, true, e) < 0 || check_links(run, e) < 0 ||
	        clone_cancelled(run, e) < 0)
		return err_wrap(e, "read '%s'", from_name);
	if (mkdirat(to_dirfd, to, 0700) < 0) {
		if (errno == EEXIST)
			return err_set(e, ERR_CONFLICT, "'%s' exists already", to_name);
		return err_sys(e, errno, "make directory '%s'", to_name);
	}
	if (make_target(run, to_dirfd, to, e) == 0)
		return 0;
	undo(to_dirfd, to, e);
	return err_wrap(e, "clone '%s' to '%s'", from_name, to_name);
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

int clone_check(int dirfd, const char *path, struct err *e)
{
	static const struct clone_options plain;
	struct clone_run run = { .o = &plain, .from = -1, .to = -1, .is_live = true };
	int rc = -1;

	(void)pthread_mutex_init(&run.lock, NULL);
	run.from = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (run.from < 0)
		err_sys(e, errno, "open directory '%s'", path);
	else if (scan_read_live(&run.scan, run.from, e) == 0)
		rc = check_links(&run, e);
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
