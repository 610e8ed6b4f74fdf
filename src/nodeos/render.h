#pragma once

/*
 * The config.ini of one slot
 *
 * The user's template says what the chain needs; what a chain node in a container needs is
 * added here, and what would break the supervisor's contract or the data is refused
 * (nodeos/options.h).  The text begins with a comment that says that it is generated.
 *
 * With a signing gate nodeos starts paused, signs through the gate alone, and answers on loopback
 * alone, because whoever reaches its API can pause and resume it; a template that has other
 * provisions is refused.  Keys of finalizers (PUB_BLS_...) stay: no gate can have them.
 *
 *	struct render_input in = {
 *		.name = "config.ini", .text = text, .len = n,
 *		.slot = "readers.3", .peers = &share,
 *	};
 *	AUTO(buf) struct buf ini = BUF_INIT(CONFIG_INI_TEXT_MAX);
 *	struct render_info info;
 *
 *	if (nodeos_render(&ini, &info, &in, e) < 0)
 *		return -1;
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"
#include "nodeos/options.h"

/* Where the supervisor itself listens in the container; nodeos must not. */
#define NODEOS_SUPERVISOR_PORT 8880

struct render_input {
	const char *name; /* the template's, for messages and the first comment */
	const char *text;
	size_t len;
	const char *slot;           /* "readers.3"; nodeos shows it to its peers */
	const struct strvec *peers; /* the slot's share, in canonical form; NULL for none */
	const char *advertise;      /* p2p-server-address if the template has none; NULL or "" */
	bool integrity_hash;        /* have nodeos print the hash of its state when it stops */
	bool start_hash;            /* and when it starts */
	/* Of a producer whose blocks are signed by a gate beside it: its signature-provider, and
	 * how long nodeos waits for an answer.  NULL or "": it has none. */
	const char *signature_provider;
	unsigned provider_timeout_ms;
};

/* What the supervisor has to know of the rendered configuration. */
struct render_info {
	uint16_t http_port;
	char http_host[64];              /* to connect to: 127.0.0.1 where nodeos listens on all */
	unsigned disk_threshold_percent; /* nodeos stops itself above this much used; 0: by bytes */
	uint64_t disk_threshold_bytes;   /* or below this many bytes free; 0: by per cent */
	uint64_t state_db_bytes, state_db_guard_bytes;
	bool is_producer;        /* there is a producer-name */
	uint16_t p2p_port;       /* where peers connect to; 0: it does not listen */
	bool has_integrity_hash; /* it prints the hash of its state when it stops */
	/* Where it has the parts of a split block log, below the data-dir; "" if it does not split,
	 * or if that is a name too long. */
	char retained_dir[56];
};

/* Append the slot's config.ini to out.  Returns 0, or -1 with ERR_USAGE ("NAME:LINE: ..."). */
int nodeos_render(struct buf *out, struct render_info *info, const struct render_input *in,
        struct err *e) NODISCARD;
