/* Of the pool's slots and its quarantine: what an operator has to know. */

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agent/host_priv.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/opener.h"
#include "data/pool.h"
#include "data/quarantine.h"
#include "data/record.h"
#include "data/slots.h"

#define STAT_BYTES 512

/* --- slots -------------------------------------------------------------------------------- */

static bool is_told(enum heal_stage s)
{
	return s != HEAL_STAGE_NONE && s != HEAL_STAGE_HEALED;
}

/* A new reference; NULL: of this slot there is nothing to be said. */
static json_t *healing_of(const struct pool *p, const struct slots_entry *at)
{
	AUTO(slot) struct slot s = SLOT_INIT;
	AUTO(free) struct record *r = malloc(sizeof(*r));
	AUTO(free) char *name = str_fmt("%s.%llu", at->service, (unsigned long long)at->number);
	struct err ignored = ERR_INIT;

	if (!r || !name || slot_open(&s, p, at->service, at->number, false, &ignored) < 0 ||
	        record_read_at(r, s.fd, &ignored) != 0 || !is_told(r->heal.stage))
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:b}", "name", name, "stage",
	        heal_stage_name(r->heal.stage), "verdict", r->heal.verdict, "repair",
	        r->heal.repair, "tries", (json_int_t)r->heal.tries, "proof", r->heal.proof,
	        "is_served", slot_has_supervisor(s.fd));
}

json_t *host_healing(const struct pool *p)
{
	AUTO(slots) struct slots all = { 0 };
	AUTO(json) json_t *list = json_array();
	struct err ignored = ERR_INIT;

	if (slots_list(&all, p, &ignored) < 0)
		return json_null();
	for (size_t i = 0; list && i < all.n; i++) {
		json_t *o = healing_of(p, &all.v[i]);

		if (o && json_array_append_new(list, o) < 0)
			return NULL;
	}
	return TAKE(list);
}

/* --- quarantine --------------------------------------------------------------------------- */

struct count {
	int64_t deadline_ns;
	json_int_t entries;
	uint64_t bytes;
	bool is_complete;
};

static int count_one(
        int dirfd UNUSED, const char *name, const struct stat *st, void *arg, struct err *e)
{
	struct count *c = arg;

	(void)name;
	c->bytes += (uint64_t)st->st_blocks * STAT_BYTES;
	if (clock_mono_ns() < c->deadline_ns)
		return 0;
	c->is_complete = false;
	return err_set(e, ERR_TIMEOUT, "too much to count");
}

json_t *host_quarantine(const struct pool *p, int64_t deadline_ns)
{
	struct count c = { .deadline_ns = deadline_ns, .is_complete = true };
	struct err ignored = ERR_INIT;
	int fd = fs_open_dir_at(p->fd, QUARANTINE_DIR, false, 0, &ignored);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;

	while (d && (ent = readdir(d)))
		c.entries += ent->d_name[0] != '.';
	if (d)
		(void)closedir(d);
	else
		auto_close_fd(&fd);
	if (c.entries && fs_walk_at(p->fd, QUARANTINE_DIR, count_one, NULL, &c, &ignored) < 0)
		c.is_complete = false;
	return json_pack("{s:I, s:I, s:b}", "entries", c.entries, "allocated_bytes",
	        (json_int_t)c.bytes, "is_complete", c.is_complete);
}
