/* Operations on generations. */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/generation.h"
#include "data/import.h"
#include "data/op_priv.h"
#include "data/quarantine.h"

/* --- what there is -------------------------------------------------------------------------- */

json_t *op_ls(const struct op_context *c, const json_t *args UNUSED, struct err *e)
{
	AUTO(generations) struct generations g = { 0 };
	AUTO(json) json_t *list = json_array();

	if (generations_list(&g, c->pool, e) < 0)
		return NULL;
	for (size_t i = 0; i < g.n; i++)
		if (json_array_append_new(list, generation_json(&g.v[i])) < 0)
			return op_result(NULL, e);
	return op_result(json_pack("{s:O}", "generations", list), e);
}

json_t *op_show(const struct op_context *c, const json_t *args, struct err *e)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;

	if (generation_hold(&h, c->pool, json_str(args, "name", ""), c->cancel, e) < 0)
		return NULL;
	return op_result(json_pack("{s:o}", "generation", manifest_json(&h.m, true)), e);
}

/* --- verify --------------------------------------------------------------------------------- */

struct differences {
	json_t *list;
	size_t n;
};

static void on_difference(void *arg, const char *path, const char *what)
{
	struct differences *d = arg;

	if (d->n++ < OP_DIFFERENCES_MAX)
		(void)json_array_append_new(
		        d->list, json_pack("{s:s, s:s}", "path", path, "what", what));
}

json_t *op_verify(const struct op_context *c, const json_t *args, struct err *e)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
	AUTO(json) json_t *list = json_array();
	struct differences d = { .list = list };

	/* Held from here on: `current` may change meanwhile. */
	if (generation_hold(&h, c->pool, json_str(args, "name", ""), c->cancel, e) < 0)
		return NULL;
	if (generation_verify(c->pool, h.m.name, c->progress, c->cancel, on_difference, &d, e) <
	        0) {
		if (e->kind != ERR_UNHEALTHY || !d.n)
			return NULL;
		err_clear(e);
	}
	return op_result(json_pack("{s:s, s:I, s:I, s:I, s:O}", "name", h.m.name, "files",
	                         (json_int_t)h.m.files.n, "bytes", (json_int_t)h.m.files.size_bytes,
	                         "different", (json_int_t)d.n, "differences", list),
	        e);
}

/* --- changes -------------------------------------------------------------------------------- */

json_t *op_promote(const struct op_context *c, const json_t *args, struct err *e)
{
	const char *name = json_str(args, "name", "");

	if (generation_promote(c->pool, name, json_bool(args, "force_chain", false), e) < 0)
		return NULL;
	return op_result(json_pack("{s:s}", "name", name), e);
}

json_t *op_rm(const struct op_context *c, const json_t *args, struct err *e)
{
	const char *name = json_str(args, "name", "");
	/* "service.slot-<utc>"; no name of a generation has a dot. */
	bool is_quarantine = strchr(name, '.') != NULL;

	if ((is_quarantine ? quarantine_remove(c->pool, name, c->cancel, e)
	                   : generation_remove(c->pool, name, c->cancel, e)) < 0)
		return NULL;
	return op_result(json_pack("{s:s, s:s}", "name", name, "kind",
	                         is_quarantine ? "quarantine" : "generation"),
	        e);
}

struct pruned {
	json_t *removed, *kept;
};

static void on_gone(void *arg, const struct generation *g, const struct err *why)
{
	struct pruned *p = arg;

	if (why)
		(void)json_array_append_new(p->kept,
		        json_pack("{s:s, s:o}", "name", g->m.name, "error", json_of_err(why)));
	else
		(void)json_array_append_new(p->removed, generation_json(g));
}

json_t *op_prune(const struct op_context *c, const json_t *args, struct err *e)
{
	bool dry_run = json_bool(args, "dry_run", false);
	AUTO(json) json_t *removed = json_array(), *kept = json_array();
	struct pruned p = { removed, kept };
	struct retention r = { 0 };

	if (retention_parse(&r, json_str(args, "keep", ""), e) < 0 ||
	        generations_prune(c->pool, &r, dry_run, c->cancel, on_gone, &p, e) < 0)
		return NULL;
	return op_result(
	        json_pack("{s:b, s:O, s:O}", "dry_run", dry_run, "removed", removed, "kept", kept),
	        e);
}

static const char *given(const json_t *args, const char *key)
{
	const char *s = json_str(args, key, "");

	return *s ? s : NULL;
}

json_t *op_import(const struct op_context *c, const json_t *args, struct err *e)
{
	const char *path = json_str(args, "path", "");
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	const struct import_options o = {
		.chain_id = given(args, "chain_id"),
		.version = given(args, "version"),
		.host = c->host,
		.promote = json_bool(args, "promote", false),
		.force_chain = json_bool(args, "force_chain", false),
		.clone = { .cancel = c->cancel, .progress = c->progress },
	};

	if (*path != '/') {
		err_set(e, ERR_USAGE, "'%s' is not an absolute path", path);
		return NULL;
	}
	if (data_import(&m, c->pool, path, &o, e) < 0)
		return NULL;
	return op_result(json_pack("{s:o, s:b}", "generation", manifest_json(&m, false), "current",
	                         o.promote && !m.is_behind),
	        e);
}
