#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "sim/p2p_priv.h"

#define FUTURE_NS (7 * NS_PER_SEC)
#define YOUNG_NS  (300 * NS_PER_SEC)
#define PAUSE_NS  (10 * NS_PER_MS)
#define RANGE_MAX 100000 /* blocks a peer may ask for at once */
#define HEX16(id) (id) + 8

/* --- sending ---------------------------------------------------------------------------------- */

static const char *id_text(char out[BLOCK_ID_HEX], const unsigned char id[BLOCK_ID])
{
	hex_encode(out, id, BLOCK_ID);
	return out;
}

static void queue_failed(struct conn *c)
{
	conn_log(NLOG_ERROR, c, "net_plugin.cpp:1235", "do_queue_write",
	        "write queue full, closing connection");
	conn_close(c, !c->incoming);
}

void sync_send_handshake(struct conn *c)
{
	struct p2p *p = c->p;
	const struct block *head = chain_head(&p->n->chain), *lib = &p->n->chain.root;
	struct wire_handshake h = { .version = WIRE_VERSION,
		.generation = ++c->sent_handshakes,
		.time_ns = clock_real_ns(),
		.lib = lib->num,
		.head = head->num,
		.os = "linux" };
	char hex[BLOCK_ID_HEX];

	memcpy(h.chain_id, p->n->chain.id, BLOCK_ID);
	memcpy(h.node_id, p->node_id, BLOCK_ID);
	memcpy(h.lib_id, lib->id, BLOCK_ID);
	memcpy(h.head_id, head->id, BLOCK_ID);
	memcpy(h.address, p->address, sizeof(h.address));
	memcpy(h.agent, p->agent, sizeof(h.agent));
	conn_log(NLOG_INFO, c, "net_plugin.cpp:1158", "operator()",
	        "Sending handshake generation %u, lib %" PRIu32 ", head %" PRIu32 ", id %.16s",
	        h.generation, h.lib, h.head, HEX16(id_text(hex, h.head_id)));
	if (wire_put_handshake(&c->out, &h) < 0)
		queue_failed(c);
	else
		conn_flush(c);
}

/* Say why and close when it is said. */
static void go_away(struct conn *c, enum wire_reason why)
{
	c->no_retry = why;
	if (wire_put_go_away(&c->out, why) < 0) {
		conn_close(c, false);
		return;
	}
	c->leaving = true;
	conn_flush(c);
}

void p2p_broadcast(struct p2p *p, const struct block *b, const struct conn *from)
{
	/* While we sync, peers behind us wait for our handshake at the end. */
	if (p->source)
		return;
	for (struct conn *c = p->conns; c; c = c->next) {
		if (c->state != CONN_OPEN || c == from || !c->has_handshake || c->leaving ||
		        c->serve_next <= c->serve_last || block_same_id(c->last_id, b->id))
			continue;
		if (wire_put_block(&c->out, b) < 0) {
			queue_failed(c);
			continue;
		}
		conn_saw_block(c);
		if (c->peer_head < b->num)
			c->peer_head = b->num;
		memcpy(c->last_id, b->id, BLOCK_ID);
		conn_flush(c);
	}
}

/* Nodes in sync only: the others will have it in a block. */
void p2p_broadcast_trx(struct p2p *p, const struct trx *t, const struct conn *from)
{
	if (p->source)
		return;
	for (struct conn *c = p->conns; c; c = c->next) {
		if (c->state != CONN_OPEN || c == from || !c->has_handshake || c->leaving ||
		        c->serve_next <= c->serve_last)
			continue;
		if (wire_put_transaction(&c->out, t) < 0)
			queue_failed(c);
		else
			conn_flush(c);
	}
}

/* --- catching up ------------------------------------------------------------------------------ */

static void request_next(struct p2p *p)
{
	struct conn *c = p->source;

	p->sync_last = p->sync_target - p->sync_next < p->span ? p->sync_target
	                                                       : p->sync_next + p->span - 1;
	conn_log(NLOG_INFO, c, "net_plugin.cpp:1712", "operator()",
	        "requesting range %" PRIu32 " to %" PRIu32, p->sync_next, p->sync_last);
	if (wire_put_request(&c->out, p->sync_next, p->sync_last) < 0)
		queue_failed(c);
	else
		conn_flush(c);
}

static void say_start(const struct conn *c, uint32_t target, uint32_t first)
{
	nlog_from(NLOG_INFO, "net-0", "net_plugin.cpp:1578", "set_state",
	        "old state in sync becoming lib catchup");
	conn_log(NLOG_INFO, c, "net_plugin.cpp:1763", "start_sync",
	        "Catching up with chain, our last req is 0, theirs is %" PRIu32
	        ", next expected %" PRIu32,
	        target, first);
}

/*
 * nodeos asks for blocks also in producing mode, and throws them away when they come.  As recorded
 * of a node that was frozen: paused after that it does not catch up.
 */
static void ask_in_vain(struct conn *c, uint32_t first)
{
	struct p2p *p = c->p;

	p->missed = c->peer_head;
	p->missed_from = c;
	say_start(c, p->missed, first);
	conn_log(NLOG_INFO, c, "net_plugin.cpp:1712", "operator()",
	        "requesting range %" PRIu32 " to %" PRIu32, first, p->missed);
	if (wire_put_request(&c->out, first, p->missed) < 0)
		queue_failed(c);
	else
		conn_flush(c);
}

static void say_ignored(const struct conn *c)
{
	const struct p2p *p = c->p;
	uint32_t head = chain_head(&p->n->chain)->num;

	conn_log(NLOG_INFO, c, "net_plugin.cpp:1763", "start_sync",
	        "Catching up with chain, our last req is %" PRIu32 ", theirs is %" PRIu32
	        ", next expected %" PRIu32,
	        p->missed, c->received.lib, head + 1);
	nlog_from(NLOG_INFO, "net-0", "net_plugin.cpp:1626", "request_next_chunk",
	        "ignoring request, head is %" PRIu32 " last req = %" PRIu32
	        ", sync_next_expected_num: %" PRIu32 ", sync_known_lib_num: %" PRIu32
	        ", sync_req_span: %" PRIu32 ", source connection %u",
	        head, p->missed, head + 1, c->received.lib, p->span, c->id);
}

static bool waits_in_vain(const struct p2p *p)
{
	return p->missed > chain_head(&p->n->chain)->num;
}

static void start_sync(struct conn *c)
{
	struct p2p *p = c->p;
	uint32_t first = p->n->chain.root.num + 1;

	if (p->source || c->peer_head < first || c->leaving)
		return;
	if (waits_in_vain(p)) {
		say_ignored(c);
		return;
	}
	if (producer_is_producing(p->n)) {
		ask_in_vain(c, first);
		return;
	}
	p->source = c;
	p->sync_target = c->peer_head;
	p->sync_first = p->sync_next = first;
	p->sync_seen = 0;
	say_start(c, p->sync_target, first);
	request_next(p);
}

static void finish_sync(struct p2p *p)
{
	struct conn *source = p->source;
	uint32_t head = chain_head(&p->n->chain)->num;

	p->source = NULL;
	nlog_from(NLOG_INFO, "net-0", "net_plugin.cpp:1578", "set_state",
	        "old state lib catchup becoming in sync");
	for (struct conn *c = p->conns; c; c = c->next)
		if (c->state == CONN_OPEN && c->has_handshake && !c->leaving &&
		        (c == source || c->peer_head < head))
			sync_send_handshake(c);
}

void sync_lost(struct p2p *p, const struct conn *lost)
{
	if (p->source != lost)
		return;
	p->source = NULL;
	nlog_from(NLOG_INFO, "net-0", "net_plugin.cpp:1578", "set_state",
	        "old state lib catchup becoming in sync");
	for (struct conn *c = p->conns; c && !p->source; c = c->next)
		if (c != lost && c->state == CONN_OPEN && c->has_handshake &&
		        c->peer_head > chain_head(&p->n->chain)->num)
			start_sync(c);
}

/* A block of the source arrived; is the range, or all of it, done? */
static void progress(struct conn *c, uint32_t num)
{
	struct p2p *p = c->p;

	if (p->source != c)
		return;
	p->sync_seen = num;
	if (num < p->sync_last)
		return;
	if (p->sync_last >= p->sync_target) {
		finish_sync(p);
		return;
	}
	p->sync_next = p->sync_last + 1;
	request_next(p);
}

static void on_resume(struct loop_timer *t UNUSED, void *arg)
{
	struct p2p *p = arg;

	for (struct conn *c = p->conns; c; c = c->next)
		if (c->paused)
			conn_resume(c);
}

/* NODESIM_SYNC_RATE: stop reading from the source for as long as the rate wants. */
static void keep_rate(struct conn *c)
{
	struct p2p *p = c->p;
	int64_t now = clock_mono_ns();

	if (!p->n->knobs.sync_rate || p->source != c)
		return;
	if (p->next_block_ns < now)
		p->next_block_ns = now;
	p->next_block_ns += NS_PER_SEC / (int64_t)p->n->knobs.sync_rate;
	if (p->next_block_ns - now < PAUSE_NS)
		return;
	c->paused = true;
	loop_timer_set(&p->n->loop, &p->resume, p->next_block_ns, on_resume, p);
	conn_flush(c);
}

/* --- blocks ----------------------------------------------------------------------------------- */

static int64_t ms(int64_t ns)
{
	return ns / NS_PER_MS;
}

static void say_received(const struct node *n, const struct block *b, int rc, int64_t began_ns)
{
	char hex[BLOCK_ID_HEX], when[SLOT_TEXT_SIZE], name[NAME_SIZE];
	int64_t us = (clock_mono_ns() - began_ns) / 1000;
	int64_t age_ns = clock_real_ns() - slot_ns(b->slot);
	const struct block *head = chain_head(&n->chain);

	if (age_ns >= YOUNG_NS && b->num % 1000)
		return;
	nlog(NLOG_INFO, "producer_plugin.cpp:740", "on_incoming_block",
	        "Received block %.16s... #%" PRIu32 " @ %s signed by %s [trxs: %u, lib: %" PRIu32
	        ", confirmed: %u, net: 0, cpu: 100, elapsed: %" PRId64 ", time: %" PRId64
	        ", latency: %" PRId64 " ms]",
	        HEX16(id_text(hex, b->id)), b->num, slot_text(when, b->slot),
	        name_text(name, b->producer), block_trxs(b), n->chain.root.num, block_confirmed(b),
	        us, us, ms(age_ns));
	if (rc != CHAIN_STORED)
		return;
	nlog(NLOG_INFO, "producer_plugin.cpp:748", "on_incoming_block",
	        "Block not applied to head %.16s... #%" PRIu32 " @ %s signed by %s [trxs: 0, dpos: "
	        "%" PRIu32 ", confirmed: %u, net: 0, cpu: 0, elapsed: 0, time: %" PRId64
	        ", latency: %" PRId64 " ms]",
	        HEX16(id_text(hex, head->id)), head->num, slot_text(when, head->slot),
	        name_text(name, head->producer), n->chain.root.num, block_confirmed(head), us,
	        ms(clock_real_ns() - slot_ns(head->slot)));
}

static void applied(struct conn *c, const struct block *b)
{
	struct node *n = c->p->n;

	if (node_reached_end(n)) {
		nlog(NLOG_ERROR, "producer_plugin.cpp:2704", "schedule_production_loop",
		        "Failed to start a pending block, will try again later");
		return;
	}
	p2p_broadcast(c->p, b, c);
	producer_saw_block(n);
}

static void not_linked(struct conn *c, const struct block *b)
{
	struct p2p *p = c->p;

	/* The first block that was asked for follows our LIB, or the peer has another one. */
	if (p->source == c && b->num <= p->sync_first) {
		conn_log(NLOG_ERROR, c, "net_plugin.cpp:2983", "handle_message",
		        "Peer chain is forked, sending: forked go away");
		go_away(c, GO_AWAY_FORKED);
		return;
	}
	if (!waits_in_vain(p))
		start_sync(c);
}

static void on_block(struct conn *c, const struct block *b)
{
	struct node *n = c->p->n;
	int64_t began_ns = clock_mono_ns();
	char hex[BLOCK_ID_HEX];
	int rc;

	conn_saw_block(c);
	if (c->peer_head < b->num)
		c->peer_head = b->num;
	memcpy(c->last_id, b->id, BLOCK_ID);
	if (producer_is_producing(n)) {
		nlog(NLOG_WARN, "producer_plugin.cpp:665", "on_incoming_block",
		        "dropped incoming block #%" PRIu32 " id: %s", b->num, id_text(hex, b->id));
		progress(c, b->num);
		return;
	}
	if (slot_ns(b->slot) >= clock_real_ns() + FUTURE_NS) {
		conn_log(NLOG_ERROR, c, "net_plugin.cpp:3290", "process_signed_block",
		        "received a block from the future, ignoring it: %s", id_text(hex, b->id));
		return;
	}
	if (node_guard_tripped(n))
		return;
	rc = node_apply(n, b);
	if (rc == CHAIN_INVALID) {
		conn_log(NLOG_ERROR, c, "net_plugin.cpp:3268", "operator()", "bad block #%" PRIu32,
		        b->num);
		go_away(c, GO_AWAY_FATAL);
		return;
	}
	if (rc == CHAIN_UNLINKABLE) {
		not_linked(c, b);
		return;
	}
	if (rc != CHAIN_KNOWN) {
		say_received(n, b, rc, began_ns);
		applied(c, b);
	}
	progress(c, b->num);
	keep_rate(c);
}

/* One that cannot be in a block is dropped without a word, as nodeos does at info. */
static void on_transaction(struct conn *c, const struct trx *t)
{
	struct node *n = c->p->n;

	if (c->p->source || c->p->no_transactions || node_judge_trx(n, t) != NODE_TRX_OK ||
	        trxpool_add(&n->transactions, t) < 0)
		return;
	p2p_broadcast_trx(c->p, t, c);
}

/* --- the other messages ----------------------------------------------------------------------- */

static bool is_duplicate(const struct conn *c)
{
	const struct p2p *p = c->p;

	for (const struct conn *o = p->conns; o; o = o->next)
		if (o != c && o->state == CONN_OPEN && o->has_handshake &&
		        block_same_id(o->received.node_id, c->received.node_id))
			/* Only the lower one of the two closes, so that one connection stays. */
			return memcmp(p->node_id, c->received.node_id, BLOCK_ID) >= 0;
	return false;
}

/* Its LIB is not a block of ours. */
static bool is_forked(const struct p2p *p, const struct wire_handshake *h)
{
	struct err e = ERR_INIT;
	struct block b;

	return h->lib <= p->n->chain.root.num && chain_fetch(&p->n->chain, h->lib, &b, &e) == 0 &&
	        !block_same_id(b.id, h->lib_id);
}

/* Only of the first handshake.  Returns false when the connection is to end. */
static bool is_welcome(struct conn *c)
{
	const struct wire_handshake *h = &c->received;
	struct p2p *p = c->p;
	char hex[BLOCK_ID_HEX];

	if (block_same_id(h->node_id, p->node_id)) {
		conn_log(NLOG_ERROR, c, "net_plugin.cpp:2868", "handle_message",
		        "Self connection detected node_id %s. Closing connection",
		        id_text(hex, h->node_id));
		go_away(c, GO_AWAY_SELF);
		return false;
	}
	memcpy(c->name, h->address, sizeof(c->name));
	if (c->incoming && is_duplicate(c)) {
		go_away(c, GO_AWAY_DUPLICATE);
		return false;
	}
	if (!block_same_id(h->chain_id, p->n->chain.id)) {
		conn_log(NLOG_ERROR, c, "net_plugin.cpp:2940", "handle_message",
		        "Peer on a different chain. Closing connection");
		go_away(c, GO_AWAY_WRONG_CHAIN);
		return false;
	}
	if (h->version != WIRE_VERSION) {
		go_away(c, GO_AWAY_WRONG_VERSION);
		return false;
	}
	if (is_forked(p, h)) {
		conn_log(NLOG_ERROR, c, "net_plugin.cpp:2983", "handle_message",
		        "Peer chain is forked, sending: forked go away");
		go_away(c, GO_AWAY_FORKED);
		return false;
	}
	conn_log(NLOG_INFO, c, "net_plugin.cpp:2950", "handle_message", "Local network version: 7");
	return true;
}

static void say_handshake(const struct conn *c)
{
	const struct wire_handshake *h = &c->received;
	const struct chain *chain = &c->p->n->chain;
	uint32_t head = chain_head(chain)->num, lib = chain->root.num;
	const char *place = "net_plugin.cpp:1866";
	char hex[BLOCK_ID_HEX], rest[64];
	int kind = 4;

	if (h->head == head) {
		kind = 0;
		place = "net_plugin.cpp:1822";
	} else if (head < h->lib) {
		kind = 1;
		place = "net_plugin.cpp:1833";
	} else if (lib > h->head) {
		kind = 2;
		place = "net_plugin.cpp:1843";
	} else if (head < h->head) {
		kind = 3;
		place = "net_plugin.cpp:1859";
	}
	if (kind)
		snprintf(rest, sizeof(rest), "head %" PRIu32 ", lib %" PRIu32, head, lib);
	else
		snprintf(rest, sizeof(rest), "lib %" PRIu32, lib);
	conn_log(NLOG_INFO, c, place, "recv_handshake",
	        "handshake lib %" PRIu32 ", head %" PRIu32 ", head id %.16s.. sync %d, %s", h->lib,
	        h->head, HEX16(id_text(hex, h->head_id)), kind, rest);
}

static void on_handshake(struct conn *c, const struct wire_handshake *h)
{
	uint32_t head = chain_head(&c->p->n->chain)->num;
	bool first = !c->has_handshake;

	c->received = *h;
	c->connecting = false;
	if (first && !is_welcome(c))
		return;
	c->has_handshake = true;
	c->peer_head = h->head;
	memcpy(c->last_id, h->head_id, BLOCK_ID);
	say_handshake(c);
	if (c->sent_handshakes == 0 || h->head < head)
		sync_send_handshake(c);
	if (c->state == CONN_OPEN && h->head > head)
		start_sync(c);
}

static void on_go_away(struct conn *c, enum wire_reason why)
{
	conn_log(NLOG_WARN, c, "net_plugin.cpp:3005", "handle_message",
	        "received go_away_message, reason = %s", wire_reason_text(why));
	c->no_retry = why < GO_AWAY_REASONS ? why : GO_AWAY_FATAL;
	conn_close(c, why == GO_AWAY_BENIGN);
}

static void on_request(struct conn *c, uint32_t first, uint32_t last)
{
	const struct chain *chain = &c->p->n->chain;
	uint32_t head = chain_head(chain)->num;

	if (first == 0 || first > last || first > head || first < chain_earliest(chain)) {
		conn_log(NLOG_INFO, c, "net_plugin.cpp:1098", "blk_send_branch",
		        "Peer asked for unknown block %" PRIu32 ", sending: benign_other go away",
		        first);
		go_away(c, GO_AWAY_BENIGN);
		return;
	}
	if (last > head)
		last = head;
	if (last - first >= RANGE_MAX)
		last = first + RANGE_MAX - 1;
	conn_log(NLOG_INFO, c, "net_plugin.cpp:1119", "blk_send_branch_impl",
	        "enqueue %" PRIu32 " - %" PRIu32, first, last);
	c->serve_next = first;
	c->serve_last = last;
	conn_flush(c);
}

void sync_message(struct conn *c, const struct wire_message *m)
{
	/* A handshake or its refusal comes first. */
	if (!c->has_handshake && m->type != WIRE_HANDSHAKE && m->type != WIRE_GO_AWAY) {
		conn_close(c, false);
		return;
	}
	switch (m->type) {
	case WIRE_HANDSHAKE:
		on_handshake(c, &m->handshake);
		break;
	case WIRE_GO_AWAY:
		on_go_away(c, m->reason);
		break;
	case WIRE_REQUEST:
		on_request(c, m->request.first, m->request.last);
		break;
	case WIRE_BLOCK:
		on_block(c, &m->block);
		break;
	case WIRE_TRANSACTION:
		on_transaction(c, &m->transaction);
		break;
	case WIRE_TIME:
		break;
	}
}
