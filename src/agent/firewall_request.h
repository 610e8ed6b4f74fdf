#pragma once

/*
 * What the agent is told of the firewall, checked
 *
 * Pure.  A request comes from who has the token; a model that was sent is taken whole or not at
 * all, and not one that would cut this host off from the agents that could mend it.
 *
 *	POST /v1/firewall/apply  {"format":1,"model":{...},"additions":TEXT,"stamp_ns":N,
 *	                          "is_check":false}
 *	     model      as firewall/model.h has it
 *	     additions  the lines that it was made from, kept for who makes the next one
 *	     stamp_ns   when it was ordered, real time: of two the later is what was meant
 *	     is_check   only say whether it would be taken
 *	POST /v1/firewall/probe  {"format":1,"addresses":[...],"ports":[...],"timeout_ms":N}
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "firewall/model.h"

#define FIREWALL_ADDITIONS_MAX (16 * 1024)

struct firewall_order {
	struct firewall_model model;
	char *additions; /* owned; "" for none */
	int64_t stamp_ns;
	bool is_check;
};

/* An order, to be freed; NULL and ERR_USAGE. */
struct firewall_order *firewall_order_parse(const char *text, size_t n, struct err *e) NODISCARD;
void firewall_order_free(struct firewall_order *o);

/* Where this host stands. */
struct firewall_stand {
	uint16_t port;    /* its agent's */
	const char *peer; /* who asks, an address; "": root of this host */
	/* Of the model's nodes: the address that this host speaks to each from. */
	const struct firewall_net *sources;
	size_t n_sources;
};

/* ERR_CONFLICT for a model that would lock out other nodes' agents or the swarm itself, ERR_DENIED
 * for one that touches ssh. */
int firewall_stand_check(
        const struct firewall_model *m, const struct firewall_stand *s, struct err *e) NODISCARD;

#define FIREWALL_PROBE_ADDRESSES 256
#define FIREWALL_PROBE_PORTS     64
#define FIREWALL_PROBES_MAX      4096 /* addresses times ports */
#define FIREWALL_PROBE_MS_MAX    10000

struct firewall_question {
	json_t *json;                                    /* owns the texts */
	const char *addresses[FIREWALL_PROBE_ADDRESSES]; /* each is one */
	size_t n_addresses;
	uint16_t ports[FIREWALL_PROBE_PORTS];
	size_t n_ports;
	int64_t timeout_ns;
};

/* allowed: those of whose nodes may be asked; NULL: any.  To be freed; NULL and ERR_USAGE,
 * ERR_DENIED. */
struct firewall_question *firewall_question_parse(
        const char *text, size_t n, const struct firewall_model *allowed, struct err *e) NODISCARD;
void firewall_question_free(struct firewall_question *q);
