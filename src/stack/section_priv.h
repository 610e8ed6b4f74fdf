#pragma once

/* The top-level sections other than `services`. */

#include "stack/read_priv.h"
#include "stack/stack.h"

/* Each reads one item, whose name is set already, and checks what needs no other item. */
int read_network(struct reader *r, const struct node *n, struct stack_network *ret);
int read_config(struct reader *r, const struct node *n, struct stack_file *ret);
int read_secret(struct reader *r, const struct node *n, struct stack_file *ret);
int read_volume(struct reader *r, const struct node *n, struct stack_volume *ret);

/* Whether two descriptions of one name say the same. */
bool same_network(const struct stack_network *a, const struct stack_network *b);
bool same_file(const struct stack_file *a, const struct stack_file *b);
bool same_volume(const struct stack_volume *a, const struct stack_volume *b);
