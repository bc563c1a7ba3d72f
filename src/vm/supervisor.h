/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process that owns a machine: it starts swtpm and QEMU, and when either ends, when it is told to, or
 * when the process that it works for goes away, it ends both and removes the machine's folder.
 *
 * Nothing outlives a machine, whoever is killed: the supervisor sees the end of its employer by the end of
 * their connection (the lease); the kernel kills QEMU and swtpm when the supervisor dies (child.h); and the
 * folder that is then left has a lock that nobody holds, by which the next `orlop vm` knows to remove it.
 */
#pragma once

#include "base/string-util.h"
#include "vm/folder.h"

struct vm_supervision {
	const struct vm_folder *folder; /* its lock is held and passes to the supervisor */
	const struct strv *qemu;
	const struct strv *swtpm; /* empty: no TPM */
	int qmp_fd, serial_fd;	  /* for QEMU */
	int tpm_fd, swtpm_fd;	  /* the two ends of QEMU's connection to swtpm; -1 without a TPM */
	int log_fd;		  /* what QEMU and swtpm say */
};

/*
 * Forks the supervisor. *ret_lease* is the end of the lease that the caller keeps: when its last copy is
 * closed the machine ends, unless vm_supervisor_keep() was called. *ret_pid* is a child of the caller.
 * Returns 0 when QEMU and swtpm run; otherwise a negative errno with *err* set and nothing is left of the
 * machine, its folder included.
 */
int vm_supervisor_start(
	const struct vm_supervision *supervision, pid_t *ret_pid, int *ret_lease, struct error **err);

/* Lets the machine live on after the lease's end. */
int vm_supervisor_keep(int lease, struct error **err);
