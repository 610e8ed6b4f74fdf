#include "cli/command.h"

#include <stddef.h>
#include <string.h>

/* The groups stand in the overview in the order of their first command here. */
const struct command *const commands[] = {
	NULL,
};

const struct command *command_find(const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}
