#include "sim/rawio.h"

#include <errno.h>
#include <unistd.h>

int rawio_read(int fd, void *data, size_t n, uint64_t pos)
{
	unsigned char *p = data;

	while (n) {
		ssize_t got = pread(fd, p, n, (off_t)pos);

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return -1;
		p += got;
		pos += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int rawio_write(int fd, const void *data, size_t n, uint64_t pos)
{
	const unsigned char *p = data;

	while (n) {
		ssize_t put = pwrite(fd, p, n, (off_t)pos);

		if (put < 0 && errno == EINTR)
			continue;
		if (put == 0)
			errno = ENOSPC;
		if (put <= 0)
			return -1;
		p += put;
		pos += (uint64_t)put;
		n -= (size_t)put;
	}
	return 0;
}
