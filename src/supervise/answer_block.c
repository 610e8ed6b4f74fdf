#include "supervise/answer_block.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "http/probe.h"
#include "http/server.h"
#include "nodeos/reply.h"
#include "supervise/supervise_priv.h"

#define ASK_NS    (400 * NS_PER_MS) /* who asks waits for half a second */
#define REPLY_MAX (64U * 1024)

static void fill(struct http_server_reply *r, uint32_t num, const struct http_probe_result *got)
{
	struct nodeos_block_info b;
	struct err ignored = ERR_INIT;
	int rc = got->failure ? -1 : nodeos_block_info_parse(&b, got->body, got->len, &ignored);

	if (rc < 0 || (rc == 0 && b.block_num != num)) {
		http_server_text(r, 503, "nodeos does not answer\n");
	} else if (rc > 0) {
		http_server_text(r, 404, "nodeos does not have that block\n");
	} else {
		AUTO(json)
		json_t *j = json_pack("{s:I, s:s}", "block_num", (json_int_t)num, "id", b.id);

		http_server_json(r, 200, j ? json_text(j, false) : NULL);
	}
}

static void on_block(struct http_probe *q UNUSED, const struct http_probe_result *got, void *arg)
{
	struct block_ask *a = arg;
	struct http_server_reply r = { .fd = -1 };

	fill(&r, a->num, got);
	http_server_answer(TAKE(a->call), &r);
}

static void on_gone(void *arg)
{
	struct block_ask *a = arg;

	a->call = NULL;
	http_probe_cancel(a->probe);
}

static struct block_ask *free_ask(struct supervisor *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->block_asks); i++)
		if (!s->block_asks[i].call)
			return &s->block_asks[i];
	return NULL;
}

void answer_block(
        struct supervisor *s, const struct http_server_request *q, struct http_server_reply *r)
{
	const char *text = http_server_query(q, "num");
	struct block_ask *a = free_ask(s);
	struct err ignored = ERR_INIT;
	char url[200], body[48];
	uint64_t num;

	if (!text || num_uint(&num, text, 1, UINT32_MAX, &ignored) < 0) {
		http_server_text(r, 400, "num is a block's number\n");
		return;
	}
	if (!s->health.has_info || !a) {
		http_server_text(r, 503, a ? "nodeos does not answer\n" : "too many ask at once\n");
		return;
	}
	/* Another nodeos may listen elsewhere. */
	snprintf(url, sizeof(url), "http://%.100s:%u/v1/chain/get_block_info", s->render.http_host,
	        (unsigned)s->render.http_port);
	snprintf(body, sizeof(body), "{\"block_num\":%u}", (unsigned)num);
	http_probe_free(TAKE(a->probe));
	a->num = (uint32_t)num;
	a->probe = http_probe_new(s->prober, url, REPLY_MAX, &ignored);
	if (!a->probe || http_probe_start(a->probe, body, ASK_NS, on_block, a, &ignored) < 0) {
		http_server_text(r, 503, "nodeos cannot be asked\n");
		return;
	}
	a->call = http_server_later(q, on_gone, a);
	if (!a->call)
		http_probe_cancel(a->probe);
}

void answer_block_release(struct supervisor *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->block_asks); i++)
		http_probe_free(TAKE(s->block_asks[i].probe));
}
