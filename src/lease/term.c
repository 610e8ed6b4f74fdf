#include "lease/term.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "lease/tenant.h"

/* Between two looks at the lease, compare heads, open, resume, and the first slot. */
#define TAKING_NS (2 * NS_PER_SEC)

int64_t lease_bridge_ns(int64_t term_ns)
{
	int64_t ns = term_ns - term_ns / 4 - tenant_guard_ns(term_ns);

	return ns > 0 ? ns : 0;
}

int64_t lease_takeover_ns(int64_t term_ns)
{
	return term_ns + TAKING_NS;
}

const char *lease_term_text(int64_t term_ns, char *out, size_t size)
{
	char over[NUM_TEXT_MAX], bridge[NUM_TEXT_MAX];

	num_duration_text(over, lease_takeover_ns(term_ns));
	num_duration_text(bridge, lease_bridge_ns(term_ns));
	if (lease_bridge_ns(term_ns) < LEASE_ELECTION_NS)
		snprintf(out, size,
		        "when its holder dies a ready standby signs within about %s; but signing "
		        "stops while the swarm has no leader for more than %s, and an election "
		        "takes 10 to 20 s",
		        over, bridge);
	else
		snprintf(out, size,
		        "signing goes on while the swarm has no leader for up to %s, which is "
		        "longer than an election; but when its holder dies nobody signs for "
		        "about %s",
		        bridge, over);
	return out;
}
