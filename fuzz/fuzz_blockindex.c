#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "nodeos/blockindex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/dev/shm/fuzz_blockindex.XXXXXX";
static int dir = -1;

static void clean_up(void)
{
	struct err e = ERR_INIT;

	(void)!fs_remove_tree_at(AT_FDCWD, top, &e);
}

static void set_up(void)
{
	struct err e = ERR_INIT;
	int fd;

	if (!mkdtemp(top))
		abort();
	(void)atexit(clean_up);
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = fs_open_dir_at(dir, "blocks", true, 0755, &e);
	if (fd < 0)
		abort();
	close(fd);
}

/* The input is blocks.log.  An index that is made has its entries in rising order, each of them in
 * the log, and zeros only before them. */
static void check(uint64_t blocks, size_t size)
{
	uint64_t before = 0, at;
	struct stat st;
	int fd = openat(dir, "blocks/blocks.index", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size != blocks * 8)
		abort();
	for (uint64_t i = 0; i < blocks; i++) {
		if (read(fd, &at, 8) != 8 || at >= size || (at <= before && (at || before)))
			abort();
		before = at;
	}
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	uint64_t blocks;
	int fd;

	if (dir < 0)
		set_up();
	(void)unlinkat(dir, "blocks/blocks.index", 0);
	fd = openat(dir, "blocks/blocks.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || fs_write_all(fd, data, size) < 0)
		abort();
	close(fd);
	if (nodeos_blockindex_rebuild(dir, NULL, NULL, &blocks, &e) == 0)
		check(blocks, size);
	else if (e.kind != ERR_PROTOCOL && e.kind != ERR_NOT_FOUND)
		abort();
	if (faccessat(dir, "blocks/.blocks.index-new", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		abort();
	return 0;
}
