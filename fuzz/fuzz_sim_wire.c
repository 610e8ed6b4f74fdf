/* What a peer sends to a nodesim: frames, one after the other. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	size_t at = 0, used;
	struct wire_message m;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	for (;;) {
		struct err e = ERR_INIT;

		if (wire_parse(&m, &used, copy + at, size - at, &e) != 0)
			break;
		if (used == 0 || used > size - at)
			abort();
		at += used;
		if (m.type == WIRE_BLOCK)
			(void)block_is_regular(&m.block);
	}
	free(copy);
	return 0;
}
