/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether KVM works here. That /dev/kvm can be opened says little (nested virtualisation that is broken, or
 * that takes minutes, looks the same), so a guest is booted: 64 KiB of firmware whose only act is to end
 * QEMU, on amd64 by its debug-exit port, on arm64 by switching the machine off.
 */
#pragma once

#include "base/buffer.h"
#include "vm/platform.h"

/*
 * Returns 1 where KVM boots a guest, 0 where it does not or where the platform is not this machine's, a
 * negative errno where that can't be found out (QEMU is missing). The answer is kept in *runtime* (a folder
 * that vm_runtime_prepare() has made) until the host boots again. *boot_id* is the content of
 * /proc/sys/kernel/random/boot_id.
 */
int vm_kvm_works(
	const struct vm_platform *platform, const char *runtime, const char *boot_id, struct error **err);

/* Appends the firmware of the platform's probe. 0 or -ENOMEM. */
int vm_kvm_probe_firmware(const struct vm_platform *platform, struct buffer *ret);
