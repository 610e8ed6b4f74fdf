/* Until the real ones are merged. */
#include "nodeos/blockindex.h"
#include "nodeos/exit.h"

bool nodeos_exit_is_damage(const struct nodeos_exit *x)
{
	return x->class == NODEOS_EXIT_DATA || x->class == NODEOS_EXIT_DIRTY;
}

int nodeos_blockindex_rebuild(int fd UNUSED, const volatile int *c UNUSED,
        struct blockindex_progress *p UNUSED, uint64_t *n UNUSED, struct err *e)
{
	return err_set(e, ERR_SYSTEM, "not there yet");
}
