/* Operations on the directories of slots: prepare, verdict, and what all of it costs. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/lockfile.h"
#include "data/examine.h"
#include "data/generation.h"
#include "data/op_priv.h"
#include "data/pool.h"
#include "data/restore.h"
#include "data/slot.h"
#include "data/usage.h"
#include "nodeos/verdict.h"

json_t *op_usage(const struct op_context *c, const json_t *args UNUSED, struct err *e)
{
	return pool_usage_json(c->pool, c->progress, c->cancel, e);
}

json_t *op_verdict(const struct op_context *c, const json_t *args, struct err *e)
{
	const char *service = json_str(args, "service", "");
	json_int_t number = (json_int_t)json_int(args, "slot", 0);
	const struct examine_options o = { .chain_id = json_str(args, "chain_id", ""),
		.nodeos = json_str(args, "nodeos", "") };
	AUTO(slot) struct slot s = SLOT_INIT;
	AUTO(close_fd) int fd = -1;
	AUTO(json) json_t *j = NULL;

	if (slot_open(&s, c->pool, service, (uint64_t)number, false, e) < 0)
		return NULL;
	fd = fs_open_dir_at(s.fd, "data", false, 0, e);
	if (fd < 0 && e->kind != ERR_NOT_FOUND)
		return NULL;
	err_clear(e);
	j = data_examine(fd, c->pool, &o, e);
	if (j &&
	        json_object_update_new(
	                j, json_pack("{s:s, s:I}", "service", service, "slot", number)) < 0)
		return op_result(NULL, e);
	return TAKE(j);
}

/* --- prepare -------------------------------------------------------------------------------- */

/* Whether a nodeos would start there from nothing: 1, 0, -1. */
static int has_nothing(const struct slot *s, struct err *e)
{
	AUTO(close_fd) int fd = -1;
	struct data_verdict v;
	struct stat st;

	/* Its snapshot is there, and no nodeos has read it yet. */
	if (fstatat(s->fd, SLOT_FROM_SNAPSHOT, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	fd = fs_open_dir_at(s->fd, "data", false, 0, e);
	if (fd < 0 && e->kind == ERR_NOT_FOUND) {
		err_clear(e);
		return 1;
	}
	if (fd < 0 || nodeos_verdict_at(&v, fd, e) < 0)
		return -1;
	return v.state == DATA_EMPTY;
}

/* What a slot's copy of it takes: split logs become links. */
static uint64_t needed_bytes(const struct pool *p, const struct generation_hold *from)
{
	uint64_t sum = 0;

	for (size_t i = 0; p->method != POOL_REFLINK && i < from->m.files.n; i++) {
		const struct tree_file *f = &from->m.files.v[i];
		const char *slash = strrchr(f->path, '/');

		if (!clone_is_constant(slash ? slash + 1 : f->path))
			sum += f->data_bytes;
	}
	return sum;
}

/* Returns 1 when somebody holds the slot, 2 when it has data. */
static int prepare_slot(const struct op_context *c, const struct slot *s,
        const struct generation_hold *from, struct restore_report *ret, struct err *e)
{
	const struct clone_options o = { .cancel = c->cancel, .progress = c->progress };
	AUTO(close_fd) int lock = -1;
	int rc = lockfile_try_at(&lock, s->fd, SLOT_LOCK, NULL, e);

	if (rc != 0)
		return rc;
	if (lockfile_label(lock, "{\"holder\":\"nodeswarm data prepare\"}\n", e) < 0 ||
	        slot_settle(s, e) < 0)
		return -1;
	rc = has_nothing(s, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return 2;
	if (pool_check_room(c->pool, needed_bytes(c->pool, from), POOL_STOP_PERCENT, e) < 0)
		return -1;
	return slot_restore(
	        c->pool, s, from, SLOT_UID, SLOT_UID, "prepared by the operator", &o, ret, e);
}

static json_t *prepared_json(const struct op_context *c, const char *service, uint64_t number,
        const struct generation_hold *from, struct err *e)
{
	AUTO(slot) struct slot s = SLOT_INIT;
	struct restore_report r = { 0 };
	int64_t since = clock_mono_ns();
	struct err why = ERR_INIT;
	json_t *j;
	int rc;

	rc = slot_open(&s, c->pool, service, number, true, &why);
	if (rc == 0)
		rc = prepare_slot(c, &s, from, &r, &why);
	if (rc < 0 && why.kind == ERR_INTERRUPTED) {
		*e = why;
		return NULL;
	}
	if (rc < 0)
		j = json_pack("{s:I, s:s, s:o}", "slot", (json_int_t)number, "state", "failed",
		        "error", json_of_err(&why));
	else if (rc > 0)
		j = json_pack("{s:I, s:s}", "slot", (json_int_t)number, "state",
		        rc == 1 ? "in use" : "has data");
	else
		j = json_pack("{s:I, s:s, s:f, s:o}", "slot", (json_int_t)number, "state",
		        "restored", "took_seconds",
		        (double)(clock_mono_ns() - since) / (double)NS_PER_SEC, "clone",
		        clone_report_json(&r.clone));
	return op_result(j, e);
}

json_t *op_prepare(const struct op_context *c, const json_t *args, struct err *e)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	const char *service = json_str(args, "service", "");
	const json_t *slots = json_at(args, "slots");
	AUTO(json) json_t *list = json_array();

	if (generation_hold(&h, c->pool, json_str(args, "generation", GENERATION_CURRENT),
	            c->cancel, e) < 0)
		return NULL;
	for (size_t i = 0; i < json_array_size(slots); i++) {
		json_t *row = prepared_json(
		        c, service, (uint64_t)json_integer_value(json_array_get(slots, i)), &h, e);

		if (!row)
			return NULL;
		if (json_array_append_new(list, row) < 0)
			return op_result(NULL, e);
	}
	return op_result(json_pack("{s:s, s:O}", "generation", h.m.name, "slots", list), e);
}
