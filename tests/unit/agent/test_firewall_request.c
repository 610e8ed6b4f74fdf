#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/firewall_request.h"
#include "base/str.h"
#include "firewall/model.h"

/* --- orders --------------------------------------------------------------------------------- */

static struct firewall_model *model(const char *additions, const char *const *nodes)
{
	struct firewall_model *m = test_calloc(1, sizeof(*m));
	struct err e = ERR_INIT;

	firewall_model_init(m);
	if (firewall_model_add(m, additions, strlen(additions), "test", NULL, 0, &e) < 0)
		fail_msg("%s", e.msg);
	for (; *nodes; nodes++)
		if (firewall_model_add_node(m, *nodes, &e) < 0)
			fail_msg("%s", e.msg);
	return m;
}

static const char *const two[] = { "10.0.0.1", "10.0.0.2", NULL };
static const char *const v6[] = { "fd00::1", "fd00::2", NULL };
static const char *const none[] = { NULL };

static char *order(const struct firewall_model *m, const char *more)
{
	struct err e = ERR_INIT;
	AUTO(json) json_t *j = firewall_model_json(m, &e);
	AUTO(free) char *text = json_text(j, false);

	return str_fmt("{\"format\":1,\"model\":%s%s}", text, more);
}

static void orders(void **state)
{
	static const struct {
		const char *more;
		bool is_check;
		const char *saved;
		bool is_taken;
	} rows[] = {
		{ "", false, "", true },
		{ ",\"is_check\":true", true, "11", true },
		{ ",\"if_saved\":[\"\",\"22\"]", false, "", true },
		{ ",\"if_saved\":[\"\",\"22\"]", false, "22", true },
		{ ",\"if_saved\":[\"\",\"22\"]", false, "33", false },
		{ ",\"if_saved\":[]", false, "", false },
		{ ",\"if_saved\":[7,null]", false, "", false },
	};
	struct firewall_model *m = model("", two);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct firewall_order *o = test_calloc(1, sizeof(*o));
		AUTO(free) char *text = order(m, rows[i].more);
		struct err e = ERR_INIT;

		if (firewall_order_parse(o, text, strlen(text), &e) < 0)
			fail_msg("%s: %s", rows[i].more, e.msg);
		if (o->is_check != rows[i].is_check || o->model.n_nodes != 2 ||
		        (firewall_order_check_saved(o, rows[i].saved, &e) == 0) != rows[i].is_taken)
			fail_msg("'%s' with '%s'", rows[i].more, rows[i].saved);
		assert_true(rows[i].is_taken || e.kind == ERR_CONFLICT);
		firewall_order_release(o);
		test_free(o);
	}
	test_free(m);
}

static void no_orders(void **state)
{
	static const char *const rows[] = { "", "{", "[]", "{\"format\":1}",
		"{\"format\":2,\"model\":{}}", "{\"format\":1,\"model\":[]}",
		"{\"format\":1,\"model\":{}}",
		"{\"format\":1,\"model\":{\"format\":1,\"rules\":[{\"who\":\"all\"}],\"nodes\":[]}"
		"}",
		"{\"format\":1,\"model\":{\"format\":1,\"rules\":[{\"who\":\"closed\",\"protocol\":"
		"\"tcp\",\"first\":22,\"last\":22}],\"nodes\":[],\"added_nodes\":[]}}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct firewall_order *o = test_calloc(1, sizeof(*o));
		struct err e = ERR_INIT;

		if (firewall_order_parse(o, rows[i], strlen(rows[i]), &e) == 0)
			fail_msg("'%s' is no order", rows[i]);
		if (e.kind != ERR_USAGE)
			fail_msg("'%s': kind %s", rows[i], err_kind_name(e.kind));
		firewall_order_release(o);
		test_free(o);
	}
}

/* --- nobody is locked out ------------------------------------------------------------------- */

static void stands(void **state)
{
	static const struct {
		const char *additions;
		const char *const *nodes;
		uint16_t port;
		const char *peer, *source; /* "": none */
		enum err_kind kind;
		const char *word;
	} rows[] = {
		{ "", two, 8870, "10.0.0.1", "10.0.0.2", ERR_NONE, "" },
		{ "", two, 8870, "", "10.0.0.2", ERR_NONE, "" },
		{ "", two, 8870, "::ffff:10.0.0.1", "10.0.0.2", ERR_NONE, "" },
		{ "", v6, 8870, "fd00::1", "fd00::2", ERR_NONE, "" },
		{ "", v6, 8870, "fd00::3", "fd00::2", ERR_CONFLICT, "fd00::3" },
		{ "", two, 8870, "10.0.0.3", "10.0.0.2", ERR_CONFLICT, "10.0.0.3, which asks" },
		{ "node 10.0.0.3\n", two, 8870, "10.0.0.3", "10.0.0.2", ERR_NONE, "" },
		/* The address that it goes out with is another than the one that it has
		 * as a node. */
		{ "", two, 8870, "10.0.0.1", "192.168.1.2", ERR_CONFLICT,
		        "192.168.1.2, which this host speaks" },
		{ "", two, 8870, "", "192.168.1.2", ERR_CONFLICT, "192.168.1.2" },
		{ "node 192.168.1.2\n", two, 8870, "", "192.168.1.2", ERR_NONE, "" },
		{ "", none, 8870, "10.0.0.2", "", ERR_CONFLICT, "no node" },
		{ "", none, 8870, "", "", ERR_NONE, "" },
		{ "", two, 8870, "unknown", "10.0.0.2", ERR_CONFLICT, "'unknown'" },
		/* The agents' own port. */
		{ "closed tcp 8870\n", two, 8870, "", "", ERR_CONFLICT, "8870" },
		{ "closed tcp 9999\n", two, 9999, "", "", ERR_CONFLICT, "9999" },
		{ "open tcp 8870\n", two, 8870, "10.0.0.3", "", ERR_CONFLICT, "2377" },
		{ "open tcp 8870\n", two, 8870, "10.0.0.1", "10.0.0.2", ERR_NONE, "" },
		{ "from tcp 8870 10.0.0.0/24\n", two, 8870, "10.0.0.1", "10.0.0.2", ERR_NONE, "" },
		{ "from tcp 8870 10.9.0.0/16\n", two, 8870, "10.0.0.1", "10.0.0.2", ERR_NONE, "" },
		{ "from tcp 8870 10.0.0.9\n", two, 8870, "10.0.0.9", "", ERR_CONFLICT, "2377" },
		{ "from tcp 9000 10.0.0.9\n", two, 9000, "10.0.0.1", "", ERR_CONFLICT, "9000" },
		/* The swarm's. */
		{ "closed tcp 2377\n", two, 8870, "10.0.0.1", "10.0.0.2", ERR_CONFLICT,
		        "2377/tcp" },
		{ "closed udp 4789\n", two, 8870, "", "10.0.0.2", ERR_CONFLICT, "4789/udp" },
		{ "closed udp 7946\n", two, 8870, "", "10.0.0.2", ERR_CONFLICT, "7946/udp" },
		{ "closed tcp 2376\n", two, 8870, "10.0.0.1", "10.0.0.2", ERR_NONE, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct firewall_model *m = model(rows[i].additions, rows[i].nodes);
		struct firewall_net source;
		struct firewall_stand s = { .port = rows[i].port,
			.peer = rows[i].peer,
			.sources = &source,
			.n_sources = *rows[i].source != '\0' };
		struct err e = ERR_INIT;

		if (s.n_sources)
			assert_int_equal(firewall_address_parse(&source, rows[i].source), 0);
		(void)!firewall_stand_check(m, &s, &e);
		if (e.kind != rows[i].kind || !strstr(e.msg, rows[i].word))
			fail_msg("row %zu: %s: %s", i, err_kind_name(e.kind), e.msg);
		test_free(m);
	}
}

static void ssh_is_not_touched(void **state)
{
	struct firewall_model *m = model("", two);
	struct firewall_stand s = { .port = 8870, .peer = "" };
	struct err e = ERR_INIT;

	(void)state;
	/* Not by the way of a file or JSON, which refuse it themselves. */
	m->rules[m->n_rules++] =
	        (struct firewall_rule){ .who = FIREWALL_NODES, .first = 20, .last = 30 };
	assert_int_equal(firewall_stand_check(m, &s, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	test_free(m);
}

/* --- questions ------------------------------------------------------------------------------ */

static void questions(void **state)
{
	static const struct {
		const char *text;
		bool is_remote;
		enum err_kind kind;
	} rows[] = {
		{ "{\"format\":1,\"addresses\":[\"10.0.0.1\"],\"ports\":[1,65535],\"timeout_ms\":"
		  "1}",
		        true, ERR_NONE },
		{ "{\"addresses\":[\"10.0.0.1\",\"10.0.0.2\"],\"ports\":[80],\"timeout_ms\":10000}",
		        true, ERR_NONE },
		{ "{\"addresses\":[\"10.0.0.3\"],\"ports\":[80],\"timeout_ms\":10}", true,
		        ERR_DENIED },
		{ "{\"addresses\":[\"127.0.0.1\"],\"ports\":[80],\"timeout_ms\":10}", true,
		        ERR_DENIED },
		{ "{\"addresses\":[\"10.0.0.3\"],\"ports\":[80],\"timeout_ms\":10}", false,
		        ERR_NONE },
		{ "{\"addresses\":[\"node1\"],\"ports\":[80],\"timeout_ms\":10}", false,
		        ERR_USAGE },
		{ "{\"addresses\":[7],\"ports\":[80],\"timeout_ms\":10}", false, ERR_USAGE },
		{ "{\"addresses\":[],\"ports\":[80],\"timeout_ms\":10}", false, ERR_USAGE },
		{ "{\"addresses\":[\"10.0.0.1\"],\"ports\":[],\"timeout_ms\":10}", false,
		        ERR_USAGE },
		{ "{\"addresses\":[\"10.0.0.1\"],\"ports\":[0],\"timeout_ms\":10}", false,
		        ERR_USAGE },
		{ "{\"addresses\":[\"10.0.0.1\"],\"ports\":[65536],\"timeout_ms\":10}", false,
		        ERR_USAGE },
		{ "{\"addresses\":[\"10.0.0.1\"],\"ports\":[\"80\"],\"timeout_ms\":10}", false,
		        ERR_USAGE },
		{ "{\"addresses\":[\"10.0.0.1\"],\"ports\":[80]}", false, ERR_USAGE },
		{ "{\"addresses\":[\"10.0.0.1\"],\"ports\":[80],\"timeout_ms\":10001}", false,
		        ERR_USAGE },
		{ "{", false, ERR_USAGE },
		{ "{\"format\":3}", false, ERR_USAGE },
	};
	struct firewall_model *m = model("", two);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct firewall_question *q = firewall_question_parse(
		        rows[i].text, strlen(rows[i].text), rows[i].is_remote ? m : NULL, &e);

		if ((q != NULL) != (rows[i].kind == ERR_NONE) || e.kind != rows[i].kind)
			fail_msg("'%s': %s %s", rows[i].text, err_kind_name(e.kind), e.msg);
		firewall_question_free(q);
	}
	test_free(m);
}

/* 256 addresses are as many as there may be, and so are 16 ports for them. */
static void a_long_question(void **state)
{
	(void)state;
	for (unsigned ports = 16; ports <= 17; ports++) {
		AUTO(json)
		json_t *j = json_pack("{s:[], s:[], s:i}", "addresses", "ports", "timeout_ms", 5);
		AUTO(free) char *text = NULL;
		struct firewall_question *q;
		struct err e = ERR_INIT;
		char address[16];

		for (unsigned i = 0; i < FIREWALL_PROBE_ADDRESSES; i++) {
			(void)snprintf(address, sizeof(address), "10.0.0.%u", i);
			json_array_append_new(
			        json_object_get(j, "addresses"), json_string(address));
		}
		for (unsigned i = 1; i <= ports; i++)
			json_array_append_new(json_object_get(j, "ports"), json_integer(i));
		text = json_text(j, false);
		q = firewall_question_parse(text, strlen(text), NULL, &e);
		assert_int_equal(q != NULL, ports == 16);
		firewall_question_free(q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders),
		cmocka_unit_test(no_orders),
		cmocka_unit_test(stands),
		cmocka_unit_test(ssh_is_not_touched),
		cmocka_unit_test(questions),
		cmocka_unit_test(a_long_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
