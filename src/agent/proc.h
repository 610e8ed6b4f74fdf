#pragma once

/*
 * Texts of /proc, taken apart
 *
 * Pure functions over the text.  The kernel wrote it, but path names in it are chosen by others,
 * and a line that is not understood is passed over.  Formats: proc(5), and the kernel's
 * Documentation/networking/proc_net_tcp.rst and filesystems/proc.rst.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define PROC_ADDRESS_SIZE 46 /* INET6_ADDRSTRLEN */
#define PROC_TCP_LISTEN   0x0a
#define PROC_TCP_OPEN     0x01
#define PROC_UDP_BOUND    0x07

/* A line of /proc/net/{tcp,tcp6,udp,udp6}. */
struct proc_socket {
	char local[PROC_ADDRESS_SIZE], remote[PROC_ADDRESS_SIZE];
	uint16_t local_port, remote_port;
	unsigned state; /* PROC_TCP_LISTEN ... */
	uint32_t uid;
	uint64_t inode; /* as in the link /proc/<pid>/fd/N of its process, if it has one */
};

/* The next socket from *at on, which is moved behind it.  Returns 0, 1 at the end. */
int proc_socket_next(struct proc_socket *ret, const char **at) NODISCARD;

/* The value of "NAME:  123 kB" in /proc/meminfo, in bytes; -1 without. */
int64_t proc_meminfo_bytes(const char *text, const char *name);

/* The word in brackets of "always [madvise] never"; "" without. */
void proc_chosen_word(char *out, size_t size, const char *text);

/* Whether modules.dep or modules.builtin names the module ("ip_vs", not a part of a name). */
bool proc_lists_module(const char *text, const char *name);
