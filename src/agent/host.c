#include "agent/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/host_priv.h"
#include "agent/proc.h"
#include "base/boot_id.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mount.h"
#include "base/num.h"
#include "base/str.h"
#include "data/generation.h"
#include "data/pool.h"

#define QUARANTINE_NS (100 * NS_PER_MS)
#define DIGESTS_NS    (200 * NS_PER_MS)
#define MOUNTINFO_MAX (1024 * 1024)
#define MODULES_MAX   (2 * 1024 * 1024)

ssize_t host_read(char *out, size_t size, const char *path)
{
	AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	out[0] = '\0';
	if (fd < 0)
		return -1;
	while (len < size - 1) {
		ssize_t n = read(fd, out + len, size - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	return (ssize_t)len;
}

/* json_object_set_new() takes NULL for a failure; so a sum of its results is all there
 * is to ask. */
static int set(json_t *o, const char *key, json_t *take)
{
	return json_object_set_new(o, key, take);
}

/* Text from a file or an operator, which need not be UTF-8. */
static json_t *text_or_null(char *s)
{
	s[strcspn(s, "\n")] = '\0';
	str_printable(s);
	return *s ? json_string(s) : json_null();
}

static json_t *file_number(const char *path)
{
	struct err ignored = ERR_INIT;
	char text[64];
	int64_t n;

	if (host_read(text, sizeof(text), path) < 0)
		return json_null();
	return num_int(&n, str_trim(text), INT64_MIN, INT64_MAX, &ignored) < 0 ? json_null()
	                                                                       : json_integer(n);
}

static json_t *bytes_or_null(int64_t n)
{
	return n < 0 ? json_null() : json_integer(n);
}

/* --- machine ------------------------------------------------------------------------ */

static int add_machine(json_t *o)
{
	char hostname[HOST_NAME_MAX + 1] = "", meminfo[8192];
	struct utsname u = { .release = "" };
	char boot[BOOT_ID_SIZE];
	struct err ignored = ERR_INIT;
	int rc = 0;

	(void)!boot_id(boot, &ignored);
	(void)gethostname(hostname, sizeof(hostname) - 1);
	(void)uname(&u);
	(void)host_read(meminfo, sizeof(meminfo), "/proc/meminfo");
	rc |= set(o, "hostname", text_or_null(hostname));
	rc |= set(o, "kernel", text_or_null(u.release));
	rc |= set(o, "boot_id", text_or_null(boot));
	rc |= set(o, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	rc |= set(o, "memory_bytes", bytes_or_null(proc_meminfo_bytes(meminfo, "MemTotal")));
	rc |= set(o, "swap_bytes", bytes_or_null(proc_meminfo_bytes(meminfo, "SwapTotal")));
	rc |= set(o, "uptime_seconds", json_integer(clock_boot_ns() / NS_PER_SEC));
	return rc;
}

/* adjtimex(2): reading needs no privilege. */
static int add_clock(json_t *o)
{
	struct timex tx = { .modes = 0 };
	int state = adjtimex(&tx);
	int rc = 0;

	if (state < 0) {
		rc |= set(o, "is_ntp_synchronised", json_null());
		return rc | set(o, "clock_max_error_seconds", json_null());
	}
	rc |= set(o, "is_ntp_synchronised",
	        json_boolean(state != TIME_ERROR && !(tx.status & STA_UNSYNC)));
	return rc | set(o, "clock_max_error_seconds", json_real((double)tx.maxerror / 1e6));
}

/*
 * vm.max_map_count        nodeos maps its state, its block log and, with eos-vm-oc, some hundred
 *                         slices of WASM memory for each thread
 * vm.overcommit_memory    2 refuses private maps as large as the state database (Documentation/
 *                         mm/overcommit-accounting.rst); database-map-mode heap and mapped_private
 * vm.swappiness           the state of a mapped database is page cache
 * fs.nr_open, file-max    the bounds of what RLIMIT_NOFILE can be
 * net.core.somaxconn      bounds listen(2): 128 before Linux 5.4, 4096 since
 * net.core.[rw]mem_max    of UDP sockets: swarm's gossip
 * ip_forward              without it neither published ports nor containers reach anything
 * nf_conntrack_max        each client's connection to a published port is an entry; a full table
 *                         drops new ones (Documentation/networking/nf_conntrack-sysctl.rst)
 */
static int add_sysctls(json_t *o)
{
	static const char *const names[] = {
		"vm.max_map_count",
		"vm.overcommit_memory",
		"vm.swappiness",
		"fs.nr_open",
		"fs.file-max",
		"net.core.somaxconn",
		"net.core.rmem_max",
		"net.core.wmem_max",
		"net.ipv4.ip_forward",
		"net.netfilter.nf_conntrack_max",
		"net.netfilter.nf_conntrack_count",
	};
	json_t *all = json_object();
	int rc = all ? 0 : -1;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[128];

		snprintf(path, sizeof(path), "/proc/sys/%s", names[i]);
		for (char *s = path + strlen("/proc/sys/"); *s; s++)
			if (*s == '.')
				*s = '/';
		rc |= set(all, names[i], file_number(path));
	}
	return rc | set(o, "sysctls", all);
}

static json_t *limit(rlim_t n)
{
	return n == RLIM_INFINITY ? json_integer(INT64_MAX) : json_integer((json_int_t)n);
}

static int add_limits(json_t *o)
{
	struct rlimit r = { 0, 0 };
	char text[128], word[32];
	int rc = 0;

	(void)getrlimit(RLIMIT_NOFILE, &r);
	rc |= set(o, "open_files_soft", limit(r.rlim_cur));
	rc |= set(o, "open_files_hard", limit(r.rlim_max));
	(void)host_read(text, sizeof(text), "/sys/kernel/mm/transparent_hugepage/enabled");
	proc_chosen_word(word, sizeof(word), text);
	return rc | set(o, "transparent_huge_pages", text_or_null(word));
}

/* --- kernel ------------------------------------------------------------------------- */

static bool is_listed(const char *release, const char *file, const char *module)
{
	AUTO(free) char *text = malloc(MODULES_MAX);
	char path[256];

	snprintf(path, sizeof(path), "/lib/modules/%s/%s", release, file);
	return text && host_read(text, MODULES_MAX, path) > 0 && proc_lists_module(text, module);
}

/*
 * Without loading anything: a module that is loaded, and a built-in one with parameters, which both
 * of these are, has a directory in /sys/module; one that could be loaded stands in the lists of
 * depmod, which a container does not see.  A kernel without modules has no /proc/modules.
 */
static json_t *has_module(const char *name)
{
	struct utsname u = { .release = "" };
	char path[256];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	if (access(path, F_OK) == 0)
		return json_true();
	if (access("/proc/modules", F_OK) < 0)
		return json_false();
	if (uname(&u) < 0)
		return json_null();
	if (is_listed(u.release, "modules.dep", name) ||
	        is_listed(u.release, "modules.builtin", name))
		return json_true();
	snprintf(path, sizeof(path), "/lib/modules/%.200s/modules.dep", u.release);
	return access(path, R_OK) == 0 ? json_false() : json_null();
}

/* --- pool --------------------------------------------------------------------------- */

/*
 * In a container the pool is always a mount, of a directory or of a whole file system; its root in
 * mountinfo tells which.  A directory of a file system that is mounted elsewhere ("/data/pool", a
 * subvolume) looks the same from there, and is unknown.
 */
static json_t *is_own_mount(const struct mount *m, const char *path)
{
	if (strcmp(m->point, path) != 0)
		return json_false();
	if (strcmp(m->root, "/") == 0)
		return json_true();
	return str_ends(path, m->root) ? json_false() : json_null();
}

/*
 * Of a pool that is an image mounted by loop: its file, which a container does not see.  What
 * the kernel calls it may be a path of another mount namespace; so its size has to fit.
 */
static json_t *image_facts(const struct mount *m)
{
	AUTO(close_fd) int fd = -1;
	struct pool_space below;
	struct err ignored = ERR_INIT;
	char path[128], file[MOUNT_PATH_SIZE], sectors[32];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/loop/backing_file", m->major, m->minor);
	if (host_read(file, sizeof(file), path) <= 0)
		return json_null();
	file[strcspn(file, "\n")] = '\0';
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", m->major, m->minor);
	if (host_read(sectors, sizeof(sectors), path) <= 0)
		return json_null();
	fd = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	        (uint64_t)st.st_size / 512 != strtoull(sectors, NULL, 10) ||
	        pool_space_at(&below, fd, &ignored) < 0)
		return json_null();
	str_printable(file);
	return json_pack("{s:s, s:I, s:I, s:I}", "path", file, "size_bytes", (json_int_t)st.st_size,
	        "allocated_bytes", (json_int_t)st.st_blocks * 512, "disk_free_bytes",
	        (json_int_t)below.free_bytes);
}

static int add_mount(json_t *o, const char *path)
{
	AUTO(free) char *text = malloc(MOUNTINFO_MAX), *real = realpath(path, NULL);
	AUTO(free) struct mount *m = malloc(sizeof(*m));
	int rc = 0;

	if (!text || !m)
		return -1;
	if (!real || host_read(text, MOUNTINFO_MAX, "/proc/self/mountinfo") < 0 ||
	        mount_of(m, text, real) != 0)
		return 0;
	rc |= set(o, "is_own_mount", is_own_mount(m, real));
	rc |= set(o, "is_read_only", json_boolean(m->is_read_only));
	rc |= set(o, "image", image_facts(m));
	return rc | set(o, "file_system", text_or_null(m->type));
}

static int add_space(json_t *o, int dirfd)
{
	struct pool_space space;
	struct err ignored = ERR_INIT;
	struct statvfs v;
	int rc = 0;

	if (pool_space_at(&space, dirfd, &ignored) < 0 || fstatvfs(dirfd, &v) < 0)
		return 0;
	rc |= set(o, "total_bytes", json_integer((json_int_t)space.total_bytes));
	rc |= set(o, "free_bytes", json_integer((json_int_t)space.free_bytes));
	rc |= set(o, "used_percent", json_real(space.used_percent));
	rc |= set(o, "total_inodes", json_integer((json_int_t)v.f_files));
	return rc | set(o, "free_inodes", json_integer((json_int_t)v.f_favail));
}

/* In the agent this is the engine's storage, where its images and logs are. */
static int add_system_disk(json_t *o)
{
	AUTO(close_fd) int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(json) json_t *j = json_object();
	struct pool_space space;
	struct err ignored = ERR_INIT;
	int rc = 0;

	if (fd < 0 || pool_space_at(&space, fd, &ignored) < 0)
		return 0;
	rc |= set(j, "total_bytes", json_integer((json_int_t)space.total_bytes));
	rc |= set(j, "free_bytes", json_integer((json_int_t)space.free_bytes));
	rc |= set(j, "used_percent", json_real(space.used_percent));
	return rc | set(o, "system_disk", TAKE(j));
}

/* host.json is written by swarm/prepare-host.sh, the mark by it into the directory
 * below a mount. */
static int add_host_json(json_t *host, json_t *pool, int dirfd)
{
	AUTO(buf) struct buf b = BUF_INIT(4096);
	AUTO(json) json_t *j = NULL;
	struct err ignored = ERR_INIT;
	bool is_unmounted = faccessat(dirfd, POOL_UNMOUNTED_MARK, F_OK, 0) == 0;
	const char *address;
	int rc = 0;

	if (fs_read_at(dirfd, POOL_HOST_JSON, &b, &ignored) == 0)
		j = json_parse_object(b.data, b.len, POOL_HOST_JSON, &ignored);
	address = json_str(j, "address", "");
	rc |= set(host, "swarm_address", *address ? json_string(address) : json_null());
	rc |= set(pool, "is_mount_expected",
	        json_boolean(is_unmounted || json_bool(j, "is_mount", false)));
	return rc | set(pool, "is_unmounted", json_boolean(is_unmounted));
}

/* By its name alone: a manifest may be large, and the one who asks waits. */
static json_t *current_name(int fd)
{
	char name[GENERATION_NAME_SIZE];
	ssize_t n = readlinkat(fd, GENERATION_DIR "/" GENERATION_CURRENT, name, sizeof(name) - 1);

	if (n < 0 && errno != ENOENT)
		return json_null();
	name[n < 0 ? 0 : n] = '\0';
	return n < 0 || generation_name_is(name, NULL) ? json_string(name) : json_null();
}

static int add_pool(json_t *o, const char *path)
{
	AUTO(pool) struct pool p = POOL_INIT;
	AUTO(json) json_t *j = json_object();
	AUTO(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = ERR_INIT;
	bool is_pool = pool_open(&p, path, &e) == 0;
	int rc = set(j, "path", json_string(path));
	char why[160];

	rc |= set(j, "exists", json_boolean(fd >= 0));
	rc |= set(j, "is_pool", json_boolean(is_pool));
	rc |= set(j, "id", is_pool ? json_string(p.id) : json_null());
	rc |= set(j, "method", is_pool ? json_string(pool_method_name(p.method)) : json_null());
	rc |= set(j, "method_now",
	        is_pool ? json_string(pool_method_name(pool_probe_method(p.fd, why, sizeof(why))))
	                : json_null());
	rc |= set(j, "error", is_pool ? json_null() : json_string(e.msg));
	rc |= set(j, "generation", is_pool ? current_name(p.fd) : json_null());
	rc |= set(j, "healing", is_pool ? host_healing(&p) : json_null());
	rc |= set(j, "quarantine",
	        is_pool ? host_quarantine(&p, clock_mono_ns() + QUARANTINE_NS) : json_null());
	if (fd >= 0) {
		rc |= add_space(j, fd);
		rc |= add_mount(j, path);
		rc |= add_host_json(o, j, fd);
	}
	return rc | set(o, "pool", TAKE(j));
}

json_t *host_facts(const char *pool_path)
{
	AUTO(json) json_t *o = json_object();
	bool is_complete;
	int rc = 0;

	if (!o)
		return NULL;
	rc |= add_machine(o);
	rc |= add_clock(o);
	rc |= add_pool(o, pool_path);
	rc |= add_system_disk(o);
	rc |= add_sysctls(o);
	rc |= add_limits(o);
	rc |= set(o, "has_ipvs", has_module("ip_vs"));
	rc |= set(o, "has_vxlan", has_module("vxlan"));
	rc |= set(o, "ports", host_ports());
	rc |= set(o, "programs", host_programs(clock_mono_ns() + DIGESTS_NS, &is_complete));
	rc |= set(o, "is_complete", json_boolean(is_complete));
	/* Last, because the asker compares it with the end of its request. */
	rc |= set(o, "time_unix_ns", json_integer(clock_real_ns()));
	return rc == 0 ? TAKE(o) : NULL;
}
