/*
 * The old API answers 404 to every method that it does not know, and takes any at /summary and
 * /healthcheck; ours says 405.  A path that does not exist needs the role "read", so that who has
 * no token learns nothing about the others.
 */
#include "replay/orch_route.h"

#include <stddef.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "replay/roles.h"

struct row {
	const char *path; /* of a job: behind /v1/jobs/N */
	enum orch_kind get, post;
	unsigned get_role, post_role;
};

static const struct row whole[] = {
	{ "/livez", ORCH_LIVEZ, ORCH_NOTHING, ROLE_NONE, 0 },
	{ "/metrics", ORCH_METRICS, ORCH_NOTHING, ROLE_READ, 0 },
	{ "/", ORCH_HOME, ORCH_NOTHING, ROLE_NONE, 0 },
	{ "/progress", ORCH_PAGE, ORCH_NOTHING, ROLE_NONE, 0 },
	{ "/grid", ORCH_PAGE, ORCH_NOTHING, ROLE_NONE, 0 },
	{ "/control", ORCH_PAGE, ORCH_NOTHING, ROLE_NONE, 0 },
	{ "/detail", ORCH_PAGE, ORCH_NOTHING, ROLE_NONE, 0 },
	{ "/v1/claim", ORCH_NOTHING, ORCH_CLAIM, 0, ROLE_WORK },
	{ "/v1/run", ORCH_RUN, ORCH_NOTHING, ROLE_READ, 0 },
	{ "/v1/jobs", ORCH_JOBS, ORCH_NOTHING, ROLE_READ, 0 },
	{ "/v1/certificate", ORCH_CERTIFICATE, ORCH_NOTHING, ROLE_READ, 0 },
	{ "/v1/mode", ORCH_NOTHING, ORCH_MODE, 0, ROLE_CONTROL },
};

static const struct row of_job[] = {
	{ "", ORCH_JOB, ORCH_NOTHING, ROLE_READ, 0 },
	{ "/progress", ORCH_NOTHING, ORCH_PROGRESS, 0, ROLE_WORK },
	{ "/complete", ORCH_NOTHING, ORCH_COMPLETE, 0, ROLE_WORK },
	{ "/fail", ORCH_NOTHING, ORCH_FAIL, 0, ROLE_WORK },
	{ "/release", ORCH_NOTHING, ORCH_RELEASE, 0, ROLE_WORK },
	{ "/requeue", ORCH_NOTHING, ORCH_REQUEUE, 0, ROLE_CONTROL },
	{ "/cancel", ORCH_NOTHING, ORCH_CANCEL, 0, ROLE_CONTROL },
};

static const struct row old[] = {
	{ "/job", ORCH_JOB_GET, ORCH_JOB_POST, ROLE_READ, ROLE_WORK },
	{ "/status", ORCH_STATUS, ORCH_NOTHING, ROLE_READ, 0 },
	{ "/config", ORCH_CONFIG_GET, ORCH_CONFIG_POST, ROLE_READ, ROLE_WORK },
};

static bool is_get(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static const struct row *find(const struct row *rows, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].path, path) == 0)
			return &rows[i];
	return NULL;
}

static void take(struct orch_route *r, const struct row *row, const char *method)
{
	if (is_get(method) && row->get != ORCH_NOTHING) {
		r->kind = row->get;
		r->need = row->get_role;
		r->status = 0;
	} else if (strcmp(method, "POST") == 0 && row->post != ORCH_NOTHING) {
		r->kind = row->post;
		r->need = row->post_role;
		r->is_json = true;
		r->status = 0;
	} else if (!r->is_old) {
		r->status = 405;
		r->allow = row->post == ORCH_NOTHING ? "GET, HEAD"
		        : row->get == ORCH_NOTHING   ? "POST"
		                                     : "GET, HEAD, POST";
	}
}

static void take_old(struct orch_route *r, const char *method, const char *path)
{
	const struct row *row = find(old, ARRAY_LEN(old), path);

	r->is_old = true;
	if (strcmp(path, "/healthcheck") == 0)
		*r = (struct orch_route){ .kind = ORCH_HEALTHCHECK, .is_old = true };
	else if (strcmp(path, "/summary") == 0)
		*r = (struct orch_route){ .kind = ORCH_SUMMARY, .need = ROLE_READ, .is_old = true };
	else if (row)
		take(r, row, method);
}

int orch_job_id(int64_t *ret, const char *text)
{
	struct err ignored = ERR_INIT;
	uint64_t id;

	if (num_uint(&id, text, 1, INT64_MAX, &ignored) < 0)
		return 1;
	*ret = (int64_t)id;
	return 0;
}

/* rest: "139914848484848/progress". */
static void take_job(struct orch_route *r, const char *method, const char *rest)
{
	size_t n = strcspn(rest, "/");
	const struct row *row = find(of_job, ARRAY_LEN(of_job), rest + n);
	char number[24];

	if (!row || n >= sizeof(number))
		return;
	memcpy(number, rest, n);
	number[n] = '\0';
	if (orch_job_id(&r->id, number) == 0)
		take(r, row, method);
}

void orch_route(struct orch_route *r, const char *method, const char *path)
{
	const struct row *row = find(whole, ARRAY_LEN(whole), path);
	const char *rest;

	*r = (struct orch_route){ .need = ROLE_READ, .status = 404 };
	if (row)
		take(r, row, method);
	else if (str_starts(path, "/v1/jobs/", &rest))
		take_job(r, method, rest);
	else if (!str_starts(path, "/v1/", NULL))
		take_old(r, method, path);
}
