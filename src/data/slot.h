#pragma once

/*
 * A slot's directory in the pool
 *
 *	services/<service>/<slot>/data/        nodeos --data-dir; owned by the chain's uid
 *	services/<service>/<slot>/config/      what was rendered for this slot
 *	services/<service>/<slot>/run.json     data/record.h; written by the supervisor alone
 *	services/<service>/<slot>/lock         held by the supervisor and by nodeos
 *	services/<service>/<slot>/control.sock
 *	services/<service>/<slot>/nodeos.log   the chain node's output, rotated
 *
 * (service, slot) is Swarm's own: the full service name and the task's slot number, which need
 * not be 1..N.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

#define SLOT_NUMBER_MAX  1000000
#define SLOT_SERVICE_MAX 128
#define SLOT_LOCK        "lock"
#define SLOT_SOCKET      "control.sock" /* control/control.h; a supervisor that has the lock listens */
#define SLOT_UID         7077 /* nodeos runs as this (and the group of that number), and owns the data */
#define SLOT_LOG         "nodeos.log" /* and .1, .2 ... older */

struct pool;

struct slot {
	int fd; /* the directory; -1 when not open */
	char *service;
	uint64_t number;
	char *path; /* for people */
};

#define SLOT_INIT ((struct slot){ .fd = -1 })

/* Open, and with make create, the directory of a slot.  ERR_NOT_FOUND when it is not there. */
int slot_open(struct slot *s, const struct pool *p, const char *service, uint64_t number, bool make,
        struct err *e) NODISCARD;
void slot_release(struct slot *s);

static inline void auto_slot(struct slot *s)
{
	slot_release(s);
}
