/* The JSON of a model: from the pool's file, and from who has the agents' token. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "firewall/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_model(const struct firewall_model *m)
{
	if (m->n_rules > FIREWALL_RULES_MAX || m->n_nodes > FIREWALL_NODES_MAX)
		abort();
	for (unsigned i = 0; i < m->n_rules; i++) {
		const struct firewall_rule *r = &m->rules[i];

		if (!r->first || r->last < r->first || !r->why || r->who > FIREWALL_FROM)
			abort();
		if (!r->is_udp && r->first <= 22 && r->last >= 22)
			abort();
		if (r->who == FIREWALL_FROM && !r->from.prefix)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct firewall_model *m = calloc(1, sizeof(*m)), *other = calloc(1, sizeof(*other));
	char *text = malloc(size ? size : 1);
	char a[FIREWALL_DIGEST_SIZE], b[FIREWALL_DIGEST_SIZE];
	struct err e = ERR_INIT, e2 = ERR_INIT;

	if (!m || !other || !text)
		abort();
	memcpy(text, data, size);
	AUTO(json) json_t *j = json_parse(text, size, "fuzz", &e);
	if (j && firewall_model_parse(m, j, &e) == 0) {
		AUTO(json) json_t *again = firewall_model_json(m, &e2);

		check_model(m);
		if (!again || firewall_model_parse(other, again, &e2) < 0)
			abort();
		firewall_model_digest(m, a);
		firewall_model_digest(other, b);
		if (strcmp(a, b) != 0)
			abort();
	} else if (e.kind != ERR_PROTOCOL) {
		abort();
	}
	free(m);
	free(other);
	free(text);
	return 0;
}
