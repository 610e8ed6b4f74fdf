/* Peers, addresses and ports. */

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "lint/lint_priv.h"
#include "nodeos/peers.h"

/* --- peers ------------------------------------------------------------------------------------ */

/* "127.0.0.1:9876", "localhost:9876", "[::1]:9876", and the addresses of nobody. */
static bool is_loopback(const char *peer)
{
	static const char *const hosts[] = { "localhost:", "127.", "0.0.0.0:", "[::1]:", "[::]:" };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (strncasecmp(peer, hosts[i], strlen(hosts[i])) == 0)
			return true;
	return false;
}

static void judge_peer(
        struct lint *l, const struct subject *s, const struct stack_pos *at, const char *peer)
{
	if (is_loopback(peer))
		lint_say(l, LINT_LOOPBACK_PEER, s->svc, at,
		        "the peer '%.100s' is on the container's own loopback", peer);
}

/* A blank-separated list. */
static void judge_list(struct lint *l, const struct subject *s, const char *key)
{
	struct stack_pos at = s->svc->at;
	const char *list = lint_env(s->svc, key, &at);
	char peer[NODEOS_PEER_SIZE];

	while (*list) {
		size_t n = strcspn(list, " \t\r\n,");

		if (n && n < sizeof(peer)) {
			memcpy(peer, list, n);
			peer[n] = '\0';
			judge_peer(l, s, &at, peer);
		}
		list += n;
		list += strspn(list, " \t\r\n,");
	}
}

static void judge_peerlist(struct lint *l, const struct subject *s)
{
	struct stack_pos at = { .file = s->peerlist->path };
	char line[NODEOS_PEER_SIZE + 64];
	const char *text = s->peerlist->data;

	while (str_next_line(line, sizeof(line), &text) == 0) {
		char *eq = strchr(line, '='), *hash = strchr(line, '#');

		at.line++;
		if (hash)
			*hash = '\0';
		judge_peer(l, s, &at, str_trim(eq ? eq + 1 : line));
	}
}

/* "--p2p-peer-address HOST:PORT", and with '='. */
static void judge_words(struct lint *l, const struct subject *s)
{
	static const char option[] = "--p2p-peer-address";
	const char *word, *rest;
	bool next = false;

	for (size_t i = 0; (word = lint_word(s->svc, i)); i++) {
		if (next)
			judge_peer(l, s, &s->svc->command_at, word);
		next = strcmp(word, option) == 0;
		if (str_starts(word, option, &rest) && *rest == '=')
			judge_peer(l, s, &s->svc->command_at, rest + 1);
	}
}

static void judge_peers(struct lint *l, const struct subject *s)
{
	static const char key[] = "p2p-peer-address";

	for (const struct config_entry *x = NULL; (x = config_ini_each(&s->ini, key, x));) {
		const struct stack_pos at = { .file = s->config->path, .line = x->line };

		judge_peer(l, s, &at, x->value);
	}
	if (s->peerlist)
		judge_peerlist(l, s);
	judge_list(l, s, "NODESWARM_PEERS");
	judge_list(l, s, "NODESWARM_FOLLOW");
	judge_words(l, s);
}

/* --- endpoints -------------------------------------------------------------------------------- */

static bool is_ingress(const struct stack_port *p)
{
	return p->mode != STACK_PORT_HOST;
}

/* `front: ingress` is asked for by name, and `up` looks at every host's kernel first. */
static void judge_endpoint(struct lint *l, const struct subject *s)
{
	const struct stack_service *svc = s->svc;
	bool has_mesh = false;

	if (svc->front.mode == STACK_FRONT_INGRESS)
		return;
	for (size_t i = 0; i < svc->n_ports; i++) {
		if (!is_ingress(&svc->ports[i]))
			continue;
		has_mesh = true;
		lint_say(l, LINT_INGRESS_PORT, svc, &svc->ports[i].at,
		        "publishes its port %u through Swarm's mesh, which needs IPVS in every "
		        "host's kernel",
		        (unsigned)svc->ports[i].target);
	}
	if (has_mesh || s->has_host_network || svc->deploy.endpoint_mode == STACK_ENDPOINT_DNSRR ||
	        svc->deploy.mode == STACK_REPLICATED_JOB || svc->deploy.mode == STACK_GLOBAL_JOB)
		return;
	lint_say(l, LINT_VIP_ENDPOINT, svc, svc->deploy.at.file ? &svc->deploy.at : &svc->at,
	        "%s, which needs IPVS in every host's kernel",
	        svc->deploy.endpoint_mode == STACK_ENDPOINT_VIP
	                ? "has endpoint_mode vip"
	                : "has no endpoint_mode, so its name is a virtual address");
}

/* --- ports ------------------------------------------------------------------------------------ */

/* What firewall/model.h opens to all by itself: the front's. */
static bool is_meant_for_all(const struct stack_port *p)
{
	return p->published == 8888 || p->published == 9876;
}

static void judge_open(struct lint *l, const struct subject *s)
{
	const struct stack_service *svc = s->svc;

	if (s->has_host_network)
		lint_say(l, LINT_FIREWALL, svc, svc->n_networks ? &svc->networks[0].at : &svc->at,
		        "listens on all addresses of its hosts: they need a firewall");
	for (size_t i = 0; i < svc->n_ports; i++) {
		const struct stack_port *p = &svc->ports[i];

		/* Of a producer that is said already, and worse. */
		if (p->published && !is_meant_for_all(p) && !s->is_producer)
			lint_say(l, LINT_FIREWALL, svc, &p->at,
			        "publishes port %u to whoever reaches the hosts",
			        (unsigned)p->published);
	}
}

static void judge_replicas(struct lint *l, const struct subject *s)
{
	if (s->tasks <= 1 || s->tasks == INT64_MAX)
		return;
	for (size_t i = 0; i < s->svc->n_ports; i++) {
		const struct stack_port *p = &s->svc->ports[i];

		if (p->mode == STACK_PORT_HOST && p->published)
			lint_say(l, LINT_HOST_PORT, s->svc, &p->at,
			        "wants port %u of the host for each of %lld replicas: a host has "
			        "room for one",
			        (unsigned)p->published, (long long)s->tasks);
	}
}

void lint_network(struct lint *l, const struct subject *s)
{
	if (!s->has_host_network)
		judge_peers(l, s);
	judge_endpoint(l, s);
	judge_open(l, s);
	judge_replicas(l, s);
}

static const char *protocol(const struct stack_port *p)
{
	return p->protocol ? p->protocol : "tcp";
}

struct taken {
	const struct subject *by;
	const struct stack_port *port;
};

void lint_ports(struct lint *l, const struct subject *all, size_t n)
{
	/* By protocol; the first service, in the order of names, that wants the port. */
	static const char *const protocols[] = { "tcp", "udp", "sctp" };

	for (size_t k = 0; k < ARRAY_LEN(protocols); k++) {
		AUTO(free) struct taken *taken = calloc(UINT16_MAX + 1, sizeof(*taken));

		if (!taken) {
			l->out_of_memory = true;
			return;
		}
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; all[i].tasks > 0 && j < all[i].svc->n_ports; j++) {
				const struct stack_port *p = &all[i].svc->ports[j];
				struct taken *t = &taken[p->published];

				if (!p->published || strcmp(protocol(p), protocols[k]) != 0)
					continue;
				if (t->by)
					lint_say(l, LINT_PORT_TWICE, all[i].svc, &p->at,
					        "publishes port %u, and service '%s' does, too "
					        "(%.150s:%u)",
					        (unsigned)p->published, t->by->svc->name,
					        t->port->at.file, t->port->at.line);
				else
					*t = (struct taken){ &all[i], p };
			}
	}
}
