#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "sim/nlog.h"
#include "sim/node.h"

/* Between two looks at the loop. */
#define BATCH   2000
#define TICK_NS (10 * NS_PER_MS)

/* The warning that nodeos logs when a block of the log cannot be applied, and its frame. */
static int fail_push(struct fail *f)
{
	nlog(NLOG_WARN, "controller.cpp:2330", "replay_push_block", "%s", f->text);
	fail_frame(f, "rethrow", "{}", "controller.cpp:2330 replay_push_block");
	return -1;
}

static int fail_unlinkable(struct fail *f)
{
	fail_fc(f, 3030001, "unlinkable_block_exception", "Unlinkable block",
	        "block_header_state.cpp:234 _finish_next", "{}", "previous mismatch");
	return fail_push(f);
}

static int fail_other_id(const struct block *found, const struct block *made, struct fail *f)
{
	char a[BLOCK_ID_HEX], b[BLOCK_ID_HEX], data[256];

	hex_encode(a, found->id, BLOCK_ID);
	hex_encode(b, made->id, BLOCK_ID);
	snprintf(data, sizeof(data), "{\"producer_block_id\":\"%s\",\"validator_block_id\":\"%s\"}",
	        a, b);
	nlog(NLOG_ERROR, "controller.cpp:2149", "apply_block",
	        "Validation block id does not match producer block id");
	fail_fc(f, 3030000, "block_validate_exception", "Block exception",
	        "controller.cpp:2152 apply_block", data, "Block ID does not match");
	fail_frame(f, "", "{}", "controller.cpp:2179 apply_block");
	return fail_push(f);
}

/*
 * A block of the log is executed again: everything in its header has to come out as it stands
 * there.  The signature is not looked at, as nodeos does not for an irreversible block.
 */
static int check_again(
        const struct node *n, const struct block *head, const struct block *b, struct fail *f)
{
	struct block made;
	const struct schedule *s = &n->chain.schedule;

	/* One producer alone may be another one, as that of a chain of a real nodeos. */
	if (s->n > 1 ? b->producer != s->v[schedule_turn(s, b->slot)].name
	             : head->num > 1 && b->producer != head->producer) {
		fail_fc(f, 3030009, "wrong_producer", "Block is not signed by expected producer",
		        "block_header_state.cpp:236 _finish_next", "{}",
		        "wrong producer specified");
		return fail_push(f);
	}
	block_remake(&made, b);
	return memcmp(made.packed, b->packed, BLOCK_HEADER) == 0 ? 0 : fail_other_id(b, &made, f);
}

/* Make what fork_db.dat said fit the blocks that were replayed. */
static void join_forkdb(struct node *n)
{
	const struct block *head = chain_head(&n->chain);
	const struct forkdb *db = &n->forkdb;
	const struct block *kept = forkdb_head(db);
	uint32_t pending = kept ? kept->num : db->root.num;
	char hex[BLOCK_ID_HEX];

	if (!db->has_root) {
		/* nodeos made one of the genesis block meanwhile. */
		nlog(NLOG_INFO, "controller.cpp:537", "replay", "fork database head 1, root 1");
		pending = 1;
	} else {
		nlog(NLOG_INFO, "controller.cpp:537", "replay",
		        "fork database head %" PRIu32 ", root %" PRIu32, pending, db->root.num);
	}
	hex_encode(hex, head->id, BLOCK_ID);
	if (pending < head->num || !db->has_root || head->num < db->root.num) {
		nlog(NLOG_INFO, "controller.cpp:539", "replay",
		        "resetting fork database with new last irreversible block as the new root: "
		        "%s",
		        hex);
		n->forkdb.has_root = false;
	} else if (head->num != db->root.num) {
		nlog(NLOG_INFO, "controller.cpp:545", "replay",
		        "advancing fork database root to new last irreversible block within "
		        "existing "
		        "fork database: %s",
		        hex);
		n->forkdb.has_root = false;
	}
}

/* The reversible blocks that fork_db.dat kept. */
static int replay_reversible(struct node *n, struct fail *f)
{
	const struct forkdb *db = &n->forkdb;
	const struct block *head = chain_head(&n->chain);
	const struct block *kept = db->has_root ? forkdb_head(db) : NULL;
	uint32_t done = 0;

	if (kept && kept->num > head->num) {
		const struct block *b = kept;

		done = kept->num - head->num;
		/* Down to the one that has to build on our head. */
		for (unsigned i = db->n; i-- && b->num > head->num + 1;)
			if (block_same_id(db->block[i].id, b->previous))
				b = &db->block[i];
		if (!block_same_id(b->previous, head->id))
			return fail_unlinkable(f);
	}
	if (done)
		chain_from_forkdb(&n->chain, db);
	nlog(NLOG_INFO, "controller.cpp:573", "replay", "%u reversible blocks replayed", done);
	return 0;
}

static int finish(struct node *n, struct fail *f)
{
	struct replay *r = &n->replay;
	uint32_t head = chain_head(&n->chain)->num, done;
	int64_t us;

	if (r->first <= r->last) {
		nlog(NLOG_INFO, "controller.cpp:533", "replay",
		        "%" PRIu32 " irreversible blocks replayed", 1 + head - r->first);
		join_forkdb(n);
	} else {
		nlog(NLOG_INFO, "controller.cpp:557", "replay",
		        "no irreversible blocks need to be replayed");
	}
	if (!n->quitting && replay_reversible(n, f) < 0)
		return -1;
	us = (clock_mono_ns() - r->begin_ns) / 1000;
	head = chain_head(&n->chain)->num;
	done = head + 1 - r->first;
	/* nodeos divides by an unsigned that wraps when nothing was done; so do we. */
	nlog(NLOG_INFO, "controller.cpp:581", "replay",
	        "replayed %" PRIu32 " blocks in %" PRId64 " seconds, %.17f ms/block", done,
	        us / 1000000,
	        (double)us / 1000.0 / (double)(head - r->first ? head - r->first : 1));
	if (n->chain.state.revision < head)
		n->chain.state.revision = head;
	return 0;
}

/* One block from the log.  Returns 0, 1 when the end that was asked for is reached, -1. */
static int replay_block(struct node *n, uint32_t num, struct fail *f)
{
	struct err e = ERR_INIT;
	struct block b;

	if (blocklog_read(&n->chain.log, num, &b, &e) != 0)
		return fail_block_log(f, "block_log.cpp:300 read_block", "{}",
		        "Block %" PRIu32 " cannot be read", num);
	if (b.num != num || !block_same_id(b.previous, chain_head(&n->chain)->id))
		return fail_unlinkable(f);
	if (check_again(n, chain_head(&n->chain), &b, f) < 0)
		return -1;
	chain_reset(&n->chain, &b);
	if (num % 500 == 0)
		nlog(NLOG_INFO, "controller.cpp:526", "replay", "%" PRIu32 " of %" PRIu32, num,
		        n->replay.last);
	if (n->terminate_at && num >= n->terminate_at) {
		nlog(NLOG_INFO, "controller.cpp:2287", "replay_push_block",
		        "Reached configured maximum block %" PRIu32 "; terminating",
		        n->terminate_at);
		node_quit(n);
		return 1;
	}
	return 0;
}

/* How many blocks may be replayed now. */
static uint32_t allowance(struct node *n)
{
	struct replay *r = &n->replay;
	uint64_t rate = n->knobs.sync_rate;
	double due;

	if (!rate)
		return BATCH;
	due = (double)(clock_mono_ns() - r->budget_ns) / 1e9 * (double)rate;
	if (due < r->budget_used)
		return 0;
	due -= r->budget_used;
	return due > BATCH ? BATCH : (uint32_t)due;
}

static void step(struct loop_timer *t, void *arg)
{
	struct node *n = arg;
	struct replay *r = &n->replay;
	int rc = 0;

	if (!r->waited) {
		r->waited = true;
		r->budget_ns = clock_mono_ns();
		nlog(NLOG_INFO, "platform_timer_accuracy.cpp:62",
		        "compute_and_print_timer_accuracy",
		        "Checktime timer accuracy: min:8us max:86us mean:16us stddev:5us");
	}
	for (uint32_t i = allowance(n); i && rc == 0; i--) {
		uint32_t next = chain_head(&n->chain)->num + 1;

		if (next > r->last) {
			rc = 1;
			break;
		}
		r->budget_used++;
		rc = replay_block(n, next, &n->fail);
	}
	if (rc == 0 && chain_head(&n->chain)->num < r->last) {
		loop_timer_set(
		        &n->loop, t, clock_mono_ns() + (n->knobs.sync_rate ? TICK_NS : 0), step, n);
		return;
	}
	if (rc < 0 || finish(n, &n->fail) < 0) {
		fail_frame(&n->fail, "", "{}", "chain_plugin.cpp:1131 plugin_startup");
		node_fail(n);
		return;
	}
	chain_plugin_started(n);
	plugins_start(n);
}

int replay_start(struct node *n, struct fail *f)
{
	struct replay *r = &n->replay;

	r->first = chain_head(&n->chain)->num + 1;
	r->last = blocklog_has_blocks(&n->chain.log) ? n->chain.log.last : 0;
	r->begin_ns = clock_mono_ns();
	if (r->first > r->last) {
		if (finish(n, f) < 0)
			return -1;
		chain_plugin_started(n);
		return 0;
	}
	nlog(NLOG_INFO, "controller.cpp:520", "replay",
	        "existing block log, attempting to replay from %" PRIu32 " to %" PRIu32 " blocks",
	        r->first, r->last);
	loop_timer_set(&n->loop, &r->timer, r->begin_ns + n->knobs.start_ns, step, n);
	return 1;
}
