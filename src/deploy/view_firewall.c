/* The word on a host's firewall: compared with what was applied there, and with most hosts. */

#include <string.h>

#include "base/str.h"
#include "deploy/view.h"

static const json_t *firewall_of(const struct view_host *h)
{
	const json_t *f = h->slots.body ? json_object_get(h->slots.body, "firewall") : NULL;

	return json_is_object(f) ? f : NULL;
}

static bool is_saved(const struct view_host *h)
{
	return json_bool(firewall_of(h), "is_saved", false);
}

static const char *digest_of(const struct view_host *h)
{
	return json_str(firewall_of(h), "digest", "");
}

/* That of most hosts; NULL when none has any. */
static const char *usual_digest(const struct view *v)
{
	const char *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < v->nodes.n; i++) {
		size_t n = 0;

		if (!is_saved(&v->hosts[i]))
			continue;
		for (size_t k = 0; k < v->nodes.n; k++)
			n += is_saved(&v->hosts[k]) &&
			        str_eq(digest_of(&v->hosts[k]), digest_of(&v->hosts[i]));
		if (n > most) {
			most = n;
			best = digest_of(&v->hosts[i]);
		}
	}
	return best;
}

const char *view_host_firewall(const struct view *v, const struct view_host *h)
{
	const char *usual = usual_digest(v);

	if (!usual || h->state != VIEW_HOST_OK)
		return "";
	if (!firewall_of(h))
		return "unknown";
	if (!is_saved(h))
		return "missing";
	if (json_is_object(json_object_get(firewall_of(h), "error")))
		return "unknown";
	if (json_int(firewall_of(h), "n_differs", 0) > 0 || !str_eq(digest_of(h), usual))
		return "differs";
	return "ok";
}
