#pragma once

/*
 * What the agent is told of the firewall, checked
 *
 * Pure.  A request comes from who has the token; a model that was sent is taken whole or not at
 * all, and not one that would cut this host off from the agents that could mend it.
 *
 *	POST /v1/firewall/apply  {"format":1,"model":{...},"is_check":false,
 *	                          "if_saved":[DIGEST...]}
 *	     model      as firewall/model.h has it
 *	     is_check   only say whether it would be taken
 *	     if_saved   digests, "" for none: taken only if what was applied here last is one of
 *	                them; so who follows takes nothing back that somebody has applied meanwhile
 *	POST /v1/firewall/probe  {"format":1,"addresses":[...],"ports":[...],"timeout_ms":N}
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "firewall/model.h"

struct firewall_order {
	struct firewall_model model;
	bool is_check;
	json_t *if_saved; /* an array of texts, owned; NULL: whatever there is */
};

/* ret is zero before; to be released also after a failure.  ERR_USAGE. */
int firewall_order_parse(
        struct firewall_order *ret, const char *text, size_t n, struct err *e) NODISCARD;
void firewall_order_release(struct firewall_order *o);

/* saved: the digest of what was applied here last, "" for nothing.  ERR_CONFLICT. */
int firewall_order_check_saved(
        const struct firewall_order *o, const char *saved, struct err *e) NODISCARD;

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
