#include "unit/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "loop/loop.h"
#include "sim/resolve.h"

struct answer {
	int calls;
	bool found;
	struct sockaddr_in address;
	char why[128];
};

static void take(void *arg, const struct sockaddr_in *address, const char *why)
{
	struct answer *a = arg;

	a->calls++;
	a->found = address != NULL;
	if (address)
		a->address = *address;
	else
		snprintf(a->why, sizeof(a->why), "%s", why);
}

static void ask(struct loop *l, const char *host, struct answer *a)
{
	struct err e = ERR_INIT;

	memset(a, 0, sizeof(*a));
	assert_non_null(resolve_start(l, host, 4711, take, a, &e));
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
		assert_true(a.found);
		assert_int_equal(a.address.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
		assert_int_equal(ntohs(a.address.sin_port), 4711);
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
	assert_false(a.found);
	assert_memory_equal(a.why, "Host not found", 14);
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
		resolve_cancel(
		        resolve_start(&l, i % 2 ? "localhost" : "127.0.0.1", 1, take, &a, &e));
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
