/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounting, with errors that say what was to be mounted where.
 */
#pragma once

#include <sys/mount.h>

#include "base/error.h"

#define NEW_ROOT "/sysroot" /* where the new root is put together */

/* mount(2). The mount point is made where it is missing (a folder, mode 0755). *options* may be NULL. */
int mount_at(const char *source, const char *target, const char *type, unsigned long flags,
	const char *options, struct error **err);

/* Mounts the folder *source* at *target* as well. */
int mount_bind(const char *source, const char *target, struct error **err);

/* The same of a folder that is open. */
int mount_folder(int source, const char *target, struct error **err);

/* The kernel's own file systems for the time in the initrd: /proc, /sys with securityfs, /dev, /run. */
int mount_kernel(struct error **err);

/* efivarfs, once its module is loaded. A machine without EFI has none: no error. */
int mount_efivars(struct error **err);
