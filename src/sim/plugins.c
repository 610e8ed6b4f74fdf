#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "sim/api.h"
#include "sim/nlog.h"
#include "sim/node.h"
#include "sim/p2p.h"
#include "sim/resmon.h"

#define NAMES_MAX 4096 /* bytes of one plugin line */

struct plugin {
	const char *name;
	unsigned needs; /* bits of enum plugin_id */
	int (*initialize)(struct node *n, struct fail *f);
	int (*start)(struct node *n, struct fail *f);
	void (*shutdown)(struct node *n);
	const char *initialize_place; /* where its exceptions are logged */
	const char *start_place;      /* and the frame of those of its start */
};

/* --- the small ones --------------------------------------------------------------------------- */

static int initialize_nothing(struct node *n UNUSED, struct fail *f UNUSED)
{
	return 0;
}

static int start_nothing(struct node *n UNUSED, struct fail *f UNUSED)
{
	return 0;
}

static void shutdown_nothing(struct node *n UNUSED)
{
}

static int initialize_producer(struct node *n, struct fail *f UNUSED)
{
	producer_plugin_initialize(n);
	return 0;
}

static int start_chain_api(struct node *n UNUSED, struct fail *f UNUSED)
{
	nlog(NLOG_INFO, "chain_api_plugin.cpp:115", "plugin_startup", "starting chain_api_plugin");
	return 0;
}

static int start_net_api(struct node *n UNUSED, struct fail *f UNUSED)
{
	nlog(NLOG_INFO, "net_api_plugin.cpp:53", "plugin_startup", "starting net_api_plugin");
	return 0;
}

static int start_producer_api(struct node *n UNUSED, struct fail *f UNUSED)
{
	nlog(NLOG_INFO, "producer_api_plugin.cpp:97", "plugin_startup",
	        "starting producer_api_plugin");
	return 0;
}

static int start_prometheus(struct node *n UNUSED, struct fail *f UNUSED)
{
	nlog(NLOG_INFO, "prometheus_plugin.cpp:257", "plugin_startup",
	        "Prometheus plugin started.");
	return 0;
}

static void shutdown_prometheus(struct node *n UNUSED)
{
	nlog(NLOG_INFO, "prometheus_plugin.cpp:262", "plugin_shutdown",
	        "Prometheus plugin shutdown.");
}

static int start_resmon(struct node *n, struct fail *f UNUSED)
{
	resmon_start(n);
	return 0;
}

#define BIT(p) (1U << (p))

static const struct plugin plugins[PLUGIN_COUNT] = {
	[PLUGIN_CHAIN] = { "eosio::chain_plugin", 0, chain_plugin_initialize, chain_plugin_start,
	        shutdown_nothing, "chain_plugin.cpp:1077", "chain_plugin.cpp:1131 plugin_startup" },
	[PLUGIN_CHAIN_API] = { "eosio::chain_api_plugin", BIT(PLUGIN_CHAIN) | BIT(PLUGIN_HTTP),
	        initialize_nothing, start_chain_api, shutdown_nothing },
	[PLUGIN_HTTP] = { "eosio::http_plugin", 0, api_initialize, start_nothing, api_shutdown,
	        "http_plugin.cpp:281" },
	[PLUGIN_NET] = { "eosio::net_plugin", BIT(PLUGIN_CHAIN), p2p_initialize, p2p_start,
	        p2p_shutdown, "net_plugin.cpp:3825" },
	[PLUGIN_NET_API] = { "eosio::net_api_plugin", BIT(PLUGIN_NET) | BIT(PLUGIN_HTTP),
	        initialize_nothing, start_net_api, shutdown_nothing },
	[PLUGIN_PRODUCER] = { "eosio::producer_plugin",
	        BIT(PLUGIN_CHAIN) | BIT(PLUGIN_SIGNATURE_PROVIDER), initialize_producer,
	        producer_plugin_start, producer_plugin_shutdown },
	[PLUGIN_PRODUCER_API] = { "eosio::producer_api_plugin",
	        BIT(PLUGIN_PRODUCER) | BIT(PLUGIN_HTTP), initialize_nothing, start_producer_api,
	        shutdown_nothing },
	[PLUGIN_DB_SIZE_API] = { "eosio::db_size_api_plugin", BIT(PLUGIN_CHAIN) | BIT(PLUGIN_HTTP),
	        initialize_nothing, start_nothing, shutdown_nothing },
	[PLUGIN_PROMETHEUS] = { "eosio::prometheus_plugin", BIT(PLUGIN_CHAIN) | BIT(PLUGIN_HTTP),
	        initialize_nothing, start_prometheus, shutdown_prometheus },
	[PLUGIN_RESOURCE_MONITOR] = { "eosio::resource_monitor_plugin", 0, resmon_initialize,
	        start_resmon, resmon_shutdown, "resource_monitor_plugin.cpp:108" },
	[PLUGIN_SIGNATURE_PROVIDER] = { "eosio::signature_provider_plugin", 0, initialize_nothing,
	        start_nothing, shutdown_nothing },
};

/* What a nodeos may have, and this simulator has not. */
static const char *const not_simulated[] = { "eosio::trace_api_plugin",
	"eosio::state_history_plugin", "eosio::test_control_plugin",
	"eosio::test_control_api_plugin" };

/* --- initialize ------------------------------------------------------------------------------- */

static int initialize(struct node *n, enum plugin_id id, struct fail *f)
{
	const struct plugin *p = &plugins[id];

	for (unsigned i = 0; i < n->n_initialized; i++)
		if (n->initialized[i] == id)
			return 0;
	for (unsigned i = 0; i < PLUGIN_COUNT; i++)
		if ((p->needs & BIT(i)) && initialize(n, (enum plugin_id)i, f) < 0)
			return -1;
	if (p->initialize(n, f) < 0) {
		if (p->initialize_place)
			fail_log_initialize(f, p->initialize_place);
		return -1;
	}
	n->initialized[n->n_initialized++] = id;
	return 0;
}

static int find(const char *name, enum plugin_id *ret, struct fail *f)
{
	char shown[128];

	for (unsigned i = 0; i < PLUGIN_COUNT; i++)
		if (strcmp(plugins[i].name, name) == 0) {
			*ret = (enum plugin_id)i;
			return 0;
		}
	snprintf(shown, sizeof(shown), "%s", name);
	str_printable(shown);
	for (unsigned i = 0; i < ARRAY_LEN(not_simulated); i++)
		if (strcmp(not_simulated[i], name) == 0)
			return fail_not_simulated(f, shown);
	f->kind = FAIL_OPTIONS;
	f->status = EXIT_OTHER_FAIL;
	snprintf(f->text, sizeof(f->text),
	        "application_base.cpp(554): Throw in function appbase::abstract_plugin& "
	        "appbase::application_base::get_plugin(const std::string&) const\n"
	        "Dynamic exception type: boost::wrapexcept<std::runtime_error>\n"
	        "std::exception::what: unable to find plugin: %s",
	        shown);
	return -1;
}

/* Call fn for each name of the plugin lines, which may hold several. */
static int each_name(
        struct node *n, int (*fn)(struct node *, enum plugin_id, struct fail *), struct fail *f)
{
	const struct strvec *list = option_list(n->opt, "plugin");

	for (size_t i = 0; i < list->n; i++) {
		char line[NAMES_MAX], *next = line;

		if (snprintf(line, sizeof(line), "%s", list->v[i]) >= (int)sizeof(line))
			return fail_options(f, "std::length_error", "a plugin line is too long");
		while (next) {
			const char *name = strsep(&next, " \t,");
			enum plugin_id id = PLUGIN_COUNT;

			if (find(name, &id, f) < 0 || fn(n, id, f) < 0)
				return -1;
		}
	}
	return 0;
}

static int note(struct node *n, enum plugin_id id, struct fail *f UNUSED)
{
	n->has_plugin[id] = true;
	for (unsigned i = 0; i < PLUGIN_COUNT; i++)
		if ((plugins[id].needs & BIT(i)) && !n->has_plugin[i])
			(void)note(n, (enum plugin_id)i, f);
	return 0;
}

int plugins_initialize(struct node *n, struct fail *f)
{
	static const enum plugin_id always[] = { PLUGIN_CHAIN, PLUGIN_NET, PLUGIN_PRODUCER,
		PLUGIN_RESOURCE_MONITOR };
	struct fail later = FAIL_INIT;

	/* An unknown name is found when its turn comes, after those before it did their part. */
	(void)each_name(n, note, &later);
	if (each_name(n, initialize, f) < 0)
		return -1;
	for (unsigned i = 0; i < ARRAY_LEN(always); i++)
		if (note(n, always[i], f) < 0 || initialize(n, always[i], f) < 0)
			return -1;
	return 0;
}

/* --- start and shutdown ----------------------------------------------------------------------- */

static void all_started(struct node *n)
{
	if (n->quitting) {
		loop_stop(&n->loop);
		return;
	}
	n->running = true;
	p2p_listen(n);
	if (!n->quitting && n->has_plugin[PLUGIN_HTTP])
		api_listen(n);
	if (!n->quitting)
		producer_go(n);
}

void plugins_start(struct node *n)
{
	/* The one that had to wait has started by now. */
	if (n->next_start > n->n_started)
		n->started[n->n_started++] = n->initialized[n->next_start - 1];
	while (n->next_start < n->n_initialized && !n->quitting) {
		enum plugin_id id = n->initialized[n->next_start++];
		int rc = plugins[id].start(n, &n->fail);

		if (rc < 0) {
			if (plugins[id].start_place && n->fail.kind == FAIL_FC)
				fail_frame(&n->fail, "", "{}", plugins[id].start_place);
			node_fail(n);
			return;
		}
		if (rc > 0)
			return;
		n->started[n->n_started++] = id;
	}
	all_started(n);
}

void plugins_shutdown(struct node *n)
{
	while (n->n_started)
		plugins[n->started[--n->n_started]].shutdown(n);
}
