/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/slot-hash.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/work.h"
#include "format/verity.h"
#include "update/usr-work.h"

void slot_lanes_release(struct slot_lanes *lanes)
{
	for (size_t i = 0; i < SLOT_LANES; i++) {
		sha256_free(lanes->items[i].context);
		free(lanes->items[i].blocks);
	}
	*lanes = (struct slot_lanes){};
}

int slot_lanes_init(
	struct slot_lanes *lanes, const struct verity_options *verity, unsigned threads, struct error **err)
{
	*lanes = (struct slot_lanes){
		.verity = verity, .count = threads ? MIN(threads, (unsigned)SLOT_LANES) : SLOT_LANES};
	assert(lanes->count > 0);
	for (unsigned i = 0; i < lanes->count; i++) {
		struct slot_lane *lane = &lanes->items[i];

		lane->context = sha256_new();
		lane->blocks = work_blocks_new(SLOT_RUN_BLOCKS);
		if (!lane->context || !lane->blocks)
			return error_set_errno(err, -ENOMEM, "hashing");
	}
	assert(lanes->items[0].blocks);
	memset(lanes->items[0].blocks, 0, USR_BLOCK_SIZE);
	verity_digest(verity, lanes->items[0].context, lanes->items[0].blocks, lanes->zero_digest);
	return 0;
}

static bool is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, USR_BLOCK_SIZE - 1) == 0;
}

void slot_lane_digest(const struct slot_lanes *lanes, const struct slot_lane *lane, size_t block,
	uint8_t digest[SHA256_SIZE])
{
	const uint8_t *data = lane->blocks + block * USR_BLOCK_SIZE;

	if (is_zero(data))
		memcpy(digest, lanes->zero_digest, SHA256_SIZE);
	else
		verity_digest(lanes->verity, lane->context, data, digest);
}

/* A call under way. */
struct hashing {
	const struct slot_lanes *lanes;
	const struct block_io *io;
	uint64_t first;
	size_t count;
	uint8_t *digests;
	int *faults;
	atomic_size_t next; /* run that no lane has begun */
};

static void hash_run(struct hashing *hashing, const struct slot_lane *lane, size_t run)
{
	size_t begin = run * SLOT_RUN_BLOCKS, count = MIN(hashing->count - begin, (size_t)SLOT_RUN_BLOCKS);

	hashing->faults[run] = block_read(
		hashing->io, (hashing->first + begin) * USR_BLOCK_SIZE, lane->blocks, count * USR_BLOCK_SIZE);
	for (size_t i = 0; i < count && hashing->faults[run] >= 0; i++)
		slot_lane_digest(hashing->lanes, lane, i, hashing->digests + (begin + i) * SHA256_SIZE);
}

static int run_lane(size_t index, void *userdata, struct error **err)
{
	struct hashing *hashing = userdata;
	size_t run;

	(void)err;
	while ((run = atomic_fetch_add(&hashing->next, 1)) * SLOT_RUN_BLOCKS < hashing->count)
		hash_run(hashing, &hashing->lanes->items[index], run);
	return 0;
}

int slot_hash(const struct slot_lanes *lanes, const struct block_io *io, uint64_t first, size_t count,
	uint8_t *digests, int faults[SLOT_BATCH_RUNS], struct error **err)
{
	struct hashing hashing = {.lanes = lanes,
		.io = io,
		.first = first,
		.count = count,
		.digests = digests,
		.faults = faults};

	assert(count <= SLOT_BATCH_BLOCKS);
	return work_run(lanes->count, lanes->count, run_lane, &hashing, err);
}
