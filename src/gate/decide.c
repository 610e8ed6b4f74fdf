#include "gate/decide.h"

#include <string.h>

#include "lease/record.h"

void gate_mind_init(struct gate_mind *m)
{
	*m = (struct gate_mind){ .last_ask_ns = INT64_MIN };
}

void gate_mind_load(struct gate_mind *m, uint32_t slot, const unsigned char digest[GATE_DIGEST_LEN],
        uint32_t height)
{
	m->has_signed = true;
	m->slot = slot;
	memcpy(m->digest, digest, GATE_DIGEST_LEN);
	m->height = height;
}

void gate_mind_open(struct gate_mind *m, uint64_t epoch)
{
	if (m->is_open && m->epoch == epoch)
		return;
	m->is_open = true;
	m->has_opened = true;
	m->epoch = epoch;
	m->opening++;
	/* The head is level with the others', so what was signed above it has been lost with a
	 * nodeos that was killed, and its number is asked for once more. */
	if (m->head && m->height > m->head)
		m->height = m->head;
}

void gate_mind_close(struct gate_mind *m)
{
	m->is_open = false;
}

/*
 * Whether what is asked may be older than it looks: the first since the gate was opened, or after
 * a silence, in which nodeos may have been frozen with a block half made.  Refused, it makes a
 * block for the present slot, or asks for the same again if it is one.
 */
static bool is_first(struct gate_mind *m, int64_t boot_ns)
{
	bool is_silent = m->last_ask_ns == INT64_MIN || boot_ns - m->last_ask_ns > GATE_SILENCE_NS;
	bool has_opened = m->is_open && m->has_opened;

	m->last_ask_ns = boot_ns;
	if (m->is_open)
		m->has_opened = false;
	return is_silent || has_opened;
}

/* Whether the same was asked in an earlier slot: then it is that slot's, and late. */
static bool is_left_over(struct gate_mind *m, const struct gate_ask *q)
{
	if (m->has_asked && memcmp(m->asked, q->digest, GATE_DIGEST_LEN) == 0)
		return m->asked_slot < q->slot;
	m->has_asked = true;
	m->asked_slot = q->slot;
	memcpy(m->asked, q->digest, GATE_DIGEST_LEN);
	return false;
}

/* A block id begins with the block's number (Spring v1.2.2, block_state.cpp). */
static uint32_t height_of(const unsigned char *digest)
{
	return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
	        digest[3];
}

/*
 * A number that is no block's, signed by mistake, would end production for good: nothing is higher.
 * So it has to be near the head, and without a head nothing is.
 */
static bool is_height_right(const struct gate_mind *m, const struct gate_ask *q)
{
	if (!m->has_heights)
		return true;
	return m->head && q->height > m->height &&
	        q->height <= (uint64_t)m->head + GATE_HEIGHT_AHEAD;
}

bool gate_is_new(const struct gate_mind *m, const struct gate_ask *q)
{
	return !m->has_signed || m->slot != q->slot ||
	        memcmp(m->digest, q->digest, GATE_DIGEST_LEN) != 0;
}

enum gate_refusal gate_decide(struct gate_mind *m, struct lease_right *right, struct gate_ask *q)
{
	bool first = is_first(m, q->boot_ns), left_over;

	q->slot = lease_slot_at(q->real_ns);
	q->height = m->has_heights ? height_of(q->digest) : 0;
	q->epoch = m->epoch;
	q->opening = m->opening;
	left_over = is_left_over(m, q);
	if (!m->is_open)
		return GATE_CLOSED;
	if (lease_right_refuses(right, m->epoch, q->boot_ns, q->slot))
		return GATE_NO_RIGHT;
	if (first)
		return GATE_FIRST;
	if (left_over || (m->has_signed && q->slot < m->slot))
		return GATE_OLD_SLOT;
	if (!gate_is_new(m, q))
		return GATE_SIGNED;
	if (m->has_signed && q->slot == m->slot)
		return GATE_OTHER_DIGEST;
	return is_height_right(m, q) ? GATE_SIGNED : GATE_HEIGHT;
}

void gate_note_signed(struct gate_mind *m, const struct gate_ask *q)
{
	gate_mind_load(m, q->slot, q->digest, m->height);
}

void gate_note_given(struct gate_mind *m, const struct gate_ask *q)
{
	if (q->height > m->height)
		m->height = q->height;
}

enum gate_refusal gate_may_give(const struct gate_mind *m, struct lease_right *right,
        const struct gate_ask *q, int64_t boot_ns)
{
	if (!m->is_open || m->opening != q->opening)
		return GATE_CLOSED;
	if (lease_right_refuses(right, q->epoch, boot_ns, q->slot))
		return GATE_NO_RIGHT;
	return boot_ns - q->boot_ns > GATE_LATE_NS ? GATE_OLD_SLOT : GATE_SIGNED;
}
