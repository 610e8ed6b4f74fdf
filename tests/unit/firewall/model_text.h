#pragma once

/* The rules of a model as one line of text, for tests of what makes models. */

#include <stdio.h>

#include "firewall/model.h"

#define BUILT_IN                                                                              \
	"nodes tcp 2376;nodes tcp 2377;closed tcp 3888;closed tcp 4876;nodes tcp 7946;nodes " \
	"tcp 8870;open tcp 8888;open tcp 9876;nodes udp 4789;nodes udp 7946;"

/* "open tcp 8080;from tcp 90 10.20.0.0/16;" */
static inline char *text_of(const struct firewall_model *model)
{
	static char out[64 * 1024];
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < model->n_rules; i++) {
		const struct firewall_rule *r = &model->rules[i];
		char ports[FIREWALL_PORTS_SIZE], net[FIREWALL_NET_SIZE] = "";

		if (r->who == FIREWALL_FROM)
			firewall_net_text(net, &r->from);
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s %s %s%s%s;",
		        firewall_who_name(r->who), r->is_udp ? "udp" : "tcp",
		        firewall_ports_text(ports, r, '-'), *net ? " " : "", net);
	}
	return out;
}
