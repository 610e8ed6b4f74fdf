#include "cli/command.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"
#include "base/suggest.h"
#include "cli/opts.h"
#include "cli/output.h"
#include "engine/engine.h"

/* The groups stand in the overview in the order of their first command here. */
const struct command *const commands[] = {
	&cmd_up,
	&cmd_lint,
	&cmd_status,
	&cmd_check,
	&cmd_scale,
	&cmd_stop,
	&cmd_down,
	&cmd_logs,
	&cmd_data_archive,
	&cmd_data_ls,
	&cmd_data_show,
	&cmd_data_verify,
	&cmd_data_promote,
	&cmd_data_prune,
	&cmd_data_rm,
	&cmd_data_import,
	&cmd_data_pull,
	&cmd_data_prepare,
	&cmd_data_restore,
	&cmd_data_verdict,
	&cmd_data_clone,
	&cmd_data_gc,
	&cmd_producer_status,
	&cmd_producer_failover,
	&cmd_producer_pause,
	&cmd_producer_resume,
	&cmd_producer_finalizer,
	&cmd_load,
	&cmd_replay_manifest_generate,
	&cmd_replay_manifest_validate,
	&cmd_replay_simulate,
	&cmd_replay_run,
	&cmd_replay_status,
	&cmd_replay_scale,
	&cmd_replay_stop,
	&cmd_replay_certificate_verify,
	&cmd_replay_certificate_diff,
	&cmd_replay_serve,
	&cmd_replay_work,
	&cmd_doctor,
	&cmd_firewall_plan,
	&cmd_firewall_apply,
	&cmd_firewall_verify,
	&cmd_firewall_remove,
	&cmd_firewall_follow,
	&cmd_pool,
	&cmd_images,
	&cmd_quiesce,
	&cmd_resume,
	&cmd_supervise,
	&cmd_health,
	&cmd_agent,
	&cmd_broker,
	&cmd_relay,
	&cmd_fresh_run,
	&cmd_fresh_ask,
	&cmd_help,
	&cmd_version,
	&cmd_complete,
	NULL,
};

const struct command_family command_families[] = {
	{ "data",
	        "Copies of data-dirs. A generation is an immutable, verified copy of a cleanly "
	        "stopped data-dir in a host's pool; the one that is 'current' is what new slots "
	        "start from." },
	{ "firewall",
	        "Who may reach which ports of the hosts, in IPv4 and IPv6: the front's are open to "
	        "all, the swarm's are for its nodes, the producer's are closed. Ports that no rule "
	        "names are left alone." },
	{ "fresh",
	        "A chain node that begins with nothing but the genesis and a peer, in a container "
	        "of its own, and is thrown away: for 'nodeswarm check --connect-external'." },
	{ "producer",
	        "Who signs the chain's blocks. Any number of producers share one key and one "
	        "lease; "
	        "the one that holds the lease signs, the others follow and can take over. Orders "
	        "stand in the lease, in the managers' own store." },
	{ "replay",
	        "Distributed replay: a chain's history is run again in slices by many workers, "
	        "each "
	        "from a snapshot to the next one's height, and the integrity hashes prove that "
	        "each slice begins with the state that the one before it ended with." },
	{ "replay certificate",
	        "What a replay has proved: each slice with its hashes at start and end, linked "
	        "from the first to the last." },
	{ "replay manifest",
	        "The list of a replay's slices, in the public format of replay-test: a JSON array "
	        "with a record for each slice." },
	{ NULL },
};

const struct command_family *command_family_find(const char *word)
{
	for (const struct command_family *f = command_families; f->word; f++)
		if (strcmp(f->word, word) == 0)
			return f;
	return NULL;
}

/* What follows the family's name and a blank in the text, or NULL. */
static const char *behind(const char *text, const struct command_family *f)
{
	const char *rest;

	return str_starts(text, f->word, &rest) && *rest == ' ' ? rest + 1 : NULL;
}

const struct command_family *command_family_in(const struct command_family *f, const char *word)
{
	for (const struct command_family *o = command_families; o->word; o++)
		if (str_eq(behind(o->word, f), word))
			return o;
	return NULL;
}

const char *command_second_word(const struct command *c, const struct command_family *f)
{
	const char *space;

	if (f)
		return behind(c->name, f);
	space = strrchr(c->name, ' ');
	return space ? space + 1 : NULL;
}

const struct command *command_find(const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

const struct command *command_find_in(const struct command_family *f, const char *second)
{
	for (const struct command *const *c = commands; *c; c++) {
		const char *word = command_second_word(*c, f);

		if (word && strcmp(word, second) == 0)
			return *c;
	}
	return NULL;
}

int command_unknown(const struct command_family *f, const char *name, struct err *e)
{
	const char *first = f ? f->word : "", *space = f ? " " : "";
	struct suggest s;

	suggest_start(&s, name);
	for (const struct command *const *c = commands; *c; c++) {
		const char *word = f ? command_second_word(*c, f) : (*c)->name;

		/* Of several words the first is what can be typed here, and it is offered below. */
		if (word && !strchr(word, ' '))
			suggest_offer(&s, word);
	}
	for (const struct command_family *o = command_families; o->word; o++) {
		const char *word = f ? behind(o->word, f) : o->word;

		if (word && !strchr(word, ' '))
			suggest_offer(&s, word);
	}
	if (s.best)
		err_set(e, ERR_USAGE, "unknown command '%s%s%s', did you mean '%s%s%s'?", first,
		        space, name, first, space, s.best);
	else
		err_set(e, ERR_USAGE, "unknown command '%s%s%s'", first, space, name);
	return err_hint(e, "see 'nodeswarm help%s%s'", space, first);
}

int command_usage(const struct context *ctx, struct err *e, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	err_set(e, ERR_USAGE, "%s", text);
	return err_hint(e, "see 'nodeswarm help %s'", ctx->command->name);
}

struct engine *command_engine(struct context *ctx, struct err *e)
{
	static bool warned;
	struct engine *eng = engine_new(ctx->host, e);

	if (!eng)
		return NULL;
	engine_interrupt_on(eng, &ctx->interrupted);
	if (engine_is_exposed(eng) && !warned) {
		output_warn(ctx,
		        "'%s' is spoken to without TLS: whoever can reach it is root on its host, "
		        "and secrets are sent in the clear",
		        engine_host(eng));
		warned = true;
	}
	return eng;
}
