#include "stack/front_priv.h"

#include <string.h>

static int read_front(struct reader *r, const struct node *n, void *dst)
{
	static const char *const names[] = {
		[STACK_FRONT_DEFAULT] = "",
		[STACK_FRONT_HOST] = "host",
		[STACK_FRONT_INGRESS] = "ingress",
		NULL,
	};
	struct stack_front *f = dst;
	int v = STACK_FRONT_DEFAULT;

	if (read_enum(r, n, names, &v) < 0)
		return -1;
	if (v == STACK_FRONT_DEFAULT)
		return fail_value(r, n, "is empty; write host or ingress");
	*f = (struct stack_front){ .at = pos_of(n), .mode = (enum stack_front_mode)v };
	return 0;
}

/* Which rules there are is the linter's knowledge; that somebody had a reason is asked for here. */
static int read_allow(struct reader *r, const struct node *n, void *dst)
{
	struct stack_kvs *ret = dst;

	if (read_kvs(r, n, false, ret) < 0)
		return -1;
	for (size_t i = 0; i < ret->n; i++) {
		struct node at = *n;

		if (ret->v[i].value && *ret->v[i].value)
			continue;
		at.line = ret->v[i].at.line;
		at.column = ret->v[i].at.column;
		return fail_value(r, &at,
		        "'%.60s' is allowed without a reason; write RULE: \"why\"", ret->v[i].key);
	}
	return 0;
}

int read_service_own(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		FIELD(struct own, front, read_front),
		FIELD(struct own, allow, read_allow),
		FIELDS_END,
	};

	return read_submap(r, n, fields, dst);
}

static int add_allow(struct reader *r, struct stack_kvs *all, const struct stack_kvs *more)
{
	struct stack_kv *v = arena_alloc(r->arena, all->n + more->n, sizeof(*v));

	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < all->n; i++)
		v[i] = all->v[i];
	for (size_t i = 0; i < more->n; i++)
		v[all->n + i] = more->v[i];
	*all = (struct stack_kvs){ v, all->n + more->n };
	return 0;
}

int read_file_own(struct reader *r, const struct node *n, void *dst)
{
	struct own *all = dst, one = { 0 };

	if (read_service_own(r, n, &one) < 0)
		return -1;
	if (one.allow.n && add_allow(r, &all->allow, &one.allow) < 0)
		return -1;
	if (one.front.mode == STACK_FRONT_DEFAULT)
		return 0;
	if (all->front.mode != STACK_FRONT_DEFAULT && all->front.mode != one.front.mode)
		return fail_at(r, n, "'front' is said in %s:%u:%u already, and differently",
		        all->front.at.file, all->front.at.line, all->front.at.column);
	all->front = one.front;
	return 0;
}

int front_apply(struct arena *arena, struct stack_service *svc, struct err *e)
{
	struct stack_port *ports;

	if (svc->front.mode != STACK_FRONT_INGRESS)
		return 0;
	if (!svc->n_ports)
		return 1;
	ports = arena_alloc(arena, svc->n_ports, sizeof(*ports));
	if (!ports)
		return err_nomem(e);
	for (size_t i = 0; i < svc->n_ports; i++) {
		ports[i] = svc->ports[i];
		ports[i].mode = STACK_PORT_INGRESS;
	}
	svc->ports = ports;
	svc->deploy.endpoint_mode = STACK_ENDPOINT_VIP;
	return 0;
}
