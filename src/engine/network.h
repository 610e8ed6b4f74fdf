#pragma once

/* Engine API: network (/networks) */

#include "engine/engine.h"

/* GET /networks: an array.  filters: driver, id, label, name, scope, type. */
json_t *engine_network_list(
        struct engine *eng, const struct engine_filter *filters, struct err *e) NODISCARD;

/* POST /networks/create: Name, Driver, Attachable, Labels, IPAM ...  A second one of that name is
 * ERR_CONFLICT.  ret_id may be NULL. */
int engine_network_create(struct engine *eng, const json_t *spec, char ret_id[ENGINE_ID_SIZE],
        struct err *e) NODISCARD;

/*
 * DELETE /networks/{id}.  0 removed, 1 there was none; ERR_CONFLICT while a service names it.  The
 * containers of a removed service that still stop do not hinder it (seen with 20.10.24), and stay
 * connected to what is then no network of the swarm any more.
 */
int engine_network_remove(struct engine *eng, const char *id, struct err *e) NODISCARD;
