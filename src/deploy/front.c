#include "deploy/front.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "deploy/deploy_priv.h"
#include "deploy/doctor.h"
#include "deploy/spec.h"
#include "engine/engine.h"
#include "engine/service.h"
#include "engine/system.h"
#include "stack/stack.h"

#define ENV_SERVICE "NODESWARM_FRONT_SERVICE="

/* --- how many readers -------------------------------------------------------------------- */

static const char *readers_of(const json_t *spec)
{
	const json_t *env = json_at(spec, "TaskTemplate.ContainerSpec.Env");
	const char *name;

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *s = json_string_value(json_array_get(env, i));

		if (s && str_starts(s, ENV_SERVICE, &name))
			return name;
	}
	return NULL;
}

/* Slots of the service STACK_NAME; -1 if there is none. */
static int64_t slots_of(const json_t *services, const char *stack, const char *name)
{
	for (size_t i = 0; i < json_array_size(services); i++) {
		struct err ignored = ERR_INIT;
		struct engine_service s;
		const char *rest;

		if (engine_service_view(json_array_get(services, i), &s, &ignored) < 0)
			continue;
		if (!str_starts(s.name, stack, &rest) || *rest != '_' ||
		        strcmp(rest + 1, name) != 0)
			continue;
		return s.replicas >= 0 ? s.replicas : s.desired;
	}
	return -1;
}

int front_limit(char text[FRONT_TEXT_MAX], const json_t *services, const char *stack)
{
	for (size_t i = 0; i < json_array_size(services); i++) {
		const json_t *spec = json_object_get(json_array_get(services, i), "Spec");
		const char *front = json_str(spec, "Name", "?"), *name = readers_of(spec);
		int64_t n = name ? slots_of(services, stack, name) : -1;

		if (n > FRONT_SERVERS_MAX)
			snprintf(text, FRONT_TEXT_MAX,
			        "WARNING: '%.80s' has %" PRId64 " slots, and the front '%.80s' can "
			        "use %d: "
			        "%" PRId64 " of them get no request through it. Scale down to %d, "
			        "or run a second "
			        "service with a front of its own",
			        name, n, front, FRONT_SERVERS_MAX, n - FRONT_SERVERS_MAX,
			        FRONT_SERVERS_MAX);
		else if (n >= FRONT_SERVERS_NEAR)
			snprintf(text, FRONT_TEXT_MAX,
			        "warning: '%.80s' has %" PRId64
			        " slots, which is near the %d that the front "
			        "'%.80s' can use",
			        name, n, FRONT_SERVERS_MAX, front);
		else
			continue;
		return 1;
	}
	return 0;
}

void front_note_limit(struct deploy *d)
{
	AUTO(free) char *label = str_fmt(SPEC_LABEL_STACK "=%s", d->stack);
	struct err ignored = ERR_INIT;
	char text[FRONT_TEXT_MAX];
	AUTO(json)
	json_t *services = label
	        ? engine_service_list(d->engine, ENGINE_FILTERS({ "label", label }), &ignored)
	        : NULL;

	if (services && front_limit(text, services, d->stack) > 0)
		deploy_note(d, "%s", text);
}

/* --- ingress ----------------------------------------------------------------------------- */

int front_judge_ingress(const json_t *hosts, const char *service, struct err *e)
{
	const char *unknown = NULL;

	for (size_t i = 0; i < json_array_size(hosts); i++) {
		const json_t *host = json_array_get(hosts, i);
		const json_t *has = json_at(host, "facts.has_ipvs");
		const char *name = json_str(host, "name", "?");

		if (json_is_true(has) || !str_eq(json_str(host, "state", "ready"), "ready"))
			continue;
		if (!json_is_false(has)) {
			unknown = unknown ? unknown : name;
			continue;
		}
		err_set(e, ERR_UNHEALTHY,
		        "service '%s' asks for 'front: ingress', and the kernel of host '%.80s' "
		        "has no IPVS "
		        "(module ip_vs), without which Swarm's mesh answers no connection",
		        service, name);
		return err_hint(e,
		        "leave out x-nodeswarm.front: the front is then published on every host "
		        "itself (mode: "
		        "host), which needs no IPVS");
	}
	if (!unknown)
		return 0;
	err_set(e, ERR_UNAVAILABLE,
	        "service '%s' asks for 'front: ingress', and whether the kernel of host '%.80s' "
	        "has IPVS is "
	        "not known",
	        service, unknown);
	return err_hint(e,
	        "run 'modprobe ip_vs' there, and the agent (stacks/agent.yml), which says so; or "
	        "leave out "
	        "x-nodeswarm.front");
}

/*
 * An agent sees loaded modules and not those that could be loaded.  Of the engine's own host we
 * may know better, if we are on it.
 */
static int add_local_facts(struct deploy *d, const json_t *hosts, struct err *e)
{
	if (!d->local_facts || !engine_is_here(d->engine, NULL))
		return 0;
	for (size_t i = 0; i < json_array_size(hosts); i++) {
		json_t *host = json_array_get(hosts, i), *facts;

		if (!json_bool(host, "is_self", false) ||
		        json_is_boolean(json_at(host, "facts.has_ipvs")))
			continue;
		facts = d->local_facts(d->pool);
		if (!facts || json_object_set_new(host, "facts", facts) < 0)
			return err_nomem(e);
	}
	return 0;
}

int front_check_ingress(struct deploy *d, const struct stack *st, struct err *e)
{
	const struct doctor_query query = {
		.engine = d->engine,
		.agents = d->agents,
		.stack = d->stack,
		.pool = d->pool,
		.local_facts = d->local_facts,
	};

	for (size_t i = 0; i < st->n_services; i++) {
		const struct stack_service *svc = &st->services[i];
		AUTO(json) json_t *facts = NULL;
		const json_t *hosts;

		if (svc->front.mode != STACK_FRONT_INGRESS)
			continue;
		facts = doctor_collect(&query, e);
		if (!facts)
			return -1;
		hosts = json_object_get(facts, "hosts");
		if (add_local_facts(d, hosts, e) < 0)
			return -1;
		return front_judge_ingress(hosts, svc->name, e);
	}
	return 0;
}
