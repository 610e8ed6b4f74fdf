#pragma once

/*
 * Follow the cluster's tasks by their names (the decisions are in follow_plan.h)
 *
 *	f = follow_new(&loop, prober, "readers.3", &e);
 *	follow_names(f, &names, service, &e);       "tasks.readers:9876", "devchain:9876"
 *	follow_start(f, "127.0.0.1", 8888, 9876, &e);   nodeos runs
 *	follow_sees(f, &peer, false) ... follow_saw(f, asked_ns);    each list of connections
 *	follow_stop(f);                             nodeos has ended
 *	follow_free(f);
 *
 * While nodeos runs the names are looked up every three seconds, each in a thread of its own that
 * may hang without harm; what follows is told to nodeos one request at a time.  Logs changes only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strvec.h"
#include "supervise/follow_plan.h"

struct follow;
struct http_prober;
struct loop;

/* key names this slot; copied.  Loop and prober must outlive it. */
struct follow *follow_new(
        struct loop *l, struct http_prober *p, const char *key, struct err *e) NODISCARD;
void follow_free(struct follow *f);

/* See follow_set_names().  While nodeos does not run. */
int follow_names(
        struct follow *f, const struct strvec *names, const char *service, struct err *e) NODISCARD;

/* Where nodeos's API is, and the port where it takes peers itself. */
int follow_start(struct follow *f, const char *http_host, uint16_t http_port, uint16_t p2p_port,
        struct err *e) NODISCARD;
void follow_stop(struct follow *f);

/* nodeos's list of connections, one after the other, and its end: see follow_peer(). */
bool follow_sees(struct follow *f, const struct nodeos_peer *p, bool in_config);
void follow_saw(struct follow *f, int64_t asked_ns);

/* Whether that list should be asked for again soon. */
bool follow_is_waiting(const struct follow *f);

struct follow_counts follow_counts(const struct follow *f);

/* The different addresses that the names meant when they were last looked up well, without our own;
 * at most max.  Returns how many. */
size_t follow_addresses(const struct follow *f, struct in_addr *ret, size_t max);

/* [{"name","state","addresses"}], a new reference; NULL without memory. */
json_t *follow_json(const struct follow *f) NODISCARD;
