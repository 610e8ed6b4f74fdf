#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "lease/client.h"
#include "loop/loop.h"
#include "supervise/finalizer.h"

/* --- lease/client.h, with the brokers' record in memory --------------------------------------- */

#define KEYS 3

struct lease_client {
	struct loop *loop;
};

static struct store {
	struct lease_record r[KEYS];
	size_t n;
	unsigned reads, writes, unheard; /* unheard: so many have no answer, and are not done */
	bool is_lost;                    /* the next write is done, and has no answer */
	const char *thief;               /* takes what is about to be claimed */
	struct loop_timer timer;
	struct loop *loop;
	lease_client_fn *fn;
	void *arg;
	enum tenant_reply reply;
	struct lease_record stands;
} store;

struct lease_client *lease_client_new(
        struct loop *l, const char *brokers, const char *token_path, struct err *e)
{
	struct lease_client *c = malloc(sizeof(*c));

	(void)e;
	assert_non_null(c);
	assert_string_equal(brokers, "broker:8871");
	assert_string_equal(token_path, "/token");
	c->loop = store.loop = l;
	return c;
}

void lease_client_free(struct lease_client *c)
{
	if (c)
		loop_timer_remove(c->loop, &store.timer);
	free(c);
}

static struct lease_record *find(const char *name)
{
	for (size_t i = 0; i < store.n; i++)
		if (strcmp(store.r[i].name, name) == 0)
			return &store.r[i];
	assert_true(store.n < KEYS);
	lease_record_init(&store.r[store.n], name);
	return &store.r[store.n++];
}

static void answer(struct loop_timer *t, void *arg)
{
	struct err why = ERR_INIT;

	(void)t;
	(void)arg;
	err_set(&why, ERR_UNAVAILABLE, "the swarm has no leader");
	store.fn(
	        store.arg, store.reply, store.reply == TENANT_UNKNOWN ? NULL : &store.stands, &why);
}

static void steal(struct lease_record *r)
{
	struct lease_record w = *r;
	struct err e = ERR_INIT;

	w.is_claim = true;
	w.epoch++;
	snprintf(w.holder, sizeof(w.holder), "%s", store.thief);
	snprintf(w.place, sizeof(w.place), "elsewhere/%s", store.thief);
	lease_note_change(&w, 1, "first");
	assert_int_equal(lease_may_follow(r, &w, &e), 0);
	w.version++;
	*r = w;
	store.thief = NULL;
}

int lease_client_ask(struct lease_client *c, const char *name, const struct lease_record *write,
        int64_t limit_ns, lease_client_fn *fn, void *arg, struct err *e)
{
	struct lease_record *r = find(name);
	struct err why = ERR_INIT;

	(void)e;
	assert_true(limit_ns > 0);
	store.fn = fn;
	store.arg = arg;
	store.reply = TENANT_DONE;
	if (write)
		store.writes++;
	else
		store.reads++;
	if (write && store.thief)
		steal(r);
	if (store.unheard) {
		store.unheard--;
		store.reply = TENANT_UNKNOWN;
	} else if (write &&
	        (write->version != r->version || lease_may_follow(r, write, &why) < 0)) {
		store.reply = TENANT_CONFLICT;
	} else if (write) {
		uint64_t version = r->version + 1;

		*r = *write;
		r->version = version;
		if (store.is_lost)
			store.reply = TENANT_UNKNOWN;
		store.is_lost = false;
	}
	store.stands = *r;
	loop_timer_set(c->loop, &store.timer, clock_mono_ns(), answer, NULL);
	return 0;
}

/* --- one slot --------------------------------------------------------------------------------- */

struct slot {
	struct loop loop;
	struct finalizers *f;
	struct finalizer_keys keys;
	unsigned told;
};

static int setup(void **state)
{
	struct slot *s = calloc(1, sizeof(*s));
	struct err e = ERR_INIT;

	memset(&store, 0, sizeof(store));
	assert_non_null(s);
	assert_int_equal(loop_init(&s->loop, &e), 0);
	s->keys.n = 2;
	snprintf(s->keys.key[0], FINALIZER_KEY_SIZE, "PUB_BLS_one");
	snprintf(s->keys.key[1], FINALIZER_KEY_SIZE, "PUB_BLS_two");
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct slot *s = *state;

	finalizers_free(s->f);
	loop_release(&s->loop);
	free(s);
	return 0;
}

static void on_change(void *arg)
{
	struct slot *s = arg;

	s->told++;
	loop_stop(&s->loop);
}

/* Until it says something, for at most ten seconds. */
static void late(struct loop_timer *t, void *arg)
{
	(void)t;
	loop_stop(arg);
}

static void run(struct slot *s)
{
	struct loop_timer limit = { 0 };
	struct err e = ERR_INIT;
	unsigned told = s->told;

	loop_timer_set(&s->loop, &limit, clock_mono_ns() + 10 * NS_PER_SEC, late, &s->loop);
	assert_int_equal(loop_run(&s->loop, &e), 0);
	loop_timer_remove(&s->loop, &limit);
	assert_int_equal(s->told, told + 1);
}

static void start(struct slot *s, const char *holder, const char *pool)
{
	struct finalizers_config cfg = {
		.brokers = "broker:8871",
		.token_path = "/token",
		.holder = holder,
		.pool_id = pool,
	};
	struct err e = ERR_INIT;

	finalizers_free(s->f);
	s->f = finalizers_new(&s->loop, &cfg, &s->keys, on_change, s, &e);
	assert_non_null(s->f);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_ASKING);
}

static void keys_are_claimed_once(void **state)
{
	struct slot *s = *state;

	start(s, "producer.1", "pool1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_CLAIMED);
	assert_string_equal(finalizers_why(s->f), "");
	assert_int_equal(store.writes, 2);
	for (int i = 0; i < 2; i++) {
		assert_true(store.r[i].is_claim);
		assert_string_equal(store.r[i].holder, "producer.1");
		assert_string_equal(store.r[i].place, "pool1/producer.1");
		assert_string_equal(store.r[i].nonce, "");
		assert_int_equal(store.r[i].term_ns, 0);
		assert_int_equal(store.r[i].epoch, 1);
	}
	/* The next supervisor of this data-dir. */
	start(s, "producer.1", "pool1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_CLAIMED);
	assert_int_equal(store.writes, 2);
}

static void a_key_of_another_slot_is_refused(void **state)
{
	static const struct {
		const char *holder, *pool;
	} t[] = { { "producer.2", "pool1" }, { "producer-standby.1", "pool1" },
		{ "producer.1", "pool2" } };
	struct slot *s = *state;

	start(s, "producer.1", "pool1");
	run(s);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		start(s, t[i].holder, t[i].pool);
		run(s);
		assert_int_equal(finalizers_state(s->f), FINALIZERS_HELD);
		assert_non_null(strstr(finalizers_why(s->f), "PUB_BLS_one"));
		assert_non_null(strstr(finalizers_why(s->f), "'producer.1' (pool1/producer.1)"));
		assert_non_null(strstr(finalizers_why(s->f), "finalizer release PUB_BLS_one"));
	}
	assert_int_equal(store.writes, 2);
}

static void what_was_given_up_is_taken(void **state)
{
	struct slot *s = *state;
	struct lease_record *r;
	struct lease_record w;
	struct err e = ERR_INIT;

	start(s, "producer.1", "pool1");
	run(s);
	start(s, "producer.2", "pool1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_HELD);
	for (int i = 0; i < 2; i++) {
		r = &store.r[i];
		w = *r;
		w.holder[0] = w.place[0] = '\0';
		lease_note_change(&w, 2, "by hand");
		assert_int_equal(lease_may_follow(r, &w, &e), 0);
		w.version++;
		*r = w;
	}
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_CLAIMED);
	assert_int_equal(store.r[0].epoch, 2);
	assert_string_equal(store.r[0].holder, "producer.2");
}

static void who_comes_second_reads_who_was_first(void **state)
{
	struct slot *s = *state;

	store.thief = "producer.9";
	start(s, "producer.1", "pool1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_HELD);
	assert_non_null(strstr(finalizers_why(s->f), "'producer.9'"));
	assert_int_equal(store.writes, 1);
}

static void without_an_answer_nothing_is_claimed(void **state)
{
	struct slot *s = *state;

	store.unheard = 2;
	start(s, "producer.1", "pool1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_ASKING);
	assert_non_null(strstr(finalizers_why(s->f), "the swarm has no leader"));
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_CLAIMED);
}

/* It was done, and the next reading shows it. */
static void a_lost_answer_is_read_again(void **state)
{
	struct slot *s = *state;

	store.is_lost = true;
	start(s, "producer.1", "pool1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_ASKING);
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_CLAIMED);
	assert_int_equal(store.writes, 2);
}

static void a_lease_of_that_name_is_none(void **state)
{
	struct slot *s = *state;
	char name[LEASE_NAME_SIZE];
	struct lease_record *r;

	lease_claim_name(name, LEASE_CLAIM_FINALIZER, "PUB_BLS_one");
	r = find(name);
	r->version = 3;
	start(s, "producer.1", "pool1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_HELD);
	assert_non_null(strstr(finalizers_why(s->f), "is a lease"));
}

static void start_lease(struct slot *s, const char *lease, const char *pool)
{
	struct finalizers_config cfg = {
		.brokers = "broker:8871",
		.token_path = "/token",
		.holder = lease,
		.pool_id = pool,
		.is_signing = true,
	};
	struct err e = ERR_INIT;

	finalizers_free(s->f);
	s->keys.n = 1;
	s->f = finalizers_new(&s->loop, &cfg, &s->keys, on_change, s, &e);
	assert_non_null(s->f);
	run(s);
}

static void a_signing_key_has_one_lease(void **state)
{
	struct slot *s = *state;
	struct lease_record w;
	struct err e = ERR_INIT;

	start_lease(s, "producer", "pool1");
	assert_int_equal(finalizers_state(s->f), FINALIZERS_CLAIMED);
	assert_string_equal(store.r[0].name, "key-cfc28d5bef3fa14d06b3bdb4159ecd0a");
	assert_string_equal(store.r[0].holder, "producer");
	assert_string_equal(store.r[0].place, "lease producer");
	/* Its slots have it together, wherever they are. */
	start_lease(s, "producer", "pool2");
	assert_int_equal(finalizers_state(s->f), FINALIZERS_CLAIMED);
	assert_int_equal(store.writes, 1);
	start_lease(s, "other", "pool1");
	assert_int_equal(finalizers_state(s->f), FINALIZERS_HELD);
	assert_non_null(strstr(finalizers_why(s->f), "belongs to lease 'producer'"));
	assert_non_null(strstr(
	        finalizers_why(s->f), "release --force key-cfc28d5bef3fa14d06b3bdb4159ecd0a"));
	assert_int_equal(store.writes, 1);
	w = store.r[0];
	w.holder[0] = w.place[0] = '\0';
	lease_note_change(&w, 2, "by hand");
	assert_int_equal(lease_may_follow(&store.r[0], &w, &e), 0);
	w.version++;
	store.r[0] = w;
	start_lease(s, "other", "pool1");
	assert_int_equal(finalizers_state(s->f), FINALIZERS_CLAIMED);
	assert_string_equal(store.r[0].holder, "other");
}

/* What was ours when it was read may have been taken while another key was waited for. */
static void each_try_reads_all_keys(void **state)
{
	struct slot *s = *state;
	struct lease_record w;

	start(s, "producer.1", "pool1");
	run(s);
	w = store.r[1];
	snprintf(store.r[1].holder, sizeof(w.holder), "x.1");
	snprintf(store.r[1].place, sizeof(w.place), "pool2/x.1");
	start(s, "producer.1", "pool1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_HELD);
	assert_non_null(strstr(finalizers_why(s->f), "PUB_BLS_two"));
	store.r[1] = w;
	snprintf(store.r[0].holder, sizeof(w.holder), "x.1");
	snprintf(store.r[0].place, sizeof(w.place), "pool2/x.1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_HELD);
	assert_non_null(strstr(finalizers_why(s->f), "PUB_BLS_one"));
}

static void no_key_needs_no_broker(void **state)
{
	struct slot *s = *state;

	s->keys.n = 0;
	start(s, "producer.1", "pool1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_CLAIMED);
	assert_int_equal(store.reads + store.writes, 0);
}

static void a_long_place_is_its_digest(void **state)
{
	struct slot *s = *state;
	char holder[LEASE_HOLDER_SIZE];

	memset(holder, 'a', sizeof(holder) - 1);
	holder[sizeof(holder) - 1] = '\0';
	start(s, holder, "pool1");
	run(s);
	assert_int_equal(finalizers_state(s->f), FINALIZERS_CLAIMED);
	assert_int_equal(strlen(store.r[0].place), 64);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void keys_of_a_config(void **state)
{
	static const struct {
		const char *name, *text;
		int n; /* -1: refused */
		const char *first;
	} t[] = {
		{ "none", "signature-provider = EOS6M=KEY:5J\n", 0, "" },
		{ "one", "signature-provider = PUB_BLS_aB-_9=KEY:PVT_BLS_x\n", 1, "PUB_BLS_aB-_9" },
		{ "beside others",
		        "plugin = x\nsignature-provider = EOS6M=KEOSD:http://x\n"
		        "signature-provider=PUB_BLS_1=KEY:a\nsignature-provider=PUB_BLS_2=KEY:b\n",
		        2, "PUB_BLS_1" },
		{ "twice",
		        "signature-provider=PUB_BLS_1=KEY:a\nsignature-provider=PUB_BLS_1=KEY:a\n",
		        1, "PUB_BLS_1" },
		{ "one begins like the other",
		        "signature-provider=PUB_BLS_12=KEY:a\nsignature-provider=PUB_BLS_1=KEY:a\n",
		        2, "PUB_BLS_12" },
		{ "empty", "signature-provider = PUB_BLS_=KEY:a\n", -1, NULL },
		{ "odd", "signature-provider = PUB_BLS_a b=KEY:a\n", -1, NULL },
		{ "another option", "peer-key = PUB_BLS_1=KEY:a\n", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct finalizer_keys k = { .n = 0 };
		struct err e = ERR_INIT;
		int rc = finalizer_keys_read(&k, "config.ini", t[i].text, strlen(t[i].text), &e);

		if (rc != (t[i].n < 0 ? -1 : 0) || (rc == 0 && (int)k.n != t[i].n) ||
		        (t[i].n > 0 && strcmp(k.key[0], t[i].first) != 0))
			fail_msg("%s: %d, %zu keys, '%s' %s", t[i].name, rc, k.n, k.key[0], e.msg);
		if (rc < 0 && (e.kind != ERR_USAGE || strstr(e.msg, "KEY")))
			fail_msg("%s: '%s'", t[i].name, e.msg);
	}
}

static void keys_that_are_too_many_or_too_long(void **state)
{
	char text[FINALIZER_KEYS_MAX * 64 + 128] = "", line[512];
	struct finalizer_keys k;
	struct err e = ERR_INIT, many = ERR_INIT, too_long = ERR_INIT;

	(void)state;
	for (int i = 0; i < FINALIZER_KEYS_MAX; i++) {
		snprintf(line, sizeof(line), "signature-provider=PUB_BLS_%d=KEY:a\n", i);
		strncat(text, line, sizeof(text) - strlen(text) - 1);
	}
	assert_int_equal(finalizer_keys_read(&k, "x", text, strlen(text), &e), 0);
	assert_int_equal(k.n, FINALIZER_KEYS_MAX);
	strncat(text, "signature-provider=PUB_BLS_z=KEY:a\n", sizeof(text) - strlen(text) - 1);
	assert_int_equal(finalizer_keys_read(&k, "x", text, strlen(text), &many), -1);
	snprintf(line, sizeof(line), "signature-provider=PUB_BLS_%0*d=KEY:a\n", 247, 0);
	assert_int_equal(finalizer_keys_read(&k, "x", line, strlen(line), &e), 0);
	snprintf(line, sizeof(line), "signature-provider=PUB_BLS_%0*d=KEY:a\n", 248, 0);
	assert_int_equal(finalizer_keys_read(&k, "x", line, strlen(line), &too_long), -1);
}

static void names(void **state)
{
	char name[LEASE_NAME_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	lease_claim_name(name, LEASE_CLAIM_FINALIZER, "PUB_BLS_one");
	assert_int_equal(strlen(name), 42);
	assert_int_equal(lease_name_check(name, &e), 0);
	/* printf PUB_BLS_one | sha256sum */
	assert_string_equal(name, "finalizer-cfc28d5bef3fa14d06b3bdb4159ecd0a");
}

#define IN_A_SLOT(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_SLOT(keys_are_claimed_once),
		IN_A_SLOT(a_key_of_another_slot_is_refused),
		IN_A_SLOT(what_was_given_up_is_taken),
		IN_A_SLOT(who_comes_second_reads_who_was_first),
		IN_A_SLOT(without_an_answer_nothing_is_claimed),
		IN_A_SLOT(a_lost_answer_is_read_again),
		IN_A_SLOT(a_lease_of_that_name_is_none),
		IN_A_SLOT(a_signing_key_has_one_lease),
		IN_A_SLOT(each_try_reads_all_keys),
		IN_A_SLOT(no_key_needs_no_broker),
		IN_A_SLOT(a_long_place_is_its_digest),
		cmocka_unit_test(keys_of_a_config),
		cmocka_unit_test(keys_that_are_too_many_or_too_long),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
