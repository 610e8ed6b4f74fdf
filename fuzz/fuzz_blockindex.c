#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "nodeos/blockindex.h"
#include "nodeos/blocklog_priv.h"

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
	if (dir < 0 || fd < 0)
		abort();
	close(fd);
}

/* An index that was made is one that nodeos takes with this log; else there is none. */
static void check(int rc)
{
	AUTO(block_log) struct block_log l = { .fd = -1 };
	struct err e = ERR_INIT;

	if (faccessat(dir, "blocks/.blocks.index-new", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		abort();
	if ((faccessat(dir, BLOCKLOG_INDEX, F_OK, AT_SYMLINK_NOFOLLOW) == 0) != (rc == 0))
		abort();
	if (rc == 0 &&
	        (block_log_open(&l, dir, BLOCKLOG_FILE, &e) != 0 ||
	                block_log_check_index(&l, dir, &e) < 0))
		abort();
}

/* The input is blocks.log. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	uint64_t blocks;
	int fd, rc;

	if (dir < 0)
		set_up();
	(void)unlinkat(dir, BLOCKLOG_INDEX, 0);
	fd = openat(dir, BLOCKLOG_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || fs_write_all(fd, data, size) < 0)
		abort();
	close(fd);
	rc = nodeos_blockindex_rebuild(dir, NULL, NULL, &blocks, &e);
	if (rc < 0 && e.kind != ERR_PROTOCOL && e.kind != ERR_NOT_FOUND)
		abort();
	check(rc);
	return 0;
}
