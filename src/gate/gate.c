/*
 * One thread has the connections, the list of what was signed and the key.  What other threads
 * change is in `mind`, under the lock; it is held for the decision, and for the second look
 * together with the answer, which is a send() that cannot wait.  Not while the slot is written
 * down or signed: a disk that hangs must not keep gate_close() waiting, and what it kept is not
 * given away once the gate was closed meanwhile.
 *
 *	ask -> decide -> write down -> sign -> may it be given away -> answer
 *	       [lock]                          [        lock         ]
 */
#include "gate/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate/decide.h"
#include "gate/request.h"
#include "gate/serve_priv.h"
#include "gate/signed.h"
#include "loop/loop.h"
#include "nodeos/sign.h"

#define LOG_EVERY_NS (10 * NS_PER_SEC)
/* More than libsecp256k1 uses of the stack below us while it has the key there. */
#define STACK_WIPED 32768

struct gate {
	struct lease_right *right;
	/* The thread's. */
	struct loop loop;
	struct serve *serve;
	struct signed_log *log;
	struct sign_key *key;
	struct loop_io stop;
	char signature[SIGN_TEXT_SIZE]; /* of signature_of; "": of none */
	unsigned char signature_of[GATE_DIGEST_LEN];
	int64_t logged_ns;
	pthread_t thread;
	/* Both sides'. */
	pthread_mutex_t lock;
	struct gate_mind mind;
	uint32_t decided_slot; /* that is being written down, or could not be */
	struct gate_counts counts;
};

const char *gate_refusal_name(enum gate_refusal r)
{
	static const char *const names[GATE_REFUSALS] = {
		[GATE_SIGNED] = "signed",
		[GATE_CLOSED] = "closed",
		[GATE_NO_RIGHT] = "no_right",
		[GATE_FIRST] = "first",
		[GATE_OTHER_DIGEST] = "other_digest",
		[GATE_OLD_SLOT] = "old_slot",
		[GATE_HEIGHT] = "height",
		[GATE_OTHER_KEY] = "other_key",
		[GATE_MALFORMED] = "malformed",
		[GATE_NO_RECORD] = "no_record",
		[GATE_FAULT] = "fault",
	};

	return r < GATE_REFUSALS ? names[r] : "?";
}

/* --- the key ---------------------------------------------------------------------------------- */

/* libsecp256k1 before 0.6 wipes the scalar on its stack with a memset(), which a compiler may
 * leave out. */
static __attribute__((noinline)) void wipe_stack(void)
{
	unsigned char used[STACK_WIPED];

	explicit_bzero(used, sizeof(used));
}

static __attribute__((noinline)) int make_signature(
        struct gate *g, const unsigned char *digest, struct err *e)
{
	unsigned char sig[SIGN_LEN];
	int rc = sign_digest(g->key, sig, digest, e);

	if (rc < 0)
		return -1;
	(void)sign_text(g->signature, sig);
	memcpy(g->signature_of, digest, GATE_DIGEST_LEN);
	return 0;
}

/* The same digest has the same signature, so it is made once. */
static int sign(struct gate *g, const unsigned char *digest, struct err *e)
{
	int rc;

	if (*g->signature && memcmp(g->signature_of, digest, GATE_DIGEST_LEN) == 0)
		return 0;
	g->signature[0] = '\0';
	rc = make_signature(g, digest, e);
	wipe_stack();
	return rc;
}

static __attribute__((noinline)) struct sign_key *read_key(const char *path, struct err *e)
{
	return sign_key_read_at(AT_FDCWD, path, e);
}

/* --- a request -------------------------------------------------------------------------------- */

static void tell(struct gate *g, const char *what, const struct err *why)
{
	int64_t now = clock_mono_ns();

	if (g->logged_ns && now - g->logged_ns < LOG_EVERY_NS)
		return;
	g->logged_ns = now;
	log_error(what, "why=\"%s\"", why->msg);
}

static bool is_our_key(const struct gate *g, const char *text)
{
	return strcmp(text, sign_key_public(g->key)) == 0 ||
	        strcmp(text, sign_key_public_k1(g->key)) == 0;
}

static enum gate_refusal judge(
        struct gate *g, const struct gate_request *q, struct gate_ask *ask, bool *ret_is_new)
{
	enum gate_refusal why;

	if (!q->is_signing)
		return GATE_MALFORMED;
	if (!is_our_key(g, q->key))
		return GATE_OTHER_KEY;
	memcpy(ask->digest, q->digest, GATE_DIGEST_LEN);
	(void)pthread_mutex_lock(&g->lock);
	why = gate_decide(&g->mind, g->right, ask);
	*ret_is_new = gate_is_new(&g->mind, ask);
	if (why == GATE_SIGNED && ask->slot > g->decided_slot)
		g->decided_slot = ask->slot;
	g->counts.last_request_boot_ns = ask->boot_ns;
	(void)pthread_mutex_unlock(&g->lock);
	return why;
}

static int64_t until_of(struct lease_right *r)
{
	int64_t until;

	(void)pthread_mutex_lock(&r->lock);
	until = r->until_ns;
	(void)pthread_mutex_unlock(&r->lock);
	return until;
}

static enum gate_refusal write_down(struct gate *g, const struct gate_ask *ask)
{
	struct signed_entry en = {
		.slot = ask->slot,
		.height = ask->height,
		.epoch = ask->epoch,
		.real_ns = ask->real_ns,
		.boot_ns = ask->boot_ns,
		.until_ns = until_of(g->right),
	};
	struct err e = ERR_INIT;

	memcpy(en.digest, ask->digest, GATE_DIGEST_LEN);
	if (signed_add(g->log, &en, &e) < 0) {
		tell(g, "signed slot not written down", &e);
		return GATE_NO_RECORD;
	}
	(void)pthread_mutex_lock(&g->lock);
	gate_note_signed(&g->mind, ask);
	(void)pthread_mutex_unlock(&g->lock);
	return GATE_SIGNED;
}

/* What was decided is done; whatever keeps us here, nobody waits for us. */
static enum gate_refusal prepare(struct gate *g, const struct gate_ask *ask, bool is_new)
{
	enum gate_refusal why = is_new ? write_down(g, ask) : GATE_SIGNED;
	struct err e = ERR_INIT;

	if (why == GATE_SIGNED && sign(g, ask->digest, &e) < 0) {
		tell(g, "no signature", &e);
		why = GATE_FAULT;
	}
	return why;
}

static void count_signed(struct gate *g, const struct gate_ask *ask)
{
	struct gate_counts *n = &g->counts;
	int64_t took = clock_boot_ns() - ask->boot_ns;

	n->last_signed_real_ns = ask->real_ns;
	n->total_ns += took;
	if (took > n->worst_ns)
		n->worst_ns = took;
}

static void on_request(void *arg, struct serve_conn *c, const struct gate_request *q)
{
	struct gate *g = arg;
	struct gate_ask ask = { .boot_ns = clock_boot_ns(), .real_ns = clock_real_ns() };
	bool is_new = false;
	enum gate_refusal why = judge(g, q, &ask, &is_new);
	char body[SIGN_TEXT_SIZE + 2];

	if (why == GATE_SIGNED)
		why = prepare(g, &ask, is_new);
	if (why == GATE_SIGNED)
		(void)snprintf(body, sizeof(body), "\"%s\"", g->signature);
	(void)pthread_mutex_lock(&g->lock);
	if (why == GATE_SIGNED)
		why = gate_may_give(&g->mind, g->right, &ask, clock_boot_ns());
	if (why == GATE_SIGNED) {
		serve_reply(c, 200, body);
		gate_note_given(&g->mind, &ask);
		count_signed(g, &ask);
	}
	g->counts.by[why]++;
	(void)pthread_mutex_unlock(&g->lock);
	if (why == GATE_FIRST)
		serve_reply(c, 500,
		        "{\"code\":500,\"message\":\"Refused\",\"error\":{\"code\":3120003,"
		        "\"name\":\"signing_gate\",\"what\":\"the first request after a silence is "
		        "refused, the next is not\",\"details\":[]}}");
}

/* --- the thread ------------------------------------------------------------------------------- */

static void on_stop(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	struct gate *g = arg;

	loop_stop(&g->loop);
}

static void *run(void *arg)
{
	struct gate *g = arg;
	struct err e = ERR_INIT;

	if (loop_run(&g->loop, &e) < 0)
		log_error("signing gate has ended", "why=\"%s\"", e.msg);
	return NULL;
}

/* With all of them blocked no signal can end up in the thread. */
static int start_thread(struct gate *g, struct err *e)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&g->thread, NULL, run, g);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc ? err_sys(e, rc, "start a thread") : 0;
}

static void release(struct gate *g)
{
	serve_free(g->serve);
	if (g->stop.added) {
		loop_io_remove(&g->loop, &g->stop);
		(void)close(g->stop.fd);
	}
	loop_release(&g->loop);
	signed_close(g->log);
	sign_key_free(g->key);
	(void)pthread_mutex_destroy(&g->lock);
	free(g);
}

static int add_stop(struct gate *g, struct err *e)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return err_sys(e, errno, "eventfd");
	if (loop_io_add(&g->loop, &g->stop, fd, LOOP_READ, on_stop, g, e) < 0) {
		(void)close(fd);
		return -1;
	}
	return 0;
}

static int set_up(struct gate *g, const struct gate_config *cfg, struct err *e)
{
	const struct signed_entry *last;

	if (loop_init(&g->loop, e) < 0)
		return -1;
	g->key = read_key(cfg->key_path, e);
	wipe_stack();
	if (!g->key)
		return err_wrap(e, "the signing key");
	if (!sign_key_is_locked(g->key))
		log_warn("signing key not locked in memory",
		        "why=\"mlock is refused: it may get into swap, see ulimit -l\"");
	g->log = signed_open(cfg->dirfd, e);
	if (!g->log)
		return err_wrap(e, "what was signed");
	last = signed_last(g->log);
	if (last)
		gate_mind_load(&g->mind, last->slot, last->digest, signed_highest(g->log));
	g->serve = serve_new(&g->loop, cfg->port, on_request, g, e);
	if (!g->serve || add_stop(g, e) < 0)
		return err_wrap(e, "the signing gate");
	return 0;
}

struct gate *gate_start(const struct gate_config *cfg, struct err *e)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g) {
		err_nomem(e);
		return NULL;
	}
	g->right = cfg->right;
	g->loop.epfd = -1;
	(void)pthread_mutex_init(&g->lock, NULL);
	gate_mind_init(&g->mind);
	if (set_up(g, cfg, e) < 0 || start_thread(g, e) < 0) {
		release(g);
		return NULL;
	}
	log_info("signing gate ready", "port=%u key=%s last_slot=%" PRIu32, serve_port(g->serve),
	        sign_key_public(g->key), g->mind.slot);
	return g;
}

void gate_stop(struct gate *g)
{
	uint64_t one = 1;

	if (!g)
		return;
	gate_close(g);
	/* It can fail only if the counter were full. */
	(void)!write(g->stop.fd, &one, sizeof(one));
	(void)pthread_join(g->thread, NULL);
	release(g);
}

uint16_t gate_port(const struct gate *g)
{
	return serve_port(g->serve);
}

const char *gate_public_key(const struct gate *g)
{
	return sign_key_public(g->key);
}

void gate_open(struct gate *g, uint64_t epoch)
{
	(void)pthread_mutex_lock(&g->lock);
	gate_mind_open(&g->mind, epoch);
	(void)pthread_mutex_unlock(&g->lock);
}

void gate_close(struct gate *g)
{
	(void)pthread_mutex_lock(&g->lock);
	gate_mind_close(&g->mind);
	(void)pthread_mutex_unlock(&g->lock);
}

void gate_set_heights(struct gate *g)
{
	(void)pthread_mutex_lock(&g->lock);
	g->mind.has_heights = true;
	(void)pthread_mutex_unlock(&g->lock);
}

void gate_set_head(struct gate *g, uint32_t head)
{
	(void)pthread_mutex_lock(&g->lock);
	g->mind.head = head;
	(void)pthread_mutex_unlock(&g->lock);
}

void gate_get_counts(struct gate *g, struct gate_counts *ret)
{
	(void)pthread_mutex_lock(&g->lock);
	*ret = g->counts;
	ret->is_open = g->mind.is_open;
	ret->last_slot = g->mind.has_signed ? g->mind.slot : 0;
	if (ret->last_slot < g->decided_slot)
		ret->last_slot = g->decided_slot;
	ret->last_height = g->mind.height;
	(void)pthread_mutex_unlock(&g->lock);
}
