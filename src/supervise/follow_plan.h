#pragma once

/*
 * Which tasks of the cluster a slot's nodeos is connected to: the decision, without a network
 *
 * nodeos knows a peer by one text, tries its first working address only, and gives up for good a
 * name that it could not resolve ten times (seen with v4.0.6).  Tasks come and go with new
 * addresses.  So names are followed from outside: they are resolved again and again, each chosen
 * address is given to nodeos as a peer of its own (/v1/net/connect) and taken back when it is
 * gone (/v1/net/disconnect).
 *
 *	names ---resolve---> follow_answer()        what the names mean now
 *	nodeos's list -----> follow_peer(), follow_listed()   what nodeos has, and what is up
 *	follow_next() -----> connect or disconnect this one; what came of it: follow_told()
 *
 * What is promised:
 *
 *   - Only what was connected from here is ever disconnected: not the peers of config.ini, nor
 *     what somebody else told nodeos.
 *   - A look-up that fails changes nothing.  That a name does not exist takes five minutes to be
 *     believed, and then only for connections that are down.
 *   - An address that a good answer no longer has is let go when its connection is down, or after
 *     five minutes: a task that is stopping, or not ready, is still a good source of blocks.
 *   - What nodeos throws out of its list (wrong chain, itself, a fork) is tried again with a
 *     back-off that doubles to more than five minutes.
 *
 * Times are CLOCK_MONOTONIC in ns and given by the caller.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"
#include "nodeos/peers.h"
#include "nodeos/reply.h"

#define FOLLOW_NAMES_MAX     16
#define FOLLOW_ADDRESSES_MAX 256 /* of one name; the others, in their order, are left out */
#define FOLLOW_DEGREE        8   /* of one name: connections of a slot, both ways counted */
#define FOLLOW_PEERS_MAX     512

#define FOLLOW_DOWN_NS     (5 * NS_PER_SEC)   /* gone and down: let go after this */
#define FOLLOW_GONE_NS     (300 * NS_PER_SEC) /* gone, but its connection lives */
#define FOLLOW_SPARE_NS    (15 * NS_PER_SEC)  /* there, but others were chosen */
#define FOLLOW_NO_NAME_NS  (300 * NS_PER_SEC) /* before "no such name" is believed */
#define FOLLOW_RESTLESS_NS (60 * NS_PER_SEC)
#define FOLLOW_RETRY_NS    (5 * NS_PER_SEC) /* doubles six times */

/*
 * Choose among the n different addresses of one name, in ascending order.
 *
 * self >= 0: the one that is ours.  Then every task of the name comes to the same graph without
 * a word: a ring in the order of the addresses, which keeps it in one piece, and beside it the
 * pairs of the smallest hash, as long as neither has FOLLOW_DEGREE of them.  One address more or
 * less changes few pairs.  Each pair is dialled from one end only, for nodeos would either keep
 * two connections or refuse one again and again; chosen are those that we dial.
 *
 * self < 0: it is another service, or we are not in DNS yet.  Chosen are the FOLLOW_DEGREE
 * addresses with the smallest hash together with key.
 *
 * ret has room for n.  Returns how many are chosen, or -1 without memory.
 */
int follow_choose(
        bool *ret, const struct in_addr *addresses, size_t n, int self, const char *key) NODISCARD;

enum follow_found {
	FOLLOW_NOT_ASKED,
	FOLLOW_FOUND,
	FOLLOW_NO_NAME, /* who knows the names says that there is none */
	FOLLOW_FAILED,  /* nobody could say */
};

const char *follow_found_name(enum follow_found f);

struct follow_name {
	char text[NODEOS_PEER_SIZE]; /* "tasks.readers:9876", canonical; host_len of the host */
	size_t host_len;
	uint16_t port;
	bool is_own; /* our own service: while it is empty there is nobody to wait for */
	enum follow_found found;
	int64_t since_ns; /* of found */
	size_t addresses; /* in the last good answer, our own included */
};

enum follow_state {
	FOLLOW_OUT,    /* nodeos does not have it from us */
	FOLLOW_OURS,   /* we told nodeos */
	FOLLOW_OTHERS, /* nodeos had it already: not ours to take away */
};

struct follow_peer {
	char text[NODEOS_PEER_SIZE]; /* "10.0.1.5:9876" */
	enum follow_state state;
	uint32_t seen_in, wanted_by;   /* bit i: by the last good answer of name i */
	uint32_t home;                 /* the last seen_in that was not 0 */
	bool is_linked;                /* nodeos has its handshake */
	bool is_listed, is_handshaken; /* in the list that is being read */
	bool is_doubtful;              /* a request had no answer: nodeos may have it after all */
	int64_t unseen_ns, unwanted_ns, down_ns, told_ns, retry_ns;
	unsigned refusals;
};

struct follow_table {
	struct follow_name names[FOLLOW_NAMES_MAX];
	size_t nnames;
	struct follow_peer *peers;
	size_t npeers;
	const char *key; /* of this slot, the caller's */
	bool has_list;   /* of the nodeos that runs now */
	int64_t changed_ns;
};

/* names: canonical peers; service: our own, as Swarm names it ("nodeswarm_readers").  Returns 0
 * for the same names as before, when nothing is changed, 1 for others, which start afresh, or
 * -1 with ERR_USAGE for what cannot be followed. */
int follow_set_names(struct follow_table *t, const struct strvec *names, const char *service,
        struct err *e) NODISCARD;
void follow_release(struct follow_table *t);

/* A new nodeos was started: it has nothing from us yet.  What the names meant stays known. */
void follow_restart(struct follow_table *t);

/*
 * Name i was looked up.  addresses: of FOLLOW_FOUND, in any order; own: the addresses of this
 * container; own_port: where our nodeos takes peers.  Returns 0, or -1 without memory, when
 * nothing was changed.
 */
int follow_answer(struct follow_table *t, size_t i, enum follow_found found,
        const struct in_addr *addresses, size_t n, const struct in_addr *own, size_t nown,
        uint16_t own_port, int64_t now_ns) NODISCARD;

/*
 * Read a list of nodeos's connections: follow_peer() for each, follow_listed() at the end;
 * asked_ns is when the list was asked for; in_config: the same text is in config.ini.
 * follow_peer() returns whether it is an address that DNS still has: only then is the one who
 * answers there one that we chose.
 */
bool follow_peer(struct follow_table *t, const struct nodeos_peer *p, bool in_config);
void follow_listed(struct follow_table *t, int64_t asked_ns, int64_t now_ns);

enum follow_action {
	FOLLOW_NOTHING,
	FOLLOW_CONNECT,
	FOLLOW_DISCONNECT,
};

/* What to tell nodeos next; *ret_text stays valid until the table is changed. */
enum follow_action follow_next(
        struct follow_table *t, int64_t now_ns, const char **ret_text, const char **ret_why);

/* What nodeos answered to it; NODEOS_NET_OTHER also for no answer. */
void follow_told(struct follow_table *t, enum follow_action action, const char *text,
        enum nodeos_net_reply reply, int64_t now_ns);

/* Whether the list of connections should be looked at more often than usual. */
bool follow_is_restless(const struct follow_table *t, int64_t now_ns);

struct follow_counts {
	unsigned wanted;    /* chosen addresses */
	unsigned connected; /* of those: with a handshake */
	unsigned kept;      /* no longer chosen, not yet let go */
	unsigned failing;   /* names that could not be looked up */
	unsigned sources;   /* names of other services, and our own if it has others in it */
};

struct follow_counts follow_count(const struct follow_table *t);
