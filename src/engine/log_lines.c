#include "engine/log_lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

/* One message without its prefix.  The strings lie in the message. */
struct message {
	enum engine_log_stream stream;
	int64_t time_ns;
	const char *details;
	char task_id[ENGINE_ID_SIZE], node_id[ENGINE_ID_SIZE], service_id[ENGINE_ID_SIZE];
	char *text;
	size_t len;
};

static void clear(struct log_waiting *w)
{
	free(w->details);
	w->details = NULL;
	buf_clear(&w->text);
	w->age = 0;
}

void log_lines_release(struct log_lines *l)
{
	for (size_t i = 0; i < LOG_WAITING_MAX; i++) {
		clear(&l->waiting[i]);
		buf_release(&l->waiting[i].text);
	}
}

/* The value of key in "k=v,k=v"; ids need no unescaping.  "" when absent or no id. */
static void find_id(char out[ENGINE_ID_SIZE], const char *details, const char *key)
{
	const char *p = details, *value;

	*out = '\0';
	while (*p) {
		size_t len = strcspn(p, ",");

		if (str_starts(p, key, &value) && *value == '=') {
			size_t n = len - (size_t)(value - p) - 1;

			if (n >= ENGINE_ID_SIZE)
				return;
			memcpy(out, value + 1, n);
			out[n] = '\0';
			if (!str_is_name(out, ENGINE_ID_SIZE - 1))
				*out = '\0';
			return;
		}
		p += len + (p[len] == ',');
	}
}

/* Cut the word before the first blank off the text; NULL if there is none. */
static char *cut_word(struct message *m)
{
	char *blank = memchr(m->text, ' ', m->len), *word = m->text;

	if (!blank)
		return NULL;
	*blank = '\0';
	m->len -= (size_t)(blank + 1 - m->text);
	m->text = blank + 1;
	return word;
}

static struct message take_apart(
        const struct log_lines *l, enum engine_log_stream stream, char *text, size_t n)
{
	struct message m = { .stream = stream, .text = text, .len = n, .details = "" };
	char *word;

	if (stream == ENGINE_LOG_SYSTEM)
		return m;
	if (l->timestamps && (word = cut_word(&m)) && clock_parse(&m.time_ns, word) < 0)
		m.time_ns = 0;
	word = cut_word(&m);
	if (!word)
		return m;
	find_id(m.task_id, word, "com.docker.swarm.task.id");
	find_id(m.node_id, word, "com.docker.swarm.node.id");
	find_id(m.service_id, word, "com.docker.swarm.service.id");
	if (l->details)
		m.details = word;
	return m;
}

static int emit(struct log_lines *l, struct log_waiting *w, bool is_cut)
{
	struct engine_log_line line = {
		.stream = w->stream,
		.text = w->text.data ? w->text.data : "",
		.len = w->text.len,
		.is_cut = is_cut,
		.time_ns = w->time_ns,
		.task_id = w->task_id,
		.node_id = w->node_id,
		.service_id = w->service_id,
		.details = w->details ? w->details : "",
	};
	int rc = l->fn(l->arg, &line) != 0;

	buf_clear(&w->text);
	return rc;
}

/* The waiting line that the message goes on with, or a free place; *evicted gets the oldest. */
static struct log_waiting *place_for(
        struct log_lines *l, const struct message *m, struct log_waiting **evicted)
{
	struct log_waiting *free_one = NULL, *oldest = &l->waiting[0];

	*evicted = NULL;
	for (size_t i = 0; i < LOG_WAITING_MAX; i++) {
		struct log_waiting *w = &l->waiting[i];

		if (!w->age)
			free_one = w;
		else if (w->stream == m->stream && strcmp(w->task_id, m->task_id) == 0)
			return w;
		else if (w->age < oldest->age)
			oldest = w;
	}
	if (free_one)
		return free_one;
	*evicted = oldest;
	return oldest;
}

static int begin(struct log_lines *l, struct log_waiting *w, const struct message *m, struct err *e)
{
	w->age = ++l->next_age;
	w->stream = m->stream;
	w->time_ns = m->time_ns;
	memcpy(w->task_id, m->task_id, sizeof(w->task_id));
	memcpy(w->node_id, m->node_id, sizeof(w->node_id));
	memcpy(w->service_id, m->service_id, sizeof(w->service_id));
	w->text.max = ENGINE_LOG_LINE_MAX;
	if (*m->details && !(w->details = strdup(m->details)))
		return err_nomem(e);
	return 0;
}

/* Add text without a line's end to the line, which goes out in pieces if it gets too long. */
static int add_text(
        struct log_lines *l, struct log_waiting *w, const char *text, size_t n, struct err *e)
{
	while (n) {
		size_t room = ENGINE_LOG_LINE_MAX - w->text.len, take = n < room ? n : room;

		if (!room) {
			if (emit(l, w, true))
				return 1;
			continue;
		}
		if (buf_add(&w->text, text, take) < 0)
			return err_nomem(e);
		text += take;
		n -= take;
	}
	return 0;
}

int log_lines_message(
        struct log_lines *l, enum engine_log_stream stream, char *message, size_t n, struct err *e)
{
	struct message m = take_apart(l, stream, message, n);
	struct log_waiting *w, *evicted;

	while (m.len) {
		char *nl = memchr(m.text, '\n', m.len);
		size_t len = nl ? (size_t)(nl - m.text) : m.len;
		int rc;

		w = place_for(l, &m, &evicted);
		if (evicted) {
			if (emit(l, evicted, true))
				return 1;
			clear(evicted);
		}
		if (!w->age && begin(l, w, &m, e) < 0)
			return -1;
		rc = add_text(l, w, m.text, len, e);
		if (rc)
			return rc;
		m.text += len + (nl != NULL);
		m.len -= len + (nl != NULL);
		if (nl) {
			rc = emit(l, w, false);
			clear(w);
			if (rc)
				return rc;
		}
	}
	return 0;
}

void log_lines_end(struct log_lines *l)
{
	int rc = 0;

	for (size_t i = 0; i < LOG_WAITING_MAX && rc == 0; i++) {
		if (!l->waiting[i].age)
			continue;
		rc = emit(l, &l->waiting[i], false);
		clear(&l->waiting[i]);
	}
}
