/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's block devices, as /sys/class/block lists them and devtmpfs makes their nodes.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/string-util.h"

#define BLOCK_NAME_MAX 64

struct block_device {
	char name[BLOCK_NAME_MAX]; /* in /sys/class/block: "nvme0n1p2" */
	char path[BLOCK_NAME_MAX]; /* "/dev/nvme0n1p2" */
	dev_t number;
	uint64_t size; /* bytes */
};

/* The names of all disks that have a size: not their partitions, and no device of software making (loop, ram,
 * dm). */
int block_disks(struct strv *ret);

/* Looks a device up by its name. Returns 0, -ENOENT where the kernel has none, -EIO. */
int block_get(const char *name, struct block_device *ret);

/* The partition *number* of a disk. Returns 0, or -ENOENT where the kernel does not have it. */
int block_partition(const struct block_device *disk, unsigned number, struct block_device *ret);
