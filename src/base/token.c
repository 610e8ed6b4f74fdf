#include "base/token.h"

#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"

void token_init(struct token *t, const char *path)
{
	*t = (struct token){ .path = path };
}

void token_release(struct token *t)
{
	explicit_bzero(t->text, sizeof(t->text));
}

static int take(struct token *t, const char *text, size_t n, struct err *e)
{
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	if (n < TOKEN_MIN)
		return err_set(e, ERR_USAGE, "the token in '%s' has less than %d characters",
		        t->path, TOKEN_MIN);
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return err_set(e, ERR_USAGE,
			        "the token in '%s' is not one word of printable characters",
			        t->path);
	memcpy(t->text, text, n);
	return 0;
}

int token_refresh(struct token *t, struct err *e)
{
	struct buf b = BUF_INIT(TOKEN_MAX);
	int rc;

	if (!file_stamp_look(&t->stamp, t->path))
		return 1;
	explicit_bzero(t->text, sizeof(t->text));
	rc = fs_read_at(AT_FDCWD, t->path, &b, e);
	if (rc > 0)
		rc = err_set(e, ERR_NOT_FOUND, "there is no token file '%s'", t->path);
	else if (rc == 0)
		rc = take(t, b.data, b.len, e);
	if (b.data)
		explicit_bzero(b.data, b.cap);
	buf_release(&b);
	return rc;
}
