/*
 * A hand-made peer against net_plugin: what it must say first, what it must not say, and what
 * the node does about it.
 */

#include "unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "sim/p2p_priv.h"

#define BLOCKS 6 /* of the node's chain: LIB 5, head 6 */

struct env {
	char dir[64];
	struct node n;
	int fd; /* the peer's end */
	struct buf in;
	struct wire_handshake h; /* what the peer would say of itself */
};

static void setup_chain(struct env *v)
{
	struct chain *c = &v->n.chain;
	struct fail f = FAIL_INIT;
	struct err e = ERR_INIT;
	struct sim_genesis g;
	struct block b;

	chain_init(c);
	sim_genesis_default(&g);
	memcpy(c->id, g.chain_id, BLOCK_ID);
	sim_genesis_block(&b, &g);
	chain_reset(c, &b);
	assert_int_equal(blocklog_open(&c->log, v->dir, &f), 0);
	assert_int_equal(blocklog_reset(&c->log, &g, &e), 0);
	for (int i = 1; i < BLOCKS; i++) {
		block_make(&b, b.id, b.slot + 1, c->producer, 0, NULL, 0);
		assert_int_equal(chain_push(c, &b, &e), CHAIN_APPLIED);
	}
	/* So that no guard stops the node. */
	c->state.size = 1 << 30;
}

/* On a loaded machine even a connection over loopback takes its time. */
static void connect_peer(struct env *v)
{
	struct pollfd p = { .events = POLLOUT };
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(v->n.p2p->listen_fd, (struct sockaddr *)&a, &len), 0);
	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(connect(v->fd, (struct sockaddr *)&a, len) == 0 || errno == EINPROGRESS);
	p.fd = v->fd;
	assert_int_equal(poll(&p, 1, 10000), 1);
}

static int setup(void **state)
{
	char a[] = "nodesim", b[] = "--p2p-listen-endpoint=127.0.0.1:0", *argv[] = { a, b };
	struct env *v = calloc(1, sizeof(*v));
	struct fail f = FAIL_INIT;
	struct err e = ERR_INIT;
	struct block first;

	snprintf(v->dir, sizeof(v->dir), "/tmp/nodesim-test.XXXXXX");
	assert_non_null(mkdtemp(v->dir));
	v->n.opt = options_new();
	assert_int_equal(options_parse_args(v->n.opt, 2, argv, &f), 0);
	assert_int_equal(loop_init(&v->n.loop, &e), 0);
	setup_chain(v);
	assert_int_equal(p2p_initialize(&v->n, &f), 0);
	assert_int_equal(p2p_start(&v->n, &f), 0);
	p2p_listen(&v->n);
	buf_init(&v->in, 1 << 20);
	v->h = (struct wire_handshake){ .version = WIRE_VERSION,
		.generation = 1,
		.lib = 1,
		.head = 1,
		.address = "peer:1 - 1234567",
		.agent = "test",
		.os = "linux" };
	memcpy(v->h.chain_id, v->n.chain.id, BLOCK_ID);
	memset(v->h.node_id, 7, BLOCK_ID);
	assert_int_equal(chain_fetch(&v->n.chain, 1, &first, &e), 0);
	memcpy(v->h.lib_id, first.id, BLOCK_ID);
	connect_peer(v);
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct env *v = *state;
	struct err e = ERR_INIT;

	if (v->fd >= 0)
		close(v->fd);
	p2p_shutdown(&v->n);
	p2p_free(v->n.p2p);
	chain_release(&v->n.chain);
	options_free(v->n.opt);
	loop_release(&v->n.loop);
	buf_release(&v->in);
	assert_int_equal(fs_remove_tree_at(AT_FDCWD, v->dir, &e), 0);
	free(v);
	return 0;
}

/* Let the node work until it has nothing to do. */
static void work(struct env *v)
{
	struct err e = ERR_INIT;

	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_once(&v->n.loop, 1, &e), 0);
}

/* Until the head has that number; a loaded machine may take its time. */
static void until_head(struct env *v, uint32_t num)
{
	for (int i = 0; i < 500 && chain_head(&v->n.chain)->num != num; i++)
		work(v);
	assert_int_equal(chain_head(&v->n.chain)->num, num);
}

static void say(struct env *v, struct buf *b)
{
	assert_int_equal(send(v->fd, b->data, b->len, MSG_NOSIGNAL), b->len);
	buf_release(b);
	work(v);
}

static void say_handshake(struct env *v)
{
	struct buf b = BUF_INIT(4096);

	assert_int_equal(wire_put_handshake(&b, &v->h), 0);
	say(v, &b);
}

static void say_block(struct env *v, const struct block *block)
{
	struct buf b = BUF_INIT(4096);

	assert_int_equal(wire_put_block(&b, block), 0);
	say(v, &b);
}

/* The next message of the node; false when it has closed the connection. */
static bool hear(struct env *v, struct wire_message *m)
{
	for (int i = 0; i < 1000; i++) {
		struct err e = ERR_INIT;
		char p[4096];
		size_t used;
		ssize_t n;

		if (v->in.len &&
		        wire_parse(m, &used, (unsigned char *)v->in.data, v->in.len, &e) == 0) {
			buf_consume(&v->in, used);
			return true;
		}
		work(v);
		n = recv(v->fd, p, sizeof(p), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		if (n > 0)
			assert_int_equal(buf_add(&v->in, p, (size_t)n), 0);
	}
	fail_msg("the node says nothing and does not close");
	return false;
}

static void expect(struct env *v, enum wire_type type, struct wire_message *m)
{
	assert_true(hear(v, m));
	assert_int_equal(m->type, type);
}

static void expect_go_away(struct env *v, enum wire_reason why)
{
	struct wire_message m;

	do
		assert_true(hear(v, &m));
	while (m.type != WIRE_GO_AWAY);
	assert_int_equal(m.reason, why);
	assert_false(hear(v, &m));
}

static struct block after(const struct env *v, const struct block *parent, uint32_t slots)
{
	struct block b;

	block_make(&b, parent->id, parent->slot + slots, v->n.chain.producer, 0, NULL, 0);
	return b;
}

static void one_behind_is_served(void **state)
{
	struct env *v = *state;
	struct buf b = BUF_INIT(4096);
	struct wire_message m;

	say_handshake(v);
	expect(v, WIRE_HANDSHAKE, &m);
	assert_int_equal(m.handshake.head, BLOCKS);
	assert_int_equal(m.handshake.lib, BLOCKS - 1);
	assert_int_equal(wire_put_request(&b, 2, 1000), 0);
	say(v, &b);
	for (uint32_t i = 2; i <= BLOCKS; i++) {
		expect(v, WIRE_BLOCK, &m);
		assert_int_equal(m.block.num, i);
	}
}

static void one_ahead_is_asked(void **state)
{
	struct env *v = *state;
	struct wire_message m;
	struct block b;

	v->h.head = BLOCKS + 1;
	say_handshake(v);
	expect(v, WIRE_HANDSHAKE, &m);
	expect(v, WIRE_REQUEST, &m);
	assert_int_equal(m.request.first, BLOCKS);
	assert_int_equal(m.request.last, BLOCKS + 1);
	b = *chain_head(&v->n.chain);
	say_block(v, &b);
	b = after(v, &b, 1);
	say_block(v, &b);
	until_head(v, BLOCKS + 1);
	expect(v, WIRE_HANDSHAKE, &m); /* in sync now */
	assert_int_equal(m.handshake.head, BLOCKS + 1);
}

static void a_block_without_its_parent_is_a_reason_to_ask(void **state)
{
	struct env *v = *state;
	struct wire_message m;
	struct block sibling, next;

	v->h.head = BLOCKS;
	say_handshake(v);
	expect(v, WIRE_HANDSHAKE, &m);
	sibling = after(v, &v->n.chain.root, 5);
	next = after(v, &sibling, 1);
	say_block(v, &next);
	expect(v, WIRE_REQUEST, &m);
	assert_int_equal(m.request.first, BLOCKS);
	say_block(v, &sibling);
	say_block(v, &next);
	until_head(v, next.num);
	assert_true(block_same_id(chain_head(&v->n.chain)->id, next.id));
}

/* Two producers with one key: the one behind never asks, and sees every block of the other. */
static void one_behind_that_does_not_ask_gets_new_heads(void **state)
{
	struct env *v = *state;
	struct wire_message m;
	struct block b;
	struct err e = ERR_INIT;

	say_handshake(v);
	expect(v, WIRE_HANDSHAKE, &m);
	b = after(v, chain_head(&v->n.chain), 1);
	assert_int_equal(chain_push(&v->n.chain, &b, &e), CHAIN_APPLIED);
	p2p_broadcast(v->n.p2p, &b, NULL);
	expect(v, WIRE_BLOCK, &m);
	assert_int_equal(m.block.num, BLOCKS + 1);
}

static void another_chain_is_refused(void **state)
{
	struct env *v = *state;

	v->h.chain_id[0] ^= 1;
	say_handshake(v);
	expect_go_away(v, GO_AWAY_WRONG_CHAIN);
}

static void itself_is_refused(void **state)
{
	struct env *v = *state;

	memcpy(v->h.node_id, v->n.p2p->node_id, BLOCK_ID);
	say_handshake(v);
	expect_go_away(v, GO_AWAY_SELF);
}

static void a_forked_lib_is_refused(void **state)
{
	struct env *v = *state;

	v->h.lib = 3;
	memset(v->h.lib_id, 9, BLOCK_ID);
	say_handshake(v);
	expect_go_away(v, GO_AWAY_FORKED);
}

/* Its LIB is above ours, and what it sends does not follow from our LIB. */
static void a_forked_branch_is_refused(void **state)
{
	struct env *v = *state;
	struct wire_message m;
	struct block b = *chain_head(&v->n.chain);

	v->h.head = BLOCKS + 5;
	v->h.lib = BLOCKS + 4;
	say_handshake(v);
	expect(v, WIRE_HANDSHAKE, &m);
	expect(v, WIRE_REQUEST, &m);
	b.previous[9] ^= 1;
	block_make(&b, b.previous, b.slot, v->n.chain.producer, 0, NULL, 0);
	say_block(v, &b);
	expect_go_away(v, GO_AWAY_FORKED);
}

static void a_bad_block_is_refused(void **state)
{
	struct env *v = *state;
	struct wire_message m;
	struct block b = after(v, chain_head(&v->n.chain), 1);

	v->h.head = BLOCKS;
	say_handshake(v);
	expect(v, WIRE_HANDSHAKE, &m);
	b.packed[120] ^= 1;
	say_block(v, &b);
	expect_go_away(v, GO_AWAY_FATAL);
	assert_int_equal(chain_head(&v->n.chain)->num, BLOCKS);
}

static void a_block_of_the_future_is_ignored(void **state)
{
	struct env *v = *state;
	struct wire_message m;
	struct block b;

	v->h.head = BLOCKS;
	say_handshake(v);
	expect(v, WIRE_HANDSHAKE, &m);
	block_make(&b, chain_head(&v->n.chain)->id, slot_at(clock_real_ns()) + 20,
	        v->n.chain.producer, 0, NULL, 0);
	say_block(v, &b);
	assert_int_equal(chain_head(&v->n.chain)->num, BLOCKS);
}

static void an_unknown_range_is_refused(void **state)
{
	static const uint32_t rows[][2] = { { 0, 5 }, { 5, 4 }, { BLOCKS + 1, BLOCKS + 2 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct env *v = *state;
		struct buf b = BUF_INIT(4096);
		void *again = NULL;

		say_handshake(v);
		assert_int_equal(wire_put_request(&b, rows[i][0], rows[i][1]), 0);
		say(v, &b);
		expect_go_away(v, GO_AWAY_BENIGN);
		teardown(state);
		setup(&again);
		*state = again;
	}
}

static void whoever_speaks_out_of_turn_is_let_go(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t n;
	} rows[] = {
		{ "HTTP", "GET / HTTP/1.1\r\n\r\n", 18 },
		{ "a request first", "\x09\0\0\0\x03\x02\0\0\0\x03\0\0\0", 13 },
		{ "a huge frame", "\xff\xff\xff\xff", 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct env *v = *state;
		struct buf b = BUF_INIT(4096);
		struct wire_message m;
		void *again = NULL;

		work(v);
		assert_int_equal(buf_add(&b, rows[i].bytes, rows[i].n), 0);
		say(v, &b);
		if (hear(v, &m))
			fail_msg("row '%s': answered", rows[i].name);
		teardown(state);
		setup(&again);
		*state = again;
	}
}

/* It asks and asks and never reads: what is queued for it stays bounded. */
static void one_that_does_not_read_is_bounded(void **state)
{
	struct env *v = *state;
	struct conn *c;

	while (!v->n.p2p->conns)
		work(v);
	say_handshake(v);
	c = v->n.p2p->conns;
	assert_int_equal(c->state, CONN_OPEN);
	for (int i = 0; i < 300 && c->state == CONN_OPEN; i++) {
		struct buf b = BUF_INIT(65536);

		for (int k = 0; k < 100; k++)
			assert_int_equal(wire_put_request(&b, 1, BLOCKS), 0);
		(void)!send(v->fd, b.data, b.len, MSG_NOSIGNAL);
		buf_release(&b);
		work(v);
		assert_true(c->out.len <= CONN_OUT_MAX);
	}
}

/* As nodeos v4.0.6 does: after ten attempts, if it never was resolved. */
static void a_name_that_is_none_is_given_up(void **state)
{
	struct env *v = *state;
	struct p2p *p = v->n.p2p;
	struct conn *c = p2p_add(p, "not a name:1");

	assert_non_null(c);
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(c->state, CONN_RESOLVING);
		for (int k = 0; k < 1000 && c->state == CONN_RESOLVING; k++)
			work(v);
		assert_int_equal(c->state, CONN_CLOSED);
		assert_int_equal(c->immediate_closes, i);
		assert_true(p2p_connect(c));
	}
	assert_int_equal(c->state, CONN_CLOSED);
	assert_string_equal(p2p_api_connect(p, "not a name:1"), "already connected");
	assert_string_equal(p2p_api_disconnect(p, "not a name:1"), "connection removed");
	assert_string_equal(p2p_api_disconnect(p, "not a name:1"), "no known connection for host");
	assert_string_equal(p2p_api_connect(p, "not a name:1"), "added connection");
}

/* The text of those that came in is empty. */
static void one_that_came_in_can_be_let_go(void **state)
{
	struct env *v = *state;
	struct wire_message m;

	say_handshake(v);
	expect(v, WIRE_HANDSHAKE, &m);
	assert_string_equal(p2p_api_disconnect(v->n.p2p, ""), "connection removed");
	assert_string_equal(p2p_api_disconnect(v->n.p2p, ""), "no known connection for host");
	while (hear(v, &m))
		;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(one_behind_is_served),
		CASE(one_ahead_is_asked),
		CASE(a_block_without_its_parent_is_a_reason_to_ask),
		CASE(one_behind_that_does_not_ask_gets_new_heads),
		CASE(another_chain_is_refused),
		CASE(itself_is_refused),
		CASE(a_forked_lib_is_refused),
		CASE(a_forked_branch_is_refused),
		CASE(a_bad_block_is_refused),
		CASE(a_block_of_the_future_is_ignored),
		CASE(an_unknown_range_is_refused),
		CASE(whoever_speaks_out_of_turn_is_let_go),
		CASE(one_that_does_not_read_is_bounded),
		CASE(a_name_that_is_none_is_given_up),
		CASE(one_that_came_in_can_be_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
