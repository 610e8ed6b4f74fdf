/*
 * What chain_plugin and the controller of nodeos do at start and at the end: which data-dir they
 * accept, in which order they look at it and what they say.  The order of the checks is visible
 * from outside (a dirty state is reported before a missing genesis file) and follows the
 * recordings and leap v4.0.6, plugins/chain_plugin/chain_plugin.cpp and
 * libraries/chain/controller.cpp.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/str.h"
#include "sim/nlog.h"
#include "sim/node.h"

#define AT          "chain_plugin.cpp:1077 plugin_initialize"
#define METHOD      "plugin_initialize"
#define GENESIS_MAX 65536
#define MIB         1048576ULL

/* --- directories ------------------------------------------------------------------------------ */

static int make_dirs(const char *path, struct fail *f)
{
	AUTO(free) char *copy = strdup(path);

	if (!copy)
		return fail_std(f, "St9bad_alloc", AT, "std::bad_alloc");
	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c)
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST) {
			int saved = errno;
			struct stat st;

			/* "Read-only file system" also for what exists. */
			if (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode))
				return fail_std(f, "N5boost10filesystem16filesystem_errorE", AT,
				        "boost::filesystem::create_directories: %s: \"%s\"",
				        strerror(saved), path);
		}
		if (!c)
			return 0;
		*p = c;
	}
}

/* Everything in a directory, and not the directory: it may be a mount point. */
static int clear_directory(const char *path, struct fail *f)
{
	struct err e = ERR_INIT;
	DIR *d = opendir(path);
	struct dirent *de;

	if (!d)
		return 0;
	while ((de = readdir(d))) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (fs_remove_tree_at(dirfd(d), de->d_name, &e) < 0) {
			fail_std(f, "N5boost10filesystem16filesystem_errorE", AT, "%s", e.msg);
			break;
		}
	}
	closedir(d);
	return f->kind ? -1 : 0;
}

static char *below(const char *dir, const char *path)
{
	return path[0] == '/' ? strdup(path) : str_fmt("%s/%s", dir, path);
}

static int set_paths(struct node *n, struct fail *f)
{
	AUTO(free)
	char *features = below(n->config_dir, option_text(n->opt, "protocol-features-dir"));

	n->blocks_dir = below(n->data_dir, option_text(n->opt, "blocks-dir"));
	n->state_dir = below(n->data_dir, option_text(n->opt, "state-dir"));
	n->snapshots_dir = below(n->data_dir, option_text(n->opt, "snapshots-dir"));
	if (n->blocks_dir)
		n->reversible_dir = str_fmt("%s/reversible", n->blocks_dir);
	if (!features || !n->state_dir || !n->snapshots_dir || !n->reversible_dir)
		return fail_std(f, "St9bad_alloc", AT, "std::bad_alloc");
	return make_dirs(features, f);
}

/* --- what was asked for ----------------------------------------------------------------------- */

static int print_build_info(struct fail *f)
{
#ifdef __x86_64__
	static const char arch[] = "ARCH_X86_64";
#else
	static const char arch[] = "ARCH_OTHER";
#endif

	nlog(NLOG_INFO, "chain_plugin.cpp:484", METHOD,
	        "Build environment JSON:\n{\n  \"debug\": false,\n  \"os\": \"OS_LINUX\",\n"
	        "  \"arch\": \"%s\",\n  \"boost_version\": 0,\n  \"compiler\": \"0.0.0\"\n}",
	        arch);
	fail_fc(f, 3100009, "node_management_success",
	        "Node management operation successfully executed",
	        "chain_plugin.cpp:501 plugin_initialize", "{}",
	        "reported build environment information");
	nlog(NLOG_WARN, "chain_plugin.cpp:1077", METHOD, "%s", f->text);
	return fail_quiet(f, EXIT_MANAGEMENT);
}

static int delete_or_repair(struct node *n, struct fail *f)
{
	uint32_t truncate_at = (uint32_t)option_int(n->opt, "truncate-at-block");

	if (option_bool(n->opt, "delete-all-blocks")) {
		nlog(NLOG_INFO, "chain_plugin.cpp:717", METHOD,
		        "Deleting state database and blocks");
		return clear_directory(n->state_dir, f) < 0 ? -1
		                                            : clear_directory(n->blocks_dir, f);
	}
	if (option_bool(n->opt, "hard-replay-blockchain")) {
		nlog(NLOG_INFO, "chain_plugin.cpp:462", "do_hard_replay",
		        "Hard replay requested: deleting state database");
		if (clear_directory(n->state_dir, f) < 0)
			return -1;
		return blocklog_repair(n->blocks_dir, truncate_at, f);
	}
	if (option_bool(n->opt, "replay-blockchain")) {
		nlog(NLOG_INFO, "chain_plugin.cpp:724", METHOD,
		        "Replay requested: deleting state database");
		if (truncate_at)
			nlog(NLOG_WARN, "chain_plugin.cpp:726", METHOD,
			        "The --truncate-at-block option does not work for a regular replay "
			        "of the blockchain.");
		return clear_directory(n->state_dir, f);
	}
	if (truncate_at)
		nlog(NLOG_WARN, "chain_plugin.cpp:729", METHOD,
		        "The --truncate-at-block option can only be used with "
		        "--hard-replay-blockchain.");
	return 0;
}

/* --- which chain ------------------------------------------------------------------------------ */

static int read_genesis_file(struct node *n, struct sim_genesis *g, struct fail *f)
{
	const char *name = option_text(n->opt, "genesis-json");
	AUTO(buf) struct buf b = BUF_INIT(GENESIS_MAX);
	AUTO(free) char *cwd = getcwd(NULL, 0);
	AUTO(free) char *path = cwd ? below(cwd, name) : NULL;
	struct err e = ERR_INIT;
	char data[4200];

	if (!path)
		return fail_std(f, "St9bad_alloc", AT, "std::bad_alloc");
	snprintf(data, sizeof(data), "{\"genesis\":\"%s\"}", path);
	if (fs_read_at(AT_FDCWD, path, &b, &e) != 0)
		return fail_config(f, "chain_plugin.cpp:809 plugin_initialize", data,
		        "Specified genesis file '%s' does not exist.", path);
	if (sim_genesis_parse(g, b.data ? b.data : "", b.len, f) < 0)
		return -1;
	nlog(NLOG_INFO, "chain_plugin.cpp:822", METHOD, "Using genesis state provided in '%s'",
	        path);
	return 0;
}

static int fail_chain_id(struct fail *f, const char *place, const char *fmt,
        const unsigned char a[BLOCK_ID], const unsigned char b[BLOCK_ID])
{
	char a_hex[BLOCK_ID_HEX], b_hex[BLOCK_ID_HEX], text[512];
	const char *p = strstr(fmt, "%1"), *q = strstr(fmt, "%2");

	hex_encode(a_hex, a, BLOCK_ID);
	hex_encode(b_hex, b, BLOCK_ID);
	snprintf(text, sizeof(text), "%.*s%s%.*s%s%s", (int)(p - fmt), fmt, a_hex, (int)(q - p - 2),
	        p + 2, b_hex, q + 2);
	return fail_config(f, place, "{}", "%s", text);
}

static int fail_log_of_other_chain(
        struct fail *f, const unsigned char log[BLOCK_ID], const unsigned char state[BLOCK_ID])
{
	char log_hex[BLOCK_ID_HEX], state_hex[BLOCK_ID_HEX], data[256];

	hex_encode(log_hex, log, BLOCK_ID);
	hex_encode(state_hex, state, BLOCK_ID);
	snprintf(data, sizeof(data), "{\"block_log_chain_id\":\"%s\",\"state_chain_id\":\"%s\"}",
	        log_hex, state_hex);
	return fail_block_log(f, "chain_plugin.cpp:789 plugin_initialize", data,
	        "Chain ID in blocks.log (%s) does not match the existing  chain ID in state (%s).",
	        log_hex, state_hex);
}

/* The genesis file against what the data-dir is already. */
static int check_provided(struct node *n, const struct sim_genesis *g, enum blocklog_context log,
        const struct sim_genesis *log_genesis, const struct statedb *state, struct fail *f)
{
	if (log == BLOCKLOG_GENESIS) {
		if (memcmp(g->packed, log_genesis->packed, GENESIS_PACKED) == 0)
			return 0;
		return fail_config(f, "chain_plugin.cpp:826 plugin_initialize", "{}",
		        "Genesis state, provided via command line arguments, does not match the "
		        "existing genesis state in blocks.log. It is not necessary to provide "
		        "genesis state arguments when a full blocks.log file already exists.");
	}
	if (state->revision)
		return block_same_id(g->chain_id, state->genesis.chain_id)
		        ? 0
		        : fail_chain_id(f, "chain_plugin.cpp:834 plugin_initialize",
		                  "Genesis state, provided via command line arguments, has a chain "
		                  "ID "
		                  "(%1) that does not match the existing chain ID in the database "
		                  "state "
		                  "(%2). It is not necessary to provide genesis state arguments "
		                  "when an "
		                  "initialized database state already exists.",
		                  g->chain_id, state->genesis.chain_id);
	if (log == BLOCKLOG_CHAIN_ID && !block_same_id(g->chain_id, log_genesis->chain_id))
		return fail_chain_id(f, "chain_plugin.cpp:844 plugin_initialize",
		        "Genesis state, provided via command line arguments, has a chain ID (%1) "
		        "that does not match the existing chain ID in blocks.log (%2).",
		        g->chain_id, log_genesis->chain_id);
	nlog(NLOG_INFO, "chain_plugin.cpp:853", METHOD,
	        "Starting fresh blockchain state using provided genesis state.");
	n->genesis = *g;
	n->fresh = true;
	return 0;
}

/* --snapshot, in the order of nodeos's checks. */
static int choose_snapshot(struct node *n, const char *path, struct fail *f)
{
	AUTO(free) char *state = str_fmt("%s/shared_memory.bin", n->state_dir);
	struct sim_genesis log_genesis;
	enum blocklog_context log;
	char data[4200];
	struct stat st;

	snprintf(data, sizeof(data), "{\"name\":\"%s\"}", path);
	if (stat(path, &st) < 0)
		return fail_config(f, "chain_plugin.cpp:735 plugin_initialize", data,
		        "Cannot load snapshot, %s does not exist", path);
	if (sim_snapshot_read(&n->snapshot, path, f) < 0)
		return -1;
	if (option_text(n->opt, "genesis-json"))
		return fail_config(f, "chain_plugin.cpp:749 plugin_initialize", "{}",
		        "--snapshot is incompatible with --genesis-json as the snapshot contains "
		        "genesis information");
	if (!state || (stat(state, &st) == 0 && S_ISREG(st.st_mode)))
		return fail_config(f, "chain_plugin.cpp:754 plugin_initialize", "{}",
		        "Snapshot can only be used to initialize an empty database.");
	if (blocklog_context(&log, &log_genesis, n->blocks_dir, f) < 0)
		return -1;
	if (log != BLOCKLOG_NOTHING &&
	        !block_same_id(log_genesis.chain_id, n->snapshot.genesis.chain_id))
		return fail_chain_id(f, "chain_plugin.cpp:761 plugin_initialize",
		        "snapshot chain ID (%1) does not match the chain ID (%2) in the block log",
		        n->snapshot.genesis.chain_id, log_genesis.chain_id);
	n->from_snapshot = true;
	memcpy(n->chain.id, n->snapshot.genesis.chain_id, BLOCK_ID);
	return 0;
}

static int choose_chain(struct node *n, struct fail *f)
{
	struct sim_genesis log_genesis, provided;
	enum blocklog_context log;
	struct statedb state;

	if (option_text(n->opt, "snapshot"))
		return choose_snapshot(n, option_text(n->opt, "snapshot"), f);
	if (statedb_peek(&state, n->state_dir, f) < 0 ||
	        blocklog_context(&log, &log_genesis, n->blocks_dir, f) < 0)
		return -1;
	if (log != BLOCKLOG_NOTHING && state.revision &&
	        !block_same_id(log_genesis.chain_id, state.genesis.chain_id))
		return fail_log_of_other_chain(f, log_genesis.chain_id, state.genesis.chain_id);
	if (log == BLOCKLOG_GENESIS && !state.revision) {
		nlog(NLOG_INFO, "chain_plugin.cpp:796", METHOD,
		        "Starting fresh blockchain state using genesis state extracted from "
		        "blocks.log.");
		n->genesis = log_genesis;
		n->fresh = true;
	}
	if (option_text(n->opt, "genesis-json") &&
	        (read_genesis_file(n, &provided, f) < 0 ||
	                check_provided(n, &provided, log, &log_genesis, &state, f) < 0))
		return -1;
	if (state.revision) {
		memcpy(n->chain.id, state.genesis.chain_id, BLOCK_ID);
		return 0;
	}
	if (!n->fresh) {
		if (log == BLOCKLOG_CHAIN_ID)
			return fail_config(f, "chain_plugin.cpp:870 plugin_initialize", "{}",
			        "Genesis state is necessary to initialize fresh blockchain state "
			        "but "
			        "genesis state could not be found in the blocks log. Please either "
			        "load from snapshot or find a blocks log that starts from "
			        "genesis.");
		nlog(NLOG_INFO, "chain_plugin.cpp:876", METHOD,
		        "Starting fresh blockchain state using default genesis state.");
		sim_genesis_default(&n->genesis);
		n->fresh = true;
	}
	memcpy(n->chain.id, n->genesis.chain_id, BLOCK_ID);
	return 0;
}

/* --- initialize ------------------------------------------------------------------------------- */

static int open_chain(struct node *n, struct fail *f)
{
	uint64_t mib = (uint64_t)option_int(n->opt, "chain-state-db-size-mb");

	if (mib > INT64_MAX / MIB)
		mib = INT64_MAX / MIB;
	if (make_dirs(n->state_dir, f) < 0 || make_dirs(n->blocks_dir, f) < 0 ||
	        statedb_open(&n->chain.state, n->state_dir, mib * MIB, f) < 0)
		return -1;
	n->chain_open = true;
	if (blocklog_open(&n->chain.log, n->blocks_dir, f) < 0 ||
	        forkdb_open(&n->forkdb, n->reversible_dir, f) < 0)
		return -1;
	return 0;
}

int chain_plugin_initialize(struct node *n, struct fail *f)
{
	const char *missing;

	nlog(NLOG_INFO, "chain_plugin.cpp:470", METHOD, "initializing chain plugin");
	if (option_bool(n->opt, "print-build-info"))
		return print_build_info(f);
	missing = options_not_simulated(n->opt);
	if (missing) {
		char what[96];

		snprintf(what, sizeof(what), "the option '%s'", missing);
		return fail_not_simulated(f, what);
	}
	n->terminate_at = (uint32_t)option_int(n->opt, "terminate-at-block");
	n->irreversible = strcmp(option_text(n->opt, "read-mode"), "irreversible") == 0;
	if (set_paths(n, f) < 0 || delete_or_repair(n, f) < 0 || choose_chain(n, f) < 0 ||
	        (n->fresh && history_check(n, f) < 0))
		return -1;
	if (n->irreversible && option_bool(n->opt, "api-accept-transactions"))
		nlog(NLOG_WARN, "chain_plugin.cpp:891", METHOD,
		        "api-accept-transactions set to false due to read-mode: irreversible");
	return open_chain(n, f);
}

/* --- start ------------------------------------------------------------------------------------ */

static int fail_errno(struct fail *f, const struct err *e)
{
	f->kind = FAIL_PLAIN;
	f->status = EXIT_OTHER_FAIL;
	snprintf(f->text, sizeof(f->text), "%s", e->msg);
	return -1;
}

static int start_fresh(struct node *n, struct fail *f)
{
	struct err e = ERR_INIT;
	struct block genesis;

	if (n->forkdb.has_root)
		nlog(NLOG_WARN, "controller.cpp:631", "startup",
		        "No existing chain state. Initializing fresh blockchain state.");
	else
		nlog(NLOG_WARN, "controller.cpp:633", "startup",
		        "No existing chain state or fork database. Initializing fresh blockchain "
		        "state and resetting fork database.");
	nlog(NLOG_WARN, "controller.cpp:483", "initialize_blockchain_state",
	        "Initializing new blockchain with genesis state");
	if (n->chain.state.size < n->knobs.db_used) {
		f->kind = FAIL_PLAIN;
		f->status = EXIT_BAD_ALLOC;
		snprintf(f->text, sizeof(f->text), "bad alloc");
		return -1;
	}
	statedb_take_room(&n->chain.state);
	sim_genesis_block(&genesis, &n->genesis);
	chain_reset(&n->chain, &genesis);
	statedb_set_genesis(&n->chain.state, &n->genesis);
	n->chain.state.revision = n->chain.base = 1;
	n->chain.state.wrong = 0;
	if (blocklog_has_blocks(&n->chain.log))
		return n->chain.log.first == 1
		        ? 0
		        : fail_block_log(f, "controller.cpp:641 startup", "{}",
		                  "block log does not start with genesis block");
	if (blocklog_reset(&n->chain.log, &n->genesis, &e) < 0)
		return fail_errno(f, &e);
	return n->forkdb.has_root ? 0 : history_make(n, f);
}

static int start_from_snapshot(struct node *n, struct fail *f)
{
	struct blocklog *l = &n->chain.log;
	uint32_t head = n->snapshot.head.num;
	struct err e = ERR_INIT;
	char data[128];

	if (blocklog_has_blocks(l)) {
		nlog(NLOG_INFO, "controller.cpp:597", "startup",
		        "Starting initialization from snapshot and block log %" PRIu32 "-%" PRIu32
		        ", this may take a significant amount of time",
		        l->first, l->last);
		snprintf(data, sizeof(data),
		        "{\"snapshot_head_block\":%" PRIu32 ",\"block_log_first_num\":%" PRIu32
		        ",\"block_log_last_num\":%" PRIu32 "}",
		        head, l->first, l->last);
		if (l->first > head + 1 || head > l->last)
			return fail_block_log(f, "controller.cpp:919 read_from_snapshot", data,
			        "Block log is provided with snapshot but does not contain the head "
			        "block from the snapshot nor a block right after it");
	} else {
		nlog(NLOG_INFO, "controller.cpp:601", "startup",
		        "Starting initialization from snapshot and no block log, this may take a "
		        "significant amount of time");
		if (blocklog_reset_at(l, n->chain.id, head + 1, &e) < 0)
			return fail_errno(f, &e);
	}
	statedb_take_room(&n->chain.state);
	chain_reset(&n->chain, &n->snapshot.head);
	n->chain.state.genesis = n->snapshot.genesis;
	n->chain.state.has_genesis = n->snapshot.has_genesis;
	n->chain.state.revision = n->chain.base = head;
	n->chain.state.wrong = n->snapshot.wrong;
	nlog(NLOG_INFO, "controller.cpp:608", "startup", "Snapshot loaded, lib: %" PRIu32, head);
	/* What fork_db.dat had is taken up only by a replay of the log. */
	if (!blocklog_has_blocks(l) || !n->forkdb.has_root) {
		n->forkdb.has_root = true;
		n->forkdb.root = n->snapshot.head;
		n->forkdb.n = 0;
		memcpy(n->forkdb.head_id, n->snapshot.head.id, BLOCK_ID);
	}
	return 0;
}

static int start_existing(struct node *n, struct fail *f)
{
	struct blocklog *l = &n->chain.log;
	struct err e = ERR_INIT;
	uint32_t lib;

	if (!n->forkdb.has_root)
		return fail_fc(f, 3020000, "fork_database_exception", "Fork database exception",
		        "controller.cpp:653 startup", "{}",
		        "No existing fork database despite existing chain state. Replay required.");
	lib = n->forkdb.root.num;
	if (blocklog_has_blocks(l) && (lib < l->first || lib > l->last))
		return fail_block_log(f, "controller.cpp:659 startup", "{}",
		        "block log (ranging from %" PRIu32 " to %" PRIu32
		        ") does not contain the last irreversible block (%" PRIu32 ")",
		        l->first, l->last, lib);
	if (!blocklog_has_blocks(l) && l->first != lib + 1 &&
	        blocklog_reset_at(l, n->chain.id, lib + 1, &e) < 0)
		return fail_errno(f, &e);
	chain_from_forkdb(&n->chain, &n->forkdb);
	n->chain.base = chain_head(&n->chain)->num;
	return 0;
}

static int check_revision(struct node *n, struct fail *f)
{
	uint32_t head = chain_head(&n->chain)->num, revision = n->chain.state.revision;
	char data[64];

	snprintf(data, sizeof(data), "{\"db\":%" PRIu32 ",\"head\":%" PRIu32 "}", revision, head);
	if (revision < head)
		return fail_fc(f, 3020000, "fork_database_exception", "Fork database exception",
		        "controller.cpp:714 init", data,
		        "fork database head (%" PRIu32 ") is inconsistent with state (%" PRIu32 ")",
		        head, revision);
	if (revision > head)
		nlog(NLOG_WARN, "controller.cpp:719", "init",
		        "database revision (%" PRIu32
		        ") is greater than head block number (%" PRIu32
		        "), attempting to undo pending changes",
		        revision, head);
	return 0;
}

static void say_integrity(
        const struct node *n, const char *place, const char *method, const char *when)
{
	unsigned char hash[BLOCK_ID];
	char hex[BLOCK_ID_HEX];

	chain_integrity_hash(&n->chain, hash);
	hex_encode(hex, hash, sizeof(hash));
	nlog(NLOG_INFO, place, method, "chain database %s with hash: %s", when, hex);
}

int chain_plugin_start(struct node *n, struct fail *f)
{
	int rc = n->from_snapshot ? start_from_snapshot(n, f)
	        : n->fresh        ? start_fresh(n, f)
	                          : start_existing(n, f);

	if (rc == 0)
		rc = check_revision(n, f);
	if (rc == 0) {
		if (option_bool(n->opt, "integrity-hash-on-start"))
			say_integrity(n, "controller.cpp:735", "init", "started");
		/* Without a block log nodeos has nothing to replay, and does not say so. */
		if (n->from_snapshot && !blocklog_has_blocks(&n->chain.log))
			chain_plugin_started(n);
		else
			rc = replay_start(n, f);
	}
	return rc;
}

void chain_plugin_started(struct node *n)
{
	char when[SLOT_TEXT_SIZE];

	if (n->from_snapshot)
		nlog(NLOG_INFO, "controller.cpp:611", "startup",
		        "Finished initialization from snapshot");
	nlog(NLOG_INFO, "chain_plugin.cpp:1109", "plugin_startup",
	        "starting chain in read/write mode");
	if (n->fresh)
		nlog(NLOG_INFO, "chain_plugin.cpp:1113", "plugin_startup",
		        "Blockchain started; head block is #%" PRIu32 ", genesis timestamp is %s",
		        chain_head(&n->chain)->num, slot_text(when, sim_genesis_slot(&n->genesis)));
	else
		nlog(NLOG_INFO, "chain_plugin.cpp:1117", "plugin_startup",
		        "Blockchain started; head block is #%" PRIu32, chain_head(&n->chain)->num);
}

/* --- the end ---------------------------------------------------------------------------------- */

/*
 * The members of nodeos's controller go in this order: fork database, block log, state.  The
 * long part of a flush is the state's, so fork_db.dat is already there while it lasts.  All
 * signals that could be caught are blocked here, as they are in the loop.
 */
void chain_plugin_flush(struct node *n, bool failed)
{
	struct forkdb db = n->forkdb;
	uint32_t revision = n->chain.state.revision;
	struct timespec ts;
	int64_t ns;

	if (!n->chain_open)
		return;
	if (n->chain.has_root) {
		if (option_bool(n->opt, "integrity-hash-on-stop"))
			say_integrity(n, "controller.cpp:768", "~controller_impl", "stopped");
		if (!failed || !db.has_root)
			chain_to_forkdb(&n->chain, &db);
		if (!failed || n->fresh) {
			revision = chain_head(&n->chain)->num;
			n->chain.state.wrong = chain_wrong(&n->chain);
		}
	}
	forkdb_write(&db, n->reversible_dir, n->disk_full);
	ns = n->knobs.flush_ns + n->knobs.flush_per_block_ns * (int64_t)revision;
	ts = (struct timespec){ ns / NS_PER_SEC, ns % NS_PER_SEC };
	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
	statedb_close(&n->chain.state, revision);
	blocklog_close(&n->chain.log);
	n->chain_open = false;
}
