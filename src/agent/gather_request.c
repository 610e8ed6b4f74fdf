#include "agent/gather_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

unsigned agent_body_max(enum route_kind k)
{
	bool is_long = k == ROUTE_VERB || k == ROUTE_FIREWALL_APPLY || k == ROUTE_FIREWALL_PROBE ||
	        k == ROUTE_SAMPLE;

	return is_long ? AGENT_BODY_DATA_MAX : AGENT_BODY_TCP_MAX;
}

#define TIMEOUT_MAX_MS (7LL * 24 * 3600 * 1000)

void gather_request_release(struct gather_request *r)
{
	json_decref(r->json);
	free(r->v);
	*r = (struct gather_request){ 0 };
}

static int parse_target(struct gather_target *t, const json_t *j, struct err *e)
{
	t->id = json_str(j, "id", "");
	t->address = json_str(j, "address", "");
	if (!str_is_name(t->id, GATHER_ID_MAX))
		return err_set(e, ERR_USAGE, "a target's id is not the id of a node");
	if (*t->address && !address_is_ip(t->address, &t->is_v6))
		return err_set(
		        e, ERR_USAGE, "the address of target '%s' is not an IP address", t->id);
	return 0;
}

static int parse_targets(struct gather_request *r, struct err *e)
{
	const json_t *list = json_at(r->json, "targets");
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > AGENT_TARGETS_MAX)
		return err_set(
		        e, ERR_USAGE, "'targets' is not a list of at most %d", AGENT_TARGETS_MAX);
	r->v = calloc(n ? n : 1, sizeof(*r->v));
	if (!r->v)
		return err_nomem(e);
	for (; r->n < n; r->n++)
		if (parse_target(&r->v[r->n], json_array_get(list, r->n), e) < 0)
			return -1;
	return 0;
}

static int parse(struct gather_request *r, struct err *e)
{
	const char *method = json_str(r->json, "method", "GET");
	int64_t ms = json_int(r->json, "timeout_ms", -1);

	r->is_post = strcmp(method, "POST") == 0;
	if (!r->is_post && strcmp(method, "GET") != 0)
		return err_set(e, ERR_USAGE, "'method' is neither GET nor POST");
	r->path = json_str(r->json, "path", "");
	/* It becomes part of a URL: only what every agent has. */
	if (route_parse_target(&r->route, method, r->path, e) < 0)
		return err_wrap(e, "'path'");
	if (r->route.kind == ROUTE_GATHER)
		return err_set(e, ERR_USAGE, "'path': a gather gathers no gathers");
	if (r->route.kind == ROUTE_FILE)
		return err_set(e, ERR_USAGE, "'path': the bytes of a file are not gathered");
	r->body = json_str(r->json, "body", "");
	if (strlen(r->body) > agent_body_max(r->route.kind))
		return err_set(e, ERR_USAGE, "'body' has more than %u bytes",
		        agent_body_max(r->route.kind));
	if (*r->body && !r->is_post)
		return err_set(e, ERR_USAGE, "a GET has no 'body'");
	if (ms < 0 || ms > TIMEOUT_MAX_MS)
		return err_set(e, ERR_USAGE, "'timeout_ms' is not a number from 0 to %lld",
		        TIMEOUT_MAX_MS);
	r->timeout_ns = ms ? ms * NS_PER_MS : -1;
	return parse_targets(r, e);
}

int gather_request_parse(struct gather_request *ret, const char *text, size_t n, struct err *e)
{
	*ret = (struct gather_request){ 0 };
	ret->json = json_parse_object(text, n, "the request's body", e);
	if (ret->json && json_int(ret->json, "format", AGENT_FORMAT) != AGENT_FORMAT)
		err_set(e, ERR_USAGE, "this program speaks format %d", AGENT_FORMAT);
	else if (ret->json && parse(ret, e) == 0)
		return 0;
	gather_request_release(ret);
	if (e->kind == ERR_PROTOCOL)
		e->kind = ERR_USAGE;
	return -1;
}
