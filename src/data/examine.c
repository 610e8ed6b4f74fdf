#include "data/examine.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "data/generation_priv.h"
#include "data/import_priv.h"
#include "data/opener.h"
#include "data/pool.h"
#include "data/record.h"
#include "data/slot.h"
#include "nodeos/config.h"
#include "nodeos/verdict.h"

#define CONFIG_DIR  "config"
#define CONFIG_NAME "config.ini"

struct examined {
	const struct examine_options *o;
	struct data_evidence seen;
	struct data_verdict v;
	char chain_id[2 * SHA256_LEN + 1]; /* that is expected, in small letters */
	struct data_opener opener;
	bool is_open, is_in_use;
	char who[OPENER_TEXT_MAX];
	char in_use[OPENER_TEXT_MAX + 64];
	const char *slot_state; /* or NULL */
	char generation[GENERATION_NAME_SIZE];
	uint32_t generation_lib;
	bool is_generation_snapshot;
	int64_t began_ns;
};

static int read_chain_id(char out[2 * SHA256_LEN + 1], const char *text, struct err *e)
{
	unsigned char id[SHA256_LEN];

	*out = '\0';
	if (!text || !*text)
		return 0;
	if (hex_decode(id, sizeof(id), text) < 0)
		return err_set(e, ERR_USAGE, "'%.80s' is no chain id (64 hex digits)", text);
	hex_encode(out, id, sizeof(id));
	return 0;
}

int examine_check(const struct examine_options *o, struct err *e)
{
	char ignored[2 * SHA256_LEN + 1];

	if (read_chain_id(ignored, o->chain_id, e) < 0)
		return -1;
	if (!o->nodeos || !*o->nodeos || nodeos_version_format(o->nodeos))
		return 0;
	err_set(e, ERR_USAGE, "the database format of nodeos '%.40s' is not known", o->nodeos);
	return err_hint(e, "give it as nodeos --version prints it, like v4.0.6");
}

/* --- what its slot knows ----------------------------------------------------------------- */

/* The state of the slot says whether what holds it works on the data-dir. */
static bool is_at_work(const struct record *r)
{
	return r->nodeos_pid || r->state == SLOT_RESTORING || r->state == SLOT_REPAIRING;
}

static void find_opener(struct examined *x, int data_dirfd, int slot_fd)
{
	struct err ignored = ERR_INIT;
	struct record r;
	bool has_record;

	x->is_open = data_opener_find(&x->opener, data_dirfd, 0);
	if (!x->is_open)
		return;
	data_opener_text(x->who, &x->opener);
	x->is_in_use = x->opener.has_data;
	snprintf(x->in_use, sizeof(x->in_use), "%s", x->who);
	if (!x->opener.has_slot)
		return;
	has_record = slot_fd >= 0 && record_read_at(&r, slot_fd, &ignored) == 0;
	if (has_record)
		x->slot_state = slot_state_name(r.state);
	/* A supervisor holds the slot also while nothing runs, and then the bytes count. */
	if (!has_record || is_at_work(&r) || !x->opener.has_supervisor)
		x->is_in_use = true;
	if (x->slot_state && !x->opener.has_data)
		snprintf(x->in_use, sizeof(x->in_use), "%s, its slot is %s", x->who, x->slot_state);
}

/* Its directory is nodeos's, who may have put there what he likes. */
static bool read_config(struct buf *b, int slot_fd)
{
	struct err ignored = ERR_INIT;
	AUTO(close_fd) int dir = fs_open_dir_at(slot_fd, CONFIG_DIR, false, 0, &ignored);
	AUTO(close_fd)
	int fd = dir < 0 ? -1
	                 : openat(dir, CONFIG_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	char piece[16384];
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		if (buf_add(b, piece, (size_t)n) < 0)
			return false;
	return n == 0;
}

/* blocks-retained-dir of the slot's rendered config.ini; "" where there is none. */
static void find_retained_dir(char *out, size_t size, int slot_fd)
{
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	AUTO(buf) struct buf b = BUF_INIT(CONFIG_INI_TEXT_MAX);
	struct err ignored = ERR_INIT;
	const char *v;
	size_t n;

	*out = '\0';
	if (!read_config(&b, slot_fd) ||
	        config_ini_parse(&c, CONFIG_NAME, b.data, b.len, &ignored) < 0)
		return;
	v = config_ini_get(&c, "blocks-retained-dir");
	if (!v)
		return;
	n = strlen(v);
	if (n >= 2 && v[0] == '"' && v[n - 1] == '"') {
		v++;
		n -= 2;
	}
	while (n > 0 && v[n - 1] == '/')
		n--;
	if (snprintf(out, size, "%.*s", (int)n, v) >= (int)size)
		*out = '\0';
}

/* `current`, if it is of this chain.  It is not held: it may be gone a moment later. */
static void find_generation(struct examined *x, const struct pool *p)
{
	AUTO(manifest) struct manifest m = MANIFEST_INIT;
	struct err ignored = ERR_INIT;
	AUTO(close_fd) int list = generation_open_list(p, false, &ignored);
	AUTO(close_fd) int dir = -1;
	const char *ours = *x->seen.chain_id ? x->seen.chain_id : x->chain_id;
	char name[GENERATION_NAME_SIZE];

	if (list < 0 || generation_read_current(list, name, &ignored) != 0)
		return;
	dir = generation_open_dir(list, name, &ignored);
	if (dir < 0 || generation_read_manifest(&m, dir, name, &ignored) < 0 ||
	        (*ours && strcmp(ours, m.chain_id) != 0))
		return;
	snprintf(x->generation, sizeof(x->generation), "%s", name);
	x->generation_lib = m.lib_block_num;
	x->is_generation_snapshot = m.kind == GENERATION_SNAPSHOT;
}

/* --- as JSON ------------------------------------------------------------------------------ */

static json_t *block_or_null(uint32_t n)
{
	return n ? json_integer(n) : json_null();
}

static json_t *part_json(const struct evidence_part *p)
{
	static const char *const names[] = {
		[SEEN_NOTHING] = "nothing", [SEEN_FILE] = "file", [SEEN_ODD] = "odd"
	};

	return json_pack("{s:s, s:I, s:o}", "seen", names[p->seen], "size_bytes",
	        (json_int_t)p->size, "fault", json_or_null(p->fault));
}

/* The part with more that is known of it; takes more. */
static json_t *part_with(const struct evidence_part *p, json_t *take_more)
{
	AUTO(json) json_t *more = take_more;
	AUTO(json) json_t *j = part_json(p);

	return j && more && json_object_update(j, more) == 0 ? TAKE(j) : NULL;
}

static json_t *parts_json(const struct data_evidence *s)
{
	bool has_state = s->state.seen == SEEN_FILE, has_log = s->log.seen == SEEN_FILE;

	return json_pack("{s:o, s:o, s:o, s:o, s:{s:I, s:o}}", "state",
	        part_with(&s->state,
	                json_pack("{s:o, s:o}", "format", json_or_null(s->format), "dirty",
	                        has_state && *s->format ? json_boolean(s->is_dirty) : json_null())),
	        "fork_db",
	        part_with(
	                &s->fork_db, json_pack("{s:o}", "version", block_or_null(s->fork_version))),
	        "log",
	        part_with(&s->log,
	                json_pack("{s:o, s:o, s:o, s:o, s:o}", "version",
	                        block_or_null(s->log_version), "begins_well",
	                        has_log ? json_boolean(s->log_begins_well) : json_null(), "pruned",
	                        has_log ? json_boolean(s->log_is_pruned) : json_null(),
	                        "first_block_num", block_or_null(s->log_first), "last_block_num",
	                        block_or_null(s->log_last))),
	        "index", part_json(&s->index), "split_files", "count", (json_int_t)s->pieces.size,
	        "fault", json_or_null(s->pieces.fault));
}

static json_t *evidence_json(const struct examined *x)
{
	const struct data_evidence *s = &x->seen;
	AUTO(json) json_t *j = parts_json(s);
	AUTO(json)
	json_t *more =
	        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
	                "head_block_num", block_or_null(s->head_block_num), "head_block_id",
	                json_or_null(s->head_block_id), "chain_id", json_or_null(s->chain_id),
	                "first_block_num", block_or_null(s->first_block), "lib_block_num",
	                block_or_null(s->lib_block_num), "lib_block_id",
	                json_or_null(s->lib_block_id), "snapshot", json_or_null(s->snapshot),
	                "snapshot_block_num", block_or_null(s->snapshot_block), "second_copy",
	                json_or_null(s->second_copy), "opener", json_or_null(x->who), "slot_state",
	                json_or_null(x->slot_state), "generation", json_or_null(x->generation),
	                "generation_lib_block_num", block_or_null(x->generation_lib));

	return j && more && json_object_update(j, more) == 0 ? TAKE(j) : NULL;
}

static json_t *examined_json(const struct examined *x, struct err *e)
{
	unsigned repairs = x->v.repairs;
	AUTO(json) json_t *list = json_array();
	json_t *j;

	if (!*x->generation)
		repairs &= ~REPAIR_BIT(REPAIR_GENERATION);
	for (int r = REPAIR_NONE + 1; list && r < REPAIR_N; r++)
		if ((repairs & REPAIR_BIT(r)) &&
		        json_array_append_new(list, json_string(data_repair_name(r))) < 0)
			json_decref(TAKE(list));
	j = list ? json_pack("{s:s, s:s, s:O, s:s, s:f, s:o}", "verdict",
	                   data_state_name(x->v.state), "why", x->v.why, "repairs", list, "repair",
	                   data_repair_name(data_repair_cheapest(repairs)), "took_seconds",
	                   (double)(clock_mono_ns() - x->began_ns) / (double)NS_PER_SEC, "evidence",
	                   evidence_json(x))
	         : NULL;
	if (!j)
		err_nomem(e);
	return j;
}

/* --- both --------------------------------------------------------------------------------- */

static void judge(struct examined *x)
{
	struct data_expect expect = {
		.chain_id = x->chain_id,
		.format =
		        x->o->nodeos && *x->o->nodeos ? nodeos_version_format(x->o->nodeos) : NULL,
		.in_use = x->is_in_use ? x->in_use : NULL,
	};

	/* A snapshot has no state to start from: who has blocks is not made anew from one. */
	if (*x->generation && !x->is_generation_snapshot) {
		expect.reference_lib = x->generation_lib;
		expect.far_behind = EXAMINE_FAR_BEHIND;
	}
	data_judge(&x->v, &x->seen, &expect);
}

json_t *data_examine(
        int data_dirfd, const struct pool *p, const struct examine_options *o, struct err *e)
{
	AUTO(close_fd) int slot = data_opener_slot(data_dirfd);
	struct examined x = { .o = o, .began_ns = clock_mono_ns() };
	char retained[64];

	if (examine_check(o, e) < 0 || read_chain_id(x.chain_id, o->chain_id, e) < 0)
		return NULL;
	find_retained_dir(retained, sizeof(retained), slot);
	find_opener(&x, data_dirfd, slot);
	if (data_dirfd >= 0 && nodeos_evidence_at(&x.seen, data_dirfd, retained, e) < 0)
		return NULL;
	if (p)
		find_generation(&x, p);
	judge(&x);
	return examined_json(&x, e);
}

/* --- by path ------------------------------------------------------------------------------ */

static bool has_entry(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int check_is_data(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "'%s' is not a directory", path);
	if (has_entry(fd, "state") || has_entry(fd, "blocks") || !has_entry(fd, "data"))
		return 0;
	err_set(e, ERR_USAGE, "'%s' is no data-dir", path);
	return err_hint(e, "'%s/data' may be one", path);
}

/* The pool that the slot lies in; fd stays -1 when it is in none. */
static void find_pool(struct pool *ret, int data_dirfd)
{
	AUTO(close_fd) int slot = data_opener_slot(data_dirfd);
	AUTO(close_fd)
	int top = slot < 0 ? -1 : openat(slot, "../../..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err ignored = ERR_INIT;
	char link[40], path[PATH_MAX];
	ssize_t n;

	if (top < 0 || !has_entry(top, "pool.json"))
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", top);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return;
	path[n] = '\0';
	if (pool_open(ret, path, &ignored) < 0)
		*ret = POOL_INIT;
}

json_t *data_examine_path(const char *path, const struct examine_options *o, struct err *e)
{
	AUTO(close_fd) int fd = import_open(path, O_RDONLY, e);
	AUTO(pool) struct pool p = POOL_INIT;
	json_t *j;

	if (fd < 0 || check_is_data(fd, path, e) < 0)
		return NULL;
	find_pool(&p, fd);
	j = data_examine(fd, p.fd >= 0 ? &p : NULL, o, e);
	if (!j && e->kind != ERR_USAGE)
		err_wrap(e, "look at '%s'", path);
	return j;
}
