#pragma once

/*
 * A model that does not look at who makes the blocks
 *
 * For tests of forks alone: what they count (rounds, blocks that a node is asked for) is not that
 * of production.  The library's file is not linked beside these.
 */

#include <stdlib.h>

#include "watch/watch_priv.h"

struct production *production_new(void)
{
	return calloc(1, 1);
}

void production_free(struct production *p)
{
	free(p);
}

void production_ask(const struct watch *w, int node, struct sample_request *q)
{
	(void)w;
	(void)node;
	(void)q;
}

bool production_is_settled(const struct watch *w)
{
	(void)w;
	return true;
}

void production_see(struct watch *w, int node, const struct sample *s)
{
	(void)w;
	(void)node;
	(void)s;
}

void production_summary(const struct watch *w, struct watch_summary *ret)
{
	(void)w;
	(void)ret;
}

json_t *production_json(const struct watch *w)
{
	(void)w;
	return json_array();
}

void watch_judge_production(struct watch *w)
{
	(void)w;
}
