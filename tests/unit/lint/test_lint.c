/*
 * Each rule: what it finds, word for word and with its place, and beside it what it must leave
 * alone. A row's list is all that is found in it, so that no rule speaks where another is meant.
 */

#include "lint/lint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "unit/test.h"

#define LOG "    logging: {options: {max-size: 1m}}\n"

/* A service that nothing is found in; rows go on below it, the deploy section last. */
#define PLAIN         \
	"services:\n" \
	"  a:\n"      \
	"    image: i:1\n" LOG
#define DNSRR "    deploy:\n      endpoint_mode: dnsrr\n"

/* The same as a chain node; a row's own lines begin at line 8. */
#define NODE                                                            \
	"services:\n"                                                   \
	"  a:\n"                                                        \
	"    image: i:1\n" LOG "    command: [supervise, --, nodeos]\n" \
	"    volumes: [\"/p:/var/lib/nodeswarm\"]\n"                    \
	"    stop_grace_period: 1h\n"

/* A chain node with the files of the row; its own lines begin at line 9. */
#define WITH_INI   NODE "    configs: [{source: c, target: /etc/nodeswarm/config.ini}]\n"
#define INI        "configs: {c: {file: $DIR/config.ini}}\n"
#define WITH_PEERS NODE "    configs: [{source: c, target: /etc/nodeswarm/peerlist.ini}]\n"
#define PEERS      "configs: {c: {file: $DIR/peerlist.ini}}\n"

#define WIF     "5JdevNotAKeyNotAKeyNotAKeyNotAKeyNotAKeyNotAKeyNotA"
#define DEV_WIF "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3"
#define DEV_PUB "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"

#define SIGNS    "    environment: {NODESWARM_SIGN_KEY: /run/secrets/k, NODESWARM_BROKER: \"b:1\"}\n"
#define PRODUCER "producer-name = eosio\n"
#define UNGATED                                                                                  \
	"2:3 producer-ungated: is a producer without a lease: two of its containers would both " \
	"sign\n"

struct row {
	enum lint_rule_id rule;
	const char *name, *yaml;
	const char *file;  /* config.ini and peerlist.ini */
	const char *found; /* "LINE:COLUMN rule: text", one a line */
};

static const struct row rows[] = {
	/* --- stopping and starting ---------------------------------------------------------- */

	{ LINT_GRACE_PERIOD, "none given",
	        "services:\n  a:\n    image: i:1\n" LOG "    command: [supervise]\n"
	        "    volumes: [\"/p:/var/lib/nodeswarm\"]\n" DNSRR,
	        NULL,
	        "2:3 grace-period: has no stop_grace_period: the engine kills after 10s, and "
	        "nodeos "
	        "has to write its state when it stops\n" },
	{ LINT_GRACE_PERIOD, "short",
	        "services:\n  a:\n    image: i:1\n" LOG "    command: [supervise]\n"
	        "    stop_grace_period: 59s\n"
	        "    volumes: [\"/p:/var/lib/nodeswarm\"]\n" DNSRR,
	        NULL,
	        "6:24 grace-period: stop_grace_period is 59.0s, and nodeos has to write its state "
	        "when "
	        "it stops\n" },
	{ LINT_GRACE_PERIOD, "long enough", NODE DNSRR, NULL, "" },
	{ LINT_GRACE_PERIOD, "of no chain node", PLAIN "    stop_grace_period: 1s\n" DNSRR, NULL,
	        "" },

	{ LINT_START_FIRST, "of a chain node",
	        NODE DNSRR "      update_config: {order: start-first}\n", NULL,
	        "10:22 start-first: update_config has order start-first: the new task of a slot "
	        "starts "
	        "while the old one has its data-dir\n" },
	{ LINT_START_FIRST, "in a rollback",
	        NODE DNSRR "      rollback_config: {order: start-first}\n", NULL,
	        "10:24 start-first: rollback_config has order start-first: the new task of a slot "
	        "starts while the old one has its data-dir\n" },
	{ LINT_START_FIRST, "a volume a slot",
	        PLAIN "    volumes: [\"v:/d\"]\n" DNSRR
	              "      update_config: {order: start-first}\n"
	              "volumes: {v: {name: \"d-{{.Task.Slot}}\"}}\n",
	        NULL,
	        "8:22 start-first: update_config has order start-first: the new task of a slot "
	        "starts "
	        "while the old one has its data-dir\n" },
	{ LINT_START_FIRST, "a port of the host",
	        PLAIN "    ports: [{target: 1, published: 8888, mode: host}]\n" DNSRR
	              "      update_config: {order: start-first}\n",
	        NULL,
	        "8:22 start-first: update_config has order start-first: the new task waits for a "
	        "port "
	        "of the host that the old one has\n" },
	{ LINT_START_FIRST, "nothing that only one can have",
	        PLAIN DNSRR "      update_config: {order: start-first}\n", NULL, "" },
	{ LINT_START_FIRST, "stop-first", NODE DNSRR "      update_config: {order: stop-first}\n",
	        NULL, "" },

	{ LINT_RESTART_CONDITION, "on-failure",
	        NODE DNSRR "      restart_policy: {condition: on-failure}\n", NULL,
	        "10:23 restart-condition: restart_policy has condition on-failure, and nodeos ends "
	        "with status 0 for bad reasons, too\n" },
	{ LINT_RESTART_CONDITION, "none", NODE DNSRR "      restart_policy: {condition: none}\n",
	        NULL,
	        "10:23 restart-condition: restart_policy has condition none, and nodeos ends with "
	        "status 0 for bad reasons, too\n" },
	{ LINT_RESTART_CONDITION, "a few times",
	        NODE DNSRR "      restart_policy: {max_attempts: 3}\n", NULL,
	        "10:23 restart-condition: restart_policy has max_attempts 3: after so many the "
	        "slot "
	        "stays down\n" },
	{ LINT_RESTART_CONDITION, "any",
	        NODE DNSRR "      restart_policy: {condition: any, max_attempts: 0}\n", NULL, "" },
	{ LINT_RESTART_CONDITION, "of no chain node",
	        PLAIN DNSRR "      restart_policy: {condition: none}\n", NULL, "" },

	{ LINT_START_PERIOD, "none", NODE "    healthcheck: {test: x}\n" DNSRR, NULL,
	        "8:18 start-period: its health check has no start_period, and a replay may take "
	        "longer than its retries\n" },
	{ LINT_START_PERIOD, "short", NODE "    healthcheck: {test: x, start_period: 59m}\n" DNSRR,
	        NULL,
	        "8:18 start-period: its health check counts after a start_period of 59m00s, and a "
	        "replay "
	        "may take longer\n" },
	{ LINT_START_PERIOD, "long", NODE "    healthcheck: {test: x, start_period: 1h}\n" DNSRR,
	        NULL, "" },
	{ LINT_START_PERIOD, "no check", NODE "    healthcheck: {disable: true}\n" DNSRR, NULL,
	        "" },
	{ LINT_START_PERIOD, "none at all", NODE "    healthcheck: {test: [NONE]}\n" DNSRR, NULL,
	        "" },

	{ LINT_JOB, "replicated", PLAIN "    deploy: {mode: replicated-job}\n", NULL,
	        "5:13 job: is a job: removing it leaves the tasks that run\n" },
	{ LINT_JOB, "global", PLAIN "    deploy: {mode: global-job}\n", NULL,
	        "5:13 job: is a job: removing it leaves the tasks that run\n" },
	{ LINT_JOB, "a service", PLAIN DNSRR "      mode: global\n", NULL, "" },

	{ LINT_UNSUPERVISED, "nodeos",
	        PLAIN "    command: /opt/leap/bin/nodeos --data-dir /d\n    stop_grace_period: "
	              "2h\n" DNSRR,
	        NULL,
	        "5:14 unsupervised: runs nodeos by itself: nothing keeps a second one from its "
	        "data-dir\n" },
	{ LINT_UNSUPERVISED, "in a shell",
	        PLAIN "    entrypoint: [sh, -c]\n    command: [\"exec nodeos -e\"]\n"
	              "    stop_grace_period: 2h\n" DNSRR,
	        NULL,
	        "6:14 unsupervised: runs nodeos by itself: nothing keeps a second one from its "
	        "data-dir\n" },
	{ LINT_UNSUPERVISED, "another word",
	        PLAIN "    command: [nodeosd, /x/nodeos.log, my-nodeos, --name=nodeos]\n" DNSRR,
	        NULL, "" },
	{ LINT_UNSUPERVISED, "supervised", NODE DNSRR, NULL, "" },

	/* --- data ----------------------------------------------------------------------------- */

	{ LINT_NO_POOL, "nothing is mounted",
	        PLAIN "    command: [supervise]\n    stop_grace_period: 2h\n"
	              "    environment: {NODESWARM_POOL: /pool}\n"
	              "    volumes: [\"/p:/poo\"]\n" DNSRR,
	        NULL, "7:19 no-pool: its pool is '/pool', and nothing is mounted there\n" },
	{ LINT_NO_POOL, "by its variable only",
	        PLAIN "    environment: {NODESWARM_SLOT: 1}\n    stop_grace_period: 2h\n" DNSRR,
	        NULL,
	        "2:3 no-pool: its pool is '/var/lib/nodeswarm', and nothing is mounted there\n" },
	{ LINT_NO_POOL, "read-only",
	        PLAIN "    command: [supervise]\n    stop_grace_period: 2h\n"
	              "    volumes: [\"/p:/var/lib/nodeswarm:ro\"]\n" DNSRR,
	        NULL, "7:15 no-pool: its pool '/var/lib/nodeswarm' is mounted read-only\n" },
	{ LINT_NO_POOL, "in memory",
	        PLAIN "    command: [supervise]\n    stop_grace_period: 2h\n"
	              "    volumes: [{type: tmpfs, target: /var/lib}]\n" DNSRR,
	        NULL,
	        "7:15 no-pool: its pool '/var/lib/nodeswarm' is a tmpfs, which ends with the "
	        "container\n" },
	{ LINT_NO_POOL, "a mount above it",
	        PLAIN "    command: [supervise]\n    stop_grace_period: 2h\n"
	              "    volumes: [\"/p:/var/\", \"/q:/var/lib/nodeswarm-2:ro\"]\n" DNSRR,
	        NULL, "" },
	{ LINT_NO_POOL, "on the command line",
	        PLAIN "    command: [--pool, /x, supervise]\n    stop_grace_period: 2h\n" DNSRR,
	        NULL, "" },

	{ LINT_SLOT_BIND, "a directory a slot",
	        PLAIN "    volumes: [\"/d/{{.Task.Slot}}:/d\"]\n" DNSRR, NULL,
	        "5:15 slot-bind: binds '/d/{{.Task.Slot}}': each task needs a directory of its own "
	        "that is already there\n" },
	{ LINT_SLOT_BIND, "one for all", PLAIN "    volumes: [\"/d:/d\"]\n" DNSRR, NULL, "" },
	{ LINT_SLOT_BIND, "a volume a slot, which the engine makes",
	        PLAIN "    volumes: [\"v:/d\"]\n" DNSRR
	              "volumes: {v: {name: \"d-{{.Task.Slot}}\"}}\n",
	        NULL, "" },

	{ LINT_HEAP_MEMORY, "heap",
	        WITH_INI DNSRR "      resources: {limits: {memory: 255M}}\n" INI,
	        "chain-state-db-size-mb = 256\ndatabase-map-mode = heap\n",
	        "10:7 heap-memory: may use 255.0 MiB of memory, and its database is of 256.0 MiB, "
	        "all "
	        "of it in memory: database-map-mode = heap\n" },
	{ LINT_HEAP_MEMORY, "large enough",
	        WITH_INI DNSRR "      resources: {limits: {memory: 300M}}\n" INI,
	        "chain-state-db-size-mb = 256\ndatabase-map-mode = heap\n", "" },
	{ LINT_HEAP_MEMORY, "no limit", WITH_INI DNSRR INI,
	        "chain-state-db-size-mb = 256\ndatabase-map-mode = heap\n", "" },

	{ LINT_MEMORY_LIMIT, "mapped",
	        WITH_INI DNSRR "      resources: {limits: {memory: 255M}}\n" INI,
	        "chain-state-db-size-mb = 256\n",
	        "10:7 memory-limit: may use 255.0 MiB of memory, and its database is of 256.0 "
	        "MiB\n" },
	{ LINT_MEMORY_LIMIT, "nodeos's default",
	        WITH_INI DNSRR "      resources: {limits: {memory: 1000M}}\n" INI, "# nothing\n",
	        "10:7 memory-limit: may use 1000.0 MiB of memory, and its database is of 1.0 "
	        "GiB\n" },
	{ LINT_MEMORY_LIMIT, "the same",
	        WITH_INI DNSRR "      resources: {limits: {memory: 256M}}\n" INI,
	        "chain-state-db-size-mb = 256\n", "" },
	{ LINT_MEMORY_LIMIT, "a config that is not nodeos's",
	        PLAIN "    configs: [{source: c, target: /config.ini}]\n" DNSRR
	              "      resources: {limits: {memory: 16M}}\n" INI,
	        "size = 3\n", "" },

	{ LINT_LOG_LIMIT, "no logging", "services:\n  a:\n    image: i:1\n" DNSRR, NULL,
	        "2:3 log-limit: its log has no max-size in this file\n" },
	{ LINT_LOG_LIMIT, "json-file without a size",
	        "services:\n  a:\n    image: i:1\n"
	        "    logging: {driver: json-file, options: {max-file: \"3\"}}\n" DNSRR,
	        NULL, "4:14 log-limit: its log has no max-size\n" },
	{ LINT_LOG_LIMIT, "unlimited on purpose",
	        "services:\n  a:\n    image: i:1\n    logging: {options: {max-size: "
	        "\"-1\"}}\n" DNSRR,
	        NULL, "4:14 log-limit: its log has no max-size in this file\n" },
	{ LINT_LOG_LIMIT, "another driver",
	        "services:\n  a:\n    image: i:1\n    logging: {driver: journald}\n" DNSRR, NULL,
	        "" },
	{ LINT_LOG_LIMIT, "limited", PLAIN DNSRR, NULL, "" },

	/* --- producers and keys --------------------------------------------------------------- */

	{ LINT_PRODUCER_PUBLISHED, "a port of the host",
	        WITH_INI SIGNS "    ports: [{target: 8888, published: 80, mode: host}]\n" DNSRR INI,
	        PRODUCER "http-server-address = 127.0.0.1:8888\n",
	        "10:13 producer-published: is a producer and publishes its port 8888\n" },
	{ LINT_PRODUCER_PUBLISHED, "the host's network",
	        WITH_INI SIGNS "    networks: [host]\n" INI "networks: {host: {external: true}}\n",
	        PRODUCER "http-server-address = 127.0.0.1:8888\n",
	        "2:3 producer-published: is a producer and listens on its host's own network\n"
	        "10:16 firewall: listens on all addresses of its hosts: they need a firewall\n" },
	{ LINT_PRODUCER_PUBLISHED, "nothing", WITH_INI SIGNS DNSRR INI, PRODUCER, "" },
	{ LINT_PRODUCER_PUBLISHED, "a reader's",
	        WITH_INI "    ports: [{target: 8888, published: 8888, mode: host}]\n" DNSRR INI,
	        "# nothing\n", "" },

	{ LINT_PRODUCER_DOUBLED, "two replicas", WITH_INI DNSRR "      replicas: 2\n" INI, PRODUCER,
	        UNGATED "10:7 producer-doubled: a producer without a lease has 2 replicas\n" },
	{ LINT_PRODUCER_DOUBLED, "one a host", WITH_INI DNSRR "      mode: global\n" INI, PRODUCER,
	        UNGATED "10:7 producer-doubled: a producer without a lease runs on every host\n" },
	{ LINT_PRODUCER_DOUBLED, "by an option",
	        PLAIN "    command: [nodeos, -p, eosio]\n    stop_grace_period: 2h\n" DNSRR
	              "      replicas: 3\n",
	        NULL,
	        UNGATED "5:14 unsupervised: runs nodeos by itself: nothing keeps a second one from "
	                "its data-dir\n"
	                "8:7 producer-doubled: a producer without a lease has 3 replicas\n" },
	{ LINT_PRODUCER_DOUBLED, "two services with one key",
	        "services:\n  a: &a\n    image: i:1\n" LOG "    command: [supervise]\n"
	        "    volumes: [\"/p:/var/lib/nodeswarm\"]\n    stop_grace_period: 1h\n"
	        "    configs: [{source: c, target: /etc/nodeswarm/config.ini}]\n" DNSRR
	        "  b: *a\n" INI,
	        PRODUCER "signature-provider = " DEV_PUB "=KEOSD:unix:///k\n",
	        UNGATED
	        "11:3 producer-doubled: signs with the key " DEV_PUB
	        " without a lease, and service 'a' does, too\n"
	        "11:3 producer-ungated: is a producer without a lease: two of its containers would "
	        "both sign\n" },
	{ LINT_PRODUCER_DOUBLED, "with a lease", WITH_INI SIGNS DNSRR "      replicas: 2\n" INI,
	        PRODUCER, "" },

	{ LINT_PRODUCER_UNGATED, "one", WITH_INI DNSRR INI, PRODUCER, UNGATED },
	{ LINT_PRODUCER_UNGATED, "none of it runs", WITH_INI DNSRR "      replicas: 0\n" INI,
	        PRODUCER, "" },
	{ LINT_PRODUCER_UNGATED, "a gate", WITH_INI SIGNS DNSRR INI, PRODUCER, "" },

	{ LINT_KEY_IN_CONFIG, "a provider", WITH_INI DNSRR "      replicas: 0\n" INI,
	        PRODUCER "signature-provider = EOS5x=KEY:" WIF "\n",
	        "config.ini:2 key-in-config: 'signature-provider' has a private key in it, and a "
	        "config is no secret\n" },
	{ LINT_KEY_IN_CONFIG, "a peer's", WITH_INI DNSRR INI,
	        "peer-private-key = [\"EOS5x\",\"" WIF "\"]\n",
	        "config.ini:1 key-in-config: 'peer-private-key' has a private key in it, and a "
	        "config "
	        "is no secret\n" },
	{ LINT_KEY_IN_CONFIG, "a comment", WITH_INI DNSRR INI,
	        "# an old one:\n# signature-provider = EOS5x=KEY:" WIF "\n",
	        "config.ini:2 key-in-config: the line has a private key in it, and a config is no "
	        "secret\n" },
	{ LINT_KEY_IN_CONFIG, "a comment of none", WITH_INI DNSRR INI,
	        "# signature-provider = PUB_BLS_...=KEY:PVT_BLS_...\n"
	        "# signature-provider = " DEV_PUB "=KEY:PVT_K1_...\n",
	        "" },
	{ LINT_KEY_IN_CONFIG, "a public key", WITH_INI DNSRR INI, "peer-key = " DEV_PUB "\n", "" },

	{ LINT_KEY_IN_ENV, "a variable", PLAIN "    environment: {X: \"" WIF "\"}\n" DNSRR, NULL,
	        "5:19 key-in-env: the variable 'X' has a private key in it\n" },
	{ LINT_KEY_IN_ENV, "a command",
	        PLAIN "    command: [--signature-provider, \"EOS5x=KEY:" WIF "\"]\n" DNSRR, NULL,
	        "5:14 key-in-env: its command line has a private key in it\n" },
	{ LINT_KEY_IN_ENV, "labels",
	        PLAIN "    labels: {k: PVT_K1_abc}\n" DNSRR "      labels: {l: PVT_K1_abc}\n", NULL,
	        "5:14 key-in-env: the label 'k' has a private key in it\n"
	        "8:16 key-in-env: the label 'l' has a private key in it\n" },
	{ LINT_KEY_IN_ENV, "public keys, and one that is no secret",
	        PLAIN "    environment: {X: \"" DEV_PUB "\", Y: \"" DEV_PUB "=KEY:" DEV_WIF
	              "\"}\n" DNSRR,
	        NULL, "" },

	{ LINT_FINALIZER_KEY, "one", WITH_INI SIGNS DNSRR INI,
	        PRODUCER "signature-provider = PUB_BLS_x=KEY:PVT_BLS_y\n",
	        "config.ini:2 finalizer-key: a finalizer's key: only the slot that claims it "
	        "runs\n" },
	{ LINT_FINALIZER_KEY, "another key", WITH_INI DNSRR "      replicas: 0\n" INI,
	        PRODUCER "signature-provider = EOS5x=KEOSD:unix:///k\n", "" },

	{ LINT_DEVELOPMENT_KEY, "the one", WITH_INI DNSRR "      replicas: 0\n" INI,
	        PRODUCER "signature-provider = " DEV_PUB "=KEY:" DEV_WIF "\n",
	        "config.ini:2 development-key: 'signature-provider' is the development key, which "
	        "is "
	        "public\n" },
	{ LINT_DEVELOPMENT_KEY, "its public half only", WITH_INI DNSRR "      replicas: 0\n" INI,
	        PRODUCER "signature-provider = " DEV_PUB "=KEOSD:unix:///k\n", "" },

	{ LINT_SECRET_IN_ENV, "passwords and the like",
	        PLAIN "    environment:\n      DB_PASSWORD: hunter22\n      API_TOKEN: abcdef12\n"
	              "      SIGN_KEY: abcdef12\n      aws_secret_access_key: abcdef12\n" DNSRR,
	        NULL,
	        "6:7 secret-in-env: the variable 'DB_PASSWORD' has a value, which whoever asks the "
	        "engine can read\n"
	        "7:7 secret-in-env: the variable 'API_TOKEN' has a value, which whoever asks the "
	        "engine can read\n"
	        "8:7 secret-in-env: the variable 'SIGN_KEY' has a value, which whoever asks the "
	        "engine can read\n"
	        "9:7 secret-in-env: the variable 'aws_secret_access_key' has a value, which "
	        "whoever "
	        "asks the engine can read\n" },
	{ LINT_SECRET_IN_ENV, "files, switches, and other words",
	        PLAIN
	        "    environment:\n      DB_PASSWORD_FILE: secret12\n      TOKEN: /run/secrets/t\n"
	        "      SECRET: \"\"\n      USE_TOKEN: \"true\"\n      PUBLIC_KEY: abcdefgh\n"
	        "      TOKENS: abcdefgh\n      KEY_TYPE: abcdefgh\n      SECRET_ID: "
	        "\"{{.Task.ID}}\"\n" DNSRR,
	        NULL, "" },

	/* --- networks ------------------------------------------------------------------------- */

	{ LINT_LOOPBACK_PEER, "in config.ini", WITH_INI DNSRR INI,
	        "p2p-peer-address = 127.0.0.1:9876\np2p-peer-address = localhost:1\n",
	        "config.ini:1 loopback-peer: the peer '127.0.0.1:9876' is on the container's own "
	        "loopback\n"
	        "config.ini:2 loopback-peer: the peer 'localhost:1' is on the container's own "
	        "loopback\n" },
	{ LINT_LOOPBACK_PEER, "in peerlist.ini", WITH_PEERS DNSRR PEERS,
	        "# 127.0.0.1:1\np2p-peer-address = [::1]:9876 # x\n127.1.2.3:9876\n",
	        "peerlist.ini:2 loopback-peer: the peer '[::1]:9876' is on the container's own "
	        "loopback\n"
	        "peerlist.ini:3 loopback-peer: the peer '127.1.2.3:9876' is on the container's own "
	        "loopback\n" },
	{ LINT_LOOPBACK_PEER, "in variables",
	        NODE "    environment:\n      NODESWARM_PEERS: p.example:1 LocalHost:2\n"
	             "      NODESWARM_FOLLOW: 0.0.0.0:3\n" DNSRR,
	        NULL,
	        "9:7 loopback-peer: the peer 'LocalHost:2' is on the container's own loopback\n"
	        "10:7 loopback-peer: the peer '0.0.0.0:3' is on the container's own loopback\n" },
	{ LINT_LOOPBACK_PEER, "on the command line",
	        PLAIN
	        "    command: nodeos --p2p-peer-address 127.0.0.1:1 --p2p-peer-address=[::1]:2\n"
	        "    stop_grace_period: 2h\n"
	        "    x-nodeswarm: {allow: {unsupervised: why not}}\n" DNSRR,
	        NULL,
	        "5:14 loopback-peer: the peer '127.0.0.1:1' is on the container's own loopback\n"
	        "5:14 loopback-peer: the peer '[::1]:2' is on the container's own loopback\n" },
	{ LINT_LOOPBACK_PEER, "peers elsewhere",
	        WITH_INI
	        "    environment: {NODESWARM_PEERS: \"tasks.readers:9876 10.0.0.1:1\"}\n" DNSRR INI,
	        "p2p-peer-address = localhost.example:9876\n# p2p-peer-address = 127.0.0.1:1\n",
	        "" },
	{ LINT_LOOPBACK_PEER, "on the host's network it is the host's",
	        WITH_INI
	        "    networks: [n]\n    x-nodeswarm: {allow: {firewall: there is one}}\n" INI
	        "networks: {n: {external: true, name: host}}\n",
	        "p2p-peer-address = 127.0.0.1:9876\n", "" },

	{ LINT_VIP_ENDPOINT, "by default", "services:\n  a:\n    image: i:1\n" LOG, NULL,
	        "2:3 vip-endpoint: has no endpoint_mode, so its name is a virtual address, which "
	        "needs "
	        "IPVS in every host's kernel\n" },
	{ LINT_VIP_ENDPOINT, "asked for", PLAIN "    deploy: {endpoint_mode: vip}\n", NULL,
	        "5:13 vip-endpoint: has endpoint_mode vip, which needs IPVS in every host's "
	        "kernel\n" },
	{ LINT_VIP_ENDPOINT, "dnsrr", PLAIN DNSRR, NULL, "" },
	{ LINT_VIP_ENDPOINT, "no network of its own",
	        PLAIN "    networks: [host]\n    x-nodeswarm: {allow: {firewall: there is one}}\n"
	              "networks: {host: {external: true}}\n",
	        NULL, "" },

	{ LINT_INGRESS_PORT, "the short form", PLAIN "    ports: [\"8888:80\"]\n", NULL,
	        "5:13 ingress-port: publishes its port 80 through Swarm's mesh, which needs IPVS "
	        "in "
	        "every host's kernel\n" },
	{ LINT_INGRESS_PORT, "by default", PLAIN "    ports: [{target: 80, published: 8888}]\n",
	        NULL,
	        "5:13 ingress-port: publishes its port 80 through Swarm's mesh, which needs IPVS "
	        "in "
	        "every host's kernel\n" },
	{ LINT_INGRESS_PORT, "asked for by name: up looks at the kernels",
	        PLAIN "    ports: [\"8888:80\"]\n    x-nodeswarm: {front: ingress}\n", NULL, "" },
	{ LINT_INGRESS_PORT, "of the host",
	        PLAIN "    ports: [{target: 80, published: 8888, mode: host}]\n" DNSRR, NULL, "" },

	{ LINT_HOST_PORT, "two replicas",
	        PLAIN "    ports: [{target: 80, published: 8888, mode: host}]\n" DNSRR
	              "      replicas: 2\n",
	        NULL,
	        "5:13 host-port: wants port 8888 of the host for each of 2 replicas: a host has "
	        "room "
	        "for one\n" },
	{ LINT_HOST_PORT, "one a host",
	        PLAIN "    ports: [{target: 80, published: 8888, mode: host}]\n" DNSRR
	              "      mode: global\n",
	        NULL, "" },
	{ LINT_HOST_PORT, "any port",
	        PLAIN "    ports: [{target: 80, mode: host}]\n" DNSRR "      replicas: 2\n", NULL,
	        "" },

	{ LINT_PORT_TWICE, "two services",
	        PLAIN "    ports: [{target: 80, published: 8888, mode: host}]\n" DNSRR
	              "  b:\n    image: i:1\n" LOG
	              "    ports: [{target: 1, published: 8888, mode: host}]\n" DNSRR,
	        NULL,
	        "11:13 port-twice: publishes port 8888, and service 'a' does, too (s.yml:5)\n" },
	{ LINT_PORT_TWICE, "other protocols, and one that does not run",
	        PLAIN "    ports: [{target: 80, published: 8888, mode: host}]\n" DNSRR
	              "  b:\n    image: i:1\n" LOG
	              "    ports: [{target: 1, published: 8888, mode: host, protocol: udp}]\n" DNSRR
	              "  c:\n    image: i:1\n" LOG
	              "    ports: [{target: 1, published: 8888, mode: host}]\n" DNSRR
	              "      replicas: 0\n",
	        NULL, "" },

	{ LINT_FIREWALL, "a port that it does not know",
	        PLAIN "    ports: [{target: 80, published: 8080, mode: host}]\n" DNSRR, NULL,
	        "5:13 firewall: publishes port 8080 to whoever reaches the hosts\n" },
	{ LINT_FIREWALL, "the host's network",
	        PLAIN "    networks: [host]\nnetworks: {host: {external: true}}\n", NULL,
	        "5:16 firewall: listens on all addresses of its hosts: they need a firewall\n" },
	{ LINT_FIREWALL, "the front's ports",
	        PLAIN "    ports:\n      - {target: 80, published: 8888, mode: host}\n"
	              "      - {target: 90, published: 9876, mode: host}\n" DNSRR,
	        NULL, "" },

	{ LINT_ENCRYPTED_NETWORK, "one",
	        PLAIN "    networks: [n]\n" DNSRR
	              "networks:\n  n:\n    driver_opts: {encrypted: \"\"}\n",
	        NULL,
	        "10:19 encrypted-network: network 'n' is encrypted, which needs ESP in every "
	        "host's "
	        "kernel\n" },
	{ LINT_ENCRYPTED_NETWORK, "none",
	        PLAIN "    networks: [n]\n" DNSRR
	              "networks:\n  n:\n    driver_opts: {encrypted: \"false\", x: y}\n",
	        NULL, "" },

	/* --- the rest ------------------------------------------------------------------------- */

	{ LINT_CONFIG_REFUSED, "an option", WITH_INI DNSRR INI,
	        "# x\nreplay-blockchain = true\nhttp-server-address = 0.0.0.0:8888\n",
	        "config.ini:2 config-refused: 'replay-blockchain' is refused: it deletes the state "
	        "at "
	        "every start; to replay once, remove the slot's state directory\n" },
	{ LINT_CONFIG_REFUSED, "the whole of it", WITH_INI SIGNS DNSRR INI, "# no producer\n",
	        "config.ini config-refused: there is a signing key, and no 'producer-name' that it "
	        "would be of\n" },
	{ LINT_CONFIG_REFUSED, "no form at all", WITH_INI DNSRR INI, "x = 1\nhello\n",
	        "config.ini:2 config-refused: no '=' in 'hello'\n" },
	{ LINT_CONFIG_REFUSED, "peers",
	        WITH_PEERS "    environment: {NODESWARM_PEERS: \"a:1 b\"}\n" DNSRR PEERS,
	        "p2p-peer-address = x\n",
	        "9:19 config-refused: NODESWARM_PEERS: peer 'b' is not host:port[:trx|blk]\n"
	        "peerlist.ini:1 config-refused: peer 'x' is not host:port[:trx|blk]\n" },
	{ LINT_CONFIG_REFUSED, "a key and no broker",
	        WITH_INI "    environment: {NODESWARM_SIGN_KEY: /run/secrets/k}\n" DNSRR INI,
	        PRODUCER,
	        "9:19 config-refused: there is a signing key, and no NODESWARM_BROKER for its "
	        "lease\n" },
	{ LINT_CONFIG_REFUSED, "what a gate wants is there", WITH_INI SIGNS DNSRR INI,
	        PRODUCER "keosd-provider-timeout = 100\npause-on-startup = true\n", "" },
	{ LINT_CONFIG_REFUSED, "of no supervisor",
	        PLAIN "    configs: [{source: c, target: /etc/nodeswarm/config.ini}]\n" DNSRR INI,
	        "replay-blockchain = true\n", "" },

	{ LINT_CONFIG_UNREAD, "no form at all",
	        PLAIN "    command: nodeos\n    stop_grace_period: 1h\n"
	              "    x-nodeswarm: {allow: {unsupervised: a test}}\n"
	              "    configs: [{source: c, target: /etc/config.ini}]\n" DNSRR INI,
	        "x = 1\nhello\np2p-peer-address = localhost:1\n",
	        "config.ini:2 config-unread: could not be read from here on (no '=' in 'hello'), "
	        "and what follows was not checked: peers, memory, producer, finalizer and "
	        "development keys\n" },
	{ LINT_CONFIG_UNREAD, "the whole file, and not by its key",
	        PLAIN "    command: nodeos\n    stop_grace_period: 1h\n"
	              "    x-nodeswarm: {allow: {unsupervised: a test}}\n"
	              "    configs: [{source: c, target: /etc/config.ini}]\n" DNSRR INI,
	        "x = 1\n", "" },
	{ LINT_CONFIG_UNREAD, "what is no chain node",
	        PLAIN "    configs: [{source: c, target: /etc/config.ini}]\n" DNSRR INI,
	        "[x]\nhello\n", "" },

	{ LINT_IMAGE_TAG, "no tag", "services:\n  a:\n    image: r.example:5000/i\n" LOG DNSRR,
	        NULL,
	        "3:12 image-tag: the image 'r.example:5000/i' has no tag, which means "
	        "':latest'\n" },
	{ LINT_IMAGE_TAG, "latest", "services:\n  a:\n    image: a/i:latest\n" LOG DNSRR, NULL,
	        "3:12 image-tag: the tag ':latest' means another image now and then\n" },
	{ LINT_IMAGE_TAG, "a version",
	        "services:\n  a:\n    image: r.example:5000/i:1.2\n" LOG DNSRR, NULL, "" },
	{ LINT_IMAGE_TAG, "a digest",
	        "services:\n  a:\n    image: "
	        "i@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n" LOG
	                DNSRR,
	        NULL, "" },

	{ LINT_UNKNOWN_RULE, "of a service",
	        PLAIN "    x-nodeswarm: {allow: {image-tga: x}}\n" DNSRR, NULL,
	        "5:27 unknown-rule: there is no rule 'image-tga'; did you mean 'image-tag'?\n" },
	{ LINT_UNKNOWN_RULE, "of the file", "x-nodeswarm: {allow: {zzzzzz: x}}\n" PLAIN DNSRR, NULL,
	        "1:23 unknown-rule: there is no rule 'zzzzzz'\n" },
	{ LINT_UNKNOWN_RULE, "one that there is",
	        "x-nodeswarm: {allow: {image-tag: loaded by hand}}\n"
	        "services:\n  a:\n    image: i\n" LOG DNSRR,
	        NULL, "" },
};

/* --- the table -------------------------------------------------------------------------------- */

static char dir[] = "/tmp/test_lint.XXXXXX";

static const char *get(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "DIR") == 0 ? dir : NULL;
}

static const struct stack_vars vars = { .get = get };

static void put(const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static struct stack *load(const char *name, const char *text)
{
	struct err e = ERR_INIT;
	struct stack *st = NULL;

	if (stack_load_text(&st, "s.yml", text, strlen(text), &vars, &e) < 0)
		fail_msg("%s: %s: %s", name, e.msg, e.hint);
	return st;
}

/* What is found and not allowed. */
static void tell(struct buf *out, const struct lint_findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct lint_finding *x = &f->v[i];
		const char *rest = NULL;
		char where[64] = "";

		if (x->allowed)
			continue;
		if (str_starts(x->at.file, dir, &rest) && x->at.line)
			snprintf(where, sizeof(where), "%s:%u", rest + 1, x->at.line);
		else if (rest)
			snprintf(where, sizeof(where), "%s", rest + 1);
		else
			snprintf(where, sizeof(where), "%u:%u", x->at.line, x->at.column);
		assert_int_equal(
		        buf_add_fmt(out, "%s %s: %s\n", where, lint_rules[x->rule].name, x->text),
		        0);
	}
}

static void each_rule(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		AUTO(lint_findings) struct lint_findings f = LINT_FINDINGS_INIT;
		AUTO(buf) struct buf out = BUF_INIT(65536);
		AUTO(stack_free) struct stack *st = NULL;
		struct err e = ERR_INIT;
		char name[160];

		snprintf(name, sizeof(name), "%s, %s", lint_rules[r->rule].name, r->name);
		put("config.ini", r->file ? r->file : "#\n");
		put("peerlist.ini", r->file ? r->file : "#\n");
		st = load(name, r->yaml);
		assert_int_equal(lint_stack(&f, st, &e), 0);
		tell(&out, &f);
		if (strcmp(out.data ? out.data : "", r->found) == 0)
			continue;
		print_error("%s:\n got\n%s want\n%s", name, out.data ? out.data : "", r->found);
		bad++;
	}
	assert_int_equal(bad, 0);
}

/* Found in a row of its own, and not found in another. */
static void every_rule_has_both(void **state)
{
	(void)state;
	for (size_t rule = 0; rule < LINT_RULES; rule++) {
		bool trips = false, passes = false;

		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			if ((size_t)rows[i].rule == rule && *rows[i].found) {
				trips = true;
				assert_non_null(strstr(rows[i].found, lint_rules[rule].name));
			} else if ((size_t)rows[i].rule == rule) {
				passes = true;
			}
		if (!trips || !passes)
			fail_msg("%s has no row that %s", lint_rules[rule].name,
			        trips ? "passes" : "is found");
	}
}

static bool is_sentence_like(const char *s)
{
	return s && *s && !strchr(s, '\n') && s[strlen(s) - 1] != '.';
}

static void rules(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < LINT_RULES; i++) {
		const struct lint_rule *r = &lint_rules[i];

		if (!r->name || !is_sentence_like(r->summary) || !is_sentence_like(r->why) ||
		        !is_sentence_like(r->hint) || !is_sentence_like(r->source))
			fail_msg("rule %zu (%s) is not complete", i, r->name ? r->name : "");
		assert_int_equal(lint_rule_find(r->name), i);
		assert_int_equal(lint_rule_check(r->name, &e), 0);
		/* In a table of 80 columns. */
		assert_true(strlen(r->summary) <= 78);
	}
	assert_int_equal(lint_rule_find("x"), LINT_RULES);
	assert_int_equal(lint_rule_check("imagetag", &e), -1);
	assert_string_equal(e.msg, "there is no rule 'imagetag'; did you mean 'image-tag'?");
	assert_int_equal(e.kind, ERR_USAGE);
}

/* --- allowing --------------------------------------------------------------------------------- */

static void lint(const char *text, struct stack **st, struct lint_findings *f)
{
	struct err e = ERR_INIT;

	*st = load("allow", text);
	assert_int_equal(lint_stack(f, *st, &e), 0);
}

static void allowing(void **state)
{
	AUTO(lint_findings) struct lint_findings f = LINT_FINDINGS_INIT;
	AUTO(stack_free) struct stack *st = NULL;

	(void)state;
	/* The service's reason is nearer than the file's; b has only that;
	 * log-limit is nobody's. */
	lint("x-nodeswarm: {allow: {image-tag: of the file}}\n"
	     "services:\n"
	     "  a:\n    image: i\n    x-nodeswarm: {allow: {image-tag: of a}}\n" DNSRR
	     "  b:\n    image: i\n" LOG DNSRR,
	        &st, &f);
	assert_int_equal(f.n, 3);
	assert_int_equal(f.allowed, 2);
	assert_int_equal(f.warnings, 1);
	assert_int_equal(f.errors, 0);
	assert_int_equal(f.v[0].rule, LINT_LOG_LIMIT);
	assert_null(f.v[0].allowed);
	assert_string_equal(f.v[0].service, "a");
	assert_string_equal(f.v[1].allowed, "of a");
	assert_string_equal(f.v[2].allowed, "of the file");

	lint_findings_allow(&f, LINT_LOG_LIMIT, "by hand");
	assert_string_equal(f.v[0].allowed, "by hand");
	assert_int_equal(f.allowed, 3);
	assert_int_equal(f.warnings, 0);
	/* Those that are allowed keep their reason. */
	lint_findings_allow(&f, LINT_IMAGE_TAG, "by hand");
	assert_string_equal(f.v[1].allowed, "of a");
	assert_int_equal(f.allowed, 3);
}

static void allowing_in_one_file(void **state)
{
	AUTO(lint_findings) struct lint_findings f = LINT_FINDINGS_INIT;
	AUTO(stack_free) struct stack *st = NULL;
	char one[64], two[64];
	const char *files[] = { two, one };
	struct err e = ERR_INIT;

	(void)state;
	put("one.yml",
	        "x-nodeswarm: {allow: {image-tag: one}}\nservices:\n  a:\n    image: i\n" LOG
	                DNSRR);
	put("two.yml",
	        "x-nodeswarm: {allow: {vip-endpoint: two}}\nservices:\n  b:\n    image: i\n" LOG);
	snprintf(one, sizeof(one), "%s/one.yml", dir);
	snprintf(two, sizeof(two), "%s/two.yml", dir);
	assert_int_equal(stack_load(&st, files, 2, NULL, &e), 0);
	assert_int_equal(lint_stack(&f, st, &e), 0);
	assert_int_equal(f.n, 3);
	/* In the order in which the files were given. */
	assert_int_equal(f.v[0].rule, LINT_VIP_ENDPOINT);
	assert_string_equal(f.v[0].allowed, "two");
	assert_int_equal(f.v[1].rule, LINT_IMAGE_TAG);
	assert_null(f.v[1].allowed);
	assert_int_equal(f.v[2].rule, LINT_IMAGE_TAG);
	assert_string_equal(f.v[2].allowed, "one");
}

/* --- what all of it must hold to -------------------------------------------------------------- */

/* One place to mend is one finding, unless it is allowed to one of those who share it. */
static void one_place_once(void **state)
{
	AUTO(lint_findings) struct lint_findings f = LINT_FINDINGS_INIT;
	AUTO(stack_free) struct stack *st = NULL;

	(void)state;
	lint("x-a: &a\n  image: i\n  logging: {driver: none}\n  deploy: {endpoint_mode: dnsrr}\n"
	     "services:\n  a:\n    <<: *a\n  b:\n    <<: *a\n"
	     "  c:\n    <<: *a\n    x-nodeswarm: {allow: {image-tag: of c}}\n",
	        &st, &f);
	assert_int_equal(f.warnings, 1);
	assert_int_equal(f.allowed, 1);
}

/* Also where a reader of nodeos's files quotes the line that it cannot read. */
static void no_secret_is_quoted(void **state)
{
	static const char *const inis[] = {
		"signature-provider = EOS5x=KEY:" WIF "\n",
		"signature-provider = " WIF "\n",
		"private-key = [\"EOS\",\"" WIF "\"]\n",
		"p2p-peer-address = " WIF "\n",
		WIF "\n",
		WIF " = 1\n",
		"http-server-address = " WIF "\n",
		"plugin = " WIF "\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(inis); i++) {
		AUTO(lint_findings) struct lint_findings f = LINT_FINDINGS_INIT;
		AUTO(stack_free) struct stack *st = NULL;

		put("config.ini", inis[i]);
		put("peerlist.ini", WIF "\n");
		lint(NODE "    configs:\n"
		          "      - {source: c, target: /etc/nodeswarm/config.ini}\n"
		          "      - {source: p, target: /etc/nodeswarm/peerlist.ini}\n"
		          "    environment: {A_SECRET: \"" WIF "\", B_TOKEN: hunter2222}\n"
		          "    labels: {l: \"" WIF "\"}\n" DNSRR
		          "configs: {c: {file: $DIR/config.ini}, p: {file: $DIR/peerlist.ini}}\n",
		        &st, &f);
		assert_true(f.errors >= 3);
		for (size_t k = 0; k < f.n; k++) {
			assert_null(strstr(f.v[k].text, "NotAKey"));
			assert_null(strstr(f.v[k].text, "hunter"));
		}
	}
}

static void too_many(void **state)
{
	AUTO(lint_findings) struct lint_findings f = LINT_FINDINGS_INIT;
	AUTO(buf) struct buf text = BUF_INIT(1024 * 1024);
	AUTO(stack_free) struct stack *st = NULL;

	(void)state;
	assert_int_equal(buf_add_fmt(&text, PLAIN DNSRR "    environment:\n"), 0);
	for (int i = 0; i < LINT_FINDINGS_MAX + 1; i++)
		assert_int_equal(buf_add_fmt(&text, "      T%d_TOKEN: abcdefgh\n", i), 0);
	lint(text.data, &st, &f);
	assert_int_equal(f.n, LINT_FINDINGS_MAX);
	assert_true(f.is_cut);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "config.ini", "peerlist.ini", "one.yml", "two.yml" };
	char path[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule),
		cmocka_unit_test(every_rule_has_both),
		cmocka_unit_test(rules),
		cmocka_unit_test(allowing),
		cmocka_unit_test(allowing_in_one_file),
		cmocka_unit_test(one_place_once),
		cmocka_unit_test(no_secret_is_quoted),
		cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
