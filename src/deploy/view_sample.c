#include "deploy/view_sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "control/client.h"
#include "control/control.h"
#include "data/pool.h"
#include "data/slot.h"
#include "deploy/view_priv.h"

/* What agents take (agent/agent.h), with room for the last slot. */
#define BODY_MAX (47U * 1024)
/* A supervisor answers before its agent gives it up (200 ms later), and this one before the agent
 * that gathers, so that one which hangs costs no more than its own answer. */
#define AGENT_NS   (300 * NS_PER_MS)
#define LEAST_NS   (50 * NS_PER_MS)
#define LONGEST_NS (5 * NS_PER_SEC) /* that a supervisor takes */

void view_samples_release(struct view_sample *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_decref(v[i].sample);
		v[i].sample = NULL;
	}
}

/* --- the request ---------------------------------------------------------------------------- */

/* What a supervisor has of the limit. */
static int64_t answer_ns(int64_t limit_ns)
{
	int64_t ns = limit_ns - AGENT_NS;

	return ns < LEAST_NS ? LEAST_NS : ns > LONGEST_NS ? LONGEST_NS : ns;
}

static int64_t answer_ms(int64_t limit_ns)
{
	return answer_ns(limit_ns) / NS_PER_MS;
}

/* The request that more than half of them have, if there is one; else any of them.  (Boyer and
 * Moore: what outweighs all others together survives being weighed against each.) */
static size_t most_common(char *const *texts, size_t n)
{
	size_t common = 0, weight = 0;

	for (size_t i = 0; i < n; i++) {
		if (weight == 0)
			common = i;
		weight += strcmp(texts[i], texts[common]) == 0 ? 1 : (size_t)-1;
	}
	return common;
}

static json_t *slot_request(const struct view_sample *s)
{
	json_t *j = json_pack("{s:s, s:I}", "service", s->task->service->e.name, "slot",
	        (json_int_t)s->task->t.slot);

	if (!j || json_object_update(j, (json_t *)(uintptr_t)s->request) == 0)
		return j;
	json_decref(j);
	return NULL;
}

/* Those for whom there is no room are asked what most are. */
static json_t *own_requests(
        const struct view_sample *samples, size_t n, char *const *texts, const char *common)
{
	AUTO(json) json_t *list = json_array();
	size_t size = strlen(common);

	for (size_t i = 0; list && i < n; i++) {
		const struct view_task *t = samples[i].task;

		if (!view_task_has_slot(t) || strcmp(texts[i], common) == 0)
			continue;
		size += strlen(texts[i]) + strlen(t->service->e.name) + 48;
		if (size > BODY_MAX)
			break;
		if (json_array_append_new(list, slot_request(&samples[i])) < 0)
			return NULL;
	}
	return TAKE(list);
}

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; texts && i < n; i++)
		free(texts[i]);
	free(texts);
}

/* The body for all hosts; the caller frees it.  NULL without memory. */
static char *make_body(const struct view_sample *samples, size_t n, int64_t limit_ns)
{
	char **texts = calloc(n ? n : 1, sizeof(*texts)), *body = NULL;
	AUTO(json) json_t *own = NULL;
	AUTO(json) json_t *j = NULL;
	size_t common, made = 0;

	while (texts && made < n && (texts[made] = json_text(samples[made].request, false)))
		made++;
	if (texts && n && made == n) {
		common = most_common(texts, n);
		own = own_requests(samples, n, texts, texts[common]);
		j = json_pack("{s:i, s:I, s:O, s:O}", "format", AGENT_FORMAT, "limit_ms",
		        (json_int_t)answer_ms(limit_ns), "all", samples[common].request, "slots",
		        own);
		body = j ? json_text(j, false) : NULL;
	}
	free_texts(texts, n);
	return body;
}

/* --- the answers ---------------------------------------------------------------------------- */

/* Why there is no sample: what is known of the task, and what its slot's record says. */
static void set_why(struct view_sample *s, const struct agent_slot *slot)
{
	struct view_task t = *s->task;
	struct err ignored = ERR_INIT;
	struct record record;
	char text[sizeof(s->why)];

	t.status = NULL;
	t.record = &record;
	t.has_record = slot && t.on &&
	        view_record(t.on, t.service->pool, t.service->e.name, (uint64_t)t.t.slot, &record,
	                &ignored) == 0;
	if (slot && slot->error)
		snprintf(s->why, sizeof(s->why), "%s",
		        json_str(slot->error, "message", "its supervisor gives no reason"));
	else
		snprintf(s->why, sizeof(s->why), "%s", view_task_reason(&t, text, sizeof(text)));
	if (!*s->why)
		snprintf(s->why, sizeof(s->why), "nobody speaks for it");
}

/* Find the slot in what its host's agent has told. */
static void take_from_agent(struct view_sample *s)
{
	const struct view_task *t = s->task;
	const struct agent_slot *slot = NULL;

	if (view_task_is_known(t))
		slot = agent_slots_find(&t->on->slots, t->service->e.name, (uint64_t)t->t.slot);
	/* An earlier container of the slot may still stop, and speak for itself. */
	if (slot && slot->sample && strcmp(slot->task, t->t.id) == 0)
		s->sample = json_deep_copy(slot->sample);
	if (!s->sample)
		set_why(s, slot);
}

/* What is opened to ask all slots of this host's pool at once. */
struct sockets {
	struct control_ask *asks;
	struct slot *slots;
	json_t **args;
	struct view_sample **of;
	size_t n;
	struct pool pool; /* the one opened last */
};

static int open_socket(struct sockets *a, struct view_sample *s, int64_t limit_ns)
{
	const struct view_service *service = s->task->service;
	struct err ignored = ERR_INIT;
	json_t *args;

	if (a->pool.fd < 0 || strcmp(a->pool.path, service->pool) != 0) {
		pool_release(&a->pool);
		if (pool_open(&a->pool, service->pool, &ignored) < 0)
			return 0;
	}
	if (slot_open(&a->slots[a->n], &a->pool, service->e.name, (uint64_t)s->task->t.slot, false,
	            &ignored) < 0)
		return 0;
	args = json_pack("{s:I}", "limit_ms", (json_int_t)answer_ms(limit_ns));
	a->args[a->n] = args;
	a->asks[a->n] = (struct control_ask){ .dirfd = a->slots[a->n].fd, .args = args };
	a->of[a->n++] = s;
	return args && json_object_update(args, (json_t *)(uintptr_t)s->request) == 0 ? 0 : -1;
}

static void take_from_socket(struct sockets *a, size_t i)
{
	struct control_ask *ask = &a->asks[i];
	struct view_sample *s = a->of[i];

	/* The socket may be an earlier container's. */
	if (ask->reply && str_eq(json_str(ask->reply, "task", NULL), s->task->t.id))
		s->sample = json_deep_copy(json_object_get(ask->reply, "sample"));
	else if (ask->reply)
		snprintf(s->why, sizeof(s->why), "waits for an earlier container of its slot");
	else
		snprintf(s->why, sizeof(s->why), "%.239s", ask->err.msg);
	json_decref(ask->reply);
}

static int ask_sockets(struct view_sample *samples, size_t n, int64_t limit_ns,
        const volatile int *interrupted, struct err *e)
{
	struct sockets a = {
		.asks = calloc(n, sizeof(*a.asks)),
		.slots = calloc(n, sizeof(*a.slots)),
		.args = calloc(n, sizeof(*a.args)),
		.of = calloc(n, sizeof(*a.of)),
		.pool = POOL_INIT,
	};
	int rc = a.asks && a.slots && a.args && a.of ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct view_task *t = samples[i].task;

		if (view_task_has_slot(t) && t->on->state == VIEW_HOST_DIRECT)
			rc = open_socket(&a, &samples[i], limit_ns);
	}
	if (rc == 0) {
		control_ask_all(a.asks, a.n, "sample", limit_ns, interrupted);
		for (size_t i = 0; i < a.n; i++)
			take_from_socket(&a, i);
	}
	for (size_t i = 0; i < a.n; i++) {
		json_decref(a.args[i]);
		slot_release(&a.slots[i]);
	}
	pool_release(&a.pool);
	free(a.asks);
	free(a.slots);
	free(a.args);
	free(a.of);
	return rc == 0 ? 0 : err_nomem(e);
}

int view_ask_samples(struct view *v, struct engine *eng, const struct view_query *q,
        struct view_sample *samples, size_t n, int64_t limit_ns, struct err *e)
{
	AUTO(free) char *body = make_body(samples, n, limit_ns);
	const struct view_question ask = { .path = "/v1/sample",
		.body = body,
		.timeout_ns = answer_ns(limit_ns) + AGENT_NS,
		.only_with_slots = true };

	for (size_t i = 0; i < n; i++) {
		samples[i].sample = NULL;
		*samples[i].why = '\0';
	}
	if (n == 0)
		return 0;
	if (!body)
		return err_nomem(e);
	if (view_ask_hosts(v, eng, q, &ask, e) < 0 ||
	        ask_sockets(samples, n, limit_ns, q->interrupted, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct view_task *t = samples[i].task;

		if (samples[i].sample || *samples[i].why)
			continue;
		if (view_task_has_slot(t) && t->on->state == VIEW_HOST_OK)
			take_from_agent(&samples[i]);
		else
			set_why(&samples[i], NULL);
	}
	return 0;
}
