#include "unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "supervise/output.h"

/* What a child would print is written into the pipe by the test itself. */
static char dir[] = "/tmp/test_output.XXXXXX";
static int dirfd_, saved_stderr, child;
static struct loop loop;
static struct output out;

static int setup(void **state)
{
	struct err e = ERR_INIT;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	saved_stderr = dup(STDERR_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
	if (loop_init(&loop, &e) < 0)
		return -1;
	output_init(&out, &loop, dirfd_);
	return output_open(&out, &child, &e);
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	if (child >= 0)
		close(child);
	output_release(&out);
	loop_release(&loop);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(dirfd_);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void print(const char *text, size_t n)
{
	while (n) {
		size_t part = n < 32768 ? n : 32768;

		assert_int_equal(write(child, text, part), part);
		output_pump(&out);
		text += part;
		n -= part;
	}
}

static off_t size_of(const char *name)
{
	struct stat st;

	return fstatat(dirfd_, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -1 : st.st_size;
}

static void end_of_child(void)
{
	close(child);
	child = -1;
	output_drain(&out);
}

static void the_file_is_rotated_and_bounded(void **state)
{
	static char line[3500];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	/* Within the burst: nothing is suppressed. */
	for (int i = 0; i < 4900; i++)
		print(line, sizeof(line));
	end_of_child();
	assert_int_equal(out.suppressed, 0);
	assert_true(size_of("nodeos.log") > 0 && size_of("nodeos.log") <= OUTPUT_FILE_MAX);
	assert_true(size_of("nodeos.log.1") > OUTPUT_FILE_MAX - 4000 &&
	        size_of("nodeos.log.1") <= OUTPUT_FILE_MAX);
	/* No line is lost between the two. */
	assert_int_equal(
	        size_of("nodeos.log") + size_of("nodeos.log.1"), 4900 * (off_t)sizeof(line));
}

static void long_lines_are_cut_and_a_last_line_needs_no_end(void **state)
{
	static char text[3 * OUTPUT_LINE_MAX];
	char *tail;

	(void)state;
	memset(text, 'y', sizeof(text));
	print(text, sizeof(text));
	print("\nlast words", strlen("\nlast words"));
	end_of_child();
	assert_int_equal(out.lines, 4);
	tail = output_tail(&out);
	assert_non_null(strstr(tail, "\nlast words\n"));
	free(tail);
}

static void keys_are_hidden(void **state)
{
	static const char key[] = "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3";
	char *tail;

	(void)state;
	print("key ", 4);
	print(key, strlen(key));
	print("\033[2J done\n", strlen("\033[2J done\n"));
	end_of_child();
	tail = output_tail(&out);
	assert_null(strstr(tail, key));
	assert_null(strchr(tail, '\033'));
	assert_non_null(strstr(tail, "done"));
	free(tail);
}

static void another_run_has_a_memory_of_its_own(void **state)
{
	struct err e = ERR_INIT;
	char *tail;

	(void)state;
	print("why the first run ended\n", strlen("why the first run ended\n"));
	end_of_child();
	assert_int_equal(output_open(&out, &child, &e), 0);
	print("second\n", strlen("second\n"));
	end_of_child();
	tail = output_tail(&out);
	assert_string_equal(tail, "second\n");
	free(tail);
}

static void a_flood_is_cut(void **state)
{
	static char text[32768];

	(void)state;
	memset(text, '\n', sizeof(text));
	for (size_t i = 0; i < sizeof(text); i += 2)
		text[i] = 'z';
	print(text, sizeof(text));
	end_of_child();
	assert_int_equal(out.lines, sizeof(text) / 2);
	assert_true(out.suppressed > 10000 && out.suppressed <= out.lines - OUTPUT_BURST);
}

static unsigned watched;

static void watch(void *arg, const char *line)
{
	assert_ptr_equal(arg, &watched);
	assert_null(strchr(line, '\n'));
	watched++;
}

/* Also what the limit drops. */
static void a_watch_sees_each_line(void **state)
{
	(void)state;
	watched = 0;
	output_watch(&out, watch, &watched);
	out.tokens = 0;
	for (int i = 0; i < 100; i++)
		print("one\n", 4);
	output_pump(&out);
	assert_int_equal(watched, 100);
	assert_true(out.suppressed > 0);
	output_watch(&out, NULL, NULL);
	print("one\n", 4);
	end_of_child();
	assert_int_equal(watched, 100);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_file_is_rotated_and_bounded),
		T(long_lines_are_cut_and_a_last_line_needs_no_end),
		T(keys_are_hidden),
		T(another_run_has_a_memory_of_its_own),
		T(a_flood_is_cut),
		T(a_watch_sees_each_line),
	};

	return cmocka_run_group_tests_name("supervise/output", tests, NULL, NULL);
}
