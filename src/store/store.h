#pragma once

/*
 * A small durable table store in one file (SQLite)
 *
 * For services that must not lose what they have said, at any kill.  A transaction that
 * store_commit() has returned 0 for is on the disk, also after power loss (journal_mode=WAL,
 * synchronous=FULL); one that was not committed has not happened.  One process at a time: the
 * second one gets ERR_CONFLICT.  Blocking; one thread.
 *
 *	static const char *const schema[] = { "CREATE TABLE job(...)", "ALTER TABLE ..." };
 *	struct store *s = store_open("/var/lib/x/replay.db", schema, ARRAY_LEN(schema), &e);
 *
 *	if (store_begin(s, &e) < 0 ||
 *	        store_exec(s, &e, "UPDATE job SET status=?1 WHERE id=?2", "ti", "STARTED", id) < 0
 *|| store_commit(s, &e) < 0) store_rollback(s);
 *
 *	struct store_rows q;
 *	for (rc = store_ask(s, &q, &e, "SELECT id, worker FROM job WHERE try>?1", "i", (int64_t)1);
 *	        rc > 0; rc = store_next(&q, &e))
 *		use(store_int(&q, 0), store_text(&q, 1));
 *	store_end(&q);
 *
 * Types, a letter for each value: i int64_t, d double, t const char * (NULL is SQL's NULL).  The
 * SQL must be a literal: statements are prepared once and kept by its address.
 *
 * The schema is a list of steps; the number done stands in user_version.  A file with more steps
 * than we know is refused (ERR_CONFLICT: "written by a newer nodeswarm").
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/err.h"

struct store;

/*
 * Open, made with mode 0600 if it is not there, with its directory's entry synced.  ERR_CONFLICT:
 * another process has it, or it is newer; ERR_PROTOCOL: it is no database, or damaged
 * (quick_check).
 */
struct store *store_open(
        const char *path, const char *const *steps, size_t n_steps, struct err *e) NODISCARD;
void store_close(struct store *s);
DEFINE_AUTO(struct store, store_close)

int store_begin(struct store *s, struct err *e) NODISCARD; /* BEGIN IMMEDIATE; they do not nest */
int store_commit(struct store *s, struct err *e) NODISCARD;
void store_rollback(struct store *s); /* nothing without a transaction */

/* One statement that returns no rows.  0; > 0 never; -1: ERR_CONFLICT for a constraint, ERR_SYSTEM
 * with ENOSPC for a full disk. */
int store_exec(struct store *s, struct err *e, const char *sql, const char *types, ...) NODISCARD;

/* How many rows the last store_exec() changed. */
int64_t store_changes(const struct store *s);

struct store_rows {
	void *statement; /* NULL: none */
};

/* The first row: 1, 0 without one, -1.  store_end() is due after each, and allowed twice. */
int store_ask(struct store *s, struct store_rows *q, struct err *e, const char *sql,
        const char *types, ...) NODISCARD;
int store_next(struct store_rows *q, struct err *e) NODISCARD;
void store_end(struct store_rows *q);

/* Of the row in hand; text is valid until the next row and NULL for SQL's NULL. */
int64_t store_int(const struct store_rows *q, int column);
const char *store_text(const struct store_rows *q, int column);
