#include "supervise/tenure.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/boot_id.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "supervise/tenure_priv.h"

/*
 * Letters go one way and the view comes back, each copied under the lock and never with anything
 * slow in between: the supervisor never waits for the thread, nor the thread for the supervisor.
 * Each letter says everything, so one that comes before the last was read takes nothing away.
 *
 * A signal is sent to nodeos by its pidfd alone.  The supervisor makes it while the child is not
 * yet reaped, so it is of that child and of no other, whoever has the number later.
 */

/* --- letters ---------------------------------------------------------------------------------- */

static struct tenure_mail *letter_begin(struct tenure_thread *t)
{
	(void)pthread_mutex_lock(&t->lock);
	t->mail.number++;
	return &t->mail;
}

static void letter_send(struct tenure_thread *t)
{
	uint64_t one = 1;

	(void)pthread_mutex_unlock(&t->lock);
	/* It can fail only if the counter were full. */
	(void)!write(t->mail_fd, &one, sizeof(one));
}

int tenure_nodeos(
        struct tenure_thread *t, pid_t pid, const char *host, uint16_t port, struct err *e)
{
	struct tenure_mail *m;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), old;

	if (fd < 0)
		return err_sys(e, errno, "pidfd_open %d", (int)pid);
	m = letter_begin(t);
	old = m->pidfd;
	m->nodeos++;
	m->is_gone = false;
	m->pid = pid;
	m->pidfd = fd;
	m->port = port;
	snprintf(m->host, sizeof(m->host), "%s", host);
	letter_send(t);
	if (old >= 0)
		(void)close(old);
	return 0;
}

void tenure_nodeos_gone(struct tenure_thread *t)
{
	letter_begin(t)->is_gone = true;
	letter_send(t);
}

void tenure_fit(struct tenure_thread *t, bool is_fit, const char *why)
{
	const char *text = why ? why : "";
	struct tenure_mail *m;
	bool is_known;

	/* It is told at each look, several times a second. */
	(void)pthread_mutex_lock(&t->lock);
	is_known = t->mail.is_fit == is_fit &&
	        strncmp(t->mail.unfit_why, text, sizeof(t->mail.unfit_why) - 1) == 0;
	(void)pthread_mutex_unlock(&t->lock);
	if (is_known)
		return;
	m = letter_begin(t);
	m->is_fit = is_fit;
	snprintf(m->unfit_why, sizeof(m->unfit_why), "%s", text);
	letter_send(t);
}

void tenure_give_up(struct tenure_thread *t, const char *why)
{
	struct tenure_mail *m = letter_begin(t);

	m->gives_up = true;
	snprintf(m->give_up_why, sizeof(m->give_up_why), "%s", why ? why : "");
	letter_send(t);
}

void tenure_take_up(struct tenure_thread *t)
{
	letter_begin(t)->gives_up = false;
	letter_send(t);
}

/* --- the view --------------------------------------------------------------------------------- */

static void view_get(struct tenure_thread *t, struct tenure_view *ret, uint64_t *ret_nodeos)
{
	(void)pthread_mutex_lock(&t->lock);
	*ret = t->view;
	*ret_nodeos = t->mail.nodeos;
	(void)pthread_mutex_unlock(&t->lock);
}

bool tenure_is_idle(struct tenure_thread *t)
{
	bool is_idle;

	(void)pthread_mutex_lock(&t->lock);
	is_idle = t->view.is_idle && t->view.mail == t->mail.number;
	(void)pthread_mutex_unlock(&t->lock);
	return is_idle;
}

bool tenure_asks_restart(struct tenure_thread *t, char *why, size_t size)
{
	struct tenure_view v;
	uint64_t nodeos;

	view_get(t, &v, &nodeos);
	if (!*v.restart_why || v.restart_nodeos != nodeos)
		return false;
	snprintf(why, size, "%s", v.restart_why);
	return true;
}

bool tenure_is_forked(struct tenure_thread *t, char *why, size_t size)
{
	struct tenure_view v;
	uint64_t nodeos;

	view_get(t, &v, &nodeos);
	if (!v.wants_heal || v.restart_nodeos != nodeos)
		return false;
	snprintf(why, size, "%s", v.forked_why);
	return true;
}

const char *tenure_signature_provider(const struct tenure_thread *t)
{
	return t->provider;
}

static json_t *refusals_json(const struct gate_counts *c, uint64_t *ret_refused)
{
	json_t *o = json_object();

	*ret_refused = 0;
	for (int r = GATE_SIGNED + 1; o && r < GATE_REFUSALS; r++) {
		*ret_refused += c->by[r];
		(void)json_object_set_new(o, gate_refusal_name((enum gate_refusal)r),
		        json_integer((json_int_t)c->by[r]));
	}
	return o;
}

json_t *tenure_json(struct tenure_thread *t)
{
	struct tenure_view v;
	uint64_t nodeos, refused;
	int64_t left;
	json_t *refusals, *j;

	view_get(t, &v, &nodeos);
	left = v.until_ns - clock_boot_ns();
	refusals = refusals_json(&v.counts, &refused);
	j = json_pack("{s:s, s:s, s:s, s:I, s:s, s:b, s:f, s:f, s:b, s:I, s:I, s:o, s:I, s:o, s:s,"
	              " s:s, s:I, s:o, s:o}",
	        "state", tenure_state_name(v.state), "why", v.why, "lease", t->lease_name, "epoch",
	        (json_int_t)v.epoch, "holder", v.holder, "holds", v.holds, "right_seconds",
	        v.holds && left > 0 ? (double)(left / NS_PER_MS) / 1000 : 0.0, "term_seconds",
	        (double)(t->term_ns / NS_PER_MS) / 1000, "gate_open", v.counts.is_open, "signed",
	        (json_int_t)v.counts.by[GATE_SIGNED], "refused", (json_int_t)refused, "refusals",
	        refusals, "last_signed_slot", (json_int_t)v.counts.last_slot, "last_signed",
	        json_time_or_null(v.counts.last_signed_real_ns), "public_key",
	        gate_public_key(t->gate), "order", lease_order_name(v.order), "gate_worst_us",
	        (json_int_t)(v.counts.worst_ns / 1000), "paused",
	        v.pause == TENURE_PAUSE_UNKNOWN ? json_null()
	                                        : json_boolean(v.pause == TENURE_PAUSED),
	        "forked", *v.forked_why ? json_string(v.forked_why) : json_null());
	return j ? j : json_null();
}

/* --- who we are ------------------------------------------------------------------------------- */

/*
 * The same for each process that has this slot's lock on this boot of the machine, and for no
 * other: such a one may take its own lease back at once.  The lock is one of an inode, so it is
 * part of it: a slot that is renamed or copied under its holder is another place.  The holder has
 * it open, so its number is nobody else's.  What is too long for it is represented by its digest.
 */
static int make_place(char out[LEASE_PLACE_SIZE], const struct tenure_config *cfg, struct err *e)
{
	char boot[BOOT_ID_SIZE], hex[SHA256_HEX_SIZE], name[LEASE_HOLDER_SIZE + 40];
	struct stat st;

	if (boot_id(boot, e) < 0)
		return -1;
	if (fstat(cfg->slot_fd, &st) < 0)
		return err_sys(e, errno, "look at the slot's directory");
	snprintf(name, sizeof(name), "%s/%llx.%llx", cfg->holder, (unsigned long long)st.st_dev,
	        (unsigned long long)st.st_ino);
	if (strlen(cfg->pool_id) + strlen(name) + strlen(boot) + 3 > LEASE_PLACE_SIZE) {
		(void)sha256_hex(hex, name, strlen(name));
		hex[32] = '\0';
		snprintf(name, sizeof(name), "%s", hex);
	}
	if (snprintf(out, LEASE_PLACE_SIZE, "%s/%s/%s", cfg->pool_id, name, boot) >=
	        LEASE_PLACE_SIZE)
		return err_set(e, ERR_USAGE, "the pool's id '%.40s...' is too long", cfg->pool_id);
	str_printable(out);
	return 0;
}

static int make_nonce(char out[LEASE_NONCE_SIZE], struct err *e)
{
	unsigned char bytes[(LEASE_NONCE_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_sys(e, errno, "getrandom");
	hex_encode(out, bytes, sizeof(bytes));
	return 0;
}

static int make_tenant(struct tenant_config *ret, const struct tenure_config *cfg,
        uint32_t last_slot, struct err *e)
{
	*ret = (struct tenant_config){ .term_ns = cfg->term_ns, .last_slot = last_slot };
	/* The first of a chain has nobody to wait for. */
	if (!cfg->bootstrap)
		ret->first_wait_ns = LEASE_TERM_LONG_NS;
	snprintf(ret->name, sizeof(ret->name), "%s", cfg->lease_name);
	if (snprintf(ret->holder, sizeof(ret->holder), "%s", cfg->holder) >=
	        (int)sizeof(ret->holder))
		return err_set(e, ERR_USAGE, "'%.40s...' is too long for the holder of a lease",
		        cfg->holder);
	if (make_place(ret->place, cfg, e) < 0 || make_nonce(ret->nonce, e) < 0)
		return -1;
	return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static int check(const struct tenure_config *cfg, struct err *e)
{
	if (!cfg->key_path || !*cfg->key_path)
		return err_set(e, ERR_USAGE, "there is no signing key");
	if (cfg->term_ns < LEASE_TERM_MIN_NS || cfg->term_ns > LEASE_TERM_MAX_NS)
		return err_set(e, ERR_USAGE, "the term of a lease is 3 s to 300 s");
	return lease_name_check(cfg->lease_name, e);
}

static void on_notify(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	struct tenure_thread *t = arg;
	uint64_t count;

	if (read(io->fd, &count, sizeof(count)) < 0)
		return;
	t->notify(t->notify_arg);
}

static int add_notify(struct tenure_thread *t, struct err *e)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return err_sys(e, errno, "eventfd");
	if (loop_io_add(t->owner, &t->notify_io, fd, LOOP_READ, on_notify, t, e) < 0) {
		(void)close(fd);
		return -1;
	}
	return 0;
}

static int set_up_gate(struct tenure_thread *t, const struct tenure_config *cfg, struct err *e)
{
	t->gate = gate_start(
	        &(struct gate_config){
	                .key_path = cfg->key_path, .dirfd = cfg->slot_fd, .right = &t->right },
	        e);
	if (!t->gate)
		return -1;
	gate_get_counts(t->gate, &t->counts);
	t->view.counts = t->counts;
	snprintf(t->provider, sizeof(t->provider), "%s=KEOSD:http://127.0.0.1:%u" GATE_PATH,
	        gate_public_key(t->gate), (unsigned)gate_port(t->gate));
	return 0;
}

static int set_up_loop(struct tenure_thread *t, const struct tenure_config *cfg, struct err *e)
{
	if (loop_init(&t->loop, e) < 0)
		return -1;
	t->has_loop = true;
	t->prober = http_prober_new(&t->loop, e);
	t->client = t->prober ? lease_client_new(&t->loop, cfg->brokers, cfg->token_path, e) : NULL;
	t->ask = t->client ? tenure_ask_new(&t->loop, t->prober, tenure_turn, t, e) : NULL;
	t->compare = t->ask ? tenure_compare_new(&t->loop, t->prober, cfg->compare, cfg->holder,
	                              tenure_turn, t, e)
	                    : NULL;
	return t->compare ? 0 : -1;
}

static int set_up(struct tenure_thread *t, const struct tenure_config *cfg, struct err *e)
{
	struct tenant_config tenant;

	if (check(cfg, e) < 0 || set_up_gate(t, cfg, e) < 0 || set_up_loop(t, cfg, e) < 0 ||
	        make_tenant(&tenant, cfg, t->counts.last_slot, e) < 0)
		return -1;
	snprintf(t->lease_name, sizeof(t->lease_name), "%s", cfg->lease_name);
	t->term_ns = cfg->term_ns;
	t->bootstrap = cfg->bootstrap;
	tenure_init(&t->plan, &tenant, clock_boot_ns());
	snprintf(t->view.why, sizeof(t->view.why), "%s", t->plan.why);
	t->view.is_idle = true;
	t->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->mail_fd < 0)
		return err_sys(e, errno, "eventfd");
	return add_notify(t, e);
}

/* With all of them blocked no signal can end up in the thread. */
static int start_thread(struct tenure_thread *t, struct err *e)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&t->thread, NULL, tenure_thread_run, t);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return err_sys(e, rc, "start a thread");
	t->has_thread = true;
	return 0;
}

struct tenure_thread *tenure_start(struct loop *l, const struct tenure_config *cfg,
        tenure_notify_fn *notify, void *arg, struct err *e)
{
	struct tenure_thread *t = calloc(1, sizeof(*t));

	if (!t) {
		err_nomem(e);
		return NULL;
	}
	t->owner = l;
	t->notify = notify;
	t->notify_arg = arg;
	t->mail_fd = t->mail.pidfd = t->heard.pidfd = t->pidfd = -1;
	(void)pthread_mutex_init(&t->lock, NULL);
	lease_right_init(&t->right);
	if (set_up(t, cfg, e) < 0 || start_thread(t, e) < 0) {
		tenure_stop(t);
		return NULL;
	}
	return t;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static void release_loop(struct tenure_thread *t)
{
	tenure_compare_free(t->compare);
	tenure_ask_free(t->ask);
	lease_client_free(t->client);
	http_prober_free(t->prober);
	if (t->has_loop)
		loop_release(&t->loop);
}

void tenure_stop(struct tenure_thread *t)
{
	if (!t)
		return;
	if (t->has_thread) {
		letter_begin(t)->stops = true;
		letter_send(t);
		(void)pthread_join(t->thread, NULL);
	}
	gate_stop(t->gate);
	release_loop(t);
	if (t->notify_io.added) {
		int fd = t->notify_io.fd;

		loop_io_remove(t->owner, &t->notify_io);
		close_fd(fd);
	}
	close_fd(t->mail_fd);
	close_fd(t->mail.pidfd);
	close_fd(t->pidfd);
	lease_right_release(&t->right);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}
