/* What is in a certificate, read and checked for its form only. */

#include "replay/certificate_priv.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/str.h"
#include "replay/slices.h"

void proofs_release(struct proofs *p)
{
	free(p->v);
	p->v = NULL;
	p->n = 0;
}

static int block_of(uint32_t *ret, const json_t *slice, const char *key)
{
	const json_t *j = json_object_get(slice, key);

	if (!json_is_integer(j) || json_integer_value(j) < 0 || json_integer_value(j) > UINT32_MAX)
		return -1;
	*ret = (uint32_t)json_integer_value(j);
	return 0;
}

bool proof_is_hash(const char *s)
{
	return hex_is(s, SLICE_HASH_SIZE - 1);
}

/* null or a hash. */
static int hash_of(const char **ret, const json_t *slice, const char *key)
{
	const json_t *j = json_object_get(slice, key);
	const char *s = json_string_value(j);

	if (j && !json_is_null(j) && (!s || !proof_is_hash(s)))
		return -1;
	*ret = s;
	return 0;
}

static int wrong(struct err *e, const char *what, size_t i, const char *key, const char *why)
{
	return err_set(e, ERR_PROTOCOL, "%s: slices[%zu]: '%s' %s", what, i, key, why);
}

static int read_one(struct proof *p, const json_t *j, const char *what, size_t i, struct err *e)
{
	static const char no_block[] = "is no block number",
	                  no_hash[] = "is neither a hash nor null";

	if (!json_is_object(j))
		return err_set(e, ERR_PROTOCOL, "%s: slices[%zu] is no object", what, i);
	p->id = json_int(j, "slice_id", 0);
	if (p->id <= 0)
		return wrong(e, what, i, "slice_id", "is no positive number");
	if (block_of(&p->start, j, "start_block") < 0)
		return wrong(e, what, i, "start_block", no_block);
	if (block_of(&p->end, j, "end_block") < 0)
		return wrong(e, what, i, "end_block", no_block);
	if (hash_of(&p->start_hash, j, "start_hash") < 0)
		return wrong(e, what, i, "start_hash", no_hash);
	if (hash_of(&p->end_hash, j, "end_hash") < 0)
		return wrong(e, what, i, "end_hash", no_hash);
	if (hash_of(&p->expected_hash, j, "expected_hash") < 0)
		return wrong(e, what, i, "expected_hash", no_hash);
	p->verdict = json_str(j, "verdict", NULL);
	if (!p->verdict)
		return wrong(e, what, i, "verdict", "is missing");
	p->version = json_str(j, "nodeos_version", NULL);
	return 0;
}

int proofs_read(struct proofs *ret, const json_t *c, const char *what, struct err *e)
{
	AUTO(proofs) struct proofs p = { .v = NULL };
	const json_t *slices = json_object_get(c, "slices");
	int64_t format = json_int(c, "format", 0);

	if (format != 1 || !json_is_array(slices)) {
		if (format > 1)
			err_set(e, ERR_PROTOCOL, "%s: format %lld, and 1 is known", what,
			        (long long)format);
		else
			err_set(e, ERR_PROTOCOL, "%s: no certificate of a replay", what);
		return err_hint(e, "an orchestrator has it at /v1/certificate");
	}
	p.n = json_array_size(slices);
	p.v = calloc(p.n ? p.n : 1, sizeof(*p.v));
	if (!p.v)
		return err_nomem(e);
	for (size_t i = 0; i < p.n; i++)
		if (read_one(&p.v[i], json_array_get(slices, i), what, i, e) < 0)
			return -1;
	*ret = p;
	p = (struct proofs){ .v = NULL };
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *proofs_versions(const struct proofs *p)
{
	AUTO(free) const char **v = calloc(p->n ? p->n : 1, sizeof(char *));
	json_t *list = json_array();
	size_t n = 0;

	for (size_t i = 0; v && i < p->n; i++)
		/* Most are the same as their neighbour's. */
		if (p->v[i].version && (n == 0 || strcmp(v[n - 1], p->v[i].version) != 0))
			v[n++] = p->v[i].version;
	if (v)
		qsort(v, n, sizeof(char *), by_text);
	for (size_t i = 0; v && list && i < n; i++) {
		if (i > 0 && strcmp(v[i - 1], v[i]) == 0)
			continue;
		if (json_array_append_new(list, json_string(v[i])) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	if (!v) {
		json_decref(list);
		return NULL;
	}
	return list;
}

PRINTF(3, 0)
static void tell(struct faults *f, int64_t slice, const char *fmt, va_list ap)
{
	char text[640];

	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	/* It may be cut within a character, and what it quotes is from outside. */
	str_printable(text);
	if (f->fn)
		f->fn(f->arg, slice, text);
}

void faults_tell(struct faults *f, int64_t slice, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(f, slice, fmt, ap);
	va_end(ap);
}

void faults_add(struct faults *f, int64_t slice, const char *fmt, ...)
{
	va_list ap;

	if (f->n < INT_MAX)
		f->n++;
	va_start(ap, fmt);
	tell(f, slice, fmt, ap);
	va_end(ap);
}
