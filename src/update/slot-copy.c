/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/slot-copy.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/work.h"
#include "update/usr-work.h"

struct slot_copier {
	struct slot_copier_options options;
	struct slot_lanes lanes;
	uint8_t *digests; /* that the blocks of a call must have, SLOT_BATCH_BLOCKS */
};

struct slot_copier *slot_copier_free(struct slot_copier *copier)
{
	if (!copier)
		return NULL;
	slot_lanes_release(&copier->lanes);
	free(copier->digests);
	free(copier);
	return NULL;
}

int slot_copier_new(const struct slot_copier_options *options, struct slot_copier **ret, struct error **err)
{
	_cleanup_slot_copier_ struct slot_copier *copier = calloc(1, sizeof(*copier));
	int r;

	if (!copier)
		return error_set_errno(err, -ENOMEM, "copying");
	copier->options = *options;
	copier->digests = calloc(SLOT_BATCH_BLOCKS, SHA256_SIZE);
	r = slot_lanes_init(&copier->lanes, &options->image->verity, options->threads, err);
	if (r >= 0 && !copier->digests)
		r = error_set_errno(err, -ENOMEM, "copying");
	if (r >= 0)
		*ret = TAKE_PTR(copier);
	return r;
}

/* ---- What may be copied ---- */

static uint64_t place_blocks(const struct slot_copier *copier, enum slot_place place)
{
	const struct slot_copier_options *options = &copier->options;

	if (place == SLOT_ZERO)
		return SLOT_RUN_BLOCKS;
	if (place == SLOT_ACTIVE)
		return options->active ? options->active->size / USR_BLOCK_SIZE : 0;
	return place == SLOT_TARGET ? options->target->size / USR_BLOCK_SIZE : 0;
}

static bool fits(uint64_t first, uint64_t count, uint64_t blocks)
{
	return count <= blocks && first <= blocks - count;
}

int slot_runs_check(
	const struct slot_copier *copier, const struct slot_run *runs, size_t count, struct error **err)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < count; i++) {
		const struct slot_run *run = &runs[i];

		blocks += run->count;
		if (run->count == 0 || run->count > SLOT_RUN_BLOCKS || blocks > SLOT_BATCH_BLOCKS ||
			!fits(run->from, run->count, place_blocks(copier, run->place)) ||
			!fits(run->to, run->count, copier->options.image->blocks))
			return error_set(err, -ERANGE,
				"%u blocks from block %u of place %u to block %u can't be copied", run->count,
				run->from, (unsigned)run->place, run->to);
	}
	return blocks > 0 ? 0 : error_set(err, -ERANGE, "nothing to copy");
}

/* ---- Copying ---- */

/* A call under way. */
struct copying {
	struct slot_copier *copier;
	const struct slot_run *runs;
	size_t count;
	uint32_t first[SLOT_BATCH_BLOCKS]; /* of the digests of each run */
	atomic_size_t next;		   /* run that no lane has begun */
	atomic_size_t failed;		   /* blocks */
};

static int write_blocks(const struct copying *copying, uint64_t first, const uint8_t *blocks, size_t count,
	struct error **err)
{
	int r = count > 0 ? block_write(copying->copier->options.target, first * USR_BLOCK_SIZE, blocks,
				    count * USR_BLOCK_SIZE)
			  : 0;

	return r < 0 ? error_set_errno(err, r, "writing block %llu of the slot", (unsigned long long)first)
		     : 0;
}

static bool is_right(
	const struct copying *copying, const struct slot_lane *lane, size_t block, const uint8_t *expected)
{
	uint8_t digest[SHA256_SIZE];

	slot_lane_digest(&copying->copier->lanes, lane, block, digest);
	return memcmp(digest, expected, SHA256_SIZE) == 0;
}

/* Writes those blocks of the lane that are right. */
static int write_right(struct copying *copying, const struct slot_lane *lane, const struct slot_run *run,
	const uint8_t *digests, struct error **err)
{
	size_t right = 0; /* blocks before *i* that are not written yet */
	int r = 0;

	for (size_t i = 0; i < run->count && r >= 0; i++) {
		if (is_right(copying, lane, i, digests + i * SHA256_SIZE)) {
			right++;
			continue;
		}
		atomic_fetch_add(&copying->failed, 1);
		r = write_blocks(copying, run->to + i - right, lane->blocks + (i - right) * USR_BLOCK_SIZE,
			right, err);
		right = 0;
	}
	return r < 0 ? r
		     : write_blocks(copying, run->to + run->count - right,
			       lane->blocks + (run->count - right) * USR_BLOCK_SIZE, right, err);
}

static int read_run(const struct copying *copying, const struct slot_run *run, uint8_t *blocks)
{
	const struct slot_copier_options *options = &copying->copier->options;
	size_t size = (size_t)run->count * USR_BLOCK_SIZE;

	if (run->place != SLOT_ZERO)
		return block_read(run->place == SLOT_ACTIVE ? options->active : options->target,
			(uint64_t)run->from * USR_BLOCK_SIZE, blocks, size);
	memset(blocks, 0, size);
	return 0;
}

static int copy_run(struct copying *copying, const struct slot_lane *lane, const struct slot_run *run,
	const uint8_t *digests, struct error **err)
{
	int r = 0;

	if (read_run(copying, run, lane->blocks) >= 0)
		return write_right(copying, lane, run, digests, err);
	if (run->count == 1) {
		atomic_fetch_add(&copying->failed, 1);
		return 0;
	}
	/* Of several blocks, one that can't be read must not cost the others. */
	for (uint32_t i = 0; i < run->count && r >= 0; i++) {
		struct slot_run one = {
			.place = run->place, .from = run->from + i, .to = run->to + i, .count = 1};

		r = copy_run(copying, lane, &one, digests + (size_t)i * SHA256_SIZE, err);
	}
	return r;
}

static int run_lane(size_t index, void *userdata, struct error **err)
{
	struct copying *copying = userdata;
	struct slot_copier *copier = copying->copier;
	size_t i;
	int r = 0;

	while (r >= 0 && (i = atomic_fetch_add(&copying->next, 1)) < copying->count)
		r = copy_run(copying, &copier->lanes.items[index], &copying->runs[i],
			copier->digests + (size_t)copying->first[i] * SHA256_SIZE, err);
	return r;
}

/* The digests come before the threads, which can't share the reader. */
static int get_digests(struct copying *copying, struct error **err)
{
	struct slot_copier *copier = copying->copier;
	uint32_t next = 0;

	for (size_t i = 0; i < copying->count; i++) {
		copying->first[i] = next;
		for (uint32_t n = 0; n < copying->runs[i].count; n++, next++) {
			const uint8_t *digest;
			int r = verity_reader_digest(
				copier->options.reader, copying->runs[i].to + n, &digest, err);

			if (r < 0)
				return r;
			memcpy(copier->digests + (size_t)next * SHA256_SIZE, digest, SHA256_SIZE);
		}
	}
	return 0;
}

int slot_copy(struct slot_copier *copier, const struct slot_run *runs, size_t count, uint64_t *ret_failed,
	struct error **err)
{
	struct copying copying = {.copier = copier, .runs = runs, .count = count};
	bool in_order = false;
	unsigned lanes;
	int r;

	*ret_failed = 0;
	for (size_t i = 0; i < count; i++)
		in_order = in_order || runs[i].place == SLOT_TARGET;
	r = get_digests(&copying, err);
	if (r < 0)
		return r;
	lanes = in_order ? 1 : copier->lanes.count;
	r = work_run(lanes, lanes, run_lane, &copying, err);
	*ret_failed = atomic_load(&copying.failed);
	return r;
}
