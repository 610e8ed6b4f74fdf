#include "engine/lines.h"

#include <string.h>

#include "base/json.h"

void json_lines_release(struct json_lines *l)
{
	buf_release(&l->line);
}

static int take_line(struct json_lines *l, struct err *e)
{
	AUTO(json) json_t *j = NULL;

	/* The engine ends lines with CR LF in some places. */
	if (strspn(l->line.data, " \t\r") == l->line.len) {
		buf_clear(&l->line);
		return 0;
	}
	j = json_parse(l->line.data, l->line.len, "stream", e);
	buf_clear(&l->line);
	if (!j)
		return -1;
	return l->fn(l->arg, j) != 0;
}

int json_lines_feed(struct json_lines *l, const void *data, size_t n, struct err *e)
{
	const char *p = data, *end = p + n;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);
		int rc;

		if (buf_add(&l->line, p, len) < 0)
			return err_set(e, ERR_PROTOCOL, "stream: a line of more than %zu bytes",
			        l->line.max);
		p += len;
		if (!nl)
			break;
		p++;
		rc = take_line(l, e);
		if (rc)
			return rc;
	}
	return 0;
}
