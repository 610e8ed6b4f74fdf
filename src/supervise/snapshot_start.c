#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "data/restore.h"
#include "nodeos/verdict.h"
#include "supervise/supervise_priv.h"
#include "supervise/work_plan.h"

/*
 * SLOT_FROM_SNAPSHOT in the slot's directory says that the data-dir is made from a snapshot and
 * that nodeos has not answered on it yet.  nodeos takes --snapshot only without a state, and
 * without --genesis-json; so what a start has left that was killed while it loaded is removed, and
 * it begins again.  That has no value: nodeos had never served it.  But the note alone does not say
 * that it is such a start's: somebody may have put another data-dir there (snapshot_plan()).
 *
 * Source: a real nodeos v4.0.6 ("Snapshot can only be used to initialize an empty database").
 */

#define TRIES_MAX 5
#define TEXT_MAX  (64U * 1024)

static int read_note(json_t **ret, int slot_fd, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	int rc = fs_read_at(slot_fd, SLOT_FROM_SNAPSHOT, &text, e);

	if (rc != 0)
		return rc;
	*ret = json_parse_object(text.data, text.len, SLOT_FROM_SNAPSHOT, e);
	return *ret ? 0 : -1;
}

/* One more try is noted before it is made: it may be killed. */
static int count_try(struct supervisor *s, json_t *note, struct err *e)
{
	int64_t tries = json_int(note, "tries", 0);
	AUTO(free) char *text = NULL;

	if (tries >= TRIES_MAX) {
		err_set(e, ERR_UNHEALTHY, "nodeos did not come up from snapshot '%s' in %d tries",
		        s->snapshot, TRIES_MAX);
		err_hint(e, "its log says why; restore the slot from another generation");
		return 1;
	}
	if (json_object_set_new(note, "tries", json_integer(tries + 1)) < 0 ||
	        !(text = json_text(note, true)))
		return err_nomem(e);
	return fs_write_at(s->slot.fd, SLOT_FROM_SNAPSHOT, text, strlen(text), 0644, e);
}

static int check_file(const struct supervisor *s, int data_fd, struct err *e)
{
	AUTO(close_fd) int dir = fs_open_dir_at(data_fd, "snapshots", false, 0, e);
	struct stat st;

	if (dir < 0)
		return -1;
	if (fstatat(dir, s->snapshot, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		return 0;
	return err_set(e, ERR_NOT_FOUND, "there is no snapshot '%s' in '%s/data/snapshots'",
	        s->snapshot, s->slot.path);
}

/* An earlier start was cut off: neither blocks nor state are whole. */
static int remove_remains(struct supervisor *s, int data_fd, struct err *e)
{
	log_warn("a start from a snapshot was cut off; it begins again",
	        "snapshot=\"%s\" verdict=%s why=\"%s\"", s->snapshot, s->record.verdict,
	        s->record.verdict_why);
	if (fs_remove_tree_at(data_fd, "blocks", e) < 0 ||
	        fs_remove_tree_at(data_fd, "state", e) < 0)
		return -1;
	supervisor_take_verdict(s);
	return 0;
}

static int prepare(struct supervisor *s, json_t *note, struct err *e)
{
	AUTO(close_fd) int data_fd = fs_open_dir_at(s->slot.fd, "data", false, 0, e);
	struct snapshot_start_facts f = { .tries = json_int(note, "tries", 0) };
	struct err missing = ERR_INIT;
	struct data_verdict v;

	if (data_fd < 0 || nodeos_verdict_at(&v, data_fd, e) < 0)
		return -1;
	f.verdict = v.state;
	f.has_file = check_file(s, data_fd, &missing) == 0;
	switch (snapshot_plan(&f)) {
	case SNAPSHOT_AGAIN:
		if (remove_remains(s, data_fd, e) < 0)
			return -1;
		break;
	case SNAPSHOT_START:
		break;
	case SNAPSHOT_LOADED:
		*s->snapshot = '\0';
		return 0;
	case SNAPSHOT_MISSING:
		*e = missing;
		return e->kind == ERR_NOT_FOUND ? 1 : -1;
	case SNAPSHOT_NOT_OURS:
		err_set(e, ERR_CONFLICT,
		        "the data-dir is %s, and no start from snapshot '%s' made it",
		        data_state_name(v.state), s->snapshot);
		err_hint(e, "restore the slot, or remove its " SLOT_FROM_SNAPSHOT);
		return 1;
	}
	return count_try(s, note, e);
}

int snapshot_start_prepare(struct supervisor *s, struct err *e)
{
	AUTO(json) json_t *note = NULL;
	const char *file;
	int rc = read_note(&note, s->slot.fd, e);

	*s->snapshot = '\0';
	s->is_from_snapshot = rc == 0;
	if (rc > 0)
		return 0;
	if (rc < 0)
		return e->kind == ERR_SYSTEM ? -1 : 1;
	file = json_str(note, "file", "");
	if (!*file || strlen(file) >= sizeof(s->snapshot) || strchr(file, '/') || *file == '.' ||
	        !str_starts(file + strlen(file) - (strlen(file) > 4 ? 4 : 0), ".bin", NULL)) {
		err_set(e, ERR_PROTOCOL, "'" SLOT_FROM_SNAPSHOT "' names no snapshot: '%.80s'",
		        file);
		return 1;
	}
	snprintf(s->snapshot, sizeof(s->snapshot), "%s", file);
	return prepare(s, note, e);
}

void snapshot_start_done(struct supervisor *s)
{
	if (!s->is_from_snapshot)
		return;
	if (unlinkat(s->slot.fd, SLOT_FROM_SNAPSHOT, 0) < 0 && errno != ENOENT) {
		log_error("'" SLOT_FROM_SNAPSHOT "' not removed", "why=\"%s\"", strerror(errno));
		return;
	}
	s->is_from_snapshot = false;
	(void)fsync(s->slot.fd);
	log_info("the slot came up from its snapshot", "snapshot=\"%s\"", s->snapshot);
}
