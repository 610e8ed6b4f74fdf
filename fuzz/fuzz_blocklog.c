#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "nodeos/blocklog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/dev/shm/fuzz_blocklog.XXXXXX";
static int dir = -1;

static const struct {
	const char *parent, *path;
} files[] = {
	{ "blocks", "blocks/blocks.log" },
	{ "blocks", "blocks/blocks.index" },
	{ "blocks/reversible", "blocks/reversible/fork_db.dat" },
	{ "blocks/retained", "blocks/retained/blocks-1-9.log" },
	{ "state", "state/shared_memory.bin" },
};

static void clean_up(void)
{
	struct err e = ERR_INIT;

	(void)!fs_remove_tree_at(AT_FDCWD, top, &e);
}

static void set_up(void)
{
	struct err e = ERR_INIT;

	if (!mkdtemp(top))
		abort();
	(void)atexit(clean_up);
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		int fd = fs_open_dir_at(dir, files[i].parent, true, 0755, &e);

		if (fd < 0)
			abort();
		close(fd);
	}
}

/*
 * The files of a data-dir, each after its length (two bytes, little-endian; 0xffff: the file is not
 * there).
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct blocklog_facts f;

	if (dir < 0)
		set_up();
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		size_t n = size < 2 ? 0xffff : (size_t)data[0] | (size_t)data[1] << 8;
		int fd;

		data += size < 2 ? size : 2;
		size -= size < 2 ? size : 2;
		(void)unlinkat(dir, files[i].path, 0);
		if (n == 0xffff)
			continue;
		if (n > size)
			n = size;
		fd = openat(dir, files[i].path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0 || fs_write_all(fd, data, n) < 0)
			abort();
		close(fd);
		data += n;
		size -= n;
	}
	if (nodeos_blocklog_at(&f, dir, &e) < 0 && e.kind != ERR_PROTOCOL)
		abort();
	return 0;
}
