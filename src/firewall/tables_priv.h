#pragma once

/* The names that are read (tables_read.c) and written (tables.c). */

#include <string.h>

#include "firewall/tables.h"

#define IN    "NODESWARM-INPUT"
#define FWD   "NODESWARM-FORWARD"
#define NODES "NODESWARM-NODES"
#define USER  "DOCKER-USER"

/* Ours, in the order of their names, in which their rules are kept. */
#define CHAINS 3
extern const char *const firewall_chains[CHAINS];

/* A rule without its "-A". */
static inline const char *spec_of(const char *line)
{
	return line + strlen("-A ");
}
