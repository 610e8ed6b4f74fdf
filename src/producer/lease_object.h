#pragma once

/*
 * A lease's Config object, read and ordered by who has the engine
 *
 * Producers go through a broker, which lets them write what may follow.  An operator has the
 * engine itself; what is written here keeps to the same rules (lease_may_follow), by the same
 * compare-and-swap on the object's version.
 *
 *	AUTO(lease_object) struct lease_object o = LEASE_OBJECT_INIT;
 *
 *	if (lease_object_read(&o, eng, "producer", e) < 0)
 *		return -1;
 *	... to = o.lease; to.order = ...; lease_object_write(eng, &o, &to, e) ...
 *
 * Nothing waits here: an engine without a leader is the caller's to wait for.
 */

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "lease/record.h"

struct engine;

struct lease_object {
	struct lease_record lease; /* an empty one of that name when there is no object */
	json_t *config;            /* as the engine has it; NULL: there is none */
};

#define LEASE_OBJECT_INIT ((struct lease_object){ .config = NULL })

void lease_object_release(struct lease_object *o);

static inline void auto_lease_object(struct lease_object *o)
{
	lease_object_release(o);
}

/* 0; 1 when there is no such object.  What *ret held is released.  A lease that is none of ours, or
 * of a newer format, is ERR_PROTOCOL. */
int lease_object_read(
        struct lease_object *ret, struct engine *eng, const char *name, struct err *e) NODISCARD;

/* Put `to` where `o` was read from.  ERR_CONFLICT: somebody was faster, or it may not follow. */
int lease_object_write(struct engine *eng, const struct lease_object *o,
        const struct lease_record *to, struct err *e) NODISCARD;

/* The records of all claims there are (is_claim), sorted by name; the caller frees it.  A claim
 * that cannot be read is left out, and counted in *ret_bad. */
int lease_object_claims(struct lease_record **ret, size_t *ret_n, size_t *ret_bad,
        struct engine *eng, struct err *e) NODISCARD;
