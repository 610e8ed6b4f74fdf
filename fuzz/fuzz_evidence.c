#include <string.h>

#include "files.h"
#include "nodeos/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fuzz_file files[] = {
	{ "blocks", "blocks/blocks.log" },
	{ "blocks", "blocks/blocks.index" },
	{ "blocks/reversible", "blocks/reversible/fork_db.dat" },
	{ "blocks/retained", "blocks/retained/blocks-1-9.log" },
	{ "state", "state/shared_memory.bin" },
	{ "snapshots",
	        "snapshots/snapshot-"
	        "0000000db01f884e94573bdec98ca831e8e74cb70840b2b7830b77879e664f96.bin" },
};

/* Whatever the bytes are: no error, a sentence, and repairs exactly where nodeos would not start
 * from what is its own. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int dir = fuzz_put_files(files, ARRAY_LEN(files), data, size);
	struct data_evidence seen;
	struct data_verdict v;
	struct err e = ERR_INIT;
	bool is_mended;

	if (nodeos_evidence_at(&seen, dir, "", &e) < 0)
		abort();
	data_judge(&v, &seen, &(struct data_expect){ 0 });
	is_mended = v.state == DATA_DIRTY || v.state == DATA_DAMAGED;
	if (!*v.why || !memchr(v.why, '\0', sizeof(v.why)) || (v.repairs != 0) != is_mended ||
	        (is_mended && !(v.repairs & REPAIR_BIT(REPAIR_GENERATION))))
		abort();
	if (is_mended && !seen.snapshot_block != !(v.repairs & REPAIR_BIT(REPAIR_SNAPSHOT)))
		abort();
	return 0;
}
