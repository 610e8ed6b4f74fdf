#include "unit/test.h"

#include <string.h>

#include "lease/right.h"

static void is(struct lease_right *r, uint64_t epoch, int64_t at, uint32_t slot, const char *why)
{
	const char *got = lease_right_refuses(r, epoch, at, slot);

	if (!why && got)
		fail_msg("refused: %s", got);
	if (why && (!got || !strstr(got, why)))
		fail_msg("'%s' is not '%s'", got ? got : "allowed", why);
}

static void refuses(void **state)
{
	struct lease_right r;

	(void)state;
	lease_right_init(&r);
	is(&r, 0, 10, 5, "there is no right");
	is(&r, 1, 10, 5, "there is no right");
	lease_right_set(&r, 3, 100, 10, 20);
	is(&r, 3, 99, 11, NULL);
	is(&r, 3, 99, 20, NULL);
	is(&r, 3, 100, 11, "is over");
	is(&r, 3, 99, 10, "holder before");
	is(&r, 3, 99, 21, "beyond");
	is(&r, 2, 99, 11, "another epoch");
	is(&r, 4, 99, 11, "another epoch");
	lease_right_release(&r);
}

/* What comes late changes nothing. */
static void grows(void **state)
{
	struct lease_right r;

	(void)state;
	lease_right_init(&r);
	lease_right_set(&r, 3, 100, 10, 20);
	lease_right_set(&r, 3, 90, 5, 15);
	is(&r, 3, 99, 20, NULL);
	is(&r, 3, 99, 10, "holder before");
	lease_right_set(&r, 3, 200, 10, 30);
	is(&r, 3, 199, 30, NULL);
	lease_right_set(&r, 2, 900, 0, 90);
	is(&r, 3, 199, 31, "beyond");
	is(&r, 2, 199, 11, "another epoch");
	/* A later epoch is another right altogether. */
	lease_right_set(&r, 4, 150, 30, 40);
	is(&r, 4, 149, 31, NULL);
	is(&r, 4, 150, 31, "is over");
	is(&r, 3, 100, 31, "another epoch");
	lease_right_release(&r);
}

static void drops(void **state)
{
	struct lease_right r;

	(void)state;
	lease_right_init(&r);
	lease_right_set(&r, 3, 100, 10, 20);
	lease_right_drop(&r);
	is(&r, 3, 50, 11, "there is no right");
	lease_right_drop(&r);
	lease_right_set(&r, 3, 300, 10, 20);
	lease_right_set(&r, 2, 300, 10, 20);
	is(&r, 3, 50, 11, "there is no right");
	lease_right_set(&r, 4, 300, 10, 20);
	is(&r, 4, 50, 11, NULL);
	lease_right_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(grows),
		cmocka_unit_test(drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
