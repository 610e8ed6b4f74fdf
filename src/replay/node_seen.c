#include "replay/node_seen.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "nodeos/logline.h"

/* A block number at s; *rest behind it. */
static bool number(uint32_t *ret, const char *s, const char **rest)
{
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	n = strtoull(s, &end, 10);
	if (n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	*rest = end;
	return true;
}

static bool rise(struct node_seen *s, uint32_t block)
{
	if (block <= s->block)
		return false;
	s->block = block;
	return true;
}

static bool see_end(struct node_seen *s, const char *m)
{
	static const char words[] = "eached configured maximum block ";
	const char *at = strstr(m, words), *rest = m;
	uint32_t n;

	if (!at || !number(&n, at + strlen(words), &rest))
		return false;
	s->reached = n;
	/* Without the head before it, it is the block that was asked for. */
	if (str_starts(m, "Block ", &rest) && number(&n, rest, &rest)) {
		s->head = n;
		return rise(s, n);
	}
	return false;
}

static bool see_block(struct node_seen *s, const struct nodeos_logline *l)
{
	const char *m = l->message, *rest;
	uint32_t n, of;

	if (str_starts(m, "Received block ", &rest))
		return (rest = strstr(rest, "... #")) && number(&n, rest + 5, &rest) && rise(s, n);
	if (str_starts(m, "Blockchain started; head block is #", &rest)) {
		if (!number(&n, rest, &rest))
			return false;
		s->started = n;
		/* Terminated in a block log's replay: it starts all the same, and is there. */
		if (s->reached && !s->head)
			s->head = n;
		return rise(s, n);
	}
	if (str_starts(m, "Snapshot loaded, lib: ", &rest) ||
	        str_starts(m, "Snapshot loaded, head: ", &rest))
		return number(&n, rest, &rest) && rise(s, n);
	if (str_starts(l->where, "controller.cpp", NULL) && number(&n, m, &rest) &&
	        str_starts(rest, " of ", &rest) && number(&of, rest, &rest) && !*rest)
		return rise(s, n);
	return see_end(s, m);
}

bool node_seen_line(struct node_seen *s, const char *line)
{
	struct nodeos_logline l;
	const char *rest;
	bool had;

	if (nodeos_logline_start_hash(s->start_hash, line))
		return true;
	if (nodeos_logline_stop_hash(s->stop_hash, line))
		return true;
	if (nodeos_logline_parse(&l, line) != 0)
		return false;
	if (str_starts(l.message, "nodeos version ", &rest)) {
		had = *s->version != '\0';
		/* The full one is the second; before it there was but one. */
		rest = strchr(rest, ' ') ? strchr(rest, ' ') + 1 : rest;
		snprintf(s->version, sizeof(s->version), "%.*s", (int)strcspn(rest, " "), rest);
		return !had;
	}
	return see_block(s, &l);
}
