/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A /usr that the initrd carries in it, for a machine that was started from the network: the files of a
 * slot's three partitions, as files of the initrd. Loop devices make block devices of the first two, and
 * dm-verity is put over these as over a disk's partitions.
 */
#pragma once

#include "init/slot.h"

/* Where the builder puts them (build/initrd.c). */
#define CARRIED_USR "/carried/usr.erofs"
#define CARRIED_VERITY "/carried/usr.verity"
#define CARRIED_SIGNATURE "/carried/usr.signature"

/*
 * Makes read-only loop devices of image and hash tree, and fills the slot's *usr*, *verity* and *carried*;
 * all else of it stays empty, since there is no disk. The files stay in memory as long as the devices, also
 * when the initrd is emptied.
 *
 * Returns 0; -ENOENT where the initrd carries none; another negative errno.
 */
int carried_attach(struct slot *ret, struct error **err);

/* The signature of the root hash that came with them. Returns 0; -ENOENT; -EBADMSG. */
int carried_signature(const struct slot_query *query, struct verity_signature *ret, struct error **err);
