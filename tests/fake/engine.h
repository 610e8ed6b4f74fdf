#pragma once

/*
 * A fake Docker Engine: a tiny HTTP server on a unix socket, in threads of the test
 *
 * What it answers is scripted by method and path (without "/v1.41" and without the query); what
 * it was asked is recorded.  Several replies for one path are given in turn, the last one for
 * ever.  Without a script GET /version is answered as 20.10 does and everything else with a 404.
 *
 *	struct fake_engine *f = fake_engine_start();
 *	fake_engine_reply(f, "GET", "/services/x", 200, "{\"ID\":\"x\"}");
 *	... engine_new(fake_engine_host(f), &e) ...
 *	assert_string_equal(fake_engine_last(f)->query, "status=true");
 *	fake_engine_stop(f);
 *
 * Failures of its own end the test program.  Scripts may be changed while it runs.
 */

#include <stdbool.h>
#include <stddef.h>

struct fake_engine;

struct fake_request {
	char method[16];
	char version[16]; /* "1.41", "" for a path without */
	char path[512];   /* still escaped */
	char query[2048]; /* unescaped */
	char content_type[64];
	char *body; /* NUL-terminated */
	size_t len;
};

/* How a raw reply goes on after its bytes. */
enum fake_end {
	FAKE_CLOSE, /* the connection ends */
	FAKE_KEEP,  /* the reply was complete */
	FAKE_HANG,  /* nothing more, until the client goes */
	FAKE_RESET, /* no bytes at all: the connection breaks while the client still sends */
};

struct fake_engine *fake_engine_start(void);
void fake_engine_stop(struct fake_engine *f);

/* "unix:///tmp/.../engine.sock", and the path alone. */
const char *fake_engine_host(const struct fake_engine *f);
const char *fake_engine_socket(const struct fake_engine *f);

/* A complete reply with a Content-Length; body NULL: none. */
void fake_engine_reply(
        struct fake_engine *f, const char *method, const char *path, int status, const char *body);
void fake_engine_reply_bytes(struct fake_engine *f, const char *method, const char *path,
        int status, const void *body, size_t n);

/* Any bytes, status line and all, in pieces of piece bytes (0: at once) with 1 ms between. */
void fake_engine_raw(struct fake_engine *f, const char *method, const char *path, const void *bytes,
        size_t n, size_t piece, enum fake_end end);

/* Asked first, in the server's thread: fill *status and return an allocated body, or NULL to go
 * on with the script.  A status of 0 closes the connection without a byte. */
typedef char *fake_engine_fn(void *arg, const struct fake_request *q, int *status);
void fake_engine_handler(struct fake_engine *f, fake_engine_fn *fn, void *arg);

/* Forget the script and the record. */
void fake_engine_clear(struct fake_engine *f);

/* How many requests came, /version not counted; the i-th, valid until the next clear. */
size_t fake_engine_count(struct fake_engine *f);
const struct fake_request *fake_engine_request(struct fake_engine *f, size_t i);
const struct fake_request *fake_engine_last(struct fake_engine *f);
/* Whether a request of that method and path came. */
bool fake_engine_was_asked(struct fake_engine *f, const char *method, const char *path);
