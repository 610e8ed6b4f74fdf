/*
 * work/: config/config.ini and data/, made anew for each job
 *
 * config.ini has the operator's lines and, where these say nothing, what a replay needs: no p2p
 * port (several workers share a host, and nodeos ends with 0 where the port is taken), a state
 * database that has room for a public chain (the file is sparse), no transactions of others.
 *
 * Block logs are linked in as split files of the retained dir, from which nodeos (Leap 3.1 on,
 * libraries/chain/block_log.cpp, log_catalog.hpp) reads but never writes; the growing log beside
 * them is the job's own.  The first has the block behind the slice's start; it may begin earlier.
 * nodeos refuses a snapshot and a log that do not meet.
 */

#include "replay/worker_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "nodeos/blocklog.h"

#define DATA     WORKER_WORK "/data"
#define CONFIG   WORKER_WORK "/config"
#define RETAINED DATA "/blocks/retained"

#define STATE_MB   "65536"
#define PIECES_MAX 100000

int worker_place_clear(struct worker *w, struct err *e)
{
	return fs_remove_tree_at(w->dirfd, WORKER_WORK, e);
}

static int make_dir(struct worker *w, const char *path, struct err *e)
{
	AUTO(close_fd) int fd = fs_open_dir_at(w->dirfd, path, true, 0750, e);

	return fd < 0 ? -1 : 0;
}

/* --- block logs --- */

struct piece {
	uint32_t first, last;
	char name[64];
};

static int by_first(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	/* Of two that begin alike the longer one comes first. */
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->last < y->last) - (x->last > y->last);
}

/* "blocks-<first>-<last>.log" */
static bool parse_piece(struct piece *p, const char *name)
{
	unsigned long long first, last;
	const char *s;
	char *end;

	if (!str_starts(name, "blocks-", &s) || strlen(name) >= sizeof(p->name))
		return false;
	first = strtoull(s, &end, 10);
	if (end == s || *end != '-')
		return false;
	s = end + 1;
	last = strtoull(s, &end, 10);
	if (end == s || strcmp(end, ".log") != 0 || !first || last < first || last > UINT32_MAX)
		return false;
	p->first = (uint32_t)first;
	p->last = (uint32_t)last;
	memcpy(p->name, name, strlen(name) + 1);
	return true;
}

static int list_pieces(const char *dir, struct piece **ret, size_t *ret_n, struct err *e)
{
	DIR *d = opendir(dir);
	AUTO(free) struct piece *v = NULL;
	const struct dirent *x;
	struct piece one;
	size_t n = 0;

	if (!d)
		return err_sys(e, errno, "open the block logs '%s'", dir);
	while (n < PIECES_MAX && (x = readdir(d))) {
		struct piece *more;

		if (!parse_piece(&one, x->d_name))
			continue;
		more = realloc(v, (n + 1) * sizeof(*v));
		if (!more) {
			(void)closedir(d);
			return err_nomem(e);
		}
		v = more;
		v[n++] = one;
	}
	(void)closedir(d);
	if (n)
		qsort(v, n, sizeof(*v), by_first);
	*ret = TAKE(v);
	*ret_n = n;
	return 0;
}

int worker_place_count_logs(const struct worker *w, size_t *ret, struct err *e)
{
	AUTO(free) struct piece *v = NULL;

	*ret = 0;
	return w->cfg->blocks ? list_pieces(w->cfg->blocks, &v, ret, e) : 0;
}

static int link_piece(struct worker *w, const char *dir, const char *log, struct err *e)
{
	static const char *const ending[] = { "log", "index" };

	for (size_t i = 0; i < ARRAY_LEN(ending); i++) {
		int n = (int)strlen(log) - 3;
		AUTO(free) char *from = str_fmt("%s/%.*s%s", dir, n, log, ending[i]);
		AUTO(free) char *to = str_fmt(RETAINED "/%.*s%s", n, log, ending[i]);

		if (!from || !to)
			return err_nomem(e);
		/* nodeos makes an index that is not there. */
		if (access(from, R_OK) < 0 && i > 0)
			continue;
		if (symlinkat(from, w->dirfd, to) < 0)
			return err_sys(e, errno, "link '%s'", from);
	}
	return 0;
}

/* The first has the block behind the slice's start; it may begin earlier.  The others go on without
 * a gap.  Returns how many, or -1. */
static int link_pieces(struct worker *w, struct err *e)
{
	AUTO(free) char *dir = realpath(w->cfg->blocks, NULL);
	AUTO(free) struct piece *v = NULL;
	uint32_t next = w->job.start + 1;
	int linked = 0;
	size_t n = 0;

	if (!dir)
		return err_sys(e, errno, "open the block logs '%s'", w->cfg->blocks);
	if (list_pieces(dir, &v, &n, e) < 0 || make_dir(w, RETAINED, e) < 0)
		return -1;
	for (size_t i = 0; i < n && next && next <= w->job.end; i++) {
		if (linked ? v[i].first != next : v[i].first > next || v[i].last < next)
			continue;
		if (link_piece(w, dir, v[i].name, e) < 0)
			return -1;
		next = v[i].last + 1;
		linked++;
	}
	return linked;
}

/* --- config.ini --- */

enum purpose {
	TO_REPLAY,
	TO_REPLAY_LOGS,
	TO_LOOK,
};

static int add_peers(struct worker *w, struct config_ini *c, struct err *e)
{
	for (size_t i = 0; i < w->cfg->peers.n; i++)
		if (config_ini_add(c, "p2p-peer-address", w->cfg->peers.v[i], e) < 0)
			return -1;
	return 0;
}

/* Nothing listens but the socket. */
static int add_api(struct worker *w, struct config_ini *c, struct err *e)
{
	AUTO(free) char *socket = str_fmt("%s/" WORKER_SOCKET, w->dir);

	if (!socket)
		return err_nomem(e);
	(void)config_ini_remove(c, "p2p-peer-address");
	if (config_ini_add(c, "plugin", "eosio::http_plugin", e) < 0 ||
	        config_ini_add(c, "plugin", "eosio::producer_api_plugin", e) < 0 ||
	        config_ini_set(c, "http-server-address", "", e) < 0)
		return -1;
	return config_ini_set(c, "unix-socket-path", socket, e);
}

static int add_retained(struct config_ini *c, struct err *e)
{
	(void)config_ini_remove(c, "blocks-archive-dir");
	if (config_ini_set(c, "blocks-retained-dir", "retained", e) < 0)
		return -1;
	return config_ini_set(c, "max-retained-block-files", "4294967295", e);
}

static int write_config(struct worker *w, enum purpose purpose, struct err *e)
{
	static const struct {
		const char *key, *value;
	} defaults[] = {
		{ "p2p-listen-endpoint", "" },
		{ "chain-state-db-size-mb", STATE_MB },
		{ "p2p-accept-transactions", "false" },
		/* A peer that is away for a moment would be missed for 30 s. */
		{ "connection-cleanup-period", "5" },
	};
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	AUTO(buf) struct buf text = BUF_INIT(2 * CONFIG_INI_TEXT_MAX);

	for (const struct config_entry *x = NULL; (x = config_ini_each(&w->config, NULL, x));)
		if (config_ini_add(&c, x->key, x->value, e) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		if (config_ini_set_default(&c, defaults[i].key, defaults[i].value, e) < 0)
			return -1;
	if (purpose == TO_LOOK ? add_api(w, &c, e) < 0 : add_peers(w, &c, e) < 0)
		return -1;
	if (purpose == TO_REPLAY_LOGS && add_retained(&c, e) < 0)
		return -1;
	if (config_ini_text(&c, &text, e) < 0)
		return -1;
	if (fs_write_at(w->dirfd, CONFIG "/config.ini", text.data ? text.data : "", text.len, 0640,
	            e) < 0)
		return err_wrap(e, "prepare '%s/" WORKER_WORK "'", w->dir);
	return 0;
}

/* --- the whole --- */

static int add_common(struct worker *w, const char *program, struct strvec *argv, struct err *e)
{
	if (strvec_add(argv, program) < 0 || strvec_add(argv, "--data-dir") < 0 ||
	        strvec_add_fmt(argv, "%s/" DATA, w->dir) < 0 ||
	        strvec_add(argv, "--config-dir") < 0 ||
	        strvec_add_fmt(argv, "%s/" CONFIG, w->dir) < 0)
		return err_nomem(e);
	return 0;
}

static int add_start(struct worker *w, const char *snapshot, struct strvec *argv, struct err *e)
{
	if (strvec_add(argv, snapshot ? "--snapshot" : "--genesis-json") < 0 ||
	        strvec_add(argv, snapshot ? snapshot : w->cfg->genesis) < 0)
		return err_nomem(e);
	return 0;
}

static int add_end(struct worker *w, struct strvec *argv, struct err *e)
{
	if (strvec_add(argv, "--terminate-at-block") < 0 ||
	        strvec_add_fmt(argv, "%" PRIu32, w->job.end) < 0)
		return err_nomem(e);
	return 0;
}

static int make_dirs(struct worker *w, struct err *e)
{
	if (worker_place_clear(w, e) < 0 || make_dir(w, DATA, e) < 0)
		return -1;
	return make_dir(w, CONFIG, e);
}

int worker_place_make(struct worker *w, const char *program, const char *snapshot,
        struct strvec *argv, struct err *e)
{
	int linked = 0;

	if (make_dirs(w, e) < 0)
		return -1;
	if (w->cfg->blocks && (linked = link_pieces(w, e)) < 0)
		return -1;
	w->job.has_logs = linked > 0;
	if (write_config(w, linked > 0 ? TO_REPLAY_LOGS : TO_REPLAY, e) < 0)
		return -1;
	if (w->cfg->blocks)
		log_info("block logs linked in", "job=%" PRId64 " files=%d", w->job.id, linked);
	if (add_common(w, program, argv, e) < 0 || add_end(w, argv, e) < 0)
		return -1;
	if (strvec_add(argv, "--integrity-hash-on-start") < 0)
		return err_nomem(e);
	if (add_start(w, snapshot, argv, e) < 0)
		return -1;
	return strvec_add(argv, "--integrity-hash-on-stop") < 0 ? err_nomem(e) : 0;
}

int worker_place_look(struct worker *w, const char *program, const char *snapshot, bool is_first,
        struct strvec *argv, struct err *e)
{
	if (is_first && make_dirs(w, e) < 0)
		return -1;
	if (write_config(w, TO_LOOK, e) < 0 || add_common(w, program, argv, e) < 0)
		return -1;
	return is_first ? add_start(w, snapshot, argv, e) : 0;
}

/* Without block logs: on a state nodeos takes none that begin at its head. */
int worker_place_go_on(struct worker *w, const char *program, struct strvec *argv, struct err *e)
{
	if (w->cfg->blocks)
		log_warn("this nodeos gets no block logs, only peers", "job=%" PRId64, w->job.id);
	if (write_config(w, TO_REPLAY, e) < 0 || add_common(w, program, argv, e) < 0)
		return -1;
	return add_end(w, argv, e);
}

/* Eight bytes a block, of irreversible ones.  Behind linked logs the growing one begins elsewhere,
 * and while those are replayed nodeos tells of each 500th block. */
uint32_t worker_place_block(const struct worker *w)
{
	struct stat st;

	if (w->job.has_logs ||
	        fstatat(w->dirfd, DATA "/blocks/blocks.index", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (st.st_size < 8 || st.st_size / 8 > UINT32_MAX - w->job.start)
		return 0;
	return w->job.start + (uint32_t)(st.st_size / 8);
}

int worker_place_head(struct worker *w, uint32_t *ret, struct err *e)
{
	AUTO(close_fd) int fd = fs_open_dir_at(w->dirfd, DATA, false, 0, e);
	struct blocklog_facts facts;

	if (fd < 0 || nodeos_blocklog_at(&facts, fd, e) < 0)
		return -1;
	*ret = facts.head_block_num;
	return 0;
}
