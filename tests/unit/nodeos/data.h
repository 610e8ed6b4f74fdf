#pragma once

/* Recordings of a real nodeos and other inputs; tests run in the top directory. */

#include <fcntl.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/fs.h"

static inline void data_load(struct buf *out, const char *name)
{
	char path[256];
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "tests/data/nodeos/%s", name);
	if (fs_read_at(AT_FDCWD, path, out, &e) != 0)
		fail_msg("cannot read %s: %s", path, e.msg);
}
