#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "fake/raw_server.h"
#include "replay/client.h"

#define TOKEN "11111111111111111111111111111111"

static struct raw_server server;
static struct replay_client *client;
static const char *reply;
static char token_path[] = "/tmp/test_replay_client.XXXXXX";
static struct err e;

static void answer(struct raw_server *s, int fd, int n)
{
	(void)n;
	while (raw_read(s, fd) == 0)
		raw_say(fd, reply);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	memset(&server, 0, sizeof(server));
	client = NULL;
	e = ERR_INIT;
	(void)snprintf(token_path, sizeof(token_path), "/tmp/test_replay_client.XXXXXX");
	fd = mkstemp(token_path);
	if (fd < 0 || close(fd) < 0)
		return -1;
	return raw_server_start(&server, NULL, answer);
}

static int teardown(void **state)
{
	(void)state;
	replay_client_free(client);
	raw_server_stop(&server);
	(void)unlink(token_path);
	return 0;
}

static void connect_to(const char *url, const char *token)
{
	client = replay_client_new(url, token, &e);
	if (!client)
		fail_msg("%s", e.msg);
}

static void write_token(const char *text)
{
	assert_int_equal(fs_write_at(AT_FDCWD, token_path, text, strlen(text), 0600, &e), 0);
}

static void what_is_sent(void **state)
{
	AUTO(json) json_t *body = json_pack("{s:s}", "worker", "w");
	AUTO(free) char *url = str_fmt("%s//", server.url);

	(void)state;
	reply = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
	write_token(TOKEN "\n");
	connect_to(url, token_path);
	{
		AUTO(json) json_t *r = replay_call(client, "POST", "/v1/claim", body, &e);

		assert_non_null(r);
		assert_int_equal(json_int(r, "a", 0), 1);
	}
	assert_true(str_starts(server.request, "POST /v1/claim HTTP/1.1\r\n", NULL));
	assert_non_null(strcasestr(server.request, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(server.request, "\r\nAuthorization: Bearer " TOKEN "\r\n"));
	assert_true(str_ends(server.request, "\r\n\r\n{\"worker\":\"w\"}"));
	/* One that says nothing is JSON all the same; the token is read again. */
	write_token("22" TOKEN "\n");
	{
		AUTO(json) json_t *r = replay_call(client, "POST", "/v1/jobs/1/cancel", NULL, &e);

		assert_non_null(r);
	}
	assert_true(str_ends(server.request, "\r\n\r\n{}"));
	assert_non_null(strstr(server.request, "\r\nAuthorization: Bearer 22" TOKEN "\r\n"));
	{
		AUTO(json) json_t *r = replay_call(client, "GET", "/v1/run", NULL, &e);

		assert_non_null(r);
	}
	assert_true(str_ends(server.request, "\r\n\r\n"));
	assert_null(strcasestr(server.request, "Content-Length"));
}

static void refusals(void **state)
{
	static const struct {
		int status;
		enum err_kind kind;
	} rows[] = { { 400, ERR_USAGE }, { 401, ERR_DENIED }, { 403, ERR_DENIED },
		{ 404, ERR_NOT_FOUND }, { 409, ERR_CONFLICT }, { 415, ERR_USAGE },
		{ 429, ERR_UNAVAILABLE }, { 500, ERR_UNAVAILABLE }, { 503, ERR_UNAVAILABLE },
		{ 301, ERR_PROTOCOL } };
	static const char body[] =
	        "{\"format\":1,\"error\":{\"kind\":\"conflict\",\"message\":\"job 7 is with "
	        "'w2'\",\"hint\":\"let it go\"}}";
	/* The server may still look at one when its answer is here. */
	static char text[256], bare[128];

	(void)state;
	connect_to(server.url, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s",
		        rows[i].status, strlen(body), body);
		(void)snprintf(bare, sizeof(bare),
		        "HTTP/1.1 %d X\r\nContent-Length: 6\r\n\r\n<html>", rows[i].status);
		reply = text;
		e = ERR_INIT;
		assert_null(replay_call(client, "GET", "/v1/run", NULL, &e));
		if (e.kind != rows[i].kind)
			fail_msg("%d: kind %d: %s", rows[i].status, e.kind, e.msg);
		assert_string_equal(e.msg, "job 7 is with 'w2'");
		assert_string_equal(e.hint,
		        rows[i].status == 401 ? "give a file with its token: --token FILE"
		                              : "let it go");
		reply = bare;
		e = ERR_INIT;
		assert_null(replay_call(client, "GET", "/v1/run", NULL, &e));
		assert_int_equal(e.kind, rows[i].kind);
		assert_non_null(strstr(e.msg, "'/v1/run'"));
	}
}

static void replies_that_are_none(void **state)
{
	(void)state;
	connect_to(server.url, NULL);
	reply = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]";
	assert_null(replay_call(client, "GET", "/v1/run", NULL, &e));
	assert_int_equal(e.kind, ERR_PROTOCOL);
	e = ERR_INIT;
	reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	assert_null(replay_call(client, "GET", "/v1/run", NULL, &e));
	assert_int_equal(e.kind, ERR_PROTOCOL);
}

static void nobody_there(void **state)
{
	AUTO(free) char *url = str_fmt("http://127.0.0.1:%d", raw_free_port());

	(void)state;
	connect_to(url, NULL);
	assert_null(replay_call(client, "GET", "/v1/run", NULL, &e));
	assert_int_equal(e.kind, ERR_UNAVAILABLE);
}

static void no_token(void **state)
{
	(void)state;
	reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
	write_token("short\n");
	connect_to(server.url, token_path);
	assert_null(replay_call(client, "GET", "/v1/run", NULL, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	/* Still not. */
	e = ERR_INIT;
	assert_null(replay_call(client, "GET", "/v1/run", NULL, &e));
	assert_int_equal(e.kind, ERR_DENIED);
	write_token(TOKEN);
	e = ERR_INIT;
	{
		AUTO(json) json_t *r = replay_call(client, "GET", "/v1/run", NULL, &e);

		assert_non_null(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(what_is_sent),
		CASE(refusals),
		CASE(replies_that_are_none),
		CASE(nobody_there),
		CASE(no_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
