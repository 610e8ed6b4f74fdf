#include "files.h"
#include "nodeos/blocklog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fuzz_file files[] = {
	{ "blocks", "blocks/blocks.log" },
	{ "blocks", "blocks/blocks.index" },
	{ "blocks/reversible", "blocks/reversible/fork_db.dat" },
	{ "blocks/retained", "blocks/retained/blocks-1-9.log" },
	{ "state", "state/shared_memory.bin" },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int dir = fuzz_put_files(files, ARRAY_LEN(files), data, size);
	struct err e = ERR_INIT;
	struct blocklog_facts f;

	if (nodeos_blocklog_at(&f, dir, &e) < 0 && e.kind != ERR_PROTOCOL)
		abort();
	return 0;
}
