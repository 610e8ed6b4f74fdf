#pragma once

/* The body of POST /v1/gather, checked.  Pure. */

#include <stddef.h>
#include <stdint.h>

#include "agent/address.h"
#include "agent/agent.h"
#include "agent/route.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

#define GATHER_ID_MAX 64

struct gather_target {
	const char *id;
	const char *address; /* an IP address; "" for a node that has none */
	bool is_v6;
};

struct gather_request {
	json_t *json; /* owns the texts */
	bool is_post;
	const char *path;   /* with its query */
	struct route route; /* what it means to an agent */
	const char *body;   /* of a POST; "" without one */
	int64_t timeout_ns; /* < 0: none */
	struct gather_target *v;
	size_t n;
};

/* The largest body that other hosts' agents take there, in bytes. */
unsigned agent_body_max(enum route_kind k);

int gather_request_parse(
        struct gather_request *ret, const char *text, size_t n, struct err *e) NODISCARD;
void gather_request_release(struct gather_request *r);
