#include "stack/section_priv.h"

#include <string.h>

#include "base/str.h"
#include "stack/service_priv.h"

#define NOT_IN_38 "it is not part of format 3.8"

/* --- external --------------------------------------------------------------------------------- */

struct external {
	bool external;
	const char *name; /* the old way to write `name:` */
};

static int read_external(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		FIELD(struct external, name, read_text),
		FIELDS_END,
	};
	struct external *x = dst;

	if (n->kind != NODE_MAP)
		return read_bool(r, n, &x->external);
	x->external = true;
	return read_submap(r, n, fields, x);
}

/* Settle the two ways to name it; nothing else can be said about what another made. */
static int finish_external(struct reader *r, const struct node *n, const struct external *x,
        bool *external, const char **own_name, bool says_more)
{
	*external = x->external;
	if (x->name && *own_name)
		return fail_at(r, n, "%s has 'name' and 'external.name'; keep 'name'", r->item);
	if (x->name)
		*own_name = x->name;
	if (x->external && says_more)
		return fail_at(
		        r, n, "%s is external: it can have a 'name' and nothing else", r->item);
	return 0;
}

/* --- networks --------------------------------------------------------------------------------- */

struct network_draft {
	struct stack_network net;
	struct external x;
};

static int read_ipam_config(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "subnet", read_text, 0, NULL },
		REFUSED("gateway", NOT_IN_38),
		REFUSED("ip_range", NOT_IN_38),
		REFUSED("aux_addresses", NOT_IN_38),
		FIELDS_END,
	};
	struct stack_strs *ret = dst;
	const char **v;

	if (want_items(r, n) < 0)
		return -1;
	v = arena_alloc(r->arena, n->n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < n->n; i++) {
		if (read_submap(r, n->items[i], fields, &v[i]) < 0)
			return -1;
		if (!v[i] || !strchr(v[i], '/'))
			return fail_value(r, n->items[i], "needs a 'subnet' like 10.1.0.0/16");
	}
	*ret = (struct stack_strs){ v, n->n, true };
	return 0;
}

static int read_ipam(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "driver", read_text, offsetof(struct stack_network, ipam_driver), NULL },
		{ "config", read_ipam_config, offsetof(struct stack_network, ipam_subnets), NULL },
		REFUSED("options", NOT_IN_38),
		FIELDS_END,
	};

	return read_submap(r, n, fields, dst);
}

static bool is_null(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->plain && (!*n->text || strcmp(n->text, "null") == 0);
}

int read_network(struct reader *r, const struct node *n, struct stack_network *ret)
{
	static const struct field fields[] = {
		{ "name", read_text, offsetof(struct stack_network, own_name), NULL },
		FIELD(struct stack_network, driver, read_text),
		FIELD(struct stack_network, driver_opts, read_options),
		FIELD(struct stack_network, labels, read_labels),
		FIELD(struct stack_network, attachable, read_bool),
		FIELD(struct stack_network, internal, read_bool),
		{ "ipam", read_ipam, 0, NULL },
		{ "external", read_external, offsetof(struct network_draft, x), NULL },
		REFUSED("enable_ipv6", NOT_IN_38),
		FIELDS_END,
	};
	struct network_draft d = { .net = { .at = pos_of(n), .name = ret->name } };
	struct stack_network *net = &d.net;

	if (!is_null(n) && read_map(r, n, fields, &d) < 0)
		return -1;
	if (finish_external(r, n, &d.x, &net->external, &net->own_name,
	            net->driver || net->driver_opts.n || net->labels.n || net->attachable ||
	                    net->internal || net->ipam_driver || net->ipam_subnets.n) < 0)
		return -1;
	*ret = *net;
	return 0;
}

/* --- configs and secrets ---------------------------------------------------------------------- */

struct file_draft {
	struct stack_file file;
	struct external x;
	const char *path;
	const struct node *path_node, *generate_node;
};

static int read_path(struct reader *r, const struct node *n, void *dst)
{
	struct file_draft *d = dst;

	d->path_node = n;
	return read_text(r, n, &d->path);
}

static int read_generate(struct reader *r, const struct node *n, void *dst)
{
	struct file_draft *d = dst;
	int64_t bytes;

	if (read_int(r, n, STACK_GENERATE_MIN, STACK_GENERATE_MAX, &bytes) < 0)
		return -1;
	d->file.generate = (size_t)bytes;
	d->generate_node = n;
	return 0;
}

static int read_own(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "generate", read_generate, 0, NULL },
		FIELDS_END,
	};

	return read_submap(r, n, fields, dst);
}

static int load_content(struct reader *r, struct file_draft *d, size_t max)
{
	struct stack_file *f = &d->file;
	const char *text;

	r->key = "file";
	f->path = absolute_path(r, d->path);
	if (!f->path || read_file(r, d->path_node, f->path, max, &text, &f->size) < 0)
		return -1;
	if (!f->size)
		return fail_value(
		        r, d->path_node, "'%.200s' is empty, which the engine refuses", f->path);
	f->data = text;
	return 0;
}

static int read_file_object(
        struct reader *r, const struct node *n, bool is_secret, size_t max, struct stack_file *ret)
{
	static const struct field fields[] = {
		{ "name", read_text, offsetof(struct stack_file, own_name), NULL },
		{ "file", read_path, 0, NULL },
		FIELD(struct stack_file, labels, read_labels),
		REFUSED("template_driver",
		        "nodeswarm gives the bytes of 'file' to the engine as they are"),
		{ "external", read_external, offsetof(struct file_draft, x), NULL },
		{ "x-nodeswarm", read_own, 0, NULL },
		REFUSED("driver", "nodeswarm keeps secrets in Swarm itself"),
		REFUSED("driver_opts", "nodeswarm keeps secrets in Swarm itself"),
		REFUSED("content", NOT_IN_38 "; use 'file'"),
		REFUSED("environment", NOT_IN_38 "; use 'file'"),
		FIELDS_END,
	};
	struct file_draft d = { .file = { .at = pos_of(n), .name = ret->name } };

	if (read_map(r, n, fields, &d) < 0)
		return -1;
	if (finish_external(
	            r, n, &d.x, &d.file.external, &d.file.own_name, d.path || d.file.labels.n) < 0)
		return -1;
	if (d.file.generate && (!d.file.external || !is_secret))
		return fail_at(r, d.generate_node, "%s: only an external secret can be generated",
		        r->item);
	if (!d.file.external && !d.path)
		return fail_at(r, n, "%s needs a 'file' or 'external: true'", r->item);
	if (!d.file.external && load_content(r, &d, max) < 0)
		return -1;
	*ret = d.file;
	return 0;
}

int read_config(struct reader *r, const struct node *n, struct stack_file *ret)
{
	return read_file_object(r, n, false, STACK_CONFIG_SIZE_MAX, ret);
}

int read_secret(struct reader *r, const struct node *n, struct stack_file *ret)
{
	return read_file_object(r, n, true, STACK_SECRET_SIZE_MAX, ret);
}

/* --- volumes ---------------------------------------------------------------------------------- */

struct volume_draft {
	struct stack_volume vol;
	struct external x;
};

int read_volume(struct reader *r, const struct node *n, struct stack_volume *ret)
{
	static const struct field fields[] = {
		{ "name", read_text, offsetof(struct stack_volume, own_name), NULL },
		FIELD(struct stack_volume, driver, read_text),
		FIELD(struct stack_volume, driver_opts, read_options),
		FIELD(struct stack_volume, labels, read_labels),
		{ "external", read_external, offsetof(struct volume_draft, x), NULL },
		FIELDS_END,
	};
	struct volume_draft d = { .vol = { .at = pos_of(n), .name = ret->name } };
	struct stack_volume *v = &d.vol;

	if (!is_null(n) && read_map(r, n, fields, &d) < 0)
		return -1;
	if (finish_external(r, n, &d.x, &v->external, &v->own_name,
	            v->driver || v->driver_opts.n || v->labels.n) < 0)
		return -1;
	*ret = *v;
	return 0;
}

/* --- the same twice --------------------------------------------------------------------------- */

static bool same_kvs(const struct stack_kvs *a, const struct stack_kvs *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(a->v[i].key, b->v[i].key) || !str_eq(a->v[i].value, b->v[i].value))
			return false;
	return true;
}

static bool same_strs(const struct stack_strs *a, const struct stack_strs *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(a->v[i], b->v[i]))
			return false;
	return true;
}

bool same_network(const struct stack_network *a, const struct stack_network *b)
{
	return str_eq(a->own_name, b->own_name) && a->external == b->external &&
	        str_eq(a->driver, b->driver) && same_kvs(&a->driver_opts, &b->driver_opts) &&
	        same_kvs(&a->labels, &b->labels) && a->attachable == b->attachable &&
	        a->internal == b->internal && str_eq(a->ipam_driver, b->ipam_driver) &&
	        same_strs(&a->ipam_subnets, &b->ipam_subnets);
}

bool same_file(const struct stack_file *a, const struct stack_file *b)
{
	return str_eq(a->own_name, b->own_name) && a->external == b->external &&
	        a->generate == b->generate && a->size == b->size &&
	        (!a->size || memcmp(a->data, b->data, a->size) == 0) &&
	        same_kvs(&a->labels, &b->labels);
}

bool same_volume(const struct stack_volume *a, const struct stack_volume *b)
{
	return str_eq(a->own_name, b->own_name) && a->external == b->external &&
	        str_eq(a->driver, b->driver) && same_kvs(&a->driver_opts, &b->driver_opts) &&
	        same_kvs(&a->labels, &b->labels);
}
