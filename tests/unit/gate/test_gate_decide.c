#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "gate/decide.h"
#include "lease/record.h"

/* A slot begins at real time T0; in it nodeos asks at 400 ms. */
#define T0    (1800000000LL * NS_PER_SEC)
#define BOOT0 (1000 * NS_PER_SEC)
#define EPOCH 7

static struct lease_right right;
static struct gate_mind mind;

static int set_up(void **state UNUSED)
{
	lease_right_init(&right);
	lease_right_set(&right, EPOCH, BOOT0 + 3600 * NS_PER_SEC, lease_slot_at(T0) - 100,
	        lease_slot_at(T0) + 100);
	gate_mind_init(&mind);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	lease_right_release(&right);
	return 0;
}

/* One thing that happens, and what comes of it. */
enum what { END, ASK, ASK_LATE, OPEN, CLOSE, DROP, RIGHT, HEIGHTS, HEAD };

struct step {
	enum what what;
	int ms;      /* since T0; or the epoch, the head */
	char digest; /* its first byte; with heights the block's number is 0x01010100 and this */
	enum gate_refusal why;
	int clock_ms; /* that the wall clock is wrong */
	char other;   /* its last byte: another block of the same number */
};

static enum gate_refusal ask(const struct step *s)
{
	struct gate_ask q = { .boot_ns = BOOT0 + s->ms * NS_PER_MS,
		.real_ns = T0 + (s->ms + s->clock_ms) * NS_PER_MS };
	enum gate_refusal why;

	memset(q.digest, 1, sizeof(q.digest));
	q.digest[3] = (unsigned char)s->digest;
	q.digest[GATE_DIGEST_LEN - 1] = (unsigned char)s->other;
	why = gate_decide(&mind, &right, &q);
	if (why != GATE_SIGNED)
		return why;
	gate_note_signed(&mind, &q);
	why = gate_may_give(&mind, &right, &q,
	        q.boot_ns + (s->what == ASK_LATE ? GATE_LATE_NS + 1 : NS_PER_MS));
	if (why == GATE_SIGNED)
		gate_note_given(&mind, &q);
	return why;
}

static void play(const char *name, const struct step *s)
{
	for (size_t i = 0; s[i].what != END; i++) {
		enum gate_refusal why;

		switch (s[i].what) {
		case OPEN:
			gate_mind_open(&mind, (uint64_t)s[i].ms);
			break;
		case CLOSE:
			gate_mind_close(&mind);
			break;
		case DROP:
			lease_right_drop(&right);
			break;
		case RIGHT:
			lease_right_set(&right, (uint64_t)s[i].ms, BOOT0 + 3600 * NS_PER_SEC, 0,
			        UINT32_MAX);
			break;
		case HEIGHTS:
			mind.has_heights = true;
			break;
		case HEAD:
			mind.head = (uint32_t)s[i].ms;
			break;
		case ASK:
		case ASK_LATE:
			why = ask(&s[i]);
			if (why != s[i].why)
				fail_msg("%s, step %zu: %s", name, i, gate_refusal_name(why));
			break;
		case END:
		default:
			break;
		}
	}
}

static const struct {
	const char *name;
	struct step s[12];
} t[] = {
	{ "never opened", { { ASK, 400, 'a', GATE_CLOSED }, { ASK, 401, 'a', GATE_CLOSED } } },
	{ "the first after opening, then each slot",
	        { { OPEN, EPOCH }, { ASK, 400, 'a', GATE_FIRST }, { ASK, 401, 'a', GATE_SIGNED },
	                { ASK, 900, 'b', GATE_SIGNED }, { ASK, 1400, 'c', GATE_SIGNED } } },
	{ "the first after opening, though nodeos has asked all the time",
	        { { ASK, 400, 'a', GATE_CLOSED }, { OPEN, EPOCH }, { ASK, 900, 'b', GATE_FIRST },
	                { ASK, 901, 'b', GATE_SIGNED } } },
	{ "opened twice in an epoch is opened once",
	        { { OPEN, EPOCH }, { ASK, 400, 'a', GATE_FIRST }, { ASK, 401, 'a', GATE_SIGNED },
	                { OPEN, EPOCH }, { ASK, 900, 'b', GATE_SIGNED } } },
	{ "closed and opened again",
	        { { OPEN, EPOCH }, { ASK, 400, 'a', GATE_FIRST }, { ASK, 401, 'a', GATE_SIGNED },
	                { CLOSE }, { ASK, 900, 'b', GATE_CLOSED }, { OPEN, EPOCH },
	                { ASK, 1400, 'c', GATE_FIRST }, { ASK, 1401, 'c', GATE_SIGNED } } },
	{ "a second of silence is none, more is",
	        { { OPEN, EPOCH }, { ASK, 400, 'a', GATE_FIRST }, { ASK, 401, 'a', GATE_SIGNED },
	                { ASK, 1401, 'b', GATE_SIGNED }, { ASK, 2402, 'c', GATE_FIRST },
	                { ASK, 2403, 'd', GATE_SIGNED } } },
	{ "one digest in a slot, as often as it is asked",
	        { { OPEN, EPOCH }, { ASK, 400, 'a', GATE_FIRST }, { ASK, 401, 'a', GATE_SIGNED },
	                { ASK, 402, 'b', GATE_OTHER_DIGEST }, { ASK, 403, 'a', GATE_SIGNED },
	                { ASK, 499, 'c', GATE_OTHER_DIGEST }, { ASK, 500, 'd', GATE_SIGNED } } },
	{ "what was asked in the slot before is late",
	        { { OPEN, EPOCH }, { ASK, 499, 'a', GATE_FIRST }, { ASK, 500, 'a', GATE_OLD_SLOT },
	                { ASK, 501, 'b', GATE_SIGNED } } },
	{ "also when it was signed",
	        { { OPEN, EPOCH }, { ASK, 400, 'x', GATE_FIRST }, { ASK, 499, 'a', GATE_SIGNED },
	                { ASK, 501, 'a', GATE_OLD_SLOT } } },
	{ "a clock that is set back",
	        { { OPEN, EPOCH }, { ASK, 400, 'a', GATE_FIRST }, { ASK, 901, 'b', GATE_SIGNED },
	                { ASK, 1400, 'c', GATE_OLD_SLOT, -1000 },
	                { ASK, 1900, 'd', GATE_OTHER_DIGEST, -1000 },
	                { ASK, 2400, 'e', GATE_SIGNED, -1000 } } },
	{ "a slot beyond the right",
	        { { OPEN, EPOCH }, { ASK, 400, 'a', GATE_FIRST },
	                { ASK, 900, 'b', GATE_SIGNED, 49000 },
	                { ASK, 901, 'c', GATE_NO_RIGHT, 51000 } } },
	{ "a slot before the right",
	        { { OPEN, EPOCH }, { ASK, 400, 'a', GATE_FIRST },
	                { ASK, 900, 'b', GATE_NO_RIGHT, -52000 } } },
	{ "the right is of another epoch",
	        { { OPEN, EPOCH + 1 }, { ASK, 400, 'a', GATE_NO_RIGHT }, { RIGHT, EPOCH + 1 },
	                { ASK, 401, 'a', GATE_SIGNED }, { RIGHT, EPOCH + 2 },
	                { ASK, 900, 'b', GATE_NO_RIGHT } } },
	{ "the right is dropped",
	        { { OPEN, EPOCH }, { ASK, 400, 'a', GATE_FIRST }, { ASK, 401, 'a', GATE_SIGNED },
	                { DROP }, { ASK, 900, 'b', GATE_NO_RIGHT } } },
	{ "the right ends in time",
	        { { OPEN, EPOCH }, { ASK, 3599000, 'a', GATE_FIRST, -3599000 },
	                { ASK, 3599990, 'b', GATE_SIGNED, -3599000 },
	                { ASK, 3600000, 'c', GATE_NO_RIGHT, -3599000 } } },
	{ "heights rise",
	        { { OPEN, EPOCH }, { HEIGHTS }, { HEAD, 0x01010100 }, { ASK, 400, 10, GATE_FIRST },
	                { ASK, 401, 10, GATE_SIGNED }, { ASK, 402, 10, GATE_SIGNED },
	                { ASK, 900, 9, GATE_HEIGHT }, { ASK, 901, 11, GATE_SIGNED },
	                { ASK, 1400, 12, GATE_SIGNED } } },
	{ "a number is used up by an answer that was given, not by a late one",
	        { { OPEN, EPOCH }, { HEIGHTS }, { HEAD, 0x01010100 }, { ASK, 400, 10, GATE_FIRST },
	                { ASK_LATE, 401, 10, GATE_OLD_SLOT },
	                { ASK, 402, 10, GATE_OTHER_DIGEST, 0, 'b' },
	                { ASK, 900, 10, GATE_SIGNED, 0, 'c' },
	                { ASK, 1400, 10, GATE_HEIGHT, 0, 'd' } } },
	{ "a block that was lost is made again when the gate is opened again",
	        { { OPEN, EPOCH }, { HEIGHTS }, { HEAD, 0x01010109 }, { ASK, 400, 10, GATE_FIRST },
	                { ASK, 401, 10, GATE_SIGNED }, { ASK, 900, 10, GATE_HEIGHT, 0, 'b' },
	                { CLOSE }, { OPEN, EPOCH }, { ASK, 1400, 10, GATE_FIRST, 0, 'c' },
	                { ASK, 1401, 10, GATE_SIGNED, 0, 'c' } } },
	{ "one that is in the chain is not",
	        { { OPEN, EPOCH }, { HEIGHTS }, { HEAD, 0x01010109 }, { ASK, 400, 10, GATE_FIRST },
	                { ASK, 401, 10, GATE_SIGNED }, { CLOSE }, { HEAD, 0x0101010b },
	                { OPEN, EPOCH }, { ASK, 1400, 10, GATE_FIRST, 0, 'c' },
	                { ASK, 1401, 10, GATE_HEIGHT, 0, 'c' } } },
	{ "heights near the head only",
	        { { OPEN, EPOCH }, { HEIGHTS }, { ASK, 400, 10, GATE_FIRST },
	                { ASK, 401, 10, GATE_HEIGHT }, { HEAD, 0x01010100 + 10 - 1001 },
	                { ASK, 402, 10, GATE_HEIGHT }, { HEAD, 0x01010100 + 10 - 1000 },
	                { ASK, 403, 10, GATE_SIGNED } } },
};

static void sequences(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		set_up(NULL);
		play(t[i].name, t[i].s);
		tear_down(NULL);
	}
}

static struct gate_ask asked_at(int ms, char digest)
{
	struct gate_ask q = { .boot_ns = BOOT0 + ms * NS_PER_MS, .real_ns = T0 + ms * NS_PER_MS };

	memset(q.digest, digest, sizeof(q.digest));
	return q;
}

/* Of a former process, in the same slot. */
static void what_was_signed_before(void **state UNUSED)
{
	struct gate_ask other = asked_at(401, 'b'), same = asked_at(402, 'a'), q;

	gate_mind_load(&mind, lease_slot_at(T0), same.digest, 0);
	gate_mind_open(&mind, EPOCH);
	q = asked_at(400, 'b');
	assert_int_equal(gate_decide(&mind, &right, &q), GATE_FIRST);
	assert_int_equal(gate_decide(&mind, &right, &other), GATE_OTHER_DIGEST);
	assert_int_equal(gate_decide(&mind, &right, &same), GATE_SIGNED);
	assert_false(gate_is_new(&mind, &same));
	mind.slot++;
	q = asked_at(403, 'c');
	assert_int_equal(gate_decide(&mind, &right, &q), GATE_OLD_SLOT);
}

/* What happens between the decision and the answer. */
static void the_second_look(void **state UNUSED)
{
	struct gate_ask first = asked_at(400, 'a'), q = asked_at(401, 'a');

	gate_mind_open(&mind, EPOCH);
	assert_int_equal(gate_decide(&mind, &right, &first), GATE_FIRST);
	assert_int_equal(gate_decide(&mind, &right, &q), GATE_SIGNED);
	assert_true(gate_is_new(&mind, &q));
	gate_note_signed(&mind, &q);
	assert_false(gate_is_new(&mind, &q));
	assert_int_equal(gate_may_give(&mind, &right, &q, q.boot_ns + GATE_LATE_NS), GATE_SIGNED);
	assert_int_equal(
	        gate_may_give(&mind, &right, &q, q.boot_ns + GATE_LATE_NS + 1), GATE_OLD_SLOT);
	assert_int_equal(
	        gate_may_give(&mind, &right, &q, BOOT0 + 3600 * NS_PER_SEC), GATE_NO_RIGHT);
	gate_mind_close(&mind);
	assert_int_equal(gate_may_give(&mind, &right, &q, q.boot_ns), GATE_CLOSED);
	/* Open again, in the same epoch even: it was asked before that. */
	gate_mind_open(&mind, EPOCH);
	assert_int_equal(gate_may_give(&mind, &right, &q, q.boot_ns), GATE_CLOSED);
	lease_right_drop(&right);
	q.opening = mind.opening;
	assert_int_equal(gate_may_give(&mind, &right, &q, q.boot_ns), GATE_NO_RIGHT);
}

/* Low numbers, too, are no block's for a gate that knows of no head. */
static void no_head(void **state UNUSED)
{
	struct gate_ask q = asked_at(400, 0);

	mind.has_heights = true;
	q.digest[3] = 5;
	gate_mind_open(&mind, EPOCH);
	assert_int_equal(gate_decide(&mind, &right, &q), GATE_FIRST);
	assert_int_equal(gate_decide(&mind, &right, &q), GATE_HEIGHT);
	mind.head = 4;
	assert_int_equal(gate_decide(&mind, &right, &q), GATE_SIGNED);
	assert_int_equal(q.height, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequences),
		cmocka_unit_test_setup_teardown(what_was_signed_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_second_look, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_head, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
