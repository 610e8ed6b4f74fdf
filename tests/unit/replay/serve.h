#pragma once

/*
 * A real orchestrator on a loop, and clients of it that send bytes, all in one thread
 *
 *	serve_start(NULL);
 *	serve_ask("GET /job HTTP/1.1\r\nHost: x\r\n\r\n");     got.status, got.head, got.body
 *	serve_stop();
 *
 * The state and the manifest are in a directory of their own, so that a start after a stop finds
 * what the one before left.
 */

#include "unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "loop/loop.h"
#include "replay/orch_priv.h"

/* "2023-11-14T22:13:20" */
#define SERVE_MADE_NS (INT64_C(1700000000) * NS_PER_SEC)

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HASH_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define HASH_D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

#define SERVE_MANIFEST                                                               \
	"[{\"start_block_id\": 100, \"end_block_id\": \"200\", \"snapshot_path\": "  \
	"\"snaps/one-0000000100.bin.zst\", \"storage_type\": \"s3\", "               \
	"\"expected_integrity_hash\": \"" HASH_A "\", \"leap_version\": \"5.0.2\"}," \
	"{\"start_block_id\": 200, \"end_block_id\": 400, \"snapshot_path\": "       \
	"\"snaps/two-0000000200.bin.zst\", \"storage_type\": \"s3\", "               \
	"\"expected_integrity_hash\": \"\", \"leap_version\": \"5.0.2\"},"           \
	"{\"start_block_id\": 400, \"end_block_id\": 450, \"snapshot_path\": "       \
	"\"snaps/three-0000000400.bin.zst\", \"storage_type\": \"s3\", "             \
	"\"expected_integrity_hash\": \"\", \"leap_version\": \"5.0.2\"}]"

static struct loop serve_loop;
static struct orchestrator *serve;
static struct orchestrator_config serve_cfg;
static char serve_dir[] = "/dev/shm/test_orch.XXXXXX";
static char serve_manifest[64], serve_state[64], serve_log[64], serve_tokens[64];

static struct {
	int status;
	bool is_closed;  /* before a whole reply had come */
	char head[8192]; /* with its last empty line */
	char body[4U << 20];
	size_t n;
} got;

static inline void serve_write(const char *path, const char *text)
{
	struct err e = ERR_INIT;

	assert_int_equal(fs_write_at(AT_FDCWD, path, text, strlen(text), 0600, &e), 0);
}

static inline char *serve_read(const char *path)
{
	struct buf b = BUF_INIT(16U << 20);
	struct err e = ERR_INIT;

	assert_int_equal(fs_read_at(AT_FDCWD, path, &b, &e), 0);
	if (!b.data)
		return strdup("");
	return b.data;
}

static inline int serve_setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	(void)setenv("TZ", "UTC0", 1);
	tzset();
	(void)snprintf(serve_dir, sizeof(serve_dir), "/dev/shm/test_orch.XXXXXX");
	if (!mkdtemp(serve_dir))
		return -1;
	(void)snprintf(serve_manifest, sizeof(serve_manifest), "%s/jobs.json", serve_dir);
	(void)snprintf(serve_state, sizeof(serve_state), "%s/state", serve_dir);
	(void)snprintf(serve_log, sizeof(serve_log), "%s/log", serve_dir);
	(void)snprintf(serve_tokens, sizeof(serve_tokens), "%s/tokens", serve_dir);
	serve_write(serve_manifest, SERVE_MANIFEST);
	serve_cfg = (struct orchestrator_config){
		.manifest = serve_manifest,
		.address = "127.0.0.1",
		.log_path = serve_log,
		.no_auth = true,
		.book = { .dir = serve_state, .real_ns = SERVE_MADE_NS },
	};
	return loop_init(&serve_loop, &e);
}

static inline void serve_stop(void)
{
	orchestrator_free(TAKE(serve));
}

static inline int serve_teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	serve_stop();
	loop_release(&serve_loop);
	return fs_remove_tree_at(AT_FDCWD, serve_dir, &e);
}

static inline void serve_start(void)
{
	struct err e = ERR_INIT;

	serve = orchestrator_new(&serve_loop, &serve_cfg, &e);
	if (!serve)
		fail_msg("%s", e.msg);
}

static inline void serve_spend(int64_t ns)
{
	int64_t end = clock_mono_ns() + ns, left;
	struct err e = ERR_INIT;

	while ((left = end - clock_mono_ns()) > 0)
		assert_int_equal(loop_once(&serve_loop, (int)(left / NS_PER_MS) + 1, &e), 0);
}

static inline int serve_connect(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(orchestrator_port(serve)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* The length of the reply that data begins with, 0 while it is not whole. */
static inline size_t serve_reply_length(const char *data, size_t n, bool has_body)
{
	const char *end = memmem(data, n, "\r\n\r\n", 4), *length;
	size_t head = end ? (size_t)(end - data) + 4 : 0, body;

	if (!end)
		return 0;
	length = strcasestr(data, "\r\nContent-Length:");
	body = length && length < end && has_body ? strtoul(length + 17, NULL, 10) : 0;
	return n >= head + body ? head + body : 0;
}

static inline void serve_take(const char *data, size_t n)
{
	const char *end = strstr(data, "\r\n\r\n");
	size_t head = (size_t)(end - data) + 4;

	assert_true(head < sizeof(got.head));
	memcpy(got.head, data, head);
	got.head[head] = '\0';
	got.n = n - head;
	assert_true(got.n < sizeof(got.body));
	memcpy(got.body, data + head, got.n);
	got.body[got.n] = '\0';
	assert_int_equal(sscanf(data, "HTTP/1.%*1[01] %d", &got.status), 1);
}

/* Send all of it and wait for a reply, or for the end of the connection. */
static inline void serve_exchange(int fd, const char *request, size_t n)
{
	static char data[5U << 20];
	int64_t end = clock_mono_ns() + 60 * NS_PER_SEC;
	bool has_body = strncmp(request, "HEAD ", 5) != 0;
	size_t sent = 0, len = 0;

	got.status = 0;
	got.is_closed = false;
	got.head[0] = got.body[0] = '\0';
	for (;;) {
		ssize_t r = sent < n ? send(fd, request + sent, n - sent, MSG_NOSIGNAL) : 0;

		sent += r > 0 ? (size_t)r : 0;
		r = read(fd, data + len, sizeof(data) - 1 - len);
		if (r == 0 || (r < 0 && errno != EAGAIN)) {
			got.is_closed = true;
			return;
		}
		len += r > 0 ? (size_t)r : 0;
		data[len] = '\0';
		/* "100 Continue" is no reply yet. */
		if (str_starts(data, "HTTP/1.1 100 ", NULL) &&
		        serve_reply_length(data, len, false)) {
			size_t head = serve_reply_length(data, len, false);

			len -= head;
			memmove(data, data + head, len + 1);
		}
		if (serve_reply_length(data, len, has_body)) {
			serve_take(data, serve_reply_length(data, len, has_body));
			return;
		}
		if (clock_mono_ns() >= end)
			fail_msg("no reply to: %.300s", request);
		serve_spend(NS_PER_MS);
	}
}

/* One request on a connection of its own. */
static inline void serve_ask(const char *request)
{
	int fd = serve_connect();

	serve_exchange(fd, request, strlen(request));
	(void)close(fd);
	assert_false(got.is_closed);
}

/* headers: each with its line break. */
static inline void serve_get(const char *target, const char *headers)
{
	AUTO(free)
	char *request = str_fmt("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target, headers);

	assert_non_null(request);
	serve_ask(request);
}

#define ACCEPT_JSON "Accept: application/json\r\n"
#define ACCEPT_TEXT "Accept: text/plain; charset=utf-8\r\n"
#define ACCEPT_HTML "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"

static inline void serve_post(const char *target, const char *headers, const char *body)
{
	AUTO(free)
	char *request = str_fmt("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	                        "%sContent-Length: %zu\r\n\r\n%s",
	        target, headers, strlen(body), body);

	assert_non_null(request);
	serve_ask(request);
}

/* The value of a header of the reply, or NULL; valid until the next call. */
static inline const char *serve_header(const char *name)
{
	static char value[512];
	AUTO(free) char *line = str_fmt("\r\n%s: ", name);
	const char *at = line ? strcasestr(got.head, line) : NULL;

	if (!at)
		return NULL;
	at += strlen(line);
	(void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r\n"), at);
	return value;
}

static inline json_t *serve_json(void)
{
	struct err e = ERR_INIT;
	json_t *j = json_parse(got.body, got.n, "the reply", &e);

	if (!j)
		fail_msg("%s: %s", e.msg, got.body);
	return j;
}

/* A value of the reply, as text; "" where there is none. */
static inline const char *serve_value(const char *path)
{
	static char text[4][512];
	static unsigned at;
	AUTO(json) json_t *j = serve_json();
	const json_t *v = json_at(j, path);
	AUTO(free) char *dumped = v && !json_is_string(v) ? json_text(v, false) : NULL;
	char *out = text[at++ % 4];

	(void)snprintf(out, sizeof(text[0]), "%s",
	        dumped                      ? dumped
	                : json_is_string(v) ? json_string_value(v)
	                                    : "");
	return out;
}

static inline const struct job *serve_job(size_t i)
{
	return book_at(serve->book, i);
}

static inline void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}
