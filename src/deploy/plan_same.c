/*
 * Whether what is there under a name is what the files say
 *
 * The engine can change the labels of a config and a secret, and nothing else of them; of a network
 * nothing at all.  `docker stack deploy` keeps such an object as it is; a chain whose network was
 * to become encrypted would not be.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "deploy/plan_priv.h"
#include "deploy/spec.h"
#include "stack/stack.h"

/* What the engine adds to a network's options by itself. */
#define OPTION_OF_ENGINE "com.docker.network.driver.overlay.vxlanid_list"

static int differs(char *where, size_t size, const char *what)
{
	snprintf(where, size, "%s", what);
	return 1;
}

/* "10.1.2.3/16" -> 10.1.0.0 and 16 in 17 bytes; texts that are none stay different. */
static int parse_subnet(unsigned char out[17], const char *text)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	struct err ignored = ERR_INIT;
	uint64_t bits, bytes;

	memset(out, 0, 17);
	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return -1;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	bytes = strchr(address, ':') ? 16 : 4;
	if (inet_pton(bytes == 16 ? AF_INET6 : AF_INET, address, out) != 1 ||
	        num_uint(&bits, slash + 1, 0, bytes * 8, &ignored) < 0)
		return -1;
	for (size_t i = 0; i < bytes; i++)
		out[i] &= (unsigned char)(i < bits / 8 ? 0xff
		                : i > bits / 8         ? 0
		                                       : 0xff00 >> bits % 8);
	out[16] = (unsigned char)bits;
	return 0;
}

static bool same_subnet(const char *a, const char *b)
{
	unsigned char x[17], y[17];

	if (parse_subnet(x, a) < 0 || parse_subnet(y, b) < 0)
		return strcmp(a, b) == 0;
	return memcmp(x, y, sizeof(x)) == 0;
}

/* Only what the file asks for: the engine fills in the rest. */
static bool same_ipam(const json_t *wanted, const json_t *have)
{
	const json_t *w = json_at(wanted, "Config"), *h = json_at(have, "Config");
	const char *driver = json_str(wanted, "Driver", "");

	if (*driver && !str_eq(driver, json_str(have, "Driver", NULL)))
		return false;
	if (!json_array_size(w))
		return true;
	if (json_array_size(w) != json_array_size(h))
		return false;
	for (size_t i = 0; i < json_array_size(w); i++)
		if (!same_subnet(json_str(json_array_get(w, i), "Subnet", ""),
		            json_str(json_array_get(h, i), "Subnet", "")))
			return false;
	return true;
}

static bool same_map(const json_t *a, const json_t *b)
{
	return json_object_size(a) == json_object_size(b) &&
	        (!json_object_size(a) || json_equal(a, b));
}

int plan_same_network(const struct stack *st, const struct stack_network *n, const json_t *have,
        char *where, size_t size, struct err *e)
{
	AUTO(json) json_t *wanted = spec_network(st, n, e);
	AUTO(json) json_t *options = json_copy(json_at(have, "Options"));

	if (!wanted)
		return -1;
	/* Made a moment ago, and nothing of it is settled. */
	if (!*json_str(have, "Driver", ""))
		return 0;
	(void)json_object_del(options, OPTION_OF_ENGINE);
	if (!str_eq(json_str(wanted, "Driver", NULL), json_str(have, "Driver", NULL)))
		return differs(where, size, "driver");
	if (json_bool(wanted, "Internal", false) != json_bool(have, "Internal", false))
		return differs(where, size, "internal");
	if (json_bool(wanted, "Attachable", false) != json_bool(have, "Attachable", false))
		return differs(where, size, "attachable");
	if (!same_ipam(json_at(wanted, "IPAM"), json_at(have, "IPAM")))
		return differs(where, size, "ipam");
	if (!same_map(json_at(wanted, "Options"), options))
		return differs(where, size, "driver_opts");
	if (!same_map(json_at(wanted, "Labels"), json_at(have, "Labels")))
		return differs(where, size, "labels");
	return 0;
}

int plan_same_file(const struct stack *st, const struct stack_file *f, bool is_secret,
        const json_t *have, struct err *e)
{
	AUTO(json)
	json_t *wanted = is_secret ? spec_secret(st, f, e) : spec_config(st, f, e);
	const json_t *spec = json_at(have, "Spec");
	json_t *labels = json_object_get(wanted, "Labels");
	const json_t *made_of = json_object_get(json_at(spec, "Labels"), SPEC_LABEL_CONTENT);

	if (!wanted)
		return -1;
	/* The engine never shows a secret's content; what is not ours has no label
	 * that could tell. */
	if (!is_secret && f->own_name &&
	        !str_eq(json_str(wanted, "Data", NULL), json_str(spec, "Data", NULL)))
		return PLAN_OTHER_CONTENT;
	if (is_secret && made_of && f->own_name &&
	        !json_equal(made_of, json_object_get(labels, SPEC_LABEL_CONTENT)))
		return PLAN_OTHER_CONTENT;
	if (!made_of)
		(void)json_object_del(labels, SPEC_LABEL_CONTENT);
	return same_map(labels, json_at(spec, "Labels")) ? PLAN_SAME : PLAN_OTHER_LABELS;
}
