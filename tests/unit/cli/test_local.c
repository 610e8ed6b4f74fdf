#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/command.h"
#include "cli/local.h"
#include "control/control.h"
#include "data/record.h"
#include "data/slot.h"
#include "fake/raw_server.h"

/* How slots end that a quiesce of the whole host did not stop itself. */

static char dir[64], *out, *err;
static size_t out_size, err_size;
static struct context ctx;
static struct raw_server server;
static int slot_fd, lock_fd;
static struct err e;

/* What the supervisor does when it is asked to quiesce. */
static const char *quiesce_reply; /* NULL: it closes the connection */
static bool ends_then, keeps_lock;
static const struct record *record;

static void end(void)
{
	struct err ignored = ERR_INIT;

	if (keeps_lock) {
		lock_fd = openat(slot_fd, SLOT_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		(void)flock(lock_fd, LOCK_EX);
	}
	if (record)
		(void)!record_write_at(record, slot_fd, &ignored);
	(void)unlinkat(slot_fd, CONTROL_SOCKET, 0);
}

static void supervise(struct raw_server *s, int fd, int n)
{
	char line[256] = "";

	(void)s;
	(void)n;
	if (read(fd, line, sizeof(line) - 1) <= 0)
		return;
	if (!strstr(line, "\"quiesce\"")) {
		raw_say(fd, "{\"format\":1,\"state\":\"running\"}\n");
		return;
	}
	if (ends_then)
		end();
	if (quiesce_reply)
		raw_say(fd, quiesce_reply);
}

#define CONFLICT                                                                        \
	"{\"format\":1,\"error\":{\"kind\":\"conflict\",\"message\":\"being stopped\"," \
	"\"hint\":\"\"}}\n"

static int set_up(void **state)
{
	static const char json[] = "{\"format\":1,\"id\":\"0b9c8f44-5a0c-4c57-9d3e-0f3f6a1b2c3d\","
	                           "\"method\":\"copy\"}\n";
	char path[108];
	int fd;

	(void)state;
	err_clear(&e);
	snprintf(dir, sizeof(dir), "/tmp/test-local-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs_write_at(fd, "pool.json", json, strlen(json), 0644, &e) < 0)
		return -1;
	slot_fd = fs_open_dir_at(fd, "services/s_readers/1", true, 0755, &e);
	(void)close(fd);
	lock_fd = -1;
	ends_then = true;
	keeps_lock = false;
	quiesce_reply = CONFLICT;
	record = NULL;
	ctx = (struct context){ .stack = "s", .pool = dir };
	ctx.out = open_memstream(&out, &out_size);
	ctx.err = open_memstream(&err, &err_size);
	snprintf(path, sizeof(path), "%s/services/s_readers/1/" CONTROL_SOCKET, dir);
	return slot_fd < 0 || raw_server_start(&server, path, supervise) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	raw_server_stop(&server);
	(void)close(slot_fd);
	if (lock_fd >= 0)
		(void)close(lock_fd);
	(void)fclose(ctx.out);
	(void)fclose(ctx.err);
	free(out);
	free(err);
	json_decref(ctx.result);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static int quiesce(char *const *names, int64_t wait_ns)
{
	int rc = local_quiesce(&ctx, names, wait_ns, &e);

	fflush(ctx.out);
	return rc;
}

static char *const all[] = { NULL };
static char name[] = "readers.1", *const one[] = { name, NULL };

static const struct record clean = { .state = SLOT_STOPPED, .verdict = "clean" };
static const struct record dirty = {
	.state = SLOT_STOPPED, .verdict = "dirty", .verdict_why = "its mark is set"
};
static const struct record killed = { .state = SLOT_STOPPING, .verdict = "clean" };

static const struct row {
	const char *what, *reply;
	const struct record *record;
	int rc;
	const char *line;
} rows[] = {
	{ "stopped by another", CONFLICT, &clean, 0, "s_readers.1 is stopped, clean\n" },
	{ "stopped by another", CONFLICT, &dirty, -1,
	        "s_readers.1 is stopped, dirty: its mark is set\n" },
	{ "stopped by another", CONFLICT, &killed, -1, "s_readers.1 is gone: killed in state " },
	{ "stopped by another", CONFLICT, NULL, -1, "s_readers.1 is gone: it has left no record" },
	{ "gone", NULL, &clean, 0, "s_readers.1 is stopped, clean\n" },
	{ "gone", NULL, &dirty, -1, "s_readers.1 is stopped, dirty: its mark is set\n" },
	{ "gone", NULL, &killed, -1, "s_readers.1 is gone: killed in state " },
};

static void an_end_by_another_hand_is_told(void **state)
{
	const struct row *r = *state;

	quiesce_reply = r->reply;
	record = r->record;
	if (quiesce(all, 10 * NS_PER_SEC) != r->rc || !strstr(out, r->line))
		fail_msg("%s, %s: '%s' (%s)", r->what, r->line, out, e.msg);
	assert_int_equal(e.kind, r->rc ? ERR_UNHEALTHY : ERR_NONE);
}

static void its_lock_is_waited_for(void **state)
{
	(void)state;
	keeps_lock = true;
	record = &clean;
	assert_int_equal(quiesce(all, 400 * NS_PER_MS), -1);
	assert_int_equal(e.kind, ERR_UNHEALTHY);
	assert_non_null(strstr(out, "not answering: a process still has its data-dir open"));
	/* By name it is told also when nobody was seen alive. */
	err_clear(&e);
	assert_int_equal(quiesce(one, 400 * NS_PER_MS), -1);
	(void)close(lock_fd);
	lock_fd = -1;
	err_clear(&e);
	assert_int_equal(quiesce(one, 400 * NS_PER_MS), 0);
	assert_non_null(strstr(out, "s_readers.1 is stopped, clean"));
	/* Among all of the host's it is one that was at rest before. */
	assert_int_equal(quiesce(all, 400 * NS_PER_MS), 0);
}

static void its_own_word_counts_first(void **state)
{
	(void)state;
	ends_then = false;
	quiesce_reply = "{\"format\":1,\"state\":\"quiesced\",\"verdict\":\"dirty\","
	                "\"verdict_why\":\"x\"}\n";
	assert_int_equal(quiesce(all, 10 * NS_PER_SEC), -1);
	assert_non_null(strstr(out, "s_readers.1 is quiesced, dirty: x\n"));
}

#define ROW(i)                                                                  \
	{                                                                       \
		.name = "end " #i, .test_func = an_end_by_another_hand_is_told, \
		.setup_func = set_up, .teardown_func = tear_down,               \
		.initial_state = (void *)(uintptr_t)&rows[i]                    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(0),
		ROW(1),
		ROW(2),
		ROW(3),
		ROW(4),
		ROW(5),
		ROW(6),
		cmocka_unit_test_setup_teardown(its_lock_is_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(its_own_word_counts_first, set_up, tear_down),
	};

	_Static_assert(ARRAY_LEN(rows) == 7, "each row is a test");
	return cmocka_run_group_tests_name("cli/local", tests, NULL, NULL);
}
