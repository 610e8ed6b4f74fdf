/* The part of a service's body that describes the container, and the networks it is in. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/strvec.h"
#include "deploy/spec_priv.h"

/* --- parts of the container ------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "KEY=VALUE", or "KEY" alone, which takes the variable out of the image's environment. */
static json_t *environment(struct spec *s, const struct stack_kvs *kvs)
{
	AUTO(strvec) struct strvec v = STRVEC_INIT;
	json_t *list = json_array();

	for (size_t i = 0; i < kvs->n; i++)
		if (strvec_add_fmt(&v, "%s%s%s", kvs->v[i].key, kvs->v[i].value ? "=" : "",
		            kvs->v[i].value ? kvs->v[i].value : "") < 0)
			s->failed = true;
	if (v.n)
		qsort(v.v, v.n, sizeof(*v.v), by_text);
	for (size_t i = 0; i < v.n; i++)
		append(s, list, json_string(v.v[i]));
	return list;
}

/* Swarm wants "ADDRESS NAME" where compose has "NAME:ADDRESS". */
static json_t *hosts(struct spec *s, const struct stack_strs *strs)
{
	json_t *list = json_array();

	for (size_t i = 0; i < strs->n; i++) {
		const char *colon = strchr(strs->v[i], ':');

		append(s, list,
		        json_sprintf("%s %.*s", colon + 1, (int)(colon - strs->v[i]), strs->v[i]));
	}
	return list;
}

static json_t *healthcheck(struct spec *s, const struct stack_healthcheck *h)
{
	json_t *o = json_object();

	if (h->disable) {
		put(s, o, "Test", json_pack("[s]", "NONE"));
		return o;
	}
	opt_new(s, o, "Test", from_strs(s, &h->test));
	opt_int(s, o, "Interval", h->interval.v);
	opt_int(s, o, "Timeout", h->timeout.v);
	opt_int(s, o, "StartPeriod", h->start_period.v);
	opt_int(s, o, "Retries", h->retries.v);
	return o;
}

/* "CAP_CHOWN" for "chown"; the result is in buf. */
static const char *capability(const char *text, char buf[64])
{
	size_t n = 0;

	if (strcasecmp(text, "ALL") != 0 && strncasecmp(text, "CAP_", 4) != 0)
		n = (size_t)snprintf(buf, 64, "CAP_");
	(void)snprintf(buf + n, 64 - n, "%s", text);
	for (char *p = buf; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return buf;
}

static bool has_capability(const struct stack_strs *caps, const char *name)
{
	char buf[64];

	for (size_t i = 0; i < caps->n; i++)
		if (strcmp(capability(caps->v[i], buf), name) == 0)
			return true;
	return false;
}

/* Sorted and without doubles; ALL swallows the others, and adding beats dropping. */
static json_t *capabilities(
        struct spec *s, const struct stack_strs *caps, const struct stack_strs *stronger)
{
	AUTO(strvec) struct strvec v = STRVEC_INIT;
	bool all = has_capability(caps, "ALL");
	json_t *list = json_array();

	for (size_t i = 0; i < caps->n; i++) {
		char buf[64];
		const char *name = capability(caps->v[i], buf);

		if ((all && strcmp(name, "ALL") != 0) ||
		        (stronger && has_capability(stronger, name)))
			continue;
		if (strvec_add(&v, name) < 0)
			s->failed = true;
	}
	if (v.n)
		qsort(v.v, v.n, sizeof(*v.v), by_text);
	for (size_t i = 0; i < v.n; i++)
		if (!i || strcmp(v.v[i - 1], v.v[i]) != 0)
			append(s, list, json_string(v.v[i]));
	return list;
}

static json_t *ulimits(struct spec *s, const struct stack_service *svc)
{
	json_t *list = json_array();
	const char *last = "";

	/* By name: the smallest that is greater than the last, of fifteen at most. */
	for (size_t done = 0; done < svc->n_ulimits; done++) {
		const struct stack_ulimit *next = NULL;
		json_t *o = json_object();

		for (size_t i = 0; i < svc->n_ulimits; i++) {
			const struct stack_ulimit *u = &svc->ulimits[i];

			if (strcmp(u->name, last) > 0 && (!next || strcmp(u->name, next->name) < 0))
				next = u;
		}
		if (!next)
			break;
		last = next->name;
		put_str(s, o, "Name", next->name);
		put_int(s, o, "Hard", next->hard);
		put_int(s, o, "Soft", next->soft);
		append(s, list, o);
	}
	return list;
}

/* --- mounts --------------------------------------------------------------------------------- */

/* A volume of the stack gets its options with each mount: Swarm makes it on the node. */
static void volume_mount(struct spec *s, json_t *o, const struct stack_mount *m)
{
	const struct stack_volume *vol;
	json_t *options;

	if (!m->source)
		return;
	vol = stack_find_volume(s->st, m->source);
	options = json_object();
	opt_bool(s, options, "NoCopy", m->nocopy);
	if (vol->own_name || vol->external)
		put_str(s, o, "Source", vol->own_name ? vol->own_name : vol->name);
	else
		put(s, o, "Source", json_sprintf("%s_%s", s->st->name, vol->name));
	if (!vol->external) {
		put(s, options, "Labels", labels(s, &vol->labels));
		if (vol->driver || vol->driver_opts.n)
			put(s, options, "DriverConfig", driver(s, vol->driver, &vol->driver_opts));
	}
	put(s, o, "VolumeOptions", options);
}

static json_t *mount(struct spec *s, const struct stack_mount *m)
{
	static const char *const types[] = {
		[STACK_MOUNT_BIND] = "bind",
		[STACK_MOUNT_VOLUME] = "volume",
		[STACK_MOUNT_TMPFS] = "tmpfs",
	};
	json_t *o = json_object(), *options = NULL;

	put_str(s, o, "Type", types[m->type]);
	put_str(s, o, "Target", m->target);
	opt_bool(s, o, "ReadOnly", m->read_only);
	switch (m->type) {
	case STACK_MOUNT_BIND:
		put_str(s, o, "Source", m->source);
		if (!m->propagation)
			break;
		options = json_object();
		put_str(s, options, "Propagation", m->propagation);
		put(s, o, "BindOptions", options);
		break;
	case STACK_MOUNT_VOLUME:
		volume_mount(s, o, m);
		break;
	case STACK_MOUNT_TMPFS:
		if (!m->size.set)
			break;
		options = json_object();
		opt_int(s, options, "SizeBytes", m->size.v);
		put(s, o, "TmpfsOptions", options);
		break;
	}
	return o;
}

static json_t *mounts(struct spec *s, const struct stack_service *svc)
{
	json_t *list = json_array();

	for (size_t i = 0; i < svc->n_mounts; i++)
		append(s, list, mount(s, &svc->mounts[i]));
	return list;
}

/* --- references ----------------------------------------------------------------------------- */

struct named {
	char *name; /* in the engine */
	size_t order;
	const void *item;
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int rc = strcmp(x->name, y->name);

	return rc ? rc : x->order < y->order ? -1 : x->order > y->order;
}

static void release_named(struct named *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++)
		free(v[i].name);
	free(v);
}

/* Sort by name; false and the failure noted when a name could not be made. */
static bool sort_named(struct spec *s, struct named *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!v[i].name)
			s->failed = true;
	if (s->failed)
		return false;
	if (n > 1)
		qsort(v, n, sizeof(*v), by_name);
	return true;
}

/* Go's CLI counts these as not made by users; they know no aliases. */
bool spec_is_predefined_network(const char *network)
{
	static const char *const names[] = { "bridge", "default", "host", "none" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(network, names[i]) == 0)
			return true;
	return false;
}

static json_t *attachment(struct spec *s, const struct stack_service *svc, const struct named *net,
        const struct spec_refs *refs)
{
	const struct stack_service_network *use = net->item;
	const char *id =
	        refs ? json_string_value(json_object_get(refs->networks, net->name)) : NULL;
	json_t *o = json_object(), *aliases = from_strs(s, &use->aliases);

	put_str(s, o, "Target", id ? id : net->name);
	if (!spec_is_predefined_network(net->name))
		append(s, aliases, json_string(svc->name));
	opt_new(s, o, "Aliases", aliases);
	return o;
}

json_t *spec_attachments(
        struct spec *s, const struct stack_service *svc, const struct spec_refs *refs)
{
	size_t n = svc->n_networks;
	struct named *v = calloc(n ? n : 1, sizeof(*v));
	json_t *list = json_array();

	if (!v) {
		s->failed = true;
		return list;
	}
	for (size_t i = 0; i < n; i++) {
		const struct stack_network *net = stack_find_network(s->st, svc->networks[i].name);

		v[i] = (struct named){ spec_network_name(s->st, net), i, &svc->networks[i] };
	}
	if (sort_named(s, v, n))
		for (size_t i = 0; i < n; i++)
			append(s, list, attachment(s, svc, &v[i], refs));
	release_named(v, n);
	return list;
}

struct file_kind {
	const char *what, *id_key, *name_key;
	const struct stack_file *(*find)(const struct stack *st, const char *name);
	const json_t *ids; /* NULL: write none */
};

static int file_ref(struct spec *s, json_t *list, const struct named *f, const struct file_kind *k,
        struct err *e)
{
	const struct stack_file_ref *ref = f->item;
	const char *id = json_string_value(json_object_get(k->ids, f->name));
	json_t *o, *file;

	if (k->ids && !id)
		return err_set(e, ERR_NOT_FOUND, "%s '%s' has no id yet", k->what, f->name);
	o = json_object();
	file = json_object();
	put_str(s, file, "Name", ref->target);
	put_str(s, file, "UID", ref->uid);
	put_str(s, file, "GID", ref->gid);
	put_int(s, file, "Mode", ref->mode);
	put(s, o, "File", file);
	if (id)
		put_str(s, o, k->id_key, id);
	put_str(s, o, k->name_key, f->name);
	append(s, list, o);
	return 0;
}

static int file_refs(struct spec *s, json_t *container, const char *key,
        const struct stack_file_ref *refs, size_t n, const struct file_kind *k, struct err *e)
{
	struct named *v = calloc(n ? n : 1, sizeof(*v));
	json_t *list = json_array();
	int rc = 0;

	if (!v)
		s->failed = true;
	for (size_t i = 0; v && i < n; i++)
		v[i] = (struct named){ spec_file_name(s->st, k->find(s->st, refs[i].source)), i,
			&refs[i] };
	if (v && sort_named(s, v, n))
		for (size_t i = 0; i < n && rc == 0; i++)
			rc = file_ref(s, list, &v[i], k, e);
	opt_new(s, container, key, list);
	release_named(v, n);
	return rc;
}

/*
 * The image as the client library rewrites it before it sends: without what Docker Hub's names
 * have in front by default, and with the tag `latest` if there is neither tag nor digest.
 */
static json_t *image(const char *text)
{
	const char *slash, *last;
	bool tagged;

	if (!str_starts(text, "docker.io/", &text))
		(void)str_starts(text, "index.docker.io/", &text);
	if (str_starts(text, "library/", &last) && !strchr(last, '/'))
		text = last;
	slash = strrchr(text, '/');
	tagged = strpbrk(slash ? slash : text, ":@") != NULL;
	return json_sprintf("%s%s", text, tagged ? "" : ":latest");
}

static json_t *privileges(struct spec *s)
{
	json_t *o = json_object();

	put(s, o, "CredentialSpec", json_null());
	put(s, o, "SELinuxContext", json_null());
	return o;
}

static json_t *dns(struct spec *s, const struct stack_service *svc)
{
	json_t *o = json_object();

	opt_new(s, o, "Nameservers", from_strs(s, &svc->dns));
	opt_new(s, o, "Search", from_strs(s, &svc->dns_search));
	return o;
}

json_t *spec_container(struct spec *s, const struct stack_service *svc,
        const struct spec_refs *refs, struct err *e)
{
	const struct file_kind configs = { "config", "ConfigID", "ConfigName", stack_find_config,
		refs ? refs->configs : NULL };
	const struct file_kind secrets = { "secret", "SecretID", "SecretName", stack_find_secret,
		refs ? refs->secrets : NULL };
	json_t *o = json_object();

	put(s, o, "Image", image(svc->image));
	put(s, o, "Labels", labels(s, &svc->labels));
	opt_new(s, o, "Command", from_strs(s, &svc->entrypoint));
	opt_new(s, o, "Args", from_strs(s, &svc->command));
	opt_str(s, o, "Hostname", svc->hostname);
	opt_new(s, o, "Env", environment(s, &svc->environment));
	opt_str(s, o, "Dir", svc->working_dir);
	opt_str(s, o, "User", svc->user);
	put(s, o, "Privileges", privileges(s));
	if (svc->init.set)
		put(s, o, "Init", json_boolean(svc->init.v));
	opt_str(s, o, "StopSignal", svc->stop_signal);
	opt_bool(s, o, "TTY", svc->tty);
	opt_bool(s, o, "OpenStdin", svc->stdin_open);
	opt_bool(s, o, "ReadOnly", svc->read_only);
	opt_new(s, o, "Mounts", mounts(s, svc));
	opt_set(s, o, "StopGracePeriod", &svc->stop_grace_period);
	if (svc->healthcheck.set)
		put(s, o, "Healthcheck", healthcheck(s, &svc->healthcheck));
	opt_new(s, o, "Hosts", hosts(s, &svc->extra_hosts));
	if (svc->dns.set || svc->dns_search.set)
		put(s, o, "DNSConfig", dns(s, svc));
	if (file_refs(s, o, "Secrets", svc->secrets, svc->n_secrets, &secrets, e) < 0 ||
	        file_refs(s, o, "Configs", svc->configs, svc->n_configs, &configs, e) < 0) {
		json_decref(o);
		return NULL;
	}
	opt_new(s, o, "Sysctls", from_kvs(s, &svc->sysctls));
	opt_new(s, o, "CapabilityAdd", capabilities(s, &svc->cap_add, NULL));
	opt_new(s, o, "CapabilityDrop", capabilities(s, &svc->cap_drop, &svc->cap_add));
	opt_new(s, o, "Ulimits", ulimits(s, svc));
	return o;
}
