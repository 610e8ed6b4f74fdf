#include "unit/test.h"

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/str.h"
#include "replay/snapshot_source.h"

static void places(void **state)
{
	static const struct {
		const char *base, *storage, *path;
		const char *file, *server, *ask; /* all NULL: refused */
	} t[] = {
		{ NULL, "s3", "s3://bucket/a/b.bin.zst", NULL, NULL, "/bucket/a/b.bin.zst" },
		{ NULL, "s3", "bucket/a b.bin", NULL, NULL, "/bucket/a%20b.bin" },
		{ "/base", "fs", "s3://bucket/x.bin", NULL, NULL, "/bucket/x.bin" },
		{ NULL, "s3", "s3://bucket", NULL, NULL, NULL },
		{ NULL, "s3", "s3://bucket/", NULL, NULL, NULL },
		{ NULL, "s3", "s3:///x", NULL, NULL, NULL },
		{ NULL, "http", "http://h:1/a/x.bin", NULL, "http://h:1", "/a/x.bin" },
		{ NULL, "fs", "https://h/x.bin?a=b", NULL, "https://h", "/x.bin?a=b" },
		{ NULL, "http", "http://h", NULL, "http://h", "/" },
		{ NULL, "http", "http:///x", NULL, NULL, NULL },
		{ NULL, "filesystem", "/srv/x.bin", "/srv/x.bin", NULL, NULL },
		{ NULL, "fs", "file:///srv/x.bin", "/srv/x.bin", NULL, NULL },
		{ NULL, "fs", "x.bin", NULL, NULL, NULL },
		{ NULL, "http", "x.bin", NULL, NULL, NULL },
		{ "/base/", "fs", "x.bin", "/base/x.bin", NULL, NULL },
		{ "/base", "filesystem", "a/x.bin", "/base/a/x.bin", NULL, NULL },
		{ "/base", "fs", "/srv/there/x.bin", "/base/x.bin", NULL, NULL },
		{ "/base", "fs", "../x.bin", NULL, NULL, NULL },
		{ "/base", "fs", "/srv/", NULL, NULL, NULL },
		{ "http://h:2/s/", "fs", "/srv/a x.bin", NULL, "http://h:2", "/s/a%20x.bin" },
		{ "http://h:2", "http", "a/x.bin", NULL, "http://h:2", "/a/x.bin" },
		{ NULL, "tape", "/srv/x.bin", NULL, NULL, NULL },
		{ NULL, "", "/srv/x.bin", NULL, NULL, NULL },
		{ NULL, "fs", "", NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(snapshot_source) struct snapshot_source s = { .file = NULL };
		struct err e = ERR_INIT;
		int rc = snapshot_source_find(&s, t[i].base, t[i].storage, t[i].path, &e);
		bool is_good = t[i].file || t[i].ask;

		if (is_good ? rc != 0 : rc >= 0 || e.kind != ERR_USAGE)
			fail_msg("%s '%s': %d %s", t[i].storage, t[i].path, rc, e.msg);
		if (is_good &&
		        (!str_eq(s.file, t[i].file) || !str_eq(s.server, t[i].server) ||
		                !str_eq(s.path, t[i].ask)))
			fail_msg("%s '%s': file %s server %s path %s", t[i].storage, t[i].path,
			        s.file ? s.file : "-", s.server ? s.server : "-",
			        s.path ? s.path : "-");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
