#pragma once

/*
 * The firewall of this host: iptables and ip6tables, by their programs
 *
 * Works in the network namespace that it is called in and needs CAP_NET_ADMIN there.  The backend
 * (nft or legacy) is the one whose filter table has docker's chains; without docker the one that
 * `iptables` is.  All changes of a family are one iptables-restore --noflush -w; v4 is changed
 * first, and if v6 then fails v4 is put back. The model that was applied is kept as firewall.json
 * in a directory of the caller's (the pool), so that it can be applied again after a reboot.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"
#include "firewall/model.h"
#include "firewall/tables.h"

struct firewall_host {
	char backend[8];                    /* "nft" "legacy" */
	bool has_v6;                        /* the kernel has IPv6 */
	struct firewall_present present[2]; /* v4, v6 */
};

/* Read what is there.  ERR_NOT_FOUND: no iptables program; ERR_DENIED: no CAP_NET_ADMIN. */
int firewall_host_read(struct firewall_host *h, struct err *e) NODISCARD;
void firewall_host_release(struct firewall_host *h);

/* 0: done, or nothing to do (*ret_changed false).  After an error the former rules are whole. */
int firewall_host_apply(const struct firewall_model *m, bool *ret_changed, struct err *e) NODISCARD;
int firewall_host_remove(bool *ret_changed, struct err *e) NODISCARD;

/* The texts that apply would hand to iptables-restore, "" for a family that is as wanted. */
int firewall_host_plan(const struct firewall_model *m, struct buf *ret_v4, struct buf *ret_v6,
        struct err *e) NODISCARD;

/* firewall.json in dir: written whole or not at all; read with limits.  ERR_NOT_FOUND: there is
 * none. */
int firewall_saved_write(int dir_fd, const struct firewall_model *m, struct err *e) NODISCARD;
int firewall_saved_read(int dir_fd, struct firewall_model *m, struct err *e) NODISCARD;
int firewall_saved_remove(int dir_fd, struct err *e) NODISCARD;
