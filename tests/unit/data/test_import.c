#include "unit/test.h"

#include "unit/data/trip.h"

#include "unit/data/room.h"
#include "unit/data/fixture.h"

#include <signal.h>
#include <sys/file.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/str.h"
#include "data/import.h"
#include "data/slot.h"

#define CHAIN "b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c"
#define HEAD  "0000000db01f884e94573bdec98ca831e8e74cb70840b2b7830b77879e664f96"
#define DATA  "tests/data/nodeos/"

static struct err e;
static struct buf snapshot, packed;
static int top = -1; /* fixture_dir */
static char path_[256];

static void put_bytes(const char *path, const void *p, size_t n)
{
	int fd;

	put(top, path, "");
	fd = openat(top, path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0 && fs_write_all(fd, p, n) == 0);
	close(fd);
}

static const char *at(const char *name)
{
	snprintf(path_, sizeof(path_), "%s/%s", fixture_dir, name);
	return path_;
}

/* The recorded data-dir, as `dir` below top. */
static void put_data_dir(const char *dir)
{
	static const char *const files[] = { "blocks.log", "blocks.index", "fork_db.dat" };
	char path[200], db[8192] = "EOSIODB2";

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(buf) struct buf b = BUF_INIT(1 << 20);

		snprintf(path, sizeof(path), DATA "%s", files[i]);
		assert_int_equal(fs_read_at(AT_FDCWD, path, &b, &e), 0);
		snprintf(path, sizeof(path), "%s/blocks/%s%s", dir, i == 2 ? "reversible/" : "",
		        files[i]);
		put_bytes(path, b.data, b.len);
	}
	snprintf(path, sizeof(path), "%s/state/shared_memory.bin", dir);
	put_bytes(path, db, sizeof(db));
	snprintf(path, sizeof(path), "%s/blocks/retained/blocks-1-2.index", dir);
	put_bytes(path, db, 300);
	snprintf(path, sizeof(path), "%s/finalizers/safety.dat", dir);
	put(top, path, "mine");
}

static int setup(void **state)
{
	trip_set(0, 0);
	room = 0;
	if (fixture_setup(state) < 0)
		return -1;
	top = open(fixture_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	trip_set(0, 0);
	close(top);
	return fixture_teardown(state);
}

static struct import_options options(void)
{
	return (struct import_options){
		.host = "here", .version = "v4.0.6", .clone = { .threads = 1 }
	};
}

/* As a slot needs it; who is not root cannot give it away. */
static void expect_owner(int fd, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, geteuid() == 0 ? SLOT_UID : geteuid());
	assert_int_equal(st.st_gid, getegid() == 0 ? SLOT_UID : getegid());
}

/* Only what every list of generations has. */
static void nothing_was_made(const char *when)
{
	const char *names = names_in(pool.fd, "generations");

	if (strcmp(names, "(none)") != 0 && strcmp(names, "lock ") != 0 &&
	        strcmp(names, "lock number ") != 0)
		fail_msg("%s: %s", when, names);
}

/* --- directories --- */

static void a_directory(void **state)
{
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	struct generation_hold h = GENERATION_HOLD_INIT;
	struct import_options o = options();
	struct stat before, after;

	(void)state;
	put_data_dir("d");
	if (geteuid() == 0)
		assert_int_equal(fs_chown_tree_at(top, "d", 1234, 1235, &e), 0);
	assert_int_equal(fstatat(top, "d/blocks/retained/blocks-1-2.index", &before, 0), 0);
	o.promote = true;
	o.chain_id = CHAIN;
	ok(data_import(&m, &pool, at("d"), &o, &e));
	assert_string_equal(m.name, "g000001-0000000013");
	assert_string_equal(m.chain_id, CHAIN);
	assert_string_equal(m.origin, "import");
	assert_string_equal(m.source, at("d"));
	assert_string_equal(m.host, "here");
	assert_string_equal(m.nodeos_version, "v4.0.6");
	assert_string_equal(m.database_format, "EOSIODB2");
	assert_int_equal(m.kind, GENERATION_DATA);
	assert_int_equal(m.head_block_num, 14);
	assert_int_equal(m.first_block_num, 1);
	assert_non_null(m.clone);
	ok(generation_hold(&h, &pool, "current", NULL, &e));
	assert_int_equal(h.m.files.n, 5);
	assert_false(is_path(h.data_fd, "finalizers/safety.dat"));
	assert_int_equal(fstatat(h.data_fd, "blocks/retained/blocks-1-2.index", &after, 0), 0);
	/* The source is as it was, and shares nothing that somebody could write to. */
	assert_int_not_equal(after.st_ino, before.st_ino);
	assert_int_equal(fstatat(top, "d/blocks/retained/blocks-1-2.index", &after, 0), 0);
	assert_int_equal(after.st_nlink, 1);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_ctime, before.st_ctime);
	assert_string_equal(names_in(top, "d"), "blocks finalizers state ");
	expect_owner(h.fd, "data");
	expect_owner(h.data_fd, "blocks/reversible");
	expect_owner(h.data_fd, "state/shared_memory.bin");
	expect_owner(h.data_fd, "blocks/retained/blocks-1-2.index");
	generation_hold_release(&h);
	ok(generation_verify(&pool, "current", NULL, NULL, NULL, NULL, &e));
}

static void chains(void **state)
{
	static const struct {
		const char *name, *chain;
		bool has_log;
		enum err_kind kind;
	} rows[] = {
		{ "said and told", CHAIN, true, ERR_NONE },
		{ "in capitals", "B233C4BB3588FAA9C6D41CD3051F7951AE2697E0D6D02606C9C29E31D744EF3C",
		        true, ERR_NONE },
		{ "told only", NULL, true, ERR_NONE },
		{ "said only", CHAIN, false, ERR_NONE },
		{ "neither", NULL, false, ERR_USAGE },
		{ "another", CHAIN_A, true, ERR_CONFLICT },
		{ "nonsense", "b233", true, ERR_USAGE },
		{ "too long", CHAIN "0", true, ERR_USAGE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(manifest) struct manifest m = MANIFEST_INIT;
		struct import_options o = options();
		int rc;

		put_data_dir("d");
		if (!rows[i].has_log) {
			assert_int_equal(unlinkat(top, "d/blocks/blocks.log", 0), 0);
			assert_int_equal(unlinkat(top, "d/blocks/blocks.index", 0), 0);
			assert_int_equal(unlinkat(top, "d/blocks/retained/blocks-1-2.index", 0), 0);
		}
		o.chain_id = rows[i].chain;
		e = ERR_INIT;
		rc = data_import(&m, &pool, at("d"), &o, &e);
		if ((rc < 0) != (rows[i].kind != ERR_NONE) || e.kind != rows[i].kind)
			fail_msg("row '%s': %d %s", rows[i].name, rc, e.msg);
		if (rc < 0)
			nothing_was_made(rows[i].name);
		else if (strcmp(m.chain_id, CHAIN) != 0)
			fail_msg("row '%s': %s", rows[i].name, m.chain_id);
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

static void not_clean(void **state)
{
	struct import_options o = options();
	struct manifest m;
	int fd;

	(void)state;
	put_data_dir("d");
	fd = openat(top, "d/state/shared_memory.bin", O_WRONLY);
	assert_int_equal(pwrite(fd, "\1", 1, 8), 1);
	fails(data_import(&m, &pool, at("d"), &o, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "dirty"));
	assert_int_equal(pwrite(fd, "\0", 1, 8), 1);
	close(fd);
	assert_int_equal(unlinkat(top, "d/blocks/reversible/fork_db.dat", 0), 0);
	fails(data_import(&m, &pool, at("d"), &o, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "damaged"));
	put(top, "empty/x", "");
	fails(data_import(&m, &pool, at("empty"), &o, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "empty"));
	nothing_was_made("not clean");
	/* It would be replayed in each slot that got it. */
	put_data_dir("d");
	assert_int_equal(unlinkat(top, "d/state/shared_memory.bin", 0), 0);
	fails(data_import(&m, &pool, at("d"), &o, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "blocks and no state"));
	assert_non_null(strstr(e.hint, "start its nodeos once"));
	nothing_was_made("no state");
	put_data_dir("d");
	assert_int_equal(truncate(at("d/blocks/blocks.log"), 2600), 0);
	fails(data_import(&m, &pool, at("d"), &o, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "the last block is said to begin"));
	nothing_was_made("cut");
}

/* --- in use --- */

enum use {
	OPEN,
	FLOCK,
	FCNTL,
	SLOT,
};

/* A child that does so until the other end of the pipe is closed. */
static pid_t use(const char *path, enum use how, int *ret_fd)
{
	int go[2], ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		int fd = openat(top, path, O_RDWR | O_CREAT, 0644);

		close(go[1]);
		if (how == FLOCK || how == SLOT)
			(void)flock(fd, LOCK_EX);
		if (how == FCNTL)
			(void)fcntl(fd, F_SETLK, &l);
		(void)!write(ready[1], "x", 1);
		(void)!read(go[0], &c, 1);
		_exit(0);
	}
	close(go[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*ret_fd = go[1];
	return pid;
}

static void in_use(void **state)
{
	static const struct {
		const char *name, *path;
		enum use how;
		const char *message;
	} rows[] = {
		{ "the state is open", "s/1/data/state/shared_memory.bin", OPEN, "has it open" },
		{ "the log is open", "s/1/data/blocks/blocks.log", OPEN, "has it open" },
		{ "flock", "s/1/data/state/shared_memory.bin", FLOCK, "has it open" },
		{ "fcntl", "s/1/data/state/shared_memory.bin", FCNTL, "has it open" },
		{ "the slot", "s/1/lock", SLOT, "its slot is locked" },
	};

	(void)state;
	put_data_dir("s/1/data");
	put(top, "s/1/run.json", "{}");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct import_options o = options();
		struct manifest m;
		int fd, rc;
		pid_t pid = use(rows[i].path, rows[i].how, &fd);

		e = ERR_INIT;
		rc = data_import(&m, &pool, at("s/1/data"), &o, &e);
		close(fd);
		(void)waitpid(pid, NULL, 0);
		if (rc == 0 || e.kind != ERR_CONFLICT || !strstr(e.msg, rows[i].message))
			fail_msg("row '%s': %s", rows[i].name, e.msg);
		nothing_was_made(rows[i].name);
	}
	{
		AUTO(manifest) struct manifest m = MANIFEST_INIT;
		struct import_options o = options();
		pid_t pid;
		int fd;

		ok(data_import(&m, &pool, at("s/1/data"), &o, &e));
		/* A slot that was never run. */
		put_data_dir("pool/services/s/1/data");
		pid = use("pool/services/s/1/lock", SLOT, &fd);
		fails(data_import(&m, &pool, at("pool/services/s/1/data"), &o, &e), ERR_CONFLICT);
		close(fd);
		(void)waitpid(pid, NULL, 0);
		assert_non_null(strstr(e.msg, "its slot is locked"));
	}
}

/* --- files --- */

static size_t pack(const void *p, size_t n)
{
	size_t max = ZSTD_compressBound(n), got;
	char *out = malloc(max);

	got = ZSTD_compress(out, max, p, n, 3);
	assert_false(ZSTD_isError(got));
	assert_int_equal(buf_add(&packed, out, got), 0);
	free(out);
	return got;
}

static void files(void **state)
{
	enum form { PLAIN, ONE, TWO, MANY, SKIPPED };
	static const struct {
		const char *file;
		enum form form;
		const char *name; /* in the generation */
	} rows[] = {
		{ "snapshot-x.bin", PLAIN, "snapshot-x.bin" },
		{ "snapshot-x.bin.zst", ONE, "snapshot-x.bin" },
		{ "two.bin.zst", TWO, "two.bin" },
		{ "many.bin.zst", MANY, "many.bin" },
		{ "skipped.bin.zst", SKIPPED, "skipped.bin" },
		{ "eos latest", PLAIN, "snapshot-" HEAD ".bin" },
		{ "latest.zst", ONE, "snapshot-" HEAD ".bin" },
		{ ".bin", PLAIN, "snapshot-" HEAD ".bin" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(manifest) struct manifest m = MANIFEST_INIT;
		struct clone_progress progress = { 0 };
		struct import_options o = options();
		struct generation_hold h = GENERATION_HOLD_INIT;
		char want[300];
		size_t half = snapshot.len / 2;

		buf_clear(&packed);
		if (rows[i].form == PLAIN)
			assert_int_equal(buf_add(&packed, snapshot.data, snapshot.len), 0);
		if (rows[i].form == ONE)
			pack(snapshot.data, snapshot.len);
		if (rows[i].form == SKIPPED)
			assert_int_equal(buf_add(&packed, "\x51\x2a\x4d\x18\x04\0\0\0abcd", 12), 0);
		if (rows[i].form == TWO || rows[i].form == SKIPPED) {
			pack(snapshot.data, half);
			pack(snapshot.data + half, snapshot.len - half);
		}
		for (size_t k = 0; rows[i].form == MANY && k < snapshot.len; k++)
			pack(snapshot.data + k, 1);
		put_bytes(rows[i].file, packed.data, packed.len);
		o.promote = true;
		o.clone.progress = &progress;
		ok(data_import(&m, &pool, at(rows[i].file), &o, &e));
		assert_int_equal(m.kind, GENERATION_SNAPSHOT);
		assert_string_equal(m.chain_id, CHAIN);
		assert_string_equal(m.head_block_id, HEAD);
		assert_int_equal(m.lib_block_num, 13);
		assert_int_equal(progress.bytes_done, packed.len);
		assert_int_equal(progress.bytes_total, packed.len);
		ok(generation_hold(&h, &pool, m.name, NULL, &e));
		snprintf(want, sizeof(want), "snapshots/%s", rows[i].name);
		assert_int_equal(h.m.files.n, 1);
		if (strcmp(h.m.files.v[0].path, want) != 0)
			fail_msg("row '%s': %s", rows[i].file, h.m.files.v[0].path);
		assert_int_equal(h.m.files.v[0].size, snapshot.len);
		generation_hold_release(&h);
		ok(generation_verify(&pool, m.name, NULL, NULL, NULL, NULL, &e));
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

static void bad_files(void **state)
{
	enum form { RAW, CUT, TAIL, TAIL_IN, INNER_CUT, TEXT, FLIP };
	static const struct {
		const char *name;
		enum form form;
		const char *bytes;
		size_t n;
		const char *message;
	} rows[] = {
		{ "empty", RAW, "", 0, "it has only 0 bytes" },
		{ "three bytes", RAW, "P\5Q", 3, "it has only 3 bytes" },
		{ "text", RAW, "hello world", 11,
		        "it is not a snapshot of nodeos: it begins with 68656c6c" },
		{ "json", RAW, "{\"version\":6}", 13, "it is not a snapshot of nodeos" },
		{ "gzip", RAW, "\x1f\x8b\x08\0\0", 5, "begins with 1f8b0800" },
		{ "snapshot cut", RAW, NULL, 5000, "it is cut off" },
		{ "zst cut", CUT, NULL, 40, "it is cut off: it ends at byte" },
		{ "zst cut by one", CUT, NULL, 1, "it is cut off: it ends at byte" },
		{ "zst and garbage", TAIL, "garbage", 7, "something that is not zstd follows" },
		{ "zst and a zero", TAIL, "\0\0\0\0\0\0\0\0", 8,
		        "something that is not zstd follows" },
		{ "more in it", TAIL_IN, "xyz", 3, "3 bytes follow its end" },
		{ "less in it", INNER_CUT, NULL, 100, "it is cut off after" },
		{ "zst of text", TEXT, "hello world", 11, "it is not a snapshot of nodeos" },
		{ "a flipped bit", FLIP, NULL, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf b = BUF_INIT(1 << 20);
		struct import_options o = options();
		struct manifest m;

		buf_clear(&packed);
		assert_int_equal(buf_add(&b, snapshot.data, snapshot.len), 0);
		if (rows[i].form == RAW)
			assert_int_equal(
			        buf_add(&packed, rows[i].bytes ? rows[i].bytes : b.data, rows[i].n),
			        0);
		else if (rows[i].form == TEXT)
			pack(rows[i].bytes, rows[i].n);
		else {
			if (rows[i].form == TAIL_IN)
				assert_int_equal(buf_add(&b, rows[i].bytes, rows[i].n), 0);
			pack(b.data, b.len - (rows[i].form == INNER_CUT ? rows[i].n : 0));
		}
		if (rows[i].form == TAIL)
			assert_int_equal(buf_add(&packed, rows[i].bytes, rows[i].n), 0);
		if (rows[i].form == FLIP)
			packed.data[packed.len / 2] ^= 1;
		put_bytes("x.bin.zst", packed.data ? packed.data : "",
		        packed.len - (rows[i].form == CUT ? rows[i].n : 0));
		e = ERR_INIT;
		if (data_import(&m, &pool, at("x.bin.zst"), &o, &e) == 0 ||
		        e.kind != ERR_PROTOCOL || !strstr(e.msg, rows[i].message))
			fail_msg("row '%s': %s", rows[i].name, e.msg);
		nothing_was_made(rows[i].name);
	}
}

/* A section of 64 MiB of zeroes in the middle costs nothing. */
static void zeroes_become_holes(void **state)
{
	enum { ZEROES = 64 << 20 };
	AUTO(free) char *all = calloc(1, snapshot.len + ZEROES + 64);
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	struct generation_hold h = GENERATION_HOLD_INIT;
	struct import_options o = options();
	uint64_t size = 8 + 2 + ZEROES, rows = 1;
	size_t n = snapshot.len - 8;
	struct stat st;

	(void)state;
	memcpy(all, snapshot.data, n);
	memcpy(all + n, &size, 8);
	memcpy(all + n + 8, &rows, 8);
	memcpy(all + n + 16, "z", 2);
	n += 18 + ZEROES;
	memset(all + n, 0xff, 8);
	buf_clear(&packed);
	pack(all, n + 8);
	put_bytes("z.bin.zst", packed.data, packed.len);
	ok(data_import(&m, &pool, at("z.bin.zst"), &o, &e));
	ok(generation_hold(&h, &pool, m.name, NULL, &e));
	assert_int_equal(fstatat(h.data_fd, "snapshots/z.bin", &st, 0), 0);
	generation_hold_release(&h);
	assert_int_equal(st.st_size, n + 8);
	assert_true(st.st_blocks * 512 < 1 << 20);
}

/* A disk that is filled here would stop the nodes of all slots. */
static void a_reserve_is_kept(void **state)
{
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	struct import_options o = options();

	(void)state;
	put_data_dir("d");
	put_bytes("x.bin", snapshot.data, snapshot.len);
	/* The state has 8192 bytes. */
	room = 120000 + 8000;
	fails(data_import(&m, &pool, at("d"), &o, &e), ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "must be left"));
	o.clone.no_reflink = true;
	fails(data_import(&m, &pool, at("x.bin"), &o, &e), ERR_CONFLICT);
	nothing_was_made("no room");
	room = 120000 + 200000;
	ok(data_import(&m, &pool, at("d"), &o, &e));
}

static void paths(void **state)
{
	struct import_options o = options();
	struct manifest m;
	char inside[300];

	(void)state;
	fails(data_import(&m, &pool, "-", &o, &e), ERR_USAGE);
	fails(data_import(&m, &pool, "", &o, &e), ERR_USAGE);
	fails(data_import(&m, &pool, at("none"), &o, &e), ERR_NOT_FOUND);
	assert_int_equal(mkfifoat(top, "fifo", 0644), 0);
	fails(data_import(&m, &pool, at("fifo"), &o, &e), ERR_USAGE);
	/* A slot's nodeos may put links into its data-dir. */
	put_bytes("secret.bin", snapshot.data, snapshot.len);
	put(pool.fd, "services/s/1/data/x", "");
	assert_int_equal(symlinkat(at("secret.bin"), pool.fd, "services/s/1/data/l.bin"), 0);
	assert_int_equal(symlinkat(fixture_dir, pool.fd, "services/s/1/data/snapshots"), 0);
	snprintf(inside, sizeof(inside), "%s/services/s/1/data/l.bin", pool.path);
	fails(data_import(&m, &pool, inside, &o, &e), ERR_USAGE);
	snprintf(inside, sizeof(inside), "%s//services/s/1/data/snapshots/secret.bin", pool.path);
	fails(data_import(&m, &pool, inside, &o, &e), ERR_USAGE);
	/* By whatever name the pool is reached. */
	assert_int_equal(symlinkat("pool/services/s", top, "mine"), 0);
	fails(data_import(&m, &pool, at("mine/1/data/l.bin"), &o, &e), ERR_USAGE);
	fails(data_import(&m, &pool, at("./pool/../mine/1/data/snapshots/secret.bin"), &o, &e),
	        ERR_USAGE);
	fails(data_import(&m, &pool, at("mine/1/../1/data/x"), &o, &e), ERR_USAGE);
	/* And his links are not followed where there is no pool either. */
	if (geteuid() == 0) {
		assert_int_equal(symlinkat("secret.bin", top, "his.bin"), 0);
		assert_int_equal(fchownat(top, "his.bin", SLOT_UID, 0, AT_SYMLINK_NOFOLLOW), 0);
		fails(data_import(&m, &pool, at("his.bin"), &o, &e), ERR_USAGE);
	}
	assert_int_equal(symlinkat("loop.bin", top, "loop.bin"), 0);
	fails(data_import(&m, &pool, at("loop.bin"), &o, &e), ERR_SYSTEM);
	nothing_was_made("paths");
	/* His own paths are the operator's. */
	assert_int_equal(symlinkat("secret.bin", top, "link.bin"), 0);
	{
		AUTO(manifest) struct manifest mine = MANIFEST_INIT;

		ok(data_import(&mine, &pool, at("link.bin"), &o, &e));
	}
	put_bytes("pool/services/s/1/data/in.bin", snapshot.data, snapshot.len);
	snprintf(inside, sizeof(inside), "%s/services/s/1/data/in.bin", pool.path);
	{
		AUTO(manifest) struct manifest mine = MANIFEST_INIT, again = MANIFEST_INIT;

		ok(data_import(&mine, &pool, inside, &o, &e));
		ok(data_import(&again, &pool, at("mine/1/data/in.bin"), &o, &e));
	}
}

static void cancelled(void **state)
{
	static const char *const sources[] = { "d", "x.bin", "x.bin.zst" };
	volatile int cancel = 1;

	(void)state;
	put_data_dir("d");
	put_bytes("x.bin", snapshot.data, snapshot.len);
	buf_clear(&packed);
	pack(snapshot.data, snapshot.len);
	put_bytes("x.bin.zst", packed.data, packed.len);
	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		struct import_options o = options();
		struct manifest m;

		o.clone.cancel = &cancel;
		/* So that a clone of the file does not come first. */
		o.clone.no_reflink = true;
		fails(data_import(&m, &pool, at(sources[i]), &o, &e), ERR_INTERRUPTED);
		nothing_was_made(sources[i]);
	}
}

/* --- every call fails once, or is the last --- */

static void import_fails_at(const char *source, int errnum)
{
	for (int n = 1;; n++) {
		struct import_options o = options();
		struct manifest m = MANIFEST_INIT;
		bool reached;
		int rc;

		trip_set(n, errnum);
		e = ERR_INIT;
		rc = data_import(&m, &pool, at(source), &o, &e);
		reached = trip_was_reached();
		trip_set(0, 0);
		if (rc == 0) {
			/* Some calls may fail without harm. */
			ok(generation_verify(&pool, m.name, NULL, NULL, NULL, NULL, &e));
			ok(generation_remove(&pool, m.name, NULL, &e));
			manifest_release(&m);
			if (!reached)
				break;
			continue;
		}
		assert_true(e.kind == ERR_SYSTEM || e.kind == ERR_CONFLICT);
		{
			AUTO(generations) struct generations g = { 0 };

			ok(generations_list(&g, &pool, &e));
			assert_int_equal(g.n, 0);
		}
		assert_true(n < 1000);
	}
	nothing_was_made(source);
}

static void import_killed_at(const char *source)
{
	for (int n = 1;; n++) {
		struct import_options o = options();
		AUTO(generations) struct generations g = { 0 };
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			struct manifest m;

			trip_set(n, 0);
			e = ERR_INIT;
			_exit(data_import(&m, &pool, at(source), &o, &e) < 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		ok(generations_list(&g, &pool, &e));
		assert_true(g.n <= 1);
		if (g.n == 1) {
			ok(generation_verify(&pool, g.v[0].m.name, NULL, NULL, NULL, NULL, &e));
			ok(generation_remove(&pool, g.v[0].m.name, NULL, &e));
		}
		if (WEXITSTATUS(status) != TRIP_KILLED) {
			assert_int_equal(WEXITSTATUS(status), 0);
			break;
		}
		assert_true(n < 1000);
	}
	/* What the last of the killed has left goes with the next change. */
	{
		struct import_options o = options();
		AUTO(manifest) struct manifest m = MANIFEST_INIT;

		ok(data_import(&m, &pool, at(source), &o, &e));
		ok(generation_remove(&pool, m.name, NULL, &e));
	}
	nothing_was_made(source);
}

static void every_call_fails(void **state)
{
	(void)state;
	put_data_dir("d");
	buf_clear(&packed);
	pack(snapshot.data, snapshot.len);
	put_bytes("x.bin.zst", packed.data, packed.len);
	put_bytes("x.bin", snapshot.data, snapshot.len);
	import_fails_at("d", EIO);
	import_fails_at("x.bin", ENOSPC);
	import_fails_at("x.bin.zst", ENOSPC);
	import_killed_at("d");
	import_killed_at("x.bin.zst");
}

static int load(void **state)
{
	(void)state;
	buf_init(&snapshot, 1 << 20);
	buf_init(&packed, 1 << 24);
	return fs_read_at(AT_FDCWD, DATA "snapshot-v6.bin", &snapshot, &e);
}

static int unload(void **state)
{
	(void)state;
	buf_release(&snapshot);
	buf_release(&packed);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_directory),
		TEST(chains),
		TEST(not_clean),
		TEST(in_use),
		TEST(files),
		TEST(bad_files),
		TEST(zeroes_become_holes),
		TEST(a_reserve_is_kept),
		TEST(paths),
		TEST(cancelled),
		TEST(every_call_fails),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
