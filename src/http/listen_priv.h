#pragma once

/* Where a server listens. */

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

/* A socket that listens on an IP address; *port gets the one that is really bound.  Or -1. */
int http_listen_tcp(const char *address, uint16_t *port, struct err *e) NODISCARD;

/* On a unix socket, mode 0600, in a directory.  ERR_CONFLICT while somebody listens there. */
int http_listen_unix(int dirfd, const char *name, struct err *e) NODISCARD;

/* Remove the socket's name if it is still that of the socket which listens as fd. */
void http_listen_unix_end(int fd, int dirfd, const char *name);
