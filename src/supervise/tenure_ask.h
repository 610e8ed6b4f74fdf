#pragma once

/*
 * What the tenure's thread asks our nodeos: whether it answers, and to pause or to resume
 *
 * On the thread's loop; never blocks.  get_info and `paused` are asked twice a second; an order is
 * asked again and again until nodeos has answered it, or another one takes its place.  An answer is
 * as old as its question: nodeos's main thread, which waits for the gate while a block is signed,
 * answers them itself, so a pause that was asked for after the gate was closed and is answered
 * tells that no signature waits in nodeos's socket any more.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "nodeos/reply.h"
#include "supervise/tenure_plan.h"

struct http_prober;
struct loop;
struct tenure_ask;

/* CLOCK_BOOTTIME; of the nodeos that runs now. */
struct tenure_answers {
	int64_t answered_ns; /* get_info, last; 0: never */
	struct nodeos_info info;
	enum tenure_pause pause;
	int64_t pause_ns; /* when it was asked, not when it was answered */
};

/* An answer has come, or did not. */
typedef void tenure_ask_fn(void *arg);

struct tenure_ask *tenure_ask_new(struct loop *l, struct http_prober *p, tenure_ask_fn *fn,
        void *arg, struct err *e) NODISCARD;
void tenure_ask_free(struct tenure_ask *a);
DEFINE_AUTO(struct tenure_ask, tenure_ask_free)

/* Another nodeos, or none (host NULL): what the one before said is forgotten. */
int tenure_ask_nodeos(
        struct tenure_ask *a, const char *host, uint16_t port, struct err *e) NODISCARD;

/* Ask for it until nodeos has answered a question that was asked at `since` or later; unless that
 * is under way already. */
void tenure_ask_pause(struct tenure_ask *a, int64_t since);
void tenure_ask_resume(struct tenure_ask *a, int64_t since);

const struct tenure_answers *tenure_ask_answers(const struct tenure_ask *a);
