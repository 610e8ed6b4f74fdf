#include "supervise/follow.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "http/probe.h"
#include "loop/loop.h"
#include "loop/resolve.h"

#define LOOK_NS    (3 * NS_PER_SEC)
#define PATIENCE   (10 * NS_PER_SEC) /* a look-up that takes longer has failed */
#define TIMEOUT_NS (5 * NS_PER_SEC)
#define REPLY_MAX  (16U * 1024)
#define OWN_MAX    32

struct lookup {
	struct follow *f;
	size_t name;
	struct resolve *r; /* NULL: nothing under way */
	int64_t started_ns;
	struct in_addr *found; /* the last good answer, without our own addresses */
	size_t nfound;
};

struct follow {
	struct loop *loop;
	struct http_prober *prober;
	char key[192];
	struct follow_table table;
	struct lookup lookups[FOLLOW_NAMES_MAX];
	struct loop_timer timer;
	bool running;
	uint16_t p2p_port;
	struct http_probe *connect, *disconnect;
	/* The request under way. */
	enum follow_action told;
	char text[NODEOS_PEER_SIZE];
};

static void act(struct follow *f);

/* --- telling nodeos -------------------------------------------------------------------- */

static void on_reply(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct follow *f = arg;
	enum follow_action told = f->told;
	enum nodeos_net_reply reply = NODEOS_NET_OTHER;

	f->told = FOLLOW_NOTHING;
	if (r->status >= 200 && r->status <= 299)
		reply = nodeos_net_reply_parse(r->body, r->len);
	if (reply == NODEOS_NET_OTHER)
		log_warn("peer not changed", "peer=%s status=%ld why=\"%s\"", f->text, r->status,
		        r->failure ? r->failure->msg : "the answer is not understood");
	else if (reply == NODEOS_NET_ALREADY)
		log_info("peer not followed", "peer=%s why=\"nodeos has it already\"", f->text);
	follow_told(&f->table, told, f->text, reply, clock_mono_ns());
	act(f);
}

/* One request at a time; each answer leads to the next. */
static void act(struct follow *f)
{
	const char *text, *why;
	struct err e = ERR_INIT;
	char body[NODEOS_PEER_SIZE + 2];
	enum follow_action next;

	if (!f->running || f->told != FOLLOW_NOTHING)
		return;
	next = follow_next(&f->table, clock_mono_ns(), &text, &why);
	if (next == FOLLOW_NOTHING)
		return;
	f->told = next;
	snprintf(f->text, sizeof(f->text), "%s", text);
	snprintf(body, sizeof(body), "\"%s\"", f->text);
	if (next == FOLLOW_CONNECT)
		log_info("following peer", "peer=%s", f->text);
	else
		log_info("letting peer go", "peer=%s why=\"%s\"", f->text, why);
	if (http_probe_start(next == FOLLOW_CONNECT ? f->connect : f->disconnect, body, TIMEOUT_NS,
	            on_reply, f, &e) < 0) {
		log_warn("nodeos not asked", "why=\"%s\"", e.msg);
		f->told = FOLLOW_NOTHING;
		follow_told(&f->table, next, f->text, NODEOS_NET_OTHER, clock_mono_ns());
	}
}

/* --- looking up -------------------------------------------------------------------------- */

static size_t own_addresses(struct in_addr own[OWN_MAX])
{
	struct ifaddrs *list = NULL;
	size_t n = 0;

	if (getifaddrs(&list) < 0)
		return 0;
	for (const struct ifaddrs *i = list; i && n < OWN_MAX; i = i->ifa_next) {
		struct sockaddr_in a;

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&a, i->ifa_addr, sizeof(a));
		own[n++] = a.sin_addr;
	}
	freeifaddrs(list);
	return n;
}

static void say(const struct follow_name *name, const char *why)
{
	if (name->found == FOLLOW_FAILED)
		log_warn("name not looked up",
		        "name=%s why=\"%s\" hint=\"nothing is disconnected for that\"", name->text,
		        why);
	else if (name->found == FOLLOW_NO_NAME)
		log_info("no such name", "name=%s why=\"%s\"", name->text, why);
	else
		log_info("name found", "name=%s addresses=%zu", name->text, name->addresses);
}

static bool is_among(struct in_addr a, const struct in_addr *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].s_addr == a.s_addr)
			return true;
	return false;
}

/* Without memory the former answer stays. */
static void keep_found(
        struct lookup *l, const struct resolve_answer *a, const struct in_addr *own, size_t nown)
{
	struct in_addr *v = calloc(a->n ? a->n : 1, sizeof(*v));

	if (!v)
		return;
	free(l->found);
	l->found = v;
	l->nfound = 0;
	for (size_t i = 0; i < a->n; i++)
		if (!is_among(a->addresses[i], own, nown))
			v[l->nfound++] = a->addresses[i];
}

static void answered(struct follow *f, size_t i, enum follow_found found,
        const struct resolve_answer *a, const char *why)
{
	const struct follow_name *name = &f->table.names[i];
	enum follow_found before = name->found;
	size_t addresses = name->addresses;
	struct in_addr own[OWN_MAX];
	size_t nown = found == FOLLOW_FOUND ? own_addresses(own) : 0;

	/* Without our own addresses we could not tell which of them we are. */
	if (found == FOLLOW_FOUND && nown == 0) {
		found = FOLLOW_FAILED;
		why = "the container's own addresses cannot be read";
	}
	if (follow_answer(&f->table, i, found, a ? a->addresses : NULL, a ? a->n : 0, own, nown,
	            f->p2p_port, clock_mono_ns()) < 0) {
		log_warn("name not looked up", "name=%s why=\"out of memory\"", name->text);
		return;
	}
	if (found == FOLLOW_FOUND)
		keep_found(&f->lookups[i], a, own, nown);
	if (name->found != before || (found == FOLLOW_FOUND && name->addresses != addresses))
		say(name, why ? why : "");
	act(f);
}

static void on_resolved(void *arg, const struct resolve_answer *a)
{
	struct lookup *l = arg;

	l->r = NULL;
	/* EAI_NODATA is glibc's for a name that has addresses of another kind only. */
	if (a->rc == 0)
		answered(l->f, l->name, FOLLOW_FOUND, a, NULL);
	else if (a->rc == EAI_NONAME || a->rc == EAI_NODATA)
		answered(l->f, l->name, FOLLOW_NO_NAME, NULL, a->why);
	else
		answered(l->f, l->name, FOLLOW_FAILED, NULL, a->why);
}

static void look_up(struct follow *f, size_t i)
{
	const struct follow_name *name = &f->table.names[i];
	struct lookup *l = &f->lookups[i];
	struct err e = ERR_INIT;
	int64_t now = clock_mono_ns();
	char host[NODEOS_PEER_SIZE];

	/* Never a second one beside one that hangs. */
	if (l->r) {
		if (now - l->started_ns > PATIENCE)
			answered(f, i, FOLLOW_FAILED, NULL, "no answer for ten seconds");
		return;
	}
	snprintf(host, sizeof(host), "%.*s", (int)name->host_len, name->text);
	l->f = f;
	l->name = i;
	l->started_ns = now;
	l->r = resolve_start(f->loop, host, on_resolved, l, &e);
	if (!l->r)
		answered(f, i, FOLLOW_FAILED, NULL, e.msg);
}

static void on_timer(struct loop_timer *t, void *arg)
{
	struct follow *f = arg;

	loop_timer_set(f->loop, t, clock_mono_ns() + LOOK_NS, on_timer, f);
	for (size_t i = 0; i < f->table.nnames; i++)
		look_up(f, i);
	/* What waits only for time to pass. */
	act(f);
}

/* --- life --------------------------------------------------------------------------------- */

struct follow *follow_new(struct loop *l, struct http_prober *p, const char *key, struct err *e)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (!f) {
		err_nomem(e);
		return NULL;
	}
	f->loop = l;
	f->prober = p;
	snprintf(f->key, sizeof(f->key), "%s", key);
	f->table.key = f->key;
	return f;
}

static void cancel_lookups(struct follow *f)
{
	for (size_t i = 0; i < ARRAY_LEN(f->lookups); i++)
		resolve_cancel(TAKE(f->lookups[i].r));
}

static void forget_found(struct follow *f)
{
	for (size_t i = 0; i < ARRAY_LEN(f->lookups); i++) {
		free(TAKE(f->lookups[i].found));
		f->lookups[i].nfound = 0;
	}
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	follow_stop(f);
	cancel_lookups(f);
	forget_found(f);
	follow_release(&f->table);
	free(f);
}

int follow_names(struct follow *f, const struct strvec *names, const char *service, struct err *e)
{
	int rc = follow_set_names(&f->table, names, service, e);

	/* The answers under way are about other names. */
	if (rc > 0) {
		cancel_lookups(f);
		forget_found(f);
	}
	return rc < 0 ? -1 : 0;
}

static struct http_probe *new_probe(
        struct follow *f, const char *host, uint16_t port, const char *path, struct err *e)
{
	AUTO(free) char *url = str_fmt("http://%s:%u%s", host, (unsigned)port, path);

	if (!url) {
		err_nomem(e);
		return NULL;
	}
	return http_probe_new(f->prober, url, REPLY_MAX, e);
}

int follow_start(struct follow *f, const char *http_host, uint16_t http_port, uint16_t p2p_port,
        struct err *e)
{
	follow_stop(f);
	follow_restart(&f->table);
	if (f->table.nnames == 0)
		return 0;
	if (!(f->connect = new_probe(f, http_host, http_port, "/v1/net/connect", e)) ||
	        !(f->disconnect = new_probe(f, http_host, http_port, "/v1/net/disconnect", e))) {
		follow_stop(f);
		return -1;
	}
	f->p2p_port = p2p_port;
	f->running = true;
	loop_timer_set(f->loop, &f->timer, clock_mono_ns(), on_timer, f);
	return 0;
}

/* Look-ups go on: one that hangs must not get a second one beside it after the next start. */
void follow_stop(struct follow *f)
{
	loop_timer_remove(f->loop, &f->timer);
	http_probe_free(TAKE(f->connect));
	http_probe_free(TAKE(f->disconnect));
	f->told = FOLLOW_NOTHING;
	f->running = false;
}

bool follow_sees(struct follow *f, const struct nodeos_peer *p, bool in_config)
{
	return follow_peer(&f->table, p, in_config);
}

void follow_saw(struct follow *f, int64_t asked_ns)
{
	follow_listed(&f->table, asked_ns, clock_mono_ns());
	act(f);
}

bool follow_is_waiting(const struct follow *f)
{
	return f->running && follow_is_restless(&f->table, clock_mono_ns());
}

struct follow_counts follow_counts(const struct follow *f)
{
	return follow_count(&f->table);
}

size_t follow_addresses(const struct follow *f, struct in_addr *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < f->table.nnames; i++)
		for (size_t k = 0; k < f->lookups[i].nfound && n < max; k++)
			if (!is_among(f->lookups[i].found[k], ret, n))
				ret[n++] = f->lookups[i].found[k];
	return n;
}

json_t *follow_json(const struct follow *f)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < f->table.nnames; i++) {
		const struct follow_name *name = &f->table.names[i];

		if (json_array_append_new(list,
		            json_pack("{s:s, s:s, s:I}", "name", name->text, "state",
		                    follow_found_name(name->found), "addresses",
		                    (json_int_t)name->addresses)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
