#pragma once

/* What the rules share. */

#include <stdbool.h>
#include <stdint.h>

#include "deploy/doctor.h"

/* What a rule works with. */
struct doctor {
	const json_t *facts;
	const json_t *host, *hf; /* of a rule for each host: the host, and its facts */
	const char *check;
	struct doctor_report *report;
	bool is_out_of_memory;
};

struct doctor_rule {
	const char *check;
	void (*judge)(struct doctor *d);
	bool is_per_host; /* called for each host that gave facts */
};

extern const struct doctor_rule doctor_swarm_rules[], doctor_network_rules[],
        doctor_firewall_rules[], doctor_host_rules[];

/* Add a line.  advice NULL: none. */
void doctor_say(struct doctor *d, enum doctor_level level, const char *advice, const char *fmt, ...)
        PRINTF(4, 5);

/* The same about a host by its name. */
void doctor_say_of(struct doctor *d, const char *host, enum doctor_level level, const char *advice,
        const char *fmt, ...) PRINTF(5, 6);

/* Whether this engine is in a swarm, and is one of its managers. */
bool doctor_is_in_swarm(const struct doctor *d);
bool doctor_is_manager(const struct doctor *d);

/* Whether a service (its JSON) belongs to the stack; "services" has those of all stacks. */
bool doctor_is_of_stack(const struct doctor *d, const json_t *service);

/* Append to a list of names in text, "a, b"; it ends in "..." when there is no room. */
void doctor_list(char *list, size_t size, const char *name);
