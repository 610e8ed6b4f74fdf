#include "unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "replay/job.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char path[] = "x/snapshot-0008918217.bin.zst", storage[] = "s3", version[] = "5.0.2";

static struct job fresh(void)
{
	return (struct job){
		.id = 140000000000001,
		.slice_id = 7,
		.start = 8918217,
		.end = 8918220,
		.last_block = 8918217,
		.snapshot_path = path,
		.storage_type = storage,
		.version = version,
		.since_ns = 1700000000LL * 1000000000,
	};
}

static void put(char out[SLICE_HASH_SIZE], const char *text)
{
	strcpy(out, text);
}

static int setup(void **state)
{
	(void)state;
	(void)setenv("TZ", "UTC-2", 1);
	tzset();
	return 0;
}

static void test_words(void **state)
{
	enum job_status s;

	(void)state;
	for (int i = 0; i < JOB_STATUS_COUNT; i++) {
		assert_int_equal(job_status_parse(job_status_name((enum job_status)i), &s), 0);
		assert_int_equal(s, i);
	}
	assert_string_equal(job_status_name(JOB_WAITING), "WAITING_4_WORKER");
	assert_string_equal(job_status_name(JOB_LOADING), "LOADING_SNAPSHOT");
	assert_int_equal(job_status_parse("working", &s), 1);
	assert_int_equal(job_status_parse("", &s), 1);
}

/* A row for each status, a letter for each next one: y may, n may not. */
static void test_steps(void **state)
{
	static const struct {
		const char *name, *next;
	} rows[JOB_STATUS_COUNT] = {
		/*                  W S L W C E T H */
		{ "WAITING_4_WORKER", "yynnnynn" },
		{ "STARTED", "yyyyyyyy" },
		{ "LOADING_SNAPSHOT", "ynyyyyyy" },
		{ "WORKING", "ynnyyyyy" },
		{ "COMPLETE", "ynnnynny" },
		{ "ERROR", "ynnnnynn" },
		{ "TIMEOUT", "ynnnnnyn" },
		{ "HASH_MISMATCH", "ynnnynny" },
	};

	(void)state;
	for (int i = 0; i < JOB_STATUS_COUNT; i++) {
		assert_string_equal(rows[i].name, job_status_name((enum job_status)i));
		for (int k = 0; k < JOB_STATUS_COUNT; k++)
			if (job_may_become((enum job_status)i, (enum job_status)k) !=
			        (rows[i].next[k] == 'y'))
				fail_msg("%s -> %s", rows[i].name,
				        job_status_name((enum job_status)k));
	}
}

static void test_verdict(void **state)
{
	static const struct {
		enum job_status status;
		const char *expected, *actual;
		enum job_verdict verdict;
	} rows[] = {
		{ JOB_WAITING, HASH_A, "", JOB_OPEN },
		{ JOB_WORKING, HASH_A, HASH_B, JOB_OPEN },
		{ JOB_COMPLETE, "", HASH_A, JOB_UNVERIFIED },
		{ JOB_COMPLETE, HASH_A, "", JOB_UNVERIFIED },
		{ JOB_COMPLETE, "", "", JOB_UNVERIFIED },
		{ JOB_COMPLETE, HASH_A, HASH_A, JOB_VERIFIED },
		{ JOB_COMPLETE, "ABC", "abc", JOB_VERIFIED },
		{ JOB_COMPLETE, HASH_A, HASH_B, JOB_MISMATCH },
		{ JOB_HASH_MISMATCH, HASH_A, HASH_B, JOB_MISMATCH },
		{ JOB_ERROR, HASH_A, HASH_A, JOB_FAILED },
		{ JOB_TIMEOUT, "", "", JOB_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = fresh();

		j.status = rows[i].status;
		put(j.expected_hash, rows[i].expected);
		put(j.actual_hash, rows[i].actual);
		if (job_verdict(&j) != rows[i].verdict)
			fail_msg("row %zu: %s", i, job_verdict_name(job_verdict(&j)));
	}
}

static void same_json(const struct job *j, const char *wanted)
{
	json_t *o = job_json(j);
	char *text = json_dumps(o, 0);

	assert_string_equal(text, wanted);
	free(text);
	json_decref(o);
}

static void same_line(const struct job *j, const char *wanted)
{
	char *line = job_line(j);

	assert_string_equal(line, wanted);
	free(line);
}

#define HEAD                                                                        \
	"{\"job_id\": 140000000000001, \"replay_slice_id\": 7, \"snapshot_path\": " \
	"\"x/snapshot-0008918217.bin.zst\", \"storage_type\": \"s3\", "

/* As job_status.py writes them. */
static void test_forms(void **state)
{
	struct job j = fresh();

	(void)state;
	same_json(&j,
	        HEAD "\"leap_version\": \"5.0.2\", \"start_block_num\": 8918217, "
	             "\"end_block_num\": 8918220, \"status\": \"WAITING_4_WORKER\", "
	             "\"last_block_processed\": 0, \"start_time\": \"2023-11-15T00:13:20\", "
	             "\"end_time\": null, \"expected_integrity_hash\": \"\", "
	             "\"actual_integrity_hash\": null}");
	same_line(&j,
	        "job_id=140000000000001, replay_slice_id=7, "
	        "snapshot_path=x/snapshot-0008918217.bin.zst, storage_type=s3, "
	        "leap_version=5.0.2, start_block_num=8918217, end_block_num=8918220, "
	        "status=WAITING_4_WORKER, last_block_processed=0, "
	        "start_time=2023-11-15T00:13:20, end_time=None, expected_integrity_hash=, "
	        "actual_integrity_hash=None");
	j.is_spring = true;
	j.status = JOB_COMPLETE;
	j.last_block = 8918220;
	j.start_ns = j.since_ns + 60LL * 1000000000;
	j.end_ns = j.since_ns + 120LL * 1000000000;
	put(j.expected_hash, HASH_A);
	put(j.actual_hash, HASH_A);
	same_json(&j,
	        HEAD "\"spring_version\": \"5.0.2\", \"start_block_num\": 8918217, "
	             "\"end_block_num\": 8918220, \"status\": \"COMPLETE\", "
	             "\"last_block_processed\": 8918220, \"start_time\": \"2023-11-15T00:14:20\", "
	             "\"end_time\": \"2023-11-15T00:15:20\", \"expected_integrity_hash\": "
	             "\"" HASH_A "\", \"actual_integrity_hash\": \"" HASH_A "\"}");
	strcpy(j.end_text, "as posted");
	same_line(&j,
	        "job_id=140000000000001, replay_slice_id=7, "
	        "snapshot_path=x/snapshot-0008918217.bin.zst, storage_type=s3, "
	        "spring_version=5.0.2, start_block_num=8918217, end_block_num=8918220, "
	        "status=COMPLETE, last_block_processed=8918220, "
	        "start_time=2023-11-15T00:14:20, end_time=as posted, "
	        "expected_integrity_hash=" HASH_A ", actual_integrity_hash=" HASH_A);
}

static void test_etag(void **state)
{
	struct job j = fresh();
	char first[JOB_ETAG_SIZE], other[JOB_ETAG_SIZE];

	(void)state;
	job_etag(&j, first);
	assert_int_equal(strlen(first), 40);
	assert_int_equal(strspn(first, "0123456789abcdef"), 40);
	/* What clients do not see does not count, what they see does. */
	j.tries = 3;
	strcpy(j.worker, "w");
	job_etag(&j, other);
	assert_string_equal(first, other);
	put(j.expected_hash, HASH_A);
	job_etag(&j, other);
	assert_string_not_equal(first, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_verdict),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_etag),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
