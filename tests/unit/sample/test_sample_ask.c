#include "unit/test.h"

#include "sample/ask.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "fake/raw_server.h"
#include "http/probe.h"
#include "loop/loop.h"
#include "unit/nodeos/data.h"

#define CHAIN   "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define REST    "0ea0ea0ea0ea0ea0ea0ea0ea0ea0ea0ea0ea0ea0ea0ea0ea0ea0ea0e" /* of each id */
#define LIMIT   (5 * NS_PER_SEC)
#define UNKNOWN "{\"code\":400,\"message\":\"Unknown Block\",\"error\":{\"code\":3100002}}"

/* --- a nodeos --------------------------------------------------------------------------------- */

/* What it does. */
struct plan {
	unsigned head, lib;
	bool is_public;          /* no net and db_size plugins */
	unsigned first;          /* it has no blocks before */
	unsigned other;          /* answers for the block before when it is asked for this one */
	unsigned big;            /* this block's reply is too large */
	unsigned fails_from;     /* get_block fails from this one on */
	unsigned unread_from;    /* and get_block_info too */
	const char *silent_at;   /* says no more to a request that has this */
	const char *hangs_up_at; /* closes instead of an answer */
	const char *info;        /* instead of its get_info: status and body */
	const char *schedule;    /* instead of its schedule */
};

static struct plan node;   /* a test's; sample_now() tells it to the server */
static struct plan served; /* behind the lock */
static struct plan plan;   /* the server's, of the request it is at */

static struct raw_server server;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* What was asked: "get_info;get_block_info 5;". */
static char asked[4096];

static void tell_plan(void)
{
	(void)pthread_mutex_lock(&lock);
	served = node;
	(void)pthread_mutex_unlock(&lock);
}

static void note(const char *path, const char *body)
{
	const char *digits = strpbrk(body, "0123456789");
	size_t n;

	(void)pthread_mutex_lock(&lock);
	n = strlen(asked);
	(void)snprintf(asked + n, sizeof(asked) - n, "%s%s%s;", path, digits ? " " : "",
	        digits ? digits : "");
	n = strlen(asked);
	if (n > 2 && asked[n - 2] == '}')
		memcpy(asked + n - 2, ";", 2);
	(void)pthread_mutex_unlock(&lock);
}

static void asked_are(const char *wanted)
{
	char got[sizeof(asked)];

	(void)pthread_mutex_lock(&lock);
	(void)snprintf(got, sizeof(got), "%s", asked);
	asked[0] = '\0';
	(void)pthread_mutex_unlock(&lock);
	assert_string_equal(got, wanted);
}

/* In one piece: the second of two would wait until the first is acknowledged, 40 ms later. */
static void reply(int fd, const char *status, const char *body)
{
	AUTO(free)
	char *text =
	        str_fmt("HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);

	if (text)
		raw_say(fd, text);
}

static void say_info(int fd)
{
	char text[1024];

	if (plan.info) {
		char status[64];

		(void)snprintf(
		        status, sizeof(status), "%.*s", (int)strcspn(plan.info, "|"), plan.info);
		reply(fd, status, strchr(plan.info, '|') + 1);
		return;
	}
	(void)snprintf(text, sizeof(text),
	        "{\"chain_id\":\"" CHAIN "\",\"head_block_num\":%u,\"head_block_id\":\"%08x" REST
	        "\",\"head_block_time\":\"2026-11-20T10:21:12.000\",\"head_block_producer\":"
	        "\"eosio\",\"last_irreversible_block_num\":%u,\"last_irreversible_block_id\":"
	        "\"%08x" REST "\",\"server_version_string\":\"v4.0.6\"}",
	        plan.head, plan.head, plan.lib, plan.lib);
	reply(fd, "200 OK", text);
}

static void say_block(int fd, unsigned num, bool is_whole)
{
	AUTO(free) char *filler = NULL;
	AUTO(free) char *text = NULL;

	if (num < plan.first || num > plan.head) {
		reply(fd, "400 Bad Request", UNKNOWN);
		return;
	}
	if ((plan.fails_from && is_whole && num >= plan.fails_from) ||
	        (plan.unread_from && num >= plan.unread_from)) {
		reply(fd, "500 Internal Server Error",
		        "{\"code\":500,\"message\":\"Internal Service Error\",\"error\":{\"code\":"
		        "3080006,\"details\":[]}}");
		return;
	}
	filler = calloc(1, NODEOS_REPLY_MAX + 1);
	if (filler && is_whole && num == plan.big)
		memset(filler, ' ', NODEOS_REPLY_MAX);
	if (num == plan.other)
		num--;
	text = str_fmt("{\"block_num\":%u,\"id\":\"%08x" REST "\",\"previous\":\"%08x" REST
	               "\",\"producer\":\"proda\",\"timestamp\":\"2026-11-20T10:21:12.000\","
	               "\"schedule_version\":7%s%s}",
	        num, num, num - 1, is_whole ? ",\"transactions\":[{},{}]" : "", filler);
	reply(fd, "200 OK", text);
}

static void say_file(int fd, const char *name)
{
	AUTO(buf) struct buf b = BUF_INIT(65536);

	data_load(&b, name);
	reply(fd, "200 OK", b.data);
}

/* One answer; false: there is none. */
static bool answer(int fd, const char *path, const char *body)
{
	const char *digits = strpbrk(body, "0123456789");
	unsigned num = digits ? (unsigned)strtoul(digits, NULL, 10) : 0;

	if (plan.silent_at && strcmp(plan.silent_at, path) == 0)
		return false;
	if (strcmp(path, "/v1/chain/get_info") == 0)
		say_info(fd);
	else if (strcmp(path, "/v1/chain/get_block_info") == 0)
		say_block(fd, num, false);
	else if (strcmp(path, "/v1/chain/get_block") == 0)
		say_block(fd, num, true);
	else if (strcmp(path, "/v1/chain/get_producer_schedule") == 0 && plan.schedule)
		reply(fd, "200 OK", plan.schedule);
	else if (strcmp(path, "/v1/chain/get_producer_schedule") == 0)
		say_file(fd, "get_producer_schedule-three.json");
	else if (!plan.is_public && strcmp(path, "/v1/net/connections") == 0)
		say_file(fd, "connections-one-down.json");
	else if (!plan.is_public && strcmp(path, "/v1/db_size/get") == 0)
		say_file(fd, "db_size.json");
	else
		reply(fd, "404 Not Found", "{\"code\":404,\"message\":\"Not Found\",\"error\":{}}");
	return true;
}

static void serve(struct raw_server *s, int fd, int n)
{
	char path[128], c;

	(void)n;
	while (raw_read(s, fd) == 0) {
		const char *body = strstr(s->request, "\r\n\r\n") + 4;

		if (sscanf(s->request, "%*s %127s", path) != 1)
			return;
		(void)pthread_mutex_lock(&lock);
		plan = served;
		(void)pthread_mutex_unlock(&lock);
		note(strrchr(path, '/') + 1, body);
		if (plan.hangs_up_at && strcmp(path, plan.hangs_up_at) == 0)
			return;
		if (!answer(fd, path, body)) {
			(void)!read(fd, &c, 1);
			return;
		}
	}
}

/* --- the clock, which a test may move on ------------------------------------------------------ */

static int64_t later_ns;

int64_t __real_clock_mono_ns(void);
int64_t __wrap_clock_mono_ns(void);

int64_t __wrap_clock_mono_ns(void)
{
	return __real_clock_mono_ns() + later_ns;
}

/* --- who asks --------------------------------------------------------------------------------- */

static struct loop loop;
static struct http_prober *prober;
static struct sample_asker *asker;

/* The last sample, taken. */
static struct sample got;
static unsigned calls;

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	memset(&node, 0, sizeof(node));
	node.head = 8;
	node.lib = 5;
	node.first = 1;
	tell_plan();
	asked[0] = '\0';
	calls = 0;
	got = SAMPLE_INIT;
	if (loop_init(&loop, &e) < 0 || raw_server_start(&server, NULL, serve) < 0)
		return -1;
	prober = http_prober_new(&loop, &e);
	asker = prober ? sample_asker_new(prober, server.url, &e) : NULL;
	return asker ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	sample_release(&got);
	sample_asker_free(asker);
	asker = NULL;
	http_prober_free(prober);
	raw_server_stop(&server);
	assert_null(loop.timers);
	loop_release(&loop);
	return 0;
}

static void take(void *arg, struct sample *s)
{
	assert_ptr_equal(arg, &got);
	sample_release(&got);
	got = *s;
	*s = SAMPLE_INIT;
	calls++;
}

static void rounds_until(unsigned wanted)
{
	int64_t end = clock_mono_ns() + 10 * NS_PER_SEC;
	struct err e = ERR_INIT;

	while (calls < wanted) {
		assert_int_equal(loop_once(&loop, 1000, &e), 0);
		assert_true(clock_mono_ns() < end);
	}
}

/* Starts one and waits for it; returns how long it took. */
static int64_t sample_now(const struct sample_request *q, int64_t limit_ns)
{
	int64_t begin = clock_mono_ns();
	unsigned before = calls;
	struct err e = ERR_INIT;

	tell_plan();
	if (sample_asker_start(asker, q, limit_ns, take, &got, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(sample_asker_is_running(asker));
	assert_int_equal(calls, before);
	rounds_until(before + 1);
	assert_false(sample_asker_is_running(asker));
	return clock_mono_ns() - begin;
}

static const struct sample_request nothing = { .first = 0 };
static const struct sample_request everything = {
	.heights = { 3, 5, 7, 8, 9 },
	.n_heights = 5,
	.first = 6,
	.last = 20,
	.wants_schedule = true,
};

static void is_id(size_t i, uint32_t num, const char *id)
{
	assert_true(i < got.n_ids);
	assert_int_equal(got.ids[i].num, num);
	assert_string_equal(got.ids[i].id, id);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void all_that_can_be_asked(void **state)
{
	int64_t before = clock_real_ns();

	(void)state;
	assert_true(sample_now(&everything, LIMIT) >= got.answer_ns);
	assert_int_equal(got.state, SAMPLE_ANSWERS);
	assert_string_equal(got.why, "");
	assert_string_equal(got.slot_state, "");
	assert_string_equal(got.info.chain_id, CHAIN);
	assert_int_equal(got.info.head_block_num, 8);
	assert_string_equal(got.info.head_block_producer, "eosio");
	assert_true(got.answer_ns > 0);
	assert_true(got.real_ns >= before && got.real_ns <= clock_real_ns());
	assert_int_equal(got.n_ids, 5);
	is_id(0, 3, "00000003" REST);
	is_id(1, 5, "00000005" REST);
	is_id(2, 7, "00000007" REST);
	is_id(3, 8, "00000008" REST);
	is_id(4, 9, "");
	assert_int_equal(got.n_blocks, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(got.blocks[i].num, 6 + i);
		assert_int_equal(got.blocks[i].transactions, 2);
		assert_int_equal(got.blocks[i].schedule_version, 7);
		assert_string_equal(got.blocks[i].producer, "proda");
	}
	assert_string_equal(got.blocks[1].id, "00000007" REST);
	assert_string_equal(got.blocks[1].previous, "00000006" REST);
	assert_true(got.has_schedule);
	assert_int_equal(got.schedule.n, 3);
	assert_int_equal(got.peers_connected, 1);
	assert_int_equal(got.peers_configured, 2);
	/* 262983968 of 268434432 bytes are free. */
	assert_true(got.db_used_percent > 2.03 && got.db_used_percent < 2.04);
	/* One after the other, on one connection, and nothing that get_info has said. */
	asked_are("get_info;get_block_info 3;get_block_info 7;get_block 6;get_block 7;get_block 8;"
	          "get_producer_schedule;connections;get;");
	assert_int_equal(server.connections, 1);
}

static void peers_and_the_database_rarely(void **state)
{
	(void)state;
	(void)sample_now(&nothing, LIMIT);
	asked_are("get_info;connections;get;");
	for (unsigned i = 0; i < 5; i++) {
		(void)sample_now(&nothing, LIMIT);
		assert_int_equal(got.state, SAMPLE_ANSWERS);
		assert_int_equal(got.n_ids, 0);
		assert_int_equal(got.n_blocks, 0);
		assert_false(got.has_schedule);
		/* As they were known last. */
		assert_int_equal(got.peers_connected, 1);
		assert_true(got.db_used_percent > 0);
	}
	asked_are("get_info;get_info;get_info;get_info;get_info;");
	assert_int_equal(server.connections, 1);
}

/* Ten seconds later they are asked for again, and what is not answered then is known no more. */
static void peers_and_the_database_again(void **state)
{
	(void)state;
	(void)sample_now(&nothing, LIMIT);
	node.is_public = true;
	asked_are("get_info;connections;get;");
	later_ns += 9 * NS_PER_SEC;
	(void)sample_now(&nothing, LIMIT);
	asked_are("get_info;");
	assert_int_equal(got.peers_configured, 2);
	later_ns += NS_PER_SEC;
	(void)sample_now(&nothing, LIMIT);
	asked_are("get_info;connections;get;");
	assert_int_equal(got.peers_connected, -1);
	assert_int_equal(got.peers_configured, -1);
	assert_true(got.db_used_percent < 0);
}

static void only_the_chain(void **state)
{
	(void)state;
	sample_asker_only_chain(asker);
	(void)sample_now(&everything, LIMIT);
	assert_int_equal(got.n_blocks, 3);
	assert_int_equal(got.peers_connected, -1);
	assert_int_equal(got.peers_configured, -1);
	assert_true(got.db_used_percent < 0);
	asked_are("get_info;get_block_info 3;get_block_info 7;get_block 6;get_block 7;get_block 8;"
	          "get_producer_schedule;");
}

static void a_public_node(void **state)
{
	(void)state;
	node.is_public = true;
	(void)sample_now(&nothing, LIMIT);
	asked_are("get_info;connections;get;");
	assert_int_equal(got.state, SAMPLE_ANSWERS);
	assert_int_equal(got.peers_connected, -1);
	assert_int_equal(got.peers_configured, -1);
	assert_true(got.db_used_percent < 0);
	/* That is no reason to ask more often. */
	(void)sample_now(&nothing, LIMIT);
	asked_are("get_info;");
}

/* A node that was started from a snapshot. */
static void blocks_that_are_not_there(void **state)
{
	(void)state;
	node.first = 7;
	(void)sample_now(&everything, LIMIT);
	assert_int_equal(got.n_ids, 5);
	is_id(0, 3, "");
	is_id(2, 7, "00000007" REST);
	assert_int_equal(got.n_blocks, 0);
	assert_true(got.has_schedule);
	asked_are("get_info;get_block_info 3;get_block_info 7;get_block 6;get_producer_schedule;"
	          "connections;get;");
}

/* nodeos has a time limit of its own for a reply, and we one for its size. */
static void blocks_whose_transactions_cannot_be_had(void **state)
{
	static const struct {
		unsigned big, fails_from, unread_from;
		size_t n;
		int transactions[3];
		const char *asked;
	} t[] = {
		{ 7, 0, 0, 3, { 2, -1, 2 },
		        "get_info;get_block 6;get_block 7;get_block_info 7;get_block 8;" },
		{ 0, 7, 0, 3, { 2, -1, -1 },
		        "get_info;get_block 6;get_block 7;get_block_info 7;get_block 8;"
		        "get_block_info 8;" },
		{ 0, 0, 7, 1, { 2 }, "get_info;get_block 6;get_block 7;get_block_info 7;" },
		{ 0, 0, 6, 0, { 0 }, "get_info;get_block 6;get_block_info 6;" },
	};
	const struct sample_request q = { .first = 6, .last = 8 };

	(void)state;
	sample_asker_only_chain(asker);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		node.big = t[i].big;
		node.fails_from = t[i].fails_from;
		node.unread_from = t[i].unread_from;
		(void)sample_now(&q, LIMIT);
		asked_are(t[i].asked);
		if (got.n_blocks != t[i].n)
			fail_msg("%zu: %zu blocks", i, got.n_blocks);
		for (size_t k = 0; k < t[i].n; k++)
			if (got.blocks[k].num != 6 + k ||
			        got.blocks[k].transactions != t[i].transactions[k])
				fail_msg("%zu: block %zu: %d", i, k, got.blocks[k].transactions);
	}
}

/* A cache in between, or a node that lies: what is not of the height asked for is not taken. */
static void answers_of_another_height(void **state)
{
	(void)state;
	sample_asker_only_chain(asker);
	node.other = 7;
	(void)sample_now(&everything, LIMIT);
	assert_int_equal(got.n_ids, 4);
	is_id(0, 3, "00000003" REST);
	is_id(2, 8, "00000008" REST);
	assert_int_equal(got.n_blocks, 1);
	assert_int_equal(got.blocks[0].num, 6);
}

/* One height that cannot be had hides no other. */
static void ids_that_fail(void **state)
{
	const struct sample_request q = { .heights = { 3, 6, 7 }, .n_heights = 3 };

	(void)state;
	sample_asker_only_chain(asker);
	node.unread_from = 6;
	(void)sample_now(&q, LIMIT);
	asked_are("get_info;get_block_info 3;get_block_info 6;get_block_info 7;");
	assert_int_equal(got.n_ids, 1);
	is_id(0, 3, "00000003" REST);
}

static void a_schedule_that_is_none(void **state)
{
	(void)state;
	node.schedule = "{\"active\":{}}";
	(void)sample_now(&everything, LIMIT);
	assert_false(got.has_schedule);
	assert_int_equal(got.peers_connected, 1);
}

static void no_more_blocks_than_asked_for(void **state)
{
	const struct sample_request q = { .first = 1, .last = UINT32_MAX };
	const struct sample_request two = { .first = 3, .last = 4 };

	(void)state;
	node.head = 1000;
	(void)sample_now(&q, LIMIT);
	assert_int_equal(got.n_blocks, SAMPLE_BLOCKS_MAX);
	assert_int_equal(got.blocks[SAMPLE_BLOCKS_MAX - 1].num, SAMPLE_BLOCKS_MAX);
	(void)sample_now(&two, LIMIT);
	assert_int_equal(got.n_blocks, 2);
	assert_int_equal(got.blocks[1].num, 4);
}

/* When the time is over, or the connection, what has come by then is the sample. */
static void what_came_in_time(void **state)
{
	static const struct {
		const char *at;
		enum sample_state state;
		size_t ids, blocks;
		bool has_schedule;
		int peers;
	} t[] = {
		{ "/v1/chain/get_info", SAMPLE_SILENT, 0, 0, false, -1 },
		{ "/v1/chain/get_block_info", SAMPLE_ANSWERS, 0, 0, false, -1 },
		{ "/v1/chain/get_block", SAMPLE_ANSWERS, 5, 0, false, -1 },
		{ "/v1/chain/get_producer_schedule", SAMPLE_ANSWERS, 5, 3, false, -1 },
		{ "/v1/net/connections", SAMPLE_ANSWERS, 5, 3, true, -1 },
		{ "/v1/db_size/get", SAMPLE_ANSWERS, 5, 3, true, 1 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(t); i++) {
		const size_t k = i / 2;
		struct err e = ERR_INIT;
		int64_t took;

		sample_asker_free(asker);
		asker = sample_asker_new(prober, server.url, &e);
		assert_non_null(asker);
		node.silent_at = i % 2 ? NULL : t[k].at;
		node.hangs_up_at = i % 2 ? t[k].at : NULL;
		took = sample_now(&everything, 800 * NS_PER_MS);
		if (got.state != t[k].state || got.n_ids != t[k].ids ||
		        got.n_blocks != t[k].blocks || got.has_schedule != t[k].has_schedule ||
		        got.peers_connected != t[k].peers || got.db_used_percent >= 0)
			fail_msg("%s: %d %zu %zu %d %d", t[k].at, (int)got.state, got.n_ids,
			        got.n_blocks, got.has_schedule, got.peers_connected);
		if (i % 2 == 0)
			assert_true(took >= 799 * NS_PER_MS && took < 3 * NS_PER_SEC);
		if (i == 0)
			assert_string_equal(got.why, "no answer within 800ms");
	}
}

#define EUROS                                                                                      \
	"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2" \
	"\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"

static void who_does_not_answer(void **state)
{
	static const struct {
		const char *info, *why;
	} t[] = {
		{ "503 Service Unavailable|<html>busy</html>",
		        "HTTP status 503, get_info: line 1, column " },
		{ "500 Internal Server Error|{\"code\":500,\"message\":\"Internal Service Error\","
		  "\"error\":{\"details\":[{\"message\":\"shutting \\u001bdown\"}]}}",
		        "HTTP status 500, get_info: nodeos says 500 Internal Service Error: "
		        "shutting "
		        "?down" },
		/* It is cut within a character. */
		{ "500 Internal Server Error|{\"message\":\"x" EUROS EUROS EUROS EUROS EUROS EUROS
		  "\",\"error\":{\"details\":[]}}",
		        "HTTP status 500, get_info: nodeos says 0 x\xe2\x82\xac" },
		{ "200 OK|{}", "HTTP status 200, get_info: 'chain_id' is missing" },
		{ "200 OK|[]", "HTTP status 200, get_info: not a JSON object" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		node.info = t[i].info;
		(void)sample_now(&everything, LIMIT);
		assert_int_equal(got.state, SAMPLE_SILENT);
		assert_int_equal(got.real_ns, 0);
		if (!str_starts(got.why, t[i].why, NULL))
			fail_msg("%s: %s", t[i].info, got.why);
		assert_true(str_is_utf8(got.why));
		assert_int_equal(got.n_ids, 0);
	}
	asked_are("get_info;get_info;get_info;get_info;get_info;");
	/* And is heard again when it does. */
	node.info = NULL;
	(void)sample_now(&nothing, LIMIT);
	assert_int_equal(got.state, SAMPLE_ANSWERS);
	assert_string_equal(got.why, "");
}

/* Whoever sees a sample need not know the password that an operator has put into a URL. */
static void a_url_with_a_password(void **state)
{
	struct err e = ERR_INIT;
	char url[128];

	(void)state;
	(void)snprintf(url, sizeof(url), "http://me:secret@127.0.0.1:%d/", raw_free_port());
	sample_asker_free(asker);
	asker = sample_asker_new(prober, url, &e);
	assert_non_null(asker);
	(void)sample_now(&nothing, LIMIT);
	assert_int_equal(got.state, SAMPLE_SILENT);
	if (!strstr(got.why, "Connection refused") || strstr(got.why, "secret") ||
	        strstr(got.why, "127.0.0.1"))
		fail_msg("%s", got.why);
	(void)snprintf(url, sizeof(url), "http://me:secret@127.0.0.1:%d", server.port);
	sample_asker_free(asker);
	asker = sample_asker_new(prober, url, &e);
	assert_non_null(asker);
	(void)sample_now(&nothing, LIMIT);
	assert_int_equal(got.state, SAMPLE_ANSWERS);
}

static void urls(void **state)
{
	static const struct {
		const char *url;
		bool is_good;
	} t[] = {
		{ "http://127.0.0.1:8888", true },
		{ "http://127.0.0.1:8888/", true },
		{ "https://eos.example.org", true },
		{ "http://[::1]:8888", true },
		{ "http://host?", false },
		{ "http://host/v1/chain", false },
		{ "http://host/?x", false },
		{ "http://host?x", false },
		{ "127.0.0.1:8888", false },
		{ "ftp://host", false },
		{ "http://", false },
		{ "http://host:99999", false },
		{ "", false },
	};
	char text[300];
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct sample_asker *a;

		err_clear(&e);
		a = sample_asker_new(prober, t[i].url, &e);
		if (!a != !t[i].is_good || (!a && e.kind != ERR_USAGE))
			fail_msg("%s: %s", t[i].url, e.msg);
		sample_asker_free(a);
	}
	for (size_t n = 200; n <= 201; n++) {
		struct sample_asker *a;

		memset(text, 'a', sizeof(text));
		memcpy(text, "http://a:", 9);
		memcpy(text + n - 2, "@h/", 4);
		err_clear(&e);
		a = sample_asker_new(prober, text, &e);
		assert_true(!a == (n > 200));
		sample_asker_free(a);
	}
	assert_string_equal(e.msg, "the URL of a nodeos has more than 200 bytes");
}

static void one_at_a_time(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(sample_asker_start(asker, &nothing, LIMIT, take, &got, &e), 0);
	assert_int_equal(sample_asker_start(asker, &nothing, LIMIT, take, &got, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	rounds_until(1);
	(void)sample_now(&nothing, LIMIT);
	assert_int_equal(calls, 2);
}

static void start_again(void *arg, struct sample *s)
{
	struct err e = ERR_INIT;

	take(arg, s);
	if (calls < 3)
		assert_int_equal(
		        sample_asker_start(asker, &everything, LIMIT, start_again, arg, &e), 0);
	else
		sample_asker_free(TAKE(asker));
}

static void from_within_the_callback(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(sample_asker_start(asker, &everything, LIMIT, start_again, &got, &e), 0);
	rounds_until(3);
	assert_null(asker);
	assert_int_equal(got.n_ids, 5);
	assert_int_equal(got.n_blocks, 3);
	assert_int_equal(server.connections, 1);
}

static void freed_while_it_runs(void **state)
{
	struct err e = ERR_INIT;
	int64_t end;

	(void)state;
	assert_int_equal(sample_asker_start(asker, &everything, LIMIT, take, &got, &e), 0);
	assert_int_equal(loop_once(&loop, 0, &e), 0);
	sample_asker_free(TAKE(asker));
	for (end = clock_mono_ns() + 200 * NS_PER_MS; clock_mono_ns() < end;)
		assert_int_equal(loop_once(&loop, 10, &e), 0);
	assert_int_equal(calls, 0);
}

#define ROW(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(all_that_can_be_asked),
		ROW(peers_and_the_database_rarely),
		ROW(peers_and_the_database_again),
		ROW(only_the_chain),
		ROW(a_public_node),
		ROW(blocks_that_are_not_there),
		ROW(blocks_whose_transactions_cannot_be_had),
		ROW(answers_of_another_height),
		ROW(ids_that_fail),
		ROW(a_schedule_that_is_none),
		ROW(no_more_blocks_than_asked_for),
		ROW(what_came_in_time),
		ROW(who_does_not_answer),
		ROW(a_url_with_a_password),
		ROW(urls),
		ROW(one_at_a_time),
		ROW(from_within_the_callback),
		ROW(freed_while_it_runs),
	};

	return cmocka_run_group_tests_name("sample/ask", tests, NULL, NULL);
}
