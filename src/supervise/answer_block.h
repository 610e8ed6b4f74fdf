#pragma once

/*
 * GET /block?num=N: {"block_num":N,"id":"..."}, the block of our nodeos at that number
 *
 * For those who compare their chain with ours below their own last irreversible block, which our
 * status does not tell (tenure_compare.h).  404: nodeos does not have it; 503: it does not run or
 * answer, or too many ask at once.
 */

struct http_server_reply;
struct http_server_request;
struct supervisor;

void answer_block(
        struct supervisor *s, const struct http_server_request *q, struct http_server_reply *r);

/* Before the prober goes. */
void answer_block_release(struct supervisor *s);
