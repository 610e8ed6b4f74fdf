#pragma once

/* The readers of the parts of a service; service.c puts them together. */

#include "stack/read_priv.h"
#include "stack/stack.h"

/* Read one service, and check all that needs no other part of the stack. */
int read_service(struct reader *r, const struct pair *p, struct stack_service *svc);

read_fn read_deploy; /* struct stack_deploy */

/* These fill members of the struct stack_service that dst points to. */
read_fn read_mounts;
read_fn read_ports;

read_fn read_env_kvs;  /* struct stack_kvs, `environment` as written */
read_fn read_env_file; /* struct stack_kvs, of all files in their order */

/* Unite both, the second stronger; values that are missing come from r->vars.  Sorted. */
int unite_environment(struct reader *r, const struct stack_kvs *files,
        const struct stack_kvs *written, struct stack_kvs *ret);

/* path as an absolute one: from r->dir, "." and ".." taken out.  NULL with the error set. */
const char *absolute_path(struct reader *r, const char *path);

/* Read a file named by node n; what and max for messages.  The text is in the arena. */
int read_file(struct reader *r, const struct node *n, const char *path, size_t max,
        const char **ret, size_t *ret_len);
