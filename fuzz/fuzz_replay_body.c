/*
 * A request's first line METHOD TARGET, and behind it its body, to each of the orchestrator's
 * paths: what is taken keeps to its bounds, what is refused is refused as the client's fault.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "replay/orch_body.h"
#include "replay/orch_route.h"
#include "replay/roles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct err *e)
{
	if (e->kind != ERR_USAGE || !e->msg[0])
		abort();
}

static void check_line(const char *s, size_t max)
{
	if (strlen(s) > max || !str_is_utf8(s))
		abort();
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			abort();
}

static void check_hash(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	if (s[n] || (n && n != SLICE_HASH_SIZE - 1))
		abort();
}

static void try_old(const json_t *o)
{
	struct orch_config config;
	struct book_post post;
	struct err e = ERR_INIT, f = ERR_INIT;

	if (orch_body_post(&post, o, 77, &e) == 0) {
		if (!post.has_status || (unsigned)post.status >= JOB_STATUS_COUNT)
			abort();
		if (post.end_text)
			check_line(post.end_text, JOB_TIME_MAX - 1);
		if (post.hash)
			check_line(post.hash, SLICE_HASH_SIZE - 1);
	} else {
		check_refusal(&e);
	}
	if (orch_body_config(&config, o, &f) == 0)
		check_line(config.hash, SLICE_HASH_SIZE - 1);
	else
		check_refusal(&f);
}

static void try_complete(const json_t *o)
{
	struct orch_complete c;
	struct err e = ERR_INIT;

	if (orch_body_complete(&c, o, &e) < 0) {
		check_refusal(&e);
		return;
	}
	check_line(c.lease, JOB_LEASE_SIZE - 1);
	check_hash(c.start_hash);
	check_hash(c.end_hash);
	check_line(c.result.nodeos_version, JOB_VERSION_MAX - 1);
	if (!*c.end_hash || c.result.started_ns < 0 || c.result.ended_ns < 0)
		abort();
}

static void try_work(const json_t *o)
{
	struct orch_progress p;
	struct orch_fail fail;
	enum book_mode mode;
	const char *worker;
	struct err e[4] = { ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT };

	if (orch_body_claim(&worker, o, &e[0]) == 0)
		check_line(worker, JOB_WORKER_MAX - 1);
	else
		check_refusal(&e[0]);
	if (orch_body_progress(&p, o, &e[1]) == 0)
		check_hash(p.start_hash);
	else
		check_refusal(&e[1]);
	if (orch_body_fail(&fail, o, &e[2]) == 0) {
		check_line(fail.error, JOB_ERROR_MAX - 1);
		if (!str_is_utf8(fail.log) || strlen(fail.log) >= JOB_LOG_MAX)
			abort();
	} else {
		check_refusal(&e[2]);
	}
	if (orch_body_mode(&mode, o, &e[3]) < 0)
		check_refusal(&e[3]);
}

static void try_route(char *line)
{
	char *target = strchr(line, ' ');
	struct orch_route r;

	if (!target)
		return;
	*target++ = '\0';
	orch_route(&r, line, target);
	if (r.kind == ORCH_NOTHING ? r.status != 404 && r.status != 405 : r.status != 0)
		abort();
	if (r.status == 405 && !r.allow)
		abort();
	/* Who may change the run has shown a token for it. */
	if (r.is_json && r.need != ROLE_WORK && r.need != ROLE_CONTROL)
		abort();
	if (r.id < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *text = malloc(size + 1);
	AUTO(json) json_t *o = NULL;
	struct err e = ERR_INIT;
	char *body;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	body = memchr(text, '\n', size);
	body = body ? body + 1 : text;
	o = orch_body_parse(body, size - (size_t)(body - text), &e);
	if (o) {
		try_old(o);
		try_complete(o);
		try_work(o);
	} else {
		check_refusal(&e);
	}
	text[strcspn(text, "\n")] = '\0';
	try_route(text);
	return 0;
}
