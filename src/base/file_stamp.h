#pragma once

/*
 * Whether a file is another one than it was
 *
 * For files that are read again when they have changed: configs, secrets, tokens.  They may be
 * written over, or replaced by a rename, or be links that lead elsewhere.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct file_stamp {
	bool is_known; /* what follows was seen; all zero: no file */
	dev_t dev;
	ino_t ino;
	off_t size;
	int64_t changed_ns;
};

/* Whether the file, links followed, was written to, replaced, made or removed since the last look;
 * true for the first one.  *s is zero to begin with. */
bool file_stamp_look(struct file_stamp *s, const char *path);
