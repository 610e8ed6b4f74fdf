#include "unit/test.h"

#include "watch/canary.h"

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/str.h"
#include "fake/raw_server.h"
#include "nodeos/name.h"
#include "nodeos/sign.h"
#include "nodeos/transaction.h"

#define CHAIN  "cf057bbfb72640471fd910bcb67639c22df9f92470936cddc1ade0e2f2e7dc4f"
#define OTHER  "00057bbfb72640471fd910bcb67639c22df9f92470936cddc1ade0e2f2e7dc4f"
#define WIF    "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3"
#define PUBLIC "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"
#define HEAD   10 /* when it is sent */
#define LIB    8
#define T0     INT64_C(1795170072000000000)

/*
 * The node that it is sent to.  Its chain grows by a block whenever it is asked for the one after
 * its head.  Which branch it is on at a height is a digit, of which the rest of the id is made.
 */
static struct {
	pthread_mutex_t lock;
	struct raw_server server;
	uint32_t head, last; /* it does not grow beyond last; 0: no end */
	char branch[64];
	int64_t step_ns;   /* between blocks from HEAD on */
	uint32_t tx_at[2]; /* on branch 'a' and on branch 'b'; 0: never */
	/* When it is asked for switch_at, it goes over to branch b from block switch_from on. */
	uint32_t switch_at, switch_from;
	long status_2, status_1; /* of send_transaction2 and send_transaction; 0: no answer */
	const char *refusal;     /* the body, if so */
	char sent[4096], sent_to[64];
	char id[SHA256_HEX_SIZE]; /* of what was sent */
	unsigned sends, blocks_read;
	uint32_t unread; /* this block it cannot show whole, so often */
	unsigned unread_times, unread_tries;
	const char *unread_says; /* what it answers then, with status 500 */
} via;

static const char *id_of(char out[SHA256_HEX_SIZE], uint32_t num, char branch)
{
	snprintf(out, SHA256_HEX_SIZE, "%08" PRIx32, num);
	memset(out + 8, branch, 56);
	out[64] = '\0';
	return out;
}

static void reply(int fd, long status, const char *body)
{
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 %ld X\r\nContent-Length: %zu\r\n\r\n", status,
	        strlen(body));
	raw_say(fd, head);
	raw_say(fd, body);
}

static int64_t time_of(uint32_t num)
{
	return num <= HEAD ? T0 - (HEAD - num) * INT64_C(500000000)
	                   : T0 + (num - HEAD) * via.step_ns;
}

static void say_info(int fd)
{
	char body[1024], head[SHA256_HEX_SIZE], lib[SHA256_HEX_SIZE], at[CLOCK_TEXT_MAX];

	snprintf(body, sizeof(body),
	        "{\"chain_id\":\"" CHAIN "\",\"head_block_num\":%" PRIu32
	        ",\"last_irreversible_block_num\":%d,\"last_irreversible_block_id\":\"%s\","
	        "\"head_block_id\":\"%s\",\"head_block_time\":\"%.23s\"}",
	        via.head, LIB, id_of(lib, LIB, 'a'), id_of(head, via.head, 'a'),
	        clock_text(at, time_of(via.head)));
	reply(fd, 200, body);
}

static void say_block(int fd, uint32_t num, bool is_whole)
{
	char body[2048], id[SHA256_HEX_SIZE], previous[SHA256_HEX_SIZE], at[CLOCK_TEXT_MAX];
	bool has = via.tx_at[via.branch[num] == 'b'] == num;

	snprintf(body, sizeof(body),
	        "{\"timestamp\":\"%.23s\",\"producer\":\"eosio\",\"confirmed\":0,"
	        "\"previous\":\"%s\",\"schedule_version\":0,%s%s%s\"id\":\"%s\",\"block_num\":"
	        "%" PRIu32 "}",
	        clock_text(at, time_of(num)), id_of(previous, num - 1, via.branch[num - 1]),
	        is_whole ? "\"transactions\":[{\"status\":\"executed\",\"trx\":{\"id\":\"" : "",
	        !is_whole     ? ""
	                : has ? via.id
	                      : OTHER,
	        is_whole ? "\",\"signatures\":[]}}]," : "", id_of(id, num, via.branch[num]), num);
	reply(fd, 200, body);
}

static void no_block(int fd)
{
	reply(fd, 400,
	        "{\"code\":400,\"message\":\"Unknown Block\",\"error\":{\"code\":3100002,\"name\":"
	        "\"unknown_block_exception\",\"what\":\"Unknown block\",\"details\":[]}}");
}

static void answer_block(int fd, const char *request)
{
	const char *by_num = strstr(request, "{\"block_num\":");
	const char *by_id = strstr(request, "{\"block_num_or_id\":\"");
	char id[SHA256_HEX_SIZE], digits[9] = "";
	uint32_t num;

	if (by_num) {
		num = (uint32_t)strtoul(by_num + 13, NULL, 10);
	} else {
		memcpy(digits, by_id + 20, 8);
		num = (uint32_t)strtoul(digits, NULL, 16);
		via.blocks_read++;
	}
	assert_in_range(num, 1, 63);
	if (by_num && num == via.switch_at)
		memset(via.branch + via.switch_from, 'b', sizeof(via.branch) - via.switch_from);
	if (num > via.head) {
		if (via.head != via.last)
			via.head++;
		no_block(fd);
	} else if (by_id && strncmp(by_id + 20, id_of(id, num, via.branch[num]), 64) != 0) {
		no_block(fd);
	} else if (by_id && num == via.unread && via.unread_tries < via.unread_times) {
		via.unread_tries++;
		reply(fd, 500, via.unread_says);
	} else {
		say_block(fd, num, !by_num);
	}
}

static void take_transaction(int fd, const char *request, bool is_2)
{
	const char *body = strstr(request, "\r\n\r\n") + 4;
	const char *hex = strstr(body, "\"packed_trx\":\"") + 14;
	unsigned char packed[TRANSACTION_PACKED_MAX];
	size_t n = strspn(hex, "0123456789abcdef") / 2;
	long status = is_2 ? via.status_2 : via.status_1;
	char digits[2 * TRANSACTION_PACKED_MAX + 1], answer[256];

	via.sends++;
	snprintf(via.sent, sizeof(via.sent), "%s", body);
	snprintf(via.sent_to, sizeof(via.sent_to), "%s", is_2 ? "2" : "1");
	memcpy(digits, hex, 2 * n);
	digits[2 * n] = '\0';
	assert_int_equal(hex_decode(packed, n, digits), 0);
	sha256_hex(via.id, packed, n);
	snprintf(answer, sizeof(answer), "{\"transaction_id\":\"%s\",\"processed\":{}}", via.id);
	if (status)
		reply(fd, status, status == 202 ? answer : via.refusal ? via.refusal : "{}");
}

static void serve(struct raw_server *s, int fd, int n)
{
	(void)n;
	while (raw_read(s, fd) == 0) {
		bool goes_on = true;

		pthread_mutex_lock(&via.lock);
		if (strstr(s->request, "/v1/chain/get_info "))
			say_info(fd);
		else if (strstr(s->request, "/v1/chain/get_block"))
			answer_block(fd, s->request);
		else if (strstr(s->request, "/v1/chain/send_transaction2 "))
			take_transaction(fd, s->request, true);
		else if (strstr(s->request, "/v1/chain/send_transaction "))
			take_transaction(fd, s->request, false);
		else
			goes_on = false;
		pthread_mutex_unlock(&via.lock);
		if (!goes_on)
			return;
	}
}

/* --- all nodes -------------------------------------------------------------------------------- */

static struct {
	unsigned round;
	void (*say)(uint32_t height, canary_tell_fn *tell, void *to);
	volatile int interrupted;
	int fails;
} nodes;

static int ask(void *arg, uint32_t height, canary_tell_fn *tell, void *to, struct err *e)
{
	(void)arg;
	nodes.round++;
	if (nodes.fails)
		return err_set(e, ERR_UNAVAILABLE, "nobody knows");
	nodes.say(height, tell, to);
	return 0;
}

static void say_node(canary_tell_fn *tell, void *to, const char *name, uint32_t head, uint32_t lib,
        const char *id)
{
	tell(to,
	        &(struct canary_word){ .kind = WATCH_OWN,
	                .name = name,
	                .host = "h1",
	                .head = head,
	                .lib = lib,
	                .id = id });
}

static const char *branch_id(uint32_t num)
{
	static char id[SHA256_HEX_SIZE];

	pthread_mutex_lock(&via.lock);
	id_of(id, num, via.branch[num]);
	pthread_mutex_unlock(&via.lock);
	return id;
}

static void both_have_it(uint32_t height, canary_tell_fn *tell, void *to)
{
	say_node(tell, to, "readers.1", height, LIB, branch_id(height));
	say_node(tell, to, "readers.2", height + 1, LIB, branch_id(height));
}

/* --- the run ---------------------------------------------------------------------------------- */

static struct sign_key *key;
static struct transfer transfer;
static struct canary_report report;
static struct canary_config config;
static char last_progress[200];

static void on_progress(void *arg, const char *text)
{
	(void)arg;
	snprintf(last_progress, sizeof(last_progress), "%s", text);
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	memset(&via, 0, sizeof(via));
	pthread_mutex_init(&via.lock, NULL);
	memset(via.branch, 'a', sizeof(via.branch));
	via.head = HEAD;
	via.step_ns = 500000000;
	via.tx_at[0] = HEAD + 2;
	via.status_2 = via.status_1 = 202;
	memset(&nodes, 0, sizeof(nodes));
	nodes.say = both_have_it;
	report = CANARY_REPORT_INIT;
	key = sign_key_parse(WIF, &e);
	memset(&transfer, 0, sizeof(transfer));
	if (!key || nodeos_name_parse(&transfer.contract, "eosio.token", &e) < 0 ||
	        nodeos_name_parse(&transfer.from, "alice", &e) < 0 ||
	        nodeos_name_parse(&transfer.permission, "active", &e) < 0 ||
	        nodeos_name_parse(&transfer.to, "bob", &e) < 0 ||
	        nodeos_asset_parse(&transfer.quantity, "0.0001 EOS", &e) < 0)
		return -1;
	if (raw_server_start(&via.server, NULL, serve) < 0)
		return -1;
	config = (struct canary_config){ .via = via.server.url,
		.transfer = &transfer,
		.key = key,
		.chain_id = CHAIN,
		.timeout_ns = 20 * NS_PER_SEC,
		.ask = ask,
		.interrupted = &nodes.interrupted,
		.progress = on_progress };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	raw_server_stop(&via.server);
	sign_key_free(key);
	canary_report_release(&report);
	pthread_mutex_destroy(&via.lock);
	return 0;
}

static void run(void)
{
	struct err e = ERR_INIT;

	if (canary_run(&config, &report, &e) < 0)
		fail_msg("%s", e.msg);
}

static void assert_says(const char *part)
{
	if (!strstr(report.text, part))
		fail_msg("'%s' and not '%s'", report.text, part);
}

static const struct canary_node *node(const char *name)
{
	for (size_t i = 0; i < report.n; i++)
		if (strcmp(report.nodes[i].name, name) == 0)
			return &report.nodes[i];
	fail_msg("no node %s", name);
	return NULL;
}

/* The second node gets the block two rounds later. */
static void one_is_late(uint32_t height, canary_tell_fn *tell, void *to)
{
	bool is_late = nodes.round < 3;

	say_node(tell, to, "readers.1", height, LIB, branch_id(height));
	say_node(tell, to, "readers.2", is_late ? height - 1 : height, LIB,
	        is_late ? "" : branch_id(height));
}

static void on_all_nodes(void **state)
{
	char id[SHA256_HEX_SIZE];

	(void)state;
	nodes.say = one_is_late;
	run();
	assert_true(report.is_good);
	assert_says("in block 12 on all nodes after ");
	assert_int_equal(report.block_num, 12);
	assert_string_equal(report.block_id, id_of(id, 12, 'a'));
	assert_string_equal(report.transaction_id, via.id);
	assert_string_equal(report.chain_id, CHAIN);
	assert_string_equal(report.via, via.server.url);
	assert_int_equal(report.moves, 0);
	assert_int_equal(nodes.round, 3);
	assert_int_equal(report.n, 2);
	assert_true(report.accepted_ns > 0 && report.block_ns > 0);
	assert_true(node("readers.1")->seen_ns >= report.block_ns);
	assert_true(node("readers.2")->seen_ns > node("readers.1")->seen_ns);
	assert_string_equal(node("readers.2")->why, "");
	assert_string_equal(node("readers.2")->host, "h1");
	assert_false(node("readers.1")->is_irreversible);
	assert_non_null(strstr(last_progress, "in block 12, on 2 of 2 nodes"));
	/* Only blocks that came after it was sent are read. */
	assert_int_equal(via.blocks_read, 2);
}

/* What was sent is signed by the key, for the chain, and says what it was told to. */
static void what_is_sent(void **state)
{
	AUTO(json) json_t *j = NULL;
	struct err e = ERR_INIT;
	struct transaction t;
	char ref[SHA256_HEX_SIZE], hex[2 * TRANSACTION_PACKED_MAX + 1];
	const char *body;

	(void)state;
	snprintf(transfer.memo, sizeof(transfer.memo), "hello");
	run();
	assert_int_equal(via.sends, 1);
	assert_string_equal(via.sent_to, "2");
	/* The reference is the irreversible block, and it expires thirty seconds after the head. */
	assert_int_equal(transaction_make(&t, &transfer, id_of(ref, LIB, 'a'),
	                         (uint32_t)(T0 / NS_PER_SEC + 30), &e),
	        0);
	hex_encode(hex, t.packed, t.n);
	j = json_parse(via.sent, strlen(via.sent), "sent", &e);
	assert_non_null(j);
	body = json_str(j, "transaction.packed_trx", "");
	assert_string_equal(body, hex);
	assert_false(json_bool(j, "return_failure_trace", true));
	assert_int_equal(transaction_sign(&t, CHAIN, key, &e), 0);
	assert_string_equal(
	        json_string_value(json_array_get(json_at(j, "transaction.signatures"), 0)),
	        t.signature);
	assert_null(strstr(via.sent, WIF));
}

static void an_older_nodeos(void **state)
{
	(void)state;
	via.status_2 = 404;
	run();
	assert_true(report.is_good);
	assert_int_equal(via.sends, 2);
	assert_string_equal(via.sent_to, "1");
}

static void no_chain_api(void **state)
{
	(void)state;
	via.status_2 = via.status_1 = 404;
	run();
	assert_false(report.is_good);
	assert_says("takes no transactions");
	assert_int_equal(nodes.round, 0);
	assert_true(report.accepted_ns < 0);
}

static void refused(void **state)
{
	(void)state;
	via.status_2 = 401;
	via.refusal = "{\"code\":401,\"message\":\"UnAuthorized\",\"error\":{\"code\":3090003,"
	              "\"name\":\"unsatisfied_authorization\",\"what\":\"x\",\"details\":[{"
	              "\"message\":\"transaction declares authority...\"}]}}";
	run();
	assert_false(report.is_good);
	assert_says("the key is not that of the account's permission (transaction declares");
	assert_says("; it is signed with " PUBLIC);
	assert_int_equal(report.block_num, 0);
	assert_false(report.is_sent);
}

static void another_chain(void **state)
{
	(void)state;
	config.chain_id = OTHER;
	run();
	assert_false(report.is_good);
	assert_says("the canary was not taken: nothing was sent: 'http://127.0.0.1:");
	assert_says("' is of the chain cf057bbfb7264047..., the nodes are of 00057bbfb7264047...");
	assert_int_equal(via.sends, 0);
	assert_string_equal(report.transaction_id, "");
}

/* Or else via could name any chain on which the same key has money. */
static void no_chain_is_known(void **state)
{
	(void)state;
	config.chain_id = "";
	run();
	assert_false(report.is_good);
	assert_says("the canary was not taken: nothing was sent: no node says of which chain");
	assert_int_equal(via.sends, 0);
	assert_string_equal(report.transaction_id, "");
}

static void nobody_there(void **state)
{
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", raw_free_port());
	config.via = url;
	run();
	assert_false(report.is_good);
	assert_true(strlen(report.text) > 0);
	assert_int_equal(report.n, 0);
}

/* The answer to sending is lost, and the transaction is not. */
static void no_answer_to_sending(void **state)
{
	(void)state;
	via.status_2 = 0;
	config.timeout_ns = 3 * NS_PER_SEC;
	run();
	assert_true(report.is_good);
	assert_int_equal(via.sends, 1);
	assert_true(report.accepted_ns < 0);
	assert_true(report.is_sent);
}

/* --- forks ------------------------------------------------------------------------------------ */

/* It was in block 12; then there is another block 12, and it is in block 13. */
static void the_third_round_disagrees(uint32_t height, canary_tell_fn *tell, void *to)
{
	char mine[SHA256_HEX_SIZE];

	pthread_mutex_lock(&via.lock);
	if (nodes.round == 2) {
		memset(via.branch + 12, 'b', sizeof(via.branch) - 12);
		via.tx_at[1] = 13;
	}
	pthread_mutex_unlock(&via.lock);
	say_node(tell, to, "readers.1", height, LIB, branch_id(height));
	say_node(tell, to, "readers.2", height, LIB,
	        nodes.round < 3 ? id_of(mine, height, 'c') : branch_id(height));
}

static void a_fork_takes_it_along(void **state)
{
	char id[SHA256_HEX_SIZE];

	(void)state;
	nodes.say = the_third_round_disagrees;
	run();
	assert_true(report.is_good);
	assert_int_equal(report.moves, 1);
	assert_int_equal(report.block_num, 13);
	assert_string_equal(report.block_id, id_of(id, 13, 'b'));
}

/* While it is looked for, the chain goes over to blocks that were passed already. */
static void in_a_block_behind_us(void **state)
{
	(void)state;
	via.tx_at[0] = 0;
	via.tx_at[1] = 11;
	via.switch_at = 13;
	via.switch_from = 11;
	run();
	assert_true(report.is_good);
	assert_int_equal(report.block_num, 11);
	assert_int_equal(report.moves, 0);
}

static void never_in_a_block(void **state)
{
	(void)state;
	via.tx_at[0] = 0;
	via.step_ns = 10 * NS_PER_SEC;
	run();
	assert_false(report.is_good);
	assert_says("the chain went on without it for 30 s, until it expired");
	/* The block at its last second may still have it; the one after may not. */
	assert_int_equal(via.blocks_read, 4);
}

static void the_chain_stands(void **state)
{
	(void)state;
	via.last = HEAD;
	config.timeout_ns = 300 * NS_PER_MS;
	run();
	assert_false(report.is_good);
	assert_says("in no block after 300ms: there was none, 'http://127.0.0.1:");
	assert_says("' stands at block 10");
}

static void the_chain_goes_on_without_it(void **state)
{
	(void)state;
	via.tx_at[0] = 0;
	via.last = HEAD + 2;
	config.timeout_ns = 2 * NS_PER_SEC;
	run();
	assert_says("in no block after 2.0s: 2 blocks were made without it");
}

#define TOO_LONG                                                                             \
	"{\"code\":500,\"message\":\"Internal Service "                                      \
	"Error\",\"error\":{\"code\":3015014,\"name\":"                                      \
	"\"abi_serialization_deadline_exception\",\"what\":\"x\",\"details\":[{\"message\":" \
	"\"serialization time limit exceeded\"}]}}"

/* That a block cannot be read does not mean that it is not there. */
static void a_block_that_is_read_later(void **state)
{
	(void)state;
	via.tx_at[0] = via.unread = 11;
	via.unread_times = 3;
	via.unread_says = TOO_LONG;
	run();
	assert_true(report.is_good);
	assert_int_equal(report.block_num, 11);
	assert_int_equal(report.blocks_unread, 0);
}

static void a_block_that_cannot_be_read(void **state)
{
	(void)state;
	via.unread = 11;
	via.unread_times = UINT_MAX;
	via.unread_says = TOO_LONG;
	run();
	assert_true(report.is_good);
	assert_int_equal(report.block_num, 12);
	assert_int_equal(via.unread_tries, 4);
	assert_int_equal(report.blocks_unread, 1);
}

static void it_may_be_in_one_that_cannot_be_read(void **state)
{
	(void)state;
	via.tx_at[0] = via.unread = 11;
	via.unread_times = UINT_MAX;
	via.unread_says = "<html>busy</html>";
	via.last = HEAD + 3;
	config.timeout_ns = 1500 * NS_PER_MS;
	run();
	assert_false(report.is_good);
	assert_says("in no block that could be read after 1.5s: 2 blocks were made without it, 1 "
	            "block could not be read (the last is 11: status 500: get_block: ");
}

static void nor_until_it_expires(void **state)
{
	(void)state;
	via.tx_at[0] = via.unread = 11;
	via.unread_times = UINT_MAX;
	via.unread_says = "<html>busy</html>";
	via.step_ns = 10 * NS_PER_SEC;
	run();
	assert_false(report.is_good);
	assert_says("for 30 s, until it expired; 1 block could not be read (the last is 11: ");
}

/* --- nodes ------------------------------------------------------------------------------------ */

static void three_do_not(uint32_t height, canary_tell_fn *tell, void *to)
{
	char mine[SHA256_HEX_SIZE];

	say_node(tell, to, "readers.1", height, LIB, branch_id(height));
	say_node(tell, to, "readers.2", height + 3, LIB, id_of(mine, height, 'c'));
	say_node(tell, to, "readers.3", height - 2, LIB, "");
	tell(to,
	        &(struct canary_word){ .kind = WATCH_OWN,
	                .name = "readers.4",
	                .host = "",
	                .why = "no task\x1b runs",
	                .id = "" });
	say_node(tell, to, "readers.5", height + 9, LIB, "");
	tell(to,
	        &(struct canary_word){ .kind = WATCH_REFERENCE,
	                .name = "http://ref",
	                .host = "",
	                .why = "does not answer",
	                .id = "" });
}

static void not_on_all(void **state)
{
	(void)state;
	nodes.say = three_do_not;
	config.timeout_ns = NS_PER_SEC;
	run();
	assert_false(report.is_good);
	assert_says(
	        "in block 12, but not on 4 of 5 nodes after 1.0s: readers.2: it has another block");
	assert_string_equal(node("readers.2")->why, "it has another block 12, 0000000ccccccccc...");
	assert_string_equal(node("readers.3")->why, "its head is 10, before block 12");
	assert_string_equal(node("readers.4")->why, "no task? runs");
	assert_string_equal(node("readers.5")->why, "it does not have block 12");
	assert_string_equal(node("http://ref")->why, "does not answer");
	assert_null(strstr(report.text, "http://ref"));
}

static void a_reference_sleeps(uint32_t height, canary_tell_fn *tell, void *to)
{
	both_have_it(height, tell, to);
	tell(to,
	        &(struct canary_word){ .kind = WATCH_REFERENCE,
	                .name = "readers.1",
	                .host = "",
	                .why = "does not answer",
	                .id = "" });
}

static void references_hinder_nothing(void **state)
{
	(void)state;
	nodes.say = a_reference_sleeps;
	run();
	assert_true(report.is_good);
	assert_int_equal(report.n, 3);
}

static void only_a_reference(uint32_t height, canary_tell_fn *tell, void *to)
{
	tell(to,
	        &(struct canary_word){ .kind = WATCH_REFERENCE,
	                .name = "http://ref",
	                .host = "",
	                .head = height,
	                .id = branch_id(height) });
}

static void without_own_nodes(void **state)
{
	(void)state;
	nodes.say = only_a_reference;
	config.timeout_ns = 2 * NS_PER_SEC;
	run();
	assert_false(report.is_good);
}

static void one_goes_away(uint32_t height, canary_tell_fn *tell, void *to)
{
	say_node(tell, to, "readers.1", height, LIB, branch_id(height));
	if (nodes.round < 3)
		say_node(tell, to, "readers.2", 1, LIB, "");
}

static void who_is_gone_is_not_missed(void **state)
{
	(void)state;
	nodes.say = one_goes_away;
	run();
	assert_true(report.is_good);
	assert_int_equal(report.n, 1);
	assert_says("in block 12 on the one node after ");
}

/* It had the block, and lost it to a fork when the other one got it. */
static void never_at_once(uint32_t height, canary_tell_fn *tell, void *to)
{
	char mine[SHA256_HEX_SIZE];

	id_of(mine, height, 'c');
	say_node(tell, to, "readers.1", height, LIB, nodes.round % 2 ? mine : branch_id(height));
	say_node(tell, to, "readers.2", height, LIB, nodes.round % 2 ? branch_id(height) : mine);
}

static void only_at_the_same_time(void **state)
{
	(void)state;
	nodes.say = never_at_once;
	config.timeout_ns = 2 * NS_PER_SEC;
	run();
	assert_false(report.is_good);
	assert_says("not on 1 of 2 nodes");
	/* Of the one that had it and lost it there is no time. */
	for (size_t i = 0; i < report.n; i++)
		assert_int_equal(report.nodes[i].is_seen, report.nodes[i].seen_ns >= 0);
}

static void nobody_can_be_asked(void **state)
{
	(void)state;
	nodes.fails = 1;
	config.timeout_ns = NS_PER_SEC;
	run();
	assert_false(report.is_good);
	assert_says("in block 12, but the nodes could not be asked: nobody knows");
}

/* --- irreversible ----------------------------------------------------------------------------- */

static void lib_follows(uint32_t height, canary_tell_fn *tell, void *to)
{
	say_node(tell, to, "readers.1", height + 2, height, branch_id(height));
	say_node(tell, to, "readers.2", height + 2, nodes.round < 2 ? height - 1 : height,
	        branch_id(height));
}

static void until_it_is_irreversible(void **state)
{
	(void)state;
	nodes.say = lib_follows;
	config.wants_irreversible = true;
	run();
	assert_true(report.is_good);
	assert_int_equal(nodes.round, 2);
	assert_says("irreversible after ");
	assert_true(node("readers.2")->irreversible_ns > node("readers.2")->seen_ns);
}

static void not_irreversible(void **state)
{
	(void)state;
	config.wants_irreversible = true;
	config.timeout_ns = 3 * NS_PER_SEC;
	run();
	assert_false(report.is_good);
	assert_says("in block 12, but not irreversible on 2 of 2 nodes");
	assert_string_equal(node("readers.1")->why, "block 12 is not irreversible there, 8 is");
	assert_true(node("readers.1")->is_seen);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void interrupts(uint32_t height, canary_tell_fn *tell, void *to)
{
	one_is_late(height, tell, to);
	nodes.interrupted = 1;
}

static void ctrl_c(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	nodes.say = interrupts;
	assert_int_equal(canary_run(&config, &report, &e), -1);
	assert_int_equal(e.kind, ERR_INTERRUPTED);
	assert_int_equal(report.block_num, 12);
}

static void as_json(void **state)
{
	AUTO(json) json_t *j = NULL;
	const json_t *one;

	(void)state;
	nodes.say = lib_follows;
	config.wants_irreversible = true;
	run();
	j = canary_json(&report);
	assert_non_null(j);
	assert_true(json_bool(j, "good", false));
	assert_string_equal(json_str(j, "text", ""), report.text);
	assert_string_equal(json_str(j, "transaction", ""), via.id);
	assert_int_equal(json_int(j, "block", 0), 12);
	assert_int_equal(json_int(j, "blocks_unread", -1), 0);
	assert_true(json_is_real(json_at(j, "accepted_seconds")));
	one = json_array_get(json_at(j, "nodes"), 1);
	assert_string_equal(json_str(one, "node", ""), "readers.2");
	assert_true(json_bool(one, "seen", false));
	assert_true(json_is_null(json_object_get(one, "why")));
	assert_true(json_real_value(json_object_get(one, "irreversible_seconds")) > 0);

	canary_report_release(&report);
	json_decref(TAKE(j));
	via.status_2 = via.status_1 = 404;
	run();
	j = canary_json(&report);
	assert_false(json_bool(j, "good", true));
	assert_true(json_is_null(json_at(j, "block")));
	assert_true(json_is_null(json_at(j, "block_seconds")));
	assert_int_equal(json_array_size(json_at(j, "nodes")), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(on_all_nodes),
		T(what_is_sent),
		T(an_older_nodeos),
		T(no_chain_api),
		T(refused),
		T(another_chain),
		T(no_chain_is_known),
		T(nobody_there),
		T(no_answer_to_sending),
		T(a_fork_takes_it_along),
		T(in_a_block_behind_us),
		T(never_in_a_block),
		T(the_chain_stands),
		T(the_chain_goes_on_without_it),
		T(a_block_that_is_read_later),
		T(a_block_that_cannot_be_read),
		T(it_may_be_in_one_that_cannot_be_read),
		T(nor_until_it_expires),
		T(not_on_all),
		T(references_hinder_nothing),
		T(without_own_nodes),
		T(who_is_gone_is_not_missed),
		T(only_at_the_same_time),
		T(nobody_can_be_asked),
		T(until_it_is_irreversible),
		T(not_irreversible),
		T(ctrl_c),
		T(as_json),
	};

	return cmocka_run_group_tests_name("watch/canary", tests, NULL, NULL);
}
