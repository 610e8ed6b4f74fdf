#include "firewall/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/run.h"
#include "base/str.h"

#define TABLE_MAX    (16 * 1024 * 1024)
#define TEXT_MAX     (1024 * 1024)
#define LOCK_SECONDS "5" /* for the lock of iptables-legacy */
#define PROGRAM_NS   (30 * NS_PER_SEC)
#define TURN_NS      (5 * NS_PER_SEC) /* for another of us; anybody could be one */
#define TRIES        3
#define EXIT_BUSY    4 /* RESOURCE_PROBLEM of iptables */

static const struct {
	int family;
	const char *title, *program, *names;
} families[] = {
	{ AF_INET, "IPv4", "iptables", "/proc/net/ip_tables_names" },
	{ AF_INET6, "IPv6", "ip6tables", "/proc/net/ip6_tables_names" },
};

/* --- programs ------------------------------------------------------------------------------ */

/* What `iptables` is: "nft" or "legacy", "" when there is none. */
static const char *plain_backend(void)
{
	char *const argv[] = { (char *)(uintptr_t) "iptables", (char *)(uintptr_t) "--version",
		NULL };
	AUTO(buf) struct buf out = BUF_INIT(4096);
	struct err ignored = ERR_INIT;

	if (run_output(argv, -1, PROGRAM_NS, &out, NULL, &ignored) < 0 || !out.data)
		return "";
	/* Before 1.8 there was one backend and no word about it. */
	return strstr(out.data, "nf_tables") ? "nft" : "legacy";
}

/* "iptables-nft-save", or "iptables-save" where that is it.  false: there is none. */
static bool find_program(char *out, size_t size, unsigned family, const char *backend,
        const char *plain, const char *verb)
{
	snprintf(out, size, "%s-%s-%s", families[family].program, backend, verb);
	if (run_has_program(out))
		return true;
	snprintf(out, size, "%s-%s", families[family].program, verb);
	return strcmp(backend, plain) == 0 && run_has_program(out);
}

/* Reading a table of legacy makes it if it is not there, with a hook that every packet passes. */
static bool legacy_has_filter(unsigned family)
{
	AUTO(fclose) FILE *f = fopen(families[family].names, "re");
	char name[64];

	while (f && fgets(name, sizeof(name), f))
		if (strcmp(str_trim(name), "filter") == 0)
			return true;
	return false;
}

static int no_program(unsigned family, const char *backend, struct err *e)
{
	err_set(e, ERR_NOT_FOUND, "no program '%s-%s-save' or '%s-save' here",
	        families[family].program, backend, families[family].program);
	return err_hint(e, "install iptables; %s",
	        family ? "this kernel has IPv6, which would stay open"
	               : "it has iptables-save and iptables-restore");
}

static int read_table(struct firewall_present *p, unsigned family, const char *backend,
        const char *plain, struct err *e)
{
	AUTO(buf) struct buf out = BUF_INIT(TABLE_MAX);
	char name[64];
	char *const argv[] = { name, (char *)(uintptr_t) "-c", (char *)(uintptr_t) "-t",
		(char *)(uintptr_t) "filter", NULL };

	if (!find_program(name, sizeof(name), family, backend, plain, "save"))
		return no_program(family, backend, e);
	if (run_output(argv, -1, PROGRAM_NS, &out, NULL, e) < 0 ||
	        firewall_present_parse(p, out.data ? out.data : "", out.len, e) < 0)
		return err_wrap(e, "read the rules of %s", families[family].title);
	return 0;
}

/* Run "restore" with the text.  *ret_status: its exit status, or -1. */
static int restore(unsigned family, const char *backend, const char *plain, const struct buf *text,
        bool only_test, int *ret_status, struct err *e)
{
	AUTO(close_fd) int fd = memfd_create("rules", MFD_CLOEXEC);
	char name[64], path[48];
	char *argv[] = { name, (char *)(uintptr_t) "--noflush", (char *)(uintptr_t) "-w",
		(char *)(uintptr_t)LOCK_SECONDS, NULL, NULL, NULL };
	size_t n = 4;

	*ret_status = -1;
	if (!find_program(name, sizeof(name), family, backend, plain, "restore"))
		return err_set(e, ERR_NOT_FOUND, "no program '%s' here", name);
	if (fd < 0 || fs_write_all(fd, text->data, text->len) < 0)
		return err_sys(e, errno, "keep the rules for %s", name);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (only_test)
		argv[n++] = (char *)(uintptr_t) "--test";
	argv[n] = path;
	if (run_output(argv, fd, PROGRAM_NS, NULL, ret_status, e) == 0)
		return 0;
	err_wrap(e, "%s", families[family].title);
	if (*ret_status == EXIT_BUSY) {
		e->kind = ERR_CONFLICT;
		err_hint(e,
		        "another program is changing the rules; 'fuser -v /run/xtables.lock' "
		        "names it");
	}
	return -1;
}

/* --- reading ------------------------------------------------------------------------------- */

static int need_net_admin(struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return err_sys(e, errno, "read our capabilities");
	if (data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN))
		return 0;
	err_set(e, ERR_DENIED, "not allowed to read or change the firewall");
	return err_hint(e, "run it as root; a container needs the capability NET_ADMIN");
}

/* Who is docker: its chain DOCKER says more than DOCKER-USER, which we make too. */
static unsigned docker_score(const struct firewall_present *p)
{
	return (p->has_docker ? 2U : 0U) + (p->has_docker_user ? 1U : 0U);
}

static void swap_present(struct firewall_present *a, struct firewall_present *b)
{
	struct firewall_present t = *a;

	*a = *b;
	*b = t;
}

/* The plain program's backend into present[], the other one's into stale[], both of IPv4. */
static int read_v4(struct firewall_host *h, const char *plain, struct err *e)
{
	const char *first = *plain ? plain : "nft";
	const char *second = strcmp(first, "nft") == 0 ? "legacy" : "nft";
	bool use_second = strcmp(second, "nft") == 0 || legacy_has_filter(0);
	struct err e2 = ERR_INIT;

	if (read_table(&h->present[0], 0, first, plain, e) < 0)
		return -1;
	if (use_second && read_table(&h->stale[0], 0, second, plain, &e2) < 0) {
		/* A table that we cannot read may be docker's. */
		if (strcmp(second, "legacy") == 0 && !h->present[0].has_docker) {
			*e = e2;
			return -1;
		}
	}
	snprintf(h->backend, sizeof(h->backend), "%s", first);
	snprintf(h->other, sizeof(h->other), "%s", second);
	if (docker_score(&h->stale[0]) > docker_score(&h->present[0])) {
		swap_present(&h->present[0], &h->stale[0]);
		snprintf(h->backend, sizeof(h->backend), "%s", second);
		snprintf(h->other, sizeof(h->other), "%s", first);
	}
	return 0;
}

static int read_v6(struct firewall_host *h, const char *plain, struct err *e)
{
	struct err ignored = ERR_INIT;

	if (read_table(&h->present[1], 1, h->backend, plain, e) < 0)
		return -1;
	/* The other backend's program may be missing; then nobody has made rules with it. */
	if ((strcmp(h->other, "nft") == 0 || legacy_has_filter(1)) &&
	        read_table(&h->stale[1], 1, h->other, plain, &ignored) < 0)
		err_clear(&ignored);
	return 0;
}

static int read_host(struct firewall_host *h, const char *plain, struct err *e)
{
	memset(h, 0, sizeof(*h));
	if (need_net_admin(e) < 0)
		return -1;
	h->has_v6 = access("/proc/net/if_inet6", F_OK) == 0;
	if (read_v4(h, plain, e) < 0 || (h->has_v6 && read_v6(h, plain, e) < 0)) {
		firewall_host_release(h);
		return -1;
	}
	return 0;
}

int firewall_host_read(struct firewall_host *h, struct err *e)
{
	return read_host(h, plain_backend(), e);
}

void firewall_host_release(struct firewall_host *h)
{
	for (size_t i = 0; i < ARRAY_LEN(h->present); i++) {
		firewall_present_release(&h->present[i]);
		firewall_present_release(&h->stale[i]);
	}
}

static unsigned family_count(const struct firewall_host *h)
{
	return h->has_v6 ? 2 : 1;
}

int firewall_host_diff(struct strvec *ret_lines, const struct firewall_host *h,
        const struct firewall_model *m, struct err *e)
{
	for (unsigned f = 0; f < family_count(h); f++) {
		AUTO(strvec) struct strvec lines = STRVEC_INIT;

		if (firewall_diff(&lines, &h->present[f], m, families[f].family, e) < 0)
			return -1;
		for (size_t i = 0; i < lines.n; i++)
			if (strvec_add_fmt(ret_lines, "%s: %s", families[f].title, lines.v[i]) < 0)
				return err_nomem(e);
		if (firewall_present_any(&h->stale[f]) &&
		        strvec_add_fmt(ret_lines,
		                "%s: extra: chains of ours in iptables-%s, while "
		                "docker's rules are in iptables-%s",
		                families[f].title, h->other, h->backend) < 0)
			return err_nomem(e);
	}
	return ret_lines->n ? 1 : 0;
}

/* --- changing ------------------------------------------------------------------------------ */

/*
 * Wait for our turn in this network namespace.  Whoever has the socket has it; since anybody there
 * could take its name, it is not waited for without end, and then *ret_fd stays as it is.  Two at
 * once would do no harm that the look afterwards does not find.
 */
static int take_turn(int *ret_fd, struct err *e)
{
	static const char name[] = "nodeswarm-firewall";
	const struct timespec tick = { .tv_nsec = 50 * NS_PER_MS };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int64_t deadline = clock_mono_ns() + TURN_NS;
	AUTO(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, errno, "socket");
	memcpy(sa.sun_path + 1, name, sizeof(name) - 1);
	while (bind(fd, (struct sockaddr *)&sa,
	               offsetof(struct sockaddr_un, sun_path) + sizeof(name)) < 0) {
		if (errno != EADDRINUSE)
			return err_sys(e, errno, "take the lock of the firewall");
		if (clock_mono_ns() >= deadline)
			return 0;
		(void)nanosleep(&tick, NULL);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

struct change {
	const struct firewall_model *m; /* NULL: remove */
	const char *plain;
	struct firewall_host h;
	struct buf text[2];
	bool changed;
};

static void change_release(struct change *c)
{
	firewall_host_release(&c->h);
	for (size_t i = 0; i < ARRAY_LEN(c->text); i++)
		buf_release(&c->text[i]);
}

/* m NULL: what removes all of ours. */
static int render_one(struct buf *out, const struct firewall_present *p,
        const struct firewall_model *m, unsigned family, struct err *e)
{
	return m ? firewall_render(out, p, m, families[family].family, e)
	         : firewall_render_remove(out, p, e);
}

static int render_both(struct change *c, struct err *e)
{
	for (unsigned f = 0; f < family_count(&c->h); f++)
		if (render_one(&c->text[f], &c->h.present[f], c->m, f, e) < 0)
			return -1;
	return 0;
}

/* IPv4 as it was, after IPv6 has failed. */
static int put_back(const struct change *c, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	AUTO(firewall_host) struct firewall_host now = { 0 };
	int status;

	if (read_host(&now, c->plain, e) < 0 ||
	        firewall_render_back(&text, &now.present[0], &c->h.present[0], e) < 0)
		return -1;
	return text.len ? restore(0, c->h.backend, c->plain, &text, false, &status, e) : 0;
}

static int commit_both(struct change *c, int *ret_status, struct err *e)
{
	const char *backend = c->h.backend;

	for (unsigned f = 0; f < family_count(&c->h); f++)
		if (c->text[f].len &&
		        restore(f, backend, c->plain, &c->text[f], true, ret_status, e) < 0)
			return err_wrap(e, "try the new rules");
	if (c->text[0].len && restore(0, backend, c->plain, &c->text[0], false, ret_status, e) < 0)
		return -1;
	if (c->text[1].len &&
	        restore(1, backend, c->plain, &c->text[1], false, ret_status, e) < 0) {
		struct err back = ERR_INIT;

		if (c->text[0].len && put_back(c, &back) < 0) {
			err_wrap(e,
			        "IPv4 has its new rules, because putting it back failed "
			        "(%.120s), and IPv6 its former ones",
			        back.msg);
			return -1;
		}
		return -1;
	}
	c->changed = c->changed || c->text[0].len || c->text[1].len;
	return 0;
}

static int clean_stale(struct change *c, struct err *e)
{
	for (unsigned f = 0; f < family_count(&c->h); f++) {
		AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
		int status;

		if (firewall_render_remove(&text, &c->h.stale[f], e) < 0)
			return -1;
		if (!text.len)
			continue;
		if (restore(f, c->h.other, c->plain, &text, false, &status, e) < 0)
			return err_wrap(e, "remove our chains from iptables-%s", c->h.other);
		c->changed = true;
	}
	return 0;
}

/* 0: as wanted; 1: it was changed meanwhile, or our text is not printed as we write it. */
static int is_done(const struct change *c, struct strvec *lines, struct err *e)
{
	AUTO(firewall_host) struct firewall_host now = { 0 };

	if (read_host(&now, c->plain, e) < 0)
		return -1;
	for (unsigned f = 0; f < family_count(&now); f++) {
		AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);

		if (render_one(&text, &now.present[f], c->m, f, e) < 0)
			return -1;
		if (text.len && c->m)
			return firewall_host_diff(lines, &now, c->m, e) < 0 ? -1 : 1;
		if (text.len)
			return 1;
	}
	return 0;
}

/* 0: done; 1: try again; -1. */
static int change_once(struct change *c, struct strvec *lines, struct err *e)
{
	int status, rc;

	if (read_host(&c->h, c->plain, e) < 0 || render_both(c, e) < 0)
		return -1;
	if (!c->text[0].len && !c->text[1].len)
		return clean_stale(c, e);
	if (c->m && firewall_spare_ssh(c->m, e) < 0)
		return -1;
	if (commit_both(c, &status, e) < 0) {
		AUTO(firewall_host) struct firewall_host now = { 0 };
		struct err ignored = ERR_INIT;

		/* Somebody has changed what our text counts on: a jump to delete is gone. */
		if (status < 0 || status == EXIT_BUSY || read_host(&now, c->plain, &ignored) < 0)
			return -1;
		for (unsigned f = 0; f < family_count(&now); f++)
			if (!firewall_present_same(&now.present[f], &c->h.present[f]))
				return err_clear(e), 1;
		return -1;
	}
	rc = is_done(c, lines, e);
	return rc ? rc : clean_stale(c, e);
}

static int change(const struct firewall_model *m, bool *ret_changed, struct err *e)
{
	AUTO(close_fd) int turn = -1;
	struct change c = { .m = m, .plain = plain_backend() };
	AUTO(strvec) struct strvec lines = STRVEC_INIT;
	int rc = 1;

	if (need_net_admin(e) < 0 || take_turn(&turn, e) < 0)
		return -1;
	for (unsigned i = 0; i < TRIES && rc == 1; i++) {
		strvec_release(&lines);
		buf_init(&c.text[0], TEXT_MAX);
		buf_init(&c.text[1], TEXT_MAX);
		rc = change_once(&c, &lines, e);
		change_release(&c);
	}
	if (rc == 1) {
		err_set(e, ERR_CONFLICT, "the rules are not as they were written just now%s%.200s",
		        lines.n ? ": " : "", lines.n ? lines.v[0] : "");
		return err_hint(e, "another program is changing them");
	}
	if (rc == 0)
		*ret_changed = c.changed;
	return rc;
}

int firewall_host_apply(const struct firewall_model *m, bool *ret_changed, struct err *e)
{
	if (change(m, ret_changed, e) < 0)
		return err_wrap(e, "apply the firewall");
	return 0;
}

int firewall_host_remove(bool *ret_changed, struct err *e)
{
	if (change(NULL, ret_changed, e) < 0)
		return err_wrap(e, "remove the firewall");
	return 0;
}

int firewall_host_plan(
        const struct firewall_model *m, struct buf *ret_v4, struct buf *ret_v6, struct err *e)
{
	AUTO(firewall_host) struct firewall_host h = { 0 };

	if (firewall_host_read(&h, e) < 0 || render_one(ret_v4, &h.present[0], m, 0, e) < 0)
		return -1;
	return h.has_v6 ? render_one(ret_v6, &h.present[1], m, 1, e) : 0;
}

/* --- what was applied ------------------------------------------------------------------------ */

#define SAVED "firewall.json"

int firewall_saved_write(int dir_fd, const struct firewall_model *m, struct err *e)
{
	AUTO(json) json_t *j = firewall_model_json(m, e);
	AUTO(free) char *text = NULL;

	if (!j)
		return -1;
	text = json_text(j, true);
	if (!text)
		return err_nomem(e);
	return fs_write_at(dir_fd, SAVED, text, strlen(text), 0644, e);
}

int firewall_saved_read(int dir_fd, struct firewall_model *m, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	AUTO(json) json_t *j = NULL;
	int rc = fs_read_at(dir_fd, SAVED, &text, e);

	if (rc < 0)
		return -1;
	if (rc == 1) {
		err_set(e, ERR_NOT_FOUND, "no firewall was applied here: there is no '%s'", SAVED);
		return err_hint(e, "'nodeswarm firewall apply' keeps what it applies");
	}
	j = json_parse_object(text.data ? text.data : "", text.len, SAVED, e);
	if (!j)
		return -1;
	return firewall_model_parse(m, j, e) < 0 ? err_wrap(e, SAVED) : 0;
}

int firewall_saved_remove(int dir_fd, struct err *e)
{
	if (unlinkat(dir_fd, SAVED, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s'", SAVED);
	if (fsync(dir_fd) < 0)
		return err_sys(e, errno, "write the directory of '%s'", SAVED);
	return 0;
}
