#pragma once

/*
 * Stack files: compose YAML as a validated, typed model
 *
 * stack_load() reads one or more compose files (format "3.8", the subset that `docker stack
 * deploy` knows and that makes sense for chain nodes), unites them and checks everything that
 * can be known without an engine.  It knows no engine and no nodeos; what is only unwise, and
 * not wrong, is for lint.
 *
 *	AUTO(stack_free) struct stack *st = NULL;
 *
 *	if (stack_load(&st, files, n, NULL, e) < 0)
 *		return -1;
 *	if (stack_set_name(st, "nodeswarm", e) < 0)
 *		return -1;
 *	for (size_t i = 0; i < st->n_services; i++)
 *		...
 *
 * The model is read-only; everything in it belongs to the struct stack and lives as long as it
 * does.  Strings are never empty where NULL is possible, unless a comment says so.  Sizes are in
 * bytes, durations in nanoseconds.  Not thread-safe, except for reading.
 *
 * Differences from `docker stack deploy`, all on purpose: scalars follow YAML 1.2 (a network may
 * be called `n`, and `yes` is text); a key that Docker would ignore is an error that says why; two
 * files may not describe one service together.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

/* Hard limits for what comes from outside. */
#define STACK_FILES_MAX       16
#define STACK_FILE_SIZE_MAX   (1024 * 1024)
#define STACK_DEPTH_MAX       32
#define STACK_NODES_MAX       100000 /* nodes of all files, aliases counted as often as expanded */
#define STACK_TEXT_MAX        (8 * 1024 * 1024) /* bytes of text after interpolation */
#define STACK_CONFIG_SIZE_MAX 1023999           /* the engine refuses 1024000 */
#define STACK_SECRET_SIZE_MAX 511999            /* the engine refuses 512000 */
#define STACK_NAME_MAX        63 /* a DNS label; the engine's limit for a service's name */
#define STACK_FILE_NAME_MAX   64 /* the engine's limit for a config's or secret's name */
#define STACK_GENERATE_MIN    16 /* bytes of randomness */
#define STACK_GENERATE_MAX    1024
#define STACK_ITEMS_MAX       1000 /* services, networks, mounts, ports ... in one list */

#define STACK_DEFAULT_NAME  "nodeswarm"
#define STACK_FRONT_SERVICE "front" /* whom a file's own x-nodeswarm.front is about */

/* Where a thing was written.  Lines and columns count from 1. */
struct stack_pos {
	const char *file; /* as given to stack_load() */
	unsigned line, column;
};

/* An optional number; booleans are 0 and 1. */
struct stack_int {
	bool set;
	int64_t v;
};

struct stack_strs {
	const char *const *v;
	size_t n;
	bool set; /* the key was there, be its list empty or not */
};

struct stack_kv {
	struct stack_pos at;
	const char *key;
	const char *value; /* may be "", or NULL when none was given */
};

struct stack_kvs {
	const struct stack_kv *v;
	size_t n;
};

/* --- parts of a service ------------------------------------------------------------------- */

struct stack_service_network {
	struct stack_pos at;
	const char *name; /* of a network of this stack */
	struct stack_strs aliases;
};

enum stack_mount_type { STACK_MOUNT_BIND, STACK_MOUNT_VOLUME, STACK_MOUNT_TMPFS };

struct stack_mount {
	struct stack_pos at;
	enum stack_mount_type type;
	const char *source; /* bind: a path; volume: a volume of this stack, NULL: anonymous */
	const char *target;
	bool read_only;
	const char *propagation; /* bind */
	bool nocopy;             /* volume */
	struct stack_int size;   /* tmpfs */
};

/* The default is the engine's: ingress. */
enum stack_port_mode { STACK_PORT_DEFAULT, STACK_PORT_INGRESS, STACK_PORT_HOST };

struct stack_port {
	struct stack_pos at;
	uint16_t target, published; /* published 0: the engine chooses */
	const char *protocol;       /* "tcp", "udp", "sctp"; NULL: the engine's default, tcp */
	enum stack_port_mode mode;
};

/* A config or secret as a file in the container. */
struct stack_file_ref {
	struct stack_pos at;
	const char *source; /* of a config or secret of this stack */
	const char *target; /* the path; never NULL */
	const char *uid, *gid;
	unsigned mode;
};

struct stack_healthcheck {
	struct stack_pos at;
	bool set;
	bool disable;
	struct stack_strs test; /* first "CMD", "CMD-SHELL" or "NONE" */
	struct stack_int interval, timeout, start_period, retries;
};

struct stack_logging {
	struct stack_pos at;
	bool set;
	const char *driver; /* NULL: the engine's */
	struct stack_kvs options;
};

struct stack_ulimit {
	struct stack_pos at;
	const char *name;
	int64_t soft, hard;
};

enum stack_mode {
	STACK_REPLICATED,
	STACK_GLOBAL,
	STACK_REPLICATED_JOB,
	STACK_GLOBAL_JOB,
};

enum stack_endpoint_mode { STACK_ENDPOINT_DEFAULT, STACK_ENDPOINT_VIP, STACK_ENDPOINT_DNSRR };

enum stack_condition {
	STACK_CONDITION_DEFAULT,
	STACK_CONDITION_NONE,
	STACK_CONDITION_ON_FAILURE,
	STACK_CONDITION_ANY,
};

struct stack_restart_policy {
	struct stack_pos at;
	bool set;
	enum stack_condition condition;
	struct stack_int delay, max_attempts, window;
};

enum stack_failure_action {
	STACK_FAILURE_DEFAULT,
	STACK_FAILURE_PAUSE,
	STACK_FAILURE_CONTINUE,
	STACK_FAILURE_ROLLBACK,
};

enum stack_order { STACK_ORDER_DEFAULT, STACK_STOP_FIRST, STACK_START_FIRST };

struct stack_update {
	struct stack_pos at;
	bool set;
	struct stack_int parallelism, delay, monitor;
	double max_failure_ratio;
	enum stack_failure_action failure_action;
	enum stack_order order;
};

struct stack_resources {
	struct stack_int nano_cpus, memory, pids;
};

struct stack_deploy {
	struct stack_pos at;
	enum stack_mode mode;
	struct stack_int replicas;
	enum stack_endpoint_mode endpoint_mode;
	struct stack_kvs labels; /* of the service, not of its containers */
	struct stack_strs constraints, spread;
	struct stack_int max_replicas_per_node;
	bool has_limits, has_reservations;
	struct stack_resources limits, reservations;
	struct stack_restart_policy restart_policy;
	struct stack_update update_config, rollback_config;
};

/*
 * `x-nodeswarm: {front: ...}`: how a front is published.  ingress: through Swarm's mesh, which
 * needs IPVS in the kernel of every host; `ports` and `deploy.endpoint_mode` of the model say so
 * already.
 */
enum stack_front_mode { STACK_FRONT_DEFAULT, STACK_FRONT_HOST, STACK_FRONT_INGRESS };

struct stack_front {
	struct stack_pos at;
	enum stack_front_mode mode;
};

struct stack_service {
	struct stack_pos at;
	const char *name;
	const char *image;
	struct stack_pos image_at, grace_at, command_at; /* of the values; at without one */
	struct stack_strs command, entrypoint;
	struct stack_kvs
	        environment; /* sorted by key; values that the file leaves out are looked up */
	const char *hostname, *user, *working_dir;
	struct stack_kvs labels; /* of the containers */
	const struct stack_service_network *networks;
	size_t n_networks;
	const struct stack_mount *mounts;
	size_t n_mounts;
	const struct stack_port *ports;
	size_t n_ports;
	const struct stack_file_ref *configs, *secrets;
	size_t n_configs, n_secrets;
	struct stack_healthcheck healthcheck;
	struct stack_int stop_grace_period;
	const char *stop_signal;
	struct stack_logging logging;
	struct stack_strs cap_add, cap_drop;
	const struct stack_ulimit *ulimits;
	size_t n_ulimits;
	struct stack_int init;
	bool read_only, tty, stdin_open;
	struct stack_kvs sysctls;
	struct stack_strs dns, dns_search;
	struct stack_strs extra_hosts; /* "NAME:ADDRESS" */
	struct stack_deploy deploy;
	struct stack_front front;
	/* `x-nodeswarm: {allow: {RULE: REASON}}`: rules of lint/lint.h that are broken on purpose,
	 * and why; a value is never "". */
	struct stack_kvs allow;
};

/* --- top level ------------------------------------------------------------------------------ */

struct stack_network {
	struct stack_pos at;
	const char *name;     /* in the file */
	const char *own_name; /* `name:`: the name in the engine, else NULL */
	bool external;
	bool implied; /* nobody wrote it: the `default` network of services that name none */
	bool used;    /* some service is in it; the others need not be made */
	const char *driver;
	struct stack_kvs driver_opts, labels;
	bool attachable, internal;
	const char *ipam_driver;
	struct stack_strs ipam_subnets;
};

struct stack_file {
	struct stack_pos at;
	const char *name;
	const char *own_name;
	bool external;
	const char *path; /* as opened, made absolute; NULL when external */
	const void *data; /* the content; NULL when external */
	size_t size;
	/*
	 * Of an external secret, `x-nodeswarm: {generate: N}`: `up` makes it if it is not there, of
	 * this many random bytes as hex digits, and never changes it.  Else 0.
	 */
	size_t generate;
	struct stack_kvs labels;
};

struct stack_volume {
	struct stack_pos at;
	const char *name;
	const char *own_name;
	bool external;
	const char *driver;
	struct stack_kvs driver_opts, labels;
};

struct arena;

struct stack {
	struct arena *arena; /* owns everything below */
	const char *name;    /* STACK_DEFAULT_NAME until stack_set_name() */
	const char *const *files;
	size_t n_files;
	const struct stack_service *services; /* each list is sorted by name */
	size_t n_services;
	const struct stack_network *networks;
	size_t n_networks;
	const struct stack_file *configs, *secrets;
	size_t n_configs, n_secrets;
	const struct stack_volume *volumes;
	size_t n_volumes;
	struct stack_kvs allow; /* the same of whole files: v[i].at.file says of which */
};

/*
 * Where ${VAR} comes from.  get() returns the value, which must stay valid until the next call,
 * or NULL when the variable is not set.
 */
struct stack_vars {
	const char *(*get)(void *arg, const char *name);
	void *arg;
};

/*
 * Load and unite the files.  The same name in two of them is an error, unless it is a network,
 * config, secret or volume that is described identically.  Relative paths (file:, env_file:, bind
 * sources) count from the directory of the file they stand in.  vars NULL: the environment.
 *
 * `$VAR ${VAR} ${VAR:-default} ${VAR-default} ${VAR:?message} ${VAR?message} $$` are replaced in
 * all values, not in keys; Go templates {{...}} are left alone.
 *
 * Returns 0 and the model in *ret.  Errors are ERR_USAGE as "FILE:LINE:COLUMN: what is wrong"; the
 * hint is the line of text, "LINE | TEXT", and points at the column (err_point()).  A file that
 * cannot be read is ERR_NOT_FOUND or ERR_SYSTEM.
 */
int stack_load(struct stack **ret, const char *const *files, size_t n,
        const struct stack_vars *vars, struct err *e) NODISCARD;

/* The same for one text in memory, named file in messages; for tests and fuzzing. */
int stack_load_text(struct stack **ret, const char *file, const char *text, size_t n,
        const struct stack_vars *vars, struct err *e) NODISCARD;

/* The memory is wiped, because there may be secrets in it.  NULL is fine. */
void stack_free(struct stack *st);
DEFINE_AUTO(struct stack, stack_free)

/*
 * Name the stack: letters, digits, - and _, and short enough that NAME_SERVICE and the names of
 * configs and secrets keep the engine's limits.  ERR_USAGE otherwise.
 */
int stack_set_name(struct stack *st, const char *name, struct err *e) NODISCARD;

/* By the name in the file; NULL when there is none. */
const struct stack_service *stack_find_service(const struct stack *st, const char *name);
const struct stack_network *stack_find_network(const struct stack *st, const char *name);
const struct stack_file *stack_find_config(const struct stack *st, const char *name);
const struct stack_file *stack_find_secret(const struct stack *st, const char *name);
const struct stack_volume *stack_find_volume(const struct stack *st, const char *name);
