#include "deploy/spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "deploy/spec_priv.h"
#include "stack/stack.h"

#define DIGEST_SHOWN 12

static json_t *finish(struct spec *s, json_t *body, struct err *e)
{
	if (body && !s->failed)
		return body;
	json_decref(body);
	err_nomem(e);
	return NULL;
}

/* --- names ---------------------------------------------------------------------------------- */

char *spec_service_name(const struct stack *st, const struct stack_service *svc)
{
	return str_fmt("%s_%s", st->name, svc->name);
}

char *spec_network_name(const struct stack *st, const struct stack_network *net)
{
	if (net->own_name || net->external)
		return strdup(net->own_name ? net->own_name : net->name);
	return str_fmt("%s_%s", st->name, net->name);
}

char *spec_file_name(const struct stack *st, const struct stack_file *f)
{
	char hex[SHA256_HEX_SIZE];

	if (f->own_name || f->external)
		return strdup(f->own_name ? f->own_name : f->name);
	return str_fmt(
	        "%s_%s-%.*s", st->name, f->name, DIGEST_SHOWN, sha256_hex(hex, f->data, f->size));
}

/* --- networks, configs, secrets --------------------------------------------------------------- */

static json_t *ipam(struct spec *s, const struct stack_network *net)
{
	json_t *o = json_object(), *config = json_array();

	put_str(s, o, "Driver", net->ipam_driver);
	for (size_t i = 0; i < net->ipam_subnets.n; i++) {
		json_t *one = json_object();

		put_str(s, one, "Subnet", net->ipam_subnets.v[i]);
		append(s, config, one);
	}
	put(s, o, "Config", config);
	return o;
}

json_t *spec_network(const struct stack *st, const struct stack_network *net, struct err *e)
{
	struct spec s = { .st = st };
	AUTO(free) char *name = spec_network_name(st, net);
	json_t *o = json_object();

	if (!name)
		s.failed = true;
	put_str(&s, o, "Name", name);
	put_str(&s, o, "Driver", net->driver ? net->driver : "overlay");
	put(&s, o, "Internal", json_boolean(net->internal));
	put(&s, o, "Attachable", json_boolean(net->attachable));
	if (net->ipam_driver || net->ipam_subnets.n)
		put(&s, o, "IPAM", ipam(&s, net));
	opt_new(&s, o, "Options", from_kvs(&s, &net->driver_opts));
	put(&s, o, "Labels", labels(&s, &net->labels));
	return finish(&s, o, e);
}

static json_t *file_spec(const struct stack *st, const struct stack_file *f, struct err *e)
{
	struct spec s = { .st = st };
	AUTO(free) char *name = spec_file_name(st, f);
	AUTO(free) char *data = base64_encode(f->data, f->size);
	json_t *o = json_object();

	if (!name || !data)
		s.failed = true;
	put_str(&s, o, "Name", name);
	put(&s, o, "Labels", labels(&s, &f->labels));
	put_str(&s, o, "Data", data);
	if (data)
		explicit_bzero(data, strlen(data));
	return finish(&s, o, e);
}

json_t *spec_config(const struct stack *st, const struct stack_file *f, struct err *e)
{
	return file_spec(st, f, e);
}

json_t *spec_secret(const struct stack *st, const struct stack_file *f, struct err *e)
{
	AUTO(json) json_t *o = file_spec(st, f, e);
	char hex[SHA256_HEX_SIZE];

	if (!o || !f->own_name)
		return TAKE(o);
	sha256_hex(hex, f->data, f->size);
	hex[DIGEST_SHOWN] = '\0';
	if (json_object_set_new(
	            json_object_get(o, "Labels"), SPEC_LABEL_CONTENT, json_string(hex)) < 0) {
		err_nomem(e);
		return NULL;
	}
	return TAKE(o);
}

/* --- the service ------------------------------------------------------------------------------ */

static json_t *resources(struct spec *s, const struct stack_resources *r)
{
	json_t *o = json_object();

	opt_int(s, o, "NanoCPUs", r->nano_cpus.v);
	opt_int(s, o, "MemoryBytes", r->memory.v);
	opt_int(s, o, "Pids", r->pids.v);
	return o;
}

static json_t *requirements(struct spec *s, const struct stack_deploy *d)
{
	json_t *o = json_object();

	if (d->has_limits)
		put(s, o, "Limits", resources(s, &d->limits));
	if (d->has_reservations)
		put(s, o, "Reservations", resources(s, &d->reservations));
	return o;
}

static json_t *restart_policy(struct spec *s, const struct stack_restart_policy *p)
{
	static const char *const conditions[] = {
		[STACK_CONDITION_DEFAULT] = "",
		[STACK_CONDITION_NONE] = "none",
		[STACK_CONDITION_ON_FAILURE] = "on-failure",
		[STACK_CONDITION_ANY] = "any",
	};
	json_t *o = json_object();

	opt_str(s, o, "Condition", conditions[p->condition]);
	opt_set(s, o, "Delay", &p->delay);
	opt_set(s, o, "MaxAttempts", &p->max_attempts);
	opt_set(s, o, "Window", &p->window);
	return o;
}

static json_t *placement(struct spec *s, const struct stack_deploy *d)
{
	json_t *o = json_object(), *spread = json_array();

	opt_new(s, o, "Constraints", from_strs(s, &d->constraints));
	for (size_t i = 0; i < d->spread.n; i++)
		append(s, spread,
		        json_pack("{s:{s:s}}", "Spread", "SpreadDescriptor", d->spread.v[i]));
	opt_new(s, o, "Preferences", spread);
	opt_int(s, o, "MaxReplicas", d->max_replicas_per_node.v);
	return o;
}

static json_t *update(struct spec *s, const struct stack_update *u)
{
	static const char *const actions[] = {
		[STACK_FAILURE_DEFAULT] = "",
		[STACK_FAILURE_PAUSE] = "pause",
		[STACK_FAILURE_CONTINUE] = "continue",
		[STACK_FAILURE_ROLLBACK] = "rollback",
	};
	static const char *const orders[] = {
		[STACK_ORDER_DEFAULT] = "",
		[STACK_STOP_FIRST] = "stop-first",
		[STACK_START_FIRST] = "start-first",
	};
	double ratio = u->max_failure_ratio;
	json_t *o = json_object();

	put_int(s, o, "Parallelism", u->parallelism.set ? u->parallelism.v : 1);
	opt_int(s, o, "Delay", u->delay.v);
	opt_str(s, o, "FailureAction", actions[u->failure_action]);
	opt_int(s, o, "Monitor", u->monitor.v);
	/* Go writes a whole number without a point. */
	put(s, o, "MaxFailureRatio",
	        floor(ratio) < ratio ? json_real(ratio) : json_integer((json_int_t)ratio));
	put_str(s, o, "Order", orders[u->order]);
	return o;
}

static json_t *mode(struct spec *s, const struct stack_deploy *d)
{
	json_t *o = json_object(), *inner = json_object();

	switch (d->mode) {
	case STACK_REPLICATED:
		opt_set(s, inner, "Replicas", &d->replicas);
		put(s, o, "Replicated", inner);
		break;
	case STACK_GLOBAL:
		put(s, o, "Global", inner);
		break;
	case STACK_REPLICATED_JOB:
		opt_set(s, inner, "MaxConcurrent", &d->replicas);
		opt_set(s, inner, "TotalCompletions", &d->replicas);
		put(s, o, "ReplicatedJob", inner);
		break;
	case STACK_GLOBAL_JOB:
		put(s, o, "GlobalJob", inner);
		break;
	}
	return o;
}

static json_t *port(struct spec *s, const struct stack_port *p)
{
	static const char *const modes[] = {
		[STACK_PORT_DEFAULT] = "",
		[STACK_PORT_INGRESS] = "ingress",
		[STACK_PORT_HOST] = "host",
	};
	json_t *o = json_object();

	opt_str(s, o, "Protocol", p->protocol);
	put_int(s, o, "TargetPort", p->target);
	opt_int(s, o, "PublishedPort", p->published);
	opt_str(s, o, "PublishMode", modes[p->mode]);
	return o;
}

static json_t *endpoint(struct spec *s, const struct stack_service *svc)
{
	static const char *const modes[] = {
		[STACK_ENDPOINT_DEFAULT] = "",
		[STACK_ENDPOINT_VIP] = "vip",
		[STACK_ENDPOINT_DNSRR] = "dnsrr",
	};
	json_t *o = json_object(), *ports = json_array();

	opt_str(s, o, "Mode", modes[svc->deploy.endpoint_mode]);
	/* In the order of the published port; those that are equal keep theirs. */
	for (unsigned published = 0; published <= UINT16_MAX;) {
		unsigned next = UINT16_MAX + 1;

		for (size_t i = 0; i < svc->n_ports; i++) {
			const struct stack_port *p = &svc->ports[i];

			if (p->published == published)
				append(s, ports, port(s, p));
			else if (p->published > published && p->published < next)
				next = p->published;
		}
		published = next;
	}
	opt_new(s, o, "Ports", ports);
	return o;
}

static json_t *task(struct spec *s, const struct stack_service *svc, const struct spec_refs *refs,
        struct err *e)
{
	const struct stack_deploy *d = &svc->deploy;
	json_t *c = spec_container(s, svc, refs, e), *o;

	if (!c)
		return NULL;
	o = json_object();
	put(s, o, "ContainerSpec", c);
	put(s, o, "Resources", requirements(s, d));
	if (d->restart_policy.set)
		put(s, o, "RestartPolicy", restart_policy(s, &d->restart_policy));
	put(s, o, "Placement", placement(s, d));
	opt_new(s, o, "Networks", spec_attachments(s, svc, refs));
	if (svc->logging.set)
		put(s, o, "LogDriver", driver(s, svc->logging.driver, &svc->logging.options));
	put_int(s, o, "ForceUpdate", 0);
	return o;
}

json_t *spec_service(const struct stack *st, const struct stack_service *svc,
        const struct spec_refs *refs, struct err *e)
{
	const struct stack_deploy *d = &svc->deploy;
	struct spec s = { .st = st };
	json_t *t = task(&s, svc, refs, e), *o, *l;

	if (!t)
		return e->kind == ERR_NONE ? finish(&s, NULL, e) : NULL;
	o = json_object();
	put(&s, o, "Name", json_sprintf("%s_%s", st->name, svc->name));
	l = labels(&s, &d->labels);
	put_str(&s, l, SPEC_LABEL_IMAGE, svc->image);
	put(&s, o, "Labels", l);
	put(&s, o, "TaskTemplate", t);
	put(&s, o, "Mode", mode(&s, d));
	if (d->update_config.set)
		put(&s, o, "UpdateConfig", update(&s, &d->update_config));
	if (d->rollback_config.set)
		put(&s, o, "RollbackConfig", update(&s, &d->rollback_config));
	put(&s, o, "EndpointSpec", endpoint(&s, svc));
	return finish(&s, o, e);
}

int spec_digest(char out[SHA256_HEX_SIZE], const json_t *body, struct err *e)
{
	AUTO(free) char *text = json_dumps(body, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);

	if (!text)
		return err_nomem(e);
	sha256_hex(out, text, strlen(text));
	explicit_bzero(text, strlen(text));
	return 0;
}
