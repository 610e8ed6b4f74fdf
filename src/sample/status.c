#include "sample/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

/* The supervisor asks once a second; it calls a nodeos silent after
 * as long (supervise/health.c). */
#define SILENT_SECONDS 4.0

/* Above it a time is no time: 2^63 ns are 292 years. */
#define AGE_SECONDS_MAX 4e9

static void take_text(char *out, size_t size, const json_t *status, const char *key)
{
	(void)snprintf(out, size, "%s", json_str(status, key, ""));
	str_printable(out);
}

static double number(const json_t *status, const char *key, double otherwise)
{
	const json_t *j = json_object_get(status, key);
	double v = json_is_number(j) ? json_number_value(j) : otherwise;

	return isfinite(v) ? v : otherwise;
}

static int take_num(uint32_t *out, const json_t *status, const char *key)
{
	int64_t n = json_int(status, key, -1);

	if (n < 0 || n > UINT32_MAX)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

/* 0 when it is all there: nodeos has answered at least once since it was started. */
static int take_info(struct nodeos_info *i, const json_t *status, int64_t real_ns)
{
	double age = number(status, "head_age_seconds", (double)NAN);

	if (nodeos_id_copy(i->chain_id, json_str(status, "chain_id", "")) < 0 ||
	        take_num(&i->head_block_num, status, "head_block_num") < 0 ||
	        nodeos_id_copy(i->head_block_id, json_str(status, "head_block_id", "")) < 0 ||
	        take_num(&i->last_irreversible_block_num, status, "last_irreversible_block_num") <
	                0 ||
	        nodeos_id_copy(i->last_irreversible_block_id,
	                json_str(status, "last_irreversible_block_id", "")) < 0 ||
	        isnan(age) || fabs(age) > AGE_SECONDS_MAX)
		return -1;
	/* Of an older supervisor, or nodeos: not known. */
	if (take_num(&i->fork_db_head_block_num, status, "fork_db_head_block_num") < 0)
		i->fork_db_head_block_num = 0;
	i->head_time_ns = real_ns - (int64_t)(age * (double)NS_PER_SEC);
	take_text(i->server_version_string, sizeof(i->server_version_string), status,
	        "server_version");
	return 0;
}

static int peers(const json_t *status, const char *key)
{
	int64_t n = json_int(status, key, -1);

	return n < 0 || n > INT32_MAX ? -1 : (int)n;
}

static uint64_t count(const json_t *status, const char *key)
{
	int64_t n = json_int(status, key, 0);

	return n > 0 ? (uint64_t)n : 0;
}

static void take_state(struct sample *s, const json_t *status, int64_t real_ns)
{
	struct nodeos_info info = { .head_block_num = 0 };
	/* What was heard of a nodeos that has ended, or that ends, is still in the status. */
	bool runs = json_int(status, "nodeos_pid", 0) > 0 && strcmp(s->slot_state, "stopping") != 0;

	take_text(s->why, sizeof(s->why), status, "reason");
	if (!runs) {
		s->state = SAMPLE_DOWN;
		if (!*s->why)
			(void)snprintf(s->why, sizeof(s->why), "%s", s->slot_state);
	} else if (take_info(&info, status, real_ns) < 0 ||
	        number(status, "answer_age_seconds", 0) > SILENT_SECONDS) {
		s->state = SAMPLE_SILENT;
		if (!*s->why)
			(void)snprintf(s->why, sizeof(s->why), "nodeos does not answer");
	} else {
		s->state = SAMPLE_ANSWERS;
		s->real_ns = real_ns;
		s->why[0] = '\0';
		s->info = info;
	}
}

int sample_from_status(struct sample *s, const json_t *status, int64_t real_ns, struct err *e)
{
	double used = number(status, "state_db_used_percent", -1);
	uint64_t crashes = count(status, "crashes");

	*s = SAMPLE_INIT;
	if (!*json_str(status, "state", ""))
		return err_set(e, ERR_PROTOCOL, "a status without 'state'");
	take_text(s->slot_state, sizeof(s->slot_state), status, "state");
	take_state(s, status, real_ns);
	if (s->state == SAMPLE_ANSWERS) {
		s->peers_connected = peers(status, "peers_connected");
		s->peers_configured = peers(status, "peers_configured");
		s->db_used_percent = used >= 0 && used <= 100 ? used : -1;
	}
	s->starts = count(status, "starts");
	s->restarts = count(status, "restarts");
	s->crashes = crashes > UINT32_MAX ? UINT32_MAX : (unsigned)crashes;
	if (s->crashes)
		take_text(s->last_crash, sizeof(s->last_crash), status, "last_crash");
	return 0;
}
