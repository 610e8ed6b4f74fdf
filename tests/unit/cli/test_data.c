#include "unit/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/opts.h"
#include "cli/output.h"
#include "fake/agent.h"
#include "fake/cluster.h"
#include "fake/engine.h"

/* The data commands against three hosts, one of which is down. */

static struct err e;
static struct fake_engine *fake;
static struct fake_agent *agent;
static struct fake_cluster cluster;
static struct context ctx;
static char *out, *err;
static size_t out_size, err_size;

/* What node n2 answers to each operation, and what it was asked. */
static struct {
	const char *verb, *reply;
} script[8];
static char asked[4096];
#define NAME "g000001-0000000007"
static bool are_two; /* n1 answers so, too */

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static char *answer(void *arg, const char *node, const char *path, const char *body)
{
	size_t n = strlen(asked);
	const char *verb;

	(void)arg;
	if (!str_starts(path, "/v1/data/", &verb))
		return NULL;
	snprintf(asked + n, sizeof(asked) - n, "%s %s %s\n", node, verb, body);
	if (are_two && strcmp(node, "n1") == 0 && strstr(body, "\"remove\""))
		cluster.tasks[2] = (struct fake_cluster_task){ "t7", "readers", "n2", 7,
			"preparing", "running" };
	for (size_t i = 0; i < ARRAY_LEN(script) && script[i].verb; i++)
		if (strcmp(script[i].verb, verb) == 0 && (are_two || strcmp(node, "n2") == 0))
			return strdup(script[i].reply);
	if (strcmp(node, "n1") == 0)
		return strdup("\"status\":200,\"body\":{\"format\":1,\"generations\":[],\"slots\":"
		              "[]}");
	return NULL;
}

static void reply(const char *verb, const char *fields)
{
	size_t i = 0;

	while (script[i].verb && strcmp(script[i].verb, verb) != 0)
		i++;
	assert_true(i + 1 < ARRAY_LEN(script));
	script[i].verb = verb;
	script[i].reply = fields;
}

#define OK(body) "\"status\":200,\"body\":{\"format\":1," body "}"

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	memset(script, 0, sizeof(script));
	*asked = '\0';
	are_two = false;
	fake = fake_engine_start();
	agent = fake_agent_start();
	fake_agent_handler(agent, answer, NULL);
	cluster = (struct fake_cluster){
		.nodes = { { "n1", "ready", true }, { "n2", "ready", false },
		        { "n3", "down", false } },
		.services = { { .name = "readers", .pool = fake_agent_pool(agent), .replicas = 1 },
		        { .name = "stopped",
		                .pool = fake_agent_pool(agent),
		                .labels = ",\"nodeswarm.stopped\":\"3\"" } },
		.tasks = { { "t1", "readers", "n2", 1, "running", "running" },
		        { "t2", "readers", "n1", 2, "running", "running" } },
	};
	fake_cluster_serve(fake, &cluster);
	out = err = NULL;
	ctx = (struct context){
		.out = open_memstream(&out, &out_size),
		.err = open_memstream(&err, &err_size),
		.host = fake_engine_host(fake),
		.stack = "s",
		.pool = fake_agent_pool(agent),
	};
	return ctx.out && ctx.err ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(ctx.result);
	fclose(ctx.out);
	fclose(ctx.err);
	free(out);
	free(err);
	fake_agent_stop(agent);
	fake_engine_stop(fake);
	return 0;
}

/* Run it with the words after its name, separated by blanks. */
static int run(const struct command *c, const char *words)
{
	static char text[256];
	char *argv[16], *args[16], *rest = text, *word;
	struct opts p = { .tables = (const struct opt *const[]){ c->opts, NULL } };
	int argc = 0, n = 0, rc;

	err_clear(&e);
	json_decref(ctx.result);
	ctx.result = NULL;
	ctx.command = c;
	rewind(ctx.out);
	rewind(ctx.err);
	for (const struct opt *o = c->opts; o && o->name; o++) {
		if (o->flag)
			*o->flag = false;
		if (o->string)
			*o->string = NULL;
	}
	snprintf(text, sizeof(text), "%s", words);
	while ((word = strsep(&rest, " ")))
		if (*word)
			argv[argc++] = word;
	argv[argc] = NULL;
	if (opts_defaults(c->opts, &e) < 0 || opts_parse(&p, argc, argv, false, args, &n, &e) < 0)
		return -1;
	rc = c->run(&ctx, n, args, &e);
	fputc('\0', ctx.out);
	fputc('\0', ctx.err);
	fflush(ctx.out);
	fflush(ctx.err);
	return rc;
}

static void expect_in(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in: %s", part, text);
}

static void expect_failure(int rc, enum err_kind kind, const char *part)
{
	assert_int_equal(rc, -1);
	if (e.kind != kind || !strstr(e.msg, part))
		fail_msg("not '%s': %d %s", part, (int)e.kind, e.msg);
}

/* --- ls ----------------------------------------------------------------------------------- */

#define GENERATION(name, current)                                                                 \
	"{\"format\":1,\"name\":\"" name "\",\"number\":1,\"kind\":\"data\",\"chain_id\":\"aa\"," \
	"\"head_block_num\":0,\"lib_block_num\":7,\"size_bytes\":2048,\"data_bytes\":1024,"       \
	"\"source\":\"s_readers.1\",\"host\":\"elsewhere\",\"current\":" current "}"

static void ls_is_about_all_hosts(void **state)
{
	const json_t *row;

	(void)state;
	reply("ls", OK("\"generations\":[" GENERATION("g000001-0000000007", "true") "]"));
	if (run(&cmd_data_ls, "") < 0)
		fail_msg("%s", e.msg);
	expect_in(out, "g000001-0000000007 host-n2 yes        -   7");
	expect_in(out, "host host-n3 is down; its generations are unknown");
	assert_null(strstr(out, "host-n1"));
	assert_null(strstr(out, "CHAIN"));
	assert_int_equal(run(&cmd_data_ls, "--wide"), 0);
	expect_in(out, "CHAIN");
	assert_null(strstr(asked, "n3"));

	ctx.json = true;
	assert_int_equal(run(&cmd_data_ls, ""), 0);
	row = json_array_get(json_object_get(ctx.result, "generations"), 0);
	assert_string_equal(json_str(row, "host", ""), "host-n2");
	assert_string_equal(json_str(row, "made_on", ""), "elsewhere");
	assert_string_equal(json_str(row, "chain_id", ""), "aa");
	assert_true(json_is_null(json_object_get(row, "head_block_num")));
	row = json_array_get(json_object_get(ctx.result, "hosts"), 2);
	assert_string_equal(json_str(row, "agent", ""), "down");
}

static void hosts_that_do_not_answer_are_named(void **state)
{
	(void)state;
	reply("ls", "\"error\":{\"kind\":\"unavailable\",\"message\":\"refused\",\"hint\":\"up\"}");
	assert_int_equal(run(&cmd_data_ls, ""), 0);
	expect_in(out, "host host-n2 does not answer; its generations are unknown: refused");
	expect_in(out, "hint: up");
	expect_in(err, "there are no generations");
}

static void only_one_host_on_request(void **state)
{
	(void)state;
	reply("ls", OK("\"generations\":[]"));
	assert_int_equal(run(&cmd_data_ls, "--on host-n2"), 0);
	assert_null(strstr(asked, "n1"));
	expect_failure(run(&cmd_data_ls, "--on host-n7"), ERR_NOT_FOUND, "no host 'host-n7'");
	expect_failure(run(&cmd_data_ls, "--on n3"), ERR_UNAVAILABLE, "host 'host-n3' is down");
	cluster.nodes[1].hostname = "host-n1";
	expect_failure(run(&cmd_data_ls, "--on host-n1"), ERR_USAGE, "more than one host");
}

static void nonsense_is_no_generation(void **state)
{
	static const struct {
		const char *reply, *want;
	} rows[] = {
		{ OK("\"generations\":7"), "no list of generations" },
		{ OK("\"x\":1"), "no list of generations" },
		{ "\"status\":200,\"text\":\"x\"", "no JSON object" },
		{ OK("\"generations\":[7,null,{},{\"name\":7}]"), "" },
		{ OK("\"generations\":[{\"name\":\"g\\u001b[2Jx\",\"size_bytes\":\"x\","
		     "\"created\":{},\"current\":3,\"lib_block_num\":-5}]"),
		        "g?[2Jx" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reply("ls", rows[i].reply);
		assert_int_equal(run(&cmd_data_ls, ""), 0);
		expect_in(out, rows[i].want);
		assert_null(strchr(out, 0x1b));
	}
}

static void a_host_has_a_thousand_at_most(void **state)
{
	AUTO(free) char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	fputs("\"status\":200,\"body\":{\"format\":1,\"generations\":[{\"name\":\"g0\"}", f);
	for (int i = 1; i <= 1000; i++)
		fprintf(f, ",{\"name\":\"g%d\"}", i);
	fputs("]}", f);
	fclose(f);
	reply("ls", text);
	assert_int_equal(run(&cmd_data_ls, ""), 0);
	expect_in(out, "host host-n2 does not answer");
}

/* --- one host ----------------------------------------------------------------------------- */

static void verify_says_what_differs(void **state)
{
	(void)state;
	reply("verify",
	        OK("\"name\":\"g1\",\"files\":3,\"bytes\":10,\"different\":0,"
	           "\"differences\":[]"));
	assert_int_equal(run(&cmd_data_verify, "current --on n2"), 0);
	expect_in(out, "g1 on host host-n2 is whole: 3 files");
	expect_in(asked, "n2 verify {\"name\":\"current\"}");
	reply("verify",
	        OK("\"name\":\"g1\",\"files\":3,\"bytes\":10,\"different\":1,"
	           "\"differences\":[{\"path\":\"a\\u0007b\",\"what\":\"digest\"}]"));
	expect_failure(run(&cmd_data_verify, NAME " --on n2"), ERR_UNHEALTHY,
	        "g1 on host host-n2 is not what it was: 1 of 3 files differ, first a?b (digest)");
	expect_in(out, "a?b: digest");
	reply("verify",
	        "\"status\":404,\"body\":{\"format\":1,\"error\":{\"kind\":\"not_found\","
	        "\"message\":\"no generation 'g9'\",\"hint\":\"\"}}");
	expect_failure(run(&cmd_data_verify, NAME " --on n2"), ERR_NOT_FOUND,
	        "host 'host-n2': no generation 'g9'");
	expect_in(e.hint, "nodeswarm data ls");
	reply("prepare",
	        "\"status\":404,\"body\":{\"format\":1,\"error\":{\"kind\":\"not_found\","
	        "\"message\":\"no generation is current\",\"hint\":\"\"}}");
	expect_failure(run(&cmd_data_prepare, "readers 1 --on n2"), ERR_NOT_FOUND, "is current");
	expect_in(e.hint, "nodeswarm data ls");
}

static void what_is_asked_for_is_checked_here(void **state)
{
	static const struct command *const named[] = { &cmd_data_verify, &cmd_data_show,
		&cmd_data_promote, &cmd_data_rm, &cmd_data_pull };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		expect_failure(
		        run(named[i],
		                named[i] == &cmd_data_pull ? "g1 --on n2 --from n1" : "g1 --on n2"),
		        ERR_USAGE, "not the name of a generation");
	expect_failure(run(&cmd_data_prepare, "readers 1 --on n2 --from g1"), ERR_USAGE,
	        "not the name of a generation");
	expect_failure(run(&cmd_data_restore, "readers.1 --generation x"), ERR_USAGE,
	        "not the name of a generation");
	expect_failure(
	        run(&cmd_data_verify, "../x --on n2"), ERR_USAGE, "not the name of a generation");
	expect_failure(run(&cmd_data_prune, "--keep x=1 --on n2"), ERR_USAGE, "--keep");
	assert_string_equal(asked, "");
}

static void prune_tells_what_had_to_stay(void **state)
{
	(void)state;
	reply("prune",
	        OK("\"dry_run\":false,\"removed\":[" GENERATION("g1",
	                "false") "],\"kept\":"
	                         "[{\"name\":\"g2\",\"error\":{\"kind\":\"conflict\",\"message\":"
	                         "\"in use\"}}]"));
	assert_int_equal(run(&cmd_data_prune, "--keep count=1 --on n2"), 0);
	expect_in(out, "removed g1 on host host-n2, 1.0 KiB of data");
	expect_in(out, "kept g2: in use");
	expect_in(asked, "{\"keep\":\"count=1\",\"dry_run\":false}");
	reply("prune",
	        OK("\"removed\":[],\"kept\":[{\"name\":\"g2\",\"error\":{\"kind\":"
	           "\"system\",\"message\":\"EIO\"}}]"));
	expect_failure(run(&cmd_data_prune, "--keep count=1 --on n2"), ERR_UNHEALTHY,
	        "g2 could not be removed: EIO");
}

static void prepare_names_its_service_in_full(void **state)
{
	(void)state;
	reply("prepare",
	        OK("\"generation\":\"g1\",\"slots\":[{\"slot\":1,\"state\":\"restored\","
	           "\"took_seconds\":0.5,\"clone\":{\"reflink\":{\"files\":2,\"bytes\":"
	           "2048}}},{\"slot\":4,\"state\":\"in use\"}]"));
	assert_int_equal(run(&cmd_data_prepare, "readers --slots 1,4-5 --on n2"), 0);
	expect_in(
	        asked, "{\"service\":\"s_readers\",\"slots\":[1,4,5],\"generation\":\"current\"}");
	expect_in(out, "reflinked 2.0 KiB in 2 files");
	reply("prepare",
	        OK("\"generation\":\"g1\",\"slots\":[{\"slot\":1,\"state\":\"failed\","
	           "\"error\":{\"kind\":\"system\",\"message\":\"no space\",\"hint\":"
	           "\"gc\"}}]"));
	expect_failure(run(&cmd_data_prepare, "s_readers 1 --on n2"), ERR_UNHEALTHY,
	        "1 of 1 slots could not be prepared; slot 1: no space");
	assert_string_equal(e.hint, "gc");
}

static void pull_goes_through_an_agent(void **state)
{
	(void)state;
	reply("pull",
	        OK("\"generation\":" GENERATION(
	                "g5", "true") ",\"name\":\"g1\",\"is_new\":true,"
	                              "\"bytes_fetched\":1024,\"bytes_resumed\":0"));
	if (run(&cmd_data_pull, "current --from host-n1 --on n2") < 0)
		fail_msg("%s", e.msg);
	expect_in(asked, "n2 pull {\"name\":\"current\",\"address\":\"10.0.0.1\"}");
	expect_in(out, "g1 of host host-n1 is g5 on host host-n2, and it is current");
	assert_int_equal(run(&cmd_data_pull, "current --from n1 --on n2 --promote"), 0);
	expect_in(
	        asked, "n2 pull {\"name\":\"current\",\"address\":\"10.0.0.1\",\"promote\":true}");
	assert_int_equal(
	        run(&cmd_data_pull, "current --from n1 --on n2 --no-promote --chain-id " ID), 0);
	expect_in(asked, "\"promote\":false,\"chain_id\":\"" ID "\"}");
	expect_failure(run(&cmd_data_pull, "current --from n1 --on n2 --promote --no-promote"),
	        ERR_USAGE, "either");
	expect_failure(run(&cmd_data_pull, "current --from n2 --on n2"), ERR_USAGE, "to itself");
	expect_failure(run(&cmd_data_pull, "current --from x"), ERR_NOT_FOUND, "no host 'x'");
}

/* --- gc ----------------------------------------------------------------------------------- */

#define SLOT(service, slot, removed)                                                          \
	"{\"service\":\"" service "\",\"slot\":" #slot ",\"bytes\":1048576,\"idle_seconds\":" \
	"864000,\"removed\":" removed "}"
#define LISTED                                                                                     \
	OK("\"slots\":[" SLOT("s_readers", 1, "false") "," SLOT("s_readers", 2, "false") "," SLOT( \
	        "s_readers", 7, "false") "," SLOT("s_stopped", 1, "false") "," SLOT("other_x", 1,  \
	        "false") "],\"quarantine\":[{\"name\":\"s_readers.1-x\",\"why\":\"dirty\","        \
	                 "\"at\":\"2026-11-01T00:00:00Z\",\"bytes\":4096,\"removed\":false}],"     \
	                 "\"leftovers\":[{\"path\":\"generations/.tmp-1\",\"bytes\":1}]")

static void gc_lists_what_the_engine_has_no_use_for(void **state)
{
	(void)state;
	reply("gc", LISTED);
	if (run(&cmd_data_gc, "") < 0)
		fail_msg("%s", e.msg);
	expect_in(out, "s_readers.7");
	expect_in(out, "other_x.1");
	expect_in(out, "s_readers.1-x");
	expect_in(out, "generations/.tmp-1");
	/* It runs there, runs on n1, was stopped. */
	assert_null(strstr(out, "s_readers.1 "));
	assert_null(strstr(out, "s_readers.2 "));
	assert_null(strstr(out, "s_stopped"));
	expect_in(out, "kept, because their services are stopped: 1");
	expect_in(out, "kept, because they run on another host now: 1;");
	assert_null(strstr(asked, "remove"));
	expect_in(asked, "{\"age_seconds\":604800}");
	assert_int_equal(run(&cmd_data_gc, "--moved"), 0);
	expect_in(out, "s_readers.2 ");
	assert_null(strstr(out, "s_readers.1 "));
}

static void gc_tells_a_host_what_may_go(void **state)
{
	(void)state;
	reply("gc", LISTED);
	assert_int_equal(run(&cmd_data_gc, "--remove --older 1h --on n2"), 0);
	expect_in(asked,
	        "n2 gc {\"age_seconds\":3600,\"remove\":true,\"slots\":[\"s_readers.7\","
	        "\"other_x.1\"],\"quarantine\":[\"s_readers.1-x\"],\"leftovers\":true}");
	expect_in(out, "removed 0 of 4, 0 B");
}

/* While n1 removes, a task begins in slot 7 of n2. */
static void gc_asks_the_engine_before_each_host(void **state)
{
	(void)state;
	reply("gc", LISTED);
	are_two = true;
	assert_int_equal(run(&cmd_data_gc, "--remove --older 1h"), 0);
	expect_in(asked,
	        "n1 gc {\"age_seconds\":3600,\"remove\":true,\"slots\":[\"s_readers.7\","
	        "\"other_x.1\"]");
	expect_in(asked, "n2 gc {\"age_seconds\":3600,\"remove\":true,\"slots\":[\"other_x.1\"]");
}

static void gc_tells_what_was_not_judged(void **state)
{
	(void)state;
	reply("gc",
	        OK("\"slots\":[],\"quarantine\":[],\"leftovers\":[],\"skipped\":[{\"name\":"
	           "\"s_readers.9\",\"error\":{\"message\":\"no right\"}}]"));
	assert_int_equal(run(&cmd_data_gc, "--on n2"), 0);
	expect_in(out, "cannot be judged: s_readers.9 on host host-n2: no right");
}

static void gc_without_an_engine_is_none(void **state)
{
	(void)state;
	reply("gc", LISTED);
	cluster.services[0].name = NULL;
	fake_engine_handler(fake, NULL, NULL);
	assert_int_equal(run(&cmd_data_gc, "--remove"), -1);
	assert_null(strstr(asked, "remove"));
}

#define GONE                                                                       \
	"\"status\":404,\"body\":{\"format\":1,\"error\":{\"kind\":\"not_found\"," \
	"\"message\":\"no such slot\"}}"

/* What n1 says instead of n2. */
static const char *of_n1;

static char *two_answers(void *arg, const char *node, const char *path, const char *body)
{
	size_t n = strlen(asked);

	if (!str_starts(path, "/v1/data/verdict", NULL))
		return answer(arg, node, path, body);
	snprintf(asked + n, sizeof(asked) - n, "%s %s\n", node, body);
	if (strcmp(node, "n3") == 0)
		return NULL;
	return strdup(strcmp(node, "n1") == 0 ? of_n1 : script[0].reply);
}

#define DAMAGED                                                                             \
	"\"verdict\":\"damaged\",\"why\":\"blocks.\\u001bindex ends early\","               \
	"\"repairs\":[\"rebuild-index\",\"sing\",\"replay\"],\"repair\":\"rebuild-index\"," \
	"\"evidence\":{\"state\":{\"seen\":\"file\",\"size_bytes\":1048576,"                \
	"\"format\":\"EOSIODB2\",\"dirty\":false,\"fault\":null},"                          \
	"\"fork_db\":{\"seen\":\"odd\"},\"head_block_num\":80,\"head_block_id\":\"ab\","    \
	"\"log\":{\"seen\":\"file\",\"size_bytes\":2048,\"first_block_num\":1,"             \
	"\"last_block_num\":79},\"index\":{\"seen\":\"file\",\"size_bytes\":8,"             \
	"\"fault\":\"it has 1 blocks\"},\"opener\":%s}"

static void verdict_is_of_the_host_that_has_it(void **state)
{
	static const struct {
		const char *name, *n1, *n2, *words;
		int rc;
		enum err_kind kind;
		const char *says; /* on stdout, or in the error */
	} rows[] = {
		{ "one has it", GONE, OK("\"verdict\":\"clean\",\"why\":\"closed\""), "readers.3",
		        0, ERR_NONE, "readers.3 on host host-n2 is clean: closed" },
		{ "far behind", GONE, OK("\"verdict\":\"far-behind\",\"why\":\"old\""), "readers.3",
		        0, ERR_NONE, "is far-behind: old" },
		{ "a verdict of the future", GONE, OK("\"verdict\":\"soft\",\"why\":\"?\""),
		        "readers.3", -1, ERR_UNHEALTHY, "is soft" },
		{ "none", GONE, GONE, "readers.3", -1, ERR_UNAVAILABLE, "host-n3" },
		{ "nonsense", GONE, OK("\"verdict\":7"), "readers.3", -1, ERR_PROTOCOL,
		        "no verdict" },
		{ "an old agent", GONE,
		        "\"status\":400,\"body\":{\"format\":1,\"error\":{\"kind\":\"usage\","
		        "\"message\":\"no operation 'verdict'\"}}",
		        "readers.3", -1, ERR_PROTOCOL, "no operation" },
		{ "two", OK("\"verdict\":\"clean\""), OK("\"verdict\":\"clean\""), "readers.3", -1,
		        ERR_CONFLICT, "more than one host: host-n1, host-n2" },
		{ "two, and one is held",
		        OK("\"verdict\":\"dirty\",\"evidence\":{\"opener\":\"task t\"}"),
		        OK("\"verdict\":\"clean\""), "readers.3", -1, ERR_UNHEALTHY, "is dirty" },
		{ "two, and one is meant", OK("\"verdict\":\"dirty\""), OK("\"verdict\":\"clean\""),
		        "readers.3 --on n2", 0, ERR_NONE, "host-n2 is clean" },
		{ "what helps a foreign one", OK("\"verdict\":\"foreign\""), GONE, "readers.3", -1,
		        ERR_UNHEALTHY, "repair: none: nothing is wrong with it" },
		{ "what nothing helps", OK("\"verdict\":\"damaged\""), GONE, "readers.3", -1,
		        ERR_UNHEALTHY, "repair: none: a generation" },
		{ "no blocks to replay",
		        OK("\"verdict\":\"dirty\",\"repair\":\"replay\",\"repairs\":[\"replay\"]"),
		        GONE, "readers.3", -1, ERR_UNHEALTHY, "begins anew from its genesis" },
		{ "no slot", GONE, GONE, "readers", -1, ERR_USAGE, "neither a directory nor" },
		{ "slot 0", GONE, GONE, "readers.0", -1, ERR_USAGE, "neither a directory nor" },
		{ "both", GONE, GONE, "./x --on n2", -1, ERR_USAGE, "are for a slot" },
		{ "a chain", GONE, GONE, "readers.3 --chain-id 12", -1, ERR_USAGE, "no chain id" },
	};

	(void)state;
	fake_agent_handler(agent, two_answers, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc;

		reply("verdict", rows[i].n2);
		of_n1 = rows[i].n1;
		rc = run(&cmd_data_verdict, rows[i].words);
		if (rc != rows[i].rc || e.kind != rows[i].kind ||
		        (!strstr(out, rows[i].says) && !strstr(e.msg, rows[i].says)))
			fail_msg("row '%s': %d, %s: %s\n%s", rows[i].name, rc,
			        err_kind_name(e.kind), e.msg, out);
	}
	expect_in(asked, "n2 {\"service\":\"s_readers\",\"slot\":3,");
}

static void verdict_shows_evidence_and_repairs(void **state)
{
	char text[2048], body[1200];

	(void)state;
	fake_agent_handler(agent, two_answers, NULL);
	snprintf(body, sizeof(body), DAMAGED, "null");
	snprintf(text, sizeof(text), "\"status\":200,\"body\":{\"format\":1,%s}", body);
	reply("verdict", text);
	of_n1 = GONE;
	assert_int_equal(run(&cmd_data_verdict, "readers.3"), -1);
	expect_in(out, "readers.3 on host host-n2 is damaged: blocks.?index ends early\n");
	expect_in(out, "  state         1.0 MiB, EOSIODB2, closed\n");
	expect_in(out, "  fork_db       no regular file\n");
	expect_in(out, "  head          80, ab\n");
	expect_in(out, "  block log     2.0 KiB, blocks 1 to 79\n");
	expect_in(out, "  index         8 B; it has 1 blocks\n");
	expect_in(out, "repair: rebuild-index: blocks.index is made anew");
	expect_in(out, "  else: replay\n");
	ctx.json = true;
	assert_int_equal(run(&cmd_data_verdict, "readers.3"), -1);
	ctx.json = false;
	assert_string_equal(json_str(ctx.result, "verdict", ""), "damaged");
	assert_string_equal(json_str(ctx.result, "repair", ""), "rebuild-index");
	assert_string_equal(json_str(ctx.result, "host", ""), "host-n2");
	assert_int_equal(json_int(ctx.result, "evidence.log.last_block_num", 0), 79);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ls_is_about_all_hosts),
		TEST(hosts_that_do_not_answer_are_named),
		TEST(only_one_host_on_request),
		TEST(nonsense_is_no_generation),
		TEST(a_host_has_a_thousand_at_most),
		TEST(verify_says_what_differs),
		TEST(what_is_asked_for_is_checked_here),
		TEST(prune_tells_what_had_to_stay),
		TEST(prepare_names_its_service_in_full),
		TEST(pull_goes_through_an_agent),
		TEST(gc_lists_what_the_engine_has_no_use_for),
		TEST(gc_tells_a_host_what_may_go),
		TEST(gc_asks_the_engine_before_each_host),
		TEST(gc_tells_what_was_not_judged),
		TEST(gc_without_an_engine_is_none),
		TEST(verdict_is_of_the_host_that_has_it),
		TEST(verdict_shows_evidence_and_repairs),
	};

	return cmocka_run_group_tests_name("cli/data", tests, NULL, NULL);
}
