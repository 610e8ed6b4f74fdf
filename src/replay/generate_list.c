/*
 * Where snapshots are looked for: each source tells of its files one by one, and one place decides
 * which are taken.
 */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "http/client.h"
#include "http/url.h"
#include "replay/generate.h"
#include "replay/markup.h"
#include "replay/s3.h"

#define FILES_MAX 1000000

struct list {
	const struct generate *g;
	struct snapshot_refs refs;
	struct strvec *left_out;
	const char *page; /* the URL that references are relative to */
	struct err *e;
};

/* --- which are taken -------------------------------------------------------------------------- */

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	while (*text) {
		size_t len = 0;

		while (isalnum((unsigned char)text[len]))
			len++;
		if (len == n && strncasecmp(text, word, n) == 0)
			return true;
		text += len ? len : 1;
	}
	return false;
}

static int leave_out(struct list *l, const char *path, const char *why)
{
	return l->left_out && strvec_add_fmt(l->left_out, "%s: %s", path, why) < 0 ? err_nomem(l->e)
	                                                                           : 0;
}

static int add_ref(struct list *l, uint32_t height, const char *path)
{
	struct snapshot_refs *s = &l->refs;
	struct snapshot_ref *more = s->v;

	if (s->n >= FILES_MAX)
		return err_set(l->e, ERR_USAGE, "more than %d snapshots", FILES_MAX);
	/* Full at each power of two. */
	if ((s->n & (s->n - 1)) == 0)
		more = reallocarray(s->v, s->n ? 2 * s->n : 1, sizeof(*more));
	if (!more)
		return err_nomem(l->e);
	s->v = more;
	s->v[s->n] = (struct snapshot_ref){ .height = height, .path = strdup(path) };
	if (!s->v[s->n].path)
		return err_nomem(l->e);
	s->n++;
	return 0;
}

/* A file, seen under that heading. */
static int consider(struct list *l, const char *path, const char *heading)
{
	const struct generate *g = l->g;
	uint32_t height;

	if (!str_is_utf8(path))
		return leave_out(l, path, "its name is not UTF-8");
	if (snapshot_height(path, &height) != 0)
		return leave_out(l, path, "no snapshot's name with a height");
	if (g->net && !has_word(path, g->net) && !has_word(heading, g->net))
		return leave_out(l, path, "not of that network");
	if (g->snapshot_version && !has_word(path, g->snapshot_version) &&
	        !has_word(heading, g->snapshot_version))
		return leave_out(l, path, "not of that snapshot version");
	return add_ref(l, height, path);
}

/* --- a directory ------------------------------------------------------------------------------ */

/* As the user wrote it, but with one '/'. */
static char *path_in(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	return str_fmt("%.*s%s%s", (int)n, dir, dir[n - 1] == '/' ? "" : "/", name);
}

static int list_directory(struct list *l)
{
	const char *dir = l->g->source;
	AUTO(closedir) DIR *d = opendir(dir);
	AUTO(free) char *real = NULL;
	const struct dirent *entry;
	struct stat st;

	if (!d && (errno == ENOENT || errno == ENOTDIR))
		return err_set(l->e, ERR_NOT_FOUND, "there is no directory '%s'", dir);
	if (!d)
		return err_sys(l->e, errno, "open the directory '%s'", dir);
	/* A worker runs elsewhere, and a relative path is looked for below its --snapshots. */
	if (*dir != '/' && !(real = realpath(dir, NULL)))
		return err_sys(l->e, errno, "find the directory '%s'", dir);
	while (errno = 0, (entry = readdir(d)) != NULL) {
		AUTO(free) char *path = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		path = path_in(real ? real : dir, entry->d_name);
		if (!path)
			return err_nomem(l->e);
		if (fstatat(dirfd(d), entry->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode)) {
			if (leave_out(l, path, "no regular file") < 0)
				return -1;
		} else if (consider(l, path, "") < 0) {
			return -1;
		}
	}
	return errno ? err_sys(l->e, errno, "read the directory '%s'", dir) : 0;
}

/* --- a page ----------------------------------------------------------------------------------- */

static int on_link(void *arg, const char *heading, const char *href)
{
	struct err ignored = ERR_INIT;
	struct list *l = arg;
	AUTO(free) char *url = http_url_resolve(l->page, href, &ignored);

	if (!url || (!str_starts(url, "http://", NULL) && !str_starts(url, "https://", NULL)))
		return 0;
	return consider(l, url, heading);
}

/* "http://host:1" and "/path": the client wants them apart. */
static int split_url(const char *url, char **ret_base, const char **ret_path, struct err *e)
{
	const char *rest = strstr(url, "://") + 3;
	size_t host = strcspn(rest, "/?#");

	if (rest[host] && rest[host] != '/')
		return err_set(e, ERR_USAGE, "'%s' has no path, expected http://HOST/PATH/", url);
	if (strchr(rest, '#'))
		return err_set(e, ERR_USAGE, "'%s' has a fragment, which no server sees", url);
	*ret_base = strndup(url, (size_t)(rest - url) + host);
	*ret_path = rest[host] ? rest + host : "/";
	return *ret_base ? 0 : err_nomem(e);
}

static int page_error(const struct http_reply *r, const char *url, struct err *e)
{
	enum err_kind kind = r->status == 404          ? ERR_NOT_FOUND
	        : r->status == 401 || r->status == 403 ? ERR_DENIED
	        : r->status >= 500                     ? ERR_UNAVAILABLE
	                                               : ERR_PROTOCOL;

	err_set(e, kind, "'%s': HTTP %ld", url, r->status);
	if (r->status >= 300 && r->status < 400)
		return err_hint(e, "redirects are not followed; a directory's URL ends with '/'");
	return -1;
}

static int list_page(struct list *l)
{
	AUTO(http_client_free) struct http_client *c = NULL;
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	AUTO(free) char *base = NULL;
	const char *path = "";

	if (split_url(l->g->source, &base, &path, l->e) < 0)
		return -1;
	c = http_client_new(base, NULL, l->e);
	if (!c)
		return -1;
	http_client_interrupt_on(c, l->g->interrupt);
	if (http_call(c, &(struct http_request){ .path = path }, &r, l->e) < 0)
		return err_wrap(l->e, "read the list of snapshots");
	if (r.status != 200) {
		page_error(&r, l->g->source, l->e);
		return err_wrap(l->e, "read the list of snapshots");
	}
	l->page = l->g->source;
	if (markup_links(r.body.data, r.body.len, on_link, l) == 0)
		return 0;
	return l->e->kind == ERR_NONE ? err_nomem(l->e) : -1;
}

/* --- a bucket --------------------------------------------------------------------------------- */

struct bucket_list {
	struct list *l;
	const char *bucket;
};

static int on_object(void *arg, const char *key, uint64_t size UNUSED, struct err *e)
{
	struct bucket_list *b = arg;
	AUTO(free) char *path = str_fmt("s3://%s/%s", b->bucket, key);

	return path ? consider(b->l, path, "") : err_nomem(e);
}

static int list_bucket(struct list *l)
{
	AUTO(http_client_free) struct http_client *c = NULL;
	AUTO(s3_url) struct s3_url u = S3_URL_INIT;
	struct bucket_list b = { .l = l };

	if (s3_url_parse(&u, l->g->source, l->e) < 0)
		return -1;
	c = s3_client_new(l->g->endpoint, l->g->region, l->e);
	if (!c)
		return -1;
	http_client_interrupt_on(c, l->g->interrupt);
	b.bucket = u.bucket;
	return s3_list(c, u.bucket, u.key, on_object, &b, l->e);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* By height; then what is preferred. */
static int compare(const void *a, const void *b, void *packed_first)
{
	const struct snapshot_ref *x = a, *y = b;
	bool px = str_ends(x->path, ".zst"), py = str_ends(y->path, ".zst");

	if (x->height != y->height)
		return x->height < y->height ? -1 : 1;
	if (px != py)
		return px == *(const bool *)packed_first ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int drop_doubles(struct list *l)
{
	struct snapshot_refs *s = &l->refs;
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (n == 0 || s->v[n - 1].height != s->v[i].height) {
			s->v[n++] = s->v[i];
			continue;
		}
		if (rc == 0 && strcmp(s->v[n - 1].path, s->v[i].path) != 0)
			rc = leave_out(l, s->v[i].path, "another one has its height");
		free(s->v[i].path);
	}
	s->n = n;
	return rc;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int snapshot_refs_list(
        struct snapshot_refs *ret, const struct generate *g, struct strvec *left_out, struct err *e)
{
	struct list l = { .g = g, .left_out = left_out, .e = e };
	const char *storage = generate_storage(g->source);
	bool is_directory = strcmp(storage, "filesystem") == 0, packed_first = !is_directory;
	int rc;

	if (is_directory)
		rc = list_directory(&l);
	else
		rc = strcmp(storage, "s3") == 0 ? list_bucket(&l) : list_page(&l);
	if (rc == 0 && l.refs.n) {
		qsort_r(l.refs.v, l.refs.n, sizeof(*l.refs.v), compare, &packed_first);
		rc = drop_doubles(&l);
	}
	if (rc < 0) {
		snapshot_refs_release(&l.refs);
		return -1;
	}
	/* A directory has no order. */
	if (left_out && left_out->n)
		qsort(left_out->v, left_out->n, sizeof(*left_out->v), by_text);
	*ret = l.refs;
	return 0;
}
