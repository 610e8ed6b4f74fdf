#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "deploy/doctor_priv.h"

/* Rules about the engine, the swarm and the stack's services. */

#define LIST_SIZE 300

/* Raft, and Docker's manual ("Administer and maintain a swarm of Docker Engines"). */
#define MANAGERS_MAX 7

static const char *hostname_of(const json_t *node)
{
	return json_str(node, "Description.Hostname", json_str(node, "ID", "?"));
}

/* --- engine -------------------------------------------------------------------------- */

static void engine(struct doctor *d)
{
	const char *error = json_str(d->facts, "engine.error.message", NULL);
	const char *hint = json_str(d->facts, "engine.error.hint", "");

	if (error)
		doctor_say(d, DOCTOR_PROBLEM,
		        *hint ? hint : "start it: systemctl start docker; see journalctl -u docker",
		        "%s", error);
	else
		doctor_say(d, DOCTOR_OK, NULL, "Docker %s, API %s",
		        json_str(d->facts, "engine.info.ServerVersion", "?"),
		        json_str(d->facts, "engine.api", "?"));
}

/*
 * dockerd of a swarm node does not start with live-restore ("incompatible with swarm mode"), and
 * no swarm can be made with it; a reload accepts it, so the trap snaps at the next start (measured,
 * 20.10.24).
 */
static void live_restore(struct doctor *d)
{
	if (json_bool(d->facts, "engine.info.LiveRestoreEnabled", false))
		doctor_say(d, DOCTOR_PROBLEM,
		        "remove \"live-restore\" from /etc/docker/daemon.json, then systemctl "
		        "reload "
		        "docker",
		        "live-restore is on: %s",
		        doctor_is_in_swarm(d) ? "dockerd will not start again as a swarm node"
		                              : "no swarm can be made or joined");
}

static void swarm(struct doctor *d)
{
	const char *state = json_str(d->facts, "engine.info.Swarm.LocalNodeState", NULL);
	const char *error = json_str(d->facts, "engine.info.Swarm.Error", "");

	if (!state)
		return;
	if (strcmp(state, "inactive") == 0)
		doctor_say(d, DOCTOR_PROBLEM,
		        "swarm/init-swarm.sh on the first host, swarm/join-swarm.sh on the others",
		        "this engine is in no swarm");
	else if (strcmp(state, "locked") == 0)
		doctor_say(d, DOCTOR_PROBLEM, "docker swarm unlock", "this manager is locked");
	else if (strcmp(state, "pending") == 0)
		doctor_say(d, DOCTOR_PROBLEM,
		        "bring back managers; if they are lost, or the swarm was begun anew "
		        "without "
		        "this host: swarm/join-swarm.sh --undo --lost, and join",
		        "this host waits for the managers of its swarm%s%s", *error ? ": " : "",
		        error);
	else if (strcmp(state, "active") != 0)
		doctor_say(d, DOCTOR_PROBLEM, "see journalctl -u docker", "the swarm is %s%s%s",
		        state, *error ? ": " : "", error);
	else if (!doctor_is_manager(d))
		doctor_say(d, DOCTOR_WARNING, "run doctor on a manager, or with --host",
		        "this engine is a worker: what only managers know was not looked at");
	else
		doctor_say(d, DOCTOR_OK, NULL, "active, and this engine is a manager%s%s",
		        *error ? "; " : "", error);
}

/* --- managers and hosts --------------------------------------------------------------- */

static void say_quorum(struct doctor *d, size_t managers, size_t reachable, const char *lost)
{
	size_t needed = managers / 2 + 1;

	if (reachable < needed)
		doctor_say(d, DOCTOR_PROBLEM,
		        "bring managers back; if they are lost for good: docker swarm init "
		        "--force-new-cluster on the one that is left",
		        "%zu of %zu managers are reachable, %zu are needed: nothing can be changed",
		        reachable, managers, needed);
	else if (reachable < managers)
		doctor_say(d, DOCTOR_PROBLEM,
		        "bring it back, or demote it: docker node demote HOST",
		        "%zu of %zu managers are reachable; not: %s", reachable, managers, lost);
	else if (managers == 1)
		doctor_say(d, DOCTOR_WARNING,
		        "three hosts as managers: docker node promote HOST HOST",
		        "1 manager: while it is away nothing is placed or changed, and its disk is "
		        "the only copy of the swarm's state");
	else if (managers == 2)
		doctor_say(d, DOCTOR_WARNING, "make it 1 or 3: docker node promote|demote HOST",
		        "2 managers: both are needed, so the loss of either one stops the swarm");
	else if (managers % 2 == 0)
		doctor_say(d, DOCTOR_WARNING, "make it an odd number: docker node promote|demote",
		        "%zu managers survive the loss of %zu, as %zu would", managers,
		        managers - needed, managers - 1);
	else if (managers > MANAGERS_MAX)
		doctor_say(d, DOCTOR_WARNING, "seven are enough: docker node demote HOST",
		        "%zu managers: each write waits for more than half of them", managers);
	else
		doctor_say(d, DOCTOR_OK, NULL, "all %zu managers are reachable, %zu may fail",
		        managers, managers - needed);
}

static void quorum(struct doctor *d)
{
	const json_t *nodes = json_object_get(d->facts, "nodes"), *node;
	const char *error = json_str(d->facts, "nodes_error.message", NULL);
	char lost[LIST_SIZE] = "", left_behind[LIST_SIZE] = "";
	size_t managers = 0, reachable = 0, i;

	if (doctor_is_manager(d) && error)
		doctor_say(d, DOCTOR_PROBLEM,
		        "more than half of the managers must run: start those that are down; if "
		        "they "
		        "are lost for good: docker swarm init --force-new-cluster",
		        "the managers do not answer, %zu of them are known: %s",
		        /* The count in "Managers" is 0 then. */
		        json_array_size(json_at(d->facts, "engine.info.Swarm.RemoteManagers")),
		        error);
	if (!json_is_array(nodes))
		return;
	for (i = 0; (node = json_array_get(nodes, i)); i++) {
		if (!str_eq(json_str(node, "Spec.Role", ""), "manager"))
			continue;
		/* By its role a manager, and not in the Raft of those that are left; or not yet. */
		if (!json_object_get(node, "ManagerStatus")) {
			if (!str_eq(json_str(node, "Status.State", ""), "ready"))
				doctor_list(left_behind, sizeof(left_behind), hostname_of(node));
			continue;
		}
		managers++;
		if (str_eq(json_str(node, "ManagerStatus.Reachability", ""), "reachable"))
			reachable++;
		else
			doctor_list(lost, sizeof(lost), hostname_of(node));
	}
	say_quorum(d, managers, reachable, lost);
	if (*left_behind)
		doctor_say(d, DOCTOR_PROBLEM,
		        "when it is certainly off: docker node rm --force HOST; before it has a "
		        "network again: swarm/join-swarm.sh --undo --lost on it",
		        "no member of this swarm's managers any more, since it was begun anew "
		        "without: %s",
		        left_behind);
}

static void say_node(struct doctor *d, const json_t *node)
{
	const char *state = json_str(node, "Status.State", "unknown");
	const char *message = json_str(node, "Status.Message", "");
	const char *availability = json_str(node, "Spec.Availability", "active");

	if (strcmp(state, "ready") != 0)
		doctor_say_of(d, hostname_of(node), DOCTOR_PROBLEM,
		        "start the host and its docker; never 'docker node rm' it while its "
		        "containers may run",
		        "the host is %s%s%s", state, *message ? ": " : "", message);
	if (strcmp(availability, "active") != 0)
		doctor_say_of(d, hostname_of(node), DOCTOR_WARNING,
		        "when that is over: docker node update --availability active HOST",
		        "the host's availability is %s: it gets no new tasks%s", availability,
		        strcmp(availability, "drain") == 0 ? ", and keeps none" : "");
}

static void hosts(struct doctor *d)
{
	const json_t *nodes = json_object_get(d->facts, "nodes"), *node, *other;
	size_t before = d->report->n, i, k;

	if (!json_is_array(nodes))
		return;
	for (i = 0; (node = json_array_get(nodes, i)); i++) {
		say_node(d, node);
		for (k = 0; k < i; k++) {
			other = json_array_get(nodes, k);
			if (strcmp(hostname_of(node), hostname_of(other)) == 0)
				doctor_say_of(d, hostname_of(node), DOCTOR_WARNING,
				        "hostnamectl set-hostname NAME, then restart docker",
				        "two hosts of this name: %s and %s",
				        json_str(other, "ID", "?"), json_str(node, "ID", "?"));
		}
	}
	if (d->report->n == before)
		doctor_say(d, DOCTOR_OK, NULL, "%zu, all ready and active", json_array_size(nodes));
}

static void engine_versions(struct doctor *d)
{
	const json_t *nodes = json_object_get(d->facts, "nodes"), *node;
	const char *first = NULL, *version;
	char list[LIST_SIZE] = "", item[128];
	bool is_same = true;
	size_t i;

	for (i = 0; (node = json_array_get(nodes, i)); i++) {
		version = json_str(node, "Description.Engine.EngineVersion", NULL);
		if (!version)
			continue;
		is_same = is_same && (!first || strcmp(first, version) == 0);
		first = first ? first : version;
		snprintf(item, sizeof(item), "%.60s has %.40s", hostname_of(node), version);
		doctor_list(list, sizeof(list), item);
	}
	if (!is_same)
		doctor_say(d, DOCTOR_WARNING, "install the same version on all hosts",
		        "engines differ: %s", list);
	else if (first)
		doctor_say(d, DOCTOR_OK, NULL, "Docker %s everywhere", first);
}

/* --- agents --------------------------------------------------------------------------- */

static void agents(struct doctor *d)
{
	const json_t *list = json_object_get(d->facts, "hosts"), *host;
	bool has_service = json_bool(d->facts, "agents.has_service", false);
	size_t before = d->report->n, i, answered = 0;

	if (!doctor_is_manager(d))
		return;
	if (!has_service) {
		doctor_say(d, json_array_size(list) > 1 ? DOCTOR_WARNING : DOCTOR_NOTE,
		        "nodeswarm up -f stacks/agent.yml",
		        "no service '%s_agent': only this host was looked at",
		        json_str(d->facts, "stack", "?"));
		return;
	}
	for (i = 0; (host = json_array_get(list, i)); i++) {
		if (str_eq(json_str(host, "source", NULL), "agent"))
			answered++;
		else if (str_eq(json_str(host, "state", ""), "ready"))
			doctor_say_of(d, json_str(host, "name", "?"), DOCTOR_PROBLEM,
			        json_str(host, "error.hint",
			                "see docker service ps nodeswarm_agent; port 8870 must be "
			                "open between the hosts"),
			        "its agent did not answer: %s",
			        json_str(host, "error.message", "unknown"));
	}
	if (d->report->n == before)
		doctor_say(d, DOCTOR_OK, NULL, "%zu answered", answered);
}

/* --- services ------------------------------------------------------------------------- */

static void images(struct doctor *d)
{
	json_t *list = json_object_get(d->facts, "images"), *id;
	const char *name;
	size_t here = 0;

	json_object_foreach(list, name, id)
	{
		if (json_is_string(id))
			here++;
		else
			doctor_say(d, DOCTOR_WARNING,
			        "swarm/save-images.sh where it is, docker load here and on each "
			        "host",
			        "image '%s' is not on this host: a task here waits for a registry",
			        name);
	}
	if (here && here == json_object_size(list))
		doctor_say(
		        d, DOCTOR_OK, NULL, "all %zu images of the stack are on this host", here);
}

/*
 * The agents cannot see image ids, so what is compared is the programs in their image.
 */
static void say_program(struct doctor *d, const char *path)
{
	const json_t *list = json_object_get(d->facts, "hosts"), *host, *program;
	const char *first = NULL;
	char text[LIST_SIZE] = "", item[128];
	bool is_same = true;
	size_t i, k, n = 0;

	for (i = 0; (host = json_array_get(list, i)); i++) {
		if (!str_eq(json_str(host, "source", NULL), "agent"))
			continue;
		for (k = 0; (program = json_array_get(json_at(host, "facts.programs"), k)); k++) {
			const char *sha = json_str(program, "sha256", NULL);

			if (!sha || !str_eq(json_str(program, "path", ""), path))
				continue;
			is_same = is_same && (!first || strcmp(first, sha) == 0);
			first = first ? first : sha;
			n++;
			snprintf(item, sizeof(item), "%.60s has %.12s", json_str(host, "name", "?"),
			        sha);
			doctor_list(text, sizeof(text), item);
		}
	}
	if (!is_same)
		doctor_say(d, DOCTOR_PROBLEM,
		        "load the same image on all hosts (swarm/save-images.sh, docker load), "
		        "then "
		        "docker service update --force",
		        "hosts run different '%s' under one image name: %s", path, text);
	else if (n > 1)
		doctor_say(d, DOCTOR_OK, NULL, "'%s' is the same on %zu hosts", path, n);
}

static void image_content(struct doctor *d)
{
	static const char *const paths[] = { "/usr/bin/nodeswarm", "/usr/bin/nodeos",
		"/usr/bin/nodesim" };

	const json_t *list = json_object_get(d->facts, "hosts"), *host;
	size_t k;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		say_program(d, paths[i]);
	for (k = 0; (host = json_array_get(list, k)); k++)
		if (!json_bool(host, "facts.is_complete", true))
			doctor_say_of(d, json_str(host, "name", "?"), DOCTOR_NOTE, NULL,
			        "its programs are still being read, run doctor again");
}

/* A json-file log without a limit fills the disk of the engine. */
static bool is_unlimited(const struct doctor *d, const json_t *service)
{
	const json_t *driver = json_at(service, "Spec.TaskTemplate.LogDriver");
	const char *name =
	        json_str(driver, "Name", json_str(d->facts, "engine.info.LoggingDriver", ""));

	return strcmp(name, "json-file") == 0 &&
	        !json_object_get(json_object_get(driver, "Options"), "max-size");
}

static void logs(struct doctor *d)
{
	const json_t *services = json_object_get(d->facts, "services"), *service;
	const char *driver = json_str(d->facts, "engine.info.LoggingDriver", NULL);
	char list[LIST_SIZE] = "";
	size_t before = d->report->n, i;

	if (!driver)
		return;
	if (strcmp(driver, "none") == 0 || strcmp(driver, "syslog") == 0)
		doctor_say(d, DOCTOR_NOTE, NULL,
		        "the engine's log driver is '%s': 'docker logs' shows nothing of "
		        "containers "
		        "that do not name one",
		        driver);
	for (i = 0; (service = json_array_get(services, i)); i++)
		if (doctor_is_of_stack(d, service) && is_unlimited(d, service))
			doctor_list(list, sizeof(list), json_str(service, "Spec.Name", "?"));
	if (*list)
		doctor_say(d, DOCTOR_WARNING,
		        "logging: {driver: json-file, options: {max-size: 20m, max-file: \"3\"}} "
		        "in "
		        "the stack file, or log-opts in /etc/docker/daemon.json",
		        "logs without a size limit of the service's own: %s", list);
	if (d->report->n == before)
		doctor_say(
		        d, DOCTOR_OK, NULL, "driver '%s', the services' logs are limited", driver);
}

/* GET /info: Warnings are whole sentences of the engine about what its kernel lacks. */
static void cgroups(struct doctor *d)
{
	const json_t *info = json_at(d->facts, "engine.info"), *warning;
	size_t before = d->report->n, i;

	if (!json_is_object(info))
		return;
	if (!json_bool(info, "MemoryLimit", true))
		doctor_say(d, DOCTOR_WARNING,
		        "boot with cgroup_enable=memory, or mount the memory controller",
		        "no memory controller: the memory limits of the stack do not hold");
	for (i = 0; (warning = json_array_get(json_object_get(info, "Warnings"), i)); i++)
		if (!strstr(json_string_value(warning) ? json_string_value(warning) : "",
		            "No memory limit"))
			doctor_say(d, DOCTOR_NOTE, NULL, "the engine says: %s",
			        json_string_value(warning) ? json_string_value(warning) : "?");
	if (d->report->n == before)
		doctor_say(d, DOCTOR_OK, NULL, "version %s, driver %s, memory limits hold",
		        json_str(info, "CgroupVersion", "1"), json_str(info, "CgroupDriver", "?"));
}

const struct doctor_rule doctor_swarm_rules[] = {
	{ "engine", engine, false },
	{ "live-restore", live_restore, false },
	{ "swarm", swarm, false },
	{ "quorum", quorum, false },
	{ "hosts", hosts, false },
	{ "engine-versions", engine_versions, false },
	{ "agents", agents, false },
	{ "images", images, false },
	{ "image-content", image_content, false },
	{ "logs", logs, false },
	{ "cgroups", cgroups, false },
	{ NULL },
};
