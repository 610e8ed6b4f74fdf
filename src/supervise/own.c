#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "data/record.h"
#include "supervise/heal.h"
#include "supervise/supervise_priv.h"

/*
 * A slot's lock and record: to become the one supervisor of its slot
 */

/* The record of the last supervisor of this slot, continued under our own name. */
static void adopt_record(struct supervisor *s)
{
	struct err e = ERR_INIT;
	struct record old;
	int rc = record_read_at(&old, s->slot.fd, &e);

	if (rc < 0)
		log_warn("record not understood, starting a new one", "why=\"%s\"", e.msg);
	if (rc == 0) {
		s->record.starts = old.starts;
		s->record.restarts = old.restarts;
		s->record.nends = old.nends;
		memcpy(s->record.settings, old.settings, sizeof(old.settings));
		memcpy(s->record.generation, old.generation, sizeof(old.generation));
		memcpy(s->record.ends, old.ends, sizeof(old.ends));
	}
	supervisor_take_verdict(s);
	if (rc == 0)
		heal_adopt(s, &old, old.state != SLOT_STOPPED);
	if (rc == 0 && old.nodeos_pid) {
		/* It still says that nodeos runs, and its lock is free: it was killed. */
		struct record_end end = { .at_ns = clock_real_ns(),
			.asked = old.state == SLOT_STOPPING,
			.clean = record_verdict_is_clean(s->record.verdict) };

		snprintf(end.task, sizeof(end.task), "%s", old.task);
		snprintf(end.why, sizeof(end.why),
		        "its supervisor was killed in state %s before it could record the end",
		        slot_state_name(old.state));
		record_add_end(&s->record, &end);
	}
}

int supervisor_own_slot(struct supervisor *s, struct err *e)
{
	AUTO(free) char *label = NULL;
	AUTO(json)
	json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "node", s->record.node, "container",
	        s->record.container, "task", s->record.task, "boot_id", s->record.boot_id);

	label = j ? json_text(j, false) : NULL;
	if (!label)
		return err_nomem(e);
	if (lockfile_label(s->lock_fd, label, e) < 0)
		return -1;
	s->owns = true;
	adopt_record(s);
	sampling_adopt(s);
	if (archivist_start(s, e) < 0)
		return -1;
	output_init(&s->output, &s->loop, s->slot.fd);
	return 0;
}

/* Whether the slot's path still leads to the directory that we have open. */
static bool is_same_slot(const struct supervisor *s)
{
	AUTO(slot) struct slot now = SLOT_INIT;
	struct err ignored = ERR_INIT;
	struct stat a, b;

	return slot_open(&now, &s->pool, s->cfg->service, s->cfg->slot, false, &ignored) == 0 &&
	        fstat(now.fd, &a) == 0 && fstat(s->slot.fd, &b) == 0 && a.st_dev == b.st_dev &&
	        a.st_ino == b.st_ino;
}

int supervisor_take_slot(struct supervisor *s, struct err *e)
{
	AUTO(buf) struct buf holder = BUF_INIT(1024);
	int rc;

	if (s->pool.fd < 0 && pool_open(&s->pool, s->cfg->pool, e) < 0)
		return -1;
	if (s->slot.fd < 0 &&
	        slot_open(&s->slot, &s->pool, s->cfg->service, s->cfg->slot, true, e) < 0)
		return -1;
	if (s->lock_fd >= 0)
		return 0;
	rc = lockfile_try_at(&s->lock_fd, s->slot.fd, SLOT_LOCK, &holder, e);
	if (rc < 0 || (rc == 0 && !is_same_slot(s))) {
		/* Moved away or removed while we waited: nodeos would be given the
		 * path, not this. */
		auto_close_fd(&s->lock_fd);
		s->lock_fd = -1;
		slot_release(&s->slot);
		return rc < 0
		        ? -1
		        : err_set(e, ERR_CONFLICT, "the slot's directory was replaced meanwhile");
	}
	if (rc == 1) {
		supervisor_set_state(s, SLOT_WAITING,
		        "another container still has this slot's data-dir open: %s",
		        holder.len ? holder.data : "unknown");
		supervisor_attempt_in(s, SUPERVISOR_POLL_NS);
		return 1;
	}
	return rc;
}
