#pragma once

/* An input that is the files of a directory, each after its length (two bytes, little-endian;
 * 0xffff: the file is not there) */

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/fs.h"

struct fuzz_file {
	const char *parent, *path;
};

static char fuzz_top[] = "/dev/shm/fuzz_files.XXXXXX";
static int fuzz_dir = -1;

static void fuzz_clean_up(void)
{
	struct err e = ERR_INIT;

	(void)!fs_remove_tree_at(AT_FDCWD, fuzz_top, &e);
}

static void fuzz_set_up(const struct fuzz_file *files, size_t n)
{
	struct err e = ERR_INIT;

	if (!mkdtemp(fuzz_top))
		abort();
	(void)atexit(fuzz_clean_up);
	fuzz_dir = open(fuzz_top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < n; i++) {
		int fd = fs_open_dir_at(fuzz_dir, files[i].parent, true, 0755, &e);

		if (fd < 0)
			abort();
		close(fd);
	}
}

/* The directory, with the files that the input says. */
static int fuzz_put_files(
        const struct fuzz_file *files, size_t count, const uint8_t *data, size_t size)
{
	if (fuzz_dir < 0)
		fuzz_set_up(files, count);
	for (size_t i = 0; i < count; i++) {
		size_t n = size < 2 ? 0xffff : (size_t)data[0] | (size_t)data[1] << 8;
		int fd;

		data += size < 2 ? size : 2;
		size -= size < 2 ? size : 2;
		(void)unlinkat(fuzz_dir, files[i].path, 0);
		if (n == 0xffff)
			continue;
		if (n > size)
			n = size;
		fd = openat(
		        fuzz_dir, files[i].path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0 || fs_write_all(fd, data, n) < 0)
			abort();
		close(fd);
		data += n;
		size -= n;
	}
	return fuzz_dir;
}
