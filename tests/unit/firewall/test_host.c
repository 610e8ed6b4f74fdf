/* What is kept of a firewall.  The rest of host.c needs tables: tests/it/test_firewall.sh. */

#include "firewall/host.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "unit/test.h"

static char dir[] = "/tmp/ns-firewall-XXXXXX";
static int fd;

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlinkat(fd, "firewall.json", 0);
	(void)close(fd);
	return rmdir(dir);
}

static void test_saved(void **state)
{
	static struct firewall_model m, back;
	char a[FIREWALL_DIGEST_SIZE], b[FIREWALL_DIGEST_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	firewall_model_init(&m);
	assert_int_equal(firewall_saved_read(fd, &back, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	err_clear(&e);
	assert_int_equal(firewall_saved_remove(fd, &e), 0);
	assert_int_equal(firewall_model_add_node(&m, "10.0.0.1", &e), 0);
	assert_int_equal(firewall_saved_write(fd, &m, &e), 0);
	assert_int_equal(firewall_saved_read(fd, &back, &e), 0);
	firewall_model_digest(&m, a);
	firewall_model_digest(&back, b);
	assert_string_equal(a, b);
	assert_int_equal(firewall_saved_remove(fd, &e), 0);
	assert_int_equal(firewall_saved_read(fd, &back, &e), -1);
}

static void test_broken(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{\"format\":1}", "\0" };
	static struct firewall_model back;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(
		        fs_write_at(fd, "firewall.json", texts[i], strlen(texts[i]), 0644, &e), 0);
		if (firewall_saved_read(fd, &back, &e) == 0 || e.kind != ERR_PROTOCOL)
			fail_msg("'%s': %s", texts[i], e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_saved),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
