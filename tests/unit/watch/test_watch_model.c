#include "unit/watch/model.h"

#include "watch/watch_priv.h"

/* --- nodes ------------------------------------------------------------------------------------ */

static void order_of(const char *want)
{
	struct watch_row row;
	char got[128] = "";
	size_t n = 0;

	for (size_t i = 0; watch_row(model, i, &row); i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s", i ? " " : "", row.name);
	assert_string_equal(got, want);
}

static void nodes(void **state)
{
	struct err e = ERR_INIT;
	struct peer *a, *b, *c;
	char name[161];
	int index;

	(void)state;
	a = own("a");
	b = own("b");
	c = reference("a");
	assert_int_not_equal(a->index, c->index);
	/* The same name and kind is the same node, whose host may change. */
	assert_int_equal(
	        watch_add(model, &(struct watch_who){ WATCH_OWN, "b", "h\n2" }, &e), b->index);
	assert_string_equal(row_of("b").host, "h?2");
	order_of("a b a");
	next_round(0);
	watch_remove(model, a->index);
	order_of("b a");
	watch_remove(model, a->index);
	watch_remove(model, 99);
	watch_remove(model, -1);
	a->is_left_out = true;
	/* Its place is given to another one, which has no past. */
	index = own("d")->index;
	assert_int_equal(index, a->index);
	order_of("b a d");
	assert_string_equal(row_of("d").verdict, "");
	assert_int_equal(row_of("d").head, 0);
	next_round(1000);
	assert_string_equal(row_of("d").verdict, "in sync");

	memset(name, 'n', sizeof(name) - 1);
	name[160] = '\0';
	assert_int_equal(watch_add(model, &(struct watch_who){ WATCH_OWN, name, "" }, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	err_clear(&e);
	assert_int_equal(watch_add(model, &(struct watch_who){ WATCH_OWN, "", "" }, &e), -1);
	err_clear(&e);
	name[159] = '\0';
	assert_true(watch_add(model, &(struct watch_who){ WATCH_OWN, name, NULL }, &e) >= 0);
}

static void many_nodes(void **state)
{
	struct err e = ERR_INIT;
	char name[16];
	size_t n = 0;
	struct watch_row row;

	(void)state;
	own("0");
	for (int i = 1; i < WATCH_NODES_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(
		        watch_add(model, &(struct watch_who){ WATCH_OWN, name, "" }, &e), i);
	}
	assert_int_equal(watch_add(model, &(struct watch_who){ WATCH_OWN, "more", "" }, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	err_clear(&e);
	while (watch_row(model, n, &row))
		n++;
	assert_int_equal(n, WATCH_NODES_MAX);
	for (int i = 0; i < WATCH_NODES_MAX; i += 2)
		watch_remove(model, i);
	assert_int_equal(watch_add(model, &(struct watch_who){ WATCH_OWN, "more", "" }, &e), 0);
	/* What comes for one that is gone is dropped. */
	watch_lose(model, 2, "gone", 0);
	watch_see(model, 2, &(struct sample){ .state = SAMPLE_DOWN }, 0);
	watch_see(model, 5000, &(struct sample){ .state = SAMPLE_DOWN }, 0);
}

static void settled(void **state)
{
	struct peer *b;

	(void)state;
	own("a");
	assert_false(watch_is_settled(model));
	next_round(0);
	/* Of its blocks it is asked next. */
	assert_false(watch_is_settled(model));
	next_round(10);
	assert_true(watch_is_settled(model));
	b = own("b");
	b->is_left_out = true;
	next_round(1000);
	assert_false(watch_is_settled(model));
	expect_found("not asked yet", "");
	b->is_left_out = false;
	next_round(1000);
	/* It has told its head only; at a common height it is asked next. */
	assert_false(watch_is_settled(model));
	next_round(10);
	assert_true(watch_is_settled(model));
}

/* --- ids -------------------------------------------------------------------------------------- */

/* A sample with the ids of text, "60=a 61=b 62=-"; an id is one letter. */
static void see_ids(int node, uint32_t head, char head_id, uint32_t lib, char lib_id,
        const char *text, int64_t at_ns)
{
	struct sample s = SAMPLE_INIT;
	uint32_t num;
	char id;
	int n;

	snprintf(s.info.chain_id, sizeof(s.info.chain_id), "%s", CHAIN_A);
	s.info.head_block_num = head;
	s.info.last_irreversible_block_num = lib;
	snprintf(s.info.head_block_id, NODEOS_ID_HEX_SIZE, "%c", head_id);
	snprintf(s.info.last_irreversible_block_id, NODEOS_ID_HEX_SIZE, "%c", lib_id);
	s.ids = calloc(SAMPLE_HEIGHTS_MAX, sizeof(*s.ids));
	assert_non_null(s.ids);
	while (sscanf(text, " %u=%c%n", &num, &id, &n) == 2) {
		s.ids[s.n_ids].num = num;
		snprintf(s.ids[s.n_ids++].id, NODEOS_ID_HEX_SIZE, "%.1s", id == '-' ? "" : &id);
		text += n;
	}
	watch_see(model, node, &s, at_ns);
	assert_null(s.ids);
}

static void expect_ids(int node, const char *want)
{
	const struct watch_node *n = &model->nodes[node];
	char got[1024] = "";
	size_t len = 0;

	for (size_t i = 0; i < n->n_ids; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%u=%s", i ? " " : "",
		        n->ids[i].num, n->ids[i].id[0] ? n->ids[i].id : "-");
	assert_string_equal(got, want);
}

static void ids(void **state)
{
	int a;

	(void)state;
	a = own("a")->index;
	see_ids(a, 60, 'a', 50, 'l', "55=x", 1);
	expect_ids(a, "55=x 50=l 60=a");
	see_ids(a, 61, 'b', 50, 'l', "54=w 55=x 70=-", 2);
	expect_ids(a, "70=- 55=x 54=w 50=l 61=b 60=a");
	assert_string_equal(watch_node_id(&model->nodes[a], 60), "a");
	assert_string_equal(watch_node_id(&model->nodes[a], 50), "l");
	assert_null(watch_node_id(&model->nodes[a], 70));
	assert_null(watch_node_id(&model->nodes[a], 71));
	/* It has that block now. */
	see_ids(a, 70, 'j', 51, 'm', "", 3);
	expect_ids(a, "51=m 70=j 55=x 54=w 50=l 61=b 60=a");
	/* A fork switch: what was above the last irreversible block before it is not sure. */
	see_ids(a, 72, 'J', 52, 'n', "60=A 61=B", 4);
	expect_ids(a, "61=B 60=A 52=n 72=J 51=m 50=l");
	/* Within one sample the last word counts, for get_info was asked before it. */
	see_ids(a, 73, 'K', 52, 'n', "73=L", 5);
	expect_ids(a, "52=n 73=L 61=B 60=A 72=J 51=m 50=l");
	/* No longer kept is no contradiction. */
	see_ids(a, 74, 'M', 52, 'n', "60=-", 6);
	expect_ids(a, "60=- 52=n 74=M 73=L 61=B 72=J 51=m 50=l");
	/* It starts again from an older state. */
	see_ids(a, 62, 'C', 52, 'n', "", 7);
	expect_ids(a, "52=n 62=C 60=- 61=B 51=m 50=l");
}

static void ids_of_another_chain(void **state)
{
	struct sample s = SAMPLE_INIT;
	int a;

	(void)state;
	a = own("a")->index;
	see_ids(a, 60, 'a', 50, 'l', "40=x", 1);
	snprintf(s.info.chain_id, sizeof(s.info.chain_id), "%s", CHAIN_B);
	s.info.head_block_num = 70;
	s.info.last_irreversible_block_num = 65;
	watch_see(model, a, &s, 2);
	expect_ids(a, "");
}

/* An irreversible block that is another one now: even that word is taken. */
static void ids_of_another_life(void **state)
{
	int a;

	(void)state;
	a = own("a")->index;
	see_ids(a, 60, 'a', 50, 'l', "40=x", 1);
	see_ids(a, 60, 'A', 50, 'L', "", 2);
	expect_ids(a, "50=L 60=A 40=x");
}

static void many_ids(void **state)
{
	int a;

	(void)state;
	a = own("a")->index;
	for (uint32_t i = 0; i < 1000; i++)
		see_ids(a, 1000 + i, 'a', 500 + i, 'l', "", i + 1);
	assert_int_equal(model->nodes[a].n_ids, NODE_IDS_MAX);
	assert_string_equal(watch_node_id(&model->nodes[a], 1999), "a");
	assert_string_equal(watch_node_id(&model->nodes[a], 1968), "a");
	assert_null(watch_node_id(&model->nodes[a], 1967));
}

/* --- blocks ----------------------------------------------------------------------------------- */

static void see_block(int node, const char *chain_id, uint32_t head, uint32_t num)
{
	struct sample s = SAMPLE_INIT;

	snprintf(s.info.chain_id, sizeof(s.info.chain_id), "%s", chain_id);
	s.info.head_block_num = head;
	s.blocks = calloc(1, sizeof(*s.blocks));
	assert_non_null(s.blocks);
	s.n_blocks = 1;
	s.blocks[0].num = num;
	fill_id(s.blocks[0].id, num);
	watch_see(model, node, &s, now_ns);
}

static bool has_block(uint32_t num)
{
	return watch_blocks_at(model->blocks, num, 0) != NULL;
}

static void blocks(void **state)
{
	int a, b;

	(void)state;
	a = own("a")->index;
	b = own("b")->index;
	own("c");
	see_block(a, CHAIN_A, 100, 90);
	assert_true(has_block(90));
	/* One that the node itself cannot have would move the window. */
	see_block(a, CHAIN_A, 100, 165);
	assert_false(has_block(165));
	see_block(a, CHAIN_A, 100, 164);
	assert_true(has_block(164));
	see_block(b, CHAIN_B, 300, 250);
	assert_false(has_block(250));
	watch_judge(model, 0);
	/* When it turns out that most are of another chain, what is known is of no use. */
	see_block(2, CHAIN_B, 300, 251);
	assert_true(has_block(251));
	assert_false(has_block(90));
	assert_false(has_block(164));
}

/* --- rows and verdicts ------------------------------------------------------------------------ */

static void rows(void **state)
{
	struct watch_row row;
	struct peer *b;

	(void)state;
	own("a");
	b = own("b");
	b->behind = 2;
	b->s.restarts = 4;
	b->s.db_used_percent = 33;
	row = row_of("b");
	assert_true(!row.answers && row.head == 0 && row.verdict[0] == '\0' && row.why[0] == '\0');
	assert_true(isnan(row.lag_seconds) && isnan(row.head_age_seconds));
	assert_true(isnan(row.answer_seconds) && row.peers == -1 && row.db_used_percent < 0);
	next_round(1000);
	row = row_of("b");
	assert_true(row.answers && row.kind == WATCH_OWN);
	assert_string_equal(row.host, "host");
	assert_string_equal(row.slot_state, "running");
	assert_string_equal(row.producer, "proda");
	assert_string_equal(row.version, "v4.0.6");
	assert_string_equal(row.verdict, "in sync");
	assert_int_equal(row.head, tip - 2);
	assert_int_equal(row.lib, tip - 14);
	assert_int_equal(strncmp(row.head_id, "000186a0", 8), 0);
	assert_true(row.lag_blocks == 2 && row.lag_seconds == 1);
	assert_true(fabs(row.head_age_seconds - 1.1) < 1e-9);
	assert_true(fabs(row.answer_seconds - 0.003) < 1e-9);
	assert_true(row.peers == 3 && row.restarts == 4 && row.db_used_percent == 33);
	assert_false(watch_row(model, 2, &row));
	/* Ahead of what it is compared with. */
	own("c")->behind = 2;
	next_round(1000);
	assert_true(row_of("a").lag_blocks == -2 && row_of("a").lag_seconds == -1);
}

/* A node of ours that is a reference as well. */
static void one_name_twice(void **state)
{
	struct watch_row row;
	struct peer *b;

	(void)state;
	own("a");
	b = own("x");
	reference("x");
	b->behind = 30;
	next_round(1000);
	expect_found("own", "lagging x");
	assert_true(watch_row(model, 1, &row));
	assert_string_equal(row.verdict, "lagging");
	assert_true(watch_row(model, 2, &row));
	assert_string_equal(row.verdict, "in sync");
	b->behind = 0;
	peers[2].behind = 30;
	next_round(1000);
	expect_found("reference", "reference-lagging x");
	assert_string_equal(row_of("x").verdict, "in sync");
	assert_true(watch_row(model, 2, &row));
	assert_string_equal(row.verdict, "reference-lagging");
}

static void expect_verdict(enum watch_criticality fail_on, bool is_healthy, const char *want)
{
	char text[512];

	assert_string_equal(watch_verdict_text(model, fail_on, text, sizeof(text)), want);
	assert_int_equal(watch_is_healthy(model, fail_on), is_healthy);
}

static void verdicts(void **state)
{
	struct peer *a, *b;
	char small[40];

	(void)state;
	a = own("a");
	expect_verdict(WATCH_MAJOR, false, "not known: no node was asked yet");
	next_round(1000);
	expect_verdict(WATCH_MAJOR, true, "healthy: 1 of 1 node in sync at 100002");
	b = own("b");
	b->s.answer_ns = NS_PER_SEC;
	next_round(1000);
	expect_verdict(WATCH_MAJOR, true,
	        "healthy: 2 of 2 nodes in sync at 100004 (and 1 finding below major)");
	expect_verdict(WATCH_MINOR, false, "unhealthy: slow-answers b: get_info took 1000 ms");
	b->behind = 30;
	next_round(1000);
	expect_verdict(WATCH_MINOR, false,
	        "unhealthy: lagging b: 30 blocks (15.0s) behind most of our nodes, at 99976 of "
	        "100006 (and 1 more)");
	expect_verdict(WATCH_MAJOR, false,
	        "unhealthy: lagging b: 30 blocks (15.0s) behind most of our nodes, at 99976 of "
	        "100006");
	expect_verdict(WATCH_CRITICAL, true,
	        "healthy: 1 of 2 nodes in sync at 100006 (and 2 findings below critical)");
	/* How many more there are is never cut. */
	assert_string_equal(watch_verdict_text(model, WATCH_MINOR, small, sizeof(small)),
	        "unhealthy: lagging b: 30 b (and 1 more)");
	a->lost = b->lost = "timed out";
	rounds_of(2, 1000);
	expect_verdict(WATCH_MAJOR, false,
	        "unhealthy: unreachable a: does not answer: timed out (and 1 more)");
	expect_verdict(WATCH_CRITICAL, false, "unhealthy: none of our nodes answers");
}

/* References that are well do not make up for nodes of ours that are not there. */
static void no_own_node(void **state)
{
	(void)state;
	reference("r");
	next_round(0);
	expect_verdict(WATCH_BLOCKER, false, "unhealthy: none of our nodes answers");
	expect_found("only a reference", "");
}

static void empty(void **state)
{
	struct watch_summary sum;
	struct err e = ERR_INIT;
	json_t *j;

	(void)state;
	watch_free(NULL);
	model = watch_new(&settings, &e);
	assert_non_null(model);
	next_round(0);
	expect_verdict(WATCH_MAJOR, false, "unhealthy: none of our nodes answers");
	watch_summary(model, &sum);
	assert_true(sum.own == 0 && sum.head == 0 && isnan(sum.tps));
	j = watch_production_json(model);
	assert_true(json_is_array(j));
	json_decref(j);
}

/* Findings that could not be kept are no reason to be content. */
static void too_many_findings(void **state)
{
	(void)state;
	own("a");
	next_round(0);
	model->findings.is_cut = true;
	expect_verdict(
	        WATCH_BLOCKER, false, "unhealthy: there is not enough memory for the findings");
}

static void wrong_chain_is_not_asked(void **state)
{
	struct sample_request q = { .n_heights = 3, .first = 1, .wants_schedule = true };
	struct peer *b;

	(void)state;
	own("a");
	own("c");
	b = own("b");
	b->chain_id = CHAIN_B;
	rounds_of(2, 1000);
	watch_ask(model, b->index, &q);
	assert_true(q.n_heights == 0 && q.first == 0 && !q.wants_schedule);
	q.first = 5;
	watch_ask(model, 77, &q);
	assert_true(q.first == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(many_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(settled, setup, teardown),
		cmocka_unit_test_setup_teardown(ids, setup, teardown),
		cmocka_unit_test_setup_teardown(ids_of_another_life, setup, teardown),
		cmocka_unit_test_setup_teardown(ids_of_another_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(many_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(rows, setup, teardown),
		cmocka_unit_test_setup_teardown(one_name_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(verdicts, setup, teardown),
		cmocka_unit_test_setup_teardown(no_own_node, setup, teardown),
		cmocka_unit_test_setup_teardown(empty, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_findings, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_chain_is_not_asked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
