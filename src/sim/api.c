#include "sim/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "sim/api_priv.h"
#include "sim/nlog.h"

#define MAX_CONNECTIONS 1024
#define IDLE_SECONDS    86400 /* nodeos was not seen to close an idle connection */

/* What a call does with the request's body. */
enum body {
	BODY_NONE,     /* empty or {} */
	BODY_OPTIONAL, /* parsed if there */
	BODY_OBJECT,   /* an object that is not empty */
	BODY_TEXT,     /* one JSON string */
	BODY_IGNORED,
};

struct route {
	const char *path;
	enum plugin_id plugin;
	enum body body;
	unsigned status; /* of success */
	api_fn *fn;      /* NULL: nodeos has it, we do not simulate it */
};

#define CHAIN(name, body, fn)                                      \
	{                                                          \
		"/v1/chain/" name, PLUGIN_CHAIN_API, body, 200, fn \
	}
#define CHAIN_202(name, fn)                                               \
	{                                                                 \
		"/v1/chain/" name, PLUGIN_CHAIN_API, BODY_OBJECT, 202, fn \
	}
#define PRODUCER(name, fn)                                                       \
	{                                                                        \
		"/v1/producer/" name, PLUGIN_PRODUCER_API, BODY_IGNORED, 201, fn \
	}
#define NET(name, body, fn)                                    \
	{                                                      \
		"/v1/net/" name, PLUGIN_NET_API, body, 201, fn \
	}

/* In the order of get_supported_apis. */
static const struct route routes[] = {
	CHAIN("compute_transaction", BODY_IGNORED, NULL),
	CHAIN("get_abi", BODY_IGNORED, NULL),
	CHAIN("get_account", BODY_IGNORED, NULL),
	CHAIN("get_activated_protocol_features", BODY_OPTIONAL,
	        api_get_activated_protocol_features),
	CHAIN("get_block", BODY_OBJECT, api_get_block),
	CHAIN("get_block_header", BODY_IGNORED, NULL),
	CHAIN("get_block_header_state", BODY_IGNORED, NULL),
	CHAIN("get_block_info", BODY_OBJECT, api_get_block_info),
	CHAIN("get_code", BODY_IGNORED, NULL),
	CHAIN("get_code_hash", BODY_IGNORED, NULL),
	CHAIN("get_consensus_parameters", BODY_IGNORED, NULL),
	CHAIN("get_currency_balance", BODY_IGNORED, NULL),
	CHAIN("get_currency_stats", BODY_IGNORED, NULL),
	CHAIN("get_info", BODY_NONE, api_get_info),
	CHAIN("get_producer_schedule", BODY_NONE, api_get_producer_schedule),
	CHAIN("get_producers", BODY_OBJECT, api_get_producers),
	CHAIN("get_raw_abi", BODY_IGNORED, NULL),
	CHAIN("get_raw_block", BODY_IGNORED, NULL),
	CHAIN("get_raw_code_and_abi", BODY_IGNORED, NULL),
	CHAIN("get_required_keys", BODY_IGNORED, NULL),
	CHAIN("get_scheduled_transactions", BODY_IGNORED, NULL),
	CHAIN("get_table_by_scope", BODY_IGNORED, NULL),
	CHAIN("get_table_rows", BODY_IGNORED, NULL),
	CHAIN("get_transaction_id", BODY_IGNORED, NULL),
	CHAIN("push_block", BODY_IGNORED, NULL),
	CHAIN_202("push_transaction", api_push_transaction),
	CHAIN("push_transactions", BODY_IGNORED, NULL),
	CHAIN("send_read_only_transaction", BODY_IGNORED, NULL),
	CHAIN_202("send_transaction", api_send_transaction),
	CHAIN_202("send_transaction2", api_send_transaction2),
	{ "/v1/db_size/get", PLUGIN_DB_SIZE_API, BODY_IGNORED, 200, api_db_size },
	NET("connect", BODY_TEXT, api_connect),
	NET("connections", BODY_IGNORED, api_connections),
	NET("disconnect", BODY_TEXT, api_disconnect),
	NET("status", BODY_TEXT, api_status),
	PRODUCER("add_greylist_accounts", NULL),
	PRODUCER("create_snapshot", api_create_snapshot),
	PRODUCER("get_account_ram_corrections", NULL),
	PRODUCER("get_greylist", NULL),
	PRODUCER("get_integrity_hash", api_get_integrity_hash),
	PRODUCER("get_runtime_options", api_get_runtime_options),
	PRODUCER("get_scheduled_protocol_feature_activations", NULL),
	PRODUCER("get_snapshot_requests", NULL),
	PRODUCER("get_supported_protocol_features", NULL),
	PRODUCER("get_unapplied_transactions", NULL),
	PRODUCER("get_whitelist_blacklist", NULL),
	PRODUCER("pause", api_pause),
	PRODUCER("paused", api_paused),
	PRODUCER("remove_greylist_accounts", NULL),
	PRODUCER("resume", api_resume),
	PRODUCER("schedule_protocol_feature_activations", NULL),
	PRODUCER("schedule_snapshot", NULL),
	PRODUCER("set_whitelist_blacklist", NULL),
	PRODUCER("unschedule_snapshot", NULL),
	PRODUCER("update_runtime_options", NULL),
};

struct api {
	struct node *n;
	struct http_server *server;
	char host[256], configured[320]; /* the latter as it stands in the option */
	char ip[INET_ADDRSTRLEN];
	uint16_t port;
	bool listens, validate_host, keep_alive, no_time;
};

/* --- errors ----------------------------------------------------------------------------------- */

int api_error(struct api_call *c, unsigned status, const char *message, int code, const char *name,
        const char *what, const char *place, const char *fmt, ...)
{
	const char *colon = strchr(place, ':'), *space = strchr(place, ' ');
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Texts of the client may be in it. */
	for (char *p = text; *p; p++)
		if (*p == '"' || *p == '\\')
			*p = '\'';
	str_printable(text);
	c->status = status;
	buf_clear(&c->out);
	(void)!buf_add_fmt(&c->out,
	        "{\"code\":%u,\"message\":\"%s\",\"error\":{\"code\":%d,\"name\":\"%s\",\"what\":"
	        "\"%s\",\"details\":[{\"message\":\"%s\",\"file\":\"%.*s\",\"line_number\":%.*s,"
	        "\"method\":\"%s\"}]}}",
	        status, message, code, name, what, text, (int)(colon - place), place,
	        (int)(space - colon - 1), colon + 1, space + 1);
	return -1;
}

int api_bad_request(struct api_call *c, const char *place, const char *message)
{
	return api_error(c, 400, "Invalid Request", 3200006, "invalid_http_request",
	        "invalid http request", place, "%s", message);
}

static int not_simulated(struct api_call *c, const char *path)
{
	return api_error(c, 500, "Internal Service Error", 0, "not_simulated",
	        "nodesim does not simulate this call", "api.c:0 answer", "%s", path);
}

/* --- requests --------------------------------------------------------------------------------- */

static bool is_host_allowed(const struct api *a, const struct http_server_request *q)
{
	const struct strvec *alias = option_list(a->n->opt, "http-alias");
	const char *host = http_server_header(q, "Host");
	char local[HTTP_SERVER_ADDRESS_MAX];

	if (!a->validate_host)
		return true;
	if (!host)
		return false;
	if (http_server_local(q, local) == 0 && strcmp(host, local) == 0)
		return true;
	if (strcmp(host, a->configured) == 0)
		return true;
	for (size_t i = 0; i < alias->n; i++)
		if (strcmp(host, alias->v[i]) == 0)
			return true;
	return false;
}

static const struct route *find_route(const struct api *a, const struct http_server_request *q)
{
	for (size_t i = 0; !q->has_query && i < ARRAY_LEN(routes); i++)
		if (a->n->has_plugin[routes[i].plugin] && strcmp(routes[i].path, q->path) == 0)
			return &routes[i];
	return NULL;
}

static int supported(const struct api *a, struct api_call *c)
{
	const char *comma = "";

	if (buf_add_str(&c->out, "{\"apis\":[") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (!a->n->has_plugin[routes[i].plugin])
			continue;
		if (buf_add_fmt(&c->out, "%s\"%s\"", comma, routes[i].path) < 0)
			return -1;
		comma = ",";
	}
	return buf_add_str(&c->out, "]}");
}

#define PARSE "http_plugin.hpp:262 parse_params"

/* Returns a new reference in *ret (NULL without a body). */
static int take_body(const struct route *r, const struct http_server_request *q, json_t **ret,
        struct api_call *c)
{
	struct err e = ERR_INIT;
	bool empty = q->body[strspn(q->body, " \t\r\n")] == '\0';

	*ret = NULL;
	if (r->body == BODY_IGNORED)
		return 0;
	if (empty && (r->body == BODY_OBJECT || r->body == BODY_TEXT))
		return api_bad_request(
		        c, "http_plugin.hpp:241 parse_params", "A Request body is required");
	if (empty)
		return 0;
	*ret = json_parse(q->body, q->body_len, "body", &e);
	/* "{}" is as good as nothing, wherever something is wanted. */
	if (json_is_object(*ret) && json_object_size(*ret) == 0 &&
	        (r->body == BODY_OBJECT || r->body == BODY_TEXT))
		return api_bad_request(
		        c, "http_plugin.hpp:241 parse_params", "A Request body is required");
	/* Numbers and booleans are taken for texts. */
	if (!*ret ||
	        (r->body == BODY_TEXT ? json_is_object(*ret) || json_is_array(*ret)
	                              : !json_is_object(*ret)))
		return api_bad_request(c, PARSE, "Unable to parse valid input from POST body");
	if (r->body == BODY_NONE && json_object_size(*ret) > 0)
		return api_bad_request(c, PARSE, "Unable to parse valid input from POST body");
	return 0;
}

static int call(const struct api *a, const struct route *r, const struct http_server_request *q,
        struct api_call *c)
{
	AUTO(json) json_t *params = NULL;

	if (a->no_time) {
		c->status = 500;
		return buf_add_str(&c->out, "{\"message\": \"Internal Server Error\"}");
	}
	if (!r->fn)
		return not_simulated(c, r->path);
	if (take_body(r, q, &params, c) < 0)
		return -1;
	c->params = params;
	c->status = r->status;
	return r->fn(c);
}

static void fill_reply(const struct api *a, struct api_call *c, struct http_server_reply *r)
{
	if (!a->keep_alive) {
		r->extra_name = "Connection";
		r->extra_value = "close";
	}
	http_server_json(r, c->status, buf_take(&c->out));
}

void api_answer(struct http_server_call *call, struct api_call *c)
{
	struct http_server_reply r = { 0 };

	fill_reply(c->n->api, c, &r);
	http_server_answer(call, &r);
}

static void answer(void *arg, const struct http_server_request *q, struct http_server_reply *r)
{
	struct api *a = arg;
	struct api_call c = {
		.n = a->n, .status = 200, .out = BUF_INIT(API_REPLY_MAX), .request = q
	};
	const struct route *route = find_route(a, q);

	if (!is_host_allowed(a, q)) {
		c.status = 400;
		(void)!buf_add_str(&c.out,
		        "{\"code\":400,\"message\":\"Disallowed HTTP HOST header in the request\","
		        "\"error\":{\"code\":0,\"name\":\"\",\"what\":\"\",\"details\":[]}}");
	} else if (strcmp(q->method, "OPTIONS") == 0) {
		(void)!buf_add_str(&c.out, "{}");
	} else if (route) {
		/* Full, or out of memory: what is there is no reply. */
		if (call(a, route, q, &c) < 0 && c.status < 400)
			buf_clear(&c.out);
	} else if (!q->has_query && strcmp(q->path, "/v1/node/get_supported_apis") == 0) {
		(void)!supported(a, &c);
	} else {
		api_error(&c, 404, "Not Found", 0, "exception", "unspecified",
		        "beast_http_session.hpp:204 handle_request", "Unknown Endpoint");
	}
	if (c.is_later)
		buf_release(&c.out);
	else
		fill_reply(a, &c, r);
}

/* --- life ------------------------------------------------------------------------------------- */

static int check_options(const struct node *n, struct fail *f)
{
	int64_t threads = option_int(n->opt, "http-threads");
	int64_t ms = option_int(n->opt, "http-max-response-time-ms");
	char data[64];

	if (threads == 0)
		return fail_config(f, "http_plugin.cpp:224 plugin_initialize", "{\"num\":0}",
		        "http-threads 0 must be greater than 0");
	snprintf(data, sizeof(data), "{\"m\":%" PRId64 "}", ms);
	if (ms < -1)
		return fail_config(f, "http_plugin.cpp:237 plugin_initialize", data,
		        "http-max-response-time-ms must be -1, or non-negative: %" PRId64, ms);
	return 0;
}

static void resolve_address(struct api *a, const char *port)
{
	struct addrinfo hint = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct sockaddr_in in;

	if (getaddrinfo(a->host, NULL, &hint, &found) != 0) {
		nlog(NLOG_ERROR, "http_plugin.cpp:260", "plugin_initialize",
		        "failed to configure http to listen on %s:%s (resolve: Host not found "
		        "(authoritative))",
		        a->host, port);
		return;
	}
	memcpy(&in, found->ai_addr, sizeof(in));
	freeaddrinfo(found);
	(void)inet_ntop(AF_INET, &in.sin_addr, a->ip, sizeof(a->ip));
	/* nodeos takes the port modulo 65536. */
	a->port = (uint16_t)strtoul(port, NULL, 10);
	a->listens = true;
	nlog(NLOG_INFO, "http_plugin.cpp:258", "plugin_initialize",
	        "configured http to listen on %s:%s", a->host, port);
}

int api_initialize(struct node *n, struct fail *f)
{
	const char *address = option_text(n->opt, "http-server-address");
	struct api *a = calloc(1, sizeof(*a));
	const char *colon;

	n->api = a;
	if (!a)
		return fail_std(f, "St9bad_alloc", "http_plugin.cpp:281 plugin_initialize",
		        "std::bad_alloc");
	a->n = n;
	if (check_options(n, f) < 0)
		return -1;
	a->validate_host = option_bool(n->opt, "http-validate-host");
	a->keep_alive = option_bool(n->opt, "http-keep-alive");
	a->no_time = option_int(n->opt, "http-max-response-time-ms") == 0;
	if (!*address)
		return 0;
	colon = strchr(address, ':');
	if (!colon)
		return fail_std(f, "St12out_of_range", "http_plugin.cpp:281 plugin_initialize",
		        "basic_string::substr: __pos (which is %zu) > this->size() (which is %zu)",
		        strlen(address) + 1, strlen(address));
	snprintf(a->configured, sizeof(a->configured), "%s", address);
	snprintf(a->host, sizeof(a->host), "%.*s", (int)(colon - address), address);
	resolve_address(a, colon + 1);
	return 0;
}

void api_listen(struct node *n)
{
	struct api *a = n->api;
	struct err e = ERR_INIT;

	if (!a->listens)
		return;
	nlog(NLOG_INFO, "http_plugin.cpp:140", "create_beast_server",
	        "created beast HTTP listener");
	nlog(NLOG_INFO, "http_plugin.cpp:297", "operator()",
	        "start listening for http requests (boost::beast)");
	a->server = http_server_new(&n->loop,
	        &(struct http_server_config){ .address = a->ip,
	                .port = a->port,
	                .handler = answer,
	                .arg = a,
	                .max_connections = MAX_CONNECTIONS,
	                .idle_seconds = IDLE_SECONDS,
	                .max_body = (size_t)option_int(n->opt, "max-body-size"),
	                .drop_too_large = true,
	                .answers_later = true,
	                .server_header = SIM_SERVER_HEADER },
	        &e);
	if (!a->server) {
		nlog(NLOG_ERROR, "beast_http_session.hpp:49", "fail", "bind: %s",
		        e.sys_errno ? strerror(e.sys_errno) : e.msg);
		nlog(NLOG_ERROR, "beast_http_session.hpp:50", "fail", "closing port");
		return;
	}
	nlog(NLOG_INFO, "beast_http_listener.hpp:81", "listen", "acceptor_.listen()");
}

void api_shutdown(struct node *n)
{
	http_server_free(n->api->server);
	n->api->server = NULL;
	nlog(NLOG_INFO, "http_plugin.cpp:368", "plugin_shutdown", "exit shutdown");
}

void api_free(struct api *a)
{
	if (a)
		http_server_free(a->server);
	free(a);
}
