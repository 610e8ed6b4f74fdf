/* The file of additions: what is taken makes rules that both families can be given. */

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "firewall/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rules(const struct firewall_model *m)
{
	if (m->n_rules > FIREWALL_RULES_MAX || m->n_nodes > FIREWALL_NODES_MAX)
		abort();
	for (unsigned i = 0; i < m->n_rules; i++) {
		const struct firewall_rule *r = &m->rules[i];

		if (!r->first || r->last < r->first)
			abort();
		/* Never ssh. */
		if (!r->is_udp && r->first <= 22 && r->last >= 22)
			abort();
	}
}

static void check_text(const struct firewall_model *m, int family)
{
	AUTO(firewall_present) struct firewall_present empty = { 0 }, back = { 0 };
	AUTO(buf) struct buf text = BUF_INIT(4 << 20), said = BUF_INIT(4 << 20);
	AUTO(strvec) struct strvec wanted = STRVEC_INIT, lines = STRVEC_INIT;
	struct err e = ERR_INIT;

	if (firewall_render(&text, &empty, m, family, &e) < 0 ||
	        firewall_wanted(&wanted, m, family, &e) < 0)
		abort();
	/* As it would be read back. */
	if (buf_add_str(&said,
	            "*filter\n:DOCKER-USER - [0:0]\n:NODESWARM-FORWARD - [0:0]\n"
	            ":NODESWARM-INPUT - [0:0]\n:NODESWARM-NODES - [0:0]\n"
	            "-A INPUT -j NODESWARM-INPUT\n-A DOCKER-USER -j NODESWARM-FORWARD\n") < 0)
		abort();
	for (size_t i = 0; i < wanted.n; i++)
		if (buf_add_fmt(&said, "%s\n", wanted.v[i]) < 0)
			abort();
	if (buf_add_str(&said, "COMMIT\n") < 0 ||
	        firewall_present_parse(&back, said.data, said.len, &e) < 0 ||
	        firewall_diff(&lines, &back, m, family, &e) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t ssh = 2222;
	struct firewall_model *m = calloc(1, sizeof(*m)), *other = calloc(1, sizeof(*other));
	char *text = malloc(size ? size : 1);
	char a[FIREWALL_DIGEST_SIZE], b[FIREWALL_DIGEST_SIZE];
	struct err e = ERR_INIT;

	if (!m || !other || !text)
		abort();
	memcpy(text, data, size);
	firewall_model_init(m);
	if (firewall_model_add(m, text, size, "file", &ssh, 1, &e) < 0) {
		if (e.kind != ERR_USAGE)
			abort();
	} else {
		AUTO(json) json_t *j = firewall_model_json(m, &e);

		check_rules(m);
		check_text(m, AF_INET);
		check_text(m, AF_INET6);
		if (!j || firewall_model_parse(other, j, &e) < 0)
			abort();
		firewall_model_digest(m, a);
		firewall_model_digest(other, b);
		if (strcmp(a, b) != 0)
			abort();
	}
	free(m);
	free(other);
	free(text);
	return 0;
}
