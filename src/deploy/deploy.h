#pragma once

/*
 * Bringing a stack up, scaling, stopping and removing it
 *
 * Each call is a list of steps that begins with what the engine has, so that after a kill at
 * any point the same call finishes the job.  A service that somebody else changes meanwhile is
 * read and planned again.
 *
 * Calls that wait show what for through `progress`, end early with ERR_INTERRUPTED when
 * *interrupted is set, and with ERR_TIMEOUT after wait_ns; what was started goes on in both
 * cases.  An engine that does not answer for a while (an election among the managers takes 10 to
 * 20 s) is waited for.
 *
 * What a slot does on another host is known from that host's agent.  For a host whose agent is
 * missing or does not come, the engine's word on its tasks is taken instead, and a note says so;
 * how its slots were left is then not known.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct agents;
struct engine;
struct stack;
struct plan;

struct deploy {
	struct engine *engine;
	struct agents *agents; /* of that engine; NULL: only its own host is asked */
	const char *stack;     /* the name */
	const char *pool;      /* for services that do not name theirs */
	int64_t wait_ns;       /* < 0: no limit; 0: do not wait at all */
	const volatile int *interrupted;
	/* Facts of the machine we are on (agent/host.h), a new reference; may be NULL. */
	json_t *(*local_facts)(const char *pool);
	void (*progress)(void *arg, const char *text); /* a state that replaces the one before */
	void (*note)(void *arg, const char *text);     /* an event */
	void *arg;
};

/* How a slot was left by a stop or a scale down. */
struct slot_end {
	char name[160]; /* "readers.3"; "readers": a host does not tell of an earlier stop */
	char host[256];
	bool is_known; /* its record could be read */
	bool is_clean;
	char why[400]; /* when it is not */
};

struct slot_ends {
	struct slot_end *v;
	size_t n;
};

void slot_ends_release(struct slot_ends *ends);

static inline void auto_slot_ends(struct slot_ends *ends)
{
	slot_ends_release(ends);
}

/*
 * Make the engine have what the files want.  With plan_only nothing is changed.  *ret_plan gets
 * the plan that was (or would be) carried out; the caller frees it.  Returns when every slot
 * serves.
 */
int deploy_up(struct deploy *d, const struct stack *st, bool plan_only, struct plan **ret_plan,
        struct err *e) NODISCARD;

struct scale {
	const char *service; /* short or full name */
	int64_t replicas;
};

/* Returns when every wanted slot serves and every other one has ended; *ret names those. */
int deploy_scale(struct deploy *d, const struct scale *v, size_t n, struct slot_ends *ret,
        struct err *e) NODISCARD;

/*
 * Scale the named services (n 0: all) to nothing, remembering their size for `up`: those with
 * supervisors first, until how each slot was left is known, then others, agents last.  *ret also
 * names the slots that an earlier, killed stop of the same services has left unclean, and the hosts
 * that cannot be asked for those.
 */
int deploy_stop(struct deploy *d, char *const *names, size_t n, struct slot_ends *ret,
        struct err *e) NODISCARD;

/*
 * Remove the stack's services, then its networks and configs; with purge also its secrets and
 * the images of its services on this engine.  Data-dirs stay.
 */
int deploy_down(struct deploy *d, bool purge, struct slot_ends *ret, struct err *e) NODISCARD;
