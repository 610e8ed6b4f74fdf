#include "unit/test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "replay/book.h"
#include "replay/certificate.h"

/* --- a book of our own ------------------------------------------------------------------------ */

#define JOBS_MAX 16
#define DAY_NS   INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */

static struct job jobs[JOBS_MAX];
static size_t n_jobs;

size_t __wrap_book_count(const struct book *b);
const struct job *__wrap_book_at(const struct book *b, size_t i);

size_t __wrap_book_count(const struct book *b)
{
	(void)b;
	return n_jobs;
}

const struct job *__wrap_book_at(const struct book *b, size_t i)
{
	(void)b;
	return &jobs[i];
}

/* The hash of the state at a height. */
static void put_hash(char out[SLICE_HASH_SIZE], uint32_t height)
{
	snprintf(out, SLICE_HASH_SIZE, "%064x", height + 0xabc000);
}

/* n verified slices of 100 blocks each. */
static int set_up(void **state)
{
	(void)state;
	memset(jobs, 0, sizeof(jobs));
	n_jobs = 4;
	for (uint32_t i = 0; i < JOBS_MAX; i++) {
		struct job *j = &jobs[i];

		j->id = (int64_t)1 << 40 | i;
		j->slice_id = i + 1;
		j->start = i * 100;
		j->end = j->last_block = i * 100 + 100;
		j->status = JOB_COMPLETE;
		j->tries = 1;
		j->start_ns = DAY_NS + i * NS_PER_SEC;
		j->end_ns = j->start_ns + 2 * NS_PER_SEC;
		put_hash(j->start_hash, j->start);
		put_hash(j->actual_hash, j->end);
		put_hash(j->expected_hash, j->end);
		snprintf(j->nodeos_version, sizeof(j->nodeos_version), "v4.0.6");
		snprintf(j->worker, sizeof(j->worker), "host-%u", i);
	}
	return 0;
}

static json_t *made(void)
{
	struct err e = ERR_INIT;
	AUTO(certificate_draft_free)
	struct certificate_draft *d = certificate_begin(NULL, DAY_NS, &e);
	json_t *c = d ? certificate_end(d, &e) : NULL;

	if (!c)
		fail_msg("%s", e.msg);
	return c;
}

/* --- what is told ----------------------------------------------------------------------------- */

#define TOLD_MAX 40

static struct {
	size_t n;
	int64_t slice[TOLD_MAX];
	char text[TOLD_MAX][700];
} told;

static void hear(void *arg, int64_t slice, const char *text)
{
	(void)arg;
	assert_in_range(told.n, 0, TOLD_MAX - 1);
	told.slice[told.n] = slice;
	snprintf(told.text[told.n++], sizeof(told.text[0]), "%s", text);
}

static int verified(const json_t *c)
{
	struct err e = ERR_INIT;
	int rc;

	told.n = 0;
	rc = certificate_verify(c, hear, NULL, &e);
	if (rc < 0)
		print_message("%s\n", e.msg);
	else
		assert_int_equal(rc, told.n);
	return rc;
}

static int diffed(const json_t *a, const json_t *b)
{
	struct err e = ERR_INIT;

	told.n = 0;
	return certificate_diff(a, b, hear, NULL, &e);
}

static void assert_told(size_t i, int64_t slice, const char *part)
{
	if (i >= told.n || told.slice[i] != slice || !strstr(told.text[i], part))
		fail_msg("told[%zu] of %zu: slice %lld: '%s', wanted slice %lld: '%s'", i, told.n,
		        i < told.n ? (long long)told.slice[i] : -1, i < told.n ? told.text[i] : "",
		        (long long)slice, part);
}

/* --- making ----------------------------------------------------------------------------------- */

static void a_whole_run(void **state)
{
	json_t *c = made(), *slice = json_array_get(json_object_get(c, "slices"), 1);
	static const char *const keys[] = { "format", "nodeos_versions", "first_block",
		"last_block", "created_at", "verified", "slices", "gaps", "digest" };
	const char *key;
	size_t i = 0;
	json_t *v;

	(void)state;
	json_object_foreach(c, key, v) assert_string_equal(key, keys[i++]);
	assert_int_equal(i, sizeof(keys) / sizeof(keys[0]));
	assert_int_equal(json_int(c, "first_block", -1), 0);
	assert_int_equal(json_int(c, "last_block", -1), 400);
	assert_true(json_bool(c, "verified", false));
	assert_int_equal(json_array_size(json_object_get(c, "gaps")), 0);
	assert_string_equal(json_str(c, "created_at", ""), "2026-01-01T00:00:00.000Z");
	assert_int_equal(json_int(slice, "slice_id", 0), 2);
	assert_int_equal(json_int(slice, "start_block", 0), 100);
	assert_int_equal(json_int(slice, "seconds", 0), 2);
	assert_string_equal(json_str(slice, "worker", ""), "host-1");
	assert_string_equal(json_str(slice, "verdict", ""), "verified");
	assert_string_equal(json_str(slice, "ended_at", ""), "2026-01-01T00:00:03.000Z");
	assert_int_equal(verified(c), 0);
	json_decref(c);
}

/* Heights upwards, whatever the manifest's order. */
static void it_goes_upwards(void **state)
{
	struct job first = jobs[0];
	json_t *c, *slices;

	(void)state;
	jobs[0] = jobs[3];
	jobs[3] = first;
	c = made();
	slices = json_object_get(c, "slices");
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(json_int(json_array_get(slices, i), "start_block", -1), i * 100);
	assert_int_equal(verified(c), 0);
	json_decref(c);
}

/* The public client tells a start hash as what the slice before should have ended with. */
static void start_hash_of_an_old_client(void **state)
{
	json_t *c;

	(void)state;
	*jobs[2].start_hash = '\0';
	c = made();
	assert_int_equal(verified(c), 1);
	assert_told(0, 3, "no hash of its start at block 200");
	json_decref(c);
	jobs[1].is_expected_learned = true;
	c = made();
	assert_int_equal(verified(c), 0);
	json_decref(c);
}

/* What is no hash does not get in, nor does half a character. */
static void what_old_clients_post(void **state)
{
	json_t *c;

	(void)state;
	for (size_t i = 0; i < SLICE_HASH_SIZE; i++)
		jobs[0].actual_hash[i] = (char)toupper((unsigned char)jobs[0].actual_hash[i]);
	snprintf(jobs[1].actual_hash, SLICE_HASH_SIZE, "NA-ERROR");
	jobs[1].status = JOB_HASH_MISMATCH;
	snprintf(jobs[2].worker, sizeof(jobs[2].worker), "h\xc3");
	c = made();
	assert_false(json_bool(c, "verified", true));
	assert_int_equal(verified(c), 1);
	assert_told(0, 2, "no hash of its end");
	json_decref(c);
}

/* --- verifying -------------------------------------------------------------------------------- */

/* The end of the last is one worker's word: no fault, and not "verified". */
static void the_last_is_unverified(void **state)
{
	json_t *c;

	(void)state;
	*jobs[3].expected_hash = '\0';
	c = made();
	assert_false(json_bool(c, "verified", true));
	assert_int_equal(verified(c), 0);
	json_decref(c);
	*jobs[1].expected_hash = '\0';
	c = made();
	assert_int_equal(verified(c), 1);
	assert_told(0, 2, "compared with nothing");
	json_decref(c);
}

static void what_is_open_or_failed(void **state)
{
	json_t *c;

	(void)state;
	jobs[1].status = JOB_WORKING;
	jobs[2].status = JOB_ERROR;
	jobs[3].status = JOB_TIMEOUT;
	c = made();
	assert_false(json_bool(c, "verified", true));
	assert_int_equal(verified(c), 3);
	assert_told(0, 2, "blocks 100 to 200: no result (open)");
	assert_told(1, 3, "no result (failed)");
	assert_told(2, 4, "no result (failed)");
	json_decref(c);
}

/* The wrong version's slice is named, once: not its link to the next, too. */
static void a_mismatch(void **state)
{
	json_t *c;

	(void)state;
	put_hash(jobs[2].actual_hash, 12345);
	jobs[2].status = JOB_HASH_MISMATCH;
	c = made();
	assert_int_equal(verified(c), 1);
	assert_told(0, 3, "blocks 200 to 300 end with hash");
	assert_told(0, 3, "was expected");
	json_decref(c);
}

/* One that was verified by hand-made words: the next does not start where it ends. */
static void a_broken_link(void **state)
{
	json_t *c;

	(void)state;
	put_hash(jobs[2].actual_hash, 12345);
	put_hash(jobs[2].expected_hash, 12345);
	c = made();
	assert_int_equal(verified(c), 1);
	assert_told(0, 4, "starts at block 300 with hash");
	json_decref(c);
}

static void gaps_overlaps_duplicates(void **state)
{
	static const struct {
		uint32_t start, end; /* of slice 2 of three, from 100 to 200 */
		int faults;
		int64_t slice;
		const char *text;
	} rows[] = {
		{ 110, 200, 1, 2, "starts at block 110, and slice 1 before it ends at 100" },
		{ 90, 200, 1, 2, "starts at block 90, before slice 1 ends at 100" },
		{ 0, 100, 2, 2, "blocks 0 to 100 are those of slice 1, too" },
		{ 100, 190, 1, 3, "starts at block 200, and slice 2 before it ends at 190" },
		{ 100, 100, 2, 2, "ends at block 100, not behind its start, 100" },
	};

	n_jobs = 3;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *c;

		(void)set_up(state);
		n_jobs = 3;
		jobs[1].start = rows[i].start;
		jobs[1].end = rows[i].end;
		c = made();
		if (verified(c) != rows[i].faults)
			fail_msg("row %zu: %zu faults, the first: %s", i, told.n,
			        told.n ? told.text[0] : "");
		assert_told(0, rows[i].slice, rows[i].text);
		json_decref(c);
	}
}

static void the_gaps_are_listed(void **state)
{
	json_t *c, *gap;

	(void)state;
	jobs[1].end = 150;
	c = made();
	assert_int_equal(json_array_size(json_object_get(c, "gaps")), 1);
	gap = json_array_get(json_object_get(c, "gaps"), 0);
	assert_int_equal(json_int(gap, "start_block", 0), 150);
	assert_int_equal(json_int(gap, "end_block", 0), 200);
	assert_false(json_bool(c, "verified", true));
	json_decref(c);
}

/* Every value is under the digest; the text's form is not. */
static void the_digest(void **state)
{
	static const char *const edits[] = { "first_block", "last_block", "created_at", "verified",
		"nodeos_versions", "gaps", "digest", "further" };
	AUTO(free) char *text = NULL;
	struct err e = ERR_INIT;
	json_t *c = made(), *again;

	(void)state;
	jobs[1].end_ns += NS_PER_MS * 345;
	json_decref(c);
	c = made();
	text = json_text(c, true);
	assert_non_null(text);
	again = json_parse_object(text, strlen(text), "it", &e);
	assert_non_null(again);
	assert_int_equal(verified(again), 0);
	json_decref(again);
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		again = json_deep_copy(c);
		json_object_set_new(again, edits[i], json_string("2026-01-01T00:00:00.001Z"));
		if (verified(again) == 0)
			fail_msg("'%s' can be changed", edits[i]);
		json_decref(again);
	}
	again = json_deep_copy(c);
	json_object_set_new(json_array_get(json_object_get(again, "slices"), 2), "worker",
	        json_string("other"));
	assert_int_equal(verified(again), 1);
	assert_told(0, 0, "its digest is not that of its content");
	json_decref(again);
	json_decref(c);
}

/* With a right digest, too, it must say what its slices say. */
static void it_does_not_overstate(void **state)
{
	json_t *c;

	(void)state;
	jobs[1].slice_id = 1;
	c = made();
	assert_int_equal(verified(c), 1);
	assert_told(0, 1, "is there more than once");
	json_decref(c);
	n_jobs = 0;
	c = made();
	assert_false(json_bool(c, "verified", true));
	assert_int_equal(verified(c), 1);
	assert_told(0, 0, "there is no slice in it");
	json_decref(c);
}

static void what_is_no_certificate(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"format\":2,\"slices\":[]}",
		"{\"format\":1}",
		"{\"format\":1,\"slices\":{}}",
		"{\"format\":1,\"slices\":[1]}",
		"{\"format\":1,\"slices\":[{}]}",
		"{\"format\":1,\"slices\":[{\"slice_id\":0,\"start_block\":0,\"end_block\":1,"
		"\"verdict\":\"open\"}]}",
		"{\"format\":1,\"slices\":[{\"slice_id\":1,\"start_block\":-1,\"end_block\":1,"
		"\"verdict\":\"open\"}]}",
		"{\"format\":1,\"slices\":[{\"slice_id\":1,\"start_block\":0,\"end_block\":"
		"4294967296,"
		"\"verdict\":\"open\"}]}",
		"{\"format\":1,\"slices\":[{\"slice_id\":1,\"start_block\":0,\"end_block\":1}]}",
		"{\"format\":1,\"slices\":[{\"slice_id\":1,\"start_block\":0,\"end_block\":1,"
		"\"verdict\":\"open\",\"end_hash\":\"ab\"}]}",
		"{\"format\":1,\"slices\":[{\"slice_id\":1,\"start_block\":0,\"end_block\":1,"
		"\"verdict\":\"open\",\"start_hash\":1}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err e = ERR_INIT;
		json_t *c = json_parse(texts[i], strlen(texts[i]), "it", &e);

		assert_non_null(c);
		if (certificate_verify(c, hear, NULL, &e) != -1 || e.kind != ERR_PROTOCOL)
			fail_msg("%s: %s", texts[i], e.msg);
		err_clear(&e);
		assert_int_equal(certificate_diff(c, c, hear, NULL, &e), -1);
		json_decref(c);
	}
}

/* --- comparing -------------------------------------------------------------------------------- */

static void alike(void **state)
{
	json_t *a = made(), *b;

	(void)state;
	for (size_t i = 0; i < n_jobs; i++) {
		snprintf(jobs[i].worker, sizeof(jobs[i].worker), "other");
		snprintf(jobs[i].nodeos_version, sizeof(jobs[i].nodeos_version), "v5.0.2");
	}
	b = made();
	assert_int_equal(diffed(a, b), 0);
	assert_int_equal(told.n, 1);
	assert_told(0, 0, "nodeos versions are [\"v4.0.6\"] in A and [\"v5.0.2\"] in B");
	json_decref(a);
	json_decref(b);
}

/* Wrong from block 250 on: each slice from there starts right and ends wrong. */
static void the_first_is_where_it_went_wrong(void **state)
{
	json_t *a = made(), *b;

	(void)state;
	put_hash(jobs[2].actual_hash, 777);
	put_hash(jobs[3].actual_hash, 778);
	jobs[2].status = jobs[3].status = JOB_HASH_MISMATCH;
	b = made();
	assert_int_equal(diffed(a, b), 2);
	assert_told(0, 3, "blocks 200 to 300 start alike, and end with hash");
	assert_told(1, 4, "blocks 300 to 400 start alike");
	json_decref(a);
	json_decref(b);
}

static void other_slices(void **state)
{
	json_t *a = made(), *b;

	(void)state;
	jobs[1].status = JOB_ERROR;
	jobs[3].start = 310;
	b = made();
	assert_int_equal(diffed(a, b), 3);
	assert_told(0, 2, "in A and with none in B");
	assert_told(1, 4, "1 slice is only in A, of blocks 300 to 400");
	assert_told(2, 4, "1 slice is only in B, of blocks 310 to 400");
	json_decref(a);
	json_decref(b);
	n_jobs = 1;
	a = made();
	(void)set_up(state);
	b = made();
	assert_int_equal(diffed(a, b), 1);
	assert_told(0, 2, "3 slices are only in B, the first of blocks 100 to 200");
	json_decref(a);
	json_decref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_whole_run, set_up),
		cmocka_unit_test_setup(it_goes_upwards, set_up),
		cmocka_unit_test_setup(start_hash_of_an_old_client, set_up),
		cmocka_unit_test_setup(what_old_clients_post, set_up),
		cmocka_unit_test_setup(the_last_is_unverified, set_up),
		cmocka_unit_test_setup(what_is_open_or_failed, set_up),
		cmocka_unit_test_setup(a_mismatch, set_up),
		cmocka_unit_test_setup(a_broken_link, set_up),
		cmocka_unit_test_setup(gaps_overlaps_duplicates, set_up),
		cmocka_unit_test_setup(the_gaps_are_listed, set_up),
		cmocka_unit_test_setup(the_digest, set_up),
		cmocka_unit_test_setup(it_does_not_overstate, set_up),
		cmocka_unit_test_setup(what_is_no_certificate, set_up),
		cmocka_unit_test_setup(alike, set_up),
		cmocka_unit_test_setup(the_first_is_where_it_went_wrong, set_up),
		cmocka_unit_test_setup(other_slices, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
