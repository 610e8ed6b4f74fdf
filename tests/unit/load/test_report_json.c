#include "unit/load/golden.h"

#include "base/json.h"

static const char *const keys[] = { "url", "started", "verdict", "requests_total", "requests_ok",
	"requests_failed", "requests_abandoned", "requests_per_second", "elapsed_seconds", "sending_seconds", "bytes_in",
	"bytes_out", "connects", "chain_id", "was_interrupted", "was_late", "limits_broken",
	"notes", "errors", "statuses", "latency_us", "max_lag_blocks", "max_head_age_us", "slots",
	"series", "config", "generator" };

static json_t *made(const struct load_report *r)
{
	struct err e = ERR_INIT;
	json_t *j = load_report_json(r, &e);

	assert_non_null(j);
	return j;
}

static void keys_are_always_there(void **state)
{
	(void)state;
	for (enum sample_kind kind = 0; kind < SAMPLE_DAY; kind++) {
		struct sample *s = sample_new(kind, false);
		json_t *j = made(&s->report);

		for (size_t i = 0; i < ARRAY_LEN(keys); i++)
			if (!json_object_get(j, keys[i]))
				fail_msg("%s: no '%s'", sample_name(kind), keys[i]);
		assert_int_equal(
		        json_object_size(j), ARRAY_LEN(keys) + (s->config.scheduled ? 3 : 0));
		assert_int_equal(json_object_size(json_object_get(j, "errors")), LOAD_CLASSES - 1);
		assert_int_equal(json_object_size(json_object_get(j, "latency_us")), 13);
		json_decref(j);
		sample_free(s);
	}
}

static json_int_t sum_of(const json_t *o)
{
	json_int_t sum = 0;
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)o, key, v) sum += json_integer_value(v);
	return sum;
}

static void classes_and_points_add_up(void **state)
{
	struct sample *s = sample_new(SAMPLE_SLOTS, false);
	json_t *j = made(&s->report), *v;
	json_int_t ok = 0, failed = 0, errors = 0, slot_failed = 0;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(j, "series"), i, v)
	{
		if (json_bool(v, "is_warmup", false))
			continue;
		ok += json_int(v, "ok", 0);
		failed += json_int(v, "failed", 0);
		errors += sum_of(json_object_get(v, "errors"));
	}
	json_array_foreach(json_object_get(j, "slots"), i, v) slot_failed +=
	        json_int(v, "requests_failed", 0);
	assert_int_equal(ok, json_int(j, "requests_ok", -1));
	assert_int_equal(failed, json_int(j, "requests_failed", -1));
	assert_int_equal(errors, failed);
	assert_int_equal(ok + failed, json_int(j, "requests_total", -1));
	assert_int_equal(sum_of(json_object_get(j, "errors")), failed);
	assert_int_equal(sum_of(json_object_get(j, "statuses")), json_int(j, "errors.status", -1));
	assert_int_equal(slot_failed, 60);
	assert_int_equal(json_int(j, "max_lag_blocks", -1), 30);
	assert_string_equal(json_str(json_array_get(json_object_get(j, "slots"), 2), "name", ""),
	        "readers.3@node1");
	json_decref(j);
	sample_free(s);
}

static void what_is_not_known_is_null(void **state)
{
	static const char *const nulls[] = { "chain_id", "max_lag_blocks", "max_head_age_us",
		"latency_us.p50", "latency_us.max", "latency_us.min", "latency_us.mean",
		"config.rate_from", "generator.starved" };
	struct sample *s = sample_new(SAMPLE_FAILED, false);
	json_t *j = made(&s->report), *point;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(nulls); i++)
		if (!json_is_null(json_at(j, nulls[i])))
			fail_msg("'%s' is not null", nulls[i]);
	point = json_array_get(json_object_get(j, "series"), 1);
	assert_true(json_is_null(json_object_get(point, "p99_us")));
	assert_true(json_is_null(json_object_get(point, "backlog")));
	assert_int_equal(json_int(j, "errors.connect", 0), 1920);
	json_decref(j);
	sample_free(s);
}

static void times_are_microseconds(void **state)
{
	struct sample *s = sample_new(SAMPLE_ONE, false);
	json_t *j = made(&s->report);

	(void)state;
	assert_true(json_is_real(json_at(j, "latency_us.max")));
	assert_float_equal(json_number_value(json_at(j, "latency_us.max")),
	        (double)s->result.total->sent->max / 1000, 0.0001);
	assert_float_equal(json_number_value(json_at(j, "requests_per_second")), 952.381, 0.0001);
	json_decref(j);
	sample_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_always_there),
		cmocka_unit_test(classes_and_points_add_up),
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(times_are_microseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
