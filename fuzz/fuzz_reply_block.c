/*
 * Blocks and schedules as a nodeos tells them: 's' before a schedule, anything else before a block.
 * What is taken is whole, and the transactions, which anybody may have made, hide nothing.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeos/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_block(const struct nodeos_block *b)
{
	char num[9];

	(void)snprintf(num, sizeof(num), "%08x", (unsigned)b->num);
	if (strlen(b->id) != 64 || strlen(b->previous) != 64 || strncmp(b->id, num, 8) != 0 ||
	        strspn(b->id, "0123456789abcdef") != 64 || strlen(b->producer) > 13 ||
	        b->transactions < -1 || b->transactions > NODEOS_REPLY_MAX ||
	        NODEOS_SLOT_EPOCH_NS + nodeos_slot(b->time_ns) * NODEOS_SLOT_NS != b->time_ns)
		abort();
}

static void check_schedule(const struct nodeos_schedule *s)
{
	if (s->n > NODEOS_PRODUCERS_MAX || !s->n != !nodeos_schedule_at(s, 12345))
		abort();
	for (size_t i = 0; i < s->n; i++)
		if (!*s->producers[i] || strlen(s->producers[i]) > 13)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nodeos_schedule s;
	struct nodeos_block b;
	struct err e = ERR_INIT;
	char *text;
	int rc;

	if (size < 2)
		return 0;
	text = malloc(size - 1);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	if (data[0] == 's') {
		rc = nodeos_schedule_parse(&s, text, size - 1, &e);
		if (rc == 0)
			check_schedule(&s);
	} else {
		rc = nodeos_block_parse(&b, text, size - 1, &e);
		if (rc == 0)
			check_block(&b);
	}
	if ((rc < 0) != (e.kind != ERR_NONE) || rc > 1 ||
	        (rc < 0 && e.kind != ERR_PROTOCOL && e.kind != ERR_SYSTEM))
		abort();
	free(text);
	return 0;
}
