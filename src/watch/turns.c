#include "watch/turns.h"

#include <string.h>

/* --- schedules ----------------------------------------------------------------------------- */

void turns_learn(struct turns *t, const struct nodeos_schedule *s, uint32_t head_slot)
{
	size_t i = 0;

	if (s->n == 0)
		return;
	while (i < t->n_schedules && t->schedules[i].s.version != s->version)
		i++;
	if (i == t->n_schedules) {
		if (t->n_schedules < TURNS_SCHEDULES)
			t->n_schedules++;
		else
			i--;
	}
	memmove(&t->schedules[1], &t->schedules[0], i * sizeof(t->schedules[0]));
	t->schedules[0] = (struct turns_schedule){ .s = *s, .told_slot = head_slot };
	t->changes++;
}

static bool names_version(const struct nodeos_block *b)
{
	return !(b->schedule_version & TURNS_SAVANNA);
}

static bool fits(const struct turns_schedule *s, const struct nodeos_block *b)
{
	return strcmp(nodeos_schedule_at(&s->s, nodeos_slot(b->time_ns)), b->producer) == 0;
}

/* --- one slot after the other ---------------------------------------------------------------- */

struct walk {
	const struct turns *t;
	const struct followed *f;
	uint32_t first_slot;
	uint32_t holds_from; /* Savanna: the first slot for which the newest schedule holds */
	uint32_t distinct;   /* producers of blocks; 0: not counted yet */
};

enum span_kind {
	SPAN_MADE,
	SPAN_MISSED,
	SPAN_PAUSED,
	SPAN_OUTAGE /* of all producers; what it consists of follows */
};

struct span {
	enum span_kind kind;
	uint32_t slot;
	uint32_t slots;                   /* more than one only when paused: those in the window */
	struct turns_gap gap;             /* all of the pause, or outage */
	const char *owner;                /* whose turn it is; NULL: not known */
	const struct nodeos_block *block; /* made in that slot, or the next one that was made */
};

typedef void span_fn(void *arg, const struct span *s);

/* By which schedule a block was made; NULL: not known. */
static const struct turns_schedule *schedule_of(const struct walk *w, const struct nodeos_block *b)
{
	const struct turns *t = w->t;

	if (!names_version(b)) {
		if (!t->n_schedules || nodeos_slot(b->time_ns) < w->holds_from)
			return NULL;
		return fits(&t->schedules[0], b) ? &t->schedules[0] : NULL;
	}
	for (size_t i = 0; i < t->n_schedules; i++)
		if (t->schedules[i].s.version == b->schedule_version)
			/* Of a branch that is gone the same version may have been another one. */
			return fits(&t->schedules[i], b) ? &t->schedules[i] : NULL;
	return NULL;
}

static uint32_t find_holds_from(const struct turns *t, const struct followed *f)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_schedules; i++)
		if (t->schedules[i].s.n > n)
			n = t->schedules[i].s.n;
	for (uint32_t num = f->last; n && num && num >= f->first; num--) {
		const struct nodeos_block *b = followed_at(f, num);

		if (names_version(b))
			return nodeos_slot(b->time_ns) + 1;
		if (b->producer[0] && !fits(&t->schedules[0], b))
			return nodeos_slot(b->time_ns) + (uint32_t)n * NODEOS_TURN;
	}
	return 0;
}

/* How many different producers made the blocks that were seen. */
static uint32_t count_distinct(const struct followed *f)
{
	const char *names[NODEOS_PRODUCERS_MAX];
	uint32_t n = 0, i;

	for (uint32_t num = f->first; num <= f->last && n < ARRAY_LEN(names); num++) {
		const char *name = followed_at(f, num)->producer;

		/* Most often it is that of the block before. */
		for (i = n; i > 0 && strcmp(names[i - 1], name) != 0;)
			i--;
		if (i == 0 && *name)
			names[n++] = name;
	}
	return n;
}

/* The schedule has n producers, or as many as were seen if it is not known. */
static uint32_t two_cycles(struct walk *w, const struct turns_schedule *s)
{
	if (!s && !w->distinct)
		w->distinct = count_distinct(w->f);
	return 2 * NODEOS_TURN * (s ? (uint32_t)s->s.n : w->distinct);
}

/* The slots between two blocks, as far as they are in the window; s: of the later one. */
static void walk_gap(struct walk *w, const struct nodeos_block *before,
        const struct nodeos_block *b, const struct turns_schedule *s, span_fn *fn, void *arg)
{
	uint32_t begin = nodeos_slot(before->time_ns) + 1, end = nodeos_slot(b->time_ns);
	struct span span = { .kind = SPAN_MISSED, .slots = 1, .block = b };
	bool is_first = before->num == 1, is_long, is_stall;

	if (begin >= end)
		return;
	span.gap = (struct turns_gap){ begin, end - begin, b->num };
	is_long = is_first || span.gap.slots > two_cycles(w, s);
	is_stall = is_first || span.gap.slots >= w->t->stall_slots;
	if (begin < w->first_slot)
		begin = w->first_slot;
	if (!is_first && begin < end && (is_long || (is_stall && w->t->stall_slots))) {
		span.kind = SPAN_OUTAGE;
		fn(arg, &span);
		span.kind = SPAN_MISSED;
	}
	if (is_long && is_stall && begin < end) {
		span.kind = SPAN_PAUSED;
		span.slot = begin;
		span.slots = end - begin;
		fn(arg, &span);
		return;
	}
	for (span.slot = begin; span.slot < end; span.slot++) {
		bool is_sure = s &&
		        (names_version(b) ||
		                (span.slot >= w->holds_from && span.slot <= s->told_slot));

		span.owner = is_sure ? nodeos_schedule_at(&s->s, span.slot) : NULL;
		fn(arg, &span);
	}
}

static void walk(const struct turns *t, const struct followed *f, uint32_t first_slot, span_fn *fn,
        void *arg)
{
	struct walk w = {
		.t = t, .f = f, .first_slot = first_slot, .holds_from = find_holds_from(t, f)
	};
	const struct nodeos_block *before = NULL;

	for (uint32_t num = f->first; f->first && num <= f->last; num++) {
		const struct nodeos_block *b = followed_at(f, num);
		uint32_t slot = nodeos_slot(b->time_ns);

		/* Block 1 is nobody's. */
		if (slot >= first_slot && b->producer[0]) {
			const struct turns_schedule *s = schedule_of(&w, b);

			if (before)
				walk_gap(&w, before, b, s, fn, arg);
			fn(arg,
			        &(struct span){
			                .kind = SPAN_MADE,
			                .slot = slot,
			                .slots = 1,
			                .owner = s ? nodeos_schedule_at(&s->s, slot) : NULL,
			                .block = b,
			        });
		}
		before = b;
	}
}

/* --- counting -------------------------------------------------------------------------------- */

/* The turn under way. */
struct turn {
	uint32_t num; /* slot / NODEOS_TURN */
	struct turns_producer *producer;
	unsigned seen, made; /* slots */
	bool is_sure;        /* all of them are of that producer */
};

struct count {
	struct turns *t;
	struct turn turn;
	const char *name; /* the last one that was looked for */
	struct turns_producer *producer;
};

/* NULL: there are too many. */
static struct turns_producer *producer_of(struct count *c, const char *name)
{
	struct turns *t = c->t;
	size_t i = 0;

	/* A name of a schedule is the same text twelve times. */
	if (name == c->name)
		return c->producer;
	while (i < t->n_producers && strcmp(t->producers[i].name, name) != 0)
		i++;
	if (i == TURNS_PRODUCERS_MAX)
		return NULL;
	if (i == t->n_producers) {
		t->producers[t->n_producers] = (struct turns_producer){ 0 };
		memcpy(t->producers[t->n_producers++].name, name, strlen(name) + 1);
	}
	c->name = name;
	c->producer = &t->producers[i];
	return c->producer;
}

static void count_turn(struct count *c, const struct span *s, struct turns_producer *p)
{
	struct turn *turn = &c->turn;

	if (turn->num != s->slot / NODEOS_TURN || !turn->seen)
		*turn = (struct turn){
			.num = s->slot / NODEOS_TURN, .producer = p, .is_sure = true
		};
	turn->is_sure = turn->is_sure && s->owner && p && p == turn->producer;
	turn->seen++;
	turn->made += s->kind == SPAN_MADE;
	if (turn->seen == NODEOS_TURN && turn->is_sure) {
		p->rounds++;
		p->rounds_missed += !turn->made;
	}
}

static void add_outage(struct turns *t, const struct turns_gap *gap)
{
	if (t->n_outages < TURNS_OUTAGES)
		t->n_outages++;
	memmove(&t->outages[1], &t->outages[0], (t->n_outages - 1) * sizeof(t->outages[0]));
	t->outages[0] = *gap;
}

static void count_span(void *arg, const struct span *s)
{
	struct count *c = arg;
	struct turns *t = c->t;
	struct turns_producer *p = NULL;

	if (s->kind == SPAN_OUTAGE) {
		add_outage(t, &s->gap);
		return;
	}
	if (s->kind == SPAN_PAUSED) {
		t->paused += s->slots;
		t->pause = s->gap;
		return;
	}
	if (s->owner)
		p = producer_of(c, s->owner);
	else if (s->kind == SPAN_MADE)
		p = producer_of(c, s->block->producer);
	if (s->kind == SPAN_MADE) {
		t->blocks++;
		if (p)
			p->blocks++;
	} else {
		t->missed++;
		if (p)
			p->missed++;
	}
	count_turn(c, s, p);
}

/* Whether it is not known whose slots the newest ones are. */
static bool wants_schedule(const struct turns *t, const struct followed *f)
{
	struct walk w = { .t = t, .f = f };
	const struct nodeos_block *b = followed_at(f, f->last), *before;
	const struct turns_schedule *s;

	if (!b)
		return false;
	s = schedule_of(&w, b);
	if (!s)
		return true;
	if (names_version(b))
		return false;
	/* Is there a gap since it was told? */
	for (; nodeos_slot(b->time_ns) > s->told_slot + 1; b = before) {
		before = followed_at(f, b->num - 1);
		if (!before)
			break;
		if (nodeos_slot(before->time_ns) + 1 < nodeos_slot(b->time_ns))
			return true;
	}
	return false;
}

void turns_count(struct turns *t, const struct followed *f, uint32_t first_slot)
{
	struct count c = { .t = t };

	t->n_producers = 0;
	t->blocks = t->missed = t->paused = 0;
	t->pause = (struct turns_gap){ 0 };
	t->n_outages = 0;
	for (size_t i = 0; t->n_schedules && i < t->schedules[0].s.n; i++)
		(void)producer_of(&c, t->schedules[0].s.producers[i]);
	walk(t, f, first_slot, count_span, &c);
	t->wants_schedule = wants_schedule(t, f);
}

/* --- gaps of one producer -------------------------------------------------------------------- */

struct gaps {
	const char *producer;
	struct turns_gap *ring;
	size_t max, n; /* n of all of them, of which the newest are kept */
};

static void add_gap(void *arg, const struct span *s)
{
	struct gaps *g = arg;
	struct turns_gap *last = g->n ? &g->ring[(g->n - 1) % g->max] : NULL;

	if (s->kind != SPAN_MISSED || !s->owner || strcmp(s->owner, g->producer) != 0)
		return;
	if (last && last->slot + last->slots == s->slot)
		last->slots++;
	else
		g->ring[g->n++ % g->max] = (struct turns_gap){ s->slot, 1, s->block->num };
}

static void reverse(struct turns_gap *v, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct turns_gap t = v[i];

		v[i] = v[n - 1 - i];
		v[n - 1 - i] = t;
	}
}

size_t turns_gaps(const struct turns *t, const struct followed *f, uint32_t first_slot,
        const char *producer, struct turns_gap *out, size_t max)
{
	struct gaps g = { .producer = producer, .ring = out, .max = max };
	size_t at;

	walk(t, f, first_slot, add_gap, &g);
	if (g.n <= max) {
		reverse(out, g.n);
		return g.n;
	}
	/* The oldest is at n % max: the two parts the other way round, then each in its place. */
	at = g.n % max;
	reverse(out, at);
	reverse(out + at, max - at);
	return max;
}
