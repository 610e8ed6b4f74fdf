#include "lease/right.h"

#include <stddef.h>

void lease_right_init(struct lease_right *r)
{
	*r = (struct lease_right){ 0 };
	/* It fails only for attributes that are not given here. */
	(void)pthread_mutex_init(&r->lock, NULL);
}

void lease_right_release(struct lease_right *r)
{
	(void)pthread_mutex_destroy(&r->lock);
}

void lease_right_set(
        struct lease_right *r, uint64_t epoch, int64_t until_ns, uint32_t floor, uint32_t ceiling)
{
	pthread_mutex_lock(&r->lock);
	if (epoch > r->epoch && epoch > r->dropped) {
		r->epoch = epoch;
		r->until_ns = until_ns;
		r->floor = floor;
		r->ceiling = ceiling;
	} else if (epoch && epoch == r->epoch) {
		if (until_ns > r->until_ns)
			r->until_ns = until_ns;
		/* The floor of an epoch is fixed; were it not, the higher is the safe one. */
		if (floor > r->floor)
			r->floor = floor;
		if (ceiling > r->ceiling)
			r->ceiling = ceiling;
	}
	pthread_mutex_unlock(&r->lock);
}

void lease_right_drop(struct lease_right *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->epoch > r->dropped)
		r->dropped = r->epoch;
	r->epoch = 0;
	r->until_ns = 0;
	r->floor = r->ceiling = 0;
	pthread_mutex_unlock(&r->lock);
}

const char *lease_right_refuses(
        struct lease_right *r, uint64_t epoch, int64_t boot_ns, uint32_t slot)
{
	const char *why = NULL;

	pthread_mutex_lock(&r->lock);
	if (!r->epoch)
		why = "there is no right to sign";
	else if (r->epoch != epoch)
		why = "the right to sign is of another epoch";
	else if (boot_ns >= r->until_ns)
		why = "the right to sign is over";
	else if (slot <= r->floor)
		why = "the slot may have been signed by the holder before";
	else if (slot > r->ceiling)
		why = "the slot is beyond what the lease allows";
	pthread_mutex_unlock(&r->lock);
	return why;
}
