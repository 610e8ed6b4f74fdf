/*
 * Line i of the file is slot i of the ring.  The next record goes behind the newest, so at most the
 * oldest is lost to it.  A line is one write() within a page or two of the page cache, which a kill
 * does not cut in two; what a loss of power leaves may be torn or full of zeros.
 */
#include "gate/signed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/boot_id.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/log.h"

#define RING_SIZE ((off_t)SIGNED_MAX * SIGNED_LINE)
#define BEGINS    "{\"slot\":"

struct signed_log {
	int fd;
	unsigned next; /* the line of the next record */
	bool has_last;
	struct signed_entry last;
	uint32_t highest;
	char boot_id[BOOT_ID_SIZE];
};

struct reading {
	unsigned nread, ntorn, nforeign;
};

void signed_close(struct signed_log *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		(void)close(s->fd);
	free(s);
}

static bool number(int64_t *ret, const json_t *o, const char *name, int64_t max)
{
	const json_t *v = json_object_get(o, name);

	*ret = json_integer_value(v);
	return json_is_integer(v) && *ret >= 0 && *ret <= max;
}

/* 0; -1: not a record. */
static int parse(struct signed_entry *ret, const char *line)
{
	struct signed_entry en = { 0 };
	struct err ignored = ERR_INIT;
	AUTO(json) json_t *o = NULL;
	int64_t slot, height, epoch;

	if (line[SIGNED_LINE - 1] != '\n')
		return -1;
	o = json_parse_object(line, SIGNED_LINE, GATE_SIGNED_FILE, &ignored);
	if (!o || !number(&slot, o, "slot", UINT32_MAX) ||
	        !number(&height, o, "height", UINT32_MAX) ||
	        !number(&epoch, o, "epoch", INT64_MAX) ||
	        !number(&en.real_ns, o, "real_ns", INT64_MAX) ||
	        !number(&en.boot_ns, o, "boot_ns", INT64_MAX) ||
	        !number(&en.until_ns, o, "until_ns", INT64_MAX) ||
	        hex_decode(en.digest, sizeof(en.digest), json_str(o, "digest", "")) < 0)
		return -1;
	en.slot = (uint32_t)slot;
	en.height = (uint32_t)height;
	en.epoch = (uint64_t)epoch;
	*ret = en;
	return 0;
}

static bool is_blank(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (line[i])
			return false;
	return true;
}

/* One line of the file, of which n bytes are there. */
static void take_line(
        struct signed_log *s, struct reading *r, unsigned at, const char *line, size_t n)
{
	struct signed_entry en;

	if (is_blank(line, n))
		return;
	if (n < SIGNED_LINE || parse(&en, line) < 0) {
		size_t begin = n < strlen(BEGINS) ? n : strlen(BEGINS);

		if (*line && memcmp(line, BEGINS, begin) != 0)
			r->nforeign++;
		else
			r->ntorn++;
		return;
	}
	r->nread++;
	if (en.height > s->highest)
		s->highest = en.height;
	if (s->has_last && en.slot < s->last.slot)
		return;
	s->has_last = true;
	s->last = en;
	s->next = (at + 1) % SIGNED_MAX;
}

static int read_all(struct signed_log *s, struct err *e)
{
	struct reading r = { 0 };
	char line[SIGNED_LINE];

	for (unsigned at = 0; at < SIGNED_MAX; at++) {
		ssize_t n = pread(s->fd, line, sizeof(line), (off_t)at * SIGNED_LINE);

		if (n < 0)
			return err_sys(e, errno, "read '%s'", GATE_SIGNED_FILE);
		if (n == 0)
			break;
		take_line(s, &r, at, line, (size_t)n);
	}
	/* Somebody else's file is not to be written over, and where the records have gone, the
	 * slots that were signed are not known. */
	if (r.nforeign && !r.nread)
		return err_set(
		        e, ERR_PROTOCOL, "'%s' is no list of signed slots", GATE_SIGNED_FILE);
	if (r.nforeign || r.ntorn)
		log_warn("records of signed slots cannot be read", "count=%u of=%u",
		        r.nforeign + r.ntorn, r.nforeign + r.ntorn + r.nread);
	return 0;
}

static int open_ring(int dirfd, struct err *e)
{
	AUTO(close_fd)
	int fd = openat(dirfd, GATE_SIGNED_FILE,
	        O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open '%s'", GATE_SIGNED_FILE);
	if (!S_ISREG(st.st_mode) || st.st_size > RING_SIZE)
		return err_set(
		        e, ERR_PROTOCOL, "'%s' is no list of signed slots", GATE_SIGNED_FILE);
	/* So that a disk that fills up later does not end the signing.  Where that is not possible
	 * each record tells. */
	(void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, RING_SIZE);
	return TAKE_FD(fd);
}

struct signed_log *signed_open(int dirfd, struct err *e)
{
	struct signed_log *s = calloc(1, sizeof(*s));
	struct err ignored = ERR_INIT;

	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->fd = open_ring(dirfd, e);
	if (s->fd < 0 || read_all(s, e) < 0) {
		signed_close(s);
		return NULL;
	}
	(void)!boot_id(s->boot_id, &ignored);
	return s;
}

const struct signed_entry *signed_last(const struct signed_log *s)
{
	return s->has_last ? &s->last : NULL;
}

uint32_t signed_highest(const struct signed_log *s)
{
	return s->highest;
}

int signed_add(struct signed_log *s, const struct signed_entry *en, struct err *e)
{
	char line[SIGNED_LINE + 1], hex[SHA256_HEX_SIZE];
	off_t at = (off_t)s->next * SIGNED_LINE;
	ssize_t n;
	int len;

	hex_encode(hex, en->digest, sizeof(en->digest));
	len = snprintf(line, sizeof(line),
	        "{\"slot\":%" PRIu32 ",\"height\":%" PRIu32 ",\"digest\":\"%s\",\"epoch\":%" PRIu64
	        ",\"real_ns\":%" PRId64 ",\"boot_ns\":%" PRId64 ",\"until_ns\":%" PRId64
	        ",\"boot_id\":\"%s\"}",
	        en->slot, en->height, hex, en->epoch, en->real_ns, en->boot_ns, en->until_ns,
	        s->boot_id);
	if (len < 0 || len >= SIGNED_LINE)
		return err_set(e, ERR_SYSTEM, "a record of %d bytes", len);
	memset(line + len, ' ', (size_t)(SIGNED_LINE - 1 - len));
	line[SIGNED_LINE - 1] = '\n';
	/* A part of it is not taken for a record, and the next try goes over it. */
	n = pwrite(s->fd, line, SIGNED_LINE, at);
	if (n != SIGNED_LINE)
		return err_sys(e, n < 0 ? errno : ENOSPC, "write to '%s'", GATE_SIGNED_FILE);
	s->next = (s->next + 1) % SIGNED_MAX;
	s->has_last = true;
	s->last = *en;
	if (en->height > s->highest)
		s->highest = en->height;
	return 0;
}
