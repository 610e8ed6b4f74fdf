/*
 * The user's file of additions: its lines (model.h) into a model
 *
 * They go into a copy of it, so that a file with one wrong line changes nothing.
 */

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "firewall/model_priv.h"

#define LINE_WORDS 4

struct lines {
	struct firewall_model *m;
	const uint16_t *ssh_ports;
	size_t n_ssh;
};

static int parse_ports(struct firewall_rule *r, char *word, struct err *e)
{
	char *dash = strchr(word, '-');
	uint64_t first, last;

	if (dash)
		*dash = '\0';
	if (num_uint(&first, word, 1, UINT16_MAX, e) < 0)
		return err_wrap(e, "port");
	last = first;
	if (dash && num_uint(&last, dash + 1, 1, UINT16_MAX, e) < 0)
		return err_wrap(e, "last port");
	if (last < first)
		return err_set(
		        e, ERR_USAGE, "the range %s-%s ends before it begins", word, dash + 1);
	r->first = (uint16_t)first;
	r->last = (uint16_t)last;
	return 0;
}

static int add_words(const struct lines *l, char **word, size_t n, struct err *e)
{
	struct firewall_rule r = { .why = FIREWALL_OWN };
	size_t wanted;

	if (strcmp(word[0], "node") == 0) {
		if (n != 2)
			return err_set(e, ERR_USAGE, "expected 'node ADDRESS'");
		return firewall_insert_node(l->m, word[1], true, e);
	}
	if (firewall_who_parse(&r.who, word[0], e) < 0)
		return -1;
	wanted = r.who == FIREWALL_FROM ? 4 : 3;
	if (n != wanted)
		return err_set(e, ERR_USAGE, "expected '%s tcp|udp PORT[-PORT]%s'", word[0],
		        wanted == 4 ? " NETWORK" : "");
	if (firewall_protocol_parse(&r.is_udp, word[1], e) < 0 || parse_ports(&r, word[2], e) < 0)
		return -1;
	if (r.who == FIREWALL_FROM && firewall_net_parse(&r.from, word[3], e) < 0)
		return -1;
	if (firewall_refuse_ssh(&r, l->ssh_ports, l->n_ssh, e) < 0)
		return -1;
	return firewall_insert_rule(l->m, &r, e);
}

static int add_line(const struct lines *l, const char *line, struct err *e)
{
	AUTO(free) char *copy = strdup(line);
	char *word[LINE_WORDS + 1], *save = NULL;
	size_t n = 0;

	if (!copy)
		return err_nomem(e);
	*strchrnul(copy, '#') = '\0';
	for (char *w = strtok_r(copy, " \t\r", &save); w; w = strtok_r(NULL, " \t\r", &save)) {
		if (n == ARRAY_LEN(word))
			break;
		word[n++] = w;
	}
	return n ? add_words(l, word, n, e) : 0;
}

static int add_lines(const struct lines *l, char *text, const char *name, struct err *e)
{
	unsigned number = 0;

	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		if (add_line(l, line, e) < 0)
			return err_wrap(e, "%s:%u: '%.80s'", name, number, str_trim(line));
	}
	return 0;
}

int firewall_model_add(struct firewall_model *m, const char *text, size_t n, const char *name,
        const uint16_t *ssh_ports, size_t n_ssh, struct err *e)
{
	AUTO(free) struct firewall_model *trial = malloc(sizeof(*trial));
	AUTO(free) char *copy = NULL;
	struct lines l = { .m = trial, .ssh_ports = ssh_ports, .n_ssh = n_ssh };

	if (n > FIREWALL_FILE_MAX)
		return err_set(e, ERR_USAGE, "%s: more than %d bytes", name, FIREWALL_FILE_MAX);
	if (memchr(text, '\0', n))
		return err_set(e, ERR_USAGE, "%s: is no text", name);
	copy = strndup(text, n);
	if (!trial || !copy)
		return err_nomem(e);
	*trial = *m;
	if (add_lines(&l, copy, name, e) < 0)
		return -1;
	*m = *trial;
	return 0;
}
