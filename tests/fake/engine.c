#include "fake/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define SCRIPT_MAX      256
#define REQUESTS_MAX    4096

struct script {
	char method[16], path[512];
	char *bytes;
	size_t n, piece;
	enum fake_end end;
	bool used;
};

struct connection {
	struct fake_engine *f;
	pthread_t thread;
	int fd;
};

struct fake_engine {
	char dir[64], host[128];
	int listen_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	struct script script[SCRIPT_MAX];
	size_t nscript;
	struct fake_request *requests[REQUESTS_MAX];
	size_t nrequests;
	struct connection connections[CONNECTIONS_MAX];
	size_t nconnections;
	fake_engine_fn *fn;
	void *arg;
	bool stopping;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	fprintf(stderr, "fake engine: %s failed\n", what);
	abort();
}

/* Cut off what does not fit. */
static void copy(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size - 1);

	memcpy(dst, src, n);
	dst[n] = '\0';
}

static const char version_reply[] = "{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\","
                                    "\"MinAPIVersion\":\"1.12\"}";

/* --- one request ------------------------------------------------------------------------ */

static bool read_all(int fd, char *p, size_t n)
{
	while (n) {
		ssize_t got = recv(fd, p, n, 0);

		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

/* A line with its end, and nothing of what comes after it. */
static bool read_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		ssize_t got = recv(fd, line + n, size - 1 - n, MSG_PEEK);
		const char *end = got > 0 ? memchr(line + n, '\n', (size_t)got) : NULL;
		size_t take = end ? (size_t)(end + 1 - line) - n : (size_t)got;

		if (got <= 0 || !read_all(fd, line + n, take))
			return false;
		n += take;
		if (end)
			break;
	}
	while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	line[n] = '\0';
	return true;
}

static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		unsigned byte;

		if (*s == '%' && sscanf(s + 1, "%2x", &byte) == 1) {
			*out++ = (char)byte;
			s += 2;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

/* "GET /v1.41/x?y HTTP/1.1" */
static bool read_request_line(int fd, struct fake_request *q)
{
	char line[4096], target[4000], *path = target, *query;

	if (!read_line(fd, line, sizeof(line)) ||
	        sscanf(line, "%15s %3999s", q->method, target) != 2)
		return false;
	query = strchr(target, '?');
	if (query) {
		*query++ = '\0';
		unescape(query);
		copy(q->query, sizeof(q->query), query);
	}
	if (strncmp(path, "/v1.", 4) == 0) {
		size_t n = strcspn(path + 1, "/");

		snprintf(q->version, sizeof(q->version), "%.*s", (int)n - 1, path + 2);
		path += 1 + n;
	}
	copy(q->path, sizeof(q->path), path);
	return true;
}

static bool read_body(int fd, struct fake_request *q, size_t length, bool chunked)
{
	char line[64];

	while (chunked) {
		size_t n;

		if (!read_line(fd, line, sizeof(line)))
			return false;
		n = strtoul(line, NULL, 16);
		q->body = realloc(q->body, q->len + n + 1);
		must(q->body != NULL, "realloc");
		if (!read_all(fd, q->body + q->len, n) || !read_line(fd, line, sizeof(line)))
			return false;
		q->len += n;
		if (!n)
			break;
	}
	if (!chunked) {
		q->body = malloc(length + 1);
		must(q->body != NULL, "malloc");
		q->len = length;
		if (!read_all(fd, q->body, length))
			return false;
	}
	q->body[q->len] = '\0';
	return true;
}

static bool read_rest(int fd, struct fake_request *q)
{
	size_t length = 0;
	bool chunked = false;
	char line[4096];

	while (read_line(fd, line, sizeof(line))) {
		if (!*line)
			return read_body(fd, q, length, chunked);
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			length = strtoul(line + 15, NULL, 10);
		else if (strncasecmp(line, "Transfer-Encoding: chunked", 26) == 0)
			chunked = true;
		else if (strncasecmp(line, "Content-Type: ", 14) == 0)
			copy(q->content_type, sizeof(q->content_type), line + 14);
	}
	return false;
}

/* --- one reply ---------------------------------------------------------------------------- */

static char *with_header(int status, const void *body, size_t n, size_t *ret_n)
{
	char header[128];
	int len = snprintf(header, sizeof(header),
	        "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nApi-Version: 1.41\r\n\r\n", status, n);
	char *bytes = malloc((size_t)len + n + 1);

	must(bytes != NULL, "malloc");
	memcpy(bytes, header, (size_t)len);
	if (n)
		memcpy(bytes + len, body, n);
	*ret_n = (size_t)len + n;
	return bytes;
}

static bool send_all(int fd, const char *p, size_t n, size_t piece)
{
	while (n) {
		size_t take = piece && piece < n ? piece : n;
		ssize_t sent = send(fd, p, take, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
		if (piece)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return true;
}

/* The next scripted reply, copied; the last one of a path stays. */
static bool from_script(struct fake_engine *f, const struct fake_request *q, struct script *ret)
{
	struct script *found = NULL;

	for (size_t i = 0; i < f->nscript; i++) {
		struct script *s = &f->script[i];

		if (strcmp(s->method, q->method) != 0 || strcmp(s->path, q->path) != 0)
			continue;
		found = s;
		if (!s->used)
			break;
	}
	if (!found)
		return false;
	found->used = true;
	*ret = *found;
	ret->bytes = malloc(found->n + 1);
	must(ret->bytes != NULL, "malloc");
	if (found->n)
		memcpy(ret->bytes, found->bytes, found->n);
	return true;
}

static struct script choose(struct fake_engine *f, const struct fake_request *q)
{
	static const char not_found[] = "{\"message\":\"page not found\"}";
	struct script s = { .end = FAKE_KEEP };
	int status = 200;
	char *body = f->fn ? f->fn(f->arg, q, &status) : NULL;

	if (status == 0) {
		s.end = FAKE_CLOSE;
		s.bytes = calloc(1, 1);
	} else if (body)
		s.bytes = with_header(status, body, strlen(body), &s.n);
	else if (from_script(f, q, &s))
		return s;
	else if (strcmp(q->path, "/version") == 0)
		s.bytes = with_header(200, version_reply, strlen(version_reply), &s.n);
	else
		s.bytes = with_header(404, not_found, strlen(not_found), &s.n);
	free(body);
	return s;
}

static bool is_reset(struct fake_engine *f, const struct fake_request *q)
{
	for (size_t i = 0; i < f->nscript; i++)
		if (f->script[i].end == FAKE_RESET && strcmp(f->script[i].method, q->method) == 0 &&
		        strcmp(f->script[i].path, q->path) == 0)
			return true;
	return false;
}

static void free_request(struct fake_request *q)
{
	free(q->body);
	free(q);
}

static void record(struct fake_engine *f, struct fake_request *q)
{
	must(f->nrequests < REQUESTS_MAX, "record");
	f->requests[f->nrequests++] = q;
}

static bool serve_one(struct fake_engine *f, int fd)
{
	struct fake_request *q = calloc(1, sizeof(*q));
	struct script s;
	bool reset, ok;
	char c;

	must(q != NULL, "calloc");
	ok = read_request_line(fd, q);
	pthread_mutex_lock(&f->lock);
	reset = ok && is_reset(f, q);
	pthread_mutex_unlock(&f->lock);
	if (!ok || reset || !read_rest(fd, q)) {
		free_request(q);
		return false;
	}
	pthread_mutex_lock(&f->lock);
	s = choose(f, q);
	if (strcmp(q->path, "/version") == 0 && !*q->version)
		free_request(q);
	else
		record(f, q);
	pthread_mutex_unlock(&f->lock);
	ok = send_all(fd, s.bytes, s.n, s.piece);
	free(s.bytes);
	if (ok && s.end == FAKE_HANG)
		(void)recv(fd, &c, 1, 0);
	return ok && s.end == FAKE_KEEP;
}

static void *serve(void *arg)
{
	struct connection *c = arg;

	while (serve_one(c->f, c->fd))
		;
	pthread_mutex_lock(&c->f->lock);
	close(c->fd);
	c->fd = -1;
	pthread_mutex_unlock(&c->f->lock);
	return NULL;
}

/* --- life ----------------------------------------------------------------------------------- */

static void *accept_all(void *arg)
{
	struct fake_engine *f = arg;

	for (;;) {
		int fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		struct connection *c;

		pthread_mutex_lock(&f->lock);
		if (fd < 0 || f->stopping) {
			pthread_mutex_unlock(&f->lock);
			if (fd >= 0)
				close(fd);
			return NULL;
		}
		must(f->nconnections < CONNECTIONS_MAX, "connections");
		c = &f->connections[f->nconnections++];
		*c = (struct connection){ .f = f, .fd = fd };
		must(pthread_create(&c->thread, NULL, serve, c) == 0, "pthread_create");
		pthread_mutex_unlock(&f->lock);
	}
}

struct fake_engine *fake_engine_start(void)
{
	struct fake_engine *f = calloc(1, sizeof(*f));
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	must(f != NULL, "calloc");
	snprintf(f->dir, sizeof(f->dir), "/tmp/fake-engine-XXXXXX");
	must(mkdtemp(f->dir) != NULL, "mkdtemp");
	snprintf(f->host, sizeof(f->host), "unix://%s/engine.sock", f->dir);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/engine.sock", f->dir);
	pthread_mutex_init(&f->lock, NULL);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(f->listen_fd >= 0, "socket");
	must(bind(f->listen_fd, (struct sockaddr *)&sa, sizeof(sa)) == 0, "bind");
	must(listen(f->listen_fd, 16) == 0, "listen");
	must(pthread_create(&f->thread, NULL, accept_all, f) == 0, "pthread_create");
	return f;
}

void fake_engine_stop(struct fake_engine *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stopping = true;
	shutdown(f->listen_fd, SHUT_RDWR);
	for (size_t i = 0; i < f->nconnections; i++)
		if (f->connections[i].fd >= 0)
			shutdown(f->connections[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	for (size_t i = 0; i < f->nconnections; i++)
		pthread_join(f->connections[i].thread, NULL);
	close(f->listen_fd);
	unlink(fake_engine_socket(f));
	rmdir(f->dir);
	fake_engine_clear(f);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void fake_engine_clear(struct fake_engine *f)
{
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->nscript; i++)
		free(f->script[i].bytes);
	for (size_t i = 0; i < f->nrequests; i++)
		free_request(f->requests[i]);
	f->nscript = f->nrequests = 0;
	f->fn = NULL;
	pthread_mutex_unlock(&f->lock);
}

const char *fake_engine_host(const struct fake_engine *f)
{
	return f->host;
}

const char *fake_engine_socket(const struct fake_engine *f)
{
	return f->host + strlen("unix://");
}

/* --- the script ------------------------------------------------------------------------------- */

static void add_script(struct fake_engine *f, const char *method, const char *path,
        char *bytes_take, size_t n, size_t piece, enum fake_end end)
{
	struct script s = { .bytes = bytes_take, .n = n, .piece = piece, .end = end };

	copy(s.method, sizeof(s.method), method);
	copy(s.path, sizeof(s.path), path);
	pthread_mutex_lock(&f->lock);
	must(f->nscript < SCRIPT_MAX, "script");
	f->script[f->nscript++] = s;
	pthread_mutex_unlock(&f->lock);
}

void fake_engine_reply_bytes(struct fake_engine *f, const char *method, const char *path,
        int status, const void *body, size_t n)
{
	size_t len;
	char *bytes = with_header(status, body, n, &len);

	add_script(f, method, path, bytes, len, 0, FAKE_KEEP);
}

void fake_engine_reply(
        struct fake_engine *f, const char *method, const char *path, int status, const char *body)
{
	fake_engine_reply_bytes(f, method, path, status, body, body ? strlen(body) : 0);
}

void fake_engine_raw(struct fake_engine *f, const char *method, const char *path, const void *bytes,
        size_t n, size_t piece, enum fake_end end)
{
	char *copy = malloc(n + 1);

	must(copy != NULL, "malloc");
	if (n)
		memcpy(copy, bytes, n);
	add_script(f, method, path, copy, n, piece, end);
}

void fake_engine_handler(struct fake_engine *f, fake_engine_fn *fn, void *arg)
{
	pthread_mutex_lock(&f->lock);
	f->fn = fn;
	f->arg = arg;
	pthread_mutex_unlock(&f->lock);
}

/* --- the record ------------------------------------------------------------------------------- */

size_t fake_engine_count(struct fake_engine *f)
{
	size_t n;

	pthread_mutex_lock(&f->lock);
	n = f->nrequests;
	pthread_mutex_unlock(&f->lock);
	return n;
}

const struct fake_request *fake_engine_request(struct fake_engine *f, size_t i)
{
	const struct fake_request *q;

	pthread_mutex_lock(&f->lock);
	must(i < f->nrequests, "fake_engine_request: there was no such request");
	q = f->requests[i];
	pthread_mutex_unlock(&f->lock);
	return q;
}

const struct fake_request *fake_engine_last(struct fake_engine *f)
{
	return fake_engine_request(f, fake_engine_count(f) - 1);
}

bool fake_engine_was_asked(struct fake_engine *f, const char *method, const char *path)
{
	size_t n = fake_engine_count(f);

	for (size_t i = 0; i < n; i++) {
		const struct fake_request *q = fake_engine_request(f, i);

		if (strcmp(q->method, method) == 0 && strcmp(q->path, path) == 0)
			return true;
	}
	return false;
}
