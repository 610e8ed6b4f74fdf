#include "data/slot.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/pool.h"

int slot_open(struct slot *s, const struct pool *p, const char *service, uint64_t number, bool make,
        struct err *e)
{
	AUTO(free) char *rel = NULL;

	*s = SLOT_INIT;
	if (!str_is_name(service, SLOT_SERVICE_MAX))
		return err_set(e, ERR_USAGE, "'%s' is not a service name", service);
	if (number < 1 || number > SLOT_NUMBER_MAX)
		return err_set(
		        e, ERR_USAGE, "slot %llu is out of range", (unsigned long long)number);
	rel = str_fmt("services/%s/%llu", service, (unsigned long long)number);
	if (!rel || !(s->path = str_fmt("%s/%s", p->path, rel)) ||
	        !(s->service = strdup(service))) {
		slot_release(s);
		return err_nomem(e);
	}
	s->number = number;
	s->fd = fs_open_dir_at(p->fd, rel, make, 0755, e);
	if (s->fd < 0) {
		err_wrap(e, "slot directory '%s'", s->path);
		slot_release(s);
		return -1;
	}
	return 0;
}

void slot_release(struct slot *s)
{
	auto_close_fd(&s->fd);
	free(s->service);
	free(s->path);
	*s = SLOT_INIT;
}
