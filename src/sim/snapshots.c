/* Snapshots that wait for their block to become irreversible, and who asked for them. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/str.h"
#include "sim/api_priv.h"
#include "sim/snapshot.h"

#define WAITING_MAX 64

/* One request.  Several may wait for the same block. */
struct waiting {
	struct http_server_call *call; /* NULL: the client has gone; the file is finished anyway */
	struct block block;
	bool used;
};

struct snapshots {
	struct node *n;
	struct waiting v[WAITING_MAX];
};

static char *name_of(const struct node *n, const char *prefix, const struct block *b)
{
	char hex[BLOCK_ID_HEX];

	hex_encode(hex, b->id, BLOCK_ID);
	return str_fmt("%s/%ssnapshot-%s.bin", n->snapshots_dir, prefix, hex);
}

static int say_result(struct api_call *c, const struct block *b)
{
	AUTO(free) char *path = name_of(c->n, "", b);
	char hex[BLOCK_ID_HEX], when[SLOT_TEXT_SIZE];

	hex_encode(hex, b->id, BLOCK_ID);
	return buf_add_fmt(&c->out,
	        "{\"head_block_id\":\"%s\",\"head_block_num\":%" PRIu32
	        ",\"head_block_time\":\"%s\",\"version\":%d,\"snapshot_name\":\"%s\"}",
	        hex, b->num, slot_text(when, b->slot), SNAPSHOT_VERSION, path ? path : "");
}

/* Under the first name, and renamed: as nodeos does, without a sync. */
static int write_as(const struct node *n, const struct block *b, const char *prefix, struct err *e)
{
	AUTO(free) char *temp = name_of(n, ".incomplete-", b), *path = name_of(n, prefix, b);
	const struct statedb *db = &n->chain.state;
	struct sim_snapshot s = { .head = *b,
		.genesis = db->genesis,
		.has_genesis = db->has_genesis,
		.wrong = chain_wrong(&n->chain) };

	if (!temp || !path)
		return err_nomem(e);
	memcpy(s.genesis.chain_id, n->chain.id, BLOCK_ID);
	(void)mkdir(n->snapshots_dir, 0755);
	if (sim_snapshot_write(&s, temp, e) < 0)
		return -1;
	return rename(temp, path) < 0 ? err_sys(e, errno, "rename '%s'", temp) : 0;
}

int snapshots_write(const struct node *n, struct err *e)
{
	return write_as(n, chain_head(&n->chain), "", e);
}

static int fail_write(struct api_call *c, const struct err *e)
{
	return api_error(c, 500, "Internal Service Error", 3170009,
	        "snapshot_finalization_exception", "Snapshot Finalization Exception",
	        "producer_plugin.cpp:1665 create_snapshot", "%s", e->msg);
}

static void on_gone(void *arg)
{
	((struct waiting *)arg)->call = NULL;
}

static int wait_for(struct api_call *c, const struct block *b)
{
	struct snapshots *s = c->n->snapshots;
	struct waiting *free_one = NULL;
	struct err e = ERR_INIT;
	bool there = false;

	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiting *w = &s->v[i];

		there |= w->used && block_same_id(w->block.id, b->id);
		if (!w->used && !free_one)
			free_one = w;
	}
	if (!free_one)
		return api_error(c, 500, "Internal Service Error", 0, "not_simulated",
		        "nodesim has a limit here", "snapshots.c:0 wait_for",
		        "more than %d requests wait", WAITING_MAX);
	if (!there && write_as(c->n, b, ".pending-", &e) < 0)
		return fail_write(c, &e);
	*free_one = (struct waiting){ .block = *b, .used = true };
	free_one->call = http_server_later(c->request, on_gone, free_one);
	c->is_later = true;
	return 0;
}

int api_create_snapshot(struct api_call *c)
{
	const struct block *b = node_head(c->n);
	AUTO(free) char *path = name_of(c->n, "", b);
	struct err e = ERR_INIT;
	struct stat st;

	if (!path)
		return -1;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return api_error(c, 500, "Internal Service Error", 3170008,
		        "snapshot_exists_exception", "The requested snapshot already exists",
		        "producer_plugin.cpp:1580 create_snapshot",
		        "snapshot named %s already exists", path);
	if (!c->n->irreversible)
		return wait_for(c, b);
	return write_as(c->n, b, "", &e) < 0 ? fail_write(c, &e) : say_result(c, b);
}

/* Forked out, or finished.  Of several that wait for one file the first does it. */
static int finish(struct api_call *c, const struct block *b)
{
	AUTO(free) char *pending = name_of(c->n, ".pending-", b), *path = name_of(c->n, "", b);
	struct err e = ERR_INIT;
	char hex[BLOCK_ID_HEX];
	struct block there;

	if (!pending || !path)
		return -1;
	if (!block_same_id(c->n->chain.root.id, b->id) &&
	        (chain_fetch(&c->n->chain, b->num, &there, &e) != 0 ||
	                !block_same_id(there.id, b->id))) {
		(void)unlink(pending);
		hex_encode(hex, b->id, BLOCK_ID);
		return api_error(c, 500, "Internal Service Error", 3170009,
		        "snapshot_finalization_exception", "Snapshot Finalization Exception",
		        "pending_snapshot.cpp:14 finalize",
		        "Snapshotted block was forked out of the chain.  ID: %s", hex);
	}
	if (rename(pending, path) < 0 && errno != ENOENT) {
		err_sys(&e, errno, "rename '%s'", pending);
		return fail_write(c, &e);
	}
	return say_result(c, b);
}

void snapshots_promote(struct snapshots *s)
{
	for (size_t i = 0; s && i < WAITING_MAX; i++) {
		struct waiting *w = &s->v[i];
		struct api_call c = { .n = s->n, .status = 201, .out = BUF_INIT(API_REPLY_MAX) };

		if (!w->used || w->block.num > s->n->chain.root.num)
			continue;
		if (finish(&c, &w->block) < 0 && c.status < 400)
			buf_clear(&c.out);
		w->used = false;
		if (w->call)
			api_answer(TAKE(w->call), &c);
		buf_release(&c.out);
	}
}

struct snapshots *snapshots_new(struct node *n)
{
	struct snapshots *s = calloc(1, sizeof(*s));

	if (s)
		s->n = n;
	return s;
}

void snapshots_free(struct snapshots *s)
{
	free(s);
}
