/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state partition: the one part of the disk that is written to, mounted at /var. It is found on the
 * slot's disk by its type and label, made at the first boot in the space behind the slots, and grown with the
 * disk.
 *
 * While the file system of a new partition is being made, the partition's label ends in "-unfinished". That
 * mark goes when the file system is whole and on disk, by one write of the partition table; a boot that finds
 * it makes the file system anew. A partition without the mark is never formatted.
 */
#pragma once

#include "init/slot.h"

struct state_query {
	struct uuid type;
	const char *label;
	uint64_t minimum;   /* bytes that a new partition needs */
	const char *config; /* mke2fs.conf in the new root, NULL: none */
};

struct state {
	struct block_device device;
	bool made, grown; /* in this boot */
};

/* What is to be done with the table, and what was found in it. */
struct state_plan {
	struct gpt_partition partition;
	bool write;	 /* the table has to be written */
	bool add;	 /* the partition is new */
	bool grow;	 /* the partition has become larger */
	bool unfinished; /* its file system has to be made */
};

/*
 * Fits the table of a disk of *disk_size* bytes to what state needs: *gpt* is changed in memory only. Returns
 * 0; -ENOSPC with *err* set where there is no partition and no room for one.
 */
int state_plan(const struct state_query *query, uint64_t disk_size, const struct uuid *new_id,
	struct gpt *gpt, struct state_plan *ret, struct error **err);

/*
 * Looks at all disks once, in the order of their names, for one with a state partition, also an unfinished
 * one, and fills the slot's disk and table, so that state_mount() finds it there. For a slot without a disk.
 * Returns 0; -ENOENT without *err* where no disk has one (yet).
 */
int state_find_disk(const struct state_query *query, struct slot *slot, struct error **err);

/* Makes or grows state as needed and mounts it at /var of the new root. */
int state_mount(const struct state_query *query, struct slot *slot, struct state *ret, struct error **err);

/* Mounts a /var that is in memory only. */
int state_mount_volatile(struct error **err);

/*
 * Opens the folder *path* below /var of the new root, makes it where it is missing, and reports what had to
 * be set aside for it; see folder_open().
 */
int state_folder(const char *path, mode_t mode, struct error **err);

/* Makes the folders of state that the root's folders stand for (/root, /home, /opt, /srv), and mounts them
 * there. */
int state_mount_folders(struct error **err);
