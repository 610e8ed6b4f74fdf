#include "sim/wire.h"

#include <string.h>

#include "base/str.h"

const char *wire_reason_text(enum wire_reason r)
{
	static const char *const text[GO_AWAY_REASONS] = { "no reason", "self connect", "duplicate",
		"wrong chain", "wrong version", "chain is forked", "unlinkable block received",
		"some other non-fatal condition, possibly unknown block", "some other failure" };

	return r < GO_AWAY_REASONS ? text[r] : "some crazy reason";
}

/* --- reading ---------------------------------------------------------------------------------- */

struct cursor {
	const unsigned char *p;
	size_t left;
	bool short_;
};

static const unsigned char *take(struct cursor *c, size_t n)
{
	const unsigned char *p = c->p;

	if (c->left < n) {
		c->short_ = true;
		return NULL;
	}
	c->p += n;
	c->left -= n;
	return p;
}

static uint64_t number(struct cursor *c, size_t n)
{
	const unsigned char *p = take(c, n);
	uint64_t v = 0;

	for (size_t i = n; p && i--;)
		v = v << 8 | p[i];
	return v;
}

static void bytes(struct cursor *c, unsigned char out[BLOCK_ID])
{
	const unsigned char *p = take(c, BLOCK_ID);

	if (p)
		memcpy(out, p, BLOCK_ID);
}

static void text(struct cursor *c, char *out, size_t size)
{
	size_t n = (size_t)number(c, 2);
	const unsigned char *p;

	if (n >= size) {
		c->short_ = true;
		return;
	}
	p = take(c, n);
	if (!p)
		return;
	memcpy(out, p, n);
	out[n] = '\0';
	str_printable(out);
}

static void handshake(struct cursor *c, struct wire_handshake *h)
{
	memset(h, 0, sizeof(*h));
	h->version = (uint16_t)number(c, 2);
	h->generation = (uint16_t)number(c, 2);
	h->time_ns = (int64_t)number(c, 8);
	bytes(c, h->chain_id);
	bytes(c, h->node_id);
	h->lib = (uint32_t)number(c, 4);
	bytes(c, h->lib_id);
	h->head = (uint32_t)number(c, 4);
	bytes(c, h->head_id);
	text(c, h->address, sizeof(h->address));
	text(c, h->agent, sizeof(h->agent));
	text(c, h->os, sizeof(h->os));
}

static int payload(struct wire_message *m, struct cursor *c, struct err *e)
{
	unsigned type = (unsigned)number(c, 1);
	const unsigned char *p;
	size_t n;

	switch (type) {
	case WIRE_HANDSHAKE:
		handshake(c, &m->handshake);
		break;
	case WIRE_GO_AWAY:
		m->reason = (enum wire_reason)number(c, 1);
		break;
	case WIRE_REQUEST:
		m->request.first = (uint32_t)number(c, 4);
		m->request.last = (uint32_t)number(c, 4);
		break;
	case WIRE_BLOCK:
		n = block_length(c->p, c->left);
		p = n ? take(c, n) : NULL;
		if (p)
			block_unpack(&m->block, p, n);
		else
			c->short_ = true;
		break;
	case WIRE_TRANSACTION:
		n = trx_parse(&m->transaction, c->p, c->left);
		c->short_ = !n || !take(c, n);
		break;
	case WIRE_TIME:
		m->time_ns = (int64_t)number(c, 8);
		break;
	default:
		return err_set(e, ERR_PROTOCOL, "message of unknown type %u", type);
	}
	m->type = (enum wire_type)type;
	if (c->short_ || c->left)
		return err_set(e, ERR_PROTOCOL, "message of type %u has a wrong length", type);
	return 0;
}

int wire_parse(
        struct wire_message *m, size_t *ret_used, const unsigned char *p, size_t n, struct err *e)
{
	struct cursor c = { .p = p + WIRE_HEADER };

	if (n < WIRE_HEADER)
		return 1;
	c.left = get_u32(p);
	if (c.left == 0 || c.left > WIRE_FRAME_MAX)
		return err_set(e, ERR_PROTOCOL, "frame of %zu bytes", c.left);
	if (n - WIRE_HEADER < c.left)
		return 1;
	*ret_used = WIRE_HEADER + c.left;
	return payload(m, &c, e);
}

/* --- writing ---------------------------------------------------------------------------------- */

struct frame {
	unsigned char data[WIRE_HEADER + WIRE_FRAME_MAX];
	size_t n;
};

static void begin(struct frame *f, enum wire_type type)
{
	f->data[WIRE_HEADER] = (unsigned char)type;
	f->n = WIRE_HEADER + 1;
}

static void put_number(struct frame *f, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		f->data[f->n++] = (unsigned char)(v >> 8 * i);
}

static void put_bytes(struct frame *f, const void *p, size_t n)
{
	memcpy(f->data + f->n, p, n);
	f->n += n;
}

static void put_text(struct frame *f, const char *s)
{
	size_t n = strlen(s);

	put_number(f, n, 2);
	put_bytes(f, s, n);
}

static int end(struct frame *f, struct buf *out)
{
	put_u32(f->data, (uint32_t)(f->n - WIRE_HEADER));
	return buf_add(out, f->data, f->n);
}

/* The texts together stay far below WIRE_FRAME_MAX. */
int wire_put_handshake(struct buf *out, const struct wire_handshake *h)
{
	struct frame f;

	begin(&f, WIRE_HANDSHAKE);
	put_number(&f, h->version, 2);
	put_number(&f, h->generation, 2);
	put_number(&f, (uint64_t)h->time_ns, 8);
	put_bytes(&f, h->chain_id, BLOCK_ID);
	put_bytes(&f, h->node_id, BLOCK_ID);
	put_number(&f, h->lib, 4);
	put_bytes(&f, h->lib_id, BLOCK_ID);
	put_number(&f, h->head, 4);
	put_bytes(&f, h->head_id, BLOCK_ID);
	put_text(&f, h->address);
	put_text(&f, h->agent);
	put_text(&f, h->os);
	return end(&f, out);
}

int wire_put_go_away(struct buf *out, enum wire_reason r)
{
	struct frame f;

	begin(&f, WIRE_GO_AWAY);
	put_number(&f, r, 1);
	return end(&f, out);
}

int wire_put_request(struct buf *out, uint32_t first, uint32_t last)
{
	struct frame f;

	begin(&f, WIRE_REQUEST);
	put_number(&f, first, 4);
	put_number(&f, last, 4);
	return end(&f, out);
}

int wire_put_block(struct buf *out, const struct block *b)
{
	struct frame f;

	begin(&f, WIRE_BLOCK);
	put_bytes(&f, b->packed, b->len);
	return end(&f, out);
}

int wire_put_time(struct buf *out, int64_t time_ns)
{
	struct frame f;

	begin(&f, WIRE_TIME);
	put_number(&f, (uint64_t)time_ns, 8);
	return end(&f, out);
}

int wire_put_transaction(struct buf *out, const struct trx *t)
{
	struct frame f;

	begin(&f, WIRE_TRANSACTION);
	put_bytes(&f, t->packed, t->n);
	return end(&f, out);
}
