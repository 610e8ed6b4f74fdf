#include "supervise/advertise.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "data/pool.h"
#include "http/probe.h"
#include "loop/loop.h"

#define SEARCH_NS     (2 * NS_PER_SEC)
#define REPLY_MAX     4096
#define HOST_TEXT_MAX 4096

/*
 * Who may be behind the metadata address.  All are asked at once; those that are not there answer
 * 404 or not at all.  AWS wants a token first; without one it answers what the last row asks only
 * where the owner has allowed that, as OpenStack does.
 */
#define AWS_TOKEN_HEADER "X-aws-ec2-metadata-token: "
static const struct source {
	const char *name, *method, *path, *header;
} sources[] = {
	{ "AWS", "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60" },
	{ "Google", NULL,
	        "/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip",
	        "Metadata-Flavor: Google" },
	{ "Azure", NULL,
	        "/metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress"
	        "?api-version=2021-02-01&format=text",
	        "Metadata: true" },
	{ "DigitalOcean", NULL, "/metadata/v1/interfaces/public/0/ipv4/address", NULL },
	{ "Hetzner", NULL, "/hetzner/v1/metadata/public-ipv4", NULL },
	{ "OpenStack", NULL, "/latest/meta-data/public-ipv4", NULL },
};
#define AWS_ADDRESS "/latest/meta-data/public-ipv4"

struct question {
	struct advertise *a;
	const char *name;
	struct http_probe *probe;
};

struct advertise {
	struct loop *loop;
	struct http_prober *prober;
	const char *setting, *metadata;
	struct loop_timer timer;
	struct question questions[ARRAY_LEN(sources) + 1]; /* the last: AWS with its token */
	unsigned open;
	char found[NODEOS_PEER_SIZE];
};

/* --- pure -------------------------------------------------------------------------------- */

bool advertise_is_public(struct in_addr a)
{
	static const struct {
		uint32_t net;
		int bits;
	} special[] = {
		{ 0x00000000, 8 },  /* this network */
		{ 0x0a000000, 8 },  /* private */
		{ 0x64400000, 10 }, /* carrier-grade NAT */
		{ 0x7f000000, 8 },  /* loopback */
		{ 0xa9fe0000, 16 }, /* link-local */
		{ 0xac100000, 12 }, /* private */
		{ 0xc0000000, 24 }, /* IETF assignments */
		{ 0xc0000200, 24 }, /* documentation */
		{ 0xc0586300, 24 }, /* 6to4 relays */
		{ 0xc0a80000, 16 }, /* private */
		{ 0xc6120000, 15 }, /* benchmarks */
		{ 0xc6336400, 24 }, /* documentation */
		{ 0xcb007100, 24 }, /* documentation */
		{ 0xe0000000, 3 },  /* multicast, reserved, broadcast */
	};

	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if ((ntohl(a.s_addr) ^ special[i].net) >> (32 - special[i].bits) == 0)
			return false;
	return true;
}

int advertise_parse(struct in_addr *ret, const char *text, size_t n)
{
	char copy[INET_ADDRSTRLEN];
	struct in_addr a;

	while (n && isspace((unsigned char)text[n - 1]))
		n--;
	while (n && isspace((unsigned char)*text)) {
		text++;
		n--;
	}
	if (n >= sizeof(copy))
		return 1;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (strlen(copy) != n || inet_pton(AF_INET, copy, &a) != 1 || !advertise_is_public(a))
		return 1;
	*ret = a;
	return 0;
}

int advertise_address(char out[NODEOS_PEER_SIZE], const char *text, struct err *e)
{
	const char *colon = strchr(text, ':');
	char whole[NODEOS_PEER_SIZE];
	bool has_port = text[0] == '[' ? strstr(text, "]:") != NULL : colon != NULL;

	/* ":blk" is for connections, not for an address. */
	if (snprintf(whole, sizeof(whole), "%s%s", text, has_port ? "" : ":" ADVERTISE_PORT) <
	                (int)sizeof(whole) &&
	        (text[0] == '[' || !colon || !strchr(colon + 1, ':')) &&
	        nodeos_peer_check(out, whole, e) == 0)
		return 0;
	err_clear(e);
	err_set(e, ERR_USAGE, "NODESWARM_ADVERTISE is '%.80s', which is no HOST or HOST:PORT",
	        text);
	err_hint(e, "write an address, 'host' or 'auto', or nothing");
	return -1;
}

/* --- host ---------------------------------------------------------------------------------- */

/* 0, 1 when there is no host.json, -1. */
static int read_host(char out[NODEOS_PEER_SIZE], int pool_fd, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(HOST_TEXT_MAX);
	AUTO(json) json_t *j = NULL;
	char host[NODEOS_PEER_SIZE];
	const char *address;
	int rc = fs_read_at(pool_fd, POOL_HOST_JSON, &text, e);

	if (rc != 0)
		return rc;
	j = json_parse_object(text.data, text.len, POOL_HOST_JSON, e);
	if (!j)
		return -1;
	address = json_str(j, "address", "");
	/* There it stands without brackets. */
	snprintf(host, sizeof(host), strchr(address, ':') ? "[%.60s]" : "%s", address);
	if (advertise_address(out, host, e) < 0) {
		err_clear(e);
		return err_set(e, ERR_PROTOCOL, POOL_HOST_JSON ": 'address' is no address");
	}
	return 0;
}

static int get_host(char out[NODEOS_PEER_SIZE], int pool_fd, const char *node, struct err *e)
{
	int rc = read_host(out, pool_fd, e);

	if (rc == 0)
		return 0;
	if (rc > 0 && *node && strcmp(node, "unknown") != 0 && advertise_address(out, node, e) == 0)
		return 0;
	if (rc > 0) {
		err_clear(e);
		err_set(e, ERR_NOT_FOUND,
		        "the pool has no " POOL_HOST_JSON
		        ", and the host has no name that is an address");
	}
	err_wrap(e, "NODESWARM_ADVERTISE=host");
	err_hint(e,
	        "run swarm/prepare-host.sh on the host, which writes " POOL_HOST_JSON
	        " into the pool, or set NODESWARM_ADVERTISE to an address");
	return -1;
}

int advertise_get(const struct advertise *a, char out[NODEOS_PEER_SIZE], int pool_fd,
        const char *node, struct err *e)
{
	if (strcmp(a->setting, "host") == 0)
		return get_host(out, pool_fd, node, e);
	if (*a->setting && strcmp(a->setting, "auto") != 0)
		return advertise_address(out, a->setting, e);
	memcpy(out, a->found, sizeof(a->found));
	return 0;
}

/* --- auto ----------------------------------------------------------------------------------- */

static void end_search(struct advertise *a)
{
	a->open = 0;
	loop_timer_remove(a->loop, &a->timer);
	for (size_t i = 0; i < ARRAY_LEN(a->questions); i++)
		http_probe_free(TAKE(a->questions[i].probe));
}

static void found(struct advertise *a, struct in_addr address, const char *source)
{
	char ip[INET_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET, &address, ip, sizeof(ip));
	snprintf(a->found, sizeof(a->found), "%s:" ADVERTISE_PORT, ip);
	log_info("address to advertise", "address=%s source=\"%s\"", a->found, source);
}

static void give_up(struct advertise *a)
{
	end_search(a);
	log_warn("no address to advertise",
	        "why=\"no interface here has a public address, and no metadata service of a cloud "
	        "knows one\" hint=\"set NODESWARM_ADVERTISE to the address that others know\"");
}

static void on_deadline(struct loop_timer *t UNUSED, void *arg)
{
	give_up(arg);
}

static http_probe_fn on_reply;

static int ask(struct advertise *a, struct question *q, const struct source *s, struct err *e)
{
	AUTO(free) char *url = str_fmt("%s%s", a->metadata, s->path);

	if (!url)
		return err_nomem(e);
	q->a = a;
	q->name = s->name;
	q->probe = http_probe_new(a->prober, url, REPLY_MAX, e);
	if (!q->probe || (s->method && http_probe_set_method(q->probe, s->method, e) < 0) ||
	        (s->header && http_probe_set_header(q->probe, s->header, e) < 0) ||
	        http_probe_start(q->probe, NULL, SEARCH_NS, on_reply, q, e) < 0)
		return -1;
	a->open++;
	return 0;
}

/* The token was given: the same again with it. */
static void ask_aws(struct advertise *a, const char *token, size_t n)
{
	struct question *q = &a->questions[ARRAY_LEN(sources)];
	char header[REPLY_MAX + sizeof(AWS_TOKEN_HEADER)];
	struct source with = { "AWS", NULL, AWS_ADDRESS, header };
	struct err e = ERR_INIT;

	/* It becomes a line of a request. */
	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)token[i]))
			return;
	snprintf(header, sizeof(header), AWS_TOKEN_HEADER "%.*s", (int)n, token);
	if (ask(a, q, &with, &e) < 0)
		log_warn("metadata not asked", "source=AWS why=\"%s\"", e.msg);
}

static void on_reply(struct http_probe *p UNUSED, const struct http_probe_result *r, void *arg)
{
	struct question *q = arg;
	struct advertise *a = q->a;
	struct in_addr address;

	a->open--;
	if (r->status == 200 && q == &a->questions[0]) {
		ask_aws(a, r->body, r->len);
	} else if (r->status == 200 && advertise_parse(&address, r->body, r->len) == 0) {
		found(a, address, q->name);
		end_search(a);
		return;
	}
	if (a->open == 0)
		give_up(a);
}

static bool look_at_interfaces(struct advertise *a)
{
	struct ifaddrs *list = NULL;
	bool done = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *i = list; i && !done; i = i->ifa_next) {
		struct sockaddr_in in;

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&in, i->ifa_addr, sizeof(in));
		if (!advertise_is_public(in.sin_addr))
			continue;
		found(a, in.sin_addr, i->ifa_name);
		done = true;
	}
	freeifaddrs(list);
	return done;
}

static void search(struct advertise *a)
{
	struct err e = ERR_INIT;

	if (look_at_interfaces(a))
		return;
	loop_timer_set(a->loop, &a->timer, clock_mono_ns() + SEARCH_NS, on_deadline, a);
	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		if (ask(a, &a->questions[i], &sources[i], &e) < 0) {
			log_warn("metadata not asked", "source=%s why=\"%s\"", sources[i].name,
			        e.msg);
			err_clear(&e);
		}
	if (a->open == 0)
		give_up(a);
}

bool advertise_is_searching(const struct advertise *a)
{
	return a->open > 0;
}

struct advertise *advertise_new(struct loop *l, struct http_prober *p, const char *setting,
        const char *metadata, struct err *e)
{
	struct advertise *a = calloc(1, sizeof(*a));

	if (!a) {
		err_nomem(e);
		return NULL;
	}
	a->loop = l;
	a->prober = p;
	a->setting = setting;
	a->metadata = metadata;
	if (strcmp(a->setting, "auto") == 0)
		search(a);
	return a;
}

void advertise_free(struct advertise *a)
{
	if (!a)
		return;
	end_search(a);
	free(a);
}
