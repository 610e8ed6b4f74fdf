#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/num.h"
#include "base/str.h"
#include "supervise/probation.h"

PRINTF(2, 3)
static void say(char why[200], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, 200, fmt, ap);
	va_end(ap);
	/* A character that was cut in two would be no JSON. */
	str_printable(why);
}

/* --- the decision --------------------------------------------------------------------------- */

struct count {
	unsigned agree, differ, open;
	/* The best of each for the sentence; NULL: none. */
	const struct witness *agrees, *differs, *ahead;
};

static const char *class_text(enum witness_class class)
{
	static const char *const text[] = {
		[WITNESS_SLOT] = "healthy slot",
		[WITNESS_REFERENCE] = "reference",
		[WITNESS_PEER] = "peer",
	};

	return text[class];
}

static void keep_best(const struct witness **best, const struct witness *w)
{
	if (!*best || w->block_num > (*best)->block_num)
		*best = w;
}

static void add(struct count *c, const struct witness *w, uint32_t start_lib, bool is_settled)
{
	switch (w->answer) {
	case WITNESS_AGREES:
		if (w->block_num < start_lib && !is_settled) {
			c->open++;
			break;
		}
		c->agree++;
		keep_best(&c->agrees, w);
		break;
	case WITNESS_DIFFERS:
		c->differ++;
		keep_best(&c->differs, w);
		break;
	case WITNESS_UNASKED:
		keep_best(&c->ahead, w);
		c->open += !is_settled;
		break;
	case WITNESS_UNKNOWN:
		c->open += !is_settled;
		break;
	}
}

/* The digits behind the block's number tell two blocks of one height apart. */
static void say_differs(char why[200], const struct witness *w, const struct count *c)
{
	char others[64] = "";

	if (c->differ > 1 || c->agree)
		snprintf(others, sizeof(others), " (%u of %u differ)", c->differ,
		        c->differ + c->agree);
	say(why, "block %u is %.16s... here, but %.16s... at %s %.80s%s", w->block_num,
	        w->our_id + 8, w->block_id + 8, class_text(w->class), w->who, others);
}

static void say_agrees(char why[200], const struct witness *w, const struct count *c)
{
	char others[64] = "";

	if (c->agree > 1 || c->differ)
		snprintf(others, sizeof(others), " (%u of %u agree)", c->agree,
		        c->agree + c->differ);
	say(why, "block %u is the one that %s %.80s has%s", w->block_num, class_text(w->class),
	        w->who, others);
}

/* Returns whether this class decides; if not, the next one may. */
static bool class_decides(enum probation_plan *ret, char why[200], const struct count *c,
        const struct probation_facts *f)
{
	*ret = PROBATION_WAIT;
	if (c->differ > c->agree + c->open) {
		say_differs(why, c->differs, c);
		*ret = PROBATION_FAILED;
		return true;
	}
	if (c->agree > c->differ + c->open) {
		say_agrees(why, c->agrees, c);
		if (f->has_caught_up)
			*ret = PROBATION_PASSED;
		return true;
	}
	if (!c->agree && !c->differ)
		return false;
	if (c->agree == c->differ && !c->open)
		say(why,
		        "block %u is the one that %.50s has, block %u is not the one that %.50s "
		        "has, and nobody else says which is right",
		        c->agrees->block_num, c->agrees->who, c->differs->block_num,
		        c->differs->who);
	else
		say(why, "%u of %u others that were asked have the same blocks", c->agree,
		        c->agree + c->differ + c->open);
	return true;
}

static void say_alone(char why[200], const struct probation_facts *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].answer == WITNESS_UNKNOWN) {
			say(why,
			        "caught up; block %u of %.80s is older than what this slot has, "
			        "and there is nothing else to compare with",
			        f->v[i].block_num, f->v[i].who);
			return;
		}
	say(why, "caught up; there is no healthy slot, reference or peer to compare with");
}

enum probation_plan probation_decide(
        char why[200], enum witness_class *by, const struct probation_facts *f)
{
	bool is_settled = f->has_caught_up && f->quiet_ns >= PROBATION_ALONE_NS;
	const struct witness *ahead = NULL;
	enum probation_plan plan;

	*by = WITNESS_CLASSES;
	for (enum witness_class class = 0; class < WITNESS_CLASSES; class ++) {
		struct count c = { 0 };

		for (size_t i = 0; i < f->n; i++)
			if (f->v[i].class == class)
				add(&c, &f->v[i], f->start_lib, is_settled);
		if (!f->has_asked[class] && !is_settled) {
			say(why, "asking others for their last irreversible block");
			return PROBATION_WAIT;
		}
		if (class_decides(&plan, why, &c, f)) {
			*by = class;
			return plan;
		}
		if (c.open) {
			if (c.ahead)
				say(why, "waiting for block %u, which %s %.80s holds irreversible",
				        c.ahead->block_num, class_text(class), c.ahead->who);
			else
				say(why, "waiting for a later irreversible block of a %s",
				        class_text(class));
			return PROBATION_WAIT;
		}
		/* Anybody who is a peer can claim any number. */
		if (c.ahead && class != WITNESS_PEER && !ahead)
			ahead = c.ahead;
	}
	if (ahead) {
		say(why, "block %u, which %s %.80s holds irreversible, does not come here",
		        ahead->block_num, class_text(ahead->class), ahead->who);
		return PROBATION_WAIT;
	}
	if (!is_settled) {
		say(why, "nobody to compare with has answered yet");
		return PROBATION_WAIT;
	}
	say_alone(why, f);
	return PROBATION_PASSED;
}

/* --- what others say ------------------------------------------------------------------------ */

static bool is_id(const char *s, uint32_t num)
{
	char begin[9];

	snprintf(begin, sizeof(begin), "%08x", num);
	return hex_is(s, NODEOS_ID_HEX_SIZE - 1) && strncmp(s, begin, 8) == 0;
}

int witness_from_status(
        struct witness *w, const json_t *status, const char *chain_id, struct err *e)
{
	struct witness got = { .class = WITNESS_SLOT };
	int64_t num = json_int(status, "last_irreversible_block_num", 0);
	const char *id = json_str(status, "last_irreversible_block_id", "");
	const char *service = json_str(status, "service", "");
	int64_t slot = json_int(status, "slot", 0);

	if (!json_is_object(status) || !*service || slot <= 0)
		return err_set(e, ERR_PROTOCOL, "not the status of a slot");
	if (!json_bool(status, "ready", false) ||
	        !str_eq(json_str(status, "chain_id", NULL), chain_id) || num == 0)
		return 1;
	if (num < 0 || num > UINT32_MAX)
		return err_set(e, ERR_PROTOCOL,
		        "'last_irreversible_block_num' is not a number in its range");
	/* A supervisor that does not tell it yet is older than this one. */
	if (!*id)
		return 1;
	if (!is_id(id, (uint32_t)num))
		return err_set(e, ERR_PROTOCOL, "'last_irreversible_block_id' is not that of %lld",
		        (long long)num);
	got.block_num = (uint32_t)num;
	memcpy(got.block_id, id, sizeof(got.block_id));
	snprintf(got.who, sizeof(got.who), "%.80s.%lld on %.50s", service, (long long)slot,
	        json_str(status, "node", "unknown"));
	str_printable(got.who);
	*w = got;
	return 0;
}

/* Whether w's block is to be asked for instead of the one that the list has. */
static bool is_better(const struct witness *has, const struct witness *w, uint32_t start_lib)
{
	switch (has->answer) {
	case WITNESS_DIFFERS:
		return false;
	case WITNESS_AGREES:
		return has->block_num < start_lib && w->block_num > has->block_num;
	case WITNESS_UNKNOWN:
		return w->block_num > has->block_num;
	case WITNESS_UNASKED:
		/* The one that is awaited comes first; a witness that has gone back
		 * has begun anew. */
		return w->block_num < has->block_num;
	}
	return false;
}

int witness_heard(struct witness v[PROBATION_MAX], size_t *n, const struct witness *w,
        uint32_t start_lib, size_t *ret_i)
{
	size_t i, worst = *n;

	for (i = 0; i < *n; i++) {
		if (v[i].class == w->class && strcmp(v[i].who, w->who) == 0)
			break;
		if (worst == *n || v[i].class > v[worst].class)
			worst = i;
	}
	*ret_i = i;
	if (i < *n) {
		if (!is_better(&v[i], w, start_lib))
			return 0;
		v[i] = *w;
		return 1;
	}
	if (*n == PROBATION_MAX) {
		/* One of a better class is worth more than one that is there. */
		if (v[worst].class <= w->class)
			return 0;
		i = *ret_i = worst;
	} else {
		(*n)++;
	}
	v[i] = *w;
	return 1;
}

/* --- NODESWARM_REFERENCES --------------------------------------------------------------------- */

static int bad(struct err *e, const char *url, const char *why)
{
	err_set(e, ERR_USAGE, "'%.200s' is no URL of a reference: %s", url, why);
	return err_hint(e, "like https://api.example.org or http://10.0.0.5:8888");
}

static int set_port(struct reference *r, const char *text, const char *url, struct err *e)
{
	struct err ignored = ERR_INIT;
	uint64_t port;

	if (num_uint(&port, text, 1, UINT16_MAX, &ignored) < 0)
		return bad(e, url, "its port is not a number from 1 to 65535");
	r->port = (uint16_t)port;
	return 0;
}

/* authority: HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; changed. */
static int set_host(struct reference *r, char *authority, const char *url, struct err *e)
{
	char *end = authority + strcspn(authority, ":");
	const char *port;

	if (*authority == '[') {
		end = authority + 1 + strspn(authority + 1, "0123456789abcdefABCDEF:.");
		if (end == authority + 1 || *end != ']' || (end[1] && end[1] != ':'))
			return bad(e, url, "its host is not an address in brackets");
		port = end[1] ? end + 2 : NULL;
	} else {
		port = *end ? end + 1 : NULL;
		*end = '\0';
		if (!*authority ||
		        strspn(authority,
		                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
		                "UVWXYZ0123456789.-_") != strlen(authority))
			return bad(e, url, "its host is not a name or an address");
		if (strlen(authority) >= sizeof(r->host))
			return bad(e, url, "its host is too long");
		if (strspn(authority, "0123456789.") != strlen(authority))
			memcpy(r->host, authority, strlen(authority) + 1);
	}
	return port ? set_port(r, port, url, e) : 0;
}

static int reference_parse(struct reference *r, const char *url, struct err *e)
{
	char authority[sizeof(r->url)];
	const char *rest;
	size_t n = strlen(url);

	*r = (struct reference){ .port = 80 };
	if (n >= sizeof(r->url))
		return bad(e, url, "it is too long");
	if (str_starts(url, "https://", &rest))
		r->port = 443;
	else if (!str_starts(url, "http://", &rest))
		return bad(e, url, "it does not begin with http:// or https://");
	for (const char *c = url; *c; c++)
		if (!isgraph((unsigned char)*c) || strchr("?#@\"\\", *c))
			return bad(e, url, "it has a query, a fragment, a user, or odd characters");
	snprintf(authority, sizeof(authority), "%.*s", (int)strcspn(rest, "/"), rest);
	if (set_host(r, authority, url, e) < 0)
		return -1;
	memcpy(r->url, url, n + 1);
	while (r->url[n - 1] == '/')
		r->url[--n] = '\0';
	return 0;
}

int references_parse(
        struct reference ret[REFERENCES_MAX], size_t *ret_n, const char *text, struct err *e)
{
	size_t n = 0;

	for (const char *at = text + strspn(text, " \t\n"); *at; at += strspn(at, " \t\n")) {
		size_t len = strcspn(at, " \t\n");
		char url[512];

		if (n == REFERENCES_MAX)
			return err_set(e, ERR_USAGE, "more than %d references", REFERENCES_MAX);
		snprintf(url, sizeof(url), "%.*s", len < sizeof(url) ? (int)len : 511, at);
		if (reference_parse(&ret[n], url, e) < 0)
			return -1;
		n++;
		at += len;
	}
	*ret_n = n;
	return 0;
}
