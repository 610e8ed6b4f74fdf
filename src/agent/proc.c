#include "agent/proc.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* --- sockets ------------------------------------------------------------------------ */

/* Exactly n hex digits. */
static int hex_number(uint32_t *ret, const char *s, size_t n)
{
	uint32_t number = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return -1;
		number =
		        number * 16 + (uint32_t)(s[i] <= '9' ? s[i] - '0' : (s[i] | 32) - 'a' + 10);
	}
	*ret = number;
	return 0;
}

/* "0100007F:0947": each 32 bits of the address as a number in the machine's own order. */
static int address(char out[PROC_ADDRESS_SIZE], uint16_t *port, const char *s)
{
	size_t digits = strcspn(s, ":");
	uint32_t words[4], number;

	if ((digits != 8 && digits != 32) || strlen(s) != digits + 5 ||
	        hex_number(&number, s + digits + 1, 4) < 0)
		return -1;
	for (size_t i = 0; i < digits / 8; i++)
		if (hex_number(&words[i], s + 8 * i, 8) < 0)
			return -1;
	*port = (uint16_t)number;
	return inet_ntop(digits == 8 ? AF_INET : AF_INET6, words, out, PROC_ADDRESS_SIZE) ? 0 : -1;
}

static int socket_line(struct proc_socket *s, const char *line)
{
	char local[64], remote[64];
	unsigned state, uid;
	unsigned long long inode;

	if (sscanf(line, "%*u: %63s %63s %2x %*s %*s %*s %u %*u %llu", local, remote, &state, &uid,
	            &inode) != 5)
		return -1;
	if (address(s->local, &s->local_port, local) < 0 ||
	        address(s->remote, &s->remote_port, remote) < 0)
		return -1;
	s->state = state;
	s->uid = uid;
	s->inode = inode;
	return 0;
}

int proc_socket_next(struct proc_socket *ret, const char **at)
{
	char line[512];
	struct proc_socket s;

	while (str_next_line(line, sizeof(line), at) == 0)
		if (socket_line(&s, line) == 0) {
			*ret = s;
			return 0;
		}
	return 1;
}

/* --- others ------------------------------------------------------------------------- */

int64_t proc_meminfo_bytes(const char *text, const char *name)
{
	char line[128];
	size_t n = strlen(name);
	unsigned long long kib;

	while (str_next_line(line, sizeof(line), &text) == 0)
		if (strncmp(line, name, n) == 0 && line[n] == ':' &&
		        sscanf(line + n + 1, "%15llu kB", &kib) == 1)
			return (int64_t)(kib * 1024);
	return -1;
}

void proc_chosen_word(char *out, size_t size, const char *text)
{
	const char *open = strchr(text, '[');
	size_t n = open ? strcspn(open + 1, "]\n") : 0;

	out[0] = '\0';
	if (open && open[1 + n] == ']' && n < size)
		snprintf(out, size, "%.*s", (int)n, open + 1);
}

/* "kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/..." or the same without what depends. */
bool proc_lists_module(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *s = text; *s; s += strcspn(s, "\n"), s += *s == '\n') {
		size_t len = strcspn(s, ":\n");
		const char *base = s;

		for (size_t i = 0; i < len; i++)
			if (s[i] == '/')
				base = s + i + 1;
		if (strncmp(base, name, n) == 0 && strncmp(base + n, ".ko", 3) == 0)
			return true;
	}
	return false;
}
