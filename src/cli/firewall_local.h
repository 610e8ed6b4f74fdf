#pragma once

/*
 * firewall ... without --all: this host
 *
 * The model that is meant comes from firewall_local_rules() (the built-in rules and the additions),
 * to which firewall_local_nodes() adds the swarm's nodes as the engine knows them; or it is the one
 * that was kept in the pool.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "firewall/model.h"

struct context;

#define FIREWALL_FILE_DEFAULT "/etc/nodeswarm/firewall.conf"

/* file NULL: the default one, if it is there. */
int firewall_local_rules(
        struct context *ctx, struct firewall_model *m, const char *file, struct err *e) NODISCARD;

/* Where no engine tells the nodes, those of the additions have to do; without any it
 * is an error. */
int firewall_local_nodes(struct context *ctx, struct firewall_model *m, struct err *e) NODISCARD;

/* What was applied last.  ERR_NOT_FOUND. */
int firewall_local_saved(struct context *ctx, struct firewall_model *m, struct err *e) NODISCARD;

/* The model as a table, the nodes, and what it would change here; with the texts for
 * iptables-restore if asked or with -v. */
int firewall_local_plan(struct context *ctx, const struct firewall_model *m, bool with_texts,
        struct err *e) NODISCARD;

/* keep: as firewall.json in the pool, for the next boot. */
int firewall_local_apply(
        struct context *ctx, const struct firewall_model *m, bool keep, struct err *e) NODISCARD;
int firewall_local_remove(struct context *ctx, bool is_dry, struct err *e) NODISCARD;

/* Compare with what was applied last, and prove it by traffic unless that is not wanted.
 * ERR_UNHEALTHY on any difference. */
int firewall_local_verify(struct context *ctx, bool by_traffic, struct err *e) NODISCARD;

/* A row for each port of the model; the caller frees the text.  "nodes, 10.20.0.0/16".  NULL when
 * memory is short. */
char *firewall_who_text(const struct firewall_model *m, unsigned first, unsigned end) NODISCARD;
