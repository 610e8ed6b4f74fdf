#pragma once

/*
 * What the API groups share: one call, its errors, and the four shapes that most calls have.
 *
 * Paths are given without the version.  A char *path_take is an allocated string that the call
 * frees; NULL stands for a failed allocation and becomes its error, so that callers need not look:
 *
 *	return engine_call_json(eng, &(struct engine_call){ .verb = "list", .kind = "services",
 *	        .path_take = engine_path("/services", NULL, "status=true", filters) }, e);
 */

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "http/client.h"

struct engine_call {
	const char *verb, *kind, *name; /* of messages: "inspect" "service" "x"; name may be NULL */
	const char *method;             /* NULL: GET, with a body POST */
	char *path_take;
	const char *body;
	http_sink_fn *sink;
	void *sink_arg;
	int64_t timeout_ns, idle_ns; /* as in http_request */
};

/* What /info has told of it last. */
struct engine_self {
	bool is_asked; /* also if it did not answer */
	char name[ENGINE_NAME_SIZE], node_id[ENGINE_ID_SIZE];
};

struct engine_self *engine_self(struct engine *eng);

/* One exchange.  0 for a 2xx reply; everything else is an error as engine.h lists them. */
int engine_call(struct engine *eng, const struct engine_call *c, struct http_reply *r,
        struct err *e) NODISCARD;

/* The same with a reply that must be JSON. */
json_t *engine_call_json(struct engine *eng, const struct engine_call *c, struct err *e) NODISCARD;

/* "BASE[/ESCAPED ID][SUFFIX][?QUERY][&filters=...]"; NULL without memory. */
char *engine_path(const char *base, const char *id, const char *suffix, const char *query,
        const struct engine_filter *filters) NODISCARD;

/* GET of an array.  kind is a plural. */
json_t *engine_list(struct engine *eng, const char *kind, const char *base, const char *query,
        const struct engine_filter *filters, struct err *e) NODISCARD;

/* GET of the object whose id or name (at name_path) is exactly id; id_key is "ID" or "Id". */
json_t *engine_inspect(struct engine *eng, const char *kind, char *path_take, const char *id,
        const char *id_key, const char *name_path, struct err *e) NODISCARD;

/* POST of an object; the reply's id_key goes into ret_id unless that is NULL. */
int engine_create(struct engine *eng, const char *kind, const char *path, const char *name,
        const char *body, const char *id_key, char ret_id[ENGINE_ID_SIZE], struct err *e) NODISCARD;

/* POST base/id/update with the whole new spec. */
int engine_update(struct engine *eng, const char *kind, const char *base, const char *id,
        uint64_t version, const char *name, const char *body, struct err *e) NODISCARD;

/* DELETE base/id.  0 removed, 1 there was none. */
int engine_remove(struct engine *eng, const char *kind, const char *base, const char *id,
        struct err *e) NODISCARD;

/* POST base/create of a config or secret, both of which have less than limit bytes of data. */
int engine_create_payload(struct engine *eng, const char *kind, const char *base, size_t limit,
        const char *name, const void *data, size_t n, const json_t *labels,
        char ret_id[ENGINE_ID_SIZE], struct err *e) NODISCARD;

/* POST base/{id}/update of one, with other labels and all else as it is. */
int engine_relabel_payload(struct engine *eng, const char *kind, const char *base, const json_t *it,
        const json_t *labels, struct err *e) NODISCARD;

/* The pure half of the errors: what a reply that is not 2xx means.  Always returns -1. */
int engine_status_error(long status, const char *body, size_t n, struct err *e);

/*
 * A failed exchange with that engine: say what its user can do about it.  Only what is known from
 * where it is and how it is spoken to.  Always returns -1.
 */
struct engine_endpoint;
int engine_explain(const struct engine_endpoint *at, enum http_tls_trouble trouble, struct err *e);

/* What Go's server answers, with status 400, to HTTP where TLS is spoken; and what to do then. */
#define ENGINE_PLAIN_TO_TLS "HTTP request to an HTTPS server"
int engine_hint_tls(const struct engine_endpoint *at, struct err *e);

/* Why a connect to that socket path fails, told apart; -1 with *e set, 0 if it does not fail. */
int engine_socket_check(const char *path, struct err *e) NODISCARD;

/*
 * The API version to speak with an engine that offers min ("" when it does not say) to max, as
 * "1.x".  0 and the minor number, or ERR_PROTOCOL.
 */
int engine_negotiate(int *ret_minor, const char *min, const char *max, struct err *e) NODISCARD;

/* src without control characters, cut to size at a whole character. */
void engine_copy_text(char *dst, size_t size, const char *src);

/* An id at a path of j: "" when absent.  -1 (ERR_PROTOCOL) for what cannot be one. */
int engine_copy_id(
        char dst[ENGINE_ID_SIZE], const json_t *j, const char *path, struct err *e) NODISCARD;
