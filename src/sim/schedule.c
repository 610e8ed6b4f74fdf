#include "sim/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sim/base58.h"

void schedule_init(struct schedule *s)
{
	memset(s, 0, sizeof(*s));
	s->n = 1;
	(void)!name_pack(&s->v[0].name, "eosio");
}

static int add(struct schedule *s, char *item, struct err *e)
{
	unsigned char point[KEY_POINT];
	char *eq = strchr(item, '=');
	uint64_t name;

	if (eq)
		*eq++ = '\0';
	if (s->n == SCHEDULE_MAX)
		return err_set(e, ERR_USAGE, "more than %d producers", SCHEDULE_MAX);
	if (name_pack(&name, item) < 0)
		return err_set(e, ERR_USAGE, "'%s' is no name of a producer", item);
	if (eq && (strlen(eq) >= KEY_TEXT_SIZE || sim_key_point(point, eq) < 0))
		return err_set(e, ERR_USAGE, "the key of '%s' is no public key", item);
	for (unsigned i = 0; i < s->n; i++)
		if (s->v[i].name == name)
			return err_set(e, ERR_USAGE, "'%s' is there twice", item);
	s->v[s->n].name = name;
	snprintf(s->v[s->n].key, KEY_TEXT_SIZE, "%s", eq ? eq : "");
	s->n++;
	return 0;
}

int schedule_parse(struct schedule *s, const char *text, struct err *e)
{
	AUTO(free) char *copy = strdup(text);
	char *rest = copy, *item;

	if (!copy)
		return err_nomem(e);
	memset(s, 0, sizeof(*s));
	while ((item = strsep(&rest, ",")))
		if (add(s, item, e) < 0)
			return -1;
	return 0;
}

unsigned schedule_turn(const struct schedule *s, uint32_t slot)
{
	return slot % (s->n * SCHEDULE_ROUND) / SCHEDULE_ROUND;
}

/* --- irreversibility -------------------------------------------------------------------------- */

void dpos_init(struct dpos *d, uint32_t num)
{
	memset(d, 0, sizeof(*d));
	d->num = d->proposed = d->lib = num;
}

uint16_t dpos_confirms(const struct dpos *d, unsigned turn)
{
	uint32_t last = d->last_produced[turn], n = last ? d->num - last : 0;

	if (n > d->num - d->lib)
		n = d->num - d->lib;
	return n > UINT16_MAX ? UINT16_MAX : (uint16_t)n;
}

/* The last of the tracked ones that has all it wants, and with it those before it. */
static void confirm(struct dpos *d, uint32_t n)
{
	for (unsigned i = d->tracked; i-- && n; n--) {
		if (--d->wanted[i])
			continue;
		d->proposed = d->num - (d->tracked - 1 - i);
		d->tracked -= i + 1;
		memmove(d->wanted, d->wanted + i + 1, d->tracked);
		return;
	}
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

bool dpos_step(struct dpos *d, const struct schedule *s, const struct block *b)
{
	unsigned turn = schedule_turn(s, b->slot);
	uint32_t before = d->proposed, sorted[SCHEDULE_MAX];

	if (d->last_produced[turn] && d->last_produced[turn] >= b->num - block_confirmed(b))
		return false;
	if (d->tracked == DPOS_TRACKED)
		memmove(d->wanted, d->wanted + 1, --d->tracked);
	d->wanted[d->tracked++] = (uint8_t)(s->n * 2 / 3 + 1);
	d->num = b->num;
	confirm(d, block_confirmed(b) + 1U);
	/* What is irreversible follows from what was proposed before this block. */
	d->last_implied[turn] = before;
	d->last_produced[turn] = b->num;
	memcpy(sorted, d->last_implied, s->n * sizeof(sorted[0]));
	qsort(sorted, s->n, sizeof(sorted[0]), by_number);
	if (sorted[(s->n - 1) / 3] > d->lib)
		d->lib = sorted[(s->n - 1) / 3];
	return true;
}
