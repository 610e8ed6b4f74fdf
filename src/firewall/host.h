#pragma once

/*
 * The firewall of this host: iptables and ip6tables, by their programs
 *
 * Works in the network namespace that it is called in and needs CAP_NET_ADMIN there.  The backend
 * (nft or legacy) is the one whose filter table has docker's chains; without docker the one that
 * `iptables` is.  All changes of a family are one iptables-restore --noflush -w, tried with --test
 * in both families first; v4 is changed first, and if v6 then fails v4 is put back.  What a caller
 * that is killed leaves is the old or the new state of each family, never a part.  Callers in one
 * network namespace take turns, by an abstract socket, which the kernel drops with its owner, and
 * which a container that has the host's network shares with the host.
 *
 * Chains of ours in the other backend, which packets go through too, are taken away there.
 *
 * The model that was applied is kept as firewall.json in a directory of the caller's (the pool), so
 * that it can be applied again after a reboot.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/strvec.h"
#include "firewall/model.h"
#include "firewall/tables.h"

struct firewall_host {
	char backend[8];                    /* "nft" "legacy" */
	char other[8];                      /* the other one */
	bool has_v6;                        /* the kernel has IPv6 */
	struct firewall_present present[2]; /* v4, v6 */
	struct firewall_present stale[2];   /* what the other backend has */
};

/*
 * Read what is there.  ERR_NOT_FOUND: no iptables program, or none for IPv6 while the kernel has
 * IPv6; ERR_DENIED: no CAP_NET_ADMIN.
 */
int firewall_host_read(struct firewall_host *h, struct err *e) NODISCARD;
void firewall_host_release(struct firewall_host *h);

static inline void auto_firewall_host(struct firewall_host *h)
{
	firewall_host_release(h);
}

/* firewall_diff() of both families, each line behind "IPv4: " or "IPv6: ", and what is left in the
 * other backend.  0: no difference; 1. */
int firewall_host_diff(struct strvec *ret_lines, const struct firewall_host *h,
        const struct firewall_model *m, struct err *e) NODISCARD;

/*
 * 0: done, or nothing to do (*ret_changed false).  After an error the former rules are whole,
 * unless the message says otherwise.  ERR_CONFLICT: a rule would keep people from a listening ssh
 * server; somebody holds the lock of iptables, or changes the rules all the time.
 */
int firewall_host_apply(const struct firewall_model *m, bool *ret_changed, struct err *e) NODISCARD;
int firewall_host_remove(bool *ret_changed, struct err *e) NODISCARD;

/*
 * ERR_CONFLICT when a rule would keep people from a port where an ssh server of this host listens,
 * whatever its number.  apply asks before it changes anything.
 */
int firewall_spare_ssh(const struct firewall_model *m, struct err *e) NODISCARD;

/* The texts that apply would hand to iptables-restore, or remove when there is no model (NULL);
 * nothing for a family that is as wanted. */
int firewall_host_plan(const struct firewall_model *m, struct buf *ret_v4, struct buf *ret_v6,
        struct err *e) NODISCARD;

/* firewall.json in dir: written whole or not at all; read with limits.  ERR_NOT_FOUND: there is
 * none. */
int firewall_saved_write(int dir_fd, const struct firewall_model *m, struct err *e) NODISCARD;
int firewall_saved_read(int dir_fd, struct firewall_model *m, struct err *e) NODISCARD;
int firewall_saved_remove(int dir_fd, struct err *e) NODISCARD;
