/* What hosts have, compared with what they ought to have; pure but for the asking itself. */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "deploy/firewall.h"
#include "deploy/firewall_priv.h"
#include "firewall/admit.h"

#define LINES_MAX 100
#define PORTS_MAX 64
/* The kernel repeats a SYN after a second. */
#define PROBE_MS 2500
/* Those that are under way at a time in an agent; each round has the time limit. */
#define PROBES_AT_ONCE 512

/* --- what a host has ------------------------------------------------------------------------ */

void firewall_view_release(struct firewall_view *v)
{
	free(v->model);
	strvec_release(&v->differs);
	*v = (struct firewall_view){ 0 };
}

static int parse_view(struct firewall_view *v, const json_t *j, struct err *e)
{
	const json_t *model = json_object_get(j, "model"), *line;
	json_int_t n = json_int(j, "n_differs", 0);
	size_t i;

	v->is_known = true;
	v->is_saved = json_bool(j, "is_saved", false);
	v->is_present = json_bool(j, "is_present", false);
	v->saved_ns = json_int(j, "saved_ns", 0);
	(void)snprintf(v->backend, sizeof(v->backend), "%.7s", json_str(j, "backend", ""));
	str_printable(v->backend);
	json_array_foreach(json_object_get(j, "differs"), i, line)
	{
		AUTO(free)
		char *text = strdup(json_is_string(line) ? json_string_value(line) : "?");

		if (i >= LINES_MAX)
			break;
		if (!text)
			return err_nomem(e);
		str_printable(text);
		if (strvec_add(&v->differs, text) < 0)
			return err_nomem(e);
	}
	v->n_differs = n > (json_int_t)v->differs.n ? (size_t)n : v->differs.n;
	if (!json_is_object(model))
		return 0;
	v->model = calloc(1, sizeof(*v->model));
	if (!v->model)
		return err_nomem(e);
	if (firewall_model_parse(v->model, model, e) < 0)
		return err_wrap(e, "the model that it has");
	/* Ours, not its word for it. */
	firewall_model_digest(v->model, v->digest);
	return 0;
}

int firewall_view_parse(struct firewall_view *ret, const json_t *body, struct err *e)
{
	const json_t *j = json_object_get(body, "firewall");
	const json_t *error = json_object_get(j, "error");
	struct firewall_view v = { 0 };

	if (!json_is_object(j))
		return err_set(e, ERR_PROTOCOL, "its agent's reply says nothing of a firewall");
	if (json_is_object(error))
		return json_to_err(e, error);
	if (parse_view(&v, j, e) < 0) {
		firewall_view_release(&v);
		return -1;
	}
	*ret = v;
	return 0;
}

const struct firewall_site *firewall_newest(const struct firewall_swarm *s)
{
	const struct firewall_site *best = NULL;

	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].view.model && (!best || s->v[i].view.saved_ns > best->view.saved_ns))
			best = &s->v[i];
	return best;
}

/* --- what is wrong with it ------------------------------------------------------------------ */

/* The host that has that address, for people. */
static const char *name_of(const struct firewall_swarm *s, const char *address)
{
	for (size_t i = 0; i < s->nodes.n; i++)
		if (str_eq(s->nodes.v[i].addr, address))
			return s->nodes.v[i].hostname;
	return "a host";
}

/* The nodes that a has and b has not. */
static int compare_nodes(struct strvec *ret, const struct firewall_swarm *s,
        const struct firewall_model *a, const struct firewall_model *b, const char *what)
{
	for (unsigned i = 0; i < a->n_nodes; i++) {
		char text[FIREWALL_NET_SIZE];

		if (firewall_has_node(b, &a->nodes[i]))
			continue;
		firewall_net_text(text, &a->nodes[i]);
		if (strvec_add_fmt(ret, "%s (%s) %s", name_of(s, text), text, what) < 0)
			return -1;
	}
	return 0;
}

int firewall_site_differs(struct strvec *ret, const struct firewall_site *at,
        const struct firewall_swarm *s, const struct firewall_model *m, struct err *e)
{
	const struct firewall_view *v = &at->view;
	char digest[FIREWALL_DIGEST_SIZE];
	size_t before = ret->n;

	if (!v->is_known)
		return 0;
	if (!v->model)
		return strvec_add(ret, "no firewall was applied") < 0 ? err_nomem(e) : 0;
	for (size_t i = 0; i < v->differs.n; i++)
		if (strvec_add(ret, v->differs.v[i]) < 0)
			return err_nomem(e);
	if (v->n_differs > v->differs.n &&
	        strvec_add_fmt(ret, "and %zu more", v->n_differs - v->differs.n) < 0)
		return err_nomem(e);
	firewall_model_digest(m, digest);
	if (strcmp(digest, v->digest) == 0)
		return 0;
	before = ret->n;
	if (compare_nodes(ret, s, m, v->model, "is not let in as a node") < 0 ||
	        compare_nodes(ret, s, v->model, m, "is let in and is no node") < 0)
		return err_nomem(e);
	if (ret->n == before && strvec_add(ret, "other rules were applied than elsewhere") < 0)
		return err_nomem(e);
	return 0;
}

/* --- proof ---------------------------------------------------------------------------------- */

void firewall_proof_release(struct firewall_proof *p)
{
	strvec_release(&p->lines);
	*p = (struct firewall_proof){ 0 };
}

size_t firewall_proof_ports(const struct firewall_model *m, uint16_t *ret, size_t max)
{
	size_t n = 0;

	for (unsigned i = 0; i < m->n_rules; i++) {
		const uint16_t ends[] = { m->rules[i].first, m->rules[i].last };

		for (size_t k = 0; k < ARRAY_LEN(ends); k++) {
			size_t at = 0;

			while (at < n && ret[at] != ends[k])
				at++;
			if (at == n && n < max && !m->rules[i].is_udp)
				ret[n++] = ends[k];
		}
	}
	return n;
}

/* Returns 1 as wanted, 0 wrong, -1 not proved. */
static int judge(bool is_admitted, const char *reach)
{
	if (str_eq(reach, "reached"))
		return is_admitted;
	if (str_eq(reach, "silent"))
		return !is_admitted;
	return -1;
}

static int take_one(struct firewall_proof *p, const struct firewall_site *from,
        const struct firewall_site *to, uint16_t port, bool is_admitted, const char *reach)
{
	switch (judge(is_admitted, reach)) {
	case 1:
		p->as_wanted++;
		return 0;
	case 0:
		p->wrong++;
		return strvec_add_fmt(&p->lines,
		        is_admitted ? "%s does not reach %s on port %u, and ought to"
		                    : "%s reaches %s on port %u, and ought not to",
		        from->node->hostname, to->node->hostname, port);
	default:
		p->unproved++;
		return strvec_add_fmt(&p->lines, "%s has no route to %s: port %u is not proved",
		        from->node->hostname, to->node->hostname, port);
	}
}

static const json_t *result_of(const json_t *body, const char *address)
{
	const json_t *list = json_object_get(body, "results");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (str_eq(json_str(json_array_get(list, i), "address", NULL), address))
			return json_array_get(list, i);
	return NULL;
}

int firewall_proof_take(struct firewall_proof *p, const struct firewall_swarm *s,
        const struct firewall_site *from, const struct firewall_model *m, const uint16_t *ports,
        size_t n_ports, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct firewall_site *to = &s->v[i];
		const json_t *r = result_of(from->body, to->node->addr);
		const json_t *reach = json_object_get(r, "reach");
		struct firewall_net source;
		bool is_known = firewall_address_parse(&source, json_str(r, "source", "")) == 0;

		/* A host's own address is reached over lo, which the rules leave alone. */
		if (to == from || to->is_down || !*to->node->addr)
			continue;
		for (size_t k = 0; k < n_ports; k++) {
			const char *word = json_string_value(json_array_get(reach, k));
			bool is_admitted = is_known && firewall_admits(m, false, ports[k], &source);

			if (take_one(p, from, to, ports[k], is_admitted,
			            is_known && word ? word : "") < 0)
				return err_nomem(e);
		}
	}
	return 0;
}

static char *question(const struct firewall_swarm *s, const uint16_t *ports, size_t n_ports)
{
	AUTO(json)
	json_t *j = json_pack("{s:i, s:[], s:[], s:i}", "format", 1, "addresses", "ports",
	        "timeout_ms", PROBE_MS);

	for (size_t i = 0; i < s->n; i++)
		if (!s->v[i].is_down && *s->v[i].node->addr &&
		        json_array_append_new(json_object_get(j, "addresses"),
		                json_string(s->v[i].node->addr)) < 0)
			return NULL;
	for (size_t i = 0; i < n_ports; i++)
		if (json_array_append_new(json_object_get(j, "ports"), json_integer(ports[i])) < 0)
			return NULL;
	return j ? json_text(j, false) : NULL;
}

int firewall_swarm_prove(struct firewall_swarm *s, const struct firewall_model *m,
        struct firewall_proof *ret, struct err *e)
{
	uint16_t ports[PORTS_MAX];
	size_t n = firewall_proof_ports(m, ports, PORTS_MAX);
	AUTO(free) char *body = question(s, ports, n);
	size_t rounds = s->n * n / PROBES_AT_ONCE + 1;

	if (!body)
		return err_nomem(e);
	if (s->n < 2 || n == 0)
		return 0;
	firewall_swarm_ask_probe(
	        s, body, (int64_t)(rounds + 1) * PROBE_MS * NS_PER_MS + 2 * NS_PER_SEC);
	for (size_t i = 0; i < s->n; i++) {
		struct firewall_site *at = &s->v[i];

		if (at->body) {
			if (firewall_proof_take(ret, s, at, m, ports, n, e) < 0)
				return -1;
			continue;
		}
		ret->unproved += n * (s->n - 1);
		if (strvec_add_fmt(&ret->lines, "nothing is proved from %s: %s", at->node->hostname,
		            at->err.msg) < 0)
			return err_nomem(e);
	}
	return 0;
}

/* --- following ------------------------------------------------------------------------------ */

/*
 * Whether the host has this model, and its rules as it says.  Equal rules are not enough: an
 * address of the additions that has become a node's is to be forgotten with the node.
 */
static bool has_model(const struct firewall_view *v, const json_t *model, struct err *e)
{
	AUTO(json) json_t *j = v->model ? firewall_model_json(v->model, e) : NULL;

	return j && json_equal(j, (json_t *)(uintptr_t)model) && v->n_differs == 0;
}

int firewall_follow_decide(enum firewall_follow *ret, struct firewall_swarm *s,
        struct firewall_model *m, struct err *e)
{
	const struct firewall_site *newest = firewall_newest(s);
	const struct engine_node *unknown;
	AUTO(json) json_t *model = NULL;
	size_t known = 0, have = 0, need = 0;

	for (size_t i = 0; i < s->n; i++) {
		known += s->v[i].view.is_known;
		have += s->v[i].view.model != NULL;
	}
	*ret = FIREWALL_FOLLOW_NOTHING;
	if (!newest || have * 2 < known)
		return 0;
	*m = *newest->view.model;
	if (firewall_swarm_nodes(m, &s->nodes, &unknown, e) < 0)
		return -1;
	model = firewall_model_json(m, e);
	if (!model)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		const struct firewall_view *v = &s->v[i].view;

		s->v[i].is_left_out = !v->is_known || has_model(v, model, e);
		need += !s->v[i].is_left_out;
	}
	if (e->kind != ERR_NONE)
		return -1;
	*ret = need ? FIREWALL_FOLLOW_APPLY : FIREWALL_FOLLOW_SAME;
	return 0;
}
