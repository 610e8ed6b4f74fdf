#pragma once

/*
 * A real agent in a process of its own, and requests to it byte by byte
 *
 * The test makes the pool and the token's file, and chooses the port.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#define TOKEN "0123456789abcdef0123456789abcdef"
#define AUTH  "Authorization: Bearer " TOKEN "\r\n"
#define CLOSE "Host: x\r\nConnection: close\r\n"
#define REPLY (8U * 1024 * 1024)

static char pool_path[64], token_path[64];
static int port;
static char *reply; /* of REPLY + 1 bytes */

static void be_agent(const char *address)
{
	const struct agent_config cfg = {
		.pool = pool_path,
		.node_id = "node1",
		.node = "host1",
		.address = address,
		.port = (uint16_t)port,
		.token_path = token_path,
	};
	struct err e = ERR_INIT;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_ERROR);
	/* Not _exit(): a sanitizer looks for leaks then. */
	exit(agent_run(&cfg, &e) == 0 ? 0 : 1);
}

/* A connection from 127.0.0.host, or with 0 over agent.sock; -1. */
static int dial(unsigned host)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000000U | host) };
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(host ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s/" AGENT_SOCKET, pool_path);
	if (host) {
		assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
		rc = connect(fd, (struct sockaddr *)&to, sizeof(to));
	} else {
		rc = connect(fd, (struct sockaddr *)&un, sizeof(un));
	}
	if (rc == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void say(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		text += sent;
		n -= (size_t)sent;
	}
}

/* All that comes until the end; returns the status, 0 without one. */
static int hear(int fd)
{
	size_t n = 0;
	ssize_t got;
	int status = 0;

	while (n < REPLY && (got = recv(fd, reply + n, REPLY - n, 0)) > 0)
		n += (size_t)got;
	reply[n] = '\0';
	(void)close(fd);
	(void)sscanf(reply, "HTTP/1.1 %d", &status);
	return status;
}

static int ask(unsigned host, const char *request)
{
	int fd = dial(host);

	assert_true(fd >= 0);
	say(fd, request);
	return hear(fd);
}

static int post(const char *path, const char *body)
{
	char request[8192];

	(void)snprintf(request, sizeof(request),
	        "POST %s HTTP/1.1\r\n" CLOSE "Content-Length: %zu\r\n\r\n%s", path, strlen(body),
	        body);
	return ask(0, request);
}

static json_t *body(void)
{
	const char *at = strstr(reply, "\r\n\r\n");
	struct err e = ERR_INIT;
	json_t *j = at ? json_parse_object(at + 4, strlen(at + 4), "reply", &e) : NULL;

	if (!j)
		fail_msg("'%.300s': %s", reply, e.msg);
	return j;
}

static int64_t ms_since(int64_t t)
{
	return (clock_mono_ns() - t) / NS_PER_MS;
}

static pid_t spawn_agent(const char *address)
{
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_agent(address);
	return pid;
}

static bool is_up(void)
{
	int fd = dial(0), tcp = dial(1);

	if (fd >= 0)
		(void)close(fd);
	if (tcp >= 0)
		(void)close(tcp);
	return fd >= 0 && tcp >= 0;
}
