/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads an image as `orlop inspect` does. The superblock's checksum is set right first, so that changed
 * images get past it; one in 16 is left as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "format/erofs-disk.h"
#include "format/erofs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ uint8_t *image = malloc(size + 1);
	struct erofs_source source = {.data = image, .size = size};
	static const struct erofs_limits limits = {.bytes = MiB(8), .names = 20000};

	if (!image)
		return 0;
	memcpy(image, data, size);
	if (size >= EROFS_BLOCK_SIZE && data[0] % 16 != 15)
		write_le32(image + EROFS_SUPER_OFFSET + SUPER_CHECKSUM,
			erofs_super_checksum(
				image + EROFS_SUPER_OFFSET, EROFS_BLOCK_SIZE - EROFS_SUPER_OFFSET));
	(void)erofs_read_tree(&source, &limits, &tree, &err);
	return 0;
}
