/* Rounds of comparing with real look-ups; two supervisors and a nodeos are handlers here. */

#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "http/probe.h"
#include "http/server.h"
#include "loop/loop.h"
#include "supervise/tenure_compare.h"

#define CHAIN "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"

struct other {
	struct http_server *server;
	const char *service;
	int pid;
	uint32_t head;
	char fork;
	bool hangs, hangs_on_blocks, has_no_blocks;
	unsigned asked, asked_blocks;
};

struct env {
	struct loop loop;
	struct http_prober *prober;
	struct tenure_compare *c;
	struct http_server *nodeos;
	struct other others[2];
	bool nodeos_fails;
	unsigned asked_blocks;
	unsigned rounds;
};

static void on_gone(void *arg UNUSED)
{
}

static const char *id_of(char out[NODEOS_ID_HEX_SIZE], uint32_t num, char fork)
{
	memset(out, fork, NODEOS_ID_HEX_SIZE - 1);
	(void)snprintf(out, NODEOS_ID_HEX_SIZE, "%08x", num);
	out[8] = fork;
	out[NODEOS_ID_HEX_SIZE - 1] = '\0';
	return out;
}

static void say_state(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct other *o = arg;
	char head[NODEOS_ID_HEX_SIZE], lib[NODEOS_ID_HEX_SIZE];
	json_t *j;

	if (strcmp(q->path, "/block") == 0) {
		o->asked_blocks++;
		if (o->hangs_on_blocks) {
			(void)http_server_later(q, on_gone, o);
			return;
		}
		if (o->has_no_blocks || strcmp(http_server_query(q, "num"), "99") != 0) {
			http_server_text(r, 404, "no such block\n");
			return;
		}
		j = json_pack("{s:i, s:s}", "block_num", 99, "id", id_of(head, 99, o->fork));
		http_server_json(r, 200, json_text(j, false));
		json_decref(j);
		return;
	}
	o->asked++;
	if (o->hangs) {
		(void)http_server_later(q, on_gone, o);
		return;
	}
	j = json_pack("{s:s, s:i, s:s, s:s, s:i, s:s, s:I, s:s, s:f, s:I, s:s}", "service",
	        o->service, "slot", 1, "node", "n1", "state", "running", "nodeos_pid", o->pid,
	        "chain_id", CHAIN, "head_block_num", (json_int_t)o->head, "head_block_id",
	        id_of(head, o->head, o->fork), "head_age_seconds", 0.2,
	        "last_irreversible_block_num", (json_int_t)(o->head - 1),
	        "last_irreversible_block_id", id_of(lib, o->head - 1, o->fork));
	http_server_json(r, 200, json_text(j, true));
	json_decref(j);
}

/* Head 100, branch 'a'. */
static void nodeos(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct env *v = arg;
	struct err e = ERR_INIT;
	char head[NODEOS_ID_HEX_SIZE], lib[NODEOS_ID_HEX_SIZE], when[CLOCK_TEXT_MAX];
	json_t *j, *body;

	if (v->nodeos_fails) {
		http_server_text(r, 500, "{}");
		return;
	}
	if (strcmp(q->path, "/v1/chain/get_info") == 0) {
		j = json_pack("{s:s, s:i, s:s, s:s, s:i, s:s}", "chain_id", CHAIN, "head_block_num",
		        100, "head_block_id", id_of(head, 100, 'a'), "head_block_time",
		        clock_text(when, clock_real_ns()), "last_irreversible_block_num", 99,
		        "last_irreversible_block_id", id_of(lib, 99, 'a'));
	} else {
		uint32_t num;

		body = json_parse_object(q->body, q->body_len, "body", &e);
		num = (uint32_t)json_int(body, "block_num", 0);
		json_decref(body);
		v->asked_blocks += num != 100;
		j = json_pack(
		        "{s:I, s:s}", "block_num", (json_int_t)num, "id", id_of(head, num, 'a'));
	}
	http_server_json(r, 200, json_text(j, false));
	json_decref(j);
}

static void on_round(void *arg)
{
	struct env *v = arg;

	v->rounds++;
}

static struct http_server *server(struct env *v, http_server_fn *fn, void *arg)
{
	struct err e = ERR_INIT;
	struct http_server *s = http_server_new(&v->loop,
	        &(struct http_server_config){ .address = "127.0.0.1",
	                .handler = fn,
	                .arg = arg,
	                .max_body = 4096,
	                .answers_later = true },
	        &e);

	assert_non_null(s);
	return s;
}

static int setup(void **state)
{
	struct env *v = calloc(1, sizeof(*v));
	struct err e = ERR_INIT;

	assert_int_equal(loop_init(&v->loop, &e), 0);
	v->prober = http_prober_new(&v->loop, &e);
	assert_non_null(v->prober);
	v->nodeos = server(v, nodeos, v);
	for (size_t i = 0; i < 2; i++) {
		v->others[i] =
		        (struct other){ .service = "readers", .pid = 7, .head = 100, .fork = 'a' };
		v->others[i].server = server(v, say_state, &v->others[i]);
	}
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct env *v = *state;

	tenure_compare_free(v->c);
	http_server_free(v->nodeos);
	http_server_free(v->others[0].server);
	http_server_free(v->others[1].server);
	http_prober_free(v->prober);
	loop_release(&v->loop);
	free(v);
	return 0;
}

/* One round; how long it took. */
static int64_t compare(struct env *v)
{
	int64_t began = clock_mono_ns();
	unsigned before = v->rounds;
	struct err e = ERR_INIT;

	tenure_compare_begin(v->c, 0);
	while (v->rounds == before) {
		assert_true(clock_mono_ns() - began < 5 * NS_PER_SEC);
		assert_int_equal(loop_once(&v->loop, 10, &e), 0);
	}
	return clock_mono_ns() - began;
}

/* The second by a name that has to be looked up. */
static void start(struct env *v)
{
	struct err e = ERR_INIT;
	char names[128];

	(void)snprintf(names, sizeof(names), "127.0.0.1:%u  localhost:%u",
	        http_server_port(v->others[0].server), http_server_port(v->others[1].server));
	v->c = tenure_compare_new(&v->loop, v->prober, names, "producer.1", on_round, v, &e);
	assert_non_null(v->c);
	assert_int_equal(
	        tenure_compare_nodeos(v->c, 4711, "127.0.0.1", http_server_port(v->nodeos), &e), 0);
	/* Until both names are looked up. */
	do
		(void)compare(v);
	while (!v->others[0].asked || !v->others[1].asked);
	v->asked_blocks = 0;
}

static void is(struct env *v, enum tenure_heads wanted, const char *why)
{
	const struct tenure_compared *r = tenure_compare_result(v->c);

	if (r->heads != wanted || !strstr(r->why, why))
		fail_msg("%d (wanted %d): %s", (int)r->heads, (int)wanted, r->why);
}

static void all_are_asked(void **state)
{
	struct env *v = *state;

	start(v);
	(void)compare(v);
	is(v, TENURE_HEADS_LEVEL, "2 of 2 agree");
	assert_true(v->others[0].asked > 0 && v->others[1].asked > 0);
	assert_int_equal(v->asked_blocks, 0);
	assert_int_equal(tenure_compare_result(v->c)->info.head_block_num, 100);
	v->others[1].head = 97;
	(void)compare(v);
	is(v, TENURE_HEADS_LEVEL, "2 of 2 agree");
	assert_int_equal(v->asked_blocks, 1);
	v->others[1].fork = 'b';
	(void)compare(v);
	is(v, TENURE_HEADS_FORKED, "block 97");
	v->others[1] = (struct other){ .server = v->others[1].server,
		.service = "readers",
		.pid = 7,
		.head = 103,
		.fork = 'a' };
	(void)compare(v);
	is(v, TENURE_HEADS_BEHIND, "103");
}

/* The name of our own service leads to us as well; we would agree with ourselves. */
static void we_are_none_of_the_others(void **state)
{
	struct env *v = *state;

	v->others[0].service = v->others[1].service = "producer";
	v->others[0].pid = v->others[1].pid = 4711;
	start(v);
	(void)compare(v);
	is(v, TENURE_HEADS_NOBODY, "nobody");
	/* Another process of that name, on this machine. */
	v->others[1].pid = 4712;
	(void)compare(v);
	is(v, TENURE_HEADS_LEVEL, "1 of 1");
	v->others[1].pid = 4711;
	v->others[1].service = "producer-standby";
	(void)compare(v);
	is(v, TENURE_HEADS_LEVEL, "1 of 1");
}

static void who_is_dead_is_waited_for_once(void **state)
{
	struct env *v = *state;
	int64_t first, second;
	struct err e = ERR_INIT;

	start(v);
	v->others[1].hangs = true;
	first = compare(v);
	assert_true(first >= 450 * NS_PER_MS);
	is(v, TENURE_HEADS_LEVEL, "1 of 1");
	second = compare(v);
	assert_true(second < 300 * NS_PER_MS);
	is(v, TENURE_HEADS_LEVEL, "1 of 1");
	/* It comes back: heard late first, and then waited for. */
	v->others[1].hangs = false;
	(void)compare(v);
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_once(&v->loop, 10, &e), 0);
	(void)compare(v);
	is(v, TENURE_HEADS_LEVEL, "2 of 2");
	/* Nobody answers: not longer than the limit. */
	v->others[0].hangs = v->others[1].hangs = true;
	assert_true(compare(v) < 1500 * NS_PER_MS);
	is(v, TENURE_HEADS_NOBODY, "");
}

/* What they have above our head does not say whether it is of our chain; their block at our last
 * irreversible height does. */
static void who_is_far_ahead_is_asked_for_a_block(void **state)
{
	struct env *v = *state;
	const struct tenure_compared *r;

	start(v);
	r = tenure_compare_result(v->c);
	(void)compare(v);
	assert_true(!v->others[0].asked_blocks && !v->others[1].asked_blocks);
	v->others[0].head = v->others[1].head = 300;
	(void)compare(v);
	is(v, TENURE_HEADS_BEHIND, "300");
	assert_true(v->others[0].asked_blocks == 1 && v->others[1].asked_blocks == 1);
	assert_true(!r->votes.is_split && !r->votes.is_outvoted);
	v->others[0].fork = v->others[1].fork = 'b';
	(void)compare(v);
	is(v, TENURE_HEADS_FORKED, "block 99");
	assert_true(r->votes.is_split && r->votes.is_outvoted);
	assert_non_null(strstr(r->votes.why, "other irreversible blocks than readers.1 on n1"));
	/* One that does not say is counted for us, and does not hold up the round. */
	v->others[1].has_no_blocks = true;
	(void)compare(v);
	is(v, TENURE_HEADS_FORKED, "block 99");
	assert_true(!r->votes.is_split);
	v->others[1].hangs_on_blocks = true;
	assert_true(compare(v) < 1500 * NS_PER_MS);
	assert_true(!r->votes.is_split);
	v->others[1].hangs_on_blocks = v->others[1].has_no_blocks = false;
	(void)compare(v);
	assert_true(r->votes.is_split);
	v->nodeos_fails = true;
	(void)compare(v);
	assert_true(!r->votes.is_split);
}

static void without_our_nodeos_nothing_is_known(void **state)
{
	struct env *v = *state;
	struct err e = ERR_INIT;

	start(v);
	v->nodeos_fails = true;
	(void)compare(v);
	is(v, TENURE_HEADS_UNKNOWN, "nodeos");
	v->nodeos_fails = false;
	(void)compare(v);
	is(v, TENURE_HEADS_LEVEL, "");
	assert_int_equal(tenure_compare_nodeos(v->c, 0, NULL, 0, &e), 0);
	assert_int_equal(tenure_compare_result(v->c)->began_ns, 0);
	tenure_compare_begin(v->c, 0); /* of none there is no round */
}

/* A round that began before is not what was asked for. */
static void a_round_is_begun_anew(void **state)
{
	struct env *v = *state;
	struct err e = ERR_INIT;
	int64_t since;

	start(v);
	v->others[0].hangs = v->others[1].hangs = true;
	tenure_compare_begin(v->c, 0);
	assert_int_equal(loop_once(&v->loop, 50, &e), 0);
	v->others[0].hangs = v->others[1].hangs = false;
	since = clock_boot_ns();
	v->rounds = 0;
	tenure_compare_begin(v->c, since);
	while (!v->rounds)
		assert_int_equal(loop_once(&v->loop, 10, &e), 0);
	assert_true(tenure_compare_result(v->c)->began_ns >= since);
	is(v, TENURE_HEADS_LEVEL, "2 of 2");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(all_are_asked),
		T(we_are_none_of_the_others),
		T(who_is_dead_is_waited_for_once),
		T(who_is_far_ahead_is_asked_for_a_block),
		T(without_our_nodeos_nothing_is_known),
		T(a_round_is_begun_anew),
	};

	return cmocka_run_group_tests_name("tenure_compare", tests, NULL, NULL);
}
