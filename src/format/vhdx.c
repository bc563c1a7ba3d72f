/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A dynamic VHDX (MS-VHDX 8.0), as it is when nothing has been written to it since it was made: the log is
 * empty, and both copies of all that there are two of are the same. docs/formats/disk-formats.md.
 */
#include <errno.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/utf16.h"
#include "format/disk-format-part.h"

#define BLOCK MiB(1) /* the least that there is, so that least is zero in them */
#define LOGICAL_SECTOR 512
#define PHYSICAL_SECTOR 4096
/* 2.4: payload blocks for each block of a bitmap, whose entry follows theirs. */
#define CHUNK_RATIO (((uint64_t)1 << 23) * LOGICAL_SECTOR / BLOCK)

/* Where things are, in bytes. */
#define HEADER_AT KiB(64) /* and at 128 KiB */
#define HEADER_SIZE KiB(4)
#define REGIONS_AT KiB(192) /* and at 256 KiB */
#define REGIONS_SIZE KiB(64)
#define LOG_AT MiB(1)
#define LOG_SIZE MiB(1)
#define METADATA_AT MiB(2)
#define METADATA_SIZE MiB(1)
#define METADATA_ITEMS KiB(64) /* from the metadata's beginning */
#define BAT_AT MiB(3)

/* 2.2.1 */
enum { IDENTIFIER_SIGNATURE = 0, IDENTIFIER_CREATOR = 8, IDENTIFIER_SIZE = 520 };

/* 2.2.2, where a log of no id is an empty one, and what has no name here is zero. */
enum {
	HEADER_SIGNATURE = 0,	/* "head" */
	HEADER_CHECKSUM = 4,	/* le32 */
	HEADER_SEQUENCE = 8,	/* le64 */
	HEADER_FILE_WRITE = 16, /* id */
	HEADER_DATA_WRITE = 32, /* id */
	HEADER_VERSION = 66,	/* le16 */
	HEADER_LOG_LENGTH = 68, /* le32 */
	HEADER_LOG_OFFSET = 72, /* le64 */
};

/* 2.2.3 */
enum {
	REGIONS_SIGNATURE = 0, /* "regi" */
	REGIONS_CHECKSUM = 4,  /* le32 */
	REGIONS_COUNT = 8,     /* le32 */
	REGIONS_ENTRIES = 16,
	REGION_ID = 0,
	REGION_OFFSET = 16,   /* le64 */
	REGION_LENGTH = 24,   /* le32 */
	REGION_REQUIRED = 28, /* le32 */
	REGION_SIZE = 32,
};

/* 2.6.1 */
enum {
	METADATA_SIGNATURE = 0, /* "metadata" */
	METADATA_COUNT = 10,	/* le16 */
	METADATA_ENTRIES = 32,
	ITEM_ID = 0,
	ITEM_OFFSET = 16, /* le32 */
	ITEM_LENGTH = 20, /* le32 */
	ITEM_FLAGS = 24,  /* le32 */
	ITEM_SIZE = 32,
};
#define ITEM_OF_DISK 2 /* IsVirtualDisk */
#define ITEM_REQUIRED 4

/* 2.5.1: the state in the low bits, the offset in MiB from bit 20 on. */
#define BAT_ENTRY_SIZE 8
#define BAT_ZERO UINT64_C(2)
#define BAT_PRESENT UINT64_C(6)

/* Ids as their text has them. */
static const struct uuid region_bat = {
	{0x2d, 0xc2, 0x77, 0x66, 0xf6, 0x23, 0x42, 0x00, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08}};
static const struct uuid region_metadata = {
	{0x8b, 0x7c, 0xa2, 0x06, 0x47, 0x90, 0x4b, 0x9a, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e}};

/* Known metadata items, 2.6.2, in the order in which they stand here. */
enum { FILE_PARAMETERS, DISK_SIZE, DISK_ID, LOGICAL, PHYSICAL, ITEMS };
static const struct {
	struct uuid id;
	uint32_t length, flags;
} items[ITEMS] = {
	[FILE_PARAMETERS] = {{{0xca, 0xa1, 0x67, 0x37, 0xfa, 0x36, 0x4d, 0x43, 0xb3, 0xb6, 0x33, 0xf0, 0xaa,
				     0x44, 0xe7, 0x6b}},
		8, ITEM_REQUIRED},
	[DISK_SIZE] = {{{0x2f, 0xa5, 0x42, 0x24, 0xcd, 0x1b, 0x48, 0x76, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b,
			       0xf4, 0xb8}},
		8, ITEM_REQUIRED | ITEM_OF_DISK},
	[DISK_ID] = {{{0xbe, 0xca, 0x12, 0xab, 0xb2, 0xe6, 0x45, 0x23, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00,
			     0xc7, 0x46}},
		16, ITEM_REQUIRED | ITEM_OF_DISK},
	[LOGICAL] = {{{0x81, 0x41, 0xbf, 0x1d, 0xa9, 0x6f, 0x47, 0x09, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa,
			     0xab, 0x5f}},
		4, ITEM_REQUIRED | ITEM_OF_DISK},
	[PHYSICAL] = {{{0xcd, 0xa3, 0x48, 0xc7, 0x44, 0x5d, 0x44, 0x71, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51,
			      0xc5, 0x56}},
		4, ITEM_REQUIRED | ITEM_OF_DISK},
};

/* 2.5: the last entry is that of the last payload block. */
static uint64_t bat_entries(uint64_t size)
{
	uint64_t blocks = div_round_up_u64(size, BLOCK);

	return blocks + (blocks - 1) / CHUNK_RATIO;
}

static uint64_t bat_length(uint64_t size)
{
	return round_up_u64(bat_entries(size) * BAT_ENTRY_SIZE, MiB(1));
}

static int write_identifier(int to)
{
	uint8_t identifier[IDENTIFIER_SIZE] = "vhdxfile";
	uint16_t creator[16];
	size_t count = 0;

	(void)utf16_from_utf8("Orlop", creator, ARRAY_SIZE(creator), &count);
	for (size_t i = 0; i < count; i++)
		write_le16(identifier + IDENTIFIER_CREATOR + i * sizeof(uint16_t), creator[i]);
	return pwrite_full(to, identifier, sizeof(identifier), 0);
}

/* Whoever opens the file to write to it makes new ids of both kinds. */
static int write_headers(const struct disk_source *source, int to)
{
	uint8_t header[HEADER_SIZE] = "head";
	struct uuid file, data;
	int r = disk_format_id(source, "vhdx file", &file);

	if (r >= 0)
		r = disk_format_id(source, "vhdx data", &data);
	if (r < 0)
		return r;
	uuid_to_gpt(&file, header + HEADER_FILE_WRITE);
	uuid_to_gpt(&data, header + HEADER_DATA_WRITE);
	write_le16(header + HEADER_VERSION, 1);
	write_le32(header + HEADER_LOG_LENGTH, (uint32_t)LOG_SIZE);
	write_le64(header + HEADER_LOG_OFFSET, LOG_AT);
	for (unsigned i = 0; i < 2 && r >= 0; i++) {
		write_le64(header + HEADER_SEQUENCE, i);
		write_le32(header + HEADER_CHECKSUM, 0);
		write_le32(header + HEADER_CHECKSUM, ~crc32c(UINT32_MAX, header, sizeof(header)));
		r = pwrite_full(to, header, sizeof(header), HEADER_AT * (i + 1));
	}
	return r;
}

static void set_region(uint8_t *entry, const struct uuid *id, uint64_t offset, uint64_t length)
{
	uuid_to_gpt(id, entry + REGION_ID);
	write_le64(entry + REGION_OFFSET, offset);
	write_le32(entry + REGION_LENGTH, (uint32_t)length);
	write_le32(entry + REGION_REQUIRED, 1);
}

static int write_regions(const struct disk_source *source, int to)
{
	_cleanup_free_ uint8_t *regions = calloc(1, REGIONS_SIZE);
	int r;

	if (!regions)
		return -ENOMEM;
	memcpy(regions + REGIONS_SIGNATURE, "regi", 4);
	write_le32(regions + REGIONS_COUNT, 2);
	set_region(regions + REGIONS_ENTRIES, &region_bat, BAT_AT, bat_length(source->size));
	set_region(regions + REGIONS_ENTRIES + REGION_SIZE, &region_metadata, METADATA_AT, METADATA_SIZE);
	write_le32(regions + REGIONS_CHECKSUM, ~crc32c(UINT32_MAX, regions, REGIONS_SIZE));
	r = pwrite_full(to, regions, REGIONS_SIZE, REGIONS_AT);
	return r < 0 ? r : pwrite_full(to, regions, REGIONS_SIZE, REGIONS_AT + REGIONS_SIZE);
}

static int write_metadata(const struct disk_source *source, int to)
{
	uint8_t table[METADATA_ENTRIES + ITEMS * ITEM_SIZE] = "metadata", values[64] = {};
	uint32_t offsets[ITEMS], used = 0;
	struct uuid id;
	int r = disk_format_id(source, "vhdx disk", &id);

	if (r < 0)
		return r;
	write_le16(table + METADATA_COUNT, ITEMS);
	for (size_t i = 0; i < ITEMS; i++) {
		uint8_t *entry = table + METADATA_ENTRIES + i * ITEM_SIZE;

		offsets[i] = used;
		used += items[i].length;
		uuid_to_gpt(&items[i].id, entry + ITEM_ID);
		write_le32(entry + ITEM_OFFSET, (uint32_t)METADATA_ITEMS + offsets[i]);
		write_le32(entry + ITEM_LENGTH, items[i].length);
		write_le32(entry + ITEM_FLAGS, items[i].flags);
	}
	write_le32(values + offsets[FILE_PARAMETERS], (uint32_t)BLOCK); /* and no flags: dynamic, no parent */
	write_le64(values + offsets[DISK_SIZE], source->size);
	uuid_to_gpt(&id, values + offsets[DISK_ID]);
	write_le32(values + offsets[LOGICAL], LOGICAL_SECTOR);
	write_le32(values + offsets[PHYSICAL], PHYSICAL_SECTOR);
	r = pwrite_full(to, table, sizeof(table), METADATA_AT);
	return r < 0 ? r : pwrite_full(to, values, used, METADATA_AT + METADATA_ITEMS);
}

/*
 * Where each block is. One that isn't there is said to be zero: of one that is just "not present" a reader
 * may return what it likes (2.5.1.1). Entries of bitmaps, which only files with a parent have, stay 0.
 */
static int write_bat(
	const struct disk_source *source, int to, const struct disk_blocks *blocks, uint64_t data)
{
	_cleanup_free_ uint8_t *bat = calloc(bat_entries(source->size), BAT_ENTRY_SIZE);
	uint64_t count = div_round_up_u64(source->size, BLOCK);
	size_t next = 0;

	if (!bat)
		return -ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t entry = BAT_ZERO;

		if (next < blocks->count && blocks->items[next] == i)
			entry = (data / MiB(1) + next++) << 20 | BAT_PRESENT;
		write_le64(bat + (i + i / CHUNK_RATIO) * BAT_ENTRY_SIZE, entry);
	}
	return pwrite_full(to, bat, bat_entries(source->size) * BAT_ENTRY_SIZE, BAT_AT);
}

int vhdx_write(const struct disk_source *source, int to)
{
	_cleanup_disk_blocks_ struct disk_blocks blocks = {};
	uint64_t data = BAT_AT + bat_length(source->size);
	int r = disk_blocks_copy(source, BLOCK, to, data, &blocks);

	if (r >= 0)
		r = write_identifier(to);
	if (r >= 0)
		r = write_headers(source, to);
	if (r >= 0)
		r = write_regions(source, to);
	if (r >= 0)
		r = write_metadata(source, to);
	if (r >= 0)
		r = write_bat(source, to, &blocks, data);
	/* Zeros at the end of the last block were not written. */
	return r < 0 || ftruncate(to, (off_t)(data + blocks.count * BLOCK)) >= 0 ? r : -errno;
}
