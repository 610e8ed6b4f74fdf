#pragma once

/*
 * A replay on the swarm, as its commands see it: two services, and the orchestrator's API
 *
 * The engine says what runs and where; what the run is like the orchestrator says, on the port that
 * its host publishes (stacks/replay.yml), to who has the token of replay_files.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/replay_files.h"
#include "deploy/deploy.h"

struct replay_client;
struct view;

#define REPLAY_ORCHESTRATOR "orchestrator" /* the services' names in the stack */
#define REPLAY_WORKER       "replay-worker"
#define REPLAY_RUN_ENV      "NODESWARM_REPLAY_RUN"

struct replay_swarm {
	struct context *ctx;
	struct deploy d;
	const char *keep, *given_url; /* --keep and --url, or NULL */
	struct replay_files files;    /* of replay_swarm_files() */

	/* As replay_swarm_look() found it. */
	bool is_there;         /* there is an orchestrator's service */
	int64_t orchestrators; /* how many of it are wanted: 0 when it is stopped */
	int64_t workers;       /* wanted; -1 without that service */
	int64_t working;       /* tasks of it that run */
	char run[80];          /* of the service; "" */
	char constraint[300];  /* where its volume is; "" */
	char host[256];        /* where the orchestrator runs; "" */
	char url[128];         /* given, or of that host; "" while it runs nowhere */
	unsigned failures; /* tasks of the orchestrator that ended by themselves since since_ns */
	char failure[256]; /* the engine's word on the last of them */

	int64_t since_ns; /* real time; of failures */

	struct replay_client *client; /* to client_url */
	char client_url[128];
};

/* The rows that all of the commands have. */
#define OPT_REPLAY_KEEP(dir)                                                                    \
	{                                                                                       \
		"keep", 0, "DIR", "where the tokens are; replay/STACK in the pool unless said", \
		        .env = "NODESWARM_REPLAY_KEEP", .string = &(dir)                        \
	}
#define OPT_REPLAY_URL(url)                                                                       \
	{                                                                                         \
		"url", 0, "URL",                                                                  \
		        "where the orchestrator is asked; the published port of its host unless " \
		        "said",                                                                   \
		        .env = "NODESWARM_REPLAY_ASK", .string = &(url)                           \
	}

int replay_swarm_open(struct replay_swarm *s, struct context *ctx, const char *keep,
        const char *url, int64_t wait_ns, struct err *e) NODISCARD;
void replay_swarm_close(struct replay_swarm *s);

/* Find out where the tokens are; who only asks the engine does not need them. */
int replay_swarm_files(struct replay_swarm *s, struct err *e) NODISCARD;

/* Ask the engine. */
int replay_swarm_look(struct replay_swarm *s, struct err *e) NODISCARD;

/* The pure half: out of a view. */
void replay_swarm_read(struct replay_swarm *s, const struct view *v, bool is_engine_here);

/* ERR_NOT_FOUND with a hint unless there is one. */
int replay_swarm_need(const struct replay_swarm *s, struct err *e) NODISCARD;

/* Ask the orchestrator (replay/client.h).  ERR_UNAVAILABLE also while it runs nowhere. */
json_t *replay_swarm_ask(struct replay_swarm *s, const char *method, const char *path,
        const json_t *body, struct err *e) NODISCARD;

/* Whether asking again later may help. */
bool replay_swarm_may_come(const struct err *e);

/*
 * The constraint of the state host: the one of the service that is there, for its volume is on that
 * host; else the hosts with the label nodeswarm.replay=state; else the engine's own.
 */
int replay_swarm_state_host(
        struct replay_swarm *s, char *out, size_t size, struct err *e) NODISCARD;
