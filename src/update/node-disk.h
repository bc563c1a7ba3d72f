/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The disk that a node starts from: its boot partition and its two slots, and what the partition table says
 * of them.
 *
 * A slot is three partitions in a row of numbers: usr image, hash tree, signature of the root hash
 * (docs/formats/gpt.md). What is in it, its unique ids and labels say: the ids of image and tree are the
 * halves of the root hash (Discoverable Partitions Specification), so that the initrd of a release finds its
 * own slot and no other. A slot whose label is "_empty" holds nothing that could be started, whatever its
 * bytes are.
 */
#pragma once

#include "base/sha256.h"
#include "format/gpt.h"

#define NODE_SLOTS 2
#define NODE_SLOT_EMPTY "_empty"

struct node_slot {
	char letter; /* 'a' for the first usr partition by number, as orlop-init counts */
	struct gpt_partition usr, verity, signature;
};

struct node_disk {
	struct gpt gpt;
	struct gpt_partition esp;
	struct node_slot slots[NODE_SLOTS];
};

void node_disk_release(struct node_disk *disk);
#define _cleanup_node_disk_ _cleanup_(node_disk_release)

/*
 * Reads the table of *io*, a whole disk, for the partition types of *architecture* (Debian's name).
 * *sector_size* 0: find out. Returns 0; -ENOENT with *err* saying which partition is missing; the errors of
 * gpt_read_io().
 */
int node_disk_read(const struct block_io *io, uint32_t sector_size, const char *architecture,
	struct node_disk *ret, struct error **err);

/* True where the slot is the one of this root hash by its ids. */
bool node_slot_is(const struct node_slot *slot, const uint8_t root[SHA256_SIZE]);

/* The version that the slot's label tells; NULL where it is empty, or labelled by somebody else. Points into
 * *slot*. */
const char *node_slot_version(const struct node_slot *slot);

/*
 * What a slot is to be: with ids and labels of a release, or empty. The table changes in memory alone;
 * gpt_write_io() makes it so. Return 0; -EINVAL where a version is too long for a label; -EEXIST where the
 * ids belong to another partition.
 */
int node_slot_set_release(struct node_disk *disk, struct node_slot *slot, const char *version,
	const uint8_t root[SHA256_SIZE], struct error **err);
int node_slot_set_empty(struct node_disk *disk, struct node_slot *slot, struct error **err);
