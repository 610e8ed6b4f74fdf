#pragma once

/* The tenure's thread, shared by tenure.c (what other threads call) and tenure_turn.c (what it
 * does itself). */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gate/gate.h"
#include "http/probe.h"
#include "lease/client.h"
#include "lease/right.h"
#include "loop/loop.h"
#include "supervise/tenure.h"
#include "supervise/tenure_ask.h"
#include "supervise/tenure_compare.h"
#include "supervise/tenure_plan.h"

#define TENURE_WHY_SIZE LEASE_REASON_SIZE

/* From other threads to the tenure's.  What it is told last counts. */
struct tenure_mail {
	uint64_t number; /* of letters */
	bool stops, gives_up, is_fit;
	char give_up_why[TENURE_WHY_SIZE], unfit_why[TENURE_WHY_SIZE];
	/* nodeos. */
	uint64_t nodeos; /* which it is; one more with each */
	bool is_gone;
	pid_t pid;
	int pidfd; /* -1 when the thread has taken it */
	char host[64];
	uint16_t port;
};

/* From the tenure's thread to others: how things stood when it looked last. */
struct tenure_view {
	uint64_t mail; /* the last letter that is in it */
	enum tenure_state state;
	enum lease_order order;
	enum tenure_pause pause;
	bool is_idle, holds;
	uint64_t epoch;
	int64_t until_ns;
	char why[TENURE_WHY_SIZE], holder[LEASE_HOLDER_SIZE];
	struct gate_counts counts;
	/* Why this nodeos has to be started again; "": it has not. */
	uint64_t restart_nodeos;
	char restart_why[TENURE_WHY_SIZE];
	/* Its irreversible blocks are not the others': how; "": they are, or it is not known. */
	char forked_why[200];
	bool wants_heal;
};

struct tenure_thread {
	/* As they were when the thread was started. */
	struct loop *owner;
	tenure_notify_fn *notify;
	void *notify_arg;
	char lease_name[LEASE_NAME_SIZE];
	int64_t term_ns;
	bool bootstrap;
	char provider[256];
	struct lease_right right;
	struct gate *gate;
	pthread_t thread;
	bool has_thread, has_loop;
	int mail_fd;              /* eventfd: a letter */
	struct loop_io notify_io; /* eventfd, on the owner's loop: the view has changed */

	pthread_mutex_t lock;
	struct tenure_mail mail;
	struct tenure_view view;

	/* The thread's own. */
	struct loop loop;
	struct loop_io mail_io;
	struct loop_timer timer;
	struct http_prober *prober;
	struct lease_client *client;
	struct tenure_ask *ask;
	struct tenure_compare *compare;
	struct tenure plan;
	bool is_turning, turns_again;
	int64_t turned_ns, frozen_ns; /* CLOCK_BOOTTIME */
	struct gate_counts counts;
	uint64_t right_epoch; /* of the right that is set; 0 */
	uint64_t gate_epoch;  /* that the gate is open for; 0 */
	/* nodeos, as the thread knows it. */
	struct tenure_mail heard; /* the last letter */
	uint64_t nodeos;
	int pidfd; /* -1: none runs */
	struct loop_io pid_io;
	bool is_between; /* there is a new one, which is taken with the next turn */
	bool is_terminated, is_killed, has_news;
	char restart_why[TENURE_WHY_SIZE];
	int64_t stop_ns; /* when it was told to stop; 0 */
};

/* tenure_turn.c: everything that the thread does, until it was told to stop and has. */
void *tenure_thread_run(void *thread);

/* For tenure_ask and tenure_compare: something was answered. */
void tenure_turn(void *thread);
