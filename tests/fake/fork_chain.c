#include "fake/fork_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define BEGIN_NS (NODEOS_SLOT_EPOCH_NS + INT64_C(1700000000) * NODEOS_SLOT_NS)

void fork_chain_release(struct fork_chain *c)
{
	free(c->v);
	*c = (struct fork_chain){ 0 };
}

int fork_chain_add(struct fork_chain *c, int parent, const char *producer, const char *id)
{
	struct fork_block *b;

	if (c->n == c->max) {
		c->max = c->max ? c->max * 2 : 1024;
		c->v = reallocarray(c->v, c->max, sizeof(*c->v));
		if (!c->v)
			abort();
	}
	b = &c->v[c->n];
	*b = (struct fork_block){ .parent = parent, .num = 1, .time_ns = BEGIN_NS };
	if (parent >= 0) {
		b->num = c->v[parent].num + 1;
		b->time_ns = c->v[parent].time_ns + NODEOS_SLOT_NS;
	}
	if (id)
		snprintf(b->id, sizeof(b->id), "%s", id);
	else
		snprintf(b->id, sizeof(b->id), "%08x%08zx%048zx", b->num,
		        (c->n * 2654435761u) & 0xffffffff, c->n);
	snprintf(b->producer, sizeof(b->producer), "%s", producer);
	return (int)c->n++;
}

int fork_chain_grow(struct fork_chain *c, int parent, const char *producer, size_t n)
{
	while (n--)
		parent = fork_chain_add(c, parent, producer, NULL);
	return parent;
}

int fork_chain_at(const struct fork_chain *c, int head, uint32_t num)
{
	while (head >= 0 && c->v[head].num > num)
		head = c->v[head].parent;
	return head >= 0 && c->v[head].num == num ? head : -1;
}

static int block_of(const struct fork_chain *c, const struct fork_peer *p, uint32_t num)
{
	return num < p->first ? -1 : fork_chain_at(c, p->head, num);
}

static void answer_info(const struct fork_chain *c, const struct fork_peer *p, struct sample *s)
{
	const struct fork_block *head = &c->v[p->head];
	int lib = fork_chain_at(c, p->head, p->lib);

	s->state = SAMPLE_ANSWERS;
	s->answer_ns = p->answer_ns ? p->answer_ns : 1000000;
	s->real_ns = head->time_ns + 100000000;
	snprintf(s->info.chain_id, sizeof(s->info.chain_id), "%s", FAKE_CHAIN_ID);
	s->info.head_block_num = head->num;
	snprintf(s->info.head_block_id, sizeof(s->info.head_block_id), "%s", head->id);
	s->info.head_time_ns = head->time_ns;
	snprintf(s->info.head_block_producer, sizeof(s->info.head_block_producer), "%s",
	        head->producer);
	s->info.last_irreversible_block_num = p->lib;
	if (lib >= 0)
		snprintf(s->info.last_irreversible_block_id,
		        sizeof(s->info.last_irreversible_block_id), "%s", c->v[lib].id);
	s->info.earliest_available_block_num = p->is_old ? 0 : p->first;
}

void fork_chain_answer(const struct fork_chain *c, const struct fork_peer *p,
        const struct sample_request *q, struct sample *s)
{
	*s = SAMPLE_INIT;
	answer_info(c, p, s);
	if (p->is_cut)
		return;
	s->ids = calloc(SAMPLE_HEIGHTS_MAX, sizeof(*s->ids));
	s->blocks = calloc(SAMPLE_BLOCKS_MAX, sizeof(*s->blocks));
	if (!s->ids || !s->blocks)
		abort();
	for (size_t i = 0; i < q->n_heights; i++) {
		int at = block_of(c, p, q->heights[i]);

		s->ids[s->n_ids].num = q->heights[i];
		snprintf(
		        s->ids[s->n_ids].id, sizeof(s->ids[0].id), "%s", at < 0 ? "" : c->v[at].id);
		s->n_ids++;
	}
	for (uint32_t num = q->first; num && num <= q->last; num++) {
		int at = block_of(c, p, num);
		struct nodeos_block *b = &s->blocks[s->n_blocks];

		if (at < 0 || s->n_blocks == SAMPLE_BLOCKS_MAX)
			break;
		b->num = num;
		b->transactions = -1;
		b->time_ns = c->v[at].time_ns;
		memcpy(b->id, c->v[at].id, sizeof(b->id));
		memcpy(b->producer, c->v[at].producer, sizeof(b->producer));
		if (c->v[at].parent >= 0)
			memcpy(b->previous, c->v[c->v[at].parent].id, sizeof(b->previous));
		s->n_blocks++;
	}
}

void fork_chain_round(struct watch *w, const struct fork_chain *c, struct fork_peer *peers,
        size_t n, int64_t now_ns)
{
	for (size_t i = 0; i < n; i++) {
		struct sample s = SAMPLE_INIT;

		watch_ask(w, peers[i].node, &peers[i].asked);
		if (peers[i].is_silent) {
			watch_lose(w, peers[i].node, "timeout", now_ns);
			continue;
		}
		fork_chain_answer(c, &peers[i], &peers[i].asked, &s);
		watch_see(w, peers[i].node, &s, now_ns);
		sample_release(&s);
	}
	watch_judge(w, now_ns);
}

const struct finding *fork_chain_finding(
        const struct watch *w, enum watch_rule_id rule, const char *subject)
{
	const struct findings *f = watch_findings(w);

	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].rule == rule && strcmp(f->v[i].subject, subject) == 0)
			return &f->v[i];
	return NULL;
}

/* --- one world -------------------------------------------------------------------------------- */

#define STEP_NS (100 * NS_PER_MS)

struct fork_world world;

void world_end(void)
{
	watch_free(world.w);
	world.w = NULL;
	fork_chain_release(&world.chain);
}

void world_start(const char *const *settings)
{
	struct watch_settings s;
	struct err e = { 0 };

	world_end();
	memset(world.peers, 0, sizeof(world.peers));
	world.n = 0;
	world.now_ns = 1000 * NS_PER_SEC;
	watch_settings_init(&s);
	for (; settings && *settings; settings++)
		if (watch_settings_set(&s, *settings, &e) < 0)
			abort();
	world.w = watch_new(&s, &e);
	if (!world.w)
		abort();
}

struct fork_peer *world_peer(enum watch_kind kind, int head)
{
	struct fork_peer *p = &world.peers[world.n];
	char *name = world.names[world.n];
	struct err e = { 0 };

	snprintf(name, sizeof(world.names[0]), "n%zu", world.n);
	p->kind = kind;
	p->name = name;
	p->head = head;
	p->node = watch_add(
	        world.w, &(struct watch_who){ .kind = kind, .name = name, .host = "h" }, &e);
	if (p->node < 0)
		abort();
	world.n++;
	return p;
}

struct fork_peer *world_peers(size_t n, int head)
{
	struct fork_peer *first = &world.peers[world.n];

	while (n--)
		world_peer(WATCH_OWN, head);
	return first;
}

void world_set_lib(uint32_t lib)
{
	for (size_t i = 0; i < world.n; i++)
		world.peers[i].lib = lib;
}

void world_rounds(size_t n)
{
	while (n--) {
		world.now_ns += STEP_NS;
		fork_chain_round(world.w, &world.chain, world.peers, world.n, world.now_ns);
	}
}

size_t world_settle(void)
{
	size_t n = 0;

	do {
		world_rounds(1);
		n++;
	} while (!watch_is_settled(world.w) && n < FORK_WORLD_ROUNDS);
	return n;
}

const struct finding *world_found(enum watch_rule_id rule, const char *subject)
{
	return fork_chain_finding(world.w, rule, subject);
}

int world_side(const struct fork_peer *p)
{
	struct watch_row row;

	for (size_t i = 0; watch_row(world.w, i, &row); i++)
		if (strcmp(row.name, p->name) == 0)
			return row.side;
	abort();
}
