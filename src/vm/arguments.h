/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command lines of QEMU and swtpm, made from a machine's settings. Pure: nothing is looked up or opened
 * here.
 */
#pragma once

#include "base/string-util.h"
#include "vm/config.h"
#include "vm/platform.h"

/* What stands beside the settings when a machine is about to start: found, chosen or opened by the caller. */
struct vm_launch {
	const struct vm_platform *platform;
	bool kvm;
	bool parallel;		 /* without KVM: each processor may have a thread of its own, see vm/tcg.h */
	const char *code, *vars; /* firmware and its variable store */
	const char *serial_log;	 /* gets whatever the guest writes to its console */
	const struct strv *credentials; /* files, one SMBIOS string each */
	int qmp_fd, serial_fd;		/* listening sockets that QEMU inherits */
	int tpm_fd;			/* QEMU's end of the connection to swtpm, -1 without a TPM */
};

/* The ids that other parts name in QMP commands. */
#define VM_DISK_ID "disk"
#define VM_NET_ID "net"

/* Each appends to *ret*, beginning with the program's name; 0 or -ENOMEM. */
int vm_qemu_arguments(const struct vm_config *config, const struct vm_launch *launch, struct strv *ret);
int vm_swtpm_arguments(const char *state, int fd, struct strv *ret);
