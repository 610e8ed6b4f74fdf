#include "supervise/tenure_heads.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "sample/status.h"

/*
 * One that has another block than ours at the same number is not always right: it may be the former
 * holder, whose last block nobody else has got.  So those that have ours are counted against it,
 * and only where they are not more than the others is our chain called forked.  One that is ahead
 * of us, on the same chain as far as can be seen, cannot be outvoted: its blocks exist.
 */

/* A supervisor asks its nodeos once a second.  What is older than this is no head of now. */
#define FRESH_SECONDS 2.5

/* How one of the others stands to us. */
enum relation {
	SAME,    /* its head is a block of ours */
	AHEAD,   /* it has blocks above our head */
	DIFFERS, /* another block of the same number */
	OPEN,    /* our nodeos does not have the block to compare with */
};

PRINTF(3, 4)
static void say(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, size, fmt, ap);
	va_end(ap);
	/* A character that was cut in two would be no JSON. */
	str_printable(why);
}

int tenure_peer_from_status(
        struct tenure_peer *ret, const json_t *status, const char *chain_id, struct err *e)
{
	AUTO(sample) struct sample s = SAMPLE_INIT;
	const json_t *age = json_object_get(status, "answer_age_seconds"), *producer;
	struct tenure_peer p = { .head = 0 };

	if (sample_from_status(&s, status, clock_real_ns(), e) < 0)
		return -1;
	if (s.state != SAMPLE_ANSWERS || strcmp(s.info.chain_id, chain_id) != 0 ||
	        (json_is_number(age) && json_number_value(age) > FRESH_SECONDS))
		return 1;
	snprintf(p.who, sizeof(p.who), "%.60s.%lld on %.30s", json_str(status, "service", "?"),
	        (long long)json_int(status, "slot", 0), json_str(status, "node", "unknown"));
	str_printable(p.who);
	producer = json_object_get(status, "producer");
	p.holds = json_bool(producer, "holds", false);
	p.is_forked = *json_str(producer, "forked", "") != '\0';
	p.head = s.info.head_block_num;
	p.lib = s.info.last_irreversible_block_num;
	memcpy(p.head_id, s.info.head_block_id, sizeof(p.head_id));
	memcpy(p.lib_id, s.info.last_irreversible_block_id, sizeof(p.lib_id));
	*ret = p;
	return 0;
}

/* The block of that other that ours can have too: its head, or else what it holds irreversible.
 * 0: it has none. */
static uint32_t common(const struct nodeos_info *ours, const struct tenure_peer *p)
{
	if (p->head <= ours->head_block_num)
		return p->head;
	return p->lib <= ours->head_block_num ? p->lib : 0;
}

/* Our block of that number; NULL: not known, "": our nodeos does not have it. */
static const char *our_id(const struct nodeos_info *ours, uint32_t num,
        const struct tenure_height *have, size_t nhave)
{
	if (num == ours->head_block_num)
		return ours->head_block_id;
	if (num == ours->last_irreversible_block_num)
		return ours->last_irreversible_block_id;
	for (size_t i = 0; i < nhave; i++)
		if (have[i].num == num)
			return have[i].id;
	return NULL;
}

size_t tenure_heads_needs(const struct nodeos_info *ours, const struct tenure_peer *v, size_t n,
        uint32_t ret[TENURE_HEIGHTS_MAX])
{
	size_t nret = 0;

	for (size_t i = 0; i < n && nret < TENURE_HEIGHTS_MAX; i++) {
		uint32_t num = common(ours, &v[i]);
		bool is_there = num == 0 || our_id(ours, num, NULL, 0) != NULL;

		for (size_t k = 0; k < nret && !is_there; k++)
			is_there = ret[k] == num;
		if (!is_there)
			ret[nret++] = num;
	}
	return nret;
}

/* Our block that stands against what that other holds irreversible; 0: none is known to. */
static uint32_t split_at(const struct nodeos_info *ours, const struct tenure_peer *p,
        const struct tenure_height *have, size_t nhave)
{
	uint32_t lib = ours->last_irreversible_block_num;
	const char *id = NULL;

	if (lib && p->lib > lib && *p->at_lib_id)
		return strcmp(p->at_lib_id, ours->last_irreversible_block_id) != 0 ? lib : 0;
	if (p->lib && p->lib <= lib)
		id = our_id(ours, p->lib, have, nhave);
	return id && *id && strcmp(id, p->lib_id) != 0 ? p->lib : 0;
}

static enum relation relation(const struct nodeos_info *ours, const struct tenure_peer *p,
        const struct tenure_height *have, size_t nhave)
{
	uint32_t num = common(ours, p);
	bool is_ahead = p->head > ours->head_block_num;
	const char *id;

	if (split_at(ours, p, have, nhave))
		return DIFFERS;
	/* All of what it has is above our head, but for what no id is known of. */
	if (num == 0)
		return is_ahead ? AHEAD : OPEN;
	id = our_id(ours, num, have, nhave);
	if (!id || !*id)
		return is_ahead ? AHEAD : OPEN;
	if (strcmp(id, num == p->head ? p->head_id : p->lib_id) != 0)
		return DIFFERS;
	return is_ahead ? AHEAD : SAME;
}

/* One that has our block there, or above it, has not left our chain below it; where that is known
 * already, it need not be asked. */
bool tenure_heads_asks(const struct nodeos_info *ours, const struct tenure_peer *p,
        const struct tenure_height *have, size_t nhave)
{
	uint32_t num = common(ours, p), lib = ours->last_irreversible_block_num;
	const char *id = num ? our_id(ours, num, have, nhave) : NULL;

	if (!lib || p->lib <= lib || p->is_forked || *p->at_lib_id)
		return false;
	return !id || !*id || strcmp(id, num == p->head ? p->head_id : p->lib_id) != 0;
}

/*
 * Who says that it is forked itself is counted nowhere: a former holder and those who were cut off
 * with it could else outvote the one that has the lease now.  What is not known of one that has a
 * vote counts for us.
 */
void tenure_heads_vote(struct tenure_votes *ret, const struct nodeos_info *ours,
        const struct tenure_peer *v, size_t n, const struct tenure_height *have, size_t nhave)
{
	size_t voters = 0, differ = 0, split = 0;
	const struct tenure_peer *by = NULL;
	bool holder_is_split = false;

	*ret = (struct tenure_votes){ .is_outvoted = false };
	for (size_t i = 0; i < n; i++) {
		bool is_split;

		if (v[i].is_forked)
			continue;
		is_split = split_at(ours, &v[i], have, nhave) != 0;
		voters++;
		differ += relation(ours, &v[i], have, nhave) == DIFFERS;
		split += is_split;
		holder_is_split = holder_is_split || (is_split && v[i].holds);
		if (is_split && (!by || v[i].holds))
			by = &v[i];
	}
	ret->is_outvoted = differ >= 2 && differ > voters - differ;
	ret->is_split = (split >= 2 && split > voters - split) ||
	        (holder_is_split && split >= voters - split);
	if (ret->is_split)
		say(ret->why, sizeof(ret->why),
		        "other irreversible blocks than %s: block %u is another one there (%zu of "
		        "%zu)",
		        by->who, split_at(ours, by, have, nhave), split, voters);
}

/* num: the block that the one of DIFFERS has another of. */
static enum tenure_heads judge(const struct nodeos_info *ours, const struct tenure_peer *const v[],
        const size_t count[], uint32_t num, char *why, size_t size)
{
	if (count[DIFFERS] && count[DIFFERS] >= count[SAME] + count[AHEAD]) {
		say(why, size, "block %u is another one at %s (%zu of %zu differ)", num,
		        v[DIFFERS]->who, count[DIFFERS],
		        count[DIFFERS] + count[SAME] + count[AHEAD]);
		return TENURE_HEADS_FORKED;
	}
	if (count[AHEAD]) {
		say(why, size, "head is %u, but %u at %s", ours->head_block_num, v[AHEAD]->head,
		        v[AHEAD]->who);
		return TENURE_HEADS_BEHIND;
	}
	if (count[SAME]) {
		say(why, size, "block %u is the one that %s has (%zu of %zu agree)", v[SAME]->head,
		        v[SAME]->who, count[SAME], count[SAME] + count[DIFFERS] + count[OPEN]);
		return TENURE_HEADS_LEVEL;
	}
	/* Somebody is there: who begins a chain alone must not go on as if there were not. */
	if (count[OPEN]) {
		say(why, size, "block %u of %s is older than what nodeos has here", v[OPEN]->head,
		        v[OPEN]->who);
		return TENURE_HEADS_UNKNOWN;
	}
	say(why, size, "there is nobody to compare heads with");
	return TENURE_HEADS_NOBODY;
}

enum tenure_heads tenure_heads_judge(const struct nodeos_info *ours, const struct tenure_peer *v,
        size_t n, const struct tenure_height *have, size_t nhave, char *why, size_t size)
{
	/* The one with the highest head of each kind, for the sentence. */
	const struct tenure_peer *best[OPEN + 1] = { NULL };
	size_t count[OPEN + 1] = { 0 };
	uint32_t num = 0;

	for (size_t i = 0; i < n; i++) {
		enum relation r = relation(ours, &v[i], have, nhave);

		if (v[i].is_forked)
			continue;
		count[r]++;
		if (!best[r] || v[i].head > best[r]->head)
			best[r] = &v[i];
	}
	if (best[DIFFERS])
		num = split_at(ours, best[DIFFERS], have, nhave);
	if (best[DIFFERS] && !num)
		num = common(ours, best[DIFFERS]);
	return judge(ours, best, count, num, why, size);
}
