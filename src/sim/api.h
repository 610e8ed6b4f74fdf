#pragma once

/*
 * http_plugin and the APIs: the recorded replies of nodeos, field by field
 *
 * An API answers only when its plugin is configured.  What nodeos offers and nodesim does not
 * simulate is answered with status 500 and an error that says so.
 */

#include "base/compiler.h"
#include "sim/fail.h"

struct node;
struct api;

int api_initialize(struct node *n, struct fail *f) NODISCARD;

/* A port in use is logged, and the node runs on without HTTP, as nodeos does. */
void api_listen(struct node *n);
void api_shutdown(struct node *n);
void api_free(struct api *a);
