#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "supervise/tenure_heads.h"

#define CHAIN "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define OTHER "aca376f206b8fc25a6ed44dbdc66547c36c6c33e3a119ffbeaef943642f0e906"

/* --- a chain, and another that leaves it after some block ------------------------------------- */

static const char *id_of(char out[NODEOS_ID_HEX_SIZE], uint32_t num, char fork)
{
	memset(out, fork, NODEOS_ID_HEX_SIZE - 1);
	out[NODEOS_ID_HEX_SIZE - 1] = '\0';
	(void)snprintf(out, NODEOS_ID_HEX_SIZE, "%08x", num);
	out[8] = fork;
	return out;
}

/* Ours: head 100, irreversible 90; blocks before 50 are not there. */
static struct nodeos_info ours(void)
{
	struct nodeos_info i = { .head_block_num = 100, .last_irreversible_block_num = 90 };

	(void)id_of(i.head_block_id, 100, 'a');
	(void)id_of(i.last_irreversible_block_id, 90, 'a');
	return i;
}

/* 'a' as ours; 'b': another after block 95; 'c': another after block 85. */
static char fork_at(char branch, uint32_t num)
{
	if (branch == 'b')
		return num > 95 ? 'b' : 'a';
	if (branch == 'c')
		return num > 85 ? 'c' : 'a';
	return 'a';
}

struct row {
	/* HEAD/LIB/BRANCH, blank separated; then q: was asked for its block at our LIB, h: holds
	 * the lease, f: says that it is forked. */
	const char *name, *others;
	enum tenure_heads wanted;
	const char *needs;
	const char *why; /* a part of it */
};

static size_t read_others(struct tenure_peer v[TENURE_PEERS_MAX], const char *text)
{
	size_t n = 0;
	unsigned head, lib;
	char branch;
	int len;

	for (; sscanf(text, " %u/%u/%c%n", &head, &lib, &branch, &len) == 3; text += len, n++) {
		assert_true(n < TENURE_PEERS_MAX);
		v[n] = (struct tenure_peer){ .head = head, .lib = lib };
		(void)snprintf(v[n].who, sizeof(v[n].who), "r.%zu on n", n + 1);
		(void)id_of(v[n].head_id, head, fork_at(branch, head));
		(void)id_of(v[n].lib_id, lib, fork_at(branch, lib));
		for (; text[len] && text[len] != ' '; len++) {
			if (text[len] == 'q')
				(void)id_of(v[n].at_lib_id, 90, fork_at(branch, 90));
			v[n].holds = v[n].holds || text[len] == 'h';
			v[n].is_forked = v[n].is_forked || text[len] == 'f';
		}
	}
	return n;
}

/* What our nodeos says of the heights that are needed. */
static size_t know(struct tenure_height have[TENURE_HEIGHTS_MAX], const struct nodeos_info *i,
        const struct tenure_peer *v, size_t n)
{
	uint32_t heights[TENURE_HEIGHTS_MAX];
	size_t nneeds = tenure_heads_needs(i, v, n, heights);

	for (size_t k = 0; k < nneeds; k++) {
		have[k].num = heights[k];
		have[k].id[0] = '\0';
		if (heights[k] >= 50)
			(void)id_of(have[k].id, heights[k], 'a');
	}
	return nneeds;
}

static enum tenure_heads judge(const char *others, char needs[256], char why[200])
{
	struct tenure_peer v[TENURE_PEERS_MAX];
	struct tenure_height have[TENURE_HEIGHTS_MAX];
	struct nodeos_info i = ours();
	size_t n = read_others(v, others), nneeds = know(have, &i, v, n), len = 0;

	needs[0] = '\0';
	for (size_t k = 0; k < nneeds; k++)
		len += (size_t)snprintf(needs + len, 256 - len, "%s%u", k ? " " : "", have[k].num);
	return tenure_heads_judge(&i, v, n, have, nneeds, why, 200);
}

static const char *const names[] = { "unknown", "level", "behind", "forked", "nobody" };

static const struct row rows[] = {
	{ "nobody", "", TENURE_HEADS_NOBODY, "", "nobody to compare" },
	{ "one at our head", "100/90/a", TENURE_HEADS_LEVEL, "", "block 100 is the one" },
	{ "one a little behind us", "98/88/a", TENURE_HEADS_LEVEL, "98", "block 98" },
	{ "one at what we hold irreversible", "90/80/a", TENURE_HEADS_LEVEL, "", "block 90" },
	{ "one ahead", "101/90/a", TENURE_HEADS_BEHIND, "", "head is 100, but 101 at r.1" },
	{ "one ahead, its irreversible one above our head", "300/290/a", TENURE_HEADS_BEHIND, "",
	        "300" },
	{ "one ahead that has none irreversible", "101/0/a", TENURE_HEADS_BEHIND, "", "101" },
	{ "one ahead on another chain", "101/91/c", TENURE_HEADS_FORKED, "91", "block 91" },
	{ "one ahead that left us after its irreversible one", "101/91/b", TENURE_HEADS_BEHIND,
	        "91", "101" },
	{ "another block at our head", "100/90/b", TENURE_HEADS_FORKED, "",
	        "block 100 is another" },
	{ "another block below our head", "97/87/b", TENURE_HEADS_FORKED, "97", "block 97" },
	{ "as many for us as against us", "100/90/a 100/90/b", TENURE_HEADS_FORKED, "",
	        "1 of 2 differ" },
	{ "two for us, one against us", "100/90/a 98/88/a 100/90/b", TENURE_HEADS_LEVEL, "98",
	        "2 of 3 agree" },
	{ "one against us, one ahead of us on our chain", "99/89/b 101/91/a", TENURE_HEADS_FORKED,
	        "99 91", "block 99" },
	{ "one against us, two ahead", "99/89/b 101/91/a 102/92/a", TENURE_HEADS_BEHIND, "99 91 92",
	        "102 at r.3" },
	{ "many level, one ahead: its blocks exist", "100/90/a 100/90/a 99/89/a 101/91/a",
	        TENURE_HEADS_BEHIND, "99 91", "101" },
	{ "one that is older than our blocks", "20/10/a", TENURE_HEADS_UNKNOWN, "20",
	        "block 20 of r.1 on n is older" },
	{ "older ones do not count", "20/10/a 100/90/a", TENURE_HEADS_LEVEL, "20", "block 100" },
	{ "older ones do not outvote", "20/10/a 21/11/a 100/90/b", TENURE_HEADS_FORKED, "20 21",
	        "1 of 1 differ" },
	{ "a height is asked for once", "97/87/a 97/87/a 96/86/a", TENURE_HEADS_LEVEL, "97 96",
	        "3 of 3" },
	{ "all that it has is above our head, and of another chain", "300/290/cq",
	        TENURE_HEADS_FORKED, "", "block 90 is another one at r.1" },
	{ "of ours", "300/290/aq", TENURE_HEADS_BEHIND, "", "300" },
	{ "left us above what we hold irreversible", "300/290/bq", TENURE_HEADS_BEHIND, "", "300" },
	{ "two who are forked themselves, one for us", "100/90/cf 100/90/cf 100/90/a",
	        TENURE_HEADS_LEVEL, "", "1 of 1 agree" },
	{ "one without any block", "0/0/a", TENURE_HEADS_UNKNOWN, "", "" },
};

static void judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char needs[256], why[200];
		enum tenure_heads got = judge(rows[i].others, needs, why);

		if (got != rows[i].wanted || strcmp(needs, rows[i].needs) != 0 ||
		        !strstr(why, rows[i].why))
			fail_msg("%s: %s (wanted %s), asks '%s' (wanted '%s'), says '%s'",
			        rows[i].name, names[got], names[rows[i].wanted], needs,
			        rows[i].needs, why);
	}
}

/* Who is to be asked (its places), who outvotes us, and what is so for good. */
static const struct {
	const char *name, *others, *asks;
	bool is_outvoted, is_split;
	const char *why;
} votes[] = {
	{ "nobody", "", "", false, false, "" },
	{ "level", "100/90/a 100/90/a", "", false, false, "" },
	{ "a little ahead of us", "101/100/a 102/91/a", "", false, false, "" },
	{ "far ahead", "300/290/a 101/91/a", "1", false, false, "" },
	{ "far ahead, and ours", "300/290/aq 300/290/aq", "", false, false, "" },
	{ "far ahead, and not ours", "300/290/c 300/290/c", "1 2", false, false, "" },
	{ "two who were asked", "300/290/cq 300/290/cq", "", true, true,
	        "other irreversible blocks than r.1 on n: block 90 is another one there (2 of 2)" },
	{ "who left us above it", "300/290/bq 300/290/bq", "", false, false, "" },
	{ "one alone", "300/290/cq", "", false, false, "" },
	{ "one alone that holds the lease", "300/290/cqh", "", false, true, "(1 of 1)" },
	{ "two, and one for us", "300/290/cq 300/290/cq 100/90/a", "", true, true, "(2 of 3)" },
	{ "two, and two for us", "300/290/cq 300/290/cq 100/90/a 100/90/a", "", false, false, "" },
	{ "two with the holder, and two for us", "300/290/cq 300/290/cqh 100/90/a 100/90/a", "",
	        false, true, "r.2 on n" },
	{ "the holder, and two for us", "300/290/cqh 100/90/a 100/90/a", "", false, false, "" },
	{ "the holder is for us", "300/290/cq 300/290/aqh", "", false, false, "" },
	{ "what is not known is for us", "300/290/cqh 300/290/c 300/290/c", "2 3", false, false,
	        "" },
	{ "who says that it is forked", "300/290/cqf 300/290/cf 100/90/a", "", false, false, "" },
	{ "does not help us either", "300/290/cqh 100/90/af 100/90/af", "", false, true,
	        "(1 of 1)" },
	{ "its irreversible one is ours", "100/90/c 100/90/c", "", true, true, "block 90" },
	{ "below ours and not known", "99/86/c 99/86/c", "", true, false, "" },
	{ "other blocks, none irreversible", "100/90/b 100/90/b", "", true, false, "" },
	{ "one other of these", "100/90/b", "", false, false, "" },
	{ "another block, and above", "100/96/b", "1", false, false, "" },
};

static void voted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(votes); i++) {
		struct tenure_peer v[TENURE_PEERS_MAX];
		struct tenure_height have[TENURE_HEIGHTS_MAX];
		struct nodeos_info info = ours();
		size_t n = read_others(v, votes[i].others), nhave = know(have, &info, v, n);
		struct tenure_votes got;
		char asks[64] = "";

		for (size_t k = 0; k < n; k++)
			if (tenure_heads_asks(&info, &v[k], have, nhave))
				(void)snprintf(asks + strlen(asks), sizeof(asks) - strlen(asks),
				        "%s%zu", *asks ? " " : "", k + 1);
		tenure_heads_vote(&got, &info, v, n, have, nhave);
		if (strcmp(asks, votes[i].asks) != 0 || got.is_outvoted != votes[i].is_outvoted ||
		        got.is_split != votes[i].is_split || !strstr(got.why, votes[i].why) ||
		        !*got.why == got.is_split)
			fail_msg("%s: asks '%s', outvoted %d, split %d, '%s'", votes[i].name, asks,
			        got.is_outvoted, got.is_split, got.why);
	}
}

/* An answer of our nodeos that is missing is no agreement. */
static void what_is_not_known_says_nothing(void **state)
{
	struct tenure_peer v[TENURE_PEERS_MAX];
	struct nodeos_info i = ours();
	char why[200];
	size_t n = read_others(v, "98/88/a");

	(void)state;
	assert_int_equal(
	        tenure_heads_judge(&i, v, n, NULL, 0, why, sizeof(why)), TENURE_HEADS_UNKNOWN);
	n = read_others(v, "110/95/a");
	assert_int_equal(
	        tenure_heads_judge(&i, v, n, NULL, 0, why, sizeof(why)), TENURE_HEADS_BEHIND);
}

static void full_lists_fit(void **state)
{
	struct tenure_peer v[TENURE_PEERS_MAX];
	uint32_t heights[TENURE_HEIGHTS_MAX];
	struct nodeos_info i = ours();

	(void)state;
	for (size_t k = 0; k < TENURE_PEERS_MAX; k++)
		v[k] = (struct tenure_peer){ .head = 60 + (uint32_t)k, .lib = 50 };
	assert_int_equal(tenure_heads_needs(&i, v, TENURE_PEERS_MAX, heights), TENURE_PEERS_MAX);
}

/* --- statuses --------------------------------------------------------------------------------- */

static int from_text(struct tenure_peer *p, const char *more, struct err *e)
{
	char text[1024], id[NODEOS_ID_HEX_SIZE], lib[NODEOS_ID_HEX_SIZE];

	(void)snprintf(text, sizeof(text),
	        "{\"service\":\"readers\",\"slot\":3,\"node\":\"n1\",\"state\":\"running\","
	        "\"nodeos_pid\":7,\"chain_id\":\"" CHAIN "\",\"head_block_num\":120,"
	        "\"head_block_id\":\"%s\",\"head_age_seconds\":0.4,"
	        "\"last_irreversible_block_num\":119,\"last_irreversible_block_id\":\"%s\"%s}",
	        id_of(id, 120, 'a'), id_of(lib, 119, 'a'), more);
	AUTO(json) json_t *j = json_parse_object(text, strlen(text), "status", e);
	assert_non_null(j);
	return tenure_peer_from_status(p, j, CHAIN, e);
}

static void statuses(void **state)
{
	struct tenure_peer p = { .head = 0 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(from_text(&p, "", &e), 0);
	assert_string_equal(p.who, "readers.3 on n1");
	assert_int_equal(p.head, 120);
	assert_int_equal(p.lib, 119);
	assert_true(!p.holds && !p.is_forked && !*p.at_lib_id);
	assert_int_equal(from_text(&p, ",\"producer\":{\"holds\":true,\"forked\":null}", &e), 0);
	assert_true(p.holds && !p.is_forked);
	assert_int_equal(from_text(&p, ",\"producer\":{\"holds\":false,\"forked\":\"x\"}", &e), 0);
	assert_true(!p.holds && p.is_forked);
	assert_int_equal(from_text(&p, ",\"answer_age_seconds\":1.2", &e), 0);
	assert_int_equal(from_text(&p, ",\"answer_age_seconds\":2.6", &e), 1);
}

static void statuses_without_use(void **state)
{
	static const struct {
		const char *name, *text;
		int rc;
	} list[] = {
		{ "no status", "{}", -1 },
		{ "nodeos does not run", "{\"state\":\"held\",\"nodeos_pid\":0}", 1 },
		{ "nodeos was not heard yet", "{\"state\":\"running\",\"nodeos_pid\":7}", 1 },
		{ "it is being stopped", "{\"state\":\"stopping\",\"nodeos_pid\":7}", 1 },
		{ "a head that is none",
		        "{\"state\":\"running\",\"nodeos_pid\":7,\"head_block_num\":-1}", 1 },
	};
	struct tenure_peer p = { .head = 77 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		struct err e = ERR_INIT;
		AUTO(json)
		json_t *j = json_parse_object(list[i].text, strlen(list[i].text), list[i].name, &e);
		int rc = tenure_peer_from_status(&p, j, CHAIN, &e);

		if (rc != list[i].rc || p.head != 77)
			fail_msg("%s: %d, head %u", list[i].name, rc, p.head);
	}
}

static void another_chain(void **state)
{
	struct tenure_peer p = { .head = 77 };
	struct err e = ERR_INIT;
	char text[1024], id[NODEOS_ID_HEX_SIZE];

	(void)state;
	(void)snprintf(text, sizeof(text),
	        "{\"service\":\"r\",\"slot\":1,\"state\":\"running\",\"nodeos_pid\":7,"
	        "\"chain_id\":\"" OTHER "\",\"head_block_num\":120,\"head_block_id\":\"%s\","
	        "\"head_age_seconds\":0,\"last_irreversible_block_num\":120,"
	        "\"last_irreversible_block_id\":\"%s\"}",
	        id_of(id, 120, 'a'), id);
	AUTO(json) json_t *j = json_parse_object(text, strlen(text), "status", &e);
	assert_non_null(j);
	assert_int_equal(tenure_peer_from_status(&p, j, CHAIN, &e), 1);
	assert_int_equal(tenure_peer_from_status(&p, j, OTHER, &e), 0);
	assert_int_equal(p.head, 120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judged),
		cmocka_unit_test(voted),
		cmocka_unit_test(what_is_not_known_says_nothing),
		cmocka_unit_test(full_lists_fit),
		cmocka_unit_test(statuses),
		cmocka_unit_test(statuses_without_use),
		cmocka_unit_test(another_chain),
	};

	return cmocka_run_group_tests_name("tenure_heads", tests, NULL, NULL);
}
