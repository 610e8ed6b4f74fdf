#include "unit/test.h"

#include "nodeos/verdict.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "unit/nodeos/blocks.h"

/* The recorded snapshot is of block 13. */
#define SNAPSHOT "snapshot-" LIB_ID ".bin"
#define OTHER_ID "0000000cb01f884e94573bdec98ca831e8e74cb70840b2b7830b77879e664f96"

/*
 * What happens to a data-dir that was stopped cleanly, in words and in their order:
 *	FILE-		it is removed, or the directory
 *	FILE:N, FILE+N	it is cut to N bytes, or by -N; it grows by N bytes of zeroes
 *	FILE@N=B	its byte at N, or at the end -N, becomes B
 *	FILE>		a symbolic link is in its place; FILE| a FIFO; FILE/ a directory
 *	make,V,A,B,K	the log becomes one of version V with blocks A to B, pruned to K of them
 *	piece,DIR,A,B	blocks A to B split off into blocks/DIR
 *	tail		there is what a hard replay could not read
 *	snapshot, older	there is a snapshot of block 13, one that is called of block 12
 * FILE is log, index, fork, state, or a path.
 */
static const char *path_of(const char *file)
{
	static const char *const files[][2] = {
		{ "log", "blocks/blocks.log" },
		{ "index", "blocks/blocks.index" },
		{ "fork", "blocks/reversible/fork_db.dat" },
		{ "state", "state/shared_memory.bin" },
		{ "snap", "snapshots/" SNAPSHOT },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (strcmp(files[i][0], file) == 0)
			return files[i][1];
	return file;
}

static void put_snapshot(const char *name)
{
	struct buf b;
	char path[128];

	(void)mkdirat(dir, "snapshots", 0755);
	load(&b, "snapshot-v6.bin");
	snprintf(path, sizeof(path), "snapshots/%s", name);
	put(path, b.data, b.len);
	buf_release(&b);
}

static void do_word(const char *word)
{
	size_t n = strcspn(word, ":+@>|,");
	char file[64], mark = word[n];
	const char *rest = word + n + (mark != '\0'), *path;
	struct err e = ERR_INIT;
	unsigned v[4] = { 0 };
	char in[32];
	long at;
	int byte;

	if (word[strlen(word) - 1] == '-') {
		n = strlen(word) - 1;
		mark = '-';
	}
	if (word[strlen(word) - 1] == '/') {
		snprintf(file, sizeof(file), "%.*s", (int)strlen(word) - 1, word);
		path = path_of(file);
		(void)unlinkat(dir, path, 0);
		assert_int_equal(mkdirat(dir, path, 0755), 0);
		return;
	}
	snprintf(file, sizeof(file), "%.*s", (int)n, word);
	path = path_of(file);
	if (strcmp(word, "snapshot") == 0) {
		put_snapshot(SNAPSHOT);
	} else if (strcmp(word, "older") == 0) {
		put_snapshot("snapshot-" OTHER_ID ".bin");
	} else if (strcmp(word, "tail") == 0) {
		put("blocks/blocks-bad-tail-2026-11-20T10:22:41.668.log", "x", 1);
	} else if (strcmp(file, "make") == 0) {
		assert_int_equal(sscanf(rest, "%u,%u,%u,%u", &v[0], &v[1], &v[2], &v[3]), 4);
		make(&(struct shape){ v[0], v[1], v[2], v[3] }, path_of("log"), path_of("index"));
	} else if (strcmp(file, "piece") == 0) {
		assert_int_equal(sscanf(rest, "%31[^,],%u,%u", in, &v[0], &v[1]), 3);
		put_piece(in, v[0], v[1]);
	} else if (mark == '-') {
		assert_int_equal(fs_remove_tree_at(dir, path, &e), 0);
	} else if (mark == '>') {
		assert_int_equal(fs_remove_tree_at(dir, path, &e), 0);
		assert_int_equal(symlinkat("/etc/passwd", dir, path), 0);
	} else if (mark == '|') {
		hurt(path, FIFO, 0, 0);
	} else if (mark == ':') {
		hurt(path, CUT, strtol(rest, NULL, 10), 0);
	} else if (mark == '+') {
		hurt(path, GROW, strtol(rest, NULL, 10), 0);
	} else {
		assert_int_equal(sscanf(rest, "%ld=%i", &at, &byte), 2);
		hurt(path, SET, at, byte);
	}
}

static void do_words(const char *words)
{
	AUTO(free) char *copy = strdup(words);
	char *save = NULL;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		do_word(w);
}

static unsigned set_of(const char *letters)
{
	unsigned set = 0;

	for (; *letters; letters++)
		set |= REPAIR_BIT(*letters == 'I' ? REPAIR_INDEX
		                : *letters == 'G' ? REPAIR_GENERATION
		                : *letters == 'R' ? REPAIR_REPLAY
		                : *letters == 'H' ? REPAIR_HARD_REPLAY
		                                  : REPAIR_SNAPSHOT);
	return set;
}

struct row {
	const char *name, *words;
	enum data_state wanted;
	const char *repairs; /* Index, Generation, Replay, Hard replay, Snapshot */
	const char *says;
	const char *retained;
};

static void check_rows(void **state, const struct row *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct data_evidence seen;
		struct data_verdict v;
		struct err e = ERR_INIT;

		fresh(state);
		do_words(t[i].words);
		if (nodeos_evidence_at(&seen, dir, t[i].retained ? t[i].retained : "", &e) < 0)
			fail_msg("%s: %s", t[i].name, e.msg);
		data_judge(&v, &seen, &(struct data_expect){ 0 });
		if (v.state != t[i].wanted || !strstr(v.why, t[i].says) ||
		        v.repairs != set_of(t[i].repairs))
			fail_msg("%s: %s, %s, repairs %#x", t[i].name, data_state_name(v.state),
			        v.why, v.repairs);
	}
}

#define NO_BLOCKS "blocks- blocks/ "

/* Section 3 of the recordings' facts, "damage", and 0.3, 0.4, 0.6 and section 1 of them. */
static void recorded(void **state)
{
	static const struct row t[] = {
		{ "stopped cleanly", "", DATA_CLEAN, "", "was closed", NULL },
		{ "killed", "fork- state@8=1", DATA_DIRTY, "GRH", "killed, or runs", NULL },
		{ "log minus 5", "log:-5", DATA_DAMAGED, "GH", "the last block is said to", NULL },
		{ "log plus 100", "log+100", DATA_DAMAGED, "GH", "the last block is said to",
		        NULL },
		{ "a byte flipped inside a block", "log@1000=0x5a", DATA_CLEAN, "", "was closed",
		        NULL },
		{ "a byte flipped inside the genesis", "log@20=0x5a", DATA_DAMAGED, "G",
		        "the genesis is not the one", NULL },
		{ "the same of version 4, with all again in parts",
		        "make,4,1,13,0 log@20=0x5a piece,blocks/retained,1,13", DATA_DAMAGED, "GR",
		        "the genesis is not the one", NULL },
		{ "a byte flipped inside block 1", "log@210=0x5a", DATA_CLEAN, "", "was closed",
		        NULL },
		{ "index minus 3", "index:-3", DATA_DAMAGED, "IGRH", "blocks.index' has 101",
		        NULL },
		{ "index minus 8", "index:-8", DATA_DAMAGED, "IGRH", "blocks.index' has 96", NULL },
		{ "index of another log", "index@-8=1", DATA_DAMAGED, "IGRH", "byte 96", NULL },
		{ "no index", "index-", DATA_DAMAGED, "IGRH", "blocks.index' has 0", NULL },
		{ "no log and no index", "log- index-", DATA_CLEAN, "", "no block log", NULL },
		{ "no log", "log-", DATA_CLEAN, "", "older blocks are not served", NULL },
		{ "no blocks/", "blocks-", DATA_DAMAGED, "GR", "fork_db.dat is missing, and there",
		        NULL },
		{ "no fork_db", "fork-", DATA_DAMAGED, "GRH", "fork_db.dat is missing", NULL },
		{ "fork_db garbage", "fork@0=0x41", DATA_DAMAGED, "GRH", "no fork database", NULL },
		{ "fork_db of 0 bytes, as on a full disk", "fork:0", DATA_DAMAGED, "GRH",
		        "full disk", NULL },
		{ "no state", "state-", DATA_CLEAN, "", "replays them by itself", NULL },
		{ "state of 0 bytes", "state:0", DATA_DAMAGED, "GRH", "has 0 bytes", NULL },
		{ "state of garbage", "state@0=0x41", DATA_DAMAGED, "GRH", "no known format",
		        NULL },
		{ "log shorter than its root", "make,3,1,9,0", DATA_DAMAGED, "GRH",
		        "stands on the irreversible block 13", NULL },
		{ "stride, block 1 archived",
		        "make,3,10,13,0 piece,blocks/archive,1,5 piece,blocks/retained,6,9",
		        DATA_CLEAN, "", "do not begin with block 1", NULL },
		{ "the same, killed",
		        "make,3,10,13,0 piece,blocks/archive,1,5 piece,blocks/retained,6,9 fork- "
		        "state@8=1",
		        DATA_DIRTY, "G", "do not begin with block 1", NULL },
		{ "the same, with a snapshot",
		        "make,3,10,13,0 piece,blocks/retained,6,9 fork- state@8=1 snapshot",
		        DATA_DIRTY, "GS", "do not begin with block 1", NULL },
		{ "stride, all there, killed",
		        "make,3,10,13,0 piece,blocks/retained,1,5 piece,blocks/retained,6,9 fork- "
		        "state@8=1",
		        DATA_DIRTY, "GRH", "killed, or runs", NULL },
		{ "no log is kept", "log- index-", DATA_CLEAN, "", "no block log", NULL },
		{ "no log is kept, killed", NO_BLOCKS "blocks/reversible/ state@8=1", DATA_DIRTY,
		        "GR", "there are no blocks", NULL },
		{ "the same, with a snapshot", NO_BLOCKS "state@8=1 snapshot", DATA_DIRTY, "GS",
		        "there are no blocks", NULL },
		{ "from a snapshot", "make,3,9,13,0", DATA_CLEAN, "", "do not begin with block 1",
		        NULL },
		{ "from a snapshot, no block yet", "make,3,14,0,0", DATA_CLEAN, "",
		        "has no block yet", NULL },
	};

	check_rows(state, t, ARRAY_LEN(t));
}

/* Two at a time, and what was not recorded. */
static void combined(void **state)
{
	static const struct row t[] = {
		{ "nothing", "blocks- state-", DATA_EMPTY, "", "no state and no blocks", NULL },
		{ "directories and empty files", "blocks- state- blocks/ blocks/retained/",
		        DATA_EMPTY, "", "no state and no blocks", NULL },
		{ "a snapshot alone", "blocks- state- snapshot", DATA_EMPTY, "", "no state", NULL },
		{ "what a hard replay could not read is no block", "log- index- state- fork- tail",
		        DATA_EMPTY, "", "no state and no blocks", NULL },
		{ "the same, killed", "log- index- fork- state@8=1 tail", DATA_DIRTY, "GR",
		        "there are no blocks", NULL },
		{ "a failed first start", "log:0 index:0 fork-", DATA_DAMAGED, "GR",
		        "does not take for none", NULL },
		{ "log of 0 bytes", "log:0", DATA_DAMAGED, "G", "does not take for none", NULL },
		{ "the same, no state", "log:0 index:0 state- fork-", DATA_DAMAGED, "GR",
		        "for none", NULL },
		{ "the same, killed", "log:0 index:0 state@8=1 fork-", DATA_DIRTY, "GR", "", NULL },
		{ "killed, bad end of the log", "fork- state@8=1 log:-5", DATA_DIRTY, "GH",
		        "and 'blocks/blocks.log' is damaged", NULL },
		{ "killed, no index", "fork- state@8=1 index-", DATA_DIRTY, "GRH",
		        "and 'blocks/blocks.index' has 0", NULL },
		{ "killed, bad begin of the log", "fork- state@8=1 log@0=9 snapshot", DATA_DIRTY,
		        "GS", "version 9", NULL },
		{ "bad begin of the log", "log@120=0", DATA_DAMAGED, "G", "mark before the blocks",
		        NULL },
		{ "no index, no fork_db", "index- fork-", DATA_DAMAGED, "GRH", "has 0 bytes",
		        NULL },
		{ "no index, fork_db garbage", "index- fork@1=1", DATA_DAMAGED, "GRH", "0 bytes",
		        NULL },
		{ "no state, no index", "state- index-", DATA_DAMAGED, "IGRH", "0 bytes", NULL },
		{ "no state, bad end", "state- log:-5", DATA_DAMAGED, "GH", "last block", NULL },
		{ "no state, fork_db empty", "state- fork:0", DATA_DAMAGED, "GRH", "full disk",
		        NULL },
		{ "no state, no fork_db", "state- fork-", DATA_CLEAN, "", "replays", NULL },
		{ "no state, no block 1", "state- make,3,9,13,0", DATA_DAMAGED, "G",
		        "begin with 9: without block 1", NULL },
		{ "the same with a snapshot", "state- make,3,9,13,0 snapshot", DATA_DAMAGED, "GS",
		        "begin with 9", NULL },
		{ "no state, archived blocks only",
		        "state- log- index- fork- piece,blocks/archive,1,5", DATA_DAMAGED, "G",
		        "no block that nodeos would find", NULL },
		{ "fork_db alone", "state- log- index-", DATA_DAMAGED, "GR",
		        "without state and blocks", NULL },
		{ "blocks/ is a link", "blocks>", DATA_DAMAGED, "G", "not a regular file", NULL },
		{ "log is a link", "log>", DATA_DAMAGED, "G", "not a regular file", NULL },
		{ "state is a FIFO", "state|", DATA_DAMAGED, "GRH", "not a regular file", NULL },
		{ "state is a directory", "state/", DATA_DAMAGED, "GRH", "not a regular file",
		        NULL },
		{ "fork_db is a link", "fork>", DATA_DAMAGED, "GRH", "not a regular file", NULL },
		{ "state of 1023 bytes", "state:1023", DATA_DAMAGED, "GRH", "has 1023 bytes",
		        NULL },
		{ "state of 1 MiB by its header, cut", "state@1113=0xfc state@1114=0x0f",
		        DATA_DAMAGED, "GRH", "was cut: 4096 bytes are left of 1048576", NULL },
		{ "no size in its header", "state@1113=0xfc state@1114=0x0e", DATA_CLEAN, "",
		        "was closed", NULL },
		{ "odd dirty byte", "fork- state@8=9", DATA_DIRTY, "GRH", "killed", NULL },
		{ "dirty, fork_db there", "state@8=1", DATA_DIRTY, "GRH", "killed", NULL },
		{ "a Leap to come", "state@7=0x39", DATA_FOREIGN, "", "EOSIODB9", NULL },
		{ "Leap 5", "state@7=0x33", DATA_CLEAN, "", "EOSIODB3", NULL },
		{ "version 2 beside Leap's state", "fork@4=2", DATA_DAMAGED, "GRH", "of version 2",
		        NULL },
		{ "fork_db cut", "fork:-7", DATA_DAMAGED, "GRH", "the head of", NULL },
		{ "fork_db of 20 bytes", "fork:20", DATA_DAMAGED, "GRH", "ends after 20", NULL },
		{ "fork_db of 6 bytes", "fork:6", DATA_DAMAGED, "GRH", "ends after 6", NULL },
		{ "head below the root", "fork@-29=2", DATA_DAMAGED, "GRH", "the head of", NULL },
		{ "head far above", "fork@-31=9", DATA_DAMAGED, "GRH", "the head of", NULL },
		{ "another head", "fork@-20=0x77", DATA_DAMAGED, "GRH", "which is not in it",
		        NULL },
		{ "another number of the root", "fork@8=0x77", DATA_DAMAGED, "GRH",
		        "says 119 of its irreversible block 13", NULL },
		{ "a root that nothing is known of", "fork@270=0x77", DATA_CLEAN, "", "was closed",
		        NULL },
		{ "the same, and the head far above", "fork@270=0x77 fork@-31=9", DATA_DAMAGED,
		        "GRH", "which is none after", NULL },
		{ "the same, and the head below", "fork@270=0x77 fork@-29=2", DATA_DAMAGED, "GRH",
		        "which is none after", NULL },
		{ "the same, and another head at the LIB", "fork@270=0x77 fork@-29=13",
		        DATA_DAMAGED, "GRH", "which is none after", NULL },
		{ "head 0", "fork@-29=0", DATA_DAMAGED, "GRH", "is block 0", NULL },
		{ "pruned", "make,3,1,13,5", DATA_CLEAN, "", "do not begin with block 1", NULL },
		{ "pruned, killed", "make,3,1,13,5 fork- state@8=1", DATA_DIRTY, "G", "", NULL },
		{ "pruned, all there, killed", "make,3,1,13,13 fork- state@8=1", DATA_DIRTY, "GR",
		        "", NULL },
		{ "pruned, no index", "make,3,1,13,13 index-", DATA_DAMAGED, "G", "0 bytes", NULL },
		{ "EOSIO 2.1", "make,4,1,13,0", DATA_CLEAN, "", "was closed", NULL },
		{ "EOSIO 2.1, killed", "make,4,1,13,0 fork- state@8=1", DATA_DIRTY, "G", "", NULL },
		{ "version 1", "make,1,1,13,0 fork- state@8=1", DATA_DIRTY, "GRH", "", NULL },
		{ "a piece lies",
		        "make,3,10,13,0 piece,blocks/retained,1,5 "
		        "piece,blocks/retained,6,9 "
		        "blocks/retained/blocks-6-9.log:-3",
		        DATA_DAMAGED, "G", "blocks-6-9.log", NULL },
		{ "a gap between pieces",
		        "make,3,10,13,0 piece,blocks/retained,1,3 "
		        "piece,blocks/retained,7,9 fork- state@8=1",
		        DATA_DIRTY, "G", "do not begin with block 1", NULL },
		{ "pieces, bad end of the log", "make,3,10,13,0 piece,blocks/retained,1,9 log:-5",
		        DATA_DAMAGED, "GH", "last block", NULL },
		{ "the only block of the log is bad",
		        "make,3,13,13,0 piece,blocks/retained,1,12 log:-5", DATA_DAMAGED, "GR",
		        "last block", NULL },
		{ "the same, no index either",
		        "make,3,10,13,0 piece,blocks/retained,1,9 log:-5 index:0", DATA_DAMAGED,
		        "GR", "last block", NULL },
		{ "the same, its begin is bad", "make,3,10,13,0 piece,blocks/retained,1,9 log@0=9",
		        DATA_DAMAGED, "GR", "version 9", NULL },
		{ "just split", "make,3,14,0,0 piece,blocks/retained,1,13", DATA_CLEAN, "",
		        "was closed", NULL },
		{ "just split, killed", "make,3,14,0,0 piece,blocks/retained,1,13 fork- state@8=1",
		        DATA_DIRTY, "GR", "killed", NULL },
		{ "just split, no state", "make,3,14,0,0 piece,blocks/retained,1,13 state-",
		        DATA_DAMAGED, "GR", "begin the chain again", NULL },
		{ "pieces end before the root", "log- index- piece,blocks/retained,1,12",
		        DATA_DAMAGED, "GR", "irreversible block 13", NULL },
		{ "a flip in the last block", "log@-100=0x5a", DATA_DAMAGED, "G",
		        "it cannot be replayed", NULL },
		{ "the log ends a block early, and so it must not only get an index",
		        "make,3,1,12,0 index+8", DATA_DAMAGED, "GRH", "blocks.index", NULL },
		{ "pieces in blocks/", "make,3,10,13,0 piece,blocks,1,9 fork- state@8=1",
		        DATA_DIRTY, "GRH", "", "blocks" },
		{ "pieces in a directory of its own",
		        "blocks/old/ make,3,10,13,0 piece,blocks/old,1,9 fork- state@8=1",
		        DATA_DIRTY, "GRH", "", "old" },
		{ "the same, named below the data-dir",
		        "blocks/old/ make,3,10,13,0 piece,blocks/old,1,9 fork- state@8=1",
		        DATA_DIRTY, "GRH", "", "blocks/old" },
		{ "elsewhere", "make,3,10,13,0 piece,blocks/retained,1,9 fork- state@8=1",
		        DATA_DIRTY, "G", "", "/mnt/old" },
		{ "pieces without a log",
		        "log- index- piece,blocks/retained,1,9 "
		        "piece,blocks/retained,10,13 fork- state@8=1",
		        DATA_DIRTY, "GR", "", NULL },
	};

	check_rows(state, t, ARRAY_LEN(t));
}

static void snapshots(void **state)
{
	static const struct {
		const char *name, *words;
		uint32_t block;
	} t[] = {
		{ "none", "", 0 },
		{ "whole", "snapshot", 13 },
		{ "cut", "snapshot snap:-40", 0 },
		{ "cut at its begin", "snapshot snap:3", 0 },
		{ "of another block than named", "older", 0 },
		{ "the older is whole", "older snapshot", 13 },
		{ "the newer is not", "snapshot snapshots/x/", 13 },
		{ "a link", "snapshot snap>", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct data_evidence seen;
		struct err e = ERR_INIT;

		fresh(state);
		do_words(t[i].words);
		assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
		if (seen.snapshot_block != t[i].block || !*seen.snapshot != !t[i].block)
			fail_msg("%s: '%s', %u", t[i].name, seen.snapshot, seen.snapshot_block);
	}
}

/* The one that the name puts first is tried first, and no more of them than some. */
static void many_snapshots(void **state)
{
	struct data_evidence seen;
	struct err e = ERR_INIT;
	char path[128];

	fresh(state);
	do_words("snapshot");
	for (unsigned i = 14; i < 21; i++) {
		snprintf(path, sizeof(path), "snapshots/snapshot-%08x%.56s.bin", i, &LIB_ID[8]);
		put(path, "P", 1);
	}
	assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
	assert_string_equal(seen.snapshot, SNAPSHOT);
	put("snapshots/snapshot-00000020" OTHER_ID ".bin", "P", 1); /* a name too long */
	snprintf(path, sizeof(path), "snapshots/snapshot-%08x%.56s.bin", 22, &LIB_ID[8]);
	put(path, "P", 1);
	assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
	assert_string_equal(seen.snapshot, "");
}

static void second_copies(void **state)
{
	struct data_evidence seen;
	struct data_verdict v;
	struct err e = ERR_INIT;

	fresh(state);
	do_words("blocks-2026/ blocks-2026-11-20T10:22:41.66x/");
	put("blocks-2026-11-20T10:22:41.999", "", 0);
	assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
	assert_string_equal(seen.second_copy, "");
	do_words("blocks-2026-11-20T10:22:41.668/ blocks-2026-11-19T10:22:41.668/");
	assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
	assert_string_equal(seen.second_copy, "blocks-2026-11-20T10:22:41.668");
	/* Killed between the renames of a hard replay and its copy; and long after one. */
	do_words("state-");
	put("blocks-2026-11-20T10:22:41.668/blocks.log", log_.data, log_.len);
	assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
	data_judge(&v, &seen, &(struct data_expect){ 0 });
	assert_int_equal(v.state, DATA_CLEAN);
	do_words("log- index- fork-");
	assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
	data_judge(&v, &seen, &(struct data_expect){ 0 });
	assert_int_equal(v.state, DATA_DAMAGED);
	assert_int_equal(v.repairs, REPAIR_BIT(REPAIR_GENERATION));
	assert_non_null(strstr(v.why, "a hard replay was cut off"));
}

/* Blocks of one size: a position that lost a bit may be that of another block. */
static void an_end_that_is_another_block(void **state)
{
	struct data_evidence seen;
	struct data_verdict v;
	struct err e = ERR_INIT;
	uint64_t at = position(9);

	fresh(state);
	memcpy(log_.data + log_.len - 8, &at, 8);
	put("blocks/blocks.log", log_.data, log_.len);
	at = position(LIB);
	memcpy(log_.data + log_.len - 8, &at, 8);
	assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
	data_judge(&v, &seen, &(struct data_expect){ 0 });
	assert_int_equal(v.state, DATA_DAMAGED);
	assert_non_null(strstr(v.why, "which is block 9, but block 13 is behind it"));
	assert_true(v.repairs & REPAIR_BIT(REPAIR_HARD_REPLAY));
	assert_false(v.repairs & (REPAIR_BIT(REPAIR_INDEX) | REPAIR_BIT(REPAIR_REPLAY)));
	/* A log that was cut between two blocks: the index knows of more, which is not there. */
	do_words("make,3,1,9,0");
	put("blocks/blocks.index", index_.data, index_.len);
	assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
	assert_string_equal(seen.log.fault, "");
	assert_string_not_equal(seen.index.fault, "");
}

static void facts(void **state)
{
	struct data_evidence v;
	struct err e = ERR_INIT;

	fresh(state);
	assert_int_equal(nodeos_evidence_at(&v, dir, "", &e), 0);
	assert_string_equal(v.format, "EOSIODB2");
	assert_string_equal(v.chain_id, CHAIN);
	assert_int_equal(v.fork_version, 1);
	assert_int_equal(v.root_block_num, LIB);
	assert_string_equal(v.root_block_id, LIB_ID);
	assert_int_equal(v.head_block_num, 14);
	assert_string_equal(v.head_block_id, HEAD_ID);
	assert_int_equal(v.first_block, 1);
	assert_int_equal(v.lib_block_num, LIB);
	assert_string_equal(v.lib_block_id, LIB_ID);
	assert_true(v.log_begins_well && v.has_blocks && !v.log_is_pruned && !v.is_dirty);
	/* The root tells the id of the block before an empty log. */
	do_words("make,3,14,0,0");
	assert_int_equal(nodeos_evidence_at(&v, dir, "", &e), 0);
	assert_int_equal(v.lib_block_num, LIB);
	assert_string_equal(v.lib_block_id, LIB_ID);
	/* Which chain it was a hurt genesis does not tell. */
	fresh(state);
	do_words("log@20=0x5a");
	assert_int_equal(nodeos_evidence_at(&v, dir, "", &e), 0);
	assert_string_equal(v.chain_id, "");
	assert_false(v.log_begins_well);
	fresh(state);
	/* Spring's versions end otherwise. */
	do_words("state@0=67 state@1=72 state@2=65 state@3=73 state@4=78 state@5=66 state@6=48 "
	         "state@7=49 fork@4=3");
	assert_int_equal(nodeos_evidence_at(&v, dir, "", &e), 0);
	assert_string_equal(v.format, "CHAINB01");
	assert_string_equal(v.fork_db.fault, "");
	assert_int_equal(v.head_block_num, 0);
	assert_int_equal(v.fork_version, 3);
}

static void expectations(void **state)
{
	static const char other[] =
	        "0000000000000000000000000000000000000000000000000000000000000001";
	static const struct {
		const char *name, *words;
		struct data_expect x;
		enum data_state wanted;
		unsigned repairs;
		const char *says;
	} t[] = {
		{ "chain and format", "", { .chain_id = CHAIN, .format = "EOSIODB2" }, DATA_CLEAN,
		        0, "" },
		{ "nothing given", "", { .chain_id = "", .format = "" }, DATA_CLEAN, 0, "" },
		{ "another chain", "", { .chain_id = other }, DATA_FOREIGN, 0,
		        "of chain b233c4bb" },
		{ "another chain, killed", "state@8=1 fork-", { .chain_id = other }, DATA_FOREIGN,
		        0, "of chain" },
		{ "another chain, bad end", "log:-5", { .chain_id = other }, DATA_FOREIGN, 0, "" },
		{ "no log to tell", "log-", { .chain_id = other }, DATA_CLEAN, 0, "" },
		{ "another format", "", { .format = "EOSIODB3" }, DATA_FOREIGN, 0,
		        "opens EOSIODB3 only" },
		{ "another format, dirty", "state@8=1", { .format = "CHAINB01" }, DATA_FOREIGN, 0,
		        "" },
		{ "no state", "state-", { .format = "CHAINB01" }, DATA_CLEAN, 0, "" },
		{ "open", "log:-5", { .in_use = "nodeos (pid 7)", .chain_id = other }, DATA_IN_USE,
		        0, "nodeos (pid 7) has it open" },
		{ "near", "", { .reference_lib = 113, .far_behind = 100 }, DATA_CLEAN, 0, "" },
		{ "far", "", { .reference_lib = 114, .far_behind = 100 }, DATA_FAR_BEHIND,
		        REPAIR_BIT(REPAIR_GENERATION), "101 blocks more" },
		{ "far, no log", "log-", { .reference_lib = 114, .far_behind = 100 },
		        DATA_FAR_BEHIND, REPAIR_BIT(REPAIR_GENERATION), "101 blocks more" },
		{ "ahead", "", { .reference_lib = 3, .far_behind = 1 }, DATA_CLEAN, 0, "" },
		{ "far and killed", "state@8=1 fork-", { .reference_lib = 999, .far_behind = 1 },
		        DATA_DIRTY, 0xff, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct data_evidence seen;
		struct data_verdict v;
		struct err e = ERR_INIT;

		fresh(state);
		do_words(t[i].words);
		assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
		data_judge(&v, &seen, &t[i].x);
		if (v.state != t[i].wanted || !strstr(v.why, t[i].says) ||
		        (t[i].repairs != 0xff && v.repairs != t[i].repairs))
			fail_msg("%s: %s, %s, %#x", t[i].name, data_state_name(v.state), v.why,
			        v.repairs);
	}
}

static void nothing_seen_is_empty(void **state)
{
	struct data_evidence seen = { 0 };
	struct data_verdict v;

	(void)state;
	data_judge(&v, &seen, &(struct data_expect){ 0 });
	assert_int_equal(v.state, DATA_EMPTY);
}

static void version_formats(void **state)
{
	static const char *const t[][2] = {
		{ "v4.0.6", "EOSIODB2" },
		{ "4.0.6", "EOSIODB2" },
		{ "v3.1.0-rc4", "EOSIODB2" },
		{ "v5.0.3", "EOSIODB3" },
		{ "v1.0.3-abc", "CHAINB01" },
		{ "v1.2.2", "CHAINB01" },
		{ "v1.8.1", NULL },
		{ "v2.0.13", NULL },
		{ "v6.0.0", NULL },
		{ "v44.0", NULL },
		{ "v4", NULL },
		{ "", NULL },
		{ "nonsense", NULL },
	};

	(void)state;
	assert_null(nodeos_version_format(NULL));
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const char *is = nodeos_version_format(t[i][0]);

		if ((is && !t[i][1]) || (!is && t[i][1]) || (is && strcmp(is, t[i][1]) != 0))
			fail_msg("%s: %s", t[i][0], is ? is : "not known");
	}
}

/* 100 GB of apparent size and a thousand pieces of 1 GB, each with its index. */
static void size_costs_nothing(void **state)
{
	enum { PIECES = 1000, EACH = 1000 };
	struct data_evidence seen;
	struct data_verdict v;
	struct err e = ERR_INIT;
	int64_t began, took;
	char path[64], index[64];

	fresh(state);
	do_words("fork- state@8=1");
	for (uint32_t i = 0; i < PIECES; i++) {
		snprintf(path, sizeof(path), "blocks/retained/blocks-%u-%u.log", 1 + i * EACH,
		        (i + 1) * EACH);
		snprintf(index, sizeof(index), "blocks/retained/blocks-%u-%u.index", 1 + i * EACH,
		        (i + 1) * EACH);
		make_huge(path, index, 1 + i * EACH, (i + 1) * EACH, UINT64_C(100) << 20);
	}
	make_huge("blocks/blocks.log", "blocks/blocks.index", PIECES * EACH + 1, 1000900,
	        UINT64_C(100) << 30);
	began = clock_mono_ns();
	assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
	data_judge(&v, &seen, &(struct data_expect){ 0 });
	took = clock_mono_ns() - began;
	print_message("verdict of 1,000 split files: %.2f ms\n", (double)took / 1e6);
	assert_true(took < NS_PER_SEC / 5);
	assert_int_equal(v.state, DATA_DIRTY);
	assert_int_equal(seen.first_block, 1);
	assert_int_equal(seen.lib_block_num, 1000900);
	assert_int_equal(seen.pieces.size, PIECES);
	assert_true(v.repairs & REPAIR_BIT(REPAIR_REPLAY));
}

/* --- what cannot be read is no verdict ---------------------------------------------------- */

static int pread_left, pread_seen, stat_left;

ssize_t __real_pread64(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *to, size_t n, off_t at);
int __real_fstatat64(int at, const char *path, struct stat *st, int flags);
int __wrap_fstatat64(int at, const char *path, struct stat *st, int flags);

ssize_t __wrap_pread64(int fd, void *to, size_t n, off_t at)
{
	pread_seen++;
	if (pread_left && --pread_left == 0) {
		errno = EIO;
		return -1;
	}
	return __real_pread64(fd, to, n, at);
}

int __wrap_fstatat64(int at, const char *path, struct stat *st, int flags)
{
	if (stat_left && --stat_left == 0) {
		errno = EIO;
		return -1;
	}
	return __real_fstatat64(at, path, st, flags);
}

static void read_errors_are_errors(void **state)
{
	struct data_evidence seen;
	struct err e = ERR_INIT;
	int n;

	fresh(state);
	do_words("make,3,10,13,0 piece,blocks/retained,1,9 snapshot");
	pread_left = pread_seen = 0;
	assert_int_equal(nodeos_evidence_at(&seen, dir, "", &e), 0);
	n = pread_seen;
	assert_true(n > 10);
	for (int i = 1; i <= n; i++) {
		memset(&seen, 7, sizeof(seen));
		pread_left = i;
		if (nodeos_evidence_at(&seen, dir, "", &e) == 0 || e.kind != ERR_SYSTEM ||
		        seen.log_first != 0x07070707)
			fail_msg("read %d: '%s'", i, e.msg);
		err_clear(&e);
	}
	pread_left = 0;
	for (int i = 1; i < 4; i++) {
		stat_left = i;
		if (nodeos_evidence_at(&seen, dir, "", &e) == 0) {
			assert_int_not_equal(stat_left, 0);
			break;
		}
		assert_int_equal(e.kind, ERR_SYSTEM);
		err_clear(&e);
	}
	stat_left = 0;
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
	assert_string_equal(data_state_name(DATA_IN_USE), "in-use");
	assert_string_equal(data_state_name(DATA_DAMAGED), "damaged");
	assert_string_equal(data_state_name(DATA_FOREIGN), "foreign");
	assert_string_equal(data_state_name(DATA_FAR_BEHIND), "far-behind");
	assert_true(data_state_is_startable(DATA_FAR_BEHIND));
	assert_false(data_state_is_startable(DATA_FOREIGN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded),
		cmocka_unit_test(combined),
		cmocka_unit_test(snapshots),
		cmocka_unit_test(many_snapshots),
		cmocka_unit_test(second_copies),
		cmocka_unit_test(an_end_that_is_another_block),
		cmocka_unit_test(facts),
		cmocka_unit_test(expectations),
		cmocka_unit_test(nothing_seen_is_empty),
		cmocka_unit_test(version_formats),
		cmocka_unit_test(size_costs_nothing),
		cmocka_unit_test(read_errors_are_errors),
		cmocka_unit_test(no_directory_is_an_error),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("nodeos/verdict", tests, load_all, remove_all);
}
