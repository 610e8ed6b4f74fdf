/*
 * A table of exits: the status, what stands in the last lines, and what that means.  The first
 * row that fits decides.  A row with no words of its own is explained by nodeos's most telling
 * line.
 */

#include "nodeos/exit.h"

#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/compiler.h"
#include "base/str.h"
#include "nodeos/logline.h"
#include "nodeos/repair.h"

/* nodeos's own statuses, in programs/nodeos/main.cpp of AntelopeIO/leap. */
enum {
	EXIT_OK = 0,
	EXIT_BAD_ALLOC = 1,
	EXIT_DATABASE_DIRTY = 2,
	EXIT_MANAGEMENT = 5,
	EXIT_OTHER_FAIL = 254,
	EXIT_INITIALIZE_FAIL = 255,
};

#define LINE_MAX_ 1024

struct row {
	int status;
	const char *text; /* in the last lines; NULL: whatever they say */
	enum nodeos_exit_class class;
	bool retry;
	const char *why; /* NULL: the line that has the text, or the most telling one */
	unsigned repairs;
};

/*
 * What a real nodeos was seen to start from again.  A new data-dir mends whatever was wrong with
 * the old one.  A replay mends state and fork database, but no log and no index; a hard replay
 * drops a bad end of the log, but needs its beginning.  Of damage in two places nodeos names the
 * first, and after the repair the second.
 */
#define INDEX       REPAIR_BIT(REPAIR_INDEX)
#define REPLAY      REPAIR_BIT(REPAIR_REPLAY)
#define HARD_REPLAY REPAIR_BIT(REPAIR_HARD_REPLAY)
#define RENEW       (REPAIR_BIT(REPAIR_GENERATION) | REPAIR_BIT(REPAIR_SNAPSHOT))
#define ANY         (INDEX | RENEW | REPLAY | HARD_REPLAY)

#define DAMAGE(text, repairs, why)                                           \
	{                                                                    \
		EXIT_OTHER_FAIL, text, NODEOS_EXIT_DATA, false, why, repairs \
	}

static const struct row rows[] = {
	{ EXIT_OK, "failed to bind to port", NODEOS_EXIT_PORT, true, NULL, 0 },
	{ EXIT_OK, "failed to listen on", NODEOS_EXIT_PORT, true, NULL, 0 }, /* Leap 5 and later */
	{ EXIT_OK, "unsafe level of usage", NODEOS_EXIT_STATE_FULL, false,
	        "the state database has less than chain-state-db-guard-size-mb free; "
	        "chain-state-db-size-mb must be larger",
	        0 },
	{ EXIT_OK, "exceeded file system configured threshold", NODEOS_EXIT_DISK_FULL, false,
	        "the file system is fuller than resource-monitor-space-threshold allows", 0 },
	/* "Reached ..." of Leap; "Block 93 reached ..." of Spring */
	{ EXIT_OK, "eached configured maximum block", NODEOS_EXIT_REACHED, false, NULL, 0 },
	{ EXIT_OK, "extracted genesis state from blocks.log", NODEOS_EXIT_MANAGED, false,
	        "it only printed or wrote the genesis", 0 },
	{ EXIT_OK, "Failed initialization from snapshot", NODEOS_EXIT_STATE_FULL, false, NULL, 0 },
	{ EXIT_OK, NULL, NODEOS_EXIT_UNASKED, true, "it stopped although nobody asked", 0 },

	{ EXIT_BAD_ALLOC, NULL, NODEOS_EXIT_STATE_FULL, false,
	        "'bad alloc': the state database is full; chain-state-db-size-mb must be larger",
	        0 },

	{ EXIT_DATABASE_DIRTY, NULL, NODEOS_EXIT_DIRTY, false,
	        "the state is dirty (nodeos was killed before), or another nodeos has it open",
	        ANY },

	{ EXIT_MANAGEMENT, NULL, NODEOS_EXIT_MANAGED, false,
	        "it only did what an option asked for, and ended", 0 },

	{ EXIT_INITIALIZE_FAIL, NULL, NODEOS_EXIT_CONFIG, false, NULL, 0 },

	/* 254: nearly everything else.  What is told by its cause comes before what is told by
	 * the name of the exception.  Spring v1.2.2 ends so when a port is taken. */
	{ EXIT_OTHER_FAIL, "none of the addresses resolved from", NODEOS_EXIT_PORT, true, NULL, 0 },
	{ EXIT_OTHER_FAIL, "No space left on device", NODEOS_EXIT_DISK_FULL, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "Read-only file system", NODEOS_EXIT_SYSTEM, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "Permission denied", NODEOS_EXIT_SYSTEM, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "filesystem_error", NODEOS_EXIT_SYSTEM, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "Cannot allocate memory", NODEOS_EXIT_SYSTEM, true, NULL, 0 },
	{ EXIT_OTHER_FAIL, "St9bad_alloc", NODEOS_EXIT_SYSTEM, true, NULL, 0 },
	{ EXIT_OTHER_FAIL, "Failed to mlock database", NODEOS_EXIT_SYSTEM, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "Could not gain write access", NODEOS_EXIT_SYSTEM, true,
	        "another nodeos has the state open", 0 },

	{ EXIT_OTHER_FAIL, "snapshot_exception", NODEOS_EXIT_SNAPSHOT, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "Snapshot can only be used", NODEOS_EXIT_SNAPSHOT, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "Cannot load snapshot", NODEOS_EXIT_SNAPSHOT, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "--snapshot is incompatible", NODEOS_EXIT_SNAPSHOT, false, NULL, 0 },

	{ EXIT_OTHER_FAIL, "Genesis state, provided", NODEOS_EXIT_GENESIS, false,
	        "the genesis is not that of the data", 0 },
	{ EXIT_OTHER_FAIL, "Specified genesis file", NODEOS_EXIT_GENESIS, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "parse_error_exception", NODEOS_EXIT_GENESIS, false,
	        "a JSON file, most likely the genesis, does not parse", 0 },

	{ EXIT_OTHER_FAIL, "chain_id_type_exception", NODEOS_EXIT_GENESIS, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "has a different chain id", NODEOS_EXIT_GENESIS, false, NULL, 0 },

	/* Of another nodeos, and sound.  "format not compatible with this version of chainbase" is
	 * none of them: a header full of garbage gives that too, and where the bytes name a known
	 * format, the verdict is foreign, which comes before this.  Version 4 of the log is of
	 * EOSIO 2.1; any other that is not known is damage. */
	{ EXIT_OTHER_FAIL, "Database incompatible", NODEOS_EXIT_VERSION, false,
	        "the state is of another build of nodeos", 0 },
	{ EXIT_OTHER_FAIL, "bad_database_version", NODEOS_EXIT_VERSION, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "Block log version is 4 while", NODEOS_EXIT_VERSION, false, NULL, 0 },

	/* Damage: what is told of one file comes before the name of the exception. */
	DAMAGE("Genesis state is necessary", RENEW,
	        "its blocks do not begin with block 1, so it cannot replay; it needs a snapshot"),
	DAMAGE("does not start with genesis block", RENEW, NULL),
	DAMAGE("fork_database_exception", RENEW | REPLAY, NULL),
	DAMAGE("fork_db_dat", RENEW | REPLAY,
	        "blocks/reversible/fork_db.dat is cut off, as after a stop on a full disk"),
	DAMAGE("blocks.index file is", INDEX | RENEW | HARD_REPLAY, NULL),
	DAMAGE("The last block position from", INDEX | RENEW | HARD_REPLAY, NULL),
	DAMAGE("Append to index file", INDEX | RENEW | HARD_REPLAY, NULL),
	DAMAGE("Invalid block position", RENEW | HARD_REPLAY, NULL),
	/* A hard replay copies it: it looks at the bytes of a block, not at what they say. */
	DAMAGE("Wrong block", RENEW, NULL),
	/* The log ends early, or the fork database is of another time: blocks that are there are
	 * replayed. */
	DAMAGE("does not contain the last irreversible block", RENEW | REPLAY, NULL),
	DAMAGE("Expected separator", RENEW, NULL),
	DAMAGE("Block log was not setup properly", RENEW, NULL),
	DAMAGE("block_log_unsupported_version", RENEW, NULL),
	DAMAGE("Chain ID in blocks.log", RENEW | REPLAY, NULL),
	DAMAGE("block_log_not_found", RENEW | REPLAY, NULL),
	DAMAGE("block_log_", RENEW | HARD_REPLAY, NULL),
	/* Either end of the log; an empty one has to go before a replay. */
	DAMAGE("blocks.log unable to read", RENEW | REPLAY | HARD_REPLAY,
	        "blocks.log is empty, or cut off"),
	DAMAGE("unlinkable_block_exception", RENEW, "a block in blocks.log is damaged"),
	DAMAGE("Provided index out of range for variant", RENEW,
	        "the begin of blocks.log is damaged"),
	/* Found by a replay, also by a hard one. */
	DAMAGE("block_validate_exception", RENEW, "a block in blocks.log is damaged"),
	DAMAGE("wrong_producer", RENEW, "a block in blocks.log is damaged"),
	DAMAGE("database_exception", RENEW | REPLAY, NULL),
	DAMAGE("Failed to read DB header", RENEW | REPLAY, NULL),
	DAMAGE("ormat not compatible with this", RENEW | REPLAY,
	        "the state is damaged, or of another version of nodeos"),
	DAMAGE("chain_head.dat", RENEW | REPLAY, NULL),
	{ EXIT_OTHER_FAIL, "Database load aborted", NODEOS_EXIT_UNASKED, true,
	        "it was told to stop while it read its state", 0 },

	{ EXIT_OTHER_FAIL, "basic_string::substr", NODEOS_EXIT_CONFIG, false,
	        "an address in config.ini has no port", 0 },
	{ EXIT_OTHER_FAIL, "interprocess_exceptionE: Invalid argument", NODEOS_EXIT_CONFIG, false,
	        "chain-state-db-size-mb is 0", 0 },
	{ EXIT_OTHER_FAIL, "plugin_config_exception", NODEOS_EXIT_CONFIG, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "boost::program_options::", NODEOS_EXIT_CONFIG, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "unable to find plugin", NODEOS_EXIT_CONFIG, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, "Unknown option", NODEOS_EXIT_CONFIG, false, NULL, 0 },
	{ EXIT_OTHER_FAIL, NULL, NODEOS_EXIT_OTHER, true, NULL, 0 },
};

static const struct {
	int number;
	enum nodeos_exit_class class;
	bool retry;
	const char *why;
} signals[] = {
	{ SIGBUS, NODEOS_EXIT_DISK_FULL, false,
	        "SIGBUS: no space left for the pages of its state, which is dirty now" },
	{ SIGKILL, NODEOS_EXIT_KILLED, true,
	        "SIGKILL, not from the supervisor: perhaps the kernel, out of memory" },
	{ SIGPIPE, NODEOS_EXIT_CRASHED, true, "SIGPIPE: nobody read its output any more" },
	{ SIGXFSZ, NODEOS_EXIT_SYSTEM, false, "SIGXFSZ: a file is larger than its limit" },
	{ SIGSYS, NODEOS_EXIT_SYSTEM, false, "SIGSYS: the container forbids a system call" },
};

const char *nodeos_exit_class_name(enum nodeos_exit_class class)
{
	static const char *const names[] = {
		[NODEOS_EXIT_STOPPED] = "stopped",
		[NODEOS_EXIT_UNASKED] = "unasked",
		[NODEOS_EXIT_PORT] = "port",
		[NODEOS_EXIT_STATE_FULL] = "state_full",
		[NODEOS_EXIT_DISK_FULL] = "disk_full",
		[NODEOS_EXIT_REACHED] = "reached",
		[NODEOS_EXIT_MANAGED] = "managed",
		[NODEOS_EXIT_DIRTY] = "dirty",
		[NODEOS_EXIT_DATA] = "data",
		[NODEOS_EXIT_VERSION] = "version",
		[NODEOS_EXIT_GENESIS] = "genesis",
		[NODEOS_EXIT_SNAPSHOT] = "snapshot",
		[NODEOS_EXIT_CONFIG] = "config",
		[NODEOS_EXIT_SYSTEM] = "system",
		[NODEOS_EXIT_KILLED] = "killed",
		[NODEOS_EXIT_CRASHED] = "crashed",
		[NODEOS_EXIT_OTHER] = "other",
	};

	return (size_t) class < ARRAY_LEN(names) ? names[class] : "unknown";
}

/* The next line of *text, cut to fit and without the white space at its end; false at the
 * end of the text. */
static bool next_line(char out[LINE_MAX_], const char **text)
{
	size_t n = strcspn(*text, "\n"), keep = n < LINE_MAX_ ? n : LINE_MAX_ - 1;

	if (!**text)
		return false;
	memcpy(out, *text, keep);
	out[keep] = '\0';
	while (keep && isspace((unsigned char)out[keep - 1]))
		out[--keep] = '\0';
	*text += n + ((*text)[n] == '\n');
	return true;
}

/* The message of the last line that has the needle. */
static bool line_with(char out[LINE_MAX_], const char *text, const char *needle)
{
	struct nodeos_logline l;
	char line[LINE_MAX_];
	bool found = false;

	while (next_line(line, &text))
		if (strstr(line, needle)) {
			nodeos_logline_parse(&l, line);
			snprintf(out, LINE_MAX_, "%s", l.message);
			found = true;
		}
	return found;
}

/* Whether a line goes on with an exception that another began, and says what happened:
 * no data of it ("{...}", indented), no place ("nodeos file:line"), no "rethrow". */
static bool is_detail(const struct nodeos_logline *l)
{
	return l->level == NODEOS_LOG_NONE && l->message[0] && l->message[0] != ' ' &&
	        !str_starts(l->message, "rethrow", NULL);
}

/* "3190000 block_log_exception: Block log exception" is followed by a line that says more;
 * "13 St12out_of_range: text" says it all, behind a name that says nothing. */
static const char *without_name(const char *message, bool *ret_more)
{
	const char *s = message + strspn(message, "0123456789");
	const char *colon = strstr(s, ": ");

	*ret_more = false;
	if (s == message || *s != ' ' || !colon || strcspn(s + 1, " ") != (size_t)(colon - s))
		return message;
	*ret_more = !str_starts(message, "13 ", NULL);
	return colon + 2;
}

/*
 * What nodeos gives as the reason: what main() logs last before it returns, or boost's
 * "what".  Without either, the last line.
 */
static void most_telling(char out[LINE_MAX_], const char *text)
{
	struct nodeos_logline l;
	char line[LINE_MAX_];
	const char *what;
	bool from_main = false, more = false;

	out[0] = '\0';
	while (next_line(line, &text)) {
		bool framed = nodeos_logline_parse(&l, line) == 0;

		if (!*l.message)
			continue;
		if (str_starts(l.message, "std::exception::what: ", &what)) {
			snprintf(out, LINE_MAX_, "%s", what);
			return;
		}
		if (framed && l.level == NODEOS_LOG_ERROR && strcmp(l.method, "main") == 0) {
			snprintf(out, LINE_MAX_, "%s", without_name(l.message, &more));
			from_main = true;
		} else if (more && is_detail(&l)) {
			snprintf(out, LINE_MAX_, "%s", l.message);
			more = false;
		} else if (!from_main) {
			snprintf(out, LINE_MAX_, "%s", l.message);
		}
	}
}

PRINTF(4, 5)
static void say(
        struct nodeos_exit *x, enum nodeos_exit_class class, bool retry, const char *fmt, ...)
{
	char text[LINE_MAX_ + 64];
	va_list ap;
	size_t n;

	x->class = class;
	x->retry = retry;
	x->repairs = 0;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Before it is cut, so that no half of a key is left. */
	nodeos_redact(text);
	n = strlen(text) < sizeof(x->why) ? strlen(text) : sizeof(x->why) - 1;
	memcpy(x->why, text, n);
	x->why[n] = '\0';
	str_printable(x->why);
	/* The cut, or nodeos, may have left UTF-8 that is none, and this goes into JSON. */
	for (char *c = x->why; *c; c++)
		if (*c & '\x80')
			*c = '?';
}

static void classify_signal(struct nodeos_exit *x, int number, bool asked)
{
	const char *name = sigabbrev_np(number);

	/* Asked before it had its handlers; or its output had no reader, which it notices when it
	 * stops: the state was seen to be clean. */
	if (asked && (number == SIGTERM || number == SIGINT || number == SIGPIPE)) {
		say(x, NODEOS_EXIT_STOPPED, true, "stopped as asked, by SIG%s", name);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (signals[i].number == number) {
			say(x, signals[i].class, signals[i].retry, "killed by %s", signals[i].why);
			return;
		}
	if (name)
		say(x, NODEOS_EXIT_CRASHED, true, "killed by SIG%s", name);
	else
		say(x, NODEOS_EXIT_CRASHED, true, "killed by signal %d", number);
}

static void classify_status(struct nodeos_exit *x, int status, bool asked, const char *lines)
{
	char line[LINE_MAX_];

	if (status == EXIT_OK && asked) {
		say(x, NODEOS_EXIT_STOPPED, true, "stopped as asked");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		enum nodeos_exit_class class = r->class;

		if (r->status != status || (r->text && !line_with(line, lines, r->text)))
			continue;
		if (asked && class == NODEOS_EXIT_UNASKED)
			class = NODEOS_EXIT_STOPPED;
		/* Of an exception's name the line says less than what follows it; after a port that
		 * is taken "Bad address" follows. */
		if (!r->text || (status == EXIT_OTHER_FAIL && class != NODEOS_EXIT_PORT))
			most_telling(line, lines);
		if (r->why)
			say(x, class, r->retry, "exit status %d: %s", status, r->why);
		else
			say(x, class, r->retry, "exit status %d: %s", status,
			        *line ? line : "it did not say why");
		x->repairs = r->repairs;
		return;
	}
	say(x, NODEOS_EXIT_OTHER, true, "exit status %d, which nodeos does not use", status);
}

void nodeos_exit_classify(
        struct nodeos_exit *x, int wait_status, bool asked, const char *last_lines)
{
	if (WIFSIGNALED(wait_status))
		classify_signal(x, WTERMSIG(wait_status), asked);
	else
		classify_status(x, WEXITSTATUS(wait_status), asked, last_lines ? last_lines : "");
}

void nodeos_exit_on_startable(struct nodeos_exit *x)
{
	if (x->class != NODEOS_EXIT_DIRTY)
		return;
	x->retry = true;
	x->repairs = 0;
}

bool nodeos_exit_is_damage(const struct nodeos_exit *x)
{
	return x->repairs != 0;
}
