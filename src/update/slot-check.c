/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/slot-check.h"

#include <errno.h>
#include <string.h>

#include "base/work.h"
#include "format/verity.h"
#include "update/usr-work.h"

#define THREADS_MAX 4
#define ITEM_BLOCKS 64 /* hashed at a time by one thread */
#define BATCH_BLOCKS 256

/* Blocks that are hashed together, and the digests that they must have. */
struct batch {
	const struct usr_slot *slot;
	const struct image_files *image;
	uint64_t first;
	size_t count;
	uint8_t *blocks, *digests;
};

static int check_item(size_t index, void *userdata, struct error **err)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	struct batch *batch = userdata;
	size_t begin = index * ITEM_BLOCKS, end = MIN(begin + ITEM_BLOCKS, batch->count);
	uint8_t *blocks = batch->blocks + begin * USR_BLOCK_SIZE, digest[SHA256_SIZE];
	unsigned long long first = batch->first + begin;
	int r;

	if (!context)
		return error_set_errno(err, -ENOMEM, "check");
	r = block_read(&batch->slot->data, first * USR_BLOCK_SIZE, blocks, (end - begin) * USR_BLOCK_SIZE);
	if (r < 0)
		return error_set_errno(err, r, "reading block %llu of the slot", first);
	for (size_t i = begin; i < end; i++, blocks += USR_BLOCK_SIZE, first++) {
		verity_digest(&batch->image->verity, context, blocks, digest);
		if (memcmp(digest, batch->digests + i * SHA256_SIZE, SHA256_SIZE) != 0)
			return error_set(err, -EBADMSG, "block %llu of the slot is not the release's", first);
	}
	return 0;
}

/* The superblock says nothing that a release doesn't; it only has to be there. */
static int check_header(const struct usr_slot *slot, const struct image_files *image, struct error **err)
{
	_cleanup_free_ uint8_t *blocks = work_blocks_new(2);
	int r;

	if (!blocks)
		return error_set_errno(err, -ENOMEM, "check");
	memset(blocks, 0, USR_BLOCK_SIZE);
	verity_header_write(&image->verity, image->blocks, blocks);
	r = block_read(&slot->hash, 0, blocks + USR_BLOCK_SIZE, USR_BLOCK_SIZE);
	if (r < 0)
		return error_set_errno(err, r, "reading the superblock of the hash tree");
	if (memcmp(blocks, blocks + USR_BLOCK_SIZE, USR_BLOCK_SIZE) != 0)
		return error_set(err, -EBADMSG, "the superblock of the hash tree is not the release's");
	return 0;
}

static int get_digests(struct verity_reader *reader, struct batch *batch, struct error **err)
{
	for (size_t i = 0; i < batch->count; i++) {
		const uint8_t *digest;
		int r = verity_reader_digest(reader, batch->first + i, &digest, err);

		if (r < 0)
			return r;
		memcpy(batch->digests + i * SHA256_SIZE, digest, SHA256_SIZE);
	}
	return 0;
}

int slot_check(const struct usr_slot *slot, const struct image_files *image, unsigned threads,
	usr_update_progress_fn progress, void *userdata, struct error **err)
{
	_cleanup_verity_reader_ struct verity_reader *reader = NULL;
	_cleanup_free_ uint8_t *blocks = work_blocks_new(BATCH_BLOCKS);
	_cleanup_free_ uint8_t *digests = calloc(BATCH_BLOCKS, SHA256_SIZE);
	int r;

	if (!blocks || !digests)
		return error_set_errno(err, -ENOMEM, "check");
	threads = threads ? threads : MIN(work_processors(), (unsigned)THREADS_MAX);
	r = verity_reader_new(&slot->hash, &image->verity, image->blocks, image->root, &reader, err);
	if (r >= 0)
		r = check_header(slot, image, err);
	for (uint64_t first = 0; first < image->blocks && r >= 0; first += BATCH_BLOCKS) {
		struct batch batch = {.slot = slot,
			.image = image,
			.first = first,
			.count = (size_t)MIN(image->blocks - first, (uint64_t)BATCH_BLOCKS),
			.blocks = blocks,
			.digests = digests};

		r = get_digests(reader, &batch, err);
		if (r >= 0)
			r = work_run(threads, (size_t)div_round_up_u64(batch.count, ITEM_BLOCKS), check_item,
				&batch, err);
		if (r >= 0 && progress) {
			r = progress(USR_UPDATE_CHECK, first + batch.count, image->blocks, userdata);
			if (r < 0)
				(void)error_set(err, r, "stopped");
		}
	}
	return r;
}
