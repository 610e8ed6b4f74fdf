#pragma once

/*
 * A fake swarm behind the fake engine: services, networks, configs and secrets that are made,
 * changed and removed as the Engine API has it, and tasks that run as soon as they are asked for
 *
 * A task runs with the next look and is gone when it is not wanted; a changed template replaces it
 * after two more looks.  Ids are made of names, so
 * that two swarms with the same content are equal in every byte of fake_swarm_dump().
 *
 * Its calls are numbered from 0, without GET /version, and any of them can be made to fail.
 *
 *	struct fake_swarm *s = fake_swarm_start();
 *	fake_swarm_fail(s, 3, 1, FAKE_DEADLINE_DONE);
 *	... engine_new(fake_swarm_host(s), &e) ...
 */

#include <stddef.h>

struct fake_swarm;

/* How a call fails; the _DONE ones after the work was done. */
enum fake_failure {
	FAKE_NO_LEADER,
	FAKE_DEADLINE_DONE,
	FAKE_TIMEOUT, /* 504; for the caller the same as no answer in time */
	FAKE_TIMEOUT_DONE,
	FAKE_BROKEN, /* the connection ends; as libcurl tries again by itself, say count 2 */
	FAKE_BROKEN_DONE,
	FAKE_FAILURES,
};

const char *fake_failure_name(enum fake_failure how);

struct fake_swarm *fake_swarm_start(void);
/* Another one that has the same. */
struct fake_swarm *fake_swarm_copy(struct fake_swarm *s);
void fake_swarm_stop(struct fake_swarm *s);

const char *fake_swarm_host(const struct fake_swarm *s);

/* Let `count` calls from number `first` on fail; count 0: none. */
void fake_swarm_fail(struct fake_swarm *s, size_t first, size_t count, enum fake_failure how);

/* How many calls came so far; and begin to count anew. */
size_t fake_swarm_calls(struct fake_swarm *s);
void fake_swarm_count_anew(struct fake_swarm *s);

/* "GET /services", of the last call that was made to fail; "" for none. */
const char *fake_swarm_failed(struct fake_swarm *s);

/* All that it has, as text that the caller frees. */
char *fake_swarm_dump(struct fake_swarm *s);
