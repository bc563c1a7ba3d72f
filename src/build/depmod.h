/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The finisher "depmod": what libkmod (modprobe, udev, systemd-modules-load) looks up in a kernel's folder
 * /usr/lib/modules/VERSION, as depmod(8) of kmod 34 writes it for the modules that are there.
 *
 * modules.dep and modules.dep.bin list what each module needs, modules.alias(.bin) the names that it goes by,
 * modules.symbols(.bin) those of its symbols, modules.softdep and modules.weakdep its further wishes,
 * modules.devname the device nodes that load it, modules.builtin.bin and modules.builtin.alias.bin what the
 * kernel has built in (from the package's modules.builtin and modules.builtin.modinfo).
 */
#pragma once

#include "build/finish.h"

/*
 * Writes the files anew for each kernel in the tree; run it when the modules are those that stay
 * (build/modules.h). A tree without modules is left as it is.
 *
 * Returns 0; -EEXIST where a module is there twice; -ELOOP where modules need each other; -EBADMSG where one
 * is damaged.
 */
int finish_depmod(struct finish *finish, struct error **err);
