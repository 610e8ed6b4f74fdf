#include "engine/frame.h"

#include <string.h>

static const size_t header_size = sizeof(((struct frame_decoder *)0)->header);

void frame_decoder_release(struct frame_decoder *d)
{
	buf_release(&d->payload);
}

static size_t payload_size(const struct frame_decoder *d)
{
	const unsigned char *h = d->header;

	return (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
}

static int check_header(const struct frame_decoder *d, struct err *e)
{
	const unsigned char *h = d->header;

	if (h[0] > FRAME_SYSTEM || h[1] || h[2] || h[3])
		return err_set(e, ERR_PROTOCOL, "stream: not a frame (%02x %02x %02x %02x)", h[0],
		        h[1], h[2], h[3]);
	if (payload_size(d) > FRAME_PAYLOAD_MAX)
		return err_set(e, ERR_PROTOCOL, "stream: a frame of %zu bytes, more than %u",
		        payload_size(d), FRAME_PAYLOAD_MAX);
	return 0;
}

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

int frame_feed(struct frame_decoder *d, const void *data, size_t n, struct err *e)
{
	const unsigned char *p = data;

	while (n) {
		size_t take = min(n, header_size - d->header_len);
		int rc;

		memcpy(d->header + d->header_len, p, take);
		d->header_len += take;
		p += take;
		n -= take;
		if (d->header_len < header_size)
			break;
		if (take && check_header(d, e) < 0)
			return -1;
		take = min(n, payload_size(d) - d->payload.len);
		if (buf_add(&d->payload, p, take) < 0)
			return err_nomem(e);
		p += take;
		n -= take;
		if (d->payload.len < payload_size(d))
			break;
		rc = d->fn(d->arg, d->header[0], d->payload.data, d->payload.len);
		d->header_len = 0;
		buf_clear(&d->payload);
		if (rc)
			return 1;
	}
	return 0;
}

int frame_end(const struct frame_decoder *d, struct err *e)
{
	return d->header_len == 0
	        ? 0
	        : err_set(e, ERR_PROTOCOL, "stream: it ended in the middle of a frame");
}
