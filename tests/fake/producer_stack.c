#include "fake/producer_stack.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "fake/agent.h"
#include "fake/engine.h"

#define CONFIG LEASE_CONFIG "producer"

/* --- time goes on -------------------------------------------------------------------------- */

static struct fake_producer *holder_of(struct fake_producer_stack *f)
{
	char name[LEASE_HOLDER_SIZE];

	for (size_t i = 0; i < f->n; i++) {
		snprintf(name, sizeof(name), "s_%s.%d", f->v[i].service, f->v[i].slot);
		if (strcmp(name, f->lease.holder) == 0)
			return &f->v[i];
	}
	return NULL;
}

static void changed(struct fake_producer_stack *f)
{
	f->lease.version++;
	f->since = 0;
}

static void release(struct fake_producer_stack *f)
{
	struct fake_producer *p = holder_of(f);

	if (p) {
		p->state = "standby";
		f->lease.ceiling = p->last_slot;
	}
	f->lease.holder[0] = f->lease.place[0] = f->lease.nonce[0] = '\0';
	lease_note_change(&f->lease, 1763766000000000000LL, "order");
	changed(f);
}

static void take(struct fake_producer_stack *f)
{
	struct fake_producer *p = &f->v[f->taker];
	struct lease_record *r = &f->lease;

	r->epoch++;
	r->count = 0;
	r->term_ns = LEASE_TERM_SHORT_NS;
	snprintf(r->holder, sizeof(r->holder), "s_%s.%d", p->service, p->slot);
	snprintf(r->place, sizeof(r->place), "pool/%s/%d/boot", p->service, p->slot);
	snprintf(r->nonce, sizeof(r->nonce), "%032d", p->slot);
	r->floor = r->ceiling;
	r->ceiling += 20;
	if (r->order == LEASE_ORDER_FAILOVER)
		r->order = LEASE_ORDER_NONE;
	p->state = "producing";
	p->last_slot = r->floor + f->lost;
	lease_note_change(r, 1763766001000000000LL, "the lease was free");
	if (f->loses) {
		p->state = "taking";
		f->taker = -1;
	}
	changed(f);
}

static void renew(struct fake_producer_stack *f)
{
	f->lease.count++;
	f->lease.ceiling++;
	f->lease.version++;
}

static void go_on(struct fake_producer_stack *f)
{
	f->since++;
	if (f->loses && f->taker < 0)
		f->lease.holder[0] = f->lease.place[0] = f->lease.nonce[0] = '\0';
	if (f->lease.holder[0]) {
		if (f->lease.order != LEASE_ORDER_NONE && f->since > f->release_looks)
			release(f);
	} else if (f->lease.order != LEASE_ORDER_PAUSE && f->taker >= 0 &&
	        f->since > f->take_looks) {
		take(f);
	}
}

/* --- the engine ---------------------------------------------------------------------------- */

static char *lease_text(const struct fake_producer_stack *f)
{
	json_t *labels = lease_to_labels(&f->lease);
	json_t *o = json_pack("{s:s, s:{s:I}, s:{s:s, s:O, s:s}}", "ID", "configid", "Version",
	        "Index", (json_int_t)f->lease.version, "Spec", "Name", CONFIG, "Labels", labels,
	        "Data", "eA==");
	char *text;

	if (f->has_note)
		json_object_set_new(labels, "note", json_string("of somebody else"));
	json_decref(labels);
	text = json_text(o, false);
	assert(text);
	json_decref(o);
	return text;
}

static char *failed(int *status, int code, const char *text)
{
	char *body = NULL;

	*status = code;
	assert(asprintf(&body, "{\"message\":\"%s\"}", text) > 0);
	return body;
}

static void put(struct fake_producer_stack *f, const json_t *labels)
{
	uint64_t version = f->lease.version + 1;
	struct err e = ERR_INIT;

	if (lease_from_labels(&f->lease, "producer", version, labels, &e) < 0) {
		fprintf(stderr, "labels that are none: %s\n", e.msg);
		abort();
	}
	f->has_lease = true;
	f->has_note = json_object_get(labels, "note");
	f->writes++;
	f->since = 0;
}

static char *write_lease(struct fake_producer_stack *f, const struct fake_request *q, int *status)
{
	struct err e = ERR_INIT;
	AUTO(json) json_t *body = json_parse(q->body, q->len, "body", &e);
	unsigned long long version = 0;

	if (f->faster) {
		f->faster--;
		renew(f);
	}
	if (strcmp(q->path, "/configs/create") == 0) {
		if (f->has_lease)
			return failed(status, 409, "name conflicts with an existing object");
		put(f, json_at(body, "Labels"));
		*status = 201;
		return strdup("{\"ID\":\"configid\"}");
	}
	(void)sscanf(q->query, "version=%llu", &version);
	if (version != f->lease.version)
		return failed(
		        status, 500, "rpc error: code = Unknown desc = update out of sequence");
	put(f, json_at(body, "Labels"));
	if (f->lost_answers) {
		f->lost_answers--;
		return failed(status, 500,
		        "rpc error: code = DeadlineExceeded desc = context deadline exceeded");
	}
	return strdup("{}");
}

static char *answer(struct fake_producer_stack *f, const struct fake_request *q, int *status)
{
	*status = 200;
	if (f->away) {
		f->away--;
		return failed(status, 500,
		        "rpc error: code = Unknown desc = The swarm does not have a leader.");
	}
	if (strcmp(q->method, "POST") == 0)
		return write_lease(f, q, status);
	if (!f->has_lease)
		return failed(status, 404, "config not found");
	go_on(f);
	return lease_text(f);
}

static char *on_engine(void *arg, const struct fake_request *q, int *status)
{
	struct fake_producer_stack *f = arg;
	char *text;

	if (!str_starts(q->path, "/configs/", NULL))
		return NULL;
	pthread_mutex_lock(&f->lock);
	text = answer(f, q, status);
	pthread_mutex_unlock(&f->lock);
	return text;
}

/* --- the agents ----------------------------------------------------------------------------- */

static json_t *producer_json(const struct fake_producer_stack *f, const struct fake_producer *p)
{
	if (!p->state)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:I, s:b, s:I, s:I, s:b}", "state", p->state, "why",
	        p->why ? p->why : "", "lease", "producer", "epoch", (json_int_t)f->lease.epoch,
	        "holds", strcmp(p->state, "producing") == 0, "signed", (json_int_t)p->signed_count,
	        "last_signed_slot", (json_int_t)p->last_slot, "paused", !p->is_resumed);
}

static json_t *slot_json(const struct fake_producer_stack *f, const struct fake_producer *p)
{
	char service[64];

	snprintf(service, sizeof(service), "s_%s", p->service);
	if (p->is_mute)
		return json_pack("{s:s, s:i, s:s, s:b}", "service", service, "slot", p->slot,
		        "task", p->task, "is_alive", 0);
	return json_pack("{s:s, s:i, s:s, s:b, s:{s:i, s:s, s:s, s:b, s:s, s:i, s:i, s:i, s:o}}",
	        "service", service, "slot", p->slot, "task", p->task, "is_alive", 1, "status",
	        "format", 1, "task", p->task, "state", "running", "ready", p->is_ready, "reason",
	        p->is_ready ? "" : "catching up", "head_block_num", 120,
	        "last_irreversible_block_num", 119, "lag_blocks", 0, "producer",
	        producer_json(f, p));
}

static char *on_agent(void *arg, const char *node_id, const char *path, const char *body)
{
	struct fake_producer_stack *f = arg;
	json_t *slots, *o;
	char *text, *fields = NULL;

	(void)body;
	if (strcmp(path, "/v1/status") != 0)
		return NULL;
	pthread_mutex_lock(&f->lock);
	slots = json_array();
	for (size_t i = 0; i < f->n; i++) {
		struct fake_producer *p = &f->v[i];

		if (strcmp(p->node, node_id) != 0)
			continue;
		/* Who produces signs a slot with each look. */
		if (p->state && strcmp(p->state, "producing") == 0) {
			p->signed_count++;
			p->last_slot++;
		}
		json_array_append_new(slots, slot_json(f, p));
	}
	pthread_mutex_unlock(&f->lock);
	o = json_pack("{s:i, s:{s:s, s:s}, s:o}", "format", 1, "node", "id", node_id, "pool",
	        fake_agent_pool(f->agent), "slots", slots);
	text = json_text(o, false);
	assert(text && asprintf(&fields, "\"status\":200,\"body\":%s", text) > 0);
	free(text);
	json_decref(o);
	return fields;
}

/* --- all of it -------------------------------------------------------------------------------- */

#define BOOT ",\"NODESWARM_BOOTSTRAP=1\""
#define ENV  ",\"NODESWARM_SIGN_KEY=/run/secrets/producer-key\",\"NODESWARM_LEASE=producer\""

void fake_producer_stack_place(struct fake_producer_stack *f)
{
	struct fake_cluster *c = &f->cluster;
	const char *pool = fake_agent_pool(f->agent);
	size_t n = 0;

	memset(c->services, 0, sizeof(c->services));
	memset(c->tasks, 0, sizeof(c->tasks));
	c->services[0] = (struct fake_cluster_service){ .name = "agent", .is_global = true };
	c->services[1] = (struct fake_cluster_service){
		.name = "producer", .pool = pool, .env = f->is_bootstrap ? ENV BOOT : ENV
	};
	c->services[2] = (struct fake_cluster_service){
		.name = "producer-standby",
		.pool = pool,
		.env = f->is_bootstrap ? ENV BOOT : ENV,
	};
	c->services[3] = (struct fake_cluster_service){
		.name = "readers", .pool = pool, .replicas = f->is_alone ? 0 : 2
	};
	for (size_t i = 0; i < f->n; i++) {
		const struct fake_producer *p = &f->v[i];

		c->services[strcmp(p->service, "producer") == 0 ? 1 : 2].replicas++;
		c->tasks[n++] = (struct fake_cluster_task){ p->task, p->service, p->node, p->slot,
			"running", "running" };
	}
	c->tasks[n++] = (struct fake_cluster_task){ "a1", "agent", "n1", 0, "running", "running" };
	c->tasks[n] = (struct fake_cluster_task){ "a2", "agent", "n2", 0, "running", "running" };
}

static void begin_lease(struct fake_producer_stack *f)
{
	struct lease_record *r = &f->lease;

	lease_record_init(r, "producer");
	r->version = 100;
	r->epoch = 7;
	r->count = 12;
	r->term_ns = LEASE_TERM_SHORT_NS;
	snprintf(r->holder, sizeof(r->holder), "s_producer.1");
	snprintf(r->place, sizeof(r->place), "pool/producer/1/boot");
	snprintf(r->nonce, sizeof(r->nonce), "%032d", 1);
	r->floor = 900;
	r->ceiling = FAKE_SLOT + 8;
	r->order_id = 3;
	lease_note_change(r, 1763765000000000000LL, "the lease was free");
	f->has_lease = true;
}

struct fake_producer_stack *fake_producer_stack_start(void)
{
	struct fake_producer_stack *f = calloc(1, sizeof(*f));

	assert(f);
	pthread_mutex_init(&f->lock, NULL);
	f->engine = fake_engine_start();
	f->agent = fake_agent_start();
	f->cluster = (struct fake_cluster){
		.nodes = { { "n1", "ready", true }, { "n2", "ready", false } },
		.first = on_engine,
		.first_arg = f,
	};
	f->v[0] = (struct fake_producer){ "t1", "producer", "n1", 1, "producing", "", true, true,
		false, 50, FAKE_SLOT };
	f->v[1] = (struct fake_producer){ "t2", "producer-standby", "n2", 1, "standby", "", true,
		false, false, 0, 0 };
	f->n = 2;
	f->taker = 1;
	begin_lease(f);
	fake_producer_stack_place(f);
	fake_agent_handler(f->agent, on_agent, f);
	fake_cluster_serve(f->engine, &f->cluster);
	return f;
}

void fake_producer_stack_stop(struct fake_producer_stack *f)
{
	fake_agent_stop(f->agent);
	fake_engine_stop(f->engine);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

const char *fake_producer_stack_host(const struct fake_producer_stack *f)
{
	return fake_engine_host(f->engine);
}

const char *fake_producer_stack_pool(const struct fake_producer_stack *f)
{
	return fake_agent_pool(f->agent);
}
