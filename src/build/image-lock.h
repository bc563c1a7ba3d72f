/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between a definition and a lock: whether the one is what the other was written for, and the lock of what a
 * build has resolved.
 */
#pragma once

#include "build/image.h"
#include "source/lock.h"

/*
 * Checks that a lock was written for this edition, architecture and suite, and for the same packages that the
 * definition asks for now. Returns 0; -ESTALE with *err* naming what differs; -ENOMEM.
 */
int image_lock_check(const struct image_options *options, struct error **err);

/* Writes the lock of these packages to *options->lock_path*, at once. */
int image_lock_write(const struct image_options *options, const struct package_list *packages,
	const struct package_list *boot_packages, struct error **err);
