/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The input is a list of sectors, each with its number before it (24 bits, little-endian); all others are
 * zero. So a FAT32 file system is an input of a few kilobytes. The corpus has the sectors of images that
 * mkfs.fat and mcopy made.
 */
#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "format/fat.h"

#define SECTOR 512
#define SIZE MiB(64)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("fat", MFD_CLOEXEC);
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct fat_info info;
	int r;

	assert(fd >= 0 && ftruncate(fd, (off_t)SIZE) == 0);
	for (; size >= 3 + SECTOR; data += 3 + SECTOR, size -= 3 + SECTOR) {
		uint64_t sector = data[0] | (uint64_t)data[1] << 8 | (uint64_t)data[2] << 16;

		if (sector < SIZE / SECTOR)
			assert(pwrite_full(fd, data + 3, SECTOR, sector * SECTOR) == 0);
	}
	r = fat_read(fd, 0, SIZE, MiB(8), &tree, &info, &err);
	assert(r == 0 ? tree && !err : !tree && err && err->code == r);
	return 0;
}
