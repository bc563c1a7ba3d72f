/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs from architecture to architecture: QEMU's program, the machine, its firmware and its TPM.
 * Another architecture is another entry of the table.
 */
#pragma once

#include "base/error.h"

struct vm_platform {
	const char *architecture; /* Debian's name */
	const char *qemu;	  /* program */
	const char *qemu_package;
	const char *cpu;	    /* QEMU's model that TCG is fast at */
	const char *machine;	    /* -machine, without Secure Boot */
	const char *machine_secure; /* with it; on amd64 the variable store is out of the guest's reach */
	const char *const *secure_arguments; /* further ones with it, ended by NULL */
	const char *const *arguments;	     /* further ones always, ended by NULL */
	const char *const *sata_arguments;   /* what gives the machine a bus "ide.0", ended by NULL */
	const char *const *probe_arguments;  /* by what the guest of vm/kvm.h ends QEMU, ended by NULL … */
	int probe_status;		     /* … and QEMU's exit status then */
	const char *tpm_device;
	const char *firmware_package;
	const char *const *code;	/* firmware, first found is taken; ended by NULL */
	const char *const *code_secure; /* the same that can do Secure Boot */
	const char *const *variables;	/* a variable store with nothing in it, that fits both */
};

/* NULL where we know no such architecture. */
const struct vm_platform *vm_platform_find(const char *architecture);

/*
 * The one that a raw disk image is for, by the architecture that the types of its partitions name; NULL where
 * they name none, or it is not one of ours, or there is no whole partition table.
 */
const struct vm_platform *vm_platform_of_disk(const char *path);

/* The one of this machine, NULL where we know none. */
const struct vm_platform *vm_platform_native(void);

/*
 * The first of *candidates* (ended by NULL) that can be read. -ENOENT with *err* set, which names the package
 * to install, where there is none.
 */
int vm_firmware_find(const struct vm_platform *platform, const char *const *candidates, const char **ret,
	struct error **err);
