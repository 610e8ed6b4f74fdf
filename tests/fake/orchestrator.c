#include "fake/orchestrator.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

static struct fake_orchestrator *current;

static int verb_of(const char *request)
{
	static const char *const words[FAKE_VERBS] = { "/v1/claim ", "/progress ", "/complete ",
		"/fail ", "/release " };

	for (int i = 0; i < FAKE_VERBS; i++) {
		const char *at = strstr(request, words[i]);

		if (at && at < strchr(request, '\r'))
			return i;
	}
	return -1;
}

static void keep_body(struct fake_orchestrator *o, int verb, const char *request)
{
	const char *body = strstr(request, "\r\n\r\n") + 4;
	struct err e = ERR_INIT;
	json_t *j = json_parse_object(body, strlen(body), "the request", &e);

	(void)pthread_mutex_lock(&o->mutex);
	json_decref(o->body[verb]);
	o->body[verb] = j;
	(void)pthread_mutex_unlock(&o->mutex);
}

static char *answer(struct fake_orchestrator *o, int verb)
{
	switch (verb) {
	case FAKE_CLAIM:
		if (o->jobs > 0) {
			AUTO(free) char *job = NULL;

			o->jobs--;
			(void)pthread_mutex_lock(&o->mutex);
			job = strdup(o->job);
			(void)pthread_mutex_unlock(&o->mutex);
			return str_fmt(
			        "{\"format\":1,\"job\":%s,\"lease\":"
			        "\"0123456789abcdef0123456789abcdef\",\"term_seconds\":%" PRId64
			        ",\"try\":1}",
			        job, o->seconds ? o->seconds : 30);
		}
		return str_fmt("{\"format\":1,\"job\":null,\"why\":\"%s\",\"mode\":\"running\","
		               "\"retry_seconds\":%" PRId64 "}",
		        o->is_done ? "all done" : "all claimed", o->seconds ? o->seconds : 1);
	case FAKE_PROGRESS:
		return str_fmt("{\"format\":1,\"term_seconds\":30,\"let_go\":%s}",
		        o->let_go ? "true" : "false");
	default:
		return str_fmt("{\"format\":1,\"job\":{\"status\":\"%s\"}}",
		        o->is_mismatch ? "HASH_MISMATCH" : "COMPLETE");
	}
}

static void serve(struct raw_server *s, int fd, int count)
{
	struct fake_orchestrator *o = current;
	AUTO(free) char *body = NULL;
	AUTO(free) char *text = NULL;
	int verb, status;

	(void)count;
	if (raw_read(s, fd) < 0)
		return;
	verb = verb_of(s->request);
	status = verb < 0 ? 404 : o->answer[verb];
	if (verb >= 0) {
		keep_body(o, verb, s->request);
		if (verb == FAKE_CLAIM && !o->calls[FAKE_CLAIM])
			o->completes_before_claim = o->calls[FAKE_COMPLETE];
		o->calls[verb]++;
	}
	body = status ? str_fmt("{\"format\":1,\"error\":{\"kind\":\"x\",\"message\":\"no\"}}")
	              : answer(o, verb);
	text = str_fmt("HTTP/1.1 %d X\r\nConnection: close\r\nContent-Type: "
	               "application/json\r\nContent-Length: %zu\r\n\r\n%s",
	        status ? status : 200, strlen(body), body);
	raw_say(fd, text);
}

int fake_orchestrator_start(struct fake_orchestrator *o)
{
	memset(o, 0, sizeof(*o));
	(void)pthread_mutex_init(&o->mutex, NULL);
	current = o;
	return raw_server_start(&o->server, NULL, serve);
}

void fake_orchestrator_stop(struct fake_orchestrator *o)
{
	raw_server_stop(&o->server);
	for (int i = 0; i < FAKE_VERBS; i++)
		json_decref(o->body[i]);
	(void)pthread_mutex_destroy(&o->mutex);
}

void fake_orchestrator_job(struct fake_orchestrator *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)pthread_mutex_lock(&o->mutex);
	(void)vsnprintf(o->job, sizeof(o->job), fmt, ap);
	(void)pthread_mutex_unlock(&o->mutex);
	va_end(ap);
}

json_t *fake_orchestrator_body(struct fake_orchestrator *o, enum fake_verb verb)
{
	json_t *j;

	(void)pthread_mutex_lock(&o->mutex);
	j = json_deep_copy(o->body[verb]);
	(void)pthread_mutex_unlock(&o->mutex);
	return j;
}
