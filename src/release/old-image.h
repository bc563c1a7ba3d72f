/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The usr image of a release that is in a repository, made again from what nodes fetch of it, so that a patch
 * can lead from there to the next one.
 */
#pragma once

#include "base/progress.h"
#include "release/image-write.h"
#include "release/repository.h"

/*
 * Makes image and hash file of the release whose folder is *release* ("EDITION/VERSION/ARCHITECTURE") as
 * files without names in the repository's draft, and proves them against the root hash that is signed.
 * Returns 0, and the caller closes the descriptors; -ENOENT where a file is missing; -EBADMSG where one is
 * not what was published.
 */
int old_image_open(struct repository *repository, const char *release, struct progress *progress,
	struct image_source *ret, struct error **err);
