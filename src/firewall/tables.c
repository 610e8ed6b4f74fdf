#include "firewall/tables.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "firewall/tables_priv.h"

static const struct firewall_jump wanted_jumps[] = {
	{ (char *)(uintptr_t) "-A INPUT -j " IN, 1 },
	{ (char *)(uintptr_t) "-A " USER " -j " FWD, 1 },
};

/* --- the rules of a model -------------------------------------------------------------------- */

/* A rule's own part, in iptables-save's order of words. */
static void match_text(char *out, size_t size, const struct firewall_rule *r, bool forward)
{
	const char *protocol = r->is_udp ? "udp" : "tcp";
	char ports[FIREWALL_PORTS_SIZE];

	firewall_ports_text(ports, r, ':');
	if (forward)
		snprintf(out, size, "-p %s -m conntrack --ctorigdstport %s --ctdir ORIGINAL",
		        protocol, ports);
	else
		snprintf(out, size, "-p %s -m %s --dport %s", protocol, protocol, ports);
}

/* "-s" as iptables-save prints it: with the prefix of a single address. */
static void source_text(char *out, size_t size, const struct firewall_net *net)
{
	char text[FIREWALL_NET_SIZE];
	const char *slash = strchr(firewall_net_text(text, net), '/');

	if (slash)
		snprintf(out, size, "-s %s", text);
	else
		snprintf(out, size, "-s %s/%u", text, net->prefix);
}

/* Rules of one port are one block: networks, nodes, and what is for all others at its end. */
static int add_block(struct strvec *ret, const struct firewall_model *m, unsigned first,
        unsigned end, int family, bool forward)
{
	const char *chain = forward ? FWD : IN, *yes = forward ? "RETURN" : "ACCEPT";
	enum firewall_who last = m->rules[first].who;
	char match[96], source[64];

	match_text(match, sizeof(match), &m->rules[first], forward);
	for (unsigned i = first; i < end; i++) {
		const struct firewall_rule *r = &m->rules[i];

		if (r->who != FIREWALL_FROM) {
			last = r->who;
			continue;
		}
		source_text(source, sizeof(source), &r->from);
		if (r->from.family == family &&
		        strvec_add_fmt(ret, "-A %s %s %s -j %s", chain, source, match, yes) < 0)
			return -1;
	}
	switch (last) {
	case FIREWALL_OPEN:
		return strvec_add_fmt(ret, "-A %s %s -j %s", chain, match, yes);
	case FIREWALL_NODES:
		if (strvec_add_fmt(ret, "-A %s %s -j " NODES, chain, match) < 0)
			return -1;
		return strvec_add_fmt(ret, "-A %s %s -j %s", chain, match, yes);
	case FIREWALL_CLOSED:
	case FIREWALL_FROM:
		break;
	}
	return strvec_add_fmt(ret, "-A %s %s -j DROP", chain, match);
}

static int add_chain(struct strvec *ret, const struct firewall_model *m, int family, bool forward)
{
	if (!forward && strvec_add(ret, "-A " IN " -i lo -j RETURN") < 0)
		return -1;
	if (strvec_add_fmt(ret, "-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
	            forward ? FWD : IN) < 0)
		return -1;
	if (forward && strvec_add(ret, "-A " FWD " -m conntrack ! --ctstate DNAT -j RETURN") < 0)
		return -1;
	for (unsigned i = 0, end; i < m->n_rules; i = end) {
		end = firewall_block_end(m, i);
		if (add_block(ret, m, i, end, family, forward) < 0)
			return -1;
	}
	return 0;
}

static int add_nodes(struct strvec *ret, const struct firewall_model *m, int family)
{
	char source[64];

	for (unsigned i = 0; i < m->n_nodes; i++) {
		source_text(source, sizeof(source), &m->nodes[i]);
		if (m->nodes[i].family == family &&
		        strvec_add_fmt(ret, "-A " NODES " %s -j RETURN", source) < 0)
			return -1;
	}
	return strvec_add(ret, "-A " NODES " -j DROP");
}

int firewall_wanted(struct strvec *ret, const struct firewall_model *m, int family, struct err *e)
{
	if (add_chain(ret, m, family, true) < 0 || add_chain(ret, m, family, false) < 0 ||
	        add_nodes(ret, m, family) < 0)
		return err_nomem(e);
	return 0;
}

unsigned firewall_rule_count(const struct firewall_model *m, unsigned i, int family)
{
	const struct firewall_rule *r = &m->rules[i];

	switch (r->who) {
	case FIREWALL_OPEN:
	case FIREWALL_CLOSED:
		return 2;
	case FIREWALL_NODES:
		return 4;
	case FIREWALL_FROM:
		break;
	}
	/* The one that drops all others belongs to the first network of the port. */
	return (r->from.family == family ? 2 : 0) +
	        (i == 0 || firewall_block_end(m, i - 1) == i ? 2 : 0);
}

/* --- counters -------------------------------------------------------------------------------- */

static uint64_t packets_of(const char *counts)
{
	struct err ignored = ERR_INIT;
	char digits[24];
	size_t n = strcspn(counts, ":");
	uint64_t packets = 0;

	if (!n || n >= sizeof(digits))
		return 0;
	memcpy(digits, counts, n);
	digits[n] = '\0';
	if (num_uint(&packets, digits, 0, INT64_MAX, &ignored) < 0)
		return 0;
	return packets;
}

void firewall_tally(
        struct firewall_tally *ret, const struct firewall_present *p, const struct firewall_rule *r)
{
	char match[2][96];
	uint64_t passed = 0, to_nodes = 0, from_nodes = 0;

	*ret = (struct firewall_tally){ 0 };
	match_text(match[0], sizeof(match[0]), r, true);
	match_text(match[1], sizeof(match[1]), r, false);
	for (size_t i = 0; i < p->rules.n; i++) {
		const char *line = p->rules.v[i], *found = strstr(line, match[0]), *target;
		uint64_t n = packets_of(p->counts.v[i]);
		bool is_some =
		        str_starts(spec_of(line) + strcspn(spec_of(line), " "), " -s ", NULL);

		target = found ? found + strlen(match[0]) : NULL;
		if (!found && (found = strstr(line, match[1])))
			target = found + strlen(match[1]);
		if (!target)
			continue;
		if (strcmp(target, " -j DROP") == 0)
			ret->dropped += n;
		else if (strcmp(target, " -j " NODES) == 0)
			to_nodes += n;
		else if (is_some)
			passed += n;
		else if (strcmp(target, " -j ACCEPT") == 0 || strcmp(target, " -j RETURN") == 0)
			from_nodes += n;
	}
	/* What went to the chain of nodes and did not come back was dropped there. */
	ret->admitted = passed + from_nodes;
	ret->dropped += to_nodes > from_nodes ? to_nodes - from_nodes : 0;
}

/* --- differences ----------------------------------------------------------------------------- */

static size_t count_of(const struct strvec *sv, const char *s)
{
	size_t n = 0;

	for (size_t i = 0; i < sv->n; i++)
		n += strcmp(sv->v[i], s) == 0;
	return n;
}

static size_t count_before(const struct strvec *sv, size_t end)
{
	size_t n = 0;

	for (size_t i = 0; i < end; i++)
		n += strcmp(sv->v[i], sv->v[end]) == 0;
	return n;
}

/* Those of a that b has not, or not so often. */
static int add_only(
        struct strvec *ret, const struct strvec *a, const struct strvec *b, const char *word)
{
	for (size_t i = 0; i < a->n; i++)
		if (count_before(a, i) >= count_of(b, a->v[i]) &&
		        strvec_add_fmt(ret, "%s: %s", word, spec_of(a->v[i])) < 0)
			return -1;
	return 0;
}

static bool same_lines(const struct strvec *a, const struct strvec *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return a->n == b->n;
}

static int diff_rules(struct strvec *ret, const struct strvec *present, const struct strvec *wanted)
{
	size_t before = ret->n;

	if (same_lines(present, wanted))
		return 0;
	if (add_only(ret, wanted, present, "missing") < 0 ||
	        add_only(ret, present, wanted, "extra") < 0)
		return -1;
	if (ret->n != before)
		return 0;
	for (size_t i = 0; i < wanted->n; i++)
		if (strcmp(wanted->v[i], present->v[i]) != 0)
			return strvec_add_fmt(ret, "order: '%s' stands where '%s' belongs",
			        spec_of(present->v[i]), spec_of(wanted->v[i]));
	return 0;
}

/* The first of those that are the jump, and how many there are. */
static const struct firewall_jump *find_jump(
        const struct firewall_present *p, const char *line, unsigned *ret_n)
{
	const struct firewall_jump *found = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < p->n_jumps; i++) {
		if (strcmp(p->jumps[i].line, line) != 0)
			continue;
		(*ret_n)++;
		if (!found)
			found = &p->jumps[i];
	}
	return found;
}

static int diff_jump(
        struct strvec *ret, const struct firewall_present *p, const struct firewall_jump *w)
{
	unsigned n;
	const struct firewall_jump *found = find_jump(p, w->line, &n);
	const char *chain = spec_of(w->line);
	int len = (int)strcspn(chain, " ");

	if (!found)
		return strvec_add_fmt(ret, "no jump from %.*s: %s", len, chain, chain);
	if (found->place != 1 &&
	        strvec_add_fmt(ret, "order: '%s' is rule %u of %.*s, not the first", chain,
	                found->place, len, chain) < 0)
		return -1;
	if (n > 1)
		return strvec_add_fmt(ret, "extra: '%s' is there %u times", chain, n);
	return 0;
}

static bool is_wanted_jump(const char *line)
{
	for (size_t i = 0; i < ARRAY_LEN(wanted_jumps); i++)
		if (strcmp(line, wanted_jumps[i].line) == 0)
			return true;
	return false;
}

static int diff_chains(struct strvec *ret, const struct firewall_present *p)
{
	for (size_t i = 0; i < CHAINS; i++)
		if (count_of(&p->chains, firewall_chains[i]) == 0 &&
		        strvec_add_fmt(ret, "no chain %s", firewall_chains[i]) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(wanted_jumps); i++)
		if (diff_jump(ret, p, &wanted_jumps[i]) < 0)
			return -1;
	for (size_t i = 0; i < p->n_jumps; i++)
		if (!is_wanted_jump(p->jumps[i].line) &&
		        strvec_add_fmt(ret, "extra: %s", spec_of(p->jumps[i].line)) < 0)
			return -1;
	return 0;
}

/* What apply can mend. */
static int diff_ours(struct strvec *ret, const struct firewall_present *p,
        const struct firewall_model *m, int family, struct err *e)
{
	AUTO(strvec) struct strvec wanted = STRVEC_INIT;

	if (firewall_wanted(&wanted, m, family, e) < 0)
		return -1;
	if (diff_chains(ret, p) < 0 || diff_rules(ret, &p->rules, &wanted) < 0)
		return err_nomem(e);
	return ret->n ? 1 : 0;
}

int firewall_diff(struct strvec *ret_lines, const struct firewall_present *p,
        const struct firewall_model *m, int family, struct err *e)
{
	if (diff_ours(ret_lines, p, m, family, e) < 0)
		return -1;
	if (p->has_docker && p->has_docker_user && !p->forward_jumps &&
	        strvec_add(ret_lines,
	                "FORWARD does not lead to DOCKER-USER, which docker makes "
	                "it do when it starts: restart docker") < 0)
		return err_nomem(e);
	return ret_lines->n ? 1 : 0;
}

/* --- texts for iptables-restore --------------------------------------------------------------- */

struct target {
	const struct strvec *chains, *rules;
	const struct firewall_jump *jumps;
	size_t n_jumps;
	bool wants_user; /* DOCKER-USER */
};

static unsigned user_jumps(const struct firewall_present *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->n_jumps; i++)
		n += str_starts(p->jumps[i].line, "-A " USER " ", NULL);
	return n;
}

/* DOCKER-USER has nothing but what is ours, and nobody leads to it. */
static bool user_is_ours(const struct firewall_present *p)
{
	return p->has_docker_user && !p->docker_user_refs && p->docker_user_rules == user_jumps(p);
}

static int render_chains(
        struct buf *out, const struct firewall_present *now, const struct target *t)
{
	if (t->wants_user && !now->has_docker_user && buf_add_str(out, ":" USER " - [0:0]\n") < 0)
		return -1;
	/* With --noflush too, naming a chain empties it. */
	for (size_t i = 0; i < CHAINS; i++)
		if ((count_of(t->chains, firewall_chains[i]) ||
		            count_of(&now->chains, firewall_chains[i])) &&
		        buf_add_fmt(out, ":%s - [0:0]\n", firewall_chains[i]) < 0)
			return -1;
	return 0;
}

static int render_rules(struct buf *out, const struct firewall_present *now, const struct target *t)
{
	for (size_t i = 0; i < now->n_jumps; i++)
		if (buf_add_fmt(out, "-D %s\n", spec_of(now->jumps[i].line)) < 0)
			return -1;
	for (size_t i = 0; i < t->rules->n; i++)
		if (buf_add_fmt(out, "%s\n", t->rules->v[i]) < 0)
			return -1;
	for (size_t i = 0; i < t->n_jumps; i++) {
		const char *spec = spec_of(t->jumps[i].line);
		int len = (int)strcspn(spec, " ");

		if (buf_add_fmt(out, "-I %.*s %u%s\n", len, spec, t->jumps[i].place, spec + len) <
		        0)
			return -1;
	}
	return 0;
}

static int render(
        struct buf *out, const struct firewall_present *now, const struct target *t, struct err *e)
{
	if (buf_add_str(out, "*filter\n") < 0 || render_chains(out, now, t) < 0 ||
	        render_rules(out, now, t) < 0)
		goto too_long;
	for (size_t i = 0; i < CHAINS; i++)
		if (count_of(&now->chains, firewall_chains[i]) &&
		        !count_of(t->chains, firewall_chains[i]) &&
		        buf_add_fmt(out, "-X %s\n", firewall_chains[i]) < 0)
			goto too_long;
	if (!t->wants_user && user_is_ours(now) && buf_add_str(out, "-X " USER "\n") < 0)
		goto too_long;
	if (buf_add_str(out, "COMMIT\n") < 0)
		goto too_long;
	return 0;
too_long:
	if (errno == ENOMEM)
		return err_nomem(e);
	return err_set(e, ERR_USAGE, "the rules need more than %zu bytes", out->max);
}

int firewall_render(struct buf *out, const struct firewall_present *p,
        const struct firewall_model *m, int family, struct err *e)
{
	AUTO(strvec) struct strvec wanted = STRVEC_INIT, chains = STRVEC_INIT;
	AUTO(strvec) struct strvec lines = STRVEC_INIT;
	struct target t = { &chains, &wanted, wanted_jumps, ARRAY_LEN(wanted_jumps), true };
	int rc = diff_ours(&lines, p, m, family, e);

	if (rc <= 0)
		return rc;
	for (size_t i = 0; i < CHAINS; i++)
		if (strvec_add(&chains, firewall_chains[i]) < 0)
			return err_nomem(e);
	if (firewall_wanted(&wanted, m, family, e) < 0)
		return -1;
	return render(out, p, &t, e);
}

static bool same_jumps(const struct firewall_present *a, const struct firewall_present *b)
{
	for (size_t i = 0; i < a->n_jumps && i < b->n_jumps; i++)
		if (a->jumps[i].place != b->jumps[i].place ||
		        strcmp(a->jumps[i].line, b->jumps[i].line) != 0)
			return false;
	return a->n_jumps == b->n_jumps;
}

bool firewall_present_same(const struct firewall_present *a, const struct firewall_present *b)
{
	return a->has_docker_user == b->has_docker_user && same_jumps(a, b) &&
	        same_lines(&a->chains, &b->chains) && same_lines(&a->rules, &b->rules);
}

int firewall_render_back(struct buf *out, const struct firewall_present *now,
        const struct firewall_present *before, struct err *e)
{
	struct target t = { &before->chains, &before->rules, before->jumps, before->n_jumps,
		before->has_docker_user };

	if (firewall_present_same(now, before))
		return 0;
	return render(out, now, &t, e);
}

int firewall_render_remove(struct buf *out, const struct firewall_present *p, struct err *e)
{
	const struct strvec none = STRVEC_INIT;
	struct target t = { &none, &none, NULL, 0, false };

	return firewall_present_any(p) ? render(out, p, &t, e) : 0;
}
