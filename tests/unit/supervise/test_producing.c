#include "unit/test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "data/record.h"
#include "nodeos/exit.h"
#include "nodeos/repair.h"
#include "supervise/heal.h"
#include "supervise/supervise_priv.h"
#include "supervise/tenure.h"

/* The tenure is one of the test's own: it does what it is told and notes it. */

static struct tenure_thread {
	bool is_idle, asks_restart, cannot_watch, is_forked;
	const char *json;
	bool is_fit, is_gone;
	int fits, give_ups, take_ups;
	pid_t pid;
	char said[300];
} fake;

struct tenure_thread *tenure_start(struct loop *l UNUSED, const struct tenure_config *cfg,
        tenure_notify_fn *notify UNUSED, void *arg UNUSED, struct err *e)
{
	if (strcmp(cfg->key_path, "missing") == 0) {
		err_set(e, ERR_NOT_FOUND, "there is no key");
		return NULL;
	}
	snprintf(fake.said, sizeof(fake.said), "%s %s %s %s %lld %s", cfg->brokers, cfg->lease_name,
	        cfg->holder, cfg->pool_id, (long long)cfg->term_ns, cfg->compare);
	return &fake;
}

void tenure_stop(struct tenure_thread *t UNUSED)
{
}

const char *tenure_signature_provider(const struct tenure_thread *t UNUSED)
{
	return "EOS=KEOSD:http://127.0.0.1:1/v1/wallet/sign_digest";
}

int tenure_nodeos(
        struct tenure_thread *t, pid_t pid, const char *host, uint16_t port, struct err *e)
{
	if (t->cannot_watch)
		return err_set(e, ERR_SYSTEM, "no pidfd");
	t->pid = pid;
	snprintf(t->said, sizeof(t->said), "%s:%u", host, (unsigned)port);
	return 0;
}

void tenure_nodeos_gone(struct tenure_thread *t)
{
	t->is_gone = true;
	t->asks_restart = false;
}

void tenure_fit(struct tenure_thread *t, bool is_fit, const char *why)
{
	t->is_fit = is_fit;
	t->fits++;
	snprintf(t->said, sizeof(t->said), "%s", why);
}

void tenure_give_up(struct tenure_thread *t, const char *why UNUSED)
{
	t->give_ups++;
}

void tenure_take_up(struct tenure_thread *t)
{
	t->take_ups++;
}

bool tenure_is_idle(struct tenure_thread *t)
{
	return t->is_idle;
}

bool tenure_asks_restart(struct tenure_thread *t, char *why, size_t size)
{
	if (t->asks_restart)
		snprintf(why, size, "its right has ended");
	return t->asks_restart;
}

bool tenure_is_forked(struct tenure_thread *t, char *why, size_t size)
{
	if (t->is_forked)
		snprintf(why, size, "other irreversible blocks than r.1");
	return t->is_forked;
}

json_t *tenure_json(struct tenure_thread *t)
{
	return t->json ? json_loads(t->json, 0, NULL) : json_null();
}

/* So are the claims of keys. */

static struct finalizers {
	enum finalizers_state state;
	const char *why;
	finalizers_fn *fn;
	void *arg;
	char said[300];
	int begun, ended;
} claims[2]; /* of finalizers; of the key that signs */

int finalizer_keys_read(struct finalizer_keys *ret, const char *name UNUSED, const char *text,
        size_t n UNUSED, struct err *e UNUSED)
{
	ret->n = *text != '\0';
	snprintf(ret->key[0], sizeof(ret->key[0]), "%s", text);
	return 0;
}

struct finalizers *finalizers_new(struct loop *l UNUSED, const struct finalizers_config *c,
        const struct finalizer_keys *keys, finalizers_fn *fn, void *arg, struct err *e UNUSED)
{
	struct finalizers *f = &claims[c->is_signing];

	f->state = FINALIZERS_ASKING;
	f->why = "";
	f->fn = fn;
	f->arg = arg;
	f->begun++;
	snprintf(f->said, sizeof(f->said), "%s %zu %s", c->holder, keys->n, keys->key[0]);
	return f;
}

void finalizers_free(struct finalizers *f)
{
	if (f)
		f->ended++;
}

enum finalizers_state finalizers_state(const struct finalizers *f)
{
	return f->state;
}

const char *finalizers_why(const struct finalizers *f)
{
	return f->why;
}

static void say(struct finalizers *f, enum finalizers_state state, const char *why)
{
	f->state = state;
	f->why = why;
	f->fn(f->arg);
}

/* A supervisor that owns no slot, so that nothing is written. */
static char program[] = "nodeos";
static struct supervise_config cfg;
static struct supervisor s;

static int setup(void **state)
{
	static char *argv[] = { program, NULL };

	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&s, 0, sizeof(s));
	memset(&claims, 0, sizeof(claims));
	claims[1].state = FINALIZERS_CLAIMED;
	cfg = (struct supervise_config){ .service = "t_producer",
		.slot = 2,
		.may_heal = true,
		.sign_key = "key",
		.brokers = "b:1",
		.lease = "producer",
		.compare = "",
		.lease_term_ns = 200 * NS_PER_MS,
		.argv = argv };
	s.cfg = &cfg;
	s.lock_fd = s.slot.fd = -1;
	s.producing.tenure = &fake;
	s.producing.sign_claim = &claims[1];
	s.record.state = SLOT_RUNNING;
	snprintf(s.record.verdict, sizeof(s.record.verdict), "clean");
	return 0;
}

static void starts_with_a_key_alone(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	s.producing.tenure = NULL;
	cfg.sign_key = "";
	assert_int_equal(producing_start(&s, &e), 0);
	assert_null(s.producing.tenure);
	assert_null(producing_signature_provider(&s));
	assert_true(json_is_null(producing_json(&s)));
	assert_true(producing_gives_up(&s, "x"));
	cfg.sign_key = "missing";
	assert_int_equal(producing_start(&s, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	cfg.sign_key = "key";
	snprintf(s.pool.id, sizeof(s.pool.id), "pool");
	assert_int_equal(producing_start(&s, &e), 0);
	assert_string_equal(fake.said, "b:1 producer t_producer.2 pool 200000000 ");
	assert_non_null(strstr(producing_signature_provider(&s), "KEOSD"));
}

static void what_must_not_be_on_the_command_line(void **state)
{
	static const struct {
		const char *arg;
		bool is_refused;
	} rows[] = {
		{ "--keosd-provider-timeout=5", true },
		{ "--keosd", true },
		{ "--pause-on-startup", true },
		{ "--enable-stale", true },
		{ "--connection-cleanup-period=30", true },
		{ "--private-key=x", true },
		{ "--plugin=eosio::trace_api_plugin", false },
		{ "-e", false },
		{ "--verbose-http-errors", false },
		{ "5", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char arg[64], *argv[] = { program, arg, NULL };
		struct err e = ERR_INIT;

		snprintf(arg, sizeof(arg), "%s", rows[i].arg);
		cfg.argv = argv;
		if (producing_check_args(&s, &e) != (rows[i].is_refused ? -1 : 0))
			fail_msg("%s: %s", rows[i].arg, e.msg);
		s.producing.tenure = NULL;
		assert_int_equal(producing_check_args(&s, &e), 0);
		s.producing.tenure = &fake;
	}
}

static void lets_go_before_a_stop(void **state)
{
	(void)state;
	assert_false(producing_gives_up(&s, "x"));
	assert_int_equal(fake.give_ups, 1);
	assert_false(producing_has_let_go(&s));
	fake.is_idle = true;
	assert_true(producing_has_let_go(&s));
	/* A term is all that it gets. */
	fake.is_idle = false;
	(void)usleep(210 * 1000);
	assert_true(producing_has_let_go(&s));
	/* And a second where the disk is full. */
	cfg.lease_term_ns = 30 * NS_PER_SEC;
	s.disk_asked = true;
	assert_false(producing_gives_up(&s, "x"));
	assert_true(s.producing.let_go_until_ns <= clock_mono_ns() + NS_PER_SEC);
	s.disk_asked = false;
	assert_false(producing_gives_up(&s, "x"));
	assert_true(s.producing.let_go_until_ns > clock_mono_ns() + 29 * NS_PER_SEC);
}

static void one_run(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	snprintf(s.render.http_host, sizeof(s.render.http_host), "127.0.0.1");
	s.render.http_port = 3888;
	s.producing.is_fenced = true;
	fake.is_fit = true;
	assert_int_equal(producing_nodeos_started(&s, 77, &e), 0);
	assert_string_equal(fake.said, "127.0.0.1:3888");
	assert_true(fake.pid == 77 && fake.take_ups == 1 && !fake.is_fit);
	assert_false(s.producing.is_fenced);
	producing_nodeos_ended(&s, false);
	assert_true(fake.is_gone);
	assert_false(s.producing.is_fenced);
	fake.cannot_watch = true;
	assert_int_equal(producing_nodeos_started(&s, 78, &e), -1);
	assert_int_equal(fake.take_ups, 1);
}

/* A nodeos that the tenure has ended has not crashed. */
static void ended_for_the_lease(void **state)
{
	static const struct {
		const char *name;
		bool asks_restart;
		enum nodeos_exit_class class;
		unsigned repairs;
		const char *verdict, *why;
		bool explains, starts_again;
	} rows[] = {
		{ "killed", true, NODEOS_EXIT_KILLED, 0, "dirty",
		        "ended for the lease's sake: its right has ended", true, false },
		{ "killed before it had written", true, NODEOS_EXIT_KILLED, 0, "clean",
		        "ended for the lease's sake: its right has ended", true, true },
		{ "stopped", true, NODEOS_EXIT_STOPPED, 0, "clean",
		        "ended for the lease's sake: its right has ended", true, true },
		{ "stopped behind our back", true, NODEOS_EXIT_UNASKED, 0, "clean",
		        "ended for the lease's sake: its right has ended", true, true },
		{ "crashed", true, NODEOS_EXIT_CRASHED, 0, "clean", "x", true, true },
		{ "damaged", true, NODEOS_EXIT_DATA, REPAIR_BIT(REPAIR_REPLAY), "clean", "x", false,
		        false },
		{ "killed by others", false, NODEOS_EXIT_KILLED, 0, "dirty", "x", false, false },
		{ "by itself", false, NODEOS_EXIT_UNASKED, 0, "clean", "x", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct nodeos_exit x = {
			.class = rows[i].class, .repairs = rows[i].repairs, .why = "x"
		};

		(void)setup(state);
		s.stop_asked = true; /* so that nothing is started */
		snprintf(s.record.verdict, sizeof(s.record.verdict), "%s", rows[i].verdict);
		fake.asks_restart = rows[i].asks_restart;
		producing_nodeos_ended(&s, false);
		if (producing_explains(&s, &x) != rows[i].explains ||
		        strcmp(x.why, rows[i].why) != 0)
			fail_msg("%s: %s", rows[i].name, x.why);
		if (producing_starts_again(&s, &x) != rows[i].starts_again)
			fail_msg("%s: started again or not", rows[i].name);
		assert_int_equal(
		        s.record.state, rows[i].starts_again ? SLOT_STARTING : SLOT_RUNNING);
	}
}

/* What a fence leaves behind is repaired as often as there are fences. */
static void a_fence_counts_for_no_limit(void **state)
{
	struct err why = ERR_INIT;

	(void)state;
	s.stop_asked = true;
	heal_begin(&s, "dirty", "it was killed");
	heal_try(&s, REPAIR_REPLAY);
	assert_true(s.record.heal.tries == 1 && s.record.heal.heals_ns[0]);
	s.producing.is_fenced = true;
	for (int i = 0; i < 20; i++)
		heal_try(&s, REPAIR_REPLAY);
	assert_true(s.record.heal.tries == 1 && !s.record.heal.heals_ns[1]);
	assert_int_equal(s.record.heal.stage, HEAL_STAGE_REPAIRING);
	/* One that was cut off takes no other's place in the count. */
	err_set(&why, ERR_INTERRUPTED, "stopped");
	heal_try_failed(&s, &why);
	assert_true(s.record.heal.tries == 1 && s.record.heal.heals_ns[0]);
	assert_true(s.record.heal.tried == 0);
	s.producing.is_fenced = false;
	heal_try(&s, REPAIR_REPLAY);
	assert_true(s.record.heal.tries == 2 && s.record.heal.heals_ns[1]);
}

static void who_may_want_the_lease(void **state)
{
	static const struct {
		const char *name;
		bool is_ready, bootstrap, answers, other_chain, stops, quiesces, fills, probation,
		        failed, is_lame, is_fit;
	} rows[] = {
		{ .name = "ready", .is_ready = true, .answers = true, .is_fit = true },
		{ .name = "not ready", .answers = true },
		{ .name = "the first of a chain",
		        .answers = true,
		        .bootstrap = true,
		        .is_fit = true },
		{ .name = "first and silent", .bootstrap = true },
		{ .name = "first and of another chain",
		        .answers = true,
		        .bootstrap = true,
		        .other_chain = true },
		{ .name = "stops", .is_ready = true, .answers = true, .stops = true },
		{ .name = "quiesced", .is_ready = true, .answers = true, .quiesces = true },
		{ .name = "disk full", .is_ready = true, .answers = true, .fills = true },
		{ .name = "lame", .answers = true, .bootstrap = true, .is_lame = true },
		{ .name = "on probation", .is_ready = true, .answers = true, .probation = true },
		{ .name = "first and on probation",
		        .answers = true,
		        .bootstrap = true,
		        .probation = true },
		{ .name = "has failed it", .answers = true, .bootstrap = true, .failed = true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)setup(state);
		cfg.bootstrap = rows[i].bootstrap;
		s.health.ready.ready = rows[i].is_ready;
		s.health.has_info = rows[i].answers;
		s.health.answered_ns = clock_mono_ns();
		if (rows[i].other_chain) {
			memset(s.chain_id, 'a', 64);
			memset(s.health.info.chain_id, 'b', 64);
		}
		s.stop_asked = rows[i].stops;
		s.quiesce_asked = rows[i].quiesces;
		s.disk_asked = rows[i].fills;
		s.record.heal.stage = rows[i].probation ? HEAL_STAGE_PROBATION : HEAL_STAGE_NONE;
		s.health.has_failed_probation = rows[i].failed;
		if (rows[i].is_lame)
			s.record.state = SLOT_LAME;
		producing_turn(&s);
		if (fake.fits != 1 || fake.is_fit != rows[i].is_fit)
			fail_msg("%s: %s", rows[i].name, fake.is_fit ? "fit" : fake.said);
	}
}

static void the_key_has_one_lease(void **state)
{
	AUTO(json) json_t *list = json_array();
	struct err e = ERR_INIT;

	(void)state;
	s.health.ready.ready = true;
	producing_turn(&s);
	assert_true(fake.is_fit);
	/* Asked again with each nodeos. */
	assert_int_equal(producing_nodeos_started(&s, 77, &e), 0);
	assert_int_equal(claims[1].begun, 1);
	assert_string_equal(claims[1].said, "producer 1 EOS");
	producing_turn(&s);
	assert_false(fake.is_fit);
	assert_string_equal(fake.said, "the claim of the signing key is being read");
	say(&claims[1], FINALIZERS_HELD, "of lease 'other'");
	assert_false(fake.is_fit);
	assert_string_equal(fake.said, "of lease 'other'");
	producing_warnings(&s, list);
	assert_int_equal(json_array_size(list), 1);
	say(&claims[1], FINALIZERS_CLAIMED, "");
	assert_true(fake.is_fit);
	producing_warnings(&s, list);
	assert_int_equal(json_array_size(list), 1);
	producing_nodeos_ended(&s, true);
	assert_int_equal(producing_nodeos_started(&s, 78, &e), 0);
	assert_int_equal(claims[1].begun, 2);
	producing_turn(&s);
	assert_false(fake.is_fit);
}

static void finalizers_are_asked_at_each_start(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	s.stop_asked = true; /* so that nothing is started */
	s.record.state = SLOT_STARTING;
	assert_int_equal(producing_claim_keys(&s, &e), 0);
	assert_int_equal(producing_note_keys(&s, "PUB_BLS_x", 9, &e), 0);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(producing_claim_keys(&s, &e), 1);
		assert_int_equal(claims[0].begun, i);
		assert_string_equal(claims[0].said, "t_producer.2 1 PUB_BLS_x");
		say(&claims[0], FINALIZERS_CLAIMED, "");
		assert_int_equal(producing_claim_keys(&s, &e), 0);
	}
	/* What was claimed long ago, and not used, is asked again. */
	assert_int_equal(producing_claim_keys(&s, &e), 1);
	say(&claims[0], FINALIZERS_CLAIMED, "");
	s.producing.claimed_ns -= 6 * NS_PER_SEC;
	assert_int_equal(producing_claim_keys(&s, &e), 1);
	assert_int_equal(claims[0].begun, 4);
	say(&claims[0], FINALIZERS_HELD, "of x.1");
	assert_int_equal(producing_claim_keys(&s, &e), 1);
	assert_int_equal(s.record.state, SLOT_HELD);
	assert_int_equal(s.hold, HOLD_RETRY);
}

static void finalizers_need_a_broker(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	cfg.brokers = "";
	assert_int_equal(producing_claim_keys(&s, &e), 0);
	assert_int_equal(producing_note_keys(&s, "PUB_BLS_x", 9, &e), 0);
	assert_int_equal(producing_claim_keys(&s, &e), 1);
	assert_int_equal(s.record.state, SLOT_HELD);
	assert_int_equal(s.hold, HOLD_FINAL);
	assert_non_null(strstr(s.record.reason, "no broker"));
	assert_int_equal(claims[0].begun, 0);
}

static void work_that_waits(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	s.work.kind = SLOT_WORK_ARCHIVE;
	s.work.stage = SLOT_WORK_STOPPING;
	s.health.ready.ready = true;
	/* What is about to be archived takes no lease. */
	producing_turn(&s);
	assert_false(fake.is_fit);
	s.work.stage = SLOT_WORK_DIGESTING;
	producing_turn(&s);
	assert_true(fake.is_fit);
	assert_int_equal(producing_may_stop_for_work(&s, &e), 0);
	fake.json = "{\"state\":\"standby\"}";
	assert_int_equal(producing_may_stop_for_work(&s, &e), 0);
	fake.json = "{\"state\":\"producing\"}";
	assert_int_equal(producing_may_stop_for_work(&s, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	err_clear(&e);
	fake.json = "{\"state\":\"taking\"}";
	assert_int_equal(producing_may_stop_for_work(&s, &e), -1);
}

static void restarts_what_it_is_told_to(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	assert_true(pid > 0);
	s.child.pid = pid;
	s.child.io.added = true;
	producing_turn(&s);
	assert_int_equal(s.record.state, SLOT_RUNNING);
	fake.asks_restart = true;
	/* One that is stopped anyhow is not stopped twice. */
	s.record.state = SLOT_LAME;
	producing_turn(&s);
	assert_int_equal(s.record.state, SLOT_LAME);
	s.record.state = SLOT_RUNNING;
	producing_turn(&s);
	assert_int_equal(s.record.state, SLOT_STOPPING);
	assert_string_equal(s.record.reason, "its right has ended");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* Stopped cleanly, and then it begins again; or is held where nothing may be repaired. */
static void what_is_forked_is_healed(void **state)
{
	for (int may_heal = 0; may_heal < 2; may_heal++) {
		const struct record_heal *h = &s.record.heal;
		int status = 0;
		pid_t pid;

		(void)setup(state);
		cfg.may_heal = may_heal;
		fake.is_forked = fake.is_idle = true;
		pid = fork();
		if (pid == 0) {
			for (;;)
				(void)pause();
		}
		assert_true(pid > 0);
		s.child.pid = pid;
		s.child.io.added = true;
		producing_turn(&s);
		producing_turn(&s);
		assert_int_equal(s.record.state, SLOT_STOPPING);
		assert_int_equal(fake.give_ups, 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
		s.child.io.added = false;
		s.child.pid = 0;
		assert_true(s.heal_stop_asked && s.is_forked && s.has_exit);
		assert_int_equal(
		        s.exit_repairs, REPAIR_BIT(REPAIR_GENERATION) | REPAIR_BIT(REPAIR_EMPTY));
		s.stop_asked = true; /* nothing is to be started here */
		assert_true(heal_after_stop(&s));
		assert_int_equal(s.record.state, may_heal ? SLOT_REPAIRING : SLOT_HELD);
		assert_non_null(strstr(s.record.reason, "other irreversible blocks than r.1"));
		assert_int_equal(s.is_forked, may_heal);
		assert_string_equal(h->why, may_heal ? "other irreversible blocks than r.1" : "");
		assert_int_equal(h->stage, may_heal ? HEAL_STAGE_WAITING : HEAL_STAGE_NONE);
	}
}

static void metrics(void **state)
{
	AUTO(buf) struct buf out = BUF_INIT(4096);

	(void)state;
	assert_int_equal(producing_metrics(&out, &s), 0);
	assert_int_equal(out.len, 0);
	fake.json = "{\"state\":\"producing\",\"epoch\":7,\"right_seconds\":2.5,\"signed\":12,"
	            "\"holds\":true,\"refusals\":{\"first\":1,\"closed\":30}}";
	producing_turn(&s);
	producing_turn(&s);
	assert_int_equal(producing_metrics(&out, &s), 0);
#define HAS(name, label, value)                                                                    \
	assert_non_null(strstr(out.data,                                                           \
	        "\nnodeswarm_producer_" name "{service=\"t_producer\",slot=\"2\"" label "} " value \
	        "\n"))
	HAS("state", ",state=\"producing\"", "1");
	HAS("epoch", "", "7");
	HAS("right_seconds", "", "2.5");
	HAS("signed_total", "", "12");
	HAS("changes_total", "", "1");
	HAS("refused_total", ",reason=\"first\"", "1");
	HAS("refused_total", ",reason=\"closed\"", "30");
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_with_a_key_alone),
		TEST(what_must_not_be_on_the_command_line),
		TEST(lets_go_before_a_stop),
		TEST(one_run),
		TEST(ended_for_the_lease),
		TEST(a_fence_counts_for_no_limit),
		TEST(who_may_want_the_lease),
		TEST(the_key_has_one_lease),
		TEST(finalizers_are_asked_at_each_start),
		TEST(finalizers_need_a_broker),
		TEST(work_that_waits),
		TEST(restarts_what_it_is_told_to),
		TEST(what_is_forked_is_healed),
		TEST(metrics),
	};

	return cmocka_run_group_tests_name("supervise/producing", tests, NULL, NULL);
}
