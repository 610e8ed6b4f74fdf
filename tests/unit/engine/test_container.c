#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/container.h"
#include "fake/engine.h"

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"

static struct err e;
static struct fake_engine *fake;
static struct engine *eng;
static struct buf text;

static int set_up(void **state)
{
	(void)state;
	err_clear(&e);
	fake = fake_engine_start();
	eng = engine_new(fake_engine_host(fake), &e);
	text = BUF_INIT(ENGINE_TAIL_BYTES);
	return eng ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	buf_release(&text);
	engine_free(eng);
	fake_engine_stop(fake);
	return 0;
}

static void made_and_started(void **state)
{
	json_t *body = json_pack("{s:s}", "Image", "i:1");
	char id[ENGINE_ID_SIZE] = "";
	int rc;

	(void)state;
	fake_engine_reply(
	        fake, "POST", "/containers/create", 201, "{\"Id\":\"c1\",\"Warnings\":[]}");
	fake_engine_reply(fake, "POST", "/containers/c1/start", 204, NULL);
	rc = engine_container_create(eng, "s-fresh-1", body, id, &e);
	json_decref(body);
	if (rc < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(id, "c1");
	assert_string_equal(fake_engine_last(fake)->query, "name=s-fresh-1");
	assert_string_equal(fake_engine_last(fake)->body, "{\"Image\":\"i:1\"}");
	if (engine_container_start(eng, id, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(fake_engine_last(fake)->method, "POST");
	assert_string_equal(fake_engine_last(fake)->path, "/containers/c1/start");
}

static void refused(void **state)
{
	static const struct {
		const char *name, *path;
		int status;
		const char *message;
		enum err_kind kind;
	} rows[] = {
		{ "no image", "/containers/create", 404, "No such image: i:1", ERR_NOT_FOUND },
		{ "name taken", "/containers/create", 409, "Conflict. The container name is in use",
		        ERR_CONFLICT },
		{ "bad network", "/containers/c1/start", 404, "network x not found",
		        ERR_NOT_FOUND },
		{ "bad program", "/containers/c1/start", 400, "no such file or directory",
		        ERR_USAGE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *body = json_object();
		char reply[128];
		int rc;

		err_clear(&e);
		fake_engine_clear(fake);
		snprintf(reply, sizeof(reply), "{\"message\":\"%s\"}", rows[i].message);
		fake_engine_reply(fake, "POST", rows[i].path, rows[i].status, reply);
		rc = strstr(rows[i].path, "create")
		        ? engine_container_create(eng, "c1", body, NULL, &e)
		        : engine_container_start(eng, "c1", &e);
		json_decref(body);
		if (rc == 0 || e.kind != rows[i].kind || !strstr(e.msg, rows[i].message))
			fail_msg("%s: %d %s", rows[i].name, rc, e.msg);
	}
}

static void a_name_that_would_be_more_than_a_name(void **state)
{
	static const char *const names[] = { "", "a b", "a&b=c", "../x", "-x" };
	json_t *body = json_object();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		err_clear(&e);
		if (engine_container_create(eng, names[i], body, NULL, &e) == 0 ||
		        e.kind != ERR_USAGE)
			fail_msg("'%s': %s", names[i], e.msg);
	}
	json_decref(body);
	assert_int_equal(fake_engine_count(fake), 0);
}

static void removed_with_its_volumes(void **state)
{
	static const struct {
		const char *name;
		int status, rc;
		enum err_kind kind;
	} rows[] = {
		{ "there", 204, 0, ERR_NONE },
		{ "not there", 404, 1, ERR_NONE },
		{ "being removed", 409, -1, ERR_CONFLICT },
		{ "the engine fails", 500, -1, ERR_SYSTEM },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		err_clear(&e);
		fake_engine_clear(fake);
		fake_engine_reply(fake, "DELETE", "/containers/c1", rows[i].status,
		        rows[i].status == 204 ? NULL : "{\"message\":\"m\"}");
		if (engine_container_remove(eng, "c1", &e) != rows[i].rc || e.kind != rows[i].kind)
			fail_msg("%s: %s", rows[i].name, e.msg);
		assert_string_equal(fake_engine_last(fake)->query, "force=1&v=1");
	}
}

/* --- its last lines ------------------------------------------------------------------------ */

static void add_frame(struct buf *b, int stream, const char *data, size_t n)
{
	const unsigned char header[8] = { (unsigned char)stream, 0, 0, 0, (unsigned char)(n >> 24),
		(unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n };

	assert_int_equal(buf_add(b, header, sizeof(header)), 0);
	assert_int_equal(buf_add(b, data, n), 0);
}

static void script(struct buf *frames, size_t cut)
{
	struct buf b = BUF_INIT(2U << 20);

	assert_int_equal(buf_add(&b, HEAD, strlen(HEAD)), 0);
	assert_int_equal(buf_add(&b, frames->data, frames->len - cut), 0);
	fake_engine_raw(fake, "GET", "/containers/c1/logs", b.data, b.len, 0, FAKE_CLOSE);
	buf_release(&b);
	buf_release(frames);
}

static void both_streams_in_their_order(void **state)
{
	struct buf b = BUF_INIT(1000);

	(void)state;
	add_frame(&b, 1, "one\n", 4);
	add_frame(&b, 2, "two\n", 4);
	add_frame(&b, 1, "three\n", 6);
	script(&b, 0);
	if (engine_container_tail(eng, "c1", 20, &text, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(text.data, "one\ntwo\nthree\n");
	assert_string_equal(fake_engine_last(fake)->query, "stdout=1&stderr=1&tail=20");
}

/* It is only shown to people: half of it is better than none. */
static void what_came_counts(void **state)
{
	struct buf b = BUF_INIT(1U << 20);
	char *big = malloc(ENGINE_TAIL_BYTES);

	(void)state;
	add_frame(&b, 1, "one\n", 4);
	add_frame(&b, 2, "two\n", 4);
	script(&b, 3);
	assert_int_equal(engine_container_tail(eng, "c1", 20, &text, &e), 0);
	assert_string_equal(text.data, "one\n");

	buf_clear(&text);
	fake_engine_clear(fake);
	memset(big, 'x', ENGINE_TAIL_BYTES);
	b = BUF_INIT(1U << 20);
	add_frame(&b, 1, "one\n", 4);
	add_frame(&b, 1, big, ENGINE_TAIL_BYTES);
	add_frame(&b, 1, "two\n", 4);
	script(&b, 0);
	free(big);
	assert_int_equal(engine_container_tail(eng, "c1", 20, &text, &e), 0);
	assert_string_equal(text.data, "one\n");
}

static void nothing_is_no_error_but_no_container_is(void **state)
{
	struct buf b = BUF_INIT(10);

	(void)state;
	assert_int_equal(buf_add(&b, "", 0), 0);
	script(&b, 0);
	assert_int_equal(engine_container_tail(eng, "c1", 20, &text, &e), 0);
	assert_int_equal(text.len, 0);
	assert_int_equal(engine_container_tail(eng, "c2", 20, &text, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_and_started, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        a_name_that_would_be_more_than_a_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(removed_with_its_volumes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(both_streams_in_their_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_came_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        nothing_is_no_error_but_no_container_is, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("engine/container", tests, NULL, NULL);
}
