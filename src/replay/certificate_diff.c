/*
 * What differs in the states that two certificates prove
 *
 * Two runs over the same manifest start each slice from the same snapshot.  So where one version of
 * nodeos goes wrong, that slice starts alike and ends differently, and so does each later one of
 * that version: the first is where to look.  Slices are matched by range; both lists are sorted by
 * it and walked together.
 */

#include "replay/certificate.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "replay/certificate_priv.h"

/* Slices that only one of the two has: too many to be told one by one. */
struct lonely {
	size_t n;
	const struct proof *first;
};

static int compare(const struct proof *a, const struct proof *b)
{
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->end < b->end ? -1 : a->end > b->end;
}

static int by_range(const void *a, const void *b)
{
	return compare(a, b);
}

static const char *hash_or(const char *hash, const char *otherwise)
{
	return hash ? hash : otherwise;
}

static void diff_slice(struct faults *f, const struct proof *a, const struct proof *b)
{
	bool start_differs =
	        a->start_hash && b->start_hash && strcmp(a->start_hash, b->start_hash) != 0;
	bool end_differs = !str_eq(a->end_hash, b->end_hash);

	if (start_differs)
		faults_add(f, a->id, "blocks %u to %u start with hash %s in A and with %s in B%s",
		        a->start, a->end, a->start_hash, b->start_hash,
		        end_differs ? "; their ends differ, too" : "");
	else if (end_differs)
		faults_add(f, a->id, "blocks %u to %u %swith hash %s in A and with %s in B",
		        a->start, a->end,
		        a->start_hash && b->start_hash ? "start alike, and end " : "end ",
		        hash_or(a->end_hash, "none"), hash_or(b->end_hash, "none"));
}

static void leave(struct lonely *l, const struct proof *p)
{
	if (l->n++ == 0)
		l->first = p;
}

static void tell_lonely(struct faults *f, const struct lonely *l, const char *who)
{
	if (l->n)
		faults_add(f, l->first->id, "%zu slice%s only in %s, %s blocks %u to %u", l->n,
		        l->n == 1 ? " is" : "s are", who, l->n == 1 ? "of" : "the first of",
		        l->first->start, l->first->end);
}

static int tell_versions(
        struct faults *f, const struct proofs *a, const struct proofs *b, struct err *e)
{
	AUTO(json) json_t *x = proofs_versions(a), *y = proofs_versions(b);
	AUTO(free) char *xs = x ? json_text(x, false) : NULL, *ys = y ? json_text(y, false) : NULL;

	if (!xs || !ys)
		return err_nomem(e);
	if (strcmp(xs, ys) != 0)
		faults_tell(f, 0, "nodeos versions are %s in A and %s in B", xs, ys);
	return 0;
}

static void walk(struct faults *f, const struct proofs *a, const struct proofs *b)
{
	struct lonely in_a = { .n = 0 }, in_b = { .n = 0 };
	size_t i = 0, k = 0;

	while (i < a->n || k < b->n) {
		int order = i == a->n ? 1 : k == b->n ? -1 : compare(&a->v[i], &b->v[k]);

		if (order < 0)
			leave(&in_a, &a->v[i++]);
		else if (order > 0)
			leave(&in_b, &b->v[k++]);
		else
			diff_slice(f, &a->v[i++], &b->v[k++]);
	}
	tell_lonely(f, &in_a, "A");
	tell_lonely(f, &in_b, "B");
}

int certificate_diff(
        const json_t *a, const json_t *b, certificate_fault_fn *fn, void *arg, struct err *e)
{
	AUTO(proofs) struct proofs pa = { .v = NULL }, pb = { .v = NULL };
	struct faults f = { .fn = fn, .arg = arg };

	if (proofs_read(&pa, a, "certificate A", e) < 0 ||
	        proofs_read(&pb, b, "certificate B", e) < 0 || tell_versions(&f, &pa, &pb, e) < 0)
		return -1;
	qsort(pa.v, pa.n, sizeof(*pa.v), by_range);
	qsort(pb.v, pb.n, sizeof(*pb.v), by_range);
	walk(&f, &pa, &pb);
	return f.n;
}
