#include <poll.h>
#include <stddef.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "data/unshare.h"
#include "loop/work.h"
#include "supervise/supervise_priv.h"

/*
 * What is left to do when an archive is done and answered: the slot shares all of its blocks with
 * the generation now, and each archive before has left its state in more pieces.  Only while nodeos
 * runs: a quiesced data-dir may be somebody else's to copy.
 */

#define WAIT_MS 10

static void on_file(void *arg, const struct unshare_file *f)
{
	struct supervisor *s = arg;
	char bytes[NUM_TEXT_MAX], took[NUM_TEXT_MAX];

	(void)num_size_text(bytes, f->bytes);
	if (f->outcome == UNSHARE_NO_ROOM)
		log_warn("a file stays in pieces, there is no room to unshare it",
		        "file=\"%s\" extents=%llu bytes=%s", f->name,
		        (unsigned long long)f->extents_after, bytes);
	else
		log_info("a file was unshared",
		        "file=\"%s\" extents_before=%llu extents_after=%llu bytes=%s took=%s",
		        f->name, (unsigned long long)f->extents_before,
		        (unsigned long long)f->extents_after, bytes,
		        num_duration_text(took, f->took_ns));
	/* Holes, or free space that is in pieces itself: not again after each archive. */
	if (f->outcome == UNSHARE_DONE && f->extents_after > s->unshare_extents)
		s->unshare_extents = 2 * f->extents_after;
}

static int unshare(void *arg, const volatile int *cancel, struct err *e)
{
	struct supervisor *s = arg;
	const struct unshare_options o = { .extents_max = s->unshare_extents,
		.limit_percent = s->unshare_limit_percent,
		.cancel = cancel,
		.fn = on_file,
		.arg = s };
	int rc = unshare_tree(s->slot.fd, "data", &o, e);

	s->is_unsharing = false;
	return rc;
}

static void on_unshared(void *arg, int rc, const struct err *why)
{
	struct supervisor *s = arg;

	s->unshare = NULL;
	if (rc > 0) {
		s->cannot_unshare = true;
		log_debug("files stay in pieces, this file system cannot unshare them", "%s", "");
	} else if (rc < 0 && why->kind == ERR_INTERRUPTED) {
		log_info("unsharing was cancelled", "%s", "");
	} else if (rc < 0) {
		log_warn("files stay in pieces", "why=\"%s\"", why->msg);
	}
	if (s->stop_asked)
		supervisor_thread_ended(s);
}

void slot_unshare_begin(struct supervisor *s)
{
	struct err e = ERR_INIT;

	if (s->unshare || s->cannot_unshare || s->stop_asked || s->quiesce_asked ||
	        !supervisor_nodeos_alive(s))
		return;
	if (!s->unshare_extents)
		s->unshare_extents = s->cfg->unshare_extents;
	s->unshare_limit_percent = supervisor_disk_limit(s);
	s->is_unsharing = true;
	s->unshare = work_start(&s->loop, unshare, on_unshared, s, &e);
	if (s->unshare)
		return;
	s->is_unsharing = false;
	log_warn("files are not unshared", "why=\"%s\"", e.msg);
}

bool slot_unshare_cancel(struct supervisor *s)
{
	work_cancel(s->unshare);
	return s->unshare;
}

int slot_unshare_wait(const struct supervisor *s, const volatile int *cancel, struct err *e)
{
	while (s->is_unsharing && !cancel_is_set(cancel))
		(void)poll(NULL, 0, WAIT_MS);
	return s->is_unsharing ? err_set(e, ERR_INTERRUPTED, "interrupted") : 0;
}

void slot_unshare_release(struct supervisor *s)
{
	work_free(s->unshare);
	s->unshare = NULL;
}
