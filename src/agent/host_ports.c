#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/host_priv.h"
#include "agent/proc.h"
#include "base/clock.h"
#include "base/str.h"

/*
 * Who listens where.  Listeners stand first in /proc/net/tcp, before the connections, of which a
 * busy host has a hundred thousand, so a bounded beginning of the text is enough.
 *
 * The process is found through the links in /proc/<pid>/fd, of the processes that we can see: in
 * the agent's pid namespace that is the agent alone.
 */

#define TEXT_MAX  (512 * 1024)
#define OWNERS_NS (200 * NS_PER_MS)

/* Swarm's, as Docker's manual lists them ("Open protocols and ports between the hosts"), and ours
 * (docs/ARCHITECTURE.md). */
static const uint16_t wanted[] = { 2377, 4789, 7946, 8870, 8888, 9876 };

struct listener {
	struct proc_socket s;
	const char *protocol;
	long pid; /* 0: unknown */
	char program[32];
};

#define LISTENERS_MAX 64

struct listeners {
	struct listener v[LISTENERS_MAX];
	size_t n;
};

static bool is_wanted(uint16_t port)
{
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (wanted[i] == port)
			return true;
	return false;
}

static void read_table(struct listeners *l, const char *path, const char *protocol)
{
	unsigned listening = *protocol == 't' ? PROC_TCP_LISTEN : PROC_UDP_BOUND;
	AUTO(free) char *text = malloc(TEXT_MAX);
	struct proc_socket s;
	const char *at = text;

	if (!text || host_read(text, TEXT_MAX, path) < 0)
		return;
	while (l->n < LISTENERS_MAX && proc_socket_next(&s, &at) == 0)
		if (s.state == listening && is_wanted(s.local_port))
			l->v[l->n++] = (struct listener){ .s = s, .protocol = protocol };
}

static void note_owner(struct listeners *l, uint64_t inode, long pid)
{
	for (size_t i = 0; i < l->n; i++) {
		struct listener *o = &l->v[i];
		char path[64];

		if (o->s.inode != inode || inode == 0 || o->pid)
			continue;
		snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
		if (host_read(o->program, sizeof(o->program), path) < 0)
			continue;
		o->program[strcspn(o->program, "\n")] = '\0';
		str_printable(o->program);
		o->pid = pid;
	}
}

static void scan_process(struct listeners *l, long pid)
{
	char dir[64], target[64];
	struct dirent *ent;
	unsigned long long inode;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%ld/fd", pid);
	d = opendir(dir);
	if (!d)
		return;
	while ((ent = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), ent->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%20llu]", &inode) == 1)
			note_owner(l, inode, pid);
	}
	(void)closedir(d);
}

static void find_owners(struct listeners *l)
{
	int64_t deadline = clock_mono_ns() + OWNERS_NS;
	DIR *d = l->n ? opendir("/proc") : NULL;
	struct dirent *ent;

	if (!d)
		return;
	while ((ent = readdir(d)) && clock_mono_ns() < deadline) {
		char *end;
		long pid = strtol(ent->d_name, &end, 10);

		if (pid > 0 && *end == '\0')
			scan_process(l, pid);
	}
	(void)closedir(d);
}

json_t *host_ports(void)
{
	AUTO(free) struct listeners *l = calloc(1, sizeof(*l));
	AUTO(json) json_t *list = json_array();

	if (!l || !list)
		return NULL;
	read_table(l, "/proc/net/tcp", "tcp");
	read_table(l, "/proc/net/tcp6", "tcp");
	read_table(l, "/proc/net/udp", "udp");
	read_table(l, "/proc/net/udp6", "udp");
	find_owners(l);
	for (size_t i = 0; i < l->n; i++) {
		const struct listener *o = &l->v[i];
		json_t *j = json_pack("{s:i, s:s, s:s, s:I, s:s?, s:o}", "port",
		        (int)o->s.local_port, "protocol", o->protocol, "address", o->s.local, "uid",
		        (json_int_t)o->s.uid, "program", o->pid ? o->program : NULL, "pid",
		        o->pid ? json_integer(o->pid) : json_null());

		if (json_array_append_new(list, j) < 0)
			return NULL;
	}
	return TAKE(list);
}
