/* nodeos --version: what is taken for one, whatever else the program says. */

#include "unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervise/look.h"
#include "supervise/supervise_priv.h"

static char dir[64], program[128];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_ask_version.XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	snprintf(program, sizeof(program), "%s/nodeos", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(program);
	return rmdir(dir);
}

static void write_program(const char *script)
{
	FILE *f = fopen(program, "w");

	assert_non_null(f);
	assert_true(fprintf(f, "#!/bin/sh\n%s\n", script) > 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(program, 0755), 0);
}

static void versions(void **state)
{
	static const struct {
		const char *name, *script, *wanted;
	} t[] = {
		{ "Leap", "echo v4.0.6", "v4.0.6" },
		/* As v1.2.2 does. */
		{ "Spring",
		        "echo 'info  2026-11-22T10:35:37.459 nodeos    main.cpp:158                "
		        "  main                 ] nodeos started' >&2; echo v1.2.2",
		        "v1.2.2" },
		{ "no version", "echo hello", "" },
		{ "it fails", "echo v1 is not known >&2; exit 1", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char *argv[] = { program, NULL }, got[64];
		struct supervise_config cfg = { .argv = argv, .uid = geteuid(), .gid = getegid() };
		struct supervisor s = { .cfg = &cfg };

		write_program(t[i].script);
		nodeos_ask_version(&s, got, NULL);
		if (strcmp(got, t[i].wanted) != 0)
			fail_msg("%s: '%s'", t[i].name, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(versions, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
