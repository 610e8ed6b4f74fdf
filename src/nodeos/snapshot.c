/*
 * The layout of a portable snapshot (leap v4.0.6, libraries/chain/snapshot.cpp):
 *
 *	u32 magic, u32 version (1)
 *	each section: u64 size of what follows, u64 rows, its name and a NUL, the rows packed
 *	8 bytes ff
 *
 * What the rows are depends on the version in the section chain_snapshot_header:
 *
 *	2         genesis_state; block_state with plain keys (snapshot_block_header_state_v2)
 *	3, 4      the chain id is in global_property_object, after chain_config_v0
 *	5, 6      ... after chain_config_v1, which has four bytes more
 *	7, 8      Spring 1: block_state is two optionals, the state before Savanna and the one
 *	          with it; during the transition there are both, of the same block
 */

#include "nodeos/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "nodeos/datafile_priv.h"
#include "nodeos/packed_priv.h"

#define MAGIC          UINT32_C(0x30510550)
#define FORMAT         1
#define END_MARK       UINT64_MAX
#define HEADER_LEN     8
#define NAME_MAX_LEN   255
#define SECTIONS_MAX   1000
#define ROW_MAX        (4 * 1024 * 1024) /* read of a section that matters */
#define CHAIN_OLDEST   2
#define CHAIN_NEWEST   8
#define CHAIN_SAVANNA  7 /* from here on */
#define CHAIN_CONFIG_1 5 /* from here on */

struct section {
	uint64_t at, size; /* of the rows */
	uint64_t rows;     /* 0: not there, or empty */
};

struct snapshot {
	int fd;
	uint64_t size;
	struct section header, genesis, block, global;
};

static int damaged(struct err *e, uint64_t at, const char *what)
{
	return err_set(e, ERR_PROTOCOL, "snapshot: byte %" PRIu64 ": %s", at, what);
}

static int cut(struct err *e, uint64_t size)
{
	return err_set(e, ERR_PROTOCOL, "snapshot: it is cut off after %" PRIu64 " bytes", size);
}

/* At most n bytes; fewer at the end of the file.  Returns how many, or -1. */
static ssize_t read_some(const struct snapshot *s, void *to, uint64_t n, uint64_t at, struct err *e)
{
	uint64_t left = at < s->size ? s->size - at : 0;

	return datafile_read(s->fd, to, (size_t)(n < left ? n : left), (off_t)at, "snapshot", e);
}

static int read_head(const struct snapshot *s, struct err *e)
{
	static const unsigned char zstd[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	unsigned char b[HEADER_LEN];
	ssize_t n = read_some(s, b, sizeof(b), 0, e);
	struct packed in = PACKED_INIT(b, sizeof(b));

	if (n < 0)
		return -1;
	if (n == 0)
		return err_set(e, ERR_PROTOCOL, "snapshot: the file is empty");
	if (n >= (ssize_t)sizeof(zstd) && memcmp(b, zstd, sizeof(zstd)) == 0)
		return damaged(e, 0, "it is compressed by zstd");
	if (b[0] == '{')
		return damaged(e, 0, "it is JSON, not the binary form");
	if ((size_t)n < sizeof(b))
		return cut(e, s->size);
	if (packed_u32(&in) != MAGIC)
		return damaged(e, 0, "it does not begin as a snapshot of nodeos does");
	if (packed_u32(&in) != FORMAT)
		return damaged(e, 4, "a format of snapshots that is not known");
	return 0;
}

static struct section *wanted(struct snapshot *s, const char *name)
{
	const struct {
		const char *name;
		struct section *to;
	} names[] = {
		{ "eosio::chain::chain_snapshot_header", &s->header },
		{ "eosio::chain::genesis_state", &s->genesis },
		{ "eosio::chain::block_state", &s->block },
		{ "eosio::chain::global_property_object", &s->global },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i].name) == 0)
			return names[i].to;
	return NULL;
}

/* One section at *at, which is moved behind it.  0; 1 at the end mark. */
static int read_section(struct snapshot *s, uint64_t *at, struct err *e)
{
	unsigned char b[8 + 8 + NAME_MAX_LEN + 1];
	ssize_t n = read_some(s, b, sizeof(b), *at, e);
	struct packed in = PACKED_INIT(b, n < 0 ? 0 : (size_t)n);
	const unsigned char *end;
	uint64_t size, rows;
	struct section *to;
	size_t head;

	if (n < 0)
		return -1;
	size = packed_u64(&in);
	if (in.fault)
		return cut(e, s->size);
	if (size == END_MARK) {
		*at += 8;
		return 1;
	}
	if (size > s->size - *at - 8)
		return cut(e, s->size);
	rows = packed_u64(&in);
	end = n > 16 ? memchr(b + 16, '\0', (size_t)n - 16) : NULL;
	head = end ? (size_t)(end + 1 - b) : 0; /* up to the rows */
	if (in.fault || !end || size < head - 8)
		return damaged(e, *at, "a section without a name");
	to = wanted(s, (const char *)b + 16);
	if (to && to->at)
		return damaged(e, *at, "a section for the second time");
	if (to)
		*to = (struct section){ .at = *at + head, .size = size - (head - 8), .rows = rows };
	*at += 8 + size;
	return 0;
}

static int walk(struct snapshot *s, struct err *e)
{
	uint64_t at = HEADER_LEN;
	char what[64];
	int rc = 0;

	for (unsigned i = 0; rc == 0; i++) {
		if (i > SECTIONS_MAX)
			return damaged(e, at, "more sections than any nodeos writes");
		rc = read_section(s, &at, e);
	}
	if (rc < 0)
		return -1;
	if (at == s->size)
		return 0;
	snprintf(what, sizeof(what), "%" PRIu64 " bytes follow its end", s->size - at);
	return damaged(e, at, what);
}

/* Read the rows of a section that has to have one; *ret is allocated and has *n bytes. */
static int load(const struct snapshot *s, const struct section *sec, const char *name,
        unsigned char **ret, struct packed *in, struct err *e)
{
	size_t want = sec->size < ROW_MAX ? (size_t)sec->size : ROW_MAX;
	ssize_t n;

	if (sec->rows == 0)
		return err_set(e, ERR_PROTOCOL, "snapshot: it has no %s", name);
	*ret = malloc(want + 1);
	if (!*ret)
		return err_nomem(e);
	n = read_some(s, *ret, want, sec->at, e);
	if (n < 0)
		return -1;
	*in = PACKED_INIT(*ret, (size_t)n);
	return 0;
}

static int finish(
        const struct packed *in, const struct section *sec, const char *name, struct err *e)
{
	char what[96];

	if (!in->fault)
		return 0;
	snprintf(what, sizeof(what), "%s: %s", name, in->fault);
	return damaged(e, sec->at + in->at, what);
}

static int read_version(struct snapshot_facts *f, const struct snapshot *s, struct err *e)
{
	AUTO(free) unsigned char *b = NULL;
	struct packed in;

	if (load(s, &s->header, "chain_snapshot_header", &b, &in, e) < 0)
		return -1;
	f->version = packed_u32(&in);
	return finish(&in, &s->header, "chain_snapshot_header", e);
}

static int read_block(struct snapshot_facts *f, const struct snapshot *s, struct err *e)
{
	AUTO(free) unsigned char *b = NULL;
	unsigned char computed[SHA256_LEN];
	const unsigned char *id;
	bool is_savanna = false;
	uint32_t num = 0;
	struct packed in;

	if (load(s, &s->block, "block_state", &b, &in, e) < 0)
		return -1;
	if (f->version >= CHAIN_SAVANNA && !packed_has(&in)) {
		is_savanna = true;
		if (!packed_has(&in))
			packed_fail(&in, "neither of two states is there");
	}
	if (!is_savanna)
		num = packed_header_state(&in, f->version < 3);
	id = packed_bytes(&in, SHA256_LEN);
	if (id && !is_savanna && packed_id_num(id) != num)
		packed_fail(&in, "number and id of the head do not agree");
	num = packed_block_header(&in, computed);
	if (id && !in.fault && memcmp(id, computed, sizeof(computed)) != 0)
		packed_fail(&in, "the head's id is not that of its header");
	if (finish(&in, &s->block, "block_state", e) < 0)
		return -1;
	f->head_block_num = num;
	hex_encode(f->head_block_id, id, SHA256_LEN);
	return 0;
}

static int read_chain_id(struct snapshot_facts *f, const struct snapshot *s, struct err *e)
{
	bool has_genesis = f->version < 3;
	const struct section *sec = has_genesis ? &s->genesis : &s->global;
	const char *name = has_genesis ? "genesis_state" : "global_property_object";
	AUTO(free) unsigned char *b = NULL;
	const unsigned char *id;
	struct packed in;

	if (load(s, sec, name, &b, &in, e) < 0)
		return -1;
	if (has_genesis) {
		packed_genesis(&in, f->chain_id);
		return finish(&in, sec, name, e);
	}
	if (packed_has(&in))
		(void)packed_u32(&in); /* proposed_schedule_block_num */
	packed_authority_schedule(&in);
	packed_chain_config(&in);
	if (f->version >= CHAIN_CONFIG_1)
		(void)packed_u32(&in); /* max_action_return_value_size */
	id = packed_bytes(&in, SHA256_LEN);
	if (id)
		hex_encode(f->chain_id, id, SHA256_LEN);
	return finish(&in, sec, name, e);
}

int nodeos_snapshot_read(struct snapshot_facts *ret, int fd, struct err *e)
{
	struct snapshot s = { .fd = fd };
	struct snapshot_facts f = { 0 };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat the snapshot");
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_PROTOCOL, "snapshot: it is not a regular file");
	s.size = (uint64_t)st.st_size;
	if (read_head(&s, e) < 0 || walk(&s, e) < 0 || read_version(&f, &s, e) < 0)
		return -1;
	if (f.version >= CHAIN_OLDEST && f.version <= CHAIN_NEWEST &&
	        (read_block(&f, &s, e) < 0 || read_chain_id(&f, &s, e) < 0))
		return -1;
	*ret = f;
	return 0;
}
