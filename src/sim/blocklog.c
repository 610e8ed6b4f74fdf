#include "sim/blocklog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/str.h"
#include "sim/nlog.h"
#include "sim/rawio.h"

#define VERSION        3
#define PREAMBLE_MAX   (8 + GENESIS_PACKED + 8)
#define KEY_VARIANT_AT 16

static const unsigned char totem[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };

/* What stands before the first block; says how long it is. */
static size_t preamble_size(uint32_t first)
{
	return 8 + (first == 1 ? GENESIS_PACKED : BLOCK_ID) + sizeof(totem);
}

/* --- preamble --------------------------------------------------------------------------------- */

/* The fields of a preamble in the order in which nodeos reads them: a file that ends in one is
 * reported by that field's size. */
static const unsigned char with_genesis[] = { 4, 4, 8, 1, 33, 8, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
	4, 4, 2, 2, 8, 0 };
static const unsigned char with_chain_id[] = { 4, 4, BLOCK_ID, 8, 0 };

static int fail_preamble_end(struct fail *f, const char *path, uint64_t size, uint32_t first)
{
	const unsigned char *field = first == 1 ? with_genesis : with_chain_id;

	while (field[1] && size >= *field)
		size -= *field++;
	return fail_short_read(f, path, *field, (size_t)size);
}

static int fail_version(struct fail *f, const char *path, uint32_t version)
{
	char data[4300];

	if (!version)
		return fail_block_log(
		        f, "block_log.cpp:72 read_from", "{}", "Block log was not setup properly");
	snprintf(data, sizeof(data),
	        "{\"version\":%" PRIu32 ",\"min\":1,\"max\":%d,\"log\":\"%s\"}", version, VERSION,
	        path);
	return fail_fc(f, 3190001, "block_log_unsupported_version",
	        "unsupported version of block log", "block_log.cpp:73 read_from", data,
	        "Unsupported version of block log. Block log version is %" PRIu32
	        " while code supports version(s) [1,%d], log file: %s",
	        version, VERSION, path);
}

static int fail_separator(struct fail *f, const unsigned char found[8])
{
	char e[17], a[17], data[64];

	hex_encode(e, totem, 8);
	hex_encode(a, found, 8);
	snprintf(data, sizeof(data), "{\"e\":\"%s\",\"a\":\"%s\"}", e, a);
	return fail_block_log(f, "block_log.cpp:102 read_from", data,
	        "Expected separator between block log header and blocks was not found( expected: "
	        "%s, actual: %s )",
	        e, a);
}

static int read_preamble(int fd, uint64_t size, const char *path, uint32_t *first,
        struct sim_genesis *g, struct fail *f)
{
	unsigned char p[PREAMBLE_MAX];
	size_t n;

	if (size < 4 || rawio_read(fd, p, 4, 0) < 0)
		return fail_preamble_end(f, path, size, 1);
	if (get_u32(p) != VERSION)
		return fail_version(f, path, get_u32(p));
	if (size < 8 || rawio_read(fd, p, 8, 0) < 0)
		return fail_preamble_end(f, path, size, 1);
	*first = get_u32(p + 4);
	n = preamble_size(*first);
	if (size < n || rawio_read(fd, p, n, 0) < 0)
		return fail_preamble_end(f, path, size, *first);
	if (*first == 1 && p[KEY_VARIANT_AT] > 2)
		return fail_fc(f, 10, "assert_exception", "Assert Exception",
		        "static_variant.hpp:65 from_index", "{}",
		        "Provided index out of range for variant.");
	if (memcmp(p + n - 8, totem, 8) != 0)
		return fail_separator(f, p + n - 8);
	memset(g, 0, sizeof(*g));
	if (*first == 1) {
		static const unsigned char no_note[GENESIS_KEY_NOTE];

		sim_genesis_unpack(g, p + 8, no_note);
	} else {
		memcpy(g->chain_id, p + 8, BLOCK_ID);
	}
	return 0;
}

/* The block at a position of a log that ends at end; its bytes are believed. */
static int read_at(int fd, uint64_t pos, uint64_t end, struct block *ret)
{
	unsigned char packed[BLOCK_MAX];
	size_t n = end - pos < sizeof(packed) ? (size_t)(end - pos) : sizeof(packed), len;

	if (pos > end || n < BLOCK_PACKED || rawio_read(fd, packed, n, pos) < 0)
		return -1;
	len = block_length(packed, n);
	block_unpack(ret, packed, len ? len : BLOCK_PACKED);
	return 0;
}

int blocklog_context(
        enum blocklog_context *ret, struct sim_genesis *g, const char *dir, struct fail *f)
{
	AUTO(free) char *path = str_fmt("%s/blocks.log", dir);
	AUTO(close_fd) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	unsigned char note[GENESIS_KEY_NOTE];
	struct block b;
	struct stat st;
	uint32_t first;

	*ret = BLOCKLOG_NOTHING;
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	if (read_preamble(fd, (uint64_t)st.st_size, path, &first, g, f) < 0)
		return -1;
	if (first != 1) {
		*ret = BLOCKLOG_CHAIN_ID;
		return 0;
	}
	if (read_at(fd, preamble_size(1), (uint64_t)st.st_size, &b) == 0) {
		sim_genesis_note(note, &b);
		memcpy(g->key_note, note, sizeof(note));
	}
	*ret = BLOCKLOG_GENESIS;
	return 0;
}

/* --- open ------------------------------------------------------------------------------------- */

static int open_both(struct blocklog *l, const char *dir, struct fail *f)
{
	l->log_path = str_fmt("%s/blocks.log", dir);
	l->index_path = str_fmt("%s/blocks.index", dir);
	if (!l->log_path || !l->index_path)
		return fail_std(f, "St9bad_alloc", "chain_plugin.cpp:1077 plugin_initialize",
		        "std::bad_alloc");
	l->log_fd = open(l->log_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (l->log_fd >= 0)
		l->index_fd = open(l->index_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (l->index_fd < 0)
		return fail_std(f, "St8ios_base7failure", "chain_plugin.cpp:1077 plugin_initialize",
		        "cfile unable to open: %s: %s", l->log_fd < 0 ? l->log_path : l->index_path,
		        strerror(errno));
	return 0;
}

/* The number of the block at a position, as nodeos takes it: four bytes, believed. */
static int num_at(const struct blocklog *l, uint64_t pos, uint32_t *ret, struct fail *f)
{
	unsigned char p[4];
	char data[64];

	snprintf(data, sizeof(data), "{\"position\":\"%" PRIu64 "\"}", pos);
	if (pos <= l->end && (pos + 18 > l->end || rawio_read(l->log_fd, p, 4, pos + 14) < 0))
		return fail_short_read(
		        f, l->log_path, 4, pos + 14 < l->end ? (size_t)(l->end - pos - 14) : 0);
	if (pos > l->end)
		return fail_block_log(f, "block_log.cpp:247 block_num_at", data,
		        "Invalid block position %" PRIu64, pos);
	*ret = ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]) + 1;
	return 0;
}

static int check_index(
        const struct blocklog *l, uint64_t index_size, uint64_t last_pos, struct fail *f)
{
	unsigned char p[8];
	char data[2 * 4096 + 128];

	snprintf(data, sizeof(data), "{\"index_file\":\"%s\"}", l->index_path);
	if (index_size == 0)
		return fail_block_log(f, "block_log.cpp:668 open", data,
		        "%s file is empty, please use leap-util to fix the problem.",
		        l->index_path);
	if (index_size % 8)
		return fail_block_log(f, "block_log.cpp:671 open", data,
		        "%s file is invalid, please use leap-util to reconstruct the index.",
		        l->index_path);
	if (rawio_read(l->index_fd, p, 8, index_size - 8) < 0)
		memset(p, 0, 8);
	if (get_u64(p) == last_pos)
		return 0;
	snprintf(data, sizeof(data),
	        "{\"block_pos\":%" PRIu64 ",\"index_pos\":%" PRIu64
	        ",\"block_file\":\"%s\",\"index_file\":\"%s\"}",
	        last_pos, get_u64(p), l->log_path, l->index_path);
	return fail_block_log(f, "block_log.cpp:680 open", data,
	        "The last block position from %s is at %" PRIu64
	        " which does not match the last block postion %" PRIu64
	        " from %s, please use leap-util to fix the inconsistency.",
	        l->log_path, last_pos, get_u64(p), l->index_path);
}

/* nodeos unpacks the last block, and so sees what is wrong with its form, not with its content. */
static int check_head(const struct blocklog *l, uint64_t pos, struct fail *f)
{
	unsigned char p[BLOCK_MAX];
	size_t n = l->end - pos < sizeof(p) ? (size_t)(l->end - pos) : sizeof(p);

	if (rawio_read(l->log_fd, p, n, pos) < 0 || !block_length(p, n))
		return fail_short_read(f, l->log_path, 2, 0);
	return 0;
}

static int check_log(struct blocklog *l, uint64_t index_size, struct fail *f)
{
	struct sim_genesis g;
	unsigned char p[8];
	uint64_t last_pos = 0;

	if (read_preamble(l->log_fd, l->end, l->log_path, &l->first, &g, f) < 0)
		return -1;
	l->last = l->first - 1;
	if (l->end > preamble_size(l->first)) {
		if (rawio_read(l->log_fd, p, 8, l->end - 8) < 0)
			memset(p, 0xff, 8);
		last_pos = get_u64(p);
		if (num_at(l, last_pos, &l->last, f) < 0)
			return -1;
	}
	nlog(NLOG_INFO, "block_log.cpp:666", "open", "Log has %" PRIu32 " blocks",
	        l->last - l->first + 1);
	if ((blocklog_has_blocks(l) || index_size) && check_index(l, index_size, last_pos, f) < 0)
		return -1;
	return blocklog_has_blocks(l) ? check_head(l, last_pos, f) : 0;
}

int blocklog_open(struct blocklog *l, const char *dir, struct fail *f)
{
	struct stat log, index;

	*l = BLOCKLOG_INIT;
	if (open_both(l, dir, f) < 0)
		return -1;
	if (fstat(l->log_fd, &log) < 0 || fstat(l->index_fd, &index) < 0)
		return fail_std(f, "St8ios_base7failure", "chain_plugin.cpp:1077 plugin_initialize",
		        "stat of %s: %s", l->log_path, strerror(errno));
	l->end = (uint64_t)log.st_size;
	if (l->end)
		return check_log(l, (uint64_t)index.st_size, f);
	if (index.st_size) {
		nlog(NLOG_INFO, "block_log.cpp:693", "open",
		        "Log file is empty while the index file is nonempty, discard the index "
		        "file");
		if (ftruncate(l->index_fd, 0) < 0)
			return fail_std(f, "St8ios_base7failure",
			        "chain_plugin.cpp:1077 plugin_initialize", "truncate %s: %s",
			        l->index_path, strerror(errno));
	}
	return 0;
}

void blocklog_close(struct blocklog *l)
{
	if (l->log_fd >= 0)
		(void)close(l->log_fd);
	if (l->index_fd >= 0)
		(void)close(l->index_fd);
	free(l->log_path);
	free(l->index_path);
	*l = BLOCKLOG_INIT;
}

/* --- write and read --------------------------------------------------------------------------- */

static int reset(struct blocklog *l, const void *context, size_t n, uint32_t first, struct err *e)
{
	unsigned char p[PREAMBLE_MAX];
	size_t size = 8 + n + sizeof(totem);

	put_u32(p, VERSION);
	put_u32(p + 4, first);
	memcpy(p + 8, context, n);
	memcpy(p + 8 + n, totem, sizeof(totem));
	if (ftruncate(l->log_fd, 0) < 0 || rawio_write(l->log_fd, p, size, 0) < 0 ||
	        ftruncate(l->index_fd, 0) < 0)
		return err_sys(e, errno, "write '%s'", l->log_path);
	l->first = first;
	l->last = first - 1;
	l->end = size;
	return 0;
}

int blocklog_reset(struct blocklog *l, const struct sim_genesis *g, struct err *e)
{
	struct block b;

	if (reset(l, g->packed, GENESIS_PACKED, 1, e) < 0)
		return -1;
	sim_genesis_block(&b, g);
	return blocklog_append(l, &b, e);
}

int blocklog_reset_at(
        struct blocklog *l, const unsigned char chain_id[BLOCK_ID], uint32_t first, struct err *e)
{
	return reset(l, chain_id, BLOCK_ID, first, e);
}

int blocklog_append(struct blocklog *l, const struct block *b, struct err *e)
{
	unsigned char entry[BLOCK_MAX + 8];
	uint64_t slot = (uint64_t)(b->num - l->first) * 8;

	memcpy(entry, b->packed, b->len);
	put_u64(entry + b->len, l->end);
	if (rawio_write(l->log_fd, entry, b->len + 8, l->end) < 0)
		return err_sys(e, errno, "write '%s'", l->log_path);
	if (rawio_write(l->index_fd, entry + b->len, 8, slot) < 0)
		return err_sys(e, errno, "write '%s'", l->index_path);
	l->end += b->len + 8;
	l->last = b->num;
	return 0;
}

int blocklog_read(const struct blocklog *l, uint32_t num, struct block *ret, struct err *e)
{
	unsigned char p[8];

	if (!blocklog_has_blocks(l) || num < l->first || num > l->last)
		return 1;
	if (rawio_read(l->index_fd, p, 8, (uint64_t)(num - l->first) * 8) < 0 ||
	        read_at(l->log_fd, get_u64(p), l->end, ret) < 0)
		return err_set(e, ERR_SYSTEM, "read block %" PRIu32 " of '%s'", num, l->log_path);
	if (ret->num != num)
		return err_set(e, ERR_SYSTEM, "Wrong block was read from block log.");
	return 0;
}
