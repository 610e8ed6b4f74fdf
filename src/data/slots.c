#include "data/slots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "data/pool.h"

void slot_names_release(struct slot_names *names)
{
	free(names->v);
	*names = SLOT_NAMES_INIT;
}

static int add(struct slot_names *names, const char *service, uint64_t number, struct err *e)
{
	struct slot_name *v;

	if (names->n >= SLOTS_MAX)
		return err_set(e, ERR_CONFLICT, "the pool has more than %d slots", SLOTS_MAX);
	/* In steps, because realloc for each is quadratic. */
	if (names->n % 64 == 0) {
		v = realloc(names->v, (names->n + 64) * sizeof(*v));
		if (!v)
			return err_nomem(e);
		names->v = v;
	}
	v = &names->v[names->n++];
	memcpy(v->service, service, strlen(service) + 1);
	v->number = number;
	return 0;
}

/* Open a directory in another for reading; NULL with errno. */
static DIR *open_below(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		auto_close_fd(&fd);
	return d;
}

static int read_service(struct slot_names *names, DIR *services, const char *service, struct err *e)
{
	DIR *d = open_below(dirfd(services), service);
	struct dirent *ent;
	uint64_t number;
	int rc = 0;

	if (!d)
		return 0;
	while (rc == 0 && (ent = readdir(d))) {
		struct err ignored = ERR_INIT;

		if (num_uint(&number, ent->d_name, 1, SLOT_NUMBER_MAX, &ignored) == 0)
			rc = add(names, service, number, e);
	}
	(void)closedir(d);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	const struct slot_name *x = a, *y = b;
	int rc = strcmp(x->service, y->service);

	return rc ? rc : (x->number > y->number) - (x->number < y->number);
}

int slot_names_read(struct slot_names *ret, const struct pool *p, struct err *e)
{
	AUTO(slot_names) struct slot_names names = SLOT_NAMES_INIT;
	DIR *d = open_below(p->fd, "services");
	struct dirent *ent;
	int rc = 0;

	if (!d && errno != ENOENT)
		return err_sys(e, errno, "open '%s/services'", p->path);
	while (d && rc == 0 && (ent = readdir(d)))
		if (str_is_name(ent->d_name, SLOT_SERVICE_MAX))
			rc = read_service(&names, d, ent->d_name, e);
	if (d)
		(void)closedir(d);
	if (rc < 0)
		return -1;
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_name);
	slot_names_release(ret);
	*ret = names;
	names = SLOT_NAMES_INIT;
	return 0;
}
