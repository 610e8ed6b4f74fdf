#include "nodeos/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/str.h"
#include "nodeos/datafile_priv.h"

#define LOG_VERSION_MAX 3 /* that Leap and Spring open */

const char *data_state_name(enum data_state s)
{
	switch (s) {
	case DATA_EMPTY:
		return "empty";
	case DATA_CLEAN:
		return "clean";
	case DATA_DIRTY:
		return "dirty";
	case DATA_IN_USE:
		return "in-use";
	case DATA_DAMAGED:
		return "damaged";
	case DATA_FOREIGN:
		return "foreign";
	case DATA_FAR_BEHIND:
		return "far-behind";
	}
	return "unknown";
}

bool data_state_is_startable(enum data_state s)
{
	return s == DATA_EMPTY || s == DATA_CLEAN || s == DATA_FAR_BEHIND;
}

PRINTF(4, 5)
static void say(
        struct data_verdict *v, enum data_state state, unsigned repairs, const char *fmt, ...)
{
	va_list ap;

	v->state = state;
	v->repairs = repairs;
	va_start(ap, fmt);
	(void)vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
	str_printable(v->why);
}

/* --- what can be done --------------------------------------------------------------------- */

static bool has_log(const struct data_evidence *d)
{
	return d->log.seen == SEEN_FILE && d->log.size > 0;
}

/* Nothing that nodeos reads has, or had, a block. */
static bool has_no_blocks(const struct data_evidence *d)
{
	return !d->has_blocks && !has_log(d) && d->log.seen != SEEN_ODD && !d->pieces.size;
}

static bool is_log_good(const struct data_evidence *d)
{
	return !*d->log.fault && !*d->pieces.fault &&
	        (!has_log(d) || d->log_version <= LOG_VERSION_MAX);
}

static bool has_all_blocks(const struct data_evidence *d)
{
	return d->first_block == 1;
}

static bool can_rebuild_index(const struct data_evidence *d)
{
	return is_log_good(d) && d->log_last && !d->log_is_pruned;
}

/* The state and its fork_db.dat have nothing wrong with them. */
static bool is_closed(const struct data_evidence *d)
{
	return d->state.seen == SEEN_FILE && !*d->state.fault && !d->is_dirty &&
	        d->fork_db.seen == SEEN_FILE && !*d->fork_db.fault;
}

/*
 * The state and fork_db.dat are moved away, and an index that does not fit is made anew, so what
 * they are like does not matter; the log does.  Where there are no blocks at all, nodeos begins
 * from its genesis and loses nothing by it that a snapshot would keep, if there is none.
 */
static bool can_replay(const struct data_evidence *d)
{
	if (has_no_blocks(d))
		return !*d->snapshot && !is_closed(d);
	if (data_log_is_in_the_way(d))
		return !*d->pieces.fault && has_all_blocks(d) && d->log_first != 1;
	return is_log_good(d) && has_all_blocks(d) && (!*d->index.fault || can_rebuild_index(d));
}

/* nodeos reads blocks.log from its beginning as far as it is good, and refuses a pruned one.  Where
 * nothing of it is good it begins the chain again, which a replay of the split files does not. */
static bool can_hard_replay(const struct data_evidence *d)
{
	return d->log_begins_well && !*d->pieces.fault && has_all_blocks(d) && !d->log_is_pruned &&
	        d->log_version <= LOG_VERSION_MAX && !data_log_is_in_the_way(d);
}

/* Of a data-dir whose state and fork_db.dat are not to be kept. */
static unsigned repairs_of(const struct data_evidence *d)
{
	return REPAIR_BIT(REPAIR_GENERATION) | (can_replay(d) ? REPAIR_BIT(REPAIR_REPLAY) : 0) |
	        (can_hard_replay(d) ? REPAIR_BIT(REPAIR_HARD_REPLAY) : 0) |
	        (*d->snapshot ? REPAIR_BIT(REPAIR_SNAPSHOT) : 0);
}

/* --- what nodeos would stumble on, in its order ----------------------------------------------- */

static bool judge_foreign(
        struct data_verdict *v, const struct data_evidence *d, const struct data_expect *x)
{
	const char *format = x->format && *x->format ? x->format : NULL;

	if (*d->format && format && strcmp(format, d->format) != 0)
		say(v, DATA_FOREIGN, 0, "the state is of format %s, and this nodeos opens %s only",
		        d->format, format);
	else if (*d->format && !format && !datafile_state_format((const unsigned char *)d->format))
		say(v, DATA_FOREIGN, 0,
		        "the state is of format %s, of a nodeos that is not known here", d->format);
	else if (x->chain_id && *x->chain_id && *d->chain_id &&
	        strcmp(x->chain_id, d->chain_id) != 0)
		say(v, DATA_FOREIGN, 0,
		        "the blocks are of chain %.16s..., not of %.16s... as expected",
		        d->chain_id, x->chain_id);
	else
		return false;
	return true;
}

/* What a supervisor undoes before it looks (slot_undo_hard_replay()). */
static bool judge_cut_replay(struct data_verdict *v, const struct data_evidence *d)
{
	if (d->state.seen != SEEN_NOTHING || d->second_copy_size <= d->log.size)
		return false;
	say(v, DATA_DAMAGED, REPAIR_BIT(REPAIR_GENERATION),
	        "a hard replay was cut off: %s has more blocks than blocks/, with which nodeos "
	        "would begin the chain again, or go on without its end",
	        d->second_copy);
	return true;
}

/* What else is wrong beside a state that was not closed, and says which repairs there are. */
static const char *also_wrong(const struct data_evidence *d)
{
	if (has_no_blocks(d))
		return "there are no blocks";
	if (*d->log.fault)
		return d->log.fault;
	if (*d->pieces.fault)
		return d->pieces.fault;
	if (*d->index.fault)
		return d->index.fault;
	return has_all_blocks(d) ? NULL
	                         : "the blocks do not begin with block 1, so it cannot replay them";
}

static bool judge_state(struct data_verdict *v, const struct data_evidence *d)
{
	const char *also = also_wrong(d);

	if (*d->state.fault)
		say(v, DATA_DAMAGED, repairs_of(d), "%s", d->state.fault);
	else if (d->is_dirty)
		say(v, DATA_DIRTY, repairs_of(d),
		        "the state (%s) was not closed: nodeos was killed, or runs%s%s", d->format,
		        also ? "; and " : "", also ? also : "");
	else
		return false;
	return true;
}

static bool judge_blocks(struct data_verdict *v, const struct data_evidence *d)
{
	/* A log that ends before the block that fork_db.dat stands on is refused after that. */
	bool index_alone = d->state.seen == SEEN_NOTHING
	        ? has_all_blocks(d)
	        : d->fork_db.seen == SEEN_FILE && d->root_block_num <= d->lib_block_num;

	if (*d->log.fault)
		say(v, DATA_DAMAGED, repairs_of(d), "%s", d->log.fault);
	else if (d->log.seen == SEEN_FILE && d->log.size == 0)
		say(v, DATA_DAMAGED, repairs_of(d),
		        "blocks.log has 0 bytes, which nodeos does not take for none");
	else if (*d->pieces.fault)
		say(v, DATA_DAMAGED, repairs_of(d), "%s", d->pieces.fault);
	else if (*d->index.fault)
		say(v, DATA_DAMAGED,
		        repairs_of(d) |
		                (can_rebuild_index(d) && index_alone && !*d->fork_db.fault
		                                ? REPAIR_BIT(REPAIR_INDEX)
		                                : 0),
		        "%s", d->index.fault);
	else
		return false;
	return true;
}

/* The irreversible block that fork_db.dat stands on has to be the log's last: an earlier or a later
 * one is exit 254, or, with an old fork_db.dat, no end of undoing. */
static bool judge_root(struct data_verdict *v, const struct data_evidence *d)
{
	const unsigned replays = REPAIR_BIT(REPAIR_REPLAY) | REPAIR_BIT(REPAIR_HARD_REPLAY);
	uint32_t root = d->root_block_num;

	if (!root || !(d->log_last || d->pieces.size) || d->state.seen == SEEN_NOTHING)
		return false;
	if (root == d->lib_block_num && *d->lib_block_id &&
	        strcmp(d->root_block_id, d->lib_block_id) != 0)
		say(v, DATA_DAMAGED, repairs_of(d) & ~replays,
		        "the last block of the log is %" PRIu32
		        " (%.16s), and fork_db.dat stands on another one (%.16s): it cannot be "
		        "replayed",
		        root, d->lib_block_id, d->root_block_id);
	else if (root > d->lib_block_num || root < d->first_block ||
	        (root < d->lib_block_num && d->head_block_num > root))
		say(v, DATA_DAMAGED, repairs_of(d),
		        "fork_db.dat stands on the irreversible block %" PRIu32
		        " (%.16s), and the log has %" PRIu32 " to %" PRIu32
		        " (%.16s): they are not of the same moment",
		        root, d->root_block_id, d->first_block, d->lib_block_num, d->lib_block_id);
	else
		return false;
	return true;
}

static bool judge_fork_db(struct data_verdict *v, const struct data_evidence *d)
{
	if (*d->fork_db.fault)
		say(v, DATA_DAMAGED, repairs_of(d), "%s", d->fork_db.fault);
	else if (d->state.seen != SEEN_NOTHING && d->fork_db.seen == SEEN_NOTHING)
		say(v, DATA_DAMAGED, repairs_of(d),
		        "the state (%s) was closed, but fork_db.dat is "
		        "missing%s",
		        d->format,
		        has_no_blocks(d) ? ", and there are no blocks: nodeos ended before it had "
		                           "any, or they were removed"
		                         : "");
	else if (d->state.seen == SEEN_NOTHING && d->fork_db.seen != SEEN_NOTHING &&
	        has_no_blocks(d))
		say(v, DATA_DAMAGED, repairs_of(d), "fork_db.dat without state and blocks");
	else
		return judge_root(v, d);
	return true;
}

static void judge_without_state(struct data_verdict *v, const struct data_evidence *d)
{
	if (has_no_blocks(d))
		say(v, DATA_EMPTY, 0, "no state and no blocks");
	else if (d->pieces.size && data_log_is_hollow(d))
		say(v, DATA_DAMAGED, repairs_of(d),
		        "there is no state, and blocks.log has no block: nodeos would begin the "
		        "chain again, and not read the split files up to block %" PRIu32,
		        d->lib_block_num);
	else if (has_all_blocks(d))
		say(v, DATA_CLEAN, 0,
		        "blocks 1 to %" PRIu32 " without a state: nodeos replays them by itself, "
		        "which takes long",
		        d->lib_block_num);
	else if (d->first_block)
		say(v, DATA_DAMAGED, repairs_of(d),
		        "there is no state, and the blocks begin with %" PRIu32
		        ": without block 1 nodeos cannot replay them",
		        d->first_block);
	else
		say(v, DATA_DAMAGED, repairs_of(d),
		        "there is no state, and no block that nodeos would find in blocks/, which "
		        "is not empty");
}

/* What a data-dir that nodeos starts from lacks all the same; "". */
static const char *what_it_lacks(const struct data_evidence *d)
{
	if (!d->first_block)
		return has_log(d) ? "; the block log has no block yet, so nothing could be replayed"
		                  : "; there is no block log: older blocks are not served, and "
		                    "nothing could be replayed";
	return d->first_block > 1
	        ? "; the blocks do not begin with block 1, so they could not be replayed"
	        : "";
}

static void judge_clean(
        struct data_verdict *v, const struct data_evidence *d, const struct data_expect *x)
{
	uint32_t lib = d->lib_block_num ? d->lib_block_num : d->root_block_num;

	if (x->reference_lib && x->far_behind && lib && x->reference_lib > lib &&
	        x->reference_lib - lib > x->far_behind)
		say(v, DATA_FAR_BEHIND, REPAIR_BIT(REPAIR_GENERATION),
		        "the state (%s) was closed at irreversible block %" PRIu32
		        ", and a generation has %" PRIu32 " blocks more",
		        d->format, lib, x->reference_lib - lib);
	else
		say(v, DATA_CLEAN, 0, "the state (%s) was closed%s", d->format, what_it_lacks(d));
}

void data_judge(struct data_verdict *v, const struct data_evidence *d, const struct data_expect *x)
{
	if (x->in_use) {
		say(v, DATA_IN_USE, 0, "%.200s has it open", x->in_use);
		return;
	}
	if (judge_foreign(v, d, x) || judge_cut_replay(v, d) || judge_state(v, d) ||
	        judge_blocks(v, d) || judge_fork_db(v, d))
		return;
	if (d->state.seen == SEEN_NOTHING)
		judge_without_state(v, d);
	else
		judge_clean(v, d, x);
}

int nodeos_verdict_at(struct data_verdict *v, int data_dirfd, struct err *e)
{
	struct data_evidence seen;

	if (nodeos_evidence_at(&seen, data_dirfd, "", e) < 0)
		return -1;
	data_judge(v, &seen, &(struct data_expect){ 0 });
	return 0;
}

/*
 * The commit of chainbase that each has as a submodule, and its include/chainbase/environment.hpp:
 *
 *	Leap v3.1.0 dcd2a34, v3.2.5 62d3f99, v4.0.6 50540fa       EOSIODB2
 *	Leap v5.0.0 e14af61, v5.0.3 c907126                       EOSIODB3
 *	Spring v1.0.0 8992c78, v1.1.0 to v1.2.2 d7ba67b           CHAINB01
 *	Spring v2.0.0-dev1.3, libraries/chaindb                   CHAINB01
 *
 * v2 may be EOSIO too, and v1.3 to v1.8 can only be, so nothing is said of them.
 */
const char *nodeos_version_format(const char *version)
{
	unsigned major = 0, minor = 0;

	if (!version ||
	        sscanf(*version == 'v' ? version + 1 : version, "%3u.%3u", &major, &minor) != 2)
		return NULL;
	if (major == 3 || major == 4)
		return "EOSIODB2";
	if (major == 5)
		return "EOSIODB3";
	return major == 1 && minor <= 2 ? "CHAINB01" : NULL;
}
