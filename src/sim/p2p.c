#include "sim/p2p.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "sim/p2p_priv.h"

#define AGENT_MAX     384
#define IMMEDIATE_MAX 9 /* closes without a message, after which a peer is left alone */
#define BACKLOG       128
#define LISTEN_PLACE  "net_plugin.cpp:3909"

/* --- life ------------------------------------------------------------------------------------- */

int p2p_initialize(struct node *n, struct fail *f)
{
	struct p2p *p = calloc(1, sizeof(*p));

	n->p2p = p;
	nlog(NLOG_INFO, "net_plugin.cpp:3716", "plugin_initialize", "Initialize net plugin");
	if (!p)
		return fail_std(f, "St9bad_alloc", "net_plugin.cpp:3825 plugin_initialize",
		        "std::bad_alloc");
	p->n = n;
	p->listen_fd = -1;
	if (strlen(option_text(n->opt, "agent-name")) >= AGENT_MAX)
		return fail_config(f, "net_plugin.cpp:3761 plugin_initialize", "{\"m\":384}",
		        "agent-name too long, must be less than 384");
	snprintf(p->agent, sizeof(p->agent), "%s", option_text(n->opt, "agent-name"));
	p->keepalive_ns = option_int(n->opt, "p2p-keepalive-interval-ms") * NS_PER_MS;
	p->period_ns = option_int(n->opt, "connection-cleanup-period") * NS_PER_SEC;
	p->max_clients = option_int(n->opt, "max-clients");
	p->max_per_host = option_int(n->opt, "p2p-max-nodes-per-host");
	p->span = (uint32_t)option_int(n->opt, "sync-fetch-span");
	if (p->keepalive_ns <= 0)
		return fail_config(f, "net_plugin.cpp:3735 plugin_initialize", "{}",
		        "p2p-keepalive_interval-ms must be greater than 0");
	if (p->period_ns <= 0)
		return fail_config(f, "net_plugin.cpp:3741 plugin_initialize", "{}",
		        "connection-cleanup-period must be greater than 0");
	if (p->span == 0)
		p->span = 1;
	p->no_transactions = n->irreversible || !option_bool(n->opt, "p2p-accept-transactions");
	if (n->irreversible && option_bool(n->opt, "p2p-accept-transactions"))
		nlog(NLOG_WARN, "net_plugin.cpp:3818", "plugin_initialize",
		        "p2p-accept-transactions set to false due to read-mode: irreversible");
	if (getrandom(p->node_id, sizeof(p->node_id), 0) != sizeof(p->node_id))
		return fail_std(f, "St13runtime_error", "net_plugin.cpp:3825 plugin_initialize",
		        "no random numbers");
	hex_encode(p->node_id_hex, p->node_id, sizeof(p->node_id));
	return 0;
}

/* "host:port" as boost's substr() takes it apart: without a colon it throws. */
static int split_listen(const char *text, char *host, size_t size, uint16_t *port, struct fail *f)
{
	const char *colon = strchr(text, ':');

	if (!colon) {
		f->kind = FAIL_PLAIN;
		f->status = EXIT_OTHER_FAIL;
		snprintf(f->text, sizeof(f->text),
		        "basic_string::substr: __pos (which is %zu) > this->size() (which is %zu)",
		        strlen(text) + 1, strlen(text));
		return -1;
	}
	snprintf(host, size, "%.*s", (int)(colon - text), text);
	*port = (uint16_t)strtoul(colon + 1, NULL, 10);
	return 0;
}

static int resolve_listen(struct p2p *p, const char *host, uint16_t port, struct fail *f)
{
	struct addrinfo hint = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;

	if (getaddrinfo(host, NULL, &hint, &found) != 0) {
		f->kind = FAIL_PLAIN;
		f->status = EXIT_OTHER_FAIL;
		snprintf(f->text, sizeof(f->text), "resolve: Host not found (authoritative)");
		return -1;
	}
	memcpy(&p->listen_address, found->ai_addr, sizeof(p->listen_address));
	freeaddrinfo(found);
	p->listen_address.sin_port = htons(port);
	p->listens = true;
	return 0;
}

/* What peers see of us: the server address, or the endpoint with our host name for "any". */
static void set_address(struct p2p *p, const char *listen)
{
	const char *server = option_text(p->n->opt, "p2p-server-address");
	char text[WIRE_ADDRESS - 16], host[256] = "";

	if (server && *server) {
		snprintf(text, sizeof(text), "%s", server);
	} else if (p->listens && p->listen_address.sin_addr.s_addr == htonl(INADDR_ANY)) {
		(void)gethostname(host, sizeof(host) - 1);
		snprintf(text, sizeof(text), "%s%s", host, strchr(listen, ':'));
	} else {
		snprintf(text, sizeof(text), "%s", listen);
	}
	snprintf(p->address, sizeof(p->address), "%s - %.7s", text, p->node_id_hex);
}

int p2p_start(struct node *n, struct fail *f)
{
	const char *listen = option_text(n->opt, "p2p-listen-endpoint");
	struct p2p *p = n->p2p;
	char host[256];
	uint16_t port;

	nlog(NLOG_INFO, "net_plugin.cpp:3831", "plugin_startup", "my node_id is %s",
	        p->node_id_hex);
	if (p->no_transactions && *listen)
		nlog(NLOG_INFO, "net_plugin.cpp:3844", "plugin_startup",
		        "\n***********************************\n"
		        "* p2p-accept-transactions = false *\n"
		        "*    Transactions not forwarded   *\n"
		        "***********************************\n");
	if (*listen &&
	        (split_listen(listen, host, sizeof(host), &port, f) < 0 ||
	                resolve_listen(p, host, port, f) < 0)) {
		p2p_shutdown(n);
		return -1;
	}
	set_address(p, listen);
	return 0;
}

void p2p_shutdown(struct node *n)
{
	struct p2p *p = n->p2p;
	size_t count = 0;

	nlog(NLOG_INFO, "net_plugin.cpp:3939", "plugin_shutdown", "shutdown..");
	p->shutting_down = true;
	loop_timer_remove(&n->loop, &p->tick);
	loop_timer_remove(&n->loop, &p->monitor);
	loop_timer_remove(&n->loop, &p->resume);
	for (struct conn *c = p->conns; c; c = c->next)
		count++;
	nlog(NLOG_INFO, "net_plugin.cpp:2758", "plugin_shutdown", "close %zu connections", count);
	for (struct conn *c = p->conns; c; c = c->next)
		conn_close(c, false);
	loop_io_remove(&n->loop, &p->listen_io);
	if (p->listen_fd >= 0)
		(void)close(p->listen_fd);
	p->listen_fd = -1;
	nlog(NLOG_INFO, "net_plugin.cpp:3943", "plugin_shutdown", "exit shutdown");
}

void p2p_free(struct p2p *p)
{
	struct conn *c = p ? p->conns : NULL;

	while (c) {
		struct conn *next = c->next;

		conn_free(c);
		c = next;
	}
	free(p);
}

/* --- the list --------------------------------------------------------------------------------- */

static struct conn *new_conn(struct p2p *p, const char *peer, unsigned id)
{
	struct conn *c = calloc(1, sizeof(*c)), **at = &p->conns;

	if (!c)
		return NULL;
	c->peer = strdup(peer);
	if (!c->peer) {
		free(c);
		return NULL;
	}
	c->p = p;
	c->id = id;
	c->fd = -1;
	c->serve_next = 1;
	buf_init(&c->in, CONN_IN_MAX);
	buf_init(&c->out, CONN_OUT_MAX);
	snprintf(c->name, sizeof(c->name), "%s", peer);
	while (*at)
		at = &(*at)->next;
	*at = c;
	return c;
}

static void forget(struct p2p *p, struct conn *c)
{
	for (struct conn **at = &p->conns; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	conn_free(c);
}

struct conn *p2p_find(struct p2p *p, const char *peer)
{
	for (struct conn *c = p->conns; c; c = c->next)
		/* Those that came in and are gone wait only to be swept away. */
		if (strcmp(c->peer, peer) == 0 && !(c->incoming && c->state == CONN_CLOSED))
			return c;
	return NULL;
}

struct conn *p2p_add(struct p2p *p, const char *peer)
{
	unsigned n = 0;
	struct conn *c;

	for (c = p->conns; c; c = c->next)
		n += !c->incoming;
	if (n >= CONNS_MAX)
		return NULL;
	c = new_conn(p, peer, ++p->ids);
	if (!c)
		return NULL;
	nlog(NLOG_INFO, "net_plugin.cpp:917", "connection", "created connection %u to %s", c->id,
	        peer);
	if (!p2p_connect(c)) {
		forget(p, c);
		return NULL;
	}
	return c;
}

/* --- connecting ------------------------------------------------------------------------------- */

static void connect_failed(struct conn *c, const char *why)
{
	nlog_from(NLOG_ERROR, "net-0", "net_plugin.cpp:2373", "operator()",
	        "connection failed to 0.0.0.0:0 %s", why);
	conn_close(c, false);
}

/* In boost's words. */
static const char *resolve_text(int rc)
{
	if (rc == EAI_NONAME || rc == EAI_NODATA)
		return "Host not found (authoritative)";
	if (rc == EAI_AGAIN)
		return "Host not found (non-authoritative), try again later";
	return gai_strerror(rc);
}

static void on_resolved(void *arg, const struct resolve_answer *answer)
{
	struct conn *c = arg;
	const char *port = strchr(c->peer, ':') + 1;
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	struct err e = ERR_INIT;
	int fd;

	c->resolve = NULL;
	if (answer->n == 0) {
		nlog_from(NLOG_ERROR, "net-0", "net_plugin.cpp:2350", "operator()",
		        "Unable to resolve %.*s:%.*s %s", (int)(port - 1 - c->peer), c->peer,
		        (int)strcspn(port, ":"), port, resolve_text(answer->rc));
		/* Not the time: so nodeos gives up a name for good that it never could resolve. */
		c->state = CONN_CLOSED;
		c->connecting = false;
		c->immediate_closes++;
		return;
	}
	a.sin_addr = answer->addresses[0];
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		connect_failed(c, strerror(errno));
		return;
	}
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 && errno != EINPROGRESS) {
		connect_failed(c, strerror(errno));
		(void)close(fd);
		return;
	}
	if (conn_open(c, fd, false, &e) < 0)
		connect_failed(c, e.msg);
}

static bool is_hopeless(enum wire_reason r)
{
	return r != GO_AWAY_NO_REASON && r != GO_AWAY_WRONG_VERSION && r != GO_AWAY_BENIGN &&
	        r != GO_AWAY_DUPLICATE;
}

bool p2p_connect(struct conn *c)
{
	struct p2p *p = c->p;
	const char *colon = strchr(c->peer, ':');
	struct err e = ERR_INIT;
	char host[256];

	if (is_hopeless(c->no_retry))
		return false;
	if (!colon || colon == c->peer || colon - c->peer >= (int)sizeof(host)) {
		nlog(NLOG_ERROR, "net_plugin.cpp:2319", "resolve_and_connect",
		        "Invalid peer address. must be \"host:port[:<blk>|<trx>]\": %s", c->peer);
		return false;
	}
	if ((c->immediate_closes > IMMEDIATE_MAX || c->no_retry == GO_AWAY_BENIGN) &&
	        (c->closed_ns == 0 || c->closed_ns > clock_mono_ns() - p->period_ns))
		return true;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - c->peer), c->peer);
	snprintf(c->name, sizeof(c->name), "%s", c->peer);
	c->state = CONN_RESOLVING;
	c->connecting = true;
	c->resolve = resolve_start(&p->n->loop, host, on_resolved, c, &e);
	if (!c->resolve)
		connect_failed(c, e.msg);
	return true;
}

static bool has_room(const struct p2p *p, const char *ip)
{
	int64_t clients = 0, from_ip = 0;

	for (const struct conn *c = p->conns; c; c = c->next) {
		if (!c->incoming || c->state != CONN_OPEN)
			continue;
		clients++;
		from_ip += strcmp(c->ip, ip) == 0;
	}
	return from_ip < p->max_per_host && (p->max_clients == 0 || clients < p->max_clients);
}

/* Those that came in and are gone; a flood of them must not wait for the next look. */
static void sweep(struct p2p *p)
{
	struct conn *c = p->conns;

	while (c) {
		struct conn *next = c->next;

		if (c->incoming && c->state == CONN_CLOSED)
			forget(p, c);
		c = next;
	}
}

/* Refused ones are closed without a word anywhere, as nodeos does. */
static void on_accept(struct loop_io *io, unsigned events UNUSED, void *arg)
{
	struct p2p *p = arg;
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	struct err e = ERR_INIT;
	char ip[INET_ADDRSTRLEN] = "";
	int fd = accept4(io->fd, (struct sockaddr *)&a, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *c;

	if (fd < 0)
		return;
	sweep(p);
	(void)inet_ntop(AF_INET, &a.sin_addr, ip, sizeof(ip));
	if (!has_room(p, ip)) {
		(void)close(fd);
		return;
	}
	c = new_conn(p, "", ++p->ids);
	if (!c) {
		(void)close(fd);
		return;
	}
	c->incoming = true;
	c->connecting = true;
	nlog_from(NLOG_INFO, "net-0", "net_plugin.cpp:2409", "operator()",
	        "Accepted new connection: %s", ip);
	if (conn_open(c, fd, true, &e) < 0)
		forget(p, c);
}

/* --- timers ----------------------------------------------------------------------------------- */

static void on_monitor(struct loop_timer *t UNUSED, void *arg)
{
	struct p2p *p = arg;
	unsigned clients = 0, peers = 0;
	struct conn *c = p->conns;

	sweep(p);
	c = p->conns;
	while (c) {
		struct conn *next = c->next;

		if (c->state == CONN_CLOSED && !p2p_connect(c)) {
			forget(p, c);
		} else if (c->incoming) {
			clients++;
		} else {
			peers++;
		}
		c = next;
	}
	if (clients || peers)
		nlog_from(NLOG_INFO, "net-0", "net_plugin.cpp:3506", "connection_monitor",
		        "p2p client connections: %u/%" PRId64
		        ", peer connections: %u/%u, block producer peers: 0",
		        clients, p->max_clients, peers, p->configured);
	p2p_monitor_in(p, p->period_ns);
}

/* One timer for both: after a lost connection the next regular look is a period later. */
void p2p_monitor_in(struct p2p *p, int64_t ns)
{
	loop_timer_set(&p->n->loop, &p->monitor, clock_mono_ns() + ns, on_monitor, p);
}

/*
 * Without blocks for half the interval, as of the time when this was due: after a freeze nodeos
 * looks here first, and then at what came meanwhile.
 */
static bool is_stalled(const struct p2p *p, const struct conn *c, int64_t now, int64_t due)
{
	return now - c->block_ns > p->keepalive_ns / 2 || c->gap_ns >= due;
}

static void check(struct p2p *p, struct conn *c, int64_t now, int64_t due)
{
	bool asks = producer_is_producing(p->n) ? is_stalled(p, c, now, due)
	                                        : c->peer_head != chain_head(&p->n->chain)->num;

	if (!c->paused && now - c->message_ns > 2 * p->keepalive_ns) {
		c->no_retry = GO_AWAY_BENIGN;
		conn_log(NLOG_WARN, c, "net_plugin.cpp:1173", "check_heartbeat",
		        c->incoming ? "heartbeat timed out"
		                    : "heartbeat timed out for peer address");
		conn_close(c, !c->incoming);
		return;
	}
	if (c->has_handshake && !p->source && asks)
		sync_send_handshake(c);
	else if (wire_put_time(&c->out, clock_real_ns()) == 0)
		conn_flush(c);
}

static void on_tick(struct loop_timer *t, void *arg)
{
	struct p2p *p = arg;
	int64_t now = clock_mono_ns(), due = t->at_ns;
	bool silent = p->source && !p->source->paused && p->sync_seen == 0;

	p->sync_seen = 0;
	if (silent)
		conn_close(p->source, !p->source->incoming);
	for (struct conn *c = p->conns; c; c = c->next)
		if (c->state == CONN_OPEN && !c->leaving)
			check(p, c, now, due);
	loop_timer_set(&p->n->loop, t, now + p->keepalive_ns, on_tick, p);
}

/* --- listening -------------------------------------------------------------------------------- */

static int open_listener(struct p2p *p, struct err *e)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(e, errno, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&p->listen_address, sizeof(p->listen_address)) < 0 ||
	        listen(fd, BACKLOG) < 0) {
		err_sys(e, errno, "bind");
		(void)close(fd);
		return -1;
	}
	if (loop_io_add(&p->n->loop, &p->listen_io, fd, LOOP_READ, on_accept, p, e) < 0) {
		(void)close(fd);
		return -1;
	}
	p->listen_fd = fd;
	return 0;
}

void p2p_listen(struct node *n)
{
	const struct strvec *peers = option_list(n->opt, "p2p-peer-address");
	struct p2p *p = n->p2p;
	struct err e = ERR_INIT;

	if (p->listens) {
		if (open_listener(p, &e) < 0) {
			nlog(NLOG_ERROR, LISTEN_PLACE, "operator()",
			        "net_plugin::plugin_startup failed to bind to port %u, %s",
			        ntohs(p->listen_address.sin_port), e.msg);
			node_quit(n);
			return;
		}
		nlog(NLOG_INFO, "net_plugin.cpp:3914", "operator()",
		        "starting listener, max clients is %" PRId64, p->max_clients);
		p->ids++; /* nodeos numbers the one it waits for */
	}
	loop_timer_set(&n->loop, &p->tick, clock_mono_ns() + p->keepalive_ns, on_tick, p);
	p2p_monitor_in(p, p->period_ns);
	p->configured = (unsigned)peers->n;
	for (size_t i = 0; i < peers->n; i++)
		(void)p2p_api_connect(p, peers->v[i]);
}
