#pragma once

/* The address that this host speaks to another from. */

#include "base/compiler.h"
#include "firewall/model.h"

/* As the routes are now; sends nothing.  0, or -1 when no route leads there. */
int firewall_source(struct firewall_net *ret, const struct firewall_net *to) NODISCARD;
