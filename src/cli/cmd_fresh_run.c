/*
 * PID 1 of a fresh chain node's container
 *
 * It has no lock, no record and no clean stop: whatever nodeos has written goes away with the
 * container.  What it cares for is to end.  Who started it may have been killed, and a chain node
 * that nobody looks at would sync for ever: so it ends when nobody has asked for a while, and in
 * any case when its time is over.  When nodeos has ended it stays, to be asked how.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/strvec.h"
#include "cli/command.h"
#include "cli/fresh.h"
#include "data/slot.h"
#include "deploy/external.h"
#include "loop/loop.h"
#include "nodeos/options.h"

#define LOOK_NS NS_PER_SEC

static const char *dir, *genesis, *config;
static int64_t limit, idle;

static const struct opt opts[] = {
	{ "dir", 0, "DIR", "an empty directory for all that it writes", .value = EXTERNAL_DIR,
	        .string = &dir },
	{ "genesis", 0, "JSON", "genesis of the chain", .env = "NODESWARM_FRESH_GENESIS",
	        .string = &genesis },
	{ "config", 0, "TEXT", "its config.ini", .env = "NODESWARM_FRESH_CONFIG",
	        .string = &config },
	{ "limit", 0, "TIME", "end after so long", .value = "11m", .min = NS_PER_SEC,
	        .duration = &limit },
	{ "idle", 0, "TIME", "end when nobody has asked for so long", .value = "60s",
	        .min = NS_PER_SEC, .duration = &idle },
	{ NULL },
};

struct fresh {
	struct loop loop;
	struct loop_child child;
	struct loop_timer timer;
	struct loop_signal stop;
	int fd; /* of the directory */
	pid_t pid;
	bool runs;
	struct timespec asked; /* when `asked` was touched last, by its file system */
	int64_t asked_ns;      /* when we saw that; CLOCK_MONOTONIC */
	int64_t end_ns;
};

/* --- before ---------------------------------------------------------------------------------- */

/*
 * A directory that nodeos's user may write to, with one file of ours or without.  The owner comes
 * last: it is changed by a root that has no power over what belongs to others.
 */
static int make_dir(
        struct fresh *f, const char *name, const char *path, const char *text, struct err *e)
{
	if (mkdirat(f->fd, name, 0750) < 0) {
		err_sys(e, errno, "make '%s/%s'", dir, name);
		return err_hint(e, "a fresh node begins in an empty directory");
	}
	if (path && fs_write_at(f->fd, path, text, strlen(text), 0644, e) < 0)
		return -1;
	if (geteuid() == 0 && fchownat(f->fd, name, SLOT_UID, SLOT_UID, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "give '%s/%s' to uid %d", dir, name, SLOT_UID);
	return 0;
}

static int prepare(struct fresh *f, struct err *e)
{
	f->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0)
		return err_sys(e, errno, "open '%s'", dir);
	/* nodeos adds its protocol_features to config/. */
	if (make_dir(f, "data", NULL, NULL, e) < 0 ||
	        make_dir(f, "config", "config/config.ini", config, e) < 0 ||
	        fs_write_at(f->fd, "genesis.json", genesis, strlen(genesis), 0644, e) < 0)
		return -1;
	return fs_write_at(f->fd, FRESH_ASKED, "", 0, 0644, e);
}

static int start(struct fresh *f, char *const *argv, struct err *e)
{
	AUTO(strvec) struct strvec args = STRVEC_INIT;
	struct spawn sp = { .out_fd = -1,
		.err_fd = -1,
		.keep_fd = -1,
		.drop = geteuid() == 0,
		.uid = SLOT_UID,
		.gid = SLOT_UID };

	for (; *argv; argv++)
		if (strvec_add(&args, *argv) < 0)
			return err_nomem(e);
	if (strvec_add_fmt(&args, "--config-dir=%s/config", dir) < 0 ||
	        strvec_add_fmt(&args, "--data-dir=%s/data", dir) < 0 ||
	        strvec_add_fmt(&args, "--genesis-json=%s/genesis.json", dir) < 0)
		return err_nomem(e);
	sp.argv = args.v;
	if (spawn_start(&sp, &f->pid, e) < 0)
		return -1;
	f->runs = true;
	log_info("nodeos started", "pid=%ld", (long)f->pid);
	return 0;
}

/* --- while ----------------------------------------------------------------------------------- */

static void on_end(struct loop_child *c UNUSED, int status, void *arg)
{
	struct fresh *f = arg;
	struct err e = ERR_INIT;
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", status);

	f->runs = false;
	log_warn("nodeos ended", "status=%d signal=%d",
	        WIFEXITED(status) ? WEXITSTATUS(status) : -1,
	        WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	if (fs_write_at(f->fd, FRESH_ENDED, text, (size_t)n, 0644, &e) < 0)
		log_error("its end is not noted", "why=\"%s\"", e.msg);
}

static void on_signal(struct loop_signal *s UNUSED, int signo, void *arg)
{
	struct fresh *f = arg;

	log_info("told to end", "signal=%d", signo);
	loop_stop(&f->loop);
}

static void look(struct loop_timer *t, void *arg)
{
	struct fresh *f = arg;
	int64_t now = clock_mono_ns();
	struct stat st;

	/* That it changes counts, not the time itself: the wall clock may be set. */
	if (fstatat(f->fd, FRESH_ASKED, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	        (st.st_mtim.tv_sec != f->asked.tv_sec || st.st_mtim.tv_nsec != f->asked.tv_nsec)) {
		f->asked = st.st_mtim;
		f->asked_ns = now;
	}
	if (now < f->end_ns && now - f->asked_ns < idle) {
		loop_timer_set(&f->loop, t, now + LOOK_NS, look, f);
		return;
	}
	log_warn(now < f->end_ns ? "nobody asks any more" : "its time is over", "%s", "");
	loop_stop(&f->loop);
}

static int watch(struct fresh *f, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (loop_signal_add(&f->loop, &f->stop, &set, on_signal, f, e) < 0 ||
	        loop_child_add(&f->loop, &f->child, f->pid, on_end, f, e) < 0)
		return -1;
	f->asked_ns = clock_mono_ns();
	f->end_ns = f->asked_ns + limit;
	look(&f->timer, f);
	return loop_run(&f->loop, e);
}

/* --- after ------------------------------------------------------------------------------------ */

static void end(struct fresh *f)
{
	loop_timer_remove(&f->loop, &f->timer);
	loop_child_remove(&f->loop, &f->child);
	loop_signal_remove(&f->loop, &f->stop);
	/* Its data is thrown away: no reason to wait until it has written it. */
	if (f->runs && kill(f->pid, SIGKILL) == 0)
		while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
			;
	auto_close_fd(&f->fd);
	loop_release(&f->loop);
}

static int run(struct context *ctx, int argc UNUSED, char **argv, struct err *e)
{
	struct fresh f = { .fd = -1 };
	int rc;

	if (!genesis || !config)
		return command_usage(ctx, e,
		        "a genesis and a config.ini are needed (NODESWARM_FRESH_GENESIS, "
		        "NODESWARM_FRESH_CONFIG)");
	if (nodeos_args_check(argv, e) < 0 || loop_init(&f.loop, e) < 0)
		return -1;
	rc = prepare(&f, e);
	if (rc == 0)
		rc = start(&f, argv, e);
	if (rc == 0)
		rc = watch(&f, e);
	end(&f);
	return rc;
}

const struct command cmd_fresh_run = {
	.name = "fresh run",
	.group = "Inside a container",
	.args = "-- NODEOS [ARG...]",
	.summary = "run a chain node that is thrown away",
	.description =
	        "As PID 1 of its container, starts NODEOS from the genesis as an unprivileged "
	        "user, in a data-dir that must not be there yet. What it gets of the chain is "
	        "asked with 'nodeswarm fresh ask'; "
	        "when nobody asks any more it ends.\n\n"
	        "For 'nodeswarm check --connect-external', which makes the container and removes "
	        "it.",
	.examples = (const char *const[]){ "nodeswarm fresh run -- nodeos",
	        "nodeswarm fresh run --limit 5m -- nodeos", NULL },
	.min_args = 1,
	.max_args = -1,
	.flags = COMMAND_OPTIONS_FIRST,
	.opts = opts,
	.run = run,
};
