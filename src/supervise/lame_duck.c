#include "supervise/supervise.h"

#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"

/* Below, haproxy.cfg's fastinter would be the longer of the two. */
#define INTERVAL_MIN_NS (250 * NS_PER_MS)
#define INTERVAL_MAX_NS (60 * NS_PER_SEC)

/*
 * The first failing check comes up to one interval after SIGTERM, the others after fastinter,
 * which is no longer; so fall intervals are enough, and one more is for a check that takes its
 * time and for requests that were on the way.
 */
int supervise_lame_duck(int64_t *ret_ns, const char *check_interval, struct err *e)
{
	size_t digits = strspn(check_interval, "0123456789");
	const char *unit = check_interval + digits;
	int64_t ns;

	if (!digits || (!str_eq(unit, "s") && !str_eq(unit, "ms")))
		return err_set(e, ERR_USAGE,
		        "'%.60s' is not a check interval like 1s or 500ms, which HAProxy reads too",
		        check_interval);
	if (num_duration(&ns, check_interval, e) < 0)
		return -1;
	if (ns < INTERVAL_MIN_NS || ns > INTERVAL_MAX_NS)
		return err_set(e, ERR_USAGE, "the check interval '%s' is not from 250ms to 60s",
		        check_interval);
	*ret_ns = (SUPERVISE_CHECK_FALL + 1) * ns;
	return 0;
}
