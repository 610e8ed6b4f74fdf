#include "agent/firewall_state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/strvec.h"
#include "firewall/host.h"

#define LINES_MAX 100
#define SAVED     "firewall.json"

bool firewall_state_is_saved(int pool_fd)
{
	return faccessat(pool_fd, SAVED, F_OK, 0) == 0;
}

static json_int_t saved_ns(int pool_fd)
{
	struct stat st;

	if (fstatat(pool_fd, SAVED, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (json_int_t)st.st_mtim.tv_sec * NS_PER_SEC + st.st_mtim.tv_nsec;
}

/* --- the host ------------------------------------------------------------------------------- */

static bool is_present(const struct firewall_host *h)
{
	return h->present[0].chains.n || h->present[1].chains.n;
}

/* What is there though nothing was applied. */
static int leftovers(struct strvec *lines, const struct firewall_host *h, struct err *e)
{
	const struct firewall_present *const parts[] = { &h->present[0], &h->present[1],
		&h->stale[0], &h->stale[1] };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (size_t k = 0; k < parts[i]->chains.n; k++)
			if (strvec_add_fmt(lines, "%s: chain %s is there, and nothing was applied",
			            i % 2 ? "IPv6" : "IPv4", parts[i]->chains.v[k]) < 0)
				return err_nomem(e);
	return 0;
}

/* m NULL: nothing was applied. */
static int look(json_t *o, const struct firewall_model *m, struct err *e)
{
	AUTO(firewall_host) struct firewall_host h = { 0 };
	AUTO(strvec) struct strvec lines = STRVEC_INIT;
	AUTO(json) json_t *list = json_array();

	if (firewall_host_read(&h, e) < 0 ||
	        (m ? firewall_host_diff(&lines, &h, m, e) : leftovers(&lines, &h, e)) < 0)
		return -1;
	for (size_t i = 0; i < lines.n && i < LINES_MAX; i++)
		if (json_array_append_new(list, json_string(lines.v[i])) < 0)
			return err_nomem(e);
	if (json_object_set(o, "differs", list) < 0 ||
	        json_object_set_new(o, "n_differs", json_integer((json_int_t)lines.n)) < 0 ||
	        json_object_set_new(o, "backend", json_string(h.backend)) < 0 ||
	        json_object_set_new(o, "has_v6", json_boolean(h.has_v6)) < 0 ||
	        json_object_set_new(o, "is_present", json_boolean(is_present(&h))) < 0)
		return err_nomem(e);
	return 0;
}

/* 0 with a model, 1 without. */
static int read_saved(json_t *o, struct firewall_model *m, int pool_fd, struct err *e)
{
	char digest[FIREWALL_DIGEST_SIZE];
	json_t *model;

	if (firewall_saved_read(pool_fd, m, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		return 1;
	}
	firewall_model_digest(m, digest);
	model = firewall_model_json(m, e);
	if (!model)
		return -1;
	if (json_object_set_new(o, "model", model) < 0 ||
	        json_object_set_new(o, "digest", json_string(digest)) < 0)
		return err_nomem(e);
	return 0;
}

json_t *firewall_state(int pool_fd)
{
	AUTO(free) struct firewall_model *m = calloc(1, sizeof(*m));
	AUTO(json)
	json_t *o = json_pack("{s:b, s:s, s:I, s:n, s:b, s:s, s:b, s:[], s:i, s:n}", "is_saved",
	        firewall_state_is_saved(pool_fd), "digest", "", "saved_ns", saved_ns(pool_fd),
	        "model", "is_present", false, "backend", "", "has_v6", false, "differs",
	        "n_differs", 0, "error");
	struct err e = ERR_INIT;
	int rc;

	if (!m || !o)
		return NULL;
	rc = read_saved(o, m, pool_fd, &e);
	/* A model that cannot be read is the first thing to be said. */
	if (rc >= 0)
		rc = look(o, rc == 0 ? m : NULL, &e);
	if (rc < 0 && json_object_set_new(o, "error", json_of_err(&e)) < 0)
		return NULL;
	return TAKE(o);
}
