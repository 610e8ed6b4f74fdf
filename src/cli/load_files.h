#pragma once

/*
 * Files that a command fills at its end, and that are there whole or not at all
 *
 * Each is opened under a temporary name beside its own before the work begins, so that a path that
 * cannot be written is known at once, and renamed when it is complete.  What was not committed is
 * removed.  (base/fs.h writes a file in one call.)
 */

#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"

struct load_file {
	const char *option; /* "--csv", for messages */
	char *path, *tmp;   /* NULL: not asked for */
	int fd;
};

#define LOAD_FILE_INIT ((struct load_file){ .fd = -1 })

/* path NULL: nothing is done.  ERR_USAGE for "-" and for what is there and is no regular file. */
int load_file_open(
        struct load_file *f, const char *option, const char *path, struct err *e) NODISCARD;

/* Write all of it, sync, rename. */
int load_file_commit(struct load_file *f, const void *data, size_t n, struct err *e) NODISCARD;

/* Remove what was not committed. */
void load_file_release(struct load_file *f);
