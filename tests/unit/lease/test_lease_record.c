#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lease/record.h"

static struct lease_record full(void)
{
	struct lease_record r;

	lease_record_init(&r, "producer");
	r.version = 77;
	r.epoch = 7;
	r.count = 3;
	r.term_ns = LEASE_TERM_SHORT_NS;
	snprintf(r.holder, sizeof(r.holder), "chain_producer.1");
	snprintf(r.place, sizeof(r.place), "pool-1 chain_producer 1 0e2f");
	snprintf(r.nonce, sizeof(r.nonce), "%032x", 5);
	r.floor = 1000;
	r.ceiling = 1010;
	r.order = LEASE_ORDER_FAILOVER;
	r.order_id = 9;
	snprintf(r.order_to, sizeof(r.order_to), "chain_producer-standby.1");
	snprintf(r.order_reason, sizeof(r.order_reason), "new kernel");
	for (int i = 0; i < 14; i++)
		lease_note_change(&r, 1700000000 * NS_PER_SEC + i, i % 2 ? "took  over" : "");
	return r;
}

static bool is_same(const struct lease_record *a, const struct lease_record *b)
{
	json_t *x = lease_to_json(a), *y = lease_to_json(b);
	bool same = x && y && json_equal(x, y);

	json_decref(x);
	json_decref(y);
	return same;
}

static void there_and_back(void **state)
{
	struct lease_record r = full(), free, again;
	struct err e = ERR_INIT;
	json_t *labels, *o;

	(void)state;
	lease_record_init(&free, "finalizer-0123456789abcdef0123456789abcdef");
	for (int i = 0; i < 2; i++) {
		const struct lease_record *it = i ? &free : &r;

		labels = lease_to_labels(it);
		o = lease_to_json(it);
		assert_non_null(labels);
		assert_non_null(o);
		assert_int_equal(lease_from_labels(&again, it->name, it->version, labels, &e), 0);
		assert_true(is_same(it, &again));
		assert_int_equal(lease_from_json(&again, o, &e), 0);
		assert_true(is_same(it, &again));
		json_decref(labels);
		json_decref(o);
	}
	assert_int_equal(r.nhistory, LEASE_HISTORY_MAX);
	/* The newest is first. */
	assert_int_equal(r.history[0].real_ns, 1700000000 * NS_PER_SEC + 13);
	assert_string_equal(r.history[0].reason, "took  over");
}

/* What the engine shows: any of these edited by hand is no lease. */
static void labels(void **state)
{
	static const struct {
		const char *name, *label, *value; /* NULL: taken away */
		const char *why;                  /* NULL: it is one */
	} t[] = {
		{ "as it is", "format", "1", NULL },
		{ "another format", "format", "2", "format '2'" },
		{ "no format", "format", NULL, "format ''" },
		{ "no epoch", "epoch", NULL, "no label 'nodeswarm.lease.epoch'" },
		{ "an epoch below 0", "epoch", "-1", "lease's epoch" },
		{ "no ceiling", "ceiling", NULL, "no label" },
		{ "a ceiling of more than 32 bits", "ceiling", "4294967296", "lease's ceiling of" },
		{ "the highest ceiling", "ceiling", "4294967295", NULL },
		{ "a ceiling below the floor", "ceiling", "999", "below its floor 1000" },
		{ "a floor that is no number", "floor", "x", "lease's floor" },
		{ "a number with something behind", "count", "3 ", "lease's count" },
		{ "held without a term", "term_ns", "0", "term of 0 ns" },
		{ "a term that is too short", "term_ns", "2999999999", "term of 2999999999" },
		{ "the shortest term", "term_ns", "3000000000", NULL },
		{ "a term that is too long", "term_ns", "300000000001", "term of 3000000" },
		{ "the longest term", "term_ns", "300000000000", NULL },
		{ "a claim with a term", "claim", "1", "a claim or not" },
		{ "neither claim nor not", "claim", "2", "lease's claim of 2" },
		{ "held in epoch 0", "epoch", "0", "without an epoch" },
		{ "held nowhere", "place", "", "without a place" },
		{ "free", "holder", "", NULL },
		{ "a holder that is no name", "holder", "a b", "no name" },
		{ "a nonce that is too long", "nonce", "0123456789abcdef0123456789abcdef0",
		        "lease's nonce is longer than 32" },
		{ "an unknown order", "order", "dance", "order 'dance' is unknown" },
		{ "no order", "order", "none", NULL },
		{ "to whom is no name", "order_to", "-", "no name" },
		{ "a history without a reason", "history.0", "1 2 a", "history" },
		{ "a history with an empty one", "history.0", "1 2 a ", NULL },
		{ "a history that ends early", "history.5", NULL, NULL },
		{ "a history at no time", "history.0", "x 2 a b", "history" },
		{ "a history before all time", "history.0", "-1 2 a b", "history" },
		{ "a history of nobody", "history.0", "1 2 - b", NULL },
		{ "a history of no name", "history.0", "1 2 / b", "history" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct lease_record r = full(), got = { .version = 1 };
		json_t *o = lease_to_labels(&r);
		struct err e = ERR_INIT;
		char key[64];
		int rc;

		snprintf(key, sizeof(key), "nodeswarm.lease.%s", t[i].label);
		if (t[i].value)
			json_object_set_new(o, key, json_string(t[i].value));
		else
			json_object_del(o, key);
		rc = lease_from_labels(&got, "producer", 5, o, &e);
		json_decref(o);
		if ((rc == 0) != !t[i].why ||
		        (rc < 0 && (e.kind != ERR_PROTOCOL || !strstr(e.msg, t[i].why))))
			fail_msg("%s: %d, %s", t[i].name, rc, e.msg);
		/* Written only on success. */
		assert_int_equal(got.version, rc == 0 ? 5 : 1);
	}
}

static void json(void **state)
{
	static const struct {
		const char *name, *key, *value, *why;
	} t[] = {
		{ "as it is", "epoch", "7", NULL },
		{ "no name", "name", NULL, "no name of a lease" },
		{ "a name that leads elsewhere", "name", "\"../x\"", "no name of a lease" },
		{ "no version", "version", NULL, "no version" },
		{ "a version below 0", "version", "-2", "no version" },
		{ "a number as text", "epoch", "\"7\"", "no 'epoch'" },
		{ "text as a number", "holder", "7", "no 'holder'" },
		{ "a claim that is a number", "claim", "1", "no 'claim'" },
		{ "an epoch below 0", "epoch", "-7", "epoch of -7" },
		{ "no ceiling", "ceiling", NULL, "no 'ceiling'" },
		{ "no history", "history", NULL, NULL },
		{ "a history that is none", "history", "[1]", "history" },
		{ "a history that is too long", "history",
		        "[{},{},{},{},{},{},{},{},{},{},{},{},{}]", "history" },
		{ "something more", "colour", "1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct lease_record r = full(), got;
		json_t *o = lease_to_json(&r);
		struct err e = ERR_INIT;
		int rc;

		if (t[i].value)
			json_object_set_new(
			        o, t[i].key, json_loads(t[i].value, JSON_DECODE_ANY, NULL));
		else
			json_object_del(o, t[i].key);
		rc = lease_from_json(&got, o, &e);
		json_decref(o);
		if ((rc == 0) != !t[i].why ||
		        (rc < 0 && (e.kind != ERR_PROTOCOL || !strstr(e.msg, t[i].why))))
			fail_msg("%s: %d, %s", t[i].name, rc, e.msg);
	}
}

static void names(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} t[] = {
		{ "producer", true },
		{ "a", true },
		{ "a-1-", true },
		{ "finalizer-0123456789abcdef0123456789abcdef", true },
		{ "a23456789012345678901234567890123456789012345678", true },
		{ "a234567890123456789012345678901234567890123456789", false },
		{ "", false },
		{ "1a", false },
		{ "-a", false },
		{ "A", false },
		{ "a/b", false },
		{ "a.b", false },
		{ "a b", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = ERR_INIT;

		if ((lease_name_check(t[i].name, &e) == 0) != t[i].ok)
			fail_msg("'%s'", t[i].name);
		assert_int_equal(e.kind, t[i].ok ? ERR_NONE : ERR_USAGE);
	}
}

/* --- what may follow ------------------------------------------------------------------------- */

static void renew(struct lease_record *r)
{
	r->count++;
	r->ceiling += 2;
}

static void take(struct lease_record *r)
{
	r->epoch++;
	r->count = 0;
	r->floor = r->ceiling;
	r->ceiling += 8;
	snprintf(r->holder, sizeof(r->holder), "other.1");
	snprintf(r->place, sizeof(r->place), "elsewhere");
	snprintf(r->nonce, sizeof(r->nonce), "%032x", 6);
	lease_note_change(r, 5, "took");
}

static void release(struct lease_record *r)
{
	r->holder[0] = r->place[0] = r->nonce[0] = '\0';
	r->ceiling -= 5;
	lease_note_change(r, 5, "gave");
}

#define CHANGE(n, body)                       \
	static void n(struct lease_record *r) \
	{                                     \
		body                          \
	}

CHANGE(nothing, (void)r;)
CHANGE(renewed, renew(r);)
CHANGE(renewed_same_ceiling, renew(r); r->ceiling -= 2;)
CHANGE(renewed_lower, renew(r); r->ceiling = 1009;)
CHANGE(renewed_floor, renew(r); r->floor++;)
CHANGE(renewed_floor_down, renew(r); r->floor--;)
CHANGE(renewed_twice, renew(r); r->count++;)
CHANGE(renewed_not, r->ceiling++;)
CHANGE(renewed_term, renew(r); r->term_ns *= 2;)
CHANGE(renewed_history, renew(r); lease_note_change(r, 5, "x");)
CHANGE(renewed_by_other, renew(r); r->nonce[0] = 'f';)
CHANGE(renewed_elsewhere, renew(r); r->place[0] = 'f';)
CHANGE(taken, take(r);)
CHANGE(taken_skip, r->epoch++; take(r);)
CHANGE(taken_same_epoch, take(r); r->epoch--; r->history[0].epoch--;)
CHANGE(taken_count, take(r); r->count = 1;)
CHANGE(taken_floor, take(r); r->floor--;)
CHANGE(taken_high_floor, take(r); r->floor++;)
CHANGE(taken_no_slot, take(r); r->ceiling = r->floor;)
CHANGE(taken_quietly, r->epoch++; r->count = 0; r->floor = r->ceiling; r->ceiling++;)
CHANGE(taken_rewriting, take(r); r->history[3].epoch = 99;)
CHANGE(taken_for_other, take(r); snprintf(r->history[0].holder, 8, "me");)
CHANGE(taken_term, take(r); r->term_ns = LEASE_TERM_LONG_NS;)
CHANGE(taken_again, r->epoch++; r->count = 0; r->floor = r->ceiling; r->ceiling += 8;
        lease_note_change(r, 5, "again");)
CHANGE(taken_as_claim, take(r); r->is_claim = true; r->term_ns = 0;)
CHANGE(released, release(r);)
CHANGE(released_whole, release(r); r->ceiling = 1010;)
CHANGE(released_above, release(r); r->ceiling = 1011;)
CHANGE(released_unsigned, release(r); r->ceiling = 1000;)
CHANGE(released_below, release(r); r->ceiling = 999;)
CHANGE(released_epoch, release(r); r->epoch++;)
CHANGE(released_quietly, r->holder[0] = '\0';)
CHANGE(ordered, r->order = LEASE_ORDER_PAUSE; r->order_id++; r->order_to[0] = '\0';)
CHANGE(ordered_old_id, r->order = LEASE_ORDER_PAUSE;)
CHANGE(ordered_lower_id, r->order_id--;)
CHANGE(ordered_reason, r->order_reason[0] = 'X';)
CHANGE(order_done, r->order = LEASE_ORDER_NONE;)
CHANGE(order_done_taken, take(r); r->order = LEASE_ORDER_NONE; r->order_to[0] = '\0';)
CHANGE(renewed_ordered, renew(r); r->order_id++;)
CHANGE(other_name, r->name[0] = 'x';)

static struct lease_record start_of(const char *from)
{
	struct lease_record r = full();

	r.nhistory = 5;
	if (strcmp(from, "held") == 0)
		return r;
	if (strcmp(from, "free") == 0) {
		release(&r);
		r.floor = 1000;
		r.ceiling = 1010;
		return r;
	}
	if (strcmp(from, "claim") == 0) {
		r.is_claim = true;
		r.term_ns = 0;
		r.floor = r.ceiling = 0;
		return r;
	}
	lease_record_init(&r, "producer");
	return r;
}

static void follows(void **state)
{
	static const struct {
		const char *from, *name;
		void (*change)(struct lease_record *r);
		const char *why; /* NULL: it may */
	} t[] = {
		{ "held", "nothing", nothing, NULL },
		{ "held", "renewed", renewed, NULL },
		{ "held", "renewed, same ceiling", renewed_same_ceiling, NULL },
		{ "held", "renewed, lower ceiling", renewed_lower, "lower the ceiling" },
		{ "held", "renewed, other floor", renewed_floor, "may not change the floor" },
		{ "held", "renewed, lower floor", renewed_floor_down, "may not change the floor" },
		{ "held", "renewed, counted twice", renewed_twice, "count one more" },
		{ "held", "a higher ceiling without a renewal", renewed_not, "count one more" },
		{ "held", "renewed, other term", renewed_term, "change the term" },
		{ "held", "renewed, other history", renewed_history, "change the history" },
		{ "held", "renewed by another process", renewed_by_other, "epoch has to be one" },
		{ "held", "renewed from elsewhere", renewed_elsewhere, "epoch has to be one" },
		{ "held", "taken", taken, NULL },
		{ "held", "taken, an epoch too far", taken_skip, "epoch has to be one more" },
		{ "held", "taken in the same epoch", taken_same_epoch, "epoch has to be one more" },
		{ "held", "taken, counting from 1", taken_count, "begins to count at 0" },
		{ "held", "taken, floor too low", taken_floor, "floor is below the ceiling" },
		{ "held", "taken, floor higher than needed", taken_high_floor, NULL },
		{ "held", "taken, no slot", taken_no_slot, "not above the floor" },
		{ "held", "taken, not in the history", taken_quietly, "first in the history" },
		{ "held", "taken, history changed", taken_rewriting, "first in the history" },
		{ "held", "taken, history of another", taken_for_other, "first in the history" },
		{ "held", "taken, another term", taken_term, NULL },
		{ "held", "taken by who has it", taken_again, NULL },
		{ "held", "taken as a claim", taken_as_claim, "a claim is no lease" },
		{ "held", "released", released, NULL },
		{ "held", "released, all its slots", released_whole, NULL },
		{ "held", "released, more than its slots", released_above, "not between" },
		{ "held", "released, nothing signed", released_unsigned, NULL },
		{ "held", "released, below its floor", released_below, "below its floor" },
		{ "held", "released in another epoch", released_epoch, "may not change epoch" },
		{ "held", "released, not in the history", released_quietly, "first in the hist" },
		{ "held", "ordered", ordered, NULL },
		{ "held", "ordered, the same id", ordered_old_id, "has to have a new id" },
		{ "held", "ordered, a lower id", ordered_lower_id, "has to have a new id" },
		{ "held", "the order's reason", ordered_reason, "has to have a new id" },
		{ "held", "the order is done", order_done, NULL },
		{ "held", "taken, the order is done", order_done_taken, NULL },
		{ "held", "renewed and ordered", renewed_ordered, NULL },
		{ "held", "another name", other_name, "another name" },
		{ "free", "taken", taken, NULL },
		{ "free", "taken, floor too low", taken_floor, "floor is below the ceiling" },
		{ "free", "released", released, "has to stay as it is" },
		{ "free", "renewed", renewed, "has to stay as it is" },
		{ "free", "ordered", ordered, NULL },
		{ "claim", "taken", taken, "is held by 'chain_producer.1'" },
		{ "claim", "renewed", renewed, "count one more" },
		{ "none", "taken", taken, NULL },
		{ "none", "taken, in a later epoch", taken_skip, NULL },
		{ "none", "released", released, "has to stay as it is" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct lease_record from = start_of(t[i].from), to = from;
		struct err e = ERR_INIT;
		int rc;

		if (!to.term_ns && !to.is_claim)
			to.term_ns = LEASE_TERM_SHORT_NS;
		from.term_ns = to.term_ns;
		t[i].change(&to);
		rc = lease_may_follow(&from, &to, &e);
		if ((rc == 0) != !t[i].why ||
		        (rc < 0 && (e.kind != ERR_CONFLICT || !strstr(e.msg, t[i].why))))
			fail_msg("%s, %s: %d, %s", t[i].from, t[i].name, rc, e.msg);
	}
}

static void claims(void **state)
{
	struct lease_record none, held, r;
	struct err e = ERR_INIT;

	(void)state;
	lease_record_init(&none, "finalizer-x");
	held = none;
	held.is_claim = true;
	held.epoch = 1;
	snprintf(held.holder, sizeof(held.holder), "a.1");
	snprintf(held.place, sizeof(held.place), "p");
	lease_note_change(&held, 1, "claimed");
	assert_int_equal(lease_may_follow(&none, &held, &e), 0);
	held.version = 4;
	r = held;
	r.holder[0] = r.place[0] = '\0';
	lease_note_change(&r, 2, "by hand");
	assert_int_equal(lease_may_follow(&held, &r, &e), 0);
	r.version = 5;
	held = r;
	held.epoch = 2;
	snprintf(held.holder, sizeof(held.holder), "b.1");
	snprintf(held.place, sizeof(held.place), "q");
	lease_note_change(&held, 3, "claimed");
	assert_int_equal(lease_may_follow(&r, &held, &e), 0);
	held.is_claim = false;
	assert_int_equal(lease_may_follow(&r, &held, &e), -1);
	assert_non_null(strstr(e.msg, "a claim is no lease"));
}

static void slots(void **state)
{
	(void)state;
	assert_int_equal(lease_slot_at(0), 0);
	assert_int_equal(lease_slot_at(946684800LL * NS_PER_SEC - 1), 0);
	assert_int_equal(lease_slot_at(946684800LL * NS_PER_SEC), 0);
	assert_int_equal(lease_slot_at(946684800LL * NS_PER_SEC + 499999999), 0);
	assert_int_equal(lease_slot_at(946684800LL * NS_PER_SEC + 500000000), 1);
	assert_int_equal(lease_slot_at(946684801LL * NS_PER_SEC), 2);
	assert_true(lease_slot_at(INT64_MAX) == UINT32_MAX);
	assert_string_equal(lease_order_name(LEASE_ORDER_FAILOVER), "failover");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(labels),
		cmocka_unit_test(json),
		cmocka_unit_test(names),
		cmocka_unit_test(follows),
		cmocka_unit_test(claims),
		cmocka_unit_test(slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
