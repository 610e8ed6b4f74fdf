/*
 * WAL with synchronous=FULL: a commit is one append to the log and one fsync.  locking_mode=
 * EXCLUSIVE, set before the first access, keeps the lock for the life of the process and needs no
 * shared memory file; the kernel drops it when the process dies, however.  The log is brought into
 * the file every 4,096 pages, because whoever commits then waits for it: with SQLite's 1,000 a busy
 * service stood still for some 20 ms each second.
 *
 * A commit that fails in its last fsync may be found done after a crash, like every write whose
 * outcome nobody was told.  Callers take a failed change as not done, and must be able to meet it
 * again after the next start.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

struct kept {
	const char *sql;
	sqlite3_stmt *statement;
};

struct store {
	sqlite3 *db;
	struct kept *kept;
	size_t n_kept;
};

/* What SQLite says, as ours. */
static int fail(sqlite3 *db, int code, struct err *e, const char *what)
{
	int errnum = sqlite3_system_errno(db);

	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return err_nomem(e);
	case SQLITE_FULL:
		err_sys(e, ENOSPC, "store: %s", what);
		return err_hint(e, "Make room on its disk; nothing of this change was kept.");
	case SQLITE_CONSTRAINT:
		return err_set(e, ERR_CONFLICT, "store: %s: %s", what, sqlite3_errmsg(db));
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		err_set(e, ERR_CONFLICT, "store: %s: another process has it", what);
		return err_hint(e, "Stop that process first, or use another directory.");
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return err_set(e, ERR_PROTOCOL, "store: %s: %s", what, sqlite3_errmsg(db));
	default:
		if (errnum == 0)
			return err_set(e, ERR_SYSTEM, "store: %s: %s", what, sqlite3_errmsg(db));
		return err_sys(e, errnum, "store: %s (%s)", what, sqlite3_errstr(code));
	}
}

/* A statement that is not kept, whose first column goes to *ret if there is a row. */
static int once(sqlite3 *db, const char *sql, char ret[64], struct err *e)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	const char *text;

	ret[0] = '\0';
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(statement, 0);
		(void)snprintf(ret, 64, "%s", text ? text : "");
	}
	while (rc == SQLITE_ROW)
		rc = sqlite3_step(statement);
	if (rc != SQLITE_DONE)
		rc = fail(db, rc, e, sql);
	else
		rc = 0;
	(void)sqlite3_finalize(statement);
	return rc;
}

static int sync_dir_of(const char *path, struct err *e)
{
	AUTO(free) char *dir = strdup(path);
	AUTO(close_fd) int fd = -1;
	char *slash;

	if (!dir)
		return err_nomem(e);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "sync the directory of store '%s'", path);
	return 0;
}

/*
 * Makes the file, for us alone; SQLite gives the log the same mode.  One that is there is not
 * opened: to close it again would drop the lock that this process might have on it.
 */
static int make_file(const char *path, struct err *e)
{
	AUTO(close_fd) int fd = -1;
	struct stat st;

	if (lstat(path, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return err_set(e, ERR_PROTOCOL, "store '%s' is no regular file", path);
		return st.st_size > 0 ? 0 : sync_dir_of(path, e);
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, errno, "make store '%s'", path);
	return sync_dir_of(path, e);
}

static int set_up(sqlite3 *db, struct err *e)
{
	char text[64];

	(void)sqlite3_extended_result_codes(db, 1);
	if (once(db, "PRAGMA locking_mode=EXCLUSIVE", text, e) < 0 ||
	        once(db, "PRAGMA journal_mode=WAL", text, e) < 0)
		return -1;
	if (strcmp(text, "wal") != 0)
		return err_set(e, ERR_SYSTEM, "store: the journal is '%s' and not wal", text);
	if (once(db, "PRAGMA synchronous=FULL", text, e) < 0 ||
	        once(db, "PRAGMA wal_autocheckpoint=4096", text, e) < 0 ||
	        once(db, "PRAGMA journal_size_limit=33554432", text, e) < 0 ||
	        once(db, "BEGIN IMMEDIATE", text, e) < 0 || once(db, "COMMIT", text, e) < 0 ||
	        once(db, "PRAGMA quick_check(1)", text, e) < 0)
		return -1;
	if (strcmp(text, "ok") != 0)
		return err_set(e, ERR_PROTOCOL, "store is damaged: %s", text);
	return 0;
}

/* One transaction a step, together with its number. */
static int take_step(sqlite3 *db, const char *step, size_t number, struct err *e)
{
	AUTO(free)
	char *sql = str_fmt("BEGIN IMMEDIATE; %s; PRAGMA user_version=%zu; COMMIT", step, number);
	int rc;

	if (!sql)
		return err_nomem(e);
	rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return 0;
	rc = fail(db, rc, e, "change of its tables");
	if (!sqlite3_get_autocommit(db))
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

static int migrate(sqlite3 *db, const char *const *steps, size_t n_steps, struct err *e)
{
	char text[64];
	long done;

	if (once(db, "PRAGMA user_version", text, e) < 0)
		return -1;
	done = strtol(text, NULL, 10);
	if (done < 0 || (size_t)done > n_steps) {
		err_set(e, ERR_CONFLICT, "store was written by a newer nodeswarm (step %ld of %zu)",
		        done, n_steps);
		return err_hint(e, "Use that version, or another directory.");
	}
	for (size_t i = (size_t)done; i < n_steps; i++)
		if (take_step(db, steps[i], i + 1, e) < 0)
			return -1;
	return 0;
}

struct store *store_open(const char *path, const char *const *steps, size_t n_steps, struct err *e)
{
	struct store *s = calloc(1, sizeof(*s));
	/* ":memory:" is a name like any other, for us. */
	AUTO(free) char *name = str_fmt("%s%s", path[0] == '/' ? "" : "./", path);
	int rc;

	if (!s || !name) {
		err_nomem(e);
		goto fail;
	}
	if (make_file(path, e) < 0)
		goto fail;
	rc = sqlite3_open_v2(name, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK) {
		fail(s->db, rc, e, "open");
		goto wrap;
	}
	if (set_up(s->db, e) < 0 || migrate(s->db, steps, n_steps, e) < 0)
		goto wrap;
	return s;
wrap:
	err_wrap(e, "'%s'", path);
fail:
	store_close(s);
	return NULL;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_kept; i++)
		(void)sqlite3_finalize(s->kept[i].statement);
	free(s->kept);
	(void)sqlite3_close(s->db);
	free(s);
}

static sqlite3_stmt *prepare(struct store *s, struct err *e, const char *sql)
{
	struct kept *more;
	int rc;

	for (size_t i = 0; i < s->n_kept; i++)
		if (s->kept[i].sql == sql)
			return s->kept[i].statement;
	more = reallocarray(s->kept, s->n_kept + 1, sizeof(*more));
	if (!more) {
		err_nomem(e);
		return NULL;
	}
	s->kept = more;
	rc = sqlite3_prepare_v3(
	        s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &more[s->n_kept].statement, NULL);
	if (rc != SQLITE_OK) {
		fail(s->db, rc, e, sqlite3_errmsg(s->db));
		return NULL;
	}
	more[s->n_kept].sql = sql;
	return more[s->n_kept++].statement;
}

static sqlite3_stmt *bind(
        struct store *s, struct err *e, const char *sql, const char *types, va_list ap)
{
	sqlite3_stmt *statement = prepare(s, e, sql);
	int rc = SQLITE_OK;

	if (!statement)
		return NULL;
	/* One that is still being read cannot be asked anew: store_end() was forgotten. */
	assert(!sqlite3_stmt_busy(statement));
	assert((size_t)sqlite3_bind_parameter_count(statement) == strlen(types));
	for (int i = 0; types[i] && rc == SQLITE_OK; i++) {
		switch (types[i]) {
		case 'i':
			rc = sqlite3_bind_int64(statement, i + 1, va_arg(ap, int64_t));
			break;
		case 'd':
			rc = sqlite3_bind_double(statement, i + 1, va_arg(ap, double));
			break;
		case 't':
			rc = sqlite3_bind_text(
			        statement, i + 1, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
			break;
		default:
			assert(!"a type that store.h does not name");
			rc = SQLITE_MISUSE;
		}
	}
	if (rc == SQLITE_OK)
		return statement;
	fail(s->db, rc, e, sql);
	return NULL;
}

/* What the caller bound is dropped too. */
static void reset(sqlite3_stmt *statement)
{
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
}

int store_exec(struct store *s, struct err *e, const char *sql, const char *types, ...)
{
	sqlite3_stmt *statement;
	va_list ap;
	int rc;

	va_start(ap, types);
	statement = bind(s, e, sql, types, ap);
	va_end(ap);
	if (!statement)
		return -1;
	rc = sqlite3_step(statement);
	assert(rc != SQLITE_ROW);
	rc = rc == SQLITE_DONE ? 0 : fail(s->db, rc, e, sql);
	reset(statement);
	return rc;
}

int store_begin(struct store *s, struct err *e)
{
	return store_exec(s, e, "BEGIN IMMEDIATE", "");
}

int store_commit(struct store *s, struct err *e)
{
	return store_exec(s, e, "COMMIT", "");
}

void store_rollback(struct store *s)
{
	struct err ignored = ERR_INIT;

	/* Some errors have rolled back already. */
	if (!sqlite3_get_autocommit(s->db) && store_exec(s, &ignored, "ROLLBACK", "") < 0)
		err_clear(&ignored);
}

int64_t store_changes(const struct store *s)
{
	return sqlite3_changes64(s->db);
}

int store_ask(struct store *s, struct store_rows *q, struct err *e, const char *sql,
        const char *types, ...)
{
	va_list ap;

	va_start(ap, types);
	q->statement = bind(s, e, sql, types, ap);
	va_end(ap);
	return q->statement ? store_next(q, e) : -1;
}

int store_next(struct store_rows *q, struct err *e)
{
	int rc = sqlite3_step(q->statement);

	if (rc == SQLITE_ROW)
		return 1;
	rc = rc == SQLITE_DONE
	        ? 0
	        : fail(sqlite3_db_handle(q->statement), rc, e, sqlite3_sql(q->statement));
	store_end(q);
	return rc;
}

void store_end(struct store_rows *q)
{
	if (q->statement)
		reset(q->statement);
	q->statement = NULL;
}

int64_t store_int(const struct store_rows *q, int column)
{
	return sqlite3_column_int64(q->statement, column);
}

const char *store_text(const struct store_rows *q, int column)
{
	return (const char *)sqlite3_column_text(q->statement, column);
}
