#include "unit/test.h"

#include <string.h>

#include "agent/address.h"

#define HEAD "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
#define REST " 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0\n"
/* 0949 is 2377. */
#define LISTEN_ANY4  "   0: 00000000:0949 00000000:0000 0A" REST
#define LISTEN_LO    "   0: 0100007F:0949 00000000:0000 0A" REST
#define LISTEN_4     "   1: 014DA8C0:0949 00000000:0000 0A" REST /* 192.168.77.1 */
#define LISTEN_OTHER "   1: 054DA8C0:1F90 00000000:0000 0A" REST
#define SERVES_4     "   2: 0200000A:0949 0300000A:D431 01" REST /* 10.0.0.2, asked by 10.0.0.3 */
#define ASKS_4       "   3: 0400000A:D431 0300000A:0949 01" REST /* 10.0.0.4 asks */
#define ASKS_LO      "   3: 0100007F:D431 0100007F:0949 01" REST
#define WAITS_4      "   3: 0400000A:D431 0300000A:0949 06" REST /* time-wait */
#define LISTEN_ANY6                                    \
	"   0: 00000000000000000000000000000000:0949 " \
	"00000000000000000000000000000000:0000 0A" REST
/* ::ffff:10.0.0.2, as a socket of both families has it */
#define SERVES_MAPPED                                  \
	"   2: 0000000000000000FFFF00000200000A:0949 " \
	"0000000000000000FFFF00000300000A:D431 01" REST
/* fd00::2 */
#define LISTEN_6                                       \
	"   0: 000000FD000000000000000002000000:0949 " \
	"00000000000000000000000000000000:0000 0A" REST
/* fe80::2 */
#define SERVES_LINK_LOCAL                              \
	"   0: 000080FE000000000000000002000000:0949 " \
	"000080FE000000000000000003000000:D431 01" REST

#define ROUTES \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define DEFAULT(dev, metric) dev "\t00000000\t010011AC\t0003\t0\t0\t" metric "\t00000000\t0\t0\t0\n"
#define NET(dev)             dev "\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"

#define IFS "lo 127.0.0.1\neth0 172.17.0.9\neth1 192.168.0.7\nlo ::1\neth0 fe80::1\n"

static void chooses(void **state)
{
	static const struct {
		const char *name;
		struct address_facts f;
		enum address_source source;
		const char *address;
	} rows[] = {
		{ "nothing", { 0 }, ADDRESS_NONE, "" },
		{ "empty", { "", "", "", "", "" }, ADDRESS_NONE, "" },
		{ "host.json before all",
		        { "{\"format\":1,\"address\":\"10.9.8.7\"}", HEAD LISTEN_4, NULL, NULL,
		                IFS },
		        ADDRESS_HOST_JSON, "10.9.8.7" },
		{ "host.json, v6",
		        { .host_json = "{\"format\":1,\"address\":\"fd00::7\",\"x\":1}" },
		        ADDRESS_HOST_JSON, "fd00::7" },
		{ "host.json of another format",
		        { "{\"format\":2,\"address\":\"10.9.8.7\"}", HEAD LISTEN_4, NULL, NULL,
		                IFS },
		        ADDRESS_SWARM, "192.168.77.1" },
		{ "host.json with a name",
		        { "{\"format\":1,\"address\":\"host\"}", .interfaces = IFS },
		        ADDRESS_LOOPBACK, "127.0.0.1" },
		{ "host.json with a wildcard",
		        { "{\"format\":1,\"address\":\"0.0.0.0\"}", .interfaces = IFS },
		        ADDRESS_LOOPBACK, "127.0.0.1" },
		{ "host.json cut", { "{\"format\":1,\"addr", .interfaces = IFS }, ADDRESS_LOOPBACK,
		        "127.0.0.1" },
		{ "listens", { .tcp = HEAD LISTEN_OTHER LISTEN_4 }, ADDRESS_SWARM, "192.168.77.1" },
		{ "listens on any, is asked",
		        { .tcp = HEAD LISTEN_ANY4 ASKS_4 SERVES_4, .tcp6 = HEAD LISTEN_ANY6 },
		        ADDRESS_SWARM, "10.0.0.2" },
		{ "is asked, v4 on a v6 socket", { .tcp6 = HEAD LISTEN_ANY6 SERVES_MAPPED },
		        ADDRESS_SWARM, "10.0.0.2" },
		{ "a worker asks", { .tcp = HEAD LISTEN_OTHER ASKS_4, .interfaces = IFS },
		        ADDRESS_SWARM, "10.0.0.4" },
		{ "listens on v6", { .tcp = HEAD ASKS_4, .tcp6 = HEAD LISTEN_6 }, ADDRESS_SWARM,
		        "fd00::2" },
		{ "the swarm is on loopback",
		        { .tcp = HEAD LISTEN_LO ASKS_LO,
		                .route = ROUTES DEFAULT("eth0", "0"),
		                .interfaces = IFS },
		        ADDRESS_SWARM, "127.0.0.1" },
		{ "what loopback asks says nothing",
		        { .tcp = HEAD LISTEN_ANY4 ASKS_LO WAITS_4,
		                .route = ROUTES NET("eth1") DEFAULT("eth0", "0"),
		                .interfaces = IFS },
		        ADDRESS_ROUTE, "172.17.0.9" },
		{ "link-local is no address", { .tcp6 = HEAD SERVES_LINK_LOCAL, .interfaces = IFS },
		        ADDRESS_LOOPBACK, "127.0.0.1" },
		{ "the better default route",
		        { .route = ROUTES DEFAULT("eth0", "100") DEFAULT("eth1", "50"),
		                .interfaces = IFS },
		        ADDRESS_ROUTE, "192.168.0.7" },
		{ "a route without an address",
		        { .route = ROUTES DEFAULT("eth9", "0"), .interfaces = IFS },
		        ADDRESS_LOOPBACK, "127.0.0.1" },
		{ "no default route", { .route = ROUTES NET("eth1"), .interfaces = IFS },
		        ADDRESS_LOOPBACK, "127.0.0.1" },
		{ "garbage",
		        { "[", "x\n0: 0:0 0:0\n : :\n", "1: 00:0949 00:0000 0A\n", "\n\n\t\n",
		                "lo\nlo x\n\n" },
		        ADDRESS_NONE, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[ADDRESS_MAX] = "?";
		enum address_source s = address_choose(out, &rows[i].f);

		if (s != rows[i].source || strcmp(out, rows[i].address) != 0)
			fail_msg("%s: '%s' of %s", rows[i].name, out, address_source_name(s));
	}
}

static void this_host_has_one(void **state)
{
	char out[ADDRESS_MAX];
	bool is_v6;

	(void)state;
	/* A namespace may be without any. */
	if (address_look(out, -1) != ADDRESS_NONE)
		assert_true(address_is_ip(out, &is_v6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses),
		cmocka_unit_test(this_host_has_one),
	};

	return cmocka_run_group_tests_name("agent/address", tests, NULL, NULL);
}
