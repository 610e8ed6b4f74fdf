#pragma once

/*
 * From the model of a stack to the bodies of the Engine API's create requests
 *
 * The bodies are those that `docker stack deploy --resolve-image never` sends (CLI 20.10.24, API
 * 1.41, recorded in tests/data/stack), so that the docker CLI lists, scales and removes what we
 * made.  docs/parity.md lists what differs, and tests/it/test_parity.sh holds both tools to that
 * list.  The differences, all on purpose:
 *
 * - Configs and secrets are called STACK_NAME-<first 12 hex digits of the content's SHA-256>,
 *   because the engine cannot change one in place; an own `name:` is kept as it is.
 * - What Docker's loader changes and ours does not (stack/stack.h): a plain number keeps its
 *   spelling in environment, labels and options (`0644`, `1.10`); an empty value in `environment`
 *   stays empty even if our own environment has the variable; relative paths count from the file
 *   they stand in and not from the first file; `~` is known as a home only where it is ours.
 * - deploy.mode replicated-job and global-job are written as newer CLIs (API 1.41) do.
 * - Lists that Docker builds from a map, and sorts in no order where two compare equal, are in
 *   the order of the file.
 *
 * Pure: asks no engine.  All functions that return a json_t return a new reference, or NULL with
 * *e set.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"

struct stack;
struct stack_service;
struct stack_network;
struct stack_file;

/* Labels; the first two are the docker CLI's. */
#define SPEC_LABEL_STACK    "com.docker.stack.namespace"
#define SPEC_LABEL_IMAGE    "com.docker.stack.image"
#define SPEC_LABEL_DIGEST   "nodeswarm.spec"     /* spec_digest() of the wanted spec */
#define SPEC_LABEL_REPLICAS "nodeswarm.replicas" /* replicas the file asked for at the last up */
#define SPEC_LABEL_CONTENT  "nodeswarm.content"  /* of a secret that is not named after it */
#define SPEC_LABEL_STOPPED  "nodeswarm.stopped"  /* former replicas while stopped */
/* RFC 3339; since a stop that has not yet told how slots were left. */
#define SPEC_LABEL_STOPPED_AT "nodeswarm.stopped-at"

/*
 * The ids that the engine gave: objects {name in the engine: id}.  A service's networks may be
 * named, so those that are missing are; a config or secret must be there.
 */
struct spec_refs {
	const json_t *networks, *configs, *secrets;
};

/*
 * The names in the engine, allocated; the caller frees them.  NULL when memory is short.
 * "nodeswarm_readers", "nodeswarm_chain", "nodeswarm_genesis-0123456789ab".
 */
char *spec_service_name(const struct stack *st, const struct stack_service *svc) NODISCARD;
char *spec_network_name(const struct stack *st, const struct stack_network *net) NODISCARD;
char *spec_file_name(const struct stack *st, const struct stack_file *f) NODISCARD;

/*
 * Whether a network of this name is on every node ("host", "bridge" ...).  The swarm has an object
 * of its own for it, with an id that is in no list, so it is referred to by its name.
 */
bool spec_is_predefined_network(const char *name);

/*
 * POST /services/create.  With refs NULL the body has no ids at all, only names: that text says
 * what is wanted, whatever ids the objects got, and is what spec_digest() should be taken of.
 * ERR_NOT_FOUND when refs has no id for a config or secret.
 */
json_t *spec_service(const struct stack *st, const struct stack_service *svc,
        const struct spec_refs *refs, struct err *e) NODISCARD;

/* POST /networks/create, /configs/create, /secrets/create; not for external ones.  A secret with an
 * own name has the digits that its name would have as a label: its content cannot be asked for. */
json_t *spec_network(
        const struct stack *st, const struct stack_network *net, struct err *e) NODISCARD;
json_t *spec_config(const struct stack *st, const struct stack_file *f, struct err *e) NODISCARD;
json_t *spec_secret(const struct stack *st, const struct stack_file *f, struct err *e) NODISCARD;

/*
 * SHA-256 of the canonical text of a body: compact, keys sorted.  Returns 0, or -1 when memory is
 * short.  The same content gives the same digest in every version that writes the same body.
 */
int spec_digest(char out[SHA256_HEX_SIZE], const json_t *body, struct err *e) NODISCARD;
