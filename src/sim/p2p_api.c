#include <inttypes.h>
#include <string.h>

#include "base/digest.h"
#include "sim/p2p_priv.h"

/* What nodeos has for a key and a signature that are not there. */
#define NO_KEY "EOS1111111111111111111111111111111114T1Anm"
#define NO_SIGNATURE \
	"SIG_K1_111111111111111111111111111111111111111111111111111111111111111116uk5ne"
#define NETWORK_VERSION 1212

const char *p2p_api_connect(struct p2p *p, const char *peer)
{
	if (p2p_find(p, peer))
		return "already connected";
	(void)p2p_add(p, peer);
	return "added connection";
}

const char *p2p_api_disconnect(struct p2p *p, const char *peer)
{
	/* "" is the first one that came in, as in nodeos. */
	struct conn *c = p2p_find(p, peer);

	if (!c)
		return "no known connection for host";
	conn_close(c, true);
	for (struct conn **at = &p->conns; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	conn_free(c);
	return "connection removed";
}

/* A text of a peer; control characters were replaced when it came in. */
static int put_text(struct buf *out, const char *s)
{
	for (; *s; s++)
		if ((*s == '"' || *s == '\\' ? buf_add(out, "\\", 1) : 0) < 0 ||
		        buf_add(out, s, 1) < 0)
			return -1;
	return 0;
}

static int put_conn(struct buf *out, const struct conn *c)
{
	const struct wire_handshake *h = &c->received;
	char chain[BLOCK_ID_HEX], node[BLOCK_ID_HEX], lib[BLOCK_ID_HEX], head[BLOCK_ID_HEX];
	char when[32] = "0", zero[BLOCK_ID_HEX];

	memset(zero, '0', sizeof(zero) - 1);
	zero[sizeof(zero) - 1] = '\0';
	hex_encode(chain, h->chain_id, BLOCK_ID);
	hex_encode(node, h->node_id, BLOCK_ID);
	hex_encode(lib, h->lib_id, BLOCK_ID);
	hex_encode(head, h->head_id, BLOCK_ID);
	if (h->time_ns)
		snprintf(when, sizeof(when), "\"%" PRId64 "\"", h->time_ns);
	if (buf_add_str(out, "{\"peer\":\"") < 0 || put_text(out, c->peer) < 0 ||
	        buf_add_fmt(out,
	                "\",\"connecting\":%s,\"syncing\":%s,\"is_bp_peer\":false,"
	                "\"last_handshake\":{\"network_version\":%u,\"chain_id\":\"%s\","
	                "\"node_id\":\"%s\",\"key\":\"" NO_KEY "\",\"time\":%s,\"token\":\"%s\","
	                "\"sig\":\"" NO_SIGNATURE "\",\"p2p_address\":\"",
	                c->connecting ? "true" : "false", c->p->source == c ? "true" : "false",
	                h->generation ? NETWORK_VERSION : 0, chain, node, when, zero) < 0 ||
	        put_text(out, h->address) < 0 ||
	        buf_add_fmt(out,
	                "\",\"last_irreversible_block_num\":%" PRIu32
	                ",\"last_irreversible_block_id\":\"%s\",\"head_num\":%" PRIu32
	                ",\"head_id\":\"%s\",\"os\":\"",
	                h->lib, lib, h->head, head) < 0 ||
	        put_text(out, h->os) < 0 || buf_add_str(out, "\",\"agent\":\"") < 0 ||
	        put_text(out, h->agent) < 0 ||
	        buf_add_fmt(out, "\",\"generation\":%u}}", h->generation) < 0)
		return -1;
	return 0;
}

int p2p_api_status(struct p2p *p, const char *peer, struct buf *out)
{
	const struct conn *c = p2p_find(p, peer);

	return c ? put_conn(out, c) : 1;
}

int p2p_api_connections(struct p2p *p, struct buf *out)
{
	bool first = true;

	if (buf_add_str(out, "[") < 0)
		return -1;
	for (const struct conn *c = p->conns; c; c = c->next) {
		/* One that came in and is gone waits only to be swept away. */
		if (c->incoming && c->state == CONN_CLOSED)
			continue;
		if ((!first && buf_add_str(out, ",") < 0) || put_conn(out, c) < 0)
			return -1;
		first = false;
	}
	return buf_add_str(out, "]");
}
