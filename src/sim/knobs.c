#include "sim/knobs.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/num.h"

#define FLUSH_NS (50 * NS_PER_MS)
#define START_NS (500 * NS_PER_MS)
/* db_size of the recorded nodeos, a chain of a few blocks. */
#define DB_USED 5450464

static int duration(int64_t *ret, const char *name, struct err *e)
{
	const char *s = getenv(name);

	return s && num_duration(ret, s, e) < 0 ? err_wrap(e, "%s", name) : 0;
}

static int number(uint64_t *ret, const char *name, uint64_t max, struct err *e)
{
	const char *s = getenv(name);

	return s && num_uint(ret, s, 0, max, e) < 0 ? err_wrap(e, "%s", name) : 0;
}

int knobs_read(struct knobs *k, struct err *e)
{
	const char *used = getenv("NODESIM_DB_USED");

	*k = (struct knobs){ .flush_ns = FLUSH_NS,
		.start_ns = START_NS,
		.db_used = DB_USED,
		.disk_used = KNOBS_DISK_REAL };
	if (duration(&k->flush_ns, "NODESIM_FLUSH", e) < 0 ||
	        duration(&k->flush_per_block_ns, "NODESIM_FLUSH_PER_BLOCK", e) < 0 ||
	        duration(&k->start_ns, "NODESIM_START", e) < 0 ||
	        number(&k->sync_rate, "NODESIM_SYNC_RATE", 1000000000, e) < 0 ||
	        number(&k->disk_used, "NODESIM_DISK_USED", 100, e) < 0)
		return -1;
	if (used && num_size(&k->db_used, used, e) < 0)
		return err_wrap(e, "NODESIM_DB_USED");
	return 0;
}
