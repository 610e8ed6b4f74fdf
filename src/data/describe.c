#include "data/import.h"

#include <string.h>

#include "nodeos/blocklog.h"
#include "nodeos/verdict.h"

int manifest_describe(struct manifest *m, int data_dirfd, struct err *e)
{
	struct data_verdict v;
	struct blocklog_facts f;

	if (nodeos_verdict_at(&v, data_dirfd, e) < 0)
		return -1;
	if (v.state != DATA_CLEAN)
		return err_set(
		        e, ERR_CONFLICT, "the data-dir is %s: %s", data_state_name(v.state), v.why);
	if (nodeos_blocklog_at(&f, data_dirfd, e) < 0)
		return -1;
	/* Each slot that got it would replay all blocks, and take hours for what a clone is for. */
	if (!*f.database_format) {
		err_set(e, ERR_CONFLICT, "the data-dir has blocks and no state");
		return err_hint(e, "start its nodeos once: it makes the state from the blocks");
	}
	m->kind = GENERATION_DATA;
	memcpy(m->chain_id, f.chain_id, sizeof(m->chain_id));
	m->head_block_num = f.head_block_num;
	memcpy(m->head_block_id, f.head_block_id, sizeof(m->head_block_id));
	m->lib_block_num = f.lib_block_num;
	memcpy(m->lib_block_id, f.lib_block_id, sizeof(m->lib_block_id));
	m->first_block_num = f.first_block_num;
	memcpy(m->database_format, f.database_format, sizeof(m->database_format));
	return 0;
}
