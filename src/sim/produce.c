/*
 * producer_plugin: a block every half second, on the grid of half seconds
 *
 * As in nodeos a block for time T is finished 100 ms before T, the last of a round of 12 slots
 * 200 ms before.  Only "eosio" with the key of the genesis is scheduled, so another
 * producer-name or another key runs and makes nothing, as it does on a new chain of nodeos.
 * Without enable-stale-production nothing is made before a block came from a peer whose time is
 * now (leap v4.0.6, producer_plugin.cpp on_incoming_block).
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "sim/nlog.h"
#include "sim/node.h"
#include "sim/p2p.h"

#define ROUND         12
#define EARLY_NS      (100 * NS_PER_MS)
#define LAST_EARLY_NS (200 * NS_PER_MS)

/* --- keys: only their shape ------------------------------------------------------------------- */

static bool is_base58(const char *s, size_t min, size_t max)
{
	size_t n = strspn(s, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz");

	return s[n] == '\0' && n >= min && n <= max;
}

static bool is_public_key(const char *s)
{
	const char *rest;

	return (str_starts(s, "EOS", &rest) || str_starts(s, "PUB_K1_", &rest) ||
	               str_starts(s, "PUB_R1_", &rest)) &&
	        is_base58(rest, 48, 52);
}

static bool is_private_key(const char *s)
{
	const char *rest;

	if (str_starts(s, "PVT_K1_", &rest) || str_starts(s, "PVT_R1_", &rest))
		return is_base58(rest, 48, 52);
	return s[0] == '5' && is_base58(s, 50, 52);
}

/* "EOS...=KEY:5..." or "EOS...=KEOSD:http..."; *key_len is the public key's length. */
static bool is_provider(const char *s, size_t *key_len)
{
	char key[KEY_TEXT_SIZE];
	const char *eq = strchr(s, '='), *rest;

	if (!eq || (size_t)(eq - s) >= sizeof(key))
		return false;
	*key_len = (size_t)(eq - s);
	memcpy(key, s, *key_len);
	key[*key_len] = '\0';
	if (!is_public_key(key))
		return false;
	if (str_starts(eq + 1, "KEY:", &rest))
		return is_private_key(rest);
	return str_starts(eq + 1, "KEOSD:", &rest) && *rest;
}

/* What may be shown of it: nodeos prints all of it, we never a private key. */
static void say_malformed(const char *s)
{
	char shown[128];
	const char *eq = strchr(s, '=');
	int n = eq && eq - s < 80 ? (int)(eq - s) : 0;

	snprintf(shown, sizeof(shown), "%.*s=...", n, s);
	str_printable(shown);
	nlog(NLOG_ERROR, "producer_plugin.cpp:1102", "plugin_initialize",
	        "Malformed signature provider: \"%s\": {\"code\":10,\"name\":\"assert_exception\","
	        "\"message\":\"Assert Exception\",\"stack\":[]}, ignoring!",
	        shown);
}

/* Which key signs is known by the text of the public one. */
static bool has_key_of(const struct node *n, const char *wanted)
{
	const struct strvec *list = option_list(n->opt, "signature-provider");
	size_t len;

	if (!list->n)
		return str_starts(option_text(n->opt, "signature-provider"), wanted, NULL);
	for (size_t i = 0; i < list->n; i++)
		if (is_provider(list->v[i], &len) && strlen(wanted) == len &&
		        strncmp(list->v[i], wanted, len) == 0)
			return true;
	return false;
}

static bool is_scheduled(const struct node *n)
{
	const struct strvec *names = option_list(n->opt, "producer-name");
	char key[KEY_TEXT_SIZE];
	uint64_t name;
	bool named = false;

	for (size_t i = 0; i < names->n; i++)
		named |= name_pack(&name, names->v[i]) == 0 && name == n->chain.producer;
	return named && n->chain.state.has_genesis &&
	        has_key_of(n, sim_genesis_key(key, &n->chain.state.genesis));
}

/* --- life
 * -------------------------------------------------------------------------------------------- */

void producer_plugin_initialize(struct node *n)
{
	const struct strvec *list = option_list(n->opt, "signature-provider");
	unsigned threads = 0;
	size_t len;

	n->production.names = (unsigned)option_list(n->opt, "producer-name")->n;
	for (size_t i = 0; i < list->n; i++)
		if (!is_provider(list->v[i], &len))
			say_malformed(list->v[i]);
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
	const struct production *p = &n->production;

	return p->can && p->enabled && !p->paused && n->running && !is_too_old(n);
}

static void schedule(struct node *n);

/* The wall clock's time on the loop's clock. */
static int64_t mono_at(int64_t real_ns)
{
	return clock_mono_ns() + (real_ns - clock_real_ns());
}

static void say_produced(const struct node *n, const struct block *b, int64_t began_ns)
{
	char hex[BLOCK_ID_HEX], when[SLOT_TEXT_SIZE], name[NAME_SIZE];
	int64_t us = (clock_mono_ns() - began_ns) / 1000;

	hex_encode(hex, b->id, BLOCK_ID);
	nlog(NLOG_INFO, "producer_plugin.cpp:2897", "produce_block",
	        "Produced block %.16s... #%" PRIu32 " @ %s signed by %s [trxs: 0, lib: %" PRIu32
	        ", confirmed: 0, net: 0, cpu: 100, elapsed: %" PRId64 ", time: %" PRId64 "]",
	        hex + 8, b->num, slot_text(when, b->slot), name_text(name, b->producer),
	        n->chain.root.num, us, us);
}

static void finish_block(struct loop_timer *t UNUSED, void *arg)
{
	struct node *n = arg;
	int64_t began_ns = clock_mono_ns();
	struct block b;

	block_make(&b, chain_head(&n->chain)->id, n->production.slot, n->chain.producer);
	n->production.slot = 0;
	if (node_apply(n, &b) == CHAIN_APPLIED) {
		say_produced(n, &b, began_ns);
		p2p_broadcast(n->p2p, &b, NULL);
	}
	if (!n->quitting)
		schedule(n);
}

static void schedule(struct node *n)
{
	struct production *p = &n->production;
	int64_t now = clock_real_ns(), at;
	uint32_t slot = slot_at(now) + 1, after = chain_head(&n->chain)->slot + 1;

	if (!p->can || p->slot || node_reached_end(n))
		return;
	if (p->enabled && p->paused) {
		nlog(NLOG_ERROR, "producer_plugin.cpp:1984", "start_block",
		        "Not producing block because production is explicitly paused");
		return;
	}
	if (!p->enabled || is_too_old(n))
		return;
	if (node_guard_tripped(n)) {
		nlog(NLOG_ERROR, "producer_plugin.cpp:2704", "schedule_production_loop",
		        "Failed to start a pending block, will try again later");
		return;
	}
	p->slot = slot > after ? slot : after;
	at = slot_ns(p->slot) - (p->slot % ROUND == ROUND - 1 ? LAST_EARLY_NS : EARLY_NS);
	loop_timer_set(&n->loop, &p->timer, mono_at(at > now ? at : now), finish_block, n);
}

static void say_started(void)
{
	nlog(NLOG_INFO, "producer_plugin.cpp:1383", "plugin_startup",
	        "producer plugin:  plugin_startup() end");
}

static void calibrated(struct loop_timer *t UNUSED, void *arg)
{
	struct node *n = arg;

	nlog(NLOG_INFO, "platform_timer_accuracy.cpp:62", "compute_and_print_timer_accuracy",
	        "Checktime timer accuracy: min:8us max:86us mean:16us stddev:5us");
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
	p->can = is_scheduled(n);
	p->enabled = option_bool(n->opt, "enable-stale-production");
	p->paused = option_bool(n->opt, "pause-on-startup");
	say_launch(n);
	if (node_reached_end(n) || (p->can && p->enabled && node_guard_tripped(n))) {
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
	bool was_paused = n->production.paused;

	n->production.paused = false;
	if (was_paused && !n->production.slot) {
		nlog(NLOG_INFO, "producer_plugin.cpp:1427", "resume",
		        "Producer resumed. Scheduling production.");
		schedule(n);
	} else {
		nlog(NLOG_INFO, "producer_plugin.cpp:1430", "resume", "Producer resumed.");
	}
}

void producer_saw_block(struct node *n)
{
	struct production *p = &n->production;

	if (slot_ns(chain_head(&n->chain)->slot + 1) >= clock_real_ns())
		p->enabled = true;
	if (p->can && p->enabled && !p->slot && !p->paused)
		schedule(n);
}
