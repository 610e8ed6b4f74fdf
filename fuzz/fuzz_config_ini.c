/* What was read is written and read again, and must not change. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeos/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	AUTO(config_ini) struct config_ini again = CONFIG_INI_INIT;
	AUTO(buf) struct buf out = BUF_INIT(2 * CONFIG_INI_TEXT_MAX);
	struct err e = ERR_INIT;
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data, size);
	if (config_ini_parse(&c, "fuzz", text, size, &e) == 0 && c.n) {
		if (config_ini_text(&c, &out, &e) < 0 ||
		        (out.len <= CONFIG_INI_TEXT_MAX &&
		                config_ini_parse(&again, "again", out.data, out.len, &e) < 0))
			abort();
		if (again.n && again.n != c.n)
			abort();
		for (size_t i = 0; i < again.n; i++)
			if (strcmp(c.v[i].key, again.v[i].key) != 0 ||
			        strcmp(c.v[i].value, again.v[i].value) != 0)
				abort();
	}
	free(text);
	return 0;
}
