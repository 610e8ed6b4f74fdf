/*
 * From files to one model.  Each file becomes a tree (node.c), each section of it is read into
 * lists that all files share, and at the end the lists are sorted and the names that services
 * use are looked up in them.  The texts stay until then, because a message quotes its line.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "stack/arena_priv.h"
#include "stack/front_priv.h"
#include "stack/interp_priv.h"
#include "stack/node_priv.h"
#include "stack/section_priv.h"
#include "stack/service_priv.h"
#include "stack/stack.h"

/* Everything a model may take: trees, texts, the contents of configs and secrets. */
#define ARENA_MAX ((size_t)128 * 1024 * 1024)

struct loader {
	struct arena *arena;
	struct err *e;
	const struct stack_vars *vars;
	size_t nodes_left, text_left;
	struct source *sources;
	size_t n_sources;
	struct stack_service *services;
	size_t n_services;
	struct stack_network *networks;
	size_t n_networks;
	struct stack_file *configs, *secrets;
	size_t n_configs, n_secrets;
	struct stack_volume *volumes;
	size_t n_volumes;
	struct own own;
};

/* --- sections ------------------------------------------------------------------------------- */

/* Names become part of names in the engine. */
static int check_name(struct reader *r, const struct node *key, const char *what, bool dots)
{
	const char *s = key->text;
	size_t n = strlen(s);

	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_' && !(dots && *p == '.'))
			goto bad;
	if (n && n <= STACK_NAME_MAX && isalnum((unsigned char)s[0]) &&
	        isalnum((unsigned char)s[n - 1]))
		return 0;
bad:
	return fail_at(r, key,
	        "'%.80s' is not a %s's name: letters and digits, inside also %s, at most %d", s,
	        what, dots ? "- _ ." : "- _", STACK_NAME_MAX);
}

/* Start reading an item; its name is what the messages call it. */
static int begin_item(struct reader *r, const struct node *key, const char *what, size_t n)
{
	if (check_name(r, key, what, strcmp(what, "service") != 0) < 0)
		return -1;
	if (n >= STACK_ITEMS_MAX)
		return fail_at(r, key, "more than %d %ss", STACK_ITEMS_MAX, what);
	r->path = NULL;
	r->key = NULL;
	r->item = arena_fmt(r->arena, "%s '%s'", what, key->text);
	return r->item ? 0 : fail_nomem(r);
}

static int twice(struct reader *r, const struct node *key, const struct stack_pos *first)
{
	return fail_at(r, key, "%s is described in %s:%u:%u already", r->item, first->file,
	        first->line, first->column);
}

static int read_services(struct reader *r, const struct node *n, void *dst)
{
	struct loader *l = dst;

	if (want_map(r, n) < 0)
		return -1;
	for (size_t i = 0; i < n->n; i++) {
		const struct pair *p = &n->pairs[i];
		struct stack_service *v, svc = { 0 };

		if (begin_item(r, p->key, "service", l->n_services) < 0)
			return -1;
		for (size_t j = 0; j < l->n_services; j++)
			if (strcmp(l->services[j].name, p->key->text) == 0)
				return twice(r, p->key, &l->services[j].at);
		if (read_service(r, p, &svc) < 0)
			return -1;
		v = arena_room(l->arena, l->services, l->n_services, sizeof(*v));
		if (!v)
			return fail_nomem(r);
		l->services = v;
		v[l->n_services++] = svc;
	}
	return 0;
}

/* Networks, configs, secrets and volumes differ in type and name, and may be said twice. */
#define DEFINE_SECTION(fn, T, list, what, read_one, same)                           \
	static int fn(struct reader *r, const struct node *n, void *dst)            \
	{                                                                           \
		struct loader *l = dst;                                             \
                                                                                    \
		if (want_map(r, n) < 0)                                             \
			return -1;                                                  \
		for (size_t i = 0; i < n->n; i++) {                                 \
			const struct pair *p = &n->pairs[i];                        \
			T *v, item = { .name = p->key->text };                      \
			bool known = false;                                         \
                                                                                    \
			if (begin_item(r, p->key, what, l->n_##list) < 0)           \
				return -1;                                          \
			if (read_one(r, p->value, &item) < 0)                       \
				return -1;                                          \
			item.at = pos_of(p->key);                                   \
			for (size_t j = 0; j < l->n_##list; j++) {                  \
				if (strcmp(l->list[j].name, item.name) != 0)        \
					continue;                                   \
				if (!same(&l->list[j], &item))                      \
					return twice(r, p->key, &l->list[j].at);    \
				known = true;                                       \
			}                                                           \
			if (known)                                                  \
				continue;                                           \
			v = arena_room(l->arena, l->list, l->n_##list, sizeof(*v)); \
			if (!v)                                                     \
				return fail_nomem(r);                               \
			l->list = v;                                                \
			v[l->n_##list++] = item;                                    \
		}                                                                   \
		return 0;                                                           \
	}

DEFINE_SECTION(read_networks, struct stack_network, networks, "network", read_network, same_network)
DEFINE_SECTION(read_configs, struct stack_file, configs, "config", read_config, same_file)
DEFINE_SECTION(read_secrets, struct stack_file, secrets, "secret", read_secret, same_file)
DEFINE_SECTION(read_volumes, struct stack_volume, volumes, "volume", read_volume, same_volume)

static int read_version(struct reader *r, const struct node *n, void *dst UNUSED)
{
	const char *s;

	if (read_text(r, n, &s) < 0)
		return -1;
	if (!s || *s != '3' || (s[1] && s[1] != '.'))
		return fail_value(
		        r, n, "'%.60s' is not a version of format 3; write \"3.8\"", s ? s : "");
	return 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static const struct field top_fields[] = {
	{ "version", read_version, 0, NULL },
	{ "services", read_services, 0, NULL },
	{ "networks", read_networks, 0, NULL },
	{ "configs", read_configs, 0, NULL },
	{ "secrets", read_secrets, 0, NULL },
	{ "volumes", read_volumes, 0, NULL },
	{ "x-nodeswarm", read_file_own, offsetof(struct loader, own), NULL },
	REFUSED("name", "Docker refuses it; the stack's name is given on the command line"),
	REFUSED("include", "Docker refuses it; give several files"),
	FIELDS_END,
};

/* A section ends with what it read last; the next key is at top level again. */
static int read_top(struct reader *r, const struct node *n, struct loader *l)
{
	if (n->kind != NODE_MAP)
		return fail_at(r, n, "a stack file is a mapping with 'services' and the like");
	for (size_t i = 0; i < n->n; i++) {
		struct node one = *n;

		one.pairs = &n->pairs[i];
		one.n = 1;
		r->item = r->path = r->key = NULL;
		if (read_map(r, &one, top_fields, l) < 0)
			return -1;
	}
	return 0;
}

/* The directory of a file, absolute; NULL with the error set. */
static const char *directory_of(struct loader *l, const char *file)
{
	const char *slash = strrchr(file, '/');
	AUTO(free) char *cwd = NULL;
	char *dir;

	if (*file == '/') {
		dir = arena_strndup(l->arena, file, (size_t)(slash - file));
	} else {
		cwd = getcwd(NULL, 0);
		if (!cwd) {
			err_sys(l->e, errno, "get the working directory");
			return NULL;
		}
		if (!str_is_utf8(cwd)) {
			err_set(l->e, ERR_USAGE, "the working directory's name is not UTF-8");
			return NULL;
		}
		dir = arena_fmt(l->arena, "%s%s%.*s", cwd, slash ? "/" : "",
		        slash ? (int)(slash - file) : 0, file);
	}
	if (!dir)
		err_nomem(l->e);
	return dir;
}

static int load_source(struct loader *l, const struct source *src)
{
	struct reader r = {
		.arena = l->arena,
		.vars = l->vars,
		.text_left = l->text_left,
		.e = l->e,
		.dir = directory_of(l, src->file),
	};
	struct node *root;

	if (!r.dir)
		return -1;
	if (node_parse(&root, l->arena, src, &l->nodes_left, l->e) < 0)
		return -1;
	if (read_top(&r, root, l) < 0)
		return -1;
	l->text_left = r.text_left;
	return 0;
}

static int add_source(struct loader *l, const char *file, const char *text, size_t n)
{
	struct source *src = &l->sources[l->n_sources++];

	src->file = arena_strdup(l->arena, file);
	src->text = arena_strndup(l->arena, text, n);
	src->len = n;
	return src->file && src->text ? 0 : err_nomem(l->e);
}

static int read_source(struct loader *l, const char *file)
{
	AUTO(buf) struct buf b = BUF_INIT(STACK_FILE_SIZE_MAX);
	int rc = fs_read_at(AT_FDCWD, file, &b, l->e);

	if (rc > 0)
		return err_set(l->e, ERR_NOT_FOUND, "there is no stack file '%s'", file);
	if (rc < 0)
		return err_wrap(l->e, "read the stack file");
	return add_source(l, file, b.data, b.len);
}

/* --- references ----------------------------------------------------------------------------- */

PRINTF(3, 4)
static int fail_pos(struct loader *l, const struct stack_pos *at, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < l->n_sources; i++)
		if (l->sources[i].file == at->file)
			return source_fail(&l->sources[i], at->line, at->column, l->e, "%s", msg);
	return err_set(l->e, ERR_USAGE, "%s", msg);
}

static int undefined(struct loader *l, const struct stack_service *svc, const struct stack_pos *at,
        const char *what, struct suggest *s)
{
	return fail_pos(l, at, "service '%s' uses %s '%.80s', which is not defined%s", svc->name,
	        what, s->word, suggest_text(s));
}

/* Near misses are looked for only after the exact name was not found: that is much more work. */
static int use_network(
        struct loader *l, const struct stack_service *svc, const struct stack_service_network *net)
{
	struct suggest s;

	for (size_t i = 0; i < l->n_networks; i++) {
		if (strcmp(l->networks[i].name, net->name) != 0)
			continue;
		l->networks[i].used = true;
		return 0;
	}
	suggest_start(&s, net->name);
	for (size_t i = 0; i < l->n_networks; i++)
		suggest_offer(&s, l->networks[i].name);
	return undefined(l, svc, &net->at, "network", &s);
}

static int find_file(struct loader *l, const struct stack_service *svc, const char *what,
        const struct stack_file_ref *ref, const struct stack_file *v, size_t n)
{
	struct suggest s;

	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].name, ref->source) == 0)
			return 0;
	suggest_start(&s, ref->source);
	for (size_t i = 0; i < n; i++)
		suggest_offer(&s, v[i].name);
	return undefined(l, svc, &ref->at, what, &s);
}

static int find_volume(
        struct loader *l, const struct stack_service *svc, const struct stack_mount *m)
{
	struct suggest s;

	if (m->type != STACK_MOUNT_VOLUME || !m->source)
		return 0;
	for (size_t i = 0; i < l->n_volumes; i++)
		if (strcmp(l->volumes[i].name, m->source) == 0)
			return 0;
	suggest_start(&s, m->source);
	for (size_t i = 0; i < l->n_volumes; i++)
		suggest_offer(&s, l->volumes[i].name);
	return undefined(l, svc, &m->at, "volume", &s);
}

static int check_references(struct loader *l, const struct stack_service *svc)
{
	for (size_t i = 0; i < svc->n_networks; i++)
		if (use_network(l, svc, &svc->networks[i]) < 0)
			return -1;
	for (size_t i = 0; i < svc->n_configs; i++)
		if (find_file(l, svc, "config", &svc->configs[i], l->configs, l->n_configs) < 0)
			return -1;
	for (size_t i = 0; i < svc->n_secrets; i++)
		if (find_file(l, svc, "secret", &svc->secrets[i], l->secrets, l->n_secrets) < 0)
			return -1;
	for (size_t i = 0; i < svc->n_mounts; i++)
		if (find_volume(l, svc, &svc->mounts[i]) < 0)
			return -1;
	return 0;
}

/* --- fronts --------------------------------------------------------------------------------- */

static int publish_fronts(struct loader *l)
{
	bool is_there = l->own.front.mode == STACK_FRONT_DEFAULT;
	int rc;

	for (size_t i = 0; i < l->n_services; i++) {
		struct stack_service *svc = &l->services[i];

		if (strcmp(svc->name, STACK_FRONT_SERVICE) == 0) {
			is_there = true;
			if (svc->front.mode == STACK_FRONT_DEFAULT)
				svc->front = l->own.front;
		}
		rc = front_apply(l->arena, svc, l->e);
		if (rc > 0)
			return fail_pos(l, &svc->front.at,
			        "service '%s' publishes no port, so it cannot be a front",
			        svc->name);
		if (rc < 0)
			return -1;
	}
	if (is_there)
		return 0;
	return fail_pos(l, &l->own.front.at,
	        "there is no service '" STACK_FRONT_SERVICE "' for this to be about; "
	        "write it below a service");
}

/* --- the end -------------------------------------------------------------------------------- */

static bool names_default(const struct stack_service *svc)
{
	for (size_t i = 0; i < svc->n_networks; i++)
		if (strcmp(svc->networks[i].name, "default") == 0)
			return true;
	return false;
}

/* A service without networks is in the network `default`, which nobody needs to describe. */
static int add_default_network(struct loader *l)
{
	struct stack_network *v;

	for (size_t i = 0; i < l->n_networks; i++)
		if (strcmp(l->networks[i].name, "default") == 0)
			return 0;
	for (size_t i = 0; i < l->n_services; i++) {
		if (l->services[i].n_networks && !names_default(&l->services[i]))
			continue;
		v = arena_room(l->arena, l->networks, l->n_networks, sizeof(*v));
		if (!v)
			return err_nomem(l->e);
		l->networks = v;
		v[l->n_networks++] = (struct stack_network){
			.at = l->services[i].at,
			.name = "default",
			.implied = true,
		};
		return 0;
	}
	return 0;
}

static int join_default_network(struct loader *l)
{
	for (size_t i = 0; i < l->n_services; i++) {
		struct stack_service *svc = &l->services[i];
		struct stack_service_network *net;

		if (svc->n_networks)
			continue;
		net = arena_alloc(l->arena, 1, sizeof(*net));
		if (!net)
			return err_nomem(l->e);
		*net = (struct stack_service_network){ .at = svc->at, .name = "default" };
		svc->networks = net;
		svc->n_networks = 1;
	}
	return add_default_network(l);
}

#define DEFINE_BY_NAME(fn, T)                                              \
	static int fn(const void *a, const void *b)                        \
	{                                                                  \
		return strcmp(((const T *)a)->name, ((const T *)b)->name); \
	}

DEFINE_BY_NAME(service_by_name, struct stack_service)
DEFINE_BY_NAME(network_by_name, struct stack_network)
DEFINE_BY_NAME(file_by_name, struct stack_file)
DEFINE_BY_NAME(volume_by_name, struct stack_volume)

static void sort(void *v, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	if (n > 1)
		qsort(v, n, size, cmp);
}

static int finish(struct loader *l, struct stack *st)
{
	const char **files = arena_alloc(l->arena, l->n_sources, sizeof(*files));

	if (!files)
		return err_nomem(l->e);
	if (!l->n_services)
		return source_fail(&l->sources[0], 1, 1, l->e, "no services in %s",
		        l->n_sources > 1 ? "these files" : "this file");
	if (join_default_network(l) < 0)
		return -1;
	for (size_t i = 0; i < l->n_services; i++)
		if (check_references(l, &l->services[i]) < 0)
			return -1;
	if (publish_fronts(l) < 0)
		return -1;
	for (size_t i = 0; i < l->n_sources; i++)
		files[i] = l->sources[i].file;
	sort(l->services, l->n_services, sizeof(*l->services), service_by_name);
	sort(l->networks, l->n_networks, sizeof(*l->networks), network_by_name);
	sort(l->configs, l->n_configs, sizeof(*l->configs), file_by_name);
	sort(l->secrets, l->n_secrets, sizeof(*l->secrets), file_by_name);
	sort(l->volumes, l->n_volumes, sizeof(*l->volumes), volume_by_name);
	*st = (struct stack){
		.arena = l->arena,
		.name = STACK_DEFAULT_NAME,
		.files = files,
		.n_files = l->n_sources,
		.services = l->services,
		.n_services = l->n_services,
		.networks = l->networks,
		.n_networks = l->n_networks,
		.configs = l->configs,
		.n_configs = l->n_configs,
		.secrets = l->secrets,
		.n_secrets = l->n_secrets,
		.volumes = l->volumes,
		.n_volumes = l->n_volumes,
		.allow = l->own.allow,
	};
	return 0;
}

/* files are read when text is NULL; otherwise there is one, and its text is given. */
static int load(struct stack **ret, const char *const *files, size_t n_files, const char *text,
        size_t len, const struct stack_vars *vars, struct err *e)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_MAX);
	struct loader l = {
		.arena = arena,
		.e = e,
		.vars = vars ? vars : &interp_environment,
		.nodes_left = STACK_NODES_MAX,
		.text_left = STACK_TEXT_MAX,
	};
	struct stack *st;

	for (size_t i = 0; i < n_files; i++)
		if (!str_is_utf8(files[i]))
			return err_set(e, ERR_USAGE, "the file name '%s' is not UTF-8", files[i]);
	if (!n_files || n_files > STACK_FILES_MAX)
		return err_set(e, ERR_USAGE, "1 to %d stack files can be given, not %zu",
		        STACK_FILES_MAX, n_files);
	if (len > STACK_FILE_SIZE_MAX)
		return err_set(e, ERR_USAGE, "'%s' is larger than %d bytes", files[0],
		        STACK_FILE_SIZE_MAX);
	st = arena ? arena_alloc(arena, 1, sizeof(*st)) : NULL;
	if (st)
		l.sources = arena_alloc(arena, n_files, sizeof(*l.sources));
	if (!l.sources)
		return err_nomem(e);
	for (size_t i = 0; i < n_files; i++) {
		if ((text ? add_source(&l, files[i], text, len) : read_source(&l, files[i])) < 0)
			return -1;
		if (load_source(&l, &l.sources[i]) < 0)
			return -1;
	}
	if (finish(&l, st) < 0)
		return -1;
	(void)TAKE(arena);
	*ret = st;
	return 0;
}

int stack_load(struct stack **ret, const char *const *files, size_t n,
        const struct stack_vars *vars, struct err *e)
{
	return load(ret, files, n, NULL, 0, vars, e);
}

int stack_load_text(struct stack **ret, const char *file, const char *text, size_t n,
        const struct stack_vars *vars, struct err *e)
{
	return load(ret, &file, 1, text ? text : "", n, vars, e);
}
