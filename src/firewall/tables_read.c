/*
 * What iptables-save says: our chains with their rules, and who leads to them
 *
 * Other people's rules are passed over, whatever is in them, but for their targets.  What is no
 * line of iptables-save, or has no end, is refused: what was not read would be taken for missing.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "firewall/tables_priv.h"

#define JUMPS_MAX 1024
#define RULES_MAX 8192 /* in a chain of ours; FIREWALL_NODES_MAX and some */

const char *const firewall_chains[CHAINS] = { FWD, IN, NODES };

struct word {
	const char *at;
	size_t n;
};

static bool word_is(const struct word *w, const char *s)
{
	return w->n == strlen(s) && memcmp(w->at, s, w->n) == 0;
}

static bool is_ours(const struct word *w)
{
	for (size_t i = 0; i < CHAINS; i++)
		if (word_is(w, firewall_chains[i]))
			return true;
	return false;
}

/* The next word; a text in quotes, as comments are, is one.  false at the end. */
static bool next_word(struct word *w, const char **at)
{
	const char *p = *at + strspn(*at, " ");
	bool quoted = *p == '"';

	w->at = p;
	if (!*p)
		return false;
	if (quoted)
		for (p++; *p && *p != '"'; p++)
			if (*p == '\\' && p[1])
				p++;
	p += strcspn(p, " ");
	w->n = (size_t)(p - w->at);
	*at = p;
	return true;
}

/* The chain that the rule leads to, by -j or -g; empty when there is none. */
static struct word rule_target(const char *spec)
{
	struct word w, before = { "", 0 };

	while (next_word(&w, &spec)) {
		if (word_is(&before, "-j") || word_is(&before, "-g"))
			return w;
		before = w;
	}
	return (struct word){ "", 0 };
}

/* Rules come chain by chain, but not every version sorts the chains. */
struct reader {
	struct firewall_present *p;
	struct strvec rules[CHAINS], counts[CHAINS];
	char last_chain[64];
	unsigned place;
	bool in_filter;
};

static void reader_release(struct reader *r)
{
	for (size_t i = 0; i < CHAINS; i++) {
		strvec_release(&r->rules[i]);
		strvec_release(&r->counts[i]);
	}
}

static int add_jump(struct firewall_present *p, const char *line, unsigned place, struct err *e)
{
	struct firewall_jump *v;

	if (p->n_jumps == JUMPS_MAX)
		return err_set(
		        e, ERR_PROTOCOL, "more than %d rules that lead to our chains", JUMPS_MAX);
	v = reallocarray(p->jumps, p->n_jumps + 1, sizeof(*v));
	if (!v)
		return err_nomem(e);
	p->jumps = v;
	v[p->n_jumps].place = place;
	v[p->n_jumps].line = strdup(line);
	if (!v[p->n_jumps].line)
		return err_nomem(e);
	p->n_jumps++;
	return 0;
}

/* The rules of a chain stand together in every version's output. */
static unsigned count_place(struct reader *r, const struct word *chain)
{
	if (!word_is(chain, r->last_chain)) {
		snprintf(r->last_chain, sizeof(r->last_chain), "%.*s", (int)chain->n, chain->at);
		r->place = 0;
	}
	return ++r->place;
}

static int read_rule(struct reader *r, const char *line, const char *counts, struct err *e)
{
	const char *at = line + strlen("-A ");
	struct word chain, target;
	unsigned place;

	if (!next_word(&chain, &at))
		return err_set(e, ERR_PROTOCOL, "no chain in '%.80s'", line);
	for (size_t i = 0; i < CHAINS; i++) {
		if (!word_is(&chain, firewall_chains[i]))
			continue;
		if (r->rules[i].n == RULES_MAX)
			return err_set(e, ERR_PROTOCOL, "more than %d rules in %s", RULES_MAX,
			        firewall_chains[i]);
		if (strvec_add(&r->rules[i], line) < 0 || strvec_add(&r->counts[i], counts) < 0)
			return err_nomem(e);
		return 0;
	}
	place = count_place(r, &chain);
	target = rule_target(at);
	if (word_is(&chain, USER))
		r->p->docker_user_rules++;
	if (word_is(&target, USER)) {
		r->p->docker_user_refs++;
		r->p->forward_jumps = r->p->forward_jumps || word_is(&chain, "FORWARD");
	}
	return is_ours(&target) ? add_jump(r->p, line, place, e) : 0;
}

static int read_chain(struct reader *r, const char *line, struct err *e)
{
	const char *at = line + 1;
	struct word chain;

	if (!next_word(&chain, &at))
		return err_set(e, ERR_PROTOCOL, "no chain in '%.80s'", line);
	if (word_is(&chain, USER))
		r->p->has_docker_user = true;
	if (word_is(&chain, "DOCKER"))
		r->p->has_docker = true;
	for (size_t i = 0; i < CHAINS; i++)
		if (word_is(&chain, firewall_chains[i]) &&
		        strvec_add(&r->p->chains, firewall_chains[i]) < 0)
			return err_nomem(e);
	return 0;
}

static int read_comment(const char *line, struct err *e)
{
	/* iptables-nft-save: "# Table `filter' is incompatible, use 'nft' tool." */
	if (!strstr(line, "Table `filter' is incompatible"))
		return 0;
	err_set(e, ERR_CONFLICT, "the filter table has rules that iptables cannot read");
	return err_hint(e, "'nft list table ip filter' shows them; they need a table of their own");
}

static int read_line(struct reader *r, char *line, struct err *e)
{
	const char *counts = "";

	if (*line == '#')
		return read_comment(line, e);
	if (!*line)
		return 0;
	if (*line == '*') {
		r->in_filter = strcmp(line, "*filter") == 0;
		r->last_chain[0] = '\0';
		return 0;
	}
	if (strcmp(line, "COMMIT") == 0) {
		r->in_filter = false;
		return 0;
	}
	if (*line == ':')
		return r->in_filter ? read_chain(r, line, e) : 0;
	if (*line == '[') {
		char *close = strstr(line, "] ");

		if (!close)
			return err_set(e, ERR_PROTOCOL, "no rule behind '%.80s'", line);
		*close = '\0';
		counts = line + 1;
		line = close + 2;
	}
	if (!str_starts(line, "-A ", NULL))
		return err_set(e, ERR_PROTOCOL, "not understood: '%.80s'", line);
	return r->in_filter ? read_rule(r, line, counts, e) : 0;
}

static int read_lines(struct reader *r, char *text, struct err *e)
{
	unsigned number = 0;

	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		if (read_line(r, line, e) < 0)
			return err_wrap(e, "line %u", number);
	}
	/* A reader that was cut short would take rules for missing. */
	if (r->in_filter)
		return err_set(e, ERR_PROTOCOL, "the filter table has no end");
	for (size_t i = 0; i < CHAINS; i++)
		for (size_t j = 0; j < r->rules[i].n; j++)
			if (strvec_add(&r->p->rules, r->rules[i].v[j]) < 0 ||
			        strvec_add(&r->p->counts, r->counts[i].v[j]) < 0)
				return err_nomem(e);
	return 0;
}

int firewall_present_parse(struct firewall_present *p, const char *text, size_t n, struct err *e)
{
	struct reader r = { .p = p };
	AUTO(free) char *copy = NULL;
	int rc;

	memset(p, 0, sizeof(*p));
	if (memchr(text, '\0', n))
		return err_set(e, ERR_PROTOCOL, "iptables-save: a zero byte in its output");
	copy = strndup(text, n);
	if (!copy)
		return err_nomem(e);
	rc = read_lines(&r, copy, e);
	reader_release(&r);
	if (rc < 0) {
		firewall_present_release(p);
		return err_wrap(e, "iptables-save");
	}
	return 0;
}

void firewall_present_release(struct firewall_present *p)
{
	for (size_t i = 0; i < p->n_jumps; i++)
		free(p->jumps[i].line);
	free(p->jumps);
	strvec_release(&p->chains);
	strvec_release(&p->rules);
	strvec_release(&p->counts);
	memset(p, 0, sizeof(*p));
}

bool firewall_present_any(const struct firewall_present *p)
{
	return p->chains.n || p->n_jumps;
}
