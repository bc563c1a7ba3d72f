/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The new root: a small tmpfs with the names that every program expects, and the verified /usr.
 */
#pragma once

#include "base/error.h"

/* Mounts the root and, from the block device *usr*, its /usr, read-only. Where that fails nothing is mounted.
 */
int root_mount(const char *usr, struct error **err);

/*
 * Moves the kernel's file systems and /run over, removes what the initrd holds, makes the new root the root,
 * and goes on as *init*. Returns only where that failed.
 */
int root_switch(const char *init, struct error **err);
