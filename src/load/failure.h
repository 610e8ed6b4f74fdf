#pragma once

/*
 * How a request can fail
 *
 * Every request that was begun, or that a schedule asked for, ends in exactly one class; "ok" is
 * one of them.  The classes add up to the total, always.
 */

#include <stdint.h>

enum load_class {
	LOAD_OK,       /* complete, a good status, and what the check asks for */
	LOAD_CONNECT,  /* no connection: refused, unreachable, reset before it was open */
	LOAD_RESET,    /* the connection broke before the first byte of the reply */
	LOAD_TIMEOUT,  /* no complete reply in time, or no connection in time */
	LOAD_SHORT,    /* the reply broke off: the connection ended within it */
	LOAD_STATUS,   /* another status than 200, LOAD_CHECK_ANY: than 2xx (load_tally.statuses) */
	LOAD_NOT_HTTP, /* what came is not an HTTP/1.x reply, or more came than was asked for */
	LOAD_TOO_LARGE,   /* a head or a body above the limit (LOAD_HEAD_MAX, LOAD_BODY_MAX) */
	LOAD_NOT_JSON,    /* 200, but the body is not JSON */
	LOAD_NOT_INFO,    /* JSON, but without chain_id and head_block_num */
	LOAD_WRONG_CHAIN, /* another chain_id than expected */
	LOAD_HEAD_BACK,   /* head_block_num went back on its connection, further than a fork can */
	LOAD_LOST,   /* in a pipeline, behind one that failed, or behind a good reply with which
	                the server ended the connection ("Connection: close", or just so) */
	LOAD_UNSENT, /* planned within the run, but no connection was free until its end */
	LOAD_LOCAL,  /* our own machine: no port, no descriptor, no memory */
	LOAD_CLASSES
};

/* "ok" "connect" "reset" "timeout" "short" "status" "not-http" "too-large" "not-json" "not-info"
 * "wrong-chain" "head-back" "lost" "unsent" "local" */
const char *load_class_name(enum load_class c);

/* One line for people: what it means and what to look at. */
const char *load_class_text(enum load_class c);
