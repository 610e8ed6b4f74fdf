#pragma once

/* Whole reads and writes at a position.  0, or -1 and errno (EIO for the end of the file). */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

int rawio_read(int fd, void *data, size_t n, uint64_t pos) NODISCARD;
int rawio_write(int fd, const void *data, size_t n, uint64_t pos) NODISCARD;
