/*
 * What docker's own files and the environment can hold: the first byte chooses a host's text
 * ('h', 't' with TLS) or a context's meta.json.  A host that is taken must make a URL that
 * libcurl could be given: no byte that could end a line or a header, and the port that it shows.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/endpoint_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_host(const char *text, bool tls)
{
	AUTO(engine_endpoint) struct engine_endpoint ep = ENGINE_ENDPOINT_INIT;
	struct err e = ERR_INIT;

	ep.is_tls = tls;
	if (engine_host_parse(&ep, text, &e) < 0) {
		if (e.kind != ERR_USAGE)
			abort();
		return;
	}
	if (!ep.host || !ep.url || !ep.socket_path != !!ep.name)
		abort();
	if (!ep.socket_path && (ep.url[strcspn(ep.url, " \t\r\n?#@\"'\\")] || !*ep.name))
		abort();
	(void)engine_endpoint_is_local(&ep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *text = malloc(size + 1);
	AUTO(free) char *host = NULL;
	struct err e = ERR_INIT;
	bool skip;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (*text == 'h' || *text == 't')
		check_host(text + 1, *text == 't');
	else if (engine_context_parse(&host, &skip, "n", text, size, &e) == 0 && !host)
		abort();
	return 0;
}
