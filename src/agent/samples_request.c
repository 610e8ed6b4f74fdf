#include "agent/samples_request.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/str.h"
#include "data/slot.h"

void samples_request_release(struct samples_request *r)
{
	json_decref(r->json);
	free(r->own);
	*r = (struct samples_request){ 0 };
}

static int compare(const void *x, const void *y)
{
	const struct samples_own *a = x, *b = y;
	int rc = strcmp(a->service, b->service);

	return rc ? rc : a->slot < b->slot ? -1 : a->slot > b->slot;
}

static int parse_own(struct samples_own *o, const json_t *j, struct err *e)
{
	int64_t slot = json_int(j, "slot", 0);

	o->service = json_str(j, "service", "");
	if (!str_is_name(o->service, SLOT_SERVICE_MAX) || slot < 1 || slot > SLOT_NUMBER_MAX)
		return err_set(e, ERR_USAGE, "'slots': an entry without 'service' and 'slot'");
	o->slot = (uint64_t)slot;
	if (sample_request_parse(&o->q, j, e) < 0)
		return err_wrap(e, "'%s.%llu'", o->service, (unsigned long long)o->slot);
	return 0;
}

static int parse_slots(struct samples_request *r, struct err *e)
{
	const json_t *list = json_object_get(r->json, "slots");
	size_t n = json_array_size(list);

	if (list && !json_is_array(list))
		return err_set(e, ERR_USAGE, "'slots' is not a list");
	/* How many there can be the length of the body says. */
	r->own = calloc(n ? n : 1, sizeof(*r->own));
	if (!r->own)
		return err_nomem(e);
	for (; r->n < n; r->n++)
		if (parse_own(&r->own[r->n], json_array_get(list, r->n), e) < 0)
			return -1;
	if (n > 1)
		qsort(r->own, n, sizeof(*r->own), compare);
	for (size_t i = 1; i < n; i++)
		if (compare(&r->own[i - 1], &r->own[i]) == 0)
			return err_set(e, ERR_USAGE, "'slots': '%s.%llu' is named twice",
			        r->own[i].service, (unsigned long long)r->own[i].slot);
	return 0;
}

static int parse(struct samples_request *r, struct err *e)
{
	const json_t *limit = json_object_get(r->json, "limit_ms"),
	             *all = json_object_get(r->json, "all");
	json_int_t ms = limit ? json_integer_value(limit) : SAMPLES_LIMIT_MS;

	if (json_int(r->json, "format", AGENT_FORMAT) != AGENT_FORMAT)
		return err_set(e, ERR_USAGE, "this program speaks format %d", AGENT_FORMAT);
	if (ms < 1 || ms > SAMPLES_LIMIT_MS_MAX)
		return err_set(e, ERR_USAGE, "'limit_ms' is not a number from 1 to %d",
		        SAMPLES_LIMIT_MS_MAX);
	r->limit_ns = ms * NS_PER_MS;
	if (all && sample_request_parse(&r->all, all, e) < 0)
		return err_wrap(e, "'all'");
	return parse_slots(r, e);
}

int samples_request_parse(struct samples_request *ret, const char *text, size_t n, struct err *e)
{
	*ret = (struct samples_request){ 0 };
	ret->json = json_parse_object(text, n, "the request's body", e);
	if (ret->json && parse(ret, e) == 0)
		return 0;
	samples_request_release(ret);
	if (e->kind == ERR_PROTOCOL)
		e->kind = ERR_USAGE;
	return -1;
}

const struct sample_request *samples_request_of(
        const struct samples_request *r, const char *service, uint64_t slot)
{
	const struct samples_own key = { .service = service, .slot = slot };
	const struct samples_own *own =
	        r->n ? bsearch(&key, r->own, r->n, sizeof(*r->own), compare) : NULL;

	return own ? &own->q : &r->all;
}
