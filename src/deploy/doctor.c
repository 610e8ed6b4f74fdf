#include "deploy/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "deploy/doctor_priv.h"
#include "deploy/spec.h"

void doctor_report_release(struct doctor_report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].host);
		free(r->v[i].found);
		free(r->v[i].advice);
	}
	free(r->v);
	*r = DOCTOR_REPORT_INIT;
}

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[DOCTOR_LEVELS] = { "ok", "note", "warning", "problem" };

	return level < DOCTOR_LEVELS ? names[level] : "?";
}

static void add(struct doctor *d, const char *host, enum doctor_level level, const char *advice,
        char *found_take)
{
	struct doctor_report *r = d->report;
	struct doctor_line *v = realloc(r->v, (r->n + 1) * sizeof(*v));
	struct doctor_line line = {
		.level = level,
		.check = d->check,
		.host = strdup(host),
		.found = found_take,
		.advice = strdup(advice ? advice : ""),
	};

	if (v)
		r->v = v;
	if (!v || !line.host || !line.found || !line.advice) {
		free(line.host);
		free(line.found);
		free(line.advice);
		d->is_out_of_memory = true;
		return;
	}
	/* Names and messages of other hosts are in there. */
	str_printable(line.host);
	str_printable(line.found);
	str_printable(line.advice);
	r->v[r->n++] = line;
	r->count[level]++;
}

void doctor_say(struct doctor *d, enum doctor_level level, const char *advice, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add(d, json_str(d->host, "name", ""), level, advice, strdup(text));
}

void doctor_say_of(struct doctor *d, const char *host, enum doctor_level level, const char *advice,
        const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add(d, host, level, advice, strdup(text));
}

bool doctor_is_in_swarm(const struct doctor *d)
{
	return str_eq(json_str(d->facts, "engine.info.Swarm.LocalNodeState", ""), "active");
}

bool doctor_is_manager(const struct doctor *d)
{
	return doctor_is_in_swarm(d) &&
	        json_bool(d->facts, "engine.info.Swarm.ControlAvailable", false);
}

bool doctor_is_of_stack(const struct doctor *d, const json_t *service)
{
	const json_t *label = json_object_get(json_at(service, "Spec.Labels"), SPEC_LABEL_STACK);

	return str_eq(json_string_value(label), json_str(d->facts, "stack", ""));
}

void doctor_list(char *list, size_t size, const char *name)
{
	size_t n = strlen(list);

	if (n >= 3 && strcmp(list + n - 3, "...") == 0)
		return;
	if (n + strlen(name) + sizeof(", ...") < size)
		snprintf(list + n, size - n, "%s%s", n ? ", " : "", name);
	else if (n + sizeof(", ...") <= size)
		snprintf(list + n, size - n, "%s...", n ? ", " : "");
}

static void apply(struct doctor *d, const struct doctor_rule *rule)
{
	const json_t *hosts = json_object_get(d->facts, "hosts");

	d->check = rule->check;
	if (!rule->is_per_host) {
		rule->judge(d);
		return;
	}
	for (size_t i = 0; i < json_array_size(hosts); i++) {
		d->host = json_array_get(hosts, i);
		d->hf = json_object_get(d->host, "facts");
		if (json_is_object(d->hf))
			rule->judge(d);
	}
	d->host = d->hf = NULL;
}

int doctor_judge(struct doctor_report *ret, const json_t *facts, struct err *e)
{
	static const struct doctor_rule *const tables[] = {
		doctor_swarm_rules,
		doctor_network_rules,
		doctor_firewall_rules,
		doctor_host_rules,
	};
	AUTO(doctor_report) struct doctor_report r = DOCTOR_REPORT_INIT;
	struct doctor d = { .facts = facts, .report = &r };

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct doctor_rule *rule = tables[i]; rule->check; rule++)
			apply(&d, rule);
	if (d.is_out_of_memory)
		return err_nomem(e);
	*ret = r;
	r = DOCTOR_REPORT_INIT;
	return 0;
}
