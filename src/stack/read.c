#include "stack/read_priv.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "stack/interp_priv.h"
#include "stack/shell_priv.h"

#define WHERE_MAX 256

enum scalar_type {
	SCALAR_NULL,
	SCALAR_BOOL,
	SCALAR_INT,
	SCALAR_FLOAT,
	SCALAR_TEXT,
	SCALAR_CAST, /* came out of a variable: may become any type */
};

struct scalar {
	const char *text;
	enum scalar_type type;
};

/* --- messages --------------------------------------------------------------------------------- */

/* "deploy.replicas of service 'readers'" */
static const char *subject(const struct reader *r, const char *key, char out[WHERE_MAX])
{
	(void)snprintf(out, WHERE_MAX, "%s%s%s%s%s", r->path ? r->path : "",
	        r->path && key ? "." : "", key ? key : "",
	        r->item && (r->path || key) ? " of " : "", r->item ? r->item : "");
	return out;
}

int fail_at(struct reader *r, const struct node *n, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return source_fail(n->src, n->line, n->column, r->e, "%s", msg);
}

int fail_value(struct reader *r, const struct node *n, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX], where[WHERE_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return fail_at(r, n, "%s: %s", subject(r, r->key, where), msg);
}

int fail_because(struct reader *r, const struct node *n)
{
	struct err why = *r->e;

	if (why.kind != ERR_USAGE)
		return -1;
	err_clear(r->e);
	return fail_value(r, n, "%s", why.msg);
}

int fail_nomem(struct reader *r)
{
	return err_nomem(r->e);
}

static const char *kind_name(const struct node *n)
{
	switch (n->kind) {
	case NODE_LIST:
		return "a list";
	case NODE_MAP:
		return "a mapping";
	case NODE_SCALAR:
		break;
	}
	return *n->text ? "one value" : "empty";
}

int want_map(struct reader *r, const struct node *n)
{
	if (n->kind == NODE_MAP)
		return 0;
	return fail_value(r, n, "must be a mapping, not %s", kind_name(n));
}

int want_list(struct reader *r, const struct node *n)
{
	if (n->kind == NODE_LIST)
		return 0;
	return fail_value(r, n, "must be a list, not %s", kind_name(n));
}

int want_items(struct reader *r, const struct node *n)
{
	if (want_list(r, n) < 0)
		return -1;
	if (n->n > STACK_ITEMS_MAX)
		return fail_value(r, n, "more than %d entries", STACK_ITEMS_MAX);
	return 0;
}

struct stack_pos pos_of(const struct node *n)
{
	return (struct stack_pos){ n->src->file, n->line, n->column };
}

/* --- mappings --------------------------------------------------------------------------------- */

static int unknown_key(struct reader *r, const struct node *key, const struct field *fields)
{
	char where[WHERE_MAX];
	struct suggest s;

	suggest_start(&s, key->text);
	for (const struct field *f = fields; f->key; f++)
		if (f->read)
			suggest_offer(&s, f->key);
	subject(r, NULL, where);
	return fail_at(r, key, "unknown key '%.60s' %s%s%s", key->text, *where ? "in " : "",
	        *where ? where : "at top level", suggest_text(&s));
}

static int read_pair(struct reader *r, const struct pair *p, const struct field *fields, void *dst)
{
	char where[WHERE_MAX];

	for (const struct field *f = fields; f->key; f++) {
		if (strcmp(f->key, p->key->text) != 0)
			continue;
		if (f->read) {
			r->key = f->key;
			return f->read(r, p->value, (char *)dst + f->at);
		}
		subject(r, NULL, where);
		return fail_at(r, p->key, "key '%s' %s%s cannot be used: %s", f->key,
		        *where ? "in " : "", *where ? where : "at top level", f->refused);
	}
	if (str_starts(p->key->text, "x-", NULL))
		return 0;
	return unknown_key(r, p->key, fields);
}

int read_map(struct reader *r, const struct node *n, const struct field *fields, void *dst)
{
	const char *key = r->key;

	if (want_map(r, n) < 0)
		return -1;
	for (size_t i = 0; i < n->n; i++)
		if (read_pair(r, &n->pairs[i], fields, dst) < 0)
			return -1;
	r->key = key;
	return 0;
}

int read_submap(struct reader *r, const struct node *n, const struct field *fields, void *dst)
{
	const char *path = r->path, *key = r->key;

	if (want_map(r, n) < 0)
		return -1;
	r->path = path ? arena_fmt(r->arena, "%s.%s", path, key) : key;
	if (!r->path)
		return fail_nomem(r);
	r->key = NULL;
	if (read_map(r, n, fields, dst) < 0)
		return -1;
	r->path = path;
	r->key = key;
	return 0;
}

/* --- scalars ---------------------------------------------------------------------------------- */

static bool one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *s)
{
	size_t n;

	s += *s == '-' || *s == '+';
	n = digits(s);
	s += n;
	if (*s == '.') {
		size_t m = digits(s + 1);

		if (!n && !m)
			return false;
		s += 1 + m;
	} else if (!n) {
		return false;
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		n = digits(s);
		if (!n)
			return false;
		s += n;
	}
	return !*s;
}

static bool is_int(const char *s)
{
	const char *rest;

	if (str_starts(s, "0o", &rest))
		return *rest && !rest[strspn(rest, "01234567")];
	if (str_starts(s, "0x", &rest))
		return *rest && !rest[strspn(rest, "0123456789abcdefABCDEF")];
	s += *s == '-' || *s == '+';
	return *s && !s[digits(s)];
}

static enum scalar_type plain_type(const char *s)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const bools[] = { "true", "True", "TRUE", "false", "False", "FALSE",
		NULL };
	static const char *const floats[] = { ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF",
		"-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN", NULL };

	if (one_of(s, nulls))
		return SCALAR_NULL;
	if (one_of(s, bools))
		return SCALAR_BOOL;
	if (is_int(s))
		return SCALAR_INT;
	return one_of(s, floats) || is_float(s) ? SCALAR_FLOAT : SCALAR_TEXT;
}

static int expand(struct reader *r, const struct node *n, struct scalar *ret)
{
	AUTO(buf) struct buf out = BUF_INIT(r->text_left);

	if (interp_expand(&out, n->text, r->vars, NULL, r->e) < 0)
		return fail_because(r, n);
	if (out.data && !str_is_utf8(out.data))
		return fail_value(r, n, "a variable's value is not UTF-8");
	r->text_left -= out.len;
	ret->text = arena_strndup(r->arena, out.data ? out.data : "", out.len);
	ret->type = SCALAR_CAST;
	return ret->text ? 0 : fail_nomem(r);
}

static int read_scalar(struct reader *r, const struct node *n, struct scalar *ret)
{
	if (n->kind != NODE_SCALAR)
		return fail_value(r, n, "must be one value, not %s", kind_name(n));
	if (strchr(n->text, '$'))
		return expand(r, n, ret);
	ret->text = n->text;
	ret->type = n->plain ? plain_type(n->text) : SCALAR_TEXT;
	return 0;
}

static int wrong_type(
        struct reader *r, const struct node *n, const struct scalar *s, const char *wanted)
{
	static const char *const names[] = {
		[SCALAR_NULL] = "empty",
		[SCALAR_BOOL] = "a boolean",
		[SCALAR_INT] = "a number",
		[SCALAR_FLOAT] = "a fraction",
		[SCALAR_TEXT] = "text",
		[SCALAR_CAST] = "text",
	};
	bool quote = strcmp(wanted, "text") == 0 && s->type != SCALAR_NULL;

	return fail_value(r, n, "must be %s, not %s%s", wanted, names[s->type],
	        quote ? "; write it in quotes" : "");
}

static int read_text_scalar(
        struct reader *r, const struct node *n, struct scalar *s, const char *wanted)
{
	if (read_scalar(r, n, s) < 0)
		return -1;
	return s->type < SCALAR_TEXT ? wrong_type(r, n, s, wanted) : 0;
}

int read_text(struct reader *r, const struct node *n, void *dst)
{
	const char **ret = dst;
	struct scalar s;

	if (read_text_scalar(r, n, &s, "text") < 0)
		return -1;
	*ret = *s.text ? s.text : NULL;
	return 0;
}

int read_scalar_text(struct reader *r, const struct node *n, const char **ret)
{
	struct scalar s;

	if (read_scalar(r, n, &s) < 0)
		return -1;
	if (s.type == SCALAR_BOOL)
		return wrong_type(r, n, &s, "text");
	*ret = s.type == SCALAR_NULL ? NULL : s.text;
	return 0;
}

int read_short(struct reader *r, const struct node *n, const char **ret)
{
	if (read_scalar_text(r, n, ret) < 0)
		return -1;
	return *ret && **ret ? 0 : fail_value(r, n, "an empty entry");
}

int read_bool(struct reader *r, const struct node *n, void *dst)
{
	/* The words that Docker takes where a variable gave them. */
	static const char *const yes[] = { "true", "True", "TRUE", "y", "yes", "on", NULL };
	static const char *const no[] = { "false", "False", "FALSE", "n", "no", "off", NULL };
	bool *ret = dst;
	struct scalar s;

	if (read_scalar(r, n, &s) < 0)
		return -1;
	if (s.type != SCALAR_BOOL && s.type != SCALAR_CAST)
		return wrong_type(r, n, &s, "true or false");
	if (!one_of(s.text, yes) && !one_of(s.text, no))
		return fail_value(r, n, "'%.60s' is not true or false", s.text);
	*ret = one_of(s.text, yes);
	return 0;
}

int read_opt_bool(struct reader *r, const struct node *n, void *dst)
{
	struct stack_int *ret = dst;
	bool v;

	if (read_bool(r, n, &v) < 0)
		return -1;
	*ret = (struct stack_int){ true, v };
	return 0;
}

int read_int(struct reader *r, const struct node *n, int64_t min, int64_t max, int64_t *ret)
{
	const char *d;
	struct scalar s;

	if (read_scalar(r, n, &s) < 0)
		return -1;
	if (s.type != SCALAR_INT && s.type != SCALAR_CAST)
		return wrong_type(r, n, &s, "a whole number");
	d = s.text + (*s.text == '-' || *s.text == '+');
	if (d[0] == '0' && d[1])
		return fail_value(r, n,
		        "'%.60s' has a leading 0, which is octal for some and decimal for others",
		        s.text);
	return num_int(ret, s.text, min, max, r->e) < 0 ? fail_because(r, n) : 0;
}

int read_count(struct reader *r, const struct node *n, void *dst)
{
	struct stack_int *ret = dst;

	if (read_int(r, n, 0, INT32_MAX, &ret->v) < 0)
		return -1;
	ret->set = true;
	return 0;
}

int read_bytes(struct reader *r, const struct node *n, void *dst)
{
	struct stack_int *ret = dst;

	if (read_int(r, n, 0, INT64_MAX, &ret->v) < 0)
		return -1;
	ret->set = true;
	return 0;
}

/* Go's durations need a unit and know no days; ours would take "90" and "1d", Docker would not. */
static bool is_go_duration(const char *s)
{
	size_t n = strlen(s);

	return strcmp(s, "0") == 0 || (n && isalpha((unsigned char)s[n - 1]) && !strchr(s, 'd'));
}

int read_duration(struct reader *r, const struct node *n, void *dst)
{
	struct stack_int *ret = dst;
	struct scalar s;

	if (read_text_scalar(r, n, &s, "a duration like 90s, 2m30s or 1h") < 0)
		return -1;
	if (!is_go_duration(s.text))
		return fail_value(r, n,
		        "'%.60s' is not a duration like 90s, 2m30s or 1h (units h m s ms us ns)",
		        s.text);
	if (num_duration(&ret->v, s.text, r->e) < 0)
		return fail_because(r, n);
	ret->set = true;
	return 0;
}

int read_size(struct reader *r, const struct node *n, void *dst)
{
	struct stack_int *ret = dst;
	struct scalar s;
	uint64_t v;

	if (read_text_scalar(r, n, &s, "text like 512M or \"1073741824\"") < 0)
		return -1;
	if (num_size(&v, s.text, r->e) < 0)
		return fail_because(r, n);
	*ret = (struct stack_int){ true, (int64_t)v };
	return 0;
}

int read_cpus(struct reader *r, const struct node *n, void *dst)
{
	struct stack_int *ret = dst;
	struct scalar s;
	double v;

	if (read_text_scalar(r, n, &s, "text like \"0.5\"") < 0)
		return -1;
	if (num_decimal(&v, s.text, r->e) < 0)
		return fail_because(r, n);
	if (v > 100000)
		return fail_value(r, n, "'%.60s' are too many CPUs", s.text);
	*ret = (struct stack_int){ true, (int64_t)(v * 1e9 + 0.5) };
	return 0;
}

int read_ratio(struct reader *r, const struct node *n, void *dst)
{
	double *ret = dst;
	struct scalar s;

	if (read_scalar(r, n, &s) < 0)
		return -1;
	if (s.type != SCALAR_INT && s.type != SCALAR_FLOAT && s.type != SCALAR_CAST)
		return wrong_type(r, n, &s, "a number from 0 to 1");
	if (num_decimal(ret, s.text, r->e) < 0)
		return fail_because(r, n);
	return *ret <= 1 ? 0 : fail_value(r, n, "'%.60s' is not a number from 0 to 1", s.text);
}

int read_enum(struct reader *r, const struct node *n, const char *const *names, int *ret)
{
	char all[WHERE_MAX] = "";
	struct scalar s;
	size_t len = 0;

	if (read_text_scalar(r, n, &s, "text") < 0)
		return -1;
	for (int i = 0; names[i]; i++) {
		if (strcmp(names[i], s.text) == 0) {
			*ret = i;
			return 0;
		}
		if (*names[i] && len < sizeof(all))
			len += (size_t)snprintf(
			        all + len, sizeof(all) - len, "%s%s", *all ? ", " : "", names[i]);
	}
	return fail_value(r, n, "'%.60s' is none of: %s", s.text, all);
}

/* --- lists ------------------------------------------------------------------------------------ */

static int set_strs(struct reader *r, struct stack_strs *ret, char *const *from, size_t len)
{
	const char **v = arena_alloc(r->arena, len, sizeof(*v));

	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < len; i++) {
		v[i] = arena_strdup(r->arena, from[i]);
		if (!v[i])
			return fail_nomem(r);
	}
	*ret = (struct stack_strs){ v, len, true };
	return 0;
}

int read_texts(struct reader *r, const struct node *n, void *dst)
{
	struct stack_strs *ret = dst;
	const char **v;
	struct scalar s;

	if (want_list(r, n) < 0)
		return -1;
	v = arena_alloc(r->arena, n->n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < n->n; i++) {
		if (read_text_scalar(r, n->items[i], &s, "text") < 0)
			return -1;
		v[i] = s.text;
	}
	*ret = (struct stack_strs){ v, n->n, true };
	return 0;
}

int read_text_or_list(struct reader *r, const struct node *n, void *dst)
{
	struct scalar s;
	const char **v;

	if (n->kind != NODE_SCALAR)
		return read_texts(r, n, dst);
	if (read_text_scalar(r, n, &s, "text or a list") < 0)
		return -1;
	v = arena_alloc(r->arena, 1, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	*v = s.text;
	*(struct stack_strs *)dst = (struct stack_strs){ v, 1, true };
	return 0;
}

int read_command(struct reader *r, const struct node *n, void *dst)
{
	AUTO(strvec) struct strvec words = STRVEC_INIT;
	struct scalar s;

	if (n->kind != NODE_SCALAR)
		return read_texts(r, n, dst);
	if (read_text_scalar(r, n, &s, "text or a list") < 0)
		return -1;
	if (shell_split(&words, s.text, r->e) < 0)
		return fail_because(r, n);
	return set_strs(r, dst, words.v, words.n);
}

/* --- keys and values -------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct stack_kv *)a)->key, ((const struct stack_kv *)b)->key);
}

static bool is_later(const struct stack_pos *a, const struct stack_pos *b)
{
	return a->line > b->line || (a->line == b->line && a->column > b->column);
}

int sort_kvs(struct reader *r, const struct node *n, struct stack_kv *v, size_t len)
{
	if (len > 1)
		qsort(v, len, sizeof(*v), by_key);
	for (size_t i = 1; i < len; i++) {
		bool swap = is_later(&v[i - 1].at, &v[i].at);
		struct node second = *n;

		if (strcmp(v[i - 1].key, v[i].key) != 0)
			continue;
		second.line = v[swap ? i - 1 : i].at.line;
		second.column = v[swap ? i - 1 : i].at.column;
		return fail_value(r, &second, "'%.60s' is there twice; first in line %u", v[i].key,
		        v[swap ? i : i - 1].at.line);
	}
	return 0;
}

static int kv_of_item(struct reader *r, const struct node *n, struct stack_kv *ret)
{
	struct scalar s;
	const char *eq;

	if (read_text_scalar(r, n, &s, "text like KEY=VALUE") < 0)
		return -1;
	eq = strchr(s.text, '=');
	ret->at = pos_of(n);
	ret->key = eq ? arena_strndup(r->arena, s.text, (size_t)(eq - s.text)) : s.text;
	ret->value = eq ? eq + 1 : NULL;
	return ret->key ? 0 : fail_nomem(r);
}

static int kv_of_pair(struct reader *r, const struct pair *p, struct stack_kv *ret)
{
	ret->at = pos_of(p->key);
	ret->key = p->key->text;
	return read_scalar_text(r, p->value, &ret->value);
}

int read_kvs(struct reader *r, const struct node *n, bool list_too, struct stack_kvs *ret)
{
	struct stack_kv *v;

	if (n->kind == NODE_SCALAR || (n->kind == NODE_LIST && !list_too))
		return fail_value(r, n, "must be a mapping%s, not %s", list_too ? " or a list" : "",
		        kind_name(n));
	v = arena_alloc(r->arena, n->n, sizeof(*v));
	if (!v)
		return fail_nomem(r);
	for (size_t i = 0; i < n->n; i++) {
		bool list = n->kind == NODE_LIST;

		if ((list ? kv_of_item(r, n->items[i], &v[i])
		          : kv_of_pair(r, &n->pairs[i], &v[i])) < 0)
			return -1;
		if (!*v[i].key || strchr(v[i].key, '='))
			return fail_value(r, list ? n->items[i] : n->pairs[i].key,
			        "'%.60s' is not a name", v[i].key);
	}
	if (sort_kvs(r, n, v, n->n) < 0)
		return -1;
	*ret = (struct stack_kvs){ v, n->n };
	return 0;
}

static void no_value_is_empty(struct stack_kvs *kvs)
{
	struct stack_kv *v = (struct stack_kv *)(uintptr_t)kvs->v;

	for (size_t i = 0; i < kvs->n; i++)
		if (!v[i].value)
			v[i].value = "";
}

int read_labels(struct reader *r, const struct node *n, void *dst)
{
	if (read_kvs(r, n, true, dst) < 0)
		return -1;
	no_value_is_empty(dst);
	return 0;
}

int read_options(struct reader *r, const struct node *n, void *dst)
{
	if (read_kvs(r, n, false, dst) < 0)
		return -1;
	no_value_is_empty(dst);
	return 0;
}
