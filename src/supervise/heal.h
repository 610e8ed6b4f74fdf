#pragma once

/*
 * Healing: from a verdict that nodeos does not start from, or its own word that its data are bad,
 * to a slot that serves again
 *
 *	look (thread: evidence, verdict, `current`, snapshots) -> heal_decide() -> repair (thread;
 *the old data-dir or the parts that are in the way go to quarantine) -> start nodeos -> caught up
 *	-> probation -> ready; or the next repair, or held
 *
 * What happens is in s->record.heal, which outlives the supervisor.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct nodeos_exit;
struct supervisor;

/* nodeos has ended by itself and its verdict was taken.  true: a repair follows, and the slot's
 * state was set; false: whatever happens without healing. */
bool heal_after_end(struct supervisor *s, const struct nodeos_exit *x);

/* The probation that heal.c has begun is over: why is its sentence. */
void heal_probation_over(struct supervisor *s, bool passed, const char *why);

/* Whether the slot is in probation: not ready although nodeos is. */
bool heal_is_on_probation(const struct supervisor *s);

/* The slot was ready for HEAL_CALM_NS, or somebody has said `resume`: the incident is over. */
void heal_forget(struct supervisor *s);

/* The "heal" of the status object, a new reference: null when nothing was ever healed. */
json_t *heal_json(const struct supervisor *s);
