#pragma once

/*
 * Which ports who may reach: the firewall as data
 *
 * Pure: a table of rules, the addresses of the swarm's nodes, and what the user adds in a file.
 * Nothing in it names an interface or a backend.
 *
 *	open     anybody                           8888, 9876 (the front)
 *	nodes    nodes of the swarm, nobody else   2377, 7946 tcp and udp, 4789 udp, 2376, 8870
 *	closed   nobody outside the overlay        3888, 4876 (the producer)
 *	from     the networks that the rule names
 *
 * Loopback and connections that exist are never touched.  Ports that no rule names are not either:
 * this is no default-deny firewall, so ssh cannot be lost to it; a rule for the ssh port is
 * refused.
 *
 * A file of own additions, one a line, '#' begins a comment:
 *
 *	open tcp 8080
 *	nodes tcp 9100-9110
 *	closed tcp 15432
 *	from tcp 9100 10.20.0.0/16       # several lines for one port add up
 *	node 10.0.0.9                    # a host that is about to join
 *
 * A line for a port that has a built-in rule replaces it ("closed tcp 8888"), but for one: "from"
 * adds to "nodes" ("from tcp 2376 10.0.0.5": a client of the engine beside the nodes, not instead
 * of them).  Ranges may not overlap other rules.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "firewall/net.h"

#define FIREWALL_RULES_MAX 256
#define FIREWALL_NODES_MAX 1024
#define FIREWALL_FILE_MAX  (64 * 1024)

enum firewall_who { FIREWALL_OPEN, FIREWALL_NODES, FIREWALL_CLOSED, FIREWALL_FROM };

struct firewall_rule {
	enum firewall_who who;
	bool is_udp;
	uint16_t first, last;     /* ports */
	struct firewall_net from; /* of FIREWALL_FROM */
	const char *why;          /* "swarm: management" ...; static, "own" for additions */
};

struct firewall_model {
	struct firewall_rule rules[FIREWALL_RULES_MAX]; /* sorted: protocol, port, who, network */
	unsigned n_rules;
	struct firewall_net nodes[FIREWALL_NODES_MAX]; /* addresses, sorted, no duplicates */
	unsigned n_nodes;
};

/* The built-in rules, no node. */
void firewall_model_init(struct firewall_model *m);

#define FIREWALL_AGENT_PORT 8870

/*
 * The agents' port is not 8870 here: put the rule where it is.  Before additions are read.
 * ERR_USAGE if another rule has that port.
 */
int firewall_model_set_agent_port(struct firewall_model *m, uint16_t port, struct err *e) NODISCARD;

/*
 * Add the lines of a file; name is for messages.  After an error the model is as it was.  ERR_USAGE
 * with the line's number, the line and what is wrong: an unknown word (with the nearest), a port
 * twice with different words, a tcp port of ssh (22, and for all but "open" those given), overlap,
 * too much.
 */
int firewall_model_add(struct firewall_model *m, const char *text, size_t n, const char *name,
        const uint16_t *ssh_ports, size_t n_ssh, struct err *e) NODISCARD;

/*
 * Add the address of a node of the swarm.  ERR_USAGE: loopback, unspecified, multicast, not an
 * address, too many.  An address that the additions had named is the swarm's from now on.
 */
int firewall_model_add_node(struct firewall_model *m, const char *address, struct err *e) NODISCARD;

/* Forget the swarm's nodes; those of the additions stay. */
void firewall_model_drop_nodes(struct firewall_model *m);

/* Whether a node has that address; anything but an address is none. */
bool firewall_model_has_node(const struct firewall_model *m, const char *address);

/* The rule that keeps somebody from this tcp port ("closed", "nodes", "from"), or NULL. */
const struct firewall_rule *firewall_model_restricts(const struct firewall_model *m, uint16_t port);

/* Whether a rule is about this port. */
bool firewall_rule_is_about(const struct firewall_rule *r, bool is_udp, uint16_t port);

/* The first rule that is about this port, or NULL. */
const struct firewall_rule *firewall_rule_of(
        const struct firewall_model *m, bool is_udp, uint16_t port);

/* Where the rules from first on that are for the same ports end. */
unsigned firewall_block_end(const struct firewall_model *m, unsigned first);

/* "open" "nodes" "closed" "from". */
const char *firewall_who_name(enum firewall_who who);

#define FIREWALL_PORTS_SIZE 12

/* "8888", "9100-9110".  Returns out. */
const char *firewall_ports_text(
        char out[FIREWALL_PORTS_SIZE], const struct firewall_rule *r, char between);

/*
 * What agents are sent and what is kept in the pool; read with all limits and all refusals above
 * (of ssh only 22), ERR_PROTOCOL:
 *
 *	{"format":1,
 *	 "rules":[{"who":"from","protocol":"tcp","first":9100,"last":9110,"from":"10.20.0.0/16",
 *	           "why":"own"}],
 *	 "nodes":["10.0.0.1"],"added_nodes":["10.0.0.9"]}
 */
json_t *firewall_model_json(const struct firewall_model *m, struct err *e) NODISCARD;
int firewall_model_parse(struct firewall_model *m, const json_t *j, struct err *e) NODISCARD;

/* Hex digits that are equal for models that make equal rules. */
#define FIREWALL_DIGEST_SIZE 17
void firewall_model_digest(const struct firewall_model *m, char ret[FIREWALL_DIGEST_SIZE]);
