/*
 * The tenure's thread with a real gate and a real process to kill; around it a broker, a nodeos's
 * API and another supervisor's /state, which are handlers of one server thread.
 */

#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "http/client.h"
#include "http/server.h"
#include "lease/record.h"
#include "loop/loop.h"
#include "nodeos/reply.h"
#include "supervise/tenure.h"

/* Everybody's key, see nodeos/test_sign.c. */
#define WIF   "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3"
#define KEY   "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"
#define CHAIN "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define TOKEN "0123456789abcdef0123456789abcdef"
#define NAME  "producer"
#define TERM  (3 * NS_PER_SEC)

enum broker { BROKER_WORKS, BROKER_BUSY, BROKER_HANGS };

struct world {
	struct loop loop; /* the supervisor's */
	struct tenure_thread *t;
	int notified;
	char dir[32];
	int dirfd;
	pid_t child;
	const char *holder, *pool_id;
	struct world *other; /* whose broker it is; NULL: ours */
	/* The servers. */
	struct loop serving;
	struct loop_io stop;
	pthread_t thread;
	struct http_server *broker_server, *nodeos_server, *peer_server;
	/* What they say; under the lock. */
	pthread_mutex_t lock;
	enum broker broker;
	struct lease_record lease;
	int64_t written_ns; /* when somebody's renewal or taking was put there last */
	bool nodeos_hangs, pause_hangs, is_paused, is_savanna;
	bool looks_at_gate; /* when it is resumed */
	long gate_status;
	unsigned pauses, resumes;
	uint32_t head, peer_head;
	char head_fork, peer_fork;
	bool peer_is_silent;
};

/* --- what the servers say --------------------------------------------------------------------- */

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

static void say_lease(struct http_server_reply *r, unsigned status, const struct lease_record *l)
{
	json_t *j = json_pack(
	        "{s:i, s:o}", "format", 1, "lease", l->version ? lease_to_json(l) : json_null());

	if (status == 409)
		(void)json_object_set_new(j, "error", json_string("something else stands"));
	http_server_json(r, status, json_text(j, false));
	json_decref(j);
}

static void put_lease(
        struct world *w, const struct http_server_request *q, struct http_server_reply *r)
{
	struct err e = ERR_INIT;
	AUTO(json) json_t *j = json_parse_object(q->body, q->body_len, "body", &e);
	struct lease_record to;

	if (!j || lease_from_json(&to, json_object_get(j, "lease"), &e) < 0) {
		http_server_text(r, 400, "{\"error\":\"no lease\"}");
		return;
	}
	if (to.version != w->lease.version) {
		say_lease(r, 409, &w->lease);
		return;
	}
	if (lease_may_follow(&w->lease, &to, &e) < 0) {
		print_message("refused: %s\n", e.msg);
		http_server_text(r, 403, "{\"error\":\"it may not follow\"}");
		return;
	}
	to.version += 10;
	w->lease = to;
	if (to.holder[0])
		w->written_ns = clock_boot_ns();
	say_lease(r, 200, &w->lease);
}

static void broker(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct world *w = arg;

	(void)pthread_mutex_lock(&w->lock);
	if (!http_server_has_bearer(q, TOKEN))
		http_server_text(r, 401, "{\"error\":\"no\"}");
	else if (strcmp(q->path, "/v1/lease/" NAME) != 0)
		http_server_text(r, 404, "{\"error\":\"no\"}");
	else if (w->broker == BROKER_HANGS)
		(void)http_server_later(q, on_gone, w);
	else if (w->broker == BROKER_BUSY)
		http_server_text(r, 503, "{\"error\":\"no leader\"}");
	else if (strcmp(q->method, "PUT") == 0)
		put_lease(w, q, r);
	else
		say_lease(r, 200, &w->lease);
	(void)pthread_mutex_unlock(&w->lock);
}

static void say_info(struct world *w, struct http_server_reply *r)
{
	char head[NODEOS_ID_HEX_SIZE], lib[NODEOS_ID_HEX_SIZE], when[CLOCK_TEXT_MAX];
	json_t *j = json_pack("{s:s, s:I, s:s, s:s, s:I, s:s, s:s}", "chain_id", CHAIN,
	        "head_block_num", (json_int_t)w->head, "head_block_id",
	        id_of(head, w->head, w->head_fork), "head_block_time",
	        clock_text(when, clock_real_ns()), "last_irreversible_block_num",
	        (json_int_t)(w->head - 1), "last_irreversible_block_id",
	        id_of(lib, w->head - 1, w->head_fork), "server_version_string", "v4.0.6");

	http_server_json(r, 200, json_text(j, false));
	json_decref(j);
}

static void say_block(
        struct world *w, const struct http_server_request *q, struct http_server_reply *r)
{
	struct err e = ERR_INIT;
	AUTO(json) json_t *body = json_parse_object(q->body, q->body_len, "body", &e);
	uint32_t num = (uint32_t)json_int(body, "block_num", 0);
	char id[NODEOS_ID_HEX_SIZE], previous[NODEOS_ID_HEX_SIZE], when[CLOCK_TEXT_MAX];
	int64_t slot_ns = clock_real_ns() / NODEOS_SLOT_NS * NODEOS_SLOT_NS;
	json_t *j = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I}", "block_num", (json_int_t)num, "id",
	        id_of(id, num, w->head_fork), "previous", id_of(previous, num - 1, w->head_fork),
	        "producer", "eosio", "timestamp", clock_text(when, slot_ns), "schedule_version",
	        (json_int_t)(w->is_savanna ? 2147483648LL : 0));

	http_server_json(r, 200, json_text(j, false));
	json_decref(j);
}

static long ask_gate(struct world *w, uint32_t height, char salt);

static void nodeos(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct world *w = arg;

	(void)pthread_mutex_lock(&w->lock);
	if (w->nodeos_hangs || (w->pause_hangs && strcmp(q->path, "/v1/producer/pause") == 0)) {
		(void)http_server_later(q, on_gone, w);
	} else if (strcmp(q->path, "/v1/producer/pause") == 0) {
		w->is_paused = true;
		w->pauses++;
		http_server_text(r, 201, "{\"result\":\"ok\"}");
	} else if (strcmp(q->path, "/v1/producer/resume") == 0) {
		w->is_paused = false;
		w->resumes++;
		if (w->looks_at_gate)
			w->gate_status = ask_gate(w, 77, '7');
		http_server_text(r, 201, "{\"result\":\"ok\"}");
	} else if (strcmp(q->path, "/v1/producer/paused") == 0) {
		http_server_text(r, 201, w->is_paused ? "true" : "false");
	} else if (strcmp(q->path, "/v1/chain/get_info") == 0) {
		say_info(w, r);
	} else if (strcmp(q->path, "/v1/chain/get_block_info") == 0) {
		say_block(w, q, r);
	} else {
		http_server_text(r, 404, "{}");
	}
	(void)pthread_mutex_unlock(&w->lock);
}

static void say_own_block(
        struct world *w, const struct http_server_request *q, struct http_server_reply *r)
{
	char id[NODEOS_ID_HEX_SIZE], text[160];
	const char *num = http_server_query(q, "num");

	(void)snprintf(text, sizeof(text), "{\"block_num\":%s,\"id\":\"%s\"}", num,
	        id_of(id, (uint32_t)strtoul(num, NULL, 10), w->peer_fork));
	http_server_text(r, 200, text);
}

static void peer(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct world *w = arg;
	char head[NODEOS_ID_HEX_SIZE], lib[NODEOS_ID_HEX_SIZE];
	json_t *j;

	(void)pthread_mutex_lock(&w->lock);
	if (w->peer_is_silent) {
		(void)http_server_later(q, on_gone, w);
		(void)pthread_mutex_unlock(&w->lock);
		return;
	}
	if (strcmp(q->path, "/block") == 0) {
		say_own_block(w, q, r);
		(void)pthread_mutex_unlock(&w->lock);
		return;
	}
	assert_string_equal(q->path, "/state");
	j = json_pack("{s:s, s:i, s:s, s:s, s:i, s:s, s:I, s:s, s:f, s:f, s:I, s:s}", "service",
	        "readers", "slot", 1, "node", "n1", "state", "running", "nodeos_pid", 7, "chain_id",
	        CHAIN, "head_block_num", (json_int_t)w->peer_head, "head_block_id",
	        id_of(head, w->peer_head, w->peer_fork), "head_age_seconds", 0.2,
	        "answer_age_seconds", 0.2, "last_irreversible_block_num",
	        (json_int_t)(w->peer_head - 1), "last_irreversible_block_id",
	        id_of(lib, w->peer_head - 1, w->peer_fork));
	http_server_json(r, 200, json_text(j, true));
	json_decref(j);
	(void)pthread_mutex_unlock(&w->lock);
}

/* --- the servers' thread
 * --------------------------------------------------------------------------
 */

static void on_stop(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	struct world *w = arg;

	loop_stop(&w->serving);
}

static void *serve(void *arg)
{
	struct world *w = arg;
	struct err e = ERR_INIT;

	(void)!loop_run(&w->serving, &e);
	return NULL;
}

static struct http_server *server(struct world *w, http_server_fn *fn)
{
	struct err e = ERR_INIT;
	struct http_server *s = http_server_new(&w->serving,
	        &(struct http_server_config){ .address = "127.0.0.1",
	                .handler = fn,
	                .arg = w,
	                .max_body = 65536,
	                .answers_later = true },
	        &e);

	if (!s)
		fail_msg("%s", e.msg);
	return s;
}

static void start_servers(struct world *w)
{
	struct err e = ERR_INIT;

	assert_int_equal(loop_init(&w->serving, &e), 0);
	w->broker_server = server(w, broker);
	w->nodeos_server = server(w, nodeos);
	w->peer_server = server(w, peer);
	assert_int_equal(loop_io_add(&w->serving, &w->stop, eventfd(0, EFD_CLOEXEC), LOOP_READ,
	                         on_stop, w, &e),
	        0);
	assert_int_equal(pthread_create(&w->thread, NULL, serve, w), 0);
}

static void stop_servers(struct world *w)
{
	uint64_t one = 1;
	int fd = w->stop.fd;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	(void)pthread_join(w->thread, NULL);
	http_server_free(w->broker_server);
	http_server_free(w->nodeos_server);
	http_server_free(w->peer_server);
	loop_io_remove(&w->serving, &w->stop);
	(void)close(fd);
	loop_release(&w->serving);
}

/* --- set-up
 * ---------------------------------------------------------------------------------------
 */

static void on_notify(void *arg)
{
	struct world *w = arg;

	w->notified++;
}

static void write_file(struct world *w, const char *name, const char *text)
{
	struct err e = ERR_INIT;

	assert_int_equal(fs_write_at(w->dirfd, name, text, strlen(text), 0600, &e), 0);
}

/* Somebody had it, and gave it back a minute ago. */
static void free_lease(struct world *w)
{
	lease_record_init(&w->lease, NAME);
	w->lease.version = 100;
	w->lease.epoch = 5;
	w->lease.term_ns = TERM;
	w->lease.floor = lease_slot_at(clock_real_ns()) - 130;
	w->lease.ceiling = w->lease.floor + 10;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e = ERR_INIT;

	strcpy(w->dir, "/tmp/test_tenure.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->dirfd >= 0);
	write_file(w, "key", WIF "\n");
	write_file(w, "token", TOKEN "\n");
	(void)pthread_mutex_init(&w->lock, NULL);
	free_lease(w);
	w->is_paused = true;
	w->head = w->peer_head = 100;
	w->head_fork = w->peer_fork = 'a';
	w->holder = "producer.1";
	w->pool_id = "7d444840-9dc0-11d1-b245-5ffdce74fad2";
	assert_int_equal(loop_init(&w->loop, &e), 0);
	start_servers(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	tenure_stop(w->t);
	if (w->child > 0) {
		(void)kill(w->child, SIGKILL);
		(void)waitpid(w->child, NULL, 0);
	}
	stop_servers(w);
	loop_release(&w->loop);
	(void)unlinkat(w->dirfd, "key", 0);
	(void)unlinkat(w->dirfd, "token", 0);
	(void)unlinkat(w->dirfd, "signed", 0);
	(void)close(w->dirfd);
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

static void start(struct world *w)
{
	struct err e = ERR_INIT;
	char brokers[64], key[64], token[64], compare[64];

	(void)snprintf(brokers, sizeof(brokers), "127.0.0.1:%u",
	        http_server_port(w->other ? w->other->broker_server : w->broker_server));
	(void)snprintf(compare, sizeof(compare), "127.0.0.1:%u", http_server_port(w->peer_server));
	(void)snprintf(key, sizeof(key), "%s/key", w->dir);
	(void)snprintf(token, sizeof(token), "%s/token", w->dir);
	w->t = tenure_start(&w->loop,
	        &(struct tenure_config){ .key_path = key,
	                .brokers = brokers,
	                .token_path = token,
	                .lease_name = NAME,
	                .term_ns = TERM,
	                .compare = compare,
	                .holder = w->holder,
	                .pool_id = w->pool_id,
	                .slot_fd = w->dirfd },
	        on_notify, w, &e);
	if (!w->t)
		fail_msg("%s", e.msg);
}

/* A process to be killed; its API is the server's. */
static void nodeos_start(struct world *w, bool ignores_term)
{
	struct err e = ERR_INIT;

	w->child = fork();
	assert_true(w->child >= 0);
	if (w->child == 0) {
		if (ignores_term)
			(void)signal(SIGTERM, SIG_IGN);
		for (;;)
			(void)pause();
	}
	if (tenure_nodeos(w->t, w->child, "127.0.0.1", http_server_port(w->nodeos_server), &e) < 0)
		fail_msg("%s", e.msg);
}

/* --- looking on
 * -----------------------------------------------------------------------------------
 */

static void sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * NS_PER_MS };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static bool is_state(struct world *w, const char *wanted)
{
	AUTO(json) json_t *j = tenure_json(w->t);

	return strcmp(json_str(j, "state", ""), wanted) == 0;
}

/* Returns how long it took. */
static int64_t until_state(struct world *w, const char *wanted, int limit_ms)
{
	int64_t began = clock_mono_ns();
	struct err e = ERR_INIT;

	while (!is_state(w, wanted)) {
		AUTO(json) json_t *j = tenure_json(w->t);

		if (clock_mono_ns() - began > limit_ms * NS_PER_MS)
			fail_msg("it is not '%s' but %s", wanted, json_text(j, false));
		assert_int_equal(loop_once(&w->loop, 5, &e), 0);
	}
	return clock_mono_ns() - began;
}

static void until_idle(struct world *w, int limit_ms)
{
	int64_t began = clock_mono_ns();

	while (!tenure_is_idle(w->t)) {
		if (clock_mono_ns() - began > limit_ms * NS_PER_MS)
			fail_msg("it does not become idle");
		sleep_ms(2);
	}
}

static struct lease_record lease(struct world *w)
{
	struct lease_record r;

	(void)pthread_mutex_lock(&w->lock);
	r = w->lease;
	(void)pthread_mutex_unlock(&w->lock);
	return r;
}

static void produce(struct world *w, bool ignores_term)
{
	start(w);
	nodeos_start(w, ignores_term);
	tenure_fit(w->t, true, "");
	(void)until_state(w, "producing", 5000);
}

/* As nodeos asks; returns the status, 0 for none. */
static long ask_gate(struct world *w, uint32_t height, char salt)
{
	const char *url = strstr(tenure_signature_provider(w->t), "http://");
	char base[64], digest[NODEOS_ID_HEX_SIZE], body[256];
	AUTO(http_reply) struct http_reply r = HTTP_REPLY_INIT;
	struct err e = ERR_INIT;

	(void)snprintf(base, sizeof(base), "%.*s", (int)(7 + strcspn(url + 7, "/")), url);
	AUTO(http_client_free) struct http_client *c = http_client_new(base, NULL, &e);
	(void)snprintf(body, sizeof(body), "[\"%s\",\"" KEY "\"]", id_of(digest, height, salt));
	if (http_call(c,
	            &(struct http_request){ .method = "POST",
	                    .path = "/v1/wallet/sign_digest",
	                    .body = body,
	                    .timeout_ns = 100 * NS_PER_MS },
	            &r, &e) < 0)
		return 0;
	return r.status;
}

/* A slot in which there is time to ask twice. */
static void fresh_slot(void)
{
	uint32_t slot = lease_slot_at(clock_real_ns());

	while (lease_slot_at(clock_real_ns()) == slot)
		sleep_ms(1);
}

static void set(struct world *w, enum broker how)
{
	(void)pthread_mutex_lock(&w->lock);
	w->broker = how;
	(void)pthread_mutex_unlock(&w->lock);
}

/* When the child is dead, without reaping it.  The supervisor's loop stands still meanwhile. */
static int64_t until_dead(struct world *w, int limit_ms)
{
	int64_t began = clock_mono_ns();
	siginfo_t si = { .si_pid = 0 };

	for (;;) {
		assert_int_equal(
		        waitid(P_PID, (id_t)w->child, &si, WEXITED | WNOHANG | WNOWAIT), 0);
		if (si.si_pid)
			return clock_boot_ns();
		if (clock_mono_ns() - began > limit_ms * NS_PER_MS)
			fail_msg("nodeos lives");
		sleep_ms(1);
	}
}

static int reap(struct world *w)
{
	int status;

	tenure_nodeos_gone(w->t);
	assert_int_equal(waitpid(w->child, &status, 0), w->child);
	w->child = 0;
	return status;
}

/* --- tests
 * ----------------------------------------------------------------------------------------
 */

static void it_takes_and_produces(void **state)
{
	struct world *w = *state;
	struct lease_record place;
	struct stat st;
	char why[200], inode[64];
	json_t *j;

	start(w);
	assert_string_not_equal(tenure_signature_provider(w->t), "");
	assert_non_null(strstr(tenure_signature_provider(w->t), KEY "=KEOSD:http://127.0.0.1:"));
	assert_true(is_state(w, "down"));
	nodeos_start(w, false);
	/* Not fit: it is not even asked for. */
	(void)until_state(w, "standby", 3000);
	sleep_ms(300);
	assert_int_equal(lease(w).epoch, 5);
	assert_int_equal(ask_gate(w, 101, '0'), 0);
	tenure_fit(w->t, true, "");
	assert_true(until_state(w, "producing", 3000) < 3 * NS_PER_SEC);
	assert_int_equal(lease(w).epoch, 6);
	assert_string_equal(lease(w).holder, "producer.1");
	/* Its place is the directory whose lock was taken, wherever that is now. */
	assert_int_equal(fstat(w->dirfd, &st), 0);
	(void)snprintf(inode, sizeof(inode), "/producer.1/%llx.%llx/",
	        (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	place = lease(w);
	assert_non_null(strstr(place.place, inode));
	assert_int_equal(w->resumes, 1);
	assert_true(w->notified > 0);
	/* The first is refused, and not the second. */
	fresh_slot();
	assert_int_equal(ask_gate(w, 101, '1'), 500);
	assert_int_equal(ask_gate(w, 101, '1'), 200);
	sleep_ms(300);
	j = tenure_json(w->t);
	assert_true(json_bool(j, "holds", false) && json_bool(j, "gate_open", false));
	assert_int_equal(json_int(j, "signed", 0), 1);
	assert_int_equal(json_int(j, "refusals.first", 0), 1);
	assert_int_equal(json_int(j, "epoch", 0), 6);
	assert_string_equal(json_str(j, "lease", ""), NAME);
	assert_string_equal(json_str(j, "public_key", ""), KEY);
	assert_string_equal(json_str(j, "order", ""), "none");
	assert_false(json_bool(j, "paused", true));
	assert_true(json_number_value(json_object_get(j, "right_seconds")) > 0.5);
	json_decref(j);
	/* It is renewed, and goes on. */
	sleep_ms(2500);
	assert_true(is_state(w, "producing"));
	assert_int_equal(lease(w).epoch, 6);
	assert_true(lease(w).count >= 2);
	assert_false(tenure_asks_restart(w->t, why, sizeof(why)));
	assert_int_equal(w->resumes, 1);
}

/* nodeos asks at once; what it asks first is refused, and that it is refused tells that the gate is
 * open. */
static void the_gate_is_open_before_nodeos_is_resumed(void **state)
{
	struct world *w = *state;

	w->looks_at_gate = true;
	produce(w, false);
	assert_int_equal(w->gate_status, 500);
}

static void giving_up_pauses_and_releases(void **state)
{
	struct world *w = *state;
	uint32_t slot;

	produce(w, false);
	fresh_slot();
	slot = lease_slot_at(clock_real_ns());
	assert_int_equal(ask_gate(w, 101, '1'), 500);
	assert_int_equal(ask_gate(w, 101, '1'), 200);
	assert_false(tenure_is_idle(w->t));
	tenure_give_up(w->t, "the slot is archived");
	/* Not before the letter was read. */
	assert_false(tenure_is_idle(w->t));
	until_idle(w, 1500);
	assert_string_equal(lease(w).holder, "");
	assert_int_equal(lease(w).ceiling, slot);
	assert_true(w->is_paused);
	assert_int_equal(ask_gate(w, 102, '2'), 0);
	sleep_ms(400);
	assert_string_equal(lease(w).holder, "");
	tenure_take_up(w->t);
	(void)until_state(w, "producing", 3000);
	assert_int_equal(lease(w).epoch, 7);
	assert_int_equal(lease(w).floor, slot);
}

/* The right is still there, and nodeos has not paused; the gate is closed all the same. */
static void the_gate_is_closed_at_once(void **state)
{
	struct world *w = *state;

	produce(w, true);
	fresh_slot();
	assert_int_equal(ask_gate(w, 101, '1'), 500);
	assert_int_equal(ask_gate(w, 101, '1'), 200);
	(void)pthread_mutex_lock(&w->lock);
	w->pause_hangs = true;
	(void)pthread_mutex_unlock(&w->lock);
	tenure_give_up(w->t, "the slot is archived");
	(void)until_state(w, "closing", 1000);
	fresh_slot();
	assert_int_equal(ask_gate(w, 102, '2'), 0);
	assert_true(is_state(w, "closing"));
	assert_string_not_equal(lease(w).holder, "");
	assert_false(tenure_is_idle(w->t));
}

static void an_order_to_pause_is_obeyed(void **state)
{
	struct world *w = *state;

	produce(w, false);
	(void)pthread_mutex_lock(&w->lock);
	w->lease.order = LEASE_ORDER_PAUSE;
	w->lease.order_id++;
	w->lease.version++;
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_state(w, "standby", 3000);
	assert_string_equal(lease(w).holder, "");
	assert_true(w->is_paused);
	(void)pthread_mutex_lock(&w->lock);
	w->lease.order = LEASE_ORDER_NONE;
	w->lease.order_id++;
	w->lease.version++;
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_state(w, "producing", 4000);
}

/* Somebody has put another holder there. */
static void a_lost_lease_closes_the_gate(void **state)
{
	struct world *w = *state;
	char why[200];

	produce(w, false);
	(void)pthread_mutex_lock(&w->lock);
	w->lease.version++;
	w->lease.epoch++;
	(void)snprintf(w->lease.holder, sizeof(w->lease.holder), "producer.2");
	(void)snprintf(w->lease.place, sizeof(w->lease.place), "elsewhere");
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_state(w, "standby", 3000);
	assert_true(w->is_paused);
	assert_int_equal(ask_gate(w, 101, '1'), 0);
	assert_string_equal(lease(w).holder, "producer.2");
	/* It has confirmed the pause: it is not stopped. */
	assert_false(tenure_asks_restart(w->t, why, sizeof(why)));
	assert_int_equal(kill(w->child, 0), 0);
}

static void without_brokers_it_ends_in_time(void **state)
{
	struct world *w = *state;
	int64_t took;

	produce(w, false);
	set(w, BROKER_BUSY);
	took = until_state(w, "releasing", 4000);
	/* Two seconds of right, renewed every three quarters of a second. */
	assert_true(took > 900 * NS_PER_MS && took < 2500 * NS_PER_MS);
	assert_true(w->is_paused);
	assert_int_equal(ask_gate(w, 101, '1'), 0);
	set(w, BROKER_WORKS);
	(void)until_state(w, "producing", 5000);
	assert_int_equal(lease(w).epoch > 6, 1);
}

/* TERM, then KILL, before the term ends; and all of that while the supervisor's
 * loop stands still. */
static void what_does_not_pause_is_killed(void **state)
{
	struct world *w = *state;
	int64_t dead, written;
	char why[200];
	int status;

	produce(w, true);
	(void)pthread_mutex_lock(&w->lock);
	w->pause_hangs = true;
	w->broker = BROKER_HANGS;
	(void)pthread_mutex_unlock(&w->lock);
	dead = until_dead(w, 6000);
	(void)pthread_mutex_lock(&w->lock);
	written = w->written_ns;
	w->broker = BROKER_WORKS;
	(void)pthread_mutex_unlock(&w->lock);
	print_message("dead %.3f s after the last renewal landed\n",
	        (double)(dead - written) / (double)NS_PER_SEC);
	assert_true(dead - written < TERM);
	assert_true(dead - written > TERM - NS_PER_SEC);
	assert_true(tenure_asks_restart(w->t, why, sizeof(why)));
	assert_non_null(strstr(why, "killed"));
	status = reap(w);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* It is still known who ended it; not of the next one. */
	assert_true(tenure_asks_restart(w->t, why, sizeof(why)));
	w->pause_hangs = false;
	w->is_paused = true;
	/* At once, so that the plan may well be where the old one was to be killed. */
	nodeos_start(w, false);
	assert_false(tenure_asks_restart(w->t, why, sizeof(why)));
	(void)until_state(w, "producing", 6000);
	assert_int_equal(waitpid(w->child, &status, WNOHANG), 0);
}

static void what_does_not_pause_is_told_to_end(void **state)
{
	struct world *w = *state;
	int status;
	char why[200];

	produce(w, false);
	(void)pthread_mutex_lock(&w->lock);
	w->pause_hangs = true;
	w->broker = BROKER_BUSY;
	(void)pthread_mutex_unlock(&w->lock);
	assert_true(until_dead(w, 6000) - w->written_ns < TERM);
	assert_true(tenure_asks_restart(w->t, why, sizeof(why)));
	status = reap(w);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* The brokers work, so the lease could go on for ever. */
static void a_frozen_nodeos_is_killed_and_the_lease_released(void **state)
{
	struct world *w = *state;
	int64_t began = clock_boot_ns();

	produce(w, true);
	(void)pthread_mutex_lock(&w->lock);
	w->nodeos_hangs = true;
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_dead(w, 9000);
	print_message("killed after %.3f s\n", (double)(clock_boot_ns() - began) / 1e9);
	(void)until_state(w, "down", 2000);
	for (int i = 0; i < 200 && lease(w).holder[0]; i++)
		sleep_ms(5);
	assert_string_equal(lease(w).holder, "");
	(void)reap(w);
}

/* The process is what counts, not what its supervisor has noticed of it. */
static void a_nodeos_that_dies_gives_it_back(void **state)
{
	struct world *w = *state;
	int64_t began;
	char why[200];

	produce(w, false);
	assert_int_equal(kill(w->child, SIGKILL), 0);
	began = clock_mono_ns();
	while (lease(w).holder[0]) {
		assert_true(clock_mono_ns() - began < 2 * NS_PER_SEC);
		sleep_ms(2);
	}
	assert_false(tenure_asks_restart(w->t, why, sizeof(why)));
	(void)reap(w);
}

static void stopping_releases(void **state)
{
	struct world *w = *state;
	int64_t began;

	produce(w, false);
	began = clock_mono_ns();
	tenure_stop(TAKE(w->t));
	assert_true(clock_mono_ns() - began < 2 * NS_PER_SEC);
	assert_string_equal(lease(w).holder, "");
	assert_true(w->is_paused);
	assert_int_equal(kill(w->child, 0), 0);
}

/* It is not given back by one whose nodeos may sign on. */
static void stopping_with_a_deaf_nodeos_ends(void **state)
{
	struct world *w = *state;
	int64_t began;

	produce(w, true);
	(void)pthread_mutex_lock(&w->lock);
	w->nodeos_hangs = true;
	(void)pthread_mutex_unlock(&w->lock);
	began = clock_mono_ns();
	tenure_stop(TAKE(w->t));
	assert_true(clock_mono_ns() - began < 3 * NS_PER_SEC);
	assert_true(lease(w).holder[0] || kill(w->child, 0) == 0);
}

static void one_that_is_behind_does_not_produce(void **state)
{
	struct world *w = *state;
	char text[200];
	json_t *j;

	w->peer_head = 105;
	start(w);
	nodeos_start(w, false);
	tenure_fit(w->t, true, "");
	(void)until_state(w, "standby", 3000);
	sleep_ms(2500);
	assert_true(is_state(w, "standby"));
	assert_int_equal(w->resumes, 0);
	j = tenure_json(w->t);
	(void)snprintf(text, sizeof(text), "%s", json_str(j, "why", ""));
	json_decref(j);
	assert_non_null(strstr(text, "behind"));
	(void)pthread_mutex_lock(&w->lock);
	w->head = 105;
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_state(w, "producing", 4000);
}

static void nor_one_on_another_chain_or_alone(void **state)
{
	struct world *w = *state;

	w->peer_fork = 'b';
	w->peer_head = 98;
	start(w);
	nodeos_start(w, false);
	tenure_fit(w->t, true, "");
	(void)until_state(w, "standby", 3000);
	sleep_ms(1500);
	(void)pthread_mutex_lock(&w->lock);
	w->peer_is_silent = true;
	(void)pthread_mutex_unlock(&w->lock);
	sleep_ms(2000);
	assert_true(is_state(w, "standby"));
	assert_int_equal(w->resumes, 0);
	assert_int_equal(lease(w).epoch, 5);
	(void)pthread_mutex_lock(&w->lock);
	w->peer_is_silent = false;
	w->peer_fork = 'a';
	(void)pthread_mutex_unlock(&w->lock);
	(void)until_state(w, "producing", 4000);
}

/* With instant finality a digest is a block id, and its number has to rise. */
static void heights_are_told_to_the_gate(void **state)
{
	struct world *w = *state;
	json_t *j;

	w->is_savanna = true;
	produce(w, false);
	fresh_slot();
	assert_int_equal(ask_gate(w, 101, '1'), 500);
	assert_int_equal(ask_gate(w, 101, '1'), 200);
	fresh_slot();
	assert_int_equal(ask_gate(w, 101, '2'), 0);
	sleep_ms(300);
	j = tenure_json(w->t);
	assert_int_equal(json_int(j, "refusals.height", 0), 1);
	json_decref(j);
}

/* Two of them at one broker: the second goes on above the last slot of the first. */
static void a_failover_hands_over(void **state)
{
	struct world *w = *state, *standby;
	uint32_t last;
	int64_t began, took;
	void *second;

	assert_int_equal(setup(&second), 0);
	standby = second;
	standby->holder = "producer-standby.1";
	standby->pool_id = "another";
	standby->other = w;
	produce(w, false);
	start(standby);
	nodeos_start(standby, false);
	tenure_fit(standby->t, true, "");
	(void)until_state(standby, "standby", 3000);
	fresh_slot();
	assert_int_equal(ask_gate(w, 101, '1'), 500);
	last = lease_slot_at(clock_real_ns());
	assert_int_equal(ask_gate(w, 101, '1'), 200);
	(void)pthread_mutex_lock(&w->lock);
	w->lease.order = LEASE_ORDER_FAILOVER;
	w->lease.order_id++;
	w->lease.version++;
	(void)pthread_mutex_unlock(&w->lock);
	/* It waits for the next signature, which does not come. */
	(void)until_state(w, "standby", 4000);
	began = clock_mono_ns();
	(void)until_state(standby, "producing", 3000);
	took = clock_mono_ns() - began;
	print_message("%.3f s from one to the other\n", (double)took / 1e9);
	assert_true(took < NS_PER_SEC);
	assert_string_equal(lease(w).holder, "producer-standby.1");
	assert_int_equal(lease(w).epoch, 7);
	assert_int_equal(lease(w).floor, last);
	assert_true(w->is_paused);
	assert_int_equal(ask_gate(w, 102, '2'), 0);
	fresh_slot();
	assert_int_equal(ask_gate(standby, 102, '3'), 500);
	assert_int_equal(ask_gate(standby, 102, '3'), 200);
	/* It gives way for a while. */
	sleep_ms(1000);
	assert_true(is_state(w, "standby"));
	(void)teardown(&second);
}

static void what_cannot_be(void **state)
{
	struct world *w = *state;
	struct tenure_config cfg = { .brokers = "127.0.0.1:1",
		.token_path = "token",
		.lease_name = NAME,
		.term_ns = TERM,
		.compare = "",
		.holder = "producer.1",
		.pool_id = "p",
		.slot_fd = w->dirfd };
	char key[64];
	struct err e = ERR_INIT;

	assert_null(tenure_start(&w->loop, &cfg, on_notify, w, &e));
	(void)snprintf(key, sizeof(key), "%s/key", w->dir);
	cfg.key_path = key;
	cfg.term_ns = NS_PER_SEC;
	err_clear(&e);
	assert_null(tenure_start(&w->loop, &cfg, on_notify, w, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	cfg.term_ns = TERM;
	cfg.compare = "tasks.readers:99999";
	err_clear(&e);
	assert_null(tenure_start(&w->loop, &cfg, on_notify, w, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	cfg.compare = "";
	cfg.lease_name = "Not A Name";
	err_clear(&e);
	assert_null(tenure_start(&w->loop, &cfg, on_notify, w, &e));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_takes_and_produces),
		T(the_gate_is_open_before_nodeos_is_resumed),
		T(giving_up_pauses_and_releases),
		T(the_gate_is_closed_at_once),
		T(an_order_to_pause_is_obeyed),
		T(a_lost_lease_closes_the_gate),
		T(without_brokers_it_ends_in_time),
		T(what_does_not_pause_is_killed),
		T(what_does_not_pause_is_told_to_end),
		T(a_frozen_nodeos_is_killed_and_the_lease_released),
		T(a_nodeos_that_dies_gives_it_back),
		T(stopping_releases),
		T(stopping_with_a_deaf_nodeos_ends),
		T(one_that_is_behind_does_not_produce),
		T(nor_one_on_another_chain_or_alone),
		T(heights_are_told_to_the_gate),
		T(a_failover_hands_over),
		T(what_cannot_be),
	};

	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0 && errno == ENOSYS) {
		print_message("skipped: no pidfd_open() here (valgrind 3.19)\n");
		return 0;
	}
	(void)close(fd);
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("tenure_thread", tests, NULL, NULL);
}
