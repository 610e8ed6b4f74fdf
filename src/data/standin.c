/* Until the real ones are merged. */
#include "data/aside.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "data/quarantine_priv.h"
#include "data/slot.h"

int slot_set_aside(const struct pool *p UNUSED, const struct slot *s, const char *const *paths,
        const struct aside_note *note UNUSED, char ret_name[256], struct err *e UNUSED)
{
	for (; *paths; paths++) {
		char from[300], to[300];
		static int n;

		snprintf(from, sizeof(from), "data/%s", *paths);
		snprintf(to, sizeof(to), "aside-%d", n++);
		(void)renameat(s->fd, from, s->fd, to);
	}
	snprintf(ret_name, 256, "standin");
	return 0;
}

int slot_restart_from_snapshot(const struct pool *p UNUSED, const struct slot *s UNUSED,
        const char *file UNUSED, uid_t uid UNUSED, gid_t gid UNUSED,
        const struct aside_note *note UNUSED, char ret_name[256] UNUSED, struct err *e)
{
	return err_set(e, ERR_SYSTEM, "not there yet");
}

int slot_second_copies(
        const struct slot *s UNUSED, uint64_t *b, unsigned *n, struct err *e UNUSED)
{
	*b = *n = 0;
	return 0;
}

int slot_put_second_copies_aside(const struct pool *p UNUSED, const struct slot *s UNUSED,
        const struct aside_note *note UNUSED, char ret_name[256] UNUSED, struct err *e UNUSED)
{
	return 1;
}

int slot_remove_second_copies(
        const struct slot *s UNUSED, const volatile int *cancel UNUSED, struct err *e UNUSED)
{
	return 0;
}
