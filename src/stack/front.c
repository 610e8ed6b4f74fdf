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

int read_service_own(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "front", read_front, 0, NULL },
		FIELDS_END,
	};

	return read_submap(r, n, fields, dst);
}

int read_file_own(struct reader *r, const struct node *n, void *dst)
{
	struct stack_front *all = dst, one = { 0 };

	if (read_service_own(r, n, &one) < 0)
		return -1;
	if (one.mode == STACK_FRONT_DEFAULT)
		return 0;
	if (all->mode != STACK_FRONT_DEFAULT && all->mode != one.mode)
		return fail_at(r, n, "'front' is said in %s:%u:%u already, and differently",
		        all->at.file, all->at.line, all->at.column);
	*all = one;
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
