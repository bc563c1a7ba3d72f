/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies blocks that a node has already to where a new image wants them. Each is read, hashed, compared with
 * the digest that the new hash tree has for its place, and only then written; several runs at a time, so that
 * a disk has something to do while others are hashed.
 */
#pragma once

#include "format/verity-reader.h"
#include "update/slot-hash.h"
#include "update/usr-update.h"

enum slot_place {
	SLOT_ZERO,   /* nowhere: the blocks are all zero */
	SLOT_ACTIVE, /* in the running slot */
	SLOT_TARGET, /* elsewhere in the slot that is written */
	SLOT_PLACES,
};

/* Blocks that lie one behind the other, and belong so: SLOT_RUN_BLOCKS at most. */
struct slot_run {
	enum slot_place place;
	uint32_t from; /* the first block there; of zeros 0 */
	uint32_t to;   /* the first block in the new image */
	uint32_t count;
};

struct slot_copier_options {
	const struct block_io *target; /* the slot's data */
	const struct block_io *active; /* the running slot's, NULL where there is none */
	const struct image_files *image;
	struct verity_reader *reader; /* of the new tree; nobody else may use it during a call */
	unsigned threads;	      /* as in slot_lanes_init() */
};

struct slot_copier;

/* *options* is copied; what it points to must outlive the copier. Returns 0 or -ENOMEM with *err* set. */
int slot_copier_new(const struct slot_copier_options *options, struct slot_copier **ret, struct error **err);
struct slot_copier *slot_copier_free(struct slot_copier *copier);
DEFINE_CLEANUP(struct slot_copier *, slot_copier_free);
#define _cleanup_slot_copier_ _cleanup_(slot_copier_freep)

/*
 * Checks that runs are what slot_copy() may be given: at least one, in places that there are, within the
 * slots and the image, and no more than SLOT_BATCH_BLOCKS in all. Returns 0; -ERANGE with *err* set.
 */
int slot_runs_check(
	const struct slot_copier *copier, const struct slot_run *runs, size_t count, struct error **err);

/*
 * Copies *count* runs, which must be such as slot_runs_check() lets pass. Where one is of SLOT_TARGET they
 * are copied one after the other, otherwise in any order. *ret_failed* is the number of blocks that were not
 * what they had to be, or could not be read: their places are left as they were. Returns 0; a negative errno
 * with *err* set where the slot can't be written, its tree proves nothing, or memory is out.
 */
int slot_copy(struct slot_copier *copier, const struct slot_run *runs, size_t count, uint64_t *ret_failed,
	struct error **err);
