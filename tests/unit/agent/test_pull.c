#include "unit/test.h"

#include "unit/data/trip.h"

#include "unit/data/fixture.h"

#include <signal.h>
#include <sys/socket.h>

#include "agent/pull.h"
#include "base/json.h"
#include "base/str.h"
#include "data/incoming.h"
#include "data/op.h"
#include "fake/raw_server.h"

/* The other host: a fake agent that sends what lies in `src`, or lies. */

#define NAME  "g000042-0000000007"
#define TOKEN "0123456789abcdef0123456789abcdef"
#define BIG   (2ULL * INCOMING_PIECE + 100000)

enum lie {
	HONEST,
	NO_TOKEN,
	BREAKS,     /* off three times, in the middle of a piece */
	BUSY,       /* 503, twice */
	ENDLESS,    /* a manifest without end */
	OTHER_NAME, /* the manifest of another generation */
	OTHER_CHAIN,
	ELSEWHERE, /* a path that leads out */
	SHORT_PIECE,
	LONG_PIECE,
	ENDLESS_PIECE,
	WRONG_BYTES,
	NO_MAP, /* a map that leads nowhere */
};

static struct err e;
static struct manifest theirs;
static struct raw_server server;
static json_t *reply;
static enum lie lie;
static int src = -1, trouble;
static volatile int cancel;

/* --- the other agent ---------------------------------------------------------------- */

static void head(int fd, int status, size_t n)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
	        "HTTP/1.1 %d x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", status, n);
	raw_say(fd, text);
}

static void say_text(int fd, int status, const char *text)
{
	head(fd, status, strlen(text));
	raw_say(fd, text);
}

static void say_without_end(int fd)
{
	static char block[65536];

	memset(block, ' ', sizeof(block));
	raw_say(fd, "HTTP/1.1 200 x\r\nConnection: close\r\n\r\n");
	while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
}

static void say_manifest(int fd)
{
	AUTO(json)
	json_t *j =
	        json_pack("{s:i, s:o}", "format", 1, "generation", manifest_json(&theirs, true));
	AUTO(free) char *text = json_text(j, false);

	if (lie == ENDLESS)
		say_without_end(fd);
	else
		say_text(fd, 200, text);
}

static void say_map(int fd, size_t file)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
	        "{\"format\":1,\"size\":%llu,\"ranges\":[[%d,10],[%llu,10]],\"next\":%s}",
	        (unsigned long long)theirs.files.v[file].size, 65536, 2ULL * INCOMING_PIECE,
	        lie == NO_MAP ? "65547" : "null");
	say_text(fd, 200, text);
}

static void say_piece(int fd, size_t file, off_t offset, size_t n)
{
	AUTO(free) char *data = calloc(1, n + 1);
	int from = openat(src, theirs.files.v[file].path, O_RDONLY | O_CLOEXEC);
	ssize_t got = pread(from, data, n, offset);

	(void)close(from);
	if (lie == ENDLESS_PIECE) {
		say_without_end(fd);
		return;
	}
	if (lie == WRONG_BYTES && theirs.files.v[file].size == BIG)
		data[0] ^= 1;
	if (lie == SHORT_PIECE)
		got--;
	head(fd, 200, (size_t)got + (lie == LONG_PIECE));
	if (lie == BREAKS && trouble++ < 3)
		got /= 2;
	(void)!send(fd, data, (size_t)got + (lie == LONG_PIECE), MSG_NOSIGNAL);
}

static void serve(struct raw_server *s, int fd, int n)
{
	unsigned long long offset = 0;
	size_t file = 0, length = 0;
	const char *rest;

	(void)n;
	if (raw_read(s, fd) < 0)
		return;
	if (lie == NO_TOKEN || !strstr(s->request, "Authorization: Bearer " TOKEN "\r\n")) {
		say_text(fd, 401, "{}");
	} else if (lie == BUSY && strstr(s->request, "/files/") && trouble++ < 2) {
		say_text(fd, 503,
		        "{\"format\":1,\"error\":{\"kind\":\"unavailable\",\"message\":\"busy\"}}");
	} else if (str_starts(s->request, "GET /v1/generations/" NAME "/files/", &rest)) {
		if (sscanf(rest, "%zu?offset=%llu&length=%zu", &file, &offset, &length) == 3)
			say_piece(fd, file, (off_t)offset, length);
		else
			say_map(fd, file);
	} else {
		say_manifest(fd);
	}
}

/* "promote" of the arguments: false or true; -1: left out. */
static int promote_arg = -1;
static const char *chain_arg;
static bool is_chain_needed;

/* --- set up --------------------------------------------------------------------------- */

static int setup(void **state)
{
	int fd;

	trip_set(0, 0);
	e = ERR_INIT;
	cancel = 0;
	trouble = 0;
	promote_arg = -1;
	chain_arg = NULL;
	is_chain_needed = false;
	if (fixture_setup(state) < 0)
		return -1;
	put(pool.fd, "src/blocks/blocks.log", "some blocks");
	put(pool.fd, "src/empty", "");
	put(pool.fd, "src/state/big", "");
	fd = openat(pool.fd, "src/state/big", O_WRONLY | O_CLOEXEC);
	if (ftruncate(fd, (off_t)BIG) < 0 || pwrite(fd, "one", 3, 65540) != 3 ||
	        pwrite(fd, "two", 3, 2 * INCOMING_PIECE + 5) != 3)
		return -1;
	(void)close(fd);
	src = openat(pool.fd, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	theirs = MANIFEST_INIT;
	fill_manifest(&theirs, 7);
	theirs.number = 42;
	(void)snprintf(theirs.name, sizeof(theirs.name), NAME);
	if (tree_read(&theirs.files, src, &e) < 0 ||
	        tree_digest(&theirs.files, src, 1, NULL, NULL, &e) < 0)
		return -1;
	return raw_server_start(&server, NULL, serve);
}

static int teardown(void **state)
{
	raw_server_stop(&server);
	json_decref(reply);
	reply = NULL;
	manifest_release(&theirs);
	(void)close(src);
	return fixture_teardown(state);
}

static int pull(const char *name)
{
	static struct clone_progress progress;
	const struct op_context c = {
		.pool = &pool, .host = "host1", .progress = &progress, .cancel = &cancel
	};
	const struct pull_config cfg = {
		.token = TOKEN, .port = (uint16_t)server.port, .is_chain_needed = is_chain_needed
	};
	AUTO(json) json_t *args = json_pack("{s:s, s:s}", "name", name, "address", "127.0.0.1");

	if (promote_arg >= 0)
		(void)json_object_set_new(args, "promote", json_boolean(promote_arg));
	if (chain_arg)
		(void)json_object_set_new(args, "chain_id", json_string(chain_arg));
	json_decref(reply);
	reply = pull_run(&c, &cfg, args, &e);
	return reply ? 0 : -1;
}

static void expect_pulled(void)
{
	AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;

	ok(generation_hold(&h, &pool, "current", NULL, &e));
	assert_string_equal(h.m.origin, "pull");
	ok(generation_verify(&pool, h.m.name, NULL, NULL, NULL, NULL, &e));
	assert_null(strstr(names_in(pool.fd, "generations"), INCOMING_PREFIX));
}

/* --- tests ---------------------------------------------------------------------------- */

static void comes_whole(void **state)
{
	static const enum lie rows[] = { HONEST, BREAKS, BUSY };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		lie = rows[i];
		ok(pull("current"));
		assert_true(json_bool(reply, "is_new", false));
		assert_string_equal(json_str(reply, "name", ""), NAME);
		/* Holes are not asked for. */
		assert_in_range(json_int(reply, "bytes_fetched", 0), 31, 31);
		expect_pulled();
		ok(pull(NAME));
		assert_false(json_bool(reply, "is_new", true));
		assert_int_equal(json_int(reply, "bytes_fetched", -1), 0);
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

static void what_is_here_becomes_current(void **state)
{
	(void)state;
	lie = HONEST;
	ok(pull(NAME));
	put_data(pool.fd, "other", 9);
	ok(archive(NULL, "other", 9, true, &e));
	promote_arg = 1;
	ok(pull(NAME));
	assert_false(json_bool(reply, "is_new", true));
	expect_pulled();
}

static void current_goes_back_only_when_told_to(void **state)
{
	static const struct {
		const char *name;
		int lib, promote; /* of current, 0: there is none; of the arguments */
		bool is_current, is_here;
	} rows[] = {
		{ "none", 0, -1, true, false },
		{ "none, not to be", 0, 0, false, false },
		{ "earlier", 6, -1, true, false },
		{ "earlier, not to be", 6, 0, false, false },
		{ "of the same block", 7, -1, false, false },
		{ "later", 8, -1, false, false },
		{ "later, and told to", 8, 1, true, false },
		{ "later, and here", 8, -1, false, true },
		{ "later, and here, and told to", 8, 1, true, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;

		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
		lie = HONEST;
		promote_arg = 0;
		if (rows[i].is_here)
			ok(pull(NAME));
		put_data(pool.fd, "other", 9);
		if (rows[i].lib)
			ok(archive(NULL, "other", (uint32_t)rows[i].lib, true, &e));
		promote_arg = rows[i].promote;
		ok(pull(NAME));
		if (json_bool(reply, "current", !rows[i].is_current) != rows[i].is_current)
			fail_msg("%s", rows[i].name);
		if (!rows[i].lib && !rows[i].is_current) {
			assert_false(is_path(pool.fd, "generations/current"));
			continue;
		}
		ok(generation_hold(&h, &pool, "current", NULL, &e));
		if ((strcmp(h.m.origin, "pull") == 0) != rows[i].is_current)
			fail_msg("%s: current is %s", rows[i].name, h.m.name);
	}
}

static void the_chain_may_have_to_be_known(void **state)
{
	(void)state;
	lie = HONEST;
	is_chain_needed = true;
	fails(pull(NAME), ERR_CONFLICT);
	assert_non_null(strstr(e.hint, "--chain-id"));
	chain_arg = CHAIN_B;
	fails(pull(NAME), ERR_CONFLICT);
	assert_false(is_path(pool.fd, "generations/current"));
	chain_arg = CHAIN_A;
	ok(pull(NAME));
	chain_arg = NULL;
	ok(pull(NAME));
	chain_arg = "no chain";
	fails(pull(NAME), ERR_USAGE);
}

static int promoted(const char *name)
{
	promote_arg = 1;
	return pull(name);
}

static void lies_are_found_out(void **state)
{
	static const struct {
		const char *name;
		enum lie lie;
		enum err_kind kind;
	} rows[] = {
		{ "no token", NO_TOKEN, ERR_DENIED },
		{ "endless", ENDLESS, ERR_PROTOCOL },
		{ "another name", OTHER_NAME, ERR_PROTOCOL },
		{ "another chain", OTHER_CHAIN, ERR_CONFLICT },
		{ "a path that leads out", ELSEWHERE, ERR_PROTOCOL },
		{ "a short piece", SHORT_PIECE, ERR_PROTOCOL },
		{ "a long piece", LONG_PIECE, ERR_PROTOCOL },
		{ "an endless piece", ENDLESS_PIECE, ERR_PROTOCOL },
		{ "wrong bytes", WRONG_BYTES, ERR_UNHEALTHY },
		{ "a map that leads nowhere", NO_MAP, ERR_PROTOCOL },
	};
	char current[64] = "", outside[] = "../../../x";

	(void)state;
	put_data(pool.fd, "other", 9);
	ok(archive(current, "other", 9, true, &e));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(generation_hold) struct generation_hold h = GENERATION_HOLD_INIT;
		char *path = theirs.files.v[0].path;

		lie = rows[i].lie;
		(void)snprintf(theirs.name, sizeof(theirs.name), "%s",
		        lie == OTHER_NAME ? "g000042-0000000008" : NAME);
		(void)snprintf(theirs.chain_id, sizeof(theirs.chain_id), "%s",
		        lie == OTHER_CHAIN ? CHAIN_B : CHAIN_A);
		if (lie == ELSEWHERE)
			theirs.files.v[0].path = outside;
		e = ERR_INIT;
		if (pull(NAME) == 0 || e.kind != rows[i].kind)
			fail_msg("%s: %s '%s'", rows[i].name, err_kind_name(e.kind), e.msg);
		theirs.files.v[0].path = path;
		assert_null(strstr(e.msg, TOKEN));
		ok(generation_hold(&h, &pool, "current", NULL, &e));
		assert_string_equal(h.m.name, current);
	}
	/* And then the truth. */
	lie = HONEST;
	ok(promoted(NAME));
	expect_pulled();
}

static void space_is_asked_for_first(void **state)
{
	(void)state;
	lie = HONEST;
	theirs.files.v[2].data_bytes = UINT64_C(1) << 50;
	theirs.files.data_bytes = 0;
	for (size_t i = 0; i < theirs.files.n; i++)
		theirs.files.data_bytes += theirs.files.v[i].data_bytes;
	fails(pull(NAME), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "are missing"));
}

static void a_cancel_ends_it(void **state)
{
	(void)state;
	lie = HONEST;
	cancel = 1;
	fails(pull(NAME), ERR_INTERRUPTED);
	assert_false(is_path(pool.fd, "generations/current"));
	/* Before anything was sent for. */
	assert_false(is_path(pool.fd, "generations/" INCOMING_PREFIX NAME));
	cancel = 0;
	ok(pull(NAME));
	expect_pulled();
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(comes_whole),
		TEST(what_is_here_becomes_current),
		TEST(current_goes_back_only_when_told_to),
		TEST(the_chain_may_have_to_be_known),
		TEST(lies_are_found_out),
		TEST(space_is_asked_for_first),
		TEST(a_cancel_ends_it),
	};
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGPIPE, &ignore, NULL);
	return cmocka_run_group_tests_name("agent/pull", tests, NULL, NULL);
}
