/*
 * The first line METHOD TARGET of a request, its body as that of a gather, of a sampling and of the
 * firewall's requests, and the whole as the files in which the agent looks for its address: nothing
 * that is let through may say more than a URL may, or be longer than its place.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/address.h"
#include "agent/firewall_request.h"
#include "agent/gather_request.h"
#include "agent/route.h"
#include "agent/samples_request.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "firewall/admit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What goes into the URL of a request to another agent. */
static void check_target(const char *path)
{
	static const char allowed[] =
	        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-?=&";

	if (path[0] != '/' || path[strspn(path, allowed)] || strstr(path, "/../"))
		abort();
}

static void check_route(const struct route *r)
{
	if (r->kind == ROUTE_VERB && !str_is_name(r->verb, ROUTE_VERB_MAX))
		abort();
	if (r->kind >= ROUTE_GENERATION && r->kind <= ROUTE_MAP &&
	        (!str_is_name(r->name, GENERATION_NAME_SIZE - 1) || r->file >= TREE_FILES_MAX ||
	                r->offset > INT64_MAX || r->length > ROUTE_LENGTH_MAX ||
	                (r->kind == ROUTE_FILE) != (r->length > 0)))
		abort();
	if (r->kind < ROUTE_QUIESCE)
		return;
	if (!str_is_name(r->service, SLOT_SERVICE_MAX) || r->slot < 1 ||
	        r->slot > SLOT_NUMBER_MAX || r->tail > ROUTE_TAIL_MAX)
		abort();
}

static void try_gather(const char *text, size_t n)
{
	struct gather_request q;
	struct err e = ERR_INIT;

	if (gather_request_parse(&q, text, n, &e) < 0)
		return;
	check_target(q.path);
	check_route(&q.route);
	if (q.n > AGENT_TARGETS_MAX || q.route.kind == ROUTE_GATHER || q.route.kind == ROUTE_FILE)
		abort();
	for (size_t i = 0; i < q.n; i++)
		if (!str_is_name(q.v[i].id, GATHER_ID_MAX) ||
		        strspn(q.v[i].address, "0123456789abcdefABCDEF.:") !=
		                strlen(q.v[i].address))
			abort();
	gather_request_release(&q);
}

static void try_samples(const char *text, size_t n)
{
	struct samples_request r;
	struct err e = ERR_INIT;

	if (samples_request_parse(&r, text, n, &e) < 0) {
		if (e.kind != ERR_USAGE)
			abort();
		return;
	}
	if (r.limit_ns <= 0)
		abort();
	for (size_t i = 0; i < r.n; i++)
		if (!str_is_name(r.own[i].service, SLOT_SERVICE_MAX) ||
		        samples_request_of(&r, r.own[i].service, r.own[i].slot) != &r.own[i].q ||
		        r.own[i].q.n_heights > SAMPLE_HEIGHTS_MAX)
			abort();
	samples_request_release(&r);
}

static void try_firewall(const char *text, size_t n)
{
	struct firewall_order *o = calloc(1, sizeof(*o));
	struct firewall_question *q;
	struct err e = ERR_INIT, why = ERR_INIT;
	const struct firewall_stand s = { .port = 8870, .peer = "10.0.0.1" };

	if (o && firewall_order_parse(o, text, n, &e) == 0 &&
	        firewall_stand_check(&o->model, &s, &e) == 0) {
		struct firewall_net peer;

		if (firewall_address_parse(&peer, s.peer) < 0 || o->model.n_nodes == 0 ||
		        !firewall_admits(&o->model, false, s.port, &peer) ||
		        firewall_order_check_saved(o, "", &e) > 0)
			abort();
	}
	if (o)
		firewall_order_release(o);
	free(o);
	q = firewall_question_parse(text, n, NULL, &why);
	if (q &&
	        (!q->n_addresses || !q->n_ports || q->n_addresses > FIREWALL_PROBE_ADDRESSES ||
	                q->n_ports > FIREWALL_PROBE_PORTS ||
	                q->n_addresses * q->n_ports > FIREWALL_PROBES_MAX || q->timeout_ns <= 0))
		abort();
	firewall_question_free(q);
}

static void try_address(const char *text)
{
	const struct address_facts each[] = {
		{ .host_json = text },
		{ .tcp = text },
		{ .tcp6 = text, .interfaces = text },
		{ .route = text, .interfaces = text },
		{ text, text, text, text, text },
	};
	char out[ADDRESS_MAX];
	bool is_v6;

	for (size_t i = 0; i < ARRAY_LEN(each); i++)
		if ((address_choose(out, &each[i]) != ADDRESS_NONE) != address_is_ip(out, &is_v6))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *text = malloc(size + 1), *line = NULL;
	struct err e = ERR_INIT;
	struct route r;
	char *space;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	try_gather(text, size);
	try_samples(text, size);
	try_firewall(text, size);
	try_address(text);
	line = strdup(text);
	if (!line)
		return 0;
	line[strcspn(line, "\n")] = '\0';
	space = strchr(line, ' ');
	if (!space)
		return 0;
	*space = '\0';
	if (route_parse_target(&r, line, space + 1, &e) == 0) {
		check_target(space + 1);
		check_route(&r);
	} else if (r.status != 400 && r.status != 404 && r.status != 405) {
		abort();
	}
	return 0;
}
