/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel image as image-write.h wants it: whole blocks, and their hash tree. Two releases with one kernel
 * differ in what names the root hash of /usr and in the signature, a few blocks of thousands.
 */
#pragma once

#include "release/image-write.h"
#include "release/repository.h"

#define KERNEL_IMAGE_LEAST KiB(64) /* bytes: smaller ones come whole */

/*
 * Makes such an image of a file's bytes, filled up with zeros, as files without names in the repository's
 * draft. The tree is hashed as *verity* says. Returns 0, and the caller closes the descriptors; the errors of
 * writing.
 */
int kernel_image_make(struct repository *repository, const void *data, size_t size,
	const struct verity_options *verity, struct image_source *ret, struct error **err);

/* The same of the kernel image of a published release, whose folder is *release*
 * ("EDITION/VERSION/ARCHITECTURE/"). -ENOENT where it is not there any more; -EBADMSG where it is not what
 * was published. */
int kernel_image_open(struct repository *repository, const char *release, const struct verity_options *verity,
	struct image_source *ret, struct error **err);
