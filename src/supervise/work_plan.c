#include "supervise/work_plan.h"

#include <string.h>

enum restore_plan restore_plan(const struct restore_facts *f)
{
	enum restore_plan plan;

	if (!f->may_restore || !f->has_current)
		return RESTORE_NOT;
	if (f->verdict == DATA_EMPTY)
		plan = RESTORE_EMPTY;
	else if ((f->verdict == DATA_CLEAN || f->verdict == DATA_FAR_BEHIND) && !f->is_snapshot &&
	        f->our_lib && f->lib > f->our_lib && f->lib - f->our_lib > f->far_behind)
		plan = RESTORE_BEHIND;
	else
		return RESTORE_NOT;
	/* Without a genesis an empty slot is of any chain; one that has blocks always knows. */
	if (!*f->our_chain_id)
		return plan == RESTORE_EMPTY ? plan : RESTORE_NOT;
	return strcmp(f->our_chain_id, f->chain_id) == 0 ? plan : RESTORE_OTHER_CHAIN;
}

enum snapshot_plan snapshot_plan(const struct snapshot_start_facts *f)
{
	switch (f->verdict) {
	case DATA_EMPTY:
		return f->has_file ? SNAPSHOT_START : SNAPSHOT_MISSING;
	case DATA_CLEAN:
	case DATA_FAR_BEHIND:
		return SNAPSHOT_LOADED;
	case DATA_DIRTY:
	case DATA_IN_USE:
	case DATA_DAMAGED:
	case DATA_FOREIGN:
		break;
	}
	return f->tries > 0 && f->has_file ? SNAPSHOT_AGAIN : SNAPSHOT_NOT_OURS;
}

void archive_last(int64_t *ret_ns, uint32_t *ret_head, const struct generations *g,
        const char *source, int64_t now_ns)
{
	*ret_ns = 0;
	*ret_head = 0;
	for (size_t i = 0; i < g->n; i++) {
		const struct manifest *m = &g->v[i].m;

		if (strcmp(m->source, source) != 0 || strcmp(m->origin, "archive") != 0 ||
		        m->created_ns <= *ret_ns || m->created_ns > now_ns)
			continue;
		*ret_ns = m->created_ns;
		*ret_head = m->head_block_num;
	}
}

static int64_t retry_ns(const struct archive_facts *f)
{
	int64_t wait = f->every_ns < ARCHIVE_RETRY_NS ? f->every_ns : ARCHIVE_RETRY_NS;

	for (unsigned i = 1; i < f->failures && wait < ARCHIVE_RETRY_MAX_NS; i++)
		wait *= 2;
	return wait < ARCHIVE_RETRY_MAX_NS ? wait : ARCHIVE_RETRY_MAX_NS;
}

enum archive_plan archive_plan(int64_t *ret_due_ns, const struct archive_facts *f)
{
	int64_t due;

	*ret_due_ns = 0;
	if (f->every_ns < 0)
		return ARCHIVE_OFF;
	/* A time in the future was taken from a clock that was wrong; it must not stop us for
	 * years. */
	if (f->failures)
		due = f->failed_ns <= f->now_ns ? f->failed_ns + retry_ns(f) : f->now_ns;
	else
		due = f->last_ns <= f->now_ns ? f->last_ns + f->every_ns : f->now_ns;
	*ret_due_ns = due;
	if (f->now_ns < due)
		return ARCHIVE_LATER;
	if (!f->is_ready || f->is_busy)
		return ARCHIVE_WAITS;
	return f->head && f->head == f->last_head ? ARCHIVE_NO_BLOCKS : ARCHIVE_NOW;
}
