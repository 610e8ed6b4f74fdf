#include "agent/route.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

static const struct {
	const char *path;
	bool is_post;
	enum route_kind kind;
} whole[] = {
	{ "/livez", false, ROUTE_LIVEZ },
	{ "/v1/status", false, ROUTE_STATUS },
	{ "/v1/sample", true, ROUTE_SAMPLE },
	{ "/v1/slots", false, ROUTE_SLOTS },
	{ "/v1/host", false, ROUTE_HOST },
	{ "/v1/firewall", false, ROUTE_FIREWALL },
	{ "/v1/firewall/apply", true, ROUTE_FIREWALL_APPLY },
	{ "/v1/firewall/remove", true, ROUTE_FIREWALL_REMOVE },
	{ "/v1/firewall/probe", true, ROUTE_FIREWALL_PROBE },
	{ "/v1/gather", true, ROUTE_GATHER },
	{ "/v1/data", false, ROUTE_DATA },
	{ "/v1/generations", false, ROUTE_GENERATIONS },
}, of_slot[] = {
	{ "quiesce", true, ROUTE_QUIESCE },
	{ "resume", true, ROUTE_RESUME },
	{ "archive", true, ROUTE_ARCHIVE },
	{ "restore", true, ROUTE_RESTORE },
	{ "log", false, ROUTE_LOG },
};

static int refuse(struct route *r, unsigned status, struct err *e, const char *what)
{
	r->status = status;
	return err_set(e, status == 404 ? ERR_NOT_FOUND : ERR_USAGE, "%s", what);
}

static int check_method(struct route *r, const char *method, bool is_post, struct err *e)
{
	if (strcmp(method, "POST") == 0
	                ? is_post
	                : !is_post && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0))
		return 0;
	return refuse(r, 405, e, is_post ? "only POST does this" : "only GET does this");
}

/* SERVICE/SLOT/verb */
static int parse_slot(struct route *r, const char *method, const char *rest, struct err *e)
{
	const char *slash = strchr(rest, '/'), *verb = slash ? strchr(slash + 1, '/') : NULL;
	struct err ignored = ERR_INIT;
	char number[16];

	if (!verb || slash - rest > SLOT_SERVICE_MAX || verb - slash > (long)sizeof(number))
		return refuse(r, 404, e, "there is no such path");
	(void)snprintf(r->service, sizeof(r->service), "%.*s", (int)(slash - rest), rest);
	(void)snprintf(number, sizeof(number), "%.*s", (int)(verb - slash - 1), slash + 1);
	if (!str_is_name(r->service, SLOT_SERVICE_MAX) ||
	        num_uint(&r->slot, number, 1, SLOT_NUMBER_MAX, &ignored) < 0)
		return refuse(r, 404, e, "that is not SERVICE/SLOT");
	for (size_t i = 0; i < ARRAY_LEN(of_slot); i++)
		if (strcmp(of_slot[i].path, verb + 1) == 0) {
			r->kind = of_slot[i].kind;
			return check_method(r, method, of_slot[i].is_post, e);
		}
	return refuse(r, 404, e, "a slot has quiesce, resume, archive, restore and log");
}

/* verb */
static int parse_verb(struct route *r, const char *method, const char *rest, struct err *e)
{
	r->kind = ROUTE_VERB;
	if (!str_is_name(rest, ROUTE_VERB_MAX))
		return refuse(r, 404, e, "there is no such operation");
	(void)snprintf(r->verb, sizeof(r->verb), "%s", rest);
	return check_method(r, method, true, e);
}

/* The word before the next '/'; *rest is what follows, "" at the end.  Too long a word is "". */
static void take_word(char *out, size_t size, const char **rest)
{
	size_t n = strcspn(*rest, "/");

	(void)snprintf(out, size, "%.*s", n < size ? (int)n : 0, *rest);
	*rest += n;
	*rest += **rest == '/';
}

/* NAME, NAME/files/N or NAME/files/N/map */
static int parse_generation(struct route *r, const char *method, const char *path, struct err *e)
{
	const char *rest = path;
	struct err ignored = ERR_INIT;
	char word[16], number[16];
	uint64_t n;

	r->kind = ROUTE_GENERATION;
	take_word(r->name, sizeof(r->name), &rest);
	if (!str_is_name(r->name, sizeof(r->name) - 1))
		return refuse(r, 404, e, "that is not the name of a generation");
	if (!strchr(path, '/'))
		return check_method(r, method, false, e);
	take_word(word, sizeof(word), &rest);
	take_word(number, sizeof(number), &rest);
	if (strcmp(word, "files") != 0 ||
	        num_uint(&n, number, 0, TREE_FILES_MAX - 1, &ignored) < 0 ||
	        (*rest && strcmp(rest, "map") != 0) || (!*rest && str_ends(path, "/")))
		return refuse(r, 404, e, "a generation has files/N and files/N/map");
	r->file = (size_t)n;
	r->kind = *rest ? ROUTE_MAP : ROUTE_FILE;
	return check_method(r, method, false, e);
}

static int parse_number(struct route *r, uint64_t *ret, const char *what, const char *text,
        uint64_t min, uint64_t max, bool is_known, struct err *e)
{
	if (!text)
		return 0;
	if (!is_known)
		return refuse(r, 400, e, "this path has no such argument");
	if (num_uint(ret, text, min, max, e) < 0) {
		r->status = 400;
		return err_wrap(e, "%s", what);
	}
	return 0;
}

static int parse_query(struct route *r, const struct route_query *q, struct err *e)
{
	bool is_file = r->kind == ROUTE_FILE;
	uint64_t tail = ROUTE_TAIL_DEFAULT, length = ROUTE_LENGTH_MAX;

	if (parse_number(r, &tail, "tail", q->tail, 0, ROUTE_TAIL_MAX, r->kind == ROUTE_LOG, e) <
	                0 ||
	        parse_number(r, &r->offset, "offset", q->offset, 0, INT64_MAX,
	                is_file || r->kind == ROUTE_MAP, e) < 0 ||
	        parse_number(r, &length, "length", q->length, 1, ROUTE_LENGTH_MAX, is_file, e) < 0)
		return -1;
	r->tail = (unsigned)tail;
	r->length = is_file ? (uint32_t)length : 0;
	return 0;
}

static int parse_path(struct route *r, const char *method, const char *path, struct err *e)
{
	const char *rest;

	for (size_t i = 0; i < ARRAY_LEN(whole); i++)
		if (strcmp(whole[i].path, path) == 0) {
			r->kind = whole[i].kind;
			return check_method(r, method, whole[i].is_post, e);
		}
	if (str_starts(path, "/v1/slots/", &rest))
		return parse_slot(r, method, rest, e);
	if (str_starts(path, "/v1/data/", &rest))
		return parse_verb(r, method, rest, e);
	if (str_starts(path, "/v1/generations/", &rest))
		return parse_generation(r, method, rest, e);
	return refuse(r, 404, e, "there is no such path");
}

int route_parse(struct route *r, const char *method, const char *path, const struct route_query *q,
        struct err *e)
{
	*r = (struct route){ 0 };
	if (strlen(path) > ROUTE_PATH_MAX)
		return refuse(r, 404, e, "the path is too long");
	return parse_path(r, method, path, e) < 0 ? -1 : parse_query(r, q, e);
}

/* "offset=5&length=3": each at most once. */
static int split_query(struct route_query *q, char *text)
{
	struct {
		const char *name;
		const char **to;
	} known[] = { { "tail=", &q->tail }, { "offset=", &q->offset }, { "length=", &q->length } };
	char *next = text;

	while (next) {
		char *arg = strsep(&next, "&");
		size_t i = 0;

		while (i < ARRAY_LEN(known) && !str_starts(arg, known[i].name, NULL))
			i++;
		if (i == ARRAY_LEN(known) || *known[i].to)
			return -1;
		(void)str_starts(arg, known[i].name, known[i].to);
	}
	return 0;
}

int route_parse_target(struct route *r, const char *method, const char *target, struct err *e)
{
	char text[ROUTE_PATH_MAX + 1], *query;
	struct route_query q = { 0 };

	*r = (struct route){ 0 };
	if (strlen(target) > ROUTE_PATH_MAX)
		return refuse(r, 404, e, "the path is too long");
	(void)snprintf(text, sizeof(text), "%s", target);
	query = strchr(text, '?');
	if (query)
		*query++ = '\0';
	if (query && split_query(&q, query) < 0)
		return refuse(
		        r, 400, e, "all there is to ask with is 'tail', 'offset' and 'length'");
	return route_parse(r, method, text, &q, e);
}
