/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A node's disk as a file that programs open by its name, of which the power can be cut: whoever links this
 * has its pwrite() and fdatasync() looked at, and a process can be made to end at any one of them that
 * concerns the disk. What it had written since the last flush is then on the disk or not, sector by sector
 * (base/block-io.h). The partitions are files beside it, which always hold the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replay-disk.h"

#define CRASH_STATUS 99 /* with which a process ends that was cut */

enum crash_kind {
	CRASH_NONE,
	CRASH_POWER, /* what was not flushed may be lost */
	CRASH_KILL,  /* the process alone ends: nothing is lost */
	CRASH_ERROR, /* the write or flush fails with EIO, and the next ones don't */
};

/* A partition that gets a file of its own: "vda" and its number. */
struct crash_partition {
	unsigned number;
	uint64_t offset, size; /* bytes */
};

/* Makes FOLDER/vda with these bytes, and the partitions. There is one such disk at a time. */
void crash_disk_new(const char *folder, const void *data, uint64_t size,
	const struct crash_partition *partitions, size_t count);
void crash_disk_release(void);

/* The bytes, which are changed by crash_disk_put() alone. */
uint8_t *crash_disk_data(void);
uint64_t crash_disk_size(void);
void crash_disk_put(uint64_t offset, const void *data, size_t size);

/* Has the write or flush number *at* (from 1) from now on meet this; *seed* says what is lost. */
void crash_disk_arm(enum crash_kind kind, uint64_t at, uint64_t seed);

/* How many of them there were since. */
uint64_t crash_disk_calls(void);

/* From now on, writes and flushes are noted. */
void crash_disk_record(void);

/*
 * Ends that. Where there were any, they are taken back on the disk (not in the partitions' files), for
 * replay_states(), which makes them again; *ret is the caller's: replay_writes_free(). Returns how many there
 * were.
 */
size_t crash_disk_rewind(struct replay_write **ret);
