#include "sim/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "sim/rawio.h"

#define MAGIC         0x30510550U
#define FORMAT        1
#define END_MARK      UINT64_MAX
#define FILE_MAX      (4 * 1024 * 1024)
#define SUMMARIES     65536
#define RETURN_VALUE  256 /* max_action_return_value_size */
#define SIGNED_HEADER (BLOCK_HEADER + 66)
#define KEY_AT        8 /* in the packed genesis */
#define KEY_LEN       34
#define CONFIG_AT     42
#define CONFIG_LEN    68
#define HOLE          4096

#define SECTION_HEADER "eosio::chain::chain_snapshot_header"
#define SECTION_OURS   "nodesim"

/* --- write ----------------------------------------------------------------------------------- */

/* What is added is of a known size below the maximum, so only memory can be short: looked at once,
 * in sim_snapshot_write(). */
static void add(struct buf *b, const void *data, size_t n)
{
	(void)!buf_add(b, data, n);
}

static void add_u8(struct buf *b, uint8_t v)
{
	add(b, &v, 1);
}

static void add_u16(struct buf *b, uint16_t v)
{
	unsigned char p[2];

	put_u16(p, v);
	add(b, p, sizeof(p));
}

static void add_u32(struct buf *b, uint32_t v)
{
	unsigned char p[4];

	put_u32(p, v);
	add(b, p, sizeof(p));
}

static void add_u64(struct buf *b, uint64_t v)
{
	unsigned char p[8];

	put_u64(p, v);
	add(b, p, sizeof(p));
}

static void section(struct buf *b, const char *name, uint64_t rows, const struct buf *data)
{
	size_t len = strlen(name) + 1;

	add_u64(b, 8 + len + data->len);
	add_u64(b, rows);
	add(b, name, len);
	add(b, data->data, data->len);
}

/* block_signing_authority_v0 with the one key of the genesis. */
static void add_authority(struct buf *b, const struct sim_genesis *g)
{
	add_u8(b, 0);
	add_u32(b, 1);
	add_u8(b, 1);
	add(b, g->packed + KEY_AT, KEY_LEN);
	add_u16(b, 1);
}

/* block_header_state of a chain with one producer. */
static void add_block_state(struct buf *b, const struct sim_snapshot *s)
{
	const struct block *h = &s->head;
	unsigned char zero[BLOCK_ID] = { 0 };

	add_u32(b, h->num);
	add_u32(b, h->num);
	add_u32(b, h->num - 1);
	add_u32(b, 0); /* active_schedule */
	add_u8(b, 1);
	add_u64(b, h->producer);
	add_authority(b, &s->genesis);
	add_u8(b, 0); /* blockroot_merkle */
	add_u64(b, 0);
	for (uint32_t back = 0; back < 2; back++) { /* producer_to_last_produced, _implied_irb */
		add_u8(b, 1);
		add_u64(b, h->producer);
		add_u32(b, h->num - back);
	}
	add_authority(b, &s->genesis);
	add_u8(b, 0); /* confirm_count */
	add(b, h->id, BLOCK_ID);
	add(b, h->packed, SIGNED_HEADER);
	add_u32(b, 0); /* pending_schedule */
	add(b, zero, sizeof(zero));
	add_u32(b, 0);
	add_u8(b, 0);
	add_u8(b, 0); /* activated_protocol_features */
	add_u8(b, 0); /* additional_signatures */
}

static void add_global(struct buf *b, const struct sim_snapshot *s)
{
	static const unsigned char kv_and_wasm[12 + 44];

	add_u8(b, 0);  /* proposed_schedule_block_num */
	add_u32(b, 0); /* proposed_schedule */
	add_u8(b, 0);
	add(b, s->genesis.packed + CONFIG_AT, CONFIG_LEN);
	add_u32(b, RETURN_VALUE);
	add(b, s->genesis.chain_id, BLOCK_ID);
	add(b, kv_and_wasm, sizeof(kv_and_wasm));
}

static void add_summaries(struct buf *b, const struct sim_snapshot *s)
{
	static const unsigned char none[BLOCK_ID];

	for (uint32_t i = 0; i < SUMMARIES; i++)
		add(b, i == s->head.num % SUMMARIES ? s->head.id : none, BLOCK_ID);
}

static void add_ours(struct buf *b, const struct sim_snapshot *s)
{
	unsigned char head[BLOCK_PACKED];

	block_strip(head, &s->head);
	add_u8(b, s->has_genesis);
	add(b, s->genesis.chain_id, BLOCK_ID);
	add(b, s->genesis.packed, GENESIS_PACKED);
	add(b, s->genesis.key_note, GENESIS_KEY_NOTE);
	add(b, head, sizeof(head));
	if (s->wrong)
		add_u32(b, s->wrong);
}

static int write_with_holes(int fd, const struct buf *b)
{
	static const char zero[HOLE];

	for (size_t at = 0; at < b->len; at += HOLE) {
		size_t n = b->len - at < HOLE ? b->len - at : HOLE;

		if (memcmp(b->data + at, zero, n) != 0 && rawio_write(fd, b->data + at, n, at) < 0)
			return -1;
	}
	return ftruncate(fd, (off_t)b->len);
}

int sim_snapshot_write(const struct sim_snapshot *s, const char *path, struct err *e)
{
	static const struct {
		const char *name;
		uint64_t rows;
		void (*fill)(struct buf *b, const struct sim_snapshot *s);
	} sections[] = {
		{ "eosio::chain::block_state", 1, add_block_state },
		{ "eosio::chain::global_property_object", 1, add_global },
		{ "eosio::chain::block_summary_object", SUMMARIES, add_summaries },
		{ SECTION_OURS, 1, add_ours },
	};
	AUTO(buf) struct buf b = BUF_INIT(FILE_MAX), rows = BUF_INIT(FILE_MAX);
	AUTO(close_fd) int fd = -1;

	add_u32(&b, MAGIC);
	add_u32(&b, FORMAT);
	add_u32(&rows, SNAPSHOT_VERSION);
	section(&b, SECTION_HEADER, 1, &rows);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		buf_clear(&rows);
		sections[i].fill(&rows, s);
		section(&b, sections[i].name, sections[i].rows, &rows);
	}
	if (buf_add(&b, "\xff\xff\xff\xff\xff\xff\xff\xff", 8) < 0 ||
	        b.len < (size_t)SUMMARIES * BLOCK_ID)
		return err_nomem(e);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write_with_holes(fd, &b) < 0)
		return err_sys(e, errno, "write '%s'", path);
	return 0;
}

/* --- read ------------------------------------------------------------------------------------ */

#define IOSTREAM "basic_ios::clear: iostream error"

static int fail_io(struct fail *f, const char *what)
{
	char data[96];

	snprintf(data, sizeof(data), "{\"what\":\"%s\"}", what);
	return fail_fc(f, 3240000, "snapshot_exception", "Snapshot exception",
	        "snapshot.cpp:267 validate", data,
	        "Binary snapshot validation threw IO exception (%s)", what);
}

struct place {
	uint64_t at, size; /* of the rows; size 0: no such section */
};

/* A section of size bytes after its size, which begins at `at`. */
static void note_section(
        int fd, uint64_t at, uint64_t size, struct place *header, struct place *ours)
{
	char head[8 + sizeof(SECTION_HEADER)];
	size_t n = size < sizeof(head) ? (size_t)size : sizeof(head);

	if (n <= 8 || rawio_read(fd, head, n, at) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		const char *name = i ? SECTION_OURS : SECTION_HEADER;
		size_t len = strlen(name) + 1;

		if (n >= 8 + len && memcmp(head + 8, name, len) == 0)
			*(i ? ours : header) = (struct place){ at + 8 + len, size - 8 - len };
	}
}

/* What nodeos checks before anything else; what stands after the end mark it does not see. */
static int validate(int fd, struct place *header, struct place *ours, struct fail *f)
{
	unsigned char p[8];
	uint64_t at = 8, size;

	if (rawio_read(fd, p, 4, 0) < 0)
		return fail_io(f, IOSTREAM);
	if (get_u32(p) != MAGIC)
		return fail_io(f, "Snapshot exception");
	if (rawio_read(fd, p, 4, 4) < 0)
		return fail_io(f, IOSTREAM);
	if (get_u32(p) != FORMAT)
		return fail_io(f, "Snapshot exception");
	for (;;) {
		if (at > INT64_MAX - 8 || rawio_read(fd, p, 8, at) < 0)
			return fail_io(f, IOSTREAM);
		size = get_u64(p);
		if (size == END_MARK)
			return 0;
		at += 8;
		if (size > INT64_MAX - at)
			return fail_io(f, IOSTREAM);
		note_section(fd, at, size, header, ours);
		at += size;
	}
}

static int check_version(int fd, const struct place *header, struct fail *f)
{
	unsigned char p[4];

	if (header->size < sizeof(p) || rawio_read(fd, p, sizeof(p), header->at) < 0)
		return fail_fc(f, 3240000, "snapshot_exception", "Snapshot exception",
		        "snapshot.cpp:313 set_section", "{\"n\":\"" SECTION_HEADER "\"}",
		        "Binary snapshot has no section named " SECTION_HEADER);
	if (get_u32(p) < 2 || get_u32(p) > SNAPSHOT_VERSION)
		return fail_fc(f, 3240001, "snapshot_validation_exception",
		        "Snapshot Validation Exception", "chain_snapshot.hpp:38 validate", "{}",
		        "Unsupported version of chain snapshot: %u. Supported version must be "
		        "between 2 and %d inclusive.",
		        (unsigned)get_u32(p), SNAPSHOT_VERSION);
	return 0;
}

int sim_snapshot_read(struct sim_snapshot *s, const char *path, struct fail *f)
{
	enum {
		CHAIN = 1,
		GENESIS = CHAIN + BLOCK_ID,
		NOTE = GENESIS + GENESIS_PACKED,
		HEAD = NOTE + GENESIS_KEY_NOTE,
		SIZE = HEAD + BLOCK_PACKED,
		WRONG = SIZE,
		SIZE_WRONG = WRONG + 4,
	};
	AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct place header = { 0 }, ours = { 0 };
	unsigned char p[SIZE_WRONG] = { 0 };

	if (validate(fd, &header, &ours, f) < 0 || check_version(fd, &header, f) < 0)
		return -1;
	if ((ours.size != SIZE && ours.size != SIZE_WRONG) ||
	        rawio_read(fd, p, (size_t)ours.size, ours.at) < 0)
		return fail_not_simulated(f, "a snapshot of a real nodeos");
	memset(s, 0, sizeof(*s));
	s->has_genesis = p[0];
	if (s->has_genesis)
		sim_genesis_unpack(&s->genesis, p + GENESIS, p + NOTE);
	memcpy(s->genesis.chain_id, p + CHAIN, BLOCK_ID);
	block_unpack(&s->head, p + HEAD, BLOCK_PACKED);
	s->wrong = get_u32(p + WRONG);
	return 0;
}
