#include "agent/remote.h"

#include <string.h>

#include "agent/address.h"
#include "agent/pull.h"
#include "base/str.h"
#include "data/op.h"

#define HERE_HINT "give the command on that host itself, without --on"

static int check_pull(const json_t *args, const char *own, struct err *e)
{
	const char *address = json_str(args, "address", "");

	if (address_is_near(address, own))
		return 0;
	err_set(e, ERR_DENIED,
	        "nothing is pulled from '%s' for another host: it is no private address, and not "
	        "in the network of '%s'",
	        address, own);
	return err_hint(e, HERE_HINT);
}

static int check_import(const json_t *args, const char *pool, struct err *e)
{
	const char *path = json_str(args, "path", ""), *rest;

	if (str_starts(path, pool, &rest) && *rest == '/' && !strstr(rest, "/../") &&
	        !(strlen(rest) >= 3 && strcmp(rest + strlen(rest) - 3, "/..") == 0))
		return 0;
	err_set(e, ERR_DENIED, "'%s' is not below the pool '%s'", path, pool);
	return err_hint(e, HERE_HINT);
}

int remote_check(
        const char *verb, const json_t *args, const char *own, const char *pool, struct err *e)
{
	if (json_bool(args, "force_chain", false)) {
		err_set(e, ERR_DENIED, "the chain of a pool is not changed for another host");
		return err_hint(e, HERE_HINT);
	}
	if (strcmp(verb, PULL_VERB) == 0)
		return check_pull(args, own, e);
	if (strcmp(verb, "import") == 0)
		return check_import(args, pool, e);
	return data_op_check_remote(verb, args, e);
}
