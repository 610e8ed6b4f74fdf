#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "data/generation.h"
#include "loop/work.h"
#include "supervise/supervise_priv.h"
#include "supervise/work_plan.h"

/*
 * The archivist's clock.  When this slot was archived last stands in the pool's generations, so
 * neither a restart nor a new host's task begins to count anew; work_plan.h has the rules.
 */

#define TICK_NS       (1 * NS_PER_SEC)
#define LIST_AGAIN_NS (60 * NS_PER_SEC)

struct archivist {
	struct loop_timer timer;
	struct work *thread;     /* looks at the generations */
	struct generations list; /* the thread's */
	bool is_known;           /* when the last one was made */
	int64_t last_ns;
	uint32_t last_head;
	unsigned failures;
	int64_t failed_ns;
	struct err err; /* of the last failure */
	enum archive_plan said;
};

static void on_tick(struct loop_timer *t, void *arg);

static void tick_in(struct supervisor *s, int64_t after_ns)
{
	struct archivist *a = s->archivist;

	loop_timer_set(&s->loop, &a->timer, clock_mono_ns() + after_ns, on_tick, s);
}

/* --- what there is --------------------------------------------------------------------------- */

static int list_them(void *arg, const volatile int *cancel UNUSED, struct err *e)
{
	struct supervisor *s = arg;

	return generations_list(&s->archivist->list, &s->pool, e);
}

static void on_listed(void *arg, int rc, const struct err *why)
{
	struct supervisor *s = arg;
	struct archivist *a = s->archivist;
	char name[sizeof(((struct manifest *)0)->source)];
	int64_t last_ns;
	uint32_t last_head;

	a->thread = NULL;
	if (rc < 0) {
		log_warn("the archivist cannot see the generations", "why=\"%s\"", why->msg);
		tick_in(s, LIST_AGAIN_NS);
		return;
	}
	snprintf(name, sizeof(name), "%s.%llu", s->cfg->service, (unsigned long long)s->cfg->slot);
	archive_last(&last_ns, &last_head, &a->list, name, clock_real_ns());
	if (last_ns > a->last_ns) {
		a->last_ns = last_ns;
		a->last_head = last_head;
	}
	generations_release(&a->list);
	a->is_known = true;
	tick_in(s, 0);
}

/* --- the clock -------------------------------------------------------------------------------- */

static void say(struct supervisor *s, enum archive_plan plan, int64_t due_ns)
{
	struct archivist *a = s->archivist;
	char when[CLOCK_TEXT_MAX];

	if (plan == a->said)
		return;
	a->said = plan;
	if (plan == ARCHIVE_LATER)
		log_info("next archive", "at=%s", clock_text(when, due_ns));
	else if (plan == ARCHIVE_WAITS)
		log_info("an archive is due and waits", "state=%s why=\"%s\"",
		        slot_state_name(s->record.state), s->health.ready.why);
}

static void archive_now(struct supervisor *s)
{
	const struct archive_order order = {
		.promote = true,
		.keeps_others = true,
		.integrity = s->render.has_integrity_hash,
		.keep = s->cfg->keep,
	};
	struct err e = ERR_INIT;

	if (archive_begin(s, "", &order, &e) < 0)
		archivist_note(s, NULL, &e);
}

static void on_tick(struct loop_timer *t UNUSED, void *arg)
{
	struct supervisor *s = arg;
	struct archivist *a = s->archivist;
	struct err e = ERR_INIT, produces = ERR_INIT;
	struct archive_facts f = {
		.now_ns = clock_real_ns(),
		.every_ns = s->cfg->archive_every_ns,
		.last_ns = a->last_ns,
		.failures = a->failures,
		.failed_ns = a->failed_ns,
		.is_ready = supervisor_is_ready(s),
		.is_busy = slot_work_is_active(s) || s->stop_asked ||
		        producing_may_stop_for_work(s, &produces) < 0,
		.head = s->health.has_info ? s->health.info.head_block_num : 0,
		.last_head = a->last_head,
	};
	enum archive_plan plan;
	int64_t due;

	if (!a->is_known) {
		if (!a->thread)
			a->thread = work_start(&s->loop, list_them, on_listed, s, &e);
		if (!a->thread)
			tick_in(s, LIST_AGAIN_NS);
		return;
	}
	tick_in(s, TICK_NS);
	plan = archive_plan(&due, &f);
	say(s, plan, due);
	if (plan == ARCHIVE_NOW) {
		archive_now(s);
	} else if (plan == ARCHIVE_NO_BLOCKS) {
		log_info("no archive, because there is no block since the last one", "head=%u",
		        f.head);
		a->last_ns = f.now_ns;
		a->failures = 0;
	}
}

void archivist_note(struct supervisor *s, const struct manifest *m, const struct err *why)
{
	struct archivist *a = s->archivist;

	if (why && why->kind != ERR_INTERRUPTED)
		s->archived.failures++;
	if (!a)
		return;
	if (m) {
		a->last_ns = m->created_ns;
		a->last_head = m->head_block_num;
		a->failures = 0;
		a->is_known = true;
	} else {
		a->failures++;
		a->failed_ns = clock_real_ns();
		a->err = *why;
	}
	a->said = ARCHIVE_OFF;
}

void archivist_warnings(const struct supervisor *s, json_t *list)
{
	const struct archivist *a = s->archivist;
	json_t *text;

	if (!a || !a->failures)
		return;
	text = json_sprintf("%u archive%s failed in a row, the last one: %s", a->failures,
	        a->failures == 1 ? "" : "s", a->err.msg);
	(void)json_array_append_new(list, text);
}

int archivist_start(struct supervisor *s, struct err *e)
{
	if (s->cfg->archive_every_ns < 0 || s->archivist)
		return 0;
	s->archivist = calloc(1, sizeof(*s->archivist));
	if (!s->archivist)
		return err_nomem(e);
	tick_in(s, 0);
	return 0;
}

void archivist_free(struct archivist *a, struct loop *l)
{
	if (!a)
		return;
	work_free(a->thread);
	loop_timer_remove(l, &a->timer);
	generations_release(&a->list);
	free(a);
}
