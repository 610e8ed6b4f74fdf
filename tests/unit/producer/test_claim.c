#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/engine.h"
#include "fake/engine.h"
#include "producer/claim.h"
#include "producer/lease_object.h"

#define KEY "PUB_BLS_abc"

static struct fake_engine *f;
static struct engine *eng;
static struct err e;
static struct deploy d;
static char name[LEASE_NAME_SIZE], path[128], update[128], from[LEASE_HOLDER_SIZE];

/* The object as the engine shows it. */
static char *text_of(const struct lease_record *r, int version)
{
	json_t *o = json_pack("{s:s, s:{s:i}, s:{s:s+, s:o, s:s}}", "ID", "configid", "Version",
	        "Index", version, "Spec", "Name", LEASE_CONFIG, r->name, "Labels",
	        lease_to_labels(r), "Data", "eA==");
	char *text = json_text(o, false);

	json_decref(o);
	assert_non_null(text);
	return text;
}

static struct lease_record held(void)
{
	struct lease_record r;

	lease_record_init(&r, name);
	r.is_claim = true;
	r.epoch = 2;
	snprintf(r.holder, sizeof(r.holder), "s_producer.1");
	snprintf(r.place, sizeof(r.place), "pool/s_producer/1");
	lease_note_change(&r, 1763765000000000000LL, "its nodeos starts");
	return r;
}

static void give(const struct lease_record *r)
{
	char *text = text_of(r, 12);

	fake_engine_reply(f, "GET", path, 200, text);
	free(text);
}

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	f = fake_engine_start();
	eng = engine_new(fake_engine_host(f), &e);
	d = (struct deploy){ .engine = eng, .stack = "s" };
	if (!eng || producer_claim_name(name, KEY, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "/configs/" LEASE_CONFIG "%s", name);
	snprintf(update, sizeof(update), "/configs/configid/update");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	engine_free(eng);
	fake_engine_stop(f);
	return 0;
}

static void names(void **state)
{
	static const char *const bad[] = { "", "EOS6MRy", "finalizer-", "finalizer-1234",
		"finalizer-0123456789ABCDEF0123456789abcdef", "key-1234", "PVT_BLS_x" };
	char again[LEASE_NAME_SIZE];

	(void)state;
	/* The first 32 hex digits of the key's SHA-256. */
	assert_string_equal(name, "finalizer-23ec7803962e08a1dede63efed7a537b");
	assert_int_equal(producer_claim_name(again, name, &e), 0);
	assert_string_equal(again, name);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (producer_claim_name(again, bad[i], &e) == 0)
			fail_msg("'%s' is no key", bad[i]);
		assert_int_equal(e.kind, ERR_USAGE);
		err_clear(&e);
	}
}

/* Its service is gone: nothing can run. */
static void released(void **state)
{
	struct lease_record r = held(), to;
	AUTO(json) json_t *body = NULL;

	(void)state;
	give(&r);
	fake_engine_reply(f, "POST", update, 200, "");
	if (producer_claim_release(&d, KEY, false, from, &e) != 0)
		fail_msg("%s", e.msg);
	assert_string_equal(from, "s_producer.1");
	assert_string_equal(fake_engine_last(f)->query, "version=12");
	body = json_parse(fake_engine_last(f)->body, fake_engine_last(f)->len, "body", &e);
	assert_int_equal(lease_from_labels(&to, name, 13, json_at(body, "Labels"), &e), 0);
	assert_string_equal(to.holder, "");
	assert_string_equal(to.place, "");
	assert_int_equal(to.epoch, 2);
	assert_int_equal(to.nhistory, 2);
	assert_string_equal(to.history[0].reason, "released by hand");
}

static void service_is_there(void **state)
{
	struct lease_record r = held();

	(void)state;
	give(&r);
	fake_engine_reply(f, "POST", update, 200, "");
	fake_engine_reply(f, "GET", "/services/s_producer", 200,
	        "{\"ID\":\"x\",\"Version\":{\"Index\":1},\"Spec\":{\"Name\":\"s_producer\","
	        "\"Mode\":{\"Replicated\":{\"Replicas\":1}}}}");
	assert_int_equal(producer_claim_release(&d, KEY, false, from, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(
	        strstr(e.msg, "'s_producer.1' has this key, and its service has that slot"));
	assert_false(fake_engine_was_asked(f, "POST", update));
	err_clear(&e);
	assert_int_equal(producer_claim_release(&d, KEY, true, from, &e), 0);
	assert_true(fake_engine_was_asked(f, "POST", update));
}

/* Of a signing key the holder is a lease, whose slots are not known. */
static void of_a_signing_key(void **state)
{
	static const char key[] = "key-0123456789abcdef0123456789abcdef";
	struct lease_record r = held();

	(void)state;
	snprintf(r.name, sizeof(r.name), "%s", key);
	snprintf(r.holder, sizeof(r.holder), "producer");
	snprintf(r.history[0].holder, sizeof(r.history[0].holder), "producer");
	snprintf(path, sizeof(path), "/configs/" LEASE_CONFIG "%s", key);
	give(&r);
	fake_engine_reply(f, "POST", update, 200, "");
	assert_int_equal(producer_claim_release(&d, key, false, from, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "lease 'producer' has this key"));
	assert_false(fake_engine_was_asked(f, "POST", update));
	err_clear(&e);
	assert_int_equal(producer_claim_release(&d, key, true, from, &e), 0);
	assert_string_equal(from, "producer");
}

static void service_is_stopped(void **state)
{
	struct lease_record r = held();

	(void)state;
	give(&r);
	fake_engine_reply(f, "POST", update, 200, "");
	fake_engine_reply(f, "GET", "/services/s_producer", 200,
	        "{\"ID\":\"x\",\"Version\":{\"Index\":1},\"Spec\":{\"Name\":\"s_producer\","
	        "\"Mode\":{\"Replicated\":{\"Replicas\":0}}}}");
	assert_int_equal(producer_claim_release(&d, KEY, false, from, &e), 0);
}

/* Its service goes on with fewer: nobody runs slot 2. */
static void slot_is_above_the_replicas(void **state)
{
	struct lease_record r = held();

	(void)state;
	snprintf(r.holder, sizeof(r.holder), "s_producer.2");
	give(&r);
	fake_engine_reply(f, "POST", update, 200, "");
	fake_engine_reply(f, "GET", "/services/s_producer", 200,
	        "{\"ID\":\"x\",\"Version\":{\"Index\":1},\"Spec\":{\"Name\":\"s_producer\","
	        "\"Mode\":{\"Replicated\":{\"Replicas\":1}}}}");
	assert_int_equal(producer_claim_release(&d, KEY, false, from, &e), 0);
}

/* Whether its service is there cannot be known. */
static void engine_does_not_say(void **state)
{
	struct lease_record r = held();

	(void)state;
	give(&r);
	fake_engine_reply(f, "GET", "/services/s_producer", 500, "{\"message\":\"broken\"}");
	assert_int_equal(producer_claim_release(&d, KEY, false, from, &e), -1);
	assert_int_equal(e.kind, ERR_SYSTEM);
	assert_false(fake_engine_was_asked(f, "POST", update));
}

static void nobody_has_it(void **state)
{
	struct lease_record r = held();

	(void)state;
	assert_int_equal(producer_claim_release(&d, KEY, false, from, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	err_clear(&e);
	r.holder[0] = r.place[0] = '\0';
	give(&r);
	assert_int_equal(producer_claim_release(&d, KEY, false, from, &e), 1);
	assert_string_equal(from, "");
}

/* Somebody else released it first, and the slot has it anew. */
static void too_slow(void **state)
{
	struct lease_record r = held();

	(void)state;
	give(&r);
	fake_engine_reply(f, "POST", update, 500,
	        "{\"message\":\"rpc error: code = Unknown desc = update out of sequence\"}");
	fake_engine_reply(f, "POST", update, 200, "");
	assert_int_equal(producer_claim_release(&d, KEY, false, from, &e), 0);
}

static void a_lease_is_no_claim(void **state)
{
	struct lease_record r = held();

	(void)state;
	r.is_claim = false;
	r.term_ns = LEASE_TERM_SHORT_NS;
	give(&r);
	assert_int_equal(producer_claim_release(&d, KEY, true, from, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

static void listed(void **state)
{
	struct lease_record r = held(), *v = NULL;
	char *claim = text_of(&r, 3), *lease, *list;
	size_t n, bad;

	(void)state;
	r.is_claim = false;
	r.term_ns = LEASE_TERM_SHORT_NS;
	snprintf(r.name, sizeof(r.name), "producer");
	lease = text_of(&r, 4);
	assert_true(asprintf(&list,
	                    "[%s,%s,{\"ID\":\"x\",\"Version\":{\"Index\":1},\"Spec\":{\"Name\":"
	                    "\"nodeswarm-lease-bad\",\"Labels\":{}}},"
	                    "{\"ID\":\"y\",\"Spec\":{\"Name\":\"other\"}}]",
	                    lease, claim) > 0);
	fake_engine_reply(f, "GET", "/configs", 200, list);
	if (lease_object_claims(&v, &n, &bad, eng, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(n, 1);
	assert_int_equal(bad, 1);
	assert_string_equal(v[0].name, name);
	assert_string_equal(v[0].holder, "s_producer.1");
	free(v);
	free(claim);
	free(lease);
	free(list);
}

/* What may not follow is not written, although the engine would take it. */
static void rules_hold_for_us_too(void **state)
{
	AUTO(lease_object) struct lease_object o = LEASE_OBJECT_INIT;
	struct lease_record r = held(), to;

	(void)state;
	give(&r);
	fake_engine_reply(f, "POST", update, 200, "");
	assert_int_equal(lease_object_read(&o, eng, name, &e), 0);
	assert_int_equal(o.lease.version, 12);
	to = o.lease;
	snprintf(to.holder, sizeof(to.holder), "s_other.1");
	assert_int_equal(lease_object_write(eng, &o, &to, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_false(fake_engine_was_asked(f, "POST", update));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(released, set_up, tear_down),
		cmocka_unit_test_setup_teardown(service_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_a_signing_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(service_is_stopped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(slot_is_above_the_replicas, set_up, tear_down),
		cmocka_unit_test_setup_teardown(engine_does_not_say, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_has_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_slow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lease_is_no_claim, set_up, tear_down),
		cmocka_unit_test_setup_teardown(listed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rules_hold_for_us_too, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
