/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The boot sector of a FAT file system of anybody's making. */
#include <errno.h>

#include "base/bytes.h"
#include "format/fat-layout.h"

static bool is_sector_size(uint32_t size)
{
	return is_power_of_two_u64(size) && size >= 512 && size <= 4096;
}

static int place_parts(const uint8_t *boot, uint64_t size, struct fat_geometry *geometry, struct error **err)
{
	uint32_t sector = read_le16(boot + BOOT_BYTES_PER_SECTOR);
	uint32_t reserved = read_le16(boot + BOOT_RESERVED_SECTORS);
	uint64_t sectors = read_le16(boot + BOOT_SECTORS_16) ?: read_le32(boot + BOOT_SECTORS_32);
	uint64_t table = read_le16(boot + BOOT_FAT_SECTORS_16) ?: read_le32(boot + BOOT_FAT_SECTORS_32);
	uint64_t root = div_round_up_u64((uint64_t)read_le16(boot + BOOT_ROOT_ENTRIES) * ENTRY_SIZE, sector);
	uint64_t before = reserved + boot[BOOT_FATS] * table + root;
	uint64_t clusters;

	if (sectors > size / sector)
		return error_set(err, -EBADMSG,
			"a file system of %ju sectors of %u bytes in %ju bytes: is it cut off?",
			(uintmax_t)sectors, sector, (uintmax_t)size);
	if (before >= sectors || reserved == 0 || table == 0 || boot[BOOT_FATS] == 0)
		return error_set(err, -EBADMSG, "the boot sector leaves no room for data");
	clusters = (sectors - before) / boot[BOOT_SECTORS_PER_CLUSTER];
	if (clusters == 0 || clusters > FAT32_CLUSTERS_MAX)
		return error_set(err, -EBADMSG, "%ju clusters are not possible", (uintmax_t)clusters);
	geometry->bits = clusters <= FAT12_CLUSTERS_MAX ? 12 : clusters <= FAT16_CLUSTERS_MAX ? 16 : 32;
	geometry->sector_size = sector;
	geometry->cluster_size = sector * boot[BOOT_SECTORS_PER_CLUSTER];
	geometry->clusters = (uint32_t)clusters;
	geometry->tables = boot[BOOT_FATS];
	geometry->table = (uint64_t)reserved * sector;
	geometry->table_size = table * sector;
	geometry->root_size = (uint64_t)read_le16(boot + BOOT_ROOT_ENTRIES) * ENTRY_SIZE;
	geometry->data = before * sector;
	geometry->root = geometry->data - root * sector;
	geometry->root_cluster = read_le32(boot + BOOT_ROOT_CLUSTER);
	return 0;
}

int fat_geometry_parse(const uint8_t boot[512], uint64_t size, struct fat_geometry *ret, struct error **err)
{
	struct fat_geometry geometry;
	int r;

	if (read_le16(boot + BOOT_END) != 0xaa55 || (boot[0] != 0xeb && boot[0] != 0xe9) ||
		!is_sector_size(read_le16(boot + BOOT_BYTES_PER_SECTOR)) ||
		!is_power_of_two_u64(boot[BOOT_SECTORS_PER_CLUSTER]))
		return error_set(err, -EMEDIUMTYPE, "no FAT file system");
	r = place_parts(boot, size, &geometry, err);
	if (r < 0)
		return r;
	if (geometry.table_size * 8 / geometry.bits < (uint64_t)geometry.clusters + FAT_FIRST_CLUSTER)
		return error_set(err, -EBADMSG, "the allocation table is too small for %u clusters",
			geometry.clusters);
	if ((geometry.bits == 32) != (geometry.root_size == 0))
		return error_set(err, -EBADMSG, "a root folder of %ju bytes is not possible with %u clusters",
			(uintmax_t)geometry.root_size, geometry.clusters);
	*ret = geometry;
	return 0;
}
