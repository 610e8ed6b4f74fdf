#include "agent/firewall_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/firewall_request.h"
#include "base/fs.h"
#include "control/control.h"
#include "firewall/admit.h"
#include "firewall/host.h"

#define LINES_MAX 100
#define SAVED     "firewall.json"
#define FORMAT    1

bool firewall_state_is_saved(int pool_fd)
{
	return faccessat(pool_fd, SAVED, F_OK, 0) == 0;
}

int firewall_state_keep(int pool_fd, const char *additions, int64_t stamp_ns, struct err *e)
{
	AUTO(json)
	json_t *j = json_pack("{s:i, s:I, s:s}", "format", FORMAT, "stamp_ns", (json_int_t)stamp_ns,
	        "additions", additions);
	AUTO(free) char *text = j ? json_text(j, true) : NULL;

	if (!text)
		return err_nomem(e);
	return fs_write_at(pool_fd, FIREWALL_ADDITIONS, text, strlen(text), 0600, e);
}

int firewall_state_forget(int pool_fd, struct err *e)
{
	if (unlinkat(pool_fd, FIREWALL_ADDITIONS, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s'", FIREWALL_ADDITIONS);
	return 0;
}

/* What was kept; an empty object when there is nothing, or nothing that can be read. */
static json_t *kept(int pool_fd)
{
	AUTO(buf) struct buf b = BUF_INIT(FIREWALL_ADDITIONS_MAX * 7);
	struct err ignored = ERR_INIT;
	json_t *j = NULL;

	if (fs_read_at(pool_fd, FIREWALL_ADDITIONS, &b, &ignored) == 0)
		j = json_parse_object(b.data, b.len, FIREWALL_ADDITIONS, &ignored);
	return j ? j : json_object();
}

static json_t *nodes_json(const struct firewall_model *m)
{
	json_t *list = json_array();
	char text[INET6_ADDRSTRLEN];

	for (unsigned i = 0; i < m->n_nodes; i++)
		if (json_array_append_new(
		            list, json_string(firewall_address_text(&m->nodes[i], text))) < 0)
			break;
	return list;
}

/* --- the host ------------------------------------------------------------------------------- */

static bool is_present(const struct firewall_host *h)
{
	return h->present[0].chains.n || h->present[1].chains.n;
}

/* The lines of one family, "IPv6: missing: ...". */
static int add_lines(json_t *list, size_t *n, const struct firewall_host *h,
        const struct firewall_model *m, int family, struct err *e)
{
	const struct firewall_present *p = &h->present[family == AF_INET6];
	AUTO(strvec) struct strvec lines = STRVEC_INIT;

	if (firewall_diff(&lines, p, m, family, e) < 0)
		return -1;
	for (size_t i = 0; i < lines.n; i++, ++*n)
		if (*n < LINES_MAX &&
		        json_array_append_new(list,
		                json_sprintf("%s: %s", family == AF_INET ? "IPv4" : "IPv6",
		                        lines.v[i])) < 0)
			return err_nomem(e);
	return 0;
}

static int add_leftovers(json_t *list, size_t *n, const struct firewall_host *h, struct err *e)
{
	for (int f = 0; f < 2; f++)
		for (size_t i = 0; i < h->present[f].chains.n; i++, ++*n)
			if (*n < LINES_MAX &&
			        json_array_append_new(list,
			                json_sprintf("%s: chain %s, though nothing was applied",
			                        f ? "IPv6" : "IPv4", h->present[f].chains.v[i])) <
			                0)
				return err_nomem(e);
	return 0;
}

/* m NULL: nothing was applied. */
static int look(json_t *o, const struct firewall_model *m, struct err *e)
{
	struct firewall_host h = { 0 };
	AUTO(json) json_t *list = json_array();
	size_t n = 0;
	int rc;

	if (firewall_host_read(&h, e) < 0)
		return -1;
	if (!m)
		rc = add_leftovers(list, &n, &h, e);
	else
		rc = add_lines(list, &n, &h, m, AF_INET, e) < 0 ||
		                (h.has_v6 && add_lines(list, &n, &h, m, AF_INET6, e) < 0)
		        ? -1
		        : 0;
	if (rc == 0 &&
	        (json_object_set(o, "differs", list) < 0 ||
	                json_object_set_new(o, "n_differs", json_integer((json_int_t)n)) < 0 ||
	                json_object_set_new(o, "backend", json_string(h.backend)) < 0 ||
	                json_object_set_new(o, "has_v6", json_boolean(h.has_v6)) < 0 ||
	                json_object_set_new(o, "is_present", json_boolean(is_present(&h))) < 0))
		rc = err_nomem(e);
	firewall_host_release(&h);
	return rc;
}

json_t *firewall_state(int pool_fd)
{
	AUTO(free) struct firewall_model *m = calloc(1, sizeof(*m));
	AUTO(json) json_t *o = NULL, *more = kept(pool_fd);
	char digest[FIREWALL_DIGEST_SIZE] = "";
	struct err e = ERR_INIT;
	bool is_saved = false;

	if (!m)
		return NULL;
	if (firewall_saved_read(pool_fd, m, &e) == 0) {
		is_saved = true;
		firewall_model_digest(m, digest);
	} else if (e.kind == ERR_NOT_FOUND) {
		err_clear(&e);
	}
	o = json_pack("{s:b, s:s, s:I, s:s, s:o, s:b, s:s, s:b, s:[], s:i}", "is_saved",
	        is_saved || e.kind != ERR_NONE, "digest", digest, "stamp_ns",
	        (json_int_t)json_int(more, "stamp_ns", 0), "additions",
	        json_str(more, "additions", ""), "nodes", nodes_json(m), "is_present", false,
	        "backend", "", "has_v6", false, "differs", "n_differs", 0);
	if (!o)
		return NULL;
	/* A model that cannot be read is the first thing to be said. */
	if (e.kind == ERR_NONE && look(o, is_saved ? m : NULL, &e) == 0)
		(void)0;
	if (json_object_set_new(
	            o, "error", e.kind == ERR_NONE ? json_null() : control_error_json(&e)) < 0)
		return NULL;
	return TAKE(o);
}
