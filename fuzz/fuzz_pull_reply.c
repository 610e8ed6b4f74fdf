/*
 * What another host's agent says of a generation: what is let through may lead nowhere but into the
 * file or the directory that it is about, and each map has to lead on.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pull_reply.h"
#include "base/cleanup.h"

#define SIZE (UINT64_C(1) << 30)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_map(const struct pull_map *m, uint64_t offset)
{
	uint64_t at = offset;

	if (m->n > PULL_MAP_RANGES || (!m->is_last && (m->next <= offset || m->next >= SIZE)))
		abort();
	for (size_t i = 0; i < m->n; i++) {
		if (m->v[i].begin < at || m->v[i].end <= m->v[i].begin || m->v[i].end > SIZE)
			abort();
		at = m->v[i].end;
	}
	if (m->next < at)
		abort();
}

static void check_manifest(const struct manifest *m)
{
	uint64_t total = 0;

	if (!m->files.n || m->files.n > TREE_FILES_MAX || strchr(m->name, '/'))
		abort();
	for (size_t i = 0; i < m->files.n; i++) {
		const struct tree_file *f = &m->files.v[i];

		if (f->path[0] == '/' || !f->path[0] || strstr(f->path, "/../") ||
		        strncmp(f->path, "../", 3) == 0 || strcmp(f->path, "..") == 0 ||
		        strlen(f->digest) != TREE_DIGEST_SIZE - 1)
			abort();
		if (i && strcmp(m->files.v[i - 1].path, f->path) >= 0)
			abort();
		total += f->size;
	}
	if (total != m->files.size_bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t offsets[] = { 0, 70000 };
	static struct pull_map map;
	struct manifest m;
	AUTO(free) char *text = malloc(size ? size : 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		struct err e = ERR_INIT;

		if (pull_map_parse(&map, text, size, offsets[i], SIZE, &e) == 0)
			check_map(&map, offsets[i]);
	}
	{
		struct err e = ERR_INIT;

		if (pull_manifest_parse(&m, text, size, &e) == 0) {
			check_manifest(&m);
			manifest_release(&m);
		}
	}
	return 0;
}
