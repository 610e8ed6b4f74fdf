/*
 * Who is a chain node is told from what a service runs: a word `supervise` in its command, or the
 * variable that gives a supervisor its slot (as deploy/view.c tells it of running services), or a
 * program called nodeos.  All else follows from that and from config.ini, so a service whose image
 * hides its command is judged by the rules for any service only.
 */

#include "lint/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/suggest.h"
#include "lint/lint_priv.h"
#include "nodeos/logline.h"

#define CONFIG_PATH   "/etc/nodeswarm/config.ini"
#define PEERLIST_PATH "/etc/nodeswarm/peerlist.ini"

/* --- findings --------------------------------------------------------------------------------- */

void lint_findings_release(struct lint_findings *f)
{
	free(f->v);
	*f = LINT_FINDINGS_INIT;
}

static bool is_same_place(const struct stack_pos *a, const struct stack_pos *b)
{
	return a->line == b->line && a->column == b->column && strcmp(a->file, b->file) == 0;
}

/* A whole file's word is for what stands in it; a finding of a config's file belongs to its
 * service. */
static const char *allowed(const struct stack *st, const char *rule,
        const struct stack_service *svc, const struct stack_pos *at)
{
	const char *file = svc ? svc->at.file : at->file;

	for (size_t i = 0; svc && i < svc->allow.n; i++)
		if (strcmp(svc->allow.v[i].key, rule) == 0)
			return svc->allow.v[i].value;
	for (size_t i = 0; i < st->allow.n; i++)
		if (strcmp(st->allow.v[i].key, rule) == 0 &&
		        strcmp(st->allow.v[i].at.file, file) == 0)
			return st->allow.v[i].value;
	return NULL;
}

static size_t *count_of(struct lint_findings *all, const struct lint_finding *f)
{
	if (f->allowed)
		return &all->allowed;
	return lint_rules[f->rule].severity == LINT_ERROR ? &all->errors : &all->warnings;
}

static struct lint_finding *room(struct lint *l)
{
	struct lint_findings *f = l->found;
	struct lint_finding *v;

	if (f->n == LINT_FINDINGS_MAX) {
		f->is_cut = true;
		return NULL;
	}
	if (f->n % 64 == 0) {
		v = realloc(f->v, (f->n + 64) * sizeof(*v));
		if (!v) {
			l->out_of_memory = true;
			return NULL;
		}
		f->v = v;
	}
	return &f->v[f->n++];
}

void lint_say(struct lint *l, enum lint_rule_id rule, const struct stack_service *svc,
        const struct stack_pos *at, const char *fmt, ...)
{
	const struct lint_rule *r = &lint_rules[rule];
	const char *reason = allowed(l->st, r->name, svc, at);
	struct lint_finding *f;
	va_list ap;

	for (size_t i = 0; i < l->found->n; i++) {
		f = &l->found->v[i];
		if (f->rule == rule && svc && f->service && strcmp(f->service, svc->name) != 0 &&
		        !f->allowed == !reason && is_same_place(&f->at, at))
			return;
	}
	f = room(l);
	if (!f)
		return;
	*f = (struct lint_finding){
		.rule = rule,
		.at = *at,
		.service = svc ? svc->name : NULL,
		.allowed = reason,
	};
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	str_printable(f->text);
	/* A line that cannot be read is quoted, and may be a key that stands where none belongs. */
	(void)nodeos_redact(f->text);
	(*count_of(l->found, f))++;
}

void lint_findings_allow(struct lint_findings *f, enum lint_rule_id rule, const char *reason)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].rule != rule || f->v[i].allowed)
			continue;
		(*count_of(f, &f->v[i]))--;
		f->v[i].allowed = reason;
		f->allowed++;
	}
}

/* Stack files in the order in which they were given, and then those of configs. */
static size_t file_number(const struct stack *st, const char *file)
{
	size_t i = 0;

	while (i < st->n_files && strcmp(st->files[i], file) != 0)
		i++;
	return i;
}

static int by_place(const void *a, const void *b, void *st)
{
	const struct lint_finding *x = a, *y = b;
	size_t i = file_number(st, x->at.file), k = file_number(st, y->at.file);
	int rc = strcmp(x->at.file, y->at.file);

	if (i != k)
		return i < k ? -1 : 1;
	if (rc)
		return rc;
	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	if (x->at.column != y->at.column)
		return x->at.column < y->at.column ? -1 : 1;
	rc = (int)x->rule - (int)y->rule;
	return rc ? rc : strcmp(x->text, y->text);
}

/* --- subjects --------------------------------------------------------------------------------- */

const char *lint_env(const struct stack_service *svc, const char *key, struct stack_pos *ret_at)
{
	for (size_t i = 0; i < svc->environment.n; i++) {
		const struct stack_kv *kv = &svc->environment.v[i];

		if (strcmp(kv->key, key) != 0)
			continue;
		if (ret_at)
			*ret_at = kv->at;
		return kv->value ? kv->value : "";
	}
	return "";
}

static bool has_env(const struct stack_service *svc, const char *key)
{
	for (size_t i = 0; i < svc->environment.n; i++)
		if (strcmp(svc->environment.v[i].key, key) == 0)
			return true;
	return false;
}

const char *lint_word(const struct stack_service *svc, size_t i)
{
	if (i < svc->entrypoint.n)
		return svc->entrypoint.v[i];
	i -= svc->entrypoint.n;
	return i < svc->command.n ? svc->command.v[i] : NULL;
}

/* "nodeos", "/opt/leap/bin/nodeos", and in what a shell is to run: "exec nodeos -e". */
static bool runs_nodeos(const char *word)
{
	static const char *const names[] = { "nodeos", "nodesim" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t n = strlen(names[i]);

		for (const char *p = word; (p = strstr(p, names[i])); p += n)
			if ((p == word || strchr("/ \t;&|(", p[-1])) &&
			        (!p[n] || strchr(" \t;&|)", p[n])))
				return true;
	}
	return false;
}

static void find_kind(struct subject *s)
{
	const char *word;

	s->is_supervised = has_env(s->svc, "NODESWARM_SLOT");
	for (size_t i = 0; (word = lint_word(s->svc, i)); i++) {
		s->is_supervised = s->is_supervised || strcmp(word, "supervise") == 0;
		s->is_bare = s->is_bare || runs_nodeos(word);
	}
	s->is_bare = s->is_bare && !s->is_supervised;
}

/* The stack's file at that path of the container; of nodeos alone any of that name. */
static const struct stack_file *file_at(const struct subject *s, const char *path)
{
	const char *name = strrchr(path, '/');

	for (size_t i = 0; i < s->svc->n_configs; i++) {
		const struct stack_file_ref *ref = &s->svc->configs[i];
		const struct stack_file *f;

		if (strcmp(ref->target, path) != 0 &&
		        (s->is_supervised || !str_ends(ref->target, name)))
			continue;
		f = stack_find_config(s->st, ref->source);
		if (f && f->data)
			return f;
	}
	return NULL;
}

bool lint_has_option(const struct stack_service *svc, const char *name, const char *letter)
{
	const char *word, *rest;

	for (size_t i = 0; (word = lint_word(svc, i)); i++)
		if ((str_starts(word, name, &rest) && (!*rest || *rest == '=')) ||
		        (letter && strcmp(word, letter) == 0))
			return true;
	return false;
}

static void find_producer(struct subject *s)
{
	s->is_gated = s->is_supervised &&
	        (*lint_env(s->svc, "NODESWARM_SIGN_KEY", NULL) ||
	                lint_has_option(s->svc, "--sign-key", NULL));
	s->is_producer = s->is_gated ||
	        (is_chain_node(s) &&
	                (config_ini_get(&s->ini, "producer-name") != NULL ||
	                        (s->is_bare && lint_has_option(s->svc, "--producer-name", "-p"))));
}

static void find_networks(struct subject *s)
{
	for (size_t i = 0; i < s->svc->n_networks; i++) {
		const struct stack_network *net =
		        stack_find_network(s->st, s->svc->networks[i].name);

		if (net && net->external &&
		        strcmp(net->own_name ? net->own_name : net->name, "host") == 0)
			s->has_host_network = true;
	}
}

static int64_t tasks_of(const struct stack_service *svc)
{
	switch (svc->deploy.mode) {
	case STACK_GLOBAL:
	case STACK_GLOBAL_JOB:
		return INT64_MAX;
	case STACK_REPLICATED:
	case STACK_REPLICATED_JOB:
		break;
	}
	return svc->deploy.replicas.set ? svc->deploy.replicas.v : 1;
}

static void subject_init(struct subject *s, const struct stack *st, const struct stack_service *svc)
{
	*s = (struct subject){ .st = st, .svc = svc, .tasks = tasks_of(svc) };
	find_kind(s);
	s->config = file_at(s, CONFIG_PATH);
	s->peerlist = file_at(s, PEERLIST_PATH);
	/* What was read before a line at fault is judged; the line itself is lint_config()'s. */
	if (s->config)
		(void)!config_ini_parse(
		        &s->ini, LINT_CONFIG_NAME, s->config->data, s->config->size, &s->unread);
	find_producer(s);
	find_networks(s);
}

/* --- rules that need no subject --------------------------------------------------------------- */

static void judge_allow(
        struct lint *l, const struct stack_service *svc, const struct stack_kvs *allow)
{
	for (size_t i = 0; i < allow->n; i++) {
		struct suggest s;

		if (lint_rule_find(allow->v[i].key) != LINT_RULES)
			continue;
		suggest_start(&s, allow->v[i].key);
		for (size_t k = 0; k < LINT_RULES; k++)
			suggest_offer(&s, lint_rules[k].name);
		lint_say(l, LINT_UNKNOWN_RULE, svc, &allow->v[i].at, "there is no rule '%.60s'%s",
		        allow->v[i].key, suggest_text(&s));
	}
}

static void judge_networks(struct lint *l)
{
	for (size_t i = 0; i < l->st->n_networks; i++) {
		const struct stack_network *net = &l->st->networks[i];

		for (size_t k = 0; k < net->driver_opts.n; k++)
			if (strcmp(net->driver_opts.v[k].key, "encrypted") == 0 &&
			        !str_eq(net->driver_opts.v[k].value, "false"))
				lint_say(l, LINT_ENCRYPTED_NETWORK, NULL, &net->driver_opts.v[k].at,
				        "network '%.60s' is encrypted, which needs ESP in every "
				        "host's kernel",
				        net->name);
	}
}

/* --- all of it -------------------------------------------------------------------------------- */

static void judge(struct lint *l, const struct subject *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct subject *s = &all[i];

		judge_allow(l, s->svc, &s->svc->allow);
		lint_life(l, s);
		lint_data(l, s);
		lint_keys(l, s, all, n);
		lint_network(l, s);
		lint_config(l, s);
	}
	lint_ports(l, all, n);
	judge_allow(l, NULL, &l->st->allow);
	judge_networks(l);
}

int lint_stack(struct lint_findings *ret, const struct stack *st, struct err *e)
{
	AUTO(lint_findings) struct lint_findings found = LINT_FINDINGS_INIT;
	struct lint l = { .st = st, .found = &found };
	struct subject *all = calloc(st->n_services, sizeof(*all));

	if (!all)
		return err_nomem(e);
	for (size_t i = 0; i < st->n_services; i++)
		subject_init(&all[i], st, &st->services[i]);
	judge(&l, all, st->n_services);
	for (size_t i = 0; i < st->n_services; i++)
		config_ini_release(&all[i].ini);
	free(all);
	if (l.out_of_memory)
		return err_nomem(e);
	if (found.n > 1)
		qsort_r(found.v, found.n, sizeof(*found.v), by_place, (void *)(uintptr_t)st);
	*ret = found;
	found = LINT_FINDINGS_INIT;
	return 0;
}
