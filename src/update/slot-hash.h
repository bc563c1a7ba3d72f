/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hashes blocks of a slot on several threads. Each of these has memory of its own for what it reads, so that
 * some wait for the disk while others hash, and together they need little of it.
 */
#pragma once

#include "base/block-io.h"
#include "base/error.h"
#include "base/sha256.h"
#include "format/verity-header.h"

#define SLOT_LANES 4	       /* threads, at most: more than processors, since they wait for the disk */
#define SLOT_RUN_BLOCKS 64     /* that one reads at a time */
#define SLOT_BATCH_BLOCKS 1024 /* of a call, at most */
#define SLOT_BATCH_RUNS (SLOT_BATCH_BLOCKS / SLOT_RUN_BLOCKS)

/* What one thread works with. */
struct slot_lane {
	struct sha256 *context;
	uint8_t *blocks; /* SLOT_RUN_BLOCKS, aligned for direct access */
};

struct slot_lanes {
	struct slot_lane items[SLOT_LANES];
	unsigned count;
	const struct verity_options *verity; /* how blocks are hashed */
	uint8_t zero_digest[SHA256_SIZE];    /* of a block of zeros */
};

/* *threads*: 0 is SLOT_LANES. *verity* must outlive the lanes. Returns 0 or -ENOMEM with *err* set; release
 * them in any case. */
int slot_lanes_init(
	struct slot_lanes *lanes, const struct verity_options *verity, unsigned threads, struct error **err);
void slot_lanes_release(struct slot_lanes *lanes);

/* The digest of the lane's block number *block*. */
void slot_lane_digest(const struct slot_lanes *lanes, const struct slot_lane *lane, size_t block,
	uint8_t digest[SHA256_SIZE]);

/*
 * Writes the digests of *count* blocks of *io* from block *first* on, at most SLOT_BATCH_BLOCKS, to
 * *digests*. *faults* has, for each SLOT_RUN_BLOCKS of them, 0 or the -errno of reading them: they have no
 * digests then. Returns 0; -ENOMEM with *err* set.
 */
int slot_hash(const struct slot_lanes *lanes, const struct block_io *io, uint64_t first, size_t count,
	uint8_t *digests, int faults[SLOT_BATCH_RUNS], struct error **err);
