#include "unit/test.h"

#include "nodeos/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void one_peer(void **state)
{
	static const struct {
		const char *peer, *wanted, *says;
	} t[] = {
		{ "peer.example:9876", "peer.example:9876", NULL },
		{ "Peer.EXAMPLE:09876", "peer.example:9876", NULL },
		{ "127.0.0.1:1", "127.0.0.1:1", NULL },
		{ "a:65535:trx", "a:65535:trx", NULL },
		{ "a:1:BLK", "a:1:blk", NULL },
		{ "nodeswarm_readers:9876", "nodeswarm_readers:9876", NULL },
		{ "tasks.readers:9876", "tasks.readers:9876", NULL },
		{ "_srv.example:1", "_srv.example:1", NULL },
		{ "[::1]:9876", "[::1]:9876", NULL },
		{ "[2001:0DB8::0001]:9876:trx", "[2001:db8::1]:9876:trx", NULL },
		{ "1a:1", "1a:1", NULL },
		{ "", NULL, "not host:port" },
		{ "nohostport", NULL, "not host:port" },
		{ ":9876", NULL, "not a host" },
		{ "a:", NULL, "not a port" },
		{ "a:0", NULL, "not a port" },
		{ "a:65536", NULL, "not a port" },
		{ "a:+1", NULL, "not a port" },
		{ "a: 1", NULL, "not a port" },
		{ "a:1x", NULL, "not a port" },
		{ "a:1:", NULL, "neither trx nor blk" },
		{ "a:1:tx", NULL, "neither trx nor blk" },
		{ "a:1:trx:blk", NULL, "neither trx nor blk" },
		{ "::1:9876", NULL, "not a host" },
		{ "[::1]", NULL, "not host:port" },
		{ "[::1]9876", NULL, "not host:port" },
		{ "[::1", NULL, "not host:port" },
		{ "[]:1", NULL, "not a host" },
		{ "[fe80::1%eth0]:1", NULL, "not a host" },
		{ "[1.2.3.4]:1", NULL, "not a host" },
		{ "256.1.1.1:1", NULL, "not a host" },
		{ "1.2.3:1", NULL, "not a host" },
		{ "9876:1", NULL, "not a host" },
		{ "-a:1", NULL, "not a host" },
		{ "a-.b:1", NULL, "not a host" },
		{ "a..b:1", NULL, "not a host" },
		{ ".a:1", NULL, "not a host" },
		{ "a.:1", NULL, "not a host" },
		{ "a b:1", NULL, "not a host" },
		{ "a/b:1", NULL, "not a host" },
		{ "h\xc3\xa4:1", NULL, "not a host" },
		{ "http://a:1", NULL, "not a port" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char out[NODEOS_PEER_SIZE];
		struct err e = ERR_INIT;
		int rc = nodeos_peer_check(out, t[i].peer, &e);

		if (rc != (t[i].wanted ? 0 : -1))
			fail_msg("'%s': %d %s", t[i].peer, rc, e.msg);
		if (t[i].wanted && strcmp(out, t[i].wanted) != 0)
			fail_msg("'%s': '%s'", t[i].peer, out);
		if (t[i].says && !strstr(e.msg, t[i].says))
			fail_msg("'%s': '%s'", t[i].peer, e.msg);
	}
}

static void long_hosts(void **state)
{
	char name[400], label[80], out[NODEOS_PEER_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	memset(label, 'a', 63);
	snprintf(label + 63, sizeof(label) - 63, ":1");
	assert_int_equal(nodeos_peer_check(out, label, &e), 0);
	memset(label, 'a', 64);
	snprintf(label + 64, sizeof(label) - 64, ":1");
	assert_int_equal(nodeos_peer_check(out, label, &e), -1);
	for (size_t n = 253; n <= 300; n++) {
		err_clear(&e);
		for (size_t i = 0; i < n; i++)
			name[i] = i % 2 ? '.' : 'a';
		name[n - 1] = 'b';
		if (n % 2 == 0)
			name[n - 2] = 'b';
		snprintf(name + n, sizeof(name) - n, ":65535:trx");
		assert_int_equal(nodeos_peer_check(out, name, &e), n == 253 ? 0 : -1);
	}
}

static void a_list(void **state)
{
	static const char text[] = "# seeds\n"
	                           "p2p-peer-address = A.example:9876\n"
	                           "\n"
	                           "  b.example:9876:trx   # fast\r\n"
	                           "p2p-peer-address=[::0001]:9\n"
	                           "a.example:09876\n"
	                           "b.example:9876";
	AUTO(nodeos_peers) struct nodeos_peers p = NODEOS_PEERS_INIT;
	struct err e = ERR_INIT;

	(void)state;
	if (nodeos_peers_parse(&p, "peerlist.ini", text, strlen(text), &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(p.text.n, 4);
	assert_string_equal(p.text.v[0], "a.example:9876");
	assert_string_equal(p.text.v[1], "b.example:9876:trx");
	assert_string_equal(p.text.v[2], "[::1]:9");
	assert_string_equal(p.text.v[3], "b.example:9876");

	assert_int_equal(
	        nodeos_peers_add_words(&p, "NODESWARM_PEERS", " c:1\t a.example:9876 ", &e), 0);
	assert_int_equal(p.text.n, 5);
	assert_int_equal(nodeos_peers_add_words(&p, "NODESWARM_PEERS", "", &e), 0);
	assert_int_equal(nodeos_peers_add_words(&p, "NODESWARM_PEERS", "d:1 e", &e), -1);
	assert_string_equal(e.msg, "NODESWARM_PEERS: peer 'e' is not host:port[:trx|blk]");
}

static void bad_lists(void **state)
{
	static const struct {
		const char *text, *says;
	} t[] = {
		{ "a:1\nb\n", "p.ini:2: peer 'b' is not host:port[:trx|blk]" },
		{ "a:1\n\n# x\nb:0", "p.ini:4: peer 'b:0': '0' is not a port from 1 to 65535" },
		{ "p2p-peer-addres = a:1",
		        "p.ini:1: 'p2p-peer-addres' does not belong here, only "
		        "p2p-peer-address" },
		{ "p2p-peer-address =", "p.ini:1: peer '' is not host:port[:trx|blk]" },
		{ "a:1 b:1", "p.ini:1: peer 'a:1 b:1': '1 b' is not a port from 1 to 65535" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(nodeos_peers) struct nodeos_peers p = NODEOS_PEERS_INIT;
		struct err e = ERR_INIT;

		assert_int_equal(
		        nodeos_peers_parse(&p, "p.ini", t[i].text, strlen(t[i].text), &e), -1);
		assert_string_equal(e.msg, t[i].says);
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

static void limits(void **state)
{
	AUTO(nodeos_peers) struct nodeos_peers p = NODEOS_PEERS_INIT;
	AUTO(buf) struct buf b = BUF_INIT(4 * NODEOS_PEERS_TEXT_MAX);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(nodeos_peers_parse(&p, "p", "a:1\0b", 5, &e), -1);
	for (int i = 1; i <= NODEOS_PEERS_MAX; i++)
		assert_int_equal(buf_add_fmt(&b, "a:%d\n", i), 0);
	err_clear(&e);
	assert_int_equal(nodeos_peers_parse(&p, "p", b.data, b.len, &e), 0);
	assert_int_equal(p.text.n, NODEOS_PEERS_MAX);
	assert_int_equal(nodeos_peers_parse(&p, "p", "a:7\nb:1", 7, &e), -1);
	assert_string_equal(e.msg, "p:2: more than 1000 peers");

	err_clear(&e);
	buf_clear(&b);
	for (int i = 0; i < NODEOS_PEERS_LINES_MAX; i++)
		assert_int_equal(buf_add_str(&b, "\n"), 0);
	assert_int_equal(nodeos_peers_parse(&p, "p", b.data, b.len, &e), 0);
	assert_int_equal(buf_add_str(&b, "#"), 0);
	assert_int_equal(nodeos_peers_parse(&p, "p", b.data, b.len, &e), -1);
	assert_string_equal(e.msg, "p: more than 10000 lines");

	err_clear(&e);
	while (b.len < NODEOS_PEERS_TEXT_MAX + 1)
		assert_int_equal(buf_add_str(&b, " "), 0);
	assert_int_equal(nodeos_peers_parse(&p, "p", b.data, b.len, &e), -1);
	assert_string_equal(e.msg, "p: more than 1048576 bytes");
}

/* What must hold for any number of peers and slots. */
static void check_sharing(size_t peers, unsigned slots)
{
	unsigned used[80] = { 0 }, most = 0, least = UINT32_MAX;
	size_t each = (peers + slots - 1) / slots;

	if (each < 4)
		each = peers < 4 ? peers : 4;
	for (unsigned slot = 1; slot <= slots; slot++) {
		struct nodeos_peers_share s = nodeos_peers_share(peers, slots, slot);

		if (s.n != each || s.first >= peers)
			fail_msg("P %zu N %u S %u: %zu from %zu", peers, slots, slot, s.n, s.first);
		for (size_t i = 0; i < s.n; i++)
			used[(s.first + i) % peers]++;
	}
	for (size_t i = 0; i < peers; i++) {
		if (!used[i])
			fail_msg("P %zu N %u: peer %zu is unused", peers, slots, i);
		most = used[i] > most ? used[i] : most;
		least = used[i] < least ? used[i] : least;
	}
	/* An even load: the windows are equally long and their beginnings equally far apart. */
	if (most > least + (peers >= slots ? 2 : each))
		fail_msg("P %zu N %u: a peer has %u slots, another %u", peers, slots, most, least);
}

static void sharing(void **state)
{
	(void)state;
	for (size_t peers = 1; peers <= 70; peers++) {
		for (unsigned slots = 1; slots <= 70; slots++)
			check_sharing(peers, slots);
		check_sharing(peers, 1000);
	}
}

static void sharing_at_the_edges(void **state)
{
	static const unsigned slots[] = { 0, 1, 4, UINT32_MAX };
	static const unsigned slot[] = { 0, 1, 9, 1000, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(slots); i++)
		for (size_t j = 0; j < ARRAY_LEN(slot); j++) {
			struct nodeos_peers_share s = nodeos_peers_share(7, slots[i], slot[j]);

			assert_true(s.n >= 4 && s.n <= 7 && s.first < 7);
			s = nodeos_peers_share(0, slots[i], slot[j]);
			assert_int_equal(s.n, 0);
		}
	/* Neighbours do not have the same peers when there are more slots than peers. */
	assert_int_not_equal(
	        nodeos_peers_share(8, 100, 1).first, nodeos_peers_share(8, 100, 2).first);
	/* Slot 9 of 4 gets what slot 1 gets. */
	assert_int_equal(nodeos_peers_share(20, 4, 9).first, nodeos_peers_share(20, 4, 1).first);
	assert_int_equal(nodeos_peers_share(20, 4, 2).first, 5);
	assert_int_equal(nodeos_peers_share(20, 4, 2).n, 5);
	/* All in one slot are all of them. */
	assert_int_equal(nodeos_peers_share(20, 1, 3).n, 20);
}

static void for_slot(void **state)
{
	AUTO(nodeos_peers) struct nodeos_peers p = NODEOS_PEERS_INIT;
	AUTO(strvec) struct strvec out = STRVEC_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(nodeos_peers_for_slot(&out, &p, 4, 1, &e), 0);
	assert_int_equal(out.n, 0);
	assert_int_equal(nodeos_peers_add_words(&p, "x", "a:1 b:1 c:1 d:1 e:1 f:1", &e), 0);
	assert_int_equal(nodeos_peers_for_slot(&out, &p, 3, 3, &e), 0);
	assert_int_equal(out.n, 4);
	assert_string_equal(out.v[0], "e:1");
	assert_string_equal(out.v[1], "f:1");
	assert_string_equal(out.v[2], "a:1");
	assert_string_equal(out.v[3], "b:1");
}

static void service_names(void **state)
{
	static const struct {
		const char *peer;
		bool wanted;
	} t[] = {
		{ "devchain:9876", true },
		{ "tasks.readers:9876:blk", true },
		{ "nodeswarm_readers:1", true },
		{ "tasks.a.b:1", false },
		{ "p2p.example.com:9876", false },
		{ "10.0.0.1:9876", false },
		{ "[2001:db8::1]:9876", false },
		{ "localhost:9876", false },
		{ "localhosts:9876", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (nodeos_peer_is_service(t[i].peer) != t[i].wanted)
			fail_msg("%s", t[i].peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(service_names),
		cmocka_unit_test(one_peer),
		cmocka_unit_test(long_hosts),
		cmocka_unit_test(a_list),
		cmocka_unit_test(bad_lists),
		cmocka_unit_test(limits),
		cmocka_unit_test(sharing),
		cmocka_unit_test(sharing_at_the_edges),
		cmocka_unit_test(for_slot),
	};

	return cmocka_run_group_tests_name("nodeos/peers", tests, NULL, NULL);
}
