#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t whole_pages(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

void *secret_alloc(size_t n, bool *ret_is_locked)
{
	size_t size = whole_pages(n);
	bool is_locked;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* Each of these makes it better, and none can be done without the kernel's leave: a
	 * container without CAP_IPC_LOCK has 64 KiB or 8 MiB to lock, some have nothing. */
	is_locked = mlock(p, size) == 0;
	if (ret_is_locked)
		*ret_is_locked = is_locked;
	(void)madvise(p, size, MADV_DONTDUMP);
	(void)madvise(p, size, MADV_WIPEONFORK);
	return p;
}

void secret_free(void *p, size_t n)
{
	int saved = errno;

	if (!p)
		return;
	explicit_bzero(p, n);
	(void)munmap(p, whole_pages(n));
	errno = saved;
}
