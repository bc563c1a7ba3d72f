/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GUID partition tables (UEFI 2.10, chapter 5): read from a disk or image, built and changed in memory, and
 * written back so that a crash at any point leaves one whole table. See docs/formats/gpt.md.
 *
 * The builder, `orlop inspect`, orlop-init and the updater share this file: it needs nothing but base's error
 * and block code. Offsets and sizes are in bytes, whatever the sector size.
 */
#pragma once

#include "base/block-io.h"
#include "base/error.h"
#include "base/utf16.h"
#include "format/uuid.h"

#define GPT_ENTRIES 128	 /* that a new table has room for */
#define GPT_ALIGN MiB(1) /* where partitions of ours begin and end */
#define GPT_MBR_SIZE 512
#define GPT_LABEL_UNITS 36 /* UTF-16 code units of a label */
#define GPT_LABEL_SIZE UTF8_SIZE(GPT_LABEL_UNITS)

/* Bits of a partition's attributes: the first by UEFI, the others by the Discoverable Partitions
 * Specification. */
#define GPT_REQUIRED (UINT64_C(1) << 0)
#define GPT_GROW_FILE_SYSTEM (UINT64_C(1) << 59)
#define GPT_READ_ONLY (UINT64_C(1) << 60)
#define GPT_NO_AUTO (UINT64_C(1) << 63)

struct gpt_partition {
	unsigned number; /* from 1, as the kernel counts */
	struct uuid type, id;
	uint64_t offset, size;
	uint64_t attributes;
	char label[GPT_LABEL_SIZE];
};

/* Initialise with gpt_init() or gpt_read(), release with gpt_release() or _cleanup_gpt_. */
struct gpt {
	uint32_t sector_size; /* 512 or 4096 */
	uint64_t sectors;     /* of the disk */
	struct uuid disk;
	uint64_t first_usable, last_usable; /* sectors */

	uint64_t primary_entries_lba; /* first sector of the primary's entries */
	uint32_t entry_count, entry_size;
	uint8_t *entries; /* as on disk, so that what we don't know is kept */

	/* What gpt_read() found. */
	bool primary_damaged;
	bool backup_damaged; /* the backup is missing, damaged or not at the end of the disk */
	bool backup_differs; /* both are whole, but the backup says something else: a write was cut off */
	bool protective_mbr; /* the master boot record protects the table */
};

void gpt_release(struct gpt *gpt);
#define _cleanup_gpt_ _cleanup_(gpt_release)

/*
 * How large the disk or image *fd* is and, where it is a block device, its sector size (0 for a file: a file
 * does not know).
 */
int gpt_geometry(int fd, uint64_t *ret_size, uint32_t *ret_sector_size, struct error **err);

/*
 * Reads the table of a disk of *disk_size* bytes: the primary where it is whole, else the backup (at the end
 * of the disk). Both are checked against their checksums and against the disk's size; partitions that
 * overlap, or leave the usable space, make a table damaged. A *sector_size* of 0 tries 512, then 4096.
 *
 * Returns 0; -ENODATA where there is no table at all; -EBADMSG where there is one and neither copy is usable;
 * another negative errno. *ret* is written on success alone.
 */
int gpt_read(int fd, uint64_t disk_size, uint32_t sector_size, struct gpt *ret, struct error **err);
int gpt_read_io(const struct block_io *disk, uint32_t sector_size, struct gpt *ret, struct error **err);

/* An empty table of GPT_ENTRIES entries for a disk of *disk_size* bytes. Returns 0, -ENOSPC or -ENOMEM. */
int gpt_init(struct gpt *ret, uint64_t disk_size, uint32_t sector_size, const struct uuid *disk,
	struct error **err);

/*
 * The next partition in the order of the numbers: begin with a *partition* of number 0. Returns false behind
 * the last.
 */
bool gpt_next(const struct gpt *gpt, struct gpt_partition *partition);

/* The first partition of *type* with the unique id *id* (each may be NULL: any). Returns 0 or -ENOENT. */
int gpt_find(
	const struct gpt *gpt, const struct uuid *type, const struct uuid *id, struct gpt_partition *ret);

/* The partition of that number. Returns 0 or -ENOENT. */
int gpt_get(const struct gpt *gpt, unsigned number, struct gpt_partition *ret);

/*
 * Adds a partition (*partition->number* 0: the first free one, which is then noted there) or changes the one
 * with that number. Returns -EINVAL where offset, size, type, id or label can't stand in a table, -EEXIST
 * where the id is taken, -ENOSPC where it leaves the usable space, overlaps another or no entry is free.
 */
int gpt_put(struct gpt *gpt, struct gpt_partition *partition, struct error **err);

/*
 * The free space behind all partitions, between multiples of GPT_ALIGN. Returns 0, or -ENOSPC where it has
 * less than *min* bytes, or none.
 */
int gpt_end_gap(const struct gpt *gpt, uint64_t min, uint64_t *ret_offset, uint64_t *ret_size);

/*
 * Checks that every partition lies in the usable space and that none overlaps another. Returns 0 or -EBADMSG.
 */
int gpt_check(const struct gpt *gpt, struct error **err);

/* The size that a partition can have where it stands, up to the next one or the end, a multiple of GPT_ALIGN.
 */
uint64_t gpt_room(const struct gpt *gpt, const struct gpt_partition *partition);

/*
 * Fits the table to a disk of *disk_size* bytes, which has grown since the table was made: all the space up
 * to where gpt_write() puts the backup becomes usable. -ENOSPC where the disk is too small for its
 * partitions.
 */
int gpt_resize(struct gpt *gpt, uint64_t disk_size, struct error **err);

/*
 * Writes the table to *fd*: entries and header at the end of the disk, then those at its beginning, flushed
 * in between, then the protective master boot record (whose boot code stays). Where the primary was damaged,
 * the backup is what holds the table: then the primary comes first. At each point at least one copy on disk
 * is whole, the old or the new one.
 */
int gpt_write(int fd, const struct gpt *gpt, struct error **err);
int gpt_write_io(const struct block_io *disk, const struct gpt *gpt, struct error **err);

/*
 * What gpt_write() does, step by step: *fn* gets what is to be written where, and *data* NULL where all that
 * came before must be on disk first. *mbr* is the disk's first 512 bytes as they are. Stops at the first
 * negative value and returns it; -ENOMEM.
 */
typedef int (*gpt_step_fn)(uint64_t offset, const void *data, size_t size, void *userdata);
int gpt_write_steps(const struct gpt *gpt, const uint8_t mbr[GPT_MBR_SIZE], gpt_step_fn fn, void *userdata);

/* A partition type that Orlop knows. */
struct gpt_type {
	const char *name;	  /* "usr-verity" */
	const char *architecture; /* "amd64", "arm64"; NULL where the type has none */
	struct uuid id;
};

/* NULL where it is not in the list. */
const struct gpt_type *gpt_type_find(const struct uuid *id);
const struct gpt_type *gpt_type_lookup(const char *name, const char *architecture);

/* The list itself, ended by a NULL name. */
extern const struct gpt_type gpt_types[];
