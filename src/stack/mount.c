/* The volumes of a service, in their short and long forms. */

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "stack/service_priv.h"

/* --- paths ---------------------------------------------------------------------------------- */

/* Take out "//", "." and ".." by the text alone, as Docker's CLI does.  path begins with '/'. */
static void clean_path(char *path)
{
	char *out = path;
	const char *p = path;

	while (*p) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (n && !(n == 1 && p[0] == '.')) {
			*out++ = '/';
			memmove(out, p, n);
			out += n;
		}
		p += n;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

const char *absolute_path(struct reader *r, const char *path)
{
	char *abs;

	if (*path == '/')
		return path;
	abs = arena_fmt(r->arena, "%s/%s", r->dir, path);
	if (!abs) {
		fail_nomem(r);
		return NULL;
	}
	clean_path(abs);
	return abs;
}

static int bind_source(struct reader *r, const struct node *n, struct stack_mount *m)
{
	if (*m->source == '~') {
		const char *home = r->vars->get(r->vars->arg, "HOME");

		if (!home || (m->source[1] && m->source[1] != '/'))
			return fail_value(
			        r, n, "'%.60s': cannot tell whose home '~' is", m->source);
		if (!str_is_utf8(home))
			return fail_value(r, n, "the variable HOME is not UTF-8");
		m->source = arena_fmt(r->arena, "%s%s", home, m->source + 1);
		if (!m->source)
			return fail_nomem(r);
	}
	m->source = absolute_path(r, m->source);
	return m->source ? 0 : -1;
}

/* --- volumes -------------------------------------------------------------------------------- */

static bool is_propagation(const char *s)
{
	static const char *const names[] = { "rprivate", "private", "rshared", "shared", "rslave",
		"slave" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(s, names[i]) == 0)
			return true;
	return false;
}

static int mount_options(struct reader *r, const struct node *n, char *opts, struct stack_mount *m)
{
	char *save = NULL;

	for (char *o = strtok_r(opts, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		if (strcmp(o, "ro") == 0)
			m->read_only = true;
		else if (strcmp(o, "rw") == 0)
			m->read_only = false;
		else if (strcmp(o, "nocopy") == 0 && m->type == STACK_MOUNT_VOLUME)
			m->nocopy = true;
		else if (is_propagation(o) && m->type == STACK_MOUNT_BIND)
			m->propagation = o;
		else
			return fail_value(r, n, "option '%.60s' is none of ro, rw, %s", o,
			        m->type == STACK_MOUNT_BIND ? "rprivate, private, rshared, shared, "
			                                      "rslave, slave"
			                                    : "nocopy");
	}
	return 0;
}

/* "target", "source:target" or "source:target:options" */
static int short_mount(struct reader *r, const struct node *n, struct stack_mount *m)
{
	const char *text;
	char *part[4] = { NULL };
	size_t parts = 0;
	char *copy;

	if (read_short(r, n, &text) < 0)
		return -1;
	copy = arena_strdup(r->arena, text);
	if (!copy)
		return fail_nomem(r);
	for (char *p = copy; p && parts < ARRAY_LEN(part);) {
		part[parts++] = strsep(&p, ":");
		if (!*part[parts - 1])
			return fail_value(r, n, "'%.100s' has an empty part", text);
	}
	if (parts > 3)
		return fail_value(r, n, "'%.100s' has more than SOURCE:TARGET:OPTIONS", text);
	m->source = parts > 1 ? part[0] : NULL;
	m->target = parts > 1 ? part[1] : part[0];
	m->type = m->source && strchr("./~", *m->source) ? STACK_MOUNT_BIND : STACK_MOUNT_VOLUME;
	return parts > 2 ? mount_options(r, n, part[2], m) : 0;
}

static int read_mount_type(struct reader *r, const struct node *n, void *dst)
{
	static const char *const names[] = {
		[STACK_MOUNT_BIND] = "bind",
		[STACK_MOUNT_VOLUME] = "volume",
		[STACK_MOUNT_TMPFS] = "tmpfs",
		NULL,
	};
	int v = 0;

	if (read_enum(r, n, names, &v) < 0)
		return -1;
	*(enum stack_mount_type *)dst = (enum stack_mount_type)v;
	return 0;
}

static int read_propagation(struct reader *r, const struct node *n, void *dst)
{
	const char **ret = dst;

	if (read_text(r, n, ret) < 0)
		return -1;
	if (*ret && !is_propagation(*ret))
		return fail_value(r, n,
		        "'%.60s' is none of: rprivate, private, rshared, shared, rslave, slave",
		        *ret);
	return 0;
}

/* What the long form says beside the mount itself. */
struct long_mount {
	struct stack_mount m;
	bool bind, volume, tmpfs;
};

static int read_bind_options(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "propagation", read_propagation, offsetof(struct long_mount, m.propagation),
		        NULL },
		REFUSED("create_host_path", "Swarm never creates the source of a bind mount"),
		FIELDS_END,
	};

	((struct long_mount *)dst)->bind = true;
	return read_submap(r, n, fields, dst);
}

static int read_volume_options(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "nocopy", read_bool, offsetof(struct long_mount, m.nocopy), NULL },
		FIELDS_END,
	};

	((struct long_mount *)dst)->volume = true;
	return read_submap(r, n, fields, dst);
}

static int read_tmpfs_options(struct reader *r, const struct node *n, void *dst)
{
	static const struct field fields[] = {
		{ "size", read_bytes, offsetof(struct long_mount, m.size), NULL },
		FIELDS_END,
	};

	((struct long_mount *)dst)->tmpfs = true;
	return read_submap(r, n, fields, dst);
}

static int long_mount(struct reader *r, const struct node *n, struct stack_mount *ret)
{
	static const struct field fields[] = {
		{ "type", read_mount_type, offsetof(struct long_mount, m.type), NULL },
		{ "source", read_text, offsetof(struct long_mount, m.source), NULL },
		{ "target", read_text, offsetof(struct long_mount, m.target), NULL },
		{ "read_only", read_bool, offsetof(struct long_mount, m.read_only), NULL },
		{ "bind", read_bind_options, 0, NULL },
		{ "volume", read_volume_options, 0, NULL },
		{ "tmpfs", read_tmpfs_options, 0, NULL },
		REFUSED("consistency", "it does nothing on Linux"),
		FIELDS_END,
	};
	/* An enumerator that does not exist, to see whether `type` was there. */
	const enum stack_mount_type none = (enum stack_mount_type)99;
	struct long_mount l = { .m = { .at = ret->at, .type = none } };

	if (read_submap(r, n, fields, &l) < 0)
		return -1;
	if (l.m.type == none)
		return fail_value(r, n, "needs a 'type': bind, volume or tmpfs");
	if ((l.bind && l.m.type != STACK_MOUNT_BIND) ||
	        (l.volume && l.m.type != STACK_MOUNT_VOLUME) ||
	        (l.tmpfs && l.m.type != STACK_MOUNT_TMPFS))
		return fail_value(r, n, "has options of another type of mount");
	if (l.m.type == STACK_MOUNT_BIND && !l.m.source)
		return fail_value(r, n, "a bind mount needs a 'source'");
	if (l.m.type == STACK_MOUNT_TMPFS && l.m.source)
		return fail_value(r, n, "a tmpfs has no 'source'");
	*ret = l.m;
	return 0;
}

static int read_mount(struct reader *r, const struct node *n, struct stack_mount *m)
{
	m->at = pos_of(n);
	if ((n->kind == NODE_MAP ? long_mount(r, n, m) : short_mount(r, n, m)) < 0)
		return -1;
	if (!m->target || *m->target != '/')
		return fail_value(r, n, "the target '%.100s' is not an absolute path",
		        m->target ? m->target : "");
	return m->type == STACK_MOUNT_BIND ? bind_source(r, n, m) : 0;
}

int read_mounts(struct reader *r, const struct node *n, void *dst)
{
	struct stack_service *svc = dst;
	struct stack_mount *v;

	if (want_items(r, n) < 0)
		return -1;
	v = arena_alloc(r->arena, n->n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < n->n; i++) {
		if (read_mount(r, n->items[i], &v[i]) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (strcmp(v[i].target, v[j].target) == 0)
				return fail_value(r, n->items[i],
				        "'%.100s' is mounted twice; first in line %u", v[i].target,
				        v[j].at.line);
	}
	svc->mounts = v;
	svc->n_mounts = n->n;
	return 0;
}
