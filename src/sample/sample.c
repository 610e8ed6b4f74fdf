#include "sample/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char *const state_names[] = {
	[SAMPLE_ANSWERS] = "answers",
	[SAMPLE_SILENT] = "silent",
	[SAMPLE_DOWN] = "down",
};

const char *sample_state_name(enum sample_state s)
{
	return state_names[s];
}

void sample_release(struct sample *s)
{
	strvec_release(&s->tail);
	free(s->ids);
	free(s->blocks);
	*s = SAMPLE_INIT;
}

/* --- requests ------------------------------------------------------------------------------ */

/* Like json_object_set_new(): value is taken over, and NULL is a failure. */
static int put(json_t *j, const char *key, json_t *value)
{
	return json_object_set_new(j, key, value);
}

static int put_int(json_t *j, const char *key, int64_t value)
{
	return put(j, key, json_integer((json_int_t)value));
}

json_t *sample_request_json(const struct sample_request *q)
{
	AUTO(json) json_t *j = json_object();
	AUTO(json) json_t *heights = json_array();

	if (!j || !heights)
		return NULL;
	for (size_t i = 0; i < q->n_heights; i++)
		if (json_array_append_new(heights, json_integer(q->heights[i])) < 0)
			return NULL;
	if (q->n_heights && put(j, "heights", TAKE(heights)) < 0)
		return NULL;
	if (q->first && (put_int(j, "first", q->first) < 0 || put_int(j, "last", q->last) < 0))
		return NULL;
	if (q->wants_schedule && put(j, "schedule", json_true()) < 0)
		return NULL;
	return TAKE(j);
}

/* A block number other than 0. */
static bool read_num(uint32_t *ret, const json_t *j)
{
	json_int_t v = json_integer_value(j);

	if (v < 1 || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static int read_heights(struct sample_request *q, const json_t *list, struct err *e)
{
	uint32_t before = 0;

	if (!json_is_array(list))
		return err_set(e, ERR_PROTOCOL, "'heights' is not a list");
	if (json_array_size(list) > SAMPLE_HEIGHTS_MAX)
		return err_set(e, ERR_PROTOCOL, "more than %d heights", SAMPLE_HEIGHTS_MAX);
	for (; q->n_heights < json_array_size(list); q->n_heights++) {
		uint32_t *num = &q->heights[q->n_heights];

		if (!read_num(num, json_array_get(list, q->n_heights)) || *num <= before)
			return err_set(e, ERR_PROTOCOL, "'heights' are not rising block numbers");
		before = *num;
	}
	return 0;
}

static int read_range(
        struct sample_request *q, const json_t *first, const json_t *last, struct err *e)
{
	if (!read_num(&q->first, first) || !read_num(&q->last, last) || q->last < q->first)
		return err_set(e, ERR_PROTOCOL, "'first' and 'last' are no range of blocks");
	if (q->last - q->first >= SAMPLE_BLOCKS_MAX)
		return err_set(e, ERR_PROTOCOL, "more than %d blocks", SAMPLE_BLOCKS_MAX);
	return 0;
}

int sample_request_parse(struct sample_request *q, const json_t *j, struct err *e)
{
	const json_t *heights = json_object_get(j, "heights");
	const json_t *first = json_object_get(j, "first"), *last = json_object_get(j, "last");
	struct sample_request got = { .wants_schedule = json_bool(j, "schedule", false) };

	if (!json_is_object(j))
		return err_set(e, ERR_PROTOCOL, "the request for a sample is not an object");
	if ((heights && read_heights(&got, heights, e) < 0) ||
	        ((first || last) && read_range(&got, first, last, e) < 0))
		return err_wrap(e, "request for a sample");
	*q = got;
	return 0;
}

/* --- a sample as JSON ------------------------------------------------------------------------ */

/* Whatever bytes the text has; "" is left out. */
static int put_text(json_t *j, const char *key, const char *text)
{
	AUTO(free) char *copy = NULL;

	if (!*text)
		return 0;
	copy = strdup(text);
	if (!copy)
		return -1;
	str_printable(copy);
	return put(j, key, json_string(copy));
}

static json_t *info_json(const struct nodeos_info *i)
{
	AUTO(json) json_t *j = json_object();

	if (!j || put_text(j, "chain_id", i->chain_id) < 0 ||
	        put_int(j, "head_block_num", i->head_block_num) < 0 ||
	        put_text(j, "head_block_id", i->head_block_id) < 0 ||
	        put_int(j, "head_time_ns", i->head_time_ns) < 0 ||
	        put_text(j, "head_block_producer", i->head_block_producer) < 0 ||
	        put_int(j, "last_irreversible_block_num", i->last_irreversible_block_num) < 0 ||
	        put_text(j, "last_irreversible_block_id", i->last_irreversible_block_id) < 0 ||
	        put_int(j, "earliest_available_block_num", i->earliest_available_block_num) < 0 ||
	        put_int(j, "fork_db_head_block_num", i->fork_db_head_block_num) < 0 ||
	        put_text(j, "server_version_string", i->server_version_string) < 0)
		return NULL;
	return TAKE(j);
}

static json_t *tail_json(const struct strvec *tail)
{
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; list && i < tail->n; i++) {
		AUTO(free) char *line = strdup(tail->v[i]);

		if (!line)
			return NULL;
		str_printable(line);
		if (json_array_append_new(list, json_string(line)) < 0)
			return NULL;
	}
	return TAKE(list);
}

static json_t *ids_json(const struct sample *s)
{
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; list && i < s->n_ids; i++) {
		const struct sample_id *id = &s->ids[i];

		if (json_array_append_new(list,
		            json_pack("[I, s?]", (json_int_t)id->num, *id->id ? id->id : NULL)) < 0)
			return NULL;
	}
	return TAKE(list);
}

static json_t *block_json(const struct nodeos_block *b)
{
	AUTO(json)
	json_t *j = json_pack("{s:I, s:s, s:s, s:s, s:I, s:I}", "num", (json_int_t)b->num, "id",
	        b->id, "previous", b->previous, "producer", b->producer, "time_ns",
	        (json_int_t)b->time_ns, "schedule_version", (json_int_t)b->schedule_version);

	if (!j || (b->transactions >= 0 && put_int(j, "transactions", b->transactions) < 0))
		return NULL;
	return TAKE(j);
}

static json_t *blocks_json(const struct sample *s)
{
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; list && i < s->n_blocks; i++)
		if (json_array_append_new(list, block_json(&s->blocks[i])) < 0)
			return NULL;
	return TAKE(list);
}

static json_t *schedule_json(const struct nodeos_schedule *s)
{
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; list && i < s->n; i++)
		if (json_array_append_new(list, json_string(s->producers[i])) < 0)
			return NULL;
	return list ? json_pack("{s:I, s:o}", "version", (json_int_t)s->version, "producers",
	                      TAKE(list))
	            : NULL;
}

static int put_peers(json_t *j, const struct sample *s)
{
	AUTO(json) json_t *peers = json_object();

	if (s->peers_connected < 0 && s->peers_configured < 0)
		return 0;
	if (!peers ||
	        (s->peers_connected >= 0 && put_int(peers, "connected", s->peers_connected) < 0) ||
	        (s->peers_configured >= 0 && put_int(peers, "configured", s->peers_configured) < 0))
		return -1;
	return put(j, "peers", TAKE(peers));
}

/* What only a nodeos that answers has told. */
static int put_chain(json_t *j, const struct sample *s)
{
	if (s->state != SAMPLE_ANSWERS)
		return 0;
	if (put_int(j, "answer_ns", s->answer_ns) < 0 || put(j, "info", info_json(&s->info)) < 0 ||
	        (s->n_ids && put(j, "ids", ids_json(s)) < 0) ||
	        (s->n_blocks && put(j, "blocks", blocks_json(s)) < 0))
		return -1;
	return s->has_schedule ? put(j, "schedule", schedule_json(&s->schedule)) : 0;
}

json_t *sample_json(const struct sample *s)
{
	AUTO(json) json_t *j = json_object();

	if (!j || put_text(j, "state", sample_state_name(s->state)) < 0 ||
	        put_text(j, "why", s->why) < 0 || put_text(j, "slot_state", s->slot_state) < 0 ||
	        put_int(j, "real_ns", s->real_ns) < 0 || put_chain(j, s) < 0 ||
	        put_peers(j, s) < 0 ||
	        (s->db_used_percent >= 0 && s->db_used_percent <= 100 &&
	                put(j, "db_used_percent", json_real(s->db_used_percent)) < 0) ||
	        put_int(j, "starts", (int64_t)s->starts) < 0 ||
	        put_int(j, "restarts", (int64_t)s->restarts) < 0 ||
	        (s->run_ns > 0 && put_int(j, "run_ns", s->run_ns) < 0) ||
	        put_int(j, "crashes", s->crashes) < 0 ||
	        put_text(j, "last_crash", s->last_crash) < 0 ||
	        (s->tail.n && put(j, "tail", tail_json(&s->tail)) < 0))
		return NULL;
	return TAKE(j);
}

/* --- from JSON ------------------------------------------------------------------------------- */

static void take_text(char *out, size_t size, const json_t *j, const char *key)
{
	snprintf(out, size, "%s", json_str(j, key, ""));
	str_printable(out);
}

/* A whole number from 0 to max; otherwise when it is none. */
static int64_t take_int(const json_t *j, const char *key, int64_t max, int64_t otherwise)
{
	const json_t *v = json_object_get(j, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= max
	        ? json_integer_value(v)
	        : otherwise;
}

static uint32_t take_uint32(const json_t *j, const char *key)
{
	return (uint32_t)take_int(j, key, UINT32_MAX, 0);
}

static int take_state(enum sample_state *ret, const json_t *j, struct err *e)
{
	const char *name = json_str(j, "state", "");

	for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
		if (strcmp(name, state_names[i]) == 0) {
			*ret = (enum sample_state)i;
			return 0;
		}
	return err_set(e, ERR_PROTOCOL, "no sample: its state is '%.40s'", name);
}

static int take_info(struct nodeos_info *i, const json_t *j, struct err *e)
{
	if (nodeos_id_copy(i->chain_id, json_str(j, "chain_id", NULL)) < 0 ||
	        nodeos_id_copy(i->head_block_id, json_str(j, "head_block_id", NULL)) < 0 ||
	        nodeos_id_copy(i->last_irreversible_block_id,
	                json_str(j, "last_irreversible_block_id", NULL)) < 0 ||
	        take_int(j, "head_block_num", UINT32_MAX, -1) < 0 ||
	        take_int(j, "last_irreversible_block_num", UINT32_MAX, -1) < 0 ||
	        take_int(j, "head_time_ns", INT64_MAX, -1) < 0)
		return err_set(
		        e, ERR_PROTOCOL, "no sample: it answers, and its 'info' is not whole");
	i->head_block_num = take_uint32(j, "head_block_num");
	i->last_irreversible_block_num = take_uint32(j, "last_irreversible_block_num");
	i->head_time_ns = take_int(j, "head_time_ns", INT64_MAX, 0);
	i->earliest_available_block_num = take_uint32(j, "earliest_available_block_num");
	i->fork_db_head_block_num = take_uint32(j, "fork_db_head_block_num");
	take_text(i->server_version_string, sizeof(i->server_version_string), j,
	        "server_version_string");
	if (nodeos_name_copy(i->head_block_producer, json_str(j, "head_block_producer", "")) < 0)
		*i->head_block_producer = '\0';
	return 0;
}

static int take_tail(struct strvec *tail, const json_t *list, struct err *e)
{
	for (size_t i = 0; i < json_array_size(list) && tail->n < SAMPLE_TAIL_MAX; i++) {
		char line[SAMPLE_TAIL_LENGTH + 1];
		const char *text = json_string_value(json_array_get(list, i));

		if (!text)
			continue;
		snprintf(line, sizeof(line), "%s", text);
		str_printable(line);
		if (strvec_add(tail, line) < 0)
			return err_nomem(e);
	}
	return 0;
}

/* true: j is [NUM,"ID"] or [NUM,null]. */
static bool read_id(struct sample_id *id, const json_t *j)
{
	const json_t *text = json_array_get(j, 1);

	*id->id = '\0';
	return read_num(&id->num, json_array_get(j, 0)) &&
	        (json_is_null(text) || nodeos_id_copy(id->id, json_string_value(text)) == 0);
}

/* Up to the first that is none: who has made up one may have made up the others. */
static int take_ids(struct sample *s, const json_t *list, struct err *e)
{
	size_t max = json_array_size(list);

	if (!max)
		return 0;
	if (max > SAMPLE_HEIGHTS_MAX)
		max = SAMPLE_HEIGHTS_MAX;
	s->ids = calloc(max, sizeof(*s->ids));
	if (!s->ids)
		return err_nomem(e);
	for (; s->n_ids < max; s->n_ids++) {
		struct sample_id *id = &s->ids[s->n_ids];

		if (!read_id(id, json_array_get(list, s->n_ids)) ||
		        (s->n_ids && id->num <= s->ids[s->n_ids - 1].num))
			break;
	}
	return 0;
}

static bool read_block(struct nodeos_block *b, const json_t *j)
{
	*b = (struct nodeos_block){
		.time_ns = take_int(j, "time_ns", INT64_MAX, -1),
		.transactions = (int32_t)take_int(j, "transactions", INT32_MAX, -1),
		.schedule_version = take_uint32(j, "schedule_version"),
	};
	return read_num(&b->num, json_object_get(j, "num")) && b->time_ns >= 0 &&
	        nodeos_id_copy(b->id, json_str(j, "id", NULL)) == 0 &&
	        nodeos_id_copy(b->previous, json_str(j, "previous", NULL)) == 0 &&
	        nodeos_name_copy(b->producer, json_str(j, "producer", NULL)) == 0;
}

static int take_blocks(struct sample *s, const json_t *list, struct err *e)
{
	size_t max = json_array_size(list);

	if (!max)
		return 0;
	if (max > SAMPLE_BLOCKS_MAX)
		max = SAMPLE_BLOCKS_MAX;
	s->blocks = calloc(max, sizeof(*s->blocks));
	if (!s->blocks)
		return err_nomem(e);
	for (; s->n_blocks < max; s->n_blocks++) {
		struct nodeos_block *b = &s->blocks[s->n_blocks];

		if (!read_block(b, json_array_get(list, s->n_blocks)) ||
		        (s->n_blocks && b->num - 1 != s->blocks[s->n_blocks - 1].num))
			break;
	}
	return 0;
}

/* A list with a hole would be another schedule: all or nothing. */
static void take_schedule(struct sample *s, const json_t *j)
{
	const json_t *list = json_object_get(j, "producers");
	struct nodeos_schedule got = { .version = take_uint32(j, "version") };

	if (!json_is_array(list) || json_array_size(list) > NODEOS_PRODUCERS_MAX ||
	        take_int(j, "version", UINT32_MAX, -1) < 0)
		return;
	for (; got.n < json_array_size(list); got.n++) {
		char *name = got.producers[got.n];

		if (nodeos_name_copy(name, json_string_value(json_array_get(list, got.n))) < 0 ||
		        !*name)
			return;
	}
	s->schedule = got;
	s->has_schedule = true;
}

static int take_chain(struct sample *s, const json_t *j, struct err *e)
{
	if (s->state != SAMPLE_ANSWERS)
		return 0;
	if (take_info(&s->info, json_object_get(j, "info"), e) < 0 ||
	        take_ids(s, json_object_get(j, "ids"), e) < 0 ||
	        take_blocks(s, json_object_get(j, "blocks"), e) < 0)
		return -1;
	s->answer_ns = take_int(j, "answer_ns", INT64_MAX, 0);
	take_schedule(s, json_object_get(j, "schedule"));
	return 0;
}

static int take_all(struct sample *s, const json_t *j, struct err *e)
{
	const json_t *peers = json_object_get(j, "peers");
	const json_t *used = json_object_get(j, "db_used_percent");

	if (take_state(&s->state, j, e) < 0 || take_chain(s, j, e) < 0)
		return -1;
	take_text(s->why, sizeof(s->why), j, "why");
	take_text(s->slot_state, sizeof(s->slot_state), j, "slot_state");
	take_text(s->last_crash, sizeof(s->last_crash), j, "last_crash");
	s->real_ns = take_int(j, "real_ns", INT64_MAX, 0);
	s->peers_connected = (int)take_int(peers, "connected", INT32_MAX, -1);
	s->peers_configured = (int)take_int(peers, "configured", INT32_MAX, -1);
	if (json_is_number(used) && json_number_value(used) >= 0 && json_number_value(used) <= 100)
		s->db_used_percent = json_number_value(used);
	s->starts = (uint64_t)take_int(j, "starts", INT64_MAX, 0);
	s->restarts = (uint64_t)take_int(j, "restarts", INT64_MAX, 0);
	s->run_ns = take_int(j, "run_ns", INT64_MAX, 0);
	s->crashes = take_uint32(j, "crashes");
	return take_tail(&s->tail, json_object_get(j, "tail"), e);
}

int sample_parse(struct sample *s, const json_t *j, struct err *e)
{
	*s = SAMPLE_INIT;
	if (take_all(s, j, e) == 0)
		return 0;
	sample_release(s);
	return -1;
}
