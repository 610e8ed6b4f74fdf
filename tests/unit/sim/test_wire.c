#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "sim/wire.h"

static struct wire_handshake example(void)
{
	struct wire_handshake h = { .version = 1,
		.generation = 3,
		.time_ns = 1795170070161496895,
		.lib = 3,
		.head = 4,
		.address = "127.0.0.1:19882 - 693a491",
		.agent = "EOS Test Agent",
		.os = "linux" };

	memset(h.chain_id, 1, BLOCK_ID);
	memset(h.head_id, 2, BLOCK_ID);
	return h;
}

static int parse(struct wire_message *m, const struct buf *b, size_t n, size_t *used)
{
	struct err e = ERR_INIT;

	return wire_parse(m, used, (const unsigned char *)b->data, n, &e);
}

static void messages_come_back(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(8192);
	unsigned char previous[BLOCK_ID] = { 0, 0, 0, 9 };
	struct wire_handshake h = example();
	struct wire_message m;
	/* Ten bytes of a header, three numbers, no actions, nothing more. */
	const unsigned char empty[16] = { 1, 2, 3, 4 };
	struct trx trx;
	const struct trx *list = &trx;
	struct err e = ERR_INIT;
	struct block block;
	size_t used, at = 0;

	(void)state;
	assert_int_equal(trx_make(&trx, NULL, 0, empty, sizeof(empty)), 0);
	assert_int_equal(block_make(&block, previous, 77, 5, 0, &list, 1), 1);
	assert_int_equal(wire_put_handshake(&b, &h), 0);
	assert_int_equal(wire_put_go_away(&b, GO_AWAY_WRONG_CHAIN), 0);
	assert_int_equal(wire_put_request(&b, 2, 101), 0);
	assert_int_equal(wire_put_block(&b, &block), 0);
	assert_int_equal(wire_put_time(&b, -5), 0);
	assert_int_equal(wire_put_transaction(&b, &trx), 0);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(
		        wire_parse(&m, &used, (unsigned char *)b.data + at, b.len - at, &e), 0);
		at += used;
		assert_int_equal(m.type, i + 1);
		if (m.type == WIRE_HANDSHAKE)
			assert_memory_equal(&m.handshake, &h, sizeof(h));
		if (m.type == WIRE_GO_AWAY)
			assert_string_equal(wire_reason_text(m.reason), "wrong chain");
		if (m.type == WIRE_REQUEST)
			assert_true(m.request.first == 2 && m.request.last == 101);
		if (m.type == WIRE_BLOCK)
			assert_memory_equal(&m.block, &block, sizeof(block));
		if (m.type == WIRE_TIME)
			assert_true(m.time_ns == -5);
		if (m.type == WIRE_TRANSACTION)
			assert_memory_equal(&m.transaction, &trx, sizeof(trx));
	}
	assert_int_equal(at, b.len);
}

static void a_part_of_a_frame_is_waited_for(void **state)
{
	AUTO(buf) struct buf b = BUF_INIT(8192);
	struct wire_handshake h = example();
	struct wire_message m;
	size_t used;

	(void)state;
	assert_int_equal(wire_put_handshake(&b, &h), 0);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(parse(&m, &b, n, &used), 1);
}

static void bad_frames_are_errors(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t n;
	} rows[] = {
		{ "empty frame", "\0\0\0\0", 4 },
		{ "too long", "\1\10\0\0", 4 },
		{ "far too long", "\377\377\377\377", 4 },
		{ "unknown type", "\1\0\0\0\11", 5 },
		{ "type 0", "\1\0\0\0\0", 5 },
		{ "block too short", "\2\0\0\0\4x", 6 },
		{ "rest", "\12\0\0\0\5xxxxxxxxx", 14 },
		{ "handshake too short", "\3\0\0\0\1xx", 7 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct wire_message m;
		size_t used;

		if (wire_parse(&m, &used, (const unsigned char *)rows[i].bytes, rows[i].n, &e) !=
		        -1)
			fail_msg("row '%s' was taken", rows[i].name);
		assert_int_equal(e.kind, ERR_PROTOCOL);
	}
}

static void texts_are_bounded_and_printable(void **state)
{
	/* Where the address begins: type, numbers, ids, LIB and head with theirs, length. */
	const size_t at = WIRE_HEADER + 1 + 12 + 64 + 72 + 2;
	AUTO(buf) struct buf b = BUF_INIT(8192);
	AUTO(buf) struct buf longer = BUF_INIT(8192);
	struct wire_handshake h = example();
	struct wire_message m;
	size_t used;

	(void)state;
	h.os[0] = '\n';
	memset(h.address, 'a', sizeof(h.address) - 1);
	memset(h.agent, 'b', sizeof(h.agent) - 1);
	assert_int_equal(wire_put_handshake(&b, &h), 0);
	assert_int_equal(parse(&m, &b, b.len, &used), 0);
	assert_string_equal(m.handshake.os, "?inux");
	assert_int_equal(strlen(m.handshake.address), WIRE_ADDRESS - 1);
	/* An address of one byte more, in a frame that is right otherwise. */
	assert_int_equal(buf_add(&longer, b.data, at), 0);
	assert_int_equal(buf_add(&longer, "a", 1), 0);
	assert_int_equal(buf_add(&longer, b.data + at, b.len - at), 0);
	put_u32((unsigned char *)longer.data, (uint32_t)(longer.len - WIRE_HEADER));
	put_u16((unsigned char *)longer.data + at - 2, WIRE_ADDRESS);
	assert_int_equal(parse(&m, &longer, longer.len, &used), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_back),
		cmocka_unit_test(a_part_of_a_frame_is_waited_for),
		cmocka_unit_test(bad_frames_are_errors),
		cmocka_unit_test(texts_are_bounded_and_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
