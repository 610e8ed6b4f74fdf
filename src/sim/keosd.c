#include "sim/keosd.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"

#define CLIENT    "http_client.cpp"
#define REPLY_MAX 65536
#define HOST_MAX  256
/* A refused connection costs nodeos more than an answer: 138 a second were recorded, not 1000. */
#define REFUSED_NS 1300000

/* How a part of an attempt ended; nodeos prints boost's words for it. */
enum outcome { DONE, END_OF_STREAM, TIMED_OUT, BAD_REPLY, SYSTEM };

struct keosd {
	char *url, *public_key;
	char protocol[16];
	char host[HOST_MAX], port[8], *path; /* of a unix URL all of it is in path */
	int64_t timeout_ns;
	int64_t deadline_ns; /* wall clock, of the attempt in hand */
	int fd;
	int error; /* errno of SYSTEM */
};

/* --- the exceptions --------------------------------------------------------------------------- */

static const char *reason(const struct keosd *k, enum outcome how)
{
	switch (how) {
	case END_OF_STREAM:
		return "end of stream";
	case TIMED_OUT:
		return "Connection timed out";
	case BAD_REPLY:
		return "bad version";
	case SYSTEM:
		return strerror(k->error);
	case DONE:
		break;
	}
	return "Success";
}

static int fail_assert(
        struct fail *f, const struct keosd *k, enum outcome how, const char *what, unsigned line)
{
	char data[160], place[64];

	snprintf(data, sizeof(data), "{\"message\":\"%s\"}", reason(k, how));
	snprintf(place, sizeof(place), CLIENT ":%u %s", line,
	        line < 160           ? "create_unix_connection"
	                : line < 180 ? "create_raw_connection"
	                             : "post_sync");
	return fail_fc(f, 10, "assert_exception", "Assert Exception", place, data, "!ec: %s: %s",
	        what, reason(k, how));
}

static int fail_unspecified(
        struct fail *f, const char *place, const char *data, const char *text, const char *arg)
{
	return fail_fc(f, 0, "exception", "unspecified", place, data, "%s%s", text, arg);
}

/* --- the address ------------------------------------------------------------------------------ */

static int parse_url(struct keosd *k, const char *url)
{
	const char *sep = strstr(url, "://"), *rest, *slash, *colon;
	int n = sep ? (int)(sep - url) : -1;

	if (n <= 0 || n >= (int)sizeof(k->protocol)) {
		/* "unix:/abs" and the like: known only as a path that is none. */
		snprintf(k->protocol, sizeof(k->protocol), "%s",
		        str_starts(url, "unix:", NULL) ? "unix" : "");
		rest = strrchr(url, '/');
		k->path = strdup(rest ? rest + 1 : url);
		return k->path ? 0 : -1;
	}
	snprintf(k->protocol, sizeof(k->protocol), "%.*s", n, url);
	rest = sep + 3;
	if (strcmp(k->protocol, "unix") == 0) {
		k->path = strdup(rest);
		return k->path ? 0 : -1;
	}
	slash = strchrnul(rest, '/');
	colon = memchr(rest, ':', (size_t)(slash - rest));
	snprintf(k->host, sizeof(k->host), "%.*s", (int)((colon ? colon : slash) - rest), rest);
	snprintf(k->port, sizeof(k->port), "%.*s", colon ? (int)(slash - colon - 1) : 2,
	        colon ? colon + 1 : "80");
	k->path = strdup(*slash ? slash : "/");
	return k->path ? 0 : -1;
}

struct keosd *keosd_new(const char *url, const char *public_key, int64_t timeout_ms)
{
	AUTO(keosd_free) struct keosd *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->fd = -1;
	k->timeout_ns = timeout_ms < 0 ? -1 : timeout_ms * NS_PER_MS;
	k->url = strdup(url);
	k->public_key = strdup(public_key);
	if (!k->url || !k->public_key || parse_url(k, url) < 0)
		return NULL;
	return TAKE(k);
}

static void hang_up(struct keosd *k)
{
	if (k->fd >= 0)
		(void)close(k->fd);
	k->fd = -1;
}

void keosd_free(struct keosd *k)
{
	if (!k)
		return;
	hang_up(k);
	free(k->url);
	free(k->public_key);
	free(k->path);
	free(k);
}

/* --- connecting ------------------------------------------------------------------------------- */

static bool is_late(const struct keosd *k)
{
	return k->timeout_ns >= 0 && clock_real_ns() >= k->deadline_ns;
}

/* As long as the kernel likes: that is minutes when the other side's backlog is full. */
static enum outcome connect_to(struct keosd *k, const struct sockaddr *a, socklen_t n)
{
	struct pollfd p = { .events = POLLOUT };
	socklen_t len = sizeof(k->error);
	int one = 1;

	k->fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (k->fd < 0 || (connect(k->fd, a, n) < 0 && errno != EINTR)) {
		k->error = errno;
		return SYSTEM;
	}
	p.fd = k->fd;
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	if (getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &k->error, &len) < 0)
		k->error = errno;
	if (a->sa_family == AF_INET)
		(void)setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return k->error ? SYSTEM : DONE;
}

static int connect_tcp(struct keosd *k, struct fail *f)
{
	struct addrinfo hint = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;
	enum outcome how;

	if (getaddrinfo(k->host, k->port, &hint, &found) != 0) {
		k->error = ENOENT;
		return fail_assert(f, k, SYSTEM, "Failed to connect", 167);
	}
	how = connect_to(k, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	if (how == SYSTEM)
		(void)nanosleep(&(struct timespec){ .tv_nsec = REFUSED_NS }, NULL);
	/* The timer only cancels the resolver, and yet its running out is what counts. */
	if (is_late(k))
		how = TIMED_OUT;
	return how == DONE ? 0 : fail_assert(f, k, how, "Failed to connect", 167);
}

/* The longest beginning of the path that is a socket; the rest is what is asked for there. */
static char *find_socket(const char *path)
{
	char *copy = strdup(path);
	struct stat st;

	while (copy && *copy && !(stat(copy, &st) == 0 && S_ISSOCK(st.st_mode)))
		*strrchr(copy, '/') = '\0';
	return copy;
}

static int connect_unix(struct keosd *k, const char *path, struct fail *f)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(a.sun_path)) {
		k->error = ENAMETOOLONG;
		return fail_assert(f, k, SYSTEM, "Failed to connect", 153);
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	return connect_to(k, (const struct sockaddr *)&a, sizeof(a)) == DONE
	        ? 0
	        : fail_assert(f, k, SYSTEM, "Failed to connect", 153);
}

/* --- one request ------------------------------------------------------------------------------ */

/* Until the descriptor is ready.  What is ready is taken, however late it is. */
static enum outcome wait_for(struct keosd *k, short events)
{
	struct pollfd p = { .fd = k->fd, .events = events };

	for (;;) {
		int64_t left = k->timeout_ns < 0 ? -1 : k->deadline_ns - clock_real_ns();
		struct timespec ts = { left / NS_PER_SEC, left % NS_PER_SEC };
		int n;

		if (k->timeout_ns >= 0 && left < 0)
			ts = (struct timespec){ 0 };
		n = ppoll(&p, 1, k->timeout_ns < 0 ? NULL : &ts, NULL);
		if (n > 0)
			return DONE;
		if (n == 0 && is_late(k))
			return TIMED_OUT;
		if (n < 0 && errno != EINTR) {
			k->error = errno;
			return SYSTEM;
		}
	}
}

static enum outcome send_all(struct keosd *k, const char *p, size_t n)
{
	while (n) {
		ssize_t done = send(k->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (done < 0 && (errno == EAGAIN || errno == EINTR)) {
			enum outcome how = wait_for(k, POLLOUT);

			if (how != DONE)
				return how;
			continue;
		}
		if (done < 0) {
			k->error = errno;
			return SYSTEM;
		}
		p += done;
		n -= (size_t)done;
	}
	return DONE;
}

struct reply {
	unsigned status;
	bool closes, has_length, to_the_end;
	size_t head, length;
	const char *body;
};

/* The value of a header field of the head that ends at end, or NULL. */
static const char *field(const char *head, const char *end, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = strstr(head, "\r\n"); p && p < end; p = strstr(p + 2, "\r\n"))
		if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':')
			return p + 2 + n + 1 + strspn(p + 2 + n + 1, " \t");
	return NULL;
}

/* Whether in holds a whole head; its form is boost's business, so little is asked of it. */
static enum outcome parse_head(struct reply *r, const struct buf *in, bool *complete)
{
	const char *end = in->len ? strstr(in->data, "\r\n\r\n") : NULL, *v;
	unsigned minor;

	*complete = end != NULL;
	if (!end)
		return in->len > 8 && !str_starts(in->data, "HTTP/1.", NULL) ? BAD_REPLY : DONE;
	if (sscanf(in->data, "HTTP/1.%1u %3u", &minor, &r->status) != 2)
		return BAD_REPLY;
	r->head = (size_t)(end - in->data) + 4;
	v = field(in->data, end, "Connection");
	r->closes = minor == 0 ? !v || strncasecmp(v, "keep-alive", 10) != 0
	                       : v && strncasecmp(v, "close", 5) == 0;
	v = field(in->data, end, "Content-Length");
	r->has_length = v != NULL;
	r->length = v ? strtoul(v, NULL, 10) : 0;
	r->to_the_end = !v && r->status != 204 && r->status != 304;
	if (field(in->data, end, "Transfer-Encoding"))
		return BAD_REPLY; /* no gate of ours or of theirs does that */
	return r->length > REPLY_MAX ? BAD_REPLY : DONE;
}

static enum outcome receive(struct keosd *k, struct buf *in, struct reply *r)
{
	bool complete = false, ended = false;

	for (;;) {
		char p[4096];
		enum outcome how = parse_head(r, in, &complete);
		ssize_t n;

		if (how != DONE)
			return how;
		if (complete && (ended || !r->to_the_end) && in->len >= r->head + r->length)
			return DONE;
		if (ended)
			return END_OF_STREAM;
		how = wait_for(k, POLLIN);
		if (how != DONE)
			return how;
		n = recv(k->fd, p, sizeof(p), MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			k->error = errno;
			return SYSTEM;
		}
		ended = n == 0;
		if (n > 0 && buf_add(in, p, (size_t)n) < 0)
			return BAD_REPLY;
	}
}

/* --- what the reply says ---------------------------------------------------------------------- */

/* An error as nodeos and keosd send it is thrown again as if it were our own. */
static int fail_500(struct fail *f, const json_t *j)
{
	const json_t *e = json_object_get(j, "error"), *item;
	const json_t *code = json_object_get(e, "code");
	const char *name = json_string_value(json_object_get(e, "name"));
	const char *what = json_string_value(json_object_get(e, "what"));
	const char *text;
	char line[1024];
	size_t i;

	if (!json_is_integer(code) || !name || !what)
		return fail_unspecified(f, CLIENT ":326 post_sync", "{}",
		        "Request failed with 500 response, but response was not parseable", "");
	f->kind = FAIL_FC;
	f->status = EXIT_OTHER_FAIL;
	snprintf(
	        line, sizeof(line), "%lld %s: %s", (long long)json_integer_value(code), name, what);
	str_printable(line);
	snprintf(f->text, sizeof(f->text), "%s\n", line);
	json_array_foreach(json_object_get(e, "details"), i, item)
	{
		text = json_string_value(json_object_get(item, "message"));
		if (!text)
			break;
		snprintf(line, sizeof(line), "%s", text);
		str_printable(line);
		fail_frame(f, line, "{}", CLIENT ":316 post_sync");
	}
	return -1;
}

/* fc::variant::as_string() of the body: what is no JSON is nothing. */
static int take_text(char ret[KEOSD_TEXT], const json_t *j, struct fail *f)
{
	if (json_is_object(j) || json_is_array(j)) {
		const char *type = json_is_object(j) ? "object_type" : "array_type";
		char data[64];

		snprintf(data, sizeof(data), "{\"type\":\"%s\"}", type);
		return fail_fc(f, 7, "bad_cast_exception", "Bad Cast", "variant.cpp:490 as_string",
		        data, "Invalid cast from %s to string", type);
	}
	if (json_is_string(j))
		snprintf(ret, KEOSD_TEXT, "%s", json_string_value(j));
	else if (json_is_integer(j))
		snprintf(ret, KEOSD_TEXT, "%lld", (long long)json_integer_value(j));
	else if (json_is_boolean(j))
		snprintf(ret, KEOSD_TEXT, "%s", json_is_true(j) ? "true" : "false");
	else
		ret[0] = '\0';
	str_printable(ret);
	return 0;
}

static int judge(const struct keosd *k, const struct reply *r, const struct buf *in,
        char ret[KEOSD_TEXT], struct fail *f)
{
	size_t n = r->to_the_end ? in->len - r->head : r->length;
	AUTO(json)
	json_t *j = json_loadb(in->data + r->head, n,
	        JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL);
	char data[512];

	if (r->status == 500)
		return fail_500(f, j);
	if (r->status == 404) {
		snprintf(data, sizeof(data), "{\"url\":\"%.400s\"}", k->url);
		return fail_unspecified(
		        f, CLIENT ":329 post_sync", data, "URL not found: ", k->url);
	}
	return take_text(ret, j, f);
}

/* --- all of it -------------------------------------------------------------------------------- */

static int exchange(struct keosd *k, const char *host, const char *path,
        const unsigned char digest[KEOSD_DIGEST], char ret[KEOSD_TEXT], struct fail *f)
{
	AUTO(buf) struct buf out = BUF_INIT(REPLY_MAX), in = BUF_INIT(2 * REPLY_MAX);
	char hex[2 * KEOSD_DIGEST + 1], body[256];
	struct reply r = { 0 };
	enum outcome how;

	hex_encode(hex, digest, KEOSD_DIGEST);
	snprintf(body, sizeof(body), "[\"%s\",\"%s\"]", hex, k->public_key);
	if (buf_add_fmt(&out,
	            "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Boost.Beast/300\r\n"
	            "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	            path, host, strlen(body), body) < 0)
		return fail_std(
		        f, "St9bad_alloc", "http_client.cpp:255 post_sync", "std::bad_alloc");
	how = send_all(k, out.data, out.len);
	if (how != DONE) {
		hang_up(k);
		return fail_assert(f, k, how, "Failed to send request", 285);
	}
	how = receive(k, &in, &r);
	if (how != DONE) {
		hang_up(k);
		return fail_assert(f, k, how, "Failed to read response", 295);
	}
	if (r.closes || r.to_the_end)
		hang_up(k);
	return judge(k, &r, &in, ret, f);
}

static int ask_unix(struct keosd *k, char ret[KEOSD_TEXT], const unsigned char digest[KEOSD_DIGEST],
        struct fail *f)
{
	AUTO(free) char *file = NULL, *data = str_fmt("{\"url\":\"%s\"}", k->path);

	if (k->path[0] != '/')
		return fail_fc(f, 4, "parse_error_exception", "Parse Error",
		        CLIENT ":354 get_unix_url", data ? data : "{}",
		        "socket url cannot be relative (%s)", k->path);
	file = find_socket(k->path);
	if (!file || !*file)
		return fail_fc(f, 4, "parse_error_exception", "Parse Error",
		        CLIENT ":365 get_unix_url", "{}", "couldn't discover socket path");
	if (k->fd < 0 && connect_unix(k, file, f) < 0) {
		hang_up(k);
		return -1;
	}
	return exchange(
	        k, file, k->path[strlen(file)] ? k->path + strlen(file) : "/", digest, ret, f);
}

/* nodeos writes its JSON under the deadline too, and has none left when the timeout is 0. */
static int fail_deadline(const struct keosd *k, struct fail *f)
{
	int64_t late_us = (clock_real_ns() - k->deadline_ns) / 1000 + 1;
	char when[CLOCK_TEXT_MAX], text[96], data[96];

	clock_text(when, k->deadline_ns);
	snprintf(text, sizeof(text), "deadline %.23s exceeded by %" PRId64 "us ", when, late_us);
	snprintf(data, sizeof(data), "{\"d\":\"%.23s\",\"t\":%" PRId64 "}", when, late_us);
	return fail_fc(f, 2, "timeout_exception", text, "json.hpp:62 operator()", data, "%s", text);
}

int keosd_ask(struct keosd *k, char ret[KEOSD_TEXT], const unsigned char digest[KEOSD_DIGEST],
        struct fail *f)
{
	char data[64], host[HOST_MAX + 16];

	k->deadline_ns = clock_real_ns() + k->timeout_ns;
	if (k->timeout_ns == 0)
		return fail_deadline(k, f);
	if (strcmp(k->protocol, "unix") == 0)
		return ask_unix(k, ret, digest, f);
	if (strcmp(k->protocol, "http") != 0) {
		snprintf(data, sizeof(data), "{\"proto\":\"%s\"}", k->protocol);
		return fail_unspecified(
		        f, CLIENT ":182 create_connection", data, "Unknown protocol ", k->protocol);
	}
	if (k->fd < 0 && connect_tcp(k, f) < 0) {
		hang_up(k);
		return -1;
	}
	snprintf(host, sizeof(host), "%s%s%s", k->host, strcmp(k->port, "80") ? ":" : "",
	        strcmp(k->port, "80") ? k->port : "");
	return exchange(k, host, k->path, digest, ret, f);
}
