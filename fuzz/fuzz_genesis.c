#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeos/genesis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct genesis g;
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data, size);
	if (genesis_parse(&g, text, size, &e) < 0 && e.kind != ERR_USAGE)
		abort();
	free(text);
	return 0;
}
