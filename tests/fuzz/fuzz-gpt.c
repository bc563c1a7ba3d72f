/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The input is a disk with sectors of 512 bytes. Checksums are made right first, so that what stands behind
 * them is reached; a table that is read is then changed, written and read again. The corpus has a disk that
 * sfdisk made.
 */
#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/crc32.h"
#include "base/file.h"
#include "format/gpt.h"

#define SECTOR 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend_checksums(uint8_t *disk, size_t size, uint8_t *header)
{
	uint32_t header_size = read_le32(header + 12);
	uint64_t entries = read_le64(header + 72),
		 bytes = (uint64_t)read_le32(header + 80) * read_le32(header + 84);

	if (entries < size / SECTOR && bytes <= size - entries * SECTOR)
		write_le32(header + 88, crc32_update(0, disk + entries * SECTOR, bytes));
	write_le32(header + 16, 0);
	if (header_size <= SECTOR)
		write_le32(header + 16, crc32_update(0, header, header_size));
}

static void change_and_write(int fd, struct gpt *gpt, uint64_t size)
{
	struct gpt_partition partition = {.type = {{1}}, .id = {{2}}, .label = "new"}, each = {};
	_cleanup_gpt_ struct gpt back = {};

	while (gpt_next(gpt, &each)) {
		assert(each.size > 0 && each.offset + each.size <= size);
		assert(gpt_room(gpt, &each) <= size);
	}
	(void)gpt_resize(gpt, size, NULL);
	partition.size = SECTOR;
	partition.offset = gpt->last_usable * SECTOR;
	(void)gpt_put(gpt, &partition, NULL);
	assert(gpt_check(gpt, NULL) == 0);
	assert(gpt_write(fd, gpt, NULL) == 0);
	assert(gpt_read(fd, size, gpt->sector_size, &back, NULL) == 0);
	assert(!back.primary_damaged && !back.backup_damaged && !back.backup_differs && back.protective_mbr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("gpt", MFD_CLOEXEC);
	_cleanup_free_ uint8_t *disk = malloc(size + 1);
	_cleanup_gpt_ struct gpt gpt = {};
	_cleanup_error_ struct error *err = NULL;
	int r;

	assert(fd >= 0 && disk);
	memcpy(disk, data, size);
	size -= size % SECTOR;
	if (size >= 4 * SECTOR) {
		mend_checksums(disk, size, disk + SECTOR);
		mend_checksums(disk, size, disk + size - SECTOR);
	}
	assert(write_full(fd, disk, size) == 0);
	r = gpt_read(fd, size, SECTOR, &gpt, &err);
	assert(r == 0 ? !err : err && err->code == r);
	if (r == 0)
		change_and_write(fd, &gpt, size);
	return 0;
}
