/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether QEMU's emulation (TCG) may give each of a guest's processors a thread of its own.
 *
 * Before 8.1 it looked at a page's code first and locked the page afterwards. Where one processor changed an
 * instruction in between, the other kept the translation of the old one for good. Linux changes its own code
 * by way of a breakpoint instruction, and a kernel that meets one that is long gone says "Oops: int3" and
 * stops: a few starts in a hundred. In a single thread nothing comes in between.
 */
#pragma once

#include "vm/platform.h"

/*
 * Returns 1 where it may, 0 where it may not or the version is not known, a negative errno where QEMU can't
 * be asked (-ENOENT: it is missing).
 */
int vm_tcg_is_parallel(const struct vm_platform *platform, struct error **err);

/* The same for what "qemu-system-… --version" says. */
bool vm_tcg_version_is_parallel(const char *text);
