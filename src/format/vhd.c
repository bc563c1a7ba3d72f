/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fixed VHD (Virtual Hard Disk Image Format Specification 1.0, Microsoft, 2006): the disk's bytes, and a
 * footer of one sector behind them: docs/formats/disk-formats.md.
 */
#include <errno.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/sparse.h"
#include "format/disk-format-part.h"

#define SECTOR 512
#define EPOCH INT64_C(946684800) /* 2000-01-01, in seconds since 1970 */

#define FEATURES 2 /* a reserved bit that is always set */
#define FORMAT_VERSION 0x00010000
#define NO_HEADER UINT64_MAX
#define FIXED 2
/*
 * Readers that compute the size from the geometry, which can't have every one, take the size that is written
 * down where they know the creator to mean that. This one is what QEMU names itself where it is told to write
 * disks for Azure and Hyper-V.
 */
#define CREATOR "qem2"
#define CREATOR_VERSION 0x00010000
#define CREATOR_SYSTEM "Wi2k" /* there are only this and "Mac " */

/* "Hard Disk Footer Format"; what has no name here stays zero. */
enum {
	FOOTER_COOKIE = 0,	     /* 8 characters */
	FOOTER_FEATURES = 8,	     /* be32 */
	FOOTER_FORMAT_VERSION = 12,  /* be32 */
	FOOTER_DATA_OFFSET = 16,     /* be64: of another header */
	FOOTER_TIME = 24,	     /* be32 */
	FOOTER_CREATOR = 28,	     /* 4 characters */
	FOOTER_CREATOR_VERSION = 32, /* be32 */
	FOOTER_CREATOR_SYSTEM = 36,  /* 4 characters */
	FOOTER_ORIGINAL_SIZE = 40,   /* be64: bytes */
	FOOTER_CURRENT_SIZE = 48,    /* be64: bytes */
	FOOTER_CYLINDERS = 56,	     /* be16 */
	FOOTER_HEADS = 58,	     /* 8 */
	FOOTER_TRACK = 59,	     /* 8: sectors of a track */
	FOOTER_TYPE = 60,	     /* be32 */
	FOOTER_CHECKSUM = 64,	     /* be32 */
	FOOTER_ID = 68,		     /* 16 bytes, in the order of the text */
	FOOTER_SIZE = VHD_FOOTER_SIZE,
};
#define COOKIE "conectix"

struct geometry {
	uint64_t cylinders;
	uint8_t heads, track;
};

/*
 * "Appendix: CHS Calculation": more sectors to a track, then more heads, until there are fewer than 1024
 * cylinders; what an ATA disk can't tell, it does not have.
 */
static struct geometry geometry_of(uint64_t size)
{
	uint64_t sectors = MIN(size / SECTOR, UINT64_C(65535) * 16 * 255), rows;
	struct geometry geometry = {.heads = 16, .track = 255};

	if (sectors < UINT64_C(65535) * 16 * 63) {
		geometry.track = 17;
		rows = sectors / geometry.track;
		geometry.heads = (uint8_t)MIN(MAX((rows + 1023) / 1024, 4), 17);
		if (rows >= geometry.heads * UINT64_C(1024) || geometry.heads > 16) {
			geometry.track = 31;
			geometry.heads = 16;
			rows = sectors / geometry.track;
		}
		if (rows >= geometry.heads * UINT64_C(1024)) {
			geometry.track = 63;
			geometry.heads = 16;
		}
	}
	geometry.cylinders = sectors / geometry.track / geometry.heads;
	return geometry;
}

/* "Checksum": the complement of the sum of all other bytes. */
static uint32_t checksum(const uint8_t footer[FOOTER_SIZE])
{
	uint32_t sum = 0;

	for (size_t i = 0; i < FOOTER_SIZE; i++)
		sum += i >= FOOTER_CHECKSUM && i < FOOTER_ID ? 0 : footer[i];
	return ~sum;
}

static uint32_t vhd_time(int64_t time)
{
	return (uint32_t)MIN(MAX(time - EPOCH, INT64_C(0)), (int64_t)UINT32_MAX);
}

static int make_footer(const struct disk_source *source, uint8_t ret[FOOTER_SIZE])
{
	const struct geometry geometry = geometry_of(source->size);
	struct uuid id;
	int r = disk_format_id(source, "vhd", &id);

	if (r < 0)
		return r;
	memset(ret, 0, FOOTER_SIZE);
	memcpy(ret + FOOTER_COOKIE, COOKIE, strlen(COOKIE));
	write_be32(ret + FOOTER_FEATURES, FEATURES);
	write_be32(ret + FOOTER_FORMAT_VERSION, FORMAT_VERSION);
	write_be64(ret + FOOTER_DATA_OFFSET, NO_HEADER);
	write_be32(ret + FOOTER_TIME, vhd_time(source->time));
	memcpy(ret + FOOTER_CREATOR, CREATOR, 4);
	write_be32(ret + FOOTER_CREATOR_VERSION, CREATOR_VERSION);
	memcpy(ret + FOOTER_CREATOR_SYSTEM, CREATOR_SYSTEM, 4);
	write_be64(ret + FOOTER_ORIGINAL_SIZE, source->size);
	write_be64(ret + FOOTER_CURRENT_SIZE, source->size);
	write_be16(ret + FOOTER_CYLINDERS, (uint16_t)geometry.cylinders);
	ret[FOOTER_HEADS] = geometry.heads;
	ret[FOOTER_TRACK] = geometry.track;
	write_be32(ret + FOOTER_TYPE, FIXED);
	memcpy(ret + FOOTER_ID, id.bytes, sizeof(id.bytes));
	write_be32(ret + FOOTER_CHECKSUM, checksum(ret));
	return 0;
}

int vhd_write(const struct disk_source *source, int to)
{
	uint8_t footer[FOOTER_SIZE];
	int r = make_footer(source, footer);

	if (r >= 0)
		r = sparse_copy(source->fd, 0, to, 0, source->size, source->progress);
	return r < 0 ? r : pwrite_full(to, footer, sizeof(footer), source->size);
}

uint64_t vhd_disk_size(const uint8_t footer[VHD_FOOTER_SIZE], uint64_t size)
{
	return size > FOOTER_SIZE && memcmp(footer + FOOTER_COOKIE, COOKIE, strlen(COOKIE)) == 0 &&
			       read_be32(footer + FOOTER_CHECKSUM) == checksum(footer) &&
			       read_be32(footer + FOOTER_TYPE) == FIXED &&
			       read_be64(footer + FOOTER_CURRENT_SIZE) == size - FOOTER_SIZE
		       ? size - FOOTER_SIZE
		       : size;
}
