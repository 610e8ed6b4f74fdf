/*
 * A log stream of the Docker Engine: the first byte says how long the pieces are in which it
 * comes and whether there are timestamps.  Frames must come out the same in any pieces, and lines
 * must keep their limits.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/frame.h"
#include "engine/log_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t hash;
	struct log_lines *lines;
};

static int on_line(void *arg, const struct engine_log_line *line)
{
	(void)arg;
	assert(line->len <= ENGINE_LOG_LINE_MAX && line->text[line->len] == '\0');
	assert(!memchr(line->text, '\n', line->len));
	assert(line->task_id && line->node_id && line->service_id && line->details);
	return 0;
}

static int on_frame(void *arg, int stream, char *payload, size_t n)
{
	struct sum *s = arg;
	struct err e = ERR_INIT;

	assert(n <= FRAME_PAYLOAD_MAX && payload[n] == '\0');
	s->hash = s->hash * 31 + (uint64_t)stream;
	for (size_t i = 0; i < n; i++)
		s->hash = s->hash * 31 + (unsigned char)payload[i];
	return s->lines ? log_lines_message(s->lines,
	                          stream ? (enum engine_log_stream)stream : ENGINE_LOG_STDOUT,
	                          payload, n, &e)
	                : 0;
}

static uint64_t run(const uint8_t *data, size_t size, size_t piece, struct log_lines *lines)
{
	struct sum s = { .lines = lines };
	struct frame_decoder d = FRAME_DECODER_INIT(on_frame, &s);
	int rc = 0;

	for (size_t i = 0; i < size && rc == 0; i += piece) {
		size_t n = size - i < piece ? size - i : piece;
		uint8_t *copy = malloc(n);
		struct err e = ERR_INIT;

		assert(copy);
		memcpy(copy, data + i, n);
		rc = frame_feed(&d, copy, n, &e);
		free(copy);
	}
	frame_decoder_release(&d);
	if (lines) {
		log_lines_end(lines);
		log_lines_release(lines);
	}
	return s.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log_lines *lines = calloc(1, sizeof(*lines));

	assert(lines);
	if (size) {
		lines->fn = on_line;
		lines->timestamps = data[0] & 1;
		lines->details = data[0] & 2;
		assert(run(data + 1, size - 1, 1 + data[0] / 4, lines) ==
		        run(data + 1, size - 1, size, NULL));
	}
	free(lines);
	return 0;
}
