#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/spawn.h"

/* A word of an argv, which exec takes without const. */
#define WORD(text) ((char[]){ text })

static char dir[] = "/tmp/test_spawn-XXXXXX";

static int setup(void **state)
{
	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	return mkdtemp(dir) && chmod(dir, 0755) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

/* Run to the end; out gets what the child printed to both. */
static int run(struct spawn *sp, char *out, size_t size)
{
	struct err e = ERR_INIT;
	int p[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	sp->out_fd = sp->err_fd = p[1];
	if (spawn_start(sp, &pid, &e) < 0)
		fail_msg("%s", e.msg);
	(void)close(p[1]);
	while (n < size - 1 && (got = read(p[0], out + n, size - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	(void)close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int sh(const char *script, struct spawn *sp, char *out, size_t size)
{
	char *argv[] = { WORD("sh"), WORD("-c"), (char *)(uintptr_t)script, NULL };

	sp->argv = argv;
	return run(sp, out, size);
}

#define PLAIN ((struct spawn){ .keep_fd = -1, .out_fd = -1, .err_fd = -1 })

static void the_child_gets_what_was_asked(void **state)
{
	struct spawn sp = PLAIN;
	char out[512], want[600];
	char *env[] = { WORD("ONLY=this"), WORD("PATH=/usr/bin:/bin"), NULL };

	(void)state;
	sp.workdir = dir;
	sp.envp = env;
	assert_int_equal(
	        sh("pwd; echo $ONLY; echo $HOME; echo err >&2; cat", &sp, out, sizeof(out)), 0);
	(void)snprintf(want, sizeof(want), "%s\nthis\n\nerr\n", dir);
	assert_string_equal(out, want);
	sp = PLAIN;
	assert_int_equal(WEXITSTATUS(sh("exit 7", &sp, out, sizeof(out))), 7);
	/* Its own session: Ctrl-C at our terminal does not reach it. */
	assert_int_equal(sh("read -r a b c d e sid rest </proc/$$/stat; echo $((sid == $$))", &sp,
	                         out, sizeof(out)),
	        0);
	assert_string_equal(out, "1\n");
}

static void only_the_kept_descriptor_stays_open(void **state)
{
	struct spawn sp = PLAIN;
	char out[1024], script[128];
	int leaked, kept, nulls = 0;

	(void)state;
	/* As a library would open it: no O_CLOEXEC. */
	leaked = open("/dev/null", O_RDONLY);
	kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(leaked > 2 && kept > 2);
	sp.keep_fd = kept;
	assert_int_equal(sh("for f in /proc/$$/fd/*; do readlink $f || echo gone; done", &sp, out,
	                         sizeof(out)),
	        0);
	/* stdin and the kept one; not a third. */
	for (const char *at = out; (at = strstr(at, "/dev/null\n")); at++)
		nulls++;
	assert_int_equal(nulls, 2);
	(void)snprintf(script, sizeof(script), "test -e /proc/$$/fd/%d && ! test -e /proc/$$/fd/%d",
	        kept, leaked);
	assert_int_equal(sh(script, &sp, out, sizeof(out)), 0);
	/* Ours are as they were. */
	assert_int_equal(fcntl(leaked, F_GETFD), 0);
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC);
	(void)close(leaked);
	(void)close(kept);
}

static void signals_are_as_after_login(void **state)
{
	struct spawn sp = PLAIN;
	unsigned long long blocked, ignored;
	sigset_t block, old;
	char out[2048];

	(void)state;
	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	(void)sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	sigfillset(&block);
	assert_int_equal(sigprocmask(SIG_SETMASK, &block, &old), 0);
	assert_int_equal(sh("grep -E '^Sig(Blk|Ign)' /proc/self/status", &sp, out, sizeof(out)), 0);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	assert_int_equal(sscanf(out, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
	assert_int_equal(blocked, 0);
	/* Signals 32 and 33 are the C library's own; posix_spawn() leaves them ignored. */
	assert_int_equal(ignored & ~0x180000000ULL, 0);
}

static void write_script(const char *name, const char *text, mode_t mode)
{
	struct err e = ERR_INIT;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(fs_write_at(AT_FDCWD, path, text, strlen(text), mode, &e), 0);
}

static void failures_have_kinds(void **state)
{
	static const struct {
		const char *program, *workdir;
		enum err_kind kind;
		int errnum;
		const char *step;
	} rows[] = {
		{ "no-such-program-here", NULL, ERR_NOT_FOUND, ENOENT, "execute" },
		{ "/no/such/dir/x", NULL, ERR_NOT_FOUND, ENOENT, "execute" },
		{ "%s/plain", NULL, ERR_DENIED, EACCES, "execute" },
		{ "%s/interpreter", NULL, ERR_NOT_FOUND, ENOENT, "execute" },
		{ "%s", NULL, ERR_DENIED, EACCES, "execute" },
		{ "%s/plain/x", NULL, ERR_SYSTEM, ENOTDIR, "execute" },
		{ "true", "/no/such/dir", ERR_SYSTEM, ENOENT, "change the directory for" },
	};

	(void)state;
	write_script("plain", "#!/bin/sh\n", 0644);
	write_script("interpreter", "#!/no/such/interpreter\n", 0755);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct spawn sp = PLAIN;
		struct err e = ERR_INIT;
		pid_t pid = -1;
		char program[128], *argv[] = { program, NULL };

		(void)snprintf(program, sizeof(program),
		        rows[i].program[0] == '%' ? "%s%s" : "%.0s%s", dir,
		        rows[i].program + (rows[i].program[0] == '%' ? 2 : 0));
		sp.argv = argv;
		sp.workdir = rows[i].workdir;
		if (spawn_start(&sp, &pid, &e) != -1 || e.kind != rows[i].kind ||
		        e.sys_errno != rows[i].errnum ||
		        strncmp(e.msg, rows[i].step, strlen(rows[i].step)) != 0)
			fail_msg("%s: kind %s, errno %d, '%s'", program, err_kind_name(e.kind),
			        e.sys_errno, e.msg);
		assert_int_equal(pid, -1);
		/* No zombie. */
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
		assert_int_equal(errno, ECHILD);
	}
}

/* The value of a line of /proc/PID/status. */
static void field(const char *status, const char *name, char *out, size_t size)
{
	char start[64];
	const char *at;

	(void)snprintf(start, sizeof(start), "\n%s:\t", name);
	at = strstr(status, start);
	assert_non_null(at);
	at += strlen(start);
	(void)snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static void privileges_are_gone(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "Uid", "7077\t7077\t7077\t7077" },
		{ "Gid", "7078\t7078\t7078\t7078" },
		{ "Groups", " " },
		{ "CapInh", "0000000000000000" },
		{ "CapPrm", "0000000000000000" },
		{ "CapEff", "0000000000000000" },
		{ "CapBnd", "0000000000000000" },
		{ "CapAmb", "0000000000000000" },
		{ "NoNewPrivs", "1" },
	};
	struct spawn sp = PLAIN;
	char out[4096], got[256], ours[4096];
	gid_t groups[] = { 4, 24 };

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: dropping privileges needs root\n");
		skip();
	}
	assert_int_equal(setgroups(2, groups), 0);
	sp.drop = true;
	sp.uid = 7077;
	sp.gid = 7078;
	assert_int_equal(sh("cat /proc/self/status", &sp, out, sizeof(out)), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		field(out, rows[i].name, got, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s is '%s', want '%s'", rows[i].name, got, rows[i].want);
	}
	/* And ours are not: only the child gave them up. */
	sp = PLAIN;
	assert_int_equal(sh("cat /proc/self/status", &sp, ours, sizeof(ours)), 0);
	field(ours, "NoNewPrivs", got, sizeof(got));
	assert_string_equal(got, "0");
	field(ours, "Uid", got, sizeof(got));
	assert_string_equal(got, "0\t0\t0\t0");
}

static void nothing_brings_them_back(void **state)
{
	struct spawn sp = PLAIN;
	struct err e = ERR_INIT;
	char out[1024], path[128], script[256];

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: dropping privileges needs root\n");
		skip();
	}
	/* A set-uid root program: no_new_privs takes the effect away. */
	(void)snprintf(
	        script, sizeof(script), "cp /usr/bin/id %s/id && chmod 4755 %s/id", dir, dir);
	assert_int_equal(sh(script, &sp, out, sizeof(out)), 0);
	(void)snprintf(path, sizeof(path), "%s/id", dir);
	sp = PLAIN;
	sp.drop = true;
	sp.uid = sp.gid = 7077;
	assert_int_equal(sh(path, &sp, out, sizeof(out)), 0);
	assert_string_equal(out, "uid=7077 gid=7077 groups=7077\n");
	/* Root's files are out of reach. */
	write_script("secret", "x", 0600);
	(void)snprintf(script, sizeof(script), "cat %s/secret", dir);
	assert_int_not_equal(sh(script, &sp, out, sizeof(out)), 0);
	assert_int_equal(e.kind, ERR_NONE);
}

static void without_root_dropping_fails_loudly(void **state)
{
	struct spawn sp = PLAIN;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e = ERR_INIT;
		char *argv[] = { WORD("true"), NULL };
		pid_t child;

		if (geteuid() == 0 && setresuid(7077, 7077, 7077) < 0)
			_exit(9);
		sp.argv = argv;
		sp.drop = true;
		sp.uid = sp.gid = 7078;
		if (spawn_start(&sp, &child, &e) == 0)
			_exit(1);
		_exit(e.kind == ERR_SYSTEM && e.sys_errno == EPERM &&
		                        strncmp(e.msg, "drop privileges for 'true'", 26) == 0
		                ? 0
		                : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The pipe ends when the last one who has it open is dead. */
static void dies_with_who_started_it(void **state)
{
	char *argv[] = { WORD("sleep"), WORD("1000"), NULL };
	struct pollfd end = { .events = POLLIN };
	struct err e = ERR_INIT;
	int p[2], status;
	pid_t pid, child;
	char c;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct spawn sp = PLAIN;

		sp.argv = argv;
		sp.out_fd = p[1];
		sp.dies_with_us = true;
		_exit(spawn_start(&sp, &child, &e) == 0 ? 0 : 1);
	}
	(void)close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	end.fd = p[0];
	assert_int_equal(poll(&end, 1, 60000), 1);
	assert_int_equal(read(p[0], &c, 1), 0);
	(void)close(p[0]);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_child_gets_what_was_asked),
		T(only_the_kept_descriptor_stays_open),
		T(signals_are_as_after_login),
		T(dies_with_who_started_it),
		T(failures_have_kinds),
		T(privileges_are_gone),
		T(nothing_brings_them_back),
		T(without_root_dropping_fails_loudly),
	};

	return cmocka_run_group_tests_name("base/spawn", tests, NULL, NULL);
}
