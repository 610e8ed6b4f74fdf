/*
 * What the tenure's thread does: one turn after each event, and four a second without one
 *
 * A turn collects the facts, asks the plan what is to be done, does it, and lets the tenant ask the
 * broker.  Nothing in it waits: the gate's lock is held for a few instructions, HTTP and look-ups
 * are the loop's.  So the gate is closed and a nodeos killed in time whatever the supervisor, its
 * disk or the network are doing.
 *
 * Between turns only a quarter of a second may go by.  When far more has gone by, all of us was
 * frozen, and the others may have done anything meanwhile.
 */
#include "supervise/tenure_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"

#define TURN_NS   (250 * NS_PER_MS)
#define SOON_NS   (1 * NS_PER_MS)
#define FROZEN_NS (1 * NS_PER_SEC) /* more than that between two turns */
/* get_info is asked twice a second; a block that is signed late keeps nodeos for a slot. */
#define ANSWERS_NS (2 * NS_PER_SEC)
/* Between two rounds of comparing that come to the same. */
#define COMPARE_NS (50 * NS_PER_MS)
/* For the last block of a holder that has released the lease: it was signed, so it comes. */
#define LAST_BLOCK_NS (300 * NS_PER_MS)
/* For the release, when the supervisor ends. */
#define STOP_NS (2 * NS_PER_SEC)
/* A request to the brokers: long enough for three of them, and for two renewals in a term. */
#define ASK_MIN_NS (1 * NS_PER_SEC)
#define ASK_MAX_NS (2100 * NS_PER_MS)

/* --- nodeos ----------------------------------------------------------------------------------- */

static void nodeos_forget(struct tenure_thread *t)
{
	int fd = t->pidfd;
	struct err ignored = ERR_INIT;

	if (fd < 0)
		return;
	loop_io_remove(&t->loop, &t->pid_io);
	t->pidfd = -1;
	(void)close(fd);
	(void)!tenure_ask_nodeos(t->ask, NULL, 0, &ignored);
	(void)!tenure_compare_nodeos(t->compare, 0, NULL, 0, &ignored);
}

static void on_dead(struct loop_io *io UNUSED, unsigned events UNUSED, void *arg)
{
	struct tenure_thread *t = arg;

	nodeos_forget(t);
	tenure_turn(t);
}

static void nodeos_take(struct tenure_thread *t, const struct tenure_mail *m, int pidfd)
{
	struct err e = ERR_INIT;

	nodeos_forget(t);
	t->nodeos = m->nodeos;
	t->is_terminated = t->is_killed = false;
	t->restart_why[0] = '\0';
	if (pidfd < 0)
		return;
	if (loop_io_add(&t->loop, &t->pid_io, pidfd, LOOP_READ, on_dead, t, &e) < 0) {
		log_error("nodeos is not watched", "why=\"%s\"", e.msg);
		(void)close(pidfd);
		return;
	}
	t->pidfd = pidfd;
	if (tenure_ask_nodeos(t->ask, m->host, m->port, &e) < 0 ||
	        tenure_compare_nodeos(t->compare, m->pid, m->host, m->port, &e) < 0)
		log_error("nodeos cannot be asked", "why=\"%s\"", e.msg);
}

/* By pidfd: of this child, whoever may have its number now. */
static void nodeos_signal(struct tenure_thread *t, int signo)
{
	if (t->pidfd >= 0 && syscall(SYS_pidfd_send_signal, t->pidfd, signo, NULL, 0) < 0 &&
	        errno != ESRCH)
		log_error("nodeos gets no signal", "signal=%d why=\"%s\"", signo, strerror(errno));
}

/* Seen by others before the signal is sent: whoever reaps nodeos asks at once who has ended it. */
static void ask_restart(struct tenure_thread *t, const char *how)
{
	(void)snprintf(t->restart_why, sizeof(t->restart_why), "%s: %.*s", how,
	        (int)sizeof(t->restart_why) - 32, t->plan.why);
	str_printable(t->restart_why);
	(void)pthread_mutex_lock(&t->lock);
	t->view.restart_nodeos = t->nodeos;
	memcpy(t->view.restart_why, t->restart_why, sizeof(t->view.restart_why));
	(void)pthread_mutex_unlock(&t->lock);
	t->has_news = true;
}

static void terminate(struct tenure_thread *t)
{
	if (t->is_terminated)
		return;
	t->is_terminated = true;
	log_warn("nodeos is stopped and started again", "why=\"%s\"", t->plan.why);
	ask_restart(t, "to be started paused");
	nodeos_signal(t, SIGTERM);
}

static void destroy(struct tenure_thread *t)
{
	if (!t->is_killed) {
		log_warn("nodeos is killed", "why=\"%s\"", t->plan.why);
		ask_restart(t, "killed before the term's end");
	}
	t->is_killed = true;
	nodeos_signal(t, SIGKILL);
}

/* --- letters ---------------------------------------------------------------------------------- */

/*
 * One nodeos after another: the plan has to see one turn without any in between, or it would take
 * the new one for the old, which it was perhaps about to kill.
 */
static void read_mail(struct tenure_thread *t)
{
	bool is_new, is_taken;
	int pidfd = -1;

	(void)pthread_mutex_lock(&t->lock);
	t->heard = t->mail;
	is_new = t->heard.nodeos != t->nodeos;
	is_taken = is_new && t->is_between;
	if (is_taken) {
		pidfd = t->mail.pidfd;
		t->mail.pidfd = -1;
	}
	(void)pthread_mutex_unlock(&t->lock);
	if (is_taken)
		nodeos_take(t, &t->heard, pidfd);
	else if (is_new)
		nodeos_forget(t);
	t->is_between = is_new && !is_taken;
	t->turns_again = t->turns_again || t->is_between;
	if (t->heard.is_gone)
		nodeos_forget(t);
	if (t->heard.stops && !t->stop_ns)
		t->stop_ns = clock_boot_ns() + STOP_NS;
}

static void on_mail(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	uint64_t count;

	if (read(io->fd, &count, sizeof(count)) < 0)
		return;
	tenure_turn(arg);
}

/* --- the broker ------------------------------------------------------------------------------- */

static void on_broker(void *arg, enum tenant_reply reply, const struct lease_record *stands,
        const struct err *why)
{
	struct tenure_thread *t = arg;
	struct tenant *n = &t->plan.tenant;

	if (reply == TENANT_UNKNOWN && n->failures == 0)
		log_warn("no broker has answered", "why=\"%s\"", why ? why->msg : "");
	tenant_answer(n, clock_boot_ns(), reply, stands);
	tenure_turn(t);
}

/* Returns when the tenant wants to be asked again. */
static int64_t drive_tenant(struct tenure_thread *t)
{
	struct tenant *n = &t->plan.tenant;
	int64_t now = clock_boot_ns(), at = now + NS_PER_SEC, limit = t->term_ns / 2;
	struct lease_record write;
	enum tenant_do what = tenant_next(n, now, clock_real_ns(), &write, &at);
	struct err e = ERR_INIT;

	if (what == TENANT_WAIT)
		return at;
	if (limit < ASK_MIN_NS)
		limit = ASK_MIN_NS;
	if (limit > ASK_MAX_NS)
		limit = ASK_MAX_NS;
	if (lease_client_ask(t->client, n->cfg.name, what == TENANT_WRITE ? &write : NULL, limit,
	            on_broker, t, &e) < 0) {
		if (n->failures == 0)
			log_warn("no broker is asked", "why=\"%s\"", e.msg);
		tenant_answer(n, now, TENANT_UNKNOWN, NULL);
		t->turns_again = true;
	}
	return now + NS_PER_SEC;
}

/* What the gate goes by.  A right that has ended is gone for good, in its epoch. */
static void set_right(struct tenure_thread *t)
{
	int64_t until;
	uint32_t floor, ceiling;
	uint64_t epoch = tenant_right(&t->plan.tenant, clock_boot_ns(), &until, &floor, &ceiling);

	if (epoch)
		lease_right_set(&t->right, epoch, until, floor, ceiling);
	else if (t->right_epoch)
		lease_right_drop(&t->right);
	t->right_epoch = epoch;
}

/* --- facts ------------------------------------------------------------------------------------ */

static void note_gap(struct tenure_thread *t, int64_t now)
{
	char text[NUM_TEXT_MAX];

	if (t->turned_ns && now - t->turned_ns > TURN_NS + FROZEN_NS) {
		t->frozen_ns = now;
		log_warn("the supervisor was frozen", "for=%s",
		        num_duration_text(text, now - t->turned_ns));
	}
	t->turned_ns = now;
}

/*
 * Heads are level, but the former holder has released the lease after a signature whose block is
 * not here yet: on the others it need not be either, when they were asked a moment earlier.  A
 * signature in one slot of the wall clock is of the block of the next.
 */
static bool lacks_last_block(const struct tenure_thread *t, const struct tenure_compared *c)
{
	const struct lease_record *r = &t->plan.tenant.seen;
	bool was_released = r->nhistory > 1 && !r->history[1].holder[0];

	return t->plan.state == TENURE_COMPARING && c->heads == TENURE_HEADS_LEVEL &&
	        was_released && nodeos_slot(c->info.head_time_ns) <= t->plan.tenant.floor &&
	        c->began_ns < t->plan.state_since_ns + LAST_BLOCK_NS;
}

static void collect_heads(struct tenure_thread *t, struct tenure_facts *f)
{
	const struct tenure_compared *c = tenure_compare_result(t->compare);

	if (!c->began_ns)
		return;
	f->heads = lacks_last_block(t, c) ? TENURE_HEADS_UNKNOWN : c->heads;
	f->heads_ns = c->began_ns;
	f->is_outvoted = c->votes.is_outvoted;
	f->is_split = c->votes.is_split;
	if (c->has_heights)
		gate_set_heights(t->gate);
}

static void collect(struct tenure_thread *t, struct tenure_facts *f, int64_t now)
{
	const struct tenure_answers *a = tenure_ask_answers(t->ask);

	*f = (struct tenure_facts){
		.now = now,
		.nodeos_runs = t->pidfd >= 0,
		.nodeos_answers = a->answered_ns && now - a->answered_ns < ANSWERS_NS,
		.is_stopping = t->heard.gives_up || t->heard.stops,
		.is_fit = t->heard.is_fit,
		.pause = a->pause,
		.pause_ns = a->pause_ns,
		.bootstrap = t->bootstrap,
		.head = a->answered_ns ? a->info.head_block_num : 0,
		.frozen_ns = t->frozen_ns,
	};
	if (a->answered_ns)
		gate_set_head(t->gate, a->info.head_block_num);
	/* The lease of a nodeos that is dead is released within this turn, with the last slot that
	 * was signed: so there must be no later one. */
	if (!f->nodeos_runs && t->gate_epoch)
		gate_close(t->gate);
	gate_get_counts(t->gate, &t->counts);
	f->last_signed = t->counts.last_slot;
	collect_heads(t, f);
}

/* --- what is to be done ----------------------------------------------------------------------- */

/* A round that has come to nothing is not begun again at once, but soon: *at is when. */
static void compare(struct tenure_thread *t, const struct tenure_facts *f, int64_t *at)
{
	int64_t since = t->plan.state == TENURE_COMPARING ? t->plan.state_since_ns : 0;
	int64_t every = t->plan.state == TENURE_COMPARING ? COMPARE_NS : TENURE_COMPARE_NS;
	int64_t again = f->heads_ns + every;

	if (since < t->frozen_ns)
		since = t->frozen_ns;
	if (!f->heads_ns || f->heads_ns < since || f->now >= again)
		tenure_compare_begin(t->compare, since);
	else if (again < *at)
		*at = again;
}

static void act(struct tenure_thread *t, const struct tenure_facts *f, unsigned todo, int64_t *at)
{
	if (todo & TENURE_DO_GATE_OPEN) {
		set_right(t);
		gate_open(t->gate, t->plan.epoch);
		t->gate_epoch = t->plan.epoch;
	}
	if (todo & TENURE_DO_GATE_CLOSE) {
		gate_close(t->gate);
		t->gate_epoch = 0;
	}
	if (todo & TENURE_DO_TERM)
		terminate(t);
	if (todo & TENURE_DO_KILL)
		destroy(t);
	if (todo & TENURE_DO_PAUSE)
		tenure_ask_pause(t->ask, t->plan.doubt_ns);
	if (todo & TENURE_DO_RESUME)
		tenure_ask_resume(t->ask, t->plan.state_since_ns);
	if (todo & TENURE_DO_COMPARE)
		compare(t, f, at);
}

/* --- what others see -------------------------------------------------------------------------- */

static void tell_change(const struct tenure_thread *t, enum tenure_state before)
{
	if (t->plan.state != before)
		log_info("producer", "state=%s was=%s epoch=%llu why=\"%s\"",
		        tenure_state_name(t->plan.state), tenure_state_name(before),
		        (unsigned long long)t->plan.tenant.seen.epoch, t->plan.why);
}

/* The plan's sentence; in standby with what only the supervisor knows. */
static void say_why(const struct tenure_thread *t, char out[TENURE_WHY_SIZE])
{
	const struct tenure_mail *m = &t->heard;
	const char *more = m->gives_up ? m->give_up_why : !m->is_fit ? m->unfit_why : "";

	if (t->plan.state == TENURE_STANDBY && *more)
		(void)snprintf(out, TENURE_WHY_SIZE, "%.90s: %.100s", t->plan.why, more);
	else
		memcpy(out, t->plan.why, sizeof(t->plan.why));
	str_printable(out);
}

static void show(struct tenure_thread *t)
{
	const struct tenant *n = &t->plan.tenant;
	const struct tenure_view was = t->view;
	struct tenure_view v = {
		.mail = t->heard.number,
		.state = t->plan.state,
		.order = n->seen.order,
		.pause = tenure_ask_answers(t->ask)->pause,
		.is_idle = tenure_is_quiet(&t->plan) && !t->gate_epoch,
		.holds = n->epoch != 0,
		.epoch = n->seen.epoch,
		.until_ns = n->until_ns,
		.counts = t->counts,
		.restart_nodeos = t->nodeos,
		.wants_heal = t->plan.wants_heal,
	};
	uint64_t one = 1;

	say_why(t, v.why);
	memcpy(v.holder, n->seen.holder, sizeof(v.holder));
	memcpy(v.restart_why, t->restart_why, sizeof(v.restart_why));
	if (t->plan.split_ns)
		memcpy(v.forked_why, tenure_compare_result(t->compare)->votes.why,
		        sizeof(v.forked_why));
	v.counts.is_open = t->gate_epoch != 0;
	(void)pthread_mutex_lock(&t->lock);
	t->view = v;
	(void)pthread_mutex_unlock(&t->lock);
	if (t->has_news || v.state != was.state || v.is_idle != was.is_idle ||
	        v.holds != was.holds || v.wants_heal != was.wants_heal ||
	        (v.is_idle && t->heard.gives_up && v.mail != was.mail))
		/* It can fail only if the counter were full. */
		(void)!write(t->notify_io.fd, &one, sizeof(one));
	t->has_news = false;
}

/* --- the turn --------------------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer UNUSED, void *arg)
{
	tenure_turn(arg);
}

/* The timer is of CLOCK_MONOTONIC; after a suspension the next turn corrects it. */
static void set_timer(struct tenure_thread *t, int64_t at)
{
	int64_t now = clock_boot_ns(), wait = at - now;

	if (wait > TURN_NS)
		wait = TURN_NS;
	if (wait < SOON_NS)
		wait = SOON_NS;
	loop_timer_set(&t->loop, &t->timer, clock_mono_ns() + wait, on_timer, t);
}

static bool is_over(const struct tenure_thread *t, int64_t now)
{
	return t->stop_ns && ((tenure_is_quiet(&t->plan) && !t->gate_epoch) || now >= t->stop_ns);
}

/* Returns when the next one has to be. */
static int64_t turn_once(struct tenure_thread *t)
{
	enum tenure_state before = t->plan.state;
	enum tenant_state tenant;
	int64_t now, at, tenant_at;
	struct tenure_facts f;
	unsigned todo;

	read_mail(t);
	tenant_at = drive_tenant(t);
	set_right(t);
	now = clock_boot_ns();
	note_gap(t, now);
	collect(t, &f, now);
	tenant = t->plan.tenant.state;
	todo = tenure_plan(&t->plan, &f, &at);
	act(t, &f, todo, &at);
	tell_change(t, before);
	/* What the plan wants of the tenant, the tenant does now. */
	tenant_at = drive_tenant(t);
	set_right(t);
	if (t->plan.tenant.state != tenant)
		t->turns_again = true;
	show(t);
	if (is_over(t, now))
		loop_stop(&t->loop);
	return at < tenant_at ? at : tenant_at;
}

/* Whatever is called from within a turn may want another; that one comes after it. */
void tenure_turn(void *thread)
{
	struct tenure_thread *t = thread;
	int64_t at;

	t->turns_again = true;
	if (t->is_turning)
		return;
	t->is_turning = true;
	for (int left = 8; t->turns_again && left > 0; left--) {
		t->turns_again = false;
		at = turn_once(t);
		set_timer(t, t->turns_again ? clock_boot_ns() : at);
	}
	t->is_turning = false;
}

void *tenure_thread_run(void *thread)
{
	struct tenure_thread *t = thread;
	struct err e = ERR_INIT;

	if (loop_io_add(&t->loop, &t->mail_io, t->mail_fd, LOOP_READ, on_mail, t, &e) == 0) {
		tenure_turn(t);
		if (loop_run(&t->loop, &e) == 0)
			goto out;
	}
	log_error("producer's thread has ended", "why=\"%s\"", e.msg);
out:
	/* Whatever the reason: nothing is signed any more. */
	lease_right_drop(&t->right);
	gate_close(t->gate);
	loop_timer_remove(&t->loop, &t->timer);
	loop_io_remove(&t->loop, &t->mail_io);
	nodeos_forget(t);
	return NULL;
}
