#pragma once

/*
 * firewall ... --all: every host of the swarm, through the agents
 *
 * m: the built-in rules and the additions, no node of the swarm; the nodes are added here.  Each
 * prints a row for every host.  -1 with ERR_UNHEALTHY when a host differs, was not reached, or
 * refused, which the message names; the others are done all the same.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "firewall/model.h"

struct context;

/* is_dry: only say on which hosts it would change something. */
int firewall_all_apply(
        struct context *ctx, struct firewall_model *m, bool is_dry, struct err *e) NODISCARD;
int firewall_all_remove(struct context *ctx, bool is_dry, struct err *e) NODISCARD;

/* Compares all hosts with the model that was applied last and the nodes that there are now, and has
 * them prove it by traffic between each other. */
int firewall_all_verify(struct context *ctx, struct err *e) NODISCARD;
