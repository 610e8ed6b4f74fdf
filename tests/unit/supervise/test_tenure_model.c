#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"
#include "fake/producers.h"

/*
 * What the model is asked: whether two can sign, with every fault that we know of, and how long it
 * takes until somebody does.  A failing seed alone: NODESWARM_MODEL_SEED=N; more of them:
 * NODESWARM_MODEL_TRIALS=N.
 */

#define TRIALS     1000
#define CPU_LIMIT  100 /* seconds; under valgrind that is less than all */
#define ENOUGH     3   /* so often a breakage has to be found */
#define END        (75 * SEC)
#define FAULT_END  0x100
#define FAULT_TRAP 0x200

static const char *const fault_names[FAULTS] = {
	[FAULT_PARTITION] = "partition",
	[FAULT_CUT_BROKER] = "cut from the brokers",
	[FAULT_CUT_PEERS] = "cut from the peers",
	[FAULT_POWER] = "power-off",
	[FAULT_ENGINE] = "engine kill",
	[FAULT_STOP_NODEOS] = "SIGSTOP of nodeos",
	[FAULT_STOP_SUPERVISOR] = "SIGSTOP of the supervisor",
	[FAULT_STOP_BOTH] = "SIGSTOP of both",
	[FAULT_KILL_NODEOS] = "SIGKILL of nodeos",
	[FAULT_KILL] = "SIGKILL of the container",
	[FAULT_LEADER] = "leader loss",
	[FAULT_BROKERS] = "broker loss",
	[FAULT_UPDATE] = "quick updates",
	[FAULT_REPLICA] = "two replicas",
	[FAULT_FAILOVER] = "failover",
	[FAULT_PAUSE] = "pause and resume",
	[FAULT_CLOCK] = "clock step",
};

/* --- faults ---------------------------------------------------------------------------------- */

static int a_target(struct model *m)
{
	int who = model_cand_holder(m);

	if (who >= 0 && model_chance(m, m->broken == BROKEN_COMPARE ? 0 : 70))
		return who;
	for (int i = 0; i < 20; i++) {
		who = (int)model_random(m, (uint64_t)m->ncand);
		if (m->cand[who].exists)
			return who;
	}
	return 0;
}

/* Where none ever was: on one host the lock of the place keeps those of one number apart, and two
 * of different numbers would be cut off together, and be level with each other. */
static int a_host(const struct model *m)
{
	for (int h = 0; h < MODEL_HOSTS; h++) {
		bool is_free = true;

		for (int i = 0; i < m->ncand; i++)
			is_free &= m->cand[i].host != h;
		if (is_free)
			return h;
	}
	return -1;
}

static void another(struct model *m, int number)
{
	int host = a_host(m);

	if (m->ncand < MODEL_CANDS && host >= 0)
		model_cand_start(m, model_cand_add(m, host, number));
}

static void power(struct model *m, int host, bool on)
{
	struct host *h = &m->host[host];

	for (int i = 0; i < m->ncand; i++) {
		struct cand *c = &m->cand[i];

		if (c->host != host)
			continue;
		if (on && c->was_up) {
			model_cand_start(m, i);
		} else if (!on) {
			c->was_up = c->exists && !c->is_stopping;
			model_cand_kill(m, i);
			/* The page cache is gone. */
			if (model_chance(m, 50))
				c->disk_slot = 0;
		}
	}
	if (on)
		return;
	h->boots++;
	h->true_base = m->now;
	h->boot_base = model_between(m, 10, 60) * SEC;
}

static int64_t duration(struct model *m, enum fault what)
{
	switch (what) {
	case FAULT_POWER:
	case FAULT_ENGINE:
		return model_between(m, 5000, 20000) * MS;
	case FAULT_LEADER:
		return model_between(m, 10000, 20000) * MS;
	case FAULT_KILL:
	case FAULT_UPDATE:
		return model_between(m, 50, 5000) * MS;
	case FAULT_PARTITION:
	case FAULT_CUT_BROKER:
	case FAULT_CUT_PEERS:
	case FAULT_STOP_NODEOS:
	case FAULT_STOP_SUPERVISOR:
	case FAULT_STOP_BOTH:
	case FAULT_KILL_NODEOS:
	case FAULT_BROKERS:
	case FAULT_REPLICA:
	case FAULT_FAILOVER:
	case FAULT_PAUSE:
	case FAULT_CLOCK:
	case FAULTS:
		break;
	}
	/* About as long as a term as often as anything else. */
	return model_chance(m, 50) ? model_between(m, 200, 6000) * MS
	                           : model_between(m, 1000, 20000) * MS;
}

static void freeze(struct model *m, enum fault what, int who, bool on)
{
	bool nodeos_first = model_chance(m, 50);

	if (what != FAULT_STOP_SUPERVISOR && nodeos_first)
		model_node_freeze(m, who, on);
	if (what != FAULT_STOP_NODEOS)
		model_cand_freeze(m, who, on);
	if (what != FAULT_STOP_SUPERVISOR && !nodeos_first)
		model_node_freeze(m, who, on);
}

static void begin(struct model *m, enum fault what, int64_t lasts)
{
	int who = a_target(m);
	struct cand *c = &m->cand[who];
	int64_t end = m->now + lasts;

	model_at(m, end, EV_FAULT, -1, (int)what | FAULT_END, who);
	if (what == FAULT_PARTITION || what == FAULT_CUT_PEERS)
		m->host[c->host].is_cut_peers = true;
	if (what == FAULT_PARTITION || what == FAULT_CUT_BROKER)
		m->host[c->host].is_cut_broker = true;
	if (what == FAULT_POWER)
		power(m, c->host, false);
	else if (what == FAULT_STOP_NODEOS || what == FAULT_STOP_SUPERVISOR ||
	        what == FAULT_STOP_BOTH) {
		/* The worst moment: the gate has answered, and nodeos has not read it. */
		if (model_chance(m, 50))
			c->trap = (int)what | FAULT_TRAP;
		else
			freeze(m, what, who, true);
	} else if (what == FAULT_KILL_NODEOS)
		model_node_kill(m, who);
	else if (what == FAULT_KILL)
		model_cand_kill(m, who);
	else if (what == FAULT_LEADER)
		m->leader_back_at = end;
	else if (what == FAULT_BROKERS)
		m->brokers_back_at = end;
	else if (what == FAULT_UPDATE) {
		model_cand_stop(m, who);
		another(m, c->number);
	} else if (what == FAULT_REPLICA)
		another(m, 7);
	else if (what == FAULT_FAILOVER && m->record.version)
		model_order(m, LEASE_ORDER_FAILOVER,
		        model_chance(m, 30) ? m->cand[model_random(m, 2)].holder : "");
	else if (what == FAULT_PAUSE && m->record.version)
		model_order(m, LEASE_ORDER_PAUSE, "");
	else if (what == FAULT_CLOCK)
		m->host[c->host].real_offset +=
		        model_between(m, 100, 5000) * MS * (model_chance(m, 50) ? 1 : -1);
	m->loses_answers = what == FAULT_LEADER || model_chance(m, 20);
}

static void finish(struct model *m, enum fault what, int who)
{
	struct cand *c = &m->cand[who];

	m->loses_answers = false;
	if (what == FAULT_PARTITION || what == FAULT_CUT_BROKER)
		m->host[c->host].is_cut_broker = false;
	if (what == FAULT_PARTITION || what == FAULT_CUT_PEERS) {
		m->host[c->host].is_cut_peers = false;
		for (int i = 0; i < m->ncand; i++)
			if (m->cand[i].host == c->host)
				model_resync(m, i);
	} else if (what == FAULT_POWER)
		power(m, c->host, true);
	else if (what == FAULT_STOP_NODEOS || what == FAULT_STOP_SUPERVISOR ||
	        what == FAULT_STOP_BOTH) {
		c->trap = 0;
		freeze(m, what, who, false);
	} else if (what == FAULT_KILL && !c->exists)
		model_cand_start(m, who);
	else if (what == FAULT_ENGINE && c->exists) {
		/* Elsewhere after a while; the old one is stopped when the engine is back. */
		if (!c->is_doubled) {
			c->is_doubled = true;
			another(m, c->number);
			model_at(m, m->now + 8 * SEC, EV_FAULT, -1, (int)what | FAULT_END, who);
		} else
			model_cand_stop(m, who);
	} else if (what == FAULT_UPDATE) {
		for (int i = m->ncand - 1; i >= 0; i--)
			if (m->cand[i].number == c->number && m->cand[i].exists &&
			        !m->cand[i].is_stopping) {
				model_cand_stop(m, i);
				break;
			}
		another(m, c->number);
	} else if (what == FAULT_PAUSE && m->record.order == LEASE_ORDER_PAUSE)
		model_order(m, LEASE_ORDER_NONE, "");
}

static void on_fault(struct model *m, int what, int64_t arg)
{
	if (what & FAULT_TRAP) {
		m->cand[arg].trap = 0;
		freeze(m, (enum fault)(what & ~FAULT_TRAP), (int)arg, true);
	} else if (what & FAULT_END)
		finish(m, (enum fault)(what & ~FAULT_END), (int)arg);
	else
		begin(m, (enum fault)what, arg);
}

/* --- trials ---------------------------------------------------------------------------------- */

static struct model *new_model(uint64_t seed, enum breakage broken)
{
	struct model *m = model_new(seed, broken);
	int n = model_chance(m, 50) ? 3 : 2;

	m->on_fault = on_fault;
	for (int i = 0; i < n; i++)
		model_cand_start(m, model_cand_add(m, i, i + 1));
	return m;
}

struct sums {
	unsigned trials, blocks, changes, kills, terms, heals, late, late_forks, other, quiet,
	        reader_heals;
	unsigned by[FAULTS];
	int64_t longest_gap;
};

static bool is_bad(const struct verdicts *v)
{
	return v->overlaps || v->twice || v->forks || v->epochs_back || v->unfenced ||
	        v->strangers || v->orphans;
}

static void tell(
        char why[500], const struct model *m, uint64_t seed, const char *faults, bool is_quiet)
{
	const struct verdicts *v = &m->v;

	snprintf(why, 500,
	        "seed %llu:%.120s: overlaps %u, twice %u, forks %u, epochs back %u, unfenced %u, "
	        "strangers %u, orphans %u%s; %.100s",
	        (unsigned long long)seed, faults, v->overlaps, v->twice, v->forks, v->epochs_back,
	        v->unfenced, v->strangers, v->orphans, is_quiet ? ", no block at the end" : "",
	        m->trace);
}

static void add(struct sums *sum, const struct verdicts *v, bool has_clock, bool is_quiet)
{
	sum->trials++;
	sum->blocks += v->blocks;
	sum->changes += v->changes;
	sum->kills += v->kills;
	sum->terms += v->terms;
	sum->heals += v->heals;
	sum->late += v->late;
	sum->reader_heals += v->reader_heals;
	sum->late_forks += v->late_forks;
	sum->other += v->other;
	sum->quiet += is_quiet;
	if (!has_clock && v->longest_gap > sum->longest_gap)
		sum->longest_gap = v->longest_gap;
}

/* often: the fault that is more frequent than others; FAULTS: none.  Returns whether nobody signs
 * at the end although all is well again. */
static bool trial(uint64_t seed, enum breakage broken, enum fault often, struct sums *sum,
        struct verdicts *ret, char why[500])
{
	struct model *m = new_model(seed, broken);
	int n = 1 + (int)model_random(m, 3);
	bool is_quiet, has_clock = false;
	char text[200] = "";

	if (broken == BROKEN_FLOOR)
		for (int i = 0; i < MODEL_HOSTS; i++)
			m->host[i].real_offset = model_between(m, -3000, 3000) * MS;
	for (int i = 0; i < n; i++) {
		enum fault what = often != FAULTS && model_chance(m, 60)
		        ? often
		        : (enum fault)model_random(m, FAULTS);
		int64_t lasts;

		/* One that was cut off takes it. */
		if (broken == BROKEN_COMPARE)
			what = i ? FAULT_FAILOVER : FAULT_CUT_PEERS;
		lasts = duration(m, what);
		has_clock |= what == FAULT_CLOCK;
		sum->by[what]++;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s (%.1f s)",
		        fault_names[what], (double)lasts / 1e9);
		model_at(m, model_between(m, 8000, 25000) * MS, EV_FAULT, -1, (int)what, lasts);
	}
	model_run(m, END);
	is_quiet = m->now - m->v.last_block_at > 3 * SEC;
	tell(why, m, seed, text, is_quiet);
	add(sum, &m->v, has_clock, is_quiet);
	*ret = m->v;
	model_free(m);
	return is_quiet && !has_clock;
}

static bool has_time(void)
{
	return clock() < CPU_LIMIT * CLOCKS_PER_SEC;
}

static void nobody_signs_beside_another(void **state)
{
	const char *only = getenv("NODESWARM_MODEL_SEED");
	const char *more = getenv("NODESWARM_MODEL_TRIALS");
	uint64_t trials = more ? strtoull(more, NULL, 10) : TRIALS;
	struct sums sum = { 0 };
	unsigned bad = 0;
	char why[500];
	struct verdicts v;

	(void)state;
	for (uint64_t seed = 1; seed <= trials && (more || has_time()); seed++) {
		if (only && seed != strtoull(only, NULL, 10))
			continue;
		if ((trial(seed, BROKEN_NOTHING, FAULTS, &sum, &v, why) || is_bad(&v)) &&
		        bad++ < 10)
			print_error("%s\n", why);
	}
	print_message("%u trials: %u blocks, %u changes of hands, %u nodeos killed and %u stopped "
	              "by their tenure, %u healed, %u late blocks and %u others lost, %u switches "
	              "for late ones (%u could not be left), longest gap %.1f s\n",
	        sum.trials, sum.blocks, sum.changes, sum.kills, sum.terms, sum.heals, sum.late,
	        sum.other - sum.late, sum.late_forks, sum.reader_heals,
	        (double)sum.longest_gap / 1e9);
	for (int i = 0; i < FAULTS; i++)
		print_message("  %4u %s\n", sum.by[i], fault_names[i]);
	assert_int_equal(bad, 0);
}

static void the_oracle_finds_what_is_broken(void **state)
{
	static const struct {
		const char *name;
		enum breakage broken;
		enum fault fault; /* that provokes it */
		size_t verdict;   /* by which it has to be found */
	} t[] = {
#define FOUND_BY(x) offsetof(struct verdicts, x)
		{ "no guard", BROKEN_GUARD, FAULT_PARTITION, FOUND_BY(overlaps) },
		{ "a taker does not wait", BROKEN_WAIT, FAULTS, FOUND_BY(overlaps) },
		{ "a right is counted from the answer", BROKEN_BEGIN, FAULT_STOP_SUPERVISOR,
		        FOUND_BY(overlaps) },
		{ "the gate does not look at the right", BROKEN_GATE, FAULT_STOP_SUPERVISOR,
		        FOUND_BY(strangers) },
		{ "floors are not kept", BROKEN_FLOOR, FAULT_PARTITION, FOUND_BY(twice) },
		{ "no compare-and-swap", BROKEN_CAS, FAULTS, FOUND_BY(twice) },
		{ "no compare-and-swap", BROKEN_CAS, FAULTS, FOUND_BY(forks) },
		{ "heads are not compared", BROKEN_COMPARE, FAULT_CUT_PEERS, FOUND_BY(orphans) },
		{ "a pause is not waited for", BROKEN_PAUSE, FAULT_STOP_NODEOS,
		        FOUND_BY(unfenced) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct sums sum = { 0 };
		unsigned found = 0, n = 0;
		char why[500], first[500] = "";
		struct verdicts v;

		for (uint64_t seed = 1; seed <= 300 && found < ENOUGH; seed++, n++) {
			(void)trial(seed, t[i].broken, t[i].fault, &sum, &v, why);
			if (*(unsigned *)((char *)&v + t[i].verdict) && !found++)
				memcpy(first, why, sizeof(first));
		}
		print_message("%s: found in %u of %u; %s\n", t[i].name, found, n, first);
		if (found < ENOUGH)
			fail_msg("%s: not found", t[i].name);
	}
}

/* --- times ----------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static bool has_standby(const struct model *m, int holder)
{
	for (int i = 0; i < m->ncand; i++)
		if (i != holder && model_cand_is_ready(m, i))
			return true;
	return false;
}

/* From the holder's death to the first block of another one at the third node. */
static int64_t takeover(uint64_t seed, enum fault what, unsigned *ret_slots)
{
	struct model *m = new_model(seed, BROKEN_NOTHING);
	int64_t died, seen, took = -1;
	uint32_t slot;
	int holder;

	model_run(m, 15 * SEC + model_between(m, 0, 3000) * MS);
	holder = model_cand_holder(m);
	if (holder >= 0 && has_standby(m, holder)) {
		died = m->now;
		seen = m->v.last_block_at;
		if (what == FAULT_FAILOVER)
			model_order(m, LEASE_ORDER_FAILOVER, "");
		else if (what == FAULT_STOP_NODEOS)
			model_node_freeze(m, holder, true);
		else
			model_cand_kill(m, holder);
		slot = m->v.last_slot;
		while (m->now < died + 30 * SEC &&
		        (m->v.last_block_at == seen || m->block[m->reader_head].by == holder)) {
			if (m->v.last_block_at != seen) {
				seen = m->v.last_block_at;
				slot = m->v.last_slot;
			}
			model_run(m, m->now + MS);
		}
		took = m->v.last_block_at - died;
		*ret_slots = m->v.last_slot - slot - 1;
	}
	assert_false(is_bad(&m->v));
	model_free(m);
	return took;
}

static void times(void **state)
{
	static const struct {
		const char *name;
		enum fault what;
		int64_t most;
		unsigned most_slots;
	} t[] = {
		{ "the holder dies", FAULT_KILL, 6 * SEC, 12 },
		{ "its nodeos is frozen", FAULT_STOP_NODEOS, 6 * SEC, 12 },
		{ "planned failover", FAULT_FAILOVER, 3 * SEC, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int64_t took[60];
		unsigned slots, most_slots = 0;
		size_t n = 0;

		for (uint64_t seed = 1; seed <= ARRAY_LEN(took); seed++) {
			took[n] = takeover(seed, t[i].what, &slots);
			if (took[n] < 0)
				continue;
			n++;
			if (slots > most_slots)
				most_slots = slots;
		}
		assert_true(n > 45);
		qsort(took, n, sizeof(took[0]), by_size);
		print_message("%s: median %.2f s, most %.2f s, %u slots (%zu trials)\n", t[i].name,
		        (double)took[n / 2] / 1e9, (double)took[n - 1] / 1e9, most_slots, n);
		if (took[n - 1] > t[i].most || most_slots > t[i].most_slots)
			fail_msg("%s: too long", t[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_signs_beside_another),
		cmocka_unit_test(the_oracle_finds_what_is_broken),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
