#pragma once

/*
 * A whole worker, in a process of its own (the test's program with --worker), so that it can be
 * killed; its orchestrator is tests/fake/orchestrator.h and its nodeos a script.  Nothing waits for
 * a time: what has to happen is waited for, for a minute at most.
 */

#include "unit/test.h"

#include "replay/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/spawn.h"
#include "base/str.h"
#include "fake/orchestrator.h"
#include "unit/nodeos/data.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* The snapshot is of block 13; the slice ends at 200. */
static const char script[] =
        "#!/bin/sh\n"
        "case $1 in\n"
        "--help) case $FAKE in old*) ;; *) echo '  --integrity-hash-on-start arg'\n"
        "  echo '  --integrity-hash-on-stop arg' ;; esac; exit 0 ;;\n"
        "--full-version) echo v4.0.6-fake; exit 0 ;;\n"
        "esac\n"
        "say() { echo \"info  2026-11-20T10:25:39.401 nodeos    $1 method ] $2\" >&2; }\n"
        "echo \"$*\" >>\"$FAKE_DIR/starts\"\n"
        "env >\"$FAKE_DIR/env\"\n"
        "while [ $# -gt 0 ]; do\n"
        "  case $1 in --terminate-at-block) end=$2 ;; --data-dir) data=$2 ;;\n"
        "  --config-dir) config=$2 ;; esac; shift\n"
        "done\n"
        "say main.cpp:140 'nodeos version v4.0.6 v4.0.6-fake'\n"
        "case $FAKE in old*)\n"
        "  if [ \"$end\" ]; then\n"
        "    grep -q '^p2p-peer-address = peer:9876' $config/config.ini || exit 254\n"
        "    say producer_plugin.cpp:1 \"Reached configured maximum block $end; terminating\"\n"
        "    >$data/ended; exit 0\n"
        "  fi\n"
        "  ! grep -q p2p-peer-address $config/config.ini || exit 254\n"
        "  s=$(sed -n 's/^unix-socket-path = //p' $config/config.ini)\n"
        "  [ ! -e $data/ended ] || exec \"$FAKE_PROGRAM\" --answer $s 000000c8 " B "\n"
        "  [ $FAKE != old-ends ] || exit 0\n"
        "  [ $FAKE != old-else ] || exec \"$FAKE_PROGRAM\" --answer $s 0000000e " A "\n"
        "  exec \"$FAKE_PROGRAM\" --answer $s 0000000d " A "\n"
        "esac\n"
        "[ \"$FAKE\" != silent ] || { echo $$ >$FAKE_DIR/pid; exec sleep 1000; }\n"
        "say controller.cpp:735 'chain database started with hash: " A "'\n"
        "say chain_plugin.cpp:1 'Blockchain started; head block is #13, x'\n"
        "say producer_plugin.cpp:1 'Received block 224387b3291a4e36... #150 @ x'\n"
        "case $FAKE in\n"
        "hang) echo $$ >$FAKE_DIR/pid; exec sleep 1000 ;;\n"
        "grow) mkdir -p $data/blocks; head -c 1368 /dev/zero >$data/blocks/blocks.index\n"
        "  echo $$ >$FAKE_DIR/pid; exec sleep 1000 ;;\n"
        "dirty) echo 'error 2026-11-20T10:25:39.401 nodeos main.cpp:1 main ] database dirty flag "
        "set (likely due to unclean shutdown): replay required' >&2; exit 2 ;;\n"
        "config) echo \"Unknown option 'x' inside the config file y\" >&2; exit 254 ;;\n"
        "beyond) say controller.cpp:1 \"Block 210 reached configured maximum block $end; "
        "terminating\" ;;\n"
        "early) ;;\n"
        "blocked) mkdir $FAKE_DIR/worker/result.json\n"
        "  say producer_plugin.cpp:1 \"Reached configured maximum block $end; terminating\" ;;\n"
        "*) say producer_plugin.cpp:1 \"Reached configured maximum block $end; terminating\" ;;\n"
        "esac\n"
        "say controller.cpp:768 'chain database stopped with hash: " B "'\n"
        "say main.cpp:185 'nodeos successfully exiting'\n";

static char top[64], program[4096];
static int top_fd;
static struct fake_orchestrator orch;

/* --- a nodeos that is asked --- */

static inline void end_well(int signo UNUSED)
{
	_exit(0);
}

/* --answer SOCKET HEAD HASH: until SIGTERM.  At first it does not know the path yet. */
static inline int be_nodeos(char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[4096];

	(void)signal(SIGTERM, end_well);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", argv[2]);
	(void)unlink(sa.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 5) < 0)
		return 9;
	for (int i = 0;; i++) {
		AUTO(close_fd) int c = accept(fd, NULL, NULL);
		AUTO(free)
		char *body = str_fmt("{\"head_block_id\":\"%s%056d\",\"integrity_hash\":\"%s\"}",
		        argv[3], 0, argv[4]);

		(void)!read(c, request, sizeof(request));
		if (strncmp(request, "POST /v1/producer/get_integrity_hash ", 37) != 0)
			return 9;
		dprintf(c, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
		        i ? "201 Created" : "404 Not Found", strlen(body), body);
	}
}

/* --- the worker's process --- */

/* --worker URL TOP KEY=VALUE...; alone:KEY=VALUE is one without peers. */
static inline int be_worker(int argc, char **argv)
{
	AUTO(free) char *dir = str_fmt("%s/worker", argv[3]);
	AUTO(free) char *nodeos = str_fmt("%s/nodeos", argv[3]);
	struct worker_config cfg = {
		.url = argv[2],
		.name = "tester",
		.dir = dir,
		.nodeos = nodeos,
		.disk_min = 1,
		.progress_ns = 20 * NS_PER_MS,
		.once = true,
	};
	struct err e = ERR_INIT;
	bool is_alone = false;

	for (int i = 4; i < argc; i++) {
		const char *v = strchr(argv[i], '=') + 1, *arg = argv[i];

		if (str_starts(arg, "alone:", &arg))
			is_alone = true;
		if (str_starts(arg, "genesis=", NULL))
			cfg.genesis = v;
		else if (str_starts(arg, "blocks=", NULL))
			cfg.blocks = v;
		else if (str_starts(arg, "nodeos=", NULL))
			cfg.nodeos = v;
		else if (str_starts(arg, "config=", NULL))
			cfg.config_ini = v;
		else if (str_starts(arg, "disk=", NULL) && num_size(&cfg.disk_min, v, &e) < 0)
			return 9;
		else if (str_starts(arg, "memory=", NULL) && num_size(&cfg.memory_min, v, &e) < 0)
			return 9;
		else if (str_starts(arg, "cache=", NULL) && num_size(&cfg.cache_max, v, &e) < 0)
			return 9;
		else if (str_starts(arg, "stall=", NULL) && num_duration(&cfg.stall_ns, v, &e) < 0)
			return 9;
		else if (str_starts(arg, "until_done=", NULL)) {
			cfg.once = false;
			cfg.until_done = true;
		}
	}
	if (!is_alone && strvec_add(&cfg.peers, "peer:9876") < 0)
		return 9;
	if (worker_run(&cfg, &e) < 0) {
		fprintf(stderr, "worker: %s\n", e.msg);
		strvec_release(&cfg.peers);
		return 1;
	}
	strvec_release(&cfg.peers);
	return 0;
}

static inline pid_t start(const char *fake, const char *arg)
{
	char *argv[] = { program, (char[]){ "--worker" }, orch.server.url, top,
		arg ? strdup(arg) : NULL, NULL };
	AUTO(close_fd)
	int log = openat(top_fd, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct err e = ERR_INIT;
	pid_t pid;

	setenv("FAKE", fake, 1);
	setenv("FAKE_DIR", top, 1);
	setenv("FAKE_PROGRAM", program, 1);
	if (spawn_start(
	            &(struct spawn){ .argv = argv, .out_fd = log, .err_fd = log, .keep_fd = -1 },
	            &pid, &e) < 0)
		fail_msg("%s", e.msg);
	free(argv[4]);
	return pid;
}

static inline void show_log(void)
{
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	if (fs_read_at(top_fd, "log", &text, &e) == 0)
		fprintf(stderr, "%s\n", text.data);
}

static inline void wait_a_moment(void)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = 5 * NS_PER_MS }, NULL);
}

/* Its exit status, or 128 and the signal. */
static inline int end_of(pid_t pid)
{
	int64_t limit = clock_mono_ns() + 60 * NS_PER_SEC;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono_ns() > limit) {
			show_log();
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			fail_msg("the worker does not end");
		}
		wait_a_moment();
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void assert_end(pid_t pid, int want)
{
	int got = end_of(pid);

	if (got != want) {
		show_log();
		fail_msg("the worker ended with %d and not with %d", got, want);
	}
}

#define WAIT_FOR(pid, what)                                               \
	do {                                                              \
		int64_t limit_ = clock_mono_ns() + 60 * NS_PER_SEC;       \
		while (!(what)) {                                         \
			if (clock_mono_ns() > limit_) {                   \
				show_log();                               \
				(void)kill(pid, SIGKILL);                 \
				(void)waitpid(pid, NULL, 0);              \
				fail_msg("waited in vain for %s", #what); \
			}                                                 \
			wait_a_moment();                                  \
		}                                                         \
	} while (0)

/* --- what there is --- */

static inline bool is_there(const char *name)
{
	return faccessat(top_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* That the script has written; 0: not yet. */
static inline pid_t nodeos_pid(void)
{
	AUTO(buf) struct buf text = BUF_INIT(64);
	struct err e = ERR_INIT;

	if (fs_read_at(top_fd, "pid", &text, &e) != 0 || !text.len || !strchr(text.data, '\n'))
		return 0;
	return (pid_t)strtol(text.data, NULL, 10);
}

/* Whoever inherits the children of the dead may never reap them. */
static inline bool is_gone(pid_t pid)
{
	AUTO(free) char *path = str_fmt("/proc/%ld/stat", (long)pid);
	AUTO(buf) struct buf text = BUF_INIT(4096);
	struct err e = ERR_INIT;
	const char *state;

	if (fs_read_at(AT_FDCWD, path, &text, &e) != 0)
		return true;
	state = strrchr(text.data, ')');
	return state && (state[2] == 'Z' || state[2] == 'X');
}

static inline char *file_text(const char *name)
{
	struct buf text = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	if (fs_read_at(top_fd, name, &text, &e) != 0) {
		buf_release(&text);
		return strdup("");
	}
	return buf_take(&text);
}

static inline void assert_body(enum fake_verb verb, const char *key, const char *want)
{
	AUTO(json) json_t *j = fake_orchestrator_body(&orch, verb);
	const char *got = json_str(j, key, "(none)");

	if (!strstr(got, want)) {
		show_log();
		fail_msg("'%s' is '%s' and not '%s'", key, got, want);
	}
}

static inline void assert_clean(void)
{
	assert_false(is_there("worker/work"));
	assert_false(is_there("worker/result.json"));
}

static inline int setup(void **state)
{
	AUTO(buf) struct buf snapshot = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	(void)state;
	strcpy(top, "/tmp/test_replay_worker.XXXXXX");
	if (!mkdtemp(top) || fake_orchestrator_start(&orch) < 0)
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	data_load(&snapshot, "snapshot-v6.bin");
	if (fs_write_at(top_fd, "nodeos", script, strlen(script), 0755, &e) < 0 ||
	        fs_write_at(top_fd, "s.bin", snapshot.data, snapshot.len, 0644, &e) < 0)
		return -1;
	fake_orchestrator_job(&orch,
	        "{\"job_id\":140000000000001,\"replay_slice_id\":3,\"snapshot_path\":\"%s/s.bin\","
	        "\"storage_type\":\"filesystem\",\"leap_version\":\"4.0.6\",\"start_block_num\":13,"
	        "\"end_block_num\":200,\"status\":\"STARTED\"}",
	        top);
	orch.jobs = 1;
	return 0;
}

static inline int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	fake_orchestrator_stop(&orch);
	(void)close(top_fd);
	return fs_remove_tree_at(AT_FDCWD, top, &e);
}

static inline void assert_complete(void)
{
	AUTO(json) json_t *j = fake_orchestrator_body(&orch, FAKE_COMPLETE);

	assert_int_equal(orch.calls[FAKE_COMPLETE], 1);
	assert_int_equal(json_int(j, "block", 0), 200);
	assert_body(FAKE_COMPLETE, "lease", "0123456789abcdef0123456789abcdef");
	assert_body(FAKE_COMPLETE, "start_hash", A);
	assert_body(FAKE_COMPLETE, "end_hash", B);
	assert_body(FAKE_COMPLETE, "nodeos_version", "v4.0.6-fake");
	assert_body(FAKE_COMPLETE, "started_at", "Z");
	assert_body(FAKE_COMPLETE, "ended_at", "Z");
	assert_clean();
}

/* main() of such a test. */
static inline int scene_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
	if (argc > 3 && strcmp(argv[1], "--worker") == 0)
		return be_worker(argc, argv);
	if (argc == 5 && strcmp(argv[1], "--answer") == 0)
		return be_nodeos(argv);
	snprintf(program, sizeof(program), "%s", argv[0]);
	return _cmocka_run_group_tests(argv[0], tests, n, NULL, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
