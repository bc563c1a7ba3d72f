/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Firmware: of all that packages have in /usr/lib/firmware, what the kernel may ask for; and microcode, which
 * the processors get before there is a /usr.
 */
#pragma once

#include "base/buffer.h"
#include "build/modules.h"

/*
 * Removes from /usr/lib/firmware what no module of the kernel asks for: neither one that
 * kernel_modules_keep() has left in the tree, nor one that is built in (modules.builtin.modinfo). A module
 * names its firmware in .modinfo, some by patterns. Files may be compressed, as NAME.xz or NAME.zst, and
 * links to others, which then stay as well. *patterns* are of more files to keep, over paths below
 * /usr/lib/firmware.
 *
 * Returns 0; -ENOENT where one of *patterns* matches nothing, about which the error then is (error_about()).
 */
int firmware_keep(const struct kernel_modules *modules, struct tree *tree, const struct strv *patterns,
	struct error **err);

/*
 * Appends the cpio archive from which the kernel takes microcode before anything else (Linux:
 * Documentation/arch/x86/microcode.rst), made of all that the tree has in /usr/lib/firmware/intel-ucode and
 * amd-ucode; nothing where it has none. Its files begin at multiples of 16 bytes, as Intel's processors want
 * it.
 */
int microcode_write(const struct tree *tree, struct buffer *ret, struct error **err);
