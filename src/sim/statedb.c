#include "sim/statedb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sim/nlog.h"
#include "sim/rawio.h"

#define PAGE_AT     4096
#define HEADER_SIZE 1024 /* nodeos reads as much before it looks at anything */
#define FORMAT      1
/* Layout of a real one: leap v4.0.6, chainbase/environment.hpp; the size of what follows the header
 * is boost's (1.74), seen in a file that a nodeos wrote. */
#define ENVIRONMENT_AT   9
#define ENVIRONMENT_SIZE 775
#define COMPILER_AT      519 /* in the environment */
#define SEGMENT_AT       1112
#define BOOST_VERSION    107400
#define FRESH_SIZE       5242880 /* that the pages of the recorded one took at its start */
#define AT               "chain_plugin.cpp:1077 plugin_initialize"
#define SYSTEM           "N5boost10wrapexceptISt12system_errorEE"
#define INTERPROC        "N5boost12interprocess22interprocess_exceptionE"

static const char compiler[] = "12.2.0";
static const char db_magic[8] = "EOSIODB2", page_magic[8] = "nodesim";

enum {
	PAGE_FORMAT = 8,
	PAGE_REVISION = 12,
	PAGE_HAS_GENESIS = 16,
	PAGE_CHAIN_ID = 20,
	PAGE_GENESIS = 52,
	PAGE_NOTE = PAGE_GENESIS + GENESIS_PACKED,
	PAGE_WRONG = PAGE_NOTE + GENESIS_KEY_NOTE,
	PAGE_SIZE_USED = PAGE_WRONG + 4,
};

/* As nodeos's mapped pages end it: no word, the state stays as it is. */
static _Noreturn void die(int signo)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }; /* a sanitizer has handlers */

	(void)sigaction(signo, &dfl, NULL);
	raise(signo);
	_exit(128 + signo);
}

static void read_page(struct statedb *db, int fd)
{
	unsigned char p[PAGE_SIZE_USED];

	db->revision = 0;
	if (rawio_read(fd, p, sizeof(p), PAGE_AT) < 0 || memcmp(p, page_magic, 8) != 0 ||
	        get_u32(p + PAGE_FORMAT) != FORMAT)
		return;
	db->revision = get_u32(p + PAGE_REVISION);
	db->wrong = get_u32(p + PAGE_WRONG);
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
	put_u32(p + PAGE_WRONG, db->wrong);
	return rawio_write(db->fd, p, sizeof(p), PAGE_AT);
}

/* chainbase's struct environment, after the dirty byte: debug, os, arch, boost's version, 512
 * reserved bytes, the compiler's version.  Ours never changes: all builds of nodesim are one. */
static void environment(unsigned char p[ENVIRONMENT_SIZE])
{
	memset(p, 0, ENVIRONMENT_SIZE);
	put_u32(p + 3, BOOST_VERSION);
	memcpy(p + COMPILER_AT, compiler, sizeof(compiler));
}

static void say_environment(const unsigned char p[ENVIRONMENT_SIZE])
{
	static const char *const oses[] = { "Linux", "macOS", "Windows", "Unknown" };
	static const char *const archs[] = { "x86_64", "ARM", "RISC-v", "Unknown" };
	uint32_t boost = get_u32(p + 3);

	nlog_plain("       Compiler: %.255s", (const char *)p + COMPILER_AT);
	nlog_plain("          Debug: %s", p[0] ? "Yes" : "No");
	nlog_plain("             OS: %s", oses[p[1] < 3 ? p[1] : 3]);
	nlog_plain("           Arch: %s", archs[p[2] < 3 ? p[2] : 3]);
	nlog_plain("          Boost: %u.%u.%u", (unsigned)(boost / 100000),
	        (unsigned)(boost / 100 % 1000), (unsigned)(boost % 100));
}

static int check_environment(const unsigned char p[ENVIRONMENT_SIZE], struct fail *f)
{
	unsigned char ours[ENVIRONMENT_SIZE];

	environment(ours);
	if (memcmp(p, ours, sizeof(ours)) == 0)
		return 0;
	nlog_plain("CHAINBASE: \"state\" database was created with a chainbase from a different "
	           "environment");
	nlog_plain("Current compiler environment:");
	say_environment(ours);
	nlog_plain("DB created with compiler environment:");
	say_environment(p);
	return fail_std(
	        f, SYSTEM, AT, "Database incompatible; All environment parameters must match");
}

static int check_header(int fd, struct fail *f)
{
	unsigned char p[SEGMENT_AT + 8] = { 0 };
	struct stat st;

	if (rawio_read(fd, p, HEADER_SIZE, 0) < 0)
		return fail_std(f, SYSTEM, AT, "Failed to read DB header");
	if (memcmp(p, db_magic, 8) != 0)
		return fail_std(f, SYSTEM, AT,
		        "\"state\" database format not compatible with this version of chainbase.: "
		        "Database format not compatible with this version of chainbase");
	if (p[8])
		return fail_std(f, SYSTEM, AT, "Database dirty flag set");
	if (check_environment(p + ENVIRONMENT_AT, f) < 0)
		return -1;
	/* The recorded nodeos died of a file that was cut, when it did not hang for ever or, worse,
	 * take the holes for data. */
	if (rawio_read(fd, p + SEGMENT_AT, 8, SEGMENT_AT) < 0 || fstat(fd, &st) < 0 ||
	        (uint64_t)st.st_size - HEADER_SIZE < get_u64(p + SEGMENT_AT))
		die(SIGSEGV);
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
	unsigned char head[ENVIRONMENT_AT + ENVIRONMENT_SIZE], segment[8];
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
	environment(head + ENVIRONMENT_AT);
	put_u64(segment, db->size - HEADER_SIZE);
	if (rawio_write(db->fd, head, sizeof(head), 0) < 0 ||
	        rawio_write(db->fd, segment, sizeof(segment), SEGMENT_AT) < 0) {
		if (errno == ENOSPC)
			die(SIGBUS);
		fail_std(f, INTERPROC, AT, "%s", strerror(errno));
		goto fail;
	}
	return 0;
fail:
	statedb_abandon(db);
	return -1;
}

void statedb_take_room(const struct statedb *db)
{
	struct statvfs v;

	if (fstatvfs(db->fd, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < FRESH_SIZE)
		die(SIGBUS);
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
