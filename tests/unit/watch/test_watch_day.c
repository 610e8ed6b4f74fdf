#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "fake/chain.h"
#include "watch/watch.h"

/*
 * A day of a chain, judged in seconds
 *
 * 21 producers make a block each half second, six nodes of ours and two references follow them, and
 * all are asked each second.  Every ten minutes something happens: each rule's trigger several
 * times, often with another one beside it, and between them things that look alike and are
 * harmless.  Each row of a kind says which findings it must have and by when, which it may have,
 * and how long they may stay; whatever else is found is false.
 */

#define DAY       86400
#define EPOCH     600
#define OWN       6
#define NODES     9 /* with two references, and one of ours that comes and goes */
#define REFERENCE 6
#define GUEST     8
#define PLACES    21
#define CYCLE     (PLACES * NODEOS_TURN)
#define SLOT      (CYCLE * 40000)
#define HISTORY   (CYCLE * 8) /* slots before the day */
#define LIB_LAG   330
#define TURN      0xfff /* all slots of a turn */
#define BUSY      100   /* transactions in a block */
#define WINDOW    254   /* seconds of production, and until the next block */

/* --- what happens --------------------------------------------------------------------------- */

struct event;

typedef void act_fn(struct event *ev, uint32_t t);

enum who {
	NODE,
	PRODUCER,
	NEXT, /* producer */
	ALL,  /* of us */
	ANY   /* of the rule's subjects */
};

struct expect {
	enum watch_rule_id rule;
	enum who who;
	uint32_t from;   /* seconds after the begin: not before */
	uint32_t within; /* seconds after the begin: it must be found by then; 0: it only may be */
	uint32_t tail;   /* seconds after the end: no longer */
};

struct kind {
	const char *name;
	uint32_t lasts; /* seconds */
	act_fn *act;    /* in each of them, before blocks are made */
	bool is_simple; /* heads are as ever: it may happen beside another one */
	bool is_of_reference;
	struct expect expects[8];
};

struct event {
	const struct kind *kind;
	uint32_t at;
	size_t node;
	unsigned place;  /* of the producer whose turn begins with it */
	uint32_t branch; /* head of its branch; 0: none */
	char producer[NODEOS_NAME_SIZE], next[NODEOS_NAME_SIZE];
	bool is_found[8];
};

/* All of it is reset before each second. */
static struct {
	unsigned skip[PLACES]; /* slots of a turn without a block on the lasting branch */
	unsigned fork[PLACES]; /* and with one on that event's branch */
	struct event *forker[PLACES];
	bool is_paused, is_lib_held;
	int32_t transactions;
} now;

static struct {
	/* Reset before each second. */
	bool is_lost, is_silent, is_down, is_of_other_chain, is_irreversible;
	int64_t skew_ns;
	const struct event *follows;
	uint32_t lib; /* 0: as its head says */
	uint32_t speed;
	int64_t answer_ns;
	int peers;
	double db_used_percent;
	unsigned crashes;
	/* Not reset. */
	int node;     /* of the model; -1: not there */
	uint32_t num; /* its head on the lasting branch */
	uint64_t starts;
	uint32_t started; /* the last time but the first; 0: never */
} nodes[NODES];

static const char *const names[NODES] = { "readers.1", "readers.2", "readers.3", "readers.4",
	"producer.1", "producer.2", "https://a.example", "https://b.example", "readers.5" };

static struct fake_chain c;
static struct watch *w;
static uint32_t head, lib, second; /* of the lasting branch: index, height */
static uint64_t seed;

static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void start_again(size_t node)
{
	nodes[node].starts++;
	nodes[node].started = second;
}

static void wrong_chain(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].is_of_other_chain = true;
}

static void lost(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].is_lost = true;
}

static void silent(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].is_silent = true;
}

static void down(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].is_down = true;
}

static void crashes(struct event *ev, uint32_t t)
{
	if (t == 0 || t == 10 || t == 20)
		start_again(ev->node);
	nodes[ev->node].crashes = t < 10 ? 1 : t < 20 ? 2 : 3;
}

static void slower(struct event *ev, uint32_t t)
{
	/* Half as fast as the chain, then it catches up. */
	nodes[ev->node].speed = t < 40 ? 1 : 20;
}

static void stuck(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].speed = 0;
}

static void lonely(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].peers = 0;
}

static void full(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].db_used_percent = 95;
}

static void slow(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].answer_ns = 800 * NS_PER_MS;
}

static void nearly_bad(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].answer_ns = 450 * NS_PER_MS;
	nodes[ev->node].db_used_percent = 89;
}

static void irreversible(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].is_irreversible = true;
}

static void slow_clock(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].skew_ns = -3600 * NS_PER_SEC;
}

static void fast_clock(struct event *ev, uint32_t t)
{
	(void)t;
	nodes[ev->node].skew_ns = 3600 * NS_PER_SEC;
}

static void all_slower(struct event *ev, uint32_t t)
{
	(void)ev;
	for (size_t i = 0; i < OWN; i++)
		nodes[i].speed = t < 60 ? 1 : 20;
}

static void cut_off(struct event *ev, uint32_t t)
{
	(void)ev;
	(void)t;
	for (size_t i = 0; i < OWN; i++)
		nodes[i].speed = 0;
}

static void restarts(struct event *ev, uint32_t t)
{
	if (t % 10 == 0)
		start_again((ev->node + t / 10) % OWN);
}

static void restart(struct event *ev, uint32_t t)
{
	if (t == 0)
		start_again(ev->node);
	nodes[ev->node].is_lost = t == 0;
}

static void paused(struct event *ev, uint32_t t)
{
	(void)ev;
	(void)t;
	now.is_paused = true;
}

static void lib_held(struct event *ev, uint32_t t)
{
	(void)ev;
	(void)t;
	now.is_lib_held = true;
}

static void idle(struct event *ev, uint32_t t)
{
	(void)ev;
	(void)t;
	now.transactions = 0;
}

static void misses(const struct event *ev, unsigned slots)
{
	now.skip[ev->place] |= slots;
}

static void four_slots(struct event *ev, uint32_t t)
{
	(void)t;
	misses(ev, 0x00f);
}

static void five_slots(struct event *ev, uint32_t t)
{
	(void)t;
	misses(ev, 0x2d1);
}

static void whole_turns(struct event *ev, uint32_t t)
{
	(void)t;
	misses(ev, TURN);
}

/* The producers of that place and of some after it are alone with the node on a branch. */
static void parted(struct event *ev, unsigned places)
{
	for (unsigned i = 0; i < places; i++) {
		unsigned place = (ev->place + i) % PLACES;

		now.skip[place] = now.fork[place] = TURN;
		now.forker[place] = ev;
	}
	nodes[ev->node].follows = ev;
}

static void forked(struct event *ev, uint32_t t)
{
	(void)t;
	parted(ev, 1);
}

static void long_forked(struct event *ev, uint32_t t)
{
	(void)t;
	parted(ev, 2);
}

static void split(struct event *ev, uint32_t t)
{
	parted(ev, 1);
	if (t >= 10)
		nodes[ev->node].lib = c.v[ev->branch].num;
}

static void makes_two(struct event *ev, unsigned slots)
{
	now.fork[ev->place] = slots;
	now.forker[ev->place] = ev;
	nodes[ev->node].follows = ev;
}

static void double_block(struct event *ev, uint32_t t)
{
	(void)t;
	makes_two(ev, 0x001);
}

static void copied_producer(struct event *ev, uint32_t t)
{
	(void)t;
	makes_two(ev, TURN);
}

/* The last blocks of a turn come too late for the next producer, but not for that node. */
static void dropped(struct event *ev, unsigned slots)
{
	now.skip[ev->place] |= slots;
	makes_two(ev, slots);
}

static void one_dropped(struct event *ev, uint32_t t)
{
	(void)t;
	dropped(ev, 0x800);
}

static void two_dropped(struct event *ev, uint32_t t)
{
	(void)t;
	dropped(ev, 0xc00);
}

static void guest(struct event *ev, uint32_t t)
{
	struct err e = ERR_INIT;

	if (t == 0) {
		nodes[GUEST].num = nodes[0].num;
		nodes[GUEST].node =
		        watch_add(w, &(struct watch_who){ WATCH_OWN, names[GUEST], "host9" }, &e);
	}
	if (t + 1 == ev->kind->lasts) {
		watch_remove(w, nodes[GUEST].node);
		nodes[GUEST].node = -1;
	}
}

/* The last two producers change their places. */
static void new_schedule(struct event *ev, uint32_t t)
{
	char name[NODEOS_NAME_SIZE];

	(void)ev;
	if (t)
		return;
	c.schedule.version++;
	memcpy(name, c.schedule.producers[PLACES - 1], sizeof(name));
	memcpy(c.schedule.producers[PLACES - 1], c.schedule.producers[PLACES - 2], sizeof(name));
	memcpy(c.schedule.producers[PLACES - 2], name, sizeof(name));
}

#define MISSED_TURN(who, within)                           \
	{ WATCH_MISSED_ROUNDS, who, 6, within, WINDOW },   \
	{                                                  \
		WATCH_MISSED_SLOTS, who, 3, within, WINDOW \
	}

static const struct kind kinds[] = {
	{ "wrong chain", 20, wrong_chain, true, false, { { WATCH_WRONG_CHAIN, NODE, 0, 1, 0 } } },
	{ "unreachable", 20, lost, true, false, { { WATCH_UNREACHABLE, NODE, 1, 2, 0 } } },
	{ "silent", 20, silent, true, false, { { WATCH_UNREACHABLE, NODE, 1, 2, 0 } } },
	{ "not serving", 20, down, true, false, { { WATCH_NOT_SERVING, NODE, 1, 2, 0 } } },
	{ "crash loop", 300, crashes, true, false, { { WATCH_CRASH_LOOP, NODE, 20, 21, 0 } } },
	{ "lagging", 50, slower, false, false, { { WATCH_LAGGING, NODE, 15, 34, 0 } } },
	{ "stalled", 40, stuck, false, false,
	        { { WATCH_NODE_STALLED, NODE, 19, 23, 0 }, { WATCH_LAGGING, NODE, 9, 14, 0 } } },
	{ "few peers", 40, lonely, true, false, { { WATCH_FEW_PEERS, NODE, 15, 16, 0 } } },
	{ "database full", 20, full, true, false, { { WATCH_DATABASE_FULL, NODE, 0, 1, 0 } } },
	{ "slow answers", 5, slow, true, false, { { WATCH_SLOW_ANSWERS, NODE, 0, 1, 0 } } },
	{ "reference stuck", 40, stuck, false, true,
	        { { WATCH_REFERENCE_LAGGING, NODE, 9, 14, 0 } } },
	{ "reference lost", 20, lost, true, true, { { WATCH_REFERENCE_LAGGING, NODE, 1, 2, 0 } } },
	{ "all lagging", 70, all_slower, false, false,
	        { { WATCH_ALL_LAGGING, ALL, 15, 34, 0 }, { WATCH_LAGGING, ANY, 15, 34, 0 } } },
	{ "cut off", 40, cut_off, false, false,
	        { { WATCH_ALL_LAGGING, ALL, 9, 14, 0 }, { WATCH_HEAD_STALLED, ALL, 19, 23, 0 },
	                { WATCH_LAGGING, ANY, 9, 14, 0 }, { WATCH_NODE_STALLED, ANY, 19, 0, 0 } } },
	{ "restarts", 21, restarts, true, false, { { WATCH_RESTARTS, ALL, 0, 21, 0 } } },
	{ "head stalled", 40, paused, false, false,
	        { { WATCH_HEAD_STALLED, ALL, 19, 23, 0 }, { WATCH_LOW_TPS, ALL, 40, 0, 60 },
	                /* Half of a cycle: those whose turn it was have missed it. */
	                { WATCH_MISSED_ROUNDS, ANY, 40, 43, WINDOW },
	                { WATCH_MISSED_SLOTS, ANY, 40, 43, WINDOW },
	                { WATCH_MISSED_ROUNDS, ALL, 40, 43, WINDOW } } },
	{ "long pause", 260, paused, false, false,
	        { { WATCH_HEAD_STALLED, ALL, 19, 23, 0 }, { WATCH_LOW_TPS, ALL, 260, 0, 60 },
	                { WATCH_MISSED_ROUNDS, ALL, 260, 263, WINDOW } } },
	{ "lib stalled", 80, lib_held, false, false, { { WATCH_LIB_STALLED, ALL, 59, 63, 0 } } },
	{ "forked", 16, forked, false, false,
	        { { WATCH_FORK, ALL, 6, 12, 1 }, MISSED_TURN(PRODUCER, 8) } },
	{ "reference forked", 16, forked, false, true,
	        { { WATCH_FORK, ALL, 6, 12, 1 }, MISSED_TURN(PRODUCER, 8) } },
	{ "long fork", 28, long_forked, false, false,
	        { { WATCH_LONG_FORK, ALL, 18, 24, 1 }, { WATCH_FORK, ALL, 12, 18, 1 },
	                /* Nobody goes on with its branch. */
	                { WATCH_LAGGING, NODE, 22, 0, 0 }, MISSED_TURN(PRODUCER, 14),
	                MISSED_TURN(NEXT, 14) } },
	{ "split", 220, split, false, false,
	        { { WATCH_SPLIT, ALL, 165, 200, 1 }, { WATCH_FORK, ALL, 6, 12, 1 },
	                { WATCH_LONG_FORK, ALL, 127, 0, 1 }, { WATCH_LAGGING, NODE, 10, 30, 1 },
	                { WATCH_NODE_STALLED, NODE, 20, 37, 1 }, MISSED_TURN(PRODUCER, 8) } },
	{ "low tps", 50, idle, false, false, { { WATCH_LOW_TPS, ALL, 22, 33, 40 } } },
	{ "missed slots", 140, four_slots, true, false,
	        { { WATCH_MISSED_SLOTS, PRODUCER, 126, 131, WINDOW } } },
	{ "missed rounds", 130, whole_turns, true, false, { MISSED_TURN(PRODUCER, 8) } },
	{ "double block", 1, double_block, false, false,
	        { { WATCH_DOUBLE_PRODUCTION, PRODUCER, 0, 3, 603 } } },
	{ "copied producer", 10, copied_producer, false, false,
	        { { WATCH_DOUBLE_PRODUCTION, PRODUCER, 0, 3, 603 },
	                { WATCH_FORK, ALL, 1, 6, 1 } } },
	/* harmless */
	{ "late round", 2, stuck, false, false },
	{ "lost round", 1, lost, true, false },
	{ "lost round of a reference", 1, lost, true, true },
	{ "restart", 1, restart, true, false },
	{ "few peers for a moment", 14, lonely, true, false },
	{ "just below the limits", 60, nearly_bad, true, false },
	{ "five slots", 6, five_slots, true, false },
	{ "one block dropped", 6, one_dropped, false, false },
	{ "two blocks dropped", 6, two_dropped, false, false },
	{ "two blocks dropped, told twice", 7, two_dropped, false, false },
	{ "idle for a moment", 25, idle, false, false },
	{ "stalled for a moment", 18, paused, false, false,
	        { { WATCH_MISSED_ROUNDS, ANY, 0, 0, WINDOW },
	                { WATCH_MISSED_SLOTS, ANY, 0, 0, WINDOW } } },
	{ "irreversible", 120, irreversible, true, false },
	{ "slow clock", 100, slow_clock, true, false },
	{ "fast clock", 100, fast_clock, true, false },
	{ "guest", 100, guest, true, false },
	{ "new schedule", 1, new_schedule, false, false },
};

#define KINDS      ARRAY_LEN(kinds)
#define EVENTS_MAX (2 * DAY / EPOCH)

static struct event events[EVENTS_MAX];
static size_t n_events, n_over; /* events before that one are explained and over */

/* --- the plan ------------------------------------------------------------------------------- */

static void plant(const struct kind *kind, uint32_t at, size_t not_node, unsigned not_place)
{
	struct event *ev = &events[n_events++];

	*ev = (struct event){ .kind = kind };
	do
		ev->node = kind->is_of_reference ? REFERENCE + draw(2) : draw(OWN);
	while (ev->node == not_node);
	/* At the begin of a turn, but not of a producer that has something else to do, nor of one
	 * beside it: what it misses is seen by the next one's block. */
	do {
		ev->at = at + 6 * (uint32_t)draw(20);
		ev->place = 2 * ev->at % CYCLE / NODEOS_TURN;
	} while (ev->place == not_place || ev->place == (not_place + 1) % PLACES ||
	        (ev->place + 1) % PLACES == not_place);
}

/* Nobody misses a slot while there are no blocks at all, we see none that does not reach us, and
 * none misses those of its place after the places have changed. */
static bool goes_with(const struct kind *beside, const struct kind *first)
{
	bool has_turns = first->act != paused && first->act != all_slower &&
	        first->act != cut_off && first->act != new_schedule;

	return beside->is_simple && (has_turns || beside->expects[0].rule < WATCH_MISSED_SLOTS);
}

/* Each kind once, in any order, then again; beside each second one another one. */
static void plan(void)
{
	size_t order[KINDS], left = 0;

	n_events = n_over = 0;
	for (uint32_t at = 0; at < DAY; at += EPOCH) {
		const struct event *first = &events[n_events];
		const struct kind *beside = &kinds[draw(KINDS)];
		size_t pick;

		for (; left == 0; left = KINDS)
			for (size_t i = 0; i < KINDS; i++)
				order[i] = i;
		pick = draw(left);
		plant(&kinds[order[pick]], at + 60, NODES, PLACES);
		order[pick] = order[--left];
		if (goes_with(beside, first->kind))
			plant(beside, at + 60, first->node, first->place);
	}
}

/* --- the chain, and who tells of it --------------------------------------------------------- */

static bool is_active(const struct event *ev)
{
	return ev->at <= second && second < ev->at + ev->kind->lasts;
}

static void act(void)
{
	memset(&now, 0, sizeof(now));
	now.transactions = BUSY;
	for (size_t i = 0; i < NODES; i++) {
		nodes[i].is_lost = nodes[i].is_silent = nodes[i].is_down = false;
		nodes[i].is_of_other_chain = nodes[i].is_irreversible = false;
		nodes[i].skew_ns = 0;
		nodes[i].follows = NULL;
		nodes[i].lib = 0;
		nodes[i].speed = 1000;
		nodes[i].answer_ns = NS_PER_MS;
		nodes[i].peers = 4;
		nodes[i].db_used_percent = 40;
		nodes[i].crashes = 0;
	}
	for (size_t i = n_over; i < n_events; i++) {
		struct event *ev = &events[i];

		if (second == ev->at) {
			memcpy(ev->producer, c.schedule.producers[ev->place], NODEOS_NAME_SIZE);
			memcpy(ev->next, c.schedule.producers[(ev->place + 1) % PLACES],
			        NODEOS_NAME_SIZE);
		}
		if (is_active(ev))
			ev->kind->act(ev, second - ev->at);
	}
}

static void make_slot(uint32_t slot)
{
	unsigned place = slot % CYCLE / NODEOS_TURN, bit = 1U << slot % NODEOS_TURN;
	struct event *ev = now.forker[place];

	if (ev && now.fork[place] & bit)
		ev->branch = fake_chain_add(&c, ev->branch ? ev->branch : head, slot, 0, false);
	if (!now.is_paused && !(now.skip[place] & bit))
		head = fake_chain_add(&c, head, slot, now.transactions, true);
	if (!now.is_lib_held && c.v[head].num > lib + LIB_LAG)
		lib = c.v[head].num - LIB_LAG;
}

static void advance(size_t i)
{
	uint32_t reached = c.v[head].num - (uint32_t)draw(2);

	if (reached > nodes[i].num + nodes[i].speed)
		reached = nodes[i].num + nodes[i].speed;
	if (reached > nodes[i].num)
		nodes[i].num = reached;
}

static void answer(size_t i, const struct sample_request *q, struct sample *s)
{
	const struct event *ev = nodes[i].follows;
	struct fake_teller t = { .head = ev && ev->branch ? ev->branch : c.main[nodes[i].num] };
	uint32_t num = c.v[t.head].num;

	t.lib = num > lib + LIB_LAG ? lib : num - LIB_LAG;
	if (nodes[i].lib)
		t.lib = nodes[i].lib;
	/* It was started in read-mode = irreversible, and is again without it. */
	if (nodes[i].is_irreversible)
		t.head = fake_chain_at(&c, t.head, t.lib);
	fake_chain_sample(&c, &t, q, s);
	if (nodes[i].is_irreversible)
		s->info.fork_db_head_block_num = num;
	if (nodes[i].is_of_other_chain)
		memset(s->info.chain_id, '7', 64);
	s->answer_ns = nodes[i].answer_ns;
	s->peers_connected = nodes[i].peers;
	s->db_used_percent = nodes[i].db_used_percent;
}

static void ask(size_t i, int64_t now_ns)
{
	struct sample s = SAMPLE_INIT;
	struct sample_request q;

	if (nodes[i].node < 0)
		return;
	advance(i);
	watch_ask(w, nodes[i].node, &q);
	if (nodes[i].is_lost) {
		watch_lose(w, nodes[i].node, "no answer within 1s", now_ns);
		return;
	}
	if (nodes[i].is_silent || nodes[i].is_down) {
		s.state = nodes[i].is_down ? SAMPLE_DOWN : SAMPLE_SILENT;
		snprintf(s.why, sizeof(s.why), "as planted");
	} else {
		answer(i, &q, &s);
	}
	s.real_ns = fake_slot_ns(SLOT + 2 * second + 1) + 200 * NS_PER_MS + nodes[i].skew_ns;
	if (i < REFERENCE) {
		snprintf(s.slot_state, sizeof(s.slot_state), "%s",
		        nodes[i].is_down ? "held" : "running");
		s.starts = nodes[i].starts;
		s.crashes = nodes[i].crashes;
	}
	watch_see(w, nodes[i].node, &s, now_ns);
	sample_release(&s);
}

/* --- what is found -------------------------------------------------------------------------- */

static struct {
	unsigned planted, found, is_false;
} counts[WATCH_RULES];

static bool is_of(const struct event *ev, enum who who, const char *subject)
{
	switch (who) {
	case NODE:
		return strcmp(subject, names[ev->node]) == 0;
	case PRODUCER:
		return strcmp(subject, ev->producer) == 0;
	case NEXT:
		return strcmp(subject, ev->next) == 0;
	case ALL:
		return !*subject;
	case ANY:
		return true;
	}
	return false;
}

/* The rest of a row is empty. */
static bool is_expect(const struct expect *x)
{
	return x->from || x->within || x->tail;
}

/* Nodes that were started again as lately as the rule asks, give or take a round. */
static size_t count_restarted(void)
{
	size_t n = 0;

	for (size_t i = 0; i < OWN; i++)
		n += nodes[i].started && second <= nodes[i].started + 601;
	return n;
}

/* Whether something that has happened explains it. */
static bool explain(const struct finding *f)
{
	bool is_explained = f->rule == WATCH_RESTARTS && count_restarted() > 2;

	for (size_t i = n_over; i < n_events; i++)
		for (size_t k = 0; k < ARRAY_LEN(kinds[0].expects); k++) {
			const struct expect *x = &events[i].kind->expects[k];
			uint32_t t = second - events[i].at;

			if (second < events[i].at || !is_expect(x) || f->rule != x->rule ||
			        !is_of(&events[i], x->who, f->subject) || t < x->from ||
			        t >= events[i].kind->lasts + x->tail)
				continue;
			is_explained = true;
			if (x->within && t <= x->within)
				events[i].is_found[k] = true;
		}
	return is_explained;
}

/* What happened about then. */
static void tell_events(uint32_t at)
{
	for (size_t i = 0; i < n_events; i++)
		if (events[i].at < at + 300 && at < events[i].at + events[i].kind->lasts + EPOCH)
			print_message("  %s, %s, %s at %u s\n", events[i].kind->name,
			        names[events[i].node], events[i].producer, events[i].at);
}

static void check(void)
{
	const struct findings *f = watch_findings(w);

	for (size_t i = 0; i < f->n; i++) {
		if (explain(&f->v[i]))
			continue;
		if (counts[f->v[i].rule].is_false++ < 3) {
			print_message("false at %u s: %s %s: %s\n", second,
			        watch_rules[f->v[i].rule].name, f->v[i].subject, f->v[i].text);
			tell_events(second);
		}
	}
	assert_int_equal(watch_is_healthy(w, WATCH_MINOR), f->n == 0);
}

static void close_books(void)
{
	for (size_t i = 0; i < n_events; i++)
		for (size_t k = 0; k < ARRAY_LEN(kinds[0].expects); k++) {
			const struct expect *x = &events[i].kind->expects[k];

			if (!x->within)
				continue;
			counts[x->rule].planted++;
			counts[x->rule].found += events[i].is_found[k];
			if (events[i].is_found[k])
				continue;
			print_message("missed: %s at %u s, within %u s: %s\n", events[i].kind->name,
			        events[i].at, x->within, watch_rules[x->rule].name);
			tell_events(events[i].at);
		}
}

/* --- the day -------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	struct watch_settings settings;
	struct err e = ERR_INIT;

	(void)state;
	memset(nodes, 0, sizeof(nodes));
	memset(counts, 0, sizeof(counts));
	watch_settings_init(&settings);
	settings.v[WATCH_T_MIN_TPS] = BUSY; /* half of what there is */
	w = watch_new(&settings, &e);
	fake_chain_init(&c, PLACES, SLOT - HISTORY - 1, 1);
	head = 1;
	for (uint32_t slot = SLOT - HISTORY; slot < SLOT; slot++)
		head = fake_chain_add(&c, head, slot, BUSY, true);
	lib = c.v[head].num - LIB_LAG;
	for (size_t i = 0; i < NODES; i++) {
		nodes[i].node = -1;
		nodes[i].starts = 1;
		nodes[i].num = c.v[head].num;
		if (i == GUEST)
			continue;
		nodes[i].node = watch_add(w,
		        &(struct watch_who){
		                i < REFERENCE ? WATCH_OWN : WATCH_REFERENCE, names[i], "" },
		        &e);
	}
	return w ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	watch_free(w);
	fake_chain_release(&c);
	return 0;
}

static uint64_t first_seed = 20261121;

static void a_day(uint64_t of_seed)
{
	size_t n_found = 0, n_planted = 0, n_false = 0;
	int64_t begin = clock_mono_ns();

	seed = of_seed;
	plan();
	for (second = 0; second < DAY; second++) {
		int64_t now_ns = (1000 + second) * NS_PER_SEC;

		act();
		make_slot(SLOT + 2 * second);
		make_slot(SLOT + 2 * second + 1);
		for (size_t i = 0; i < NODES; i++)
			ask(i, now_ns);
		watch_judge(w, now_ns);
		check();
		/* The longest that anything is told of. */
		while (n_over < n_events && events[n_over].at + 2 * EPOCH < second)
			n_over++;
	}
	close_books();
	for (size_t i = 0; i < WATCH_RULES; i++) {
		print_message("%-18s planted %2u, found in time %2u, false %u\n",
		        watch_rules[i].name, counts[i].planted, counts[i].found,
		        counts[i].is_false);
		n_planted += counts[i].planted;
		n_found += counts[i].found;
		n_false += counts[i].is_false;
		assert_true(counts[i].planted >= 2);
	}
	print_message("%zu events, %u blocks, %.1f s\n", n_events, c.v[head].num,
	        (double)(clock_mono_ns() - begin) / (double)NS_PER_SEC);
	assert_int_equal(n_found, n_planted);
	assert_int_equal(n_false, 0);
}

static void all_is_found_and_nothing_else(void **state)
{
	(void)state;
	a_day(first_seed);
}

/* Another day by its number. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_found_and_nothing_else, set_up, tear_down),
	};

	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 10);
	return cmocka_run_group_tests_name("watch/day", tests, NULL, NULL);
}
