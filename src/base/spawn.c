#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/lockfile.h"

/* What the child reports through the pipe when it cannot get as far as exec. */
enum step {
	STEP_DESCRIPTORS,
	STEP_WORKDIR,
	STEP_PRIVILEGES,
	STEP_PARENT,
	STEP_EXEC,
};

struct failure {
	enum step step;
	int errnum;
};

static const char *const step_text[] = {
	[STEP_DESCRIPTORS] = "set up the descriptors of",
	[STEP_WORKDIR] = "change the directory for",
	[STEP_PRIVILEGES] = "drop privileges for",
	[STEP_PARENT] = "tie to this process",
	[STEP_EXEC] = "execute",
};

static int drop_privileges(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	/* EINVAL ends the list of capabilities this kernel knows; EPERM: we have none to drop. */
	for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (geteuid() == 0 && setgroups(0, NULL) < 0)
		return -1;
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -1;
	if (syscall(SYS_capset, &head, none) < 0)
		return -1;
	/* Proof, not hope. */
	if (uid != 0 && setuid(0) == 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

/* Make fd the descriptor `as`.  dup2() of a descriptor to itself would leave O_CLOEXEC on it. */
static int put(int fd, int as)
{
	return fd == as ? fcntl(fd, F_SETFD, 0) : dup2(fd, as);
}

static int move_descriptors(const struct spawn *sp)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || put(null, STDIN_FILENO) < 0)
		return -1;
	if (sp->out_fd >= 0 && put(sp->out_fd, STDOUT_FILENO) < 0)
		return -1;
	if (sp->err_fd >= 0 && put(sp->err_fd, STDERR_FILENO) < 0)
		return -1;
	/*
	 * Not every library opens its sockets with O_CLOEXEC, and a child that kept a listening
	 * one would keep the port.  Kernels before 5.11 do not know the call; they get what
	 * O_CLOEXEC gives.
	 */
	(void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	return sp->keep_fd < 0 ? 0 : lockfile_inherit(sp->keep_fd);
}

static void reset_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &dfl, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A change of user would undo it, so it comes behind that. */
static int tie_to_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -1;
	/* It may have died before. */
	if (getppid() == parent)
		return 0;
	errno = ESRCH;
	return -1;
}

NORETURN static void child(const struct spawn *sp, pid_t parent, int report)
{
	struct failure f = { .step = STEP_DESCRIPTORS };

	(void)setsid();
	reset_signals();
	if (move_descriptors(sp) < 0)
		goto fail;
	f.step = STEP_WORKDIR;
	if (sp->workdir && chdir(sp->workdir) < 0)
		goto fail;
	f.step = STEP_PRIVILEGES;
	if (sp->drop && drop_privileges(sp->uid, sp->gid) < 0)
		goto fail;
	f.step = STEP_PARENT;
	if (sp->dies_with_us && tie_to_parent(parent) < 0)
		goto fail;
	f.step = STEP_EXEC;
	execvpe(sp->argv[0], sp->argv, sp->envp ? sp->envp : environ);
fail:
	f.errnum = errno;
	(void)!write(report, &f, sizeof(f));
	_exit(127);
}

int spawn_start(const struct spawn *sp, pid_t *ret_pid, struct err *e)
{
	pid_t pid, parent = getpid();
	struct failure f;
	int p[2];
	ssize_t n;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	pid = fork();
	if (pid == 0)
		child(sp, parent, p[1]);
	(void)close(p[1]);
	if (pid < 0) {
		err_sys(e, errno, "fork");
		(void)close(p[0]);
		return -1;
	}
	do
		n = read(p[0], &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	(void)close(p[0]);
	if (n != (ssize_t)sizeof(f)) {
		*ret_pid = pid;
		return 0;
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	err_sys(e, f.errnum, "%s '%s'", step_text[f.step], sp->argv[0]);
	if (f.step == STEP_EXEC && f.errnum == ENOENT)
		e->kind = ERR_NOT_FOUND;
	else if (f.step == STEP_EXEC && f.errnum == EACCES)
		e->kind = ERR_DENIED;
	return -1;
}
