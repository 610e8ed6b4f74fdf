#pragma once

/*
 * What the file of additions (model_file.c) and the JSON (model_json.c) both make a model with
 *
 * All refusals are ERR_USAGE.  A model is left as it was, but a rule may have replaced built-in
 * ones before it is refused: both work on a copy.
 */

#include "firewall/model.h"

/* The reason of a rule that the user added. */
#define FIREWALL_OWN "own"

int firewall_who_parse(enum firewall_who *ret, const char *word, struct err *e) NODISCARD;

const char *firewall_protocol_name(const struct firewall_rule *r);
int firewall_protocol_parse(bool *ret_is_udp, const char *word, struct err *e) NODISCARD;

/* The reason as static text: that of a built-in rule, or FIREWALL_OWN. */
const char *firewall_known_why(const char *why);

/* is_own: by a line of the additions.  A node that the swarm has too is the swarm's. */
int firewall_insert_node(
        struct firewall_model *m, const char *address, bool is_own, struct err *e) NODISCARD;

/* At its place; it replaces built-in rules of its ports, adds up with others, or is refused. */
int firewall_insert_rule(
        struct firewall_model *m, const struct firewall_rule *r, struct err *e) NODISCARD;

/*
 * -1 when the rule is about ssh: tcp port 22, or one of these ports, where ssh was seen, unless it
 * is "open": what keeps a rule of ours off such a port has to be sayable.
 */
int firewall_refuse_ssh(
        const struct firewall_rule *r, const uint16_t *ports, size_t n, struct err *e) NODISCARD;
