#include "unit/test.h"

#include <arpa/inet.h>
#include <string.h>

#include "loop/loop.h"
#include "loop/resolve.h"

struct answer {
	int calls, rc;
	size_t n;
	struct in_addr first;
	bool has_why;
};

static void take(void *arg, const struct resolve_answer *got)
{
	struct answer *a = arg;

	a->calls++;
	a->rc = got->rc;
	a->n = got->n;
	a->has_why = got->why != NULL;
	if (got->n)
		a->first = got->addresses[0];
}

static void ask(struct loop *l, const char *host, struct answer *a)
{
	struct err e = ERR_INIT;

	memset(a, 0, sizeof(*a));
	assert_non_null(resolve_start(l, host, take, a, &e));
	assert_int_equal(a->calls, 0); /* never at once */
	for (int i = 0; i < 1000 && !a->calls; i++)
		assert_int_equal(loop_once(l, 10, &e), 0);
	assert_int_equal(a->calls, 1);
}

static void addresses_and_names_are_found(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost" };
	struct err e = ERR_INIT;
	struct answer a;
	struct loop l;

	(void)state;
	assert_int_equal(loop_init(&l, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		ask(&l, hosts[i], &a);
		assert_int_equal(a.rc, 0);
		assert_true(a.n >= 1);
		assert_false(a.has_why);
		assert_int_equal(a.first.s_addr, htonl(INADDR_LOOPBACK));
	}
	loop_release(&l);
}

static void what_is_no_name_is_said(void **state)
{
	struct err e = ERR_INIT;
	struct answer a;
	struct loop l;

	(void)state;
	assert_int_equal(loop_init(&l, &e), 0);
	ask(&l, "not a name", &a);
	assert_int_not_equal(a.rc, 0);
	assert_int_equal(a.n, 0);
	assert_true(a.has_why);
	loop_release(&l);
}

/* The thread may still be at it; it cleans up after itself. */
static void a_cancelled_one_never_answers(void **state)
{
	struct err e = ERR_INIT;
	struct answer a = { 0 };
	struct loop l;

	(void)state;
	assert_int_equal(loop_init(&l, &e), 0);
	for (int i = 0; i < 20; i++)
		resolve_cancel(resolve_start(&l, i % 2 ? "localhost" : "127.0.0.1", take, &a, &e));
	for (int i = 0; i < 10; i++)
		assert_int_equal(loop_once(&l, 5, &e), 0);
	assert_int_equal(a.calls, 0);
	loop_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_and_names_are_found),
		cmocka_unit_test(what_is_no_name_is_said),
		cmocka_unit_test(a_cancelled_one_never_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
