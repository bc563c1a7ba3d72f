/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the blocks of a window are: a hash table of the digests that they must have, through which go all
 * digests that there are. Those of the running slot come from its tree, unproved, for what is copied from
 * there is hashed before it is used. The slot that is written is hashed itself: an earlier run may have
 * changed it.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "format/verity.h"
#include "update/slot-hash.h"
#include "update/usr-work.h"

#define DIGESTS_PER_BLOCK (VERITY_BLOCK_SIZE / SHA256_SIZE)
#define NOTHING UINT32_MAX

/* The blocks of the window by digest: chains of those whose digests begin alike. */
struct table {
	uint64_t *digests; /* the first 64 bits of each */
	uint32_t *chains, *next;
	uint64_t mask;
};

static void table_release(struct table *table)
{
	free(table->digests);
	free(table->chains);
	free(table->next);
}

static int table_init(struct table *table, struct usr_work *work, struct error **err)
{
	uint64_t size = 2;

	while (size < work->count)
		size *= 2;
	table->mask = size - 1;
	table->digests = calloc(work->count, sizeof(*table->digests));
	table->next = calloc(work->count, sizeof(*table->next));
	table->chains = malloc(size * sizeof(*table->chains));
	if (!table->digests || !table->next || !table->chains)
		return error_set_errno(err, -ENOMEM, "plan of %llu blocks", (unsigned long long)work->count);
	memset(table->chains, 0xff, size * sizeof(*table->chains));
	/* From the end, so that a chain goes through the blocks in their order. */
	for (uint64_t i = 0; i < work->count; i++) {
		const uint8_t *digest;
		int r = verity_reader_digest(work->reader, work->begin + i, &digest, err);

		if (r < 0)
			return r;
		table->digests[i] = read_le64(digest);
	}
	for (uint64_t i = work->count; i-- > 0;) {
		uint32_t *chain = &table->chains[table->digests[i] & table->mask];

		table->next[i] = *chain;
		*chain = (uint32_t)i;
	}
	return 0;
}

/* Notes *source* for all blocks with this digest that have none yet. */
static void note(const struct table *table, struct usr_work *work, const uint8_t *digest, uint32_t source)
{
	uint64_t begin = read_le64(digest);

	for (uint32_t i = table->chains[begin & table->mask]; i != NOTHING; i = table->next[i])
		if (table->digests[i] == begin && source_kind(work->sources[i]) == SOURCE_NONE)
			work->sources[i] = source;
}

/* ---- The running slot ---- */

/*
 * Where the digests of the running slot's blocks lie. False where it has no tree, or one with another salt,
 * whose digests can't be those of the same blocks in the new tree.
 */
static bool find_active(const struct usr_update *update, struct verity_shape *ret, uint64_t *ret_blocks)
{
	const struct verity_options *options = &update->image->verity;
	_cleanup_free_ uint8_t *block = work_blocks_new(1);
	_cleanup_error_ struct error *ignored = NULL;
	struct verity_header header;

	if (!block || !update->active || update->active->hash.size < VERITY_BLOCK_SIZE ||
		block_read(&update->active->hash, 0, block, VERITY_BLOCK_SIZE) < 0 ||
		verity_header_parse(block, VERITY_BLOCK_SIZE, &header, &ignored) < 0 ||
		verity_header_fits(&header, update->active->data.size, update->active->hash.size, &ignored) <
			0)
		return false;
	*ret = verity_shape(header.blocks);
	*ret_blocks = MIN(header.blocks, (uint64_t)SOURCE_BLOCK_MAX);
	return ret->levels > 0 && header.options.salt_size == options->salt_size &&
	       memcmp(header.options.salt, options->salt, options->salt_size) == 0;
}

static int map_active(const struct table *table, struct usr_work *work, struct error **err)
{
	_cleanup_free_ uint8_t *digests = work_blocks_new(1);
	const struct usr_update *update = work->update;
	struct verity_shape shape;
	uint64_t blocks;

	if (!digests)
		return error_set_errno(err, -ENOMEM, "plan");
	if (!find_active(update, &shape, &blocks))
		return 0;
	for (uint64_t block = 0; block < blocks; block++) {
		uint64_t at = block % DIGESTS_PER_BLOCK;

		/* A block of the tree that can't be read is 128 blocks that are not found. */
		if (at == 0 && block_read(&update->active->hash,
				       (shape.start[0] + block / DIGESTS_PER_BLOCK) * VERITY_BLOCK_SIZE,
				       digests, VERITY_BLOCK_SIZE) < 0) {
			block += DIGESTS_PER_BLOCK - 1;
			continue;
		}
		note(table, work, digests + at * SHA256_SIZE, source_make(SOURCE_ACTIVE, block));
	}
	return 0;
}

/* ---- The slot that is written ---- */

/* Blocks of the slot that were hashed together. */
struct batch {
	uint64_t first;
	size_t count;
	const uint8_t *digests;
	int faults[SLOT_BATCH_RUNS];
};

/* What a batch's digests say: which blocks are in their place, and where others lie. */
static int take_batch(
	const struct table *table, struct usr_work *work, const struct batch *batch, struct error **err)
{
	for (size_t i = 0; i < batch->count; i++) {
		const uint8_t *digest = batch->digests + i * SHA256_SIZE, *expected;
		uint64_t block = batch->first + i;
		int r;

		if (batch->faults[i / SLOT_RUN_BLOCKS] < 0)
			continue;
		if (table)
			note(table, work, digest, source_make(SOURCE_TARGET, block));
		if (block < work->begin || block - work->begin >= work->count)
			continue;
		r = verity_reader_digest(work->reader, block, &expected, err);
		if (r < 0)
			return r;
		if (memcmp(digest, expected, SHA256_SIZE) == 0)
			*work_source(work, block) = source_make(SOURCE_HERE, 0);
	}
	return 0;
}

static int map_target(const struct table *table, struct usr_work *work, struct error **err)
{
	const struct usr_update *update = work->update;
	_cleanup_(slot_lanes_release) struct slot_lanes lanes = {};
	_cleanup_free_ uint8_t *digests = calloc(SLOT_BATCH_BLOCKS, SHA256_SIZE);
	uint64_t begin = table ? 0 : work->begin;
	uint64_t end = table ? update->image->blocks : work->begin + work->count;
	enum usr_update_step step = table ? USR_UPDATE_SCAN : USR_UPDATE_CHECK;
	int r = slot_lanes_init(&lanes, &update->image->verity, update->threads, err);

	if (r >= 0 && !digests)
		r = error_set_errno(err, -ENOMEM, "plan");
	for (uint64_t first = begin; first < end && r >= 0; first += SLOT_BATCH_BLOCKS) {
		struct batch batch = {.first = first,
			.count = (size_t)MIN(end - first, (uint64_t)SLOT_BATCH_BLOCKS),
			.digests = digests};

		r = slot_hash(&lanes, &update->target->data, first, batch.count, digests, batch.faults, err);
		if (r >= 0)
			r = take_batch(table, work, &batch, err);
		if (r >= 0)
			r = work_progress(work, step, first + batch.count - begin, end - begin, err);
	}
	return r;
}

int source_map_make(struct usr_work *work, bool only_here, struct error **err)
{
	_cleanup_(table_release) struct table table = {};
	int r = 0;

	memset(work->sources, 0, work->count * sizeof(*work->sources));
	if (!only_here) {
		r = table_init(&table, work, err);
		if (r < 0)
			return r;
		note(&table, work, work->zero_digest, source_make(SOURCE_ZERO, 0));
		r = map_active(&table, work, err);
	}
	if (r >= 0)
		r = map_target(only_here ? NULL : &table, work, err);
	if (r < 0)
		return r;
	work->missing = 0;
	for (uint64_t i = 0; i < work->count; i++)
		work->missing += source_kind(work->sources[i]) == SOURCE_NONE;
	return 0;
}
