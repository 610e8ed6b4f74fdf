/* What NODESWARM_REFERENCES may be, and /state of another host; the first byte says which. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervise/probation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_references(const char *text)
{
	struct reference r[REFERENCES_MAX];
	struct err e = ERR_INIT;
	size_t n;

	if (references_parse(r, &n, text, &e) < 0) {
		if (e.kind != ERR_USAGE)
			abort();
		return;
	}
	/* What it takes, it takes alone and as it has made it. */
	for (size_t i = 0; i < n; i++) {
		struct reference again[REFERENCES_MAX];
		size_t one;

		if (references_parse(again, &one, r[i].url, &e) < 0 || one != 1 || !r[i].port ||
		        strcmp(again[0].url, r[i].url) != 0)
			abort();
	}
}

static void try_status(const char *text, size_t n)
{
	static const char chain[] =
	        "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c";
	struct err e = ERR_INIT;
	struct witness w;
	json_t *j = json_parse_object(text, n, "/state", &e);
	int rc = j ? witness_from_status(&w, j, chain, &e) : 1;

	if (rc < 0 && e.kind != ERR_PROTOCOL)
		abort();
	if (rc == 0 && (!w.block_num || strlen(w.block_id) != 64 || !str_is_utf8(w.who)))
		abort();
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] == 'r')
		try_references(text);
	else
		try_status(text, size - 1);
	free(text);
	return 0;
}
