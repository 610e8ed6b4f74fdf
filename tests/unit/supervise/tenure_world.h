#pragma once

/*
 * The tenure's thread with a real gate and a real process to kill; around it a broker, a nodeos's
 * API and another supervisor's /state, which are handlers of one server thread.
 */

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

static inline void on_gone(void *arg UNUSED)
{
}

static inline const char *id_of(char out[NODEOS_ID_HEX_SIZE], uint32_t num, char fork)
{
	memset(out, fork, NODEOS_ID_HEX_SIZE - 1);
	(void)snprintf(out, NODEOS_ID_HEX_SIZE, "%08x", num);
	out[8] = fork;
	out[NODEOS_ID_HEX_SIZE - 1] = '\0';
	return out;
}

static inline void say_lease(
        struct http_server_reply *r, unsigned status, const struct lease_record *l)
{
	json_t *j = json_pack(
	        "{s:i, s:o}", "format", 1, "lease", l->version ? lease_to_json(l) : json_null());

	if (status == 409)
		(void)json_object_set_new(j, "error", json_string("something else stands"));
	http_server_json(r, status, json_text(j, false));
	json_decref(j);
}

static inline void put_lease(
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

static inline void broker(
        void *arg, const struct http_server_request *q, struct http_server_reply *r)
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

static inline void say_info(struct world *w, struct http_server_reply *r)
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

static inline void say_block(
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

static inline long ask_gate(struct world *w, uint32_t height, char salt);

static inline void nodeos(
        void *arg, const struct http_server_request *q, struct http_server_reply *r)
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

static inline void say_own_block(
        struct world *w, const struct http_server_request *q, struct http_server_reply *r)
{
	char id[NODEOS_ID_HEX_SIZE], text[160];
	const char *num = http_server_query(q, "num");

	(void)snprintf(text, sizeof(text), "{\"block_num\":%s,\"id\":\"%s\"}", num,
	        id_of(id, (uint32_t)strtoul(num, NULL, 10), w->peer_fork));
	http_server_text(r, 200, text);
}

static inline void peer(void *arg, const struct http_server_request *q, struct http_server_reply *r)
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

/* --- the servers' thread ---------------------------------------------------------------------- */

static inline void on_stop(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	struct world *w = arg;

	loop_stop(&w->serving);
}

static inline void *serve(void *arg)
{
	struct world *w = arg;
	struct err e = ERR_INIT;

	(void)!loop_run(&w->serving, &e);
	return NULL;
}

static inline struct http_server *server(struct world *w, http_server_fn *fn)
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

static inline void start_servers(struct world *w)
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

static inline void stop_servers(struct world *w)
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

/* --- set-up ----------------------------------------------------------------------------------- */

static inline void on_notify(void *arg)
{
	struct world *w = arg;

	w->notified++;
}

static inline void write_file(struct world *w, const char *name, const char *text)
{
	struct err e = ERR_INIT;

	assert_int_equal(fs_write_at(w->dirfd, name, text, strlen(text), 0600, &e), 0);
}

/* Somebody had it, and gave it back a minute ago. */
static inline void free_lease(struct world *w)
{
	lease_record_init(&w->lease, NAME);
	w->lease.version = 100;
	w->lease.epoch = 5;
	w->lease.term_ns = TERM;
	w->lease.floor = lease_slot_at(clock_real_ns()) - 130;
	w->lease.ceiling = w->lease.floor + 10;
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void start(struct world *w)
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
static inline void nodeos_start(struct world *w, bool ignores_term)
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

/* --- looking on ------------------------------------------------------------------------------- */

static inline void sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * NS_PER_MS };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static inline bool is_state(struct world *w, const char *wanted)
{
	AUTO(json) json_t *j = tenure_json(w->t);

	return strcmp(json_str(j, "state", ""), wanted) == 0;
}

/* Returns how long it took. */
static inline int64_t until_state(struct world *w, const char *wanted, int limit_ms)
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

static inline void until_idle(struct world *w, int limit_ms)
{
	int64_t began = clock_mono_ns();

	while (!tenure_is_idle(w->t)) {
		if (clock_mono_ns() - began > limit_ms * NS_PER_MS)
			fail_msg("it does not become idle");
		sleep_ms(2);
	}
}

static inline struct lease_record lease(struct world *w)
{
	struct lease_record r;

	(void)pthread_mutex_lock(&w->lock);
	r = w->lease;
	(void)pthread_mutex_unlock(&w->lock);
	return r;
}

static inline void produce(struct world *w, bool ignores_term)
{
	start(w);
	nodeos_start(w, ignores_term);
	tenure_fit(w->t, true, "");
	(void)until_state(w, "producing", 5000);
}

/* As nodeos asks; returns the status, 0 for none. */
static inline long ask_gate(struct world *w, uint32_t height, char salt)
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
static inline void fresh_slot(void)
{
	uint32_t slot = lease_slot_at(clock_real_ns());

	while (lease_slot_at(clock_real_ns()) == slot)
		sleep_ms(1);
}

static inline void set(struct world *w, enum broker how)
{
	(void)pthread_mutex_lock(&w->lock);
	w->broker = how;
	(void)pthread_mutex_unlock(&w->lock);
}

/* When the child is dead, without reaping it.  The supervisor's loop stands still meanwhile. */
static inline int64_t until_dead(struct world *w, int limit_ms)
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

static inline int reap(struct world *w)
{
	int status;

	tenure_nodeos_gone(w->t);
	assert_int_equal(waitpid(w->child, &status, 0), w->child);
	w->child = 0;
	return status;
}

/* The thread needs pidfd_open(), which valgrind has not. */
static inline bool world_is_possible(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0 && errno == ENOSYS) {
		print_message("skipped: no pidfd_open() here (valgrind 3.19)\n");
		return false;
	}
	(void)close(fd);
	(void)signal(SIGPIPE, SIG_IGN);
	return true;
}
