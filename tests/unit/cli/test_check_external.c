/* The run of `check --connect-external`, against a fake engine and nodes that are a function. */

#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/check_external.h"
#include "cli/command.h"
#include "engine/engine.h"
#include "fake/engine.h"

#define HEAD "HTTP/1.1 200 OK\r\n\r\n"
#define AA   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BB   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct err e;
static struct fake_engine *fake;
static struct engine *eng;
static struct context ctx;
static struct check_external_options options;
static struct check_external *x;
static struct watch_settings settings;
static char *out;
static size_t out_size;
static const struct command command = { .name = "check" };

/* What the engine has of the container. */
static struct {
	bool exists, vanishes;
	char name[128];
} life;

/* What our nodes say. */
static struct {
	unsigned calls, interrupt; /* at that call */
	bool fails;
	char branch;
} nodes;

static char *answer(void *arg, const struct fake_request *q, int *status)
{
	char name[128] = "";

	(void)arg;
	*status = 200;
	if (strcmp(q->path, "/containers/json") == 0)
		return strdup("[]");
	if (strcmp(q->path, "/containers/create") == 0) {
		snprintf(life.name, sizeof(life.name), "%.127s", q->query + strlen("name="));
		life.exists = true;
		*status = 201;
		return strdup("{\"Id\":\"c1\"}");
	}
	if (sscanf(q->path, "/containers/%127[^/]", name) != 1)
		return NULL;
	if (!life.exists || strcmp(name, life.name) != 0) {
		*status = 404;
		return strdup("{\"message\":\"No such container\"}");
	}
	if (strcmp(q->method, "DELETE") == 0) {
		life.exists = false;
		*status = 204;
		return strdup("");
	}
	if (str_ends(q->path, "/start")) {
		life.exists = !life.vanishes;
		*status = 204;
		return strdup("");
	}
	if (str_ends(q->path, "/exec")) {
		*status = 201;
		return strdup("{\"Id\":\"e1\"}");
	}
	return NULL;
}

static void reply_config(const char *id, const void *data, size_t n)
{
	AUTO(free) char *text = base64_encode(data, n);
	AUTO(free) char *path = str_fmt("/configs/%s", id);
	AUTO(free)
	char *body = str_fmt(
	        "{\"ID\":\"%s\",\"Spec\":{\"Name\":\"n-%s\",\"Data\":\"%s\"}}", id, id, text);

	fake_engine_reply(fake, "GET", path, 200, body);
}

static void serve_stack(void)
{
	AUTO(buf) struct buf genesis = BUF_INIT(GENESIS_TEXT_MAX);

	assert_int_equal(fs_read_at(AT_FDCWD, "genesis.json", &genesis, &e), 0);
	reply_config("gen1", genesis.data, genesis.len);
	fake_engine_reply(fake, "GET", "/nodes", 200, "[]");
	fake_engine_reply(fake, "GET", "/tasks", 200, "[]");
	fake_engine_reply(fake, "GET", "/services", 200,
	        "[{\"ID\":\"r\",\"Version\":{\"Index\":1},\"Spec\":{\"Name\":\"s_readers\","
	        "\"Labels\":{\"com.docker.stack.namespace\":\"s\"},\"Mode\":{\"Replicated\":{"
	        "\"Replicas\":1}},\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"i:1\",\"Env\":["
	        "\"NODESWARM_SLOT=1\"],\"Configs\":[{\"File\":{\"Name\":"
	        "\"/etc/nodeswarm/genesis.json\"},\"ConfigID\":\"gen1\"}]}}}}]");
}

/* The next answer of `fresh ask`; the last one stays. */
static void fresh_says(const char *text, int exit_code)
{
	AUTO(free)
	char *end = str_fmt("{\"ID\":\"e1\",\"Running\":false,\"ExitCode\":%d}", exit_code);
	struct buf b = BUF_INIT(10000);
	size_t n = strlen(text);
	const unsigned char header[8] = { 1, 0, 0, 0, 0, 0, (unsigned char)(n >> 8),
		(unsigned char)n };

	assert_int_equal(buf_add_str(&b, HEAD), 0);
	assert_int_equal(buf_add(&b, header, sizeof(header)), 0);
	assert_int_equal(buf_add(&b, text, n), 0);
	fake_engine_raw(fake, "POST", "/exec/e1/start", b.data, b.len, 0, FAKE_CLOSE);
	fake_engine_reply(fake, "GET", "/exec/e1/json", 200, end);
	buf_release(&b);
}

static void fresh_has(unsigned head, int peers)
{
	AUTO(free)
	char *text = str_fmt("{\"state\":\"answers\",\"real_ns\":1,\"answer_ns\":1,\"peers\":{"
	                     "\"connected\":%d},\"info\":{\"chain_id\":\"00000000" AA
	                     "\",\"head_block_num\":%u,\"head_block_id\":\"%08x" AA
	                     "\",\"head_time_ns\":1,\"last_irreversible_block_num\":%u,"
	                     "\"last_irreversible_block_id\":\"%08x" AA "\"}}",
	        peers, head, head, head, head);

	fresh_says(text, 0);
}

static void container_printed(const char *text)
{
	AUTO(free) char *path = NULL;
	struct buf b = BUF_INIT(10000);
	size_t n = strlen(text);
	const unsigned char header[8] = { 2, 0, 0, 0, 0, 0, (unsigned char)(n >> 8),
		(unsigned char)n };

	assert_int_equal(buf_add_str(&b, HEAD), 0);
	assert_int_equal(buf_add(&b, header, sizeof(header)), 0);
	assert_int_equal(buf_add(&b, text, n), 0);
	path = str_fmt("/containers/%s/logs", life.name);
	fake_engine_raw(fake, "GET", path, b.data, b.len, 0, FAKE_CLOSE);
	buf_release(&b);
}

/* Its log has a name that is known only when it was made. */
static const char *printed;

static int ask(void *arg, uint32_t height, canary_tell_fn *tell, void *to, struct err *err)
{
	char id[NODEOS_ID_HEX_SIZE];

	(void)arg;
	if (printed)
		container_printed(printed);
	if (++nodes.calls == nodes.interrupt)
		cancel_set(&ctx.interrupted);
	if (nodes.fails)
		return err_set(err, ERR_UNAVAILABLE, "no engine");
	snprintf(id, sizeof(id), "%08x%s", height, nodes.branch == 'b' ? BB : AA);
	for (int i = 0; i < 3; i++)
		tell(to,
		        &(struct canary_word){ .kind = WATCH_OWN,
		                .name = "readers.1",
		                .host = "h",
		                .why = i == 2 ? "no answer" : NULL,
		                .head = 100,
		                .lib = 100,
		                .id = height <= 100 ? id : "" });
	return 0;
}

static int set_up(void **state)
{
	static char peer[] = "10.0.0.9:9876", *peers[] = { peer, NULL };

	(void)state;
	err_clear(&e);
	memset(&life, 0, sizeof(life));
	memset(&nodes, 0, sizeof(nodes));
	memset(&settings, 0, sizeof(settings));
	settings.v[WATCH_T_LAG_BLOCKS] = 20;
	settings.v[WATCH_T_FORK_SECONDS] = 10;
	printed = NULL;
	fake = fake_engine_start();
	eng = engine_new(fake_engine_host(fake), &e);
	fake_engine_handler(fake, answer, NULL);
	serve_stack();
	out = NULL;
	ctx = (struct context){ .out = open_memstream(&out, &out_size),
		.err = fopen("/dev/null", "w"),
		.stack = "s",
		.pool = "/pool",
		.command = &command };
	options = (struct check_external_options){ .is_wanted = true,
		.peers = { .v = peers, .n = 1 } };
	x = NULL;
	if (!eng || !ctx.out || !ctx.err)
		return -1;
	(void)engine_interrupt_on(eng, &ctx.interrupted);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	check_external_free(x);
	engine_free(eng);
	fake_engine_stop(fake);
	json_decref(ctx.result);
	fclose(ctx.out);
	fclose(ctx.err);
	free(out);
	return 0;
}

static int run(void)
{
	x = check_external_new(&ctx, &options, &e);
	if (!x)
		fail_msg("%s", e.msg);
	assert_string_equal(check_external_report(x)->text, "a fresh node was not tried");
	if (check_external_plan(x, eng, &settings, &e) < 0)
		return -1;
	assert_string_equal(life.name, "");
	return check_external_run(x, eng, &settings, ask, NULL, &e);
}

static void verdict(bool is_good, const char *part)
{
	const struct check_external_report *r = check_external_report(x);

	if (r->is_good != is_good || !strstr(r->text, part))
		fail_msg("%d %s", r->is_good, r->text);
	if (life.exists)
		fail_msg("its container is still there");
}

/* --- options ---------------------------------------------------------------------------------- */

static void options_that_cannot_be_meant(void **state)
{
	static const struct {
		const char *name, *network, *peer, *part;
	} rows[] = {
		{ "the host's network", "host", NULL, "'host'" },
		{ "no network", "none", NULL, "'none'" },
		{ "another container's", "container:x", NULL, "container:x" },
		{ "an option of docker's", "--x", NULL, "--x" },
		{ "a peer without port", NULL, "10.0.0.1", "--external-peer" },
		{ "an URL", NULL, "http://10.0.0.1:8888", "--external-peer" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(strvec) struct strvec peers = STRVEC_INIT;
		const struct check_external_options o = {
			.is_wanted = true, .network = rows[i].network, .peers = peers
		};
		struct check_external_options with = o;

		err_clear(&e);
		if (rows[i].peer) {
			assert_int_equal(strvec_add(&peers, rows[i].peer), 0);
			with.peers = peers;
			assert_int_equal(check_external_peer(rows[i].peer, &e), -1);
			err_clear(&e);
		}
		x = check_external_new(&ctx, &with, &e);
		if (x || e.kind != ERR_USAGE || !strstr(e.msg, rows[i].part))
			fail_msg("%s: %s", rows[i].name, e.msg);
	}
	assert_int_equal(fake_engine_count(fake), 0);
}

static void another_chain_was_expected(void **state)
{
	(void)state;
	snprintf(settings.chain_id, sizeof(settings.chain_id), "00000000" AA);
	assert_int_equal(run(), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.msg, "not of 00000000aaaaaaaa..."));
	assert_false(life.exists);
	assert_string_equal(life.name, "");
}

/* --- runs ------------------------------------------------------------------------------------- */

static void it_joins(void **state)
{
	AUTO(free) char *text = NULL;

	(void)state;
	fresh_has(1, 1);
	fresh_has(100, 1);
	if (run() < 0)
		fail_msg("%s", e.msg);
	verdict(true, "block 100 is the same on 2 of 2 nodes, 0 blocks behind");
	assert_true(check_external_report(x)->seconds > 1.5);
	assert_int_equal(nodes.calls, 3);
	assert_int_equal(check_external_print(x, &e), 0);
	fflush(ctx.out);
	assert_true(str_starts(out, "a fresh node joined in ", NULL));
	assert_non_null(strchr(out, '\n'));
	assert_string_equal(strchr(out, '\n'), "\n");
	ctx.json = true;
	assert_int_equal(check_external_print(x, &e), 0);
	assert_true(json_bool(ctx.result, "external.joined", false));
	assert_string_equal(json_str(ctx.result, "external.image", ""), "i:1");
	assert_string_equal(json_str(ctx.result, "external.network", ""), "bridge");
	assert_string_equal(
	        json_str(ctx.result, "external.text", ""), check_external_report(x)->text);
	text = json_text(json_at(ctx.result, "external.peers"), false);
	assert_string_equal(text, "[\"10.0.0.9:9876\"]");
}

static void its_nodeos_ends_and_says_why(void **state)
{
	(void)state;
	printed = "info  1\ninfo  2\ninfo  3\n"
	          "signature-provider = EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV="
	          "KEY:5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3\n"
	          "\033[31mred\n"
	          "error 2026-11-20T10:37:29.447 nodeos    main.cpp:1 main ] "
	          "unrecognised option 'no-such-option'\n";
	fresh_has(50, 1);
	fresh_says(
	        "{\"state\":\"down\",\"why\":\"its nodeos has ended\",\"wait_status\":65024}", 0);
	if (run() < 0)
		fail_msg("%s", e.msg);
	verdict(false, "a fresh node does not run: its nodeos has ended: ");
	assert_true(strlen(check_external_report(x)->text) > 60);
	assert_int_equal(check_external_print(x, &e), 0);
	fflush(ctx.out);
	assert_non_null(strstr(out, "\n  | info  2\n  | info  3\n  | signature-provider"));
	assert_null(strstr(out, "info  1"));
	assert_null(strstr(out, "5KQwrPbwd"));
	assert_non_null(strstr(out, "  | ?[31mred\n"));
}

static void other_blocks(void **state)
{
	(void)state;
	nodes.branch = 'b';
	fresh_has(100, 1);
	if (run() < 0)
		fail_msg("%s", e.msg);
	verdict(false,
	        "a fresh node gets another chain: its block 100 is 00000064aaaaaaaa..., that "
	        "of readers.1, readers.1 is 00000064bbbbbbbb..., irreversible on both sides");
}

static void its_time_is_over(void **state)
{
	(void)state;
	options.timeout_ns = 1000000000;
	nodes.fails = true;
	fresh_has(1, 1);
	if (run() < 0)
		fail_msg("%s", e.msg);
	verdict(false, "none of our nodes answers within 1.0s");
}

static void ctrl_c_leaves_nothing(void **state)
{
	(void)state;
	nodes.interrupt = 1;
	fresh_has(1, 1);
	assert_int_equal(run(), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_int_equal(nodes.calls, 1);
	assert_false(life.exists);
	assert_string_not_equal(life.name, "");
}

static void a_container_that_ends_by_itself(void **state)
{
	(void)state;
	life.vanishes = true;
	assert_int_equal(run(), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.msg, "container has ended"));
	assert_non_null(strstr(e.hint, "the image 'i:1'"));
	/* And the report of what else was found can be printed. */
	verdict(false, "a fresh node could not be tried: the fresh node's container has ended");
	ctx.json = true;
	err_clear(&e);
	assert_int_equal(check_external_print(x, &e), 0);
	assert_false(json_bool(ctx.result, "external.joined", true));
	assert_string_equal(
	        json_str(ctx.result, "external.text", ""), check_external_report(x)->text);
}

static void one_that_was_never_tried(void **state)
{
	(void)state;
	x = check_external_new(&ctx, &options, &e);
	assert_non_null(x);
	assert_int_equal(check_external_print(x, &e), 0);
	fflush(ctx.out);
	assert_string_equal(out, "a fresh node was not tried\n");
	assert_false(check_external_report(x)->is_good);
}

static void one_that_cannot_be_asked_is_given_up(void **state)
{
	(void)state;
	fresh_says("nonsense", 1);
	assert_int_equal(run(), -1);
	assert_non_null(strstr(e.msg, "exits with 1: nonsense"));
	assert_int_equal(nodes.calls, 4);
	assert_false(life.exists);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(options_that_cannot_be_meant, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_chain_was_expected, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_joins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(its_nodeos_ends_and_says_why, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_blocks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(its_time_is_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ctrl_c_leaves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_container_that_ends_by_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_was_never_tried, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        one_that_cannot_be_asked_is_given_up, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("cli/check_external", tests, NULL, NULL);
}
