#pragma once

/*
 * The certificate: what a run has proved
 *
 *	{"format":1,"nodeos_versions":[...],"first_block":N,"last_block":N,"created_at":...,
 *	 "verified":true,"slices":[{"slice_id","start_block","end_block","start_hash","end_hash",
 *	 "expected_hash","verdict","worker","nodeos_version","tries","started_at","ended_at",
 *	 "seconds"}...],"gaps":[],"digest":"<sha256>"}
 *
 * Slices by height, each once.  digest is the SHA-256 of the object without it, as json_text()
 * writes it compact.  It holds together when each slice starts where the one before ended, with the
 * hash that that one ended with, so that the first start hash and the last end hash are linked by
 * every one between.
 */

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"

struct book;

#define CERTIFICATE_TEXT_MAX (64U * 1024 * 1024)

/*
 * As far as the run is, in two steps: what it needs of the book, which is soon copied, and the
 * rest, which for ten thousand slices takes a tenth of a second and may be done in another thread.
 */
struct certificate_draft;
struct certificate_draft *certificate_begin(
        const struct book *b, int64_t real_ns, struct err *e) NODISCARD;
json_t *certificate_end(struct certificate_draft *d, struct err *e) NODISCARD;
void certificate_draft_free(struct certificate_draft *d);
DEFINE_AUTO(struct certificate_draft, certificate_draft_free)

/* Each thing that is wrong; slice 0: the whole. */
typedef void certificate_fault_fn(void *arg, int64_t slice, const char *text);

/* Returns the number of faults, 0 when it proves what it says; -1 when it cannot be read. */
int certificate_verify(
        const json_t *c, certificate_fault_fn *fn, void *arg, struct err *e) NODISCARD;

/* What differs in the states that the two prove, slice by slice (by range): hashes; versions are
 * told, and are no difference.  The first slice that differs is where one of the versions went
 * wrong.  Returns the number of differences. */
int certificate_diff(const json_t *a, const json_t *b, certificate_fault_fn *fn, void *arg,
        struct err *e) NODISCARD;
