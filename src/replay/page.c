/* The document, put together once of what the Makefile embeds. */

#include "replay/page.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define PAGE_MAX ((size_t)1 << 20)

extern const char embed_palette_css[];
extern const char embed_page_html[], embed_page_css[], embed_page_js[];
extern const char embed_page_view_js[], embed_page_detail_js[], embed_page_grid_js[];

static const char *const paths[] = { "/progress", "/grid", "/control", "/detail" };

static bool is_page(const char *path)
{
	size_t n = strlen(path);

	if (n > 1 && path[n - 1] == '/')
		n--;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (strlen(paths[i]) == n && memcmp(paths[i], path, n) == 0)
			return true;
	return false;
}

/* What stands for <!--@name-->: "style" or "script". */
static int put_part(struct buf *out, const char *name)
{
	static const char *const style[] = { embed_palette_css, embed_page_css };
	static const char *const script[] = { embed_page_js, embed_page_view_js,
		embed_page_detail_js, embed_page_grid_js };
	bool is_style = str_starts(name, "style", NULL);
	const char *const *part = is_style ? style : script;
	size_t n = is_style ? ARRAY_LEN(style) : ARRAY_LEN(script);

	for (size_t i = 0; i < n; i++)
		if (buf_add_str(out, part[i]) < 0)
			return -1;
	return 0;
}

static int assemble(struct buf *out)
{
	static const char mark[] = "<!--@", end[] = "-->";
	const char *at = embed_page_html, *next;

	while ((next = strstr(at, mark))) {
		const char *name = next + sizeof(mark) - 1;

		if (buf_add(out, at, (size_t)(next - at)) < 0 || put_part(out, name) < 0)
			return -1;
		at = strstr(name, end) + sizeof(end) - 1;
	}
	return buf_add_str(out, at);
}

const char *page_html(const char *path, size_t *ret_n, struct err *e)
{
	static struct buf page = { .max = PAGE_MAX };

	if (!is_page(path)) {
		err_set(e, ERR_NOT_FOUND, "no page '%s'", path);
		return NULL;
	}
	if (!page.len && assemble(&page) < 0) {
		buf_release(&page);
		page.max = PAGE_MAX;
		err_nomem(e);
		return NULL;
	}
	*ret_n = page.len;
	return page.data;
}
