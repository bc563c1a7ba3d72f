/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/kernel-image.h"

#include <errno.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/release-info.h"
#include "format/verity.h"

static int write_padded(int fd, const void *data, size_t size, uint64_t blocks)
{
	int r = write_full(fd, data, size);

	return r < 0 ? r : ftruncate(fd, (off_t)(blocks * VERITY_BLOCK_SIZE)) < 0 ? -errno : 0;
}

int kernel_image_make(struct repository *repository, const void *data, size_t size,
	const struct verity_options *verity, struct image_source *ret, struct error **err)
{
	uint64_t blocks = div_round_up_u64(size, VERITY_BLOCK_SIZE);
	_cleanup_close_ int image = -1, hash = -1;
	const char *folder;
	int r = repository_scratch(repository, &folder, err);

	if (r < 0)
		return r;
	image = file_open_scratch(folder, err);
	hash = image < 0 ? image : file_open_scratch(folder, err);
	if (hash < 0)
		return hash;
	r = write_padded(image, data, size, blocks);
	if (r < 0)
		return error_set_errno(err, r, "%s", folder);
	r = verity_write(image, blocks, verity, hash, ret->root, err);
	if (r < 0)
		return r;
	ret->image_fd = TAKE_FD(image);
	ret->hash_fd = TAKE_FD(hash);
	return 0;
}

int kernel_image_open(struct repository *repository, const char *release, const struct verity_options *verity,
	struct image_source *ret, struct error **err)
{
	_cleanup_free_ char *name = string_format("%sorlop.efi", release), *data = NULL;
	size_t size;
	int r = name ? repository_read(repository, name, RELEASE_UKI_MAX, &data, &size, err)
		     : error_set_errno(err, -ENOMEM, "orlop.efi");

	return r < 0 ? r : kernel_image_make(repository, data, size, verity, ret, err);
}
