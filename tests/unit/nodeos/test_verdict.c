#include "unit/test.h"

#include "nodeos/verdict.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

static char top[] = "/tmp/test_verdict.XXXXXX";

/*
 * A data-dir in words, one a file:
 *	state=FORMAT+DIRTY	a state file of 4096 bytes
 *	state:N			a state file of N zero bytes
 *	fork, fork:N		a fork database, one of N zero bytes
 *	log, log:N ...		blocks.log of 100 bytes, of N bytes; index, retained, archive alike
 *	X->Y			a symbolic link
 *	X|			a FIFO
 *	X/			a directory
 */
static void put(int dir, const char *path, const void *head, size_t n, size_t size)
{
	char parent[64];
	const char *slash = strrchr(path, '/');
	struct err e = ERR_INIT;
	int fd;

	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	fd = fs_open_dir_at(dir, parent, true, 0755, &e);
	assert_true(fd >= 0);
	close(fd);
	fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, head, n), n);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static void put_word(int dir, char *word)
{
	static const struct {
		const char *word, *path;
		const char *head;
		size_t size;
	} files[] = {
		{ "state", "state/shared_memory.bin", "EOSIODB2", 4096 },
		{ "fork", "blocks/reversible/fork_db.dat", "\xdb\x0f\x51\x30", 1385 },
		{ "log", "blocks/blocks.log", "\x04", 100 },
		{ "index", "blocks/blocks.index", "", 8 },
		{ "retained", "blocks/retained/blocks-1-10.log", "\x04", 100 },
		{ "snapshot", "snapshots/snapshot-0.bin", "P", 100 },
		{ "cache", "state/code_cache.bin", "x", 100 },
	};
	char *to = strstr(word, "->"), *mark = strpbrk(word, "=:|"), kind = mark ? *mark : '\0';

	if (to) {
		*to = '\0';
		assert_int_equal(symlinkat(to + 2, dir, word), 0);
		return;
	}
	if (word[strlen(word) - 1] == '/') {
		word[strlen(word) - 1] = '\0';
		assert_int_equal(mkdirat(dir, word, 0755), 0);
		return;
	}
	if (mark)
		*mark++ = '\0';
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char head[16] = "";
		size_t n = strlen(files[i].head), size = files[i].size;

		if (strcmp(files[i].word, word) != 0)
			continue;
		memcpy(head, files[i].head, n);
		if (kind == '=') {
			n = 9;
			memcpy(head, mark, 8);
			head[8] = (char)(mark[9] - '0');
		} else if (kind == ':') {
			n = 0;
			size = strtoul(mark, NULL, 10);
		}
		put(dir, files[i].path, head, n, size);
		if (kind == '|') {
			assert_int_equal(unlinkat(dir, files[i].path, 0), 0);
			assert_int_equal(mkfifoat(dir, files[i].path, 0644), 0);
		}
		return;
	}
	fail_msg("no such word: %s", word);
}

static void verdicts(void **state)
{
	static const struct {
		const char *name, *words;
		enum data_state wanted;
		const char *says;
	} t[] = {
		{ "nothing", "", DATA_EMPTY, "no state and no blocks" },
		{ "directories only", "state/ blocks/ snapshots/", DATA_EMPTY,
		        "no state and no blocks" },
		{ "an empty directory for retained blocks", "blocks/ blocks/retained/", DATA_EMPTY,
		        "no state and no blocks" },
		{ "a snapshot and a cache", "snapshot cache", DATA_EMPTY,
		        "no state and no blocks" },
		{ "empty files", "log:0 index:0", DATA_EMPTY, "no state and no blocks" },

		{ "stopped cleanly", "state=EOSIODB2+0 log index fork", DATA_CLEAN,
		        "(EOSIODB2) was closed" },
		{ "Leap 5", "state=EOSIODB3+0 log index fork", DATA_CLEAN,
		        "(EOSIODB3) was closed" },
		{ "Spring", "state=CHAINB01+0 log index fork", DATA_CLEAN,
		        "(CHAINB01) was closed" },
		{ "no block log is kept", "state=EOSIODB2+0 fork", DATA_CLEAN,
		        "no irreversible blocks" },
		{ "blocks only", "log index", DATA_CLEAN, "replays them by itself" },
		{ "blocks and fork database", "log index fork", DATA_CLEAN,
		        "replays them by itself" },
		{ "blocks in another directory", "retained", DATA_CLEAN, "replays them by itself" },
		{ "blocks behind a link", "blocks/ blocks/elsewhere->/mnt/blocks", DATA_CLEAN,
		        "replays them by itself" },

		{ "killed", "state=EOSIODB2+1 log index", DATA_DIRTY, "killed, or runs" },
		{ "killed before the first block", "state=EOSIODB2+1 log:0", DATA_DIRTY,
		        "there are no blocks" },
		{ "killed, and there is a fork database", "state=EOSIODB2+1 log index fork",
		        DATA_DIRTY, "killed, or runs" },
		{ "odd dirty byte", "state=EOSIODB2+9 log index fork", DATA_DIRTY,
		        "killed, or runs" },

		{ "stopped on a full disk", "state=EOSIODB2+0 log index fork:0", DATA_DAMAGED,
		        "full disk" },
		{ "the same without state", "log index fork:0", DATA_DAMAGED, "full disk" },
		{ "fork database of zeros", "state=EOSIODB2+0 log index fork:100", DATA_DAMAGED,
		        "no fork database" },
		{ "fork database of 3 bytes", "state=EOSIODB2+0 log index fork:3", DATA_DAMAGED,
		        "no fork database" },
		{ "fork database missing", "state=EOSIODB2+0 log index", DATA_DAMAGED,
		        "fork_db.dat is missing" },
		{ "the same with retained blocks", "state=EOSIODB2+0 retained", DATA_DAMAGED,
		        "fork_db.dat is missing" },
		{ "dirty byte cleared by hand",
		        "state=EOSIODB2+0 blocks/ blocks/reversible/ log index", DATA_DAMAGED,
		        "fork_db.dat is missing" },
		{ "fork database alone", "fork", DATA_DAMAGED, "without state and blocks" },
		{ "state of 0 bytes", "state:0 log index fork", DATA_DAMAGED, "has 0 bytes" },
		{ "state of 1023 bytes", "state:1023 log index fork", DATA_DAMAGED,
		        "has 1023 bytes" },
		{ "state of zeros", "state:1024 log index fork", DATA_DAMAGED, "no known format" },
		{ "foreign state", "state=SQLite_f+0 log index fork", DATA_DAMAGED,
		        "no known format" },
		{ "foreign state without blocks", "state=EOSIODB1+0", DATA_DAMAGED,
		        "no known format" },

		{ "ended before its first block", "state=EOSIODB2+0 log:0 index:0", DATA_EMPTY,
		        "before it had any" },
		{ "the same with a directory", "state=EOSIODB2+0 blocks/ blocks/reversible/",
		        DATA_EMPTY, "before it had any" },

		{ "state is a link", "state->/etc", DATA_DAMAGED, "not a regular file" },
		{ "state is a link to nothing", "state->/nonexistent", DATA_DAMAGED,
		        "not a regular file" },
		{ "state file is a link", "state/ state/shared_memory.bin->/etc/passwd",
		        DATA_DAMAGED, "not a regular file" },
		{ "state file is a FIFO", "state| log fork", DATA_DAMAGED, "not a regular file" },
		{ "state file is a directory", "state/ state/shared_memory.bin/", DATA_DAMAGED,
		        "not a regular file" },
		{ "blocks is a link", "state=EOSIODB2+0 blocks->/etc", DATA_DAMAGED,
		        "fork_db.dat is not a regular file" },
		{ "fork database is a link",
		        "state=EOSIODB2+0 blocks/ blocks/reversible/ log "
		        "blocks/reversible/fork_db.dat->/etc/passwd",
		        DATA_DAMAGED, "fork_db.dat is not a regular file" },
		{ "fork database is a FIFO", "state=EOSIODB2+0 log fork|", DATA_DAMAGED,
		        "fork_db.dat is not a regular file" },
	};
	int base;

	(void)state;
	base = open(top, O_RDONLY | O_DIRECTORY);
	assert_true(base >= 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char words[256], *save = NULL;
		struct data_verdict v;
		struct err e = ERR_INIT;
		int dir;

		assert_int_equal(mkdirat(base, "d", 0755), 0);
		dir = openat(base, "d", O_RDONLY | O_DIRECTORY);
		assert_true(dir >= 0);
		snprintf(words, sizeof(words), "%s", t[i].words);
		for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
			put_word(dir, w);
		if (nodeos_verdict_at(&v, dir, &e) < 0)
			fail_msg("%s: %s", t[i].name, e.msg);
		if (v.state != t[i].wanted || !strstr(v.why, t[i].says))
			fail_msg("%s: %s, %s", t[i].name, data_state_name(v.state), v.why);
		close(dir);
		assert_int_equal(fs_remove_tree_at(base, "d", &e), 0);
	}
	close(base);
}

static void no_directory_is_an_error(void **state)
{
	struct data_verdict v;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(nodeos_verdict_at(&v, -1, &e), -1);
	assert_int_equal(e.kind, ERR_SYSTEM);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(data_state_name(DATA_EMPTY), "empty");
	assert_string_equal(data_state_name(DATA_CLEAN), "clean");
	assert_string_equal(data_state_name(DATA_DIRTY), "dirty");
	assert_string_equal(data_state_name(DATA_DAMAGED), "damaged");
}

static int make_top(void **state)
{
	(void)state;
	return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return fs_remove_tree_at(AT_FDCWD, top, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(no_directory_is_an_error),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("nodeos/verdict", tests, make_top, remove_top);
}
