#include "unit/test.h"

#include <string.h>

#include "base/mount.h"

static const char mounts[] =
        "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        "30 21 8:1 / /var rw,nosuid - xfs /dev/sda1 rw,attr2\n"
        "31 30 8:2 / /var/lib/nodeswarm rw shared:5 master:2 - ext4 /dev/sdb ro,errors=remount-ro\n"
        "32 30 8:2 /sub /srv/with\\040blank ro - ext4 /dev/sdb rw\n"
        "33 30 8:3 /one /srv/twice rw - ext4 /dev/sdc rw\n"
        "34 30 8:3 /two /srv/twice rw,roomy - ext4 /dev/sdc rw\n"
        "nonsense\n"
        "35 30 8:3 /x - ext4\n";

static void points(void **state)
{
	static const struct {
		const char *path, *point, *root, *type;
		bool is_read_only;
	} rows[] = {
		{ "/", "/", "/", "ext4", false },
		{ "/home/a", "/", "/", "ext4", false },
		{ "/var/lib", "/var", "/", "xfs", false },
		{ "/variable", "/", "/", "ext4", false },
		{ "/var/lib/nodeswarm", "/var/lib/nodeswarm", "/", "ext4", true },
		{ "/var/lib/nodeswarm/services", "/var/lib/nodeswarm", "/", "ext4", true },
		{ "/var/lib/nodeswarm2", "/var", "/", "xfs", false },
		{ "/srv/with blank", "/srv/with blank", "/sub", "ext4", true },
		{ "/srv/twice", "/srv/twice", "/two", "ext4", false },
	};
	struct mount m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (mount_of(&m, mounts, rows[i].path) != 0)
			fail_msg("%s: none", rows[i].path);
		if (strcmp(m.point, rows[i].point) != 0 || strcmp(m.root, rows[i].root) != 0 ||
		        strcmp(m.type, rows[i].type) != 0 || m.is_read_only != rows[i].is_read_only)
			fail_msg("%s: %s %s %s %d", rows[i].path, m.point, m.root, m.type,
			        m.is_read_only);
	}
	assert_int_equal(mount_of(&m, "", "/"), 1);
	assert_int_equal(mount_of(&m, "1 2 3 / /a rw - ext4 x rw\n", "/b"), 1);
}

static void device(void **state)
{
	struct mount m;

	(void)state;
	assert_int_equal(mount_of(&m, mounts, "/var/lib/nodeswarm"), 0);
	assert_int_equal(m.major, 8);
	assert_int_equal(m.minor, 2);
	assert_string_equal(m.options, "ro,errors=remount-ro");
	/* A line whose device is none is passed over. */
	assert_int_equal(mount_of(&m, "93 27 x / /a rw - xfs /dev/loop3 rw\n", "/a"), 1);
}

static void options(void **state)
{
	(void)state;
	assert_true(mount_has_option("rw,discard", "discard"));
	assert_true(mount_has_option("discard,rw", "discard"));
	assert_true(mount_has_option("errors=x", "errors=x"));
	assert_false(mount_has_option("rw,discard=async,nodiscard", "discard"));
	assert_false(mount_has_option("", "rw"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points),
		cmocka_unit_test(device),
		cmocka_unit_test(options),
	};

	return cmocka_run_group_tests_name("base/mount", tests, NULL, NULL);
}
