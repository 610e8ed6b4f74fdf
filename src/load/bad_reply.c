#include "load/bad_reply_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "load/reply.h"

#define BLOCK_NS   (NS_PER_SEC / 2)
#define FIRST_HEAD UINT32_C(400000000) /* nine digits, and so for years */
#define LIB_LAG    325
#define BACK       1000

const char bad_server_chain_id[] =
        "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c";

static const char other_chain_id[] =
        "aca376f206b8fc25a6ed44dbdc66547c36c6c33e3a119ffbeaef943642f0e906";

#define ID_TAIL "2d6a19bf3e2a4ad5a1b1fe9e8f31bd8cf91ea93a8c8fac7ce5bb2b3e"

void bad_reply_init(struct bad_reply *r, const struct bad_server_config *c, int64_t now_ns)
{
	*r = (struct bad_reply){ .begin_ns = now_ns };
	r->chunked = c->chunked;
	r->served_by = c->served_by;
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < BAD_REPLY_BACKENDS; k++)
			buf_init(&r->good[i][k], BAD_REPLY_MAX);
}

void bad_reply_release(struct bad_reply *r)
{
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < BAD_REPLY_BACKENDS; k++)
			buf_release(&r->good[i][k]);
}

/* As nodeos has it, without the Z. */
static void block_time(char out[CLOCK_TEXT_MAX], int64_t real_ns)
{
	clock_text(out, real_ns - real_ns % BLOCK_NS);
	out[strlen(out) - 1] = '\0';
}

/* The keys and their order are those of nodeos v4.0.6 (facts section 2). */
static int add_info(struct buf *out, const char *chain_id, uint32_t head)
{
	char now[CLOCK_TEXT_MAX], then[CLOCK_TEXT_MAX];
	int64_t real = clock_real_ns();
	uint32_t lib = head - LIB_LAG;

	block_time(now, real);
	block_time(then, real - LIB_LAG * BLOCK_NS);
	return buf_add_fmt(out,
	        "{\"server_version\":\"01dab51a\",\"chain_id\":\"%s\",\"head_block_num\":%u,"
	        "\"last_irreversible_block_num\":%u,\"last_irreversible_block_id\":\"%08x" ID_TAIL
	        "\",\"head_block_id\":\"%08x" ID_TAIL "\",\"head_block_time\":\"%s\","
	        "\"head_block_producer\":\"eosio\",\"virtual_block_cpu_limit\":201403,"
	        "\"virtual_block_net_limit\":1055940,\"block_cpu_limit\":199900,"
	        "\"block_net_limit\":1048576,\"server_version_string\":\"v4.0.6\","
	        "\"fork_db_head_block_num\":%u,\"fork_db_head_block_id\":\"%08x" ID_TAIL
	        "\",\"server_full_version_string\":"
	        "\"v4.0.6-01dab51ac00aed6730700b82943c30ccfd854fce\",\"total_cpu_weight\":0,"
	        "\"total_net_weight\":0,\"earliest_available_block_num\":1,"
	        "\"last_irreversible_block_time\":\"%s\"}",
	        chain_id, head, lib, lib, head, now, head, head, then);
}

static int add_head(struct buf *out, const char *status, bool closes, const char *more)
{
	return buf_add_fmt(out,
	        "HTTP/1.1 %s\r\nServer: nodeos/v4.0.6\r\nContent-Type: application/json\r\n%s%s",
	        status, closes ? "Connection: close\r\n" : "", more);
}

static int add_chunk(struct buf *out, const char *p, size_t n)
{
	if (buf_add_fmt(out, "%zx\r\n", n) < 0 || buf_add(out, p, n) < 0)
		return -1;
	return buf_add_str(out, "\r\n");
}

/* Chunks of several sizes, one byte among them. */
static int add_chunks(struct buf *out, const char *p, size_t n)
{
	static const size_t sizes[] = { 1, 299, 16 };

	for (size_t i = 0; n; i++) {
		size_t take = i < ARRAY_LEN(sizes) && sizes[i] < n ? sizes[i] : n;

		if (add_chunk(out, p, take) < 0)
			return -1;
		p += take;
		n -= take;
	}
	return buf_add_str(out, "0\r\n\r\n");
}

static int add_reply(const struct bad_reply *r, struct buf *out, const char *status, bool closes,
        const char *served_by, const char *body, size_t n)
{
	char more[128];

	if (r->chunked)
		snprintf(more, sizeof(more), "%sTransfer-Encoding: chunked\r\n\r\n", served_by);
	else
		snprintf(more, sizeof(more), "%sContent-Length: %zu\r\n\r\n", served_by, n);
	if (add_head(out, status, closes, more) < 0)
		return -1;
	return r->chunked ? add_chunks(out, body, n) : buf_add(out, body, n);
}

static uint32_t head_at(const struct bad_reply *r, int64_t now_ns)
{
	return FIRST_HEAD + (uint32_t)((now_ns - r->begin_ns) / BLOCK_NS);
}

/* The good ones are made once a block. */
static int refresh(struct bad_reply *r, uint32_t head)
{
	AUTO(buf) struct buf body = BUF_INIT(BAD_REPLY_MAX);

	r->head = 0;
	if (add_info(&body, bad_server_chain_id, head) < 0)
		return -1;
	for (size_t i = 0; i < 2 * BAD_REPLY_BACKENDS; i++) {
		struct buf *b = &r->good[i / BAD_REPLY_BACKENDS][i % BAD_REPLY_BACKENDS];
		char served_by[64] = "";

		if (r->served_by)
			snprintf(served_by, sizeof(served_by), "X-Served-By: 10.0.1.%zu:8888\r\n",
			        i % BAD_REPLY_BACKENDS + 1);
		buf_clear(b);
		if (add_reply(r, b, "200 OK", i >= BAD_REPLY_BACKENDS, served_by, body.data,
		            body.len) < 0)
			return -1;
	}
	r->head = head;
	return 0;
}

int bad_reply_good(struct bad_reply *r, struct buf *out, bool closes, bool no_body, int64_t now_ns)
{
	uint32_t head = head_at(r, now_ns);
	const struct buf *b;

	if (head != r->head && refresh(r, head) < 0)
		return -1;
	b = &r->good[closes][r->turn++ % BAD_REPLY_BACKENDS];
	if (no_body)
		return buf_add(out, b->data, (size_t)(strstr(b->data, "\r\n\r\n") + 4 - b->data));
	return buf_add(out, b->data, b->len);
}

/* A good one up to the middle of its body, or of the chunk that is there. */
static int add_half(struct bad_reply *r, struct buf *out, bool chunked, bool closes, int64_t now_ns)
{
	AUTO(buf) struct buf body = BUF_INIT(BAD_REPLY_MAX);
	bool was = r->chunked;
	size_t from = out->len;
	int rc;

	if (add_info(&body, bad_server_chain_id, head_at(r, now_ns)) < 0)
		return -1;
	r->chunked = chunked;
	rc = add_reply(r, out, "200 OK", closes, "", body.data, body.len);
	r->chunked = was;
	if (rc < 0)
		return -1;
	/* The last quarter of either is well within the body and the biggest chunk. */
	out->len -= (out->len - from) / 4;
	return 0;
}

static int add_large(struct bad_reply *r, struct buf *out, bool closes)
{
	if (r->larges++ % 2)
		return add_head(out, "200 OK", closes, "Content-Length: 5242880\r\n\r\n{");
	if (add_head(out, "200 OK", closes, "X-Long: ") < 0)
		return -1;
	for (size_t i = 0; i < LOAD_HEAD_MAX / 64 + 64; i++)
		if (buf_add_str(out,
		            "0123456789abcdef0123456789abcdef"
		            "0123456789abcdef0123456789abcdef") < 0)
			return -1;
	return buf_add_str(out, "\r\nContent-Length: 2\r\n\r\n{}");
}

static int add_status(struct bad_reply *r, struct buf *out, bool closes)
{
	static const char body[] =
	        "{\"code\":503,\"message\":\"Busy\",\"error\":{\"code\":0,\"name\":\"busy\","
	        "\"what\":\"too many requests\",\"details\":[]}}";

	return add_reply(r, out, "503 Service Unavailable", closes, "", body, sizeof(body) - 1);
}

static int add_changed(struct bad_reply *r, struct buf *out, enum bad_server_mode mode, bool closes,
        int64_t now_ns)
{
	AUTO(buf) struct buf body = BUF_INIT(BAD_REPLY_MAX);
	const char *chain = mode == BAD_SERVER_WRONG_CHAIN ? other_chain_id : bad_server_chain_id;
	uint32_t head = head_at(r, now_ns);

	if (mode == BAD_SERVER_HEAD_BACK)
		head -= (uint32_t)(++r->backs * BACK);
	if (add_info(&body, chain, head) < 0)
		return -1;
	if (mode == BAD_SERVER_NOT_JSON) /* the last brace is missing */
		body.len--;
	else if (mode == BAD_SERVER_NOT_INFO)
		memcpy(strstr(body.data, "\"chain_id\""), "\"chain_no\"", 10);
	return add_reply(r, out, "200 OK", closes, "", body.data, body.len);
}

int bad_reply_bad(struct bad_reply *r, struct buf *out, enum bad_server_mode mode, bool closes,
        int64_t now_ns)
{
	switch (mode) {
	case BAD_SERVER_SLOW_BODY:
	case BAD_SERVER_SHORT:
		return add_half(r, out, r->chunked, closes, now_ns);
	case BAD_SERVER_SHORT_CHUNK:
		return add_half(r, out, true, closes, now_ns);
	case BAD_SERVER_STATUS:
		return add_status(r, out, closes);
	case BAD_SERVER_NOT_HTTP:
		return buf_add_str(out, "SSH-2.0-OpenSSH_9.2p1\r\n");
	case BAD_SERVER_EXTRA:
		if (bad_reply_good(r, out, closes, false, now_ns) < 0)
			return -1;
		return buf_add_str(out, "extra\r\n");
	case BAD_SERVER_TOO_LARGE:
		return add_large(r, out, closes);
	case BAD_SERVER_NOT_JSON:
	case BAD_SERVER_NOT_INFO:
	case BAD_SERVER_WRONG_CHAIN:
	case BAD_SERVER_HEAD_BACK:
		return add_changed(r, out, mode, closes, now_ns);
	case BAD_SERVER_GOOD:
	case BAD_SERVER_RESET:
	case BAD_SERVER_CLOSE:
	case BAD_SERVER_SILENT:
	case BAD_SERVER_MODES:
		break;
	}
	return 0;
}
