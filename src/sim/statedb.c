#include "sim/statedb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sim/nlog.h"
#include "sim/rawio.h"

#define PAGE_AT     4096
#define HEADER_SIZE 1024 /* nodeos reads as much before it looks at anything */
#define FORMAT      1
#define AT          "chain_plugin.cpp:1077 plugin_initialize"
#define SYSTEM      "N5boost10wrapexceptISt12system_errorEE"
#define INTERPROC   "N5boost12interprocess22interprocess_exceptionE"

static const char db_magic[8] = "EOSIODB2", page_magic[8] = "nodesim";

enum {
	PAGE_FORMAT = 8,
	PAGE_REVISION = 12,
	PAGE_HAS_GENESIS = 16,
	PAGE_CHAIN_ID = 20,
	PAGE_GENESIS = 52,
	PAGE_NOTE = PAGE_GENESIS + GENESIS_PACKED,
	PAGE_SIZE_USED = PAGE_NOTE + GENESIS_KEY_NOTE,
};

static void read_page(struct statedb *db, int fd)
{
	unsigned char p[PAGE_SIZE_USED];

	db->revision = 0;
	if (rawio_read(fd, p, sizeof(p), PAGE_AT) < 0 || memcmp(p, page_magic, 8) != 0 ||
	        get_u32(p + PAGE_FORMAT) != FORMAT)
		return;
	db->revision = get_u32(p + PAGE_REVISION);
	db->has_genesis = p[PAGE_HAS_GENESIS];
	if (db->has_genesis)
		sim_genesis_unpack(&db->genesis, p + PAGE_GENESIS, p + PAGE_NOTE);
	memcpy(db->genesis.chain_id, p + PAGE_CHAIN_ID, BLOCK_ID);
}

static int write_page(const struct statedb *db)
{
	unsigned char p[4096] = { 0 };

	memcpy(p, page_magic, 8);
	put_u32(p + PAGE_FORMAT, FORMAT);
	put_u32(p + PAGE_REVISION, db->revision);
	p[PAGE_HAS_GENESIS] = db->has_genesis;
	memcpy(p + PAGE_CHAIN_ID, db->genesis.chain_id, BLOCK_ID);
	memcpy(p + PAGE_GENESIS, db->genesis.packed, GENESIS_PACKED);
	memcpy(p + PAGE_NOTE, db->genesis.key_note, GENESIS_KEY_NOTE);
	return rawio_write(db->fd, p, sizeof(p), PAGE_AT);
}

static int check_header(int fd, struct fail *f)
{
	unsigned char p[HEADER_SIZE];

	if (rawio_read(fd, p, sizeof(p), 0) < 0)
		return fail_std(f, SYSTEM, AT, "Failed to read DB header");
	if (memcmp(p, db_magic, 8) != 0)
		return fail_std(f, SYSTEM, AT,
		        "\"state\" database format not compatible with this version of chainbase.: "
		        "Database format not compatible with this version of chainbase");
	if (p[8])
		return fail_std(f, SYSTEM, AT, "Database dirty flag set");
	return 0;
}

int statedb_peek(struct statedb *db, const char *dir, struct fail *f)
{
	AUTO(free) char *path = str_fmt("%s/shared_memory.bin", dir);
	AUTO(close_fd) int fd = -1;

	*db = STATEDB_INIT;
	fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return 0;
	if (check_header(fd, f) < 0)
		return -1;
	read_page(db, fd);
	return 0;
}

static int set_size(struct statedb *db, uint64_t size, struct fail *f)
{
	struct stat st;

	if (fstat(db->fd, &st) < 0)
		return fail_std(f, INTERPROC, AT, "%s", strerror(errno));
	db->size = (uint64_t)st.st_size;
	if (db->size > size)
		nlog_plain("CHAINBASE: \"state\" requested size of %" PRIu64
		           " is less than existing size of %" PRIu64
		           ". This database will not be shrunk and will remain at %" PRIu64,
		        size, db->size, db->size);
	if (db->size >= size)
		return 0;
	if (ftruncate(db->fd, (off_t)size) < 0)
		return fail_std(f, INTERPROC, AT, "%s", strerror(errno));
	db->size = size;
	return 0;
}

int statedb_open(struct statedb *db, const char *dir, uint64_t size, struct fail *f)
{
	AUTO(free) char *path = str_fmt("%s/shared_memory.bin", dir);
	unsigned char head[9];
	bool made;

	*db = STATEDB_INIT;
	if (size == 0)
		return fail_std(f, INTERPROC, AT, "Invalid argument");
	db->fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	made = db->fd < 0 && errno == ENOENT;
	if (made)
		db->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (db->fd < 0)
		return fail_std(f, INTERPROC, AT, "%s", strerror(errno));
	if (!made && check_header(db->fd, f) < 0)
		goto fail;
	if (!made)
		read_page(db, db->fd);
	if (set_size(db, size, f) < 0)
		goto fail;
	memcpy(head, db_magic, 8);
	head[8] = 1;
	if (rawio_write(db->fd, head, sizeof(head), 0) < 0) {
		fail_std(f, INTERPROC, AT, "%s", strerror(errno));
		goto fail;
	}
	return 0;
fail:
	statedb_abandon(db);
	return -1;
}

void statedb_set_genesis(struct statedb *db, const struct sim_genesis *g)
{
	db->genesis = *g;
	db->has_genesis = true;
}

void statedb_close(struct statedb *db, uint32_t revision)
{
	static const unsigned char clean;

	if (db->fd < 0)
		return;
	db->revision = revision;
	/* What cannot be written must not be called clean. */
	if (write_page(db) == 0 && fdatasync(db->fd) == 0 && rawio_write(db->fd, &clean, 1, 8) == 0)
		(void)fdatasync(db->fd);
	statedb_abandon(db);
}

void statedb_abandon(struct statedb *db)
{
	if (db->fd >= 0)
		(void)close(db->fd);
	db->fd = -1;
}
