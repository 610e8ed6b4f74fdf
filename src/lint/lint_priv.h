#pragma once

/* The judges, and what they know of a service. */

#include "base/strvec.h"
#include "lint/lint.h"
#include "nodeos/config.h"

/* What messages of its readers call a config.ini; findings name its file. */
#define LINT_CONFIG_NAME "config.ini"

/* A service as a chain node, if it is one. */
struct subject {
	const struct stack *st;
	const struct stack_service *svc;
	bool is_supervised; /* `nodeswarm supervise` runs its nodeos */
	bool is_bare;       /* nodeos without it */
	bool is_gated;      /* a producer whose blocks the supervisor signs */
	bool is_producer;
	bool has_host_network; /* and no network namespace of its own */
	int64_t tasks;         /* how many there are to be; INT64_MAX: one a host */
	/* Its config.ini as the stack has it; NULL: none, or it is external. */
	const struct stack_file *config;
	struct config_ini ini; /* of that, as far as it could be read */
	struct err unread;     /* why no further, of kind ERR_NONE if all was */
	const struct stack_file *peerlist;
};

static inline bool is_chain_node(const struct subject *s)
{
	return s->is_supervised || s->is_bare;
}

struct lint {
	const struct stack *st;
	struct lint_findings *found;
	bool out_of_memory;
};

/* What is said of the same rule and place twice is one finding (two services with one config). */
void lint_say(struct lint *l, enum lint_rule_id rule, const struct stack_service *svc,
        const struct stack_pos *at, const char *fmt, ...) PRINTF(5, 6);

/* The value of a variable, "" if it has none; *ret_at, when given, is where it stands. */
const char *lint_env(const struct stack_service *svc, const char *key, struct stack_pos *ret_at);

/* Walk over the words of entrypoint and command, in that order; NULL at the end. */
const char *lint_word(const struct stack_service *svc, size_t i);

/* "--producer-name", "--producer-name=x", or the letter's form if it has one ("-p"). */
bool lint_has_option(const struct stack_service *svc, const char *name, const char *letter);

void lint_life(struct lint *l, const struct subject *s);
void lint_data(struct lint *l, const struct subject *s);
void lint_keys(struct lint *l, const struct subject *s, const struct subject *all, size_t n);
void lint_network(struct lint *l, const struct subject *s);
void lint_config(struct lint *l, const struct subject *s);
void lint_ports(struct lint *l, const struct subject *all, size_t n);
