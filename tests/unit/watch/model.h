#pragma once

/*
 * A chain, nodes that follow it, and the model that watches them, on a clock of the test
 *
 * A node says what is true of the chain at its head unless the test says otherwise: it may be
 * behind, stand still, or be changed as it likes (its sample `s`, of which the head, its time and
 * its id are set at each round).  All nodes agree about every block.
 */

#include "watch/watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#include "unit/test.h"

#define CHAIN_A  "aca376f206b8fc25a6ed44dbdc66547c36c6c33e3a119ffbeaef943642f0e906"
#define CHAIN_B  "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define SLOT_NS  INT64_C(500000000)
#define FIRST    UINT32_C(100000)             /* the head when a test begins */
#define BEGIN_NS INT64_C(1800000000000000000) /* the time of that block */

struct peer {
	int index; /* of the model */
	const char *name;
	uint32_t behind; /* blocks */
	uint32_t stuck;  /* at that head; 0: it moves */
	uint32_t lib;    /* 0: 12 blocks below its head */
	const char *chain_id;
	const char *lost; /* why; NULL: it has an answer */
	bool is_left_out; /* nothing is told of it */
	int64_t skew_ns;  /* of the clock of who asks it */
	bool has_no_clock;
	int64_t earlier_ns;    /* the time of its head */
	uint32_t irreversible; /* read mode: its word is of so many blocks below what it has */
	struct sample s;
};

static struct watch *model;
static struct watch_settings settings;
static struct peer peers[64];
static size_t n_peers;
static int64_t now_ns;
static uint32_t tip;
static bool is_paused;
static uint32_t paused_at; /* the last block before the last pause */
static int64_t paused_ns;  /* of all pauses */
static struct {
	uint32_t at;
	int64_t ns;
} pauses[256];
static size_t n_pauses;

static int setup(void **state)
{
	(void)state;
	watch_settings_init(&settings);
	model = NULL;
	n_peers = 0;
	now_ns = 0;
	tip = FIRST;
	is_paused = false;
	paused_at = 0;
	paused_ns = 0;
	n_pauses = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	watch_free(model);
	model = NULL;
	return 0;
}

static inline void limit_to(const char *text)
{
	struct err e = ERR_INIT;

	if (watch_settings_set(&settings, text, &e) < 0)
		fail_msg("%s", e.msg);
}

static inline struct peer *add_peer(enum watch_kind kind, const char *name)
{
	struct peer *p = &peers[n_peers++];
	struct err e = ERR_INIT;

	assert_true(n_peers <= ARRAY_LEN(peers));
	if (!model)
		model = watch_new(&settings, &e);
	assert_non_null(model);
	*p = (struct peer){ .name = name, .chain_id = CHAIN_A, .s = SAMPLE_INIT };
	p->s.answer_ns = 3 * NS_PER_MS;
	p->s.peers_connected = p->s.peers_configured = 3;
	p->s.db_used_percent = 20;
	p->s.starts = kind == WATCH_OWN ? 1 : 0;
	snprintf(
	        p->s.slot_state, sizeof(p->s.slot_state), "%s", kind == WATCH_OWN ? "running" : "");
	p->index = watch_add(model, &(struct watch_who){ kind, name, "host" }, &e);
	assert_true(p->index >= 0);
	return p;
}

static inline struct peer *own(const char *name)
{
	return add_peer(WATCH_OWN, name);
}

static inline struct peer *reference(const char *name)
{
	return add_peer(WATCH_REFERENCE, name);
}

static inline void fill_id(char out[NODEOS_ID_HEX_SIZE], uint32_t num)
{
	snprintf(out, NODEOS_ID_HEX_SIZE, "%08x%056x", num, num * 7);
}

static inline int64_t time_of(uint32_t num)
{
	int64_t t = BEGIN_NS + ((int64_t)num - FIRST) * SLOT_NS;

	for (size_t i = 0; i < n_pauses && pauses[i].at < num; i++)
		t += pauses[i].ns;
	return t;
}

static inline void tell(struct peer *p)
{
	struct sample s = p->s;
	struct nodeos_info *i = &s.info;

	if (p->is_left_out)
		return;
	if (p->lost) {
		watch_lose(model, p->index, p->lost, now_ns);
		return;
	}
	s.tail = STRVEC_INIT;
	for (size_t k = 0; k < p->s.tail.n; k++)
		assert_int_equal(strvec_add(&s.tail, p->s.tail.v[k]), 0);
	if (s.state == SAMPLE_ANSWERS) {
		snprintf(i->chain_id, sizeof(i->chain_id), "%s", p->chain_id);
		i->head_block_num = p->stuck ? p->stuck : tip - p->behind;
		if (p->irreversible) {
			i->fork_db_head_block_num = i->head_block_num;
			i->head_block_num -= p->irreversible;
		}
		i->last_irreversible_block_num = p->lib ? p->lib
		        : p->irreversible               ? i->head_block_num
		                                        : i->head_block_num - 12;
		fill_id(i->head_block_id, i->head_block_num);
		fill_id(i->last_irreversible_block_id, i->last_irreversible_block_num);
		i->head_time_ns = time_of(i->head_block_num) - p->earlier_ns;
		snprintf(i->head_block_producer, sizeof(i->head_block_producer), "proda");
		snprintf(i->server_version_string, sizeof(i->server_version_string), "v4.0.6");
		s.real_ns = BEGIN_NS + now_ns + 100 * NS_PER_MS + p->skew_ns;
		if (p->has_no_clock)
			s.real_ns = 0;
	}
	watch_see(model, p->index, &s, now_ns);
}

/* A round, that many milliseconds after the last one. */
static inline void next_round(int64_t ms)
{
	now_ns += ms * NS_PER_MS;
	if (is_paused) {
		pauses[n_pauses - 1].ns += ms * NS_PER_MS;
		paused_ns += ms * NS_PER_MS;
	} else {
		tip = FIRST + (uint32_t)((now_ns - paused_ns) / SLOT_NS);
	}
	for (size_t i = 0; i < n_peers; i++)
		tell(&peers[i]);
	watch_judge(model, now_ns);
}

static inline void rounds_of(unsigned n, int64_t ms)
{
	while (n-- > 0)
		next_round(ms);
}

static inline void pause_chain(void)
{
	assert_true(n_pauses < ARRAY_LEN(pauses));
	is_paused = true;
	paused_at = tip;
	pauses[n_pauses].at = tip;
	pauses[n_pauses++].ns = 0;
}

/* All that is found, the worst first: "lagging b, few-peers c". */
static inline const char *all_found(void)
{
	const struct findings *f = watch_findings(model);
	static char text[4096];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < f->n && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%s%s", i ? ", " : "",
		        watch_rules[f->v[i].rule].name, f->v[i].subject[0] ? " " : "",
		        f->v[i].subject);
	return text;
}

#define expect_found(what, want)                                                        \
	do {                                                                            \
		if (strcmp(all_found(), want) != 0)                                     \
			fail_msg("%s: found '%s', want '%s'", what, all_found(), want); \
	} while (0)

static inline const struct finding *the_finding(enum watch_rule_id rule, const char *subject)
{
	const struct findings *f = watch_findings(model);

	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].rule == rule && strcmp(f->v[i].subject, subject) == 0)
			return &f->v[i];
	fail_msg("no %s of '%s' in '%s'", watch_rules[rule].name, subject, all_found());
	return NULL;
}

static inline bool has_evidence(const struct finding *f, const char *part)
{
	for (size_t i = 0; i < f->evidence.n; i++)
		if (strstr(f->evidence.v[i], part))
			return true;
	return false;
}

static inline struct watch_row row_of(const char *name)
{
	struct watch_row row;

	for (size_t i = 0; watch_row(model, i, &row); i++)
		if (strcmp(row.name, name) == 0)
			return row;
	fail_msg("no row of '%s'", name);
	return row;
}
