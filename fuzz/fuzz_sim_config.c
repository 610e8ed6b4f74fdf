/* A config.ini as nodesim reads it. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sim/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options *o = options_new();
	struct fail f = FAIL_INIT;
	char *text = malloc(size + 1);

	if (o && text) {
		memcpy(text, data, size);
		text[size] = '\0';
		if (options_read_config(o, text, "config.ini", &f) < 0 && !f.text[0])
			abort();
		(void)option_int(o, "max-clients");
		(void)options_not_simulated(o);
	}
	free(text);
	options_free(o);
	return 0;
}
