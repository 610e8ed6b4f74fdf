/* What was read is written and read again, and must not change; so must what was rendered. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeos/config.h"
#include "nodeos/render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again_is_the_same(const struct config_ini *c)
{
	AUTO(config_ini) struct config_ini again = CONFIG_INI_INIT;
	AUTO(buf) struct buf out = BUF_INIT(2 * CONFIG_INI_TEXT_MAX);
	struct err e = ERR_INIT;

	if (config_ini_text(c, &out, &e) < 0)
		abort();
	if (!out.len || out.len > CONFIG_INI_TEXT_MAX)
		return;
	if (config_ini_parse(&again, "again", out.data, out.len, &e) < 0 || again.n != c->n)
		abort();
	for (size_t i = 0; i < again.n; i++)
		if (strcmp(c->v[i].key, again.v[i].key) != 0 ||
		        strcmp(c->v[i].value, again.v[i].value) != 0)
			abort();
}

static void render(const char *text, size_t size)
{
	AUTO(buf) struct buf out = BUF_INIT(2 * CONFIG_INI_TEXT_MAX);
	AUTO(buf) struct buf again = BUF_INIT(2 * CONFIG_INI_TEXT_MAX);
	struct render_input in = { .name = "fuzz", .text = text, .len = size, .slot = "readers.1" };
	struct render_info info;
	struct err e = ERR_INIT;

	if (nodeos_render(&out, &info, &in, &e) < 0 || out.len > CONFIG_INI_TEXT_MAX)
		return;
	if (!info.http_port || !info.http_host[0])
		abort();
	in.text = out.data;
	in.len = out.len;
	if (nodeos_render(&again, &info, &in, &e) < 0 || strcmp(out.data, again.data) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	struct err e = ERR_INIT;
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data, size);
	if (config_ini_parse(&c, "fuzz", text, size, &e) == 0) {
		again_is_the_same(&c);
		render(text, size);
	}
	free(text);
	return 0;
}
