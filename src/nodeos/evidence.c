#include "nodeos/evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/str.h"
#include "nodeos/blocklog_priv.h"
#include "nodeos/datafile_priv.h"
#include "nodeos/packed_priv.h"
#include "nodeos/repair.h"
#include "nodeos/snapshot.h"

#define STATE_HEADER 1024 /* what chainbase reads at least */
/* The size of what follows the header: boost 1.74's segment manager, seen in the file of a v4.0.6.
 * nodeos does not compare it, and a cut file is its SIGSEGV, no end, or a start on holes. */
#define STATE_SEGMENT_AT 1112
#define STATE_UNIT       (1024 * 1024) /* of chain-state-db-size-mb */
#define DIR_ENTRIES      200000
#define BAD_TAIL         "blocks-bad-tail-" /* what a hard replay could not read, in blocks/ */
#define ROOT_MAX         (256 * 1024)       /* of fork_db.dat, for the state of its root */
#define FORK_LEAP        1                  /* version; Spring has 2 and 3 */
#define FORK_ROOT_AT     8
#define FORK_MIN         (FORK_ROOT_AT + 1 + SHA256_LEN)
#define FORK_BLOCK_MIN   100 /* no reversible block takes less of fork_db.dat */
#define SNAPSHOTS_MAX    8   /* looked into, newest first */
#define SNAPSHOT_NAME    (sizeof("snapshot-.bin") - 1 + (size_t)2 * SHA256_LEN)

/* What makes no sense becomes the part's fault; what cannot be read stays an error. */
static int take_fault(struct evidence_part *p, struct err *e)
{
	if (e->kind != ERR_PROTOCOL)
		return -1;
	if (!*p->fault)
		snprintf(p->fault, sizeof(p->fault), "%.*s", (int)sizeof(p->fault) - 1, e->msg);
	err_clear(e);
	return 0;
}

PRINTF(2, 3)
static void fault(struct evidence_part *p, const char *fmt, ...)
{
	va_list ap;

	if (*p->fault)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(p->fault, sizeof(p->fault), fmt, ap);
	va_end(ap);
	str_printable(p->fault);
}

/* What is at path, which has a directory part; *ret_fd is open for a regular file. */
static int look_at(struct evidence_part *p, int *ret_fd, int dirfd, const char *path, struct err *e)
{
	struct stat st;
	int rc = datafile_open(ret_fd, &st, dirfd, path, e);

	if (rc < 0)
		return -1;
	p->seen = rc == DATAFILE_OPEN ? SEEN_FILE : rc == DATAFILE_ODD ? SEEN_ODD : SEEN_NOTHING;
	p->size = rc == DATAFILE_OPEN ? (uint64_t)st.st_size : 0;
	if (rc == DATAFILE_ODD)
		fault(p, "%s is not a regular file of this directory", path);
	return 0;
}

/* --- blocks/ ------------------------------------------------------------------------------ */

/*
 * Whether a directory has anything but empty files: the blocks, or where blocks-retained-dir
 * and blocks-archive-dir point to.  fork_db.dat's own directory does not count, nor what a hard
 * replay has put by (leap v4.0.6, block_log.cpp, repair_log()).
 */
static int has_content(int dirfd, const char *path, unsigned depth, bool *ret, struct err *e)
{
	struct dirent *d;
	DIR *dir = NULL;
	int fd = -1, rc;

	*ret = false;
	rc = datafile_open_dir(&fd, dirfd, path, strlen(path), e);
	/* A link instead of the directory is somebody's blocks. */
	*ret = rc == DATAFILE_ODD;
	if (rc != DATAFILE_OPEN)
		return rc < 0 ? -1 : 0;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(TAKE_FD(fd));
		return err_nomem(e);
	}
	rc = 0;
	while (rc == 0 && !*ret && (errno = 0, d = readdir(dir))) {
		struct stat st;

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		        (depth == 0 &&
		                (strcmp(d->d_name, "reversible") == 0 ||
		                        strncmp(d->d_name, BAD_TAIL, strlen(BAD_TAIL)) == 0)))
			continue;
		if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			rc = errno == ENOENT ? 0
			                     : err_sys(e, errno, "stat '%s/%s'", path, d->d_name);
		else if (S_ISDIR(st.st_mode) && depth < 1 && strlen(d->d_name) < 64)
			rc = has_content(fd, d->d_name, depth + 1, ret, e);
		else
			*ret = st.st_size > 0;
	}
	if (rc == 0 && !*ret && errno)
		rc = err_sys(e, errno, "read directory '%s'", path);
	(void)closedir(dir);
	return rc;
}

/* The index says where the second block begins; what stands before that is the first one's own
 * position. */
static int read_first(
        struct data_evidence *v, const struct block_log *l, int index_fd, struct err *e)
{
	unsigned char b[8];
	struct packed in = PACKED_INIT(b, sizeof(b));
	uint64_t second;
	ssize_t n;

	if (l->fd < 0 || v->index.seen != SEEN_FILE)
		return 0;
	n = datafile_read(index_fd, b, sizeof(b), 8, BLOCKLOG_INDEX, e);
	if (n < (ssize_t)sizeof(b))
		return n < 0 ? -1 : 0;
	second = packed_u64(&in);
	if (second < l->blocks_at + sizeof(b) || second > l->size)
		return 0;
	n = datafile_read(l->fd, b, sizeof(b), (off_t)(second - sizeof(b)), BLOCKLOG_FILE, e);
	if (n < (ssize_t)sizeof(b))
		return n < 0 ? -1 : 0;
	in = PACKED_INIT(b, sizeof(b));
	v->log_has_block = packed_u64(&in) == l->blocks_at;
	return 0;
}

static int read_log(struct data_evidence *v, struct block_log *l, int dirfd, struct err *e)
{
	AUTO(close_fd) int log_fd = -1;
	AUTO(close_fd) int index_fd = -1;

	if (look_at(&v->log, &log_fd, dirfd, BLOCKLOG_FILE, e) < 0 ||
	        look_at(&v->index, &index_fd, dirfd, BLOCKLOG_INDEX, e) < 0)
		return -1;
	if (v->log.seen != SEEN_FILE || v->log.size == 0)
		return 0;
	if ((block_log_open(l, dirfd, BLOCKLOG_FILE, e) < 0 ||
	            block_log_check_end(l, dirfd, e) < 0) &&
	        take_fault(&v->log, e) < 0)
		return -1;
	v->log_begins_well = l->begins_well;
	v->log_is_pruned = l->is_pruned;
	v->log_version = l->version;
	if (!l->begins_well)
		return 0;
	v->log_first = *v->log.fault ? l->preamble_first : l->first;
	memcpy(v->chain_id, l->chain_id, sizeof(v->chain_id));
	if (*v->log.fault)
		return read_first(v, l, index_fd, e);
	v->log_last = l->last;
	v->log_has_block = l->last;
	if (block_log_check_index(l, dirfd, e) < 0)
		return take_fault(&v->index, e);
	return 0;
}

static int find_pieces(struct data_evidence *v, struct block_pieces *all, int dirfd,
        const char *retained_dir, struct err *e)
{
	static const char blocks[] = "blocks";
	char path[64];
	int n;

	if (!*retained_dir)
		n = snprintf(path, sizeof(path), "blocks/retained");
	else if (strcmp(retained_dir, blocks) == 0 || strncmp(retained_dir, "blocks/", 7) == 0)
		n = snprintf(path, sizeof(path), "%s", retained_dir);
	else
		n = snprintf(path, sizeof(path), "blocks/%s", retained_dir);
	if (block_pieces_find(all, dirfd, blocks, e) < 0 && take_fault(&v->pieces, e) < 0)
		return -1;
	if (n < (int)sizeof(path) && strcmp(path, blocks) != 0 && *retained_dir != '/' &&
	        block_pieces_find(all, dirfd, path, e) < 0 && take_fault(&v->pieces, e) < 0)
		return -1;
	block_pieces_sort(all);
	if (all->n)
		v->pieces.seen = SEEN_FILE;
	v->pieces.size = all->n;
	return 0;
}

/* The newest piece goes before the log, or takes its place. */
static int read_newest(
        struct data_evidence *v, const struct block_pieces *all, int dirfd, struct err *e)
{
	AUTO(block_log) struct block_log l = { .fd = -1 };

	if (block_piece_open(&l, &all->v[0], dirfd, e) < 0)
		return take_fault(&v->pieces, e);
	if (*v->chain_id && strcmp(v->chain_id, l.chain_id) != 0)
		fault(&v->pieces, "'%s' is of chain %.16s, blocks.log of %.16s", all->v[0].path,
		        l.chain_id, v->chain_id);
	else
		memcpy(v->chain_id, l.chain_id, sizeof(v->chain_id));
	if (v->lib_block_num <= l.last && !*v->log.fault) {
		v->lib_block_num = l.last;
		memcpy(v->lib_block_id, l.last_id, sizeof(v->lib_block_id));
	}
	return 0;
}

static int read_blocks(struct data_evidence *v, int dirfd, const char *retained_dir, struct err *e)
{
	AUTO(block_pieces) struct block_pieces all = { 0 };
	AUTO(block_log) struct block_log l = { .fd = -1 };
	bool has_log;

	if (has_content(dirfd, "blocks", 0, &v->has_blocks, e) < 0 ||
	        read_log(v, &l, dirfd, e) < 0 || find_pieces(v, &all, dirfd, retained_dir, e) < 0)
		return -1;
	has_log = v->log_begins_well;
	if (has_log && !*v->log.fault) {
		/* An empty log says with which block it will go on. */
		v->lib_block_num = l.last ? l.last : l.first - 1;
		memcpy(v->lib_block_id, l.last_id, sizeof(v->lib_block_id));
	}
	if (has_log && (l.last || *v->log.fault))
		v->first_block = v->log_first;
	if (!all.n || (uint64_t)all.v[0].last + 1 < (has_log ? v->log_first : 0))
		return 0;
	if (read_newest(v, &all, dirfd, e) < 0)
		return -1;
	if (!v->first_block)
		v->first_block = all.v[0].first;
	v->first_block = block_pieces_first(&all, v->first_block);
	return 0;
}

/* --- state, fork_db.dat ----------------------------------------------------------------------- */

/* "EOSIODB2" and what its successors may be called: a database of a nodeos, known here or not. */
static bool is_format_name(const unsigned char head[DATAFILE_STATE_ID])
{
	size_t n = memcmp(head, "EOSIODB", 7) == 0 ? 7 : memcmp(head, "CHAINB", 6) == 0 ? 6 : 0;

	for (size_t i = n; n && i < DATAFILE_STATE_ID; i++)
		if (head[i] < '0' || head[i] > '9')
			return false;
	return n;
}

static int read_state(struct data_evidence *v, int dirfd, struct err *e)
{
	AUTO(close_fd) int fd = -1;
	unsigned char head[DATAFILE_STATE_ID + 1], b[8];
	struct packed in = PACKED_INIT(b, sizeof(b));
	uint64_t size;
	ssize_t n;

	if (look_at(&v->state, &fd, dirfd, DATAFILE_STATE, e) < 0)
		return -1;
	if (v->state.seen != SEEN_FILE)
		return 0;
	n = datafile_read(fd, head, sizeof(head), 0, DATAFILE_STATE, e);
	if (n < 0)
		return -1;
	if (v->state.size < STATE_HEADER || n < (ssize_t)sizeof(head))
		fault(&v->state, DATAFILE_STATE " has %" PRIu64 " bytes, less than its header",
		        v->state.size);
	else if (!is_format_name(head))
		fault(&v->state, DATAFILE_STATE " is of no known format");
	if (*v->state.fault)
		return 0;
	memcpy(v->format, head, DATAFILE_STATE_ID);
	v->is_dirty = head[DATAFILE_STATE_ID] != 0;
	if (memcmp(head, "EOSIODB2", DATAFILE_STATE_ID) != 0)
		return 0;
	n = datafile_read(fd, b, sizeof(b), STATE_SEGMENT_AT, DATAFILE_STATE, e);
	if (n < 0)
		return -1;
	size = packed_u64(&in) + STATE_HEADER;
	if (n < (ssize_t)sizeof(b))
		fault(&v->state, DATAFILE_STATE " was cut: %" PRIu64 " bytes are left",
		        v->state.size);
	else if (size > STATE_HEADER && size % STATE_UNIT == 0 && size > v->state.size)
		fault(&v->state, DATAFILE_STATE " was cut: %" PRIu64 " bytes are left of %" PRIu64,
		        v->state.size, size);
	return 0;
}

/*
 * The root that the reversible blocks stand on is a block_header_state.  It is believed only if the
 * digest of its header is the id beside it; otherwise nothing is known of it, and that may be a
 * version of Leap which writes it in another way.
 */
static int read_root(struct data_evidence *v, int fd, struct err *e)
{
	size_t want = v->fork_db.size < ROOT_MAX ? (size_t)v->fork_db.size : ROOT_MAX;
	AUTO(free) unsigned char *b = malloc(want);
	unsigned char computed[SHA256_LEN];
	const unsigned char *id;
	struct packed in;
	uint32_t num;
	ssize_t n;

	if (!b)
		return err_nomem(e);
	n = datafile_read(fd, b, want, 0, DATAFILE_FORK, e);
	if (n < 0)
		return -1;
	in = PACKED_INIT(b, (size_t)n);
	(void)packed_u64(&in); /* magic and version */
	num = packed_header_state(&in, false);
	id = packed_bytes(&in, SHA256_LEN);
	if (packed_block_header(&in, computed) == 0 || in.fault || !id ||
	        memcmp(id, computed, SHA256_LEN) != 0)
		return 0;
	if (num != packed_id_num(id))
		fault(&v->fork_db,
		        DATAFILE_FORK " says %" PRIu32 " of its irreversible block %" PRIu32, num,
		        packed_id_num(id));
	v->root_block_num = packed_id_num(id);
	hex_encode(v->root_block_id, id, SHA256_LEN);
	/* The reversible blocks have their ids beside them, the head among them. */
	if (v->fork_db.size <= ROOT_MAX && n > SHA256_LEN &&
	        !memmem(b, (size_t)n - SHA256_LEN, b + n - SHA256_LEN, SHA256_LEN))
		fault(&v->fork_db,
		        "the head of " DATAFILE_FORK " is block %" PRIu32
		        " (%.16s), which is not in it",
		        v->head_block_num, v->head_block_id);
	return 0;
}

/* Version 1, of Leap, ends with the head's id (fork_database_impl::close_impl()). */
static int read_head(struct data_evidence *v, int fd, struct err *e)
{
	unsigned char id[SHA256_LEN];
	ssize_t n;

	if (v->fork_db.size < FORK_MIN) {
		fault(&v->fork_db, DATAFILE_FORK " ends after %" PRIu64 " bytes", v->fork_db.size);
		return 0;
	}
	n = datafile_read(
	        fd, id, sizeof(id), (off_t)(v->fork_db.size - sizeof(id)), DATAFILE_FORK, e);
	if (n < 0)
		return -1;
	if (n < (ssize_t)sizeof(id)) {
		fault(&v->fork_db, DATAFILE_FORK " became shorter meanwhile");
		return 0;
	}
	v->head_block_num = packed_id_num(id);
	hex_encode(v->head_block_id, id, sizeof(id));
	if (!v->head_block_num)
		fault(&v->fork_db, "the head of " DATAFILE_FORK " is block 0");
	return read_root(v, fd, e);
}

/* The head has to be the root, or a block that the file has room for above it.  Of a root that is
 * not known the logs' last block stands in, which it is when nodeos stops. */
static void check_head(struct data_evidence *v)
{
	uint32_t root = v->root_block_num ? v->root_block_num : v->lib_block_num;
	const char *id = v->root_block_num ? v->root_block_id : v->lib_block_id;

	if (!v->head_block_num || *v->fork_db.fault)
		return;
	if (v->head_block_num < root ||
	        (root && v->head_block_num - root > v->fork_db.size / FORK_BLOCK_MIN) ||
	        (v->head_block_num == root && *id && strcmp(id, v->head_block_id) != 0))
		fault(&v->fork_db,
		        "the head of " DATAFILE_FORK " is block %" PRIu32
		        " (%.16s), which is none after the irreversible block %" PRIu32 " (%.16s)",
		        v->head_block_num, v->head_block_id, root, id);
}

static int read_fork_db(struct data_evidence *v, int dirfd, struct err *e)
{
	AUTO(close_fd) int fd = -1;
	unsigned char b[FORK_ROOT_AT];
	struct packed in;
	ssize_t n;

	if (look_at(&v->fork_db, &fd, dirfd, DATAFILE_FORK, e) < 0)
		return -1;
	if (v->fork_db.seen != SEEN_FILE)
		return 0;
	n = datafile_read(fd, b, sizeof(b), 0, DATAFILE_FORK, e);
	if (n < 0)
		return -1;
	if (n == 0)
		fault(&v->fork_db, DATAFILE_FORK " is empty, as after a stop on a full disk");
	else if (n < 4 || !datafile_is_fork_db(b))
		fault(&v->fork_db, DATAFILE_FORK " is no fork database");
	else if (n < (ssize_t)sizeof(b))
		fault(&v->fork_db, DATAFILE_FORK " ends after %zd bytes", n);
	if (*v->fork_db.fault)
		return 0;
	in = PACKED_INIT(b, sizeof(b));
	(void)packed_u32(&in);
	v->fork_version = packed_u32(&in);
	/* Later ones are of a later nodeos, and its state says so too. */
	if (v->fork_version == 0 ||
	        (v->fork_version != FORK_LEAP && strncmp(v->format, "EOSIODB", 7) == 0))
		fault(&v->fork_db, DATAFILE_FORK " is of version %" PRIu32 ", which %s",
		        v->fork_version,
		        v->fork_version ? "does not go with the state" : "there is not");
	if (*v->fork_db.fault || v->fork_version != FORK_LEAP)
		return 0;
	if (read_head(v, fd, e) < 0)
		return -1;
	check_head(v);
	/* As after a start from a snapshot that was stopped at once. */
	if (v->lib_block_num && !*v->lib_block_id && !*v->fork_db.fault &&
	        (v->root_block_num == v->lib_block_num || v->head_block_num == v->lib_block_num))
		memcpy(v->lib_block_id,
		        v->root_block_num == v->lib_block_num ? v->root_block_id : v->head_block_id,
		        sizeof(v->lib_block_id));
	return 0;
}

/* --- snapshots, second copies ------------------------------------------------------------- */

struct names {
	char name[SNAPSHOTS_MAX][256]; /* greatest first */
	size_t n;
};

static void add_name(struct names *all, const char *name)
{
	size_t i = all->n < SNAPSHOTS_MAX ? all->n++ : SNAPSHOTS_MAX - 1;

	if (i == SNAPSHOTS_MAX - 1 && *all->name[i] && strcmp(all->name[i], name) > 0)
		return;
	for (; i > 0 && strcmp(all->name[i - 1], name) < 0; i--)
		memcpy(all->name[i], all->name[i - 1], sizeof(all->name[i]));
	snprintf(all->name[i], sizeof(all->name[i]), "%s", name);
}

static bool is_snapshot_name(const char *name)
{
	return strlen(name) == SNAPSHOT_NAME && strncmp(name, "snapshot-", 9) == 0 &&
	        strspn(name + 9, "0123456789abcdef") == (size_t)2 * SHA256_LEN &&
	        strcmp(name + 9 + (size_t)2 * SHA256_LEN, ".bin") == 0;
}

static int list(
        struct names *all, int dirfd, const char *path, bool (*wants)(const char *), struct err *e)
{
	struct dirent *d;
	size_t seen = 0;
	int fd = -1, rc;
	DIR *dir;

	if (*path) {
		rc = datafile_open_dir(&fd, dirfd, path, strlen(path), e);
		if (rc != DATAFILE_OPEN)
			return rc < 0 ? -1 : 0;
	} else {
		fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, errno, "open the data directory");
	}
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(TAKE_FD(fd));
		return err_nomem(e);
	}
	while (seen++ < DIR_ENTRIES && (errno = 0, d = readdir(dir)))
		if (wants(d->d_name))
			add_name(all, d->d_name);
	rc = seen < DIR_ENTRIES && errno ? err_sys(e, errno, "read directory '%s'", path) : 0;
	(void)closedir(dir);
	return rc;
}

/* 0; 1 when it is not whole, or of another chain or block than its name and the blocks say. */
static int check_snapshot(struct data_evidence *v, int dirfd, const char *name, struct err *e)
{
	AUTO(close_fd) int fd = -1;
	struct snapshot_facts f;
	char path[300];
	struct stat st;
	int rc;

	snprintf(path, sizeof(path), "snapshots/%s", name);
	rc = datafile_open(&fd, &st, dirfd, path, e);
	if (rc != DATAFILE_OPEN)
		return rc < 0 ? -1 : 1;
	if (nodeos_snapshot_read(&f, fd, e) < 0) {
		if (e->kind != ERR_PROTOCOL)
			return -1;
		err_clear(e);
		return 1;
	}
	if ((*f.head_block_id && strncmp(f.head_block_id, name + 9, 64) != 0) ||
	        (*f.chain_id && *v->chain_id && strcmp(f.chain_id, v->chain_id) != 0))
		return 1;
	snprintf(v->snapshot, sizeof(v->snapshot), "%s", name);
	snprintf(path, sizeof(path), "%.8s", name + 9);
	v->snapshot_block = (uint32_t)strtoul(path, NULL, 16);
	return 0;
}

static int find_snapshot(struct data_evidence *v, int dirfd, struct err *e)
{
	struct names all = { .n = 0 };
	int rc = 1;

	if (list(&all, dirfd, "snapshots", is_snapshot_name, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n && rc > 0; i++)
		rc = check_snapshot(v, dirfd, all.name[i], e);
	return rc < 0 ? -1 : 0;
}

static int find_second_copy(struct data_evidence *v, int dirfd, struct err *e)
{
	struct names all = { .n = 0 };
	AUTO(close_fd) int fd = -1;
	char path[96];
	struct stat st;
	int rc;

	if (list(&all, dirfd, "", data_is_second_copy, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n && !*v->second_copy; i++) {
		if (fstatat(dirfd, all.name[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		        S_ISDIR(st.st_mode))
			snprintf(v->second_copy, sizeof(v->second_copy), "%.79s", all.name[i]);
	}
	if (!*v->second_copy)
		return 0;
	snprintf(path, sizeof(path), "%s/blocks.log", v->second_copy);
	rc = datafile_open(&fd, &st, dirfd, path, e);
	v->second_copy_size = rc == DATAFILE_OPEN ? (uint64_t)st.st_size : 0;
	return rc < 0 ? -1 : 0;
}

int nodeos_evidence_at(
        struct data_evidence *ret, int data_dirfd, const char *retained_dir, struct err *e)
{
	struct data_evidence v = { 0 };

	if (read_state(&v, data_dirfd, e) < 0 || read_blocks(&v, data_dirfd, retained_dir, e) < 0 ||
	        read_fork_db(&v, data_dirfd, e) < 0 || find_snapshot(&v, data_dirfd, e) < 0 ||
	        find_second_copy(&v, data_dirfd, e) < 0)
		return err_wrap(e, "look at the data directory");
	*ret = v;
	return 0;
}
