#pragma once

/* Results of operations on pools (data/op.h), which may be another host's word, for people: types
 * are checked, and nothing in them reaches the terminal as it came. */

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/command.h"

#define DATA_TEXT_MAX 512

/* Text at a path, "" without, fit for a terminal.  Returns out. */
const char *data_text(char out[DATA_TEXT_MAX], const json_t *j, const char *path);

/* The bytes of a number at a path ("1.5 GiB"), "?" without.  Returns out. */
const char *data_size(char out[DATA_TEXT_MAX], const json_t *j, const char *path);

/* Cells for tables; NULL where there is nothing of that type. */
json_t *data_cell_text(const json_t *j, const char *path);
json_t *data_cell_number(const json_t *j, const char *path);

/* The number of a block; NULL also for 0, which is "not known". */
json_t *data_cell_block(const json_t *j, const char *path);

/* "blocks to 12, irreversible to 10; 2.0 GiB in 12 files, 1.5 GiB of data": of a manifest.  Returns
 * out. */
const char *data_manifest_text(char out[DATA_TEXT_MAX], const json_t *m);

/* What clone_report_json() says: "reflinked 1.5 GiB, linked 20 MiB; 12 files", or "nothing".
 * Returns out. */
const char *data_clone_text(char out[DATA_TEXT_MAX], const json_t *clone);

/* Put all that an operation told (but its format) into the JSON; prints nothing without --json. */
int data_output(struct context *ctx, const json_t *result, struct err *e) NODISCARD;

/* Whether it is the name of a generation, or "current": 0, or ERR_USAGE. */
int data_generation_name(const struct context *ctx, const char *name, struct err *e) NODISCARD;

/* The service's full name in the stack, "readers" or "nodeswarm_readers": 0, or ERR_USAGE. */
int data_service_name(
        char out[160], const struct context *ctx, const char *name, struct err *e) NODISCARD;
