/*
 * producer_plugin: a block every half second, on the grid of half seconds
 *
 * As in nodeos a block for time T is finished 100 ms before T, the last of a round of 12 slots
 * 200 ms before.  Only "eosio" with the key of the genesis is scheduled unless NODESIM_PRODUCERS
 * says otherwise (schedule.h); another producer-name or another key runs and makes nothing, as it
 * does on a chain of nodeos.
 * Without enable-stale-production nothing is made before a block came from a peer whose time is
 * now (leap v4.0.6, producer_plugin.cpp on_incoming_block).
 *
 * nodeos decides anew what it does with the slot that comes next whenever it made a block, failed
 * to, got one or was resumed: schedule() is its start_block() and schedule_production_loop().  From
 * then on it is in one of two modes, and in producing mode what others make is thrown away.  A
 * node that may not sign stays in that mode all the same.
 *
 * A block that another process has to sign (signer.h) keeps the main thread as it keeps that of
 * nodeos: nothing else happens, and when it fails the next attempt follows at once, until the time
 * of the block has come.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "sim/nlog.h"
#include "sim/node.h"
#include "sim/p2p.h"

#define EARLY_NS      (100 * NS_PER_MS)
#define LAST_EARLY_NS (200 * NS_PER_MS)
#define AWAKE_NS      (5 * NS_PER_SEC) /* age of the head from which nodeos waits for blocks */
#define ATTEMPT_NS    40000            /* and as much until the kernel wakes us */

static void schedule(struct node *n);

/* The key of the producer whose turn it is. */
static const char *key_of_slot(const struct node *n, char out[KEY_TEXT_SIZE])
{
	const struct chain *c = &n->chain;

	return chain_key(c, schedule_turn(&c->schedule, n->production.slot), out);
}

static bool is_named(const struct node *n, uint64_t producer)
{
	const struct strvec *names = option_list(n->opt, "producer-name");
	uint64_t name;

	for (size_t i = 0; i < names->n; i++)
		if (name_pack(&name, names->v[i]) == 0 && name == producer)
			return true;
	return false;
}

/* In whose turns it makes blocks: those of its names whose key it has. */
static uint32_t find_turns(const struct node *n)
{
	const struct schedule *s = &n->chain.schedule;
	char key[KEY_TEXT_SIZE];
	uint32_t turns = 0;

	_Static_assert(SCHEDULE_MAX <= 32, "more than a word has bits");
	for (unsigned i = 0; i < s->n; i++)
		if (is_named(n, s->v[i].name) && (s->v[i].key[0] || n->chain.state.has_genesis) &&
		        signers_have(n->production.signers, chain_key(&n->chain, i, key)))
			turns |= 1U << i;
	return turns;
}

static bool is_its_turn(const struct node *n, uint32_t slot)
{
	return n->production.turns >> schedule_turn(&n->chain.schedule, slot) & 1;
}

/* --- life ------------------------------------------------------------------------------------- */

void producer_plugin_initialize(struct node *n)
{
	unsigned threads = 0;

	n->production.names = (unsigned)option_list(n->opt, "producer-name")->n;
	n->production.signers = signers_new(n->opt);
	nlog(NLOG_INFO, "producer_plugin.cpp:1183", "plugin_initialize",
	        "Subjective CPU billing disabled");
	(void)mkdir(n->snapshots_dir, 0755);
	if (option_given(n->opt, "read-only-threads")) {
		threads = (unsigned)option_int(n->opt, "read-only-threads");
	} else if (!n->production.names && n->has_plugin[PLUGIN_CHAIN_API]) {
		threads = 3;
		nlog(NLOG_INFO, "producer_plugin.cpp:1223", "plugin_initialize",
		        "chain_api_plugin configured, defaulting read-only-threads to 3");
	}
	if (threads)
		nlog(NLOG_INFO, "producer_plugin.cpp:1274", "plugin_initialize",
		        "read-only-write-window-time-us: %" PRId64
		        " us, read-only-read-window-time-us: %" PRId64
		        " us, effective read window time to be used: %" PRId64 " us",
		        option_int(n->opt, "read-only-write-window-time-us"),
		        option_int(n->opt, "read-only-read-window-time-us"),
		        option_int(n->opt, "read-only-read-window-time-us") - 10000);
	nlog(NLOG_INFO, "producer_plugin.cpp:1285", "plugin_initialize",
	        "read-only-threads %u, max read-only trx time to be enforced: %" PRId64 " us",
	        threads, option_int(n->opt, "max-transaction-time") * 1000);
}

static bool is_too_old(const struct node *n)
{
	int64_t max_s = option_int(n->opt, "max-irreversible-block-age");

	return max_s >= 0 && clock_real_ns() - slot_ns(n->chain.root.slot) >= max_s * NS_PER_SEC;
}

bool producer_is_producing(const struct node *n)
{
	return n->running && n->production.producing;
}

/* The wall clock's time on the loop's clock. */
static int64_t mono_at(int64_t real_ns)
{
	return clock_mono_ns() + (real_ns - clock_real_ns());
}

/* --- one block -------------------------------------------------------------------------------- */

static void say_produced(const struct node *n, const struct block *b, int64_t began_ns)
{
	char hex[BLOCK_ID_HEX], when[SLOT_TEXT_SIZE], name[NAME_SIZE];
	int64_t us = (clock_mono_ns() - began_ns) / 1000;

	hex_encode(hex, b->id, BLOCK_ID);
	nlog(NLOG_INFO, "producer_plugin.cpp:2897", "produce_block",
	        "Produced block %.16s... #%" PRIu32 " @ %s signed by %s [trxs: %u, lib: %" PRIu32
	        ", confirmed: %u, net: 0, cpu: 100, elapsed: %" PRId64 ", time: %" PRId64 "]",
	        hex + 8, b->num, slot_text(when, b->slot), name_text(name, b->producer),
	        block_trxs(b), n->chain.root.num, block_confirmed(b), us, us);
}

/* After a failed attempt nodeos makes the block anew. */
static void take_time(void)
{
	const struct timespec ts = { .tv_nsec = ATTEMPT_NS };

	(void)nanosleep(&ts, NULL);
}

static void produce_block(struct node *n)
{
	struct production *p = &n->production;
	int64_t began_ns = clock_mono_ns();
	const struct block *head = chain_head(&n->chain);
	const struct trx *list[TRXPOOL_MAX];
	size_t trxs = trxpool_pick(&n->transactions, head, p->slot, list);
	char key[KEY_TEXT_SIZE];
	struct fail f = FAIL_INIT;
	uint64_t producer;
	uint16_t confirmed;
	struct block b;

	if (chain_next(&n->chain, p->slot, &producer, &confirmed) < 0)
		return;
	(void)block_make(&b, head->id, p->slot, producer, confirmed, list, trxs);
	if (signers_sign(p->signers, key_of_slot(n, key), &b, &f) < 0) {
		nlog(NLOG_WARN, "producer_plugin.cpp:2824", "maybe_produce_block", "%s", f.text);
		take_time();
	} else if (node_apply(n, &b) == CHAIN_APPLIED) {
		say_produced(n, &b, began_ns);
		p2p_broadcast(n->p2p, &b, NULL);
	}
}

/* --- what is done about the slot that comes next ---------------------------------------------- */

static void on_wake(struct loop_timer *t UNUSED, void *arg)
{
	schedule(arg);
}

static void wake_at(struct node *n, int64_t real_ns)
{
	loop_timer_set(&n->loop, &n->production.timer, mono_at(real_ns), on_wake, n);
}

static bool is_asked_to_stop(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && (sigismember(&set, SIGTERM) || sigismember(&set, SIGINT));
}

static int64_t deadline(uint32_t slot)
{
	return slot_ns(slot) -
	        (slot % SCHEDULE_ROUND == SCHEDULE_ROUND - 1 ? LAST_EARLY_NS : EARLY_NS);
}

/*
 * What is due runs before anything else in nodeos.  A block that it made itself is never due
 * again at once.
 */
static void on_deadline(struct loop_timer *t UNUSED, void *arg)
{
	struct node *n = arg;
	struct production *p = &n->production;
	char key[KEY_TEXT_SIZE];

	do {
		if (n->quitting)
			return;
		produce_block(n);
		if (n->quitting)
			return;
		schedule(n);
	} while (p->slot && deadline(p->slot) <= clock_real_ns() &&
	        signers_ask(p->signers, key_of_slot(n, key)) && !is_asked_to_stop());
}

/* May this node make the block of this slot?  Says why not where nodeos does. */
static bool may_produce(const struct node *n, uint32_t slot)
{
	const struct production *p = &n->production;

	if (!p->enabled || !is_its_turn(n, slot))
		return false;
	if (p->paused) {
		nlog(NLOG_ERROR, "producer_plugin.cpp:1984", "start_block",
		        "Not producing block because production is explicitly paused");
		return false;
	}
	return !is_too_old(n);
}

/* With an older head nodeos makes no block to speculate on. */
static bool is_awake(const struct node *n, int64_t now_ns)
{
	return now_ns - slot_ns(chain_head(&n->chain)->slot) <= AWAKE_NS;
}

/* When the next slot after this one begins that is in a turn of this node. */
static int64_t next_turn(const struct node *n, uint32_t slot)
{
	while (!is_its_turn(n, ++slot))
		;
	return slot_ns(slot - 1);
}

/* Not this slot.  Once more when it begins, or when there is a turn to come; one that is paused
 * waits for a block, or to be resumed. */
static void wait_for_turn(struct node *n, uint32_t slot, bool was_producing)
{
	const struct production *p = &n->production;

	if (was_producing && is_awake(n, clock_real_ns()))
		wake_at(n, slot_ns(slot - 1));
	else if (p->enabled && !p->paused && !is_too_old(n))
		wake_at(n, next_turn(n, slot));
}

static void say_calibrated(void)
{
	nlog(NLOG_INFO, "platform_timer_accuracy.cpp:62", "compute_and_print_timer_accuracy",
	        "Checktime timer accuracy: min:8us max:86us mean:16us stddev:5us");
}

/* nodeos measures its timers before the first block that it begins.  When that is at a resume, the
 * request waits for it, and may be answered with an error though it was obeyed. */
static void calibrate(struct node *n)
{
	int64_t ns = n->knobs.start_ns;
	const struct timespec ts = { ns / NS_PER_SEC, ns % NS_PER_SEC };

	if (n->production.calibrated || n->replay.waited)
		return;
	n->production.calibrated = true;
	(void)nanosleep(&ts, NULL);
	say_calibrated();
}

static void schedule(struct node *n)
{
	struct production *p = &n->production;
	bool was_producing = p->producing;
	uint32_t slot = node_pending_slot(n);

	loop_timer_remove(&n->loop, &p->timer);
	p->slot = 0;
	p->producing = false;
	if (!p->can || node_reached_end(n))
		return;
	if (!may_produce(n, slot)) {
		wait_for_turn(n, slot, was_producing);
		return;
	}
	if (node_guard_tripped(n)) {
		nlog(NLOG_ERROR, "producer_plugin.cpp:2704", "schedule_production_loop",
		        "Failed to start a pending block, will try again later");
		return;
	}
	p->producing = true;
	if (clock_real_ns() < slot_ns(slot - 1)) {
		wake_at(n, slot_ns(slot - 1));
		return;
	}
	p->slot = slot;
	calibrate(n);
	loop_timer_set(&n->loop, &p->timer, mono_at(deadline(slot)), on_deadline, n);
}

/* --- start and stop --------------------------------------------------------------------------- */

static void say_started(void)
{
	nlog(NLOG_INFO, "producer_plugin.cpp:1383", "plugin_startup",
	        "producer plugin:  plugin_startup() end");
}

static void calibrated(struct loop_timer *t UNUSED, void *arg)
{
	struct node *n = arg;

	n->production.calibrated = true;
	say_calibrated();
	say_started();
	plugins_start(n);
}

static void say_launch(const struct node *n)
{
	char now[CLOCK_TEXT_MAX];

	if (n->production.names)
		nlog(NLOG_INFO, "producer_plugin.cpp:1358", "plugin_startup",
		        "Launching block production for %u producers at %.23s.",
		        n->production.names, clock_text(now, clock_real_ns()));
}

/* nodeos looks at the last irreversible block here, and so finds out when the log has another one
 * in its place. */
static int check_lib(struct node *n, struct fail *f)
{
	uint32_t lib = n->chain.root.num;
	struct err e = ERR_INIT;
	struct block b;
	char data[64];

	if (blocklog_read(&n->chain.log, lib, &b, &e) >= 0)
		return 0;
	snprintf(data, sizeof(data), "{\"block_num\":%" PRIu32 "}", lib);
	fail_block_log(
	        f, "block_log.cpp:180 read_block", "{}", "Wrong block was read from block log.");
	nlog(NLOG_WARN, "block_log.cpp:611", "read_block_by_num", "%s", f->text);
	producer_plugin_shutdown(n);
	fail_frame(f, "rethrow", "{}", "block_log.cpp:611 read_block_by_num");
	fail_frame(f, "", data, "controller.cpp:3202 fetch_block_by_number");
	fail_frame(f, "", "{}", "producer_plugin.cpp:1389 plugin_startup");
	return -1;
}

int producer_plugin_start(struct node *n, struct fail *f)
{
	struct production *p = &n->production;

	nlog(NLOG_INFO, "producer_plugin.cpp:1326", "plugin_startup",
	        "producer plugin:  plugin_startup() begin");
	if (p->names && n->irreversible) {
		producer_plugin_shutdown(n);
		fail_config(f, "producer_plugin.cpp:1335 plugin_startup", "{}",
		        "node cannot have any producer-name configured because block production is "
		        "impossible when read_mode is \"irreversible\"");
		fail_frame(f, "", "{}", "producer_plugin.cpp:1389 plugin_startup");
		return -1;
	}
	if (check_lib(n, f) < 0)
		return -1;
	p->turns = find_turns(n);
	p->can = p->turns != 0;
	p->enabled = option_bool(n->opt, "enable-stale-production");
	p->paused = option_bool(n->opt, "pause-on-startup");
	say_launch(n);
	if (p->paused && !is_awake(n, clock_real_ns())) {
		(void)may_produce(n, node_pending_slot(n));
	} else if (node_reached_end(n) || (p->can && p->enabled && node_guard_tripped(n))) {
		nlog(NLOG_ERROR, "producer_plugin.cpp:2704", "schedule_production_loop",
		        "Failed to start a pending block, will try again later");
	} else if (p->can && p->enabled && !n->replay.waited) {
		/* nodeos measures its timers before the first block it touches. */
		loop_timer_set(&n->loop, &n->start_timer, clock_mono_ns() + n->knobs.start_ns,
		        calibrated, n);
		return 1;
	}
	say_started();
	return 0;
}

void producer_go(struct node *n)
{
	/* One that is paused has said so when it started. */
	if (!n->production.paused || is_awake(n, clock_real_ns()))
		schedule(n);
}

void producer_plugin_shutdown(struct node *n)
{
	loop_timer_remove(&n->loop, &n->production.timer);
	nlog(NLOG_INFO, "producer_plugin.cpp:1401", "plugin_shutdown", "exit shutdown");
}

void producer_pause(struct node *n)
{
	nlog(NLOG_INFO, "producer_plugin.cpp:1416", "pause", "Producer paused.");
	n->production.paused = true;
}

void producer_resume(struct node *n)
{
	n->production.paused = false;
	if (n->production.producing) {
		nlog(NLOG_INFO, "producer_plugin.cpp:1430", "resume", "Producer resumed.");
		return;
	}
	nlog(NLOG_INFO, "producer_plugin.cpp:1427", "resume",
	        "Producer resumed. Scheduling production.");
	schedule(n);
}

void producer_saw_block(struct node *n)
{
	/* A young block is speculated on. */
	if (is_awake(n, clock_real_ns()))
		n->production.calibrated = true;
	if (slot_ns(chain_head(&n->chain)->slot + 1) >= clock_real_ns())
		n->production.enabled = true;
	schedule(n);
}
