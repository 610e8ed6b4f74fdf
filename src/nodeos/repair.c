#include "nodeos/repair.h"

#include <stddef.h>
#include <string.h>

static const char *const names[REPAIR_N] = {
	[REPAIR_NONE] = "none",
	[REPAIR_INDEX] = "rebuild-index",
	[REPAIR_GENERATION] = "restore-generation",
	[REPAIR_REPLAY] = "replay",
	[REPAIR_HARD_REPLAY] = "hard-replay",
	[REPAIR_SNAPSHOT] = "start-from-snapshot",
	[REPAIR_EMPTY] = "begin-again",
};

const char *data_repair_name(enum data_repair r)
{
	return (size_t)r < REPAIR_N ? names[r] : "unknown";
}

enum data_repair data_repair_from_name(const char *name)
{
	for (size_t i = 0; i < REPAIR_N; i++)
		if (strcmp(names[i], name) == 0)
			return (enum data_repair)i;
	return REPAIR_N;
}

enum data_repair data_repair_cheapest(unsigned set)
{
	for (unsigned r = REPAIR_NONE + 1; r < REPAIR_N; r++)
		if (set & REPAIR_BIT(r))
			return (enum data_repair)r;
	return REPAIR_NONE;
}

/* Source: AntelopeIO/leap v4.0.6, libraries/chain/block_log.cpp (repair_log()): the name of the
 * blocks directory and the time, "2026-11-20T10:22:41.668". */
bool data_is_second_copy(const char *name)
{
	static const char like[] = "blocks-dddd-dd-ddTdd:dd:dd";
	size_t i = 0;

	for (; like[i]; i++)
		if (like[i] == 'd' && i >= strlen("blocks-") ? name[i] < '0' || name[i] > '9'
		                                             : name[i] != like[i])
			return false;
	return !name[i] ||
	        (name[i] == '.' && name[i + 1] &&
	                strspn(name + i + 1, "0123456789") == strlen(name + i + 1));
}
