#include "supervise/producing.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "lease/record.h"
#include "lease/term.h"
#include "nodeos/exit.h"
#include "supervise/heal.h"
#include "supervise/supervise_priv.h"
#include "supervise/tenure.h"

/* A disk that is nearly full does not wait for brokers. */
#define LET_GO_DISK_NS (1 * NS_PER_SEC)
/* So old may the answer be that a finalizer key is ours, when nodeos is started. */
#define CLAIM_FRESH_NS (5 * NS_PER_SEC)

static void on_notify(void *arg)
{
	producing_turn(arg);
}

int producing_start(struct supervisor *s, struct err *e)
{
	const struct supervise_config *cfg = s->cfg;
	char holder[192], term[NUM_TEXT_MAX], means[LEASE_TERM_TEXT_SIZE];
	const struct tenure_config t = {
		.key_path = cfg->sign_key,
		.brokers = cfg->brokers,
		.token_path = cfg->broker_token,
		.lease_name = cfg->lease,
		.term_ns = cfg->lease_term_ns,
		.bootstrap = cfg->bootstrap,
		.compare = cfg->compare,
		.holder = holder,
		.pool_id = s->pool.id,
		.slot_fd = s->slot.fd,
	};

	if (s->producing.tenure || !cfg->sign_key || !*cfg->sign_key)
		return 0;
	snprintf(holder, sizeof(holder), "%s.%llu", cfg->service, (unsigned long long)cfg->slot);
	s->producing.tenure = tenure_start(&s->loop, &t, on_notify, s, e);
	if (!s->producing.tenure)
		return err_wrap(e, "the signing gate");
	log_info("signing gate", "lease=%s holder=%s term=%s means=\"%s\" provider=\"%s\"",
	        cfg->lease, holder, num_duration_text(term, cfg->lease_term_ns),
	        lease_term_text(cfg->lease_term_ns, means, sizeof(means)),
	        tenure_signature_provider(s->producing.tenure));
	return 0;
}

void producing_stop(struct supervisor *s)
{
	tenure_stop(s->producing.tenure);
	s->producing.tenure = NULL;
	finalizers_free(s->producing.finalizers);
	finalizers_free(s->producing.sign_claim);
	s->producing.finalizers = s->producing.sign_claim = NULL;
}

const char *producing_signature_provider(const struct supervisor *s)
{
	return s->producing.tenure ? tenure_signature_provider(s->producing.tenure) : NULL;
}

/* What stands on the command line counts more than config.ini does. */
int producing_check_args(const struct supervisor *s, struct err *e)
{
	static const char *const keys[] = { "--keosd-provider-timeout", "--pause-on-startup",
		"--enable-stale-production", "--connection-cleanup-period", "--private-key" };

	if (!s->producing.tenure)
		return 0;
	for (char *const *a = s->cfg->argv; *a; a++) {
		size_t n = strcspn(*a, "=");

		/* boost takes any beginning that stands for one option only. */
		for (size_t i = 0; i < ARRAY_LEN(keys); i++)
			if (n > strlen("--p") && strncmp(*a, keys[i], n) == 0)
				return err_set(e, ERR_USAGE,
				        "nodeos option '%.*s' is refused where there is a signing "
				        "gate: it can stand for '%s', which is in config.ini",
				        (int)n, *a, keys[i]);
	}
	return 0;
}

/* --- keys of finalizers --------------------------------------------------------------------- */

static bool are_same(const struct finalizer_keys *a, const struct finalizer_keys *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(a->key[i], b->key[i]))
			return false;
	return true;
}

static void drop_claims(struct producing *p)
{
	finalizers_free(p->finalizers);
	p->finalizers = NULL;
}

int producing_note_keys(struct supervisor *s, const char *text, size_t n, struct err *e)
{
	struct producing *p = &s->producing;
	struct finalizer_keys keys;

	if (finalizer_keys_read(&keys, "config.ini", text, n, e) < 0)
		return -1;
	if (are_same(&keys, &p->keys))
		return 0;
	drop_claims(p);
	p->keys = keys;
	return 0;
}

static bool are_unclaimed(const struct supervisor *s)
{
	return s->producing.keys.n > 0 && !(s->cfg->brokers && *s->cfg->brokers);
}

static void on_claims(void *arg)
{
	struct supervisor *s = arg;

	s->producing.claimed_ns = clock_boot_ns();
	if (s->record.state == SLOT_STARTING || s->record.state == SLOT_HELD)
		supervisor_attempt_in(s, 0);
}

static int begin_claims(struct supervisor *s, struct err *e)
{
	struct producing *p = &s->producing;
	char holder[192];
	const struct finalizers_config f = {
		.brokers = s->cfg->brokers,
		.token_path = s->cfg->broker_token,
		.holder = holder,
		.pool_id = s->pool.id,
	};

	snprintf(holder, sizeof(holder), "%s.%llu", s->cfg->service,
	        (unsigned long long)s->cfg->slot);
	p->finalizers = finalizers_new(&s->loop, &f, &p->keys, on_claims, s, e);
	return p->finalizers ? 0 : -1;
}

int producing_claim_keys(struct supervisor *s, struct err *e)
{
	struct producing *p = &s->producing;
	struct err why = ERR_INIT;

	if (!p->keys.n)
		return 0;
	if (are_unclaimed(s)) {
		err_set(&why, ERR_USAGE,
		        "config.ini has finalizer keys, and there is no broker to claim them with: "
		        "nothing would stop another node with the same key");
		(void)err_hint(&why, "NODESWARM_BROKER, or take " FINALIZER_PREFIX "... out");
		supervisor_hold_for(s, HOLD_FINAL, &why);
		return 1;
	}
	/* An answer that has not been used at once is none about now. */
	if (p->finalizers && finalizers_state(p->finalizers) == FINALIZERS_CLAIMED &&
	        clock_boot_ns() - p->claimed_ns > CLAIM_FRESH_NS)
		drop_claims(p);
	if (!p->finalizers && begin_claims(s, e) < 0)
		return err_wrap(e, "keys of finalizers");
	switch (finalizers_state(p->finalizers)) {
	case FINALIZERS_CLAIMED:
		/* The next start asks again: it may have been taken from us by hand. */
		drop_claims(p);
		return 0;
	case FINALIZERS_ASKING:
		supervisor_set_state(s, SLOT_STARTING, "claiming the keys of finalizers: %s",
		        finalizers_why(p->finalizers));
		supervisor_attempt_in(s, NS_PER_SEC);
		break;
	case FINALIZERS_HELD:
		err_set(&why, ERR_CONFLICT, "%s", finalizers_why(p->finalizers));
		supervisor_hold_for(s, HOLD_RETRY, &why);
		break;
	}
	return 1;
}

/* --- the key that signs ---------------------------------------------------------------------- */

static void on_sign_claim(void *arg)
{
	struct supervisor *s = arg;
	const struct finalizers *f = s->producing.sign_claim;

	if (finalizers_state(f) == FINALIZERS_HELD)
		log_warn("the signing key belongs to another lease", "lease=%s why=\"%s\"",
		        s->cfg->lease, finalizers_why(f));
	producing_turn(s);
}

/* It is asked for with each start of nodeos, which meanwhile follows the chain. */
static int begin_sign_claim(struct supervisor *s, struct err *e)
{
	struct producing *p = &s->producing;
	const char *provider = tenure_signature_provider(p->tenure);
	struct finalizer_keys keys = { .n = 1 };
	const struct finalizers_config f = {
		.brokers = s->cfg->brokers,
		.token_path = s->cfg->broker_token,
		.holder = s->cfg->lease,
		.pool_id = s->pool.id,
		.is_signing = true,
	};

	snprintf(keys.key[0], sizeof(keys.key[0]), "%.*s", (int)strcspn(provider, "="), provider);
	finalizers_free(p->sign_claim);
	p->sign_claim = finalizers_new(&s->loop, &f, &keys, on_sign_claim, s, e);
	return p->sign_claim ? 0 : err_wrap(e, "the claim of the signing key");
}

/* Why this slot takes no part in its lease; NULL: it may. */
static const char *sign_claim_why(const struct supervisor *s)
{
	const struct finalizers *f = s->producing.sign_claim;

	if (f && finalizers_state(f) == FINALIZERS_CLAIMED)
		return NULL;
	return f && *finalizers_why(f) ? finalizers_why(f)
	                               : "the claim of the signing key is being read";
}

void producing_warnings(const struct supervisor *s, json_t *list)
{
	const struct finalizers *f = s->producing.sign_claim;

	if (f && finalizers_state(f) == FINALIZERS_HELD)
		(void)json_array_append_new(list, json_string(finalizers_why(f)));
}

/* --- a run of nodeos ------------------------------------------------------------------------ */

int producing_nodeos_started(struct supervisor *s, pid_t pid, struct err *e)
{
	struct producing *p = &s->producing;

	p->is_fenced = false;
	p->let_go_until_ns = 0;
	if (!p->tenure)
		return 0;
	tenure_fit(p->tenure, false, "nodeos does not answer yet");
	if (begin_sign_claim(s, e) < 0)
		return -1;
	if (tenure_nodeos(p->tenure, pid, s->render.http_host, s->render.http_port, e) < 0)
		return -1;
	tenure_take_up(p->tenure);
	return 0;
}

void producing_nodeos_ended(struct supervisor *s, bool asked)
{
	struct producing *p = &s->producing;
	char why[sizeof(p->fenced_why)] = "";

	p->is_fenced = false;
	if (!p->tenure)
		return;
	if (tenure_asks_restart(p->tenure, why, sizeof(why))) {
		p->is_fenced = true;
		memcpy(p->fenced_why, why, sizeof(why));
		log_event(asked ? LOG_INFO : LOG_WARN, "nodeos was ended for the lease's sake",
		        "by=%s why=\"%s\"", asked ? "supervisor" : "tenure", why);
	}
	tenure_nodeos_gone(p->tenure);
}

bool producing_explains(const struct supervisor *s, struct nodeos_exit *x)
{
	const struct producing *p = &s->producing;

	if (!p->is_fenced || nodeos_exit_is_damage(x))
		return false;
	if (x->class == NODEOS_EXIT_STOPPED || x->class == NODEOS_EXIT_UNASKED ||
	        x->class == NODEOS_EXIT_KILLED)
		snprintf(x->why, sizeof(x->why), "ended for the lease's sake: %.190s",
		        p->fenced_why);
	return true;
}

bool producing_starts_again(struct supervisor *s, const struct nodeos_exit *x)
{
	if (!s->producing.is_fenced || nodeos_exit_is_damage(x) ||
	        !record_verdict_is_clean(s->record.verdict))
		return false;
	supervisor_set_state(s, SLOT_STARTING, "%s", x->why);
	supervisor_attempt(s);
	return true;
}

/* --- while it runs -------------------------------------------------------------------------- */

static bool is_about_to_stop(const struct supervisor *s)
{
	return s->stop_asked || s->quiesce_asked || s->disk_asked || s->heal_stop_asked ||
	        s->record.state != SLOT_RUNNING ||
	        (s->work.kind != SLOT_WORK_NONE && s->work.stage == SLOT_WORK_STOPPING);
}

/* The first node of a chain has nobody to be level with, so it is never ready for the front before
 * it has made blocks; whom there is to compare with, the tenure asks. */
static bool is_fit(const struct supervisor *s)
{
	if (sign_claim_why(s) || is_about_to_stop(s) || heal_is_unproven(s) ||
	        s->health.has_failed_probation)
		return false;
	return supervisor_is_ready(s) || (s->cfg->bootstrap && health_answers(s));
}

static void count_changes(struct supervisor *s)
{
	struct producing *p = &s->producing;
	AUTO(json) json_t *j = tenure_json(p->tenure);
	bool holds = json_bool(j, "holds", p->holds);

	p->changes += holds != p->holds;
	p->holds = holds;
}

void producing_turn(struct supervisor *s)
{
	struct tenure_thread *t = s->producing.tenure;
	const char *why = answer_reason(s), *claim = sign_claim_why(s);
	char restart[200] = "";

	if (!t)
		return;
	count_changes(s);
	if (is_about_to_stop(s))
		why = "nodeos is to be stopped";
	else if (claim)
		why = claim;
	tenure_fit(t, is_fit(s), why);
	if (supervisor_nodeos_alive(s) && s->record.state == SLOT_RUNNING &&
	        tenure_asks_restart(t, restart, sizeof(restart)))
		supervisor_restart_nodeos(s, restart);
	else if (tenure_is_forked(t, restart, sizeof(restart)))
		heal_forked(s, restart);
}

/* --- stops of ours -------------------------------------------------------------------------- */

bool producing_gives_up(struct supervisor *s, const char *why)
{
	struct producing *p = &s->producing;
	int64_t limit = s->cfg->lease_term_ns;

	if (!p->tenure)
		return true;
	if (s->disk_asked && limit > LET_GO_DISK_NS)
		limit = LET_GO_DISK_NS;
	tenure_give_up(p->tenure, why);
	p->let_go_until_ns = clock_mono_ns() + limit;
	return producing_has_let_go(s);
}

bool producing_has_let_go(const struct supervisor *s)
{
	const struct producing *p = &s->producing;

	return !p->tenure || tenure_is_idle(p->tenure) || clock_mono_ns() >= p->let_go_until_ns;
}

int producing_may_stop_for_work(const struct supervisor *s, struct err *e)
{
	AUTO(json) json_t *j = producing_json(s);
	const char *state = json_str(j, "state", "down");

	if (str_eq(state, "down") || str_eq(state, "standby"))
		return 0;
	err_set(e, ERR_CONFLICT, "the slot has the right to sign blocks, or is about to get it: %s",
	        state);
	return err_hint(e, "ask a standby, or after 'nodeswarm producer failover'");
}

/* --- what it tells -------------------------------------------------------------------------- */

json_t *producing_json(const struct supervisor *s)
{
	return s->producing.tenure ? tenure_json(s->producing.tenure) : json_null();
}

static int head(struct buf *out, const char *name, const char *type, const char *help)
{
	return buf_add_fmt(out,
	        "# HELP nodeswarm_producer_%s %s\n# TYPE nodeswarm_producer_%s %s\n", name, help,
	        name, type);
}

/* label: "" or ",name=\"value\"" */
static int sample(
        struct buf *out, const struct supervisor *s, const char *name, const char *label, double v)
{
	return buf_add_fmt(out, "nodeswarm_producer_%s{service=\"%s\",slot=\"%llu\"%s} %.15g\n",
	        name, s->cfg->service, (unsigned long long)s->cfg->slot, label, v);
}

static int refusals(struct buf *out, const struct supervisor *s, json_t *by)
{
	const char *reason;
	json_t *n;

	if (head(out, "refused_total", "counter", "Digests that the gate did not sign.") < 0)
		return -1;
	json_object_foreach(by, reason, n)
	{
		char label[80];

		snprintf(label, sizeof(label), ",reason=\"%.40s\"", reason);
		if (sample(out, s, "refused_total", label, (double)json_integer_value(n)) < 0)
			return -1;
	}
	return 0;
}

int producing_metrics(struct buf *out, const struct supervisor *s)
{
	AUTO(json) json_t *j = producing_json(s);
	const json_t *right = json_object_get(j, "right_seconds");
	char state[80];

	if (!json_is_object(j))
		return 0;
	snprintf(state, sizeof(state), ",state=\"%.40s\"", json_str(j, "state", "down"));
	if (head(out, "state", "gauge", "1 for the state that the producer is in.") < 0 ||
	        sample(out, s, "state", state, 1) < 0 ||
	        head(out, "epoch", "gauge", "Epoch of the lease, as it was seen last.") < 0 ||
	        sample(out, s, "epoch", "", (double)json_int(j, "epoch", 0)) < 0 ||
	        head(out, "right_seconds", "gauge", "How long the right to sign is still held.") <
	                0 ||
	        sample(out, s, "right_seconds", "", json_number_value(right)) < 0 ||
	        head(out, "signed_total", "counter", "Signatures that the gate gave.") < 0 ||
	        sample(out, s, "signed_total", "", (double)json_int(j, "signed", 0)) < 0 ||
	        head(out, "changes_total", "counter",
	                "How often this slot got or lost the lease.") < 0 ||
	        sample(out, s, "changes_total", "", (double)s->producing.changes) < 0)
		return -1;
	return refusals(out, s, json_object_get(j, "refusals"));
}
