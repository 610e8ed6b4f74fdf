#include "sim/resmon.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "sim/nlog.h"
#include "sim/node.h"

#define GIB         (1024ULL * 1024 * 1024)
#define WARN_BELOW  5 /* per cent before the threshold */
#define FILESYSTEMS 4

struct filesystem {
	const char *path;
	dev_t dev;
	uint64_t stop_below, warn_below, capacity; /* bytes */
};

struct resmon {
	struct node *n;
	struct loop_timer timer;
	uint64_t interval_s, threshold, absolute_gb, warn_every;
	uint64_t until_warning;
	bool stop;
	struct filesystem fs[FILESYSTEMS];
	unsigned nfs;
};

static int number(
        struct node *n, const char *name, uint64_t *ret, uint64_t min, uint64_t max, struct fail *f)
{
	*ret = (uint64_t)option_int(n->opt, name);
	if (*ret >= min && *ret <= max)
		return 0;
	return fail_config(f, "resource_monitor_plugin.cpp:70 plugin_initialize", "{}",
	        "\"%s\" must be between %" PRIu64 " and %" PRIu64, name, min, max);
}

int resmon_initialize(struct node *n, struct fail *f)
{
	struct resmon *r = calloc(1, sizeof(*r));

	n->resmon = r;
	if (!r)
		return fail_std(f, "St9bad_alloc",
		        "resource_monitor_plugin.cpp:108 plugin_initialize", "std::bad_alloc");
	r->n = n;
	if (number(n, "resource-monitor-interval-seconds", &r->interval_s, 1, 300, f) < 0)
		return -1;
	nlog(NLOG_INFO, "resource_monitor_plugin.cpp:73", "plugin_initialize",
	        "Monitoring interval set to %" PRIu64, r->interval_s);
	r->absolute_gb = (uint64_t)option_int(n->opt, "resource-monitor-space-absolute-gb");
	if (number(n, "resource-monitor-space-threshold", &r->threshold, 6, 99, f) < 0)
		return -1;
	if (r->absolute_gb)
		nlog(NLOG_INFO, "resource_monitor_plugin.cpp:82", "plugin_initialize",
		        "Space usage threshold set to absolute %" PRIu64 " GiB", r->absolute_gb);
	else
		nlog(NLOG_INFO, "resource_monitor_plugin.cpp:89", "plugin_initialize",
		        "Space usage threshold set to %" PRIu64 "%%", r->threshold);
	r->stop = !option_bool(n->opt, "resource-monitor-not-shutdown-on-threshold-exceeded");
	nlog(NLOG_INFO, "resource_monitor_plugin.cpp:99", "plugin_initialize",
	        "Shutdown flag when threshold exceeded set to %s", r->stop ? "true" : "false");
	if (number(n, "resource-monitor-warning-interval", &r->warn_every, 1, 450, f) < 0)
		return -1;
	nlog(NLOG_INFO, "resource_monitor_plugin.cpp:106", "plugin_initialize",
	        "Warning interval set to %" PRIu64, r->warn_every);
	return 0;
}

static uint64_t available(const struct node *n, const struct filesystem *fs)
{
	struct statvfs v;

	if (n->knobs.disk_used != KNOBS_DISK_REAL)
		return fs->capacity / 100 * (100 - n->knobs.disk_used);
	if (statvfs(fs->path, &v) < 0)
		return UINT64_MAX;
	return (uint64_t)v.f_bavail * v.f_frsize;
}

static uint64_t gib(uint64_t bytes)
{
	return bytes / GIB;
}

static void say_threshold(const struct resmon *r, const struct filesystem *fs, uint64_t avail)
{
	char threshold[32];

	if (r->absolute_gb)
		snprintf(threshold, sizeof(threshold), "%" PRIu64 " GiB", r->absolute_gb);
	else
		snprintf(threshold, sizeof(threshold), "%" PRIu64 "%%", r->threshold);
	if (avail < fs->stop_below)
		nlog_from(NLOG_ERROR, "resmon-0", "file_space_handler.hpp:100",
		        "is_threshold_exceeded",
		        "Space usage warning: %s's file system exceeded threshold %s, available: "
		        "%" PRIu64 " GiB, Capacity: %" PRIu64 " GiB, shutdown_available: %" PRIu64
		        " GiB",
		        fs->path, threshold, gib(avail), gib(fs->capacity), gib(fs->stop_below));
	else
		nlog_from(NLOG_WARN, "resmon-0", "file_space_handler.hpp:108",
		        "is_threshold_exceeded",
		        "Space usage warning: %s's file system approaching threshold. available: "
		        "%" PRIu64 " GiB, warning_available: %" PRIu64 " GiB",
		        fs->path, gib(avail), gib(fs->warn_below));
}

static bool is_exceeded(const struct resmon *r)
{
	for (unsigned i = 0; i < r->nfs; i++) {
		const struct filesystem *fs = &r->fs[i];
		uint64_t avail = available(r->n, fs);

		if (avail < fs->stop_below) {
			if (r->stop || !r->until_warning)
				say_threshold(r, fs, avail);
			return true;
		}
		if (avail < fs->warn_below && !r->until_warning)
			say_threshold(r, fs, avail);
	}
	return false;
}

static void look(struct loop_timer *t, void *arg)
{
	struct resmon *r = arg;

	if (is_exceeded(r) && r->stop) {
		nlog_from(NLOG_ERROR, "resmon-0", "file_space_handler.hpp:166",
		        "space_monitor_loop",
		        "Gracefully shutting down, exceeded file system configured threshold.");
		r->n->disk_full = r->n->knobs.disk_used == 100;
		node_quit(r->n);
		return;
	}
	r->until_warning = r->until_warning ? r->until_warning - 1 : r->warn_every - 1;
	loop_timer_set(
	        &r->n->loop, t, clock_mono_ns() + (int64_t)r->interval_s * NS_PER_SEC, look, r);
}

static void add(struct resmon *r, const char *path)
{
	struct filesystem *fs = &r->fs[r->nfs];
	struct statvfs v;
	struct stat st;

	if (stat(path, &st) < 0 || statvfs(path, &v) < 0)
		return;
	nlog(NLOG_INFO, "file_space_handler.hpp:126", "add_file_system",
	        "%s's file system to be monitored", path);
	for (unsigned i = 0; i < r->nfs; i++)
		if (r->fs[i].dev == st.st_dev)
			return;
	*fs = (struct filesystem){
		.path = path, .dev = st.st_dev, .capacity = (uint64_t)v.f_blocks * v.f_frsize
	};
	fs->stop_below =
	        r->absolute_gb ? r->absolute_gb * GIB : (100 - r->threshold) * (fs->capacity / 100);
	fs->warn_below = r->absolute_gb ? r->absolute_gb * 11 / 10 * GIB
	                                : (100 - r->threshold + WARN_BELOW) * (fs->capacity / 100);
	r->nfs++;
}

void resmon_start(struct node *n)
{
	struct resmon *r = n->resmon;

	add(r, n->data_dir);
	add(r, n->snapshots_dir);
	add(r, n->blocks_dir);
	add(r, n->state_dir);
	loop_timer_set(&n->loop, &r->timer, clock_mono_ns(), look, r);
}

void resmon_shutdown(struct node *n)
{
	nlog(NLOG_INFO, "resource_monitor_plugin.cpp:120", "plugin_shutdown",
	        "entered shutdown...");
	loop_timer_remove(&n->loop, &n->resmon->timer);
	nlog(NLOG_INFO, "resource_monitor_plugin.cpp:122", "plugin_shutdown", "exiting shutdown");
}

void resmon_free(struct resmon *r)
{
	free(r);
}
