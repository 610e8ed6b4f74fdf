#include "lease/record.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define LABEL_PREFIX "nodeswarm.lease."
#define SLOT_NS      500000000LL
#define SLOTS_BEGIN  (946684800LL * 1000000000) /* 2000-01-01 */
#define CHANGE_SIZE  (LEASE_HOLDER_SIZE + LEASE_REASON_SIZE + 64)

static const char *const order_names[] = {
	[LEASE_ORDER_NONE] = "none",
	[LEASE_ORDER_PAUSE] = "pause",
	[LEASE_ORDER_FAILOVER] = "failover",
};

const char *lease_order_name(enum lease_order o)
{
	return (size_t)o < ARRAY_LEN(order_names) ? order_names[o] : "unknown";
}

uint32_t lease_slot_at(int64_t real_ns)
{
	int64_t slot;

	if (real_ns < SLOTS_BEGIN)
		return 0;
	slot = (real_ns - SLOTS_BEGIN) / SLOT_NS;
	return slot > UINT32_MAX ? UINT32_MAX : (uint32_t)slot;
}

bool lease_is_held_by(const struct lease_record *r, const char *place, const char *nonce)
{
	return r->holder[0] && strcmp(r->place, place) == 0 && strcmp(r->nonce, nonce) == 0;
}

int lease_name_check(const char *name, struct err *e)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (name[n] || n < 1 || n >= LEASE_NAME_SIZE || name[0] < 'a' || name[0] > 'z') {
		err_set(e, ERR_USAGE, "'%.80s' is no name of a lease", name);
		return err_hint(
		        e, "up to %d of a-z, 0-9 and '-', a letter first", LEASE_NAME_SIZE - 1);
	}
	return 0;
}

void lease_record_init(struct lease_record *r, const char *name)
{
	*r = (struct lease_record){ 0 };
	snprintf(r->name, sizeof(r->name), "%s", name);
}

void lease_note_change(struct lease_record *r, int64_t real_ns, const char *reason)
{
	struct lease_change *c = r->history;

	memmove(c + 1, c, sizeof(*c) * (LEASE_HISTORY_MAX - 1));
	if (r->nhistory < LEASE_HISTORY_MAX)
		r->nhistory++;
	*c = (struct lease_change){ .real_ns = real_ns < 0 ? 0 : real_ns, .epoch = r->epoch };
	memcpy(c->holder, r->holder, sizeof(c->holder));
	snprintf(c->reason, sizeof(c->reason), "%s", reason);
	str_printable(c->reason);
}

/* --- the fields ------------------------------------------------------------------------------ */

/*
 * One table for labels and JSON: what is a field here stands in both, under the same name.  All of
 * them are asked for when a record is read, because a record without its ceiling, say, would be one
 * that allows what it must forbid.
 */
enum kind { KIND_U64, KIND_U32, KIND_TERM, KIND_BOOL, KIND_ORDER, KIND_HOLDER, KIND_TEXT };

static const struct field {
	const char *name;
	enum kind kind;
	size_t at, size;
} fields[] = {
#define FIELD(n, k, m)                                                                           \
	{                                                                                        \
		n, k, offsetof(struct lease_record, m), sizeof(((struct lease_record *)NULL)->m) \
	}
	FIELD("epoch", KIND_U64, epoch),
	FIELD("count", KIND_U64, count),
	FIELD("claim", KIND_BOOL, is_claim),
	FIELD("term_ns", KIND_TERM, term_ns),
	FIELD("holder", KIND_HOLDER, holder),
	FIELD("place", KIND_TEXT, place),
	FIELD("nonce", KIND_TEXT, nonce),
	FIELD("floor", KIND_U32, floor),
	FIELD("ceiling", KIND_U32, ceiling),
	FIELD("order", KIND_ORDER, order),
	FIELD("order_id", KIND_U64, order_id),
	FIELD("order_to", KIND_HOLDER, order_to),
	FIELD("order_reason", KIND_TEXT, order_reason),
#undef FIELD
};

static bool is_text(const struct field *f)
{
	return f->kind == KIND_TEXT || f->kind == KIND_HOLDER || f->kind == KIND_ORDER;
}

static int64_t number_of(const struct lease_record *r, const struct field *f)
{
	const char *p = (const char *)r + f->at;

	if (f->kind == KIND_U32)
		return *(const uint32_t *)(const void *)p;
	if (f->kind == KIND_BOOL)
		return *(const bool *)(const void *)p;
	return *(const int64_t *)(const void *)p;
}

static const char *text_of(const struct lease_record *r, const struct field *f)
{
	return f->kind == KIND_ORDER ? lease_order_name(r->order) : (const char *)r + f->at;
}

static int put_number(struct lease_record *r, const struct field *f, int64_t n, struct err *e)
{
	int64_t max = f->kind == KIND_U32 ? UINT32_MAX : f->kind == KIND_BOOL ? 1 : INT64_MAX;
	char *p = (char *)r + f->at;

	if (f->kind == KIND_TERM && n != 0 && (n < LEASE_TERM_MIN_NS || n > LEASE_TERM_MAX_NS))
		return err_set(e, ERR_PROTOCOL, "a lease's term of %lld ns", (long long)n);
	if (n < 0 || n > max)
		return err_set(e, ERR_PROTOCOL, "a lease's %s of %lld", f->name, (long long)n);
	if (f->kind == KIND_U32)
		*(uint32_t *)(void *)p = (uint32_t)n;
	else if (f->kind == KIND_BOOL)
		*(bool *)(void *)p = n;
	else
		*(int64_t *)(void *)p = n;
	return 0;
}

static bool is_holder(const char *s)
{
	return !s[0] || str_is_name(s, LEASE_HOLDER_SIZE - 1);
}

static int put_text(struct lease_record *r, const struct field *f, const char *s, struct err *e)
{
	char *p = (char *)r + f->at;

	if (f->kind == KIND_ORDER) {
		for (size_t i = 0; i < ARRAY_LEN(order_names); i++)
			if (strcmp(s, order_names[i]) == 0) {
				r->order = (enum lease_order)i;
				return 0;
			}
		return err_set(e, ERR_PROTOCOL, "a lease's order '%.40s' is unknown", s);
	}
	if (strlen(s) >= f->size)
		return err_set(e, ERR_PROTOCOL, "a lease's %s is longer than %zu bytes", f->name,
		        f->size - 1);
	if (f->kind == KIND_HOLDER && !is_holder(s))
		return err_set(e, ERR_PROTOCOL, "a lease's %s '%.80s' is no name", f->name, s);
	memcpy(p, s, strlen(s) + 1);
	str_printable(p);
	return 0;
}

/* What no field can say alone. */
static int whole_check(const struct lease_record *r, struct err *e)
{
	if (r->ceiling < r->floor)
		return err_set(e, ERR_PROTOCOL, "a lease's ceiling %u is below its floor %u",
		        r->ceiling, r->floor);
	if (r->is_claim ? r->term_ns != 0 : r->holder[0] && r->term_ns == 0)
		return err_set(e, ERR_PROTOCOL, "a lease's term of %lld ns, a claim or not",
		        (long long)r->term_ns);
	if (r->holder[0] && (!r->epoch || !r->place[0]))
		return err_set(e, ERR_PROTOCOL, "a lease is held, without %s",
		        r->epoch ? "a place" : "an epoch");
	return 0;
}

static int put_change(struct lease_record *r, int64_t real_ns, int64_t epoch, const char *holder,
        const char *reason, struct err *e)
{
	struct lease_change *c = &r->history[r->nhistory];

	if (r->nhistory == LEASE_HISTORY_MAX || real_ns < 0 || epoch < 0 || !is_holder(holder) ||
	        strlen(reason) >= sizeof(c->reason))
		return err_set(e, ERR_PROTOCOL, "a lease's history is not readable");
	c->real_ns = real_ns;
	c->epoch = (uint64_t)epoch;
	memcpy(c->holder, holder, strlen(holder) + 1);
	memcpy(c->reason, reason, strlen(reason) + 1);
	str_printable(c->reason);
	r->nhistory++;
	return 0;
}

/* --- labels ---------------------------------------------------------------------------------- */

/* Takes value over.  Without memory there is no value, and jansson says -1. */
static int set_label(json_t *o, const char *name, json_t *value)
{
	char key[64];

	snprintf(key, sizeof(key), LABEL_PREFIX "%s", name);
	return json_object_set_new(o, key, value);
}

static const char *get_label(const json_t *o, const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), LABEL_PREFIX "%s", name);
	return json_string_value(json_object_get(o, key));
}

static int change_to_label(json_t *o, const struct lease_change *c, size_t i)
{
	char name[32], text[CHANGE_SIZE];

	snprintf(name, sizeof(name), "history.%zu", i);
	snprintf(text, sizeof(text), "%lld %llu %s %s", (long long)c->real_ns,
	        (unsigned long long)c->epoch, c->holder[0] ? c->holder : "-", c->reason);
	return set_label(o, name, json_string(text));
}

json_t *lease_to_labels(const struct lease_record *r)
{
	AUTO(json) json_t *o = json_object();

	if (!o || set_label(o, "format", json_string("1")) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const struct field *f = &fields[i];
		char text[32];

		snprintf(text, sizeof(text), "%lld", is_text(f) ? 0 : (long long)number_of(r, f));
		if (set_label(o, f->name, json_string(is_text(f) ? text_of(r, f) : text)) < 0)
			return NULL;
	}
	for (size_t i = 0; i < r->nhistory; i++)
		if (change_to_label(o, &r->history[i], i) < 0)
			return NULL;
	return TAKE(o);
}

/* Returns the next word of a text and steps over it, NULL at the end; the rest has no limit. */
static const char *next_word(char **at)
{
	char *word = *at, *end = strchr(word, ' ');

	if (!end)
		return NULL;
	*end = '\0';
	*at = end + 1;
	return word;
}

static int change_from_label(struct lease_record *r, const char *label, struct err *e)
{
	char text[CHANGE_SIZE], *at = text;
	const char *when, *epoch, *holder;
	int64_t ns, n;

	if (strlen(label) >= sizeof(text))
		return err_set(e, ERR_PROTOCOL, "a lease's history is too long");
	memcpy(text, label, strlen(label) + 1);
	if (!(when = next_word(&at)) || !(epoch = next_word(&at)) || !(holder = next_word(&at)))
		return err_set(e, ERR_PROTOCOL, "a lease's history is not readable");
	if (num_int(&ns, when, 0, INT64_MAX, e) < 0 || num_int(&n, epoch, 0, INT64_MAX, e) < 0) {
		e->kind = ERR_PROTOCOL;
		return err_wrap(e, "a lease's history");
	}
	return put_change(r, ns, n, strcmp(holder, "-") == 0 ? "" : holder, at, e);
}

static int field_from_label(
        struct lease_record *r, const struct field *f, const json_t *labels, struct err *e)
{
	const char *text = get_label(labels, f->name);
	int64_t n;

	if (!text)
		return err_set(e, ERR_PROTOCOL, "there is no label '" LABEL_PREFIX "%s'", f->name);
	if (is_text(f))
		return put_text(r, f, text, e);
	if (num_int(&n, text, 0, INT64_MAX, e) < 0) {
		e->kind = ERR_PROTOCOL;
		return err_wrap(e, "a lease's %s", f->name);
	}
	return put_number(r, f, n, e);
}

int lease_from_labels(struct lease_record *ret, const char *name, uint64_t version,
        const json_t *labels, struct err *e)
{
	const char *format = get_label(labels, "format");
	struct lease_record r;

	lease_record_init(&r, name);
	r.version = version;
	if (!format || strcmp(format, "1") != 0)
		return err_set(e, ERR_PROTOCOL, "the labels of lease '%s' have the format '%.20s'",
		        name, format ? format : "");
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (field_from_label(&r, &fields[i], labels, e) < 0)
			return err_wrap(e, "labels of lease '%s'", name);
	for (size_t i = 0; i < LEASE_HISTORY_MAX; i++) {
		char key[32];
		const char *text;

		snprintf(key, sizeof(key), "history.%zu", i);
		if (!(text = get_label(labels, key)))
			break;
		if (change_from_label(&r, text, e) < 0)
			return err_wrap(e, "labels of lease '%s'", name);
	}
	if (whole_check(&r, e) < 0)
		return err_wrap(e, "labels of lease '%s'", name);
	*ret = r;
	return 0;
}

/* --- JSON ------------------------------------------------------------------------------------ */

static json_t *history_to_json(const struct lease_record *r)
{
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; list && i < r->nhistory; i++) {
		const struct lease_change *c = &r->history[i];

		if (json_array_append_new(list,
		            json_pack("{s:I, s:I, s:s, s:s}", "real_ns", (json_int_t)c->real_ns,
		                    "epoch", (json_int_t)c->epoch, "holder", c->holder, "reason",
		                    c->reason)) < 0)
			return NULL;
	}
	return TAKE(list);
}

static json_t *field_to_json(const struct lease_record *r, const struct field *f)
{
	if (is_text(f))
		return json_string(text_of(r, f));
	if (f->kind == KIND_BOOL)
		return json_boolean(number_of(r, f));
	return json_integer(number_of(r, f));
}

json_t *lease_to_json(const struct lease_record *r)
{
	AUTO(json) json_t *o = json_object();

	if (!o || json_object_set_new(o, "name", json_string(r->name)) < 0 ||
	        json_object_set_new(o, "version", json_integer((json_int_t)r->version)) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (json_object_set_new(o, fields[i].name, field_to_json(r, &fields[i])) < 0)
			return NULL;
	if (json_object_set_new(o, "history", history_to_json(r)) < 0)
		return NULL;
	return TAKE(o);
}

static int field_from_json(
        struct lease_record *r, const struct field *f, const json_t *o, struct err *e)
{
	const json_t *v = json_object_get(o, f->name);

	if (is_text(f) && json_is_string(v))
		return put_text(r, f, json_string_value(v), e);
	if (f->kind == KIND_BOOL && json_is_boolean(v))
		return put_number(r, f, json_is_true(v), e);
	if (!is_text(f) && f->kind != KIND_BOOL && json_is_integer(v))
		return put_number(r, f, json_integer_value(v), e);
	return err_set(e, ERR_PROTOCOL, "a lease has no '%s'", f->name);
}

static int history_from_json(struct lease_record *r, const json_t *list, struct err *e)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);

		if (put_change(r, json_int(c, "real_ns", -1), json_int(c, "epoch", -1),
		            json_str(c, "holder", " "), json_str(c, "reason", ""), e) < 0)
			return -1;
	}
	return 0;
}

int lease_from_json(struct lease_record *ret, const json_t *o, struct err *e)
{
	const char *name = json_str(o, "name", "");
	json_int_t version = json_int(o, "version", -1);
	struct lease_record r;

	if (lease_name_check(name, e) < 0) {
		e->kind = ERR_PROTOCOL;
		return -1;
	}
	if (version < 0)
		return err_set(e, ERR_PROTOCOL, "a lease has no version");
	lease_record_init(&r, name);
	r.version = (uint64_t)version;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (field_from_json(&r, &fields[i], o, e) < 0)
			return -1;
	if (history_from_json(&r, json_object_get(o, "history"), e) < 0 || whole_check(&r, e) < 0)
		return -1;
	*ret = r;
	return 0;
}

/* --- what may follow ------------------------------------------------------------------------- */

static bool is_same_change(const struct lease_change *a, const struct lease_change *b)
{
	return a->real_ns == b->real_ns && a->epoch == b->epoch &&
	        strcmp(a->holder, b->holder) == 0 && strcmp(a->reason, b->reason) == 0;
}

/* Whether to's history is from's with `more` in front. */
static bool history_follows(
        const struct lease_record *from, const struct lease_record *to, size_t more)
{
	size_t n = from->nhistory + more;

	if (to->nhistory != (n > LEASE_HISTORY_MAX ? LEASE_HISTORY_MAX : n))
		return false;
	for (size_t i = more; i < to->nhistory; i++)
		if (!is_same_change(&to->history[i], &from->history[i - more]))
			return false;
	return !more ||
	        (to->history[0].epoch == to->epoch &&
	                strcmp(to->history[0].holder, to->holder) == 0);
}

static bool is_same_holder(const struct lease_record *from, const struct lease_record *to)
{
	return strcmp(from->holder, to->holder) == 0 && strcmp(from->place, to->place) == 0 &&
	        strcmp(from->nonce, to->nonce) == 0;
}

static int refuse(struct err *e, const struct lease_record *to, const char *why)
{
	return err_set(e, ERR_CONFLICT, "lease '%s': %s", to->name, why);
}

static int may_renew(const struct lease_record *from, const struct lease_record *to, struct err *e)
{
	if (from->is_claim || to->count != from->count + 1)
		return refuse(e, to, "a renewal has to count one more");
	if (to->floor != from->floor || to->ceiling < from->ceiling)
		return refuse(e, to, "a renewal may not change the floor, nor lower the ceiling");
	if (to->term_ns != from->term_ns)
		return refuse(e, to, "a renewal may not change the term");
	if (!history_follows(from, to, 0))
		return refuse(e, to, "a renewal may not change the history");
	return 0;
}

static int may_take(const struct lease_record *from, const struct lease_record *to, struct err *e)
{
	/* Whoever makes the object remembers perhaps the epoch of one that was deleted. */
	if (from->version ? to->epoch != from->epoch + 1 : to->epoch == 0)
		return refuse(e, to, "a new holder's epoch has to be one more");
	if (from->is_claim && from->holder[0])
		return err_set(
		        e, ERR_CONFLICT, "claim '%s' is held by '%s'", to->name, from->holder);
	if (to->count != 0)
		return refuse(e, to, "a new holder begins to count at 0");
	if (to->floor < from->ceiling)
		return refuse(e, to, "the floor is below the ceiling of the holder before");
	if (!to->is_claim && to->ceiling <= to->floor)
		return refuse(e, to, "the ceiling is not above the floor");
	if (!history_follows(from, to, 1))
		return refuse(e, to, "a change of hands has to stand first in the history");
	return 0;
}

static int may_release(
        const struct lease_record *from, const struct lease_record *to, struct err *e)
{
	if (to->epoch != from->epoch || to->count != from->count || to->floor != from->floor)
		return refuse(e, to, "a release may not change epoch, count or floor");
	if (to->ceiling < from->floor || to->ceiling > from->ceiling)
		return refuse(e, to, "a release's ceiling is not between floor and ceiling");
	if (!history_follows(from, to, 1))
		return refuse(e, to, "a change of hands has to stand first in the history");
	return 0;
}

/* The order is a new one, or the same, or the same one done. */
static int order_may_follow(
        const struct lease_record *from, const struct lease_record *to, struct err *e)
{
	if (to->order_id > from->order_id)
		return 0;
	if (to->order_id == from->order_id && to->order == LEASE_ORDER_NONE)
		return 0;
	if (to->order_id == from->order_id && to->order == from->order &&
	        strcmp(to->order_to, from->order_to) == 0 &&
	        strcmp(to->order_reason, from->order_reason) == 0)
		return 0;
	return refuse(e, to, "an order has to have a new id");
}

static bool is_order_alone(const struct lease_record *from, const struct lease_record *to)
{
	return to->epoch == from->epoch && to->count == from->count && to->floor == from->floor &&
	        to->ceiling == from->ceiling && to->term_ns == from->term_ns &&
	        is_same_holder(from, to) && history_follows(from, to, 0);
}

int lease_may_follow(const struct lease_record *from, const struct lease_record *to, struct err *e)
{
	if (strcmp(from->name, to->name) != 0)
		return refuse(e, to, "another name");
	if (from->version && from->is_claim != to->is_claim)
		return refuse(e, to, "a claim is no lease, nor the other way round");
	if (whole_check(to, e) < 0) {
		e->kind = ERR_CONFLICT;
		return -1;
	}
	if (order_may_follow(from, to, e) < 0)
		return -1;
	/* Nobody's record without an epoch: an order for whoever will be the first. */
	if (is_order_alone(from, to))
		return 0;
	if (!to->holder[0])
		return from->holder[0] ? may_release(from, to, e)
		                       : refuse(e, to, "it is free, and has to stay as it is");
	if (from->holder[0] && to->epoch == from->epoch && is_same_holder(from, to))
		return may_renew(from, to, e);
	return may_take(from, to, e);
}
