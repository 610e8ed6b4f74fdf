#include "load/tally.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct load_tally *load_tally_new(bool scheduled)
{
	AUTO(load_tally_free) struct load_tally *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->sent = load_hist_new(3);
	if (!t->sent)
		return NULL;
	if (scheduled) {
		t->planned = load_hist_new(3);
		t->late = load_hist_new(3);
		if (!t->planned || !t->late)
			return NULL;
	}
	return TAKE(t);
}

void load_tally_free(struct load_tally *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->n_backends; i++)
		load_hist_free(t->backends[i].latency);
	free(t->backends);
	load_hist_free(t->planned);
	load_hist_free(t->sent);
	load_hist_free(t->late);
	free(t);
}

/* --- backends --------------------------------------------------------------------------------- */

/* The place in t->index of that name, or the free one where it belongs (FNV-1a).  There is always
 * a free one: it has twice as many as there are backends. */
static uint16_t *place_of(struct load_tally *t, const char *name, size_t n)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619U;
	for (;; hash++) {
		uint16_t *place = &t->index[hash % ARRAY_LEN(t->index)];
		const char *known;

		if (!*place)
			return place;
		known = t->backends[*place - 1].name;
		if (strncmp(known, name, n) == 0 && !known[n])
			return place;
	}
}

static int add_backend(struct load_tally *t, uint16_t *place, const char *name)
{
	struct load_backend *b;

	if (t->n_backends == t->cap) {
		unsigned cap = t->cap ? t->cap * 2 : 8;

		b = realloc(t->backends, cap * sizeof(*b));
		if (!b)
			return -1;
		t->backends = b;
		t->cap = cap;
	}
	b = &t->backends[t->n_backends];
	*b = (struct load_backend){ .head_age_ns = INT64_MIN };
	memcpy(b->name, name, strlen(name) + 1);
	b->latency = load_hist_new(2);
	if (!b->latency)
		return -1;
	*place = (uint16_t)++t->n_backends;
	return (int)*place - 1;
}

int load_tally_backend(struct load_tally *t, const char *name, size_t n)
{
	char clean[sizeof(t->backends->name)];
	uint16_t *place;

	if (n >= sizeof(clean))
		n = sizeof(clean) - 1;
	/* Nearly all are known, and as they came. */
	place = place_of(t, name, n);
	if (*place)
		return *place - 1;
	memcpy(clean, name, n);
	clean[n] = '\0';
	str_printable(clean);
	if (t->n_backends >= LOAD_BACKENDS_MAX - 1) {
		memcpy(clean, "(others)", sizeof("(others)"));
	}
	place = place_of(t, clean, strlen(clean));
	return *place ? *place - 1 : add_backend(t, place, clean);
}

static void add_head(struct load_backend *into, uint32_t head, int64_t age_ns)
{
	if (head > into->head || (head == into->head && age_ns > into->head_age_ns)) {
		into->head = head;
		into->head_age_ns = age_ns;
	}
}

/* --- sums ------------------------------------------------------------------------------------- */

int load_tally_add(struct load_tally *into, const struct load_tally *from)
{
	assert(!into->planned == !from->planned);
	/* Whatever can fail comes first. */
	for (unsigned i = 0; i < from->n_backends; i++)
		if (load_tally_backend(
		            into, from->backends[i].name, strlen(from->backends[i].name)) < 0)
			return -1;
	for (unsigned i = 0; i < from->n_backends; i++) {
		const struct load_backend *b = &from->backends[i];
		struct load_backend *sum =
		        &into->backends[load_tally_backend(into, b->name, strlen(b->name))];

		sum->ok += b->ok;
		sum->failed += b->failed;
		add_head(sum, b->head, b->head_age_ns);
		load_hist_add(sum->latency, b->latency);
	}
	for (size_t i = 0; i < ARRAY_LEN(into->classes); i++)
		into->classes[i] += from->classes[i];
	for (size_t i = 0; i < ARRAY_LEN(into->statuses); i++)
		into->statuses[i] += from->statuses[i];
	into->bytes_in += from->bytes_in;
	into->bytes_out += from->bytes_out;
	into->connects += from->connects;
	if (from->head > into->head)
		into->head = from->head;
	load_hist_add(into->sent, from->sent);
	if (into->planned) {
		load_hist_add(into->planned, from->planned);
		load_hist_add(into->late, from->late);
	}
	return 0;
}

void load_tally_clear(struct load_tally *t)
{
	for (unsigned i = 0; i < t->n_backends; i++) {
		struct load_backend *b = &t->backends[i];

		b->ok = b->failed = 0;
		b->head = 0;
		b->head_age_ns = INT64_MIN;
		load_hist_clear(b->latency);
	}
	memset(t->classes, 0, sizeof(t->classes));
	memset(t->statuses, 0, sizeof(t->statuses));
	t->bytes_in = t->bytes_out = t->connects = 0;
	t->head = 0;
	load_hist_clear(t->sent);
	if (t->planned) {
		load_hist_clear(t->planned);
		load_hist_clear(t->late);
	}
}

uint64_t load_tally_total(const struct load_tally *t)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(t->classes); i++)
		n += t->classes[i];
	return n;
}

uint64_t load_tally_failed(const struct load_tally *t)
{
	return load_tally_total(t) - t->classes[LOAD_OK];
}
