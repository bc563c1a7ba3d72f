/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device-mapper devices (Linux: include/uapi/linux/dm-ioctl.h), as far as one verified /usr needs them.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/*
 * Makes the read-only device *name* with one target *type* over *sectors* sectors of 512 bytes, and the link
 * /dev/mapper/NAME that udev makes later. *uuid* tells other tools what the device is. *path* takes the
 * device's own node, "/dev/dm-0". Where a step fails no device is left behind.
 *
 * Returns 0 or a negative errno: -ENOKEY where dm-verity does not accept the root hash's signature.
 */
int dm_create(const char *name, const char *uuid, const char *type, uint64_t sectors, const char *parameters,
	struct error **err);

/* Removes a device that nobody uses, with its link. */
void dm_drop(const char *name);
