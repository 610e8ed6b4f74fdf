/*
 * A place outside of this host
 *
 * A thread leaves for a network namespace of its own that has no name, so nothing but the thread
 * and its sockets holds it.  The veth pair is made in there, one end at once in the host's
 * namespace.  When the thread ends, and when the process is killed, the kernel drops the namespace,
 * with it that end of the pair, with it the other one with its addresses and routes.
 */

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/run.h"
#include "firewall/probe.h"

#define TEXT_MAX 4096
#define IP_NS    (10 * NS_PER_SEC)
#define TRIES    64

struct outside {
	struct firewall_probe *p;
	size_t n;
	int64_t timeout_ns;
	int home;      /* the host's namespace */
	char name[16]; /* of the host's end */
	uint32_t v4;   /* the first of four addresses, in host order */
	uint64_t v6;   /* of fd00::/8: the first 64 bits */
	int rc;
	struct err err;
};

/* Lines for `ip -batch`. */
static int ip_batch(const char *text, struct err *e)
{
	AUTO(close_fd) int fd = memfd_create("ip", MFD_CLOEXEC);
	char path[48];
	char *const argv[] = { (char *)(uintptr_t) "ip", (char *)(uintptr_t) "-batch", path, NULL };

	if (fd < 0 || fs_write_all(fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "keep orders for ip");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return run_output(argv, fd, IP_NS, NULL, NULL, e);
}

/* Whether a route of this host that is not the default one covers some of the four addresses. */
static bool is_routed(uint32_t first)
{
	AUTO(fclose) FILE *f = fopen("/proc/net/route", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned to, mask;

		/* Words in network order, printed as the machine reads them. */
		if (sscanf(line, "%*s %8x %*x %*x %*d %*d %*d %8x", &to, &mask) != 2 || !mask)
			continue;
		to = ntohl(to);
		mask = ntohl(mask);
		if (((to ^ first) & mask & ~3U) == 0)
			return true;
	}
	return false;
}

static int choose(struct outside *o, struct err *e)
{
	unsigned char bytes[12];
	unsigned number;

	for (unsigned i = 0; i < TRIES; i++) {
		if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
			return err_sys(e, errno, "random bytes");
		memcpy(&o->v4, bytes, sizeof(o->v4));
		memcpy(&o->v6, bytes + 4, sizeof(o->v6));
		number = o->v4;
		o->v4 = 0x64400000U | (o->v4 & 0x003ffffcU);
		o->v6 = 0xfd00000000000000U | (o->v6 & 0x00ffffffffffffffU);
		snprintf(o->name, sizeof(o->name), "nsfw%08x", number);
		if (!is_routed(o->v4))
			return 0;
	}
	return err_set(e, ERR_CONFLICT, "this host has routes to all of 100.64.0.0/10");
}

static void v4_text(char out[16], uint32_t a)
{
	snprintf(out, 16, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static void v6_text(char out[48], uint64_t a, unsigned last)
{
	snprintf(out, 48, "%x:%x:%x:%x::%u", (unsigned)(a >> 48), (unsigned)(a >> 32 & 0xffff),
	        (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xffff), last);
}

/* One end: its address in both families, up. */
static int set_up(const char *dev, const struct outside *o, unsigned number, struct err *e)
{
	struct err ignored = ERR_INIT;
	char text[TEXT_MAX], v4[16], v6[48];

	v4_text(v4, o->v4 + number);
	v6_text(v6, o->v6, number);
	snprintf(text, sizeof(text), "addr add %s/30 dev %s\nlink set %s up\n", v4, dev, dev);
	if (ip_batch(text, e) < 0)
		return -1;
	/* Without IPv6 there is no way for it, which the probes will say. */
	snprintf(text, sizeof(text), "addr add %s/64 dev %s nodad\n", v6, dev);
	(void)!ip_batch(text, &ignored);
	return 0;
}

static int set_routes(const struct outside *o, struct err *e)
{
	struct err ignored = ERR_INIT;
	char text[TEXT_MAX], v4[16], v6[48];

	v4_text(v4, o->v4 + 1);
	v6_text(v6, o->v6, 1);
	snprintf(text, sizeof(text), "link set lo up\nroute add default via %s\n", v4);
	if (ip_batch(text, e) < 0)
		return -1;
	snprintf(text, sizeof(text), "route add ::/0 via %s\n", v6);
	(void)!ip_batch(text, &ignored);
	return 0;
}

static int prepare(const struct outside *o, struct err *e)
{
	AUTO(close_fd) int out = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	char text[TEXT_MAX];
	int rc;

	if (out < 0)
		return err_sys(e, errno, "open the new network namespace");
	snprintf(text, sizeof(text), "link add out0 type veth peer name %s netns %d\n", o->name,
	        (int)getpid());
	if (ip_batch(text, e) < 0)
		return err_wrap(e, "make a pair of interfaces");
	if (setns(o->home, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "go to the host's network namespace");
	rc = set_up(o->name, o, 1, e);
	if (setns(out, CLONE_NEWNET) < 0)
		return rc < 0 ? -1 : err_sys(e, errno, "go to the new network namespace");
	return rc < 0 || set_up("out0", o, 2, e) < 0 ? -1 : set_routes(o, e);
}

static int probe_out_there(struct outside *o, struct err *e)
{
	char *const gone[] = { (char *)(uintptr_t) "ip", (char *)(uintptr_t) "link",
		(char *)(uintptr_t) "del", (char *)(uintptr_t) "out0", NULL };
	struct err ignored = ERR_INIT;
	int rc;

	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, errno, "make a network namespace");
	rc = prepare(o, e);
	if (rc == 0)
		rc = firewall_probe_all(o->p, o->n, o->timeout_ns, e);
	/* The kernel would do it too, a little later. */
	(void)!run_output(gone, -1, IP_NS, NULL, NULL, &ignored);
	return rc;
}

static void *thread(void *arg)
{
	struct outside *o = arg;

	o->rc = probe_out_there(o, &o->err);
	return NULL;
}

static void own_addresses(struct firewall_net ret[2], const struct outside *o)
{
	uint64_t high = htobe64(o->v6);

	ret[0] = (struct firewall_net){ .family = AF_INET, .prefix = 32 };
	ret[0].v4.s_addr = htonl(o->v4 + 2);
	ret[1] = (struct firewall_net){ .family = AF_INET6, .prefix = 128 };
	memcpy(ret[1].v6.s6_addr, &high, sizeof(high));
	ret[1].v6.s6_addr[15] = 2;
}

int firewall_probe_outside(struct firewall_probe *p, size_t n, int64_t timeout_ns,
        struct firewall_net ret_from[2], struct err *e)
{
	AUTO(close_fd) int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct outside o = { .p = p, .n = n, .timeout_ns = timeout_ns, .home = home };
	pthread_t id;
	int rc;

	if (home < 0)
		return err_sys(e, errno, "open our network namespace");
	if (choose(&o, e) < 0)
		return -1;
	own_addresses(ret_from, &o);
	rc = pthread_create(&id, NULL, thread, &o);
	if (rc)
		return err_sys(e, rc, "start a thread");
	(void)pthread_join(id, NULL);
	if (o.rc < 0) {
		*e = o.err;
		return err_wrap(e, "prove it from outside");
	}
	return 0;
}
