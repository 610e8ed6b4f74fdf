#pragma once

/*
 * What a term costs, in times and in words
 *
 * A term is a choice between a quick takeover and going on through an election of Swarm's managers.
 * Supervisors, the command line and its documents say it alike.
 */

#include <stddef.h>
#include <stdint.h>

#define LEASE_TERM_TEXT_SIZE 512

/* An election among Swarm's managers: 10 to 20 s were measured. */
#define LEASE_ELECTION_NS (20LL * 1000000000)

/*
 * How long signing goes on, at the worst, while the lease cannot be renewed: the holder renews
 * each quarter of its term, and its right ends a guard before the term.
 */
int64_t lease_bridge_ns(int64_t term_ns);

/* In how much time after its holder's death another one signs: the term, and what taking takes. */
int64_t lease_takeover_ns(int64_t term_ns);

/* Both consequences of a term, one sentence or two.  Returns out. */
const char *lease_term_text(int64_t term_ns, char *out, size_t size);
