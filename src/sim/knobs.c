#include "sim/knobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/num.h"

#define FLUSH_NS (50 * NS_PER_MS)
#define START_NS (500 * NS_PER_MS)
/* db_size of the recorded nodeos, a chain of a few blocks. */
#define DB_USED 5450464
/* Some seconds and 2 GB of blocks.log. */
#define CHAIN_LENGTH_MAX 10000000

static int duration(int64_t *ret, const char *name, struct err *e)
{
	const char *s = getenv(name);

	return s && num_duration(ret, s, e) < 0 ? err_wrap(e, "%s", name) : 0;
}

/* "A..B" draws one anew at each start: a campaign wants stops of all lengths. */
static int duration_or_range(int64_t *ret, const char *name, struct err *e)
{
	const char *s = getenv(name), *dots = s ? strstr(s, "..") : NULL;
	AUTO(free) char *low = dots ? strndup(s, (size_t)(dots - s)) : NULL;
	int64_t from, to;
	uint64_t r;

	if (!dots)
		return duration(ret, name, e);
	if (!low)
		return err_nomem(e);
	if (num_duration(&from, low, e) < 0 || num_duration(&to, dots + 2, e) < 0)
		return err_wrap(e, "%s", name);
	if (to < from)
		return err_set(e, ERR_USAGE, "%s: '%s' ends before it begins", name, s);
	if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return err_sys(e, errno, "getrandom");
	*ret = from + (int64_t)(r % (uint64_t)(to - from + 1));
	return 0;
}

static int number(uint64_t *ret, const char *name, uint64_t max, struct err *e)
{
	const char *s = getenv(name);

	return s && num_uint(ret, s, 0, max, e) < 0 ? err_wrap(e, "%s", name) : 0;
}

/* "A..B", or "A" for all from there on. */
static int blocks(uint64_t *from, uint64_t *to, const char *name, struct err *e)
{
	const char *s = getenv(name), *dots = s ? strstr(s, "..") : NULL;
	AUTO(free) char *first = dots ? strndup(s, (size_t)(dots - s)) : NULL;

	*to = UINT32_MAX;
	if (!s)
		return 0;
	if (dots && !first)
		return err_nomem(e);
	if (num_uint(from, dots ? first : s, 1, UINT32_MAX, e) < 0 ||
	        (dots && num_uint(to, dots + 2, 1, UINT32_MAX, e) < 0))
		return err_wrap(e, "%s", name);
	return *to < *from ? err_set(e, ERR_USAGE, "%s: '%s' ends before it begins", name, s) : 0;
}

int knobs_read(struct knobs *k, struct err *e)
{
	const char *used = getenv("NODESIM_DB_USED"), *producers = getenv("NODESIM_PRODUCERS");

	*k = (struct knobs){ .flush_ns = FLUSH_NS,
		.start_ns = START_NS,
		.db_used = DB_USED,
		.disk_used = KNOBS_DISK_REAL };
	if (duration_or_range(&k->flush_ns, "NODESIM_FLUSH", e) < 0 ||
	        duration(&k->flush_per_block_ns, "NODESIM_FLUSH_PER_BLOCK", e) < 0 ||
	        duration(&k->start_ns, "NODESIM_START", e) < 0 ||
	        number(&k->sync_rate, "NODESIM_SYNC_RATE", 1000000000, e) < 0 ||
	        number(&k->chain_length, "NODESIM_CHAIN_LENGTH", CHAIN_LENGTH_MAX, e) < 0 ||
	        number(&k->snapshot_every, "NODESIM_SNAPSHOT_EVERY", CHAIN_LENGTH_MAX, e) < 0 ||
	        blocks(&k->wrong_from, &k->wrong_to, "NODESIM_WRONG_FROM", e) < 0 ||
	        number(&k->disk_used, "NODESIM_DISK_USED", 100, e) < 0)
		return -1;
	if (used && num_size(&k->db_used, used, e) < 0)
		return err_wrap(e, "NODESIM_DB_USED");
	if (producers && *producers && schedule_parse(&k->producers, producers, e) < 0)
		return err_wrap(e, "NODESIM_PRODUCERS");
	return 0;
}
