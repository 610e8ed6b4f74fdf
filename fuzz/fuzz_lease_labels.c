/* The labels of a Config object, which anybody with a docker socket can edit: one "NAME=VALUE" a
 * line, the prefix left out. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "lease/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *labels_of(char *text)
{
	json_t *o = json_object();
	char *at = text, *line;

	while ((line = strsep(&at, "\n"))) {
		char *value = strchr(line, '=');
		char *key;

		if (!value)
			continue;
		*value++ = '\0';
		key = str_fmt("nodeswarm.lease.%s", line);
		if (key)
			(void)json_object_set_new(o, key, json_string(value));
		free(key);
	}
	return o;
}

/* What it takes, it writes so that it takes it again, and that may follow itself. */
static void try_again(const struct lease_record *r)
{
	struct lease_record again, third;
	struct err e = ERR_INIT;
	json_t *labels = lease_to_labels(r), *o = lease_to_json(r), *o2;

	if (!labels || !o || lease_from_labels(&again, r->name, r->version, labels, &e) < 0 ||
	        lease_from_json(&third, o, &e) < 0)
		abort();
	o2 = lease_to_json(&again);
	if (!o2 || !json_equal(o, o2) || lease_may_follow(r, &again, &e) < 0 ||
	        lease_may_follow(r, &third, &e) < 0)
		abort();
	json_decref(labels);
	json_decref(o);
	json_decref(o2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct lease_record r;
	char *text = malloc(size + 1);
	json_t *labels;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	labels = labels_of(text);
	if (lease_from_labels(&r, "producer", 7, labels, &e) == 0) {
		if (r.ceiling < r.floor || r.nhistory > LEASE_HISTORY_MAX)
			abort();
		try_again(&r);
	} else if (e.kind != ERR_PROTOCOL) {
		abort();
	}
	json_decref(labels);
	free(text);
	return 0;
}
