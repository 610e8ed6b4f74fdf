#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "supervise/heal.h"
#include "supervise/probation.h"
#include "supervise/supervise_priv.h"

/*
 * Three questions to the running nodeos, on its own loopback: get_info (is it there, and
 * where is its head), net/connections (what do peers claim), db_size (how full is the state).
 * get_info is answered by nodeos's main thread, so its silence is the sign of a busy one.
 *
 * A peer's last_handshake is not live: its head is a lower bound, which is all that the
 * decision (ready.h) takes it for.  Only peers that we chose count: anybody may connect to us and
 * claim any head, and whoever reaches nodeos's API can make it connect to any address.  Chosen are
 * those of config.ini and the followed addresses that DNS has now (follow_plan.h); who answers
 * there after nodeos has connected again by itself is judged by the same rule.
 */

#define ASK_SOON_NS   (250 * NS_PER_MS) /* until it is ready for the first time */
#define ASK_NS        (1 * NS_PER_SEC)
#define PEERS_SOON_NS (1 * NS_PER_SEC)
#define PEERS_NS      (10 * NS_PER_SEC)
#define DB_NS         (30 * NS_PER_SEC)
#define TIMEOUT_NS    (5 * NS_PER_SEC)
#define ANSWER_NS     (4 * NS_PER_SEC)

#define INFO_MAX  (64U * 1024)
#define PEERS_MAX (4U * 1024 * 1024)
#define DB_MAX    (256U * 1024)

#define DB_WARN_PERCENT   90 /* used */
#define DB_MARGIN_PERCENT 5  /* free above nodeos's own guard */

/* A slot on probation is not ready, whatever its nodeos is. */
static void hold_back(struct health *h)
{
	char why[sizeof(h->probation_why)];

	snprintf(why, sizeof(why), "%s",
	        h->ready.ready || h->has_failed_probation ? h->probation_why : h->ready.why);
	snprintf(h->ready.why, sizeof(h->ready.why), "%s: %.130s",
	        h->has_failed_probation ? "failed its probation" : "on probation",
	        *why ? why : "asking others for their last irreversible block");
	str_printable(h->ready.why);
	h->ready.ready = false;
}

/* Whether it has caught up. */
static bool judge(struct supervisor *s)
{
	struct health *h = &s->health;
	bool before = h->ready.ready, has_caught_up;
	const struct ready_limits limits = {
		.max_lag_blocks = s->cfg->max_lag_blocks,
		.answer_ns = ANSWER_NS,
		.peer_wait_ns = s->cfg->peer_wait_ns,
	};
	const struct ready_facts facts = {
		.now_ns = clock_mono_ns(),
		.started_ns = h->started_ns,
		.answered_ns = h->answered_ns,
		.real_ns = clock_real_ns(),
		.expected_chain_id = *s->chain_id ? s->chain_id : NULL,
		.chain_id = h->info.chain_id,
		.head_block_num = h->info.head_block_num,
		.head_time_ns = h->info.head_time_ns,
		.best_head = h->has_peers ? h->peers.best_chosen_head_num : 0,
		/* The first node of a chain is whom the others find by its name, once it is ready:
		 * it cannot wait for them. */
		.has_peers = !s->cfg->bootstrap &&
		        (s->peers.n > 0 || follow_counts(s->follow).sources > 0 ||
		                (h->has_peers && h->peers.configured > 0)),
		.is_producer = s->cfg->sign_key && *s->cfg->sign_key,
		.was_ready = h->was_ready || h->has_caught_up,
		.started_empty = h->started_empty,
		.pace_percent = ready_pace_percent(&h->pace),
	};

	ready_decide(&h->ready, &facts, &limits);
	has_caught_up = h->ready.ready;
	h->has_caught_up = h->has_caught_up || has_caught_up;
	if (heal_is_on_probation(s) || h->has_failed_probation)
		hold_back(h);
	if (h->ready.ready && !h->was_ready) {
		h->was_ready = s->once_ready = true;
		s->record.ready_ns = clock_real_ns();
		supervisor_note(s);
	}
	if (before != h->ready.ready)
		log_info(h->ready.ready ? "ready" : "not ready", "head=%u lag_blocks=%u why=\"%s\"",
		        h->info.head_block_num, h->ready.lag_blocks, h->ready.why);
	return has_caught_up;
}

static void decide(struct supervisor *s)
{
	bool has_caught_up = judge(s), was_on_probation = heal_is_on_probation(s);

	probation_turn(s, has_caught_up);
	if (was_on_probation && !heal_is_on_probation(s))
		(void)judge(s);
	producing_turn(s);
}

static void on_info(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct supervisor *s = arg;
	struct health *h = &s->health;
	struct err e = ERR_INIT;

	/* Nothing listens until a start or a replay is over: no answer is no news. */
	if (r->status == 200 && nodeos_info_parse(&h->info, r->body, r->len, &e) == 0) {
		h->has_info = true;
		h->answered_ns = clock_mono_ns();
		ready_pace_add(&h->pace, h->answered_ns, h->info.head_time_ns);
		if (!*s->chain_id || strcmp(s->chain_id, h->info.chain_id) == 0) {
			snapshot_start_done(s);
			heal_answered(s);
		}
		s->is_untried = false;
	} else if (r->status) {
		log_warn("get_info not understood", "status=%ld why=\"%s\"", r->status, e.msg);
	}
	decide(s);
}

static bool is_chosen(void *arg, const struct nodeos_peer *p)
{
	struct supervisor *s = arg;
	bool in_config = false;

	for (size_t i = 0; i < s->peers.n && !in_config; i++)
		in_config = strcmp(s->peers.v[i], p->text) == 0;
	if (!follow_sees(s->follow, p, in_config) && !in_config)
		return false;
	probation_hears_peer(s, p);
	return true;
}

static void on_peers(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct supervisor *s = arg;
	struct health *h = &s->health;
	struct err e = ERR_INIT;

	if (r->status < 200 || r->status > 299)
		return;
	if (nodeos_peers_info_parse(&h->peers, r->body, r->len, *s->chain_id ? s->chain_id : NULL,
	            is_chosen, s, &e) < 0) {
		log_warn("net/connections not understood", "why=\"%s\"", e.msg);
		return;
	}
	h->has_peers = true;
	follow_saw(s->follow, h->peers_asked_ns);
	decide(s);
}

static void on_db(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct supervisor *s = arg;
	struct health *h = &s->health;
	struct err e = ERR_INIT;
	bool low;

	if (r->status < 200 || r->status > 299 ||
	        nodeos_db_size_parse(&h->db, r->body, r->len, &e) < 0 || !h->db.size_bytes)
		return;
	h->has_db = true;
	/* nodeos stops itself when less than the guard is free. */
	low = h->db.free_bytes < h->db.size_bytes / 100 * (100 - DB_WARN_PERCENT) ||
	        h->db.free_bytes <
	                s->render.state_db_guard_bytes + h->db.size_bytes / 100 * DB_MARGIN_PERCENT;
	if (low && !h->db_warned) {
		char text[NUM_TEXT_MAX];

		log_warn("state database nearly full",
		        "free=\"%s\" hint=\"raise chain-state-db-size-mb and restart the slot\"",
		        num_size_text(text, h->db.free_bytes));
	}
	h->db_warned = low;
}

/* Whether it was asked: not while the former answer is still awaited. */
static bool ask(struct supervisor *s, struct http_probe *q, const char *body, http_probe_fn *fn)
{
	struct err e = ERR_INIT;

	if (!q || http_probe_is_running(q))
		return false;
	if (http_probe_start(q, body, TIMEOUT_NS, fn, s, &e) == 0)
		return true;
	log_warn("nodeos not asked", "why=\"%s\"", e.msg);
	return false;
}

static void on_timer(struct loop_timer *t, void *arg)
{
	struct supervisor *s = arg;
	struct health *h = &s->health;
	int64_t now = clock_mono_ns();
	bool has_company;

	loop_timer_set(&s->loop, t, now + (h->was_ready ? ASK_NS : ASK_SOON_NS), on_timer, s);
	(void)ask(s, h->info_probe, NULL, on_info);
	if (!h->has_info)
		return;
	/* One that has none, as a chain's first node when it has begun, is soon to get some. */
	has_company = h->has_peers && h->peers.handshaken > 0;
	/* An answer is news of the time it was asked at (follow_saw), so that is not moved on. */
	if (now - h->peers_asked_ns >=
	                (h->ready.ready && has_company && !follow_is_waiting(s->follow)
	                                ? PEERS_NS
	                                : PEERS_SOON_NS) &&
	        ask(s, h->peers_probe, "", on_peers))
		h->peers_asked_ns = now;
	if (now - h->db_asked_ns >= DB_NS && ask(s, h->db_probe, "", on_db))
		h->db_asked_ns = now;
	/* A nodeos that has fallen silent sends nothing that could make us decide. */
	decide(s);
}

static struct http_probe *new_probe(
        struct supervisor *s, const char *path, size_t max, struct err *e)
{
	AUTO(free)
	char *url =
	        str_fmt("http://%s:%u%s", s->render.http_host, (unsigned)s->render.http_port, path);

	if (!url) {
		err_nomem(e);
		return NULL;
	}
	return http_probe_new(s->prober, url, max, e);
}

int health_start(struct supervisor *s, struct err *e)
{
	struct health *h = &s->health;
	bool empty = strcmp(s->record.verdict, "empty") == 0;

	health_stop(s);
	memset(h, 0, sizeof(*h));
	h->started_ns = clock_mono_ns();
	h->started_empty = empty;
	snprintf(h->ready.why, sizeof(h->ready.why), "nodeos does not answer yet");
	if (!(h->info_probe = new_probe(s, "/v1/chain/get_info", INFO_MAX, e)) ||
	        !(h->peers_probe = new_probe(s, "/v1/net/connections", PEERS_MAX, e)) ||
	        !(h->db_probe = new_probe(s, "/v1/db_size/get", DB_MAX, e)))
		return -1;
	probation_run_began(s);
	loop_timer_set(&s->loop, &h->timer, h->started_ns + ASK_SOON_NS, on_timer, s);
	return 0;
}

bool health_answers(const struct supervisor *s)
{
	const struct health *h = &s->health;

	return h->has_info && clock_mono_ns() - h->answered_ns <= ANSWER_NS &&
	        (!*s->chain_id || strcmp(s->chain_id, h->info.chain_id) == 0);
}

double health_db_used_percent(const struct supervisor *s)
{
	const struct health *h = &s->health;

	if (!h->has_db || !h->db.size_bytes)
		return -1;
	return 100.0 - 100.0 * (double)h->db.free_bytes / (double)h->db.size_bytes;
}

void health_stop(struct supervisor *s)
{
	struct health *h = &s->health;

	loop_timer_remove(&s->loop, &h->timer);
	probation_run_ended(s);
	http_probe_free(TAKE(h->info_probe));
	http_probe_free(TAKE(h->peers_probe));
	http_probe_free(TAKE(h->db_probe));
	h->ready.ready = false;
}
