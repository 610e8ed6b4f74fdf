#include "replay/node_env.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

static bool is_ours(const char *entry)
{
	return str_starts(entry, "AWS_", NULL) || str_starts(entry, "NODESWARM_", NULL);
}

char **node_env(void)
{
	AUTO(free) char **envp = NULL;
	size_t n = 0, kept = 0;

	while (environ && environ[n])
		n++;
	envp = calloc(n + 1, sizeof(*envp));
	for (size_t i = 0; envp && i < n; i++)
		if (!is_ours(environ[i]))
			envp[kept++] = environ[i];
	return TAKE(envp);
}
