/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/slot-check.h"

#include <errno.h>
#include <string.h>

#include "format/verity.h"
#include "update/slot-hash.h"
#include "update/usr-work.h"

struct checking {
	const struct usr_slot *slot;
	const struct image_files *image;
	struct verity_reader *reader;
	struct slot_lanes lanes;
	uint8_t *digests; /* SLOT_BATCH_BLOCKS */
};

static void checking_release(struct checking *checking)
{
	verity_reader_free(checking->reader);
	slot_lanes_release(&checking->lanes);
	free(checking->digests);
}

static int checking_init(struct checking *checking, unsigned threads, struct error **err)
{
	const struct image_files *image = checking->image;
	int r = slot_lanes_init(&checking->lanes, &image->verity, threads, err);

	checking->digests = calloc(SLOT_BATCH_BLOCKS, SHA256_SIZE);
	if (r >= 0 && !checking->digests)
		r = error_set_errno(err, -ENOMEM, "check");
	return r < 0 ? r
		     : verity_reader_new(&checking->slot->hash, &image->verity, image->blocks, image->root,
			       &checking->reader, err);
}

/* The superblock says nothing that a release doesn't; it only has to be there. */
static int check_header(const struct checking *checking, struct error **err)
{
	_cleanup_free_ uint8_t *blocks = work_blocks_new(2);
	int r;

	if (!blocks)
		return error_set_errno(err, -ENOMEM, "check");
	memset(blocks, 0, USR_BLOCK_SIZE);
	verity_header_write(&checking->image->verity, checking->image->blocks, blocks);
	r = block_read(&checking->slot->hash, 0, blocks + USR_BLOCK_SIZE, USR_BLOCK_SIZE);
	if (r < 0)
		return error_set_errno(err, r, "reading the superblock of the hash tree");
	if (memcmp(blocks, blocks + USR_BLOCK_SIZE, USR_BLOCK_SIZE) != 0)
		return error_set(err, -EBADMSG, "the superblock of the hash tree is not the release's");
	return 0;
}

static int check_batch(struct checking *checking, uint64_t first, size_t count, struct error **err)
{
	int faults[SLOT_BATCH_RUNS] = {};
	int r = slot_hash(
		&checking->lanes, &checking->slot->data, first, count, checking->digests, faults, err);

	for (size_t i = 0; i < count && r >= 0; i++) {
		const uint8_t *digest = checking->digests + i * SHA256_SIZE, *expected;
		unsigned long long block = first + i;

		if (faults[i / SLOT_RUN_BLOCKS] < 0)
			return error_set_errno(
				err, faults[i / SLOT_RUN_BLOCKS], "reading block %llu of the slot", block);
		r = verity_reader_digest(checking->reader, block, &expected, err);
		if (r >= 0 && memcmp(digest, expected, SHA256_SIZE) != 0)
			return error_set(err, -EBADMSG, "block %llu of the slot is not the release's", block);
	}
	return r;
}

int slot_check(const struct usr_slot *slot, const struct image_files *image, unsigned threads,
	usr_update_progress_fn progress, void *userdata, struct error **err)
{
	_cleanup_(checking_release) struct checking checking = {.slot = slot, .image = image};
	int r = checking_init(&checking, threads, err);

	if (r >= 0)
		r = check_header(&checking, err);
	for (uint64_t first = 0; first < image->blocks && r >= 0; first += SLOT_BATCH_BLOCKS) {
		size_t count = (size_t)MIN(image->blocks - first, (uint64_t)SLOT_BATCH_BLOCKS);

		r = check_batch(&checking, first, count, err);
		if (r >= 0 && progress) {
			r = progress(USR_UPDATE_CHECK, first + count, image->blocks, userdata);
			if (r < 0)
				(void)error_set(err, r, "stopped");
		}
	}
	return r;
}
