#include "data/incoming.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "data/generation_priv.h"
#include "data/pool.h"
#include "data/tmpdir.h"

/*
 * The note is the last thing that is made and the first that is removed: a directory whose note is
 * not of this manifest is emptied.  Note and marks are removed after the directory has its name as
 * a generation, so that whoever is killed before that has lost nothing; one who is killed between
 * leaves two small files beside the manifest, which nobody minds.
 *
 * A directory is found, made and buried under generations/lock, and flocked for as long as somebody
 * works in it.
 */

#define NOTE      "pull.json"
#define NOTE_MAX  4096
#define MARKS     "marks"
#define DATA      "data"
#define FORMAT    1
#define MODE_MASK 0777U /* no setuid from another host */

void incoming_release(struct incoming *in)
{
	/* The time since when nobody went on with it. */
	if (in->fd >= 0)
		(void)futimens(in->fd, NULL);
	auto_close_fd(&in->marks_fd);
	auto_close_fd(&in->data_fd);
	auto_close_fd(&in->fd);
	auto_close_fd(&in->list_fd);
	free(in->marks);
	free(in->first);
	*in = INCOMING_INIT;
}

bool incoming_is_stale(int fd, int64_t now_ns)
{
	struct stat st;

	return fstat(fd, &st) == 0 &&
	        now_ns - (st.st_mtim.tv_sec * NS_PER_SEC + st.st_mtim.tv_nsec) >= INCOMING_KEEP_NS;
}

/* --- what is to come ------------------------------------------------------------------------ */

static size_t pieces_of(uint64_t size)
{
	return (size_t)((size + INCOMING_PIECE - 1) / INCOMING_PIECE);
}

static int check_manifest(const struct manifest *m, struct err *e)
{
	if (m->files.size_bytes > INCOMING_BYTES_MAX)
		return err_set(e, ERR_PROTOCOL, "generation '%s' has more than %llu TiB", m->name,
		        (unsigned long long)(INCOMING_BYTES_MAX >> 40));
	for (size_t i = 0; i < m->files.n; i++) {
		const struct tree_file *f = &m->files.v[i];

		if (!*f->digest)
			return err_set(
			        e, ERR_PROTOCOL, "'%s' of '%s' has no digest", f->path, m->name);
		/* Such a thing has no place in a generation: it is one node's own. */
		if (clone_is_private(f->path))
			return err_set(e, ERR_PROTOCOL, "'%s' has '%s', which belongs to one node",
			        m->name, f->path);
	}
	return 0;
}

static int count_pieces(struct incoming *in, struct err *e)
{
	size_t n = in->m->files.n;

	in->first = calloc(n + 1, sizeof(*in->first));
	if (!in->first)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++) {
		in->first[i] = n + in->nmarks;
		in->nmarks += pieces_of(in->m->files.v[i].size);
	}
	in->nmarks += n;
	in->first[n] = in->nmarks;
	in->marks = calloc(in->nmarks ? in->nmarks : 1, 1);
	return in->marks ? 0 : err_nomem(e);
}

/* --- its directory -------------------------------------------------------------------------- */

/* Returns 1 when somebody else has it. */
static int lock_dir(int *ret_fd, int list_fd, const char *dir, struct err *e)
{
	AUTO(close_fd)
	int fd = openat(list_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat mine, there;

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : err_sys(e, errno, "lock '%s'", dir);
	/* Removed between the two. */
	if (fstat(fd, &mine) < 0 || fstatat(list_fd, dir, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	        mine.st_ino != there.st_ino)
		return 1;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Under the lock.  What cannot be removed now is there for the next one. */
static void bury_stale(struct tmpdir_dead *dead, int list_fd, const char *but)
{
	AUTO(close_fd) int fd = openat(list_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(closedir) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int64_t now = clock_real_ns();
	struct dirent *ent;

	if (!d)
		return;
	fd = -1;
	while ((ent = readdir(d))) {
		AUTO(close_fd) int lock = -1;
		struct err ignored = ERR_INIT;

		if (str_starts(ent->d_name, INCOMING_PREFIX, NULL) &&
		        strcmp(ent->d_name, but) != 0 &&
		        lock_dir(&lock, list_fd, ent->d_name, &ignored) == 0 &&
		        incoming_is_stale(lock, now) &&
		        tmpdir_dead_add(dead, list_fd, ent->d_name, lock, &ignored) == 0)
			lock = -1;
	}
}

/* Find or make the directory and have it for oneself. */
static int take_dir(struct incoming *in, const struct pool *p, struct err *e)
{
	AUTO(tmpdir_dead) struct tmpdir_dead dead = TMPDIR_DEAD_INIT;
	AUTO(close_fd) int lock = -1;
	int rc;

	dead.cancel = in->cancel;
	in->list_fd = generation_open_list(p, true, e);
	if (in->list_fd < 0 || tmpdir_lock(&lock, in->list_fd, LIST_LOCK, in->cancel, e) < 0)
		return -1;
	bury_stale(&dead, in->list_fd, in->dir);
	if (mkdirat(in->list_fd, in->dir, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make '%s'", in->dir);
	rc = lock_dir(&in->fd, in->list_fd, in->dir, e);
	if (rc <= 0)
		return rc;
	err_set(e, ERR_CONFLICT, "generation '%s' is being fetched already", in->m->name);
	return err_hint(e, "wait for it, or see what goes on: GET /v1/data of the agent");
}

/* Whether what is there is of this manifest. */
static bool is_same(const struct incoming *in)
{
	AUTO(buf) struct buf b = BUF_INIT(NOTE_MAX);
	AUTO(json) json_t *j = NULL;
	struct err ignored = ERR_INIT;
	char sum[TREE_DIGEST_SIZE];
	struct stat st;

	/* fs_read_at() would follow a link. */
	if (fstatat(in->fd, NOTE, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	        fs_read_at(in->fd, NOTE, &b, &ignored) != 0)
		return false;
	j = json_parse_object(b.data, b.len, NOTE, &ignored);
	return j && json_int(j, "format", 0) == FORMAT &&
	        strcmp(json_str(j, "digest", ""), tree_sum(sum, &in->m->files)) == 0;
}

static int write_note(const struct incoming *in, const char *from, struct err *e)
{
	char sum[TREE_DIGEST_SIZE];
	AUTO(json)
	json_t *j = json_pack("{s:i, s:s, s:s, s:s}", "format", FORMAT, "name", in->m->name,
	        "digest", tree_sum(sum, &in->m->files), "from", from);
	AUTO(free) char *text = j ? json_text(j, true) : NULL;

	if (!text)
		return err_nomem(e);
	return fs_write_at(in->fd, NOTE, text, strlen(text), 0600, e);
}

static int empty_dir(const struct incoming *in, struct err *e)
{
	if (fs_remove_tree_at(in->fd, NOTE, e) < 0 || fs_remove_tree_at(in->fd, MARKS, e) < 0)
		return -1;
	return fs_remove_tree_at(in->fd, DATA, e);
}

static int read_marks(struct incoming *in, struct err *e)
{
	size_t at = 0;

	in->marks_fd =
	        openat(in->fd, MARKS, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (in->marks_fd < 0)
		return err_sys(e, errno, "open '%s/" MARKS "'", in->dir);
	while (at < in->nmarks) {
		ssize_t n = pread(in->marks_fd, in->marks + at, in->nmarks - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read '%s/" MARKS "'", in->dir);
		if (n == 0)
			break;
		at += (size_t)n;
	}
	return 0;
}

static int open_file(const struct incoming *in, size_t file, int flags, struct err *e)
{
	const struct tree_file *f = &in->m->files.v[file];
	const char *slash = strrchr(f->path, '/');
	AUTO(free) char *dir = slash ? strndup(f->path, (size_t)(slash - f->path)) : strdup(".");
	AUTO(close_fd) int parent = -1;
	int fd;

	if (!dir)
		return err_nomem(e);
	parent = fs_open_dir_at(in->data_fd, dir, flags & O_CREAT, 0755, e);
	if (parent < 0)
		return -1;
	fd = openat(parent, slash ? slash + 1 : f->path,
	        flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	return fd < 0 ? err_sys(e, errno, "open '%s'", f->path) : fd;
}

/* A piece's size; the last one of a file may be short. */
static uint64_t piece_size(const struct incoming *in, size_t file, size_t piece)
{
	uint64_t left = in->m->files.v[file].size - (uint64_t)piece * INCOMING_PIECE;

	return left < INCOMING_PIECE ? left : INCOMING_PIECE;
}

/* After a power loss a file may be gone that was whole: its directory was not synced. */
static void believe_what_is_there(struct incoming *in)
{
	for (size_t i = 0; i < in->m->files.n; i++) {
		const struct tree_file *f = &in->m->files.v[i];
		struct err ignored = ERR_INIT;
		AUTO(close_fd) int fd = -1;
		struct stat st;

		if (!incoming_is_whole(in, i))
			continue;
		fd = open_file(in, i, O_RDONLY, &ignored);
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		        (uint64_t)st.st_size == f->size)
			continue;
		in->marks[i] = 0;
		memset(in->marks + in->first[i], 0, incoming_pieces(in, i));
	}
}

static void count_resumed(struct incoming *in)
{
	for (size_t i = 0; i < in->m->files.n; i++)
		for (size_t k = 0; k < incoming_pieces(in, i); k++)
			if (incoming_is_whole(in, i) || incoming_has(in, i, k))
				in->resumed_bytes += piece_size(in, i, k);
}

static int begin(struct incoming *in, const struct pool *p, const char *from, struct err *e)
{
	if (check_manifest(in->m, e) < 0 || count_pieces(in, e) < 0)
		return -1;
	(void)snprintf(in->dir, sizeof(in->dir), INCOMING_PREFIX "%s", in->m->name);
	if (take_dir(in, p, e) < 0 || (!is_same(in) && empty_dir(in, e) < 0))
		return -1;
	in->data_fd = fs_open_dir_at(in->fd, DATA, true, 0755, e);
	if (in->data_fd < 0 || read_marks(in, e) < 0 || write_note(in, from, e) < 0)
		return -1;
	believe_what_is_there(in);
	count_resumed(in);
	return 0;
}

int incoming_begin(struct incoming *in, const struct pool *p, const struct manifest *m,
        const char *from, const volatile int *cancel, struct err *e)
{
	*in = INCOMING_INIT;
	in->m = m;
	in->cancel = cancel;
	if (begin(in, p, from, e) == 0)
		return 0;
	incoming_release(in);
	return err_wrap(e, "begin to fetch '%s'", m->name);
}

void incoming_discard(const struct pool *p, const char *name)
{
	struct err ignored = ERR_INIT;
	AUTO(close_fd) int list_fd = generation_open_list(p, false, &ignored);
	AUTO(tmpdir_dead) struct tmpdir_dead dead = TMPDIR_DEAD_INIT;
	AUTO(close_fd) int lock = -1, fd = -1;
	char dir[64];

	(void)snprintf(dir, sizeof(dir), INCOMING_PREFIX "%s", name);
	if (list_fd >= 0 && tmpdir_lock(&lock, list_fd, LIST_LOCK, NULL, &ignored) == 0 &&
	        lock_dir(&fd, list_fd, dir, &ignored) == 0 &&
	        tmpdir_dead_add(&dead, list_fd, dir, fd, &ignored) == 0)
		fd = -1;
}

/* --- files ---------------------------------------------------------------------------------- */

size_t incoming_pieces(const struct incoming *in, size_t file)
{
	return in->first[file + 1] - in->first[file];
}

bool incoming_is_whole(const struct incoming *in, size_t file)
{
	return in->marks[file] == 1;
}

bool incoming_has(const struct incoming *in, size_t file, size_t piece)
{
	return in->marks[in->first[file] + piece] == 1;
}

int incoming_open(const struct incoming *in, size_t file, struct err *e)
{
	const struct tree_file *f = &in->m->files.v[file];
	AUTO(close_fd) int fd = open_file(in, file, O_RDWR | O_CREAT, e);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat '%s'", f->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFLICT, "'%s' is not a file", f->path);
	if ((uint64_t)st.st_size != f->size && ftruncate(fd, (off_t)f->size) < 0)
		return err_sys(
		        e, errno, "make '%s' of %llu bytes", f->path, (unsigned long long)f->size);
	return TAKE_FD(fd);
}

static int write_at(
        const char *path, int fd, const unsigned char *p, size_t n, uint64_t offset, struct err *e)
{
	while (n) {
		ssize_t put = pwrite(fd, p, n, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_sys(e, errno, "write '%s'", path);
		p += put;
		n -= (size_t)put;
		offset += (uint64_t)put;
	}
	return 0;
}

int incoming_put(const struct incoming *in, size_t file, int fd, uint64_t offset, const void *data,
        size_t n, struct err *e)
{
	const struct tree_file *f = &in->m->files.v[file];
	const unsigned char *p = data;

	if (offset > f->size || n > f->size - offset)
		return err_set(e, ERR_PROTOCOL, "bytes beyond the end of '%s'", f->path);
	while (n) {
		size_t at = (size_t)(offset % TREE_PIECE);
		size_t some = TREE_PIECE - at < n ? TREE_PIECE - at : n;

		if (!mem_is_zero(p, some) && write_at(f->path, fd, p, some, offset, e) < 0)
			return -1;
		p += some;
		n -= some;
		offset += some;
	}
	return 0;
}

static int set_mark(struct incoming *in, size_t i, uint8_t value, struct err *e)
{
	in->marks[i] = value;
	if (pwrite(in->marks_fd, &value, 1, (off_t)i) != 1)
		return err_sys(e, errno, "write '%s/" MARKS "'", in->dir);
	return 0;
}

int incoming_mark(struct incoming *in, size_t file, size_t piece, struct err *e)
{
	return set_mark(in, in->first[file] + piece, 1, e);
}

/* Nothing that is there can be believed. */
static int begin_again(struct incoming *in, size_t file, int fd, struct err *e)
{
	const struct tree_file *f = &in->m->files.v[file];

	for (size_t k = 0; k < incoming_pieces(in, file); k++)
		if (set_mark(in, in->first[file] + k, 0, e) < 0)
			return -1;
	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)f->size) < 0)
		return err_sys(e, errno, "empty '%s'", f->path);
	return 1;
}

int incoming_check(
        struct incoming *in, size_t file, int fd, const volatile int *cancel, struct err *e)
{
	const struct tree_file *f = &in->m->files.v[file];
	struct tree_file there = { .path = f->path, .size = f->size, .mode = f->mode };
	struct tree one = { .v = &there, .n = 1, .size_bytes = f->size };

	if (tree_digest(&one, in->data_fd, 1, NULL, cancel, e) < 0)
		return -1;
	if (strcmp(there.digest, f->digest) != 0)
		return begin_again(in, file, fd, e);
	if (fchmod(fd, f->mode & MODE_MASK) < 0)
		return err_sys(e, errno, "chmod '%s'", f->path);
	if (fsync(fd) < 0)
		return err_sys(e, errno, "fsync '%s'", f->path);
	(void)futimens(in->fd, NULL);
	return set_mark(in, file, 1, e);
}

/* --- the end -------------------------------------------------------------------------------- */

/* Each directory that a file lies in, and those above it. */
static int sync_dirs(const struct incoming *in, struct err *e)
{
	char last[2048] = "";

	for (size_t i = 0; i < in->m->files.n; i++) {
		char dir[2048];

		(void)snprintf(dir, sizeof(dir), "%s", in->m->files.v[i].path);
		for (char *slash; (slash = strrchr(dir, '/'));) {
			AUTO(close_fd) int fd = -1;

			*slash = '\0';
			/* Sorted by path: files of one directory lie together, mostly. */
			if (strcmp(dir, last) == 0)
				break;
			fd = fs_open_dir_at(in->data_fd, dir, false, 0, e);
			if (fd < 0)
				return -1;
			if (fsync(fd) < 0)
				return err_sys(e, errno, "fsync '%s'", dir);
		}
		(void)snprintf(last, sizeof(last), "%s", in->m->files.v[i].path);
		*(strrchr(last, '/') ? strrchr(last, '/') : last) = '\0';
	}
	return fsync(in->data_fd) < 0 ? err_sys(e, errno, "fsync '%s'", DATA) : 0;
}

static int copy_files(struct tree *to, const struct tree *from, struct err *e)
{
	*to = TREE_INIT;
	to->v = calloc(from->n ? from->n : 1, sizeof(*to->v));
	if (!to->v)
		return err_nomem(e);
	for (; to->n < from->n; to->n++) {
		to->v[to->n] = from->v[to->n];
		to->v[to->n].path = strdup(from->v[to->n].path);
		if (!to->v[to->n].path) {
			tree_release(to);
			return err_nomem(e);
		}
		to->v[to->n].mode &= MODE_MASK;
	}
	to->size_bytes = from->size_bytes;
	to->data_bytes = from->data_bytes;
	return 0;
}

static int make_manifest(struct manifest *ret, const struct manifest *m, struct err *e)
{
	*ret = *m;
	ret->clone = NULL;
	ret->name[0] = '\0';
	ret->number = 0;
	(void)snprintf(ret->origin, sizeof(ret->origin), "pull");
	if (copy_files(&ret->files, &m->files, e) == 0)
		return 0;
	*ret = MANIFEST_INIT;
	return -1;
}

/* Another descriptor of the directory, with the lock that is on it. */
static int work_of(struct generation_work *w, const struct incoming *in, struct err *e)
{
	w->fd = fcntl(in->fd, F_DUPFD_CLOEXEC, 0);
	w->list_fd = fcntl(in->list_fd, F_DUPFD_CLOEXEC, 0);
	if (w->fd < 0 || w->list_fd < 0)
		return err_sys(e, errno, "dup '%s'", in->dir);
	(void)snprintf(w->tmp, sizeof(w->tmp), "%s", in->dir);
	return 0;
}

int incoming_commit(struct incoming *in, const struct pool *p, struct manifest *ret, bool promote,
        struct err *e)
{
	AUTO(generation_work) struct generation_work w = GENERATION_WORK_INIT;
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	int rc;

	if (sync_dirs(in, e) < 0 || make_manifest(&m, in->m, e) < 0)
		return -1;
	rc = work_of(&w, in, e) < 0 ? -1 : generation_commit(&w, p, &m, promote, false, e);
	/* What is there is kept, whatever became of it. */
	w.tmp[0] = '\0';
	if (rc < 0)
		return -1;
	(void)unlinkat(in->fd, NOTE, 0);
	(void)unlinkat(in->fd, MARKS, 0);
	/* From here on it can be removed as any other. */
	auto_close_fd(&in->data_fd);
	auto_close_fd(&in->fd);
	in->data_fd = in->fd = -1;
	*ret = m;
	m = MANIFEST_INIT;
	return 0;
}
