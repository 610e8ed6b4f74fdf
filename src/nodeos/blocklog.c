/*
 * The layout of a block log (leap v4.0.6, libraries/chain/block_log.cpp):
 *
 *	u32 version; bit 31 says that the log is pruned
 *	u32 number of the first block            from version 2 on
 *	genesis_state (110 bytes)                versions 1 and 2, and if the first block is 1;
 *	chain id (32 bytes)                      otherwise
 *	8 bytes ff                               from version 2 on
 *	each block: its packed form, then u64 where that begins
 *	u32 how many blocks there are            of a pruned log
 *
 * Version 4 is of EOSIO 2.1 and has five bytes before each block.  In a pruned log old blocks are
 * holes, and the first one that is there follows from the count.  blocks.index has one u64 for each
 * block, and for those that were pruned too.
 */

#include "nodeos/blocklog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "nodeos/blocklog_priv.h"
#include "nodeos/datafile_priv.h"
#include "nodeos/packed_priv.h"

#define VERSION_MAX  4
#define PRUNED       (UINT32_C(1) << 31)
#define TOTEM        8
#define PREAMBLE_MAX 256
#define HEADER_MAX   (256 * 1024) /* of a block: 125 producers with many keys each */
#define DIR_ENTRIES  200000
#define FORK_TAIL    SHA256_LEN
#define ACTIONS_AT   78 /* timestamp, producer, confirmed, previous, transaction_mroot before it */
#define FIRST_MAX    1024 /* block 1, which has no transaction, and the begin of block 2 */

static int damaged(struct err *e, const char *path, uint64_t at, const char *what)
{
	err_set(e, ERR_PROTOCOL, "'%s' is damaged: byte %" PRIu64 ": %s", path, at, what);
	return err_hint(e, "look at it with leap-util or spring-util (block-log smoke-test)");
}

/* Exactly n bytes at an offset. */
static int read_all(const struct block_log *l, void *to, size_t n, uint64_t at, struct err *e)
{
	ssize_t got = datafile_read(l->fd, to, n, (off_t)at, l->path, e);

	if (got < 0)
		return -1;
	return (size_t)got == n ? 0 : damaged(e, l->path, l->size, "the file ends too early");
}

static int read_u32(const struct block_log *l, uint32_t *ret, uint64_t at, struct err *e)
{
	unsigned char b[4];
	struct packed in = PACKED_INIT(b, sizeof(b));

	if (read_all(l, b, sizeof(b), at, e) < 0)
		return -1;
	*ret = packed_u32(&in);
	return 0;
}

static int read_u64(const struct block_log *l, uint64_t *ret, uint64_t at, struct err *e)
{
	unsigned char b[8];
	struct packed in = PACKED_INIT(b, sizeof(b));

	if (read_all(l, b, sizeof(b), at, e) < 0)
		return -1;
	*ret = packed_u64(&in);
	return 0;
}

static int read_preamble(struct block_log *l, struct err *e)
{
	static const unsigned char totem[TOTEM] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff };
	unsigned char b[PREAMBLE_MAX];
	ssize_t n = datafile_read(l->fd, b, sizeof(b), 0, l->path, e);
	struct packed in = PACKED_INIT(b, n < 0 ? 0 : (size_t)n);
	const unsigned char *p;

	if (n < 0)
		return -1;
	l->version = packed_u32(&in);
	l->is_pruned = l->version & PRUNED;
	l->version &= ~PRUNED;
	if (!in.fault && (l->version == 0 || l->version > VERSION_MAX)) {
		char what[64];

		snprintf(what, sizeof(what), "version %" PRIu32 " of block logs is not known",
		        l->version);
		return damaged(e, l->path, 0, what);
	}
	l->preamble_first = l->version == 1 ? 1 : packed_u32(&in);
	if (!in.fault && l->preamble_first == 0)
		return damaged(e, l->path, 4, "it begins with block 0");
	if (l->version < 3 || l->preamble_first == 1) {
		packed_genesis(&in, l->chain_id);
	} else {
		p = packed_bytes(&in, SHA256_LEN);
		if (p)
			hex_encode(l->chain_id, p, SHA256_LEN);
	}
	p = l->version == 1 ? totem : packed_bytes(&in, TOTEM);
	if (p && memcmp(p, totem, TOTEM) != 0)
		return damaged(e, l->path, in.at - TOTEM, "the mark before the blocks is missing");
	if (in.fault)
		return damaged(e, l->path, in.at, in.fault);
	l->blocks_at = in.at;
	l->begins_well = true;
	return 0;
}

/*
 * Block 1 has the chain id, the digest of the genesis, as its action_mroot (block_header_state.cpp,
 * controller.cpp of v4.0.6; so in the log of a real one).  A genesis of which a byte was flipped
 * looks like that of another chain.  It is the genesis that is wrong and not block 1 when block 2
 * has the digest of block 1's header as the block before it; without that nothing is said.
 */
static int check_genesis(struct block_log *l, struct err *e)
{
	unsigned char b[FIRST_MAX], id[SHA256_LEN];
	char actions[2 * SHA256_LEN + 1];
	struct packed in;
	ssize_t n;

	if (l->preamble_first != 1 || l->is_pruned)
		return 0;
	n = datafile_read(l->fd, b, sizeof(b),
	        (off_t)(l->blocks_at + (l->version == 4 ? BLOCKLOG_ENTRY_V4 : 0)), l->path, e);
	if (n < ACTIONS_AT + SHA256_LEN)
		return n < 0 ? -1 : 0;
	hex_encode(actions, b + ACTIONS_AT, SHA256_LEN);
	in = PACKED_INIT(b, (size_t)n);
	if (strcmp(actions, l->chain_id) == 0 || packed_block_header(&in, id) != 1 ||
	        !memmem(b + in.at, (size_t)n - in.at, id, sizeof(id)))
		return 0;
	l->begins_well = false;
	*l->chain_id = '\0';
	return damaged(e, l->path, l->version == 1 ? 4 : 8,
	        "the genesis is not the one that its first block was made with");
}

/* The block that begins at last_at and ends before `end`. */
static int read_last_block(struct block_log *l, uint64_t end, struct err *e)
{
	uint64_t at = l->last_at + (l->version == 4 ? BLOCKLOG_ENTRY_V4 : 0);
	size_t want = end - at < HEADER_MAX ? (size_t)(end - at) : HEADER_MAX;
	AUTO(free) unsigned char *b = malloc(want);
	unsigned char id[SHA256_LEN];
	struct packed in;

	if (!b)
		return err_nomem(e);
	if (read_all(l, b, want, at, e) < 0)
		return -1;
	in = PACKED_INIT(b, want);
	l->last = packed_block_header(&in, id);
	if (in.fault)
		return damaged(e, l->path, at + in.at, in.fault);
	hex_encode(l->last_id, id, sizeof(id));
	return 0;
}

static int read_blocks(struct block_log *l, struct err *e)
{
	uint64_t trailer = l->is_pruned ? 4 : 0, end = l->size - trailer;
	uint32_t count = 0;

	l->first = l->preamble_first;
	if (l->size < l->blocks_at + trailer)
		return damaged(e, l->path, l->size, "the file ends too early");
	if (l->is_pruned && read_u32(l, &count, end, e) < 0)
		return -1;
	if (end == l->blocks_at)
		return 0;
	if (end < l->blocks_at + 8 + 1)
		return damaged(e, l->path, l->blocks_at, "the first block is not whole");
	if (read_u64(l, &l->last_at, end - 8, e) < 0)
		return -1;
	if (l->last_at < l->blocks_at ||
	        l->last_at >= end - 8 - (l->version == 4 ? BLOCKLOG_ENTRY_V4 : 0)) {
		char what[128];

		snprintf(what, sizeof(what),
		        "the last block is said to begin at %" PRIu64
		        ", where no block is: cut or overwritten",
		        l->last_at);
		return damaged(e, l->path, end - 8, what);
	}
	if (read_last_block(l, end - 8, e) < 0)
		return -1;
	if (l->last < l->first)
		return damaged(
		        e, l->path, l->last_at, "the last block's number is below the first one's");
	if (!l->is_pruned)
		return 0;
	if (count == 0 || count > l->last - l->first + 1)
		return damaged(e, l->path, end, "the count of blocks cannot be");
	l->first = l->last - count + 1;
	return 0;
}

int block_log_open(struct block_log *l, int dirfd, const char *path, struct err *e)
{
	struct stat st;
	int rc;

	*l = (struct block_log){ .fd = -1 };
	snprintf(l->path, sizeof(l->path), "%s", path);
	rc = datafile_open(&l->fd, &st, dirfd, path, e);
	if (rc == DATAFILE_ODD)
		return err_set(
		        e, ERR_PROTOCOL, "'%s' is not a regular file of this directory", path);
	if (rc != DATAFILE_OPEN)
		return rc < 0 ? -1 : 1;
	l->size = (uint64_t)st.st_size;
	if (l->size == 0) {
		(void)close(TAKE_FD(l->fd));
		return 1;
	}
	if (read_preamble(l, e) < 0 || check_genesis(l, e) < 0 || read_blocks(l, e) < 0)
		return -1;
	return 0;
}

void block_log_release(struct block_log *l)
{
	auto_close_fd(&l->fd);
	l->fd = -1;
}

int block_log_check_end(const struct block_log *l, int dirfd, struct err *e)
{
	AUTO(block_log) struct block_log index = { .fd = -1, .path = BLOCKLOG_INDEX };
	struct block_log behind = *l;
	struct err none = ERR_INIT;
	uint64_t newest;
	struct stat st;
	char what[160];
	int rc;

	rc = datafile_open(&index.fd, &st, dirfd, BLOCKLOG_INDEX, e);
	if (rc != DATAFILE_OPEN)
		return rc < 0 ? -1 : 0;
	index.size = (uint64_t)st.st_size;
	newest = l->preamble_first + index.size / 8 - 1;
	if (!l->last || l->is_pruned || index.size % 8 || index.size == 0 || newest <= l->last)
		return 0;
	if (read_u64(&index, &behind.last_at, index.size - 8, e) < 0)
		return -1;
	if (behind.last_at <= l->last_at ||
	        behind.last_at >= l->size - 8 - (l->version == 4 ? BLOCKLOG_ENTRY_V4 : 0) ||
	        read_last_block(&behind, l->size - 8, &none) < 0 || behind.last != newest)
		return 0;
	snprintf(what, sizeof(what),
	        "the last block is said to begin at %" PRIu64 ", which is block %u, but block %u "
	        "is behind it",
	        l->last_at, l->last, behind.last);
	return damaged(e, l->path, l->size - 8, what);
}

int block_log_check_index(const struct block_log *l, int dirfd, struct err *e)
{
	AUTO(block_log) struct block_log index = { .fd = -1, .path = BLOCKLOG_INDEX };
	uint64_t blocks = l->last ? (uint64_t)l->last - l->preamble_first + 1 : 0, at;
	struct stat st;
	char what[96];
	int rc;

	rc = datafile_open(&index.fd, &st, dirfd, BLOCKLOG_INDEX, e);
	if (rc < 0)
		return -1;
	index.size = rc == DATAFILE_OPEN ? (uint64_t)st.st_size : 0;
	if (index.size != blocks * 8) {
		err_set(e, ERR_PROTOCOL,
		        "'" BLOCKLOG_INDEX "' has %" PRIu64 " bytes, but the %" PRIu64
		        " blocks of '%s' need %" PRIu64,
		        index.size, blocks, l->path, blocks * 8);
		return err_hint(e, "leap-util block-log make-index makes a new one");
	}
	if (blocks == 0)
		return 0;
	if (read_u64(&index, &at, index.size - 8, e) < 0)
		return -1;
	if (at == l->last_at)
		return 0;
	snprintf(what, sizeof(what), "the last block is said to begin at %" PRIu64 ", not %" PRIu64,
	        at, l->last_at);
	return damaged(e, index.path, index.size - 8, what);
}

/* --- split files --- */

void block_pieces_release(struct block_pieces *all)
{
	free(all->v);
	*all = (struct block_pieces){ 0 };
}

static bool read_number(const char **s, uint32_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9' && v <= UINT32_MAX; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	*ret = (uint32_t)v;
	if (p == *s || v > UINT32_MAX)
		return false;
	*s = p;
	return true;
}

/* "blocks-<first>-<last>.log" */
static bool piece_name(struct block_piece *p, const char *name)
{
	static const char begin[] = "blocks-";

	if (strncmp(name, begin, sizeof(begin) - 1) != 0)
		return false;
	name += sizeof(begin) - 1;
	if (!read_number(&name, &p->first) || *name++ != '-' || !read_number(&name, &p->last))
		return false;
	return strcmp(name, ".log") == 0 && p->first > 0 && p->first <= p->last;
}

static int add_piece(
        struct block_pieces *all, const char *dir, int dirfd, const char *name, struct err *e)
{
	struct block_piece p;
	struct stat st;

	if (!piece_name(&p, name))
		return 0;
	if (snprintf(p.path, sizeof(p.path), "%s/%s", dir, name) >= (int)sizeof(p.path))
		return 0;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "stat '%s'", p.path);
	if (!S_ISREG(st.st_mode))
		return 0;
	if (st.st_size < SHA256_LEN)
		return damaged(e, p.path, (uint64_t)st.st_size, "the file ends too early");
	if (all->n == all->cap) {
		size_t cap = all->cap ? all->cap * 2 : 64;
		struct block_piece *v = reallocarray(all->v, cap, sizeof(*v));

		if (!v)
			return err_nomem(e);
		all->v = v;
		all->cap = cap;
	}
	all->v[all->n++] = p;
	return 0;
}

int block_pieces_find(struct block_pieces *all, int data_dirfd, const char *path, struct err *e)
{
	struct dirent *d;
	size_t seen = 0;
	int fd = -1, rc;
	DIR *dir;

	rc = datafile_open_dir(&fd, data_dirfd, path, strlen(path), e);
	if (rc == DATAFILE_ODD)
		return err_set(e, ERR_PROTOCOL, "'%s' is not a directory of this directory", path);
	if (rc != DATAFILE_OPEN)
		return rc < 0 ? -1 : 0;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return err_nomem(e);
	}
	rc = 0;
	while (rc == 0 && (errno = 0, d = readdir(dir))) {
		if (++seen > DIR_ENTRIES)
			rc = err_set(
			        e, ERR_PROTOCOL, "'%s' has more than %d files", path, DIR_ENTRIES);
		else
			rc = add_piece(all, path, fd, d->d_name, e);
	}
	if (rc == 0 && errno)
		rc = err_sys(e, errno, "read directory '%s'", path);
	(void)closedir(dir);
	return rc;
}

static int by_last(const void *a, const void *b)
{
	const struct block_piece *x = a, *y = b;

	if (x->last != y->last)
		return x->last < y->last ? 1 : -1;
	return (x->first > y->first) - (x->first < y->first);
}

void block_pieces_sort(struct block_pieces *all)
{
	if (all->n)
		qsort(all->v, all->n, sizeof(*all->v), by_last);
}

uint32_t block_pieces_first(const struct block_pieces *all, uint32_t from)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct block_piece *p = &all->v[i];

		if ((uint64_t)p->last + 1 < from)
			break;
		if (p->first < from)
			from = p->first;
	}
	return from;
}

int block_piece_open(struct block_log *l, const struct block_piece *p, int dirfd, struct err *e)
{
	int rc = block_log_open(l, dirfd, p->path, e);

	if (rc < 0)
		return -1;
	if (rc > 0)
		return err_set(e, ERR_PROTOCOL, "'%s' went away", p->path);
	if (l->first != p->first || l->last != p->last)
		return err_set(e, ERR_PROTOCOL,
		        "'%s' has blocks %" PRIu32 " to %" PRIu32 ", not those of its name",
		        p->path, l->first, l->last);
	return 0;
}

/* The newest piece takes the place of a blocks.log that has no block. */
static int read_piece(
        struct blocklog_facts *f, const struct block_piece *p, int dirfd, struct err *e)
{
	AUTO(block_log) struct block_log l = { .fd = -1 };

	if (block_piece_open(&l, p, dirfd, e) < 0)
		return -1;
	if (f->chain_id[0] && strcmp(f->chain_id, l.chain_id) != 0)
		return err_set(e, ERR_PROTOCOL,
		        "'%s' is of chain %.16s, '" BLOCKLOG_FILE "' of %.16s", p->path, l.chain_id,
		        f->chain_id);
	memcpy(f->chain_id, l.chain_id, sizeof(f->chain_id));
	if (f->lib_block_num > l.last)
		return 0;
	f->lib_block_num = l.last;
	memcpy(f->lib_block_id, l.last_id, sizeof(f->lib_block_id));
	return 0;
}

static int read_logs(struct blocklog_facts *f, int dirfd, struct err *e)
{
	static const char *const dirs[] = { "blocks", "blocks/retained", "blocks/archive" };
	AUTO(block_pieces) struct block_pieces all = { 0 };
	AUTO(block_log) struct block_log l = { .fd = -1 };
	int rc = block_log_open(&l, dirfd, BLOCKLOG_FILE, e);

	if (rc < 0 || (rc == 0 && block_log_check_index(&l, dirfd, e) < 0))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (block_pieces_find(&all, dirfd, dirs[i], e) < 0)
			return -1;
	block_pieces_sort(&all);
	if (rc == 0) {
		memcpy(f->chain_id, l.chain_id, sizeof(f->chain_id));
		/* An empty log says with which block it will go on. */
		f->lib_block_num = l.last ? l.last : l.first - 1;
		memcpy(f->lib_block_id, l.last_id, sizeof(f->lib_block_id));
		f->first_block_num = l.last ? l.first : 0;
	}
	if (all.n && (uint64_t)all.v[0].last + 1 >= (rc == 0 ? l.first : 0)) {
		if (read_piece(f, &all.v[0], dirfd, e) < 0)
			return -1;
		if (!f->first_block_num)
			f->first_block_num = all.v[0].first;
		f->first_block_num = block_pieces_first(&all, f->first_block_num);
	}
	return 0;
}

/* --- fork_db.dat, state --- */

/*
 * Version 1, of Leap, ends with the head's id (fork_database_impl::close_impl()).  Spring's
 * versions 2 and 3 do not have it, and say nothing here.
 */
static int read_fork_db(struct blocklog_facts *f, int dirfd, struct err *e)
{
	enum { VERSION_LEAP = 1, FORK_MIN = 8 + 1 + FORK_TAIL };
	AUTO(block_log) struct block_log file = { .fd = -1, .path = DATAFILE_FORK };
	unsigned char magic[4], id[FORK_TAIL];
	uint32_t version;
	struct stat st;
	int rc = datafile_open(&file.fd, &st, dirfd, DATAFILE_FORK, e);

	if (rc == DATAFILE_ODD)
		return err_set(e, ERR_PROTOCOL, DATAFILE_FORK " is not a regular file");
	if (rc != DATAFILE_OPEN)
		return rc < 0 ? -1 : 0;
	file.size = (uint64_t)st.st_size;
	if (read_all(&file, magic, sizeof(magic), 0, e) < 0)
		return -1;
	if (!datafile_is_fork_db(magic))
		return damaged(e, file.path, 0, "it is no fork database");
	if (read_u32(&file, &version, 4, e) < 0)
		return -1;
	if (version != VERSION_LEAP)
		return 0;
	if (file.size < FORK_MIN)
		return damaged(e, file.path, file.size, "the file ends too early");
	if (read_all(&file, id, sizeof(id), file.size - sizeof(id), e) < 0)
		return -1;
	f->head_block_num = packed_id_num(id);
	hex_encode(f->head_block_id, id, sizeof(id));
	if (f->head_block_num == 0)
		return damaged(e, file.path, file.size - sizeof(id), "the head is block 0");
	if (f->head_block_num == f->lib_block_num && !f->lib_block_id[0])
		memcpy(f->lib_block_id, f->head_block_id, sizeof(f->lib_block_id));
	if (f->head_block_num < f->lib_block_num ||
	        (f->head_block_num == f->lib_block_num &&
	                strcmp(f->head_block_id, f->lib_block_id) != 0))
		return err_set(e, ERR_PROTOCOL,
		        "the head of %s is block %" PRIu32 " (%.16s), but the blocks that are "
		        "irreversible go to %" PRIu32 " (%.16s)",
		        file.path, f->head_block_num, f->head_block_id, f->lib_block_num,
		        f->lib_block_id);
	return 0;
}

static int read_state(struct blocklog_facts *f, int dirfd, struct err *e)
{
	AUTO(block_log) struct block_log file = { .fd = -1, .path = DATAFILE_STATE };
	unsigned char head[DATAFILE_STATE_ID];
	const char *format;
	struct stat st;
	int rc = datafile_open(&file.fd, &st, dirfd, DATAFILE_STATE, e);

	if (rc == DATAFILE_ODD)
		return err_set(e, ERR_PROTOCOL, DATAFILE_STATE " is not a regular file");
	if (rc != DATAFILE_OPEN)
		return rc < 0 ? -1 : 0;
	file.size = (uint64_t)st.st_size;
	if (read_all(&file, head, sizeof(head), 0, e) < 0)
		return -1;
	format = datafile_state_format(head);
	if (!format)
		return damaged(e, file.path, 0, "a format that is not known");
	snprintf(f->database_format, sizeof(f->database_format), "%s", format);
	return 0;
}

int nodeos_blocklog_at(struct blocklog_facts *ret, int data_dirfd, struct err *e)
{
	struct blocklog_facts f = { 0 };

	if (read_logs(&f, data_dirfd, e) < 0 || read_fork_db(&f, data_dirfd, e) < 0 ||
	        read_state(&f, data_dirfd, e) < 0)
		return err_wrap(e, "look at the blocks");
	*ret = f;
	return 0;
}

/* --- a log that was split and has nothing yet --- */

static bool has_piece_that_ends(const struct block_pieces *all, uint32_t last)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].last == last)
			return true;
	return false;
}

/* The index first: without it an empty log is as it was. */
static int remove_log(int data_dirfd, struct err *e)
{
	static const char *const names[] = { BLOCKLOG_INDEX, BLOCKLOG_FILE };
	AUTO(close_fd) int dir = -1;
	int rc = datafile_open_dir(&dir, data_dirfd, "blocks", strlen("blocks"), e);

	if (rc != DATAFILE_OPEN)
		return rc < 0 ? -1 : 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (unlinkat(dir, strrchr(names[i], '/') + 1, 0) < 0 && errno != ENOENT)
			return err_sys(e, errno, "remove '%s'", names[i]);
	return fsync(dir) < 0 ? err_sys(e, errno, "sync 'blocks'") : 1;
}

/* A blocks.log that is there and has no byte. */
static bool is_nothing(int data_dirfd)
{
	AUTO(close_fd) int fd = -1;
	struct err why = ERR_INIT;
	struct stat st;

	return datafile_open(&fd, &st, data_dirfd, BLOCKLOG_FILE, &why) == DATAFILE_OPEN &&
	        st.st_size == 0;
}

/* A blocks.log without a block, which a part in retained_dir ends just before. */
static bool was_just_split(int data_dirfd, const char *retained_dir)
{
	AUTO(block_pieces) struct block_pieces all = { 0 };
	AUTO(block_log) struct block_log l = { .fd = -1 };
	struct err why = ERR_INIT;

	return *retained_dir && block_log_open(&l, data_dirfd, BLOCKLOG_FILE, &why) == 0 &&
	        !l.last && !l.is_pruned && l.first > 1 &&
	        block_log_check_index(&l, data_dirfd, &why) == 0 &&
	        block_pieces_find(&all, data_dirfd, retained_dir, &why) == 0 &&
	        has_piece_that_ends(&all, l.first - 1);
}

int nodeos_blocklog_mend_at(int data_dirfd, const char *retained_dir, struct err *e)
{
	if (!is_nothing(data_dirfd) && !was_just_split(data_dirfd, retained_dir))
		return 0;
	return remove_log(data_dirfd, e);
}
