#include "fake/s3.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/str.h"

#define TEXT_MAX (1024 * 1024)

struct asked {
	char method[16], path[6144], query[6144];
	const char *head, *body;
	size_t body_len;
};

/* --- objects ---------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	return strcmp(
	        ((const struct fake_s3_object *)a)->key, ((const struct fake_s3_object *)b)->key);
}

const struct fake_s3_object *fake_s3_find(const struct fake_s3 *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->objects[i].key, key) == 0)
			return &s->objects[i];
	return NULL;
}

void fake_s3_put(struct fake_s3 *s, const char *key, const void *data, size_t n)
{
	struct fake_s3_object *o = (struct fake_s3_object *)(uintptr_t)fake_s3_find(s, key);

	if (!o && s->n == FAKE_S3_OBJECTS)
		abort();
	if (!o)
		s->objects[s->n++] = (struct fake_s3_object){ .key = strdup(key) };
	o = o ? o : &s->objects[s->n - 1];
	free(o->data);
	o->data = malloc(n + 1);
	if (!o->key || !o->data)
		abort();
	memcpy(o->data, data, n);
	o->n = n;
	qsort(s->objects, s->n, sizeof(s->objects[0]), by_key);
}

/* --- signature -------------------------------------------------------------------------------- */

/* The value of a header, its blanks cut off. */
static int header(const char *head, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	for (const char *l = strstr(head, "\r\n"); l && strncmp(l, "\r\n\r\n", 4) != 0;
	        l = strstr(l + 2, "\r\n")) {
		if (strncasecmp(l + 2, name, n) != 0 || l[2 + n] != ':')
			continue;
		l += 3 + n;
		while (*l == ' ')
			l++;
		(void)snprintf(out, size, "%.*s", (int)strcspn(l, "\r"), l);
		return 0;
	}
	out[0] = '\0';
	return -1;
}

/* The text between two others, or "". */
static void between(char *out, size_t size, const char *s, const char *from, const char *to)
{
	const char *a = strstr(s, from);

	out[0] = '\0';
	if (!a)
		return;
	a += strlen(from);
	(void)snprintf(out, size, "%.*s", (int)(*to ? strcspn(a, to) : strlen(a)), a);
}

static void mac(unsigned char out[SHA256_LEN], const void *key, size_t n, const char *text)
{
	unsigned len = SHA256_LEN;

	if (!HMAC(EVP_sha256(), key, (int)n, (const unsigned char *)text, strlen(text), out, &len))
		abort();
}

static int add_signed_headers(
        struct buf *out, const struct asked *a, const char *names, struct fake_s3 *s)
{
	char copy[1024], value[1024], *save = NULL, *last = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", names);
	for (char *w = strtok_r(copy, ";", &save); w; w = strtok_r(NULL, ";", &save)) {
		if (last && strcmp(last, w) >= 0)
			return snprintf(s->why, sizeof(s->why), "signed headers are not sorted");
		if (header(a->head, w, value, sizeof(value)) < 0)
			return snprintf(
			        s->why, sizeof(s->why), "signed header '%s' was not sent", w);
		if (buf_add_fmt(out, "%s:%s\n", w, value) < 0)
			abort();
		last = w;
	}
	return 0;
}

static int check_payload(struct fake_s3 *s, const struct asked *a, const char *said)
{
	char hash[SHA256_HEX_SIZE];

	if (strcmp(said, "UNSIGNED-PAYLOAD") == 0)
		return 0;
	if (strcmp(said, sha256_hex(hash, a->body, a->body_len)) != 0)
		return snprintf(s->why, sizeof(s->why), "x-amz-content-sha256 is '%s'", said);
	return 0;
}

static void make_signature(
        char out[2 * SHA256_LEN + 1], const struct fake_s3 *s, const char *date, const char *text)
{
	unsigned char k[SHA256_LEN], sum[SHA256_LEN];
	char first[256];

	(void)snprintf(first, sizeof(first), "AWS4%s", s->secret);
	mac(k, first, strlen(first), date);
	memcpy(sum, k, sizeof(k));
	mac(k, sum, sizeof(sum), s->region);
	memcpy(sum, k, sizeof(k));
	mac(k, sum, sizeof(sum), "s3");
	memcpy(sum, k, sizeof(k));
	mac(k, sum, sizeof(sum), "aws4_request");
	mac(sum, k, sizeof(k), text);
	hex_encode(out, sum, sizeof(sum));
}

/* 0 if the request is signed as it should be. */
static int check_signature(struct fake_s3 *s, const struct asked *a)
{
	char auth[2048], names[1024], signature[128], time[32], payload[128], scope[256];
	char wanted[2 * SHA256_LEN + 1], hash[SHA256_HEX_SIZE], text[1024], date[9];
	struct buf canon = BUF_INIT(65536);
	int rc;

	if (header(a->head, "authorization", auth, sizeof(auth)) < 0)
		return snprintf(s->why, sizeof(s->why), "no Authorization");
	between(names, sizeof(names), auth, "SignedHeaders=", ",");
	between(signature, sizeof(signature), auth, "Signature=", ", ");
	header(a->head, "x-amz-date", time, sizeof(time));
	if (header(a->head, "x-amz-content-sha256", payload, sizeof(payload)) < 0)
		return snprintf(s->why, sizeof(s->why), "no x-amz-content-sha256");
	if (!strstr(names, "host;x-amz-content-sha256;x-amz-date"))
		return snprintf(s->why, sizeof(s->why), "signed headers '%.100s'", names);
	(void)snprintf(date, sizeof(date), "%.8s", time);
	(void)snprintf(scope, sizeof(scope), "%s/%s/s3/aws4_request", date, s->region);
	(void)snprintf(text, sizeof(text), "AWS4-HMAC-SHA256 Credential=%s/%s, ", s->key_id, scope);
	if (!str_starts(auth, text, NULL))
		return snprintf(s->why, sizeof(s->why), "Authorization '%.150s'", auth);
	if (check_payload(s, a, payload))
		return 1;
	if (buf_add_fmt(&canon, "%s\n%s\n%s\n", a->method, a->path, a->query) < 0)
		abort();
	rc = add_signed_headers(&canon, a, names, s);
	if (rc == 0) {
		if (buf_add_fmt(&canon, "\n%s\n%s", names, payload) < 0)
			abort();
		(void)snprintf(text, sizeof(text), "AWS4-HMAC-SHA256\n%s\n%s\n%s", time, scope,
		        sha256_hex(hash, canon.data, canon.len));
		make_signature(wanted, s, date, text);
		if (strcmp(wanted, signature) != 0)
			rc = snprintf(s->why, sizeof(s->why), "SignatureDoesNotMatch: %.200s",
			        canon.data);
	}
	buf_release(&canon);
	return rc;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		unsigned c = (unsigned char)*s;

		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			char digits[3] = { s[1], s[2], '\0' };

			c = (unsigned)strtoul(digits, NULL, 16);
			s += 2;
		}
		*out++ = (char)c;
	}
	*out = '\0';
}

static void answer(
        int fd, const char *status, const char *more, const void *body, size_t n, int with_body)
{
	char head[512];

	(void)snprintf(head, sizeof(head),
	        "HTTP/1.1 %s\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n", status, more,
	        n);
	raw_say(fd, head);
	while (with_body && n) {
		char piece[1025];
		size_t len = n < 1024 ? n : 1024;

		/* raw_say() wants text; objects of tests have no NUL. */
		memcpy(piece, body, len);
		piece[len] = '\0';
		raw_say(fd, piece);
		body = (const char *)body + len;
		n -= len;
	}
}

static void fail(int fd, const char *status, const char *code, int with_body)
{
	char body[256];

	(void)snprintf(body, sizeof(body),
	        "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>it is &quot;%s&quot;"
	        "</Message></Error>",
	        code, code);
	answer(fd, status, "Content-Type: application/xml\r\n", body, strlen(body), with_body);
}

static void add_key(struct buf *b, const char *key)
{
	for (; *key; key++)
		if ((*key == '&' || *key == '<' ? buf_add_fmt(b, "&#%d;", *key)
		                                : buf_add(b, key, 1)) < 0)
			abort();
}

static void answer_list(struct fake_s3 *s, int fd, const struct asked *a)
{
	char prefix[1024], token[256];
	struct buf b = BUF_INIT(TEXT_MAX);
	size_t from, i, n = 0;

	s->lists++;
	between(prefix, sizeof(prefix), a->query, "prefix=", "&");
	between(token, sizeof(token), a->query, "continuation-token=", "&");
	unescape(prefix);
	unescape(token);
	from = str_starts(token, "t+/=&", NULL) ? strtoul(token + 5, NULL, 10) : 0;
	if (buf_add_str(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>") < 0)
		abort();
	for (i = from; i < s->n && n < s->page; i++) {
		if (!str_starts(s->objects[i].key, prefix, NULL))
			continue;
		n++;
		if (buf_add_str(&b, "<Contents><Key>") < 0)
			abort();
		add_key(&b, s->objects[i].key);
		if (buf_add_fmt(&b, "</Key><ETag>&quot;0&quot;</ETag><Size>%zu</Size></Contents>",
		            s->objects[i].n) < 0)
			abort();
	}
	if (buf_add_fmt(&b, "<IsTruncated>%s</IsTruncated>", i < s->n ? "true" : "false") < 0 ||
	        (i < s->n &&
	                buf_add_fmt(&b,
	                        "<NextContinuationToken>t+/=&amp;%zu</NextContinuationToken>",
	                        i) < 0) ||
	        buf_add_str(&b, "</ListBucketResult>") < 0)
		abort();
	answer(fd, "200 OK", "Content-Type: application/xml\r\n", b.data, b.len, 1);
	buf_release(&b);
}

static void answer_object(struct fake_s3 *s, int fd, const struct asked *a, const char *key)
{
	int is_head = strcmp(a->method, "HEAD") == 0;
	const struct fake_s3_object *o = fake_s3_find(s, key);
	char range[64];
	size_t from = 0;

	if (is_head)
		s->heads++;
	else
		s->gets++;
	if (!o)
		return fail(fd, "404 Not Found", "NoSuchKey", !is_head);
	if (header(a->head, "range", range, sizeof(range)) == 0)
		from = strtoul(range + strlen("bytes="), NULL, 10);
	if (from && from >= o->n)
		return fail(fd, "416 Range Not Satisfiable", "InvalidRange", !is_head);
	answer(fd, from ? "206 Partial Content" : "200 OK", "", o->data + from, o->n - from,
	        !is_head);
}

static int read_asked(struct asked *a, const char *request)
{
	char target[6144], *query;
	const char *end = strstr(request, "\r\n\r\n");
	char length[32];

	if (!end || sscanf(request, "%15s %6143s", a->method, target) != 2)
		return -1;
	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	(void)snprintf(a->path, sizeof(a->path), "%s", target);
	(void)snprintf(a->query, sizeof(a->query), "%s", query ? query : "");
	a->head = request;
	a->body = end + 4;
	a->body_len = header(request, "content-length", length, sizeof(length)) == 0
	        ? strtoul(length, NULL, 10)
	        : 0;
	return 0;
}

/* One request a connection: a client that opens another would wait for the first to end. */
static void serve(struct raw_server *server, int fd, int n)
{
	struct fake_s3 *s = (struct fake_s3 *)server;
	char begin[256], key[6144], auth[64];
	const char *rest = "";
	struct asked a;
	int refuse;

	(void)n;
	if (raw_read(server, fd) < 0 || read_asked(&a, server->request) < 0)
		return;
	refuse = s->key_id ? check_signature(s, &a)
	                   : header(a.head, "authorization", auth, sizeof(auth)) == 0;
	if (refuse) {
		s->refused++;
		return fail(fd, "403 Forbidden", "AccessDenied", strcmp(a.method, "HEAD") != 0);
	}
	(void)snprintf(begin, sizeof(begin), "/%s/", s->bucket);
	if (!str_starts(a.path, begin, &rest))
		return fail(fd, "404 Not Found", "NoSuchBucket", 1);
	(void)snprintf(key, sizeof(key), "%s", rest);
	unescape(key);
	if (strcmp(a.method, "PUT") == 0) {
		s->puts++;
		fake_s3_put(s, key, a.body, a.body_len);
		answer(fd, "200 OK", "ETag: \"0\"\r\n", "", 0, 1);
	} else if (!*key) {
		answer_list(s, fd, &a);
	} else {
		answer_object(s, fd, &a, key);
	}
}

int fake_s3_start(struct fake_s3 *s, const char *bucket, const char *key_id, const char *secret)
{
	memset(s, 0, sizeof(*s));
	s->bucket = bucket;
	s->region = "us-east-1";
	s->key_id = key_id;
	s->secret = secret;
	s->page = 1000;
	return raw_server_start(&s->server, NULL, serve);
}

void fake_s3_stop(struct fake_s3 *s)
{
	raw_server_stop(&s->server);
	for (size_t i = 0; i < s->n; i++) {
		free(s->objects[i].key);
		free(s->objects[i].data);
	}
	s->n = 0;
}
