/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What firmware and boot loader make of a disk: an independent reader of the partition table
 * (UEFI 2.10, 5.3), of the boot partition (Microsoft, "FAT: General Overview of On-Disk Format"), and of the
 * rules by which an entry is chosen and its tries are counted (UAPI Group, "Boot Loader Specification").
 * Nothing of src/ is used, so that what that writes can be judged by this.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOADER_SLOTS 2
#define LOADER_ENTRIES 16
#define LOADER_ROOT_SIZE 32
#define LOADER_NAME_SIZE 64

/* Bytes of the disk. */
struct loader_place {
	uint64_t offset, size;
};

struct loader_slot {
	struct loader_place usr, verity, signature;
	uint8_t root[LOADER_ROOT_SIZE]; /* that the ids of the first two tell */
};

struct loader_entry {
	char name[LOADER_NAME_SIZE]; /* of the file below EFI/Linux */
	char version[LOADER_NAME_SIZE];
	bool counted, begun; /* there is a counter; it says how many tries were begun */
	unsigned left, done; /* tries */
	uint8_t *data;
	size_t size;
	uint64_t pieces[LOADER_NAME_SIZE / 13 + 1]; /* where on the disk the entries of its long name are */
};

struct loader_view {
	struct loader_place esp;
	struct loader_slot slots[LOADER_SLOTS];
	struct loader_entry entries[LOADER_ENTRIES];
	size_t count;
};

/* Reads a disk; NULL, or why that can't be done. The caller releases *ret* in any case. */
const char *loader_look(const uint8_t *disk, uint64_t size, struct loader_view *ret);
void loader_release(struct loader_view *view);
#define _cleanup_loader_view_ _cleanup_(loader_release)

/* The entry that is started; NULL where there is none. */
struct loader_entry *loader_choose(struct loader_view *view);

/* Whether the loader starts it only where no other is left. */
bool loader_is_last(const struct loader_entry *entry);

/* Versions as the specification compares them, of those that are three numbers: below 0, 0, above 0. */
int loader_compare_versions(const char *a, const char *b);

/* Notes in an entry with a counter, on the disk and in *entry*, that it is started. */
void loader_count(uint8_t *disk, struct loader_entry *entry);
