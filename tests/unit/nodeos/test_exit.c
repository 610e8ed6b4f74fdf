#include "unit/test.h"

#include "nodeos/exit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeos/repair.h"
#include "unit/nodeos/data.h"

#define EXITED(code)   ((code) << 8)
#define KILLED(number) (number)

/* A recording's second line is "# exit code N", negative for a signal. */
static const char *load_exit(struct buf *b, const char *name, int *ret_status)
{
	char path[128];
	int code;

	snprintf(path, sizeof(path), "exit/%s.log", name);
	data_load(b, path);
	if (sscanf(b->data, "# exit code %d", &code) != 1)
		fail_msg("%s has no exit code", path);
	*ret_status = code < 0 ? KILLED(-code) : EXITED(code);
	return strchr(b->data, '\n') + 1;
}

static void recordings(void **state)
{
	static const struct {
		const char *name;
		enum nodeos_exit_class class;
		bool retry;
		const char *why;
	} t[] = {
		{ "p2p-port-in-use", NODEOS_EXIT_PORT, true,
		        "exit status 0: net_plugin::plugin_startup failed to bind to port 19881, "
		        "bind: "
		        "Address already in use" },
		{ "dbsize-below-guard-producing", NODEOS_EXIT_STATE_FULL, false,
		        "exit status 0: the state database has less than "
		        "chain-state-db-guard-size-mb "
		        "free; chain-state-db-size-mb must be larger" },
		{ "diskfull-resmon", NODEOS_EXIT_DISK_FULL, false,
		        "exit status 0: the file system is fuller than "
		        "resource-monitor-space-threshold allows" },
		{ "terminate-at-block-1", NODEOS_EXIT_REACHED, false,
		        "exit status 0: Reached configured maximum block 92; terminating" },
		{ "terminate-at-block-again", NODEOS_EXIT_REACHED, false, "block 92" },
		{ "print-genesis", NODEOS_EXIT_MANAGED, false, "the genesis" },
		{ "stop-sigterm-B", NODEOS_EXIT_UNASKED, true,
		        "exit status 0: it stopped although nobody asked" },

		{ "config-dbsize-tiny", NODEOS_EXIT_STATE_FULL, false,
		        "exit status 1: 'bad alloc'" },
		{ "dirty-start-A", NODEOS_EXIT_DIRTY, false, "exit status 2: the state is dirty" },
		{ "same-datadir-second", NODEOS_EXIT_DIRTY, false,
		        "or another nodeos has it open" },
		{ "dirty-start-B", NODEOS_EXIT_DIRTY, false, "exit status 2" },
		{ "dirty-start-with-genesis-A", NODEOS_EXIT_DIRTY, false, "exit status 2" },
		{ "diskfull-nores-after-free-start", NODEOS_EXIT_DIRTY, false, "exit status 2" },
		{ "copy-of-running-start", NODEOS_EXIT_DIRTY, false, "exit status 2" },
		{ "print-build-info", NODEOS_EXIT_MANAGED, false, "exit status 5" },
		{ "config-missing-config-file", NODEOS_EXIT_CONFIG, false,
		        "exit status 255: Config file \"/srv/lab/run/ce/config/other.ini\" "
		        "missing." },

		{ "A-after-same-datadir-replay", NODEOS_EXIT_DATA, false,
		        "exit status 254: fork database head (121) is inconsistent with state "
		        "(80)" },
		{ "blocksdir-missing", NODEOS_EXIT_DATA, false,
		        "No existing fork database despite existing chain state. Replay "
		        "required." },
		{ "forkdb-missing", NODEOS_EXIT_DATA, false, "No existing fork database despite" },
		{ "forkdb-garbage", NODEOS_EXIT_DATA, false, "has unexpected magic number" },
		{ "diskfull-after-free-start", NODEOS_EXIT_DATA, false,
		        "exit status 254: blocks/reversible/fork_db.dat is cut off" },
		{ "diskfull-after-free-replay", NODEOS_EXIT_DATA, false, "fork_db.dat is cut off" },
		{ "blocksindex-missing", NODEOS_EXIT_DATA, false,
		        "blocks.index file is empty, please use leap-util" },
		{ "blocksindex-trunc3", NODEOS_EXIT_DATA, false,
		        "blocks.index file is invalid, please use leap-util" },
		{ "blocksindex-trunc8", NODEOS_EXIT_DATA, false, "The last block position from" },
		{ "blockslog-append-garbage", NODEOS_EXIT_DATA, false,
		        "Invalid block position 12556511248687195561" },
		{ "blockslog-trunc5", NODEOS_EXIT_DATA, false, "Invalid block position" },
		{ "blockslog-trunc5-replay", NODEOS_EXIT_DATA, false, "Invalid block position" },
		{ "blockslog-flip-replay", NODEOS_EXIT_DATA, false, "in blocks.log is damaged" },
		{ "state-zero", NODEOS_EXIT_DATA, false,
		        "exit status 254: Failed to read DB header" },
		{ "state-garbage", NODEOS_EXIT_DATA, false, "or of another version of nodeos" },
		{ "stride-replay", NODEOS_EXIT_DATA, false, "it needs a snapshot" },
		{ "snapshot-node-replay", NODEOS_EXIT_DATA, false, "it needs a snapshot" },

		{ "genesis-file-missing", NODEOS_EXIT_GENESIS, false,
		        "Specified genesis file '/nonexistent/genesis.json' does not exist." },
		{ "genesis-mismatch", NODEOS_EXIT_GENESIS, false, "is not that of the data" },
		{ "genesis-bad-json", NODEOS_EXIT_GENESIS, false, "does not parse" },

		{ "snapshot-garbage", NODEOS_EXIT_SNAPSHOT, false,
		        "Binary snapshot validation threw IO exception (Snapshot exception)" },
		{ "snapshot-truncated", NODEOS_EXIT_SNAPSHOT, false, "threw IO exception" },
		{ "snapshot-on-existing-state", NODEOS_EXIT_SNAPSHOT, false,
		        "Snapshot can only be used to initialize an empty database." },
		{ "config-snapshot-missing", NODEOS_EXIT_SNAPSHOT, false,
		        "Cannot load snapshot, /nonexistent.bin does not exist" },

		{ "config-agent-name-long", NODEOS_EXIT_CONFIG, false,
		        "exit status 254: agent-name too long, must be less than 384" },
		{ "config-bad-p2p-listen", NODEOS_EXIT_CONFIG, false, "has no port" },
		{ "config-http-addr-noport", NODEOS_EXIT_CONFIG, false, "has no port" },
		{ "config-bad-plugin", NODEOS_EXIT_CONFIG, false,
		        "exit status 254: unable to find plugin: eosio::nope_plugin" },
		{ "config-bad-value-type", NODEOS_EXIT_CONFIG, false,
		        "exit status 254: the argument ('many') for option 'max-clients' is "
		        "invalid" },
		{ "config-dbsize-zero", NODEOS_EXIT_CONFIG, false, "chain-state-db-size-mb is 0" },
		{ "config-dup-config-value", NODEOS_EXIT_CONFIG, false,
		        "option 'http-server-address' cannot be specified more than once" },
		{ "config-http-threads-0", NODEOS_EXIT_CONFIG, false,
		        "http-threads 0 must be greater than 0" },
		{ "config-negative-maxresp", NODEOS_EXIT_CONFIG, false,
		        "http-max-response-time-ms must be -1, or non-negative: -5" },
		{ "config-read-mode-irreversible-producer", NODEOS_EXIT_CONFIG, false,
		        "node cannot have any producer-name configured" },
		{ "config-stride-and-retain", NODEOS_EXIT_CONFIG, false,
		        "block-log-retain-blocks cannot be specified together" },
		{ "config-unknown-option-cli", NODEOS_EXIT_CONFIG, false,
		        "Unknown option '--no-such-option' passed as command line argument" },
		{ "config-unknown-option-file", NODEOS_EXIT_CONFIG, false,
		        "Unknown option 'no-such-option' inside the config file" },

		{ "readonly-data-dir", NODEOS_EXIT_SYSTEM, false,
		        "exit status 254: Read-only file system" },
		{ "uncreatable-data-dir", NODEOS_EXIT_SYSTEM, false,
		        "boost::filesystem::create_directories: No such file or directory" },

		{ "diskfull-tiny-4m", NODEOS_EXIT_DISK_FULL, false, "killed by SIGBUS" },
		{ "diskfull-nores", NODEOS_EXIT_DISK_FULL, false, "killed by SIGBUS" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(1 << 20);
		struct nodeos_exit x;
		int status;
		const char *lines = load_exit(&b, t[i].name, &status);

		nodeos_exit_classify(&x, status, false, lines);
		if (x.class != t[i].class || x.retry != t[i].retry || !strstr(x.why, t[i].why))
			fail_msg("%s: %s, %d, '%s'", t[i].name, nodeos_exit_class_name(x.class),
			        x.retry, x.why);
	}
}

#define INDEX  REPAIR_BIT(REPAIR_INDEX)
#define REPLAY REPAIR_BIT(REPAIR_REPLAY)
#define HARD   REPAIR_BIT(REPAIR_HARD_REPLAY)
#define RENEW  (REPAIR_BIT(REPAIR_GENERATION) | REPAIR_BIT(REPAIR_SNAPSHOT))

/* Texts of nodeos's sources that were not recorded. */
static void unrecorded(void **state)
{
	static const struct {
		int code;
		const char *lines;
		enum nodeos_exit_class class;
		bool retry;
		unsigned repairs;
	} t[] = {
		{ 0,
		        "Failed initialization from snapshot - db storage not configured to have "
		        "enough",
		        NODEOS_EXIT_STATE_FULL, false, 0 },
		{ 254, "boost::x: Permission denied: y", NODEOS_EXIT_SYSTEM, false, 0 },
		{ 254, "mmap: Cannot allocate memory", NODEOS_EXIT_SYSTEM, true, 0 },
		{ 254, "13 St9bad_alloc: std::bad_alloc", NODEOS_EXIT_SYSTEM, true, 0 },
		{ 254, "Failed to mlock database \"state\"", NODEOS_EXIT_SYSTEM, false, 0 },
		{ 254, "--snapshot is incompatible with --genesis-json", NODEOS_EXIT_SNAPSHOT,
		        false },
		{ 254, "3190002 block_log_not_found: Block log not found in '/x'", NODEOS_EXIT_DATA,
		        false, REPLAY | RENEW },
		{ 254,
		        "3190000 block_log_exception: Block log exception\nx/blocks.index file is "
		        "invalid, please use leap-util",
		        NODEOS_EXIT_DATA, false, INDEX | HARD | RENEW },
		{ 254,
		        "3190000 block_log_exception: Block log exception\nblock log (ranging from "
		        "1 to 70) does not contain the last irreversible block (71)",
		        NODEOS_EXIT_DATA, false, REPLAY | RENEW },
		{ 254,
		        "3190000 block_log_exception: Block log exception\nWrong block was read "
		        "from block log.",
		        NODEOS_EXIT_DATA, false, RENEW },
		{ 254,
		        "3190000 block_log_exception: Block log exception\nExpected separator "
		        "between block log header and blocks was not found",
		        NODEOS_EXIT_DATA, false, RENEW },
		{ 254,
		        "3190000 block_log_exception: Block log exception\nblock log does not "
		        "start with genesis block",
		        NODEOS_EXIT_DATA, false, RENEW },
		{ 254,
		        "3190000 block_log_exception: Block log exception\nBlock log was not setup "
		        "properly",
		        NODEOS_EXIT_DATA, false, RENEW },
		{ 254,
		        "3190000 block_log_exception: Block log exception\nChain ID in blocks.log "
		        "(x) does not match the existing  chain ID in state (y)",
		        NODEOS_EXIT_DATA, false, REPLAY | RENEW },
		{ 254,
		        "3190000 block_log_exception: Block log exception\nAt position 1 expected "
		        "to find block number 2 but found 3",
		        NODEOS_EXIT_DATA, false, HARD | RENEW },
		{ 254,
		        "3030000 block_validate_exception: Block exception\nBlock ID does not "
		        "match",
		        NODEOS_EXIT_DATA, false, RENEW },
		{ 254,
		        "3030009 wrong_producer: Block is not signed by expected producer\nwrong "
		        "producer specified",
		        NODEOS_EXIT_DATA, false, RENEW },
		{ 254,
		        "10 assert_exception: Assert Exception\nProvided index out of range for "
		        "variant.",
		        NODEOS_EXIT_DATA, false, RENEW },
		{ 254,
		        "3190001 block_log_unsupported_version: x\nUnsupported version of block "
		        "log.",
		        NODEOS_EXIT_DATA, false, RENEW },
		{ 254,
		        "3190005 block_log_append_fail: x\nAppend to index file occuring at wrong "
		        "position.",
		        NODEOS_EXIT_DATA, false, INDEX | HARD | RENEW },
		{ 254,
		        "13 NSt8ios_base7failureB5cxx11E: cfile: /d/blocks/blocks.log unable to "
		        "read 4 bytes; only read 0, eof: true",
		        NODEOS_EXIT_DATA, false, REPLAY | HARD | RENEW },
		{ 254,
		        "3020000 fork_database_exception: x\ncould not find head while "
		        "reconstructing fork database from file; '/f' is likely corrupted",
		        NODEOS_EXIT_DATA, false, REPLAY | RENEW },
		{ 254,
		        "3020000 fork_database_exception: x\nUnsupported version of fork database "
		        "file '/f'",
		        NODEOS_EXIT_DATA, false, REPLAY | RENEW },
		{ 254, "3060000 database_exception: Database exception", NODEOS_EXIT_DATA, false,
		        REPLAY | RENEW },
		{ 254, "3060005 bad_database_version_exception: x", NODEOS_EXIT_VERSION, false, 0 },
		{ 254, "3015013 chain_id_type_exception: x", NODEOS_EXIT_GENESIS, false, 0 },
		{ 254, "Database incompatible; All environment parameters must match",
		        NODEOS_EXIT_VERSION, false, 0 },
		{ 254, "\"state\" database format not compatible with this version of chainbase.",
		        NODEOS_EXIT_DATA, false, REPLAY | RENEW },
		{ 254, "File `chain_head.dat` seems to be corrupted.", NODEOS_EXIT_DATA, false,
		        REPLAY | RENEW },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct nodeos_exit x;

		nodeos_exit_classify(&x, EXITED(t[i].code), false, t[i].lines);
		if (x.class != t[i].class || x.retry != t[i].retry || x.repairs != t[i].repairs ||
		        nodeos_exit_is_damage(&x) != (t[i].repairs != 0))
			fail_msg("'%s': %s, %d, %#x", t[i].lines, nodeos_exit_class_name(x.class),
			        x.retry, x.repairs);
	}
}

/* What helps: of each damage in the table, as its recording says. */
static void repairs(void **state)
{
	static const struct {
		const char *name;
		unsigned repairs;
	} t[] = {
		{ "dirty-start-A", INDEX | REPLAY | HARD | RENEW },
		{ "dirty-start-B", INDEX | REPLAY | HARD | RENEW },
		{ "dirty-start-with-genesis-A", INDEX | REPLAY | HARD | RENEW },
		{ "diskfull-nores-after-free-start", INDEX | REPLAY | HARD | RENEW },
		{ "same-datadir-second", INDEX | REPLAY | HARD | RENEW },
		{ "copy-of-running-start", INDEX | REPLAY | HARD | RENEW },
		{ "A-after-same-datadir-replay", REPLAY | RENEW },
		{ "blocksdir-missing", REPLAY | RENEW },
		{ "forkdb-missing", REPLAY | RENEW },
		{ "forkdb-garbage", REPLAY | RENEW },
		{ "diskfull-after-free-start", REPLAY | RENEW },
		{ "diskfull-after-free-replay", REPLAY | RENEW },
		{ "blocksindex-missing", INDEX | HARD | RENEW },
		{ "blocksindex-trunc3", INDEX | HARD | RENEW },
		{ "blocksindex-trunc8", INDEX | HARD | RENEW },
		{ "blockslog-append-garbage", HARD | RENEW },
		{ "blockslog-trunc5", HARD | RENEW },
		{ "blockslog-trunc5-replay", HARD | RENEW },
		{ "blockslog-flip-replay", RENEW },
		{ "state-zero", REPLAY | RENEW },
		{ "state-garbage", REPLAY | RENEW },
		{ "stride-replay", RENEW },
		{ "snapshot-node-replay", RENEW },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(buf) struct buf b = BUF_INIT(1 << 20);
		struct nodeos_exit x;
		int status;
		const char *lines = load_exit(&b, t[i].name, &status);

		nodeos_exit_classify(&x, status, false, lines);
		if (x.repairs != t[i].repairs || !nodeos_exit_is_damage(&x))
			fail_msg("%s: %x, not %x", t[i].name, x.repairs, t[i].repairs);
	}
}

/* What comes from outside is not mended by changing data. */
static void outside_causes_have_none(void **state)
{
	static const struct {
		int status;
		const char *lines;
		enum nodeos_exit_class class;
	} t[] = {
		{ EXITED(0), "failed to bind to port", NODEOS_EXIT_PORT },
		{ EXITED(0), "unsafe level of usage", NODEOS_EXIT_STATE_FULL },
		{ EXITED(1), "", NODEOS_EXIT_STATE_FULL },
		{ EXITED(0), "exceeded file system configured threshold", NODEOS_EXIT_DISK_FULL },
		{ EXITED(254), "No space left on device", NODEOS_EXIT_DISK_FULL },
		{ EXITED(254), "No space left on device\nblock_log_exception",
		        NODEOS_EXIT_DISK_FULL },
		{ KILLED(SIGBUS), "", NODEOS_EXIT_DISK_FULL },
		{ EXITED(0), "Reached configured maximum block 5", NODEOS_EXIT_REACHED },
		{ EXITED(0), "Block 6 reached configured maximum block 5; terminating",
		        NODEOS_EXIT_REACHED },
		{ EXITED(0), "extracted genesis state from blocks.log", NODEOS_EXIT_MANAGED },
		{ EXITED(5), "", NODEOS_EXIT_MANAGED },
		{ EXITED(0), "", NODEOS_EXIT_UNASKED },
		{ EXITED(254), "Database load aborted", NODEOS_EXIT_UNASKED },
		{ EXITED(254), "Database incompatible", NODEOS_EXIT_VERSION },
		{ EXITED(254), "bad_database_version_exception", NODEOS_EXIT_VERSION },
		{ EXITED(254), "Genesis state, provided via", NODEOS_EXIT_GENESIS },
		{ EXITED(254), "Specified genesis file", NODEOS_EXIT_GENESIS },
		{ EXITED(254), "parse_error_exception", NODEOS_EXIT_GENESIS },
		{ EXITED(254), "chain_id_type_exception", NODEOS_EXIT_GENESIS },
		{ EXITED(254), "snapshot_exception", NODEOS_EXIT_SNAPSHOT },
		{ EXITED(254), "Unknown option", NODEOS_EXIT_CONFIG },
		{ EXITED(255), "", NODEOS_EXIT_CONFIG },
		{ EXITED(254), "Read-only file system", NODEOS_EXIT_SYSTEM },
		{ EXITED(254), "Cannot allocate memory", NODEOS_EXIT_SYSTEM },
		{ EXITED(254), "Could not gain write access", NODEOS_EXIT_SYSTEM },
		{ KILLED(SIGKILL), "", NODEOS_EXIT_KILLED },
		{ KILLED(SIGABRT), "", NODEOS_EXIT_CRASHED },
		{ EXITED(254), "Block log version is 4 while", NODEOS_EXIT_VERSION },
		{ EXITED(254), "blocks-1-10.log has a different chain id", NODEOS_EXIT_GENESIS },
		{ EXITED(254), "", NODEOS_EXIT_OTHER },
		{ EXITED(7), "", NODEOS_EXIT_OTHER },
	};
	bool seen[NODEOS_EXIT_OTHER + 1] = {
		[NODEOS_EXIT_STOPPED] = true, [NODEOS_EXIT_DIRTY] = true, [NODEOS_EXIT_DATA] = true
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		for (int asked = 0; asked < 2; asked++) {
			struct nodeos_exit x = { .repairs = 99 };

			nodeos_exit_classify(&x, t[i].status, asked, t[i].lines);
			if ((x.class != t[i].class && !asked) || x.repairs ||
			        nodeos_exit_is_damage(&x))
				fail_msg("'%s': %s, %x", t[i].lines,
				        nodeos_exit_class_name(x.class), x.repairs);
			seen[x.class] = true;
		}
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		if (!seen[i])
			fail_msg("no row of %s", nodeos_exit_class_name((enum nodeos_exit_class)i));
}

static void statuses(void **state)
{
	static const struct {
		int status;
		bool asked;
		const char *lines;
		enum nodeos_exit_class class;
		bool retry;
		const char *why;
	} t[] = {
		{ EXITED(0), true, NULL, NODEOS_EXIT_STOPPED, true, "stopped as asked" },
		/* What it was asked counts, whatever else it said. */
		{ EXITED(0), true, "x failed to bind to port 1", NODEOS_EXIT_STOPPED, true,
		        "stopped as asked" },
		{ EXITED(0), false, NULL, NODEOS_EXIT_UNASKED, true,
		        "exit status 0: it stopped although nobody asked" },
		{ EXITED(0), false, "p2p failed to listen on 0.0.0.0:9876, in use",
		        NODEOS_EXIT_PORT, true,
		        "exit status 0: p2p failed to listen on 0.0.0.0:9876, in use" },
		{ EXITED(254), false,
		        "unable to listen on 127.0.0.1:9876 resolved from 127.0.0.1:9876: bind: "
		        "Address already in use\n"
		        "none of the addresses resolved from 127.0.0.1:9876 can be listened to\n"
		        "net_plugin::plugin_startup failed to listen on 127.0.0.1:9876, Bad "
		        "address\n"
		        "Bad address",
		        NODEOS_EXIT_PORT, true,
		        "exit status 254: none of the addresses resolved from 127.0.0.1:9876 can "
		        "be listened to" },
		{ EXITED(254), false,
		        "unable to listen on 127.0.0.1:8888 resolved from 127.0.0.1:8888: bind: "
		        "Address already in use\n"
		        "none of the addresses resolved from 127.0.0.1:8888 can be listened to\n"
		        "http service failed to start for 127.0.0.1:8888: Bad address\n"
		        "Bad address",
		        NODEOS_EXIT_PORT, true,
		        "exit status 254: none of the addresses resolved from 127.0.0.1:8888 can "
		        "be listened to" },
		{ EXITED(2), true, NULL, NODEOS_EXIT_DIRTY, false,
		        "exit status 2: the state is dirty (nodeos was killed before), or another "
		        "nodeos has it open" },
		{ EXITED(254), false, NULL, NODEOS_EXIT_OTHER, true,
		        "exit status 254: it did not say why" },
		{ EXITED(254), false, "\n\n", NODEOS_EXIT_OTHER, true,
		        "exit status 254: it did not say why" },
		{ EXITED(254), false, "one\ntwo  \n\n", NODEOS_EXIT_OTHER, true,
		        "exit status 254: two" },
		{ EXITED(254), true, "x: Database load aborted", NODEOS_EXIT_STOPPED, true,
		        "exit status 254: it was told to stop while it read its state" },
		{ EXITED(254), false, "Could not gain write access to the shared memory file",
		        NODEOS_EXIT_SYSTEM, true,
		        "exit status 254: another nodeos has the state open" },
		{ EXITED(254), false, "a: No space left on device: b", NODEOS_EXIT_DISK_FULL, false,
		        "exit status 254: a: No space left on device: b" },
		{ EXITED(255), false, NULL, NODEOS_EXIT_CONFIG, false,
		        "exit status 255: it did not say why" },
		{ EXITED(3), false, NULL, NODEOS_EXIT_OTHER, true,
		        "exit status 3, which nodeos does not use" },
		{ KILLED(SIGTERM), true, NULL, NODEOS_EXIT_STOPPED, true,
		        "stopped as asked, by SIGTERM" },
		{ KILLED(SIGINT), true, NULL, NODEOS_EXIT_STOPPED, true,
		        "stopped as asked, by SIGINT" },
		{ KILLED(SIGPIPE), true, NULL, NODEOS_EXIT_STOPPED, true,
		        "stopped as asked, by SIGPIPE" },
		{ KILLED(SIGTERM), false, NULL, NODEOS_EXIT_CRASHED, true, "killed by SIGTERM" },
		{ KILLED(SIGPIPE), false, NULL, NODEOS_EXIT_CRASHED, true,
		        "killed by SIGPIPE: nobody read its output any more" },
		{ KILLED(SIGKILL), true, NULL, NODEOS_EXIT_KILLED, true,
		        "killed by SIGKILL, not from the supervisor: perhaps the kernel, out of "
		        "memory" },
		{ KILLED(SIGBUS), true, NULL, NODEOS_EXIT_DISK_FULL, false,
		        "killed by SIGBUS: no space left for the pages of its state, which is "
		        "dirty "
		        "now" },
		{ KILLED(SIGSEGV) | 0x80, false, NULL, NODEOS_EXIT_CRASHED, true,
		        "killed by SIGSEGV" },
		{ KILLED(SIGABRT), false, NULL, NODEOS_EXIT_CRASHED, true, "killed by SIGABRT" },
		{ KILLED(50), false, NULL, NODEOS_EXIT_CRASHED, true, "killed by signal 50" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct nodeos_exit x;

		memset(&x, 0x55, sizeof(x));
		nodeos_exit_classify(&x, t[i].status, t[i].asked, t[i].lines);
		if (x.class != t[i].class || x.retry != t[i].retry || strcmp(x.why, t[i].why) != 0)
			fail_msg("%#x '%s': %s, %d, '%s'", (unsigned)t[i].status,
			        t[i].lines ? t[i].lines : "", nodeos_exit_class_name(x.class),
			        x.retry, x.why);
	}
}

static void no_signal_is_damage(void **state)
{
	(void)state;
	for (int number = 1; number < 64; number++)
		for (int asked = 0; asked < 2; asked++) {
			struct nodeos_exit x;

			memset(&x, 0x55, sizeof(x));
			nodeos_exit_classify(&x, KILLED(number), asked, "Invalid block position");
			assert_int_equal(x.repairs, 0);
			assert_false(nodeos_exit_is_damage(&x));
		}
}

static void on_bytes_that_are_sound(void **state)
{
	static const struct {
		int status;
		const char *lines;
		bool retry, is_damage;
	} t[] = {
		{ EXITED(2), "", true, false },
		{ EXITED(254), "x block_log_not_found", false, true },
		{ EXITED(1), "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct nodeos_exit x;

		nodeos_exit_classify(&x, t[i].status, false, t[i].lines);
		nodeos_exit_on_startable(&x);
		if (x.retry != t[i].retry || nodeos_exit_is_damage(&x) != t[i].is_damage)
			fail_msg("row %zu: retry %d", i, x.retry);
	}
}

/* Not two lines of one exception: the detail is the first line behind it. */
static void the_most_telling_line(void **state)
{
#define MAIN "error 2026-11-20T10:22:17.627 nodeos main.cpp:161 main ] "
	static const struct {
		const char *lines, *why;
	} t[] = {
		{ MAIN "3000000 chain_exception: blockchain exception\nthe detail\n    "
		       "{}\nanother\n",
		        "exit status 254: the detail" },
		{ MAIN "3000000 chain_exception: blockchain exception\n    {}\n    nodeos  a.cpp:1 "
		       "f\n",
		        "exit status 254: blockchain exception" },
		{ MAIN "3000000 chain_exception: blockchain exception\nrethrow x\n",
		        "exit status 254: blockchain exception" },
		{ MAIN "13 St13runtime_error: what it is\nrethrow what it is\nmore\n",
		        "exit status 254: what it is" },
		{ MAIN "no number: what it is\nmore\n", "exit status 254: no number: what it is" },
		{ MAIN "13 is a number\nmore\n", "exit status 254: 13 is a number" },
		{ MAIN "4 words: no name\n", "exit status 254: no name" },
		{ MAIN "4 more words: no name\n", "exit status 254: 4 more words: no name" },
		{ MAIN "first\n" MAIN "second\n", "exit status 254: second" },
		{ MAIN "first\ninfo  2026-11-20T10:22:17.627 nodeos main.cpp:1 other ] later\n",
		        "exit status 254: first" },
		{ MAIN "first\nerror 2026-11-20T10:22:17.627 net-0 a.cpp:1 other ] later\n",
		        "exit status 254: first" },
		{ "std::exception::what: the cause\nlater\n", "exit status 254: the cause" },
		{ MAIN "\xff\xc3\xa4\x1b[31m\n", "exit status 254: ????[31m" },
		{ MAIN "key 5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3.\n",
		        "exit status 254: key "
		        "***************************************************." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct nodeos_exit x;

		nodeos_exit_classify(&x, EXITED(254), false, t[i].lines);
		if (strcmp(x.why, t[i].why) != 0)
			fail_msg("'%s', not '%s'", x.why, t[i].why);
	}
}

static void long_lines_are_cut(void **state)
{
	static const char wif[] = "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3";
	char line[5000];
	struct nodeos_exit x;

	(void)state;
	for (size_t at = 150; at < 4000; at++) {
		memset(line, 'x', sizeof(line));
		line[at - 1] = ' ';
		memcpy(line + at, wif, sizeof(wif) - 1);
		line[sizeof(line) - 1] = '\0';
		nodeos_exit_classify(&x, EXITED(254), false, line);
		assert_int_equal(strlen(x.why), sizeof(x.why) - 1);
		assert_null(strstr(x.why, "5KQ"));
		if (at == 300)
			at = 1000;
		if (at == 1060)
			at = 3900;
	}
}

static void names(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= NODEOS_EXIT_OTHER; i++)
		assert_string_not_equal(
		        nodeos_exit_class_name((enum nodeos_exit_class)i), "unknown");
	assert_string_equal(nodeos_exit_class_name(NODEOS_EXIT_STATE_FULL), "state_full");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recordings),
		cmocka_unit_test(unrecorded),
		cmocka_unit_test(repairs),
		cmocka_unit_test(no_signal_is_damage),
		cmocka_unit_test(on_bytes_that_are_sound),
		cmocka_unit_test(outside_causes_have_none),
		cmocka_unit_test(statuses),
		cmocka_unit_test(the_most_telling_line),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("nodeos/exit", tests, NULL, NULL);
}
