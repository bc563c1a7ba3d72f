/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is done before a machine can start: firmware found, variable store made, keys for ssh, sockets,
 * credentials, and at the end the command lines of QEMU and swtpm.
 */
#pragma once

#include "vm/arguments.h"
#include "vm/machine.h"

struct vm_preparation {
	struct strv qemu, swtpm; /* command lines; that of swtpm is empty without a TPM */
	char *image;		 /* absolute */
	char *serial_log;	 /* absolute */
	bool kvm, parallel;	 /* as in struct vm_launch */
	int qmp_fd, serial_fd;	 /* listening sockets */
	int tpm_fd, swtpm_fd;	 /* QEMU's connection to swtpm */
	int log_fd;		 /* for what QEMU and swtpm say: a file without a name */
	const struct vm_platform *platform;
};
#define VM_PREPARATION_INIT                                                               \
	{                                                                                 \
		.qmp_fd = -1, .serial_fd = -1, .tpm_fd = -1, .swtpm_fd = -1, .log_fd = -1 \
	}

/* Closes the descriptors that now belong to the supervisor, all but the log. */
void vm_preparation_close(struct vm_preparation *preparation);
void vm_preparation_release(struct vm_preparation *preparation);
#define _cleanup_vm_preparation_ _cleanup_(vm_preparation_release)

int vm_prepare(const struct vm_config *config, const struct vm_folder *folder,
	const struct vm_environment *environment, struct vm_preparation *ret, struct error **err);

/* Adds to an -ENOENT of starting the programs which package to install. Returns *code*. */
int vm_prepare_explain(const struct vm_preparation *preparation, int code, struct error **err);
