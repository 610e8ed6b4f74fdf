#include "data/record.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "nodeos/repair.h"

#define RECORD_SIZE_MAX (256U * 1024)

static const char *const state_names[] = {
	[SLOT_STARTING] = "starting",
	[SLOT_WAITING] = "waiting",
	[SLOT_HELD] = "held",
	[SLOT_RUNNING] = "running",
	[SLOT_BACKOFF] = "backoff",
	[SLOT_LAME] = "lame-duck",
	[SLOT_STOPPING] = "stopping",
	[SLOT_QUIESCED] = "quiesced",
	[SLOT_STOPPED] = "stopped",
	[SLOT_ARCHIVING] = "archiving",
	[SLOT_RESTORING] = "restoring",
	[SLOT_REPAIRING] = "repairing",
};

const char *slot_state_name(enum slot_state s)
{
	return state_names[s];
}

static enum slot_state state_from(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
		if (strcmp(state_names[i], name) == 0)
			return (enum slot_state)i;
	return SLOT_STARTING;
}

static json_t *end_json(const struct record_end *end)
{
	return json_pack("{s:o, s:s, s:b, s:b, s:i, s:i, s:s, s:s}", "at",
	        json_time_or_null(end->at_ns), "task", end->task, "asked", end->asked, "clean",
	        end->clean, "exit_code", end->exit_code, "signal", end->signal, "class", end->class,
	        "why", end->why);
}

/* --- heal --------------------------------------------------------------------------------- */

static const char *const stage_names[] = {
	[HEAL_STAGE_NONE] = "none",
	[HEAL_STAGE_WAITING] = "waiting",
	[HEAL_STAGE_REPAIRING] = "repairing",
	[HEAL_STAGE_PROBATION] = "probation",
	[HEAL_STAGE_HEALED] = "healed",
	[HEAL_STAGE_GAVE_UP] = "gave-up",
};

const char *heal_stage_name(enum heal_stage s)
{
	return (size_t)s < ARRAY_LEN(stage_names) ? stage_names[s] : "unknown";
}

static enum heal_stage stage_from(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(stage_names); i++)
		if (strcmp(stage_names[i], name) == 0)
			return (enum heal_stage)i;
	return HEAL_STAGE_NONE;
}

static json_t *tried_json(uint64_t tried)
{
	AUTO(json) json_t *list = json_array();

	for (unsigned r = REPAIR_NONE + 1; list && r < REPAIR_N; r++)
		if ((tried & REPAIR_BIT(r)) &&
		        json_array_append_new(
		                list, json_string(data_repair_name((enum data_repair)r))) < 0)
			return NULL;
	return TAKE(list);
}

static json_t *heals_json(const struct record_heal *h)
{
	AUTO(json) json_t *list = json_array();

	for (size_t i = 0; list && i < RECORD_HEALS_MAX && h->heals_ns[i]; i++)
		if (json_array_append_new(list, json_time_or_null(h->heals_ns[i])) < 0)
			return NULL;
	return TAKE(list);
}

json_t *record_heal_json(const struct record_heal *h)
{
	if (h->stage == HEAL_STAGE_NONE && !h->healed && !h->heals_ns[0])
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o,"
	                 " s:b}",
	        "stage", heal_stage_name(h->stage), "verdict", h->verdict, "why", h->why, "repair",
	        h->repair, "generation", h->generation, "quarantined", h->quarantined, "proof",
	        h->proof, "tries", (json_int_t)h->tries, "healed", (json_int_t)h->healed, "begun",
	        json_time_or_null(h->begun_ns), "ended", json_time_or_null(h->ended_ns), "tried",
	        tried_json(h->tried), "last", json_time_or_null(h->last_ns), "begins",
	        heals_json(h), "second_copy", h->second_copy);
}

static void text_from(char *out, size_t size, const json_t *j, const char *path)
{
	snprintf(out, size, "%s", json_str(j, path, ""));
}

static uint64_t count_from(const json_t *j, const char *path)
{
	json_int_t n = json_int(j, path, 0);

	return n > 0 ? (uint64_t)n : 0;
}

static void heal_from(struct record_heal *h, const json_t *j)
{
	const json_t *tried = json_at(j, "tried"), *begins = json_at(j, "begins");
	size_t n = 0;

	h->stage = stage_from(json_str(j, "stage", ""));
	text_from(h->verdict, sizeof(h->verdict), j, "verdict");
	text_from(h->why, sizeof(h->why), j, "why");
	text_from(h->repair, sizeof(h->repair), j, "repair");
	text_from(h->generation, sizeof(h->generation), j, "generation");
	text_from(h->quarantined, sizeof(h->quarantined), j, "quarantined");
	text_from(h->proof, sizeof(h->proof), j, "proof");
	h->tries = count_from(j, "tries");
	h->healed = count_from(j, "healed");
	h->begun_ns = json_time(j, "begun");
	h->ended_ns = json_time(j, "ended");
	h->last_ns = json_time(j, "last");
	h->second_copy = json_bool(j, "second_copy", false);
	for (size_t i = 0; i < json_array_size(tried); i++) {
		const char *name = json_string_value(json_array_get(tried, i));
		enum data_repair r = name ? data_repair_from_name(name) : REPAIR_N;

		if (r != REPAIR_NONE && r != REPAIR_N)
			h->tried |= REPAIR_BIT(r);
	}
	for (size_t i = 0; i < json_array_size(begins) && n < RECORD_HEALS_MAX; i++) {
		const char *text = json_string_value(json_array_get(begins, i));

		if (text && clock_parse(&h->heals_ns[n], text) == 0)
			n++;
	}
}

/* --- the record --------------------------------------------------------------------------- */

json_t *record_json(const struct record *r)
{
	AUTO(json) json_t *ends = json_array();

	for (size_t i = 0; ends && i < r->nends; i++)
		if (json_array_append_new(ends, end_json(&r->ends[i])) < 0)
			return NULL;
	return json_pack(
	        "{s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:I, s:I,"
	        " s:s, s:s, s:o, s:s, s:o, s:O}",
	        "format", RECORD_FORMAT, "state", slot_state_name(r->state), "reason", r->reason,
	        "service", r->service, "slot", (json_int_t)r->slot, "task", r->task, "node",
	        r->node, "container", r->container, "boot_id", r->boot_id, "nodeos_pid",
	        (json_int_t)r->nodeos_pid, "updated", json_time_or_null(r->updated_ns), "started",
	        json_time_or_null(r->started_ns), "ready_since", json_time_or_null(r->ready_ns),
	        "starts", (json_int_t)r->starts, "restarts", (json_int_t)r->restarts, "verdict",
	        r->verdict, "verdict_why", r->verdict_why, "generation",
	        *r->generation ? json_string(r->generation) : json_null(), "settings", r->settings,
	        "heal", record_heal_json(&r->heal), "ends", ends);
}

void record_from_json(struct record *r, const json_t *j)
{
	const json_t *ends = json_at(j, "ends");

	memset(r, 0, sizeof(*r));
	r->state = state_from(json_str(j, "state", ""));
	text_from(r->reason, sizeof(r->reason), j, "reason");
	text_from(r->service, sizeof(r->service), j, "service");
	r->slot = (uint64_t)json_int(j, "slot", 0);
	text_from(r->task, sizeof(r->task), j, "task");
	text_from(r->node, sizeof(r->node), j, "node");
	text_from(r->container, sizeof(r->container), j, "container");
	text_from(r->boot_id, sizeof(r->boot_id), j, "boot_id");
	r->nodeos_pid = json_int(j, "nodeos_pid", 0);
	r->updated_ns = json_time(j, "updated");
	r->started_ns = json_time(j, "started");
	r->ready_ns = json_time(j, "ready_since");
	r->starts = (uint64_t)json_int(j, "starts", 0);
	r->restarts = (uint64_t)json_int(j, "restarts", 0);
	text_from(r->verdict, sizeof(r->verdict), j, "verdict");
	text_from(r->verdict_why, sizeof(r->verdict_why), j, "verdict_why");
	text_from(r->generation, sizeof(r->generation), j, "generation");
	text_from(r->settings, sizeof(r->settings), j, "settings");
	heal_from(&r->heal, json_at(j, "heal"));
	for (size_t i = 0; i < json_array_size(ends) && r->nends < RECORD_ENDS_MAX; i++) {
		const json_t *k = json_array_get(ends, i);
		struct record_end *end = &r->ends[r->nends++];

		end->at_ns = json_time(k, "at");
		end->asked = json_bool(k, "asked", false);
		end->clean = json_bool(k, "clean", false);
		end->exit_code = (int)json_int(k, "exit_code", 0);
		end->signal = (int)json_int(k, "signal", 0);
		text_from(end->task, sizeof(end->task), k, "task");
		text_from(end->class, sizeof(end->class), k, "class");
		text_from(end->why, sizeof(end->why), k, "why");
	}
}

int record_read_at(struct record *r, int dirfd, struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(RECORD_SIZE_MAX);
	AUTO(json) json_t *j = NULL;
	int rc = fs_read_at(dirfd, RECORD_FILE, &b, e);

	if (rc != 0)
		return rc;
	j = json_parse_object(b.data, b.len, RECORD_FILE, e);
	if (!j)
		return -1;
	if (json_int(j, "format", 0) != RECORD_FORMAT)
		return err_set(e, ERR_PROTOCOL,
		        RECORD_FILE " has format %lld, this program reads %d",
		        (long long)json_int(j, "format", 0), RECORD_FORMAT);
	record_from_json(r, j);
	return 0;
}

int record_write_at(const struct record *r, int dirfd, struct err *e)
{
	AUTO(json) json_t *j = record_json(r);
	AUTO(free) char *text = j ? json_text(j, true) : NULL;

	if (!text)
		return err_nomem(e);
	return fs_write_at(dirfd, RECORD_FILE, text, strlen(text), 0644, e);
}

void record_add_end(struct record *r, const struct record_end *end)
{
	if (r->nends == RECORD_ENDS_MAX)
		r->nends--;
	memmove(&r->ends[1], &r->ends[0], r->nends * sizeof(r->ends[0]));
	r->ends[0] = *end;
	r->nends++;
}

const char *record_last_stop(const struct record *r)
{
	if (r->nends == 0)
		return NULL;
	return r->ends[0].clean ? "clean" : "dirty";
}

bool record_verdict_is_clean(const char *verdict)
{
	return strcmp(verdict, "clean") == 0 || strcmp(verdict, "empty") == 0 ||
	        strcmp(verdict, "far-behind") == 0;
}
