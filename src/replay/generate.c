/* The pure half: names, spacing.  generate_list.c finds the names. */

#include "replay/generate.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/num.h"
#include "base/str.h"

#define ID_LEN 64 /* hex digits of a block's id */

/* --- names ------------------------------------------------------------------------------------ */

/* The length of the name without its ending, 0 if it has no ending of a snapshot. */
static size_t stem_length(const char *name)
{
	static const char *const endings[] = { ".bin", ".bin.zst" };

	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (str_ends(name, endings[i]))
			return strlen(name) - strlen(endings[i]);
	return 0;
}

/* A block's id begins with its height. */
static int height_of_id(const char *id, uint32_t *ret)
{
	unsigned char raw[ID_LEN / 2];

	if (hex_decode(raw, sizeof(raw), id) < 0)
		return 1;
	*ret = (uint32_t)raw[0] << 24 | (uint32_t)raw[1] << 16 | (uint32_t)raw[2] << 8 | raw[3];
	return *ret == 0;
}

int snapshot_height(const char *name, uint32_t *ret)
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *word;
	struct err ignored = ERR_INIT;
	char last[ID_LEN + 1];
	uint64_t n;
	size_t len;

	/* nodeos calls what it is still writing ".pending-snapshot-<id>.bin". */
	if (*base == '.')
		return 1;
	len = stem_length(base);
	for (word = base + len; word > base && word[-1] != '-'; word--)
		;
	len -= (size_t)(word - base);
	if (len == 0 || len > ID_LEN)
		return 1;
	memcpy(last, word, len);
	last[len] = '\0';
	if (len == ID_LEN)
		return height_of_id(last, ret);
	if (num_uint(&n, last, 1, UINT32_MAX, &ignored) < 0)
		return 1;
	*ret = (uint32_t)n;
	return 0;
}

const char *generate_storage(const char *source)
{
	if (str_starts(source, "s3://", NULL))
		return "s3";
	return str_starts(source, "http://", NULL) || str_starts(source, "https://", NULL)
	        ? "http"
	        : "filesystem";
}

void snapshot_refs_release(struct snapshot_refs *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].path);
	free(s->v);
	*s = (struct snapshot_refs){ .v = NULL };
}

/* --- slices ----------------------------------------------------------------------------------- */

/* Where slices can start and end. */
struct marks {
	struct snapshot_ref *v; /* paths borrowed */
	size_t n;
};

static int find_marks(
        struct marks *ret, const struct snapshot_refs *s, const struct generate *g, struct err *e)
{
	static char genesis[] = "";

	ret->n = 0;
	ret->v = calloc(s->n + 1, sizeof(*ret->v));
	if (!ret->v)
		return err_nomem(e);
	if (g->from_genesis)
		ret->v[ret->n++].path = genesis;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].height > g->min && (!g->max || s->v[i].height < g->max))
			ret->v[ret->n++] = s->v[i];
	return 0;
}

static int add_slice(struct slices *s, const struct snapshot_ref *from,
        const struct snapshot_ref *to, const struct generate *g, struct err *e)
{
	struct slice one = {
		.start = from->height,
		.end = to->height,
		.snapshot_path = from->path,
		.storage_type = (char *)(uintptr_t)generate_storage(g->source),
		.version = (char *)(uintptr_t)g->version,
		.is_spring = g->is_spring,
	};

	return slices_add(s, &one, e);
}

int generate_slices(
        struct slices *ret, const struct snapshot_refs *s, const struct generate *g, struct err *e)
{
	AUTO(slices) struct slices out = SLICES_INIT;
	AUTO(free) struct snapshot_ref *v = NULL;
	struct marks m;
	size_t from = 0;

	if (find_marks(&m, s, g, e) < 0)
		return -1;
	v = m.v;
	if (m.n < 2) {
		err_set(e, ERR_NOT_FOUND,
		        "'%s' has %zu snapshot%s within the limits, and a slice needs %s",
		        g->source, s->n ? m.n - g->from_genesis : 0,
		        m.n - g->from_genesis == 1 ? "" : "s", g->from_genesis ? "one" : "two");
		return err_hint(e, "'--debug' tells which files were left out, and why");
	}
	for (size_t i = 1; i < m.n; i++) {
		if (v[i].height - v[from].height < g->spacing)
			continue;
		if (add_slice(&out, &v[from], &v[i], g, e) < 0)
			return -1;
		from = i;
	}
	if (!out.n && add_slice(&out, &v[0], &v[m.n - 1], g, e) < 0)
		return -1;
	out.v[out.n - 1].end = v[m.n - 1].height;
	*ret = out;
	out = SLICES_INIT;
	return 0;
}
