#include "data/pool_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/mount.h"
#include "base/num.h"
#include "base/run.h"
#include "base/str.h"
#include "data/pool.h"
#include "data/xfs_image.h"

#define UNITS      "/etc/systemd/system"
#define TEXT_MAX   (4U << 20) /* of mountinfo and fstab */
#define UNIT_MAX   4096
#define LOOP_MAJOR 7 /* Documentation/admin-guide/devices.txt */
/* The same line as prepare-host.sh writes. */
#define MARK_TEXT "This directory is seen only while the pool is not mounted on it.\n"

/* --- pure parts --------------------------------------------------------------------------- */

int mount_unit_name(char *out, size_t size, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
	                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.";
	size_t n = 0;

	if (path[0] == '/' && path[1])
		path++;
	for (const char *c = path; *c; c++) {
		char piece[5] = { *c == '/' ? '-' : *c };

		if (*c != '/' && (!strchr(plain, *c) || (*c == '.' && c == path)))
			(void)snprintf(piece, sizeof(piece), "\\x%02x", (unsigned char)*c);
		if (n + strlen(piece) + sizeof(".mount") > size)
			return -1;
		n += (size_t)snprintf(out + n, size - n, "%s", piece);
	}
	if (n + sizeof(".mount") > size)
		return -1;
	(void)snprintf(out + n, size - n, ".mount");
	return 0;
}

bool fstab_has(const char *text, const char *path)
{
	char line[PATH_MAX + 1024];

	while (str_next_line(line, sizeof(line), &text) == 0) {
		char *save = NULL, *what = strtok_r(line, " \t", &save), *where;
		size_t n;

		if (!what || *what == '#')
			continue;
		where = strtok_r(NULL, " \t", &save);
		for (n = where ? strlen(where) : 0; n > 1 && where[n - 1] == '/'; n--)
			where[n - 1] = '\0';
		if (where && strcmp(where, path) == 0)
			return true;
	}
	return false;
}

/* --- what is there ------------------------------------------------------------------------ */

struct work {
	const struct pool_image *w;
	char dir[PATH_MAX], image[PATH_MAX];
	char unit[NAME_MAX + 1];
	uint64_t size;
	bool is_mounted;
	unsigned loop; /* its number, when it is mounted */
	struct mount m;
	struct xfs_image im; /* fd -1: not there yet */
	bool did_something;
};

static void did(struct work *k, const char *fmt, ...) PRINTF(2, 3);
static void did(struct work *k, const char *fmt, ...)
{
	char text[2 * PATH_MAX + 256];
	va_list ap;

	k->did_something = true;
	if (!k->w->did)
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) > 0)
		k->w->did(k->w->arg, text);
	va_end(ap);
}

/* Without double slashes and links, of a path whose last components need not exist. */
static int normalise(char out[PATH_MAX], const char *path, const char *what, struct err *e)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
	AUTO(free) char *copy = strdup(path);
	char tail[PATH_MAX] = "", longer[PATH_MAX];

	if (!copy)
		return err_nomem(e);
	if (*path != '/' || path[strspn(path, allowed)] || strstr(path, "..") ||
	        strlen(path) >= PATH_MAX / 2)
		return err_set(e, ERR_USAGE,
		        "the %s '%s' is not an absolute path of letters, digits and ._-/", what,
		        path);
	while (!realpath(copy, out)) {
		char *slash = strrchr(copy, '/');

		if (errno != ENOENT)
			return err_sys(e, errno, "find the %s '%s'", what, path);
		if (slash[1] && strcmp(slash, "/.") != 0) {
			(void)snprintf(longer, sizeof(longer), "%.*s%.*s", PATH_MAX / 2 - 1, slash,
			        PATH_MAX / 2 - 1, tail);
			memcpy(tail, longer, sizeof(tail));
		}
		slash[slash == copy] = '\0';
	}
	if (strlen(out) + strlen(tail) >= PATH_MAX)
		return err_set(e, ERR_USAGE, "the %s '%s' is too long", what, path);
	memcpy(out + (out[1] ? strlen(out) : 0), tail, strlen(tail) + (*tail ? 1 : 0));
	if (!out[0] || out[strspn(out, allowed)])
		return err_set(e, ERR_USAGE, "the %s '%s' leads to '%s'", what, path, out);
	return 0;
}

static int read_text(struct buf *b, const char *path, struct err *e)
{
	int rc = fs_read_at(AT_FDCWD, path, b, e);

	if (rc > 0 && buf_add_str(b, "") < 0)
		return err_nomem(e);
	return rc < 0 ? -1 : 0;
}

/* Whether what is mounted on the directory is a loop device of the image. */
static int check_loop(struct work *k, struct err *e)
{
	AUTO(close_fd) int fd = -1;
	struct loop_info64 info;
	struct stat st;
	char dev[32];

	(void)snprintf(dev, sizeof(dev), "/dev/loop%u", k->m.minor);
	if (k->m.major == LOOP_MAJOR)
		fd = open(dev, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && k->im.fd >= 0 &&
	        fstat(k->im.fd, &st) == 0 && info.lo_inode == st.st_ino &&
	        info.lo_device == st.st_dev) {
		k->loop = k->m.minor;
		return 0;
	}
	err_set(e, ERR_CONFLICT, "on '%s' is mounted something else than '%s'", k->dir, k->image);
	return err_hint(
	        e, "findmnt %s says what; give the --image that it is, or umount it", k->dir);
}

static int look_mounted(struct work *k, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(TEXT_MAX);

	if (read_text(&b, "/proc/self/mountinfo", e) < 0)
		return -1;
	k->is_mounted = mount_of(&k->m, b.data, k->dir) == 0 && strcmp(k->m.point, k->dir) == 0;
	return k->is_mounted ? check_loop(k, e) : 0;
}

/* Below a mount lies the mark; other things there would be hidden. */
static int check_empty(const struct work *k, struct err *e)
{
	AUTO(close_fd) int fd = open(k->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", k->dir);
	rc = pool_dir_is_empty(fd, true, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	err_set(e, ERR_CONFLICT, "'%s' is not empty, and a mount would hide what is in it", k->dir);
	return err_hint(e, "move it away first, or give another directory");
}

static int check_fstab(const struct work *k, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(TEXT_MAX);

	if (read_text(&b, "/etc/fstab", e) < 0)
		return -1;
	if (!fstab_has(b.data, k->dir))
		return 0;
	err_set(e, ERR_CONFLICT, "/etc/fstab mounts something on '%s'", k->dir);
	return err_hint(e, "a pool of prepare-host.sh --mount stays as it is, without --size");
}

static int check_unit(const struct work *k, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(TEXT_MAX);
	AUTO(free) char *path = str_fmt(UNITS "/%s", k->unit);

	if (!path)
		return err_nomem(e);
	if (read_text(&b, path, e) < 0)
		return -1;
	if (!b.len || strstr(b.data, "nodeswarm pool init"))
		return 0;
	return err_set(e, ERR_CONFLICT, "the unit '%s' is there and not ours", path);
}

static int check_programs(struct err *e)
{
	static const char *const needed[] = { "mkfs.xfs", "xfs_growfs", "mount", NULL };

	for (size_t i = 0; needed[i]; i++)
		if (!run_has_program(needed[i])) {
			err_set(e, ERR_NOT_FOUND, "no program '%s' here", needed[i]);
			return err_hint(e, "install the package %s",
			        strstr(needed[i], "xfs") ? "xfsprogs" : "mount");
		}
	return 0;
}

/* All that can be refused is so before anything is changed. */
static int look(struct work *k, struct err *e)
{
	AUTO(free) char *image = NULL;
	char wanted[NUM_TEXT_MAX], there[NUM_TEXT_MAX];
	int rc;

	if (normalise(k->dir, k->w->dir, "pool", e) < 0)
		return -1;
	image = k->w->image ? strdup(k->w->image) : str_fmt("%s.img", k->dir);
	if (!image)
		return err_nomem(e);
	if (normalise(k->image, image, "image", e) < 0)
		return -1;
	if (!k->dir[1] || (str_starts(k->image, k->dir, NULL) && k->image[strlen(k->dir)] == '/'))
		return err_set(
		        e, ERR_USAGE, "the image '%s' lies in the pool '%s'", k->image, k->dir);
	if (mount_unit_name(k->unit, sizeof(k->unit), k->dir) < 0)
		return err_set(e, ERR_USAGE, "the path '%s' is too long for a unit", k->dir);
	if (k->size < XFS_IMAGE_MIN)
		return err_set(e, ERR_USAGE, "an image needs at least 300M");
	rc = xfs_image_open(&k->im, k->image, e);
	if (rc < 0)
		return -1;
	if (look_mounted(k, e) < 0 || check_fstab(k, e) < 0 || check_unit(k, e) < 0 ||
	        check_programs(e) < 0 || (!k->is_mounted && check_empty(k, e) < 0))
		return -1;
	if (rc == 0 && k->size < k->im.size_bytes) {
		err_set(e, ERR_USAGE, "'%s' has %s, and an XFS cannot shrink to %s", k->image,
		        num_size_text(there, k->im.size_bytes), num_size_text(wanted, k->size));
		return err_hint(
		        e, "give at least --size %llu", (unsigned long long)k->im.size_bytes);
	}
	return 0;
}

/* --- steps -------------------------------------------------------------------------------- */

static int step_image(struct work *k, struct err *e)
{
	char size[NUM_TEXT_MAX];
	const char *how = k->w->sparse ? "not reserved" : "reserved";

	(void)num_size_text(size, k->size);
	if (k->im.fd < 0) {
		did(k, "make the image '%s': XFS with reflink, %s, %s", k->image, size, how);
		if (k->w->dry_run)
			return k->w->sparse ? 0 : xfs_image_fits(k->image, k->size, 0, e);
		return xfs_image_make(&k->im, k->image, k->size, k->w->sparse, e);
	}
	if (k->im.size_bytes >= k->size &&
	        (k->w->sparse || k->im.allocated_bytes >= k->im.size_bytes))
		return 0;
	if (k->im.size_bytes < k->size)
		did(k, "make the image '%s' larger: %s, %s", k->image, size, how);
	else
		did(k, "reserve what the image '%s' has not of its %s", k->image, size);
	if (k->w->dry_run)
		return k->w->sparse ? 0
		                    : xfs_image_fits(k->image, k->size, k->im.allocated_bytes, e);
	return xfs_image_resize(&k->im, k->image, k->size, k->w->sparse, e);
}

static int step_dir(struct work *k, struct err *e)
{
	AUTO(close_fd) int fd = -1, mark = -1;

	if (k->is_mounted)
		return 0;
	fd = open(k->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && faccessat(fd, POOL_UNMOUNTED_MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	did(k, "mark the directory '%s' as not mounted", k->dir);
	if (k->w->dry_run)
		return 0;
	if (fd < 0)
		fd = fs_open_dir_at(AT_FDCWD, k->dir, true, 0755, e);
	if (fd < 0)
		return err_wrap(e, "make '%s'", k->dir);
	/* It is there or not; what stands in it does not matter. */
	mark = openat(fd, POOL_UNMOUNTED_MARK,
	        O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (mark < 0 || fs_write_all(mark, MARK_TEXT, strlen(MARK_TEXT)) < 0 || fsync(mark) < 0 ||
	        fsync(fd) < 0)
		return err_sys(e, errno, "mark the directory '%s'", k->dir);
	return 0;
}

static char *unit_text(const struct work *k)
{
	return str_fmt(
	        "# Written by 'nodeswarm pool init --size'; removed by prepare-host.sh --undo.\n"
	        "[Unit]\n"
	        "Description=Pool of nodeswarm\n"
	        "# A container that starts before sees an empty directory all its life.\n"
	        "Before=docker.service\n"
	        "\n"
	        "[Mount]\n"
	        "What=%s\n"
	        "Where=%s\n"
	        "Type=xfs\n"
	        "Options=loop,noatime%s\n"
	        "# After a power loss the log is replayed first.\n"
	        "TimeoutSec=15min\n"
	        "\n"
	        "[Install]\n"
	        "WantedBy=local-fs.target\n"
	        "RequiredBy=docker.service\n",
	        k->image, k->dir, k->w->sparse ? ",discard" : "");
}

/* What "systemctl enable" does, which also works where systemd does not run. */
static int enable(struct work *k, int units, const char *dir, struct err *e)
{
	AUTO(free) char *link = str_fmt("%s/%s", dir, k->unit);
	AUTO(free) char *to = str_fmt("../%s", k->unit);
	char now[PATH_MAX];
	ssize_t n;
	int fd;

	if (!link || !to)
		return err_nomem(e);
	n = readlinkat(units, link, now, sizeof(now) - 1);
	now[n < 0 ? 0 : n] = '\0';
	if (strcmp(now, to) == 0)
		return 0;
	did(k, "enable it in " UNITS "/%s", dir);
	if (k->w->dry_run)
		return 0;
	fd = fs_open_dir_at(units, dir, true, 0755, e);
	if (fd < 0)
		return -1;
	(void)close(fd);
	if ((unlinkat(units, link, 0) < 0 && errno != ENOENT) || symlinkat(to, units, link) < 0)
		return err_sys(e, errno, "link '%s'", link);
	return 0;
}

static int write_unit(struct work *k, int units, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(UNIT_MAX);
	AUTO(free) char *text = unit_text(k);
	int rc = fs_read_at(units, k->unit, &b, e);

	if (!text)
		return err_nomem(e);
	if (rc < 0)
		return -1;
	if (rc == 0 && strcmp(b.data, text) == 0)
		return 0;
	did(k, "write the unit " UNITS "/%s", k->unit);
	if (k->w->dry_run)
		return 0;
	return fs_write_at(units, k->unit, text, strlen(text), 0644, e);
}

static bool has_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0; /* sd_booted(3) */
}

static int step_unit(struct work *k, struct err *e)
{
	AUTO(close_fd) int units = open(UNITS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *reload[] = { (char[]){ "systemctl" }, (char[]){ "daemon-reload" }, NULL };
	bool before = k->did_something;

	if (units < 0 && errno == ENOENT) {
		if (!k->is_mounted)
			did(k,
			        "write no unit, because there is no " UNITS
			        ": mount it at each boot before docker starts");
		return 0;
	}
	if (units < 0)
		return err_sys(e, errno, "open " UNITS);
	k->did_something = false;
	if (write_unit(k, units, e) < 0 || enable(k, units, "local-fs.target.wants", e) < 0 ||
	        enable(k, units, "docker.service.requires", e) < 0)
		return -1;
	if (k->did_something && !k->w->dry_run && has_systemd() && run_program(reload, -1, e) < 0)
		return -1;
	k->did_something |= before;
	return 0;
}

static int step_mount(struct work *k, struct err *e)
{
	char options[] = "loop,noatime,discard";
	char *argv[] = { (char[]){ "mount" }, (char[]){ "-t" }, (char[]){ "xfs" }, (char[]){ "-o" },
		options, k->image, k->dir, NULL };

	if (!k->w->sparse)
		*strrchr(options, ',') = '\0';
	if (k->is_mounted)
		return 0;
	did(k, "mount '%s' on '%s'%s", k->image, k->dir,
	        has_systemd() ? "" : ", directly, because systemd does not run here");
	if (k->w->dry_run)
		return 0;
	/* It has the image's lock too: when we are killed it still mounts, and whoever came
	 * meanwhile would see nothing mounted, and put the mark of an empty directory into the
	 * pool. */
	if (run_program(argv, k->im.fd, e) < 0)
		return err_wrap(e, "mount '%s'", k->dir);
	if (look_mounted(k, e) < 0)
		return -1;
	return k->is_mounted ? 0 : err_set(e, ERR_SYSTEM, "'%s' is not mounted after all", k->dir);
}

/* Where a kill came between the file and the file system, the file is larger; so both are told. */
static int step_grow(struct work *k, struct err *e)
{
	char *argv[] = { (char[]){ "xfs_growfs" }, (char[]){ "-d" }, k->dir, NULL };
	AUTO(close_fd) int fd = -1;
	struct statvfs before, after;
	char dev[32], size[NUM_TEXT_MAX];

	if (k->w->dry_run)
		return 0;
	(void)snprintf(dev, sizeof(dev), "/dev/loop%u", k->loop);
	fd = open(dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_SET_CAPACITY, 0) < 0)
		return err_sys(e, errno, "tell '%s' its new size", dev);
	if (statvfs(k->dir, &before) < 0)
		return err_sys(e, errno, "statvfs of '%s'", k->dir);
	if (run_program(argv, -1, e) < 0)
		return err_wrap(e, "make the file system of '%s' larger", k->dir);
	if (statvfs(k->dir, &after) < 0)
		return err_sys(e, errno, "statvfs of '%s'", k->dir);
	if (after.f_blocks > before.f_blocks)
		did(k, "make its file system larger: %s",
		        num_size_text(size, (uint64_t)after.f_blocks * after.f_frsize));
	return 0;
}

int pool_image_init(const struct pool_image *w, struct err *e)
{
	struct work k = { .w = w, .im = XFS_IMAGE_INIT };
	bool was_mounted;
	int rc;

	if (geteuid() != 0 && !w->dry_run)
		return err_set(e, ERR_DENIED, "an image can be made and mounted by root only");
	k.size = w->size_bytes & ~(XFS_IMAGE_ALIGN - 1);
	rc = look(&k, e);
	was_mounted = k.is_mounted;
	if (rc == 0 &&
	        (step_image(&k, e) < 0 || step_dir(&k, e) < 0 || step_unit(&k, e) < 0 ||
	                step_mount(&k, e) < 0 || step_grow(&k, e) < 0))
		rc = -1;
	if (rc == 0 && was_mounted && mount_has_option(k.m.options, "discard") != w->sparse)
		did(&k, "mount it with%s discard, at the next boot", w->sparse ? "" : "out");
	xfs_image_release(&k.im);
	return rc < 0 ? -1 : !k.did_something;
}
