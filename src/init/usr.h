/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device of the verified /usr: hash tree, root hash and signature handed to dm-verity.
 */
#pragma once

#include "init/dm.h"
#include "init/settings.h"
#include "init/slot.h"

/*
 * Makes the device "usr" from the slot's partitions. Where the settings ask for a signature, it comes from
 * where the slot is, and the kernel's own requirement of signatures has to be on. *path* takes the device's
 * node.
 */
#define USR_DEVICE "/dev/mapper/usr"
int usr_open(const struct settings *settings, const struct slot_query *query, const struct slot *slot,
	struct error **err);

/* Removes the device again. */
void usr_close(void);
