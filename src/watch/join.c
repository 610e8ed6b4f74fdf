#include "watch/join.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"

void join_init(struct join *j, const struct join_settings *s, int64_t now_ns)
{
	*j = (struct join){
		.settings = *s,
		.begin_ns = now_ns,
		.now_ns = now_ns,
		.peers = -1,
		.answered_ns = -1,
		.block_ns = -1,
		.live_ns = now_ns,
		.other_chain_ns = -1,
	};
	j->with = &j->own;
}

bool join_is_over(const struct join *j)
{
	return j->state >= JOIN_JOINED;
}

const char *join_state_name(enum join_state s)
{
	static const char *const names[] = {
		[JOIN_STARTING] = "starting",
		[JOIN_WAITING] = "waiting",
		[JOIN_SYNCING] = "syncing",
		[JOIN_NEAR] = "near",
		[JOIN_JOINED] = "joined",
		[JOIN_ENDED] = "ended",
		[JOIN_NO_PEER] = "no_peer",
		[JOIN_WRONG_CHAIN] = "wrong_chain",
		[JOIN_FORKED] = "forked",
		[JOIN_LATE] = "late",
	};

	return names[s];
}

/* --- the fresh node --------------------------------------------------------------------------- */

void join_ask(const struct join *j, struct sample_request *q)
{
	const uint32_t low = j->conflict < j->target ? j->conflict : j->target;
	const uint32_t high = j->conflict < j->target ? j->target : j->conflict;

	*q = (struct sample_request){ .n_heights = 0 };
	if (low)
		q->heights[q->n_heights++] = low;
	if (high > low)
		q->heights[q->n_heights++] = high;
}

static const char *id_at(const struct sample *s, uint32_t num)
{
	if (num && num == s->info.head_block_num)
		return s->info.head_block_id;
	for (size_t i = 0; i < s->n_ids; i++)
		if (s->ids[i].num == num)
			return s->ids[i].id;
	return "";
}

/*
 * The height to compare: where blocks differed, to see whether they still do; else where our
 * majority was a round ago, because all of it has that block by now; else its head.
 */
static void choose_height(struct join *j, const struct sample *s)
{
	const char *id;

	/* It has dropped that block. */
	if (j->conflict > j->head)
		j->conflict = 0;
	j->height = j->conflict ? j->conflict : j->target;
	id = id_at(s, j->height);
	if (!*id && !j->conflict) {
		j->height = j->head;
		id = j->head_id;
	}
	snprintf(j->id, sizeof(j->id), "%s", id);
}

static void note_head(struct join *j, uint32_t head)
{
	if (head != j->head)
		j->live_ns = j->now_ns;
	if (head > 1 && j->block_ns < 0)
		j->block_ns = j->now_ns;
	j->head = head;
	if (j->n_seen == JOIN_SAMPLES) {
		memmove(j->seen, j->seen + 1, sizeof(j->seen) - sizeof(*j->seen));
		j->n_seen--;
	}
	j->seen[j->n_seen].ns = j->now_ns;
	j->seen[j->n_seen++].head = head;
}

void join_see(struct join *j, const struct sample *s, int64_t now_ns)
{
	j->now_ns = now_ns;
	*j->id = '\0';
	if (s->state == SAMPLE_DOWN)
		j->state = JOIN_ENDED;
	if (s->state != SAMPLE_ANSWERS)
		return;
	if (j->answered_ns < 0)
		j->answered_ns = j->live_ns = now_ns;
	memcpy(j->head_id, s->info.head_block_id, sizeof(j->head_id));
	j->lib = s->info.last_irreversible_block_num;
	j->peers = s->peers_connected;
	if (j->peers > 0)
		j->live_ns = now_ns;
	note_head(j, s->info.head_block_num);
	choose_height(j, s);
}

/* Source: leap v4.0.6 plugins/net_plugin/net_plugin.cpp, handle_message() of a handshake and of a
 * go_away_message; which of the two it is depends on who speaks first. */
bool join_log(struct join *j, const char *line, int64_t now_ns)
{
	if (!strstr(line, "Peer on a different chain") &&
	        !strstr(line, "go_away_message, reason = wrong chain"))
		return false;
	if (j->other_chain_ns < 0)
		j->other_chain_ns = now_ns;
	return true;
}

uint32_t join_height(const struct join *j)
{
	return *j->id && j->height ? j->height : 1;
}

/* --- the others ------------------------------------------------------------------------------- */

void join_begin(struct join *j)
{
	j->own.n = j->references.n = 0;
	j->own.same = j->own.other = j->references.same = j->references.other = 0;
	*j->own.others = *j->references.others = '\0';
}

static void name_other(struct join_group *g, const struct canary_word *w)
{
	size_t n = strlen(g->others);

	if (g->other++ == 0)
		snprintf(g->other_id, sizeof(g->other_id), "%.64s", w->id);
	if (n + strlen(w->name) + 3 < sizeof(g->others))
		snprintf(g->others + n, sizeof(g->others) - n, "%s%s", n ? ", " : "", w->name);
}

void join_hear(struct join *j, const struct canary_word *w)
{
	struct join_group *g = w->kind == WATCH_OWN ? &j->own : &j->references;

	if (w->why || !w->head || g->n == WATCH_NODES_MAX)
		return;
	g->heads[g->n] = w->head;
	g->libs[g->n++] = w->lib;
	if (!*j->id || !*w->id)
		return;
	if (strcmp(w->id, j->id) == 0)
		g->same++;
	else
		name_other(g, w);
}

static int higher_first(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x > *y ? -1 : *x < *y;
}

/* The highest number that at least half of them have reached. */
static uint32_t majority(uint32_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), higher_first);
	return v[(n - 1) / 2];
}

static void judge_blocks(struct join *j)
{
	const struct join_group *g = j->with;
	uint32_t lag = j->settings.lag_blocks;
	bool is_near, has_got;

	if (g->other > g->same) {
		if (!j->conflict) {
			j->conflict = j->height;
			j->conflict_ns = j->now_ns;
		}
		j->rounds = 0;
		if ((j->lib >= j->conflict && j->target_lib >= j->conflict) ||
		        j->now_ns - j->conflict_ns >= j->settings.fork_ns)
			j->state = JOIN_FORKED;
		return;
	}
	if (g->same)
		j->conflict = 0;
	/* The first block is the genesis's, whoever has it got it from nobody.  A number of blocks
	 * behind that would pass 0 is as near as can be. */
	has_got = j->height > 1 || j->target <= 1;
	is_near = j->target <= lag || (j->head >= j->target - lag && j->height >= j->target - lag);
	j->rounds = g->same && has_got && is_near ? j->rounds + 1 : 0;
	if (j->rounds >= JOIN_ROUNDS)
		j->state = JOIN_JOINED;
}

static void judge_peers(struct join *j)
{
	if (j->peers != 0 || (j->target && j->head >= j->target))
		return;
	if (j->head <= 1 && j->other_chain_ns >= 0 &&
	        j->now_ns - j->other_chain_ns >= j->settings.wrong_chain_ns)
		j->state = JOIN_WRONG_CHAIN;
	else if (j->now_ns - j->live_ns >= j->settings.no_peer_ns)
		j->state = JOIN_NO_PEER;
}

void join_judge(struct join *j, int64_t now_ns)
{
	struct join_group *g = j->own.n ? &j->own : &j->references;

	j->now_ns = now_ns;
	j->with = g;
	if (join_is_over(j))
		return;
	if (g->n) {
		j->target = majority(g->heads, g->n);
		j->target_lib = majority(g->libs, g->n);
	}
	if (j->answered_ns >= 0) {
		j->state = j->head > 1 ? JOIN_SYNCING : JOIN_WAITING;
		if (*j->id && g->n)
			judge_blocks(j);
		else
			j->rounds = 0;
		if (j->rounds && !join_is_over(j))
			j->state = JOIN_NEAR;
		if (!join_is_over(j))
			judge_peers(j);
	}
	if (!join_is_over(j) && now_ns - j->begin_ns >= j->settings.timeout_ns)
		j->state = JOIN_LATE;
}

/* --- in words --------------------------------------------------------------------------------- */

static double rate(uint32_t blocks, int64_t ns)
{
	return ns > 0 ? (double)blocks * (double)NS_PER_SEC / (double)ns : 0;
}

/* Blocks a second, lately; 0: not known. */
static double late_rate(const struct join *j)
{
	size_t last = j->n_seen ? j->n_seen - 1 : 0;

	if (!last || j->seen[last].head <= j->seen[0].head)
		return 0;
	return rate(j->seen[last].head - j->seen[0].head, j->seen[last].ns - j->seen[0].ns);
}

/* From the first block on. */
static double mean_rate(const struct join *j)
{
	return j->head > 1 ? rate(j->head - 1, j->now_ns - j->answered_ns) : 0;
}

/* "3.2", "150": as many digits as mean something. */
static const char *rate_text(char out[32], double r)
{
	snprintf(out, 32, r < 10 ? "%.1f" : "%.0f", r);
	return out;
}

/* How long the rest takes, as a text; "" when that cannot be told. */
static const char *left_text(char out[NUM_TEXT_MAX], const struct join *j, double r)
{
	double seconds = r > 0 && j->target > j->head ? (j->target - j->head) / r : 0;

	*out = '\0';
	/* Whole seconds: it is an estimate. */
	if (seconds >= 1 && seconds < 1e9)
		(void)num_duration_text(out, (int64_t)seconds * NS_PER_SEC);
	return out;
}

const char *join_progress_text(const struct join *j, char *out, size_t size)
{
	char left[NUM_TEXT_MAX], r[32];

	if (j->answered_ns < 0)
		snprintf(out, size, "its nodeos starts");
	else if (j->head <= 1 && j->peers <= 0)
		snprintf(out, size, "no peer yet");
	else if (j->head <= 1)
		snprintf(out, size, "no block yet, from %d peer%s", j->peers,
		        j->peers == 1 ? "" : "s");
	else if (j->conflict)
		snprintf(out, size, "block %u is another one than ours", j->conflict);
	else if (!j->target)
		snprintf(out, size, "block %u, none of our nodes answers", j->head);
	else if (late_rate(j) <= 0)
		snprintf(out, size, "block %u of %u", j->head, j->target);
	else
		snprintf(out, size, "block %u of %u, %s blocks/s%s%s", j->head, j->target,
		        rate_text(r, late_rate(j)),
		        *left_text(left, j, late_rate(j)) ? ", left: " : "", left);
	return out;
}

static void joined_text(const struct join *j, char *out, size_t size)
{
	unsigned answered = j->with->same + j->with->other;
	uint32_t lag = j->target > j->head ? j->target - j->head : 0;
	char took[NUM_TEXT_MAX], first[NUM_TEXT_MAX], r[32];

	snprintf(out, size,
	        "a fresh node joined in %s: %u blocks at %s blocks/s, the first after %s; block %u "
	        "is the same on %u of %u nodes, %u block%s behind",
	        num_duration_text(took, j->now_ns - j->begin_ns), j->head,
	        rate_text(r, mean_rate(j)),
	        j->block_ns < 0 ? "never" : num_duration_text(first, j->block_ns - j->begin_ns),
	        j->height, j->with->same, answered, lag, lag == 1 ? "" : "s");
}

static void forked_text(const struct join *j, char *out, size_t size)
{
	bool is_final = j->lib >= j->conflict && j->target_lib >= j->conflict;
	char since[NUM_TEXT_MAX];

	snprintf(out, size,
	        "a fresh node gets another chain: its block %u is %.16s..., that of %s is "
	        "%.16s..., %s%s",
	        j->conflict, j->id, j->with->others, j->with->other_id,
	        is_final ? "irreversible on both sides" : "for ",
	        is_final ? "" : num_duration_text(since, j->now_ns - j->conflict_ns));
}

static void late_text(const struct join *j, char *out, size_t size)
{
	char limit[NUM_TEXT_MAX], left[NUM_TEXT_MAX], r[32];

	(void)num_duration_text(limit, j->settings.timeout_ns);
	if (j->answered_ns < 0)
		snprintf(out, size, "a fresh node's nodeos does not answer within %s", limit);
	else if (!j->target)
		snprintf(out, size,
		        "a fresh node cannot be compared: none of our nodes answers within %s",
		        limit);
	else if (j->conflict)
		snprintf(out, size,
		        "a fresh node does not join within %s: its block %u is another one than "
		        "that of %s",
		        limit, j->conflict, j->with->others);
	else if (j->head <= 1 && j->target > 1)
		snprintf(out, size, "a fresh node gets no block within %s%s", limit,
		        j->peers == 0 ? ": no peer answers it" : "");
	else if (j->head >= j->target)
		snprintf(out, size,
		        "a fresh node has block %u, but within %s no node has told its block of "
		        "the same height",
		        j->head, limit);
	else
		snprintf(out, size,
		        "a fresh node does not get to our head within %s: it has block %u of %u, "
		        "at %s blocks/s%s%s",
		        limit, j->head, j->target, rate_text(r, mean_rate(j)),
		        *left_text(left, j, mean_rate(j)) ? ", the rest would take " : "", left);
}

const char *join_verdict(const struct join *j, char *out, size_t size)
{
	char since[NUM_TEXT_MAX];

	switch (j->state) {
	case JOIN_JOINED:
		joined_text(j, out, size);
		break;
	case JOIN_ENDED:
		snprintf(out, size, "a fresh node does not run: its nodeos has ended");
		break;
	case JOIN_NO_PEER:
		snprintf(out, size, "a fresh node is alone: no peer answers it for %s",
		        num_duration_text(since, j->now_ns - j->live_ns));
		break;
	case JOIN_WRONG_CHAIN:
		snprintf(out, size, "a fresh node cannot join: its peer is of another chain");
		break;
	case JOIN_FORKED:
		forked_text(j, out, size);
		break;
	case JOIN_LATE:
		late_text(j, out, size);
		break;
	case JOIN_STARTING:
	case JOIN_WAITING:
	case JOIN_SYNCING:
	case JOIN_NEAR:
		(void)join_progress_text(j, out, size);
		break;
	}
	return out;
}

static json_t *seconds_json(const struct join *j, int64_t at_ns)
{
	return at_ns < 0 ? json_null()
	                 : json_real(round((double)(at_ns - j->begin_ns) / 1e6) / 1e3);
}

static json_t *number_json(bool is_known, int64_t v)
{
	return is_known ? json_integer(v) : json_null();
}

json_t *join_json(const struct join *j)
{
	bool has_target = j->target != 0, has_head = j->answered_ns >= 0;
	bool is_compared = j->with->same || j->with->other;

	return json_pack("{s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i}", "joined",
	        j->state == JOIN_JOINED, "state", join_state_name(j->state), "seconds",
	        seconds_json(j, j->now_ns), "first_block_seconds", seconds_json(j, j->block_ns),
	        "blocks_per_second",
	        has_head ? json_real(round(mean_rate(j) * 10) / 10) : json_null(), "head_block_num",
	        number_json(has_head, j->head), "majority_head_block_num",
	        number_json(has_target, j->target), "lag_blocks",
	        number_json(has_target && has_head, (int64_t)j->target - j->head),
	        "compared_block_num", number_json(is_compared, j->height), "block_id",
	        is_compared ? json_string(j->id) : json_null(), "same", (int)j->with->same, "other",
	        (int)j->with->other);
}
