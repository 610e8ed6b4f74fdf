#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "sim/chain.h"

#define KEY "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"

static void schedules_are_read(void **state)
{
	static const struct {
		const char *text;
		unsigned n;
		const char *message;
	} rows[] = {
		{ "eosio", 1, NULL },
		{ "aa,bb,cc", 3, NULL },
		{ "aa=" KEY ",bb", 2, NULL },
		{ "", 0, "'' is no name" },
		{ "aa,,bb", 0, "'' is no name" },
		{ "aa,aa", 0, "'aa' is there twice" },
		{ "AA", 0, "'AA' is no name" },
		{ "aa=EOS", 0, "key of 'aa'" },
		{ "aa=" KEY KEY, 0, "key of 'aa'" },
		{ "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u", 21, NULL },
		{ "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v", 0, "more than 21" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;
		struct schedule s;
		int rc = schedule_parse(&s, rows[i].text, &e);

		if (rc == 0 ? rows[i].message || s.n != rows[i].n
		            : !rows[i].message || !strstr(e.msg, rows[i].message))
			fail_msg("row '%s': %d '%s'", rows[i].text, rc, e.msg);
	}
}

static void each_has_twelve_slots(void **state)
{
	struct err e = ERR_INIT;
	struct schedule s;

	(void)state;
	assert_int_equal(schedule_parse(&s, "aa,bb,cc", &e), 0);
	for (uint32_t slot = 0; slot < 100; slot++)
		assert_int_equal(schedule_turn(&s, slot), slot / 12 % 3);
}

/* --- a chain of three ------------------------------------------------------------------------- */

struct env {
	char dir[64];
	struct chain c;
};

static int setup(void **state)
{
	struct env *v = calloc(1, sizeof(*v));
	struct fail f = FAIL_INIT;
	struct err e = ERR_INIT;
	struct schedule s;
	struct sim_genesis g;
	struct block b;

	snprintf(v->dir, sizeof(v->dir), "/tmp/nodesim-test.XXXXXX");
	if (!mkdtemp(v->dir) || schedule_parse(&s, "aa,bb,cc", &e) < 0)
		return -1;
	chain_init(&v->c);
	chain_set_schedule(&v->c, &s);
	sim_genesis_default(&g);
	/* Block 2 begins the first turn. */
	block_genesis(&b, 36 * 1000 - 1, g.chain_id);
	chain_reset(&v->c, &b);
	if (blocklog_open(&v->c.log, v->dir, &f) < 0 || blocklog_reset(&v->c.log, &g, &e) < 0)
		return -1;
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct env *v = *state;
	struct err e = ERR_INIT;
	int rc;

	chain_release(&v->c);
	rc = fs_remove_tree_at(AT_FDCWD, v->dir, &e);
	free(v);
	return rc;
}

/* The block in this slot on top of the head. */
static struct block next(struct chain *c, uint32_t slot)
{
	uint64_t producer;
	uint16_t confirmed;
	struct block b;

	assert_int_equal(chain_next(c, slot, &producer, &confirmed), 0);
	(void)block_make(&b, chain_head(c)->id, slot, producer, confirmed, NULL, 0);
	return b;
}

static void push(struct chain *c, const struct block *b, int want)
{
	struct err e = ERR_INIT;

	assert_int_equal(chain_push(c, b, &e), want);
}

static void extend(struct chain *c, unsigned n)
{
	while (n--) {
		struct block b = next(c, chain_head(c)->slot + 1);

		push(c, &b, CHAIN_APPLIED);
	}
}

/* 39 with head 54 and LIB 15 as recorded; always between 37 and 48 when nobody is missing. */
static void lib_lags_as_recorded(void **state)
{
	struct chain *c = &((struct env *)*state)->c;

	extend(c, 84);
	for (unsigned i = 0; i < 72; i++) {
		uint32_t lib = c->root.num, lag;

		extend(c, 1);
		lag = chain_head(c)->num - c->root.num;
		assert_in_range(lag, 37, 48);
		assert_true(c->root.num == lib || c->root.num == lib + 12);
		assert_int_equal(c->log.last, c->root.num);
		assert_int_equal(c->n, lag);
	}
}

/* One that made a block after 12 of each of the others confirms 24. */
static void confirms_as_recorded(void **state)
{
	struct chain *c = &((struct env *)*state)->c;
	struct block b;

	extend(c, 36);
	b = next(c, chain_head(c)->slot + 1);
	assert_int_equal(block_confirmed(&b), 24);
	push(c, &b, CHAIN_APPLIED);
	b = next(c, chain_head(c)->slot + 1);
	assert_int_equal(block_confirmed(&b), 0);
}

static void lib_stands_while_one_is_missing(void **state)
{
	struct chain *c = &((struct env *)*state)->c;
	uint32_t slot, lib;

	extend(c, 108);
	lib = c->root.num;
	slot = chain_head(c)->slot;
	for (unsigned i = 0; i < 120; i++) {
		struct block b;

		do
			slot++;
		while (schedule_turn(&c->schedule, slot) == 1);
		b = next(c, slot);
		push(c, &b, CHAIN_APPLIED);
	}
	assert_in_range(c->root.num, lib, lib + 24);
	assert_true(chain_head(c)->num - c->root.num > 90);
	/* And goes on when it is back. */
	extend(c, 100);
	assert_in_range(chain_head(c)->num - c->root.num, 37, 48);
}

static void what_is_not_in_turn_is_refused(void **state)
{
	struct chain *c = &((struct env *)*state)->c;
	struct block good, b;

	extend(c, 40);
	good = next(c, chain_head(c)->slot + 1);
	block_make(&b, good.previous, good.slot, c->schedule.v[0].name + 1, 0, NULL, 0);
	push(c, &b, CHAIN_INVALID);
	block_make(&b, good.previous, good.slot + 12, good.producer, 0, NULL, 0);
	push(c, &b, CHAIN_INVALID);
	(void)block_make(&b, good.previous, good.slot, good.producer, 30, NULL, 0);
	push(c, &b, CHAIN_INVALID); /* its own ones again */
	push(c, &good, CHAIN_APPLIED);
}

/*
 * Two halves of a net make a branch each; the longer one wins, block by block what was recorded:
 * stored until it is higher, then one switch.
 */
static void the_longer_branch_wins(void **state)
{
	struct chain *c = &((struct env *)*state)->c;
	struct block branch[30], head;
	struct block fork;
	struct err e = ERR_INIT;
	uint32_t first;
	unsigned n = 0;

	extend(c, 60);
	fork = *chain_head(c);
	first = fork.slot + 1;
	/* Ours: cc's turns only. */
	for (uint32_t slot = first; slot < first + 36; slot++)
		if (schedule_turn(&c->schedule, slot) == 2) {
			head = next(c, slot);
			push(c, &head, CHAIN_APPLIED);
		}
	head = *chain_head(c);
	assert_int_equal(head.num, fork.num + 12);
	/* Theirs: the others'. */
	for (uint32_t slot = first; n < 24; slot++) {
		unsigned turn = schedule_turn(&c->schedule, slot);

		if (turn == 2)
			continue;
		block_make(&branch[n], n ? branch[n - 1].id : fork.id, slot,
		        c->schedule.v[turn].name, 0, NULL, 0);
		push(c, &branch[n],
		        n < 12            ? CHAIN_STORED
		                : n == 12 ? CHAIN_SWITCHED
		                          : CHAIN_APPLIED);
		n++;
	}
	for (unsigned i = 0; i < n; i++) {
		struct block got;

		assert_int_equal(chain_fetch(c, branch[i].num, &got, &e), 0);
		assert_true(block_same_id(got.id, branch[i].id));
	}
	push(c, &head, CHAIN_KNOWN);
}

/* After a stop: the tree from fork_db.dat, and what is known of the root from blocks.log. */
static void a_restart_changes_nothing(void **state)
{
	struct env *v = *state;
	struct chain *c = &v->c, again;
	char dir[80];
	struct fail f = FAIL_INIT;
	struct forkdb db;

	snprintf(dir, sizeof(dir), "%s/reversible", v->dir);
	assert_int_equal(forkdb_open(&db, dir, &f), 0);
	for (unsigned i = 0; i < 40; i++) {
		extend(c, 7);
		chain_to_forkdb(c, &db);
		forkdb_write(&db, dir, false);
		assert_int_equal(forkdb_open(&db, dir, &f), 0);
		chain_init(&again);
		chain_set_schedule(&again, &c->schedule);
		again.log = c->log;
		chain_from_forkdb(&again, &db);
		forkdb_release(&db);
		assert_true(block_same_id(chain_head(&again)->id, chain_head(c)->id));
		assert_int_equal(again.n, c->n);
		assert_int_equal(again.head_lib, c->head_lib);
		assert_true(block_same_id(next(&again, chain_head(c)->slot + 1).id,
		        next(c, chain_head(c)->slot + 1).id));
		again.log = BLOCKLOG_INIT;
		chain_release(&again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schedules_are_read),
		cmocka_unit_test(each_has_twelve_slots),
		cmocka_unit_test_setup_teardown(lib_lags_as_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(confirms_as_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(lib_stands_while_one_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_in_turn_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(the_longer_branch_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_changes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
