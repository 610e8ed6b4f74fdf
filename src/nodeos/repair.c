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
