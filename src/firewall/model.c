#include "firewall/model.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/num.h"
#include "base/str.h"
#include "base/suggest.h"
#include "firewall/admit.h"

#define SSH_PORT    22
#define LINE_WORDS  4
#define OWN         "own"
#define DIGEST_TEXT (256 * 1024)

static const struct {
	enum firewall_who who;
	bool is_udp;
	uint16_t port;
	const char *why;
} built_in[] = {
	{ FIREWALL_NODES, false, 2376, "engine: API over TLS" },
	{ FIREWALL_NODES, false, 2377, "swarm: management" },
	{ FIREWALL_CLOSED, false, 3888, "producer: HTTP" },
	{ FIREWALL_CLOSED, false, 4876, "producer: p2p" },
	{ FIREWALL_NODES, false, 7946, "swarm: gossip" },
	{ FIREWALL_NODES, false, 8870, "agents" },
	{ FIREWALL_OPEN, false, 8888, "front: HTTP" },
	{ FIREWALL_OPEN, false, 9876, "front: p2p" },
	{ FIREWALL_NODES, true, 4789, "swarm: overlay networks" },
	{ FIREWALL_NODES, true, 7946, "swarm: gossip" },
};

static const char *const who_names[] = {
	[FIREWALL_OPEN] = "open",
	[FIREWALL_NODES] = "nodes",
	[FIREWALL_CLOSED] = "closed",
	[FIREWALL_FROM] = "from",
};

const char *firewall_who_name(enum firewall_who who)
{
	return who_names[who];
}

void firewall_model_init(struct firewall_model *m)
{
	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < ARRAY_LEN(built_in); i++)
		m->rules[m->n_rules++] = (struct firewall_rule){
			.who = built_in[i].who,
			.is_udp = built_in[i].is_udp,
			.first = built_in[i].port,
			.last = built_in[i].port,
			.why = built_in[i].why,
		};
}

/* --- networks ------------------------------------------------------------------------------ */

static unsigned family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static unsigned char *net_bytes(struct firewall_net *net)
{
	return net->family == AF_INET ? (unsigned char *)&net->v4 : net->v6.s6_addr;
}

static int net_order(const struct firewall_net *a, const struct firewall_net *b)
{
	int order;

	if (a->family != b->family)
		return a->family == AF_INET ? -1 : 1;
	if (a->family == AF_INET)
		order = memcmp(&a->v4, &b->v4, sizeof(a->v4));
	else if (a->family == AF_INET6)
		order = memcmp(&a->v6, &b->v6, sizeof(a->v6));
	else
		return 0;
	return order ? order : (int)a->prefix - (int)b->prefix;
}

const char *firewall_net_text(char out[FIREWALL_NET_SIZE], const struct firewall_net *net)
{
	size_t n;

	if (!inet_ntop(net->family, net->family == AF_INET ? (const void *)&net->v4 : &net->v6, out,
	            INET6_ADDRSTRLEN)) {
		out[0] = '\0';
		return out;
	}
	n = strlen(out);
	if (net->prefix != family_bits(net->family))
		snprintf(out + n, FIREWALL_NET_SIZE - n, "/%u", net->prefix);
	return out;
}

const char *firewall_ports_text(
        char out[FIREWALL_PORTS_SIZE], const struct firewall_rule *r, char between)
{
	if (r->first == r->last)
		snprintf(out, FIREWALL_PORTS_SIZE, "%u", r->first);
	else
		snprintf(out, FIREWALL_PORTS_SIZE, "%u%c%u", r->first, between, r->last);
	return out;
}

static int parse_address(struct firewall_net *net, const char *text, struct err *e)
{
	if (firewall_address_parse(net, text) == 0)
		return 0;
	return err_set(e, ERR_USAGE, "'%s' is no IPv4 or IPv6 address", text);
}

static int parse_node(struct firewall_net *net, const char *text, struct err *e)
{
	const char *what = NULL;

	if (parse_address(net, text, e) < 0)
		return -1;
	if (net->family == AF_INET) {
		uint32_t a = ntohl(net->v4.s_addr);

		if (a >> 24 == 127)
			what = "a loopback";
		else if (a >> 24 == 0)
			what = "an unspecified";
		else if (a >> 28 == 14)
			what = "a multicast";
		else if (a >> 28 == 15)
			what = "a reserved";
	} else if (IN6_IS_ADDR_LOOPBACK(&net->v6)) {
		what = "a loopback";
	} else if (IN6_IS_ADDR_UNSPECIFIED(&net->v6)) {
		what = "an unspecified";
	} else if (IN6_IS_ADDR_MULTICAST(&net->v6)) {
		what = "a multicast";
	}
	return what ? err_set(e, ERR_USAGE, "'%s' is %s address and no node's", text, what) : 0;
}

static bool cut_host_bits(struct firewall_net *net)
{
	unsigned char *b = net_bytes(net);
	bool had = false;

	for (unsigned i = net->prefix; i < family_bits(net->family); i++) {
		unsigned char bit = (unsigned char)(0x80 >> (i % 8));

		had = had || (b[i / 8] & bit);
		b[i / 8] &= (unsigned char)~bit;
	}
	return had;
}

static int parse_net(struct firewall_net *net, const char *text, struct err *e)
{
	char address[INET6_ADDRSTRLEN], right[FIREWALL_NET_SIZE];
	const char *slash = strchr(text, '/');
	uint64_t prefix;

	if (!slash)
		return parse_address(net, text, e);
	if ((size_t)(slash - text) >= sizeof(address))
		return err_set(e, ERR_USAGE, "'%s' is no network", text);
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (parse_address(net, address, e) < 0)
		return -1;
	if (net->family == AF_INET && strchr(address, ':'))
		return err_set(e, ERR_USAGE, "'%s': write it as a network of IPv4", text);
	if (num_uint(&prefix, slash + 1, 0, net->prefix, e) < 0)
		return err_wrap(e, "the length of the prefix of '%s'", text);
	if (prefix == 0) {
		err_set(e, ERR_USAGE, "'%s' is everybody", text);
		return err_hint(e, "for that there is 'open'");
	}
	net->prefix = (unsigned)prefix;
	if (cut_host_bits(net))
		return err_set(e, ERR_USAGE, "'%s' has bits behind its prefix; did you mean '%s'?",
		        text, firewall_net_text(right, net));
	return 0;
}

/* --- nodes --------------------------------------------------------------------------------- */

/* Where it is, or where it belongs. */
static unsigned node_place(const struct firewall_model *m, const struct firewall_net *net)
{
	unsigned lo = 0, hi = m->n_nodes;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (net_order(&m->nodes[mid], net) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int insert_node(struct firewall_model *m, const char *address, bool is_own, struct err *e)
{
	struct firewall_net net;
	unsigned at;

	if (parse_node(&net, address, e) < 0)
		return -1;
	at = node_place(m, &net);
	if (at < m->n_nodes && net_order(&m->nodes[at], &net) == 0) {
		m->nodes[at].is_own = m->nodes[at].is_own && is_own;
		return 0;
	}
	if (m->n_nodes == FIREWALL_NODES_MAX)
		return err_set(e, ERR_USAGE, "more than %d addresses of nodes", FIREWALL_NODES_MAX);
	memmove(&m->nodes[at + 1], &m->nodes[at], (m->n_nodes - at) * sizeof(m->nodes[0]));
	net.is_own = is_own;
	m->nodes[at] = net;
	m->n_nodes++;
	return 0;
}

int firewall_model_add_node(struct firewall_model *m, const char *address, struct err *e)
{
	return insert_node(m, address, false, e);
}

void firewall_model_drop_nodes(struct firewall_model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_nodes; i++)
		if (m->nodes[i].is_own)
			m->nodes[n++] = m->nodes[i];
	m->n_nodes = n;
}

bool firewall_model_has_node(const struct firewall_model *m, const char *address)
{
	struct firewall_net net;
	unsigned at;

	if (firewall_address_parse(&net, address) < 0)
		return false;
	at = node_place(m, &net);
	return at < m->n_nodes && net_order(&m->nodes[at], &net) == 0;
}

/* --- rules --------------------------------------------------------------------------------- */

static int rule_order(const struct firewall_rule *a, const struct firewall_rule *b)
{
	if (a->is_udp != b->is_udp)
		return (int)a->is_udp - (int)b->is_udp;
	if (a->first != b->first)
		return (int)a->first - (int)b->first;
	if (a->last != b->last)
		return (int)a->last - (int)b->last;
	if (a->who != b->who)
		return (int)a->who - (int)b->who;
	return net_order(&a->from, &b->from);
}

bool firewall_rule_is_about(const struct firewall_rule *r, bool is_udp, uint16_t port)
{
	return r->is_udp == is_udp && r->first <= port && port <= r->last;
}

const struct firewall_rule *firewall_model_restricts(const struct firewall_model *m, uint16_t port)
{
	for (unsigned i = 0; i < m->n_rules; i++)
		if (m->rules[i].who != FIREWALL_OPEN &&
		        firewall_rule_is_about(&m->rules[i], false, port))
			return &m->rules[i];
	return NULL;
}

static bool same_ports(const struct firewall_rule *a, const struct firewall_rule *b)
{
	return a->is_udp == b->is_udp && a->first == b->first && a->last == b->last;
}

unsigned firewall_block_end(const struct firewall_model *m, unsigned first)
{
	unsigned end = first + 1;

	while (end < m->n_rules && same_ports(&m->rules[first], &m->rules[end]))
		end++;
	return end;
}

static const char *protocol_name(const struct firewall_rule *r)
{
	return r->is_udp ? "udp" : "tcp";
}

static bool is_own(const struct firewall_rule *r)
{
	return strcmp(r->why, OWN) == 0;
}

static bool add_up(enum firewall_who a, enum firewall_who b)
{
	return (a == FIREWALL_FROM && (b == FIREWALL_FROM || b == FIREWALL_NODES)) ||
	        (a == FIREWALL_NODES && b == FIREWALL_FROM);
}

/* What the rule means for another that is there.  0: nothing; 1: the old one goes; 2: it is the
 * same. */
static int compare_rules(
        const struct firewall_rule *old, const struct firewall_rule *r, struct err *e)
{
	char a[FIREWALL_PORTS_SIZE], b[FIREWALL_PORTS_SIZE];

	if (old->is_udp != r->is_udp || old->last < r->first || r->last < old->first)
		return 0;
	firewall_ports_text(a, r, '-');
	firewall_ports_text(b, old, '-');
	if (old->first != r->first || old->last != r->last) {
		err_set(e, ERR_USAGE, "%s %s overlaps with the rule '%s %s %s' (%s)",
		        protocol_name(r), a, who_names[old->who], protocol_name(old), b, old->why);
		return err_hint(e, "write ranges that leave out what has a rule of its own");
	}
	if (old->who == r->who && net_order(&old->from, &r->from) == 0)
		return is_own(old) ? 2 : 1;
	if (add_up(old->who, r->who))
		return 0;
	if (!is_own(old))
		return 1;
	return err_set(e, ERR_USAGE, "%s %s is '%s' here and '%s' in a line before",
	        protocol_name(r), a, who_names[r->who], who_names[old->who]);
}

static int insert_rule(struct firewall_model *m, const struct firewall_rule *r, struct err *e)
{
	unsigned at = 0;

	for (unsigned i = 0; i < m->n_rules;) {
		int rc = compare_rules(&m->rules[i], r, e);

		if (rc < 0)
			return -1;
		if (rc == 2)
			return 0;
		if (rc == 0) {
			i++;
			continue;
		}
		m->n_rules--;
		memmove(&m->rules[i], &m->rules[i + 1], (m->n_rules - i) * sizeof(m->rules[0]));
	}
	if (m->n_rules == FIREWALL_RULES_MAX)
		return err_set(e, ERR_USAGE, "more than %d rules", FIREWALL_RULES_MAX);
	while (at < m->n_rules && rule_order(&m->rules[at], r) < 0)
		at++;
	memmove(&m->rules[at + 1], &m->rules[at], (m->n_rules - at) * sizeof(m->rules[0]));
	m->rules[at] = *r;
	m->n_rules++;
	return 0;
}

static int refuse_port(const struct firewall_rule *r, uint16_t port, struct err *e)
{
	if (!firewall_rule_is_about(r, false, port))
		return 0;
	err_set(e, ERR_USAGE, "tcp port %u is ssh's, and no rule may be for it", port);
	return err_hint(e, "this firewall leaves ports that it has no rule for as they are");
}

/* What keeps a rule of ours off a port where ssh listens ("open") has to be sayable. */
static int refuse_ssh(const struct firewall_rule *r, const uint16_t *ports, size_t n, struct err *e)
{
	for (size_t i = 0; i < n && r->who != FIREWALL_OPEN; i++)
		if (refuse_port(r, ports[i], e) < 0)
			return -1;
	return refuse_port(r, SSH_PORT, e);
}

/* --- the file of additions ----------------------------------------------------------------- */

struct lines {
	struct firewall_model *m;
	const uint16_t *ssh_ports;
	size_t n_ssh;
};

static int parse_who(enum firewall_who *ret, const char *word, struct err *e)
{
	struct suggest s;

	suggest_start(&s, word);
	suggest_offer(&s, "node");
	for (size_t i = 0; i < ARRAY_LEN(who_names); i++) {
		if (strcmp(word, who_names[i]) == 0) {
			*ret = (enum firewall_who)i;
			return 0;
		}
		suggest_offer(&s, who_names[i]);
	}
	return err_set(e, ERR_USAGE, "unknown word '%s'%s", word, suggest_text(&s));
}

static int parse_protocol(bool *ret_is_udp, const char *word, struct err *e)
{
	*ret_is_udp = strcmp(word, "udp") == 0;
	if (*ret_is_udp || strcmp(word, "tcp") == 0)
		return 0;
	return err_set(e, ERR_USAGE, "unknown protocol '%s', expected tcp or udp", word);
}

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
	struct firewall_rule r = { .why = OWN };
	size_t wanted;

	if (strcmp(word[0], "node") == 0) {
		if (n != 2)
			return err_set(e, ERR_USAGE, "expected 'node ADDRESS'");
		return insert_node(l->m, word[1], true, e);
	}
	if (parse_who(&r.who, word[0], e) < 0)
		return -1;
	wanted = r.who == FIREWALL_FROM ? 4 : 3;
	if (n != wanted)
		return err_set(e, ERR_USAGE, "expected '%s tcp|udp PORT[-PORT]%s'", word[0],
		        wanted == 4 ? " NETWORK" : "");
	if (parse_protocol(&r.is_udp, word[1], e) < 0 || parse_ports(&r, word[2], e) < 0)
		return -1;
	if (r.who == FIREWALL_FROM && parse_net(&r.from, word[3], e) < 0)
		return -1;
	if (refuse_ssh(&r, l->ssh_ports, l->n_ssh, e) < 0)
		return -1;
	return insert_rule(l->m, &r, e);
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

/* --- JSON ---------------------------------------------------------------------------------- */

static json_t *rule_json(const struct firewall_rule *r)
{
	char net[FIREWALL_NET_SIZE];
	json_t *j = json_pack("{s:s, s:s, s:i, s:i}", "who", who_names[r->who], "protocol",
	        protocol_name(r), "first", (int)r->first, "last", (int)r->last);

	if (r->who == FIREWALL_FROM)
		(void)json_object_set_new(j, "from", json_string(firewall_net_text(net, &r->from)));
	(void)json_object_set_new(j, "why", json_string(r->why));
	return j;
}

static json_t *nodes_json(const struct firewall_model *m, bool own)
{
	json_t *list = json_array();
	char net[FIREWALL_NET_SIZE];

	for (unsigned i = 0; i < m->n_nodes; i++)
		if (m->nodes[i].is_own == own)
			(void)json_array_append_new(
			        list, json_string(firewall_net_text(net, &m->nodes[i])));
	return list;
}

json_t *firewall_model_json(const struct firewall_model *m, struct err *e)
{
	json_t *rules = json_array(), *j;

	for (unsigned i = 0; i < m->n_rules; i++)
		(void)json_array_append_new(rules, rule_json(&m->rules[i]));
	j = json_pack("{s:i, s:o, s:o, s:o}", "format", 1, "rules", rules, "nodes",
	        nodes_json(m, false), "added_nodes", nodes_json(m, true));
	if (!j || json_array_size(json_object_get(j, "rules")) != m->n_rules ||
	        json_array_size(json_object_get(j, "nodes")) +
	                        json_array_size(json_object_get(j, "added_nodes")) !=
	                m->n_nodes) {
		json_decref(j);
		err_nomem(e);
		return NULL;
	}
	return j;
}

static const char *known_why(const char *why)
{
	for (size_t i = 0; i < ARRAY_LEN(built_in); i++)
		if (strcmp(why, built_in[i].why) == 0)
			return built_in[i].why;
	return OWN;
}

static int parse_rule(struct firewall_model *m, const json_t *j, struct err *e)
{
	int64_t first = json_int(j, "first", 0), last = json_int(j, "last", 0);
	struct firewall_rule r = { .why = known_why(json_str(j, "why", "")) };

	if (parse_who(&r.who, json_str(j, "who", ""), e) < 0 ||
	        parse_protocol(&r.is_udp, json_str(j, "protocol", ""), e) < 0)
		return -1;
	if (first < 1 || last < first || last > UINT16_MAX)
		return err_set(e, ERR_PROTOCOL, "ports %lld to %lld are no range", (long long)first,
		        (long long)last);
	r.first = (uint16_t)first;
	r.last = (uint16_t)last;
	if (r.who == FIREWALL_FROM && parse_net(&r.from, json_str(j, "from", ""), e) < 0)
		return -1;
	return refuse_ssh(&r, NULL, 0, e) < 0 ? -1 : insert_rule(m, &r, e);
}

static int parse_nodes(struct firewall_model *m, const json_t *list, bool own, struct err *e)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const char *address = json_string_value(v);

		if (!address)
			return err_set(e, ERR_PROTOCOL, "an address of a node is no text");
		if (insert_node(m, address, own, e) < 0)
			return -1;
	}
	return 0;
}

static int parse_model(struct firewall_model *m, const json_t *j, struct err *e)
{
	const json_t *rules = json_object_get(j, "rules"), *nodes = json_object_get(j, "nodes");
	const json_t *v;
	size_t i;

	if (json_int(j, "format", 0) != 1)
		return err_set(e, ERR_PROTOCOL, "its format is not 1");
	if (!json_is_array(rules) || !json_is_array(nodes))
		return err_set(e, ERR_PROTOCOL, "no list of rules or of nodes");
	if (json_array_size(rules) > FIREWALL_RULES_MAX)
		return err_set(e, ERR_PROTOCOL, "more than %d rules", FIREWALL_RULES_MAX);
	json_array_foreach(rules, i, v)
	{
		if (parse_rule(m, v, e) < 0)
			return err_wrap(e, "rule %zu", i + 1);
	}
	if (parse_nodes(m, json_object_get(j, "added_nodes"), true, e) < 0)
		return -1;
	return parse_nodes(m, nodes, false, e);
}

int firewall_model_parse(struct firewall_model *m, const json_t *j, struct err *e)
{
	AUTO(free) struct firewall_model *trial = calloc(1, sizeof(*trial));

	if (!trial)
		return err_nomem(e);
	if (parse_model(trial, j, e) < 0) {
		if (e->kind == ERR_USAGE)
			e->kind = ERR_PROTOCOL;
		return err_wrap(e, "model of a firewall");
	}
	*m = *trial;
	return 0;
}

void firewall_model_digest(const struct firewall_model *m, char ret[FIREWALL_DIGEST_SIZE])
{
	AUTO(buf) struct buf b = BUF_INIT(DIGEST_TEXT);
	char net[FIREWALL_NET_SIZE], hex[SHA256_HEX_SIZE];
	bool ok = true;

	for (unsigned i = 0; i < m->n_rules; i++) {
		const struct firewall_rule *r = &m->rules[i];

		ok = ok &&
		        buf_add_fmt(&b, "%s %s %u %u %s\n", who_names[r->who], protocol_name(r),
		                r->first, r->last,
		                r->who == FIREWALL_FROM ? firewall_net_text(net, &r->from) : "") ==
		                0;
	}
	for (unsigned i = 0; i < m->n_nodes; i++)
		ok = ok && buf_add_fmt(&b, "%s\n", firewall_net_text(net, &m->nodes[i])) == 0;
	/* Without memory: equal to nothing. */
	if (!ok) {
		snprintf(ret, FIREWALL_DIGEST_SIZE, "unknown");
		return;
	}
	sha256_hex(hex, b.data ? b.data : "", b.len);
	memcpy(ret, hex, FIREWALL_DIGEST_SIZE - 1);
	ret[FIREWALL_DIGEST_SIZE - 1] = '\0';
}
