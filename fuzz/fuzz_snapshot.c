#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "nodeos/snapshot.h"
#include "sim/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The product's reader, and the simulator's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct err e = ERR_INIT;
	struct fail f = FAIL_INIT;
	struct snapshot_facts facts;
	struct sim_snapshot s;
	char path[32];

	if (fd < 0)
		fd = memfd_create("snapshot", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	        fs_write_all(fd, data, size) < 0)
		return 0;
	if (nodeos_snapshot_read(&facts, fd, &e) < 0 && e.kind != ERR_PROTOCOL)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	(void)!sim_snapshot_read(&s, path, &f);
	return 0;
}
