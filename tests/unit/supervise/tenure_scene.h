#pragma once

/* What a tenure can be in when it is asked, for the rows of test_tenure_plan.c */

#include <stdio.h>
#include <string.h>

#include "supervise/tenure_plan.h"

#define S    1000000000LL
#define MS   1000000LL
#define NOW  (1000 * S)
#define TERM (4 * S)

/* A tenure and what is so: each row starts from that of its state and changes one thing. */
struct scene {
	struct tenure t;
	struct tenure_facts f;
};

/* The lease is held: asked for a second ago. */
static void hold(struct scene *s, uint64_t epoch)
{
	struct tenant *n = &s->t.tenant;

	n->epoch = n->had_epoch = epoch;
	n->state = TENANT_HOLDING;
	n->term_end_ns = NOW + 3 * S;
	n->until_ns = NOW + 2 * S;
	n->floor = 100;
	n->ceiling = 200;
	n->has_seen = true;
	n->seen.version = 9;
	n->seen.epoch = epoch;
	n->seen.term_ns = TERM;
	snprintf(n->seen.holder, sizeof(n->seen.holder), "%s", n->cfg.holder);
	snprintf(n->seen.place, sizeof(n->seen.place), "%s", n->cfg.place);
	snprintf(n->seen.nonce, sizeof(n->seen.nonce), "%s", n->cfg.nonce);
}

/* A standby that wants it, level with its peers half a second ago; somebody else has it. */
static struct scene a_standby(void)
{
	struct tenant_config cfg = {
		.name = "producer",
		.holder = "producer.1",
		.place = "pool producer 1 boot",
		.nonce = "ours",
		.term_ns = TERM,
	};
	struct scene s;

	tenure_init(&s.t, &cfg, NOW - 60 * S);
	s.f = (struct tenure_facts){
		.now = NOW,
		.nodeos_runs = true,
		.nodeos_answers = true,
		.is_fit = true,
		.pause = TENURE_PAUSED,
		.pause_ns = NOW - 50 * S,
		.heads = TENURE_HEADS_LEVEL,
		.heads_ns = NOW - S / 2,
		.last_signed = 90,
	};
	s.t.state = TENURE_STANDBY;
	s.t.state_since_ns = NOW - 50 * S;
	s.t.level_ns = NOW - S / 2;
	s.t.last_signed = 90;
	s.t.tenant.wants = true;
	s.t.tenant.has_seen = true;
	s.t.tenant.seen_ns = s.t.tenant.changed_ns = NOW;
	s.t.tenant.seen.version = 8;
	s.t.tenant.seen.epoch = 6;
	s.t.tenant.seen.term_ns = TERM;
	s.t.tenant.state = TENANT_WATCHING;
	snprintf(s.t.tenant.seen.holder, sizeof(s.t.tenant.seen.holder), "producer.2");
	return s;
}

static struct scene in_state(enum tenure_state state)
{
	struct scene s = a_standby();
	struct tenure *t = &s.t;

	t->state = state;
	t->state_since_ns = NOW - S;
	if (state == TENURE_DOWN)
		t->tenant.wants = false;
	if (state == TENURE_TAKING)
		t->tenant.state = TENANT_TAKING;
	if (state <= TENURE_TAKING)
		return s;
	hold(&s, 7);
	if (state == TENURE_COMPARING)
		return s;
	t->epoch = 7;
	t->has_produced = true;
	s.f.pause = TENURE_RESUMED;
	s.f.pause_ns = NOW - S + 1;
	s.f.last_signed = t->last_signed = 150;
	if (state == TENURE_OPENING || state == TENURE_PRODUCING)
		return s;
	/* Closed a second ago, and paused half a second ago. */
	t->epoch = 0;
	t->closed_epoch = 7;
	t->doubt_ns = t->fence_from_ns = NOW - S;
	t->level_ns = 0;
	t->fence_end_ns = NOW + 2 * S;
	s.f.pause = TENURE_PAUSED;
	s.f.pause_ns = NOW - S / 2;
	snprintf(t->why, sizeof(t->why), "some reason");
	if (state == TENURE_RELEASING) {
		t->tenant.wants = false;
		tenant_release(&t->tenant, 150, t->why);
	}
	return s;
}
