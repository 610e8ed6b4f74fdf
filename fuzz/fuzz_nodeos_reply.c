/* The first byte says which reply the rest is. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeos/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take_peer(void *arg, const struct nodeos_peer *p)
{
	size_t *total = arg;

	*total += strlen(p->text);
	if (!p->last_irreversible_block_num != !*p->last_irreversible_block_id)
		abort();
	return p->is_handshaken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char chain[] =
	        "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c";
	struct nodeos_peers_info p;
	struct nodeos_block_info b;
	struct nodeos_db_size d;
	struct nodeos_info i;
	struct err e = ERR_INIT;
	size_t total = 0;
	char *text;
	int rc;

	if (size < 2)
		return 0;
	text = malloc(size - 1);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	if (data[0] == 'i')
		rc = nodeos_info_parse(&i, text, size - 1, &e);
	else if (data[0] == 'd')
		rc = nodeos_db_size_parse(&d, text, size - 1, &e);
	else if (data[0] == 'b')
		rc = nodeos_block_info_parse(&b, text, size - 1, &e);
	else if (data[0] == 'r')
		rc = nodeos_net_reply_parse(text, size - 1) > NODEOS_NET_UNKNOWN ? abort(), -1 : 0;
	else
		rc = nodeos_peers_info_parse(
		        &p, text, size - 1, data[0] == 'p' ? chain : NULL, take_peer, &total, &e);
	if (rc < 0 && e.kind != ERR_PROTOCOL && e.kind != ERR_SYSTEM)
		abort();
	free(text);
	return 0;
}
