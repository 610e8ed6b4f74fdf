#pragma once

/*
 * Facts of this host, for `doctor`
 *
 * What the engine cannot tell: the pool, the clock, the kernel, who listens where, and which
 * programs are in the image.  Only facts; what to think of them is in deploy/doctor.h.
 *
 * In the agent the host is seen through a container with the host's network and the pool, and
 * without its pid namespace, its /etc and its /lib/modules.  What cannot be known from there is
 * null, never a guess.  Keys (a key that is missing counts as null):
 *
 *	"hostname", "kernel", "boot_id"
 *	"cpus", "memory_bytes", "swap_bytes", "uptime_seconds"
 *	"time_unix_ns"                     real time when the facts were complete
 *	"is_ntp_synchronised", "clock_max_error_seconds"   adjtimex(2)
 *	"swarm_address"                    host.json's; null without
 *	"pool": {"path", "exists", "is_pool", "id", "method", "error",
 *	         "is_own_mount"            a file system of its own is mounted there; null: unknown
 *	         "is_mount_expected", "is_unmounted"   by host.json or POOL_UNMOUNTED_MARK
 *	         "is_read_only", "file_system", "total_bytes", "free_bytes", "used_percent",
 *	         "total_inodes", "free_inodes",
 *	         "method_now"              by trying; "method" is what pool.json says
 *	         "generation"              the name of the current one; "" without
 *	         "healing": [{"name": "nodeswarm_readers.3", "stage", "verdict", "repair", "tries",
 *	                      "proof", "is_served"}]   slots whose data-dir is being mended or was
 *	                      given up; is_served: a supervisor has it now
 *	         "quarantine": {"entries", "allocated_bytes", "is_complete"}   false: as much as
 *	                      could be counted in 100 ms
 *	         "image": {"path", "size_bytes", "allocated_bytes", "disk_free_bytes"}}   of a loop
 *	                  device's file, if it can be seen from here
 *	"system_disk": {"total_bytes", "free_bytes", "used_percent"}   where "/" is
 *	"sysctls": {"vm.max_map_count": 65530, ...}        numbers; null where there is none
 *	"open_files_soft", "open_files_hard"               RLIMIT_NOFILE of this process
 *	"transparent_huge_pages"           "always", "madvise" or "never"
 *	"has_ipvs", "has_vxlan"            true: loaded, built in or a module; false; null: unknown
 *	"ports": [{"port", "protocol": "tcp"|"udp", "address", "uid", "program", "pid"}]
 *	                                   listeners on the ports that nodeswarm and swarm use
 *	"programs": [{"path", "size_bytes", "sha256"}]
 *	"is_complete"                      false: digests are still to come, ask again
 */

#include "base/compiler.h"
#include "base/json.h"

/*
 * Facts of this host, a new reference; NULL without memory.  Never blocks on the network, and for
 * digests no longer than 200 ms: what is not done by then is done in the next call.  Digests
 * are kept as long as the file does not change.  Belongs to one thread.
 */
json_t *host_facts(const char *pool_path) NODISCARD;
