/*
 * What the benchmarks of clones do to data-dirs and shell cannot
 *
 * usage: datadir make DIR DATA APPARENT PIECES [SPLIT-PERCENT]
 *        datadir write FILE COUNT SEED
 *        datadir extents FILE...
 *        datadir unshare FILE
 *
 * make: a directory that looks like the data-dir of a nodeos that was stopped cleanly.  DATA bytes
 * (with a unit) are allocated in files of APPARENT bytes together: a quarter in blocks.log, which
 * has no holes, the rest in so many PIECES that are scattered over the state.  With SPLIT-PERCENT
 * that much of DATA is in block logs that are split, in four parts.
 *
 * write: COUNT writes of 4 KiB each, at random places of the file that have data, through a shared
 * mapping, as nodeos changes its state; and flushed as it does when it stops.
 *
 * extents: of each file a line: extents, bytes allocated, bytes of them that others share.
 *
 * unshare: give the file blocks of its own for all that it shares, in pieces, because nobody else
 * can touch the file's pages during one.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/num.h"

#define PAGE  4096
#define CHUNK (1024 * 1024)
#define MIB   UINT64_C(1048576)
#define TIB   (MIB * MIB)
#define PIECE (16 * (off_t)MIB)

static unsigned char chunk[2 * CHUNK];
static uint64_t random_state = 1;

static NORETURN void die(const char *what, const char *of)
{
	fprintf(stderr, "datadir: %s '%s': %s\n", what, of, strerror(errno));
	exit(1);
}

/* xorshift64*: the same seed gives the same data-dir and the same writes. */
static uint64_t random_u64(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717);
}

static uint64_t size_arg(const char *s)
{
	struct err e = ERR_INIT;
	uint64_t v;

	if (num_size(&v, s, &e) == 0 && v <= TIB)
		return v;
	fprintf(stderr, "datadir: '%s': %s\n", s, e.msg);
	exit(2);
}

/* No two pages are equal, and none is zero. */
static void fill(int fd, uint64_t at, uint64_t size, const char *name)
{
	while (size > 0) {
		const size_t n = size < sizeof(chunk) ? (size_t)size : sizeof(chunk);

		for (size_t i = 0; i < sizeof(chunk); i += PAGE) {
			const uint64_t stamp = random_u64();

			memcpy(chunk + i, &stamp, sizeof(stamp));
		}
		for (size_t done = 0; done < n;) {
			const ssize_t w = pwrite(fd, chunk + done, n - done, (off_t)(at + done));

			if (w < 0)
				die("write", name);
			done += (size_t)w;
		}
		at += n;
		size -= n;
	}
}

static int create(const char *name)
{
	const int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		die("make", name);
	return fd;
}

static void make_file(const char *name, uint64_t size)
{
	AUTO(close_fd) int fd = create(name);

	fill(fd, 0, size, name);
	if (fsync(fd) < 0)
		die("sync", name);
}

/* Pieces of half to one and a half times their mean size, and between them what the holes have. */
static void make_state(uint64_t data, uint64_t apparent, uint64_t pieces)
{
	static const char name[] = "state/shared_memory.bin";
	/* Of Leap 3 and 4; then the byte that is 1 while nodeos runs. */
	static const unsigned char head[9] = "CHAINB01";
	AUTO(close_fd) int fd = create(name);
	const uint64_t hole = apparent - data;
	uint64_t at = 0, left = data;

	if (ftruncate(fd, (off_t)apparent) < 0)
		die("grow", name);
	for (; left > 0; pieces--) {
		const uint64_t mean = pieces > 1 ? left / pieces : left;
		uint64_t n = pieces > 1 ? mean / 2 + random_u64() % (mean + 1) : left;

		n = n < PAGE ? PAGE : n - n % PAGE;
		n = n < left ? n : left;
		fill(fd, at, n, name);
		left -= n;
		at = data - left + (uint64_t)((double)hole * (double)(data - left) / (double)data);
		at -= at % PAGE;
	}
	if (pwrite(fd, head, sizeof(head), 0) != sizeof(head) || fsync(fd) < 0)
		die("write", name);
	/* What is cached in large pieces is written in large pieces; a node that has run for long,
	 * with a state beyond the machine's memory, has it in single pages. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void put(const char *name, const void *data, size_t n, uint64_t at)
{
	AUTO(close_fd) int fd = open(name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, data, n, (off_t)at) != (ssize_t)n || fsync(fd) < 0)
		die("write", name);
}

static void put_le(unsigned char *to, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = (unsigned char)(v >> (8 * i));
}

/*
 * A block log's both ends, as Leap writes them (version 3): whoever clones looks at them, and not
 * at what is between.  Returns where the last block begins.
 */
static uint64_t make_log(const char *name, uint64_t size, uint32_t first, uint32_t last)
{
	unsigned char begin[48], block[200] = { 0 }, end[8];
	const uint64_t at = size - sizeof(end) - sizeof(block);

	make_file(name, size);
	put_le(begin, 3, 4);
	put_le(begin + 4, first, 4);
	memset(begin + 8, 0x77, 32); /* chain id */
	memset(begin + 40, 0xff, 8);
	put(name, begin, sizeof(begin), 0);
	/* Time, producer, confirmed; then the id of the block before, which begins
	 * with its number. */
	for (int i = 0; i < 4; i++)
		block[14 + i] = (unsigned char)((last - 1) >> (24 - 8 * i));
	put(name, block, sizeof(block), at);
	put_le(end, at, sizeof(end));
	put(name, end, sizeof(end), size - sizeof(end));
	return at;
}

/* The newest blocks, from `first`; index: its bytes, 8 a block. */
static void make_newest(uint64_t log, uint64_t index, uint32_t first)
{
	const uint64_t at =
	        make_log("blocks/blocks.log", log, first, first + (uint32_t)(index / 8) - 1);
	unsigned char end[8];

	make_file("blocks/blocks.index", index);
	put_le(end, at, sizeof(end));
	put("blocks/blocks.index", end, sizeof(end), index - sizeof(end));
}

static void make(
        const char *dir, uint64_t data, uint64_t apparent, uint64_t pieces, uint64_t split_percent)
{
	static const char *const dirs[] = { "blocks", "blocks/reversible", "blocks/retained",
		"state", "snapshots" };
	/* As Spring has them: of the one that belongs to EOSIODB2 the verdict wants a head that is
	 * in it. */
	static const unsigned char fork_head[8] = { 0xdb, 0x0f, 0x51, 0x30, 3 };
	const uint64_t fork = 256 * 1024, index = data / 4 / 184 * 8;
	const uint64_t split = data / 100 * split_percent;
	const uint64_t log = split ? (data - split) / 4 : data / 4 - index;
	const uint64_t used = log + index + split + fork;

	if (mkdir(dir, 0755) < 0 || chdir(dir) < 0)
		die("make", dir);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdir(dirs[i], 0755) < 0)
			die("make", dirs[i]);
	for (size_t i = 0; i < sizeof(chunk); i += sizeof(uint64_t)) {
		const uint64_t v = random_u64();

		memcpy(chunk + i, &v, sizeof(v));
	}
	for (unsigned i = 0; split && i < 4; i++) {
		char name[64];

		snprintf(name, sizeof(name), "blocks/retained/blocks-%u-%u.log", i * 1000 + 2,
		        i * 1000 + 1001);
		(void)make_log(name, split / 4, i * 1000 + 2, i * 1000 + 1001);
		snprintf(name, sizeof(name), "blocks/retained/blocks-%u-%u.index", i * 1000 + 2,
		        i * 1000 + 1001);
		make_file(name, 8000);
	}
	make_newest(log, index, 4002);
	make_file("blocks/reversible/fork_db.dat", fork);
	put("blocks/reversible/fork_db.dat", fork_head, sizeof(fork_head), 0);
	make_state(data - used, apparent - used, pieces);
}

/* --- extents ---------------------------------------------------------------------------------- */

struct extents {
	struct fiemap_extent *v;
	size_t n;
};

#define BATCH 4096

static struct extents extents_of(int fd, const char *name)
{
	struct extents x = { 0 };
	AUTO(free) struct fiemap *f = calloc(1, sizeof(*f) + BATCH * sizeof(f->fm_extents[0]));

	for (uint64_t at = 0; f;) {
		*f = (struct fiemap){ .fm_start = at,
			.fm_length = FIEMAP_MAX_OFFSET - at,
			.fm_flags = FIEMAP_FLAG_SYNC,
			.fm_extent_count = BATCH };
		if (ioctl(fd, FS_IOC_FIEMAP, f) < 0)
			die("list the extents of", name);
		if (f->fm_mapped_extents == 0)
			break;
		x.v = realloc(x.v, (x.n + f->fm_mapped_extents) * sizeof(x.v[0]));
		if (!x.v)
			break;
		memcpy(x.v + x.n, f->fm_extents, f->fm_mapped_extents * sizeof(x.v[0]));
		x.n += f->fm_mapped_extents;
		if (x.v[x.n - 1].fe_flags & FIEMAP_EXTENT_LAST)
			return x;
		at = x.v[x.n - 1].fe_logical + x.v[x.n - 1].fe_length;
	}
	if (!f || (x.n && !x.v))
		die("list the extents of", name);
	return x;
}

static void print_extents(const char *name)
{
	AUTO(close_fd) int fd = open(name, O_RDONLY | O_CLOEXEC);
	uint64_t bytes = 0, shared = 0;
	struct extents x;

	if (fd < 0)
		die("open", name);
	x = extents_of(fd, name);
	for (size_t i = 0; i < x.n; i++) {
		bytes += x.v[i].fe_length;
		shared += x.v[i].fe_flags & FIEMAP_EXTENT_SHARED ? x.v[i].fe_length : 0;
	}
	printf("%zu %" PRIu64 " %" PRIu64 "\n", x.n, bytes, shared);
	free(x.v);
}

/* --- writes ----------------------------------------------------------------------------------- */

/* Offset in the file of the page'th page that has data. */
static uint64_t offset_of(const struct extents *x, const uint64_t *before, uint64_t page)
{
	size_t low = 0, high = x->n;

	while (high - low > 1) {
		const size_t mid = (low + high) / 2;

		if (before[mid] <= page)
			low = mid;
		else
			high = mid;
	}
	return x->v[low].fe_logical + (page - before[low]) * PAGE;
}

static void write_randomly(const char *name, uint64_t count, uint64_t seed)
{
	AUTO(close_fd) int fd = open(name, O_RDWR | O_CLOEXEC);
	AUTO(free) uint64_t *before = NULL;
	struct extents x;
	uint64_t pages = 0;
	struct stat st;
	unsigned char *map;

	if (fd < 0 || fstat(fd, &st) < 0)
		die("open", name);
	x = extents_of(fd, name);
	before = calloc(x.n + 1, sizeof(before[0]));
	if (!before)
		die("list the extents of", name);
	for (size_t i = 0; i < x.n; i++) {
		before[i] = pages;
		pages += x.v[i].fe_length / PAGE;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED || pages == 0)
		die("map", name);
	(void)madvise(map, (size_t)st.st_size, MADV_RANDOM);
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (uint64_t i = 0; i < count; i++) {
		unsigned char *page = map + offset_of(&x, before, random_u64() % pages);

		/* Not the first bytes, which say what it is. */
		for (size_t k = 64; k < PAGE; k += sizeof(uint64_t)) {
			const uint64_t v = random_u64();

			memcpy(page + k, &v, sizeof(v));
		}
	}
	if (msync(map, (size_t)st.st_size, MS_SYNC) < 0 || fsync(fd) < 0)
		die("sync", name);
	(void)munmap(map, (size_t)st.st_size);
	free(x.v);
}

/* --- blocks of its own ------------------------------------------------------------------------ */

static void unshare_blocks(const char *name)
{
	AUTO(close_fd) int fd = open(name, O_RDWR | O_CLOEXEC);
	off_t at = 0, end;

	if (fd < 0)
		die("open", name);
	/* XFS would also allocate the holes. */
	for (; (at = lseek(fd, at, SEEK_DATA)) >= 0; at = end) {
		end = lseek(fd, at, SEEK_HOLE);
		if (end - at > PIECE)
			end = at + PIECE;
		if (end <= at || fallocate(fd, FALLOC_FL_UNSHARE_RANGE, at, end - at) < 0)
			die("unshare", name);
	}
	if (errno != ENXIO || fsync(fd) < 0)
		die("sync", name);
}

int main(int argc, char **argv)
{
	if (argc >= 6 && strcmp(argv[1], "make") == 0) {
		make(argv[2], size_arg(argv[3]), size_arg(argv[4]), size_arg(argv[5]),
		        argc > 6 ? size_arg(argv[6]) : 0);
	} else if (argc == 5 && strcmp(argv[1], "write") == 0) {
		write_randomly(argv[2], size_arg(argv[3]), size_arg(argv[4]));
	} else if (argc >= 3 && strcmp(argv[1], "extents") == 0) {
		for (int i = 2; i < argc; i++)
			print_extents(argv[i]);
	} else if (argc == 3 && strcmp(argv[1], "unshare") == 0) {
		unshare_blocks(argv[2]);
	} else {
		fprintf(stderr, "usage: datadir make|write|extents|unshare ...\n");
		return 2;
	}
	return 0;
}
