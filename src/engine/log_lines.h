#pragma once

/*
 * Lines out of the messages of a log stream
 *
 * The engine sends messages of at most 16 KiB, each "[TIME ][DETAILS ]TEXT"; a longer line is
 * several messages, of which only the last ends in a line feed, and messages of other tasks come
 * between.  So what is not complete waits here, apart for each task and stream.
 */

#include "base/buf.h"
#include "engine/logs.h"

/* A line waits until its end comes; when more than this many wait, the oldest goes out cut. */
#define LOG_WAITING_MAX 32

struct log_waiting {
	enum engine_log_stream stream;
	char task_id[ENGINE_ID_SIZE], node_id[ENGINE_ID_SIZE], service_id[ENGINE_ID_SIZE];
	int64_t time_ns;
	char *details; /* owned, NULL unless asked for */
	struct buf text;
	uint64_t age; /* smaller is older; 0: free */
};

struct log_lines {
	bool timestamps, details; /* what the caller wants; details are always sent by the engine */
	engine_log_fn *fn;
	void *arg;
	uint64_t next_age;
	struct log_waiting waiting[LOG_WAITING_MAX];
};

void log_lines_release(struct log_lines *l);

/*
 * One message; message[n] is NUL, and its prefix may be written to.  0, 1 when fn ended it, -1
 * without memory.
 */
int log_lines_message(struct log_lines *l, enum engine_log_stream stream, char *message, size_t n,
        struct err *e) NODISCARD;

/* At the end of the stream: what still waits goes out, until fn has enough. */
void log_lines_end(struct log_lines *l);
