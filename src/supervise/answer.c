#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "control/control.h"
#include "supervise/answer_block.h"
#include "supervise/heal.h"
#include "supervise/supervise_priv.h"

/*
 * What the supervisor tells: one status object for the control socket and /state, and the
 * endpoints on port 8880.
 *
 *	/livez    200 while this loop turns
 *	/readyz   200 while the chain node is fit to be asked, else 503; the body says why
 *	/state    the status object
 *	/metrics  Prometheus text
 *	/block    ?num=N: nodeos's block of that number (answer_block.h)
 */

static json_t *info_json(const struct supervisor *s, bool known, json_int_t v)
{
	return known && s->health.has_info ? json_integer(v) : json_null();
}

const char *answer_reason(const struct supervisor *s)
{
	static char text[RECORD_TEXT_MAX];

	if (slot_work_reason(s, text, sizeof(text)) || heal_reason(s, text, sizeof(text)))
		return text;
	return s->record.state == SLOT_RUNNING ? s->health.ready.why : s->record.reason;
}

static json_t *warnings(const struct supervisor *s)
{
	json_t *list = json_array();

	if (list && s->health.db_warned)
		(void)json_array_append_new(list, json_string("the state database is nearly full"));
	if (list && s->output.suppressed > s->output.reported)
		(void)json_array_append_new(list, json_string("nodeos floods its log"));
	if (list) {
		restore_warnings(s, list);
		archivist_warnings(s, list);
		producing_warnings(s, list);
	}
	return list;
}

/* Handshakes are old, so our own head may well be the best that is known. */
static uint32_t best_head(const struct supervisor *s)
{
	const struct health *h = &s->health;
	uint32_t own = h->info.head_block_num;

	return h->has_peers && h->peers.best_chosen_head_num > own ? h->peers.best_chosen_head_num
	                                                           : own;
}

/* Since nodeos has answered last: of one that has fallen silent the rest is as old as that. */
static json_t *answer_age_json(const struct supervisor *s)
{
	int64_t age = clock_mono_ns() - s->health.answered_ns;

	return s->health.has_info ? json_real((double)(age / NS_PER_MS) / 1000.0) : json_null();
}

json_t *answer_status(const struct supervisor *s)
{
	bool running = s->record.nodeos_pid != 0;
	const struct health *h = &s->health;
	const struct nodeos_info *i = &h->info;
	int64_t age = clock_real_ns() - i->head_time_ns;
	struct follow_counts follow = follow_counts(s->follow);
	double db_used = health_db_used_percent(s);
	char crash[SAMPLING_CRASH_SIZE];
	unsigned crashes = sampling_crashes(&s->record, clock_real_ns(), crash);

	return json_pack("{s:i, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b,"
	                 " s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
	                 " s:I, s:I, s:s, s:s, s:o, s:I, s:o, s:o, s:i, s:i, s:o, s:o,"
	                 " s:f, s:o, s:o, s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}",
	        "format", CONTROL_FORMAT, "service", s->cfg->service, "slot",
	        (json_int_t)s->cfg->slot, "task", s->cfg->task, "node", s->cfg->node, "container",
	        s->record.container, "state", slot_state_name(s->record.state), "reason",
	        answer_reason(s), "ready", supervisor_is_ready(s), "once_ready", s->once_ready,
	        "live", true, "chain_id", json_or_null(h->has_info ? i->chain_id : NULL),
	        "server_version", json_or_null(h->has_info ? i->server_version_string : NULL),
	        "head_block_num", info_json(s, true, i->head_block_num), "head_block_id",
	        json_or_null(h->has_info ? i->head_block_id : NULL), "head_age_seconds",
	        h->has_info ? json_real((double)(age / NS_PER_MS) / 1000.0) : json_null(),
	        "last_irreversible_block_num", info_json(s, true, i->last_irreversible_block_num),
	        "last_irreversible_block_id",
	        json_or_null(h->has_info ? i->last_irreversible_block_id : NULL), "lag_blocks",
	        info_json(s, true, h->ready.lag_blocks), "best_known_head",
	        info_json(s, true, best_head(s)), "starts", (json_int_t)s->record.starts,
	        "restarts", (json_int_t)s->record.restarts, "verdict",
	        running ? "in-use" : s->record.verdict, "verdict_why",
	        running ? "nodeos has it open" : s->record.verdict_why, "last_stop",
	        json_or_null(record_last_stop(&s->record)), "nodeos_pid",
	        (json_int_t)s->record.nodeos_pid, "peers_connected",
	        info_json(s, h->has_peers, h->peers.handshaken), "peers_configured",
	        info_json(s, h->has_peers, h->peers.configured), "peers_followed",
	        (int)follow.wanted, "peers_followed_connected", (int)follow.connected, "follow",
	        follow_json(s->follow), "advertise", json_or_null(s->advertised),
	        "disk_used_percent", s->disk_used_percent, "state_db_used_percent",
	        db_used >= 0 ? json_real(db_used) : json_null(), "warnings", warnings(s),
	        "needs_hand", s->record.state == SLOT_HELD && s->hold == HOLD_FINAL,
	        "state_seconds", (json_int_t)((clock_mono_ns() - s->state_since_ns) / NS_PER_SEC),
	        "work", slot_work_json(s), "last_work",
	        s->last_work ? json_incref(s->last_work) : json_null(), "generation",
	        json_or_null(s->record.generation), "heal", heal_json(s), "answer_age_seconds",
	        answer_age_json(s), "crashes", (json_int_t)crashes, "last_crash",
	        json_or_null(crash), "fork_db_head_block_num",
	        info_json(s, i->fork_db_head_block_num > 0, i->fork_db_head_block_num), "producer",
	        producing_json(s));
}

static json_t *health_json(const struct supervisor *s)
{
	/* The latch: unhealthy until it was ready once, then as live as this process. */
	return json_pack("{s:i, s:s, s:b, s:b, s:b, s:s}", "format", CONTROL_FORMAT, "task",
	        s->cfg->task, "healthy", s->once_ready, "ready", supervisor_is_ready(s), "live",
	        true, "reason", answer_reason(s));
}

/* --- metrics --------------------------------------------------------------------------- */

struct metrics {
	struct buf text;
	const struct supervisor *s;
	bool failed;
};

static void metric(
        struct metrics *m, const char *name, const char *type, const char *help, double v)
{
	if (buf_add_fmt(&m->text,
	            "# HELP nodeswarm_%s %s\n# TYPE nodeswarm_%s %s\n"
	            "nodeswarm_%s{service=\"%s\",slot=\"%llu\"} %.15g\n",
	            name, help, name, type, name, m->s->cfg->service,
	            (unsigned long long)m->s->cfg->slot, v) < 0)
		m->failed = true;
}

static void archive_metrics(struct metrics *m)
{
	const struct supervisor *s = m->s;

	metric(m, "archive_failures_total", "counter", "Archives of this slot that failed.",
	        (double)s->archived.failures);
	if (!s->archived.ok_ns)
		return;
	metric(m, "archive_last_success_time_seconds", "gauge",
	        "When the last archive of this slot was done, since 1970.",
	        (double)(s->archived.ok_ns / NS_PER_MS) / 1000);
	metric(m, "archive_down_seconds", "gauge", "How long nodeos was down for it.",
	        (double)(s->archived.down_ns / NS_PER_MS) / 1000);
	metric(m, "archive_generation", "gauge", "Number of its generation.",
	        (double)s->archived.number);
}

static void metrics_text(struct http_server_reply *r, const struct supervisor *s)
{
	struct metrics m = { .text = BUF_INIT(64U * 1024), .s = s };
	struct follow_counts follow = follow_counts(s->follow);
	const struct health *h = &s->health;

	metric(&m, "ready", "gauge", "1 while the chain node is fit to be asked.",
	        supervisor_is_ready(s));
	metric(&m, "running", "gauge", "1 while nodeos runs.", s->record.nodeos_pid != 0);
	metric(&m, "starts_total", "counter", "Starts of nodeos in this slot.",
	        (double)s->record.starts);
	metric(&m, "restarts_total", "counter", "Starts after nodeos had ended by itself.",
	        (double)s->record.restarts);
	metric(&m, "last_stop_clean", "gauge", "1 if the last run left the data-dir clean.",
	        str_eq(record_last_stop(&s->record), "clean"));
	metric(&m, "disk_used_ratio", "gauge", "Used share of the pool's file system.",
	        s->disk_used_percent / 100);
	metric(&m, "output_lines_total", "counter", "Lines that nodeos printed.",
	        (double)s->output.lines);
	metric(&m, "output_lines_suppressed_total", "counter", "Lines cut by the rate limit.",
	        (double)s->output.suppressed);
	if (h->has_info) {
		metric(&m, "head_block_num", "gauge", "Head block.", h->info.head_block_num);
		metric(&m, "last_irreversible_block_num", "gauge", "Last irreversible block.",
		        h->info.last_irreversible_block_num);
		metric(&m, "head_time_seconds", "gauge", "Time of the head block since 1970.",
		        (double)(h->info.head_time_ns / NS_PER_MS) / 1000);
		metric(&m, "lag_blocks", "gauge", "Blocks behind the best known head.",
		        h->ready.lag_blocks);
	}
	if (h->has_peers)
		metric(&m, "peers_connected", "gauge", "Peers with a finished handshake.",
		        h->peers.handshaken);
	metric(&m, "followed_peers", "gauge", "Tasks of the cluster chosen as peers.",
	        follow.wanted);
	metric(&m, "followed_peers_connected", "gauge", "Of those, with a finished handshake.",
	        follow.connected);
	metric(&m, "followed_names_failing", "gauge", "Followed names that cannot be looked up.",
	        follow.failing);
	if (h->has_db) {
		metric(&m, "state_db_size_bytes", "gauge", "Size of the state database.",
		        (double)h->db.size_bytes);
		metric(&m, "state_db_free_bytes", "gauge", "Free space in the state database.",
		        (double)h->db.free_bytes);
	}
	archive_metrics(&m);
	if (producing_metrics(&m.text, s) < 0)
		m.failed = true;
	if (m.failed) {
		http_server_text(r, 500, "out of memory\n");
	} else {
		http_server_text(r, 200, m.text.data);
		r->content_type = "text/plain; version=0.0.4; charset=utf-8";
	}
	buf_release(&m.text);
}

/* --- HTTP ------------------------------------------------------------------------------- */

void answer_http(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct supervisor *s = arg;
	char line[RECORD_TEXT_MAX + 16];

	if (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0) {
		http_server_text(r, 405, "only GET\n");
		r->extra_name = "Allow";
		r->extra_value = "GET, HEAD";
	} else if (strcmp(q->path, "/livez") == 0) {
		http_server_text(r, 200, "ok\n");
	} else if (strcmp(q->path, "/readyz") == 0) {
		snprintf(line, sizeof(line), "%s%s%s\n",
		        supervisor_is_ready(s) ? "ok" : "not ready: ",
		        supervisor_is_ready(s) && *answer_reason(s) ? ": " : "", answer_reason(s));
		http_server_text(r, supervisor_is_ready(s) ? 200 : 503, line);
	} else if (strcmp(q->path, "/state") == 0) {
		AUTO(json) json_t *j = answer_status(s);

		http_server_json(r, 200, j ? json_text(j, true) : NULL);
	} else if (strcmp(q->path, "/metrics") == 0) {
		metrics_text(r, s);
	} else if (strcmp(q->path, "/block") == 0) {
		answer_block(s, q, r);
	} else {
		http_server_text(
		        r, 404, "not found; there are /livez /readyz /state /metrics /block\n");
	}
}

/* --- control socket ---------------------------------------------------------------------- */

static void quiesce(struct supervisor *s, struct control_call *call)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < QUIESCE_CALLS_MAX; i++) {
		struct control_call **c = &s->quiesce_calls[i];

		/* Commands give the order and go; they look again later. */
		if (*c && control_call_is_void(*c)) {
			control_call_reply(*c, NULL);
			*c = NULL;
		}
	}
	for (size_t i = 0; i < QUIESCE_CALLS_MAX; i++)
		if (!s->quiesce_calls[i]) {
			s->quiesce_calls[i] = call;
			supervisor_quiesce(s);
			return;
		}
	err_set(&e, ERR_CONFLICT, "%d callers already wait for this slot to stop",
	        QUIESCE_CALLS_MAX);
	control_call_error(call, &e);
}

static void reply_json(struct control_call *call, json_t *take)
{
	AUTO(json) json_t *j = take;

	control_call_reply(call, j ? json_text(j, false) : NULL);
}

void answer_control(void *arg, const char *name, const json_t *request, struct control_call *call)
{
	struct supervisor *s = arg;
	struct err e = ERR_INIT;

	if (strcmp(name, "status") == 0) {
		reply_json(call, answer_status(s));
	} else if (strcmp(name, "health") == 0) {
		reply_json(call, health_json(s));
	} else if (strcmp(name, "sample") == 0) {
		sampling_request(s, request, call);
	} else if (strcmp(name, "quiesce") == 0) {
		if (s->stop_asked) {
			err_set(&e, ERR_CONFLICT, "the slot is being stopped for good");
			control_call_error(call, &e);
			return;
		}
		quiesce(s, call);
	} else if (strcmp(name, "resume") == 0) {
		if (s->record.state == SLOT_STOPPING || s->record.state == SLOT_LAME) {
			err_set(&e, ERR_CONFLICT, "nodeos is still stopping");
			err_hint(&e, "ask again when it has stopped");
			control_call_error(call, &e);
			return;
		}
		supervisor_resume(s);
		reply_json(call, answer_status(s));
	} else if (strcmp(name, "archive") == 0 || strcmp(name, "restore") == 0) {
		slot_work_request(s, name, request, call);
	} else {
		err_set(&e, ERR_USAGE, "unknown request '%s'", name);
		err_hint(&e, "there are status, health, sample, quiesce, resume, archive, restore");
		control_call_error(call, &e);
	}
}
