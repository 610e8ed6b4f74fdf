#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/command.h"
#include "cli/opts.h"

static struct {
	bool all, brief;
	int64_t count, small;
	const char *name;
	struct strvec files;
	int64_t wait;
	uint64_t size;
	bool json;
} v;

static int is_even(const char *value, struct err *e)
{
	return strchr("02468", value[strlen(value) - 1])
	        ? 0
	        : err_set(e, ERR_USAGE, "'%s' is odd", value);
}

static const struct opt own[] = {
	{ "all", 'a', NULL, "everything", .exclusive = 'x', .flag = &v.all },
	{ "brief", 'b', NULL, "less", .exclusive = 'x', .flag = &v.brief },
	{ "count", 'c', "N", "how many", .value = "7", .env = "TEST_OPTS_COUNT",
	        .number = &v.count },
	{ "small", 's', "N", "from -2 to 5", .min = -2, .max = 5, .number = &v.small },
	{ "name", 'n', "NAME", "a name", .string = &v.name },
	{ "file", 'f', "FILE", "a file", .strings = &v.files },
	{ "wait", 'w', "TIME", "a time", .min = 1000000000, .duration = &v.wait },
	{ "even", 'e', "N", "an even one", .needs = "all", .check = is_even, .string = &v.name },
	{ "named", 0, NULL, "for one with a name", .needs = "name", .flag = &v.brief },
	{ "size", 0, "SIZE", "a size", .min = 1024, .size = &v.size },
	{ NULL },
};

static const struct opt global[] = {
	{ "json", 0, NULL, "as JSON", .flag = &v.json },
	{ NULL },
};

/* Everything that was parsed, as one line. */
static void describe(char *out, size_t size, char **args)
{
	size_t n = (size_t)snprintf(out, size, "%s%s%s", v.all ? "all " : "",
	        v.brief ? "brief " : "", v.json ? "json " : "");

	if (v.count != 7)
		n += (size_t)snprintf(out + n, size - n, "count=%lld ", (long long)v.count);
	if (v.small)
		n += (size_t)snprintf(out + n, size - n, "small=%lld ", (long long)v.small);
	if (v.name)
		n += (size_t)snprintf(out + n, size - n, "name=%s ", v.name);
	for (size_t i = 0; i < v.files.n; i++)
		n += (size_t)snprintf(out + n, size - n, "file=%s ", v.files.v[i]);
	if (v.wait)
		n += (size_t)snprintf(out + n, size - n, "wait=%lld ", (long long)v.wait);
	if (v.size)
		n += (size_t)snprintf(out + n, size - n, "size=%llu ", (unsigned long long)v.size);
	n += (size_t)snprintf(out + n, size - n, "|");
	for (; *args; args++)
		n += (size_t)snprintf(out + n, size - n, " %s", *args);
}

/* Split "a  b" at blanks; "''" is an empty word. */
static int split(char *line, char **argv)
{
	int n = 0;

	for (char *w = strtok_r(line, " ", &line); w; w = strtok_r(NULL, " ", &line))
		argv[n++] = strcmp(w, "''") == 0 ? w + 2 : w;
	argv[n] = NULL;
	return n;
}

static void parse(char *out, size_t size, const char *line, bool first)
{
	struct opts p = { .tables = (const struct opt *const[]){ own, global, NULL } };
	struct err e = ERR_INIT;
	char copy[256], *argv[32], *args[33];
	int argc, n = -1;

	strvec_release(&v.files);
	memset(&v, 0, sizeof(v));
	(void)snprintf(copy, sizeof(copy), "%s", line);
	argc = split(copy, argv);
	if (opts_defaults(own, &e) < 0 || opts_parse(&p, argc, argv, first, args, &n, &e) < 0) {
		assert_int_equal(e.kind, ERR_USAGE);
		(void)snprintf(out, size, "error: %s", e.msg);
		return;
	}
	describe(out, size, args);
	assert_null(args[n]);
}

struct row {
	const char *line, *want;
};

static void check(const struct row *rows, size_t n, bool first)
{
	char got[1024];
	unsigned bad = 0;

	for (size_t i = 0; i < n; i++) {
		parse(got, sizeof(got), rows[i].line, first);
		if (strcmp(got, rows[i].want) == 0)
			continue;
		print_error("'%s'\n  gave '%s'\n  want '%s'\n", rows[i].line, got, rows[i].want);
		bad++;
	}
	strvec_release(&v.files);
	assert_int_equal(bad, 0);
}

static void forms(void **state)
{
	static const struct row rows[] = {
		{ "", "|" },
		{ "x y", "| x y" },
		{ "-a", "all |" },
		{ "--all x --json", "all json | x" },
		{ "x -a y", "all | x y" },
		{ "-n a", "name=a |" },
		{ "-na", "name=a |" },
		{ "--name a", "name=a |" },
		{ "--name=a", "name=a |" },
		{ "--name=a=b", "name=a=b |" },
		{ "-n=a", "name==a |" },
		{ "-ana", "all name=a |" },
		{ "-an a", "all name=a |" },
		{ "-n a -n b", "name=b |" },
		{ "-n -a", "name=-a |" },
		{ "-n --", "name=-- |" },
		{ "-f - -f b --file=c", "file=- file=b file=c |" },
		{ "-", "| -" },
		{ "-- -a --bad -- -", "| -a --bad -- -" },
		{ "-a x -- -b", "all | x -b" },
		{ "-a -a", "all |" },
		{ "-c 0", "count=0 |" },
		{ "-s -2", "small=-2 |" },
		{ "-s5", "small=5 |" },
		{ "-w 1", "wait=1000000000 |" },
		{ "--wait 1m30s", "wait=90000000000 |" },
		{ "--size 1k", "size=1024 |" },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), false);
}

/* For "supervise [OPTIONS] -- PROGRAM ARGS": nothing behind the program is ours. */
static void options_first(void **state)
{
	static const struct row rows[] = {
		{ "-a nodeos -b --count x", "all | nodeos -b --count x" },
		{ "-a -- nodeos -b -- -a", "all | nodeos -b -- -a" },
		{ "-- -a", "| -a" },
		{ "- -a", "| - -a" },
		{ "-n x -b y", "brief name=x | y" },
		{ "", "|" },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), true);
}

static void mistakes(void **state)
{
	static const struct row rows[] = {
		{ "--bad", "error: unknown option '--bad'" },
		{ "--bad=x", "error: unknown option '--bad'" },
		{ "--nmae x", "error: unknown option '--nmae', did you mean '--name'?" },
		{ "--jsom", "error: unknown option '--jsom', did you mean '--json'?" },
		{ "--nam x", "error: unknown option '--nam', did you mean '--name'?" },
		{ "--", "|" },
		{ "--=x", "error: unknown option '--'" },
		{ "---all", "error: unknown option '---all', did you mean '--all'?" },
		{ "-z", "error: unknown option '-z'" },
		{ "-az", "error: unknown option '-z' in '-az'" },
		{ "-za", "error: unknown option '-z' in '-za'" },
		{ "-json", "error: unknown option '-json', did you mean '--json'?" },
		{ "-\xc3\xa9", "error: unknown option '-\xc3\xa9'" },
		{ "--all=yes", "error: option '--all' takes no value" },
		{ "--all=", "error: option '--all' takes no value" },
		{ "--name", "error: option '--name' needs a value: NAME" },
		{ "-n", "error: option '-n' needs a value: NAME" },
		{ "-an", "error: option '-n' needs a value: NAME" },
		{ "--name=", "error: option '--name': an empty value" },
		{ "-n ''", "error: option '-n': an empty value" },
		{ "--file=", "error: option '--file': an empty value" },
		{ "-ab", "error: options '--all' and '--brief' cannot be given together" },
		{ "-e 2 -a", "all name=2 |" },
		{ "-a --even 12 x", "all name=12 | x" },
		{ "-e 2", "error: option '--even' is for '--all' only" },
		{ "--named -n x", "brief name=x |" },
		{ "--named", "error: option '--named' is for '--name' only" },
		{ "-e 2 -b", "error: option '--even' is for '--all' only" },
		{ "-a -e 3", "error: option '-e': '3' is odd" },
		{ "-a --even=3", "error: option '--even': '3' is odd" },
		{ "-b x -a", "error: options '--brief' and '--all' cannot be given together" },
		{ "-c x",
		        "error: option '-c': 'x' is not a whole number from 0 to "
		        "9223372036854775807" },
		{ "--count=-1",
		        "error: option '--count': '-1' is not a whole number from 0 to "
		        "9223372036854775807" },
		{ "--count 9223372036854775808",
		        "error: option '--count': '9223372036854775808' is not a whole number from "
		        "0 to 9223372036854775807" },
		{ "-s 6", "error: option '-s': '6' is not a whole number from -2 to 5" },
		{ "-s-3", "error: option '-s': '-3' is not a whole number from -2 to 5" },
		{ "--wait soon",
		        "error: option '--wait': 'soon' is not a duration like 90s, 2m30s or "
		        "500ms" },
		{ "--wait 10ms", "error: option '--wait': '10ms' is less than 1.0s" },
		{ "--size big", "error: option '--size': 'big' is not a size like 512M or 1.5G" },
		{ "--size 1023", "error: option '--size': '1023' is less than 1.0 KiB" },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), false);
}

static void defaults_come_from_the_environment(void **state)
{
	static const struct row good[] = { { "", "count=9 |" }, { "-c 8", "count=8 |" } };
	static const struct row empty[] = { { "", "|" } };
	static const struct row bad[] = {
		{ "",
		        "error: environment variable TEST_OPTS_COUNT: 'x' is not a whole number "
		        "from "
		        "0 to 9223372036854775807" },
	};

	(void)state;
	setenv("TEST_OPTS_COUNT", "9", 1);
	check(good, ARRAY_LEN(good), false);
	setenv("TEST_OPTS_COUNT", "", 1);
	check(empty, ARRAY_LEN(empty), false);
	setenv("TEST_OPTS_COUNT", "x", 1);
	check(bad, ARRAY_LEN(bad), false);
	unsetenv("TEST_OPTS_COUNT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(options_first),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(defaults_come_from_the_environment),
	};

	return cmocka_run_group_tests_name("cli/opts", tests, NULL, NULL);
}
