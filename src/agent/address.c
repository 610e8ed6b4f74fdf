#include "agent/address.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"

/* Bytes of one file: 10,000 connections are 1.5 MB. */
#define FILE_MAX      (8U * 1024 * 1024)
#define HOST_JSON_MAX 4096

/* The kernel's numbers of TCP states (include/net/tcp_states.h). */
enum { TCP_IS_ESTABLISHED = 1, TCP_IS_LISTEN = 10 };

bool address_is_ip(const char *s, bool *is_v6)
{
	struct in6_addr a;

	*is_v6 = inet_pton(AF_INET6, s, &a) == 1;
	return *is_v6 || inet_pton(AF_INET, s, &a) == 1;
}

/* --- addresses ------------------------------------------------------------------------------ */

/* IPv4 as ::ffff:a.b.c.d, which is how a socket of both families shows it. */
static bool is_wildcard(const struct in6_addr *a)
{
	return IN6_IS_ADDR_UNSPECIFIED(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr32[3] == 0);
}

static bool is_loopback(const struct in6_addr *a)
{
	return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

/* An address of one interface only means nothing to other hosts. */
static bool is_usable(const struct in6_addr *a)
{
	return !is_wildcard(a) && !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_MULTICAST(a) &&
	        !(IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 169 && a->s6_addr[13] == 254);
}

static void to_text(char out[ADDRESS_MAX], const struct in6_addr *a)
{
	if (IN6_IS_ADDR_V4MAPPED(a))
		(void)inet_ntop(AF_INET, &a->s6_addr[12], out, ADDRESS_MAX);
	else
		(void)inet_ntop(AF_INET6, a, out, ADDRESS_MAX);
}

static bool from_text(struct in6_addr *ret, const char *s)
{
	struct in6_addr a = { 0 };

	a.s6_addr[10] = a.s6_addr[11] = 0xff;
	if (inet_pton(AF_INET, s, &a.s6_addr[12]) != 1 && inet_pton(AF_INET6, s, &a) != 1)
		return false;
	*ret = a;
	return true;
}

/* "0100007F" or 32 digits: words in the machine's byte order. */
static bool from_hex(struct in6_addr *ret, const char *hex)
{
	struct in6_addr a = { 0 };
	size_t n = strlen(hex);

	if (n != 8 && n != 32)
		return false;
	a.s6_addr[10] = a.s6_addr[11] = 0xff;
	for (size_t i = 0; i < n / 8; i++)
		if (sscanf(hex + 8 * i, "%8" SCNx32, &a.s6_addr32[n == 8 ? 3 : i]) != 1)
			return false;
	*ret = a;
	return true;
}

/* --- the swarm's port ------------------------------------------------------------------------ */

struct connection {
	struct in6_addr local;
	unsigned local_port, remote_port, state;
};

/* "   0: 0100007F:0949 00000000:0000 0A ..." */
static bool parse_connection(struct connection *c, const char *line)
{
	char local[33], remote[33];
	struct in6_addr ignored;

	return sscanf(line, " %*u: %32[0-9A-Fa-f]:%4x %32[0-9A-Fa-f]:%4x %2x", local,
	               &c->local_port, remote, &c->remote_port, &c->state) == 5 &&
	        from_hex(&c->local, local) && from_hex(&ignored, remote);
}

/* How well a connection tells our address: 0 not at all. */
static int weight(const struct connection *c)
{
	if (!is_usable(&c->local))
		return 0;
	if (c->state == TCP_IS_LISTEN && c->local_port == ADDRESS_SWARM_PORT)
		return 3;
	if (c->state != TCP_IS_ESTABLISHED || is_loopback(&c->local))
		return 0;
	/* Where others reach us says more than where we reach them from. */
	return c->local_port == ADDRESS_SWARM_PORT ? 2 : c->remote_port == ADDRESS_SWARM_PORT;
}

static const char *next_line(const char *s)
{
	const char *end = strchr(s, '\n');

	return end ? end + 1 : s + strlen(s);
}

static int best_connection(struct in6_addr *ret, int best, const char *table)
{
	for (const char *s = table; s && *s; s = next_line(s)) {
		struct connection c;
		int w;

		if (!parse_connection(&c, s) || (w = weight(&c)) <= best)
			continue;
		best = w;
		*ret = c.local;
	}
	return best;
}

/* --- the default route ----------------------------------------------------------------------- */

/* "eth0	00000000	010011AC	0003	0	0	0	00000000 ..." */
static bool default_interface(char out[IFNAMSIZ], const char *routes)
{
	unsigned best = UINT32_MAX;
	bool found = false;

	for (const char *s = routes; s && *s; s = next_line(s)) {
		char name[IFNAMSIZ];
		unsigned to, flags, metric, mask;

		if (sscanf(s, "%15s %8x %*8x %4x %*u %*u %u %8x", name, &to, &flags, &metric,
		            &mask) != 5 ||
		        to || mask || !(flags & 1) || (found && metric >= best))
			continue;
		(void)snprintf(out, IFNAMSIZ, "%s", name);
		best = metric;
		found = true;
	}
	return found;
}

static bool address_of(struct in6_addr *ret, const char *interfaces, const char *name)
{
	for (const char *s = interfaces; s && *s; s = next_line(s)) {
		char is[IFNAMSIZ], text[ADDRESS_MAX];
		struct in6_addr a;

		if (sscanf(s, "%15s %45s", is, text) == 2 && strcmp(is, name) == 0 &&
		        from_text(&a, text) && is_usable(&a)) {
			*ret = a;
			return true;
		}
	}
	return false;
}

/* --- choosing --------------------------------------------------------------------------------- */

static bool from_host_json(char out[ADDRESS_MAX], const char *text)
{
	struct err ignored = ERR_INIT;
	AUTO(json)
	json_t *j = text ? json_parse_object(text, strlen(text), "host.json", &ignored) : NULL;
	struct in6_addr a;

	if (json_int(j, "format", 0) != 1 || !from_text(&a, json_str(j, "address", "")) ||
	        !is_usable(&a))
		return false;
	to_text(out, &a);
	return true;
}

enum address_source address_choose(char out[ADDRESS_MAX], const struct address_facts *f)
{
	char name[IFNAMSIZ];
	struct in6_addr a;

	out[0] = '\0';
	if (from_host_json(out, f->host_json))
		return ADDRESS_HOST_JSON;
	if (best_connection(&a, best_connection(&a, 0, f->tcp), f->tcp6) > 0) {
		to_text(out, &a);
		return ADDRESS_SWARM;
	}
	if (default_interface(name, f->route) && address_of(&a, f->interfaces, name)) {
		to_text(out, &a);
		return ADDRESS_ROUTE;
	}
	if (!address_of(&a, f->interfaces, "lo"))
		return ADDRESS_NONE;
	to_text(out, &a);
	return ADDRESS_LOOPBACK;
}

const char *address_source_name(enum address_source s)
{
	static const char *const names[] = {
		[ADDRESS_NONE] = "none",
		[ADDRESS_HOST_JSON] = "host.json",
		[ADDRESS_SWARM] = "swarm",
		[ADDRESS_ROUTE] = "default-route",
		[ADDRESS_LOOPBACK] = "loopback",
	};

	return names[s];
}

/* --- this host -------------------------------------------------------------------------------- */

static bool is_private4(const uint8_t *a)
{
	return a[0] == 10 || (a[0] == 172 && a[1] >= 16 && a[1] < 32) ||
	        (a[0] == 192 && a[1] == 168) || (a[0] == 100 && a[1] >= 64 && a[1] < 128);
}

bool address_is_near(const char *address, const char *own)
{
	uint8_t a[16], b[16];

	if (inet_pton(AF_INET, address, a) == 1)
		return is_private4(a) || (inet_pton(AF_INET, own, b) == 1 && memcmp(a, b, 3) == 0);
	if (inet_pton(AF_INET6, address, a) != 1)
		return false;
	/* fc00::/7.  An IPv4 address in IPv6's clothes has 64 zeros, as ::1 has. */
	if ((a[0] & 0xfe) == 0xfc)
		return true;
	return inet_pton(AF_INET6, own, b) == 1 && (a[0] & 0xe0) == 0x20 && memcmp(a, b, 8) == 0;
}

static void list_interfaces(struct buf *b)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		char text[ADDRESS_MAX];
		const void *a;

		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			a = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
		else if (i->ifa_addr->sa_family == AF_INET6)
			a = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
		else
			continue;
		if (inet_ntop(i->ifa_addr->sa_family, a, text, sizeof(text)))
			(void)!buf_add_fmt(b, "%s %s\n", i->ifa_name, text);
	}
	freeifaddrs(all);
}

/* What cannot be read is left out. */
static const char *file(int dirfd, const char *path, struct buf *b)
{
	struct err ignored = ERR_INIT;

	return fs_read_at(dirfd, path, b, &ignored) == 0 ? b->data : NULL;
}

enum address_source address_look(char out[ADDRESS_MAX], int pool_fd)
{
	AUTO(buf) struct buf json = BUF_INIT(HOST_JSON_MAX);
	AUTO(buf) struct buf tcp = BUF_INIT(FILE_MAX);
	AUTO(buf) struct buf tcp6 = BUF_INIT(FILE_MAX);
	AUTO(buf) struct buf route = BUF_INIT(FILE_MAX);
	AUTO(buf) struct buf interfaces = BUF_INIT(FILE_MAX);
	struct address_facts f = {
		.host_json = pool_fd < 0 ? NULL : file(pool_fd, "host.json", &json),
		.tcp = file(AT_FDCWD, "/proc/net/tcp", &tcp),
		.tcp6 = file(AT_FDCWD, "/proc/net/tcp6", &tcp6),
		.route = file(AT_FDCWD, "/proc/net/route", &route),
	};

	list_interfaces(&interfaces);
	f.interfaces = interfaces.data;
	return address_choose(out, &f);
}
