/* A peer that was read is in canonical form: read again it is the same. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "nodeos/peers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(nodeos_peers) struct nodeos_peers p = NODEOS_PEERS_INIT;
	char out[NODEOS_PEER_SIZE];
	struct err e = ERR_INIT;
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data, size);
	(void)!nodeos_peers_parse(&p, "fuzz", text, size, &e);
	err_clear(&e);
	for (size_t i = 0; i < p.text.n; i++)
		if (nodeos_peer_check(out, p.text.v[i], &e) < 0 || strcmp(out, p.text.v[i]) != 0)
			abort();
	free(text);
	return 0;
}
