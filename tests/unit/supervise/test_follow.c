/*
 * follow.c with real look-ups and a nodeos that is a server of a few lines.  The names are those
 * that every machine has: "localhost", and one that cannot be.
 */

#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "http/probe.h"
#include "http/server.h"
#include "loop/loop.h"
#include "supervise/follow.h"

struct env {
	struct loop loop;
	struct http_prober *prober;
	struct http_server *server;
	struct follow *f;
	struct buf log;
	const char *answer; /* NULL: by what was asked */
};

static void nodeos(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct env *v = arg;
	bool connects = strcmp(q->path, "/v1/net/connect") == 0;

	assert_string_equal(q->method, "POST");
	assert_true(connects || strcmp(q->path, "/v1/net/disconnect") == 0);
	assert_int_equal(buf_add_fmt(&v->log, "%s%s ", connects ? "+" : "-", q->body), 0);
	http_server_text(r, v->answer ? 400 : 201,
	        v->answer          ? v->answer
	                : connects ? "\"added connection\""
	                           : "\"connection removed\"");
}

static int setup(void **state)
{
	struct env *v = calloc(1, sizeof(*v));
	struct err e = ERR_INIT;

	assert_int_equal(loop_init(&v->loop, &e), 0);
	v->prober = http_prober_new(&v->loop, &e);
	v->server = http_server_new(&v->loop,
	        &(struct http_server_config){
	                .address = "127.0.0.1", .handler = nodeos, .arg = v, .max_body = 4096 },
	        &e);
	assert_non_null(v->server);
	v->f = follow_new(&v->loop, v->prober, "t_readers.1", &e);
	assert_non_null(v->f);
	buf_init(&v->log, 65536);
	assert_int_equal(buf_add_str(&v->log, ""), 0);
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct env *v = *state;

	follow_free(v->f);
	http_server_free(v->server);
	http_prober_free(v->prober);
	loop_release(&v->loop);
	buf_release(&v->log);
	free(v);
	return 0;
}

static void start(struct env *v, const char *a, const char *b, uint16_t p2p_port)
{
	AUTO(strvec) struct strvec names = STRVEC_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(strvec_add(&names, a), 0);
	if (b)
		assert_int_equal(strvec_add(&names, b), 0);
	assert_int_equal(follow_names(v->f, &names, "t_readers", &e), 0);
	assert_int_equal(
	        follow_start(v->f, "127.0.0.1", http_server_port(v->server), p2p_port, &e), 0);
}

/* Until the log is that, or it takes too long. */
static void until(struct env *v, const char *wanted)
{
	struct err e = ERR_INIT;

	for (int i = 0; i < 1000 && strcmp(v->log.data, wanted) != 0; i++)
		assert_int_equal(loop_once(&v->loop, 10, &e), 0);
	assert_string_equal(v->log.data, wanted);
}

static void pass(struct env *v, int ms)
{
	int64_t end = clock_mono_ns() + ms * NS_PER_MS;
	struct err e = ERR_INIT;

	while (clock_mono_ns() < end)
		assert_int_equal(loop_once(&v->loop, 10, &e), 0);
}

static void a_name_becomes_a_connection(void **state)
{
	struct nodeos_peer p = { .text = "127.0.0.1:4711", .is_handshaken = true };
	struct env *v = *state;
	struct follow_counts c;

	start(v, "localhost:4711", NULL, 9876);
	pass(v, 200);
	/* Before its list is known, nodeos is told nothing. */
	assert_string_equal(v->log.data, "");
	follow_saw(v->f, clock_mono_ns());
	until(v, "+\"127.0.0.1:4711\" ");
	assert_true(follow_is_waiting(v->f));
	pass(v, 100); /* the answer */
	assert_true(follow_sees(v->f, &p, false));
	follow_saw(v->f, clock_mono_ns());
	c = follow_counts(v->f);
	assert_int_equal(c.wanted, 1);
	assert_int_equal(c.connected, 1);
	assert_false(follow_is_waiting(v->f));
	/* Another nodeos knows nothing of it. */
	follow_stop(v->f);
	start(v, "localhost:4711", NULL, 9876);
	follow_saw(v->f, clock_mono_ns());
	until(v, "+\"127.0.0.1:4711\" +\"127.0.0.1:4711\" ");
}

/* One after the other, and none has to wait for a retry. */
static void two_at_once(void **state)
{
	int64_t began = clock_mono_ns();
	struct env *v = *state;

	/* Addresses, which are answered in the order they are asked for. */
	start(v, "127.0.0.1:4711", "127.0.0.1:4712", 9876);
	pass(v, 200);
	follow_saw(v->f, clock_mono_ns());
	follow_saw(v->f, clock_mono_ns()); /* while the first request is under way */
	until(v, "+\"127.0.0.1:4711\" +\"127.0.0.1:4712\" ");
	assert_true(clock_mono_ns() - began < FOLLOW_RETRY_NS);
}

/* Also those that were not chosen; none of ours. */
static void addresses_of_all_names(void **state)
{
	struct env *v = *state;
	struct in_addr a[4];

	start(v, "127.0.0.3:4711", "127.0.0.2:4711", 9876);
	assert_int_equal(follow_addresses(v->f, a, 4), 0);
	pass(v, 200);
	assert_int_equal(follow_addresses(v->f, a, 4), 2);
	assert_int_equal(ntohl(a[0].s_addr), 0x7f000003);
	assert_int_equal(ntohl(a[1].s_addr), 0x7f000002);
	assert_int_equal(follow_addresses(v->f, a, 1), 1);
	/* They stay known when nodeos is started again, and go with their names. */
	follow_stop(v->f);
	assert_int_equal(follow_addresses(v->f, a, 4), 2);
	start(v, "127.0.0.2:4711", "127.0.0.2:4712", 9876);
	assert_int_equal(follow_addresses(v->f, a, 4), 0);
	pass(v, 200);
	assert_int_equal(follow_addresses(v->f, a, 4), 1);
	start(v, "localhost:4711", NULL, 9876);
	pass(v, 200);
	assert_int_equal(follow_addresses(v->f, a, 4), 0);
}

static void ourselves_we_leave_out(void **state)
{
	struct env *v = *state;

	start(v, "localhost:9876", NULL, 9876);
	follow_saw(v->f, clock_mono_ns());
	pass(v, 300);
	assert_string_equal(v->log.data, "");
	assert_int_equal(follow_counts(v->f).wanted, 0);
}

/* A name that cannot be looked up does not get in the way of one that can. */
static void a_bad_name_is_shown(void **state)
{
	struct env *v = *state;
	json_t *j;

	start(v, "no--such--name:1", "localhost:4711", 9876);
	follow_saw(v->f, clock_mono_ns());
	until(v, "+\"127.0.0.1:4711\" ");
	pass(v, 200);
	j = follow_json(v->f);
	assert_non_null(j);
	assert_string_equal(json_str(json_array_get(j, 0), "name", ""), "no--such--name:1");
	assert_string_not_equal(json_str(json_array_get(j, 0), "state", ""), "found");
	assert_string_equal(json_str(json_array_get(j, 1), "state", ""), "found");
	assert_int_equal(json_int(json_array_get(j, 1), "addresses", -1), 1);
	json_decref(j);
}

static void a_refusal_is_no_loop(void **state)
{
	struct env *v = *state;

	v->answer = "{\"code\":400}";
	start(v, "localhost:4711", NULL, 9876);
	follow_saw(v->f, clock_mono_ns());
	pass(v, 1000);
	assert_string_equal(v->log.data, "+\"127.0.0.1:4711\" ");
}

/* Stopped with everything under way: nothing is called afterwards, nothing leaks. */
static void stopped_in_the_middle(void **state)
{
	struct env *v = *state;
	struct err e = ERR_INIT;

	for (int i = 0; i < 20; i++) {
		start(v, "localhost:4711", "no--such--name:1", 9876);
		follow_saw(v->f, clock_mono_ns());
		for (int k = 0; k < i % 4; k++)
			assert_int_equal(loop_once(&v->loop, 1, &e), 0);
		follow_stop(v->f);
	}
	pass(v, 100);
	assert_true(v->log.len < 1000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_name_becomes_a_connection),
		CASE(two_at_once),
		CASE(ourselves_we_leave_out),
		CASE(addresses_of_all_names),
		CASE(a_bad_name_is_shown),
		CASE(a_refusal_is_no_loop),
		CASE(stopped_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
