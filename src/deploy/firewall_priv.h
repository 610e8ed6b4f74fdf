#pragma once

#include <stdint.h>

struct firewall_swarm;

/* POST /v1/firewall/probe to every site that is not down or left out. */
void firewall_swarm_ask_probe(struct firewall_swarm *s, const char *body, int64_t timeout_ns);
