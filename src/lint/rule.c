#include <string.h>

#include "base/suggest.h"
#include "lint/lint.h"

/*
 * Sources: "engine" is Docker 20.10.24 with one to three nodes, "nodeos" is Leap 4.0.6; what is
 * said to be measured was measured with these.
 */

const struct lint_rule lint_rules[LINT_RULES] = {
	/* --- stopping and starting ---------------------------------------------------------- */

	[LINT_GRACE_PERIOD] = {
		.name = "grace-period",
		.severity = LINT_ERROR,
		.summary = "a chain node is given less than a minute to stop",
		.why = "nodeos writes its state when it stops; killed before that it leaves a dirty "
		       "database and loses the reversible blocks, and its next start is a replay or "
		       "a restore. Without stop_grace_period the engine kills after ten seconds",
		.hint = "stop_grace_period: 2h, as in stacks/readers.yml; a node that is done sooner "
		        "ends sooner",
		.source = "measured: nodeos after SIGKILL starts with 'Database dirty flag set' and "
		          "exit 2; the engine's SIGKILL comes with the end of the grace period",
	},
	[LINT_START_FIRST] = {
		.name = "start-first",
		.severity = LINT_ERROR,
		.summary = "an update starts the new task beside the old one, and only one can be",
		.why = "both have the same slot and so the same data-dir, or want the same port of the "
		       "host: the new one waits, fails or damages the data",
		.hint = "order: stop-first, which is also the engine's default",
		.source = "measured: with start-first the new task runs 0.5 s after the call and the "
		          "old one ends at 6.8 s; a second task with a taken host port stays pending",
	},
	[LINT_RESTART_CONDITION] = {
		.name = "restart-condition",
		.severity = LINT_WARNING,
		.summary = "a chain node is not started again after every end",
		.why = "nodeos ends with status 0 also when its disk or database is full or a port is "
		       "taken, and an unhealthy task that stops cleanly has ended with 0; with 'none' "
		       "a host that is lost takes its slots with it",
		.hint = "restart_policy: {condition: any, delay: 2s}, without max_attempts",
		.source = "measured: five ways of nodeos to end with 0; on-failure leaves an "
		          "unhealthy task down for good, none makes no replacement for a lost host",
	},
	[LINT_START_PERIOD] = {
		.name = "start-period",
		.severity = LINT_WARNING,
		.summary = "a chain node's health check may kill it in a replay",
		.why = "a probe that fails after the start period ends the task, and a replay or a "
		       "large restore answers no probe for hours; the next task begins anew and is "
		       "killed as well",
		.hint = "start_period: 8760h, as in stacks/readers.yml: it ends with the first "
		        "success",
		.source = "measured: 10 failed probes within a start period of 1h killed nothing; "
		          "after it an unhealthy task gets the stop signal",
	},
	[LINT_JOB] = {
		.name = "job",
		.severity = LINT_WARNING,
		.summary = "a service is a job of Swarm",
		.why = "removing the service or draining its host does not stop a task of a job that "
		       "runs: its container goes on without a service",
		.hint = "a replicated service whose program idles when there is nothing to do, as "
		        "stacks/replay.yml has it",
		.source = "measured: 'service rm' and drain send a running task of a job no SIGTERM",
	},
	[LINT_UNSUPERVISED] = {
		.name = "unsupervised",
		.severity = LINT_WARNING,
		.summary = "nodeos runs without anything that keeps a second one from its data-dir",
		.why = "Swarm does not promise one container a slot, and nodeos takes another one on "
		       "its data-dir for a dirty database: whoever repairs that by a replay deletes "
		       "the state of the one that runs",
		.hint = "command: [\"supervise\", \"--\", \"nodeos\"] and the pool, as in "
		        "stacks/readers.yml: the supervisor locks the slot",
		.source = "measured: two containers of one slot in seven cases (a partition, 60 s "
		          "after a stop-first update began, two updates at once ...); "
		          "--replay-blockchain beside a nodeos that runs deletes its state",
	},

	/* --- data ----------------------------------------------------------------------------- */

	[LINT_NO_POOL] = {
		.name = "no-pool",
		.severity = LINT_ERROR,
		.summary = "a supervised chain node has no pool to write to",
		.why = "the supervisor takes only a directory with a pool.json, which 'nodeswarm pool "
		       "init' makes on the host; what is written elsewhere goes with the container, and "
		       "the host's agent does not see it",
		.hint = "mount the pool at its own path: {type: bind, source: /var/lib/nodeswarm, "
		        "target: /var/lib/nodeswarm}",
		.source = "nodeswarm itself: the supervisor refuses a directory without pool.json",
	},
	[LINT_SLOT_BIND] = {
		.name = "slot-bind",
		.severity = LINT_WARNING,
		.summary = "a directory of the host is bound for each slot",
		.why = "somebody has to make each of them on each host before a slot comes there, and "
		       "Swarm moves slots and does not keep to the numbers 1 to N; a clone by "
		       "reflink cannot cross two mounts",
		.hint = "mount the whole pool once, as stacks/readers.yml does; the supervisor makes "
		        "the slots in it",
		.source = "measured: a missing source rejects the task once a second without end; 8 "
		          "tasks scaled to 4 left slots 1, 2, 3 and 5, a drain 1, 2, 3 and 9",
	},
	[LINT_HEAP_MEMORY] = {
		.name = "heap-memory",
		.severity = LINT_ERROR,
		.summary = "the database lies in memory and is larger than the memory limit",
		.why = "with database-map-mode heap or locked all of it is read into memory at the "
		       "start, and the kernel kills nodeos when that is more than the limit",
		.hint = "raise deploy.resources.limits.memory above chain-state-db-size-mb, or use "
		        "database-map-mode mapped",
		.source = "measured: nodeos with a nearly empty database of 256 MB takes 26 MB mapped "
		          "and 283 MB in heap",
	},
	[LINT_MEMORY_LIMIT] = {
		.name = "memory-limit",
		.severity = LINT_WARNING,
		.summary = "the memory limit is below the size of the database",
		.why = "the limit counts the pages of the mapped database too: what does not fit is "
		       "written out and read again, and nodeos gets as slow as the disk",
		.hint = "raise deploy.resources.limits.memory to chain-state-db-size-mb and more; the "
		        "file is sparse, so what counts is how much of it the chain fills",
		.source = "Linux: cgroup memory accounting includes mapped files; the default of "
		          "chain-state-db-size-mb is 1024 (nodeos)",
	},
	[LINT_LOG_LIMIT] = {
		.name = "log-limit",
		.severity = LINT_WARNING,
		.summary = "a container's log has no limit",
		.why = "the json-file driver keeps every line; a full disk stops nodeos, and all other "
		       "services of the host",
		.hint = "logging: {driver: json-file, options: {max-size: 20m, max-file: \"3\"}}; or "
		        "log-opts in /etc/docker/daemon.json of every host, which a file cannot tell",
		.source = "measured: a nodeos with a taken prometheus port wrote 116 MB of log in "
		          "11 s; on a full disk it ends with 0 and loses its fork database",
	},

	/* --- producers and keys --------------------------------------------------------------- */

	[LINT_PRODUCER_PUBLISHED] = {
		.name = "producer-published",
		.severity = LINT_ERROR,
		.summary = "a producer can be reached from outside the cluster",
		.why = "whoever reaches its HTTP API can pause it, and whoever reaches its p2p port "
		       "knows where it is and can load it",
		.hint = "publish readers or a front instead; producers connect to readers by "
		        "themselves (stacks/producer.yml)",
		.source = "measured: GET /v1/producer/pause and /resume, without any key",
	},
	[LINT_PRODUCER_DOUBLED] = {
		.name = "producer-doubled",
		.severity = LINT_ERROR,
		.summary = "more than one nodeos is to sign with the same key",
		.why = "two producers with one key make two blocks for the same slot: the chain forks "
		       "until one side is dropped, with the transactions that only it had",
		.hint = "stacks/producer.yml: any number of producers share a lease, and only who has "
		        "it signs; without that replicas: 1",
		.source = "the protocol: one block a slot; 'nodeswarm check' finds it as "
		          "double-production",
	},
	[LINT_PRODUCER_UNGATED] = {
		.name = "producer-ungated",
		.severity = LINT_WARNING,
		.summary = "a producer's nodeos has the key itself, without a lease",
		.why = "replicas: 1 does not keep Swarm from running two containers of the slot at "
		       "once, and then both sign",
		.hint = "stacks/producer.yml: the supervisor has the key and signs only with the lease",
		.source = "measured: a host cut off from the managers keeps its container for the "
		          "whole partition, and its replacement runs after 15.5 s",
	},
	[LINT_KEY_IN_CONFIG] = {
		.name = "key-in-config",
		.severity = LINT_ERROR,
		.summary = "a private key is in a config",
		.why = "configs are no secrets: whoever may inspect one on a manager reads it, and "
		       "every slot's directory has a copy",
		.hint = "docker secret create producer-key FILE, and stacks/producer.yml; then make a "
		        "new key, for this one has been in a file",
		.source = "measured: the engine gives a config's content on request, a secret's never",
	},
	[LINT_KEY_IN_ENV] = {
		.name = "key-in-env",
		.severity = LINT_ERROR,
		.summary = "a private key is in the environment, a command line or a label",
		.why = "'docker service inspect' and 'docker inspect' show all three, and /proc shows "
		       "the command line to every user of the host",
		.hint = "give it as a secret and name the file (NODESWARM_SIGN_KEY=/run/secrets/...); "
		        "then make a new key",
		.source = "Docker's documentation of service inspect; proc(5)",
	},
	[LINT_FINALIZER_KEY] = {
		.name = "finalizer-key",
		.severity = LINT_WARNING,
		.summary = "a finalizer's key is in a config, for every slot of the service",
		.why = "it votes wherever it is, no gate can hold it back, and two voters with one key "
		       "can finalize two forks; the slot that claims it first has it and every other "
		       "slot is held. A config can be read by whoever has the engine",
		.hint = "a service of its own with one slot for it; 'nodeswarm producer finalizer' "
		        "shows who has claimed it",
		.source = "AntelopeIO/spring: finalizers vote by themselves; nodeswarm-producer(1)",
	},
	[LINT_DEVELOPMENT_KEY] = {
		.name = "development-key",
		.severity = LINT_WARNING,
		.summary = "blocks are signed with the key that all the world knows",
		.why = "anybody can sign blocks and, where it is an account's key too, transactions",
		.hint = "fine for a chain that is worth nothing: say so with x-nodeswarm.allow; "
		        "otherwise make a key",
		.source = "AntelopeIO/leap: the default key of a new chain's account eosio",
	},
	[LINT_SECRET_IN_ENV] = {
		.name = "secret-in-env",
		.severity = LINT_WARNING,
		.summary = "a variable looks like a secret and has a value",
		.why = "'docker service inspect' and 'docker inspect' show the environment to whoever "
		       "may ask the engine, and it is copied into logs and reports",
		.hint = "a secret, and the variable with the path of its file; or leave it empty",
		.source = "Docker's documentation of service inspect",
	},

	/* --- networks -------------------------------------------------------------------------- */

	[LINT_LOOPBACK_PEER] = {
		.name = "loopback-peer",
		.severity = LINT_ERROR,
		.summary = "a peer is on the container's own loopback",
		.why = "each container has a loopback of its own, where only it listens: this peer is "
		       "the node itself or nobody",
		.hint = "name the service (tasks.readers:9876 in NODESWARM_FOLLOW) or the host's own "
		        "address",
		.source = "network_namespaces(7)",
	},
	[LINT_VIP_ENDPOINT] = {
		.name = "vip-endpoint",
		.severity = LINT_WARNING,
		.summary = "the service's name stands for a virtual address",
		.why = "a virtual address needs IPVS in the kernel of every host, and hides which task "
		       "answers",
		.hint = "deploy: {endpoint_mode: dnsrr}; it is harmless where every kernel has ip_vs, "
		        "which 'nodeswarm doctor' says of each host",
		.source = "measured on a kernel without ip_vs: connecting to the name ends with 'no "
		          "route to host' after 3 s",
	},
	[LINT_INGRESS_PORT] = {
		.name = "ingress-port",
		.severity = LINT_WARNING,
		.summary = "a port is published through Swarm's mesh",
		.why = "the mesh needs IPVS in the kernel of every host, and hides the clients' "
		       "addresses from limits and logs",
		.hint = "mode: host with deploy.mode: global, as in stacks/front.yml; or x-nodeswarm: "
		        "{front: ingress}, for which 'nodeswarm up' looks at every kernel",
		.source = "measured on a kernel without ip_vs: the service is created and its port "
		          "refuses every connection",
	},
	[LINT_HOST_PORT] = {
		.name = "host-port",
		.severity = LINT_WARNING,
		.summary = "several replicas want the same port of a host",
		.why = "a port of a host has room for one task: there can be as many replicas as hosts, "
		       "and the others wait",
		.hint = "do not publish readers: a front on every host (stacks/front.yml) reaches any "
		        "number of them; or mode: global",
		.source = "measured: the 4th of 4 replicas on 3 nodes stays pending, 'host-mode port "
		          "already in use on 3 nodes'",
	},
	[LINT_PORT_TWICE] = {
		.name = "port-twice",
		.severity = LINT_WARNING,
		.summary = "two services publish the same port",
		.why = "of a host only one can have it, and through the mesh only one of the swarm: "
		       "the second one is refused or waits",
		.hint = "another port, or constraints that keep them on different hosts",
		.source = "measured: 400 \"port '8082' is already in use by service\"; in mode host "
		          "'no suitable node'",
	},
	[LINT_FIREWALL] = {
		.name = "firewall",
		.severity = LINT_WARNING,
		.summary = "a port of the hosts is open to whoever reaches them",
		.why = "a published port is translated before the host's filter sees it, so that the "
		       "usual rule for its number matches nothing; and a service on the host's network "
		       "listens on all of its addresses",
		.hint = "'nodeswarm firewall apply --all' knows the ports of front, agents, swarm and "
		        "producer; others are named in /etc/nodeswarm/firewall.conf. 'nodeswarm doctor' "
		        "looks at the hosts",
		.source = "measured: a DROP in DOCKER-USER for a published port's number met 0 packets, "
		          "through the userland proxy IPv6 goes around that chain, and it has no effect "
		          "on a service of the host's network",
	},
	[LINT_ENCRYPTED_NETWORK] = {
		.name = "encrypted-network",
		.severity = LINT_WARNING,
		.summary = "an overlay network is encrypted",
		.why = "that needs ESP in the kernel of every host and UDP 4789 and protocol 50 between "
		       "them; without it everything starts and nothing arrives",
		.hint = "try it across two hosts before you rely on it; or encrypt below Swarm "
		        "(WireGuard between the hosts)",
		.source = "measured on a kernel without ESP: tasks run, names resolve, and what goes to "
		          "another host is dropped silently",
	},

	/* --- the rest -------------------------------------------------------------------------- */

	[LINT_CONFIG_REFUSED] = {
		.name = "config-refused",
		.severity = LINT_ERROR,
		.summary = "the supervisor will refuse this configuration",
		.why = "it checks config.ini and the peers before each start of nodeos, and holds the "
		       "slot instead of starting it",
		.hint = "mend the line; config.ini at the top of the tree is a template that is taken",
		.source = "nodeswarm itself: the same check as at the start",
	},
	[LINT_CONFIG_UNREAD] = {
		.name = "config-unread",
		.severity = LINT_WARNING,
		.summary = "nodeos's config.ini could not be read to its end",
		.why = "what stands from that line on was not looked at, but for private keys; of "
		       "what 'nodeswarm supervise' would start that is an error",
		.hint = "mend the line: 'key = value', or a comment after '#'",
		.source = "nodeswarm itself: it reads the form of boost::program_options without its "
		          "sections",
	},
	[LINT_IMAGE_TAG] = {
		.name = "image-tag",
		.severity = LINT_WARNING,
		.summary = "the image's tag floats",
		.why = "each host has what the tag meant when it loaded it, so that slots of one "
		       "service run different programs; a new image under the old tag changes nothing "
		       "until a task happens to start",
		.hint = "a tag that is never moved (:5.0.3), or a digest; where images are loaded by "
		        "hand on every host, say so with x-nodeswarm.allow",
		.source = "Docker's documentation of image tags; without a registry the engine cannot "
		          "resolve a tag to a digest",
	},
	[LINT_UNKNOWN_RULE] = {
		.name = "unknown-rule",
		.severity = LINT_WARNING,
		.summary = "x-nodeswarm.allow names a rule that does not exist",
		.why = "what was to be allowed is not",
		.hint = "'nodeswarm lint --rules' lists them",
		.source = "nodeswarm itself",
	},
};

enum lint_rule_id lint_rule_find(const char *name)
{
	int i = 0;

	while (i < LINT_RULES && strcmp(lint_rules[i].name, name) != 0)
		i++;
	return (enum lint_rule_id)i;
}

int lint_rule_check(const char *name, struct err *e)
{
	struct suggest s;

	if (lint_rule_find(name) != LINT_RULES)
		return 0;
	suggest_start(&s, name);
	for (size_t i = 0; i < LINT_RULES; i++)
		suggest_offer(&s, lint_rules[i].name);
	err_set(e, ERR_USAGE, "there is no rule '%s'%s", name, suggest_text(&s));
	return err_hint(e, "see 'nodeswarm lint --rules'");
}

const char *lint_severity_name(enum lint_severity s)
{
	return s == LINT_ERROR ? "error" : "warning";
}
