#include "nodeos/peers.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"

#define KEY       "p2p-peer-address"
#define HOST_MAX  253
#define LABEL_MAX 63
#define SHARE_MIN 4

void nodeos_peers_release(struct nodeos_peers *p)
{
	strvec_release(&p->text);
}

/* A host name by RFC 1123 (and '_', which container names may have), or an IPv4 address. */
static bool is_host(const char *s)
{
	const char *label = s;
	struct in_addr a;

	if (strlen(s) > HOST_MAX)
		return false;
	for (;;) {
		size_t n = strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-_");

		if (n == 0 || n > LABEL_MAX || label[0] == '-' || label[n - 1] == '-')
			return false;
		if (!label[n])
			break;
		if (label[n] != '.')
			return false;
		label += n + 1;
	}
	/* No top-level domain is a number, so this is an address, or a mistyped one. */
	return label[strspn(label, "0123456789")] || inet_pton(AF_INET, s, &a) == 1;
}

/* "[...]": the address in its canonical form. */
static int canonical_ip6(char out[INET6_ADDRSTRLEN], const char *s)
{
	struct in6_addr a;

	return inet_pton(AF_INET6, s, &a) == 1 && inet_ntop(AF_INET6, &a, out, INET6_ADDRSTRLEN)
	        ? 0
	        : -1;
}

/* Cut "host:port[:kind]" at its colons; an IPv6 host loses its brackets. */
static int split(char *s, bool *ip6, char **host, char **port, char **kind)
{
	char *end;

	*ip6 = *s == '[';
	*host = s + *ip6;
	end = strchr(*host, *ip6 ? ']' : ':');
	if (!end || (*ip6 && end[1] != ':'))
		return -1;
	*end = '\0';
	*port = end + 1 + *ip6;
	*kind = strchr(*port, ':');
	if (*kind)
		*(*kind)++ = '\0';
	return 0;
}

int nodeos_peer_check(char out[NODEOS_PEER_SIZE], const char *peer, struct err *e)
{
	char copy[NODEOS_PEER_SIZE], address[INET6_ADDRSTRLEN], *host, *port, *kind;
	struct err unused = ERR_INIT;
	uint64_t number;
	bool ip6;

	if (strlen(peer) >= sizeof(copy))
		return err_set(e, ERR_USAGE, "peer '%.60s...' is too long", peer);
	for (size_t i = 0; i <= strlen(peer); i++)
		copy[i] = (char)tolower((unsigned char)peer[i]);
	if (split(copy, &ip6, &host, &port, &kind) < 0)
		return err_set(e, ERR_USAGE, "peer '%s' is not host:port[:trx|blk]", peer);
	if (ip6 ? canonical_ip6(address, host) < 0 : !is_host(host))
		return err_set(
		        e, ERR_USAGE, "peer '%s': '%s' is not a host name or address", peer, host);
	if (num_uint(&number, port, 1, UINT16_MAX, &unused) < 0)
		return err_set(
		        e, ERR_USAGE, "peer '%s': '%s' is not a port from 1 to 65535", peer, port);
	if (kind && strcmp(kind, "trx") != 0 && strcmp(kind, "blk") != 0)
		return err_set(e, ERR_USAGE, "peer '%s': '%s' is neither trx nor blk", peer, kind);
	snprintf(out, NODEOS_PEER_SIZE, "%s%s%s:%u%s%s", ip6 ? "[" : "", ip6 ? address : host,
	        ip6 ? "]" : "", (unsigned)number, kind ? ":" : "", kind ? kind : "");
	return 0;
}

bool nodeos_peer_is_service(const char *peer)
{
	size_t host = strcspn(peer, ":");
	const char *name = peer;

	if (*peer == '[' || (host == 9 && memcmp(peer, "localhost", 9) == 0))
		return false;
	if (str_starts(peer, "tasks.", &name))
		host -= (size_t)(name - peer);
	return !memchr(name, '.', host);
}

static int add(struct nodeos_peers *p, const char *peer, struct err *e)
{
	char text[NODEOS_PEER_SIZE];

	if (nodeos_peer_check(text, peer, e) < 0)
		return -1;
	for (size_t i = 0; i < p->text.n; i++)
		if (strcmp(p->text.v[i], text) == 0)
			return 0;
	if (p->text.n == NODEOS_PEERS_MAX)
		return err_set(e, ERR_USAGE, "more than %d peers", NODEOS_PEERS_MAX);
	return strvec_add(&p->text, text) < 0 ? err_nomem(e) : 0;
}

static int parse_line(struct nodeos_peers *p, char *line, struct err *e)
{
	char *hash = strchr(line, '#'), *eq;

	if (hash)
		*hash = '\0';
	line = str_trim(line);
	if (!*line)
		return 0;
	eq = strchr(line, '=');
	if (eq) {
		*eq = '\0';
		if (strcmp(str_trim(line), KEY) != 0)
			return err_set(e, ERR_USAGE, "'%.60s' does not belong here, only " KEY,
			        str_trim(line));
		line = str_trim(eq + 1);
	}
	return add(p, line, e);
}

int nodeos_peers_parse(
        struct nodeos_peers *p, const char *name, const char *text, size_t n, struct err *e)
{
	unsigned number = 0;

	if (n > NODEOS_PEERS_TEXT_MAX)
		return err_set(e, ERR_USAGE, "%s: more than %d bytes", name, NODEOS_PEERS_TEXT_MAX);
	if (memchr(text, '\0', n))
		return err_set(e, ERR_USAGE, "%s: a zero byte; this is no text", name);
	for (size_t at = 0; at < n;) {
		const char *end = memchr(text + at, '\n', n - at);
		size_t len = end ? (size_t)(end - text) - at : n - at;
		AUTO(free) char *line = strndup(text + at, len);

		if (!line)
			return err_nomem(e);
		if (++number > NODEOS_PEERS_LINES_MAX)
			return err_set(e, ERR_USAGE, "%s: more than %d lines", name,
			        NODEOS_PEERS_LINES_MAX);
		if (parse_line(p, line, e) < 0)
			return err_wrap(e, "%s:%u", name, number);
		at += len + 1;
	}
	return 0;
}

int nodeos_peers_add_words(
        struct nodeos_peers *p, const char *name, const char *words, struct err *e)
{
	AUTO(free) char *copy = strdup(words);
	char *save = NULL;

	if (!copy)
		return err_nomem(e);
	for (char *w = strtok_r(copy, " \t\r\n", &save); w; w = strtok_r(NULL, " \t\r\n", &save))
		if (add(p, w, e) < 0)
			return err_wrap(e, "%s", name);
	return 0;
}

/*
 * With at least as many peers as slots, the windows begin at even distances, so that the load
 * on the peers is even too; with fewer, each slot begins one peer further on.  Either way the
 * windows of slots 1..slots reach from one beginning to the next and leave no peer out.
 */
struct nodeos_peers_share nodeos_peers_share(size_t peers, unsigned slots, unsigned slot)
{
	struct nodeos_peers_share share = { 0 };
	size_t i;

	if (peers == 0)
		return share;
	if (slots == 0)
		slots = 1;
	i = slot == 0 ? 0 : (slot - 1) % slots;
	share.first = peers >= slots ? i * peers / slots : i % peers;
	share.n = (peers + slots - 1) / slots;
	if (share.n < SHARE_MIN)
		share.n = peers < SHARE_MIN ? peers : SHARE_MIN;
	return share;
}

int nodeos_peers_for_slot(struct strvec *out, const struct nodeos_peers *p, unsigned slots,
        unsigned slot, struct err *e)
{
	struct nodeos_peers_share share = nodeos_peers_share(p->text.n, slots, slot);

	for (size_t i = 0; i < share.n; i++)
		if (strvec_add(out, p->text.v[(share.first + i) % p->text.n]) < 0)
			return err_nomem(e);
	return 0;
}
