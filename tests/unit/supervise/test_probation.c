/*
 * probation.c among fakes on one loop: other slots are control sockets in a pool, other hosts,
 * references and our own nodeos are servers of a few lines.  The clock can be moved on.
 */

#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "control/address_priv.h"
#include "supervise/heal.h"
#include "supervise/probation.h"
#include "supervise/supervise_priv.h"

#define MS(n) ((n)*NS_PER_MS)

/* --- what probation.c is linked with ---------------------------------------------------------- */

static int64_t skipped_ns;

int64_t __real_clock_mono_ns(void);
int64_t __wrap_clock_mono_ns(void);
int64_t __wrap_clock_mono_ns(void)
{
	return __real_clock_mono_ns() + skipped_ns;
}

static struct {
	bool on, over, passed;
	enum witness_class by;
	char why[RECORD_TEXT_MAX];
} heal;

bool heal_is_on_probation(const struct supervisor *s UNUSED)
{
	return heal.on;
}

void heal_probation_over(
        struct supervisor *s UNUSED, bool passed, enum witness_class by, const char *why)
{
	assert_false(heal.over);
	heal.on = false;
	heal.over = true;
	heal.passed = passed;
	heal.by = by;
	snprintf(heal.why, sizeof(heal.why), "%s", why);
}

/* --- the world -------------------------------------------------------------------------------- */

#define FAKES 4

#define CHAIN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CHAIN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* Another slot, or a reference. */
struct fake {
	struct control_server *control;
	struct http_server *http;
	int listener; /* one that never answers; 0: none */
	const char *service, *chain;
	unsigned slot;
	bool is_ready;
	uint32_t num;
	char fork; /* a digit of its blocks' ids */
	unsigned asked;
};

static struct world {
	struct supervise_config cfg;
	struct supervisor s;
	struct fake fakes[FAKES];
	struct http_server *nodeos;
	uint32_t first_block; /* that our nodeos has */
	const char *garbage;  /* that it answers with instead; NULL */
	unsigned asked;
} w;

static void block_id(char out[65], uint32_t num, char fork)
{
	snprintf(out, 65, "%08x%056d", num, 0);
	out[40] = fork;
}

static char *status_text(struct fake *f)
{
	char id[65], text[1024];

	f->asked++;
	block_id(id, f->num, f->fork);
	snprintf(text, sizeof(text),
	        "{\"format\":1,\"service\":\"%s\",\"slot\":%u,\"node\":\"h\",\"ready\":%s,"
	        "\"chain_id\":\"%s\",\"last_irreversible_block_num\":%u,"
	        "\"last_irreversible_block_id\":\"%s\"}",
	        f->service, f->slot, f->is_ready ? "true" : "false", f->chain, f->num, id);
	return strdup(text);
}

static void on_call(void *arg, const char *name, const json_t *q UNUSED, struct control_call *call)
{
	assert_string_equal(name, "status");
	control_call_reply(call, status_text(arg));
}

static void on_get(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct fake *f = arg;
	char id[65], text[1024];

	assert_string_equal(q->method, "GET");
	if (strcmp(q->path, "/state") == 0) {
		http_server_json(r, 200, status_text(f));
		return;
	}
	assert_string_equal(q->path, "/v1/chain/get_info");
	f->asked++;
	block_id(id, f->num, f->fork);
	snprintf(text, sizeof(text),
	        "{\"chain_id\":\"%s\",\"head_block_num\":%u,\"head_block_id\":\"%s\","
	        "\"last_irreversible_block_num\":%u,\"last_irreversible_block_id\":\"%s\","
	        "\"head_block_time\":\"2026-11-20T10:21:12.000\"}",
	        f->chain, f->num, id, f->num, id);
	http_server_json(r, 200, strdup(text));
}

/* Our own: every block of ours has a 0 where those of a fork have another digit. */
static void on_nodeos(
        void *arg UNUSED, const struct http_server_request *q, struct http_server_reply *r)
{
	char id[65], text[256];
	unsigned num = 0;

	assert_string_equal(q->method, "POST");
	assert_string_equal(q->path, "/v1/chain/get_block_info");
	assert_int_equal(sscanf(q->body, "{\"block_num\":%u}", &num), 1);
	assert_true(num <= w.s.health.info.last_irreversible_block_num);
	w.asked++;
	if (w.garbage) {
		http_server_json(r, 200, strdup(w.garbage));
		return;
	}
	if (num < w.first_block) {
		http_server_json(r, 400,
		        strdup("{\"code\":400,\"message\":\"Unknown Block\",\"error\":{\"code\":"
		               "3100002,\"name\":\"unknown_block_exception\",\"details\":[]}}"));
		return;
	}
	block_id(id, num, '0');
	snprintf(text, sizeof(text), "{\"block_num\":%u,\"id\":\"%s\"}", num, id);
	http_server_json(r, 200, strdup(text));
}

static void set_lib(uint32_t num)
{
	w.s.health.info.last_irreversible_block_num = num;
	block_id(w.s.health.info.last_irreversible_block_id, num, '0');
}

static char dir[32];

static int setup(void **state UNUSED)
{
	struct supervisor *s = &w.s;
	struct err e = ERR_INIT;

	memset(&w, 0, sizeof(w));
	memset(&heal, 0, sizeof(heal));
	skipped_ns = 0;
	snprintf(dir, sizeof(dir), "/tmp/nodeswarm-unit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	assert_int_equal(pool_create(&s->pool, dir, &e), 0);
	w.cfg = (struct supervise_config){
		.service = "t_s", .slot = 1, .node = "h", .references = "", .port = 1
	};
	s->cfg = &w.cfg;
	s->slot = SLOT_INIT;
	assert_int_equal(loop_init(&s->loop, &e), 0);
	s->prober = http_prober_new(&s->loop, &e);
	assert_non_null(s->prober);
	s->follow = follow_new(&s->loop, s->prober, "t_s.1", &e);
	assert_non_null(s->follow);
	w.nodeos = http_server_new(&s->loop,
	        &(struct http_server_config){
	                .address = "127.0.0.1", .handler = on_nodeos, .max_body = 4096 },
	        &e);
	assert_non_null(w.nodeos);
	snprintf(s->render.http_host, sizeof(s->render.http_host), "127.0.0.1");
	s->render.http_port = http_server_port(w.nodeos);
	s->health.has_info = s->health.has_peers = true;
	snprintf(s->health.info.chain_id, sizeof(s->health.info.chain_id), "%s", CHAIN_A);
	s->health.start_lib = 100;
	set_lib(200);
	heal.on = true;
	return 0;
}

static int teardown(void **state UNUSED)
{
	struct err e = ERR_INIT;

	probation_stop(&w.s);
	for (size_t i = 0; i < FAKES; i++) {
		control_server_free(w.fakes[i].control);
		http_server_free(w.fakes[i].http);
		if (w.fakes[i].listener)
			(void)close(w.fakes[i].listener);
	}
	follow_free(w.s.follow);
	http_server_free(w.nodeos);
	http_prober_free(w.s.prober);
	loop_release(&w.s.loop);
	pool_release(&w.s.pool);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static struct fake *fake(size_t i, unsigned slot, uint32_t num, char fork)
{
	struct fake *f = &w.fakes[i];

	*f = (struct fake){ .service = "t_s",
		.chain = CHAIN_A,
		.slot = slot,
		.is_ready = true,
		.num = num,
		.fork = fork };
	return f;
}

static int slot_dir(unsigned slot)
{
	struct slot at = SLOT_INIT;
	struct err e = ERR_INIT;
	int fd;

	assert_int_equal(slot_open(&at, &w.s.pool, "t_s", slot, true, &e), 0);
	fd = at.fd;
	at.fd = -1;
	slot_release(&at);
	return fd;
}

/* A slot of this pool. */
static struct fake *here(size_t i, unsigned slot, uint32_t num, char fork)
{
	struct fake *f = fake(i, slot, num, fork);
	struct err e = ERR_INIT;
	AUTO(close_fd) int fd = slot_dir(slot);

	f->control = control_server_new(&w.s.loop, fd, on_call, f, &e);
	assert_non_null(f->control);
	return f;
}

/* A socket that nobody listens on, or one where nobody answers. */
static void mute(size_t i, unsigned slot, bool listens)
{
	AUTO(close_fd) int fd = slot_dir(slot);
	struct sockaddr_un sa;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	control_address(&sa, fd);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	if (listens) {
		assert_int_equal(listen(listener, 5), 0);
		w.fakes[i].listener = listener;
	} else {
		(void)close(listener);
	}
}

static void serve(struct fake *f, const char *address)
{
	struct err e = ERR_INIT;

	f->http = http_server_new(&w.s.loop,
	        &(struct http_server_config){ .address = address, .handler = on_get, .arg = f },
	        &e);
	assert_non_null(f->http);
}

/* A task of a service that is followed, on another host: 127.0.0.2 is no address of ours. */
static struct fake *there(size_t i, unsigned slot, uint32_t num, char fork)
{
	struct fake *f = fake(i, slot, num, fork);
	AUTO(strvec) struct strvec names = STRVEC_INIT;
	struct err e = ERR_INIT;

	serve(f, "127.0.0.2");
	w.cfg.port = http_server_port(f->http);
	assert_int_equal(strvec_add(&names, "127.0.0.2:9876"), 0);
	assert_int_equal(follow_names(w.s.follow, &names, "t_s", &e), 0);
	assert_int_equal(follow_start(w.s.follow, "127.0.0.1", 1, 9876, &e), 0);
	for (int k = 0; k < 20; k++)
		assert_int_equal(loop_once(&w.s.loop, 5, &e), 0);
	return f;
}

static char urls[256];

static struct fake *reference(size_t i, const char *host, uint32_t num, char fork)
{
	struct fake *f = fake(i, 9, num, fork);
	size_t n = strlen(urls);

	serve(f, "127.0.0.1");
	snprintf(urls + n, sizeof(urls) - n, " http://%s:%u", host,
	        (unsigned)http_server_port(f->http));
	w.cfg.references = urls;
	return f;
}

static void hear_peer(const char *who, uint32_t num, char fork)
{
	struct nodeos_peer p = {
		.text = who, .is_handshaken = true, .last_irreversible_block_num = num
	};

	block_id(p.last_irreversible_block_id, num, fork);
	probation_hears_peer(&w.s, &p);
}

/* As health.c does, until it is over or the time is. */
static void turn_for(bool has_caught_up, int ms)
{
	int64_t until = clock_mono_ns() + MS(ms);
	struct err e = ERR_INIT;

	do {
		probation_turn(&w.s, has_caught_up);
		assert_int_equal(loop_once(&w.s.loop, 10, &e), 0);
	} while (!heal.over && clock_mono_ns() < until);
}

static void expect_passed(const char *why)
{
	turn_for(true, 5000);
	if (!heal.over || !heal.passed || !strstr(heal.why, why))
		fail_msg("over %d passed %d '%s' (%s)", heal.over, heal.passed, heal.why,
		        w.s.health.probation_why);
	assert_null(w.s.probation);
	assert_false(w.s.health.has_failed_probation);
}

static void expect_failed(const char *why)
{
	turn_for(true, 5000);
	if (!heal.over || heal.passed || !strstr(heal.why, why))
		fail_msg("over %d passed %d '%s' (%s)", heal.over, heal.passed, heal.why,
		        w.s.health.probation_why);
	assert_true(w.s.health.has_failed_probation);
}

static void expect_waiting(int ms, const char *why)
{
	turn_for(true, ms);
	if (heal.over || !strstr(w.s.health.probation_why, why))
		fail_msg("over %d '%s' (%s)", heal.over, heal.why, w.s.health.probation_why);
}

/* --- cases ------------------------------------------------------------------------------------ */

static void a_healthy_slot_agrees(void **state)
{
	(void)state;
	here(0, 2, 150, '0');
	expect_passed("block 150 is the one that healthy slot t_s.2 on h has");
	assert_int_equal(w.asked, 1);
	/* Nothing is asked any more. */
	turn_for(true, 50);
	assert_int_equal(w.fakes[0].asked, 1);
}

static void a_healthy_slot_differs(void **state)
{
	(void)state;
	here(0, 2, 150, '7');
	expect_failed("block 150 is 0000000000000000... here, but ");
	assert_non_null(strstr(heal.why, "at healthy slot t_s.2 on h"));
	assert_int_equal(heal.by, WITNESS_SLOT);
}

/* Its last irreversible block is ours: nodeos need not be asked, and may not have it. */
static void the_same_block_is_not_asked_for(void **state)
{
	(void)state;
	w.first_block = 201;
	here(0, 2, 200, '0');
	expect_passed("block 200");
	assert_int_equal(w.asked, 0);
}

static void two_against_one(void **state)
{
	(void)state;
	here(0, 2, 150, '7');
	here(1, 3, 151, '0');
	there(2, 4, 152, '0');
	expect_passed("block 152 is the one that healthy slot t_s.4 on h has (2 of 3 agree)");
}

static void who_does_not_count(void **state)
{
	(void)state;
	here(0, 2, 150, '7')->is_ready = false;
	here(1, 3, 150, '7')->chain = CHAIN_B;
	here(2, 1, 150, '7'); /* our own */
	there(3, 1, 150, '7');
	expect_waiting(1300, "nobody to compare with");
	assert_int_equal(w.fakes[2].asked, 0);
	assert_int_equal(w.asked, 0);
	/* That they were heard is no news. */
	skipped_ns += PROBATION_ALONE_NS;
	expect_passed("caught up; there is no healthy slot");
}

static void one_that_hangs_is_not_waited_for(void **state)
{
	int64_t began = clock_mono_ns();

	(void)state;
	mute(0, 2, true);
	mute(1, 3, false);
	(void)close(slot_dir(4));
	here(1, 5, 150, '0');
	turn_for(true, 700);
	/* The one that may yet say something else is waited for a second. */
	assert_false(heal.over);
	expect_passed("t_s.5");
	assert_true(clock_mono_ns() - began < MS(2500));
}

static void another_host(void **state)
{
	(void)state;
	there(0, 2, 150, '0');
	expect_passed("t_s.2 on h");
}

static void its_block_comes_later(void **state)
{
	(void)state;
	here(0, 2, 210, '0');
	expect_waiting(300, "waiting for block 210, which healthy slot t_s.2 on h");
	assert_int_equal(w.asked, 0);
	set_lib(212);
	expect_passed("block 210");
}

static void a_lagging_one(void **state)
{
	struct fake *f = here(0, 2, 90, '0');

	(void)state;
	expect_waiting(300, "a later irreversible block of a healthy slot");
	f->num = 110;
	expect_passed("block 110");
	assert_int_equal(w.asked, 2);
}

/* Both stand still: what there is has to do. */
static void a_paused_chain(void **state)
{
	(void)state;
	here(0, 2, 90, '0');
	expect_waiting(1200, "a later irreversible block");
	skipped_ns += PROBATION_ALONE_NS;
	expect_passed("block 90 is the one");
}

static void a_pruned_block(void **state)
{
	struct fake *f = here(0, 2, 150, '0');

	(void)state;
	w.first_block = 160;
	expect_waiting(300, "a later irreversible block");
	f->num = 165;
	expect_passed("block 165");
	assert_int_equal(w.asked, 2);
}

static void nodeos_talks_nonsense(void **state)
{
	(void)state;
	here(0, 2, 150, '0');
	w.garbage = "{\"block_num\":151,\"id\":\"00\"}";
	expect_waiting(300, "waiting for block 150");
	w.garbage = "[";
	expect_waiting(300, "waiting for block 150");
	w.garbage = NULL;
	expect_passed("block 150");
}

static void a_reference(void **state)
{
	(void)state;
	*urls = '\0';
	reference(0, "127.0.0.1", 150, '0');
	reference(1, "127.0.0.1", 151, '7')->chain = CHAIN_B;
	expect_passed("block 150 is the one that reference http://127.0.0.1:");
}

static void a_reference_by_name(void **state)
{
	(void)state;
	*urls = '\0';
	reference(0, "localhost", 150, '7');
	expect_failed("at reference http://localhost:");
}

static void a_reference_that_is_not_there(void **state)
{
	(void)state;
	w.cfg.references = "http://no--such--name http://127.0.0.1:1";
	expect_waiting(300, "");
	hear_peer("10.0.0.1:9876", 150, '0');
	/* A name server may take its time to say no. */
	turn_for(true, 6000);
	assert_true(heal.over && heal.passed);
	assert_non_null(strstr(heal.why, "peer 10.0.0.1:9876"));
}

/* A cluster that has just got its power back: all slots are on probation, so nobody is ready. */
static void all_at_once(void **state)
{
	(void)state;
	here(0, 2, 150, '0')->is_ready = false;
	here(1, 3, 150, '0')->is_ready = false;
	turn_for(true, 50);
	hear_peer("10.0.0.1:9876", 150, '0');
	hear_peer("10.0.0.2:9876", 151, '7');
	hear_peer("10.0.0.3:9876", 152, '0');
	expect_passed("block 152 is the one that peer 10.0.0.3:9876 has (2 of 3 agree)");
	assert_int_equal(heal.by, WITNESS_PEER);
}

static void nobody(void **state)
{
	(void)state;
	expect_waiting(100, "nobody to compare with");
	turn_for(false, 50);
	skipped_ns += PROBATION_ALONE_NS;
	/* It counts from when the slot has caught up, the last time. */
	turn_for(false, 50);
	expect_waiting(100, "nobody to compare with");
	skipped_ns += PROBATION_ALONE_NS;
	expect_passed("caught up; there is no healthy slot, reference or peer to compare with");
	assert_int_equal(heal.by, WITNESS_CLASSES);
}

static void one_that_has_gone(void **state)
{
	struct fake *f = here(0, 2, 210, '7');

	(void)state;
	expect_waiting(300, "waiting for block 210");
	f->is_ready = false;
	skipped_ns += 21 * NS_PER_SEC;
	turn_for(true, 20);
	assert_true(heal.over && heal.passed);
	assert_non_null(strstr(heal.why, "caught up; there is no healthy slot"));
}

static void other_peers_are_not_asked_before(void **state)
{
	(void)state;
	w.s.health.has_peers = false;
	hear_peer("10.0.0.1:9876", 150, '7'); /* before probation has begun */
	expect_waiting(300, "asking others");
	w.s.health.has_peers = true;
	hear_peer("10.0.0.1:9876", 0, '7');
	expect_waiting(100, "nobody to compare with");
}

/* Ended with everything under way, at any moment: nothing is called afterwards, nothing leaks. */
static void stopped_in_the_middle(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	*urls = '\0';
	here(0, 2, 150, '0');
	mute(1, 3, true);
	there(2, 4, 150, '0');
	reference(3, "localhost", 150, '0');
	for (int i = 0; i < 60; i++) {
		heal.on = true;
		for (int k = 0; k < i / 2 && !heal.over; k++) {
			probation_turn(&w.s, false);
			assert_int_equal(loop_once(&w.s.loop, 1, &e), 0);
		}
		if (i % 2)
			probation_run_ended(&w.s);
		heal.on = false;
		probation_turn(&w.s, true);
		assert_null(w.s.probation);
	}
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_once(&w.s.loop, 2, &e), 0);
	assert_false(heal.over);
}

/* --- the hash of the state -------------------------------------------------------------------- */

#define OTHER "8e393057ada11610b8855741f791349e835f86903366b8d69c5c4361e92e3ceb"
#define HASH  "9e393057ada11610b8855741f791349e835f86903366b8d69c5c4361e92e3ceb"

static void hashes(void **state)
{
	static const struct {
		const char *name, *manifest, *line;
		bool asked, heals, passes;
		const char *why;
	} t[] = {
		{ "equal", HASH,
		        "info  2026-11-20T10:25:39.451 nodeos    controller.cpp:735            "
		        "init "
		        "                ] chain database started with hash: " HASH,
		        true, true, true, "; the hash of its state is the generation's" },
		{ "different", HASH,
		        "info  2026-11-20T10:25:39.451 nodeos    controller.cpp:735            "
		        "init "
		        "                ] chain database started with hash: " OTHER,
		        true, true, false,
		        "the hash of its state is 8e393057ada11610..., that of generation g1 is "
		        "9e393057ada11610..." },
		{ "not told", HASH, "chain database started with hash: " HASH, true, true, true,
		        "; nodeos has not told the hash of its state" },
		{ "not asked for", HASH, NULL, false, true, true, "block 150" },
		{ "not a heal", HASH, NULL, true, false, true, "block 150" },
		{ "the generation has none", "", NULL, true, true, true, "block 150" },
	};
	struct supervisor *s = &w.s;

	(void)state;
	here(0, 2, 150, '0');
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		memset(&heal, 0, sizeof(heal));
		heal.on = true;
		s->health.has_failed_probation = false;
		w.cfg.integrity_hash = t[i].asked;
		s->record.heal.stage = t[i].heals ? HEAL_STAGE_REPAIRING : HEAL_STAGE_NONE;
		snprintf(s->record.generation, sizeof(s->record.generation), "g1");
		probation_expect_hash(s, t[i].manifest);
		if (probation_wants_hash(s) != (t[i].line != NULL))
			fail_msg("%s: asked for %d", t[i].name, probation_wants_hash(s));
		probation_run_began(s);
		s->health.start_lib = 100;
		if (t[i].line) {
			assert_non_null(s->output.watch);
			s->output.watch(s->output.watch_arg, t[i].line);
		}
		turn_for(true, 3000);
		if (!heal.over || heal.passed != t[i].passes || !strstr(heal.why, t[i].why))
			fail_msg("%s: %d %d '%s'", t[i].name, heal.over, heal.passed, heal.why);
		/* The next start is from another state. */
		assert_false(probation_wants_hash(s));
		probation_run_ended(s);
		assert_null(s->output.watch);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_healthy_slot_agrees),
		CASE(a_healthy_slot_differs),
		CASE(the_same_block_is_not_asked_for),
		CASE(two_against_one),
		CASE(who_does_not_count),
		CASE(one_that_hangs_is_not_waited_for),
		CASE(another_host),
		CASE(its_block_comes_later),
		CASE(a_lagging_one),
		CASE(a_paused_chain),
		CASE(a_pruned_block),
		CASE(nodeos_talks_nonsense),
		CASE(a_reference),
		CASE(a_reference_by_name),
		CASE(a_reference_that_is_not_there),
		CASE(all_at_once),
		CASE(nobody),
		CASE(one_that_has_gone),
		CASE(other_peers_are_not_asked_before),
		CASE(stopped_in_the_middle),
		CASE(hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
