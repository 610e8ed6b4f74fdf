/* `environment` and `env_file`. */

#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "stack/service_priv.h"

#define BLANKS " \t\v\f"

int read_file(struct reader *r, const struct node *n, const char *path, size_t max,
        const char **ret, size_t *ret_len)
{
	AUTO(buf) struct buf b = BUF_INIT(max);
	int rc = fs_read_at(AT_FDCWD, path, &b, r->e);

	if (rc > 0)
		return fail_value(r, n, "there is no file '%.200s'", path);
	if (rc < 0) {
		/* Whatever the reason, the operator's file named this path. */
		r->e->kind = ERR_USAGE;
		return fail_because(r, n);
	}
	*ret = arena_strndup(r->arena, b.data ? b.data : "", b.len);
	*ret_len = b.len;
	if (b.data)
		explicit_bzero(b.data, b.len);
	return *ret ? 0 : fail_nomem(r);
}

int read_env_kvs(struct reader *r, const struct node *n, void *dst)
{
	return read_kvs(r, n, true, dst);
}

/* The value of our own variable; it stays NULL when there is none. */
static int look_up(struct reader *r, const char *name, const char **ret)
{
	const char *found = r->vars->get(r->vars->arg, name);

	if (!found)
		return 0;
	if (!str_is_utf8(found))
		return err_set(r->e, ERR_USAGE, "the value of variable '%s' is not UTF-8", name);
	*ret = arena_strdup(r->arena, found);
	return *ret ? 0 : fail_nomem(r);
}

/* One line of an env file, which Docker takes as it is: no quotes, no variables. */
static int env_line(
        struct reader *r, const struct node *n, const char *line, size_t len, struct stack_kv *ret)
{
	const char *eq = memchr(line, '=', len);
	size_t name = eq ? (size_t)(eq - line) : len;

	ret->key = arena_strndup(r->arena, line, name);
	ret->value = eq ? arena_strndup(r->arena, eq + 1, len - name - 1) : NULL;
	if (!ret->key || (eq && !ret->value))
		return fail_nomem(r);
	if (memchr(line, '\0', len) || !str_is_utf8(ret->key) || (eq && !str_is_utf8(ret->value)))
		return fail_value(
		        r, n, "line %u of '%.200s' is not text", ret->at.line, ret->at.file);
	if (!name || strpbrk(ret->key, BLANKS))
		return fail_value(r, n, "line %u of '%.200s': '%.60s' is not a name", ret->at.line,
		        ret->at.file, ret->key);
	return eq ? 0 : look_up(r, ret->key, &ret->value);
}

static int add_kv(struct reader *r, struct stack_kvs *ret, const struct stack_kv *kv)
{
	struct stack_kv *v = (struct stack_kv *)(uintptr_t)ret->v;

	v = arena_room(r->arena, v, ret->n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	v[ret->n++] = *kv;
	ret->v = v;
	return 0;
}

static int read_one_env_file(
        struct reader *r, const struct node *n, const char *path, struct stack_kvs *ret)
{
	const char *text = NULL, *p;
	unsigned line = 0;
	size_t len = 0;

	path = absolute_path(r, path);
	if (!path || read_file(r, n, path, STACK_FILE_SIZE_MAX, &text, &len) < 0)
		return -1;
	p = text;
	str_starts(p, "\xef\xbb\xbf", &p);
	while (p < text + len) {
		const char *nl = memchr(p, '\n', (size_t)(text + len - p));
		const char *end = nl ? nl : text + len;
		struct stack_kv kv = { .at = { path, ++line, 1 } };

		p += strspn(p, BLANKS);
		if (p > end)
			p = end;
		if (end > p && end[-1] == '\r')
			end--;
		if (p < end && *p != '#') {
			if (env_line(r, n, p, (size_t)(end - p), &kv) < 0)
				return -1;
			/* A name that we do not have either is as good as not there. */
			if (kv.value && add_kv(r, ret, &kv) < 0)
				return -1;
		}
		p = nl ? nl + 1 : text + len;
	}
	return 0;
}

int read_env_file(struct reader *r, const struct node *n, void *dst)
{
	struct stack_strs files = { 0 };
	struct stack_kvs *ret = dst;

	if (read_text_or_list(r, n, &files) < 0)
		return -1;
	*ret = (struct stack_kvs){ 0 };
	for (size_t i = 0; i < files.n; i++) {
		const struct node *at = n->kind == NODE_LIST ? n->items[i] : n;

		if (!*files.v[i])
			return fail_value(r, at, "an empty file name");
		if (read_one_env_file(r, at, files.v[i], ret) < 0)
			return -1;
	}
	return 0;
}

struct ranked {
	struct stack_kv kv;
	size_t rank;
};

static int by_key_and_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int rc = strcmp(x->kv.key, y->kv.key);

	return rc ? rc : x->rank < y->rank ? -1 : x->rank > y->rank;
}

int unite_environment(struct reader *r, const struct stack_kvs *files,
        const struct stack_kvs *written, struct stack_kvs *ret)
{
	size_t n = files->n + written->n, kept = 0;
	struct ranked *all = arena_alloc(r->arena, n, sizeof(*all));
	struct stack_kv *v = arena_alloc(r->arena, n, sizeof(*v));

	if (!all || !v)
		return fail_nomem(r);
	for (size_t i = 0; i < n; i++)
		all[i] =
		        (struct ranked){ i < files->n ? files->v[i] : written->v[i - files->n], i };
	if (n > 1)
		qsort(all, n, sizeof(*all), by_key_and_rank);
	for (size_t i = 0; i < n; i++) {
		struct stack_kv *kv = &v[kept];

		/* The last of the same name counts. */
		if (i + 1 < n && strcmp(all[i].kv.key, all[i + 1].kv.key) == 0)
			continue;
		*kv = all[i].kv;
		if (!kv->value && look_up(r, kv->key, &kv->value) < 0)
			return -1;
		kept++;
	}
	*ret = (struct stack_kvs){ v, kept };
	return 0;
}
