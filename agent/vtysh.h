/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vtysh: FRR's shell, run as a program.  The only file that knows how to talk to FRR.
 *
 * vtysh cannot be trusted to say whether something happened (measured on FRR 8.4.4): `-f` goes on
 * after a line that failed; with bgpd dead it exits 0 having done nothing; with bgpd stopped it
 * waits for ever, and so it does on a line of 4,090 bytes.  Therefore every run here has a time
 * limit, the daemons are asked for a sign of life first, and whoever changes something reads back
 * what FRR then has (frr_apply.h).
 *
 * FRR's daemons listen on /var/run/frr[/NAMESPACE]/DAEMON.vty.
 */
#ifndef P2PVPN_AGENT_VTYSH_H
#define P2PVPN_AGENT_VTYSH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

#define VTYSH_PROGRAM "/usr/bin/vtysh"
/* What to do about a bgpd that cannot ask an RPKI cache. */
#define VTYSH_NO_RPKI                                                                            \
    "FRR's bgpd runs without its RPKI module, by which this mesh checks who may announce what: " \
    "install the package frr-rpki-rtrlib, add \"-M rpki\" to bgpd_options in /etc/frr/daemons, " \
    "then \"systemctl restart frr\""
#define VTYSH_RUN_DIR "/var/run/frr"

/* The daemons that a gateway needs; NULL-terminated. */
extern const char *const vtysh_daemons[];

struct vtysh {
    const char *frr_namespace; /* of `vtysh -N`; NULL: the system's FRR.  Not owned */
    unsigned timeout_ms; /* to load a file, and 20 ms for each line; asking takes at most 10 s */
};

/* Starts nothing.  -ENOENT: FRR is not installed; -EINVAL: no usable namespace name. */
int vtysh_open(struct vtysh *ret, const char *frr_namespace, struct error_list *err);

/* What a worker finds out about the program that is installed is known to the next one: to be
 * called before they are forked. */
int vtysh_remember(struct error_list *err);
/* FRR did not take what had passed: the next text is asked about, whatever its kind. */
void vtysh_forget(void);

/* zebra, bgpd and bfdd run and answer.  Otherwise -ENOTCONN, and a sentence for each that does
 * not, which says what to do. */
int vtysh_alive(const struct vtysh *v, struct error_list *err);
/* The same for one daemon. */
int vtysh_daemon_alive(const struct vtysh *v, const char *daemon, struct error_list *err);

/* Changes when zebra, bgpd or bfdd was started again (and may have forgotten everything); 0 while
 * one of them is not there.  Costs three stat() calls. */
uint64_t vtysh_incarnation(const struct vtysh *v);

/* Where one daemon listens; on the heap. */
char *vtysh_socket(const struct vtysh *v, const char *daemon);

/* The running configuration of one daemon, read from its socket as vtysh does it; appended to *ret.
 * -ETIMEDOUT, -ENOTCONN or -EIO with *err filled. */
int vtysh_running_config(const struct vtysh *v, const char *daemon, struct buf *ret,
                         struct error_list *err);

/* The answer of one daemon to a `show` command, read from its socket; appended to *ret. -ETIMEDOUT,
 * -ENOTCONN or -EIO with *err filled. */
int vtysh_show(const struct vtysh *v, const char *daemon, const char *command, struct buf *ret,
               struct error_list *err);

/* Whether a daemon has loaded a module ("bgpd_rpki").  0 and *ret set, or as vtysh_show(). */
int vtysh_has_module(const struct vtysh *v, const char *daemon, const char *module, bool *ret,
                     struct error_list *err);

/* Whether bgpd goes by the table that an RPKI cache has sent it.  0 and *ret set, or as
 * vtysh_show().
 */
int vtysh_rpki_synchronized(const struct vtysh *v, bool *ret, struct error_list *err);
/* Waits up to ten seconds for that.  -ETIMEDOUT with nothing in *err: it does not yet. */
int vtysh_rpki_wait(const struct vtysh *v, struct error_list *err);

/* A digest of the commands of a text without their arguments; lines of one kind in a row are one.
 * Pure. */
uint64_t vtysh_kind(const char *text);

/* Whether FRR knows the commands of this text (`vtysh -C -f`), which it does not run.  The same
 * commands with other numbers, addresses and names of ours than it knew before are not asked about
 * again (vtysh_remember()): most changes are of that kind, and an argument out of its range is seen
 * when the text is loaded.  -EINVAL: every line that it does not know. */
int vtysh_check(const struct vtysh *v, const char *text, struct error_list *err);

/* Runs the text as configuration.  0 says only that vtysh came to its end; what it complained about
 * is appended to *complaints, a line each. */
int vtysh_load(const struct vtysh *v, const char *text, struct buf *complaints,
               struct error_list *err);

#endif
