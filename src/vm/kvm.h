/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether KVM works here. That /dev/kvm can be opened says little (nested virtualisation that is broken, or
 * that takes minutes, looks the same), so a guest is booted: 64 KiB of firmware whose only act is to write to
 * QEMU's debug-exit port.
 */
#pragma once

#include "base/buffer.h"
#include "vm/platform.h"

/*
 * Returns 1 where KVM boots a guest, 0 where it does not, a negative errno where that can't be found out
 * (QEMU is missing). The answer is kept in *runtime* (a folder that vm_runtime_prepare() has made) until the
 * host boots again. *boot_id* is the content of /proc/sys/kernel/random/boot_id.
 */
int vm_kvm_works(
	const struct vm_platform *platform, const char *runtime, const char *boot_id, struct error **err);

/* Appends the firmware of the probe. 0 or -ENOMEM. */
int vm_kvm_probe_firmware(struct buffer *ret);

/* What QEMU's exit status is when the firmware has run. */
#define VM_KVM_PROBE_STATUS 33
