#include "unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/host.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "data/pool.h"

/* The facts of the machine that runs the test, on a pool of its own. */

static char dir[] = "/tmp/test_host.XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void put(const char *name, const char *text)
{
	AUTO(free) char *path = str_fmt("%s/%s", dir, name);
	struct err e = ERR_INIT;

	assert_int_equal(fs_write_at(AT_FDCWD, path, text, strlen(text), 0644, &e), 0);
}

static void no_directory(void **state)
{
	json_t *j = host_facts("/no/such/pool");

	(void)state;
	assert_non_null(j);
	assert_false(json_bool(j, "pool.exists", true));
	assert_false(json_bool(j, "pool.is_pool", true));
	assert_non_null(strstr(json_str(j, "pool.error", ""), "/no/such/pool"));
	assert_null(json_at(j, "pool.total_bytes"));
	json_decref(j);
}

static void directory_and_pool(void **state)
{
	AUTO(pool) struct pool p = POOL_INIT;
	struct err e = ERR_INIT;
	json_t *j = host_facts(dir);

	(void)state;
	assert_true(json_bool(j, "pool.exists", false));
	assert_false(json_bool(j, "pool.is_pool", true));
	assert_false(json_bool(j, "pool.is_mount_expected", true));
	assert_true(json_is_false(json_at(j, "pool.is_own_mount")));
	assert_true(json_is_null(json_at(j, "swarm_address")));
	json_decref(j);

	assert_int_equal(pool_create(&p, dir, &e), 0);
	put("host.json", "{\"format\":1,\"address\":\"10.0.0.2\",\"is_mount\":true}");
	j = host_facts(dir);
	assert_string_equal(json_str(j, "pool.id", ""), p.id);
	assert_true(json_bool(j, "pool.is_pool", false));
	assert_true(json_bool(j, "pool.is_mount_expected", false));
	assert_false(json_bool(j, "pool.is_unmounted", true));
	assert_string_equal(json_str(j, "swarm_address", ""), "10.0.0.2");
	assert_true(json_int(j, "pool.total_bytes", 0) > 0);
	assert_string_equal(json_str(j, "pool.method_now", ""), pool_method_name(p.method));
	assert_string_equal(json_str(j, "pool.generation", "?"), "");
	assert_true(json_is_array(json_at(j, "pool.healing")));
	assert_int_equal(json_array_size(json_at(j, "pool.healing")), 0);
	assert_int_equal(json_int(j, "pool.quarantine.entries", -1), 0);
	json_decref(j);

	assert_int_equal(mkdirat(p.fd, "generations", 0755), 0);
	assert_int_equal(symlinkat("g000042-0349798134", p.fd, "generations/current"), 0);
	j = host_facts(dir);
	assert_string_equal(json_str(j, "pool.generation", ""), "g000042-0349798134");
	json_decref(j);
	assert_int_equal(unlinkat(p.fd, "generations/current", 0), 0);
	assert_int_equal(symlinkat("../x", p.fd, "generations/current"), 0);
	j = host_facts(dir);
	assert_true(json_is_null(json_at(j, "pool.generation")));
	json_decref(j);
	assert_int_equal(unlinkat(p.fd, "generations/current", 0), 0);
	assert_int_equal(unlinkat(p.fd, "generations", AT_REMOVEDIR), 0);

	put(POOL_UNMOUNTED_MARK, "");
	put("host.json", "not JSON");
	j = host_facts(dir);
	assert_true(json_bool(j, "pool.is_unmounted", false));
	assert_true(json_bool(j, "pool.is_mount_expected", false));
	assert_true(json_is_null(json_at(j, "swarm_address")));
	json_decref(j);
}

/* As a supervisor leaves it. */
static void put_heal(const char *slot, const char *heal)
{
	AUTO(free) char *dirs = str_fmt("%s/%s", dir, slot);
	AUTO(free) char *name = str_fmt("%s/run.json", slot);
	AUTO(free) char *text = str_fmt("{\"format\":1,\"heal\":%s}", heal);
	struct err e = ERR_INIT;
	int fd = fs_open_dir_at(AT_FDCWD, dirs, true, 0755, &e);

	assert_true(fd >= 0);
	close(fd);
	put(name, text);
}

static void slots_and_quarantine(void **state)
{
	const json_t *h;
	json_t *j;

	(void)state;
	put_heal("services/s_r/1", "null");
	put_heal("services/s_r/2",
	        "{\"stage\":\"gave-up\",\"verdict\":\"damaged\",\"repair\":\"replay\",\"tries\":3,"
	        "\"proof\":\"nothing is left\"}");
	put_heal("services/s_r/3", "{\"stage\":\"healed\",\"verdict\":\"dirty\",\"tries\":1}");
	put_heal("quarantine/s_r.2-20261121T081500Z/data", "null");
	j = host_facts(dir);
	assert_int_equal(json_array_size(json_at(j, "pool.healing")), 1);
	h = json_array_get(json_at(j, "pool.healing"), 0);
	assert_string_equal(json_str(h, "name", ""), "s_r.2");
	assert_string_equal(json_str(h, "stage", ""), "gave-up");
	assert_int_equal(json_int(h, "tries", 0), 3);
	assert_string_equal(json_str(h, "proof", ""), "nothing is left");
	assert_false(json_bool(h, "is_served", true));
	assert_int_equal(json_int(j, "pool.quarantine.entries", 0), 1);
	assert_true(json_int(j, "pool.quarantine.allocated_bytes", 0) > 0);
	assert_true(json_bool(j, "pool.quarantine.is_complete", false));
	json_decref(j);
}

static void machine(void **state)
{
	int64_t before = clock_real_ns();
	json_t *j = host_facts(dir);

	(void)state;
	assert_in_range(json_int(j, "time_unix_ns", 0), before, clock_real_ns());
	assert_true(json_int(j, "memory_bytes", 0) > 1024 * 1024);
	assert_true(json_int(j, "cpus", 0) >= 1);
	assert_true(json_int(j, "open_files_soft", 0) > 0);
	assert_int_equal(strlen(json_str(j, "boot_id", "")), 36);
	assert_true(json_is_integer(
	        json_object_get(json_object_get(j, "sysctls"), "vm.max_map_count")));
	assert_true(json_is_array(json_object_get(j, "ports")));
	assert_true(json_is_array(json_object_get(j, "programs")));
	json_decref(j);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_directory),
		cmocka_unit_test(directory_and_pool),
		cmocka_unit_test(slots_and_quarantine),
		cmocka_unit_test(machine),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
