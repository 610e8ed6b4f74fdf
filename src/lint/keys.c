/*
 * Producers and keys.  A private key is found as nodeos_redact() finds it in a log, by its form;
 * a variable that may be a secret only by its name.  Nothing of either is ever printed.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/str.h"
#include "lint/lint_priv.h"
#include "nodeos/logline.h"

/*
 * SHA-256 of the private key of EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV, in the forms
 * of the world.  Not the key: who searches an image for keys must find none.
 */
static const char *const development_keys[] = {
	"afbba580d405d29c26831a9ec711b0ce55f72fca1a6040dc074de473c99405ca", /* 5K... */
	"a00a7c030acbd4ac969a27756c223f70b1cb0d3e4573798327c06a44945e096e", /* PVT_K1_... */
};

#define KEY_MIN   40 /* the shortest has 51 characters */
#define KEY_CHARS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
/* Those of finalizers have "-", too. */
#define WORD_CHARS KEY_CHARS "-"

/* The first one in text, and its length; NULL if there is none. */
static const char *find_development_key(const char *text, size_t *ret_n)
{
	char hex[SHA256_HEX_SIZE];

	for (text += strcspn(text, KEY_CHARS); *text; text += strcspn(text, KEY_CHARS)) {
		*ret_n = strspn(text, KEY_CHARS);
		sha256_hex(hex, text, *ret_n);
		for (size_t i = 0; i < ARRAY_LEN(development_keys); i++)
			if (strcmp(hex, development_keys[i]) == 0)
				return text;
		text += *ret_n;
	}
	return NULL;
}

static bool has_key(struct lint *l, const char *text)
{
	AUTO(free) char *copy = strdup(text);
	const char *key;
	size_t n;

	if (!copy) {
		l->out_of_memory = true;
		return false;
	}
	/* Which is no secret. */
	while ((key = find_development_key(copy, &n)))
		memmove(copy + (key - copy), key + n, strlen(key + n) + 1);
	return nodeos_redact(copy) > 0;
}

static bool has_development_key(const char *text)
{
	size_t n;

	return find_development_key(text, &n);
}

/* --- environment ------------------------------------------------------------------------------ */

static bool is_word_of(const char *name, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = name; *p; p += strcspn(p, "_"), p += *p == '_')
		if (strcspn(p, "_") == n && strncasecmp(p, word, n) == 0)
			return true;
	return false;
}

static bool sounds_secret(const char *name)
{
	static const char *const words[] = { "APIKEY", "CREDENTIAL", "CREDENTIALS", "PASSPHRASE",
		"PASSWD", "PASSWORD", "PRIVATE", "SECRET", "TOKEN", "WIF" };
	const char *last = strrchr(name, '_');

	if (is_word_of(name, "PUBLIC") || is_word_of(name, "FILE") || is_word_of(name, "PATH"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (is_word_of(name, words[i]))
			return true;
	return strcasecmp(last ? last + 1 : name, "KEY") == 0;
}

/* The path of a file, or nothing, is no secret; nor are switches and what Swarm fills in. */
static bool may_be_secret(const char *value)
{
	return *value && *value != '/' && !str_starts(value, "{{", NULL) && strlen(value) > 5;
}

static void judge_kvs(struct lint *l, const struct subject *s, const struct stack_kvs *kvs,
        const char *what, bool by_name)
{
	for (size_t i = 0; i < kvs->n; i++) {
		const struct stack_kv *kv = &kvs->v[i];
		const char *value = kv->value ? kv->value : "";

		if (has_key(l, value))
			lint_say(l, LINT_KEY_IN_ENV, s->svc, &kv->at,
			        "%s '%.100s' has a private key in it", what, kv->key);
		else if (by_name && sounds_secret(kv->key) && may_be_secret(value))
			lint_say(l, LINT_SECRET_IN_ENV, s->svc, &kv->at,
			        "the variable '%.100s' has a value, which whoever asks the engine "
			        "can read",
			        kv->key);
	}
}

static void judge_words(struct lint *l, const struct subject *s)
{
	const char *word;

	for (size_t i = 0; (word = lint_word(s->svc, i)); i++)
		if (has_key(l, word)) {
			lint_say(l, LINT_KEY_IN_ENV, s->svc, &s->svc->command_at,
			        "its command line has a private key in it");
			return;
		}
}

/* --- config.ini ------------------------------------------------------------------------------- */

static void judge_config(struct lint *l, const struct subject *s)
{
	for (const struct config_entry *x = NULL; (x = config_ini_each(&s->ini, NULL, x));) {
		const struct stack_pos at = { .file = s->config->path, .line = x->line };
		bool is_provider = strcmp(x->key, "signature-provider") == 0;

		if (is_provider && str_starts(x->value, "PUB_BLS_", NULL))
			lint_say(l, LINT_FINALIZER_KEY, s->svc, &at,
			        "a finalizer's key: only the slot that claims it runs");
		else if (has_development_key(x->value))
			lint_say(l, LINT_DEVELOPMENT_KEY, s->svc, &at,
			        "'%.60s' is the development key, which is public", x->key);
		else if (has_key(l, x->value))
			lint_say(l, LINT_KEY_IN_CONFIG, s->svc, &at,
			        "'%.60s' has a private key in it, and a config is no secret",
			        x->key);
	}
}

static bool is_read(const struct subject *s, const struct stack_file *f, unsigned line)
{
	if (f != s->config)
		return false;
	for (const struct config_entry *x = NULL; (x = config_ini_each(&s->ini, NULL, x));)
		if (x->line == line)
			return true;
	return false;
}

/* Each word by itself, and only whole ones: comments have such as "EOS6MRy...=KEY:PVT_K1_...". */
static bool has_whole_key(struct lint *l, const char *text)
{
	size_t n;

	for (; *text; text += n) {
		AUTO(free) char *word = NULL;

		text += strcspn(text, WORD_CHARS);
		n = strspn(text, WORD_CHARS);
		if (n < KEY_MIN)
			continue;
		word = strndup(text, n);
		if (!word)
			l->out_of_memory = true;
		else if (has_key(l, word))
			return true;
	}
	return false;
}

/* The lines that judge_config() has not seen: comments, those behind one at fault. */
static void judge_lines(struct lint *l, const struct subject *s, const struct stack_file *f)
{
	struct stack_pos at = { .file = f->path };
	const char *p = f->data, *end = p + f->size, *stop;

	for (; p < end; p = stop + 1) {
		AUTO(free) char *line = NULL;

		stop = memchr(p, '\n', (size_t)(end - p));
		if (!stop)
			stop = end;
		at.line++;
		line = strndup(p, (size_t)(stop - p));
		if (!line) {
			l->out_of_memory = true;
			return;
		}
		if (!is_read(s, f, at.line) && has_whole_key(l, line))
			lint_say(l, LINT_KEY_IN_CONFIG, s->svc, &at,
			        "the line has a private key in it, and a config is no secret");
	}
}

static void judge_configs(struct lint *l, const struct subject *s)
{
	judge_config(l, s);
	for (size_t i = 0; i < s->svc->n_configs; i++) {
		const struct stack_file *f = stack_find_config(s->st, s->svc->configs[i].source);

		if (f && f->data)
			judge_lines(l, s, f);
	}
}

/* --- producers -------------------------------------------------------------------------------- */

/* Whether nodeos itself has the key, and so signs whenever it runs. */
static bool signs_alone(const struct subject *s)
{
	return s->is_producer && !s->is_gated && s->tasks > 0;
}

/* The public key that both sign with, NULL if there is none. */
static const char *shared_key(const struct subject *a, const struct subject *b, size_t *ret_n)
{
	static const char key[] = "signature-provider";

	for (const struct config_entry *x = NULL; (x = config_ini_each(&a->ini, key, x));) {
		size_t n = strcspn(x->value, "=");

		for (const struct config_entry *y = NULL; (y = config_ini_each(&b->ini, key, y));)
			if (n && strcspn(y->value, "=") == n &&
			        strncmp(x->value, y->value, n) == 0) {
				*ret_n = n;
				return x->value;
			}
	}
	return NULL;
}

static void judge_doubled(
        struct lint *l, const struct subject *s, const struct subject *all, size_t n)
{
	const char *key;
	size_t len;

	if (s->tasks == INT64_MAX)
		lint_say(l, LINT_PRODUCER_DOUBLED, s->svc, &s->svc->deploy.at,
		        "a producer without a lease runs on every host");
	else if (s->tasks > 1)
		lint_say(l, LINT_PRODUCER_DOUBLED, s->svc, &s->svc->deploy.at,
		        "a producer without a lease has %lld replicas", (long long)s->tasks);
	for (const struct subject *o = all; o < all + n; o++) {
		if (o >= s || !signs_alone(o))
			continue;
		key = shared_key(s, o, &len);
		if (key)
			lint_say(l, LINT_PRODUCER_DOUBLED, s->svc, &s->svc->at,
			        "signs with the key %.*s without a lease, and service '%s' does, "
			        "too",
			        len > 60 ? 60 : (int)len, key, o->svc->name);
	}
}

static void judge_producer(
        struct lint *l, const struct subject *s, const struct subject *all, size_t n)
{
	for (size_t i = 0; i < s->svc->n_ports; i++)
		lint_say(l, LINT_PRODUCER_PUBLISHED, s->svc, &s->svc->ports[i].at,
		        "is a producer and publishes its port %u",
		        (unsigned)s->svc->ports[i].target);
	if (s->has_host_network)
		lint_say(l, LINT_PRODUCER_PUBLISHED, s->svc, &s->svc->at,
		        "is a producer and listens on its host's own network");
	if (!signs_alone(s))
		return;
	judge_doubled(l, s, all, n);
	lint_say(l, LINT_PRODUCER_UNGATED, s->svc, &s->svc->at,
	        "is a producer without a lease: two of its containers would both sign");
}

void lint_keys(struct lint *l, const struct subject *s, const struct subject *all, size_t n)
{
	judge_kvs(l, s, &s->svc->environment, "the variable", true);
	judge_kvs(l, s, &s->svc->labels, "the label", false);
	judge_kvs(l, s, &s->svc->deploy.labels, "the label", false);
	judge_words(l, s);
	judge_configs(l, s);
	if (s->is_producer)
		judge_producer(l, s, all, n);
}
