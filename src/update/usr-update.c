/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/usr-update.h"

#include <errno.h>
#include <string.h>

#include "format/verity.h"
#include "update/usr-work.h"

uint8_t *work_blocks_new(size_t count)
{
	void *blocks;

	if (posix_memalign(&blocks, USR_BLOCK_SIZE, MAX(count, (size_t)1) * USR_BLOCK_SIZE) != 0)
		return NULL;
	return blocks;
}

int work_progress(const struct usr_work *work, enum usr_update_step step, uint64_t done, uint64_t total,
	struct error **err)
{
	const struct usr_update *update = work->update;
	int r = update->progress ? update->progress(step, done, total, update->userdata) : 0;

	return r < 0 ? error_set(err, r, "stopped") : 0;
}

/* ---- Writing what is proved ---- */

enum verdict {
	VERDICT_NEEDLESS, /* it is in its place, or belongs to another window */
	VERDICT_RIGHT,
	VERDICT_WRONG,
};

static int judge_block(
	struct usr_work *work, uint64_t block, const uint8_t *data, enum verdict *ret, struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	const uint8_t *expected;
	int r;

	*ret = VERDICT_NEEDLESS;
	if (block < work->begin || block - work->begin >= work->count)
		return 0;
	if (source_kind(*work_source(work, block)) == SOURCE_HERE)
		return 0;
	r = verity_reader_digest(work->reader, block, &expected, err);
	if (r < 0)
		return r;
	verity_digest(&work->update->image->verity, work->context, data, digest);
	*ret = memcmp(digest, expected, SHA256_SIZE) == 0 ? VERDICT_RIGHT : VERDICT_WRONG;
	return 0;
}

/* Writes blocks that are proved. */
static int write_run(
	struct usr_work *work, uint64_t first, const uint8_t *blocks, size_t count, struct error **err)
{
	int r = block_write(
		&work->update->target->data, first * USR_BLOCK_SIZE, blocks, count * USR_BLOCK_SIZE);

	if (r < 0)
		return error_set_errno(err, r, "writing block %llu of the slot", (unsigned long long)first);
	for (size_t i = 0; i < count; i++) {
		uint32_t *source = work_source(work, first + i);

		work->missing -= source_kind(*source) == SOURCE_NONE;
		*source = source_make(SOURCE_HERE, 0);
	}
	return 0;
}

int work_write(struct usr_work *work, uint64_t first, const uint8_t *blocks, size_t count,
	uint64_t *ret_wrong, struct error **err)
{
	size_t run = 0; /* right blocks before *i* that are not written yet */
	int r = 0;

	*ret_wrong = 0;
	for (size_t i = 0; i <= count && r >= 0; i++) {
		enum verdict verdict = VERDICT_NEEDLESS;

		if (i < count)
			r = judge_block(work, first + i, blocks + i * USR_BLOCK_SIZE, &verdict, err);
		if (r < 0)
			return r;
		*ret_wrong += verdict == VERDICT_WRONG;
		if (verdict == VERDICT_RIGHT) {
			run++;
			continue;
		}
		if (run > 0)
			r = write_run(work, first + i - run, blocks + (i - run) * USR_BLOCK_SIZE, run, err);
		run = 0;
	}
	return r;
}

/* ---- Windows and rounds ---- */

static int flush(const struct block_io *io, struct error **err)
{
	int r = block_flush(io);

	return r < 0 ? error_set_errno(err, r, "flushing the slot") : 0;
}

/* What the first map of a window says of where its blocks come from. */
static void count_kept(struct usr_work *work)
{
	for (uint64_t i = 0; i < work->count; i++)
		work->result->kept += source_kind(work->sources[i]) == SOURCE_HERE;
}

/* Copies and fetches what the window lacks. */
static int fill_window(struct usr_work *work, struct error **err)
{
	int r = usr_copy(work, err);

	if (r >= 0 && work->missing > 0)
		r = usr_patch(work, err);
	if (r >= 0 && work->missing > 0)
		r = usr_fetch(work, err);
	if (r >= 0)
		r = flush(&work->update->target->data, err);
	return r;
}

/*
 * Fills the window, and hashes what the slot holds then: that is the proof, and where it fails, the plan of
 * another round.
 */
static int bring_window(struct usr_work *work, struct error **err)
{
	int r = source_map_make(work, false, err);

	if (r < 0)
		return r;
	count_kept(work);
	if (work->update->leaves_proof)
		return fill_window(work, err);
	for (unsigned round = 1;; round++) {
		uint64_t here = 0;

		r = fill_window(work, err);
		if (r >= 0)
			r = source_map_make(work, true, err);
		if (r < 0)
			return r;
		work->result->rounds = MAX(work->result->rounds, round);
		while (here < work->count && source_kind(work->sources[here]) == SOURCE_HERE)
			here++;
		if (here == work->count)
			return 0;
		if (round == USR_UPDATE_ROUNDS)
			return error_set(err, -EIO,
				"the slot does not keep what is written to it: block %llu is another one "
				"when it is read back (replace the disk)",
				(unsigned long long)(work->begin + here));
		r = source_map_make(work, false, err);
		if (r < 0)
			return r;
	}
}

static int bring_image(struct usr_work *work, struct error **err)
{
	uint64_t blocks = work->update->image->blocks;
	uint64_t window = work->update->window ? work->update->window : USR_UPDATE_WINDOW;
	int r = 0;

	work->sources = calloc(MIN(window, blocks), sizeof(*work->sources));
	if (!work->sources)
		return error_set_errno(err, -ENOMEM, "plan of %llu blocks", (unsigned long long)window);
	for (work->begin = 0; work->begin < blocks && r >= 0; work->begin += window) {
		work->count = MIN(window, blocks - work->begin);
		r = bring_window(work, err);
	}
	return r;
}

static void work_release(struct usr_work *work)
{
	verity_reader_free(work->reader);
	sha256_free(work->context);
	free(work->sources);
	free(work->patch_index);
	free(work->blocks_index);
}

static int work_init(struct usr_work *work, struct error **err)
{
	static const uint8_t zeros[USR_BLOCK_SIZE];
	const struct image_files *image = work->update->image;

	work->context = sha256_new();
	if (!work->context)
		return error_set_errno(err, -ENOMEM, "update");
	verity_digest(&image->verity, work->context, zeros, work->zero_digest);
	return verity_reader_new(
		&work->update->target->hash, &image->verity, image->blocks, image->root, &work->reader, err);
}

int usr_update_run(const struct usr_update *update, struct usr_update_result *ret, struct error **err)
{
	_cleanup_(work_release) struct usr_work work = {.update = update, .result = ret};
	const struct image_files *image = update->image;
	int r;

	*ret = (struct usr_update_result){.blocks = image->blocks};
	if (image->blocks > IMAGE_BLOCKS_MAX)
		return error_set(err, -EFBIG, "an image of %llu blocks is larger than %llu",
			(unsigned long long)image->blocks, (unsigned long long)IMAGE_BLOCKS_MAX);
	if (image->blocks > update->target->data.size / USR_BLOCK_SIZE)
		return error_set(err, -ENOSPC,
			"the slot has %llu bytes, too few for an image of %llu blocks of %d",
			(unsigned long long)update->target->data.size, (unsigned long long)image->blocks,
			USR_BLOCK_SIZE);
	r = work_init(&work, err);
	if (r >= 0)
		r = new_tree_bring(update, ret, err);
	if (r >= 0)
		r = bring_image(&work, err);
	if (r >= 0)
		r = flush(&update->target->hash, err);
	return r;
}
