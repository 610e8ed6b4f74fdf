/* What the supervisor would refuse, and the image. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "gate/gate.h"
#include "lint/lint_priv.h"
#include "nodeos/peers.h"
#include "nodeos/render.h"

/* The form of what the supervisor gives nodeos; the template is checked, nothing is signed. */
#define PROVIDER "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV=KEOSD:unix:///gate.sock"

/* "NAME:LINE: text", as the readers of nodeos's files have it: the text, and the line in *ret. */
static const char *cut_line(const char *msg, const char *name, unsigned *ret)
{
	char digits[12];
	const char *rest;
	struct err unused = ERR_INIT;
	uint64_t line;
	size_t n;

	*ret = 0;
	if (!str_starts(msg, name, &rest) || *rest != ':')
		return msg;
	n = strspn(rest + 1, "0123456789");
	if (!n || n >= sizeof(digits) || !str_starts(rest + 1 + n, ": ", NULL))
		return str_starts(rest, ": ", &rest) ? rest : msg;
	snprintf(digits, sizeof(digits), "%.*s", (int)n, rest + 1);
	if (num_uint(&line, digits, 1, UINT32_MAX, &unused) < 0)
		return msg;
	*ret = (unsigned)line;
	return rest + 1 + n + 2;
}

static void refused(struct lint *l, const struct subject *s, const struct stack_file *f,
        const char *name, struct err *e)
{
	struct stack_pos at = { .file = f->path };
	const char *text = cut_line(e->msg, name, &at.line);

	if (e->kind == ERR_USAGE)
		lint_say(l, LINT_CONFIG_REFUSED, s->svc, &at, "%s", text);
	else
		l->out_of_memory = true;
	err_clear(e);
}

/* The whole of it, as the supervisor does before it starts nodeos. */
static void judge_template(struct lint *l, const struct subject *s)
{
	const struct render_input in = {
		.name = LINT_CONFIG_NAME,
		.text = s->config->data,
		.len = s->config->size,
		.slot = "lint.1",
		.signature_provider = s->is_gated ? PROVIDER : NULL,
		.provider_timeout_ms = GATE_PROVIDER_TIMEOUT_MS,
	};
	AUTO(buf) struct buf ini = BUF_INIT(CONFIG_INI_TEXT_MAX);
	struct render_info info;
	struct err e = ERR_INIT;

	if (nodeos_render(&ini, &info, &in, &e) < 0)
		refused(l, s, s->config, in.name, &e);
}

/* Of nodeos by itself nobody refuses it, so that the other rules would seem to have seen it all. */
static void judge_unread(struct lint *l, const struct subject *s)
{
	struct stack_pos at = { .file = s->config->path };

	if (s->unread.kind == ERR_NONE)
		return;
	if (s->unread.kind != ERR_USAGE) {
		l->out_of_memory = true;
		return;
	}
	lint_say(l, LINT_CONFIG_UNREAD, s->svc, &at,
	        "could not be read from here on (%s), and what follows was not checked: peers, "
	        "memory, producer, finalizer and development keys",
	        cut_line(s->unread.msg, LINT_CONFIG_NAME, &at.line));
}

static void judge_peers(struct lint *l, const struct subject *s)
{
	AUTO(nodeos_peers) struct nodeos_peers peers = NODEOS_PEERS_INIT;
	struct stack_pos at = s->svc->at;
	const char *more = lint_env(s->svc, "NODESWARM_PEERS", &at);
	struct err e = ERR_INIT;

	if (s->peerlist &&
	        nodeos_peers_parse(
	                &peers, "peerlist.ini", s->peerlist->data, s->peerlist->size, &e) < 0)
		refused(l, s, s->peerlist, "peerlist.ini", &e);
	if (nodeos_peers_add_words(&peers, "NODESWARM_PEERS", more, &e) == 0)
		return;
	if (e.kind == ERR_USAGE)
		lint_say(l, LINT_CONFIG_REFUSED, s->svc, &at, "%s", e.msg);
	else
		l->out_of_memory = true;
}

/* --- image ------------------------------------------------------------------------------------ */

/* A digest or an id says what it is; else the tag must look as if it stayed where it is. */
static bool floats(const char *image, const char **ret_tag)
{
	static const char *const names[] = { "latest", "stable", "edge", "main", "master",
		"develop", "dev", "nightly", "testing" };
	const char *slash = strrchr(image, '/');
	const char *tag = strchr(slash ? slash : image, ':');

	*ret_tag = tag ? tag + 1 : "";
	if (strchr(image, '@') || str_starts(image, "sha256:", NULL))
		return false;
	if (!tag)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(tag + 1, names[i]) == 0)
			return true;
	return false;
}

static void judge_image(struct lint *l, const struct subject *s)
{
	const char *tag;

	if (!floats(s->svc->image, &tag))
		return;
	if (*tag)
		lint_say(l, LINT_IMAGE_TAG, s->svc, &s->svc->image_at,
		        "the tag ':%.60s' means another image now and then", tag);
	else
		lint_say(l, LINT_IMAGE_TAG, s->svc, &s->svc->image_at,
		        "the image '%.100s' has no tag, which means ':latest'", s->svc->image);
}

void lint_config(struct lint *l, const struct subject *s)
{
	struct stack_pos at = s->svc->at;

	judge_image(l, s);
	if (s->is_bare && s->config)
		judge_unread(l, s);
	if (!s->is_supervised)
		return;
	if (s->config)
		judge_template(l, s);
	judge_peers(l, s);
	(void)lint_env(s->svc, "NODESWARM_SIGN_KEY", &at);
	if (s->is_gated && !*lint_env(s->svc, "NODESWARM_BROKER", NULL) &&
	        !lint_has_option(s->svc, "--broker", NULL))
		lint_say(l, LINT_CONFIG_REFUSED, s->svc, &at,
		        "there is a signing key, and no NODESWARM_BROKER for its lease");
}
