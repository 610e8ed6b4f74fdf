/* A page that lists snapshots, and the answer of a bucket's list. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "http/url.h"
#include "replay/generate.h"
#include "replay/markup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_link(void *arg, const char *heading, const char *href)
{
	struct err e = ERR_INIT;
	AUTO(free) char *url = http_url_resolve("http://host.example/a/b/", href, &e);
	uint32_t height = 0;

	(void)arg;
	if (strlen(heading) >= MARKUP_HEADING_MAX || (!url && e.kind != ERR_USAGE))
		abort();
	if (url && snapshot_height(url, &height) == 0 && height == 0)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size ? size : 1), *found = NULL;
	const char *at = text;

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (markup_links(text, size, on_link, NULL) != 0)
		abort();
	while (markup_element(&found, &at, text + size, "Key") == 0) {
		if (at > text + size)
			abort();
		free(found);
	}
	free(text);
	return 0;
}
