#include "nodeos/options.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

#define FILE_ NODEOS_OPTION_FILE
#define ARGS  NODEOS_OPTION_ARGS
#define BOTH  NODEOS_OPTION_NOWHERE

#define PRINTS  "nodeos would print something and end, and be started again"
#define CHECKED "it belongs in config.ini, where it is checked and the supervisor reads it"
#define SECRET  "everybody on the host can read a command line; it belongs in config.ini"
#define CLI     "nodeos takes it on the command line only"

const struct nodeos_option_rule nodeos_option_rules[] = {
	/* The supervisor's own. */
	{ "data-dir", "the supervisor says where the slot's data are", BOTH, 'd', false },
	{ "config-dir", "the supervisor says where the slot's configuration is", BOTH, 0, false },
	{ "config", "the supervisor says where the slot's configuration is", BOTH, 'c', false },
	{ "genesis-json", "the supervisor gives the service's genesis.json to an empty data-dir",
	        BOTH, 0, false },
	{ "genesis-timestamp", "every slot would start a chain of its own", BOTH, 0, false },
	{ "http-category-address", "the supervisor asks nodeos at one http-server-address", BOTH, 0,
	        false },

	/* Once at most, but a slot's nodeos is started many times with the same options. */
	{ "snapshot", "nodeos takes it with an empty data-dir only and fails at the next start",
	        BOTH, 0, false },
	{ "replay-blockchain",
	        "it deletes the state at every start; to replay once, remove the slot's state "
	        "directory",
	        BOTH, 0, false },
	{ "hard-replay-blockchain",
	        "it deletes the state and leaves a copy of all blocks at every start", BOTH, 0,
	        false },
	{ "delete-all-blocks", "it deletes the chain at every start", BOTH, 0, false },
	{ "delete-state-history", "it deletes the state history at every start", BOTH, 0, false },
	{ "truncate-at-block", "it cuts the chain off at every start", BOTH, 0, false },
	{ "terminate-at-block",
	        "nodeos would stop by itself at that block, and at once at every later start", BOTH,
	        0, false },

	{ "print-genesis-json", PRINTS, BOTH, 0, false },
	{ "extract-genesis-json", PRINTS, BOTH, 0, false },
	{ "print-build-info", PRINTS, BOTH, 0, false },
	{ "extract-build-info", PRINTS, BOTH, 0, false },
	{ "print-default-config", PRINTS, BOTH, 0, false },
	{ "help", PRINTS, BOTH, 'h', false },
	{ "version", PRINTS, BOTH, 'v', false },
	{ "full-version", PRINTS, BOTH, 0, false },

	/* The data's safety, and the log's. */
	{ "resource-monitor-not-shutdown-on-threshold-exceeded",
	        "on a full disk nodeos would die of SIGBUS and leave its state dirty", BOTH, 0,
	        false },
	{ "deep-mind", "the supervisor limits the rate of nodeos's output and cuts long lines",
	        BOTH, 0, true },

	/* What is checked when config.ini is rendered, or must not be seen. */
	{ "http-server-address", CHECKED, ARGS, 0, false },
	{ "http-validate-host", CHECKED, ARGS, 0, false },
	{ "chain-state-db-size-mb", CHECKED, ARGS, 0, false },
	{ "chain-state-db-guard-size-mb", CHECKED, ARGS, 0, false },
	{ "resource-monitor-space-threshold", CHECKED, ARGS, 0, false },
	{ "resource-monitor-space-absolute-gb", CHECKED, ARGS, 0, false },
	{ "blocks-dir", CHECKED, ARGS, 0, false },
	{ "blocks-retained-dir", CHECKED, ARGS, 0, false },
	{ "blocks-archive-dir", CHECKED, ARGS, 0, false },
	{ "state-dir", CHECKED, ARGS, 0, false },
	{ "snapshots-dir", CHECKED, ARGS, 0, false },
	{ "finalizers-dir", CHECKED, ARGS, 0, false },
	{ "trace-dir", CHECKED, ARGS, 0, false },
	{ "state-history-dir", CHECKED, ARGS, 0, false },
	{ "state-history-retained-dir", CHECKED, ARGS, 0, false },
	{ "state-history-archive-dir", CHECKED, ARGS, 0, false },
	{ "p2p-listen-endpoint", CHECKED, ARGS, 0, false },
	{ "prometheus-exporter-address", CHECKED, ARGS, 0, false },
	{ "state-history-endpoint", CHECKED, ARGS, 0, false },
	{ "read-mode", CHECKED, ARGS, 0, false },
	{ "producer-name", CHECKED, ARGS, 'p', false },
	{ "signature-provider", SECRET, ARGS, 0, false },
	{ "peer-private-key", SECRET, ARGS, 0, false },

	{ "force-all-checks", CLI, FILE_, 0, false },
	{ "disable-replay-opts", CLI, FILE_, 0, false },
	{ "logconf", CLI, FILE_, 'l', false },
	{ NULL, NULL, BOTH, 0, false },
};

/* Options that are a vector in nodeos's tables. */
static const char *const lists[] = {
	"action-blacklist",
	"actor-blacklist",
	"actor-whitelist",
	"allowed-connection",
	"checkpoint",
	"contract-blacklist",
	"contract-whitelist",
	"disable-subjective-account-billing",
	"eos-vm-oc-whitelist",
	"greylist-account",
	"http-alias",
	"http-category-address",
	"key-blacklist",
	"p2p-auto-bp-peer",
	"p2p-bp-gossip-endpoint",
	"p2p-listen-endpoint", /* since Leap 5, as the next but one */
	"p2p-peer-address",
	"p2p-server-address",
	"peer-key",
	"peer-private-key",
	"plugin",
	"private-key",
	"producer-name",
	"profile-account",
	"sender-bypass-whiteblacklist",
	"signature-provider",
	"trace-rpc-abi",
	"trusted-producer",
};

const struct nodeos_option_rule *nodeos_option_refused(
        const char *key, enum nodeos_option_place place)
{
	for (const struct nodeos_option_rule *r = nodeos_option_rules; r->key; r++)
		if ((r->refused & place) && strcmp(r->key, key) == 0)
			return r;
	return NULL;
}

bool nodeos_option_is_list(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (strcmp(lists[i], key) == 0)
			return true;
	return false;
}

static int check_long(const char *name, size_t n, struct err *e)
{
	const struct nodeos_option_rule *r;

	for (r = nodeos_option_rules; r->key; r++)
		if ((r->refused & ARGS) && strlen(r->key) == n && strncmp(r->key, name, n) == 0)
			return err_set(e, ERR_USAGE, "nodeos option '--%s' is refused: %s", r->key,
			        r->reason);
	/* boost takes whatever begins one option only, and which that is depends on the version. */
	for (r = nodeos_option_rules; r->key; r++)
		if ((r->refused & ARGS) && strncmp(r->key, name, n) == 0)
			return err_set(e, ERR_USAGE,
			        "nodeos option '--%.*s' is refused: it can stand for '--%s'",
			        (int)n, name, r->key);
	return 0;
}

/* "-xd DIR": letters of switches may be grouped, and the last may have a value. */
static int check_short(const char *letters, struct err *e)
{
	for (; *letters; letters++) {
		for (const struct nodeos_option_rule *r = nodeos_option_rules; r->key; r++)
			if (r->letter == *letters && (r->refused & ARGS))
				return err_set(e, ERR_USAGE,
				        "nodeos option '-%c' (--%s) is refused: %s", *letters,
				        r->key, r->reason);
		if (*letters == 'l')
			return 0;
		if (*letters != 'e' && *letters != 'x')
			return err_set(e, ERR_USAGE, "nodeos has no option '-%c'", *letters);
	}
	return 0;
}

int nodeos_args_check(char *const *argv, struct err *e)
{
	for (size_t i = 1; argv[0] && argv[i]; i++) {
		const char *a = argv[i];
		int rc = 0;

		if (strcmp(a, "--") == 0)
			return err_set(e, ERR_USAGE, "nodeos takes no arguments behind '--'");
		if (str_starts(a, "--", NULL))
			rc = check_long(a + 2, strcspn(a + 2, "="), e);
		else if (a[0] == '-' && a[1] && !isdigit((unsigned char)a[1]))
			rc = check_short(a + 1, e);
		else if (i == 1)
			rc = err_set(e, ERR_USAGE,
			        "the first argument of nodeos is no option, but a value");
		if (rc < 0)
			return -1;
	}
	return 0;
}
