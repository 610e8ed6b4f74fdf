#include "sim/node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/version.h"
#include "sim/api.h"
#include "sim/nlog.h"
#include "sim/p2p.h"
#include "sim/resmon.h"

#define CONFIG_MAX 1048576
#define MIB        1048576ULL
/* max_transaction_lifetime of every genesis that there is */
#define TRX_LIFETIME_NS (3600 * NS_PER_SEC)

const char *sim_full_version(void)
{
	static char text[128];

	if (!text[0])
		snprintf(text, sizeof(text), "%s-%s", SIM_VERSION, nodeswarm_version);
	return text;
}

/* --- stopping --------------------------------------------------------------------------------- */

void node_quit(struct node *n)
{
	n->quitting = true;
	loop_stop(&n->loop);
}

void node_fail(struct node *n)
{
	n->status = n->fail.status;
	node_quit(n);
}

static void on_signal(struct loop_signal *s UNUSED, int signo, void *arg)
{
	struct node *n = arg;

	if (signo == SIGHUP) {
		nlog(NLOG_INFO, "main.cpp:62", "logging_conf_handler",
		        "Received HUP. No log config found at %s/logging.json, setting to default.",
		        n->config_dir);
		return;
	}
	node_quit(n);
}

/* --- blocks ----------------------------------------------------------------------------------- */

const struct block *node_head(const struct node *n)
{
	return n->irreversible ? &n->chain.root : chain_head(&n->chain);
}

bool node_guard_tripped(struct node *n)
{
	uint64_t guard = (uint64_t)option_int(n->opt, "chain-state-db-guard-size-mb") * MIB;
	uint64_t size = n->chain.state.size, used = n->knobs.db_used;

	if (size > used && size - used >= guard)
		return false;
	nlog(NLOG_ERROR, "chain_plugin.cpp:1211", "log_guard_exception",
	        "Database has reached an unsafe level of usage, shutting down to avoid corrupting "
	        "the database.  Please increase the value set for \"chain-state-db-size-mb\" and "
	        "restart the process!");
	nlog(NLOG_ERROR, "chain_plugin.cpp:1221", "handle_guard_exception",
	        "database chain::guard_exception, quitting...");
	node_quit(n);
	return true;
}

bool node_reached_end(struct node *n)
{
	if (!n->terminate_at || chain_head(&n->chain)->num < n->terminate_at)
		return false;
	nlog(NLOG_INFO, "producer_plugin.cpp:1947", "start_block",
	        "Reached configured maximum block %" PRIu32 "; terminating", n->terminate_at);
	node_quit(n);
	return true;
}

static void say_switch(const struct block *from, const struct block *to)
{
	char from_hex[BLOCK_ID_HEX], to_hex[BLOCK_ID_HEX];

	hex_encode(from_hex, from->id, BLOCK_ID);
	hex_encode(to_hex, to->id, BLOCK_ID);
	nlog(NLOG_INFO, "controller.cpp:2346", "maybe_switch_forks",
	        "switching forks from %s (block number %" PRIu32 ") to %s (block number %" PRIu32
	        ")",
	        from_hex, from->num, to_hex, to->num);
	nlog(NLOG_INFO, "controller.cpp:2407", "maybe_switch_forks",
	        "successfully switched fork to new head %s", to_hex);
}

int node_apply(struct node *n, const struct block *b)
{
	struct block before = *chain_head(&n->chain);
	uint32_t lib = n->chain.root.num;
	struct err e = ERR_INIT;
	int rc = chain_push(&n->chain, b, &e);

	if (rc < 0) {
		/*
		 * A full disk: nodeos's pages are mapped, so it dies of SIGBUS without a word
		 * and leaves its state dirty.
		 */
		raise(SIGBUS);
		_exit(128 + SIGBUS);
	}
	if (n->chain.root.num != lib)
		trxpool_irreversible(&n->transactions, &n->chain.root);
	if (rc == CHAIN_SWITCHED)
		say_switch(&before, chain_head(&n->chain));
	if (rc == CHAIN_APPLIED || rc == CHAIN_SWITCHED)
		snapshots_promote(n->snapshots);
	return rc;
}

uint32_t node_pending_slot(const struct node *n)
{
	uint32_t after = chain_head(&n->chain)->slot + 1, next = slot_at(clock_real_ns()) + 1;

	return after > next ? after : next;
}

/* The block whose number ends with these 16 bits, as of the head. */
static bool is_ours(const struct node *n, uint16_t ref_num, uint32_t ref_prefix)
{
	uint32_t head = chain_head(&n->chain)->num;
	uint32_t num = (head & ~0xffffU) | ref_num;
	struct err e = ERR_INIT;
	struct block b;

	if (num > head)
		num -= 0x10000;
	/* Our LIB may be in no log: a node that came from a snapshot has it only so. */
	if (num == n->chain.root.num)
		return get_u32(n->chain.root.id + 8) == ref_prefix;
	return chain_fetch(&n->chain, num, &b, &e) == 0 && get_u32(b.id + 8) == ref_prefix;
}

enum node_trx node_judge_trx(const struct node *n, const struct trx *t)
{
	int64_t now = slot_ns(node_pending_slot(n));

	if (t->expires_s * NS_PER_SEC < now)
		return NODE_TRX_EXPIRED;
	if (t->expires_s * NS_PER_SEC > now + TRX_LIFETIME_NS)
		return NODE_TRX_TOO_FAR;
	if (trxpool_knows(&n->transactions, t->id))
		return NODE_TRX_KNOWN;
	return is_ours(n, t->ref_num, t->ref_prefix) ? NODE_TRX_OK : NODE_TRX_NO_BLOCK;
}

/* --- configuration ---------------------------------------------------------------------------- */

static char *absolute(const char *path)
{
	AUTO(free) char *cwd = NULL;

	if (path[0] == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	return cwd ? str_fmt("%s/%s", cwd, path) : NULL;
}

/* nodeos's own defaults are under ~/.local/share/eosio/nodeos; so are ours, by another name. */
static char *default_dir(const char *what)
{
	const char *home = getenv("HOME");

	return str_fmt("%s/.local/share/eosio/nodesim/%s", home ? home : "", what);
}

static int set_dirs(struct node *n, struct fail *f)
{
	const char *data = option_text(n->opt, "data-dir");
	const char *config = option_text(n->opt, "config-dir");
	const char *file = option_text(n->opt, "config");

	n->data_dir = data ? absolute(data) : default_dir("data");
	n->config_dir = config ? absolute(config) : default_dir("config");
	if (n->config_dir)
		n->config_file =
		        file[0] == '/' ? strdup(file) : str_fmt("%s/%s", n->config_dir, file);
	if (!n->data_dir || !n->config_file)
		return fail_options(f, "std::bad_alloc", "std::bad_alloc");
	return 0;
}

static int make_parents(const char *path)
{
	AUTO(free) char *copy = strdup(path);

	for (char *p = copy ? copy + 1 : NULL; p && (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST && errno != EROFS)
			return -1;
		*p = '/';
	}
	return copy ? 0 : -1;
}

/* A missing config.ini is made; any other name must be there. */
static int make_config(struct node *n, struct fail *f)
{
	AUTO(free) char *usual = str_fmt("%s/config.ini", n->config_dir);
	AUTO(free) char *text = options_template();
	AUTO(close_fd) int fd = -1;

	if (!usual || strcmp(usual, n->config_file) != 0) {
		nlog_plain("Config file \"%s\" missing.", n->config_file);
		return fail_quiet(f, EXIT_INITIALIZE_FAIL);
	}
	if (make_parents(n->config_file) == 0)
		fd = open(n->config_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || !text || fs_write_all(fd, text, strlen(text)) < 0)
		return fail_options(f, "std::runtime_error", "cannot write '%s': %s",
		        n->config_file, strerror(errno));
	return 0;
}

static int read_config(struct node *n, struct fail *f)
{
	AUTO(buf) struct buf b = BUF_INIT(CONFIG_MAX);
	struct err e = ERR_INIT;
	int rc = fs_read_at(AT_FDCWD, n->config_file, &b, &e);

	if (rc > 0) {
		if (make_config(n, f) < 0)
			return -1;
		return 0;
	}
	if (rc < 0)
		return fail_options(f, "boost::program_options::reading_file",
		        "can not read options configuration file '%s'", n->config_file);
	return options_read_config(n->opt, b.data ? b.data : "", n->config_file, f);
}

/* --help and its like.  Returns whether that was all. */
static bool print_and_leave(const struct node *n)
{
	AUTO(free) char *text = NULL;

	if (option_bool(n->opt, "help"))
		text = options_help();
	else if (option_bool(n->opt, "version"))
		text = str_fmt("%s\n", SIM_VERSION);
	else if (option_bool(n->opt, "full-version"))
		text = str_fmt("%s\n", sim_full_version());
	else if (option_bool(n->opt, "print-default-config"))
		text = options_template();
	else
		return false;
	if (text)
		fputs(text, stdout);
	return true;
}

static int configure(struct node *n, int argc, char *const argv[], struct fail *f)
{
	struct err e = ERR_INIT;

	n->opt = options_new();
	if (!n->opt)
		return fail_options(f, "std::bad_alloc", "std::bad_alloc");
	if (options_parse_args(n->opt, argc, argv, f) < 0)
		return -1;
	if (print_and_leave(n))
		return fail_quiet(f, fflush(stdout) == 0 ? 0 : EXIT_OTHER_FAIL);
	if (knobs_read(&n->knobs, &e) < 0) {
		f->kind = FAIL_PLAIN;
		f->status = EXIT_OTHER_FAIL;
		snprintf(f->text, sizeof(f->text), "%s", e.msg);
		return -1;
	}
	if (n->knobs.producers.n)
		chain_set_schedule(&n->chain, &n->knobs.producers);
	n->chain.wrong_from = (uint32_t)n->knobs.wrong_from;
	n->chain.wrong_to = (uint32_t)n->knobs.wrong_to;
	if (set_dirs(n, f) < 0)
		return -1;
	return read_config(n, f);
}

/* --- life ------------------------------------------------------------------------------------- */

static void say_hello(const struct node *n)
{
	nlog(NLOG_INFO, "main.cpp:140", "main", "nodeos version %s %s", SIM_VERSION,
	        sim_full_version());
	nlog(NLOG_INFO, "main.cpp:143", "main", "nodeos using configuration file %s",
	        n->config_file);
	nlog(NLOG_INFO, "main.cpp:144", "main", "nodeos data directory is %s", n->data_dir);
}

static int take_signals(struct node *n, struct fail *f)
{
	struct err e = ERR_INIT;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGHUP);
	if (loop_init(&n->loop, &e) < 0 ||
	        loop_signal_add(&n->loop, &n->signals, &set, on_signal, n, &e) < 0)
		return fail_options(f, "std::runtime_error", "%s", e.msg);
	return 0;
}

static int live(struct node *n, struct fail *f)
{
	struct err e = ERR_INIT;

	nlog_from(NLOG_INFO, "nodesim", "nodesim", "main",
	        "nodesim %s: a simulator of nodeos v4.0.6, not a blockchain node",
	        nodeswarm_version);
	if (take_signals(n, f) < 0 || plugins_initialize(n, f) < 0)
		return -1;
	say_hello(n);
	plugins_start(n);
	if (!n->quitting && loop_run(&n->loop, &e) < 0)
		nlog(NLOG_ERROR, "nodesim", "main", "%s", e.msg);
	plugins_shutdown(n);
	if (n->fail.kind) {
		*f = n->fail;
		return -1;
	}
	return 0;
}

static void release(struct node *n)
{
	p2p_free(n->p2p);
	api_free(n->api);
	resmon_free(n->resmon);
	snapshots_free(n->snapshots);
	chain_release(&n->chain);
	forkdb_release(&n->forkdb);
	trxpool_release(&n->transactions);
	signers_free(n->production.signers);
	/* The signals stay blocked: one that came during the flush must not kill us now. */
	loop_release(&n->loop);
	options_free(n->opt);
	free(n->data_dir);
	free(n->config_dir);
	free(n->config_file);
	free(n->blocks_dir);
	free(n->state_dir);
	free(n->snapshots_dir);
	free(n->reversible_dir);
	free(n);
}

/* nodeos dies at its end when nobody reads its log any more. */
static void die_of_sigpipe(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t set;

	(void)sigaction(SIGPIPE, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	raise(SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int node_run(int argc, char *const argv[])
{
	struct node *n = calloc(1, sizeof(*n));
	struct fail f = FAIL_INIT;
	int status = 0;

	if (!n)
		return EXIT_BAD_ALLOC;
	n->loop.epfd = -1;
	chain_init(&n->chain);
	n->snapshots = snapshots_new(n);
	if (!n->snapshots) {
		free(n);
		return EXIT_BAD_ALLOC;
	}
	if (configure(n, argc, argv, &f) < 0) {
		status = fail_report(&f);
	} else if (live(n, &f) < 0) {
		/* What was opened is closed before nodeos's main() sees the exception. */
		chain_plugin_flush(n, true);
		status = fail_report(&f);
	} else {
		chain_plugin_flush(n, false);
		nlog(NLOG_INFO, "main.cpp:185", "main", "nodeos successfully exiting");
	}
	release(n);
	if (nlog_reader_gone())
		die_of_sigpipe();
	return status;
}
