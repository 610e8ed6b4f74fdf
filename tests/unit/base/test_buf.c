#include "unit/test.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

static void grows_up_to_its_maximum_and_no_further(void **state)
{
	static const size_t maxima[] = { 0, 1, 2, 63, 64, 65, 1000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(maxima); i++) {
		struct buf b = BUF_INIT(maxima[i]);

		for (size_t n = 0; n < maxima[i]; n++)
			assert_int_equal(buf_add(&b, "x", 1), 0);
		errno = 0;
		assert_int_equal(buf_add(&b, "y", 1), -1);
		assert_int_equal(errno, E2BIG);
		assert_int_equal(buf_add_fmt(&b, "%d", 7), -1);
		assert_int_equal(b.len, maxima[i]);
		assert_int_equal(buf_add(&b, "", 0), 0);
		assert_int_equal(strlen(b.data), maxima[i]);
		assert_true(b.cap <= maxima[i] + 1);
		buf_release(&b);
	}
}

/* One that was full at first and is allowed more later, as a reply that is used again. */
static void a_raised_maximum_counts(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	assert_int_equal(buf_add(&b, "", 0), 0);
	b.max = 100;
	assert_int_equal(buf_add_str(&b, "abc"), 0);
	assert_string_equal(b.data, "abc");
	b.max = 2;
	assert_int_equal(buf_add(&b, "", 0), -1);
	assert_string_equal(b.data, "abc");
	buf_release(&b);
}

static void sizes_that_would_wrap(void **state)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 1, PTRDIFF_MAX,
		(size_t)PTRDIFF_MAX + 1, SIZE_MAX / 2 + 2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct buf b = BUF_INIT(SIZE_MAX);

		assert_int_equal(buf_add_str(&b, "abc"), 0);
		errno = 0;
		assert_int_equal(buf_add(&b, "x", sizes[i]), -1);
		assert_int_equal(errno, E2BIG);
		assert_string_equal(b.data, "abc");
		buf_release(&b);
	}
}

static void consume_and_take(void **state)
{
	struct buf b = BUF_INIT(100);
	char *s;

	(void)state;
	buf_consume(&b, 0);
	assert_null(b.data);
	assert_int_equal(buf_add_fmt(&b, "%s-%d", "hello", 42), 0);
	buf_consume(&b, 6);
	assert_string_equal(b.data, "42");
	assert_int_equal(b.len, 2);
	s = buf_take(&b);
	assert_string_equal(s, "42");
	free(s);
	assert_null(b.data);
	s = buf_take(&b);
	assert_string_equal(s, "");
	free(s);
	assert_int_equal(buf_add_str(&b, "again"), 0);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	buf_release(&b);
	buf_release(&b);
}

static void bytes_are_not_text(void **state)
{
	struct buf b = BUF_INIT(10);

	(void)state;
	assert_int_equal(buf_add(&b, "a\0b", 3), 0);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_up_to_its_maximum_and_no_further),
		cmocka_unit_test(a_raised_maximum_counts),
		cmocka_unit_test(sizes_that_would_wrap),
		cmocka_unit_test(consume_and_take),
		cmocka_unit_test(bytes_are_not_text),
	};

	return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
