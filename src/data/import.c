/*
 * A source belongs to somebody else and may change at any moment, so what counts is what lies in
 * the pool: chain, blocks and verdict in the manifest are read from the copy.  The source is looked
 * at first all the same, to refuse at once and say why.
 */

#include "data/import.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/import_priv.h"
#include "data/owner.h"
#include "data/pool.h"
#include "data/slot.h"
#include "nodeos/verdict.h"

#define SNAPSHOT_NAME_MAX 200

static int check_clean(int dirfd, struct err *e)
{
	struct data_verdict v;

	if (nodeos_verdict_at(&v, dirfd, e) < 0)
		return -1;
	if (v.state == DATA_CLEAN)
		return 0;
	return err_set(e, ERR_CONFLICT, "the data-dir is %s: %s", data_state_name(v.state), v.why);
}

/* Its own name without .zst, if that is one; else nodeos's own name for it. */
static void snapshot_name(char *out, size_t size, const char *path, const struct manifest *m)
{
	const char *name = strrchr(path, '/');
	size_t n;

	name = name ? name + 1 : path;
	n = strlen(name);
	if (str_ends(name, ".zst"))
		n -= strlen(".zst");
	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), name);
	if (!str_ends(out, ".bin") || !str_is_name(out, SNAPSHOT_NAME_MAX))
		snprintf(out, size, "snapshot-%s.bin",
		        m->head_block_id[0] ? m->head_block_id : "imported");
}

static int sync_dir(int fd, struct err *e)
{
	return fsync(fd) < 0 ? err_sys(e, errno, "sync a directory") : 0;
}

/* data/snapshots/<name>.bin; it gets its name when it is known what it is. */
static int bring_file(struct generation_work *w, int from_fd, const char *path, struct manifest *m,
        const struct clone_options *o, struct err *e)
{
	static const char working[] = ".incomplete";
	AUTO(close_fd) int data = fs_open_dir_at(w->fd, "data", true, 0755, e);
	AUTO(close_fd) int dir = data < 0 ? -1 : fs_open_dir_at(data, "snapshots", true, 0755, e);
	char name[SNAPSHOT_NAME_MAX + 1];

	if (dir < 0 || import_file(dir, working, from_fd, m, o, e) < 0)
		return -1;
	snapshot_name(name, sizeof(name), path, m);
	if (renameat(dir, working, dir, name) < 0)
		return err_sys(e, errno, "rename to '%s'", name);
	return sync_dir(dir, e) < 0 || sync_dir(data, e) < 0 ? -1 : 0;
}

/*
 * Whether blocks can be shared with the pool.  Two subvolumes of a Btrfs have two device numbers;
 * two Btrfs have them too, and then clone_tree() finds that it has to copy.
 */
static bool is_shareable(const struct pool *p, int from_fd)
{
	struct stat a, b;
	struct statfs fa, fb;

	if (p->method != POOL_REFLINK || fstat(p->fd, &a) < 0 || fstat(from_fd, &b) < 0)
		return false;
	return a.st_dev == b.st_dev ||
	        (fstatfs(p->fd, &fa) == 0 && fstatfs(from_fd, &fb) == 0 &&
	                fa.f_type == BTRFS_SUPER_MAGIC && fb.f_type == BTRFS_SUPER_MAGIC);
}

static int check_room(
        const struct pool *p, int from_fd, const struct clone_options *o, struct err *e)
{
	AUTO(tree) struct tree t = TREE_INIT;

	if ((o->no_reflink || !is_shareable(p, from_fd)) && tree_read(&t, from_fd, e) < 0)
		return -1;
	return pool_check_room(p, t.data_bytes, POOL_STOP_PERCENT, e);
}

static int bring_dir(struct generation_work *w, int from_fd, const char *path, struct manifest *m,
        const struct clone_options *o, struct err *e)
{
	AUTO(close_fd) int data = -1;
	struct clone_options independent = *o;
	struct clone_report report;

	/* A hard link would give whoever has the source a hand in the generation, and change the
	 * source's owner with that of a slot. */
	independent.no_link = true;
	independent.from_name = path;
	independent.to_name = "data/ of a new generation";
	if (clone_tree(from_fd, ".", w->fd, "data", &independent, &report, e) < 0)
		return -1;
	m->clone = clone_report_json(&report);
	if (!m->clone)
		return err_nomem(e);
	data = fs_open_dir_at(w->fd, "data", false, 0, e);
	return data < 0 ? -1 : manifest_describe(m, data, e);
}

/* The chain has to be known, and must not be another than the operator says. */
static int settle_chain(struct manifest *m, const char *wanted, struct err *e)
{
	unsigned char id[SHA256_LEN];

	if (wanted && hex_decode(id, sizeof(id), wanted) < 0)
		return err_set(e, ERR_USAGE, "'%.80s' is no chain id (64 hex digits)", wanted);
	if (wanted && m->chain_id[0] && strcasecmp(wanted, m->chain_id) != 0)
		return err_set(
		        e, ERR_CONFLICT, "it is of chain %s, not of %s", m->chain_id, wanted);
	if (wanted)
		hex_encode(m->chain_id, id, sizeof(id));
	if (m->chain_id[0])
		return 0;
	err_set(e, ERR_USAGE, "it does not tell of which chain it is");
	return err_hint(e, "say it with --chain-id");
}

static int digest(struct manifest *m, const struct generation_work *w,
        const struct clone_options *o, struct err *e)
{
	AUTO(close_fd) int data = fs_open_dir_at(w->fd, "data", false, 0, e);

	if (data < 0 || tree_read(&m->files, data, e) < 0)
		return -1;
	return tree_digest(&m->files, data, o->threads, NULL, o->cancel, e);
}

static int make(struct manifest *m, const struct pool *p, int from_fd, bool is_dir,
        const char *path, const struct import_options *o, struct err *e)
{
	AUTO(generation_work) struct generation_work w = GENERATION_WORK_INIT;

	if ((is_dir && check_room(p, from_fd, &o->clone, e) < 0) ||
	        generation_begin(&w, p, o->clone.cancel, e) < 0)
		return -1;
	if ((is_dir ? bring_dir(&w, from_fd, path, m, &o->clone, e)
	            : bring_file(&w, from_fd, path, m, &o->clone, e)) < 0)
		return -1;
	/* So that a slot that starts from it need not do it, file by file, each time. */
	if (geteuid() == 0 && owner_give_tree(w.fd, "data", SLOT_UID, SLOT_UID, e) < 0)
		return err_wrap(e, "give it to uid %d", SLOT_UID);
	if (settle_chain(m, o->chain_id, e) < 0 || digest(m, &w, &o->clone, e) < 0)
		return -1;
	snprintf(m->source, sizeof(m->source), "%s", path);
	str_printable(m->source);
	snprintf(m->host, sizeof(m->host), "%s", o->host ? o->host : "");
	snprintf(m->nodeos_version, sizeof(m->nodeos_version), "%s", o->version ? o->version : "");
	snprintf(m->origin, sizeof(m->origin), "import");
	m->created_ns = clock_real_ns();
	return generation_commit(&w, p, m, o->promote, o->force_chain, e);
}

int data_import(struct manifest *ret, const struct pool *p, const char *path,
        const struct import_options *o, struct err *e)
{
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	AUTO(close_fd) int fd = import_open(path, O_RDONLY, e);
	AUTO(close_fd) int lock = -1;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", path);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "'%s' is neither a file nor a directory", path);
	if (S_ISDIR(st.st_mode) && (import_busy(&lock, fd, path, e) < 0 || check_clean(fd, e) < 0))
		return err_wrap(e, "import '%s'", path);
	if (make(&m, p, fd, S_ISDIR(st.st_mode), path, o, e) < 0)
		return err_wrap(e, "import '%s'", path);
	*ret = m;
	m = MANIFEST_INIT;
	return 0;
}
