#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "supervise/probation.h"

#define CHAIN "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"

/* "S+120" is a healthy slot that agrees on block 120; R reference, P peer; + agrees, - differs,
 * ? not asked, . our nodeos does not have that block. */
static size_t read_witnesses(struct witness v[PROBATION_MAX], const char *text)
{
	size_t n = 0;

	for (const char *c = text; *c; n++) {
		struct witness *w = &v[n];
		char *end;

		memset(w, 0, sizeof(*w));
		w->class = *c == 'S' ? WITNESS_SLOT : *c == 'R' ? WITNESS_REFERENCE : WITNESS_PEER;
		w->answer = c[1] == '+' ? WITNESS_AGREES
		        : c[1] == '-'   ? WITNESS_DIFFERS
		        : c[1] == '.'   ? WITNESS_UNKNOWN
		                        : WITNESS_UNASKED;
		w->block_num = (uint32_t)strtoul(c + 2, &end, 10);
		snprintf(w->who, sizeof(w->who), "w%zu", n + 1);
		snprintf(w->block_id, sizeof(w->block_id), "%08x%056x", w->block_num, 0xbeef);
		snprintf(w->our_id, sizeof(w->our_id), "%08x%056x", w->block_num, 0xcafe);
		c = end + strspn(end, " ");
	}
	return n;
}

#define WAIT   PROBATION_WAIT
#define PASSED PROBATION_PASSED
#define FAILED PROBATION_FAILED

static void decisions(void **state)
{
	static const struct {
		const char *name, *witnesses;
		bool caught_up;
		int quiet_s;
		enum probation_plan plan;
		const char *why; /* a part of it */
	} t[] = {
		/* The data-dir had block 100 when nodeos was started on it. */
		{ "one agrees", "S+120", true, 0, PASSED,
		        "block 120 is the one that healthy slot w1 has" },
		{ "one agrees, not caught up", "S+120", false, 0, WAIT, "block 120 is the one" },
		{ "one differs", "S-120", true, 0, FAILED,
		        "block 120 is 0000000000000000... here, but 0000000000000000... at healthy "
		        "slot w1" },
		{ "one differs, which is known before it has caught up", "S-120", false, 0, FAILED,
		        "block 120" },
		{ "a slot on the wrong fork against two", "S-120 S+121 S+122", true, 0, PASSED,
		        "block 122 is the one that healthy slot w3 has (2 of 3 agree)" },
		{ "two against one that is on our fork", "S+120 S-121 S-122", true, 0, FAILED,
		        "w3 (2 of 3 differ)" },
		{ "a tie", "S+120 S-121", true, 0, WAIT, "nobody else says which is right" },
		{ "a tie for a long time", "S+120 S-121", true, 3600, WAIT,
		        "nobody else says which is right" },
		{ "a tie is not for a lower class to end", "S+120 S-121 R+120 P+120", true, 3600,
		        WAIT, "nobody else says which is right" },
		{ "the better class decides", "S+120 R-120 R-121 P-120", true, 0, PASSED,
		        "healthy slot w1" },
		{ "and so it does against", "S-120 R+120 P+120 P+120", true, 0, FAILED,
		        "healthy slot w1" },
		{ "references before peers", "R+120 P-120 P-121", true, 0, PASSED, "reference w1" },
		{ "peers alone", "P+120 P+121 P-122", true, 0, PASSED, "peer w2 has (2 of 3" },
		{ "peers alone differ", "P-120", true, 0, FAILED, "at peer w1" },
		/* Not asked yet. */
		{ "one is ahead", "S?130", true, 0, WAIT,
		        "waiting for block 130, which healthy slot w1 holds irreversible" },
		{ "another one agrees, but it may be outvoted", "S+120 S?130", true, 0, WAIT,
		        "1 of 2 others" },
		{ "two agree, one is ahead", "S+120 S+121 S?130", true, 0, PASSED, "w2" },
		{ "the lower class has to wait", "S?130 P+120", true, 0, WAIT, "block 130" },
		/* Nothing new for a while: a paused chain, or one that never gets there. */
		{ "one agrees, one stays ahead", "S+120 S?130", true, 10, PASSED, "w1" },
		{ "a slot stays ahead, a peer agrees", "S?130 P+120", true, 10, PASSED, "peer w2" },
		{ "a slot stays ahead and is alone", "S?130", true, 10, WAIT,
		        "does not come here" },
		{ "a reference stays ahead and is alone", "R?130", true, 3600, WAIT,
		        "block 130, which reference w1 holds irreversible, does not come here" },
		{ "a peer claims what it likes", "P?4000000000", true, 10, PASSED, "caught up" },
		{ "a peer claims what it likes, not for long", "P?4000000000", true, 9, WAIT,
		        "block 4000000000" },
		/* One that lags: up to there the two chains may be the same all the same. */
		{ "a lagging one agrees", "S+99", true, 0, WAIT,
		        "waiting for a later irreversible block of a healthy slot" },
		{ "at the last block of the data-dir it is proof", "S+100", true, 0, PASSED, "w1" },
		{ "a lagging one differs", "S-99", true, 0, FAILED, "block 99" },
		{ "a lagging one agrees, the others differ", "S+99 S-120 S-121", true, 0, FAILED,
		        "w3" },
		{ "a lagging one agrees, another differs", "S+99 S-120", true, 0, WAIT, "" },
		{ "a paused chain: it is all there is", "S+99", true, 10, PASSED, "block 99" },
		{ "a peer's old handshake", "P+50", true, 10, PASSED, "block 50" },
		/* Pruned, or from before our snapshot. */
		{ "an unknown block", "S.90", true, 0, WAIT, "a later irreversible block" },
		{ "an unknown block, a peer agrees", "S.90 P+120", true, 0, WAIT, "a later" },
		{ "it stays the only one; a peer agrees", "S.90 P+120", true, 10, PASSED, "peer" },
		{ "it stays the only one", "S.90", true, 10, PASSED,
		        "block 90 of w1 is older than what this slot has" },
		/* Nobody: as when all slots of a cluster are on probation at once. */
		{ "nobody", "", true, 0, WAIT, "nobody to compare with" },
		{ "nobody for nearly long enough", "", true, 9, WAIT, "nobody to compare with" },
		{ "nobody for long enough", "", true, 10, PASSED,
		        "caught up; there is no healthy slot, reference or peer" },
		{ "nobody, not caught up", "", false, 0, WAIT, "nobody to compare with" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct witness v[PROBATION_MAX];
		struct probation_facts f = {
			.v = v,
			.n = read_witnesses(v, t[i].witnesses),
			.has_caught_up = t[i].caught_up,
			.has_asked = { true, true, true },
			.start_lib = 100,
			.quiet_ns = t[i].quiet_s * NS_PER_SEC,
		};
		enum witness_class by;
		char why[200] = "";
		enum probation_plan plan = probation_decide(why, &by, &f);

		if (plan != t[i].plan || !strstr(why, t[i].why))
			fail_msg("%s: %d '%s'", t[i].name, plan, why);
	}
}

/* A class is not judged before all of it were asked, and then the next one is not either. */
static void nobody_is_passed_over(void **state)
{
	static const struct {
		const char *name, *witnesses;
		bool asked[WITNESS_CLASSES];
		int quiet_s;
		enum probation_plan plan;
	} t[] = {
		{ "slots are still asked", "S+120", { false, true, true }, 0, WAIT },
		{ "slots are still asked, one differs", "S-120", { false, true, true }, 0, WAIT },
		{ "references need not be", "S+120", { true, false, false }, 0, PASSED },
		{ "unless it is for them to say", "P+120", { true, false, true }, 0, WAIT },
		{ "peers are not known yet", "", { true, true, false }, 0, WAIT },
		{ "a question that hangs", "P+120", { false, false, true }, 10, PASSED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct witness v[PROBATION_MAX];
		struct probation_facts f = {
			.v = v,
			.n = read_witnesses(v, t[i].witnesses),
			.has_caught_up = true,
			.quiet_ns = t[i].quiet_s * NS_PER_SEC,
		};
		enum witness_class by;
		char why[200];

		memcpy(f.has_asked, t[i].asked, sizeof(f.has_asked));
		if (probation_decide(why, &by, &f) != t[i].plan)
			fail_msg("%s: '%s'", t[i].name, why);
	}
}

/* Long names of others neither cut a sentence off its end nor a character in two. */
static void a_sentence_fits(void **state)
{
	struct witness v[2] = { { .class = WITNESS_SLOT, .answer = WITNESS_AGREES },
		{ .class = WITNESS_SLOT, .answer = WITNESS_DIFFERS } };
	struct probation_facts f = { .v = v, .n = 2, .has_asked = { true, true, true } };
	enum witness_class by;
	char why[200];

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k + 2 < sizeof(v[i].who); k += 2)
			memcpy(v[i].who + k, "\xc3\xa4", 3);
	assert_int_equal(probation_decide(why, &by, &f), PROBATION_WAIT);
	assert_true(strlen(why) < sizeof(why));
	assert_non_null(strstr(why, "which is right"));
	f.n = 1;
	(void)probation_decide(why, &by, &f);
	v[0].answer = WITNESS_DIFFERS;
	assert_int_equal(probation_decide(why, &by, &f), PROBATION_FAILED);
	assert_true(strlen(why) < sizeof(why));
}

static void statuses(void **state)
{
#define ID         \
	"000004b0" \
	"f72aa0c0d968b7d7d8fc8277966bb3105e6194a7eda67cce"
	static const char good[] =
	        "{\"format\":1,\"service\":\"t_s\",\"slot\":2,\"node\":\"h\",\"ready\":true,"
	        "\"chain_id\":\"" CHAIN "\",\"last_irreversible_block_num\":1200,"
	        "\"last_irreversible_block_id\":\"" ID "aaaaaaaa\"}";
	static const struct {
		const char *from, *to;
		int rc;
	} t[] = {
		{ "", "", 0 },
		{ "\"ready\":true", "\"ready\":false", 1 },
		{ "\"ready\":true", "\"ready\":1", 1 },
		{ "\"ready\":true,", "", 1 },
		{ "\"chain_id\":\"b", "\"chain_id\":\"c", 1 },
		{ "\"chain_id\":\"b", "\"chain_id\":null,\"x\":\"", 1 },
		{ ":1200", ":null", 1 },
		{ ":1200", ":0", 1 },
		{ ":1200", ":-1", -1 },
		{ ":1200", ":4294967296", -1 },
		{ ":1200", ":1201", -1 },
		{ "\"last_irreversible_block_id\"", "\"x\"", 1 },
		{ "\"000004b0", "\"000004B0", -1 },
		{ "aaaaaaaa\"", "aaaaaaa\"", -1 },
		{ "aaaaaaaa\"", "aaaaaaag\"", -1 },
		{ "\"service\":\"t_s\"", "\"service\":\"\"", -1 },
		{ "\"slot\":2", "\"slot\":\"2\"", -1 },
		{ "\"node\":\"h\"", "\"node\":5", 0 },
		{ "\"service\":\"t_s\"", "\"service\":\"t\\u001b[31m\"", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const char *at = strstr(good, t[i].from);
		struct witness w = { .block_num = 42 };
		struct err e = ERR_INIT;
		char text[1024];
		json_t *j;
		int rc;

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, t[i].to,
		        at + strlen(t[i].from));
		j = json_parse(text, strlen(text), "status", &e);
		assert_non_null(j);
		rc = witness_from_status(&w, j, CHAIN, &e);
		json_decref(j);
		if (rc != t[i].rc || (rc < 0 && e.kind != ERR_PROTOCOL))
			fail_msg("%s: %d %s", t[i].to, rc, e.msg);
		assert_int_equal(w.block_num, rc == 0 ? 1200 : 42);
		if (rc != 0)
			continue;
		assert_int_equal(w.class, WITNESS_SLOT);
		assert_int_equal(w.answer, WITNESS_UNASKED);
		assert_null(strchr(w.who, '\x1b'));
		assert_string_equal(w.block_id, ID "aaaaaaaa");
		if (!*t[i].to)
			assert_string_equal(w.who, "t_s.2 on h");
	}
}

static struct witness said(enum witness_class class, const char *who, uint32_t num)
{
	struct witness w = { .class = class, .block_num = num };

	snprintf(w.who, sizeof(w.who), "%s", who);
	return w;
}

/* One vote each, and which of its blocks is asked for. */
static void what_is_heard_again(void **state)
{
	static const struct {
		const char *name, *has; /* as read_witnesses() */
		uint32_t num, then;
		int rc;
	} t[] = {
		{ "the awaited block stays", "S?120", 121, 120, 0 },
		{ "one that has begun anew", "S?120", 90, 90, 1 },
		{ "it has agreed", "S+120", 121, 120, 0 },
		{ "it has agreed too early for proof", "S+99", 121, 121, 1 },
		{ "the same once more", "S+99", 99, 99, 0 },
		{ "it differs", "S-120", 121, 120, 0 },
		{ "its block was not known here", "S.90", 91, 91, 1 },
		{ "nor is the same again", "S.90", 90, 90, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct witness v[PROBATION_MAX], w = said(WITNESS_SLOT, "w1", t[i].num);
		size_t n = read_witnesses(v, t[i].has), at = 99;
		int rc = witness_heard(v, &n, &w, 100, &at);

		if (rc != t[i].rc || n != 1 || at != 0 || v[0].block_num != t[i].then ||
		        (rc && v[0].answer != WITNESS_UNASKED))
			fail_msg("%s: %d %u", t[i].name, rc, v[0].block_num);
	}
}

static void the_list_has_an_end(void **state)
{
	struct witness v[PROBATION_MAX], w;
	char who[16];
	size_t n = 0, at;

	(void)state;
	for (size_t i = 0; i < PROBATION_MAX; i++) {
		snprintf(who, sizeof(who), "p%zu", i);
		w = said(WITNESS_PEER, who, 5);
		assert_int_equal(witness_heard(v, &n, &w, 0, &at), 1);
		assert_int_equal(at, i);
	}
	w = said(WITNESS_PEER, "one more", 5);
	assert_int_equal(witness_heard(v, &n, &w, 0, &at), 0);
	assert_int_equal(at, n);
	/* The same name in another class is somebody else, and slots come first. */
	w = said(WITNESS_SLOT, "p3", 5);
	assert_int_equal(witness_heard(v, &n, &w, 0, &at), 1);
	assert_int_equal(n, PROBATION_MAX);
	assert_int_equal(v[at].class, WITNESS_SLOT);
	assert_int_equal(witness_heard(v, &n, &w, 0, &at), 0);
}

static void references(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *url, *host; /* of the last */
		unsigned port;
	} good[] = {
		{ "", 0, NULL, NULL, 0 },
		{ " \t\n ", 0, NULL, NULL, 0 },
		{ "http://10.0.0.5:8888", 1, "http://10.0.0.5:8888", "", 8888 },
		{ " https://api.example.org/ ", 1, "https://api.example.org", "api.example.org",
		        443 },
		{ "http://a https://b:1/x/y//", 2, "https://b:1/x/y", "b", 1 },
		{ "http://[::1]:8888", 1, "http://[::1]:8888", "", 8888 },
		{ "http://[fe80::1]", 1, "http://[fe80::1]", "", 80 },
		{ "http://tasks.readers:8888", 1, "http://tasks.readers:8888", "tasks.readers",
		        8888 },
	};
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "api.example.org", "does not begin with http:// or https://" },
		{ "ftp://x", "does not begin with" },
		{ "http://a,http://b", "its host is not a name or an address" },
		{ "HTTP://x", "does not begin with" },
		{ "http://", "its host is not a name" },
		{ "http:///x", "its host is not a name" },
		{ "http://a:", "its port is not a number" },
		{ "http://a:0", "its port" },
		{ "http://a:65536", "its port" },
		{ "http://a:8888x", "its port" },
		{ "http://user:secret@a", "a user" },
		{ "http://a?x=1", "a query" },
		{ "http://a/#x", "a fragment" },
		{ "http://a/\x01", "odd characters" },
		{ "http://a/\xc3\xa4", "odd characters" },
		{ "http://[::1", "brackets" },
		{ "http://[::1]8888", "brackets" },
		{ "http://[x]", "brackets" },
		{ "http://a b", "'b' is no URL" },
		{ "http://1 http://2 http://3 http://4 http://5 http://6 http://7 http://8 "
		  "http://9 "
		  "http://10 http://11 http://12 http://13 http://14 http://15 http://16 http://17",
		        "more than 16 references" },
	};
	struct reference r[REFERENCES_MAX];
	char text[600] = "http://";
	struct err e = ERR_INIT;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (references_parse(r, &n, good[i].text, &e) < 0)
			fail_msg("'%s': %s", good[i].text, e.msg);
		assert_int_equal(n, good[i].n);
		if (!n)
			continue;
		assert_string_equal(r[n - 1].url, good[i].url);
		assert_string_equal(r[n - 1].host, good[i].host);
		assert_int_equal(r[n - 1].port, good[i].port);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err_clear(&e);
		n = 42;
		if (references_parse(r, &n, bad[i].text, &e) == 0 || e.kind != ERR_USAGE ||
		        !strstr(e.msg, bad[i].says))
			fail_msg("'%s': '%s'", bad[i].text, e.msg);
		assert_int_equal(n, 42);
	}
	for (size_t len = 190; len < 580; len += 17) {
		memset(text + 7, 'a', len);
		text[7 + len] = '\0';
		err_clear(&e);
		assert_int_equal(references_parse(r, &n, text, &e), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions),
		cmocka_unit_test(nobody_is_passed_over),
		cmocka_unit_test(a_sentence_fits),
		cmocka_unit_test(statuses),
		cmocka_unit_test(what_is_heard_again),
		cmocka_unit_test(the_list_has_an_end),
		cmocka_unit_test(references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
