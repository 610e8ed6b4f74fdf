#include "firewall/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

static unsigned family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static const uint8_t *bytes_of(const struct firewall_net *n)
{
	return n->family == AF_INET ? (const uint8_t *)&n->v4 : n->v6.s6_addr;
}

const char *firewall_net_text(char out[FIREWALL_NET_SIZE], const struct firewall_net *net)
{
	size_t n;

	if (!inet_ntop(net->family, bytes_of(net), out, INET6_ADDRSTRLEN)) {
		out[0] = '\0';
		return out;
	}
	n = strlen(out);
	if (net->prefix != family_bits(net->family))
		snprintf(out + n, FIREWALL_NET_SIZE - n, "/%u", net->prefix);
	return out;
}

int firewall_net_order(const struct firewall_net *a, const struct firewall_net *b)
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

bool firewall_net_covers(const struct firewall_net *net, const struct firewall_net *address)
{
	unsigned bits = family_bits(net->family);
	unsigned whole, rest;

	if (net->family != address->family || net->prefix > bits)
		return false;
	whole = net->prefix / 8;
	rest = net->prefix % 8;
	if (memcmp(bytes_of(net), bytes_of(address), whole) != 0)
		return false;
	return !rest || (bytes_of(net)[whole] ^ bytes_of(address)[whole]) >> (8 - rest) == 0;
}

bool firewall_is_loopback(const struct firewall_net *a)
{
	if (a->family == AF_INET)
		return bytes_of(a)[0] == 127;
	return IN6_IS_ADDR_LOOPBACK(&a->v6);
}

int firewall_address_parse(struct firewall_net *ret, const char *text)
{
	struct firewall_net net = { .family = AF_INET, .prefix = 32 };

	if (inet_pton(AF_INET, text, &net.v4) == 1) {
		*ret = net;
		return 0;
	}
	net = (struct firewall_net){ .family = AF_INET6, .prefix = 128 };
	if (inet_pton(AF_INET6, text, &net.v6) != 1)
		return -1;
	if (IN6_IS_ADDR_V4MAPPED(&net.v6)) {
		struct in_addr v4;

		memcpy(&v4, &net.v6.s6_addr[12], sizeof(v4));
		net = (struct firewall_net){ .family = AF_INET, .v4 = v4, .prefix = 32 };
	}
	*ret = net;
	return 0;
}

static int parse_address(struct firewall_net *net, const char *text, struct err *e)
{
	if (firewall_address_parse(net, text) == 0)
		return 0;
	return err_set(e, ERR_USAGE, "'%s' is no IPv4 or IPv6 address", text);
}

int firewall_node_parse(struct firewall_net *net, const char *text, struct err *e)
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
	unsigned char *b = net->family == AF_INET ? (unsigned char *)&net->v4 : net->v6.s6_addr;
	bool had = false;

	for (unsigned i = net->prefix; i < family_bits(net->family); i++) {
		unsigned char bit = (unsigned char)(0x80 >> (i % 8));

		had = had || (b[i / 8] & bit);
		b[i / 8] &= (unsigned char)~bit;
	}
	return had;
}

int firewall_net_parse(struct firewall_net *net, const char *text, struct err *e)
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
