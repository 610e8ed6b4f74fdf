#include "cli/check_canary.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "base/strvec.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "http/url.h"
#include "nodeos/name.h"
#include "nodeos/sign.h"
#include "nodeos/transaction.h"

#define DEFAULT_NS      (60 * NS_PER_SEC)
#define IRREVERSIBLE_NS (5 * 60 * NS_PER_SEC)

struct check_canary {
	struct context *ctx;
	const struct check_canary_options *o;
	char *via; /* without a slash at its end */
	struct transfer transfer;
	struct sign_key *key;
	struct canary_report report;
};

/* --- options --------------------------------------------------------------------------- */

/* "ACCOUNT[@PERMISSION]" */
static int read_from(struct transfer *t, const char *value, struct err *e)
{
	const char *at = strchrnul(value, '@');
	AUTO(free) char *account = strndup(value, (size_t)(at - value));

	if (!account)
		return err_nomem(e);
	if (nodeos_name_parse(&t->from, account, e) < 0)
		return -1;
	return nodeos_name_parse(&t->permission, *at ? at + 1 : "active", e);
}

int check_canary_from(const char *value, struct err *e)
{
	struct transfer unused;

	return read_from(&unused, value, e);
}

int check_canary_account(const char *value, struct err *e)
{
	uint64_t unused;

	return nodeos_name_parse(&unused, value, e);
}

int check_canary_quantity(const char *value, struct err *e)
{
	struct nodeos_asset unused;

	return nodeos_asset_parse(&unused, value, e);
}

int check_canary_memo(const char *value, struct err *e)
{
	if (strlen(value) > TRANSFER_MEMO_MAX)
		return err_set(e, ERR_USAGE, "a memo has at most %d bytes", TRANSFER_MEMO_MAX);
	return str_is_utf8(value) ? 0 : err_set(e, ERR_USAGE, "this memo is not UTF-8");
}

static int read_transfer(struct transfer *t, const struct check_canary_options *o, struct err *e)
{
	if (read_from(t, o->from, e) < 0 || nodeos_name_parse(&t->to, o->to, e) < 0 ||
	        nodeos_name_parse(&t->contract, o->contract, e) < 0 ||
	        nodeos_asset_parse(&t->quantity, o->quantity, e) < 0)
		return -1;
	if (o->memo)
		snprintf(t->memo, sizeof(t->memo), "%s", o->memo);
	return transfer_check(t, e);
}

static int check_via(const char *via, struct err *e)
{
	AUTO(http_url) struct http_url u = { 0 };

	if (http_url_parse(&u, via, e) < 0)
		return -1;
	/* Not quoted: a password may stand there. */
	if (u.has_user)
		return err_set(e, ERR_USAGE, "a user in a URL is not sent: leave it out");
	if (strcmp(u.scheme, "http") != 0 && strcmp(u.scheme, "https") != 0)
		return err_set(e, ERR_USAGE, "'%.200s' is not a URL of http or https", via);
	if (strcmp(u.path, "/") != 0)
		return err_set(
		        e, ERR_USAGE, "'%.200s' has a path: http://HOST[:PORT] is enough", via);
	return 0;
}

static const char *first_of(const struct strvec *sv)
{
	return sv && sv->n ? sv->v[0] : NULL;
}

struct check_canary *check_canary_new(struct context *ctx, const struct check_canary_options *o,
        const struct strvec *nodes, const struct strvec *references, struct err *e)
{
	AUTO(check_canary_free) struct check_canary *c = calloc(1, sizeof(*c));
	const char *via = o->via  ? o->via
	        : first_of(nodes) ? first_of(nodes)
	                          : first_of(references);

	if (!c) {
		err_nomem(e);
		return NULL;
	}
	c->ctx = ctx;
	c->o = o;
	c->report = CANARY_REPORT_INIT;
	if (!o->from || !o->to) {
		command_usage(ctx, e, "--canary needs --canary-from and --canary-to");
		return NULL;
	}
	if (!via) {
		command_usage(ctx, e,
		        "--canary needs a nodeos or a front to send to: give --canary-via URL");
		return NULL;
	}
	if (read_transfer(&c->transfer, o, e) < 0 || check_via(via, e) < 0) {
		err_wrap(e, "canary");
		return NULL;
	}
	c->via = strndup(via, strlen(via) - str_ends(via, "/"));
	if (!c->via) {
		err_nomem(e);
		return NULL;
	}
	c->key = sign_key_read_at(AT_FDCWD, o->key_file, e);
	if (!c->key) {
		err_wrap(e, "option '--canary'");
		return NULL;
	}
	return TAKE(c);
}

void check_canary_free(struct check_canary *c)
{
	if (!c)
		return;
	sign_key_free(c->key);
	free(c->via);
	canary_report_release(&c->report);
	free(c);
}

/* --- run ------------------------------------------------------------------------------- */

static void show(void *arg, const char *text)
{
	struct check_canary *c = arg;

	progress_set(c->ctx, "%s", text);
}

static int64_t timeout_of(const struct check_canary_options *o)
{
	if (o->timeout_ns)
		return o->timeout_ns;
	return o->wants_irreversible ? IRREVERSIBLE_NS : DEFAULT_NS;
}

/* What was sent is in the chain, or will be, whether anybody waits for it or not. */
static void say_failed(struct canary_report *r, const struct err *why)
{
	if (r->block_num)
		snprintf(r->text, sizeof(r->text),
		        "the canary is in block %" PRIu32 ", and was followed no further: %.300s",
		        r->block_num, why->msg);
	else
		snprintf(r->text, sizeof(r->text), "the canary was %s: %.300s",
		        r->is_sent ? "sent, and not seen in a block" : "not sent", why->msg);
	str_printable(r->text);
}

int check_canary_run(
        struct check_canary *c, const char *chain_id, canary_ask_fn *ask, void *arg, struct err *e)
{
	struct canary_config config = {
		.via = c->via,
		.transfer = &c->transfer,
		.key = c->key,
		.chain_id = chain_id,
		.wants_irreversible = c->o->wants_irreversible,
		.timeout_ns = timeout_of(c->o),
		.ask = ask,
		.ask_arg = arg,
		.interrupted = &c->ctx->interrupted,
		.progress = show,
		.progress_arg = c,
	};
	char now[CLOCK_TEXT_MAX];
	int rc;

	/* With the time in it no two are the same: a chain takes the same one once only. */
	if (!c->o->memo)
		snprintf(c->transfer.memo, sizeof(c->transfer.memo), "nodeswarm canary %s",
		        clock_text(now, clock_real_ns()));
	output_detail(c->ctx, "canary: signed with %s", sign_key_public(c->key));
	canary_report_release(&c->report);
	rc = canary_run(&config, &c->report, e);
	progress_end(c->ctx);
	if (rc < 0)
		say_failed(&c->report, e);
	return rc;
}

const struct canary_report *check_canary_report(const struct check_canary *c)
{
	return &c->report;
}

/* --- print ----------------------------------------------------------------------------- */

static void print_node(const struct check_canary *c, const struct canary_node *n)
{
	char seen[NUM_TEXT_MAX], irreversible[NUM_TEXT_MAX];
	const char *what = n->kind == WATCH_REFERENCE ? " (reference)" : "";

	if (*n->why)
		output_line(c->ctx, "  %s%s: %s", n->name, what, n->why);
	else if (n->irreversible_ns >= 0)
		output_line(c->ctx, "  %s%s: after %s, irreversible after %s", n->name, what,
		        num_duration_text(seen, n->seen_ns),
		        num_duration_text(irreversible, n->irreversible_ns));
	else
		output_line(c->ctx, "  %s%s: after %s", n->name, what,
		        num_duration_text(seen, n->seen_ns));
}

int check_canary_print(struct check_canary *c, struct err *e)
{
	const struct canary_report *r = &c->report;
	char accepted[NUM_TEXT_MAX];

	if (c->ctx->json)
		return output_value(c->ctx, "canary", canary_json(r), e);
	output_line(c->ctx, "%s", r->text);
	if (r->is_sent)
		output_line(c->ctx, "  transaction %s through %s%s%s", r->transaction_id, r->via,
		        r->accepted_ns < 0 ? "" : ", accepted after ",
		        r->accepted_ns < 0 ? "" : num_duration_text(accepted, r->accepted_ns));
	if (r->moves)
		output_line(c->ctx, "  a fork has moved it %u time%s", r->moves,
		        r->moves == 1 ? "" : "s");
	for (size_t i = 0; i < r->n; i++)
		if (*r->nodes[i].why || c->ctx->level > 0)
			print_node(c, &r->nodes[i]);
	return 0;
}
