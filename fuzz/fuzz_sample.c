/*
 * Samples and requests for them, which other hosts send: whatever the bytes are, what is taken
 * keeps the limits, can be said again, and is the same then.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "sample/sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_text(const char *s, size_t size)
{
	assert(strlen(s) < size && str_is_utf8(s));
	for (; *s; s++)
		assert((unsigned char)*s >= ' ' && *s != 0x7f);
}

static void check_lists(const struct sample *s)
{
	assert(s->n_ids <= SAMPLE_HEIGHTS_MAX && s->n_blocks <= SAMPLE_BLOCKS_MAX);
	assert(s->tail.n <= SAMPLE_TAIL_MAX);
	for (size_t i = 0; i < s->tail.n; i++)
		is_text(s->tail.v[i], SAMPLE_TAIL_LENGTH + 1);
	for (size_t i = 0; i < s->n_ids; i++) {
		assert(s->ids[i].num && (!i || s->ids[i].num > s->ids[i - 1].num));
		assert(strlen(s->ids[i].id) == 64 || !*s->ids[i].id);
	}
	for (size_t i = 0; i < s->n_blocks; i++) {
		const struct nodeos_block *b = &s->blocks[i];

		assert(b->num && (!i || b->num == s->blocks[i - 1].num + 1));
		assert(strlen(b->id) == 64 && strlen(b->previous) == 64);
		assert(b->transactions >= -1 && b->time_ns >= 0);
	}
}

static void try_sample(const json_t *j)
{
	AUTO(sample) struct sample s = SAMPLE_INIT;
	AUTO(sample) struct sample again = SAMPLE_INIT;
	AUTO(json) json_t *said = NULL;
	AUTO(json) json_t *said_again = NULL;
	struct err e = ERR_INIT;

	if (sample_parse(&s, j, &e) < 0) {
		assert(e.kind == ERR_PROTOCOL && !s.ids && !s.blocks && !s.tail.v);
		return;
	}
	is_text(s.why, sizeof(s.why));
	is_text(s.slot_state, sizeof(s.slot_state));
	is_text(s.last_crash, sizeof(s.last_crash));
	is_text(s.info.server_version_string, sizeof(s.info.server_version_string));
	assert(s.state == SAMPLE_ANSWERS || (!s.ids && !s.blocks && !s.has_schedule));
	assert(s.state != SAMPLE_ANSWERS || strlen(s.info.head_block_id) == 64);
	assert(s.schedule.n <= NODEOS_PRODUCERS_MAX);
	check_lists(&s);
	said = sample_json(&s);
	assert(said && sample_parse(&again, said, &e) == 0);
	said_again = sample_json(&again);
	assert(said_again && json_equal(said, said_again));
}

static void try_request(const json_t *j)
{
	AUTO(json) json_t *said = NULL;
	struct sample_request q, again;
	struct err e = ERR_INIT;

	memset(&q, 0, sizeof(q));
	if (sample_request_parse(&q, j, &e) < 0) {
		assert(e.kind == ERR_PROTOCOL);
		return;
	}
	assert(q.n_heights <= SAMPLE_HEIGHTS_MAX);
	assert(q.last >= q.first && q.last - q.first < SAMPLE_BLOCKS_MAX);
	said = sample_request_json(&q);
	assert(said && sample_request_parse(&again, said, &e) == 0);
	assert(again.n_heights == q.n_heights && again.first == q.first && again.last == q.last &&
	        again.wants_schedule == q.wants_schedule &&
	        memcmp(again.heights, q.heights, sizeof(q.heights[0]) * q.n_heights) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(json) json_t *j = NULL;
	struct err e = ERR_INIT;
	char *copy = malloc(size ? size : 1);

	assert(copy);
	memcpy(copy, data, size);
	j = json_parse(copy, size, "fuzz", &e);
	free(copy);
	if (!j)
		return 0;
	try_sample(j);
	try_request(j);
	return 0;
}
