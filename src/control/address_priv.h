#pragma once

/*
 * The address of the control socket in a directory.  Through /proc, because a path in sun_path
 * has at most 107 bytes and a pool may lie deeper than that.
 */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "control/control.h"

static inline void control_address(struct sockaddr_un *sa, int dirfd)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	(void)snprintf(
	        sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/" CONTROL_SOCKET, dirfd);
}
