/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disk images as files with a name, of which nothing is left where one cannot be made. */
#pragma once

#include "base/file.h"
#include "build/disk.h"

static inline int disk_file_write(const char *path, const struct disk_image *image, struct error **err)
{
	_cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
	int r = atomic_file_open(&file, path, 0644, err);

	if (r >= 0)
		r = disk_image_write(file.fd, image, err);
	return r < 0 ? r : atomic_file_commit(&file, err);
}
