/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Brings the usr image of a release, and its hash tree, into a slot: takes over what the slot and the running
 * one already hold, fetches the rest, and writes nothing that is not proved.
 *
 * The new hash tree comes first: told by the running release's tree where the server has that, or whole. It
 * is proved against the root hash. Then every block is looked for by its digest: where it belongs; anywhere
 * in the running slot; anywhere in the slot to be written. What is nowhere is fetched: made by a patch where
 * the server has one from the running release and that is less to fetch, else as frames of the compressed
 * image. A block is compared with its digest before it is written, wherever it came from.
 *
 * There is no journal. The slot says itself what is done: a call that was stopped, at any moment and in any
 * way, is made again, and finds what it wrote before in its place.
 *
 * Memory does not depend on the image's size. docs/update.md.
 */
#pragma once

#include "base/block-io.h"
#include "base/error.h"
#include "format/image-files.h"
#include "update/remote.h"

#define USR_UPDATE_WINDOW (GiB(1) / VERITY_BLOCK_SIZE) /* blocks that are planned at a time */
#define USR_UPDATE_ROUNDS 3 /* times that a slot is given to keep what is written */

/* The places of a slot: partitions, or files. */
struct usr_slot {
	struct block_io data; /* the image, from the beginning */
	struct block_io hash; /* its hash file; size 0 where there is none */
};

enum usr_update_step {
	USR_UPDATE_TREE,  /* bytes fetched of the hash tree */
	USR_UPDATE_SCAN,  /* blocks hashed of what is in the slot */
	USR_UPDATE_COPY,  /* blocks copied from own ones */
	USR_UPDATE_FETCH, /* blocks made of what was fetched */
	USR_UPDATE_CHECK, /* blocks hashed once all is written */
};

/* Told of what is done; *total* may be 0 where it isn't known. A negative errno stops the update with it. */
typedef int (*usr_update_progress_fn)(
	enum usr_update_step step, uint64_t done, uint64_t total, void *userdata);

/*
 * Copies own blocks in the stead of this process, and proves each before it is written. *copy* takes runs
 * such as slot_copy() does (slot-copy.h), and need only begin with them; *wait* returns when all are done,
 * with how many blocks since the last call were not what they had to be. Return 0 or a negative errno with
 * *err* set.
 */
struct slot_run;
struct usr_copier_ops {
	int (*copy)(const struct slot_run *runs, size_t count, void *userdata, struct error **err);
	int (*wait)(uint64_t *ret_failed, void *userdata, struct error **err);
};

struct usr_update {
	const struct image_files *image;
	const struct remote *remote;
	const struct usr_slot *target; /* may hold anything */
	const struct usr_slot *active; /* the running slot, which is only read; NULL: none */
	const uint8_t *active_root;    /* its root hash, NULL where that isn't known */
	unsigned threads;	       /* that read, hash and copy; 0: 4, whatever the processors */
	uint64_t window;	       /* blocks that are planned at a time; 0: USR_UPDATE_WINDOW */
	bool no_patch, no_tree_delta;  /* do without */

	/* For who proves what is written, and the whole slot in the end, elsewhere: */
	const struct usr_copier_ops *copier; /* NULL: this process copies own blocks itself */
	void *copier_userdata;
	bool leaves_proof; /* the slot is not read back */

	usr_update_progress_fn progress; /* may be NULL */
	void *userdata;
};

struct usr_update_result {
	uint64_t blocks;						 /* of the image, … */
	uint64_t kept, zero, from_active, from_target, patched, fetched; /* … and where they came from */
	uint64_t damaged; /* own blocks that were not what their tree said */
	uint64_t tree_bytes, index_bytes, patch_bytes, block_bytes; /* fetched, as far as they were of use */
	bool tree_kept;						    /* it was there already */
	bool tree_delta;					    /* it came as a delta */
	unsigned rounds; /* 1, or more where the slot did not keep what was written */
};

/*
 * Does it. *ret* is written in any case: what was done so far. Returns 0 when image and tree are in the slot,
 * flushed, and were read back and found right (unless *leaves_proof* is set). -EBADMSG: what the server has
 * is not the release; -ENOSPC: the slot is too small; -EIO: the slot does not keep what is written to it, or
 * can't be written; the errors of the remote and of *progress*.
 */
int usr_update_run(const struct usr_update *update, struct usr_update_result *ret, struct error **err);
