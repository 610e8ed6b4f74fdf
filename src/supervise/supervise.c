#include "supervise/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/boot_id.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "data/record.h"
#include "loop/work.h"
#include "nodeos/exit.h"
#include "nodeos/verdict.h"
#include "supervise/answer_block.h"
#include "supervise/heal.h"
#include "supervise/probation.h"
#include "supervise/supervise_priv.h"

/*
 * One state machine, driven by timers, the child's end, signals and the control socket.
 *
 *	           pool, lock            prepare, spawn
 *	starting ----------> (waiting) ----------------> running --TERM--> lame-duck -> stopping
 *	    ^                                |              |                              |
 *	    |                                v              v by itself                    v
 *	    +---- timer or `resume` ------ held <-------- backoff             stopped | quiesced
 *
 * An archive or a restore (slot_work.h) takes the way of a stop and comes back: stopping ->
 * archiving | restoring -> running.  restoring also comes before the first start, and repairing
 * before any start that the data-dir is not fit for (heal.h).
 *
 * While nodeos is alive the state is running, lame-duck or stopping, and only its end
 * (on_child) leads out of these.
 */

#define RETRY_NS       (2 * NS_PER_SEC)
#define DISK_POLL_NS   (1 * NS_PER_SEC)
#define FAILURES_MAX   5
#define BACKOFF_MAX_NS (60 * NS_PER_SEC)
#define HEALTHY_RUN_NS (60 * NS_PER_SEC) /* a run that long forgives earlier failures */
#define LET_GO_POLL_NS (20 * NS_PER_MS)
#define STOPPING_WHY   "nodeos was asked to stop and writes its state"

bool supervisor_nodeos_alive(const struct supervisor *s)
{
	return s->child.io.added;
}

bool supervisor_is_ready(const struct supervisor *s)
{
	return s->record.state == SLOT_RUNNING && s->health.ready.ready && !heal_is_on_probation(s);
}

/* A record that cannot be written is said and done without: the data-dir's bytes are the truth. */
static void write_record(struct supervisor *s)
{
	struct err e = ERR_INIT;

	if (!s->owns)
		return;
	s->record.updated_ns = clock_real_ns();
	s->is_unwritten = record_write_at(&s->record, s->slot.fd, &e) < 0;
	if (s->is_unwritten)
		log_error("record not written", "why=\"%s\"", e.msg);
}

void supervisor_note(struct supervisor *s)
{
	write_record(s);
}

void supervisor_set_state(struct supervisor *s, enum slot_state state, const char *why, ...)
{
	enum slot_state before = s->record.state;
	char reason[sizeof(s->record.reason)];
	va_list ap;

	va_start(ap, why);
	(void)vsnprintf(reason, sizeof(reason), why, ap);
	va_end(ap);
	/* A character that was cut in two would be no JSON. */
	str_printable(reason);
	if (before == state && strcmp(reason, s->record.reason) == 0) {
		if (s->is_unwritten)
			write_record(s);
		return;
	}
	s->record.state = state;
	s->state_since_ns = clock_mono_ns();
	memcpy(s->record.reason, reason, sizeof(reason));
	if (*reason)
		log_event(state == SLOT_HELD ? LOG_ERROR : LOG_INFO, "state",
		        "state=%s from=%s why=\"%s\"", slot_state_name(state),
		        slot_state_name(before), reason);
	else
		log_info("state", "state=%s from=%s", slot_state_name(state),
		        slot_state_name(before));
	write_record(s);
}

static void set_timer(struct supervisor *s, int64_t after_ns, loop_timer_fn *fn)
{
	loop_timer_set(&s->loop, &s->timer, clock_mono_ns() + after_ns, fn, s);
}

static void on_attempt(struct loop_timer *t UNUSED, void *arg)
{
	supervisor_attempt(arg);
}

void supervisor_attempt_in(struct supervisor *s, int64_t after_ns)
{
	set_timer(s, after_ns, on_attempt);
}

static bool is_startable(const struct supervisor *s)
{
	return record_verdict_is_clean(s->record.verdict);
}

/* --- ending ------------------------------------------------------------------------ */

static void answer_quiesce_calls(struct supervisor *s)
{
	for (size_t i = 0; i < QUIESCE_CALLS_MAX; i++)
		if (s->quiesce_calls[i]) {
			json_t *j = answer_status(s);

			control_call_reply(s->quiesce_calls[i], j ? json_text(j, false) : NULL);
			json_decref(j);
			s->quiesce_calls[i] = NULL;
		}
}

/* No nodeos is alive: this supervisor is done, as soon as no thread of it works on the pool. */
static void finish(struct supervisor *s)
{
	bool clean, is_busy;

	is_busy = slot_unshare_cancel(s);
	is_busy |= heal_clean_cancel(s);
	is_busy |= restore_bound_cancel(s);
	if (slot_work_cancel(s, "the slot was stopped meanwhile") || is_busy) {
		loop_timer_remove(&s->loop, &s->timer);
		supervisor_set_state(s, SLOT_STOPPING, "ending what is done to the data-dir");
		return;
	}
	/* Somebody may have put another data-dir there while the slot was held. */
	if (s->owns)
		supervisor_take_verdict(s);
	clean = is_startable(s) || !s->owns;
	loop_timer_remove(&s->loop, &s->timer);
	s->exit_status = clean ? 0 : 1;
	supervisor_set_state(s, SLOT_STOPPED, "%s", clean ? "" : s->record.verdict_why);
	loop_stop(&s->loop);
}

void supervisor_thread_ended(struct supervisor *s)
{
	if (supervisor_nodeos_alive(s))
		return;
	if (s->stop_asked) {
		if (!s->work.thread && !s->look && !s->heal_clean && !s->bounding)
			finish(s);
	} else if (s->quiesce_asked && !slot_work_changes_data(s)) {
		supervisor_set_state(s, SLOT_QUIESCED, "stopped on request; the container stays");
		answer_quiesce_calls(s);
	}
}

static void send_term(struct supervisor *s, const char *why)
{
	loop_timer_remove(&s->loop, &s->timer);
	slot_work_nodeos_asked(s);
	/* Before the record is synced, which may take its time on a disk that is nearly full. */
	if (supervisor_nodeos_alive(s) && kill(s->child.pid, SIGTERM) < 0)
		log_error("nodeos not signalled", "pid=%ld why=\"%s\"", (long)s->child.pid,
		        strerror(errno));
	supervisor_set_state(s, SLOT_STOPPING, "%s", why);
}

static void on_lame_duck_over(struct loop_timer *t UNUSED, void *arg)
{
	struct supervisor *s = arg;

	if (producing_has_let_go(s))
		send_term(s, STOPPING_WHY);
	else
		set_timer(s, LET_GO_POLL_NS, on_lame_duck_over);
}

/* Ask the running nodeos to stop; what for is in the *_asked flags. */
void supervisor_stop_nodeos(struct supervisor *s)
{
	bool has_let_go;

	/* Whoever else wants it stopped waits for the end of the lame duck too. */
	if (s->record.state == SLOT_STOPPING || s->record.state == SLOT_LAME)
		return;
	/* At once: nobody has to wait for a lame duck to produce in our place. */
	has_let_go = producing_gives_up(s, "nodeos is to be stopped");
	/*
	 * Fronts have only heard of a node that was ready in this run.  One that is not just now
	 * still has requests: they may not have noticed yet, and when nobody is ready they ask
	 * everybody.
	 */
	if (s->record.state == SLOT_RUNNING && s->health.was_ready && s->cfg->lame_duck_ns > 0) {
		supervisor_set_state(s, SLOT_LAME, "taken out of service before it stops");
		set_timer(s, s->cfg->lame_duck_ns, on_lame_duck_over);
		return;
	}
	if (!has_let_go) {
		supervisor_set_state(s, SLOT_LAME, "gives up the lease before it stops");
		set_timer(s, LET_GO_POLL_NS, on_lame_duck_over);
		return;
	}
	send_term(s, STOPPING_WHY);
}

void supervisor_restart_nodeos(struct supervisor *s, const char *why)
{
	send_term(s, why);
}

static void begin_stop(struct supervisor *s)
{
	bool again = s->stop_asked;

	s->stop_asked = true;
	(void)slot_unshare_cancel(s);
	if (!supervisor_nodeos_alive(s))
		finish(s);
	else if (s->record.state == SLOT_LAME && again)
		on_lame_duck_over(NULL, s);
	else if (s->record.state == SLOT_RUNNING)
		supervisor_stop_nodeos(s);
	else
		log_info("stop already under way", "state=%s", slot_state_name(s->record.state));
}

/* --- the child ---------------------------------------------------------------------- */

/* A generation of another nodeos is the likely cause when its state was never opened here. */
static const char *untried(const struct supervisor *s, const struct nodeos_exit *x, char out[200])
{
	*out = '\0';
	if (s->is_untried && (x->class == NODEOS_EXIT_DATA || x->class == NODEOS_EXIT_VERSION))
		snprintf(out, 200,
		        "; its state is of generation %.31s, made by nodeos %.40s: archive with "
		        "this "
		        "nodeos, or NODESWARM_RESTORE=never",
		        s->record.generation, *s->made_by ? s->made_by : "(unknown)");
	return out;
}

static void start_again_or_hold(struct supervisor *s, const struct nodeos_exit *x)
{
	int64_t wait = NS_PER_SEC;
	char text[NUM_TEXT_MAX], from[200];

	s->failures++;
	/* What was made from a snapshot and is not finished can be made again. */
	if (!x->retry || (!is_startable(s) && !s->is_from_snapshot) || s->failures > FAILURES_MAX) {
		s->hold = HOLD_FINAL;
		heal_held(s, x->why);
		supervisor_set_state(s, SLOT_HELD, "%s%s%s%s%s", x->why, untried(s, x, from),
		        s->failures > FAILURES_MAX ? " (too often in a row)" : "",
		        is_startable(s) ? "" : "; the data-dir is left ",
		        is_startable(s) ? "" : s->record.verdict);
		return;
	}
	for (unsigned i = 1; i < s->failures && wait < BACKOFF_MAX_NS; i++)
		wait *= 2;
	if (wait > BACKOFF_MAX_NS)
		wait = BACKOFF_MAX_NS;
	s->record.restarts++;
	supervisor_set_state(s, SLOT_BACKOFF, "%s; starting it again in %s", x->why,
	        num_duration_text(text, wait));
	set_timer(s, wait, on_attempt);
}

static void record_the_end(
        struct supervisor *s, int status, bool asked, const struct nodeos_exit *x)
{
	struct record_end end = {
		.at_ns = clock_real_ns(),
		.asked = asked,
		.clean = is_startable(s),
		.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	};

	snprintf(end.task, sizeof(end.task), "%s", s->cfg->task);
	snprintf(end.class, sizeof(end.class), "%s", nodeos_exit_class_name(x->class));
	snprintf(end.why, sizeof(end.why), "%s",
	        end.clean || !asked || s->producing.is_fenced ? x->why : s->record.verdict_why);
	s->record.nodeos_pid = 0;
	s->record.ready_ns = 0;
	record_add_end(&s->record, &end);
	log_event(asked && end.clean ? LOG_INFO : LOG_ERROR, "nodeos ended",
	        "asked=%s clean=%s exit_code=%d signal=%d why=\"%s\"", asked ? "yes" : "no",
	        end.clean ? "yes" : "no", end.exit_code, end.signal, end.why);
}

/* Everything that follows from the end of a run, whoever has seen it. */
static struct nodeos_exit end_of_run(struct supervisor *s, int status, bool asked)
{
	struct nodeos_exit x;
	bool by_us = asked;
	char *tail;

	producing_nodeos_ended(s, asked);
	output_drain(&s->output);
	tail = output_tail(&s->output);
	nodeos_exit_classify(&x, status, asked, tail ? tail : "");
	by_us |= producing_explains(s, &x);
	archive_note_tail(s, tail);
	if (!by_us)
		sampling_note_crash(s, tail);
	free(tail);
	if (clock_mono_ns() - s->health.started_ns > HEALTHY_RUN_NS && s->health.was_ready)
		s->failures = 0;
	follow_stop(s->follow);
	health_stop(s);
	supervisor_take_verdict(s);
	if (is_startable(s))
		nodeos_exit_on_startable(&x);
	if (!is_startable(s) || x.class == NODEOS_EXIT_DIRTY)
		s->is_looked = false;
	record_the_end(s, status, by_us, &x);
	return x;
}

/* As PID 1 we inherit orphans.  nodeos itself is left to its pidfd. */
static void reap_orphans(const struct supervisor *s)
{
	siginfo_t si = { 0 };

	while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid != 0) {
		if (supervisor_nodeos_alive(s) && si.si_pid == s->child.pid)
			return;
		(void)waitpid(si.si_pid, NULL, WNOHANG);
		si.si_pid = 0;
	}
}

static void on_child(struct loop_child *c UNUSED, int status, void *arg)
{
	struct supervisor *s = arg;
	bool asked = s->record.state == SLOT_STOPPING, for_disk = s->disk_asked;
	struct nodeos_exit x;

	loop_timer_remove(&s->loop, &s->timer);
	loop_timer_remove(&s->loop, &s->disk_timer);
	/* It needs a nodeos that is ready. */
	(void)heal_clean_cancel(s);
	x = end_of_run(s, status, asked);

	if (s->stop_asked) {
		finish(s);
	} else if (slot_work_nodeos_ended(s, asked)) {
		; /* it has set the state */
	} else if (s->quiesce_asked) {
		supervisor_set_state(s, SLOT_QUIESCED, "stopped on request; the container stays");
	} else if (asked && heal_after_stop(s)) {
		; /* it has set the state */
	} else if (for_disk) {
		s->hold = HOLD_DISK;
		supervisor_set_state(s, SLOT_HELD, "stopped because the disk is %.1f%% full",
		        s->disk_used_percent);
		set_timer(s, RETRY_NS, on_attempt);
	} else if (!producing_starts_again(s, &x) && !heal_after_end(s, &x)) {
		start_again_or_hold(s, &x);
	}
	s->disk_asked = s->heal_stop_asked = false;
	answer_quiesce_calls(s);
	sampling_nodeos_ended(s);
	/* Those that stood behind it in the kernel's list. */
	reap_orphans(s);
}

static void on_disk(struct loop_timer *t UNUSED, void *arg)
{
	struct supervisor *s = arg;
	struct pool_space space;
	struct err e = ERR_INIT;
	double limit;

	loop_timer_set(&s->loop, &s->disk_timer, clock_mono_ns() + DISK_POLL_NS, on_disk, s);
	if (pool_space_at(&space, s->slot.fd, &e) < 0)
		return;
	s->disk_used_percent = space.used_percent;
	limit = supervisor_disk_limit(s);
	if (space.used_percent < limit || s->disk_asked ||
	        (s->record.state != SLOT_RUNNING && s->record.state != SLOT_LAME))
		return;
	log_error("disk nearly full",
	        "used_percent=%.1f limit_percent=%.1f why=\"nodeos's own emergency stop would "
	        "leave a "
	        "fork_db.dat of 0 bytes\"",
	        space.used_percent, limit);
	s->disk_asked = true;
	/* No lame duck: the disk may be full before that is over. */
	if (producing_gives_up(s, "the disk is nearly full"))
		send_term(s, STOPPING_WHY);
	else
		set_timer(s, LET_GO_POLL_NS, on_lame_duck_over);
}

/* --- starting ----------------------------------------------------------------------- */

void supervisor_hold_for(struct supervisor *s, enum hold hold, const struct err *why)
{
	s->hold = hold;
	supervisor_set_state(s, SLOT_HELD, "%s%s%s", why->msg, *why->hint ? "; " : "", why->hint);
	if (hold != HOLD_FINAL)
		set_timer(s, RETRY_NS, on_attempt);
	else
		loop_timer_remove(&s->loop, &s->timer);
}

/*
 * Stop a nodeos that the loop does not watch, and wait for its end.  Its output is read
 * meanwhile: it could not finish while the pipe is full.
 */
static void stop_unwatched(struct supervisor *s, pid_t pid)
{
	int status = 0;
	pid_t got;

	(void)producing_gives_up(s, "the supervisor cannot watch nodeos");
	(void)kill(pid, SIGTERM);
	while ((got = waitpid(pid, &status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		output_pump(&s->output);
		(void)poll(NULL, 0, 50);
	}
	end_of_run(s, status, true);
}

/* A nodeos that we could not watch would be one that nobody stops. */
static int start_nodeos(struct supervisor *s, struct err *e)
{
	pid_t pid;

	if (supervisor_spawn(s, &pid, e) < 0)
		return -1;
	if (loop_child_add(&s->loop, &s->child, pid, on_child, s, e) < 0) {
		stop_unwatched(s, pid);
		return -1;
	}
	if (producing_nodeos_started(s, pid, e) < 0) {
		loop_child_remove(&s->loop, &s->child);
		stop_unwatched(s, pid);
		return -1;
	}
	s->record.nodeos_pid = pid;
	if (health_start(s, e) < 0) {
		log_error("nodeos is not asked for its health", "why=\"%s\"", e->msg);
		err_clear(e);
	}
	if (follow_start(s->follow, s->render.http_host, s->render.http_port, s->render.p2p_port,
	            e) < 0) {
		log_error("tasks are not followed", "why=\"%s\"", e->msg);
		err_clear(e);
	}
	return 0;
}

static bool is_for_good(const struct err *e)
{
	return e->kind == ERR_NOT_FOUND || e->kind == ERR_DENIED || e->kind == ERR_USAGE;
}

/*
 * Try to get nodeos running, from wherever we are.  Called at first, by timers and by `resume`;
 * each outcome sets the state and, if there is one, the timer for the next try.
 */
void supervisor_attempt(struct supervisor *s)
{
	struct err e = ERR_INIT;
	int rc;

	if (supervisor_nodeos_alive(s) || s->stop_asked || s->quiesce_asked ||
	        slot_work_has_data(s))
		return;
	rc = supervisor_take_slot(s, &e);
	if (rc > 0)
		return;
	if (rc == 0 && !s->owns)
		rc = supervisor_own_slot(s, &e);
	if (rc == 0 && !s->control) {
		s->control = control_server_new(&s->loop, s->slot.fd, answer_control, s, &e);
		rc = s->control ? 0 : -1;
	}
	if (rc == 0 && producing_start(s, &e) < 0) {
		supervisor_hold_for(s, is_for_good(&e) ? HOLD_FINAL : HOLD_RETRY, &e);
		return;
	}
	if (rc == 0) {
		rc = slot_look(s, &e);
		if (rc > 0)
			return;
	}
	if (rc < 0) {
		supervisor_hold_for(s, HOLD_RETRY, &e);
		return;
	}
	if (advertise_is_searching(s->advertise)) {
		supervisor_set_state(s, SLOT_STARTING, "looking for the address to advertise");
		set_timer(s, SUPERVISOR_POLL_NS, on_attempt);
		return;
	}
	supervisor_take_verdict(s);
	rc = supervisor_prepare(s, &e);
	if (rc > 0) {
		if (s->hold == HOLD_FINAL)
			heal_held(s, e.msg);
		supervisor_hold_for(s, s->hold, &e);
		return;
	}
	if (rc == 0) {
		rc = producing_claim_keys(s, &e);
		if (rc > 0)
			return;
	}
	if (rc == 0)
		rc = start_nodeos(s, &e);
	if (rc < 0) {
		/* A program that is not there will not come by itself: an image does not change. */
		supervisor_hold_for(s, is_for_good(&e) ? HOLD_FINAL : HOLD_RETRY, &e);
		return;
	}
	slot_work_nodeos_started(s);
	restore_bound_at_start(s);
	s->hold = HOLD_NONE;
	s->record.started_ns = clock_real_ns();
	s->record.starts++;
	supervisor_set_state(s, SLOT_RUNNING, "%s", "");
	loop_timer_set(&s->loop, &s->disk_timer, clock_mono_ns() + DISK_POLL_NS, on_disk, s);
}

void supervisor_resume(struct supervisor *s)
{
	s->quiesce_asked = false;
	s->failures = 0;
	if (supervisor_nodeos_alive(s) || s->record.state == SLOT_WAITING)
		return;
	s->hold = HOLD_NONE;
	s->is_looked = s->skip_behind = false;
	s->look_again = s->look != NULL;
	if (s->look || !slot_work_has_data(s))
		heal_forget(s, true);
	if (slot_work_has_data(s)) {
		supervisor_set_state(s,
		        s->look                                     ? SLOT_STARTING
		                : s->work.kind == SLOT_WORK_ARCHIVE ? SLOT_ARCHIVING
		                : s->work.kind == SLOT_WORK_RESTORE ? SLOT_RESTORING
		                                                    : SLOT_REPAIRING,
		        "nodeos starts when that is done");
		return;
	}
	supervisor_set_state(s, SLOT_STARTING, "resumed on request");
	supervisor_attempt(s);
}

void supervisor_quiesce(struct supervisor *s)
{
	s->quiesce_asked = true;
	(void)slot_unshare_cancel(s);
	if (supervisor_nodeos_alive(s)) {
		if (s->record.state == SLOT_RUNNING)
			supervisor_stop_nodeos(s);
		return;
	}
	loop_timer_remove(&s->loop, &s->timer);
	slot_work_quiesced(s);
	/* A data-dir that is copied is whole; one that is replaced is not. */
	if (slot_work_cancel_changes(s, "the slot was quiesced meanwhile")) {
		supervisor_set_state(s, SLOT_STOPPING, "ending what is done to the data-dir");
		return;
	}
	supervisor_set_state(s, SLOT_QUIESCED, "stopped on request; the container stays");
	answer_quiesce_calls(s);
}

/* --- process ------------------------------------------------------------------------ */

static void on_signal(struct loop_signal *sig UNUSED, int signo, void *arg)
{
	struct supervisor *s = arg;

	switch (signo) {
	case SIGCHLD:
		reap_orphans(s);
		break;
	case SIGHUP: /* nodeos reads its logging.json again */
		/* Only once its handlers are there: before and after it would die of it. */
		if (s->record.state == SLOT_RUNNING && s->health.has_info)
			(void)kill(s->child.pid, SIGHUP);
		break;
	default:
		log_info("asked to stop", "signal=%d", signo);
		begin_stop(s);
		break;
	}
}

static int set_up_peers(struct supervisor *s, struct err *e)
{
	char key[192];

	snprintf(key, sizeof(key), "%s.%llu", s->cfg->service, (unsigned long long)s->cfg->slot);
	s->follow = follow_new(&s->loop, s->prober, key, e);
	if (!s->follow)
		return -1;
	s->advertise = advertise_new(&s->loop, s->prober, s->cfg->advertise, ADVERTISE_METADATA, e);
	return s->advertise ? 0 : -1;
}

static int set_up(struct supervisor *s, struct err *e)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct err ignored = ERR_INIT;
	sigset_t set;

	s->pool = POOL_INIT;
	s->slot = SLOT_INIT;
	s->lock_fd = -1;
	s->loop.epfd = -1;
	s->render.disk_threshold_percent = 90;
	snprintf(s->record.service, sizeof(s->record.service), "%s", s->cfg->service);
	snprintf(s->record.task, sizeof(s->record.task), "%s", s->cfg->task);
	snprintf(s->record.node, sizeof(s->record.node), "%s", s->cfg->node);
	s->record.slot = s->cfg->slot;
	(void)gethostname(s->record.container, sizeof(s->record.container) - 1);
	(void)!boot_id(s->record.boot_id, &ignored);
	s->state_since_ns = clock_mono_ns();

	/* A producer's key is in here: no core dumps, no ptrace by a process of our uid. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "prctl(PR_SET_DUMPABLE)");
	(void)sigaction(SIGPIPE, &ignore, NULL);
	output_unblock_stdio();
	if (loop_init(&s->loop, e) < 0)
		return -1;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (loop_signal_add(&s->loop, &s->signals, &set, on_signal, s, e) < 0)
		return -1;
	s->prober = http_prober_new(&s->loop, e);
	if (!s->prober || set_up_peers(s, e) < 0)
		return -1;
	s->http = http_server_new(&s->loop,
	        &(struct http_server_config){ .address = s->cfg->address,
	                .port = s->cfg->port,
	                .handler = answer_http,
	                .arg = s,
	                .answers_later = true,
	                .max_connections = 64,
	                .max_per_address = 32 },
	        e);
	return s->http ? 0 : -1;
}

static void tear_down(struct supervisor *s)
{
	/* The loop broke: the one thing left to do is to let nodeos finish. */
	if (supervisor_nodeos_alive(s)) {
		stop_unwatched(s, s->child.pid);
		loop_child_remove(&s->loop, &s->child);
		supervisor_set_state(s, SLOT_STOPPED, "the supervisor failed");
	}
	producing_stop(s);
	slot_work_release(s);
	slot_look_release(s);
	work_free(TAKE(s->bounding));
	heal_release(s);
	slot_unshare_release(s);
	archivist_free(s->archivist, &s->loop);
	sampling_release(s);
	health_stop(s);
	probation_stop(s);
	follow_free(s->follow);
	advertise_free(s->advertise);
	http_server_free(s->http);
	answer_block_release(s);
	http_prober_free(s->prober);
	/* Before the lock is let go: the next supervisor makes a socket of the same name. */
	control_server_free(s->control);
	output_release(&s->output);
	loop_timer_remove(&s->loop, &s->timer);
	loop_timer_remove(&s->loop, &s->disk_timer);
	loop_signal_remove(&s->loop, &s->signals);
	loop_release(&s->loop);
	strvec_release(&s->peers);
	auto_close_fd(&s->lock_fd);
	slot_release(&s->slot);
	pool_release(&s->pool);
}

int supervise_run(const struct supervise_config *cfg, struct err *e)
{
	struct supervisor s = { .cfg = cfg };
	int rc = set_up(&s, e);

	if (rc == 0) {
		log_info("supervisor started", "service=%s slot=%llu task=%s pool=\"%s\"",
		        cfg->service, (unsigned long long)cfg->slot, cfg->task, cfg->pool);
		supervisor_attempt(&s);
		rc = loop_run(&s.loop, e);
	}
	tear_down(&s);
	return rc < 0 ? -1 : s.exit_status;
}
