#pragma once

/* How a certificate is read, and how faults are told: for its verification and
 * for comparing two. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "replay/certificate.h"

/* One of its slices; texts are borrowed from the JSON, hashes are 64 hex digits or NULL. */
struct proof {
	int64_t id;
	uint32_t start, end;
	const char *start_hash, *end_hash, *expected_hash;
	const char *verdict, *version; /* version may be NULL */
};

struct proofs {
	struct proof *v;
	size_t n;
};

void proofs_release(struct proofs *p);

static inline void auto_proofs(struct proofs *p)
{
	proofs_release(p);
}

/* In the certificate's order.  ERR_PROTOCOL with the slice's place and key; what names the
 * certificate in messages. */
int proofs_read(struct proofs *ret, const json_t *c, const char *what, struct err *e) NODISCARD;

/* 64 hex digits, lower case, because hashes are compared as text. */
bool proof_is_hash(const char *s);

struct faults {
	certificate_fault_fn *fn;
	void *arg;
	int n;
};

/* Tell of it without counting it; count it and tell. */
void faults_tell(struct faults *f, int64_t slice, const char *fmt, ...) PRINTF(3, 4);
void faults_add(struct faults *f, int64_t slice, const char *fmt, ...) PRINTF(3, 4);

/* What its digest should be: 0 and hex digits with a NUL, or -1 without memory. */
int certificate_digest(const json_t *c, char out[65], struct err *e) NODISCARD;

/* The nodeos versions of the slices, sorted, each once; a new list, or NULL without memory. */
json_t *proofs_versions(const struct proofs *p);
