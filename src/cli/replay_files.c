#include "cli/replay_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/token.h"
#include "data/pool.h"
#include "replay/packed.h"
#include "replay/slices.h"
#include "stack/stack.h"

#define TOKEN_BYTES 32
#define TOKENS_MAX  (64U * 1024)

void replay_files_release(struct replay_files *f)
{
	struct err ignored = ERR_INIT;

	if (f->is_scratch && fs_remove_tree_at(AT_FDCWD, f->dir, &ignored) < 0)
		err_clear(&ignored);
	free(f->dir);
	free(f->tokens);
	free(f->worker_token);
	free(f->control_token);
	free(f->manifest);
	*f = REPLAY_FILES_INIT;
}

static int name_files(struct replay_files *f, struct err *e)
{
	f->tokens = str_fmt("%s/tokens", f->dir);
	f->worker_token = str_fmt("%s/worker-token", f->dir);
	f->control_token = str_fmt("%s/control-token", f->dir);
	f->manifest = str_fmt("%s/manifest.zst", f->dir);
	return f->tokens && f->worker_token && f->control_token && f->manifest ? 0 : err_nomem(e);
}

static char *absolute(const char *path, struct err *e)
{
	AUTO(free) char *cwd = NULL;
	char *abs;

	if (*path == '/') {
		abs = strdup(path);
	} else if ((cwd = getcwd(NULL, 0))) {
		abs = str_fmt("%s/%s", cwd, path);
	} else {
		err_sys(e, errno, "find the working directory");
		return NULL;
	}
	if (!abs)
		err_nomem(e);
	return abs;
}

/* What the pool itself would say is not all that one can do here. */
static int no_pool(struct err *e)
{
	*e->hint = '\0';
	return err_hint(e,
	        "a run's tokens are kept in the pool: 'nodeswarm pool init' makes one; or give "
	        "another place with --keep DIR");
}

int replay_files_at(
        struct replay_files *f, const char *dir, const char *pool, const char *stack, struct err *e)
{
	AUTO(pool) struct pool p = POOL_INIT;

	replay_files_release(f);
	if (dir)
		f->dir = absolute(dir, e);
	else if (pool_open(&p, pool, e) < 0)
		return no_pool(e);
	else if (!(f->dir = str_fmt("%s/replay/%s", pool, stack)))
		err_nomem(e);
	return f->dir ? name_files(f, e) : -1;
}

/* --- tokens ---------------------------------------------------------------------------------- */

static int new_tokens(const char *path, struct err *e)
{
	static const char *const roles[] = { "read", "work", "control" };
	AUTO(buf) struct buf b = BUF_INIT(TOKENS_MAX);
	unsigned char bytes[TOKEN_BYTES];
	char hex[2 * TOKEN_BYTES + 1];
	int rc = buf_add_str(&b, "# Who may do what at the orchestrator: nodeswarm-replay(1).\n");

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(roles); i++) {
		if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
			return err_sys(e, errno, "getrandom");
		hex_encode(hex, bytes, sizeof(bytes));
		rc = buf_add_fmt(&b, "%s %s\n", roles[i], hex);
	}
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(hex, sizeof(hex));
	if (rc < 0)
		return err_nomem(e);
	rc = fs_write_at(AT_FDCWD, path, b.data, b.len, 0600, e);
	explicit_bzero(b.data, b.len);
	return rc;
}

/* The first token of that role, into out.  0, or 1 when there is none. */
static int find_token(char out[TOKEN_MAX + 1], const char *text, const char *role)
{
	char line[TOKEN_MAX + 64];

	while (str_next_line(line, sizeof(line), &text) == 0) {
		char *save = NULL, *word = strtok_r(line, " \t\r", &save);
		char *token = word ? strtok_r(NULL, " \t\r", &save) : NULL;

		if (token && strcmp(word, role) == 0) {
			snprintf(out, TOKEN_MAX + 1, "%.*s", TOKEN_MAX, token);
			return 0;
		}
	}
	return 1;
}

static int write_one(
        const char *path, const char *all, const char *text, const char *role, struct err *e)
{
	char token[TOKEN_MAX + 1];
	int rc;

	if (find_token(token, text, role) > 0) {
		err_set(e, ERR_USAGE, "'%s' has no token for '%s'", all, role);
		return err_hint(
		        e, "add a line '%s TOKEN', or remove the file: a new one is made", role);
	}
	rc = fs_write_at(AT_FDCWD, path, token, strlen(token), 0600, e);
	explicit_bzero(token, sizeof(token));
	return rc;
}

static int make_tokens(const struct replay_files *f, const char *from, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(TOKENS_MAX);
	int rc = fs_read_at(AT_FDCWD, from, &b, e);

	if (rc > 0) {
		if (new_tokens(f->tokens, e) < 0)
			return -1;
		rc = fs_read_at(AT_FDCWD, f->tokens, &b, e);
	} else if (rc == 0 && from != f->tokens) {
		rc = fs_write_at(AT_FDCWD, f->tokens, b.data ? b.data : "", b.len, 0600, e);
	}
	if (rc > 0)
		return err_set(e, ERR_CONFLICT, "'%s' was removed meanwhile", f->tokens);
	if (rc == 0)
		rc = write_one(f->worker_token, from, b.data ? b.data : "", "work", e);
	if (rc == 0)
		rc = write_one(f->control_token, from, b.data ? b.data : "", "control", e);
	if (b.data)
		explicit_bzero(b.data, b.len);
	return rc;
}

int replay_files_make(struct replay_files *f, struct err *e)
{
	char *slash = strrchr(f->dir, '/');

	/* "replay" in the pool and what is in it; of a directory of the operator's
	 * only the last. */
	if (slash && slash != f->dir) {
		*slash = '\0';
		if (mkdir(f->dir, 0700) < 0 && errno != EEXIST && errno != ENOENT)
			err_sys(e, errno, "make '%s'", f->dir);
		*slash = '/';
		if (e->kind != ERR_NONE)
			return -1;
	}
	if (mkdir(f->dir, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make '%s'", f->dir);
	return make_tokens(f, f->tokens, e);
}

int replay_files_scratch(struct replay_files *f, struct err *e)
{
	AUTO(replay_files) struct replay_files s = REPLAY_FILES_INIT;
	const char *tmp = getenv("TMPDIR");

	s.dir = str_fmt("%s/nodeswarm-replay.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!s.dir)
		return err_nomem(e);
	if (!mkdtemp(s.dir))
		return err_sys(e, errno, "make a directory '%s'", s.dir);
	s.is_scratch = true;
	if (name_files(&s, e) < 0 || make_tokens(&s, f->tokens, e) < 0)
		return -1;
	replay_files_release(f);
	*f = s;
	s = REPLAY_FILES_INIT;
	return 0;
}

int replay_files_pack(const struct replay_files *f, const void *text, size_t n, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(SLICES_TEXT_MAX);

	if (packed_add(&b, text, n, e) < 0)
		return -1;
	if (b.len > STACK_CONFIG_SIZE_MAX) {
		err_set(e, ERR_USAGE,
		        "the manifest is %zu bytes when packed, and the swarm takes %d", b.len,
		        STACK_CONFIG_SIZE_MAX);
		return err_hint(e,
		        "run it in parts; or start 'nodeswarm replay serve' and 'replay work' by "
		        "hand, which have no such limit");
	}
	return fs_write_at(AT_FDCWD, f->manifest, b.data, b.len, 0600, e);
}
