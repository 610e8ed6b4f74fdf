#include "agent/proc.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_SIZE (3 * PROC_PATH_SIZE)

/* Copies the next line and moves *at behind it; 1 at the end.  A line that is too long is cut. */
static int next_line(char *out, size_t size, const char **at)
{
	size_t n = strcspn(*at, "\n");

	if (!**at)
		return 1;
	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), *at);
	*at += n + ((*at)[n] == '\n');
	return 0;
}

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

	while (next_line(line, sizeof(line), at) == 0)
		if (socket_line(&s, line) == 0) {
			*ret = s;
			return 0;
		}
	return 1;
}

/* --- mounts ------------------------------------------------------------------------- */

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Blanks, tabs, newlines and backslashes in a path are written as \040 and so on. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && is_octal(s[1]) && is_octal(s[2]) && is_octal(s[3])) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static bool has_option(const char *options, const char *name)
{
	size_t n = strlen(name);

	for (const char *s = options; *s; s += strcspn(s, ","), s += *s == ',')
		if (strncmp(s, name, n) == 0 && (s[n] == ',' || s[n] == '\0'))
			return true;
	return false;
}

/* "36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue" */
static int mount_line(struct proc_mount *m, char *line)
{
	char *save = NULL, *field[6], *word, *super, *dash = strstr(line, " - ");

	if (!dash)
		return -1;
	*dash = '\0';
	for (size_t i = 0; i < 6; i++)
		if (!(field[i] = strtok_r(i ? NULL : line, " ", &save)))
			return -1;
	word = strtok_r(dash + 3, " ", &save);
	super = word && strtok_r(NULL, " ", &save) ? strtok_r(NULL, " ", &save) : NULL;
	if (!super || strlen(field[3]) >= sizeof(m->root) || strlen(field[4]) >= sizeof(m->point))
		return -1;
	snprintf(m->root, sizeof(m->root), "%s", field[3]);
	snprintf(m->point, sizeof(m->point), "%s", field[4]);
	snprintf(m->type, sizeof(m->type), "%.31s", word);
	m->is_read_only = has_option(field[5], "ro") || has_option(super, "ro");
	unescape(m->root);
	unescape(m->point);
	return 0;
}

static bool is_within(const char *path, const char *point)
{
	size_t n = strlen(point);

	if (n && point[n - 1] == '/')
		n--;
	return strncmp(path, point, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

int proc_mount_of(struct proc_mount *ret, const char *mountinfo, const char *path)
{
	char line[LINE_MAX_SIZE];
	struct proc_mount m;
	size_t best = 0;
	int rc = 1;

	while (next_line(line, sizeof(line), &mountinfo) == 0) {
		if (mount_line(&m, line) < 0 || !is_within(path, m.point) || strlen(m.point) < best)
			continue;
		best = strlen(m.point);
		*ret = m;
		rc = 0;
	}
	return rc;
}

/* --- others ------------------------------------------------------------------------- */

int64_t proc_meminfo_bytes(const char *text, const char *name)
{
	char line[128];
	size_t n = strlen(name);
	unsigned long long kib;

	while (next_line(line, sizeof(line), &text) == 0)
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
