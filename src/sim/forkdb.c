#include "sim/forkdb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "sim/nlog.h"

#define MAGIC       810618843U
#define VERSION     1
#define AT_ROOT     8
#define AT_COUNT    (AT_ROOT + BLOCK_PACKED)
#define AT_BLOCKS   (AT_COUNT + 4)
#define RECOVERY_AT 117 /* in a packed block, of its signature */
#define RECOVERY    31
#define SIZE_MAX_   (AT_BLOCKS + FORKDB_BLOCKS_MAX * BLOCK_PACKED + BLOCK_ID)

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
static int parse_blocks(
        struct forkdb *db, const unsigned char *p, size_t n, const char *path, struct fail *f)
{
	uint32_t count;
	size_t at = AT_BLOCKS;
	bool known;

	block_unpack(&db->root, p + AT_ROOT);
	db->has_root = true;
	memcpy(db->head_id, db->root.id, BLOCK_ID);
	if (n < AT_BLOCKS)
		return fail_short(f, path, n, AT_BLOCKS - n, "uint32_t");
	count = get_u32(p + AT_COUNT);
	for (uint32_t i = 0; i < count; i++, at += BLOCK_PACKED) {
		if (i == FORKDB_BLOCKS_MAX || n - at < BLOCK_PACKED)
			return fail_short(f, path, n, at + BLOCK_PACKED - n, "fc::sha256");
		block_unpack(&db->block[i], p + at);
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

/* That of a real nodeos has other things where ours has the root, and must stay as it is. */
static bool is_ours(const unsigned char root[BLOCK_PACKED])
{
	struct block b;

	if (!block_parses(root))
		return false;
	block_unpack(&b, root);
	return b.num == 1 ? b.slot : root[RECOVERY_AT] == RECOVERY;
}

static int parse(
        struct forkdb *db, const unsigned char *p, size_t n, const char *path, struct fail *f)
{
	if (n < 4) /* the stream counts in words here, as recorded for 0 bytes */
		return fail_short(f, path, n, 1, "uint32_t");
	if (get_u32(p) != MAGIC)
		return fail_magic(f, path, get_u32(p));
	if (n < 8)
		return fail_short(f, path, n, 8 - n, "uint32_t");
	if (get_u32(p + 4) != VERSION)
		return fail_version(f, path, get_u32(p + 4));
	if (n < AT_COUNT || !is_ours(p + AT_ROOT))
		return fail_short(f, path, n, AT_COUNT > n ? AT_COUNT - n : 1, "fc::sha256");
	return parse_blocks(db, p, n, path, f);
}

int forkdb_open(struct forkdb *db, const char *dir, struct fail *f)
{
	AUTO(free) char *path = str_fmt("%s/fork_db.dat", dir);
	AUTO(close_fd) int fd = -1;
	unsigned char p[SIZE_MAX_ + 1];
	ssize_t n;

	memset(db, 0, sizeof(*db));
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return fail_std(f, "N5boost10filesystem16filesystem_errorE",
		        "chain_plugin.cpp:1077 plugin_initialize",
		        "boost::filesystem::create_directories: %s: \"%s\"", strerror(errno), dir);
	fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return 0;
	n = read(fd, p, sizeof(p));
	if (parse(db, p, n < 0 ? 0 : (size_t)n, path, f) < 0)
		return -1;
	(void)unlink(path);
	return 0;
}

void forkdb_write(const struct forkdb *db, const char *dir, bool disk_full)
{
	AUTO(free) char *path = str_fmt("%s/fork_db.dat", dir);
	AUTO(close_fd) int fd = -1;
	unsigned char p[SIZE_MAX_];
	size_t n = AT_BLOCKS;

	if (!db->has_root || !path)
		return;
	put_u32(p, MAGIC);
	put_u32(p + 4, VERSION);
	memcpy(p + AT_ROOT, db->root.packed, BLOCK_PACKED);
	put_u32(p + AT_COUNT, db->n);
	for (unsigned i = 0; i < db->n; i++, n += BLOCK_PACKED)
		memcpy(p + n, db->block[i].packed, BLOCK_PACKED);
	memcpy(p + n, db->head_id, BLOCK_ID);
	n += db->no_head ? 0 : BLOCK_ID;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0 && !disk_full && fs_write_all(fd, p, n) < 0 && ftruncate(fd, 0) < 0)
		(void)unlink(path);
}
