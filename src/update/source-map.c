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
#include "base/work.h"
#include "format/verity.h"
#include "update/usr-work.h"

#define DIGESTS_PER_BLOCK (VERITY_BLOCK_SIZE / SHA256_SIZE)
#define THREADS_MAX 4
#define ITEM_BLOCKS 64 /* hashed at a time by one thread */
#define BATCH_ITEMS 16
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

/* Blocks of the slot that are hashed together. */
struct batch {
	const struct usr_work *work;
	uint64_t first;
	size_t count;
	uint8_t *blocks, *digests;
	bool unreadable[BATCH_ITEMS];
};

static bool is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, USR_BLOCK_SIZE - 1) == 0;
}

static int hash_item(size_t index, void *userdata, struct error **err)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	struct batch *batch = userdata;
	const struct usr_update *update = batch->work->update;
	size_t begin = index * ITEM_BLOCKS, end = MIN(begin + ITEM_BLOCKS, batch->count);
	uint8_t *blocks = batch->blocks + begin * USR_BLOCK_SIZE;

	if (!context)
		return error_set_errno(err, -ENOMEM, "plan");
	batch->unreadable[index] = block_read(&update->target->data, (batch->first + begin) * USR_BLOCK_SIZE,
					   blocks, (end - begin) * USR_BLOCK_SIZE) < 0;
	for (size_t i = begin; i < end && !batch->unreadable[index]; i++, blocks += USR_BLOCK_SIZE) {
		uint8_t *digest = batch->digests + i * SHA256_SIZE;

		if (is_zero(blocks))
			memcpy(digest, batch->work->zero_digest, SHA256_SIZE);
		else
			verity_digest(&update->image->verity, context, blocks, digest);
	}
	return 0;
}

/* What a batch's digests say: which blocks are in their place, and where others lie. */
static int take_batch(
	const struct table *table, struct usr_work *work, const struct batch *batch, struct error **err)
{
	for (size_t i = 0; i < batch->count; i++) {
		const uint8_t *digest = batch->digests + i * SHA256_SIZE, *expected;
		uint64_t block = batch->first + i;
		int r;

		if (batch->unreadable[i / ITEM_BLOCKS])
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
	_cleanup_free_ uint8_t *blocks = work_blocks_new((size_t)BATCH_ITEMS * ITEM_BLOCKS);
	_cleanup_free_ uint8_t *digests = calloc((size_t)BATCH_ITEMS * ITEM_BLOCKS, SHA256_SIZE);
	uint64_t begin = table ? 0 : work->begin;
	uint64_t end = table ? update->image->blocks : work->begin + work->count;
	enum usr_update_step step = table ? USR_UPDATE_SCAN : USR_UPDATE_CHECK;
	unsigned threads = update->threads ? update->threads : MIN(work_processors(), (unsigned)THREADS_MAX);

	if (!blocks || !digests)
		return error_set_errno(err, -ENOMEM, "plan");
	for (uint64_t first = begin; first < end; first += (uint64_t)BATCH_ITEMS * ITEM_BLOCKS) {
		struct batch batch = {.work = work,
			.first = first,
			.count = (size_t)MIN(end - first, (uint64_t)BATCH_ITEMS * ITEM_BLOCKS),
			.blocks = blocks,
			.digests = digests};
		int r = work_run(
			threads, (size_t)div_round_up_u64(batch.count, ITEM_BLOCKS), hash_item, &batch, err);

		if (r >= 0)
			r = take_batch(table, work, &batch, err);
		if (r >= 0)
			r = work_progress(work, step, first + batch.count - begin, end - begin, err);
		if (r < 0)
			return r;
	}
	return 0;
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
