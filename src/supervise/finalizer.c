#include "supervise/finalizer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "lease/claim.h"
#include "lease/client.h"
#include "loop/loop.h"
#include "nodeos/config.h"

/*
 * One key after the other, and one request at a time: read what stands; claim it if it is free;
 * what stands then is read from the answer, whether it was ours that won or another's.  A request
 * without an answer may have happened, which the next reading shows.
 */

#define ASK_LIMIT_NS (3 * NS_PER_SEC)
#define RETRY_NS     NS_PER_SEC
#define HELD_NS      (5 * NS_PER_SEC)

struct finalizers {
	struct loop *loop;
	struct lease_client *client;
	struct finalizer_keys keys;
	bool is_signing; /* the key is a producer's, and the holder a lease */
	size_t i;        /* the one that is asked for; keys.n: all stand */
	char holder[LEASE_HOLDER_SIZE], place[LEASE_PLACE_SIZE];
	struct loop_timer timer;
	enum finalizers_state state;
	char why[1024];
	finalizers_fn *fn;
	void *arg;
};

/* --- keys ------------------------------------------------------------------------------------ */

static int add_key(
        struct finalizer_keys *k, const char *name, const struct config_entry *x, struct err *e)
{
	size_t n = strcspn(x->value, "=");

	/* base64url, as Spring prints it */
	if (strspn(x->value + strlen(FINALIZER_PREFIX),
	            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_") <
	                n - strlen(FINALIZER_PREFIX) ||
	        n == strlen(FINALIZER_PREFIX) || n >= FINALIZER_KEY_SIZE)
		return err_set(e, ERR_USAGE,
		        "%s:%u: the public key of this signature-provider is no BLS key", name,
		        x->line);
	for (size_t i = 0; i < k->n; i++)
		if (strlen(k->key[i]) == n && strncmp(k->key[i], x->value, n) == 0)
			return 0;
	if (k->n == FINALIZER_KEYS_MAX)
		return err_set(e, ERR_USAGE, "%s:%u: more than %d finalizer keys", name, x->line,
		        FINALIZER_KEYS_MAX);
	snprintf(k->key[k->n++], FINALIZER_KEY_SIZE, "%.*s", (int)n, x->value);
	return 0;
}

int finalizer_keys_read(
        struct finalizer_keys *ret, const char *name, const char *text, size_t n, struct err *e)
{
	AUTO(config_ini) struct config_ini ini = CONFIG_INI_INIT;
	const struct config_entry *x = NULL;
	struct finalizer_keys k;

	k.n = 0;
	if (config_ini_parse(&ini, name, text, n, e) < 0)
		return -1;
	while ((x = config_ini_each(&ini, "signature-provider", x)))
		if (str_starts(x->value, FINALIZER_PREFIX, NULL) && add_key(&k, name, x, e) < 0)
			return -1;
	*ret = k;
	return 0;
}

/* --- claims ---------------------------------------------------------------------------------- */

static void ask(struct finalizers *f, const struct lease_record *write);

static void tell(struct finalizers *f, enum finalizers_state state, const char *why)
{
	bool is_same = f->state == state && strcmp(f->why, why) == 0;

	f->state = state;
	if (!is_same) {
		snprintf(f->why, sizeof(f->why), "%s", why);
		str_printable(f->why);
		f->fn(f->arg);
	}
}

/* From the first key on: what was ours when it was read may have been taken since. */
static void on_timer(struct loop_timer *t, void *arg)
{
	struct finalizers *f = arg;

	(void)t;
	f->i = 0;
	ask(f, NULL);
}

static void again(struct finalizers *f, int64_t after)
{
	loop_timer_set(f->loop, &f->timer, clock_mono_ns() + after, on_timer, f);
}

static void say_unheard(struct finalizers *f, const struct err *why)
{
	char text[sizeof(f->why)];

	/* Who has it by what was heard last has it still. */
	if (f->state != FINALIZERS_HELD) {
		snprintf(text, sizeof(text),
		        f->is_signing
		                ? "no right to sign before the key %.60s is known to be of no "
		                  "other lease: %.400s"
		                : "nodeos waits until its finalizer key %.40s... is known to be "
		                  "its own: %.400s",
		        f->keys.key[f->i], why ? why->msg : "no broker answers");
		tell(f, FINALIZERS_ASKING, text);
	}
	again(f, RETRY_NS);
}

static void say_held(struct finalizers *f, const struct lease_record *r)
{
	const char *key = f->keys.key[f->i];
	char text[sizeof(f->why)];

	if (!r->is_claim)
		snprintf(text, sizeof(text), "'%s' is a lease, and no claim of a key", r->name);
	else if (f->is_signing)
		snprintf(text, sizeof(text),
		        "the signing key %.60s belongs to lease '%s', and this slot has lease "
		        "'%s': one key with two leases has two signers.  If nothing with lease "
		        "'%s' will ever run again: nodeswarm producer finalizer release --force "
		        "%s",
		        key, r->holder, f->holder, r->holder, r->name);
	else
		snprintf(text, sizeof(text),
		        "finalizer key %.40s... belongs to '%s' (%.80s); votes of two nodes with "
		        "one key can finalize two chains.  If that one will never run again: "
		        "nodeswarm producer finalizer release %s",
		        key, r->holder, r->place, key);
	tell(f, FINALIZERS_HELD, text);
	again(f, HELD_NS);
}

static void claim(struct finalizers *f, const struct lease_record *stands)
{
	struct lease_record w = *stands;

	if (!w.version)
		lease_record_init(&w, stands->name);
	w.is_claim = true;
	w.term_ns = 0;
	w.epoch++;
	w.count = 0;
	w.floor = w.ceiling;
	memcpy(w.holder, f->holder, sizeof(w.holder));
	memcpy(w.place, f->place, sizeof(w.place));
	w.nonce[0] = '\0';
	lease_note_change(&w, clock_real_ns(),
	        f->is_signing ? "its slots sign with this key" : "nodeos has this finalizer key");
	ask(f, &w);
}

static void next_key(struct finalizers *f)
{
	if (++f->i < f->keys.n)
		ask(f, NULL);
	else
		tell(f, FINALIZERS_CLAIMED, "");
}

static void on_answer(void *arg, enum tenant_reply reply, const struct lease_record *stands,
        const struct err *why)
{
	struct finalizers *f = arg;

	if (reply == TENANT_UNKNOWN || !stands) {
		say_unheard(f, why);
		return;
	}
	if (stands->version && !stands->is_claim)
		say_held(f, stands);
	else if (!stands->holder[0])
		claim(f, stands);
	/* Of this data-dir, from whichever of its supervisors; or of this lease. */
	else if (strcmp(stands->place, f->place) == 0)
		next_key(f);
	else
		say_held(f, stands);
}

static void ask(struct finalizers *f, const struct lease_record *write)
{
	struct err e = ERR_INIT;
	char name[LEASE_NAME_SIZE];

	lease_claim_name(
	        name, f->is_signing ? LEASE_CLAIM_KEY : LEASE_CLAIM_FINALIZER, f->keys.key[f->i]);
	if (lease_client_ask(f->client, name, write, ASK_LIMIT_NS, on_answer, f, &e) < 0)
		say_unheard(f, &e);
}

static void on_begin(struct loop_timer *t, void *arg)
{
	struct finalizers *f = arg;

	(void)t;
	if (f->keys.n)
		ask(f, NULL);
	else
		tell(f, FINALIZERS_CLAIMED, "");
}

/* What is too long to stand in a record stands there as its digest. */
static void set_place(struct finalizers *f, const char *pool_id, const char *holder)
{
	char text[LEASE_PLACE_SIZE + LEASE_HOLDER_SIZE], hex[SHA256_HEX_SIZE];
	int n = snprintf(text, sizeof(text), "%s/%s", pool_id, holder);

	if (n < LEASE_PLACE_SIZE)
		memcpy(f->place, text, (size_t)n + 1);
	else
		snprintf(f->place, sizeof(f->place), "%s", sha256_hex(hex, text, strlen(text)));
}

struct finalizers *finalizers_new(struct loop *l, const struct finalizers_config *cfg,
        const struct finalizer_keys *keys, finalizers_fn *fn, void *arg, struct err *e)
{
	AUTO(finalizers_free) struct finalizers *f = calloc(1, sizeof(*f));

	if (!f) {
		err_sys(e, ENOMEM, "claims of finalizer keys");
		return NULL;
	}
	if (strlen(cfg->holder) >= sizeof(f->holder) || strlen(cfg->pool_id) >= LEASE_PLACE_SIZE) {
		err_set(e, ERR_USAGE, "'%.80s' is too long a name for who has a finalizer key",
		        cfg->holder);
		return NULL;
	}
	f->loop = l;
	f->keys = *keys;
	f->fn = fn;
	f->arg = arg;
	snprintf(f->holder, sizeof(f->holder), "%s", cfg->holder);
	set_place(f, cfg->pool_id, cfg->holder);
	if (cfg->is_signing)
		snprintf(f->place, sizeof(f->place), "lease %.100s", cfg->holder);
	f->is_signing = cfg->is_signing;
	if (keys->n && !(f->client = lease_client_new(l, cfg->brokers, cfg->token_path, e)))
		return NULL;
	/* Not from within finalizers_new(): the owner has no pointer yet. */
	loop_timer_set(l, &f->timer, clock_mono_ns(), on_begin, f);
	return TAKE(f);
}

void finalizers_free(struct finalizers *f)
{
	if (!f)
		return;
	loop_timer_remove(f->loop, &f->timer);
	lease_client_free(f->client);
	free(f);
}

enum finalizers_state finalizers_state(const struct finalizers *f)
{
	return f->state;
}

const char *finalizers_why(const struct finalizers *f)
{
	return f->why;
}
