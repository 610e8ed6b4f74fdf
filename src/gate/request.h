#pragma once

/*
 * What nodeos asks a signature provider: bytes in, a digest and a key out
 *
 *	POST <any path> HTTP/1.1
 *	Content-Length: 124
 *
 *	["<64 hex digits>","EOS..."]
 *
 * Pure.  Any path, because Spring cannot write every one (its sources to 1.2.2).  Nothing of HTTP
 * is understood that nodeos does not send: no other method, no chunks, no "Expect".
 * Source: Leap v4.0.6, libraries/libfc/src/network/http/http_client.cpp; as recorded, 290 bytes.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "gate/decide.h"
#include "nodeos/sign.h"

#define GATE_REQUEST_MAX 4096 /* head and body */

struct gate_request {
	size_t len;      /* of head and body; what is behind it is the next one */
	bool keeps;      /* the connection goes on */
	bool is_signing; /* the body is a digest and a key */
	unsigned char digest[GATE_DIGEST_LEN];
	char key[SIGN_KEY_SIZE];
};

/*
 * One request from its beginning.  0; 1: it is not there as a whole yet; -1: it is none,
 * *ret_status is what to answer, and the connection is of no more use.
 */
int gate_request_parse(
        struct gate_request *ret, unsigned *ret_status, const char *data, size_t n) NODISCARD;
