#include "supervise/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "data/restore.h"
#include "loop/work.h"
#include "nodeos/snapshot.h"
#include "supervise/heal.h"

#define CLEAN_POLL_NS (100 * NS_PER_MS)

/* --- in the thread ---------------------------------------------------------------------------- */

/* A link that leads nowhere is not "no generation". */
static bool has_current(const struct supervisor *s)
{
	struct stat st;

	return fstatat(s->pool.fd, GENERATION_DIR "/" GENERATION_CURRENT, &st,
	               AT_SYMLINK_NOFOLLOW) == 0;
}

/* Its newest snapshot, if it can be loaded and is of our chain. */
static void look_at_snapshot(struct slot_look *k, int data_fd)
{
	struct heal_facts *f = &k->facts;
	AUTO(close_fd) int dir = -1, fd = -1;
	struct snapshot_facts facts;
	struct err e = ERR_INIT;
	struct stat st;

	if (!*k->seen.snapshot || !(dir = fs_open_dir_at(data_fd, "snapshots", false, 0, &e)))
		return;
	fd = dir < 0 ? -1
	             : openat(dir, k->seen.snapshot,
	                       O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	        nodeos_snapshot_read(&facts, fd, &e) < 0)
		return;
	f->has_snapshot =
	        !*k->chain_id || !*facts.chain_id || strcmp(k->chain_id, facts.chain_id) == 0;
	f->snapshot_block = facts.head_block_num ? facts.head_block_num : k->seen.snapshot_block;
}

/* Without a data-dir there is nothing to be seen, which is empty too. */
static void judge(struct slot_look *k, const char *in_use)
{
	const struct data_expect x = { .chain_id = k->genesis_chain_id,
		.format = nodeos_version_format(k->version),
		.in_use = *in_use ? in_use : NULL,
		.reference_lib = k->current == CURRENT_OURS && k->hold.m.kind != GENERATION_SNAPSHOT
		        ? k->hold.m.lib_block_num
		        : 0,
		.far_behind = k->far_behind };

	data_judge(&k->verdict, &k->seen, &x);
	k->has_verdict = true;
}

/* `current`, if there is one.  What is wrong with it stops only a slot that has nothing else. */
static int look_at_current(
        struct supervisor *s, struct slot_look *k, const volatile int *cancel, struct err *e)
{
	struct err why = ERR_INIT;

	k->current = CURRENT_NONE;
	if (!has_current(s))
		return 0;
	k->current = CURRENT_UNUSABLE;
	if (generation_hold(&k->hold, &s->pool, GENERATION_CURRENT, cancel, &why) < 0) {
		err_wrap(&why, "the pool's current generation cannot be used");
		if (k->verdict.state == DATA_EMPTY) {
			*e = why;
			return err_hint(e,
			        "promote another one ('nodeswarm data promote'), or set "
			        "NODESWARM_RESTORE=never to sync from block 1");
		}
		k->warn = why;
		return 0;
	}
	k->current = CURRENT_OURS;
	if (*k->chain_id && strcmp(k->chain_id, k->hold.m.chain_id) != 0)
		k->current = CURRENT_OTHER_CHAIN;
	return 0;
}

/* Whether nodeos would open its state. */
static bool is_openable(const struct slot_look *k)
{
	const char *format = nodeos_version_format(k->version);

	return !format || !*k->hold.m.database_format ||
	        strcmp(format, k->hold.m.database_format) == 0;
}

static int look_for_repair(struct supervisor *s, struct slot_look *k, int data_fd, struct err *e)
{
	struct heal_facts *f = &k->facts;
	const struct data_evidence *seen = &k->seen;
	uint64_t bytes = 0;

	f->verdict = k->verdict.state;
	f->bytes_repairs = k->verdict.repairs;
	f->log_lib = seen->lib_block_num;
	f->our_lib = seen->lib_block_num > seen->root_block_num ? seen->lib_block_num
	                                                        : seen->root_block_num;
	f->has_blocks = seen->has_blocks;
	f->has_first_block = seen->first_block == 1;
	f->has_generation = k->may_restore && k->current == CURRENT_OURS && is_openable(k);
	if (k->current == CURRENT_OURS) {
		f->generation_is_snapshot = k->hold.m.kind == GENERATION_SNAPSHOT;
		f->generation_lib = k->hold.m.lib_block_num;
	}
	/* What nodeos complains of is that very generation. */
	if (k->is_untried && f->has_exit && f->has_generation &&
	        strcmp(k->generation, k->hold.m.name) == 0)
		f->tried |= REPAIR_BIT(REPAIR_GENERATION);
	look_at_snapshot(k, data_fd);
	if ((f->bytes_repairs | f->exit_repairs) & REPAIR_BIT(REPAIR_HARD_REPLAY)) {
		struct err why = ERR_INIT;

		if (heal_blocks_bytes(data_fd, &bytes, e) < 0)
			return -1;
		f->has_room_twice =
		        pool_check_room(&s->pool, bytes, k->disk_limit_percent, &why) == 0;
	}
	heal_decide(&k->decision, f);
	return 0;
}

static void plan_restore(struct slot_look *k)
{
	struct restore_facts f = {
		.may_restore = k->may_restore,
		.verdict = k->verdict.state,
		.our_chain_id = k->chain_id,
		.our_lib = k->seen.lib_block_num,
		.far_behind = k->far_behind,
		.has_current = k->current == CURRENT_OURS || k->current == CURRENT_OTHER_CHAIN,
		.is_snapshot = k->hold.m.kind == GENERATION_SNAPSHOT,
		.chain_id = k->hold.m.chain_id,
		.lib = k->hold.m.lib_block_num,
	};

	/* What a log that is not as it should be says of itself does not decide how far it is. */
	if (k->verdict.state == DATA_CLEAN && *k->seen.log.fault)
		f.may_restore = false;
	k->plan = restore_plan(&f);
}

/* What is there, and what is to be done about it. */
static int look_at_data(
        struct supervisor *s, struct slot_look *k, const volatile int *cancel, struct err *e)
{
	AUTO(close_fd)
	int fd = openat(s->slot.fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	char who[OPENER_TEXT_MAX] = "";
	struct data_opener opener;
	struct err why = ERR_INIT;

	if (fd < 0 && errno != ENOENT)
		return err_sys(e, errno, "open '%s/data'", s->slot.path);
	if (fd >= 0 && data_opener_find(&opener, fd, OPENER_WITHOUT_SLOT))
		(void)data_opener_text(who, &opener);
	if (fd >= 0 && nodeos_evidence_at(&k->seen, fd, k->retained_dir, e) < 0)
		return -1;
	/* A genesis that makes no sense is not for us to judge: supervisor_prepare() does. */
	if (restore_genesis_chain(s, k->genesis_chain_id, &why) < 0)
		k->may_restore = k->may_heal = false;
	snprintf(k->chain_id, sizeof(k->chain_id), "%s",
	        *k->genesis_chain_id ? k->genesis_chain_id : k->seen.chain_id);
	/* Twice: whether `current` is needed at all, and whether it is far ahead. */
	judge(k, who);
	if (k->may_restore && look_at_current(s, k, cancel, e) < 0)
		return -1;
	judge(k, who);
	if (k->may_heal && fd >= 0 && look_for_repair(s, k, fd, e) < 0)
		return -1;
	plan_restore(k);
	return 0;
}

static int look(void *arg, const volatile int *cancel, struct err *e)
{
	struct supervisor *s = arg;
	struct slot_look *k = s->look_at;
	struct err why = ERR_INIT;
	struct stat st;
	int rc = slot_settle(&s->slot, e);

	if (rc < 0)
		return -1;
	k->settled = rc > 0;
	/* Who prepared the slot while nobody supervised it, has said so there. */
	if (slot_generation(&s->slot, k->generation, &why) < 0)
		log_warn("not known what the data-dir was made from", "why=\"%s\"", why.msg);
	/* Made from a snapshot and not finished: that comes first. */
	if (fstatat(s->slot.fd, SLOT_FROM_SNAPSHOT, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	rc = s->cfg->may_heal ? heal_settle(s, e) : 0;
	if (rc < 0)
		return -1;
	k->put_back = rc > 0;
	if (k->wants_version)
		nodeos_ask_version(s, k->version, cancel);
	return look_at_data(s, k, cancel, e);
}

/* --- without a thread ------------------------------------------------------------------------- */

static void note_verdict(struct supervisor *s, const struct data_verdict *v)
{
	snprintf(s->record.verdict, sizeof(s->record.verdict), "%s", data_state_name(v->state));
	snprintf(s->record.verdict_why, sizeof(s->record.verdict_why), "%s", v->why);
	str_printable(s->record.verdict_why);
}

void supervisor_take_verdict(struct supervisor *s)
{
	const struct data_expect x = { .chain_id = s->genesis_chain_id,
		.format = nodeos_version_format(s->nodeos_version) };
	struct err e = ERR_INIT;
	struct data_verdict v = { .state = DATA_DAMAGED };
	struct data_evidence seen;
	AUTO(close_fd)
	int fd = openat(s->slot.fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT) {
		v.state = DATA_EMPTY;
		snprintf(v.why, sizeof(v.why), "there is no data-dir yet");
	} else if (fd < 0)
		snprintf(
		        v.why, sizeof(v.why), "the data-dir cannot be opened: %s", strerror(errno));
	else if (nodeos_evidence_at(&seen, fd, s->render.retained_dir, &e) < 0)
		snprintf(v.why, sizeof(v.why), "%.200s", e.msg);
	else
		data_judge(&v, &seen, &x);
	note_verdict(s, &v);
}

/* --- on the loop ------------------------------------------------------------------------------ */

/* Once: a slot that waits for something looks every few seconds. */
static void say_verdict(struct supervisor *s, const struct data_verdict *v)
{
	note_verdict(s, v);
	if (strcmp(s->said_verdict, s->record.verdict_why) == 0)
		return;
	memcpy(s->said_verdict, s->record.verdict_why, sizeof(s->said_verdict));
	log_info("verdict", "verdict=%s why=\"%s\"", s->record.verdict, s->record.verdict_why);
}

static void note_look(struct supervisor *s, struct slot_look *k)
{
	if (k->settled)
		log_info("ended what a killed restore had left", "%s", "");
	if (k->put_back)
		s->record.heal.second_copy = false;
	if (k->put_back)
		log_warn("a hard replay was cut off; the blocks from before it are back", "%s", "");
	if (*k->generation)
		snprintf(s->record.generation, sizeof(s->record.generation), "%s", k->generation);
	if (k->wants_version) {
		s->is_version_asked = true;
		snprintf(s->nodeos_version, sizeof(s->nodeos_version), "%s", k->version);
		log_info("nodeos", "version=\"%s\"", k->version);
	}
	snprintf(s->genesis_chain_id, sizeof(s->genesis_chain_id), "%s", k->genesis_chain_id);
	if (k->has_verdict)
		say_verdict(s, &k->verdict);
	if (k->warn.kind != ERR_NONE)
		log_warn("the current generation is not used", "why=\"%s\"", k->warn.msg);
	if (k->plan == RESTORE_OTHER_CHAIN)
		log_warn("the current generation is of another chain and not used",
		        "name=%s chain=%s ours=%s", k->hold.m.name,
		        *k->hold.m.chain_id ? k->hold.m.chain_id : "unknown", k->chain_id);
	/* Which chain it is of matters to a slot that would take it. */
	s->current = k->plan == RESTORE_OTHER_CHAIN ? CURRENT_OTHER_CHAIN
	        : k->current == CURRENT_OTHER_CHAIN ? CURRENT_OURS
	                                            : k->current;
	snprintf(s->current_why, sizeof(s->current_why), "%.*s", (int)sizeof(s->current_why) - 1,
	        k->warn.msg);
	str_printable(s->current_why);
}

/* true: it is restored, or waits for that. */
static bool restores(struct supervisor *s, struct slot_look *k)
{
	struct err e = ERR_INIT;

	if (k->plan != RESTORE_EMPTY && (k->plan != RESTORE_BEHIND || s->skip_behind))
		return false;
	if (!slot_work_is_active(s)) {
		restore_begin_by_itself(s, k, k->plan);
		return true;
	}
	/* Digests may take hours.  What there is will do for a slot that has blocks. */
	if (k->plan == RESTORE_EMPTY) {
		err_set(&e, ERR_CONFLICT,
		        "the slot is empty and is restored when its archive is done");
		supervisor_hold_for(s, HOLD_RETRY, &e);
		return true;
	}
	log_warn("not restored although far behind", "why=\"%s\"",
	        "an archive of this slot is under way");
	return false;
}

static void take_look(struct supervisor *s, struct slot_look *k)
{
	struct err e = ERR_INIT;

	note_look(s, k);
	if (k->has_verdict && k->verdict.state == DATA_IN_USE) {
		/* That somebody has it open is what nodeos has complained of, if it did. */
		heal_forget_exit(s);
		err_set(&e, ERR_CONFLICT, "the data-dir is in use: %s", k->verdict.why);
		err_hint(&e, "stop what has it open; nodeos then starts by itself");
		supervisor_hold_for(s, HOLD_RETRY, &e);
		return;
	}
	if (k->may_heal && k->decision.plan != HEAL_NOT_NEEDED) {
		heal_go_on(s, k);
		return;
	}
	if (restores(s, k))
		return;
	s->is_looked = true;
	supervisor_attempt(s);
}

static void on_looked(void *arg, int rc, const struct err *why)
{
	struct supervisor *s = arg;
	struct slot_look *k = TAKE(s->look_at);

	s->look = NULL;
	if (s->stop_asked || s->quiesce_asked)
		; /* nothing is to be started */
	else if (s->look_again)
		supervisor_attempt(s);
	else if (rc < 0)
		supervisor_hold_for(s, HOLD_RETRY, why);
	else
		take_look(s, k);
	generation_hold_release(&k->hold);
	free(k);
	supervisor_thread_ended(s);
}

/* It begins again without a generation, because that one is of the fork as well, or not to be had:
 * one that a kill has left empty is not restored from it either. */
static bool begins_again(const struct supervisor *s)
{
	return heal_is_unproven(s) &&
	        strcmp(s->record.heal.repair, data_repair_name(REPAIR_EMPTY)) == 0;
}

int slot_look(struct supervisor *s, struct err *e)
{
	struct slot_look *k;
	struct err why = ERR_INIT;

	if (s->is_looked)
		return 0;
	/* It removes parts of what is to be looked at. */
	if (heal_clean_cancel(s)) {
		supervisor_attempt_in(s, CLEAN_POLL_NS);
		return 1;
	}
	k = s->look_at = calloc(1, sizeof(*s->look_at));
	if (!k)
		return err_nomem(e);
	k->hold = GENERATION_HOLD_INIT;
	k->may_restore = s->cfg->may_restore && !begins_again(s);
	k->far_behind = s->cfg->far_behind;
	/* A nodeos that would not start for other reasons says nothing about its data, and these
	 * come first (supervisor_prepare()). */
	k->may_heal = s->cfg->may_heal && supervisor_read_config(s, &why) == 0;
	k->wants_version = !s->is_version_asked;
	snprintf(k->version, sizeof(k->version), "%s", s->nodeos_version);
	snprintf(k->retained_dir, sizeof(k->retained_dir), "%s", s->render.retained_dir);
	heal_facts_begin(s, &k->facts);
	k->facts.may_heal = k->may_heal;
	k->facts.produces = supervisor_produces(s);
	k->disk_limit_percent = supervisor_disk_limit(s);
	k->is_untried = s->is_untried;
	s->look_again = false;
	s->look = work_start(&s->loop, look, on_looked, s, e);
	if (s->look)
		return 1;
	free(TAKE(s->look_at));
	return -1;
}

void slot_look_release(struct supervisor *s)
{
	work_free(TAKE(s->look));
	if (s->look_at)
		generation_hold_release(&s->look_at->hold);
	free(TAKE(s->look_at));
}
