#include "replay/roles.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file_stamp.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/token.h"

/*
 * The file's text stays in memory and is what the rows point into; it is wiped before it is freed.
 * Nothing of it is ever in a message, only the numbers of lines.
 */

#define ROLES_FILE_MAX (64U * 1024)
#define ROLES_MAX      256

struct row {
	const char *token; /* into text */
	unsigned roles;
};

struct roles {
	char *path;
	struct buf text;
	struct row rows[ROLES_MAX];
	size_t n;
	struct file_stamp stamp;
};

static void forget(struct roles *r)
{
	if (r->text.data)
		explicit_bzero(r->text.data, r->text.cap);
	buf_release(&r->text);
	r->n = 0;
}

static unsigned roles_of_word(const char *word)
{
	if (strcmp(word, "read") == 0)
		return ROLE_READ;
	if (strcmp(word, "work") == 0)
		return ROLE_WORK | ROLE_READ;
	if (strcmp(word, "control") == 0)
		return ROLE_CONTROL | ROLE_READ;
	return ROLE_NONE;
}

static int check_token(const char *token, const char *path, unsigned line, struct err *e)
{
	size_t n = strlen(token);

	if (n < TOKEN_MIN || n > TOKEN_MAX) {
		err_set(e, ERR_USAGE, "'%s' line %u: a token has %d to %d characters", path, line,
		        TOKEN_MIN, TOKEN_MAX);
		return err_hint(e, "make one with: openssl rand -hex 32");
	}
	for (size_t i = 0; i < n; i++)
		if (token[i] <= ' ' || token[i] > '~')
			return err_set(e, ERR_USAGE,
			        "'%s' line %u: a token is one word of printable characters", path,
			        line);
	return 0;
}

static int take_line(struct roles *r, char *line, unsigned number, struct err *e)
{
	char *word = str_trim(line), *token;
	unsigned roles;

	if (!*word || *word == '#')
		return 0;
	token = word + strcspn(word, " \t");
	if (*token)
		*token++ = '\0';
	token = str_trim(token);
	roles = roles_of_word(word);
	if (!roles)
		return err_set(e, ERR_USAGE,
		        "'%s' line %u: it does not begin with read, work or control", r->path,
		        number);
	if (check_token(token, r->path, number, e) < 0)
		return -1;
	if (r->n == ROLES_MAX)
		return err_set(e, ERR_USAGE, "'%s' line %u: more than %d tokens", r->path, number,
		        ROLES_MAX);
	r->rows[r->n++] = (struct row){ token, roles };
	return 0;
}

static int take_text(struct roles *r, struct err *e)
{
	char *next = r->text.data;
	unsigned number = 0;

	if (next && strlen(next) != r->text.len)
		return err_set(e, ERR_USAGE, "'%s' is not a text", r->path);
	while (next) {
		char *line = strsep(&next, "\n");

		if (take_line(r, line, ++number, e) < 0)
			return -1;
	}
	if (!r->n) {
		err_set(e, ERR_USAGE, "there is no token in '%s'", r->path);
		return err_hint(e, "it has lines like: work TOKEN");
	}
	return 0;
}

/* Afterwards the rows are the file's, or none. */
static int load(struct roles *r, struct err *e)
{
	int rc;

	forget(r);
	r->text = BUF_INIT(ROLES_FILE_MAX);
	rc = fs_read_at(AT_FDCWD, r->path, &r->text, e);
	if (rc > 0)
		rc = err_set(e, ERR_NOT_FOUND, "there is no token file '%s'", r->path);
	else if (rc == 0)
		rc = take_text(r, e);
	if (rc < 0)
		forget(r);
	return rc;
}

int roles_refresh(struct roles *r, struct err *e)
{
	return file_stamp_look(&r->stamp, r->path) ? load(r, e) : 1;
}

struct roles *roles_open(const char *path, struct err *e)
{
	AUTO(roles_free) struct roles *r = calloc(1, sizeof(*r));

	if (!r || !(r->path = strdup(path))) {
		err_nomem(e);
		return NULL;
	}
	return roles_refresh(r, e) < 0 ? NULL : TAKE(r);
}

void roles_free(struct roles *r)
{
	if (!r)
		return;
	forget(r);
	free(r->path);
	free(r);
}

unsigned roles_of(const struct roles *r, const char *token)
{
	unsigned roles = ROLE_NONE;

	/* All of them, so that the time does not say which one it was. */
	for (size_t i = 0; i < r->n; i++)
		if (str_same_secret(token, r->rows[i].token))
			roles |= r->rows[i].roles;
	return roles;
}
