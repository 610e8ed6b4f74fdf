/*
 * The hash of a state, asked of a nodeos that has it and gets no blocks
 *
 *	POST /v1/producer/get_integrity_hash -> {"head_block_id":"0000000975bb...",
 *	                                         "integrity_hash":"b538eaae..."}
 *
 * Every nodeos since EOSIO 1.5 has it (producer_plugin.cpp); it is what the public tool does at the
 * end of a slice.  nodeos answers when it has loaded the snapshot and has read all of its state,
 * which may take as long as it likes: if it takes too long it is ended (node_run.h), and then there
 * is nobody to ask.
 */

#include "replay/worker_priv.h"

#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "http/client.h"

#define STEP_NS   (100 * NS_PER_MS)
#define REPLY_MAX 65536
/* It listens a moment before it knows all of its paths. */
#define REFUSED_MAX 100

struct question {
	struct node_run *run;
	const char *socket;
	struct worker_state *ret;
};

static int read_state(struct worker_state *ret, const struct http_reply *r, struct err *e)
{
	AUTO(json)
	json_t *j = json_parse_object(
	        r->body.data ? r->body.data : "", r->body.len, "nodeos's reply", e);
	const char *hash = json_str(j, "integrity_hash", ""),
	           *id = json_str(j, "head_block_id", "");
	unsigned char raw[SHA256_LEN];

	if (!j)
		return -1;
	if (hex_decode(raw, sizeof(raw), hash) < 0)
		return err_set(e, ERR_PROTOCOL, "nodeos's reply has no integrity_hash");
	hex_encode(ret->hash, raw, sizeof(raw));
	if (hex_decode(raw, sizeof(raw), id) < 0)
		return err_set(e, ERR_PROTOCOL, "nodeos's reply has no head_block_id");
	ret->head =
	        (uint32_t)raw[0] << 24 | (uint32_t)raw[1] << 16 | (uint32_t)raw[2] << 8 | raw[3];
	return 0;
}

/* 0; 1: not now; -1 */
static int ask(struct http_client *c, struct worker_state *ret, unsigned *refused, struct err *e)
{
	static const struct http_request q = {
		.method = "POST",
		.path = "/v1/producer/get_integrity_hash",
		.body = "{}",
		.timeout_ns = -1,
		.max_reply = REPLY_MAX,
	};
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;

	if (http_call(c, &q, &r, e) < 0) {
		if (e->kind != ERR_UNAVAILABLE)
			return -1;
		err_clear(e);
		return 1;
	}
	if (r.status >= 200 && r.status <= 299)
		return read_state(ret, &r, e);
	if (++*refused < REFUSED_MAX)
		return 1;
	return err_set(
	        e, ERR_PROTOCOL, "nodeos answers get_integrity_hash with status %ld", r.status);
}

static int keep_asking(void *arg, const volatile int *cancel, struct err *e)
{
	const struct timespec step = { .tv_nsec = STEP_NS };
	struct question *q = arg;
	AUTO(http_client_free)
	struct http_client *c = http_client_new("http://localhost", q->socket, e);
	unsigned refused = 0;
	int rc = 1;

	if (!c)
		return -1;
	http_client_interrupt_on(c, cancel);
	while (rc > 0 && !*cancel && !q->run->has_ended) {
		rc = ask(c, q->ret, &refused, e);
		if (rc > 0)
			(void)nanosleep(&step, NULL);
	}
	if (rc > 0)
		return err_set(
		        e, ERR_UNHEALTHY, "nodeos ended before it told the hash of its state");
	return rc;
}

int worker_look(struct worker *w, struct node_run *r, struct worker_state *ret, struct err *e)
{
	AUTO(free) char *socket = str_fmt("%s/" WORKER_SOCKET, w->dir);
	struct question q = { .run = r, .socket = socket, .ret = ret };

	if (!socket)
		return err_nomem(e);
	if (strlen(socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		err_set(e, ERR_USAGE, "'%s' is too long for a socket's path", socket);
		return err_hint(e, "give a shorter --dir");
	}
	return worker_beside(w, keep_asking, &q, false, e);
}
