#include "unit/test.h"

#include <string.h>

#include "agent/proc.h"
#include "base/compiler.h"

#define TCP_HEAD                                                                              \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  " \
	"timeout inode\n"

static void sockets(void **state)
{
	static const struct {
		const char *name, *text;
		int n; /* how many lines are understood */
		const char *local, *remote;
		unsigned local_port, remote_port, st, uid, inode; /* of the first */
	} rows[] = {
		{ "listener",
		        TCP_HEAD
		        "   0: 0100007F:0947 00000000:0000 0A 00000000:00000000 00:00000000 "
		        "00000000   101        0 1613 1 0000000000000000 100 0 0 10 0\n",
		        1, "127.0.0.1", "0.0.0.0", 2375, 0, PROC_TCP_LISTEN, 101, 1613 },
		{ "connection",
		        "  12: 0200000A:0949 0300000A:D431 01 00000000:00000000 02:000A7D3B "
		        "00000000     0        0 20044 2 0000000000000000 20 4 30 10 -1\n",
		        1, "10.0.0.2", "10.0.0.3", 2377, 54321, PROC_TCP_OPEN, 0, 20044 },
		{ "v6 wildcard",
		        "   1: 00000000000000000000000000000000:1F0A "
		        "00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 "
		        "00000000     0        0 77 1 0 100 0 0 10 0\n",
		        1, "::", "::", 7946, 0, PROC_TCP_LISTEN, 0, 77 },
		{ "v4 in v6",
		        "   1: 0000000000000000FFFF00000200000A:0949 "
		        "0000000000000000FFFF00000300000A:8000 01 00000000:00000000 00:00000000 "
		        "00000000     0        0 78 1 0 100 0 0 10 0\n",
		        1, "::ffff:10.0.0.2", "::ffff:10.0.0.3", 2377, 32768, PROC_TCP_OPEN, 0,
		        78 },
		{ "udp of the kernel",
		        " 1234: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 "
		        "00000000     0        0 0 2 0000000000000000 0\n",
		        1, "0.0.0.0", "0.0.0.0", 4789, 0, PROC_UDP_BOUND, 0, 0 },
		{ "no final newline", "   0: 0100007F:0947 00000000:0000 0A 0:0 00:0 0 101 0 1613",
		        1, "127.0.0.1", "0.0.0.0", 2375, 0, PROC_TCP_LISTEN, 101, 1613 },
		{ "empty", "", 0, NULL, NULL, 0, 0, 0, 0, 0 },
		{ "head only", TCP_HEAD, 0, NULL, NULL, 0, 0, 0, 0, 0 },
		{ "address too short", "0: 00007F:0947 00000000:0000 0A 0:0 00:0 0 1 0 1\n", 0,
		        NULL, NULL, 0, 0, 0, 0, 0 },
		{ "no port", "0: 0100007F 00000000:0000 0A 0:0 00:0 0 1 0 1\n", 0, NULL, NULL, 0, 0,
		        0, 0, 0 },
		{ "not hex", "0: 01xx007F:0947 00000000:0000 0A 0:0 00:0 0 1 0 1\n", 0, NULL, NULL,
		        0, 0, 0, 0, 0 },
		{ "cut line before a good one",
		        "0: 0100007F:09\n1: 0100007F:0947 00000000:0000 0A 0:0 00:0 0 101 0 1613\n",
		        1, "127.0.0.1", "0.0.0.0", 2375, 0, PROC_TCP_LISTEN, 101, 1613 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *at = rows[i].text;
		struct proc_socket s = { .state = 0 }, first = { .state = 0 };
		int n = 0;

		while (proc_socket_next(&s, &at) == 0)
			if (n++ == 0)
				first = s;
		if (n != rows[i].n)
			fail_msg("%s: %d sockets, not %d", rows[i].name, n, rows[i].n);
		if (n == 0)
			continue;
		if (strcmp(first.local, rows[i].local) != 0 ||
		        strcmp(first.remote, rows[i].remote) != 0 ||
		        first.local_port != rows[i].local_port ||
		        first.remote_port != rows[i].remote_port || first.state != rows[i].st ||
		        first.uid != rows[i].uid || first.inode != rows[i].inode)
			fail_msg("%s: %s:%u %s:%u %u %u %llu", rows[i].name, first.local,
			        first.local_port, first.remote, first.remote_port, first.state,
			        first.uid, (unsigned long long)first.inode);
	}
}

static void others(void **state)
{
	static const char dep[] = "kernel/net/netfilter/ipvs/ip_vs_rr.ko: kernel/ip_vs.ko\n"
	                          "kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/a.ko\n";
	char word[16];

	(void)state;
	assert_int_equal(
	        proc_meminfo_bytes("MemTotal:  10 kB\nSwapTotal: 0 kB\n", "MemTotal"), 10240);
	assert_int_equal(proc_meminfo_bytes("MemTotal:  10 kB\nSwapTotal: 0 kB\n", "SwapTotal"), 0);
	assert_int_equal(proc_meminfo_bytes("MemTotal:  10 kB\n", "Mem"), -1);
	assert_int_equal(proc_meminfo_bytes("MemTotal:  x kB\n", "MemTotal"), -1);
	proc_chosen_word(word, sizeof(word), "always [madvise] never\n");
	assert_string_equal(word, "madvise");
	proc_chosen_word(word, sizeof(word), "always madvise never\n");
	assert_string_equal(word, "");
	proc_chosen_word(word, sizeof(word), "always [madvise\n");
	assert_string_equal(word, "");
	proc_chosen_word(word, sizeof(word), "[a-word-that-is-too-long]");
	assert_string_equal(word, "");
	assert_false(proc_lists_module(dep, "ip_vs"));
	assert_true(proc_lists_module(dep, "ip_vs_rr"));
	assert_true(proc_lists_module(dep, "vxlan"));
	assert_true(proc_lists_module("kernel/ip_vs.ko\n", "ip_vs"));
	assert_false(proc_lists_module("", "ip_vs"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets),
		cmocka_unit_test(others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
