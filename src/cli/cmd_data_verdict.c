/* data verdict: what a data-dir is, and the cheapest repair, without starting nodeos. */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/num.h"
#include "base/str.h"
#include "cli/data_print.h"
#include "cli/output.h"
#include "cli/places.h"
#include "data/examine.h"
#include "data/slot.h"
#include "nodeos/repair.h"
#include "nodeos/verdict.h"

static const char *chain_id, *version, *on;
static bool local;

static const struct opt opts[] = {
	{ "chain-id", 0, "ID", "it must be of this chain", .string = &chain_id },
	{ "nodeos", 0, "VERSION", "that version is to open it, 'v4.0.6'", .string = &version },
	{ "on", 0, "HOST", "the slot's data-dir on that host", .exclusive = 'l', .string = &on },
	{ "local", 0, NULL, "the slot in this host's pool; needs no engine", .exclusive = 'l',
	        .flag = &local },
	{ NULL },
};

/* --- for people --------------------------------------------------------------------------- */

/* What a repair does, and how to do it by hand where no supervisor does. */
static const struct {
	const char *means, *by_hand;
} repair_texts[REPAIR_N] = {
	[REPAIR_INDEX] = { "blocks.index is made anew from blocks.log; nothing is lost",
	        "leap-util block-log make-index --blocks-dir DIR/blocks" },
	[REPAIR_GENERATION] = { "the data-dir is replaced by a clone of the current generation; "
	                        "blocks after that come from peers",
	        "nodeswarm data restore SERVICE.SLOT" },
	[REPAIR_REPLAY] = { "state and fork_db.dat are put aside and nodeos executes all blocks "
	                    "again, which takes long",
	        "move state/ and blocks/reversible/ away, then start nodeos" },
	[REPAIR_HARD_REPLAY] = { "nodeos writes all blocks again up to the damage and executes "
	                         "them; needs room for a second copy of blocks/",
	        "move state/ and blocks/reversible/ away, then start nodeos once with "
	        "--hard-replay-blockchain" },
	[REPAIR_SNAPSHOT] = { "the data-dir is made anew from its newest snapshot; blocks before "
	                      "that are no longer served",
	        "move state/ and blocks/ away, then start nodeos once with --snapshot FILE" },
	[REPAIR_EMPTY] = { "blocks and state are put aside and nodeos begins from its genesis",
	        "move state/ and blocks/ away, then start nodeos" },
};

static void line(struct context *ctx, const char *title, const char *text)
{
	if (*text)
		output_line(ctx, "  %-13s %s", title, text);
}

/* "blocks 1 to 79" or what is known of it. */
static const char *range_text(
        char out[DATA_TEXT_MAX], const json_t *ev, const char *first_key, const char *last_key)
{
	long long first = (long long)json_int(ev, first_key, 0),
	          last = (long long)json_int(ev, last_key, 0);

	*out = '\0';
	if (first > 0 && last >= first)
		snprintf(out, DATA_TEXT_MAX, "blocks %lld to %lld", first, last);
	else if (first > 0 || last > 0)
		snprintf(out, DATA_TEXT_MAX, "%s block %lld", last > 0 ? "to" : "from",
		        last > 0 ? last : first);
	return out;
}

/* One file: its size, what is known of it, what is wrong with it. */
static void part_line(
        struct context *ctx, const char *title, const json_t *ev, const char *key, const char *more)
{
	const json_t *p = json_object_get(ev, key);
	char text[3 * DATA_TEXT_MAX], size[DATA_TEXT_MAX], fault[DATA_TEXT_MAX];
	const char *seen = json_str(p, "seen", "nothing");

	data_text(fault, p, "fault");
	if (strcmp(seen, "nothing") == 0)
		snprintf(text, sizeof(text), "not there%s%s", *fault ? "; " : "", fault);
	else if (strcmp(seen, "file") == 0)
		snprintf(text, sizeof(text), "%.40s%s%s%s%s", data_size(size, p, "size_bytes"),
		        *more ? ", " : "", more, *fault ? "; " : "", fault);
	else
		snprintf(text, sizeof(text), "no regular file%s%s", *fault ? "; " : "", fault);
	line(ctx, title, text);
}

static void state_line(struct context *ctx, const json_t *ev)
{
	const json_t *dirty = json_at(ev, "state.dirty");
	char format[DATA_TEXT_MAX], more[DATA_TEXT_MAX + 16];

	data_text(format, ev, "state.format");
	snprintf(more, sizeof(more), "%.40s%s%s", format,
	        *format && json_is_boolean(dirty) ? ", " : "",
	        json_is_true(dirty)            ? "not closed"
	                : json_is_false(dirty) ? "closed"
	                                       : "");
	part_line(ctx, "state", ev, "state", more);
}

static void block_line(
        struct context *ctx, const char *title, const json_t *ev, const char *num, const char *id)
{
	long long n = (long long)json_int(ev, num, 0);
	char text[2 * DATA_TEXT_MAX], hex[DATA_TEXT_MAX];

	if (n <= 0)
		return;
	data_text(hex, ev, id);
	snprintf(text, sizeof(text), "%lld%s%s", n, *hex ? ", " : "", hex);
	line(ctx, title, text);
}

static void noted_line(struct context *ctx, const char *title, const json_t *ev, const char *key,
        const char *num, const char *word)
{
	long long n = (long long)json_int(ev, num, 0);
	char text[2 * DATA_TEXT_MAX], name[DATA_TEXT_MAX];

	if (!*data_text(name, ev, key))
		return;
	if (n > 0)
		snprintf(text, sizeof(text), "%s, %s %lld", name, word, n);
	else
		snprintf(text, sizeof(text), "%s", name);
	line(ctx, title, text);
}

static void pieces_line(struct context *ctx, const json_t *ev)
{
	long long n = (long long)json_int(ev, "split_files.count", 0);
	char text[2 * DATA_TEXT_MAX], fault[DATA_TEXT_MAX];

	data_text(fault, ev, "split_files.fault");
	if (n <= 0 && !*fault)
		return;
	snprintf(text, sizeof(text), "%lld%s%s", n, *fault ? "; " : "", fault);
	line(ctx, "split files", text);
}

static void print_evidence(struct context *ctx, const json_t *ev)
{
	char text[DATA_TEXT_MAX];

	state_line(ctx, ev);
	part_line(ctx, "fork_db", ev, "fork_db", "");
	block_line(ctx, "head", ev, "head_block_num", "head_block_id");
	block_line(ctx, "irreversible", ev, "lib_block_num", "lib_block_id");
	line(ctx, "chain", data_text(text, ev, "chain_id"));
	line(ctx, "has", range_text(text, ev, "first_block_num", "lib_block_num"));
	range_text(text, ev, "log.first_block_num", "log.last_block_num");
	part_line(ctx, "block log", ev, "log", text);
	part_line(ctx, "index", ev, "index", "");
	pieces_line(ctx, ev);
	noted_line(ctx, "snapshot", ev, "snapshot", "snapshot_block_num", "of block");
	line(ctx, "second copy", data_text(text, ev, "second_copy"));
	noted_line(ctx, "current", ev, "generation", "generation_lib_block_num", "irreversible to");
	line(ctx, "open in", data_text(text, ev, "opener"));
	line(ctx, "slot is", data_text(text, ev, "slot_state"));
}

static enum data_repair repair_of(const json_t *name)
{
	enum data_repair r =
	        json_is_string(name) ? data_repair_from_name(json_string_value(name)) : REPAIR_NONE;

	return r < REPAIR_N ? r : REPAIR_NONE;
}

static bool is_startable(const char *verdict)
{
	for (int s = DATA_EMPTY; s <= DATA_FAR_BEHIND; s++)
		if (strcmp(verdict, data_state_name((enum data_state)s)) == 0)
			return data_state_is_startable((enum data_state)s);
	return false;
}

/* What is to be done where no repair helps.  Who has it open stands in the verdict. */
static void print_no_repair(struct context *ctx, const char *verdict)
{
	const char *text = NULL;

	if (strcmp(verdict, data_state_name(DATA_FOREIGN)) == 0)
		text = "nothing is wrong with it; it needs the genesis and the nodeos that it is "
		       "of";
	else if (strcmp(verdict, data_state_name(DATA_DIRTY)) == 0 ||
	        strcmp(verdict, data_state_name(DATA_DAMAGED)) == 0)
		text = "a generation ('nodeswarm data restore', 'nodeswarm data import'), or an "
		       "empty data-dir that syncs anew";
	if (text)
		output_line(ctx, "repair: none: %s", text);
}

static void print_repairs(struct context *ctx, const json_t *j, const char *verdict, bool is_slot)
{
	const json_t *list = json_object_get(j, "repairs");
	enum data_repair best = repair_of(json_object_get(j, "repair"));
	bool is_genesis = best == REPAIR_REPLAY && json_int(j, "evidence.first_block_num", 0) == 0;
	char others[200] = "";

	if (best == REPAIR_NONE) {
		print_no_repair(ctx, verdict);
		return;
	}
	output_line(ctx, "repair: %s: %s", data_repair_name(best),
	        is_genesis ? "the state is put aside; there are no blocks, so nodeos begins anew "
	                     "from its genesis"
	                   : repair_texts[best].means);
	if (is_slot)
		output_line(ctx,
		        "  its supervisor does that by itself when it starts ('nodeswarm resume' "
		        "for one that is held), unless NODESWARM_HEAL=never");
	else
		output_line(ctx, "  by hand: %s", repair_texts[best].by_hand);
	for (size_t i = 0; i < json_array_size(list) && i < REPAIR_N; i++) {
		enum data_repair r = repair_of(json_array_get(list, i));
		size_t n = strlen(others);

		if (r != REPAIR_NONE && r != best)
			snprintf(others + n, sizeof(others) - n, "%s%s", n ? ", " : "",
			        data_repair_name(r));
	}
	if (*others)
		output_line(ctx, "  else: %s", others);
}

/* name: of the slot, or the directory. */
static int print(
        struct context *ctx, const char *name, const char *host, const json_t *j, struct err *e)
{
	char verdict[DATA_TEXT_MAX], why[DATA_TEXT_MAX];

	if (!*data_text(verdict, j, "verdict"))
		return err_set(e, ERR_PROTOCOL, "host '%s': its reply has no verdict", host);
	output_line(ctx, "%s%s%s is %s: %s", name, *host ? " on host " : "", host, verdict,
	        data_text(why, j, "why"));
	print_evidence(ctx, json_object_get(j, "evidence"));
	print_repairs(ctx, j, verdict, *host != '\0');
	if (data_output(ctx, j, e) < 0 || output_value(ctx, "name", json_string(name), e) < 0 ||
	        output_value(ctx, "host", *host ? json_string(host) : json_null(), e) < 0)
		return -1;
	if (is_startable(verdict))
		return 0;
	return err_set(e, ERR_UNHEALTHY, "%s is %s", name, verdict);
}

/* --- a slot ------------------------------------------------------------------------------- */

static json_t *slot_args(const struct context *ctx, const char *name, struct err *e)
{
	const char *dot = strrchr(name, '.');
	char service[160], full[160];
	struct err why = ERR_INIT;
	uint64_t number;

	if (!dot || dot == name || dot - name >= (ptrdiff_t)sizeof(service) ||
	        num_uint(&number, dot + 1, 1, SLOT_NUMBER_MAX, &why) < 0) {
		command_usage(ctx, e, "'%.80s' is neither a directory nor SERVICE.SLOT", name);
		return NULL;
	}
	snprintf(service, sizeof(service), "%.*s", (int)(dot - name), name);
	if (data_service_name(full, ctx, service, e) < 0)
		return NULL;
	return json_pack("{s:s, s:I, s:s, s:s}", "service", full, "slot", (json_int_t)number,
	        "chain_id", chain_id ? chain_id : "", "nodeos", version ? version : "");
}

/* Whether it is that of a slot that somebody has. */
static bool is_held(const struct place *at)
{
	return json_is_string(json_at(at->body, "evidence.opener"));
}

/* The host that has the slot.  One that is somewhere else has left its data-dir there. */
static struct place *choose(struct places *p, const char *name, struct err *e)
{
	struct place *found = NULL;
	char hosts[200] = "";
	size_t n = 0, held = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct place *at = &p->v[i];
		size_t len = strlen(hosts);

		if (!at->body)
			continue;
		snprintf(hosts + len, sizeof(hosts) - len, "%s%.60s", len ? ", " : "", at->host);
		if (!held || is_held(at))
			found = at;
		held += is_held(at);
		n++;
	}
	if (n == 1 || held == 1)
		return found;
	if (n) {
		err_set(e, ERR_CONFLICT, "%s has a data-dir on more than one host: %s", name,
		        hosts);
		err_hint(e, "say with --on which is meant");
		return NULL;
	}
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].err.kind != ERR_NOT_FOUND && e->kind == ERR_NONE) {
			*e = p->v[i].err;
			err_wrap(e, "host '%s'", p->v[i].host);
		}
	if (e->kind == ERR_NONE)
		err_set(e, ERR_NOT_FOUND, "no host has a data-dir of %s", name);
	return NULL;
}

static int run_slot(struct context *ctx, const char *name, struct err *e)
{
	AUTO(json) json_t *args = slot_args(ctx, name, e);
	AUTO(places) struct places p = PLACES_INIT;
	struct place *at;

	if (!args)
		return e->kind == ERR_NONE ? err_nomem(e) : -1;
	if ((local ? places_here(&p, ctx, e) : places_all(&p, ctx, on, e)) < 0)
		return -1;
	places_do_all(&p, "verdict", args);
	at = choose(&p, name, e);
	return at ? print(ctx, name, at->host, at->body, e) : -1;
}

/* --- both --------------------------------------------------------------------------------- */

static bool is_directory(const char *name)
{
	struct stat st;

	return strchr(name, '/') || (stat(name, &st) == 0 && S_ISDIR(st.st_mode));
}

static int run(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	const struct examine_options o = { .chain_id = chain_id, .nodeos = version };
	AUTO(json) json_t *j = NULL;

	if (examine_check(&o, e) < 0)
		return -1;
	if (!is_directory(argv[0]))
		return run_slot(ctx, argv[0], e);
	if (on || local)
		return command_usage(ctx, e, "--on and --local are for a slot");
	j = data_examine_path(argv[0], &o, e);
	return j ? print(ctx, argv[0], "", j, e) : -1;
}

const struct command cmd_data_verdict = {
	.name = "data verdict",
	.group = "Data",
	.args = "DIR|SERVICE.SLOT",
	.summary = "tell what a data-dir is and what would repair it",
	.description =
	        "From some bytes of it, without starting nodeos: 'empty', 'clean' or 'far-behind' "
	        "(the pool's current generation is more than 100,000 blocks ahead), from which "
	        "nodeos starts and the exit status is 0; 'dirty' (it was killed), 'damaged', "
	        "'in-use' or 'foreign' (of another chain, or of a nodeos with another database "
	        "format), and then it is 1. One sentence says why; below it is what was seen, and "
	        "the cheapest repair: rebuild-index, restore-generation, replay, hard-replay or "
	        "start-from-snapshot. Damage inside of blocks or state does not show; 'nodeswarm "
	        "data verify' finds it in a generation."
	        "\n\n"
	        "DIR (it has a slash, or is a directory) is looked at on this host, SERVICE.SLOT "
	        "on the host that has it. Nothing is written and no lock is taken. A slot's "
	        "supervisor takes the same verdict before each start of nodeos, and repairs by "
	        "itself unless NODESWARM_HEAL=never.",
	.examples = (const char *const[]){ "nodeswarm data verdict readers.3",
	        "nodeswarm data verdict /srv/eos/data --nodeos v4.0.6",
	        "nodeswarm data verdict readers.3 --json | jq -r .repair", NULL },
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_HAS_JSON,
	.opts = opts,
	.run = run,
};
