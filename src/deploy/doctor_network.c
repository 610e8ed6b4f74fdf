#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "deploy/doctor_priv.h"

/* Rules about addresses, ports and what the kernel must have for them. */

/* --- subnets -------------------------------------------------------------------------- */

struct subnet {
	uint32_t base, mask; /* in host order */
};

/* "10.0.0.0/24"; -1 for what is no IPv4 subnet. */
static int subnet_parse(struct subnet *ret, const char *s)
{
	struct err ignored = ERR_INIT;
	const char *slash = strchr(s, '/');
	char address[INET_ADDRSTRLEN];
	struct in_addr in;
	uint64_t bits;

	if (!slash || (size_t)(slash - s) >= sizeof(address))
		return -1;
	memcpy(address, s, (size_t)(slash - s));
	address[slash - s] = '\0';
	if (inet_pton(AF_INET, address, &in) != 1 ||
	        num_uint(&bits, slash + 1, 0, 32, &ignored) < 0)
		return -1;
	ret->mask = bits ? UINT32_MAX << (32 - bits) : 0;
	ret->base = ntohl(in.s_addr) & ret->mask;
	return 0;
}

static bool subnets_overlap(const struct subnet *a, const struct subnet *b)
{
	uint32_t mask = a->mask & b->mask;

	return (a->base & mask) == (b->base & mask);
}

static bool subnet_has(const struct subnet *s, const char *address)
{
	struct in_addr in;

	return inet_pton(AF_INET, address, &in) == 1 && (ntohl(in.s_addr) & s->mask) == s->base;
}

/* The first IPv4 subnet of a network. */
static const char *subnet_of(const json_t *network, struct subnet *ret)
{
	const json_t *configs = json_at(network, "IPAM.Config");

	for (size_t i = 0; i < json_array_size(configs); i++) {
		const char *s = json_str(json_array_get(configs, i), "Subnet", "");

		if (subnet_parse(ret, s) == 0)
			return s;
	}
	return NULL;
}

static void against_hosts(struct doctor *d, enum doctor_level level, const char *advice,
        const struct subnet *s, const char *what)
{
	const json_t *list = json_object_get(d->facts, "hosts"), *host;
	size_t i;

	for (i = 0; (host = json_array_get(list, i)); i++) {
		const char *address = json_str(host, "address", "");

		if (subnet_has(s, address))
			doctor_say_of(d, json_str(host, "name", "?"), level, advice,
			        "%s covers the host's address %s", what, address);
	}
}

static void against_bridges(
        struct doctor *d, const json_t *networks, const struct subnet *s, const char *what)
{
	const json_t *network;
	struct subnet other;
	size_t i;

	for (i = 0; (network = json_array_get(networks, i)); i++) {
		const char *text = str_eq(json_str(network, "Scope", ""), "local")
		        ? subnet_of(network, &other)
		        : NULL;

		if (text && subnets_overlap(s, &other))
			doctor_say(d, DOCTOR_PROBLEM,
			        "give this host's bridges other subnets: default-address-pools in "
			        "/etc/docker/daemon.json",
			        "%s overlaps the bridge network '%s' (%s) of this host", what,
			        json_str(network, "Name", "?"), text);
	}
}

/*
 * A container's route to its overlay hides whatever else has these addresses.  The swarm picks
 * overlay subnets from its pool without knowing the hosts' addresses and bridges.
 */
static void subnets(struct doctor *d)
{
	static const char advice[] =
	        "choose another pool when the swarm is made: docker swarm init --default-addr-pool";
	const json_t *networks = json_object_get(d->facts, "networks"), *network, *pool;
	const json_t *pools = json_at(d->facts, "swarm.DefaultAddrPool");
	size_t before = d->report->n, i;
	struct subnet s;
	char what[ERR_MSG_MAX / 2];

	if (!json_is_array(networks) || !doctor_is_in_swarm(d))
		return;
	for (i = 0; (network = json_array_get(networks, i)); i++) {
		const char *text = str_eq(json_str(network, "Driver", ""), "overlay")
		        ? subnet_of(network, &s)
		        : NULL;

		if (!text)
			continue;
		snprintf(what, sizeof(what), "network '%.100s' (%.40s)",
		        json_str(network, "Name", "?"), text);
		against_hosts(d, DOCTOR_PROBLEM, advice, &s, what);
		against_bridges(d, networks, &s, what);
	}
	if (d->report->n == before)
		for (i = 0; (pool = json_array_get(pools, i)); i++)
			if (json_is_string(pool) &&
			        subnet_parse(&s, json_string_value(pool)) == 0) {
				snprintf(what, sizeof(what), "the pool %.40s of future networks",
				        json_string_value(pool));
				against_hosts(d, DOCTOR_WARNING, advice, &s, what);
			}
	if (d->report->n == before)
		doctor_say(d, DOCTOR_OK, NULL, "no overlay covers a host's address");
}

/* The agent listens where host.json says, and is asked where the swarm says. */
static void address(struct doctor *d)
{
	const char *ours = json_str(d->hf, "swarm_address", NULL);
	const char *theirs = json_str(d->host, "address", "");

	if (ours && *theirs && strcmp(ours, theirs) != 0)
		doctor_say(d, DOCTOR_WARNING, "swarm/prepare-host.sh --address ADDRESS",
		        "host.json has the address %s, the swarm knows the host as %s", ours,
		        theirs);
}

/* --- ports ---------------------------------------------------------------------------- */

static const struct known_port {
	int port;
	const char *program;
	bool is_swarm;       /* else a service's */
	const char *service; /* of the stack; NULL: any that publishes it */
} known_ports[] = {
	{ 2377, "dockerd", true, NULL },
	/* VXLAN's is the kernel's own, which no process has. */
	{ 4789, NULL, true, NULL },
	{ 7946, "dockerd", true, NULL },
	{ 8870, "nodeswarm", false, "agent" },
	{ 8888, "docker-proxy", false, NULL },
	{ 9876, "docker-proxy", false, NULL },
};

static bool is_published(const struct doctor *d, int port)
{
	const json_t *services = json_object_get(d->facts, "services"), *service, *p;
	size_t i, k;

	for (i = 0; (service = json_array_get(services, i)); i++)
		for (k = 0; (p = json_array_get(json_at(service, "Spec.EndpointSpec.Ports"), k));
		        k++)
			if (json_int(p, "PublishedPort", 0) == port)
				return true;
	return false;
}

static bool is_expected(const struct doctor *d, const struct known_port *k)
{
	if (k->is_swarm)
		return doctor_is_in_swarm(d);
	return k->service ? json_bool(d->facts, "agents.has_service", false)
	                  : is_published(d, k->port);
}

static void say_port(struct doctor *d, const struct known_port *k, const json_t *listener)
{
	const char *program = json_str(listener, "program", NULL);
	const char *protocol = json_str(listener, "protocol", "?");
	const char *at = json_str(listener, "address", "?");

	/* A docker-proxy can be any container's; dockerd and nodeswarm are who they are. */
	if (program && k->program && strcmp(program, k->program) == 0 &&
	        (is_expected(d, k) || strcmp(program, "docker-proxy") != 0))
		return;
	if (program)
		doctor_say(d, DOCTOR_PROBLEM, "stop it, or give it another port",
		        "%d/%s (%s) is taken by '%s', process %lld", k->port, protocol, at, program,
		        (long long)json_int(listener, "pid", 0));
	else if (!is_expected(d, k))
		doctor_say(d, DOCTOR_WARNING, "on that host: ss -lntup",
		        "%d/%s (%s) is taken by a program that cannot be seen from here", k->port,
		        protocol, at);
}

static void ports(struct doctor *d)
{
	const json_t *list = json_object_get(d->hf, "ports"), *listener;
	size_t before = d->report->n, i;

	if (!json_is_array(list))
		return;
	for (i = 0; (listener = json_array_get(list, i)); i++)
		for (size_t k = 0; k < ARRAY_LEN(known_ports); k++)
			if (json_int(listener, "port", 0) == known_ports[k].port)
				say_port(d, &known_ports[k], listener);
	if (d->report->n == before)
		doctor_say(d, DOCTOR_OK, NULL, "2377 4789 7946 8870 8888 9876: no strangers");
}

/* --- kernel --------------------------------------------------------------------------- */

static const char *ingress_service(const struct doctor *d)
{
	const json_t *services = json_object_get(d->facts, "services"), *service, *p;
	size_t i, k;

	for (i = 0; (service = json_array_get(services, i)); i++)
		for (k = 0; (p = json_array_get(json_at(service, "Spec.EndpointSpec.Ports"), k));
		        k++)
			if (strcmp(json_str(p, "PublishMode", "ingress"), "ingress") == 0)
				return json_str(service, "Spec.Name", "?");
	return NULL;
}

/* One of the stack whose name stands for a virtual address; only such a service has any. */
static const char *virtual_service(const struct doctor *d)
{
	const json_t *services = json_object_get(d->facts, "services"), *service;
	size_t i;

	for (i = 0; (service = json_array_get(services, i)); i++)
		if (doctor_is_of_stack(d, service) &&
		        json_array_size(json_at(service, "Endpoint.VirtualIPs")) > 0)
			return json_str(service, "Spec.Name", "?");
	return NULL;
}

static void ipvs(struct doctor *d)
{
	const json_t *has = json_object_get(d->hf, "has_ipvs");
	const char *ingress = ingress_service(d), *by_address = virtual_service(d);

	if (json_is_true(has))
		doctor_say(d, DOCTOR_OK, NULL, "the kernel has it");
	else if (json_is_false(has) && ingress)
		doctor_say(d, DOCTOR_PROBLEM,
		        "publish it in mode host, or install a kernel with ip_vs",
		        "the kernel has no IPVS: the published port of '%s' does not answer here",
		        ingress);
	else if (json_is_false(has) && by_address)
		doctor_say(d, DOCTOR_WARNING,
		        "deploy: {endpoint_mode: dnsrr} in the stack file, or install a kernel "
		        "with "
		        "ip_vs",
		        "the kernel has no IPVS: nobody answers here at the virtual address that "
		        "the name of '%s' stands for",
		        by_address);
	else if (json_is_false(has))
		doctor_say(d, DOCTOR_NOTE, NULL,
		        "the kernel has no IPVS: no virtual addresses and no ingress mode; our "
		        "services use dnsrr and need neither");
}

static void vxlan(struct doctor *d)
{
	const json_t *has = json_object_get(d->hf, "has_vxlan");

	if (json_is_true(has))
		doctor_say(d, DOCTOR_OK, NULL, "the kernel has it");
	else if (json_is_false(has))
		doctor_say(d, DOCTOR_PROBLEM,
		        "install the distribution's full kernel (Debian: linux-image-amd64, not "
		        "cloud or a container's)",
		        "the kernel has no VXLAN: overlay networks do not work across hosts");
	else
		doctor_say(d, DOCTOR_NOTE, NULL,
		        "not loaded, and whether it could be cannot be seen from a container");
}

const struct doctor_rule doctor_network_rules[] = {
	{ "subnets", subnets, false },
	{ "address", address, true },
	{ "ports", ports, true },
	{ "ipvs", ipvs, true },
	{ "vxlan", vxlan, true },
	{ NULL },
};
