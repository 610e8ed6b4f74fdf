#include "load/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/version.h"
#include "http/url.h"

#define METHOD_MAX  32
#define HEADERS_MAX 64
#define HEADER_MAX  8192

#define OWN_HINT \
	"a load test of somebody else's server is an attack; if it is yours, say --i-own-this"

struct addr_text {
	char s[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
};

/* --- addresses ---------------------------------------------------------------------- */

/* RFC 1918 private, RFC 3927 link-local, RFC 6598 shared, loopback, and "this host", which
 * Linux takes for loopback. */
static bool is_near4(uint32_t a)
{
	static const struct {
		uint32_t net;
		unsigned bits;
	} nets[] = {
		{ 0x7f000000, 8 },  /* 127.0.0.0/8 */
		{ 0x0a000000, 8 },  /* 10.0.0.0/8 */
		{ 0xac100000, 12 }, /* 172.16.0.0/12 */
		{ 0xc0a80000, 16 }, /* 192.168.0.0/16 */
		{ 0xa9fe0000, 16 }, /* 169.254.0.0/16 */
		{ 0x64400000, 10 }, /* 100.64.0.0/10 */
		{ 0x00000000, 32 },
	};

	for (size_t i = 0; i < ARRAY_LEN(nets); i++)
		if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0)
			return true;
	return false;
}

/* Loopback, "this host", RFC 4193 unique local, link-local, and IPv4 in disguise (RFC 4291). */
static bool is_near6(const struct in6_addr *a)
{
	uint32_t v4;

	if (IN6_IS_ADDR_V4MAPPED(a)) {
		memcpy(&v4, a->s6_addr + 12, sizeof(v4));
		return is_near4(ntohl(v4));
	}
	return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LINKLOCAL(a) ||
	        (a->s6_addr[0] & 0xfe) == 0xfc;
}

/* Where clouds tell a machine its secrets: link-local and unique local, and nobody's node. */
static bool is_metadata(const struct load_addr *a)
{
	static const unsigned char v4[] = { 169, 254, 169, 254 };
	static const struct in6_addr v6 = { { { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, 0x54 } } };
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	memcpy(&in4, &a->sa, sizeof(in4));
	memcpy(&in6, &a->sa, sizeof(in6));
	if (a->sa.ss_family == AF_INET)
		return memcmp(&in4.sin_addr, v4, sizeof(v4)) == 0;
	return a->sa.ss_family == AF_INET6 &&
	        (memcmp(&in6.sin6_addr, &v6, sizeof(v6)) == 0 ||
	                (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) &&
	                        memcmp(in6.sin6_addr.s6_addr + 12, v4, sizeof(v4)) == 0));
}

bool load_addr_is_near(const struct load_addr *a)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	if (is_metadata(a))
		return false;
	switch (a->sa.ss_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		memcpy(&in4, &a->sa, sizeof(in4));
		return is_near4(ntohl(in4.sin_addr.s_addr));
	case AF_INET6:
		memcpy(&in6, &a->sa, sizeof(in6));
		return is_near6(&in6.sin6_addr);
	default:
		return false;
	}
}

static struct addr_text text_of(const struct load_addr *a)
{
	struct addr_text t = { "?" };

	(void)getnameinfo(
	        (const struct sockaddr *)&a->sa, a->n, t.s, sizeof(t.s), NULL, 0, NI_NUMERICHOST);
	return t;
}

static bool same_addr(const struct load_addr *a, const struct load_addr *b)
{
	return a->n == b->n && memcmp(&a->sa, &b->sa, a->n) == 0;
}

/* Returns 0, or -1 with ERR_DENIED. */
static int add_addr(struct load_target *t, const struct load_addr *a, bool owns_it,
        const char *host, struct err *e)
{
	if (!owns_it && !load_addr_is_near(a)) {
		struct addr_text text = text_of(a);

		const char *what =
		        is_metadata(a) ? "the address of a cloud's metadata" : "a public address";

		if (strcmp(text.s, host) == 0)
			err_set(e, ERR_DENIED, "%s is %s", text.s, what);
		else
			err_set(e, ERR_DENIED, "'%s' is %s, which is %s", host, text.s, what);
		return err_hint(e, OWN_HINT);
	}
	for (unsigned i = 0; i < t->n_addrs; i++)
		if (same_addr(&t->addrs[i], a))
			return 0;
	if (t->n_addrs < LOAD_ADDRS_MAX)
		t->addrs[t->n_addrs++] = *a;
	return 0;
}

/* What getaddrinfo() says, as an error.  Always returns -1. */
static int resolve_error(int rc, const char *host, struct err *e)
{
	if (rc == EAI_SYSTEM)
		return err_sys(e, errno, "resolve '%s'", host);
	if (rc == EAI_MEMORY)
		return err_nomem(e);
	err_set(e, rc == EAI_AGAIN ? ERR_UNAVAILABLE : ERR_NOT_FOUND, "resolve '%s': %s", host,
	        gai_strerror(rc));
	return err_hint(e, "give an address, or a name that this machine's resolver knows");
}

static int resolve(struct load_target *t, const struct http_url *u, bool owns_it, struct err *e)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	AUTO(free)
	char *host = str_fmt("%s%s%s", u->host, u->zone ? "%" : "", u->zone ? u->zone : "");
	struct addrinfo *found = NULL;
	char port[8];
	int rc;

	if (!host)
		return err_nomem(e);
	(void)snprintf(port, sizeof(port), "%u", u->port);
	rc = getaddrinfo(host, port, &hint, &found);
	if (rc)
		return resolve_error(rc, host, e);
	/* All of them are judged, also those for which there is no room. */
	for (const struct addrinfo *i = found; i && rc == 0; i = i->ai_next) {
		struct load_addr a = { .n = i->ai_addrlen };

		if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
			continue;
		memcpy(&a.sa, i->ai_addr, i->ai_addrlen);
		rc = add_addr(t, &a, owns_it, host, e);
	}
	freeaddrinfo(found);
	if (rc == 0 && t->n_addrs == 0)
		rc = err_set(e, ERR_NOT_FOUND, "'%s' has no address", host);
	return rc;
}

static int use_socket(struct load_target *t, const char *path, struct err *e)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(path) >= sizeof(un.sun_path))
		return err_set(e, ERR_USAGE, "the socket's path '%s' is longer than %zu bytes",
		        path, sizeof(un.sun_path) - 1);
	if (stat(path, &st) < 0) {
		int why = errno;

		return why == ENOENT ? err_set(e, ERR_NOT_FOUND, "there is no socket '%s'", path)
		                     : err_sys(e, why, "look at the socket '%s'", path);
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_USAGE, "'%s' is not a socket", path);
	memcpy(un.sun_path, path, strlen(path) + 1);
	memcpy(&t->addrs[0].sa, &un, sizeof(un));
	t->addrs[0].n = sizeof(un);
	t->n_addrs = 1;
	return 0;
}

/* --- the URL ------------------------------------------------------------------------ */

static int check_scheme(const struct http_url *u, const char *url, struct err *e)
{
	if (u->has_user) {
		err_set(e, ERR_USAGE, "the URL holds a user or a password");
		return err_hint(e, "nodeos asks for none; what a proxy wants goes into --header");
	}
	if (strcmp(u->scheme, "http") == 0)
		return 0;
	if (strcmp(u->scheme, "https") != 0)
		return err_set(e, ERR_USAGE, "'%.200s' is not an http:// URL", url);
	err_set(e, ERR_USAGE,
	        "a load test does not speak TLS: it would measure this machine's ciphers, not the "
	        "server");
	return err_hint(e,
	        "give the http:// address behind what ends TLS, or end TLS yourself on "
	        "this machine, as with 'haproxy' or 'stunnel', and load that");
}

/* The port only if it is not the default, brackets around IPv6, no zone: RFC 9110, 7.2. */
static char *host_header(const struct http_url *u)
{
	const char *open = u->is_ipv6 ? "[" : "", *close = u->is_ipv6 ? "]" : "";

	return u->port == 80 ? str_fmt("%s%s%s", open, u->host, close)
	                     : str_fmt("%s%s%s:%u", open, u->host, close, u->port);
}

static char *path_of(const struct http_url *u)
{
	/* "http://host?q=1" has a query for "/", which then was meant. */
	return strdup(u->has_path || strcmp(u->path, "/") != 0 ? u->path : LOAD_INFO_PATH);
}

/* "localhost:8888" is read as the scheme "localhost". */
static int parse(struct http_url *u, const char *url, struct err *e)
{
	if (strstr(url, "://"))
		return http_url_parse(u, url, e);
	*u = (struct http_url){ .port = 0 };
	err_set(e, ERR_USAGE, "'%.200s' is not an http:// URL", url);
	return err_hint(e, "did you mean http://%.200s?", url);
}

int load_target_init(struct load_target *t, const char *url, const char *unix_socket, bool owns_it,
        struct err *e)
{
	AUTO(http_url) struct http_url u = { .port = 0 };

	*t = (struct load_target){ .n_addrs = 0 };
	if (parse(&u, url, e) < 0 || check_scheme(&u, url, e) < 0)
		return -1;
	t->host = host_header(&u);
	t->path = path_of(&u);
	if (t->host && t->path)
		t->url = str_fmt("http://%s%s", t->host, t->path);
	if (!t->url)
		return err_nomem(e);
	return unix_socket ? use_socket(t, unix_socket, e) : resolve(t, &u, owns_it, e);
}

void load_target_release(struct load_target *t)
{
	free(t->url);
	free(t->host);
	free(t->path);
	*t = (struct load_target){ .n_addrs = 0 };
}

/* --- which addresses are open ------------------------------------------------------ */

/* Whether a connection to each address is refused; one that is not within the time is not. */
static void try_all(const struct load_target *t, bool *refused, bool *open, int64_t until_ns)
{
	struct pollfd fds[LOAD_ADDRS_MAX];
	unsigned left = 0;

	for (unsigned i = 0; i < t->n_addrs; i++) {
		const struct load_addr *a = &t->addrs[i];
		int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		fds[i] = (struct pollfd){ .fd = fd, .events = POLLOUT };
		open[i] = fd >= 0 && connect(fd, (const struct sockaddr *)&a->sa, a->n) == 0;
		refused[i] = !open[i] && (fd < 0 || errno != EINPROGRESS);
		left += fd >= 0 && !open[i] && !refused[i];
	}
	while (left) {
		int64_t rest = until_ns - clock_mono_ns();

		for (unsigned i = 0; i < t->n_addrs; i++)
			fds[i].events = open[i] || refused[i] ? 0 : POLLOUT;
		if (rest <= 0 || poll(fds, t->n_addrs, (int)(rest / NS_PER_MS) + 1) <= 0)
			break;
		for (unsigned i = 0; i < t->n_addrs; i++) {
			int why = 0;
			socklen_t n = sizeof(why);

			if (!fds[i].revents || open[i] || refused[i])
				continue;
			(void)getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &why, &n);
			open[i] = !why;
			refused[i] = why;
			left--;
		}
	}
	for (unsigned i = 0; i < t->n_addrs; i++)
		if (fds[i].fd >= 0)
			(void)close(fds[i].fd);
}

/* Whether all addresses of the family are refused. */
static bool is_closed(const struct load_target *t, const bool *refused, sa_family_t family)
{
	bool closed = false;

	for (unsigned i = 0; i < t->n_addrs; i++) {
		if (t->addrs[i].sa.ss_family != family)
			continue;
		if (!refused[i])
			return false;
		closed = true;
	}
	return closed;
}

bool load_target_drop_family(struct load_target *t, int64_t timeout_ns, char *said, size_t size)
{
	static const sa_family_t families[] = { AF_INET6, AF_INET };
	bool refused[LOAD_ADDRS_MAX] = { false }, open[LOAD_ADDRS_MAX] = { false };
	bool any_open = false;
	unsigned kept = 0;
	sa_family_t closed = AF_UNSPEC;

	if (t->n_addrs < 2)
		return false;
	try_all(t, refused, open, clock_mono_ns() + timeout_ns);
	for (unsigned i = 0; i < t->n_addrs; i++)
		any_open = any_open || open[i];
	for (size_t i = 0; any_open && i < ARRAY_LEN(families); i++)
		if (is_closed(t, refused, families[i]))
			closed = families[i];
	if (closed == AF_UNSPEC)
		return false;
	for (unsigned i = 0; i < t->n_addrs; i++)
		if (t->addrs[i].sa.ss_family != closed)
			t->addrs[kept++] = t->addrs[i];
	t->n_addrs = kept;
	(void)snprintf(said, size, "%s is not open over %s, so all connections go to %s (%s)",
	        t->host, closed == AF_INET6 ? "IPv6" : "IPv4", closed == AF_INET6 ? "IPv4" : "IPv6",
	        text_of(&t->addrs[0]).s);
	return true;
}

/* --- the request -------------------------------------------------------------------- */

/* RFC 9110, 5.6.2. */
static bool is_token(const char *s, size_t n)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'A' && s[i] <= 'Z') ||
		            (s[i] >= 'a' && s[i] <= 'z') || (s[i] && strchr(marks, s[i]))))
			return false;
	return n > 0;
}

static bool has_name(const char *header, const char *name)
{
	size_t n = strlen(name);

	return strncasecmp(header, name, n) == 0 && header[n] == ':';
}

/* What decides where a message ends is ours; the last three would have the server talk another
 * way. */
static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection",
	"Keep-Alive", "Expect", "Upgrade", "TE" };

/* Its value, and a line that is none, may be a secret: neither is told. */
static int check_header(const char *h, size_t number, struct err *e)
{
	const char *colon = strchr(h, ':');

	if (strlen(h) > HEADER_MAX)
		return err_set(e, ERR_USAGE, "a header of more than %d bytes", HEADER_MAX);
	if (!colon || !is_token(h, (size_t)(colon - h)))
		return err_set(e, ERR_USAGE, "header %zu is not like 'Name: value'", number);
	for (const char *s = colon; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return err_set(e, ERR_USAGE, "the header '%.*s' has a control character",
			        (int)(colon - h), h);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (has_name(h, ours[i]))
			return err_set(e, ERR_USAGE,
			        "the header '%s' is set by the load test itself", ours[i]);
	return 0;
}

static int check_request(
        const char *method, const char *body, const struct strvec *headers, struct err *e)
{
	if (strlen(method) > METHOD_MAX || !is_token(method, strlen(method)))
		return err_set(e, ERR_USAGE, "'%.64s' is not a method like GET", method);
	if (strcmp(method, "CONNECT") == 0)
		return err_set(
		        e, ERR_USAGE, "CONNECT opens a tunnel, which is not a request to count");
	if (body && strlen(body) > LOAD_REQUEST_BODY_MAX)
		return err_set(
		        e, ERR_USAGE, "a body of more than %zu bytes", LOAD_REQUEST_BODY_MAX);
	if (headers && headers->n > HEADERS_MAX)
		return err_set(e, ERR_USAGE, "more than %d headers", HEADERS_MAX);
	for (size_t i = 0; headers && i < headers->n; i++)
		if (check_header(headers->v[i], i + 1, e) < 0)
			return -1;
	return 0;
}

/* Ours, unless one of that name was given. */
static int add_header(
        struct buf *out, const struct strvec *headers, const char *name, const char *value)
{
	for (size_t i = 0; headers && i < headers->n; i++)
		if (has_name(headers->v[i], name))
			return 0;
	return buf_add_fmt(out, "%s: %s\r\n", name, value);
}

static bool wants_length(const char *method, const char *body)
{
	return body || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
	        strcmp(method, "PATCH") == 0;
}

static int build(struct buf *out, const struct load_target *t, const char *method, const char *body,
        const struct strvec *headers, bool keep_alive)
{
	if (buf_add_fmt(out, "%s %s HTTP/1.1\r\n", method, t->path) < 0 ||
	        add_header(out, headers, "Host", t->host) < 0 ||
	        add_header(out, headers, "User-Agent", "nodeswarm") < 0 ||
	        add_header(out, headers, "Accept", "*/*") < 0)
		return -1;
	if (body && add_header(out, headers, "Content-Type", "application/json") < 0)
		return -1;
	for (size_t i = 0; headers && i < headers->n; i++)
		if (buf_add_fmt(out, "%s\r\n", headers->v[i]) < 0)
			return -1;
	if (!keep_alive && buf_add_str(out, "Connection: close\r\n") < 0)
		return -1;
	if (wants_length(method, body) &&
	        buf_add_fmt(out, "Content-Length: %zu\r\n", body ? strlen(body) : 0) < 0)
		return -1;
	if (buf_add_str(out, "\r\n") < 0)
		return -1;
	return body ? buf_add_str(out, body) : 0;
}

int load_request_build(struct buf *out, const struct load_target *t, const char *method,
        const char *body, const struct strvec *headers, bool keep_alive, struct err *e)
{
	if (check_request(method, body, headers, e) < 0)
		return -1;
	if (build(out, t, method, body, headers, keep_alive) == 0)
		return 0;
	return errno == E2BIG ? err_set(e, ERR_USAGE, "a request of more than %zu bytes", out->max)
	                      : err_nomem(e);
}
