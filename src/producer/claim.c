#include "producer/claim.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/service.h"
#include "lease/claim.h"
#include "producer/lease_object.h"

/* Nobody renews a claim, so whoever is faster than us is an operator too. */
#define TRIES 5

int producer_claim_name(char ret[LEASE_NAME_SIZE], const char *key, struct err *e)
{
	if (lease_is_claim_name(key, LEASE_CLAIM_FINALIZER) ||
	        lease_is_claim_name(key, LEASE_CLAIM_KEY)) {
		snprintf(ret, LEASE_NAME_SIZE, "%s", key);
		return 0;
	}
	if (!str_starts(key, LEASE_FINALIZER_KEY, NULL) || strlen(key) >= LEASE_FINALIZER_SIZE) {
		err_set(e, ERR_USAGE, "'%.60s' is no finalizer key", key);
		return err_hint(e,
		        "its public key, " LEASE_FINALIZER_KEY
		        "..., or the name of a claim as 'nodeswarm "
		        "producer finalizer' lists them");
	}
	lease_claim_name(ret, LEASE_CLAIM_FINALIZER, key);
	return 0;
}

/* Whether the engine has a service of that holder, "SERVICE.SLOT", which has so many replicas that
 * it may run. */
static int may_run(struct engine *eng, const char *holder, struct err *e)
{
	AUTO(json) json_t *svc = NULL;
	struct engine_service s;
	char service[LEASE_HOLDER_SIZE], *dot;
	int64_t slot = 0;

	snprintf(service, sizeof(service), "%s", holder);
	dot = strrchr(service, '.');
	if (dot) {
		*dot = '\0';
		if (num_int(&slot, dot + 1, 1, INT64_MAX, e) < 0)
			return -1;
	}
	svc = engine_service_inspect(eng, service, e);
	if (!svc && e->kind == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	if (!svc || engine_service_view(svc, &s, e) < 0)
		return -1;
	/* A slot above the replicas is run by nobody. */
	return s.replicas < 0 || (s.replicas && s.replicas >= slot);
}

static int refuse(const char *holder, struct err *e)
{
	err_set(e, ERR_CONFLICT,
	        "'%s' has this key, and its service has that slot: it may run and vote", holder);
	return err_hint(e,
	        "take the key out of its configuration or stop the service, so that it never runs "
	        "with it again, and then --force: nothing gives a claim back by itself");
}

/* Who of a lease runs is not known here: each of its slots has the key, with or without a task. */
static int refuse_lease(const char *lease, struct err *e)
{
	err_set(e, ERR_CONFLICT, "lease '%s' has this key: its slots may run and sign", lease);
	return err_hint(e,
	        "stop every service with that lease; be sure that none will ever run with it "
	        "again; then --force");
}

static int take_back(struct deploy *d, const struct lease_object *o, struct err *e)
{
	struct lease_record to = o->lease;

	to.holder[0] = to.place[0] = to.nonce[0] = '\0';
	lease_note_change(&to, clock_real_ns(), "released by hand");
	return lease_object_write(d->engine, o, &to, e);
}

int producer_claim_release(struct deploy *d, const char *key, bool is_forced,
        char ret_from[LEASE_HOLDER_SIZE], struct err *e)
{
	AUTO(lease_object) struct lease_object o = LEASE_OBJECT_INIT;
	char name[LEASE_NAME_SIZE];

	if (producer_claim_name(name, key, e) < 0)
		return -1;
	for (unsigned tries = 1;; tries++) {
		int rc = lease_object_read(&o, d->engine, name, e);

		if (rc < 0)
			return -1;
		if (rc > 0)
			return err_set(e, ERR_NOT_FOUND, "nobody has ever claimed '%.60s'", key);
		if (!o.lease.is_claim)
			return err_set(e, ERR_USAGE, "'%s' is no claim, but a lease", name);
		snprintf(ret_from, LEASE_HOLDER_SIZE, "%s", o.lease.holder);
		if (!*o.lease.holder)
			return 1;
		if (!is_forced && lease_is_claim_name(name, LEASE_CLAIM_KEY))
			return refuse_lease(o.lease.holder, e);
		rc = is_forced ? 0 : may_run(d->engine, o.lease.holder, e);
		if (rc != 0)
			return rc < 0 ? -1 : refuse(o.lease.holder, e);
		if (take_back(d, &o, e) == 0)
			return 0;
		if (e->kind != ERR_CONFLICT || tries == TRIES)
			return -1;
		err_clear(e);
	}
}
