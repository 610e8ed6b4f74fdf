#pragma once

/*
 * resource_monitor_plugin: stop before the disk is full
 *
 * Looks at the file systems of data, snapshots, blocks and state every
 * resource-monitor-interval-seconds, the first time at once.
 */

#include "base/compiler.h"
#include "sim/fail.h"

struct node;
struct resmon;

int resmon_initialize(struct node *n, struct fail *f) NODISCARD;
void resmon_start(struct node *n);
void resmon_shutdown(struct node *n);
void resmon_free(struct resmon *r);
