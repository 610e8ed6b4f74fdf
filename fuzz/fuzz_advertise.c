/* What a metadata service answers, and what is given as an address; the first byte says which. */

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/advertise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[NODEOS_PEER_SIZE], again[NODEOS_PEER_SIZE];
	struct err e = ERR_INIT;
	struct in_addr a;
	char *text;

	if (size < 1)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	/* Without an end of its own, as it comes from the network. */
	memcpy(text, data + 1, size - 1);
	if (data[0] == 'r') {
		char *exact = malloc(size > 1 ? size - 1 : 1);

		if (exact) {
			memcpy(exact, text, size - 1);
			if (advertise_parse(&a, exact, size - 1) == 0 && !advertise_is_public(a))
				abort();
		}
		free(exact);
	} else {
		text[size - 1] = '\0';
		/* What it makes, it takes. */
		if (advertise_address(out, text, &e) == 0 &&
		        (advertise_address(again, out, &e) < 0 || strcmp(out, again) != 0))
			abort();
	}
	free(text);
	return 0;
}
