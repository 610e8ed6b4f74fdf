#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "deploy/firewall.h"
#include "firewall/model.h"

#define HOSTS 3

/* --- a swarm of three ----------------------------------------------------------------------- */

static struct engine_node nodes[HOSTS];
static struct firewall_swarm swarm;

static void set_node(unsigned i, const char *addr, const char *manager)
{
	struct engine_node *n = &nodes[i];

	*n = (struct engine_node){ .is_manager = *manager != '\0' };
	(void)snprintf(n->id, sizeof(n->id), "id%u", i + 1);
	(void)snprintf(n->hostname, sizeof(n->hostname), "node%u", i + 1);
	(void)snprintf(n->addr, sizeof(n->addr), "%s", addr);
	(void)snprintf(n->manager_addr, sizeof(n->manager_addr), "%s", manager);
	(void)snprintf(n->state, sizeof(n->state), "ready");
}

static int setup(void **state)
{
	(void)state;
	set_node(0, "10.0.0.1", "10.0.0.1:2377");
	set_node(1, "10.0.0.2", "");
	set_node(2, "10.0.0.3", "");
	swarm = (struct firewall_swarm){ .nodes = { .v = nodes, .n = HOSTS }, .n = HOSTS };
	swarm.v = calloc(HOSTS, sizeof(*swarm.v));
	for (unsigned i = 0; i < HOSTS; i++)
		swarm.v[i].node = &nodes[i];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HOSTS; i++) {
		json_decref(swarm.v[i].body);
		firewall_view_release(&swarm.v[i].view);
	}
	free(swarm.v);
	return 0;
}

static struct firewall_model *model(const char *additions, const char *const *addresses)
{
	struct firewall_model *m = calloc(1, sizeof(*m));
	struct err e = ERR_INIT;

	firewall_model_init(m);
	if (firewall_model_add(m, additions, strlen(additions), "test", NULL, 0, &e) < 0)
		fail_msg("%s", e.msg);
	for (; *addresses; addresses++)
		if (firewall_model_add_node(m, *addresses, &e) < 0)
			fail_msg("%s", e.msg);
	return m;
}

static const char *const all[] = { "10.0.0.1", "10.0.0.2", "10.0.0.3", NULL };

/* The host says that it has that model (NULL: none). */
static void has(unsigned i, const struct firewall_model *m, int64_t saved_ns, const char *differs)
{
	struct err e = ERR_INIT;
	AUTO(json) json_t *list = json_array();
	AUTO(json) json_t *body = NULL;

	if (*differs)
		json_array_append_new(list, json_string(differs));
	body = json_pack("{s:{s:b, s:I, s:o?, s:O, s:i, s:s, s:n}}", "firewall", "is_saved",
	        m != NULL, "saved_ns", (json_int_t)saved_ns, "model",
	        m ? firewall_model_json(m, &e) : NULL, "differs", list, "n_differs",
	        (int)json_array_size(list), "backend", "nft", "error");
	firewall_view_release(&swarm.v[i].view);
	if (firewall_view_parse(&swarm.v[i].view, body, &e) < 0)
		fail_msg("%s", e.msg);
}

/* --- nodes ---------------------------------------------------------------------------------- */

static void nodes_of_the_swarm(void **state)
{
	static const struct {
		const char *addr[HOSTS], *manager;
		const char *unknown; /* NULL: all are known */
		const char *has[5];  /* besides the first two */
	} rows[] = {
		{ { "10.0.0.1", "10.0.0.2", "10.0.0.3" }, "10.0.0.1:2377", NULL,
		        { "10.0.0.3", NULL } },
		/* Another address for managers, and IPv6 alone. */
		{ { "10.0.0.1", "10.0.0.2", "fd00::3" }, "10.9.9.9:2377", NULL,
		        { "10.9.9.9", "fd00::3", NULL } },
		{ { "10.0.0.1", "10.0.0.2", "fd00::3" }, "[fd00::1]:2377", NULL,
		        { "fd00::1", "fd00::3", NULL } },
		/* A manager alone knows no address of its own. */
		{ { "0.0.0.0", "10.0.0.2", "10.0.0.3" }, "10.0.0.1:2377", NULL,
		        { "10.0.0.3", NULL } },
		{ { "127.0.0.1", "10.0.0.2", "10.0.0.3" }, "10.0.0.1:2377", NULL,
		        { "10.0.0.3", NULL } },
		/* Nothing is forgotten while one is unknown: it may be that one. */
		{ { "10.0.0.1", "10.0.0.2", "" }, "10.0.0.1:2377", "node3", { "10.0.0.7", NULL } },
		{ { "10.0.0.1", "10.0.0.2", "::" }, "10.0.0.1:2377", "node3",
		        { "10.0.0.7", NULL } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static const char *const before[] = { "10.0.0.7", NULL };
		struct firewall_model *m = model("node 10.0.0.8\n", before);
		const struct engine_node *unknown;
		struct err e = ERR_INIT;
		unsigned n = 3; /* the first two, and what was added */

		for (unsigned k = 0; k < HOSTS; k++)
			set_node(k, rows[i].addr[k], k ? "" : rows[i].manager);
		if (firewall_swarm_nodes(m, &swarm.nodes, &unknown, &e) < 0)
			fail_msg("row %zu: %s", i, e.msg);
		if (!str_eq(unknown ? unknown->hostname : "",
		            rows[i].unknown ? rows[i].unknown : ""))
			fail_msg("row %zu: unknown", i);
		assert_true(firewall_model_has_node(m, "10.0.0.1"));
		assert_true(firewall_model_has_node(m, "10.0.0.2"));
		assert_true(firewall_model_has_node(m, "10.0.0.8"));
		for (; rows[i].has[n - 3]; n++)
			if (!firewall_model_has_node(m, rows[i].has[n - 3]))
				fail_msg("row %zu: %s", i, rows[i].has[n - 3]);
		if (m->n_nodes != n)
			fail_msg("row %zu: %u nodes", i, m->n_nodes);
		free(m);
	}
}

/* Nothing is closed to loopback; of several nodes nobody knows which one that is. */
static void nodes_on_loopback(void **state)
{
	const size_t n = swarm.nodes.n;

	(void)state;
	for (swarm.nodes.n = 1; swarm.nodes.n <= 2; swarm.nodes.n++) {
		struct firewall_model *m = model("", (const char *const[]){ NULL });
		const struct engine_node *unknown;
		struct err e = ERR_INIT;

		set_node(0, "127.0.0.1", "127.0.0.1:2377");
		set_node(1, "10.0.0.2", "");
		assert_int_equal(firewall_swarm_nodes(m, &swarm.nodes, &unknown, &e), 0);
		assert_int_equal(unknown != NULL, swarm.nodes.n == 2);
		assert_int_equal(m->n_nodes, swarm.nodes.n - 1);
		free(m);
	}
	swarm.nodes.n = n;
}

static void the_engine(void **state)
{
	static const struct {
		const char *additions;
		uint16_t port;
		const char *from;
		bool is_let_in;
	} rows[] = {
		{ "", 2376, "10.0.0.2", true },
		{ "", 2376, "10.0.0.9", false },
		{ "from tcp 2376 10.0.0.9\n", 2376, "10.0.0.9", true },
		{ "node 10.0.0.9\n", 2376, "10.0.0.9", true },
		{ "", 2375, "10.0.0.9", true }, /* no rule has that port */
		{ "", 2376, "127.0.0.1", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct firewall_model *m = model(rows[i].additions, all);
		struct err e = ERR_INIT;
		struct firewall_net from;

		assert_int_equal(firewall_address_parse(&from, rows[i].from), 0);
		if ((firewall_engine_admits(m, rows[i].port, &from, &e) == 0) != rows[i].is_let_in)
			fail_msg("row %zu: %s", i, e.msg);
		assert_true(rows[i].is_let_in || strstr(e.hint, "'from tcp 2376 10.0.0.9'"));
		free(m);
	}
}

/* --- views ---------------------------------------------------------------------------------- */

static void no_views(void **state)
{
	static const struct {
		const char *body;
		enum err_kind kind;
		const char *word;
	} rows[] = {
		{ "{}", ERR_PROTOCOL, "nothing of a firewall" },
		{ "{\"firewall\":7}", ERR_PROTOCOL, "nothing of a firewall" },
		{ "{\"firewall\":{\"error\":{\"kind\":\"denied\",\"message\":\"no right\",\"hint\":"
		  "\"do\"}}}",
		        ERR_DENIED, "no right" },
		{ "{\"firewall\":{\"error\":{}}}", ERR_PROTOCOL, "" },
		{ "{\"firewall\":{\"model\":{\"format\":1}}}", ERR_PROTOCOL, "the model" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json) json_t *j = json_loads(rows[i].body, 0, NULL);
		struct firewall_view v = { 0 };
		struct err e = ERR_INIT;

		if (firewall_view_parse(&v, j, &e) == 0)
			fail_msg("'%s' says nothing", rows[i].body);
		if (e.kind != rows[i].kind || !strstr(e.msg, rows[i].word))
			fail_msg("'%s': %s %s", rows[i].body, err_kind_name(e.kind), e.msg);
		assert_false(v.is_known);
	}
}

static void what_is_printed(void **state)
{
	AUTO(json)
	json_t *j = json_pack("{s:{s:[s, i], s:i, s:s}}", "firewall", "differs", "a\x1b[2J", 7,
	        "n_differs", 5, "backend", "nf\nt");
	struct firewall_view v = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(firewall_view_parse(&v, j, &e), 0);
	assert_int_equal(v.differs.n, 2);
	assert_int_equal(v.n_differs, 5);
	assert_null(strchr(v.differs.v[0], '\x1b'));
	assert_null(strchr(v.backend, '\n'));
	firewall_view_release(&v);
}

static void differences(void **state)
{
	static const char *const without[] = { "10.0.0.1", "10.0.0.2", NULL };
	static const char *const beside[] = { "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4",
		NULL };
	static const struct {
		const char *additions;
		const char *const *nodes; /* NULL: nothing was applied */
		const char *differs;
		const char *words[3];
	} rows[] = {
		{ "", all, "", { NULL } },
		{ "", all, "IPv4: missing: x", { "IPv4: missing: x", NULL } },
		{ "", without, "", { "node3 (10.0.0.3) is not let in", NULL } },
		{ "", beside, "", { "(10.0.0.4) is let in and is no node", NULL } },
		{ "open tcp 80\n", all, "", { "other rules", NULL } },
		{ "", without, "IPv6: extra", { "IPv6: extra", "node3", NULL } },
		{ "", NULL, "", { "no firewall was applied", NULL } },
	};
	struct firewall_model *wanted = model("", all);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct firewall_model *m =
		        rows[i].nodes ? model(rows[i].additions, rows[i].nodes) : NULL;
		AUTO(strvec) struct strvec lines = STRVEC_INIT;
		struct err e = ERR_INIT;
		size_t n = 0;

		has(1, m, 1, rows[i].differs);
		assert_int_equal(firewall_site_differs(&lines, &swarm.v[1], &swarm, wanted, &e), 0);
		for (; rows[i].words[n]; n++)
			if (n >= lines.n || !strstr(lines.v[n], rows[i].words[n]))
				fail_msg("row %zu: no '%s'", i, rows[i].words[n]);
		if (lines.n != n)
			fail_msg("row %zu: %zu lines, the last '%s'", i, lines.n,
			        lines.v[lines.n - 1]);
		free(m);
	}
	free(wanted);
}

/* --- proof ---------------------------------------------------------------------------------- */

static void proof(void **state)
{
	static const uint16_t ports[] = { 2377, 3888, 8888 };
	static const struct {
		const char *source, *reach[3];
		size_t as_wanted, wrong, unproved;
		const char *word;
	} rows[] = {
		{ "10.0.0.1", { "reached", "silent", "reached" }, 3, 0, 0, "" },
		{ "10.0.0.1", { "silent", "silent", "reached" }, 2, 1, 0,
		        "node1 does not reach node2 on port 2377, and ought to" },
		{ "10.0.0.1", { "reached", "reached", "reached" }, 2, 1, 0,
		        "node1 reaches node2 on port 3888, and ought not to" },
		{ "10.0.0.1", { "reached", "silent", "no-route" }, 2, 0, 1, "8888 is not proved" },
		/* It went out with an address that is no node's, and so was shut out. */
		{ "192.168.7.7", { "silent", "silent", "reached" }, 3, 0, 0, "" },
		{ "192.168.7.7", { "reached", "silent", "reached" }, 2, 1, 0, "2377" },
		{ "", { "reached", "silent", "reached" }, 0, 0, 3, "not proved" },
		{ "10.0.0.1", { "yes", "silent", "reached" }, 2, 0, 1, "not proved" },
	};
	struct firewall_model *m = model("", all);

	(void)state;
	swarm.v[2].is_down = true;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct firewall_proof p = { 0 };
		struct err e = ERR_INIT;

		json_decref(swarm.v[0].body);
		swarm.v[0].body = json_pack("{s:[{s:s, s:s, s:[s, s, s]}, {s:s, s:s, s:[s]}]}",
		        "results", "address", "10.0.0.2", "source", rows[i].source, "reach",
		        rows[i].reach[0], rows[i].reach[1], rows[i].reach[2], "address", "10.0.0.1",
		        "source", "10.0.0.1", "reach", "reached");
		assert_int_equal(firewall_proof_take(
		                         &p, &swarm, &swarm.v[0], m, ports, ARRAY_LEN(ports), &e),
		        0);
		if (p.as_wanted != rows[i].as_wanted || p.wrong != rows[i].wrong ||
		        p.unproved != rows[i].unproved)
			fail_msg("row %zu: %zu %zu %zu", i, p.as_wanted, p.wrong, p.unproved);
		if (*rows[i].word && (!p.lines.n || !strstr(p.lines.v[0], rows[i].word)))
			fail_msg("row %zu: no '%s'", i, rows[i].word);
		firewall_proof_release(&p);
	}
	free(m);
}

/* A host that answers with nothing proves nothing. */
static void no_proof(void **state)
{
	static const uint16_t ports[] = { 2377, 3888 };
	struct firewall_model *m = model("", all);
	struct firewall_proof p = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	swarm.v[0].body = json_object();
	assert_int_equal(
	        firewall_proof_take(&p, &swarm, &swarm.v[0], m, ports, ARRAY_LEN(ports), &e), 0);
	assert_int_equal(p.as_wanted + p.wrong, 0);
	assert_int_equal(p.unproved, 4);
	firewall_proof_release(&p);
	free(m);
}

static void ports_to_try(void **state)
{
	struct firewall_model *m = model("open tcp 9000-9010\nnodes udp 5000\n", all);
	uint16_t ports[64];
	size_t n = firewall_proof_ports(m, ports, ARRAY_LEN(ports));
	unsigned ends = 0;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		ends += ports[i] == 9000 || ports[i] == 9010;
		assert_true(ports[i] != 5000 && ports[i] != 4789 && ports[i] != 9005);
		for (size_t k = 0; k < i; k++)
			assert_true(ports[k] != ports[i]);
	}
	assert_int_equal(ends, 2);
	assert_int_equal(firewall_proof_ports(m, ports, 3), 3);
	free(m);
}

/* --- following ------------------------------------------------------------------------------ */

static void following(void **state)
{
	static const char *const old[] = { "10.0.0.1", "10.0.0.2", "10.0.0.4", NULL };
	static const char *const nobody[] = { NULL };
	/* Of each host: '-' not known, '0' none, 'a' the model of all, 'o' one with other nodes,
	 * 'n' additions that have become nodes, 'd' that of all, but the rules differ, 'x' of all
	 * with a rule more; the newest is in upper case. */
	static const struct {
		const char *hosts;
		enum firewall_follow what;
		const char *applied; /* of each host */
		bool is_open;        /* the rule more is in it */
	} rows[] = {
		{ "000", FIREWALL_FOLLOW_NOTHING, "", false },
		{ "---", FIREWALL_FOLLOW_NOTHING, "", false },
		{ "Aaa", FIREWALL_FOLLOW_SAME, "", false },
		{ "Aa-", FIREWALL_FOLLOW_SAME, "", false },
		{ "Ooo", FIREWALL_FOLLOW_APPLY, "yyy", false },
		{ "Ao0", FIREWALL_FOLLOW_APPLY, "nyy", false },
		{ "Aad", FIREWALL_FOLLOW_APPLY, "nny", false },
		{ "Aa0", FIREWALL_FOLLOW_APPLY, "nny", false },
		{ "Nnn", FIREWALL_FOLLOW_APPLY, "yyy", false },
		/* Somebody has applied it on one of three: that is what was meant last. */
		{ "aXa", FIREWALL_FOLLOW_APPLY, "yny", true },
		{ "Axa", FIREWALL_FOLLOW_APPLY, "nyn", false },
		/* Removed, while one was away; a new swarm of two. */
		{ "00A", FIREWALL_FOLLOW_NOTHING, "", false },
		{ "-0A", FIREWALL_FOLLOW_APPLY, "nyn", false },
	};
	struct firewall_model *m = calloc(1, sizeof(*m));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum firewall_follow what;
		struct err e = ERR_INIT;

		for (unsigned k = 0; k < HOSTS; k++) {
			char c = rows[i].hosts[k], lower = (char)(c | 0x20);
			struct firewall_model *own = lower == 'o' ? model("", old)
			        : lower == 'x'                    ? model("open tcp 80\n", all)
			        : lower == 'n'
			        ? model("node 10.0.0.1\nnode 10.0.0.2\nnode 10.0.0.3\n", nobody)
			        : model("", all);

			firewall_view_release(&swarm.v[k].view);
			if (c != '-')
				has(k, c == '0' ? NULL : own, c == lower ? 1 : 2,
				        lower == 'd' ? "missing" : "");
			free(own);
		}
		if (firewall_follow_decide(&what, &swarm, m, &e) < 0)
			fail_msg("%s: %s", rows[i].hosts, e.msg);
		if (what != rows[i].what)
			fail_msg("%s: %d", rows[i].hosts, what);
		for (unsigned k = 0; *rows[i].applied && k < HOSTS; k++)
			if (swarm.v[k].is_left_out != (rows[i].applied[k] == 'n'))
				fail_msg("%s: node%u", rows[i].hosts, k + 1);
		if (what == FIREWALL_FOLLOW_APPLY)
			assert_true(m->n_nodes == 3 && !firewall_model_has_node(m, "10.0.0.4") &&
			        (firewall_rule_of(m, false, 80) != NULL) == rows[i].is_open);
	}
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nodes_of_the_swarm, setup, teardown),
		cmocka_unit_test_setup_teardown(nodes_on_loopback, setup, teardown),
		cmocka_unit_test_setup_teardown(the_engine, setup, teardown),
		cmocka_unit_test_setup_teardown(no_views, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_printed, setup, teardown),
		cmocka_unit_test_setup_teardown(differences, setup, teardown),
		cmocka_unit_test_setup_teardown(proof, setup, teardown),
		cmocka_unit_test_setup_teardown(no_proof, setup, teardown),
		cmocka_unit_test_setup_teardown(ports_to_try, setup, teardown),
		cmocka_unit_test_setup_teardown(following, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
