#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "deploy/doctor_priv.h"

/* Rules about one host: its pool, its clock, its limits. */

/* The supervisor stops nodeos at 88 % (nodeos's own 90 % less two), and starts it again at 85 %. */
#define POOL_PERCENT_PROBLEM 88.0
#define POOL_PERCENT_WARNING 80.0
#define IMAGE_LEFT_PROBLEM   (4LL << 30) /* bytes */
/* What supervisors keep it below when they put something there (supervise/restore.c). */
#define QUARANTINE_PERCENT_WARNING 20.0
#define DISK_PERCENT_PROBLEM       95.0
#define DISK_PERCENT_WARNING       85.0

/*
 * nodeos refuses a block from more than 7 s in the future (producer_plugin, Leap 3 to 5), and a
 * producer whose clock is off by half a block misses its slots.
 */
#define CLOCK_PROBLEM_NS (5 * NS_PER_SEC)
#define CLOCK_WARNING_NS (NS_PER_SEC / 2)

/* --- pool ------------------------------------------------------------------------------- */

static void pool(struct doctor *d)
{
	const json_t *p = json_object_get(d->hf, "pool");
	const char *path = json_str(p, "path", "?");

	if (!json_bool(p, "exists", false))
		doctor_say(d, DOCTOR_PROBLEM, "swarm/prepare-host.sh on that host",
		        "there is no directory '%s': tasks that mount it are rejected", path);
	else if (json_bool(p, "is_unmounted", false))
		doctor_say(d, DOCTOR_PROBLEM,
		        "mount it, then restart docker, whose containers still see the directory",
		        "'%s' is not mounted", path);
	else if (!json_bool(p, "is_pool", false))
		doctor_say(d, DOCTOR_PROBLEM, "swarm/prepare-host.sh on that host", "no pool: %s",
		        json_str(p, "error", path));
	else if (json_bool(p, "is_read_only", false))
		doctor_say(d, DOCTOR_PROBLEM,
		        "look for disk errors in dmesg; then mount -o remount,rw",
		        "'%s' is read-only", path);
	else if (json_bool(p, "is_mount_expected", false) &&
	        json_is_false(json_object_get(p, "is_own_mount")))
		doctor_say(d, DOCTOR_PROBLEM,
		        "compare its pool.json with that of the device; mount the device",
		        "'%s' is a directory of another file system, and was prepared as a mount",
		        path);
	else
		doctor_say(d, DOCTOR_OK, NULL, "'%s' on %s, method %s, id %.8s", path,
		        json_str(p, "file_system", "?"), json_str(p, "method", "?"),
		        json_str(p, "id", "?"));
}

/* A shared mount would let two hosts' slots meet in one directory; flock is per host. */
static void pool_ids(struct doctor *d)
{
	const json_t *list = json_object_get(d->facts, "hosts"), *a, *b;
	size_t before = d->report->n, i, k, n = 0;

	for (i = 0; (a = json_array_get(list, i)); i++) {
		const char *id = json_str(a, "facts.pool.id", NULL);

		n += id != NULL;
		for (k = i + 1; id && k < json_array_size(list); k++) {
			b = json_array_get(list, k);
			if (strcmp(id, json_str(b, "facts.pool.id", "")) == 0)
				doctor_say(d, DOCTOR_PROBLEM,
				        "each host needs a pool of its own: on a copy, remove "
				        "services/ and pool.json, then nodeswarm pool init",
				        "hosts %s and %s have the same pool %.8s: a copy, or a "
				        "shared mount",
				        json_str(a, "name", "?"), json_str(b, "name", "?"), id);
		}
	}
	if (n > 1 && d->report->n == before)
		doctor_say(d, DOCTOR_OK, NULL, "%zu pools, all different", n);
}

/* The block that is in the name of a generation, as text of ten digits. */
static const char *block_of(const char *name)
{
	const char *dash = strrchr(name, '-');

	return dash ? dash + 1 : "";
}

/* Slots of a host without one sync from the network for days, beside a host that has one. */
static void pool_generations(struct doctor *d)
{
	const json_t *list = json_object_get(d->facts, "hosts"), *best = NULL;
	const char *name = "";

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *h = json_array_get(list, i);
		const char *has = json_str(h, "facts.pool.generation", "");

		if (!*has || strcmp(block_of(has), block_of(name)) <= 0)
			continue;
		best = h;
		name = has;
	}
	for (size_t i = 0; best && i < json_array_size(list); i++) {
		const json_t *h = json_array_get(list, i);
		char advice[400];

		/* An agent of an older version does not say. */
		if (*json_str(h, "facts.pool.generation", "?"))
			continue;
		snprintf(advice, sizeof(advice),
		        "on that host: nodeswarm data pull current --from %.200s",
		        json_str(best, "name", "?"));
		doctor_say_of(d, json_str(h, "name", "?"), DOCTOR_NOTE, advice,
		        "it has no current generation, and %s has %s: new slots here start from "
		        "nothing",
		        json_str(best, "name", "?"), name);
	}
}

static void pool_space(struct doctor *d)
{
	const json_t *p = json_object_get(d->hf, "pool");
	const json_t *used = json_object_get(p, "used_percent");
	int64_t inodes = json_int(p, "total_inodes", 0),
	        free_inodes = json_int(p, "free_inodes", 0);
	double percent = json_number_value(used);
	char free_text[NUM_TEXT_MAX];
	enum doctor_level level = percent >= POOL_PERCENT_PROBLEM ? DOCTOR_PROBLEM
	        : percent >= POOL_PERCENT_WARNING                 ? DOCTOR_WARNING
	                                                          : DOCTOR_OK;

	if (!json_bool(p, "is_pool", false) || !json_is_number(used))
		return;
	num_size_text(free_text, (uint64_t)json_int(p, "free_bytes", 0));
	doctor_say(d, level, level == DOCTOR_OK ? NULL : "make room or a larger file system",
	        "%s free, %.1f %% used%s", free_text, percent,
	        level == DOCTOR_PROBLEM ? ": from 88 % on supervisors stop their nodeos" : "");
	/* btrfs and others count none. */
	if (inodes > 0 && free_inodes < inodes / 20)
		doctor_say(d, free_inodes < inodes / 100 ? DOCTOR_PROBLEM : DOCTOR_WARNING,
		        "remove many small files, or make the file system anew",
		        "%lld of %lld inodes are free", (long long)free_inodes, (long long)inodes);
}

static void pool_quarantine(struct doctor *d)
{
	const json_t *q = json_at(d->hf, "pool.quarantine");
	int64_t total = json_int(d->hf, "pool.total_bytes", 0);
	int64_t bytes = json_int(q, "allocated_bytes", 0), n = json_int(q, "entries", 0);
	double percent = total > 0 ? 100.0 * (double)bytes / (double)total : 0;
	const char *some = json_bool(q, "is_complete", true) ? "" : "more than ";
	bool is_full =
	        json_number_value(json_at(d->hf, "pool.used_percent")) >= POOL_PERCENT_WARNING;
	char size[NUM_TEXT_MAX];

	if (n <= 0 || bytes < 0)
		return;
	num_size_text(size, (uint64_t)bytes);
	if (percent > QUARANTINE_PERCENT_WARNING)
		doctor_say(d, DOCTOR_WARNING,
		        "on that host: nodeswarm pool status shows what removing each gives back; "
		        "nodeswarm data rm NAME",
		        "%lld entries in the quarantine take %s%s, %.0f %% of the pool",
		        (long long)n, some, size, percent);
	else if (is_full)
		doctor_say(d, DOCTOR_NOTE,
		        "what repairs have displaced, and you do not need: nodeswarm data rm NAME",
		        "the pool is nearly full, and %lld entries in the quarantine take %s%s",
		        (long long)n, some, size);
	else
		doctor_say(d, DOCTOR_OK, NULL, "%lld entries, %s%s", (long long)n, some, size);
}

static bool has_given_up(const json_t *h)
{
	return str_eq(json_str(h, "stage", NULL), "gave-up");
}

/* Slots whose data-dir nodeos does not start from. */
static void healing(struct doctor *d)
{
	const json_t *list = json_at(d->hf, "pool.healing");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *h = json_array_get(list, i);
		const char *name = json_str(h, "name", "?"), *proof = json_str(h, "proof", "");
		char advice[300];

		if (!has_given_up(h) && json_bool(h, "is_served", false)) {
			doctor_say(d, DOCTOR_NOTE, NULL, "%s is mended: it was %s; %s, %s", name,
			        json_str(h, "verdict", "?"), json_str(h, "repair", "?"),
			        json_str(h, "stage", "?"));
			continue;
		}
		if (!has_given_up(h))
			continue;
		snprintf(advice, sizeof(advice),
		        "nodeswarm data verdict %.120s; then data restore, or nodeswarm resume, "
		        "which begins anew",
		        name);
		/* Without a task nobody misses it. */
		doctor_say(d, json_bool(h, "is_served", false) ? DOCTOR_PROBLEM : DOCTOR_NOTE,
		        advice, "%s was %s and is given up after %lld %s%s%s", name,
		        json_str(h, "verdict", "?"), (long long)json_int(h, "tries", 0),
		        json_int(h, "tries", 0) == 1 ? "try" : "tries", *proof ? ": " : "", proof);
	}
	if (json_is_array(list) && !json_array_size(list))
		doctor_say(d, DOCTOR_OK, NULL, "no slot is being mended or was given up");
}

/* What a clone of a data-dir costs; the trial counts, not what pool.json says. */
static void pool_clones(struct doctor *d)
{
	const json_t *p = json_object_get(d->hf, "pool");
	const char *now = json_str(p, "method_now", ""), *type = json_str(p, "file_system", "?");
	bool is_copy = strcmp(now, "copy") == 0;

	if (!*now)
		return;
	if (is_copy && strcmp(json_str(p, "method", ""), "reflink") == 0)
		doctor_say(d, DOCTOR_WARNING,
		        "move the pool back to such a file system, or make one: nodeswarm pool "
		        "init NEW-DIR --size SIZE",
		        "the pool was made on a file system that can share blocks, and this one "
		        "(%s) cannot: clones are whole copies",
		        type);
	else if (is_copy && (strcmp(type, "xfs") == 0 || strcmp(type, "btrfs") == 0))
		doctor_say(d, DOCTOR_WARNING,
		        "make the file system anew (mkfs.xfs -m reflink=1), or nodeswarm pool init "
		        "NEW-DIR --size SIZE",
		        "this %s was made without reflink: clones are whole copies", type);
	else if (is_copy)
		doctor_say(d, DOCTOR_NOTE,
		        "an image in which clones take no space: nodeswarm pool init NEW-DIR "
		        "--size SIZE",
		        "clones are whole copies on %s", type);
	else
		doctor_say(d, DOCTOR_OK, NULL, "clones share blocks");
}

/* An image with holes grows; when the disk below is full then, nodeos gets I/O errors. */
static void pool_image(struct doctor *d)
{
	const json_t *im = json_at(d->hf, "pool.image");
	int64_t size = json_int(im, "size_bytes", 0);
	int64_t holes = size - json_int(im, "allocated_bytes", 0);
	int64_t left = json_int(im, "disk_free_bytes", 0);
	char hole_text[NUM_TEXT_MAX], left_text[NUM_TEXT_MAX];

	if (!json_is_object(im) || size <= 0)
		return;
	if (holes <= 0 || holes <= left) {
		doctor_say(d, DOCTOR_OK, NULL, "the image '%s' %s", json_str(im, "path", "?"),
		        holes > 0 ? "can grow to its size" : "has its space reserved");
		return;
	}
	doctor_say(d, left < IMAGE_LEFT_PROBLEM ? DOCTOR_PROBLEM : DOCTOR_WARNING,
	        "make room on its disk, then reserve it: nodeswarm pool init --size with its size",
	        "the image '%s' may grow by %s and its disk has %s free: then chain nodes in it "
	        "get I/O errors",
	        json_str(im, "path", "?"), num_size_text(hole_text, (uint64_t)holes),
	        num_size_text(left_text, left > 0 ? (uint64_t)left : 0));
}

static void system_disk(struct doctor *d)
{
	const json_t *used = json_at(d->hf, "system_disk.used_percent");
	double percent = json_number_value(used);
	char free_text[NUM_TEXT_MAX];

	if (!json_is_number(used))
		return;
	num_size_text(free_text, (uint64_t)json_int(d->hf, "system_disk.free_bytes", 0));
	if (percent >= DISK_PERCENT_WARNING)
		doctor_say(d, percent >= DISK_PERCENT_PROBLEM ? DOCTOR_PROBLEM : DOCTOR_WARNING,
		        "docker system df; docker image prune",
		        "the system's disk has %s free, %.1f %% used", free_text, percent);
	else
		doctor_say(d, DOCTOR_OK, NULL, "the system's disk has %s free", free_text);
}

/* --- clock ------------------------------------------------------------------------------ */

/*
 * The host read its clock somewhere between our question and the answer.  So the difference is
 * known to lie within half the round trip around the middle; what is certain is what goes beyond.
 */
static void say_difference(struct doctor *d)
{
	int64_t asked = json_int(d->host, "asked_unix_ns", 0);
	int64_t answered = json_int(d->host, "answered_unix_ns", 0);
	int64_t there = json_int(d->hf, "time_unix_ns", 0);
	int64_t half, difference, certain;
	char text[NUM_TEXT_MAX], precision[NUM_TEXT_MAX];

	if (asked <= 0 || answered < asked || there <= 0)
		return;
	half = (answered - asked) / 2;
	difference = there - (asked + half);
	certain = llabs(difference) - half;
	num_duration_text(text, llabs(difference));
	num_duration_text(precision, half);
	if (certain >= CLOCK_WARNING_NS)
		doctor_say(d, certain >= CLOCK_PROBLEM_NS ? DOCTOR_PROBLEM : DOCTOR_WARNING,
		        "run chrony or systemd-timesyncd on all hosts, and here",
		        "its clock is %s %s ours (+-%s)", text,
		        difference < 0 ? "behind" : "before", precision);
	else
		doctor_say(d, DOCTOR_OK, NULL, "as ours, within %s",
		        num_duration_text(text, llabs(difference) + half));
}

static void clocks(struct doctor *d)
{
	const json_t *ntp = json_object_get(d->hf, "is_ntp_synchronised");

	if (str_eq(json_str(d->host, "source", NULL), "agent"))
		say_difference(d);
	if (json_is_false(ntp))
		doctor_say(d, DOCTOR_WARNING, "timedatectl set-ntp true, or install chrony",
		        "its clock is not synchronised by NTP, the kernel says");
	else if (json_is_true(ntp))
		doctor_say(d, DOCTOR_OK, NULL, "synchronised by NTP");
}

/* --- limits ----------------------------------------------------------------------------- */

/* What the kernel's defaults are, and who lowers them finds out late. */
static const struct limit {
	const char *path; /* in the facts */
	const char *sysctl;
	int64_t at_least, at_most; /* -1: no bound */
	enum doctor_level level;
	const char *why, *advice;
} limits_table[] = {
	{ "sysctls", "vm.max_map_count", 65530, -1, DOCTOR_WARNING,
	        "nodeos maps its state, its logs and each contract's memory",
	        "sysctl vm.max_map_count=65530 or more" },
	{ "sysctls", "vm.overcommit_memory", -1, 1, DOCTOR_WARNING,
	        "a state database in mode heap or mapped_private counts in full",
	        "sysctl vm.overcommit_memory=0" },
	{ "sysctls", "net.ipv4.ip_forward", 1, -1, DOCTOR_PROBLEM,
	        "containers reach nothing and published ports do not answer",
	        "find who clears it (/etc/sysctl.d), restart docker, which sets it" },
	{ "sysctls", "net.core.somaxconn", 1024, -1, DOCTOR_WARNING,
	        "a burst of clients is refused", "sysctl net.core.somaxconn=4096" },
	{ "open_files_soft", NULL, 4096, -1, DOCTOR_WARNING,
	        "nodeos needs one for each client and peer",
	        "LimitNOFILE in docker.service, default-ulimits in /etc/docker/daemon.json, or "
	        "ulimits in the stack file" },
};

static const json_t *limit_value(const struct doctor *d, const struct limit *l)
{
	const json_t *v = json_object_get(d->hf, l->path);

	/* dockerd turns it on, so before it has run it says nothing. */
	if (str_eq(l->sysctl, "net.ipv4.ip_forward") && !json_at(d->facts, "engine.info.Name"))
		return NULL;

	return l->sysctl ? json_object_get(v, l->sysctl) : v;
}

static void conntrack(struct doctor *d)
{
	const json_t *sysctls = json_object_get(d->hf, "sysctls");
	const json_t *max = json_object_get(sysctls, "net.netfilter.nf_conntrack_max");
	const json_t *count = json_object_get(sysctls, "net.netfilter.nf_conntrack_count");
	int64_t most = json_integer_value(max), now = json_integer_value(count);

	if (most <= 0 || !json_is_integer(count) || now < most / 4 * 3)
		return;
	doctor_say(d, now >= most / 100 * 95 ? DOCTOR_PROBLEM : DOCTOR_WARNING,
	        "swarm/prepare-host.sh raises net.netfilter.nf_conntrack_max",
	        "%lld of %lld connections are tracked; beyond that new clients are dropped",
	        (long long)now, (long long)most);
}

static void limits(struct doctor *d)
{
	size_t before = d->report->n;

	for (size_t i = 0; i < ARRAY_LEN(limits_table); i++) {
		const struct limit *l = &limits_table[i];
		const json_t *v = limit_value(d, l);
		int64_t n = json_integer_value(v);

		if (json_is_integer(v) &&
		        ((l->at_least >= 0 && n < l->at_least) ||
		                (l->at_most >= 0 && n > l->at_most)))
			doctor_say(d, l->level, l->advice, "%s is %lld: %s",
			        l->sysctl ? l->sysctl : "open files (soft limit)", (long long)n,
			        l->why);
	}
	conntrack(d);
	if (d->report->n == before)
		doctor_say(d, DOCTOR_OK, NULL, "as they should be");
}

const struct doctor_rule doctor_host_rules[] = {
	{ "pool", pool, true },
	{ "pool-ids", pool_ids, false },
	{ "pool-generations", pool_generations, false },
	{ "pool-space", pool_space, true },
	{ "pool-quarantine", pool_quarantine, true },
	{ "healing", healing, true },
	{ "pool-clones", pool_clones, true },
	{ "pool-image", pool_image, true },
	{ "system-disk", system_disk, true },
	{ "clock", clocks, true },
	{ "limits", limits, true },
	{ NULL },
};
