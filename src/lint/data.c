/* Where data are, and how much room they have. */

#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "lint/lint_priv.h"

#define POOL_DEFAULT     "/var/lib/nodeswarm"
#define STATE_MB_DEFAULT 1024 /* nodeos's */
#define STATE_MB_MAX     (1 << 24)
#define MIB              (INT64_C(1024) * 1024)

/* Whether the path is that of the mount or below it. */
static bool is_below(const char *path, const char *target)
{
	size_t n = strlen(target);

	while (n > 1 && target[n - 1] == '/')
		n--;
	if (n == 1)
		return true;
	return strncmp(path, target, n) == 0 && (!path[n] || path[n] == '/');
}

static void judge_pool(struct lint *l, const struct subject *s)
{
	struct stack_pos at = s->svc->at;
	const char *pool = lint_env(s->svc, "NODESWARM_POOL", &at), *word;
	const struct stack_mount *over = NULL;

	for (size_t i = 0; (word = lint_word(s->svc, i)); i++)
		if (str_starts(word, "--pool", NULL))
			return;
	if (!*pool)
		pool = POOL_DEFAULT;
	for (size_t i = 0; i < s->svc->n_mounts; i++)
		if (is_below(pool, s->svc->mounts[i].target) &&
		        (!over || strlen(s->svc->mounts[i].target) > strlen(over->target)))
			over = &s->svc->mounts[i];
	if (!over)
		lint_say(l, LINT_NO_POOL, s->svc, &at,
		        "its pool is '%.120s', and nothing is mounted there", pool);
	else if (over->read_only)
		lint_say(l, LINT_NO_POOL, s->svc, &over->at,
		        "its pool '%.120s' is mounted read-only", pool);
	else if (over->type == STACK_MOUNT_TMPFS)
		lint_say(l, LINT_NO_POOL, s->svc, &over->at,
		        "its pool '%.120s' is a tmpfs, which ends with the container", pool);
}

static void judge_binds(struct lint *l, const struct subject *s)
{
	for (size_t i = 0; i < s->svc->n_mounts; i++) {
		const struct stack_mount *m = &s->svc->mounts[i];

		if (m->type == STACK_MOUNT_BIND && strstr(m->source, "{{.Task."))
			lint_say(l, LINT_SLOT_BIND, s->svc, &m->at,
			        "binds '%.120s': each task needs a directory of its own that is "
			        "already there",
			        m->source);
	}
}

static int64_t state_bytes(const struct subject *s, const struct config_entry **ret_at)
{
	struct err unread = ERR_INIT;
	uint64_t mb = STATE_MB_DEFAULT;

	for (const struct config_entry *x = NULL;
	        (x = config_ini_each(&s->ini, "chain-state-db-size-mb", x));)
		if (num_uint(&mb, x->value, 1, STATE_MB_MAX, &unread) < 0)
			err_clear(&unread);
		else
			*ret_at = x;
	return (int64_t)mb * MIB;
}

static void judge_memory(struct lint *l, const struct subject *s)
{
	const char *mode = config_ini_get(&s->ini, "database-map-mode");
	const struct stack_int *limit = &s->svc->deploy.limits.memory;
	bool is_in_memory = str_eq(mode, "heap") || str_eq(mode, "locked");
	char have[NUM_TEXT_MAX], size[NUM_TEXT_MAX];
	const struct config_entry *x = NULL;
	int64_t bytes = state_bytes(s, &x);

	if (!s->config || !limit->set || (!x && !is_chain_node(s)) || limit->v >= bytes)
		return;
	lint_say(l, is_in_memory ? LINT_HEAP_MEMORY : LINT_MEMORY_LIMIT, s->svc, &s->svc->deploy.at,
	        "may use %s of memory, and its database is of %s%s%s",
	        num_size_text(have, (uint64_t)limit->v), num_size_text(size, (uint64_t)bytes),
	        is_in_memory ? ", all of it in memory: database-map-mode = " : "",
	        is_in_memory ? mode : "");
}

static void judge_log(struct lint *l, const struct subject *s)
{
	const struct stack_logging *g = &s->svc->logging;

	if (g->driver && strcmp(g->driver, "json-file") != 0)
		return;
	for (size_t i = 0; i < g->options.n; i++)
		if (strcmp(g->options.v[i].key, "max-size") == 0 && *g->options.v[i].value &&
		        strcmp(g->options.v[i].value, "-1") != 0)
			return;
	lint_say(l, LINT_LOG_LIMIT, s->svc, g->set ? &g->at : &s->svc->at,
	        "its log has no max-size%s", g->driver ? "" : " in this file");
}

void lint_data(struct lint *l, const struct subject *s)
{
	if (s->is_supervised)
		judge_pool(l, s);
	judge_binds(l, s);
	judge_memory(l, s);
	judge_log(l, s);
}
