/* pool: what a pool costs (data/usage.h), and a file system in a file for hosts without reflinks
 * (data/pool_mount.h). */

#include "cli/command.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/table.h"
#include "cli/output.h"
#include "data/clone.h"
#include "data/pool.h"
#include "data/pool_mount.h"
#include "data/usage.h"

#define LONG_NS NS_PER_SEC /* from then on it is said how far we are */

static uint64_t size;
static const char *image;
static bool sparse, dry_run;

/* --- measuring, beside a line of progress ------------------------------------------------- */

struct measuring {
	const struct pool *p;
	struct clone_progress progress;
	const volatile int *cancel;
	atomic_bool done;
	json_t *result;
	struct err err;
};

static void *measure(void *arg)
{
	struct measuring *m = arg;

	m->result = pool_usage_json(m->p, &m->progress, m->cancel, &m->err);
	atomic_store(&m->done, true);
	return NULL;
}

static json_t *watch_usage(struct context *ctx, const struct pool *p, struct err *e)
{
	struct measuring m = { .p = p, .cancel = &ctx->interrupted, .err = ERR_INIT };
	const struct timespec tick = { .tv_nsec = 20 * NS_PER_MS };
	int64_t start = clock_mono_ns();
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, measure, &m);

	if (rc != 0) {
		err_sys(e, rc, "start a thread");
		return NULL;
	}
	while (!atomic_load(&m.done)) {
		(void)nanosleep(&tick, NULL);
		if (clock_mono_ns() - start > LONG_NS)
			progress_set(ctx, "measured %llu files",
			        (unsigned long long)m.progress.files_done);
	}
	(void)pthread_join(thread, NULL);
	progress_end(ctx);
	if (!m.result)
		*e = m.err;
	return m.result;
}

/* --- printing ----------------------------------------------------------------------------- */

static const struct table_column pool_cols[] = {
	{ "PATH", "path", TABLE_TEXT },
	{ "ID", "id", TABLE_TEXT },
	{ "METHOD", "method", TABLE_TEXT },
	{ "SIZE", "size_bytes", TABLE_SIZE },
	{ "USED", "used_bytes", TABLE_SIZE },
	{ "FREE", "free_bytes", TABLE_SIZE },
	{ "WHY", "why", TABLE_WIDE },
};

static const struct table_column tree_cols[] = {
	{ "NAME", "name", TABLE_TEXT },
	{ "KIND", "kind", TABLE_TEXT },
	{ "APPARENT", "apparent_bytes", TABLE_SIZE },
	{ "ALLOCATED", "allocated_bytes", TABLE_SIZE },
	{ "SHARED", "shared_bytes", TABLE_SIZE },
	{ "EXCLUSIVE", "exclusive_bytes", TABLE_SIZE },
	{ "EXTENTS", "extents", TABLE_NUMBER },
	{ "PER GIB", "extents_per_gib", TABLE_NUMBER },
	{ "NOTE", "note", TABLE_WIDE },
};

/* A row of the cells that the object has. */
static void add_row(struct table *t, const struct table_column *cols, size_t n, const json_t *from)
{
	table_row(t);
	for (size_t i = 0; i < n; i++)
		table_set(t, i, json_incref(json_object_get(from, cols[i].key)));
}

static int show_pool(struct context *ctx, const json_t *pool, struct err *e)
{
	AUTO(table_free) struct table *t = table_new(pool_cols, ARRAY_LEN(pool_cols));
	const char *now = json_str(pool, "method", ""), *recorded;

	if (!t)
		return err_nomem(e);
	recorded = json_str(pool, "method_recorded", now);
	if (strcmp(now, recorded) != 0)
		output_warn(ctx,
		        "pool.json says '%s', and a trial just now says '%s': the pool has moved "
		        "to another file system; what the trial says counts",
		        recorded, now);
	add_row(t, pool_cols, ARRAY_LEN(pool_cols), pool);
	return output_table(ctx, "pools", t, e);
}

static json_t *note_of(const json_t *row)
{
	const char *error = json_str(row, "error", "");
	long long n = json_int(row, "files_without_extents", 0);

	if (*error)
		return json_string(error);
	if (json_bool(row, "current", false))
		return json_string("current");
	return n ? json_sprintf("%lld files that nobody could tell the extents of", n) : NULL;
}

static int show_trees(struct context *ctx, const json_t *u, struct err *e)
{
	static const char *const lists[] = { "generations", "slots", "quarantine", "leftovers" };
	AUTO(table_free) struct table *t = table_new(tree_cols, ARRAY_LEN(tree_cols));
	size_t rows = 0, i, k;
	json_t *row;

	if (!t)
		return err_nomem(e);
	for (k = 0; k < ARRAY_LEN(lists); k++)
		json_array_foreach(json_object_get(u, lists[k]), i, row)
		{
			add_row(t, tree_cols, ARRAY_LEN(tree_cols), row);
			table_set(t, 7,
			        json_integer((json_int_t)json_number_value(
			                json_object_get(row, "extents_per_gib"))));
			table_set(t, ARRAY_LEN(tree_cols) - 1, note_of(row));
			rows++;
		}
	if (rows > 1) {
		row = json_object_get(u, "totals");
		add_row(t, tree_cols, ARRAY_LEN(tree_cols), row);
		table_set(t, 0, json_string("total"));
		table_set(t, 7, NULL);
		table_set(t, ARRAY_LEN(tree_cols) - 1,
		        json_string("shared blocks as often as they are shared"));
	}
	if (!rows)
		return 0;
	output_line(ctx, "%s", "");
	return output_table(ctx, "trees", t, e);
}

static void show_clones(struct context *ctx, const json_t *u)
{
	const json_t *list = json_object_get(u, "quarantine"), *row;
	const json_t *more = json_at(u, "clones.more");
	const char *assumes = json_str(u, "clones.assumes", "");
	char room[NUM_TEXT_MAX];
	uint64_t bytes = 0;
	size_t i;

	output_line(ctx, "%s", "");
	json_array_foreach(list, i, row) bytes += (uint64_t)json_int(row, "exclusive_bytes", 0);
	if (json_array_size(list))
		output_line(ctx, "quarantine: %zu, and removing all gives back %s",
		        json_array_size(list), num_size_text(room, bytes));
	(void)num_size_text(room, (uint64_t)json_int(u, "clones.room_bytes", 0));
	if (json_is_integer(more))
		output_line(ctx,
		        "more clones that fit: %lld (%s until chain nodes are stopped at %g%% "
		        "used; %s)",
		        (long long)json_integer_value(more), room, POOL_STOP_PERCENT, assumes);
	else
		output_line(ctx,
		        "more clones that fit: not known (%s until chain nodes are stopped at %g%% "
		        "used; %s)",
		        room, POOL_STOP_PERCENT, assumes);
}

static int status(struct context *ctx, const struct pool *p, struct err *e)
{
	static const char *const keys[] = { "slots", "generations", "quarantine", "leftovers",
		"totals", "clones" };
	AUTO(json) json_t *u = watch_usage(ctx, p, e);

	if (!u || show_pool(ctx, json_object_get(u, "pool"), e) < 0)
		return -1;
	for (size_t i = 0; ctx->json && i < ARRAY_LEN(keys); i++)
		if (output_value(ctx, keys[i], json_incref(json_object_get(u, keys[i])), e) < 0)
			return -1;
	if (ctx->json)
		return 0;
	if (show_trees(ctx, u, e) < 0)
		return -1;
	show_clones(ctx, u);
	return 0;
}

/* --- init --------------------------------------------------------------------------------- */

static void on_did(void *arg, const char *what)
{
	output_note(arg, "%s%s", dry_run ? "would " : "", what);
}

/* An image on a file system that could do without is slower and, on Btrfs, not really reserved. */
static void advise(struct context *ctx, const char *file)
{
	AUTO(free) char *dir = strdup(file);
	AUTO(close_fd) int fd = -1;
	char why[160];

	if (!dir || !strrchr(dir, '/'))
		return;
	strrchr(dir, '/')[1] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && pool_probe_method(fd, why, sizeof(why)) == POOL_REFLINK)
		output_warn(ctx,
		        "the file system of '%s' can share blocks itself: a pool in a directory of "
		        "it, "
		        "without --size, is faster",
		        dir);
}

/* The image on the path; 1: that is all, because nothing is to be changed. */
static int init_image(struct context *ctx, const char *path, struct err *e)
{
	struct pool_image w = {
		.dir = path,
		.image = image,
		.size_bytes = size,
		.sparse = sparse,
		.dry_run = dry_run,
		.did = on_did,
		.arg = ctx,
	};

	advise(ctx, image ? image : path);
	if (sparse)
		output_warn(ctx,
		        "nothing is reserved for the image: when the disk below is full, "
		        "chain nodes in it meet I/O errors and may lose their data");
	if (pool_image_init(&w, e) < 0)
		return -1;
	if (dry_run)
		output_note(ctx, "would make '%s' a pool, unless it is one", path);
	return dry_run;
}

static int init(struct context *ctx, const char *path, struct err *e)
{
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(json) json_t *line = NULL;
	struct pool_space space;
	enum pool_method method;
	char why[160];
	int rc = size ? init_image(ctx, path, e) : 0;

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	rc = pool_create(&p, path, e);
	if (rc < 0 || pool_space_at(&space, p.fd, e) < 0)
		return -1;
	output_note(ctx, rc ? "'%s' is a pool already" : "'%s' is a pool now", path);
	method = pool_probe_method(p.fd, why, sizeof(why));
	if (method == POOL_COPY && !size)
		output_note(ctx,
		        "clones will be whole copies here; 'nodeswarm pool init DIR --size SIZE' "
		        "makes an image on a new DIR in which they cost nothing");
	line = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "path", p.path, "id", p.id,
	        "method", pool_method_name(method), "method_recorded", pool_method_name(p.method),
	        "size_bytes", (json_int_t)space.total_bytes, "used_bytes",
	        (json_int_t)(space.total_bytes - space.free_bytes), "free_bytes",
	        (json_int_t)space.free_bytes, "why", why);
	return line ? show_pool(ctx, line, e) : err_nomem(e);
}

static int run(struct context *ctx, int argc, char **argv, struct err *e)
{
	const char *path = argc > 1 ? argv[1] : ctx->pool;
	AUTO(pool) struct pool p = POOL_INIT;

	if ((image || sparse || dry_run) && !size)
		return command_usage(ctx, e, "--image, --sparse and --dry-run need --size");
	if (strcmp(argv[0], "init") == 0)
		return init(ctx, path, e);
	if (strcmp(argv[0], "status") != 0)
		return command_usage(ctx, e, "'%s' is neither 'init' nor 'status'", argv[0]);
	if (size)
		return command_usage(ctx, e, "--size is for 'init'");
	return pool_open(&p, path, e) < 0 ? -1 : status(ctx, &p, e);
}

static const struct opt opts[] = {
	{ "size", 0, "SIZE", "make or grow an image of that size, and mount it on DIR", .min = 1,
	        .size = &size },
	{ "image", 0, "FILE", "the image's file; without it DIR.img", .string = &image },
	{ "sparse", 0, NULL, "do not reserve the image's space", .flag = &sparse },
	{ "dry-run", 0, NULL, "only say what --size would do", .flag = &dry_run },
	{ NULL },
};

const struct command cmd_pool = {
	.name = "pool",
	.group = "Host",
	.args = "init|status [DIR]",
	.summary = "make or show this host's pool of data-dirs",
	.description =
	        "The pool is the one directory of a host in which everything lies: the slots' "
	        "data-dirs, generations, records and logs. 'init' makes an empty directory a pool "
	        "(and changes nothing if it is one). Without DIR the pool of --pool is meant.\n\n"
	        "Where the file system can share blocks (XFS, Btrfs), a clone of a data-dir takes "
	        "no time and no space; elsewhere it is a copy. 'init' and 'status' find out by "
	        "trying. For a host that cannot, 'init --size' makes an image with XFS next to "
	        "DIR, "
	        "mounts it there, and writes a systemd unit that mounts it before docker starts. "
	        "Given again it finishes what a kill has left undone; with a larger size the image "
	        "grows, also while it is in use.\n\n"
	        "'status' shows what each generation, slot and quarantined data-dir takes: "
	        "EXCLUSIVE is what removing it gives back, SHARED what others use too. It reads "
	        "the file system's maps and writes nothing back, so a running slot is shown as of "
	        "its last write-back.",
	.examples = (const char *const[]){ "nodeswarm pool init /srv/nodeswarm",
	        "nodeswarm pool init --size 200G --dry-run", "nodeswarm pool status", NULL },
	.min_args = 1,
	.max_args = 2,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
