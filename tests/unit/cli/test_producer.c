#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/command.h"
#include "cli/opts.h"
#include "fake/engine.h"
#include "fake/producer_stack.h"

/* What the producer commands print; what they do is in producer/test_*.c. */

static struct fake_producer_stack *f;
static struct context ctx;
static struct err e;
static char *out;
static size_t out_size;

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	f = fake_producer_stack_start();
	out = NULL;
	ctx = (struct context){
		.out = open_memstream(&out, &out_size),
		.err = fopen("/dev/null", "w"),
		.host = fake_producer_stack_host(f),
		.stack = "s",
		.pool = fake_producer_stack_pool(f),
	};
	return ctx.out && ctx.err ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(ctx.result);
	fclose(ctx.out);
	fclose(ctx.err);
	free(out);
	fake_producer_stack_stop(f);
	return 0;
}

/* Run it with up to two arguments, as text or as JSON. */
static int run(const struct command *c, bool json, char *a, char *b)
{
	char *argv[] = { a, b, NULL };

	json_decref(ctx.result);
	ctx.result = NULL;
	ctx.command = c;
	ctx.json = json;
	rewind(ctx.out);
	err_clear(&e);
	if (opts_defaults(c->opts, &e) < 0 || c->run(&ctx, b ? 2 : a ? 1 : 0, argv, &e) < 0)
		return -1;
	fputc('\0', ctx.out);
	fflush(ctx.out);
	return 0;
}

static void prints(const char *text)
{
	if (!strstr(out, text))
		fail_msg("'%s' is not in\n%s", text, out);
}

static void status_for_people(void **state)
{
	(void)state;
	f->release_looks = 1000;
	if (run(&cmd_producer_status, false, NULL, NULL) < 0)
		fail_msg("%s", e.msg);
	prints("NAME               HOST    STATE     HEAD LIB LAG EPOCH SIGNED WHY\n");
	prints("producer.1         host-n1 producing  120 119   0     7     51 -\n");
	prints("producer-standby.1 host-n2 standby    120 119   0     -      0 -\n");
	prints("\nlease producer: held by producer.1, epoch 7, term 4.0s, renewed 12 times\n"
	       "term: when its holder dies a ready standby signs within about 6.0s; but ");
	prints("\nTIME                     EPOCH HOLDER     REASON\n"
	       "2025-11-21T22:43:20.000Z     7 producer.1 the lease was free\n");
}

static void status_for_programs(void **state)
{
	const json_t *c, *lease;

	(void)state;
	f->release_looks = 1000;
	f->lease.order = LEASE_ORDER_PAUSE;
	if (run(&cmd_producer_status, true, NULL, NULL) < 0)
		fail_msg("%s", e.msg);
	c = json_array_get(json_at(ctx.result, "candidates"), 1);
	assert_string_equal(json_str(c, "name", ""), "producer-standby.1");
	assert_string_equal(json_str(c, "holder_id", ""), "s_producer-standby.1");
	assert_true(json_bool(c, "could_take_over", false));
	assert_false(json_bool(c, "holds", true));
	assert_string_equal(json_str(c, "producer.lease", ""), "producer");
	lease = json_at(ctx.result, "lease");
	assert_string_equal(json_str(lease, "holder_name", ""), "producer.1");
	assert_string_equal(json_str(lease, "order", ""), "pause");
	assert_true(json_is_null(json_object_get(lease, "order_to")));
	assert_true(json_real_value(json_at(lease, "term_seconds")) > 3.9);
	assert_true(json_real_value(json_at(lease, "bridge_seconds")) < 2.1);
	c = json_array_get(json_at(ctx.result, "changes"), 0);
	assert_string_equal(json_str(c, "reason", ""), "the lease was free");
	assert_int_equal(json_array_size(json_at(ctx.result, "warnings")), 0);
}

static void status_of_nothing(void **state)
{
	(void)state;
	f->has_lease = false;
	f->n = 0;
	fake_producer_stack_place(f);
	if (run(&cmd_producer_status, false, NULL, NULL) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(out,
	        "lease producer: nobody has made it yet\n"
	        "warning: nobody holds the lease, and nobody is ready to take it; the first of a "
	        "new chain "
	        "needs NODESWARM_BOOTSTRAP=1\n"
	        "warning: there is no standby: 'producer' has no replicas; "
	        "'nodeswarm scale producer=1' makes one\n");
	if (run(&cmd_producer_status, true, NULL, NULL) < 0)
		fail_msg("%s", e.msg);
	assert_true(json_is_null(json_object_get(ctx.result, "lease")));
	assert_int_equal(json_array_size(json_at(ctx.result, "candidates")), 0);
}

static void failover(void **state)
{
	(void)state;
	if (run(&cmd_producer_failover, false, NULL, NULL) < 0)
		fail_msg("%s", e.msg);
	prints("producer-standby.1 has taken over from producer.1 after ");
	prints("no slot was lost: producer.1 signed slot 1001, producer-standby.1 the next one\n");
}

static void failover_with_a_loss(void **state)
{
	char to[] = "producer-standby.1";

	(void)state;
	f->lost = 2;
	if (run(&cmd_producer_failover, true, to, NULL) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(json_int(ctx.result, "order.slots_lost", -1), 2);
	assert_int_equal(json_int(ctx.result, "order.last_slot", -1), 1001);
	assert_int_equal(json_int(ctx.result, "order.first_slot", -1), 1004);
	assert_string_equal(json_str(ctx.result, "order.holder", ""), to);
}

/* What is known is told, whatever the end. */
static void failover_in_vain(void **state)
{
	(void)state;
	f->taker = 0;
	assert_int_equal(run(&cmd_producer_failover, true, NULL, NULL), -1);
	assert_int_equal(e.kind, ERR_UNHEALTHY);
	assert_int_equal(json_int(ctx.result, "order.order_id", -1), 4);
	assert_string_equal(json_str(ctx.result, "order.holder", ""), "producer.1");
}

static void pause_and_resume(void **state)
{
	(void)state;
	if (run(&cmd_producer_pause, false, NULL, NULL) < 0)
		fail_msg("%s", e.msg);
	prints("production is paused: nobody holds the lease 'producer', and nobody takes it "
	       "until");
	assert_string_equal(f->lease.order_reason, "asked for by hand");
	if (run(&cmd_producer_pause, false, NULL, NULL) < 0)
		fail_msg("%s", e.msg);
	prints("production is paused already, by order 4\n");
	if (run(&cmd_producer_resume, false, NULL, NULL) < 0)
		fail_msg("%s", e.msg);
	prints("the order is taken back\nproducer-standby.1 holds the lease 'producer', epoch 8\n");
	if (run(&cmd_producer_resume, false, NULL, NULL) < 0)
		fail_msg("%s", e.msg);
	prints("no order stands\n");
}

static void finalizer_usage(void **state)
{
	char release[] = "release", list[] = "list", key[] = "EOS6MRy";

	(void)state;
	assert_int_equal(run(&cmd_producer_finalizer, false, list, NULL), -1);
	assert_string_equal(e.msg, "'list' is not 'release', which is all that there is");
	assert_int_equal(run(&cmd_producer_finalizer, false, release, NULL), -1);
	assert_string_equal(e.msg, "name the key, or its claim");
	assert_int_equal(run(&cmd_producer_finalizer, false, release, key), -1);
	assert_string_equal(e.msg, "'EOS6MRy' is no finalizer key");
	assert_int_equal(e.kind, ERR_USAGE);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(status_for_people),
		TEST(status_for_programs),
		TEST(status_of_nothing),
		TEST(failover),
		TEST(failover_with_a_loss),
		TEST(failover_in_vain),
		TEST(pause_and_resume),
		TEST(finalizer_usage),
	};

	return cmocka_run_group_tests_name("cli/producer", tests, NULL, NULL);
}
