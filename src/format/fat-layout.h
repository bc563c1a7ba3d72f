/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the fields of a FAT file system stand, and its names; for fat-write.c, fat-read.c and fat-name.c
 * alone. All integers are little-endian.
 */
#pragma once

#include "base/error.h"

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
#define BOOT_ROOT_CLUSTER 44
#define BOOT_FSINFO 48
#define BOOT_BACKUP 50
#define BOOT_DRIVE 64
#define BOOT_SIGNATURE 66 /* 0x29: the volume id and the label are there */
#define BOOT_VOLUME_ID 67
#define BOOT_LABEL 71
#define BOOT_TYPE 82
#define BOOT_END 510 /* 55 aa */

#define FAT12_CLUSTERS_MAX 4084 /* what decides between the three, and nothing else */
#define FAT16_CLUSTERS_MAX 65524
#define FAT32_CLUSTERS_MAX 0x0ffffff5
#define FAT32_END 0x0fffffff
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
