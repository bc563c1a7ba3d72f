/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the fields of a FAT file system stand, its names and the entries of its folders; for the files of
 * src/format/fat*.c alone. All integers are little-endian.
 */
#pragma once

#include "base/error.h"
#include "base/utf16.h"

/* Boot sector. */
#define BOOT_BYTES_PER_SECTOR 11
#define BOOT_SECTORS_PER_CLUSTER 13
#define BOOT_RESERVED_SECTORS 14
#define BOOT_FATS 16
#define BOOT_ROOT_ENTRIES 17
#define BOOT_SECTORS_16 19
#define BOOT_MEDIA 21
#define BOOT_FAT_SECTORS_16 22
#define BOOT_TRACK_SECTORS 24
#define BOOT_HEADS 26
#define BOOT_HIDDEN 28
#define BOOT_SECTORS_32 32
#define BOOT_16_SIGNATURE 38 /* FAT12 and FAT16 have this and the next two here */
#define BOOT_16_VOLUME_ID 39
#define BOOT_16_LABEL 43
#define BOOT_FAT_SECTORS_32 36
#define BOOT_EXT_FLAGS 40 /* EXT_FLAGS_NO_MIRROR: only one table is in use */
#define BOOT_VERSION 42	  /* 0 */
#define BOOT_ROOT_CLUSTER 44
#define BOOT_FSINFO 48
#define BOOT_BACKUP 50
#define BOOT_DRIVE 64
#define BOOT_STATE 65	  /* not in the specification: drivers set bit 0 while the volume is mounted */
#define BOOT_SIGNATURE 66 /* 0x29: the volume id and the label are there */
#define BOOT_VOLUME_ID 67
#define BOOT_LABEL 71
#define BOOT_TYPE 82
#define BOOT_END 510 /* 55 aa */

#define EXT_FLAGS_NO_MIRROR 0x80
#define STATE_DIRTY 0x01

/* FSINFO. */
#define FSINFO_HEAD 0	     /* 0x41615252 */
#define FSINFO_SIGNATURE 484 /* 0x61417272 */
#define FSINFO_FREE 488	     /* clusters; a hint */
#define FSINFO_NEXT 492	     /* where to begin to look for a free one; a hint */
#define FSINFO_TAIL 508	     /* 0xaa550000 */
#define FSINFO_UNKNOWN 0xffffffffu

#define FAT12_CLUSTERS_MAX 4084 /* what decides between the three, and nothing else */
#define FAT16_CLUSTERS_MAX 65524
#define FAT32_CLUSTERS_MAX 0x0ffffff5
#define FAT32_END 0x0fffffff
#define FAT32_END_MIN 0x0ffffff8 /* from here on all values say that a chain ends */
#define FAT32_BAD 0x0ffffff7	 /* a cluster that holds nothing, since it can't */
#define FAT32_CLEAN 0x08000000	 /* in the entry of cluster 1: nothing was being changed */
#define FAT_FIRST_CLUSTER 2

/* An entry of a folder. */
#define ENTRY_SIZE 32
#define ENTRY_NAME 0
#define ENTRY_ATTRIBUTES 11
#define ENTRY_CASE 12 /* bits of Windows NT: 8 the name, 16 the extension is in lower case */
#define ENTRY_CREATED_TIME 14
#define ENTRY_CREATED_DATE 16
#define ENTRY_ACCESSED_DATE 18
#define ENTRY_CLUSTER_HIGH 20
#define ENTRY_TIME 22
#define ENTRY_DATE 24
#define ENTRY_CLUSTER_LOW 26
#define ENTRY_FILE_SIZE 28

#define ENTRY_END 0x00	/* in the name's first byte: no entry from here on is in use */
#define ENTRY_FREE 0xe5 /* in the same place */

#define ATTRIBUTE_LABEL 0x08
#define ATTRIBUTE_FOLDER 0x10
#define ATTRIBUTE_ARCHIVE 0x20
#define ATTRIBUTE_LONG_NAME 0x0f
#define ATTRIBUTE_MASK 0x3f

/* An entry that holds 13 units of a long name. */
#define LONG_ORDER 0 /* from 1; the last part, which stands first, has LONG_LAST set */
#define LONG_LAST 0x40
#define LONG_CHECKSUM 13
#define LONG_UNITS 13
#define LONG_NAME_MAX 255 /* units */
#define FOLDER_ENTRIES_MAX 65536

#define SHORT_NAME_SIZE 11 /* eight characters and three, padded with spaces, without the dot */
#define SHORT_TEXT_SIZE 13 /* as text, with dot and NUL */

/* Where everything is. Offsets and sizes are bytes, counted from the beginning of the file system. */
struct fat_geometry {
	unsigned bits; /* 12, 16 or 32 */
	uint32_t sector_size, cluster_size;
	uint32_t clusters; /* that can hold data */
	uint32_t tables;
	uint64_t table, table_size; /* the first one; the others follow */
	uint64_t root, root_size;   /* of FAT12 and FAT16 */
	uint32_t root_cluster;	    /* of FAT32 */
	uint64_t data;		    /* where cluster 2 begins */
};

/*
 * Reads the boot sector of a file system in *size* bytes. Each part is checked to end within it, and the
 * table to have an entry for each cluster. Returns 0; -EMEDIUMTYPE where it is none; -EBADMSG.
 */
int fat_geometry_parse(const uint8_t boot[512], uint64_t size, struct fat_geometry *ret, struct error **err);

/* The cluster is one of those that hold data: 2 and so on. */
static inline bool fat_geometry_has(const struct fat_geometry *geometry, uint32_t cluster)
{
	return cluster >= FAT_FIRST_CLUSTER && cluster - FAT_FIRST_CLUSTER < geometry->clusters;
}

static inline uint64_t fat_geometry_offset(const struct fat_geometry *geometry, uint32_t cluster)
{
	return geometry->data + (uint64_t)(cluster - FAT_FIRST_CLUSTER) * geometry->cluster_size;
}

/* Where unit *i* of the 13 stands in its entry. */
size_t fat_long_unit_offset(size_t i);

/* Ties the parts of a long name to the entry behind them. */
uint8_t fat_short_checksum(const uint8_t name[SHORT_NAME_SIZE]);

/*
 * Converts a name for a new entry to UTF-16, at most LONG_NAME_MAX units. Returns -EINVAL with *err* set
 * where it can't be a name.
 */
int fat_long_name(const char *name, uint16_t *ret, size_t *ret_count, struct error **err);

/*
 * Makes the short form of *name*. Returns whether it says all of it but for upper and lower case: then it
 * needs no number. *ret_exact* (not NULL): not even that, the name needs no long form.
 */
bool fat_short_name(const char *name, uint8_t ret[SHORT_NAME_SIZE], bool *ret_exact);

/* Puts "~NUMBER" (1 to 999999) behind as much of the name's first part as leaves room for it. */
void fat_short_number(const uint8_t basis[SHORT_NAME_SIZE], unsigned number, uint8_t ret[SHORT_NAME_SIZE]);

/* A long name being put together from its parts; *next* is the order that the next part must have. */
struct fat_long_parts {
	uint16_t units[20 * LONG_UNITS];
	size_t count;
	unsigned next;
	uint8_t checksum;
	bool open;
};

/* Takes one part; parts that don't follow each other leave no name. */
void fat_long_parts_take(struct fat_long_parts *parts, const uint8_t entry[ENTRY_SIZE]);

/* The parts are the whole long name of the (short) entry behind them. */
bool fat_long_parts_belong(const struct fat_long_parts *parts, const uint8_t entry[ENTRY_SIZE]);

/* The short name as text. */
void fat_entry_short_name(const uint8_t entry[ENTRY_SIZE], char ret[SHORT_TEXT_SIZE]);

/* The name of an entry: the long one where the parts before it are whole and its own, else the short one. */
void fat_entry_name(const struct fat_long_parts *parts, const uint8_t entry[ENTRY_SIZE],
	char ret[UTF8_SIZE(LONG_NAME_MAX)]);

/* A name from outside must be one component of a path. */
bool fat_name_is_component(const char *name);

/* Modification time as UTC; a date that is none is the beginning of the file system's calendar. */
int64_t fat_entry_time(const uint8_t entry[ENTRY_SIZE]);

/* Makes an entry, and part *part* (from 1) of the *count* units of the long name before it. */
void fat_entry_encode(uint8_t ret[ENTRY_SIZE], const uint8_t name[SHORT_NAME_SIZE], uint8_t attributes,
	uint32_t cluster, uint32_t size, int64_t mtime);
void fat_long_part_encode(uint8_t ret[ENTRY_SIZE], const uint16_t *units, size_t count, size_t part,
	const uint8_t name[SHORT_NAME_SIZE]);
