#include "supervise/tenure_compare.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "http/probe.h"
#include "loop/loop.h"
#include "loop/resolve.h"

#define LOOK_UP_NS (5 * NS_PER_SEC)
#define STATE_NS   (500 * NS_PER_MS)
#define OWN_NS     (500 * NS_PER_MS)
#define STATE_MAX  (64U * 1024)
#define INFO_MAX   (64U * 1024)
#define PORT       8880
#define NAMES_MAX  8
#define OWN_MAX    32

/* In each block since instant finality is active; Spring 1.0, proper_svnn_schedule_version. */
#define SAVANNA_SCHEDULE (UINT32_C(1) << 31)

struct name {
	struct tenure_compare *c;
	char host[128];
	uint16_t port;
	struct resolve *resolve; /* NULL: nothing under way */
	bool has_complained;
};

struct other {
	struct tenure_compare *c;
	size_t name;
	struct in_addr address;
	struct http_probe *probe;
	bool answers;  /* in the last round that it was asked in; at first it is expected to */
	bool is_asked; /* in this round, and has not answered yet */
	bool has_said;
	struct tenure_peer said;
	struct http_probe *block; /* its block where our LIB is, in this round; NULL */
};

enum step { STEP_NONE, STEP_OTHERS, STEP_OWN, STEP_BLOCKS };

struct tenure_compare {
	struct loop *loop;
	struct http_prober *prober;
	tenure_compare_fn *fn;
	void *arg;
	char holder[LEASE_HOLDER_SIZE];
	struct name names[NAMES_MAX];
	size_t nnames;
	struct loop_timer timer; /* look-ups */
	struct other others[TENURE_PEERS_MAX];
	size_t nothers;
	struct in_addr own[OWN_MAX];
	size_t nown;
	pid_t pid;
	struct http_probe *info, *block;
	char chain_id[NODEOS_ID_HEX_SIZE]; /* of our nodeos; "": not known yet */
	/* The round. */
	enum step step;
	int64_t began_ns;
	struct nodeos_info ours;
	struct tenure_peer heard[TENURE_PEERS_MAX];
	size_t nheard;
	size_t nblocks; /* of others, that have not come yet */
	uint32_t needs[TENURE_HEIGHTS_MAX];
	size_t nneeds;
	struct tenure_height have[TENURE_HEIGHTS_MAX];
	size_t nhave;
	struct tenure_compared result;
};

static void ask_height(struct tenure_compare *c);
static void ask_own(struct tenure_compare *c);

/* --- the end of a round ----------------------------------------------------------------------- */

static void end_round(struct tenure_compare *c, enum tenure_heads heads)
{
	c->step = STEP_NONE;
	c->result.heads = heads;
	if (heads == TENURE_HEADS_UNKNOWN)
		c->result.votes = (struct tenure_votes){ .is_split = false };
	c->result.began_ns = c->began_ns;
	c->fn(c->arg);
}

static void own_failed(struct tenure_compare *c, const struct http_probe_result *r)
{
	snprintf(c->result.why, sizeof(c->result.why), "nodeos does not say its blocks: %.150s",
	        r && r->failure ? r->failure->msg : "its answer is not understood");
	str_printable(c->result.why);
	end_round(c, TENURE_HEADS_UNKNOWN);
}

static void judge(struct tenure_compare *c)
{
	c->result.info = c->ours;
	c->nheard = 0;
	for (size_t i = 0; i < c->nothers; i++)
		if (c->others[i].has_said)
			c->heard[c->nheard++] = c->others[i].said;
	tenure_heads_vote(&c->result.votes, &c->ours, c->heard, c->nheard, c->have, c->nhave);
	end_round(c,
	        tenure_heads_judge(&c->ours, c->heard, c->nheard, c->have, c->nhave, c->result.why,
	                sizeof(c->result.why)));
}

/* --- blocks of the others --------------------------------------------------------------------- */

/* What is not had in time is not known. */
static void on_block(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct other *o = arg;
	struct tenure_compare *c = o->c;
	struct nodeos_block_info b;
	struct err ignored = ERR_INIT;

	if (r->status == 200 && nodeos_block_info_parse(&b, r->body, r->len, &ignored) == 0 &&
	        b.block_num == c->ours.last_irreversible_block_num)
		memcpy(o->said.at_lib_id, b.id, sizeof(o->said.at_lib_id));
	if (c->step == STEP_BLOCKS && --c->nblocks == 0)
		judge(c);
}

static bool ask_block(struct other *o)
{
	const struct tenure_compare *c = o->c;
	char text[INET_ADDRSTRLEN] = "", url[100];
	struct err ignored = ERR_INIT;

	(void)inet_ntop(AF_INET, &o->address, text, sizeof(text));
	snprintf(url, sizeof(url), "http://%s:%u/block?num=%u", text,
	        (unsigned)c->names[o->name].port, (unsigned)c->ours.last_irreversible_block_num);
	http_probe_free(o->block);
	o->block = http_probe_new(c->prober, url, INFO_MAX, &ignored);
	return o->block && http_probe_start(o->block, NULL, STATE_NS, on_block, o, &ignored) == 0;
}

static void ask_blocks(struct tenure_compare *c)
{
	c->step = STEP_BLOCKS;
	c->nblocks = 0;
	for (size_t i = 0; i < c->nothers; i++) {
		struct other *o = &c->others[i];

		if (o->has_said && tenure_heads_asks(&c->ours, &o->said, c->have, c->nhave))
			c->nblocks += ask_block(o);
	}
	if (!c->nblocks)
		judge(c);
}

/* --- our nodeos ------------------------------------------------------------------------------- */

/* Last of a round: how our head was made.  An answer that is not had says nothing. */
static void on_made(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct tenure_compare *c = arg;
	struct nodeos_block b;
	struct err ignored = ERR_INIT;

	if (!r->failure && nodeos_block_parse(&b, r->body, r->len, &ignored) == 0 &&
	        b.schedule_version == SAVANNA_SCHEDULE)
		c->result.has_heights = true;
	ask_blocks(c);
}

static void on_height(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct tenure_compare *c = arg;
	struct tenure_height *h = &c->have[c->nhave];
	struct nodeos_block_info b;
	struct err ignored = ERR_INIT;
	int rc = r->failure ? -1 : nodeos_block_info_parse(&b, r->body, r->len, &ignored);

	h->num = c->needs[c->nhave];
	h->id[0] = '\0';
	if (rc < 0 || (rc == 0 && b.block_num != h->num)) {
		own_failed(c, r);
		return;
	}
	if (rc == 0)
		memcpy(h->id, b.id, sizeof(h->id));
	c->nhave++;
	ask_height(c);
}

/* Block after block, then how the head was made, and that is the end. */
static void ask_height(struct tenure_compare *c)
{
	bool is_made = c->nhave == c->nneeds;
	struct err e = ERR_INIT;
	char body[48];

	if (is_made && c->result.has_heights) {
		ask_blocks(c);
		return;
	}
	snprintf(body, sizeof(body), "{\"block_num\":%u}",
	        (unsigned)(is_made ? c->ours.head_block_num : c->needs[c->nhave]));
	if (http_probe_start(c->block, body, OWN_NS, is_made ? on_made : on_height, c, &e) < 0)
		own_failed(c, NULL);
}

static void on_info(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct tenure_compare *c = arg;
	struct err ignored = ERR_INIT;

	if (r->failure || nodeos_info_parse(&c->ours, r->body, r->len, &ignored) < 0) {
		own_failed(c, r);
		return;
	}
	if (!*c->chain_id) {
		/* What the others have said was not understood without it. */
		memcpy(c->chain_id, c->ours.chain_id, sizeof(c->chain_id));
		c->step = STEP_NONE;
		tenure_compare_begin(c, 0);
		return;
	}
	c->nheard = c->nhave = 0;
	for (size_t i = 0; i < c->nothers; i++)
		if (c->others[i].has_said)
			c->heard[c->nheard++] = c->others[i].said;
	c->nneeds = tenure_heads_needs(&c->ours, c->heard, c->nheard, c->needs);
	ask_height(c);
}

static void ask_own(struct tenure_compare *c)
{
	struct err e = ERR_INIT;

	c->step = STEP_OWN;
	if (http_probe_start(c->info, NULL, OWN_NS, on_info, c, &e) < 0)
		own_failed(c, NULL);
}

/* --- the others ------------------------------------------------------------------------------- */

/* Go on when all have answered, or somebody has and nobody is awaited who did the last time. */
static void look_on(struct tenure_compare *c)
{
	size_t left = 0, awaited = 0, said = 0;

	if (c->step != STEP_OTHERS)
		return;
	for (size_t i = 0; i < c->nothers; i++) {
		left += c->others[i].is_asked;
		awaited += c->others[i].is_asked && c->others[i].answers;
		said += c->others[i].has_said;
	}
	if (!left || (said && !awaited))
		ask_own(c);
}

static bool is_ourselves(const struct other *o, const json_t *status)
{
	const struct tenure_compare *c = o->c;
	char holder[LEASE_HOLDER_SIZE];
	bool is_own = false;

	for (size_t i = 0; i < c->nown; i++)
		is_own = is_own || c->own[i].s_addr == o->address.s_addr;
	snprintf(holder, sizeof(holder), "%s.%lld", json_str(status, "service", ""),
	        (long long)json_int(status, "slot", 0));
	return is_own && strcmp(holder, c->holder) == 0 &&
	        json_int(status, "nodeos_pid", 0) == (int64_t)c->pid;
}

static void on_state(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct other *o = arg;
	struct err ignored = ERR_INIT;
	AUTO(json) json_t *status = NULL;
	bool is_late = !o->is_asked || o->c->step != STEP_OTHERS;

	o->is_asked = false;
	if (r->status == 200)
		status = json_parse_object(r->body, r->len, "/state", &ignored);
	o->answers = status != NULL;
	if (is_late)
		return;
	if (status && !is_ourselves(o, status))
		o->has_said =
		        tenure_peer_from_status(&o->said, status, o->c->chain_id, &ignored) == 0;
	look_on(o->c);
}

void tenure_compare_begin(struct tenure_compare *c, int64_t since)
{
	struct err ignored = ERR_INIT;

	if (!c->info || (c->step != STEP_NONE && c->began_ns >= since))
		return;
	http_probe_cancel(c->info);
	http_probe_cancel(c->block);
	c->began_ns = clock_boot_ns();
	c->step = STEP_OTHERS;
	for (size_t i = 0; i < c->nothers; i++) {
		struct other *o = &c->others[i];

		/* What an earlier round has asked is too old for this one. */
		http_probe_cancel(o->probe);
		http_probe_free(TAKE(o->block));
		err_clear(&ignored);
		o->has_said = false;
		o->is_asked =
		        http_probe_start(o->probe, NULL, STATE_NS, on_state, o, &ignored) == 0;
	}
	look_on(c);
}

const struct tenure_compared *tenure_compare_result(const struct tenure_compare *c)
{
	return &c->result;
}

/* --- who the others are ----------------------------------------------------------------------- */

static void look_at_ourselves(struct tenure_compare *c)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return;
	c->nown = 0;
	for (const struct ifaddrs *i = list; i && c->nown < OWN_MAX; i = i->ifa_next) {
		struct sockaddr_in a;

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&a, i->ifa_addr, sizeof(a));
		c->own[c->nown++] = a.sin_addr;
	}
	freeifaddrs(list);
}

static bool is_among(struct in_addr a, const struct resolve_answer *found)
{
	for (size_t i = 0; i < found->n; i++)
		if (found->addresses[i].s_addr == a.s_addr)
			return true;
	return false;
}

static void add_other(struct tenure_compare *c, size_t name, struct in_addr address)
{
	struct other *o = &c->others[c->nothers];
	char text[INET_ADDRSTRLEN] = "", url[64];
	struct err ignored = ERR_INIT;

	(void)inet_ntop(AF_INET, &address, text, sizeof(text));
	snprintf(url, sizeof(url), "http://%s:%u/state", text, (unsigned)c->names[name].port);
	*o = (struct other){ .c = c, .name = name, .address = address, .answers = true };
	o->probe = http_probe_new(c->prober, url, STATE_MAX, &ignored);
	if (o->probe)
		c->nothers++;
}

/* Those that are gone go, and as many are added as this name's share allows.  A request under way
 * has a pointer into the list, so they are changed between rounds only. */
static void take_addresses(struct tenure_compare *c, size_t name, const struct resolve_answer *a)
{
	size_t share = TENURE_PEERS_MAX / c->nnames, has = 0, kept = 0;

	for (size_t i = 0; i < c->nothers; i++) {
		http_probe_cancel(c->others[i].probe);
		http_probe_free(TAKE(c->others[i].block));
		c->others[i].is_asked = false;
	}
	for (size_t i = 0; i < c->nothers; i++) {
		struct other *o = &c->others[i];

		if (o->name == name && !is_among(o->address, a)) {
			http_probe_free(o->probe);
			continue;
		}
		has += o->name == name;
		c->others[kept++] = *o;
	}
	c->nothers = kept;
	for (size_t k = 0; k < a->n && has < share && c->nothers < TENURE_PEERS_MAX; k++) {
		bool is_there = false;

		for (size_t i = 0; i < c->nothers; i++)
			is_there = is_there ||
			        (c->others[i].name == name &&
			                c->others[i].address.s_addr == a->addresses[k].s_addr);
		if (is_there)
			continue;
		add_other(c, name, a->addresses[k]);
		has++;
	}
}

static bool is_same(const struct tenure_compare *c, size_t name, const struct resolve_answer *a)
{
	size_t share = TENURE_PEERS_MAX / c->nnames, has = 0;

	for (size_t i = 0; i < c->nothers; i++) {
		if (c->others[i].name != name)
			continue;
		if (!is_among(c->others[i].address, a))
			return false;
		has++;
	}
	return has == (a->n < share ? a->n : share);
}

/* When a name cannot be looked up, its last known addresses stay. */
static void on_resolved(void *arg, const struct resolve_answer *a)
{
	struct name *n = arg;
	struct tenure_compare *c = n->c;
	bool was_asking = c->step == STEP_OTHERS || c->step == STEP_BLOCKS;

	n->resolve = NULL;
	if (a->rc != 0) {
		if (!n->has_complained)
			log_warn("name not looked up",
			        "name=%s why=\"%s\" hint=\"heads are not compared with it\"",
			        n->host, a->why ? a->why : "unknown");
		n->has_complained = true;
		return;
	}
	n->has_complained = false;
	look_at_ourselves(c);
	if (is_same(c, (size_t)(n - c->names), a))
		return;
	take_addresses(c, (size_t)(n - c->names), a);
	if (was_asking) {
		c->step = STEP_NONE;
		tenure_compare_begin(c, 0);
	}
}

static void on_look_up(struct loop_timer *t, void *arg)
{
	struct tenure_compare *c = arg;
	struct err ignored = ERR_INIT;

	loop_timer_set(c->loop, t, clock_mono_ns() + LOOK_UP_NS, on_look_up, c);
	for (size_t i = 0; i < c->nnames; i++) {
		struct name *n = &c->names[i];

		err_clear(&ignored);
		/* Never a second one beside one that hangs. */
		if (!n->resolve)
			n->resolve = resolve_start(c->loop, n->host, on_resolved, n, &ignored);
	}
}

/* --- life ------------------------------------------------------------------------------------- */

static int add_name(struct tenure_compare *c, const char *text, size_t len, struct err *e)
{
	struct name *n = &c->names[c->nnames];
	char word[sizeof(n->host) + 8], *colon;
	uint64_t port = PORT;

	if (c->nnames == NAMES_MAX)
		return err_set(e, ERR_USAGE, "more than %d names to compare heads with", NAMES_MAX);
	if (len >= sizeof(word))
		return err_set(e, ERR_USAGE, "'%.40s...' is too long for a name", text);
	snprintf(word, sizeof(word), "%.*s", (int)len, text);
	colon = strchr(word, ':');
	if (colon) {
		struct err why = ERR_INIT;

		*colon = '\0';
		if (num_uint(&port, colon + 1, 1, UINT16_MAX, &why) < 0)
			return err_set(e, ERR_USAGE, "'%s' is no port of '%s' to compare with",
			        colon + 1, word);
	}
	if (!*word || strlen(word) >= sizeof(n->host))
		return err_set(
		        e, ERR_USAGE, "'%.*s' is no HOST:PORT to compare with", (int)len, text);
	*n = (struct name){ .c = c, .port = (uint16_t)port };
	memcpy(n->host, word, strlen(word) + 1);
	c->nnames++;
	return 0;
}

static int add_names(struct tenure_compare *c, const char *names, struct err *e)
{
	for (const char *at = names + strspn(names, " \t\n"); *at; at += strspn(at, " \t\n")) {
		size_t len = strcspn(at, " \t\n");

		if (add_name(c, at, len, e) < 0)
			return -1;
		at += len;
	}
	return 0;
}

static void forget(struct tenure_compare *c)
{
	http_probe_free(TAKE(c->info));
	http_probe_free(TAKE(c->block));
	for (size_t i = 0; i < c->nothers; i++)
		http_probe_free(TAKE(c->others[i].block));
	c->step = STEP_NONE;
	c->pid = 0;
	c->chain_id[0] = '\0';
	c->result = (struct tenure_compared){ .began_ns = 0 };
}

int tenure_compare_nodeos(
        struct tenure_compare *c, pid_t pid, const char *host, uint16_t port, struct err *e)
{
	char url[200];

	forget(c);
	if (!host)
		return 0;
	c->pid = pid;
	snprintf(url, sizeof(url), "http://%.100s:%u/v1/chain/get_info", host, (unsigned)port);
	c->info = http_probe_new(c->prober, url, INFO_MAX, e);
	snprintf(
	        url, sizeof(url), "http://%.100s:%u/v1/chain/get_block_info", host, (unsigned)port);
	c->block = c->info ? http_probe_new(c->prober, url, INFO_MAX, e) : NULL;
	if (!c->block) {
		forget(c);
		return -1;
	}
	return 0;
}

struct tenure_compare *tenure_compare_new(struct loop *l, struct http_prober *p, const char *names,
        const char *holder, tenure_compare_fn *fn, void *arg, struct err *e)
{
	struct tenure_compare *c = calloc(1, sizeof(*c));

	if (!c) {
		err_nomem(e);
		return NULL;
	}
	c->loop = l;
	c->prober = p;
	c->fn = fn;
	c->arg = arg;
	snprintf(c->holder, sizeof(c->holder), "%s", holder);
	http_prober_keep(p, 2 + TENURE_PEERS_MAX);
	if (add_names(c, names ? names : "", e) < 0) {
		tenure_compare_free(c);
		return NULL;
	}
	look_at_ourselves(c);
	if (c->nnames)
		loop_timer_set(l, &c->timer, clock_mono_ns(), on_look_up, c);
	return c;
}

void tenure_compare_free(struct tenure_compare *c)
{
	if (!c)
		return;
	loop_timer_remove(c->loop, &c->timer);
	for (size_t i = 0; i < c->nnames; i++)
		resolve_cancel(TAKE(c->names[i].resolve));
	for (size_t i = 0; i < c->nothers; i++) {
		http_probe_free(TAKE(c->others[i].probe));
		http_probe_free(TAKE(c->others[i].block));
	}
	forget(c);
	http_prober_keep(c->prober, -(2 + TENURE_PEERS_MAX));
	free(c);
}
