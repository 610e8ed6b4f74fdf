#include "lease/client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "base/token.h"
#include "http/probe.h"
#include "lease/broker.h"
#include "loop/loop.h"
#include "loop/resolve.h"

/*
 * A name of a service stands for one broker on each manager, so what is asked is not a name but an
 * address: one after the other, beginning with the one that has answered last.  Each is asked once
 * for a request; a write that goes to several of them is the same write, of which at most one can
 * be done, and whose done form the others report as what stands.
 *
 * An address is in the URL itself.  With a name there, libcurl would take a connection that it has
 * open to one of the brokers for one to any of them.
 */

#define BROKERS_MAX   8
#define ADDRESSES_MAX 16 /* of one name */
#define TARGETS_MAX   (BROKERS_MAX * ADDRESSES_MAX)
#define HOST_SIZE     256
#define LOOK_UP_NS    (5 * NS_PER_SEC)
#define FIRST_NS      NS_PER_SEC /* while none is known */
#define ATTEMPT_NS    (700 * NS_PER_MS)
#define REPLY_MAX     (64U * 1024)
/* One broker that refuses a write may have a wrong clock itself; when two do, it is the write, and
 * no third one is to be found that lets it pass. */
#define REFUSALS_MAX 2

struct broker {
	struct lease_client *client;
	char host[HOST_SIZE];
	uint16_t port;
	struct in_addr addresses[ADDRESSES_MAX];
	size_t n;
	struct resolve *resolve;
	int64_t looked_up_ns; /* asked for; 0: never */
};

struct target {
	struct in_addr address;
	uint16_t port;
};

struct lease_client {
	struct loop *loop;
	struct http_prober *prober;
	struct token token;
	char *token_path;
	struct broker brokers[BROKERS_MAX];
	size_t nbrokers;
	struct target good; /* has answered last; port 0: none */
	/* The request under way. */
	bool is_asking, is_write;
	char name[LEASE_NAME_SIZE];
	char *body; /* NULL: a read */
	int64_t limit_ns, end_ns;
	lease_client_fn *fn;
	void *arg;
	struct target asked[TARGETS_MAX];
	size_t nasked;
	unsigned refusals;
	struct err why; /* the last failure */
	struct http_probe *probe;
	struct loop_timer timer; /* until all of it ends: the limit, or at once */
	/* What is to be told. */
	enum tenant_reply reply;
	struct lease_record stands;
};

static void attempt(struct lease_client *c);

/* --- what is configured ---------------------------------------------------------------------- */

static int add_broker(struct lease_client *c, char *word, struct err *e)
{
	struct broker *b = &c->brokers[c->nbrokers];
	char *colon = strrchr(word, ':');
	uint64_t port = LEASE_BROKER_PORT;

	if (c->nbrokers == BROKERS_MAX)
		return err_set(e, ERR_USAGE, "more than %d brokers", BROKERS_MAX);
	if (colon) {
		*colon = '\0';
		if (num_uint(&port, colon + 1, 1, 65535, e) < 0)
			return err_wrap(e, "port of broker '%s'", word);
	}
	if (!str_is_name(word, HOST_SIZE - 1))
		return err_set(e, ERR_USAGE, "broker '%s' is not a name or an IPv4 address", word);
	snprintf(b->host, sizeof(b->host), "%s", word);
	b->port = (uint16_t)port;
	b->client = c;
	c->nbrokers++;
	return 0;
}

static int add_brokers(struct lease_client *c, const char *brokers, struct err *e)
{
	AUTO(free) char *list = strdup(brokers);
	char *at = list, *word;

	if (!list)
		return err_nomem(e);
	while ((word = strsep(&at, " \t\n,")))
		if (*word && add_broker(c, word, e) < 0)
			return -1;
	return c->nbrokers ? 0 : err_set(e, ERR_USAGE, "no broker is given");
}

/* --- addresses ------------------------------------------------------------------------------- */

static void on_resolved(void *arg, const struct resolve_answer *a)
{
	struct broker *b = arg;
	struct lease_client *c = b->client;

	b->resolve = NULL;
	/* An answer that has nothing leaves what was known: a name server that was just started
	 * says so too, and an address at which nobody is any more only costs an attempt. */
	if (a->rc == 0 && a->n) {
		b->n = a->n < ADDRESSES_MAX ? a->n : ADDRESSES_MAX;
		memcpy(b->addresses, a->addresses, b->n * sizeof(b->addresses[0]));
	} else if (!b->n && c->why.kind == ERR_NONE) {
		err_set(&c->why, ERR_UNAVAILABLE, "look up broker '%s': %s", b->host,
		        a->why ? a->why : "it has no address");
	}
	if (c->is_asking && !c->probe)
		attempt(c);
}

static void look_up(struct lease_client *c)
{
	int64_t now = clock_mono_ns();

	for (size_t i = 0; i < c->nbrokers; i++) {
		struct broker *b = &c->brokers[i];
		struct err e = ERR_INIT;

		if (b->resolve ||
		        (b->looked_up_ns && now - b->looked_up_ns < (b->n ? LOOK_UP_NS : FIRST_NS)))
			continue;
		b->looked_up_ns = now;
		b->resolve = resolve_start(c->loop, b->host, on_resolved, b, &e);
	}
}

static bool is_looking_up(const struct lease_client *c)
{
	for (size_t i = 0; i < c->nbrokers; i++)
		if (c->brokers[i].resolve)
			return true;
	return false;
}

static bool is_same(const struct target *a, const struct target *b)
{
	return a->address.s_addr == b->address.s_addr && a->port == b->port;
}

static bool was_asked(const struct lease_client *c, const struct target *t)
{
	for (size_t i = 0; i < c->nasked; i++)
		if (is_same(&c->asked[i], t))
			return true;
	return false;
}

/* 0, 1 when all were asked. */
static int next_target(const struct lease_client *c, struct target *ret)
{
	bool is_found = false;

	for (size_t i = 0; i < c->nbrokers; i++)
		for (size_t k = 0; k < c->brokers[i].n; k++) {
			const struct target t = { c->brokers[i].addresses[k], c->brokers[i].port };

			if (was_asked(c, &t))
				continue;
			if (!is_found || is_same(&t, &c->good))
				*ret = t;
			is_found = true;
		}
	return is_found ? 0 : 1;
}

/* --- one request ----------------------------------------------------------------------------- */

static void forget(struct lease_client *c)
{
	http_probe_free(TAKE(c->probe));
	loop_timer_remove(c->loop, &c->timer);
	free(TAKE(c->body));
	c->is_asking = false;
}

/* From the loop itself, and last: the owner may ask again, or free the client, which it could not
 * from within a probe's callback. */
static void on_end(struct loop_timer *t UNUSED, void *arg)
{
	struct lease_client *c = arg;
	const struct lease_record stands = c->stands;
	struct err why = c->why;

	forget(c);
	if (c->reply == TENANT_UNKNOWN && why.kind == ERR_NONE)
		err_set(&why, ERR_TIMEOUT, "no broker has answered in time");
	c->fn(c->arg, c->reply, c->reply == TENANT_UNKNOWN ? NULL : &stands, &why);
}

static void end_at(struct lease_client *c, int64_t at)
{
	loop_timer_set(c->loop, &c->timer, at, on_end, c);
}

static void failed(struct lease_client *c, const struct err *why)
{
	c->why = *why;
}

/* {"format":1,"lease":{...}|null}: 0 and the record. */
static int read_lease(
        struct lease_record *ret, const struct lease_client *c, const json_t *o, struct err *e)
{
	const json_t *lease = json_object_get(o, "lease");

	if (json_int(o, "format", 0) != 1 || !lease)
		return err_set(e, ERR_PROTOCOL, "it is no answer of a broker");
	if (json_is_null(lease)) {
		lease_record_init(ret, c->name);
		return 0;
	}
	if (lease_from_json(ret, lease, e) < 0)
		return -1;
	if (strcmp(ret->name, c->name) != 0 || !ret->version)
		return err_set(e, ERR_PROTOCOL, "it is about lease '%s', version %llu", ret->name,
		        (unsigned long long)ret->version);
	return 0;
}

/* 0: it is an answer, to be told; -1: a failure of this broker. */
static int read_reply(struct lease_record *ret, enum tenant_reply *reply,
        const struct lease_client *c, const struct http_probe_result *r, struct err *e)
{
	AUTO(json) json_t *o = NULL;

	if (!r->status) {
		*e = *r->failure;
		return -1;
	}
	o = json_parse_object(r->body, r->len, "a broker's answer", e);
	if (r->status != 200 && !(r->status == 409 && c->is_write)) {
		if (o)
			err_set(e, ERR_UNAVAILABLE, "status %ld: %s", r->status,
			        json_str(o, "error.message", "no reason"));
		else
			err_wrap(e, "status %ld", r->status);
		return -1;
	}
	if (!o || read_lease(ret, c, o, e) < 0)
		return -1;
	*reply = r->status == 200 ? TENANT_DONE : TENANT_CONFLICT;
	return 0;
}

static void on_reply(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct lease_client *c = arg;
	const struct target *t = &c->asked[c->nasked - 1];
	char address[INET_ADDRSTRLEN];
	struct err e = ERR_INIT;

	if (read_reply(&c->stands, &c->reply, c, r, &e) == 0) {
		/* A broker that knows of no lease may be one of another swarm. */
		if (c->stands.version || !c->good.port)
			c->good = *t;
		err_clear(&c->why);
		end_at(c, 0);
		return;
	}
	if (!inet_ntop(AF_INET, &t->address, address, sizeof(address)))
		address[0] = '\0';
	err_wrap(&e, "ask broker %s:%u", address, t->port);
	failed(c, &e);
	if (c->is_write && r->status == 403 && ++c->refusals == REFUSALS_MAX) {
		end_at(c, 0);
		return;
	}
	http_probe_free(TAKE(c->probe));
	attempt(c);
}

static int send_to(struct lease_client *c, const struct target *t, int64_t left, struct err *e)
{
	int64_t third = c->limit_ns / 3, limit = third < ATTEMPT_NS ? third : ATTEMPT_NS;
	AUTO(http_probe_free) struct http_probe *q = NULL;
	char url[128], address[INET_ADDRSTRLEN];

	if (!inet_ntop(AF_INET, &t->address, address, sizeof(address)))
		return err_set(e, ERR_PROTOCOL, "no address");
	snprintf(url, sizeof(url), "http://%s:%u/v1/lease/%s", address, t->port, c->name);
	q = http_probe_new(c->prober, url, REPLY_MAX, e);
	if (!q || http_probe_set_bearer(q, c->token.text, e) < 0 ||
	        (c->body && http_probe_set_method(q, "PUT", e) < 0) ||
	        http_probe_start(q, c->body, limit < left ? limit : left, on_reply, c, e) < 0)
		return -1;
	c->probe = TAKE(q);
	return 0;
}

/* Ask the next one.  Tells what it has to from the loop alone, never from within lease_client_ask:
 * whoever asks again in the callback would never return. */
static void attempt(struct lease_client *c)
{
	int64_t left = c->end_ns - clock_mono_ns(), at = c->end_ns;
	struct err e = ERR_INIT;
	struct target t;

	loop_timer_remove(c->loop, &c->timer);
	while (left > 0 && next_target(c, &t) == 0) {
		c->asked[c->nasked++] = t;
		if (send_to(c, &t, left, &e) == 0)
			return;
		failed(c, &e);
		err_clear(&e);
	}
	/* Another address may be found yet, if this is the first time that they are looked for. */
	if (c->nasked || !is_looking_up(c))
		at = 0;
	end_at(c, at);
}

int lease_client_ask(struct lease_client *c, const char *name, const struct lease_record *write,
        int64_t limit_ns, lease_client_fn *fn, void *arg, struct err *e)
{
	AUTO(json) json_t *o = NULL;

	forget(c);
	if (lease_name_check(name, e) < 0)
		return -1;
	/* It may come later than we do, and may change. */
	if (token_refresh(&c->token, e) < 0)
		return -1;
	if (!*c->token.text)
		return err_set(
		        e, ERR_DENIED, "there is no token for the brokers in '%s'", c->token_path);
	if (write) {
		o = json_pack("{s:i, s:o}", "format", 1, "lease", lease_to_json(write));
		c->body = o ? json_text(o, false) : NULL;
		if (!c->body)
			return err_nomem(e);
	}
	err_clear(&c->why);
	c->is_asking = true;
	c->is_write = write != NULL;
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->limit_ns = limit_ns;
	c->end_ns = clock_mono_ns() + limit_ns;
	c->fn = fn;
	c->arg = arg;
	c->nasked = 0;
	c->refusals = 0;
	c->reply = TENANT_UNKNOWN;
	look_up(c);
	attempt(c);
	return 0;
}

/* --- life ------------------------------------------------------------------------------------ */

struct lease_client *lease_client_new(
        struct loop *l, const char *brokers, const char *token_path, struct err *e)
{
	AUTO(lease_client_free) struct lease_client *c = calloc(1, sizeof(*c));

	if (!c || !(c->token_path = strdup(token_path))) {
		err_nomem(e);
		return NULL;
	}
	c->loop = l;
	token_init(&c->token, c->token_path);
	if (add_brokers(c, brokers, e) < 0)
		return NULL;
	c->prober = http_prober_new(l, e);
	if (!c->prober)
		return NULL;
	look_up(c);
	return TAKE(c);
}

void lease_client_free(struct lease_client *c)
{
	if (!c)
		return;
	if (c->loop)
		forget(c);
	for (size_t i = 0; i < c->nbrokers; i++)
		if (c->brokers[i].resolve)
			resolve_cancel(c->brokers[i].resolve);
	http_prober_free(c->prober);
	token_release(&c->token);
	free(c->token_path);
	free(c);
}
