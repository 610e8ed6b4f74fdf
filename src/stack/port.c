/* The ports of a service, in their short and long forms. */

#include <string.h>

#include "base/num.h"
#include "stack/service_priv.h"

struct ports {
	struct stack_port *v;
	size_t n;
};

static int add_port(struct reader *r, const struct node *n, struct ports *p, struct stack_port port)
{
	struct stack_port *v;

	if (p->n >= STACK_ITEMS_MAX)
		return fail_value(r, n, "more than %d ports", STACK_ITEMS_MAX);
	v = arena_room(r->arena, p->v, p->n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	v[p->n++] = port;
	p->v = v;
	return 0;
}

static int parse_port(struct reader *r, const struct node *n, const char *s, uint16_t *ret)
{
	uint64_t v;

	if (num_uint(&v, s, 1, 65535, r->e) < 0)
		return fail_because(r, n);
	*ret = (uint16_t)v;
	return 0;
}

/* "80" or "80-89", in place. */
static int parse_range(
        struct reader *r, const struct node *n, char *s, uint16_t *first, uint16_t *last)
{
	char *dash = strchr(s, '-');

	if (dash)
		*dash++ = '\0';
	if (parse_port(r, n, s, first) < 0)
		return -1;
	*last = *first;
	if (dash && parse_port(r, n, dash, last) < 0)
		return -1;
	return *last >= *first ? 0 : fail_value(r, n, "the range %s-%s goes down", s, dash);
}

/* Cut "/udp" off; NULL with the error set. */
static const char *cut_protocol(struct reader *r, const struct node *n, char *s)
{
	char *slash = strchr(s, '/');

	if (!slash)
		return "tcp";
	*slash++ = '\0';
	if (strcmp(slash, "tcp") == 0 || strcmp(slash, "udp") == 0 || strcmp(slash, "sctp") == 0)
		return slash;
	fail_value(r, n, "'%.60s' is none of: tcp, udp, sctp", slash);
	return NULL;
}

/*
 * "80", "8080:80", "8080-8089:80-89" (in pairs), "8080-8089:80" (all to one), each also with
 * "/udp".
 */
static int short_port(struct reader *r, const struct node *n, struct ports *ports)
{
	struct stack_port p = { .at = pos_of(n), .mode = STACK_PORT_INGRESS };
	uint16_t first, last, pub_first = 0, pub_last = 0;
	char *copy, *target, *colon;
	unsigned targets, count;
	const char *text;

	if (read_short(r, n, &text) < 0)
		return -1;
	copy = target = arena_strdup(r->arena, text);
	if (!copy)
		return fail_nomem(r);
	p.protocol = cut_protocol(r, n, copy);
	if (!p.protocol)
		return -1;
	colon = strrchr(copy, ':');
	if (colon) {
		*colon = '\0';
		target = colon + 1;
		if (strpbrk(copy, ":."))
			return fail_value(
			        r, n, "'%.100s' has an address, and Swarm publishes on all", text);
		if (parse_range(r, n, copy, &pub_first, &pub_last) < 0)
			return -1;
	}
	if (parse_range(r, n, target, &first, &last) < 0)
		return -1;
	targets = (unsigned)(last - first) + 1;
	count = colon ? (unsigned)(pub_last - pub_first) + 1 : targets;
	if (targets > 1 && targets != count)
		return fail_value(r, n, "the ranges of '%.100s' differ in length", text);
	for (unsigned i = 0; i < count; i++) {
		p.target = (uint16_t)(first + (targets > 1 ? i : 0));
		p.published = (uint16_t)(colon ? pub_first + i : 0);
		if (add_port(r, n, ports, p) < 0)
			return -1;
	}
	return 0;
}

static int read_port_number(struct reader *r, const struct node *n, void *dst)
{
	int64_t v;

	if (read_int(r, n, 1, 65535, &v) < 0)
		return -1;
	*(uint16_t *)dst = (uint16_t)v;
	return 0;
}

static int read_protocol(struct reader *r, const struct node *n, void *dst)
{
	static const char *const names[] = { "tcp", "udp", "sctp", NULL };
	int v = 0;

	if (read_enum(r, n, names, &v) < 0)
		return -1;
	*(const char **)dst = names[v];
	return 0;
}

static int read_port_mode(struct reader *r, const struct node *n, void *dst)
{
	static const char *const names[] = {
		[STACK_PORT_DEFAULT] = "",
		[STACK_PORT_INGRESS] = "ingress",
		[STACK_PORT_HOST] = "host",
		NULL,
	};
	int v = 0;

	if (read_enum(r, n, names, &v) < 0)
		return -1;
	*(enum stack_port_mode *)dst = (enum stack_port_mode)v;
	return 0;
}

static int long_port(struct reader *r, const struct node *n, struct ports *ports)
{
	static const struct field fields[] = {
		FIELD(struct stack_port, target, read_port_number),
		FIELD(struct stack_port, published, read_port_number),
		FIELD(struct stack_port, protocol, read_protocol),
		FIELD(struct stack_port, mode, read_port_mode),
		REFUSED("host_ip", "Swarm publishes on all addresses; use a firewall"),
		REFUSED("name", "it is not part of format 3.8"),
		REFUSED("app_protocol", "it is not part of format 3.8"),
		FIELDS_END,
	};
	struct stack_port p = { .at = pos_of(n) };

	if (read_submap(r, n, fields, &p) < 0)
		return -1;
	if (!p.target)
		return fail_value(r, n, "needs a 'target', the port in the container");
	return add_port(r, n, ports, p);
}

int read_ports(struct reader *r, const struct node *n, void *dst)
{
	struct stack_service *svc = dst;
	struct ports ports = { 0 };

	if (want_items(r, n) < 0)
		return -1;
	for (size_t i = 0; i < n->n; i++) {
		const struct node *item = n->items[i];

		if ((item->kind == NODE_MAP ? long_port(r, item, &ports)
		                            : short_port(r, item, &ports)) < 0)
			return -1;
	}
	svc->ports = ports.v;
	svc->n_ports = ports.n;
	return 0;
}
