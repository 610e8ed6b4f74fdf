#include "unit/test.h"

#include "cli/check_canary.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strvec.h"
#include "cli/command.h"
#include "cli/opts.h"

#define WIF "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3"

static struct check_canary_options o;
static const struct opt opts[] = { CHECK_CANARY_OPTS(o), { NULL } };
static const struct command command = { .name = "check", .opts = opts };

static struct context ctx;
static char *out, *err;
static size_t out_size, err_size;
static char key_file[] = "/tmp/test_canary_key.XXXXXX";
static struct strvec nodes, references;
static struct strvec words; /* what was parsed: the options point into it */

static int set_up(void **state)
{
	int fd;

	(void)state;
	memset(&o, 0, sizeof(o));
	memset(&ctx, 0, sizeof(ctx));
	ctx.command = &command;
	ctx.out = open_memstream(&out, &out_size);
	ctx.err = open_memstream(&err, &err_size);
	strcpy(key_file, "/tmp/test_canary_key.XXXXXX");
	fd = mkstemp(key_file);
	if (fd < 0 || write(fd, WIF "\n", strlen(WIF) + 1) != (ssize_t)strlen(WIF) + 1)
		return -1;
	close(fd);
	nodes = references = STRVEC_INIT;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)fclose(ctx.out);
	(void)fclose(ctx.err);
	free(out);
	free(err);
	json_decref(ctx.result);
	(void)unlink(key_file);
	strvec_release(&nodes);
	strvec_release(&references);
	strvec_release(&words);
	return 0;
}

/* Parse these words. */
static int parse(const char *const *given, struct err *e)
{
	const struct opt *const tables[] = { opts, NULL };
	struct opts p = { .tables = tables };
	char *args[24];
	int nargs;

	strvec_release(&words);
	for (; *given; given++)
		assert_int_equal(strvec_add(&words, *given), 0);
	if (opts_defaults(opts, e) < 0)
		return -1;
	return opts_parse(&p, (int)words.n, words.v, false, args, &nargs, e);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define WHO        "--canary", "k", "--canary-from", "alice", "--canary-to", "bob"

static struct check_canary *make(const char *const *given, struct err *e)
{
	if (parse(given, e) < 0)
		return NULL;
	o.key_file = key_file;
	return check_canary_new(&ctx, &o, &nodes, &references, e);
}

static void good_ones(void **state)
{
	const char *const *const t[] = {
		WORDS(WHO, "--canary-via", "http://127.0.0.1:8888"),
		WORDS(WHO, "--canary-via", "https://api.example.org/"),
		WORDS("--canary", "k", "--canary-from", "alice@canary", "--canary-to", "bob",
		        "--canary-via", "http://[::1]:8888"),
		WORDS(WHO, "--canary-via", "http://h", "--canary-quantity", "1.00 SYS",
		        "--canary-memo", "grüße", "--canary-irreversible", "--canary-timeout",
		        "10s", "--canary-contract", "my.token"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = ERR_INIT;
		struct check_canary *c = make(t[i], &e);

		if (!c)
			fail_msg("row %zu: %s", i, e.msg);
		assert_string_equal(check_canary_report(c)->text, "");
		check_canary_free(c);
	}
}

static void bad_ones(void **state)
{
	const struct {
		const char *const *words;
		const char *says;
	} t[] = {
		{ WORDS("--canary", "k", "--canary-to", "bob"),
		        "--canary needs --canary-from and --canary-to" },
		{ WORDS("--canary", "k", "--canary-from", "bob"),
		        "--canary needs --canary-from and --canary-to" },
		{ WORDS(WHO), "give --canary-via URL" },
		{ WORDS("--canary", "k", "--canary-from", "Alice", "--canary-to", "bob"),
		        "option '--canary-from': 'Alice' is no name" },
		{ WORDS("--canary", "k", "--canary-from", "alice@", "--canary-to", "bob"),
		        "a name is missing" },
		{ WORDS("--canary", "k", "--canary-from", "@active", "--canary-to", "bob"),
		        "a name is missing" },
		{ WORDS("--canary", "k", "--canary-to", "bob@active"),
		        "option '--canary-to': 'bob@active' is no name" },
		{ WORDS("--canary", "k", "--canary-from", "bob", "--canary-to", "bob",
		          "--canary-via", "http://h"),
		        "canary: 'bob' cannot pay itself" },
		{ WORDS(WHO, "--canary-quantity", "1 eos"), "option '--canary-quantity'" },
		{ WORDS(WHO, "--canary-via", "http://h", "--canary-quantity", "0.0000 EOS"),
		        "is not more than nothing" },
		{ WORDS(WHO, "--canary-contract", "x.y.z!"), "option '--canary-contract'" },
		{ WORDS(WHO, "--canary-memo", "\xff"), "option '--canary-memo': this memo is not" },
		{ WORDS(WHO, "--canary-timeout", "10ms"), "option '--canary-timeout'" },
		{ WORDS(WHO, "--canary-via", "ftp://h"), "is not a URL of http or https" },
		{ WORDS(WHO, "--canary-via", "http://h/v1"), "has a path" },
		{ WORDS(WHO, "--canary-via", "http://h?x"), "has a path" },
		{ WORDS(WHO, "--canary-via", "http://me:secret@h"), "a user in a URL" },
		{ WORDS(WHO, "--canary-via", "ftp://me:secret@h"), "a user in a URL" },
		{ WORDS(WHO, "--canary-via", "nonsense://"), "canary: " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = ERR_INIT;

		o = (struct check_canary_options){ 0 };
		if (make(t[i].words, &e) || e.kind != ERR_USAGE || !strstr(e.msg, t[i].says))
			fail_msg("row %zu: %s", i, e.msg);
		assert_null(strstr(e.msg, "secret"));
	}
}

static void a_memo_that_is_too_long(void **state)
{
	char memo[258];
	struct err e = ERR_INIT;

	(void)state;
	memset(memo, 'm', sizeof(memo));
	memo[257] = '\0';
	assert_int_equal(check_canary_memo(memo, &e), -1);
	err_clear(&e);
	memo[256] = '\0';
	assert_int_equal(check_canary_memo(memo, &e), 0);
}

static void the_others_need_it(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse(WORDS("--canary-irreversible"), &e), -1);
	assert_string_equal(e.msg, "option '--canary-irreversible' is for '--canary' only");
	err_clear(&e);
	assert_int_equal(parse(WORDS("--canary-irreversible", "--canary", "k"), &e), 0);
	assert_true(o.wants_irreversible);
	assert_string_equal(o.key_file, "k");
}

static void the_key(void **state)
{
	const char *const *given = WORDS(WHO, "--canary-via", "http://h");
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(chmod(key_file, 0644), 0);
	assert_null(make(given, &e));
	assert_int_equal(e.kind, ERR_DENIED);
	assert_non_null(strstr(e.msg, "option '--canary': others than its owner may use"));
	assert_null(strstr(e.msg, "5KQwr"));
	err_clear(&e);
	assert_int_equal(unlink(key_file), 0);
	assert_null(make(given, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static int ask(void *arg, uint32_t height, canary_tell_fn *tell, void *to, struct err *e)
{
	(void)arg;
	(void)height;
	(void)tell;
	(void)to;
	(void)e;
	fail_msg("nothing was sent, so nothing is asked");
	return -1;
}

/* Where it goes to: --canary-via, then the first node, then the first reference. */
static void the_way_in(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < 3; i++) {
		static const char *const want[] = { "http://127.0.0.1:3", "http://127.0.0.1:2",
			"http://127.0.0.1:1" };
		struct check_canary *c;

		o = (struct check_canary_options){ 0 };
		if (i == 0)
			assert_int_equal(strvec_add(&references, "http://127.0.0.1:3"), 0);
		if (i == 1)
			assert_int_equal(strvec_add(&nodes, "http://127.0.0.1:2"), 0);
		c = i == 2 ? make(WORDS(WHO, "--canary-via", "http://127.0.0.1:1/"), &e)
		           : make(WORDS(WHO), &e);
		assert_non_null(c);
		/* Nobody listens there. */
		assert_int_equal(check_canary_run(c, "", ask, NULL, &e), 0);
		assert_false(check_canary_report(c)->is_good);
		assert_string_equal(check_canary_report(c)->via, want[i]);
		assert_non_null(strstr(check_canary_report(c)->text, "the canary was not taken: "));
		assert_int_equal(check_canary_print(c, &e), 0);
		check_canary_free(c);
	}
	assert_int_equal(fflush(ctx.out), 0);
	assert_non_null(strstr(out, "the canary was not taken: "));
	assert_null(strstr(out, WIF));
	assert_int_equal(fflush(ctx.err), 0);
	assert_null(strstr(err, WIF));
}

static void in_json(void **state)
{
	struct err e = ERR_INIT;
	struct check_canary *c = make(WORDS(WHO, "--canary-via", "http://127.0.0.1:1"), &e);

	(void)state;
	assert_non_null(c);
	ctx.json = true;
	assert_int_equal(check_canary_run(c, "", ask, NULL, &e), 0);
	assert_int_equal(check_canary_print(c, &e), 0);
	check_canary_free(c);
	assert_false(json_bool(ctx.result, "canary.good", true));
	assert_int_equal(fflush(ctx.out), 0);
	assert_string_equal(out, "");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(good_ones),
		T(bad_ones),
		T(a_memo_that_is_too_long),
		T(the_others_need_it),
		T(the_key),
		T(the_way_in),
		T(in_json),
	};

	return cmocka_run_group_tests_name("cli/check_canary", tests, NULL, NULL);
}
