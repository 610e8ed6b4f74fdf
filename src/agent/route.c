#include "agent/route.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

static const struct {
	const char *path;
	bool is_post;
	enum route_kind kind;
} whole[] = {
	{ "/livez", false, ROUTE_LIVEZ },
	{ "/v1/status", false, ROUTE_STATUS },
	{ "/v1/slots", false, ROUTE_SLOTS },
	{ "/v1/host", false, ROUTE_HOST },
	{ "/v1/gather", true, ROUTE_GATHER },
}, of_slot[] = {
	{ "quiesce", true, ROUTE_QUIESCE },
	{ "resume", true, ROUTE_RESUME },
	{ "log", false, ROUTE_LOG },
};

static int refuse(struct route *r, unsigned status, struct err *e, const char *what)
{
	r->status = status;
	return err_set(e, status == 404 ? ERR_NOT_FOUND : ERR_USAGE, "%s", what);
}

static int check_method(struct route *r, const char *method, bool is_post, struct err *e)
{
	if (strcmp(method, "POST") == 0
	                ? is_post
	                : !is_post && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0))
		return 0;
	return refuse(r, 405, e, is_post ? "only POST does this" : "only GET does this");
}

/* SERVICE/SLOT/verb */
static int parse_slot(struct route *r, const char *method, const char *rest, struct err *e)
{
	const char *slash = strchr(rest, '/'), *verb = slash ? strchr(slash + 1, '/') : NULL;
	struct err ignored = ERR_INIT;
	char number[16];

	if (!verb || slash - rest > SLOT_SERVICE_MAX || verb - slash > (long)sizeof(number))
		return refuse(r, 404, e, "there is no such path");
	(void)snprintf(r->service, sizeof(r->service), "%.*s", (int)(slash - rest), rest);
	(void)snprintf(number, sizeof(number), "%.*s", (int)(verb - slash - 1), slash + 1);
	if (!str_is_name(r->service, SLOT_SERVICE_MAX) ||
	        num_uint(&r->slot, number, 1, SLOT_NUMBER_MAX, &ignored) < 0)
		return refuse(r, 404, e, "that is not SERVICE/SLOT");
	for (size_t i = 0; i < ARRAY_LEN(of_slot); i++)
		if (strcmp(of_slot[i].path, verb + 1) == 0) {
			r->kind = of_slot[i].kind;
			return check_method(r, method, of_slot[i].is_post, e);
		}
	return refuse(r, 404, e, "a slot has quiesce, resume and log");
}

static int parse_tail(struct route *r, const char *tail, struct err *e)
{
	uint64_t n;

	if (!tail)
		return 0;
	if (r->kind != ROUTE_LOG)
		return refuse(r, 400, e, "only a log has a tail");
	if (num_uint(&n, tail, 0, ROUTE_TAIL_MAX, e) < 0) {
		r->status = 400;
		return err_wrap(e, "tail");
	}
	r->tail = (unsigned)n;
	return 0;
}

int route_parse(
        struct route *r, const char *method, const char *path, const char *tail, struct err *e)
{
	const char *rest;

	*r = (struct route){ .tail = ROUTE_TAIL_DEFAULT };
	if (strlen(path) > ROUTE_PATH_MAX)
		return refuse(r, 404, e, "the path is too long");
	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		if (strcmp(whole[i].path, path) == 0) {
			r->kind = whole[i].kind;
			if (check_method(r, method, whole[i].is_post, e) < 0)
				return -1;
			return parse_tail(r, tail, e);
		}
	if (!str_starts(path, "/v1/slots/", &rest))
		return refuse(r, 404, e, "there is no such path");
	if (parse_slot(r, method, rest, e) < 0)
		return -1;
	return parse_tail(r, tail, e);
}

int route_parse_target(struct route *r, const char *method, const char *target, struct err *e)
{
	char path[ROUTE_PATH_MAX + 1];
	const char *query = strchr(target, '?'), *tail = NULL;
	size_t n = query ? (size_t)(query - target) : strlen(target);

	*r = (struct route){ 0 };
	if (n > ROUTE_PATH_MAX)
		return refuse(r, 404, e, "the path is too long");
	if (query && !str_starts(query + 1, "tail=", &tail))
		return refuse(r, 400, e, "the one thing to ask with is 'tail'");
	(void)snprintf(path, sizeof(path), "%.*s", (int)n, target);
	return route_parse(r, method, path, tail, e);
}
