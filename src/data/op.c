#include "data/op.h"

#include <string.h>

#include "base/str.h"
#include "base/suggest.h"
#include "data/op_priv.h"
#include "data/slot.h"

#define FORMAT       1
#define TEXT_MAX     4096
#define SECONDS_MAX  (100LL * 365 * 24 * 3600)
#define OP_ARGS_MAX  6
#define NAME_MAX_LEN 255

enum arg_type {
	ARG_NAME, /* of a generation or the like: one component of a path */
	ARG_TEXT,
	ARG_BOOL,
	ARG_SECONDS,
	ARG_NAMES,   /* a list of "service.slot" */
	ARG_ENTRIES, /* a list of names */
	ARG_SLOTS,   /* a list of numbers */
	ARG_SLOT,    /* a number */
};

struct arg {
	const char *key;
	enum arg_type type;
	bool is_needed;
};

static const struct op {
	const char *verb;
	op_fn *run;
	bool changes, is_long;
	struct arg args[OP_ARGS_MAX];
} ops[] = {
	{ "ls", op_ls, false, false, { { 0 } } },
	{ "show", op_show, false, false, { { "name", ARG_NAME, true } } },
	{ "verify", op_verify, false, true, { { "name", ARG_NAME, true } } },
	{ "promote", op_promote, true, false,
	        { { "name", ARG_NAME, true }, { "force_chain", ARG_BOOL, false } } },
	{ "rm", op_rm, true, true, { { "name", ARG_NAME, true } } },
	{ "prune", op_prune, true, true,
	        { { "keep", ARG_TEXT, true }, { "dry_run", ARG_BOOL, false } } },
	{ "import", op_import, true, true,
	        { { "path", ARG_TEXT, true }, { "promote", ARG_BOOL, false },
	                { "chain_id", ARG_TEXT, false }, { "version", ARG_TEXT, false },
	                { "force_chain", ARG_BOOL, false } } },
	{ "gc", op_gc, true, true,
	        { { "age_seconds", ARG_SECONDS, false }, { "remove", ARG_BOOL, false },
	                { "in_use", ARG_NAMES, false }, { "slots", ARG_NAMES, false },
	                { "quarantine", ARG_ENTRIES, false }, { "leftovers", ARG_BOOL, false } } },
	{ "prepare", op_prepare, true, true,
	        { { "service", ARG_NAME, true }, { "slots", ARG_SLOTS, true },
	                { "generation", ARG_NAME, false } } },
	{ "verdict", op_verdict, false, false,
	        { { "service", ARG_NAME, true }, { "slot", ARG_SLOT, true },
	                { "chain_id", ARG_TEXT, false }, { "nodeos", ARG_TEXT, false } } },
	{ "usage", op_usage, false, false, { { 0 } } },
};

static const struct op *find(const char *verb)
{
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (strcmp(ops[i].verb, verb) == 0)
			return &ops[i];
	return NULL;
}

bool data_op_is(const char *verb)
{
	return find(verb) != NULL;
}

bool data_op_changes(const char *verb)
{
	const struct op *o = find(verb);

	return o && o->changes;
}

bool data_op_is_long(const char *verb)
{
	const struct op *o = find(verb);

	return o && o->is_long;
}

/* --- arguments ------------------------------------------------------------------------------ */

static int check_text(const struct arg *a, const json_t *v, struct err *e)
{
	const char *s = json_string_value(v);

	if (!s)
		return err_set(e, ERR_USAGE, "'%s' is not a string", a->key);
	if (strlen(s) != json_string_length(v) || strlen(s) > TEXT_MAX)
		return err_set(
		        e, ERR_USAGE, "'%s' is not a text of at most %d bytes", a->key, TEXT_MAX);
	if (a->is_needed && !*s)
		return err_set(e, ERR_USAGE, "'%s' is empty", a->key);
	if (a->type == ARG_NAME && !str_is_name(s, NAME_MAX_LEN))
		return err_set(e, ERR_USAGE, "'%s' is not a name", s);
	return 0;
}

static bool is_name(const json_t *v, size_t max)
{
	const char *s = json_string_value(v);

	return s && strlen(s) == json_string_length(v) && str_is_name(s, max);
}

static bool is_slot_number(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) >= 1 &&
	        json_integer_value(v) <= SLOT_NUMBER_MAX;
}

static int check_item(const struct arg *a, const json_t *v, struct err *e)
{
	const char *what = a->type == ARG_NAMES ? "SERVICE.SLOT"
	        : a->type == ARG_SLOTS          ? "a slot's number"
	                                        : "a name";
	bool ok = a->type == ARG_NAMES   ? is_name(v, SLOT_SERVICE_MAX + 16)
	        : a->type == ARG_ENTRIES ? is_name(v, NAME_MAX_LEN)
	                                 : is_slot_number(v);

	return ok ? 0 : err_set(e, ERR_USAGE, "'%s' has something that is not %s", a->key, what);
}

static int check_list(const struct arg *a, const json_t *v, struct err *e)
{
	if (!json_is_array(v) || json_array_size(v) > OP_SLOTS_MAX)
		return err_set(
		        e, ERR_USAGE, "'%s' is not a list of at most %d", a->key, OP_SLOTS_MAX);
	for (size_t i = 0; i < json_array_size(v); i++)
		if (check_item(a, json_array_get(v, i), e) < 0)
			return -1;
	return 0;
}

static int check_arg(const struct arg *a, const json_t *v, struct err *e)
{
	switch (a->type) {
	case ARG_NAME:
	case ARG_TEXT:
		return check_text(a, v, e);
	case ARG_BOOL:
		return json_is_boolean(v)
		        ? 0
		        : err_set(e, ERR_USAGE, "'%s' is neither true nor false", a->key);
	case ARG_SECONDS:
		return json_is_integer(v) && json_integer_value(v) >= 0 &&
		                json_integer_value(v) <= SECONDS_MAX
		        ? 0
		        : err_set(e, ERR_USAGE, "'%s' is not a number of seconds", a->key);
	case ARG_SLOT:
		return is_slot_number(v)
		        ? 0
		        : err_set(e, ERR_USAGE, "'%s' is not a slot's number", a->key);
	case ARG_NAMES:
	case ARG_ENTRIES:
	case ARG_SLOTS:
		break;
	}
	return check_list(a, v, e);
}

static const struct arg *find_arg(const struct op *o, const char *key)
{
	for (size_t i = 0; i < OP_ARGS_MAX && o->args[i].key; i++)
		if (strcmp(o->args[i].key, key) == 0)
			return &o->args[i];
	return NULL;
}

static int check_args(const struct op *o, const json_t *args, struct err *e)
{
	const char *key;
	json_t *v;

	if (args && !json_is_object(args))
		return err_set(e, ERR_USAGE, "the arguments of '%s' are not an object", o->verb);
	json_object_foreach((json_t *)(uintptr_t)args, key, v)
	{
		const struct arg *a = find_arg(o, key);

		if (strcmp(key, "format") == 0 && json_integer_value(v) == FORMAT)
			continue;
		if (!a)
			return err_set(e, ERR_USAGE, "'%s' has no argument '%s'", o->verb, key);
		if (check_arg(a, v, e) < 0)
			return err_wrap(e, "%s", o->verb);
	}
	for (size_t i = 0; i < OP_ARGS_MAX && o->args[i].key; i++)
		if (o->args[i].is_needed && !json_object_get(args, o->args[i].key))
			return err_set(e, ERR_USAGE, "'%s' needs '%s'", o->verb, o->args[i].key);
	return 0;
}

static const struct op *check(const char *verb, const json_t *args, struct err *e)
{
	const struct op *o = find(verb);

	if (!o)
		err_set(e, ERR_USAGE, "there is no operation '%s' on a pool", verb);
	return o && check_args(o, args, e) == 0 ? o : NULL;
}

int data_op_check(const char *verb, const json_t *args, struct err *e)
{
	return check(verb, args, e) ? 0 : -1;
}

int data_op_check_remote(const char *verb, const json_t *args, struct err *e)
{
	if (!check(verb, args, e))
		return -1;
	if (strcmp(verb, "gc") != 0 || !json_bool(args, "remove", false) ||
	        json_int(args, "age_seconds", OP_GC_AGE_MIN_S) >= OP_GC_AGE_MIN_S)
		return 0;
	err_set(e, ERR_DENIED, "gc removes nothing from afar that was used in the last %d minutes",
	        OP_GC_AGE_MIN_S / 60);
	return err_hint(e, "ask for --older 1h or more");
}

/* --- results -------------------------------------------------------------------------------- */

json_t *op_result(json_t *take, struct err *e)
{
	if (!take)
		err_nomem(e);
	return take;
}

json_t *data_op(const struct op_context *c, const char *verb, const json_t *args, struct err *e)
{
	const struct op *o = check(verb, args, e);
	AUTO(json) json_t *j = o ? o->run(c, args, e) : NULL;

	if (!j)
		return NULL;
	if (json_object_set_new(j, "format", json_integer(FORMAT)) < 0) {
		err_nomem(e);
		return NULL;
	}
	return TAKE(j);
}
