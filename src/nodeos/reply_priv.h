#pragma once

/* What the parsers of nodeos's replies share.  what: the question, for messages. */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "nodeos/reply.h"

/* 0, or ERR_PROTOCOL for more than NODEOS_REPLY_MAX bytes. */
int reply_check_size(size_t n, const char *what, struct err *e) NODISCARD;

/* An object that is not nodeos's way of saying no; a new reference.  NULL with the error that
 * nodeos tells. */
json_t *reply_parse(const char *text, size_t n, const char *what, struct err *e) NODISCARD;

/* The same of one block.  1: nodeos does not have it, and *ret is not set. */
int reply_parse_block(
        json_t **ret, const char *text, size_t n, const char *what, struct err *e) NODISCARD;

/* A number at key; a number in text counts too. */
int reply_uint32(uint32_t *ret, const json_t *in, const char *what, const char *key,
        struct err *e) NODISCARD;

/* An id, in small letters. */
int reply_id(char out[NODEOS_ID_HEX_SIZE], const json_t *in, const char *what, const char *key,
        struct err *e) NODISCARD;
