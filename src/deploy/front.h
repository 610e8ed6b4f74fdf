#pragma once

/*
 * What a front needs to be known before it is brought up
 *
 * A front is a service whose tasks have NODESWARM_FRONT_SERVICE in their environment: the name of
 * the service that it spreads requests over (stacks/front.yml).
 */

#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct deploy;
struct stack;

/* As many servers as haproxy.cfg has room for (server-template). */
#define FRONT_SERVERS_MAX  256
#define FRONT_SERVERS_NEAR (FRONT_SERVERS_MAX * 8 / 10)

#define FRONT_TEXT_MAX 512

/*
 * Whether a service of the stack has, or nears, more slots than its front can use.  services: the
 * engine's list.  Returns 0 if not; 1 and a warning in text.
 */
int front_limit(char text[FRONT_TEXT_MAX], const json_t *services, const char *stack) NODISCARD;

/* The same for what the engine has now, as a note; says nothing when that cannot be read. */
void front_note_limit(struct deploy *d);

/*
 * Swarm's mesh balances with IPVS, on every host.  hosts: those of doctor_collect().  Returns 0
 * when each of them that is up is known to have it; -1: ERR_UNHEALTHY when one has not,
 * ERR_UNAVAILABLE when it is not known of one.
 */
int front_judge_ingress(const json_t *hosts, const char *service, struct err *e) NODISCARD;

/* Refuse a stack that asks for `front: ingress` where it would not work. */
int front_check_ingress(struct deploy *d, const struct stack *st, struct err *e) NODISCARD;
