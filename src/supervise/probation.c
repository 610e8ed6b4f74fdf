#include "supervise/probation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "control/async.h"
#include "control/control.h"
#include "data/slots.h"
#include "http/probe.h"
#include "loop/resolve.h"
#include "nodeos/blocklog.h"
#include "nodeos/logline.h"
#include "supervise/heal.h"
#include "supervise/supervise_priv.h"

/*
 * Rounds of questions, one a second while the slot is on probation, and nothing of it blocks: the
 * control sockets of this pool's other slots, /state of the tasks that are followed, and every five
 * seconds the references.  What they say goes into the list of witnesses; our own nodeos is asked
 * for the blocks of that list one at a time.  A round has to end before the next one begins.
 *
 * curl would wait in its own resolver for a name that hangs when a request is given up, so names of
 * references are looked up by loop/resolve.
 */

#define ROUND_NS      (1 * NS_PER_SEC)
#define REFERENCES_NS (5 * NS_PER_SEC)
#define CONTROL_NS    (1 * NS_PER_SEC)
#define STATE_NS      (1500 * NS_PER_MS)
#define REFERENCE_NS  (5 * NS_PER_SEC)
#define OWN_NS        (5 * NS_PER_SEC)
#define SILENT_NS     (20 * NS_PER_SEC) /* a witness that was not heard for so long is gone */

#define SLOTS_A_ROUND     256
#define ADDRESSES_MAX     1024
#define ADDRESSES_A_ROUND 64
#define OWN_A_TURN        4
#define REPLY_MAX         (64U * 1024)

struct ask {
	struct probation *p;
	struct control_async *control; /* NULL when it is over */
	struct http_probe *http;
};

struct reference_ask {
	struct probation *p;
	const struct reference *r;
	struct resolve *resolve; /* NULL: nothing under way */
	struct http_probe *probe;
	int64_t asked_ns;
	bool has_answered, has_complained;
};

struct probation {
	struct supervisor *s;
	struct witness v[PROBATION_MAX];
	int64_t heard_ns[PROBATION_MAX];
	size_t n;
	struct ask *asks;
	size_t nasks, under_way;
	size_t next_slot, next_address; /* where the next round begins */
	size_t slots_left, addresses_left;
	bool has_asked_slots;
	int64_t round_ns, references_ns, caught_up_ns, news_ns;
	struct reference references[REFERENCES_MAX];
	struct reference_ask reference_asks[REFERENCES_MAX];
	size_t nreferences;
	struct http_probe *own;
	uint32_t own_num;
	unsigned own_left;
};

/* --- witnesses -------------------------------------------------------------------------------- */

static void hear(struct probation *p, const struct witness *w)
{
	size_t i;
	int64_t now = clock_mono_ns();

	if (witness_heard(p->v, &p->n, w, p->s->health.start_lib, &i))
		p->news_ns = now;
	if (i < p->n)
		p->heard_ns[i] = now;
}

static void forget_silent(struct probation *p, int64_t now)
{
	for (size_t i = 0; i < p->n;)
		if (now - p->heard_ns[i] > SILENT_NS) {
			p->n--;
			p->v[i] = p->v[p->n];
			p->heard_ns[i] = p->heard_ns[p->n];
		} else {
			i++;
		}
}

static void hear_status(struct probation *p, const json_t *status)
{
	const struct supervise_config *cfg = p->s->cfg;
	struct err e = ERR_INIT;
	struct witness w;
	int rc;

	/* One of our own names may lead to ourselves. */
	if (str_eq(json_str(status, "service", ""), cfg->service) &&
	        json_int(status, "slot", 0) == (int64_t)cfg->slot &&
	        str_eq(json_str(status, "node", ""), cfg->node))
		return;
	rc = witness_from_status(&w, status, p->s->health.info.chain_id, &e);
	if (rc == 0)
		hear(p, &w);
	else if (rc < 0)
		log_debug("status of another slot not understood", "why=\"%s\"", e.msg);
}

void probation_hears_peer(struct supervisor *s, const struct nodeos_peer *peer)
{
	struct witness w = { .class = WITNESS_PEER,
		.block_num = peer->last_irreversible_block_num };

	if (!s->probation || !w.block_num)
		return;
	snprintf(w.who, sizeof(w.who), "%.150s", peer->text);
	str_printable(w.who);
	memcpy(w.block_id, peer->last_irreversible_block_id, sizeof(w.block_id));
	hear(s->probation, &w);
}

/* --- slots ------------------------------------------------------------------------------------ */

static void on_control(void *arg, json_t *reply, const struct err *why UNUSED)
{
	struct ask *a = arg;

	a->control = NULL;
	a->p->under_way--;
	if (reply)
		hear_status(a->p, reply);
}

static void on_state(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct ask *a = arg;
	struct err ignored = ERR_INIT;
	AUTO(json) json_t *status = NULL;

	a->p->under_way--;
	if (r->status == 200)
		status = json_parse_object(r->body, r->len, "/state", &ignored);
	if (status)
		hear_status(a->p, status);
}

/* Where no supervisor has been there is nobody to ask; a socket that is left over
 * refuses at once. */
static void ask_slot(struct probation *p, const struct slots_entry *at)
{
	struct supervisor *s = p->s;
	AUTO(slot) struct slot dir = SLOT_INIT;
	struct ask *a = &p->asks[p->nasks];
	struct err ignored = ERR_INIT;
	struct stat st;

	if ((at->number == s->cfg->slot && strcmp(at->service, s->cfg->service) == 0) ||
	        slot_open(&dir, &s->pool, at->service, at->number, false, &ignored) < 0 ||
	        fstatat(dir.fd, CONTROL_SOCKET, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	        !S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return;
	*a = (struct ask){ .p = p };
	a->control = control_async_new(
	        &s->loop, dir.fd, "status", NULL, CONTROL_NS, on_control, a, &ignored);
	if (!a->control)
		return;
	p->nasks++;
	p->under_way++;
}

static void ask_address(struct probation *p, struct in_addr address)
{
	struct supervisor *s = p->s;
	struct ask *a = &p->asks[p->nasks];
	struct err ignored = ERR_INIT;
	char text[INET_ADDRSTRLEN] = "", url[64];

	(void)inet_ntop(AF_INET, &address, text, sizeof(text));
	snprintf(url, sizeof(url), "http://%s:%u/state", text, (unsigned)s->cfg->port);
	*a = (struct ask){ .p = p };
	a->http = http_probe_new(s->prober, url, REPLY_MAX, &ignored);
	if (!a->http || http_probe_start(a->http, NULL, STATE_NS, on_state, a, &ignored) < 0) {
		http_probe_free(TAKE(a->http));
		return;
	}
	p->nasks++;
	p->under_way++;
}

static void free_asks(struct probation *p)
{
	for (size_t i = 0; i < p->nasks; i++) {
		control_async_free(p->asks[i].control);
		http_probe_free(p->asks[i].http);
	}
	free(TAKE(p->asks));
	p->nasks = p->under_way = 0;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The part of a list of n that comes next: where it begins and how long it is. */
static size_t next_part(size_t n, size_t most, size_t *next, size_t *left, size_t *ret_first)
{
	size_t part = least(n, most);

	*ret_first = n ? *next % n : 0;
	*next = *ret_first + part;
	*left -= least(*left, part);
	return part;
}

static void begin_round(struct probation *p)
{
	AUTO(free) struct in_addr *addresses = calloc(ADDRESSES_MAX, sizeof(*addresses));
	AUTO(slots) struct slots slots = { 0 };
	struct err e = ERR_INIT;
	size_t naddresses, slots_now, addresses_now, slot, address;

	if (!addresses || slots_list(&slots, &p->s->pool, &e) < 0) {
		log_warn("the pool's other slots are not asked", "why=\"%s\"",
		        addresses ? e.msg : "out of memory");
		return;
	}
	naddresses = follow_addresses(p->s->follow, addresses, ADDRESSES_MAX);
	if (!p->round_ns) {
		p->slots_left = slots.n;
		p->addresses_left = naddresses;
	}
	slots_now = next_part(slots.n, SLOTS_A_ROUND, &p->next_slot, &p->slots_left, &slot);
	addresses_now = next_part(
	        naddresses, ADDRESSES_A_ROUND, &p->next_address, &p->addresses_left, &address);
	p->asks = calloc(slots_now + addresses_now + 1, sizeof(*p->asks));
	for (size_t i = 0; p->asks && i < slots_now; i++)
		ask_slot(p, &slots.v[(slot + i) % slots.n]);
	for (size_t i = 0; p->asks && i < addresses_now; i++)
		ask_address(p, addresses[(address + i) % naddresses]);
}

static void ask_slots(struct probation *p, int64_t now)
{
	if (p->under_way)
		return;
	if (p->round_ns && !p->slots_left && !p->addresses_left)
		p->has_asked_slots = true;
	if (p->round_ns && now - p->round_ns < ROUND_NS)
		return;
	free_asks(p);
	begin_round(p);
	p->round_ns = now;
}

/* --- references ------------------------------------------------------------------------------- */

static void complain(struct reference_ask *a, const char *why)
{
	a->has_answered = true;
	if (!a->has_complained)
		log_warn("a reference cannot be asked", "url=\"%s\" why=\"%s\"", a->r->url, why);
	a->has_complained = true;
}

static void on_reference(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct reference_ask *a = arg;
	struct witness w = { .class = WITNESS_REFERENCE };
	struct nodeos_info info;
	struct err e = ERR_INIT;

	if (r->failure) {
		complain(a, r->failure->msg);
		return;
	}
	if (nodeos_info_parse(&info, r->body, r->len, &e) < 0) {
		complain(a, e.msg);
		return;
	}
	if (strcmp(info.chain_id, a->p->s->health.info.chain_id) != 0) {
		complain(a, "it is of another chain");
		return;
	}
	a->has_answered = true;
	a->has_complained = false;
	if (!info.last_irreversible_block_num)
		return;
	snprintf(w.who, sizeof(w.who), "%.150s", a->r->url);
	w.block_num = info.last_irreversible_block_num;
	memcpy(w.block_id, info.last_irreversible_block_id, sizeof(w.block_id));
	hear(a->p, &w);
}

static void get_info(struct reference_ask *a)
{
	struct err e = ERR_INIT;

	if (http_probe_start(a->probe, NULL, REFERENCE_NS, on_reference, a, &e) < 0)
		complain(a, e.msg);
}

static void on_resolved(void *arg, const struct resolve_answer *found)
{
	struct reference_ask *a = arg;
	struct err e = ERR_INIT;

	a->resolve = NULL;
	if (found->rc != 0 || found->n == 0)
		complain(a, found->rc != 0 ? found->why : "its name has no IPv4 address");
	else if (http_probe_set_addresses(
	                 a->probe, a->r->host, a->r->port, found->addresses, found->n, &e) < 0)
		complain(a, e.msg);
	else
		get_info(a);
}

static void ask_reference(struct reference_ask *a, int64_t now)
{
	struct probation *p = a->p;
	struct err e = ERR_INIT;
	AUTO(free) char *url = NULL;

	/* Never a second look-up beside one that hangs. */
	if (a->resolve || (a->probe && http_probe_is_running(a->probe)))
		return;
	if (!a->asked_ns)
		a->asked_ns = now;
	if (!a->probe) {
		url = str_fmt("%s/v1/chain/get_info", a->r->url);
		if (url)
			a->probe = http_probe_new(p->s->prober, url, REPLY_MAX, &e);
		if (!a->probe) {
			complain(a, url ? e.msg : "out of memory");
			return;
		}
	}
	if (!*a->r->host) {
		get_info(a);
		return;
	}
	a->resolve = resolve_start(&p->s->loop, a->r->host, on_resolved, a, &e);
	if (!a->resolve)
		complain(a, e.msg);
}

static void ask_references(struct probation *p, int64_t now)
{
	if (p->references_ns && now - p->references_ns < REFERENCES_NS)
		return;
	p->references_ns = now;
	for (size_t i = 0; i < p->nreferences; i++)
		ask_reference(&p->reference_asks[i], now);
}

static bool has_asked_references(const struct probation *p, int64_t now)
{
	for (size_t i = 0; i < p->nreferences; i++) {
		const struct reference_ask *a = &p->reference_asks[i];

		if (!a->has_answered && (!a->asked_ns || now - a->asked_ns < REFERENCE_NS))
			return false;
	}
	return true;
}

/* --- our own nodeos --------------------------------------------------------------------------- */

static void ask_own(struct probation *p);

/* id "": our nodeos does not have that block. */
static void learn(struct probation *p, uint32_t num, const char *id)
{
	for (size_t i = 0; i < p->n; i++) {
		struct witness *w = &p->v[i];

		if (w->answer != WITNESS_UNASKED || w->block_num != num)
			continue;
		w->answer = !*id                       ? WITNESS_UNKNOWN
		        : strcmp(id, w->block_id) == 0 ? WITNESS_AGREES
		                                       : WITNESS_DIFFERS;
		snprintf(w->our_id, sizeof(w->our_id), "%s", id);
		p->news_ns = clock_mono_ns();
		log_info("block compared", "with=\"%s\" block=%u same=%s", w->who, num,
		        !*id                                  ? "unknown"
		                : w->answer == WITNESS_AGREES ? "yes"
		                                              : "no");
	}
}

static void on_own(struct http_probe *q UNUSED, const struct http_probe_result *r, void *arg)
{
	struct probation *p = arg;
	struct nodeos_block_info b;
	struct err e = ERR_INIT;
	int rc;

	if (!r->status)
		return;
	rc = nodeos_block_info_parse(&b, r->body, r->len, &e);
	if (rc < 0 || (rc == 0 && b.block_num != p->own_num)) {
		log_warn("get_block_info not understood", "status=%ld why=\"%s\"", r->status,
		        rc < 0 ? e.msg : "it is about another block");
		return;
	}
	learn(p, p->own_num, rc > 0 ? "" : b.id);
	ask_own(p);
}

static struct witness *next_witness(struct probation *p)
{
	struct witness *best = NULL;

	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].answer == WITNESS_UNASKED &&
		        p->v[i].block_num <= p->s->health.info.last_irreversible_block_num &&
		        (!best || p->v[i].class < best->class))
			best = &p->v[i];
	return best;
}

static int start_own(struct probation *p, struct err *e)
{
	struct supervisor *s = p->s;
	AUTO(free) char *url = NULL;
	char body[48];

	if (!p->own) {
		url = str_fmt("http://%s:%u/v1/chain/get_block_info", s->render.http_host,
		        (unsigned)s->render.http_port);
		if (!url)
			return err_nomem(e);
		p->own = http_probe_new(s->prober, url, REPLY_MAX, e);
		if (!p->own)
			return -1;
	}
	snprintf(body, sizeof(body), "{\"block_num\":%u}", p->own_num);
	return http_probe_start(p->own, body, OWN_NS, on_own, p, e);
}

static void ask_own(struct probation *p)
{
	const struct nodeos_info *info = &p->s->health.info;
	struct err e = ERR_INIT;
	struct witness *w;

	/* It has told that one; after a start from a snapshot get_block_info may not have it. */
	learn(p, info->last_irreversible_block_num, info->last_irreversible_block_id);
	if ((p->own && http_probe_is_running(p->own)) || !p->own_left || !(w = next_witness(p)))
		return;
	p->own_left--;
	p->own_num = w->block_num;
	if (start_own(p, &e) < 0)
		log_warn("nodeos not asked", "why=\"%s\"", e.msg);
}

/* --- the hash of the state -------------------------------------------------------------------- */

static void on_line(void *arg, const char *line)
{
	struct supervisor *s = arg;

	if (!nodeos_logline_start_hash(s->started_hash, line))
		return;
	s->hash_proof = strcmp(s->started_hash, s->expected_hash) == 0 ? HASH_EQUAL : HASH_DIFFERS;
	output_watch(&s->output, NULL, NULL);
}

void probation_expect_hash(struct supervisor *s, const char *hash)
{
	bool is_healing = s->record.heal.stage == HEAL_STAGE_REPAIRING;

	s->hash_proof =
	        s->cfg->integrity_hash && is_healing && *hash ? HASH_AWAITED : HASH_NOT_ASKED;
	snprintf(s->expected_hash, sizeof(s->expected_hash), "%s", hash);
}

bool probation_wants_hash(const struct supervisor *s)
{
	return s->hash_proof == HASH_AWAITED;
}

/* nodeos tells it before it listens, so it is in the pipe when nodeos has answered. */
static void look_for_hash(struct supervisor *s)
{
	if (s->hash_proof != HASH_AWAITED)
		return;
	output_pump(&s->output);
	if (s->hash_proof == HASH_AWAITED)
		s->hash_proof = HASH_UNTOLD;
}

/* --- the decision ----------------------------------------------------------------------------- */

static enum probation_plan decide(
        struct probation *p, bool has_caught_up, enum witness_class *by, int64_t now)
{
	struct supervisor *s = p->s;
	struct probation_facts f = {
		.v = p->v,
		.n = p->n,
		.has_caught_up = has_caught_up,
		.has_asked = { [WITNESS_SLOT] = p->has_asked_slots,
		        [WITNESS_REFERENCE] = has_asked_references(p, now),
		        [WITNESS_PEER] = s->health.has_peers },
		.start_lib = s->health.start_lib,
	};
	int64_t since = p->caught_up_ns > p->news_ns ? p->caught_up_ns : p->news_ns;

	if (has_caught_up)
		f.quiet_ns = now - since;
	if (s->hash_proof == HASH_DIFFERS) {
		snprintf(s->health.probation_why, sizeof(s->health.probation_why),
		        "the hash of its state is %.16s..., that of generation %.31s is %.16s...",
		        s->started_hash, s->record.generation, s->expected_hash);
		*by = WITNESS_CLASSES;
		return PROBATION_FAILED;
	}
	return probation_decide(s->health.probation_why, by, &f);
}

static void end(struct supervisor *s, bool has_passed, enum witness_class by)
{
	char why[RECORD_TEXT_MAX];

	snprintf(why, sizeof(why), "%s%s", s->health.probation_why,
	        !has_passed ? ""
	                : s->hash_proof == HASH_EQUAL
	                ? "; the hash of its state is the generation's"
	                : s->hash_proof == HASH_UNTOLD
	                ? "; nodeos has not told the hash of its state"
	                : "");
	s->health.has_failed_probation = !has_passed;
	s->hash_proof = HASH_NOT_ASKED;
	probation_stop(s);
	heal_probation_over(s, has_passed, by, why);
}

void probation_turn(struct supervisor *s, bool has_caught_up)
{
	struct probation *p;
	struct err e = ERR_INIT;
	int64_t now = clock_mono_ns();
	enum probation_plan plan;
	enum witness_class by;

	if (!heal_is_on_probation(s)) {
		probation_stop(s);
		return;
	}
	if (s->health.has_failed_probation || !s->health.has_info)
		return;
	if (!s->probation && probation_start(s, &e) < 0) {
		log_warn("nobody is asked whether this slot is right", "why=\"%s\"", e.msg);
		return;
	}
	p = s->probation;
	if (!s->health.start_lib)
		s->health.start_lib = s->health.info.last_irreversible_block_num;
	if (!has_caught_up)
		p->caught_up_ns = 0;
	else if (!p->caught_up_ns)
		p->caught_up_ns = now;
	look_for_hash(s);
	forget_silent(p, now);
	ask_slots(p, now);
	ask_references(p, now);
	p->own_left = OWN_A_TURN;
	ask_own(p);
	plan = decide(p, has_caught_up, &by, now);
	if (plan != PROBATION_WAIT)
		end(s, plan == PROBATION_PASSED, by);
}

/* --- life ------------------------------------------------------------------------------------- */

int probation_start(struct supervisor *s, struct err *e)
{
	struct probation *p;

	if (s->probation)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_nomem(e);
	p->s = s;
	if (references_parse(p->references, &p->nreferences, s->cfg->references, e) < 0) {
		free(p);
		return -1;
	}
	for (size_t i = 0; i < p->nreferences; i++)
		p->reference_asks[i] = (struct reference_ask){ .p = p, .r = &p->references[i] };
	s->probation = p;
	return 0;
}

void probation_stop(struct supervisor *s)
{
	struct probation *p = TAKE(s->probation);

	if (!p)
		return;
	free_asks(p);
	for (size_t i = 0; i < p->nreferences; i++) {
		resolve_cancel(p->reference_asks[i].resolve);
		http_probe_free(p->reference_asks[i].probe);
	}
	http_probe_free(p->own);
	free(p);
}

static bool is_healing(const struct supervisor *s)
{
	return s->record.heal.stage == HEAL_STAGE_REPAIRING ||
	        s->record.heal.stage == HEAL_STAGE_PROBATION;
}

/* nodeos was just started and has not come to its blocks yet; what cannot be read is not known. */
static uint32_t lib_of_data(const struct supervisor *s)
{
	AUTO(close_fd)
	int fd = openat(s->slot.fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct blocklog_facts facts = { 0 };
	struct err ignored = ERR_INIT;

	return fd >= 0 && nodeos_blocklog_at(&facts, fd, &ignored) == 0 ? facts.lib_block_num : 0;
}

void probation_run_began(struct supervisor *s)
{
	if (is_healing(s))
		s->health.start_lib = lib_of_data(s);
	if (s->hash_proof == HASH_AWAITED)
		output_watch(&s->output, on_line, s);
}

void probation_run_ended(struct supervisor *s)
{
	output_watch(&s->output, NULL, NULL);
	probation_stop(s);
}
