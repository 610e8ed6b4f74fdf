#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/config.h"
#include "lease/store_priv.h"

#define PREFIX "nodeswarm.lease."
/* Readers refuse blocks that are further ahead of their clock. */
#define AHEAD_NS (7 * NS_PER_SEC)

json_t *store_labels(const json_t *old, const struct lease_record *r)
{
	AUTO(json) json_t *labels = lease_to_labels(r);
	const char *key;
	json_t *value;

	if (!labels)
		return NULL;
	json_object_foreach(
	        (json_t *)(uintptr_t)old, key, value) if (!str_starts(key, PREFIX, NULL) &&
	        json_object_set(labels, key, value) < 0) return NULL;
	return TAKE(labels);
}

int store_check_ceiling(const struct lease_record *from, const struct lease_record *to,
        int64_t real_now, struct err *e)
{
	uint32_t most = lease_slot_at(real_now + to->term_ns + AHEAD_NS);

	if (!to->holder[0] || to->ceiling <= from->ceiling || to->ceiling <= most)
		return 0;
	err_set(e, ERR_USAGE, "lease '%s': slot %u is %u s too far ahead by the broker's clock",
	        to->name, to->ceiling,
	        (to->ceiling - most) / 2 + (unsigned)(AHEAD_NS / NS_PER_SEC));
	return err_hint(e, "set the clocks of '%s' and of the managers", to->holder);
}

/* 0 and the record that stands, with the object in *ret_it (NULL: there is none). */
static int look(struct engine *eng, const char *name, struct lease_record *ret, json_t **ret_it,
        struct err *e)
{
	AUTO(json) json_t *it = NULL;
	char object[sizeof(LEASE_CONFIG) + LEASE_NAME_SIZE];
	int64_t version;

	snprintf(object, sizeof(object), LEASE_CONFIG "%s", name);
	it = engine_config_inspect(eng, object, e);
	if (!it && e->kind == ERR_NOT_FOUND) {
		err_clear(e);
		lease_record_init(ret, name);
		*ret_it = NULL;
		return 0;
	}
	if (!it)
		return -1;
	version = json_int(it, "Version.Index", 0);
	if (version <= 0)
		return err_set(e, ERR_PROTOCOL, "config '%s' has no version", object);
	if (lease_from_labels(ret, name, (uint64_t)version, json_at(it, "Spec.Labels"), e) < 0)
		return err_wrap(e, "config '%s'", object);
	*ret_it = TAKE(it);
	return 0;
}

static int create(struct engine *eng, const struct lease_record *r, struct err *e)
{
	AUTO(json) json_t *labels = store_labels(NULL, r);
	char object[sizeof(LEASE_CONFIG) + LEASE_NAME_SIZE];

	if (!labels)
		return err_nomem(e);
	snprintf(object, sizeof(object), LEASE_CONFIG "%s", r->name);
	return engine_config_create(
	        eng, object, LEASE_OBJECT_TEXT, sizeof(LEASE_OBJECT_TEXT) - 1, labels, NULL, e);
}

static int relabel(
        struct engine *eng, const json_t *it, const struct lease_record *r, struct err *e)
{
	AUTO(json) json_t *labels = store_labels(json_at(it, "Spec.Labels"), r);

	return labels ? engine_config_relabel(eng, it, labels, e) : err_nomem(e);
}

static int conflict(const struct lease_record *stands, struct err *e)
{
	err_clear(e);
	return err_set(e, ERR_CONFLICT, "lease '%s': version %llu stands", stands->name,
	        (unsigned long long)stands->version);
}

/* Its answer alone does not tell the new version. */
static int look_again(struct engine *eng, const struct store_request *q,
        struct lease_record *stands, bool *has_stands, struct err *e)
{
	AUTO(json) json_t *it = NULL;

	*has_stands = false;
	if (clock_mono_ns() >= q->end_ns)
		return err_set(e, ERR_TIMEOUT, "the engine has taken too long");
	if (look(eng, q->name, stands, &it, e) < 0)
		return -1;
	*has_stands = true;
	return 0;
}

int lease_store_run(struct engine *eng, const struct store_request *q, struct lease_record *stands,
        bool *has_stands, struct err *e)
{
	AUTO(json) json_t *it = NULL;
	int rc;

	*has_stands = false;
	engine_limit_to(eng, q->end_ns);
	if (look(eng, q->name, stands, &it, e) < 0)
		return -1;
	*has_stands = true;
	if (!q->is_write)
		return 0;
	if (stands->version != q->write.version)
		return conflict(stands, e);
	if (lease_may_follow(stands, &q->write, e) < 0) {
		e->kind = ERR_USAGE;
		return -1;
	}
	if (store_check_ceiling(stands, &q->write, clock_real_ns(), e) < 0)
		return -1;
	*has_stands = false;
	if (clock_mono_ns() >= q->end_ns)
		return err_set(e, ERR_TIMEOUT, "the engine has taken too long");
	rc = it ? relabel(eng, it, &q->write, e) : create(eng, &q->write, e);
	/* Somebody was faster: with what is known only when it is read. */
	if (rc < 0 && e->kind == ERR_CONFLICT) {
		err_clear(e);
		if (look_again(eng, q, stands, has_stands, e) < 0)
			return -1;
		return conflict(stands, e);
	}
	return rc < 0 ? -1 : look_again(eng, q, stands, has_stands, e);
}
