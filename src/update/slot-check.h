/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a slot holds what a release says, all of it: superblock, hash tree and every block of the image,
 * read from where they lie.
 */
#pragma once

#include "update/usr-update.h"

/*
 * Hashes on *threads* threads (as in slot_lanes_init()). *progress* (may be NULL) is told
 * of USR_UPDATE_CHECK. Returns 0; -EBADMSG with *err* naming the first block that is wrong; -EIO where one
 * can't be read; -ENOSPC where the slot is too small; what *progress* returns.
 */
int slot_check(const struct usr_slot *slot, const struct image_files *image, unsigned threads,
	usr_update_progress_fn progress, void *userdata, struct error **err);
