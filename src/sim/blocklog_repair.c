#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "sim/blocklog.h"
#include "sim/nlog.h"
#include "sim/rawio.h"

#define ENTRY_MAX (BLOCK_MAX + 8)

static int fail_file(struct fail *f, const char *what, const char *path)
{
	return fail_std(f, "N5boost10filesystem16filesystem_errorE",
	        "chain_plugin.cpp:1077 plugin_initialize", "%s: %s: \"%s\"", what, strerror(errno),
	        path);
}

static int move_away(const char *dir, const char *backup, struct fail *f)
{
	static const char *const names[] = { "blocks.log", "blocks.index", "reversible" };

	if (mkdir(backup, 0755) < 0)
		return fail_file(f, "boost::filesystem::create_directory", backup);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(free) char *from = str_fmt("%s/%s", dir, names[i]);
		AUTO(free) char *to = str_fmt("%s/%s", backup, names[i]);

		if (!from || !to || (rename(from, to) < 0 && errno != ENOENT))
			return fail_file(f, "boost::filesystem::rename", backup);
	}
	return 0;
}

/* How far the backed up log is sound. */
struct sound {
	uint64_t end;
	uint32_t last;
	bool tail;                       /* what follows last does not unpack, and is kept */
	bool stopped;                    /* at the block that the user named */
	char error[FAIL_SHORT_READ_MAX]; /* "": the whole log is good */
};

/* A log that ends in the middle of a block, as the reader of its fields sees it. */
static void say_short(struct sound *s, const char *path, uint64_t left)
{
	static const unsigned char fields[] = { 4, 8, 2, 32, 32, 32, 4, 1, 1, 1, 65, 1, 1 };
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(fields) && left >= fields[i])
		left -= fields[i++];
	(void)fail_short_read_text(s->error, path, fields[i], (size_t)left);
}

/* nodeos says that a block does not fit the one before, and takes it all the same. */
static void say_misfit(const struct block *b, const struct sound *s,
        const unsigned char before[BLOCK_ID], bool has_before)
{
	char id[BLOCK_ID_HEX], previous[BLOCK_ID_HEX], expected[BLOCK_ID_HEX];

	hex_encode(id, b->id, BLOCK_ID);
	hex_encode(previous, b->previous, BLOCK_ID);
	hex_encode(expected, before, BLOCK_ID);
	if (b->num != s->last + 1)
		nlog(NLOG_ERROR, "block_log.cpp:292", "full_validate_block_entry",
		        "Block %" PRIu32 " (%s) skips blocks. Previous block in block log is block "
		        "%" PRIu32 " (%s)",
		        b->num, id, s->last, expected);
	if (has_before && !block_same_id(b->previous, before))
		nlog(NLOG_ERROR, "block_log.cpp:297", "full_validate_block_entry",
		        "Block %" PRIu32 " (%s) does not link back to previous block. Expected "
		        "previous: %s. Actual previous: %s.",
		        b->num, id, expected, previous);
}

/* One entry of the log.  False: this is where the sound part ends. */
static bool scan_entry(struct sound *s, int fd, const char *path, uint64_t left,
        unsigned char before[BLOCK_ID], bool has_before)
{
	unsigned char p[ENTRY_MAX] = { 0 };
	size_t n = left < ENTRY_MAX ? (size_t)left : ENTRY_MAX, len;
	struct block b;

	if (rawio_read(fd, p, n, s->end) < 0 || n < BLOCK_PACKED) {
		s->tail = true;
		say_short(s, path, n);
		return false;
	}
	len = block_length(p, n);
	if (!len) {
		s->tail = true;
		snprintf(s->error, sizeof(s->error), "Assert Exception");
		return false;
	}
	block_unpack(&b, p, len);
	say_misfit(&b, s, before, has_before);
	if (n < len + 8 || get_u64(p + len) != s->end) {
		snprintf(s->error, sizeof(s->error), "Block log exception");
		return false;
	}
	memcpy(before, b.id, BLOCK_ID);
	s->end += len + 8;
	s->last = b.num;
	return true;
}

static void scan(struct sound *s, int fd, const char *path, uint64_t size, uint32_t first,
        uint64_t begin, uint32_t truncate_at)
{
	unsigned char before[BLOCK_ID] = { 0 };

	*s = (struct sound){ .end = begin, .last = first - 1 };
	while (s->end < size) {
		if (truncate_at && s->last >= truncate_at) {
			s->stopped = true;
			return;
		}
		if (!scan_entry(s, fd, path, size - s->end, before, s->end > begin))
			return;
	}
}

static int copy_back(
        const char *dir, int from, const struct sound *s, uint64_t begin, struct fail *f)
{
	AUTO(free) char *log = str_fmt("%s/blocks.log", dir);
	AUTO(free) char *index = str_fmt("%s/blocks.index", dir);
	AUTO(close_fd) int log_fd = -1;
	AUTO(close_fd) int index_fd = -1;
	unsigned char p[65536];

	if (!log || !index)
		return fail_file(f, "allocate", dir);
	log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (s->end == begin) /* nodeos makes no index of nothing */
		index_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	else
		index_fd = open(index, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (log_fd < 0 || index_fd < 0)
		return fail_file(f, "open", log);
	for (uint64_t at = 0; at < s->end;) {
		size_t n = s->end - at < sizeof(p) ? (size_t)(s->end - at) : sizeof(p);

		if (rawio_read(from, p, n, at) < 0 || rawio_write(log_fd, p, n, at) < 0)
			return fail_file(f, "copy", log);
		at += n;
	}
	for (uint64_t at = begin, i = 0; at < s->end; i++) {
		unsigned char position[8];
		size_t n = s->end - at < BLOCK_MAX ? (size_t)(s->end - at) : BLOCK_MAX;

		put_u64(position, at);
		if (rawio_read(from, p, n, at) < 0 || rawio_write(index_fd, position, 8, i * 8) < 0)
			return fail_file(f, "write", index);
		/* Blocks of which the scan has found the end. */
		at += block_length(p, n) + 8;
	}
	return 0;
}

static void say_result(const char *dir, const struct sound *s, uint32_t first)
{
	nlog(NLOG_INFO, "block_log.cpp:1270", "construct_index",
	        "Will read existing blocks.log file %s/blocks.log", dir);
	nlog(NLOG_INFO, "block_log.cpp:1271", "construct_index",
	        "Will write new blocks.index file %s/blocks.index", dir);
	nlog(NLOG_INFO, "block_log.cpp:410", "construct_index",
	        "Will write new blocks.index file %s/blocks.index", dir);
	nlog(NLOG_INFO, "block_log.cpp:414", "construct_index",
	        "block log version= 3, number of blocks %" PRIu32, s->last - first + 1);
	if (s->last >= first)
		nlog(NLOG_INFO, "block_log.cpp:420", "construct_index",
		        "first block= %" PRIu32 "         last block= %" PRIu32, first, s->last);
	if (s->error[0])
		nlog(NLOG_INFO, "block_log.cpp:1362", "repair_log",
		        "Recovered only up to block number %" PRIu32 ". The block %" PRIu32
		        " could not be deserialized from the block log due to error:\n%s",
		        s->last, s->last + 1, s->error);
	else if (s->stopped)
		nlog(NLOG_INFO, "block_log.cpp:1366", "repair_log",
		        "Stopped recovery of block log early at specified block number: %" PRIu32
		        ".",
		        s->last);
	else
		nlog(NLOG_INFO, "block_log.cpp:1368", "repair_log",
		        "Existing block log was undamaged. Recovered all irreversible blocks up to "
		        "block number %" PRIu32 ".",
		        s->last);
}

/* nodeos keeps what follows the last sound block, for whoever wants to look at it. */
static void save_tail(
        const char *dir, const char *when, int fd, const struct sound *s, uint64_t size)
{
	AUTO(free) char *path = str_fmt("%s/blocks-bad-tail-%s.log", dir, when);
	AUTO(close_fd) int to = -1;
	unsigned char p[4096];

	if (!path)
		return;
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	for (uint64_t at = s->end, out = 0; to >= 0 && at < size;) {
		size_t n = size - at < sizeof(p) ? (size_t)(size - at) : sizeof(p);

		if (rawio_read(fd, p, n, at) < 0 || rawio_write(to, p, n, out) < 0)
			return;
		at += n;
		out += n;
	}
	nlog(NLOG_INFO, "block_log.cpp:907", "write_incomplete_block_data",
	        "Data at tail end of block log which should contain the (incomplete) serialization "
	        "of block %" PRIu32 " has been written out to '%s'.",
	        s->last + 1, path);
}

int blocklog_repair(const char *dir, uint32_t truncate_at, struct fail *f)
{
	AUTO(free) char *log = str_fmt("%s/blocks.log", dir);
	AUTO(free) char *backup = NULL;
	AUTO(free) char *old = NULL;
	AUTO(close_fd) int fd = -1;
	char when[CLOCK_TEXT_MAX], data[4096];
	enum blocklog_context context;
	struct sim_genesis g;
	struct sound s;
	struct stat st;
	uint32_t first;
	uint64_t begin;
	unsigned char p[8];

	nlog(NLOG_INFO, "block_log.cpp:1313", "repair_log", "Recovering Block Log...");
	snprintf(data, sizeof(data), "{\"blocks_dir\":\"%s\"}", dir);
	if (!log || stat(log, &st) < 0 || !S_ISREG(st.st_mode))
		return fail_fc(f, 3190003, "block_log_not_found", "block log can not be found",
		        "block_log.cpp:1314 repair_log", data, "Block log not found in '%s'", dir);
	clock_text(when, clock_real_ns());
	when[23] = '\0';
	backup = str_fmt("%s-%s", dir, when);
	old = str_fmt("%s-%s/blocks.log", dir, when);
	if (!backup || !old || move_away(dir, backup, f) < 0)
		return f->kind ? -1 : fail_file(f, "allocate", dir);
	nlog(NLOG_INFO, "block_log.cpp:1338", "repair_log",
	        "Moved existing blocks directory to backup location: '%s'", backup);
	nlog(NLOG_INFO, "block_log.cpp:1345", "repair_log",
	        "Reconstructing '%s' from backed up block log", log);
	if (blocklog_context(&context, &g, backup, f) < 0)
		return -1;
	fd = open(old, O_RDONLY | O_CLOEXEC);
	if (context == BLOCKLOG_NOTHING || fd < 0 || rawio_read(fd, p, 8, 0) < 0)
		return fail_fc(f, 3190003, "block_log_not_found", "block log can not be found",
		        "block_log.cpp:1314 repair_log", data, "Block log not found in '%s'", dir);
	first = get_u32(p + 4);
	begin = 8 + (first == 1 ? GENESIS_PACKED : BLOCK_ID) + 8;
	scan(&s, fd, old, (uint64_t)st.st_size, first, begin, truncate_at);
	if (s.tail)
		save_tail(dir, when, fd, &s, (uint64_t)st.st_size);
	if (copy_back(dir, fd, &s, begin, f) < 0)
		return -1;
	say_result(dir, &s, first);
	return 0;
}
