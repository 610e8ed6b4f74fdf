#include "supervise/follow_plan.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"

#define REFUSALS_MAX 7

const char *follow_found_name(enum follow_found f)
{
	static const char *const names[] = {
		[FOLLOW_NOT_ASKED] = "unknown",
		[FOLLOW_FOUND] = "found",
		[FOLLOW_NO_NAME] = "no such name",
		[FOLLOW_FAILED] = "failing",
	};

	return names[f];
}

/* --- choosing -------------------------------------------------------------------------- */

struct pair {
	uint64_t weight;
	uint16_t a, b; /* a < b */
};

/* The finaliser of splitmix64: spreads every bit over all of them. */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static int by_weight(const void *x, const void *y)
{
	const struct pair *p = x, *q = y;

	if (p->weight != q->weight)
		return p->weight < q->weight ? -1 : 1;
	return p->a != q->a ? (p->a < q->a ? -1 : 1) : (p->b > q->b) - (p->b < q->b);
}

static bool in_ring(const struct pair *p, size_t n)
{
	return p->b == p->a + 1 || (p->a == 0 && p->b == n - 1);
}

static int choose_graph(bool *ret, const struct in_addr *at, size_t n, size_t self)
{
	AUTO(free) struct pair *pairs = calloc(n * (n - 1) / 2, sizeof(*pairs));
	AUTO(free) uint16_t *degree = calloc(n, sizeof(*degree));
	size_t count = 0;
	int chosen = 0;

	if (!pairs || !degree)
		return -1;
	for (size_t a = 0; a < n; a++)
		for (size_t b = a + 1; b < n; b++) {
			struct pair *p = &pairs[count++];

			p->a = (uint16_t)a;
			p->b = (uint16_t)b;
			/* 0: the ring comes first. */
			p->weight = in_ring(p, n)
			        ? 0
			        : mix((uint64_t)ntohl(at[a].s_addr) << 32 | ntohl(at[b].s_addr)) |
			                1;
		}
	qsort(pairs, count, sizeof(*pairs), by_weight);
	for (size_t i = 0; i < count; i++) {
		const struct pair *p = &pairs[i];
		/* A bit that the order does not look at first. */
		bool from_a = p->weight ? p->weight & 2 : p->b == p->a + 1;

		if (degree[p->a] >= FOLLOW_DEGREE || degree[p->b] >= FOLLOW_DEGREE)
			continue;
		degree[p->a]++;
		degree[p->b]++;
		if (self != (from_a ? p->a : p->b))
			continue;
		ret[from_a ? p->b : p->a] = true;
		chosen++;
	}
	return chosen;
}

static uint64_t text_hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return h;
}

int follow_choose(bool *ret, const struct in_addr *addresses, size_t n, int self, const char *key)
{
	uint64_t seed = text_hash(key);
	int chosen = 0;

	memset(ret, 0, n * sizeof(*ret));
	if (n == 0 || (self >= 0 && n == 1))
		return 0;
	if (self >= 0)
		return choose_graph(ret, addresses, n, (size_t)self);
	while (chosen < FOLLOW_DEGREE && (size_t)chosen < n) {
		uint64_t best = 0;
		size_t at = n;

		for (size_t i = 0; i < n; i++) {
			uint64_t w = mix(seed ^ ntohl(addresses[i].s_addr));

			if (!ret[i] && (at == n || w < best)) {
				best = w;
				at = i;
			}
		}
		ret[at] = true;
		chosen++;
	}
	return chosen;
}

/* --- names ------------------------------------------------------------------------------- */

/* "tasks.readers" and "readers" are the service "nodeswarm_readers", for one of its own stack. */
static bool is_service(const char *host, size_t len, const char *service)
{
	size_t n = strlen(service);

	if (len > 6 && memcmp(host, "tasks.", 6) == 0) {
		host += 6;
		len -= 6;
	}
	if (len > n || strncasecmp(service + n - len, host, len) != 0)
		return false;
	return len == n || service[n - len - 1] == '_';
}

static int set_name(struct follow_name *name, const char *text, const char *service, struct err *e)
{
	size_t host = strcspn(text, ":");
	char port[8] = "";
	uint64_t v;

	if (text[0] == '[')
		return err_set(e, ERR_USAGE,
		        "'%s' cannot be followed: nodeos connects over IPv4 only", text);
	*name = (struct follow_name){ .host_len = host };
	snprintf(name->text, sizeof(name->text), "%s", text);
	if (text[host])
		snprintf(port, sizeof(port), "%.*s", (int)strcspn(text + host + 1, ":"),
		        text + host + 1);
	if (num_uint(&v, port, 1, UINT16_MAX, e) < 0)
		return err_wrap(e, "port of '%s'", text);
	name->port = (uint16_t)v;
	name->is_own = is_service(text, host, service);
	return 0;
}

int follow_set_names(
        struct follow_table *t, const struct strvec *names, const char *service, struct err *e)
{
	struct follow_name new[FOLLOW_NAMES_MAX];
	bool same = names->n == t->nnames;

	if (names->n > FOLLOW_NAMES_MAX)
		return err_set(e, ERR_USAGE, "more than %d names to follow", FOLLOW_NAMES_MAX);
	for (size_t i = 0; i < names->n; i++) {
		if (set_name(&new[i], names->v[i], service, e) < 0)
			return -1;
		same = same && strcmp(new[i].text, t->names[i].text) == 0;
	}
	if (same)
		return 0;
	memcpy(t->names, new, names->n * sizeof(*new));
	t->nnames = names->n;
	t->npeers = 0;
	return 1;
}

void follow_release(struct follow_table *t)
{
	free(TAKE(t->peers));
	t->npeers = t->nnames = 0;
}

void follow_restart(struct follow_table *t)
{
	t->has_list = false;
	for (size_t i = 0; i < t->npeers; i++) {
		struct follow_peer *p = &t->peers[i];

		p->state = FOLLOW_OUT;
		p->is_linked = p->is_doubtful = false;
		p->retry_ns = 0;
		p->refusals = 0;
	}
}

/* --- answers ------------------------------------------------------------------------------ */

static int by_address(const void *x, const void *y)
{
	const struct in_addr *a = x, *b = y;
	uint32_t p = ntohl(a->s_addr), q = ntohl(b->s_addr);

	return p < q ? -1 : p > q;
}

static bool is_among(struct in_addr a, const struct in_addr *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].s_addr == a.s_addr)
			return true;
	return false;
}

/* Sort, drop doubles and all of our own but the first, whose place is *ret_self. */
static size_t tidy(struct in_addr *a, size_t n, const struct in_addr *own, size_t nown,
        bool port_is_ours, int *ret_self)
{
	size_t kept = 0;

	*ret_self = -1;
	qsort(a, n, sizeof(*a), by_address);
	for (size_t i = 0; i < n; i++) {
		bool mine = port_is_ours && is_among(a[i], own, nown);

		if ((kept && a[kept - 1].s_addr == a[i].s_addr) || (mine && *ret_self >= 0))
			continue;
		if (mine)
			*ret_self = (int)kept;
		a[kept++] = a[i];
	}
	return kept;
}

static void peer_text(char out[NODEOS_PEER_SIZE], const struct follow_name *name, struct in_addr a)
{
	char ip[INET_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET, &a, ip, sizeof(ip));
	snprintf(out, NODEOS_PEER_SIZE, "%s%s", ip, name->text + name->host_len);
}

static struct follow_peer *find(const struct follow_table *t, const char *text)
{
	for (size_t i = 0; i < t->npeers; i++)
		if (strcmp(t->peers[i].text, text) == 0)
			return &t->peers[i];
	return NULL;
}

static struct follow_peer *add(struct follow_table *t, const char *text)
{
	struct follow_peer *p;

	if (!t->peers)
		t->peers = calloc(FOLLOW_PEERS_MAX, sizeof(*t->peers));
	if (!t->peers || t->npeers == FOLLOW_PEERS_MAX)
		return NULL;
	p = &t->peers[t->npeers++];
	*p = (struct follow_peer){ .state = FOLLOW_OUT };
	snprintf(p->text, sizeof(p->text), "%s", text);
	return p;
}

/* Set or clear the bit of a name; the time when the last one went is noted. */
static void set_bit(uint32_t *bits, int64_t *lost_ns, size_t i, bool on, int64_t now)
{
	uint32_t before = *bits, bit = UINT32_C(1) << i;

	*bits = on ? before | bit : before & ~bit;
	if (before && !*bits)
		*lost_ns = now;
}

static void set_seen(struct follow_peer *p, size_t i, bool on, int64_t now)
{
	set_bit(&p->seen_in, &p->unseen_ns, i, on, now);
	if (p->seen_in)
		p->home = p->seen_in;
}

static void set_wanted(
        struct follow_table *t, struct follow_peer *p, size_t i, bool on, int64_t now)
{
	uint32_t before = p->wanted_by;

	set_bit(&p->wanted_by, &p->unwanted_ns, i, on, now);
	if (!before != !p->wanted_by)
		t->changed_ns = now;
}

/* The good answer of name i: what the table has of it, and what is new. */
static void apply(struct follow_table *t, size_t i, const struct in_addr *a, const bool *chosen,
        size_t n, int64_t now)
{
	const struct follow_name *name = &t->names[i];
	bool has[FOLLOW_PEERS_MAX] = { false };
	char text[NODEOS_PEER_SIZE];

	for (size_t k = 0; k < n; k++) {
		struct follow_peer *p;

		peer_text(text, name, a[k]);
		p = find(t, text);
		if (!p && chosen[k])
			p = add(t, text);
		if (!p)
			continue;
		has[p - t->peers] = true;
		set_seen(p, i, true, now);
		set_wanted(t, p, i, chosen[k], now);
	}
	for (size_t k = 0; k < t->npeers; k++)
		if (!has[k]) {
			set_wanted(t, &t->peers[k], i, false, now);
			set_seen(&t->peers[k], i, false, now);
		}
}

static void note_found(
        struct follow_table *t, struct follow_name *name, enum follow_found found, int64_t now)
{
	if (name->found == found)
		return;
	name->found = found;
	name->since_ns = now;
	t->changed_ns = now;
}

int follow_answer(struct follow_table *t, size_t i, enum follow_found found,
        const struct in_addr *addresses, size_t n, const struct in_addr *own, size_t nown,
        uint16_t own_port, int64_t now)
{
	struct follow_name *name = &t->names[i];
	AUTO(free) struct in_addr *a = NULL;
	bool chosen[FOLLOW_ADDRESSES_MAX];
	int self;

	if (found != FOLLOW_FOUND) {
		note_found(t, name, found, now);
		return 0;
	}
	a = calloc(n ? n : 1, sizeof(*a));
	if (!a)
		return -1;
	if (n)
		memcpy(a, addresses, n * sizeof(*a));
	n = tidy(a, n, own, nown, name->port == own_port, &self);
	if (n > FOLLOW_ADDRESSES_MAX)
		n = FOLLOW_ADDRESSES_MAX;
	if (self >= (int)n)
		self = -1;
	if (follow_choose(chosen, a, n, self, t->key ? t->key : "") < 0)
		return -1;
	note_found(t, name, found, now);
	name->addresses = n;
	apply(t, i, a, chosen, n, now);
	return 0;
}

/* --- nodeos's list -------------------------------------------------------------------------- */

bool follow_peer(struct follow_table *t, const struct nodeos_peer *seen, bool in_config)
{
	struct follow_peer *p = find(t, seen->text);

	if (!p)
		return false;
	p->is_listed = true;
	p->is_handshaken = seen->is_handshaken;
	if (in_config)
		p->state = FOLLOW_OTHERS;
	return p->seen_in != 0;
}

static void refused(struct follow_peer *p, int64_t now)
{
	p->retry_ns = now + (FOLLOW_RETRY_NS << p->refusals);
	if (p->refusals < REFUSALS_MAX - 1)
		p->refusals++;
}

static void listed(struct follow_table *t, struct follow_peer *p, int64_t asked_ns, int64_t now)
{
	bool was = p->is_linked, is_news = p->told_ns < asked_ns;

	if (p->is_doubtful && is_news) {
		p->is_doubtful = false;
		if (p->is_listed && p->state == FOLLOW_OUT)
			p->state = FOLLOW_OURS;
	}
	if (p->state != FOLLOW_OUT && !p->is_listed && is_news) {
		if (p->state == FOLLOW_OURS)
			refused(p, now);
		p->state = FOLLOW_OUT;
	}
	p->is_linked = p->state != FOLLOW_OUT && p->is_handshaken;
	if (was && !p->is_linked) {
		p->down_ns = now;
		t->changed_ns = now;
	}
	if (p->is_linked)
		p->refusals = 0;
	p->is_listed = p->is_handshaken = false;
}

void follow_listed(struct follow_table *t, int64_t asked_ns, int64_t now)
{
	t->has_list = true;
	for (size_t i = 0; i < t->npeers; i++)
		listed(t, &t->peers[i], asked_ns, now);
}

/* --- what next ------------------------------------------------------------------------------ */

/* After some time without any doubt, "no such name" is as good an answer as another one; for
 * connections that live it never is. */
static void believe_no_name(struct follow_table *t, int64_t now)
{
	for (size_t i = 0; i < t->nnames; i++) {
		const struct follow_name *name = &t->names[i];

		if (name->found != FOLLOW_NO_NAME || now - name->since_ns < FOLLOW_NO_NAME_NS)
			continue;
		for (size_t k = 0; k < t->npeers; k++)
			if (!t->peers[k].is_linked && (t->peers[k].seen_in & (UINT32_C(1) << i))) {
				set_wanted(t, &t->peers[k], i, false, now);
				set_seen(&t->peers[k], i, false, now);
			}
	}
}

/* Nothing is concluded from the answers of a name that now cannot be looked up. */
static bool is_frozen(const struct follow_table *t, const struct follow_peer *p)
{
	for (size_t i = 0; i < t->nnames; i++)
		if ((p->home & (UINT32_C(1) << i)) && t->names[i].found == FOLLOW_FAILED)
			return true;
	return false;
}

static const char *why_let_go(const struct follow_peer *p, int64_t now)
{
	int64_t since = p->unseen_ns > p->down_ns ? p->unseen_ns : p->down_ns;

	if (p->seen_in)
		return now - p->unwanted_ns >= FOLLOW_SPARE_NS ? "others were chosen" : NULL;
	if (!p->is_linked && now - since >= FOLLOW_DOWN_NS)
		return "gone from DNS and down";
	return now - p->unseen_ns >= FOLLOW_GONE_NS ? "long gone from DNS" : NULL;
}

static void forget_unused(struct follow_table *t)
{
	for (size_t i = 0; i < t->npeers;)
		if (!t->peers[i].wanted_by && t->peers[i].state != FOLLOW_OURS &&
		        !t->peers[i].is_doubtful)
			t->peers[i] = t->peers[--t->npeers];
		else
			i++;
}

enum follow_action follow_next(
        struct follow_table *t, int64_t now, const char **ret_text, const char **ret_why)
{
	if (!t->has_list)
		return FOLLOW_NOTHING;
	believe_no_name(t, now);
	forget_unused(t);
	for (size_t i = 0; i < t->npeers; i++) {
		const struct follow_peer *p = &t->peers[i];
		const char *why = NULL;

		if (p->wanted_by) {
			if (p->state != FOLLOW_OUT || now < p->retry_ns)
				continue;
			*ret_text = p->text;
			*ret_why = "";
			return FOLLOW_CONNECT;
		}
		if (p->state != FOLLOW_OURS || now < p->retry_ns || is_frozen(t, p) ||
		        !(why = why_let_go(p, now)))
			continue;
		*ret_text = p->text;
		*ret_why = why;
		return FOLLOW_DISCONNECT;
	}
	return FOLLOW_NOTHING;
}

static void told_connect(struct follow_peer *p, enum nodeos_net_reply reply, int64_t now)
{
	if (reply == NODEOS_NET_ADDED || (reply == NODEOS_NET_ALREADY && p->is_doubtful)) {
		p->state = FOLLOW_OURS;
		p->is_doubtful = false;
		p->down_ns = now;
	} else if (reply == NODEOS_NET_ALREADY) {
		p->state = FOLLOW_OTHERS;
	} else {
		p->is_doubtful = true;
		refused(p, now);
	}
}

void follow_told(struct follow_table *t, enum follow_action action, const char *text,
        enum nodeos_net_reply reply, int64_t now)
{
	struct follow_peer *p = find(t, text);

	if (!p)
		return;
	p->told_ns = t->changed_ns = now;
	if (action == FOLLOW_CONNECT) {
		told_connect(p, reply, now);
	} else if (reply == NODEOS_NET_REMOVED || reply == NODEOS_NET_UNKNOWN) {
		p->state = FOLLOW_OUT;
		p->is_linked = false;
	} else {
		refused(p, now);
	}
}

bool follow_is_restless(const struct follow_table *t, int64_t now)
{
	struct follow_counts c = follow_count(t);

	return now - t->changed_ns < FOLLOW_RESTLESS_NS && (c.connected < c.wanted || c.kept);
}

struct follow_counts follow_count(const struct follow_table *t)
{
	struct follow_counts c = { 0 };

	for (size_t i = 0; i < t->npeers; i++) {
		c.wanted += t->peers[i].wanted_by != 0;
		c.connected += t->peers[i].wanted_by && t->peers[i].is_linked;
		c.kept += !t->peers[i].wanted_by && t->peers[i].state == FOLLOW_OURS;
	}
	for (size_t i = 0; i < t->nnames; i++) {
		bool has_peers = false;

		for (size_t k = 0; k < t->npeers; k++)
			has_peers = has_peers || (t->peers[k].wanted_by & (UINT32_C(1) << i));
		c.failing += t->names[i].found == FOLLOW_FAILED;
		c.sources += !t->names[i].is_own || has_peers;
	}
	return c;
}
