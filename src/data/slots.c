#include "data/slots.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/str.h"
#include "data/pool.h"

/* Returns 1 when there is no such directory. */
static int open_list(DIR **ret, int dirfd, const char *name, struct err *e)
{
	AUTO(close_fd) int fd = fs_open_dir_at(dirfd, name, false, 0, e);

	if (fd < 0 && (e->kind == ERR_NOT_FOUND || e->sys_errno == ENOTDIR)) {
		err_clear(e);
		return 1;
	}
	if (fd < 0)
		return -1;
	*ret = fdopendir(fd);
	if (!*ret)
		return err_sys(e, errno, "list '%s'", name);
	fd = -1;
	return 0;
}

static int add(struct slots *s, const char *service, uint64_t number, struct err *e)
{
	struct slots_entry *v;

	if (s->n == SLOTS_MAX) {
		s->left_out++;
		return 0;
	}
	v = s->n % 64 ? s->v : reallocarray(s->v, s->n + 64, sizeof(*v));
	if (!v)
		return err_nomem(e);
	s->v = v;
	(void)snprintf(v[s->n].service, sizeof(v[s->n].service), "%s", service);
	v[s->n++].number = number;
	return 0;
}

static int list_service(struct slots *s, int services, const char *name, struct err *e)
{
	AUTO(closedir) DIR *d = NULL;
	struct dirent *ent;
	int rc = open_list(&d, services, name, e);

	while (rc == 0 && (ent = readdir(d))) {
		struct err ignored = ERR_INIT;
		char spelled[16];
		uint64_t number;

		if (num_uint(&number, ent->d_name, 1, SLOT_NUMBER_MAX, &ignored) < 0)
			continue;
		/* A "07" is no slot: it would be another one's second name. */
		(void)snprintf(spelled, sizeof(spelled), "%llu", (unsigned long long)number);
		if (strcmp(spelled, ent->d_name) == 0)
			rc = add(s, name, number, e);
	}
	return rc < 0 ? -1 : 0;
}

static int by_slot(const void *a, const void *b)
{
	const struct slots_entry *x = a, *y = b;
	int rc = strcmp(x->service, y->service);

	return rc ? rc : x->number < y->number ? -1 : x->number > y->number;
}

int slots_list(struct slots *ret, const struct pool *p, struct err *e)
{
	AUTO(closedir) DIR *d = NULL;
	struct dirent *ent;
	int rc = open_list(&d, p->fd, "services", e);

	*ret = (struct slots){ 0 };
	while (rc == 0 && (ent = readdir(d)))
		if (str_is_name(ent->d_name, SLOT_SERVICE_MAX))
			rc = list_service(ret, dirfd(d), ent->d_name, e);
	if (rc < 0) {
		slots_release(ret);
		return err_wrap(e, "list the slots of '%s'", p->path);
	}
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_slot);
	return 0;
}

void slots_release(struct slots *s)
{
	free(s->v);
	*s = (struct slots){ 0 };
}
