/* Until the real ones are merged. */
#include "nodeos/evidence.h"
#include "nodeos/blockindex.h"
#include "nodeos/blocklog.h"
#include "nodeos/exit.h"
#include "nodeos/verdict.h"

#include <stdio.h>
#include <string.h>

int nodeos_evidence_at(struct data_evidence *ret, int data_dirfd, const char *retained_dir UNUSED,
        struct err *e)
{
	struct blocklog_facts facts = { 0 };
	struct err none = ERR_INIT;
	struct data_verdict v;

	memset(ret, 0, sizeof(*ret));
	if (nodeos_verdict_at(&v, data_dirfd, e) < 0)
		return -1;
	ret->fork_version = (uint32_t)v.state;
	snprintf(ret->fork_db.fault, sizeof(ret->fork_db.fault), "%.150s", v.why);
	if (nodeos_blocklog_at(&facts, data_dirfd, &none) < 0)
		snprintf(ret->log.fault, sizeof(ret->log.fault), "%.150s", none.msg);
	ret->first_block = facts.first_block_num;
	ret->lib_block_num = facts.lib_block_num;
	ret->has_blocks = facts.first_block_num;
	memcpy(ret->chain_id, facts.chain_id, sizeof(ret->chain_id));
	return 0;
}

void data_judge(struct data_verdict *v, const struct data_evidence *seen,
        const struct data_expect *x UNUSED)
{
	memset(v, 0, sizeof(*v));
	v->state = (enum data_state)seen->fork_version;
	snprintf(v->why, sizeof(v->why), "%s", seen->fork_db.fault);
	if (v->state == DATA_DIRTY || v->state == DATA_DAMAGED)
		v->repairs = REPAIR_BIT(REPAIR_GENERATION) | REPAIR_BIT(REPAIR_REPLAY);
}

const char *nodeos_version_format(const char *version UNUSED)
{
	return NULL;
}

bool nodeos_exit_is_damage(const struct nodeos_exit *x)
{
	return x->class == NODEOS_EXIT_DATA || x->class == NODEOS_EXIT_DIRTY;
}

int nodeos_blockindex_rebuild(int fd UNUSED, const volatile int *c UNUSED,
        struct blockindex_progress *p UNUSED, uint64_t *n UNUSED, struct err *e)
{
	return err_set(e, ERR_SYSTEM, "not there yet");
}
