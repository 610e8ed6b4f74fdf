#include "agent/slots.h"

#include "agent/agent.h"
#include "base/lockfile.h"
#include "base/str.h"
#include "data/pool.h"
#include "data/record.h"
#include "data/slots.h"

/* *ret stays NULL for a slot whose directory was removed meanwhile. */
static int slot_json(json_t **ret, const struct pool *p, const struct slots_entry *s, struct err *e)
{
	AUTO(slot) struct slot dir = SLOT_INIT;
	struct err ignored = ERR_INIT;
	struct record r = { 0 };
	int held = -1;

	if (slot_open(&dir, p, s->service, s->number, false, &ignored) == 0)
		held = lockfile_is_held_at(dir.fd, SLOT_LOCK, &ignored);
	else if (ignored.kind == ERR_NOT_FOUND)
		return 0;
	err_clear(&ignored);
	if (dir.fd < 0 || record_read_at(&r, dir.fd, &ignored) != 0)
		r.task[0] = '\0';
	str_printable(r.task);
	*ret = json_pack("{s:s, s:I, s:o, s:s}", "service", s->service, "slot",
	        (json_int_t)s->number, "is_locked", held < 0 ? json_null() : json_boolean(held),
	        "task", r.task);
	return *ret ? 0 : err_nomem(e);
}

json_t *slots_json(const struct pool *p, struct err *e)
{
	AUTO(slots) struct slots s = { 0 };
	AUTO(json) json_t *list = json_array();
	json_t *j;

	if (slots_list(&s, p, e) < 0)
		return NULL;
	for (size_t i = 0; i < s.n; i++) {
		j = NULL;
		if (slot_json(&j, p, &s.v[i], e) < 0)
			return NULL;
		if (j && json_array_append_new(list, j) < 0) {
			err_nomem(e);
			return NULL;
		}
	}
	j = json_pack("{s:i, s:O, s:I}", "format", AGENT_FORMAT, "slots", list, "left_out",
	        (json_int_t)s.left_out);
	if (!j)
		err_nomem(e);
	return j;
}
