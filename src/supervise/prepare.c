#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/strvec.h"
#include "data/record.h"
#include "gate/gate.h"
#include "nodeos/blocklog.h"
#include "nodeos/config.h"
#include "nodeos/genesis.h"
#include "nodeos/options.h"
#include "nodeos/peers.h"
#include "nodeos/verdict.h"
#include "supervise/heal.h"
#include "supervise/probation.h"
#include "supervise/supervise_priv.h"

/*
 * config.ini and genesis.json come from Swarm configs, which never change under a running
 * task: what is wrong in them stays wrong, so those errors are final.  A missing pool, a full
 * disk or a failing write may pass, so those are tried again.
 */

static int final(struct supervisor *s)
{
	s->hold = HOLD_FINAL;
	return 1;
}

double supervisor_disk_limit(const struct supervisor *s)
{
	const struct render_info *r = &s->render;
	struct pool_space space;
	struct err e = ERR_INIT;
	double percent = r->disk_threshold_percent ? r->disk_threshold_percent : 100;

	/* nodeos may be told its threshold as bytes that have to stay free. */
	if (!r->disk_threshold_percent && pool_space_at(&space, s->slot.fd, &e) == 0 &&
	        space.total_bytes)
		percent =
		        100.0 - 100.0 * (double)r->disk_threshold_bytes / (double)space.total_bytes;
	return percent - DISK_MARGIN;
}

int supervisor_check_disk(struct supervisor *s, struct err *e)
{
	double limit = supervisor_disk_limit(s) - (s->hold == HOLD_DISK ? DISK_HYSTERESIS : 0);
	struct pool_space space;

	if (pool_space_at(&space, s->slot.fd, e) < 0)
		return -1;
	s->disk_used_percent = space.used_percent;
	if (space.used_percent < limit)
		return 0;
	s->hold = HOLD_DISK;
	err_set(e, ERR_UNAVAILABLE, "the pool's disk is %.1f%% full, the limit is %.1f%%",
	        space.used_percent, limit);
	err_hint(e, "free some space; nodeos then starts by itself");
	return 1;
}

static int check_verdict(struct supervisor *s, struct err *e)
{
	const char *v = s->record.verdict;

	/* To drop the bad end of a log is what nodeos is started for then. */
	if (record_verdict_is_clean(v) || heal_replays_hard(s))
		return 0;
	err_set(e, ERR_CONFLICT, "the data-dir is %s: %s", v, s->record.verdict_why);
	if (strcmp(v, data_state_name(DATA_FOREIGN)) == 0)
		err_hint(e,
		        "give it the genesis and the nodeos that it is of, or a generation of this "
		        "chain ('nodeswarm data restore')");
	else
		err_hint(e,
		        "NODESWARM_HEAL=auto repairs it, 'nodeswarm data restore' starts it from a "
		        "generation; or move '%s/data' away to begin afresh, and then 'nodeswarm "
		        "resume'",
		        s->slot.path);
	return final(s);
}

static int mend_blocks(struct supervisor *s, struct err *e)
{
	AUTO(close_fd) int fd = fs_open_dir_at(s->slot.fd, "data", false, 0, e);
	int rc = fd < 0 ? -1 : nodeos_blocklog_mend_at(fd, s->render.retained_dir, e);

	if (rc > 0)
		log_warn("an empty blocks.log was removed, which nodeos would not go on with",
		        "split_logs=\"%s\"", s->render.retained_dir);
	return rc < 0 ? -1 : 0;
}

/* Sets s->chain_id; writes the copy that nodeos is given.  1: there is no genesis file. */
static int prepare_genesis(struct supervisor *s, int config_fd, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(GENESIS_TEXT_MAX);
	struct genesis g;
	int rc = fs_read_at(AT_FDCWD, s->cfg->genesis_path, &text, e);

	*s->chain_id = '\0';
	if (rc != 0)
		return rc;
	if (genesis_parse(&g, text.data, text.len, e) < 0)
		return err_wrap(e, "genesis '%s'", s->cfg->genesis_path);
	memcpy(s->chain_id, g.chain_id, sizeof(s->chain_id));
	return fs_write_at(config_fd, "genesis.json", text.data, text.len, 0644, e);
}

/*
 * all: the peers that are shared out over the slots and stand in config.ini.  A name of the
 * container network in NODESWARM_PEERS is not one of these: its address changes with each task,
 * so it is followed, by every slot, as those of NODESWARM_FOLLOW are.
 */
static int read_peers(struct supervisor *s, struct nodeos_peers *all, struct err *e)
{
	AUTO(buf) struct buf text = BUF_INIT(NODEOS_PEERS_TEXT_MAX);
	AUTO(nodeos_peers) struct nodeos_peers extra = NODEOS_PEERS_INIT, names = NODEOS_PEERS_INIT;
	int rc = fs_read_at(AT_FDCWD, s->cfg->peers_path, &text, e);

	if (rc < 0 ||
	        (rc == 0 &&
	                nodeos_peers_parse(all, s->cfg->peers_path, text.data, text.len, e) < 0) ||
	        nodeos_peers_add_words(&extra, "NODESWARM_PEERS", s->cfg->extra_peers, e) < 0 ||
	        nodeos_peers_add_words(&names, "NODESWARM_FOLLOW", s->cfg->follow, e) < 0)
		return -1;
	for (size_t i = 0; i < extra.text.n; i++) {
		const char *peer = extra.text.v[i];

		if (nodeos_peers_add_words(nodeos_peer_is_service(peer) ? &names : all,
		            "NODESWARM_PEERS", peer, e) < 0)
			return -1;
	}
	return follow_names(s->follow, &names.text, s->cfg->service, e);
}

/* What nodeos will be connected to because config.ini says so, in its own words, and what it will
 * say of itself. */
static int note_peers(struct supervisor *s, const struct buf *ini, struct err *e)
{
	AUTO(config_ini) struct config_ini c = CONFIG_INI_INIT;
	const struct config_entry *x = NULL;

	strvec_release(&s->peers);
	if (config_ini_parse(&c, "config.ini", ini->data, ini->len, e) < 0)
		return -1;
	while ((x = config_ini_each(&c, "p2p-peer-address", x)))
		if (strvec_add(&s->peers, x->value) < 0)
			return err_nomem(e);
	snprintf(s->advertised, sizeof(s->advertised), "%s",
	        config_ini_get(&c, "p2p-server-address") ? config_ini_get(&c, "p2p-server-address")
	                                                 : "");
	/* ACCOUNT,HOST:PORT */
	while ((x = config_ini_each(&c, "p2p-auto-bp-peer", x))) {
		const char *comma = strchr(x->value, ',');

		if (comma && strvec_add(&s->peers, comma + 1) < 0)
			return err_nomem(e);
	}
	return 0;
}

int supervisor_read_config(struct supervisor *s, struct err *e)
{
	AUTO(buf) struct buf template = BUF_INIT(CONFIG_INI_TEXT_MAX);
	AUTO(buf) struct buf out = BUF_INIT(2 * CONFIG_INI_TEXT_MAX);
	struct render_input in = { .name = s->cfg->template_path,
		.slot = s->cfg->service,
		.signature_provider = producing_signature_provider(s),
		.provider_timeout_ms = GATE_PROVIDER_TIMEOUT_MS };
	struct render_info info;
	int rc = fs_read_at(AT_FDCWD, s->cfg->template_path, &template, e);

	if (rc > 0)
		return err_set(e, ERR_NOT_FOUND, "there is no config template '%s'",
		        s->cfg->template_path);
	if (rc < 0 || nodeos_args_check(s->cfg->argv, e) < 0 || producing_check_args(s, e) < 0)
		return -1;
	in.text = template.data;
	in.len = template.len;
	if (nodeos_render(&out, &info, &in, e) < 0)
		return -1;
	s->render = info;
	return 0;
}

void supervisor_settings(const struct supervisor *s, char out[65])
{
	const char *const paths[] = { s->cfg->template_path, s->cfg->genesis_path };
	AUTO(buf) struct buf all = BUF_INIT(CONFIG_INI_TEXT_MAX + GENESIS_TEXT_MAX + (1 << 20));
	struct err e = ERR_INIT;
	int rc = buf_add(&all, s->nodeos_version, strlen(s->nodeos_version) + 1);

	*out = '\0';
	for (size_t i = 0; i < ARRAY_LEN(paths) && rc == 0; i++) {
		AUTO(buf) struct buf text = BUF_INIT(CONFIG_INI_TEXT_MAX + GENESIS_TEXT_MAX);

		if (fs_read_at(AT_FDCWD, paths[i], &text, &e) < 0)
			return;
		rc = buf_add(&all, text.data ? text.data : "", text.len);
		if (rc == 0)
			rc = buf_add(&all, "", 1);
	}
	for (char *const *a = s->cfg->argv; *a && rc == 0; a++)
		rc = buf_add(&all, *a, strlen(*a) + 1);
	if (rc == 0)
		(void)sha256_hex(out, all.data, all.len);
}

bool supervisor_produces(const struct supervisor *s)
{
	static const char option[] = "--producer-name";

	for (char *const *a = s->cfg->argv + 1; s->cfg->argv[0] && *a; a++) {
		size_t n = strcspn(*a, "=");

		/* boost takes beginnings of a name; shorter ones would be ambiguous */
		if (n > strlen("--producer") && strncmp(*a, option, n) == 0)
			return true;
		if ((*a)[0] == '-' && (*a)[1] != '-' && strchr(*a, 'p'))
			return true;
	}
	return s->render.is_producer;
}

static int render(struct supervisor *s, int config_fd, struct err *e)
{
	AUTO(buf) struct buf template = BUF_INIT(CONFIG_INI_TEXT_MAX);
	AUTO(buf) struct buf out = BUF_INIT(2 * CONFIG_INI_TEXT_MAX);
	AUTO(nodeos_peers) struct nodeos_peers all = NODEOS_PEERS_INIT;
	AUTO(strvec) struct strvec mine = STRVEC_INIT;
	char name[192];
	struct render_input in = { .name = s->cfg->template_path,
		.slot = name,
		.peers = &mine,
		.advertise = s->advertised,
		.integrity_hash = s->cfg->integrity_hash,
		.start_hash = probation_wants_hash(s),
		.signature_provider = producing_signature_provider(s),
		.provider_timeout_ms = GATE_PROVIDER_TIMEOUT_MS };
	int rc = fs_read_at(AT_FDCWD, s->cfg->template_path, &template, e);

	if (rc > 0)
		return err_set(e, ERR_NOT_FOUND, "there is no config template '%s'",
		        s->cfg->template_path);
	if (rc < 0 || read_peers(s, &all, e) < 0 ||
	        advertise_get(s->advertise, s->advertised, s->pool.fd, s->cfg->node, e) < 0 ||
	        nodeos_peers_for_slot(&mine, &all, s->cfg->replicas, (unsigned)s->cfg->slot, e) < 0)
		return -1;
	snprintf(name, sizeof(name), "%s.%llu", s->cfg->service, (unsigned long long)s->cfg->slot);
	in.text = template.data;
	in.len = template.len;
	if (nodeos_render(&out, &s->render, &in, e) < 0 || note_peers(s, &out, e) < 0 ||
	        producing_note_keys(s, out.data, out.len, e) < 0)
		return -1;
	/* It may hold a development key: not for every eye on the host. */
	if (fs_write_at(config_fd, "config.ini", out.data, out.len, 0640, e) < 0)
		return -1;
	if (fchownat(config_fd, "config.ini", 0, s->cfg->gid, AT_SYMLINK_NOFOLLOW) < 0 &&
	        geteuid() == 0)
		return err_sys(e, errno, "chown 'config.ini'");
	return 0;
}

/*
 * The config directory is root's with the sticky bit: nodeos may add its protocol_features
 * there, but not replace the config.ini that it was given.
 */
static int open_config_dir(struct supervisor *s, struct err *e)
{
	int fd = fs_open_dir_at(s->slot.fd, "config", true, 0755, e);

	if (fd >= 0 && geteuid() == 0 &&
	        (fchown(fd, 0, s->cfg->gid) < 0 || fchmod(fd, 01775) < 0)) {
		err_sys(e, errno, "set the mode of '%s/config'", s->slot.path);
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int open_data_dir(struct supervisor *s, struct err *e)
{
	AUTO(close_fd) int fd = fs_open_dir_at(s->slot.fd, "data", true, 0750, e);

	if (fd < 0)
		return -1;
	if (geteuid() == 0 && fs_chown_tree_at(s->slot.fd, "data", s->cfg->uid, s->cfg->gid, e) < 0)
		return err_wrap(e, "give '%s/data' to uid %u", s->slot.path, s->cfg->uid);
	return 0;
}

/* Whatever the data-dir was, nodeos begins anew in it. */
static void forget_generation(struct supervisor *s)
{
	*s->record.generation = '\0';
	if (unlinkat(s->slot.fd, SLOT_GENERATION, 0) < 0 && errno != ENOENT)
		log_warn("'" SLOT_GENERATION "' not removed", "why=\"%s\"", strerror(errno));
}

int supervisor_prepare(struct supervisor *s, struct err *e)
{
	AUTO(close_fd) int config_fd = -1;
	bool has_genesis;
	int rc;

	if (nodeos_args_check(s->cfg->argv, e) < 0 || producing_check_args(s, e) < 0)
		return final(s);
	config_fd = open_config_dir(s, e);
	if (config_fd < 0)
		return -1;
	if (render(s, config_fd, e) < 0)
		return e->kind == ERR_SYSTEM ? -1 : final(s);
	/* After render(), which says where nodeos's own limit is. */
	rc = supervisor_check_disk(s, e);
	if (rc != 0)
		return rc;
	rc = prepare_genesis(s, config_fd, e);
	if (rc < 0)
		return e->kind == ERR_SYSTEM ? -1 : final(s);
	has_genesis = rc == 0;
	rc = snapshot_start_prepare(s, e);
	if (rc != 0)
		return rc < 0 ? -1 : final(s);
	if (strcmp(s->record.verdict, "empty") == 0 && !*s->snapshot)
		forget_generation(s);
	if (strcmp(s->record.verdict, "empty") == 0 && !has_genesis && !*s->snapshot) {
		err_set(e, ERR_NOT_FOUND, "the data-dir is empty and there is no genesis '%s'",
		        s->cfg->genesis_path);
		err_hint(e, "without one nodeos would start a chain of its own");
		return final(s);
	}
	if (open_data_dir(s, e) < 0)
		return -1;
	rc = check_verdict(s, e);
	return rc == 0 ? mend_blocks(s, e) : rc;
}

int supervisor_spawn(struct supervisor *s, pid_t *ret_pid, struct err *e)
{
	AUTO(strvec) struct strvec args = STRVEC_INIT;
	AUTO(close_fd) int out = -1;
	struct spawn sp = {
		.keep_fd = s->lock_fd,
		.drop = geteuid() == 0,
		.uid = s->cfg->uid,
		.gid = s->cfg->gid,
	};
	int rc = 0;

	for (char *const *a = s->cfg->argv; *a && rc == 0; a++)
		rc = strvec_add(&args, *a);
	if (rc < 0 || strvec_add_fmt(&args, "--config-dir=%s/config", s->slot.path) < 0 ||
	        (heal_replays_hard(s) && strvec_add(&args, "--hard-replay-blockchain") < 0) ||
	        strvec_add_fmt(&args, "--data-dir=%s/data", s->slot.path) < 0 ||
	        (*s->snapshot &&
	                strvec_add_fmt(&args, "--snapshot=%s/data/snapshots/%s", s->slot.path,
	                        s->snapshot) < 0) ||
	        (strcmp(s->record.verdict, "empty") == 0 && *s->chain_id && !*s->snapshot &&
	                strvec_add_fmt(
	                        &args, "--genesis-json=%s/config/genesis.json", s->slot.path) < 0))
		return err_nomem(e);
	if (output_open(&s->output, &out, e) < 0)
		return -1;
	sp.argv = args.v;
	sp.out_fd = sp.err_fd = out;
	if (spawn_start(&sp, ret_pid, e) < 0) {
		output_drain(&s->output);
		return -1;
	}
	s->hard_replay = false;
	supervisor_settings(s, s->record.settings);
	log_info("nodeos started", "pid=%ld uid=%u verdict=%s peers=%zu", (long)*ret_pid,
	        s->cfg->uid, s->record.verdict, s->peers.n);
	return 0;
}
