/*
 * Rounds against a fake swarm, its agents, and nodeos at URLs
 *
 * The model is replaced by one that asks what a test wants asked, and notes what it is told.
 */

#include "unit/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/json.h"
#include "deploy/agents.h"
#include "engine/engine.h"
#include "fake/agent.h"
#include "fake/cluster.h"
#include "fake/engine.h"
#include "fake/raw_server.h"
#include "watch/sampler.h"

#define CHAIN "cf057bbfb72640471fd910bcb67639c22df9f92470936cddc1ade0e2f2e7dc4f"
#define NODES 16

static struct err e;
static struct fake_engine *fake;
static struct fake_agent *agent;
static struct fake_cluster cluster;
static struct engine *eng;
static struct agents *agents;
static struct raw_server nodeos;
static struct sampler *sampler;
static struct strvec own, references;
static volatile int interrupted;

/* --- the model ------------------------------------------------------------------------------- */

struct watch {
	struct node {
		char name[160], host[128], why[400];
		enum watch_kind kind;
		bool is_there, is_seen, is_lost;
		uint32_t head;
		size_t n_ids;
		struct sample_request q;
	} nodes[NODES];
	size_t n;
	unsigned judged;
};

static struct watch w;

int __wrap_watch_add(struct watch *m, const struct watch_who *who, struct err *err);
void __wrap_watch_remove(struct watch *m, int node);
void __wrap_watch_ask(const struct watch *m, int node, struct sample_request *q);
void __wrap_watch_see(struct watch *m, int node, struct sample *s, int64_t now_ns);
void __wrap_watch_lose(struct watch *m, int node, const char *why, int64_t now_ns);
void __wrap_watch_judge(struct watch *m, int64_t now_ns);

int __wrap_watch_add(struct watch *m, const struct watch_who *who, struct err *err)
{
	size_t i = 0;

	while (i < m->n && strcmp(m->nodes[i].name, who->name) != 0)
		i++;
	if (i == NODES)
		return err_set(err, ERR_CONFLICT, "too many nodes");
	if (i == m->n)
		m->n++;
	snprintf(m->nodes[i].name, sizeof(m->nodes[i].name), "%s", who->name);
	snprintf(m->nodes[i].host, sizeof(m->nodes[i].host), "%s", who->host);
	m->nodes[i].kind = who->kind;
	m->nodes[i].is_there = true;
	return (int)i;
}

void __wrap_watch_remove(struct watch *m, int node)
{
	m->nodes[node].is_there = false;
}

void __wrap_watch_ask(const struct watch *m, int node, struct sample_request *q)
{
	*q = m->nodes[node].q;
}

void __wrap_watch_see(struct watch *m, int node, struct sample *s, int64_t now_ns)
{
	struct node *n = &m->nodes[node];

	assert_true(now_ns > 0);
	n->is_seen = true;
	n->head = s->info.head_block_num;
	n->n_ids = s->n_ids;
	snprintf(n->why, sizeof(n->why), "%s", s->why);
}

void __wrap_watch_lose(struct watch *m, int node, const char *why, int64_t now_ns)
{
	assert_true(now_ns > 0);
	m->nodes[node].is_lost = true;
	snprintf(m->nodes[node].why, sizeof(m->nodes[node].why), "%s", why);
}

void __wrap_watch_judge(struct watch *m, int64_t now_ns)
{
	assert_true(now_ns > 0);
	m->judged++;
}

/* --- nodes ----------------------------------------------------------------------------------- */

/* The id of a block: its number, and zeros. */
static const char *id_of(char out[NODEOS_ID_HEX_SIZE], unsigned num)
{
	snprintf(out, NODEOS_ID_HEX_SIZE, "%08x%056d", num, 0);
	return out;
}

static void say_json(int fd, const char *body)
{
	char head[160];

	snprintf(head, sizeof(head),
	        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	        strlen(body));
	raw_say(fd, head);
	raw_say(fd, body);
}

/* A nodeos whose head is 82; what it is asked is enough to tell who asks for what. */
static void serve_nodeos(struct raw_server *s, int fd, int n UNUSED)
{
	char body[1024], id[NODEOS_ID_HEX_SIZE], lib[NODEOS_ID_HEX_SIZE];

	while (raw_read(s, fd) == 0) {
		const char *num = strstr(s->request, "block_num");

		if (strstr(s->request, "/v1/chain/get_info"))
			snprintf(body, sizeof(body),
			        "{\"server_version\":\"1\",\"server_version_string\":\"v4.0.6\","
			        "\"chain_id\":\"" CHAIN "\",\"head_block_num\":82,"
			        "\"head_block_id\":\"%s\",\"head_block_producer\":\"eosio\","
			        "\"head_block_time\":\"2026-11-21T19:00:00.500\","
			        "\"last_irreversible_block_num\":80,"
			        "\"last_irreversible_block_id\":\"%s\"}",
			        id_of(id, 82), id_of(lib, 80));
		else if (num)
			snprintf(body, sizeof(body), "{\"block_num\":%ld,\"id\":\"%s\"}",
			        strtol(strpbrk(num, "0123456789"), NULL, 10),
			        id_of(id, (unsigned)strtol(strpbrk(num, "0123456789"), NULL, 10)));
		else
			snprintf(body, sizeof(body), "{}");
		say_json(fd, body);
	}
}

#define SLOT(n, task, sample)                                        \
	"{\"service\":\"s_readers\",\"slot\":" n ",\"task\":\"" task \
	"\",\"is_alive\":true,\"sample\":" sample "}"
#define ANSWERS(head, ids)                                                                        \
	"{\"state\":\"answers\",\"real_ns\":1,\"answer_ns\":1000,\"info\":{\"chain_id\":\"" CHAIN \
	"\",\"head_block_num\":" #head ",\"head_block_id\":\"" HEX "\",\"head_time_ns\":1,"       \
	"\"last_irreversible_block_num\":" #head ",\"last_irreversible_block_id\":\"" HEX         \
	"\"},\"ids\":" ids "}"
#define HEX "0000005000000000000000000000000000000000000000000000000000000000"

static void host_says(const char *id, const char *slots)
{
	char text[8192];

	snprintf(text, sizeof(text),
	        "\"status\":200,\"body\":{\"format\":1,\"node\":{\"id\":\"%s\",\"pool\":\"%s\"},"
	        "\"slots\":[%s]}",
	        id, fake_agent_pool(agent), slots);
	fake_agent_node(agent, id, "/v1/sample", text);
}

/* --- set-up ---------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	interrupted = 0;
	w = (struct watch){ .n = 0 };
	fake = fake_engine_start();
	agent = fake_agent_start();
	cluster = fake_cluster_of_two(fake_agent_pool(agent));
	fake_cluster_serve(fake, &cluster);
	eng = engine_new(fake_engine_host(fake), &e);
	agents = eng ? agents_new(eng, "s", fake_agent_pool(agent), &interrupted, &e) : NULL;
	return agents && raw_server_start(&nodeos, NULL, serve_nodeos) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	interrupted = 1;
	sampler_free(sampler);
	sampler = NULL;
	strvec_release(&own);
	strvec_release(&references);
	agents_free(agents);
	engine_free(eng);
	raw_server_stop(&nodeos);
	fake_agent_stop(agent);
	fake_engine_stop(fake);
	return 0;
}

static int begin(bool has_stack)
{
	sampler = sampler_new(&w,
	        &(struct sampler_config){ .engine = has_stack ? eng : NULL,
	                .agents = has_stack ? agents : NULL,
	                .stack = "s",
	                .pool = fake_agent_pool(agent),
	                .nodes = &own,
	                .references = &references,
	                .limit_ns = 600 * NS_PER_MS,
	                .interrupted = &interrupted },
	        &e);
	return sampler ? 0 : -1;
}

static void must_round(void)
{
	for (size_t i = 0; i < w.n; i++)
		w.nodes[i].is_seen = w.nodes[i].is_lost = false;
	if (sampler_round(sampler, &e) < 0)
		fail_msg("%s", e.msg);
}

static struct node *node(const char *name)
{
	for (size_t i = 0; i < w.n; i++)
		if (strcmp(w.nodes[i].name, name) == 0)
			return &w.nodes[i];
	fail_msg("no node '%s'", name);
	return NULL;
}

static void expect_seen(const char *name, uint32_t head)
{
	const struct node *n = node(name);

	if (!n->is_seen || n->is_lost || n->head != head)
		fail_msg("%s: %s head %u, '%s'", name, n->is_seen ? "seen" : "not seen", n->head,
		        n->why);
}

static void expect_lost(const char *name, const char *why)
{
	const struct node *n = node(name);

	if (n->is_seen || !n->is_lost || !strstr(n->why, why))
		fail_msg("%s: %s, '%s'", name, n->is_seen ? "seen" : "not seen", n->why);
}

static size_t own_nodes(void)
{
	size_t n = 0;

	for (size_t i = 0; i < w.n; i++)
		n += w.nodes[i].is_there && w.nodes[i].kind == WATCH_OWN;
	return n;
}

/* --- slots ----------------------------------------------------------------------------------- */

static void slots_and_urls_in_one_round(void **state)
{
	(void)state;
	assert_int_equal(strvec_add(&references, nodeos.url), 0);
	assert_int_equal(begin(true), 0);
	host_says("n1", SLOT("1", "t1", ANSWERS(90, "[[80,\"" HEX "\"]]")));
	host_says("n2", SLOT("2", "t2", ANSWERS(91, "[]")));
	must_round();
	assert_int_equal(w.judged, 1);
	assert_int_equal(own_nodes(), 2);
	expect_seen("readers.1", 90);
	assert_int_equal(node("readers.1")->n_ids, 1);
	assert_string_equal(node("readers.1")->host, "host-n1");
	expect_seen("readers.2", 91);
	expect_seen(nodeos.url, 82);
	assert_int_equal(node(nodeos.url)->kind, WATCH_REFERENCE);
	/* One request for all hosts; what most are asked is in it once. */
	assert_int_equal(fake_agent_count(agent), 1);
}

static void each_is_asked_its_own(void **state)
{
	AUTO(json) json_t *gather = NULL;
	AUTO(json) json_t *body = NULL;
	const json_t *slot;
	const char *text;

	(void)state;
	cluster.tasks[5] =
	        (struct fake_cluster_task){ "t3", "readers", "n1", 3, "running", "running" };
	assert_int_equal(begin(true), 0);
	must_round();
	for (size_t i = 0; i < w.n; i++)
		w.nodes[i].q = (struct sample_request){ .heights = { 80 }, .n_heights = 1 };
	node("readers.2")->q = (struct sample_request){ .first = 70, .last = 75 };
	must_round();
	text = fake_agent_last(agent);
	gather = json_parse_object(text, strlen(text), "gather", &e);
	assert_string_equal(json_str(gather, "method", ""), "POST");
	text = json_str(gather, "body", "");
	body = json_parse_object(text, strlen(text), "body", &e);
	assert_non_null(body);
	assert_int_equal(json_int(body, "format", 0), 1);
	assert_int_equal(json_int(body, "limit_ms", 0), 300);
	assert_int_equal(json_integer_value(json_array_get(json_at(body, "all.heights"), 0)), 80);
	assert_int_equal(json_array_size(json_at(body, "slots")), 1);
	slot = json_array_get(json_at(body, "slots"), 0);
	assert_string_equal(json_str(slot, "service", ""), "s_readers");
	assert_int_equal(json_int(slot, "slot", 0), 2);
	assert_int_equal(json_int(slot, "first", 0), 70);
	assert_null(json_at(slot, "heights"));
}

static void slots_that_nobody_speaks_for(void **state)
{
	static const struct {
		const char *slots, *why;
	} rows[] = {
		{ "", "its supervisor does not answer" },
		{ SLOT("1", "older", ANSWERS(5, "[]")), "does not answer" },
		{ SLOT("1", "t1", "{\"state\":\"none\"}"), "no sample" },
		{ SLOT("1", "t1", "7"), "does not answer" },
		{ "{\"service\":\"s_readers\",\"slot\":1,\"task\":\"r1\",\"is_alive\":false,"
		  "\"sample\":null,\"error\":{\"kind\":\"timeout\",\"message\":\"too late\"}}",
		        "too late" },
		{ "{\"service\":\"s_readers\",\"slot\":1,\"task\":\"t0\",\"is_alive\":false,"
		  "\"sample\":null,\"record\":{\"format\":1,\"task\":\"t0\",\"state\":\"stopping\"}"
		  "}",
		        "waits for an earlier container of its slot, which is stopping" },
	};

	(void)state;
	assert_int_equal(begin(true), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		host_says("n1", rows[i].slots);
		must_round();
		expect_lost("readers.1", rows[i].why);
		/* Nothing was set for the other host: it does not answer. */
		expect_lost("readers.2", "no answer within");
	}
}

static void a_slot_without_a_container(void **state)
{
	(void)state;
	cluster.tasks[0].state = "pending";
	cluster.tasks[0].node = "";
	assert_int_equal(begin(true), 0);
	host_says("n2", SLOT("2", "t2", ANSWERS(91, "[]")));
	must_round();
	expect_lost("readers.1", "pending");
	expect_seen("readers.2", 91);
}

static void slots_come_and_go(void **state)
{
	(void)state;
	assert_int_equal(begin(true), 0);
	host_says("n1", SLOT("1", "t1", ANSWERS(90, "[]")));
	host_says("n2", SLOT("2", "t2", ANSWERS(91, "[]")) "," SLOT("3", "t3", ANSWERS(92, "[]")));
	must_round();
	expect_seen("readers.1", 90);
	cluster.tasks[0].desired = cluster.tasks[0].state = "shutdown";
	cluster.tasks[5] =
	        (struct fake_cluster_task){ "t3", "readers", "n2", 3, "running", "running" };
	/* The list is known for two seconds. */
	must_round();
	assert_int_equal(own_nodes(), 2);
	expect_seen("readers.1", 90);
	usleep(2100 * 1000);
	must_round();
	assert_false(node("readers.1")->is_there);
	assert_false(node("readers.1")->is_lost);
	expect_seen("readers.3", 92);
	assert_int_equal(own_nodes(), 2);
}

/* --- an engine in trouble -------------------------------------------------------------------- */

static atomic_int is_hanging;

static char *hang(void *arg, const struct fake_request *q, int *status)
{
	(void)arg;
	(void)q;
	while (atomic_load(&is_hanging))
		usleep(10 * 1000);
	*status = 500;
	return strdup("{\"message\":\"no leader\"}");
}

static void without_an_engine_there_is_no_stack(void **state)
{
	(void)state;
	fake_engine_handler(fake, hang, NULL);
	assert_int_equal(strvec_add(&own, nodeos.url), 0);
	assert_int_equal(begin(true), 0);
	assert_int_equal(sampler_round(sampler, &e), -1);
	assert_non_null(strstr(e.msg, "no leader"));
	/* The rest was asked and judged all the same. */
	expect_seen(nodeos.url, 82);
	assert_int_equal(w.judged, 1);
}

static void later_the_former_tasks_are_known(void **state)
{
	(void)state;
	assert_int_equal(begin(true), 0);
	host_says("n1", SLOT("1", "t1", ANSWERS(90, "[]")));
	host_says("n2", SLOT("2", "t2", ANSWERS(91, "[]")));
	must_round();
	fake_engine_handler(fake, hang, NULL);
	usleep(2100 * 1000);
	node("readers.1")->is_seen = false;
	assert_int_equal(sampler_round(sampler, &e), -1);
	assert_non_null(strstr(e.msg, "no leader"));
	expect_seen("readers.1", 90);
	assert_int_equal(w.judged, 2);
}

static void an_engine_that_hangs_holds_up_nobody(void **state)
{
	int64_t start;

	(void)state;
	assert_int_equal(strvec_add(&references, nodeos.url), 0);
	assert_int_equal(begin(true), 0);
	host_says("n1", SLOT("1", "t1", ANSWERS(90, "[]")));
	host_says("n2", SLOT("2", "t2", ANSWERS(91, "[]")));
	must_round();
	usleep(2100 * 1000);
	atomic_store(&is_hanging, 1);
	fake_engine_handler(fake, hang, NULL);
	start = clock_mono_ns();
	must_round();
	assert_true(clock_mono_ns() - start < 1500 * NS_PER_MS);
	expect_lost("readers.1", "the engine has not answered for");
	expect_seen(nodeos.url, 82);
	/* No second question to it, and nothing to wait for. */
	start = clock_mono_ns();
	must_round();
	assert_true(clock_mono_ns() - start < 500 * NS_PER_MS);
	expect_lost("readers.2", "the engine has not answered for");
	atomic_store(&is_hanging, 0);
	fake_cluster_serve(fake, &cluster);
	for (int i = 0; i < 50 && !node("readers.2")->is_seen; i++) {
		usleep(100 * 1000);
		err_clear(&e);
		(void)!sampler_round(sampler, &e);
	}
	assert_true(node("readers.2")->is_seen);
}

/* What an agent does that has too much to do. */
static char *answer_late(void *arg, const char *node_id, const char *path, const char *body)
{
	atomic_int *late = arg;

	(void)node_id;
	(void)body;
	if (strcmp(path, "/v1/sample") == 0 && atomic_exchange(late, 0))
		usleep(1500 * 1000);
	return NULL;
}

static void an_answer_that_is_late_is_not_told(void **state)
{
	atomic_int late = 1;

	(void)state;
	assert_int_equal(begin(true), 0);
	host_says("n1", SLOT("1", "t1", ANSWERS(90, "[]")));
	host_says("n2", SLOT("2", "t2", ANSWERS(91, "[]")));
	fake_agent_handler(agent, answer_late, &late);
	must_round();
	expect_lost("readers.1", "the hosts' agents have not answered for");
	must_round();
	expect_lost("readers.1", "the hosts' agents have not answered for");
	usleep(1000 * 1000);
	/* It is there now, and of the first round: the next one asks anew. */
	w.nodes[0].is_seen = false;
	must_round();
	assert_int_equal(fake_agent_count(agent), 2);
	expect_seen("readers.1", 90);
}

static void *interrupt(void *arg)
{
	usleep(200 * 1000);
	interrupted = 1;
	return arg;
}

static void can_be_interrupted(void **state)
{
	int64_t start = clock_mono_ns();
	pthread_t thread;

	(void)state;
	atomic_store(&is_hanging, 1);
	fake_engine_handler(fake, hang, NULL);
	assert_int_equal(begin(true), 0);
	assert_int_equal(pthread_create(&thread, NULL, interrupt, NULL), 0);
	assert_int_equal(sampler_round(sampler, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_int_equal(w.judged, 0);
	assert_true(clock_mono_ns() - start < 1000 * NS_PER_MS);
	pthread_join(thread, NULL);
	atomic_store(&is_hanging, 0);
}

/* --- URLs ------------------------------------------------------------------------------------ */

static void urls_alone(void **state)
{
	char closed[64], with_user[100];

	(void)state;
	snprintf(closed, sizeof(closed), "http://127.0.0.1:%d/", raw_free_port());
	snprintf(with_user, sizeof(with_user), "http://me:secret@127.0.0.1:%d", nodeos.port);
	assert_int_equal(strvec_add(&own, with_user), 0);
	assert_int_equal(strvec_add(&own, closed), 0);
	/* The same again is the same node. */
	assert_int_equal(strvec_add(&own, nodeos.url), 0);
	assert_int_equal(begin(false), 0);
	must_round();
	assert_int_equal(w.n, 2);
	assert_null(strstr(w.nodes[0].name, "secret"));
	expect_seen(nodeos.url, 82);
	closed[strlen(closed) - 1] = '\0';
	assert_true(node(closed)->is_seen);
	assert_int_equal(node(closed)->head, 0);
	assert_true(*node(closed)->why);
	assert_int_equal(fake_engine_count(fake), 0);
}

static void ids_come_from_urls(void **state)
{
	(void)state;
	assert_int_equal(strvec_add(&own, nodeos.url), 0);
	assert_int_equal(begin(false), 0);
	w.nodes[0].q = (struct sample_request){ .heights = { 70, 71 }, .n_heights = 2 };
	must_round();
	assert_int_equal(w.nodes[0].n_ids, 2);
}

static void what_is_no_node(void **state)
{
	static const char *const rows[] = { "127.0.0.1:8888", "ftp://127.0.0.1", "http://",
		"http://127.0.0.1/v1/chain/get_info", "http://127.0.0.1?x=1", "",
		"http://me:secret@127.0.0.1/path", "ftp://me:secret@127.0.0.1",
		"http://me:secret@127.0.0.1:99999999", "http://me:sec:ret:secret@h:x/y" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		strvec_release(&own);
		err_clear(&e);
		assert_int_equal(strvec_add(&own, rows[i]), 0);
		if (begin(false) == 0 || e.kind != ERR_USAGE)
			fail_msg("'%s': %s", rows[i], e.msg);
		assert_null(strstr(e.msg, "secret"));
	}
}

/* --- one height ------------------------------------------------------------------------------ */

static struct {
	char text[1024];
	size_t n;
} told;

static void tell(void *to, const struct canary_word *word)
{
	size_t n = strlen(told.text);

	assert_ptr_equal(to, &told);
	told.n++;
	snprintf(told.text + n, sizeof(told.text) - n, "%s %s %u %.10s %s;", word->name, word->host,
	        word->head, word->id, word->why ? word->why : "");
}

static void one_height_of_all(void **state)
{
	char url_says[128];

	(void)state;
	memset(&told, 0, sizeof(told));
	assert_int_equal(strvec_add(&references, nodeos.url), 0);
	assert_int_equal(begin(true), 0);
	host_says("n1", SLOT("1", "t1", ANSWERS(90, "[[80,\"" HEX "\"]]")));
	host_says("n2", SLOT("2", "t2", ANSWERS(91, "[[80,null]]")));
	must_round();
	host_says("n1", SLOT("1", "t1", ANSWERS(90, "[[80,\"" HEX "\"]]")));
	assert_int_equal(sampler_ask_height(sampler, 80, tell, &told, &e), 0);
	assert_int_equal(told.n, 3);
	assert_non_null(strstr(told.text, "readers.1 host-n1 90 0000005000 ;"));
	assert_non_null(strstr(told.text, "readers.2 host-n2 91  ;"));
	snprintf(url_says, sizeof(url_says), "%s  82 0000005000 ;", nodeos.url);
	assert_non_null(strstr(told.text, url_says));
	/* The model learns nothing of it. */
	assert_int_equal(w.judged, 1);
	fake_agent_node(agent, "n1", "/v1/sample",
	        "\"error\":{\"kind\":\"unavailable\",\"message\":\"gone\"}");
	memset(&told, 0, sizeof(told));
	assert_int_equal(sampler_ask_height(sampler, 80, tell, &told, &e), 0);
	assert_int_equal(told.n, 3);
	assert_non_null(strstr(told.text, "gone"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(slots_and_urls_in_one_round),
		TEST(each_is_asked_its_own),
		TEST(slots_that_nobody_speaks_for),
		TEST(a_slot_without_a_container),
		TEST(slots_come_and_go),
		TEST(without_an_engine_there_is_no_stack),
		TEST(later_the_former_tasks_are_known),
		TEST(an_engine_that_hangs_holds_up_nobody),
		TEST(an_answer_that_is_late_is_not_told),
		TEST(can_be_interrupted),
		TEST(urls_alone),
		TEST(ids_come_from_urls),
		TEST(what_is_no_node),
		TEST(one_height_of_all),
	};

	return cmocka_run_group_tests_name("watch/sampler", tests, NULL, NULL);
}
