#include "sim/forkdb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "sim/nlog.h"

#define MAGIC       810618843U
#define VERSION     1
#define AT_ROOT     8
#define RECOVERY_AT 117 /* in a packed block, of its signature */
#define RECOVERY    31
#define SIZE_MAX_   (AT_ROOT + 4 + (FORKDB_BLOCKS_MAX + 1) * BLOCK_MAX + BLOCK_ID)

static int fail_frames(struct fail *f, const char *path)
{
	char data[4200];

	snprintf(data, sizeof(data), "{\"fork_db_dat\":\"%s\"}", path);
	fail_frame(f, "", data, "fork_database.cpp:185 open_impl");
	return -1;
}

static int fail_short(struct fail *f, const char *path, size_t len, size_t over, const char *type)
{
	char data[128], unpacking[128];

	snprintf(data, sizeof(data), "{\"method\":\"read\",\"len\":%zu,\"over\":%zu}", len, over);
	fail_fc(f, 8, "out_of_range_exception", "Out of Range",
	        "datastream.cpp:6 throw_datastream_range_error", data,
	        "read datastream of length %zu over by %zu", len, over);
	snprintf(data, sizeof(data), "{\"type\":\"%s\"}", type);
	snprintf(unpacking, sizeof(unpacking), "error unpacking %s", type);
	fail_frame(f, unpacking, data, "raw.hpp:668 unpack");
	return fail_frames(f, path);
}

static int fail_magic(struct fail *f, const char *path, uint32_t magic)
{
	char data[4300];

	snprintf(data, sizeof(data),
	        "{\"filename\":\"%s\",\"actual_totem\":%" PRIu32 ",\"expected_totem\":%u}", path,
	        magic, MAGIC);
	fail_fc(f, 3020000, "fork_database_exception", "Fork database exception",
	        "fork_database.cpp:131 open_impl", data,
	        "Fork database file '%s' has unexpected magic number: %" PRIu32 ". Expected %u",
	        path, magic, MAGIC);
	return fail_frames(f, path);
}

static int fail_version(struct fail *f, const char *path, uint32_t version)
{
	char data[4300];

	snprintf(data, sizeof(data),
	        "{\"filename\":\"%s\",\"version\":%" PRIu32 ",\"min\":%u,\"max\":%u}", path,
	        version, VERSION, VERSION);
	fail_fc(f, 3020000, "fork_database_exception", "Fork database exception",
	        "fork_database.cpp:141 open_impl", data,
	        "Unsupported version of fork database file '%s'. Fork database version is %" PRIu32
	        " while code supports version(s) [%u,%u]",
	        path, version, VERSION, VERSION);
	return fail_frames(f, path);
}

static int fail_head(struct fail *f, const char *path)
{
	char data[4200];

	snprintf(data, sizeof(data), "{\"filename\":\"%s\"}", path);
	fail_fc(f, 3020000, "fork_database_exception", "Fork database exception",
	        "fork_database.cpp:170 open_impl", data,
	        "could not find head while reconstructing fork database from file; '%s' is likely "
	        "corrupted",
	        path);
	return fail_frames(f, path);
}

/*
 * What was read before the fault stays in db: nodeos writes it back at its end, so that a file
 * whose end is missing is a good one, of fewer blocks, at the next start.
 */
static int parse_blocks(struct forkdb *db, const unsigned char *p, size_t n, size_t root_len,
        const char *path, struct fail *f)
{
	uint32_t count;
	size_t at = AT_ROOT + root_len + 4;
	bool known;

	block_unpack(&db->root, p + AT_ROOT, root_len);
	db->has_root = true;
	memcpy(db->head_id, db->root.id, BLOCK_ID);
	if (n < at)
		return fail_short(f, path, n, at - n, "uint32_t");
	count = get_u32(p + at - 4);
	db->block = calloc(
	        count < FORKDB_BLOCKS_MAX ? count + 1 : FORKDB_BLOCKS_MAX, sizeof(*db->block));
	for (uint32_t i = 0; i < count && db->block; i++) {
		size_t len = i < FORKDB_BLOCKS_MAX ? block_length(p + at, n - at) : 0;

		if (!len)
			return fail_short(f, path, n,
			        at + BLOCK_PACKED > n ? at + BLOCK_PACKED - n : 1, "fc::sha256");
		block_unpack(&db->block[i], p + at, len);
		at += len;
		db->n = i + 1;
		memcpy(db->head_id, db->block[0].id, BLOCK_ID);
	}
	if (n - at < BLOCK_ID)
		return fail_short(f, path, n, at + BLOCK_ID - n, "fc::sha256");
	known = block_same_id(p + at, db->root.id);
	for (unsigned i = 0; i < db->n && !known; i++)
		known = block_same_id(p + at, db->block[i].id);
	if (!known) {
		db->no_head = true;
		nlog(NLOG_ERROR, "fork_database.cpp:252", "close_impl",
		        "head not set in fork database; '%s' will be corrupted", path);
		return fail_head(f, path);
	}
	memcpy(db->head_id, p + at, BLOCK_ID);
	return 0;
}

/* The length of the root, or 0: that of a real nodeos has other things there, and must stay as it
 * is.
 */
static size_t our_root(const unsigned char *root, size_t n)
{
	size_t len = block_length(root, n);
	struct block b;

	if (!len)
		return 0;
	block_unpack(&b, root, len);
	return (b.num == 1 ? b.slot : root[RECOVERY_AT] == RECOVERY) ? len : 0;
}

static int parse(
        struct forkdb *db, const unsigned char *p, size_t n, const char *path, struct fail *f)
{
	size_t root_len;

	if (n < 4) /* the stream counts in words here, as recorded for 0 bytes */
		return fail_short(f, path, n, 1, "uint32_t");
	if (get_u32(p) != MAGIC)
		return fail_magic(f, path, get_u32(p));
	if (n < 8)
		return fail_short(f, path, n, 8 - n, "uint32_t");
	if (get_u32(p + 4) != VERSION)
		return fail_version(f, path, get_u32(p + 4));
	root_len = our_root(p + AT_ROOT, n - AT_ROOT);
	if (!root_len)
		return fail_short(f, path, n,
		        AT_ROOT + BLOCK_PACKED > n ? AT_ROOT + BLOCK_PACKED - n : 1, "fc::sha256");
	return parse_blocks(db, p, n, root_len, path, f);
}

const struct block *forkdb_head(const struct forkdb *db)
{
	for (unsigned i = 0; i < db->n; i++)
		if (block_same_id(db->block[i].id, db->head_id))
			return &db->block[i];
	return NULL;
}

void forkdb_release(struct forkdb *db)
{
	free(db->block);
	db->block = NULL;
	db->n = 0;
}

int forkdb_open(struct forkdb *db, const char *dir, struct fail *f)
{
	AUTO(free) char *path = str_fmt("%s/fork_db.dat", dir);
	AUTO(buf) struct buf b = BUF_INIT(SIZE_MAX_);
	struct err e = ERR_INIT;

	memset(db, 0, sizeof(*db));
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return fail_std(f, "N5boost10filesystem16filesystem_errorE",
		        "chain_plugin.cpp:1077 plugin_initialize",
		        "boost::filesystem::create_directories: %s: \"%s\"", strerror(errno), dir);
	if (!path || fs_read_at(AT_FDCWD, path, &b, &e) > 0)
		return 0;
	if (parse(db, (const unsigned char *)b.data, b.len, path, f) < 0)
		return -1;
	(void)unlink(path);
	return 0;
}

void forkdb_write(const struct forkdb *db, const char *dir, bool disk_full)
{
	AUTO(free) char *path = str_fmt("%s/fork_db.dat", dir);
	AUTO(close_fd) int fd = -1;
	AUTO(free) unsigned char *p = NULL;
	size_t n = AT_ROOT;

	if (!db->has_root || !path)
		return;
	p = malloc(AT_ROOT + 4 + (db->n + 1) * BLOCK_MAX + BLOCK_ID);
	if (!p)
		return;
	put_u32(p, MAGIC);
	put_u32(p + 4, VERSION);
	memcpy(p + n, db->root.packed, db->root.len);
	n += db->root.len;
	put_u32(p + n, db->n);
	n += 4;
	for (unsigned i = 0; i < db->n; i++) {
		memcpy(p + n, db->block[i].packed, db->block[i].len);
		n += db->block[i].len;
	}
	memcpy(p + n, db->head_id, BLOCK_ID);
	n += db->no_head ? 0 : BLOCK_ID;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0 && !disk_full && fs_write_all(fd, p, n) < 0 && ftruncate(fd, 0) < 0)
		(void)unlink(path);
}
