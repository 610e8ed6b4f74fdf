#include "firewall/source.h"

#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* connect() of a datagram socket asks the routing table and sends nothing; the port is any. */
#define DISCARD_PORT 9

int firewall_source(struct firewall_net *ret, const struct firewall_net *to)
{
	AUTO(close_fd) int fd = socket(to->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a = { 0 };
	socklen_t len = to->family == AF_INET ? sizeof(a.in) : sizeof(a.in6);

	if (fd < 0)
		return -1;
	a.sa.sa_family = (sa_family_t)to->family;
	if (to->family == AF_INET) {
		a.in.sin_addr = to->v4;
		a.in.sin_port = htons(DISCARD_PORT);
	} else {
		a.in6.sin6_addr = to->v6;
		a.in6.sin6_port = htons(DISCARD_PORT);
	}
	if (connect(fd, &a.sa, len) < 0)
		return -1;
	len = sizeof(a);
	if (getsockname(fd, &a.sa, &len) < 0)
		return -1;
	*ret = (struct firewall_net){ .family = to->family, .prefix = to->prefix };
	if (to->family == AF_INET)
		ret->v4 = a.in.sin_addr;
	else
		ret->v6 = a.in6.sin6_addr;
	return 0;
}
