/* iptables-save's text has other people's rules in it.  Whatever it says: what is rendered from it
 * is one transaction, and deletes no line that was not there. */

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "firewall/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct buf *b)
{
	const char *line = b->data;

	if (!b->len)
		return;
	if (strncmp(line, "*filter\n", 8) != 0 || b->len < 15 ||
	        strcmp(b->data + b->len - 7, "COMMIT\n") != 0 || strlen(b->data) != b->len)
		abort();
	for (line += 8; *line; line = strchr(line, '\n') + 1)
		if (*line != ':' && *line != '-' && strcmp(line, "COMMIT\n") != 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct firewall_model m;
	AUTO(firewall_present) struct firewall_present p = { 0 }, none = { 0 };
	AUTO(buf) struct buf apply = BUF_INIT(4 << 20), gone = BUF_INIT(4 << 20);
	AUTO(buf) struct buf back = BUF_INIT(4 << 20);
	AUTO(strvec) struct strvec lines = STRVEC_INIT;
	char *text = malloc(size ? size : 1);
	struct firewall_tally t;
	struct err e = ERR_INIT;
	int rc;

	if (!text)
		abort();
	memcpy(text, data, size);
	firewall_model_init(&m);
	rc = firewall_present_parse(&p, text, size, &e);
	free(text);
	if (rc < 0) {
		if (e.kind != ERR_PROTOCOL && e.kind != ERR_CONFLICT)
			abort();
		return 0;
	}
	if (p.rules.n != p.counts.n || firewall_diff(&lines, &p, &m, AF_INET, &e) < 0 ||
	        firewall_render(&apply, &p, &m, AF_INET, &e) < 0 ||
	        firewall_render_remove(&gone, &p, &e) < 0 ||
	        firewall_render_back(&back, &none, &p, &e) < 0)
		abort();
	check(&apply);
	check(&gone);
	check(&back);
	if ((gone.len != 0) != firewall_present_any(&p))
		abort();
	firewall_tally(&t, &p, &m.rules[0]);
	return 0;
}
