/* Orders to producers, and claims of finalizer keys. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "base/table.h"
#include "cli/output.h"
#include "cli/wait.h"
#include "producer/claim.h"
#include "producer/lease_object.h"
#include "producer/order.h"

static const char *lease, *reason;
static int64_t wait_ns;
static bool force;

/* A person waits for it, and it takes seconds; a swarm without a leader takes half
 * a minute more. */
#define OPT_WAIT_MINUTE                                                                         \
	{                                                                                       \
		"wait", 0, "TIME", "wait at most TIME; 0 returns at once", .value = "1m",       \
		                                                           .duration = &wait_ns \
	}
#define OPT_LEASE                                                                                 \
	{                                                                                         \
		"lease", 0, "NAME", "the lease that they share",                                  \
		        .value = "producer", .env = "NODESWARM_LEASE", .check = lease_name_check, \
		        .string = &lease                                                          \
	}

static int check_reason(const char *value, struct err *e)
{
	if (strlen(value) >= LEASE_REASON_SIZE)
		return err_set(e, ERR_USAGE, "longer than %d bytes", LEASE_REASON_SIZE - 1);
	return 0;
}

#define OPT_REASON                                                                             \
	{                                                                                      \
		"reason", 0, "TEXT", "why, for the history",                                   \
		        .value = "asked for by hand", .check = check_reason, .string = &reason \
	}

static const struct opt order_opts[] = {
	OPT_LEASE,
	OPT_REASON,
	OPT_WAIT_MINUTE,
	{ NULL },
};

static const struct opt failover_opts[] = {
	{ "force", 0, NULL, "hand over although no standby is ready", .flag = &force },
	OPT_LEASE,
	OPT_REASON,
	OPT_WAIT_MINUTE,
	{ NULL },
};

static json_t *slot_or_null(uint32_t slot)
{
	return slot ? json_integer(slot) : json_null();
}

static int print_order(struct context *ctx, const struct producer_order *o, struct err *e)
{
	int64_t lost = producer_slots_lost(o);

	return output_value(ctx, "order",
	        json_pack("{s:s, s:o, s:o, s:o, s:I, s:b, s:f, s:o, s:o, s:o}", "lease", o->lease,
	                "order_id",
	                o->order_id ? json_integer((json_int_t)o->order_id) : json_null(), "from",
	                json_or_null(o->from), "holder", json_or_null(o->now), "epoch",
	                (json_int_t)o->epoch, "unchanged", o->is_unchanged, "seconds",
	                (double)(o->took_ns / NS_PER_MS) / 1000.0, "last_slot",
	                slot_or_null(o->last_slot), "first_slot", slot_or_null(o->first_slot),
	                "slots_lost", lost >= 0 ? json_integer(lost) : json_null()),
	        e);
}

typedef int order_fn(struct deploy *, struct producer_order *, struct err *);

/* Give it, and put what is known of it into the object. */
static int give(struct context *ctx, order_fn *fn, struct producer_order *o, struct err *e)
{
	struct err print = ERR_INIT;
	struct deploy d;
	int rc;

	o->lease = lease;
	o->reason = reason;
	if (wait_open(ctx, &d, wait_ns, e) < 0)
		return -1;
	rc = fn(&d, o, e);
	wait_close(&d);
	if (rc == 0 || o->order_id)
		if (print_order(ctx, o, rc < 0 ? &print : e) < 0)
			rc = -1;
	return rc;
}

/* --- failover ------------------------------------------------------------------------------- */

static void tell_slots(struct context *ctx, const struct producer_order *o)
{
	int64_t lost = producer_slots_lost(o);

	if (lost == 0)
		output_line(ctx, "no slot was lost: %s signed slot %" PRIu32 ", %s the next one",
		        o->from, o->last_slot, o->now);
	else if (lost > 0)
		output_line(ctx,
		        "%" PRId64 " %s between slot %" PRIu32
		        ", which %s signed last, and %" PRIu32
		        ", which %s signed first; those of other producers are not lost",
		        lost, lost == 1 ? "slot lies" : "slots lie", o->last_slot, o->from,
		        o->first_slot, o->now);
	else
		output_line(ctx, "how many slots were lost is not known%s",
		        o->first_slot ? ": the former holder has not said what it signed last"
		                      : ": the new holder has not said what it has signed");
}

static int run_failover(struct context *ctx, int argc, char **argv, struct err *e)
{
	struct producer_order o = { .to = argc ? argv[0] : NULL, .is_forced = force };
	char took[NUM_TEXT_MAX];

	if (give(ctx, producer_failover, &o, e) < 0)
		return -1;
	if (!*o.now) {
		output_line(ctx, "order %" PRIu64 " to hand over is given", o.order_id);
		return 0;
	}
	output_line(ctx, "%s has taken over from %s after %s, epoch %" PRIu64, o.now, o.from,
	        num_duration_text(took, o.took_ns), o.epoch);
	tell_slots(ctx, &o);
	return 0;
}

/* --- pause, resume --------------------------------------------------------------------------- */

static int run_pause(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	struct producer_order o = { .to = NULL };

	if (give(ctx, producer_pause, &o, e) < 0)
		return -1;
	if (*o.now)
		output_line(ctx, "order %" PRIu64 " to pause is given; %s still holds the lease",
		        o.order_id, o.now);
	else if (o.is_unchanged)
		output_line(ctx, "production is paused already, by order %" PRIu64, o.order_id);
	else
		output_line(ctx,
		        "production is paused: nobody holds the lease '%s', and nobody takes it "
		        "until 'nodeswarm producer resume'",
		        lease);
	return 0;
}

static int run_resume(struct context *ctx, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	struct producer_order o = { .to = NULL };

	if (give(ctx, producer_resume, &o, e) < 0)
		return -1;
	if (o.is_unchanged)
		output_line(ctx, "no order stands");
	else
		output_line(ctx, "the order is taken back");
	if (*o.now)
		output_line(ctx, "%s holds the lease '%s', epoch %" PRIu64, o.now, lease, o.epoch);
	else
		output_line(ctx,
		        "nobody holds the lease '%s' yet; 'nodeswarm producer status' says why",
		        lease);
	return 0;
}

/* --- finalizer ------------------------------------------------------------------------------- */

static int list_claims(struct context *ctx, struct deploy *d, struct err *e)
{
	static const struct table_column cols[] = {
		{ "CLAIM", "claim", TABLE_TEXT },
		{ "HOLDER", "holder", TABLE_TEXT },
		{ "SINCE", "since", TABLE_TEXT },
		{ "REASON", "reason", TABLE_WIDE },
		{ "", "place", TABLE_JSON },
	};
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));
	AUTO(free) struct lease_record *v = NULL;
	char at[CLOCK_TEXT_MAX];
	size_t n, bad;

	if (!t)
		return err_nomem(e);
	if (lease_object_claims(&v, &n, &bad, d->engine, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct lease_change *c = v[i].nhistory ? &v[i].history[0] : NULL;

		table_row(t);
		table_set(t, 0, json_string(v[i].name));
		table_set(t, 1, *v[i].holder ? json_string(v[i].holder) : NULL);
		table_set(t, 2, c ? json_string(clock_text(at, c->real_ns)) : NULL);
		table_set(t, 3, c ? json_string(c->reason) : NULL);
		table_set(t, 4, *v[i].place ? json_string(v[i].place) : NULL);
	}
	if (bad)
		output_warn(ctx, "%zu leases of this swarm cannot be read", bad);
	if (!n && !bad)
		output_note(ctx, "no finalizer key was ever claimed in this swarm");
	return n || ctx->json ? output_table(ctx, "claims", t, e) : 0;
}

static int release_claim(struct context *ctx, struct deploy *d, const char *key, struct err *e)
{
	char from[LEASE_HOLDER_SIZE] = "";
	int rc = producer_claim_release(d, key, force, from, e);

	if (rc < 0)
		return -1;
	if (rc > 0)
		output_line(ctx, "nobody has that key: there is nothing to release");
	else
		output_line(ctx,
		        "%s no longer has that key: it must never vote with it again, and its "
		        "finalizers/safety.dat is of no use to another",
		        from);
	return output_value(ctx, "released",
	        json_pack("{s:s, s:o, s:b}", "key", key, "from", json_or_null(from), "unchanged",
	                rc > 0),
	        e);
}

static const struct opt finalizer_opts[] = {
	{ "force", 0, NULL, "release it although its holder may run", .flag = &force },
	{ NULL },
};

static int run_finalizer(struct context *ctx, int argc, char **argv, struct err *e)
{
	struct deploy d;
	int rc;

	if (argc && strcmp(argv[0], "release") != 0)
		return command_usage(
		        ctx, e, "'%.40s' is not 'release', which is all that there is", argv[0]);
	if (argc == 1)
		return command_usage(ctx, e, "name the key, or its claim");
	if (wait_open(ctx, &d, WAIT_FOREVER, e) < 0)
		return -1;
	rc = argc ? release_claim(ctx, &d, argv[1], e) : list_claims(ctx, &d, e);
	wait_close(&d);
	return rc;
}

/* --- the commands ---------------------------------------------------------------------------- */

const struct command cmd_producer_failover = {
	.name = "producer failover",
	.group = "Producer",
	.args = "[TO]",
	.summary = "let another producer take over",
	.description =
	        "Whoever signs now signs once more and gives the lease back; a standby, or the "
	        "one named TO, takes it. Returns when that has signed its first block, and says "
	        "how many slots were lost between the two: none or one, as a rule. Exits 1 when "
	        "it has the lease and signs nothing for 15 s.\n\n"
	        "It is refused when no standby is ready. With --force nobody signs until somebody "
	        "can; if nobody else has taken it after 10 seconds, the former holder does.\n\n"
	        "Who stops waiting stops nothing: the order stands in the lease, and 'nodeswarm "
	        "producer resume' takes it back.",
	.examples = (const char *const[]){ "nodeswarm producer failover",
	        "nodeswarm producer failover producer-standby.1 --reason 'kernel update'", NULL },
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = failover_opts,
	.run = run_failover,
};

const struct command cmd_producer_pause = {
	.name = "producer pause",
	.group = "Producer",
	.args = "",
	.summary = "let nobody sign until 'producer resume'",
	.description =
	        "Whoever signs gives the lease back, and nobody takes it. The order stands in the "
	        "lease, so it outlasts restarts of producers, hosts and managers. Before the "
	        "first producer is started it keeps that from beginning.\n\n"
	        "Returns when nobody holds the lease. Producers go on following the chain.",
	.examples =
	        (const char *const[]){ "nodeswarm producer pause --reason 'new schedule'", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = order_opts,
	.run = run_pause,
};

const struct command cmd_producer_resume = {
	.name = "producer resume",
	.group = "Producer",
	.args = "",
	.summary = "take an order to producers back",
	.description =
	        "Ends a pause, and takes back a failover that has not come about. Returns when "
	        "somebody holds the lease, or at once if nobody is ready to take it.",
	.examples = (const char *const[]){ "nodeswarm producer resume", NULL },
	.flags = COMMAND_HAS_JSON,
	.opts = order_opts,
	.run = run_resume,
};

const struct command cmd_producer_finalizer = {
	.name = "producer finalizer",
	.group = "Producer",
	.args = "[release KEY]",
	.summary = "show who has which finalizer key, or take one from a slot",
	.description =
	        "A finalizer key (PUB_BLS_...) votes wherever it is configured, and no gate can "
	        "hold it back. So a slot claims its keys before its nodeos starts, a second slot "
	        "with the same key is held, and the claim stays with the slot, whose "
	        "finalizers/safety.dat knows what it has voted.\n\n"
	        "'release' takes a key from a slot that will never run again, which the swarm "
	        "cannot know: two that vote with one key can break finality. It is refused while "
	        "that slot's service has so many replicas, so also when only the key was taken out "
	        "of its configuration; then --force. KEY is the public key or the name of its "
	        "claim.",
	.examples = (const char *const[]){ "nodeswarm producer finalizer",
	        "nodeswarm producer finalizer release PUB_BLS_...", NULL },
	.max_args = 2,
	.flags = COMMAND_HAS_JSON,
	.opts = finalizer_opts,
	.run = run_finalizer,
};
