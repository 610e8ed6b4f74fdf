/* A genesis.json as nodesim reads it. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/genesis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1), key[KEY_TEXT_SIZE];
	struct fail f = FAIL_INIT;
	struct sim_genesis g;
	struct block b;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (sim_genesis_parse(&g, copy, size, &f) == 0) {
		sim_genesis_key(key, &g);
		sim_genesis_block(&b, &g);
		if (b.num != 1)
			abort();
	}
	free(copy);
	return 0;
}
